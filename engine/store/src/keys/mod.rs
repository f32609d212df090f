//! The keys of persons: what makes personal data readable, and what is destroyed to erase it.
//!
//! - [`MasterKey`] wraps the keys of persons; it can be rotated.
//! - [`CalleeSecret`] makes callee keys of phone numbers; it stays for ever.
//! - [`Keyring`] seals and opens, in memory: a key of 32 random bytes per person.
//! - [`KeyFile`] keeps those keys on the disk, wrapped, and erases them there; [`KeyTable`] is how
//!   they are read where many nodes write them.

mod file;
mod persons;
mod requests;
mod rows;
mod secret;
mod table;
mod vault;

pub use file::{KeyFile, Loaded};
pub(crate) use requests::{ask_to_erase, is_asked_for};
pub use rows::{KeyRow, KeyTable};
pub use secret::{CalleeSecret, MasterKey, make_secret_file, random, read_secret_file};
pub(crate) use secret::{put_secret_file, sync_folder_of};
pub use table::rewrap;
pub use vault::NodeVault;

use crate::dice::Dice;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use persons::{Person, Persons, Standing};
use schemas::sealed::StoredKey;
use schemas::{CalleeKey, Sealed, Vault};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Seals and opens personal data. Clones share the keys; each hands out for storing what it was
/// the one to need, so that every shard's batch brings the keys of its own events.
#[derive(Clone)]
pub struct Keyring {
    persons: Arc<Mutex<Persons>>,
    unsaved: Vec<StoredKey>,
}

impl Keyring {
    /// A keyring without a file, for the simulation: keys follow from the seed, so that a
    /// simulated crash loses none; nonces from the seed and the shard, so that shards do not
    /// disturb one another.
    pub fn from_seed(seed: u64, shard: u64) -> Self {
        let [mut keys, mut nonces] = [[0; 32]; 2];
        Dice::new(seed).fill(&mut keys);
        Dice::new(seed ^ shard.wrapping_add(1).rotate_left(32)).fill(&mut nonces);
        Self::of(Persons::derived(keys, nonces))
    }

    /// Destroys a key in memory alone. For a keyring without a file; see [`KeyFile::erase`].
    pub fn forget(&self, callee: CalleeKey) {
        let mut persons = self.lock();
        let generation = persons.person_to_seal_for(callee).0.generation;
        persons.set(callee, Person { key: [0; 32], generation, standing: Standing::Erased });
    }

    fn of(persons: Persons) -> Self {
        Self { persons: Arc::new(Mutex::new(persons)), unsaved: Vec::new() }
    }

    /// What is known of a person's key.
    pub fn person(&self, callee: CalleeKey) -> PersonsKey {
        match self.lock().get(callee) {
            None => PersonsKey::Never,
            Some(person) if person.standing == Standing::Erased => PersonsKey::Erased,
            Some(_) => PersonsKey::Stands,
        }
    }

    /// How many persons have a key, or had one.
    pub fn persons(&self) -> usize {
        self.lock().len()
    }

    /// Keys that other nodes made for the same person and generation.
    fn other_keys(&self, callee: CalleeKey, generation: u16) -> Vec<[u8; 32]> {
        let mut persons = self.lock();
        if persons.table.is_none() {
            return Vec::new();
        }
        // One that has just come may be the one. A table that cannot be read now has none.
        drop(persons.read_on());
        let known = persons.get(callee).filter(|known| known.standing != Standing::Erased);
        let known = known.filter(|known| known.generation == generation).map(|known| known.key);
        persons.others(callee, generation).into_iter().chain(known).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Persons> {
        lock(&self.persons)
    }
}

/// What is known of a person's key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PersonsKey {
    /// Nothing was ever sealed for this person here.
    Never,
    /// What is sealed can be opened.
    Stands,
    /// It was destroyed, and nothing has been sealed since.
    Erased,
}

impl Vault for Keyring {
    fn seal(&mut self, callee: CalleeKey, plain: &[u8]) -> Sealed {
        let mut persons = lock(&self.persons);
        let (person, made) = persons.person_to_seal_for(callee);
        let nonce = persons.nonce();
        if person.standing == Standing::Unsaved {
            // Who has just made it cannot have it in hand; who has not finds it among the latest.
            let known = !made
                && self
                    .unsaved
                    .iter()
                    .rev()
                    .any(|key| (key.callee, key.generation) == (callee, person.generation));
            if !known {
                self.unsaved.push(persons.wrap(callee, &person));
            }
        }
        drop(persons);
        let body = cipher(&person.key)
            .encrypt(&Nonce::from(nonce), Payload { msg: plain, aad: &callee.0 });
        let body = body.expect("only more than 256 GiB cannot be sealed").into();
        Sealed { generation: person.generation, nonce, body }
    }

    fn open(&self, callee: CalleeKey, sealed: &Sealed) -> Option<Vec<u8>> {
        let open = |key: &[u8; 32]| {
            let payload = Payload { msg: &sealed.body[..], aad: &callee.0 };
            cipher(key).decrypt(&Nonce::from(sealed.nonce), payload).ok()
        };
        let person = self.lock().person(callee, sealed.generation);
        let fits = |person: &Person| {
            person.generation == sealed.generation && person.standing != Standing::Erased
        };
        let opened = person.filter(fits).and_then(|person| open(&person.key));
        opened.or_else(|| self.other_keys(callee, sealed.generation).iter().find_map(open))
    }

    fn take_new_keys(&mut self) -> Vec<StoredKey> {
        std::mem::take(&mut self.unsaved)
    }
}

fn cipher(key: &[u8; 32]) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new(&Key::from(*key))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nobody leaves it half changed: each change under it is one assignment.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
