//! What the simulated carrier saw, and what nobody may owe it.

use sim::carrier::CarrierHandle;
use sim::ledger::Entry;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long the carrier is given to hear the last of what is on its way: a repeat of a lost BYE
/// comes 4 s after the one before (T2).
const SETTLES_WITHIN: Duration = Duration::from_secs(40);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Waits until nobody owes the carrier anything: what it answered is acknowledged and hung up, what
/// rang is cancelled. What is still owed after 40 s is returned.
pub fn wait_until_settled(carrier: &CarrierHandle) -> Vec<Entry> {
    wait_until(carrier, Entry::is_settled)
}

/// The same on a line that loses datagrams: of our ACK and our BYE one may be lost for good, since
/// the callee takes a BYE for an ACK as well and repeats its answer no more.
pub fn wait_until_settled_or_hung_up(carrier: &CarrierHandle) -> Vec<Entry> {
    wait_until(carrier, |entry| {
        let hung_up = entry.byes > 0 && entry.open == 0 && entry.unacked == 0;
        hung_up || entry.is_settled()
    })
}

fn wait_until(carrier: &CarrierHandle, is_settled: impl Fn(&Entry) -> bool) -> Vec<Entry> {
    let until = Instant::now() + SETTLES_WITHIN;
    loop {
        let mut owed = carrier.ledger();
        owed.retain(|entry| !is_settled(entry));
        if owed.is_empty() || Instant::now() > until {
            return owed;
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// The numbers that were called with more than one Call-ID, and how many there were.
pub fn called_twice(ledger: &[Entry]) -> BTreeMap<String, usize> {
    let mut calls: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for entry in ledger {
        calls.entry(&entry.number).or_default().push(&entry.call_id);
    }
    let distinct = calls.into_iter().map(|(number, mut ids)| {
        ids.sort_unstable();
        ids.dedup();
        (number.to_owned(), ids.len())
    });
    distinct.filter(|(_, count)| *count > 1).collect()
}
