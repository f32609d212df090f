//! A record as a row of CSV (RFC 4180) that no spreadsheet takes for a formula.
//!
//! A cell that begins with a character a spreadsheet computes with gets a single quote before it
//! (OWASP ASVS 5, 1.2.10), and so does one that begins with a single quote: whoever reads the
//! file back takes one leading single quote away, and has what was there. So the number
//! `+8613800000017` stands as `'+8613800000017`, a text to every spreadsheet.

use super::RecordView;
use schemas::Timestamp;
use serde_json::Value;
use std::borrow::Cow;

/// The names of the columns, with the line's end.
pub const CSV_HEADER: &str = "call_id,command_id,phone,outcome,sip_status,q850,reason,gateway,\
caller_id,attempt,tries,redial_at,requested_at,started_at,ringing_at,answered_at,ended_at,ring_ms,\
talk_ms,ended_by,variables,state,campaign,list_line,detail,digits,codec,packets_sent,\
packets_received,packets_lost,jitter_ms,first_audio_ms,recording\r\n";

impl RecordView {
    /// The record as a row under [`CSV_HEADER`], with the line's end. Lists and objects are JSON in
    /// one cell; what is null is an empty cell.
    pub fn to_csv(&self) -> String {
        let media = self.media.as_ref();
        let cells: [Option<Cow<'_, str>>; 33] = [
            text(&self.call_id),
            text(&self.command_id),
            maybe(&self.phone),
            self.outcome.map(Cow::from),
            number(self.sip_status),
            number(self.q850),
            maybe(&self.reason),
            maybe(&self.gateway),
            maybe(&self.caller_id),
            number(Some(self.attempt)),
            json(&self.tries),
            moment(self.redial_at),
            moment(self.requested_at),
            moment(self.started_at),
            moment(self.ringing_at),
            moment(self.answered_at),
            moment(self.ended_at),
            number(self.ring_ms),
            number(self.talk_ms),
            self.ended_by.map(Cow::from),
            self.variables.as_ref().and_then(json),
            text(self.state),
            maybe(&self.campaign),
            number(self.list_line),
            maybe(&self.detail),
            maybe(&self.digits),
            media.map(|media| Cow::from(media.codec.as_str())),
            number(media.map(|media| media.packets_sent)),
            number(media.map(|media| media.packets_received)),
            number(media.map(|media| media.packets_lost)),
            number(media.map(|media| media.jitter_ms)),
            number(media.and_then(|media| media.first_audio_ms)),
            self.recording.as_ref().map(|recording| Cow::from(recording.file.as_str())),
        ];
        let cells = cells.iter().map(|cell| cell.as_deref().map_or_else(String::new, quoted));
        cells.collect::<Vec<_>>().join(",") + "\r\n"
    }
}

fn text(text: &str) -> Option<Cow<'_, str>> {
    Some(Cow::from(text))
}

fn maybe(text: &Option<String>) -> Option<Cow<'_, str>> {
    text.as_deref().map(Cow::from)
}

fn number<'a>(number: Option<impl ToString>) -> Option<Cow<'a, str>> {
    number.map(|number| Cow::from(number.to_string()))
}

fn moment<'a>(at: Option<Timestamp>) -> Option<Cow<'a, str>> {
    number(at)
}

/// JSON in a cell; nothing when there is nothing in it.
fn json<'a>(value: impl serde::Serialize) -> Option<Cow<'a, str>> {
    let value = serde_json::to_value(value).ok()?;
    let empty = value == Value::Array(Vec::new()) || value == Value::Object(Default::default());
    (!empty).then(|| Cow::from(value.to_string()))
}

/// A cell as it stands in the file.
fn quoted(cell: &str) -> String {
    let mark = if is_trigger(cell) { "'" } else { "" };
    match cell.contains([',', '"', '\r', '\n']) {
        true => format!("\"{mark}{}\"", cell.replace('"', "\"\"")),
        false => format!("{mark}{cell}"),
    }
}

fn is_trigger(cell: &str) -> bool {
    let full_width = ['＝', '＋', '－', '＠'];
    let plain = ['=', '+', '-', '@', '\t', '\r', '\n', '\0', '\''];
    cell.starts_with(plain) || cell.starts_with(full_width)
}
