//! Signed messages and the body of each phase, in both directions.

use msht_core::secagg::messages::{
    ConfirmBody, ConfirmationsBody, DeliveryBody, JoinBody, MaskBody, RollBody, ShareBody,
    SignedMessage, SurvivorsBody, UnmaskBody,
};
use msht_core::testkit::forge::opened;
use msht_core::wire::{decode, encode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Ceiling, Target, round};

/// Longest message or body that is tried: several times those of the corpora.
const LONGEST_BYTES: usize = 64 * 1024;

pub(crate) fn targets() -> Vec<Target> {
    vec![
        Target {
            name: "message",
            longest: LONGEST_BYTES,
            ceiling: Ceiling::OF_DECODING,
            run: canonical::<SignedMessage>,
            seeds: round::every_message,
        },
        body("body-join", canonical::<JoinBody>, || of("join-from-node")),
        body("body-roll", canonical::<RollBody>, || of("join-to-node")),
        body("body-share", canonical::<ShareBody>, || {
            of("share-from-node")
        }),
        body("body-delivery", canonical::<DeliveryBody>, || {
            of("share-to-node")
        }),
        body("body-mask", canonical::<MaskBody>, || of("mask-from-node")),
        body("body-survivors", canonical::<SurvivorsBody>, || {
            of("mask-to-node")
        }),
        body("body-confirm", canonical::<ConfirmBody>, || {
            of("confirm-from-node")
        }),
        body("body-confirmations", canonical::<ConfirmationsBody>, || {
            of("confirm-to-node")
        }),
        body("body-unmask", canonical::<UnmaskBody>, || {
            of("unmask-from-node")
        }),
    ]
}

fn body(
    name: &'static str,
    run: fn(&[u8]) -> bool,
    seeds: fn() -> Vec<(String, Vec<u8>)>,
) -> Target {
    Target {
        name,
        longest: LONGEST_BYTES,
        ceiling: Ceiling::OF_DECODING,
        run,
        seeds,
    }
}

/// What decodes is the one encoding of its value.
pub(crate) fn canonical<T: Serialize + DeserializeOwned>(input: &[u8]) -> bool {
    let Ok(value) = decode::<T>(input, LONGEST_BYTES) else {
        return false;
    };
    let again = encode(&value).expect("what was decoded can be encoded");
    assert!(again == input, "one value has two encodings");
    true
}

/// The body of the message with this name in the honest round.
fn of(message: &str) -> Vec<(String, Vec<u8>)> {
    let messages = round::every_message().into_iter();
    messages
        .filter(|(name, _)| name == message)
        .map(|(name, bytes)| (name, opened(&bytes).body.into_vec()))
        .collect()
}
