//! Adversaries that hold real keys: messages with another body under a true signature, and dealers who deal
//! whatever they like.
//!
//! The sealing of an envelope is written here a second time, from `docs/protocol.md` and not from the code under
//! test.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::cohort::Cohort;
use crate::crypto::{
    AgreementSecret, Digest, HexBytes, Identity, KdfLabel, Secret, SignLabel, combine, derive,
    digest, seal_once,
};
use crate::secagg::messages::{
    COORDINATOR_INDEX, Commitments, Envelope, Header, JoinBody, RollBody, SeedKind, SignedEnvelope,
    SignedHeader, SignedMessage, commit_share, roll_digest,
};
use crate::secagg::node::NodeRecord;
use crate::wire::{Blob, MAX_ENCODED_BYTES, decode, encode};

/// A signed message taken apart.
#[must_use]
#[expect(
    clippy::expect_used,
    reason = "test support: only honest bytes come here"
)]
pub fn opened(bytes: &[u8]) -> SignedMessage {
    SignedMessage::from_bytes(bytes, MAX_ENCODED_BYTES).expect("an honest message")
}

/// The body of a signed message.
#[must_use]
#[expect(
    clippy::expect_used,
    reason = "test support: only honest bytes come here"
)]
pub fn body_of<B: Serialize + DeserializeOwned>(bytes: &[u8]) -> B {
    decode(opened(bytes).body.as_ref(), MAX_ENCODED_BYTES).expect("a body of this type")
}

/// The message with its body changed, signed again by its own sender.
#[must_use]
pub fn forged<B: Serialize + DeserializeOwned>(
    cohort: &Cohort,
    bytes: &[u8],
    change: impl FnOnce(&mut B),
) -> Vec<u8> {
    let mut body: B = body_of(bytes);
    change(&mut body);
    let raw = encoded(&body);
    forged_bytes(cohort, bytes, |bytes| *bytes = raw)
}

/// The message with the bytes of its body changed, signed again by its own sender.
#[must_use]
pub fn forged_bytes(cohort: &Cohort, bytes: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut message = opened(bytes);
    let mut body = message.body.into_vec();
    change(&mut body);
    let signer = match message.sender {
        COORDINATOR_INDEX => &cohort.coordinator,
        index => &cohort.identity(index),
    };
    message.signature = crate::secagg::messages::sign_message(
        signer,
        &message.round,
        message.phase,
        message.sender,
        &body,
    );
    message.body = body.into();
    encoded(&message)
}

/// The message with anything changed and the old signature kept.
#[must_use]
pub fn tampered(bytes: &[u8], change: impl FnOnce(&mut SignedMessage)) -> Vec<u8> {
    let mut message = opened(bytes);
    change(&mut message);
    encoded(&message)
}

/// The encoding of anything.
#[must_use]
#[expect(clippy::expect_used, reason = "test support: within every limit")]
pub fn encoded<T: Serialize>(value: &T) -> Vec<u8> {
    encode(value).expect("within the limits")
}

/// A header under its dealer's signature.
#[must_use]
#[expect(clippy::expect_used, reason = "test support: within every limit")]
pub fn signed_header(header: Header, identity: &Identity) -> SignedHeader {
    let content = header.digest().expect("within the limits");
    let signature = identity.sign(SignLabel::Header, &content);
    SignedHeader { header, signature }
}

/// An envelope under its dealer's signature.
#[must_use]
#[expect(clippy::expect_used, reason = "test support: within every limit")]
pub fn signed_envelope(envelope: Envelope, identity: &Identity) -> SignedEnvelope {
    SignedEnvelope::sign(envelope, identity).expect("within the limits")
}

/// The three seeds of a frozen contribution, as its record holds them.
pub struct Seeds {
    /// `channel_seed`.
    pub channel: Secret,
    /// `mask_seed`.
    pub mask: Secret,
    /// `self_seed`.
    pub own: Secret,
}

/// The seeds in the record of a frozen contribution: they follow the round and the index.
#[must_use]
#[expect(clippy::expect_used, reason = "test support: a frozen record")]
pub fn seeds_of(record: &NodeRecord) -> Seeds {
    let NodeRecord::Frozen(blob) = record else {
        return Seeds {
            channel: Secret::from_bytes([0; 32]),
            mask: Secret::from_bytes([0; 32]),
            own: Secret::from_bytes([0; 32]),
        };
    };
    let at = |start: usize| {
        let bytes = blob.as_ref().get(start..start + 32);
        Secret::from_bytes(bytes.and_then(|b| b.try_into().ok()).expect("long enough"))
    };
    Seeds {
        channel: at(33),
        mask: at(65),
        own: at(97),
    }
}

/// A dealer that deals what it likes under one roll.
pub struct Dealer<'a> {
    /// The cohort it belongs to.
    pub cohort: &'a Cohort,
    /// Its index.
    pub index: u8,
    /// Its true seeds.
    pub seeds: Seeds,
    /// The coordinator's roll message.
    pub roll: &'a [u8],
}

impl Dealer<'_> {
    fn join_of(&self, index: u8) -> Option<JoinBody> {
        let roll: RollBody = body_of(self.roll);
        let join = roll.joins.into_iter().find(|join| join.sender == index)?;
        decode(join.body.as_ref(), MAX_ENCODED_BYTES).ok()
    }

    /// The digest of the roll.
    #[must_use]
    #[expect(clippy::expect_used, reason = "test support: within every limit")]
    pub fn roll_digest(&self) -> Digest {
        let roll: RollBody = body_of(self.roll);
        roll_digest(&self.cohort.context.round(), &roll.joins).expect("within the limits")
    }

    /// An envelope to `receiver` with these shares of `mask_seed` and `self_seed` in it, and commitments to them.
    #[must_use]
    #[expect(clippy::expect_used, reason = "test support: the roll was checked")]
    pub fn envelope(
        &self,
        header_digest: Digest,
        receiver: u8,
        shares: (&Secret, &Secret),
        mask_ciphertext: Blob,
    ) -> SignedEnvelope {
        let (round, roll) = (self.cohort.context.round(), self.roll_digest());
        let theirs = self.join_of(receiver).expect("on the roll").channel;
        let theirs = theirs.check().expect("on the roll");
        let message = derive(
            self.seeds.channel.expose(),
            &[],
            KdfLabel::ChannelEncapsulation,
            &[
                roll.as_bytes(),
                &[receiver],
                theirs.ml_kem_digest().as_bytes(),
            ],
        );
        let (channel_ciphertext, kem) = theirs.encapsulate(&message);
        let ours = AgreementSecret::from_seed(&self.seeds.channel);
        let dh = ours.diffie_hellman(&theirs).expect("a checked key");
        let channel_digest = digest("channel-ciphertext", &[channel_ciphertext.as_ref()]);
        let mask_digest = digest("mask-ciphertext", &[mask_ciphertext.as_ref()]);
        let ends = [self.index, receiver];
        let key = combine(
            &kem,
            &dh,
            &roll,
            KdfLabel::Channel,
            &[
                round.as_bytes(),
                &ends[..1],
                &ends[1..],
                channel_digest.as_bytes(),
            ],
        );
        let associated = [
            &round.as_bytes()[..],
            roll.as_bytes(),
            &ends,
            channel_digest.as_bytes(),
            mask_digest.as_bytes(),
        ]
        .concat();
        let plaintext = [shares.0.expose().as_slice(), shares.1.expose()].concat();
        let commit =
            |kind, share: &Secret| commit_share(&round, self.index, receiver, kind, share.expose());
        let envelope = Envelope {
            header_digest,
            receiver,
            channel_ciphertext,
            mask_ciphertext,
            sealed: seal_once(&key, &associated, &plaintext).into(),
            shares: Commitments {
                mask: commit(SeedKind::Mask, shares.0),
                own: commit(SeedKind::Own, shares.1),
            },
        };
        signed_envelope(envelope, &self.cohort.identity(self.index))
    }
}

/// Something with its first byte changed.
#[must_use]
pub fn flipped<const N: usize>(bytes: HexBytes<N>) -> HexBytes<N> {
    let mut changed = bytes;
    if let Some(first) = changed.0.first_mut() {
        *first ^= 1;
    }
    changed
}
