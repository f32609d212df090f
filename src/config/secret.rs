//! Secrets stand in files, or in variables where a platform gives them so (`password_file = "$NAME"`):
//! not in the configuration, not on a command line, not in a log.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

/// The largest file that is taken for a secret.
const BYTES_MAX: u64 = 64 * 1024;

/// Where a secret stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SecretFile(pub PathBuf);

/// A secret. Not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// A secret's file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// It cannot be read.
    #[error("the secret in {} cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It was to come from a variable.
    #[error("the secret in the variable {0} cannot be read: it is not set, or empty")]
    Variable(String),
    /// There is no text in it, or far too much.
    #[error("the secret in {} is {fault}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Empty, no text, too large.
        fault: &'static str,
    },
}

impl SecretFile {
    /// The first line of the file; with `$NAME` instead of a path, what stands in that variable.
    ///
    /// # Errors
    /// [`SecretError`], which names the file and never its content.
    pub fn read(&self) -> Result<Secret, SecretError> {
        let path = self.0.clone();
        if let Some(name) = path.to_str().and_then(|path| path.strip_prefix('$')) {
            let found = std::env::var(name).ok().filter(|text| !text.is_empty());
            return found.map(Secret).ok_or_else(|| SecretError::Variable(name.to_owned()));
        }
        let mut text = String::new();
        let read =
            File::open(&path).and_then(|file| file.take(BYTES_MAX).read_to_string(&mut text));
        match read {
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                Err(SecretError::Unusable { path, fault: "no text" })
            }
            Err(source) => Err(SecretError::Read { path, source }),
            Ok(read) if read as u64 == BYTES_MAX => {
                Err(SecretError::Unusable { path, fault: "too large" })
            }
            // Editors end a line, and shells too: what stands behind it is not part of it.
            Ok(_) => match text.lines().next().filter(|line| !line.is_empty()) {
                Some(line) => Ok(Secret(line.to_owned())),
                None => Err(SecretError::Unusable { path, fault: "empty" }),
            },
        }
    }
}

impl Secret {
    /// One that came another way: by `CALLFOLD_SIP_PASSWORD`.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret itself. For the wire, never for a message.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
