//! The coordinator from outside: real QUIC on loopback, its own data directory, nodes driven by the core's sessions.

mod certificates;
mod client;
mod copies;
mod floods;
mod governance;
mod operator;
mod refusals;
mod replicas;
mod rounds;
mod rules;
mod simulated;
mod under_faults;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use msht_core::crypto::Identity;
use msht_core::secagg::PartnerKind;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::store::testing::fresh_database;
use crate::{Clock, Coordinator, NewInvite, PhaseSeconds, RoundRequest, Running, Settings};

/// When every test begins.
const START: i64 = 1_800_000_000;

const PROGRAMME: &str = r#"
id = "test"
version = 1
title = "Test"
description = "For tests."
promise = "For tests."
max_count_per_cell = 1000
word_bits = 32
[privacy]
unit = "record"
max_records = 1
epsilon_per_period = 1
epsilon_per_year = 4
[cohort]
least_partners = 3
[calendar]
period = "quarter"
first = "2026-Q1"
hours = { join = 1, share = 1, mask = 1, confirm = 1, unmask = 1 }
[[dimension]]
id = "kind"
title = "Kind"
categories = [["labour", "Labour"], ["unknown", "Unknown"]]
[[table]]
id = "total"
title = "Total"
dimensions = []
weight = 0.5
[[table]]
id = "kinds"
title = "Kinds"
dimensions = ["kind"]
weight = 0.5
"#;

/// A clock that goes only when it is told to.
#[derive(Clone)]
struct TestClock(Arc<AtomicI64>);

impl TestClock {
    fn new() -> Self {
        Self(Arc::new(AtomicI64::new(START)))
    }

    fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }

    fn as_clock(&self) -> Clock {
        let time = Arc::clone(&self.0);
        Arc::new(move || time.load(Ordering::SeqCst))
    }
}

fn rng(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

fn identity(seed: u64) -> Arc<Identity> {
    Arc::new(Identity::generate(&mut rng(seed)).unwrap())
}

async fn created(data: &Path, clock: &TestClock) -> Coordinator {
    let settings = Settings {
        address: "localhost:7843".to_owned(),
        title: "Test".to_owned(),
    };
    let database = fresh_database().await;
    let database = database.as_ref();
    Coordinator::create_in(
        data,
        None,
        database,
        settings,
        clock.as_clock(),
        &mut rng(1),
    )
    .await
    .unwrap()
}

fn new_invite(partner: &str) -> NewInvite {
    NewInvite {
        partner: partner.to_owned(),
        name: partner.to_uppercase(),
        kind: PartnerKind::Ngo,
        valid_seconds: 60,
    }
}

/// Enrols partners `p1`, `p2`, … without a network; their identities in that order.
async fn enrolled(coordinator: &Coordinator, partners: u64) -> Vec<Arc<Identity>> {
    let mut identities = Vec::new();
    for number in 1..=partners {
        let new = new_invite(&format!("p{number}"));
        let invite = coordinator.invite(&new, &mut rng(number)).await.unwrap();
        let identity = identity(100 + number);
        let key = identity.key();
        coordinator.enrol(&invite.token, &key).await.unwrap();
        identities.push(identity);
    }
    identities
}

fn request(period: &str) -> RoundRequest {
    RoundRequest {
        programme: "test".to_owned(),
        period: period.to_owned(),
        invited: None,
        phases: Some(PhaseSeconds {
            join: 100,
            share: 100,
            mask: 100,
            confirm: 100,
            unmask: 100,
        }),
    }
}

async fn started(coordinator: &Coordinator, listen: Option<SocketAddr>) -> Running {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    coordinator
        .start(listen.unwrap_or(any), Some(any))
        .await
        .unwrap()
}
