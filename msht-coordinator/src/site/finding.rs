//! Sentences about a release that say no more than its intervals do.

use msht_core::release::{Release, ReleaseMeasure, ReleaseTable};

use super::calendar::period_words;
use super::cells::cells;
use super::numbers::{Estimate, counted, grouped, listed};

/// Most groups that are named when they cannot be told apart.
const MOST_NAMED: usize = 3;

/// The sentence a councillor can read out, and the one that says who is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Headline {
    pub(super) sentence: String,
    pub(super) coverage: String,
}

/// The headline of a release: its total where it has one.
pub(super) fn headline(release: &Release) -> Headline {
    let period = period_words(&release.period);
    let partners = partners_of(release);
    let total = release
        .tables
        .iter()
        .find(|table| table.dimensions.is_empty() && table.measure == ReleaseMeasure::Count)
        .and_then(|table| Some(Estimate::new(*table.raw.first()?, table.interval95)));
    let sentence = match total {
        None => {
            format!("For {period}, {partners} counted together. This release has no overall total.")
        }
        Some(total) if total.is_unsure() => format!(
            "For {period}, {partners} together counted too few records to be told from zero: no more than {}.",
            grouped(total.high.max(0))
        ),
        Some(total) => format!(
            "For {period}, {partners} together counted between {} and {} records. The published number is {}.",
            grouped(total.low),
            grouped(total.high),
            total.number()
        ),
    };
    Headline {
        sentence,
        coverage: coverage(release),
    }
}

fn partners_of(release: &Release) -> String {
    let present = release.survivors.len();
    let invited = present + release.missing.len();
    if release.missing.is_empty() {
        format!("all {invited} invited partners")
    } else {
        format!("{present} of the {invited} invited partners")
    }
}

fn coverage(release: &Release) -> String {
    let present = release.survivors.len();
    let invited = present + release.missing.len();
    match release.missing.len() {
        0 => format!("All {invited} of {invited} partners are in these numbers."),
        missing => format!(
            "{present} of {invited} partners are in these numbers; {} not. A fall since an earlier period may mean \
             no more than that.",
            counted(missing, "is", "are")
        ),
    }
}

/// What the numbers of a table are: `records`, or `units of GBP 100`.
pub(super) fn unit_words(table: &ReleaseTable) -> String {
    let unit = table.measure.unit();
    unit.map_or_else(|| "records".to_owned(), |unit| format!("units of {unit}"))
}

/// What the chart of a one-dimensional table shows.
pub(super) fn chart_title(table: &ReleaseTable) -> String {
    let groups: Vec<(&str, Estimate)> = cells(table)
        .filter_map(|cell| Some((cell.categories.first()?.1, cell.estimate)))
        .collect();
    let Some(&(label, top)) = groups.iter().max_by_key(|(_, estimate)| estimate.raw) else {
        return table.title.clone();
    };
    if top.is_unsure() {
        return format!("{}: no group can be told from zero", table.title);
    }
    let rivals: Vec<&str> = groups
        .iter()
        .filter(|(_, estimate)| !top.lies_above(estimate))
        .map(|(label, _)| *label)
        .collect();
    let range = format!(
        "between {} and {} {}",
        grouped(top.low),
        grouped(top.high),
        unit_words(table)
    );
    match (groups.len(), rivals.len()) {
        (1, _) => format!("{label}: {range}"),
        (_, 1) => format!("{label} is the largest group, {range}"),
        (all, tied) if tied == all => {
            format!("{}: no group can be told to be the largest", table.title)
        }
        (_, tied) if tied <= MOST_NAMED => {
            format!(
                "{} are the largest groups and cannot be told apart",
                listed(&rivals)
            )
        }
        (all, tied) => format!(
            "{}: the largest {tied} of {all} groups cannot be told apart",
            table.title
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    fn title_of(raw: &[i64], half_width: u64) -> String {
        let mut table = fixture::table("kind", &[("kind", raw.len())], half_width);
        table.title = "Kind".to_owned();
        table.raw = raw.to_vec();
        chart_title(&table)
    }

    #[test]
    fn a_largest_group_is_named_only_where_intervals_part() {
        assert_eq!(
            title_of(&[120, 100, 3], 9),
            "kind 0 is the largest group, between 111 and 129 records"
        );
        assert_eq!(
            title_of(&[120, 102, 3], 9),
            "kind 0 and kind 1 are the largest groups and cannot be told apart"
        );
        assert_eq!(
            title_of(&[120, 102, 103, 104, 1], 9),
            "Kind: the largest 4 of 5 groups cannot be told apart"
        );
        assert_eq!(
            title_of(&[120, 119], 9),
            "Kind: no group can be told to be the largest"
        );
        assert_eq!(
            title_of(&[9, -4], 9),
            "Kind: no group can be told from zero"
        );
        assert_eq!(title_of(&[50], 9), "kind 0: between 41 and 59 records");
    }

    #[test]
    fn the_headline_gives_the_interval_and_who_is_in_it() {
        let release = fixture::release().release().clone();
        let headline = headline(&release);
        assert_eq!(
            headline.sentence,
            "For July to September 2026, 20 of the 22 invited partners together counted between 1,484 and 1,508 \
             records. The published number is 1,496."
        );
        assert!(headline.coverage.starts_with("20 of 22 partners"));
    }

    #[test]
    fn a_total_that_cannot_be_told_from_zero_is_not_called_a_number() {
        let mut release = fixture::release().release().clone();
        release.missing.clear();
        release.tables[0].raw = vec![-20];
        let said = headline(&release);
        assert!(said.sentence.ends_with("no more than 0."), "{said:?}");
        assert!(said.coverage.starts_with("All 20 of 20"));
        release.tables.remove(0);
        assert!(headline(&release).sentence.ends_with("no overall total."));
    }
}
