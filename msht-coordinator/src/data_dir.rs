//! The data directory: database or where it is, key file and lock, and who may read them.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use msht_host::{KeyFile, KeySource};

use crate::error::Error;
use crate::store::DatabaseUrl;

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

/// Holds the address of the PostgreSQL database, where it is in one.
const DATABASE_URL_FILE: &str = "database.url";

/// Where the database of a data directory is.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// In this file.
    File(PathBuf),
    /// On this server, where replicas may share it.
    Server(DatabaseUrl),
}

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

    fn database_url_file(&self) -> PathBuf {
        self.path.join(DATABASE_URL_FILE)
    }

    /// Where the database is.
    ///
    /// # Errors
    /// [`Error::NotACoordinator`]; an address that cannot be read or used.
    pub(crate) fn place(&self) -> Result<Place, Error> {
        let path = self.database_url_file();
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Place::Server(text.parse()?)),
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::File { path, source })
            }
            Err(_) if self.database().exists() => Ok(Place::File(self.database())),
            Err(_) => Err(Error::NotACoordinator(self.path.clone())),
        }
    }

    /// Bytes of the database file and its write-ahead log; none where it is on a server.
    pub(crate) fn database_bytes(&self) -> u64 {
        let log = self.path.join("store.sqlite-wal");
        let size = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
        size(&self.database()).saturating_add(size(&log))
    }

    fn lock_file(&self) -> PathBuf {
        self.path.join("serve.lock")
    }

    /// Makes the directory with an empty database file, or with the address of `database`, all for their owner only; an
    /// existing directory keeps its permissions.
    pub(crate) fn create(&self, database: Option<&DatabaseUrl>) -> Result<(), Error> {
        self.refuse_another()?;
        if self.path.join(KEY_FILE).exists() {
            return Err(Error::AlreadyExists(self.path.clone()));
        }
        self.fill(database)
    }

    /// Makes the directory of another replica, whose key file may be there already.
    pub(crate) fn join(&self, database: &DatabaseUrl) -> Result<(), Error> {
        self.refuse_another()?;
        self.fill(Some(database))
    }

    /// Refuses a directory that is a coordinator's.
    pub(crate) fn refuse_another(&self) -> Result<(), Error> {
        if self.database().exists() || self.database_url_file().exists() {
            return Err(Error::AlreadyExists(self.path.clone()));
        }
        Ok(())
    }

    fn fill(&self, database: Option<&DatabaseUrl>) -> Result<(), Error> {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(&self.path).map_err(file_error(&self.path))?;
        let (path, text) = match database {
            None => (self.database(), ""),
            Some(url) => (self.database_url_file(), url.text()),
        };
        let created = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        created
            .and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.sync_all()
            })
            .map_err(file_error(&path))
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
