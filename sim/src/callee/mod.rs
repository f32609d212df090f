//! One callee, sans I/O: what happened to it goes in with the time, what it does comes out. It
//! walks through its [`Plan`] and knows no bytes of SIP: repeats, branches and headers are the
//! [`exchange`](crate::exchange)'s.

mod mix;
mod plan;

pub use mix::{Mix, Share};
pub use plan::{
    Challenge, Extra, Manners, Offer, OnBye, OnCancel, OnReinvite, Plan, Reply, Scheme, Sdp, Sound,
    Step,
};

use std::time::Duration;

/// What happened to a callee.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Input {
    /// The INVITE came. First of all, and once.
    Invited,
    /// The time is [`Callee::due`] or later. Harmless when it is not.
    Due,
    /// A CANCEL came, or its repeat.
    Cancelled,
    /// The reliable provisional was acknowledged.
    Pracked,
    /// The 2xx was acknowledged.
    Acked,
    /// A BYE came.
    HungUp,
    /// Our request in the dialog got this final; 408 when it got none.
    Replied(u16),
    /// A 2xx or a reliable provisional was repeated for 64*T1 in vain.
    GivenUp,
    /// The call has taken longer than the carrier keeps one.
    TooLong,
}

/// What a callee does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Output {
    /// Answer the INVITE.
    Reply(Reply),
    /// Answer the CANCEL.
    ReplyToCancel(u16),
    /// Answer the BYE.
    ReplyToBye(u16),
    /// Send a request in the dialog.
    Ask(Ask),
    /// Send this sound from now on.
    Play(Sound),
    /// Press digits by RFC 4733.
    Press([u8; 2]),
}

/// A request of the callee's in the dialog.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ask {
    /// BYE, with this Q.850 cause in its Reason.
    Bye(Option<u8>),
    /// INFO with this digit.
    Info(u8),
    /// re-INVITE.
    Reinvite(Offer),
}

/// One callee and one INVITE.
#[derive(Clone, Debug)]
pub struct Callee {
    plan: Plan,
    next: usize,
    /// When the last step was done: waits count from here, not from when we got to them.
    since: Duration,
    due: Option<Duration>,
    stage: Stage,
    blocked: Option<Block>,
    cancelled: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Inviting,
    Answered,
    Talking,
    Over,
}

/// What a step waits for beside time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Block {
    Prack,
    Ack,
    Reply { to_bye: bool },
}

impl Callee {
    /// A callee with a plan. Nothing happens until it is [`Input::Invited`].
    pub fn new(plan: Plan) -> Self {
        Self {
            plan,
            next: 0,
            since: Duration::ZERO,
            due: None,
            stage: Stage::Inviting,
            blocked: None,
            cancelled: false,
        }
    }

    /// When to call [`handle`](Self::handle) with [`Input::Due`] next.
    pub fn due(&self) -> Option<Duration> {
        self.due
    }

    /// Its plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Whether a 2xx was sent.
    pub fn answered(&self) -> bool {
        matches!(self.stage, Stage::Answered | Stage::Talking)
    }

    /// Whether it is through with the call: refused, or hung up. It still answers a CANCEL and a
    /// BYE.
    pub fn over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// Takes what happened, and appends what the callee does to `out`, in order.
    pub fn handle(&mut self, input: Input, now: Duration, out: &mut Vec<Output>) {
        match input {
            Input::Invited => {
                self.since = now;
                self.walk(now, out);
            }
            Input::Due => {
                if let Some(due) = self.due.filter(|due| *due <= now) {
                    self.since = due;
                    self.due = None;
                    self.walk(now, out);
                }
            }
            Input::Cancelled => self.cancelled(now, out),
            Input::Pracked => self.unblock(Block::Prack, now, out),
            Input::Acked => {
                if self.stage == Stage::Answered {
                    self.stage = Stage::Talking;
                    self.unblock(Block::Ack, now, out);
                }
            }
            Input::HungUp => {
                match self.plan.manners.bye {
                    OnBye::Accept => out.push(Output::ReplyToBye(200)),
                    OnBye::Ignore => {}
                    OnBye::Deny => out.push(Output::ReplyToBye(481)),
                }
                self.finish();
            }
            Input::Replied(status) => self.replied(status, now, out),
            // RFC 3261, 13.3.1.4: without an ACK the session is ended; RFC 3262, 3: without a
            // PRACK the INVITE is refused with a 5xx. A caller whose calls never end gets the same.
            Input::GivenUp => self.give_up(504, out),
            Input::TooLong => self.give_up(480, out),
        }
    }

    fn cancelled(&mut self, now: Duration, out: &mut Vec<Output>) {
        let manners = self.plan.manners.cancel;
        if self.cancelled || self.stage != Stage::Inviting {
            // A repeat; or the final was sent before, and the CANCEL changes nothing (9.2).
            match manners {
                OnCancel::Ignore => {}
                OnCancel::Deny => out.push(Output::ReplyToCancel(481)),
                _ => out.push(Output::ReplyToCancel(200)),
            }
            return;
        }
        if !matches!(manners, OnCancel::Ignore | OnCancel::Deny) {
            self.cancelled = true;
            self.blocked = None;
            self.since = now;
        }
        match manners {
            OnCancel::Refuse { status, after_ms } => {
                out.push(Output::ReplyToCancel(200));
                self.go_on([Step::Wait(after_ms), Step::Reply(Reply::of(status))], now, out);
            }
            OnCancel::AnswerLate { after_ms } => {
                out.push(Output::ReplyToCancel(200));
                let answer = Step::Reply(Reply::of(200));
                self.go_on([Step::Wait(after_ms), answer, Step::Play(Sound::Hello)], now, out);
            }
            OnCancel::AnswerFirst => {
                self.go_on([Step::Reply(Reply::of(200)), Step::Play(Sound::Hello)], now, out);
                out.push(Output::ReplyToCancel(200));
            }
            OnCancel::NoFinal => {
                out.push(Output::ReplyToCancel(200));
                self.go_on([], now, out);
            }
            OnCancel::Ignore => {}
            OnCancel::Deny => out.push(Output::ReplyToCancel(481)),
        }
    }

    fn replied(&mut self, status: u16, now: Duration, out: &mut Vec<Output>) {
        let Some(Block::Reply { to_bye }) = self.blocked else { return };
        // RFC 3261, 12.2.1.2: 481 and 408 end the dialog.
        if to_bye || matches!(status, 408 | 481) {
            self.finish();
        } else {
            self.unblock(Block::Reply { to_bye }, now, out);
        }
    }

    fn give_up(&mut self, status: u16, out: &mut Vec<Output>) {
        match self.stage {
            Stage::Inviting => {
                out.push(Output::Reply(Reply::of(status)));
                self.finish();
            }
            Stage::Answered | Stage::Talking => self.hang_up(None, out),
            Stage::Over => {}
        }
    }

    fn hang_up(&mut self, q850: Option<u8>, out: &mut Vec<Output>) {
        out.push(Output::Ask(Ask::Bye(q850)));
        self.next = self.plan.steps.len();
        self.due = None;
        self.blocked = Some(Block::Reply { to_bye: true });
    }

    fn finish(&mut self) {
        self.stage = Stage::Over;
        self.due = None;
        self.blocked = None;
    }

    fn unblock(&mut self, block: Block, now: Duration, out: &mut Vec<Output>) {
        if self.blocked == Some(block) {
            self.blocked = None;
            self.since = now;
            self.walk(now, out);
        }
    }

    /// Leaves the plan's steps for these.
    fn go_on<const N: usize>(&mut self, steps: [Step; N], now: Duration, out: &mut Vec<Output>) {
        self.plan.steps.clear();
        self.plan.steps.extend(steps);
        self.next = 0;
        self.due = None;
        self.walk(now, out);
    }

    fn walk(&mut self, now: Duration, out: &mut Vec<Output>) {
        while self.stage != Stage::Over && self.blocked.is_none() && self.due.is_none() {
            let Some(&step) = self.plan.steps.get(self.next) else { return };
            if matches!(step, Step::Offer(_) | Step::Inform(_) | Step::HangUp(_))
                && self.stage == Stage::Answered
            {
                self.blocked = Some(Block::Ack);
                return;
            }
            self.next += 1;
            match step {
                Step::Wait(ms) => {
                    let due = self.since + Duration::from_millis(u64::from(ms));
                    if due > now {
                        self.due = Some(due);
                    } else {
                        self.since = due;
                    }
                }
                Step::Reply(reply) => {
                    out.push(Output::Reply(reply));
                    match reply.status {
                        100..=199 if reply.reliable => self.blocked = Some(Block::Prack),
                        100..=199 => {}
                        200..=299 if self.stage == Stage::Inviting => self.stage = Stage::Answered,
                        200..=299 => {}
                        _ => self.finish(),
                    }
                }
                Step::Play(sound) => out.push(Output::Play(sound)),
                Step::Press(digits) => out.push(Output::Press(digits)),
                Step::Inform(digit) => {
                    out.push(Output::Ask(Ask::Info(digit)));
                    self.blocked = Some(Block::Reply { to_bye: false });
                }
                Step::Offer(offer) => {
                    out.push(Output::Ask(Ask::Reinvite(offer)));
                    self.blocked = Some(Block::Reply { to_bye: false });
                }
                Step::HangUp(q850) => self.hang_up(q850, out),
            }
        }
    }
}
