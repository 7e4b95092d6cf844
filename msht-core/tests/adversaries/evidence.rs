//! Evidence: what a third party can check with nothing but the accused's key, and what it can never be made of.

use msht_core::crypto::{Digest, HexBytes, Identity, IdentityKey, Secret};
use msht_core::programme::{Programme, shipped};
use msht_core::secagg::evidence::{Accusation, Evidence, EvidenceError, Offence, Proof};
use msht_core::secagg::messages::{
    ConfirmBody, ConfirmationsBody, DeliveryBody, JoinBody, MaskBody, Phase, RollBody, SeedKind,
    ShareBody, SignedMessage, SurvivorsBody, UnmaskBody,
};
use msht_core::secagg::{ProgrammeDocument, Signed};
use msht_core::testkit::forge::{
    encoded, flipped, forged, opened, signed_envelope, signed_header, tampered,
};
use msht_core::testkit::stepwise::Stepwise;

use super::framing::{presented, seed_of, seen_in};
use super::options;

/// The partner that contradicts itself.
const LIAR: u8 = 2;

fn round_at(phase: Phase) -> Stepwise {
    let mut round = Stepwise::new(&options(5), 71);
    round.advance_to(phase);
    round
}

/// What the accused is proven to have done, after a journey through a file.
fn proven(evidence: &Evidence) -> Accusation {
    let bytes = evidence.to_bytes().unwrap();
    let read = Evidence::from_bytes(&bytes).unwrap();
    assert_eq!(read, *evidence);
    read.verify().unwrap()
}

pub(super) fn refused(accused: IdentityKey, proof: Proof) -> EvidenceError {
    Evidence { accused, proof }.verify().unwrap_err()
}

pub(super) fn pair<T>(first: T, second: T) -> Box<[T; 2]> {
    Box::new([first, second])
}

/// A second message of the liar for a slot, under its true signature.
fn second_message(round: &Stepwise, phase: Phase, first: &[u8]) -> Vec<u8> {
    let cohort = &round.cohort;
    match phase {
        Phase::Join => forged(cohort, first, |b: &mut JoinBody| b.ledger_length += 1),
        Phase::Share => forged(cohort, first, |b: &mut ShareBody| {
            let mut header = b.header.header.clone();
            header.seeds.own = flipped(header.seeds.own);
            b.header = signed_header(header, &cohort.identity(LIAR));
        }),
        Phase::Mask => forged(cohort, first, |b: &mut MaskBody| b.bad_dealers.push(4)),
        Phase::Confirm => forged(cohort, first, |b: &mut ConfirmBody| {
            b.survivors.pop();
        }),
        Phase::Unmask => forged(cohort, first, |b: &mut UnmaskBody| {
            b.self_shares.pop();
        }),
    }
}

/// The same header, and another envelope to the last receiver under it.
fn second_envelope(round: &Stepwise, first: &[u8]) -> Vec<u8> {
    forged(&round.cohort, first, |b: &mut ShareBody| {
        let last = b.envelopes.last_mut().unwrap();
        let mut envelope = last.envelope.clone();
        envelope.shares.own = flipped(envelope.shares.own);
        *last = signed_envelope(envelope, &round.cohort.identity(LIAR));
    })
}

fn offence_of(phase: Phase) -> Option<Offence> {
    match phase {
        Phase::Join | Phase::Confirm => Some(Offence::PartnerEquivocation {
            phase,
            sender: LIAR,
        }),
        Phase::Share => Some(Offence::TwoHeaders { dealer: LIAR }),
        Phase::Mask | Phase::Unmask => None,
    }
}

/// Hands a second message in, `early` while its phase is open or after it was closed; what the coordinator proves.
fn kept_of(round: &mut Stepwise, phase: Phase, second: &[u8], early: bool) -> Vec<Evidence> {
    if early {
        let first = round.outgoing(LIAR);
        round.coordinator.handle_message(&first).unwrap();
    } else {
        round.collect();
        round.close();
        // Phases later too: the first message is long out of the hands of its phase.
        for later in Phase::ALL.into_iter().filter(|later| *later > phase) {
            round.deliver(Phase::ALL[usize::from(later.number()) - 1]);
            round.collect();
            round.close();
        }
    }
    assert!(round.coordinator.handle_message(second).is_err());
    let kept = round.coordinator.take_evidence();
    assert!(round.coordinator.handle_message(second).is_err());
    let again = round.coordinator.take_evidence();
    assert!(again.is_empty(), "one proof a slot");
    kept
}

#[test]
fn a_partner_that_equivocates_is_proven_wrong_in_every_phase_whose_messages_may_be_shown() {
    for phase in Phase::ALL {
        for early in [true, false] {
            let mut round = round_at(phase);
            let second = second_message(&round, phase, &round.outgoing(LIAR));
            let kept = kept_of(&mut round, phase, &second, early);
            let accused = round.cohort.identity(LIAR).key();
            let offences: Vec<Accusation> = kept.iter().map(proven).collect();
            let expected = offence_of(phase).map(|offence| Accusation {
                accused,
                round: Some(round.cohort.context.round()),
                offence,
            });
            assert_eq!(
                offences,
                Vec::from_iter(expected),
                "{}, {early}",
                phase.word()
            );
        }
    }
}

#[test]
fn two_envelopes_under_one_header_prove_their_dealer_wrong() {
    for early in [true, false] {
        let mut round = round_at(Phase::Share);
        let second = second_envelope(&round, &round.outgoing(LIAR));
        let kept = kept_of(&mut round, Phase::Share, &second, early);
        let expected = Offence::TwoEnvelopes {
            dealer: LIAR,
            receiver: 5,
        };
        assert_eq!(kept.len(), 1);
        assert_eq!(proven(&kept[0]).offence, expected);
    }
}

/// The coordinator's message of a phase to the liar, and a different one, both under its signature.
fn two_answers(round: &Stepwise, phase: Phase) -> [SignedMessage; 2] {
    let cohort = &round.cohort;
    let first = round.incoming(phase, LIAR);
    let second = match phase {
        Phase::Join => forged(cohort, &first, |b: &mut RollBody| b.joins.truncate(4)),
        Phase::Share => forged(cohort, &first, |b: &mut DeliveryBody| {
            b.headers.truncate(4);
            b.envelopes.truncate(3);
        }),
        Phase::Mask => forged(cohort, &first, |b: &mut SurvivorsBody| {
            b.survivors.pop();
        }),
        _ => forged(cohort, &first, |b: &mut ConfirmationsBody| {
            b.confirmations.pop();
        }),
    };
    [opened(&first), opened(&second)]
}

#[test]
fn a_coordinator_that_signs_two_rolls_dealer_sets_survivor_sets_or_confirmations_is_proven_wrong() {
    for phase in [Phase::Join, Phase::Share, Phase::Mask, Phase::Confirm] {
        let mut round = round_at(phase);
        round.collect();
        round.close();
        let [first, second] = two_answers(&round, phase);
        let node = round.nodes.get_mut(&LIAR).unwrap();
        node.handle_message(&encoded(&first)).unwrap();
        node.record_stored();
        node.acknowledged();
        let again = encoded(&second);
        assert!(node.handle_message(&again).is_err());
        assert_eq!(node.contradiction(&encoded(&first)), None, "no second one");
        let evidence = node.contradiction(&again).unwrap();
        let accusation = proven(&evidence);
        assert_eq!(accusation.accused, round.cohort.coordinator.key());
        let expected = Offence::CoordinatorEquivocation { phase };
        assert_eq!(accusation.offence, expected);
        // The twin: somebody else's second message proves nothing, not even for the node that was sent it.
        let forged = tampered(&again, |m| m.signature = flipped(m.signature));
        assert_eq!(node.contradiction(&forged), None);
    }
}

#[test]
fn deliveries_to_different_nodes_differ_and_prove_nothing_unless_their_headers_do() {
    let mut round = round_at(Phase::Share);
    round.collect();
    round.close();
    let coordinator = round.cohort.coordinator.key();
    let to = |index| opened(&round.incoming(Phase::Share, index));
    assert_eq!(Evidence::of_messages(coordinator, &to(1), &to(3)), None);
    let proof = Proof::Messages(pair(to(1), to(3)));
    assert_eq!(refused(coordinator, proof), EvidenceError::NoContradiction);

    let [_, fewer_headers] = two_answers(&round, Phase::Share);
    let evidence = Evidence::of_messages(coordinator, &to(1), &fewer_headers).unwrap();
    let phase = Phase::Share;
    let expected = Offence::CoordinatorEquivocation { phase };
    assert_eq!(proven(&evidence).offence, expected);

    let same_headers = forged(
        &round.cohort,
        &round.incoming(Phase::Share, 1),
        |b: &mut DeliveryBody| {
            let mut envelope = b.envelopes[0].envelope.clone();
            envelope.shares.mask = flipped(envelope.shares.mask);
            b.envelopes[0] = signed_envelope(envelope, &round.cohort.identity(LIAR));
        },
    );
    let second = opened(&same_headers);
    let evidence = Evidence::of_messages(coordinator, &to(1), &second).unwrap();
    assert_eq!(proven(&evidence).offence, expected);
}

#[test]
fn a_coordinator_that_signs_two_documents_of_one_identity_is_proven_wrong() {
    let round = round_at(Phase::Join);
    let identity = &round.cohort.coordinator;
    let key = identity.key();
    let announcement = round.cohort.context.announcement().as_signed().clone();
    let roster = round.cohort.context.roster().as_signed().clone();
    let mut other = announcement.content.clone();
    other.thresholds.colluders += 1;
    let other = Signed::sign(other, identity).unwrap();
    let proof = Proof::Announcements(pair(announcement.clone(), other));
    let offence = proven(&Evidence::proven(key, proof).unwrap()).offence;
    assert!(matches!(
        offence,
        Offence::TwoAnnouncements { attempt: 1, .. }
    ));
    let mut next = announcement.content.clone();
    next.attempt = 2;
    let next = Signed::sign(next, identity).unwrap();
    let honest = Proof::Announcements(pair(announcement.clone(), next));
    assert_eq!(refused(key, honest), EvidenceError::Unrelated);
    let same = Proof::Announcements(pair(announcement.clone(), announcement));
    assert_eq!(refused(key, same), EvidenceError::NoContradiction);

    let mut other = roster.content.clone();
    other.partners.pop();
    let signed = |content| Signed::sign(content, identity).unwrap();
    let proof = Proof::Rosters(pair(roster.clone(), signed(other.clone())));
    let offence = proven(&Evidence::proven(key, proof).unwrap()).offence;
    assert_eq!(offence, Offence::TwoRosters { version: 1 });
    other.version = 2;
    let honest = Proof::Rosters(pair(roster, signed(other)));
    assert_eq!(refused(key, honest), EvidenceError::Unrelated);
}

#[test]
fn a_programme_written_differently_is_no_second_programme() {
    let identity = Identity::from_seed(Secret::from_bytes([7; 32])).unwrap();
    let text = shipped("msin").unwrap();
    let document = |toml: String| Signed::sign(ProgrammeDocument { toml }, &identity).unwrap();
    let first = document(text.to_owned());
    let spelled = Proof::Programmes(pair(first.clone(), document(format!("# new\n{text}"))));
    assert_eq!(
        refused(identity.key(), spelled),
        EvidenceError::NoContradiction
    );
    let programme = Programme::parse(text).unwrap();
    let title = format!("title = \"{}\"", programme.title());
    let changed = text.replacen(&title, "title = \"Another\"", 1);
    assert_ne!(changed, text);
    let proof = Proof::Programmes(pair(first.clone(), document(changed)));
    let offence = proven(&Evidence::proven(identity.key(), proof).unwrap()).offence;
    assert!(matches!(offence, Offence::TwoProgrammes { .. }));
    let unrelated = document(shipped("nrm").unwrap().to_owned());
    let unrelated = Proof::Programmes(pair(first, unrelated));
    assert_eq!(refused(identity.key(), unrelated), EvidenceError::Unrelated);
}

/// Two Confirm messages of the liar: the smallest evidence there is.
fn two_confirms() -> (Stepwise, Evidence) {
    let round = round_at(Phase::Confirm);
    let first = round.outgoing(LIAR);
    let second = second_message(&round, Phase::Confirm, &first);
    let accused = round.cohort.identity(LIAR).key();
    let evidence = Evidence::of_messages(accused, &opened(&first), &opened(&second)).unwrap();
    (round, evidence)
}

#[test]
fn evidence_with_any_bit_changed_proves_nothing() {
    let (_, evidence) = two_confirms();
    let bytes = evidence.to_bytes().unwrap();
    for place in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[place] ^= 1 << bit;
            let verdict = Evidence::from_bytes(&changed).and_then(|read| read.verify());
            assert!(verdict.is_err(), "byte {place}, bit {bit}");
        }
    }
    for length in 0..bytes.len() {
        assert!(Evidence::from_bytes(&bytes[..length]).is_err());
    }
    assert!(Evidence::from_bytes(&[bytes.as_slice(), &[0]].concat()).is_err());
}

#[test]
fn evidence_is_refused_against_another_key_and_over_other_slots() {
    let (round, evidence) = two_confirms();
    let Proof::Messages(both) = evidence.proof.clone() else {
        panic!("two messages");
    };
    let [first, second] = *both;
    let other = round.cohort.identity(3).key();
    let proof = Proof::Messages(pair(first.clone(), second.clone()));
    assert_eq!(refused(other, proof), EvidenceError::Signature);
    let accused = evidence.accused;
    let same = Proof::Messages(pair(first.clone(), first.clone()));
    assert_eq!(refused(accused, same), EvidenceError::NoContradiction);
    let resigned = |change: &dyn Fn(&mut SignedMessage)| {
        let mut message = second.clone();
        change(&mut message);
        let key = round.cohort.identity(LIAR);
        message.signature = msht_core::secagg::messages::sign_message(
            &key,
            &message.round,
            message.phase,
            message.sender,
            message.body.as_ref(),
        );
        Proof::Messages(pair(first.clone(), message))
    };
    let elsewhere: [&dyn Fn(&mut SignedMessage); 3] = [
        &|m| m.round = flipped(m.round),
        &|m| m.phase = Phase::Join,
        &|m| m.sender = 3,
    ];
    for change in elsewhere {
        assert_eq!(refused(accused, resigned(change)), EvidenceError::Unrelated);
    }
}

#[test]
fn no_evidence_carries_a_masked_vector_or_shares_of_other_partners() {
    for phase in [Phase::Mask, Phase::Unmask] {
        let round = round_at(phase);
        let first = round.outgoing(LIAR);
        let second = opened(&second_message(&round, phase, &first));
        let accused = round.cohort.identity(LIAR).key();
        let first = opened(&first);
        assert_eq!(Evidence::of_messages(accused, &first, &second), None);
        let proof = Proof::Messages(pair(first, second));
        assert_eq!(refused(accused, proof), EvidenceError::Private);
    }
    // A coordinator signs nothing of this kind in Unmask, and nobody could tell what is in it.
    let round = round_at(Phase::Unmask);
    let mut first = opened(&round.outgoing(LIAR));
    first.sender = 0;
    let mut second = first.clone();
    second.body = vec![1].into();
    let proof = Proof::Messages(pair(first, second));
    let accused = round.cohort.coordinator.key();
    assert_eq!(refused(accused, proof), EvidenceError::Private);
    // Shares are sealed in a Share; only the parts that contradict each other are shown all the same.
    let round = round_at(Phase::Share);
    let first = opened(&round.outgoing(LIAR));
    let second = opened(&second_message(&round, Phase::Share, &round.outgoing(LIAR)));
    let accused = round.cohort.identity(LIAR).key();
    let proof = Proof::Messages(pair(first, second));
    assert_eq!(refused(accused, proof), EvidenceError::Private);
}

fn sha256(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    HexBytes::<32>(digest.as_ref().try_into().unwrap()).to_string()
}

#[test]
fn files_of_evidence_have_the_frozen_bytes() {
    let mut lines = Vec::new();
    for (name, proof) in built_proofs() {
        let accused = IdentityKey::from_bytes([9; 32]);
        let evidence = Evidence { accused, proof };
        let bytes = evidence.to_bytes().unwrap();
        assert_eq!(Evidence::from_bytes(&bytes).unwrap(), evidence);
        lines.push(format!("{name}, {} bytes, {}", bytes.len(), sha256(&bytes)));
    }
    for phase in [Phase::Join, Phase::Share, Phase::Confirm] {
        let round = round_at(phase);
        let first = round.outgoing(LIAR);
        let mut seconds = vec![second_message(&round, phase, &first)];
        if phase == Phase::Share {
            seconds.push(second_envelope(&round, &first));
        }
        for second in seconds {
            let accused = round.cohort.identity(LIAR).key();
            let evidence = Evidence::of_messages(accused, &opened(&first), &opened(&second));
            let bytes = evidence.unwrap().to_bytes().unwrap();
            lines.push(format!(
                "{}, {} bytes, {}",
                phase.word(),
                bytes.len(),
                sha256(&bytes)
            ));
            if phase == Phase::Confirm {
                lines.push(bytes.iter().map(|byte| format!("{byte:02x}")).collect());
            }
        }
    }
    let frozen = include_str!("../vectors/evidence.txt");
    let expected: Vec<&str> = frozen.lines().filter(|l| !l.starts_with('#')).collect();
    assert_eq!(
        expected,
        lines,
        "the format changed; that is a new version. Computed:\n{}",
        lines.join("\n")
    );
    let whole = Evidence::from_bytes(&hex_bytes(expected[expected.len() - 1])).unwrap();
    assert_eq!(
        whole.verify().unwrap().offence,
        offence_of(Phase::Confirm).unwrap()
    );
    assert_ne!(whole.verify().unwrap().round, Some(Digest::ZERO));
}

/// One of each form that no two messages make; that they prove nothing changes nothing about their bytes.
fn built_proofs() -> Vec<(&'static str, Proof)> {
    let mut round = Stepwise::new(&options(5), 73);
    let seen = seen_in(&mut round);
    let announcement = round.cohort.context.announcement().as_signed().clone();
    let roster = round.cohort.context.roster().as_signed().clone();
    let toml = "id = 1".to_owned();
    let programme = Signed::sign(ProgrammeDocument { toml }, &round.cohort.coordinator).unwrap();
    let shares = Box::new(presented(&round, &seen, 1, SeedKind::Own));
    let seed = Box::new(seed_of(&round, &seen, 1, Some(0)));
    vec![
        ("shares", Proof::Shares(shares)),
        ("seed", Proof::Seed(seed)),
        (
            "announcements",
            Proof::Announcements(pair(announcement.clone(), announcement)),
        ),
        ("rosters", Proof::Rosters(pair(roster.clone(), roster))),
        (
            "programmes",
            Proof::Programmes(pair(programme.clone(), programme)),
        ),
    ]
}

fn hex_bytes(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}
