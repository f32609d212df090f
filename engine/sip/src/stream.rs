//! Messages out of a byte stream (RFC 3261, 18.3): where one ends only its Content-Length says, so
//! after a head that cannot be trusted nothing behind it can be read, and the connection closes.

use memchr::memchr;

use crate::message::{Fault, MESSAGE_BYTES_MAX, content_length};

/// Buffer that is kept between messages, in bytes: what one read of a socket brings at most.
const BUFFER_BYTES_KEPT: usize = 16_384;

/// What stood next in the stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Frame<'a> {
    /// One whole message.
    Message(&'a [u8]),
    /// A keep-alive that wants [`PONG`] (RFC 5626, 4.4.1).
    Ping,
}

/// The answer to [`Frame::Ping`].
pub const PONG: &[u8] = b"\r\n";

/// Why a stream cannot be read any further. Close the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Broken {
    /// What should be a message does not begin like one.
    #[error("no SIP in the stream")]
    NotSip,
    /// A message longer than [`MESSAGE_BYTES_MAX`], or headers that do not end before that.
    #[error("a message too long in the stream")]
    TooLong,
    /// No Content-Length, or more than one, or one that is no number.
    #[error("a message without a sound Content-Length in the stream")]
    ContentLength,
}

/// Cuts a byte stream into messages. Holds at most one unfinished message and what was pushed last.
///
/// ```
/// # use sip::stream::{Frame, Framer};
/// let mut framer = Framer::default();
/// framer.push(b"\r\n\r\nOPTIONS sip:a SIP/2.0\r\nContent-Length: 2\r\n\r\nhi");
/// assert_eq!(framer.next(), Ok(Some(Frame::Ping)));
/// assert!(matches!(framer.next(), Ok(Some(Frame::Message(_)))));
/// assert_eq!(framer.next(), Ok(None));
/// ```
#[derive(Debug, Default)]
pub struct Framer {
    buffer: Vec<u8>,
    /// How much of the buffer was handed out.
    taken: usize,
    /// Up to where, after `taken`, no end of the headers was found.
    searched: usize,
    /// The length of the message at `taken`, once its headers are there.
    whole: Option<usize>,
    /// A line end stood before this one, and nothing else between.
    line_end: bool,
    broken: Option<Broken>,
}

impl Framer {
    /// Takes what was read from the stream. Call [`Framer::next`] until it has nothing more; what
    /// is pushed into a broken stream is forgotten.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.broken.is_some() {
            return;
        }
        self.buffer.drain(..self.taken);
        self.taken = 0;
        if self.buffer.is_empty() {
            self.buffer.shrink_to(BUFFER_BYTES_KEPT);
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// What stands next; None when more must be pushed first.
    ///
    /// # Errors
    /// The stream cannot be read any further; so says every later call.
    #[allow(clippy::should_implement_trait, reason = "what it gives borrows the buffer")]
    pub fn next(&mut self) -> Result<Option<Frame<'_>>, Broken> {
        if let Some(broken) = self.broken {
            return Err(broken);
        }
        if self.between_messages() {
            return Ok(Some(Frame::Ping));
        }
        match self.message_length() {
            Ok(Some(length)) => {
                let start = self.taken;
                self.taken += length;
                (self.searched, self.whole) = (0, None);
                Ok(Some(Frame::Message(&self.buffer[start..self.taken])))
            }
            Ok(None) => Ok(None),
            Err(broken) => {
                self.broken = Some(broken);
                self.buffer = Vec::new();
                (self.taken, self.searched) = (0, 0);
                Err(broken)
            }
        }
    }

    /// How many bytes wait for the rest of their message. When it stays above zero for long, the
    /// peer holds the connection for nothing.
    pub fn unfinished(&self) -> usize {
        self.buffer.len() - self.taken
    }

    /// Passes over line ends before a message. Two of them are a keep-alive: true.
    fn between_messages(&mut self) -> bool {
        while self.searched == 0 {
            let length = match self.buffer[self.taken..] {
                [b'\r', b'\n', ..] => 2,
                [b'\n', ..] => 1,
                _ => return false,
            };
            self.taken += length;
            self.line_end = !self.line_end;
            if !self.line_end {
                return true;
            }
        }
        false
    }

    /// The length of the message that begins at `taken`, when all of it is there.
    fn message_length(&mut self) -> Result<Option<usize>, Broken> {
        let bytes = &self.buffer[self.taken..];
        // A CR alone may be the first half of a line end.
        if bytes.is_empty() || bytes == b"\r" {
            return Ok(None);
        }
        // Every message begins with the letters of a method or of `SIP`. Not to wait for the rest
        // of anything else keeps strangers from filling the buffer.
        if !bytes[0].is_ascii_graphic() {
            return Err(Broken::NotSip);
        }
        self.line_end = false;
        let whole = match self.whole {
            Some(whole) => whole,
            None => match head_length(bytes, &mut self.searched) {
                Some(head) => {
                    let body = content_length(&bytes[..head]).map_err(|fault| match fault {
                        Fault::ContentLength | Fault::Missing(_) => Broken::ContentLength,
                        _ => Broken::NotSip,
                    })?;
                    head.saturating_add(body)
                }
                None if bytes.len() > MESSAGE_BYTES_MAX => return Err(Broken::TooLong),
                None => return Ok(None),
            },
        };
        if whole > MESSAGE_BYTES_MAX {
            return Err(Broken::TooLong);
        }
        self.whole = Some(whole);
        Ok((bytes.len() >= whole).then_some(whole))
    }
}

/// The length of the headers, the empty line behind them included. `searched` is where to go on
/// when more has come.
fn head_length(bytes: &[u8], searched: &mut usize) -> Option<usize> {
    while let Some(found) = memchr(b'\n', &bytes[*searched..]) {
        let line = &bytes[*searched..*searched + found];
        *searched += found + 1;
        if line.is_empty() || line == b"\r" {
            return Some(*searched);
        }
    }
    None
}
