//! From the words of a cell to categories.
//!
//! Capitals and space do not count: spellings are compared lower-cased (Unicode), without space around them and
//! with single spaces inside. What the mapping lists comes first, then the dimension's codes, then its labels. Two
//! codes (or two labels) that differ in capitals only are not understood unless listed.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use msht_core::programme::Dimension;
use zeroize::Zeroizing;

use super::definition::{DimensionDefinition, TextOrTexts};
use super::error::{MappingError, MappingProblem};

/// The value of `unlisted` that leaves out rows with an unlisted value.
const REJECT: &str = "reject";

/// The spelling as it is compared.
pub(super) fn folded(text: &str) -> Zeroizing<String> {
    let mut folded = Zeroizing::new(String::with_capacity(text.len()));
    for word in text.split_whitespace() {
        if !folded.is_empty() {
            folded.push(' ');
        }
        folded.extend(word.chars().flat_map(char::to_lowercase));
    }
    folded
}

/// A cell, or one of its values, has no category.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unlisted;

/// How the cells of one dimension are understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spellings {
    places: BTreeMap<String, Vec<usize>>,
    separators: Vec<String>,
    unlisted: Option<usize>,
}

impl Spellings {
    pub(super) fn check(
        definition: &DimensionDefinition,
        dimension: &Dimension,
        path: &str,
    ) -> Result<Self, MappingError> {
        let listed = listed(definition, dimension, path)?;
        let separators = match &definition.separator {
            None => Vec::new(),
            Some(separators) => {
                let separators = separators.as_slice();
                if separators.is_empty() || separators.iter().any(String::is_empty) {
                    return Err(MappingProblem::EmptySeparator.at(format!("{path}.separator")));
                }
                separators.to_vec()
            }
        };
        let unlisted = match definition.unlisted.as_deref() {
            None | Some(REJECT) => None,
            Some(code) => Some(category(dimension, code, &format!("{path}.unlisted"))?),
        };
        let places = with_codes_and_labels(listed, dimension);
        Ok(Self {
            places,
            separators,
            unlisted,
        })
    }

    /// The categories of a cell; none where it is empty.
    pub(super) fn read(&self, cell: &str) -> Result<Vec<usize>, Unlisted> {
        let whole = folded(cell);
        if whole.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(places) = self.places.get(whole.as_str()) {
            return Ok(places.clone());
        }
        let mut categories = Vec::new();
        for value in self.split(cell) {
            let value = folded(value);
            if value.is_empty() {
                continue;
            }
            match (self.places.get(value.as_str()), self.unlisted) {
                (Some(places), _) => categories.extend_from_slice(places),
                (None, Some(category)) => categories.push(category),
                (None, None) => return Err(Unlisted),
            }
        }
        Ok(categories)
    }

    fn split<'a>(&self, cell: &'a str) -> Vec<&'a str> {
        let mut values = vec![cell];
        for separator in &self.separators {
            values = values
                .into_iter()
                .flat_map(|value| value.split(separator.as_str()))
                .collect();
        }
        values
    }
}

/// Index of the category with this code.
pub(super) fn category(
    dimension: &Dimension,
    code: &str,
    path: &str,
) -> Result<usize, MappingError> {
    dimension.category_index(code).ok_or_else(|| {
        let codes: Vec<_> = dimension.categories().iter().map(|c| c.code()).collect();
        let problem = MappingProblem::NoSuchCategory {
            dimension: dimension.id().to_owned(),
            code: code.to_owned(),
            codes: codes.join(", "),
        };
        problem.at(path)
    })
}

fn listed(
    definition: &DimensionDefinition,
    dimension: &Dimension,
    path: &str,
) -> Result<BTreeMap<String, Vec<usize>>, MappingError> {
    let mut places = BTreeMap::new();
    for (spelling, codes) in &definition.values {
        let path = format!("{path}.values.{spelling:?}");
        let categories = categories(codes, dimension, &path)?;
        let key = folded(spelling);
        if key.is_empty() {
            return Err(MappingProblem::EmptySpelling.at(path));
        }
        match places.entry(key.as_str().to_owned()) {
            Entry::Vacant(entry) => {
                entry.insert(categories);
            }
            Entry::Occupied(entry) if *entry.get() == categories => {}
            Entry::Occupied(_) => return Err(MappingProblem::SpellingTwice.at(path)),
        }
    }
    Ok(places)
}

fn categories(
    codes: &TextOrTexts,
    dimension: &Dimension,
    path: &str,
) -> Result<Vec<usize>, MappingError> {
    let codes = codes.as_slice();
    let (found, most) = (codes.len(), dimension.max_values());
    if !(1..=most).contains(&found) {
        return Err(MappingProblem::CategoryCount { found, most }.at(path));
    }
    codes
        .iter()
        .map(|code| category(dimension, code, path))
        .collect()
}

/// Adds the programme's own words where the mapping says nothing of them.
fn with_codes_and_labels(
    mut places: BTreeMap<String, Vec<usize>>,
    dimension: &Dimension,
) -> BTreeMap<String, Vec<usize>> {
    for text in [
        msht_core::programme::Category::code,
        msht_core::programme::Category::label,
    ] {
        let mut own: BTreeMap<String, Option<usize>> = BTreeMap::new();
        for (place, category) in dimension.categories().iter().enumerate() {
            let key = folded(text(category)).as_str().to_owned();
            own.entry(key)
                .and_modify(|ambiguous| *ambiguous = None)
                .or_insert(Some(place));
        }
        for (key, place) in own {
            if let Some(place) = place {
                places.entry(key).or_insert_with(|| vec![place]);
            }
        }
    }
    places
}
