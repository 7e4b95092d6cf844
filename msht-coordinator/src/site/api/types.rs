//! What the API answers, in the words of the release. The OpenAPI description is derived from these types.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::site::data::whole_json;

/// A whole number: a JSON number of at most 15 digits, or a text where readers of JSON would round it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::site) struct Whole(pub(in crate::site) i64);

impl Serialize for Whole {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        whole_json(self.0).serialize(serializer)
    }
}

impl PartialSchema for Whole {
    fn schema() -> RefOr<Schema> {
        let of = |kind| ObjectBuilder::new().schema_type(kind);
        let described = "A whole number; a text of digits where it has more than 15 of them.";
        OneOfBuilder::new()
            .item(of(Type::Integer))
            .item(of(Type::String))
            .description(Some(described))
            .into()
    }
}

impl ToSchema for Whole {}

/// Every programme of this coordinator.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::site) struct Programmes {
    pub(in crate::site) programmes: Vec<ProgrammeSummary>,
}

/// A programme and its releases.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::site) struct ProgrammeSummary {
    /// Id of the programme.
    pub(in crate::site) id: String,
    /// Title people read.
    pub(in crate::site) title: String,
    /// Its releases, the oldest first.
    pub(in crate::site) releases: Vec<ReleaseLink>,
}

/// Where a release is.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::site) struct ReleaseLink {
    /// The period counted, such as 2026-Q3.
    pub(in crate::site) period: String,
    /// The round: 64 hexadecimal digits; the release's name in addresses.
    pub(in crate::site) round: String,
    /// Digest of the release, 64 hexadecimal digits.
    pub(in crate::site) digest: String,
    /// When it was signed, seconds since 1970-01-01 UTC.
    pub(in crate::site) published_at: i64,
    /// Address of the release in this API.
    pub(in crate::site) url: String,
}

/// A release without its numbers.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::site) struct ReleaseSummary {
    /// Id of the programme.
    pub(in crate::site) programme: String,
    /// Title of the programme.
    pub(in crate::site) programme_title: String,
    /// The period counted.
    pub(in crate::site) period: String,
    /// The round, 64 hexadecimal digits.
    pub(in crate::site) round: String,
    /// Digest of the release, 64 hexadecimal digits.
    pub(in crate::site) digest: String,
    /// Digest of the programme's release before; none for the first.
    pub(in crate::site) previous: Option<String>,
    /// When it was signed, seconds since 1970-01-01 UTC.
    pub(in crate::site) published_at: i64,
    /// ε of this release for one unit of privacy at one partner: a decimal number or a fraction.
    pub(in crate::site) epsilon: String,
    /// What one unit of privacy is: `person` or `record`.
    pub(in crate::site) unit_of_privacy: String,
    /// What is promised and what is not, a sentence or two each.
    pub(in crate::site) privacy_statement: Vec<String>,
    /// Ids of the partners in the numbers.
    pub(in crate::site) partners: Vec<String>,
    /// Ids of the invited partners that are not.
    pub(in crate::site) missing: Vec<String>,
    /// Its tables.
    pub(in crate::site) tables: Vec<TableSummary>,
    /// Its files.
    pub(in crate::site) files: Vec<FileLink>,
}

/// A table without its numbers.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::site) struct TableSummary {
    /// Name of the table.
    pub(in crate::site) name: String,
    /// Title people read.
    pub(in crate::site) title: String,
    /// Its dimensions; none for a total.
    pub(in crate::site) dimensions: Vec<DimensionSummary>,
    /// What one of its numbers is: `record`, or the unit of a table of sums such as `GBP 100`.
    pub(in crate::site) unit: String,
    /// Half-width of the 95 % interval of each of its numbers, in that unit.
    pub(in crate::site) interval95: u64,
    /// Address of its numbers in this API.
    pub(in crate::site) url: String,
}

/// A dimension of a table.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::site) struct DimensionSummary {
    /// Id of the dimension; the name of a filter in the query of a table.
    pub(in crate::site) id: String,
    /// Title people read.
    pub(in crate::site) title: String,
    /// Most categories one record can have; above 1 the numbers do not add up to records.
    pub(in crate::site) max_values: u32,
    /// Its categories in their order.
    pub(in crate::site) categories: Vec<CategorySummary>,
}

/// A category of a dimension.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::site) struct CategorySummary {
    /// Its code.
    pub(in crate::site) code: String,
    /// The words people read.
    pub(in crate::site) label: String,
}

/// Where a file of a release is.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::site) struct FileLink {
    /// Name of the file.
    pub(in crate::site) name: String,
    /// Its media type.
    pub(in crate::site) media_type: String,
    /// Its address.
    pub(in crate::site) url: String,
}

/// Numbers of one table in one or more periods.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::site) struct TableNumbers {
    /// Id of the programme.
    pub(in crate::site) programme: String,
    /// Name of the table.
    pub(in crate::site) table: String,
    /// The periods, the oldest first.
    pub(in crate::site) periods: Vec<PeriodNumbers>,
}

/// Numbers of one table in one period.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::site) struct PeriodNumbers {
    /// The period counted.
    pub(in crate::site) period: String,
    /// The round, 64 hexadecimal digits.
    pub(in crate::site) round: String,
    /// Partners in the numbers. Where they differ between periods, a change may mean no more than that.
    pub(in crate::site) partners: usize,
    /// Partners invited.
    pub(in crate::site) invited: usize,
    /// The numbers, in the order of the release.
    pub(in crate::site) cells: Vec<CellNumber>,
}

/// One number with its interval.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::site) struct CellNumber {
    /// Code of the category in each dimension, by id of the dimension.
    pub(in crate::site) categories: BTreeMap<String, String>,
    /// The published number: unbiased, may be below zero.
    pub(in crate::site) raw: Whole,
    /// Low end of the 95 % interval.
    pub(in crate::site) interval95_low: Whole,
    /// High end of the 95 % interval.
    pub(in crate::site) interval95_high: Whole,
    /// “above zero” or “[u] cannot be told from zero”.
    pub(in crate::site) state: String,
}

/// Counts that others publish, kept to be set beside the programmes' numbers.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::site) struct Baselines {
    pub(in crate::site) baselines: Vec<BaselineSummary>,
}

/// One baseline.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::site) struct BaselineSummary {
    /// Id of the programme whose numbers it stands beside.
    pub(in crate::site) programme: String,
    /// Title people read.
    pub(in crate::site) title: String,
    /// Who published it, and where.
    pub(in crate::site) source: String,
    /// The licence it is shown under.
    pub(in crate::site) licence: String,
    /// Its counts.
    pub(in crate::site) counts: Vec<BaselineCount>,
}

/// One count of a baseline.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::site) struct BaselineCount {
    /// The period.
    pub(in crate::site) period: String,
    /// Id of the dimension; none for the total.
    pub(in crate::site) dimension: Option<String>,
    /// Code of the category; none for the total.
    pub(in crate::site) category: Option<String>,
    /// The exact count.
    pub(in crate::site) count: u64,
}

/// Why there is no answer.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::site) struct ApiError {
    /// What happened.
    pub(in crate::site) error: String,
    /// What to do next.
    pub(in crate::site) hint: String,
}
