use super::*;
use clap::CommandFactory;

fn typed(line: &str) -> Result<Command, String> {
    let words = std::iter::once("callfold").chain(line.split(' '));
    CommandLine::try_parse_from(words).map(|line| line.command).map_err(|error| error.to_string())
}

#[test]
fn the_definitions_do_not_contradict_themselves() {
    CommandLine::command().debug_assert();
}

#[test]
fn the_lines_of_the_contract_are_understood() {
    for line in [
        "demo --calls 50 --rate 20 --seed 7 --data d --json",
        "dial --list l.csv --gateway sip:127.0.0.1:5070;transport=tcp --gateway sip:b --batch spring --again \
         --caller-id +861012345678 --prompt p.wav --rate 0.5 --concurrency 10 --ring-timeout 20 --max-talk 0 \
         --max-attempts 3 --username u --password-file f --bind 127.0.0.1 --data d --json",
        "carrier --listen 127.0.0.1:5070",
        "config --print-default",
        "config --check callfold.toml",
        "records --data d --as-of 17 --format csv --outcome no_answer --phone +8613800000017",
        "records --data d --as-of 2026-09-21T14:13:20Z --format json",
        "events --data d --call 9eb39ff5-2506-51bf-a98b-440bd8deba94 --from 3 --format json",
        "events --data d --follow --all",
        "replay --data d --call 9eb39ff5",
        "verify --data d",
        "--log json verify --data d",
        "verify --data d --log plain",
    ] {
        let read = typed(line);
        assert!(read.is_ok(), "{line}: {}", read.unwrap_err());
    }
}

#[test]
fn a_wrong_value_is_answered_with_what_belongs_there() {
    for (line, wanted) in [
        ("demo --rate fast", "write a number above 0"),
        ("dial --data d --list l --gateway sip:a --ring-timeout 30s", "a number of seconds"),
        ("dial --data d --list l --gateway sip:a --bind nowhere", "192.0.2.7:5060"),
        ("dial --data d --list l --gateway sip:a --max-attempts 0", "1..=100"),
        ("dial --data d --list l --gateway sips:a", "TLS is not spoken yet"),
        ("dial --data d --list l", "--gateway <URI>"),
        ("records --data d --as-of yesterday", "a position (a number) or a time"),
        ("records --data d --outcome fine", "write one of completed"),
        ("records --data d --region CN", "--phone"),
        ("replay --data d --call xyz", "at least its first four characters"),
        ("verify --data d --fast", "--fast"),
    ] {
        let said = typed(line).expect_err(line);
        assert!(said.contains(wanted), "{line}: {said}");
    }
}
