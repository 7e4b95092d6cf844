//! The announcement of a round. Its digest is the round id; whatever differs makes another round.

use serde::{Deserialize, Serialize};

use super::params::Thresholds;
use super::signed::Document;
use crate::crypto::{Digest, SignLabel};
use crate::rational::Rational;

/// Most tables in one round.
pub const MAX_TABLES: usize = 64;
/// Longest table name or period, in bytes.
pub const MAX_NAME_BYTES: usize = 64;

/// Latest times of the five phases, seconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "one phase each")]
pub struct Deadlines {
    pub join: i64,
    pub share: i64,
    pub mask: i64,
    pub confirm: i64,
    pub unmask: i64,
}

impl Deadlines {
    /// Whether each phase ends after the one before.
    #[must_use]
    pub fn are_ordered(&self) -> bool {
        [self.join, self.share, self.mask, self.confirm, self.unmask].is_sorted_by(|a, b| a < b)
    }
}

/// Noise and size of one table, as announced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnnouncedTable {
    /// Name of the table in the programme.
    pub name: String,
    /// Cells of the table.
    pub cells: u32,
    /// Δ: the most that one unit of privacy can change the table, in L1.
    pub sensitivity: u64,
    /// a = ε·w/Δ: the noise has p = e^−a.
    pub rate: Rational,
    /// Largest number a partner puts in a cell: records, or units of an amount.
    pub cell_bound: u64,
}

/// The terms of one round, fixed for all of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Announcement {
    /// Id of the programme.
    pub programme: String,
    /// Digest of the programme.
    pub programme_digest: Digest,
    /// Version of the roster the invited list is taken from.
    pub roster_version: u64,
    /// Digest of that roster.
    pub roster_digest: Digest,
    /// Digest of the programme's latest release; zero before the first.
    pub previous_release: Digest,
    /// The period counted, such as `2026-Q3`.
    pub period: String,
    /// 1 for the first attempt at the period, then one more each.
    pub attempt: u32,
    /// Partner ids; a partner's index is its position, counted from 1.
    pub invited: Vec<String>,
    /// t, m and c.
    pub thresholds: Thresholds,
    /// ε of the round: Σ rate · sensitivity over the tables, at most the programme's.
    pub epsilon: Rational,
    /// The tables, in the order of the vector.
    pub tables: Vec<AnnouncedTable>,
    /// Shape r of each partner's noise share, R/(m − c) with R = 1.
    pub share_shape: Rational,
    /// Removable noise levels; 0 in this version.
    pub removable_levels: u8,
    /// Bits of a word of the vector: 32 or 64.
    pub word_bits: u32,
    /// Latest time of each phase.
    pub deadlines: Deadlines,
}

impl Announcement {
    /// Cells of all tables together: the length of the vector.
    #[must_use]
    pub fn total_cells(&self) -> usize {
        self.tables.iter().map(|table| table.cells as usize).sum()
    }
}

impl Document for Announcement {
    const LABEL: SignLabel = SignLabel::Announcement;
    const DIGEST_LABEL: &'static str = "announcement/2";
}
