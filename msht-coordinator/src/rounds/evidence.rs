//! What partners are proven to have done, kept and handed on.

use msht_core::crypto::{Digest, digest};
use msht_core::secagg::RoundContext;
use msht_core::secagg::evidence::Evidence;

use crate::coordinator::Coordinator;
use crate::error::Error;
use crate::store::EvidenceRow;

/// A piece of evidence that anybody can check who knows the accused's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptEvidence {
    /// Id of the partner accused.
    pub partner: String,
    /// What is proven.
    pub offence: String,
    /// When it was found, seconds since 1970-01-01 UTC.
    pub found_at: i64,
    /// The bytes of the file.
    pub file: Vec<u8>,
}

impl Coordinator {
    /// Keeps what a round's session has proof of.
    pub(super) async fn keep_evidence(
        &self,
        context: &RoundContext,
        found: &[Evidence],
    ) -> Result<(), Error> {
        for evidence in found {
            let Ok(accusation) = evidence.verify() else {
                continue;
            };
            let mut indices = context.indices();
            let accused = indices.find(|index| context.key(*index) == Some(&accusation.accused));
            let partner = accused.and_then(|index| context.partner(index));
            let row = EvidenceRow {
                partner: partner.map_or_else(String::new, |partner| partner.id.clone()),
                offence: accusation.offence.to_string(),
                found_at: self.now(),
                file: evidence.to_bytes()?,
            };
            let round = context.round();
            tracing::warn!(round = %round.short(), partner = row.partner, offence = row.offence, "evidence kept");
            let id = digest("evidence", &[&row.file]);
            self.store().keep_evidence(&round, &id, &row).await?;
        }
        Ok(())
    }

    /// What partners are proven to have done in a round, in the order it was found.
    ///
    /// # Errors
    /// A damaged store.
    pub async fn evidence(&self, round: &Digest) -> Result<Vec<KeptEvidence>, Error> {
        let rows = self.store().evidence(round).await?;
        let kept = |row: EvidenceRow| KeptEvidence {
            partner: row.partner,
            offence: row.offence,
            found_at: row.found_at,
            file: row.file,
        };
        Ok(rows.into_iter().map(kept).collect())
    }
}
