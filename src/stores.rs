//! Moving a history between stores: what it is read from, and what it is written to.

use anyhow::{Context, Result, bail};
use node::StoreUrl;
use node::store_url::{Filling, data_folder, open_to_fill, open_to_read};
use schemas::Position;
use std::path::Path;
use std::sync::Arc;
use store::folder::{MasterSource, Unfinished};
use store::keys::{CalleeSecret, Keyring};
use store::writer::{self, KeySink, LogWriter, NoKeys};
use store::{Appender, DataFolder, Reader, Stored};

/// So many events are compared at a time.
const PAGE: usize = 1000;

/// A history that is read.
pub struct Source {
    /// Its events.
    pub reader: Arc<dyn Reader>,
    /// The data folder whose secrets go with the events.
    pub folder: DataFolder,
    master: MasterSource,
    /// Those of a common log.
    keys: Option<(Keyring, CalleeSecret)>,
}

/// Where a history is written to.
pub struct Target {
    /// Takes the events.
    pub appender: Arc<dyn Appender>,
    end: End,
}

/// What is left to do when all is written.
enum End {
    Log(LogWriter, Box<Unfinished>, Option<Keys>),
    Common(Filling),
}

/// The keys of persons of a common log, for a log.
struct Keys {
    keyring: Keyring,
    master: MasterSource,
}

impl Source {
    /// Opens it to read, beside whoever writes. `data` is the folder that has the secrets of a
    /// common log.
    pub fn open(url: &StoreUrl, data: Option<&Path>) -> Result<Self> {
        let master = crate::privacy::master_key(None)?;
        if let StoreUrl::Log(path) = url {
            let folder = DataFolder::open_to_read(data_folder(path))?;
            return Ok(Self { reader: Arc::new(folder.read_log()?), folder, master, keys: None });
        }
        let Some(data) = data else {
            bail!("name the data folder that has its secrets with --data");
        };
        let reading = open_to_read(url, Some(data), &master)?;
        let folder = DataFolder::open_to_read(data)?;
        Ok(Self { reader: reading.reader, folder, master, keys: Some(reading.keys?) })
    }

    fn take_keys(&mut self) -> Result<(Keyring, CalleeSecret)> {
        match self.keys.take() {
            Some(keys) => Ok(keys),
            None => Ok((self.folder.read_keys(&self.master)?, self.folder.callee_secret(None)?)),
        }
    }
}

impl Target {
    /// Opens it to take all that `source` has. A log is a new folder, or one that was broken off.
    pub fn open(url: &StoreUrl, source: &mut Source) -> Result<Self> {
        if let StoreUrl::Log(path) = url {
            let folder = Unfinished::begin(data_folder(path), "node-1", Some(&source.folder))?;
            let (writer, appender) = writer::start(folder.open_log()?, NoKeys)?;
            let master = source.master.clone();
            let keys = source.keys.take().map(|(keyring, _)| Keys { keyring, master });
            let end = End::Log(writer, Box::new(folder), keys);
            return Ok(Self { appender: Arc::new(appender), end });
        }
        let (keyring, secret) = source.take_keys()?;
        let filling = open_to_fill(url, source.folder.node(), &keyring, &secret)?;
        check_prefix(&*filling.reader, &*source.reader)?;
        filling.put_keys(&keyring)?;
        Ok(Self { appender: filling.appender.clone(), end: End::Common(filling) })
    }

    /// All is written: makes it whole.
    pub fn finish(self) -> Result<()> {
        match self.end {
            End::Common(filling) => {
                drop(filling);
                Ok(())
            }
            End::Log(writer, folder, keys) => {
                writer.stop()?;
                let path = folder.path().to_owned();
                folder.finish().context("all is copied, and could not be made a data folder")?;
                keys.map_or(Ok(()), |keys| keys.put_into(&path))
            }
        }
    }
}

/// What is there already must be what the source begins with: a copy that was broken off. Two
/// histories in one store could not be told apart again.
fn check_prefix(target: &dyn Reader, source: &dyn Reader) -> Result<()> {
    let (mut there, mut here) = (Position(0), Position(0));
    loop {
        let found = target.read_all(there, PAGE)?;
        let wanted = source.read_all(here, found.len())?;
        let same = |(a, b): (&Stored, &Stored)| {
            (a.stream, a.revision, a.at, &a.encoded) == (b.stream, b.revision, b.at, &b.encoded)
        };
        if found.len() != wanted.len() || !found.iter().zip(&wanted).all(same) {
            bail!("it holds another history: name an empty store");
        }
        let (Some(last), Some(last_here)) = (found.last(), wanted.last()) else { return Ok(()) };
        (there, here) = (last.position, last_here.position);
    }
}

impl Keys {
    fn put_into(self, data: &Path) -> Result<()> {
        let name = DataFolder::open_to_read(data)?.node().to_owned();
        let folder = DataFolder::open(data, &name)?;
        let (own, mut file, _) = folder.open_keys(&self.master)?;
        let keys = self.keyring.saved_keys();
        let left = own.adopt(&keys);
        file.append_and_sync(&keys)?;
        if left > 0 {
            tracing::warn!(
                keys = left,
                "two nodes had made keys for the same persons: what one of them sealed cannot be \
                 read here"
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::event::Encoded;
    use schemas::{CallId, StreamId, Timestamp};
    use store::memory::MemoryStore;
    use store::{Append, Expected, NewEvent};

    fn history(bodies: &[u8]) -> MemoryStore {
        let store = MemoryStore::default();
        let append = |body: &u8| {
            let encoded = Encoded { kind: 2, version: 1, body: vec![*body] };
            let events = vec![NewEvent { encoded, at: Timestamp(1) }];
            Append { stream: StreamId::call(CallId([1; 16])), expected: Expected::Any, events }
        };
        let appends: Vec<_> = bodies.iter().map(append).collect();
        store.append_batch(&appends);
        store
    }

    #[test]
    fn a_copy_goes_on_where_it_was_broken_off_and_into_no_other_history() {
        let source = history(&[1, 2, 3]);
        for (there, goes_on) in [
            (&[][..], true),
            (&[1, 2], true),
            (&[1, 2, 3], true),
            (&[1, 2, 3, 4], false),
            (&[1, 9], false),
        ] {
            let checked = check_prefix(&history(there), &source);
            assert_eq!(checked.is_ok(), goes_on, "{there:?}");
        }
    }
}
