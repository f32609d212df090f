//! What the calls were told is durable stands in the log in the end, the same and at its place,
//! whatever disks and powers failed.

use super::{Checker, Findings};
use crate::world::{Ending, Fact};
use schemas::call::CallEvent;
use schemas::{Position, Recorded, StreamId};
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Default)]
pub struct Told {
    told: BTreeMap<Position, (StreamId, u64)>,
}

fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

impl Checker for Told {
    fn says(&self) -> &'static str {
        "what was told is in the log"
    }

    fn see(&mut self, fact: &Fact<'_>, _: Duration, findings: &mut Findings) {
        let Fact::Durable(event) = fact else { return };
        let told = (event.stream, hash(&event.event.encode().body));
        match self.told.insert(event.position, told) {
            Some(before) if before != told => {
                findings.add(event.stream.as_call(), "two events at one position".to_owned());
            }
            _ => {}
        }
    }

    fn reread(&mut self, event: &Recorded<CallEvent>, body: &[u8], findings: &mut Findings) {
        let Some(told) = self.told.remove(&event.position) else { return };
        if told != (event.stream, hash(body)) {
            findings.add(event.stream.as_call(), "another event stands in its place".to_owned());
        }
    }

    fn close(&mut self, _: &Ending<'_>, findings: &mut Findings) {
        for (position, (stream, _)) in &self.told {
            let what = format!("the event at {} is lost", position.0);
            findings.add(stream.as_call(), what);
        }
    }
}
