//! What must be true of every run, whatever was lost on the way.

use std::collections::{BTreeMap, BTreeSet};

use sip::port::SipHeard;

use super::callee::Callee;
use super::text::Text;

/// Watches the wire and what the owner is told.
#[derive(Default)]
pub struct Promises {
    /// 2xx to an INVITE that reached us: tag, CSeq, whether it was acknowledged.
    answers: BTreeMap<(String, u32), bool>,
    /// Refusals of an INVITE that reached us, by branch, and whether they were acknowledged.
    refusals: BTreeMap<String, bool>,
    /// Tags whose dialog one side has ended with a BYE that left it (ours) or came (theirs).
    byed: BTreeSet<String>,
    rang: BTreeSet<String>,
    invites: BTreeSet<String>,
    /// The legs are orphans.
    pub orphans: bool,
    terminals: Vec<String>,
    pub broken: Vec<String>,
}

impl Promises {
    pub fn sent(&mut self, text: &Text) {
        match text.method() {
            "" => self.broken.push("an empty message".into()),
            "INVITE" if text.tag("To").is_empty() => {
                self.invites.insert(text.branch().to_owned());
            }
            "ACK" => {
                let key = (text.tag("To").to_owned(), text.cseq());
                self.answers.entry(key).and_modify(|acked| *acked = true);
                self.refusals.entry(text.branch().to_owned()).and_modify(|acked| *acked = true);
            }
            "BYE" => {
                let tag = text.tag("To").to_owned();
                let acked = self.answers.iter().any(|((t, _), acked)| *t == tag && *acked);
                if !acked && !self.orphans {
                    self.broken.push("a BYE before the ACK".into());
                }
                self.byed.insert(tag);
            }
            // An orphan's: what came of its INVITE is not known.
            "CANCEL" if self.orphans => {}
            "CANCEL" if !self.rang.contains(text.branch()) => {
                self.broken.push("a CANCEL before a 1xx".into());
            }
            _ => {}
        }
    }

    pub fn received(&mut self, text: &Text) {
        let status = text.status();
        match (status, text.cseq_method()) {
            (None, "BYE") => {
                self.byed.insert(text.tag("From").to_owned());
            }
            (Some(100..200), "INVITE") => {
                self.rang.insert(text.branch().to_owned());
            }
            (Some(200..300), "INVITE") => {
                self.answers.entry((text.tag("To").to_owned(), text.cseq())).or_default();
            }
            (Some(300..), "INVITE") => {
                self.refusals.entry(text.branch().to_owned()).or_default();
            }
            _ => {}
        }
    }

    /// What reached the process before us.
    pub fn received_before(&mut self, text: &Text) {
        if text.cseq_method() == "INVITE" {
            self.rang.insert(text.branch().to_owned());
        }
    }

    pub fn heard(&mut self, heard: &SipHeard) {
        match heard {
            SipHeard::Refused { .. }
            | SipHeard::Cancelled { .. }
            | SipHeard::LateAnswerClosed { .. }
            | SipHeard::HungUp { .. }
            | SipHeard::Closed { .. } => self.terminals.push(format!("{heard:?}")),
            _ if self.terminals.is_empty() => {}
            SipHeard::Gateway { .. } => {}
            late => self.broken.push(format!("after the end: {late:?}")),
        }
    }

    /// What was promised and not kept, when everything has ended.
    pub fn at_the_end<'a>(
        mut self,
        legs: usize,
        invites_max: usize,
        callees: impl Iterator<Item = &'a Callee>,
    ) -> Vec<String> {
        for callee in callees {
            let heard = |tag: &str, cseq| self.answers.contains_key(&(tag.to_owned(), cseq));
            self.broken.extend(callee.open(heard, |branch| self.rang.contains(branch)));
        }
        if self.terminals.len() != legs {
            self.broken.push(format!(
                "{} ends of {legs} legs: {:?}",
                self.terminals.len(),
                self.terminals
            ));
        }
        for ((tag, cseq), acked) in &self.answers {
            if !acked {
                self.broken.push(format!("the 2xx of {tag} to {cseq} INVITE has no ACK"));
            }
            if !self.byed.contains(tag) {
                self.broken.push(format!("the 2xx of {tag} has no BYE"));
            }
        }
        if self.refusals.values().any(|acked| !acked) {
            self.broken.push("a refusal without ACK".into());
        }
        if self.invites.len() > invites_max {
            self.broken.push(format!("{} INVITE transactions", self.invites.len()));
        }
        self.broken
    }
}
