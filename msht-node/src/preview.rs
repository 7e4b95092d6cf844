//! What a round would take from this node and give to everybody: shown before anything is decided.
//!
//! The noise is shown as a distribution, never as a draw. The own table is shown only once somebody has decided:
//! taking part must not depend on what it holds.

use std::fmt;

use msht_core::crypto::CIPHERTEXT_BYTES;
use msht_core::estimate::interval::NoiseLaw;
use msht_core::programme::{Amount, Programme, Table};
use msht_core::rational::Rational;
use msht_core::release::INTERVAL_COMPLEMENT;
use msht_core::secagg::messages::Phase;
use msht_core::secagg::{AnnouncedTable, RoundContext, RoundTerms};
use serde::Serialize;

use crate::error::{Kind, NodeError};
use crate::node::Node;
use crate::vault::RoundRow;

/// Bytes of a Join message: two hybrid keys and a ledger head, signed.
const JOIN_BYTES: usize = 2_597;
/// Bytes of a Share message around its envelopes.
const SHARE_BYTES: usize = 374;
/// Bytes of an envelope without a mask ciphertext.
const ENVELOPE_BYTES: usize = 1_353;
/// Bytes of a Mask message around the vector, where every envelope opened.
const MASK_BYTES: usize = 157;
/// Bytes of a Confirm message around the list of survivors.
const CONFIRM_BYTES: usize = 181;
/// Bytes of an Unmask message around the shares.
const UNMASK_BYTES: usize = 125;
/// Bytes of one revealed share.
const REVEALED_BYTES: usize = 33;

/// Everything a person needs to decide.
#[derive(Debug, Serialize)]
pub struct Preview {
    /// The round id.
    pub round: String,
    /// Title of the programme.
    pub programme: String,
    /// The period.
    pub period: String,
    /// Who else is invited: name, kind, fingerprint, and whether the key is new here.
    pub cohort: Vec<CohortLine>,
    /// Fewest partners in the sum.
    pub least_survivors: u8,
    /// Colluding partners tolerated.
    pub colluders: u8,
    /// ε of this round for one unit.
    pub epsilon: Rational,
    /// What one unit is.
    pub unit: String,
    /// ε spent or reserved for data of the same days, over all programmes, and the cap.
    pub spent_for_period: (Rational, Rational),
    /// ε spent or reserved for data of the same year, and the cap.
    pub spent_for_year: (Rational, Rational),
    /// Noise of each table.
    pub noise: Vec<NoiseLine>,
    /// What leaves: kind and how many bytes where everybody takes part.
    pub messages: Vec<(String, usize)>,
}

/// One partner invited.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct CohortLine {
    pub name: String,
    pub kind: String,
    pub fingerprint: String,
    pub new_here: bool,
}

/// The noise of one table, as half-widths of 95 % intervals.
#[derive(Debug, Serialize)]
pub struct NoiseLine {
    /// Name of the table.
    pub table: String,
    /// Cells.
    pub cells: u32,
    /// What the numbers of a table of sums are in; none where they are records.
    pub unit: Option<UnitLine>,
    /// Of this node's own share alone.
    pub own_share: u64,
    /// Of the published sum if everybody takes part.
    pub everybody: u64,
    /// Of the published sum with the fewest partners.
    pub fewest: u64,
}

/// The unit of a table of sums.
#[derive(Debug, Serialize)]
pub struct UnitLine {
    /// Title of the amount.
    pub amount: String,
    /// One unit, such as `GBP 100`.
    pub unit: String,
    /// Most units that one record adds.
    pub clip: u32,
}

impl UnitLine {
    /// The unit of `table`; none where it counts records.
    #[must_use]
    pub fn of(programme: &Programme, table: &Table) -> Option<Self> {
        programme.amount_of(table).map(Self::from)
    }
}

impl From<&Amount> for UnitLine {
    fn from(amount: &Amount) -> Self {
        Self {
            amount: amount.title().to_owned(),
            unit: amount.unit_words(),
            clip: amount.clip(),
        }
    }
}

impl fmt::Display for UnitLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "units of {}, at most {} a record", self.unit, self.clip)
    }
}

fn half_width(table: &AnnouncedTable, shape: &Rational) -> Result<u64, NodeError> {
    NoiseLaw::new(&table.rate, shape)
        .and_then(|law| law.half_width(INTERVAL_COMPLEMENT))
        .map_err(|error| NodeError::new(Kind::Data, format!("table {}: {error}", table.name)))
}

impl Preview {
    /// The preview of a round.
    ///
    /// # Errors
    /// [`Kind::Failure`] where a check on the round's terms failed.
    pub async fn of(node: &Node, row: &RoundRow) -> Result<Self, NodeError> {
        let terms = node.terms(row).await??;
        let params = *terms.context.params();
        let ledger = node.vault.ledger().await?;
        let unaccepted = node.unaccepted(&terms).await?;
        let index = terms
            .context
            .index_of(&node.enrolment.partner)
            .ok_or_else(|| {
                NodeError::new(Kind::Failure, "this node is not invited to the round")
            })?;
        let first_day = terms.period.first_day();
        let caps = node.config.caps();
        let partners = terms
            .context
            .indices()
            .filter_map(|index| terms.context.partner(index));
        let unit = match terms.programme.privacy().unit() {
            msht_core::programme::PrivacyUnit::Person => "one person's records here",
            msht_core::programme::PrivacyUnit::Record => "one record here",
        };
        Ok(Self {
            round: row.round.to_string(),
            programme: terms.programme.title().to_owned(),
            period: terms.period.to_string(),
            cohort: partners
                .map(|partner| CohortLine {
                    name: partner.name.clone(),
                    kind: partner.kind.word().to_owned(),
                    fingerprint: partner.key.fingerprint().to_string(),
                    new_here: unaccepted.contains(partner),
                })
                .collect(),
            least_survivors: params.least_survivors(),
            colluders: params.colluders(),
            epsilon: terms.context.announcement().epsilon.clone(),
            unit: unit.to_owned(),
            spent_for_period: (ledger.spent_for_day(first_day), caps.per_period),
            spent_for_year: (ledger.spent_for_year(first_day.year()), caps.per_year),
            noise: noise(&terms)?,
            messages: messages(&terms.context, index),
        })
    }
}

fn noise(terms: &RoundTerms) -> Result<Vec<NoiseLine>, NodeError> {
    let context = &terms.context;
    let announcement = context.announcement();
    let shape = |partners: u8| {
        context
            .realised_shape(usize::from(partners))
            .map_err(|error| NodeError::new(Kind::Data, error.to_string()))
    };
    let everybody = shape(context.params().invited())?;
    let fewest = shape(context.params().least_survivors())?;
    let line = |table: &AnnouncedTable| -> Result<NoiseLine, NodeError> {
        Ok(NoiseLine {
            table: table.name.clone(),
            cells: table.cells,
            unit: terms
                .programme
                .table(&table.name)
                .and_then(|of| UnitLine::of(&terms.programme, of)),
            own_share: half_width(table, &announcement.share_shape)?,
            everybody: half_width(table, &everybody)?,
            fewest: half_width(table, &fewest)?,
        })
    };
    announcement.tables.iter().map(line).collect()
}

/// Bytes of each message where everybody takes part; constant but for lost partners.
fn messages(context: &RoundContext, index: u8) -> Vec<(String, usize)> {
    let invited = usize::from(context.params().invited());
    let vector = context.cells() * context.word_size().bytes();
    // The lower index of a pair sends the mask ciphertext.
    let mask_ciphertexts = invited - usize::from(index);
    let bytes = |phase: Phase| match phase {
        Phase::Join => JOIN_BYTES,
        Phase::Share => {
            SHARE_BYTES + (invited - 1) * ENVELOPE_BYTES + mask_ciphertexts * CIPHERTEXT_BYTES
        }
        Phase::Mask => MASK_BYTES + vector,
        Phase::Confirm => CONFIRM_BYTES + invited,
        Phase::Unmask => UNMASK_BYTES + REVEALED_BYTES * invited,
    };
    Phase::ALL
        .map(|phase| (phase.word().to_owned(), bytes(phase)))
        .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use msht_core::secagg::coordinator::CoordinatorSession;
    use msht_core::testkit::cohort::{Cohort, CohortOptions};
    use std::sync::Arc;

    #[test]
    fn the_bytes_shown_are_the_bytes_sent() {
        for (partners, cells) in [(3, 11), (7, 40)] {
            let options = CohortOptions {
                partners,
                cells,
                ..CohortOptions::default()
            };
            let cohort = Cohort::new(&options, 1);
            let (context, identity) = (&cohort.context, &cohort.coordinator);
            let mut coordinator =
                CoordinatorSession::new(Arc::clone(context), Arc::clone(identity));
            let mut nodes: Vec<_> = context
                .indices()
                .map(|index| (index, cohort.node(index)))
                .collect();
            for phase in Phase::ALL {
                for (index, session) in &mut nodes {
                    session.record_stored();
                    let message = session.poll_transmit().unwrap().to_vec();
                    let shown = messages(context, *index);
                    let shown = shown
                        .iter()
                        .find(|(word, _)| word == phase.word())
                        .unwrap()
                        .1;
                    assert_eq!(
                        message.len(),
                        shown,
                        "{partners} partners, {index}, {phase:?}"
                    );
                    coordinator.handle_message(&message).unwrap();
                    session.acknowledged();
                }
                while coordinator.handle_timeout(0).unwrap() {}
                let _stored = coordinator.take_records();
                for (index, session) in &mut nodes {
                    if let Some(answer) = coordinator.message_for(phase, *index) {
                        session.handle_message(&answer).unwrap();
                    }
                }
            }
        }
    }
}
