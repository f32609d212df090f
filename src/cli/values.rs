//! Values on the command line, each with a sentence for what is wrong with it.

use super::Failure;
use crate::history::{History, Place};
use anyhow::anyhow;
use schemas::call::CallEvent;
use schemas::{CallId, Event, Position};
use std::ops::ControlFlow;
use std::str::FromStr;
use std::time::Duration;

/// Seconds, to the millisecond: `30`, `2.5`. At most a day.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Seconds {
    /// In milliseconds.
    pub ms: u32,
}

impl Seconds {
    /// As a duration.
    pub fn span(self) -> Duration {
        Duration::from_millis(self.ms.into())
    }
}

impl FromStr for Seconds {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim().parse::<f64>() {
            Ok(seconds) if (0.0..=86_400.0).contains(&seconds) => {
                // In range, so it fits.
                Ok(Self { ms: (seconds * 1000.0).round() as u32 })
            }
            _ => Err("write a number of seconds from 0 to 86400, such as 30 or 2.5"),
        }
    }
}

/// Something per second, above zero: `20`, `0.5`.
#[derive(Clone, Copy, PartialEq, PartialOrd, Debug)]
pub struct PerSecond(pub f64);

impl FromStr for PerSecond {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim().parse::<f64>() {
            Ok(rate) if (0.001..=100_000.0).contains(&rate) => Ok(Self(rate)),
            _ => Err("write a number above 0, at most 100000, such as 20 or 0.5"),
        }
    }
}

/// A call by its id, or by as much of the beginning as a table shows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum WhichCall {
    /// The whole id.
    Id(CallId),
    /// A beginning of it, at least four characters.
    Beginning(String),
}

impl WhichCall {
    /// The call there.
    ///
    /// # Errors
    /// No call begins so, or several do.
    pub fn find(&self, place: &Place) -> Result<CallId, Failure> {
        let start = match self {
            Self::Id(call) => return Ok(*call),
            Self::Beginning(start) => start,
        };
        let mut found = Vec::new();
        History::open(place)?.walk(Position(0), |_, recorded, _| {
            if let (Event::Call(CallEvent::CallRequested(_)), Some(call)) =
                (&recorded.event, recorded.stream.as_call())
                && call.to_string().starts_with(start)
            {
                found.push(call);
            }
            // Two are too many already.
            Ok(if found.len() < 2 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        match found[..] {
            [call] => Ok(call),
            [] => Err(Failure::Work(anyhow!("no call in {place} begins with {start}"))),
            _ => Err(Failure::Usage(format!(
                "several calls begin with {start}: write more of the id"
            ))),
        }
    }
}

impl FromStr for WhichCall {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim().to_ascii_lowercase();
        if let Some(call) = CallId::parse(&text) {
            return Ok(Self::Id(call));
        }
        let hex = text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
        match hex && (4..36).contains(&text.len()) {
            true => Ok(Self::Beginning(text)),
            false => Err("write a call's id (a UUID), or at least its first four characters"),
        }
    }
}
