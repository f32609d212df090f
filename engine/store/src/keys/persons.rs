//! The keys of persons in memory: 51 bytes each and at most 12 of index, however many.

use super::rows::{KeyRow, KeyTable};
use super::{MasterKey, cipher};
use crate::StoreError;
use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng, SeedableRng};
use chacha20poly1305::Nonce;
use chacha20poly1305::aead::{Aead, Payload};
use hashbrown::{HashMap, HashTable};
use hmac::{Hmac, KeyInit, Mac};
use schemas::CalleeKey;
use schemas::sealed::StoredKey;
use sha2::Sha256;

/// Entries are kept in pieces of this many, so that growing copies nothing.
const PIECE: usize = 4096;
/// So many rows of a table are read at once.
const ROWS_PER_READ: usize = 10_000;

/// What is the matter with a person's key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    /// Made, and not yet durable.
    Unsaved,
    /// Durable.
    Saved,
    /// Destroyed. The generation stays, so that the next key has another.
    Erased,
}

/// A person's latest key.
#[derive(Clone, Copy)]
pub(super) struct Person {
    pub(super) key: [u8; 32],
    pub(super) generation: u16,
    pub(super) standing: Standing,
}

/// A person's latest key as it is kept: without a gap.
struct Entry {
    callee: CalleeKey,
    key: [u8; 32],
    generation: [u8; 2],
    standing: Standing,
}

/// Bytes of a person, index apart.
#[cfg(test)]
pub(super) const ENTRY_BYTES: usize = size_of::<Entry>();

/// Says which keys have come since it was last asked.
pub(super) type Newer = Box<dyn FnMut() -> Vec<(CalleeKey, Person)> + Send>;

/// All persons.
pub(super) struct Persons {
    master: MasterKey,
    index: HashTable<u32>,
    pieces: Vec<Vec<Entry>>,
    dice: ChaCha20Rng,
    /// When keys follow from a seed, only those that were erased are kept.
    seed: Option<Hmac<Sha256>>,
    /// Brings keys that another process has stored since. For who reads beside it.
    newer: Option<Newer>,
    /// The table that the keys stand in, and the place up to which it was read.
    pub(super) table: Option<(Box<dyn KeyTable>, u64)>,
    /// Keys beside a person's latest, for reading.
    pub(super) others: HashMap<CalleeKey, Vec<Person>, foldhash::fast::RandomState>,
}

impl Persons {
    pub(super) fn new(master: MasterKey, seed: [u8; 32]) -> Self {
        let (index, pieces) = (HashTable::new(), Vec::new());
        let dice = ChaCha20Rng::from_seed(seed);
        let others = HashMap::default();
        Self { master, index, pieces, dice, seed: None, newer: None, table: None, others }
    }

    /// Persons whose keys follow from `seed`, and nonces from `nonce_seed`.
    pub(super) fn derived(seed: [u8; 32], nonce_seed: [u8; 32]) -> Self {
        let derive = Hmac::new_from_slice(&seed).expect("HMAC takes a key of any length");
        Self { seed: Some(derive), ..Self::new(MasterKey::new(seed), nonce_seed) }
    }

    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// Where keys come from that are not there yet.
    pub(super) fn look_for_newer(&mut self, newer: Newer) {
        self.newer = Some(newer);
    }

    /// The person's latest key, looked for on the disk when it is older than `generation`.
    pub(super) fn person(&mut self, callee: CalleeKey, generation: u16) -> Option<Person> {
        let known = self.get(callee);
        if known.is_some_and(|person| person.generation >= generation) {
            return known;
        }
        if self.seed.is_some() {
            return Some(self.derive(callee, generation));
        }
        if let Some(mut newer) = self.newer.take() {
            for (callee, person) in newer() {
                self.merge(callee, person);
            }
            self.newer = Some(newer);
        }
        // A table that cannot be read now has no newer keys: the value reads as erased.
        drop(self.read_on());
        self.get(callee)
    }

    /// The person's key, made now if there is none or it was erased; and whether it was.
    pub(super) fn person_to_seal_for(&mut self, callee: CalleeKey) -> (Person, bool) {
        let generation = match self.get(callee) {
            Some(person) if person.standing != Standing::Erased => return (person, false),
            // A person erased 65,536 times keeps the last generation; the key is new all the same.
            Some(erased) => erased.generation.saturating_add(1),
            None => 0,
        };
        if self.seed.is_some() {
            return (self.derive(callee, generation), false);
        }
        let mut key = [0; 32];
        self.dice.fill_bytes(&mut key);
        let person = Person { key, generation, standing: Standing::Unsaved };
        self.set(callee, person);
        (person, true)
    }

    fn derive(&self, callee: CalleeKey, generation: u16) -> Person {
        let seed = self.seed.clone().expect("only asked when keys follow from a seed");
        let key = seed.chain_update(binding(callee, generation)).finalize().into_bytes().into();
        Person { key, generation, standing: Standing::Saved }
    }

    pub(super) fn nonce(&mut self) -> [u8; 12] {
        let mut nonce = [0; 12];
        self.dice.fill_bytes(&mut nonce);
        nonce
    }

    pub(super) fn get(&self, callee: CalleeKey) -> Option<Person> {
        let place = *self.index.find(hash(callee), |place| self.entry(*place).callee == callee)?;
        let entry = self.entry(place);
        let generation = u16::from_le_bytes(entry.generation);
        Some(Person { key: entry.key, generation, standing: entry.standing })
    }

    pub(super) fn set(&mut self, callee: CalleeKey, person: Person) {
        let entry = Entry {
            callee,
            key: person.key,
            generation: person.generation.to_le_bytes(),
            standing: person.standing,
        };
        let pieces = &self.pieces;
        let at = |place: u32| &pieces[place as usize / PIECE][place as usize % PIECE];
        if let Some(place) = self.index.find(hash(callee), |place| at(*place).callee == callee) {
            let place = *place as usize;
            self.pieces[place / PIECE][place % PIECE] = entry;
            return;
        }
        let place = u32::try_from(self.index.len()).expect("fewer persons than there are people");
        self.index.insert_unique(hash(callee), place, |place| hash(at(*place).callee));
        if self.pieces.last().is_none_or(|piece| piece.len() == PIECE) {
            self.pieces.push(Vec::with_capacity(PIECE));
        }
        self.pieces.last_mut().expect("one was just made").push(entry);
    }

    /// Takes over what a file says, unless something later is known.
    pub(super) fn merge(&mut self, callee: CalleeKey, person: Person) {
        let known = self.get(callee);
        let later = known.is_none_or(|known| {
            let erased = person.standing == Standing::Erased;
            known.generation < person.generation
                || (known.generation == person.generation && erased)
        });
        if later {
            self.set(callee, person);
        }
    }

    /// Every person, in the order in which they came.
    pub(super) fn all(&self) -> impl Iterator<Item = (CalleeKey, Person)> {
        self.pieces.iter().flatten().map(|entry| {
            let generation = u16::from_le_bytes(entry.generation);
            (entry.callee, Person { key: entry.key, generation, standing: entry.standing })
        })
    }

    pub(super) fn master(&self) -> &MasterKey {
        &self.master
    }

    pub(super) fn set_master(&mut self, master: MasterKey) {
        self.master = master;
    }

    /// A person's key as it may stand on a disk.
    pub(super) fn wrap(&mut self, callee: CalleeKey, person: &Person) -> StoredKey {
        let nonce = self.nonce();
        wrap(&self.master, callee, person, nonce)
    }

    /// Keys of a callee beside the latest: other nodes made them for the same generation.
    pub(super) fn others(&self, callee: CalleeKey, generation: u16) -> Vec<[u8; 32]> {
        let others = self.others.get(&callee).into_iter().flatten();
        others.filter(|person| person.generation == generation).map(|person| person.key).collect()
    }

    pub(super) fn read_on(&mut self) -> Result<(), StoreError> {
        let Some((mut table, mut place)) = self.table.take() else { return Ok(()) };
        let done = loop {
            let rows = match table.rows(place, ROWS_PER_READ) {
                Ok(rows) => rows,
                Err(error) => break Err(error),
            };
            let Some(last) = rows.last() else { break Ok(()) };
            place = last.place;
            let was_last = rows.len() < ROWS_PER_READ;
            rows.into_iter().for_each(|row| self.take_row(row));
            if was_last {
                break Ok(());
            }
        };
        self.table = Some((table, place));
        done
    }

    fn take_row(&mut self, row: KeyRow) {
        let (callee, generation) = (row.callee, row.generation);
        let known = self.get(callee);
        let Some(stored) = row.key else {
            self.others.remove(&callee);
            // A key that no row has yet comes after the erasure.
            if known.is_none_or(|known| known.standing != Standing::Unsaved) {
                let generation = known.map_or(generation, |known| known.generation.max(generation));
                self.set(callee, Person { key: [0; 32], generation, standing: Standing::Erased });
            }
            return;
        };
        let Some(key) = unwrap(self.master(), &stored) else {
            tracing::error!(?callee, "a person's key was not wrapped by this master key");
            return;
        };
        let person = Person { key, generation, standing: Standing::Saved };
        match known {
            Some(known) if known.standing != Standing::Erased => {
                if known.key == key {
                    self.set(callee, person);
                    return;
                }
                let others = self.others.entry(callee).or_default();
                if others.iter().all(|other| other.key != key) {
                    others.push(person);
                }
            }
            _ => self.set(callee, person),
        }
    }

    fn entry(&self, place: u32) -> &Entry {
        &self.pieces[place as usize / PIECE][place as usize % PIECE]
    }
}

/// Wraps a person's key by a master key.
pub(super) fn wrap(
    master: &MasterKey,
    callee: CalleeKey,
    person: &Person,
    nonce: [u8; 12],
) -> StoredKey {
    let aad = binding(callee, person.generation);
    let wrapped = cipher(master.bytes())
        .encrypt(&Nonce::from(nonce), Payload { msg: &person.key, aad: &aad });
    let wrapped = wrapped.expect("32 bytes can be sealed");
    let wrapped = wrapped.try_into().expect("32 bytes and a tag of 16 are 48");
    StoredKey { callee, generation: person.generation, nonce, wrapped }
}

/// Unwraps a person's key. `None` when the master key did not wrap it.
pub(super) fn unwrap(master: &MasterKey, stored: &StoredKey) -> Option<[u8; 32]> {
    let aad = binding(stored.callee, stored.generation);
    let payload = Payload { msg: &stored.wrapped, aad: &aad };
    cipher(master.bytes()).decrypt(&Nonce::from(stored.nonce), payload).ok()?.try_into().ok()
}

/// A wrapped key is good for this person and generation alone.
fn binding(callee: CalleeKey, generation: u16) -> [u8; 18] {
    let mut aad = [0; 18];
    aad[..16].copy_from_slice(&callee.0);
    aad[16..].copy_from_slice(&generation.to_le_bytes());
    aad
}

/// A callee key is a keyed hash already.
fn hash(callee: CalleeKey) -> u64 {
    u64::from_le_bytes(crate::bytes::bytes(&callee.0, 0))
}
