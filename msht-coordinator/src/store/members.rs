//! Invites, partners and roster versions in the store.

use msht_core::crypto::{Digest, IdentityKey};
use msht_core::secagg::{Partner, PartnerKind};

use sqlx::any::AnyRow;

use super::{Connection, Result, Store, StoreError, Transaction, first, fixed, get, signed};
use crate::reminders::InviteStatus;

/// An invite as stored: the token itself is not.
#[derive(Debug, Clone)]
pub(crate) struct InviteRow {
    pub(crate) token_hash: Digest,
    pub(crate) partner: String,
    pub(crate) name: String,
    pub(crate) kind: PartnerKind,
    pub(crate) expires_at: i64,
}

/// A partner and when it enrolled.
#[derive(Debug, Clone)]
pub(crate) struct PartnerRow {
    pub(crate) partner: Partner,
    pub(crate) enrolled_at: i64,
}

/// What became of an attempt to enrol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum InviteUse {
    /// The identity is now this partner's, or already was by this very invite.
    Enrolled(Partner),
    /// No such invite, or another identity has used it.
    Unknown,
    /// Its time is over.
    Expired,
    /// The identity is this partner's already.
    AlreadyEnrolled(String),
    /// The identity was revoked, or given up for another one.
    Revoked,
}

fn kind_of(row: &AnyRow) -> Result<PartnerKind> {
    let word: String = get(row, "kind")?;
    PartnerKind::from_word(&word).ok_or(StoreError::Damaged("kind of partner"))
}

fn partner_of(row: &AnyRow) -> Result<PartnerRow> {
    let partner = Partner {
        id: get(row, "id")?,
        name: get(row, "name")?,
        kind: kind_of(row)?,
        key: IdentityKey::from_bytes(fixed::<32>(row, "key")?.0),
    };
    Ok(PartnerRow {
        partner,
        enrolled_at: get(row, "enrolled_at")?,
    })
}

impl Store {
    /// Stores an invite; unused earlier ones for the same partner stop being good.
    pub(crate) async fn add_invite(&self, invite: &InviteRow) -> Result<()> {
        let mut transaction = self.begin().await?;
        sqlx::query("DELETE FROM invites WHERE partner = $1 AND used_at IS NULL")
            .bind(&invite.partner)
            .execute(&mut *transaction)
            .await?;
        sqlx::query("INSERT INTO invites VALUES ($1, $2, $3, $4, $5, NULL)")
            .bind(invite.token_hash.as_bytes().as_slice())
            .bind(&invite.partner)
            .bind(&invite.name)
            .bind(invite.kind.word())
            .bind(invite.expires_at)
            .execute(&mut *transaction)
            .await?;
        Ok(transaction.commit().await?)
    }

    /// Every invite in order of partner; of a partner that enrolled again, the earlier ones too.
    pub(crate) async fn invites(&self) -> Result<Vec<InviteStatus>> {
        let rows = sqlx::query(
            "SELECT partner, name, expires_at, used_at FROM invites ORDER BY partner, expires_at",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(InviteStatus {
                    partner: get(row, "partner")?,
                    name: get(row, "name")?,
                    expires_at: get(row, "expires_at")?,
                    used_at: get(row, "used_at")?,
                })
            })
            .collect()
    }

    /// Takes the unused invite of a partner away. Returns whether there was one.
    pub(crate) async fn withdraw_invite(&self, partner: &str) -> Result<bool> {
        let mut transaction = self.begin().await?;
        let gone = sqlx::query("DELETE FROM invites WHERE partner = $1 AND used_at IS NULL")
            .bind(partner)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(gone.rows_affected() > 0)
    }

    /// Uses an invite once, for one identity; the same identity again gets the same answer.
    pub(crate) async fn use_invite(
        &self,
        token_hash: &Digest,
        key: &IdentityKey,
        now: i64,
    ) -> Result<InviteUse> {
        let mut transaction = self.begin().await?;
        let known = partner_by_key(&mut transaction, key).await?;
        let invite = sqlx::query("SELECT * FROM invites WHERE token_hash = $1")
            .bind(token_hash.as_bytes().as_slice())
            .fetch_optional(&mut *transaction)
            .await?;
        let Some(invite) = invite else {
            return Ok(match known {
                Some(known) => InviteUse::AlreadyEnrolled(known.partner.id),
                None => InviteUse::Unknown,
            });
        };
        let id: String = get(&invite, "partner")?;
        let used_at: Option<i64> = get(&invite, "used_at")?;
        if let Some(known) = known {
            let same = used_at.is_some() && known.partner.id == id;
            return Ok(if same {
                InviteUse::Enrolled(known.partner)
            } else {
                InviteUse::AlreadyEnrolled(known.partner.id)
            });
        }
        if used_at.is_some() {
            return Ok(InviteUse::Unknown);
        }
        if Self::is_retired_in(&mut transaction, key).await? {
            return Ok(InviteUse::Revoked);
        }
        if get::<i64>(&invite, "expires_at")? < now {
            return Ok(InviteUse::Expired);
        }
        let partner = Partner {
            id,
            name: get(&invite, "name")?,
            kind: kind_of(&invite)?,
            key: *key,
        };
        enrol(&mut transaction, token_hash, &partner, now).await?;
        transaction.commit().await?;
        Ok(InviteUse::Enrolled(partner))
    }

    /// The partner with this identity.
    pub(crate) async fn partner_by_key(&self, key: &IdentityKey) -> Result<Option<Partner>> {
        let mut connection = self.pool.acquire().await?;
        let row = partner_by_key(&mut connection, key).await?;
        Ok(row.map(|row| row.partner))
    }

    /// The partner with this id.
    pub(crate) async fn partner_by_id(&self, id: &str) -> Result<Option<Partner>> {
        let row = sqlx::query("SELECT * FROM partners WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| Ok(partner_of(&row)?.partner)).transpose()
    }

    /// All partners in order of id.
    pub(crate) async fn partners(&self) -> Result<Vec<PartnerRow>> {
        let mut connection = self.pool.acquire().await?;
        Self::partners_in(&mut connection).await
    }

    pub(crate) async fn partners_in(connection: &mut Connection) -> Result<Vec<PartnerRow>> {
        let rows = sqlx::query("SELECT * FROM partners ORDER BY id")
            .fetch_all(connection)
            .await?;
        rows.iter().map(partner_of).collect()
    }

    /// The signed bytes of a roster version.
    pub(crate) async fn roster(&self, version: u64) -> Result<Option<Vec<u8>>> {
        let row = sqlx::query("SELECT signed FROM rosters WHERE version = $1")
            .bind(signed(version)?)
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| first(&row)).transpose()
    }

    /// The signed bytes of the latest roster version.
    pub(crate) async fn latest_roster(&self) -> Result<Option<Vec<u8>>> {
        let mut connection = self.pool.acquire().await?;
        Self::latest_roster_in(&mut connection).await
    }

    pub(crate) async fn latest_roster_in(connection: &mut Connection) -> Result<Option<Vec<u8>>> {
        let row = sqlx::query("SELECT signed FROM rosters ORDER BY version DESC LIMIT 1")
            .fetch_optional(connection)
            .await?;
        row.map(|row| first(&row)).transpose()
    }

    pub(crate) async fn add_roster_in(
        transaction: &mut Transaction,
        version: u64,
        bytes: &[u8],
    ) -> Result<()> {
        sqlx::query("INSERT INTO rosters VALUES ($1, $2)")
            .bind(signed(version)?)
            .bind(bytes)
            .execute(&mut **transaction)
            .await?;
        Ok(())
    }
}

async fn partner_by_key(
    connection: &mut Connection,
    key: &IdentityKey,
) -> Result<Option<PartnerRow>> {
    let row = sqlx::query("SELECT * FROM partners WHERE key = $1")
        .bind(key.as_bytes().as_slice())
        .fetch_optional(connection)
        .await?;
    row.map(|row| partner_of(&row)).transpose()
}

async fn enrol(
    connection: &mut Connection,
    token_hash: &Digest,
    partner: &Partner,
    now: i64,
) -> Result<()> {
    sqlx::query("UPDATE invites SET used_at = $1 WHERE token_hash = $2")
        .bind(now)
        .bind(token_hash.as_bytes().as_slice())
        .execute(&mut *connection)
        .await?;
    sqlx::query("INSERT INTO partners VALUES ($1, $2, $3, $4, $5)")
        .bind(&partner.id)
        .bind(&partner.name)
        .bind(partner.kind.word())
        .bind(partner.key.as_bytes().as_slice())
        .bind(now)
        .execute(&mut *connection)
        .await?;
    Ok(())
}
