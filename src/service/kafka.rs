//! Commands from topics and events to them, beside the rest of the service.

use super::desk::Desk;
use crate::config::Config;
use crate::topics::{AtDesk, options};
use anyhow::{Result, anyhow};
use kafka::{Parts, Service};
use node::Node;
use std::sync::Arc;
use std::time::Duration;

/// How long the last events may take to reach the topic when the service ends.
const LAST_EVENTS: Duration = Duration::from_secs(10);

/// The topics, when the configuration names any.
pub struct Topics(Option<Service>);

impl Topics {
    /// Starts.
    ///
    /// # Errors
    /// The topics do not fit the configuration, or another store serves them.
    pub fn start(config: &Config, node: &Node, desk: &Arc<Desk>) -> Result<Self> {
        let Some(kafka) = &config.kafka else { return Ok(Self(None)) };
        let (reader, vault) = (node.reader.clone(), node.vault.clone());
        let at_desk = AtDesk { desk: desk.clone(), reader: reader.clone(), vault: vault.clone() };
        let parts = Parts {
            options: options(kafka, &config.node.name)?,
            store: node.log_id().to_string(),
            reader,
            vault: Box::new(vault),
            include: config.include,
            numbering: config.defaults.numbering,
            desk: Arc::new(at_desk),
        };
        let service = Service::start(parts).map_err(|error| anyhow!(error.in_full()))?;
        Ok(Self(Some(service)))
    }

    /// What nobody but a person can mend.
    pub fn fault(&self) -> Option<String> {
        self.0.as_ref()?.fault()
    }

    /// Takes no more commands.
    pub fn stop_taking(&self) {
        self.0.iter().for_each(Service::stop_taking);
    }

    /// Whether nothing is taken any more.
    pub fn has_stopped_taking(&self) -> bool {
        self.0.as_ref().is_none_or(Service::has_stopped_taking)
    }

    /// Tells the last events, and ends.
    pub fn stop(self) {
        if let Some(service) = self.0 {
            service.stop(LAST_EVENTS);
        }
    }
}
