//! What a visitor looks at: one programme and one period of it.

use std::sync::Arc;

use msht_core::release::{Release, ReleaseTable};

use super::catalogue::{Catalogue, ProgrammeReleases, Published};
use super::estimates::Estimates;
use super::frame::Choice;
use super::pages::Page;
use super::query::Query;

/// Name of the programme in a query.
pub(super) const PROGRAMME: &str = "programme";
/// Name of the period in a query.
pub(super) const PERIOD: &str = "period";
/// Name of the table in a query.
pub(super) const TABLE: &str = "table";

/// The programme and period that a page shows, and what else its address says.
///
/// One form changes programme, period and table at once. What is asked for and not there, because another programme
/// was chosen beside it, is therefore the default: the newest period, the first table.
pub(super) struct Selection<'a> {
    pub(super) catalogue: &'a Catalogue,
    pub(super) query: Query,
    /// Id and releases; none on a site without programmes.
    pub(super) programme: Option<(&'a str, &'a ProgrammeReleases)>,
    /// The release of the period; none before the programme's first.
    pub(super) published: Option<&'a Published>,
    pub(super) estimates: &'a Estimates,
}

impl<'a> Selection<'a> {
    /// What `query` asks for on `page`, or `None` where it names a programme that is not there.
    ///
    /// Without a programme it is that of the newest release, or another that the page has something of.
    pub(super) fn new(
        catalogue: &'a Catalogue,
        estimates: &'a Estimates,
        query: Query,
        page: &Page,
    ) -> Option<Self> {
        let programme = match query.value(PROGRAMME) {
            Some(id) => Some(catalogue.programmes().find(|(other, _)| *other == id)?),
            None => default_programme(catalogue, page),
        };
        let published = programme.and_then(|(_, releases)| {
            let asked = query.value(PERIOD);
            let asked = asked.and_then(|period| releases.of_period(period));
            asked.or_else(|| releases.latest())
        });
        Some(Self {
            catalogue,
            published: published.map(Arc::as_ref),
            query,
            programme,
            estimates,
        })
    }

    /// The release.
    pub(super) fn release(&self) -> Option<&'a Release> {
        self.published.map(Published::release)
    }

    /// Id of the programme.
    pub(super) fn programme_id(&self) -> Option<&'a str> {
        self.programme.map(|(id, _)| id)
    }

    /// The releases of the programme by period, from the first up to the chosen one.
    pub(super) fn until_period(&self) -> Vec<&'a Published> {
        let Some(last) = self.release() else {
            return Vec::new();
        };
        let releases = self.programme.map_or(&[][..], |(_, p)| p.releases());
        let mut until: Vec<&Published> = releases
            .iter()
            .map(Arc::as_ref)
            .filter(|published| published.release().period <= last.period)
            .collect();
        until.sort_by(|a, b| a.release().period.cmp(&b.release().period));
        until
    }

    /// The table asked for if it is among those `fits` accepts, or else the first that it does.
    pub(super) fn table(&self, fits: impl Fn(&ReleaseTable) -> bool) -> Option<&'a ReleaseTable> {
        let tables = &self.release()?.tables;
        let asked = self.query.value(TABLE);
        tables
            .iter()
            .find(|table| Some(table.name.as_str()) == asked && fits(table))
            .or_else(|| tables.iter().find(|table| fits(table)))
    }

    /// The choice among the tables that `fits` accepts; none where it accepts none.
    pub(super) fn table_choice(
        &self,
        label: &'static str,
        fits: impl Fn(&ReleaseTable) -> bool,
    ) -> Option<Choice> {
        let chosen = self.table(&fits)?;
        let tables = self.release()?.tables.iter().filter(|table| fits(table));
        let options = tables.map(|table| (table.name.clone(), table.title.clone()));
        Some(Choice::new(TABLE, label, options, &chosen.name))
    }

    /// Programme and period as every link to another page carries them; the newest period needs no naming.
    pub(super) fn carried(&self) -> Vec<(&'static str, &'a str)> {
        let mut pairs = Vec::new();
        let Some((id, programme)) = self.programme else {
            return pairs;
        };
        pairs.push((PROGRAMME, id));
        let newest = programme.latest().map(|newest| newest.digest());
        if let Some(published) = self.published
            && Some(published.digest()) != newest
        {
            pairs.push((PERIOD, published.release().period.as_str()));
        }
        pairs
    }
}

fn default_programme<'a>(
    catalogue: &'a Catalogue,
    page: &Page,
) -> Option<(&'a str, &'a ProgrammeReleases)> {
    let latest = catalogue.latest().map(|published| published.release());
    let named = latest.and_then(|release| {
        catalogue
            .programmes()
            .find(|(id, _)| *id == release.programme)
    });
    named
        .filter(|(_, programme)| (page.applies)(programme))
        .or_else(|| catalogue.programmes().find(|(_, p)| (page.applies)(p)))
        .or(named)
        .or_else(|| catalogue.programmes().next())
}
