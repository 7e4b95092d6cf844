//! Releases for tests: made up, deterministic, signed with a seeded identity.

use std::collections::BTreeMap;
use std::sync::Arc;

use msht_core::crypto::{Digest, HexBytes, Identity, Secret, digest};
use msht_core::rational::Rational;
use msht_core::release::{
    ConfirmSignature, MECHANISM_NAME, Mechanism, PrivacyUnit, Proof, RELEASE_FORMAT, Release,
    ReleaseDimension, ReleaseMeasure, ReleaseTable,
};
use msht_core::secagg::{
    AnnouncedTable, Announcement, Deadlines, Partner, PartnerKind, Roster, Signed, Thresholds,
};

use super::catalogue::{Catalogue, Published};

const INVITED: u8 = 22;
const SURVIVORS: u8 = 20;
const THRESHOLDS: Thresholds = Thresholds {
    threshold: 15,
    least_survivors: 15,
    colluders: 7,
};

/// A table of these dimensions (name and size) whose numbers run through both signs.
pub(super) fn table(name: &str, dimensions: &[(&str, usize)], interval95: u64) -> ReleaseTable {
    let dimensions: Vec<ReleaseDimension> = dimensions
        .iter()
        .map(|(name, size)| dimension(name, name, &numbered(name, *size)))
        .collect();
    filled(name, name, dimensions, interval95)
}

fn numbered(name: &str, size: usize) -> Vec<String> {
    (0..size).map(|number| format!("{name} {number}")).collect()
}

fn dimension(name: &str, title: &str, labels: &[String]) -> ReleaseDimension {
    ReleaseDimension {
        name: name.to_owned(),
        title: title.to_owned(),
        categories: labels
            .iter()
            .map(|label| label.to_lowercase().replace(' ', "-"))
            .collect(),
        labels: labels.to_vec(),
        max_values: 1,
    }
}

fn filled(
    name: &str,
    title: &str,
    dimensions: Vec<ReleaseDimension>,
    interval95: u64,
) -> ReleaseTable {
    let cells: usize = dimensions.iter().map(|d| d.labels.len()).product();
    let raw = (0..i64::try_from(cells).unwrap())
        .map(|cell| (cell * 7919 + 13) % 61 * ((cell * 31) % 5) / 2 - 6)
        .collect();
    ReleaseTable {
        name: name.to_owned(),
        title: title.to_owned(),
        measure: ReleaseMeasure::Count,
        dimensions,
        sensitivity: 1,
        raw,
        interval95,
    }
}

fn labels(all: &[&str]) -> Vec<String> {
    all.iter().map(|label| (*label).to_owned()).collect()
}

fn tables() -> Vec<ReleaseTable> {
    let kinds = labels(&[
        "Labour exploitation",
        "Sexual exploitation",
        "Criminal exploitation",
        "Domestic servitude",
        "Organ removal",
        "Forced marriage or other exploitation not listed here",
        "Unknown",
    ]);
    let boroughs = labels(&[
        "Barnet",
        "Camden",
        "Hackney",
        "Islington",
        "Lambeth",
        "Unknown",
    ]);
    let mut kind = dimension("exploitation", "Kind of exploitation", &kinds);
    kind.max_values = 2;
    let borough = dimension("borough", "Borough", &boroughs);
    let sex = dimension("sex", "Sex", &labels(&["Female", "Male", "Unknown"]));
    let age = dimension(
        "age",
        "Age",
        &labels(&["Under 18", "18 to 24", "25 and over", "Unknown"]),
    );

    let mut total = filled("total", "All records", Vec::new(), 12);
    total.raw = vec![1496];
    let mut by_kind = filled("by-kind", "Kind of exploitation", vec![kind.clone()], 15);
    by_kind.raw = vec![612, 347, 355, 88, -4, 9, 141];
    by_kind.sensitivity = 2;
    let mut by_sex_and_age = filled(
        "sex-by-age",
        "Sex and age",
        vec![sex.clone(), age.clone()],
        18,
    );
    by_sex_and_age.raw = vec![96, 210, 388, 41, 133, 171, 364, 29, -7, 6, 22, 18];
    vec![
        total,
        by_kind,
        by_sex_and_age,
        filled(
            "borough-by-kind",
            "Borough and kind of exploitation",
            vec![borough.clone(), kind],
            22,
        ),
        filled(
            "borough-sex-age",
            "Borough, sex and age",
            vec![borough, sex, age],
            26,
        ),
    ]
}

fn identity(number: u8) -> Identity {
    Identity::from_seed(Secret::from_bytes([number; 32])).unwrap()
}

fn partner_id(number: u8) -> String {
    format!("partner-{number:02}")
}

fn roster() -> Roster {
    Roster {
        version: 1,
        previous: Digest::ZERO,
        partners: (1..=INVITED)
            .map(|number| Partner {
                id: partner_id(number),
                name: format!("Example organisation {number}"),
                kind: PartnerKind::ALL[usize::from(number) % 4].0,
                key: identity(number).key(),
            })
            .collect(),
    }
}

fn announcement(period: &str, tables: &[ReleaseTable]) -> Announcement {
    Announcement {
        programme: "example".to_owned(),
        programme_digest: digest("fixture", &[b"programme"]),
        roster_version: 1,
        roster_digest: digest("fixture", &[b"roster"]),
        previous_release: Digest::ZERO,
        period: period.to_owned(),
        attempt: 1,
        invited: (1..=INVITED).map(partner_id).collect(),
        thresholds: THRESHOLDS,
        epsilon: Rational::one(),
        tables: tables
            .iter()
            .map(|table| AnnouncedTable {
                name: table.name.clone(),
                cells: u32::try_from(table.raw.len()).unwrap(),
                sensitivity: table.sensitivity,
                rate: Rational::new(1, 5).unwrap(),
                cell_bound: 1000,
            })
            .collect(),
        share_shape: Rational::new(1, 8).unwrap(),
        removable_levels: 0,
        word_bits: 32,
        deadlines: Deadlines {
            join: 1,
            share: 2,
            mask: 3,
            confirm: 4,
            unmask: 5,
        },
    }
}

fn proof(announcement: Signed<Announcement>) -> Proof {
    Proof {
        coordinator: identity(200).key(),
        announcement,
        roster: Signed::sign(roster(), &identity(200)).unwrap(),
        roll_digest: digest("fixture", &[b"roll"]),
        dealers_digest: digest("fixture", &[b"dealers"]),
        survivors: (1..=SURVIVORS).collect(),
        signatures: (1..=THRESHOLDS.threshold)
            .map(|partner| ConfirmSignature {
                partner,
                signature: HexBytes([partner; 64]),
            })
            .collect(),
    }
}

/// A release of `period` with these tables.
pub(super) fn release_with(
    period: &str,
    tables: Vec<ReleaseTable>,
    previous: Option<Digest>,
) -> Release {
    let announcement = Signed::sign(announcement(period, &tables), &identity(200)).unwrap();
    let rates: BTreeMap<String, Rational> = tables
        .iter()
        .map(|table| (table.name.clone(), Rational::new(1, 5).unwrap()))
        .collect();
    Release {
        format: RELEASE_FORMAT.to_owned(),
        programme: "example".to_owned(),
        programme_title: "Example programme".to_owned(),
        period: period.to_owned(),
        round: digest("fixture", &[period.as_bytes()]),
        attempt: 1,
        published_at: 1_791_000_000,
        unit: PrivacyUnit {
            kind: "person".to_owned(),
            max_records: 2,
        },
        epsilon: Rational::one(),
        mechanism: Mechanism {
            name: MECHANISM_NAME.to_owned(),
            a: rates,
            shape: Rational::new(20, 8).unwrap(),
            n: INVITED,
            survivors: SURVIVORS,
            colluders: THRESHOLDS.colluders,
            threshold: THRESHOLDS.threshold,
            least_survivors: THRESHOLDS.least_survivors,
        },
        survivors: (1..=SURVIVORS).map(partner_id).collect(),
        missing: (SURVIVORS + 1..=INVITED).map(partner_id).collect(),
        tables,
        privacy_statement: vec![
            "Nobody but a partner ever sees that partner’s counts.".to_owned(),
            "The promise holds while at most 7 partners collude.".to_owned(),
            "Outside the promise: exact counts that others publish, and who took part.".to_owned(),
        ],
        previous,
        proof: proof(announcement),
    }
}

/// `release` signed and with its file.
pub(super) fn publish(release: Release) -> Arc<Published> {
    let signed = Signed::sign(release, &identity(200)).unwrap();
    let json = serde_json::to_vec_pretty(&signed).unwrap();
    let verified = signed.verify(&identity(200).key()).unwrap();
    Arc::new(Published::new(&verified, json).unwrap())
}

/// The release most tests look at.
pub(super) fn release() -> Arc<Published> {
    publish(release_with("2026-Q3", tables(), None))
}

/// Two releases of one programme and one programme without any.
pub(super) fn catalogue() -> Catalogue {
    let first = publish(release_with("2026-Q2", vec![table("total", &[], 12)], None));
    let second = publish(release_with("2026-Q3", tables(), Some(first.digest())));
    Catalogue::new(
        [("later".to_owned(), "A later programme".to_owned())],
        [first, second],
    )
}

/// Six quarters of the tables most tests look at, with numbers that move, one partner that comes and goes, and far more
/// in one borough (the first tile) and of one kind (the second) at the end.
pub(super) fn quarters() -> Catalogue {
    let mut releases: Vec<Arc<Published>> = Vec::new();
    let periods = [
        "2025-Q2", "2025-Q3", "2025-Q4", "2026-Q1", "2026-Q2", "2026-Q3",
    ];
    let waves = [0_i64, 12, -11, 10, -12, 9];
    for (number, (period, wave)) in (0_i64..).zip(periods.into_iter().zip(waves)) {
        let mut tables = tables_of_london();
        for table in &mut tables {
            let drift = if table.name == "borough" {
                0
            } else {
                6 * number
            };
            for (cell, raw) in (0_i64..).zip(&mut table.raw) {
                let ups_and_downs = *raw * wave / 100;
                *raw += (cell * 13 + number * 29) % 11 - 5 + drift * (cell % 3) + ups_and_downs;
            }
        }
        if period == "2026-Q3" {
            tables.last_mut().unwrap().raw[0] += 400;
            tables[1].raw[1] += 3_000;
        }
        let previous = releases.last().map(|published| published.digest());
        let mut release = release_with(period, tables, previous);
        release.published_at += number * 7_776_000;
        if number == 3 {
            release.missing.extend(release.survivors.pop());
        }
        releases.push(publish(release));
    }
    Catalogue::new(Vec::new(), releases)
}

/// The tables with one by borough more, under the real codes.
fn tables_of_london() -> Vec<ReleaseTable> {
    let mut all = tables();
    let codes: Vec<String> = super::charts::london::TILES
        .iter()
        .map(|tile| tile.code.to_owned())
        .collect();
    let mut london = dimension("borough", "Borough", &codes);
    london.categories = codes;
    let mut by_borough = filled("borough", "Boroughs", vec![london], 15);
    for raw in by_borough.raw.iter_mut().filter(|raw| **raw > 0) {
        *raw += 40;
    }
    all.push(by_borough);
    all
}
