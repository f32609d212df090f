//! A node with its own folder and ports, that places calls and waits for their ends.

use crate::patience::{LOOK_EVERY, LOOKS_MAX, PATIENCE};
use crate::story::Story;
use media::prompt::Prompts;
use media::pump::PumpOptions;
use node::engine::Gateway;
use node::{Node, NodeOptions, Notice, Prepared};
use routing::GatewayOptions;
use schemas::call::{CallEnded, Priority};
use schemas::commands::PlaceCall;
use schemas::{CallId, CommandId};
use sip::port::{GatewayConfig, Transport};
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use switchboard::{Answer, Input, Ticket};
use tempfile::TempDir;

/// How a node is set up here: it talks for a moment, and rings for longer than any callee needs who
/// answers at all.
pub fn node_options(data: &Path, gateways: Vec<Gateway>) -> NodeOptions {
    NodeOptions {
        name: "interop".into(),
        data: data.to_owned(),
        key_file: None,
        callee_key_file: None,
        sip_bind: SocketAddr::from(([127, 0, 0, 1], 0)),
        gateways,
        media: PumpOptions::default(),
        prompts: Prompts::new(),
        recordings: None,
        calls_max: 100_000,
        ring_timeout_ms: 20_000,
        max_talk_ms: 300,
        call: Arc::default(),
    }
}

/// A gateway without limits there, by its address as a name.
pub fn gateway(transport: Transport, address: SocketAddr) -> Gateway {
    Gateway {
        options: GatewayOptions {
            name: address.to_string(),
            max_concurrent: 100_000,
            calls_per_second: None,
        },
        sip: GatewayConfig {
            host: address.ip().to_string(),
            port: Some(address.port()),
            transport,
            credentials: None,
            register: false,
            options_every: None,
            answer_within: None,
            trusted: false,
            follow_redirects: false,
            session_expires: None,
        },
    }
}

/// A command to call somebody, as every test begins it. Its id is the number.
pub fn call_to(number: &str) -> PlaceCall {
    PlaceCall {
        command_id: CommandId::new(&format!("interop/{number}")).expect("printable"),
        phone: number.into(),
        caller_id: Some("4000".into()),
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

/// A node that runs.
pub struct Caller {
    node: Node,
    /// Calls that ended and were not asked for yet.
    ended: HashMap<CallId, CallEnded>,
    idle: bool,
    folder: TempDir,
}

impl Caller {
    /// Starts one with these gateways, best first.
    ///
    /// # Panics
    /// It cannot be started: the test is over.
    pub fn start(gateways: Vec<Gateway>) -> Self {
        Self::start_with(gateways, |_| {})
    }

    /// Starts one whose options are changed first.
    ///
    /// # Panics
    /// As [`Caller::start`].
    pub fn start_with(gateways: Vec<Gateway>, change: impl FnOnce(&mut NodeOptions)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut options = node_options(folder.path(), gateways);
        change(&mut options);
        let node = Prepared::open(options).and_then(Prepared::start).expect("the node starts");
        Self { node, ended: HashMap::new(), idle: true, folder }
    }

    /// Where its SIP listens.
    pub fn sip(&self) -> SocketAddr {
        self.node.sip
    }

    /// Its data folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Places a call.
    ///
    /// # Panics
    /// The node has stopped.
    pub fn place(&mut self, command: PlaceCall) -> CallId {
        let id = CallId::of_command(&command.command_id);
        assert!(self.node.ask(Input::Place(Ticket(0), Box::new(command))), "the node goes on");
        self.idle = false;
        id
    }

    /// Places a call, and gives its story when it has ended and nothing is left of it.
    ///
    /// # Panics
    /// It does not end in time.
    pub fn call(&mut self, command: PlaceCall) -> Story {
        let id = self.place(command);
        self.end_of(id);
        self.wait_until_idle();
        self.story(id)
    }

    /// Waits for a call to end.
    ///
    /// # Panics
    /// It does not in time.
    pub fn end_of(&mut self, call: CallId) -> CallEnded {
        loop {
            if let Some(ended) = self.ended.remove(&call) {
                return ended;
            }
            self.take_notice("a call to end");
        }
    }

    /// Waits until no call is up and nothing that a call began on the wire still goes on.
    ///
    /// # Panics
    /// That takes too long.
    pub fn wait_until_idle(&mut self) {
        while !self.idle {
            self.take_notice("the node to be idle");
        }
    }

    fn take_notice(&mut self, what: &str) {
        match self.next_notice() {
            Ok(Notice::Ended(call, ended)) => {
                assert!(self.ended.insert(call, *ended).is_none(), "{call} ends once");
                // What was told of idleness before does not count: it may be of the time before
                // the call.
                self.idle = false;
            }
            Ok(Notice::Idle) => self.idle = true,
            Ok(Notice::Answer(_, Answer::Accepted(_)) | Notice::Partition(..)) => {}
            Ok(Notice::Answer(_, other)) => panic!("a command was not accepted: {other:?}"),
            Ok(Notice::Stopped(why)) => panic!("the node stopped: {why}"),
            Err(RecvTimeoutError::Timeout) => panic!("waited for {what} for {PATIENCE:?}"),
            Err(RecvTimeoutError::Disconnected) => panic!("the node is gone"),
        }
    }

    fn next_notice(&self) -> Result<Notice, RecvTimeoutError> {
        for _ in 0..LOOKS_MAX {
            match self.node.notices.recv_timeout(LOOK_EVERY) {
                Err(RecvTimeoutError::Timeout) => {}
                notice => return notice,
            }
        }
        Err(RecvTimeoutError::Timeout)
    }

    /// What its log tells of a call.
    pub fn story(&self, call: CallId) -> Story {
        Story::read(&*self.node.reader, call)
    }

    /// Stops it. Nothing may be left open.
    ///
    /// # Panics
    /// Something is, or what was written last could not be made durable.
    pub fn stop(mut self) {
        self.wait_until_idle();
        assert!(self.ended.is_empty(), "nobody asked how these ended: {:?}", self.ended);
        self.node.stop().expect("the node stops well");
    }
}
