use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::*;
use crate::port::Codec;

/// How long a test waits for the writer before it fails.
const PATIENCE: Duration = Duration::from_secs(20);

fn recorder() -> Recorder {
    Recorder::start(RecordOptions::default()).expect("a thread")
}

fn finish(tape: Tape) -> Receiver<Outcome> {
    let (told, outcome) = channel();
    tape.finish(move |outcome| told.send(outcome).expect("the test waits"));
    outcome
}

fn outcome(tape: Tape) -> Outcome {
    finish(tape).recv_timeout(PATIENCE).expect("the recorder tells")
}

/// Left and right channel of a file.
fn channels(path: &Path) -> (Vec<i16>, Vec<i16>) {
    let mut reader = hound::WavReader::open(path).expect("a WAV file");
    assert_eq!((reader.spec().channels, reader.spec().sample_rate), (2, 8_000));
    let samples: Vec<i16> = reader.samples().map(|sample| sample.expect("a sample")).collect();
    samples.chunks_exact(2).map(|frame| (frame[0], frame[1])).unzip()
}

#[test]
fn both_sides_stand_beside_each_other_at_one_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("call.wav");
    let recorder = recorder();
    let mut tape = recorder.create(&path).expect("a tape");
    assert!(!path.exists() && part_of(&path).exists());
    tape.hear(0, &[0x00; 160], Codec::Pcmu);
    tape.turn(160, &[0x00; 160], Codec::Pcmu);
    tape.run();
    // In slot n both say sample value n, for 30 slots; nothing else delays either.
    for slot in 0..30u32 {
        let said = [Codec::Pcma.encode(slot as i16 * 500); 160];
        tape.hear(slot * 160, &said, Codec::Pcma);
        tape.turn(160, &said, Codec::Pcma);
    }
    let recorded = outcome(tape).expect("something was recorded");
    assert_eq!(recorded, Recorded { path: path.clone(), ms: 660, fault: None });
    let (ours, theirs) = channels(&path);
    assert_eq!(ours.len(), 660 * 8);
    assert_eq!(ours, theirs, "what was said and heard in one slot stands in one place");
    assert!(ours[..480].iter().all(|&sample| sample == 0), "both wait for the jitter");
    let last = Codec::Pcma.decode(Codec::Pcma.encode(29 * 500));
    assert_eq!(ours[ours.len() - 160..], [last; 160], "nothing is cut at the end");
    assert!(!part_of(&path).exists());
}

#[test]
fn slots_that_were_passed_over_and_silence_keep_their_length() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("call.wav");
    let recorder = recorder();
    let mut tape = recorder.create(&path).expect("a tape");
    tape.run();
    tape.turn(160, &[], Codec::Pcmu);
    tape.turn(800, &[Codec::Pcmu.encode(9_000); 160], Codec::Pcmu);
    outcome(tape);
    let (ours, theirs) = channels(&path);
    let first = ours.iter().position(|&sample| sample != 0).expect("we said something");
    assert_eq!(first, 480 + 160 + 640);
    assert_eq!((ours.len(), theirs.iter().any(|&sample| sample != 0)), (480 + 960, false));
}

#[test]
fn a_call_that_is_never_answered_leaves_no_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let recorder = recorder();
    let mut tape = recorder.create(&folder.path().join("call.wav")).expect("a tape");
    tape.turn(160, &[0; 160], Codec::Pcmu);
    assert_eq!(outcome(tape), None);
    assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 0);
}

#[test]
fn blocks_beyond_the_bound_are_silence_of_the_same_length_and_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("call.wav");
    let recorder = recorder();
    let mut tape = recorder.create(&path).expect("a tape");
    tape.run();
    let said = [Codec::Pcmu.encode(5_000); 1_600];
    tape.turn(1_600, &said, Codec::Pcmu);
    // A disk that hangs, as the tape sees it: the queue is full, and then it is not.
    let stuck = recorder.options.blocks_waiting_max;
    recorder.waiting.fetch_add(stuck, Ordering::Relaxed);
    tape.turn(1_600, &said, Codec::Pcmu);
    tape.turn(1_600, &said, Codec::Pcmu);
    recorder.waiting.fetch_sub(stuck, Ordering::Relaxed);
    tape.turn(1_600, &said, Codec::Pcmu);
    let recorded = outcome(tape).expect("something was recorded");
    assert_eq!(recorded.ms, 860);
    let expected = "the disk was too slow: 400 ms of it are silence";
    assert_eq!(recorded.fault.as_deref(), Some(expected));
    let (ours, _) = channels(&path);
    assert_eq!(ours.len(), 860 * 8);
    assert_eq!((ours[1_599], ours[1_600], ours[4_799], ours[4_800]), (ours[480], 0, 0, ours[480]));
    assert_ne!(ours[480], 0);
}

#[test]
fn a_recording_has_a_longest_length() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("call.wav");
    let options = RecordOptions { ms_max: 1_000, ..RecordOptions::default() };
    let recorder = Recorder::start(options).expect("a thread");
    let mut tape = recorder.create(&path).expect("a tape");
    tape.run();
    tape.turn(16_000, &[], Codec::Pcmu);
    let recorded = outcome(tape).expect("something was recorded");
    assert_eq!((recorded.ms, recorded.path), (1_000, path));
    assert_eq!(recorded.fault.as_deref(), Some("it ends after 1 s, the bound"));
}

#[test]
fn what_cannot_be_created_is_one_sentence_and_nothing_is_overwritten() {
    let folder = tempfile::tempdir().expect("a folder");
    let recorder = recorder();
    let fault = |path: &Path| match recorder.create(path) {
        Ok(_) => panic!("a tape came out"),
        Err(fault) => fault.replace(&folder.path().display().to_string(), "~"),
    };
    let there = folder.path().join("call.wav");
    fs::write(&there, "an older one").expect("a file");
    assert_eq!(fault(&there), "the recording ~/call.wav exists already");
    let absent = fault(&folder.path().join("absent/call.wav"));
    assert!(
        absent.starts_with("the recording ~/absent/call.wav.part cannot be created: "),
        "{absent}"
    );
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_told_and_the_call_goes_on() {
    let recorder = recorder();
    // /dev/full takes nothing, as a full disk does.
    let full = File::options().write(true).open("/dev/full").expect("/dev/full");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("call.wav");
    let opened =
        Reel::new(full, part_of(&path), path.clone()).expect("buffered, so not refused yet");
    let notes = recorder.notes.clone();
    notes.send(Note::Begin { reel: 77, opened: Box::new(opened) }).expect("it runs");
    let mut tape = Tape::new(77, notes, recorder.waiting.clone(), recorder.options);
    tape.run();
    for _ in 0..100 {
        tape.turn(1_600, &[0; 1_600], Codec::Pcmu);
    }
    let recorded = outcome(tape).expect("it tells");
    let fault = recorded.fault.expect("the disk is full");
    assert!(fault.starts_with("the disk refused it: "), "{fault}");
    assert!(fault.contains("No space left"), "{fault}");
    assert_eq!(recorder.waiting(), 0);
}

#[test]
fn a_recorder_that_is_dropped_finishes_what_it_was_given() {
    let folder = tempfile::tempdir().expect("a folder");
    let recorder = recorder();
    let outcomes: Vec<_> = (0..50)
        .map(|n| {
            let mut tape =
                recorder.create(&folder.path().join(format!("{n}.wav"))).expect("a tape");
            tape.run();
            tape.turn(4_000, &[], Codec::Pcmu);
            finish(tape)
        })
        .collect();
    drop(recorder);
    for outcome in outcomes {
        let recorded =
            outcome.try_recv().expect("told before the drop ended").expect("a recording");
        assert_eq!((recorded.ms, recorded.fault), (560, None));
    }
}

#[test]
fn a_tape_that_outlives_its_recorder_is_whole_up_to_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("call.wav");
    let recorder = recorder();
    let mut tape = recorder.create(&path).expect("a tape");
    tape.run();
    tape.turn(1_600, &[], Codec::Pcmu);
    drop(recorder);
    tape.turn(1_600, &[], Codec::Pcmu);
    assert_eq!(channels(&path).0.len(), 1_600);
    assert_eq!(outcome(tape), None);
}
