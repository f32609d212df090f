use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::*;
use crate::clip::Clip;
use crate::dtmf::Listener;
use crate::port::{Agreed, Codec, Report};
use crate::rtp::packet::{HEADER_BYTES, Header, Packet};
use crate::stream::Idle;

/// How long a test waits for a thing before it fails.
const PATIENCE: Duration = Duration::from_secs(20);

const ONE: StreamId = StreamId(1);

/// A pump, and what it heard.
struct Bench {
    pump: Pump,
    heard: Receiver<MediaHeard>,
}

impl Bench {
    fn new() -> Self {
        Self::with(PumpOptions {
            stream: StreamOptions { idle: Idle::Nothing, ..StreamOptions::default() },
            ..PumpOptions::default()
        })
    }

    fn with(options: PumpOptions) -> Self {
        let prompts = Prompts::new();
        prompts.insert("tone", &tone(700.0, 1_000));
        prompts.insert("long", &Clip::of(vec![0; 12_000]));
        prompts.insert("short", &Clip::of((0..1_000).map(|sample| sample * 30).collect()));
        let (tell, heard) = channel();
        let pump = Pump::start(options, prompts, move |what| {
            // A test that has seen enough hangs up first.
            let _ = tell.send(what);
        });
        Self { pump: pump.expect("threads"), heard }
    }

    fn open(&self, stream: StreamId, record: Option<PathBuf>) -> SocketAddr {
        match self.pump.open(stream, record) {
            MediaHeard::Opened { local, .. } => local,
            other => panic!("{other:?}"),
        }
    }

    fn connect(&self, stream: StreamId, remote: SocketAddr) {
        self.pump.order(MediaOrder::Connect { stream, agreed: agreed(remote) });
        self.pump.order(MediaOrder::Answered { stream });
    }

    fn play(&self, stream: StreamId, prompt: &str) {
        self.pump.order(MediaOrder::Play { stream, prompt: prompt.to_owned() });
    }

    fn next(&self) -> MediaHeard {
        self.heard.recv_timeout(PATIENCE).expect("something is heard")
    }

    fn close(&self, stream: StreamId) -> Report {
        self.pump.order(MediaOrder::Close { stream });
        loop {
            if let MediaHeard::Closed { stream: closed, report } = self.next() {
                assert_eq!(closed, stream);
                return *report;
            }
        }
    }
}

/// A peer of plain sockets.
struct Peer {
    rtp: UdpSocket,
    sequence: u16,
}

impl Peer {
    fn new() -> Self {
        let rtp = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        rtp.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Self { rtp, sequence: 65_530 }
    }

    fn local(&self) -> SocketAddr {
        self.rtp.local_addr().expect("it is bound")
    }

    fn packet(&self) -> (Header, Vec<u8>) {
        let mut buffer = [0; 2_048];
        let bytes = self.rtp.recv(&mut buffer).expect("a packet comes");
        let packet = Packet::read(&buffer[..bytes]).expect("RTP");
        (packet.header, packet.payload.to_vec())
    }

    fn send(&mut self, to: SocketAddr, payload_type: u8, timestamp: u32, payload: &[u8]) {
        let mut head = [0; HEADER_BYTES];
        Header { marker: false, payload_type, sequence: self.sequence, timestamp, ssrc: 5 }
            .write(&mut head);
        self.sequence = self.sequence.wrapping_add(1);
        self.rtp.send_to(&[&head, payload].concat(), to).expect("sent");
    }
}

fn agreed(remote: SocketAddr) -> Agreed {
    Agreed {
        remote,
        rtcp: None,
        codec: Codec::Pcma,
        events: Some(101),
        ptime_ms: 20,
        send: true,
        receive: true,
    }
}

fn tone(hz: f64, ms: u32) -> Clip {
    let sample = |at: u32| (f64::from(at) * hz / 8_000.0 * std::f64::consts::TAU).sin() * 10_000.0;
    Clip::of((0..ms * 8).map(|at| sample(at) as i16).collect())
}

#[test]
fn a_prompt_arrives_byte_by_byte_and_its_end_is_told() {
    let (bench, peer) = (Bench::new(), Peer::new());
    let local = bench.open(ONE, None);
    assert_eq!(local.port() % 2, 0);
    bench.connect(ONE, peer.local());
    bench.play(ONE, "short");
    let packets: Vec<_> = (0..7).map(|_| peer.packet()).collect();
    let heard: Vec<u8> = packets.iter().flat_map(|(_, payload)| payload.clone()).collect();
    let spoken: Vec<u8> = (0..1_000).map(|sample| Codec::Pcma.encode(sample * 30)).collect();
    assert_eq!(heard[..1_000], spoken);
    assert_eq!(heard[1_000..], [0xd5; 120]);
    let steps = packets.windows(2).map(|pair| {
        let (before, after) = (pair[0].0, pair[1].0);
        let samples = after.timestamp.wrapping_sub(before.timestamp);
        (
            after.sequence.wrapping_sub(before.sequence),
            samples % 160,
            after.marker && samples == 160,
        )
    });
    // A machine that stood still stretches the gaps, never the audio.
    assert!(steps.into_iter().all(|step| step == (1, 0, false)));
    assert_eq!(bench.next(), MediaHeard::PromptFinished { stream: ONE, ms: 125 });
    let report = bench.close(ONE);
    assert_eq!((report.sent, report.received, report.codec), (7, 0, Some(Codec::Pcma)));
}

#[test]
fn digits_go_both_ways() {
    let (bench, mut peer) = (Bench::new(), Peer::new());
    let local = bench.open(ONE, None);
    bench.connect(ONE, peer.local());
    bench.pump.order(MediaOrder::SendDigits { stream: ONE, digits: "4*".to_owned() });
    let (mut listener, mut pressed) = (Listener::default(), Vec::new());
    while pressed.len() < 2 {
        let (header, payload) = peer.packet();
        assert_eq!(header.payload_type, 101);
        listener.hear(header.timestamp, &payload, 0, |key| pressed.push((key.digit, key.ms)));
    }
    assert_eq!(pressed, [('4', 100), ('*', 100)]);
    peer.send(local, 101, 0, &[7, 0x80, 3, 32]);
    peer.send(local, 101, 0, &[7, 0x80, 3, 32]);
    assert_eq!(bench.next(), MediaHeard::Digit { stream: ONE, digit: '7', ms: 100 });
    assert_eq!(bench.close(ONE).received, 2);
}

#[test]
fn a_digit_pressed_just_before_the_close_is_told() {
    let (bench, mut peer) = (Bench::new(), Peer::new());
    let local = bench.open(ONE, None);
    bench.connect(ONE, peer.local());
    bench.play(ONE, "short");
    peer.packet();
    peer.send(local, 101, 0, &[9, 0x80, 3, 32]);
    bench.pump.order(MediaOrder::Close { stream: ONE });
    assert_eq!(bench.next(), MediaHeard::Digit { stream: ONE, digit: '9', ms: 100 });
    assert!(matches!(bench.next(), MediaHeard::Closed { .. }));
}

#[test]
fn intervals_of_another_length_are_kept() {
    for ptime_ms in [10, 30, 60] {
        let (bench, peer) = (Bench::new(), Peer::new());
        bench.open(ONE, None);
        let agreed = Agreed { ptime_ms, ..agreed(peer.local()) };
        bench.pump.order(MediaOrder::Connect { stream: ONE, agreed });
        bench.play(ONE, "short");
        for _ in 0..2 {
            assert_eq!(peer.packet().1.len(), usize::from(ptime_ms) * 8);
        }
        bench.close(ONE);
    }
}

#[test]
fn what_cannot_be_opened_says_why_and_the_rest_goes_on() {
    let bench = Bench::with(PumpOptions { streams_max: 2, ..PumpOptions::default() });
    let why = |heard: MediaHeard| match heard {
        MediaHeard::OpenFailed { why, .. } => why,
        other => panic!("{other:?}"),
    };
    bench.open(ONE, None);
    assert_eq!(why(bench.pump.open(ONE, None)), "stream 1 is open already");
    let nowhere = Some(PathBuf::from("/nowhere/call.wav"));
    let fault = why(bench.pump.open(StreamId(2), nowhere));
    assert!(fault.starts_with("the recording /nowhere/call.wav.part cannot be created"), "{fault}");
    bench.pump.order(MediaOrder::Open { stream: StreamId(2), record: None });
    assert!(matches!(bench.next(), MediaHeard::Opened { stream: StreamId(2), .. }));
    assert_eq!(why(bench.pump.open(StreamId(3), None)), "2 streams are open, and no more may be");
    bench.close(StreamId(2));
    bench.open(StreamId(3), None);
}

#[test]
fn closing_is_told_once_and_orders_for_the_closed_are_passed_over() {
    let bench = Bench::new();
    let peer = Peer::new();
    for round in 0..3 {
        bench.open(ONE, None);
        bench.play(ONE, "no such prompt");
        let failed = "there is no prompt \"no such prompt\"".to_owned();
        assert_eq!(bench.next(), MediaHeard::Failed { stream: ONE, why: failed }, "round {round}");
        bench.close(ONE);
        bench.pump.order(MediaOrder::Close { stream: ONE });
        bench.connect(ONE, peer.local());
        bench.play(ONE, "short");
        bench.play(ONE, "no such prompt");
    }
    bench.open(ONE, None);
    drop(bench.pump);
    let last: Vec<_> = bench.heard.iter().collect();
    assert!(matches!(last[..], [MediaHeard::Closed { stream: ONE, .. }]), "{last:?}");
}

#[test]
fn audio_that_cannot_be_sent_is_told_once() {
    let bench = Bench::new();
    bench.open(ONE, None);
    // Without asking for it nobody may broadcast.
    bench.connect(ONE, SocketAddr::from(([255, 255, 255, 255], 9)));
    bench.play(ONE, "long");
    let failed = bench.next();
    let why = "audio cannot be sent: ";
    assert!(
        matches!(&failed, MediaHeard::Failed { why: told, .. } if told.starts_with(why)),
        "{failed:?}"
    );
    let last = bench.next();
    assert!(
        matches!(last, MediaHeard::PromptFinished { .. }),
        "the call decides what follows: {last:?}"
    );
    assert_eq!(bench.close(ONE).received, 0);
}

#[test]
fn an_address_of_the_other_ip_version_is_told_at_once() {
    let bench = Bench::new();
    bench.open(ONE, None);
    bench.connect(ONE, SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 9)));
    let why = "their address is IPv6 and ours IPv4: audio cannot be sent".to_owned();
    assert_eq!(bench.next(), MediaHeard::Failed { stream: ONE, why });
    let peer = Peer::new();
    bench.connect(ONE, peer.local());
    bench.play(ONE, "short");
    peer.packet();
}

/// What `sox` says about a channel of a file: its loudest sample and its rough frequency.
fn sox(path: &std::path::Path, channel: &str, trim: &[&str]) -> (f64, f64) {
    let output = Command::new("sox")
        .arg(path)
        .args(["-n", "remix", channel])
        .args(trim)
        .arg("stat")
        .output()
        .expect("this test needs sox: apt-get install sox");
    let text = String::from_utf8_lossy(&output.stderr);
    let value = |name: &str| {
        let line =
            text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{text}"));
        line.rsplit(' ')
            .next()
            .and_then(|value| value.parse().ok())
            .unwrap_or_else(|| panic!("{line}"))
    };
    (value("Maximum amplitude"), value("Rough   frequency"))
}

#[test]
fn two_pumps_hear_each_other_as_sox_confirms() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("call.wav");
    let (ours, theirs) = (Bench::new(), Bench::new());
    theirs.pump.order(MediaOrder::Play { stream: ONE, prompt: "tone".to_owned() });
    let (here, there) = (ours.open(ONE, Some(path.clone())), theirs.open(ONE, None));
    ours.connect(ONE, there);
    theirs.connect(ONE, here);
    theirs.play(ONE, "tone");
    assert_eq!(theirs.next(), MediaHeard::PromptFinished { stream: ONE, ms: 1_000 });
    ours.play(ONE, "short");
    assert_eq!(ours.next(), MediaHeard::PromptFinished { stream: ONE, ms: 125 });
    assert_eq!(theirs.close(ONE).sent, 50);
    let report = ours.close(ONE);
    // On a machine that stands still for 60 ms some are late for the recording; none is lost.
    assert_eq!((report.received + report.discarded, report.lost), (50, 0));
    assert!(report.first_audio_ms.is_some());
    let recorded = report.recording.expect("a recording");
    assert_eq!((&recorded.path, &recorded.fault), (&path, &None));
    assert!(recorded.ms >= 1_125, "{} ms", recorded.ms);
    let (loudest, hz) = sox(&path, "2", &["silence", "1", "0.001", "1%", "trim", "0", "0.9"]);
    assert!(
        (0.29..0.32).contains(&loudest) && (690.0..=710.0).contains(&hz),
        "{loudest} at {hz} Hz"
    );
    let (loudest, _) = sox(&path, "1", &[]);
    assert!(loudest > 0.9, "what we said is in the left channel: {loudest}");
}

#[test]
fn a_stranger_never_reaches_the_recording() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("call.wav");
    let (bench, mut peer, mut stranger) = (Bench::new(), Peer::new(), Peer::new());
    let local = bench.open(ONE, Some(path.clone()));
    bench.connect(ONE, peer.local());
    bench.play(ONE, "short");
    // The first packet of ours says that the connection stands.
    peer.packet();
    let quiet = [Codec::Pcma.encode(1_000); 160];
    let loud = [Codec::Pcma.encode(30_000); 160];
    for packet in 0..20u32 {
        peer.send(local, 8, packet * 160, &quiet);
        stranger.send(local, 8, packet * 160, &loud);
        stranger.send(local, 101, packet * 160, &[3, 0x80, 3, 32]);
        // In step with the pump, or the ring would take a burst for a jump.
        if packet < 6 {
            peer.packet();
        }
    }
    assert_eq!(bench.next(), MediaHeard::PromptFinished { stream: ONE, ms: 125 });
    let report = bench.close(ONE);
    assert!(report.received > 0 && report.discarded >= 12, "{report:?}");
    let (loudest, _) = sox(&path, "2", &[]);
    assert!(loudest < 0.04, "the stranger is heard: {loudest}");
    assert!(loudest > 0.02, "the peer is not heard: {loudest}");
}

#[test]
fn the_address_told_is_the_one_that_others_reach() {
    let ports = PortOptions { advertised: Some([192, 0, 2, 7].into()), ..PortOptions::default() };
    let bench = Bench::with(PumpOptions { ports, ..PumpOptions::default() });
    let local = bench.open(ONE, None);
    let (peer, sends) = (Peer::new(), Peer::new());
    bench.connect(ONE, peer.local());
    bench.play(ONE, "short");
    peer.packet();
    // It listens at its own address, under the port that was told.
    sends.rtp.send_to(b"noise", ("127.0.0.1", local.port())).expect("sent");
    peer.packet();
    peer.packet();
    assert_eq!((local.ip(), bench.close(ONE).discarded), ([192, 0, 2, 7].into(), 1));
}
