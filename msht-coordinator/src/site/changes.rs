//! Sentences about changes that say no more than the estimates do.

use msht_core::estimate::Interval;
use msht_core::estimate::trend::{Call, Change, Direction, TableChanges};
use msht_core::release::ReleaseTable;

use super::calendar::period_words;
use super::cells::cells;
use super::numbers::{counted, grouped, listed};
use super::series::cell_label;

/// Most changes named in one sentence.
const MOST_NAMED: usize = 4;

/// `from to` of an interval between whole numbers.
pub(super) fn range_words(interval: &Interval) -> String {
    format!("{} to {}", whole(interval.low), whole(interval.high))
}

/// A number of an estimate as people read it.
pub(super) fn whole(value: f64) -> String {
    grouped(nearest(value))
}

/// The nearest whole number.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the conversion saturates, far beyond any count"
)]
pub(super) fn nearest(value: f64) -> i64 {
    value.round() as i64
}

/// What a call means, for a cell of a table of numbers.
pub(super) fn call_words(call: Call) -> &'static str {
    match call {
        Call::NoneShown => "[ns] no change shown",
        Call::Ordinary(Direction::Rise) => "higher, within ordinary ups and downs",
        Call::Ordinary(Direction::Fall) => "lower, within ordinary ups and downs",
        Call::Change(Direction::Rise) => "rose",
        Call::Change(Direction::Fall) => "fell",
        Call::OtherPartners(Direction::Rise) => "higher, but other partners are behind it",
        Call::OtherPartners(Direction::Fall) => "lower, but other partners are behind it",
    }
}

/// What may be said of one cell from one period to the next.
pub(super) fn finding(label: &str, changes: &TableChanges, change: &Change) -> String {
    let since = period_words(&changes.earlier);
    match change.call {
        Call::NoneShown => {
            format!("{label}: no change since {since} that the noise would not explain")
        }
        Call::Ordinary(direction) => format!(
            "{label}: {} than in {since}, by no more than it ordinarily varies",
            compared(direction)
        ),
        Call::Change(direction) => format!(
            "{label} {} since {since}, {}",
            moved(direction),
            by(direction, &change.interval)
        ),
        Call::OtherPartners(direction) => format!(
            "{label}: {} than in {since}, but other partners are behind it",
            compared(direction)
        ),
    }
}

fn moved(direction: Direction) -> &'static str {
    match direction {
        Direction::Rise => "rose",
        Direction::Fall => "fell",
    }
}

fn compared(direction: Direction) -> &'static str {
    match direction {
        Direction::Rise => "more",
        Direction::Fall => "fewer",
    }
}

/// By how much, as far as the noise allows it to be said.
fn by(direction: Direction, interval: &Interval) -> String {
    let (least, most) = match direction {
        Direction::Rise => (interval.low, interval.high),
        Direction::Fall => (-interval.high, -interval.low),
    };
    if least < 1.0 {
        format!("by at most {} records", whole(most))
    } else {
        format!("by between {} and {} records", whole(least), whole(most))
    }
}

/// Who joined and left, where anybody did.
pub(super) fn partners_sentence(changes: &TableChanges) -> Option<String> {
    let partners = &changes.partners;
    if partners.same() {
        return None;
    }
    let mut said = Vec::new();
    if !partners.joined.is_empty() {
        said.push(format!(
            "{} joined",
            counted(partners.joined.len(), "partner", "partners")
        ));
    }
    if !partners.left.is_empty() {
        said.push(format!("{} left out", partners.left.len()));
    }
    let said = said.join(" and ");
    Some(format!(
        "Other partners are behind {} than behind {} ({said}). A difference may mean no more than that.",
        period_words(&changes.later),
        period_words(&changes.earlier)
    ))
}

/// Every change of these tables as one sentence that can be read out.
pub(super) fn summary(tables: &[(&ReleaseTable, &TableChanges)]) -> Option<String> {
    let (_, first) = tables.first()?;
    let since = period_words(&first.earlier);
    let mut said = Vec::new();
    for (table, changes) in tables {
        for (cell, change) in changes.changes.iter().enumerate() {
            if let Call::Change(direction) = change.call {
                let label = label_of(table, cell);
                let by = by(direction, &change.interval);
                said.push(format!("{label} {} {by}", moved(direction)));
            }
        }
    }
    let rest = said.len().saturating_sub(MOST_NAMED);
    said.truncate(MOST_NAMED);
    let named: Vec<&str> = said.iter().map(String::as_str).collect();
    Some(match (named.len(), rest) {
        (0, _) if !first.partners.same() => format!(
            "Whether anything changed since {since} cannot be said: other partners are behind these numbers."
        ),
        (0, _) => format!(
            "Since {since} nothing changed by more than the noise and ordinary ups and downs explain."
        ),
        (_, 0) => format!("Since {since}, {}.", listed(&named)),
        (_, rest) => format!("Since {since}, {}; {rest} more changed.", listed(&named)),
    })
}

/// How a sentence names a cell.
fn label_of(table: &ReleaseTable, cell: usize) -> String {
    let found = cells(table).nth(cell);
    match found {
        Some(cell) if !cell.categories.is_empty() => {
            format!("“{}”", cell_label(&cell.categories))
        }
        _ => "the number of all records".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use msht_core::estimate::trend::{Detectable, Partners};
    use msht_core::estimate::variation::Variation;

    use super::*;

    fn changes(call: Call, partners: Partners) -> TableChanges {
        TableChanges {
            earlier: "2026-Q2".to_owned(),
            later: "2026-Q3".to_owned(),
            partners,
            variation: Variation::prior(),
            level: 0.05,
            changes: vec![Change {
                earlier: 100,
                later: 140,
                interval: Interval::around(40.0, 22.0),
                p_noise: 0.0,
                q_noise: 0.0,
                p_ordinary: 0.0,
                q_ordinary: 0.0,
                call,
                detectable: Detectable {
                    recorded: 40.0,
                    level: 60.0,
                },
            }],
        }
    }

    fn said(call: Call) -> String {
        let changes = changes(call, Partners::default());
        finding("County lines", &changes, &changes.changes[0])
    }

    #[test]
    fn a_rise_is_said_only_where_it_is_called() {
        assert_eq!(
            said(Call::Change(Direction::Rise)),
            "County lines rose since April to June 2026, by between 18 and 62 records"
        );
        for call in [
            Call::NoneShown,
            Call::Ordinary(Direction::Rise),
            Call::OtherPartners(Direction::Rise),
        ] {
            assert!(!said(call).contains("rose"), "{call:?}");
            assert!(!call_words(call).contains("rose"), "{call:?}");
        }
        assert!(said(Call::NoneShown).contains("that the noise would not explain"));
    }

    #[test]
    fn who_joined_and_left_is_counted() {
        let partners = Partners {
            left: vec!["a".to_owned(), "b".to_owned()],
            joined: vec!["c".to_owned()],
        };
        let said = partners_sentence(&changes(Call::NoneShown, partners)).unwrap();
        assert!(said.contains("(1 partner joined and 2 left out)"), "{said}");
        assert_eq!(
            partners_sentence(&changes(Call::NoneShown, Partners::default())),
            None
        );
    }
}
