//! Which of many numbers can be said to be the largest, in words.

use msht_core::estimate::rank::RankRange;

use super::numbers::{Estimate, grouped, listed};

/// Most that are named when they cannot be told apart.
const MOST_NAMED: usize = 3;

/// The finding of a chart of these labels and numbers, under the title of their table.
pub(super) fn largest(title: &str, items: &[(String, Estimate)]) -> String {
    let above = items.iter().filter(|(_, each)| !each.is_unsure()).count();
    let top = items.iter().max_by_key(|(_, estimate)| estimate.raw);
    let Some((label, top)) = top.filter(|(_, estimate)| !estimate.is_unsure()) else {
        return format!(
            "{title}: none of the {} numbers can be told from zero",
            items.len()
        );
    };
    let rivals: Vec<&str> = items
        .iter()
        .filter(|(_, estimate)| !top.lies_above(estimate))
        .map(|(label, _)| label.as_str())
        .collect();
    match rivals.len() {
        1 => format!(
            "{label} is the largest, between {} and {}",
            grouped(top.low),
            grouped(top.high)
        ),
        tied if tied <= MOST_NAMED => {
            format!(
                "{} are the largest and cannot be told apart",
                listed(&rivals)
            )
        }
        _ => format!(
            "{title}: {above} of {} numbers stand above zero, and none can be told to be the largest",
            items.len()
        ),
    }
}

/// How many of these numbers can be told from zero, under the title of their table.
pub(super) fn above_zero(title: &str, items: &[(String, Estimate)]) -> String {
    let above = items.iter().filter(|(_, each)| !each.is_unsure()).count();
    format!(
        "{title}: {above} of {} numbers can be told from zero",
        items.len()
    )
}

/// `1` or `1 to 4`.
pub(super) fn rank_words(RankRange { best, worst }: RankRange) -> String {
    if best == worst {
        best.to_string()
    } else {
        format!("{best} to {worst}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(raw: &[i64], half_width: u64) -> Vec<(String, Estimate)> {
        let numbered = (0..).zip(raw);
        numbered
            .map(|(number, raw): (usize, _)| {
                (format!("flow {number}"), Estimate::new(*raw, half_width))
            })
            .collect()
    }

    #[test]
    fn only_what_intervals_part_is_called_largest() {
        let said = |raw: &[i64]| largest("Routes", &items(raw, 5));
        assert_eq!(
            said(&[50, 20, 3]),
            "flow 0 is the largest, between 45 and 55"
        );
        assert_eq!(
            said(&[50, 45, 3]),
            "flow 0 and flow 1 are the largest and cannot be told apart"
        );
        assert_eq!(
            said(&[50, 49, 48, 47, 1]),
            "Routes: 4 of 5 numbers stand above zero, and none can be told to be the largest"
        );
        assert_eq!(
            said(&[5, -9]),
            "Routes: none of the 2 numbers can be told from zero"
        );
        assert_eq!(
            said(&[]),
            "Routes: none of the 0 numbers can be told from zero"
        );
    }

    #[test]
    fn a_range_of_one_place_is_that_place() {
        let words = |best, worst| rank_words(RankRange { best, worst });
        assert_eq!((words(2, 2), words(1, 4)), ("2".into(), "1 to 4".into()));
    }
}
