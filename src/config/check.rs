//! Every key of the configuration: its default, its bounds, and what it needs beside it.

use super::reader::{Reader, Section};
use super::{
    Config, DefaultsConfig, GatewayConfig, HttpConfig, KafkaConfig, MediaConfig, NodeConfig,
    Partitions, PrivacyConfig, SecretFile, Security, SipConfig, StoreUrl,
};
use schemas::Numbering;
use schemas::public::Include;
use std::collections::HashSet;
use std::path::PathBuf;

const PATH: &str = "a path in quotes";
const NAME: &str = "a name of 1 to 64 of A-Z a-z 0-9 . _ -";
const TOPIC: &str = "the name of a topic: 1 to 249 of A-Z a-z 0-9 . _ -";

/// The whole configuration; `None` when something that must be there is not.
pub(super) fn config(reader: &mut Reader<'_>) -> Option<Config> {
    let node = node(&mut reader.section("node"));
    let store = store(&mut reader.section("store"), &node);
    let http = http(&mut reader.section("http"));
    let sip = sip(&mut reader.section("sip"));
    let media = media(&mut reader.section("media"));
    let gateways = gateways(reader);
    let kafka = kafka(&mut reader.section("kafka"), &store);
    let include = include(&mut reader.section("events"));
    let privacy = privacy(&mut reader.section("privacy"), &node);
    let defaults = defaults(&mut reader.section("defaults"));
    Some(Config {
        node,
        store,
        http,
        sip,
        media,
        gateways: gateways?,
        kafka: kafka?,
        include,
        privacy,
        defaults,
    })
}

fn node(section: &mut Section<'_, '_>) -> NodeConfig {
    NodeConfig {
        name: section.read("name", NAME, name).unwrap_or_else(|| "node-1".to_owned()),
        data: section.read("data", PATH, path).unwrap_or_else(|| "./data".into()),
        calls_max: section.whole("calls_max", 1..=1_000_000).unwrap_or(5000),
        waiting_max: section.whole("waiting_max", 0..=1_000_000).unwrap_or(10_000),
    }
}

fn store(section: &mut Section<'_, '_>, node: &NodeConfig) -> StoreUrl {
    let parse = |url: &str| url.parse().ok();
    let url = section.read("url", node::store_url::WANTED, parse);
    url.unwrap_or_else(|| StoreUrl::Log(node.data.join("log")))
}

fn http(section: &mut Section<'_, '_>) -> Option<HttpConfig> {
    let wanted = "an address and a port, such as \"127.0.0.1:8080\"";
    let listen = section.read("listen", wanted, |text| text.parse().ok());
    let listen = listen.unwrap_or_else(|| ([127, 0, 0, 1], 8080).into());
    section.is_there().then_some(HttpConfig { listen })
}

fn sip(section: &mut Section<'_, '_>) -> SipConfig {
    let wanted = "an address and a port, such as \"127.0.0.1:0\"";
    let bind = section.read("bind", wanted, |text| text.parse().ok());
    SipConfig { bind: bind.unwrap_or_else(|| ([127, 0, 0, 1], 0).into()) }
}

fn media(section: &mut Section<'_, '_>) -> MediaConfig {
    let bind = section.read("bind", "an address, such as \"127.0.0.1\"", |text| text.parse().ok());
    MediaConfig {
        bind: bind.unwrap_or_else(|| [127, 0, 0, 1].into()),
        prompts: section.read("prompts", PATH, path).unwrap_or_else(|| "./prompts".into()),
        recordings: section.read("recordings", PATH, path),
    }
}

fn gateways(reader: &mut Reader<'_>) -> Option<Vec<GatewayConfig>> {
    let mut names = HashSet::new();
    let gateways = reader.sections("gateways", |section| {
        let gateway = gateway(section)?;
        if !names.insert(gateway.name.clone()) {
            section.refuse("name", format!("a second gateway is named {:?}", gateway.name));
        }
        Some(gateway)
    });
    gateways.into_iter().collect()
}

fn gateway(section: &mut Section<'_, '_>) -> Option<GatewayConfig> {
    let name = section.read("name", NAME, name);
    let name = section.required("name", NAME, name);
    let wanted = "sip:HOST[:PORT][;transport=udp|tcp], such as \"sip:192.0.2.1:5060\"";
    let uri = section.parse("uri", wanted);
    let uri = section.required("uri", wanted, uri);
    let username = section.read("username", "a text in quotes", filled);
    let password = section.read("password_file", PATH, secret);
    let credentials = section.pair(("username", username), ("password_file", password));
    let gateway = (
        section.whole("max_concurrent", 1..=1_000_000),
        section.number("calls_per_second", "a number", 0.01..=100_000.0),
        section.seconds("first_answer_s", 0.1..=32.0),
        section.switch("register").unwrap_or(false),
        section.seconds("probe_every_s", 1.0..=86_400.0),
        section.switch("trusted").unwrap_or(false),
        section.switch("follow_redirects").unwrap_or(false),
        // RFC 4028, 4: shorter than 90 s is refused by whoever follows it.
        section.seconds("session_expires_s", 90.0..=86_400.0),
    );
    let (max_concurrent, calls_per_second, first_answer_ms, register, ..) = gateway;
    let (.., probe_every_ms, trusted, follow_redirects, session_expires_ms) = gateway;
    Some(GatewayConfig {
        name: name?,
        uri: uri?,
        credentials,
        max_concurrent,
        calls_per_second,
        first_answer_ms,
        register,
        probe_every_ms,
        trusted,
        follow_redirects,
        session_expires_ms,
    })
}

/// `Some(None)`: there is no Kafka. `None`: there is, and it cannot be used.
fn kafka(section: &mut Section<'_, '_>, store: &StoreUrl) -> Option<Option<KafkaConfig>> {
    let there = section.is_there();
    let wanted = "host:port, several with commas, such as \"127.0.0.1:9092\"";
    let brokers = section.read("brokers", wanted, brokers);
    let mut topic = |key: &str, default: &str| {
        section.read(key, TOPIC, topic_name).unwrap_or_else(|| default.to_owned())
    };
    let mut kafka = KafkaConfig {
        brokers: brokers.unwrap_or_else(|| "127.0.0.1:9092".to_owned()),
        commands: topic("commands", "callfold.commands.v1"),
        work: topic("work", "callfold.work.v1"),
        events: topic("events", "callfold.events.v1"),
        dead: topic("dead", "callfold.commands.dead.v1"),
        relay: topic("relay", "callfold.relay.v1"),
        group: section.read("group", NAME, name).unwrap_or_else(|| "callfold".to_owned()),
        keyed: section.switch("keyed").unwrap_or(false),
        partitions: partitions(section, store),
        security: Security::Plaintext,
    };
    refuse_same_topic(section, &kafka);
    kafka.security = security(section)?;
    Some(there.then_some(kafka))
}

fn partitions(section: &mut Section<'_, '_>, store: &StoreUrl) -> Partitions {
    let wanted = "\"all\", a range such as \"0-31\", or \"group\"";
    let parse = |text: &str| match text {
        "all" => Some(Partitions::All),
        "group" => Some(Partitions::Group),
        range => {
            let (first, last) = range.split_once('-')?;
            let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
            (first <= last).then_some(Partitions::Range(first, last))
        }
    };
    let partitions = section.read("partitions", wanted, parse).unwrap_or(Partitions::All);
    if partitions == Partitions::Group && !store.is_shared() {
        let why = "`kafka.partitions` = \"group\" needs a log whose nodes can take over from one \
                   another (postgres://); on any other a partition's history is one node's: give \
                   \"all\" or a range";
        section.refuse("partitions", why.to_owned());
    }
    partitions
}

fn refuse_same_topic(section: &mut Section<'_, '_>, kafka: &KafkaConfig) {
    let topics = [
        ("commands", &kafka.commands),
        ("work", &kafka.work),
        ("events", &kafka.events),
        ("dead", &kafka.dead),
        ("relay", &kafka.relay),
    ];
    for (n, (key, topic)) in topics.iter().enumerate() {
        if let Some((other, _)) = topics[..n].iter().find(|(_, other)| other == topic) {
            let why = format!("`kafka.{key}` and `kafka.{other}` are the same topic, {topic}");
            section.refuse(key, why);
        }
    }
}

fn security(section: &mut Section<'_, '_>) -> Option<Security> {
    let wanted = "\"plaintext\", \"tls\", \"sasl_plain\" or \"sasl_scram\"";
    let known = |text: &str| {
        ["plaintext", "tls", "sasl_plain", "sasl_scram"].into_iter().find(|known| *known == text)
    };
    let word = section.read("security", wanted, known).unwrap_or("plaintext");
    let ca_file = section.read("ca_file", PATH, path);
    let cert_file = section.read("cert_file", PATH, path);
    let key_file = section.read("key_file", PATH, secret);
    let username = section.read("username", "a text in quotes", filled);
    let password_file = section.read("password_file", PATH, secret);
    let certificate = section.pair(("cert_file", cert_file), ("key_file", key_file));
    let login = section.pair(("username", username), ("password_file", password_file));

    let unused: &[&str] = match word {
        "plaintext" => &["ca_file", "cert_file", "key_file", "username", "password_file"],
        "tls" => &["username", "password_file"],
        _ => &["cert_file", "key_file"],
    };
    for key in unused.iter().filter(|key| section.is_given(key)).copied().collect::<Vec<_>>() {
        let why = format!("`kafka.{key}` means nothing while `kafka.security` is \"{word}\"");
        section.refuse(key, why);
    }
    match word {
        "plaintext" => Some(Security::Plaintext),
        "tls" => Some(Security::Tls { ca_file, certificate }),
        sasl => {
            // Half of it is a fault already.
            if login.is_none() && !section.is_given("password_file") {
                let wanted = format!("security \"{sasl}\" goes with it and password_file");
                section.required("username", &wanted, None::<()>);
            }
            let (username, password_file) = login?;
            let scram = sasl == "sasl_scram";
            Some(Security::Sasl { scram, ca_file, username, password_file })
        }
    }
}

fn include(section: &mut Section<'_, '_>) -> Include {
    let wanted = "a list of \"phone\" and \"variables\"";
    let parse = |words: Vec<&str>| {
        let known = words.iter().all(|word| ["phone", "variables"].contains(word));
        let (phone, variables) = (words.contains(&"phone"), words.contains(&"variables"));
        known.then_some(Include { phone, variables, ..Include::NOTHING })
    };
    section.texts("include", wanted, parse).unwrap_or(Include::NOTHING)
}

fn privacy(section: &mut Section<'_, '_>, node: &NodeConfig) -> PrivacyConfig {
    let key = section.read("key_file", PATH, path);
    let callee_key = section.read("callee_key_file", PATH, path);
    PrivacyConfig {
        key_file: key.unwrap_or_else(|| node.data.join("master.key")),
        callee_key_file: callee_key.unwrap_or_else(|| node.data.join("callee.key")),
    }
}

fn defaults(section: &mut Section<'_, '_>) -> DefaultsConfig {
    let wanted = "the two letters of a region (ISO 3166), such as \"CN\"";
    let region = section.read("region", wanted, |region| Numbering::of_region(region).ok());
    DefaultsConfig {
        numbering: region.unwrap_or_default(),
        ring_timeout_ms: section.seconds("ring_timeout_s", 0.1..=3600.0).unwrap_or(30_000),
        max_talk_ms: section.seconds("max_talk_s", 0.0..=86_400.0).unwrap_or(600_000),
    }
}

fn is_plain(text: &str, most: usize) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=most).contains(&text.len()) && text.chars().all(plain)
}

fn name(text: &str) -> Option<String> {
    is_plain(text, 64).then(|| text.to_owned())
}

fn topic_name(text: &str) -> Option<String> {
    (is_plain(text, 249) && !matches!(text, "." | "..")).then(|| text.to_owned())
}

fn path(text: &str) -> Option<PathBuf> {
    (!text.trim().is_empty() && !text.contains('\0')).then(|| text.into())
}

fn secret(text: &str) -> Option<SecretFile> {
    path(text).map(SecretFile)
}

fn filled(text: &str) -> Option<String> {
    let printable = !text.is_empty() && !text.chars().any(char::is_control);
    printable.then(|| text.to_owned())
}

fn brokers(text: &str) -> Option<String> {
    let broker = |broker: &str| {
        let (host, port) = broker.trim().rsplit_once(':')?;
        let port = port.parse::<u16>().ok().filter(|port| *port > 0)?;
        let plain = |c: char| c.is_ascii_graphic();
        (!host.is_empty() && host.chars().all(plain)).then_some(port)
    };
    text.split(',').all(|part| broker(part).is_some()).then(|| text.to_owned())
}
