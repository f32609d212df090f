//! A node on a log in KurrentDB. One node has a log there: nothing in it fences a second one, which
//! would end the open calls of the first as its own. The keys of persons stay in the data folder.

use super::{Filling, Kept, OpenStore, Reading, Secrets};
use crate::history::WholeHistory;
use std::path::Path;
use std::sync::Arc;
use store::folder::{DataFolder, MasterSource};
use store::keys::{CalleeSecret, Keyring};
use store::writer::NoKeys;
use store::{Recovery, StoreError};
use store_kurrent::{KurrentStore, Options};

pub(super) fn open(
    url: &str,
    folder: &mut DataFolder,
    secrets: Secrets<'_>,
) -> Result<OpenStore, StoreError> {
    let secret = folder.callee_secret(secrets.callee_file)?;
    let (keyring, key_file, _) = folder.open_keys(secrets.master)?;
    let store = KurrentStore::open(url, Options::default(), key_file)?;
    store.check_secrets(secret.check(), keyring.master_check())?;
    store.check_node(folder.node())?;
    folder.join_common(store.id(), store.address())?;
    let store = Arc::new(store);
    Ok(OpenStore {
        appender: store.clone(),
        history: Box::new(WholeHistory(store.clone())),
        partitions: None,
        reader: store,
        keyring,
        secret,
        recovery: Recovery::default(),
        kept: Kept::Nothing,
    })
}

pub(super) fn open_to_read(
    url: &str,
    data: Option<&Path>,
    master: &MasterSource,
) -> Result<Reading, StoreError> {
    let store = KurrentStore::open_to_read(url, Options::default())?;
    let keys = || {
        let data = data.ok_or_else(|| StoreError::Foreign {
            file: store.address().to_owned(),
            why: "the keys of persons are not there: name the node's data folder with --data"
                .to_owned(),
        })?;
        let mut folder = DataFolder::open_to_read(data)?;
        Ok((folder.read_keys(master)?, folder.callee_secret(None)?))
    };
    let keys = keys();
    Ok(Reading { reader: Arc::new(store), keys })
}

pub(super) fn open_to_fill(
    url: &str,
    node: &str,
    keyring: &Keyring,
    secret: &CalleeSecret,
) -> Result<Filling, StoreError> {
    let store = KurrentStore::open(url, Options::default(), NoKeys)?;
    store.check_secrets(secret.check(), keyring.master_check())?;
    store.check_node(node)?;
    let store = Arc::new(store);
    // Keys of persons never stand there: the folder that has them goes with the node.
    let put_keys = Box::new(|_: &[_]| Ok(()));
    Ok(Filling { appender: store.clone(), reader: store, put_keys, _kept: Kept::Nothing })
}
