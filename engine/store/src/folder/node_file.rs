//! `node.toml`: who a data folder belongs to. A person may read it; only the program writes it.

use super::FOLDER_FORMAT;
use crate::StoreError;
use crate::bytes::hex;
use crate::keys::sync_folder_of;
use crate::log::StoreId;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, Write};
use std::path::Path;

/// What it says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct NodeFile {
    pub(super) node: String,
    pub(super) store: StoreId,
    pub(super) sip_port: Option<u16>,
    pub(super) callee_check: Option<[u8; 8]>,
    /// The common log that its events are kept in; its own one when absent.
    pub(super) common: Option<StoreId>,
}

/// As it is written.
#[derive(Serialize, Deserialize)]
struct Written {
    format: u32,
    node: String,
    store: String,
    sip_port: Option<u16>,
    callee_check: Option<String>,
    common_store: Option<String>,
}

/// All that a newer one is sure to have.
#[derive(Deserialize)]
struct Dated {
    format: u32,
}

impl NodeFile {
    /// Reads it. `None` when there is none.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, StoreError> {
        let file = || path.display().to_string();
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::of_disk("read", file(), error)),
        };
        let foreign = |why: String| StoreError::Foreign { file: file(), why };
        let unreadable = |error: toml::de::Error| foreign(error.message().to_owned());
        let found = toml::from_str::<Dated>(&text).map_err(unreadable)?.format;
        if found > FOLDER_FORMAT {
            return Err(StoreError::Newer { file: file(), found, known: FOLDER_FORMAT });
        }
        let written: Written = toml::from_str(&text).map_err(unreadable)?;
        let no_hex = || foreign("its ids are not the hex digits that they should be".to_owned());
        let callee_check = written.callee_check.map(|text| from_hex(&text).ok_or_else(no_hex));
        let common = written.common_store.map(|text| from_hex(&text).ok_or_else(no_hex));
        Ok(Some(Self {
            common: common.transpose()?.map(StoreId),
            store: StoreId(from_hex(&written.store).ok_or_else(no_hex)?),
            node: written.node,
            sip_port: written.sip_port,
            callee_check: callee_check.transpose()?,
        }))
    }

    /// Writes it, in one instant and durably.
    pub(super) fn write(&self, path: &Path) -> Result<(), StoreError> {
        let written = Written {
            format: FOLDER_FORMAT,
            node: self.node.clone(),
            store: hex(&self.store.0),
            sip_port: self.sip_port,
            callee_check: self.callee_check.map(|check| hex(&check)),
            common_store: self.common.map(|store| hex(&store.0)),
        };
        let text = toml::to_string(&written).expect("plain fields can be written");
        let write = || -> io::Result<()> {
            let unfinished = path.with_extension("toml.tmp");
            let mut file = fs::File::create(&unfinished)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&unfinished, path)?;
            sync_folder_of(path)
        };
        write().map_err(|error| StoreError::of_disk("write", path.display().to_string(), error))
    }
}

fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N || !text.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(bytes)
}
