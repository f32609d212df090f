//! Calls that are to be tried again: what falls due becomes the command's next call.
//!
//! The decision stands in `CallEnded.redial_at`, not in today's rules; this only remembers it.

use mutants::mutant;
use schemas::call::CallRequested;
use schemas::{CallId, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The redials that are promised, in the order they fall due.
#[derive(Clone, Debug, Default)]
pub struct Redials {
    due: BTreeMap<(Timestamp, CallId), Arc<CallRequested>>,
    /// When each is due, to find it by its id.
    at: BTreeMap<CallId, Timestamp>,
    /// The next call of a command, by its first one.
    by_first: BTreeMap<CallId, CallId>,
}

impl Redials {
    /// `call`, requested as `requested`, ended with a promise to try again at `at`.
    pub fn promise(&mut self, at: Timestamp, call: CallId, requested: Arc<CallRequested>) {
        let (next, requested) = next_call(call, &requested);
        self.made(next);
        self.by_first.extend(requested.first_call.map(|first| (first, next)));
        self.due.insert((at, next), Arc::new(requested));
        self.at.insert(next, at);
    }

    /// One that was taken cannot be made now: it is due once more at `at`.
    pub fn put_off(&mut self, at: Timestamp, call: CallId, requested: Arc<CallRequested>) {
        self.by_first.extend(requested.first_call.map(|first| (first, call)));
        self.due.insert((at, call), requested);
        self.at.insert(call, at);
    }

    /// The next call was made after all, by this process or the one before.
    pub fn made(&mut self, call: CallId) {
        let _ = self.take(call);
    }

    /// The promised next call of the command whose first call this is, before it is due.
    pub fn take_of(&mut self, first: CallId) -> Option<(CallId, Arc<CallRequested>)> {
        self.take(*self.by_first.get(&first)?)
    }

    fn take(&mut self, call: CallId) -> Option<(CallId, Arc<CallRequested>)> {
        let at = self.at.remove(&call)?;
        let requested = self.due.remove(&(at, call))?;
        if let Some(first) = requested.first_call {
            self.by_first.remove(&first);
        }
        Some((call, requested))
    }

    /// When the next one falls due.
    pub fn next_at(&self) -> Option<Timestamp> {
        self.due.keys().next().map(|(at, _)| *at)
    }

    /// The next call that is due by now, under its own id.
    pub fn take_due(&mut self, now: Timestamp) -> Option<(CallId, Arc<CallRequested>)> {
        let early = std::time::Duration::from_secs(if mutant!("redials early") { 5 } else { 0 });
        let (_, call) = *self.due.keys().next().filter(|(at, _)| *at <= now.after(early))?;
        self.take(call)
    }

    /// How many are promised.
    pub fn len(&self) -> usize {
        self.due.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.due.is_empty()
    }
}

/// The next call of a command carries all of the first one's context (lessons 29).
fn next_call(call: CallId, requested: &CallRequested) -> (CallId, CallRequested) {
    let first = requested.first_call.unwrap_or(call);
    let attempt = requested.attempt.saturating_add(1);
    let next =
        CallRequested { attempt, first_call: Some(first), not_before: None, ..requested.clone() };
    (CallId::of_redial(first, attempt), next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::call::Priority;
    use schemas::{CalleeKey, CommandId, Sealed};

    fn requested() -> Arc<CallRequested> {
        Arc::new(CallRequested {
            command_id: CommandId::new("c").unwrap(),
            fingerprint: [0; 8],
            callee: CalleeKey([1; 16]),
            phone: Sealed { generation: 0, nonce: [0; 12], body: [1].into() },
            caller_id: Some("4000".into()),
            variables: None,
            item: None,
            campaign: None,
            script: None,
            gateway: None,
            prompt: Some("hello".into()),
            record: false,
            ring_timeout_ms: 1,
            max_talk_ms: 1,
            attempt: 1,
            max_attempts: 3,
            first_call: None,
            redial_after_ms: None,
            priority: Priority::Bulk,
            not_before: Some(Timestamp(5)),
            deadline: None,
        })
    }

    #[test]
    fn what_falls_due_is_the_commands_next_call_with_all_of_its_context() {
        let first = CallId([9; 16]);
        let mut redials = Redials::default();
        redials.promise(Timestamp(100), first, requested());
        assert_eq!(redials.take_due(Timestamp(99)), None);
        let (second, asked) = redials.take_due(Timestamp(100)).expect("due");
        assert_eq!(second, CallId::of_redial(first, 2));
        assert_eq!((asked.attempt, asked.first_call), (2, Some(first)));
        assert_eq!(
            (asked.caller_id.as_deref(), asked.prompt.as_deref()),
            (Some("4000"), Some("hello"))
        );

        redials.promise(Timestamp(200), second, asked);
        let (third, asked) = redials.take_due(Timestamp(200)).expect("due");
        assert_eq!(third, CallId::of_redial(first, 3), "named after the first call, not the last");
        assert_eq!(asked.attempt, 3);
        assert!(redials.is_empty());
    }

    #[test]
    fn the_redial_of_a_command_is_taken_by_its_first_call_and_once() {
        let (first, other) = (CallId([9; 16]), CallId([8; 16]));
        let mut redials = Redials::default();
        redials.promise(Timestamp(100), first, requested());
        assert!(redials.take_of(other).is_none());
        let (second, asked) = redials.take_of(first).expect("promised");
        assert_eq!((second, asked.attempt), (CallId::of_redial(first, 2), 2));
        assert!(redials.is_empty() && redials.take_of(first).is_none());

        redials.promise(Timestamp(200), second, asked);
        let (third, _) = redials.take_of(first).expect("promised");
        assert_eq!(third, CallId::of_redial(first, 3));
    }

    #[test]
    fn a_redial_that_was_put_off_is_still_its_commands_next_call() {
        let first = CallId([9; 16]);
        let mut redials = Redials::default();
        redials.promise(Timestamp(100), first, requested());
        let (second, asked) = redials.take_due(Timestamp(100)).expect("due");
        redials.put_off(Timestamp(150), second, asked);
        assert_eq!(redials.take_of(first).map(|(call, _)| call), Some(second));
    }

    #[test]
    fn a_redial_that_was_made_is_not_made_again() {
        let first = CallId([9; 16]);
        let mut redials = Redials::default();
        redials.promise(Timestamp(100), first, requested());
        redials.promise(Timestamp(100), first, requested());
        assert_eq!(redials.len(), 1);
        redials.made(CallId::of_redial(first, 2));
        assert_eq!((redials.take_due(Timestamp(i64::MAX)), redials.next_at()), (None, None));
    }
}
