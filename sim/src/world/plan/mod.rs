//! What a world is made of: all that a run follows from, beside the code.
//!
//! A plan is a value. It is rolled from a seed ([`Plan::small`], [`Plan::large`]), written down and
//! read as text (`text`), and cut smaller while it still fails ([`crate::shrink`]). What a plan
//! leaves to chance (the fate of each message) hangs on its seed and on whose message it is, so
//! that leaving one call out moves nothing for the others.

mod bursts;
mod day;
mod random;
mod text;
mod together;

pub use bursts::BurstPlan;
pub use day::Day;
pub use random::Wish;
pub use text::PlanError;
pub use together::{Kind, Together, Trouble};

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// All that a run follows from.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Plan {
    /// Feeds the dice.
    pub seed: u64,
    /// The engine.
    pub node: NodePlan,
    /// Its carriers, best first.
    pub gateways: Vec<GatewayPlan>,
    /// What time of day it is where the callees live when the world begins: fewer answer at night.
    /// At all hours alike when absent.
    #[serde(default, with = "text::seconds_if_any", skip_serializing_if = "Option::is_none")]
    pub begins_at: Option<Duration>,
    /// Of a hundred callees whose numbers choose nothing so many get a 503 from whatever carrier; as
    /// the usual mix has it when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub congested: Option<u32>,
    /// The network between them.
    pub weather: Weather,
    /// How often media fails.
    pub media: MediaPlan,
    /// What is asked for by commands.
    pub calls: Vec<CallPlan>,
    /// What is asked for by a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub list: Option<ListPlan>,
    /// What is asked for by many more commands, made up as they are needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bursts: Option<BurstPlan>,
    /// What goes wrong, and when.
    pub faults: Vec<FaultPlan>,
    /// Several nodes that share a log and the work; one on a log of its own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub together: Option<Together>,
}

/// How the engine is set up.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct NodePlan {
    /// The most calls at once.
    pub calls_max: u32,
    /// Bytes of a segment of its log.
    pub segment_bytes: u32,
    /// How long a sync of its disk takes, from and to, in microseconds.
    pub sync_us: (u32, u32),
}

impl Default for NodePlan {
    fn default() -> Self {
        Self { calls_max: 100, segment_bytes: 64 << 20, sync_us: (200, 1_000) }
    }
}

/// A carrier, and how the engine may use it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct GatewayPlan {
    /// Its name.
    pub name: String,
    /// The most calls at once that the engine may have there.
    pub lanes: u32,
    /// The most INVITEs a second that the engine may send it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_second: Option<f64>,
    /// The most INVITEs a second that it takes; those beyond get 503. 0: all.
    pub takes_per_second: u32,
    /// Of how many callees in 10,000 it says 503: it finds no way to them. Another carrier may.
    pub refuses: u32,
    /// How often the engine asks whether it is alive.
    #[serde(with = "text::seconds_if_any", skip_serializing_if = "Option::is_none")]
    pub options_every: Option<Duration>,
    /// Whether it asks for a password before it takes a call.
    pub challenges: bool,
}

impl GatewayPlan {
    /// A carrier that takes all, with room for a hundred calls.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            lanes: 100,
            per_second: None,
            takes_per_second: 0,
            refuses: 0,
            options_every: None,
            challenges: false,
        }
    }
}

/// What the network does to datagrams, each way. Rates are of 10,000.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Weather {
    /// The least time that a datagram takes, in microseconds.
    pub delay_us: u32,
    /// What chance adds to that at most: datagrams overtake each other.
    pub jitter_us: u32,
    /// Lost.
    pub lost: u32,
    /// Doubled.
    pub doubled: u32,
    /// Held back for up to two seconds.
    pub late: u32,
    /// Followed by a datagram that nobody meant: a mangled copy, or rubbish.
    pub noise: u32,
}

impl Default for Weather {
    fn default() -> Self {
        Self { delay_us: 20_000, jitter_us: 0, lost: 0, doubled: 0, late: 0, noise: 0 }
    }
}

/// How often media fails, of 10,000 streams.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct MediaPlan {
    /// No port is left.
    pub no_port: u32,
    /// It fails in the middle.
    pub fails: u32,
    /// Its last report never comes.
    pub report_lost: u32,
}

/// What a call is to be: the terms that a command gives, or a list for all its rows.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Terms {
    /// How long it may ring.
    #[serde(with = "text::seconds")]
    pub ring: Duration,
    /// How long it may last.
    #[serde(with = "text::seconds")]
    pub talk: Duration,
    /// How many calls it may take.
    pub attempts: u16,
    /// How long after a call's end the next is due; by the outcome's rule when absent.
    #[serde(with = "text::seconds_if_any", skip_serializing_if = "Option::is_none")]
    pub redial: Option<Duration>,
    /// How long a prompt is played after the answer; none when absent.
    #[serde(with = "text::seconds_if_any", skip_serializing_if = "Option::is_none")]
    pub prompt: Option<Duration>,
}

impl Default for Terms {
    fn default() -> Self {
        let [ring, talk] = [30, 5].map(Duration::from_secs);
        Self { ring, talk, attempts: 1, redial: None, prompt: None }
    }
}

/// A command, and what its giver does about it.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct CallPlan {
    /// When it is given.
    #[serde(with = "text::seconds")]
    pub at: Duration,
    /// The number.
    pub to: String,
    /// The terms.
    pub terms: Terms,
    /// The one gateway, when one is wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
    /// Whether it goes before the others.
    pub urgent: bool,
    /// Not to be dialled before this moment.
    #[serde(with = "text::seconds_if_any", skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Duration>,
    /// Not to be dialled after this moment.
    #[serde(with = "text::seconds_if_any", skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Duration>,
    /// How many more times it is given although it was answered.
    pub repeats: u8,
    /// Whether it is given twice in one breath, before anybody can have answered.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub twice: bool,
    /// When the call is to be ended, and whether only if nobody has answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<EndPlan>,
}

/// A call is asked to end.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EndPlan {
    /// When.
    #[serde(with = "text::seconds")]
    pub at: Duration,
    /// Whether only when nobody has answered.
    pub only_unanswered: bool,
}

/// A list of numbers that are dialled at a pace.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ListPlan {
    /// The numbers.
    pub numbers: Numbers,
    /// The terms of all its calls.
    pub terms: Terms,
    /// The most calls that start a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_second: Option<f64>,
    /// The most calls at once.
    pub lanes: u32,
}

/// The numbers of a list.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Numbers {
    /// These.
    Told(Vec<String>),
    /// So many, made up as they are needed; of every `of` the shard keeps its own.
    Made {
        /// How many, over all shards.
        count: u32,
        /// Which shard this is.
        shard: u32,
        /// How many shards there are.
        of: u32,
    },
}

impl Numbers {
    /// Each with its line.
    pub fn each(&self) -> Box<dyn Iterator<Item = (u32, String)> + '_> {
        match self {
            Self::Told(numbers) => Box::new((1..).zip(numbers.iter().cloned())),
            Self::Made { count, shard, of } => {
                let own = move |line: &u32| line % *of == *shard;
                Box::new((1..=*count).filter(own).map(|line| (line, made_number(line))))
            }
        }
    }

    /// How many.
    pub fn count(&self) -> u32 {
        match self {
            Self::Told(numbers) => numbers.len() as u32,
            Self::Made { count, shard, of } => {
                (1..=*count).filter(|n| n % of == *shard).count() as u32
            }
        }
    }
}

/// A number that no other line has: the factor has none in common with 10^9.
pub fn made_number(line: u32) -> String {
    format!("+8613{:09}", u64::from(line) * 618_033_987 % 1_000_000_000)
}

/// Something that goes wrong at a moment.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FaultPlan {
    /// When, or from when on.
    #[serde(with = "text::seconds")]
    pub at: Duration,
    /// What.
    pub what: Mishap,
}

/// What goes wrong.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Mishap {
    /// The engine dies at the next boundary of this kind, and starts again later.
    Crash {
        /// Where it dies.
        before: Boundary,
        /// Whether the machine loses its power: what was not synced is lost or torn.
        power: bool,
        /// How long it is down.
        #[serde(with = "text::seconds")]
        down: Duration,
    },
    /// The engine is told to stop, and starts again later.
    Stop {
        /// How long it is down.
        #[serde(with = "text::seconds")]
        down: Duration,
    },
    /// The engine's process does nothing for so long.
    Freeze(#[serde(with = "text::seconds")] Duration),
    /// The engine's machine has its clock set so many milliseconds ahead of the truth.
    Clock(i64),
    /// A carrier cannot be reached.
    Outage {
        /// Which, by its place.
        gateway: usize,
        /// Whether the network says so (ICMP), or nothing comes back.
        told: bool,
        /// For how long.
        #[serde(with = "text::seconds")]
        lasts: Duration,
    },
    /// A carrier starts again and has forgotten its calls.
    CarrierRestart(usize),
    /// Syncs take two seconds.
    SlowDisk(#[serde(with = "text::seconds")] Duration),
    /// The next sync fails.
    FailedSync,
    /// Writes are taken in pieces.
    ShortWrites(#[serde(with = "text::seconds")] Duration),
    /// There is no room left.
    FullDisk(#[serde(with = "text::seconds")] Duration),
    /// The disk takes so many more operations, then the power goes.
    DeadDisk(u32),
}

/// Where in its work an engine can die.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Boundary {
    /// A message is there and was not looked at.
    Receive,
    /// A command is there and was not looked at.
    Command,
    /// A batch was handed over and nothing of it is written.
    Write,
    /// It is written and not synced.
    Sync,
    /// It is durable and nobody was told.
    Acknowledge,
    /// The calls have moved, and what they ask for is not done.
    Effect,
    /// A message is written and has not left.
    Send,
    /// A command is durable and its giver was not told.
    Answer,
}

impl Boundary {
    /// Every boundary.
    pub const ALL: [Self; 8] = [
        Self::Receive,
        Self::Command,
        Self::Write,
        Self::Sync,
        Self::Acknowledge,
        Self::Effect,
        Self::Send,
        Self::Answer,
    ];

    /// Its word in a plan.
    pub fn word(self) -> &'static str {
        match self {
            Self::Receive => "receive",
            Self::Command => "command",
            Self::Write => "write",
            Self::Sync => "sync",
            Self::Acknowledge => "acknowledge",
            Self::Effect => "effect",
            Self::Send => "send",
            Self::Answer => "answer",
        }
    }

    /// The boundary of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|boundary| boundary.word() == word)
    }
}

impl Default for Plan {
    fn default() -> Self {
        Self::quiet(1)
    }
}

impl Default for GatewayPlan {
    fn default() -> Self {
        Self::new("a")
    }
}

impl Plan {
    /// A world without calls and faults.
    pub fn quiet(seed: u64) -> Self {
        Self {
            seed,
            node: NodePlan::default(),
            gateways: vec![GatewayPlan::new("a")],
            begins_at: None,
            congested: None,
            weather: Weather::default(),
            media: MediaPlan::default(),
            calls: Vec::new(),
            list: None,
            bursts: None,
            faults: Vec::new(),
            together: None,
        }
    }

    /// How many calls it asks for, redials not counted.
    pub fn count(&self) -> u32 {
        let of_list = self.list.as_ref().map_or(0, |list| list.numbers.count());
        let of_bursts = self.bursts.as_ref().map_or(0, |bursts| bursts.each().count() as u32);
        self.calls.len() as u32 + of_list + of_bursts
    }
}
