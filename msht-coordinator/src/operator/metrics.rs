//! Metrics in the text format of OpenMetrics: ids, sizes, times and outcomes, never a count of anybody's records.
//!
//! What the store knows is read when somebody asks; what only this process sees is counted as it happens.

use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::coordinator::Coordinator;
use crate::error::Error;
use crate::rounds::{RoundStage, RoundStatus};

/// Type of the text that is answered.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Upper bounds of the time that a page takes, in seconds.
const PAGE_SECONDS: [f64; 8] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 1.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PageLabels {
    class: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    programme: String,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PhaseLabels {
    programme: String,
    period: String,
    phase: &'static str,
}

type Numbers<L> = Family<L, Gauge<i64>>;

/// Everything that is measured.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    pages: Family<PageLabels, Counter>,
    page_seconds: Histogram,
    read: ReadFromStore,
    /// One reader at a time fills the gauges.
    reading: Mutex<()>,
}

/// Gauges that are filled anew whenever somebody asks.
#[derive(Default)]
struct ReadFromStore {
    rounds: Numbers<StateLabels>,
    received: Numbers<PhaseLabels>,
    awaited: Numbers<PhaseLabels>,
    seconds_left: Numbers<PhaseLabels>,
    partners: Gauge<i64>,
    invites: Gauge<i64>,
    noticed: Gauge<i64>,
    store_bytes: Gauge<u64, AtomicU64>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("msht");
        let requests = Family::default();
        let pages = Family::default();
        let page_seconds = Histogram::new(PAGE_SECONDS);
        registry.register(
            "node_requests",
            "Requests of nodes, by kind and outcome",
            requests.clone(),
        );
        registry.register(
            "site_responses",
            "Responses of the site, by class",
            pages.clone(),
        );
        registry.register_with_unit(
            "site_response",
            "Time the site takes for a response",
            Unit::Seconds,
            page_seconds.clone(),
        );
        let read = ReadFromStore::default();
        read.register(&mut registry);
        Self {
            registry,
            requests,
            pages,
            page_seconds,
            read,
            reading: Mutex::default(),
        }
    }
}

impl ReadFromStore {
    fn register(&self, registry: &mut Registry) {
        registry.register("rounds", "Rounds, by state", self.rounds.clone());
        registry.register(
            "phase_messages_received",
            "Partners whose message of the open phase is in",
            self.received.clone(),
        );
        registry.register(
            "phase_messages_awaited",
            "Partners whose message of the open phase is awaited",
            self.awaited.clone(),
        );
        registry.register_with_unit(
            "phase_left",
            "Time until the open phase closes",
            Unit::Seconds,
            self.seconds_left.clone(),
        );
        registry.register("partners", "Partners enrolled", self.partners.clone());
        registry.register(
            "invites_unused",
            "Invites that can still be used",
            self.invites.clone(),
        );
        registry.register(
            "copies_noticed",
            "Notices about copies of nodes",
            self.noticed.clone(),
        );
        registry.register_with_unit(
            "store",
            "Size of the database",
            Unit::Bytes,
            self.store_bytes.clone(),
        );
    }

    fn take_up(&self, status: &RoundStatus, now: i64) {
        let state = match &status.stage {
            RoundStage::Collecting { .. } | RoundStage::Opened => "open",
            RoundStage::Released { .. } => "released",
            RoundStage::Aborted(_) => "aborted",
        };
        let labels = StateLabels {
            programme: status.programme.clone(),
            state,
        };
        self.rounds.get_or_create(&labels).inc();
        if let RoundStage::Collecting {
            phase,
            received,
            awaited,
            deadline,
        } = &status.stage
        {
            let labels = PhaseLabels {
                programme: status.programme.clone(),
                period: status.period.clone(),
                phase: phase.word(),
            };
            let number = |partners: &[String]| i64::try_from(partners.len()).unwrap_or(i64::MAX);
            self.received.get_or_create(&labels).set(number(received));
            self.awaited.get_or_create(&labels).set(number(awaited));
            let left = deadline.saturating_sub(now);
            self.seconds_left.get_or_create(&labels).set(left);
        }
    }
}

impl Metrics {
    /// A request of a node was answered.
    pub(crate) fn request(&self, kind: &'static str, outcome: &'static str) {
        self.requests
            .get_or_create(&RequestLabels { kind, outcome })
            .inc();
    }

    /// The site answered.
    pub(crate) fn page(&self, status: StatusCode, took: Duration) {
        let class = match status.as_u16() {
            ..=299 => "2xx",
            300..=399 => "3xx",
            400..=499 => "4xx",
            _ => "5xx",
        };
        self.pages.get_or_create(&PageLabels { class }).inc();
        self.page_seconds.observe(took.as_secs_f64());
    }

    /// The text of all metrics now.
    pub(super) async fn text(&self, coordinator: &Coordinator) -> Result<String, Error> {
        let statuses = coordinator.round_statuses().await?;
        let partners = coordinator.partners().await?.len();
        let invites = coordinator.invites().await?;
        let noticed = coordinator.noticed().await?.len();
        let now = coordinator.now();
        let number = |length: usize| i64::try_from(length).unwrap_or(i64::MAX);
        let _one_reader = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        self.read.rounds.clear();
        self.read.received.clear();
        self.read.awaited.clear();
        self.read.seconds_left.clear();
        for status in &statuses {
            self.read.take_up(status, now);
        }
        self.read.partners.set(number(partners));
        let good = invites.iter().filter(|invite| invite.is_good(now)).count();
        self.read.invites.set(number(good));
        self.read.noticed.set(number(noticed));
        self.read
            .store_bytes
            .set(coordinator.0.data.database_bytes());
        let mut text = String::new();
        // Writing to a string does not fail.
        let _written = encode(&mut text, &self.registry);
        Ok(text)
    }
}
