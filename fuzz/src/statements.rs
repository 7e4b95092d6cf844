//! What is signed outside rounds: changes of keys, endorsements, handovers, and heads of ledgers.
//!
//! Three partners are accepted; the first has another key on the roster now, and the fourth is new. Whatever bytes
//! arrive, they vouch for those keys only where they hold what the honest ones signed.

use std::sync::LazyLock;

use msht_core::crypto::{Digest, HexBytes, Identity, Secret};
use msht_core::governance::{
    ChangeKind, Countersigned, Endorsement, GovernanceRecord, Handover, KeyChange, KnownPartner,
    MAX_GOVERNANCE_BYTES, MAX_STATEMENT_BYTES, SignedEndorsement, Statement, check_endorsed,
    endorsers, linked, roster_changes,
};
use msht_core::secagg::messages::Phase;
use msht_core::secagg::{
    HeadProof, HeadStatement, LedgerHead, Partner, PartnerKind, Roster, Signed,
};
use msht_core::testkit::cohort::Cohort;
use msht_core::testkit::forge::opened;
use msht_core::wire::{MAX_FRAME_BYTES, decode, encode};

use crate::bodies::canonical;
use crate::documents::OF_TEXT;
use crate::patch::patched;
use crate::round::{self, VICTIM};
use crate::{Ceiling, Target};

const LONGEST_BYTES: usize = 64 * 1024;

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
            "key-statement",
            Ceiling::OF_DECODING,
            statement as fn(&[u8]) -> bool,
            statements as fn() -> _,
        ),
        target("governance-record", OF_TEXT, record, records),
        target("handovers-json", OF_TEXT, handovers, || {
            let list = serde_json::to_vec(&SPOKEN.record.handovers).expect("short");
            vec![("two".to_owned(), list)]
        }),
        target("ledger-head", OF_TEXT, head, heads),
    ]
}

/// The keys of everybody, and everything they signed.
struct Spoken {
    /// Of the partners by number, from 1; then their new keys.
    old_key: Identity,
    new_key: Identity,
    known: Vec<KnownPartner>,
    roster: Roster,
    coordinators: [Identity; 3],
    record: GovernanceRecord,
}

static SPOKEN: LazyLock<Spoken> = LazyLock::new(spoken);

fn identity(byte: u8) -> Identity {
    Identity::from_seed(Secret::from_bytes([byte; 32])).expect("any seed makes a key")
}

fn id(number: u8) -> String {
    format!("partner-{number}")
}

fn spoken() -> Spoken {
    let (old_key, new_key) = (identity(1), identity(9));
    let coordinators = [identity(20), identity(21), identity(22)];
    let partner = |number: u8, key: &Identity| Partner {
        id: id(number),
        name: format!("Partner {number}"),
        kind: PartnerKind::Ngo,
        key: key.key(),
    };
    let mut partners: Vec<Partner> = (1..=4).map(|n| partner(n, &identity(n))).collect();
    if let Some(first) = partners.first_mut() {
        *first = partner(1, &new_key);
    }
    let roster = Roster {
        version: 2,
        previous: Digest::ZERO,
        partners,
    };
    let known = (1..=3).map(|number| KnownPartner {
        id: id(number),
        name: format!("Partner {number}"),
        key: identity(number).key(),
        removed: false,
    });
    let change = KeyChange {
        partner: id(1),
        from: old_key.key(),
        to: new_key.key(),
    };
    let [first, second, third] = &coordinators;
    let handover = |old: &Identity, new: &Identity| {
        let content = Handover {
            from: old.key(),
            to: new.key(),
            at: 1_800_000_000,
        };
        Countersigned::sign(content, old, new).expect("small")
    };
    let endorsement = |by: u8| {
        let content = Endorsement {
            endorser: id(by),
            partner: id(4),
            key: identity(4).key(),
            coordinator: third.key(),
        };
        Signed::sign(content, &identity(by)).expect("small")
    };
    let record = GovernanceRecord {
        handovers: vec![handover(first, second), handover(second, third)],
        key_changes: vec![Countersigned::sign(change, &old_key, &new_key).expect("small")],
        endorsements: vec![endorsement(2), endorsement(3)],
    };
    Spoken {
        known: known.collect(),
        old_key,
        new_key,
        roster,
        coordinators,
        record,
    }
}

/// What decodes is canonical, and what verifies against an honest key is what its holder signed.
fn statement(input: &[u8]) -> bool {
    let Ok(statement) = decode::<Statement>(input, MAX_STATEMENT_BYTES) else {
        return false;
    };
    assert!(
        encode(&statement).expect("was decoded") == input,
        "two encodings"
    );
    match statement {
        Statement::KeyChange(change) => {
            let ours = change.content.from == SPOKEN.old_key.key()
                || change.content.to == SPOKEN.new_key.key();
            if change.verify().is_ok() && ours {
                assert!(SPOKEN.record.key_changes.contains(&change), "never signed");
            }
        }
        Statement::Endorsement(endorsement) => {
            for number in 1..=4 {
                if endorsement.clone().verify(&identity(number).key()).is_ok() {
                    assert!(
                        SPOKEN.record.endorsements.contains(&endorsement),
                        "never signed"
                    );
                }
            }
        }
    }
    true
}

fn statements() -> Vec<(String, Vec<u8>)> {
    let record = &SPOKEN.record;
    let changes = record.key_changes.iter().cloned().map(Statement::KeyChange);
    let endorsements = record.endorsements.iter().cloned();
    let all = changes.chain(endorsements.map(Statement::Endorsement));
    let seed = |(statement, number): (Statement, u8)| {
        (format!("{number}"), encode(&statement).expect("small"))
    };
    all.zip(0..).map(seed).collect()
}

/// The first byte says whether the rest is a record, or changes of the honest one.
fn record(input: &[u8]) -> bool {
    let Some((form, rest)) = input.split_first() else {
        return false;
    };
    let changed;
    let bytes = match form % 2 {
        0 => rest,
        _ => {
            changed = patched(&encode(&SPOKEN.record).expect("small"), rest);
            &changed
        }
    };
    if !canonical::<GovernanceRecord>(bytes) {
        return false;
    }
    let record: GovernanceRecord = decode(bytes, MAX_GOVERNANCE_BYTES).expect("decoded before");
    assert_vouches_for_what_was_signed(&record);
    assert_linked_by_what_was_signed(&record.handovers);
    true
}

fn assert_vouches_for_what_was_signed(record: &GovernanceRecord) {
    let changes = roster_changes(&SPOKEN.known, &SPOKEN.roster, &record.key_changes);
    let rotated = changes
        .iter()
        .any(|each| each.kind == ChangeKind::KeyRotated);
    let signed = SPOKEN.record.key_changes.iter();
    let honest = signed.clone().any(|each| record.key_changes.contains(each));
    // Where another change of this key comes first, the honest one behind it may go unseen: that vouches for less.
    assert!(honest || !rotated, "a key is taken that nobody handed over");

    let accepted: Vec<_> = SPOKEN
        .known
        .iter()
        .map(|each| (each.id.clone(), each.key))
        .collect();
    let coordinators: Vec<_> = SPOKEN.coordinators.iter().map(Identity::key).collect();
    let newest = SPOKEN.roster.partner(&id(4)).expect("on the roster");
    let found = endorsers(newest, &accepted, &record.endorsements, &coordinators);
    let signed = |each: &&SignedEndorsement| record.endorsements.contains(each);
    let honest = SPOKEN.record.endorsements.iter().filter(signed).count();
    assert_eq!(found.len(), honest, "endorsed by {found:?}");
    let invited = [newest.clone()];
    for needed in 0..4 {
        let list = &record.endorsements;
        let verdict = check_endorsed(needed, &accepted, &invited, list, &coordinators);
        assert_eq!(verdict.is_ok(), honest >= needed, "{needed} are needed");
    }
}

fn assert_linked_by_what_was_signed(list: &[Countersigned<Handover>]) {
    let [first, second, third] = SPOKEN.coordinators.each_ref().map(Identity::key);
    let has = |place: usize| {
        SPOKEN
            .record
            .handovers
            .get(place)
            .is_some_and(|h| list.contains(h))
    };
    for (one, other, needed) in [
        (first, second, has(0)),
        (second, third, has(1)),
        (first, third, has(0) && has(1)),
    ] {
        assert!(
            needed || !linked(list, &one, &other),
            "a key is linked that nobody handed over"
        );
        assert_eq!(linked(list, &one, &other), linked(list, &other, &one));
    }
}

fn records() -> Vec<(String, Vec<u8>)> {
    let whole = encode(&SPOKEN.record).expect("small");
    let empty = encode(&GovernanceRecord::default()).expect("small");
    vec![
        ("whole".to_owned(), [b"\0", whole.as_slice()].concat()),
        ("empty".to_owned(), [b"\0", empty.as_slice()].concat()),
        ("unchanged".to_owned(), vec![1]),
    ]
}

/// The file that `verify --handovers` takes.
fn handovers(input: &[u8]) -> bool {
    let Ok(list) = serde_json::from_slice::<Vec<Countersigned<Handover>>>(input) else {
        return false;
    };
    let text = serde_json::to_vec(&list).expect("what was read can be written");
    let again: Vec<Countersigned<Handover>> = serde_json::from_slice(&text).expect("was written");
    assert_eq!(again, list, "changed by writing and reading");
    assert_linked_by_what_was_signed(&list);
    true
}

thread_local! {
    static HEADS: (Cohort, [HeadProof; 2]) = heads_of_round();
}

fn heads_of_round() -> (Cohort, [HeadProof; 2]) {
    let round = round::at(Phase::Join);
    let head = LedgerHead {
        length: 3,
        digest: HexBytes([4; 32]),
    };
    let replaces = Some(HexBytes([6; 32]));
    let (node, coordinator) = (
        round.cohort.identity(VICTIM),
        round.cohort.coordinator.key(),
    );
    let statement = HeadStatement::sign(&node, &coordinator, head, replaces);
    let proofs = [
        HeadProof::Statement(statement),
        HeadProof::Join(opened(&round.outgoing(VICTIM))),
    ];
    (round.cohort, proofs)
}

/// The first byte says whether the rest is a statement, a proof, or changes of one of the honest proofs. A node
/// believes nothing but what it signed.
fn head(input: &[u8]) -> bool {
    let Some((form, rest)) = input.split_first() else {
        return false;
    };
    HEADS.with(|(cohort, honest)| {
        let (node, coordinator) = (cohort.identity(VICTIM).key(), cohort.coordinator.key());
        let proof = match form % 4 {
            0 => {
                if !canonical::<HeadStatement>(rest) {
                    return false;
                }
                let statement = decode::<HeadStatement>(rest, MAX_FRAME_BYTES);
                HeadProof::Statement(statement.expect("decoded before"))
            }
            1 => {
                if !canonical::<HeadProof>(rest) {
                    return false;
                }
                decode::<HeadProof>(rest, MAX_FRAME_BYTES).expect("decoded before")
            }
            form => {
                let [statement, join] = honest;
                let which = if form == 2 { statement } else { join };
                let bytes = patched(&encode(which).expect("small"), rest);
                let Ok(proof) = decode::<HeadProof>(&bytes, LONGEST_BYTES) else {
                    return false;
                };
                proof
            }
        };
        if proof.head_signed_by(&node, &coordinator).is_some() {
            assert!(honest.contains(&proof), "the node never signed that");
        }
        true
    })
}

fn heads() -> Vec<(String, Vec<u8>)> {
    HEADS.with(|(_, honest)| {
        let [statement, join] = honest;
        let HeadProof::Statement(bare) = statement else {
            return Vec::new();
        };
        let with = |form: u8, bytes: Vec<u8>| [&[form], bytes.as_slice()].concat();
        vec![
            (
                "statement".to_owned(),
                with(0, encode(bare).expect("small")),
            ),
            (
                "proof".to_owned(),
                with(1, encode(statement).expect("small")),
            ),
            ("join".to_owned(), with(1, encode(join).expect("small"))),
            ("statement-unchanged".to_owned(), vec![2]),
            ("join-unchanged".to_owned(), vec![3]),
        ]
    })
}
