//! Provisional answers: early dialogs, early media, PRACK (RFC 3261, 13.2.2.1; RFC 3262).

use crate::dialog::{Dialog, State};
use crate::message::{Message, Method, Name};
use crate::port::SipHeard;
use crate::shared::Shared;
use crate::transaction::Purpose;

use super::{ASKS_MAX, DIALOGS_MAX, Leg, Phase, TOLD_MAX};

impl Leg {
    pub(super) fn on_progress(
        &mut self,
        shared: &mut Shared,
        at: usize,
        message: &Message<'_>,
        status: u16,
    ) {
        let current = self.phase == Phase::Inviting && at + 1 == self.tries.len();
        let try_ = &mut self.tries[at];
        if try_.over {
            return;
        }
        try_.heard = true;
        if !current {
            // We gave it up and went on, or away, and now it rings: nobody is there for it.
            return self.cancel_try(shared, at);
        }
        shared.gateways[usize::from(self.head.gateway)].answers(self.tries[at].peer);
        if let Some(inviting) = &mut self.inviting {
            inviting.repeat = None;
            inviting.rang |= status > 100;
        }
        if self.wish.is_some() {
            return self.cancel_current(shared);
        }
        let reliable = status > 100 && message.lists(Name::Require, "100rel");
        let rseq = if reliable { message.rseq() } else { None };
        let sdp = message.sdp();
        // Only what has to be remembered of it makes an early dialog.
        let mut news = None;
        if status > 100 && (rseq.is_some() || sdp.is_some()) {
            match self.early_dialog(shared, at, message, rseq, sdp) {
                Early::News(first_sdp) => news = first_sdp,
                Early::Repeat => return,
            }
        }
        let Some(inviting) = &mut self.inviting else { return };
        // A 100 after a ringing is a proxy's.
        let is_news = news.is_some() || inviting.told != status && (status > 100 || !inviting.rang);
        if is_news && inviting.told_times < TOLD_MAX {
            inviting.told = status;
            inviting.told_times += 1;
            shared.tell(SipHeard::Progress { leg: self.head.id, status, sdp: news });
        }
    }

    /// Keeps what a 1xx says of its dialog, and confirms a reliable one. Its SDP is news once: the
    /// first is the answer, later ones in the same dialog are not (RFC 3261, 13.2.1).
    fn early_dialog(
        &mut self,
        shared: &mut Shared,
        of_try: usize,
        message: &Message<'_>,
        rseq: Option<u32>,
        sdp: Option<&[u8]>,
    ) -> Early {
        let tag = message.to_tag().unwrap_or("");
        let known = self.dialogs.iter().position(|dialog| *dialog.tag == *tag);
        let last_rseq = known.and_then(|at| self.dialogs[at].rseq);
        if let (Some(rseq), Some(last)) = (rseq, last_rseq)
            && rseq != last.wrapping_add(1)
        {
            // A repeat, or one that came before another that was lost (RFC 3262, 4).
            return Early::Repeat;
        }
        if rseq.is_some() && self.asks.len() >= ASKS_MAX {
            return Early::Repeat;
        }
        let at = match known {
            Some(at) => at,
            None => match self.new_dialog(shared, of_try, message) {
                Some(at) => {
                    self.learn_dialog(shared, at, message);
                    at
                }
                None => return Early::Repeat,
            },
        };
        let dialog = &mut self.dialogs[at];
        let first = sdp.filter(|_| dialog.sdp.is_none());
        if let Some(sdp) = first {
            dialog.sdp = Some(sdp.into());
        }
        let first = first.map(<[u8]>::to_vec);
        if let Some(rseq) = rseq {
            dialog.rseq = Some(rseq);
            self.prack(shared, at, rseq, message.cseq().0);
        }
        Early::News(first)
    }

    /// A dialog of a response. When there are too many, a 1xx makes none, and a 2xx takes the
    /// place of an early one. None when there is no place.
    pub(super) fn new_dialog(
        &mut self,
        shared: &mut Shared,
        of_try: usize,
        message: &Message<'_>,
    ) -> Option<usize> {
        let place = match self.dialogs.len() {
            DIALOGS_MAX if message.status() >= Some(200) => {
                self.dialogs.iter().position(|dialog| dialog.state == State::Early)?
            }
            DIALOGS_MAX => return None,
            free => free,
        };
        let way = self.way(shared, of_try as u8);
        let dialog = Dialog::of_response(message, of_try as u8, way);
        if place < self.dialogs.len() {
            self.asks
                .retain(|ask| usize::from(ask.dialog) != place || ask.purpose != Purpose::Prack);
            self.part_from(shared, place);
            self.dialogs[place] = dialog;
        } else {
            self.dialogs.push(dialog);
        }
        Some(place)
    }

    /// Takes target and route of a response; its callee may then send to us from there.
    pub(super) fn learn_dialog(&mut self, shared: &mut Shared, at: usize, message: &Message<'_>) {
        self.part_from(shared, at);
        let of_try = self.dialogs[at].of_try;
        let way = self.way(shared, of_try);
        let asked = self.head.uri_of(shared, &self.tries[usize::from(of_try)]).into_owned();
        self.dialogs[at].learn(message, way, &asked);
        self.befriend(shared, at);
    }

    /// Its callee may now send to us, wherever it is.
    pub(super) fn befriend(&mut self, shared: &mut Shared, at: usize) {
        let ip = self.dialogs[at].peer.address.ip();
        self.dialogs[at].foreign = shared.befriend(ip);
    }

    /// A dialog sends elsewhere from now on, or not at all.
    pub(super) fn part_from(&mut self, shared: &mut Shared, at: usize) {
        let dialog = &mut self.dialogs[at];
        if std::mem::take(&mut dialog.foreign) {
            shared.part_from(dialog.peer.address.ip());
        }
    }

    /// PRACK goes inside the early dialog, on its own, whatever the INVITE does (RFC 3262, 4).
    fn prack(&mut self, shared: &mut Shared, at: usize, rseq: u32, cseq: u32) {
        self.ask(shared, at, Method::Prack, Purpose::Prack, |mut request| {
            request.header(Name::RAck, format_args!("{rseq} {cseq} INVITE"));
            request.finish()
        });
    }

    /// Early dialogs that came to nothing, and what was asked in them.
    pub(super) fn drop_early(&mut self) {
        let dialogs = &self.dialogs;
        self.asks.retain(|ask| {
            let early = |dialog: &Dialog| dialog.state == State::Early;
            ask.purpose != Purpose::Prack
                || !dialogs.get(usize::from(ask.dialog)).is_some_and(early)
        });
    }
}

/// What a 1xx brought to its early dialog.
enum Early {
    /// SDP, when it is the first.
    News(Option<Vec<u8>>),
    /// Nothing: it was here before, or is out of order.
    Repeat,
}
