use super::*;
use expect_test::{Expect, expect};
use sip::port::Transport;

fn read_with(text: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigFaults> {
    let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
    Config::read(text, environment.iter().map(owned).collect::<Vec<_>>())
}

/// What is wrong with a configuration.
fn check(text: &str, wanted: Expect) {
    check_with(text, &[], wanted);
}

fn check_with(text: &str, environment: &[(&str, &str)], wanted: Expect) {
    let said =
        read_with(text, environment).map_or_else(|faults| faults.to_string(), |_| "fine".into());
    wanted.assert_eq(&said);
}

/// The keys that stand in the printed default, those that are commented out too: (path, line).
fn printed() -> Vec<(String, usize, bool)> {
    let mut section = String::new();
    let mut keys = Vec::new();
    for (n, line) in DEFAULT.lines().enumerate() {
        let (commented, line) = line.strip_prefix("# ").map_or((false, line), |rest| (true, rest));
        if let Some(header) = line.strip_prefix('[').filter(|_| !commented) {
            section = header.trim_start_matches('[').split(']').next().unwrap().to_owned();
        } else if let Some((key, _)) = line.split_once(" = ")
            && key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        {
            keys.push((format!("{section}.{key}"), n, commented));
        }
    }
    keys
}

#[test]
fn the_printed_default_has_every_key_there_is_and_no_other() {
    let mut known = Vec::new();
    reader::read("", [], |reader| {
        let config = check::config(reader);
        known = reader.keys();
        config
    })
    .unwrap();
    let mut printed: Vec<String> = printed().into_iter().map(|(key, ..)| key).collect();
    printed.sort();
    assert_eq!(printed, known);
}

#[test]
fn what_is_printed_is_what_a_key_is_without_it() {
    let shown = |text: &str| format!("{:?}", read_with(text, &[]).unwrap());
    let whole = shown(DEFAULT);
    // Those that say something when they are there: whom to dial through, and whose numbers.
    let examples = ["gateways.", "defaults.region"];
    for (key, line, commented) in printed() {
        let example = examples.iter().any(|start| key.starts_with(start));
        if !commented && !example {
            let without = DEFAULT.lines().enumerate().filter(|(n, _)| *n != line);
            let without: String = without.map(|(_, line)| format!("{line}\n")).collect();
            assert_eq!(shown(&without), whole, "without {key}");
        }
    }
}

#[test]
fn every_key_that_is_commented_out_can_be_switched_on() {
    for (key, line, commented) in printed() {
        let on = |(n, text): (usize, &str)| match n == line {
            true => text.trim_start_matches("# ").to_owned() + "\n",
            false => format!("{text}\n"),
        };
        let text: String = DEFAULT.lines().enumerate().map(on).collect();
        let faults =
            read_with(&text, &[]).map_or_else(|faults| faults.to_string(), |_| String::new());
        assert!(commented || faults.is_empty(), "{key}: {faults}");
        assert!(!faults.contains("is no key") && !faults.contains("must be"), "{key}: {faults}");
    }
}

#[test]
fn nothing_at_all_is_a_configuration() {
    let config = read_with("", &[]).unwrap();
    assert_eq!(config.store, StoreUrl::Log("./data/log".into()));
    assert!(config.http.is_none() && config.kafka.is_none() && config.gateways.is_empty());
    assert_eq!((config.defaults.ring_timeout_ms, config.defaults.max_talk_ms), (30_000, 600_000));
}

#[test]
fn a_misspelt_key_is_answered_with_its_line_and_the_right_name() {
    check(
        "[kafka]\nborkers = \"x:1\"\n",
        expect!["line 2: `kafka.borkers` is no key; did you mean `kafka.brokers`?"],
    );
    check(
        "\n[gatways]\n[[gateways]]\nname = \"a\"\nuri = \"sip:a\"\nuser = \"u\"\n",
        expect![[r#"
            line 2: `gatways` is no key; did you mean `gateways`?
            line 6: `gateways.user` is no key; did you mean `gateways.username`?"#]],
    );
    check(
        "listen = \"127.0.0.1:80\"\n[node]\nzzzzzzzzzzz = 1\n",
        expect![[r#"
        line 1: `listen` is no key; `callfold config --print-default` shows them all
        line 3: `node.zzzzzzzzzzz` is no key; `callfold config --print-default` shows them all"#]],
    );
    check_with(
        "",
        &[("CALLFOLD_KAFKA__BROKER", "a:1"), ("CALLFOLD_SIP_PASSWORD", "x")],
        expect!["CALLFOLD_KAFKA__BROKER: `kafka.broker` is no key; did you mean `kafka.brokers`?"],
    );
}

#[test]
fn every_fault_is_told_at_once_in_the_order_of_its_lines() {
    check(
        "[node]\nname = \"node 1\"\ncalls_max = 0\n[sip]\nbind = \"localhost\"\n[media]\nbind = 7\n\
         [defaults]\nregion = \"China\"\nring_timeout_s = 0\nmax_talk_s = \"5\"\n[store]\nurl = \"mysql://x\"\n\
         [events]\ninclude = [\"phone\", \"name\"]\n",
        expect![[r#"
            line 2: `node.name` must be a name of 1 to 64 of A-Z a-z 0-9 . _ -
            line 3: `node.calls_max` must be a whole number from 1 to 1000000
            line 5: `sip.bind` must be an address and a port, such as "127.0.0.1:0"
            line 7: `media.bind` must be an address, such as "127.0.0.1"
            line 9: `defaults.region` must be the two letters of a region (ISO 3166), such as "CN"
            line 10: `defaults.ring_timeout_s` must be a number of seconds from 0.1 to 3600
            line 11: `defaults.max_talk_s` must be a number of seconds from 0 to 86400
            line 13: `store.url` must be memory:, log:PATH, postgres://… or kurrentdb://…
            line 15: `events.include` must be a list of "phone" and "variables""#]],
    );
}

#[test]
fn what_is_no_toml_is_told_with_its_line() {
    check("[node\nname = 1\n", expect!["line 1: this is no TOML: unclosed table, expected `]`"]);
    check(
        "[node]\nname = \"a\"\nname = \"b\"\n",
        expect!["line 3: this is no TOML: duplicate key"],
    );
    check(
        "node = 1\ngateways = 2\n[[sip]]\n",
        expect![[r#"
        line 1: `node` must be a section: [node]
        line 2: `gateways` must be a list of sections: [[gateways]]
        line 3: `sip` must be a section: [sip]"#]],
    );
}

#[test]
fn half_a_pair_is_refused() {
    let gateway = "[[gateways]]\nname = \"a\"\nuri = \"sip:a\"\n";
    check(
        &format!("{gateway}username = \"u\"\n"),
        expect!["line 4: `gateways.username` needs `gateways.password_file` beside it"],
    );
    check(
        &format!("{gateway}password_file = \"p\"\n"),
        expect!["line 4: `gateways.password_file` needs `gateways.username` beside it"],
    );
    check(
        "[kafka]\nsecurity = \"tls\"\ncert_file = \"c\"\n",
        expect!["line 3: `kafka.cert_file` needs `kafka.key_file` beside it"],
    );
    check(
        "[kafka]\nsecurity = \"sasl_scram\"\n",
        expect![[
            r#"line 1: `kafka.username` is missing: security "sasl_scram" goes with it and password_file"#
        ]],
    );
    check(
        "[kafka]\nsecurity = \"sasl_plain\"\nusername = \"u\"\n",
        expect!["line 3: `kafka.username` needs `kafka.password_file` beside it"],
    );
    check(
        "[kafka]\nca_file = \"c\"\n",
        expect![[r#"line 2: `kafka.ca_file` means nothing while `kafka.security` is "plaintext""#]],
    );
}

#[test]
fn gateways_have_their_own_names_and_a_uri() {
    let gateway =
        |name: &str, uri: &str| format!("[[gateways]]\nname = \"{name}\"\nuri = \"{uri}\"\n");
    check(
        &(gateway("a", "sip:a") + &gateway("a", "sip:b")),
        expect![[r#"line 5: a second gateway is named "a""#]],
    );
    check(
        "[[gateways]]\n",
        expect![[r#"
        line 1: `gateways.name` is missing: a name of 1 to 64 of A-Z a-z 0-9 . _ -
        line 1: `gateways.uri` is missing: sip:HOST[:PORT][;transport=udp|tcp], such as "sip:192.0.2.1:5060""#]],
    );
    check(
        &gateway("a", "sips:b"),
        expect![
            "line 3: `gateways.uri`: a gateway is written sip:HOST[:PORT][;transport=udp|tcp], such as sip:192.0.2.1:5060: TLS is not spoken yet"
        ],
    );
    check(
        &gateway("a", "127.0.0.1:5060"),
        expect![
            "line 3: `gateways.uri`: a gateway is written sip:HOST[:PORT][;transport=udp|tcp], such as sip:192.0.2.1:5060: it begins with sip:"
        ],
    );
    check(
        &gateway("a", "sip:me@b"),
        expect![
            "line 3: `gateways.uri`: a gateway is written sip:HOST[:PORT][;transport=udp|tcp], such as sip:192.0.2.1:5060: the user stands in username, not here"
        ],
    );
    check(
        &gateway("a", "sip:b;lr"),
        expect![
            "line 3: `gateways.uri`: a gateway is written sip:HOST[:PORT][;transport=udp|tcp], such as sip:192.0.2.1:5060: the one parameter is transport=udp or =tcp"
        ],
    );
    check(
        &gateway("a", "sip:999.1.1.1"),
        expect![
            "line 3: `gateways.uri`: a gateway is written sip:HOST[:PORT][;transport=udp|tcp], such as sip:192.0.2.1:5060: the host is a name or an address"
        ],
    );
}

#[test]
fn kafka_is_held_against_the_store() {
    check(
        "[kafka]\npartitions = \"group\"\n",
        expect![[
            r#"line 2: `kafka.partitions` = "group" needs a log whose nodes can take over from one another (postgres://); on any other a partition's history is one node's: give "all" or a range"#
        ]],
    );
    check("[store]\nurl = \"postgres://db/x\"\n[kafka]\npartitions = \"group\"\n", expect!["fine"]);
    check(
        "[kafka]\npartitions = \"7-3\"\n",
        expect![[
            r#"line 2: `kafka.partitions` must be "all", a range such as "0-31", or "group""#
        ]],
    );
    check(
        "[kafka]\nwork = \"t\"\nevents = \"t\"\ndead = \"a b\"\nbrokers = \"nowhere\"\n",
        expect![[r#"
            line 3: `kafka.events` and `kafka.work` are the same topic, t
            line 4: `kafka.dead` must be the name of a topic: 1 to 249 of A-Z a-z 0-9 . _ -
            line 5: `kafka.brokers` must be host:port, several with commas, such as "127.0.0.1:9092""#]],
    );
}

#[test]
fn the_environment_stands_over_the_file() {
    let config = read_with(
        "[node]\nname = \"a\"\n[sip]\nbind = \"127.0.0.1:1\"\n",
        &[
            ("CALLFOLD_NODE__NAME", "b"),
            ("CALLFOLD_KAFKA__BROKERS", "k1:9092,k2:9092"),
            ("CALLFOLD_KAFKA__KEYED", "true"),
            ("CALLFOLD_DEFAULTS__MAX_TALK_S", "1.5"),
            ("CALLFOLD_EVENTS__INCLUDE", "phone, variables"),
            ("CALLFOLD_SIP_PASSWORD", "not a key"),
            ("HOME", "/root"),
        ],
    )
    .unwrap();
    let kafka = config.kafka.unwrap();
    assert_eq!((config.node.name.as_str(), config.sip.bind.port()), ("b", 1));
    assert_eq!((kafka.brokers.as_str(), kafka.keyed), ("k1:9092,k2:9092", true));
    assert_eq!((config.defaults.max_talk_ms, config.include.variables), (1_500, true));
    check_with(
        "",
        &[
            ("CALLFOLD_NODE__CALLS_MAX", "many"),
            ("CALLFOLD_SIP__BIND", "x"),
            ("CALLFOLD_GATEWAYS__NAME", "a"),
        ],
        expect![[r#"
            CALLFOLD_GATEWAYS__NAME: gateways are told in the file, not by the environment
            CALLFOLD_NODE__CALLS_MAX: `node.calls_max` must be a whole number from 1 to 1000000
            CALLFOLD_SIP__BIND: `sip.bind` must be an address and a port, such as "127.0.0.1:0""#]],
    );
}

#[test]
fn a_gateway_uri_is_a_host_and_perhaps_a_port_and_a_transport() {
    for (text, host, port, tcp) in [
        ("sip:127.0.0.1:5070;transport=udp", "127.0.0.1", Some(5070), false),
        ("SIP:Carrier.example.COM;transport=TCP", "carrier.example.com", None, true),
        ("sip:[2001:db8::1]:5060", "[2001:db8::1]", Some(5060), false),
        (" sip:host ", "host", None, false),
    ] {
        let uri: GatewayUri = text.parse().unwrap();
        assert_eq!(
            (uri.host.as_str(), uri.port, uri.transport == Transport::Tcp),
            (host, port, tcp)
        );
        assert_eq!(uri.to_string(), text.trim());
    }
    for text in [
        "",
        "sip:",
        "sip:a:0",
        "sip:a:70000",
        "sip:[::1",
        "sip:a b",
        "sip:a\r\nb",
        "sip:-a",
        "tel:1",
    ] {
        assert!(text.parse::<GatewayUri>().is_err(), "{text:?}");
    }
}

#[test]
fn a_secret_may_come_from_a_variable_and_a_missing_one_is_named() {
    // Cargo sets it for every test.
    let given = SecretFile("$CARGO_PKG_NAME".into()).read().unwrap();
    assert_eq!(given.reveal(), "callfold");
    let missing = SecretFile("$CALLFOLD_NO_SUCH_SECRET".into()).read().unwrap_err().to_string();
    assert!(missing.contains("CALLFOLD_NO_SUCH_SECRET"), "{missing}");
}

#[test]
fn a_secret_is_read_from_its_file_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        SecretFile(path)
    };
    let secret = file("a", b"hunter2\r\nnote\n").read().unwrap();
    assert_eq!(secret.reveal(), "hunter2");
    assert!(!format!("{secret:?}").contains("hunter2"));
    for (name, content) in
        [("b", &b""[..]), ("c", b"\nx"), ("d", b"\xff\xfe"), ("e", &[b'x'; 70_000])]
    {
        let error = file(name, content).read().unwrap_err().to_string();
        assert!(!error.contains("xx"), "{error}");
    }
    assert!(SecretFile(folder.path().join("nowhere")).read().is_err());
    let url = "postgres://user:hunter2@db/callfold";
    let config = read_with(&format!("[store]\nurl = \"{url}\"\n"), &[]).unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn no_text_makes_the_reader_panic() {
    for end in (0..DEFAULT.len()).filter(|end| DEFAULT.is_char_boundary(*end)).step_by(31) {
        let _ = read_with(&DEFAULT[..end], &[]);
        // A line less, a value of another kind, a section inside a value.
        for odd in ["", "[", "[[gateways]]\n", "x = {a.b = 1}\n", "\"", "= 1\n", "node.name = []\n"]
        {
            let _ = read_with(&format!("{}{odd}{}", &DEFAULT[..end], &DEFAULT[end..]), &[]);
        }
    }
    for text in [
        "gateways = [1]",
        "gateways = [[{}]]",
        "http = {listen = {}}",
        "node = [[]]",
        "[a.b.c]\nd=1",
    ] {
        assert!(read_with(text, &[("CALLFOLD___", ""), ("CALLFOLD_A__B__C", "x")]).is_err());
    }
}
