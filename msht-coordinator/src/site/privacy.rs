//! What a release says about privacy, in words and small tables.

use msht_core::rational::Rational;
use msht_core::release::Release;

use super::finding::unit_words;
use super::numbers::{counted, rounded_up};

/// Most partners that the table of totals lets know the same person.
const MOST_PARTNERS_KNOWING: u64 = 5;
/// Periods added up in the last column of that table.
const PERIODS_ADDED_UP: u64 = 4;

/// The privacy section of a page.
#[derive(Debug)]
pub(super) struct PrivacyView {
    pub(super) epsilon: String,
    /// `person` or `record`.
    pub(super) unit: String,
    pub(super) in_words: Vec<String>,
    pub(super) statement: Vec<String>,
    pub(super) totals: Vec<TotalRow>,
    pub(super) mechanism: Vec<String>,
    pub(super) noise: Vec<NoiseRow>,
}

/// What it adds up to where several partners know the same person.
#[derive(Debug)]
pub(super) struct TotalRow {
    pub(super) who: String,
    pub(super) epsilon: String,
    pub(super) factor: String,
    pub(super) epsilon_of_periods: String,
}

/// The noise of one table.
#[derive(Debug)]
pub(super) struct NoiseRow {
    pub(super) title: String,
    pub(super) rate: String,
    pub(super) sensitivity: u64,
    pub(super) half_width: u64,
}

pub(super) fn privacy_view(release: &Release) -> PrivacyView {
    PrivacyView {
        epsilon: release.epsilon.to_string(),
        unit: release.unit.kind.clone(),
        in_words: in_words(release),
        statement: release.privacy_statement.clone(),
        totals: (1..=MOST_PARTNERS_KNOWING)
            .map(|partners| total_row(&release.epsilon, partners))
            .collect(),
        mechanism: mechanism(release),
        noise: noise(release),
    }
}

fn in_words(release: &Release) -> Vec<String> {
    let unit = if release.unit.kind == "person" {
        format!(
            "all that one partner recorded about one person in this period (up to {})",
            counted(
                usize::try_from(release.unit.max_records).unwrap_or(usize::MAX),
                "record",
                "records"
            )
        )
    } else {
        "one record of one partner".to_owned()
    };
    let twice = release.epsilon.times(&Rational::from_integer(2));
    vec![
        format!(
            "The promise covers {unit}. Whatever this release says, it was at most {} times as likely to say it with \
             those records as without them, or the other way round. So it moves the odds that they were counted by no \
             more than that factor (ε\u{a0}=\u{a0}{}).",
            factor(&release.epsilon),
            release.epsilon
        ),
        format!(
            "For a guess at which group they belong to, made by somebody who knows already that they were counted, \
             the factor is {} (2ε\u{a0}=\u{a0}{twice}).",
            factor(&twice)
        ),
    ]
}

fn factor(epsilon: &Rational) -> String {
    rounded_up(epsilon.to_f64_lossy().exp())
}

fn total_row(epsilon: &Rational, partners: u64) -> TotalRow {
    let together = epsilon.times(&Rational::from_integer(partners));
    let example = match partners {
        1 => " partner",
        3 => " partners, such as police, council and a charity",
        _ => " partners",
    };
    TotalRow {
        who: format!("{partners}{example}"),
        factor: factor(&together),
        epsilon_of_periods: together
            .times(&Rational::from_integer(PERIODS_ADDED_UP))
            .to_string(),
        epsilon: together.to_string(),
    }
}

fn mechanism(release: &Release) -> Vec<String> {
    let mechanism = &release.mechanism;
    let honest = mechanism
        .least_survivors
        .saturating_sub(mechanism.colluders);
    let mut sentences = vec![
        "Each partner counted its own records, added its share of random noise to every count and masked the result. \
         The masks cancel only in the sum, so the coordinator opened the noisy sum and nothing else."
            .to_owned(),
        format!(
            "The shares of {honest} honest partners make up all the noise that is promised. The promise therefore \
             holds while at most {} of the {} partners in the sum share what they know.",
            mechanism.colluders, mechanism.survivors
        ),
    ];
    if mechanism.shape > Rational::one() {
        sentences.push(format!(
            "More partners than that took part, so the noise in these numbers has about {:.2} times the planned \
             variance. The intervals on this page account for it.",
            mechanism.shape.to_f64_lossy()
        ));
    }
    sentences
}

fn noise(release: &Release) -> Vec<NoiseRow> {
    release
        .tables
        .iter()
        .map(|table| NoiseRow {
            title: format!("{} ({})", table.title, unit_words(table)),
            rate: release
                .mechanism
                .a
                .get(&table.name)
                .map_or_else(|| "not stated".to_owned(), Rational::to_string),
            sensitivity: table.sensitivity,
            half_width: table.interval95,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    #[test]
    fn what_partners_add_up_to_is_exact() {
        let mut release = fixture::release().release().clone();
        release.epsilon = Rational::new(1, 3).unwrap();
        let view = privacy_view(&release);
        let epsilons: Vec<&str> = view.totals.iter().map(|row| row.epsilon.as_str()).collect();
        assert_eq!(epsilons, ["1/3", "2/3", "1", "4/3", "5/3"]);
        assert_eq!(view.totals[2].epsilon_of_periods, "4");
    }

    #[test]
    fn the_unit_of_privacy_is_named() {
        let mut release = fixture::release().release().clone();
        assert!(privacy_view(&release).in_words[0].contains("one person"));
        release.unit.kind = "record".to_owned();
        assert!(privacy_view(&release).in_words[0].contains("one record of"));
    }
}
