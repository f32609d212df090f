//! The two secrets that stand in files of their own.

use crate::StoreError;
use crate::bytes::hex;
use hmac::{Hmac, KeyInit, Mac};
use schemas::CalleeKey;
use sha2::Sha256;
use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Wraps the keys of persons.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey([u8; 32]);

// Never shown, by nobody.
impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey")
    }
}

impl MasterKey {
    /// A key of these bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A key from the operating system's randomness.
    ///
    /// # Errors
    /// The operating system gives none.
    pub fn random() -> Result<Self, StoreError> {
        Ok(Self(random()?))
    }

    /// Reads what a file or a variable holds: 64 hex digits, white space around them, or 32 raw
    /// bytes. `None` for anything else.
    pub fn parse(content: &[u8]) -> Option<Self> {
        if let Ok(raw) = content.try_into() {
            return Some(Self(raw));
        }
        let digits = content.trim_ascii();
        let mut key = [0; 32];
        if digits.len() != 64 {
            return None;
        }
        for (byte, pair) in key.iter_mut().zip(digits.chunks(2)) {
            let [high, low] =
                [char::from(pair[0]).to_digit(16)?, char::from(pair[1]).to_digit(16)?];
            *byte = u8::try_from(high << 4 | low).ok()?;
        }
        Some(Self(key))
    }

    /// As 64 hex digits, for a file.
    pub fn to_hex(&self) -> String {
        hex(&self.0)
    }

    /// Tells one master key from another without telling what it is.
    pub fn check(&self) -> [u8; 8] {
        first(&mac(&self.0).chain_update(b"callfold master key"))
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Makes callee keys of phone numbers. The same on all nodes, and never rotated: owners, deny
/// lists and limits go by it.
#[derive(Clone)]
pub struct CalleeSecret(Hmac<Sha256>);

impl CalleeSecret {
    /// The secret is the content of its file, to the byte (`contract.md`: programs outside make
    /// the same keys).
    pub fn new(content: &[u8]) -> Self {
        Self(mac(content))
    }

    /// The opaque key of a callee: the first 16 bytes of HMAC-SHA256(secret, phone). The phone
    /// must have been normalised.
    pub fn callee_key(&self, phone: &str) -> CalleeKey {
        CalleeKey(first(&self.0.clone().chain_update(phone)))
    }

    /// A keyed hash of a command's content: tells a repeat from a conflict, and nothing about the
    /// content to who does not have the secret.
    pub fn fingerprint(&self, content: &[u8]) -> [u8; 8] {
        // No phone begins with a zero byte, so no fingerprint is the beginning of a callee key.
        first(&self.0.clone().chain_update(b"\0fingerprint\0").chain_update(content))
    }

    /// Tells one secret from another without telling what it is.
    pub fn check(&self) -> [u8; 8] {
        first(&self.0.clone().chain_update(b"\0callee secret\0"))
    }
}

fn mac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
}

fn first<const N: usize>(mac: &Hmac<Sha256>) -> [u8; N] {
    crate::bytes::bytes(&mac.clone().finalize().into_bytes(), 0)
}

/// Reads a secret's file.
///
/// # Errors
/// There is none, or it cannot be read, or it is empty.
pub fn read_secret_file(path: &Path) -> Result<Vec<u8>, StoreError> {
    let place = path.display().to_string();
    let content = fs::read(path).map_err(|error| StoreError::of_disk("read", &place, error))?;
    if content.is_empty() {
        let why = "a secret is due there, and it is empty".to_owned();
        return Err(StoreError::Foreign { file: place, why });
    }
    Ok(content)
}

/// Reads a secret's file, and makes it of 64 random hex digits when there is none: readable by
/// its owner alone, durable when this returns.
///
/// # Errors
/// It cannot be read or made.
pub fn make_secret_file(path: &Path) -> Result<Vec<u8>, StoreError> {
    match read_secret_file(path) {
        Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
        read => return read,
    }
    let content = hex(&random::<32>()?).into_bytes();
    put_secret_file(path, &content)?;
    Ok(content)
}

/// Puts a secret into a file, in one instant and durably.
pub(crate) fn put_secret_file(path: &Path, content: &[u8]) -> Result<(), StoreError> {
    let put = || -> io::Result<()> {
        let unfinished = path.with_extension("key.tmp");
        match fs::remove_file(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file =
            fs::File::options().write(true).create_new(true).mode(0o600).open(&unfinished)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&unfinished, path)?;
        sync_folder_of(path)
    };
    put().map_err(|error| StoreError::of_disk("make", path.display().to_string(), error))
}

/// Makes durable which files stand beside this one.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Random bytes of the operating system.
///
/// # Errors
/// It gives none.
pub fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    let drawn = getrandom::fill(&mut bytes);
    drawn.map_err(|error| {
        StoreError::of_disk("read", "the operating system's randomness", error.into())
    })?;
    Ok(bytes)
}
