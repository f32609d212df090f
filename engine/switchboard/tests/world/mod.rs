//! A world of values around a switchboard: a log that is a list, a network that is asked.
#![allow(dead_code)] // each test file uses its part

use campaign::{Batch, BatchOptions, Item};
use media::port::{Codec, MediaHeard, MediaOrder};
use routing::{GatewayOptions, Routing};
use schemas::batch::ItemAdded;
use schemas::call::{CallEvent, Priority};
use schemas::commands::PlaceCall;
use schemas::sealed::StoredKey;
use schemas::{
    CallId, CalleeKey, CommandId, Event, Position, Pseudonyms, Recorded, Revision, Sealed,
    StreamId, Timestamp, Vault,
};
use sip::port::{LegId, Reason, Refusal, RefusalSource, RemoteDialog, SipHeard, SipOrder};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use store::{AppendError, Appended, Expected, Ownership};
use switchboard::{
    Answer, BatchIndex, Input, Now, Options, Output, PartitionNews, Switchboard, Ticket,
};

/// Seals by turning bits round: enough to see that nothing is stored as it was.
#[derive(Default)]
pub struct TestVault {
    known: Vec<CalleeKey>,
    new: Vec<StoredKey>,
}

impl Pseudonyms for TestVault {
    fn callee_key(&self, phone: &str) -> CalleeKey {
        let mut key = [0; 16];
        phone.bytes().enumerate().for_each(|(i, b)| key[i % 16] ^= b.rotate_left(i as u32));
        CalleeKey(key)
    }

    fn fingerprint(&self, content: &[u8]) -> [u8; 8] {
        let sum = content.iter().fold(7_u64, |sum, b| sum.wrapping_mul(31) ^ u64::from(*b));
        sum.to_le_bytes()
    }
}

impl Vault for TestVault {
    fn seal(&mut self, callee: CalleeKey, plain: &[u8]) -> Sealed {
        if !self.known.contains(&callee) {
            self.known.push(callee);
            let key = StoredKey { callee, generation: 0, nonce: [0; 12], wrapped: [0; 48] };
            self.new.push(key);
        }
        Sealed { generation: 0, nonce: [0; 12], body: plain.iter().map(|b| !b).collect() }
    }

    fn open(&self, _: CalleeKey, sealed: &Sealed) -> Option<Vec<u8>> {
        Some(sealed.body.iter().map(|b| !b).collect())
    }

    fn take_new_keys(&mut self) -> Vec<StoredKey> {
        std::mem::take(&mut self.new)
    }
}

/// What is in the log: every event of every call, in order.
#[derive(Clone, Default)]
pub struct TestLog {
    pub events: Vec<Recorded<CallEvent>>,
    revisions: BTreeMap<StreamId, Revision>,
    /// Who owns a partition, by its epoch; and whose each call is.
    pub owners: BTreeMap<u32, u64>,
    pub work: BTreeMap<StreamId, u32>,
}

impl TestLog {
    fn append_as(
        &mut self,
        append: &store::Append,
        owner: Option<Ownership>,
    ) -> Result<Appended, AppendError> {
        if let Some(owner) = owner {
            let epoch = self.owners.get(&owner.partition).copied().unwrap_or_default();
            if epoch > owner.epoch {
                return Err(AppendError::Fenced { epoch });
            }
            self.work.insert(append.stream, owner.partition);
        }
        self.append(append)
    }

    fn append(&mut self, append: &store::Append) -> Result<Appended, AppendError> {
        let current = self.revisions.get(&append.stream).copied();
        let fits = match append.expected {
            Expected::NoStream => current.is_none(),
            Expected::Exact(revision) => current == Some(revision),
            Expected::Exists => current.is_some(),
            Expected::Any => true,
        };
        if !fits {
            return Err(AppendError::Conflict { current });
        }
        let mut revision = current.map_or(0, |r| r.0 + 1);
        for new in &append.events {
            let Ok(Event::Call(event)) =
                Event::decode(new.encoded.kind, new.encoded.version, &new.encoded.body)
            else {
                panic!("only a call's events are appended");
            };
            self.events.push(Recorded {
                position: Position(self.events.len() as u64 + 1),
                stream: append.stream,
                revision: Revision(revision),
                at: new.at,
                event,
            });
            revision += 1;
        }
        let last = Revision(revision - 1);
        self.revisions.insert(append.stream, last);
        Ok(Appended { last, position: Position(self.events.len() as u64), already: false })
    }

    pub fn names_of(&self, call: CallId) -> Vec<&'static str> {
        let stream = StreamId::call(call);
        self.events.iter().filter(|e| e.stream == stream).map(|e| e.event.name()).collect()
    }

    pub fn count(&self, name: &str) -> usize {
        self.events.iter().filter(|e| e.event.name() == name).count()
    }
}

pub struct World {
    pub board: Switchboard<TestVault>,
    pub now: Now,
    pub log: TestLog,
    pub sip: Vec<SipOrder>,
    pub media: Vec<MediaOrder>,
    pub answers: Vec<(Ticket, Answer)>,
    /// Partitions that are to be taken over, and what was told of them.
    pub wanted: Vec<u32>,
    pub news: Vec<(u32, PartitionNews)>,
    pub stopped: Option<String>,
    pub ended: usize,
    /// While set, nothing becomes durable.
    pub disk_is_slow: bool,
    waiting_batch: Option<switchboard::AppendBatch>,
    pub items: Vec<Item>,
    tickets: u64,
}

pub const START: Timestamp = Timestamp(1_790_000_000_000);

pub fn options() -> Options {
    Options {
        shard: 0,
        sip_local: "127.0.0.1:5060".into(),
        sink: "127.0.0.1:9".parse().expect("an address"),
        codecs: vec![Codec::Pcma, Codec::Pcmu],
        calls_max: 1000,
        ring_timeout_ms: 30_000,
        max_talk_ms: 5_000,
        recordings: None,
        call: Arc::new(call::Options::default()),
    }
}

pub fn gateway(name: &str) -> GatewayOptions {
    GatewayOptions { name: name.into(), max_concurrent: 500, calls_per_second: None }
}

impl World {
    pub fn new(gateways: Vec<GatewayOptions>) -> Self {
        Self::on(options(), gateways, TestLog::default())
    }

    pub fn on(options: Options, gateways: Vec<GatewayOptions>, log: TestLog) -> Self {
        let routing = Routing::new(gateways);
        Self {
            board: Switchboard::new(options, routing, TestVault::default(), [7; 32]),
            now: Now { mono: Duration::from_secs(100), utc: START },
            log,
            sip: Vec::new(),
            media: Vec::new(),
            answers: Vec::new(),
            wanted: Vec::new(),
            news: Vec::new(),
            stopped: None,
            ended: 0,
            disk_is_slow: false,
            waiting_batch: None,
            items: Vec::new(),
            tickets: 0,
        }
    }

    /// One input, and all that follows from it at this moment.
    pub fn hear(&mut self, input: Input) {
        self.board.handle(input, self.now);
        self.settle();
    }

    pub fn settle(&mut self) {
        loop {
            self.board.advance(self.now);
            let mut moved = false;
            while let Some(output) = self.board.poll_output() {
                moved = true;
                self.act(output);
            }
            if !self.disk_is_slow {
                let batch = self.waiting_batch.take().or_else(|| self.board.take_batch());
                if let Some(batch) = batch {
                    moved = true;
                    let appends = batch.batch.appends.iter().zip(&batch.owners);
                    let results = appends.map(|(a, owner)| self.log.append_as(a, *owner)).collect();
                    self.board.handle(Input::Durable(batch.id, results), self.now);
                }
            } else if self.waiting_batch.is_none() {
                self.waiting_batch = self.board.take_batch();
            }
            if !moved {
                return;
            }
        }
    }

    fn act(&mut self, output: Output) {
        match output {
            Output::Sip(order) => self.sip.push(order),
            Output::Media(order) => {
                let heard = match &order {
                    MediaOrder::Open { stream, .. } => {
                        let local = "127.0.0.1:4000".parse().expect("an address");
                        Some(MediaHeard::Opened { stream: *stream, local })
                    }
                    MediaOrder::Close { stream } => {
                        let report = Box::default();
                        Some(MediaHeard::Closed { stream: *stream, report })
                    }
                    _ => None,
                };
                self.media.push(order);
                if let Some(heard) = heard {
                    self.board.handle(Input::Media(heard), self.now);
                }
            }
            Output::ReadItems { batch, from, limit, .. } => {
                let next = Revision(from.0 + limit);
                let stretch = self.items.iter().filter(|i| (from..next).contains(&i.revision));
                let stretch = stretch.cloned().collect();
                self.board.handle(Input::ItemsRead(batch, stretch, next), self.now);
            }
            Output::ReadFirst(call) => {
                let stream = StreamId::call(call);
                let fingerprint = self.log.events.iter().find(|e| e.stream == stream).map(|e| {
                    let CallEvent::CallRequested(asked) = &e.event else { panic!() };
                    asked.fingerprint
                });
                self.board.handle(Input::FirstRead(call, fingerprint), self.now);
            }
            Output::TakeOver(partition) => self.wanted.push(partition),
            Output::Partition(partition, news) => self.news.push((partition, news)),
            Output::Answer(ticket, answer) => self.answers.push((ticket, answer)),
            Output::Ended(..) => self.ended += 1,
            Output::Stop(why) => self.stopped = Some(why),
        }
    }

    pub fn pass(&mut self, span: Duration) {
        self.now = Now { mono: self.now.mono + span, utc: self.now.utc.after(span) };
        self.settle();
    }

    /// Lets time pass to each thing that is due within the span.
    pub fn live(&mut self, span: Duration) {
        let end = self.now.mono + span;
        loop {
            let next = self.board.next_timeout(self.now).filter(|at| *at < end);
            let Some(next) = next else { break };
            self.pass(next.saturating_sub(self.now.mono).max(Duration::from_micros(100)));
        }
        self.pass(end.saturating_sub(self.now.mono));
    }

    pub fn place(&mut self, command: PlaceCall) -> CallId {
        self.tickets += 1;
        let id = CallId::of_command(&command.command_id);
        self.hear(Input::Place(Ticket(self.tickets), Box::new(command)));
        id
    }

    pub fn run_batch(&mut self, options: BatchOptions, count: u32) {
        self.begin_batch(options, count);
        self.settle();
    }

    /// The batch is there, and nothing of it has had its turn.
    pub fn begin_batch(&mut self, options: BatchOptions, count: u32) {
        self.items = (1..=count).map(item).collect();
        let batch = Batch::new(options, count + 1, BTreeSet::new());
        self.board.handle(Input::RunBatch(Box::new(batch), [9; 16]), self.now);
    }

    /// The INVITEs that were sent.
    pub fn dials(&self) -> Vec<&sip::port::Dial> {
        self.sip
            .iter()
            .filter_map(|order| match order {
                SipOrder::Dial(dial) => Some(&**dial),
                _ => None,
            })
            .collect()
    }

    pub fn last_leg(&self) -> LegId {
        self.dials().last().expect("an INVITE was sent").leg
    }

    pub fn rings(&mut self, leg: LegId) {
        self.hear(Input::Sip(SipHeard::Progress { leg, status: 180, sdp: None }));
    }

    pub fn answers_with(&mut self, leg: LegId, sdp: &str) {
        let dialog = RemoteDialog {
            remote_tag: "r".into(),
            target: "sip:callee@127.0.0.1:5070".into(),
            route: vec![],
            cseq: 1,
        };
        let sdp = Some(sdp.as_bytes().to_vec());
        self.hear(Input::Sip(SipHeard::Answered { leg, status: 200, sdp, dialog }));
    }

    pub fn answers(&mut self, leg: LegId) {
        self.answers_with(leg, SDP);
    }

    pub fn refuses(&mut self, leg: LegId, source: RefusalSource) {
        let refusal = Refusal {
            source,
            phrase: "No".into(),
            reason: Reason::default(),
            reason_raw: None,
            retry_after: None,
            contacts: vec![],
        };
        self.hear(Input::Sip(SipHeard::Refused { leg, refusal: Box::new(refusal) }));
    }

    pub fn batch(&self) -> BatchIndex {
        BatchIndex(0)
    }
}

pub const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 5000 RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n";

fn item(n: u32) -> Item {
    let phone = format!("+1555000{n:04}");
    let mut vault = TestVault::default();
    let callee = vault.callee_key(&phone);
    let phone = vault.seal(callee, phone.as_bytes());
    Item { revision: Revision(n), added: ItemAdded { line: n, callee, phone, variables: None } }
}

pub fn command(id: &str, phone: &str) -> PlaceCall {
    PlaceCall {
        command_id: CommandId::new(id).expect("a plain id"),
        phone: phone.into(),
        caller_id: None,
        gateway: None,
        campaign: None,
        script: None,
        prompt: None,
        record: false,
        ring_timeout_ms: None,
        max_talk_ms: None,
        max_attempts: None,
        redial_after_ms: None,
        priority: Priority::Bulk,
        not_before: None,
        deadline: None,
        variables: BTreeMap::new(),
    }
}

pub fn batch_options() -> BatchOptions {
    BatchOptions {
        name: "list".into(),
        run: 1,
        per_second: None,
        concurrency: 100,
        caller_id: None,
        prompt: None,
        record: false,
        ring_timeout_ms: 30_000,
        max_talk_ms: 5_000,
        max_attempts: 1,
        redial_after_ms: None,
    }
}
