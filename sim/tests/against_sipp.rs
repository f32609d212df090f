//! The carrier against sipp as the caller: another stack's idea of each case.

use sim::callee::{Challenge, Scheme};
use sim::carrier::{Carrier, Options, Report};
use std::path::Path;
use std::process::Command;

/// Runs a scenario of `tests/sipp/` (or one that sipp brings, `-sn NAME`) three times at once.
fn run(scenario: &str, number: &str, more: &[&str]) -> Report {
    let mut options = Options::new("127.0.0.1:0".parse().expect("is an address"));
    options.behaviour.second_ms = 100;
    options.behaviour.register_challenge = Challenge::www(Scheme::Md5);
    let carrier = Carrier::start(options).expect("starts on a free port");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/sipp/{scenario}.xml"));
    let mut sipp = Command::new("sipp");
    match scenario.strip_prefix("-sn ") {
        Some(name) => sipp.args(["-sn", name]),
        None => sipp.arg("-sf").arg(file),
    };
    let output = sipp
        .current_dir(std::env::temp_dir())
        .args(["-nostdin", "-i", "127.0.0.1", "-m", "3", "-r", "100", "-s", number])
        .args(["-timeout", "20s", "-timeout_error", "-nd"])
        .args(more)
        .arg(carrier.addr.to_string())
        .output()
        .expect("sipp runs: install the package sip-tester (apt-get install sip-tester)");
    let report = carrier.stop();
    assert!(
        output.status.success(),
        "{scenario} to {number}: {}\n{}\n{report}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    report
}

/// All calls ended with this status, and nobody owes anything.
fn check(scenario: &str, number: &str, status: u16) {
    let report = run(scenario, number, &[]);
    assert_eq!(report.totals.strays, 0, "{scenario}\n{report}");
    let ended: Vec<_> = report.entries.iter().filter(|entry| entry.status == status).collect();
    assert_eq!(ended.len(), 3, "{scenario}\n{report}");
    for entry in &report.entries {
        assert!(entry.is_settled(), "{scenario}: {entry:?}");
        assert_eq!(entry.misdirected, 0, "{scenario}: {entry:?}");
    }
}

#[test]
fn sipps_own_caller_is_answered_over_udp_and_tcp() {
    for transport in ["u1", "t1"] {
        let report = run("-sn uac", "99920000", &["-t", transport]);
        assert!(report.entries.iter().all(sim::ledger::Entry::is_settled), "{transport} {report}");
        assert_eq!(report.entries.len(), 3);
    }
}

#[test]
fn a_refusal_ends_the_call() {
    check("busy", "99948601", 486);
    check("busy", "+8613899948601", 486);
}

#[test]
fn a_ringing_call_is_cancelled() {
    check("cancel", "99918000", 487);
}

#[test]
fn an_answer_crosses_a_cancel() {
    check("crossing", "99980100", 200);
}

#[test]
fn a_callee_hangs_up() {
    check("hung_up", "99921002", 200);
    check("hung_up", "99921231", 200);
}

#[test]
fn a_callee_holds_and_resumes() {
    check("hold", "99926001", 200);
}

#[test]
fn challenges_are_met() {
    check("challenged_401", "99940100", 200);
    check("challenged_407", "99940700", 200);
}

#[test]
fn early_media_comes_before_the_answer() {
    check("early", "99918301", 200);
}

#[test]
fn a_reliable_provisional_waits_for_its_prack() {
    check("reliable", "99919001", 200);
}

#[test]
fn options_and_register_are_answered_and_a_stray_bye_is_not_ours() {
    assert_eq!(run("options", "1", &[]).totals.options, 3);
    assert_eq!(run("register", "1", &[]).totals.registers, 6);
    assert_eq!(run("stray", "1", &[]).totals.strays, 3);
}
