//! Tables on the disk: entries of one size in pages of 4 KiB, each with a checksum of its own, so
//! that one entry costs one read however long the table is.

use super::header::{Content, Header, Salt, StoreId, read_header};
use crate::StoreError;
use crate::bytes::bytes;
use crate::file::{File, Files};
use std::io;
use std::sync::Arc;

/// Bytes of a page, its checksum included.
pub(crate) const PAGE_BYTES: usize = 4096;
const ENTRIES_BYTES: usize = PAGE_BYTES - 4;
const BUFFER_BYTES: usize = 1 << 20;

/// An open file that is finished, and how to speak of it.
pub(crate) struct Source<F> {
    pub(crate) file: Arc<F>,
    pub(crate) place: Arc<str>,
    pub(crate) salt: Salt,
}

impl<F> Clone for Source<F> {
    fn clone(&self) -> Self {
        let (file, place) = (Arc::clone(&self.file), Arc::clone(&self.place));
        Self { file, place, salt: self.salt }
    }
}

impl<F: File> Source<F> {
    /// Fills `buffer` with what stands at `offset`; too little is damage, since the file is whole.
    pub(crate) fn read(&self, buffer: &mut [u8], offset: u64) -> Result<(), StoreError> {
        match self.file.read_exact_at(buffer, offset) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(self.corrupt(offset, "the file ends before its content does"))
            }
            read => read.map_err(|error| StoreError::of_disk("read", &*self.place, error)),
        }
    }

    pub(crate) fn corrupt(&self, offset: u64, why: impl ToString) -> StoreError {
        StoreError::Corrupt { file: self.place.to_string(), offset, why: why.to_string() }
    }
}

/// Opens a finished file and checks its header.
pub(crate) fn open_source<F: Files>(
    files: &F,
    store: StoreId,
    name: &str,
    content: Content,
) -> Result<(Source<F::File>, Header, u64), StoreError> {
    let place: Arc<str> = files.place(name).into();
    let file =
        files.open_to_read(name).map_err(|error| StoreError::of_disk("open", &*place, error))?;
    let (header, salt) = read_header(&file, &place)?;
    let size = file.size().map_err(|error| StoreError::of_disk("read", &*place, error))?;
    let source = Source { file: Arc::new(file), place, salt };
    if header.store != store {
        let (file, why) = (source.place.to_string(), "it is of another store".to_owned());
        return Err(StoreError::Foreign { file, why });
    }
    if header.content != content {
        return Err(source.corrupt(10, "it holds something else than its name says"));
    }
    Ok((source, header, size))
}

/// Writes a new file from its beginning to its end.
pub(crate) struct Sink<'f, F: File> {
    file: &'f F,
    salt: Salt,
    written: u64,
    buffer: Vec<u8>,
}

impl<'f, F: File> Sink<'f, F> {
    pub(crate) fn new(file: &'f F, salt: Salt) -> Self {
        Self { file, salt, written: 0, buffer: Vec::with_capacity(BUFFER_BYTES) }
    }

    /// Where the next byte goes.
    pub(crate) fn at(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    pub(crate) fn salt(&self) -> Salt {
        self.salt
    }

    pub(crate) fn write(&mut self, more: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(more);
        if self.buffer.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.file.write_all_at(&self.buffer, self.written)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

/// A table in a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Table {
    /// Where it begins.
    pub(crate) at: u64,
    /// How many entries it has.
    pub(crate) count: u64,
    /// Bytes of one.
    pub(crate) entry_bytes: usize,
}

impl Table {
    /// Entries of a page.
    pub(crate) fn per_page(&self) -> u64 {
        (ENTRIES_BYTES / self.entry_bytes) as u64
    }

    /// How many pages it takes.
    pub(crate) fn pages(&self) -> u64 {
        self.count.div_ceil(self.per_page())
    }

    /// Where it ends. A count that was never written ends nowhere.
    pub(crate) fn end(&self) -> u64 {
        self.at.saturating_add(self.pages().saturating_mul(PAGE_BYTES as u64))
    }

    /// Reads a page; the entries in it.
    pub(crate) fn page<'b, F: File>(
        &self,
        source: &Source<F>,
        page: u64,
        buffer: &'b mut [u8; PAGE_BYTES],
    ) -> Result<std::slice::ChunksExact<'b, u8>, StoreError> {
        let offset = self.at + page * PAGE_BYTES as u64;
        source.read(buffer, offset)?;
        if checksum(source.salt, offset, &buffer[..ENTRIES_BYTES])
            != u32::from_le_bytes(bytes(buffer, ENTRIES_BYTES))
        {
            return Err(source.corrupt(offset, "a page's checksum does not fit"));
        }
        let count = self.per_page().min(self.count - page * self.per_page());
        let used = usize::try_from(count).expect("a page's entries fit it") * self.entry_bytes;
        Ok(buffer[..used].chunks_exact(self.entry_bytes))
    }

    /// Reads one entry.
    pub(crate) fn entry<F: File, const N: usize>(
        &self,
        source: &Source<F>,
        index: u64,
    ) -> Result<[u8; N], StoreError> {
        if index >= self.count {
            return Err(source.corrupt(
                self.at,
                format!("entry {index} of a table of {} is asked for", self.count),
            ));
        }
        let mut buffer = [0; PAGE_BYTES];
        let mut page = self.page(source, index / self.per_page(), &mut buffer)?;
        let within = usize::try_from(index % self.per_page()).expect("a page's entries fit it");
        Ok(bytes(page.nth(within).expect("the index is below the count"), 0))
    }

    /// Shows every entry in order.
    pub(crate) fn each<F: File>(
        &self,
        source: &Source<F>,
        mut show: impl FnMut(&[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut buffer = [0; PAGE_BYTES];
        for page in 0..self.pages() {
            self.page(source, page, &mut buffer)?.try_for_each(&mut show)?;
        }
        Ok(())
    }
}

/// Writes a table.
pub(crate) struct TableWriter {
    table: Table,
    page: Vec<u8>,
}

impl TableWriter {
    /// A table that begins where `sink` stands.
    pub(crate) fn new<F: File>(sink: &Sink<'_, F>, entry_bytes: usize) -> Self {
        let table = Table { at: sink.at(), count: 0, entry_bytes };
        Self { table, page: Vec::with_capacity(PAGE_BYTES) }
    }

    pub(crate) fn push<F: File>(&mut self, sink: &mut Sink<'_, F>, entry: &[u8]) -> io::Result<()> {
        debug_assert_eq!(entry.len(), self.table.entry_bytes, "entries of a table have one size");
        if self.page.len() + entry.len() > ENTRIES_BYTES {
            self.end_page(sink)?;
        }
        self.page.extend_from_slice(entry);
        self.table.count += 1;
        Ok(())
    }

    pub(crate) fn finish<F: File>(mut self, sink: &mut Sink<'_, F>) -> io::Result<Table> {
        if !self.page.is_empty() {
            self.end_page(sink)?;
        }
        Ok(self.table)
    }

    fn end_page<F: File>(&mut self, sink: &mut Sink<'_, F>) -> io::Result<()> {
        self.page.resize(ENTRIES_BYTES, 0);
        let crc = checksum(sink.salt(), sink.at(), &self.page);
        self.page.extend_from_slice(&crc.to_le_bytes());
        sink.write(&self.page)?;
        self.page.clear();
        Ok(())
    }
}

/// A checksum that begins where file and place say, so that the same bytes elsewhere have another.
pub(crate) fn checksum(salt: Salt, offset: u64, covered: &[u8]) -> u32 {
    let [a, b, c, d, e, f, g, h] = offset.to_le_bytes();
    let [low, high] = [[a, b, c, d], [e, f, g, h]].map(u32::from_le_bytes);
    crc32c::crc32c_append(salt.0 ^ low ^ high, covered)
}
