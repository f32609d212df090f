//! What can go wrong with a store, one sentence each for the person who reads it.

use std::io;

/// Why a store could not be opened, read or kept. The program says the sentence and its sources,
/// and exits 1 (or 2 for [`StoreError::Newer`]'s like, a wrong configuration).
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process writes here.
    #[error("{folder} is in use by {holder}: stop it first, or read beside it")]
    InUse {
        /// The data folder.
        folder: String,
        /// Its process, as far as the lock tells.
        holder: String,
    },
    /// A later version of the program wrote this.
    #[error(
        "{file} was written by a newer version of Callfold (format {found}, this one reads up to \
         {known}): run that version on it"
    )]
    Newer {
        /// The file, or the folder.
        file: String,
        /// The format it says it has.
        found: u32,
        /// The latest format this program reads.
        known: u32,
    },
    /// What was once durable does not read back.
    #[error(
        "{file} is damaged at byte {offset}: {why}. Nothing has been changed; `callfold verify` \
         shows how far it goes, `callfold log repair --to NEW` copies what is sound"
    )]
    Corrupt {
        /// The file.
        file: String,
        /// Where in it the damage begins.
        offset: u64,
        /// What is wrong there.
        why: String,
    },
    /// It belongs to something else, or is no store at all.
    #[error("{file} does not belong here: {why}")]
    Foreign {
        /// The file, or the folder.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// A folder that was being made out of another, and is not whole.
    #[error("{folder} is not whole: a {what} to it was broken off, or is not done yet. {next}")]
    HalfMade {
        /// The data folder.
        folder: String,
        /// What makes it.
        what: &'static str,
        /// What to do.
        next: &'static str,
    },
    /// The disk is full.
    #[error("no space is left on the disk for {file}: make room and start again")]
    NoSpace {
        /// What was being written.
        file: String,
    },
    /// The operating system says no.
    #[error("no permission to {doing} {file}: give it to this user, or run as its owner")]
    Permission {
        /// A verb: read, write, make.
        doing: &'static str,
        /// Which file.
        file: String,
    },
    /// The disk failed in another way.
    #[error("could not {doing} {file}")]
    Io {
        /// A verb: read, write, sync, make.
        doing: &'static str,
        /// Which file.
        file: String,
        /// What the operating system says.
        source: io::Error,
    },
    /// A store on another machine does not answer, or refuses us.
    #[error("the store at {store} cannot be used: {why}")]
    Remote {
        /// Its address, without a password.
        store: String,
        /// What it says.
        why: String,
    },
    /// An earlier failure made this store unusable; only a new start helps.
    #[error("the store is broken since an earlier failure ({0}) and the process must stop")]
    Broken(String),
}

impl StoreError {
    /// Sorts an error of the disk by what the reader of the message can do about it.
    pub fn of_disk(doing: &'static str, file: impl Into<String>, source: io::Error) -> Self {
        let file = file.into();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace { file },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::Permission { doing, file }
            }
            _ => Self::Io { doing, file, source },
        }
    }

    /// Whether a file is not there: beside a writer that seals, most often one that was there when
    /// the folder was listed.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// Why nothing goes on after this error: its sentence, or of [`StoreError::Broken`] what broke
    /// the store first, so that it is not wrapped anew each time it is handed on.
    pub fn first_cause(&self) -> String {
        if let Self::Broken(why) = self { why.clone() } else { self.in_full() }
    }

    /// The sentence with its causes, for where only text can go.
    pub fn in_full(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}
