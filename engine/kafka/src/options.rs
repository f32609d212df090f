//! How brokers and topics are named and spoken to.

use crate::Error;
use rdkafka::ClientConfig;
use std::fmt;
use std::path::PathBuf;

/// What is to be served, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// `host:port`, several with commas.
    pub brokers: String,
    /// The consumer group. The work's offsets are kept under it with `.work` behind;
    /// with `.relay` behind, nodes of one log agree on who tells it.
    pub group: String,
    /// The node's name: unique in the group and stable over restarts.
    pub node: String,
    /// The names of the topics.
    pub topics: Topics,
    /// Whether producers key by the callee key themselves, so that the hop is skipped.
    pub keyed: bool,
    /// Which partitions of the work are ours.
    pub partitions: Partitions,
    /// How brokers are spoken to.
    pub security: Security,
    /// Whether the relay uses transactions. Without them it finds out from the topic how far it
    /// came: for brokers that have none.
    pub transactions: bool,
}

/// The names of the topics.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Topics {
    /// Commands, by any key.
    pub commands: String,
    /// Commands, by their callee.
    pub work: String,
    /// Events.
    pub events: String,
    /// What could not be read or accepted.
    pub dead: String,
    /// How far the log was told, and which store serves what.
    pub relay: String,
}

/// Which partitions of the work a node serves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Partitions {
    /// All of them, pinned.
    All,
    /// From the first to the last, both included, pinned.
    Range(u32, u32),
    /// Whatever the group assigns.
    Group,
}

impl Partitions {
    /// Those of a topic that has so many; `None` when the group says which.
    pub fn of(self, count: i32) -> Option<std::ops::RangeInclusive<i32>> {
        match self {
            Self::All => Some(0..=count - 1),
            Self::Range(first, last) => {
                let most = i64::from(count) - 1;
                Some(i64::from(first).min(most + 1) as i32..=i64::from(last).min(most) as i32)
            }
            Self::Group => None,
        }
    }
}

/// How brokers are spoken to.
#[derive(Clone, PartialEq, Debug)]
pub enum Security {
    /// In the clear.
    Plaintext,
    /// TLS.
    Tls {
        /// Whose certificates are trusted; the system's when absent.
        ca_file: Option<PathBuf>,
        /// Our certificate and its key, both files.
        certificate: Option<(PathBuf, PathBuf)>,
    },
    /// SASL.
    Sasl {
        /// SCRAM-SHA-512 when true, PLAIN when not.
        scram: bool,
        /// Over TLS, or in the clear.
        tls: bool,
        /// Whose certificates are trusted; the system's when absent.
        ca_file: Option<PathBuf>,
        /// User name.
        username: String,
        /// Password.
        password: Password,
    },
}

/// A password. Not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

impl Options {
    /// Whether this build can speak to the brokers so.
    ///
    /// # Errors
    /// [`Error::NeedsTls`].
    pub fn check(&self) -> Result<(), Error> {
        let asked = match self.security {
            Security::Plaintext | Security::Sasl { scram: false, tls: false, .. } => return Ok(()),
            Security::Tls { .. } => "tls",
            // Its hashes are OpenSSL's.
            Security::Sasl { scram: true, .. } => "sasl_scram",
            Security::Sasl { .. } => "sasl_plain",
        };
        if cfg!(feature = "tls") { Ok(()) } else { Err(Error::NeedsTls(asked)) }
    }

    /// The topic whose partitions are ours: of work, or of commands when those are keyed.
    pub fn source(&self) -> &str {
        if self.keyed { &self.topics.commands } else { &self.topics.work }
    }

    /// The group under which the work's offsets are kept. A group of its own: brokers take no
    /// commit of pinned partitions into a group that has members.
    pub fn work_group(&self) -> String {
        format!("{}.work", self.group)
    }

    /// The group whose first member tells a log that nodes share.
    pub(crate) fn relay_group(&self) -> String {
        format!("{}.relay", self.group)
    }

    /// What every client is told.
    pub(crate) fn client(&self, role: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", format!("callfold-{}-{role}", self.node))
            .set("topic.metadata.refresh.interval.ms", "60000")
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "2000")
            .set("allow.auto.create.topics", "false");
        let text = |path: &PathBuf| path.display().to_string();
        match &self.security {
            Security::Plaintext => {}
            Security::Tls { ca_file, certificate } => {
                config.set("security.protocol", "ssl");
                if let Some(ca) = ca_file {
                    config.set("ssl.ca.location", text(ca));
                }
                if let Some((certificate, key)) = certificate {
                    config.set("ssl.certificate.location", text(certificate));
                    config.set("ssl.key.location", text(key));
                }
            }
            Security::Sasl { scram, tls, ca_file, username, password } => {
                config
                    .set("security.protocol", if *tls { "sasl_ssl" } else { "sasl_plaintext" })
                    .set("sasl.mechanism", if *scram { "SCRAM-SHA-512" } else { "PLAIN" })
                    .set("sasl.username", username)
                    .set("sasl.password", &password.0);
                if let Some(ca) = ca_file {
                    config.set("ssl.ca.location", text(ca));
                }
            }
        }
        config
    }

    /// What every producer is told. Keys are partitioned as Java does it; librdkafka's own way
    /// (CRC32) sends a key elsewhere.
    pub(crate) fn producer(&self, role: &str) -> ClientConfig {
        let mut config = self.client(role);
        config
            .set("partitioner", "murmur2_random")
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("compression.type", "lz4");
        config
    }

    /// What every consumer is told. Offsets are committed by us alone.
    pub(crate) fn consumer(&self, role: &str, group: &str) -> ClientConfig {
        let mut config = self.client(role);
        config
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("isolation.level", "read_committed")
            .set("fetch.wait.max.ms", "500")
            .set("fetch.error.backoff.ms", "100")
            // What is fetched ahead is bounded for all partitions together by this.
            .set("queued.min.messages", "2000")
            .set("queued.max.messages.kbytes", "16384")
            .set("enable.partition.eof", "false");
        config
    }
}
