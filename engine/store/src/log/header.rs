//! The first page of every file of the log: what it is, whose, and from where on.

use crate::StoreError;
use crate::bytes::{bytes, hex};
use crate::file::File;
use schemas::Timestamp;
use std::fmt;

/// Which store a file belongs to. Made once, at random, with the data folder.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct StoreId(pub [u8; 16]);

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

/// The version of the log's format that this program writes, and the latest that it reads.
pub const FORMAT: u16 = 1;
/// How many bytes the header takes, so that what follows begins on a page of its own.
pub const HEADER_BYTES: usize = 4096;
/// How the bodies of events are encoded: bincode 2, `config::standard()`.
pub const CODEC_BINCODE_2: u16 = 1;

/// More positions than a log ever deals: an index keeps six bytes of one.
pub const POSITION_MAX: u64 = (1 << 48) - 1;

const MAGIC: [u8; 8] = *b"CALLFOLD";
const CRC_AT: usize = HEADER_BYTES - 4;

/// What follows the header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Content {
    /// Frames, one after another, as they were appended.
    Frames = 1,
    /// Blocks of events, compressed: a segment that is sealed.
    Blocks = 2,
    /// Where the last events of streams stand.
    Index = 3,
}

/// The header of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// What follows.
    pub content: Content,
    /// How event bodies are encoded.
    pub codec: u16,
    /// Whose file it is.
    pub store: StoreId,
    /// The position of its first event. All before it was durable when the file was made.
    pub base: u64,
    /// When its first event happened.
    pub created_at: Timestamp,
}

/// Makes every checksum depend on the file it stands in, so that a frame that strayed in from
/// another file is not taken for one of ours. It follows from the store and the file's name alone:
/// a damaged header does not take the file's content with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Salt(pub u32);

impl Salt {
    /// The salt of a file.
    pub fn of(store: StoreId, content: Content, base: u64) -> Self {
        let mut named = [0; 25];
        named[..16].copy_from_slice(&store.0);
        named[16] = content as u8;
        named[17..].copy_from_slice(&base.to_le_bytes());
        Self(crc32c::crc32c(&named))
    }
}

impl Header {
    /// The page as it is written, and the salt of what follows.
    pub fn encode(&self) -> (Vec<u8>, Salt) {
        let mut page = vec![0; HEADER_BYTES];
        page[0..8].copy_from_slice(&MAGIC);
        page[8..10].copy_from_slice(&FORMAT.to_le_bytes());
        page[10] = self.content as u8;
        page[12..14].copy_from_slice(&self.codec.to_le_bytes());
        page[16..32].copy_from_slice(&self.store.0);
        page[32..40].copy_from_slice(&self.base.to_le_bytes());
        page[40..48].copy_from_slice(&self.created_at.0.to_le_bytes());
        let crc = crc32c::crc32c(&page[..CRC_AT]);
        page[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        (page, self.salt())
    }

    /// The salt of what follows.
    pub fn salt(&self) -> Salt {
        Salt::of(self.store, self.content, self.base)
    }

    /// Reads a page. `file` names it in the error.
    ///
    /// # Errors
    /// [`StoreError::Foreign`] when it is no file of a log, [`StoreError::Newer`] when a later
    /// program wrote it, [`StoreError::Corrupt`] when it is damaged.
    pub fn decode(page: &[u8], file: &str) -> Result<(Self, Salt), StoreError> {
        let corrupt = |offset: u64, why: &str| StoreError::Corrupt {
            file: file.to_owned(),
            offset,
            why: why.to_owned(),
        };
        if page.len() < HEADER_BYTES {
            return Err(corrupt(page.len() as u64, "the file ends within its header"));
        }
        if page[0..8] != MAGIC {
            let why = "it does not begin as a file of a Callfold log does".to_owned();
            return Err(StoreError::Foreign { file: file.to_owned(), why });
        }
        // A later format may keep its checksum elsewhere: its number is looked at first.
        let found = u16::from_le_bytes(bytes(page, 8));
        if found > FORMAT {
            let (file, found, known) = (file.to_owned(), found.into(), FORMAT.into());
            return Err(StoreError::Newer { file, found, known });
        }
        let crc = u32::from_le_bytes(bytes(page, CRC_AT));
        if crc32c::crc32c(&page[..CRC_AT]) != crc {
            return Err(corrupt(0, "the header's checksum does not fit"));
        }
        let content = match page[10] {
            1 => Content::Frames,
            2 => Content::Blocks,
            3 => Content::Index,
            _ => return Err(corrupt(10, "the header names a content that there is not")),
        };
        let codec = u16::from_le_bytes(bytes(page, 12));
        if codec != CODEC_BINCODE_2 {
            return Err(corrupt(12, "the header names a codec that there is not"));
        }
        let header = Self {
            content,
            codec,
            store: StoreId(bytes(page, 16)),
            base: u64::from_le_bytes(bytes(page, 32)),
            created_at: Timestamp(i64::from_le_bytes(bytes(page, 40))),
        };
        if header.base == 0 || header.base > POSITION_MAX {
            return Err(corrupt(32, "the header begins at a position that there is not"));
        }
        Ok((header, header.salt()))
    }
}

/// Reads a file's first page.
pub(crate) fn read_header<F: File>(file: &F, place: &str) -> Result<(Header, Salt), StoreError> {
    let mut page = vec![0; HEADER_BYTES];
    let read = file.read_full_at(&mut page, 0);
    let read = read.map_err(|error| StoreError::of_disk("read", place, error))?;
    Header::decode(&page[..read], place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            content: Content::Frames,
            codec: CODEC_BINCODE_2,
            store: StoreId([7; 16]),
            base: 42,
            created_at: Timestamp(1_790_000_000_120),
        }
    }

    #[test]
    fn a_header_reads_back_as_it_was_written() {
        let (page, salt) = header().encode();
        assert_eq!(Header::decode(&page, "f").unwrap(), (header(), salt));
    }

    #[test]
    fn every_flipped_bit_of_a_header_is_noticed() {
        let (page, _) = header().encode();
        for bit in 0..page.len() * 8 {
            let mut damaged = page.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::decode(&damaged, "f").is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_newer_format_is_refused_by_its_number() {
        let (mut page, _) = header().encode();
        page[8..10].copy_from_slice(&(FORMAT + 1).to_le_bytes());
        let error = Header::decode(&page, "log/1.log").unwrap_err();
        expect_test::expect!["log/1.log was written by a newer version of Callfold (format 2, this one reads up to 1): run that version on it"]
            .assert_eq(&error.to_string());
    }
}
