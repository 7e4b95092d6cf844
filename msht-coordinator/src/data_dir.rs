//! The data directory: database, key file and lock, and who may read them.

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use msht_host::{KeyFile, KeySource};

use crate::error::Error;

/// Where a coordinator keeps everything.
#[derive(Debug, Clone)]
pub(crate) struct DataDir {
    path: PathBuf,
    key: KeyFile,
}

/// The variable that may name the key file; comes before any setting.
pub(crate) const KEY_FILE_VARIABLE: &str = "MSHT_COORDINATOR_KEY_FILE";
/// The key file of a data directory that is told of no other.
const KEY_FILE: &str = "coordinator.key";

fn file_error(path: &Path) -> impl FnOnce(std::io::Error) -> Error + '_ {
    |source| Error::File {
        path: path.to_owned(),
        source,
    }
}

impl DataDir {
    /// The directory at `path` with the key from `source`, or else from the directory itself.
    pub(crate) fn new(path: &Path, source: Option<&KeySource>) -> Result<Self, Error> {
        let own = KeySource::File(path.join(KEY_FILE));
        let source = source.unwrap_or(&own);
        let key = source.locate(KEY_FILE_VARIABLE, |name| std::env::var_os(name))?;
        let path = path.to_owned();
        Ok(Self { path, key })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the key is that seals secrets here.
    pub(crate) fn key_file(&self) -> &KeyFile {
        &self.key
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.path.join("store.sqlite")
    }

    /// Bytes of the database and its write-ahead log.
    pub(crate) fn database_bytes(&self) -> u64 {
        let log = self.path.join("store.sqlite-wal");
        let size = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
        size(&self.database()).saturating_add(size(&log))
    }

    fn lock_file(&self) -> PathBuf {
        self.path.join("serve.lock")
    }

    /// Makes the directory and an empty database file, both for their owner only; an existing directory keeps its
    /// permissions.
    pub(crate) fn create(&self) -> Result<(), Error> {
        if self.database().exists() || self.path.join(KEY_FILE).exists() {
            return Err(Error::AlreadyExists(self.path.clone()));
        }
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(&self.path).map_err(file_error(&self.path))?;
        let path = self.database();
        let created = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        created.map(drop).map_err(file_error(&path))
    }

    /// Takes the lock of the one process that drives rounds, or `None` where another holds it.
    pub(crate) fn try_lock(&self) -> Result<Option<File>, Error> {
        let path = self.lock_file();
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(file_error(&path))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(source)) => Err(Error::File { path, source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_process_holds_the_lock() {
        let directory = tempfile::tempdir().unwrap();
        let data = DataDir::new(directory.path(), None).unwrap();
        let held = data.try_lock().unwrap();
        assert!(held.is_some());
        assert!(data.try_lock().unwrap().is_none());
        drop(held);
        assert!(data.try_lock().unwrap().is_some());
    }
}
