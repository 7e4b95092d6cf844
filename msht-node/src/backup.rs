//! Copies of the vault, made while it is in use, and put back where no node runs.
//!
//! A copy never holds the key file or the anchor: who restores an old copy is told by the anchor.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::anchor::{open_lock, suffixed, sync_folder_of};
use crate::config::Config;
use crate::error::{Kind, NodeError};
use crate::vault::Vault;

/// Permissions of a copy.
const COPY_MODE: u32 = 0o600;
/// What SQLite keeps beside a database.
const SIDE_FILES: [&str; 2] = ["-wal", "-shm"];

/// Held by a node that runs (shared) or is being restored (alone).
#[derive(Debug)]
pub struct RunLock {
    /// Held, not read.
    _file: File,
}

impl RunLock {
    fn file(vault: &Path) -> Result<File, NodeError> {
        open_lock(&suffixed(vault, ".run-lock"))
    }

    /// For a node that runs; several may.
    ///
    /// # Errors
    /// [`Kind::Configuration`] while the vault is being restored.
    pub fn of_agent(vault: &Path) -> Result<Self, NodeError> {
        let file = Self::file(vault)?;
        file.try_lock_shared().map_err(|_| {
            NodeError::new(Kind::Configuration, "the vault is being restored")
                .hint("wait until msht-node restore has ended, then start the node again")
        })?;
        Ok(Self { _file: file })
    }

    fn alone(vault: &Path) -> Result<Self, NodeError> {
        let file = Self::file(vault)?;
        file.try_lock().map_err(|_| {
            NodeError::new(Kind::Configuration, "the node is running on this vault")
                .hint("stop msht-node run first, then restore")
        })?;
        Ok(Self { _file: file })
    }
}

fn not_made(path: &Path) -> impl Fn(io::Error) -> NodeError + '_ {
    |error| {
        let failure = NodeError::file(path, "write", &error);
        match error.kind() {
            io::ErrorKind::AlreadyExists => {
                failure.hint("a back-up never overwrites a file; give another name")
            }
            _ => failure.hint("the folder must exist, on a disk with room that can be written to"),
        }
    }
}

/// Writes a copy of the vault to `file`, which must not exist. The node may run meanwhile.
///
/// # Errors
/// [`Kind::Configuration`].
pub async fn backup(vault: &Vault, file: &Path) -> Result<(), NodeError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(COPY_MODE);
    options.open(file).map(drop).map_err(not_made(file))?;
    let copied = match vault.copy_into(file).await {
        Ok(()) => File::open(file)
            .and_then(|copy| copy.sync_all())
            .and_then(|()| sync_folder_of(file))
            .map_err(not_made(file)),
        Err(error) => Err(error),
    };
    if copied.is_err() {
        // Half a copy is worse than none.
        let _removed = fs::remove_file(file);
    }
    copied
}

/// Puts the copy in `file` in the place of the vault. Where there is a vault, only with `replace`; it is kept under
/// another name, which is returned.
///
/// # Errors
/// [`Kind::Configuration`] where there is a vault, a node runs on it, or the disk does not take the copy;
/// [`Kind::Data`] where the file is not a copy of a vault of this key. Then nothing is changed.
pub async fn restore(
    home: &Path,
    file: &Path,
    replace: bool,
    now: i64,
) -> Result<Option<PathBuf>, NodeError> {
    let config = Config::read(home)?;
    let vault = &config.vault.path;
    let _alone = RunLock::alone(vault)?;
    if vault.exists() && !replace {
        let message = format!("there is a vault at {}", vault.display());
        return Err(NodeError::new(Kind::Configuration, message)
            .hint("with --replace it is kept under another name and the copy takes its place"));
    }
    let fresh = suffixed(vault, ".restoring");
    remove_database(&fresh)?;
    let taken = take(file, &fresh, &config).await;
    if let Err(error) = taken {
        let _removed = remove_database(&fresh);
        return Err(error);
    }
    let kept = suffixed(vault, &format!(".replaced-{now}"));
    let failed = |error: io::Error| NodeError::file(vault, "replace", &error);
    // The log first: left beside another database, it would be read into that.
    for side in SIDE_FILES {
        rename_if_there(&suffixed(vault, side), &suffixed(&kept, side)).map_err(failed)?;
    }
    let was_there = rename_if_there(vault, &kept).map_err(failed)?;
    fs::rename(&fresh, vault)
        .and_then(|()| sync_folder_of(vault))
        .map_err(failed)?;
    Ok(was_there.then_some(kept))
}

/// Copies `file` to `fresh` and opens that copy as the vault it must be.
async fn take(file: &Path, fresh: &Path, config: &Config) -> Result<(), NodeError> {
    let mut source = File::open(file).map_err(|error| {
        let message = format!("cannot read {}: {error}", file.display());
        NodeError::new(Kind::Data, message).hint("give the file that msht-node backup wrote")
    })?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(COPY_MODE);
    options
        .open(fresh)
        .and_then(|mut copy| {
            io::copy(&mut source, &mut copy)?;
            copy.sync_all()
        })
        .map_err(|error| {
            NodeError::file(fresh, "write", &error)
                .hint("nothing was changed; the vault's disk needs room for the copy")
        })?;
    let key_file = config.vault.key()?;
    let key = key_file.read()?;
    let checked = check(fresh, key).await;
    checked.map_err(|error| {
        let message = format!(
            "{} is not a copy of a vault that {} opens: {error}",
            file.display(),
            key_file.path().display()
        );
        NodeError::new(Kind::Data, message)
            .hint("nothing was changed; vault and key file must be the pair that was made together")
    })
}

async fn check(fresh: &Path, key: msht_core::crypto::Secret) -> Result<(), NodeError> {
    let vault = Vault::open(fresh, key).await?;
    let whole = vault.check_whole().await;
    vault.close().await;
    whole
}

fn remove_database(path: &Path) -> Result<(), NodeError> {
    for name in [path.to_owned()]
        .into_iter()
        .chain(SIDE_FILES.map(|side| suffixed(path, side)))
    {
        match fs::remove_file(&name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(NodeError::file(&name, "remove", &error));
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
