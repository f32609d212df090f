//! The machine under a node: its disk, which survives the process and may lose what was not synced.

use std::io;
use std::time::Duration;
use store::disk::{Crash, Faults, SimDisk};
use store::file::{File, Files, RealFiles};

/// A disk that a world can put under a node.
pub trait Machine: Files {
    /// Ends the process that used it, and hands it to the next one.
    #[must_use]
    fn crash(&self, power: bool) -> Self;
    /// From now on it has these faults.
    fn set_faults(&self, faults: Faults);
    /// After so many more operations nothing works any more, until the crash.
    fn die_after(&self, operations: u64);
}

impl Machine for SimDisk {
    fn crash(&self, power: bool) -> Self {
        Self::crash(self, if power { Crash::Power } else { Crash::Process })
    }

    fn set_faults(&self, faults: Faults) {
        Self::set_faults(self, faults);
    }

    fn die_after(&self, operations: u64) {
        Self::die_after(self, operations);
    }
}

/// A real folder whose syncs do nothing: for large worlds, whose power never goes.
#[derive(Clone, Debug)]
pub struct Unsynced(RealFiles);

impl Unsynced {
    /// The files of a folder that exists.
    pub fn new(folder: impl Into<std::path::PathBuf>) -> Self {
        Self(RealFiles::new(folder))
    }
}

impl Machine for Unsynced {
    fn crash(&self, _: bool) -> Self {
        self.clone()
    }

    fn set_faults(&self, _: Faults) {}

    fn die_after(&self, _: u64) {}
}

/// A file of [`Unsynced`].
pub struct UnsyncedFile(std::fs::File);

impl File for UnsyncedFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buf, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.0.write_at(bytes, offset)
    }

    fn size(&self) -> io::Result<u64> {
        self.0.size()
    }

    fn truncate(&self, size: u64) -> io::Result<()> {
        self.0.set_len(size)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
}

impl Files for Unsynced {
    type File = UnsyncedFile;

    fn create(&self, name: &str) -> io::Result<UnsyncedFile> {
        self.0.create(name).map(UnsyncedFile)
    }

    fn open(&self, name: &str) -> io::Result<UnsyncedFile> {
        self.0.open(name).map(UnsyncedFile)
    }

    fn open_to_read(&self, name: &str) -> io::Result<UnsyncedFile> {
        self.0.open_to_read(name).map(UnsyncedFile)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.remove(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.0.list()
    }

    fn sync_dir(&self) -> io::Result<()> {
        Ok(())
    }

    fn place(&self, name: &str) -> String {
        self.0.place(name)
    }
}

/// How long the disk of a machine takes to sync.
#[derive(Clone, Copy, Debug)]
pub struct SyncTime {
    /// At least, in microseconds.
    pub from_us: u32,
    /// At most.
    pub to_us: u32,
}

impl SyncTime {
    /// What this sync takes.
    pub fn roll(self, dice: &mut crate::seed::Dice) -> Duration {
        let spread = u64::from(self.to_us.saturating_sub(self.from_us)) + 1;
        Duration::from_micros(u64::from(self.from_us) + dice.below(spread))
    }
}
