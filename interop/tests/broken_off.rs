//! What copies a data folder or rewrites its keys, killed with -9 at one moment after the other:
//! what it was made from is untouched, what was half made is taken for whole by nobody, and the same
//! command typed again ends it.

use schemas::event::Encoded;
use schemas::{CallId, CalleeKey, Position, Sealed, StreamId, Timestamp, Vault};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use store::folder::{DataFolder, MasterSource, read_master};
use store::log::{Log, Options};
use store::writer::KeySink;
use store::{Append, Expected, NewEvent, Reader, Stored};
use tempfile::TempDir;

const EVENTS: u32 = 3_000;
const PERSONS: u8 = 250;
/// So many moments of a run are tried, from its beginning to its end.
const KILLS: u32 = 10;
const NOT_WHOLE: &str = "is not whole";

/// A folder with a history of many small files, and what is sealed for its persons.
struct World {
    folder: TempDir,
    sealed: Vec<(CalleeKey, Sealed)>,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        let mut node = DataFolder::open(&data, "n").expect("a data folder");
        node.callee_secret(None).expect("a secret");
        let (mut keyring, mut keys, _) = node.open_keys(&MasterSource::Folder).expect("keys");
        let persons = (0..PERSONS).map(|person| CalleeKey([person; 16]));
        let sealed = persons.map(|callee| (callee, keyring.seal(callee, b"name"))).collect();
        keys.append_and_sync(&keyring.take_new_keys()).expect("keys can be stored");
        drop(node);
        let world = Self { folder, sealed };
        world.grow(EVENTS);
        world
    }

    /// Its history goes on.
    fn grow(&self, events: u32) {
        let node = DataFolder::open(&self.at("data"), "n").expect("a data folder");
        let options = Options { segment_bytes: 100_000, ..Options::new(node.store_id()) };
        let (mut log, _) = Log::open(node.log_files(), options).expect("a log");
        let appends: Vec<Append> = (0..events)
            .map(|number| {
                let mut call = [0; 16];
                call[..4].copy_from_slice(&(number % 500).to_le_bytes());
                let body = number.to_le_bytes().repeat(40);
                let encoded = Encoded { kind: 2, version: 1, body };
                let events = vec![NewEvent { encoded, at: Timestamp(number.into()) }];
                Append { stream: StreamId::call(CallId(call)), expected: Expected::Any, events }
            })
            .collect();
        for batch in appends.chunks(100) {
            assert!(log.append(batch).iter().all(Result::is_ok));
            log.sync().expect("it syncs");
            while let Some(sealing) = log.sealing() {
                sealing.run().expect("a segment can be sealed");
            }
        }
        log.close().expect("it closes");
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dialler"));
        command.args(words.split(' ')).current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, words: &str) -> Output {
        self.command(words).output().expect("it runs")
    }

    /// How long it takes when nobody kills it.
    fn succeeds(&self, words: &str) -> Duration {
        let begun = Instant::now();
        let output = self.run(words);
        assert!(output.status.success(), "{words}: {}", said(&output));
        begun.elapsed()
    }

    /// Runs it, and kills it then. Whether it was still there.
    fn killed(&self, words: &str, after: Duration) -> bool {
        let mut child = self.command(words).spawn().expect("it starts");
        // The moment of the kill, not a wait for anything.
        std::thread::sleep(after);
        let was_there = child.try_wait().expect("it can be asked").is_none();
        child.kill().expect("it can be killed");
        child.wait().expect("it is gone");
        was_there
    }

    fn events(&self, name: &str) -> Vec<Stored> {
        let folder = DataFolder::open_to_read(&self.at(name)).expect("a data folder");
        let log = folder.read_log().expect("a log");
        log.read_all(Position(0), usize::MAX).expect("it reads")
    }

    /// Whether every person can be read there.
    fn are_read(&self, name: &str, master: &MasterSource) -> bool {
        let folder = DataFolder::open_to_read(&self.at(name)).expect("a data folder");
        folder.read_keys(master).is_ok_and(|keyring| {
            let name = Some(b"name".to_vec());
            self.sealed.iter().all(|(callee, sealed)| keyring.open(*callee, sealed) == name)
        })
    }

    /// Kills a command that makes `made` out of `data`, each time on what `prepare` leaves there,
    /// which may hold the history `before`.
    fn check(&self, words: &str, before: Option<&[Stored]>, prepare: impl Fn()) {
        let source = contents(&self.at("data"));
        let whole = self.events("data");
        prepare();
        let takes = self.succeeds(words);
        let mut kills = 0;
        for moment in 0..KILLS {
            prepare();
            kills += u32::from(self.killed(words, takes * moment / KILLS));
            let verified = self.run("log verify --data made");
            match verified.status.success() {
                true => {
                    let made = self.events("made");
                    let is_known = made == whole || before.is_some_and(|before| made == before);
                    assert!(is_known, "{words}: a part was taken for whole");
                }
                // Nothing is there yet, or it says that it is not whole.
                false if has_not_begun(&self.at("made")) => {}
                false => {
                    assert!(said(&verified).contains(NOT_WHOLE), "{words}: {}", said(&verified));
                    let begun = DataFolder::open(&self.at("made"), "n");
                    let refused = begun.err().expect("nobody begins there").to_string();
                    assert!(refused.contains(NOT_WHOLE), "{words}: {refused}");
                }
            }
            assert!(contents(&self.at("data")) == source, "{words}: what it reads has changed");
            let again = self.run(words);
            // It was whole when it was killed: then a new folder is what it asks for.
            let asks = verified.status.success() && before.is_none();
            let ended = again.status.success() || asks && said(&again).contains("new folder");
            assert!(ended, "{words}: {}", said(&again));
            self.succeeds("log verify --data made");
            assert!(self.events("made") == whole, "{words}: something else was made");
            assert!(self.are_read("made", &MasterSource::Folder), "{words}: nobody can be read");
        }
        assert!(kills > 0, "{words}: it was never there to be killed");
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Whether nothing is there yet that anybody could take for something.
fn has_not_begun(folder: &Path) -> bool {
    contents(folder).keys().all(|path| path.ends_with("node.unfinished.toml.tmp"))
}

/// All files of a folder but its lock, which names whoever had it last.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("it can be listed").path();
        if path.is_dir() {
            files.append(&mut contents(&path));
        } else if path.file_name().is_some_and(|name| name != "lock") {
            files.insert(path.clone(), fs::read(&path).expect("it can be read"));
        }
    }
    files
}

fn remove(folder: &Path) {
    if folder.exists() {
        fs::remove_dir_all(folder).expect("it can be removed");
    }
}

fn copy(from: &Path, to: &Path) {
    remove(to);
    fs::create_dir(to).expect("a folder");
    for entry in fs::read_dir(from).expect("it can be listed") {
        let path = entry.expect("it can be listed").path();
        let target = to.join(path.file_name().expect("it has a name"));
        match path.is_dir() {
            true => copy(&path, &target),
            false => drop(fs::copy(&path, target).expect("it can be copied")),
        }
    }
}

#[test]
fn a_backup_that_is_killed_is_not_taken_for_one_and_goes_on() {
    let world = World::new();
    world.check("backup --data data --to made", None, || remove(&world.at("made")));
}

#[test]
fn an_earlier_backup_stays_whole_or_says_that_it_was_broken_off() {
    let world = World::new();
    world.succeeds("backup --data data --to earlier");
    let before = world.events("earlier");
    world.grow(EVENTS);
    let prepare = || copy(&world.at("earlier"), &world.at("made"));
    world.check("backup --data data --to made", Some(&before), prepare);
}

#[test]
fn a_restore_that_is_killed_goes_on() {
    let world = World::new();
    world.check("restore --from data --data made", None, || remove(&world.at("made")));
}

#[test]
fn a_copy_that_is_killed_goes_on() {
    let world = World::new();
    let words = "log copy --from log:data/log --to log:made/log";
    world.check(words, None, || remove(&world.at("made")));
}

#[test]
fn a_repair_that_is_killed_begins_again() {
    let world = World::new();
    world.check("log repair --data data --to made", None, || remove(&world.at("made")));
}

#[test]
fn after_a_rotation_that_is_killed_persons_are_read_with_one_of_the_two_keys() {
    let world = World::new();
    let log = world.events("data");
    let new = world.at("new.key");
    for in_file in [false, true] {
        let words = match in_file {
            false => "key rotate --data made",
            true => "key rotate --data made --new-key-file new.key",
        };
        let prepare = || {
            copy(&world.at("data"), &world.at("made"));
            drop(fs::remove_file(&new));
        };
        prepare();
        let takes = world.succeeds(words);
        for moment in 0..KILLS {
            prepare();
            world.killed(words, takes * moment / KILLS);
            let with_old = world.are_read("made", &MasterSource::Folder);
            let given = || {
                read_master(&new).is_ok_and(|key| world.are_read("made", &MasterSource::Given(key)))
            };
            // In its place, the one file is the old key or the new one, and fits.
            assert!(with_old != (in_file && given()), "{words}: no key fits, or both do");
            world.succeeds(words);
            let source = match in_file {
                false => MasterSource::Folder,
                true => MasterSource::Given(read_master(&new).expect("a key")),
            };
            assert!(world.are_read("made", &source), "{words}: nobody can be read any more");
            let old =
                MasterSource::Given(read_master(&world.at("data/master.key")).expect("a key"));
            assert!(!world.are_read("made", &old), "{words}: the old key still opens");
            assert!(!world.at("made/keys/persons.tmp").exists(), "{words}: keys are left over");
            assert!(world.events("made") == log, "{words}: events have changed");
        }
    }
}
