//! Appends whose answer does not come, or is no.

use super::*;
use kurrent_server::Trouble;
use store::api::Batch;

#[test]
fn an_append_that_had_no_sure_answer_is_brought_again_and_stands_once() {
    let servers = Servers::start(1);
    let store = open(&servers.url(0));
    for (number, trouble) in
        [Trouble::CutBefore, Trouble::CutAfter, Trouble::TimesOut, Trouble::NotReady]
            .into_iter()
            .enumerate()
    {
        for (expected, number) in
            [(Expected::NoStream, number as u64), (Expected::Any, 100 + number as u64)]
        {
            // Twice: an append under way may meet the next fault as well.
            servers.trouble([trouble, trouble]);
            let done = store.put(append(stream(number), expected, &["a", "b"]));
            let done = done.unwrap_or_else(|error| panic!("{trouble:?}, {expected:?}: {error}"));
            assert_eq!(
                (done.last, done.already),
                (Revision(1), false),
                "{trouble:?}, {expected:?}"
            );
            assert_eq!(store.bodies(stream(number)), "ab", "{trouble:?}, {expected:?}");
        }
    }
}

#[test]
fn a_server_that_never_answers_is_asked_anew() {
    let servers = Servers::start(1);
    let options = Options { silence_max: Duration::from_millis(300), ..options() };
    let store = KurrentStore::open(&servers.url(0), options, NoKeys).unwrap();
    servers.trouble([Trouble::Silence]);
    store.put(append(stream(1), Expected::NoStream, &["a"])).unwrap();
    assert_eq!(store.bodies(stream(1)), "a");
}

#[test]
fn of_many_appends_under_way_each_stands_once_and_in_its_order() {
    let servers = Servers::start(1);
    let store = open(&servers.url(0));
    let (replies, heard) = std::sync::mpsc::channel();
    servers.trouble([Trouble::Passes; 30]);
    servers.trouble([Trouble::CutAfter]);
    servers.trouble([Trouble::Passes; 50]);
    servers.trouble([Trouble::CutBefore]);
    for number in 0..200 {
        let replies = replies.clone();
        let appends = vec![append(stream(number), Expected::NoStream, &["a"])];
        store.submit(
            Batch { keys: Vec::new(), appends },
            Box::new(move |results| replies.send((number, results)).unwrap()),
        );
    }
    for number in 0..200 {
        let (answered, results) = heard.recv_timeout(PATIENCE).unwrap();
        assert_eq!((answered, results[0].as_ref().unwrap().last), (number, Revision(0)));
    }
    let all = store.read_all(Position(0), 1000).unwrap();
    let streams: Vec<_> = all.into_iter().map(|event| event.stream).collect();
    assert_eq!(streams, (0..200).map(stream).collect::<Vec<_>>());
}

// The client without a batch session waits 80 ms for each append (store.md 1.2).
#[test]
fn appends_share_one_session() {
    let servers = Servers::start(1);
    let store = open(&servers.url(0));
    let (_, _, reads) = servers.counts();
    for number in 0..100 {
        store.put(append(stream(number), Expected::NoStream, &["a"])).unwrap();
    }
    let (sessions, appends, reads_after) = servers.counts();
    assert_eq!((sessions, appends), (1, 100));
    // One is the subscription, and one what it begins with.
    assert!(reads_after - reads <= 2, "{} reads", reads_after - reads);
}

// The client ends the session then, and gives the others no answer (store.md 1.2).
#[test]
fn a_refusal_ends_the_session_and_takes_nothing_with_it() {
    let servers = Servers::start(1);
    let (store, other) = (open(&servers.url(0)), open(&servers.url(0)));
    other.put(append(stream(5), Expected::NoStream, &["other"])).unwrap();
    let (before, ..) = servers.counts();
    let appends =
        (0..20).map(|number| append(stream(number), Expected::NoStream, &["a"])).collect();
    for (number, result) in store.append(appends).into_iter().enumerate() {
        match number {
            5 => {
                let current = Some(Revision(0));
                assert_eq!(result, Err(AppendError::Conflict { current }));
            }
            _ => assert!(!result.unwrap().already, "append {number}"),
        }
    }
    for number in 0..20 {
        let wanted = if number == 5 { "other" } else { "a" };
        assert_eq!(store.bodies(stream(number)), wanted);
    }
    // One for the refusal, one for the rest when it had not arrived.
    assert!(servers.counts().0 - before <= 2);
}

#[test]
fn a_swarm_of_conflicts_costs_one_session() {
    let servers = Servers::start(1);
    let (store, other) = (open(&servers.url(0)), open(&servers.url(0)));
    let appends = |body: &str| -> Vec<_> {
        (0..300).map(|number| append(stream(number), Expected::NoStream, &[body])).collect()
    };
    assert!(other.append(appends("other")).into_iter().all(|result| result.is_ok()));
    let (before, ..) = servers.counts();
    let current = Some(Revision(0));
    for result in store.append(appends("mine")) {
        assert_eq!(result, Err(AppendError::Conflict { current }));
    }
    assert_eq!(servers.counts().0 - before, 1);
}

#[test]
fn who_brings_what_stands_there_already_is_told_so() {
    let servers = Servers::start(1);
    let first = open(&servers.url(0));
    let one = append(stream(1), Expected::NoStream, &["a", "b"]);
    let done = first.put(one.clone()).unwrap();
    drop(first);
    let again = open(&servers.url(0)).put(one).unwrap();
    assert_eq!(again, Appended { already: true, ..done });
}

#[test]
fn who_expects_nothing_comes_after_whatever_has_come() {
    let servers = Servers::start(1);
    let (store, other) = (open(&servers.url(0)), open(&servers.url(0)));
    for (number, store) in [&store, &other, &store, &store, &other, &store].into_iter().enumerate()
    {
        // Of the same content, and still events of their own.
        let done = store.put(append(stream(1), Expected::Any, &["a"])).unwrap();
        assert_eq!((done.last, done.already), (Revision(number as u32), false));
    }
    assert_eq!(store.bodies(stream(1)), "aaaaaa");
}

#[test]
fn what_stays_unknown_is_said_to_be_and_the_same_append_finds_out() {
    let servers = Servers::start(1);
    let store = KurrentStore::open(&servers.url(0), hasty(), NoKeys).unwrap();
    let one = append(stream(1), Expected::NoStream, &["a"]);
    servers.trouble([Trouble::TimesOut; 50]);
    let result = store.put(one.clone());
    assert!(matches!(result, Err(AppendError::Unknown(_))), "{result:?}");
    let patient = open(&servers.url(0));
    servers.end_troubles();
    let again = patient.put(one).unwrap();
    assert!(again.already);
    assert_eq!(patient.bodies(stream(1)), "a");
}

#[test]
fn while_the_server_is_away_appends_wait_for_it() {
    let servers = Servers::start(1);
    let store = open(&servers.url(0));
    store.put(append(stream(1), Expected::NoStream, &["a"])).unwrap();
    servers.stop(0);
    let hasty = KurrentStore::open(&servers.url(0), hasty(), NoKeys);
    assert!(matches!(hasty, Err(store::StoreError::Remote { .. })));
    std::thread::scope(|scope| {
        let waiting =
            scope.spawn(|| store.put(append(stream(1), Expected::Exact(Revision(0)), &["b"])));
        servers.resume(0);
        assert_eq!(waiting.join().unwrap().unwrap().last, Revision(1));
    });
    assert_eq!(store.bodies(stream(1)), "ab");
}

#[test]
fn what_the_server_will_never_take_is_rejected_with_what_to_do() {
    let servers = Servers::start(1);
    let store = open(&servers.url(0));
    servers.with_log(|log| log.append_bytes_max = 1 << 20);
    let large = "x".repeat(60_000);
    let large = append(stream(1), Expected::NoStream, &[large.as_str(); 20]);
    store.put(append(stream(2), Expected::NoStream, &["a"])).unwrap();
    servers.with_log(|log| log.delete(&format!("callfold.{}", stream(2))));
    for (one, why) in [
        (large, "--max-append-size"),
        (append(stream(2), Expected::Exact(Revision(0)), &["b"]), "deleted"),
    ] {
        let Err(AppendError::Rejected(said)) = store.put(one) else { panic!("it went in") };
        assert!(said.contains(why), "{said}");
    }
    store.put(append(stream(3), Expected::NoStream, &["a"])).unwrap();
}
