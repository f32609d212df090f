//! Personal data as it is kept: readable only while the person's key exists.
//!
//! Events are never edited, so erasing a person means destroying a key. Phone numbers,
//! variables, the carrier's free text and the callee's SIP addresses are [`Sealed`] from the
//! first event type on. What outlives the erasure is the [`CalleeKey`], which names nobody.

use crate::CalleeKey;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A sealed value: ChaCha20-Poly1305 under the key of one callee, with the callee key as
/// associated data, so that a value moved to another callee does not open.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// Which of the callee's keys: a person who was erased and is called again gets a new one.
    pub generation: u16,
    /// Random, never twice under one key.
    pub nonce: [u8; 12],
    /// Ciphertext and tag.
    pub body: Box<[u8]>,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.body.len())
    }
}

/// Holds the keys of persons: seals what goes into events and opens what comes out of them.
///
/// A port: the node keeps the keys in a file, the simulation makes them from its seed.
pub trait Vault {
    /// Seals `plain` for this callee, making the callee's key when there is none yet.
    ///
    /// A new key must be durable before an event sealed with it: see [`Vault::take_new_keys`].
    fn seal(&mut self, callee: CalleeKey, plain: &[u8]) -> Sealed;

    /// The plain text; `None` when the person was erased or the value is not this callee's.
    fn open(&self, callee: CalleeKey, sealed: &Sealed) -> Option<Vec<u8>>;

    /// The keys made since the last call, as they are to be stored. They go to the disk, and are
    /// synced, before the batch of events that uses them.
    fn take_new_keys(&mut self) -> Vec<StoredKey>;
}

/// Names callees and contents by keyed hashes, under a secret that is never rotated.
pub trait Pseudonyms {
    /// The opaque key of whoever has this number, normalised (`contract.md`).
    fn callee_key(&self, phone: &str) -> CalleeKey;

    /// A keyed hash of a command's content, to tell a repeat from a conflict. Keyed, since the
    /// content holds a phone number that could be guessed.
    fn fingerprint(&self, content: &[u8]) -> [u8; 8];
}

/// A person's key as it stands on disk, wrapped by the master key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredKey {
    /// Whose key.
    pub callee: CalleeKey,
    /// Which of this callee's keys, from 0.
    pub generation: u16,
    /// Nonce of the wrapping.
    pub nonce: [u8; 12],
    /// The key and the wrapping's tag.
    pub wrapped: [u8; 48],
}
