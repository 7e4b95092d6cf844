//! Every field of every message changed, in both directions and all phases.
//!
//! Each change is sent in up to three ways: with the signature it had; signed again by its true sender; and signed
//! again by the sender and by every partner whose header, envelope or Join it carries, as if they all colluded. The
//! receiver refuses, blames nobody honest, and is as it was: the honest message is accepted afterwards. Where a
//! changed value is one that an honest party could have sent, an exception says so, field by field; an exception that
//! nothing needs fails, and so does a new field that nobody thought of.

use std::collections::BTreeMap;
use std::sync::Arc;

use msht_core::crypto::Identity;
use msht_core::secagg::coordinator::{CoordinatorSession, Receipt};
use msht_core::secagg::messages::{
    ConfirmBody, ConfirmationsBody, DeliveryBody, JoinBody, MaskBody, Phase, RollBody, ShareBody,
    SignedMessage, SurvivorsBody, UnmaskBody, sign_message,
};
use msht_core::secagg::node::{NodeEvent, NodeSession};
use msht_core::secagg::{Blame, Fault, Violation};
use msht_core::testkit::cohort::Cohort;
use msht_core::testkit::forge::{body_of, encoded, forged, opened, signed_envelope, signed_header};
use msht_core::testkit::mutate::{Mutation, Tree};
use msht_core::testkit::stepwise::Stepwise;
use msht_core::wire::{MAX_ENCODED_BYTES, decode};

use super::options;

/// Partners invited: t = m = 5, c = 2, so that one may be lost and one envelope be bad.
const PARTNERS: u8 = 7;
/// The partner that lies to the coordinator, or that is lied to.
const US: u8 = 2;
/// A dealer whose envelope to us does not open, so that we have a complaint.
const CARELESS: u8 = 4;
/// A partner that shares and vanishes.
const LOST: u8 = 7;

/// With whose keys a changed message is signed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signing {
    /// Nobody's.
    Old,
    /// Its sender's.
    Sender,
    /// Its sender's, and those of everybody whose parts it carries but ours.
    Everybody,
}

/// A change that an honest party could have sent, and why it does no harm.
type Exception = (&'static str, &'static str);

/// A round in which the partners' messages of `phase` are ready.
fn ready(phase: Phase) -> Stepwise {
    let mut round = Stepwise::new(&options(PARTNERS), 74);
    round.advance_to(phase.min(Phase::Share));
    if phase > Phase::Share {
        deal(&mut round);
        round.deliver(Phase::Share);
        round.lose(LOST);
        round.advance_to(phase);
    }
    round
}

/// Everybody deals, one of them carelessly, and the coordinator closes Share.
fn deal(round: &mut Stepwise) {
    let honest = round.outgoing(CARELESS);
    let careless = round.cohort.identity(CARELESS);
    let spoiled = forged(&round.cohort, &honest, |b: &mut ShareBody| {
        let to_us = b.envelopes.iter_mut();
        for signed in to_us.filter(|each| each.envelope.receiver == US) {
            let mut envelope = signed.envelope.clone();
            envelope.sealed = vec![0; envelope.sealed.as_ref().len()].into();
            *signed = signed_envelope(envelope, &careless);
        }
    });
    round.coordinator.handle_message(&spoiled).unwrap();
    round.collect_all_but(CARELESS);
    round.close();
}

/// A round in which the coordinator's answer of `phase` is ready.
fn answered(phase: Phase) -> Stepwise {
    let mut round = ready(phase);
    if phase == Phase::Share {
        deal(&mut round);
    } else {
        round.collect();
        round.close();
    }
    round
}

/// A message taken apart, its body too.
fn tree_of(bytes: &[u8], body: Tree) -> Tree {
    let mut tree = Tree::of(&opened(bytes));
    tree.field("body").unwrap().nest(body);
    tree
}

/// A roll taken apart, and each Join in it.
fn roll_tree(bytes: &[u8]) -> Tree {
    let roll: RollBody = body_of(bytes);
    let mut body = Tree::of(&roll);
    let items = body.field("joins").unwrap().items().iter_mut();
    for (item, join) in items.zip(&roll.joins) {
        let inner: JoinBody = decode(join.body.as_ref(), MAX_ENCODED_BYTES).unwrap();
        item.field("body").unwrap().nest(Tree::of(&inner));
    }
    tree_of(bytes, body)
}

/// The key of a partner that the adversary has corrupted: anybody's but ours.
fn corrupted(cohort: &Cohort, index: u8) -> Option<Arc<Identity>> {
    let known = (1..=PARTNERS).contains(&index) && index != US;
    known.then(|| cohort.identity(index))
}

/// Signs what a message carries again, as its parts' own signers would; the changed field stays as it was changed.
trait Parts {
    fn sign_again(&mut self, cohort: &Cohort, path: &str);
}

impl Parts for RollBody {
    fn sign_again(&mut self, cohort: &Cohort, path: &str) {
        for join in &mut self.joins {
            let (round, phase, body) = (join.round, join.phase, join.body.as_ref());
            if let Some(key) = corrupted(cohort, join.sender).filter(|_| path.contains('[')) {
                join.signature = sign_message(&key, &round, phase, join.sender, body);
            }
        }
    }
}

impl Parts for ShareBody {
    fn sign_again(&mut self, cohort: &Cohort, path: &str) {
        let us = cohort.identity(US);
        self.header = signed_header(self.header.header.clone(), &us);
        let digest = self.header.header.digest().unwrap();
        for signed in &mut self.envelopes {
            let mut envelope = signed.envelope.clone();
            if !path.ends_with("header_digest") {
                envelope.header_digest = digest;
            }
            *signed = signed_envelope(envelope, &us);
        }
    }
}

impl Parts for DeliveryBody {
    fn sign_again(&mut self, cohort: &Cohort, path: &str) {
        if !path.contains('[') {
            return;
        }
        let mut digests = BTreeMap::new();
        for (signed, dealer) in self.headers.iter_mut().zip(1..) {
            if let Some(key) = corrupted(cohort, dealer) {
                *signed = signed_header(signed.header.clone(), &key);
            }
            digests.insert(dealer, signed.header.digest().unwrap());
        }
        let dealers = (1..=PARTNERS).filter(|dealer| *dealer != US);
        for (signed, dealer) in self.envelopes.iter_mut().zip(dealers) {
            let mut envelope = signed.envelope.clone();
            if !path.ends_with("header_digest") {
                envelope.header_digest = digests[&dealer];
            }
            *signed = signed_envelope(envelope, &cohort.identity(dealer));
        }
    }
}

macro_rules! without_parts {
    ($($body:ty),*) => {
        $(impl Parts for $body {
            fn sign_again(&mut self, _: &Cohort, _: &str) {}
        })*
    };
}

without_parts!(
    JoinBody,
    MaskBody,
    ConfirmBody,
    UnmaskBody,
    SurvivorsBody,
    ConfirmationsBody
);

/// The bytes of a changed message, signed again as asked for, where they can still be read as one.
fn signed_again<B>(
    cohort: &Cohort,
    mutation: &Mutation,
    signing: Signing,
    sender: &Identity,
) -> Vec<u8>
where
    B: Parts + serde::Serialize + serde::de::DeserializeOwned,
{
    let bytes = mutation.tree.encoded();
    let message = SignedMessage::from_bytes(&bytes, MAX_ENCODED_BYTES);
    let (Ok(mut message), true) = (message, signing != Signing::Old) else {
        return bytes;
    };
    let body: Result<B, _> = decode(message.body.as_ref(), MAX_ENCODED_BYTES);
    let is_signature = mutation.path.ends_with("signature");
    if let (Ok(mut body), Signing::Everybody, false) = (body, signing, is_signature) {
        body.sign_again(cohort, &mutation.path);
        message.body = encoded(&body).into();
    }
    if mutation.path != "signature" {
        let (round, phase, content) = (message.round, message.phase, message.body.as_ref());
        message.signature = sign_message(sender, &round, phase, message.sender, content);
    }
    encoded(&message)
}

/// Whether a name fits a pattern, in which `*` stands for anything.
fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    for (place, part) in parts.iter().enumerate() {
        if place + 1 == parts.len() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(found) => rest = &rest[found + part.len()..],
            None => return false,
        }
    }
    rest.is_empty()
}

/// Counts what was refused, and which exceptions were needed.
struct Tally<'a> {
    exceptions: &'a [Exception],
    needed: Vec<usize>,
    refused: usize,
}

impl<'a> Tally<'a> {
    fn new(exceptions: &'a [Exception]) -> Self {
        Self {
            exceptions,
            needed: vec![0; exceptions.len()],
            refused: 0,
        }
    }

    fn accepted(&mut self, name: &str, signing: Signing) {
        let place = self
            .exceptions
            .iter()
            .position(|(pattern, _)| fits(pattern, name));
        match place {
            Some(place) => self.needed[place] += 1,
            None => panic!("{signing:?}, {name}: accepted, and no exception says why"),
        }
    }

    fn end(self, message: &str, signing: Signing, least: usize) {
        let accepted: usize = self.needed.iter().sum();
        println!(
            "{message}, {signing:?}: {} refused, {accepted} excepted",
            self.refused
        );
        assert!(self.refused >= least, "{message}: {} refused", self.refused);
        for ((pattern, reason), needed) in self.exceptions.iter().zip(self.needed) {
            assert!(
                needed > 0,
                "{message}, {signing:?}: nothing needs `{pattern}` ({reason})"
            );
        }
    }
}

/// Every change of our message of a phase goes to the coordinator.
fn to_coordinator<B>(phase: Phase, signing: Signing, exceptions: &[Exception])
where
    B: Parts + serde::Serialize + serde::de::DeserializeOwned,
{
    let round = ready(phase);
    let honest = round.outgoing(US);
    let us = round.cohort.identity(US);
    let tree = tree_of(&honest, Tree::of(&body_of::<B>(&honest)));
    let fresh = || {
        let (context, identity) = (&round.cohort.context, &round.cohort.coordinator);
        let records = round.records.iter().cloned();
        CoordinatorSession::resume(Arc::clone(context), Arc::clone(identity), records).unwrap()
    };
    let mut session = fresh();
    let progress = session.progress();
    let mut tally = Tally::new(exceptions);
    for mutation in tree.mutations() {
        let bytes = signed_again::<B>(&round.cohort, &mutation, signing, &us);
        if bytes == honest {
            continue;
        }
        let name = mutation.name();
        match session.handle_message(&bytes) {
            Ok(receipt) => {
                assert_eq!(receipt, Receipt::Stored, "{name}");
                tally.accepted(&name, signing);
                session = fresh();
            }
            Err(fault) => {
                assert_partner_blamed(&mutation, signing, &fault);
                assert!(session.take_records().is_empty(), "{name}");
                assert_eq!(session.progress(), progress, "{name}");
                tally.refused += 1;
            }
        }
    }
    assert_eq!(session.handle_message(&honest), Ok(Receipt::Stored));
    tally.end(&format!("{} to the coordinator", phase.word()), signing, 20);
}

/// What carries its sender's signature is the sender's fault, and what does not is nobody's that can be named.
fn assert_partner_blamed(mutation: &Mutation, signing: Signing, fault: &Fault) {
    let name = mutation.name();
    let signed_by_us = signing != Signing::Old && mutation.path.starts_with("body");
    let unreadable = fault.violation == Violation::Encoding;
    match fault.blame {
        Blame::Partner(US) => {
            assert_ne!(signing, Signing::Old, "{name}: named without a signature")
        }
        Blame::Caller => assert!(!signed_by_us || unreadable, "{name}: {fault}"),
        _ => panic!("{name}: somebody honest is blamed: {fault}"),
    }
}

/// Every change of the coordinator's answer of a phase goes to us.
fn to_node<B>(phase: Phase, signing: Signing, exceptions: &[Exception])
where
    B: Parts + serde::Serialize + serde::de::DeserializeOwned,
{
    let round = answered(phase);
    let honest = round.incoming(phase, US);
    let coordinator = Arc::clone(&round.cohort.coordinator);
    let tree = match phase {
        Phase::Join => roll_tree(&honest),
        _ => tree_of(&honest, Tree::of(&body_of::<B>(&honest))),
    };
    let fresh = || {
        let mut node = round.restored(US);
        node.acknowledged();
        node
    };
    let mut node = fresh();
    let mut tally = Tally::new(exceptions);
    for mutation in tree.mutations() {
        let bytes = signed_again::<B>(&round.cohort, &mutation, signing, &coordinator);
        if bytes == honest {
            continue;
        }
        let name = mutation.name();
        match node.handle_message(&bytes) {
            Ok(_) => {
                tally.accepted(&name, signing);
                assert_still_ours(phase, &mutation, &mut node);
                node = fresh();
            }
            Err(fault) => {
                assert_eq!(fault.blame, Blame::Coordinator, "{name}: {fault}");
                assert!(node.poll_record().is_none(), "{name}: left a record");
                assert!(node.poll_transmit().is_none(), "{name}: left a message");
                assert_eq!(node.awaiting(), Some(phase), "{name}: left the phase");
                tally.refused += 1;
            }
        }
    }
    let event = node.handle_message(&honest);
    assert!(matches!(event, Ok(NodeEvent::Advanced(_))), "{event:?}");
    tally.end(&format!("{} to a node", phase.word()), signing, 20);
}

/// What was accepted although it was changed: nothing of ours, and a changed envelope only as a bad one.
fn assert_still_ours(phase: Phase, mutation: &Mutation, node: &mut NodeSession) {
    let name = mutation.name();
    for ours in ["body.joins[1]", "body.headers[1]"] {
        assert!(!mutation.path.starts_with(ours), "{name}");
    }
    node.record_stored();
    let reply = node.poll_transmit().unwrap().to_vec();
    match phase {
        Phase::Share => {
            let listed: MaskBody = body_of(&reply);
            let place = mutation.path.strip_prefix("body.envelopes[");
            let place = place.and_then(|rest| rest.split(']').next()?.parse::<usize>().ok());
            if let Some(place) = place {
                let dealer = [1, 3, 4, 5, 6, 7][place];
                assert!(listed.bad_dealers.contains(&dealer), "{name}");
            }
        }
        Phase::Mask => {
            let confirm: ConfirmBody = body_of(&reply);
            assert!(confirm.survivors.contains(&US), "{name}");
            assert!(confirm.survivors.len() >= 5, "{name}");
        }
        _ => {}
    }
}

const OWN_KEYS: &str = "only the pairs with that partner depend on its keys";
const OWN_LEDGER: &str = "only that partner knows its ledger";
const OTHER_JOINS: [Exception; 8] = [
    ("body.channel.x25519: *", OWN_KEYS),
    ("body.channel.ml_kem: * bit", OWN_KEYS),
    ("body.channel.ml_kem: zeros", OWN_KEYS),
    ("body.mask.x25519: *", OWN_KEYS),
    ("body.mask.ml_kem: * bit", OWN_KEYS),
    ("body.mask.ml_kem: zeros", OWN_KEYS),
    ("body.ledger_length: *", OWN_LEDGER),
    ("body.ledger_head: *", OWN_LEDGER),
];

#[test]
fn every_field_of_join_changed_is_refused() {
    to_coordinator::<JoinBody>(Phase::Join, Signing::Old, &[]);
    to_coordinator::<JoinBody>(Phase::Join, Signing::Sender, &OTHER_JOINS);
}

const HELD_TO: &str = "a dealer may commit to what it likes; C5 holds it to that";
const SEALED: &str = "only the receiver can tell, and lists the dealer (N6)";

#[test]
fn every_field_of_share_changed_is_refused() {
    to_coordinator::<ShareBody>(Phase::Share, Signing::Old, &[]);
    to_coordinator::<ShareBody>(Phase::Share, Signing::Sender, &[]);
    let exceptions = [
        ("body.header.header.seeds.mask: *", HELD_TO),
        ("body.header.header.seeds.own: *", HELD_TO),
        ("body.header.header.own_shares.mask: *", HELD_TO),
        ("body.header.header.own_shares.own: *", HELD_TO),
        ("body.envelopes[*].envelope.shares.mask: *", SEALED),
        ("body.envelopes[*].envelope.shares.own: *", SEALED),
        (
            "body.envelopes[*].envelope.channel_ciphertext: * bit",
            SEALED,
        ),
        (
            "body.envelopes[*].envelope.channel_ciphertext: zeros",
            SEALED,
        ),
        (
            "body.envelopes[*].envelope.channel_ciphertext: ones",
            SEALED,
        ),
        ("body.envelopes[*].envelope.mask_ciphertext: * bit", SEALED),
        ("body.envelopes[*].envelope.mask_ciphertext: zeros", SEALED),
        ("body.envelopes[*].envelope.mask_ciphertext: ones", SEALED),
        ("body.envelopes[*].envelope.sealed: * bit", SEALED),
        ("body.envelopes[*].envelope.sealed: zeros", SEALED),
        ("body.envelopes[*].envelope.sealed: ones", SEALED),
    ];
    to_coordinator::<ShareBody>(Phase::Share, Signing::Everybody, &exceptions);
}

#[test]
fn every_field_of_mask_changed_is_refused() {
    to_coordinator::<MaskBody>(Phase::Mask, Signing::Old, &[]);
    let own = "a partner's figures are its own; C6 bounds the sum";
    let complaint = "whom a partner complains of is its word, which names nobody alone";
    let exceptions = [
        ("body.vector: * bit", own),
        ("body.vector: zeros", own),
        ("body.vector: ones", own),
        ("body.bad_dealers: empty", complaint),
        ("body.bad_dealers: one removed", complaint),
        ("body.bad_dealers[*]: one more", complaint),
        ("body.bad_dealers[*]: one less", complaint),
    ];
    to_coordinator::<MaskBody>(Phase::Mask, Signing::Sender, &exceptions);
}

#[test]
fn every_field_of_confirm_changed_is_refused() {
    to_coordinator::<ConfirmBody>(Phase::Confirm, Signing::Old, &[]);
    to_coordinator::<ConfirmBody>(Phase::Confirm, Signing::Sender, &[]);
}

#[test]
fn every_field_of_unmask_changed_is_refused() {
    to_coordinator::<UnmaskBody>(Phase::Unmask, Signing::Old, &[]);
    to_coordinator::<UnmaskBody>(Phase::Unmask, Signing::Sender, &[]);
}

const FEWER_JOINED: Exception = (
    "body.joins: one removed",
    "who joins is for the coordinator to say, down to m",
);

#[test]
fn every_field_of_the_roll_changed_is_refused() {
    to_node::<RollBody>(Phase::Join, Signing::Old, &[]);
    to_node::<RollBody>(Phase::Join, Signing::Sender, &[FEWER_JOINED]);
    let exceptions = [
        FEWER_JOINED,
        ("body.joins[*].body.channel.x25519: *", OWN_KEYS),
        ("body.joins[*].body.channel.ml_kem: * bit", OWN_KEYS),
        ("body.joins[*].body.channel.ml_kem: zeros", OWN_KEYS),
        ("body.joins[*].body.mask.x25519: *", OWN_KEYS),
        ("body.joins[*].body.mask.ml_kem: * bit", OWN_KEYS),
        ("body.joins[*].body.mask.ml_kem: zeros", OWN_KEYS),
        ("body.joins[*].body.ledger_length: *", OWN_LEDGER),
        ("body.joins[*].body.ledger_head: *", OWN_LEDGER),
    ];
    to_node::<RollBody>(Phase::Join, Signing::Everybody, &exceptions);
}

#[test]
fn every_field_of_a_delivery_changed_is_refused() {
    to_node::<DeliveryBody>(Phase::Share, Signing::Old, &[]);
    to_node::<DeliveryBody>(Phase::Share, Signing::Sender, &[]);
    let listed = "the dealer is listed and gets no share of it back";
    let exceptions = [
        ("body.headers[*].header.seeds.mask: *", HELD_TO),
        ("body.headers[*].header.seeds.own: *", HELD_TO),
        ("body.headers[*].header.own_shares.mask: *", HELD_TO),
        ("body.headers[*].header.own_shares.own: *", HELD_TO),
        ("body.envelopes[*].envelope.channel_ciphertext: *", listed),
        ("body.envelopes[*].envelope.mask_ciphertext: * bit", listed),
        ("body.envelopes[*].envelope.mask_ciphertext: zeros", listed),
        ("body.envelopes[*].envelope.mask_ciphertext: ones", listed),
        ("body.envelopes[*].envelope.sealed: *", listed),
        ("body.envelopes[*].envelope.shares.mask: *", listed),
        ("body.envelopes[*].envelope.shares.own: *", listed),
    ];
    to_node::<DeliveryBody>(Phase::Share, Signing::Everybody, &exceptions);
}

#[test]
fn every_field_of_the_survivors_changed_is_refused() {
    to_node::<SurvivorsBody>(Phase::Mask, Signing::Old, &[]);
    let theirs = "whose vector is in is for the coordinator to say, once; t confirmations hold it to that (N8)";
    let exceptions = [
        ("body.survivors: one removed", theirs),
        ("body.survivors[*]: one more", theirs),
    ];
    to_node::<SurvivorsBody>(Phase::Mask, Signing::Sender, &exceptions);
}

#[test]
fn every_field_of_the_confirmations_changed_is_refused() {
    to_node::<ConfirmationsBody>(Phase::Confirm, Signing::Old, &[]);
    let exceptions = [("body.confirmations: one removed", "any t of them will do")];
    to_node::<ConfirmationsBody>(Phase::Confirm, Signing::Sender, &exceptions);
}

#[test]
fn a_pattern_fits_what_it_says_and_nothing_else() {
    assert!(fits("body.a[*].b: *", "body.a[3].b: zeros"));
    assert!(fits("body.a: * bit", "body.a: last bit"));
    assert!(fits("body.a: zeros", "body.a: zeros"));
    for other in ["body.a: zerosx", "xbody.a: zeros", "body.ab: zeros"] {
        assert!(!fits("body.a: zeros", other));
    }
    assert!(!fits("body.a: * bit", "body.a: zeros"));
    assert!(!fits("body.a[*].b: *", "body.a[3].c: zeros"));
}
