//! The anchor's file: outside the vault, replaced as a whole, durable before this module says so.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use msht_core::crypto::Secret;
use msht_core::secagg::node::{Anchor, Doubt, MAX_ANCHOR_BYTES};
use rand::CryptoRng;

use crate::error::{Kind, NodeError};

/// Permissions of the anchor: sealed, and still nobody else's business.
const ANCHOR_MODE: u32 = 0o600;

/// Where the anchor is, and the lock that keeps two processes from writing it at once.
#[derive(Debug, Clone)]
pub(crate) struct AnchorFile {
    path: PathBuf,
    lock: PathBuf,
}

/// Held while database and anchor are compared and the anchor is written.
pub(crate) struct AnchorLock {
    /// Held, not read: dropping it gives the lock back.
    _file: File,
}

impl AnchorFile {
    /// The anchor at `path` of the vault at `vault`; the lock is beside the vault, which is always there.
    pub(crate) fn new(path: &Path, vault: &Path) -> Self {
        Self {
            path: path.to_owned(),
            lock: suffixed(vault, ".anchor-lock"),
        }
    }

    /// Waits for the lock; whoever holds it needs milliseconds.
    pub(crate) async fn lock(&self) -> Result<AnchorLock, NodeError> {
        let path = self.lock.clone();
        let locked = tokio::task::spawn_blocking(move || {
            let file = open_lock(&path)?;
            file.lock()
                .map_err(|error| NodeError::file(&path, "lock", &error))?;
            Ok(AnchorLock { _file: file })
        });
        locked
            .await
            .map_err(|error| NodeError::new(Kind::Failure, error.to_string()))?
    }

    /// The anchor, or why there is none to compare with.
    pub(crate) fn read(&self, key: &Secret) -> Result<Result<Anchor, Doubt>, NodeError> {
        let failed = |error: std::io::Error| NodeError::file(&self.path, "read the anchor", &error);
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Err(Doubt::Missing));
            }
            Err(error) => return Err(failed(error)),
        };
        let mut sealed = Vec::new();
        // One byte more than an anchor may have, so that a longer file is told apart from one that fits.
        file.take(MAX_ANCHOR_BYTES as u64 + 1)
            .read_to_end(&mut sealed)
            .map_err(failed)?;
        Ok(Anchor::open(key, &sealed).map_err(|_| Doubt::Unreadable))
    }

    /// Replaces the anchor; it is durable when this returns. `_lock` shows that nobody else does so meanwhile.
    pub(crate) fn write<R: CryptoRng + ?Sized>(
        &self,
        _lock: &AnchorLock,
        anchor: &Anchor,
        key: &Secret,
        rng: &mut R,
    ) -> Result<(), NodeError> {
        let sealed = anchor
            .seal(key, rng)
            .map_err(|error| NodeError::new(Kind::Failure, error.to_string()))?;
        let fresh = suffixed(&self.path, ".new");
        replace(&fresh, &self.path, &sealed).map_err(|error| {
            NodeError::file(&self.path, "write the anchor", &error).hint(
                "nothing was sent; the anchor must be on a disk with room that the node can write to (vault.anchor in node.toml)",
            )
        })
    }

    /// Whether the anchor is on the volume of `vault`, where one accident or one snapshot takes both.
    pub(crate) fn shares_volume_with(&self, vault: &Path) -> bool {
        let volume = |path: &Path| fs::metadata(path).ok().map(|found| found.dev());
        let anchor = volume(&self.path);
        anchor.is_some() && anchor == volume(vault)
    }
}

/// Opens a lock file, making it where it is not there.
pub(crate) fn open_lock(path: &Path) -> Result<File, NodeError> {
    let mut options = OpenOptions::new();
    options
        .create(true)
        .truncate(false)
        .write(true)
        .mode(ANCHOR_MODE);
    options
        .open(path)
        .map_err(|error| NodeError::file(path, "open", &error))
}

/// `path` with something behind its name.
pub(crate) fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Writes `bytes` to `fresh` and puts it in the place of `path`: after a crash there is the old file or the new one.
fn replace(fresh: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options
        .create(true)
        .truncate(true)
        .write(true)
        .mode(ANCHOR_MODE);
    let mut file = options.open(fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(fresh, path)?;
    sync_folder_of(path)
}

/// Makes a renamed or new name in the folder of `path` durable.
pub(crate) fn sync_folder_of(path: &Path) -> std::io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}
