//! The real records of the National Referral Mechanism, all six quarters, 68 nodes over QUIC, beside the published truth.
//!
//! Runs where `../shared/data` is; people who clone the project do not have it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use msht_core::estimate::interval::NoiseLaw;
use msht_core::programme::{Period, Programme, shipped};
use msht_core::release::{Expectations, Release, from_json};
use msht_core::secagg::PartnerKind;
use msht_examples::changes::{Agreement, Quarter, agreement};
use msht_examples::demonstration::{Demonstration, Member};
use msht_examples::truth::{Comparison, compare, published};

const MAPPING: &str = include_str!("../../msht-core/programmes/mappings/nrm.toml");
const QUARTERS: [&str; 6] = [
    "2022-Q2", "2022-Q3", "2022-Q4", "2023-Q1", "2023-Q2", "2023-Q3",
];
/// Least share of cells covered: 462 independent cells of at least 95 % give fewer once in 10⁴ runs.
const LEAST_COVERED: f64 = 0.91;
/// Probability that a correct total lies outside what the test accepts.
const TOTAL_TAIL: f64 = 1e-9;

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data")
}

fn members(data: &Path) -> Vec<Member> {
    let mut reader = csv::Reader::from_path(data.join("nrm_partners.csv")).unwrap();
    let rows = reader.deserialize::<(String, String, String, String)>();
    rows.map(|row| {
        let (id, name, _, _) = row.unwrap();
        let records = std::fs::read_to_string(data.join("nrm").join(format!("{id}.csv"))).unwrap();
        Member {
            id,
            name,
            kind: PartnerKind::Other,
            records,
            lost_after: None,
        }
    })
    .collect()
}

/// The total lies within the noise, its far tail included.
fn assert_total(release: &Release, comparison: &Comparison) {
    let total = release
        .tables
        .iter()
        .find(|table| table.name == "total")
        .unwrap();
    let rate = release.mechanism.a.get("total").unwrap();
    let law = NoiseLaw::new(rate, &release.mechanism.shape).unwrap();
    let bound = law.half_width(TOTAL_TAIL).unwrap();
    let (_, raw, _, truth) = comparison.cells.first().unwrap();
    assert_eq!(total.raw, [*raw]);
    assert!(
        raw.abs_diff(*truth) <= bound,
        "{}: {raw} beside {truth}, bound {bound}",
        release.period
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn six_quarters_of_the_real_records_agree_with_the_published_truth() {
    let data = data();
    if !data.join("nrm_partners.csv").exists() {
        println!("not run: there is no ../shared/data beside the project");
        return;
    }
    let programme = Programme::parse(shipped("nrm").unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let site = ([127, 0, 0, 1], 0).into();
    let started = Demonstration::start(
        folder.path(),
        programme.as_toml(),
        MAPPING,
        members(&data),
        site,
    )
    .await;
    let demonstration = started.unwrap();
    let (mut covered, mut cells) = (0, 0);
    let (mut quarters, mut truths) = (Vec::new(), Vec::new());
    for quarter in QUARTERS {
        let period: Period = quarter.parse().unwrap();
        let finished = demonstration.round(quarter).await.unwrap();
        let expectations = Expectations {
            programme: Some(&programme),
            ..Expectations::default()
        };
        let release = from_json(&finished.json)
            .unwrap()
            .verify_release(&expectations)
            .unwrap();
        assert_eq!(
            release.survivors.len(),
            68,
            "{quarter}: every node finished"
        );
        let file = data.join("nrm_published_2022q2_2023q3.csv");
        let truth = published(&file, &programme, MAPPING, period).unwrap();
        for comparison in compare(&release, &truth).unwrap() {
            if comparison.table == "total" {
                assert_total(&release, &comparison);
            }
            covered += comparison.covered();
            cells += comparison.cells.len();
        }
        truths.push(Quarter::exact(&release.period, &truth));
        quarters.push(Quarter::released(&release).unwrap());
    }
    demonstration.stop().await;
    #[expect(clippy::cast_precision_loss, reason = "462 cells")]
    let share = covered as f64 / cells as f64;
    println!("{covered} of {cells} cells are covered by their 95 % interval");
    assert!(share >= LEAST_COVERED, "{covered} of {cells}");
    assert_changes(&programme, &quarters, &truths);
}

/// Calls of change agree with the published counts; bounds are for the sampling error of one run.
fn assert_changes(programme: &Programme, quarters: &[Quarter], truths: &[Quarter]) {
    let mut found = Agreement::default();
    for table in programme.tables() {
        found.add(&agreement(quarters, truths, table.id()).unwrap());
    }
    found.lines().iter().for_each(|line| println!("{line}"));
    assert!(found.moved_found * 10 >= found.moved * 6, "{found:?}");
    assert!(
        found.said_moved_wrongly <= 1 + found.said_moved / 5,
        "{found:?}"
    );
}
