//! The release: the signed, chained, self-describing result of a round, as it is published.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::crypto::{Digest, HexBytes, IdentityKey, SIGNATURE_BYTES, SignLabel};
use crate::rational::Rational;
use crate::secagg::{Announcement, Document, Roster, Signed};

/// The format of this version.
pub const RELEASE_FORMAT: &str = "msht-release/2";
/// Name of the only mechanism of this version.
pub const MECHANISM_NAME: &str = "discrete Laplace from Pólya shares";

/// What one release says, without its signature.
///
/// Rationals are JSON numbers where they are short exact decimals and the string `n/d` otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// [`RELEASE_FORMAT`].
    pub format: String,
    /// Id of the programme.
    pub programme: String,
    /// Title of the programme.
    pub programme_title: String,
    /// The period counted.
    pub period: String,
    /// Digest of the announcement.
    pub round: Digest,
    /// Attempt at the period.
    pub attempt: u32,
    /// When the coordinator signed, seconds since 1970-01-01 UTC.
    pub published_at: i64,
    /// What one unit of privacy is.
    pub unit: PrivacyUnit,
    /// ε of this release for one unit at one partner.
    pub epsilon: Rational,
    /// The noise in `raw`.
    pub mechanism: Mechanism,
    /// Ids of the partners whose vectors are in the sum.
    pub survivors: Vec<String>,
    /// Ids of the invited partners whose vectors are not.
    pub missing: Vec<String>,
    /// The noisy tables.
    pub tables: Vec<ReleaseTable>,
    /// Against whom the promise holds and what is outside it, a sentence or two each.
    pub privacy_statement: Vec<String>,
    /// Digest of the programme's release before, none for the first.
    pub previous: Option<Digest>,
    /// What offline verification needs.
    pub proof: Proof,
}

/// The unit of privacy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrivacyUnit {
    /// `person` or `record`.
    pub kind: String,
    /// Most records one unit has in the period at one partner.
    pub max_records: u32,
}

/// The noise of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mechanism {
    /// [`MECHANISM_NAME`].
    pub name: String,
    /// a of each table: p = e^−a.
    pub a: BTreeMap<String, Rational>,
    /// Realised shape of the sum, |survivors|/(m − c); 1 is one discrete Laplace draw.
    pub shape: Rational,
    /// Partners invited.
    pub n: u8,
    /// Partners in the sum.
    pub survivors: u8,
    /// Colluding partners tolerated.
    pub colluders: u8,
    /// Shares that open a seed.
    pub threshold: u8,
    /// Fewest survivors a sum is opened for.
    pub least_survivors: u8,
}

/// One noisy table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseTable {
    /// Name of the table.
    pub name: String,
    /// Title people read.
    pub title: String,
    /// What its cells add up.
    pub measure: ReleaseMeasure,
    /// Its dimensions, the first one slowest in `raw`; none for a total.
    pub dimensions: Vec<ReleaseDimension>,
    /// Δ: the most one unit of privacy changes the table, in L1.
    pub sensitivity: u64,
    /// The noisy counts, or sums in units, row-major; unbiased, may be negative.
    pub raw: Vec<i64>,
    /// Half-width of the 95 % interval of each number for the realised noise, in records or units like `raw`.
    pub interval95: u64,
}

/// What the cells of a table add up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReleaseMeasure {
    /// Records.
    Count,
    /// Amounts of records, each rounded to units and clipped.
    Sum(SumOfAmounts),
}

/// An amount as a table of sums publishes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SumOfAmounts {
    /// Id of the amount.
    pub amount: String,
    /// Title people read.
    pub title: String,
    /// Code of the currency (ISO 4217).
    pub currency: String,
    /// How much of the currency one unit is.
    pub unit: u32,
    /// Most units of one record; what lies above it is not in the sum.
    pub clip: u32,
}

impl ReleaseMeasure {
    /// The unit of the numbers, such as `GBP 100`; none where they are records.
    #[must_use]
    pub fn unit(&self) -> Option<String> {
        match self {
            Self::Count => None,
            Self::Sum(sum) => Some(format!("{} {}", sum.currency, sum.unit)),
        }
    }
}

/// One dimension of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseDimension {
    /// Id of the dimension.
    pub name: String,
    /// Title people read.
    pub title: String,
    /// Category codes; of an axis of pairs both codes with a full stop between them.
    pub categories: Vec<String>,
    /// Category labels, in the same order.
    pub labels: Vec<String>,
    /// Most of these categories one record can have; above 1 the cells do not add up to records.
    pub max_values: u32,
}

/// What offline verification needs beside the coordinator's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// The coordinator's identity key.
    pub coordinator: IdentityKey,
    /// The signed announcement; its digest is the round.
    pub announcement: Signed<Announcement>,
    /// The signed roster it names.
    pub roster: Signed<Roster>,
    /// Digest of the roll.
    pub roll_digest: Digest,
    /// H(U₂): digest of the ordered dealers and their headers.
    pub dealers_digest: Digest,
    /// U₃ as indices into the invited list, counted from 1.
    pub survivors: Vec<u8>,
    /// Confirm signatures of members of U₃.
    pub signatures: Vec<ConfirmSignature>,
}

/// One partner's Confirm signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfirmSignature {
    /// Index of the partner in the invited list.
    pub partner: u8,
    /// The signature on (round, roll digest, H(U₂), U₃).
    pub signature: HexBytes<SIGNATURE_BYTES>,
}

impl Document for Release {
    const LABEL: SignLabel = SignLabel::Release;
    const DIGEST_LABEL: &'static str = "release/2";
}
