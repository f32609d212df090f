//! Several nodes on one log that share the work.

use super::random::Roll;
use super::{Boundary, Plan, Wish, text};
use crate::seed::Dice;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Nodes that share a log, and partitions of the work among them.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Together {
    /// How many nodes.
    pub nodes: u8,
    /// How many partitions the work has, and the topic of events.
    pub partitions: u32,
    /// Whether the brokers have transactions.
    pub transactions: bool,
    /// What goes wrong among them.
    pub troubles: Vec<Trouble>,
}

/// Something that goes wrong at a moment.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Trouble {
    /// When.
    #[serde(with = "text::seconds")]
    pub at: Duration,
    /// What.
    pub what: Kind,
}

/// What goes wrong among nodes.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Kind {
    /// A node's process dies at its next boundary of this kind.
    Crash {
        /// Which node.
        node: u8,
        /// Where it dies.
        before: Boundary,
        /// How long it is down.
        #[serde(with = "text::seconds")]
        down: Duration,
    },
    /// A node stands still, and wakes up later as if nothing had been.
    Pause {
        /// Which node.
        node: u8,
        /// For how long.
        #[serde(with = "text::seconds")]
        lasts: Duration,
    },
    /// The group gives a partition to another node.
    Move {
        /// Which.
        partition: u32,
        /// To whom.
        to: u8,
    },
    /// The brokers cannot be reached by anybody.
    BrokersAway(#[serde(with = "text::seconds")] Duration),
    /// The relay dies where it stands and begins again.
    RelayDies,
}

impl Plan {
    /// A small world of several nodes, in which what can go wrong among them does.
    pub fn among_nodes(seed: u64, calls: u32, wish: Wish) -> Self {
        let mut dice = Dice::new(seed ^ 0x0061_6d6f_6e67);
        let mut plan = Self::quiet(seed);
        let mut roll = Roll(&mut dice);
        plan.node.calls_max = 200;
        plan.node.sync_us = roll.one_of(&[(300, 2_000), (1_000, 20_000), (5_000, 300_000)]);
        let gateways = roll.one_of(&[1, 2]);
        plan.gateways = (0..gateways).map(|place| roll.gateway(place, Wish::default())).collect();
        plan.gateways.iter_mut().for_each(|gateway| gateway.lanes = 100);
        let names: Vec<String> = plan.gateways.iter().map(|g| g.name.clone()).collect();
        plan.calls = (0..calls).map(|place| roll.call(place, &names)).collect();
        plan.calls.sort_by_key(|call| call.at);
        if wish.carrier {
            plan.weather.jitter_us = 30_000;
            plan.weather.lost = roll.one_of(&[0, 50, 200]);
            plan.weather.doubled = roll.one_of(&[0, 100]);
        }
        let nodes = roll.one_of(&[2, 3]);
        let partitions = roll.one_of(&[1, 2, 5]);
        let count = if wish.crash { roll.between(3, 12) } else { 0 };
        let mut troubles: Vec<Trouble> = (0..count)
            .map(|_| Trouble { at: roll.moment(), what: roll.trouble(nodes, partitions) })
            .collect();
        troubles.sort_by_key(|trouble| trouble.at);
        let transactions = roll.in_10(5);
        plan.together = Some(Together { nodes, partitions, transactions, troubles });
        plan
    }
}

impl Roll<'_> {
    fn trouble(&mut self, nodes: u8, partitions: u32) -> Kind {
        let node = self.between(0, u64::from(nodes) - 1) as u8;
        match self.between(0, 9) {
            0..=2 => Kind::Crash {
                node,
                before: self.one_of(&Boundary::ALL),
                down: self.one_of(&[1, 6, 25].map(Duration::from_secs)),
            },
            3..=5 => {
                Kind::Pause { node, lasts: self.one_of(&[2, 12, 20, 45].map(Duration::from_secs)) }
            }
            6 | 7 => {
                let partition = self.between(0, u64::from(partitions) - 1) as u32;
                Kind::Move { partition, to: node }
            }
            8 => Kind::BrokersAway(self.seconds(1, 20)),
            _ => Kind::RelayDies,
        }
    }
}
