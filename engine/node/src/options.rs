//! What a node is to be.

use media::prompt::Prompts;
use media::pump::PumpOptions;
use routing::GatewayOptions;
use sip::port::GatewayConfig;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

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
