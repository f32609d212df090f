//! What was really done to a run, counted: a fault that was planned and hit nothing proves nothing.

use std::collections::BTreeMap;

/// A kind of fault, as it is counted when it hits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Injury {
    /// A datagram was lost.
    Lost,
    /// A datagram came twice.
    Doubled,
    /// A datagram came late, behind others.
    Late,
    /// A datagram came that nobody meant.
    Noise,
    /// A datagram met a carrier that could not be reached.
    Unreachable,
    /// The network said that a carrier could not be reached.
    TransportFailed,
    /// A carrier started again and forgot its calls.
    CarrierRestarted,
    /// A carrier took no more INVITEs in a second.
    OverLimit,
    /// A carrier found no way to a callee.
    NoWay,
    /// A callee or its carrier did what the standard does not want, or what comes badly: a late
    /// 200, a fork, a wrong body, a deaf ear.
    BadManners,
    /// The process died.
    Died,
    /// The power went.
    PowerCut,
    /// The process was stopped in order, with calls up.
    Stopped,
    /// The process stood still.
    Frozen,
    /// A process started with a clock that was set.
    ClockSet,
    /// A sync took two seconds.
    SlowSync,
    /// A sync failed.
    FailedSync,
    /// A write was taken in part.
    ShortWrite,
    /// A write found no room.
    DiskFull,
    /// The disk died in the middle of an operation.
    DiskDied,
    /// A stream found no port.
    NoPort,
    /// A stream failed.
    MediaFailed,
    /// The report of a stream never came.
    ReportLost,
    /// A command was given again.
    CommandRepeated,
    /// A partition went to another node while both were well.
    PartitionMoved,
    /// A partition went to another node since its own was not heard of.
    TakenOver,
    /// A node that had been followed by another heard so.
    PartitionLost,
    /// What a node that had been followed by another wrote was refused.
    Fenced,
    /// The brokers were away.
    BrokersAway,
    /// The relay died where it stood.
    RelayDied,
}

impl Injury {
    /// Every kind.
    pub const ALL: [Self; 30] = [
        Self::Lost,
        Self::Doubled,
        Self::Late,
        Self::Noise,
        Self::Unreachable,
        Self::TransportFailed,
        Self::CarrierRestarted,
        Self::OverLimit,
        Self::NoWay,
        Self::BadManners,
        Self::Died,
        Self::PowerCut,
        Self::Stopped,
        Self::Frozen,
        Self::ClockSet,
        Self::SlowSync,
        Self::FailedSync,
        Self::ShortWrite,
        Self::DiskFull,
        Self::DiskDied,
        Self::NoPort,
        Self::MediaFailed,
        Self::ReportLost,
        Self::CommandRepeated,
        Self::PartitionMoved,
        Self::TakenOver,
        Self::PartitionLost,
        Self::Fenced,
        Self::BrokersAway,
        Self::RelayDied,
    ];

    /// What people and JSON read.
    pub fn word(self) -> &'static str {
        match self {
            Self::Lost => "datagrams_lost",
            Self::Doubled => "datagrams_doubled",
            Self::Late => "datagrams_late",
            Self::Noise => "datagrams_of_noise",
            Self::Unreachable => "datagrams_to_nobody",
            Self::TransportFailed => "transport_failures",
            Self::CarrierRestarted => "carrier_restarts",
            Self::OverLimit => "invites_over_limit",
            Self::NoWay => "invites_without_a_way",
            Self::BadManners => "bad_manners",
            Self::Died => "process_crashes",
            Self::PowerCut => "power_cuts",
            Self::Stopped => "stops_in_order",
            Self::Frozen => "freezes",
            Self::ClockSet => "clocks_set",
            Self::SlowSync => "slow_syncs",
            Self::FailedSync => "failed_syncs",
            Self::ShortWrite => "short_writes",
            Self::DiskFull => "full_disks",
            Self::DiskDied => "dead_disks",
            Self::NoPort => "streams_without_port",
            Self::MediaFailed => "streams_failed",
            Self::ReportLost => "reports_lost",
            Self::CommandRepeated => "commands_repeated",
            Self::PartitionMoved => "partitions_moved",
            Self::TakenOver => "partitions_taken_over",
            Self::PartitionLost => "partitions_lost",
            Self::Fenced => "zombies_fenced",
            Self::BrokersAway => "brokers_away",
            Self::RelayDied => "relays_died",
        }
    }

    /// Whether it befell the network, a carrier or the media, and not the engine.
    pub fn is_around(self) -> bool {
        matches!(
            self,
            Self::Lost
                | Self::Doubled
                | Self::Late
                | Self::Noise
                | Self::Unreachable
                | Self::TransportFailed
                | Self::CarrierRestarted
                | Self::OverLimit
                | Self::NoWay
                | Self::NoPort
                | Self::MediaFailed
                | Self::ReportLost
        )
    }

    /// Whether it befalls nodes that share the work alone.
    pub fn is_among_nodes(self) -> bool {
        matches!(
            self,
            Self::PartitionMoved
                | Self::TakenOver
                | Self::PartitionLost
                | Self::Fenced
                | Self::BrokersAway
                | Self::RelayDied
        )
    }

    /// Whether it ends the process: what comes after is a recovery.
    pub fn is_crash(self) -> bool {
        matches!(
            self,
            Self::Died | Self::PowerCut | Self::FailedSync | Self::DiskFull | Self::DiskDied
        )
    }
}

/// How often each kind hit.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Injected(BTreeMap<Injury, u64>);

impl Injected {
    /// One more.
    pub fn count(&mut self, injury: Injury) {
        self.add(injury, 1);
    }

    /// So many more.
    pub fn add(&mut self, injury: Injury, count: u64) {
        if count > 0 {
            *self.0.entry(injury).or_default() += count;
        }
    }

    /// How often a kind hit.
    pub fn of(&self, injury: Injury) -> u64 {
        self.0.get(&injury).copied().unwrap_or(0)
    }

    /// Adds what another run counted.
    pub fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|(injury, count)| self.add(*injury, *count));
    }

    /// Every kind that hit, and how often.
    pub fn each(&self) -> impl Iterator<Item = (Injury, u64)> + '_ {
        self.0.iter().map(|(injury, count)| (*injury, *count))
    }

    /// How many there were of all kinds.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// How many of them were the network's, the carriers' and the media's.
    pub fn around(&self) -> u64 {
        self.each().filter(|(injury, _)| injury.is_around()).map(|(_, count)| count).sum()
    }

    /// After how many of them the engine recovered.
    pub fn crashes(&self) -> u64 {
        self.each().filter(|(injury, _)| injury.is_crash()).map(|(_, count)| count).sum()
    }
}
