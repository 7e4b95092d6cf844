//! Pairs: which two values of one multi-valued dimension occur together.
//!
//! A table that names a multi-valued dimension twice in a row counts, for each record, every unordered pair of two
//! different values. Its axis has one category a pair; `unknown` pairs with nothing. With k known categories and at
//! most v values a record, the axis has k(k−1)/2 categories and one record is in at most v(v−1)/2 of them. Pairs are
//! in the order (0,1), (0,2), …, (1,2), … of the known categories.

use super::codebook::{Category, Dimension};

/// What stands between the two codes of a pair; no category code has it.
pub const PAIR_SEPARATOR: char = '.';

/// Most pairs of one record: v(v−1)/2 with v the most known values.
pub(super) fn most_pairs(dimension: &Dimension) -> usize {
    pairs_among(dimension.max_values().min(known(dimension)))
}

/// Pairs of all known categories: the size of the axis.
pub(super) fn pair_count(dimension: &Dimension) -> usize {
    pairs_among(known(dimension))
}

/// The place on the axis of the pair of two category indices; `None` where they are equal or one is `unknown`.
pub(super) fn pair_place(
    unknown: usize,
    categories: usize,
    one: usize,
    two: usize,
) -> Option<usize> {
    let (first, second) = (one.min(two), one.max(two));
    if first == second || first == unknown || second == unknown || second >= categories {
        return None;
    }
    let among_known = |index: usize| index - usize::from(index > unknown);
    let (first, second) = (among_known(first), among_known(second));
    let known = categories - 1;
    // Before the row of `first` stand (known − 1) + (known − 2) + … pairs, `first` terms.
    let before = first * (2 * known - first - 1) / 2;
    Some(before + second - first - 1)
}

/// The two categories of every pair, in the order of the axis.
pub(super) fn pairs_of(dimension: &Dimension) -> impl Iterator<Item = (&Category, &Category)> {
    let known = move |(place, category)| (place != dimension.unknown()).then_some(category);
    let categories: Vec<&Category> = dimension
        .categories()
        .iter()
        .enumerate()
        .filter_map(known)
        .collect();
    let seconds = categories.clone();
    categories
        .into_iter()
        .enumerate()
        .flat_map(move |(place, first)| {
            let after = seconds.clone().into_iter().skip(place + 1);
            after.map(move |second| (first, second))
        })
}

/// The two codes of a pair's code; `None` of any other category.
#[must_use]
pub fn pair_codes(code: &str) -> Option<(&str, &str)> {
    code.split_once(PAIR_SEPARATOR)
}

fn known(dimension: &Dimension) -> usize {
    dimension.categories().len().saturating_sub(1)
}

fn pairs_among(values: usize) -> usize {
    values * values.saturating_sub(1) / 2
}

#[cfg(test)]
mod tests {
    use crate::programme::{AxisKind, Programme, shipped};

    use super::*;

    /// A table of pairs of types, with `unknown` in the middle of the list.
    fn programme(max_values: u32) -> Programme {
        let text = shipped("msin").unwrap();
        let (head, _) = text.split_once("[[dimension]]").unwrap();
        let text = format!(
            r#"{head}
[[dimension]]
id = "type"
title = "Type"
max_values = {max_values}
categories = [["a", "A"], ["b", "B"], ["unknown", "Unknown"], ["c", "C"], ["d", "D"]]

[[table]]
id = "together"
title = "Together"
dimensions = ["type", "type"]
weight = 1
"#
        );
        Programme::parse(&text).unwrap()
    }

    #[test]
    fn every_pair_of_known_categories_has_a_place_of_its_own_in_order() {
        let programme = programme(3);
        let dimension = programme.codebook().dimension("type").unwrap();
        let categories = dimension.categories();
        let mut places = Vec::new();
        for one in 0..categories.len() {
            for two in 0..categories.len() {
                let place = pair_place(dimension.unknown(), categories.len(), one, two);
                let known = one != two && one != 2 && two != 2;
                assert_eq!(place.is_some(), known, "{one}, {two}");
                let back = pair_place(dimension.unknown(), categories.len(), two, one);
                assert_eq!(place, back);
                places.extend(place.filter(|_| one < two));
            }
        }
        assert_eq!(places, (0..6).collect::<Vec<_>>());
        let labels = &programme.labels_of(programme.table("together").unwrap())[0];
        let codes: Vec<_> = labels
            .places
            .iter()
            .map(|label| label.code.as_str())
            .collect();
        assert_eq!(codes, ["a.b", "a.c", "a.d", "b.c", "b.d", "c.d"]);
        assert_eq!(labels.places[3].label, "B and C");
        assert_eq!((labels.name.as_str(), labels.max_values), ("type-pairs", 3));
        assert_eq!(pair_codes("b.c"), Some(("b", "c")));
        assert_eq!(pair_codes("b"), None);
    }

    #[test]
    fn the_sensitivity_of_pairs_is_the_number_of_pairs() {
        for (max_values, pairs) in [(2, 1), (3, 3), (4, 6), (5, 6)] {
            let programme = programme(max_values);
            let table = programme.table("together").unwrap();
            assert_eq!((table.cells(), table.sensitivity()), (6, pairs));
            assert!(matches!(
                table.axes()[0].kind,
                AxisKind::Pairs {
                    categories: 5,
                    unknown: 2
                }
            ));
            assert_eq!(table.axes()[0].places(&[3, 2, 0]), [1]);
            assert!(table.axes()[0].places(&[3]).is_empty());
        }
    }
}
