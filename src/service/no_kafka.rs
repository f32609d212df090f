//! A build without Kafka: a configuration that asks for it is refused.

use super::desk::Desk;
use super::http::Door;
use crate::config::Config;
use anyhow::{Result, bail};
use media::prompt::Prompts;
use node::Node;
use std::sync::Arc;
use switchboard::PartitionNews;

/// No topics.
pub struct Topics;

impl Topics {
    /// There is nothing to start.
    ///
    /// # Errors
    /// The configuration names topics.
    pub fn start(config: &Config, _: &Node, _: &Arc<Desk>, _: Prompts, _: &Door) -> Result<Self> {
        if config.kafka.is_some() {
            bail!(
                "[kafka] needs a build with the feature `kafka`, which is on by default; or delete the section"
            );
        }
        Ok(Self)
    }

    /// Nothing goes wrong.
    pub fn fault(&self) -> Option<String> {
        None
    }

    /// Nobody shares partitions.
    pub fn partition(&self, _: u32, _: PartitionNews) {}

    /// Nothing is taken.
    pub fn stop_taking(&self) {}

    /// Nothing was taken.
    pub fn has_stopped_taking(&self) -> bool {
        true
    }

    /// Nothing ends.
    pub fn stop(self) {}
}
