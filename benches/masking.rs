//! Masking and unmasking 22 vectors of 100,000 cells, beside raw AES-256-CTR and beside `prio`'s Prio3SumVec with
//! 16-bit elements. One run, one thread, medians; what counts is the ratios.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a benchmark fails by panicking"
)]

use std::time::{Duration, Instant};

use aes::cipher::{KeyIvInit, StreamCipher};
use msht_core::crypto::{MaskStream, Secret, Sign, apply_masks};
use msht_core::secagg::coordinator::CoordinatorSession;
use msht_core::testkit::cohort::{Cohort, CohortOptions};
use prio::codec::Encode;
use prio::vdaf::prio3::Prio3SumVec;
use prio::vdaf::{Aggregator, Client, VerifyTransition};

const PARTNERS: u8 = 22;
const CELLS: usize = 100_000;
const RUNS: usize = 9;
const SEED: u64 = 2026;

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let result = work();
    (start.elapsed(), result)
}

fn row(what: &str, time: Duration, against: Duration) {
    let milliseconds = time.as_secs_f64() * 1e3;
    let ratio = time.as_secs_f64() / against.as_secs_f64();
    println!("{what:<58} {milliseconds:>10.2} ms {ratio:>9.2} ×");
}

fn main() {
    println!(
        "{PARTNERS} partners, {CELLS} cells of 32 bits, seed {SEED}; streams: median of {RUNS} runs, a node or client: median of {PARTNERS}, coordinator and servers: one run; × is against raw AES-256-CTR"
    );
    let raw = raw_keystream();
    row("raw AES-256-CTR, 22 streams of 400 kB (`ctr`)", raw, raw);
    row(
        "mask one vector: 21 pair streams and one self stream",
        mask(),
        raw,
    );
    let round = whole_round();
    row(
        "node, all five phases, keys and signatures included",
        round.node,
        raw,
    );
    row(
        "coordinator, all phases, nobody lost",
        round.coordinator,
        raw,
    );
    row("  of which: sum and unmask 22 vectors", round.opening, raw);
    println!("upload of one node: {} bytes", round.upload);
    let prio = prio();
    row("Prio3SumVec 16 bit, client", prio.client, raw);
    row(
        "Prio3SumVec 16 bit, two servers, 22 clients",
        prio.servers,
        raw,
    );
    println!("upload of one Prio3SumVec client: {} bytes", prio.upload);
    let ratio = |ours: Duration, theirs: Duration| theirs.as_secs_f64() / ours.as_secs_f64();
    println!(
        "Prio3SumVec / ours: client {:.0}, servers {:.0}, upload {:.0}",
        ratio(round.node, prio.client),
        ratio(round.coordinator, prio.servers),
        prio.upload as f64 / round.upload as f64
    );
}

fn raw_keystream() -> Duration {
    let mut buffer = vec![0u8; CELLS * 4];
    let work = |buffer: &mut Vec<u8>| {
        for stream in 0..PARTNERS {
            let mut cipher =
                ctr::Ctr128LE::<aes::Aes256>::new(&[stream; 32].into(), &[0; 16].into());
            cipher.apply_keystream(buffer);
        }
    };
    median((0..RUNS).map(|_| timed(|| work(&mut buffer)).0).collect())
}

fn mask() -> Duration {
    let mut words = vec![0u32; CELLS];
    let work = |words: &mut Vec<u32>| {
        let streams: Vec<MaskStream> = (0..PARTNERS)
            .map(|stream| MaskStream::new(&Secret::from_bytes([stream; 32]), Sign::Add))
            .collect();
        apply_masks(words, &streams);
    };
    median((0..RUNS).map(|_| timed(|| work(&mut words)).0).collect())
}

struct Round {
    node: Duration,
    coordinator: Duration,
    opening: Duration,
    upload: usize,
}

/// A whole round in memory; the node's time is the median over the nodes.
fn whole_round() -> Round {
    let options = CohortOptions {
        partners: PARTNERS,
        cells: CELLS as u32,
        ..CohortOptions::default()
    };
    let cohort = Cohort::new(&options, SEED);
    let mut coordinator = CoordinatorSession::new(
        std::sync::Arc::clone(&cohort.context),
        std::sync::Arc::clone(&cohort.coordinator),
    );
    let mut nodes = Vec::new();
    let mut node_times = Vec::new();
    for index in cohort.context.indices() {
        let values = vec![i64::from(index); CELLS];
        let frozen = cohort.frozen(index, &values);
        let (time, session) = timed(|| {
            let context = std::sync::Arc::clone(&cohort.context);
            msht_core::secagg::node::NodeSession::start(context, cohort.identity(index), frozen)
        });
        nodes.push((index, session.unwrap()));
        node_times.push(time);
    }
    let (mut coordinator_time, mut opening) = (Duration::ZERO, Duration::ZERO);
    let mut uploads = vec![0; nodes.len()];
    while coordinator.opened().is_none() {
        for (position, (index, session)) in nodes.iter_mut().enumerate() {
            session.record_stored();
            if let Some(message) = session.poll_transmit().map(<[u8]>::to_vec) {
                uploads[position] += message.len();
                coordinator_time += timed(|| coordinator.handle_message(&message).unwrap()).0;
                session.acknowledged();
            }
            let awaited = session
                .awaiting()
                .and_then(|phase| coordinator.message_for(phase, *index));
            if let Some(message) = awaited {
                node_times[position] += timed(|| session.handle_message(&message).unwrap()).0;
            }
        }
        opening = timed(|| while coordinator.handle_timeout(0).unwrap() {}).0;
        coordinator_time += opening;
        drop(coordinator.take_records());
    }
    assert_eq!(
        coordinator.opened().unwrap().sum[0],
        (1..=i64::from(PARTNERS)).sum::<i64>()
    );
    Round {
        node: median(node_times),
        coordinator: coordinator_time,
        opening,
        upload: uploads[0],
    }
}

struct Prio {
    client: Duration,
    servers: Duration,
    upload: usize,
}

/// The same sum with Prio3SumVec: two servers, and a proof that each element has 16 bits, which ours has not.
fn prio() -> Prio {
    let chunk = (CELLS * 16).isqrt();
    let vdaf = Prio3SumVec::new_sum_vec(2, u128::from(u16::MAX), CELLS, chunk).unwrap();
    let (context, verify_key) = (b"bench".as_slice(), [7u8; 32]);
    let (mut clients, mut servers, mut upload) = (Vec::new(), Duration::ZERO, 0);
    for client in 0..PARTNERS {
        let measurement = vec![u128::from(client); CELLS];
        let nonce = [client; 16];
        let (time, shared) = timed(|| vdaf.shard(context, &measurement, &nonce).unwrap());
        clients.push(time);
        let (public, inputs) = shared;
        upload = public.get_encoded().unwrap().len()
            + inputs
                .iter()
                .map(|input| input.get_encoded().unwrap().len())
                .sum::<usize>();
        servers += timed(|| {
            let (states, shares): (Vec<_>, Vec<_>) = inputs
                .iter()
                .enumerate()
                .map(|(server, input)| {
                    vdaf.verify_init(&verify_key, context, server, &(), &nonce, &public, input)
                        .unwrap()
                })
                .unzip();
            let message = vdaf
                .verifier_shares_to_message(context, &(), shares)
                .unwrap();
            for state in states {
                let next = vdaf.verify_next(context, state, message.clone()).unwrap();
                let VerifyTransition::Finish(output) = next else {
                    unreachable!("Prio3 has one round")
                };
                std::hint::black_box(vdaf.aggregate(&(), [output]).unwrap());
            }
        })
        .0;
    }
    Prio {
        client: median(clients),
        servers,
        upload,
    }
}
