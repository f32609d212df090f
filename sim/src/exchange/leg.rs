//! One INVITE and what came of it: its server transaction, its dialogs, the callee behind it, and
//! its line in the ledger.

use super::live::Live;
use super::repeat::Fired;
use super::sdp::Theirs;
use super::write::{Echo, Incoming};
use super::{Options, Output, RtpOrder, World};
use crate::callee::{Input, OnBye, Output as Does, Plan};
use crate::ledger::{EndedBy, Entry};
use std::net::SocketAddr;
use std::time::Duration;

/// One INVITE outside a dialog, from its first copy until 64*T1 after its call is over.
#[derive(Debug)]
pub(super) struct Leg {
    /// Unlike every other leg's, ever.
    pub serial: u64,
    pub entry: Entry,
    tag: String,
    /// When it came.
    born: Duration,
    /// Dropped when the call is over: what comes after needs none of it.
    pub live: Option<Box<Live>>,
    /// When it is forgotten, once the call is over.
    pub ends: Option<Duration>,
    /// The earliest wake-up that stands in the exchange's queue for it.
    pub queued: Option<Duration>,
    /// The branch of the last BYE, so that its repeats are answered as it was.
    pub bye_branch: Option<Box<str>>,
    pub on_bye: OnBye,
}

impl Leg {
    /// Takes a new INVITE, and lets the callee begin. `challenges` are the headers of a 401 or 407.
    pub fn open(
        serial: u64,
        request: &Incoming<'_>,
        audio: Option<Theirs>,
        plan: Plan,
        challenges: String,
        mut entry: Entry,
        world: &mut World<'_>,
    ) -> Self {
        entry.received_ms = world.wall_ms();
        entry.invites = 1;
        entry.plan = plan.name;
        let on_bye = plan.manners.bye;
        let live = Live::new(request, audio, plan, challenges);
        let mut leg = Self {
            serial,
            entry,
            tag: format!("{:016x}", world.dice.roll()),
            born: world.now,
            live: Some(Box::new(live)),
            ends: None,
            queued: None,
            bye_branch: None,
            on_bye,
        };
        leg.tell(Input::Invited, None, world);
        leg
    }

    /// Our tag, as this fork of ours shows it.
    pub fn tag(&self, fork: u8) -> String {
        format!("{}{}", self.tag, char::from(b'a' + fork % 26))
    }

    /// Which fork of ours a To tag names.
    pub fn fork_of(&self, to_tag: &str) -> Option<u8> {
        let rest = to_tag.strip_prefix(&*self.tag)?;
        match rest.as_bytes() {
            [letter @ b'a'..=b'z'] => Some(letter - b'a'),
            _ => None,
        }
    }

    /// Tells the callee what happened, and does what it does about it. `echo` is of the CANCEL or
    /// BYE that it answers.
    pub fn tell(&mut self, input: Input, echo: Option<&Echo>, world: &mut World<'_>) {
        let mut input = Some(input);
        let mut does = Vec::new();
        while let Some(next) = input.take() {
            let Some(live) = &mut self.live else { return };
            live.callee.handle(next, world.now, &mut does);
            for action in does.drain(..) {
                match action {
                    Does::Reply(reply) => input = self.reply(reply, world).or(input),
                    Does::ReplyToCancel(status) | Does::ReplyToBye(status) => {
                        if let Some(echo) = echo {
                            let tag = self.tag(0);
                            world.send(echo.to(), echo.response(status, &tag, "", ""));
                        }
                    }
                    Does::Ask(ask) => self.ask(ask, world),
                    Does::Play(sound) => {
                        if let Some(live) = &mut self.live {
                            live.sound = Some(sound);
                        }
                        self.order(world, |local| RtpOrder::Play { local, sound });
                    }
                    Does::Press(digits) => {
                        self.order(world, |local| RtpOrder::Press { local, digits });
                    }
                }
            }
        }
        self.settle(world);
    }

    /// Gives an order to the call's RTP, when it has any.
    fn order(&self, world: &mut World<'_>, order: impl FnOnce(SocketAddr) -> RtpOrder) {
        if let Some(local) = self.live.as_ref().filter(|live| live.streaming).and_then(|l| l.local)
        {
            world.out.push(Output::Rtp(order(local)));
        }
    }

    /// A repeat of the INVITE came.
    pub fn invited_again(&mut self, world: &mut World<'_>) {
        self.entry.invites += 1;
        world.totals.invite_repeats += 1;
        let Some(live) = &self.live else { return };
        // After a 2xx repeats are absorbed: the 2xx is repeated by itself (RFC 6026, 7.1).
        if live.dialogs.is_empty() && !live.last.is_empty() {
            self.entry.finals += u32::from(live.refusal.is_some());
            world.send(live.echo.to(), live.last.clone());
        }
    }

    /// A CANCEL of the INVITE came.
    pub fn cancelled(&mut self, echo: &Echo, world: &mut World<'_>) {
        self.entry.cancels += 1;
        if self.entry.cancels == 1 {
            self.entry.cancelled_ms = world.wall_ms();
        }
        if self.live.is_none() {
            let tag = self.tag(0);
            world.send(echo.to(), echo.response(200, &tag, "", ""));
            return;
        }
        if self.entry.status == 0 {
            self.entry.ended_by = EndedBy::Caller;
        }
        if let Some(live) = &mut self.live {
            live.cancelled.get_or_insert(world.now);
        }
        self.tell(Input::Cancelled, Some(echo), world);
    }

    /// An ACK came whose To tag is ours.
    pub fn acked(&mut self, request: &Incoming<'_>, fork: u8, world: &mut World<'_>) {
        let Some(live) = &mut self.live else {
            self.entry.acks += 1;
            return;
        };
        let (cseq, _) = request.cseq();
        if cseq != self.entry.cseq {
            if live.reinvited.as_ref().is_some_and(|reinvited| reinvited.cseq == cseq) {
                live.reinvited = None;
            }
            return self.settle(world);
        }
        // The ACK of a refusal belongs to the INVITE's transaction, that of a 2xx to none
        // (RFC 3261, 17.1.1.3 and 13.2.2.4). The first one is not noticed without its branch.
        let same = *self.entry.branch == *request.branch();
        if same == live.refusal.is_none() {
            self.entry.misdirected += 1;
            if !same {
                return;
            }
        }
        self.entry.acks += 1;
        if self.entry.acks == 1 {
            self.entry.acked_ms = world.wall_ms();
        }
        let first = live.dialogs.first().is_some_and(|dialog| dialog.fork == fork);
        let deaf = live.callee.plan().manners.deaf_to_acks;
        match live.dialogs.iter_mut().find(|dialog| dialog.fork == fork) {
            None => {
                live.refusal = None;
                self.settle(world);
            }
            Some(_) if deaf => {}
            Some(dialog) => {
                (dialog.acked, dialog.repeat) = (true, None);
                self.check_direction(request);
                self.take_late_answer(request, world);
                if first {
                    self.tell(Input::Acked, None, world);
                } else {
                    self.settle(world);
                }
            }
        }
    }

    /// When it wants to be woken.
    pub fn due(&self, options: &Options) -> Option<Duration> {
        let Some(live) = &self.live else { return self.ends };
        let too_long = self.too_long(live, options);
        let due = live
            .callee
            .due()
            .into_iter()
            .chain(live.refusal.map(|repeat| repeat.due()))
            .chain(live.reliable.as_ref().map(|reliable| reliable.repeat.due()))
            .chain(live.dialogs.iter().filter_map(|dialog| Some(dialog.repeat?.due())))
            .chain(live.asked.as_ref().map(|asked| asked.repeat.due()))
            .chain(live.reinvited.as_ref().and_then(|reinvited| Some(reinvited.repeat?.due())))
            .fold(too_long, Duration::min);
        Some(due)
    }

    /// When the callee is told that it takes too long; after that, when it is ended whatever is
    /// owed.
    fn too_long(&self, live: &Live, options: &Options) -> Duration {
        let grace = 2 * options.timers.patience();
        let told = if live.told_too_long { grace } else { Duration::ZERO };
        let longest = self.born.saturating_add(options.call_max).saturating_add(told);
        match live.abandoned(self.born) {
            Some(since) if self.entry.status == 0 => longest.min(since + grace),
            _ => longest,
        }
    }

    /// Does what is due. The leg is forgotten when it says so by `ends`.
    pub fn wake(&mut self, world: &mut World<'_>) {
        let Some(live) = &self.live else { return };
        let too_long = self.too_long(live, world.options);
        let last_chance = live.told_too_long || live.abandoned(self.born).is_some();
        let Some(live) = &mut self.live else { return };
        let (now, to) = (world.now, live.echo.to());
        if let Some(refusal) = &mut live.refusal {
            match refusal.fire(now) {
                Fired::NotYet => {}
                Fired::Again => {
                    self.entry.finals += 1;
                    world.send(to, live.last.clone());
                }
                Fired::GivenUp => {
                    live.refusal = None;
                    self.entry.unacked += 1;
                }
            }
        }
        let mut given_up = false;
        let mut first = true;
        for dialog in &mut live.dialogs {
            match dialog.repeat.as_mut().map_or(Fired::NotYet, |repeat| repeat.fire(now)) {
                Fired::NotYet => {}
                Fired::Again => {
                    self.entry.finals += 1;
                    world.send(to, dialog.ok.clone());
                }
                Fired::GivenUp => {
                    dialog.repeat = None;
                    let heard = live.callee.plan().manners.deaf_to_acks && self.entry.acks > 0;
                    self.entry.unacked += u32::from(!heard);
                    // The callee hangs up the call it knows; a fork's other phone just forgets it.
                    given_up |= first;
                    dialog.closed |= !first;
                }
            }
            first = false;
        }
        if let Some(reliable) = &mut live.reliable {
            match reliable.repeat.fire(now) {
                Fired::NotYet => {}
                Fired::Again => world.send(to, reliable.bytes.clone()),
                Fired::GivenUp => {
                    live.reliable = None;
                    given_up = true;
                }
            }
        }
        live.told_too_long |= now >= too_long;
        if now >= too_long {
            if last_chance {
                return self.forget(world);
            }
            self.tell(Input::TooLong, None, world);
        }
        self.wake_asked(world);
        self.wake_reinvited(world);
        if given_up {
            self.tell(Input::GivenUp, None, world);
        }
        self.tell(Input::Due, None, world);
    }

    /// Closes what a call that is over does not need, once nothing is owed any more.
    pub fn settle(&mut self, world: &mut World<'_>) {
        let Some(live) = &mut self.live else { return };
        self.entry.open = live.dialogs.iter().filter(|dialog| !dialog.closed).count() as u32;
        if !live.callee.over() {
            return;
        }
        if let Some(local) = live.local.take() {
            live.streaming = false;
            world.out.push(Output::Rtp(RtpOrder::Close { local }));
        }
        let owes = live.refusal.is_some() || live.asked.is_some() || self.entry.open > 0;
        if !owes {
            self.live = None;
            self.ends = Some(world.now + world.options.timers.patience());
        }
    }

    /// Ends it whatever is owed.
    fn forget(&mut self, world: &mut World<'_>) {
        if let Some(local) = self.live.take().and_then(|live| live.local) {
            world.out.push(Output::Rtp(RtpOrder::Close { local }));
        }
        self.ends = Some(world.now);
    }
}
