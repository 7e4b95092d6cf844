//! Three partners and a coordinator in one process, on `msht-core` alone: no network, no files, no async.
//!
//! `cargo run -p msht-examples --example embed [SEED]`. A real node draws from the operating system's generator
//! and not from a seed, and writes what is handed to `durable` to its disk.

use std::error::Error;
use std::sync::Arc;

use msht_core::crypto::{BadSeed, Digest, Identity, IdentityKey};
use msht_core::dp::accountant::{Caps, Ledger};
use msht_core::programme::Programme;
use msht_core::rational::Rational;
use msht_core::release::{Expectations, Release};
use msht_core::secagg::coordinator::{CoordinatorSession, Progress};
use msht_core::secagg::node::{Frozen, NodeSession};
use msht_core::secagg::{
    Announcement, Deadlines, Fault, LocalPolicy, Partner, PartnerKind, ProgrammeDocument, Proposal,
    Roster, RoundTerms, Signed, accept_terms,
};
use msht_core::tally::{CodedRecord, Counts, PersonKey, Tally};
use rand::SeedableRng;
use rand::rngs::StdRng;
use time::OffsetDateTime;

const PROGRAMME: &str = r#"
id = "embed"
version = 1
title = "Cases by type of exploitation"
description = "Made-up cases of three partners."
promise = "Nobody but a partner sees its counts."
max_count_per_cell = 1000
word_bits = 32
privacy = { unit = "person", max_records = 1, epsilon_per_period = 1, epsilon_per_year = 4 }
cohort = { least_partners = 3 }
calendar = { period = "quarter", first = "2026-Q1", hours = { join = 1, share = 1, mask = 1, confirm = 1, unmask = 1 } }

[[dimension]]
id = "type"
title = "Type of exploitation"
categories = [["labour", "Labour"], ["sexual", "Sexual"], ["criminal", "Criminal"], ["unknown", "Not known"]]

[[table]]
id = "types"
title = "Cases by type of exploitation"
dimensions = ["type"]
weight = 1
"#;

/// How long a phase stays open, in seconds.
const HOUR: i64 = 3_600;

/// Cases of each partner by type of exploitation, in the order of the codebook.
const CASES: [(&str, PartnerKind, [usize; 4]); 3] = [
    ("borough", PartnerKind::LocalAuthority, [40, 12, 25, 3]),
    ("charity", PartnerKind::Ngo, [22, 31, 4, 1]),
    ("police", PartnerKind::Police, [67, 48, 90, 11]),
];

fn main() -> Result<(), Box<dyn Error>> {
    let (mut rng, now) = seeded()?;
    // [docs]
    // The coordinator signs who takes part, what is counted, and the terms of one round.
    let programme = Programme::parse(PROGRAMME)?;
    let coordinator = Arc::new(Identity::generate(&mut rng)?);
    let partners = CASES.map(|case| CaseSystem::new(case, &mut rng));
    let partners = partners.into_iter().collect::<Result<Vec<_>, _>>()?;
    let documents = Documents::sign(&programme, &partners, &coordinator, now)?;

    // Each partner checks the terms, asks its ledger, counts, adds its share of the noise, and freezes that.
    let mut nodes = Vec::new();
    for partner in partners {
        let terms = documents.accept(coordinator.key(), &partner.policy)?;
        let permit = terms.permit(&partner.ledger, &partner.caps, "cases", "data officer")?;
        let reserved = partner.ledger.reserve(permit, now)?;
        let noisy = terms.noisy_contribution(&partner.count(&terms.programme)?, &mut rng)?;
        let head = (reserved.sequence(), reserved.digest()?);
        let frozen = Frozen::draw(&terms.context, partner.id, &noisy, head, &mut rng)?;
        let context = Arc::new(terms.context);
        nodes.push(NodeSession::start(context, partner.identity, frozen)?);
    }

    // Five phases: what is durable may be sent, and what was acknowledged is followed by the answer.
    let context = Arc::clone(nodes.first().ok_or("nobody takes part")?.context());
    let mut sum = CoordinatorSession::new(Arc::clone(&context), Arc::clone(&coordinator));
    while matches!(sum.progress(), Progress::Collecting { .. }) {
        for (node, index) in nodes.iter_mut().zip(context.indices()) {
            durable(node.poll_record()); // and the ledger entry that goes with it
            node.record_stored();
            if let Some(message) = node.poll_transmit() {
                sum.handle_message(message)?;
                durable(sum.take_records());
                node.acknowledged();
            }
            let awaited = node.awaiting();
            if let Some(answer) = awaited.and_then(|phase| sum.message_for(phase, index)) {
                node.handle_message(&answer)?;
            }
        }
        sum.handle_timeout(now)?;
        durable(sum.take_records());
    }

    // The release carries its own proof; anybody can verify it offline.
    let opened = sum.opened().ok_or("the round was given up")?;
    let release = Release::build(&context, &programme, opened, now)?;
    let release = Signed::sign(release, &coordinator)?;
    let verified = release.verify_release(&Expectations::default())?;
    print(&verified);
    // [docs]
    Ok(())
}

/// The seed of this run, and the time.
fn seeded() -> Result<(StdRng, i64), Box<dyn Error>> {
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let seed = match std::env::args().nth(1) {
        Some(text) => text.parse()?,
        None => now.unsigned_abs(),
    };
    println!("seed {seed}");
    Ok((StdRng::seed_from_u64(seed), now))
}

/// Where a real system writes to its disk and waits until that is done: the records of both sides and, in the same
/// transaction as a node's record, the ledger entry that `NodeRecord::ledger_duty` asks for.
fn durable<T>(_records: T) {}

/// A partner's case system: who it is, what it agrees to without being asked, what it may spend, what it holds.
struct CaseSystem {
    id: &'static str,
    kind: PartnerKind,
    identity: Arc<Identity>,
    policy: LocalPolicy,
    caps: Caps,
    ledger: Ledger,
    cases: [usize; 4],
}

impl CaseSystem {
    fn new(
        (id, kind, cases): (&'static str, PartnerKind, [usize; 4]),
        rng: &mut StdRng,
    ) -> Result<Self, BadSeed> {
        Ok(Self {
            id,
            kind,
            identity: Arc::new(Identity::generate(rng)?),
            policy: LocalPolicy {
                least_invited: 3,
                least_colluders: 1,
                least_honest: 2,
                most_epsilon: Rational::one(),
            },
            caps: Caps {
                per_period: Rational::one(),
                per_year: Rational::from_integer(4),
            },
            ledger: Ledger::default(),
            cases,
        })
    }

    fn as_partner(&self) -> Partner {
        Partner {
            id: self.id.to_owned(),
            name: self.id.to_owned(),
            kind: self.kind,
            key: self.identity.key(),
        }
    }

    /// One record a case, coded as the programme's codebook says.
    fn count(&self, programme: &Programme) -> Result<Counts, Box<dyn Error>> {
        let mut tally = Tally::new(programme);
        for (category, number) in self.cases.iter().enumerate() {
            for case in 0..*number {
                let person = PersonKey::new(format!("case {category}-{case}"));
                tally.add(&CodedRecord::new(person, vec![vec![category]]))?;
            }
        }
        Ok(tally.finish())
    }
}

/// What the coordinator signs before a round, and every partner checks.
struct Documents {
    announcement: Signed<Announcement>,
    programme: Signed<ProgrammeDocument>,
    roster: Signed<Roster>,
}

impl Documents {
    fn sign(
        programme: &Programme,
        partners: &[CaseSystem],
        coordinator: &Identity,
        now: i64,
    ) -> Result<Self, Box<dyn Error>> {
        let roster = Roster {
            version: 1,
            previous: Digest::ZERO,
            partners: partners.iter().map(CaseSystem::as_partner).collect(),
        };
        let roster = Signed::sign(roster, coordinator)?;
        let proposal = Proposal {
            period: "2026-Q1".parse()?,
            attempt: 1,
            invited: partners.iter().map(|each| each.id.to_owned()).collect(),
            previous_release: Digest::ZERO,
            deadlines: Deadlines {
                join: now + HOUR,
                share: now + 2 * HOUR,
                mask: now + 3 * HOUR,
                confirm: now + 4 * HOUR,
                unmask: now + 5 * HOUR,
            },
        };
        let verified = roster.clone().verify(&coordinator.key())?;
        let announcement = Announcement::propose(programme, &verified, proposal)?;
        let toml = PROGRAMME.to_owned();
        Ok(Self {
            announcement: Signed::sign(announcement, coordinator)?,
            programme: Signed::sign(ProgrammeDocument { toml }, coordinator)?,
            roster,
        })
    }

    fn accept(&self, coordinator: IdentityKey, policy: &LocalPolicy) -> Result<RoundTerms, Fault> {
        let (announcement, programme) = (self.announcement.clone(), self.programme.clone());
        accept_terms(
            announcement,
            programme,
            self.roster.clone(),
            coordinator,
            policy,
        )
    }
}

fn print(release: &Release) {
    let (period, survivors) = (&release.period, release.survivors.join(", "));
    println!("{period}, ε = {}, sum of {survivors}", release.epsilon);
    for table in &release.tables {
        println!("{} (± is the 95 % interval of the noise)", table.title);
        let labels = table.dimensions.iter().flat_map(|d| &d.labels);
        for (label, value) in labels.zip(&table.raw) {
            println!("  {label:<12} {value:>5} ± {}", table.interval95);
        }
    }
}
