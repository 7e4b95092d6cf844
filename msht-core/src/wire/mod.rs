//! Bytes on the wire and at rest: one strict codec, bounded frames, invites, pinned TLS.

mod blob;
mod codec;
mod frame;
mod invite;
#[cfg(feature = "tls")]
pub mod tls;

pub use blob::Blob;
pub(crate) use codec::encode_secret;
pub use codec::{DecodeError, MAX_ENCODED_BYTES, decode, encode};
pub use frame::{
    ALPN, CHUNK_BYTES, FRAME_VERSION, Item, MAX_FRAME_BYTES, MAX_NEWS_ROUNDS, ProgrammeNews,
    Refusal, Request, Response, RoundNews, RoundState, TOKEN_BYTES, decode_frame, encode_frame,
    part_of,
};
pub use invite::{Invite, InviteError};
