//! The privacy statement every release carries, in plain words.

use super::document::PrivacyUnit;
use crate::rational::Rational;
use crate::secagg::RoundContext;

/// Numbers of partners who know the same person that the statement adds ε up for.
pub const PARTNERS_IN_COMMON: [u64; 3] = [1, 2, 3];

/// What is promised, against whom, and what is outside it.
#[must_use]
pub fn privacy_statement(context: &RoundContext, unit: &PrivacyUnit) -> Vec<String> {
    let epsilon = &context.announcement().epsilon;
    let colluders = context.params().colluders();
    let times = |k: u64| epsilon.times(&Rational::from_integer(k)).to_string();
    let unit_words = match unit.kind.as_str() {
        "person" => "one person's records at one partner in this period",
        _ => "one record at one partner in this period",
    };
    let sums: Vec<String> = PARTNERS_IN_COMMON
        .iter()
        .map(|k| format!("{k}: ε = {}", times(*k)))
        .collect();
    vec![
        format!(
            "Nobody but a partner ever sees that partner's counts. The coordinator and everybody else see only the \
             noisy sum in this release, as long as at most {colluders} of the partners collude with the coordinator \
             or with each other."
        ),
        format!(
            "Adding or removing {unit_words} changes the probability of any outcome by a factor of at most e^ε, \
             ε = {epsilon}. Telling which category a person known to be present has costs at most twice that. The \
             promise holds against adversaries with bounded computing power while at most {colluders} partners \
             deviate or give their noise away."
        ),
        format!(
            "A person known to several partners is protected by the sum of what each spends. Number of partners who \
             know the same person, and ε of this release for that person: {}. Later periods add to it.",
            sums.join("; ")
        ),
        "Outside the promise: exact counts that others publish, who took part, what is true of a whole group, and \
         partners' honesty. A partner that lies can move any cell within the range check, and the coordinator is \
         trusted to publish the sum it computed."
            .to_owned(),
        "Each number is a true figure plus random noise whose size depends on nobody's records. The 95 % interval \
         covers the noise alone, not errors in the records or people nobody has recorded."
            .to_owned(),
    ]
}
