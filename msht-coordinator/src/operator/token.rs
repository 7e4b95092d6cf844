//! The token that opens the operator's page: a file beside the database that only its account can read.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use msht_core::crypto::{Digest, digest};
use rand::CryptoRng;

use crate::error::Error;

/// Name of the file in the data directory.
pub(crate) const TOKEN_FILE: &str = "operator.token";
/// Random bytes of a token.
const TOKEN_BYTES: usize = 32;
/// Longest file that is read as a token.
const MAX_FILE_BYTES: u64 = 256;
/// Permission bits of group and others.
const OTHERS: u32 = 0o077;

/// What a caller has to show. Only its digest is kept, so that comparing takes no time that depends on the token.
#[derive(Clone)]
pub(crate) struct Token(Digest);

fn digest_of(token: &[u8]) -> Digest {
    digest("operator-token", &[token])
}

impl Token {
    /// The token in the data directory, made there where it is missing.
    pub(crate) fn read_or_make<R: CryptoRng + ?Sized>(
        data: &Path,
        rng: &mut R,
    ) -> Result<(Self, PathBuf), Error> {
        let path = data.join(TOKEN_FILE);
        let refused = |source| Error::OperatorToken {
            path: path.clone(),
            source,
        };
        let token = match read(&path) {
            Ok(token) => token,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                make(&path, rng).map_err(refused)?
            }
            Err(error) => return Err(refused(error)),
        };
        Ok((Self(digest_of(token.as_bytes())), path))
    }

    /// Whether these headers show the token: as `Bearer TOKEN`, or as the password of `Basic`, whatever the user.
    pub(crate) fn is_shown_by(&self, headers: &HeaderMap) -> bool {
        let shown = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let Some((scheme, rest)) = shown.and_then(|value| value.split_once(' ')) else {
            return false;
        };
        if scheme.eq_ignore_ascii_case("bearer") {
            return digest_of(rest.trim().as_bytes()) == self.0;
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return false;
        }
        let decoded = STANDARD.decode(rest.trim()).unwrap_or_default();
        let password = decoded.iter().position(|byte| *byte == b':');
        let password = password.and_then(|colon| decoded.get(colon + 1..));
        password.is_some_and(|password| digest_of(password) == self.0)
    }
}

fn read(path: &Path) -> std::io::Result<String> {
    let file = File::open(path)?;
    if file.metadata()?.mode() & OTHERS != 0 {
        return Err(std::io::Error::new(
            ErrorKind::PermissionDenied,
            "others can read it",
        ));
    }
    let mut text = String::new();
    file.take(MAX_FILE_BYTES).read_to_string(&mut text)?;
    let token = text.trim();
    if token.len() < TOKEN_BYTES {
        return Err(std::io::Error::new(
            ErrorKind::InvalidData,
            "it is too short to be a token",
        ));
    }
    Ok(token.to_owned())
}

fn make<R: CryptoRng + ?Sized>(path: &Path, rng: &mut R) -> std::io::Result<String> {
    let mut bytes = [0; TOKEN_BYTES];
    rng.fill_bytes(&mut bytes);
    let token = hex::encode(bytes);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    writeln!(file, "{token}")?;
    file.sync_all()?;
    Ok(token)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    fn shows(token: &Token, value: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, value.parse().unwrap());
        token.is_shown_by(&headers)
    }

    #[test]
    fn the_token_is_made_once_and_opens_by_bearer_and_by_basic() {
        let folder = tempfile::tempdir().unwrap();
        let mut rng = StdRng::seed_from_u64(1);
        let (token, path) = Token::read_or_make(folder.path(), &mut rng).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.trim();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(shows(&token, &format!("Bearer {text}")));
        let basic = |user: &str| format!("Basic {}", STANDARD.encode(format!("{user}:{text}")));
        assert!(shows(&token, &basic("operator")));
        assert!(shows(&token, &basic("")));
        for wrong in ["Bearer x", "Basic eDp5", "Basic !", "Bearer", "Digest a"] {
            assert!(!shows(&token, wrong), "{wrong}");
        }
        assert!(!shows(&token, &format!("Bearer {}", &text[1..])));
        assert!(!token.is_shown_by(&HeaderMap::new()));
        let (again, _) = Token::read_or_make(folder.path(), &mut rng).unwrap();
        assert!(shows(&again, &format!("bearer {text}")));
    }

    #[test]
    fn a_token_that_others_can_read_or_that_is_short_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(TOKEN_FILE);
        let mut rng = StdRng::seed_from_u64(1);
        Token::read_or_make(folder.path(), &mut rng).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        assert!(Token::read_or_make(folder.path(), &mut rng).is_err());
        std::fs::write(&path, "short").unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        assert!(Token::read_or_make(folder.path(), &mut rng).is_err());
    }
}
