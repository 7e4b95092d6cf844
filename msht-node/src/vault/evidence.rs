//! Proof of misbehaviour in the vault, in the form in which it is handed on. It holds nothing secret.

use msht_core::crypto::{IdentityKey, digest};
use msht_core::secagg::evidence::{Evidence, Proof};
use msht_core::secagg::{Announcement, Signed};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::Vault;
use crate::error::{Kind, NodeError};

/// Most pieces of evidence kept: a coordinator proven wrong this often needs no further proof, and each piece may be
/// as long as a delivery.
const MAX_EVIDENCE: i64 = 64;

/// A piece of evidence as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvidence {
    /// What is proven.
    pub offence: String,
    /// When it was found, seconds since 1970-01-01 UTC.
    pub found_at: i64,
    /// The bytes of the file.
    pub file: Vec<u8>,
}

impl Vault {
    /// Keeps a piece of evidence; the same one again changes nothing. What is proven, or none where nothing is.
    ///
    /// # Errors
    /// [`Kind::Configuration`].
    pub async fn store_evidence(
        &self,
        evidence: &Evidence,
        now: i64,
    ) -> Result<Option<String>, NodeError> {
        let Ok(accusation) = evidence.verify() else {
            return Ok(None);
        };
        let file = evidence
            .to_bytes()
            .map_err(|_| NodeError::new(Kind::Failure, "the evidence is too long to be kept"))?;
        let offence = accusation.offence.to_string();
        sqlx::query(
            "INSERT OR IGNORE INTO evidence SELECT ?1, ?2, ?3, ?4
             WHERE (SELECT COUNT(*) FROM evidence) < ?5",
        )
        .bind(digest("evidence", &[&file]).as_bytes().as_slice())
        .bind(&offence)
        .bind(now)
        .bind(file)
        .bind(MAX_EVIDENCE)
        .execute(self.pool())
        .await?;
        Ok(Some(offence))
    }

    /// Looks whether the coordinator announced the same attempt before on other terms, and keeps the proof. What is
    /// proven, or none.
    ///
    /// # Errors
    /// [`Kind::Configuration`].
    pub async fn compare_announcement(
        &self,
        announcement: &Signed<Announcement>,
        coordinator: IdentityKey,
        now: i64,
    ) -> Result<Option<String>, NodeError> {
        for row in self.rounds().await? {
            let both = Box::new([row.announcement, announcement.clone()]);
            if let Some(evidence) = Evidence::proven(coordinator, Proof::Announcements(both)) {
                return self.store_evidence(&evidence, now).await;
            }
        }
        Ok(None)
    }

    /// All evidence, the oldest first.
    ///
    /// # Errors
    /// [`Kind::Configuration`].
    pub async fn evidence(&self) -> Result<Vec<StoredEvidence>, NodeError> {
        let rows = sqlx::query("SELECT offence, found_at, file FROM evidence ORDER BY rowid")
            .fetch_all(self.pool())
            .await?;
        let evidence = |row: &SqliteRow| {
            Ok(StoredEvidence {
                offence: row.try_get(0)?,
                found_at: row.try_get(1)?,
                file: row.try_get(2)?,
            })
        };
        rows.iter().map(evidence).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use msht_core::crypto::Secret;
    use msht_core::secagg::messages::{Phase, SurvivorsBody};
    use msht_core::testkit::cohort::{Cohort, CohortOptions};
    use msht_core::testkit::forge::forged;
    use msht_core::testkit::stepwise::Stepwise;

    #[tokio::test]
    async fn two_survivor_sets_of_the_coordinator_are_kept_once_and_can_be_handed_on() {
        let mut round = Stepwise::new(&CohortOptions::default(), 5);
        round.advance_to_reply(Phase::Mask);
        let first = round.incoming(Phase::Mask, 1);
        let second = forged(&round.cohort, &first, |b: &mut SurvivorsBody| {
            b.survivors.pop();
        });
        let session = round.nodes.get_mut(&1).unwrap();
        session.handle_message(&first).unwrap();
        session.record_stored();
        assert!(session.handle_message(&second).is_err());
        let evidence = session.contradiction(&second).unwrap();

        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("vault.sqlite");
        let vault = Vault::create(&path, Secret::from_bytes([1; 32]))
            .await
            .unwrap();
        for now in [7, 8] {
            let proven = vault.store_evidence(&evidence, now).await.unwrap();
            assert!(proven.unwrap().contains("phase mask"));
        }
        let kept = vault.evidence().await.unwrap();
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].found_at, 7);
        let read = Evidence::from_bytes(&kept[0].file).unwrap();
        let accused = read.verify().unwrap().accused;
        assert_eq!(accused, round.cohort.coordinator.key());
    }

    #[tokio::test]
    async fn an_attempt_announced_twice_on_different_terms_is_kept_and_the_next_attempt_is_not() {
        let announced = |attempt, cells| {
            let options = CohortOptions {
                attempt,
                cells,
                ..CohortOptions::default()
            };
            Cohort::new(&options, 5)
        };
        let first = announced(1, 8);
        let coordinator = first.coordinator.key();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("vault.sqlite");
        let vault = Vault::create(&path, Secret::from_bytes([1; 32]))
            .await
            .unwrap();
        let signed = |cohort: &Cohort| cohort.context.announcement().as_signed().clone();
        let (round, content) = (first.context.round(), signed(&first));
        vault
            .store_round(round, &content, crate::vault::Stage::Announced, "", 7)
            .await
            .unwrap();
        for honest in [announced(1, 8), announced(2, 8)] {
            let again = signed(&honest);
            let compared = vault.compare_announcement(&again, coordinator, 7).await;
            assert_eq!(compared.unwrap(), None);
        }
        let second = signed(&announced(1, 9));
        let compared = vault.compare_announcement(&second, coordinator, 7).await;
        assert!(compared.unwrap().unwrap().contains("attempt 1"));
        assert_eq!(vault.evidence().await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn what_proves_nothing_is_not_kept() {
        let round = Stepwise::new(&CohortOptions::default(), 5);
        let accused = round.cohort.coordinator.key();
        let join = msht_core::testkit::forge::opened(&round.outgoing(1));
        let both = Box::new([join.clone(), join]);
        let proof = Proof::Messages(both);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("vault.sqlite");
        let vault = Vault::create(&path, Secret::from_bytes([1; 32]))
            .await
            .unwrap();
        let evidence = Evidence { accused, proof };
        assert_eq!(vault.store_evidence(&evidence, 7).await.unwrap(), None);
        assert!(vault.evidence().await.unwrap().is_empty());
    }
}
