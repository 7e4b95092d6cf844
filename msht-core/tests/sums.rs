//! Tables of sums from the tally to the release: the law of their noise, words of 64 bits, and the ends of the range.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::sync::Arc;

use msht_core::crypto::Digest;
use msht_core::dp::calibration::share_shape;
use msht_core::dp::contribution::{NoisyTable, noisy_contribution};
use msht_core::dp::sampler::PolyaShare;
use msht_core::estimate::interval::NoiseLaw;
use msht_core::programme::Programme;
use msht_core::programme::limits::{MAX_INVERSE_NOISE_RATE, MAX_UNITS_PER_CELL};
use msht_core::rational::Rational;
use msht_core::release::{
    Expectations, Release, ReleaseFault, ReleaseMeasure, from_json, interval95, to_json,
};
use msht_core::secagg::Signed;
use msht_core::secagg::coordinator::{CoordinatorSession, Progress};
use msht_core::secagg::node::NodeSession;
use msht_core::tally::{CodedRecord, Counts, Tally};
use msht_core::testkit::cohort::Cohort;
use msht_core::testkit::statistics::{chi_square, moments};
use rand::SeedableRng;
use rand::rngs::StdRng;

const PARTNERS: u8 = 5;
/// Below this a law is rejected.
const REJECTED: f64 = 1e-4;
/// Deviation of a mean or a variance, in standard deviations, that is exceeded with probability 10⁻⁴.
const DEVIATIONS: f64 = 3.9;

/// Sums by `places` places: ε = 1, weight 1/2, clip 25, so a = 1/50; and counts beside them.
fn programme(places: usize) -> Programme {
    let codes: String = (1..places)
        .map(|n| format!("[\"p{n}\", \"P{n}\"], "))
        .collect();
    let text = format!(
        r#"
id = "sums"
version = 1
title = "Sums"
description = "Amounts by place."
promise = "Nobody sees a sum."
max_count_per_cell = 1000
word_bits = 64
privacy = {{ unit = "record", max_records = 1, epsilon_per_period = 1, epsilon_per_year = 4 }}
cohort = {{ least_partners = 3 }}
calendar = {{ period = "quarter", first = "2026-Q1", hours = {{ join = 1, share = 1, mask = 1, confirm = 1, unmask = 1 }} }}

[[amount]]
id = "value"
title = "Value moved"
currency = "GBP"
unit = 100
clip = 25
max_units_per_cell = {MAX_UNITS_PER_CELL}

[[dimension]]
id = "place"
title = "Place"
categories = [{codes}["unknown", "Unknown"]]

[[table]]
id = "moved"
title = "Value moved by place"
dimensions = ["place"]
measure = "value"
weight = 0.5

[[table]]
id = "total"
title = "All records"
dimensions = []
weight = 0.5
"#
    );
    Programme::parse(&text).unwrap()
}

fn noisy(programme: &Programme, counts: &Counts, shape: &Rational, rng: &mut StdRng) -> Vec<i64> {
    let tables = programme.tables().iter().map(|table| NoisyTable {
        cells: table.cells(),
        rate: table.noise_rate(),
    });
    noisy_contribution(counts, tables, shape, rng)
        .unwrap()
        .to_vec()
}

#[test]
fn the_noise_on_sums_has_the_law_of_their_clip() {
    let programme = programme(4096);
    let table = programme.table("moved").unwrap();
    let (least, colluders) = (4, 1);
    let shape = share_shape(&Rational::one(), least, colluders).unwrap();
    let mut rng = StdRng::seed_from_u64(77);
    let mut errors = vec![0_i64; table.cells()];
    for partner in 0..usize::from(least - colluders) {
        let mut tally = Tally::new(&programme);
        for (place, error) in errors.iter_mut().enumerate() {
            // 0 to 39 units, of which at most 25 count.
            let units = ((place + partner) % 40) as u64;
            let record = CodedRecord::new(None, vec![vec![place]]);
            tally.add(&record.with_amounts(vec![Some(units)])).unwrap();
            *error -= units.min(25) as i64;
        }
        let values = noisy(&programme, &tally.finish(), &shape, &mut rng);
        for (error, value) in errors.iter_mut().zip(&values[table.range()]) {
            *error += value;
        }
    }
    let law = |rate: &str| NoiseLaw::new(&rate.parse().unwrap(), &Rational::one()).unwrap();
    let follows = |law: &NoiseLaw| {
        let fit = chi_square(&errors, |value| law.probability(value)).p_value;
        let found = moments(&errors, law.variance(), law.fourth_moment());
        fit > REJECTED && found.mean.abs() < DEVIATIONS && found.variance.abs() < DEVIATIONS
    };
    assert!(follows(&law("1/50")));
    // Noise of a clip off by a fifth, and noise that forgets the clip.
    for wrong in ["1/60", "1/40", "1/2"] {
        assert!(!follows(&law(wrong)), "{wrong} passed");
    }
}

#[test]
fn the_smallest_rate_of_a_programme_can_be_drawn_and_published_in_every_cohort() {
    let least = Rational::new(1, MAX_INVERSE_NOISE_RATE).unwrap();
    assert!(PolyaShare::new(&least, &Rational::new(1, 2).unwrap()).is_ok());
    // n/(m − c) is largest with 255 partners and two honest survivors planned for.
    for shape in [(1, 1), (255, 2)] {
        let shape = Rational::new(shape.0, shape.1).unwrap();
        assert!(interval95(&least, &shape).is_ok(), "shape {shape}");
    }
}

fn cohort(programme: &Programme) -> Cohort {
    Cohort::of_programme(programme, "2026-Q2", PARTNERS, Digest::ZERO, 5)
}

/// A round in which every partner hands in its vector; the coordinator at its end.
fn round(cohort: &Cohort, vectors: &[Vec<i64>]) -> CoordinatorSession {
    let context = &cohort.context;
    let mut nodes: Vec<_> = context
        .indices()
        .zip(vectors)
        .map(|(index, values)| {
            let frozen = cohort.frozen(index, values);
            NodeSession::start(Arc::clone(context), cohort.identity(index), frozen).unwrap()
        })
        .collect();
    let mut sum = CoordinatorSession::new(Arc::clone(context), Arc::clone(&cohort.coordinator));
    while matches!(sum.progress(), Progress::Collecting { .. }) {
        for (node, index) in nodes.iter_mut().zip(context.indices()) {
            node.record_stored();
            if let Some(message) = node.poll_transmit() {
                sum.handle_message(message).unwrap();
                let _stored = sum.take_records();
                node.acknowledged();
            }
            let awaited = node.awaiting();
            if let Some(answer) = awaited.and_then(|phase| sum.message_for(phase, index)) {
                node.handle_message(&answer).unwrap();
            }
        }
        if sum.handle_timeout(0).is_err() {
            break;
        }
        let _stored = sum.take_records();
    }
    sum
}

/// Every partner's noisy vector where its cell of the first place is `units`.
fn vectors(programme: &Programme, cohort: &Cohort, units: u64) -> Vec<Vec<i64>> {
    let mut rng = StdRng::seed_from_u64(9);
    let shape = &cohort.context.announcement().share_shape;
    let counts = Tally::new(programme).finish();
    let vector = |_| {
        let mut vector = noisy(programme, &counts, shape, &mut rng);
        vector[0] += i64::try_from(units).unwrap();
        vector
    };
    (0..PARTNERS).map(vector).collect()
}

#[test]
fn sums_at_the_bound_open_to_themselves_and_the_release_says_what_they_are() {
    let programme = programme(3);
    let cohort = cohort(&programme);
    let vectors = vectors(&programme, &cohort, MAX_UNITS_PER_CELL);
    let ended = round(&cohort, &vectors);
    let opened = ended.opened().unwrap();
    let expected: i64 = vectors.iter().map(|vector| vector[0]).sum();
    assert_eq!(opened.sum[0], expected);
    assert!(expected > 1 << 50);

    let release = Release::build(&cohort.context, &programme, opened, 0).unwrap();
    let [moved, total] = release.tables.as_slice() else {
        unreachable!("two tables");
    };
    assert_eq!(moved.measure.unit().as_deref(), Some("GBP 100"));
    assert_eq!((moved.sensitivity, total.sensitivity), (25, 1));
    assert_eq!(total.measure, ReleaseMeasure::Count);
    let rate = programme.table("moved").unwrap().noise_rate();
    assert_eq!(
        moved.interval95,
        interval95(rate, &release.mechanism.shape).unwrap()
    );
    assert!(moved.interval95 > 20 * total.interval95);

    let signed = Signed::sign(release, &cohort.coordinator).unwrap();
    let read = from_json(&to_json(&signed).unwrap()).unwrap();
    assert_eq!(read, signed);
    let expectations = Expectations {
        programme: Some(&programme),
        ..Expectations::default()
    };
    assert!(read.verify_release(&expectations).is_ok());
    for change in [
        |sum: &mut msht_core::release::SumOfAmounts| sum.unit = 1000,
        |sum: &mut msht_core::release::SumOfAmounts| sum.clip = 26,
        |sum: &mut msht_core::release::SumOfAmounts| sum.currency = "EUR".to_owned(),
    ] {
        let mut release = signed.content.clone();
        let ReleaseMeasure::Sum(sum) = &mut release.tables[0].measure else {
            unreachable!("the first table is of sums");
        };
        change(sum);
        let forged = Signed::sign(release, &cohort.coordinator).unwrap();
        let fault = forged.verify_release(&expectations).unwrap_err();
        assert_eq!(fault, ReleaseFault::Table("moved".to_owned()));
    }
    let mut release = signed.content.clone();
    release.tables[0].measure = ReleaseMeasure::Count;
    let forged = Signed::sign(release, &cohort.coordinator).unwrap();
    let fault = forged.verify_release(&expectations).unwrap_err();
    assert_eq!(fault, ReleaseFault::Table("moved".to_owned()));
}

#[test]
fn a_sum_beyond_the_bound_of_its_table_is_not_opened() {
    let programme = programme(3);
    let cohort = cohort(&programme);
    let ended = round(
        &cohort,
        &vectors(&programme, &cohort, MAX_UNITS_PER_CELL * 2),
    );
    assert!(ended.opened().is_none());
    // 2^61 from each of five wraps round 2^63 to a negative sum, and is not taken for one.
    let ended = round(&cohort, &vectors(&programme, &cohort, 1 << 61));
    assert!(ended.opened().is_none());
    // A count beside the sums keeps its own narrow range.
    let mut vectors = vectors(&programme, &cohort, 0);
    *vectors[0].last_mut().unwrap() += 1_000_000;
    assert!(round(&cohort, &vectors).opened().is_none());
}
