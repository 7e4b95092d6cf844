//! The node's checks N5 to N8 against a coordinator and partners that hold real keys and lie.
//!
//! Every case is refused by the check with its number, leaves the phase as it was, and is followed by the honest
//! message, which is accepted.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod confirmations;
mod deliveries;
mod restored;
mod rolls;

use std::sync::Arc;

use msht_core::crypto::{HexBytes, Identity, Secret};
use msht_core::secagg::messages::{
    COORDINATOR_INDEX, ConfirmBody, Confirmation, ConfirmationsBody, DeliveryBody, JoinBody,
    MaskBody, Phase, RollBody, ShareBody, SignedMessage, SurvivorsBody, UnmaskBody, sign_message,
};
use msht_core::secagg::node::{NodeEvent, NodeRecord, NodeSession};
use msht_core::secagg::{Check, Fault, Violation};
use msht_core::testkit::cohort::{Cohort, CohortOptions};
use msht_core::testkit::forge::{
    body_of, encoded, flipped, forged, forged_bytes, opened, seeds_of, signed_envelope,
    signed_header, tampered,
};
use msht_core::testkit::stepwise::Stepwise;

/// The partner whose checks are tested; 1 is before it in the list, 3 to 5 after it.
const VICTIM: u8 = 2;

fn options(partners: u8) -> CohortOptions {
    CohortOptions {
        partners,
        ..CohortOptions::default()
    }
}

fn round_at_reply(phase: Phase) -> Stepwise {
    let mut round = Stepwise::new(&options(5), 21);
    round.advance_to_reply(phase);
    round
}

type Case = (&'static str, Vec<u8>, Violation);

/// Each case is refused by `check` and nothing comes of it; then the honest message is accepted.
fn assert_refused(round: &mut Stepwise, phase: Phase, check: Check, cases: Vec<Case>) {
    let honest = round.incoming(phase, VICTIM);
    let node = round.nodes.get_mut(&VICTIM).unwrap();
    for (name, bytes, violation) in cases {
        let refused = node.handle_message(&bytes);
        assert_eq!(refused, Err(Fault::coordinator(check, violation)), "{name}");
        assert!(node.poll_record().is_none(), "{name}: left a record");
        assert!(node.poll_transmit().is_none(), "{name}: left a message");
        assert_eq!(node.awaiting(), Some(phase), "{name}: left the phase");
    }
    let event = node.handle_message(&honest).unwrap();
    assert!(
        matches!(event, NodeEvent::Advanced(_)),
        "the right message goes on"
    );
    assert_eq!(node.handle_message(&honest), Ok(NodeEvent::Repeated));
}

/// What any message of the coordinator can have wrong with it.
fn outer_cases(round: &Stepwise, phase: Phase) -> Vec<Case> {
    let honest = round.incoming(phase, VICTIM);
    let other = Cohort::new(
        &CohortOptions {
            attempt: 2,
            ..options(5)
        },
        21,
    );
    let signed_by = |identity: &Identity, sender| {
        tampered(&honest, |message| {
            message.sender = sender;
            message.signature = sign_message(
                identity,
                &message.round,
                message.phase,
                sender,
                message.body.as_ref(),
            );
        })
    };
    let mut longer = honest.clone();
    longer.push(0);
    let next = Phase::ALL[usize::from(phase.number() + 1) % 5];
    vec![
        ("trailing bytes", longer, Violation::Encoding),
        (
            "cut short",
            honest[..honest.len() - 1].to_vec(),
            Violation::Encoding,
        ),
        (
            "trailing bytes in the body",
            forged_bytes(&round.cohort, &honest, |body| body.push(0)),
            Violation::Encoding,
        ),
        (
            "signature changed",
            tampered(&honest, |m| m.signature = flipped(m.signature)),
            Violation::Signature,
        ),
        (
            "signed by a partner as the coordinator",
            signed_by(&round.cohort.identity(1), COORDINATOR_INDEX),
            Violation::Signature,
        ),
        (
            "sent by a partner",
            signed_by(&round.cohort.identity(1), 1),
            Violation::Misdirected,
        ),
        (
            "another round's",
            tampered(&honest, |m| m.round = other.context.round()),
            Violation::Misdirected,
        ),
        (
            "another phase's",
            tampered(&honest, |m| m.phase = next),
            Violation::Misdirected,
        ),
    ]
}

fn survivors_message(cohort: &Cohort, survivors: &[u8]) -> Vec<u8> {
    let body = SurvivorsBody {
        survivors: survivors.to_vec(),
    };
    let round = cohort.context.round();
    let signed = SignedMessage::sign(
        &cohort.coordinator,
        round,
        Phase::Mask,
        COORDINATOR_INDEX,
        &body,
    );
    signed.unwrap().to_bytes().unwrap()
}

/// Confirmations of `confirm` by `signers`, whoever they are.
fn confirmations_message(cohort: &Cohort, confirm: &ConfirmBody, signers: &[u8]) -> Vec<u8> {
    let round = cohort.context.round();
    let confirmation = |partner: &u8| Confirmation {
        partner: *partner,
        signature: sign_message(
            &cohort.identity(*partner),
            &round,
            Phase::Confirm,
            *partner,
            &encoded(confirm),
        ),
    };
    let body = ConfirmationsBody {
        confirmations: signers.iter().map(confirmation).collect(),
    };
    let signed = SignedMessage::sign(
        &cohort.coordinator,
        round,
        Phase::Confirm,
        COORDINATOR_INDEX,
        &body,
    );
    signed.unwrap().to_bytes().unwrap()
}

/// The Unmask of a node that has just confirmed, its set confirmed by `signers`.
fn unmasked_by(cohort: &Cohort, node: &mut NodeSession, signers: &[u8]) -> UnmaskBody {
    node.record_stored();
    let confirm: ConfirmBody = body_of(node.poll_transmit().unwrap());
    let confirmations = confirmations_message(cohort, &confirm, signers);
    node.handle_message(&confirmations).unwrap();
    node.record_stored();
    body_of(node.poll_transmit().unwrap())
}
