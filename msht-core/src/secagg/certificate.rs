//! Abort certificates: evidence that a round can never be opened, which returns the charges made for it.
//!
//! A node that gave a round up signs that it never sent Unmask, never will, and has erased its shares durably.
//! Of n invited partners at most c lie. Among n − t + 1 + c such statements at least n − t + 1 are honest, so at
//! most t − 1 partners can ever give a share: no seed of the round, and so no vector, is ever opened
//! ([`Params::statements_needed`]). The rules 2t > n + c and m − c ≥ 2 make that fewer than n, so a certificate
//! can always be made without somebody.
//!
//! What counts is what the signers did. That a node signs only after its tombstone and its erasure are durable is
//! [`may_sign_abort`]; the shell stores first and asks then.
//!
//! [`Params::statements_needed`]: super::Params::statements_needed

use serde::{Deserialize, Serialize};

use super::checks::{Check, Fault, Violation};
use super::context::RoundContext;
use super::params::MOST_INVITED;
use super::signed::{Document, Signed, Verified};
use crate::crypto::{Digest, Identity, SIGNATURE_BYTES, SignLabel, Signature, digest};
use crate::dp::accountant::{Ledger, Outcome, ReturnEvidence, ReturnGround};
use crate::wire::{DecodeError, decode, encode};

/// Bytes of a signed statement: round, partner, signature.
pub const MAX_STATEMENT_BYTES: usize = 32 + 1 + SIGNATURE_BYTES;
/// Longest certificate: round, length of the list, and index and signature of each partner of the largest cohort.
pub const MAX_CERTIFICATE_BYTES: usize = 32 + 8 + (1 + SIGNATURE_BYTES) * MOST_INVITED;

/// "I never sent Unmask for this round, never will, and have erased its seeds and shares durably."
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AbortStatement {
    /// The round.
    pub round: Digest,
    /// Index of the partner in the invited list, counted from 1.
    pub partner: u8,
}

impl Document for AbortStatement {
    const LABEL: SignLabel = SignLabel::NeverUnmasked;
    const DIGEST_LABEL: &'static str = "never-unmasked";
}

/// One partner's signature on its [`AbortStatement`] of the round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatementSignature {
    /// Index of the partner.
    pub partner: u8,
    /// Its signature.
    pub signature: Signature,
}

/// Enough statements on one round; as received, nothing about it is checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AbortCertificate {
    /// The round.
    pub round: Digest,
    /// Statements of distinct invited partners, in list order.
    pub statements: Vec<StatementSignature>,
}

/// What a node knows of a round of its own when it is asked to sign that it never unmasked.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// The ledger as it is durably stored.
    pub ledger: &'a Ledger,
    /// It is durable that the node will never join the round or go on with it.
    pub given_up: bool,
    /// It is durable that nothing of the round is kept: no seed, no share, no message.
    pub erased: bool,
    /// The node was restored from a copy, or cannot rule it out: it does not know what it has sent.
    pub quarantined: bool,
}

/// Why a node does not sign that it never unmasked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotSigned {
    /// It may have sent Unmask before it was restored.
    #[error("the node was restored from a copy and does not know what it has sent")]
    Quarantined,
    /// It is not on the invited list.
    #[error("the node is not invited to the round")]
    NotInvited,
    /// It sent Unmask, or made durable that it would.
    #[error("the node has unmasked in this round")]
    Unmasked,
    /// Its figures are in the release.
    #[error("the node's figures are in the release of the round")]
    Released,
    /// It may still go on with the round.
    #[error("the node has not durably given the round up")]
    StillGoing,
    /// It still holds seeds or shares.
    #[error("the node has not erased what it holds of the round")]
    NotErased,
}

/// Leave to sign one statement.
#[derive(Debug)]
pub struct MaySign(AbortStatement);

/// Whether the node `partner` may sign that it never unmasked in the round of `context`.
///
/// Never after Unmask was sent, never by a node that was restored from a copy, and never before its tombstone and
/// the erasure of its shares are durable.
///
/// # Errors
/// [`NotSigned`]; what is [`NotSigned::StillGoing`] or [`NotSigned::NotErased`] may be mended, the rest never.
pub fn may_sign_abort(
    context: &RoundContext,
    partner: &str,
    standing: &Standing<'_>,
) -> Result<MaySign, NotSigned> {
    if standing.quarantined {
        return Err(NotSigned::Quarantined);
    }
    let index = context.index_of(partner).ok_or(NotSigned::NotInvited)?;
    let round = context.round();
    match standing.ledger.outcome(&round) {
        Some(Outcome::Forgotten) => return Err(NotSigned::Quarantined),
        Some(Outcome::Unmasked) => return Err(NotSigned::Unmasked),
        Some(Outcome::Released) => return Err(NotSigned::Released),
        Some(Outcome::Reserved | Outcome::Charged) => return Err(NotSigned::StillGoing),
        None | Some(Outcome::Tombstoned | Outcome::Abandoned | Outcome::Returned) => {}
    }
    if !standing.given_up {
        return Err(NotSigned::StillGoing);
    }
    if !standing.erased {
        return Err(NotSigned::NotErased);
    }
    let partner = index;
    Ok(MaySign(AbortStatement { round, partner }))
}

impl MaySign {
    /// The encoding of the signed statement. The same bytes each time.
    ///
    /// # Errors
    /// [`DecodeError::TooLong`], which no statement reaches.
    pub fn sign(self, identity: &Identity) -> Result<Vec<u8>, DecodeError> {
        encode(&Signed::sign(self.0, identity)?)
    }
}

/// A statement as the coordinator receives it from the invited partner with index `sender`.
///
/// # Errors
/// C2 for what is no statement; C1 for a statement on another round, of another partner, or without that partner's
/// signature. The sender is at fault: nobody else can be named by it.
pub fn check_statement(
    context: &RoundContext,
    sender: u8,
    bytes: &[u8],
) -> Result<Verified<AbortStatement>, Fault> {
    let fault = |check, violation| Fault::partner(check, sender, violation);
    let statement: Signed<AbortStatement> =
        decode(bytes, MAX_STATEMENT_BYTES).map_err(|_| fault(Check::C2, Violation::Encoding))?;
    if statement.content.round != context.round() || statement.content.partner != sender {
        return Err(fault(Check::C1, Violation::Misdirected));
    }
    let key = context.key(sender);
    let key = key.ok_or(fault(Check::C1, Violation::Membership))?;
    statement
        .verify(key)
        .map_err(|_| fault(Check::C1, Violation::Signature))
}

/// Why an abort certificate is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFault {
    /// Not decodable, too long, or trailing bytes.
    #[error("it is malformed")]
    Encoding,
    /// For another round.
    #[error("it is about another round")]
    OtherRound,
    /// Somebody who is not invited, somebody twice, or out of order.
    #[error("it names a partner that is not invited, twice, or out of order")]
    Membership,
    /// Too few statements.
    #[error("it has {found} statements; {needed} are needed")]
    TooFew {
        /// Statements in it.
        found: usize,
        /// n − t + 1 + c.
        needed: usize,
    },
    /// A signature does not verify.
    #[error("the statement of partner number {partner} does not verify")]
    Signature {
        /// Index of the partner.
        partner: u8,
    },
}

/// A certificate whose every statement was checked against the terms of its round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedCertificate {
    certificate: AbortCertificate,
    digest: Digest,
}

impl VerifiedCertificate {
    /// The certificate.
    #[must_use]
    pub fn certificate(&self) -> &AbortCertificate {
        &self.certificate
    }

    /// Digest of its encoding.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// What returns the charge of the round.
    #[must_use]
    pub fn evidence(&self) -> ReturnEvidence {
        let ground = ReturnGround::AbortCertificate(self.digest);
        ReturnEvidence::verified(self.certificate.round, ground)
    }
}

impl AbortCertificate {
    /// Puts statements together, in list order; none while there are fewer than are needed.
    ///
    /// # Errors
    /// As [`Self::verify`], where a statement is not what it should be.
    pub fn assemble(
        context: &RoundContext,
        statements: impl IntoIterator<Item = Signed<AbortStatement>>,
    ) -> Result<Option<VerifiedCertificate>, CertificateFault> {
        let signature_of = |signed: Signed<AbortStatement>| {
            let (content, signature) = (signed.content, signed.signature);
            let partner = content.partner;
            let of_this_round = content.round == context.round();
            of_this_round.then_some(StatementSignature { partner, signature })
        };
        let statements: Option<Vec<_>> = statements.into_iter().map(signature_of).collect();
        let mut statements = statements.ok_or(CertificateFault::OtherRound)?;
        statements.sort_by_key(|each| each.partner);
        if statements.len() < usize::from(context.params().statements_needed()) {
            return Ok(None);
        }
        let round = context.round();
        Self { round, statements }.verify(context).map(Some)
    }

    /// Decodes and verifies a certificate.
    ///
    /// # Errors
    /// [`CertificateFault`].
    pub fn from_bytes(
        bytes: &[u8],
        context: &RoundContext,
    ) -> Result<VerifiedCertificate, CertificateFault> {
        let certificate: Self =
            decode(bytes, MAX_CERTIFICATE_BYTES).map_err(|_| CertificateFault::Encoding)?;
        certificate.verify(context)
    }

    /// The encoding.
    ///
    /// # Errors
    /// [`DecodeError::TooLong`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, DecodeError> {
        encode(self)
    }

    /// Checks that at least n − t + 1 + c distinct invited partners signed, and nobody else.
    ///
    /// # Errors
    /// [`CertificateFault`]: the certificate proves nothing.
    pub fn verify(self, context: &RoundContext) -> Result<VerifiedCertificate, CertificateFault> {
        if self.round != context.round() {
            return Err(CertificateFault::OtherRound);
        }
        let partners: Vec<u8> = self.statements.iter().map(|each| each.partner).collect();
        if !context.is_ordered_subset(&partners) {
            return Err(CertificateFault::Membership);
        }
        let (found, needed) = (partners.len(), context.params().statements_needed().into());
        if found < needed {
            return Err(CertificateFault::TooFew { found, needed });
        }
        for StatementSignature { partner, signature } in &self.statements {
            let (round, partner) = (self.round, *partner);
            let content = AbortStatement { round, partner };
            let content = content.digest().map_err(|_| CertificateFault::Encoding)?;
            let key = context.key(partner).ok_or(CertificateFault::Membership)?;
            key.verify(AbortStatement::LABEL, &content, signature)
                .map_err(|_| CertificateFault::Signature { partner })?;
        }
        let bytes = self.to_bytes().map_err(|_| CertificateFault::Encoding)?;
        Ok(VerifiedCertificate {
            certificate: self,
            digest: digest("abort-certificate", &[&bytes]),
        })
    }
}
