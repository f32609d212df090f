//! The engine's desk, as commands from topics meet it.

use crate::service::desk::{self, Desk};
use kafka::{Busy, Reply, Verdict};
use node::vault::NodeVault;
use schemas::call::CallEvent;
use schemas::commands::Command;
use schemas::{CallId, CalleeKey, CommandId, Event, Pseudonyms, Revision, StreamId};
use std::sync::Arc;
use store::Reader;
use switchboard::Answer;

/// The desk, with the log and the secrets that tell whose a command is.
pub struct AtDesk {
    /// Takes commands in.
    pub desk: Arc<Desk>,
    /// The log.
    pub reader: Arc<dyn Reader>,
    /// Names callees.
    pub vault: NodeVault,
}

impl kafka::Desk for AtDesk {
    fn callee_of(&self, phone: &str) -> CalleeKey {
        self.vault.callee_key(phone)
    }

    fn callee_of_call(&self, call: CallId) -> Result<Option<CalleeKey>, String> {
        let first = self.reader.read_stream(StreamId::call(call), Revision(0), 1);
        let first = first.map_err(|error| error.in_full())?;
        let Some(stored) = first.first() else { return Ok(None) };
        let encoded = &stored.encoded;
        match Event::decode(encoded.kind, encoded.version, &encoded.body) {
            Ok(Event::Call(CallEvent::CallRequested(requested))) => Ok(Some(requested.callee)),
            Ok(_) => Err(format!("call {call} does not begin with its request")),
            Err(error) => Err(format!("call {call}: {error}")),
        }
    }

    fn submit(
        &self,
        command: Command,
        cancelled_by: Option<CommandId>,
        _partition: Option<u32>,
        reply: Reply,
    ) -> Result<(), Busy> {
        let reply: desk::Reply = Box::new(|answer| reply(verdict(answer)));
        let submitted = match cancelled_by {
            Some(by) => self.desk.submit_cancelled(command, by, reply),
            None => self.desk.submit(command, reply),
        };
        submitted.map_err(|busy| match busy {
            desk::Busy::Full => Busy::Full,
            desk::Busy::Stopping => Busy::Stopping,
        })
    }
}

fn verdict(answer: Answer) -> Verdict {
    match answer {
        Answer::Accepted(_) => Verdict::Taken,
        Answer::Repeated(_) => Verdict::Repeated,
        Answer::Conflict(_) => Verdict::Conflict,
        Answer::NoSuchCall(_) => Verdict::NoSuchCall,
        Answer::Refused(why) => Verdict::Refused(why),
        Answer::Stopping | Answer::NotOurs => Verdict::Stopping,
    }
}
