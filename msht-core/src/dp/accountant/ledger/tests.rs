use time::macros::date;

use super::super::budget::Caps;
use super::super::charge::tests::charge_for;
use super::super::entry::Resolution;
use super::super::entry::ReturnGround;
use super::super::recovery::Remembered;
use super::*;
use crate::crypto::digest;

const NOW: i64 = 1_790_000_000;

fn quarter(round: &str) -> Charge {
    charge_for(round, "1", date!(2026 - 07 - 01), date!(2026 - 09 - 30))
}

fn wide_caps() -> Caps {
    Caps {
        per_period: Rational::from_integer(10),
        per_year: Rational::from_integer(10),
    }
}

/// A ledger and the entries it was made of.
#[derive(Default)]
struct Store {
    ledger: Ledger,
    entries: Vec<LedgerEntry>,
}

impl Store {
    fn keep(&mut self, entry: Result<LedgerEntry, LedgerError>) {
        let entry = entry.unwrap();
        self.ledger.append(&entry).unwrap();
        self.entries.push(entry);
    }

    fn reserve(&mut self, charge: &Charge) {
        let permit = self.ledger.permit(charge, &wide_caps()).unwrap();
        self.keep(self.ledger.reserve(permit, NOW));
    }

    fn charged(charge: &Charge) -> Self {
        let mut store = Self::default();
        store.reserve(charge);
        store.keep(store.ledger.charge(charge.round(), NOW));
        store
    }
}

fn spent(ledger: &Ledger) -> Rational {
    ledger.spent_for_day(date!(2026 - 08 - 01))
}

#[test]
fn a_replayed_ledger_is_the_ledger_that_was_stored() {
    let charge = quarter("a");
    let mut store = Store::charged(&charge);
    store.keep(store.ledger.unmask(charge.round(), NOW));
    store.keep(store.ledger.release(charge.round(), digest("r", &[]), NOW));
    let text = serde_json::to_string(&store.entries).unwrap();
    let read: Vec<LedgerEntry> = serde_json::from_str(&text).unwrap();
    let replayed = Ledger::replay(&read).unwrap();
    assert_eq!(replayed.head(), store.ledger.head());
    assert_eq!(replayed.length(), 4);
    assert_eq!(replayed.outcome(&charge.round()), Some(Outcome::Released));
    assert_eq!(spent(&replayed), Rational::one());
    assert_eq!(replayed.spent_for_year(2026), Rational::one());
    assert_eq!(replayed.spent_for_year(2025), Rational::zero());
}

#[test]
fn altered_missing_moved_and_repeated_entries_are_refused() {
    let mut store = Store::charged(&quarter("a"));
    store.reserve(&quarter("b"));
    let entries = store.entries;
    let mut missing = entries.clone();
    missing.remove(1);
    let mut moved = entries.clone();
    moved.swap(1, 2);
    let mut repeated = entries.clone();
    repeated.push(entries[2].clone());
    for (label, tampered) in [
        ("missing", missing),
        ("moved", moved),
        ("repeated", repeated),
        ("without its first", entries[1..].to_vec()),
    ] {
        assert!(Ledger::replay(&tampered).is_err(), "{label}");
    }
    let text = serde_json::to_string(&entries).unwrap();
    let altered = text.replacen("data.protection.officer", "somebody.else", 1);
    let altered: Vec<LedgerEntry> = serde_json::from_str(&altered).unwrap();
    assert!(matches!(
        Ledger::replay(&altered),
        Err(LedgerError::Chain(2))
    ));
}

#[test]
fn a_tombstone_frees_a_reservation_and_never_a_charge() {
    let charge = quarter("a");
    let round = charge.round();
    let reason = TombstoneReason::Aborted;
    let mut reserved = Store::default();
    reserved.reserve(&charge);
    assert_eq!(spent(&reserved.ledger), Rational::one());
    reserved.keep(reserved.ledger.tombstone(round, reason, NOW));
    assert_eq!(spent(&reserved.ledger), Rational::zero());
    assert!(reserved.ledger.charge(round, NOW).is_err());

    let mut charged = Store::charged(&charge);
    charged.keep(charged.ledger.tombstone(round, reason, NOW));
    assert_eq!(charged.ledger.outcome(&round), Some(Outcome::Abandoned));
    assert_eq!(spent(&charged.ledger), Rational::one());
    assert!(charged.ledger.unmask(round, NOW).is_err());
}

#[test]
fn a_charge_comes_back_on_evidence_unless_it_was_unmasked() {
    let charge = quarter("a");
    let round = charge.round();
    let ground = ReturnGround::AbortCertificate(digest("certificate", &[]));
    let evidence = ReturnEvidence::verified(round, ground);
    let mut returned = Store::charged(&charge);
    returned.keep(returned.ledger.give_back(&evidence, NOW));
    assert_eq!(spent(&returned.ledger), Rational::zero());
    assert!(returned.ledger.unmask(round, NOW).is_err());
    assert!(returned.ledger.give_back(&evidence, NOW).is_err());

    let mut unmasked = Store::charged(&charge);
    unmasked.keep(unmasked.ledger.unmask(round, NOW));
    assert!(unmasked.ledger.give_back(&evidence, NOW).is_err());
    let reason = TombstoneReason::Aborted;
    assert!(unmasked.ledger.tombstone(round, reason, NOW).is_err());

    let mut reserved = Store::default();
    reserved.reserve(&charge);
    assert!(reserved.ledger.give_back(&evidence, NOW).is_err());

    // Evidence on one round returns nothing of another.
    let mut other = Store::charged(&quarter("b"));
    assert!(other.ledger.give_back(&evidence, NOW).is_err());
    other.reserve(&charge);
    other.keep(other.ledger.charge(round, NOW));
    other.keep(other.ledger.give_back(&evidence, NOW));
    assert_eq!(
        other.ledger.outcome(&quarter("b").round()),
        Some(Outcome::Charged)
    );
}

#[test]
fn a_charge_needs_its_reservation_and_nothing_happens_twice() {
    let charge = quarter("a");
    let round = charge.round();
    let empty = Ledger::default();
    assert!(matches!(
        empty.charge(round, NOW),
        Err(LedgerError::UnknownRound { .. })
    ));
    let mut store = Store::charged(&charge);
    assert!(matches!(
        store.ledger.charge(round, NOW),
        Err(LedgerError::Order { .. })
    ));
    store.keep(store.ledger.unmask(round, NOW));
    assert!(store.ledger.unmask(round, NOW).is_err());
    store.keep(store.ledger.release(round, digest("r", &[]), NOW));
    let again = store.ledger.release(round, digest("r", &[]), NOW);
    assert!(again.is_err());
}

#[test]
fn a_refused_entry_leaves_the_ledger_as_it_was() {
    let mut store = Store::charged(&quarter("a"));
    let (head, length) = (store.ledger.head(), store.ledger.length());
    let first = store.entries[0].clone();
    assert!(store.ledger.append(&first).is_err());
    assert_eq!((store.ledger.head(), store.ledger.length()), (head, length));
}

#[test]
fn a_permit_is_for_the_ledger_it_was_asked_of() {
    let mut store = Store::default();
    let stale = store.ledger.permit(&quarter("a"), &wide_caps()).unwrap();
    store.reserve(&quarter("b"));
    assert!(matches!(
        store.ledger.reserve(stale, NOW),
        Err(LedgerError::StalePermit)
    ));
}

#[test]
fn a_refusal_of_a_round_outlives_approvals_of_its_programme() {
    let round = quarter("a").round();
    let today = date!(2026 - 10 - 05);
    let decision = |round, decision, until| Approval {
        programme: "pan-london".to_owned(),
        programme_version: 1,
        round,
        decision,
        approver: "data.protection.officer".to_owned(),
        until,
    };
    let mut store = Store::default();
    let mut decide = |decision: Approval| {
        store.keep(store.ledger.decide(decision, NOW));
        let approved = |version, round, today| {
            let ledger = &store.ledger;
            ledger
                .approval("pan-london", version, &round, today)
                .is_some()
        };
        assert!(!approved(2, round, today), "another version");
        (approved(1, round, today), approved(1, Digest::ZERO, today))
    };
    use Decision::{Approved, Declined, Withdrawn};
    let until = Some(date!(2026 - 10 - 04));
    assert_eq!(decide(decision(None, Approved, until)), (false, false));
    assert_eq!(decide(decision(None, Approved, Some(today))), (true, true));
    assert_eq!(decide(decision(Some(round), Declined, None)), (false, true));
    assert_eq!(decide(decision(None, Withdrawn, None)), (false, false));
    assert_eq!(decide(decision(None, Approved, None)), (false, true));
    assert_eq!(decide(decision(Some(round), Approved, None)), (true, true));
    assert_eq!(decide(decision(None, Withdrawn, None)), (false, false));
    assert_eq!(decide(decision(Some(round), Approved, None)), (true, false));
}

#[test]
fn decisions_of_nobody_are_refused() {
    let mut nobody = Approval {
        programme: "pan-london".to_owned(),
        programme_version: 1,
        round: None,
        decision: Decision::Approved,
        approver: String::new(),
        until: None,
    };
    let ledger = Ledger::default();
    assert!(ledger.decide(nobody.clone(), NOW).is_err());
    nobody.approver = "x".repeat(MAX_LEDGER_TEXT_BYTES + 1);
    assert!(ledger.decide(nobody, NOW).is_err());
}

#[test]
fn the_form_of_an_entry_is_frozen() {
    let charge = charge_for("a", "1/3", date!(2026 - 07 - 01), date!(2026 - 09 - 30));
    let caps = Caps {
        per_period: "0.75".parse().unwrap(),
        per_year: Rational::from_integer(3),
    };
    let ledger = Ledger::default();
    let permit = ledger.permit(&charge, &caps).unwrap();
    let entry = ledger.reserve(permit, NOW).unwrap();
    assert_eq!(serde_json::to_string(&entry).unwrap(), FROZEN_ENTRY);
    assert_eq!(entry.digest().unwrap().to_string(), FROZEN_DIGEST);
}

const FROZEN_ENTRY: &str = concat!(
    r#"{"sequence":1,"previous":"0000000000000000000000000000000000000000000000000000000000000000","#,
    r#""recorded_at":1790000000,"event":{"reservation":{"charge":{"data_source":"case-management","#,
    r#""window":{"first":"2026-07-01","last":"2026-09-30"},"programme":"pan-london","#,
    r#""programme_version":1,"#,
    r#""round":"cb98306607b5c63964302f7df1824c746c9754183498bfcf3c9db18672521fd0","#,
    r#""period":"2026-Q3","attempt":1,"#,
    r#""tables":[{"name":"borough-by-type","a":"1/3","sensitivity":1}],"epsilon":"1/3","#,
    r#""total_shape":1,"invited":22,"colluders":1,"approver":"data.protection.officer"},"#,
    r#""caps":{"per_period":0.75,"per_year":3}}}}"#
);
const FROZEN_DIGEST: &str = "35720950fc6f421649d453d7735f73329cd9774350cac07ed4a09d6b18a3fe08";

fn resolution(by: &str) -> Resolution {
    Resolution {
        by: by.to_owned(),
        found: "the anchor is ahead".to_owned(),
        furthest: 9,
    }
}

#[test]
fn a_recovery_charges_and_abandons_whatever_may_have_left_and_gives_nothing_back() {
    let (reserved, charged, lost, unmasked, freed) = (
        quarter("a"),
        quarter("b"),
        quarter("c"),
        quarter("d"),
        quarter("e"),
    );
    let mut store = Store::default();
    for charge in [&reserved, &charged, &unmasked, &freed] {
        store.reserve(charge);
    }
    for charge in [&charged, &unmasked] {
        store.keep(store.ledger.charge(charge.round(), NOW));
    }
    store.keep(store.ledger.unmask(unmasked.round(), NOW));
    let reason = TombstoneReason::Aborted;
    store.keep(store.ledger.tombstone(freed.round(), reason, NOW));
    let remember = |charge: &Charge, counts| Remembered {
        charge: charge.clone(),
        counts,
    };
    let free = quarter("f");
    let remembered = [
        remember(&charged, true),
        remember(&lost, true),
        remember(&free, false),
    ];
    // Caps too small for what is brought back: what was spent is spent.
    let caps = Caps {
        per_period: Rational::zero(),
        per_year: Rational::zero(),
    };
    let entries = store
        .ledger
        .recovery(&remembered, resolution("A. Officer"), &caps, NOW)
        .unwrap();
    for entry in entries {
        store.keep(Ok(entry));
    }
    let replayed = Ledger::replay(&store.entries).unwrap();
    for charge in [&reserved, &charged, &lost] {
        let round = charge.round();
        assert_eq!(replayed.outcome(&round), Some(Outcome::Forgotten));
        assert!(replayed.unmask(round, NOW).is_err());
        // It may have unmasked after the copy was made, so no certificate returns what it cost.
        let ground = ReturnGround::AbortCertificate(round);
        let evidence = ReturnEvidence::verified(round, ground);
        assert!(replayed.give_back(&evidence, NOW).is_err());
    }
    assert_eq!(replayed.outcome(&unmasked.round()), Some(Outcome::Unmasked));
    for charge in [&freed, &free] {
        assert_eq!(replayed.outcome(&charge.round()), Some(Outcome::Tombstoned));
        assert!(replayed.charge(charge.round(), NOW).is_err());
    }
    assert_eq!(spent(&replayed), Rational::from_integer(4));
    assert_eq!(replayed.lost_up_to(), 9);
}

#[test]
fn a_recovery_by_nobody_is_refused() {
    let ledger = Ledger::default();
    let by = |name: &str| ledger.recovery(&[], resolution(name), &wide_caps(), NOW);
    assert!(matches!(by(""), Err(LedgerError::Text)));
    let entries = by("A. Officer").unwrap();
    assert_eq!(
        serde_json::to_string(entries[0].event()).unwrap(),
        r#"{"resolved":{"by":"A. Officer","found":"the anchor is ahead","furthest":9}}"#
    );
}
