//! Two different things under one signature key where an honest party signs one.

use super::{EvidenceError, Offence, Proof};
use crate::crypto::{Digest, IdentityKey};
use crate::programme::Programme;
use crate::secagg::announcement::Announcement;
use crate::secagg::messages::{
    COORDINATOR_INDEX, DeliveryBody, Phase, ShareBody, SignedEnvelope, SignedHeader, SignedMessage,
};
use crate::secagg::roster::Roster;
use crate::secagg::signed::{Document, Signed};
use crate::secagg::terms::ProgrammeDocument;
use crate::wire::{MAX_ENCODED_BYTES, decode};

type Proven = Result<(Option<Digest>, Offence), EvidenceError>;

/// The smallest proof of what two messages for one slot contradict each other in; none for what may not be shown.
pub(super) fn between(first: &SignedMessage, second: &SignedMessage) -> Option<Proof> {
    let both = || Proof::Messages(Box::new([first.clone(), second.clone()]));
    match (first.sender, first.phase) {
        (COORDINATOR_INDEX, _) | (_, Phase::Join | Phase::Confirm) => Some(both()),
        (_, Phase::Mask | Phase::Unmask) => None,
        (_, Phase::Share) => {
            let body = |message: &SignedMessage| -> Option<ShareBody> {
                decode(message.body.as_ref(), MAX_ENCODED_BYTES).ok()
            };
            between_shares(body(first)?, body(second)?)
        }
    }
}

fn between_shares(first: ShareBody, second: ShareBody) -> Option<Proof> {
    if first.header.header != second.header.header {
        return Some(Proof::Headers(Box::new([first.header, second.header])));
    }
    let header = Box::new(first.header);
    let mut pairs = first.envelopes.into_iter().zip(second.envelopes);
    let (one, other) = pairs.find(|(one, other)| {
        one.envelope.receiver == other.envelope.receiver && one.envelope != other.envelope
    })?;
    let envelopes = Box::new([one, other]);
    Some(Proof::Envelopes { header, envelopes })
}

fn signed(holds: bool) -> Result<(), EvidenceError> {
    holds.then_some(()).ok_or(EvidenceError::Signature)
}

fn related(holds: bool) -> Result<(), EvidenceError> {
    holds.then_some(()).ok_or(EvidenceError::Unrelated)
}

fn contradictory(holds: bool) -> Result<(), EvidenceError> {
    holds.then_some(()).ok_or(EvidenceError::NoContradiction)
}

pub(super) fn messages(key: &IdentityKey, both: &[SignedMessage; 2]) -> Proven {
    let [first, second] = both;
    let (round, phase, sender) = (first.round, first.phase, first.sender);
    related((second.round, second.phase, second.sender) == (round, phase, sender))?;
    if phase == Phase::Unmask || (sender != COORDINATOR_INDEX && !is_public(phase)) {
        return Err(EvidenceError::Private);
    }
    for message in both {
        signed(message.verify(&round, phase, sender, key).is_ok())?;
    }
    contradictory(first.body != second.body)?;
    if sender != COORDINATOR_INDEX {
        return Ok((Some(round), Offence::PartnerEquivocation { phase, sender }));
    }
    if phase == Phase::Share {
        deliveries(first, second)?;
    }
    Ok((Some(round), Offence::CoordinatorEquivocation { phase }))
}

/// Phases of which a partner's message may be shown whole; of Share its parts are shown instead.
fn is_public(phase: Phase) -> bool {
    matches!(phase, Phase::Join | Phase::Confirm)
}

/// Deliveries to different nodes differ in their envelopes; the headers, which are U₂, are the same for all.
fn deliveries(first: &SignedMessage, second: &SignedMessage) -> Result<(), EvidenceError> {
    let body = |message: &SignedMessage| -> Result<DeliveryBody, EvidenceError> {
        decode(message.body.as_ref(), MAX_ENCODED_BYTES).map_err(|_| EvidenceError::Encoding)
    };
    let (first, second) = (body(first)?, body(second)?);
    if first.headers != second.headers {
        return Ok(());
    }
    let receiver = |body: &DeliveryBody| {
        let first = body.envelopes.first()?.envelope.receiver;
        let mut all = body.envelopes.iter();
        all.all(|each| each.envelope.receiver == first)
            .then_some(first)
    };
    let to = receiver(&first);
    contradictory(to.is_some() && to == receiver(&second))
}

pub(super) fn headers(key: &IdentityKey, both: &[SignedHeader; 2]) -> Proven {
    let [first, second] = both;
    let (one, other) = (&first.header, &second.header);
    related(one.round == other.round && one.dealer == other.dealer)?;
    for header in both {
        signed(header.verify(key).is_ok())?;
    }
    contradictory(one != other)?;
    let dealer = one.dealer;
    Ok((Some(one.round), Offence::TwoHeaders { dealer }))
}

pub(super) fn envelopes(
    key: &IdentityKey,
    header: &SignedHeader,
    both: &[SignedEnvelope; 2],
) -> Proven {
    let digest = header.verify(key).map_err(|_| EvidenceError::Signature)?;
    let [first, second] = both;
    let receiver = first.envelope.receiver;
    for signed_envelope in both {
        let envelope = &signed_envelope.envelope;
        related(envelope.header_digest == digest && envelope.receiver == receiver)?;
        signed(signed_envelope.verify(key).is_ok())?;
    }
    contradictory(first.envelope != second.envelope)?;
    let dealer = header.header.dealer;
    Ok((
        Some(header.header.round),
        Offence::TwoEnvelopes { dealer, receiver },
    ))
}

/// Both documents carry the accused's signature, and are two.
fn documents<T: Document + Clone>(
    key: &IdentityKey,
    both: &[Signed<T>; 2],
) -> Result<[Digest; 2], EvidenceError> {
    let [first, second] = both;
    let digest = |document: &Signed<T>| {
        let verified = document.clone().verify(key);
        verified
            .map(|document| document.digest())
            .map_err(|_| EvidenceError::Signature)
    };
    let digests = [digest(first)?, digest(second)?];
    let [one, other] = digests;
    contradictory(one != other)?;
    Ok(digests)
}

pub(super) fn announcements(key: &IdentityKey, both: &[Signed<Announcement>; 2]) -> Proven {
    let [first, second] = both.each_ref().map(|signed| &signed.content);
    let id = |a: &Announcement| (a.programme.clone(), a.period.clone(), a.attempt);
    related(id(first) == id(second))?;
    let [round, _] = documents(key, both)?;
    let (programme, period, attempt) = id(first);
    let offence = Offence::TwoAnnouncements {
        programme,
        period,
        attempt,
    };
    Ok((Some(round), offence))
}

pub(super) fn rosters(key: &IdentityKey, both: &[Signed<Roster>; 2]) -> Proven {
    let [first, second] = both.each_ref().map(|signed| &signed.content);
    related(first.version == second.version)?;
    documents(key, both)?;
    let version = first.version;
    Ok((None, Offence::TwoRosters { version }))
}

pub(super) fn programmes(key: &IdentityKey, both: &[Signed<ProgrammeDocument>; 2]) -> Proven {
    documents(key, both)?;
    let parse = |signed: &Signed<ProgrammeDocument>| {
        Programme::parse(&signed.content.toml).map_err(|_| EvidenceError::Encoding)
    };
    let [first, second] = both;
    let (first, second) = (parse(first)?, parse(second)?);
    related((first.id(), first.version()) == (second.id(), second.version()))?;
    // Another spelling of the same programme harms nobody.
    contradictory(first.digest() != second.digest())?;
    let offence = Offence::TwoProgrammes {
        programme: first.id().to_owned(),
        version: first.version(),
    };
    Ok((None, offence))
}
