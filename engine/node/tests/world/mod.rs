//! A node and a simulated carrier, on sockets and disk of their own.

use media::prompt::Prompts;
use media::pump::PumpOptions;
use node::engine::Gateway;
use node::{Node, NodeOptions, Notice, Prepared};
use routing::GatewayOptions;
use schemas::call::{CallEnded, Priority};
use schemas::commands::PlaceCall;
use schemas::{CallId, CommandId};
use sim::carrier::{Carrier, CarrierHandle, Options as CarrierOptions};
use sip::port::{GatewayConfig, Transport};
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use switchboard::{Input, Ticket};
use tempfile::TempDir;

/// How long anything may take before the test gives up on it.
const PATIENCE: Duration = Duration::from_secs(60);

pub fn options(folder: &TempDir, gateways: Vec<Gateway>) -> NodeOptions {
    NodeOptions {
        name: "test".into(),
        data: folder.path().to_owned(),
        key_file: None,
        callee_key_file: None,
        sip_bind: "127.0.0.1:0".parse().expect("an address"),
        gateways,
        media: PumpOptions::default(),
        prompts: Prompts::new(),
        recordings: None,
        calls_max: 1000,
        ring_timeout_ms: 2_000,
        max_talk_ms: 500,
        call: Arc::default(),
    }
}

pub fn gateway(name: &str, address: SocketAddr) -> Gateway {
    Gateway {
        options: GatewayOptions { name: name.into(), max_concurrent: 1000, calls_per_second: None },
        sip: GatewayConfig {
            host: address.ip().to_string(),
            port: Some(address.port()),
            transport: Transport::Udp,
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

pub struct World {
    pub carrier: CarrierHandle,
    pub node: Node,
    _folder: TempDir,
}

impl World {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let listen = "127.0.0.1:0".parse().expect("an address");
        let carrier = Carrier::start(CarrierOptions::new(listen)).expect("the carrier starts");
        let gateways = vec![gateway("carrier", carrier.addr)];
        let node = Prepared::open(options(&folder, gateways))
            .and_then(Prepared::start)
            .expect("the node starts");
        Self { carrier, node, _folder: folder }
    }

    /// Calls everybody at once, and gives how each call ended.
    pub fn call<const N: usize>(&mut self, numbers: [&str; N]) -> Vec<CallEnded> {
        let ids = numbers.map(|number| {
            let command_id = CommandId::new(&format!("test/{number}")).expect("printable");
            let id = CallId::of_command(&command_id);
            let command = PlaceCall {
                command_id,
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
            };
            assert!(self.node.ask(Input::Place(Ticket(0), Box::new(command))));
            id
        });
        let mut ended = self.ends(N);
        ids.map(|id| ended.remove(&id).expect("it ended")).into()
    }

    /// Waits for so many calls to end and the node to be idle.
    pub fn ends(&mut self, count: usize) -> HashMap<CallId, CallEnded> {
        let start = Instant::now();
        let mut ended = HashMap::new();
        loop {
            let left = PATIENCE.checked_sub(start.elapsed()).expect("the calls end in time");
            match self.node.notices.recv_timeout(left).expect("the node goes on") {
                Notice::Ended(call, end) => {
                    assert!(ended.insert(call, *end).is_none(), "a call ends once");
                }
                Notice::Idle if ended.len() == count => return ended,
                Notice::Stopped(why) => panic!("{why}"),
                Notice::Idle | Notice::Partition(..) | Notice::Answer(..) => {}
            }
        }
    }

    /// What the other side saw: every 2xx acknowledged and hung up, nobody called twice.
    pub fn check_the_carriers_ledger(&self) {
        let ledger = self.carrier.ledger();
        for entry in &ledger {
            assert_eq!(entry.unacked, 0, "{entry:?}");
        }
        let mut seen: Vec<_> = ledger.iter().map(|e| (&e.call_id, e.cseq)).collect();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), ledger.len(), "one INVITE for each try");
    }
}
