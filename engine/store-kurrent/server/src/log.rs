//! What the server keeps, and what it makes of an append: the rules of the real one.

use std::collections::HashMap;
use uuid::Uuid;

/// An event as it is proposed.
#[derive(Clone, Debug)]
pub struct Proposed {
    /// Its id.
    pub id: Uuid,
    /// The server's: `type` and `content-type`.
    pub metadata: HashMap<String, String>,
    /// The user's metadata.
    pub custom_metadata: Vec<u8>,
    /// What it says.
    pub data: Vec<u8>,
}

/// An event as it is kept.
#[derive(Clone, Debug)]
pub struct Record {
    /// Where, in the one order.
    pub position: u64,
    /// In which stream.
    pub stream: String,
    /// Where in it.
    pub revision: u64,
    /// What.
    pub event: Proposed,
}

/// What an append expects of its stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expected {
    /// Its last event is this one.
    Revision(u64),
    /// It has no event.
    NoStream,
    /// It has an event.
    Exists,
    /// Nothing.
    Any,
}

/// An append that stands, now or already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Written {
    /// The revision of its last event.
    pub last: u64,
    /// The position of its last event.
    pub position: u64,
}

/// Why an append does not stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// The stream's last event is another.
    WrongExpectedVersion {
        /// Which; `None` when there is none.
        current: Option<u64>,
    },
    /// The stream has a tombstone.
    StreamDeleted,
    /// More than the server takes at once.
    TooLarge,
}

/// Bytes that every record has beside its own.
const RECORD_BYTES: u64 = 120;

/// All events, in one order.
pub struct Log {
    records: Vec<Record>,
    streams: HashMap<String, Vec<usize>>,
    deleted: Vec<String>,
    end: u64,
    /// The vendor's option `--max-append-size`; 1 MiB when it is not given.
    pub append_bytes_max: usize,
}

impl Default for Log {
    fn default() -> Self {
        let mut log = Self {
            records: Vec::new(),
            streams: HashMap::new(),
            deleted: Vec::new(),
            end: 0,
            append_bytes_max: 16 << 20,
        };
        // A fresh server has written of its own before anybody comes.
        log.append_foreign("$users", "$UserCreated");
        log
    }
}

impl Log {
    /// The place after the last record.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Takes an append or refuses it, as the vendor's `IndexWriter.CheckCommit` does. It tells a
    /// repeat by the ids of the events alone.
    pub fn append(
        &mut self,
        stream: &str,
        expected: Expected,
        events: Vec<Proposed>,
    ) -> Result<Written, Refused> {
        let bytes: usize =
            events.iter().map(|one| one.data.len() + one.custom_metadata.len()).sum();
        if bytes > self.append_bytes_max {
            return Err(Refused::TooLarge);
        }
        if self.deleted.iter().any(|name| name == stream) {
            return Err(Refused::StreamDeleted);
        }
        let places = self.streams.get(stream).map_or(&[][..], Vec::as_slice);
        let current = (places.len() as u64).checked_sub(1);
        let refused = Err(Refused::WrongExpectedVersion { current });
        let standing = |first: u64| {
            let first = usize::try_from(first).unwrap_or(usize::MAX);
            let stand = places.get(first..)?.get(..events.len())?;
            let same =
                |(place, event): (&usize, &Proposed)| self.records[*place].event.id == event.id;
            stand.iter().zip(&events).all(same).then(|| *stand.last().unwrap_or(&0))
        };
        let already = match expected {
            Expected::Any | Expected::Exists => {
                let begins = |place: &&usize| self.records[**place].event.id == events[0].id;
                let first = places.iter().find(begins).map(|place| self.records[*place].revision);
                match first.map(standing) {
                    None if expected == Expected::Exists && current.is_none() => return refused,
                    None => None,
                    Some(None) => return refused,
                    Some(already) => already,
                }
            }
            Expected::NoStream if current.is_none() => None,
            Expected::Revision(revision) if current == Some(revision) => None,
            Expected::NoStream => match standing(0) {
                None => return refused,
                already => already,
            },
            Expected::Revision(revision) => match standing(revision.saturating_add(1)) {
                None => return refused,
                already => already,
            },
        };
        Ok(match already {
            Some(place) => {
                let record = &self.records[place];
                Written { last: record.revision, position: record.position }
            }
            None => self.write(stream, events),
        })
    }

    /// Writes what nobody of ours has written.
    pub fn append_foreign(&mut self, stream: &str, kind: &str) -> Written {
        let metadata = [("type", kind), ("content-type", "application/json")];
        let metadata = metadata.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let id = Uuid::from_u128(u128::from(self.end) + 1);
        let event = Proposed { id, metadata, custom_metadata: Vec::new(), data: b"{}".to_vec() };
        self.write(stream, vec![event])
    }

    /// Makes a tombstone of a stream.
    pub fn delete(&mut self, stream: &str) {
        self.deleted.push(stream.to_owned());
        self.streams.remove(stream);
        self.records.retain(|record| record.stream != stream);
        self.streams.clear();
        for (place, record) in self.records.iter().enumerate() {
            self.streams.entry(record.stream.clone()).or_default().push(place);
        }
    }

    fn write(&mut self, stream: &str, events: Vec<Proposed>) -> Written {
        let places = self.streams.entry(stream.to_owned()).or_default();
        let mut written = Written { last: 0, position: 0 };
        for event in events {
            let (revision, position) = (places.len() as u64, self.end);
            written = Written { last: revision, position };
            self.end += RECORD_BYTES + (event.data.len() + event.custom_metadata.len()) as u64;
            places.push(self.records.len());
            self.records.push(Record { position, stream: stream.to_owned(), revision, event });
        }
        written
    }

    /// The events of a stream in order; `None` when there is no such stream.
    pub fn stream(&self, name: &str) -> Option<impl DoubleEndedIterator<Item = &Record>> {
        let places = self.streams.get(name)?;
        Some(places.iter().map(|place| &self.records[*place]))
    }

    /// Whether a stream has a tombstone.
    pub fn is_deleted(&self, name: &str) -> bool {
        self.deleted.iter().any(|deleted| deleted == name)
    }

    /// What stands before a position, and what from there on. `None` when no record begins there:
    /// the real one then reads rubbish, or notices.
    pub fn split(&self, position: u64) -> Option<(&[Record], &[Record])> {
        let at = self.records.partition_point(|record| record.position < position);
        let aligned = position >= self.end || self.records[at].position == position;
        aligned.then(|| self.records.split_at(at))
    }
}
