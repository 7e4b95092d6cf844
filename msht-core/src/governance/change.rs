//! What differs between the partners a person here accepted and a roster or an invited list.

use serde::{Deserialize, Serialize};

use super::succession::{Countersigned, KeyChange, succeeds};
use crate::crypto::{Digest, IdentityKey, digest};
use crate::secagg::{Partner, Roster};
use crate::wire::{DecodeError, encode};

/// A partner as it was last accepted here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownPartner {
    /// Its id.
    pub id: String,
    /// Its name then; empty where it was not recorded.
    pub name: String,
    /// Its key then.
    pub key: IdentityKey,
    /// Whether its removal was accepted since.
    pub removed: bool,
}

/// What kind of change it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// A partner nobody here has accepted, or whose removal was accepted.
    Added,
    /// A known partner has another key, and nothing but the coordinator's word stands for it.
    KeyChanged,
    /// A known partner has another key, and the key accepted here signed for it.
    KeyRotated,
    /// A known partner has another name.
    Renamed,
    /// A known partner is not on the roster any more.
    Removed,
    /// A partner of the programme's last accepted cohort is not invited any more.
    NotInvited,
}

/// One difference that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RosterChange {
    /// What kind of change.
    pub kind: ChangeKind,
    /// Id of the partner.
    pub partner: String,
    /// Its name: on the roster, or as it was known.
    pub name: String,
    /// The key it has on the roster; the last known one where it is not there any more.
    pub key: IdentityKey,
    /// The key accepted before, where there was one.
    pub before: Option<IdentityKey>,
    /// The programme whose cohort it is about; none where it is about the roster.
    pub programme: Option<String>,
}

impl RosterChange {
    /// What a decision on this change is kept under.
    ///
    /// # Errors
    /// [`DecodeError::TooLong`].
    pub fn digest(&self) -> Result<Digest, DecodeError> {
        Ok(digest("roster-change", &[&encode(self)?]))
    }
}

/// What differs between `known` and the roster, in order of id. Key changes vouch for a key only along a whole chain
/// from the key accepted here.
#[must_use]
pub fn roster_changes(
    known: &[KnownPartner],
    roster: &Roster,
    key_changes: &[Countersigned<KeyChange>],
) -> Vec<RosterChange> {
    let mut changes: Vec<RosterChange> = roster
        .partners
        .iter()
        .filter_map(|partner| {
            let before = known.iter().find(|each| each.id == partner.id);
            change_of(before, partner, key_changes)
        })
        .collect();
    let gone = known
        .iter()
        .filter(|each| !each.removed && roster.partner(&each.id).is_none());
    changes.extend(gone.map(|each| RosterChange {
        kind: ChangeKind::Removed,
        partner: each.id.clone(),
        name: each.name.clone(),
        key: each.key,
        before: Some(each.key),
        programme: None,
    }));
    changes.sort_by(|a, b| a.partner.cmp(&b.partner));
    changes
}

fn change_of(
    before: Option<&KnownPartner>,
    partner: &Partner,
    key_changes: &[Countersigned<KeyChange>],
) -> Option<RosterChange> {
    let kind = match before {
        None => ChangeKind::Added,
        Some(known) if known.key != partner.key => {
            let own: Vec<_> = key_changes
                .iter()
                .filter(|each| each.content.partner == partner.id)
                .cloned()
                .collect();
            if !known.removed && succeeds(&own, &known.key, &partner.key) {
                ChangeKind::KeyRotated
            } else {
                ChangeKind::KeyChanged
            }
        }
        Some(known) if known.removed => ChangeKind::Added,
        Some(known) if !known.name.is_empty() && known.name != partner.name => ChangeKind::Renamed,
        Some(_) => return None,
    };
    Some(RosterChange {
        kind,
        partner: partner.id.clone(),
        name: partner.name.clone(),
        key: partner.key,
        before: before.map(|known| known.key),
        programme: None,
    })
}

/// Who of the cohort accepted last for a programme (ids and keys) is not on its invited list now although on the
/// roster: a list may get smaller, or one partner may give way to another, only with somebody's consent.
#[must_use]
pub fn no_longer_invited(
    programme: &str,
    before: &[(String, IdentityKey)],
    invited: &[String],
    roster: &Roster,
) -> Vec<RosterChange> {
    let missing = before.iter().filter(|(id, _)| !invited.contains(id));
    missing
        .filter_map(|(id, before)| {
            let partner = roster.partner(id)?;
            Some(RosterChange {
                kind: ChangeKind::NotInvited,
                partner: id.clone(),
                name: partner.name.clone(),
                key: partner.key,
                before: Some(*before),
                programme: Some(programme.to_owned()),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{Identity, Secret};
    use crate::secagg::PartnerKind;

    fn identity(byte: u8) -> Identity {
        Identity::from_seed(Secret::from_bytes([byte; 32])).unwrap()
    }

    fn roster(partners: &[(&str, u8)]) -> Roster {
        let partner = |(id, key): &(&str, u8)| Partner {
            id: (*id).to_owned(),
            name: format!("Name of {id}"),
            kind: PartnerKind::Ngo,
            key: identity(*key).key(),
        };
        Roster {
            version: 2,
            previous: Digest::ZERO,
            partners: partners.iter().map(partner).collect(),
        }
    }

    fn known(id: &str, key: u8, removed: bool) -> KnownPartner {
        KnownPartner {
            id: id.to_owned(),
            name: format!("Name of {id}"),
            key: identity(key).key(),
            removed,
        }
    }

    fn key_change(partner: &str, from: u8, to: u8) -> Countersigned<KeyChange> {
        let (old, new) = (identity(from), identity(to));
        let content = KeyChange {
            partner: partner.to_owned(),
            from: old.key(),
            to: new.key(),
        };
        Countersigned::sign(content, &old, &new).unwrap()
    }

    fn kinds(changes: &[RosterChange]) -> Vec<(ChangeKind, &str)> {
        changes
            .iter()
            .map(|each| (each.kind, each.partner.as_str()))
            .collect()
    }

    #[test]
    fn additions_key_changes_removals_and_new_names_are_changes_and_nothing_else_is() {
        let accepted = [
            known("a", 1, false),
            known("b", 2, false),
            known("c", 3, false),
        ];
        assert!(
            roster_changes(&accepted, &roster(&[("a", 1), ("b", 2), ("c", 3)]), &[]).is_empty()
        );
        let changed = roster_changes(&accepted, &roster(&[("a", 1), ("b", 9), ("d", 4)]), &[]);
        let expected = [
            (ChangeKind::KeyChanged, "b"),
            (ChangeKind::Removed, "c"),
            (ChangeKind::Added, "d"),
        ];
        assert_eq!(kinds(&changed), expected);
        assert_eq!(changed[0].before, Some(identity(2).key()));
        let mut renamed = roster(&[("a", 1), ("b", 2), ("c", 3)]);
        renamed.partners[0].name = "Somebody else".to_owned();
        assert_eq!(
            kinds(&roster_changes(&accepted, &renamed, &[])),
            [(ChangeKind::Renamed, "a")]
        );
    }

    #[test]
    fn a_key_is_rotated_only_by_a_whole_chain_from_the_key_accepted_here() {
        let accepted = [known("a", 1, false)];
        let now = roster(&[("a", 3)]);
        let chain = [key_change("a", 1, 2), key_change("a", 2, 3)];
        let kind =
            |changes: &[Countersigned<KeyChange>]| roster_changes(&accepted, &now, changes)[0].kind;
        assert_eq!(kind(&chain), ChangeKind::KeyRotated);
        assert_eq!(kind(&chain[1..]), ChangeKind::KeyChanged);
        assert_eq!(
            kind(&[key_change("b", 1, 3)]),
            ChangeKind::KeyChanged,
            "another partner's"
        );
        let mut forged = key_change("a", 1, 3);
        forged.by_old = forged.by_new;
        assert_eq!(kind(&[forged]), ChangeKind::KeyChanged);
    }

    #[test]
    fn a_removed_partner_comes_back_as_an_addition_or_with_a_bare_new_key() {
        let accepted = [known("a", 1, true)];
        assert!(roster_changes(&accepted, &roster(&[]), &[]).is_empty());
        let same = roster_changes(&accepted, &roster(&[("a", 1)]), &[]);
        assert_eq!(kinds(&same), [(ChangeKind::Added, "a")]);
        // What the revoked key signed does not count any more.
        let other = roster_changes(&accepted, &roster(&[("a", 2)]), &[key_change("a", 1, 2)]);
        assert_eq!(kinds(&other), [(ChangeKind::KeyChanged, "a")]);
    }

    #[test]
    fn a_partner_that_gives_way_to_another_is_noticed_though_the_list_is_as_long() {
        let before = [
            ("a".to_owned(), identity(1).key()),
            ("b".to_owned(), identity(2).key()),
        ];
        let roster = roster(&[("a", 1), ("b", 2), ("c", 3)]);
        let invited = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        let missing = no_longer_invited("p", &before, &invited(&["a", "c"]), &roster);
        assert_eq!(kinds(&missing), [(ChangeKind::NotInvited, "b")]);
        assert!(no_longer_invited("p", &before, &invited(&["a", "b", "c"]), &roster).is_empty());
    }
}
