//! The two sessions: any bytes, and honest messages with small changes, signed again or not.
//!
//! The first byte of an input is the phase, the second how the message is made, the rest is the message or what to
//! change. A refused message must leave the session as it was, and the honest one must be accepted after it.

use std::sync::Arc;

use msht_core::secagg::coordinator::{CoordinatorSession, Receipt};
use msht_core::secagg::messages::{COORDINATOR_INDEX, Phase, SignedMessage};
use msht_core::secagg::node::{NodeEvent, NodeSession};
use msht_core::secagg::{Blame, Fault};
use msht_core::testkit::cohort::Cohort;
use msht_core::testkit::forge::{forged_bytes, opened};
use msht_core::testkit::stepwise::Stepwise;

use crate::memory::PREALLOCATED_BYTES;
use crate::patch::patched;
use crate::round::{self, VICTIM};
use crate::{Ceiling, Target};

/// Longest input that is tried: longer than any honest message of the round.
const LONGEST_BYTES: usize = 16 * 1024;
/// What a step of a session may take: keys, shares and the messages of three partners.
const CEILING: Ceiling = Ceiling {
    fixed: 1024 * 1024 + PREALLOCATED_BYTES,
    per_byte: 32,
};

pub(crate) fn targets() -> Vec<Target> {
    let target = |name, run, seeds| Target {
        name,
        longest: LONGEST_BYTES,
        ceiling: CEILING,
        run,
        seeds,
    };
    vec![
        target(
            "session-node",
            node as fn(&[u8]) -> bool,
            node_seeds as fn() -> _,
        ),
        target("session-coordinator", coordinator, coordinator_seeds),
    ]
}

/// The message that an input stands for, made from the honest one.
fn message(cohort: &Cohort, honest: &[u8], how: u8, rest: &[u8]) -> Vec<u8> {
    match how % 4 {
        0 => rest.to_vec(),
        1 => forged_bytes(cohort, honest, |body| *body = rest.to_vec()),
        2 => patched(honest, rest),
        _ => forged_bytes(cohort, honest, |body| *body = patched(body, rest)),
    }
}

thread_local! {
    static REPLIES: [Stepwise; 4] =
        [Phase::Join, Phase::Share, Phase::Mask, Phase::Confirm].map(round::at_reply);
    static SENDINGS: [Stepwise; 5] = Phase::ALL.map(round::at);
}

/// The node as it waits for the coordinator's message of `phase`.
fn waiting(round: &Stepwise) -> NodeSession {
    let mut node = round.restored(VICTIM);
    node.acknowledged();
    node
}

fn node(input: &[u8]) -> bool {
    let Some(([first, how], rest)) = input.split_first_chunk() else {
        return false;
    };
    REPLIES.with(|rounds| {
        let round = rounds.iter().cycle().nth(usize::from(*first % 4));
        let round = round.expect("one of four");
        let mut session = waiting(round);
        let phase = session.phase();
        let honest = round.incoming(phase, VICTIM);
        let bytes = message(&round.cohort, &honest, *how, rest);
        let handled = session.handle_message(&bytes);
        let Err(fault) = handled else {
            // Only what the coordinator signed may be accepted, and it may sign other things than the honest one.
            assert!(
                signed_by_coordinator(&round.cohort, &bytes),
                "accepted a forgery"
            );
            assert!(
                session.poll_transmit().is_none(),
                "sends before its record is durable"
            );
            return true;
        };
        assert_ne!(bytes, honest, "refused the honest message: {fault}");
        assert_eq!(session.phase(), phase, "left the phase");
        assert!(session.poll_record().is_none(), "left a record");
        let after = session.handle_message(&honest);
        assert!(
            matches!(after, Ok(NodeEvent::Advanced(_))),
            "the honest message is refused after a bad one: {after:?}"
        );
        false
    })
}

fn signed_by_coordinator(cohort: &Cohort, bytes: &[u8]) -> bool {
    let message = opened(bytes);
    let key = cohort.context.coordinator();
    let verified = message.verify(
        &cohort.context.round(),
        message.phase,
        COORDINATOR_INDEX,
        key,
    );
    verified.is_ok()
}

fn coordinator(input: &[u8]) -> bool {
    let Some(([first, how], rest)) = input.split_first_chunk() else {
        return false;
    };
    SENDINGS.with(|rounds| {
        let round = rounds.iter().cycle().nth(usize::from(*first % 5));
        let round = round.expect("one of five");
        let context = Arc::clone(&round.cohort.context);
        let identity = Arc::clone(&round.cohort.coordinator);
        let records = round.records.iter().cloned();
        let mut session =
            CoordinatorSession::resume(context, identity, records).expect("its own records");
        let honest = round.outgoing(VICTIM);
        let bytes = message(&round.cohort, &honest, *how, rest);
        let before = session.progress();
        match session.handle_message(&bytes) {
            Ok(_) => {
                assert!(
                    has_its_senders_signature(&round.cohort, &bytes),
                    "accepted a forgery"
                );
                true
            }
            Err(fault) => {
                assert_ne!(bytes, honest, "refused the honest message: {fault}");
                assert_nobody_framed(&round.cohort, &bytes, &fault);
                assert_eq!(session.progress(), before, "a refused message counted");
                assert!(session.take_records().is_empty(), "left a record");
                let after = session.handle_message(&honest);
                assert_eq!(
                    after,
                    Ok(Receipt::Stored),
                    "the honest message after a bad one"
                );
                false
            }
        }
    })
}

fn has_its_senders_signature(cohort: &Cohort, bytes: &[u8]) -> bool {
    let Ok(message) = SignedMessage::from_bytes(bytes, bytes.len()) else {
        return false;
    };
    let Some(key) = cohort.context.key(message.sender) else {
        return false;
    };
    let round = cohort.context.round();
    let verified = message.verify(&round, message.phase, message.sender, key);
    verified.is_ok()
}

/// A partner is named only for what carries its signature.
fn assert_nobody_framed(cohort: &Cohort, bytes: &[u8], fault: &Fault) {
    if let Blame::Partner(index) = fault.blame {
        assert!(has_its_senders_signature(cohort, bytes), "framed: {fault}");
        assert_eq!(opened(bytes).sender, index, "named another than the sender");
    }
}

/// The honest message and its body of every phase, and one change of each.
fn node_seeds() -> Vec<(String, Vec<u8>)> {
    let mut seeds = Vec::new();
    for phase in [Phase::Join, Phase::Share, Phase::Mask, Phase::Confirm] {
        let honest = round::at_reply(phase).incoming(phase, VICTIM);
        seeds.extend(inputs(phase, &honest));
    }
    seeds
}

fn coordinator_seeds() -> Vec<(String, Vec<u8>)> {
    let mut seeds = Vec::new();
    for phase in Phase::ALL {
        let honest = round::at(phase).outgoing(VICTIM);
        seeds.extend(inputs(phase, &honest));
    }
    seeds
}

/// Inputs that stand for the honest message: as it is, by its body, and with nothing changed.
fn inputs(phase: Phase, honest: &[u8]) -> Vec<(String, Vec<u8>)> {
    let body = opened(honest).body.into_vec();
    let made = |how: u8, rest: &[u8]| [&[phase.number(), how], rest].concat();
    let name = |kind| format!("{}-{kind}", phase.word());
    vec![
        (name("whole"), made(0, honest)),
        (name("body"), made(1, &body)),
        (name("unchanged"), made(2, &[])),
        (name("signed-again"), made(3, &[])),
    ]
}
