//! The keys of persons on the disk: fixed records, wrapped by the master key, with a checksum
//! each. New ones are appended and synced before the events that use them; erasing overwrites a
//! record in its place.
//!
//! As in the log, each record says how many were durable when it was written. Those that no
//! record attests may stand in the cache alone, behind a sync that failed, and are written again
//! when the file is opened.

use super::persons::{Person, Persons, Standing, unwrap};
use super::{Keyring, MasterKey, lock};
use crate::StoreError;
use crate::bytes::bytes;
use crate::file::{File, Files};
use crate::writer::KeySink;
use hashbrown::HashSet;
use schemas::CalleeKey;
use schemas::sealed::StoredKey;
use std::io;
use std::sync::{Arc, Mutex};

/// A record never crosses a sector: overwriting one is old or new.
const RECORD_BYTES: usize = 128;
const MAGIC: [u8; 8] = *b"CALLKEYS";
const FORMAT: u16 = 1;
const NAME: &str = "persons";
const UNFINISHED: &str = "persons.tmp";
const RECORDS_PER_READ: usize = 8192;

/// The file of the keys. Clones are the same file.
#[derive(Clone)]
pub struct KeyFile<F: Files> {
    persons: Arc<Mutex<Persons>>,
    inner: Arc<Mutex<Inner<F>>>,
}

struct Inner<F: Files> {
    files: F,
    file: F::File,
    /// Records in the file, whole or not.
    records: u64,
    /// How many of them are known to be durable.
    durable: u64,
    /// A write or a sync failed: what is on the disk is not known any more.
    broken: bool,
}

/// What opening the keys found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Loaded {
    /// Persons that have a key.
    pub persons: u64,
    /// Persons whose key was destroyed.
    pub erased: u64,
    /// Records that do not read back: torn by a crash before they were used, or damaged. What was
    /// sealed with a damaged key reads as erased.
    pub unreadable: u64,
}

impl<F: Files> KeyFile<F> {
    /// Opens the keys in a folder, or begins them. `seed` is for new keys and nonces: 32 bytes of
    /// the operating system's randomness.
    ///
    /// # Errors
    /// [`StoreError::Foreign`] when another master key wrapped them, [`StoreError::Newer`], or the
    /// disk's.
    pub fn open(
        files: F,
        master: MasterKey,
        seed: [u8; 32],
    ) -> Result<(Keyring, Self, Loaded), StoreError> {
        let failed = |doing, error| StoreError::of_disk(doing, files.place(NAME), error);
        let mut persons = Persons::new(master, seed);
        if let Err(error) = files.open(NAME) {
            if error.kind() != io::ErrorKind::NotFound {
                return Err(failed("open", error));
            }
            write_new(&files, &mut persons, UNFINISHED)
                .and_then(|_| files.rename(UNFINISHED, NAME))
                .map_err(|error| failed("make", error))?;
        }
        // Keys that a rotation wrapped which was broken off: nobody would erase a person in there.
        remove_if_there(&files, UNFINISHED).map_err(|error| failed("remove", error))?;
        // The process before us may have died between a rename and its sync.
        files.sync_dir().map_err(|error| failed("sync", error))?;
        let file = files.open(NAME).map_err(|error| failed("open", error))?;
        let mut reading = Reading::new(&files, persons.master())?;
        let mut unattested = Vec::new();
        reading.go_on(&file, |slot, callee, person| {
            persons.merge(callee, person);
            unattested.push((slot, callee));
        })?;
        unattested.retain(|(slot, _)| *slot >= reading.attested);
        let loaded = reading.loaded(&persons);
        let mut inner =
            Inner { files, file, records: reading.slots, durable: reading.attested, broken: false };
        for (_, callee) in &unattested {
            let person = persons.get(*callee).expect("it has just been read");
            inner.write(&mut persons, *callee, &person)?;
        }
        if !unattested.is_empty() {
            inner.sync()?;
        }
        let keyring = Keyring::of(persons);
        let persons = Arc::clone(&keyring.persons);
        Ok((keyring, Self { persons, inner: Arc::new(Mutex::new(inner)) }, loaded))
    }

    /// Opens the keys beside a process that writes them. What it adds later is found when it is
    /// needed; what it erases, at the next opening.
    ///
    /// # Errors
    /// As [`KeyFile::open`].
    pub fn open_beside(files: F, master: MasterKey, seed: [u8; 32]) -> Result<Keyring, StoreError> {
        let failed = |doing, error| StoreError::of_disk(doing, files.place(NAME), error);
        let mut persons = Persons::new(master, seed);
        let file = match files.open_to_read(NAME) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Keyring::of(persons));
            }
            Err(error) => return Err(failed("open", error)),
        };
        let mut reading = Reading::new(&files, persons.master())?;
        reading.go_on(&file, |_, callee, person| persons.merge(callee, person))?;
        persons.look_for_newer(Box::new(move || {
            let mut newer = Vec::new();
            // A file that cannot be read any more has no newer keys: the value reads as erased.
            drop(reading.go_on(&file, |_, callee, person| newer.push((callee, person))));
            newer
        }));
        Ok(Keyring::of(persons))
    }

    /// Which master key wraps the keys in a folder, by [`MasterKey::check`]; `None` when there are
    /// none yet.
    ///
    /// # Errors
    /// The disk's.
    pub fn master_check(files: &F) -> Result<Option<[u8; 8]>, StoreError> {
        let failed = |error| StoreError::of_disk("read", files.place(NAME), error);
        let file = match files.open_to_read(NAME) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let mut header = [0; RECORD_BYTES];
        file.read_full_at(&mut header, 0).map_err(failed)?;
        Ok(Some(bytes(&header, 16)))
    }

    pub(super) fn files(&self) -> F {
        lock(&self.inner).files.clone()
    }

    /// Destroys a person's key, in memory and on the disk, durably. Everything that was sealed
    /// for the person can never be read again. Whether there was a key.
    ///
    /// # Errors
    /// The disk's: the key may still stand there. Stop the process and erase again.
    pub fn erase(&self, callee: CalleeKey) -> Result<bool, StoreError> {
        let mut inner = lock(&self.inner);
        let mut persons = lock(&self.persons);
        let Some(person) = persons.get(callee) else { return Ok(false) };
        let erased = Person { key: [0; 32], standing: Standing::Erased, ..person };
        persons.set(callee, erased);
        // Also when it is erased already: an earlier erasure may have failed to become durable.
        inner.overwrite(&mut persons, callee, &erased)?;
        Ok(person.standing != Standing::Erased)
    }

    /// Wraps all keys anew by another master key, and puts that file in place of the old one in
    /// one instant. Whoever holds the old master key can do nothing with the new file.
    ///
    /// # Errors
    /// The disk's; the old file then still stands.
    pub fn rotate(&self, master: MasterKey) -> Result<(), StoreError> {
        let mut inner = lock(&self.inner);
        let mut persons = lock(&self.persons);
        inner.check()?;
        let before = persons.master().clone();
        persons.set_master(master);
        let place = inner.files.place(NAME);
        let failed = |error| StoreError::of_disk("write", place, error);
        match inner.replace(&mut persons) {
            Ok(()) => Ok(()),
            Err(error) => {
                // Which of the two stands there decides the next start, not this process.
                inner.broken = true;
                persons.set_master(before);
                Err(failed(error))
            }
        }
    }
}

impl<F: Files> KeySink for KeyFile<F> {
    fn look_after(&mut self) -> Result<(), StoreError> {
        self.erase_whom_asked().map(drop)
    }

    fn append_and_sync(&mut self, keys: &[StoredKey]) -> Result<(), StoreError> {
        let mut inner = lock(&self.inner);
        let mut written = HashSet::<_, foldhash::fast::RandomState>::default();
        for key in keys {
            let mut persons = lock(&self.persons);
            // Another shard's batch may have brought it, or the person may have been erased.
            let wanted = persons.get(key.callee).filter(|person| {
                person.standing == Standing::Unsaved && person.generation == key.generation
            });
            if let Some(person) = wanted.filter(|_| !written.contains(&key.callee)) {
                inner.write(&mut persons, key.callee, &person)?;
                written.insert(key.callee);
            }
        }
        if written.is_empty() {
            return Ok(());
        }
        inner.sync()?;
        let mut persons = lock(&self.persons);
        for callee in written {
            if let Some(person) =
                persons.get(callee).filter(|person| person.standing == Standing::Unsaved)
            {
                persons.set(callee, Person { standing: Standing::Saved, ..person });
            }
        }
        Ok(())
    }
}

impl<F: Files> Inner<F> {
    fn check(&self) -> Result<(), StoreError> {
        if self.broken {
            return Err(StoreError::Broken("the keys of persons could not be written".to_owned()));
        }
        Ok(())
    }

    fn fail(&mut self, doing: &'static str, error: io::Error) -> StoreError {
        self.broken = true;
        StoreError::of_disk(doing, self.files.place(NAME), error)
    }

    /// Appends a record. Not yet durable.
    fn write(
        &mut self,
        persons: &mut Persons,
        callee: CalleeKey,
        person: &Person,
    ) -> Result<(), StoreError> {
        self.check()?;
        let record = encode(persons, callee, person, self.durable);
        let written = self.file.write_all_at(&record, place_of(self.records));
        written.map_err(|error| self.fail("write", error))?;
        self.records += 1;
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        self.check()?;
        self.file.sync_data().map_err(|error| self.fail("sync", error))?;
        self.durable = self.records;
        Ok(())
    }

    /// Overwrites every record of a person, or appends one if there is none.
    fn overwrite(
        &mut self,
        persons: &mut Persons,
        callee: CalleeKey,
        person: &Person,
    ) -> Result<(), StoreError> {
        self.check()?;
        let mut found = false;
        let mut slots = Vec::new();
        let read = each_record(&self.file, 0, &mut |slot, record| {
            if record[16..32] == callee.0 {
                slots.push(slot);
            }
        });
        read.map_err(|error| self.fail("read", error))?;
        for slot in slots {
            found = true;
            let record = encode(persons, callee, person, self.durable.min(slot));
            let written = self.file.write_all_at(&record, place_of(slot));
            written.map_err(|error| self.fail("write", error))?;
        }
        if !found {
            self.write(persons, callee, person)?;
        }
        self.sync()
    }

    /// Puts a new file of all persons in place of this one.
    fn replace(&mut self, persons: &mut Persons) -> io::Result<()> {
        let records = write_new(&self.files, persons, UNFINISHED)?;
        self.files.rename(UNFINISHED, NAME)?;
        self.files.sync_dir()?;
        self.file = self.files.open(NAME)?;
        (self.records, self.durable) = (records, records);
        Ok(())
    }
}

/// Writes a file of all saved and erased persons, synced, and says how many records it has.
fn write_new<F: Files>(files: &F, persons: &mut Persons, name: &str) -> io::Result<u64> {
    remove_if_there(files, name)?;
    let file = files.create(name)?;
    file.write_all_at(&header(persons.master()), 0)?;
    let all: Vec<_> =
        persons.all().filter(|(_, person)| person.standing != Standing::Unsaved).collect();
    for (at, piece) in all.chunks(RECORDS_PER_READ).enumerate() {
        let records: Vec<u8> =
            piece.iter().flat_map(|(callee, person)| encode(persons, *callee, person, 0)).collect();
        file.write_all_at(&records, place_of((at * RECORDS_PER_READ) as u64))?;
    }
    file.sync_data()?;
    Ok(all.len() as u64)
}

fn remove_if_there(files: &impl Files, name: &str) -> io::Result<()> {
    match files.remove(name) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn place_of(slot: u64) -> u64 {
    (slot + 1) * RECORD_BYTES as u64
}

fn header(master: &MasterKey) -> [u8; RECORD_BYTES] {
    let mut header = [0; RECORD_BYTES];
    header[..8].copy_from_slice(&MAGIC);
    header[8..10].copy_from_slice(&FORMAT.to_le_bytes());
    header[16..24].copy_from_slice(&master.check());
    seal_record(&mut header);
    header
}

fn encode(
    persons: &mut Persons,
    callee: CalleeKey,
    person: &Person,
    durable: u64,
) -> [u8; RECORD_BYTES] {
    let mut record = [0; RECORD_BYTES];
    record[0] = 1;
    record[2..4].copy_from_slice(&person.generation.to_le_bytes());
    record[8..16].copy_from_slice(&durable.to_le_bytes());
    record[16..32].copy_from_slice(&callee.0);
    if person.standing == Standing::Erased {
        record[1] = 1;
    } else {
        let stored = persons.wrap(callee, person);
        record[32..44].copy_from_slice(&stored.nonce);
        record[44..92].copy_from_slice(&stored.wrapped);
    }
    seal_record(&mut record);
    record
}

fn seal_record(record: &mut [u8; RECORD_BYTES]) {
    let crc = crc32c::crc32c(&record[..RECORD_BYTES - 4]);
    record[RECORD_BYTES - 4..].copy_from_slice(&crc.to_le_bytes());
}

fn is_whole(record: &[u8]) -> bool {
    let crc = u32::from_le_bytes(bytes(record, RECORD_BYTES - 4));
    crc32c::crc32c(&record[..RECORD_BYTES - 4]) == crc && record[0] == 1
}

/// Shows each slot from `from` on, whole or not, and says how many there are.
fn each_record(file: &impl File, from: u64, show: &mut dyn FnMut(u64, &[u8])) -> io::Result<u64> {
    let mut buffer = vec![0; RECORDS_PER_READ * RECORD_BYTES];
    let mut slot = from;
    loop {
        let read = file.read_full_at(&mut buffer, place_of(slot))?;
        for record in buffer[..read].chunks_exact(RECORD_BYTES) {
            show(slot, record);
            slot += 1;
        }
        // A part of a record at the end was torn while it was written, and is written over.
        if read < buffer.len() {
            return Ok(slot);
        }
    }
}

/// Reads a file of keys, and later what has been added.
struct Reading {
    master: MasterKey,
    place: String,
    header_checked: bool,
    slots: u64,
    attested: u64,
    unreadable: u64,
}

impl Reading {
    fn new<F: Files>(files: &F, master: &MasterKey) -> Result<Self, StoreError> {
        let (master, place) = (master.clone(), files.place(NAME));
        Ok(Self { master, place, header_checked: false, slots: 0, attested: 0, unreadable: 0 })
    }

    /// Shows the records that were not there the last time.
    fn go_on(
        &mut self,
        file: &impl File,
        mut show: impl FnMut(u64, CalleeKey, Person),
    ) -> Result<(), StoreError> {
        if !self.header_checked {
            self.check_header(file)?;
        }
        let (master, place) = (&self.master, &self.place);
        let (mut attested, mut unreadable) = (self.attested, self.unreadable);
        let read = each_record(file, self.slots, &mut |slot, record| {
            let callee = CalleeKey(bytes(record, 16));
            let generation = u16::from_le_bytes(bytes(record, 2));
            let (nonce, wrapped) = (bytes(record, 32), bytes(record, 44));
            let person = match (is_whole(record), record[1]) {
                (true, 0) => unwrap(master, &StoredKey { callee, generation, nonce, wrapped })
                    .map(|key| Person { key, generation, standing: Standing::Saved }),
                (true, _) => Some(Person { key: [0; 32], generation, standing: Standing::Erased }),
                (false, _) => None,
            };
            match person {
                Some(person) => {
                    attested = attested.max(u64::from_le_bytes(bytes(record, 8)));
                    show(slot, callee, person);
                }
                None => unreadable += 1,
            }
        });
        self.slots = read.map_err(|error| StoreError::of_disk("read", place, error))?;
        (self.attested, self.unreadable) = (attested, unreadable);
        Ok(())
    }

    fn check_header(&mut self, file: &impl File) -> Result<(), StoreError> {
        let foreign =
            |why: &str| StoreError::Foreign { file: self.place.clone(), why: why.to_owned() };
        let mut header = [0; RECORD_BYTES];
        let read = file.read_full_at(&mut header, 0);
        let read = read.map_err(|error| StoreError::of_disk("read", &self.place, error))?;
        if read < RECORD_BYTES || header[..8] != MAGIC {
            return Err(foreign(
                "it does not begin as Callfold's keys of persons do: bring it back from a backup",
            ));
        }
        let found = u16::from_le_bytes(bytes(&header, 8));
        if found > FORMAT {
            let file = self.place.clone();
            return Err(StoreError::Newer { file, found: found.into(), known: FORMAT.into() });
        }
        if bytes::<8>(&header, 16) != self.master.check() {
            return Err(foreign("another master key wrapped the keys in it: bring that one here"));
        }
        self.header_checked = true;
        Ok(())
    }

    fn loaded(&self, persons: &Persons) -> Loaded {
        let erased =
            persons.all().filter(|(_, person)| person.standing == Standing::Erased).count() as u64;
        let persons = persons.len() as u64 - erased;
        Loaded { persons, erased, unreadable: self.unreadable }
    }
}
