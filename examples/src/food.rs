//! The invented food companies of the Modern Slavery Intelligence Network.

use msht_core::programme::{Period, Programme};
use msht_core::secagg::PartnerKind;
use msht_core::secagg::messages::Phase;

use crate::demonstration::Member;
use crate::synthetic::{Records, Weights};

/// Id of the shipped programme.
pub const PROGRAMME: &str = "msin";
/// How the invented reports are coded.
pub const MAPPING: &str = include_str!("../../msht-core/programmes/mappings/msin.toml");

/// Companies of each part of the food chain, and their reports in a quarter.
const COMPANIES: [(&str, usize, usize); 4] = [
    ("grower", 4, 18),
    ("processor", 4, 26),
    ("retailer", 4, 40),
    ("labour-provider", 2, 30),
];

const WEIGHTS: &[Weights] = &[
    (
        "stage",
        &[
            ("growing", 26),
            ("processing", 30),
            ("packing", 22),
            ("labour-provider", 16),
        ],
    ),
    ("previously-known", &[("yes", 25), ("no", 75)]),
];

/// Fourteen companies with reports in each of these quarters, two of which are lost in the middle of every round.
#[must_use]
pub fn members(programme: &Programme, quarters: &[Period], seed: u64) -> Vec<Member> {
    let mut records = Records::new(programme, WEIGHTS, seed);
    let mut members = Vec::new();
    for (word, companies, count) in COMPANIES {
        let counts: Vec<(Period, usize)> =
            quarters.iter().map(|quarter| (*quarter, count)).collect();
        for number in 1..=companies {
            let id = format!("{word}-{number}");
            let lost_after = match id.as_str() {
                "grower-4" => Some(Phase::Join),
                "retailer-4" => Some(Phase::Share),
                _ => None,
            };
            members.push(Member {
                name: format!("Food company, {word} {number}"),
                kind: PartnerKind::Company,
                records: records.csv_over(&id, &counts),
                id,
                lost_after,
            });
        }
    }
    members
}
