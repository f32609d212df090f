//! Every message that we send, letter by letter: `tests/golden/`. `UPDATE_EXPECT=1` writes them
//! anew; a change there is a change on the wire.

use std::time::Duration;

use expect_test::expect_file;
use sip::port::{Reason, Transport};

use crate::world::run::World;
use crate::world::*;

/// Compares with `tests/golden/<name>.txt`.
fn golden(name: &str, message: &Text) {
    let path = format!("{}/tests/golden/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    expect_file![path].assert_eq(&message.0.replace("\r\n", "\n"));
}

fn call(script: Script) -> Run {
    World::new(script, Faults::None).call()
}

const PROXY: &str =
    r#"Proxy-Authenticate: Digest realm="proxy", nonce="p1", opaque="o", qop="auth,auth-int""#;
const SERVER: &str = r#"WWW-Authenticate: Digest realm="server", nonce="s1", algorithm=SHA-256"#;

fn routed(step: script::Step) -> script::Step {
    step.header("Record-Route: <sip:10.0.0.22;lr>, <sip:10.0.0.9;lr;x=1>")
        .contact("<sip:callee@192.0.2.4:5080>")
}

#[test]
fn what_a_plain_call_sends() {
    let why = Reason { q850: Some(16), sip: None, text: Some("Normal".into()) };
    let plan = Plan::invite([routed(say(0, 183)).reliable(7), routed(say(500, 200))]);
    let script = Script::new(plan).no_bye().at(700, Wish::Info("Signal=5\r\nDuration=160\r\n"));
    let run = call(script.at(800, Wish::Reinvite(OFFER)).at(1000, Wish::Bye(Some(why))));
    golden("invite", run.requests("INVITE")[0]);
    golden("prack", run.request("PRACK"));
    golden("ack", run.requests("ACK")[0]);
    golden("info", run.request("INFO"));
    golden("reinvite", run.requests("INVITE")[1]);
    golden("bye", run.request("BYE"));
}

#[test]
fn what_a_call_that_is_taken_back_sends() {
    let why = Reason { q850: None, sip: Some(200), text: Some("Call completed elsewhere".into()) };
    let run = call(Script::new(Plan::invite([say(0, 180)])).at(1000, Wish::Cancel(Some(why))));
    golden("cancel", run.request("CANCEL"));
    golden("ack_to_refusal", run.request("ACK"));
}

#[test]
fn what_a_call_with_an_account_and_all_the_rest_sends() {
    let plan = Plan::invite([say(0, 407).header(PROXY)])
        .then([say(0, 401).header(SERVER)])
        .then([say(0, 422).header("Min-SE: 3600")])
        .then([say(0, 200).header("Session-Expires: 3600;refresher=uac").header("Allow: UPDATE")]);
    let script = Script::new(plan).with_account().gateway(|g| {
        g.trusted = true;
        g.transport = Transport::Tcp;
        g.port = Some(5060);
        g.session_expires = Some(Duration::from_secs(1800));
    });
    let run = call(script.no_bye().at(2_000_000, Wish::Bye(None)));
    golden("invite_with_credentials", run.requests("INVITE")[3]);
    golden("ack_with_credentials", run.requests("ACK").last().unwrap());
    golden("update", run.request("UPDATE"));
    let anonymous = call(Script::new(Plan::invite([say(0, 486)])).with(|s| s.from = None));
    golden("invite_anonymous", anonymous.request("INVITE"));
}

#[test]
fn what_gateways_are_asked() {
    let plan = Plan::default().reply("REGISTER", 401, &[SERVER]);
    let script = Script::new(plan).with_account().gateway(|g| {
        g.register = true;
        g.options_every = Some(Duration::from_secs(30));
    });
    let run = World::new(script, Faults::None).idle(Duration::from_secs(5));
    golden("register", run.requests("REGISTER")[0]);
    golden("register_with_credentials", run.requests("REGISTER")[1]);
    golden("options", run.requests("OPTIONS")[0]);
}

#[test]
fn what_is_answered() {
    let plan = Plan::invite([
        say(0, 183),
        ask(100, "UPDATE").sdp(OFFER),
        say(500, 200),
        ask(1000, "INFO").body("text/plain", "x"),
        ask(1100, "OPTIONS"),
        ask(1200, "UPDATE").header("Session-Expires: 1800;refresher=uac"),
        ask(1300, "UPDATE").header("Session-Expires: 60"),
        ask(1400, "REFER"),
        ask(1500, "INFO").header("Require: foo").header("Require: bar"),
        ask(1600, "OPTIONS").tag("stranger"),
        ask(1700, "INVITE").sdp(OFFER).header("Record-Route: <sip:10.0.0.9;lr>"),
        ask(1702, "INVITE").sdp(OFFER),
        ask(3000, "BYE"),
    ]);
    let run = call(Script::new(plan).no_bye());
    let to = |method: &str, status: u16| {
        let found = run.responses(status).into_iter().find(|r| r.cseq_method() == method);
        found.unwrap_or_else(|| panic!("no {status} to {method}\n{}", run.ladder))
    };
    golden("491_to_update", to("UPDATE", 491));
    golden("200_to_info", to("INFO", 200));
    golden("200_to_options", to("OPTIONS", 200));
    golden("200_to_update", to("UPDATE", 200));
    golden("422_to_update", to("UPDATE", 422));
    golden("405_to_refer", to("REFER", 405));
    golden("420_to_info", to("INFO", 420));
    golden("481_to_options", to("OPTIONS", 481));
    golden("100_to_reinvite", to("INVITE", 100));
    golden("200_to_reinvite", to("INVITE", 200));
    golden("500_to_reinvite", to("INVITE", 500));
    golden("200_to_bye", to("BYE", 200));

    let plan = Plan::invite([
        say(0, 200),
        ask(1000, "INVITE").sdp(OFFER),
        cancel_ask(1002),
        ask(2000, "INVITE").sdp(OFFER),
        ask(3000, "BYE"),
    ]);
    let run = call(Script::new(plan).no_bye().with(|s| s.reinvite_answer = None));
    golden("200_to_cancel", run.responses(200)[0]);
    golden("487_to_reinvite", run.responses(487)[0]);
    golden("488_to_reinvite", run.responses(488)[0]);
}
