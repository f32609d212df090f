//! The answer to a challenge: hashes, and the header they go into (RFC 7616, 3.4).

use std::fmt::{self, Display};

use md5::Md5;
use sha2::digest::Digest;
use sha2::{Sha256, Sha512_256};

use super::Challenge;
use crate::message::Quoted;
use crate::port::Credentials;

/// A hash, and whether its key is made per session (RFC 7616, 3.4.2; RFC 8760, 2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Algorithm {
    hash: Hash,
    session: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Hash {
    Md5,
    Sha256,
    Sha512T256,
}

impl Algorithm {
    /// Reads `MD5`, `SHA-256`, `SHA-512-256`, and each with `-sess`, in any case. None of others.
    pub fn read(text: &str) -> Option<Self> {
        let at = text.len().saturating_sub("-sess".len());
        let (name, session) = match (text.get(..at), text.get(at..)) {
            (Some(name), Some(tail)) if tail.eq_ignore_ascii_case("-sess") => (name, true),
            _ => (text, false),
        };
        let known =
            [("MD5", Hash::Md5), ("SHA-256", Hash::Sha256), ("SHA-512-256", Hash::Sha512T256)];
        let hash = known.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known))?.1;
        Some(Self { hash, session })
    }
}

/// What answers one challenge in one request. As text it is the value of the header.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// What was asked.
    pub challenge: &'a Challenge,
    /// Who answers.
    pub who: &'a Credentials,
    /// The method of the request.
    pub method: &'a str,
    /// The Request-URI.
    pub uri: &'a str,
    /// Random, of our own.
    pub cnonce: &'a str,
    /// How often the nonce was used, this time included.
    pub uses: u32,
}

impl Answer<'_> {
    /// The `response` parameter.
    pub fn response(&self) -> impl Display {
        let Challenge { realm, nonce, algorithm, qop_auth, .. } = self.challenge;
        let hash = |parts: &[&str]| Hex::of(algorithm.hash, parts);
        let mut key = hash(&[&self.who.username, realm, &self.who.password]);
        if algorithm.session {
            key = hash(&[key.text(), nonce, self.cnonce]);
        }
        let request = hash(&[self.method, self.uri]);
        if *qop_auth {
            let uses = format!("{:08x}", self.uses);
            hash(&[key.text(), nonce, &uses, self.cnonce, "auth", request.text()])
        } else {
            hash(&[key.text(), nonce, request.text()])
        }
    }
}

/// qop, nc and algorithm stand without quotation marks (RFC 7616, 3.4), all else with them.
impl Display for Answer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Challenge { realm, nonce, opaque, algorithm, algorithm_text, qop_auth, .. } =
            self.challenge;
        write!(
            f,
            "Digest username={}, realm=\"{realm}\", nonce=\"{nonce}\"",
            Quoted(&self.who.username)
        )?;
        write!(f, ", uri={}, response=\"{}\"", Quoted(self.uri), self.response())?;
        if let Some(text) = algorithm_text {
            write!(f, ", algorithm={text}")?;
        }
        if *qop_auth || algorithm.session {
            write!(f, ", cnonce={}", Quoted(self.cnonce))?;
        }
        if *qop_auth {
            write!(f, ", qop=auth, nc={:08x}", self.uses)?;
        }
        match opaque {
            Some(opaque) => write!(f, ", opaque=\"{opaque}\""),
            None => Ok(()),
        }
    }
}

/// A hash in hex digits.
#[derive(Clone, Copy)]
struct Hex {
    digits: [u8; 64],
    length: usize,
}

impl Hex {
    /// The hash of `parts` with colons between them.
    fn of(hash: Hash, parts: &[&str]) -> Self {
        match hash {
            Hash::Md5 => Self::with::<Md5>(parts),
            Hash::Sha256 => Self::with::<Sha256>(parts),
            Hash::Sha512T256 => Self::with::<Sha512_256>(parts),
        }
    }

    fn with<D: Digest>(parts: &[&str]) -> Self {
        let mut hasher = D::new();
        for (at, part) in parts.iter().enumerate() {
            if at > 0 {
                hasher.update(b":");
            }
            hasher.update(part.as_bytes());
        }
        let mut hex = Self { digits: [0; 64], length: 0 };
        for byte in hasher.finalize() {
            for nibble in [byte >> 4, byte & 15] {
                hex.digits[hex.length] = b"0123456789abcdef"[usize::from(nibble)];
                hex.length += 1;
            }
        }
        hex
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.digits[..self.length]).expect("hex digits are ASCII")
    }
}

impl Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
