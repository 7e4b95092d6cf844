//! Messages that must be refused, each with its reason and the check that refuses it, for this and other
//! implementations.
//!
//! `vectors/negative/messages.json` holds for each message of a fixed round of three partners what the receiver has
//! made durable, the accepted bytes, and refused ones as edits of them: `remove` bytes at `at` are replaced by `insert`,
//! the last edit first. `MSHT_WRITE_VECTORS=1` writes the file anew; never do that to make a test pass.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use msht_core::crypto::HexBytes;
use msht_core::secagg::Fault;
use msht_core::secagg::coordinator::{CoordinatorRecord, CoordinatorSession, Receipt};
use msht_core::secagg::messages::{
    ConfirmBody, ConfirmationsBody, DeliveryBody, JoinBody, MaskBody, Phase, RollBody, ShareBody,
    SurvivorsBody, UnmaskBody,
};
use msht_core::secagg::node::{NodeEvent, NodeRecord, NodeSession};
use msht_core::testkit::cohort::{Cohort, CohortOptions};
use msht_core::testkit::forge::{encoded, flipped, forged, forged_bytes, tampered};
use msht_core::testkit::stepwise::Stepwise;
use msht_core::wire::{MAX_ENCODED_BYTES, decode};
use serde::{Deserialize, Serialize};

const FILE: &str = "tests/vectors/negative/messages.json";
/// The partner that sends or receives.
const PARTNER: u8 = 2;
const SEED: u64 = 1;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Vectors {
    about: String,
    round: String,
    coordinator_key: String,
    announcement: String,
    roster: String,
    messages: Vec<Message>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Message {
    /// Phase and direction, such as `mask-to-node`.
    message: String,
    /// What the receiver made durable before, in order.
    durable: Vec<String>,
    accepted: String,
    refused: Vec<Refused>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Refused {
    why: String,
    check: String,
    blame: String,
    violation: String,
    edits: Vec<Edit>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Edit {
    at: usize,
    remove: usize,
    insert: String,
}

/// Bytes in front of a body: round, phase, sender and length.
const FRONT_BYTES: usize = 45;
/// Bytes of the signature behind it.
const SIGNATURE_BYTES: usize = 64;

/// Front, body and signature, so that a longer body does not make everything behind it an edit.
fn pieces(bytes: &[u8]) -> [&[u8]; 3] {
    let (front, rest) = bytes.split_at(bytes.len().min(FRONT_BYTES));
    let (body, signature) = rest.split_at(rest.len().saturating_sub(SIGNATURE_BYTES));
    [front, body, signature]
}

impl Edit {
    /// What turns `from`, which begins at `start`, into `to`.
    fn between(start: usize, from: &[u8], to: &[u8]) -> Self {
        let same = |(a, b): &(&u8, &u8)| a == b;
        let prefix = from.iter().zip(to).take_while(same).count();
        let most = from.len().min(to.len()) - prefix;
        let ends = from.iter().rev().zip(to.iter().rev());
        let suffix = ends.take(most).take_while(same).count();
        Self {
            at: start + prefix,
            remove: from.len() - suffix - prefix,
            insert: hex::encode(to.get(prefix..to.len() - suffix).unwrap()),
        }
    }
}

fn options() -> CohortOptions {
    CohortOptions {
        partners: 3,
        cells: 2,
        ..CohortOptions::default()
    }
}

impl Refused {
    fn new(why: &str, accepted: &[u8], refused: &[u8], fault: Fault) -> Self {
        let (mut start, mut edits) = (0, Vec::new());
        for (from, to) in pieces(accepted).into_iter().zip(pieces(refused)) {
            if from != to {
                edits.push(Edit::between(start, from, to));
            }
            start += from.len();
        }
        Self {
            why: why.to_owned(),
            check: fault.check.to_string(),
            blame: format!("{:?}", fault.blame),
            violation: format!("{:?}", fault.violation),
            edits,
        }
    }

    fn bytes(&self, accepted: &[u8]) -> Vec<u8> {
        let mut bytes = accepted.to_vec();
        for edit in self.edits.iter().rev() {
            let insert = hex::decode(&edit.insert).unwrap();
            bytes.splice(edit.at..edit.at + edit.remove, insert);
        }
        bytes
    }
}

type Cases = Vec<(&'static str, Vec<u8>)>;

/// What any message can have wrong with it.
fn outer(cohort: &Cohort, honest: &[u8]) -> Cases {
    let longer = [honest, &[0]].concat();
    let cut = honest.get(..honest.len() - 1).unwrap().to_vec();
    let next = |phase: Phase| {
        let mut later = Phase::ALL.into_iter().filter(move |each| *each != phase);
        later.next().unwrap()
    };
    vec![
        ("nothing at all", Vec::new()),
        ("a byte behind the message", longer),
        ("the last byte is missing", cut),
        (
            "a bit of the signature is turned",
            tampered(honest, |m| m.signature = flipped(m.signature)),
        ),
        (
            "the message says another round, under the old signature",
            tampered(honest, |m| m.round = HexBytes([9; 32])),
        ),
        (
            "the message says another phase, under the old signature",
            tampered(honest, |m| m.phase = next(m.phase)),
        ),
        (
            "the message says another sender, under the old signature",
            tampered(honest, |m| m.sender = 3),
        ),
        (
            "a byte behind the body, signed by the sender",
            forged_bytes(cohort, honest, |body| body.push(0)),
        ),
        (
            "the body ends early, signed by the sender",
            forged_bytes(cohort, honest, |body| {
                body.pop();
            }),
        ),
        (
            "no body, signed by the sender",
            forged_bytes(cohort, honest, Vec::clear),
        ),
    ]
}

/// What the coordinator's message of a phase can have wrong with it beyond that.
#[expect(clippy::too_many_lines, reason = "a list of cases")]
fn to_node(cohort: &Cohort, phase: Phase, honest: &[u8]) -> Cases {
    match phase {
        Phase::Join => {
            let roll = |change: fn(&mut RollBody)| forged(cohort, honest, change);
            vec![
                (
                    "the receiver is not on the roll",
                    roll(|b| {
                        b.joins.remove(1);
                    }),
                ),
                (
                    "a partner is on the roll twice",
                    roll(|b| b.joins.insert(0, b.joins.first().unwrap().clone())),
                ),
                ("the roll is out of order", roll(|b| b.joins.reverse())),
                (
                    "the roll has fewer than m partners",
                    roll(|b| {
                        b.joins.remove(0);
                    }),
                ),
            ]
        }
        Phase::Share => {
            let delivery = |change: fn(&mut DeliveryBody)| forged(cohort, honest, change);
            vec![
                (
                    "the receiver's own header is missing",
                    delivery(|b| {
                        b.headers.remove(1);
                    }),
                ),
                (
                    "a header is there twice",
                    delivery(|b| b.headers.insert(0, b.headers.first().unwrap().clone())),
                ),
                (
                    "an envelope is missing",
                    delivery(|b| {
                        b.envelopes.pop();
                    }),
                ),
                (
                    "the envelopes are swapped",
                    delivery(|b| b.envelopes.reverse()),
                ),
                (
                    "a header is of another roll",
                    delivery(|b| {
                        b.headers.first_mut().unwrap().header.roll_digest = HexBytes([9; 32])
                    }),
                ),
                (
                    "the commitment in an envelope is changed, under the old signature",
                    delivery(|b| {
                        b.envelopes.first_mut().unwrap().envelope.shares.own = HexBytes([9; 32])
                    }),
                ),
            ]
        }
        Phase::Mask => {
            let survivors = |list: &'static [u8]| {
                forged(cohort, honest, |b: &mut SurvivorsBody| {
                    b.survivors = list.to_vec()
                })
            };
            vec![
                ("nobody survived", survivors(&[])),
                ("the receiver did not survive", survivors(&[1, 3])),
                ("fewer than m survived", survivors(&[1, 2])),
                ("a survivor who is not invited", survivors(&[1, 2, 3, 4])),
                ("a survivor twice", survivors(&[1, 2, 2, 3])),
                ("the survivors are out of order", survivors(&[2, 1, 3])),
            ]
        }
        _ => {
            let list = |change: fn(&mut ConfirmationsBody)| forged(cohort, honest, change);
            vec![
                (
                    "fewer than t confirmations",
                    list(|b| {
                        b.confirmations.pop();
                    }),
                ),
                ("no confirmation", list(|b| b.confirmations.clear())),
                (
                    "one partner's confirmation twice in place of another's",
                    list(|b| {
                        let first = b.confirmations.first().unwrap().clone();
                        *b.confirmations.last_mut().unwrap() = first;
                    }),
                ),
                (
                    "a confirmation under another partner's index",
                    list(|b| {
                        b.confirmations.last_mut().unwrap().signature =
                            b.confirmations.first().unwrap().signature
                    }),
                ),
            ]
        }
    }
}

/// What a partner's message of a phase can have wrong with it beyond that.
#[expect(clippy::too_many_lines, reason = "a list of cases")]
fn to_coordinator(cohort: &Cohort, phase: Phase, honest: &[u8]) -> Cases {
    match phase {
        Phase::Join => vec![(
            "a public key of another length",
            forged(cohort, honest, |b: &mut JoinBody| {
                let short = b.mask.ml_kem.as_ref().split_last().unwrap().1.to_vec();
                b.mask.ml_kem = short.into();
            }),
        )],
        Phase::Share => {
            let share = |change: fn(&mut ShareBody)| forged(cohort, honest, change);
            vec![
                (
                    "an envelope is missing",
                    share(|b| {
                        b.envelopes.pop();
                    }),
                ),
                (
                    "the envelopes are swapped",
                    share(|b| b.envelopes.reverse()),
                ),
                (
                    "the header is of another dealer",
                    share(|b| b.header.header.dealer = 1),
                ),
                (
                    "the header is of another roll",
                    share(|b| b.header.header.roll_digest = HexBytes([9; 32])),
                ),
            ]
        }
        Phase::Mask => {
            let mask = |change: fn(&mut MaskBody)| forged(cohort, honest, change);
            vec![
                (
                    "one word too few",
                    mask(|b| b.vector = b.vector.as_ref().split_at(4).1.into()),
                ),
                (
                    "the masks of another U2",
                    mask(|b| b.dealers_digest = HexBytes([9; 32])),
                ),
                (
                    "lists a dealer who is not in U2",
                    mask(|b| b.bad_dealers = vec![9]),
                ),
                ("lists itself", mask(|b| b.bad_dealers = vec![PARTNER])),
            ]
        }
        Phase::Confirm => {
            let confirm = |change: fn(&mut ConfirmBody)| forged(cohort, honest, change);
            vec![
                (
                    "confirms other survivors",
                    confirm(|b| b.survivors.truncate(2)),
                ),
                (
                    "confirms another roll",
                    confirm(|b| b.roll_digest = HexBytes([9; 32])),
                ),
                (
                    "confirms another U2",
                    confirm(|b| b.dealers_digest = HexBytes([9; 32])),
                ),
            ]
        }
        Phase::Unmask => {
            let unmask = |change: fn(&mut UnmaskBody)| forged(cohort, honest, change);
            vec![
                (
                    "a share is missing",
                    unmask(|b| {
                        b.self_shares.pop();
                    }),
                ),
                (
                    "both kinds of share of one dealer",
                    unmask(|b| b.mask_shares.push(b.self_shares.first().unwrap().clone())),
                ),
                (
                    "the other kind of share of every dealer",
                    unmask(|b| std::mem::swap(&mut b.self_shares, &mut b.mask_shares)),
                ),
                (
                    "a share that does not match its commitment",
                    unmask(|b| {
                        let first = b.self_shares.first_mut().unwrap();
                        first.share = flipped(first.share);
                    }),
                ),
            ]
        }
    }
}

fn node_of(cohort: &Cohort, durable: &[String]) -> NodeSession {
    let read = |text: &String| NodeRecord::from_bytes(&hex::decode(text).unwrap()).unwrap();
    let records: Vec<NodeRecord> = durable.iter().map(read).collect();
    let context = Arc::clone(&cohort.context);
    let mut node = NodeSession::resume(context, cohort.identity(PARTNER), &records).unwrap();
    node.acknowledged();
    node
}

fn coordinator_of(cohort: &Cohort, durable: &[String]) -> CoordinatorSession {
    let read = |text: &String| -> CoordinatorRecord {
        decode(&hex::decode(text).unwrap(), MAX_ENCODED_BYTES).unwrap()
    };
    let (context, identity) = (Arc::clone(&cohort.context), Arc::clone(&cohort.coordinator));
    CoordinatorSession::resume(context, identity, durable.iter().map(read)).unwrap()
}

/// What the receiver says to `bytes`.
fn handle(cohort: &Cohort, message: &str, durable: &[String], bytes: &[u8]) -> Result<(), Fault> {
    if message.ends_with("to-node") {
        let event = node_of(cohort, durable).handle_message(bytes)?;
        assert!(matches!(event, NodeEvent::Advanced(_)));
    } else {
        let receipt = coordinator_of(cohort, durable).handle_message(bytes)?;
        assert_eq!(receipt, Receipt::Stored);
    }
    Ok(())
}

fn vector(
    cohort: &Cohort,
    message: String,
    durable: Vec<String>,
    honest: &[u8],
    cases: Cases,
) -> Message {
    let refused = cases.into_iter().map(|(why, bytes)| {
        let fault = handle(cohort, &message, &durable, &bytes).unwrap_err();
        Refused::new(why, honest, &bytes, fault)
    });
    Message {
        refused: refused.collect(),
        accepted: hex::encode(honest),
        message,
        durable,
    }
}

fn computed() -> Vectors {
    let mut messages = Vec::new();
    for phase in Phase::ALL {
        let mut round = Stepwise::new(&options(), SEED);
        round.advance_to(phase);
        let (cohort, honest) = (&round.cohort, round.outgoing(PARTNER));
        let durable = round
            .records
            .iter()
            .map(|record| hex::encode(encoded(record)))
            .collect();
        let mut cases = outer(cohort, &honest);
        cases.extend(to_coordinator(cohort, phase, &honest));
        let name = format!("{}-from-node", phase.word());
        messages.push(vector(cohort, name, durable, &honest, cases));
        if phase == Phase::Unmask {
            continue;
        }
        round.collect();
        round.close();
        let (cohort, honest) = (&round.cohort, round.incoming(phase, PARTNER));
        let records = round.node_records.get(&PARTNER).unwrap().iter();
        let durable = records
            .map(|record| hex::encode(record.to_bytes().unwrap()))
            .collect();
        let mut cases = outer(cohort, &honest);
        cases.extend(to_node(cohort, phase, &honest));
        let name = format!("{}-to-node", phase.word());
        messages.push(vector(cohort, name, durable, &honest, cases));
    }
    let cohort = Cohort::new(&options(), SEED);
    let context = &cohort.context;
    Vectors {
        about: "Bytes are hexadecimal. A receiver in the state that `durable` gives accepts `accepted`, and \
                refuses the same bytes with `remove` bytes at `at` replaced by `insert` for each of `edits`, the \
                last first, for the reason `why`, at the numbered check of docs/protocol.md. The partner is number 2; its node is restored from `durable` \
                with its own message acknowledged."
            .to_owned(),
        round: context.round().to_string(),
        coordinator_key: hex::encode(context.coordinator().as_bytes()),
        announcement: hex::encode(encoded(context.announcement().as_signed())),
        roster: hex::encode(encoded(context.roster().as_signed())),
        messages,
    }
}

#[test]
fn every_negative_vector_is_refused_by_its_check_and_its_positive_is_accepted() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    if std::env::var_os("MSHT_WRITE_VECTORS").is_some() {
        let text = serde_json::to_string_pretty(&computed()).unwrap();
        std::fs::write(&path, text + "\n").unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let frozen: Vectors = serde_json::from_str(&text).unwrap();
    let cohort = Cohort::new(&options(), SEED);
    assert_eq!(frozen.round, cohort.context.round().to_string());
    let mut refused = 0;
    for vector in &frozen.messages {
        let accepted = hex::decode(&vector.accepted).unwrap();
        let answer = handle(&cohort, &vector.message, &vector.durable, &accepted);
        assert_eq!(answer, Ok(()), "{}", vector.message);
        for case in &vector.refused {
            let bytes = case.bytes(&accepted);
            let fault = handle(&cohort, &vector.message, &vector.durable, &bytes).unwrap_err();
            let named = Refused::new(&case.why, &accepted, &bytes, fault);
            assert_eq!(named, *case, "{}", vector.message);
            refused += 1;
        }
    }
    assert_eq!(frozen.messages.len(), 9);
    assert!(refused >= 120, "{refused} refused messages");
}
