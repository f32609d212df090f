//! What was heard on the wire, told to the call it is for.

use crate::slots::{Key, MediaState, ReinviteAnswer};
use crate::{Now, Switchboard};
use call::{HungUp, Refused, Signal};
use media::port::{MediaHeard, Report, StreamId};
use media::sdp::{Direction, answer_to, offer, read_answer};
use routing::{Finding, GatewayIndex, Routing};
use schemas::call::{Dialog, MediaMeasured, Recording};
use schemas::event::to_bytes;
use schemas::{EndedBy, Pseudonyms, Sealed, Vault};
use sip::port::{
    GatewayHealth, HungUpBy, LegId, Reason, Refusal, RefusalSource, RemoteDialog, SipHeard,
    SipOrder,
};

/// The longest free text of the network that is kept: a reason phrase and a Reason header.
const DETAIL_BYTES_MAX: usize = 512;

impl<V: Vault + Pseudonyms> Switchboard<V> {
    pub(crate) fn sip_heard(&mut self, heard: SipHeard, now: Now) {
        match heard {
            SipHeard::Progress { leg, status, sdp } => {
                let Some(key) = self.of_leg(leg) else { return };
                self.network_lives(key, now);
                let agreed = sdp.and_then(|sdp| read_answer(&sdp).ok());
                let early_media = agreed.is_some();
                if early_media {
                    self.slots[key].agreed = agreed;
                }
                self.hear(key, Signal::Progress { status, early_media }, now);
            }
            SipHeard::Answered { leg, status, sdp, dialog } => {
                let Some(key) = self.of_leg(leg) else { return };
                self.network_lives(key, now);
                let media_fault = match read_answer(sdp.as_deref().unwrap_or_default()) {
                    Ok(agreed) => {
                        self.slots[key].agreed = Some(agreed);
                        None
                    }
                    Err(fault) => Some(fault.word().to_owned()),
                };
                let dialog = self.seal_dialog(key, dialog);
                self.hear(key, Signal::Answered { status, dialog, media_fault }, now);
            }
            SipHeard::Refused { leg, refusal } => {
                let Some(key) = self.of_leg(leg) else { return };
                let refused = self.refused(key, &refusal, now);
                self.hear(key, Signal::Refused(Box::new(refused)), now);
            }
            SipHeard::Cancelled { leg, status } => {
                self.tell(leg, Signal::CancelDone { status }, now);
            }
            SipHeard::LateAnswerClosed { leg, status } => {
                self.tell(leg, Signal::LateAnswerClosed { status }, now);
            }
            SipHeard::Reinvited { leg, sdp } => {
                let Some(key) = self.of_leg(leg) else { return };
                self.reinvited(key, sdp.as_deref(), now);
            }
            // We offer nothing in a dialog yet, so nobody waits for an answer to it.
            SipHeard::Renegotiated { .. } => {}
            SipHeard::Info { leg, content_type, body } => {
                let Some(key) = self.of_leg(leg) else { return };
                if let Some((digit, ms)) = digit_of_info(&content_type, &body) {
                    self.digit(key, digit, ms, now);
                }
            }
            SipHeard::HungUp { leg, by, reason } => {
                let Some(key) = self.of_leg(leg) else { return };
                let hung_up = HungUp {
                    by: match by {
                        HungUpBy::Bye => EndedBy::Callee,
                        HungUpBy::DialogLost | HungUpBy::SessionExpired => EndedBy::Carrier,
                        HungUpBy::NotAccepted => EndedBy::Us,
                    },
                    q850: reason.q850,
                    detail: self.seal_detail(key, "", Some(&reason_text(&reason))),
                };
                self.hear(key, Signal::HungUp(Box::new(hung_up)), now);
            }
            SipHeard::Closed { leg } => self.tell(leg, Signal::ByeDone, now),
            SipHeard::Gateway { gateway, health } => {
                let finding = match health {
                    GatewayHealth::Up => Finding::Up,
                    GatewayHealth::Down { .. } => Finding::Down,
                    GatewayHealth::HeldBack { for_ } => Finding::HeldBack(for_),
                };
                self.routing.found(GatewayIndex(usize::from(gateway.0)), finding, now.mono);
            }
        }
    }

    pub(crate) fn media_heard(&mut self, heard: MediaHeard, now: Now) {
        match heard {
            MediaHeard::Opened { stream, local } => {
                let Some(key) = self.of_stream(stream) else { return };
                if self.slots[key].media == MediaState::Opening {
                    self.slots[key].media = MediaState::Open(local);
                    self.send_invite(key);
                }
            }
            MediaHeard::OpenFailed { stream, why } => {
                let Some(key) = self.of_stream(stream) else { return };
                tracing::error!(call = %self.slots[key].id, why, "media could not be opened");
                let slot = &mut self.slots[key];
                slot.media = MediaState::Closed;
                slot.invite = None;
                self.hear(key, Signal::MediaOpenFailed, now);
            }
            MediaHeard::PromptFinished { stream, ms } => {
                self.tell_stream(stream, Signal::PromptFinished { ms }, now);
            }
            MediaHeard::Digit { stream, digit, ms } => {
                let Some(key) = self.of_stream(stream) else { return };
                self.digit(key, digit, ms, now);
            }
            MediaHeard::NoAudio { stream, ms } => {
                let Some(key) = self.of_stream(stream) else { return };
                tracing::warn!(call = %self.slots[key].id, ms, "no audio comes in");
            }
            MediaHeard::Failed { stream, why } => {
                let Some(key) = self.of_stream(stream) else { return };
                tracing::error!(call = %self.slots[key].id, why, "media failed");
                self.hear(key, Signal::MediaFailed, now);
            }
            MediaHeard::Closed { stream, report } => {
                let Some(key) = self.of_stream(stream) else { return };
                self.slots[key].media = MediaState::Closed;
                self.hear(key, Signal::MediaClosed(Box::new(measured(*report))), now);
            }
        }
    }

    fn of_leg(&mut self, leg: LegId) -> Option<Key> {
        let key = self.slots.of_leg(leg);
        self.counters.strays += u64::from(key.is_none());
        key
    }

    /// A stream is named after the try it is for.
    fn of_stream(&mut self, stream: StreamId) -> Option<Key> {
        self.of_leg(LegId(stream.0))
    }

    fn tell(&mut self, leg: LegId, signal: Signal, now: Now) {
        if let Some(key) = self.of_leg(leg) {
            self.hear(key, signal, now);
        }
    }

    fn tell_stream(&mut self, stream: StreamId, signal: Signal, now: Now) {
        self.tell(LegId(stream.0), signal, now);
    }

    fn network_lives(&mut self, key: Key, now: Now) {
        if let Some(gateway) = self.slots[key].gateway {
            self.routing.found(gateway, Finding::Answered, now.mono);
        }
    }

    fn refused(&mut self, key: Key, refusal: &Refusal, now: Now) -> Refused {
        let (status, local) = match refusal.source {
            RefusalSource::Network(status) => (Some(status), None),
            RefusalSource::TimerB => (None, Some("no_response")),
            RefusalSource::Transport => (None, Some("transport")),
            RefusalSource::Dns => (None, Some("dns")),
            RefusalSource::Unsendable => (None, Some("unsendable")),
        };
        if let Some(gateway) = self.slots[key].gateway {
            let finding = match refusal.source {
                RefusalSource::Network(_) => Finding::Answered,
                RefusalSource::Unsendable => return self.unsendable(refusal, key),
                _ => Finding::Silent,
            };
            self.routing.found(gateway, finding, now.mono);
        }
        Refused {
            status,
            local,
            q850: refusal.reason.q850,
            detail: self.seal_detail(key, &refusal.phrase, refusal.reason_raw.as_deref()),
            retry_after_s: refusal.retry_after.map(|span| span.as_secs() as u32),
            carrier_fault: Routing::is_carrier_fault(status, refusal.reason.q850),
        }
    }

    /// Our own fault: no other gateway could take it either.
    fn unsendable(&mut self, refusal: &Refusal, key: Key) -> Refused {
        Refused {
            status: None,
            local: Some("unsendable"),
            q850: None,
            detail: self.seal_detail(key, &refusal.phrase, None),
            retry_after_s: None,
            carrier_fault: false,
        }
    }

    /// Their offer, and our answer to it, kept until the call says whether it is a hold.
    fn reinvited(&mut self, key: Key, sdp: Option<&[u8]>, now: Now) {
        let slot = &mut self.slots[key];
        let local = match slot.media {
            MediaState::Open(local) => local,
            _ => self.options.sink,
        };
        let (Some(leg), version) = (slot.leg, slot.sdp_version + 1) else { return };
        let codecs = &self.options.codecs;
        let answer = match sdp {
            // They want our offer; what they answer comes with their ACK (RFC 3261, 14.2).
            None => Ok((offer(local, leg.0, version, codecs, Direction::SendRecv), None)),
            Some(theirs) => answer_to(theirs, local, leg.0, version, codecs, Direction::SendRecv)
                .map(|(sdp, agreed)| (sdp, Some(agreed))),
        };
        let Ok((sdp, agreed)) = answer else {
            // 488: what was agreed on before stands.
            let refused = SipOrder::AnswerReinvite(leg, None);
            self.outputs.push_back(crate::Output::Sip(refused));
            return;
        };
        slot.sdp_version = version;
        let holding = *slot.call.state() == call::CallState::Holding;
        let hold = agreed.as_ref().map_or(holding, |agreed| !agreed.send);
        slot.reinvite = Some(Box::new(ReinviteAnswer { sdp, agreed }));
        self.hear(key, Signal::Reinvited { hold }, now);
    }

    fn digit(&mut self, key: Key, digit: char, ms: u16, now: Now) {
        let callee = self.slots[key].call.facts().requested.callee;
        let digit = self.vault.seal(callee, digit.to_string().as_bytes());
        self.hear(key, Signal::Digit { digit, ms }, now);
    }

    fn seal_dialog(&mut self, key: Key, dialog: RemoteDialog) -> Sealed {
        let callee = self.slots[key].call.facts().requested.callee;
        let RemoteDialog { remote_tag, target, route, cseq } = dialog;
        self.vault.seal(callee, &to_bytes(&Dialog { remote_tag, target, route, cseq }))
    }

    /// What the network said in words. It may hold a number, so it is sealed.
    fn seal_detail(&mut self, key: Key, phrase: &str, raw: Option<&str>) -> Option<Sealed> {
        let raw = raw.unwrap_or_default();
        let mut text = match (phrase.is_empty(), raw.is_empty()) {
            (true, true) => return None,
            (false, true) => phrase.to_owned(),
            (true, false) => raw.to_owned(),
            (false, false) => format!("{phrase} | {raw}"),
        };
        let end =
            (0..=DETAIL_BYTES_MAX.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or(0));
        let callee = self.slots[key].call.facts().requested.callee;
        Some(self.vault.seal(callee, text.as_bytes()))
    }
}

fn reason_text(reason: &Reason) -> String {
    reason.text.clone().unwrap_or_default()
}

fn measured(report: Report) -> MediaMeasured {
    MediaMeasured {
        codec: report.codec.map(|codec| codec.name().to_owned()).unwrap_or_default(),
        sent: report.sent,
        received: report.received,
        lost: report.lost,
        discarded: report.discarded,
        jitter_us: report.jitter_us,
        remote_lost_256ths: report.remote_lost_256ths,
        first_audio_ms: report.first_audio_ms,
        recording: report.recording.map(|recording| Recording {
            file: recording
                .path
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default(),
            ms: recording.ms,
            fault: recording.fault,
        }),
    }
}

/// The digit of an INFO: `application/dtmf-relay` (`Signal=5`, `Duration=160`) or
/// `application/dtmf`, whose body is the digit.
fn digit_of_info(content_type: &str, body: &[u8]) -> Option<(char, u16)> {
    let body = std::str::from_utf8(body).ok()?;
    let is_digit = |c: &char| matches!(c, '0'..='9' | '*' | '#' | 'A'..='D');
    let digit_of = |text: &str| text.trim().chars().next().map(|c| c.to_ascii_uppercase());
    match content_type.split(';').next()?.trim() {
        "application/dtmf" => Some((digit_of(body).filter(is_digit)?, 100)),
        "application/dtmf-relay" => {
            let value = |name: &str| {
                body.lines().find_map(|line| {
                    let (key, value) = line.split_once('=')?;
                    key.trim().eq_ignore_ascii_case(name).then_some(value.trim())
                })
            };
            let digit = digit_of(value("signal")?).filter(is_digit)?;
            Some((digit, value("duration").and_then(|ms| ms.parse().ok()).unwrap_or(100)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digit_is_read_from_both_kinds_of_info() {
        let relay = b"Signal=5\r\nDuration=160\r\n";
        assert_eq!(digit_of_info("application/dtmf-relay", relay), Some(('5', 160)));
        assert_eq!(digit_of_info("application/dtmf", b"#"), Some(('#', 100)));
        assert_eq!(digit_of_info("application/dtmf-relay", b"signal = a"), Some(('A', 100)));
        assert_eq!(digit_of_info("application/dtmf", b"x"), None);
        assert_eq!(digit_of_info("text/plain", b"5"), None);
        assert_eq!(digit_of_info("application/dtmf-relay", &[0xff, 0xfe]), None);
    }
}
