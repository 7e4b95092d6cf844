//! From an opened sum to a signed, chained release, and on to the site.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use msht_core::crypto::Digest;
use msht_core::release::{Expectations, Release, from_json, to_json};
use msht_core::secagg::coordinator::Opened;
use msht_core::secagg::{RoundContext, Signed};
use tokio::sync::watch;

use crate::coordinator::Coordinator;
use crate::error::Error;
use crate::site::{Catalogue, Published};
use crate::store::{Lease, ReleaseRow};

/// The catalogue as the site last got it, and the releases it was made of.
pub(crate) struct SiteFeed {
    known: Mutex<BTreeMap<Digest, Arc<Published>>>,
    catalogue: watch::Sender<Arc<Catalogue>>,
}

impl Default for SiteFeed {
    fn default() -> Self {
        Self {
            known: Mutex::default(),
            catalogue: watch::Sender::new(Arc::default()),
        }
    }
}

impl SiteFeed {
    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<Catalogue>> {
        self.catalogue.subscribe()
    }

    fn known(&self, round: &Digest) -> Option<Arc<Published>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(round).cloned()
    }

    fn remember(&self, round: Digest, published: &Arc<Published>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(round, Arc::clone(published));
    }
}

impl Coordinator {
    /// Builds, signs, verifies and stores the release of an opened sum; with it the round ends (C7).
    pub(crate) async fn publish(
        &self,
        lease: &Lease,
        context: &Arc<RoundContext>,
        opened: &Opened,
    ) -> Result<(), Error> {
        let announcement = context.announcement();
        let programme = self.store().programme(&announcement.programme_digest);
        let programme = programme.await?.ok_or(Error::Damaged("programme"))?;
        let programme = self.programme_of(&programme.signed)?;
        let (identity, now) = (Arc::clone(&self.0.identity), self.now());
        let (context, opened) = (Arc::clone(context), opened.clone());
        let built = tokio::task::spawn_blocking(move || -> Result<ReleaseRow, Error> {
            let release = Release::build(&context, &programme, &opened, now)?;
            let signed = Signed::sign(release, &identity)?;
            let json = to_json(&signed)?;
            let expectations = Expectations {
                coordinator: Some(identity.key()),
                programme: Some(&programme),
                ..Expectations::default()
            };
            let verified = from_json(&json)?.verify_release(&expectations)?;
            Ok(ReleaseRow {
                round: verified.round,
                programme: verified.programme.clone(),
                period: verified.period.clone(),
                digest: verified.digest(),
                json,
            })
        });
        let row = built.await.map_err(|_| Error::Worker)??;
        self.store().finish_with_release(lease, &row).await?;
        tracing::info!(round = %row.round.short(), programme = row.programme, period = row.period, bytes = row.json.len(), "release published");
        Ok(())
    }

    /// The bytes of the `release.json` of a round.
    ///
    /// # Errors
    /// The database.
    pub async fn release_json(&self, round: &Digest) -> Result<Option<Vec<u8>>, Error> {
        let row = self.store().release(round).await?;
        Ok(row.map(|row| row.json))
    }

    /// Gives the site what is published now.
    pub(crate) async fn refresh_site(&self) -> Result<(), Error> {
        let programmes = self.store().current_programmes().await?.into_iter();
        let programmes = programmes.map(|row| (row.id, row.title));
        let mut releases = Vec::new();
        for round in self.store().released_rounds().await? {
            let published = match self.0.site.known(&round) {
                Some(published) => published,
                None => self.load_published(&round).await?,
            };
            releases.push(published);
        }
        let baselines = self.baselines().await?.into_iter();
        let baselines = baselines.map(|kept| kept.baseline).collect();
        let catalogue = Catalogue::new(programmes, releases).with_baselines(baselines);
        self.0.site.catalogue.send_replace(Arc::new(catalogue));
        Ok(())
    }

    async fn load_published(&self, round: &Digest) -> Result<Arc<Published>, Error> {
        let row = self.store().release(round).await?;
        let json = row.ok_or(Error::Damaged("release"))?.json;
        let coordinator = self.clone();
        let loaded = tokio::task::spawn_blocking(move || -> Result<Published, Error> {
            let damaged = || Error::Damaged("release");
            let release = from_json(&json)?;
            // Signed by this coordinator's key of its time.
            let key = release.content.proof.coordinator;
            let release = match coordinator.is_own_key(&key) {
                true => release.verify(&key).map_err(|_| damaged())?,
                false => return Err(damaged()),
            };
            Published::new(&release, json).map_err(|_| damaged())
        });
        let published = Arc::new(loaded.await.map_err(|_| Error::Worker)??);
        self.0.site.remember(*round, &published);
        Ok(published)
    }
}
