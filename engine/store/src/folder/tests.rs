use super::secrets::next_path;
use super::*;
use crate::api::{Append, Expected, NewEvent, Reader};
use crate::keys::{CalleeSecret, MasterKey, put_secret_file};
use crate::writer::KeySink;
use schemas::event::Encoded;
use schemas::{CalleeKey, Position, StreamId, Timestamp, Vault};

pub(super) fn fresh() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[track_caller]
pub(super) fn refused<T>(result: Result<T, StoreError>, wanted: &str) {
    let error = result.err().expect("it should be refused");
    let text = error.in_full();
    assert!(text.contains(wanted), "{text}");
}

pub(super) fn append() -> Append {
    let encoded = Encoded { kind: 1, version: 1, body: vec![1] };
    let events = vec![NewEvent { encoded, at: Timestamp(0) }];
    Append { stream: StreamId::node("n"), expected: Expected::Any, events }
}

#[test]
fn a_folder_keeps_its_name_its_store_and_its_port() {
    let place = fresh();
    let mut folder = DataFolder::open(place.path(), "node-1").unwrap();
    assert_eq!((folder.node(), folder.sip_port()), ("node-1", None));
    folder.set_sip_port(5062).unwrap();
    let store = folder.store_id();
    drop(folder);
    let folder = DataFolder::open(place.path(), "other").unwrap();
    assert_eq!(
        (folder.node(), folder.store_id(), folder.sip_port()),
        ("node-1", store, Some(5062))
    );
    assert_ne!(DataFolder::open(fresh().path(), "node-1").unwrap().store_id(), store);
}

#[test]
fn one_process_writes_and_the_others_are_told_who_it_is() {
    let place = fresh();
    let folder = DataFolder::open(place.path(), "n").unwrap();
    refused(
        DataFolder::open(place.path(), "n"),
        &format!("is in use by process {}: stop it first, or read beside it", std::process::id()),
    );
    let beside = DataFolder::open_to_read(place.path()).unwrap();
    refused(beside.open_log(), "it was opened to read");
    drop(folder);
    drop(DataFolder::open(place.path(), "n").unwrap());
}

#[test]
fn the_log_of_a_folder_is_read_beside_its_writer() {
    let place = fresh();
    let folder = DataFolder::open(place.path(), "n").unwrap();
    let (mut log, recovery) = folder.open_log().unwrap();
    assert_eq!(recovery, Recovery::default());
    let beside = DataFolder::open_to_read(place.path()).unwrap().read_log().unwrap();
    log.append(&[append()]);
    log.sync().unwrap();
    assert_eq!(beside.read_all(Position(0), 9).unwrap().len(), 1);
    log.close().unwrap();
    assert_eq!(folder.open_log().unwrap().1.head, 1);
}

#[test]
fn a_newer_folder_and_one_that_nobody_owns_are_refused() {
    let place = fresh();
    refused(DataFolder::open_to_read(place.path()), "no node has kept its data there");
    drop(DataFolder::open(place.path(), "n").unwrap());
    let file = place.path().join(NODE_FILE);
    let sound = fs::read_to_string(&file).unwrap();
    fs::write(&file, sound.replace("format = 1", "format = 7\nlater = \"x\"")).unwrap();
    refused(
        DataFolder::open(place.path(), "n"),
        "node.toml was written by a newer version of Callfold (format 7, this one reads up to 1)",
    );
    fs::write(&file, "format = 1").unwrap();
    refused(DataFolder::open(place.path(), "n"), "missing field `node`");
    fs::write(&file, sound.replace("store = \"", "store = \"zz")).unwrap();
    refused(DataFolder::open(place.path(), "n"), "its ids are not the hex digits");
    fs::remove_file(&file).unwrap();
    fs::write(place.path().join("log/00000000000000000001.log"), "x").unwrap();
    refused(DataFolder::open(place.path(), "n"), "holds events, and there is no node.toml");
}

#[test]
fn a_folder_that_cannot_be_made_is_told_in_a_sentence() {
    let place = fresh();
    let file = place.path().join("a-file");
    fs::write(&file, "").unwrap();
    refused(DataFolder::open(&file.join("data"), "n"), "could not make ");
}

#[test]
fn one_folder_keeps_to_one_callee_secret() {
    let place = fresh();
    let mut folder = DataFolder::open(place.path(), "n").unwrap();
    let key = folder.callee_secret(None).unwrap().callee_key("+8613800000017");
    let content = fs::read(place.path().join("callee.key")).unwrap();
    assert_eq!(key, CalleeSecret::new(&content).callee_key("+8613800000017"));
    let other = place.path().join("other.key");
    fs::write(&other, "another secret").unwrap();
    refused(
        folder.callee_secret(Some(&other)),
        "not the callee secret that the data was begun with",
    );
    fs::remove_file(place.path().join("callee.key")).unwrap();
    refused(folder.callee_secret(None), "could not read");
    let mut beside = DataFolder::open_to_read(place.path()).unwrap();
    refused(beside.callee_secret(None), "could not read");
}

fn sealed_once(folder: &DataFolder) -> (CalleeKey, schemas::Sealed) {
    let (mut keyring, mut file, _) = folder.open_keys(&MasterSource::Folder).unwrap();
    let callee = CalleeKey([5; 16]);
    let sealed = keyring.seal(callee, b"name");
    file.append_and_sync(&keyring.take_new_keys()).unwrap();
    (callee, sealed)
}

#[test]
fn the_keys_of_a_folder_open_with_its_master_key_alone() {
    let place = fresh();
    let folder = DataFolder::open(place.path(), "n").unwrap();
    let (callee, sealed) = sealed_once(&folder);
    let beside = DataFolder::open_to_read(place.path()).unwrap();
    assert_eq!(
        beside.read_keys(&MasterSource::Folder).unwrap().open(callee, &sealed).unwrap(),
        b"name"
    );
    let master = place.path().join("master.key");
    fs::write(&master, MasterKey::new([1; 32]).to_hex()).unwrap();
    refused(folder.open_keys(&MasterSource::Folder), "another master key wrapped the keys in it");
    fs::write(&master, "short").unwrap();
    refused(folder.open_keys(&MasterSource::Folder), "64 hex digits or 32 raw bytes");
    // A lost master key must not be replaced by a new one in silence.
    fs::remove_file(&master).unwrap();
    refused(folder.open_keys(&MasterSource::Folder), "could not read");
    assert!(!master.exists());
}

#[test]
fn a_rotated_master_key_opens_what_was_sealed_before() {
    let place = fresh();
    let folder = DataFolder::open(place.path(), "n").unwrap();
    let (callee, sealed) = sealed_once(&folder);
    let master = place.path().join("master.key");
    let before = fs::read(&master).unwrap();
    let (_, file, _) = folder.open_keys(&MasterSource::Folder).unwrap();
    folder.rotate_master_key(&file, &MasterSource::Folder).unwrap();
    assert_ne!(fs::read(&master).unwrap(), before);
    assert_eq!(
        folder.open_keys(&MasterSource::Folder).unwrap().0.open(callee, &sealed).unwrap(),
        b"name"
    );
    assert!(!next_path(&master).exists());
}

#[test]
fn a_rotation_that_was_interrupted_is_finished_or_taken_back() {
    let place = fresh();
    let folder = DataFolder::open(place.path(), "n").unwrap();
    let (callee, sealed) = sealed_once(&folder);
    let master = place.path().join("master.key");
    let next = MasterKey::new([3; 32]);
    // Before the keys were wrapped anew.
    put_secret_file(&next_path(&master), next.to_hex().as_bytes()).unwrap();
    let (keyring, file, _) = folder.open_keys(&MasterSource::Folder).unwrap();
    assert_eq!(keyring.open(callee, &sealed).unwrap(), b"name");
    assert!(!next_path(&master).exists());
    // After it.
    put_secret_file(&next_path(&master), next.to_hex().as_bytes()).unwrap();
    file.rotate(next.clone()).unwrap();
    let beside = DataFolder::open_to_read(place.path()).unwrap();
    assert_eq!(
        beside.read_keys(&MasterSource::Folder).unwrap().open(callee, &sealed).unwrap(),
        b"name"
    );
    assert_eq!(
        folder.open_keys(&MasterSource::Folder).unwrap().0.open(callee, &sealed).unwrap(),
        b"name"
    );
    assert!(MasterKey::parse(&fs::read(&master).unwrap()) == Some(next));
}

#[test]
fn a_folder_whose_events_are_in_a_common_log_has_none_of_its_own() {
    let [one, other] = [StoreId([1; 16]), StoreId([2; 16])];
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("data");
    let mut folder = DataFolder::open(&path, "node-1").unwrap();
    folder.join_common(one, "postgres://db").unwrap();
    drop(folder);
    let mut folder = DataFolder::open(&path, "node-1").unwrap();
    folder.join_common(one, "postgres://db").unwrap();
    for refused in [
        folder.join_common(other, "postgres://other").unwrap_err(),
        folder.open_log().err().unwrap(),
        folder.read_log().err().unwrap(),
        folder.open_keys(&MasterSource::Folder).err().unwrap(),
        folder.read_keys(&MasterSource::Folder).err().unwrap(),
    ] {
        assert!(refused.to_string().contains("common log"), "{refused}");
    }
    let mut with_log = DataFolder::open(&home.path().join("log-of-its-own"), "node-1").unwrap();
    // A log that was opened, and kept nothing yet, keeps nobody from another.
    let (mut log, _) = with_log.open_log().unwrap();
    assert!(log.append(&[append()])[0].is_ok());
    log.sync().unwrap();
    drop(log);
    let refused = with_log.join_common(one, "postgres://db").unwrap_err().to_string();
    assert!(refused.contains("log of its own"), "{refused}");
}

#[test]
fn a_folder_that_is_in_use_erases_whom_another_process_asks_to_erase() {
    let place = fresh();
    let folder = DataFolder::open(place.path(), "n").unwrap();
    let (callee, sealed) = sealed_once(&folder);
    let (keyring, keys, _) = folder.open_keys(&MasterSource::Folder).unwrap();
    let (log, _) = folder.open_log().unwrap();
    let (writer, _appender) = crate::writer::start(log, keys).unwrap();
    let beside = DataFolder::open_to_read(place.path()).unwrap();
    beside.ask_to_erase(callee).unwrap();
    // Nobody appends: the keys are looked after all the same.
    let begun = std::time::Instant::now();
    while beside.is_to_be_erased(callee).unwrap() {
        assert!(begun.elapsed().as_secs() < 30, "nobody erased");
        std::thread::yield_now();
    }
    assert_eq!(keyring.open(callee, &sealed), None);
    writer.stop().unwrap();
}

#[test]
fn a_master_key_that_is_given_makes_no_file_and_is_rotated_to_another() {
    let place = fresh();
    let folder = DataFolder::open(place.path(), "n").unwrap();
    let [old, new] = [1, 2].map(|byte| MasterKey::new([byte; 32]));
    let given = MasterSource::Given(old);
    let (mut keyring, mut file, _) = folder.open_keys(&given).unwrap();
    let sealed = keyring.seal(CalleeKey([5; 16]), b"name");
    file.append_and_sync(&keyring.take_new_keys()).unwrap();
    assert!(!place.path().join("master.key").exists());
    refused(folder.rotate_master_key(&file, &given), "replaced by one that is given");
    file.rotate(new.clone()).unwrap();
    assert_eq!(folder.is_wrapped_by(&new).unwrap(), Some(true));
    refused(folder.open_keys(&given), "another master key wrapped the keys in it");
    let opened = folder.read_keys(&MasterSource::Given(new)).unwrap();
    assert_eq!(opened.open(CalleeKey([5; 16]), &sealed).unwrap(), b"name");
}
