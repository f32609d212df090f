//! Ends a try that has no final answer (RFC 3261, 9.1).

use crate::message::Method;
use crate::port::Peer;
use crate::shared::Shared;
use crate::transaction::{Ask, Branch, Purpose, Repeat};

use super::Leg;
use mutants::mutant;

impl Leg {
    /// CANCEL for the current try, if a 1xx has come; else when it comes. From then on its final
    /// has 64*T1 to come.
    pub(super) fn cancel_current(&mut self, shared: &mut Shared) {
        let Some(at) = self.tries.len().checked_sub(1) else { return };
        if self.tries[at].heard && !self.tries[at].cancelled {
            self.patience = Some(shared.in_a_transaction());
            self.cancel_try(shared, at);
        }
    }

    /// CANCEL for a try that a 1xx came to. It has the branch of its INVITE, and goes where that
    /// went.
    pub(super) fn cancel_try(&mut self, shared: &mut Shared, at: usize) {
        let try_ = &mut self.tries[at];
        if try_.over || std::mem::replace(&mut try_.cancelled, true) {
            return;
        }
        let (no, cseq, to) = (try_.no, try_.cseq, try_.peer);
        let written = shared.write(|out, shared| {
            let try_ = &self.tries[at];
            self.head.write_cancel(out, shared, try_, self.reason.as_deref()).or_else(|_| {
                // A reason that cannot be sent does not keep the phone ringing.
                self.head.write_cancel(out, shared, try_, None)
            })
        });
        let Ok(bytes) = written else { return };
        if mutant!("writes a CANCEL and does not send it") {
            return;
        }
        shared.transmit(to, &bytes);
        let options = &shared.options;
        let repeat =
            Repeat::new(shared.now, to.transport, options.t1, options.t2, options.transaction());
        self.asks.reserve_exact(1);
        self.asks.push(Ask {
            purpose: Purpose::Cancel,
            method: Method::Cancel,
            cseq,
            branch: Branch::OfTry(no),
            dialog: 0,
            challenged: false,
            to,
            bytes,
            repeat,
            acked: false,
        });
    }

    /// The CANCEL of a try need not be repeated: it was answered from there, or the INVITE was.
    pub(super) fn forget_cancel(&mut self, at: usize, by: Option<Peer>) {
        let branch = Branch::OfTry(self.tries[at].no);
        let other = |ask: &Ask| by.is_some_and(|by| by.address.ip() != ask.to.address.ip());
        self.asks.retain(|ask| ask.branch != branch || other(ask));
        self.asks.shrink_to_fit();
    }

    /// Every try but `except` is of no use any more: those that rang are cancelled, the others when
    /// they ring.
    pub(super) fn abandon_tries(&mut self, shared: &mut Shared, except: Option<usize>) {
        for at in (0..self.tries.len()).filter(|at| Some(*at) != except) {
            if self.tries[at].heard {
                self.cancel_try(shared, at);
            }
        }
    }
}
