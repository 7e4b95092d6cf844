//! Who the partners are: invites, enrolment, and the versions of the roster.

use msht_core::crypto::{Digest, HexBytes, IdentityKey, digest};
use msht_core::secagg::{
    MAX_PARTNER_NAME_BYTES, Partner, PartnerKind, Roster, Signed, Verified, check_partner_id,
};
use msht_core::wire::{Invite, MAX_ENCODED_BYTES, TOKEN_BYTES, decode, encode};
use rand::CryptoRng;

use crate::coordinator::Coordinator;
use crate::error::Error;
use crate::store::{InviteRow, InviteUse, Store, Transaction};

/// Whom an invite is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewInvite {
    /// Id the partner will have.
    pub partner: String,
    /// Name people read.
    pub name: String,
    /// What kind of organisation.
    pub kind: PartnerKind,
    /// How long the invite is good, in seconds.
    pub valid_seconds: u32,
}

/// An enrolled partner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolled {
    /// Id, name, kind and identity key.
    pub partner: Partner,
    /// When it enrolled, seconds since 1970-01-01 UTC.
    pub at: i64,
}

fn token_hash(token: &HexBytes<TOKEN_BYTES>) -> Digest {
    digest("invite-token", &[token.as_bytes()])
}

impl Coordinator {
    /// Makes an invite; an unused earlier one for the same partner stops being good.
    ///
    /// # Errors
    /// [`Error::PartnerId`], [`Error::PartnerName`]; [`Error::AlreadyEnrolled`].
    pub async fn invite<R: CryptoRng + ?Sized>(
        &self,
        new: &NewInvite,
        rng: &mut R,
    ) -> Result<Invite, Error> {
        check_partner_id(&new.partner)?;
        if new.name.trim().is_empty() || new.name.len() > MAX_PARTNER_NAME_BYTES {
            return Err(Error::PartnerName {
                most: MAX_PARTNER_NAME_BYTES,
            });
        }
        let mut token = [0; TOKEN_BYTES];
        rng.fill_bytes(&mut token);
        let token = HexBytes(token);
        if self.store().partner_by_id(&new.partner).await?.is_some() {
            return Err(Error::AlreadyEnrolled(new.partner.clone()));
        }
        let expires_at = self.now().saturating_add(i64::from(new.valid_seconds));
        let row = InviteRow {
            token_hash: token_hash(&token),
            partner: new.partner.clone(),
            name: new.name.clone(),
            kind: new.kind,
            expires_at,
        };
        self.store().add_invite(&row).await?;
        Ok(Invite {
            address: self.settings().address.clone(),
            coordinator: self.key(),
            token,
            partner: new.partner.clone(),
            expires_at,
        })
    }

    pub(crate) async fn enrol(
        &self,
        token: &HexBytes<TOKEN_BYTES>,
        key: &IdentityKey,
    ) -> Result<InviteUse, Error> {
        let hash = token_hash(token);
        Ok(self.store().use_invite(&hash, key, self.now()).await?)
    }

    /// The enrolled partners in order of id.
    ///
    /// # Errors
    /// The database.
    pub async fn partners(&self) -> Result<Vec<Enrolled>, Error> {
        let rows = self.store().partners().await?.into_iter();
        let enrolled = rows.map(|row| Enrolled {
            partner: row.partner,
            at: row.enrolled_at,
        });
        Ok(enrolled.collect())
    }

    /// The latest version of the roster; none before the first round. Partners that enrolled since are not on it yet.
    ///
    /// # Errors
    /// The database, or [`Error::Damaged`].
    pub async fn roster(&self) -> Result<Option<Verified<Roster>>, Error> {
        let bytes = self.store().latest_roster().await?;
        bytes.map(|bytes| self.roster_of(&bytes)).transpose()
    }

    /// The roster in these signed bytes, which this coordinator wrote.
    pub(crate) fn roster_of(&self, bytes: &[u8]) -> Result<Verified<Roster>, Error> {
        let damaged = || Error::Damaged("roster");
        let roster: Signed<Roster> = decode(bytes, MAX_ENCODED_BYTES).map_err(|_| damaged())?;
        roster.verify(&self.key()).map_err(|_| damaged())
    }

    /// The roster of everybody enrolled now: the latest version, or one more that is chained to it.
    pub(crate) async fn current_roster(
        &self,
        transaction: &mut Transaction,
    ) -> Result<Verified<Roster>, Error> {
        self.check_current(transaction).await?;
        let rows = Store::partners_in(transaction).await?;
        let partners: Vec<Partner> = rows.into_iter().map(|row| row.partner).collect();
        let latest = Store::latest_roster_in(transaction).await?;
        let latest = latest.map(|bytes| self.roster_of(&bytes)).transpose()?;
        let (version, previous) = match latest {
            Some(latest) if latest.partners == partners => return Ok(latest),
            Some(latest) => (latest.version.saturating_add(1), latest.digest()),
            None => (1, Digest::ZERO),
        };
        let roster = Roster {
            version,
            previous,
            partners,
        };
        let signed = Signed::sign(roster, &self.0.identity)?;
        Store::add_roster_in(transaction, version, &encode(&signed)?).await?;
        signed
            .verify(&self.key())
            .map_err(|_| Error::Damaged("roster"))
    }
}
