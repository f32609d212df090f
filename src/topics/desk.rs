//! The engine's desk, as commands from topics meet it.

use crate::service::desk::{self, Desk};
use kafka::{Busy, Reply, Verdict};
use media::prompt::Prompts;
use node::Asker;
use schemas::call::CallEvent;
use schemas::commands::Command;
use schemas::{CallId, CalleeKey, CommandId, Event, Pseudonyms, Revision, StreamId};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use store::Reader;
use store::keys::NodeVault;
use switchboard::{Answer, GiveUp, PartitionNews};

/// The desk, with the log and the secrets that tell whose a command is.
pub struct AtDesk {
    /// Takes commands in.
    pub desk: Arc<Desk>,
    /// The log.
    pub reader: Arc<dyn Reader>,
    /// Names callees.
    pub vault: NodeVault,
    /// The shard, for partitions.
    pub asker: Asker,
    /// What can be played.
    pub prompts: Prompts,
    /// What became of partitions.
    pub news: Arc<News>,
}

/// What became of partitions, from the loop that hears it to the thread that asks.
#[derive(Default)]
pub struct News {
    gone: Mutex<Vec<u32>>,
    failed: Mutex<Vec<(Instant, u32)>>,
}

/// A partition that could not be taken over is tried again after so long.
const AGAIN: Duration = Duration::from_secs(1);

impl News {
    /// Takes note of it.
    pub fn heard(&self, partition: u32, news: PartitionNews) {
        match news {
            PartitionNews::Owned { open } => tracing::info!(partition, open, "owned"),
            PartitionNews::Failed(why) => {
                tracing::warn!(partition, why, "cannot be taken over: again soon");
                locked(&self.failed).push((Instant::now() + AGAIN, partition));
            }
            PartitionNews::GivenUp => locked(&self.gone).push(partition),
            PartitionNews::Lost { epoch } => {
                tracing::warn!(partition, epoch, "another node has taken it over");
                locked(&self.gone).push(partition);
            }
        }
    }
}

fn locked<T>(list: &Mutex<T>) -> MutexGuard<'_, T> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
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
        partition: Option<u32>,
        reply: Reply,
    ) -> Result<(), Busy> {
        if let Command::PlaceCall(call) = &command
            && let Some(name) = call.prompt.as_deref().filter(|n| self.prompts.get(n).is_none())
        {
            reply(Verdict::Refused(format!("there is no prompt named {name}")));
            return Ok(());
        }
        let reply: desk::Reply = Box::new(|answer| reply(verdict(answer)));
        let submitted = self.desk.submit_of(command, cancelled_by, partition, reply);
        submitted.map_err(|busy| match busy {
            desk::Busy::Full => Busy::Full,
            desk::Busy::Stopping => Busy::Stopping,
        })
    }

    fn own(&self, partitions: &[u32]) {
        // One that is given up again must not come by itself.
        locked(&self.news.failed).retain(|(_, partition)| !partitions.contains(partition));
        self.asker.own(partitions.iter().copied());
    }

    fn give_up(&self, partitions: &[u32], at_once: bool) {
        locked(&self.news.failed).retain(|(_, partition)| !partitions.contains(partition));
        let how = if at_once { GiveUp::Leave } else { GiveUp::Drain };
        self.asker.give_up(partitions.iter().copied(), how);
    }

    fn given_up(&self) -> Vec<u32> {
        let mut failed = locked(&self.news.failed);
        let now = Instant::now();
        let due: Vec<u32> = failed.extract_if(.., |(at, _)| *at <= now).map(|(_, p)| p).collect();
        drop(failed);
        self.asker.own(due);
        std::mem::take(&mut *locked(&self.news.gone))
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
