//! `callfold carrier` as somebody at a terminal meets it.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader, Read};
use std::net::UdpSocket;
use std::process::{Child, ChildStderr, Command, Output, Stdio};

fn callfold(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_callfold"));
    command.arg("carrier").args(arguments);
    command
}

fn output(arguments: &[&str]) -> Output {
    callfold(arguments).output().expect("runs")
}

fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id() as i32), signal).expect("it is there");
}

/// Reads up to the line that holds this, and gives that line.
fn line_with(said: &mut BufReader<ChildStderr>, text: &str) -> String {
    let mut line = String::new();
    while !line.contains(text) {
        line.clear();
        assert_ne!(said.read_line(&mut line).expect("is text"), 0, "nothing says `{text}`");
    }
    line
}

#[test]
fn it_answers_until_a_signal_says_so_and_leaves_its_ledger_and_summary() {
    let ledger = std::env::temp_dir().join(format!("callfold-cli-{}.jsonl", std::process::id()));
    let mut child = callfold(&["--listen", "127.0.0.1:0", "--json", "--ledger"])
        .arg(&ledger)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut said = BufReader::new(child.stderr.take().expect("is piped"));
    let line = line_with(&mut said, "listens on");
    let address = line.split(' ').find(|word| word.contains("127.0.0.1:")).expect("says where");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("binds");
    socket.connect(address).expect("connects");
    let invite = "INVITE sip:+8613899948600@carrier SIP/2.0\r\n\
        Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1;rport\r\nFrom: <sip:us@here>;tag=1\r\n\
        To: <sip:+8613899948600@carrier>\r\nCall-ID: one\r\nCSeq: 1 INVITE\r\n\
        Content-Length: 0\r\n\r\n";
    socket.send(invite.as_bytes()).expect("is sent");
    let mut bytes = [0; 2_000];
    let length = socket.recv(&mut bytes).expect("is answered");
    assert!(bytes[..length].starts_with(b"SIP/2.0 486 Busy Here\r\n"));
    signal(&child, Signal::SIGUSR1);
    assert!(line_with(&mut said, "INVITEs").starts_with("1 INVITEs"));
    signal(&child, Signal::SIGTERM);
    let mut summary = String::new();
    child.stdout.take().expect("is piped").read_to_string(&mut summary).expect("is text");
    assert!(child.wait().expect("ends").success());
    let summary: serde_json::Value = serde_json::from_str(&summary).expect("is JSON");
    assert_eq!((&summary["invites"], &summary["finals"]["486"]), (&1.into(), &1.into()));
    let entries = std::fs::read_to_string(&ledger).expect("was written");
    std::fs::remove_file(&ledger).expect("is ours");
    let entry: serde_json::Value = serde_json::from_str(&entries).expect("is one JSON line");
    assert_eq!((&entry["number"], &entry["status"]), (&"+8613899948600".into(), &486.into()));
}

#[test]
fn the_grammar_is_printed_and_stands_in_the_help() {
    let table = output(&["--grammar"]);
    assert!(table.status.success());
    let page = std::fs::read_to_string("docs/test-numbers.md").expect("is there");
    assert!(page.contains(&*String::from_utf8(table.stdout).expect("is text")));
    let help = String::from_utf8(output(&["--help"]).stdout).expect("is text");
    assert!(help.contains("999 486") || help.contains("999 400-699"), "{help}");
}

#[test]
fn wrong_usage_is_2_and_failure_is_1_with_one_sentence() {
    for wrong in [
        &["--listen", "nowhere"][..],
        &["--mix", "humn=1"],
        &["--loss", "101"],
        &["--ring", "6,1,25"],
        &["--rtp-ports", "9-8"],
        &["--no-such-option"],
    ] {
        assert_eq!(output(wrong).status.code(), Some(2), "{wrong:?}");
    }
    let taken = UdpSocket::bind("127.0.0.1:0").expect("binds");
    let address = taken.local_addr().expect("is bound").to_string();
    let failed = output(&["--listen", &address]);
    assert_eq!(failed.status.code(), Some(1));
    let said = String::from_utf8(failed.stderr).expect("is text");
    let wanted = format!("callfold: cannot listen for SIP on {address}: Address already in use");
    assert!(said.starts_with(&wanted) && said.lines().count() == 1, "{said}");
}
