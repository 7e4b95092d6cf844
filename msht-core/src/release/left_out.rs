//! A release without a node's vector returns that node's charge.
//!
//! t partners confirmed survivors among which the node is not. With 2t > n + c no other set can gather t
//! confirmations, and honest partners give the share of a self mask only for a set with t of them: the node's
//! vector stays masked for ever, although it may have been sent.

use super::document::Release;
use super::verify::{ReleaseFault, check_confirmations, is_survivor_set};
use crate::dp::accountant::{ReturnEvidence, ReturnGround};
use crate::secagg::{Document, RoundContext};

/// Why a release does not show that a node was left out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotLeftOut {
    /// It is the release of another round.
    #[error("it is the release of another round")]
    OtherRound,
    /// The node is not on the round's invited list.
    #[error("the node was not invited to the round")]
    NotInvited,
    /// The node's vector is in the sum.
    #[error("the node's figures are in it")]
    InTheSum,
    /// The survivor set is not one, or too few confirmed it.
    #[error(transparent)]
    Release(#[from] ReleaseFault),
}

/// The evidence that returns the charge of `partner`: t valid Confirm signatures, in `release`, for survivors without
/// it. `context` holds the round's terms as the node has them; nothing else of the release is looked at, not even
/// the coordinator's signature.
///
/// # Errors
/// [`NotLeftOut`].
pub fn left_out(
    release: &Release,
    context: &RoundContext,
    partner: &str,
) -> Result<ReturnEvidence, NotLeftOut> {
    if release.round != context.round() {
        return Err(NotLeftOut::OtherRound);
    }
    let index = context.index_of(partner).ok_or(NotLeftOut::NotInvited)?;
    let survivors = &release.proof.survivors;
    if !is_survivor_set(survivors, context) {
        return Err(ReleaseFault::Field("proof.survivors").into());
    }
    if survivors.contains(&index) {
        return Err(NotLeftOut::InTheSum);
    }
    check_confirmations(release, context)?;
    let digest = release.digest();
    let digest = digest.map_err(|_| ReleaseFault::Field("proof"))?;
    let ground = ReturnGround::ConfirmedWithout(digest);
    Ok(ReturnEvidence::verified(context.round(), ground))
}
