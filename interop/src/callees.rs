//! Who is called: numbers that end as the simulated carrier reads them, and the carrier itself.

use sim::carrier::{Carrier, CarrierHandle, Options};
use std::net::SocketAddr;

/// What the callees do, by the ends of their numbers: rings and answers, answers at once, rings for
/// ever, hangs up, is busy, answers across a CANCEL, asks for a PRACK.
pub const KINDS: [&str; 7] =
    ["99920005", "99911100", "99918000", "99921120", "99948605", "99980100", "99919005"];

/// The carrier on a free port of this machine, whose callees live ten times as fast as their
/// numbers say.
pub fn quick_carrier() -> CarrierHandle {
    let mut options = Options::new(SocketAddr::from(([127, 0, 0, 1], 0)));
    options.behaviour.second_ms = 100;
    Carrier::start(options).expect("the carrier starts")
}
