//! Whose key is whose, over time: partners change their keys and vouch for each other, the operator revokes a
//! partner, and the coordinator hands its own key over without losing the chain.

use msht_core::crypto::{Digest, Identity, IdentityKey, seal_at_rest};
use msht_core::governance::{
    Countersigned, GovernanceRecord, Handover, KeyChange, MAX_GOVERNANCE_BYTES,
    MAX_STATEMENT_BYTES, MAX_SUCCESSIONS, SignedEndorsement, Statement, linked,
};
use msht_core::secagg::{
    AbortNotice, Announcement, Document, ProgrammeDocument, Roster, Signed, check_partner_id,
};
use msht_core::wire::{MAX_ENCODED_BYTES, Refusal, decode, encode};
use rand::CryptoRng;
use serde::de::DeserializeOwned;

use crate::coordinator::{Coordinator, IDENTITY, IDENTITY_CONTEXT};
use crate::error::Error;
use crate::store::{EndorsementRow, SignedDocument, Store, StoreError};

/// Longest reason of a revocation, in bytes: a few sentences.
pub(crate) const MAX_REASON_BYTES: usize = 500;

fn refused(reason: &str) -> Refusal {
    Refusal::Statement {
        reason: reason.to_owned(),
    }
}

fn decoded<T: serde::Serialize + DeserializeOwned>(
    rows: Vec<Vec<u8>>,
    what: &'static str,
) -> Result<Vec<T>, Error> {
    let each =
        |bytes: Vec<u8>| decode(&bytes, MAX_STATEMENT_BYTES).map_err(|_| Error::Damaged(what));
    rows.into_iter().map(each).collect()
}

/// The same content under the signature of `new`, where the old signature holds.
fn signed_again<T: Document + Clone>(
    bytes: &[u8],
    old: &IdentityKey,
    new: &Identity,
    what: &'static str,
) -> Result<Vec<u8>, Error> {
    let document: Signed<T> = decode(bytes, MAX_ENCODED_BYTES).map_err(|_| Error::Damaged(what))?;
    let document = document.verify(old).map_err(|_| Error::Damaged(what))?;
    Ok(encode(&Signed::sign(
        document.as_signed().content.clone(),
        new,
    )?)?)
}

impl Coordinator {
    /// Every change of this coordinator's key, oldest first.
    #[must_use]
    pub fn handovers(&self) -> &[Countersigned<Handover>] {
        &self.0.handovers
    }

    /// Whether `key` is this coordinator's, now or before a handover.
    pub(crate) fn is_own_key(&self, key: &IdentityKey) -> bool {
        linked(self.handovers(), key, &self.key())
    }

    /// What a node may read of the statements: a partner everything, everybody else the handovers.
    pub(crate) async fn governance_record(&self, for_partner: bool) -> Result<Vec<u8>, Error> {
        let mut record = GovernanceRecord {
            handovers: self.handovers().to_vec(),
            ..GovernanceRecord::default()
        };
        if for_partner {
            record.key_changes = decoded(self.store().key_changes().await?, "change of key")?;
            record.endorsements = decoded(self.store().endorsements().await?, "endorsement")?;
        }
        let bytes = encode(&record)?;
        match bytes.len() <= MAX_GOVERNANCE_BYTES {
            true => Ok(bytes),
            false => Err(Error::Damaged("list of statements")),
        }
    }

    /// Takes a statement of whoever holds `key`. What is accepted is durable when this returns.
    pub(crate) async fn take_key_statement(
        &self,
        key: &IdentityKey,
        bytes: &[u8],
    ) -> Result<Result<(), Refusal>, Error> {
        match decode(bytes, MAX_STATEMENT_BYTES) {
            Ok(Statement::KeyChange(change)) => self.change_partner_key(key, &change).await,
            Ok(Statement::Endorsement(endorsement)) => self.endorse(key, &endorsement).await,
            Err(_) => Ok(Err(Refusal::Malformed)),
        }
    }

    async fn change_partner_key(
        &self,
        key: &IdentityKey,
        signed: &Countersigned<KeyChange>,
    ) -> Result<Result<(), Refusal>, Error> {
        let Ok(change) = signed.verify() else {
            return Ok(Err(refused("both keys must sign a change of key")));
        };
        let bytes = encode(signed)?;
        let mut transaction = self.store().begin().await?;
        if let Some(earlier) = Store::key_change_from_in(&mut transaction, &change.from).await? {
            // The answer was lost: the same change again is answered the same way.
            let same = earlier == bytes && [change.from, change.to].contains(key);
            return Ok(if same { Ok(()) } else { Err(Refusal::Revoked) });
        }
        let rows = Store::partners_in(&mut transaction).await?;
        let holder = rows.iter().find(|row| row.partner.key == *key);
        let Some(holder) = holder else {
            return Ok(Err(Refusal::UnknownIdentity));
        };
        if change.from != *key || change.partner != holder.partner.id {
            return Ok(Err(refused(
                "a partner changes its own key only, and from the one it has",
            )));
        }
        let in_use = rows.iter().any(|row| row.partner.key == change.to);
        if in_use || Store::is_retired_in(&mut transaction, &change.to).await? {
            return Ok(Err(refused(
                "the new key is in use, or was given up before",
            )));
        }
        if Store::is_in_open_round_in(&mut transaction, &change.partner).await? {
            return Ok(Err(Refusal::OpenRound));
        }
        let earlier = Store::count_retired_in(&mut transaction, &change.partner).await?;
        if earlier >= MAX_SUCCESSIONS {
            return Ok(Err(refused(
                "this partner changed its key as often as nodes follow",
            )));
        }
        let keys = (&change.from, &change.to);
        let (partner, now) = (&change.partner, self.now());
        Store::change_key_in(&mut transaction, partner, keys, &bytes, now).await?;
        self.current_roster(&mut transaction).await?;
        transaction.commit().await.map_err(StoreError::from)?;
        tracing::info!(partner, key = %change.to.fingerprint(), "key of a partner changed");
        self.refresh_news().await?;
        Ok(Ok(()))
    }

    async fn endorse(
        &self,
        key: &IdentityKey,
        signed: &SignedEndorsement,
    ) -> Result<Result<(), Refusal>, Error> {
        let content = &signed.content;
        if signed.clone().verify(key).is_err() {
            return Ok(Err(refused("a partner signs its own endorsements")));
        }
        let mut transaction = self.store().begin().await?;
        let rows = Store::partners_in(&mut transaction).await?;
        let has = |id: &str, key: &IdentityKey| {
            rows.iter()
                .any(|row| row.partner.id == id && row.partner.key == *key)
        };
        let fits = has(&content.endorser, key)
            && has(&content.partner, &content.key)
            && content.endorser != content.partner
            && self.is_own_key(&content.coordinator);
        if !fits {
            return Ok(Err(refused(
                "it is not about a partner enrolled here with this key",
            )));
        }
        let row = EndorsementRow {
            endorser: &content.endorser,
            partner: &content.partner,
            key: &content.key,
            signed: &encode(signed)?,
        };
        Store::endorse_in(&mut transaction, &row).await?;
        transaction.commit().await.map_err(StoreError::from)?;
        tracing::info!(
            partner = content.partner,
            by = content.endorser,
            "partner endorsed"
        );
        self.refresh_news().await?;
        Ok(Ok(()))
    }

    /// Takes a partner whose key is lost or stolen off the roster. Nothing is taken from that key any more; a new
    /// invite lets the partner enrol again under its id, with another key that everybody has to accept.
    ///
    /// Returns the open rounds it is invited to: they go on as if it had vanished.
    ///
    /// # Errors
    /// [`Error::UnknownPartner`]; [`Error::Reason`]; the database.
    pub async fn revoke(&self, partner: &str, reason: &str) -> Result<Vec<Digest>, Error> {
        check_partner_id(partner)?;
        if reason.trim().is_empty() || reason.len() > MAX_REASON_BYTES {
            return Err(Error::Reason {
                most: MAX_REASON_BYTES,
            });
        }
        let mut transaction = self.store().begin().await?;
        let rows = Store::partners_in(&mut transaction).await?;
        let row = rows.into_iter().find(|row| row.partner.id == partner);
        let row = row.ok_or_else(|| Error::UnknownPartner(partner.to_owned()))?;
        let open = Store::open_rounds_of_in(&mut transaction, partner).await?;
        let (key, now) = (&row.partner.key, self.now());
        Store::revoke_in(&mut transaction, partner, key, reason.trim(), now).await?;
        self.current_roster(&mut transaction).await?;
        transaction.commit().await.map_err(StoreError::from)?;
        tracing::warn!(partner, "partner revoked");
        self.refresh_news().await?;
        Ok(open)
    }

    /// The signed latest roster, in a new version where somebody enrolled, changed its key or left since.
    pub(crate) async fn published_roster(&self) -> Result<Vec<u8>, Error> {
        let latest = self.roster().await?;
        let partners = self.store().partners().await?;
        let listed = partners.iter().map(|row| &row.partner);
        if let Some(latest) = latest.filter(|latest| latest.partners.iter().eq(listed)) {
            return Ok(encode(latest.as_signed())?);
        }
        let mut transaction = self.store().begin().await?;
        let roster = self.current_roster(&mut transaction).await?;
        transaction.commit().await.map_err(StoreError::from)?;
        Ok(encode(roster.as_signed())?)
    }

    /// Hands over to a fresh key: both keys sign, and every stored document gets the new key's signature, all in one
    /// transaction. Digests do not change by that, so rosters and releases stay one chain. Returns the coordinator
    /// opened anew; whatever else was open on this data directory is stale.
    ///
    /// # Errors
    /// [`Error::AlreadyRunning`] while it serves; [`Error::KeyInUse`] while a round is open; the database.
    pub async fn rotate_key<R: CryptoRng + ?Sized>(self, rng: &mut R) -> Result<Self, Error> {
        let lock = self.0.data.try_lock()?;
        let _lock = lock.ok_or_else(|| Error::AlreadyRunning(self.0.data.path().to_owned()))?;
        let (old, old_key) = (&self.0.identity, self.key());
        let new = Identity::generate(rng).map_err(|_| Error::Randomness)?;
        let content = Handover {
            from: old_key,
            to: new.key(),
            at: self.now(),
        };
        let handover = encode(&Countersigned::sign(content, old, &new)?)?;
        let sealed = seal_at_rest(
            &self.0.data.key_file().read()?,
            IDENTITY_CONTEXT,
            new.seed().expose(),
            rng,
        );
        let mut transaction = self.store().begin().await?;
        if let Some(round) = Store::any_open_round_in(&mut transaction).await? {
            return Err(Error::KeyInUse(round));
        }
        self.check_current(&mut transaction).await?;
        if self.handovers().len() >= MAX_SUCCESSIONS {
            return Err(Error::TooManyHandovers);
        }
        Store::replace_signed_in(&mut transaction, |document, bytes| match document {
            SignedDocument::Programme => {
                signed_again::<ProgrammeDocument>(bytes, &old_key, &new, "programme")
            }
            SignedDocument::Roster => signed_again::<Roster>(bytes, &old_key, &new, "roster"),
            SignedDocument::Announcement => {
                signed_again::<Announcement>(bytes, &old_key, &new, "announcement")
            }
            SignedDocument::Abort => signed_again::<AbortNotice>(bytes, &old_key, &new, "notice"),
        })
        .await?;
        Store::hand_over_in(&mut transaction, &handover, (IDENTITY, &sealed)).await?;
        transaction.commit().await.map_err(StoreError::from)?;
        let opened = Self::open_in(self.0.data.clone(), self.0.clock.clone()).await?;
        self.close().await;
        Ok(opened)
    }

    /// As [`Self::check_current`], of what is stored now.
    pub(crate) async fn check_key(&self) -> Result<(), Error> {
        let mut transaction = self.store().begin().await?;
        self.check_current(&mut transaction).await
    }

    /// Refuses where the key was handed over since this process opened the data directory: what it signed would
    /// carry a key that nobody trusts any more.
    pub(crate) async fn check_current(
        &self,
        transaction: &mut crate::store::Transaction,
    ) -> Result<(), Error> {
        match Store::count_handovers_in(transaction).await? == self.handovers().len() {
            true => Ok(()),
            false => Err(Error::KeyReplaced),
        }
    }
}
