//! The derived numbers of a release as a sheet: its consistent tables beside the raw numbers.

use std::sync::{Arc, OnceLock};

use msht_core::estimate::consistent::{Consistent, consistent};
use msht_core::estimate::display::Shown;
use msht_core::estimate::{COMPLEMENT, EstimateError};
use msht_core::release::ReleaseTable;

use crate::site::catalogue::Published;
use crate::site::cells::{Cell, cells};

use super::sheet::{Column, Sheet};
use super::tables::{about, category_columns, release_columns};

/// The consistent tables of a release, computed when they are first asked for. It follows from the release alone, so
/// it takes no part in comparisons.
#[derive(Debug, Clone, Default)]
pub(in crate::site) struct Derived(OnceLock<Arc<Result<Consistent, EstimateError>>>);

impl PartialEq for Derived {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Derived {}

impl Derived {
    fn of(&self, published: &Published) -> Arc<Result<Consistent, EstimateError>> {
        let computed = || Arc::new(consistent(published.release(), COMPLEMENT));
        Arc::clone(self.0.get_or_init(computed))
    }

    /// Whether there is any derived number.
    pub(in crate::site) fn is_there(&self, published: &Published) -> bool {
        matches!(self.of(published).as_ref(), Ok(derived) if !derived.tables.is_empty())
    }

    /// Which tables have no derived numbers, and why, a sentence each.
    /// Where nothing can be derived, which no verified release leads to, that is said instead.
    pub(in crate::site) fn left_raw(&self, published: &Published) -> Vec<String> {
        let tables = &published.release().tables;
        let title = |name: &str| {
            let table = tables.iter().find(|table| table.name == name);
            table.map_or_else(|| name.to_owned(), |table| table.title.clone())
        };
        match self.of(published).as_ref() {
            Ok(derived) => derived
                .left_raw
                .iter()
                .map(|(name, why)| format!("{}: {}", title(name), why.sentence()))
                .collect(),
            Err(error) => vec![format!("Nothing is derived from this release: {error}")],
        }
    }

    /// Every derived number beside its raw one, a row a cell, as in the file of all tables.
    ///
    /// # Errors
    /// [`EstimateError`].
    pub(in crate::site) fn sheet(&self, published: &Published) -> Result<Sheet, EstimateError> {
        let derived = self.of(published);
        let derived = derived.as_ref().as_ref().map_err(Clone::clone)?;
        let release = published.release();
        let mut all: Vec<(&ReleaseTable, Cell<'_>)> = Vec::new();
        let mut numbers: Vec<[f64; 3]> = Vec::new();
        for consistent in &derived.tables {
            let table = release.tables.iter().find(|t| t.name == consistent.name);
            let Some(table) = table else { continue };
            for (cell, value) in cells(table).zip(&consistent.values) {
                all.push((table, cell));
                let half_width = consistent.half_width;
                numbers.push([*value, value - half_width, value + half_width]);
            }
        }
        let widest = all.iter().map(|(table, _)| table.dimensions.len()).max();
        let mut columns = release_columns(release, all.len());
        let names = all.iter().map(|(table, _)| table.name.clone());
        columns.push(Column::text("table", names));
        for at in 0..widest.unwrap_or(0) {
            columns.extend(category_columns(&all, at));
        }
        let raw = all.iter().map(|(_, cell)| cell.estimate.raw);
        columns.push(Column::whole("raw", raw));
        let number = |at: usize| {
            numbers
                .iter()
                .filter_map(move |three| three.get(at).copied())
        };
        columns.push(Column::real("derived", number(0)));
        columns.push(Column::real("derived_interval95_low", number(1)));
        columns.push(Column::real("derived_interval95_high", number(2)));
        // `Shown` gives its number only as text, so that nobody adds it up by mistake.
        let shown = number(0).map(|value| Shown::of_derived(value).to_string().parse());
        let shown = shown.map(|value| value.unwrap_or(i64::MAX));
        columns.push(Column::whole("display", shown));
        let mut about = about(published);
        about.push((
            "derived",
            "consistent tables by generalised least squares; not signed; not to be added up over tables".to_owned(),
        ));
        Ok(Sheet { about, columns })
    }
}

#[cfg(test)]
mod tests {
    use super::super::sheet::Values;
    use super::super::sheet::tests::read_parquet;
    use super::*;
    use crate::site::fixture;

    #[test]
    fn derived_numbers_are_those_of_the_library_and_read_back() {
        let published = fixture::release();
        let sheet = Derived::default().sheet(&published).unwrap();
        let read = read_parquet(sheet.parquet().unwrap());
        assert_eq!(read, sheet);
        let column = |name: &str| {
            let found = sheet.columns.iter().find(|column| column.name == name);
            &found.unwrap().values
        };
        let expected = consistent(published.release(), COMPLEMENT).unwrap();
        let values: Vec<f64> = expected
            .tables
            .iter()
            .flat_map(|t| t.values.clone())
            .collect();
        assert!(!values.is_empty());
        assert_eq!(column("derived"), &Values::Real(values.clone()));
        let (Values::Real(low), Values::Whole(display)) =
            (column("derived_interval95_low"), column("display"))
        else {
            unreachable!("columns have other types")
        };
        for ((value, low), display) in values.iter().zip(low).zip(display) {
            assert!(low < value);
            assert_eq!(
                display.to_string(),
                format!("{}", value.round().max(0.0).abs())
            );
        }
    }

    #[test]
    fn tables_that_are_left_raw_say_why() {
        let published = fixture::release();
        let left = Derived::default().left_raw(&published);
        let of_kind = left.iter().find(|s| s.starts_with("Kind of exploitation:"));
        assert!(of_kind.unwrap().contains("several categories"), "{left:?}");
    }
}
