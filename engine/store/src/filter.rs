//! Which events a reader wants.

use schemas::{StreamId, StreamKind};

/// Which events a reader wants. The default wants all.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Filter {
    kinds: Option<Vec<u16>>,
    streams: Option<Vec<StreamPrefix>>,
}

/// The streams of a kind whose ids begin alike, written as the beginning of a stream's name:
/// `call-`, `call-0f3a`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StreamPrefix {
    kind: StreamKind,
    id: [u8; 16],
    /// How many hex digits of the id are given.
    digits: usize,
}

impl Filter {
    /// Only these types of event, by their numbers.
    #[must_use]
    pub fn kinds(mut self, kinds: impl IntoIterator<Item = u16>) -> Self {
        self.kinds = Some(kinds.into_iter().collect());
        self
    }

    /// Only streams that begin in one of these ways.
    #[must_use]
    pub fn streams(mut self, prefixes: impl IntoIterator<Item = StreamPrefix>) -> Self {
        self.streams = Some(prefixes.into_iter().collect());
        self
    }

    /// Whether it wants an event of this type in this stream.
    pub fn wants(&self, stream: StreamId, kind: u16) -> bool {
        self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&kind))
            && self.streams.as_ref().is_none_or(|all| all.iter().any(|prefix| prefix.holds(stream)))
    }
}

impl StreamPrefix {
    /// All streams of a kind.
    pub fn of(kind: StreamKind) -> Self {
        Self { kind, id: [0; 16], digits: 0 }
    }

    /// Reads the beginning of a stream's name, its kind and the dash at least.
    pub fn parse(text: &str) -> Option<Self> {
        let (_, digits) = text.split_once('-')?;
        let filled = format!("{text}{}", "0".repeat(32_usize.checked_sub(digits.len())?));
        let StreamId { kind, id } = StreamId::parse(&filled)?;
        Some(Self { kind, id, digits: digits.len() })
    }

    fn holds(self, stream: StreamId) -> bool {
        let whole = self.digits / 2;
        let half_fits =
            self.digits.is_multiple_of(2) || stream.id[whole] >> 4 == self.id[whole] >> 4;
        stream.kind == self.kind && stream.id[..whole] == self.id[..whole] && half_fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::{CallId, CalleeKey};

    #[test]
    fn a_prefix_holds_the_streams_whose_names_begin_with_it() {
        let mut id = [0x5a; 16];
        id[..3].copy_from_slice(&[0x0f, 0x3a, 0xb1]);
        let stream = StreamId::call(CallId(id));
        for (text, holds) in [
            ("call-", true),
            ("call-0", true),
            ("call-0f", true),
            ("call-0f3", true),
            ("call-0f3a", true),
            ("call-0f3b", false),
            ("call-1", false),
            ("call-0f4", false),
            ("callee-0f", false),
            (&stream.to_string(), true),
        ] {
            assert_eq!(StreamPrefix::parse(text).unwrap().holds(stream), holds, "{text}");
        }
        for wrong in ["call", "", "calls-0f", "call-0G", "call-é", &format!("{stream}0")] {
            assert_eq!(StreamPrefix::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_filter_wants_what_all_its_parts_want() {
        let (call, callee) =
            (StreamId::call(CallId([1; 16])), StreamId::callee(CalleeKey([1; 16])));
        assert!(Filter::default().wants(callee, 9));
        let filter = Filter::default().kinds([1, 17]).streams([StreamPrefix::of(StreamKind::Call)]);
        let wants =
            [(call, 1), (call, 17), (call, 2), (callee, 1)].map(|(s, k)| filter.wants(s, k));
        assert_eq!(wants, [true, true, false, false]);
        assert!(!Filter::default().kinds([]).wants(call, 1));
    }
}
