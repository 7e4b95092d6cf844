//! The codebook: dimensions and their closed lists of categories.

use std::collections::BTreeSet;

use super::definition::{CategoryDefinition, DimensionDefinition};
use super::error::{Problem, ProgrammeError};
use super::limits::{MAX_CATEGORIES, MAX_DIMENSIONS, MAX_TITLE_BYTES, MAX_VALUES};
use super::text::{check_code, check_id, check_text};

/// Code of the category that every dimension has for records that do not say.
pub const UNKNOWN_CODE: &str = "unknown";

/// One category of a dimension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Category {
    code: String,
    label: String,
}

impl Category {
    /// The code used in mappings and in downloads.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The words shown to people.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }
}

/// One property of a record, with every value it may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dimension {
    id: String,
    title: String,
    categories: Vec<Category>,
    unknown: usize,
    max_values: usize,
}

impl Dimension {
    fn check(definition: DimensionDefinition, path: &str) -> Result<Self, ProgrammeError> {
        let DimensionDefinition {
            id,
            title,
            max_values,
            categories,
        } = definition;
        check_id(&id, &format!("{path}.id"))?;
        check_text(&title, MAX_TITLE_BYTES, &format!("{path}.title"))?;
        let categories = check_categories(categories, &format!("{path}.categories"))?;
        let unknown = categories
            .iter()
            .position(|category| category.code == UNKNOWN_CODE)
            .ok_or_else(|| Problem::NoUnknown.at(format!("{path}.categories")))?;
        let most = MAX_VALUES.min(u32::try_from(categories.len()).unwrap_or(MAX_VALUES));
        let bound = usize::try_from(max_values)
            .ok()
            .filter(|_| (1..=most).contains(&max_values));
        let max_values = bound.ok_or_else(|| {
            let problem = Problem::OutOfRange {
                found: max_values,
                least: 1,
                most,
            };
            problem.at(format!("{path}.max_values"))
        })?;
        Ok(Self {
            id,
            title,
            categories,
            unknown,
            max_values,
        })
    }

    /// The id, unique in the codebook.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The words shown to people.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// All categories in the order of the cells.
    #[must_use]
    pub fn categories(&self) -> &[Category] {
        &self.categories
    }

    /// Index of the category `unknown`.
    #[must_use]
    pub fn unknown(&self) -> usize {
        self.unknown
    }

    /// Most values counted of one record; 1 for a single-valued dimension.
    #[must_use]
    pub fn max_values(&self) -> usize {
        self.max_values
    }

    /// Whether one record may have several values.
    #[must_use]
    pub fn is_multi_valued(&self) -> bool {
        self.max_values > 1
    }

    /// Index of the category with this code.
    #[must_use]
    pub fn category_index(&self, code: &str) -> Option<usize> {
        self.categories
            .iter()
            .position(|category| category.code == code)
    }
}

fn check_categories(
    definitions: Vec<CategoryDefinition>,
    path: &str,
) -> Result<Vec<Category>, ProgrammeError> {
    if !(2..=MAX_CATEGORIES).contains(&definitions.len()) {
        return Err(Problem::CategoryCount(definitions.len()).at(path));
    }
    let (mut codes, mut labels) = (BTreeSet::new(), BTreeSet::new());
    for (place, CategoryDefinition { code, label }) in definitions.iter().enumerate() {
        let (code_path, label_path) =
            (format!("{path}[{place}][0]"), format!("{path}[{place}][1]"));
        check_code(code, &code_path)?;
        check_text(label, MAX_TITLE_BYTES, &label_path)?;
        if !codes.insert(code) {
            return Err(Problem::Duplicate(code.clone()).at(code_path));
        }
        if !labels.insert(label) {
            return Err(Problem::Duplicate(label.clone()).at(label_path));
        }
    }
    Ok(definitions
        .into_iter()
        .map(|CategoryDefinition { code, label }| Category { code, label })
        .collect())
}

/// All dimensions of a programme, in the order of its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Codebook {
    dimensions: Vec<Dimension>,
}

impl Codebook {
    pub(super) fn check(definitions: Vec<DimensionDefinition>) -> Result<Self, ProgrammeError> {
        if definitions.len() > MAX_DIMENSIONS {
            return Err(Problem::TooManyDimensions(definitions.len()).at("dimension"));
        }
        let mut codebook = Self {
            dimensions: Vec::with_capacity(definitions.len()),
        };
        for (place, definition) in definitions.into_iter().enumerate() {
            let path = format!("dimension[{place}]");
            let dimension = Dimension::check(definition, &path)?;
            if codebook.dimension(&dimension.id).is_some() {
                return Err(Problem::Duplicate(dimension.id).at(format!("{path}.id")));
            }
            codebook.dimensions.push(dimension);
        }
        Ok(codebook)
    }

    /// All dimensions, in the order of coded records.
    #[must_use]
    pub fn dimensions(&self) -> &[Dimension] {
        &self.dimensions
    }

    /// The dimension with this id.
    #[must_use]
    pub fn dimension(&self, id: &str) -> Option<&Dimension> {
        self.dimensions.iter().find(|dimension| dimension.id == id)
    }

    /// Place of the dimension with this id.
    #[must_use]
    pub fn position(&self, id: &str) -> Option<usize> {
        self.dimensions
            .iter()
            .position(|dimension| dimension.id == id)
    }
}
