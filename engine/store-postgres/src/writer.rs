//! What appends: takes everything that waits, sends it as one statement, answers.
//!
//! While a statement is on its way the next group gathers, so one sync of the server serves all.
//! A statement names each stream once: a second append to it is judged after the first, in the
//! next statement.

use crate::address::Address;
use crate::session::{self, Ears, Failure, Kind};
use crate::statement::{self, APPEND, Arrays, Outcome, STRETCH};
use futures_util::future::try_join_all;
use schemas::sealed::StoredKey;
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use store::api::{Batch, Ownership, Reply, Verdict};
use store::remote::Gate;
use store::{Append, AppendError, Appended, Results, Stored};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::{Client, Statement};
use uuid::Uuid;

/// What one statement holds at most.
const EVENTS_PER_STATEMENT: usize = 16 * 1024;
const BYTES_PER_STATEMENT: usize = 16 << 20;
/// What an event takes in memory beside its body, about.
const EVENT_BYTES: usize = 64;
/// The server gives a statement up after 20 s; who has no answer then has no server.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(25);
const WAIT_FIRST: Duration = Duration::from_millis(20);
const WAIT_MAX: Duration = Duration::from_secs(1);

/// A batch that waits, and who waits for it.
pub struct Order {
    pub batch: Batch,
    pub owners: Vec<Option<Ownership>>,
    pub reply: Reply,
    pub bytes: usize,
}

impl Order {
    /// What a batch takes of the room for those that wait.
    pub fn bytes_of(batch: &Batch) -> usize {
        let events = batch.appends.iter().flat_map(|append| &append.events);
        events.map(|event| event.encoded.body.len() + EVENT_BYTES).sum()
    }

    /// Answers that nothing of it was done, nor will be.
    pub fn refuse(self, why: &str) {
        let broken = |_| Err(AppendError::Broken(why.to_owned()));
        (self.reply)((0..self.batch.appends.len()).map(broken).collect());
    }
}

/// The connection that appends.
pub struct Writer {
    address: Arc<Address>,
    ears: Ears,
    gate: Arc<Gate>,
    patience: Duration,
    session: Option<Session>,
}

struct Session {
    client: Client,
    append: Statement,
    stretch: Statement,
}

/// An append on its way: which, of which order, and its result once it stands.
struct Pending<'a> {
    append: &'a Append,
    owner: Option<Ownership>,
    result: Option<Result<Appended, AppendError>>,
}

impl Writer {
    /// Not yet connected.
    pub fn new(address: Arc<Address>, ears: Ears, gate: Arc<Gate>, patience: Duration) -> Self {
        Self { address, ears, gate, patience, session: None }
    }

    /// Appends until nobody can hand anything over any more.
    pub async fn run(mut self, mut waiting: UnboundedReceiver<Order>) {
        while let Some(first) = waiting.recv().await {
            let (mut events, mut bytes) = (first.batch.appends.len(), first.bytes);
            let mut group = vec![first];
            while events < EVENTS_PER_STATEMENT
                && bytes < BYTES_PER_STATEMENT
                && let Ok(next) = waiting.try_recv()
            {
                events +=
                    next.batch.appends.iter().map(|append| append.events.len()).sum::<usize>();
                bytes += next.bytes;
                group.push(next);
            }
            self.commit(group).await;
        }
    }

    async fn commit(&mut self, group: Vec<Order>) {
        let results = self.append(&group).await;
        let mut results = results.into_iter();
        for order in group {
            let own: Results = results.by_ref().take(order.batch.appends.len()).collect();
            self.gate.leave(order.bytes);
            (order.reply)(own);
        }
    }

    async fn append(&mut self, group: &[Order]) -> Results {
        let mut keys: Vec<StoredKey> =
            group.iter().flat_map(|order| order.batch.keys.iter().cloned()).collect();
        let mut pending: Vec<Pending<'_>> = group
            .iter()
            .flat_map(|order| {
                order.batch.appends.iter().enumerate().map(|(place, append)| {
                    let owner = order.owners.get(place).copied().flatten();
                    let result = append.check_size().err().map(Err);
                    Pending { append, owner, result }
                })
            })
            .collect();
        let mut left: VecDeque<usize> =
            (0..pending.len()).filter(|place| pending[*place].result.is_none()).collect();
        while !left.is_empty() || !keys.is_empty() {
            let keys = std::mem::take(&mut keys);
            let (mut arrays, mut here) = (Arrays::new(random_id()), Vec::new());
            keys.iter().for_each(|key| arrays.add_key(key));
            let mut streams = HashSet::new();
            let (mut events, mut bytes) = (0, 0);
            // In the order in which they came, up to the first stream that is there already.
            while let Some(place) = left.front().copied() {
                let one = &pending[place];
                let size =
                    one.append.events.iter().map(|event| event.encoded.body.len()).sum::<usize>();
                let full = events + one.append.events.len() > EVENTS_PER_STATEMENT
                    || bytes + size > BYTES_PER_STATEMENT;
                if (full && events > 0) || !streams.insert(one.append.stream) {
                    break;
                }
                events += one.append.events.len();
                bytes += size;
                arrays.add(one.append, one.owner);
                here.push(place);
                left.pop_front();
            }
            match self.send(&arrays).await {
                Ok(outcomes) => {
                    self.ears.keyrings.note_saved(&keys);
                    self.judge(&mut pending, &here, &outcomes).await;
                }
                Err(error) => {
                    // Nothing after it goes in before it: a caller's batches keep their order.
                    for place in here.into_iter().chain(left.drain(..)) {
                        pending[place].result = Some(Err(error.clone()));
                    }
                    break;
                }
            }
        }
        let lost = || Err(AppendError::Unknown("the server said nothing of it".to_owned()));
        pending.into_iter().map(|one| one.result.unwrap_or_else(lost)).collect()
    }

    /// Sends a statement until it is known what became of it.
    async fn send(&mut self, arrays: &Arrays<'_>) -> Result<Vec<Outcome>, AppendError> {
        let (until, mut wait) = (Instant::now() + self.patience, WAIT_FIRST);
        let mut lost = false;
        loop {
            let failure = match self.try_send(arrays).await {
                Ok(outcomes) => return Ok(outcomes),
                Err(failure) => failure,
            };
            if failure.kind == Kind::Lost {
                self.session = None;
                lost = true;
            }
            if failure.kind == Kind::Lasting {
                // What was sent before and lost may be in all the same.
                return Err(match lost {
                    true => AppendError::Unknown(failure.why),
                    false => AppendError::Broken(failure.why),
                });
            }
            if Instant::now() + wait > until {
                return Err(AppendError::Unknown(failure.why));
            }
            tracing::warn!(
                store = self.address.shown(),
                why = failure.why,
                appends = arrays.appends(),
                "an append is tried again"
            );
            sleep(wait).await;
            wait = (2 * wait).min(WAIT_MAX);
        }
    }

    async fn try_send(&mut self, arrays: &Arrays<'_>) -> Result<Vec<Outcome>, Failure> {
        let session = self.session().await?;
        let sending = arrays.run(&session.client, &session.append);
        timeout(ANSWER_TIMEOUT, sending).await.map_err(|_| Failure::silence())?
    }

    async fn session(&mut self) -> Result<&Session, Failure> {
        if self.session.as_ref().is_none_or(|session| session.client.is_closed()) {
            let client = session::connect(&self.address, Some(self.ears.clone())).await?;
            self.ears.keyrings.look();
            let append = client.prepare(APPEND).await?;
            let stretch = client.prepare(STRETCH).await?;
            self.session = Some(Session { client, append, stretch });
        }
        Ok(self.session.as_ref().expect("it has just been made"))
    }

    /// Turns what the server says into results. Of what does not fit, reads what stands there.
    async fn judge(&mut self, pending: &mut [Pending<'_>], here: &[usize], outcomes: &[Outcome]) {
        let mut looks = Vec::new();
        for (place, outcome) in here.iter().zip(outcomes) {
            let done = |last, position, already| Ok(Appended { last, position, already });
            let result = match *outcome {
                Outcome::In(last, position) => {
                    self.ears.head.is_at_least(position.0);
                    done(last, position, false)
                }
                Outcome::WasIn(last, position) => done(last, position, true),
                Outcome::Owned(epoch) => Err(AppendError::Fenced { epoch }),
                Outcome::DoesNotFit(current) => match pending[*place].append.judge(current) {
                    Ok(Verdict::RepeatOrConflict(first)) => {
                        looks.push((*place, i64::from(first.0), current));
                        continue;
                    }
                    // It would fit, and the server says no: only a full stream does that.
                    Ok(Verdict::Fits(_)) => {
                        Err(AppendError::Rejected("the stream is full".to_owned()))
                    }
                    Err(error) => Err(error),
                },
            };
            pending[*place].result = Some(result);
        }
        let wanted: Vec<_> =
            looks.iter().map(|(place, first, _)| (pending[*place].append, *first)).collect();
        let stretches = self.read_stretches(&wanted).await;
        for (number, (place, _, current)) in looks.into_iter().enumerate() {
            let result = match &stretches {
                Err(why) => Err(AppendError::Unknown(why.clone())),
                Ok(stretches) => repeat_or_conflict(pending[place].append, &stretches[number])
                    .ok_or(AppendError::Conflict { current }),
            };
            pending[place].result = Some(result);
        }
    }

    /// What stands where these appends would have gone.
    async fn read_stretches(
        &mut self,
        wanted: &[(&Append, i64)],
    ) -> Result<Vec<Vec<Stored>>, String> {
        let (until, mut wait) = (Instant::now() + self.patience, WAIT_FIRST);
        loop {
            let failure = match self.try_read_stretches(wanted).await {
                Ok(stretches) => return Ok(stretches),
                Err(failure) => failure,
            };
            if failure.kind == Kind::Lost {
                self.session = None;
            }
            if failure.kind == Kind::Lasting || Instant::now() + wait > until {
                return Err(failure.why);
            }
            sleep(wait).await;
            wait = (2 * wait).min(WAIT_MAX);
        }
    }

    async fn try_read_stretches(
        &mut self,
        wanted: &[(&Append, i64)],
    ) -> Result<Vec<Vec<Stored>>, Failure> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let session = self.session().await?;
        // All at once on one connection, which answers them in their order.
        let reading = try_join_all(wanted.iter().map(|(append, first)| async move {
            let (kind, id) = statement::name_of(append.stream);
            let end = first + append.events.len() as i64;
            let rows = session.client.query(&session.stretch, &[&id, &kind, first, &end]).await?;
            Ok::<_, Failure>(
                rows.into_iter().filter_map(|row| statement::stored(row).ok()).collect(),
            )
        }));
        timeout(ANSWER_TIMEOUT, reading).await.map_err(|_| Failure::silence())?
    }
}

/// Whether the very same events stand there.
fn repeat_or_conflict(append: &Append, stand: &[Stored]) -> Option<Appended> {
    let same = stand.len() == append.events.len()
        && stand.iter().zip(&append.events).all(|(stored, event)| stored.is(event));
    let last = stand.last().filter(|_| same)?;
    Some(Appended { last: last.revision, position: last.position, already: true })
}

fn random_id() -> Uuid {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("an operating system that runs this has randomness");
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}
