//! The carrier's own account of what it saw and answered. Tests prove from here, and not from what
//! the engine says of itself, that no second INVITE came and that every 200 was acknowledged.

use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

/// What the carrier knows of one INVITE. Times are milliseconds since the Unix epoch, or since the
/// start of a simulation; 0 when it did not happen.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Entry {
    /// Its Call-ID.
    pub call_id: Box<str>,
    /// Its Via branch.
    pub branch: Box<str>,
    /// The user part of its Request-URI.
    pub number: Box<str>,
    /// The user part of its From.
    pub caller: Box<str>,
    /// Its From tag.
    pub from_tag: Box<str>,
    /// Its CSeq.
    pub cseq: u32,
    /// Where it came from: `udp:127.0.0.1:5060`.
    pub source: Box<str>,
    /// The callee's plan, such as `busy`; what the carrier did by itself otherwise: `challenged`,
    /// `over-limit`, `no-way`, `merged`, `refused-offer`, `full`.
    pub plan: &'static str,
    /// When it came first.
    pub received_ms: u64,
    /// How often it came: 1 and its repeats.
    pub invites: u32,
    /// Provisionals sent, 100 included, repeats not.
    pub provisionals: u32,
    /// When the first 18x was sent.
    pub ringing_ms: u64,
    /// When the first final was sent.
    pub final_ms: u64,
    /// That final; 0 while there is none.
    pub status: u16,
    /// How often finals were sent, repeats included.
    pub finals: u32,
    /// 2xx with To tags unlike each other: 2 and more in a fork.
    pub answers: u32,
    /// ACKs that came for the final, or for finals of a fork.
    pub acks: u32,
    /// When the first of them came.
    pub acked_ms: u64,
    /// Finals whose ACK never came within 64*T1. One that is not over is not counted.
    pub unacked: u32,
    /// CANCELs, repeats included.
    pub cancels: u32,
    /// When the first of them came.
    pub cancelled_ms: u64,
    /// PRACKs that confirmed something.
    pub pracks: u32,
    /// BYEs that came, repeats included.
    pub byes: u32,
    /// BYEs that the carrier sent, repeats included.
    pub byes_sent: u32,
    /// When the first BYE came or was sent, or the INVITE was refused.
    pub ended_ms: u64,
    /// Who ended it.
    pub ended_by: EndedBy,
    /// Requests in the dialog that had another Request-URI than our Contact, or not the Route that
    /// our Record-Route asked for.
    pub misdirected: u32,
    /// Re-INVITEs and UPDATEs that came.
    pub reinvites: u32,
    /// Digits that came by INFO.
    pub info_digits: String,
    /// Dialogs that are up: answered, and not hung up by anybody.
    pub open: u32,
    /// RTP both ways.
    #[serde(serialize_with = "Rtp::as_counts")]
    pub rtp: Arc<Rtp>,
}

impl Entry {
    /// Whether the caller owes nothing: what got a final was acknowledged and hung up, what got
    /// none was cancelled, unless it got no answer at all.
    pub fn is_settled(&self) -> bool {
        match self.status {
            0 => self.cancels > 0 || self.provisionals == 0,
            _ => self.unacked == 0 && self.open == 0 && self.acks >= self.answers.max(1),
        }
    }
}

/// Who ended a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EndedBy {
    /// Nobody yet.
    #[default]
    Nobody,
    /// Its CANCEL or BYE.
    Caller,
    /// The callee's refusal or BYE.
    Callee,
}

/// What went over one call's RTP. Written by the thread that sends and receives it.
#[derive(Debug, Default)]
pub struct Rtp {
    /// Packets sent.
    pub sent: AtomicU32,
    /// Packets received that are RTP.
    pub received: AtomicU32,
    /// Packets that never came, by sequence number.
    pub lost: AtomicU32,
    /// Packets received that are no RTP.
    pub garbage: AtomicU32,
    /// RTCP packets received.
    pub rtcp: AtomicU32,
    /// Bytes of payload that were no silence: whether anything was said.
    pub loud: AtomicU32,
    /// Digits heard by RFC 4733.
    pub digits: Mutex<String>,
}

/// [`Rtp`] at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[allow(missing_docs, reason = "as in Rtp")]
pub struct RtpCounts {
    pub sent: u32,
    pub received: u32,
    pub lost: u32,
    pub garbage: u32,
    pub rtcp: u32,
    pub loud: u32,
    pub digits: String,
}

impl Rtp {
    /// How it stands now.
    pub fn counts(&self) -> RtpCounts {
        // A thread that panicked while it added a digit left a string that is still a string.
        let digits = self.digits.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
        RtpCounts {
            sent: self.sent.load(Relaxed),
            received: self.received.load(Relaxed),
            lost: self.lost.load(Relaxed),
            garbage: self.garbage.load(Relaxed),
            rtcp: self.rtcp.load(Relaxed),
            loud: self.loud.load(Relaxed),
            digits,
        }
    }

    /// A digit was heard.
    pub fn pressed(&self, digit: char) {
        self.digits.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(digit);
    }

    fn as_counts<S: serde::Serializer>(rtp: &Arc<Self>, to: S) -> Result<S::Ok, S::Error> {
        rtp.counts().serialize(to)
    }
}

/// Sums over everything the carrier ever saw, however much of it the ledger still holds.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Totals {
    /// INVITEs outside dialogs, repeats not counted.
    pub invites: u64,
    /// Their repeats.
    pub invite_repeats: u64,
    /// By their plan.
    pub plans: BTreeMap<&'static str, u64>,
    /// First finals by status.
    pub finals: BTreeMap<u16, u64>,
    /// Finals that were never acknowledged.
    pub unacked: u64,
    /// CANCELs, BYEs and other requests that belong to nothing we know.
    pub strays: u64,
    /// Messages that could not be read.
    pub unreadable: u64,
    /// OPTIONS outside dialogs.
    pub options: u64,
    /// REGISTERs.
    pub registers: u64,
    /// Datagrams that the faults lost, either way.
    pub lost: u64,
    /// Calls whose RTP found no port.
    pub without_port: u64,
    /// The most calls that were up or ringing at one time.
    pub calls_max: u64,
    /// Entries dropped from the ledger's memory because it was full.
    pub forgotten: u64,
}

/// The entries that are done, the last ones when there are more than it holds, and the sums.
#[derive(Debug)]
pub struct Ledger {
    done: VecDeque<Entry>,
    entries_max: usize,
    put_away: u64,
    /// Sums.
    pub totals: Totals,
}

impl Ledger {
    /// An empty one that keeps the last `entries_max` entries.
    pub fn new(entries_max: usize) -> Self {
        Self { done: VecDeque::new(), entries_max, put_away: 0, totals: Totals::default() }
    }

    /// Puts away an entry that will not change any more.
    pub fn put_away(&mut self, entry: Entry) {
        self.totals.unacked += u64::from(entry.unacked);
        self.put_away += 1;
        if self.done.len() >= self.entries_max {
            self.totals.forgotten +=
                u64::from(self.entries_max == 0 || self.done.pop_front().is_some());
        }
        if self.entries_max > 0 {
            self.done.push_back(entry);
        }
    }

    /// The entries that are done, oldest first.
    pub fn done(&self) -> impl Iterator<Item = &Entry> {
        self.done.iter()
    }

    /// How many entries were ever put away.
    pub fn put_away_count(&self) -> u64 {
        self.put_away
    }

    /// The entries that were put away after the first `count`, as far as they are still held.
    pub fn done_since(&self, count: u64) -> impl Iterator<Item = &Entry> {
        let new = usize::try_from(self.put_away.saturating_sub(count)).unwrap_or(usize::MAX);
        self.done.iter().skip(self.done.len().saturating_sub(new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_ledger_forgets_its_oldest_entries_and_says_so() {
        let mut ledger = Ledger::new(2);
        for cseq in 1..=5 {
            ledger.put_away(Entry { cseq, unacked: 1, ..Entry::default() });
        }
        assert_eq!(ledger.done().map(|entry| entry.cseq).collect::<Vec<_>>(), [4, 5]);
        assert_eq!((ledger.totals.forgotten, ledger.totals.unacked), (3, 5));
        assert_eq!(ledger.done_since(4).map(|entry| entry.cseq).collect::<Vec<_>>(), [5]);
        assert_eq!(ledger.done_since(0).count(), 2);
        let mut none = Ledger::new(0);
        none.put_away(Entry::default());
        assert_eq!((none.done().count(), none.totals.forgotten), (0, 1));
    }

    #[test]
    fn an_entry_owes_nothing_when_its_finals_are_acked_and_its_dialogs_closed() {
        let acked = Entry { status: 200, answers: 1, acks: 1, ..Entry::default() };
        assert!(acked.is_settled());
        assert!(!Entry { open: 1, ..acked.clone() }.is_settled());
        assert!(!Entry { answers: 2, ..acked.clone() }.is_settled());
        assert!(!Entry { unacked: 1, acks: 2, ..acked.clone() }.is_settled());
        assert!(!Entry { provisionals: 1, ..Entry::default() }.is_settled());
        assert!(Entry { provisionals: 1, cancels: 1, ..Entry::default() }.is_settled());
        assert!(Entry::default().is_settled());
    }
}
