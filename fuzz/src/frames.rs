//! Frames: requests and responses.

use msht_core::testkit::samples::{every_request, every_response};
use msht_core::wire::{MAX_FRAME_BYTES, Request, Response, decode_frame, encode_frame};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Ceiling, Target};

pub(crate) fn targets() -> Vec<Target> {
    vec![
        Target {
            name: "frame-request",
            longest: MAX_FRAME_BYTES + 1,
            ceiling: Ceiling::OF_DECODING,
            run: frame::<Request>,
            seeds: || named(every_request()),
        },
        Target {
            name: "frame-response",
            longest: MAX_FRAME_BYTES + 1,
            ceiling: Ceiling::OF_DECODING,
            run: frame::<Response>,
            seeds: || named(every_response()),
        },
    ]
}

fn frame<T: Serialize + DeserializeOwned + PartialEq>(input: &[u8]) -> bool {
    let Ok(value) = decode_frame::<T>(input) else {
        return false;
    };
    let again = encode_frame(&value).expect("what was decoded can be encoded");
    assert!(again == input, "one frame has two encodings");
    true
}

fn named<T: Serialize>(values: Vec<(String, T)>) -> Vec<(String, Vec<u8>)> {
    let seed = |(name, value)| (name, encode_frame(&value).expect("a small frame"));
    values.into_iter().map(seed).collect()
}
