//! When all is done nothing is held: no lane, no leg, no stream, no timer, no promise.

use super::{Checker, Findings};
use crate::world::Ending;

#[derive(Default)]
pub struct Leaks;

impl Checker for Leaks {
    fn says(&self) -> &'static str {
        "nothing leaks"
    }

    fn close(&mut self, end: &Ending<'_>, findings: &mut Findings) {
        let held = &end.held.of_calls;
        let mut held = vec![
            ("calls", held.calls as u64),
            ("lanes", held.lanes.into()),
            ("lanes of gateways", held.gateways.iter().map(|lanes| u64::from(*lanes)).sum()),
            ("lanes of lists", held.batches.iter().map(|lanes| u64::from(*lanes)).sum()),
            ("timers", held.timers as u64),
            ("redials", held.redials as u64),
        ];
        let of_node = &end.held;
        held.extend([
            ("legs", of_node.legs as u64),
            ("streams", of_node.streams as u64),
            ("commands", of_node.commands as u64),
        ]);
        for (what, count) in held.into_iter().filter(|(_, count)| *count > 0) {
            findings.add(None, format!("{count} {what} are held in the end"));
        }
    }
}
