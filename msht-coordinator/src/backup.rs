//! Copies of the database, made while it is in use, and put back where nothing serves.
//!
//! A copy never holds the key file.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use msht_host::KeySource;

use crate::clock::Clock;
use crate::coordinator::Coordinator;
use crate::data_dir::{DataDir, Place};
use crate::error::Error;
use crate::store::Store;

/// What SQLite keeps beside a database.
const SIDE_FILES: [&str; 2] = ["-wal", "-shm"];

fn file_error(path: &Path) -> impl Fn(io::Error) -> Error + '_ {
    |source| Error::File {
        path: path.to_owned(),
        source,
    }
}

fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

/// An empty file for its owner only; never an existing one.
fn fresh_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options.open(path)
}

impl Coordinator {
    /// Writes a copy of the database to `file`, which must not exist. The coordinator may serve meanwhile.
    ///
    /// # Errors
    /// [`Error::File`]; the database.
    pub async fn back_up(&self, file: &Path) -> Result<(), Error> {
        if self.store().is_shared() {
            return Err(Error::OnAServer);
        }
        fresh_file(file).map(drop).map_err(file_error(file))?;
        let copied = match self.store().copy_into(file).await {
            Ok(()) => File::open(file)
                .and_then(|copy| copy.sync_all())
                .and_then(|()| sync_folder_of(file))
                .map_err(file_error(file)),
            Err(error) => Err(error.into()),
        };
        if copied.is_err() {
            // Half a copy is worse than none.
            let _removed = fs::remove_file(file);
        }
        copied
    }

    /// Puts the copy in `file` in the place of the database in `data`, which needs its key, from `source`. Where there is a
    /// database, only with `replace`; it is kept under another name, which is returned.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`], [`Error::AlreadyRunning`]; [`Error::NotACopy`]. Then nothing is changed.
    pub async fn restore(
        data: &Path,
        source: Option<&KeySource>,
        file: &Path,
        replace: bool,
        clock: Clock,
    ) -> Result<Option<PathBuf>, Error> {
        let now = clock();
        let data = DataDir::new(data, source)?;
        data.key_file().read()?;
        let lock = data.try_lock()?;
        let _lock = lock.ok_or_else(|| Error::AlreadyRunning(data.path().to_owned()))?;
        if matches!(data.place(), Ok(Place::Server(_))) {
            return Err(Error::OnAServer);
        }
        let database = data.database();
        if database.exists() && !replace {
            return Err(Error::WouldReplace(database));
        }
        let fresh = suffixed(&database, ".restoring");
        remove_database(&fresh)?;
        if let Err(error) = take(&data, file, &fresh).await {
            let _removed = remove_database(&fresh);
            return Err(error);
        }
        let kept = suffixed(&database, &format!(".replaced-{now}"));
        // The log first: left beside another database, it would be read into that.
        for side in SIDE_FILES {
            let log = suffixed(&database, side);
            rename_if_there(&log, &suffixed(&kept, side)).map_err(file_error(&log))?;
        }
        let was_there = rename_if_there(&database, &kept).map_err(file_error(&database))?;
        fs::rename(&fresh, &database)
            .and_then(|()| sync_folder_of(&database))
            .map_err(file_error(&database))?;
        Ok(was_there.then_some(kept))
    }
}

/// Copies `file` to `fresh` and opens that copy as the database it must be.
async fn take(data: &DataDir, file: &Path, fresh: &Path) -> Result<(), Error> {
    let mut source = File::open(file).map_err(file_error(file))?;
    fresh_file(fresh)
        .and_then(|mut copy| {
            io::copy(&mut source, &mut copy)?;
            copy.sync_all()
        })
        .map_err(file_error(fresh))?;
    let not_a_copy = |problem: Error| Error::NotACopy {
        file: file.to_owned(),
        problem: problem.to_string(),
    };
    let store = Store::open(fresh, false)
        .await
        .map_err(|error| not_a_copy(error.into()))?;
    let checked = match store.check_whole().await {
        Ok(()) => Coordinator::identity_in(data, &store).await.map(drop),
        Err(error) => Err(error.into()),
    };
    store.close().await;
    checked.map_err(not_a_copy)
}

fn remove_database(path: &Path) -> Result<(), Error> {
    let sides = SIDE_FILES.map(|side| suffixed(path, side));
    for name in std::iter::once(path.to_owned()).chain(sides) {
        match fs::remove_file(&name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(file_error(&name)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

fn rename_if_there(from: &Path, to: &Path) -> io::Result<bool> {
    match fs::rename(from, to) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
