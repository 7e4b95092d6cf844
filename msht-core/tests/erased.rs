//! What is left of a round's secrets in the memory of the process that ran it: nothing on the heap.
//!
//! The test reads its own memory. Stacks are left out: the round runs on a thread whose stack goes with it, because
//! values that move leave copies on the stack that no type can erase (`docs/threat-model.md` says so).
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};

use msht_core::crypto::SECRET_BYTES;
use msht_core::secagg::messages::Phase;
use msht_core::testkit::cohort::CohortOptions;
use msht_core::testkit::forge::seeds_of;
use msht_core::testkit::stepwise::Stepwise;

/// Stack of the thread that runs the round: so large that the system takes it back when the thread ends.
const STACK_BYTES: usize = 128 * 1024 * 1024;
/// What secrets are hidden with while they are searched for, so that the search does not find itself.
const HIDDEN: u8 = 0xa5;
const SEED: u64 = 77;

fn hidden(secret: &[u8]) -> Vec<u8> {
    secret.iter().map(|byte| byte ^ HIDDEN).collect()
}

fn is_at(memory: &[u8], hidden: &[u8]) -> bool {
    memory
        .iter()
        .zip(hidden)
        .all(|(one, other)| *one ^ HIDDEN == *other)
}

/// How often each secret stands in the writable memory of this process, stacks of other threads included.
fn found(secrets: &[(String, Vec<u8>)]) -> Vec<String> {
    let mut memory = File::open("/proc/self/mem").unwrap();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let mut found = Vec::new();
    // One buffer for every region: where it is itself part of a region it holds bytes of an earlier one.
    let mut buffer = Vec::new();
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (from, to) = line.split_once(' ').unwrap().0.split_once('-').unwrap();
        let (from, to) = (
            u64::from_str_radix(from, 16).unwrap(),
            u64::from_str_radix(to, 16).unwrap(),
        );
        buffer.clear();
        if memory.seek(SeekFrom::Start(from)).is_err() {
            continue;
        }
        let _part_of_it = memory.by_ref().take(to - from).read_to_end(&mut buffer);
        for (start, byte) in buffer.iter().enumerate() {
            for (what, secret) in secrets {
                let first = secret[0] ^ HIDDEN;
                let rest = buffer.get(start..start + secret.len());
                if *byte == first && rest.is_some_and(|rest| is_at(rest, secret)) {
                    let place = line.split_whitespace().nth(5).unwrap_or("heap of a thread");
                    found.push(format!("{what} in {place}"));
                }
            }
        }
        buffer.fill(0);
    }
    found
}

/// Runs a whole round; gives the seeds, hidden, and how many of them were in memory while it ran.
fn round() -> (Vec<(String, Vec<u8>)>, usize) {
    let options = CohortOptions {
        partners: 4,
        ..CohortOptions::default()
    };
    let mut round = Stepwise::new(&options, SEED);
    round.advance_to(Phase::Share);
    let mut secrets = Vec::new();
    for (index, records) in &round.node_records {
        let seeds = seeds_of(&records[0]);
        for (what, seed) in [
            ("channel", seeds.channel),
            ("mask", seeds.mask),
            ("self", seeds.own),
        ] {
            secrets.push((format!("{what} seed of {index}"), hidden(seed.expose())));
        }
    }
    let during = found(&secrets).len();
    round.advance_to(Phase::Unmask);
    round.collect();
    round.close();
    (secrets, during)
}

#[test]
fn no_seed_is_left_on_the_heap_after_a_round() {
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
    let (secrets, during) = thread.spawn(round).unwrap().join().unwrap();
    assert_eq!(secrets.len(), 12);
    assert!(
        secrets
            .iter()
            .all(|(_, secret)| secret.len() == SECRET_BYTES)
    );
    assert!(
        during >= secrets.len(),
        "the search finds {during} of the seeds in use"
    );
    let left = found(&secrets);
    assert!(left.is_empty(), "seed {SEED}: {left:#?}");
}
