//! A node from its disk to its first turn, as `node::engine` opens one.

use super::{Media, Node, Own, decoded};
use crate::seed::Dice;
use crate::world::clock::{NodeClock, WallClock};
use crate::world::fact::Gone;
use crate::world::machine::{Machine, SyncTime};
use crate::world::plan::Plan;
use campaign::{Batch, BatchOptions};
use media::port::Codec;
use routing::{GatewayOptions, Routing};
use schemas::batch::{BatchEvent, BatchLoaded, BatchOpened, ItemAdded};
use schemas::{Position, Pseudonyms, Recorded, Revision, StreamId, Timestamp, Vault};
use sip::UserAgent;
use sip::port::{Credentials, GatewayConfig, Transport};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use store::keys::{CalleeSecret, KeyFile, Keyring, MasterKey, NodeVault};
use store::writer::KeySink;
use store::{Append, Expected, Log, NewEvent, Reader, StoreId};
use switchboard::{Input, Options, Switchboard};

/// Where the node's SIP listens.
pub const NODE: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)), 5060);
/// The port where calls without audio let it go.
const SINK: u16 = 9;
/// So many items become durable together.
const ITEMS_PER_APPEND: usize = 1000;
/// So many events are read at a time when the calls are rebuilt.
const REPLAY_STRETCH: usize = 4096;
/// The list's name.
const LIST: &str = "list";

/// Where a carrier's SIP listens.
pub fn carrier(place: usize) -> SocketAddr {
    let last = u8::try_from(place + 1).unwrap_or(u8::MAX);
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 2, last)), 5060)
}

/// The disks of a node: what it keeps between two of its lives.
#[derive(Clone)]
pub struct Disks<F> {
    /// Of its log.
    pub log: F,
    /// Of its keys; they follow from the seed when absent.
    pub keys: Option<F>,
}

/// What a process begins with.
pub struct Birth<'a, F> {
    /// The world's plan.
    pub plan: &'a Plan,
    /// What is on the disks.
    pub disks: &'a Disks<F>,
    /// Which process it is, from 1.
    pub life: u32,
    /// The moment.
    pub at: Duration,
    /// The clock on its wall.
    pub wall: WallClock,
}

/// Where a node sits among others, and what it begins with.
pub struct Seat<'a> {
    /// The world's plan.
    pub plan: &'a Plan,
    /// Which of the nodes, from 0.
    pub place: u8,
    /// Which process it is, from 1.
    pub life: u32,
    /// The moment.
    pub at: Duration,
}

impl Seat<'_> {
    /// Where its SIP listens.
    pub fn address(&self) -> SocketAddr {
        let last = self.place + 1;
        SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, last)), NODE.port())
    }
}

impl<S: super::Storage> Node<S> {
    /// Starts a node on a log that it shares: it has no calls until it is given partitions.
    pub fn join(seat: &Seat<'_>, storage: S) -> Self {
        let Seat { plan, place, life, at } = *seat;
        let process = u64::from(life) ^ u64::from(place).rotate_left(20);
        let mut dice = Dice::new(plan.seed ^ process.rotate_left(40));
        let secret = CalleeSecret::new(b"the world's callee secret, the same for all");
        let vault = NodeVault { keyring: Keyring::from_seed(plan.seed, process), secret };
        let board = switchboard(plan, seat.address(), vault, bytes(&mut dice));
        Self::new(plan, seat.address(), at, WallClock::default(), board, storage, dice)
    }

    fn new(
        plan: &Plan,
        address: SocketAddr,
        at: Duration,
        wall: WallClock,
        board: Switchboard<NodeVault>,
        storage: S,
        mut dice: Dice,
    ) -> Self {
        Self {
            clock: NodeClock::start(at, wall),
            agent: user_agent(plan, address, bytes(&mut dice)),
            board,
            media: Media::new(plan.media, address, Dice::new(dice.roll())),
            storage,
            writing: None,
            committed: Duration::ZERO,
            sync: SyncTime { from_us: plan.node.sync_us.0, to_us: plan.node.sync_us.1 },
            slow_until: Duration::ZERO,
            dice,
            tickets: BTreeMap::new(),
            given: 0,
            taking: VecDeque::new(),
            asked: true,
            stopping: false,
        }
    }
}

impl<F: Machine> Node<Own<F>> {
    /// Opens the disks, rebuilds the calls, and starts. Also how many calls were left open.
    ///
    /// # Errors
    /// The disk says no, or what was durable does not read back.
    pub fn start(birth: &Birth<'_, F>) -> Result<(Self, usize), Gone> {
        let Birth { plan, disks, life, at, wall } = *birth;
        let broken = |error: store::StoreError| Gone::Broken(error.in_full());
        let mut dice = Dice::new(plan.seed ^ u64::from(life).rotate_left(40));
        let secret = CalleeSecret::new(b"the world's callee secret, the same for all");
        let (keyring, mut keys) = match &disks.keys {
            None => (Keyring::from_seed(plan.seed, u64::from(life)), None),
            Some(files) => {
                let master = MasterKey::new([7; 32]);
                let opened = KeyFile::open(files.clone(), master, bytes(&mut dice));
                let (keyring, file, _) = opened.map_err(broken)?;
                (keyring, Some(file))
            }
        };
        let mut vault = NodeVault { keyring, secret };
        let options = store::Options {
            segment_bytes: plan.node.segment_bytes,
            ..store::Options::new(StoreId(*b"the world's log."))
        };
        let (mut log, _) = Log::open(disks.log.clone(), options).map_err(broken)?;
        let clock = NodeClock::start(at, wall);
        let now = clock.now(at);
        let list = plan.list.as_ref().map(|_| {
            let keys = keys.as_mut().map(|keys| keys as &mut dyn KeySink);
            load_list(plan, &mut log, keys, &mut vault, now.utc)
        });
        let list = list.transpose().map_err(broken)?;
        let reader = log.reader();
        let mut board = switchboard(plan, NODE, vault, bytes(&mut dice));
        replay(&reader, &mut board).map_err(broken)?;
        if let Some(batch) = list {
            let stream = StreamId::batch(LIST, 1).id;
            board.handle(Input::RunBatch(Box::new(batch), stream), now);
        }
        let unfinished = board.start(now);
        let storage = Own::new(log, reader, keys);
        let node = Self::new(plan, NODE, at, wall, board, storage, dice);
        Ok((node, unfinished))
    }
}

fn bytes(dice: &mut Dice) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.chunks_mut(8).for_each(|chunk| chunk.copy_from_slice(&dice.roll().to_le_bytes()));
    bytes
}

fn switchboard(
    plan: &Plan,
    address: SocketAddr,
    vault: NodeVault,
    seed: [u8; 32],
) -> Switchboard<NodeVault> {
    let options = Options {
        shard: 0,
        sip_local: address.to_string(),
        sink: SocketAddr::new(address.ip(), SINK),
        codecs: vec![Codec::Pcma, Codec::Pcmu],
        calls_max: plan.node.calls_max,
        ring_timeout_ms: 30_000,
        max_talk_ms: 5_000,
        recordings: None,
        call: Arc::new(switchboard::CallOptions::default()),
    };
    let gateways = plan.gateways.iter().map(|gateway| GatewayOptions {
        name: gateway.name.clone(),
        max_concurrent: gateway.lanes,
        calls_per_second: gateway.per_second,
    });
    Switchboard::new(options, Routing::new(gateways.collect()), vault, seed)
}

fn user_agent(plan: &Plan, address: SocketAddr, seed: [u8; 32]) -> UserAgent {
    let gateways = plan.gateways.iter().enumerate().map(|(place, gateway)| {
        let address = carrier(place);
        GatewayConfig {
            host: address.ip().to_string(),
            port: Some(address.port()),
            transport: Transport::Udp,
            credentials: Some(Credentials {
                username: "callfold".to_owned(),
                password: "callfold".to_owned(),
            }),
            register: false,
            options_every: gateway.options_every,
            answer_within: None,
            trusted: false,
            follow_redirects: false,
            session_expires: None,
        }
    });
    let options = sip::Options::new(address, gateways.collect());
    UserAgent::new(sip::Options { user_agent: "Callfold".into(), ..options }, seed)
}

/// Every event of every call runs through the board; the open calls stay in it.
fn replay<R: Reader>(
    reader: &R,
    board: &mut Switchboard<NodeVault>,
) -> Result<(), store::StoreError> {
    let mut after = Position(0);
    loop {
        let stored = reader.read_all(after, REPLAY_STRETCH)?;
        let Some(last) = stored.last() else { return Ok(()) };
        after = last.position;
        for stored in &stored {
            if stored.stream.as_call().is_none() {
                continue;
            }
            let Some(event) = decoded(stored) else {
                let why = format!("{} {}: unreadable", stored.stream, stored.revision.0);
                return Err(store::StoreError::Broken(why));
            };
            let recorded = Recorded {
                position: stored.position,
                stream: stored.stream,
                revision: stored.revision,
                at: stored.at,
                event,
            };
            if let Err(lost) = board.replay(recorded) {
                let why = format!("{}: {}", lost.call, lost.why);
                return Err(store::StoreError::Broken(why));
            }
        }
    }
}

/// The list's rows become items, all of them before the first is dialled; those that are there
/// already stay. As `node::list`.
fn load_list<F: Machine>(
    plan: &Plan,
    log: &mut Log<F>,
    mut keys: Option<&mut dyn KeySink>,
    vault: &mut NodeVault,
    at: Timestamp,
) -> Result<Batch, store::StoreError> {
    let list = plan.list.as_ref().expect("it is asked for");
    let stream = StreamId::batch(LIST, 1);
    let mut length = log.last_revision(stream)?.map_or(0, |last| last.0 + 1);
    let event = |event: BatchEvent| NewEvent { encoded: event.encode(), at };
    let mut gathered = Vec::new();
    let mut flush = |gathered: &mut Vec<NewEvent>, vault: &mut NodeVault, length: &mut u32| {
        let new = vault.take_new_keys();
        if let (Some(keys), false) = (&mut keys, new.is_empty()) {
            keys.append_and_sync(&new)?;
        }
        let expected = match length.checked_sub(1) {
            None => Expected::NoStream,
            Some(last) => Expected::Exact(Revision(last)),
        };
        let events = std::mem::take(gathered);
        *length += events.len() as u32;
        for result in log.append(&[Append { stream, expected, events }]) {
            result.map_err(|error| store::StoreError::Broken(error.to_string()))?;
        }
        log.sync().map(drop)
    };
    // One event opens the run: what stands behind it are items, in the order of the list.
    let known = length.saturating_sub(1);
    if length == 0 {
        let opened = BatchOpened { name: LIST.to_owned(), run: 1 };
        gathered.push(event(BatchEvent::BatchOpened(opened)));
    }
    let count = list.numbers.count();
    for (line, number) in list.numbers.each().skip(known as usize) {
        let callee = vault.callee_key(&number);
        let phone = vault.seal(callee, number.as_bytes());
        let added = ItemAdded { line, callee, phone, variables: None };
        gathered.push(event(BatchEvent::ItemAdded(added)));
        if gathered.len() >= ITEMS_PER_APPEND {
            flush(&mut gathered, vault, &mut length)?;
        }
    }
    if known < count {
        let loaded = BatchLoaded { rows: count, added: count - known, rejected: 0 };
        gathered.push(event(BatchEvent::BatchLoaded(loaded)));
    }
    if !gathered.is_empty() {
        flush(&mut gathered, vault, &mut length)?;
    }
    Ok(Batch::new(batch_options(plan), length, BTreeSet::new()))
}

fn batch_options(plan: &Plan) -> BatchOptions {
    let list = plan.list.as_ref().expect("it is asked for");
    let ms = |span: Duration| u32::try_from(span.as_millis()).unwrap_or(u32::MAX);
    let terms = &list.terms;
    BatchOptions {
        name: LIST.to_owned(),
        run: 1,
        per_second: list.per_second,
        concurrency: list.lanes,
        caller_id: None,
        prompt: terms.prompt.map(|span| ms(span).to_string()),
        record: false,
        ring_timeout_ms: ms(terms.ring),
        max_talk_ms: ms(terms.talk),
        max_attempts: terms.attempts,
        redial_after_ms: terms.redial.map(ms),
    }
}
