//! The roster: who the partners are, by identity key; versioned, signed and chained by digest.

use serde::{Deserialize, Serialize};

use super::signed::Document;
use crate::crypto::{Digest, IdentityKey, SignLabel};

/// Most partners on a roster; cohorts are chosen from it.
pub const MAX_ROSTER_PARTNERS: usize = 4096;
/// Longest partner id, in bytes.
pub const MAX_PARTNER_ID_BYTES: usize = 64;
/// Longest partner name, in bytes.
pub const MAX_PARTNER_NAME_BYTES: usize = 200;

/// What kind of organisation a partner is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum PartnerKind {
    Police,
    LocalAuthority,
    Ngo,
    Health,
    GovernmentAgency,
    Company,
    Bank,
    Other,
}

impl PartnerKind {
    /// Every kind with the word it has in files and commands.
    pub const ALL: [(Self, &'static str); 8] = [
        (Self::Police, "police"),
        (Self::LocalAuthority, "local-authority"),
        (Self::Ngo, "ngo"),
        (Self::Health, "health"),
        (Self::GovernmentAgency, "government-agency"),
        (Self::Company, "company"),
        (Self::Bank, "bank"),
        (Self::Other, "other"),
    ];

    /// The word for this kind.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(kind, _)| *kind == self)
            .map_or("other", |(_, word)| word)
    }

    /// The kind with this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(_, text)| *text == word)
            .map(|(kind, _)| *kind)
    }
}

/// One partner on the roster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partner {
    /// Short id: lower-case letters, digits and hyphens.
    pub id: String,
    /// Name people read.
    pub name: String,
    /// What kind of organisation.
    pub kind: PartnerKind,
    /// Identity key; its fingerprint was compared out of band.
    pub key: IdentityKey,
}

/// Why a text is not a partner id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a partner id is 1 to {MAX_PARTNER_ID_BYTES} lower-case letters, digits and hyphens, not `{0}`"
)]
pub struct BadPartnerId(String);

/// Checks that `text` can be a partner id.
///
/// # Errors
/// [`BadPartnerId`].
pub fn check_partner_id(text: &str) -> Result<(), BadPartnerId> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if text.is_empty() || text.len() > MAX_PARTNER_ID_BYTES || !text.bytes().all(allowed) {
        return Err(BadPartnerId(
            text.chars().take(MAX_PARTNER_ID_BYTES).collect(),
        ));
    }
    Ok(())
}

/// One version of the roster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roster {
    /// 1 for the first version, then one more each.
    pub version: u64,
    /// Digest of the version before; zero for the first.
    pub previous: Digest,
    /// Partners in order of id.
    pub partners: Vec<Partner>,
}

impl Roster {
    /// The partner with this id.
    #[must_use]
    pub fn partner(&self, id: &str) -> Option<&Partner> {
        self.partners.iter().find(|partner| partner.id == id)
    }

    /// The partner with this identity key.
    #[must_use]
    pub fn partner_by_key(&self, key: &IdentityKey) -> Option<&Partner> {
        self.partners.iter().find(|partner| partner.key == *key)
    }

    /// Whether ids are well formed, in order and unique, keys unique, and names within their limit.
    #[must_use]
    pub fn is_well_formed(&self) -> bool {
        let ordered = self.partners.is_sorted_by(|a, b| a.id < b.id);
        let mut keys: Vec<IdentityKey> = self.partners.iter().map(|partner| partner.key).collect();
        keys.sort_unstable();
        keys.dedup();
        ordered
            && keys.len() == self.partners.len()
            && self.partners.len() <= MAX_ROSTER_PARTNERS
            && self.partners.iter().all(|partner| {
                check_partner_id(&partner.id).is_ok()
                    && partner.name.len() <= MAX_PARTNER_NAME_BYTES
            })
    }
}

impl Document for Roster {
    const LABEL: SignLabel = SignLabel::Roster;
    const DIGEST_LABEL: &'static str = "roster";
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roster(partners: usize) -> Roster {
        let partner = |number: usize| Partner {
            id: format!("partner-{number:05}"),
            name: "Partner".to_owned(),
            kind: PartnerKind::Ngo,
            key: IdentityKey::from_bytes(std::array::from_fn(|at| {
                number.to_le_bytes().get(at).copied().unwrap_or_default()
            })),
        };
        Roster {
            version: 1,
            previous: Digest::ZERO,
            partners: (0..partners).map(partner).collect(),
        }
    }

    #[test]
    fn a_partner_id_is_short_and_of_lower_case_letters_digits_and_hyphens() {
        let longest = "a".repeat(MAX_PARTNER_ID_BYTES);
        for good in ["a", "7", "-", "partner-01", &longest] {
            assert!(check_partner_id(good).is_ok(), "{good}");
        }
        let too_long = format!("{longest}a");
        for bad in ["", "A", "a b", "a_b", "a.b", "é", &too_long] {
            assert!(check_partner_id(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn n4_a_roster_keeps_to_its_limits_order_and_forms() {
        assert!(roster(MAX_ROSTER_PARTNERS).is_well_formed());
        assert!(!roster(MAX_ROSTER_PARTNERS + 1).is_well_formed());
        let with = |change: fn(&mut Roster)| {
            let mut roster = roster(3);
            change(&mut roster);
            roster.is_well_formed()
        };
        assert!(with(
            |r| r.partners[1].name = "x".repeat(MAX_PARTNER_NAME_BYTES)
        ));
        assert!(!with(
            |r| r.partners[1].name = "x".repeat(MAX_PARTNER_NAME_BYTES + 1)
        ));
        assert!(!with(|r| r.partners[1].id = "Partner-00001".to_owned()));
        assert!(!with(|r| r.partners[2].id.push('!')));
        assert!(!with(|r| r.partners[2].id = r.partners[1].id.clone()));
        assert!(!with(|r| r.partners.swap(0, 1)));
        assert!(!with(|r| r.partners[2].key = r.partners[0].key));
    }

    #[test]
    fn the_words_of_the_kinds_read_back() {
        for (kind, word) in PartnerKind::ALL {
            assert_eq!(kind.word(), word);
            assert_eq!(PartnerKind::from_word(word), Some(kind));
        }
        assert_eq!(PartnerKind::from_word("stranger"), None);
    }
}
