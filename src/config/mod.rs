//! `callfold.toml`: what runs, where, and through whom (`contract.md`).
//!
//! [`Config::read`] takes the file's text and the environment and gives every fault at once, each
//! with its line and what belongs there. Nothing is opened or connected to here: a secret is a
//! path until [`SecretFile::read`].

mod check;
mod fault;
mod gateway_uri;
mod reader;
mod secret;
#[cfg(test)]
mod tests;

pub use fault::{ConfigFault, ConfigFaults};
pub use gateway_uri::{GatewayUri, NoGatewayUri};
pub use node::StoreUrl;
pub use secret::{Secret, SecretError, SecretFile};

use schemas::Numbering;
use schemas::public::Include;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// The commented file that `callfold config --print-default` prints.
pub const DEFAULT: &str = include_str!("default.toml");

/// Everything the service is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who we are.
    pub node: NodeConfig,
    /// Where events are kept.
    pub store: StoreUrl,
    /// Where HTTP is served; not at all when absent.
    pub http: Option<HttpConfig>,
    /// Our side of SIP.
    pub sip: SipConfig,
    /// Our side of RTP.
    pub media: MediaConfig,
    /// Whom we dial through, in the order in which they are tried.
    pub gateways: Vec<GatewayConfig>,
    /// Commands in, events out; not at all when absent.
    pub kafka: Option<KafkaConfig>,
    /// Which personal data the topic of events carries.
    pub include: Include,
    /// Where the keys lie.
    pub privacy: PrivacyConfig,
    /// What a command means that does not say.
    pub defaults: DefaultsConfig,
}

/// `[node]`
#[derive(Clone, PartialEq, Debug)]
pub struct NodeConfig {
    /// Unique in a cluster, stable over restarts.
    pub name: String,
    /// The folder of what the node keeps.
    pub data: PathBuf,
    /// The most calls that are up at once.
    pub calls_max: u32,
    /// The most calls that wait for their turn before commands are held back.
    pub waiting_max: u32,
}

/// `[http]`
#[derive(Clone, PartialEq, Debug)]
pub struct HttpConfig {
    /// Where it listens.
    pub listen: SocketAddr,
}

/// `[sip]`
#[derive(Clone, PartialEq, Debug)]
pub struct SipConfig {
    /// The address of UDP and TCP; with port 0 one that is free, kept from then on.
    pub bind: SocketAddr,
}

/// `[media]`
#[derive(Clone, PartialEq, Debug)]
pub struct MediaConfig {
    /// The address of RTP.
    pub bind: IpAddr,
    /// The folder of prompts.
    pub prompts: PathBuf,
    /// The folder of recordings; nothing is recorded when absent.
    pub recordings: Option<PathBuf>,
}

/// One of `[[gateways]]`
#[derive(Clone, PartialEq, Debug)]
pub struct GatewayConfig {
    /// Its name in commands and records.
    pub name: String,
    /// How it is reached.
    pub uri: GatewayUri,
    /// As whom: user name and where the password stands.
    pub credentials: Option<(String, SecretFile)>,
    /// The most calls through it at once.
    pub max_concurrent: Option<u32>,
    /// The most calls that start through it in a second.
    pub calls_per_second: Option<f64>,
    /// How long an INVITE waits for a first answer, in milliseconds: Timer B when absent.
    pub first_answer_ms: Option<u32>,
    /// Whether a registration is kept there.
    pub register: bool,
    /// How often it is asked whether it is alive, in milliseconds.
    pub probe_every_ms: Option<u32>,
    /// Whether it may see P-Asserted-Identity (RFC 3325, 9.1).
    pub trusted: bool,
    /// Whether the Contacts of a 3xx that lead back to it are followed.
    pub follow_redirects: bool,
    /// The wished Session-Expires, in milliseconds (RFC 4028).
    pub session_expires_ms: Option<u32>,
}

/// `[kafka]`
#[derive(Clone, PartialEq, Debug)]
pub struct KafkaConfig {
    /// `host:port`, several with commas.
    pub brokers: String,
    /// The consumer group.
    pub group: String,
    /// The topic of commands.
    pub commands: String,
    /// The topic that brings each command to its callee's owner.
    pub work: String,
    /// The topic of events.
    pub events: String,
    /// The topic of what cannot be read or accepted.
    pub dead: String,
    /// The compacted topic of how far the log was told.
    pub relay: String,
    /// Whether producers key by the opaque callee key themselves.
    pub keyed: bool,
    /// Which partitions of the work topic are ours.
    pub partitions: Partitions,
    /// Whether events are told in transactions, which the brokers must have then.
    pub transactions: bool,
    /// How brokers are spoken to.
    pub security: Security,
}

/// Which partitions of the work topic a node serves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Partitions {
    /// All of them, pinned.
    All,
    /// From the first to the last, both included, pinned.
    Range(u32, u32),
    /// Whatever the consumer group assigns: on a common log only.
    Group,
}

/// How brokers are spoken to.
#[derive(Clone, PartialEq, Debug)]
pub enum Security {
    /// In the clear.
    Plaintext,
    /// TLS, perhaps with a certificate of ours.
    Tls {
        /// Whose certificates are trusted; the system's when absent.
        ca_file: Option<PathBuf>,
        /// Our certificate and its key.
        certificate: Option<(PathBuf, SecretFile)>,
    },
    /// SASL.
    Sasl {
        /// SCRAM-SHA-512 when true, PLAIN when not.
        scram: bool,
        /// Over TLS. Without it whoever listens reads what is said, with PLAIN the password too.
        tls: bool,
        /// Whose certificates are trusted; the system's when absent.
        ca_file: Option<PathBuf>,
        /// User name.
        username: String,
        /// Where the password stands.
        password_file: SecretFile,
    },
}

/// `[privacy]`
#[derive(Clone, PartialEq, Debug)]
pub struct PrivacyConfig {
    /// Wraps the keys of persons.
    pub key_file: PathBuf,
    /// The secret behind callee keys. Never rotated.
    pub callee_key_file: PathBuf,
}

/// `[defaults]`
#[derive(Clone, Debug)]
pub struct DefaultsConfig {
    /// How numbers are read.
    pub numbering: Numbering,
    /// How long it may ring, in milliseconds.
    pub ring_timeout_ms: u32,
    /// How long an answered call may last, in milliseconds.
    pub max_talk_ms: u32,
}

impl Config {
    /// Reads a file's text, and the environment over it: variables that begin with `CALLFOLD_` and
    /// hold `__` are keys.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of its lines.
    pub fn read(
        text: &str,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigFaults> {
        reader::read(text, environment, check::config)
    }

    /// Every secret that it names, with the key it stands under.
    pub fn secrets(&self) -> Vec<(String, &SecretFile)> {
        let of_gateway =
            |gateway: &'_ GatewayConfig| format!("gateways: {}: password_file", gateway.name);
        let mut secrets: Vec<_> = self
            .gateways
            .iter()
            .filter_map(|gateway| Some((of_gateway(gateway), &gateway.credentials.as_ref()?.1)))
            .collect();
        match self.kafka.as_ref().map(|kafka| &kafka.security) {
            Some(Security::Tls { certificate: Some((_, key)), .. }) => {
                secrets.push(("kafka.key_file".to_owned(), key));
            }
            Some(Security::Sasl { password_file, .. }) => {
                secrets.push(("kafka.password_file".to_owned(), password_file));
            }
            _ => {}
        }
        secrets
    }
}
