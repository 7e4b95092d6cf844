//! Many seeds on all cores, and what they showed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use msht_core::testkit::simulation::{Plan, Report, RoundEnd, Simulation};

/// Failing seeds that are printed whole; more say nothing new.
const PRINTED_FAILURES: usize = 10;

/// What a number of runs showed together.
#[derive(Default)]
pub(crate) struct Summary {
    pub(crate) seeds: u64,
    pub(crate) opened: u64,
    pub(crate) aborted: u64,
    pub(crate) events: u64,
    /// Rounds by number of partners.
    pub(crate) sizes: BTreeMap<u8, u64>,
    pub(crate) injected: BTreeMap<&'static str, u64>,
    pub(crate) failures: Vec<Report>,
    pub(crate) elapsed: Duration,
}

impl Summary {
    fn add(&mut self, report: Report) {
        self.seeds += 1;
        self.events += report.events;
        for end in &report.rounds {
            match end {
                RoundEnd::Released(_) => self.opened += 1,
                RoundEnd::Aborted(_) => self.aborted += 1,
                RoundEnd::Open => continue,
            }
            *self.sizes.entry(report.partners).or_default() += 1;
        }
        for (kind, count) in &report.injected {
            *self.injected.entry(kind).or_default() += count;
        }
        if !report.findings.is_empty() {
            self.failures.push(report);
        }
    }

    pub(crate) fn rounds(&self) -> u64 {
        self.opened + self.aborted
    }

    /// `3: 512, 4: 190, …`
    fn sizes_text(&self) -> String {
        let sizes = self.sizes.iter();
        let sizes: Vec<String> = sizes
            .map(|(partners, rounds)| format!("{partners}: {rounds}"))
            .collect();
        sizes.join(", ")
    }

    /// Seeds, rate and faults, one line a kind.
    pub(crate) fn text(&self) -> String {
        let seconds = self.elapsed.as_secs_f64();
        let rate = self.rounds() as f64 / seconds.max(1e-9);
        let mut text = format!(
            "{} seeds, {} rounds ({} opened, {} given up), {} events in {seconds:.1} s: {rate:.0} rounds a second\n\
             rounds by number of partners: {}\nfaults injected:\n",
            self.seeds,
            self.rounds(),
            self.opened,
            self.aborted,
            self.events,
            self.sizes_text(),
        );
        for (kind, count) in &self.injected {
            let _ = writeln!(text, "{count:>12}  {kind}");
        }
        text
    }

    /// Fails with the seed and the line that reproduces it.
    pub(crate) fn assert_nothing_found(&self) {
        let mut text = String::new();
        for report in self.failures.iter().take(PRINTED_FAILURES) {
            let _ = writeln!(text, "{}", failure(report));
        }
        assert!(
            self.failures.is_empty(),
            "{} of {} seeds failed\n{text}",
            self.failures.len(),
            self.seeds
        );
    }
}

/// What a failing run shows, and how to see it again.
pub(crate) fn failure(report: &Report) -> String {
    let mut text = format!("seed {}, {} partners:\n", report.seed, report.partners);
    for finding in &report.findings {
        let _ = writeln!(
            text,
            "  at {} s, {:?}: {}",
            finding.at, finding.oracle, finding.what
        );
    }
    let _ = write!(text, "  {}", report.reproduction());
    text
}

/// Runs the seeds of `first..first + count` on all cores.
pub(crate) fn run(first: u64, count: u64) -> Summary {
    let next = AtomicU64::new(first);
    let summary = Mutex::new(Summary::default());
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        return;
                    }
                    let report = Simulation::new(Plan::of_seed(seed)).run();
                    summary.lock().unwrap().add(report);
                }
            });
        }
    });
    let mut summary = summary.into_inner().unwrap();
    summary.elapsed = began.elapsed();
    summary.failures.sort_by_key(|report| report.seed);
    summary
}
