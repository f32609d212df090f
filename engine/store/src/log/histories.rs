//! Seeded lives and deaths of a log on a disk that fails. After every death what was
//! acknowledged must be there, in order and unchanged, and beyond it only whole appends in the
//! order in which they were made. The store in memory says what each append should have come to.
//!
//! `CALLFOLD_SEEDS=from..to` runs other seeds than the usual ones.

use super::{Log, Options, Sealing, StoreId};
use crate::StoreError;
use crate::api::{Append, AppendError, Expected, NewEvent, Reader, Stored};
use crate::dice::Dice;
use crate::disk::{Crash, Faults, SimDisk};
use crate::memory::MemoryStore;
use schemas::event::Encoded;
use schemas::{CallId, Position, Revision, StreamId, Timestamp};

const STREAMS: u64 = 9;

struct World {
    seed: u64,
    dice: Dice,
    disk: SimDisk,
    options: Options,
    /// What must be there.
    acknowledged: Vec<Stored>,
    /// What may be there, append by append, from the first on.
    pending: Vec<Vec<Stored>>,
    /// Appends to try again.
    tried: Vec<Append>,
}

/// Which faults a run of histories has.
#[derive(Clone, Copy)]
struct Weather {
    short_writes: bool,
    failed_syncs: bool,
    full_disk: bool,
    deaths: bool,
}

fn check(weather: Weather, seeds: std::ops::Range<u64>) {
    for seed in asked_for(seeds) {
        let mut world = World::new(seed);
        for _ in 0..3 + world.dice.below(4) {
            world.live(weather);
            world.die(weather);
        }
        world.disk.set_faults(Faults::default());
        let log = world.open().unwrap_or_else(|error| panic!("seed {seed}: {}", error.in_full()));
        drop(log);
    }
}

fn asked_for(usual: std::ops::Range<u64>) -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("CALLFOLD_SEEDS") else { return usual };
    let (from, to) = text.split_once("..").expect("CALLFOLD_SEEDS is written from..to");
    from.parse().expect("a number")..to.parse().expect("a number")
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let segment_bytes = 4096 + 500 + dice.below(6000) as u32;
        Self {
            seed,
            disk: SimDisk::new(dice.throw()),
            options: Options { segment_bytes, ..Options::new(StoreId([3; 16])) },
            dice,
            acknowledged: Vec::new(),
            pending: Vec::new(),
            tried: Vec::new(),
        }
    }

    /// Opens the log, and holds what it has against what it must and may have.
    fn open(&mut self) -> Result<Log<SimDisk>, StoreError> {
        let seed = self.seed;
        let (log, recovery) = Log::open(self.disk.clone(), self.options)?;
        let found = log.reader().read_all(Position(0), usize::MAX)?;
        self.confirm(found);
        assert_eq!(recovery.head, self.acknowledged.len() as u64, "seed {seed}");
        // What was not written before will not be.
        self.pending.clear();
        Ok(log)
    }

    /// Holds what a reader was shown against what must and what may be there. What it was shown,
    /// it is shown for ever.
    fn confirm(&mut self, found: Vec<Stored>) {
        let seed = self.seed;
        let must = self.acknowledged.len();
        assert!(
            found.len() >= must,
            "seed {seed}: {} of {must} acknowledged events are left",
            found.len()
        );
        assert!(found[..must] == self.acknowledged, "seed {seed}: acknowledged events changed");
        let mut rest = &found[must..];
        let mut come = 0;
        for append in &self.pending {
            if rest.is_empty() {
                break;
            }
            let whole = rest.get(..append.len());
            assert!(
                whole == Some(append),
                "seed {seed}: an append came back in part, or out of order"
            );
            rest = &rest[append.len()..];
            come += 1;
        }
        assert!(rest.is_empty(), "seed {seed}: events that nobody appended");
        self.pending.drain(..come);
        self.acknowledged = found;
    }

    /// One process: opens, appends, syncs, reads, until it stops or something fails.
    fn live(&mut self, weather: Weather) {
        if weather.deaths && self.dice.one_in(2) {
            self.disk.die_after(self.dice.below(120));
        }
        let mut log = match self.open() {
            Ok(log) => log,
            Err(StoreError::Io { .. } | StoreError::NoSpace { .. }) => return,
            Err(error) => panic!("seed {}: {}", self.seed, error.in_full()),
        };
        let model = self.model();
        let faults = self.faults(weather);
        self.disk.set_faults(faults);
        let reader = log.reader();
        for _ in 0..self.dice.below(60) {
            match self.dice.below(7) {
                0..3 => {
                    if !self.append(&mut log, &model) {
                        return;
                    }
                }
                3 | 4 => {
                    if log.sync().is_err() {
                        assert!(log.sync().is_err(), "seed {}: a poisoned log synced", self.seed);
                        return;
                    }
                    self.acknowledge();
                }
                5 => self.read(&reader, &log, &model),
                // A failure leaves the segment as it was, and the log goes on.
                _ => drop(log.sealing().map(Sealing::run)),
            }
        }
        if self.dice.one_in(3) && log.close().is_ok() {
            self.acknowledge();
        }
    }

    fn die(&mut self, weather: Weather) {
        self.disk.set_faults(Faults::default());
        let how =
            if self.dice.one_in(3) || !weather.deaths { Crash::Process } else { Crash::Power };
        self.disk = self.disk.crash(how);
    }

    /// Whether the log goes on.
    fn append(&mut self, log: &mut Log<SimDisk>, model: &MemoryStore) -> bool {
        let batch: Vec<Append> =
            (0..1 + self.dice.below(4)).map(|_| self.any_append(model)).collect();
        let before = model.head().expect("memory reads");
        let wanted = model.append_batch(&batch);
        let got = log.append(&batch);
        let mut written = model.read_all(before, usize::MAX).expect("memory reads").into_iter();
        for done in wanted.iter().zip(&batch).filter(|(r, _)| matches!(r, Ok(d) if !d.already)) {
            self.pending.push(written.by_ref().take(done.1.events.len()).collect());
        }
        self.tried.extend(batch);
        if got.iter().any(|result| matches!(result, Err(AppendError::Broken(_)))) {
            return false;
        }
        assert_eq!(got, wanted, "seed {}", self.seed);
        true
    }

    fn read(&mut self, reader: &impl Reader, log: &Log<SimDisk>, model: &MemoryStore) {
        let all = reader.read_all(Position(0), usize::MAX).expect("a healthy log reads");
        // A new segment makes durable what stands before it, without being asked.
        self.confirm(all.clone());
        let stream = self.any_stream();
        let from = Revision(self.dice.below(4) as u32);
        let wanted: Vec<_> = all
            .iter()
            .filter(|e| e.stream == stream && e.revision >= from)
            .take(5)
            .cloned()
            .collect();
        let got = reader.read_stream(stream, from, 5).expect("a healthy log reads");
        assert_eq!(got, wanted, "seed {}", self.seed);
        assert_eq!(log.last_revision(stream).expect("it reads"), model.last_revision(stream));
    }

    fn any_append(&mut self, model: &MemoryStore) -> Append {
        if !self.tried.is_empty() && self.dice.one_in(6) {
            let old = self.dice.below(self.tried.len() as u64) as usize;
            return self.tried[old].clone();
        }
        let stream = self.any_stream();
        let expected = match (self.dice.below(8), model.last_revision(stream)) {
            (0, _) => Expected::Exists,
            (1, _) => Expected::NoStream,
            (2, _) => Expected::Exact(Revision(self.dice.below(6) as u32)),
            (3, _) => Expected::Any,
            (_, None) => Expected::NoStream,
            (_, Some(last)) => Expected::Exact(last),
        };
        let events = (0..1 + self.dice.below(3)).map(|_| self.any_event()).collect();
        Append { stream, expected, events }
    }

    fn any_event(&mut self) -> NewEvent {
        let mut body = vec![0; self.dice.below(300) as usize];
        self.dice.fill(&mut body);
        let encoded = Encoded { kind: self.dice.below(300) as u16, version: 1, body };
        NewEvent { encoded, at: Timestamp(self.dice.below(1 << 41) as i64) }
    }

    fn any_stream(&mut self) -> StreamId {
        StreamId::call(CallId([self.dice.below(STREAMS) as u8; 16]))
    }

    fn acknowledge(&mut self) {
        self.acknowledged.extend(self.pending.drain(..).flatten());
    }

    fn model(&self) -> MemoryStore {
        let model = MemoryStore::default();
        for event in &self.acknowledged {
            let events = vec![NewEvent { encoded: event.encoded.clone(), at: event.at }];
            model.append_batch(&[Append { stream: event.stream, expected: Expected::Any, events }]);
        }
        model
    }

    fn faults(&mut self, weather: Weather) -> Faults {
        let mut one_in = |on: bool, n| if on && self.dice.one_in(2) { n } else { 0 };
        Faults {
            short_write_one_in: one_in(weather.short_writes, 3),
            failed_sync_one_in: one_in(weather.failed_syncs, 12),
            capacity_bytes: one_in(weather.full_disk, 30_000),
        }
    }
}

const CALM: Weather =
    Weather { short_writes: false, failed_syncs: false, full_disk: false, deaths: false };

#[test]
fn a_log_on_a_sound_disk_does_what_the_store_in_memory_does() {
    check(CALM, 0..200);
}

#[test]
fn power_cuts_and_kills_lose_nothing_that_was_acknowledged() {
    check(Weather { deaths: true, short_writes: true, ..CALM }, 0..1500);
}

#[test]
fn failed_syncs_lose_nothing_that_was_acknowledged() {
    check(Weather { deaths: true, failed_syncs: true, ..CALM }, 0..1500);
}

#[test]
fn a_full_disk_loses_nothing_that_was_acknowledged() {
    check(Weather { full_disk: true, deaths: true, short_writes: true, ..CALM }, 0..500);
}

#[test]
fn all_faults_together_lose_nothing_that_was_acknowledged() {
    check(
        Weather { short_writes: true, failed_syncs: true, full_disk: true, deaths: true },
        0..1500,
    );
}
