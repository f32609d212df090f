//! Finals that are no 2xx: what can be mended is mended within the same order, all else goes up as
//! it is.

use crate::auth;
use crate::dialog::Way;
use crate::message::{Message, Name, SipUri};
use crate::port::{GatewayHealth, GatewayId, Refusal, SipHeard};
use crate::shared::Shared;

use super::{Leg, Phase};
use mutants::mutant;

/// The most redirections that one order follows.
const REDIRECTIONS_MAX: usize = 4;
/// A gateway that wants longer sessions than this, in seconds, is not followed: a day.
const MIN_SE_MAX: u32 = 86_400;

impl Leg {
    pub(super) fn on_refusal(
        &mut self,
        shared: &mut Shared,
        at: usize,
        message: &Message<'_>,
        status: u16,
    ) {
        self.acknowledge_refusal(shared, at, message);
        let again = std::mem::replace(&mut self.tries[at].over, true);
        self.forget_cancel(at, None);
        if again || self.phase != Phase::Inviting {
            return;
        }
        // An orphan may have been any of its tries.
        if at + 1 < self.tries.len() && self.inviting.is_some() {
            return;
        }
        self.drop_dialogs(shared);
        if self.wish.is_some() {
            return self
                .end(shared, SipHeard::Cancelled { leg: self.head.id, status: Some(status) });
        }
        if let Some(inviting) = &mut self.inviting {
            inviting.repeat = None;
        }
        let mended = match status {
            401 | 407 => self.answer_challenge(shared, message),
            420 => self.offer_less(shared, message),
            422 => self.lengthen_session(shared, message),
            300..=399 => self.follow(shared, message),
            _ => false,
        };
        if !mended {
            self.refused(shared, message, status);
        }
    }

    /// Each copy of the refusal gets its ACK (RFC 3261, 17.1.1.2): it is made again from the same
    /// values, so it is the same one.
    fn acknowledge_refusal(&mut self, shared: &mut Shared, at: usize, message: &Message<'_>) {
        let try_ = &self.tries[at];
        let to = try_.peer;
        let written =
            shared.write(|out, shared| self.head.write_ack_to_refusal(out, shared, try_, message));
        if let (Ok(ack), false) = (written, mutant!("acknowledges no refusal")) {
            shared.transmit(to, &ack);
        }
    }

    /// The early dialogs ended with their INVITE.
    fn drop_dialogs(&mut self, shared: &mut Shared) {
        self.drop_early();
        self.part(shared);
        self.dialogs.clear();
    }

    /// 401 and 407: the same again with credentials (RFC 3261, 22).
    fn answer_challenge(&mut self, shared: &mut Shared, message: &Message<'_>) -> bool {
        let Some(inviting) = &mut self.inviting else { return false };
        let gateway = &shared.gateways[usize::from(self.head.gateway)];
        if gateway.config.credentials.is_none() || inviting.challenges == auth::ROUNDS_MAX {
            return false;
        }
        inviting.challenges += 1;
        let login = self.login.get_or_insert_default();
        login.known.challenged(message).is_ok() && self.invite_anew(shared, None)
    }

    /// 420: the same again without the extensions that it names (RFC 3261, 8.1.3.5). We require
    /// none, but there are peers that refuse what is only offered.
    fn offer_less(&mut self, shared: &mut Shared, message: &Message<'_>) -> bool {
        let Some(inviting) = &mut self.inviting else { return false };
        let before = (inviting.wants.no_reliable, inviting.wants.no_timer);
        inviting.wants.no_reliable |= message.lists(Name::Unsupported, "100rel");
        inviting.wants.no_timer |= message.lists(Name::Unsupported, "timer");
        let less = before != (inviting.wants.no_reliable, inviting.wants.no_timer);
        less && self.invite_anew(shared, None)
    }

    /// 422: the same again with a session as long as the peer wants it (RFC 4028, 7.3).
    fn lengthen_session(&mut self, shared: &mut Shared, message: &Message<'_>) -> bool {
        let Some(inviting) = &mut self.inviting else { return false };
        let min_se = message.seconds(Name::MinSe).filter(|&seconds| seconds <= MIN_SE_MAX);
        let wants = &mut inviting.wants;
        let (Some(min_se), Some(session)) = (min_se, wants.session) else { return false };
        let more = min_se > session;
        (wants.session, wants.min_se) = (Some(session.max(min_se)), Some(min_se));
        more && self.invite_anew(shared, None)
    }

    /// 3xx: its Contacts in the order that it wishes, but only those that lead to this same
    /// gateway, and each once (RFC 3261, 8.1.3.4). It counts as the same try.
    fn follow(&mut self, shared: &mut Shared, message: &Message<'_>) -> bool {
        let gateway = &shared.gateways[usize::from(self.head.gateway)];
        let Some(inviting) = &mut self.inviting else { return false };
        let (Some(last), true) = (self.tries.last(), gateway.config.follow_redirects) else {
            return false;
        };
        let way = Way { peer: last.peer };
        let contacts = message.contacts_by_q();
        let next = contacts.into_iter().find_map(|contact| {
            let uri = SipUri::parse(contact).ok()?;
            let seen = inviting.redirections.iter().filter_map(|seen| SipUri::parse(seen).ok());
            let original = self.head.request_uri(&gateway.config);
            let is_original = SipUri::parse(&original).is_ok_and(|o| o.is_same_place(&uri));
            let is_new = !is_original && !seen.into_iter().any(|seen| seen.is_same_place(&uri));
            let at_home = uri.host.eq_ignore_ascii_case(&gateway.config.host)
                || uri.address().is_some_and(|ip| gateway.has_address(ip));
            // Headers in the URI would be the gateway's words in our mouth.
            (is_new && at_home && uri.headers.is_none()).then(|| (Box::from(contact), way.to(&uri)))
        });
        let Some((uri, peer)) = next else { return false };
        if inviting.redirections.len() == REDIRECTIONS_MAX {
            return false;
        }
        inviting.redirections.push(Box::clone(&uri));
        self.invite_anew(shared, Some((uri, peer)))
    }

    /// Nothing to be mended: the next address when the gateway is overloaded (RFC 3263, 4.3), else
    /// up.
    fn refused(&mut self, shared: &mut Shared, message: &Message<'_>, status: u16) {
        let mut refusal = Refusal::of(message, status);
        if (300..=399).contains(&status) {
            refusal.contacts = message.contacts_by_q().into_iter().map(str::to_owned).collect();
        }
        let wait = refusal.retry_after.filter(|wait| !wait.is_zero());
        if status != 503 {
            if let Some(wait) = wait.filter(|_| status == 480) {
                self.hold_back(shared, wait);
            }
            return self.refuse(shared, refusal);
        }
        if let Some(last) = self.tries.last() {
            let gateway = &mut shared.gateways[usize::from(self.head.gateway)];
            gateway.avoid(shared.now, last.peer, wait);
        }
        // Told before the refusal: whoever chooses the next gateway by it should know.
        if let (Some(wait), None) = (wait, self.next_hop(shared)) {
            self.hold_back(shared, wait);
        }
        self.invite_next(shared, refusal);
    }

    fn hold_back(&self, shared: &mut Shared, for_: std::time::Duration) {
        let gateway = GatewayId(self.head.gateway);
        shared.tell(SipHeard::Gateway { gateway, health: GatewayHealth::HeldBack { for_ } });
    }
}
