//! What there is to show: the published releases of every programme.

use std::collections::BTreeMap;
use std::sync::Arc;

use msht_core::crypto::Digest;
use msht_core::release::{Release, ReleaseTable};
use msht_core::secagg::{Signed, Verified};

use super::data::Derived;
use crate::baseline::Baseline;

/// A release that cannot be shown because a table does not fit its own dimensions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("table `{table}` of the release does not have one number for each of its cells")]
pub struct MisshapenTable {
    /// Name of the table.
    pub table: String,
}

/// A verified release as it is served: its content and the exact bytes of its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    release: Signed<Release>,
    digest: Digest,
    json: Vec<u8>,
    derived: Derived,
}

impl Published {
    /// A release whose signature was checked, with the bytes of its `release.json`, which are served unchanged.
    ///
    /// # Errors
    /// [`MisshapenTable`].
    pub fn new(release: &Verified<Release>, json: Vec<u8>) -> Result<Self, MisshapenTable> {
        if let Some(table) = release.tables.iter().find(|table| !is_well_shaped(table)) {
            return Err(MisshapenTable {
                table: table.name.clone(),
            });
        }
        Ok(Self {
            release: release.as_signed().clone(),
            digest: release.digest(),
            json,
            derived: Derived::default(),
        })
    }

    /// The release.
    #[must_use]
    pub fn release(&self) -> &Release {
        &self.release.content
    }

    /// The release with its signature.
    #[must_use]
    pub fn signed(&self) -> &Signed<Release> {
        &self.release
    }

    /// Digest of the release.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    pub(super) fn derived(&self) -> &Derived {
        &self.derived
    }

    /// Which tables have no derived numbers, and why, a sentence each.
    pub(super) fn left_raw(&self) -> Vec<String> {
        self.derived.left_raw(self)
    }

    /// The bytes of `release.json`.
    #[must_use]
    pub fn json(&self) -> &[u8] {
        &self.json
    }
}

fn is_well_shaped(table: &ReleaseTable) -> bool {
    let labelled = table
        .dimensions
        .iter()
        .all(|dimension| dimension.labels.len() == dimension.categories.len());
    let cells = table
        .dimensions
        .iter()
        .try_fold(1_usize, |cells, dimension| {
            cells.checked_mul(dimension.categories.len())
        });
    labelled && cells == Some(table.raw.len()) && !table.raw.is_empty()
}

/// One programme and its releases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgrammeReleases {
    title: String,
    releases: Vec<Arc<Published>>,
}

impl ProgrammeReleases {
    /// Title people read.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Releases from the oldest to the newest.
    #[must_use]
    pub fn releases(&self) -> &[Arc<Published>] {
        &self.releases
    }

    /// The newest release.
    #[must_use]
    pub fn latest(&self) -> Option<&Arc<Published>> {
        self.releases.last()
    }

    /// The newest release of a period.
    #[must_use]
    pub fn of_period(&self, period: &str) -> Option<&Arc<Published>> {
        self.releases
            .iter()
            .rev()
            .find(|published| published.release().period == period)
    }
}

/// Every published release by programme, and the programmes that have none yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalogue {
    programmes: BTreeMap<String, ProgrammeReleases>,
    by_round: BTreeMap<Digest, Arc<Published>>,
    baselines: Vec<Baseline>,
}

impl Catalogue {
    /// The catalogue of these programmes (id and title) and releases; those of one programme come in the order of
    /// their chain. A release of a programme not listed adds it under the title in the release.
    pub fn new(
        programmes: impl IntoIterator<Item = (String, String)>,
        releases: impl IntoIterator<Item = Arc<Published>>,
    ) -> Self {
        let mut catalogue = Self::default();
        for (id, title) in programmes {
            catalogue.programmes.entry(id).or_insert(ProgrammeReleases {
                title,
                releases: Vec::new(),
            });
        }
        for published in releases {
            catalogue.push(published);
        }
        catalogue
    }

    /// The catalogue with these baselines and no others, in their order.
    #[must_use]
    pub fn with_baselines(mut self, baselines: Vec<Baseline>) -> Self {
        self.baselines = baselines;
        self
    }

    /// Counts that others publish, in order of title.
    #[must_use]
    pub fn baselines(&self) -> &[Baseline] {
        &self.baselines
    }

    /// Adds the newest release of its programme.
    pub fn push(&mut self, published: Arc<Published>) {
        let release = published.release();
        self.programmes
            .entry(release.programme.clone())
            .or_insert_with(|| ProgrammeReleases {
                title: release.programme_title.clone(),
                releases: Vec::new(),
            })
            .releases
            .push(Arc::clone(&published));
        self.by_round.insert(release.round, published);
    }

    /// Programmes by id.
    pub fn programmes(&self) -> impl Iterator<Item = (&str, &ProgrammeReleases)> {
        self.programmes
            .iter()
            .map(|(id, programme)| (id.as_str(), programme))
    }

    /// The programme with this id.
    #[must_use]
    pub fn programme(&self, id: &str) -> Option<&ProgrammeReleases> {
        self.programmes.get(id)
    }

    /// The release of this round.
    #[must_use]
    pub fn of_round(&self, round: &Digest) -> Option<&Arc<Published>> {
        self.by_round.get(round)
    }

    /// The release with this digest.
    #[must_use]
    pub fn with_digest(&self, digest: &Digest) -> Option<&Arc<Published>> {
        self.by_round
            .values()
            .find(|published| published.digest() == *digest)
    }

    /// The release published last, of any programme.
    #[must_use]
    pub fn latest(&self) -> Option<&Arc<Published>> {
        self.programmes
            .values()
            .filter_map(ProgrammeReleases::latest)
            .max_by_key(|published| published.release().published_at)
    }
}
