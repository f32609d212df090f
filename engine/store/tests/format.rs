//! A reader of the log written from `docs/log-format.md` alone: it shares no code with the engine.
//! And golden files of every format ever written, which must read for ever.

use expect_test::{Expect, expect};
use schemas::event::Encoded;
use schemas::{CallId, Position, StreamId, Timestamp};
use std::fs;
use std::path::{Path, PathBuf};
use store::file::RealFiles;
use store::log::{Log, LogReader, Options, StoreId, verify};
use store::{Append, Expected, NewEvent, Reader};

const STORE: StoreId = StoreId(*b"a golden storeid");

/// What a reader finds: position, stream kind and id, revision, moment, type, version, body.
type Found = (u64, u8, Vec<u8>, u32, i64, u16, u8, Vec<u8>);

struct File {
    bytes: Vec<u8>,
    salt: u32,
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn varint(rest: &mut &[u8]) -> u64 {
    let end = rest.iter().position(|byte| *byte < 0x80).expect("a varint ends");
    let (these, behind) = rest.split_at(end + 1);
    *rest = behind;
    these.iter().rev().fold(0, |number, byte| number << 7 | u64::from(byte & 0x7f))
}

fn signed(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

impl File {
    fn open(path: &Path) -> Self {
        let bytes = fs::read(path).unwrap();
        assert_eq!((&bytes[..8], number(&bytes[8..10])), (&b"CALLFOLD"[..], 1));
        assert_eq!(number(&bytes[4092..4096]), u64::from(crc32c::crc32c(&bytes[..4092])));
        let salted: Vec<u8> = [&bytes[16..32], &bytes[10..11], &bytes[32..40]].concat();
        Self { salt: crc32c::crc32c(&salted), bytes }
    }

    fn check(&self, place: usize, covered: &[u8], crc: &[u8]) {
        let place = place as u64;
        let seed = self.salt ^ place as u32 ^ (place >> 32) as u32;
        assert_eq!(number(crc), u64::from(crc32c::crc32c_append(seed, covered)), "at {place}");
    }

    fn table(&self, at: usize, count: usize, entry: usize) -> Vec<&[u8]> {
        let pages = self.bytes[at..].chunks_exact(4096).enumerate().flat_map(|(page, bytes)| {
            if page * (4092 / entry) < count {
                self.check(at + page * 4096, &bytes[..4092], &bytes[4092..]);
            }
            bytes[..4092].chunks_exact(entry)
        });
        pages.take(count).collect()
    }

    fn frames(&self) -> Vec<Found> {
        let (mut at, mut found) = (4096, Vec::new());
        while at < self.bytes.len() {
            let length = number(&self.bytes[at + 8..at + 12]) as usize;
            let frame = &self.bytes[at..at + length];
            assert_eq!(frame[..4], [0xca, 0x11, 0xf0, 0x1d]);
            self.check(at, &frame[8..], &frame[4..8]);
            let (mut rest, mut moment) = (&frame[68..], number(&frame[60..68]) as i64);
            for index in 0..number(&frame[12..14]) {
                let (head, behind) = rest.split_at(3);
                rest = behind;
                moment += signed(varint(&mut rest));
                let length = varint(&mut rest) as usize;
                let (body, behind) = rest.split_at(length);
                rest = behind;
                found.push((
                    number(&frame[32..40]) + index,
                    frame[14],
                    frame[16..32].to_vec(),
                    (number(&frame[56..60]) + index) as u32,
                    moment,
                    number(&head[..2]) as u16,
                    head[2],
                    body.to_vec(),
                ));
            }
            assert!(rest.is_empty());
            at += length;
        }
        found
    }

    fn sealed(&self) -> Vec<Found> {
        let at = self.bytes.len() - 64;
        let footer = &self.bytes[at..];
        assert_eq!(&footer[..8], b"CALLSEAL");
        self.check(at, &footer[..60], &footer[60..]);
        let field = |index: usize| number(&footer[8 + 8 * index..16 + 8 * index]) as usize;
        let streams = self.table(field(2), field(3), 17);
        let blocks = self.table(field(4), field(5), 8);
        let starts: Vec<usize> = blocks.iter().map(|entry| number(&entry[4..]) as usize).collect();
        let ends = starts.iter().skip(1).copied().chain([field(2)]);
        starts.iter().zip(ends).flat_map(|(start, end)| self.block(*start, end, &streams)).collect()
    }

    fn block(&self, start: usize, end: usize, streams: &[&[u8]]) -> Vec<Found> {
        let block = &self.bytes[start..end];
        self.check(start, &block[4..], &block[..4]);
        let content = match block[28] {
            0 => block[32..].to_vec(),
            _ => lz4_flex::block::decompress(&block[32..], number(&block[8..12]) as usize).unwrap(),
        };
        let mut rest = &content[..];
        let shapes: Vec<[u64; 5]> =
            (0..varint(&mut rest)).map(|_| [(); 5].map(|()| varint(&mut rest))).collect();
        let length = varint(&mut rest) as usize;
        let (mut rows, mut bodies) = rest.split_at(length);
        let mut next: Vec<&[u8]> = Vec::new();
        for shape in &shapes {
            let (these, behind) = bodies.split_at((shape[3] * shape[4]) as usize);
            next.push(these);
            bodies = behind;
        }
        let (mut known, mut moment) = (number(&block[24..28]), 0);
        let positions = (0..number(&block[12..16])).map(|index| number(&block[16..24]) + index);
        positions
            .map(|position| {
                let back = varint(&mut rows);
                let stream = streams[(known - back) as usize];
                known += u64::from(back == 0);
                let shape = varint(&mut rows) as usize;
                let [revision, kind, version, length, _] = shapes[shape];
                let revision = if revision == 64 { varint(&mut rows) } else { revision };
                moment += signed(varint(&mut rows));
                if revision > 0 {
                    varint(&mut rows);
                }
                let (body, behind) = next[shape].split_at(length as usize);
                next[shape] = behind;
                (
                    position,
                    stream[16],
                    stream[..16].to_vec(),
                    revision as u32,
                    moment,
                    kind as u16,
                    version as u8,
                    body.to_vec(),
                )
            })
            .collect()
    }
}

fn read_by_the_page(folder: &Path) -> Vec<Found> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let is = |path: &Path, kind: &str| path.extension().is_some_and(|extension| extension == kind);
    let found = paths.iter().flat_map(|path| match path {
        path if is(path, "sealed") => File::open(path).sealed(),
        path if is(path, "log") => File::open(path).frames(),
        _ => Vec::new(),
    });
    found.collect()
}

fn read_by_the_engine(folder: &Path) -> Vec<Found> {
    let reader = LogReader::open_beside(RealFiles::new(folder), STORE).unwrap();
    let events = reader.read_all(Position(0), usize::MAX).unwrap();
    let found = events.into_iter().map(|event| {
        let Encoded { kind, version, body } = event.encoded;
        let (stream_kind, id) = (event.stream.kind as u8, event.stream.id.to_vec());
        (event.position.0, stream_kind, id, event.revision.0, event.at.0, kind, version, body)
    });
    found.collect()
}

/// A little of everything: several events in an append, long streams, empty and large bodies.
fn write_sample(folder: &Path) {
    let options = Options { segment_bytes: 40_000, ..Options::new(STORE) };
    let (mut log, _) = Log::open(RealFiles::new(folder), options).unwrap();
    for number in 0..400_u32 {
        let stream = match number % 5 {
            0 => StreamId::node("golden"),
            rest => StreamId::call(CallId([rest as u8; 16])),
        };
        let event = |n: u32| NewEvent {
            encoded: Encoded {
                kind: (n % 17) as u16,
                version: 1 + u8::from(n.is_multiple_of(7)),
                body: (0..n * 37 % 250).map(|byte| (byte / 8) as u8).collect(),
            },
            at: Timestamp(1_790_000_000_000 + i64::from(n) * 40 - i64::from(n % 3) * 90),
        };
        let events = (0..=number % 3).map(|more| event(number + more)).collect();
        let results = log.append(&[Append { stream, expected: Expected::Any, events }]);
        assert!(results[0].is_ok());
        if number == 250 {
            while let Some(sealing) = log.sealing() {
                sealing.run().unwrap();
            }
        }
    }
    log.close().unwrap();
}

#[test]
fn the_page_is_enough_to_read_what_the_engine_writes() {
    let folder = tempfile::tempdir().unwrap();
    write_sample(folder.path());
    let found = read_by_the_page(folder.path());
    assert!(found.len() > 700 && found == read_by_the_engine(folder.path()));
}

/// What was written on the day of this format, read now.
#[track_caller]
fn check(format: &str, wanted: Expect) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(format);
    let found = read_by_the_engine(&folder);
    assert!(found == read_by_the_page(&folder));
    assert!(verify(&RealFiles::new(&folder), STORE).unwrap().is_sound());
    let text = found.iter().map(|event| format!("{event:?}\n")).collect::<String>();
    let digest = format!("{} events {:08x}", found.len(), crc32c::crc32c(text.as_bytes()));
    wanted.assert_eq(&digest);
}

#[test]
fn what_was_ever_written_still_reads() {
    check("log-v1", expect!["799 events 86e27904"]);
}

// Frames are written as they ever were; only a later format may differ.
#[test]
fn the_same_appends_make_the_same_frames() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/log-v1");
    let folder = tempfile::tempdir().unwrap();
    write_sample(folder.path());
    for entry in fs::read_dir(&golden).unwrap() {
        let name = entry.unwrap().file_name();
        if Path::new(&name).extension().is_none_or(|extension| extension == "log") {
            let [then, now] =
                [&golden, folder.path()].map(|folder| fs::read(folder.join(&name)).unwrap());
            assert!(then == now, "{}", name.display());
        }
    }
}
