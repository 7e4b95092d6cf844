//! The digest of a programme: the same for every way of writing the same programme.
//!
//! Every key enters in a fixed order, lists behind their length, numbers in their shortest exact text, so that
//! formatting, comments, the order of keys and `0.5` for `1/2` make no difference. A new key enters at the end and
//! only where it is used, or is a new label.

use super::definition::{
    AmountDefinition, CalendarDefinition, CategoryDefinition, CohortDefinition, Definition,
    DimensionDefinition, PrivacyDefinition, TableDefinition,
};
use super::rules::PhaseHours;
use crate::crypto::{Digest, LabelledHash};

const LABEL: &str = "programme/1";

pub(super) fn digest(definition: &Definition) -> Digest {
    let Definition {
        id,
        version,
        title,
        description,
        promise,
        max_count_per_cell,
        word_bits,
        privacy,
        cohort,
        calendar,
        amount,
        dimension,
        table,
    } = definition;
    let mut hash = LabelledHash::new(LABEL);
    hash.part(id.as_bytes());
    add_text(&mut hash, version);
    for text in [title, description, promise] {
        hash.part(text.as_bytes());
    }
    add_text(&mut hash, max_count_per_cell);
    add_text(&mut hash, word_bits);
    add_privacy(&mut hash, privacy);
    add_cohort(&mut hash, cohort);
    add_calendar(&mut hash, calendar);
    add_text(&mut hash, dimension.len());
    for dimension in dimension {
        add_dimension(&mut hash, dimension);
    }
    add_text(&mut hash, table.len());
    for table in table {
        add_table(&mut hash, table);
    }
    add_endorsements(&mut hash, cohort.endorsements);
    add_amounts(&mut hash, amount, table);
    hash.finish()
}

/// A key that came later enters behind everything else, and only where it is used: programmes without it keep their
/// digest, and the number of tables before it keeps it apart from them.
fn add_endorsements(hash: &mut LabelledHash, endorsements: u32) {
    if endorsements > 0 {
        hash.part(b"cohort.endorsements");
        add_text(hash, endorsements);
    }
}

/// The amounts and which tables add them up; a later key as well.
fn add_amounts(hash: &mut LabelledHash, amounts: &[AmountDefinition], tables: &[TableDefinition]) {
    if amounts.is_empty() {
        return;
    }
    hash.part(b"amount");
    add_text(hash, amounts.len());
    for amount in amounts {
        let AmountDefinition {
            id,
            title,
            currency,
            unit,
            clip,
            max_units_per_cell,
        } = amount;
        for text in [id, title, currency] {
            hash.part(text.as_bytes());
        }
        add_text(hash, unit);
        add_text(hash, clip);
        add_text(hash, max_units_per_cell);
    }
    for table in tables {
        // A count is the empty text, which no id is.
        hash.part(table.measure.as_deref().unwrap_or_default().as_bytes());
    }
}

fn add_text(hash: &mut LabelledHash, value: impl ToString) {
    hash.part(value.to_string().as_bytes());
}

fn add_privacy(hash: &mut LabelledHash, privacy: &PrivacyDefinition) {
    let PrivacyDefinition {
        unit,
        max_records,
        epsilon_per_period,
        epsilon_per_year,
    } = privacy;
    hash.part(unit.as_str().as_bytes());
    add_text(hash, max_records);
    add_text(hash, epsilon_per_period);
    add_text(hash, epsilon_per_year);
}

fn add_cohort(hash: &mut LabelledHash, cohort: &CohortDefinition) {
    let CohortDefinition {
        least_partners,
        threshold,
        survivors,
        colluders,
        endorsements: _,
    } = cohort;
    add_text(hash, least_partners);
    for number in [threshold, survivors, colluders] {
        // An open number is the empty text, which no number is written as.
        add_text(
            hash,
            number.map_or(String::new(), |number| number.to_string()),
        );
    }
}

fn add_calendar(hash: &mut LabelledHash, calendar: &CalendarDefinition) {
    let CalendarDefinition {
        period,
        first,
        hours,
    } = calendar;
    let PhaseHours {
        join,
        share,
        mask,
        confirm,
        unmask,
    } = hours;
    add_text(hash, period);
    add_text(hash, first);
    for length in [join, share, mask, confirm, unmask] {
        add_text(hash, length);
    }
}

fn add_dimension(hash: &mut LabelledHash, dimension: &DimensionDefinition) {
    let DimensionDefinition {
        id,
        title,
        max_values,
        categories,
    } = dimension;
    hash.part(id.as_bytes());
    hash.part(title.as_bytes());
    add_text(hash, max_values);
    add_text(hash, categories.len());
    for CategoryDefinition { code, label } in categories {
        hash.part(code.as_bytes());
        hash.part(label.as_bytes());
    }
}

fn add_table(hash: &mut LabelledHash, table: &TableDefinition) {
    let TableDefinition {
        id,
        title,
        dimensions,
        measure: _,
        weight,
    } = table;
    hash.part(id.as_bytes());
    hash.part(title.as_bytes());
    add_text(hash, dimensions.len());
    for dimension in dimensions {
        hash.part(dimension.as_bytes());
    }
    add_text(hash, weight);
}
