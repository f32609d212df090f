//! What a fuzzer calls: the readers of the log with bytes that nobody wrote, and what must hold
//! then. Checksums are made to fit, since otherwise nothing gets past them. Run without a fuzzer
//! by the tests below.

use super::frame::{self, FRAME_HEADER_BYTES, MARK};
use super::header::{Salt, StoreId};
use super::pages::{PAGE_BYTES, checksum};
use super::sealed::FOOTER_BYTES;
use super::sealed::block::{BLOCK_HEADER_BYTES, Block};
use super::{HEADER_BYTES, Log, LogReader, Options, repair, stopped, verify};
use crate::StoreError;
use crate::api::{Append, Expected, NewEvent, Reader};
use crate::bytes::bytes;
use crate::dice::Dice;
use crate::disk::SimDisk;
use crate::file::Files;
use schemas::event::Encoded;
use schemas::{CallId, Position, Revision, StreamId, Timestamp};
use std::sync::OnceLock;

const SALT: Salt = Salt(7);

fn options() -> Options {
    Options { segment_bytes: 9000, ..Options::new(StoreId([1; 16])) }
}

fn stream(number: u8) -> StreamId {
    StreamId::call(CallId([number; 16]))
}

/// A frame whose header and records are the fuzzer's, and whose checksum fits.
pub fn frame(given: &[u8]) {
    let mut made = MARK.to_vec();
    made.extend_from_slice(&[0; 8]);
    made.extend_from_slice(given);
    made.resize(made.len().max(FRAME_HEADER_BYTES), 0);
    let length = u32::try_from(made.len()).unwrap_or(u32::MAX);
    made[8..12].copy_from_slice(&length.to_le_bytes());
    frame::sign(&mut made, SALT, 4096);
    if let Ok(frame) = frame::decode(&made, SALT, 4096) {
        let shown = frame.records().take_while(Result::is_ok).count();
        assert!(shown <= usize::from(frame.count));
        assert!(frame.last_position() >= frame.head.position);
    }
}

/// A block whose content is the fuzzer's, packed or not, and whose checksum fits.
pub fn block(given: &[u8]) {
    let Some((kind, content)) = given.split_first() else { return };
    let packed = lz4_flex::block::compress(content);
    let content = match kind % 3 {
        0 => content,
        1 => &packed,
        // What claims to be packed and is not.
        _ => content,
    };
    let mut made = vec![0; BLOCK_HEADER_BYTES];
    made.extend_from_slice(content);
    let length = u32::try_from(made.len()).unwrap_or(u32::MAX);
    made[4..8].copy_from_slice(&length.to_le_bytes());
    let plain = u32::try_from(given.len() - 1).unwrap_or(u32::MAX);
    made[8..12].copy_from_slice(&plain.to_le_bytes());
    made[12..16].copy_from_slice(&u32::from(*kind).to_le_bytes());
    made[16] = kind / 3;
    made[28] = u8::from(kind % 3 != 0);
    let crc = checksum(SALT, 4096, &made[4..]);
    made[..4].copy_from_slice(&crc.to_le_bytes());
    if let Ok(block) = Block::decode(&made, SALT, 4096) {
        let shown = block.rows().take_while(Option::is_some).count();
        assert!(shown <= block.count as usize);
        assert_eq!(block.rows_to(block.last()).is_some(), shown == block.count as usize);
    }
}

/// A sound log with the fuzzer's changes in it, its checksums made to fit or not: nothing panics,
/// what `verify` finds sound can be opened and read to its end, and what `repair` copies is sound.
pub fn log(given: &[u8]) {
    let disk = sample();
    let (&style, mut changes) = given.split_first().unwrap_or((&0, &[]));
    let mut names = disk.list().expect("the simulated disk lists");
    if style & 4 == 0 {
        names.retain(|name| name != stopped::NAME);
    }
    while let Some((change, rest)) = changes.split_at_checked(4) {
        let name = &names[usize::from(change[0]) % names.len()];
        let mut contents = disk.contents(name).expect("it was listed");
        let within = usize::from(u16::from_le_bytes([change[1], change[2]]));
        // Most of what matters stands behind the header and before the end.
        let at = match style & 3 {
            0 => within,
            1 => HEADER_BYTES + within % contents.len().saturating_sub(HEADER_BYTES).max(1),
            _ => contents.len().saturating_sub(1 + within % 200),
        };
        match contents.get_mut(at) {
            Some(byte) => *byte ^= change[3].max(1),
            None => contents.truncate(contents.len() * usize::from(change[3]) / 256),
        }
        if style & 8 == 0 {
            sign(name, &mut contents);
        }
        disk.put(name, contents);
        changes = rest;
    }
    hold(&disk);
}

fn hold(disk: &SimDisk) {
    let report = verify(disk, options().store).expect("the simulated disk reads");
    if let Ok(reader) = LogReader::open_beside(disk.clone(), options().store) {
        let read = read_everything(&reader);
        assert!(!report.is_sound() || read.is_ok(), "a sound log does not read: {read:?}");
    }
    let target = SimDisk::new(1);
    let (mut copy, _) = Log::open(target.clone(), options()).expect("an empty log opens");
    repair(disk, options().store, &mut copy, &mut |_, _| ()).expect("what is damaged is no error");
    copy.close().expect("the simulated disk syncs");
    let copied = verify(&target, options().store).expect("the simulated disk reads");
    assert!(copied.is_sound(), "a repaired log is not sound: {:?}", copied.faults);
    match Log::open(disk.clone(), options()) {
        Ok((mut log, _)) => {
            let read = read_everything(&log.reader());
            assert!(!report.is_sound() || read.is_ok(), "a sound log does not read: {read:?}");
            // It may break on what it has to compare with, and then says so.
            drop(
                log.append(&[
                    append(3, 9),
                    Append { expected: Expected::NoStream, ..append(4, 1) },
                ]),
            );
        }
        Err(error) => assert!(!report.is_sound(), "a sound log does not open: {}", error.in_full()),
    }
}

fn read_everything(reader: &LogReader<SimDisk>) -> Result<(), StoreError> {
    reader.read_all(Position(0), usize::MAX)?;
    (0..8).try_for_each(|number| reader.read_stream(stream(number), Revision(0), 99).map(drop))
}

fn append(number: u8, body: u8) -> Append {
    let encoded = Encoded { kind: u16::from(body), version: 1, body: vec![body; 30] };
    let events = vec![NewEvent { encoded, at: Timestamp(1_790_000_000_000) }];
    Append { stream: stream(number), expected: Expected::Any, events }
}

/// A small log of every kind of file.
fn sample() -> SimDisk {
    static FILES: OnceLock<Vec<(String, Vec<u8>)>> = OnceLock::new();
    let files = FILES.get_or_init(|| {
        let disk = SimDisk::new(1);
        let (mut log, _) = Log::open(disk.clone(), options()).expect("an empty log opens");
        for number in 0..180 {
            assert!(log.append(&[append(number % 8, number)])[0].is_ok());
            log.sync().expect("the simulated disk syncs");
        }
        // One is sealed, one is full and is not, one is written.
        log.sealing().expect("a segment is full").run().expect("it seals");
        log.close().expect("the simulated disk syncs");
        let names = disk.list().expect("the simulated disk lists");
        names
            .into_iter()
            .map(|name| (name.clone(), disk.contents(&name).expect("it was listed")))
            .collect()
    });
    let disk = SimDisk::new(1);
    files.iter().for_each(|(name, contents)| disk.put(name, contents.clone()));
    disk
}

/// Makes the checksums of a file fit what stands there now.
fn sign(name: &str, contents: &mut [u8]) {
    let Some(header) = contents.get_mut(..HEADER_BYTES) else { return };
    let crc = crc32c::crc32c(&header[..HEADER_BYTES - 4]);
    header[HEADER_BYTES - 4..].copy_from_slice(&crc.to_le_bytes());
    let Ok((header, salt)) = super::Header::decode(header, name) else { return };
    match header.content {
        super::Content::Frames => sign_frames(contents, salt),
        super::Content::Blocks | super::Content::Index => sign_tables(contents, salt),
    }
}

fn sign_frames(contents: &mut [u8], salt: Salt) {
    let mut at = HEADER_BYTES;
    while let Ok(length) = frame::length(&contents[at.min(contents.len())..]) {
        let Some(frame) = contents.get_mut(at..at + length) else { return };
        frame::sign(frame, salt, u32::try_from(at).unwrap_or(u32::MAX));
        at += length;
    }
}

/// The pages before the footer, the footer, and the blocks from the beginning.
fn sign_tables(contents: &mut [u8], salt: Salt) {
    let Some(footer_at) = contents.len().checked_sub(FOOTER_BYTES) else { return };
    let footer = &mut contents[footer_at..];
    let crc = checksum(salt, footer_at as u64, &footer[..60]);
    footer[60..].copy_from_slice(&crc.to_le_bytes());
    let mut blocks_end = footer_at;
    while let Some(at) = blocks_end.checked_sub(PAGE_BYTES).filter(|at| *at >= HEADER_BYTES) {
        let crc = checksum(salt, at as u64, &contents[at..blocks_end - 4]);
        contents[blocks_end - 4..blocks_end].copy_from_slice(&crc.to_le_bytes());
        blocks_end = at;
    }
    let mut at = HEADER_BYTES;
    while at + BLOCK_HEADER_BYTES <= contents.len() {
        let length = u32::from_le_bytes(bytes(contents, at + 4)) as usize;
        let Some(end) = at.checked_add(length).filter(|end| length > 0 && *end <= contents.len())
        else {
            return;
        };
        let crc = checksum(salt, at as u64, &contents[(at + 4).min(end)..end]);
        contents[at..at + 4].copy_from_slice(&crc.to_le_bytes());
        at = end;
    }
}

/// Input of the kind that a fuzzer makes, of at most so many bytes, from a seed.
pub fn from_seed(seed: u64, length_max: u64, run: fn(&[u8])) {
    let mut dice = Dice::new(seed);
    let mut given = vec![0; dice.below(length_max) as usize];
    dice.fill(&mut given);
    // Small numbers reach further than large ones.
    for byte in &mut given {
        if dice.one_in(2) {
            *byte %= 8;
        }
    }
    run(&given);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::listing::Listing;
    use crate::log::names;

    #[test]
    fn the_sample_is_sound_and_has_every_kind_of_file() {
        let disk = sample();
        assert!(verify(&disk, options().store).unwrap().is_sound());
        let listing = Listing::of(&disk).unwrap();
        assert_eq!((listing.sealed.len(), listing.indexes.len(), listing.frames.len()), (1, 1, 3));
        // Signing what is sound changes nothing but what signs blocks where pages are.
        for base in &listing.frames {
            let name = names::frames(*base);
            let mut contents = disk.contents(&name).unwrap();
            sign(&name, &mut contents);
            assert!(contents == disk.contents(&name).unwrap());
        }
    }

    #[test]
    fn no_frame_and_no_block_makes_the_readers_panic() {
        for seed in 0..20_000 {
            from_seed(seed, 80, frame);
            from_seed(seed, 80, block);
        }
    }

    #[test]
    fn what_fuzzers_have_found_holds() {
        // Two damages in one block.
        log(&[65, 49, 0, 65, 254, 41, 65, 7, 0, 13, 2, 65, 7, 0]);
    }

    #[test]
    fn no_change_of_a_file_makes_the_log_panic_or_lie() {
        for seed in 0..1500 {
            from_seed(seed, 14, log);
        }
    }
}
