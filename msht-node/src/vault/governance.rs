//! What was accepted of who takes part, and keys over time.

use msht_core::crypto::{Digest, Identity, IdentityKey, Secret};
use msht_core::dp::accountant::{Governance, GovernanceAct, Ledger, LedgerEntry};
use msht_core::governance::{
    ChangeKind, Countersigned, GovernanceRecord, Handover, KnownPartner, MAX_GOVERNANCE_BYTES,
    MAX_STATEMENT_BYTES, RosterChange,
};
use msht_core::secagg::{Roster, Signed};
use msht_core::wire::{MAX_ENCODED_BYTES, decode, encode};
use rand::CryptoRng;
use sqlx::Row;

use super::documents::digest_from;
use super::{Enrolment, Vault, Writing, put_enrolment, put_meta};
use crate::error::{Kind, NodeError};

/// Where the identity waits that takes the place of the present one, sealed, and who asked for it.
const NEXT_IDENTITY: &str = "identity-next";
const NEXT_IDENTITY_BY: &str = "identity-next-by";
/// There while the coordinator is not trusted any more.
const REVOKED: &str = "coordinator-revoked";
/// What the coordinator last had of statements; each is verified where it is used.
const RECORD: &str = "governance";
/// Number of the coordinator this node is enrolled with, as text; 0 for the first.
const LINE: &str = "line";

fn damaged() -> NodeError {
    NodeError::new(
        Kind::Configuration,
        "what the vault holds of partners and keys cannot be read",
    )
    .hint("restore the vault from its backup")
}

fn key_from(bytes: &[u8]) -> Result<IdentityKey, NodeError> {
    Ok(IdentityKey::from_bytes(*digest_from(bytes)?.as_bytes()))
}

fn act_of(kind: ChangeKind) -> GovernanceAct {
    match kind {
        ChangeKind::Added => GovernanceAct::PartnerAccepted,
        ChangeKind::KeyChanged | ChangeKind::KeyRotated => GovernanceAct::KeyAccepted,
        ChangeKind::Renamed => GovernanceAct::NameAccepted,
        ChangeKind::Removed => GovernanceAct::RemovalAccepted,
        ChangeKind::NotInvited => GovernanceAct::SmallerCohortAccepted,
    }
}

impl Vault {
    /// Every partner a person here accepted, in order of id.
    ///
    /// # Errors
    /// [`Kind::Configuration`].
    pub async fn known_partners(&self) -> Result<Vec<KnownPartner>, NodeError> {
        let rows =
            sqlx::query("SELECT partner, name, key, removed FROM accepted_keys ORDER BY partner")
                .fetch_all(self.pool())
                .await?;
        let known = |row: &sqlx::sqlite::SqliteRow| -> Result<KnownPartner, NodeError> {
            Ok(KnownPartner {
                id: row.try_get(0)?,
                name: row.try_get(1)?,
                key: key_from(row.try_get(2)?)?,
                removed: row.try_get(3)?,
            })
        };
        rows.iter().map(known).collect()
    }

    /// Ids and keys of the cohort accepted last for a programme; empty before the first.
    ///
    /// # Errors
    /// [`Kind::Configuration`].
    pub async fn accepted_cohort(
        &self,
        programme: &str,
    ) -> Result<Vec<(String, IdentityKey)>, NodeError> {
        let rows = sqlx::query(
            "SELECT partner, key FROM accepted_cohorts WHERE programme = ? ORDER BY partner",
        )
        .bind(programme)
        .fetch_all(self.pool())
        .await?;
        let member = |row: &sqlx::sqlite::SqliteRow| -> Result<(String, IdentityKey), NodeError> {
            Ok((row.try_get(0)?, key_from(row.try_get(1)?)?))
        };
        rows.iter().map(member).collect()
    }

    /// Records the cohort that later ones of the programme are compared with.
    pub(crate) async fn accept_cohort<'a>(
        &self,
        writing: &mut Writing,
        programme: &str,
        members: impl Iterator<Item = (&'a str, &'a IdentityKey)>,
    ) -> Result<(), NodeError> {
        sqlx::query("DELETE FROM accepted_cohorts WHERE programme = ?")
            .bind(programme)
            .execute(&mut **writing)
            .await?;
        for (partner, key) in members {
            sqlx::query("INSERT INTO accepted_cohorts VALUES (?, ?, ?)")
                .bind(programme)
                .bind(partner)
                .bind(key.as_bytes().as_slice())
                .execute(&mut **writing)
                .await?;
        }
        Ok(())
    }

    /// Adds a decision to the ledger as this transaction sees it, and to `ledger`.
    pub(crate) async fn govern(
        &self,
        writing: &mut Writing,
        ledger: &mut Ledger,
        decided: Governance,
        now: i64,
    ) -> Result<(), NodeError> {
        let entry: LedgerEntry = ledger.govern(decided, now)?;
        self.append(writing, &entry).await?;
        Ok(ledger.append(&entry)?)
    }

    /// Accepts changes: what they are compared with from now on, and an entry in the ledger for each.
    pub(crate) async fn accept_changes(
        &self,
        writing: &mut Writing,
        changes: &[RosterChange],
        by: &str,
        now: i64,
    ) -> Result<(), NodeError> {
        let mut ledger = self.ledger_in(writing).await?;
        for change in changes {
            let subject = change.programme.as_ref().unwrap_or(&change.partner);
            let decided = Governance {
                act: act_of(change.kind),
                subject: subject.clone(),
                key: change.key,
                by: by.to_owned(),
            };
            self.govern(writing, &mut ledger, decided, now).await?;
            accept_change(writing, change, by, now).await?;
            sqlx::query("DELETE FROM rejected_changes WHERE change = ?")
                .bind(change_digest(change)?.as_bytes().as_slice())
                .execute(&mut **writing)
                .await?;
        }
        Ok(())
    }

    /// Rejects changes until somebody accepts them: an entry in the ledger for each.
    pub(crate) async fn reject_changes(
        &self,
        writing: &mut Writing,
        changes: &[RosterChange],
        by: &str,
        now: i64,
    ) -> Result<(), NodeError> {
        let mut ledger = self.ledger_in(writing).await?;
        for change in changes {
            let decided = Governance {
                act: GovernanceAct::ChangeRejected,
                subject: change.partner.clone(),
                key: change.key,
                by: by.to_owned(),
            };
            self.govern(writing, &mut ledger, decided, now).await?;
            sqlx::query("INSERT OR REPLACE INTO rejected_changes VALUES (?, ?, ?)")
                .bind(change_digest(change)?.as_bytes().as_slice())
                .bind(by)
                .bind(now)
                .execute(&mut **writing)
                .await?;
        }
        Ok(())
    }

    /// Who rejected this change, if anybody did.
    ///
    /// # Errors
    /// [`Kind::Configuration`].
    pub async fn rejected_by(&self, change: &RosterChange) -> Result<Option<String>, NodeError> {
        let row = sqlx::query("SELECT rejected_by FROM rejected_changes WHERE change = ?")
            .bind(change_digest(change)?.as_bytes().as_slice())
            .fetch_optional(self.pool())
            .await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?)
    }

    /// The latest roster that was learned of.
    ///
    /// # Errors
    /// [`Kind::Configuration`].
    pub async fn latest_roster(&self) -> Result<Option<Signed<Roster>>, NodeError> {
        let row = sqlx::query("SELECT bytes FROM rosters ORDER BY version DESC LIMIT 1")
            .fetch_optional(self.pool())
            .await?;
        let Some(row) = row else { return Ok(None) };
        let bytes: Vec<u8> = row.try_get(0)?;
        decode(&bytes, MAX_ENCODED_BYTES)
            .map(Some)
            .map_err(|_| damaged())
    }

    /// Keeps what the coordinator has of statements.
    ///
    /// # Errors
    /// [`Kind::Configuration`].
    pub async fn store_governance_record(
        &self,
        record: &GovernanceRecord,
    ) -> Result<(), NodeError> {
        let bytes = encode(record).map_err(|_| damaged())?;
        let mut writing = self.write().await?;
        put_meta(&mut writing, RECORD, &bytes).await?;
        Ok(writing.commit().await?)
    }

    /// The statements as they were last learned of.
    ///
    /// # Errors
    /// [`Kind::Configuration`].
    pub async fn governance_record(&self) -> Result<GovernanceRecord, NodeError> {
        match self.meta(RECORD).await? {
            Some(bytes) => decode(&bytes, MAX_GOVERNANCE_BYTES).map_err(|_| damaged()),
            None => Ok(GovernanceRecord::default()),
        }
    }

    /// The handovers accepted here, oldest first.
    ///
    /// # Errors
    /// [`Kind::Configuration`].
    pub async fn handovers(&self) -> Result<Vec<Countersigned<Handover>>, NodeError> {
        let rows = sqlx::query("SELECT signed FROM handovers ORDER BY number")
            .fetch_all(self.pool())
            .await?;
        let handover = |row: &sqlx::sqlite::SqliteRow| {
            let bytes: Vec<u8> = row.try_get(0)?;
            decode(&bytes, MAX_STATEMENT_BYTES).map_err(|_| damaged())
        };
        rows.iter().map(handover).collect()
    }

    /// Pins another key of the coordinator, handed over by `chain`.
    pub(crate) async fn hand_over(
        &self,
        writing: &mut Writing,
        key: &IdentityKey,
        chain: &[Countersigned<Handover>],
    ) -> Result<(), NodeError> {
        for handover in chain {
            sqlx::query("INSERT INTO handovers (signed) VALUES (?) ON CONFLICT DO NOTHING")
                .bind(encode(handover).map_err(|_| damaged())?)
                .execute(&mut **writing)
                .await?;
        }
        put_meta(writing, "coordinator", key.as_bytes()).await
    }

    /// Whether somebody here revoked the coordinator.
    ///
    /// # Errors
    /// [`Kind::Configuration`].
    pub async fn coordinator_is_revoked(&self) -> Result<bool, NodeError> {
        Ok(self.meta(REVOKED).await?.is_some())
    }

    pub(crate) async fn revoke_coordinator(&self, writing: &mut Writing) -> Result<(), NodeError> {
        put_meta(writing, REVOKED, b"1").await
    }

    /// Enrols with another coordinator than before: its rosters and its releases are another chain. Ledger, releases
    /// and accepted keys stay.
    pub(crate) async fn begin_line(
        &self,
        writing: &mut Writing,
        enrolment: &Enrolment,
    ) -> Result<(), NodeError> {
        let line = self.meta(LINE).await?.unwrap_or_default();
        let line: u64 = String::from_utf8_lossy(&line).parse().unwrap_or(0);
        let next = line.saturating_add(1).to_string();
        put_meta(writing, LINE, next.as_bytes()).await?;
        for statement in [
            "DELETE FROM rosters",
            "DELETE FROM handovers",
            "DELETE FROM meta WHERE key IN ('governance', 'coordinator-revoked')",
        ] {
            sqlx::query(statement).execute(&mut **writing).await?;
        }
        put_enrolment(writing, enrolment).await
    }

    /// The identity that is to take the place of the present one, and who asked for it.
    ///
    /// # Errors
    /// [`Kind::Configuration`].
    pub async fn next_identity(&self) -> Result<Option<(Identity, String)>, NodeError> {
        let Some(sealed) = self.meta(NEXT_IDENTITY).await? else {
            return Ok(None);
        };
        let by = self.meta(NEXT_IDENTITY_BY).await?.unwrap_or_default();
        let seed = self.open_sealed(NEXT_IDENTITY, &sealed)?;
        let seed = Secret::from_slice(&seed).ok_or_else(damaged)?;
        let identity = Identity::from_seed(seed).map_err(|_| damaged())?;
        Ok(Some((identity, String::from_utf8_lossy(&by).into_owned())))
    }

    /// Stores the identity that is to take the place of the present one; the present one stays in use.
    ///
    /// # Errors
    /// [`Kind::Configuration`].
    pub async fn store_next_identity<R: CryptoRng + ?Sized>(
        &self,
        identity: &Identity,
        by: &str,
        rng: &mut R,
    ) -> Result<(), NodeError> {
        let sealed = self.seal(NEXT_IDENTITY, identity.seed().expose(), rng);
        let mut writing = self.write().await?;
        put_meta(&mut writing, NEXT_IDENTITY, &sealed).await?;
        put_meta(&mut writing, NEXT_IDENTITY_BY, by.as_bytes()).await?;
        Ok(writing.commit().await?)
    }

    /// Puts the next identity in the place of the present one, which is erased, with an entry in the ledger.
    pub(crate) async fn promote_identity<R: CryptoRng + ?Sized>(
        &self,
        writing: &mut Writing,
        (identity, by): (&Identity, &str),
        partner: &str,
        now: i64,
        rng: &mut R,
    ) -> Result<(), NodeError> {
        let sealed = self.seal("identity", identity.seed().expose(), rng);
        put_meta(writing, "identity", &sealed).await?;
        sqlx::query("DELETE FROM meta WHERE key IN ('identity-next', 'identity-next-by')")
            .execute(&mut **writing)
            .await?;
        // What is accepted of this partner is its own key, which it need not accept from others.
        let key = identity.key();
        for table in ["accepted_keys", "accepted_cohorts"] {
            let update = format!("UPDATE {table} SET key = ? WHERE partner = ?");
            sqlx::query(sqlx::AssertSqlSafe(update))
                .bind(key.as_bytes().as_slice())
                .bind(partner)
                .execute(&mut **writing)
                .await?;
        }
        let mut ledger = self.ledger_in(writing).await?;
        let decided = Governance {
            act: GovernanceAct::OwnKeyChanged,
            subject: partner.to_owned(),
            key,
            by: by.to_owned(),
        };
        self.govern(writing, &mut ledger, decided, now).await
    }
}

fn change_digest(change: &RosterChange) -> Result<Digest, NodeError> {
    change.digest().map_err(|_| damaged())
}

async fn accept_change(
    writing: &mut Writing,
    change: &RosterChange,
    by: &str,
    now: i64,
) -> Result<(), NodeError> {
    let statements: &[&'static str] = match change.kind {
        ChangeKind::Removed => &[
            "UPDATE accepted_keys SET removed = 1 WHERE partner = ?1",
            "DELETE FROM accepted_cohorts WHERE partner = ?1",
        ],
        ChangeKind::NotInvited => {
            &["DELETE FROM accepted_cohorts WHERE partner = ?1 AND programme = ?2"]
        }
        // Vouched for by the key that was there: the same partner, so it is not new to its cohorts.
        ChangeKind::KeyRotated => &["UPDATE accepted_cohorts SET key = ?3 WHERE partner = ?1"],
        ChangeKind::Added | ChangeKind::KeyChanged | ChangeKind::Renamed => &[],
    };
    for statement in statements {
        sqlx::query(*statement)
            .bind(&change.partner)
            .bind(&change.programme)
            .bind(change.key.as_bytes().as_slice())
            .execute(&mut **writing)
            .await?;
    }
    if matches!(change.kind, ChangeKind::Removed | ChangeKind::NotInvited) {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO accepted_keys (partner, key, accepted_by, accepted_at, name, removed)
         VALUES (?, ?, ?, ?, ?, 0) ON CONFLICT (partner) DO UPDATE SET
         key = excluded.key, accepted_by = excluded.accepted_by, accepted_at = excluded.accepted_at,
         name = excluded.name, removed = 0",
    )
    .bind(&change.partner)
    .bind(change.key.as_bytes().as_slice())
    .bind(by)
    .bind(now)
    .bind(&change.name)
    .execute(&mut **writing)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    fn identity(byte: u8) -> Identity {
        Identity::from_seed(Secret::from_bytes([byte; 32])).unwrap()
    }

    async fn vault(folder: &tempfile::TempDir) -> Vault {
        let key = Secret::from_bytes([9; 32]);
        Vault::create(&folder.path().join("v"), key).await.unwrap()
    }

    fn change(kind: ChangeKind, partner: &str, key: u8) -> RosterChange {
        RosterChange {
            kind,
            partner: partner.to_owned(),
            name: format!("Name of {partner}"),
            key: identity(key).key(),
            before: None,
            programme: (kind == ChangeKind::NotInvited).then(|| "small".to_owned()),
        }
    }

    async fn accept(vault: &Vault, change: RosterChange) {
        let mut writing = vault.write().await.unwrap();
        vault
            .accept_changes(&mut writing, &[change], "A. Officer", 1)
            .await
            .unwrap();
        writing.commit().await.unwrap();
    }

    #[tokio::test]
    async fn a_vault_of_version_1_keeps_the_keys_it_had_accepted() {
        let folder = tempfile::tempdir().unwrap();
        let options = sqlx::sqlite::SqliteConnectOptions::new()
            .filename(folder.path().join("v"))
            .create_if_missing(true);
        let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
        sqlx::raw_sql(include_str!("schema/1.sql"))
            .execute(&pool)
            .await
            .unwrap();
        let key = identity(1).key();
        sqlx::query("INSERT INTO accepted_keys VALUES ('p1', ?, 'A. Officer', 1)")
            .bind(key.as_bytes().as_slice())
            .execute(&pool)
            .await
            .unwrap();
        pool.close().await;
        let vault = vault(&folder).await;
        let known = vault.known_partners().await.unwrap();
        assert_eq!(known.len(), 1);
        let known = &known[0];
        assert_eq!(
            (known.key, known.removed, known.name.as_str()),
            (key, false, "")
        );
        assert!(vault.accepted_cohort("small").await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn accepted_changes_are_what_later_ones_are_compared_with_and_stand_in_the_ledger() {
        let folder = tempfile::tempdir().unwrap();
        let vault = vault(&folder).await;
        for partner in ["p1", "p2"] {
            accept(&vault, change(ChangeKind::Added, partner, 1)).await;
        }
        let mut writing = vault.write().await.unwrap();
        let key = identity(1).key();
        let members = [("p1", &key), ("p2", &key), ("p3", &key)];
        vault
            .accept_cohort(&mut writing, "small", members.into_iter())
            .await
            .unwrap();
        let rejected = change(ChangeKind::KeyRotated, "p1", 2);
        vault
            .reject_changes(
                &mut writing,
                std::slice::from_ref(&rejected),
                "B. Officer",
                2,
            )
            .await
            .unwrap();
        writing.commit().await.unwrap();
        let by = vault.rejected_by(&rejected).await.unwrap();
        assert_eq!(by.as_deref(), Some("B. Officer"));

        accept(&vault, rejected.clone()).await;
        accept(&vault, change(ChangeKind::Removed, "p2", 1)).await;
        accept(&vault, change(ChangeKind::NotInvited, "p3", 1)).await;
        assert_eq!(vault.rejected_by(&rejected).await.unwrap(), None);
        let known = vault.known_partners().await.unwrap();
        let known: Vec<_> = known.iter().map(|each| (each.key, each.removed)).collect();
        assert_eq!(known, [(identity(2).key(), false), (key, true)]);
        let cohort = vault.accepted_cohort("small").await.unwrap();
        assert_eq!(cohort, [("p1".to_owned(), identity(2).key())]);
        assert_eq!(vault.ledger().await.unwrap().length(), 6);
    }

    #[tokio::test]
    async fn the_next_identity_waits_sealed_and_replaces_the_old_one_whole() {
        let folder = tempfile::tempdir().unwrap();
        let vault = vault(&folder).await;
        let mut rng = StdRng::seed_from_u64(1);
        let (old, new) = (identity(1), identity(2));
        vault.store_identity(&old, &mut rng).await.unwrap();
        vault
            .store_next_identity(&new, "A. Officer", &mut rng)
            .await
            .unwrap();
        assert_eq!(vault.identity().await.unwrap().unwrap().key(), old.key());
        let sealed = vault.meta(NEXT_IDENTITY).await.unwrap().unwrap();
        let seed = new.seed().expose().as_slice();
        assert!(!sealed.windows(seed.len()).any(|window| window == seed));

        let promote = async |commit: bool| {
            let mut rng = StdRng::seed_from_u64(2);
            let mut writing = vault.write().await.unwrap();
            let named = (&new, "A. Officer");
            vault
                .promote_identity(&mut writing, named, "p1", 3, &mut rng)
                .await
                .unwrap();
            match commit {
                true => writing.commit().await.unwrap(),
                false => writing.rollback().await.unwrap(),
            }
        };
        promote(false).await;
        assert_eq!(vault.identity().await.unwrap().unwrap().key(), old.key());
        assert!(vault.next_identity().await.unwrap().is_some());
        assert_eq!(vault.ledger().await.unwrap().length(), 0);
        promote(true).await;
        assert_eq!(vault.identity().await.unwrap().unwrap().key(), new.key());
        assert!(vault.next_identity().await.unwrap().is_none());
        assert_eq!(vault.ledger().await.unwrap().length(), 1);
    }

    #[tokio::test]
    async fn another_coordinator_begins_another_chain_of_releases_and_rosters() {
        let folder = tempfile::tempdir().unwrap();
        let vault = vault(&folder).await;
        let enrolment = |key: u8| Enrolment {
            partner: "p1".to_owned(),
            name: "P1".to_owned(),
            address: "localhost:1".to_owned(),
            coordinator: identity(key).key(),
        };
        let release = crate::vault::StoredRelease {
            round: Digest::ZERO,
            programme: "small".to_owned(),
            period: "2026-Q1".to_owned(),
            digest: Digest::ZERO,
            ours: true,
            json: Vec::new(),
        };
        let mut writing = vault.write().await.unwrap();
        vault.enrol(&mut writing, &enrolment(1)).await.unwrap();
        vault
            .store_release(&mut writing, &release, 1)
            .await
            .unwrap();
        vault.revoke_coordinator(&mut writing).await.unwrap();
        writing.commit().await.unwrap();
        assert!(vault.last_release("small").await.unwrap().is_some());
        assert!(vault.coordinator_is_revoked().await.unwrap());
        let mut writing = vault.write().await.unwrap();
        vault.begin_line(&mut writing, &enrolment(2)).await.unwrap();
        writing.commit().await.unwrap();
        assert!(!vault.coordinator_is_revoked().await.unwrap());
        assert!(vault.last_release("small").await.unwrap().is_none());
        assert_eq!(vault.releases().await.unwrap().len(), 1);
        let now = vault.enrolment().await.unwrap();
        assert_eq!(now.coordinator, identity(2).key());
    }
}
