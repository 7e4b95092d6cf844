//! Phase 1: a header and an envelope for each other member out; headers and our envelopes in.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::Common;
use super::frozen::Frozen;
use super::mask::{self, Masking};
use super::step::{NodeRecord, Step};
use crate::crypto::{
    AgreementSecret, Digest, HexBytes, SECRET_BYTES, Secret, ShamirError, Sharing as Polynomial,
    SignLabel, open_once, seal_once,
};
use crate::secagg::checks::{Check, Fault, Violation};
use crate::secagg::derive::{ChannelEnds, encapsulate_mask, sharing};
use crate::secagg::messages::{
    Commitments, DeliveryBody, Envelope, Header, Phase, SeedKind, ShareBody, SignedEnvelope,
    SignedHeader, commit_seed, commit_share, dealers_digest,
};
use crate::secagg::roll::Roll;
use crate::wire::Blob;

/// The node has dealt its shares and waits for those of the others.
pub struct Sharing {
    common: Common,
    frozen: Frozen,
    roll: Roll,
    header: SignedHeader,
}

/// A delivery that passed N6.
pub struct VerifiedDelivery {
    pub(super) dealers: Dealers,
    bytes: Blob,
}

/// U₂ as this node sees it.
pub(super) struct Dealers {
    /// H(U₂).
    pub(super) digest: Digest,
    /// U₂ in list order.
    pub(super) members: Vec<u8>,
    /// Mask ciphertexts received, by dealer.
    pub(super) mask_ciphertexts: BTreeMap<u8, Blob>,
    /// Shares held, by dealer, our own among them.
    pub(super) shares: BTreeMap<u8, HeldShares>,
    /// Dealers whose envelope did not open or match.
    pub(super) bad: Vec<u8>,
}

/// The two shares a node holds of one dealer.
pub(super) struct HeldShares {
    pub(super) mask: Secret,
    pub(super) own: Secret,
}

struct Polynomials {
    mask: Polynomial,
    own: Polynomial,
}

impl Polynomials {
    fn of(common: &Common, frozen: &Frozen, roll: &Digest) -> Result<Self, ShamirError> {
        let threshold = common.context.params().threshold();
        let (round, index) = (common.round(), common.index);
        let make = |seed, kind| sharing(seed, kind, threshold, &round, roll, index);
        Ok(Self {
            mask: make(&frozen.mask_seed, SeedKind::Mask)?,
            own: make(&frozen.self_seed, SeedKind::Own)?,
        })
    }

    fn shares_for(&self, holder: u8) -> Result<HeldShares, ShamirError> {
        Ok(HeldShares {
            mask: self.mask.share(holder)?,
            own: self.own.share(holder)?,
        })
    }
}

fn share_commitments(round: &Digest, dealer: u8, holder: u8, shares: &HeldShares) -> Commitments {
    let commit = |kind, share: &Secret| commit_share(round, dealer, holder, kind, share.expose());
    Commitments {
        mask: commit(SeedKind::Mask, &shares.mask),
        own: commit(SeedKind::Own, &shares.own),
    }
}

/// Header and envelopes of this node under one roll: a pure function of the frozen seeds and the roll.
pub(super) fn deal(common: &Common, frozen: &Frozen, roll: &Roll) -> Result<ShareBody, Fault> {
    let internal = |_| Fault::caller(Check::N5, Violation::Params);
    let (round, dealer) = (common.round(), common.index);
    let polynomials = Polynomials::of(common, frozen, &roll.digest).map_err(internal)?;
    let own_shares = polynomials.shares_for(dealer).map_err(internal)?;
    let header = Header {
        round,
        roll_digest: roll.digest,
        dealer,
        seeds: Commitments {
            mask: commit_seed(&round, dealer, SeedKind::Mask, frozen.mask_seed.expose()),
            own: commit_seed(&round, dealer, SeedKind::Own, frozen.self_seed.expose()),
        },
        own_shares: share_commitments(&round, dealer, dealer, &own_shares),
    };
    let header_digest = header
        .digest()
        .map_err(|_| Fault::caller(Check::N5, Violation::Length))?;
    let signature = common.identity.sign(SignLabel::Header, &header_digest);
    let channel = AgreementSecret::from_seed(&frozen.channel_seed);
    let mut envelopes = Vec::new();
    for receiver in roll
        .members
        .keys()
        .copied()
        .filter(|index| *index != dealer)
    {
        let shares = polynomials.shares_for(receiver).map_err(internal)?;
        let dealer = (common, frozen, &channel);
        let envelope = seal_envelope(dealer, roll, (header_digest, receiver), &shares)?;
        envelopes.push(
            SignedEnvelope::sign(envelope, &common.identity)
                .map_err(|_| Fault::caller(Check::N5, Violation::Length))?,
        );
    }
    Ok(ShareBody {
        header: SignedHeader { header, signature },
        envelopes,
    })
}

fn seal_envelope(
    (common, frozen, channel): (&Common, &Frozen, &AgreementSecret),
    roll: &Roll,
    (header_digest, receiver): (Digest, u8),
    shares: &HeldShares,
) -> Result<Envelope, Fault> {
    let bad_key = |_| Fault::partner(Check::N5, receiver, Violation::KeyMaterial);
    let (round, dealer) = (common.round(), common.index);
    let member = roll
        .members
        .get(&receiver)
        .ok_or(Fault::coordinator(Check::N5, Violation::Membership))?;
    let ends = ChannelEnds {
        round,
        roll: roll.digest,
        dealer,
        receiver,
    };
    let encapsulation = ends.encapsulation_message(&frozen.channel_seed, &member.channel);
    let (channel_ciphertext, kem) = member.channel.encapsulate(&encapsulation);
    let dh = channel.diffie_hellman(&member.channel).map_err(bad_key)?;
    let mask_ciphertext = if dealer < receiver {
        encapsulate_mask(&frozen.mask_seed, &roll.digest, receiver, &member.mask).0
    } else {
        Blob::default()
    };
    let mut plaintext = Zeroizing::new([0; 2 * SECRET_BYTES]);
    let (first, second) = plaintext.split_at_mut(SECRET_BYTES);
    first.copy_from_slice(shares.mask.expose());
    second.copy_from_slice(shares.own.expose());
    let sealed = seal_once(
        &ends.key(&kem, &dh, &channel_ciphertext),
        &ends.associated_data(&channel_ciphertext, &mask_ciphertext),
        plaintext.as_ref(),
    );
    Ok(Envelope {
        header_digest,
        receiver,
        channel_ciphertext,
        mask_ciphertext,
        sealed: sealed.into(),
        shares: share_commitments(&round, dealer, receiver, shares),
    })
}

impl Sharing {
    pub(super) fn new(common: Common, frozen: Frozen, roll: Roll, header: SignedHeader) -> Self {
        Self {
            common,
            frozen,
            roll,
            header,
        }
    }

    /// N6: U₂ ⊆ roll, self ∈ U₂, |U₂| ≥ m, every header of U₂ signed and on my roll digest, every envelope to me
    /// signed under that header; boxes opened, shares match their commitments, failures listed.
    ///
    /// # Errors
    /// The coordinator is at fault: an honest one checks all of this but the boxes, whose failures are listed,
    /// not refused.
    pub fn check_delivery(&self, bytes: &[u8]) -> Result<VerifiedDelivery, Fault> {
        let refused = |violation| Fault::coordinator(Check::N6, violation);
        let body: DeliveryBody = self.common.open(bytes, Phase::Share, Check::N6)?;
        let members = self.check_headers(&body.headers)?;
        let expected = members.iter().filter(|index| **index != self.common.index);
        if body.envelopes.len() != expected.clone().count() {
            return Err(refused(Violation::Length));
        }
        let mut dealers = Dealers {
            digest: self.dealers_digest(&body.headers).map_err(refused)?,
            members: members.clone(),
            mask_ciphertexts: BTreeMap::new(),
            shares: BTreeMap::new(),
            bad: Vec::new(),
        };
        let channel = AgreementSecret::from_seed(&self.frozen.channel_seed);
        for (dealer, envelope) in expected.zip(&body.envelopes) {
            self.check_envelope(*dealer, envelope, &body.headers)
                .map_err(refused)?;
            let envelope = &envelope.envelope;
            dealers
                .mask_ciphertexts
                .insert(*dealer, envelope.mask_ciphertext.clone());
            match self.open_envelope(&channel, *dealer, envelope) {
                Some(shares) => {
                    dealers.shares.insert(*dealer, shares);
                }
                None => dealers.bad.push(*dealer),
            }
        }
        let own = Polynomials::of(&self.common, &self.frozen, &self.roll.digest)
            .and_then(|polynomials| polynomials.shares_for(self.common.index))
            .map_err(|_| Fault::caller(Check::N6, Violation::Params))?;
        dealers.shares.insert(self.common.index, own);
        Ok(VerifiedDelivery {
            dealers,
            bytes: Blob::from(bytes),
        })
    }

    fn check_headers(&self, headers: &[SignedHeader]) -> Result<Vec<u8>, Fault> {
        let refused = |violation| Fault::coordinator(Check::N6, violation);
        let members: Vec<u8> = headers.iter().map(|signed| signed.header.dealer).collect();
        let on_roll = members
            .iter()
            .all(|index| self.roll.members.contains_key(index));
        if !members.is_sorted_by(|a, b| a < b) || !on_roll {
            return Err(refused(Violation::Membership));
        }
        if members.len() < usize::from(self.common.context.params().least_survivors()) {
            return Err(refused(Violation::TooFew));
        }
        let ours = headers
            .iter()
            .find(|signed| signed.header.dealer == self.common.index);
        match ours {
            None => return Err(refused(Violation::SelfMissing)),
            Some(ours) if *ours != self.header => return Err(refused(Violation::SelfChanged)),
            Some(_) => {}
        }
        for signed in headers {
            let header = &signed.header;
            if header.round != self.common.round() || header.roll_digest != self.roll.digest {
                return Err(refused(Violation::DigestMismatch));
            }
            let key = self.common.context.key(header.dealer);
            let key = key.ok_or(refused(Violation::Membership))?;
            signed.verify(key).map_err(refused)?;
        }
        Ok(members)
    }

    fn dealers_digest(&self, headers: &[SignedHeader]) -> Result<Digest, Violation> {
        let mut digests = Vec::with_capacity(headers.len());
        for signed in headers {
            let digest = signed.header.digest().map_err(|_| Violation::Encoding)?;
            digests.push((signed.header.dealer, digest));
        }
        Ok(dealers_digest(
            &self.common.round(),
            &self.roll.digest,
            &digests,
        ))
    }

    fn check_envelope(
        &self,
        dealer: u8,
        signed: &SignedEnvelope,
        headers: &[SignedHeader],
    ) -> Result<(), Violation> {
        let header = headers
            .iter()
            .find(|signed| signed.header.dealer == dealer)
            .ok_or(Violation::Membership)?;
        let header_digest = header.header.digest().map_err(|_| Violation::Encoding)?;
        let envelope = &signed.envelope;
        if envelope.receiver != self.common.index || envelope.header_digest != header_digest {
            return Err(Violation::Misdirected);
        }
        let key = self
            .common
            .context
            .key(dealer)
            .ok_or(Violation::Membership)?;
        signed.verify(key)?;
        let ciphertext_length = mask::mask_ciphertext_bytes(dealer, self.common.index);
        if envelope.mask_ciphertext.as_ref().len() != ciphertext_length {
            return Err(Violation::Length);
        }
        Ok(())
    }

    /// The shares in a box, or `None` where it does not open or they do not match their commitments.
    fn open_envelope(
        &self,
        channel: &AgreementSecret,
        dealer: u8,
        envelope: &Envelope,
    ) -> Option<HeldShares> {
        let receiver = self.common.index;
        let (round, roll) = (self.common.round(), self.roll.digest);
        let ends = ChannelEnds {
            round,
            roll,
            dealer,
            receiver,
        };
        let member = self.roll.members.get(&dealer)?;
        let kem = channel.decapsulate(&envelope.channel_ciphertext).ok()?;
        let dh = channel.diffie_hellman(&member.channel).ok()?;
        let key = ends.key(&kem, &dh, &envelope.channel_ciphertext);
        let associated =
            ends.associated_data(&envelope.channel_ciphertext, &envelope.mask_ciphertext);
        let plaintext = open_once(&key, &associated, envelope.sealed.as_ref()).ok()?;
        let (chunks, rest) = plaintext.as_chunks::<SECRET_BYTES>();
        let ([mask, own], []) = (chunks, rest) else {
            return None;
        };
        let shares = HeldShares {
            mask: Secret::from_bytes(*mask),
            own: Secret::from_bytes(*own),
        };
        let commitments = share_commitments(&round, dealer, receiver, &shares);
        (commitments == envelope.shares).then_some(shares)
    }

    /// Masks the contribution. The record goes with the budget charge: both durable before the first byte.
    ///
    /// # Errors
    /// A partner whose mask key or ciphertext cannot be used is named.
    pub fn mask(self, verified: VerifiedDelivery) -> Result<Step<Masking>, Fault> {
        let VerifiedDelivery { dealers, bytes } = verified;
        let body = mask::masked_vector(&self.common, &self.frozen, &self.roll, &dealers)?;
        let message = self.common.sign(Phase::Mask, &body)?;
        let masking = Masking::new(self.common, self.roll.digest, dealers);
        Ok(Step::new(NodeRecord::Delivery(bytes), message, masking))
    }
}

/// A share as it is revealed.
pub(super) fn reveal(share: &Secret) -> HexBytes<SECRET_BYTES> {
    HexBytes(*share.expose())
}
