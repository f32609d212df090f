//! Moving a history from one store to another, whatever kinds they are.
//!
//! Every event is appended with the revision that it has, so a transfer that was broken off is
//! begun again from the start: what stands there already is recognised. Positions are the new
//! store's own.

use crate::StoreError;
use crate::api::{Append, AppendError, Appender, Expected, NewEvent, Reader, Stored};
use schemas::{Position, Revision, StreamId};

/// How many events are read and appended at once.
const PAGE: usize = 1000;
/// A run of events of one stream is one append up to so many bytes.
const RUN_BYTES_MAX: usize = 1 << 20;
/// How often an append of unknown outcome is repeated.
const REPEATS_MAX: u32 = 10;

/// What a transfer came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TransferReport {
    /// Events that were read.
    pub events: u64,
    /// Those of them that stood in the target already.
    pub already: u64,
}

/// Why a transfer ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The source cannot be read.
    #[error("the store to copy from cannot be read")]
    Read(#[source] StoreError),
    /// The target holds something else.
    #[error("{stream} has other events in the store to copy to: name an empty store")]
    Differs {
        /// The stream.
        stream: StreamId,
    },
    /// The target does not take it.
    #[error("the store to copy to does not take the events of {stream}")]
    Append {
        /// The stream.
        stream: StreamId,
        /// What it says.
        source: AppendError,
    },
}

/// Copies everything that `from` has now to `to`. Hears of progress after every thousand events:
/// how far it is, and how far it goes.
///
/// # Errors
/// [`TransferError`]; what was copied until then stays.
pub fn transfer(
    from: &dyn Reader,
    to: &dyn Appender,
    mut progress: impl FnMut(Position, Position),
) -> Result<TransferReport, TransferError> {
    let head = from.head().map_err(TransferError::Read)?;
    let (mut report, mut after) = (TransferReport::default(), Position(0));
    while after < head {
        let events = from.read_all(after, PAGE).map_err(TransferError::Read)?;
        let Some(last) = events.last() else { break };
        after = last.position;
        report.events += events.len() as u64;
        report.already += put(to, appends_of(events))?;
        progress(after, head);
    }
    Ok(report)
}

/// One append per run of events of one stream.
fn appends_of(events: Vec<Stored>) -> Vec<Append> {
    let mut appends: Vec<Append> = Vec::new();
    let mut bytes = 0;
    for event in events {
        let new = NewEvent { encoded: event.encoded, at: event.at };
        bytes += new.encoded.body.len();
        match appends.last_mut() {
            Some(last) if last.stream == event.stream && bytes <= RUN_BYTES_MAX => {
                last.events.push(new);
            }
            _ => {
                let before = event.revision.0.checked_sub(1);
                let expected =
                    before.map_or(Expected::NoStream, |last| Expected::Exact(Revision(last)));
                bytes = new.encoded.body.len();
                appends.push(Append { stream: event.stream, expected, events: vec![new] });
            }
        }
    }
    appends
}

/// The same events, one by one.
fn singly(append: Append) -> impl Iterator<Item = Append> {
    let Append { stream, mut expected, events } = append;
    events.into_iter().map(move |event| {
        let one = Append { stream, expected, events: vec![event] };
        let next = if let Expected::Exact(last) = expected { last.0 + 1 } else { 0 };
        expected = Expected::Exact(Revision(next));
        one
    })
}

/// Appends, repeats what has an unknown outcome, and says how many events stood there already.
fn put(to: &dyn Appender, mut appends: Vec<Append>) -> Result<u64, TransferError> {
    let (mut already, mut repeats) = (0, 0);
    while !appends.is_empty() {
        let results = to.append(appends.clone());
        let mut again = Vec::new();
        for (append, result) in appends.into_iter().zip(results) {
            let stream = append.stream;
            match result {
                Ok(done) => already += if done.already { append.events.len() as u64 } else { 0 },
                // Of a run that was cut elsewhere the last time, a part may stand there.
                Err(AppendError::Conflict { .. }) if append.events.len() > 1 => {
                    again.extend(singly(append));
                }
                Err(AppendError::Conflict { .. }) => return Err(TransferError::Differs { stream }),
                Err(AppendError::Unknown(_)) if repeats < REPEATS_MAX => again.push(append),
                Err(source) => return Err(TransferError::Append { stream, source }),
            }
        }
        repeats += 1;
        appends = again;
    }
    Ok(already)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryStore;
    use schemas::event::Encoded;
    use schemas::{CallId, Timestamp};

    fn append(stream: u8, body: u8) -> Append {
        let encoded = Encoded { kind: 1, version: 1, body: vec![body] };
        let events = vec![NewEvent { encoded, at: Timestamp(body.into()) }];
        Append { stream: StreamId::call(CallId([stream; 16])), expected: Expected::Any, events }
    }

    fn filled(events: u32) -> MemoryStore {
        let store = MemoryStore::default();
        let appends: Vec<_> = (0..events).map(|n| append((n % 7 / 2) as u8, n as u8)).collect();
        assert!(store.append_batch(&appends).iter().all(Result::is_ok));
        store
    }

    #[test]
    fn a_history_arrives_whole_and_a_second_transfer_changes_nothing() {
        let (from, to) = (filled(2500), MemoryStore::default());
        let mut heard = Vec::new();
        let report = transfer(&from, &to, |at, head| heard.push((at.0, head.0))).unwrap();
        assert_eq!(report, TransferReport { events: 2500, already: 0 });
        assert_eq!(heard, [(1000, 2500), (2000, 2500), (2500, 2500)]);
        let all = |store: &MemoryStore| store.read_all(Position(0), usize::MAX).unwrap();
        assert_eq!(all(&to), all(&from));
        // The last run of the first transfer goes on in the second.
        let last = all(&from)[2499].stream.id[0];
        from.append_batch(&[append(last, 9), append(last, 10)]);
        let report = transfer(&from, &to, |_, _| ()).unwrap();
        assert_eq!(report, TransferReport { events: 2502, already: 2500 });
        assert_eq!(all(&to), all(&from));
    }

    #[test]
    fn a_target_with_other_events_is_left_alone() {
        let (from, to) = (filled(10), MemoryStore::default());
        to.append_batch(&[append(0, 99)]);
        let error = transfer(&from, &to, |_, _| ()).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("has other events in the store to copy to: name an empty store"),
            "{error}"
        );
    }
}
