//! Brokers that let nobody in without a password, and nobody do what is not allowed: as a node meets
//! them, with exactly what `docs/kafka.md` says that it needs. What takes OpenSSL: `./x kafka tls`.

use crate::nodes::shared_log;
use crate::world::{World, place};
use interop::kafka::{Brokers, Door, acl_command};
use interop::service::Service;
use std::sync::Arc;

const DOC: &str = include_str!("../../../docs/kafka.md");

/// A world on brokers of its own that are guarded, and a node's configuration for one of their doors.
fn guarded() -> (World, Arc<Brokers>) {
    let brokers = Arc::new(Brokers::start_guarded());
    let world = World::on(brokers.clone());
    std::fs::write(world.folder.path().join("right"), "secret\n").unwrap();
    std::fs::write(world.folder.path().join("wrong"), "guess").unwrap();
    (world, brokers)
}

/// Grants what the page about Kafka lists, for the names of this world.
fn allow(world: &World, user: &str) {
    let line = |line: &str| {
        let mut line = line
            .split('#')
            .next()
            .unwrap_or_default()
            .replace("--group callfold", &format!("--group {}", world.group()));
        for (name, topic) in [
            ("callfold.commands.v1", "commands"),
            ("callfold.commands.dead.v1", "dead"),
            ("callfold.work.v1", "work"),
            ("callfold.events.v1", "events"),
            ("callfold.relay.v1", "relay"),
        ] {
            line = line.replace(name, &world.topic(topic));
        }
        line
    };
    let lines: Vec<String> =
        DOC.lines().filter_map(|text| text.strip_prefix("$acls ")).map(line).collect();
    assert!(lines.len() > 5, "the page has no list");
    std::thread::scope(|scope| {
        for line in &lines {
            scope.spawn(|| {
                let words = ["--add", "--allow-principal", &format!("User:{user}")];
                acl_command(&world.brokers, words.into_iter().chain(line.split_whitespace()));
            });
        }
    });
}

fn config(world: &World, door: Door, lines: &str) -> String {
    let address = world.brokers.door(door);
    world
        .config("n1")
        .replace(&world.brokers.addresses(), &address)
        .replace("[kafka]\n", &format!("[kafka]\n{lines}\n"))
}

fn login(security: &str, user: &str, password: &str, more: &str) -> String {
    format!(
        "security = \"{security}\"\nusername = \"{user}\"\npassword_file = \"{password}\"\n{more}"
    )
}

/// A node that comes through a door serves a command.
fn check_serves(world: &World, config: &str, commands_before: usize) {
    let node = Service::start(crate::world::PROGRAM, world.folder.path(), config);
    world.command(&[place(&format!("c{commands_before}"), commands_before)]);
    world.events_of(commands_before + 1).check();
    assert_eq!(world.metric(&node, "callfold_kafka_restarts_total"), 0, "something was refused");
    node.kill();
}

/// A node that is refused says why, and what to do.
fn check_refused(world: &World, config: &str, sentence: &str) {
    let said = world.refused_with(config);
    assert!(said.contains(sentence), "{said}");
}

#[test]
fn a_node_with_a_password_and_no_more_rights_than_the_page_lists_serves() {
    let (world, brokers) = guarded();
    let open = login("sasl_plain", "node", "right", "tls = false");
    let config_of = |world: &World, lines: &str| config(world, Door::Open, lines);
    check_refused(&world, &config_of(&world, &open), "docs/kafka.md, under Security");
    let wrong = login("sasl_plain", "node", "wrong", "tls = false");
    check_refused(&world, &config_of(&world, &wrong), "refuse the user name or the password");
    allow(&world, "node");
    check_serves(&world, &config_of(&world, &open), 0);
    let other = login("sasl_plain", "other", "right", "tls = false");
    check_refused(&world, &config_of(&world, &other), "docs/kafka.md, under Security");
    // As one of a group on a common log.
    let mut world = World::on(brokers);
    std::fs::write(world.folder.path().join("right"), "secret").unwrap();
    let _cluster = shared_log(&mut world);
    allow(&world, "node");
    check_serves(&world, &config_of(&world, &open), 0);
}

#[cfg(not(feature = "tls"))]
#[test]
fn a_build_without_tls_names_the_feature_that_has_it() {
    let world = World::new();
    std::fs::write(world.folder.path().join("right"), "secret").unwrap();
    for lines in [
        "security = \"tls\"".to_owned(),
        login("sasl_scram", "node", "right", ""),
        login("sasl_scram", "node", "right", "tls = false"),
        login("sasl_plain", "node", "right", ""),
    ] {
        let config = world.config("n1").replace("[kafka]\n", &format!("[kafka]\n{lines}\n"));
        check_refused(&world, &config, "--features kafka-tls");
    }
}

#[cfg(feature = "tls")]
#[test]
fn tls_and_scram_are_spoken_and_what_is_wrong_with_them_is_said() {
    let (world, brokers) = guarded();
    let ca = format!("ca_file = \"{}\"", brokers.ca().display());
    let another = Brokers::start_guarded();
    let wrong_ca = format!("ca_file = \"{}\"", another.ca().display());
    allow(&world, "node");
    let doors = [
        (Door::Tls, format!("security = \"tls\"\n{ca}")),
        (Door::Sasl, login("sasl_plain", "node", "right", &ca)),
        (Door::Sasl, login("sasl_scram", "node", "right", &ca)),
        (Door::Open, login("sasl_scram", "node", "right", "tls = false")),
    ];
    for (n, (door, lines)) in doors.into_iter().enumerate() {
        check_serves(&world, &config(&world, door, &lines), n);
    }
    let strange = format!("security = \"tls\"\n{wrong_ca}");
    check_refused(&world, &config(&world, Door::Tls, &strange), "kafka.ca_file");
    let wrong = login("sasl_scram", "node", "wrong", &ca);
    let said = "refuse the user name or the password";
    check_refused(&world, &config(&world, Door::Sasl, &wrong), said);
}
