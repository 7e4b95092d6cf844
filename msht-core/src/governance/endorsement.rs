//! Partners vouch for the key of a new partner.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::statement::SignedEndorsement;
use crate::crypto::{IdentityKey, SignLabel};
use crate::secagg::{Document, Partner};

/// A partner saw another one's key: it compared the fingerprint out of band.
///
/// It names no roster and no round, so it holds whenever this partner has this key at this coordinator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endorsement {
    /// Id of the partner that vouches.
    pub endorser: String,
    /// Id of the partner vouched for.
    pub partner: String,
    /// The key that was seen.
    pub key: IdentityKey,
    /// Key of the coordinator whose roster it is about.
    pub coordinator: IdentityKey,
}

impl Document for Endorsement {
    const LABEL: SignLabel = SignLabel::Endorsement;
    const DIGEST_LABEL: &'static str = "endorsement";
}

/// A partner of a round has fewer endorsements than the programme asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "check N4: the programme asks for {needed} endorsements of a new partner by partners accepted here before; `{partner}` has {found}"
)]
pub struct Unendorsed {
    /// Id of the partner.
    pub partner: String,
    /// Valid endorsements by distinct partners.
    pub found: usize,
    /// Endorsements asked for.
    pub needed: usize,
}

/// The distinct partners among `accepted` (id and key) that validly endorse `partner`.
///
/// `coordinators` are the keys this node trusts its coordinator by, now or before a handover.
#[must_use]
pub fn endorsers(
    partner: &Partner,
    accepted: &[(String, IdentityKey)],
    endorsements: &[SignedEndorsement],
    coordinators: &[IdentityKey],
) -> BTreeSet<String> {
    let is_about = |content: &Endorsement| {
        content.partner == partner.id
            && content.key == partner.key
            && content.endorser != partner.id
            && coordinators.contains(&content.coordinator)
    };
    let valid = |each: &&SignedEndorsement| {
        let signer = accepted
            .iter()
            .find(|(id, key)| *id == each.content.endorser && *key != partner.key);
        is_about(&each.content)
            && signer.is_some_and(|(_, key)| SignedEndorsement::clone(each).verify(key).is_ok())
    };
    let valid = endorsements.iter().filter(valid);
    valid.map(|each| each.content.endorser.clone()).collect()
}

/// N4 of a programme that asks for endorsements: everybody invited who was not in the cohort accepted before, with
/// this key, is endorsed by `needed` of that cohort. The first cohort has nobody before it, and is accepted by a
/// person alone.
///
/// # Errors
/// [`Unendorsed`] names the first partner that is not.
pub fn check_endorsed(
    needed: usize,
    before: &[(String, IdentityKey)],
    invited: &[Partner],
    endorsements: &[SignedEndorsement],
    coordinators: &[IdentityKey],
) -> Result<(), Unendorsed> {
    if needed == 0 || before.is_empty() {
        return Ok(());
    }
    let is_new = |partner: &&Partner| {
        !before
            .iter()
            .any(|(id, key)| *id == partner.id && *key == partner.key)
    };
    for partner in invited.iter().filter(is_new) {
        let found = endorsers(partner, before, endorsements, coordinators).len();
        if found < needed {
            return Err(Unendorsed {
                partner: partner.id.clone(),
                found,
                needed,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{Identity, Secret};
    use crate::secagg::{PartnerKind, Signed};

    fn identity(byte: u8) -> Identity {
        Identity::from_seed(Secret::from_bytes([byte; 32])).unwrap()
    }

    fn partner(number: u8) -> Partner {
        Partner {
            id: format!("p{number}"),
            name: String::new(),
            kind: PartnerKind::Ngo,
            key: identity(number).key(),
        }
    }

    fn endorsement(endorser: u8, of: u8) -> Endorsement {
        Endorsement {
            endorser: format!("p{endorser}"),
            partner: format!("p{of}"),
            key: identity(of).key(),
            coordinator: identity(100).key(),
        }
    }

    fn signed(content: Endorsement, by: u8) -> SignedEndorsement {
        Signed::sign(content, &identity(by)).unwrap()
    }

    fn check(needed: usize, endorsements: &[SignedEndorsement]) -> Result<(), Unendorsed> {
        let before: Vec<_> = (1..=3)
            .map(|n| (format!("p{n}"), identity(n).key()))
            .collect();
        let invited: Vec<Partner> = (1..=4).map(partner).collect();
        check_endorsed(
            needed,
            &before,
            &invited,
            endorsements,
            &[identity(100).key()],
        )
    }

    #[test]
    fn n4_a_new_partner_needs_endorsements_of_enough_partners_accepted_before() {
        let good = [signed(endorsement(1, 4), 1), signed(endorsement(2, 4), 2)];
        assert_eq!(check(2, &good), Ok(()));
        let lacking = check(3, &good).unwrap_err();
        assert_eq!((lacking.partner.as_str(), lacking.found), ("p4", 2));
        assert!(check(1, &[]).is_err());
        assert_eq!(check(0, &[]), Ok(()), "a programme that asks for none");
        let nobody = check_endorsed(2, &[], &[partner(1)], &[], &[]);
        assert_eq!(nobody, Ok(()), "the first cohort");
    }

    #[test]
    fn n4_forged_repeated_and_foreign_endorsements_do_not_count() {
        let good = signed(endorsement(1, 4), 1);
        let changed = |change: fn(&mut Endorsement), by: u8| {
            let mut content = endorsement(2, 4);
            change(&mut content);
            signed(content, by)
        };
        for (bad, what) in [
            (good.clone(), "the same partner twice"),
            (signed(endorsement(2, 4), 3), "signed by another partner"),
            (signed(endorsement(4, 4), 4), "by itself"),
            (signed(endorsement(9, 4), 9), "by a partner never accepted"),
            (
                changed(|e| e.partner = "p9".to_owned(), 2),
                "another partner",
            ),
            (changed(|e| e.key = identity(8).key(), 2), "another key"),
            (
                changed(|e| e.coordinator = identity(7).key(), 2),
                "another coordinator",
            ),
        ] {
            let found = check(2, &[good.clone(), bad]).unwrap_err().found;
            assert_eq!(found, 1, "{what}");
        }
    }

    #[test]
    fn n4_a_partner_that_comes_back_with_another_key_is_new() {
        let before = [
            ("p1".to_owned(), identity(1).key()),
            ("p4".to_owned(), identity(9).key()),
        ];
        let coordinators = [identity(100).key()];
        let invited = [partner(1), partner(4)];
        let of =
            |list: &[SignedEndorsement]| check_endorsed(1, &before, &invited, list, &coordinators);
        assert!(of(&[]).is_err());
        assert_eq!(of(&[signed(endorsement(1, 4), 1)]), Ok(()));
        assert!(
            of(&[signed(endorsement(4, 4), 9)]).is_err(),
            "its own old key vouches for nothing"
        );
    }
}
