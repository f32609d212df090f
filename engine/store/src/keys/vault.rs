//! The node's vault: the keyring of persons, and the secret behind callee keys.

use super::{CalleeSecret, Keyring};
use schemas::sealed::StoredKey;
use schemas::{CalleeKey, Pseudonyms, Sealed, Vault};

/// Seals and opens for the calls of a node.
#[derive(Clone)]
pub struct NodeVault {
    /// The keys of persons.
    pub keyring: Keyring,
    /// Makes callee keys of phone numbers.
    pub secret: CalleeSecret,
}

impl Pseudonyms for NodeVault {
    fn callee_key(&self, phone: &str) -> CalleeKey {
        self.secret.callee_key(phone)
    }

    fn fingerprint(&self, content: &[u8]) -> [u8; 8] {
        self.secret.fingerprint(content)
    }
}

impl Vault for NodeVault {
    fn seal(&mut self, callee: CalleeKey, plain: &[u8]) -> Sealed {
        self.keyring.seal(callee, plain)
    }

    fn open(&self, callee: CalleeKey, sealed: &Sealed) -> Option<Vec<u8>> {
        self.keyring.open(callee, sealed)
    }

    fn take_new_keys(&mut self) -> Vec<StoredKey> {
        self.keyring.take_new_keys()
    }
}
