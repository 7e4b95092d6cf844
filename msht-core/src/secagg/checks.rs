//! The numbered checks of the protocol, and what a failed one says.

use std::fmt;

/// A check of the protocol, by the number it has in `docs/protocol.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    missing_docs,
    reason = "the numbers are the names; docs/protocol.md says what each is"
)]
pub enum Check {
    N1,
    N2,
    N3,
    N4,
    N5,
    N6,
    N7,
    N8,
    N9,
    C1,
    C2,
    C3,
    C4,
    C5,
    C6,
    C7,
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Whose fault a refused input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Blame {
    /// The coordinator sent what an honest one never sends.
    Coordinator,
    /// The partner with this index did.
    Partner(u8),
    /// Our own caller: the input does not belong to this state.
    Caller,
}

/// What is wrong with a refused input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Violation {
    /// Not decodable, trailing bytes, or longer than announced.
    #[error("a malformed, oversized or non-canonical encoding")]
    Encoding,
    /// A signature does not verify.
    #[error("a signature that does not verify")]
    Signature,
    /// For another round, phase or sender.
    #[error("a message that belongs to another round, phase or sender")]
    Misdirected,
    /// A digest that the message must repeat is another one.
    #[error("a digest that differs from ours")]
    DigestMismatch,
    /// A list holds a partner that may not be in it, or one twice, or is out of order.
    #[error("a list with a partner that is not expected, out of order or there twice")]
    Membership,
    /// We are not in a list we must be in.
    #[error("a list without us")]
    SelfMissing,
    /// What stands for us is not what we sent.
    #[error("our own message changed")]
    SelfChanged,
    /// Fewer members, signatures or shares than the rules ask for.
    #[error("fewer members or signatures than the rules ask for")]
    TooFew,
    /// A different message for a slot that is taken.
    #[error("a second, different message for the same slot")]
    Equivocation,
    /// The phase is closed or not open yet.
    #[error("a message for a phase that is not open")]
    PhaseNotOpen,
    /// A length or count differs from the announced one.
    #[error("a length or count that differs from the announced one")]
    Length,
    /// A public key or ciphertext is malformed.
    #[error("a malformed public key or ciphertext")]
    KeyMaterial,
    /// A revealed share does not match its commitment.
    #[error("a share that does not match its commitment")]
    ShareCommitment,
    /// A recovered seed does not match its commitment, keys or ciphertexts.
    #[error("a seed that does not match its commitment, keys or ciphertexts")]
    SeedCommitment,
    /// Both kinds of share of one partner.
    #[error("both kinds of share of one partner")]
    BothShares,
    /// A share is missing that the survivor set asks for, or there is one it does not ask for.
    #[error("shares other than those the survivor set asks for")]
    WrongShares,
    /// The numbers of the round break a rule.
    #[error("numbers that break the rules of the protocol")]
    Params,
    /// The announcement differs from the programme or roster it names.
    #[error("an announcement that differs from the programme or roster it names")]
    Announcement,
    /// The local policy does not allow it.
    #[error("terms that the local policy does not allow")]
    Policy,
    /// Both Unmask and the statement that it never was sent, from one partner.
    #[error("both its Unmask and a statement that it never unmasked")]
    UnmaskedAndDenied,
    /// A document does not follow the one it must follow.
    #[error("a document that does not follow on from the previous one")]
    Chain,
}

/// A refused input: which check, whose fault, what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("check {check}: {} sent {violation}", blame_text(*.blame))]
pub struct Fault {
    /// The check that failed.
    pub check: Check,
    /// Whose fault it is.
    pub blame: Blame,
    /// What is wrong.
    pub violation: Violation,
}

fn blame_text(blame: Blame) -> String {
    match blame {
        Blame::Coordinator => "the coordinator".to_owned(),
        Blame::Partner(index) => format!("partner number {index} of the invited list"),
        Blame::Caller => "the caller".to_owned(),
    }
}

impl Fault {
    /// A fault of the coordinator.
    #[must_use]
    pub fn coordinator(check: Check, violation: Violation) -> Self {
        Self {
            check,
            blame: Blame::Coordinator,
            violation,
        }
    }

    /// A fault of the partner with this index.
    #[must_use]
    pub fn partner(check: Check, index: u8, violation: Violation) -> Self {
        Self {
            check,
            blame: Blame::Partner(index),
            violation,
        }
    }

    /// A fault of our caller.
    #[must_use]
    pub fn caller(check: Check, violation: Violation) -> Self {
        Self {
            check,
            blame: Blame::Caller,
            violation,
        }
    }
}
