//! What appends: takes everything that waits, sends it through a batch session, answers.
//!
//! While a group is on its way the next one gathers. A group is sent in rounds that name each
//! stream once. What has no sure answer is sent again with the same event ids and the same expected
//! revision, which the server recognises; what is refused is looked at, and after a refusal
//! everything else of the group is looked at before it is sent, since refusals come in swarms and
//! each costs a session.

use crate::connection::{Failure, Patience};
use crate::form;
use crate::pending::Pending;
use crate::reading::LogReading;
use crate::session::{Sending, Sent, Session};
use futures_util::StreamExt;
use schemas::sealed::StoredKey;
use schemas::{Revision, StreamId};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use store::api::{Batch, Reply};
use store::remote::{Gate, Head};
use store::writer::KeySink;
use store::{Append, AppendError, Results, StoreError};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::MissedTickBehavior;

/// What one group holds at most.
const EVENTS_PER_GROUP: usize = 16 * 1024;
const BYTES_PER_GROUP: usize = 16 << 20;
/// What is under way at once at most.
const APPENDS_PER_ROUND: usize = 1024;
const LOOKS_AT_ONCE: usize = 64;
/// How many streams are remembered.
const SEEN_MAX: usize = 16 * 1024;
/// What an event takes in memory beside its body, about.
const EVENT_BYTES: usize = 64;

/// How long somebody who wants a person erased waits at most for the keys to be looked after.
const KEYS_LOOKED_AFTER_EVERY: Duration = Duration::from_millis(250);

/// A batch that waits, and who waits for it.
pub struct Order {
    pub batch: Batch,
    pub reply: Reply,
    pub bytes: usize,
}

impl Order {
    /// What a batch takes of the room for those that wait.
    pub fn bytes_of(batch: &Batch) -> usize {
        batch.appends.iter().map(bytes_of).sum()
    }

    /// Answers that nothing of it was done, nor will be.
    pub fn refuse(self, why: &str) {
        (self.reply)(broken(self.batch.appends.len(), why));
    }
}

/// Appends for everybody.
pub struct Writer {
    /// Tries once: what is tried again is the whole round.
    pub reading: LogReading,
    /// How long something is tried again without coming forward.
    pub patience: Duration,
    pub head: Arc<Head>,
    pub gate: Arc<Gate>,
    /// Where keys of persons go.
    pub keys: Arc<Mutex<dyn KeySink>>,
    pub session: Option<Session>,
    /// How far streams have been seen to reach, the latest ones. They only grow.
    pub seen: HashMap<StreamId, Revision>,
    /// Why nothing is appended: once a key has not become durable, no event after it does.
    pub broken: Option<String>,
}

impl Writer {
    /// Appends until nobody can hand anything over any more.
    pub async fn run(mut self, mut waiting: UnboundedReceiver<Order>) {
        let mut look_after_keys = tokio::time::interval(KEYS_LOOKED_AFTER_EVERY);
        look_after_keys.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let first = tokio::select! {
                biased;
                _ = look_after_keys.tick() => {
                    self.look_after_keys().await;
                    continue;
                }
                first = waiting.recv() => first,
            };
            let Some(first) = first else { return };
            let count = |order: &Order| -> usize {
                order.batch.appends.iter().map(|append| append.events.len()).sum()
            };
            let (mut events, mut bytes) = (count(&first), first.bytes);
            let mut group = vec![first];
            while events < EVENTS_PER_GROUP
                && bytes < BYTES_PER_GROUP
                && let Ok(next) = waiting.try_recv()
            {
                events += count(&next);
                bytes += next.bytes;
                group.push(next);
            }
            self.commit(group).await;
        }
    }

    async fn commit(&mut self, group: Vec<Order>) {
        let keys = group.iter().flat_map(|order| order.batch.keys.iter().cloned()).collect();
        let results = match self.keep_keys(keys).await {
            Ok(()) => self.append(&group).await,
            Err(why) => broken(group.iter().map(|order| order.batch.appends.len()).sum(), &why),
        };
        let mut results = results.into_iter();
        for order in group {
            let own: Results = results.by_ref().take(order.batch.appends.len()).collect();
            self.gate.leave(order.bytes);
            (order.reply)(own);
        }
    }

    /// Makes the keys durable that the group's events are the first to use.
    async fn keep_keys(&mut self, new: Vec<StoredKey>) -> Result<(), String> {
        if !new.is_empty() {
            self.on_keys(move |keys| keys.append_and_sync(&new)).await;
        }
        self.broken.clone().map_or(Ok(()), Err)
    }

    /// Erases whom others have asked to erase, also while nothing is appended.
    async fn look_after_keys(&mut self) {
        let was_broken = self.broken.is_some();
        self.on_keys(|keys| keys.look_after()).await;
        if let (false, Some(why)) = (was_broken, &self.broken) {
            tracing::error!("the keys of persons cannot be kept: {why}");
        }
    }

    async fn on_keys<W>(&mut self, work: W)
    where
        W: FnOnce(&mut dyn KeySink) -> Result<(), StoreError> + Send + 'static,
    {
        if self.broken.is_some() {
            return;
        }
        let keys = self.keys.clone();
        let work = move || work(&mut *keys.lock().unwrap_or_else(PoisonError::into_inner));
        self.broken = match tokio::task::spawn_blocking(work).await {
            Ok(done) => done.err().map(|error| error.in_full()),
            Err(_) => Some("the keys of persons could not be kept".to_owned()),
        };
    }

    async fn append(&mut self, group: &[Order]) -> Results {
        let appends = group.iter().flat_map(|order| &order.batch.appends);
        let mut pending: Vec<Pending<'_>> = appends.map(Pending::new).collect();
        let mut patience = Patience::new(self.patience);
        let mut done_before = 0;
        loop {
            let mut round = self.round(&mut pending);
            if round.is_empty() {
                break;
            }
            let failure = match self.send_round(&mut round).await {
                Ok(Next::GoOn) => {
                    patience.renew();
                    continue;
                }
                Ok(Next::LookFirst) => {
                    // Refusals come in swarms, and each costs a session.
                    pending.iter_mut().for_each(|one| one.needs_a_look = true);
                    continue;
                }
                Err(failure) => failure,
            };
            let done = pending.iter().filter(|one| one.result.is_some()).count();
            if done > done_before {
                done_before = done;
                patience.renew();
            }
            if failure.lasting || !patience.wait().await {
                // Nothing after it goes in before it: a caller's batches keep their order.
                for one in pending.iter_mut().filter(|one| one.result.is_none()) {
                    one.give_up(&failure);
                }
                break;
            }
            tracing::warn!(
                store = self.reading.connection.address().shown(),
                why = failure.why,
                "appends are tried again"
            );
            // The session's own error does not tell the client that another node leads: this does.
            if let Ok(head) = self.reading.head().await {
                self.head.is_at_least(head);
            }
        }
        pending.into_iter().map(Pending::into_result).collect()
    }

    /// What comes next, in the order in which it came, up to the first stream that is there
    /// already: an append is judged after the one before it. One whose place is known to be taken
    /// is only looked at, so it may come along.
    fn round<'r, 'a>(&self, pending: &'r mut [Pending<'a>]) -> Vec<&'r mut Pending<'a>> {
        let (mut streams, mut bytes) = (HashSet::new(), 0);
        let open = pending.iter_mut().filter(|one| one.result.is_none()).take(APPENDS_PER_ROUND);
        open.take_while(|one| {
            let seen = self.seen.get(&one.append.stream);
            if seen.is_some_and(|seen| one.is_taken(*seen)) {
                return true;
            }
            bytes += bytes_of(one.append);
            streams.insert(one.append.stream) && (bytes <= BYTES_PER_GROUP || streams.len() == 1)
        })
        .collect()
    }

    fn see(&mut self, stream: StreamId, last: Revision) {
        if self.seen.len() >= SEEN_MAX {
            self.seen.clear();
        }
        let known = self.seen.entry(stream).or_insert(last);
        *known = last.max(*known);
    }

    /// Looks at what of a round needs it.
    async fn look(&mut self, round: &mut [&mut Pending<'_>]) -> Result<(), Failure> {
        for one in round.iter_mut() {
            if let Some(seen) = self.seen.get(&one.append.stream) {
                one.learn(*seen);
            }
        }
        let reading = &self.reading;
        let looks = round.iter_mut().filter(|one| one.needs_a_look).map(|one| async {
            let look = one.look(reading).await?;
            let current = look.current;
            one.take(look);
            Ok((one.append.stream, current))
        });
        let looks = futures_util::stream::iter(looks).buffer_unordered(LOOKS_AT_ONCE);
        let looked: Vec<Result<_, Failure>> = looks.collect().await;
        for result in looked {
            let (stream, current) = result?;
            if let Some(current) = current {
                self.see(stream, current);
            }
        }
        Ok(())
    }

    /// Sends a round once. What it settles has a result then; after `Ok` something has come
    /// forward.
    async fn send_round(&mut self, round: &mut [&mut Pending<'_>]) -> Result<Next, Failure> {
        self.look(round).await?;
        let floor = self.head.known();
        let (mut sent, mut sendings) = (Vec::new(), Vec::new());
        for one in round.iter_mut() {
            if let Some((expected, first)) = one.place(floor) {
                let events = one.append.events.iter().enumerate();
                let proposed = |(index, event): (usize, _)| {
                    let (revision, id) = one.name(first, index, event);
                    form::proposed(one.append.stream, revision, event, id)
                };
                let events = events.map(proposed).collect();
                let stream = self.reading.names.of(one.append.stream);
                sendings.push(Sending { stream, expected, events });
                sent.push(one);
            }
        }
        if sent.is_empty() {
            return Ok(Next::GoOn);
        }
        let session = match self.session.take() {
            Some(session) => session,
            None => Session::begin(&self.reading.connection).await?,
        };
        let (number, answers) = (session.number, session.send(sendings).await);
        if answers.iter().all(|answer| matches!(answer, Sent::In { .. })) {
            self.session = Some(session);
        }
        let none_settled = answers.iter().all(|answer| matches!(answer, Sent::Ended));
        let mut next = Next::GoOn;
        let mut trouble =
            none_settled.then(|| Failure::passing("the session has ended".to_owned()));
        for (one, answer) in sent.into_iter().zip(answers) {
            match answer {
                Sent::In { last, position } => {
                    let position = match position {
                        Some(position) => position,
                        None => match one.find(&self.reading).await {
                            Ok(position) => position,
                            Err(failure) => {
                                one.lost = true;
                                trouble.get_or_insert(failure);
                                continue;
                            }
                        },
                    };
                    let last = one.stands(last, position);
                    self.see(one.append.stream, last);
                    self.head.is_at_least(position);
                }
                Sent::Refused => {
                    one.refused();
                    next = Next::LookFirst;
                }
                Sent::Rejected(why) => one.result = Some(Err(AppendError::Rejected(why))),
                Sent::Lasting(failure) => trouble = Some(failure),
                Sent::Unsure(failure) => {
                    one.lost = true;
                    trouble.get_or_insert(failure);
                }
                Sent::Ended => one.lost = true,
            }
        }
        let Some(failure) = trouble else { return Ok(next) };
        self.reading.connection.heed(number, &failure);
        Err(failure)
    }
}

/// How it goes on after a round.
enum Next {
    GoOn,
    LookFirst,
}

fn bytes_of(append: &Append) -> usize {
    append.events.iter().map(|event| event.encoded.body.len() + EVENT_BYTES).sum()
}

fn broken(count: usize, why: &str) -> Results {
    (0..count).map(|_| Err(AppendError::Broken(why.to_owned()))).collect()
}
