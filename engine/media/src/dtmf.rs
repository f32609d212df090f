//! Digits as named events, both ways (RFC 4733): [`Keypad`] sends, [`Listener`] hears.
//! [`tone`](crate::tones::tone) is what a peer without telephone-event gets instead.

use std::collections::VecDeque;

use crate::codec::SAMPLES_PER_MS;

/// The keys by their event number (RFC 4733, 3.2).
const KEYS: &[u8; 16] = b"0123456789*#ABCD";

/// How long a key of ours is held.
pub const HELD_MS: u32 = 100;

/// Between two keys of ours. Some gateways need 50 ms to tell two of the same apart; twice that is
/// safe.
const BETWEEN_MS: u32 = 100;

/// The end of a key is said so often, since it is what must not be lost (RFC 4733, 2.5.1.4).
const ENDS: u8 = 3;

/// Loudness of the event, in -dBm0.
const VOLUME: u8 = 10;

/// Digits that wait to be sent. More are refused: nobody dials 64 keys ahead.
pub const WAITING_MAX: usize = 64;

/// A key of theirs that was not heard for so long was let go, and all ends were lost. Senders may
/// repeat it every 50 ms only.
const LET_GO_US: u64 = 200_000;

/// Bytes of one event.
pub const EVENT_BYTES: usize = 4;

/// What goes out in a slot while keys are dialled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dialled {
    /// A key is held, or its end is said again.
    Key {
        /// Its event number.
        event: u8,
        /// How long it was held when this slot began; beyond [`HELD_MS`] when its end is said
        /// again.
        from_ms: u32,
        /// How long it is held at the end of this slot; not more than it is held in all.
        held_ms: u32,
        /// Whether this slot is its first: the slot's timestamp is the key's.
        first: bool,
        /// Whether it is let go.
        end: bool,
    },
    /// Nothing: between two keys.
    Nothing,
}

/// The payload of an event packet (RFC 4733, 2.3).
pub fn event_payload(event: u8, held_ms: u32, end: bool) -> [u8; EVENT_BYTES] {
    let [high, low] = ((held_ms * SAMPLES_PER_MS) as u16).to_be_bytes();
    [event, u8::from(end) << 7 | VOLUME, high, low]
}

/// Sends keys, one packet per slot.
#[derive(Clone, Debug, Default)]
pub struct Keypad {
    waiting: VecDeque<u8>,
    /// The key that is held or just let go, and for how long.
    key: Option<(u8, u32)>,
    ends: u8,
}

impl Keypad {
    /// Adds digits, `0123456789*#ABCD` in either case; how many were refused: no digits, or beyond
    /// [`WAITING_MAX`].
    pub fn dial(&mut self, digits: &str) -> usize {
        let mut refused = 0;
        for digit in digits.chars() {
            match event_of(digit) {
                Some(event) if self.waiting.len() < WAITING_MAX => self.waiting.push_back(event),
                _ => refused += 1,
            }
        }
        refused
    }

    /// Forgets what was not sent yet. A key that is held is let go properly.
    pub fn clear(&mut self) {
        self.waiting.clear();
    }

    /// The slot of `ptime_ms` that begins now. None: no keys, the slot is free for audio.
    pub fn turn(&mut self, ptime_ms: u32) -> Option<Dialled> {
        let (event, ms) = match &mut self.key {
            Some((event, ms)) => {
                *ms += ptime_ms;
                (*event, *ms)
            }
            None => {
                let event = self.waiting.pop_front()?;
                self.ends = 0;
                self.key = Some((event, ptime_ms));
                (event, ptime_ms)
            }
        };
        if ms >= HELD_MS && self.ends == ENDS {
            if ms >= HELD_MS + BETWEEN_MS {
                self.key = None;
            }
            return Some(Dialled::Nothing);
        }
        let end = ms >= HELD_MS;
        self.ends += u8::from(end);
        let held_ms = ms.min(HELD_MS.max(ptime_ms));
        let from_ms = ms - ptime_ms;
        Some(Dialled::Key { event, from_ms, held_ms, first: from_ms == 0, end })
    }
}

/// A key of theirs, pressed and let go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pressed {
    /// Of `0123456789*#ABCD`.
    pub digit: char,
    /// How long it was held.
    pub ms: u16,
}

/// Hears keys. A key is named by its timestamp and event: its packets are repeated, lost and
/// swapped freely.
#[derive(Clone, Debug, Default)]
pub struct Listener {
    held: Option<Held>,
    /// Timestamp of the last key that was told: what is not newer is an echo of it.
    told: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    event: u8,
    timestamp: u32,
    /// Samples of the segment at `timestamp`, and of those before it.
    duration: u32,
    before: u32,
    heard_us: u64,
}

impl Listener {
    /// An event packet of theirs; a key that ended with it, or was replaced by it, is told.
    pub fn hear(
        &mut self,
        timestamp: u32,
        payload: &[u8],
        now_us: u64,
        mut tell: impl FnMut(Pressed),
    ) {
        let Some(&[event, flags, high, low]) = payload.first_chunk() else { return };
        // 16 is the hook flash; beyond are fax and modem tones.
        if usize::from(event) >= KEYS.len() || self.told.is_some_and(|told| !newer(timestamp, told))
        {
            return;
        }
        let duration = u32::from(u16::from_be_bytes([high, low]));
        let held = match self.held {
            Some(held) if held.event == event && held.timestamp == timestamp => {
                Held { duration: held.duration.max(duration), heard_us: now_us, ..held }
            }
            // Held longer than a duration can say (8 s), it goes on in a new segment (RFC 4733,
            // 2.5.1.3).
            Some(held)
                if held.event == event && timestamp.wrapping_sub(held.timestamp) == 0xffff =>
            {
                let before = held.before.saturating_add(0xffff);
                Held { timestamp, duration, before, heard_us: now_us, ..held }
            }
            Some(held) if !newer(timestamp, held.timestamp) => return,
            before => {
                // The next key is down: all ends of this one were lost.
                if let Some(before) = before {
                    tell(self.let_go(before));
                }
                Held { event, timestamp, duration, before: 0, heard_us: now_us }
            }
        };
        if flags & 0x80 != 0 {
            tell(self.let_go(held));
        } else {
            self.held = Some(held);
        }
    }

    /// Time passed: a key that fell silent is told.
    #[inline]
    pub fn turn(&mut self, now_us: u64) -> Option<Pressed> {
        let held = self.held.filter(|held| now_us.saturating_sub(held.heard_us) >= LET_GO_US)?;
        Some(self.let_go(held))
    }

    /// Their numbers begin anew (a new SSRC): what was told says nothing about them. A key that was
    /// held is told.
    pub fn restart(&mut self) -> Option<Pressed> {
        let pressed = self.held.map(|held| self.let_go(held));
        self.told = None;
        pressed
    }

    fn let_go(&mut self, held: Held) -> Pressed {
        self.held = None;
        self.told = Some(held.timestamp);
        let ms = held.before.saturating_add(held.duration) / SAMPLES_PER_MS;
        let digit = char::from(KEYS[usize::from(held.event)]);
        Pressed { digit, ms: u16::try_from(ms).unwrap_or(u16::MAX) }
    }
}

fn newer(timestamp: u32, than: u32) -> bool {
    timestamp.wrapping_sub(than).wrapping_sub(1) < 1 << 31
}

fn event_of(digit: char) -> Option<u8> {
    let digit = u8::try_from(digit).ok()?.to_ascii_uppercase();
    KEYS.iter().position(|&key| key == digit).map(|event| event as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeded::Seeded;

    /// Dials and prints slot by slot: `1:20`, `1:100!` for an end, `-` for nothing.
    fn dialled(digits: &str, ptime_ms: u32) -> String {
        let mut keypad = Keypad::default();
        assert_eq!(keypad.dial(digits), 0);
        let mut slots = Vec::new();
        while let Some(slot) = keypad.turn(ptime_ms) {
            slots.push(match slot {
                Dialled::Key { event, held_ms, first, end, .. } => {
                    let key = char::from(KEYS[usize::from(event)]);
                    format!(
                        "{}{key}:{held_ms}{}",
                        if first { ">" } else { "" },
                        if end { "!" } else { "" }
                    )
                }
                Dialled::Nothing => "-".to_owned(),
            });
        }
        slots.join(" ")
    }

    #[test]
    fn a_key_is_held_100_ms_and_its_end_said_three_times() {
        assert_eq!(dialled("5", 20), ">5:20 5:40 5:60 5:80 5:100! 5:100! 5:100! - - -");
        assert_eq!(dialled("#", 30), ">#:30 #:60 #:90 #:100! #:100! #:100! -");
        assert_eq!(dialled("d", 60), ">D:60 D:100! D:100! D:100! -");
        assert_eq!(
            dialled("11", 40),
            ">1:40 1:80 1:100! 1:100! 1:100! - >1:40 1:80 1:100! 1:100! 1:100! -"
        );
    }

    #[test]
    fn what_is_no_digit_or_too_much_is_refused() {
        let mut keypad = Keypad::default();
        assert_eq!(keypad.dial("1 2x\u{ff11}"), 3);
        assert_eq!(keypad.dial(&"7".repeat(100)), 100 - (WAITING_MAX - 2));
        keypad.clear();
        assert_eq!(keypad.turn(20), None);
    }

    /// Packets as (ms, timestamp, event, duration in samples, end), what is told by then and 1 s
    /// later.
    fn check(packets: &[(u64, u32, u8, u16, bool)], expected: &str) {
        let mut listener = Listener::default();
        let mut told = String::new();
        let mut tell =
            |at: &str, pressed: Pressed| told += &format!("{at}{}:{} ", pressed.digit, pressed.ms);
        for &(at_ms, timestamp, event, duration, end) in packets {
            if let Some(pressed) = listener.turn(at_ms * 1_000) {
                tell("~", pressed);
            }
            let [high, low] = duration.to_be_bytes();
            let payload = [event, u8::from(end) << 7 | 10, high, low];
            listener.hear(timestamp, &payload, at_ms * 1_000, |pressed| tell("", pressed));
        }
        if let Some(pressed) =
            listener.turn(packets.last().map_or(0, |last| last.0 + 1_000) * 1_000)
        {
            tell("~", pressed);
        }
        assert_eq!(told.trim_end(), expected);
    }

    #[test]
    fn a_key_is_told_once_however_often_its_end_comes() {
        check(
            &[
                (0, 0, 5, 160, false),
                (20, 0, 5, 320, false),
                (40, 0, 5, 480, true),
                (41, 0, 5, 480, true),
            ],
            "5:60",
        );
        check(&[(0, 0, 5, 480, true)], "5:60");
        check(&[(0, 0, 5, 480, true), (5, 0, 5, 320, false), (9, 0, 5, 480, true)], "5:60");
    }

    #[test]
    fn lost_ends_are_made_up_by_time_or_by_the_next_key() {
        check(&[(0, 0, 5, 160, false), (20, 0, 5, 320, false)], "~5:40");
        check(
            &[(0, 0, 5, 160, false), (190, 0, 5, 1_600, false), (400, 1, 0, 0, false)],
            "~5:200 ~0:0",
        );
        check(&[(0, 0, 5, 800, false), (100, 1_600, 5, 800, true)], "5:100 5:100");
        check(&[(0, 0, 11, 800, false), (100, 1_600, 1, 160, false)], "#:100 ~1:20");
    }

    #[test]
    fn the_same_key_twice_is_two_keys_and_a_late_packet_none() {
        check(&[(0, 0, 5, 800, true), (200, 1_600, 5, 800, true)], "5:100 5:100");
        check(&[(0, 1_600, 5, 800, true), (10, 0, 4, 800, true)], "5:100");
        check(
            &[(0, 1_600, 5, 800, false), (10, 0, 4, 800, true), (20, 1_600, 5, 900, true)],
            "5:112",
        );
    }

    #[test]
    fn timestamps_wrap() {
        check(&[(0, u32::MAX - 100, 5, 800, true), (200, 1_499, 6, 800, true)], "5:100 6:100");
    }

    #[test]
    fn a_key_held_longer_than_a_duration_can_say_is_one_key() {
        check(
            &[
                (0, 10, 1, 160, false),
                (180, 10, 1, 0xffff, false),
                (190, 10 + 0xffff, 1, 160, false),
            ],
            "~1:8211",
        );
    }

    #[test]
    fn flash_and_tones_and_cut_payloads_are_no_keys() {
        check(&[(0, 0, 16, 800, true), (20, 800, 36, 800, true), (40, 800, 255, 800, true)], "");
        let mut listener = Listener::default();
        listener.hear(0, &[5, 0x80, 3], 0, |pressed| panic!("{pressed:?} from three bytes"));
    }

    #[test]
    fn what_we_dial_we_hear_whatever_single_packets_are_lost() {
        let mut seeded = Seeded(8);
        for _ in 0..200 {
            let (mut keypad, mut listener) = (Keypad::default(), Listener::default());
            keypad.dial("1130*#AD");
            let (mut heard, mut timestamp, mut began, mut now_us) = (String::new(), 0u32, 0, 0);
            let mut lost_before = false;
            while let Some(slot) = keypad.turn(20) {
                if let Dialled::Key { event, held_ms, first, end, .. } = slot {
                    began = if first { timestamp } else { began };
                    lost_before = !lost_before && seeded.below(3) == 0;
                    if !lost_before {
                        let payload = event_payload(event, held_ms, end);
                        listener.hear(began, &payload, now_us, |pressed| heard.push(pressed.digit));
                    }
                }
                timestamp = timestamp.wrapping_add(160);
                now_us += 20_000;
            }
            heard.extend(listener.turn(now_us + LET_GO_US).map(|pressed| pressed.digit));
            assert_eq!(heard, "1130*#AD");
        }
    }
}
