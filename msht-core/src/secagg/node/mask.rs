//! Phase 2: the masked vector out, the survivor set in.

use super::Common;
use super::confirm::Confirming;
use super::frozen::Frozen;
use super::share::Dealers;
use super::step::{NodeRecord, Step};
use crate::crypto::{AgreementSecret, CIPHERTEXT_BYTES, Digest, MaskStream, Sign};
use crate::secagg::checks::{Check, Fault, Violation};
use crate::secagg::derive::{Binding, pair_mask_key_of, self_mask_key};
use crate::secagg::messages::{ConfirmBody, MaskBody, Phase, SurvivorsBody};
use crate::secagg::roll::Roll;
use crate::secagg::words::Words;
use crate::wire::Blob;

/// The node has sent, or may send, its masked vector and waits for the survivor set.
pub struct Masking {
    common: Common,
    roll_digest: Digest,
    dealers: Dealers,
}

/// A survivor set that passed N7.
pub struct VerifiedSurvivors {
    survivors: Vec<u8>,
    bytes: Blob,
}

/// Length of the mask ciphertext from `dealer` to `receiver`: the lower index encapsulates.
pub(crate) fn mask_ciphertext_bytes(dealer: u8, receiver: u8) -> usize {
    if dealer < receiver {
        CIPHERTEXT_BYTES
    } else {
        0
    }
}

/// Whether the partner with `index` adds or subtracts the mask it has with `other`.
pub(crate) fn pair_sign(index: u8, other: u8) -> Sign {
    if index < other {
        Sign::Add
    } else {
        Sign::Subtract
    }
}

/// y = x + PRG(self mask) + Σ_{j > i} PRG(s_ij) − Σ_{j < i} PRG(s_ji) over U₂ (CCS 2017, section 4).
pub(super) fn masked_vector(
    common: &Common,
    frozen: &Frozen,
    roll: &Roll,
    dealers: &Dealers,
) -> Result<MaskBody, Fault> {
    let binding = Binding {
        round: common.round(),
        roll: roll.digest,
        dealers: dealers.digest,
    };
    let secret = AgreementSecret::from_seed(&frozen.mask_seed);
    let nothing = Blob::default();
    let mut streams = vec![MaskStream::new(
        &self_mask_key(&binding, &frozen.self_seed),
        Sign::Add,
    )];
    for other in dealers
        .members
        .iter()
        .copied()
        .filter(|other| *other != common.index)
    {
        let bad = Fault::partner(Check::N6, other, Violation::KeyMaterial);
        let key = &roll.members.get(&other).ok_or(bad)?.mask;
        let received = dealers.mask_ciphertexts.get(&other).unwrap_or(&nothing);
        let ours = (common.index, &frozen.mask_seed, &secret);
        let pair_key = pair_mask_key_of(&binding, ours, (other, key), received).map_err(|_| bad)?;
        streams.push(MaskStream::new(&pair_key, pair_sign(common.index, other)));
    }
    let size = common.context.word_size();
    let mut vector = Words::zeros(size, common.context.cells());
    let contribution = zeroize::Zeroizing::new(frozen.contribution.to_le_bytes());
    if !vector.add_le_bytes(&contribution) {
        return Err(Fault::caller(Check::C2, Violation::Length));
    }
    vector.apply(&streams);
    Ok(MaskBody {
        dealers_digest: dealers.digest,
        vector: vector.to_le_bytes().into(),
        bad_dealers: dealers.bad.clone(),
    })
}

impl Masking {
    pub(super) fn new(common: Common, roll_digest: Digest, dealers: Dealers) -> Self {
        Self {
            common,
            roll_digest,
            dealers,
        }
    }

    /// N7: U₃ ⊆ U₂, |U₃| ≥ m, self ∈ U₃ (which an honest coordinator includes only once it acknowledged our Mask).
    /// That no other U₃ is ever signed for this round follows from the record of this step, which has one slot.
    ///
    /// # Errors
    /// The coordinator is at fault.
    pub fn check_survivors(&self, bytes: &[u8]) -> Result<VerifiedSurvivors, Fault> {
        let refused = |violation| Fault::coordinator(Check::N7, violation);
        let SurvivorsBody { survivors } = self.common.open(bytes, Phase::Mask, Check::N7)?;
        let in_dealers = survivors
            .iter()
            .all(|index| self.dealers.members.contains(index));
        if !survivors.is_sorted_by(|a, b| a < b) || !in_dealers {
            return Err(refused(Violation::Membership));
        }
        if survivors.len() < usize::from(self.common.context.params().least_survivors()) {
            return Err(refused(Violation::TooFew));
        }
        if !survivors.contains(&self.common.index) {
            return Err(refused(Violation::SelfMissing));
        }
        Ok(VerifiedSurvivors {
            survivors,
            bytes: Blob::from(bytes),
        })
    }

    /// Confirms the survivor set.
    ///
    /// # Errors
    /// None that a caller can cause.
    pub fn confirm(self, verified: VerifiedSurvivors) -> Result<Step<Confirming>, Fault> {
        let body = ConfirmBody {
            roll_digest: self.roll_digest,
            dealers_digest: self.dealers.digest,
            survivors: verified.survivors,
        };
        let message = self.common.sign(Phase::Confirm, &body)?;
        let confirming = Confirming::new(self.common, self.dealers, body);
        Ok(Step::new(
            NodeRecord::Survivors(verified.bytes),
            message,
            confirming,
        ))
    }
}
