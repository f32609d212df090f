//! Several nodes, of which one leads.

use super::*;

#[test]
fn a_follower_sends_us_to_the_leader() {
    let servers = Servers::start(3);
    let store = open(&servers.url(2));
    store.put(append(stream(1), Expected::NoStream, &["a"])).unwrap();
    assert_eq!(store.bodies(stream(1)), "a");
}

#[test]
fn appends_and_reads_follow_the_leader() {
    let servers = Servers::start(3);
    let store = open(&servers.url(0));
    let mut expected = Expected::NoStream;
    for (leader, body) in [(1, "a"), (2, "b"), (0, "c"), (1, "d")] {
        servers.elect(leader);
        let done = store.put(append(stream(1), expected, &[body])).unwrap();
        assert!(!done.already);
        expected = Expected::Exact(done.last);
    }
    servers.elect(2);
    assert_eq!(store.bodies(stream(1)), "abcd");
}

// The client does not heed that when a session is begun; other requests tell it.
#[test]
fn a_session_begun_at_a_follower_goes_to_the_leader() {
    let servers = Servers::start(2);
    let (store, other) = (open(&servers.url(0)), open(&servers.url(0)));
    other.put(append(stream(1), Expected::NoStream, &["a"])).unwrap();
    // Its subscription stands, and nothing else of it is under way.
    store.wait(Position(0), PATIENCE).unwrap();
    servers.elect(1);
    store.put(append(stream(2), Expected::NoStream, &["b"])).unwrap();
}

#[test]
fn the_next_leader_is_found_when_one_dies() {
    let servers = Servers::start(3);
    let store = open(&servers.cluster_url());
    store.put(append(stream(1), Expected::NoStream, &["a"])).unwrap();
    servers.elect(1);
    servers.stop(0);
    store.put(append(stream(1), Expected::Exact(Revision(0)), &["b"])).unwrap();
    servers.elect(2);
    servers.stop(1);
    assert_eq!(store.bodies(stream(1)), "ab");
}
