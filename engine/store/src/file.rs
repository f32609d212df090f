//! The file layer: what the log asks of a disk, so that a test can be the disk.
//!
//! [`RealFiles`] is a folder of the operating system; [`crate::disk::SimDisk`] is one in memory
//! that fails as disks do. A [`Files`] is one flat folder: names hold no separator.
//!
//! One thing is assumed of every disk: writing a range of bytes leaves the bytes outside the
//! range as they are, even when the power goes ("powersafe overwrite" in SQLite's words).

use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An open file. Every method takes `&self`: the writer and its readers share one handle.
pub trait File: Send + Sync + 'static {
    /// Reads up to `buf.len()` bytes; 0 at the end of the file.
    ///
    /// # Errors
    /// What the disk says.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes some of `bytes` and says how many. They are durable after [`File::sync_data`].
    ///
    /// # Errors
    /// What the disk says; a part may have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// The length in bytes.
    ///
    /// # Errors
    /// What the disk says.
    fn size(&self) -> io::Result<u64>;

    /// Cuts the file to `size` bytes. Durable after [`File::sync_data`].
    ///
    /// # Errors
    /// What the disk says.
    fn truncate(&self, size: u64) -> io::Result<()>;

    /// Makes everything written so far durable.
    ///
    /// # Errors
    /// What the disk says. After an error nothing is known about what was written since the last
    /// success, and asking again proves nothing: the kernel may have dropped it.
    fn sync_data(&self) -> io::Result<()>;

    /// Fills `buf`, or says `UnexpectedEof`.
    ///
    /// # Errors
    /// What the disk says.
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let read = self.read_full_at(buf, offset)?;
        if read < buf.len() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    /// Fills `buf` as far as the file goes, and says how far.
    ///
    /// # Errors
    /// What the disk says.
    fn read_full_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < buf.len() {
            match self.read_at(&mut buf[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    /// Writes all of `bytes`, however many pieces the disk takes them in.
    ///
    /// # Errors
    /// What the disk says; a part may have been written.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut done = 0;
        while done < bytes.len() {
            match self.write_at(&bytes[done..], offset + done as u64) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => done += written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// A folder of files.
pub trait Files: Clone + Send + Sync + 'static {
    /// An open file of this folder.
    type File: File;

    /// Makes a new file, to read and write. It must not exist.
    ///
    /// # Errors
    /// What the disk says.
    fn create(&self, name: &str) -> io::Result<Self::File>;

    /// Opens a file to read and write.
    ///
    /// # Errors
    /// What the disk says.
    fn open(&self, name: &str) -> io::Result<Self::File>;

    /// Opens a file to read; a folder without write permission will do.
    ///
    /// # Errors
    /// What the disk says.
    fn open_to_read(&self, name: &str) -> io::Result<Self::File>;

    /// Renames a file; one that has the new name already is replaced in the same instant.
    ///
    /// # Errors
    /// What the disk says.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file. Who has it open can go on reading.
    ///
    /// # Errors
    /// What the disk says.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// The names of all files, in order.
    ///
    /// # Errors
    /// What the disk says.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Makes durable which names there are: a new file counts as there only after this.
    ///
    /// # Errors
    /// What the disk says.
    fn sync_dir(&self) -> io::Result<()>;

    /// How a person finds a file of this folder, for messages.
    fn place(&self, name: &str) -> String;
}

/// A folder of the operating system.
#[derive(Clone, Debug)]
pub struct RealFiles {
    folder: Arc<Path>,
}

impl RealFiles {
    /// The files of `folder`, which must exist.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into().into() }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl File for fs::File {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buf, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        FileExt::write_at(self, bytes, offset)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn truncate(&self, size: u64) -> io::Result<()> {
        self.set_len(size)?;
        // fdatasync owes only the metadata that reading needs, and reading a shorter file needs
        // none of it.
        self.sync_all()
    }

    fn sync_data(&self) -> io::Result<()> {
        Self::sync_data(self)
    }
}

impl Files for RealFiles {
    type File = fs::File;

    fn create(&self, name: &str) -> io::Result<fs::File> {
        fs::File::options().read(true).write(true).create_new(true).open(self.folder.join(name))
    }

    fn open(&self, name: &str) -> io::Result<fs::File> {
        fs::File::options().read(true).write(true).open(self.folder.join(name))
    }

    fn open_to_read(&self, name: &str) -> io::Result<fs::File> {
        fs::File::open(self.folder.join(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.folder.join(from), self.folder.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.folder.join(name))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            // A name that is not UTF-8 is none of ours.
            let Ok(name) = entry.file_name().into_string() else { continue };
            if entry.file_type()?.is_file() {
                names.push(name);
            } else if Path::new(&name).extension().is_some() {
                // Passed over, the log would seem to have no such segment, or to be empty.
                return Err(io::Error::other(format!("{name} there is no ordinary file")));
            }
        }
        names.sort();
        Ok(names)
    }

    fn sync_dir(&self) -> io::Result<()> {
        fs::File::open(&self.folder)?.sync_all()
    }

    fn place(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }
}
