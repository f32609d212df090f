//! The texts that name a call on the wire, and the way back from them to its leg.
//!
//! Shard and leg stand in the Via branch, in our tag and in the user part of our Contact: an answer
//! or a request finds its leg without a search, and a stranger who does not see our messages
//! cannot make one up, for 64 random bits stand beside them.
//!
//! ```text
//! branch     z9hG4bK  shard+leg (12)  random (11)   30 bytes, ".n" behind it when sent again
//! From tag            shard+leg (12)  random (8)    20 bytes
//! Call-ID                             random (14)   14 bytes
//! ```
//!
//! Digits are of base 64 with `-` and `_`: all of them may stand in a token, a user part and a
//! Call-ID. They are compared with case, as RFC 3261 leaves to the side that made them.

use std::fmt;
use std::ops::Deref;

use crate::port::{DialIds, LegId};

/// What every branch begins with (RFC 3261, 8.1.1.7).
const COOKIE: &str = "z9hG4bK";
/// Digits of a shard and a leg: 72 bits.
const OWNER: usize = 12;
/// Digits of 64 random bits.
const RANDOM: usize = 11;

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// In `VALUES`: no digit.
const NONE: u8 = 0xff;

/// The value of each digit.
const VALUES: [u8; 256] = {
    let mut values = [NONE; 256];
    let mut at = 0;
    while at < 64 {
        values[DIGITS[at] as usize] = at as u8;
        at += 1;
    }
    values
};

/// A short text that lives in place: a branch, a tag, the user part of our Contact.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct IdText {
    bytes: [u8; 43],
    length: u8,
}

impl IdText {
    const EMPTY: Self = Self { bytes: [0; 43], length: 0 };

    fn push_str(&mut self, text: &str) {
        let end = usize::from(self.length) + text.len();
        self.bytes[usize::from(self.length)..end].copy_from_slice(text.as_bytes());
        self.length = end as u8;
    }

    /// The lowest `6 * digits` bits of `value`, the highest first.
    fn push_bits(&mut self, value: u128, digits: usize) {
        for place in (0..digits).rev() {
            self.bytes[usize::from(self.length)] = DIGITS[(value >> (6 * place)) as usize & 63];
            self.length += 1;
        }
    }
}

impl Deref for IdText {
    type Target = str;

    fn deref(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.length)]).expect("only ASCII is pushed")
    }
}

impl fmt::Display for IdText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl fmt::Debug for IdText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// Who a message is for: read back from a branch, a tag or a Contact.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Owner {
    /// The shard of the node.
    pub shard: u8,
    /// The leg, on that shard.
    pub leg: LegId,
}

impl Owner {
    fn bits(self) -> u128 {
        u128::from(self.shard) << 64 | u128::from(self.leg.0)
    }
}

/// What identifies a new try on the wire. `random` must be fresh for each: it is all that keeps
/// strangers from ending the call, and the same again would be the same call to the gateway.
/// The CSeq is 1.
pub fn dial_ids(owner: Owner, random: u128) -> DialIds {
    let (high, low) = ((random >> 64) as u64, random as u64);
    let mut call_id = IdText::EMPTY;
    // 84 bits: all of the high half, and 20 of what no other text shows.
    call_id.push_bits(u128::from(high) << 20 | u128::from(mixed(low ^ 1) >> 44), 14);
    DialIds {
        call_id: call_id.to_string(),
        from_tag: tag(owner, mixed(low ^ high.rotate_left(32))).to_string(),
        cseq: 1,
        branch: branch(owner, low).to_string(),
    }
}

/// A Via branch. Each request but CANCEL and the ACK to a refusal needs a new one.
pub fn branch(owner: Owner, random: u64) -> IdText {
    let mut text = IdText::EMPTY;
    text.push_str(COOKIE);
    text.push_bits(owner.bits(), OWNER);
    text.push_bits(random.into(), RANDOM);
    text
}

/// A tag of ours. 48 of the random bits are used.
pub fn tag(owner: Owner, random: u64) -> IdText {
    let mut text = IdText::EMPTY;
    text.push_bits(owner.bits(), OWNER);
    text.push_bits(random.into(), 8);
    text
}

/// The user part of our Contact in a dialog.
pub fn contact_user(owner: Owner) -> IdText {
    let mut text = IdText::EMPTY;
    text.push_bits(owner.bits(), OWNER);
    text
}

/// The branch of the n-th time a request is sent anew: with credentials, with a longer session,
/// to the next address. The 0th is `branch` itself. Whoever knows the first knows them all, so a
/// process that comes after can cancel whichever was the last.
pub fn branch_of_resend(branch: &str, n: u8) -> String {
    match n {
        0 => branch.to_owned(),
        n => format!("{branch}.{n}"),
    }
}

/// Whose transaction a Via branch names. None when it is not one of ours.
pub fn owner_of_branch(branch: &str) -> Option<Owner> {
    let text = branch.strip_prefix(COOKIE)?;
    let ours = text.len() == OWNER + RANDOM || text.as_bytes().get(OWNER + RANDOM) == Some(&b'.');
    if ours { owner(text) } else { None }
}

/// Whose dialog a tag names. None when it is not one of ours.
pub fn owner_of_tag(tag: &str) -> Option<Owner> {
    if tag.len() == OWNER + 8 { owner(tag) } else { None }
}

/// Whose Contact this is. None when it is not one of ours.
pub fn owner_of_contact_user(user: &str) -> Option<Owner> {
    if user.len() == OWNER { owner(user) } else { None }
}

/// The leg of a Via branch. None when it is not one of ours.
pub fn leg_of_branch(branch: &str) -> Option<LegId> {
    owner_of_branch(branch).map(|owner| owner.leg)
}

/// The leg of a tag. None when it is not one of ours.
pub fn leg_of_tag(tag: &str) -> Option<LegId> {
    owner_of_tag(tag).map(|owner| owner.leg)
}

/// The shard of a Via branch. None when it is not one of ours.
pub fn shard_of_branch(branch: &str) -> Option<u8> {
    owner_of_branch(branch).map(|owner| owner.shard)
}

/// The shard of a tag. None when it is not one of ours.
pub fn shard_of_tag(tag: &str) -> Option<u8> {
    owner_of_tag(tag).map(|owner| owner.shard)
}

/// The 72 bits at the start of a text. That it looks like ours proves nothing: whoever owns the
/// leg compares the whole text.
fn owner(text: &str) -> Option<Owner> {
    let mut bits = 0u128;
    for &byte in text.as_bytes().get(..OWNER)? {
        let value = VALUES[usize::from(byte)];
        if value == NONE {
            return None;
        }
        bits = bits << 6 | u128::from(value);
    }
    Some(Owner { shard: (bits >> 64) as u8, leg: LegId(bits as u64) })
}

/// Stirs the bits of a number (the finalizer of SplitMix64), so that texts made of one random
/// number do not show each other.
fn mixed(value: u64) -> u64 {
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEGS: [u64; 5] = [0, 1, 77, u64::MAX - 1, u64::MAX];

    #[test]
    fn a_leg_and_its_shard_are_read_back_from_every_text() {
        for leg in LEGS {
            for shard in [0, 1, 127, 255] {
                let owner = Owner { shard, leg: LegId(leg) };
                let ids = dial_ids(owner, 0x0123_4567_89ab_cdef_0011_2233_4455_6677);
                assert_eq!(owner_of_branch(&ids.branch), Some(owner));
                assert_eq!(owner_of_branch(&branch_of_resend(&ids.branch, 255)), Some(owner));
                assert_eq!(owner_of_tag(&ids.from_tag), Some(owner));
                assert_eq!(owner_of_contact_user(&contact_user(owner)), Some(owner));
            }
        }
    }

    #[test]
    fn a_text_that_is_not_ours_has_no_owner() {
        let ours = branch(Owner { shard: 1, leg: LegId(2) }, 3);
        for text in [
            "",
            "z9hG4bK",
            "z9hG4bK-524287-1---abcdef;x",
            &ours[..ours.len() - 1],
            &format!("{ours}x"),
            &ours[1..],
            "z9hG4bKé12345678901234567890",
        ] {
            assert_eq!(owner_of_branch(text), None, "{text}");
            assert_eq!(owner_of_tag(text), None, "{text}");
        }
        assert_eq!(owner_of_tag("as.f1e2d3c4b5a6978.0"), None);
    }

    #[test]
    fn three_texts_of_a_call_are_no_longer_than_70_bytes_and_may_stand_in_a_token() {
        for leg in LEGS {
            let ids = dial_ids(Owner { shard: 255, leg: LegId(leg) }, u128::MAX);
            let all = format!("{}{}{}", ids.branch, ids.from_tag, ids.call_id);
            assert!(all.len() <= 70, "{all}");
            assert!(all.bytes().all(|b| VALUES[usize::from(b)] != NONE), "{all}");
        }
    }

    #[test]
    fn each_half_of_the_random_number_changes_what_a_stranger_must_guess() {
        let owner = Owner { shard: 0, leg: LegId(1) };
        let first = dial_ids(owner, 0);
        for bit in 0..128 {
            let other = dial_ids(owner, 1 << bit);
            assert_ne!(other.from_tag, first.from_tag, "bit {bit}");
            let changed = if bit < 64 {
                other.branch != first.branch
            } else {
                other.call_id != first.call_id
            };
            assert!(changed, "bit {bit}");
        }
    }
}
