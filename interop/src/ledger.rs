//! What the simulated carrier saw, and what nobody may owe it.

use crate::patience::wait_for;
use sim::carrier::CarrierHandle;
use sim::ledger::Entry;
use std::collections::BTreeMap;

/// Waits until nobody owes the carrier anything: what it answered is acknowledged and hung up, what
/// rang is cancelled. What is still owed when patience ends is returned.
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

/// The same where others take over the calls of nodes that die: an answer to an INVITE of a dead node
/// comes to where it was, and nobody there knows it. Such a callee repeats its answer, hears nothing,
/// and hangs up by itself (RFC 3261, 13.3.1.4).
pub fn wait_until_settled_or_left(carrier: &CarrierHandle) -> Vec<Entry> {
    wait_until(carrier, |entry| {
        let left = entry.status >= 300 || entry.ended_ms > 0 && entry.open == 0;
        left || entry.is_settled()
    })
}

fn wait_until(carrier: &CarrierHandle, is_settled: impl Fn(&Entry) -> bool) -> Vec<Entry> {
    let mut owed = Vec::new();
    let _ = wait_for(|| {
        owed = carrier.ledger();
        owed.retain(|entry| !is_settled(entry));
        owed.is_empty().then_some(())
    });
    owed
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
