//! What the estimates of the core say of the releases, each computed once.
//!
//! An estimate follows from a release, the releases before it, and a table; the digest of a release covers the one
//! before it. So what was once computed under a digest stays right, and pages need not compute it again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use msht_core::crypto::Digest;
use msht_core::estimate::hotspot::{Areas, Baseline, Hotspots, hotspots};
use msht_core::estimate::trend::{TableChanges, latest_changes};
use msht_core::estimate::{COMPLEMENT, EstimateError, NoisyTable};

use super::catalogue::Published;
use super::charts::london;

/// Most estimates kept of either kind, a limit on memory: about a hundred kilobytes each for the largest tables.
const MOST_KEPT: usize = 512;

/// An estimate, or why there is none.
pub(super) type Estimated<T> = Arc<Result<T, EstimateError>>;

/// Estimates by the release they end with.
#[derive(Debug, Default)]
pub(super) struct Estimates {
    changes: Kept<(Digest, String), TableChanges>,
    hotspots: Kept<(Digest, String, String), Hotspots>,
}

/// A place for each key, which is filled once: who asks while it is being filled waits and does not compute it too.
#[derive(Debug)]
struct Kept<K, T>(Mutex<BTreeMap<K, Place<T>>>);

type Place<T> = Arc<OnceLock<Estimated<T>>>;

impl<K, T> Default for Kept<K, T> {
    fn default() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }
}

impl<K: Ord, T> Kept<K, T> {
    /// What is kept under `key`, or what `compute` gives, which is kept then.
    fn or_compute(
        &self,
        key: K,
        compute: impl FnOnce() -> Result<T, EstimateError>,
    ) -> Estimated<T> {
        let place = self.place(key);
        let estimate = place.get_or_init(|| Arc::new(compute()));
        Arc::clone(estimate)
    }

    fn place(&self, key: K) -> Place<T> {
        // Nothing is computed under this lock, so a thread that panicked left the map whole.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_KEPT && !known.contains_key(&key) {
            known.clear();
        }
        Arc::clone(known.entry(key).or_default())
    }
}

impl Estimates {
    /// How many tables' changes are kept.
    #[cfg(test)]
    pub(super) fn count_changes(&self) -> usize {
        self.changes.0.lock().unwrap().len()
    }

    /// Changes of every cell of the table `name` from the release before the last to the last of `releases`.
    pub(super) fn changes(&self, releases: &[&Published], name: &str) -> Estimated<TableChanges> {
        let Some(last) = releases.last() else {
            return Arc::new(Err(EstimateError::TooFew(2)));
        };
        self.changes
            .or_compute((last.digest(), name.to_owned()), || {
                latest_changes(&tables_of(releases, name)?, COMPLEMENT)
            })
    }

    /// Boroughs along `dimension` of the table `name` that have more than their own past explains, in the last of
    /// `releases`; `within` is another dimension and a category of it.
    pub(super) fn hotspots(
        &self,
        releases: &[&Published],
        name: &str,
        dimension: &str,
        within: Option<(&str, &str)>,
    ) -> Estimated<Hotspots> {
        let Some(last) = releases.last() else {
            return Arc::new(Err(EstimateError::TooFew(2)));
        };
        let group = within.map_or("", |(_, code)| code).to_owned();
        self.hotspots
            .or_compute((last.digest(), name.to_owned(), group), || {
                let series = tables_of(releases, name)?;
                let latest = series.last().ok_or(EstimateError::TooFew(2))?;
                let areas = Areas::along(latest, dimension, within, &adjacency())?;
                hotspots(&series, &areas, Baseline::Past, COMPLEMENT, COMPLEMENT)
            })
    }
}

/// The table `name` of the releases that have it in the layout of the last, which must have it.
fn tables_of<'a>(
    releases: &[&'a Published],
    name: &str,
) -> Result<Vec<NoisyTable<'a>>, EstimateError> {
    let last = releases.last().ok_or(EstimateError::TooFew(2))?;
    let last = NoisyTable::of(last.release(), name)?;
    let mut tables = Vec::with_capacity(releases.len());
    for published in releases {
        match NoisyTable::of(published.release(), name) {
            Ok(table) if table.has_layout_of(&last) => tables.push(table),
            Ok(_) | Err(EstimateError::NoSuchTable { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(tables)
}

fn adjacency() -> BTreeMap<String, Vec<String>> {
    let owned = |codes: Vec<&str>| codes.into_iter().map(str::to_owned).collect();
    london::neighbours()
        .into_iter()
        .map(|(code, neighbours)| (code.to_owned(), owned(neighbours)))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::fixture;
    use super::*;

    fn releases(catalogue: &super::super::Catalogue) -> Vec<&Published> {
        let programme = catalogue.programme("example").unwrap();
        programme.releases().iter().map(AsRef::as_ref).collect()
    }

    #[test]
    fn an_estimate_is_computed_once_and_is_that_of_the_core() {
        let catalogue = fixture::quarters();
        let releases = releases(&catalogue);
        let estimates = Estimates::default();
        let once = estimates.changes(&releases, "by-kind");
        let again = estimates.changes(&releases, "by-kind");
        assert!(Arc::ptr_eq(&once, &again));
        let series: Vec<NoisyTable<'_>> = releases
            .iter()
            .map(|published| NoisyTable::of(published.release(), "by-kind").unwrap())
            .collect();
        assert_eq!(*once, latest_changes(&series, COMPLEMENT));
        assert!(!Arc::ptr_eq(
            &once,
            &estimates.changes(&releases[..5], "by-kind")
        ));
    }

    #[test]
    fn every_borough_is_tested_alone_and_with_its_neighbours() {
        let catalogue = fixture::quarters();
        let found =
            Estimates::default().hotspots(&releases(&catalogue), "borough", "borough", None);
        let found = found.as_ref().as_ref().unwrap();
        assert_eq!((found.single.len(), found.neighbourhoods.len()), (33, 33));
        assert!(
            found
                .neighbourhoods
                .iter()
                .all(|around| around.members.len() > 1)
        );
    }

    #[test]
    fn what_cannot_be_estimated_says_why() {
        let catalogue = fixture::quarters();
        let releases = releases(&catalogue);
        let estimates = Estimates::default();
        let one = estimates.changes(&releases[..1], "by-kind");
        assert_eq!(*one, Err(EstimateError::TooFew(2)));
        let none = estimates.changes(&releases, "nothing");
        assert!(matches!(*none, Err(EstimateError::NoSuchTable { .. })));
        assert_eq!(*estimates.changes(&[], "x"), Err(EstimateError::TooFew(2)));
    }

    #[test]
    fn many_who_ask_at_once_compute_it_once() {
        const ASKERS: usize = 8;
        const KEYS: usize = 32;
        let kept: Kept<usize, usize> = Kept::default();
        let computed = AtomicUsize::new(0);
        let together = Barrier::new(ASKERS);
        std::thread::scope(|scope| {
            for _ in 0..ASKERS {
                scope.spawn(|| {
                    for key in 0..KEYS {
                        together.wait();
                        let found = kept.or_compute(key, || {
                            computed.fetch_add(1, Ordering::Relaxed);
                            // The others have their turn while this one computes.
                            std::thread::yield_now();
                            Ok(key)
                        });
                        assert_eq!(*found, Ok(key));
                    }
                });
            }
        });
        assert_eq!(computed.into_inner(), KEYS);
    }

    #[test]
    fn a_full_memory_is_emptied_and_not_grown() {
        let kept: Kept<usize, ()> = Kept::default();
        for key in 0..=MOST_KEPT {
            kept.or_compute(key, || Ok(()));
        }
        assert_eq!(kept.0.lock().unwrap().len(), 1);
    }
}
