//! Keys of persons in a table that many nodes write: its rows have one order, and each keyring
//! reads on from where it was.
//!
//! Two nodes may each make a key for the same person before they hear of one another: both stay
//! good for reading. A person is erased on all nodes at once, so a row that says so stands for
//! every key of the person that came before it.

use super::persons::{Person, Persons, Standing, unwrap, wrap};
use super::rows::KeyTable;
use super::{Keyring, MasterKey, lock, random};
use crate::StoreError;
use schemas::CalleeKey;
use schemas::sealed::StoredKey;

impl Keyring {
    /// The keys in a table, and those that come later: they are looked for when they are needed.
    /// `seed` is for new keys and nonces: 32 bytes of the operating system's randomness.
    ///
    /// # Errors
    /// The table cannot be read.
    pub fn of_table(
        table: impl KeyTable + 'static,
        master: MasterKey,
        seed: [u8; 32],
    ) -> Result<Self, StoreError> {
        let mut persons = Persons::new(master, seed);
        persons.table = Some((Box::new(table), 0));
        persons.read_on()?;
        Ok(Self::of(persons))
    }

    /// Reads what has come to the table, and what was erased in it. Does nothing for a keyring
    /// that has no table.
    ///
    /// # Errors
    /// The table cannot be read.
    pub fn read_on(&self) -> Result<(), StoreError> {
        self.lock().read_on()
    }

    /// These keys are durable.
    pub fn note_saved(&self, keys: &[StoredKey]) {
        let mut persons = self.lock();
        for key in keys {
            if let Some(person) = persons.get(key.callee).filter(|person| {
                person.standing == Standing::Unsaved && person.generation == key.generation
            }) {
                persons.set(key.callee, Person { standing: Standing::Saved, ..person });
            }
        }
    }

    /// Every key that is durable here, wrapped, for another store.
    pub fn saved_keys(&self) -> Vec<StoredKey> {
        let persons = &mut *lock(&self.persons);
        let saved = |(_, person): &(CalleeKey, Person)| person.standing == Standing::Saved;
        let others = persons.others.iter().flat_map(|(callee, others)| {
            others.iter().map(|person| (*callee, *person)).collect::<Vec<_>>()
        });
        let all: Vec<_> = persons.all().chain(others).filter(saved).collect();
        all.into_iter().map(|(callee, person)| persons.wrap(callee, &person)).collect()
    }

    /// Which master key wraps the keys, by [`MasterKey::check`].
    pub fn master_check(&self) -> [u8; 8] {
        self.lock().master().check()
    }

    /// Takes keys of another store over, wrapped by the same master key: to be made durable here.
    /// How many cannot be: a keyring without a table has room for one key of a person and
    /// generation.
    pub fn adopt(&self, keys: &[StoredKey]) -> usize {
        let mut persons = self.lock();
        let mut left = 0;
        for stored in keys {
            let Some(key) = unwrap(persons.master(), stored) else {
                left += 1;
                continue;
            };
            let (callee, generation) = (stored.callee, stored.generation);
            match persons.get(callee) {
                Some(known) if known.key == key => {}
                Some(known) if known.generation >= generation => left += 1,
                _ => persons.set(callee, Person { key, generation, standing: Standing::Unsaved }),
            }
        }
        left
    }
}

/// A key as another master key wraps it; `None` when it was not `old` that wrapped it.
///
/// # Errors
/// The operating system gives no randomness.
pub fn rewrap(
    stored: &StoredKey,
    old: &MasterKey,
    new: &MasterKey,
) -> Result<Option<StoredKey>, StoreError> {
    let nonce = random()?;
    let (callee, generation) = (stored.callee, stored.generation);
    Ok(unwrap(old, stored).map(|key| {
        wrap(new, callee, &Person { key, generation, standing: Standing::Saved }, nonce)
    }))
}

#[cfg(test)]
mod tests {
    use super::super::KeyRow;
    use super::*;
    use schemas::Vault;
    use std::sync::{Arc, Mutex};

    /// A table in memory. Clones are the same.
    #[derive(Clone, Default)]
    struct Rows(Arc<Mutex<Vec<KeyRow>>>);

    impl Rows {
        fn keyring(&self, seed: u8) -> Keyring {
            Keyring::of_table(self.clone(), MasterKey::new([1; 32]), [seed; 32]).unwrap()
        }

        fn put(&self, keyring: &mut Keyring) {
            let keys = keyring.take_new_keys();
            keyring.note_saved(&keys);
            for key in keys {
                let (callee, generation) = (key.callee, key.generation);
                self.push(KeyRow { place: 0, callee, generation, key: Some(key) });
            }
        }

        fn erase(&self, callee: CalleeKey) {
            let all = std::mem::take(&mut *self.0.lock().unwrap());
            let (gone, rest): (Vec<_>, Vec<_>) = all.into_iter().partition(|r| r.callee == callee);
            *self.0.lock().unwrap() = rest;
            gone.into_iter().for_each(|row| self.push(KeyRow { key: None, ..row }));
        }

        fn push(&self, row: KeyRow) {
            let mut rows = self.0.lock().unwrap();
            let place = rows.last().map_or(1, |last| last.place + 1);
            rows.push(KeyRow { place, ..row });
        }
    }

    impl KeyTable for Rows {
        fn rows(&mut self, after: u64, limit: usize) -> Result<Vec<KeyRow>, StoreError> {
            let rows = self.0.lock().unwrap();
            Ok(rows.iter().filter(|row| row.place > after).take(limit).cloned().collect())
        }
    }

    const CALLEE: CalleeKey = CalleeKey([7; 16]);

    #[test]
    fn what_one_node_sealed_another_opens_and_a_later_one_too() {
        let rows = Rows::default();
        let (mut one, other) = (rows.keyring(1), rows.keyring(2));
        let sealed = one.seal(CALLEE, b"name");
        rows.put(&mut one);
        assert_eq!(other.open(CALLEE, &sealed).unwrap(), b"name");
        assert_eq!(rows.keyring(3).open(CALLEE, &sealed).unwrap(), b"name");
        // What is durable is not handed out again.
        one.seal(CALLEE, b"more");
        assert!(one.take_new_keys().is_empty());
    }

    #[test]
    fn two_keys_of_one_person_both_open() {
        let rows = Rows::default();
        let (mut one, mut other) = (rows.keyring(1), rows.keyring(2));
        let sealed = [one.seal(CALLEE, b"first"), other.seal(CALLEE, b"second")];
        rows.put(&mut one);
        rows.put(&mut other);
        for keyring in [&one, &other, &rows.keyring(3)] {
            let opened = sealed.each_ref().map(|sealed| keyring.open(CALLEE, sealed).unwrap());
            assert_eq!(opened, [b"first".to_vec(), b"second".to_vec()]);
        }
    }

    #[test]
    fn an_erasure_reaches_every_node_and_takes_every_key_that_stood_before_it() {
        let rows = Rows::default();
        let (mut one, mut other) = (rows.keyring(1), rows.keyring(2));
        let before = [one.seal(CALLEE, b"first"), other.seal(CALLEE, b"second")];
        rows.put(&mut one);
        rows.put(&mut other);
        rows.erase(CALLEE);
        one.read_on().unwrap();
        other.read_on().unwrap();
        let after = one.seal(CALLEE, b"called again");
        rows.put(&mut one);
        for keyring in [&one, &other, &rows.keyring(3)] {
            assert_eq!(before.each_ref().map(|sealed| keyring.open(CALLEE, sealed)), [None, None]);
            assert_eq!(keyring.open(CALLEE, &after).unwrap(), b"called again");
        }
        assert_eq!(rows.keyring(4).saved_keys().len(), 1, "an erased key has no way out");
    }

    #[test]
    fn keys_move_to_a_keyring_of_another_kind() {
        let rows = Rows::default();
        let mut one = rows.keyring(1);
        let sealed = one.seal(CALLEE, b"name");
        rows.put(&mut one);
        let keys = one.saved_keys();
        let other = Keyring::of(Persons::new(MasterKey::new([1; 32]), [9; 32]));
        assert_eq!((other.master_check(), other.adopt(&keys)), (one.master_check(), 0));
        assert_eq!(other.open(CALLEE, &sealed).unwrap(), b"name");
        assert_eq!(other.adopt(&keys), 0, "the same once more");
        let stranger = Keyring::of(Persons::new(MasterKey::new([2; 32]), [9; 32]));
        assert_eq!(stranger.adopt(&keys), 1, "another master key cannot open them");
    }
}
