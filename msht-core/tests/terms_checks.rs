//! N1 to N4: what a node accepts before it freezes anything, with the programmes that ship.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "terms_checks/changes.rs"]
mod changes;

use std::sync::Arc;

use msht_core::crypto::{Digest, HexBytes, Identity, Secret};
use msht_core::dp::accountant::{BudgetError, Caps, Ledger, PromisedSpan, TombstoneReason};
use msht_core::programme::{Programme, SHIPPED, shipped};
use msht_core::rational::Rational;
use msht_core::secagg::node::{FreezeError, Frozen, NodeSession};
use msht_core::secagg::{
    AnnouncedTable, Announcement, Check, Deadlines, Fault, LocalPolicy, Partner, PartnerKind,
    PermitError, ProgrammeDocument, Proposal, Roster, RoundTerms, Signed, Violation, accept_terms,
};
use msht_core::testkit::cohort::{Cohort, CohortOptions};
use msht_core::testkit::forge::flipped;
use rand::SeedableRng;
use rand::rngs::StdRng;

/// Documents of one honest round of a shipped programme, and what a node thinks of them.
struct Offer {
    coordinator: Identity,
    announcement: Announcement,
    programme: ProgrammeDocument,
    roster: Roster,
    policy: LocalPolicy,
}

fn identity(number: u8) -> Identity {
    Identity::from_seed(Secret::from_bytes([number; 32])).unwrap()
}

fn offer(programme_id: &str) -> Offer {
    let coordinator = identity(200);
    let toml = shipped(programme_id).unwrap().to_owned();
    let programme = Programme::parse(&toml).unwrap();
    let partner = |number: u8| Partner {
        id: format!("partner-{number:02}"),
        name: format!("Partner {number}"),
        kind: PartnerKind::Ngo,
        key: identity(number).key(),
    };
    let roster = Roster {
        version: 1,
        previous: Digest::ZERO,
        partners: (1..=23).map(partner).collect(),
    };
    let signed = Signed::sign(roster.clone(), &coordinator).unwrap();
    let agreed = signed.verify(&coordinator.key()).unwrap();
    let proposal = Proposal {
        period: programme.calendar().first_period(),
        attempt: 1,
        invited: roster.partners[..22].iter().map(|p| p.id.clone()).collect(),
        previous_release: Digest::ZERO,
        deadlines: Deadlines {
            join: 10,
            share: 20,
            mask: 30,
            confirm: 40,
            unmask: 50,
        },
    };
    let announcement = Announcement::propose(&programme, &agreed, proposal).unwrap();
    let policy = LocalPolicy {
        least_invited: 10,
        least_colluders: 2,
        least_honest: 4,
        most_epsilon: announcement.epsilon.clone(),
    };
    Offer {
        coordinator,
        announcement,
        programme: ProgrammeDocument { toml },
        roster,
        policy,
    }
}

impl Offer {
    /// Everything signed by the coordinator, whatever it says.
    fn accept(&self) -> Result<RoundTerms, Fault> {
        accept_terms(
            Signed::sign(self.announcement.clone(), &self.coordinator).unwrap(),
            Signed::sign(self.programme.clone(), &self.coordinator).unwrap(),
            Signed::sign(self.roster.clone(), &self.coordinator).unwrap(),
            self.coordinator.key(),
            &self.policy,
        )
    }
}

fn refusal(change: impl FnOnce(&mut Offer)) -> Fault {
    let mut offer = offer("pan-london");
    change(&mut offer);
    offer.accept().unwrap_err()
}

fn rational(text: &str) -> Rational {
    text.parse().unwrap()
}

#[test]
fn the_honest_terms_of_every_shipped_programme_are_accepted() {
    for (id, _) in SHIPPED {
        assert!(offer(id).accept().is_ok(), "{id}");
    }
}

#[test]
fn n1_refuses_documents_the_pinned_coordinator_did_not_sign() {
    let honest = offer("pan-london");
    let stranger = identity(201);
    for forged in 0..3 {
        let signer = |place| match place == forged {
            true => &stranger,
            false => &honest.coordinator,
        };
        let refused = accept_terms(
            Signed::sign(honest.announcement.clone(), signer(0)).unwrap(),
            Signed::sign(honest.programme.clone(), signer(1)).unwrap(),
            Signed::sign(honest.roster.clone(), signer(2)).unwrap(),
            honest.coordinator.key(),
            &honest.policy,
        );
        let expected = Fault::coordinator(Check::N1, Violation::Signature);
        assert_eq!(refused.unwrap_err(), expected, "document {forged}");
    }
}

#[test]
fn n1_refuses_a_programme_whose_digest_is_another() {
    let expected = Fault::coordinator(Check::N1, Violation::DigestMismatch);
    let other = refusal(|o| o.programme.toml = shipped("msin").unwrap().to_owned());
    assert_eq!(other, expected);
    let altered = refusal(|o| o.announcement.programme_digest = HexBytes([1; 32]));
    assert_eq!(altered, expected);
    let broken = refusal(|o| o.programme.toml.push_str("\nextra = 1"));
    assert_eq!(broken.check, Check::N1);
    let period = refusal(|o| o.announcement.period = "soon".to_owned());
    assert_eq!(period.check, Check::N1);
}

/// The ε that follows from the tables.
fn cost(tables: &[AnnouncedTable]) -> Rational {
    tables.iter().fold(Rational::zero(), |sum, table| {
        sum.plus(&table.rate.times(&Rational::from_integer(table.sensitivity)))
    })
}

#[test]
fn n2_refuses_t_m_c_or_n_out_of_rule_and_other_numbers_that_break_one() {
    type Change = fn(&mut Announcement);
    let changes: [(&str, Change); 19] = [
        ("c of zero", |a| a.thresholds.colluders = 0),
        ("2t no more than n + c", |a| a.thresholds.threshold = 14),
        ("m below t", |a| a.thresholds.least_survivors = 14),
        ("m above n", |a| a.thresholds.least_survivors = 23),
        ("one honest survivor", |a| a.thresholds.colluders = 14),
        ("two partners", |a| a.invited.truncate(2)),
        ("a share too small", |a| {
            a.share_shape = rational("1/100");
        }),
        ("removable noise", |a| a.removable_levels = 1),
        ("ε understated", |a| a.epsilon = rational("1/100")),
        ("a rate of zero", |a| a.tables[0].rate = Rational::zero()),
        ("a rate no sampler serves", |a| {
            a.tables[0].rate = rational("1/1000000");
        }),
        ("a word of 16 bits", |a| a.word_bits = 16),
        ("cells that overflow the word", |a| {
            a.tables[0].cell_bound = 1 << 40;
        }),
        ("phases out of order", |a| a.deadlines.share = 9),
        ("attempt zero", |a| a.attempt = 0),
        ("two phases that end together", |a| a.deadlines.share = 10),
        ("a table without cells", |a| a.tables[0].cells = 0),
        ("a table that costs nothing, and ε to match", |a| {
            a.tables[0].sensitivity = 0;
            a.epsilon = cost(&a.tables);
        }),
        ("a rate no sampler serves, and ε to match", |a| {
            a.tables[0].rate = rational("1/1000000");
            a.epsilon = cost(&a.tables);
        }),
    ];
    for (name, change) in changes {
        let fault = refusal(|o| change(&mut o.announcement));
        let expected = Fault::coordinator(Check::N2, Violation::Params);
        assert_eq!(fault, expected, "{name}");
    }
}

#[test]
fn n2_refuses_terms_that_keep_the_rules_but_are_not_the_programmes() {
    type Change = fn(&mut Announcement);
    let changes: [(&str, Change); 9] = [
        ("fewer colluders allowed for, so smaller shares", |a| {
            a.thresholds.colluders = 2;
            a.share_shape = rational("1/13");
        }),
        ("more survivors, so smaller shares", |a| {
            a.thresholds.least_survivors = 20;
            a.share_shape = rational("1/13");
        }),
        ("less noise on one table, more ε", |a| {
            let table = &mut a.tables[0];
            let cost = Rational::from_integer(table.sensitivity);
            a.epsilon = a.epsilon.plus(&table.rate.times(&cost));
            table.rate = table.rate.times(&Rational::from_integer(2));
        }),
        ("a table renamed", |a| a.tables[0].name.push('x')),
        ("tables in another order", |a| a.tables.swap(0, 1)),
        ("another programme's name", |a| {
            a.programme = "msin".to_owned();
        }),
        ("a period before the first", |a| {
            a.period = "2001-Q1".to_owned();
        }),
        ("another word size", |a| a.word_bits = 96 - a.word_bits),
        ("another bound of cells", |a| a.tables[0].cell_bound += 1),
    ];
    for (name, change) in changes {
        let fault = refusal(|o| change(&mut o.announcement));
        let expected = Fault::coordinator(Check::N2, Violation::Announcement);
        assert_eq!(fault, expected, "{name}");
    }
}

#[test]
fn n2_refuses_what_the_local_policy_does_not_allow() {
    type Change = fn(&mut LocalPolicy);
    let changes: [(&str, Change); 4] = [
        ("an invited list shrunk below it", |p| p.least_invited = 23),
        ("fewer colluders than it asks", |p| p.least_colluders = 8),
        ("fewer honest survivors", |p| p.least_honest = 9),
        ("more ε", |p| p.most_epsilon = rational("1/10")),
    ];
    for (name, change) in changes {
        let fault = refusal(|o| change(&mut o.policy));
        let expected = Fault::coordinator(Check::N2, Violation::Policy);
        assert_eq!(fault, expected, "{name}");
    }
}

#[test]
fn n4_refuses_another_roster_than_announced_and_lists_that_are_not_from_it() {
    type Change = fn(&mut Offer);
    let changes: [(&str, Change); 8] = [
        ("another version", |o| o.announcement.roster_version = 2),
        ("another digest", |o| {
            o.announcement.roster_digest = flipped(o.announcement.roster_digest);
        }),
        ("a key changed", |o| {
            o.roster.partners[3].key = identity(99).key();
        }),
        ("a pretended partner added", |o| {
            let mut partner = o.roster.partners[22].clone();
            partner.id = "partner-99".to_owned();
            partner.key = identity(99).key();
            o.roster.partners.push(partner);
        }),
        ("one key for two partners", |o| {
            o.roster.partners[22].key = o.roster.partners[0].key;
            let signed = Signed::sign(o.roster.clone(), &o.coordinator).unwrap();
            let agreed = signed.verify(&o.coordinator.key()).unwrap();
            o.announcement.roster_digest = agreed.digest();
        }),
        ("a stranger invited", |o| {
            o.announcement.invited[21] = "stranger".to_owned();
        }),
        ("a partner invited twice", |o| {
            o.announcement.invited[1] = o.announcement.invited[0].clone();
        }),
        ("the invited list out of order", |o| {
            o.announcement.invited.swap(0, 1);
        }),
    ];
    for (name, change) in changes {
        assert_eq!(refusal(change).check, Check::N4, "{name}");
    }
}

#[test]
fn n4_an_unknown_roster_version_is_refused() {
    let refused = |change: fn(&mut Offer)| refusal(change);
    let expected = Fault::coordinator(Check::N4, Violation::DigestMismatch);
    assert_eq!(refused(|o| o.announcement.roster_version = 2), expected);
    // The version announced, and another roster under its number.
    assert_eq!(refused(|o| drop(o.roster.partners.pop())), expected);
    // Both say 2, and the digest is that of version 1.
    let both = refused(|o| {
        o.announcement.roster_version = 2;
        o.roster.version = 2;
    });
    assert_eq!(both, expected);
}

#[test]
fn n4_pretended_partners_are_refused_unless_the_roster_holds_them_each_under_a_key_of_its_own() {
    let pretended = |o: &mut Offer, key: u8| {
        let mut partner = o.roster.partners[22].clone();
        partner.id = "partner-99".to_owned();
        partner.key = identity(key).key();
        o.announcement.invited[21] = partner.id.clone();
        o.roster.partners.push(partner);
    };
    let on_no_roster = refusal(|o| o.announcement.invited[21] = "partner-99".to_owned());
    let expected = Fault::coordinator(Check::N4, Violation::Membership);
    assert_eq!(on_no_roster, expected);
    let on_another = refusal(|o| pretended(o, 99));
    let expected = Fault::coordinator(Check::N4, Violation::DigestMismatch);
    assert_eq!(on_another, expected);
    // One organisation as two partners.
    let twice = refusal(|o| {
        pretended(o, 1);
        announce_roster(o);
    });
    assert_eq!(twice.check, Check::N4);
}

/// The announcement names the roster as it is now.
fn announce_roster(offer: &mut Offer) {
    let signed = Signed::sign(offer.roster.clone(), &offer.coordinator).unwrap();
    let agreed = signed.verify(&offer.coordinator.key()).unwrap();
    offer.announcement.roster_digest = agreed.digest();
    offer.announcement.roster_version = agreed.version;
}

#[test]
fn n2_an_invited_list_shrunk_is_refused_with_the_numbers_of_the_longer_one_or_below_the_policy() {
    let shrunk = refusal(|o| o.announcement.invited.truncate(14));
    let expected = Fault::coordinator(Check::N2, Violation::Params);
    assert_eq!(shrunk, expected, "m above n");
    let shrunk = refusal(|o| o.announcement.invited.truncate(20));
    let expected = Fault::coordinator(Check::N2, Violation::Announcement);
    assert_eq!(shrunk, expected, "not the numbers of 20 partners");
    let proposed = refusal(|o| {
        let programme = Programme::parse(&o.programme.toml).unwrap();
        let signed = Signed::sign(o.roster.clone(), &o.coordinator).unwrap();
        let roster = signed.verify(&o.coordinator.key()).unwrap();
        let proposal = Proposal {
            period: programme.calendar().first_period(),
            attempt: 1,
            invited: o.announcement.invited[..20].to_vec(),
            previous_release: Digest::ZERO,
            deadlines: o.announcement.deadlines,
        };
        o.announcement = Announcement::propose(&programme, &roster, proposal).unwrap();
        o.policy.least_invited = 21;
    });
    let expected = Fault::coordinator(Check::N2, Violation::Policy);
    assert_eq!(proposed, expected, "in order, and too few for this partner");
}

#[test]
fn n2_d_understated_to_strip_noise_is_refused() {
    let expected = Fault::coordinator(Check::N2, Violation::Params);
    type Change = fn(&mut Announcement);
    let changes: [(&str, Change); 3] = [
        ("a level to be removed", |a| a.removable_levels = 1),
        ("shares sized for nobody lost", |a| {
            a.share_shape = rational("1/15");
        }),
        ("shares sized for more honest survivors", |a| {
            a.share_shape = rational("1/9");
        }),
    ];
    for (name, change) in changes {
        assert_eq!(refusal(|o| change(&mut o.announcement)), expected, "{name}");
    }
    let more_survivors = refusal(|o| {
        o.announcement.thresholds.least_survivors = 16;
        o.announcement.share_shape = rational("1/9");
    });
    let expected = Fault::coordinator(Check::N2, Violation::Announcement);
    assert_eq!(more_survivors, expected, "not the programme's m");
}

#[test]
fn n4_a_node_joins_only_under_its_own_key_and_place() {
    let cohort = Cohort::new(&CohortOptions::default(), 61);
    let context = || Arc::clone(&cohort.context);
    let frozen = |index| cohort.frozen(index, &cohort.contribution(index));
    let refused = NodeSession::start(context(), cohort.identity(2), frozen(1)).err();
    let expected = Fault::coordinator(Check::N4, Violation::SelfMissing);
    assert_eq!(refused, Some(expected));
    let mut rng = StdRng::seed_from_u64(1);
    let ledger = (0, Digest::ZERO);
    let outside = Frozen::draw(&cohort.context, "nobody", &[0; 8], ledger, &mut rng);
    assert_eq!(outside.err(), Some(FreezeError::NotInvited));
    assert!(NodeSession::start(context(), cohort.identity(1), frozen(1)).is_ok());
}

#[test]
fn n1_attempts_with_reused_noise_are_refused_a_contribution_is_for_one_attempt() {
    let cohort = Cohort::new(&CohortOptions::default(), 61);
    let second = CohortOptions {
        attempt: 2,
        ..CohortOptions::default()
    };
    let second = Cohort::new(&second, 61);
    let frozen = cohort.frozen(1, &cohort.contribution(1));
    let refused = NodeSession::start(Arc::clone(&second.context), second.identity(1), frozen);
    let expected = Fault::caller(Check::N1, Violation::Misdirected);
    assert_eq!(refused.err(), Some(expected));
    let record = cohort.node(1).poll_record().unwrap().clone();
    let resumed = NodeSession::resume(second.context, second.identities[0].clone(), &[record]);
    assert!(resumed.is_err(), "noise of one attempt reused in another");
}

fn caps(per_period: &str, per_year: &str) -> Caps {
    Caps {
        per_period: rational(per_period),
        per_year: rational(per_year),
    }
}

/// The terms of an attempt at a period, with everything else the same.
fn attempt(number: u32, period: &str) -> RoundTerms {
    let mut offer = offer("pan-london");
    offer.announcement.attempt = number;
    offer.announcement.period = period.to_owned();
    offer.accept().unwrap()
}

fn reserve(ledger: &mut Ledger, terms: &RoundTerms) {
    let permit = terms.permit(ledger, &caps("100", "100"), "cases", "officer");
    let entry = ledger.reserve(permit.unwrap(), 0).unwrap();
    ledger.append(&entry).unwrap();
}

#[test]
fn n3_holds_a_round_to_the_promise_of_its_programme_over_all_attempts() {
    let first = attempt(1, "2026-Q1");
    let privacy = first.programme.privacy();
    let most = [privacy.epsilon_per_period(), privacy.epsilon_per_year()];
    let epsilon = first.programme.epsilon_per_round();
    assert_eq!(
        *most[0], epsilon,
        "the programme promises one round a period"
    );
    let mut ledger = Ledger::default();
    reserve(&mut ledger, &first);
    let again = attempt(2, "2026-Q1");
    let refused = again.permit(&ledger, &caps("100", "100"), "cases", "officer");
    let expected = BudgetError::Promise {
        span: PromisedSpan::Period,
        asked: epsilon.plus(&epsilon),
        promised: epsilon,
    };
    assert_eq!(refused.unwrap_err(), PermitError::Budget(expected));
    // Before anything left, giving the first attempt up frees what it had reserved.
    let round = first.context.round();
    let freed = ledger
        .tombstone(round, TombstoneReason::Aborted, 1)
        .unwrap();
    ledger.append(&freed).unwrap();
    reserve(&mut ledger, &again);
    let sent = ledger.charge(again.context.round(), 2).unwrap();
    ledger.append(&sent).unwrap();
    let abandoned = ledger
        .tombstone(again.context.round(), TombstoneReason::Aborted, 3)
        .unwrap();
    ledger.append(&abandoned).unwrap();
    let third = attempt(3, "2026-Q1");
    let refused = third.permit(&ledger, &caps("100", "100"), "cases", "officer");
    assert!(matches!(
        refused,
        Err(PermitError::Budget(BudgetError::Promise { .. }))
    ));
}

#[test]
fn n3_holds_a_round_to_the_partners_own_caps_over_all_programmes() {
    let terms = attempt(1, "2026-Q1");
    let (epsilon, year) = (terms.programme.epsilon_per_round(), "100");
    let asked = epsilon.to_string();
    let permit = |caps: &Caps| terms.permit(&Ledger::default(), caps, "cases", "officer");
    assert!(permit(&caps(&asked, year)).is_ok());
    for tight in [caps("0.001", year), caps(&asked, "0.001")] {
        assert!(matches!(permit(&tight), Err(PermitError::Budget(_))));
    }
    let nameless = terms.permit(&Ledger::default(), &caps(&asked, year), "cases", "");
    assert!(matches!(nameless, Err(PermitError::Charge(_))));
}

#[test]
fn n3_the_same_window_again_under_another_programme_or_period_is_paid_for_again() {
    let london = attempt(1, "2026-Q1");
    let (first, other) = (
        london.programme.epsilon_per_round(),
        offer("msin").accept().unwrap(),
    );
    let second = other.programme.epsilon_per_round();
    assert_eq!(other.period, london.period, "the same days");
    let both = first.plus(&second);
    let mut ledger = Ledger::default();
    reserve(&mut ledger, &london);
    let permit = |cap: &Rational| {
        let caps = Caps {
            per_period: cap.clone(),
            per_year: rational("100"),
        };
        other.permit(&ledger, &caps, "cases", "officer")
    };
    assert!(permit(&both).is_ok());
    let short = both.times(&rational("99/100"));
    assert!(matches!(permit(&short), Err(PermitError::Budget(_))));
}

#[test]
fn n3_overlapping_cohorts_over_one_window_are_two_charges_and_not_a_difference() {
    let whole = attempt(1, "2026-Q1");
    let mut ledger = Ledger::default();
    reserve(&mut ledger, &whole);
    // The same question to all but one partner: the difference of the sums would be that partner's.
    let mut smaller = offer("pan-london");
    let programme = Programme::parse(&smaller.programme.toml).unwrap();
    let signed = Signed::sign(smaller.roster.clone(), &smaller.coordinator).unwrap();
    let roster = signed.verify(&smaller.coordinator.key()).unwrap();
    let proposal = Proposal {
        period: whole.period,
        attempt: 2,
        invited: smaller.announcement.invited[..21].to_vec(),
        previous_release: Digest::ZERO,
        deadlines: smaller.announcement.deadlines,
    };
    smaller.announcement = Announcement::propose(&programme, &roster, proposal).unwrap();
    let smaller = smaller.accept().unwrap();
    assert_ne!(smaller.context.round(), whole.context.round());
    let refused = smaller.permit(&ledger, &caps("100", "100"), "cases", "officer");
    assert!(matches!(
        refused,
        Err(PermitError::Budget(BudgetError::Promise { .. }))
    ));
}
