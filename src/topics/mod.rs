//! Topics: the configuration, made what the Kafka crate takes; and the engine, as it is met there.

mod desk;

pub use desk::{AtDesk, News};

use crate::config::{KafkaConfig, Partitions, Security};
use anyhow::Result;

/// Brokers, topics and names of the configuration.
///
/// # Errors
/// A password cannot be read.
pub fn options(kafka: &KafkaConfig, node: &str) -> Result<kafka::Options> {
    Ok(kafka::Options {
        brokers: kafka.brokers.clone(),
        group: kafka.group.clone(),
        node: node.to_owned(),
        topics: kafka::Topics {
            commands: kafka.commands.clone(),
            work: kafka.work.clone(),
            events: kafka.events.clone(),
            dead: kafka.dead.clone(),
            relay: kafka.relay.clone(),
        },
        keyed: kafka.keyed,
        partitions: match kafka.partitions {
            Partitions::All => kafka::Partitions::All,
            Partitions::Range(first, last) => kafka::Partitions::Range(first, last),
            Partitions::Group => kafka::Partitions::Group,
        },
        security: security(&kafka.security)?,
        transactions: kafka.transactions,
    })
}

fn security(security: &Security) -> Result<kafka::Security> {
    Ok(match security {
        Security::Plaintext => kafka::Security::Plaintext,
        Security::Tls { ca_file, certificate } => kafka::Security::Tls {
            ca_file: ca_file.clone(),
            certificate: certificate
                .as_ref()
                .map(|(certificate, key)| (certificate.clone(), key.0.clone())),
        },
        Security::Sasl { scram, tls, ca_file, username, password_file } => kafka::Security::Sasl {
            scram: *scram,
            tls: *tls,
            ca_file: ca_file.clone(),
            username: username.clone(),
            password: kafka::Password(password_file.read()?.reveal().to_owned()),
        },
    })
}
