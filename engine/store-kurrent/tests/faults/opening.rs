//! Who is let in, and to which log.

use super::*;
use kurrent_server::{Expected as Wanted, Proposed};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use store::StoreError;

fn refusal(url: &str) -> String {
    let opened = KurrentStore::open(url, hasty(), NoKeys);
    opened.err().unwrap_or_else(|| panic!("{url} was opened")).to_string()
}

fn secure() -> CertifiedKey<rcgen::KeyPair> {
    generate_simple_self_signed(["localhost".to_owned()]).unwrap()
}

#[test]
fn a_login_goes_with_everything_and_is_never_shown() {
    let servers = Servers::start(1);
    servers.require_login("jo@work", "s3cret?&");
    let host = servers.host(0);
    let store = open(&format!("kurrentdb://jo%40work:s3cret%3F%26@{host}?tls=false"));
    store.put(append(stream(1), Expected::NoStream, &["a"])).unwrap();
    store.wait(Position(0), PATIENCE).unwrap();
    store.check_secrets([1; 8], [2; 8]).unwrap();
    assert_eq!(store.bodies(stream(1)), "a");
    assert_eq!(store.address(), format!("kurrentdb://{host}, log callfold"));
    for login in ["", "jo%40work:wrong-s3cret@"] {
        let said = refusal(&format!("kurrentdb://{login}{host}?tls=false"));
        assert!(said.contains("the right user and password") && !said.contains("s3cret"), "{said}");
    }
}

#[test]
fn tls_is_spoken_with_who_has_the_right_certificate() {
    let (ours, others) = (secure(), secure());
    let servers = Servers::start_secure(&ours.cert.pem(), &ours.signing_key.serialize_pem());
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (good, wrong) = (file("good.pem", &ours.cert.pem()), file("wrong.pem", &others.cert.pem()));
    let url = |more: &str| format!("kurrentdb://{}?{more}", servers.host(0));
    let store = open(&url(&format!("tlsCaFile={good}")));
    store.put(append(stream(1), Expected::NoStream, &["a"])).unwrap();
    let store = open(&url("tlsVerifyCert=false"));
    assert_eq!(store.bodies(stream(1)), "a");
    let said = refusal(&url(&format!("tlsCaFile={wrong}")));
    assert!(said.contains("no TLS that we trust"), "{said}");
    let said = refusal(&url(&format!("tlsCaFile={}", file("empty.pem", "nothing"))));
    assert!(said.contains("empty.pem"), "{said}");
    let said = refusal(&url("tls=false"));
    assert!(said.contains("without TLS"), "{said}");
}

#[test]
fn a_server_that_is_not_there_is_said_with_its_address() {
    let servers = Servers::start(1);
    servers.stop(0);
    let said = refusal(&servers.url(0));
    assert!(said.contains(&servers.host(0)) && said.contains("refused"), "{said}");
}

#[test]
fn who_reads_begins_no_log_and_appends_nothing() {
    let servers = Servers::start(1);
    let reader = || KurrentStore::open_to_read(&servers.url(0), hasty());
    let said = reader().err().unwrap().to_string();
    assert!(said.contains("no node has kept its events there"), "{said}");
    assert!(servers.with_log(|log| log.stream("callfold").is_none()));
    let store = open(&servers.url(0));
    assert_eq!(reader().unwrap().id(), store.id());
    let refused = reader().unwrap().put(append(stream(1), Expected::Any, &["a"]));
    assert!(matches!(refused, Err(AppendError::Broken(_))), "{refused:?}");
    assert_eq!(store.bodies(stream(1)), "");
    assert_ne!(open(&format!("{}&log=another", servers.url(0))).id(), store.id());
}

#[test]
fn a_log_of_a_later_format_is_left_alone() {
    let servers = Servers::start(1);
    let begun = Proposed {
        id: uuid::Uuid::from_u128(7),
        metadata: [("type".to_owned(), "LogBegun".to_owned())].into(),
        custom_metadata: Vec::new(),
        data: br#"{"id":"5b0d6a2c-5f0e-4a53-9a4e-3f2b8e7d9c11","format":2}"#.to_vec(),
    };
    servers.with_log(|log| log.append("callfold", Wanted::NoStream, vec![begun]).unwrap());
    let opened = KurrentStore::open(&servers.url(0), hasty(), NoKeys);
    assert!(matches!(opened, Err(StoreError::Newer { found: 2, known: 1, .. })));
}

#[test]
fn a_log_keeps_to_the_secrets_it_was_begun_with() {
    let servers = Servers::start(1);
    let store = open(&servers.url(0));
    for (callee, master, wrong) in
        [(1, 2, None), (1, 2, None), (9, 2, Some("callee secret")), (1, 9, Some("master key"))]
    {
        let said = store.check_secrets([callee; 8], [master; 8]).err().map(|e| e.to_string());
        match (said, wrong) {
            (None, None) => {}
            (Some(said), Some(wrong)) => assert!(said.contains(wrong), "{said}"),
            (said, wrong) => panic!("{said:?} where {wrong:?} was due"),
        }
    }
}

#[test]
fn a_log_is_of_the_node_that_began_it() {
    let servers = Servers::start(1);
    let url = format!("kurrentdb://{}?tls=false", servers.host(0));
    let store = open(&url);
    store.check_secrets([1; 8], [2; 8]).unwrap();
    store.check_node("north").unwrap();
    store.check_node("north").unwrap();
    let other = open(&url);
    other.check_secrets([1; 8], [2; 8]).unwrap();
    let refused = other.check_node("south").unwrap_err();
    assert!(matches!(refused, StoreError::Foreign { .. }), "{refused}");
    assert!(refused.to_string().contains("the node north"), "{refused}");
    open(&format!("{url}&log=south")).check_secrets([1; 8], [2; 8]).unwrap();
}
