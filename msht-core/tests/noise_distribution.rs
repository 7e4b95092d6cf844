//! The noise has the law that the privacy promise and the published intervals are computed from, and the tests
//! that say so reject noise that is a little wrong.
//!
//! Each case draws from a seeded generator and prints its seed on failure. A correct sampler fails one case in
//! 10 000; with the seeds fixed it either always passes or never does.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use dashu::integer::IBig;
use dashu::rational::RBig;
use msht_core::dp::mechanism::PolyaAggregate;
use msht_core::dp::sampler::{NegativeBinomial, PolyaShare};
use msht_core::estimate::interval::NoiseLaw;
use msht_core::rational::Rational;
use msht_core::testkit::statistics::{Fit, chi_square, kolmogorov_smirnov, moments};
use opendp::measurements::{Sample, ZExpFamily};
use rand::SeedableRng;
use rand::rngs::StdRng;

/// Below this a law is rejected.
const REJECTED: f64 = 1e-4;
/// Deviation of a mean or a variance, in standard deviations, that is exceeded with probability 10⁻⁴.
const DEVIATIONS: f64 = 3.9;
/// Samples of a case: at ε = 0.1 a wrong ε of 20 % shifts the statistic by hundreds of standard deviations.
const SAMPLES: usize = 100_000;

const EPSILONS: [&str; 4] = ["0.1", "0.5", "1", "2"];
const HONEST: [u32; 3] = [2, 5, 22];

fn rational(text: &str) -> Rational {
    text.parse().unwrap()
}

/// Sums of `shares` independent shares of shape 1/`planned`.
fn sums(a: &Rational, planned: u32, shares: u32, seed: u64) -> Vec<i64> {
    let share = PolyaShare::new(a, &Rational::new(1, u64::from(planned)).unwrap()).unwrap();
    let mut rng = StdRng::seed_from_u64(seed);
    let mut totals = vec![0; SAMPLES];
    let mut cells = vec![0; SAMPLES];
    for _ in 0..shares {
        share.fill(&mut cells, &mut rng);
        for (total, cell) in totals.iter_mut().zip(&cells) {
            *total += cell;
        }
    }
    totals
}

/// The one test that right noise must pass and wrong noise must fail.
fn fit(samples: &[i64], law: &NoiseLaw) -> Fit {
    chi_square(samples, |value| law.probability(value))
}

fn assert_follows(samples: &[i64], law: &NoiseLaw, label: &str) {
    let chi_square = fit(samples, law);
    assert!(chi_square.p_value > REJECTED, "{label}: {chi_square:?}");
    let distance = kolmogorov_smirnov(samples, |value| law.cumulative(value));
    assert!(distance.p_value > REJECTED, "{label}: {distance:?}");
    let moments = moments(samples, law.variance(), law.fourth_moment());
    assert!(moments.mean.abs() < DEVIATIONS, "{label}: {moments:?}");
    assert!(moments.variance.abs() < DEVIATIONS, "{label}: {moments:?}");
}

/// Runs `case` for every ε and h, each with a seed of its own.
fn for_every_case(first_seed: u64, case: impl Fn(&Rational, u32, u64, &str)) {
    let mut seed = first_seed;
    for epsilon in EPSILONS {
        for honest in HONEST {
            seed += 1;
            let label = format!("ε = {epsilon}, h = {honest}, seed {seed}");
            case(&rational(epsilon), honest, seed, &label);
        }
    }
}

#[test]
fn sums_of_honest_shares_are_discrete_laplace() {
    for_every_case(1000, |a, honest, seed, label| {
        let law = NoiseLaw::new(a, &Rational::one()).unwrap();
        assert_follows(&sums(a, honest, honest, seed), &law, label);
    });
}

#[test]
fn a_single_share_follows_its_own_law() {
    for_every_case(2000, |a, honest, seed, label| {
        let shape = Rational::new(1, u64::from(honest)).unwrap();
        let law = NoiseLaw::new(a, &shape).unwrap();
        assert_follows(&sums(a, honest, 1, seed), &law, label);
    });
}

#[test]
fn more_survivors_than_planned_follow_the_realised_shape() {
    let a = rational("0.2");
    let law = NoiseLaw::new(&a, &rational("22/15")).unwrap();
    assert_follows(&sums(&a, 15, 22, 3000), &law, "22 of 15, seed 3000");
}

#[test]
fn one_side_of_a_share_is_negative_binomial() {
    for (index, (a, shape)) in [("0.1", "1/22"), ("0.7", "2/5"), ("1.5", "1"), ("3", "3/7")]
        .into_iter()
        .enumerate()
    {
        let seed = 4000 + index as u64;
        let half = NegativeBinomial::new(&rational(a), &rational(shape)).unwrap();
        let mut rng = StdRng::seed_from_u64(seed);
        let draw = |_| i64::from(half.sample(&mut rng));
        let samples: Vec<i64> = (0..SAMPLES).map(draw).collect();
        let (p, r) = (
            (-rational(a).to_f64_lossy()).exp(),
            rational(shape).to_f64_lossy(),
        );
        let mass: Vec<f64> = (0..2000)
            .scan((1.0 - p).powf(r), |mass, k| {
                let before = *mass;
                *mass *= p * (f64::from(k) + r) / f64::from(k + 1);
                Some(before)
            })
            .collect();
        let at = |value: i64| usize::try_from(value).map_or(0.0, |k| mass[k]);
        let fit = chi_square(&samples, at);
        assert!(
            fit.p_value > REJECTED,
            "a = {a}, r = {shape}, seed {seed}: {fit:?}"
        );
    }
}

#[test]
fn noise_of_another_epsilon_is_rejected() {
    for_every_case(5000, |a, honest, seed, label| {
        let law = NoiseLaw::new(a, &Rational::one()).unwrap();
        for factor in ["1.2", "0.8"] {
            let wrong = a.times(&rational(factor));
            let fit = fit(&sums(&wrong, honest, honest, seed), &law);
            assert!(fit.p_value < REJECTED, "{label}, ×{factor}: {fit:?}");
        }
    });
}

#[test]
fn shares_of_another_epsilon_are_rejected() {
    for_every_case(6000, |a, honest, seed, label| {
        let shape = Rational::new(1, u64::from(honest)).unwrap();
        let law = NoiseLaw::new(a, &shape).unwrap();
        let wrong = a.times(&rational("1.2"));
        let fit = fit(&sums(&wrong, honest, 1, seed), &law);
        assert!(fit.p_value < REJECTED, "{label}: {fit:?}");
    });
}

#[test]
fn twelve_shares_where_sixteen_were_planned_are_rejected() {
    for (index, epsilon) in EPSILONS.into_iter().enumerate() {
        let seed = 7000 + index as u64;
        let a = rational(epsilon);
        let law = NoiseLaw::new(&a, &Rational::one()).unwrap();
        assert_follows(
            &sums(&a, 16, 16, seed),
            &law,
            &format!("ε = {epsilon}, seed {seed}"),
        );
        let fit = fit(&sums(&a, 16, 12, seed), &law);
        assert!(
            fit.p_value < REJECTED,
            "ε = {epsilon}, seed {seed}: {fit:?}"
        );
    }
}

#[test]
fn the_measurement_draws_what_opendp_draws() {
    // OpenDP has no seedable generator: this compares its discrete Laplace with our law, and our measurement
    // with the same law, at a level that a correct sampler misses once in 10⁹ runs.
    let a = rational("0.5");
    let law = NoiseLaw::new(&a, &Rational::one()).unwrap();
    let reference = ZExpFamily::<1> {
        scale: RBig::from(2),
    };
    let share = Rational::new(1, 5).unwrap();
    let ours = PolyaAggregate::new(&a, &share, 5, StdRng::seed_from_u64(8000)).unwrap();
    let draws = |sample: &dyn Fn() -> IBig| -> Vec<i64> {
        (0..20_000)
            .map(|_| i64::try_from(sample()).unwrap())
            .collect()
    };
    let reference = fit(&draws(&|| reference.sample(&IBig::ZERO).unwrap()), &law);
    assert!(reference.p_value > 1e-9, "OpenDP, unseeded: {reference:?}");
    let ours = fit(&draws(&|| ours.sample(&IBig::ZERO).unwrap()), &law);
    assert!(ours.p_value > REJECTED, "seed 8000: {ours:?}");
}
