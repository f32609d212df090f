//! What can go wrong with topics, one sentence each for the person who reads it.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// Why topics cannot be used. What passes by itself (a broker that is away) is not among them: the
/// threads wait for it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration asks for what this build has not.
    #[error(
        "kafka.security = \"{0}\" needs a build with the feature `kafka-tls`: \
         cargo build --release --features kafka-tls"
    )]
    NeedsTls(&'static str),
    /// librdkafka cannot do it.
    #[error("Kafka, {doing}")]
    Client {
        /// For what.
        doing: &'static str,
        /// What it says.
        source: KafkaError,
    },
    /// No broker answered.
    #[error("no answer from {brokers} while {doing}")]
    Away {
        /// Who was asked.
        brokers: String,
        /// For what.
        doing: &'static str,
        /// What the client says.
        source: KafkaError,
    },
    /// They answer, and want nothing of us: other credentials are needed, or other trust.
    #[error("{brokers}: {why}")]
    Denied {
        /// Who was asked.
        brokers: String,
        /// What is wrong, and where it is set.
        why: &'static str,
    },
    /// They know us, and do not let us do it.
    #[error(
        "the brokers do not let this user go on ({doing}: {what}). What a node's user must be \
         allowed stands in docs/kafka.md, under Security"
    )]
    Forbidden {
        /// What we wanted to do.
        doing: &'static str,
        /// What they say.
        what: String,
    },
    /// A topic that must be there is not.
    #[error("there is no topic {0}: make it with `callfold kafka topics --config FILE`")]
    NoTopic(String),
    /// A topic is not as it must be.
    #[error("the topic {topic} cannot be used: {why}")]
    Topic {
        /// Which one.
        topic: String,
        /// Why not.
        why: String,
    },
    /// Another store serves these partitions.
    #[error(
        "partition {partition} of {topic} is served by another store ({owner}, node {node}): its \
         calls lie in that store's log alone. Give this node other partitions (kafka.partitions), \
         topics of its own, or that log"
    )]
    Served {
        /// The topic of work.
        topic: String,
        /// The first such partition.
        partition: i32,
        /// The store's id.
        owner: String,
        /// The name of its node.
        node: String,
    },
    /// Two processes have one name.
    #[error(
        "another process of the name {0} keeps joining the group: give each node a name of its own \
         (node.name)"
    )]
    Namesake(String),
    /// The log cannot be read.
    #[error("the log cannot be read: {0}")]
    Log(String),
    /// Something that was sent did not arrive.
    #[error("what was sent to {topic} did not arrive: {why}")]
    Undelivered {
        /// Where to.
        topic: String,
        /// Why not.
        why: String,
    },
    /// An event cannot be told, and none after it may be told before.
    #[error("the relay stands still at {place}: {why}")]
    Untold {
        /// Which event.
        place: String,
        /// Why not.
        why: String,
    },
    /// The topic was told more than the log holds.
    #[error(
        "{topic} was told up to position {told} of this log, which ends at {head}: it is an old \
         copy. Bring the newer one back, or give this one topics of its own"
    )]
    Behind {
        /// The topic of events.
        topic: String,
        /// How far it was told.
        told: u64,
        /// Where the log ends.
        head: u64,
    },
    /// The operating system gives no thread.
    #[error("the operating system gives no thread")]
    Thread(#[source] std::io::Error),
}

impl From<store::StoreError> for Error {
    fn from(error: store::StoreError) -> Self {
        Self::Log(error.in_full())
    }
}

impl Error {
    /// Whether trying again cannot help: somebody must change something first.
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            Self::NeedsTls(_)
                | Self::Namesake(_)
                | Self::Topic { .. }
                | Self::Served { .. }
                | Self::Behind { .. }
        )
    }

    /// Somebody else has joined the group under our name. Once, it may have been ourselves: a broker
    /// that stood still answers each of the requests that we had given up. Again and again, it is
    /// another process of the same name, and one of the two is wrong.
    pub(crate) fn is_namesake(&self) -> bool {
        matches!(self, Self::Client { source, .. }
        if source.rdkafka_error_code() == Some(RDKafkaErrorCode::FencedInstanceId))
    }

    /// Another relay of the same log has begun.
    pub(crate) fn is_fenced(&self) -> bool {
        matches!(self, Self::Client { source: KafkaError::Transaction(error), .. }
        if matches!(
            error.code(),
            RDKafkaErrorCode::Fenced
                | RDKafkaErrorCode::ProducerFenced
                | RDKafkaErrorCode::InvalidProducerEpoch
        ))
    }

    /// What it says, and what its causes say.
    pub fn in_full(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(&format!(": {error}"));
            cause = error.source();
        }
        text
    }

    pub(crate) fn client(doing: &'static str) -> impl FnOnce(KafkaError) -> Self {
        move |source| match source.rdkafka_error_code() {
            Some(code) if is_forbidden(code) => Self::Forbidden { doing, what: code.to_string() },
            _ => Self::Client { doing, source },
        }
    }

    /// What a client says while brokers do not answer it: they may have refused it.
    pub(crate) fn denied(brokers: &str, code: RDKafkaErrorCode) -> Option<Self> {
        let why = match code {
            RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SaslAuthenticationFailed => {
                "they refuse the user name or the password (kafka.username, kafka.password_file), \
                 or do not take this way of saying it (kafka.security)"
            }
            RDKafkaErrorCode::SSL => {
                "no TLS with them: their certificate is not of an authority that is trusted here \
                 (kafka.ca_file), or not for this name (kafka.brokers), or they speak none \
                 (kafka.security)"
            }
            _ => return None,
        };
        Some(Self::Denied { brokers: brokers.to_owned(), why })
    }
}

/// Whether brokers say that it is not allowed.
pub(crate) fn is_forbidden(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed
    )
}
