//! Whether time tells secrets: dudect (Reparaz, Balasch, Verbauwhede, *Dude, is my code constant time?*, DATE 2017).
//!
//! Each target runs on inputs of two classes in random order; Welch's t compares the two sets of times, once raw and
//! once for each of a number of croppings that leave out the slowest (interrupts, migrations). What is printed is
//! the largest |t|. Above 10 the times differ for certain; above 4.5 more measurements are called for; below it
//! this many measurements show nothing, which is no proof. The first two rows are controls: one that must differ
//! and one whose classes are the same.
//!
//! `MEASUREMENTS=1000000` takes another number of measurements than the default.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a benchmark fails by panicking"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use msht_core::crypto::{
    Digest, HexBytes, MaskStream, Secret, Sharing, Sign, apply_masks, recover,
};
use msht_core::dp::contribution::NoisyTable;
use msht_core::dp::pool::NoiseDraw;
use msht_core::dp::sampler::PolyaShare;
use msht_core::programme::{Programme, shipped};
use msht_core::rational::Rational;
use msht_core::tally::Tally;
use msht_node::agent::pace::departure;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

const SEED: u64 = 2026;
const MEASUREMENTS: usize = 200_000;
/// Croppings, as in dudect: the k-th keeps times below the quantile 1 − 2^(−10·k/CROPPINGS).
const CROPPINGS: u32 = 100;
/// Fewest times of a class that a t is computed from.
const LEAST: usize = 1_000;
/// Interval of the clock in the measurement from outside; a node's is a second.
const INTERVAL: Duration = Duration::from_millis(4);
/// Fewer, because each waits for the clock.
const OUTSIDE_MEASUREMENTS: usize = 6_000;

/// Welch's t of two sets of times, or none where one is too small.
fn welch(times: &[(bool, f64)], below: f64) -> Option<f64> {
    let of = |class: bool| {
        let kept = times
            .iter()
            .filter(|time| time.0 == class && time.1 <= below);
        let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
        for (_, time) in kept {
            count += 1.0;
            let from_mean = time - mean;
            mean += from_mean / count;
            squares += from_mean * (time - mean);
        }
        (count, mean, squares / (count - 1.0))
    };
    let ((n, mean, variance), (m, other, variance_other)) = (of(false), of(true));
    if n < LEAST as f64 || m < LEAST as f64 {
        return None;
    }
    Some((mean - other) / (variance / n + variance_other / m).sqrt())
}

/// Prints the raw t and the largest of the croppings, with the mean times of both classes.
fn report(what: &str, times: &[(bool, f64)]) {
    let mut sorted: Vec<f64> = times.iter().map(|time| time.1).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let raw = welch(times, f64::INFINITY).unwrap_or(f64::NAN);
    let mut largest = raw.abs();
    for cropping in 1..=CROPPINGS {
        let quantile = 1.0 - 0.5f64.powf(10.0 * f64::from(cropping) / f64::from(CROPPINGS));
        let below = sorted[(quantile * (sorted.len() - 1) as f64) as usize];
        if let Some(t) = welch(times, below) {
            largest = largest.max(t.abs());
        }
    }
    let median = sorted[sorted.len() / 2];
    println!(
        "{what:<66} {median:>12.0} ns {:>9.1} {largest:>9.1}",
        raw.abs()
    );
}

/// Measures `work` on inputs that `prepare` makes for a class, the class drawn for each measurement. Inputs are made
/// ahead, so that making them does not show in the time.
fn measure<I>(
    what: &str,
    measurements: usize,
    mut prepare: impl FnMut(bool, &mut StdRng) -> I,
    mut work: impl FnMut(&mut I),
) {
    const BATCH: usize = 1_000;
    let mut rng = StdRng::seed_from_u64(SEED);
    let mut times = Vec::with_capacity(measurements);
    while times.len() < measurements {
        let mut batch: Vec<(bool, I)> = (0..BATCH)
            .map(|_| {
                let class = rng.random_bool(0.5);
                (class, prepare(class, &mut rng))
            })
            .collect();
        for (class, input) in &mut batch {
            let begun = Instant::now();
            work(black_box(input));
            times.push((*class, begun.elapsed().as_nanos() as f64));
        }
    }
    // The first batch warms caches and branch predictors.
    report(what, times.split_at(BATCH).1);
}

fn fixed() -> Secret {
    Secret::from_bytes([0; 32])
}

/// The fixed secret for one class, a random one for the other.
fn secret(class: bool, rng: &mut StdRng) -> Secret {
    if class { Secret::random(rng) } else { fixed() }
}

fn comparisons(measurements: usize) {
    // The clock takes some 20 ns: what is faster is done several times.
    const TIMES: usize = 32;
    measure(
        "control: comparison that stops at the first difference",
        measurements,
        secret,
        |secret| {
            for _ in 0..TIMES {
                let pairs = secret.expose().iter().zip(&[0u8; 32]);
                black_box(
                    pairs
                        .into_iter()
                        .all(|(one, other)| black_box(one) == other),
                );
            }
        },
    );
    measure(
        "control: two classes that are the same",
        measurements,
        |_, rng| Secret::random(rng),
        |secret| {
            for _ in 0..TIMES {
                black_box(black_box(&*secret).ct_eq(&fixed()));
            }
        },
    );
    measure(
        "Secret::ct_eq: equal, or random",
        measurements,
        secret,
        |secret| {
            for _ in 0..TIMES {
                black_box(black_box(&*secret).ct_eq(&fixed()));
            }
        },
    );
    measure(
        "digest == (of public values only): equal, or random",
        measurements,
        |class, rng| -> Digest { HexBytes(*secret(class, rng).expose()) },
        |digest| {
            for _ in 0..TIMES {
                black_box(black_box(&*digest) == black_box(&HexBytes([0; 32])));
            }
        },
    );
}

fn sharing(measurements: usize) {
    measure(
        "Shamir: share a seed with threshold 15, 22 shares: fixed, or random",
        measurements / 10,
        secret,
        |seed| {
            let sharing = Sharing::new(seed, 15, &[b"timing"]).unwrap();
            for index in 1..=22 {
                black_box(sharing.share(index).unwrap());
            }
        },
    );
    measure(
        "Shamir: recover from 15 shares: fixed, or random",
        measurements / 10,
        |class, rng| (0..15).map(|_| secret(class, rng)).collect::<Vec<_>>(),
        |shares| {
            let shares: Vec<(u8, &Secret)> = (1..).zip(shares.iter()).collect();
            black_box(recover(&shares).unwrap());
        },
    );
}

fn masking(measurements: usize) {
    measure(
        "mask 299 cells with 22 streams: keys fixed, or random",
        measurements / 10,
        |class, rng| {
            let stream = |_| MaskStream::new(&secret(class, rng), Sign::Add);
            (0..22).map(stream).collect::<Vec<_>>()
        },
        |streams| {
            let mut words = [0u32; 299];
            apply_masks(&mut words, streams);
            black_box(words);
        },
    );
    let streams: Vec<MaskStream> = (0..22)
        .map(|number| MaskStream::new(&Secret::from_bytes([number; 32]), Sign::Subtract))
        .collect();
    measure(
        "mask 299 cells with 22 streams: counts all zero, or random",
        measurements / 10,
        |class, rng| {
            let mut words = [0u32; 299];
            if class {
                words.fill_with(|| rng.next_u32());
            }
            words
        },
        |words| apply_masks(words, &streams),
    );
}

fn rate() -> (Rational, Rational) {
    ("1/5".parse().unwrap(), "1/8".parse().unwrap())
}

/// Times of draws, told apart by what was drawn.
fn sampler(measurements: usize) {
    let (rate, shape) = rate();
    let share = PolyaShare::new(&rate, &shape).unwrap();
    let mut rng = StdRng::seed_from_u64(SEED);
    let mut times = Vec::with_capacity(measurements);
    for _ in 0..measurements {
        let begun = Instant::now();
        let drawn = black_box(share.sample(&mut rng));
        times.push((drawn != 0, begun.elapsed().as_nanos() as f64));
    }
    report(
        "sampler, one cell: drew zero, or not (not constant, by design)",
        &times,
    );
}

fn pool(measurements: usize) {
    let programme = Programme::parse(shipped("pan-london").unwrap()).unwrap();
    let counts = Tally::new(&programme).finish();
    let round: Digest = HexBytes([7; 32]);
    measure(
        "pool: add a draw of 299 cells to the counts: zeros, or random",
        measurements / 10,
        |class, rng| {
            let mut bytes = round.as_bytes().to_vec();
            for _ in 0..programme.cells() {
                let noise = if class { i64::from(rng.next_u32()) } else { 0 };
                bytes.extend_from_slice(&noise.to_le_bytes());
            }
            NoiseDraw::from_bytes(&bytes)
        },
        |draw| {
            black_box(draw.take().unwrap().add_to(round, &counts).unwrap());
        },
    );
}

/// From learning of a round to sending, as the coordinator sees it: drawing the noise of 299 cells, then waiting for
/// the clock as the agent does. Told apart by whether much noise was drawn or little.
fn outside() {
    let (rate, shape) = rate();
    let mut rng = StdRng::seed_from_u64(SEED);
    let (mut inside, mut seen) = (Vec::new(), Vec::new());
    for _ in 0..OUTSIDE_MEASUREMENTS {
        let table = NoisyTable {
            cells: 299,
            rate: &rate,
        };
        let begun = Instant::now();
        let draw = NoiseDraw::draw(HexBytes([7; 32]), [table], &shape, &mut rng).unwrap();
        let elapsed = begun.elapsed();
        std::thread::sleep(departure(elapsed, INTERVAL).saturating_sub(begun.elapsed()));
        let left = begun.elapsed();
        let bytes = draw.to_bytes();
        let cells = bytes[32..].as_chunks::<8>().0.iter();
        let drawn: u64 = cells
            .map(|cell| i64::from_le_bytes(*cell).unsigned_abs())
            .sum();
        inside.push((drawn, elapsed));
        seen.push((drawn, left));
    }
    let mut sizes: Vec<u64> = inside.iter().map(|each| each.0).collect();
    sizes.sort_unstable();
    let median = sizes[sizes.len() / 2];
    for (what, times) in [
        (
            "drawing the noise of 299 cells: little, or much noise",
            inside,
        ),
        ("the same from outside, sent on the clock", seen),
    ] {
        let times: Vec<(bool, f64)> = times
            .into_iter()
            .map(|(drawn, time)| (drawn > median, time.as_nanos() as f64))
            .collect();
        report(what, &times);
    }
}

fn main() {
    let chosen = std::env::var("MEASUREMENTS")
        .ok()
        .and_then(|number| number.parse().ok());
    let measurements = chosen.unwrap_or(MEASUREMENTS);
    println!(
        "{measurements} measurements (a tenth for slow targets), seed {SEED}; |t| above 10: the classes differ"
    );
    println!(
        "{:<66} {:>15} {:>9} {:>9}",
        "target", "median", "raw |t|", "max |t|"
    );
    comparisons(measurements);
    sharing(measurements);
    masking(measurements);
    sampler(measurements);
    pool(measurements);
    outside();
}
