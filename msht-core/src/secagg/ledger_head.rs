//! Where a node's ledger ends, signed, so that the coordinator notices a node that has forgotten something.
//!
//! A node states its head whenever it connects, and Join carries it as well. The coordinator keeps the latest and
//! shows it to a node that is behind it. The node believes its own signature and nothing else: a coordinator can
//! neither frighten a healthy node nor let a restored one pass unless it forgets on purpose.

use serde::{Deserialize, Serialize};

use super::messages::{JoinBody, Phase, SignedMessage};
use crate::crypto::{BadSignature, Digest, Identity, IdentityKey, SignLabel, Signature, digest};
use crate::dp::accountant::{Ledger, LedgerEntry};
use crate::wire::{MAX_ENCODED_BYTES, decode};

/// Length of a ledger and digest of its last entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerHead {
    /// Number of entries.
    pub length: u64,
    /// Digest of the last one; zero where there is none.
    pub digest: Digest,
}

impl LedgerHead {
    /// The head of a ledger.
    #[must_use]
    pub fn of(ledger: &Ledger) -> Self {
        Self {
            length: ledger.length(),
            digest: ledger.head(),
        }
    }

    /// Whether these entries begin with the ledger that ends here.
    #[must_use]
    pub fn is_in(&self, entries: &[LedgerEntry]) -> bool {
        let Some(before) = self.length.checked_sub(1) else {
            return self.digest == Digest::ZERO;
        };
        let last = usize::try_from(before).ok().and_then(|at| entries.get(at));
        last.is_some_and(|entry| entry.digest().is_ok_and(|digest| digest == self.digest))
    }
}

/// A node's signed word to one coordinator on where its ledger ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadStatement {
    /// Where it ends.
    pub head: LedgerHead,
    /// The later head that this ledger gave up, after somebody at the partner decided so.
    pub replaces: Option<Digest>,
    /// Signature over both and the coordinator's key.
    pub signature: Signature,
}

fn statement_digest(
    coordinator: &IdentityKey,
    head: &LedgerHead,
    replaces: Option<Digest>,
) -> Digest {
    let replaced = replaces.unwrap_or(Digest::ZERO);
    digest(
        "ledger-head",
        &[
            coordinator.as_bytes(),
            &head.length.to_le_bytes(),
            head.digest.as_bytes(),
            &[u8::from(replaces.is_some())],
            replaced.as_bytes(),
        ],
    )
}

impl HeadStatement {
    /// Signs where the ledger ends.
    #[must_use]
    pub fn sign(
        identity: &Identity,
        coordinator: &IdentityKey,
        head: LedgerHead,
        replaces: Option<Digest>,
    ) -> Self {
        let content = statement_digest(coordinator, &head, replaces);
        Self {
            head,
            replaces,
            signature: identity.sign(SignLabel::LedgerHead, &content),
        }
    }

    /// Checks the signature of the node with `key`.
    ///
    /// # Errors
    /// [`BadSignature`].
    pub fn verify(&self, key: &IdentityKey, coordinator: &IdentityKey) -> Result<(), BadSignature> {
        let content = statement_digest(coordinator, &self.head, self.replaces);
        key.verify(SignLabel::LedgerHead, &content, &self.signature)
    }
}

/// What shows that a node signed a head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum HeadProof {
    /// A statement to the coordinator.
    Statement(HeadStatement),
    /// A Join message.
    Join(SignedMessage),
}

impl HeadProof {
    /// The head that the node with `key` signed; none where it did not.
    #[must_use]
    pub fn head_signed_by(
        &self,
        key: &IdentityKey,
        coordinator: &IdentityKey,
    ) -> Option<LedgerHead> {
        match self {
            Self::Statement(statement) => statement
                .verify(key, coordinator)
                .ok()
                .map(|()| statement.head),
            Self::Join(message) => {
                message
                    .verify(&message.round, Phase::Join, message.sender, key)
                    .ok()?;
                let body: JoinBody = decode(message.body.as_ref(), MAX_ENCODED_BYTES).ok()?;
                Some(LedgerHead {
                    length: body.ledger_length,
                    digest: body.ledger_head,
                })
            }
        }
    }
}

/// Whether a head may follow the latest one known of the same node, for the coordinator.
///
/// A longer ledger may (only the node can tell whether it is an extension), the same one may, and one that says
/// which head it gave up.
#[must_use]
pub fn head_may_follow(known: &LedgerHead, told: &LedgerHead, replaces: Option<Digest>) -> bool {
    told.length > known.length || told == known || replaces == Some(known.digest)
}

/// What a head that this node signed says about its database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadStanding {
    /// The ledger has it: whoever showed it had only not heard of later entries, or of earlier ones.
    Held,
    /// The ledger lost it, and somebody has decided about that.
    GivenUp,
    /// The ledger does not have it: the database is an older copy, or there are two.
    Unknown,
}

/// Compares a head that this node signed with its ledger.
#[must_use]
pub fn head_standing(
    signed: &LedgerHead,
    ledger: &Ledger,
    entries: &[LedgerEntry],
) -> HeadStanding {
    if signed.is_in(entries) {
        HeadStanding::Held
    } else if signed.length <= ledger.lost_up_to() {
        HeadStanding::GivenUp
    } else {
        HeadStanding::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Secret;
    use crate::dp::accountant::{Caps, Resolution};
    use crate::rational::Rational;

    fn identity(byte: u8) -> Identity {
        Identity::from_seed(Secret::from_bytes([byte; 32])).unwrap()
    }

    fn head(length: u64, byte: u8) -> LedgerHead {
        LedgerHead {
            length,
            digest: crate::crypto::HexBytes([byte; 32]),
        }
    }

    #[test]
    fn a_statement_holds_for_its_node_its_coordinator_and_its_content_only() {
        let (node, coordinator, other) = (identity(1), identity(2).key(), identity(3).key());
        let statement = HeadStatement::sign(&node, &coordinator, head(3, 1), None);
        statement.verify(&node.key(), &coordinator).unwrap();
        assert!(statement.verify(&other, &coordinator).is_err());
        assert!(statement.verify(&node.key(), &other).is_err());
        let changed = [
            HeadStatement {
                head: head(4, 1),
                ..statement
            },
            HeadStatement {
                head: head(3, 2),
                ..statement
            },
            HeadStatement {
                replaces: Some(Digest::ZERO),
                ..statement
            },
        ];
        for changed in changed {
            assert!(
                changed.verify(&node.key(), &coordinator).is_err(),
                "{changed:?}"
            );
            let proof = HeadProof::Statement(changed);
            assert_eq!(proof.head_signed_by(&node.key(), &coordinator), None);
        }
        let proof = HeadProof::Statement(statement);
        assert_eq!(
            proof.head_signed_by(&node.key(), &coordinator),
            Some(head(3, 1))
        );
    }

    #[test]
    fn a_shorter_or_a_different_head_may_not_follow_unless_it_says_what_it_gave_up() {
        let known = head(5, 1);
        assert!(head_may_follow(&known, &head(6, 9), None));
        assert!(head_may_follow(&known, &known, None));
        assert!(!head_may_follow(&known, &head(4, 1), None));
        assert!(!head_may_follow(&known, &head(5, 2), None));
        assert!(!head_may_follow(
            &known,
            &head(4, 2),
            Some(head(5, 9).digest)
        ));
        assert!(head_may_follow(&known, &head(4, 2), Some(known.digest)));
    }

    #[test]
    fn a_node_believes_its_own_signature_unless_its_ledger_holds_the_head_or_gave_it_up() {
        let caps = Caps {
            per_period: Rational::one(),
            per_year: Rational::one(),
        };
        let resolution = Resolution {
            by: "officer".to_owned(),
            found: "a copy".to_owned(),
            furthest: 4,
        };
        let entries = Ledger::default()
            .recovery(&[], resolution, &caps, 1)
            .unwrap();
        let ledger = Ledger::replay(&entries).unwrap();
        let standing = |head| head_standing(&head, &ledger, &entries);
        assert_eq!(standing(LedgerHead::of(&ledger)), HeadStanding::Held);
        assert_eq!(standing(head(0, 0)), HeadStanding::Held);
        assert_eq!(standing(head(1, 9)), HeadStanding::GivenUp);
        assert_eq!(standing(head(4, 9)), HeadStanding::GivenUp);
        assert_eq!(standing(head(5, 9)), HeadStanding::Unknown);
    }

    #[test]
    fn the_bytes_of_a_statement_are_frozen() {
        let statement = HeadStatement::sign(
            &identity(1),
            &identity(2).key(),
            head(3, 4),
            Some(head(5, 6).digest),
        );
        let bytes = crate::wire::encode(&HeadProof::Statement(statement)).unwrap();
        assert_eq!(hex::encode(bytes), FROZEN);
    }

    const FROZEN: &str = concat!(
        "0000000003000000000000000404040404040404040404040404040404040404040404040404",
        "0404040404040106060606060606060606060606060606060606060606060606060606060606",
        "0607c1b5a75678ba7a7a60979db9a9ba01c79a883b79b87ed0bac1698aa0f76b32092a1fa3a0",
        "f25a043fa119208b2a6ad6f694662a3dc22a8f8f49366bf6eeb209"
    );
}
