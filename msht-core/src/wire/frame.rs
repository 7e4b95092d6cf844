//! Requests and responses between node and coordinator: one of each on a stream of its own.
//!
//! The node asks, the coordinator answers. Messages longer than [`CHUNK_BYTES`] travel in pieces: `Put` uploads
//! a signed message piece by piece, `Fetch` reads an item piece by piece. A frame is one version byte and the
//! encoding of the request or response.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::blob::Blob;
use super::codec::{DecodeError, decode, encode};
use crate::crypto::{Digest, HexBytes};

/// Application protocol of the QUIC connection; the major version is part of it.
pub const ALPN: &[u8] = b"msht/1";
/// First byte of every frame.
pub const FRAME_VERSION: u8 = 1;
/// Most bytes of a message or item in one frame.
pub const CHUNK_BYTES: usize = 256 * 1024;
/// Longest frame: a chunk and what describes it.
pub const MAX_FRAME_BYTES: usize = CHUNK_BYTES + 64 * 1024;
/// Most rounds told of in one answer to `Poll`, the newest first to be kept.
pub const MAX_NEWS_ROUNDS: usize = 256;
/// Bytes of the one-time token of an invite.
pub const TOKEN_BYTES: usize = 16;

/// What a node asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Puts this connection's identity on the list of partners; the only request of an unknown identity.
    Enrol {
        /// Token of the invite.
        token: HexBytes<TOKEN_BYTES>,
    },
    /// Waits until there is something new after `seen`, or a while.
    Poll {
        /// The number of the last news the node has.
        seen: u64,
    },
    /// Uploads a piece of a signed message.
    Put {
        /// The round.
        round: Digest,
        /// Number of the phase.
        phase: u8,
        /// Bytes of the whole message.
        total: u64,
        /// Where this piece begins.
        offset: u64,
        /// The piece.
        bytes: Blob,
    },
    /// Reads a piece of an item.
    Fetch {
        /// The item.
        item: Item,
        /// Where the piece begins.
        offset: u64,
    },
    /// Hands in the partner's signed statement that it never unmasked in a round; the same bytes each time.
    NeverUnmasked {
        /// The round.
        round: Digest,
        /// The signed statement.
        statement: Blob,
    },
    /// States something outside rounds: a change of the own key, or an endorsement.
    State {
        /// The encoded and signed `governance::Statement`.
        statement: Blob,
    },
    /// States where the node's ledger ends; asked first on every connection.
    LedgerHead {
        /// Encoding of the signed statement.
        statement: Blob,
    },
}

/// Something a node can read from the coordinator.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Item {
    /// The signed programme with this digest.
    Programme(Digest),
    /// The signed roster of this version.
    Roster(u64),
    /// The signed announcement of this round.
    Announcement(Digest),
    /// The coordinator's message of this phase of a round to the asking partner.
    Message {
        /// The round.
        round: Digest,
        /// Number of the phase.
        phase: u8,
    },
    /// The signed release of this round.
    Release(Digest),
    /// The signed notice that this round was given up.
    Abort(Digest),
    /// The abort certificate of this round, once enough partners have handed in their statement.
    AbortCertificate(Digest),
    /// The signed latest version of the roster.
    CurrentRoster,
    /// Every statement on keys: the encoded `governance::GovernanceRecord`. The handovers of the coordinator's own key
    /// are for everybody; the rest is for partners.
    Governance,
}

/// Where a round stands, as the coordinator tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RoundState {
    /// The phase with this number is open.
    Open(u8),
    /// The release is there.
    Released,
    /// The round was given up.
    Aborted,
}

/// One round in an answer to `Poll`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundNews {
    /// The round.
    pub round: Digest,
    /// Where it stands.
    pub state: RoundState,
}

/// A programme in an answer to `Poll`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgrammeNews {
    /// Id of the programme.
    pub id: String,
    /// Digest of its current version.
    pub digest: Digest,
}

/// What the coordinator answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Response {
    /// The identity is now a partner's.
    Enrolled {
        /// Id of the partner.
        partner: String,
        /// Its name.
        name: String,
    },
    /// Answer to `Poll`: rounds the partner is invited to or that were released, oldest first, and current
    /// programmes.
    News {
        /// Number of this news.
        number: u64,
        /// The rounds.
        rounds: Vec<RoundNews>,
        /// The programmes.
        programmes: Vec<ProgrammeNews>,
    },
    /// The whole message is durable at the coordinator, or no longer needed.
    Accepted,
    /// The piece was taken; the next one begins here.
    Continue {
        /// Offset of the next piece.
        offset: u64,
    },
    /// A piece of the item asked for.
    Part {
        /// Bytes of the whole item.
        total: u64,
        /// The piece.
        bytes: Blob,
    },
    /// The item does not exist, or not yet.
    NotYet,
    /// The request is refused.
    Refused(Refusal),
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// The identity is on no roster.
    #[error("the coordinator does not know this node; enrol it with an invite")]
    UnknownIdentity,
    /// The token was never given out, or is used up.
    #[error("the invite is unknown or already used; ask the coordinator's operator for a new one")]
    UnknownInvite,
    /// The invite's time is over.
    #[error("the invite has expired; ask the coordinator's operator for a new one")]
    ExpiredInvite,
    /// The identity already belongs to a partner.
    #[error("this node is already enrolled, as partner `{partner}`")]
    AlreadyEnrolled {
        /// Id of the partner.
        partner: String,
    },
    /// No such round, or the partner is not invited to it.
    #[error("the coordinator has no such round for this partner")]
    UnknownRound,
    /// The message failed a numbered check.
    #[error("the coordinator refused the message: {reason}")]
    Message {
        /// Which check, and what failed.
        reason: String,
    },
    /// The pieces of an upload do not fit together, or are too many.
    #[error("the upload is longer than announced or its pieces do not follow on")]
    Upload,
    /// The frame is malformed.
    #[error("the coordinator could not read the request; both sides must run the same version")]
    Malformed,
    /// The coordinator cannot store at the moment; nothing was lost, try again.
    #[error("the coordinator cannot store anything at the moment; the node will try again")]
    Unavailable,
    /// The key was revoked, or given up for another one.
    #[error("this key was revoked or replaced, and the coordinator takes nothing from it any more")]
    Revoked,
    /// A key cannot change while a round with its partner is open.
    #[error(
        "a round that this partner is invited to is open; its key can change when it has ended"
    )]
    OpenRound,
    /// A statement does not verify, or does not fit the roster.
    #[error("the coordinator refused the statement: {reason}")]
    Statement {
        /// What is wrong with it.
        reason: String,
    },
    /// The node's ledger is behind one that its key has signed, or differs from it.
    #[error(
        "the coordinator holds a ledger head signed with this node's key that does not fit the one stated: this node is an older copy, or two copies of it are running"
    )]
    LedgerBehind {
        /// Encoding of what shows that the key signed it.
        proof: Blob,
    },
}

/// Encodes a frame.
///
/// # Errors
/// [`DecodeError::TooLong`] beyond [`MAX_FRAME_BYTES`].
pub fn encode_frame<T: Serialize>(value: &T) -> Result<Vec<u8>, DecodeError> {
    let mut frame = vec![FRAME_VERSION];
    frame.extend_from_slice(&encode(value)?);
    if frame.len() > MAX_FRAME_BYTES {
        return Err(DecodeError::TooLong {
            length: frame.len(),
            limit: MAX_FRAME_BYTES,
        });
    }
    Ok(frame)
}

/// Decodes a frame.
///
/// # Errors
/// [`DecodeError`]; an unknown version is [`DecodeError::Malformed`].
pub fn decode_frame<T: Serialize + DeserializeOwned>(frame: &[u8]) -> Result<T, DecodeError> {
    match frame.split_first() {
        Some((&FRAME_VERSION, body)) => decode(body, MAX_FRAME_BYTES),
        _ => Err(DecodeError::Malformed),
    }
}

/// The piece of `whole` that begins at `offset`, as an answer to `Fetch`; none beyond its end.
#[must_use]
pub fn part_of(whole: &[u8], offset: u64) -> Option<Response> {
    let rest = whole.get(usize::try_from(offset).ok()?..)?;
    let (piece, _) = rest.split_at(rest.len().min(CHUNK_BYTES));
    Some(Response::Part {
        total: whole.len() as u64,
        bytes: Blob::from(piece),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_of_another_version_or_with_trailing_bytes_is_refused() {
        let request = Request::Poll { seen: 3 };
        let mut frame = encode_frame(&request).unwrap();
        assert_eq!(decode_frame::<Request>(&frame), Ok(request));
        frame.push(0);
        assert_eq!(decode_frame::<Request>(&frame), Err(DecodeError::Trailing));
        frame.pop();
        frame[0] = 2;
        assert_eq!(decode_frame::<Request>(&frame), Err(DecodeError::Malformed));
        assert_eq!(decode_frame::<Request>(&[]), Err(DecodeError::Malformed));
    }

    #[test]
    fn the_longest_frame_is_written_and_one_byte_more_is_not() {
        // A byte for the version, eight for the length of the byte string.
        let longest = Blob::from(vec![7; MAX_FRAME_BYTES - 9]);
        let frame = encode_frame(&longest).unwrap();
        assert_eq!(frame.len(), MAX_FRAME_BYTES);
        assert_eq!(decode_frame::<Blob>(&frame), Ok(longest));
        let over = Blob::from(vec![7; MAX_FRAME_BYTES - 8]);
        let too_long = DecodeError::TooLong {
            length: MAX_FRAME_BYTES + 1,
            limit: MAX_FRAME_BYTES,
        };
        assert_eq!(encode_frame(&over), Err(too_long));
    }

    #[test]
    fn the_largest_piece_fits_a_frame_and_pieces_cover_the_whole() {
        let whole = vec![5u8; 2 * CHUNK_BYTES + 7];
        let (mut offset, mut read) = (0, Vec::new());
        while let Some(Response::Part { total, bytes }) = part_of(&whole, offset) {
            assert!(encode_frame(&part_of(&whole, offset)).is_ok());
            assert_eq!(total, whole.len() as u64);
            read.extend_from_slice(bytes.as_ref());
            if bytes.as_ref().is_empty() {
                break;
            }
            offset = read.len() as u64;
        }
        assert_eq!(read, whole);
        assert!(part_of(&whole, whole.len() as u64 + 1).is_none());
    }
}
