//! How a carrier behaves.

use super::{Faults, Login, Timers};
use crate::callee::{Challenge, Mix};
use std::net::SocketAddr;
use std::time::Duration;

/// How a carrier behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// The address that its Contact and Via show.
    pub here: SocketAddr,
    /// All chance comes from here.
    pub seed: u64,
    /// How long a second of the number grammar lasts, in milliseconds: 1000, unless a test is in a
    /// hurry.
    pub second_ms: u32,
    /// How the callees behave whose numbers choose nothing.
    pub mix: Mix,
    /// What time of day it is where they live at time zero; at all hours alike when absent.
    pub begins_at: Option<Duration>,
    /// What is wrong with the line.
    pub faults: Faults,
    /// The timers of RFC 3261.
    pub timers: Timers,
    /// Who may call, where that is asked.
    pub login: Login,
    /// What every INVITE is asked for, beside what its number asks.
    pub challenge: Challenge,
    /// What every REGISTER is asked for.
    pub register_challenge: Challenge,
    /// The most calls at one time; beyond, INVITEs get 503.
    pub calls_max: usize,
    /// The longest life of a call; then 480, or a BYE.
    pub call_max: Duration,
    /// How many entries that are done the ledger keeps.
    pub entries_max: usize,
    /// How many numbers are remembered as called before. Those beyond are new every time.
    pub numbers_max: usize,
    /// Milliseconds since the Unix epoch at time zero; 0 in simulation.
    pub epoch_ms: u64,
}

impl Options {
    /// A quiet line, the usual mix, nobody asked for a password.
    pub fn new(here: SocketAddr) -> Self {
        Self {
            here,
            seed: 1,
            second_ms: 1_000,
            mix: Mix::default(),
            begins_at: None,
            faults: Faults::default(),
            timers: Timers::default(),
            login: Login::default(),
            challenge: Challenge::default(),
            register_challenge: Challenge::default(),
            calls_max: 100_000,
            call_max: Duration::from_secs(3_600),
            entries_max: 100_000,
            numbers_max: 1 << 20,
            epoch_ms: 0,
        }
    }
}
