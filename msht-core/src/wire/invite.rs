//! The invite: one text a partner pastes, with all it needs to enrol.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::codec::{decode, encode};
use super::frame::TOKEN_BYTES;
use crate::crypto::{HexBytes, IdentityKey, digest};

/// What every invite begins with.
const PREFIX: &str = "msht-invite-1.";
/// Bytes of the checksum that catches a badly copied invite.
const CHECKSUM_BYTES: usize = 4;
/// Longest invite, in bytes of its binary form.
const MAX_INVITE_BYTES: usize = 1024;

/// Where to connect, whom to expect there, and what to show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invite {
    /// `host:port` of the coordinator.
    pub address: String,
    /// The coordinator's identity key.
    pub coordinator: IdentityKey,
    /// One-time token.
    pub token: HexBytes<TOKEN_BYTES>,
    /// Id of the partner it is for.
    pub partner: String,
    /// When it stops being good, seconds since 1970-01-01 UTC.
    pub expires_at: i64,
}

/// Why a text is not an invite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InviteError {
    /// It does not begin like one.
    #[error("this is not an invite: it must begin with `{PREFIX}`")]
    Prefix,
    /// It was not copied whole.
    #[error("the invite is damaged: copy it again, whole and without line breaks")]
    Damaged,
}

fn checksum(bytes: &[u8]) -> Vec<u8> {
    digest("invite", &[bytes])
        .as_bytes()
        .iter()
        .copied()
        .take(CHECKSUM_BYTES)
        .collect()
}

impl fmt::Display for Invite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = encode(self).map_err(|_| fmt::Error)?;
        bytes.extend_from_slice(&checksum(&bytes));
        write!(f, "{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for Invite {
    type Err = InviteError;

    fn from_str(text: &str) -> Result<Self, InviteError> {
        let encoded = text
            .trim()
            .strip_prefix(PREFIX)
            .ok_or(InviteError::Prefix)?;
        let bytes = URL_SAFE_NO_PAD
            .decode(encoded)
            .map_err(|_| InviteError::Damaged)?;
        let body_length = bytes
            .len()
            .checked_sub(CHECKSUM_BYTES)
            .ok_or(InviteError::Damaged)?;
        let (body, sum) = bytes
            .split_at_checked(body_length)
            .ok_or(InviteError::Damaged)?;
        if checksum(body) != sum {
            return Err(InviteError::Damaged);
        }
        decode(body, MAX_INVITE_BYTES).map_err(|_| InviteError::Damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invite_survives_pasting_and_a_damaged_one_is_refused() {
        let invite = Invite {
            address: "localhost:7843".to_owned(),
            coordinator: IdentityKey::from_bytes([4; 32]),
            token: HexBytes([5; TOKEN_BYTES]),
            partner: "unseen".to_owned(),
            expires_at: 1_800_000_000,
        };
        let text = invite.to_string();
        assert_eq!(format!("  {text}\n").parse::<Invite>(), Ok(invite));
        assert_eq!("hello".parse::<Invite>(), Err(InviteError::Prefix));
        for position in PREFIX.len()..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[position] = if changed[position] == b'A' {
                b'B'
            } else {
                b'A'
            };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(
                changed.parse::<Invite>(),
                Err(InviteError::Damaged),
                "at {position}"
            );
        }
        assert!(text[..text.len() - 1].parse::<Invite>().is_err());
    }
}
