//! Walks the frames of a file in order, a chunk at a time.

use super::frame::{self, Fault, Frame};
use super::header::Salt;
use crate::file::File;
use std::io;

const CHUNK_BYTES_MIN: usize = 64 * 1024;
const CHUNK_BYTES_MAX: usize = 1024 * 1024;

/// What stands at the next place.
pub(crate) enum Step<'a> {
    /// A frame that has been checked, and where it begins.
    Frame(u32, Frame<'a>),
    /// Something else: what is wrong with it, and where it begins.
    Bad(u32, Fault),
    /// Nothing: the walk came to its end.
    End,
}

/// A walk from frame to frame.
pub(crate) struct FrameWalk<'f, F: File> {
    file: &'f F,
    salt: Salt,
    next: u32,
    end: u32,
    buffer: Vec<u8>,
    buffer_at: u32,
    chunk: usize,
}

impl<'f, F: File> FrameWalk<'f, F> {
    /// A walk over `from..end` of a file.
    pub(crate) fn new(file: &'f F, salt: Salt, from: u32, end: u32) -> Self {
        let (buffer, chunk) = (Vec::new(), CHUNK_BYTES_MIN);
        Self { file, salt, next: from, end, buffer, buffer_at: from, chunk }
    }

    /// The next frame. After [`Step::Bad`] the walk stays where it is.
    pub(crate) fn step(&mut self) -> io::Result<Step<'_>> {
        let offset = self.next;
        if offset >= self.end {
            return Ok(Step::End);
        }
        // Small frames cost one look at the buffer; one that is cut off by it, a second read.
        if let Err(Fault::Short(wanted)) = self.peek() {
            self.fill(wanted)?;
        }
        let within = (offset - self.buffer_at) as usize;
        match frame::decode(&self.buffer[within..], self.salt, offset) {
            Ok(frame) => {
                self.next = offset + frame.length;
                Ok(Step::Frame(offset, frame))
            }
            Err(fault) => Ok(Step::Bad(offset, fault)),
        }
    }

    /// Whether the whole next frame is in the buffer.
    fn peek(&self) -> Result<(), Fault> {
        let rest = &self.buffer[((self.next - self.buffer_at) as usize).min(self.buffer.len())..];
        let length = frame::length(rest)?;
        if rest.len() < length { Err(Fault::Short(length)) } else { Ok(()) }
    }

    fn fill(&mut self, wanted: usize) -> io::Result<()> {
        let left = (self.end - self.next) as usize;
        let size = self.chunk.max(wanted).min(left);
        self.chunk = (self.chunk * 2).min(CHUNK_BYTES_MAX);
        self.buffer.resize(size, 0);
        self.buffer_at = self.next;
        let read = self.file.read_full_at(&mut self.buffer, u64::from(self.next))?;
        self.buffer.truncate(read);
        // A header that was not in the buffer hid the frame's length until now.
        if let Err(Fault::Short(longer)) = self.peek()
            && longer > read
            && longer <= left
            && longer > wanted
        {
            return self.fill(longer);
        }
        Ok(())
    }
}
