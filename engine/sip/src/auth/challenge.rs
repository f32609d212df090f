//! Challenges: `Digest realm="…", nonce="…", …`, one or several in a header (RFC 7616, 3.3).

use super::Algorithm;
use crate::message::{list, quoted_length, split_param};

/// The longest realm, nonce or opaque that is answered, in bytes. It is stored per leg, and goes
/// out again with every request.
const VALUE_BYTES_MAX: usize = 1024;

/// A Digest challenge that we can answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Challenge {
    /// Whose password is asked for. As all texts here without quotation marks, but with the
    /// backslashes it came with, for so it is hashed and sent back.
    pub realm: String,
    /// What makes the answer good once.
    pub nonce: String,
    /// What goes back as it came.
    pub opaque: Option<String>,
    /// How to hash.
    pub algorithm: Algorithm,
    /// The name of the algorithm as it came; absent when none was named, which means MD5.
    pub algorithm_text: Option<String>,
    /// Whether the answer before was right but for a nonce too old.
    pub stale: bool,
    /// Whether qop `auth` was offered; else the answer is in the form of RFC 2069.
    pub qop_auth: bool,
}

/// The challenges of one header line that we can answer, in their order. Others (another scheme or
/// algorithm, qop `auth-int` alone, no nonce, control characters) are left out.
pub fn challenges(line: &str) -> impl Iterator<Item = Challenge> {
    let mut items = list(line).peekable();
    std::iter::from_fn(move || {
        loop {
            // A scheme stands before the first parameter of its challenge: `Digest realm="x"`.
            let (scheme, first) = scheme(items.next()?)?;
            let mut found = Found::default();
            found.add(first);
            while let Some(item) = items.next_if(|item| self::scheme(item).is_none()) {
                found.add(item);
            }
            if scheme.eq_ignore_ascii_case("Digest")
                && let Some(challenge) = found.challenge()
            {
                return Some(challenge);
            }
        }
    })
}

/// The scheme that an item begins with, and the parameter behind it. None of `nonce = "x"`.
fn scheme(item: &str) -> Option<(&str, &str)> {
    let (word, rest) = item.split_once([' ', '\t']).unwrap_or((item, ""));
    let rest = rest.trim_start_matches([' ', '\t']);
    let is_param = word.contains('=') || rest.starts_with('=');
    (!is_param).then_some((word, rest))
}

/// A value without its quotation marks: what should not be quoted often is, and the other way
/// round. None when it could not be put between quotation marks again as it is.
fn inner(value: &str) -> Option<&str> {
    match quoted_length(value.as_bytes()) {
        Some(length) => (length == value.len()).then(|| &value[1..length - 1]),
        None => (!value.contains(['"', '\\'])).then_some(value),
    }
}

/// The parameters of a challenge, as they are found.
#[derive(Default)]
struct Found<'a> {
    realm: Option<&'a str>,
    nonce: Option<&'a str>,
    opaque: Option<&'a str>,
    algorithm: Option<&'a str>,
    stale: bool,
    qop: Option<&'a str>,
}

impl<'a> Found<'a> {
    fn add(&mut self, item: &'a str) {
        let Some((name, value)) = split_param(item) else { return };
        let Some(value) = inner(value) else { return };
        match name.to_ascii_lowercase().as_str() {
            "realm" => self.realm = self.realm.or(Some(value)),
            "nonce" => self.nonce = self.nonce.or(Some(value)),
            "opaque" => self.opaque = self.opaque.or(Some(value)),
            "algorithm" => self.algorithm = self.algorithm.or(Some(value)),
            "qop" => self.qop = self.qop.or(Some(value)),
            "stale" => self.stale = value.eq_ignore_ascii_case("true"),
            _ => {}
        }
    }

    fn challenge(&self) -> Option<Challenge> {
        let (realm, nonce) = (self.realm?, self.nonce?);
        let algorithm = Algorithm::read(self.algorithm.unwrap_or("MD5"))?;
        // An empty qop is as none: some peers send it.
        let offers = self.qop.map(str::trim).filter(|qop| !qop.is_empty());
        let qop_auth =
            offers.is_some_and(|qop| qop.split(',').any(|q| q.trim().eq_ignore_ascii_case("auth")));
        if offers.is_some() && !qop_auth {
            return None;
        }
        let texts = [Some(realm), Some(nonce), self.opaque, self.algorithm];
        let sound = texts
            .into_iter()
            .flatten()
            .all(|t| t.len() <= VALUE_BYTES_MAX && !t.contains(char::is_control));
        sound.then(|| Challenge {
            realm: realm.to_owned(),
            nonce: nonce.to_owned(),
            opaque: self.opaque.map(str::to_owned),
            algorithm,
            algorithm_text: self.algorithm.map(str::to_owned),
            stale: self.stale,
            qop_auth,
        })
    }
}
