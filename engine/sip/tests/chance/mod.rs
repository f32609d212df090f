//! Chance on a seed: the same seed gives the same hostile texts on every machine.

#![allow(dead_code, reason = "each test uses its part of it")]

/// SplitMix64.
pub struct Chance(pub u64);

impl Chance {
    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `end`, which must not be 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.number() % end as u64) as usize
    }

    /// One of `all`.
    pub fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    /// A text of up to `pieces` pieces, each of which has broken somebody's parser.
    pub fn text(&mut self, pieces: usize) -> String {
        (0..self.below(pieces + 1)).map(|_| *self.one_of(&PIECES)).collect()
    }
}

/// What breaks parsers, and what does not.
pub const PIECES: [&str; 44] = [
    "\r\n",
    "\r",
    "\n",
    "\0",
    "\t",
    " ",
    "\u{7f}",
    "\u{85}",
    "\u{1b}",
    "\"",
    "\\",
    "\\\"",
    "\"\"",
    "<",
    ">",
    "<>",
    ";",
    ",",
    "=",
    "@",
    ":",
    "%",
    "%0d%0a",
    "%00",
    "?",
    "/",
    "[",
    "]",
    "[::1]",
    "(",
    "sip:",
    "sip:a@b",
    "SIP/2.0",
    "z9hG4bK",
    "tag=",
    "é",
    "中文",
    "\u{2028}",
    "a",
    "bob",
    "+8613800138000",
    "0",
    "4294967296",
    "Call-ID: x\r\n",
];
