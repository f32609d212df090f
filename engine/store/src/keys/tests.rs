use super::*;
use crate::StoreError;
use crate::dice::Dice;
use crate::disk::{Crash, Faults, SimDisk};
use crate::writer::KeySink;

const NAME: &str = "persons";

fn callee(number: u64) -> CalleeKey {
    let mut key = [0; 16];
    Dice::new(number).fill(&mut key);
    CalleeKey(key)
}

fn master(number: u8) -> MasterKey {
    MasterKey::new([number; 32])
}

fn open(disk: &SimDisk) -> (Keyring, KeyFile<SimDisk>, Loaded) {
    KeyFile::open(disk.clone(), master(1), [9; 32]).unwrap()
}

/// Seals, and does what a shard and the writer do before the event is appended.
fn seal_and_save(
    keyring: &mut Keyring,
    file: &mut KeyFile<SimDisk>,
    of: CalleeKey,
    plain: &[u8],
) -> Sealed {
    let sealed = keyring.seal(of, plain);
    file.append_and_sync(&keyring.take_new_keys()).unwrap();
    sealed
}

#[test]
fn what_is_sealed_opens_for_its_callee_alone() {
    let mut keyring = Keyring::from_seed(1, 0);
    let sealed = keyring.seal(callee(1), b"+8613800000017");
    assert_eq!(keyring.open(callee(1), &sealed).unwrap(), b"+8613800000017");
    assert_eq!(keyring.open(callee(2), &sealed), None);
    let mut moved = sealed.clone();
    moved.body[0] ^= 1;
    assert_eq!(keyring.open(callee(1), &moved), None);
    assert_ne!(keyring.seal(callee(1), b"x").nonce, keyring.seal(callee(1), b"x").nonce);
}

#[test]
fn a_seeded_keyring_of_the_next_life_opens_what_the_last_one_sealed() {
    let sealed = Keyring::from_seed(7, 0).seal(callee(1), b"name");
    assert!(Keyring::from_seed(7, 0).take_new_keys().is_empty());
    assert_eq!(Keyring::from_seed(7, 3).open(callee(1), &sealed).unwrap(), b"name");
    assert_eq!(Keyring::from_seed(8, 0).open(callee(1), &sealed), None);
    let mut keyring = Keyring::from_seed(7, 0);
    keyring.forget(callee(1));
    assert_eq!(keyring.open(callee(1), &sealed), None);
    let again = keyring.seal(callee(1), b"back");
    assert_eq!((again.generation, keyring.open(callee(1), &again).unwrap()), (1, b"back".to_vec()));
}

#[test]
fn a_saved_key_outlives_the_power_and_the_wrapping_tells_nothing() {
    let disk = SimDisk::new(1);
    let (mut keyring, mut file, loaded) = open(&disk);
    assert_eq!(loaded, Loaded::default());
    let sealed = seal_and_save(&mut keyring, &mut file, callee(1), b"name");
    let disk = disk.crash(Crash::Power);
    let (keyring, _, loaded) = open(&disk);
    assert_eq!(loaded, Loaded { persons: 1, ..Loaded::default() });
    assert_eq!(keyring.open(callee(1), &sealed).unwrap(), b"name");
    let key = lock(&keyring.persons).get(callee(1)).unwrap().key;
    let contents = disk.contents(NAME).unwrap();
    assert!(!contents.windows(16).any(|bytes| bytes == &key[..16]), "a key stands in the clear");
}

#[test]
fn another_master_key_is_refused() {
    let disk = SimDisk::new(1);
    drop(open(&disk));
    let error = KeyFile::open(disk, master(2), [0; 32]).err().unwrap();
    assert!(error.to_string().contains("another master key"), "{error}");
}

#[test]
fn erasing_destroys_the_key_in_memory_and_on_the_disk() {
    let disk = SimDisk::new(1);
    let (mut keyring, mut file, _) = open(&disk);
    let sealed = seal_and_save(&mut keyring, &mut file, callee(1), b"name");
    let other = seal_and_save(&mut keyring, &mut file, callee(2), b"other");
    let wrapped = disk.contents(NAME).unwrap()[128 + 32..128 + 92].to_vec();
    assert!(file.erase(callee(1)).unwrap());
    assert!(!file.erase(callee(1)).unwrap(), "it was erased before");
    assert!(!file.erase(callee(3)).unwrap(), "there never was one");
    assert_eq!(keyring.open(callee(1), &sealed), None);
    let disk = disk.crash(Crash::Power);
    let contents = disk.contents(NAME).unwrap();
    assert!(
        !contents.windows(48).any(|bytes| wrapped[12..] == *bytes),
        "the wrapped key still stands there"
    );
    let (keyring, _, loaded) = open(&disk);
    assert_eq!((loaded.persons, loaded.erased, loaded.unreadable), (1, 1, 0));
    assert_eq!(keyring.open(callee(1), &sealed), None);
    assert_eq!(keyring.open(callee(2), &other).unwrap(), b"other");
}

#[test]
fn who_was_erased_and_is_called_again_gets_another_key() {
    let disk = SimDisk::new(1);
    let (mut keyring, mut file, _) = open(&disk);
    let before = seal_and_save(&mut keyring, &mut file, callee(1), b"old");
    file.erase(callee(1)).unwrap();
    let after = seal_and_save(&mut keyring, &mut file, callee(1), b"new");
    assert_eq!((before.generation, after.generation), (0, 1));
    let (keyring, _, loaded) = open(&disk.crash(Crash::Power));
    assert_eq!(keyring.open(callee(1), &after).unwrap(), b"new");
    assert_eq!((keyring.open(callee(1), &before), loaded.persons), (None, 1));
}

#[test]
fn a_key_that_is_erased_before_it_was_saved_is_never_saved() {
    let disk = SimDisk::new(1);
    let (mut keyring, mut file, _) = open(&disk);
    let sealed = keyring.seal(callee(1), b"name");
    let under_way = keyring.take_new_keys();
    assert!(file.erase(callee(1)).unwrap());
    file.append_and_sync(&under_way).unwrap();
    let (keyring, _, loaded) = open(&disk.crash(Crash::Power));
    assert_eq!((loaded.persons, keyring.open(callee(1), &sealed)), (0, None));
}

#[test]
fn every_shard_brings_the_keys_that_its_own_events_need() {
    let (mut keyring, mut file, _) = open(&SimDisk::new(1));
    let mut shard = keyring.clone();
    keyring.seal(callee(1), b"a");
    keyring.seal(callee(1), b"b");
    shard.seal(callee(1), b"c");
    let [first, second] = [keyring.take_new_keys(), shard.take_new_keys()];
    assert_eq!((first.len(), second.len()), (1, 1), "whichever batch comes first must have it");
    file.append_and_sync(&second).unwrap();
    file.append_and_sync(&first).unwrap();
    keyring.seal(callee(1), b"d");
    assert!(keyring.take_new_keys().is_empty(), "a saved key is not brought again");
}

#[test]
fn after_a_rotation_only_the_new_master_key_opens_and_nothing_is_lost() {
    let disk = SimDisk::new(1);
    let (mut keyring, mut file, _) = open(&disk);
    let old = seal_and_save(&mut keyring, &mut file, callee(1), b"old");
    seal_and_save(&mut keyring, &mut file, callee(2), b"gone");
    file.erase(callee(2)).unwrap();
    file.rotate(master(2)).unwrap();
    let new = seal_and_save(&mut keyring, &mut file, callee(3), b"new");
    let disk = disk.crash(Crash::Power);
    assert!(KeyFile::open(disk.clone(), master(1), [0; 32]).is_err());
    let (keyring, _, loaded) = KeyFile::open(disk, master(2), [0; 32]).unwrap();
    assert_eq!((loaded.persons, loaded.erased), (2, 1));
    assert_eq!(keyring.open(callee(1), &old).unwrap(), b"old");
    assert_eq!(keyring.open(callee(3), &new).unwrap(), b"new");
}

#[test]
fn a_torn_or_damaged_record_costs_nobody_else() {
    let disk = SimDisk::new(1);
    let (mut keyring, mut file, _) = open(&disk);
    let sealed = [1, 2, 3].map(|n| seal_and_save(&mut keyring, &mut file, callee(n), b"x"));
    let mut contents = disk.contents(NAME).unwrap();
    contents[128 * 2 + 40] ^= 1;
    contents.extend([0xaa; 77]);
    disk.put(NAME, contents);
    let (mut keyring, mut file, loaded) = open(&disk);
    assert_eq!((loaded.persons, loaded.unreadable), (2, 1));
    let opened = [0, 1, 2].map(|n| keyring.open(callee(n as u64 + 1), &sealed[n]).is_some());
    assert_eq!(opened, [true, false, true]);
    let next = seal_and_save(&mut keyring, &mut file, callee(4), b"y");
    let (keyring, ..) = open(&disk.crash(Crash::Power));
    assert_eq!(keyring.open(callee(4), &next).unwrap(), b"y");
}

#[test]
fn a_reader_in_another_process_finds_keys_that_came_after_it() {
    let disk = SimDisk::new(1);
    let empty = KeyFile::open_beside(disk.clone(), master(1), [0; 32]).unwrap();
    let (mut keyring, mut file, _) = open(&disk);
    let beside = KeyFile::open_beside(disk.clone(), master(1), [0; 32]).unwrap();
    let sealed = seal_and_save(&mut keyring, &mut file, callee(1), b"late");
    assert_eq!(beside.open(callee(1), &sealed).unwrap(), b"late");
    assert_eq!((empty.open(callee(1), &sealed), empty.persons()), (None, 0));
    let before = disk.contents(NAME).unwrap();
    drop(beside);
    assert!(disk.contents(NAME).unwrap() == before, "a reader wrote");
}

// No test of a clock: how much memory a million persons take is arithmetic over these sizes.
#[test]
fn a_person_takes_at_most_64_bytes() {
    assert_eq!(persons::ENTRY_BYTES, 51);
}

#[test]
fn whatever_the_disk_does_saved_keys_stay_and_erased_ones_do_not_come_back() {
    for seed in 0..1500 {
        history(seed);
    }
}

/// Lives and deaths of the keys on a failing disk.
fn history(seed: u64) {
    let mut dice = Dice::new(seed);
    let mut disk = SimDisk::new(dice.throw());
    let [mut kept, mut erased]: [Vec<(u64, Sealed)>; 2] = Default::default();
    for _ in 0..4 {
        if dice.one_in(2) {
            disk.die_after(dice.below(60));
        }
        if let Ok((keyring, file, _)) =
            KeyFile::open(disk.clone(), master(1), [dice.throw() as u8; 32])
        {
            hold(seed, &keyring, &kept, &erased);
            let failed_sync_one_in = if dice.one_in(2) { 9 } else { 0 };
            disk.set_faults(Faults {
                failed_sync_one_in,
                short_write_one_in: 5,
                ..Faults::default()
            });
            // An error ends a life, as it ends the process.
            drop(life(&mut dice, keyring, file, &mut kept, &mut erased));
        }
        disk.set_faults(Faults::default());
        disk = disk.crash(if dice.one_in(3) { Crash::Process } else { Crash::Power });
    }
    let (keyring, ..) = KeyFile::open(disk, master(1), [0; 32]).unwrap();
    hold(seed, &keyring, &kept, &erased);
}

fn life(
    dice: &mut Dice,
    mut keyring: Keyring,
    mut file: KeyFile<SimDisk>,
    kept: &mut Vec<(u64, Sealed)>,
    erased: &mut Vec<(u64, Sealed)>,
) -> Result<(), StoreError> {
    for _ in 0..dice.below(30) {
        let number = dice.below(12);
        if dice.one_in(6) {
            // Until it is done it may be either.
            let (theirs, others) =
                std::mem::take(kept).into_iter().partition(|(of, _)| *of == number);
            *kept = others;
            file.erase(callee(number))?;
            erased.extend::<Vec<_>>(theirs);
        } else {
            let sealed = keyring.seal(callee(number), b"plain");
            file.append_and_sync(&keyring.take_new_keys())?;
            kept.push((number, sealed));
        }
    }
    Ok(())
}

fn hold(seed: u64, keyring: &Keyring, kept: &[(u64, Sealed)], erased: &[(u64, Sealed)]) {
    for (number, sealed) in kept {
        let opened = keyring.open(callee(*number), sealed);
        assert_eq!(opened.as_deref(), Some(&b"plain"[..]), "seed {seed}: a saved key is lost");
    }
    for (number, sealed) in erased {
        assert_eq!(
            keyring.open(callee(*number), sealed),
            None,
            "seed {seed}: an erased key is back"
        );
    }
}

mod secrets {
    use super::super::*;

    // `contract.md`: programs outside derive it by themselves.
    #[test]
    fn the_callee_key_is_hmac_sha256_cut_to_16_bytes() {
        // RFC 4231, test case 2.
        let key = CalleeSecret::new(b"Jefe").callee_key("what do ya want for nothing?");
        assert_eq!(key.to_string(), "5bdcc146bf60754e6a042426089575c7");
        assert_ne!(
            CalleeSecret::new(b"Jefe\n").callee_key("1"),
            CalleeSecret::new(b"Jefe").callee_key("1")
        );
    }

    #[test]
    fn a_master_key_is_read_as_hex_or_raw_and_nothing_else() {
        let key = MasterKey::new([0xab; 32]);
        let hex = key.to_hex();
        assert!(MasterKey::parse(&[0xab; 32]) == Some(key.clone()));
        assert!(MasterKey::parse(hex.as_bytes()) == Some(key.clone()));
        assert!(
            MasterKey::parse(format!(" {}\n", hex.to_uppercase()).as_bytes()) == Some(key.clone())
        );
        for wrong in [&b""[..], b"abc", &[b'x'; 64], &hex.as_bytes()[1..]] {
            assert!(MasterKey::parse(wrong).is_none());
        }
        assert_ne!(key.check(), MasterKey::new([0; 32]).check());
    }

    #[test]
    fn a_secret_is_made_once_and_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("callee.key");
        assert!(read_secret_file(&path).is_err());
        let made = make_secret_file(&path).unwrap();
        assert_eq!((made.len(), made == make_secret_file(&path).unwrap()), (64, true));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&path, b"").unwrap();
        assert!(make_secret_file(&path).is_err(), "an empty secret was taken, or replaced");
        assert_eq!(crate::bytes::hex(&[0, 0xff]), "00ff");
    }
}

#[test]
fn whoever_holds_the_keys_erases_whom_others_ask_to_erase() {
    let disk = SimDisk::new(1);
    let (mut keyring, mut file, _) = open(&disk);
    let sealed = [1, 2].map(|who| seal_and_save(&mut keyring, &mut file, callee(who), b"name"));
    ask_to_erase(&disk, callee(1)).unwrap();
    ask_to_erase(&disk, callee(1)).unwrap();
    assert!(is_asked_for(&disk, callee(1)).unwrap());
    file.look_after().unwrap();
    assert!(!is_asked_for(&disk, callee(1)).unwrap());
    assert_eq!(keyring.person(callee(1)), PersonsKey::Erased);
    assert_eq!(keyring.open(callee(1), &sealed[0]), None);
    assert_eq!(keyring.open(callee(2), &sealed[1]).unwrap(), b"name");
    assert_eq!(keyring.person(callee(3)), PersonsKey::Never);
}

#[test]
fn an_erasure_that_was_asked_for_outlives_the_power() {
    let disk = SimDisk::new(1);
    let (mut keyring, mut file, _) = open(&disk);
    let sealed = seal_and_save(&mut keyring, &mut file, callee(1), b"name");
    ask_to_erase(&disk, callee(1)).unwrap();
    let disk = disk.crash(Crash::Power);
    let (keyring, file, _) = open(&disk);
    assert_eq!(file.erase_whom_asked().unwrap(), 1);
    assert_eq!(keyring.open(callee(1), &sealed), None);
}

// Nobody would ever erase a person in there.
#[test]
fn what_a_broken_rotation_left_is_removed() {
    let disk = SimDisk::new(1);
    let (mut keyring, mut file, _) = open(&disk);
    seal_and_save(&mut keyring, &mut file, callee(1), b"name");
    drop(file);
    disk.put("persons.tmp", disk.contents(NAME).unwrap());
    open(&disk);
    assert!(disk.contents("persons.tmp").is_none());
}

#[test]
fn a_rotation_that_the_power_cuts_leaves_the_old_master_key_or_the_new_one() {
    let mut seen = [0, 0];
    for operations in 0..30 {
        let disk = SimDisk::new(operations);
        let (mut keyring, mut file, _) = open(&disk);
        let sealed = seal_and_save(&mut keyring, &mut file, callee(1), b"name");
        disk.die_after(operations);
        let rotated = file.rotate(master(2)).is_ok();
        let disk = disk.crash(Crash::Power);
        let keyrings =
            [1, 2].map(|number| KeyFile::open(disk.clone(), master(number), [9; 32]).ok());
        let opens: Vec<bool> = keyrings.iter().map(Option::is_some).collect();
        assert!(opens == [true, false] && !rotated || opens == [false, true], "{operations}");
        seen[usize::from(opens[1])] += 1;
        let keyring = keyrings.into_iter().flatten().next().unwrap().0;
        assert_eq!(keyring.open(callee(1), &sealed).unwrap(), b"name");
    }
    assert!(seen[0] > 0 && seen[1] > 0, "{seen:?}");
}
