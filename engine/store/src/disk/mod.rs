//! A disk in memory that fails as disks do, on a seed.
//!
//! It keeps what was synced. What was not, a power cut loses, keeps, tears, zeroes or scrambles,
//! each sector for itself, so that a late write may outlive an early one. It can run out of
//! space, take a write in pieces, and fail a sync the way Linux does: the error is told once,
//! the pages count as clean, the cache still shows them, and the next sync says all is well.

mod inode;

use crate::dice::Dice;
use crate::file::{File, Files};
use inode::Inode;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

/// Which faults a [`SimDisk`] has. The default has none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// One write in this many is taken only in part; 0 for none.
    pub short_write_one_in: u64,
    /// One sync in this many fails; 0 for none.
    pub failed_sync_one_in: u64,
    /// How many bytes the disk holds; 0 for no bound.
    pub capacity_bytes: u64,
}

/// What ends a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Crash {
    /// The process is killed; what it wrote stays in the cache.
    Process,
    /// The power goes.
    Power,
}

/// A disk in memory. Clones are the same disk.
#[derive(Clone)]
pub struct SimDisk {
    platter: Arc<Mutex<Platter>>,
    life: u32,
}

struct Platter {
    dice: Dice,
    faults: Faults,
    names: BTreeMap<String, Arc<Mutex<Inode>>>,
    durable_names: BTreeMap<String, Arc<Mutex<Inode>>>,
    unsynced_names: Vec<Rename>,
    /// Counts the crashes: handles from before one are dead.
    life: u32,
    operations_left: Option<u64>,
    syncs: u64,
    reads: u64,
    writes: u64,
}

/// A change of names that happens whole or not at all.
type Rename = Vec<(String, Option<Arc<Mutex<Inode>>>)>;

impl SimDisk {
    /// An empty disk without faults.
    pub fn new(seed: u64) -> Self {
        let platter = Platter {
            dice: Dice::new(seed),
            faults: Faults::default(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            unsynced_names: Vec::new(),
            life: 0,
            operations_left: None,
            syncs: 0,
            reads: 0,
            writes: 0,
        };
        Self { platter: Arc::new(Mutex::new(platter)), life: 0 }
    }

    /// From now on it has these faults.
    pub fn set_faults(&self, faults: Faults) {
        self.lock().faults = faults;
    }

    /// After so many more writes, syncs and changes of names, nothing works any more until
    /// [`SimDisk::crash`].
    pub fn die_after(&self, operations: u64) {
        self.lock().operations_left = Some(operations);
    }

    /// Ends the process that used the disk, and hands the disk to the next one. All handles to
    /// it are dead afterwards.
    #[must_use = "the old handle is dead"]
    pub fn crash(&self, how: Crash) -> Self {
        let mut platter = self.lock();
        platter.life += 1;
        platter.operations_left = None;
        if how == Crash::Power {
            platter.lose_power();
        }
        Self { platter: Arc::clone(&self.platter), life: platter.life }
    }

    /// How many syncs of files have succeeded.
    pub fn syncs(&self) -> u64 {
        self.lock().syncs
    }

    /// How many reads were asked for.
    pub fn reads(&self) -> u64 {
        self.lock().reads
    }

    /// How many writes were asked for.
    pub fn writes(&self) -> u64 {
        self.lock().writes
    }

    /// What a file holds. `None` when there is no such file.
    pub fn contents(&self, name: &str) -> Option<Vec<u8>> {
        self.lock().names.get(name).map(|inode| lock(inode).bytes().to_vec())
    }

    /// Puts a file there, durable at once, whatever was there before.
    pub fn put(&self, name: &str, contents: Vec<u8>) {
        let mut platter = self.lock();
        let inode = Arc::new(Mutex::new(Inode::durable(contents)));
        platter.names.insert(name.to_owned(), Arc::clone(&inode));
        platter.durable_names.insert(name.to_owned(), inode);
    }

    fn lock(&self) -> MutexGuard<'_, Platter> {
        lock(&self.platter)
    }

    /// The platter, for an operation that changes something.
    fn change(&self) -> io::Result<MutexGuard<'_, Platter>> {
        let mut platter = self.alive()?;
        match &mut platter.operations_left {
            Some(0) => return Err(io::Error::other("the simulated disk has died")),
            Some(left) => *left -= 1,
            None => {}
        }
        Ok(platter)
    }

    fn alive(&self) -> io::Result<MutexGuard<'_, Platter>> {
        let platter = self.lock();
        if platter.life == self.life {
            Ok(platter)
        } else {
            Err(io::Error::other("this handle is of an earlier life of the simulated disk"))
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no code that holds this lock panics")
}

impl Platter {
    fn lose_power(&mut self) {
        let kept = match self.dice.below(3) {
            0 => 0,
            1 => self.unsynced_names.len() as u64,
            _ => self.dice.below(self.unsynced_names.len() as u64 + 1),
        };
        let unsynced = std::mem::take(&mut self.unsynced_names);
        for rename in unsynced.into_iter().take(usize::try_from(kept).unwrap_or(usize::MAX)) {
            apply(&mut self.durable_names, rename);
        }
        self.names = self.durable_names.clone();
        for inode in self.names.values() {
            lock(inode).lose_power(&mut self.dice);
        }
    }

    fn rename(&mut self, rename: Rename) {
        apply(&mut self.names, rename.clone());
        self.unsynced_names.push(rename);
    }

    fn find(&self, name: &str) -> io::Result<Arc<Mutex<Inode>>> {
        self.names.get(name).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn used_bytes(&self) -> u64 {
        self.names.values().map(|inode| lock(inode).size()).sum()
    }
}

fn apply(names: &mut BTreeMap<String, Arc<Mutex<Inode>>>, rename: Rename) {
    for (name, inode) in rename {
        match inode {
            Some(inode) => names.insert(name, inode),
            None => names.remove(&name),
        };
    }
}

/// An open file of a [`SimDisk`].
pub struct SimFile {
    disk: SimDisk,
    inode: Arc<Mutex<Inode>>,
}

impl File for SimFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut platter = self.disk.alive()?;
        platter.reads += 1;
        Ok(lock(&self.inode).read(buf, offset))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut platter = self.disk.change()?;
        platter.writes += 1;
        let mut bytes = bytes;
        if bytes.len() > 1 && {
            let n = platter.faults.short_write_one_in;
            platter.dice.one_in(n)
        } {
            let part = 1 + platter.dice.below(bytes.len() as u64 - 1);
            bytes = &bytes[..usize::try_from(part).expect("a part of a slice fits a usize")];
        }
        let capacity = platter.faults.capacity_bytes;
        if capacity != 0 {
            let growth = (offset + bytes.len() as u64).saturating_sub(lock(&self.inode).size());
            let room = capacity.saturating_sub(platter.used_bytes());
            if growth > room {
                let part = (bytes.len() as u64).saturating_sub(growth - room);
                if part == 0 {
                    return Err(io::ErrorKind::StorageFull.into());
                }
                bytes = &bytes[..usize::try_from(part).expect("a part of a slice fits a usize")];
            }
        }
        lock(&self.inode).write(bytes, offset);
        Ok(bytes.len())
    }

    fn size(&self) -> io::Result<u64> {
        let _alive = self.disk.alive()?;
        Ok(lock(&self.inode).size())
    }

    fn truncate(&self, size: u64) -> io::Result<()> {
        let _platter = self.disk.change()?;
        lock(&self.inode).truncate(size);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut platter = self.disk.change()?;
        let one_in = platter.faults.failed_sync_one_in;
        if platter.dice.one_in(one_in) {
            lock(&self.inode).fail_sync(&mut platter.dice);
            return Err(io::Error::other("simulated I/O error"));
        }
        lock(&self.inode).sync();
        platter.syncs += 1;
        Ok(())
    }
}

impl Files for SimDisk {
    type File = SimFile;

    fn create(&self, name: &str) -> io::Result<SimFile> {
        let mut platter = self.change()?;
        if platter.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = Arc::new(Mutex::new(Inode::default()));
        platter.rename(vec![(name.to_owned(), Some(Arc::clone(&inode)))]);
        Ok(SimFile { disk: self.clone(), inode })
    }

    fn open(&self, name: &str) -> io::Result<SimFile> {
        let inode = self.alive()?.find(name)?;
        Ok(SimFile { disk: self.clone(), inode })
    }

    fn open_to_read(&self, name: &str) -> io::Result<SimFile> {
        self.open(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut platter = self.change()?;
        let inode = platter.find(from)?;
        platter.rename(vec![(from.to_owned(), None), (to.to_owned(), Some(inode))]);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut platter = self.change()?;
        platter.find(name)?;
        platter.rename(vec![(name.to_owned(), None)]);
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.alive()?.names.keys().cloned().collect())
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut platter = self.change()?;
        platter.unsynced_names.clear();
        platter.durable_names = platter.names.clone();
        Ok(())
    }

    fn place(&self, name: &str) -> String {
        format!("simulated disk: {name}")
    }
}

#[cfg(test)]
mod tests;
