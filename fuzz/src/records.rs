//! What both sides keep: records of a round at a node and at the coordinator, and the entries of a ledger.

use std::sync::Arc;

use msht_core::crypto::{Digest, HexBytes};
use msht_core::dp::accountant::{
    Approval, Caps, Charge, ChargeTerms, DataWindow, Decision, Ledger, LedgerEntry, TombstoneReason,
};
use msht_core::dp::calibration::TableNoise;
use msht_core::rational::Rational;
use msht_core::secagg::coordinator::{CoordinatorRecord, CoordinatorSession};
use msht_core::secagg::messages::Phase;
use msht_core::secagg::node::{Confirmed, NodeRecord, NodeSession};
use msht_core::testkit::stepwise::Stepwise;
use msht_core::wire::{decode, encode};
use time::macros::date;

use crate::bodies::canonical;
use crate::documents::OF_TEXT;
use crate::memory::PREALLOCATED_BYTES;
use crate::round::{self, VICTIM};
use crate::{Ceiling, Target};

/// Longest stored record that is tried.
const LONGEST_BYTES: usize = 64 * 1024;
/// Resuming takes a session's memory.
const OF_RESUMING: Ceiling = Ceiling {
    fixed: 2 * 1024 * 1024 + PREALLOCATED_BYTES,
    per_byte: 32,
};
/// When the seeds were recorded.
const NOW: i64 = 1_790_000_000;

pub(crate) fn targets() -> Vec<Target> {
    let target = |name, ceiling, run, seeds| Target {
        name,
        longest: LONGEST_BYTES,
        ceiling,
        run,
        seeds,
    };
    vec![
        target(
            "record-node",
            OF_RESUMING,
            node_record as fn(&[u8]) -> bool,
            node_records as fn() -> _,
        ),
        target(
            "record-confirmed",
            Ceiling::OF_DECODING,
            canonical::<Confirmed>,
            confirmed,
        ),
        target(
            "record-coordinator",
            OF_RESUMING,
            coordinator_record,
            coordinator_records,
        ),
        target("ledger", OF_TEXT, ledger, ledgers),
    ]
}

thread_local! {
    static LATE: Stepwise = round::at_reply(Phase::Confirm);
}

/// A stored record, put in the place of the one with its slot: the node resumes or says that the record is damaged.
fn node_record(input: &[u8]) -> bool {
    let Ok(record) = NodeRecord::from_bytes(input) else {
        return false;
    };
    let again = record.to_bytes().expect("what was decoded can be encoded");
    assert!(again.as_slice() == input, "one record has two encodings");
    LATE.with(|round| {
        let mut records = round.node_records.get(&VICTIM).expect("its node").clone();
        let slot = usize::from(record.slot());
        records.truncate(slot);
        if record.erases_earlier() {
            records.clear();
        }
        records.push(record);
        let context = Arc::clone(&round.cohort.context);
        NodeSession::resume(context, round.cohort.identity(VICTIM), &records).is_ok()
    })
}

/// The records of a node in the order of their slots, from the whole round.
fn all_node_records() -> Vec<NodeRecord> {
    let mut records =
        LATE.with(|round| round.node_records.get(&VICTIM).cloned().expect("its node"));
    let last = round::at(Phase::Unmask).node_records.remove(&VICTIM);
    records.extend(last.expect("its node"));
    records
}

fn node_records() -> Vec<(String, Vec<u8>)> {
    let seed = |record: NodeRecord| {
        let bytes = record.to_bytes().expect("a small record").to_vec();
        (format!("slot-{}", record.slot()), bytes)
    };
    all_node_records().into_iter().map(seed).collect()
}

fn confirmed() -> Vec<(String, Vec<u8>)> {
    let unmasked = all_node_records()
        .into_iter()
        .filter_map(|record| match &record {
            NodeRecord::Unmasked(bytes) => Some(bytes.as_ref().to_vec()),
            _ => None,
        });
    unmasked
        .map(|bytes| ("unmasked".to_owned(), bytes))
        .collect()
}

/// A stored record behind the honest ones before it: the round resumes or is refused, without a panic.
fn coordinator_record(input: &[u8]) -> bool {
    let Some((place, rest)) = input.split_first() else {
        return false;
    };
    if !canonical::<CoordinatorRecord>(rest) {
        return false;
    }
    let record: CoordinatorRecord = decode(rest, LONGEST_BYTES).expect("decoded before");
    LATE.with(|round| {
        let before = round.records.iter().take(usize::from(*place)).cloned();
        let context = Arc::clone(&round.cohort.context);
        let identity = Arc::clone(&round.cohort.coordinator);
        CoordinatorSession::resume(context, identity, before.chain([record])).is_ok()
    })
}

fn coordinator_records() -> Vec<(String, Vec<u8>)> {
    LATE.with(|round| {
        let records = round.records.iter().zip(0u8..);
        let seed = |(record, place): (&CoordinatorRecord, u8)| {
            let bytes = encode(record).expect("a small record");
            (
                format!("record-{place:02}"),
                [&[place], bytes.as_slice()].concat(),
            )
        };
        records.map(seed).collect()
    })
}

/// The entries of a ledger, one a line: what reads is written the same, and a refused entry changes nothing.
fn ledger(input: &[u8]) -> bool {
    let mut ledger = Ledger::default();
    let mut accepted = false;
    for line in input.split(|byte| *byte == b'\n') {
        let Ok(entry) = serde_json::from_slice::<LedgerEntry>(line) else {
            return false;
        };
        let text = serde_json::to_vec(&entry).expect("what was read can be written");
        let again: LedgerEntry = serde_json::from_slice(&text).expect("what was written reads");
        assert_eq!(again, entry, "changed by writing and reading");
        let (length, head) = (ledger.length(), ledger.head());
        accepted = ledger.append(&entry).is_ok();
        if accepted {
            assert_eq!(ledger.length(), length + 1);
            assert_ne!(ledger.head(), head, "the chain stands still");
        } else {
            assert_eq!((ledger.length(), ledger.head()), (length, head));
        }
    }
    accepted
}

fn charge(round: Digest) -> Charge {
    let rate = Rational::new(1, 2).expect("not zero");
    let table = |name: &str| TableNoise {
        name: name.to_owned(),
        a: rate.clone(),
        sensitivity: 1,
    };
    let terms = ChargeTerms {
        data_source: "cases".to_owned(),
        window: DataWindow::new(date!(2026 - 01 - 01), date!(2026 - 03 - 31)).expect("in order"),
        programme: "small".to_owned(),
        programme_version: 1,
        round,
        period: "2026-Q1".to_owned(),
        attempt: 1,
        tables: vec![table("total"), table("places")],
        epsilon: Rational::one(),
        total_shape: Rational::one(),
        invited: 3,
        colluders: 1,
        approver: "data officer".to_owned(),
    };
    Charge::try_from(terms).expect("a charge")
}

/// The entry that returns a charge: a ledger makes it of verified evidence only, but reads it without.
fn returned(ledger: &Ledger, round: Digest) -> LedgerEntry {
    let entry = serde_json::json!({
        "sequence": ledger.length() + 1,
        "previous": ledger.head(),
        "recorded_at": NOW,
        "event": { "returned": { "round": round, "ground": { "abort-certificate": Digest::ZERO } } },
    });
    serde_json::from_value(entry).expect("an entry")
}

/// The entries of a node that took part in a round, released, and was charged for another.
pub(crate) fn ledger_of_two_rounds() -> Vec<LedgerEntry> {
    let (_, released) = ledgers().swap_remove(0);
    let lines = released.split(|byte| *byte == b'\n');
    let read = |line| serde_json::from_slice(line).expect("an entry");
    let mut entries: Vec<LedgerEntry> = lines.map(read).collect();
    let mut ledger = Ledger::replay(&entries).expect("honest entries");
    let caps = Caps {
        per_period: Rational::from_integer(2),
        per_year: Rational::from_integer(2),
    };
    let open = HexBytes([2; 32]);
    let permit = ledger.permit(&charge(open), &caps).expect("within");
    let reservation = ledger.reserve(permit, NOW).expect("at once");
    ledger.append(&reservation).expect("follows on");
    let charged = ledger.charge(open, NOW).expect("reserved");
    entries.extend([reservation, charged]);
    entries
}

/// Two lives of a round, and an approval before them: between them every kind of entry.
fn ledgers() -> Vec<(String, Vec<u8>)> {
    let (first, second) = (HexBytes([1; 32]), HexBytes([2; 32]));
    let mut seeds = Vec::new();
    for (name, lost) in [("released", false), ("returned", true)] {
        let mut lines = Vec::new();
        let mut ledger = Ledger::default();
        let mut keep = |make: &dyn Fn(&Ledger) -> LedgerEntry| {
            let entry = make(&ledger);
            ledger.append(&entry).expect("follows on");
            lines.push(serde_json::to_string(&entry).expect("an entry"));
        };
        let approval = Approval {
            programme: "small".to_owned(),
            programme_version: 1,
            round: lost.then_some(first),
            decision: Decision::Approved,
            approver: "data officer".to_owned(),
            until: Some(date!(2026 - 12 - 31)),
        };
        keep(&|ledger| ledger.decide(approval.clone(), NOW).expect("short"));
        keep(&|ledger| {
            let caps = Caps {
                per_period: Rational::from_integer(2),
                per_year: Rational::new(22, 7).expect("not zero"),
            };
            let permit = ledger.permit(&charge(first), &caps).expect("within");
            ledger.reserve(permit, NOW).expect("at once")
        });
        keep(&|ledger| ledger.charge(first, NOW).expect("reserved"));
        if lost {
            let reason = TombstoneReason::Aborted;
            keep(&|ledger| ledger.tombstone(first, reason, NOW).expect("charged"));
            keep(&|ledger| returned(ledger, first));
        } else {
            keep(&|ledger| ledger.unmask(first, NOW).expect("charged"));
            keep(&|ledger| ledger.release(first, second, NOW).expect("unmasked"));
        }
        seeds.push((name.to_owned(), lines.join("\n").into_bytes()));
    }
    seeds
}
