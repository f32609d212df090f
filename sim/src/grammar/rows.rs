//! The rows of the grammar. A row's meaning never changes; new ones are added.

use super::{Case, Detail, Row};
use crate::callee::{
    Challenge, Extra, Manners, Offer, OnBye, OnCancel, OnReinvite, Plan, Reply, Scheme, Sdp, Sound,
    Step,
};
use Detail::{Cause, Digits, Seconds, Tenths, Times, Unused};
use Step::{HangUp, Inform, Play, Press, Wait};

macro_rules! rows {
    ($($codes:expr, $name:literal, $nn:ident, $does:literal => $outcome:literal, $plan:expr;)*) => {
        &[$(Row { codes: $codes, name: $name, nn: $nn, does: $does, outcome: $outcome, plan: $plan }),*]
    };
}

/// Every row. Where two are for one code, the first one counts.
#[rustfmt::skip]
pub const ROWS: &[Row] = rows![
    (0, 0), "silence", Unused, "no SIP answer at all" => "`unreachable`", |_| plan([]);

    // Before an answer.
    (100, 100), "trying-only", Unused, "100, then nothing" => "`unreachable`", |_| plan([say(100)]);
    (110, 110), "slow-trying", Tenths, "nothing for `nn`, then 100 and 180; answers 1 s later" => "`completed`",
        |c| answer([Wait(c.nn_tenths()), say(100), say(180), Wait(c.seconds(1))]);
    (111, 111), "no-provisional", Tenths, "nothing for `nn`, then 200 without any provisional" => "`completed`",
        |c| answer([Wait(c.nn_tenths())]);
    (180, 180), "no-answer", Seconds, "100, 180 after `nn`, rings for ever" => "`no_answer`",
        |c| plan([say(100), c.wait(), say(180)]);
    (181, 181), "forwarded", Seconds, "181, 180, answers after `nn`" => "`completed`",
        |c| answer([say(181), say(180), c.wait()]);
    (182, 182), "queued", Seconds, "182 for `nn`, 180, answers 1 s later" => "`completed`",
        |c| answer([say(182), c.wait(), say(180), Wait(c.seconds(1))]);
    (183, 183), "early-ringback", Seconds, "183 with SDP and 450 Hz ringback, answers after `nn`" => "`completed`",
        |c| answer([early(), Play(Sound::Ringback), c.wait()]);
    (184, 184), "early-no-answer", Unused, "183 with SDP and 450 Hz ringback for ever" => "`no_answer`",
        |_| plan([early(), Play(Sound::Ringback)]);
    (185, 185), "early-busy", Seconds, "183 with ringback, after `nn` 486" => "`busy`",
        |c| plan([early(), Play(Sound::Ringback), c.wait(), say(486)]);
    (186, 186), "announced-off", Seconds, "183 with an announcement, after `nn` 480" => "`unreachable`",
        |c| plan([early(), Play(Sound::Announcement), c.wait(), say(480)]);
    (187, 187), "announced-vacant", Seconds, "183 with an announcement, after `nn` 404" => "`invalid_number`",
        |c| plan([early(), Play(Sound::Announcement), c.wait(), say(404)]);
    (188, 188), "early-fault", Seconds, "183 with ringback, after `nn` 503 (no failover: it rang)" => "`failed`",
        |c| plan([early(), Play(Sound::Ringback), c.wait(), say(503)]);
    (189, 189), "early-without-sdp", Seconds, "183 without SDP, 180, answers after `nn`" => "`completed`",
        |c| answer([say(183), say(180), c.wait()]);
    (190, 190), "reliable-early", Seconds, "reliable 183 with SDP and ringback (100rel), answers `nn` after its PRACK" => "`completed`",
        |c| answer([Step::Reply(EARLY.reliably()), Play(Sound::Ringback), c.wait()]);
    (191, 191), "reliable-twice", Seconds, "reliable 180, reliable 183 with SDP, answers `nn` after the second PRACK" => "`completed`",
        |c| answer([Step::Reply(Reply::of(180).reliably()), Step::Reply(EARLY.reliably()), Play(Sound::Ringback), c.wait()]);
    (192, 192), "reliable-busy", Seconds, "reliable 183 with SDP, `nn` after its PRACK 486" => "`busy`",
        |c| plan([Step::Reply(EARLY.reliably()), Play(Sound::Ringback), c.wait(), say(486)]);
    (193, 193), "fork-rings-twice", Seconds, "two phones ring (two To tags); the second answers after `nn`" => "`completed`",
        |c| plan([say(180), Step::Reply(Reply::of(180).fork(1)), c.wait(), Step::Reply(Reply::of(200).fork(1)), Play(Sound::Hello)]);

    // Answers.
    (200, 200), "answer", Seconds, "answers after `nn`, talks until hung up on" => "`completed`",
        |c| answer([say(180), c.wait()]);
    (201, 201), "answer-tenths", Tenths, "answers after `nn`" => "`completed`",
        |c| answer([say(180), Wait(c.nn_tenths())]);
    (202, 202), "answer-202", Seconds, "answers after `nn` with 202" => "`completed`",
        |c| plan([say(180), c.wait(), say(202), Play(Sound::Hello)]);
    (210, 210), "hang-up", Seconds, "hangs up `nn` after its answer" => "`completed`",
        |c| talk(c, [Play(Sound::Hello), c.wait(), HangUp(None)]);
    (211, 211), "hang-up-tenths", Tenths, "hangs up `nn` after its answer" => "`completed`",
        |c| talk(c, [Play(Sound::Hello), Wait(c.nn_tenths()), HangUp(None)]);
    (212, 212), "hang-up-cause", Cause, "hangs up 1 s after its answer, with `Reason: Q.850;cause=nn`" => "`completed`",
        |c| talk(c, [Play(Sound::Hello), Wait(c.seconds(1)), HangUp(Some(c.nn))]);
    (220, 220), "machine", Seconds, "a machine: speech for `nn` (00: 6 s), a beep, silence" => "`completed`",
        |c| talk(c, [Play(Sound::Greeting(greeting_ms(c)))]);
    (221, 221), "machine-no-beep", Seconds, "a machine: speech for `nn` (00: 6 s), silence" => "`completed`",
        |c| talk(c, [Play(Sound::GreetingNoBeep(greeting_ms(c)))]);
    (222, 222), "menu", Unused, "a voice menu: 4 s of speech and 2 s of pause, again and again" => "`completed`",
        |c| talk(c, [Play(Sound::Menu)]);
    (223, 223), "screening", Unused, "a call screener: speech, 4 s of silence, speech, silence" => "`completed`",
        |c| talk(c, [Play(Sound::Screening)]);
    (224, 224), "fax", Unused, "a fax: 2100 Hz for 3 s, silence" => "`completed`",
        |c| talk(c, [Play(Sound::Fax)]);
    (230, 230), "no-rtp", Unused, "answers and sends no RTP" => "`completed`",
        |c| talk(c, []);
    (231, 231), "late-rtp", Tenths, "sends its first RTP `nn` after the answer" => "`completed`",
        |c| talk(c, [Wait(c.nn_tenths()), Play(Sound::Hello)]);
    (232, 232), "rtp-stops", Seconds, "sends RTP for `nn` after the answer, then none" => "`completed`",
        |c| talk(c, [Play(Sound::Hello), c.wait(), Play(Sound::Nothing)]);
    (233, 233), "quiet", Unused, "sends packets of silence only" => "`completed`",
        |c| talk(c, [Play(Sound::Silence)]);
    (234, 234), "echo", Unused, "sends back what it hears" => "`completed`",
        |c| talk(c, [Play(Sound::Echo)]);
    (235, 235), "tone", Unused, "sends 450 Hz without end" => "`completed`",
        |c| talk(c, [Play(Sound::Tone)]);
    (236, 236), "rtp-garbage", Unused, "sends packets that are no RTP" => "`completed`",
        |c| talk(c, [Play(Sound::Garbage)]);
    (240, 240), "sdp-unreadable", Seconds, "answers after `nn` with a body that is no SDP" => "`failed`",
        |c| bad_answer(c, Reply::of(200).sdp(Sdp::Unreadable));
    (241, 241), "sdp-missing", Seconds, "answers after `nn` without SDP" => "`failed`",
        |c| bad_answer(c, Reply::of(200).sdp(Sdp::None));
    (242, 242), "sdp-other-codec", Seconds, "answers after `nn` with G.729, which was not offered" => "`failed`",
        |c| bad_answer(c, Reply::of(200).sdp(Sdp::OtherCodec));
    (243, 243), "sdp-refused", Seconds, "answers after `nn` with port 0" => "`failed`",
        |c| bad_answer(c, Reply::of(200).sdp(Sdp::Refused));
    (244, 244), "no-contact", Seconds, "answers after `nn` without Contact" => "`failed`",
        |c| bad_answer(c, Reply { no_contact: true, ..Reply::of(200) });
    (245, 245), "record-route", Seconds, "answers after `nn` through two proxies (Record-Route)" => "`completed`",
        |c| answer_with(c, Reply::of(200).extra(Extra::RecordRoute));
    (250, 250), "answer-repeated", Times, "sends its 200 `nn` times more at once" => "`completed`",
        |c| answer_with(c, Reply { copies: c.nn, ..Reply::of(200) });
    (251, 251), "fork-answers-twice", Tenths, "a fork: another phone's 200 comes `nn` after the first" => "`completed`",
        |c| talk(c, [Play(Sound::Hello), Wait(c.nn_tenths()), Step::Reply(Reply::of(200).fork(1))]);
    (252, 252), "late-ringing", Unused, "sends a 180 after its 200" => "`completed`",
        |c| talk(c, [say(180), Play(Sound::Hello)]);
    (260, 260), "hold", Seconds, "puts the caller on hold `nn` after the answer, takes it back 2 s later" => "`completed`",
        |c| talk(c, [Play(Sound::Hello), c.wait(), Step::Offer(Offer::Hold), Wait(c.seconds(2)), Step::Offer(Offer::Resume)]);
    (261, 261), "empty-reinvite", Seconds, "sends a re-INVITE without SDP `nn` after the answer" => "`completed`",
        |c| talk(c, [Play(Sound::Hello), c.wait(), Step::Offer(Offer::Empty)]);
    (262, 262), "refuses-reinvite", Unused, "answers; each re-INVITE of the caller's gets 488" => "`completed`",
        |c| with(talk(c, [Play(Sound::Hello)]), |m| m.reinvite = OnReinvite::Refuse);
    (263, 263), "glare", Unused, "answers; the caller's first re-INVITE gets 491" => "`completed`",
        |c| with(talk(c, [Play(Sound::Hello)]), |m| m.reinvite = OnReinvite::GlareOnce);
    (265, 265), "session-timer-ours", Unused, "answers with `Session-Expires: 90;refresher=uac`" => "`completed`",
        |c| answer_with(c, Reply::of(200).extra(Extra::SessionExpires { by_caller: true }));
    (266, 266), "session-timer-theirs", Unused, "answers with `Session-Expires: 90;refresher=uas`, and never refreshes" => "`completed`",
        |c| answer_with(c, Reply::of(200).extra(Extra::SessionExpires { by_caller: false }));
    (270, 270), "digits", Digits, "presses `nn` by RFC 4733, 1 s after its answer" => "`completed`",
        |c| talk(c, [Play(Sound::Silence), Wait(c.seconds(1)), Press(two_digits(c))]);
    (271, 271), "digits-info", Digits, "presses `nn` by INFO, 1 s after its answer" => "`completed`",
        |c| { let [one, two] = two_digits(c); talk(c, [Play(Sound::Silence), Wait(c.seconds(1)), Inform(one), Inform(two)]) };

    // Better the next time.
    (280, 280), "busy-at-first", Times, "486 `nn` times, then answers" => "`busy`, then `completed`",
        |c| if c.nth < u32::from(c.nn) { plan([say(486)]) } else { talk(c, [Play(Sound::Hello)]) };
    (281, 281), "congested-at-first", Times, "503 with `Retry-After: 1` `nn` times, then answers" => "`failed`, then `completed`",
        |c| if c.nth < u32::from(c.nn) { plan([Step::Reply(Reply::of(503).extra(Extra::RetryAfter(1)))]) } else { talk(c, [Play(Sound::Hello)]) };
    (282, 282), "no-answer-at-first", Times, "rings for ever `nn` times, then answers" => "`no_answer`, then `completed`",
        |c| if c.nth < u32::from(c.nn) { plan([say(180)]) } else { talk(c, [Play(Sound::Hello)]) };

    // Refusals, by their own status.
    (300, 399), "redirect", Seconds, "that status, with the Contact of a number that answers after `nn`" => "`failed`, or the other number's",
        |c| plan([Step::Reply(Reply::of(c.code).extra(Extra::TryInstead(200, c.nn)))]);
    (401, 401), "digest-401", Seconds, "401 (MD5); with the right credentials answers after `nn`" => "`completed`",
        |c| asking(c, Challenge::www(Scheme::Md5));
    (407, 407), "digest-407", Seconds, "407 (MD5); with the right credentials answers after `nn`" => "`completed`",
        |c| asking(c, Challenge::proxy(Scheme::Md5));
    (422, 422), "session-too-small", Unused, "422 with `Min-SE: 1800`" => "`failed`",
        |_| plan([Step::Reply(Reply::of(422).extra(Extra::MinSe))]);
    (503, 503), "congested", Seconds, "503 at once, with `Retry-After: nn` (00: without)" => "`failed`",
        |c| plan([Step::Reply(Reply::of(503).extra(if c.nn > 0 { Extra::RetryAfter(c.nn) } else { Extra::None }))]);
    (400, 699), "refuse", Seconds, "that status after ringing for `nn`; 00: at once, without ringing" => "by the status",
        |c| if c.nn > 0 { plan([say(180), c.wait(), say(c.code)]) } else { plan([say(c.code)]) };

    // More challenges; with the right credentials, answers after nn.
    (701, 701), "digest-sha256", Seconds, "401 (SHA-256), then answers after `nn`" => "`completed`",
        |c| asking(c, Challenge::www(Scheme::Sha256));
    (702, 702), "digest-two-algorithms", Seconds, "401 with SHA-256 and MD5 to choose from, then answers after `nn`" => "`completed`",
        |c| asking(c, Challenge::www(Scheme::Sha256OrMd5));
    (703, 703), "digest-qop-list", Seconds, "401 with `qop=\"auth,auth-int\"`, then answers after `nn`" => "`completed`",
        |c| asking(c, Challenge::www(Scheme::QopList));
    (704, 704), "digest-no-qop", Seconds, "401 without `qop` (RFC 2069), then answers after `nn`" => "`completed`",
        |c| asking(c, Challenge::www(Scheme::NoQop));
    (705, 705), "digest-md5-sess", Seconds, "401 (MD5-sess), then answers after `nn`" => "`completed`",
        |c| asking(c, Challenge::www(Scheme::Md5Sess));
    (706, 706), "digest-stale", Seconds, "401, the first nonce is stale, then answers after `nn`" => "`completed`",
        |c| asking(c, Challenge { stale_once: true, ..Challenge::www(Scheme::Md5) });
    (707, 707), "digest-407-401", Seconds, "407, then 401, then answers after `nn`" => "`completed`",
        |c| asking(c, Challenge { proxy: Some(Scheme::Md5), ..Challenge::www(Scheme::Md5) });
    (708, 708), "digest-never", Unused, "401 whatever the credentials" => "`failed`",
        |c| asking(c, Challenge { never_right: true, ..Challenge::www(Scheme::Md5) });
    (709, 709), "digest-407-sha256", Seconds, "407 (SHA-256), then answers after `nn`" => "`completed`",
        |c| asking(c, Challenge::proxy(Scheme::Sha256));

    // Bad manners and crossings. Those with CANCEL ring for ever before.
    (800, 800), "late-answer", Tenths, "answers the CANCEL; 200 to the INVITE `nn` later" => "`no_answer`",
        |c| cancelled(OnCancel::AnswerLate { after_ms: c.nn_tenths() });
    (801, 801), "crossing-answer", Unused, "200 to the INVITE crosses the CANCEL" => "`no_answer`",
        |_| cancelled(OnCancel::AnswerFirst);
    (802, 802), "no-487", Unused, "answers the CANCEL; the INVITE never ends" => "`no_answer`",
        |_| cancelled(OnCancel::NoFinal);
    (803, 803), "deaf-to-cancel", Unused, "never answers the CANCEL" => "`no_answer`",
        |_| cancelled(OnCancel::Ignore);
    (804, 804), "denies-cancel", Seconds, "481 to the CANCEL; answers `nn` after the INVITE" => "`completed` or `no_answer`",
        |c| with(answer([say(180), c.wait()]), |m| m.cancel = OnCancel::Deny);
    (805, 805), "late-487", Tenths, "answers the CANCEL; 487 `nn` later" => "`no_answer`",
        |c| cancelled(OnCancel::Refuse { status: 487, after_ms: c.nn_tenths() });
    (806, 806), "busy-after-cancel", Unused, "answers the CANCEL; 486 to the INVITE" => "`no_answer`",
        |_| cancelled(OnCancel::Refuse { status: 486, after_ms: 0 });
    (810, 810), "deaf-to-bye", Unused, "answers; never answers the BYE" => "`completed`",
        |c| with(talk(c, [Play(Sound::Hello)]), |m| m.bye = OnBye::Ignore);
    (811, 811), "denies-bye", Unused, "answers; 481 to the BYE" => "`completed`",
        |c| with(talk(c, [Play(Sound::Hello)]), |m| m.bye = OnBye::Deny);
    (812, 812), "deaf-to-ack", Unused, "answers; repeats its 200 for 32 s whatever is ACKed, then hangs up" => "`completed`",
        |c| with(talk(c, [Play(Sound::Hello)]), |m| m.deaf_to_acks = true);
    (813, 813), "busy-repeated", Times, "sends its 486 `nn` times more at once" => "`busy`",
        |c| plan([Step::Reply(Reply { copies: c.nn, ..Reply::of(486) })]);
];

const EARLY: Reply = Reply::of(183).sdp(Sdp::Answer);

fn say(status: u16) -> Step {
    Step::Reply(Reply::of(status))
}

fn early() -> Step {
    Step::Reply(EARLY)
}

/// The row's name is put in by whoever reads it.
fn plan<const N: usize>(steps: [Step; N]) -> Plan {
    Plan::new("", steps)
}

/// These steps, then a person answers.
fn answer<const N: usize>(steps: [Step; N]) -> Plan {
    Plan::new("", steps.into_iter().chain([say(200), Play(Sound::Hello)]))
}

/// Rings for a second, answers, and goes on so.
fn talk<const N: usize>(case: &Case, then: [Step; N]) -> Plan {
    let start = [say(180), Wait(case.seconds(1)), say(200)];
    Plan::new("", start.into_iter().chain(then))
}

/// Rings for a second, and answers with this.
fn answer_with(case: &Case, reply: Reply) -> Plan {
    plan([say(180), Wait(case.seconds(1)), Step::Reply(reply), Play(Sound::Hello)])
}

/// Rings for `nn` seconds, and answers with this.
fn bad_answer(case: &Case, reply: Reply) -> Plan {
    plan([say(180), case.wait(), Step::Reply(reply), Play(Sound::Hello)])
}

fn asking(case: &Case, challenge: Challenge) -> Plan {
    answer([say(180), case.wait()]).behind(challenge)
}

fn cancelled(cancel: OnCancel) -> Plan {
    with(plan([say(180)]), |manners| manners.cancel = cancel)
}

fn with(plan: Plan, change: impl FnOnce(&mut Manners)) -> Plan {
    let mut manners = plan.manners;
    change(&mut manners);
    plan.with_manners(manners)
}

fn greeting_ms(case: &Case) -> u16 {
    let ms = if case.nn == 0 { case.seconds(6) } else { case.nn_seconds() };
    // 65 s of greeting are enough for anybody.
    u16::try_from(ms).unwrap_or(u16::MAX)
}

fn two_digits(case: &Case) -> [u8; 2] {
    [b'0' + case.nn / 10, b'0' + case.nn % 10]
}
