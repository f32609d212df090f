//! One run of a batch: its items, in order, at its pace.
//!
//! The items stay in the log; a batch holds only the few whose turn is next. So a list of a
//! million rows costs no more memory than one of a hundred.

use mutants::mutant;
use pace::{Lanes, Rate};
use schemas::batch::ItemAdded;
use schemas::{CalleeKey, CommandId, Revision};
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

/// So many items are read at once, and again when fewer than half of them are left.
const READ_AHEAD: u32 = 512;

/// What every call of the batch has in common, and how fast they start.
#[derive(Clone, PartialEq, Debug)]
pub struct BatchOptions {
    /// The batch's name.
    pub name: String,
    /// Which run of it, from 1.
    pub run: u32,
    /// The most calls that start per second; no limit when absent.
    pub per_second: Option<f64>,
    /// The most calls at once.
    pub concurrency: u32,
    /// The number to show.
    pub caller_id: Option<String>,
    /// What is played after the answer.
    pub prompt: Option<String>,
    /// Whether calls are recorded.
    pub record: bool,
    /// How long they may ring.
    pub ring_timeout_ms: u32,
    /// How long they may last.
    pub max_talk_ms: u32,
    /// How many calls a row may have.
    pub max_attempts: u16,
    /// How long after its end the next call is due; by the outcome's rule when absent.
    pub redial_after_ms: Option<u32>,
}

impl BatchOptions {
    /// The command of an item: the same callee in the same run is the same command.
    pub fn command_id(&self, callee: CalleeKey) -> CommandId {
        let batch: String = self.name.chars().filter(|c| !c.is_control()).take(80).collect();
        let text = match self.run {
            1 => format!("dial/{batch}/{callee}"),
            run => format!("dial/{batch}#{run}/{callee}"),
        };
        CommandId::new(&text).expect("a bounded name, a number and 32 hex digits are printable")
    }
}

/// An item whose turn comes.
#[derive(Clone, PartialEq, Debug)]
pub struct Item {
    /// Where it stands in the batch's stream.
    pub revision: Revision,
    /// What it is.
    pub added: ItemAdded,
}

/// What a batch wants now.
#[derive(Clone, PartialEq, Debug)]
pub enum Turn {
    /// This item's call is to be made.
    Start(Item),
    /// Its pace says: not before then.
    Wait(Duration),
    /// All its lanes are taken: ask again when a call of it ends.
    Full,
    /// It waits for items to be read.
    Reading,
    /// Every item has had its turn.
    Through,
}

/// One run of a batch.
#[derive(Clone, Debug)]
pub struct Batch {
    options: BatchOptions,
    rate: Option<Rate>,
    lanes: Lanes,
    /// The first revision that has not been read yet.
    unread: Revision,
    /// How many events the stream has.
    length: u32,
    reading: bool,
    ahead: VecDeque<Item>,
    /// Callees that are not wanted any more.
    dropped: BTreeSet<CalleeKey>,
    paused: bool,
}

impl Batch {
    /// A run whose stream has `length` events, items among them, from its first on. Items of the
    /// callees in `dropped` are passed over: the list does not have them any more.
    pub fn new(options: BatchOptions, length: u32, dropped: BTreeSet<CalleeKey>) -> Self {
        Self {
            rate: options.per_second.map(Rate::per_second),
            lanes: Lanes::new(options.concurrency),
            options,
            unread: Revision(0),
            length,
            reading: false,
            ahead: VecDeque::new(),
            dropped,
            paused: false,
        }
    }

    /// What its calls have in common.
    pub fn options(&self) -> &BatchOptions {
        &self.options
    }

    /// The next stretch of the stream to read, as (from, how many events). Once it is given out,
    /// [`Batch::read`] answers it.
    pub fn wants(&mut self) -> Option<(Revision, u32)> {
        let low = self.ahead.len() < READ_AHEAD as usize / 2;
        if self.reading || self.paused || !low || self.unread.0 >= self.length {
            return None;
        }
        self.reading = true;
        Some((self.unread, READ_AHEAD.min(self.length - self.unread.0)))
    }

    /// The stretch was read: its items, and the revision after its last event.
    pub fn read(&mut self, items: impl IntoIterator<Item = Item>, next: Revision) {
        self.reading = false;
        self.unread = next;
        let wanted = |item: &Item| !self.dropped.contains(&item.added.callee);
        self.ahead.extend(items.into_iter().filter(wanted));
    }

    /// Whose turn it is now.
    pub fn turn(&mut self, now: Duration) -> Turn {
        if self.paused || (self.ahead.is_empty() && self.unread.0 >= self.length) {
            return Turn::Through;
        }
        if !self.lanes.is_free() && !mutant!("ignores a list's lanes") {
            return Turn::Full;
        }
        if let Some(rate) = self.rate.as_ref().filter(|rate| !rate.is_free(now)) {
            return Turn::Wait(rate.free_at());
        }
        match self.ahead.pop_front() {
            Some(item) => Turn::Start(item),
            None => Turn::Reading,
        }
    }

    /// A call of this batch takes a lane, and a turn of the pace when it is a first call.
    pub fn started(&mut self, now: Duration, paced: bool) {
        self.lanes.take();
        let paced = paced && !mutant!("ignores a list's pace");
        if let Some(rate) = self.rate.as_mut().filter(|_| paced) {
            rate.take(now);
        }
    }

    /// A call of this batch gives its lane back.
    pub fn ended(&mut self) {
        self.lanes.free();
    }

    /// Whether a call of it may start now, pace aside: for its redials.
    pub fn has_lane(&self) -> bool {
        self.lanes.is_free()
    }

    /// How many of its calls are up.
    pub fn live(&self) -> u32 {
        self.lanes.taken()
    }

    /// Starts no more calls.
    pub fn pause(&mut self) {
        self.paused = true;
    }

    /// Whether every item has had its turn, or none will.
    pub fn is_through(&self) -> bool {
        self.paused || (self.ahead.is_empty() && !self.reading && self.unread.0 >= self.length)
    }

    /// Changes the pace while it runs.
    pub fn change_rate(&mut self, per_second: Option<f64>) {
        match (&mut self.rate, per_second) {
            (Some(rate), Some(per_second)) => rate.change(per_second),
            (rate, per_second) => *rate = per_second.map(Rate::per_second),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::Sealed;

    fn options() -> BatchOptions {
        BatchOptions {
            name: "spring.csv".into(),
            run: 1,
            per_second: Some(10.0),
            concurrency: 2,
            caller_id: None,
            prompt: None,
            record: false,
            ring_timeout_ms: 30_000,
            max_talk_ms: 5_000,
            max_attempts: 1,
            redial_after_ms: None,
        }
    }

    fn item(n: u32) -> Item {
        let callee = CalleeKey([n as u8; 16]);
        let phone = Sealed { generation: 0, nonce: [0; 12], body: [1].into() };
        Item { revision: Revision(n), added: ItemAdded { line: n, callee, phone, variables: None } }
    }

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// Three items behind the opening event, read.
    fn ready() -> Batch {
        let mut batch = Batch::new(options(), 4, BTreeSet::from([item(9).added.callee]));
        assert_eq!(batch.wants(), Some((Revision(0), 4)));
        assert_eq!(batch.wants(), None, "one stretch at a time");
        assert_eq!(batch.turn(ms(0)), Turn::Reading);
        batch.read((1..4).map(item).chain([item(9)]), Revision(4));
        batch
    }

    #[test]
    fn items_start_in_order_at_the_pace_and_never_more_than_there_are_lanes() {
        let mut batch = ready();
        assert_eq!(batch.turn(ms(0)), Turn::Start(item(1)));
        batch.started(ms(0), true);
        assert_eq!(batch.turn(ms(50)), Turn::Wait(ms(100)));
        assert_eq!(batch.turn(ms(100)), Turn::Start(item(2)));
        batch.started(ms(100), true);
        assert_eq!(batch.turn(ms(900)), Turn::Full);
        batch.ended();
        assert_eq!(batch.turn(ms(900)), Turn::Start(item(3)));
        batch.started(ms(900), true);
        assert_eq!((batch.turn(ms(5000)), batch.live()), (Turn::Through, 2));
    }

    #[test]
    fn a_long_list_is_read_in_stretches() {
        let mut batch = Batch::new(
            BatchOptions { per_second: None, concurrency: u32::MAX, ..options() },
            2_001,
            BTreeSet::new(),
        );
        let (mut from, mut starts) = (0, 0);
        loop {
            if let Some((Revision(first), count)) = batch.wants() {
                assert_eq!(first, from);
                from += count;
                batch.read((first.max(1)..from).map(item), Revision(from));
            }
            assert!(batch.ahead.len() <= 2 * READ_AHEAD as usize);
            match batch.turn(ms(0)) {
                Turn::Start(_) => starts += 1,
                Turn::Through => break,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(starts, 2_000);
    }

    #[test]
    fn a_paused_batch_starts_nothing_more() {
        let mut batch = ready();
        batch.pause();
        assert_eq!((batch.turn(ms(0)), batch.wants()), (Turn::Through, None));
    }

    // The contract: an item is (batch, callee key).
    #[test]
    fn the_command_of_an_item_is_named_after_batch_and_callee() {
        let callee = CalleeKey([0xab; 16]);
        let first = options().command_id(callee);
        assert_eq!(first.as_str(), format!("dial/spring.csv/{callee}"));
        let again = BatchOptions { run: 2, ..options() }.command_id(callee);
        assert_eq!(again.as_str(), format!("dial/spring.csv#2/{callee}"));
        let nasty = BatchOptions { name: "a\nb".repeat(200), ..options() }.command_id(callee);
        assert!(nasty.as_str().len() <= CommandId::CHARS_MAX);
    }
}
