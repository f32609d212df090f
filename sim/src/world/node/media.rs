//! The media plane as values: what the pump would say of each stream, without a packet. A prompt
//! takes as long as its name says; what a callee sends is known from its carrier's orders.

use crate::callee::Sound;
use crate::exchange::RtpOrder;
use crate::seed::Dice;
use crate::world::faults::{Injected, Injury};
use crate::world::plan::MediaPlan;
use hashbrown::HashMap;
use media::port::{Codec, MediaHeard, MediaOrder, Report, StreamId};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// What the pump's thread needs to close a stream.
const CLOSING: Duration = Duration::from_millis(20);
/// Milliseconds of a packet.
const PACKET_MS: u128 = 20;

type FixedMap<K, V> = HashMap<K, V, foldhash::fast::FixedState>;

/// The streams of a node.
pub struct Media {
    plan: MediaPlan,
    dice: Dice,
    streams: FixedMap<StreamId, Stream>,
    /// Whose audio goes to an address of ours.
    by_local: FixedMap<SocketAddr, StreamId>,
    /// By a carrier's RTP address: where it sends to.
    aims: FixedMap<SocketAddr, SocketAddr>,
    due: BTreeSet<(Duration, StreamId)>,
    ports: u32,
    /// The last number of its node's address.
    host: u8,
    /// How many streams were opened.
    pub opened: u64,
}

struct Stream {
    local: SocketAddr,
    answered: Option<Duration>,
    codec: Option<Codec>,
    /// What is left of the prompt, and since when it plays; `None` while it waits.
    prompt: Option<(Duration, Option<Duration>)>,
    prompt_ms: u32,
    paused: bool,
    held: bool,
    /// Since when they send, when they do.
    sends_since: Option<Duration>,
    sent_ms: u128,
    closing: bool,
    next: Option<Duration>,
    /// It breaks at this moment.
    breaks: Option<Duration>,
}

impl Media {
    /// No streams yet.
    pub fn new(plan: MediaPlan, node: SocketAddr, dice: Dice) -> Self {
        Self {
            plan,
            dice,
            streams: FixedMap::default(),
            by_local: FixedMap::default(),
            aims: FixedMap::default(),
            due: BTreeSet::new(),
            ports: 0,
            host: if let IpAddr::V4(ip) = node.ip() { ip.octets()[3] } else { 1 },
            opened: 0,
        }
    }

    /// How many streams are open.
    pub fn open(&self) -> usize {
        self.streams.len()
    }

    /// When to call [`Media::wake`] next.
    pub fn due(&self) -> Option<Duration> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Does what is ordered, and says what can be said at once.
    pub fn order(
        &mut self,
        order: MediaOrder,
        now: Duration,
        injected: &mut Injected,
    ) -> Option<MediaHeard> {
        let (stream, act): (StreamId, fn(&mut Stream, Duration)) = match order {
            MediaOrder::Open { stream, .. } => {
                return Some(self.open_stream(stream, now, injected));
            }
            MediaOrder::Connect { stream, agreed } => {
                if let Some(known) = self.streams.get_mut(&stream) {
                    known.codec = Some(agreed.codec);
                    known.held = !agreed.send;
                }
                (stream, |_, _| ())
            }
            MediaOrder::Answered { stream } => (stream, |known, now| known.answered = Some(now)),
            MediaOrder::Play { stream, prompt } => {
                let ms = prompt.parse().unwrap_or(0);
                if let Some(known) = self.streams.get_mut(&stream) {
                    known.prompt = Some((Duration::from_millis(u64::from(ms)), None));
                    known.prompt_ms = ms;
                }
                (stream, |_, _| ())
            }
            MediaOrder::StopPlaying { stream } => (stream, |known, _| known.prompt = None),
            MediaOrder::Pause { stream, paused } => {
                if let Some(known) = self.streams.get_mut(&stream) {
                    known.paused = paused;
                }
                (stream, |_, _| ())
            }
            MediaOrder::SendDigits { stream, .. } => (stream, |_, _| ()),
            MediaOrder::Close { stream } => (stream, |known, now| {
                known.closing = true;
                known.next = Some(now + CLOSING);
            }),
        };
        self.with(stream, now, act);
        None
    }

    fn open_stream(
        &mut self,
        stream: StreamId,
        now: Duration,
        injected: &mut Injected,
    ) -> MediaHeard {
        if self.dice.happens(self.plan.no_port) {
            injected.count(Injury::NoPort);
            return MediaHeard::OpenFailed { stream, why: "no port is left".into() };
        }
        // Two ports each, and 30,000 addresses before one comes again.
        self.ports = (self.ports + 1) % 30_000;
        let local = SocketAddr::new(
            IpAddr::V4(Ipv4Addr::new(10, 0, self.host, (self.ports >> 13) as u8)),
            16_384 + 2 * (self.ports & 0x1fff) as u16,
        );
        let breaks = self.dice.happens(self.plan.fails).then(|| {
            let ms = self.dice.below(8_000);
            now + Duration::from_millis(ms)
        });
        self.opened += 1;
        self.by_local.insert(local, stream);
        self.streams.insert(
            stream,
            Stream {
                local,
                answered: None,
                codec: None,
                prompt: None,
                prompt_ms: 0,
                paused: false,
                held: false,
                sends_since: None,
                sent_ms: 0,
                closing: false,
                next: None,
                breaks,
            },
        );
        self.with(stream, now, |_, _| ());
        MediaHeard::Opened { stream, local }
    }

    /// Lets something happen to a stream, then looks when it is due.
    fn with(&mut self, id: StreamId, now: Duration, act: impl FnOnce(&mut Stream, Duration)) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let before = stream.due();
        act(stream, now);
        stream.run_prompt(now);
        let after = stream.due();
        if before != after {
            before.map(|at| self.due.remove(&(at, id)));
            after.map(|at| self.due.insert((at, id)));
        } else {
            after.map(|at| self.due.insert((at, id)));
        }
    }

    /// Says what came due by now, one thing at a time.
    pub fn wake(&mut self, now: Duration, injected: &mut Injected) -> Option<MediaHeard> {
        loop {
            let (_, id) = *self.due.first().filter(|(at, _)| *at <= now)?;
            self.due.pop_first();
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            if stream.breaks.take_if(|at| *at <= now).is_some() && !stream.closing {
                injected.count(Injury::MediaFailed);
                self.with(id, now, |_, _| ());
                return Some(MediaHeard::Failed { stream: id, why: "nothing can be sent".into() });
            }
            if stream.closing {
                return match self.close(id, now, injected) {
                    Some(heard) => Some(heard),
                    None => continue,
                };
            }
            let ms = stream.prompt_ms;
            stream.prompt = None;
            self.with(id, now, |_, _| ());
            return Some(MediaHeard::PromptFinished { stream: id, ms });
        }
    }

    fn close(
        &mut self,
        id: StreamId,
        now: Duration,
        injected: &mut Injected,
    ) -> Option<MediaHeard> {
        let stream = self.streams.remove(&id)?;
        self.by_local.remove(&stream.local);
        if self.dice.happens(self.plan.report_lost) {
            injected.count(Injury::ReportLost);
            return None;
        }
        let since =
            |from: Option<Duration>| from.map_or(0, |at| now.saturating_sub(at).as_millis());
        let report = Report {
            codec: stream.codec,
            sent: (since(stream.answered) / PACKET_MS) as u32,
            received: ((stream.sent_ms + since(stream.sends_since)) / PACKET_MS) as u32,
            first_audio_ms: stream.sends_since.map(|_| 20),
            ..Report::default()
        };
        Some(MediaHeard::Closed { stream: id, report: Box::new(report) })
    }

    /// A carrier was told what to do with the RTP of a call. Gives back the digits that it presses
    /// on a stream of ours.
    pub fn carrier(&mut self, order: &RtpOrder, now: Duration) -> Option<(StreamId, [u8; 2])> {
        match order {
            RtpOrder::Open { local, audio, .. } | RtpOrder::Aim { local, audio } => {
                self.aims.insert(*local, audio.remote);
                if audio.send {
                    self.sounds(*local, true, now);
                }
            }
            RtpOrder::Play { local, sound } => {
                let is_heard = !matches!(sound, Sound::Nothing | Sound::Garbage);
                self.sounds(*local, is_heard, now);
            }
            RtpOrder::Press { local, digits } => {
                let stream = *self.by_local.get(self.aims.get(local)?)?;
                return Some((stream, *digits));
            }
            RtpOrder::Close { local } => {
                self.sounds(*local, false, now);
                self.aims.remove(local);
            }
        }
        None
    }

    fn sounds(&mut self, carriers: SocketAddr, is_heard: bool, now: Duration) {
        let stream = self.aims.get(&carriers).and_then(|ours| self.by_local.get(ours));
        let Some(stream) = stream.and_then(|id| self.streams.get_mut(id)) else { return };
        match (is_heard, stream.sends_since) {
            (true, None) => stream.sends_since = Some(now),
            (false, Some(since)) => {
                stream.sent_ms += now.saturating_sub(since).as_millis();
                stream.sends_since = None;
            }
            _ => {}
        }
    }
}

impl Stream {
    fn due(&self) -> Option<Duration> {
        let prompt = self.prompt.and_then(|(left, since)| Some(since? + left));
        self.next.into_iter().chain(prompt).chain(self.breaks).min()
    }

    /// Lets the prompt play, or wait.
    fn run_prompt(&mut self, now: Duration) {
        let may_play = !self.paused && !self.held && !self.closing && self.codec.is_some();
        if let Some((left, since)) = &mut self.prompt {
            match (may_play, *since) {
                (true, None) => *since = Some(now),
                (false, Some(from)) => {
                    *left = left.saturating_sub(now.saturating_sub(from));
                    *since = None;
                }
                _ => {}
            }
        }
    }
}
