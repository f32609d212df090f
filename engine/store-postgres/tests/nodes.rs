//! Many nodes on one log: the order that readers see, who owns what, and the keys of persons.

use schemas::event::Encoded;
use schemas::{CallId, CalleeKey, Position, Revision, StreamId, Timestamp, Vault};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use store::keys::{Keyring, MasterKey};
use store::{
    Append, AppendError, Appender, Batch, Expected, NewEvent, Ownership, Reader, Results,
    StoreError,
};
use store_postgres::cluster::Cluster;
use store_postgres::{Options, PostgresStore};

static CLUSTER: LazyLock<Cluster> = LazyLock::new(|| Cluster::start().unwrap());

fn open(schema: &str) -> PostgresStore {
    let options = Options { claim_patience: Duration::ZERO, ..Options::default() };
    PostgresStore::open(&CLUSTER.url(schema), options).unwrap()
}

fn stream(number: u8) -> StreamId {
    StreamId::call(CallId([number; 16]))
}

fn append(number: u8, expected: Expected, body: &[u8]) -> Append {
    let encoded = Encoded { kind: 2, version: 1, body: body.to_vec() };
    let events = vec![NewEvent { encoded, at: Timestamp(1) }];
    Append { stream: stream(number), expected, events }
}

fn submit(store: &PostgresStore, appends: Vec<Append>, owners: Vec<Option<Ownership>>) -> Results {
    handed_over(store, Batch { keys: Vec::new(), appends }, owners).recv().unwrap()
}

fn handed_over(
    store: &PostgresStore,
    batch: Batch,
    owners: Vec<Option<Ownership>>,
) -> Receiver<Results> {
    let (answer, heard) = channel();
    store.submit_owned(batch, owners, Box::new(move |results| answer.send(results).unwrap()));
    heard
}

const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Asks until it is so. Fails after a time that no healthy server takes.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what} did not come");
        std::thread::sleep(LOOK_EVERY);
    }
}

/// A client of its own, which keeps a transaction open until its input ends.
fn psql(schema: &str, sql: &str) -> Child {
    let mut psql = Command::new("psql");
    psql.args(["-qAtX", "-v", "ON_ERROR_STOP=1"]).arg(CLUSTER.plain_url());
    psql.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = psql.spawn().expect("psql is part of PostgreSQL's client");
    let input = child.stdin.as_mut().unwrap();
    std::io::Write::write_all(input, format!("SET search_path = {schema};\n{sql}\n").as_bytes())
        .unwrap();
    child
}

fn ask(schema: &str, sql: &str) -> String {
    let mut child = psql(schema, sql);
    drop(child.stdin.take());
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap().trim().to_owned()
}

const APPEND_BY_HAND: &str = "SELECT append('{1}', ARRAY[gen_random_uuid()], '{-1}', '{1}', \
     '{}', '{}', '{}', '{1}', '{0}', '{2}', '{1}', '{5}', ARRAY['x'::bytea], gen_random_uuid(), \
     '{}', '{}', '{}', '{}');";

/// Who has the turn to write in a schema, and who waits for it.
const HAS_TURN: &str = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' \
     AND objsubid = 1 AND objid = 'events'::regclass::oid AND granted";
const WAITS: &str = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' \
     AND objsubid = 1 AND objid = 'events'::regclass::oid AND NOT granted";

#[test]
fn a_reader_passes_over_nothing_while_transactions_are_open_that_began_before_it_looked() {
    let store = open("open");
    store.append(vec![append(1, Expected::NoStream, b"a")]).remove(0).unwrap();
    let mut slow = psql("open", &format!("BEGIN;\n{APPEND_BY_HAND}"));
    until("the open transaction", || ask("open", HAS_TURN) == "1");
    // The second one is ready to go, and must not become visible before the first.
    let batch = Batch { keys: Vec::new(), appends: vec![append(2, Expected::NoStream, b"b")] };
    let second = handed_over(&store, batch, Vec::new());
    until("the second append", || ask("open", WAITS) == "1");
    let seen = store.read_all(Position(0), usize::MAX).unwrap();
    assert_eq!(seen.len(), 1, "an event is visible before one that has a lower position");
    std::io::Write::write_all(slow.stdin.as_mut().unwrap(), b"COMMIT;\n").unwrap();
    let after = second.recv().unwrap().remove(0).unwrap().position;
    let seen = store.read_all(seen[0].position, usize::MAX).unwrap();
    assert_eq!(seen.len(), 2);
    assert!(seen[0].position < seen[1].position && seen[1].position == after);
    drop(slow.stdin.take());
    slow.wait().unwrap();
}

#[test]
fn a_transaction_that_is_rolled_back_leaves_no_gap_to_wait_for() {
    let store = open("rolled_back");
    store.append(vec![append(1, Expected::NoStream, b"a")]).remove(0).unwrap();
    ask("rolled_back", &format!("BEGIN;\n{APPEND_BY_HAND}\nROLLBACK;"));
    store.append(vec![append(2, Expected::NoStream, b"b")]).remove(0).unwrap();
    assert_eq!(store.wait(Position(1), Duration::from_secs(5)).unwrap(), Position(2));
    assert_eq!(store.read_all(Position(0), 9).unwrap().len(), 2);
}

#[test]
fn an_owner_that_was_followed_by_another_is_fenced_and_nobody_else_is() {
    let (one, other) = (open("fenced"), open("fenced"));
    let owner = |epoch| Some(Ownership { partition: 7, epoch, over: false });
    let first = one.take_over(7, "one").unwrap();
    submit(&one, vec![append(1, Expected::NoStream, b"a")], vec![owner(first)])[0].clone().unwrap();
    let second = other.take_over(7, "other").unwrap();
    assert!(second > first);
    let another = Some(Ownership { partition: 8, epoch: 0, over: false });
    let results = submit(
        &one,
        vec![
            append(1, Expected::Exact(Revision(0)), b"b"),
            append(2, Expected::NoStream, b"c"),
            append(3, Expected::NoStream, b"d"),
            append(4, Expected::NoStream, b"e"),
        ],
        vec![owner(first), owner(first), None, another],
    );
    let fenced = Err(AppendError::Fenced { epoch: second });
    assert_eq!(results[..2], [fenced.clone(), fenced]);
    assert!(results[2].is_ok() && results[3].is_ok(), "{results:?}");
    assert_eq!(one.read_stream(stream(1), Revision(0), 9).unwrap().len(), 1);
    assert_eq!(one.read_stream(stream(2), Revision(0), 9).unwrap().len(), 0);
    let next = append(1, Expected::Exact(Revision(0)), b"b");
    assert!(submit(&other, vec![next], vec![owner(second)])[0].is_ok());
}

// What an earlier owner appended is visible to whoever takes over: no append of it is on its way.
#[test]
fn a_takeover_waits_for_the_append_that_is_under_way() {
    let store = open("under_way");
    let mut slow = psql("under_way", &format!("BEGIN;\n{APPEND_BY_HAND}\nSELECT 'in';"));
    until("the open transaction", || ask("under_way", HAS_TURN) == "1");
    std::thread::scope(|scope| {
        let taking = scope.spawn(|| {
            store.take_over(1, "next").unwrap();
            store.read_all(Position(0), 9).unwrap().len()
        });
        until("the takeover's turn", || ask("under_way", WAITS) == "1");
        std::io::Write::write_all(slow.stdin.as_mut().unwrap(), b"COMMIT;\n").unwrap();
        assert_eq!(taking.join().unwrap(), 1, "the new owner has not seen what the old one did");
    });
    drop(slow.stdin.take());
    slow.wait().unwrap();
}

#[test]
fn an_owner_looks_at_its_own_streams_whose_work_is_not_over() {
    let store = open("work");
    let owner = |partition, over| Some(Ownership { partition, epoch: 1, over });
    let begin = |number| append(number, Expected::NoStream, &[number]);
    let more = |number| append(number, Expected::Exact(Revision(0)), b"more");
    let appends = vec![begin(1), begin(2), begin(3), begin(4), begin(5), begin(6)];
    let mine = owner(1, false);
    submit(&store, appends, vec![mine, mine, owner(2, false), None, owner(1, true), mine]);
    submit(
        &store,
        vec![more(1), more(2), more(3), more(4), more(5)],
        vec![owner(1, true), mine, owner(2, false), None, mine],
    );
    // An append that is refused ends nothing.
    let refused = append(6, Expected::NoStream, b"other");
    assert!(submit(&store, vec![refused], vec![owner(1, true)])[0].is_err());
    let read = |streams| {
        let (mut after, mut found) = (Position(0), Vec::new());
        loop {
            let (events, next) = store.read_work(1, after, streams).unwrap();
            if events.is_empty() {
                return found;
            }
            assert!(next > after);
            found.extend(events.iter().map(|e| (e.stream.id[0], e.revision.0)));
            after = next;
        }
    };
    for streams in [1, 2, 100] {
        assert_eq!(read(streams), [(2, 0), (2, 1), (6, 0)], "{streams} at a time");
    }
}

#[test]
fn what_is_claimed_is_nobody_elses_until_its_holder_is_gone() {
    let (one, other) = (open("claimed"), open("claimed"));
    let claim = one.claim(3, "north").unwrap();
    let error = other.claim(3, "south").unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }));
    assert!(error.to_string().contains("callfold north, process"), "{error}");
    other.claim(4, "south").unwrap();
    let first = claim.epoch;
    drop(claim);
    until("the end of the claim", || match other.claim(3, "south") {
        Ok(claim) => {
            assert!(claim.epoch > first);
            true
        }
        Err(StoreError::InUse { .. }) => false,
        Err(error) => panic!("{error}"),
    });
}

fn keyring(store: &PostgresStore, seed: u8) -> Keyring {
    store.open_keys(MasterKey::new([1; 32]), [seed; 32]).unwrap()
}

/// Seals, and does what a shard does before the event is there.
fn seal_and_save(store: &PostgresStore, keys: &mut Keyring, plain: &[u8]) -> schemas::Sealed {
    let sealed = keys.seal(CALLEE, plain);
    let keys = keys.take_new_keys();
    let appends = vec![append(9, Expected::Any, plain)];
    handed_over(store, Batch { keys, appends }, Vec::new()).recv().unwrap().remove(0).unwrap();
    sealed
}

const CALLEE: CalleeKey = CalleeKey([7; 16]);

#[test]
fn an_erasure_on_one_node_is_heard_by_the_others_and_by_those_that_start_later() {
    let (one, other) = (open("erased"), open("erased"));
    let (mut keys, mut others) = (keyring(&one, 1), keyring(&other, 2));
    let sealed = [seal_and_save(&one, &mut keys, b"a"), seal_and_save(&other, &mut others, b"b")];
    for keyring in [&keys, &others, &keyring(&open("erased"), 3)] {
        let opened = sealed.each_ref().map(|sealed| keyring.open(CALLEE, sealed).unwrap());
        assert_eq!(opened, [b"a".to_vec(), b"b".to_vec()]);
    }
    assert_eq!(other.erase(CalleeKey([8; 16])).unwrap(), None, "nobody");
    assert_eq!(other.erase(CALLEE).unwrap(), Some(true));
    assert_eq!(other.erase(CALLEE).unwrap(), Some(false), "there was nothing more to erase");
    let gone = |keyring: &Keyring| sealed.iter().all(|s| keyring.open(CALLEE, s).is_none());
    until("the news of the erasure", || gone(&keys) && gone(&others));
    let again = seal_and_save(&one, &mut keys, b"called again");
    let later = keyring(&open("erased"), 4);
    assert!(gone(&later));
    assert_eq!(later.open(CALLEE, &again).unwrap(), b"called again");
    let left = ask("erased", "SELECT count(*) FROM persons WHERE wrapped IS NOT NULL");
    assert_eq!(left, "1", "the key of after the erasure alone stands there");
}

#[test]
fn after_a_rotation_only_the_new_master_key_opens_and_nothing_is_lost() {
    let store = open("rotated");
    let [old, new] = [1, 2].map(|byte| MasterKey::new([byte; 32]));
    store.check_secrets([5; 8], old.check()).unwrap();
    let mut keys = keyring(&store, 1);
    let sealed = seal_and_save(&store, &mut keys, b"name");
    let claim = store.claim(1, "north").unwrap();
    let error = store.rotate(old.clone(), new.clone()).unwrap_err();
    assert!(error.to_string().contains("callfold north"), "{error}");
    drop(claim);
    let stranger = MasterKey::new([3; 32]);
    until("the end of the claim", || match store.rotate(stranger.clone(), new.clone()) {
        Err(StoreError::InUse { .. }) => false,
        other => {
            assert!(matches!(other, Err(StoreError::Foreign { .. })), "{other:?}");
            true
        }
    });
    assert_eq!(store.rotate(old.clone(), new.clone()).unwrap(), Some(1));
    assert_eq!(store.rotate(old.clone(), new.clone()).unwrap(), None, "it was done before");
    let again = open("rotated");
    assert!(again.open_keys(old, [2; 32]).is_err());
    let opened = again.open_keys(new, [2; 32]).unwrap().open(CALLEE, &sealed);
    assert_eq!(opened.unwrap(), b"name");
}

#[test]
fn a_log_is_held_to_the_secrets_that_it_was_begun_with() {
    let store = open("secrets");
    let master = MasterKey::new([1; 32]);
    assert_eq!(store.secrets().unwrap(), None);
    store.check_secrets([5; 8], master.check()).unwrap();
    store.check_secrets([5; 8], master.check()).unwrap();
    for (callee, check, what) in
        [([6; 8], master.check(), "callee secret"), ([5; 8], [0; 8], "master key")]
    {
        let error = store.check_secrets(callee, check).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
    assert!(store.open_keys(MasterKey::new([2; 32]), [0; 32]).is_err());
}

#[test]
fn who_only_reads_makes_nothing_and_says_what_is_missing() {
    let nothing = PostgresStore::open_to_read(&CLUSTER.url("nowhere"), Options::default());
    let error = nothing.err().unwrap().to_string();
    assert!(error.contains("no node has kept its events there"), "{error}");
    assert_eq!(ask("public", "SELECT to_regnamespace('nowhere') IS NULL"), "t");
    open("there");
    let store = PostgresStore::open_to_read(&CLUSTER.url("there"), Options::default()).unwrap();
    assert_eq!(store.head().unwrap(), Position(0));
}

#[test]
fn tables_of_a_later_version_are_refused() {
    drop(open("newer"));
    ask("newer", "UPDATE migrations SET version = 99");
    let error = PostgresStore::open(&CLUSTER.url("newer"), Options::default()).err().unwrap();
    assert!(matches!(error, StoreError::Newer { found: 99, .. }), "{error}");
}
