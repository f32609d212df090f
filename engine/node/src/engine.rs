//! A node from its folder to its threads: opened, recovered, started, stopped.

use crate::clock::Clock;
use crate::dns::Dns;
use crate::errands::Errands;
use crate::history::past;
use crate::inbox::{Arrived, Inbox, pair};
use crate::list::{LoadedRun, Loading};
use crate::shard::{Gauges, Media, Notice, Shard};
use crate::store_url::{OpenStore, Secrets, StoreUrl};
use crate::wire::{BindError, Wire};
use campaign::{Batch, BatchOptions};
use media::port::{MediaHeard, MediaOrder};
use media::prompt::Prompts;
use media::pump::{Pump, PumpOptions};
use media::sink::Sink;
use mio::{Poll, Token, Waker};
use routing::{GatewayOptions, Routing};
use schemas::StreamId;
use schemas::node::{NodeEvent, NodeStarted, NodeStopped};
use sip::UserAgent;
use sip::port::GatewayConfig;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use store::folder::{DataFolder, MasterSource};
use store::keys::NodeVault;
use store::{
    Append, AppendError, Appender, Expected, NewEvent, Reader, Recovery, StoreError, Stored,
};
use switchboard::{GiveUp, Input, Options as BoardOptions, Switchboard};

/// The waker's token; the wire's begin above and below it.
const WAKER: Token = Token(2);

/// What a node is to be.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// Its name, unique in a cluster.
    pub name: String,
    /// Its data folder.
    pub data: PathBuf,
    /// The file of the master key; in the data folder when absent.
    pub key_file: Option<PathBuf>,
    /// The file of the callee secret; in the data folder when absent.
    pub callee_key_file: Option<PathBuf>,
    /// Where SIP listens. With port 0: the port it was first given.
    pub sip_bind: SocketAddr,
    /// The gateways, best first.
    pub gateways: Vec<Gateway>,
    /// How audio is sent and received.
    pub media: PumpOptions,
    /// What can be played.
    pub prompts: Prompts,
    /// Where recordings are written.
    pub recordings: Option<PathBuf>,
    /// The most calls at once.
    pub calls_max: u32,
    /// How long a call may ring when nothing else is said.
    pub ring_timeout_ms: u32,
    /// How long a call may last when nothing else is said.
    pub max_talk_ms: u32,
    /// How long calls wait for what.
    pub call: Arc<switchboard::CallOptions>,
}

/// A gateway: how it may be used, and how it is reached.
#[derive(Clone, Debug)]
pub struct Gateway {
    /// Name and limits.
    pub options: GatewayOptions,
    /// Address, transport, credentials.
    pub sip: GatewayConfig,
}

/// Why a node cannot be: a sentence for people. Its cause is in it, and so is no source beside it.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// Its folder, log or keys.
    #[error("{}", .0.in_full())]
    Store(StoreError),
    /// Its SIP port.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Its RTP ports.
    #[error("no port for audio: {0}")]
    Ports(media::ports::PortFault),
    /// A call whose events cannot be followed: damage, or the work of a later version.
    #[error("the calls cannot be rebuilt: {0}")]
    Replay(String),
    /// The operating system gives no thread, no timer, no randomness.
    #[error("the operating system refuses {0}: {1}")]
    System(&'static str, std::io::Error),
}

impl From<StoreError> for NodeError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<media::ports::PortFault> for NodeError {
    fn from(error: media::ports::PortFault) -> Self {
        Self::Ports(error)
    }
}

/// A node whose folder is open and locked, with its log recovered, and nothing running yet.
pub struct Prepared {
    options: NodeOptions,
    folder: DataFolder,
    vault: NodeVault,
    store: OpenStore,
    /// What opening the log found.
    pub recovery: Recovery,
    clock: Clock,
    batches: Vec<(Batch, [u8; 16])>,
}

impl Prepared {
    /// Opens the folder, and makes it when there is none. Its events are in its own log.
    ///
    /// # Errors
    /// It is in use, of a newer version, damaged, or the disk says no.
    pub fn open(options: NodeOptions) -> Result<Self, NodeError> {
        let master = MasterSource::from(options.key_file.clone());
        Self::open_with(options, &master)
    }

    /// As [`Prepared::open`], with the master key from elsewhere than the options' file.
    ///
    /// # Errors
    /// As [`Prepared::open`].
    pub fn open_with(options: NodeOptions, master: &MasterSource) -> Result<Self, NodeError> {
        Self::open_by(options, master, OpenStore::log)
    }

    /// As [`Prepared::open_with`], with its events elsewhere, perhaps in a log that it shares with
    /// other nodes.
    ///
    /// # Errors
    /// As [`Prepared::open`], and the store's.
    pub fn open_on(
        options: NodeOptions,
        master: &MasterSource,
        store: &StoreUrl,
    ) -> Result<Self, NodeError> {
        Self::open_by(options, master, |folder, secrets| OpenStore::open(store, folder, secrets))
    }

    fn open_by(
        options: NodeOptions,
        master: &MasterSource,
        open: impl FnOnce(&mut DataFolder, Secrets<'_>) -> Result<OpenStore, StoreError>,
    ) -> Result<Self, NodeError> {
        let mut folder = DataFolder::open(&options.data, &options.name)?;
        let callee_file = options.callee_key_file.as_deref();
        let store = open(&mut folder, Secrets { master, callee_file })?;
        let vault = NodeVault { keyring: store.keyring.clone(), secret: store.secret.clone() };
        let recovery = store.recovery.clone();
        let (clock, batches) = (Clock::start(), Vec::new());
        Ok(Self { options, folder, vault, store, recovery, clock, batches })
    }

    /// Begins to load a run of a batch.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn load(&mut self, batch: &str, again: bool) -> Result<Loading<'_>, NodeError> {
        let at = self.clock.now().utc;
        Ok(Loading::begin(&self.store, &mut self.vault, batch, again, at)?)
    }

    /// Lets a run that was loaded dial from the start on. Its `run` and that of the options are
    /// the same.
    pub fn run(&mut self, options: BatchOptions, loaded: LoadedRun) {
        let batch = Batch::new(options, loaded.length, loaded.dropped);
        self.batches.push((batch, loaded.stream));
    }

    /// Rebuilds the calls and starts the threads.
    ///
    /// # Errors
    /// A port is taken, a call cannot be rebuilt, the system refuses a thread.
    pub fn start(mut self) -> Result<Node, NodeError> {
        let system = |what| move |error| NodeError::System(what, error);
        let poll = Poll::new().map_err(system("to wait for sockets"))?;
        let waker = Waker::new(poll.registry(), WAKER).map_err(system("to be woken"))?;
        let (inbox, outbox) = pair(waker);

        let mut bind = self.options.sip_bind;
        if bind.port() == 0 {
            bind.set_port(self.folder.sip_port().unwrap_or(0));
        }
        let wire = Wire::bind(bind, poll.registry())?;
        let local = wire.local();
        if self.folder.sip_port().is_none() {
            self.folder.set_sip_port(local.port())?;
        }
        let sink = Sink::bind(self.options.media.ports.clone())?;

        let (reader, appender) = (self.store.reader.clone(), self.store.appender.clone());
        let board = self.switchboard(local, sink.local())?;
        let agent = self.user_agent(local)?;
        let pump = {
            let inbox = inbox.clone();
            let heard = move |heard| {
                inbox.put(Arrived::Media(heard));
            };
            let Prepared { options, .. } = &self;
            Pump::start(options.media.clone(), options.prompts.clone(), heard)
                .map_err(system("a thread for audio"))?
        };
        let dns = {
            let inbox = inbox.clone();
            Dns::start(move |gateway, found| {
                inbox.put(Arrived::Resolved(gateway, found));
            })
            .map_err(system("a thread for names"))?
        };
        let partitions = self.store.partitions.clone();
        let errands = Errands::start(partitions, reader.clone(), inbox.clone())
            .map_err(system("a thread to ask the store"))?;
        let stream = StreamId::node(self.folder.node());
        let started = NodeStarted {
            name: self.folder.node().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            sip: local.to_string(),
        };
        note(&*appender, stream, NodeEvent::NodeStarted(started), &self.clock)?;

        let (notices, told) = channel();
        let gauges = Arc::new(Gauges::default());
        let mut board = board;
        for (batch, stream) in self.batches {
            board.handle(Input::RunBatch(Box::new(batch), stream), self.clock.now());
        }
        let unfinished = board.start(self.clock.now());
        let shard = Shard {
            poll,
            wire,
            outbox,
            inbox: inbox.clone(),
            clock: self.clock,
            agent,
            board,
            media: PumpMedia(pump),
            dns,
            errands,
            appender,
            reader: reader.clone(),
            notices,
            gauges: gauges.clone(),
            committed: Duration::ZERO,
            was_idle: false,
            stop: false,
        };
        let thread = std::thread::Builder::new()
            .name("shard-0".into())
            .spawn(move || shard.run())
            .map_err(system("a thread for calls"))?;
        Ok(Node {
            notices: told,
            gauges,
            unfinished,
            sip: local,
            reader,
            vault: self.vault,
            inbox,
            thread: Some(thread),
            store: self.store,
            stream,
            clock: self.clock,
            _sink: sink,
            _folder: self.folder,
        })
    }

    fn switchboard(
        &self,
        local: SocketAddr,
        sink: SocketAddr,
    ) -> Result<Switchboard<NodeVault>, NodeError> {
        let options = &self.options;
        let gateways = options.gateways.iter().map(|gateway| gateway.options.clone()).collect();
        let board_options = BoardOptions {
            shard: 0,
            sip_local: local.to_string(),
            sink,
            codecs: vec![media::port::Codec::Pcma, media::port::Codec::Pcmu],
            calls_max: options.calls_max,
            ring_timeout_ms: options.ring_timeout_ms,
            max_talk_ms: options.max_talk_ms,
            recordings: options.recordings.clone(),
            call: options.call.clone(),
        };
        let routing = Routing::new(gateways);
        let mut board = Switchboard::new(board_options, routing, self.vault.clone(), seed()?);
        self.replay(&mut board)?;
        Ok(board)
    }

    /// Every event of the calls that are this node's runs through the board; the open calls stay
    /// in it.
    fn replay(&self, board: &mut Switchboard<NodeVault>) -> Result<(), NodeError> {
        let mut unreadable = None;
        self.store.history.read(&mut |stored| {
            if unreadable.is_none() {
                unreadable = replay(board, &stored).err();
            }
        })?;
        unreadable.map_or(Ok(()), Err)
    }

    fn user_agent(&self, local: SocketAddr) -> Result<UserAgent, NodeError> {
        let gateways = self.options.gateways.iter().map(|gateway| gateway.sip.clone()).collect();
        let options = sip::Options {
            user_agent: concat!("Callfold/", env!("CARGO_PKG_VERSION")).into(),
            ..sip::Options::new(local, gateways)
        };
        Ok(UserAgent::new(options, seed()?))
    }
}

/// Asks a node's shard for something, from any thread. Clones ask the same one. False is answered
/// when it has ended.
#[derive(Clone)]
pub struct Asker(Inbox);

impl Asker {
    /// Hands an input to the shard. False when it has ended. Whoever asks bounds how much it has
    /// open: nothing here waits.
    pub fn ask(&self, input: Input) -> bool {
        self.0.put(Arrived::Asked(input))
    }

    /// Serves these partitions of the work from now on: each is taken over with its open calls, which
    /// end as unknown where they had been dialled. What became of it is told as
    /// [`Notice::Partition`]; commands for it ([`Input::Of`]) wait until then. On a log that no
    /// other node has each is there at once.
    pub fn own(&self, partitions: impl IntoIterator<Item = u32>) -> bool {
        partitions.into_iter().all(|partition| self.ask(Input::Take(partition)))
    }

    /// Serves these partitions no more. [`Notice::Partition`] tells when nothing of one is left here:
    /// until then nobody else should be given it, since what is up would end as unknown.
    pub fn give_up(&self, partitions: impl IntoIterator<Item = u32>, how: GiveUp) -> bool {
        partitions.into_iter().all(|partition| self.ask(Input::GiveUp(partition, how)))
    }
}

/// A node that runs.
pub struct Node {
    /// What it tells.
    pub notices: Receiver<Notice>,
    /// Counts to look at.
    pub gauges: Arc<Gauges>,
    /// How many calls the process before left open.
    pub unfinished: usize,
    /// Where its SIP listens.
    pub sip: SocketAddr,
    /// Its log, to read.
    pub reader: Arc<dyn Reader>,
    /// Who opens what is sealed.
    pub vault: NodeVault,
    inbox: Inbox,
    thread: Option<JoinHandle<()>>,
    store: OpenStore,
    stream: StreamId,
    clock: Clock,
    _sink: Sink,
    _folder: DataFolder,
}

impl Node {
    /// Who asks the shard from other threads.
    pub fn asker(&self) -> Asker {
        Asker(self.inbox.clone())
    }

    /// Asks the shard for something. False when it has ended.
    pub fn ask(&self, input: Input) -> bool {
        self.inbox.put(Arrived::Asked(input))
    }

    /// Takes the registrations back, for two seconds at most, ends the threads and leaves the mark of
    /// a clean stop. What is still up stays open, to be closed at the next start.
    ///
    /// # Errors
    /// What was written last could not be made durable.
    pub fn stop(mut self) -> Result<(), NodeError> {
        self.inbox.put(Arrived::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let open_calls = self.gauges.live.load(std::sync::atomic::Ordering::Relaxed) as u32;
        let stopped = NodeEvent::NodeStopped(NodeStopped { open_calls });
        note(&*self.store.appender, self.stream, stopped, &self.clock)?;
        Ok(self.store.stop()?)
    }
}

fn replay(board: &mut Switchboard<NodeVault>, stored: &Stored) -> Result<(), NodeError> {
    match past(stored) {
        Ok(Some(past)) => board.recall(past),
        Ok(None) => {}
        Err(why) => return Err(NodeError::Replay(format!("{}: {why}", stored.stream))),
    }
    Ok(())
}

struct PumpMedia(Pump);

impl Media for PumpMedia {
    fn order(&mut self, order: MediaOrder) -> Option<MediaHeard> {
        match order {
            MediaOrder::Open { stream, record } => Some(self.0.open(stream, record)),
            other => {
                self.0.order(other);
                None
            }
        }
    }
}

fn note(
    appender: &dyn Appender,
    stream: StreamId,
    event: NodeEvent,
    clock: &Clock,
) -> Result<(), NodeError> {
    let events = vec![NewEvent { encoded: event.encode(), at: clock.now().utc }];
    let append = Append { stream, expected: Expected::Any, events };
    for result in appender.append(vec![append]) {
        result.map_err(|error| match error {
            AppendError::Broken(why) => StoreError::Broken(why),
            other => StoreError::Broken(other.to_string()),
        })?;
    }
    Ok(())
}

fn seed() -> Result<[u8; 32], NodeError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)
        .map_err(|error| NodeError::System("randomness", std::io::Error::other(error)))?;
    Ok(seed)
}
