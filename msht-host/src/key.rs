//! Where the key that seals secrets at rest comes from: a file, or a credential of the environment.
//!
//! The key itself never stands in the environment block or on the command line: every process of the account can
//! read those, and they are inherited, logged and shown by `ps`. The environment may only *name* a file.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use msht_core::crypto::{SECRET_BYTES, Secret};
use rand::CryptoRng;
use zeroize::Zeroizing;

/// The variable in which systemd names the folder with a service's credentials.
pub const CREDENTIALS_VARIABLE: &str = "CREDENTIALS_DIRECTORY";
/// Hexadecimal digits of a key.
const KEY_DIGITS: usize = 2 * SECRET_BYTES;
/// Longest key file that is read: the digits and a line break of either kind.
const MAX_KEY_FILE_BYTES: u64 = KEY_DIGITS as u64 + 2;
/// Permissions of a key file that is made here: its owner and nobody else.
const KEY_FILE_MODE: u32 = 0o600;
/// Permissions a key file must not give.
const OTHERS: u32 = 0o077;
/// The same for a credential: where systemd grants access by an access list, the list's mask shows as the group's
/// right to read.
const OTHERS_OF_CREDENTIAL: u32 = 0o037;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be used.
    #[error("cannot {doing} {path}: {source}")]
    File {
        /// What was tried.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Others on this machine can read the file, and with it the key.
    #[error("the key file {0} can be read by other users of this machine")]
    Readable(PathBuf),
    /// The file does not hold a key, or is no ordinary file.
    #[error("{0} is not a key file")]
    NotAKey(PathBuf),
    /// The program was not started with credentials.
    #[error(
        "the key is to be the credential `{0}`, but the program was started without credentials"
    )]
    NoCredentials(String),
    /// The name of a credential is not a plain file name.
    #[error("`{0}` is not the name of a credential")]
    CredentialName(String),
    /// The variable holds a key; its content is not repeated here.
    #[error("the variable {0} holds a key; it must name a file")]
    KeyInVariable(String),
}

impl KeyError {
    /// What to do next.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::File { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                "name the right file, or put the key back from its back-up".to_owned()
            }
            Self::File { .. } => "the account that runs the program must be able to use it".to_owned(),
            Self::Readable(path) => {
                format!("chmod 600 {}; if others may have read it, treat the key as known", path.display())
            }
            Self::NotAKey(_) => format!(
                "a key file holds {KEY_DIGITS} hexadecimal digits; restore it from your back-up"
            ),
            Self::NoCredentials(name) => format!(
                "in the systemd unit: LoadCredential={name}:/path/of/the/key, or LoadCredentialEncrypted="
            ),
            Self::CredentialName(_) => "use letters, digits, `.`, `-` and `_`".to_owned(),
            Self::KeyInVariable(_) => {
                "every process of this account can read variables: write the key to a file of mode 600, name \
                 that, and treat the key as known"
                    .to_owned()
            }
        }
    }
}

/// Where a program is told to look for its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A file of its own, made where it does not exist.
    File(PathBuf),
    /// The credential of this name, which somebody else puts there.
    Credential(String),
}

impl KeySource {
    /// The key file of this source. The environment `variable`, where it is set, names another file and comes
    /// first; `environment` gives the value of a variable.
    ///
    /// # Errors
    /// [`KeyError::NoCredentials`], [`KeyError::CredentialName`], [`KeyError::KeyInVariable`].
    pub fn locate(
        &self,
        variable: &str,
        environment: impl Fn(&str) -> Option<OsString>,
    ) -> Result<KeyFile, KeyError> {
        if let Some(path) = environment(variable).filter(|path| !path.is_empty()) {
            let text = path.to_str().unwrap_or_default();
            if text.len() == KEY_DIGITS && text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return Err(KeyError::KeyInVariable(variable.to_owned()));
            }
            return Ok(KeyFile::own(path.into()));
        }
        match self {
            Self::File(path) => Ok(KeyFile::own(path.clone())),
            Self::Credential(name) => {
                let plain = |sign: char| sign.is_ascii_alphanumeric() || ".-_".contains(sign);
                if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
                    return Err(KeyError::CredentialName(name.clone()));
                }
                let folder = environment(CREDENTIALS_VARIABLE).filter(|path| !path.is_empty());
                let folder = folder.ok_or_else(|| KeyError::NoCredentials(name.clone()))?;
                Ok(KeyFile {
                    path: Path::new(&folder).join(name),
                    forbidden: OTHERS_OF_CREDENTIAL,
                })
            }
        }
    }
}

/// A key file, looked at only when it is read or made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFile {
    path: PathBuf,
    forbidden: u32,
}

impl KeyFile {
    fn own(path: PathBuf) -> Self {
        Self {
            path,
            forbidden: OTHERS,
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a program may make the file where it is missing: never a credential.
    #[must_use]
    pub fn may_be_made(&self) -> bool {
        self.forbidden == OTHERS && !self.path.exists()
    }

    fn failed(&self, doing: &'static str) -> impl FnOnce(std::io::Error) -> KeyError + '_ {
        move |source| KeyError::File {
            doing,
            path: self.path.clone(),
            source,
        }
    }

    /// Makes the file with a fresh key, for its owner only, durably; never overwrites one.
    ///
    /// # Errors
    /// [`KeyError::File`].
    pub fn create<R: CryptoRng + ?Sized>(&self, rng: &mut R) -> Result<Secret, KeyError> {
        let key = Secret::random(rng);
        let mut text = Zeroizing::new([b'\n'; KEY_DIGITS + 1]);
        if let Some(digits) = text.get_mut(..KEY_DIGITS) {
            // Cannot fail: the slice has two digits for each byte.
            let _fits = hex::encode_to_slice(key.expose(), digits);
        }
        let write = || -> std::io::Result<()> {
            let mut options = OpenOptions::new();
            options.write(true).create_new(true).mode(KEY_FILE_MODE);
            let mut file = options.open(&self.path)?;
            file.write_all(text.as_ref())?;
            file.sync_all()?;
            // The name of a new file is durable once its folder is.
            match self.path.parent() {
                Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
                _ => Ok(()),
            }
        };
        write().map_err(self.failed("create the key file"))?;
        Ok(key)
    }

    /// Reads the key. What is checked is the file that is read, not a name that may be turned to another one.
    ///
    /// # Errors
    /// [`KeyError::Readable`] where others can read it, [`KeyError::NotAKey`], [`KeyError::File`].
    pub fn read(&self) -> Result<Secret, KeyError> {
        let doing = "read the key file";
        let file = File::open(&self.path).map_err(self.failed(doing))?;
        let metadata = file.metadata().map_err(self.failed(doing))?;
        if !metadata.is_file() {
            return Err(KeyError::NotAKey(self.path.clone()));
        }
        if metadata.mode() & self.forbidden != 0 {
            return Err(KeyError::Readable(self.path.clone()));
        }
        // Room for the longest file and the byte that shows it is longer: the buffer never moves.
        let room = usize::try_from(MAX_KEY_FILE_BYTES + 1).unwrap_or(usize::MAX);
        let mut text = Zeroizing::new(Vec::with_capacity(room));
        let mut limited = file.take(MAX_KEY_FILE_BYTES + 1);
        limited.read_to_end(&mut text).map_err(self.failed(doing))?;
        let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
        hex::decode_to_slice(text.trim_ascii(), bytes.as_mut())
            .map_err(|_| KeyError::NotAKey(self.path.clone()))?;
        Secret::from_slice(bytes.as_ref()).ok_or_else(|| KeyError::NotAKey(self.path.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    const VARIABLE: &str = "MSHT_TEST_KEY_FILE";

    fn bare(_name: &str) -> Option<OsString> {
        None
    }

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_key_file_is_private_read_back_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vault.key");
        let file = KeySource::File(path.clone())
            .locate(VARIABLE, bare)
            .unwrap();
        let mut rng = StdRng::seed_from_u64(1);
        assert!(file.may_be_made());
        let key = file.create(&mut rng).unwrap();
        assert!(file.read().unwrap().ct_eq(&key));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(!file.may_be_made());
        assert!(file.create(&mut rng).is_err());
        mode(&path, 0o400);
        file.read().unwrap();
        for readable in [0o640, 0o604, 0o620, 0o644] {
            mode(&path, readable);
            let refused = file.read().unwrap_err();
            assert!(matches!(refused, KeyError::Readable(_)), "{readable:o}");
            assert!(refused.hint().contains("chmod 600"));
        }
    }

    #[test]
    fn what_is_not_exactly_a_key_is_refused_and_never_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vault.key");
        let file = KeySource::File(path.clone())
            .locate(VARIABLE, bare)
            .unwrap();
        assert!(matches!(file.read().unwrap_err(), KeyError::File { .. }));
        for (text, good) in [
            ("ab".repeat(32), true),
            ("ab".repeat(32) + "\r\n", true),
            ("ab".repeat(31), false),
            ("ab".repeat(32) + "\nab", false),
            ("zx".repeat(32), false),
        ] {
            fs::write(&path, &text).unwrap();
            mode(&path, 0o600);
            let read = file.read();
            assert_eq!(read.is_ok(), good, "{text}");
            if let Err(error) = read {
                assert!(!format!("{error}{}", error.hint()).contains(&text[..20]));
            }
        }
        let not_a_file = KeySource::File(folder.path().to_owned());
        let read = not_a_file.locate(VARIABLE, bare).unwrap().read();
        assert!(matches!(read, Err(KeyError::NotAKey(_))));
    }

    #[test]
    fn a_credential_is_found_in_its_folder_and_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("msht-vault");
        fs::write(&path, "cd".repeat(32)).unwrap();
        let with = |name: &str| {
            (name == CREDENTIALS_VARIABLE).then(|| folder.path().as_os_str().to_owned())
        };
        let source = KeySource::Credential("msht-vault".to_owned());
        let file = source.locate(VARIABLE, with).unwrap();
        // 0440: read by an access list, whose mask shows as the group's right.
        for (bits, good) in [(0o400, true), (0o440, true), (0o444, false), (0o460, false)] {
            mode(&path, bits);
            assert_eq!(file.read().is_ok(), good, "{bits:o}");
        }
        assert!(matches!(
            source.locate(VARIABLE, bare),
            Err(KeyError::NoCredentials(_))
        ));
        fs::remove_file(&path).unwrap();
        assert!(!file.may_be_made(), "credentials are made by somebody else");
        for name in ["", "../key", "a/b", ".hidden"] {
            let refused = KeySource::Credential(name.to_owned()).locate(VARIABLE, with);
            assert!(
                matches!(refused, Err(KeyError::CredentialName(_))),
                "{name}"
            );
        }
    }

    #[test]
    fn a_variable_names_a_file_and_comes_first_but_never_holds_the_key() {
        let source = KeySource::Credential("msht-vault".to_owned());
        let named = |name: &str| (name == VARIABLE).then(|| OsString::from("/elsewhere/key"));
        let file = source.locate(VARIABLE, named).unwrap();
        assert_eq!(file.path(), Path::new("/elsewhere/key"));
        let key = "ef".repeat(32);
        let held = |name: &str| (name == VARIABLE).then(|| OsString::from(&key));
        let refused = source.locate(VARIABLE, held).unwrap_err();
        assert!(matches!(refused, KeyError::KeyInVariable(_)));
        assert!(!format!("{refused} {refused:?} {}", refused.hint()).contains("efef"));
    }
}
