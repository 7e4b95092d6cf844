//! N9: a release of which anything was changed is refused, and the fault says what.
//!
//! Two adversaries: one without the coordinator's key, and the coordinator itself, who signs what it likes. The
//! second may choose `published_at` and the numbers of the sum, for which it is trusted, and nothing else.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;
use std::sync::Arc;

use msht_core::crypto::{Digest, HexBytes, Identity, Secret};
use msht_core::dp::accountant::ReturnGround;
use msht_core::governance::{Countersigned, Handover};
use msht_core::programme::Programme;
use msht_core::release::{Expectations, NotLeftOut, Release, ReleaseFault, left_out};
use msht_core::secagg::messages::Phase;
use msht_core::secagg::node::Confirmed;
use msht_core::secagg::{Document, RoundContext, Signed};
use msht_core::testkit::cohort::Cohort;
use msht_core::testkit::mutate::Tree;
use msht_core::testkit::stepwise::Stepwise;
use msht_core::wire::{MAX_ENCODED_BYTES, decode};
use serde_json::Value;

const PROGRAMME: &str = r#"
id = "checks"
version = 1
title = "A programme for tests"
description = "Cases by place and kind."
promise = "Nobody sees a count."
max_count_per_cell = 100
word_bits = 32
privacy = { unit = "person", max_records = 1, epsilon_per_period = 1, epsilon_per_year = 4 }
cohort = { least_partners = 3 }
calendar = { period = "quarter", first = "2026-Q1", hours = { join = 1, share = 1, mask = 1, confirm = 1, unmask = 1 } }

[[dimension]]
id = "place"
title = "Place"
categories = [["north", "North"], ["south", "South"], ["unknown", "Unknown"]]

[[table]]
id = "total"
title = "All cases"
dimensions = []
weight = 0.5

[[table]]
id = "places"
title = "Cases by place"
dimensions = ["place"]
weight = 0.5
"#;

/// A published round of five partners of whom the last was lost, after one earlier release.
struct Published {
    coordinator: Arc<Identity>,
    programme: Programme,
    release: Signed<Release>,
    confirmed: Confirmed,
}

fn terms(programme: &Programme, previous_release: Digest) -> Cohort {
    Cohort::of_programme(programme, "2026-Q2", 5, previous_release, 51)
}

fn published() -> Published {
    let programme = Programme::parse(PROGRAMME).unwrap();
    let cohort = terms(&programme, HexBytes([4; 32]));
    let (context, coordinator) = (Arc::clone(&cohort.context), Arc::clone(&cohort.coordinator));
    let mut round = Stepwise::of(cohort);
    round.lose(5);
    round.advance_to_reply(Phase::Unmask);
    let opened = round.coordinator.opened().unwrap();
    let release = Release::build(&context, &programme, opened, 1_700_000_000).unwrap();
    Published {
        release: Signed::sign(release, &coordinator).unwrap(),
        confirmed: round.nodes[&1].confirmed().unwrap().clone(),
        coordinator,
        programme,
    }
}

impl Published {
    fn expectations(&self) -> Expectations<'_> {
        Expectations {
            coordinator: Some(self.coordinator.key()),
            previous: Some(Some(HexBytes([4; 32]))),
            programme: Some(&self.programme),
            confirmed: Some(&self.confirmed),
            handovers: &[],
        }
    }

    fn verify(&self, release: Signed<Release>) -> Result<(), ReleaseFault> {
        release.verify_release(&self.expectations()).map(|_| ())
    }

    fn signed_again(&self, release: Release) -> Result<(), ReleaseFault> {
        self.verify(Signed::sign(release, &self.coordinator).unwrap())
    }
}

/// Paths of every leaf of a JSON value.
fn leaves(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                leaves(value, &format!("{path}/{key}"), found);
            }
        }
        Value::Array(items) => {
            for (place, value) in items.iter().enumerate() {
                leaves(value, &format!("{path}/{place}"), found);
            }
        }
        _ => found.push(path.to_owned()),
    }
}

/// Another value of the same type: the last hexadecimal digit turned, a letter added, one more.
fn changed(leaf: &Value) -> Value {
    match leaf {
        Value::Number(number) if number.is_i64() || number.is_u64() => {
            Value::from(number.as_i64().unwrap() + 1)
        }
        Value::Number(number) => Value::from(number.as_f64().unwrap() / 2.0),
        Value::String(text) if text.len() >= 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) => {
            let last = if text.ends_with('0') { '1' } else { '0' };
            Value::from(format!("{}{last}", &text[..text.len() - 1]))
        }
        Value::String(text) if text.contains('/') && text.as_bytes()[0].is_ascii_digit() => {
            Value::from("7/9")
        }
        Value::String(text) => Value::from(format!("{text}x")),
        other => panic!("no leaf of this type: {other}"),
    }
}

fn with_leaf_changed(value: &Value, path: &str) -> Value {
    let mut value = value.clone();
    let leaf = value.pointer_mut(path).unwrap();
    *leaf = changed(leaf);
    value
}

/// Whether the coordinator alone decides this leaf.
fn is_the_coordinators(path: &str) -> bool {
    path == "/published_at" || path.contains("/raw/")
}

#[test]
fn the_honest_release_verifies_with_and_without_expectations() {
    let published = published();
    assert_eq!(published.verify(published.release.clone()), Ok(()));
    let alone = published.release.clone();
    assert!(alone.verify_release(&Expectations::default()).is_ok());
}

#[test]
fn n9_whoever_changes_any_leaf_without_the_key_is_found_out() {
    let published = published();
    let whole = serde_json::to_value(&published.release).unwrap();
    let mut paths = Vec::new();
    leaves(&whole, "", &mut paths);
    assert!(paths.len() > 100, "{} leaves", paths.len());
    for path in paths {
        let Ok(release) = serde_json::from_value(with_leaf_changed(&whole, &path)) else {
            continue;
        };
        let fault = published.verify(release).unwrap_err();
        let named = match path.as_str() {
            "/content/format" => matches!(fault, ReleaseFault::Format(_)),
            "/content/proof/coordinator" => matches!(fault, ReleaseFault::Coordinator { .. }),
            _ => fault == ReleaseFault::Signature,
        };
        assert!(named, "{path}: {fault}");
    }
}

#[test]
fn n9_a_coordinator_that_signs_a_changed_leaf_is_found_out_and_the_field_is_named() {
    let published = published();
    let content = serde_json::to_value(&published.release.content).unwrap();
    let mut paths = Vec::new();
    leaves(&content, "", &mut paths);
    let mut refused = 0;
    for path in paths {
        let Ok(release) = serde_json::from_value(with_leaf_changed(&content, &path)) else {
            continue;
        };
        let result = published.signed_again(release);
        if is_the_coordinators(&path) {
            assert_eq!(result, Ok(()), "{path}");
            continue;
        }
        let fault = result.expect_err(&path);
        assert!(names_its_place(&path, &fault), "{path}: {fault}");
        refused += 1;
    }
    assert!(refused > 100, "{refused} leaves refused");
}

fn names_its_place(path: &str, fault: &ReleaseFault) -> bool {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match (parts[0], fault) {
        ("proof", ReleaseFault::Field(field)) if field.starts_with("proof") => true,
        ("proof", ReleaseFault::Field("survivors")) => parts[1] == "survivors",
        ("proof", ReleaseFault::Coordinator { .. }) => parts[1] == "coordinator",
        ("proof", ReleaseFault::Confirmations { .. }) => parts[1] != "announcement",
        ("format", ReleaseFault::Format(_)) => true,
        ("tables", ReleaseFault::Table(_)) => true,
        ("unit", ReleaseFault::Field(field)) => ["unit", "privacy_statement"].contains(field),
        ("programme_title", ReleaseFault::Field(field)) => *field == "programme",
        (field, ReleaseFault::Field(named)) => field == *named,
        _ => false,
    }
}

#[test]
fn n9_every_field_of_a_release_changed_is_refused_unless_it_is_the_coordinators_word() {
    let published = published();
    let (mut refused, mut accepted) = (0, BTreeSet::new());
    for mutation in Tree::of(&published.release.content).mutations() {
        let decoded = decode::<Release>(&mutation.tree.encoded(), MAX_ENCODED_BYTES);
        let Ok(content) = decoded else {
            refused += 1;
            continue;
        };
        let kept = Signed {
            content: content.clone(),
            signature: published.release.signature,
        };
        assert!(published.verify(kept).is_err(), "{}", mutation.name());
        match published.signed_again(content) {
            Ok(()) => {
                let path = without_numbers(&mutation.path);
                let is_order = ["reversed", "one moved to the end"].contains(&mutation.what);
                assert!(path != "tables[].raw" || is_order, "{}", mutation.name());
                accepted.insert(path);
            }
            Err(_) => refused += 1,
        }
    }
    // When it signed, and the sum itself: the coordinator is trusted to publish what it summed.
    let word = ["published_at", "tables[].raw", "tables[].raw[]"].map(str::to_owned);
    assert_eq!(accepted, BTreeSet::from(word));
    assert!(refused > 500, "{refused} refused");
}

/// A path without the numbers of list elements.
fn without_numbers(path: &str) -> String {
    let parts = path.split('[').map(|part| match part.split_once(']') {
        Some((_, rest)) => format!("]{rest}"),
        None => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("[")
}

#[test]
fn n9_a_release_with_anything_left_out_or_added_is_refused() {
    let published = published();
    let honest = &published.release.content;
    type Change = fn(&mut Release);
    let changes: [(&str, Change); 9] = [
        ("a table left out", |r| {
            r.tables.pop();
        }),
        ("a cell left out", |r| {
            r.tables[1].raw.pop();
        }),
        ("tables swapped", |r| r.tables.swap(0, 1)),
        ("a survivor left out", |r| {
            r.proof.survivors.pop();
        }),
        ("a survivor added", |r| r.proof.survivors.push(5)),
        ("the lost partner not named", |r| r.missing.clear()),
        ("fewer confirmations than t", |r| {
            r.proof.signatures.pop();
        }),
        ("a confirmation twice", |r| {
            r.proof.signatures[3] = r.proof.signatures[2].clone();
        }),
        ("the chain cut", |r| r.previous = None),
    ];
    for (name, change) in changes {
        let mut release = honest.clone();
        change(&mut release);
        assert!(published.signed_again(release).is_err(), "{name}");
    }
}

#[test]
fn n9_an_invalid_confirmation_beside_enough_valid_ones_is_refused() {
    let published = published();
    let mut release = published.release.content.clone();
    let mut forged = release.proof.signatures[0].clone();
    forged.partner = 5;
    release.proof.signatures.push(forged);
    let fault = published.signed_again(release).unwrap_err();
    let expected = ReleaseFault::Confirmations {
        found: 4,
        needed: 4,
    };
    assert_eq!(fault, expected);
}

#[test]
fn n9_a_coordinator_that_signs_another_announcement_afterwards_lacks_the_confirmations() {
    let published = published();
    let mut release = published.release.content.clone();
    let mut announcement = release.proof.announcement.content.clone();
    announcement.attempt = 2;
    let announcement = Signed::sign(announcement, &published.coordinator).unwrap();
    let verified = announcement.clone().verify(&published.coordinator.key());
    release.round = verified.unwrap().digest();
    release.attempt = 2;
    release.proof.announcement = announcement;
    let fault = published.signed_again(release).unwrap_err();
    let expected = ReleaseFault::Confirmations {
        found: 0,
        needed: 4,
    };
    assert_eq!(fault, expected);
}

#[test]
fn n9_what_the_verifier_knows_is_held_against_the_release() {
    let published = published();
    let honest = || published.release.clone();
    let stranger = Identity::from_seed(Secret::from_bytes([1; 32])).unwrap();
    let other_key = Expectations {
        coordinator: Some(stranger.key()),
        ..Expectations::default()
    };
    let fault = honest().verify_release(&other_key).unwrap_err();
    assert!(matches!(fault, ReleaseFault::Coordinator { .. }));

    for previous in [None, Some(HexBytes([5; 32]))] {
        let other_chain = Expectations {
            previous: Some(previous),
            ..Expectations::default()
        };
        let fault = honest().verify_release(&other_chain).unwrap_err();
        assert_eq!(fault, ReleaseFault::Chain);
    }

    let retitled = PROGRAMME.replace("Cases by place\"", "Cases by plaice\"");
    let other_programme = Programme::parse(&retitled).unwrap();
    let expectations = Expectations {
        programme: Some(&other_programme),
        ..Expectations::default()
    };
    let fault = honest().verify_release(&expectations).unwrap_err();
    assert_eq!(fault, ReleaseFault::Field("programme"));
}

#[test]
fn n9_a_node_raises_the_alarm_over_another_round_than_it_confirmed() {
    let published = published();
    let mut round = Stepwise::of(terms(&published.programme, Digest::ZERO));
    round.advance_to_reply(Phase::Unmask);
    let confirmed = round.nodes[&1].confirmed().unwrap();
    let expectations = Expectations {
        confirmed: Some(confirmed),
        ..Expectations::default()
    };
    let fault = published.release.clone().verify_release(&expectations);
    assert_eq!(fault.unwrap_err(), ReleaseFault::NotWhatWeConfirmed);
}

#[test]
fn n9_a_node_raises_the_alarm_over_another_survivor_set_of_the_round_it_confirmed() {
    let published = published();
    let mut round = Stepwise::of(terms(&published.programme, HexBytes([4; 32])));
    round.advance_to_reply(Phase::Unmask);
    let confirmed = round.nodes[&1].confirmed().unwrap();
    assert_eq!(confirmed.round(), published.confirmed.round());
    let expectations = Expectations {
        confirmed: Some(confirmed),
        ..published.expectations()
    };
    let fault = published.release.clone().verify_release(&expectations);
    assert_eq!(fault.unwrap_err(), ReleaseFault::NotWhatWeConfirmed);
}

/// The terms of the published round as each node has them.
fn terms_of(published: &Published) -> Arc<RoundContext> {
    terms(&published.programme, HexBytes([4; 32])).context
}

#[test]
fn a_release_returns_the_charge_of_the_partner_it_is_without() {
    let published = published();
    let (context, release) = (terms_of(&published), &published.release.content);
    let evidence = left_out(release, &context, "partner-005").unwrap();
    let digest = published.release.content.digest().unwrap();
    assert_eq!(evidence.round(), context.round());
    assert_eq!(evidence.ground(), ReturnGround::ConfirmedWithout(digest));
}

#[test]
fn a_release_returns_no_charge_of_anybody_in_it_nor_without_t_confirmations() {
    let published = published();
    let (context, release) = (terms_of(&published), published.release.content.clone());
    let asked = |release: &Release, partner| left_out(release, &context, partner).unwrap_err();
    assert_eq!(asked(&release, "partner-001"), NotLeftOut::InTheSum);
    assert_eq!(asked(&release, "partner-006"), NotLeftOut::NotInvited);

    let other = terms(&published.programme, HexBytes([5; 32])).context;
    let refused = left_out(&release, &other, "partner-005").unwrap_err();
    assert_eq!(refused, NotLeftOut::OtherRound);

    let needed = 4;
    let confirmations = |found| {
        let fault = ReleaseFault::Confirmations { found, needed };
        NotLeftOut::Release(fault)
    };
    let mut fewer = release.clone();
    fewer.proof.signatures.truncate(3);
    assert_eq!(asked(&fewer, "partner-005"), confirmations(3));
    let mut doubled = release.clone();
    doubled.proof.signatures[1] = doubled.proof.signatures[0].clone();
    assert_eq!(asked(&doubled, "partner-005"), confirmations(4));
    // The confirmations are of the true survivors: whoever is named missing in their place gets nothing back.
    let mut swapped = release.clone();
    swapped.proof.survivors = vec![2, 3, 4, 5];
    assert_eq!(asked(&swapped, "partner-001"), confirmations(0));
    let mut small = release;
    small.proof.survivors.truncate(3);
    let field = NotLeftOut::Release(ReleaseFault::Field("proof.survivors"));
    assert_eq!(asked(&small, "partner-005"), field);
}

/// A release verifies with the first and with the last key of a coordinator that changed its key, and with no other.
#[test]
fn n9_follows_the_handovers_of_the_coordinators_key_and_nothing_else() {
    let published = published();
    let own = &published.coordinator;
    let others = [7, 8].map(|byte| Identity::from_seed(Secret::from_bytes([byte; 32])).unwrap());
    let handover = |old: &Identity, new: &Identity| {
        let content = Handover {
            from: old.key(),
            to: new.key(),
            at: 0,
        };
        Countersigned::sign(content, old, new).unwrap()
    };
    let chain = [handover(&others[0], own), handover(own, &others[1])];
    let verify = |expected: &Identity, handovers: &[Countersigned<Handover>]| {
        let expectations = Expectations {
            coordinator: Some(expected.key()),
            handovers,
            ..published.expectations()
        };
        published.release.clone().verify_release(&expectations)
    };
    for key in &others {
        assert!(verify(key, &chain).is_ok());
        assert!(matches!(
            verify(key, &[]),
            Err(ReleaseFault::Coordinator { .. })
        ));
    }
    let mut forged = chain.clone();
    forged[1].by_old = forged[1].by_new;
    assert!(verify(&others[0], &forged).is_ok());
    assert!(matches!(
        verify(&others[1], &forged),
        Err(ReleaseFault::Coordinator { .. })
    ));
}
