//! What became of a call: the record that operators look up and analysts count.
//!
//! [`CallRecord`] is a pure fold over one call's events; what is personal stays sealed in it until
//! [`CallRecord::open`] makes the [`RecordView`] that is printed.

mod csv;
mod rows;
#[cfg(test)]
mod tests;
mod view;

pub use csv::CSV_HEADER;
pub use rows::RecordRows;
pub use view::{MediaView, RecordView, RecordingView};

use schemas::call::{
    CallAnswered, CallEnded, CallEvent, CallRequested, DialStarted, MediaMeasured,
};
use schemas::public::TryData;
use schemas::{
    CallId, CalleeKey, CommandId, Event, Position, Recorded, Revision, Sealed, StreamId, Timestamp,
};
use std::collections::BTreeMap;

/// The most keys a record remembers: a caller can press any number of them.
const DIGITS_MAX: usize = 64;

/// Where a call stands, for one that has not ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Accepted, not yet admitted.
    Requested,
    /// Waits for capacity, its hour or a gateway.
    Queued,
    /// An INVITE is out.
    Dialing,
    /// The network took it up.
    Proceeding,
    /// The phone rings.
    Ringing,
    /// The network plays something.
    EarlyMedia,
    /// Our CANCEL is out.
    Cancelling,
    /// Answered.
    Greeting,
    /// The callee put us on hold.
    Holding,
    /// One side hung up.
    Closing,
    /// Over.
    Ended,
}

impl State {
    /// The word that is printed.
    pub fn word(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Queued => "queued",
            Self::Dialing => "dialing",
            Self::Proceeding => "proceeding",
            Self::Ringing => "ringing",
            Self::EarlyMedia => "early_media",
            Self::Cancelling => "cancelling",
            Self::Greeting => "greeting",
            Self::Holding => "holding",
            Self::Closing => "closing",
            Self::Ended => "ended",
        }
    }
}

/// What became of one call, as far as its events tell.
#[derive(Clone, Debug)]
pub struct CallRecord {
    /// The call.
    pub call: CallId,
    /// Its callee: opens what is sealed.
    pub callee: CalleeKey,
    /// Where it stands.
    pub state: State,
    /// The one terminal event, when it has come.
    pub ended: Option<Box<CallEnded>>,
    command_id: CommandId,
    phone: Sealed,
    variables: Option<Sealed>,
    caller_id: Option<String>,
    campaign: Option<String>,
    list_line: Option<u32>,
    attempt: u16,
    gateway: Option<String>,
    tries: Vec<TryData>,
    requested_at: Timestamp,
    started_at: Option<Timestamp>,
    ringing_at: Option<Timestamp>,
    answered_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    digits: Vec<Sealed>,
    media: Option<MediaMeasured>,
    first: Position,
    last: Revision,
    position: Position,
}

/// Where an event stands, apart from what it says.
#[derive(Clone, Copy)]
struct Place {
    stream: StreamId,
    position: Position,
    revision: Revision,
    at: Timestamp,
}

impl Place {
    fn of<E>(recorded: &Recorded<E>) -> Self {
        let Recorded { stream, position, revision, at, .. } = *recorded;
        Self { stream, position, revision, at }
    }
}

impl CallRecord {
    /// The record of a call whose first event this is; `None` for any other event.
    pub fn begin(first: &Recorded<CallEvent>) -> Option<Self> {
        Self::requested(&first.event, Place::of(first))
    }

    fn requested(event: &CallEvent, place: Place) -> Option<Self> {
        let CallEvent::CallRequested(requested) = event else { return None };
        let call = place.stream.as_call()?;
        let CallRequested { command_id, callee, phone, variables, .. } = &**requested;
        Some(Self {
            call,
            callee: *callee,
            state: State::Requested,
            ended: None,
            command_id: command_id.clone(),
            phone: phone.clone(),
            variables: variables.clone(),
            caller_id: requested.caller_id.clone(),
            campaign: requested.campaign.clone(),
            list_line: requested.item.map(|item| item.line),
            attempt: requested.attempt,
            gateway: None,
            tries: Vec::new(),
            requested_at: place.at,
            started_at: None,
            ringing_at: None,
            answered_at: None,
            ended_at: None,
            digits: Vec::new(),
            media: None,
            first: place.position,
            last: place.revision,
            position: place.position,
        })
    }

    /// Takes the call's next event. One that it has had already changes nothing: what is told at
    /// least once is counted once.
    pub fn apply(&mut self, next: &Recorded<CallEvent>) {
        self.happened(&next.event, Place::of(next));
    }

    fn happened(&mut self, event: &CallEvent, next: Place) {
        if next.revision <= self.last {
            return;
        }
        self.last = next.revision;
        self.position = next.position;
        match event {
            CallEvent::CallRequested(_) => {}
            CallEvent::CallQueued(_) => self.state = State::Queued,
            CallEvent::DialStarted(started) => self.dialled(started, next.at),
            CallEvent::CallProceeding(_) => self.state = State::Proceeding,
            CallEvent::CallRang(_) => self.rang(State::Ringing, next.at),
            CallEvent::EarlyMediaStarted(_) => self.rang(State::EarlyMedia, next.at),
            CallEvent::TryFailed(failed) => {
                self.state = State::Queued;
                self.close_try(failed.status, next.at);
            }
            CallEvent::CancelIssued(_) => self.state = State::Cancelling,
            CallEvent::LateAnswerReleased(_) => self.state = State::Closing,
            CallEvent::CallAnswered(CallAnswered { status, .. }) => {
                self.state = State::Greeting;
                self.answered_at = Some(next.at);
                self.close_try(Some(*status), next.at);
            }
            CallEvent::PromptPlayed(_) => {}
            CallEvent::DigitPressed(pressed) => {
                if self.digits.len() < DIGITS_MAX {
                    self.digits.push(pressed.digit.clone());
                }
            }
            CallEvent::CallHeld(_) => self.state = State::Holding,
            CallEvent::CallResumed(_) => self.state = State::Greeting,
            CallEvent::CallHungUp(_) | CallEvent::HangUpConfirmed(_) => self.state = State::Closing,
            CallEvent::MediaMeasured(media) => self.media = Some((**media).clone()),
            CallEvent::CallEnded(ended) => self.end(ended, next.at),
        }
    }

    /// Where the last event of it stands in the log.
    pub fn position(&self) -> Position {
        self.position
    }

    fn dialled(&mut self, started: &DialStarted, at: Timestamp) {
        self.state = State::Dialing;
        self.started_at.get_or_insert(at);
        self.gateway = Some(started.gateway.clone());
        self.caller_id = started.caller_id.clone();
        self.tries.push(TryData {
            gateway: started.gateway.clone(),
            sip_status: None,
            started_at: at,
            ended_at: None,
        });
    }

    fn rang(&mut self, state: State, at: Timestamp) {
        self.state = state;
        self.ringing_at.get_or_insert(at);
    }

    fn close_try(&mut self, status: Option<u16>, at: Timestamp) {
        if let Some(last) = self.tries.last_mut().filter(|last| last.ended_at.is_none()) {
            last.sip_status = status;
            last.ended_at = Some(at);
        }
    }

    fn end(&mut self, ended: &CallEnded, at: Timestamp) {
        self.state = State::Ended;
        self.ended_at = Some(at);
        // The terminal event is the call's own account of itself: what a reader of that event
        // alone is told and what stands here are the same.
        self.tries = TryData::of(ended, at);
        self.gateway = ended.gateway.clone().or(self.gateway.take());
        self.ended = Some(Box::new(ended.clone()));
    }
}

/// The records of many calls.
#[derive(Default)]
pub struct CallRecords {
    by_call: BTreeMap<CallId, CallRecord>,
    orphans: u64,
}

impl CallRecords {
    /// Takes the next event of the log. Gives the call that it ended: who needs its record no
    /// longer takes it out with [`Self::take`], and then memory grows with the open calls alone.
    pub fn apply(&mut self, recorded: &Recorded) -> Option<CallId> {
        let (Event::Call(event), Some(call)) = (&recorded.event, recorded.stream.as_call()) else {
            return None;
        };
        let place = Place::of(recorded);
        if let Some(record) = self.by_call.get_mut(&call) {
            record.happened(event, place);
        } else if let Some(record) = CallRecord::requested(event, place) {
            self.by_call.insert(call, record);
        } else {
            self.orphans += 1;
        }
        matches!(event, CallEvent::CallEnded(_)).then_some(call)
    }

    /// The record of a call.
    pub fn get(&self, call: CallId) -> Option<&CallRecord> {
        self.by_call.get(&call)
    }

    /// The record of a call, which is forgotten.
    pub fn take(&mut self, call: CallId) -> Option<CallRecord> {
        self.by_call.remove(&call)
    }

    /// Every record, the oldest request first.
    pub fn in_order(&self) -> Vec<&CallRecord> {
        let mut records: Vec<_> = self.by_call.values().collect();
        records.sort_by_key(|record| record.first);
        records
    }

    /// How many events belong to a call whose beginning was not read: above zero when reading
    /// began in the middle of the log, or when it is damaged.
    pub fn orphans(&self) -> u64 {
        self.orphans
    }
}
