//! From releases to the API's types.

use std::collections::BTreeMap;

use msht_core::release::{Release, ReleaseTable};

use crate::baseline::{Baseline, Place};
use crate::site::address;
use crate::site::catalogue::{ProgrammeReleases, Published};
use crate::site::cells::{Cell, cells};
use crate::site::data::release_files;
use crate::site::query::Query;

use super::types::{
    ApiError, BaselineCount, BaselineSummary, CategorySummary, CellNumber, DimensionSummary,
    FileLink, PeriodNumbers, ProgrammeSummary, ReleaseLink, ReleaseSummary, TableSummary, Whole,
};

pub(super) fn programme_summary(id: &str, programme: &ProgrammeReleases) -> ProgrammeSummary {
    ProgrammeSummary {
        id: id.to_owned(),
        title: programme.title().to_owned(),
        releases: programme
            .releases()
            .iter()
            .map(|published| release_link(published))
            .collect(),
    }
}

fn release_link(published: &Published) -> ReleaseLink {
    let release = published.release();
    ReleaseLink {
        period: release.period.clone(),
        round: release.round.to_string(),
        digest: published.digest().to_string(),
        published_at: release.published_at,
        url: address::api_release(&release.round),
    }
}

pub(super) fn release_summary(published: &Published) -> ReleaseSummary {
    let release = published.release();
    ReleaseSummary {
        programme: release.programme.clone(),
        programme_title: release.programme_title.clone(),
        period: release.period.clone(),
        round: release.round.to_string(),
        digest: published.digest().to_string(),
        previous: release.previous.map(|digest| digest.to_string()),
        published_at: release.published_at,
        epsilon: release.epsilon.to_string(),
        unit_of_privacy: release.unit.kind.clone(),
        privacy_statement: release.privacy_statement.clone(),
        partners: release.survivors.clone(),
        missing: release.missing.clone(),
        tables: release
            .tables
            .iter()
            .map(|table| table_summary(release, table))
            .collect(),
        files: files(published),
    }
}

fn table_summary(release: &Release, table: &ReleaseTable) -> TableSummary {
    let dimension = |dimension: &msht_core::release::ReleaseDimension| DimensionSummary {
        id: dimension.name.clone(),
        title: dimension.title.clone(),
        max_values: dimension.max_values,
        categories: dimension
            .categories
            .iter()
            .zip(&dimension.labels)
            .map(|(code, label)| CategorySummary {
                code: code.clone(),
                label: label.clone(),
            })
            .collect(),
    };
    TableSummary {
        name: table.name.clone(),
        title: table.title.clone(),
        dimensions: table.dimensions.iter().map(dimension).collect(),
        unit: table.measure.unit().unwrap_or_else(|| "record".to_owned()),
        interval95: table.interval95,
        url: address::api_table(&release.round, &table.name),
    }
}

fn files(published: &Published) -> Vec<FileLink> {
    let round = &published.release().round;
    let signed = FileLink {
        name: address::RELEASE_FILE.to_owned(),
        media_type: crate::site::answer::JSON.to_owned(),
        url: address::release_json(round),
    };
    let others = release_files(published).into_iter().map(|file| FileLink {
        media_type: file.format.media_type().to_owned(),
        url: address::release_file(round, &file.name()),
        name: file.name(),
    });
    std::iter::once(signed).chain(others).collect()
}

/// The cells of `table` that every filter of `query` lets through.
///
/// # Errors
/// Where the query names a dimension or a category that the table does not have.
pub(super) fn period_numbers(
    release: &Release,
    table: &ReleaseTable,
    query: &Query,
) -> Result<PeriodNumbers, ApiError> {
    let filters = filters(table, query)?;
    let is_asked = |cell: &Cell<'_>| {
        filters.iter().all(|(at, code)| {
            cell.categories
                .get(*at)
                .is_some_and(|found| found.0 == *code)
        })
    };
    let present = release.survivors.len();
    Ok(PeriodNumbers {
        period: release.period.clone(),
        round: release.round.to_string(),
        partners: present,
        invited: present + release.missing.len(),
        cells: cells(table)
            .filter(is_asked)
            .map(|cell| cell_number(table, &cell))
            .collect(),
    })
}

/// Place of a dimension in the table, and the code asked for.
fn filters<'a>(table: &ReleaseTable, query: &'a Query) -> Result<Vec<(usize, &'a str)>, ApiError> {
    let filter = |(name, code): (&'a str, &'a str)| {
        let mut dimensions = table.dimensions.iter().enumerate();
        let (at, dimension) = dimensions
            .find(|(_, dimension)| dimension.name == name)
            .ok_or_else(|| ApiError {
                error: "the query names a dimension that the table does not have".to_owned(),
                hint: format!("dimensions of this table: {}", names(table)),
            })?;
        let is_known = dimension.categories.iter().any(|known| known == code);
        is_known.then_some((at, code)).ok_or_else(|| ApiError {
            error: format!("`{}` has no such category", dimension.name),
            hint: "the release lists the categories of each dimension".to_owned(),
        })
    };
    query.pairs().map(filter).collect()
}

fn names(table: &ReleaseTable) -> String {
    let names: Vec<&str> = table.dimensions.iter().map(|d| d.name.as_str()).collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

fn cell_number(table: &ReleaseTable, cell: &Cell<'_>) -> CellNumber {
    let categories = table.dimensions.iter().zip(&cell.categories);
    let categories: BTreeMap<String, String> = categories
        .map(|(dimension, (code, _))| (dimension.name.clone(), (*code).to_owned()))
        .collect();
    CellNumber {
        categories,
        raw: Whole(cell.estimate.raw),
        interval95_low: Whole(cell.estimate.low),
        interval95_high: Whole(cell.estimate.high),
        state: cell.estimate.state(),
    }
}

pub(super) fn baseline_summary(baseline: &Baseline) -> BaselineSummary {
    let words = baseline.words();
    let mut counts = Vec::with_capacity(baseline.len());
    for period in baseline.periods() {
        for (place, count) in baseline.counts(&period) {
            let (dimension, category) = match place {
                Place::Total => (None, None),
                Place::Category { dimension, code } => (Some(dimension), Some(code)),
            };
            counts.push(BaselineCount {
                period: period.to_string(),
                dimension: dimension.cloned(),
                category: category.cloned(),
                count,
            });
        }
    }
    BaselineSummary {
        programme: baseline.programme().to_owned(),
        title: words.title.clone(),
        source: words.source.clone(),
        licence: words.licence.clone(),
        counts,
    }
}
