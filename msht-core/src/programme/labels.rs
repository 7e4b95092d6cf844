//! The words along the axes of a table, as releases, previews and pages show them.

use super::codebook::Dimension;
use super::pairs::{PAIR_SEPARATOR, most_pairs, pairs_of};
use super::{AxisKind, Programme, Table};

/// Code and words of one place along an axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The category's code; of a pair both, with [`PAIR_SEPARATOR`] between them.
    pub code: String,
    /// The words shown to people.
    pub label: String,
}

/// One axis of a table in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AxisLabels {
    /// Id of the dimension; of its pairs with `-pairs` behind it.
    pub name: String,
    /// The words shown to people.
    pub title: String,
    /// Every place along the axis.
    pub places: Vec<Label>,
    /// Most places that one record is in.
    pub max_values: usize,
}

impl AxisLabels {
    fn of_values(dimension: &Dimension) -> Self {
        let categories = dimension.categories().iter();
        Self {
            name: dimension.id().to_owned(),
            title: dimension.title().to_owned(),
            places: categories
                .map(|category| Label {
                    code: category.code().to_owned(),
                    label: category.label().to_owned(),
                })
                .collect(),
            max_values: dimension.max_values(),
        }
    }

    fn of_pairs(dimension: &Dimension) -> Self {
        Self {
            name: format!("{}-pairs", dimension.id()),
            title: format!("{}: pairs", dimension.title()),
            places: pairs_of(dimension)
                .map(|(one, two)| Label {
                    code: format!("{}{PAIR_SEPARATOR}{}", one.code(), two.code()),
                    label: format!("{} and {}", one.label(), two.label()),
                })
                .collect(),
            max_values: most_pairs(dimension),
        }
    }
}

impl Programme {
    /// The axes of `table` in words, the slowest first; none for a total.
    #[must_use]
    pub fn labels_of(&self, table: &Table) -> Vec<AxisLabels> {
        let axes = table.axes().iter().zip(self.dimensions_of(table));
        axes.map(|(axis, dimension)| match axis.kind {
            AxisKind::Values => AxisLabels::of_values(dimension),
            AxisKind::Pairs { .. } => AxisLabels::of_pairs(dimension),
        })
        .collect()
    }
}
