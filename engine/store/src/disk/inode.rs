//! One file of the simulated disk: what the cache shows, and what the platter really holds.

use crate::dice::Dice;
use std::collections::BTreeMap;
use std::ops::Range;

const SECTOR: usize = 512;

/// A file. `cache` is what reads see; `dirty` holds the sectors whose platter differs.
#[derive(Default)]
pub(super) struct Inode {
    cache: Vec<u8>,
    dirty: BTreeMap<usize, Dirty>,
    durable_size: usize,
}

/// A sector that was written and not yet synced.
struct Dirty {
    platter: [u8; SECTOR],
    /// The bytes that were written; those beside them stand on the platter and stay.
    written: Range<usize>,
    /// A failed sync marked it clean: no later sync covers it, only a new write does.
    dropped: bool,
}

impl Inode {
    pub(super) fn durable(contents: Vec<u8>) -> Self {
        Self { durable_size: contents.len(), cache: contents, dirty: BTreeMap::new() }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.cache
    }

    pub(super) fn size(&self) -> u64 {
        self.cache.len() as u64
    }

    pub(super) fn read(&self, buf: &mut [u8], offset: u64) -> usize {
        let from = index(offset).min(self.cache.len());
        let count = buf.len().min(self.cache.len() - from);
        buf[..count].copy_from_slice(&self.cache[from..from + count]);
        count
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: u64) {
        let range = index(offset)..index(offset) + bytes.len();
        if range.end > self.cache.len() {
            let gap = self.cache.len()..range.end;
            self.touch(gap);
            self.cache.resize(range.end, 0);
        }
        self.touch(range.clone());
        self.cache[range].copy_from_slice(bytes);
    }

    pub(super) fn truncate(&mut self, size: u64) {
        let size = index(size);
        if size < self.cache.len() {
            self.touch(size..self.cache.len());
        }
        self.cache.resize(size, 0);
    }

    pub(super) fn sync(&mut self) {
        self.dirty.retain(|_, sector| sector.dropped);
        self.durable_size = self.cache.len();
    }

    pub(super) fn fail_sync(&mut self, dice: &mut Dice) {
        // Some sectors made it before the error.
        self.dirty.retain(|_, sector| {
            sector.dropped |= dice.one_in(2);
            sector.dropped
        });
        self.durable_size = self.cache.len();
    }

    /// What is left when the power has gone and come back.
    pub(super) fn lose_power(&mut self, dice: &mut Dice) {
        let style = dice.below(4);
        let written_size = self.cache.len();
        let size = match style {
            0 => self.durable_size,
            1 => written_size,
            // A size that shrank is old or new; one that grew may stop anywhere.
            _ if written_size < self.durable_size => {
                [written_size, self.durable_size][usize::from(dice.one_in(2))]
            }
            _ => {
                let growth = (written_size - self.durable_size) as u64;
                self.durable_size + index(dice.below(growth + 1))
            }
        };
        self.cache.resize(written_size.max(self.durable_size), 0);
        for (number, dirty) in std::mem::take(&mut self.dirty) {
            let start = number * SECTOR;
            let end = (start + SECTOR).min(self.cache.len());
            let Some(sector) = self.cache.get_mut(start..end) else { continue };
            match style {
                0 => sector.copy_from_slice(&dirty.platter[..end - start]),
                1 if !dirty.dropped => {}
                _ => dirty.settle(sector, dice),
            }
        }
        self.cache.truncate(size);
        self.durable_size = size;
    }

    /// Notes what the platter holds where something is about to be written.
    fn touch(&mut self, range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        for number in range.start / SECTOR..=(range.end - 1) / SECTOR {
            let start = number * SECTOR;
            let within = range.start.max(start) - start..range.end.min(start + SECTOR) - start;
            let cache = &self.cache;
            let dirty = self.dirty.entry(number).or_insert_with(|| {
                let mut platter = [0; SECTOR];
                let known = start.min(cache.len())..(start + SECTOR).min(cache.len());
                platter[..known.len()].copy_from_slice(&cache[known]);
                Dirty { platter, written: within.clone(), dropped: false }
            });
            dirty.written =
                dirty.written.start.min(within.start)..dirty.written.end.max(within.end);
            dirty.dropped = false;
        }
    }
}

impl Dirty {
    /// What one unsynced sector holds after a power cut. `sector` shows what was written.
    fn settle(&self, sector: &mut [u8], dice: &mut Dice) {
        let old = &self.platter[..sector.len()];
        let written = self.written.start.min(sector.len())..self.written.end.min(sector.len());
        match dice.below(10) {
            0..4 if !self.dropped => {}
            4 => {
                let torn = written.start + index(dice.below(written.len() as u64 + 1));
                sector[torn..].copy_from_slice(&old[torn..]);
            }
            5 => sector[written].fill(0),
            6 => dice.fill(&mut sector[written]),
            _ => sector.copy_from_slice(old),
        }
    }
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).expect("a simulated file fits the memory")
}
