//! A call that is folded anew from the log is the call that lives in memory: state and facts.

use super::{Checker, Findings};
use crate::world::{Fact, decoded};
use call::{Call, Options};
use schemas::call::CallEvent;
use schemas::{CallId, Revision, StreamId};
use std::sync::Arc;
use std::time::Duration;
use store::Reader;

#[derive(Default)]
pub struct Replay {
    options: Arc<Options>,
}

impl Replay {
    fn fold(&self, log: &dyn Reader, call: CallId) -> Result<Call, String> {
        let stored = log.read_stream(StreamId::call(call), Revision(0), 4_096);
        let stored = stored.map_err(|error| error.in_full())?;
        let mut events = stored.iter().filter_map(|stored| Some((stored.at, decoded(stored)?)));
        let Some((at, CallEvent::CallRequested(requested))) = events.next() else {
            return Err("it is not in the log".to_owned());
        };
        let (mut call, _) = Call::begin(Arc::new(*requested), at, &self.options);
        for (at, event) in events {
            call.evolve(&event, at).map_err(|illegal| illegal.to_string())?;
        }
        Ok(call)
    }
}

impl Checker for Replay {
    fn says(&self) -> &'static str {
        "replay is live"
    }

    fn see(&mut self, fact: &Fact<'_>, _: Duration, findings: &mut Findings) {
        let Fact::Looked { log, calls, .. } = fact else { return };
        for (id, live) in *calls {
            match self.fold(*log, *id) {
                Err(why) => findings.add(Some(*id), why),
                Ok(folded) if folded.state() != live.state() => {
                    let what = format!("{:?} in the log, {:?} live", folded.state(), live.state());
                    findings.add(Some(*id), what);
                }
                Ok(folded) if folded.facts() != live.facts() => {
                    findings.add(Some(*id), format!("other facts while {:?}", live.state()));
                }
                Ok(_) => {}
            }
        }
    }
}
