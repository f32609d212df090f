//! Every test number, dialled by `callfold dial` over real SIP: the record says what the number's
//! row promises, and the carrier's own ledger says that nothing is owed.

use sim::carrier::{Carrier, Options};
use sim::grammar::{Detail, ROWS, Row};
use std::collections::HashMap;
use std::process::Command;

/// Rows that take 32 s (64*T1) by the standard: nobody answers the INVITE, the CANCEL or the BYE.
const SLOW: [&str; 4] = ["silence", "no-487", "deaf-to-cancel", "deaf-to-bye"];

/// The numbers that are dialled, with their row.
fn numbers() -> Vec<(String, &'static Row)> {
    let number = |code: u16, row: &Row| {
        let nn = match row.nn {
            Detail::Unused => 0,
            Detail::Cause => 17,
            Detail::Digits => 42,
            _ => 1,
        };
        format!("+86138999{code:03}{nn:02}")
    };
    let quick = ROWS.iter().filter(|row| !SLOW.contains(&row.name));
    // Who asks for credentials is dialled with them, in tests of their own.
    let open = quick.filter(|row| !row.name.starts_with("digest-"));
    open.map(|row| {
        let code = match row.codes {
            (300, 399) => 302,
            (400, 699) => 486,
            (code, _) => code,
        };
        (number(code, row), row)
    })
    .collect()
}

/// What the row promises; None when the number does not say it alone.
fn promised(row: &Row) -> Option<&'static str> {
    let first = row.outcome.split(',').next().unwrap_or("").split(" or ").next().unwrap_or("");
    let word = first.trim().strip_prefix('`').and_then(|rest| rest.strip_suffix('`'));
    word.or((row.name == "refuse").then_some("busy"))
}

#[test]
fn every_test_number_becomes_what_its_row_promises() {
    let mut options = Options::new("127.0.0.1:0".parse().expect("is an address"));
    options.behaviour.second_ms = 100;
    let carrier = Carrier::start(options).expect("starts on a free port");
    let folder = tempfile::tempdir().expect("a folder");
    let list = folder.path().join("numbers.csv");
    let numbers = numbers();
    let lines: String = numbers.iter().map(|(number, _)| format!("{number}\n")).collect();
    std::fs::write(&list, format!("phone\n{lines}")).expect("is written");
    let dialled = Command::new(env!("CARGO_BIN_EXE_callfold"))
        .args(["dial", "--json", "--ring-timeout", "2", "--max-talk", "1", "--rate", "100"])
        .args(["--gateway", &format!("sip:{}", carrier.addr)])
        .arg("--list")
        .arg(&list)
        .arg("--data")
        .arg(folder.path().join("data"))
        .output()
        .expect("runs");
    let said = String::from_utf8_lossy(&dialled.stderr);
    assert!(dialled.status.success(), "{said}");
    let answer: serde_json::Value = serde_json::from_slice(&dialled.stdout).expect("is JSON");
    let records: HashMap<&str, &serde_json::Value> = answer["calls"]
        .as_array()
        .expect("is a list")
        .iter()
        .map(|record| (record["phone"].as_str().expect("has a phone"), record))
        .collect();
    let mut wrong = Vec::new();
    for (number, row) in &numbers {
        let Some(record) = records.get(number.as_str()) else {
            wrong.push(format!("{number} {} has no record", row.name));
            continue;
        };
        if record["outcome"].as_str() != promised(row) {
            wrong.push(format!("{number} {}, wanted {:?}: {record}", row.name, promised(row)));
        }
    }
    for entry in carrier.stop().entries {
        // Without a Contact the engine can only ask where its INVITE went: no other place was named.
        let misdirected = entry.misdirected > 0 && entry.plan != "no-contact";
        if !entry.is_settled() || misdirected {
            wrong.push(format!("owed: {entry:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
