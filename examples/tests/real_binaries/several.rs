//! One coordinator with two programmes, one of them of sums, and a partner that is in both.

use std::fs;

use serde_json::Value;

use crate::world::{LONG, MAPPING, PROGRAMME, World, names, wait_for};

/// Of the small programme, of both, of the proceeds.
const CHARITIES: [&str; 2] = ["charity-1", "charity-2"];
const BOTH: &str = "both";
const BANKS: [&str; 4] = ["bank-1", "bank-2", "bank-3", "bank-4"];
const PERIOD: &str = "2026-Q1";
/// Reports of each bank, half of each sort.
const REPORTS: i64 = 2_000;
/// An ordinary report: GBP 2,549.99 is 25.4999 units of GBP 100, so 25; and one far above the clip of 100 units.
const REPORTED: [(&str, &str, i64); 2] = [
    ("advertising", "2,549.99", 25),
    ("debt-payments", "£1,234,567.00", 100),
];
/// Half-widths of 95 % that noise stays within but for less than once in 10⁹ (see `rounds`).
const WIDTHS: f64 = 9.0;

fn reports() -> String {
    let mut text = "date,person,typology,sent-from,sent-to,value\n".to_owned();
    for report in 0..REPORTS / 2 {
        for (typology, value, _) in REPORTED {
            let row = format!("2026-02-03,{typology}-{report},{typology},uk,europe,\"{value}\"\n");
            text.push_str(&row);
        }
    }
    text
}

/// Another block of `node.toml`, with its mapping and records.
fn takes_part(world: &World, partner: &str, programme: &str, mapping: &str, records: &str) {
    let block = format!(
        "\n[[programme]]\nid = \"{programme}\"\nmapping = \"{programme}.mapping.toml\"\n\
         source = {{ kind = \"csv\", path = \"{programme}.csv\" }}\n"
    );
    let settings = fs::read_to_string(world.path(partner).join("node.toml")).unwrap();
    world.write(&format!("{partner}/node.toml"), &(settings + &block));
    world.write(&format!("{partner}/{programme}.mapping.toml"), mapping);
    world.write(&format!("{partner}/{programme}.csv"), records);
}

fn cap(world: &World, partner: &str, from: &str, to: &str) {
    let settings = fs::read_to_string(world.path(partner).join("node.toml")).unwrap();
    let (from, to) = (
        format!("epsilon_per_period = {from}"),
        format!("epsilon_per_period = {to}"),
    );
    assert!(settings.contains(&from), "{settings}");
    world.write(
        &format!("{partner}/node.toml"),
        &settings.replacen(&from, &to, 1),
    );
}

fn open(world: &World, programme: &str, partners: &[&str]) -> String {
    let invited = partners.join(",");
    let arguments = [
        "round", "open", programme, PERIOD, "--phases", LONG, "--invite", &invited,
    ];
    world.coordinator(arguments).ok().out.trim().to_owned()
}

/// The release as `partner` has it, accepted by both programs.
fn release(world: &World, partner: &str, round: &str) -> Value {
    let shown = world.node(partner, &["releases", "--show", round]).ok();
    world.write("release.json", &shown.out);
    let file = world.path("release.json");
    let file = file.to_str().unwrap();
    world.node(partner, &["verify", file]).ok();
    world.coordinator(["verify", file]).ok();
    shown.json()
}

/// Asserts that a cell lies within its interval, far out, of the truth; the interval is a small part of it.
fn assert_near(release: &Value, table: &str, cell: &[&str], truth: i64) {
    let tables = release["tables"].as_array().unwrap();
    let found = tables.iter().find(|each| each["name"] == table).unwrap();
    let mut place = 0;
    for (dimension, code) in found["dimensions"].as_array().unwrap().iter().zip(cell) {
        let codes = names(&dimension["categories"]);
        place = place * codes.len() + codes.iter().position(|each| each == code).unwrap();
    }
    let width = found["interval95"].as_f64().unwrap() * WIDTHS;
    let truth = f64::from(i32::try_from(truth).unwrap());
    let error = found["raw"][place].as_f64().unwrap() - truth;
    assert!(
        error.abs() <= width,
        "{table}, {cell:?}: {error} beyond {width}"
    );
    assert!(
        truth == 0.0 || width < truth / 2.0,
        "{table}: {width} tells nothing of {truth}"
    );
}

/// ε spent or reserved at `partner` for the days of the round, over all programmes.
fn spent(world: &World, partner: &str, round: &str) -> f64 {
    let shown = world
        .node(partner, &["preview", round, "--json"])
        .ok()
        .json();
    shown["preview"]["spent_for_period"][0].as_f64().unwrap()
}

/// A coordinator with the small programme at ε 1 and the proceeds, and everybody enrolled where they belong.
fn world() -> World {
    let small = PROGRAMME
        .replace("epsilon_per_period = 2", "epsilon_per_period = 1")
        .replace("epsilon_per_year = 8", "epsilon_per_year = 4");
    let world = World::start_with(&small);
    world.coordinator(["programme", "publish", "proceeds"]).ok();
    for partner in CHARITIES.into_iter().chain([BOTH]).chain(BANKS) {
        world.enrol(partner);
    }
    let mapping = include_str!("../../../msht-core/programmes/mappings/proceeds.toml");
    for bank in BANKS.into_iter().chain([BOTH]) {
        takes_part(&world, bank, "proceeds", mapping, &reports());
    }
    world.write("both/mapping.toml", MAPPING);
    world
}

#[test]
fn two_programmes_run_at_once_and_a_partner_of_both_pays_for_both() {
    let world = world();
    let with_both = |others: &[&'static str]| [others, &[BOTH]].concat();
    let (small_partners, banks) = (with_both(&CHARITIES), with_both(&BANKS));
    let small = open(&world, "small", &small_partners);
    let proceeds = open(&world, "proceeds", &banks);
    world.approve(&small_partners, &small);
    world.approve(&banks, &proceeds);
    let told = world.node(BOTH, &["preview", &proceeds]).ok().out;
    assert!(
        told.contains("units of GBP 100, at most 100 a record"),
        "{told}"
    );

    // Both cost 1 for the same days: with a cap of 1.5 the partner of both joins one and waits with the other.
    cap(&world, BOTH, "2", "1.5");
    assert_eq!(world.step(BOTH).code, 7);
    let joined = [&small, &proceeds].map(|round| {
        let stage = world.status(round);
        names(&stage["received"]).contains(&BOTH)
    });
    assert_eq!(
        joined.iter().filter(|joined| **joined).count(),
        1,
        "{joined:?}"
    );
    cap(&world, BOTH, "1.5", "2");
    world.step(BOTH).ok();

    let everybody: Vec<&str> = CHARITIES.into_iter().chain(BANKS).chain([BOTH]).collect();
    wait_for("both releases", || {
        for partner in &everybody {
            world.step(partner).ok();
        }
        let done = |round| world.status(round)["state"] == "released";
        (done(&small) && done(&proceeds)).then_some(())
    });
    for partner in &everybody {
        world.step(partner).ok();
    }

    let counts = release(&world, BOTH, &small);
    assert_eq!(names(&counts["survivors"]).len(), small_partners.len());
    assert_eq!(counts["tables"][0]["measure"], "count");
    let sums = release(&world, BOTH, &proceeds);
    assert_eq!(names(&sums["survivors"]).len(), banks.len());
    assert_sums(&sums, i64::try_from(banks.len()).unwrap());

    for (partner, round, epsilon) in [
        (BOTH, &small, 2.0),
        (BOTH, &proceeds, 2.0),
        (CHARITIES[0], &small, 1.0),
        (BANKS[0], &proceeds, 1.0),
    ] {
        let spent = spent(&world, partner, round);
        assert!((spent - epsilon).abs() < 1e-9, "{partner}: {spent}");
    }
}

fn assert_sums(sums: &Value, banks: i64) {
    let half = banks * REPORTS / 2;
    assert_near(sums, "total", &[], 2 * half);
    let mut value = 0;
    for (typology, _, units) in REPORTED {
        assert_near(sums, "typology", &[typology], half);
        assert_near(sums, "value-typology", &[typology], half * units);
        value += half * units;
    }
    assert_near(sums, "value", &[], value);
    assert_near(sums, "value-corridor", &["uk", "europe"], value);
    assert_near(sums, "value-corridor", &["europe", "uk"], 0);
    let tables = sums["tables"].as_array().unwrap();
    let value = tables
        .iter()
        .find(|table| table["name"] == "value")
        .unwrap();
    let expected = serde_json::json!({ "sum": {
        "amount": "value", "title": "Value reported", "currency": "GBP", "unit": 100, "clip": 100,
    } });
    assert_eq!(value["measure"], expected);
}

#[test]
fn an_amount_that_cannot_be_read_is_located_and_its_value_not_repeated() {
    let world = world();
    let good = fs::read_to_string(world.path("bank-1/proceeds.csv")).unwrap();
    let check = || world.node("bank-1", &["check", "proceeds"]);
    check().ok();
    for (bad, words) in [
        ("-77.77", "below zero"),
        ("77,77", "not written like 1,234.56"),
        ("", "0 units"),
    ] {
        world.write("bank-1/proceeds.csv", &good.replacen("2,549.99", bad, 1));
        let told = check();
        told.fails(4, &["line 2", "column `value`", words]);
        let shown = format!("{told:?}");
        assert!(
            !shown.contains("77.77") && !shown.contains("77,77"),
            "{shown}"
        );
    }
}
