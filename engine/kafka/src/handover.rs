//! How a partition of the work goes from a node that is up to another one, without calls being cut
//! and without the group standing still.
//!
//! The group has its partition back at once: while a member holds on to one, nobody of the group
//! gets a partition, and librdkafka pauses all that the member has. What goes on is told beside it,
//! in the checkpoint's topic, which every node follows: "partition 4 drains here", again and again
//! until its last call has ended. Its next owner waits as long as it hears that. It is a courtesy: what
//! keeps two owners apart is the epoch of the partition in the log.

use crate::Options;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How often a node says that a partition drains with it.
pub(crate) const SAY_EVERY: Duration = Duration::from_secs(2);
/// A node that has not said it for so long is dead: its partitions are taken over.
const SILENT: Duration = Duration::from_secs(10);
/// What was written so long ago is none of a node that is up, whatever the clocks.
const OLD: Duration = Duration::from_secs(120);

/// The partitions that drain with other nodes.
pub(crate) struct Handovers {
    prefix: String,
    node: String,
    draining: HashMap<i32, Instant>,
}

impl Handovers {
    pub fn new(options: &Options) -> Self {
        let prefix = format!("draining/{}/", options.source());
        Self { prefix, node: options.node.clone(), draining: HashMap::new() }
    }

    /// What tells the others that a partition drains with us; without the value, that it does no
    /// more.
    pub fn record(&self, partition: u32) -> (String, String) {
        (format!("{}{partition}", self.prefix), json!({"node": self.node}).to_string())
    }

    /// A record of the topic that everybody follows, and when it was written, in milliseconds since
    /// 1970.
    pub fn hear(&mut self, key: &str, value: Option<&[u8]>, at: i64, now: Instant) {
        let partition = key.strip_prefix(&self.prefix).and_then(|number| number.parse().ok());
        let Some(partition) = partition else { return };
        let value: Option<Value> = value.and_then(|value| serde_json::from_slice(value).ok());
        let node = value.as_ref().and_then(|value| value["node"].as_str());
        let utc = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let is_old = utc.saturating_sub(at.max(0).unsigned_abs().into()) > OLD.as_millis();
        match node {
            Some(node) if node != self.node && !is_old => {
                self.draining.insert(partition, now);
            }
            _ => drop(self.draining.remove(&partition)),
        }
    }

    /// Whether it drains with another node that is up.
    pub fn is_held(&self, partition: i32, now: Instant) -> bool {
        let heard = self.draining.get(&partition);
        heard.is_some_and(|heard| now.saturating_duration_since(*heard) < SILENT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Partitions, Security, Topics};

    fn of(node: &str) -> Handovers {
        let name = |text: &str| text.to_owned();
        Handovers::new(&Options {
            brokers: String::new(),
            group: name("g"),
            node: name(node),
            topics: Topics {
                commands: name("c"),
                work: name("w"),
                events: name("e"),
                dead: name("d"),
                relay: name("r"),
            },
            keyed: false,
            partitions: Partitions::Group,
            security: Security::Plaintext,
            transactions: true,
        })
    }

    fn utc() -> i64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
    }

    #[test]
    fn a_partition_is_waited_for_while_its_node_says_that_it_drains() {
        let (them, mut us, now) = (of("n1"), of("n2"), Instant::now());
        let (key, value) = them.record(4);
        us.hear(&key, Some(value.as_bytes()), utc(), now);
        assert!(us.is_held(4, now) && !us.is_held(5, now));
        // Said again in time, and not again.
        us.hear(&key, Some(value.as_bytes()), utc(), now + SILENT / 2);
        assert!(us.is_held(4, now + SILENT));
        assert!(!us.is_held(4, now + SILENT * 2));
        us.hear(&key, Some(value.as_bytes()), utc(), now);
        us.hear(&key, None, utc(), now);
        assert!(!us.is_held(4, now));
    }

    #[test]
    fn our_own_word_an_old_one_and_one_about_other_topics_hold_nothing() {
        let (them, mut us, now) = (of("n1"), of("n2"), Instant::now());
        let (key, value) = us.record(4);
        us.hear(&key, Some(value.as_bytes()), utc(), now);
        let (key, value) = them.record(4);
        us.hear(&key, Some(value.as_bytes()), utc() - 200_000, now);
        us.hear("draining/x/4", Some(value.as_bytes()), utc(), now);
        us.hear(&key, Some(b"{"), utc(), now);
        assert!(!us.is_held(4, now));
    }
}
