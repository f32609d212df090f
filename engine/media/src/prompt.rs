//! Prompts: clips in both laws, ready to be copied into packets, by name.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::{fs, io};

use crate::clip::{Clip, ClipFault, ClipLimits};
use crate::codec::SAMPLES_PER_MS;
use crate::port::Codec;

/// A clip, encoded once in each law: 16 bytes per millisecond.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Prompt {
    ulaw: Box<[u8]>,
    alaw: Box<[u8]>,
}

impl Prompt {
    /// Encodes a clip.
    pub fn new(clip: &Clip) -> Self {
        let encoded =
            |codec: Codec| clip.samples().iter().map(|&sample| codec.encode(sample)).collect();
        Self { ulaw: encoded(Codec::Pcmu), alaw: encoded(Codec::Pcma) }
    }

    /// Its bytes in a law, one per sample.
    pub fn bytes(&self, codec: Codec) -> &[u8] {
        match codec {
            Codec::Pcmu => &self.ulaw,
            Codec::Pcma => &self.alaw,
        }
    }

    /// Its length, rounded up.
    pub fn ms(&self) -> u32 {
        (self.ulaw.len() as u32).div_ceil(SAMPLES_PER_MS)
    }
}

/// The prompts that were loaded, by name. A clone is the same collection: a pump plays from it
/// while prompts are added and replaced. What is being played stays until it was played.
#[derive(Clone, Debug, Default)]
pub struct Prompts {
    by_name: Arc<RwLock<HashMap<String, Arc<Prompt>>>>,
}

/// Bounds of a folder of prompts.
#[derive(Clone, Copy, Debug)]
pub struct FolderLimits {
    /// Of each file.
    pub clip: ClipLimits,
    /// Files that are loaded. More are reported and left out.
    pub files_max: usize,
    /// Length of all prompts together, at 16 kB of memory per second. What goes beyond is reported
    /// and left out.
    pub total_ms_max: u64,
    /// How many folders deep.
    pub depth_max: usize,
}

impl Default for FolderLimits {
    /// 10,000 files and 8 hours of audio (460 MB), 8 folders deep.
    fn default() -> Self {
        Self {
            clip: ClipLimits::default(),
            files_max: 10_000,
            total_ms_max: 8 * 3_600 * 1_000,
            depth_max: 8,
        }
    }
}

/// Why a folder, or a file in it, was left out.
#[derive(Debug, thiserror::Error)]
pub enum PromptFault {
    /// A file that is no clip.
    #[error(transparent)]
    Clip(#[from] ClipFault),
    /// The folder, or one in it, cannot be listed.
    #[error("the prompts in {} cannot be listed: check that it is a folder and may be read", .path.display())]
    Folder {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A bound of [`FolderLimits`] was reached.
    #[error("{} was not loaded: {what}; remove prompts or raise the limit", .path.display())]
    Beyond {
        /// The first that was left out.
        path: PathBuf,
        /// Which bound.
        what: String,
    },
}

impl Prompts {
    /// No prompts yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Loads every `.wav` and `.mp3` file below a folder, under its path from there with `/`
    /// between (`greeting.wav`, `en/menu.mp3`). What cannot be loaded is told and does not stop the
    /// others. Files and folders whose name begins with a dot are passed over.
    pub fn load_folder(&self, folder: &Path, limits: FolderLimits) -> Vec<PromptFault> {
        let mut faults = Vec::new();
        let mut files = Vec::new();
        list(folder, limits.depth_max, &mut files, &mut faults);
        // In the order of their names, so that a bound cuts the same files off every time.
        files.sort();
        let mut total_ms = 0;
        for (at, path) in files.into_iter().enumerate() {
            let beyond = |what| PromptFault::Beyond { path: path.clone(), what };
            if at == limits.files_max {
                faults.push(beyond(format!("there are more than {} files", limits.files_max)));
                break;
            }
            let clip = match Clip::load(&path, limits.clip) {
                Ok(clip) => clip,
                Err(fault) => {
                    faults.push(fault.into());
                    continue;
                }
            };
            total_ms += u64::from(clip.ms());
            if total_ms > limits.total_ms_max {
                let minutes = limits.total_ms_max / 60_000;
                faults.push(beyond(format!(
                    "all prompts together are longer than {minutes} minutes"
                )));
                break;
            }
            let name = path.strip_prefix(folder).unwrap_or(&path);
            let name: Vec<_> = name.iter().map(|part| part.to_string_lossy()).collect();
            self.insert(&name.join("/"), &clip);
        }
        faults
    }

    /// Adds a clip under a name, or replaces it. Who plays the old one plays it to its end.
    pub fn insert(&self, name: &str, clip: &Clip) {
        let prompt = Arc::new(Prompt::new(clip));
        self.by_name
            .write()
            // A map is whole after every insertion, whoever panicked beside it.
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_owned(), prompt);
    }

    /// The prompt of a name.
    pub fn get(&self, name: &str) -> Option<Arc<Prompt>> {
        self.by_name.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Every name, sorted.
    pub fn names(&self) -> Vec<String> {
        let by_name = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
        let mut names: Vec<_> = by_name.keys().cloned().collect();
        names.sort();
        names
    }
}

fn list(folder: &Path, depth_left: usize, files: &mut Vec<PathBuf>, faults: &mut Vec<PromptFault>) {
    let fault = |source| PromptFault::Folder { path: folder.to_owned(), source };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(source) => return faults.push(fault(source)),
    };
    for entry in entries {
        let path = match entry {
            Ok(entry) => entry.path(),
            Err(source) => return faults.push(fault(source)),
        };
        if path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")) {
            continue;
        }
        if path.is_dir() {
            match depth_left.checked_sub(1) {
                Some(left) => list(&path, left, files, faults),
                None => {
                    let what = "it lies too many folders deep".to_owned();
                    faults.push(PromptFault::Beyond { path, what });
                }
            }
        } else if is_prompt(&path) {
            files.push(path);
        }
    }
}

/// By its name: a README beside the prompts is no broken prompt.
fn is_prompt(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension
        .is_some_and(|it| ["wav", "wave", "mp3"].iter().any(|known| known.eq_ignore_ascii_case(it)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MP3: &[u8] = include_bytes!("../tests/audio/tone-1000hz-22050-mono.mp3");

    /// A folder with these files, gone when dropped.
    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (name, bytes) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("below the folder")).expect("a folder");
            fs::write(path, bytes).expect("a file");
        }
        folder
    }

    /// Loads a folder: the names that are there, and the faults with the folder's own path left
    /// out.
    fn check(files: &[(&str, &[u8])], limits: FolderLimits, names: &[&str], faults: &[&str]) {
        let folder = folder(files);
        let prompts = Prompts::new();
        let told = prompts.load_folder(folder.path(), limits);
        let prefix = format!("{}/", folder.path().display());
        let told: Vec<_> =
            told.iter().map(|fault| fault.to_string().replace(&prefix, "")).collect();
        assert_eq!(prompts.names(), names);
        assert_eq!(told, faults);
    }

    #[test]
    fn a_folder_is_loaded_by_name_and_a_bad_file_does_not_stop_it() {
        check(
            &[
                ("b.MP3", MP3),
                ("a.wav", b"RIFF but no"),
                ("en/menu.mp3", MP3),
                (".hidden.mp3", b""),
                ("README", b""),
            ],
            FolderLimits::default(),
            &["b.MP3", "en/menu.mp3"],
            &["a.wav is neither WAV nor MP3: convert it to a WAV file"],
        );
    }

    #[test]
    fn bounds_are_told_where_they_cut() {
        let files: &[(&str, &[u8])] =
            &[("a.mp3", MP3), ("b.mp3", MP3), ("c.mp3", MP3), ("d/e.mp3", MP3)];
        let limits = FolderLimits { files_max: 2, ..FolderLimits::default() };
        check(
            files,
            limits,
            &["a.mp3", "b.mp3"],
            &[
                "c.mp3 was not loaded: there are more than 2 files; remove prompts or raise the limit",
            ],
        );
        let limits = FolderLimits { total_ms_max: 1_000, depth_max: 0, ..FolderLimits::default() };
        check(
            files,
            limits,
            &["a.mp3"],
            &[
                "d was not loaded: it lies too many folders deep; remove prompts or raise the limit",
                "b.mp3 was not loaded: all prompts together are longer than 0 minutes; remove prompts or raise the \
             limit",
            ],
        );
    }

    #[test]
    fn a_folder_that_is_not_there_is_one_sentence() {
        let faults = Prompts::new().load_folder(Path::new("/nowhere"), FolderLimits::default());
        let expected =
            "the prompts in /nowhere cannot be listed: check that it is a folder and may be read";
        assert_eq!(faults.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
    }

    #[test]
    fn a_replaced_prompt_lives_while_it_is_played() {
        let prompts = Prompts::new();
        prompts.insert("hello", &Clip::of(vec![0; 80]));
        let playing = prompts.get("hello").expect("it was inserted");
        prompts.clone().insert("hello", &Clip::of(vec![0; 161]));
        assert_eq!((playing.ms(), prompts.get("hello").map(|prompt| prompt.ms())), (10, Some(21)));
        assert_eq!(prompts.get("goodbye"), None);
    }

    #[test]
    fn a_prompt_sounds_the_same_in_both_laws() {
        let samples: Vec<i16> = (-120..120).map(|step| step * 270).collect();
        let prompt = Prompt::new(&Clip::of(samples.clone()));
        for codec in [Codec::Pcmu, Codec::Pcma] {
            for (&sample, &byte) in samples.iter().zip(prompt.bytes(codec)) {
                let error = (i32::from(codec.decode(byte)) - i32::from(sample)).abs();
                assert!(
                    error <= 16 + i32::from(sample).abs() / 16,
                    "{codec:?}: {sample} is off by {error}"
                );
            }
        }
    }
}
