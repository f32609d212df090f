use std::net::SocketAddr;

use super::*;
use crate::clip::Clip;
use crate::port::Codec;
use crate::prompt::Prompt;
use crate::rtp::packet::{HEADER_BYTES, Header, Packet};
use crate::rtp::rtcp::COMPOUND_BYTES_MAX;
use crate::seeded::Seeded;

const THEM: &str = "192.0.2.5:5000";
const STRANGER: &str = "203.0.113.9:6000";

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address in a test")
}

fn agreed() -> Agreed {
    Agreed {
        remote: address(THEM),
        rtcp: None,
        codec: Codec::Pcmu,
        events: Some(101),
        ptime_ms: 20,
        send: true,
        receive: true,
    }
}

/// A stream in its own time: slot after slot, what goes out as text, what is heard as text.
struct Line {
    stream: Stream,
    now_us: u64,
    heard: Vec<String>,
    sequence: u16,
}

impl Line {
    fn new(options: StreamOptions) -> Self {
        let stream = Stream::new(StreamId(1), Arc::new(options), Randomness([7, 42, 9]), None, 0);
        Self { stream, now_us: 0, heard: Vec::new(), sequence: 0 }
    }

    /// Connected, and silent unless something is played.
    fn quiet() -> Self {
        let mut line = Self::new(StreamOptions { idle: Idle::Nothing, ..StreamOptions::default() });
        line.stream.connect(agreed(), 0);
        line
    }

    fn play(&mut self, samples: usize) {
        self.stream.play(Arc::new(Prompt::new(&Clip::of(vec![5_000; samples]))));
    }

    /// One slot: what it sends.
    fn sent(&mut self) -> Option<(Header, Vec<u8>)> {
        self.now_us += u64::from(self.stream.ptime_ms()) * 1_000;
        let mut buffer = [0; PACKET_BYTES_MAX];
        let heard = &mut self.heard;
        let slot =
            self.stream.slot(self.now_us, &mut buffer, &mut |what| heard.push(word(&what)))?;
        let packet = Packet::read(&buffer[..slot.bytes]).expect("our own packet");
        Some((packet.header, packet.payload.to_vec()))
    }

    /// Some slots in letters: `a` audio, `s` silence, `e` event, `E` its end, `.` nothing; a
    /// capital `A` or `S` has the marker.
    fn slots(&mut self, count: usize) -> String {
        let letter = |(header, payload): (Header, Vec<u8>)| match header.payload_type {
            101 if payload[1] & 0x80 != 0 => 'E',
            101 => 'e',
            _ => {
                let letter = if payload.iter().all(|&byte| byte == 0xff) { 's' } else { 'a' };
                if header.marker { letter.to_ascii_uppercase() } else { letter }
            }
        };
        (0..count).map(|_| self.sent().map_or('.', letter)).collect()
    }

    /// A packet of theirs, now.
    fn hear(&mut self, from: &str, payload_type: u8, payload: &[u8]) {
        let sequence = self.sequence;
        self.sequence += 1;
        let timestamp = u32::from(sequence) * 160;
        let mut bytes = [0; HEADER_BYTES];
        Header { marker: false, payload_type, sequence, timestamp, ssrc: 5 }.write(&mut bytes);
        let heard = &mut self.heard;
        let bytes = [&bytes, payload].concat();
        self.stream
            .datagram(&bytes, address(from), self.now_us, &mut |what| heard.push(word(&what)));
    }

    fn close(self) -> Report {
        self.stream.close(&mut |_| ()).0
    }
}

fn word(heard: &MediaHeard) -> String {
    match heard {
        MediaHeard::PromptFinished { ms, .. } => format!("finished {ms}"),
        MediaHeard::Digit { digit, ms, .. } => format!("digit {digit} {ms}"),
        MediaHeard::NoAudio { ms, .. } => format!("no audio {ms}"),
        other => format!("{other:?}"),
    }
}

#[test]
fn a_prompt_is_sent_to_its_last_sample_and_told_one_interval_later() {
    let mut line = Line::quiet();
    line.play(160 * 2 + 40);
    assert_eq!(line.slots(3), "Aaa");
    assert!(line.heard.is_empty());
    assert_eq!(line.slots(2), "..");
    assert_eq!(line.heard, ["finished 45"]);
}

#[test]
fn the_last_packet_is_padded_with_silence() {
    let mut line = Line::quiet();
    line.play(40);
    let (_, payload) = line.sent().expect("a packet");
    assert_eq!(payload.len(), 160);
    assert!(payload[..40].iter().all(|&byte| byte != 0xff) && payload[40..] == [0xff; 120]);
}

#[test]
fn a_prompt_waits_for_the_connection_and_for_the_end_of_hold_and_pause() {
    let mut line = Line::new(StreamOptions { idle: Idle::Nothing, ..StreamOptions::default() });
    line.play(160 * 6);
    assert_eq!(line.slots(3), "...");
    line.stream.connect(agreed(), 0);
    assert_eq!(line.slots(2), "Aa");
    line.stream.connect(Agreed { send: false, ..agreed() }, line.now_us);
    assert_eq!(line.slots(2), "..");
    line.stream.connect(agreed(), line.now_us);
    assert_eq!(line.slots(2), "Aa");
    line.stream.pause(true);
    assert_eq!(line.slots(2), "..");
    line.stream.pause(false);
    assert_eq!(line.slots(4), "Aa..");
    assert_eq!(line.heard, ["finished 120"]);
}

#[test]
fn a_prompt_replaced_or_stopped_is_not_told_as_finished() {
    let mut line = Line::quiet();
    line.play(160 * 100);
    assert_eq!(line.slots(2), "Aa");
    line.play(160);
    assert_eq!(line.slots(3), "a..");
    line.play(160 * 100);
    line.slots(1);
    line.stream.stop_playing();
    assert_eq!(line.slots(2), "..");
    assert_eq!(line.heard, ["finished 20"]);
}

#[test]
fn digits_go_first_and_the_prompt_goes_on_where_it_stopped() {
    let mut line = Line::quiet();
    line.play(160 * 4);
    assert_eq!(line.slots(2), "Aa");
    assert_eq!(line.stream.dial("5"), 0);
    assert_eq!(line.slots(13), "eeeeEEE...Aa.");
    assert_eq!(line.heard, ["finished 80"]);
}

#[test]
fn a_digit_has_one_timestamp_and_audio_keeps_the_clock() {
    let mut line = Line::quiet();
    line.play(160 * 2);
    let first = line.sent().expect("audio").0.timestamp;
    line.stream.dial("5");
    let events: Vec<_> = (0..7).map(|_| line.sent().expect("an event").0).collect();
    assert!(events.iter().all(|event| event.timestamp == first + 160));
    assert!(events[0].marker && events[1..].iter().all(|event| !event.marker));
    assert_eq!(line.slots(3), "...");
    let (resumed, _) = line.sent().expect("audio");
    assert_eq!(resumed.timestamp, first + 11 * 160);
    assert_eq!(resumed.sequence, events[6].sequence + 1, "silence takes no number");
}

#[test]
fn who_did_not_agree_on_events_hears_tones() {
    let mut line = Line::quiet();
    line.stream.connect(Agreed { events: None, ..agreed() }, 0);
    line.stream.dial("12");
    assert_eq!(line.slots(21), "Aaaaasssssaaaaasssss.");
}

#[test]
fn what_is_sent_while_nothing_is_played_is_an_option() {
    for (idle, expected) in [
        (Idle::Nothing, "............"),
        (Idle::Silence, "Ssssssssssss"),
        (Idle::KeepAlive { every_ms: 100 }, "Sss....S....S"),
    ] {
        let mut line = Line::new(StreamOptions { idle, ..StreamOptions::default() });
        line.stream.connect(agreed(), 0);
        assert_eq!(line.slots(expected.len()), expected, "{idle:?}");
        line.stream.connect(agreed(), line.now_us);
        line.stream.connect(Agreed { send: false, ..agreed() }, line.now_us);
        assert_eq!(line.slots(20), ".".repeat(20), "{idle:?}, held");
    }
}

#[test]
fn an_interval_that_does_not_fit_the_wheel_is_taken_for_20_ms() {
    for ptime_ms in [0, 1, 25, 100, 255] {
        let mut line = Line::quiet();
        line.stream.connect(Agreed { ptime_ms, ..agreed() }, 0);
        line.play(160);
        assert_eq!(line.sent().map(|(_, payload)| payload.len()), Some(160), "{ptime_ms} ms");
    }
}

#[test]
fn slots_that_were_passed_over_move_the_clock() {
    let mut line = Line::quiet();
    line.play(160 * 2);
    let first = line.sent().expect("audio").0.timestamp;
    line.now_us += 200_000;
    assert_eq!(line.sent().map(|sent| sent.0.timestamp), Some(first + 11 * 160));
}

#[test]
fn silence_of_theirs_is_told_once_and_again_after_they_spoke() {
    let mut line = Line::quiet();
    line.slots(1_000);
    assert!(line.heard.is_empty(), "nobody answered yet");
    line.stream.answered(line.now_us);
    line.slots(499);
    assert!(line.heard.is_empty());
    line.slots(100);
    assert_eq!(line.heard, ["no audio 10000"]);
    line.hear(THEM, 0, &[0; 160]);
    line.slots(600);
    assert_eq!(line.heard, ["no audio 10000", "no audio 10000"]);
    line.hear(THEM, 0, &[0; 160]);
    line.stream.connect(Agreed { receive: false, ..agreed() }, line.now_us);
    line.slots(2_000);
    line.stream.connect(agreed(), line.now_us);
    line.slots(499);
    assert_eq!(line.heard.len(), 2, "the silence of a hold does not count");
    line.slots(1);
    assert_eq!(line.heard.len(), 3);
}

#[test]
fn comfort_noise_is_a_sign_of_life_and_what_is_unknown_is_no_audio() {
    let mut line = Line::quiet();
    line.stream.answered(0);
    line.slots(3);
    line.hear(THEM, 13, &[40]);
    line.hear(THEM, 96, &[1, 2, 3]);
    line.hear(THEM, 8, &[0x55; 160]);
    line.hear(THEM, 0, &[0x55; 160]);
    line.hear(THEM, 0, &[]);
    let report = line.close();
    assert_eq!((report.received, report.lost, report.discarded), (4, 0, 1));
    assert_eq!(report.first_audio_ms, Some(60));
}

#[test]
fn strangers_noise_and_early_packets_are_counted_and_not_heard() {
    let mut line = Line::new(StreamOptions::default());
    line.hear(THEM, 0, &[0; 160]);
    line.stream.connect(agreed(), 0);
    line.stream.answered(0);
    line.hear(THEM, 0, &[0; 160]);
    line.hear(STRANGER, 0, &[0; 160]);
    line.hear(STRANGER, 101, &[5, 0x80, 3, 0]);
    let nothing = &mut |what: MediaHeard| panic!("{what:?}");
    line.stream.datagram(b"\x16\xfe\xff noise", address(THEM), 0, nothing);
    assert!(line.heard.is_empty());
    let report = line.close();
    assert_eq!((report.received, report.discarded), (1, 4));
}

#[test]
fn a_peer_behind_a_nat_may_speak_first_after_the_answer() {
    let mut line = Line::quiet();
    line.slots(1_500);
    line.stream.answered(line.now_us);
    for _ in 0..20 {
        line.slots(1);
        line.hear(STRANGER, 0, &[0; 160]);
    }
    line.play(160);
    let mut buffer = [0; PACKET_BYTES_MAX];
    let slot = line.stream.slot(line.now_us + 20_000, &mut buffer, &mut |_| ());
    assert_eq!(
        slot.map(|slot| slot.to),
        Some(address(STRANGER)),
        "ours goes where theirs comes from"
    );
    assert_eq!(line.close().received, 11);
}

#[test]
fn digits_of_theirs_are_heard_under_either_number() {
    let mut line = Line::quiet();
    line.stream.connect(Agreed { events: Some(97), ..agreed() }, 0);
    line.hear(THEM, 97, &[1, 0x80, 3, 32]);
    line.hear(THEM, 101, &[11, 0x80, 3, 32]);
    line.hear(THEM, 101, &[5, 0, 0, 160]);
    assert_eq!(line.heard, ["digit 1 100", "digit # 100"]);
    line.slots(11);
    assert_eq!(line.heard.last().map(String::as_str), Some("digit 5 20"), "its ends were lost");
    line.hear(THEM, 101, &[6, 0, 0, 160]);
    let mut last = Vec::new();
    line.stream.close(&mut |what| last.push(word(&what)));
    assert_eq!(last, ["digit 6 20"], "a key that is held while the call ends");
}

#[test]
fn reports_go_out_and_theirs_are_believed_when_they_come_from_them() {
    let mut line = Line::quiet();
    let mut buffer = [0; COMPOUND_BYTES_MAX];
    line.play(160 * 1_000);
    let mut reports = Vec::new();
    for _ in 0..3_000 {
        line.sent();
        if line.stream.report_due(line.now_us) {
            let slot =
                line.stream.report(line.now_us, line.now_us, false, &mut buffer).expect("a report");
            assert_eq!(slot.to, address("192.0.2.5:5001"));
            reports.push((line.now_us / 1_000, buffer[1]));
        }
    }
    assert!((8..=16).contains(&reports.len()), "{reports:?} in a minute");
    assert!(reports.windows(2).all(|pair| (2_500..=7_540).contains(&(pair[1].0 - pair[0].0))));
    assert_eq!(
        (reports[0].1, reports[reports.len() - 1].1),
        (200, 201),
        "SR while we speak, then RR"
    );

    // Their receiver report about us: SSRC 42, a quarter lost.
    let mut theirs = [0x81, 201, 0, 7, 0, 0, 0, 5, 0, 0, 0, 42, 64].to_vec();
    theirs.resize(32, 0);
    line.stream.control(&theirs, address(STRANGER), line.now_us);
    assert_eq!(line.stream.reports.remote_lost_256ths, None);
    line.stream.control(&theirs, address("192.0.2.5:5001"), line.now_us);
    assert_eq!(line.close().remote_lost_256ths, Some(64));
}

#[test]
fn reports_go_where_their_sdp_says_or_beside_where_their_audio_comes_from() {
    let report = |agreed: Agreed, from: Option<&str>| {
        let mut line = Line::quiet();
        line.stream.connect(agreed, 0);
        for _ in 0..20 {
            from.into_iter().for_each(|from| line.hear(from, 0, &[0; 160]));
        }
        let slot = line.stream.report(0, 0, true, &mut [0; COMPOUND_BYTES_MAX]);
        slot.map(|slot| slot.to.to_string())
    };
    let named = Agreed { rtcp: Some(address("192.0.2.8:7777")), ..agreed() };
    assert_eq!(report(agreed(), None).as_deref(), Some("192.0.2.5:5001"));
    assert_eq!(report(named.clone(), None).as_deref(), Some("192.0.2.8:7777"));
    assert_eq!(report(named, Some("203.0.113.9:6000")).as_deref(), Some("203.0.113.9:6001"));
    let held = Agreed { remote: address("0.0.0.0:5000"), send: false, ..agreed() };
    assert_eq!(report(held, None), None);
}

#[test]
fn no_datagram_makes_it_panic() {
    let mut line = Line::quiet();
    line.stream.answered(0);
    let audio = [&[0x80, 0, 0, 1, 0, 0, 0, 160, 0, 0, 0, 5][..], &[0x55; 160]].concat();
    let event = [&[0x80, 101, 0, 2, 0, 0, 1, 64, 0, 0, 0, 5][..], &[5, 0x8a, 3, 32]].concat();
    let report = [&[0x81, 200, 0, 12, 0, 0, 0, 5][..], &[7; 44]].concat();
    let mut seeded = Seeded(21);
    for packet in 0..100_000u32 {
        let mut bytes = seeded.mutated(&[&audio, &event, &report]);
        // Mostly in sequence, or nearly all would be doubles.
        if let Some(sequence) = bytes.get_mut(2..4).filter(|_| seeded.below(4) > 0) {
            sequence.copy_from_slice(&(packet as u16).to_be_bytes());
        }
        let from = address([THEM, STRANGER, "192.0.2.5:5001"][seeded.below(3)]);
        line.now_us += seeded.below(20_000) as u64;
        let heard = &mut line.heard;
        match seeded.below(3) {
            0 => line.stream.control(&bytes, from, line.now_us),
            1 => {
                line.stream.datagram(&bytes, from, line.now_us, &mut |what| heard.push(word(&what)))
            }
            _ => drop(line.sent()),
        }
        line.heard.truncate(8);
    }
    let report = line.close();
    assert!(report.received > 1_000 && report.discarded > 1_000, "{report:?}: one-sided");
}
