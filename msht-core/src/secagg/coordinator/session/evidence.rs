//! What a second, different message for a slot proves, taken from what the session still has of the first.

use super::{CoordinatorSession, State};
use crate::crypto::IdentityKey;
use crate::secagg::evidence::{Evidence, Proof};
use crate::secagg::messages::{
    ConfirmBody, Confirmation, DeliveryBody, Phase, RollBody, ShareBody, SignedEnvelope,
    SignedHeader, SignedMessage,
};
use crate::wire::{Blob, MAX_ENCODED_BYTES, decode, encode};

impl CoordinatorSession {
    /// Proof of what partners did in this round; each is given once. Worth keeping, and not needed to go on: store it
    /// when it suits, before the session is dropped.
    #[must_use]
    pub fn take_evidence(&mut self) -> Vec<Evidence> {
        std::mem::take(&mut self.evidence)
    }

    /// C3: keeps the proof that a message contradicts the first one of its slot. Each slot is looked at once, so that
    /// nobody can have the coordinator search, or store, again and again.
    pub(super) fn keep_contradiction(&mut self, bytes: &[u8]) {
        let Ok(second) = SignedMessage::from_bytes(bytes, bytes.len()) else {
            return;
        };
        let Some(accused) = self.context.key(second.sender).copied() else {
            return;
        };
        if self.contradicted.insert((second.phase, second.sender)) {
            let proven = self.contradiction(accused, &second);
            self.evidence.extend(proven);
        }
    }

    /// C5: keeps the proof that a dealing does not hold together.
    pub(super) fn keep_proof(&mut self, proof: Option<(u8, Proof)>) {
        let Some((dealer, mut proof)) = proof else {
            return;
        };
        if let Proof::Seed(seed) = &mut proof {
            seed.roll = self.joins();
        }
        let accused = self.context.key(dealer).copied();
        self.evidence
            .extend(accused.and_then(|accused| Evidence::proven(accused, proof)));
    }

    fn joins(&self) -> Vec<SignedMessage> {
        let roll: Option<RollBody> = self.shared.get(&Phase::Join).and_then(body_of);
        roll.map_or_else(Vec::new, |roll| roll.joins)
    }

    fn contradiction(&self, accused: IdentityKey, second: &SignedMessage) -> Option<Evidence> {
        let first = match second.phase {
            Phase::Join => self.first_join(second.sender),
            Phase::Share => match &self.state {
                State::Sharing(open) => open
                    .dealt
                    .get(&second.sender)
                    .map(|(message, _)| message.clone()),
                _ => return Evidence::proven(accused, self.contradicted_dealing(second)?),
            },
            Phase::Confirm => self.first_confirm(second.sender),
            // A vector and shares are never kept (C7).
            Phase::Mask | Phase::Unmask => None,
        }?;
        Evidence::of_messages(accused, &first, second)
    }

    fn first_join(&self, sender: u8) -> Option<SignedMessage> {
        if let State::Joining(open) = &self.state {
            return open.joins.get(&sender).map(|(message, _)| message.clone());
        }
        self.joins().into_iter().find(|join| join.sender == sender)
    }

    fn first_confirm(&self, sender: u8) -> Option<SignedMessage> {
        match &self.state {
            State::Confirming(open) => open
                .confirmed
                .get(&sender)
                .map(|(message, ())| message.clone()),
            State::Unmasking(open) => self.confirmed_by(sender, &open.confirm, &open.confirmations),
            State::Opened(opened) => {
                self.confirmed_by(sender, &opened.confirm, &opened.confirmations)
            }
            State::Joining(_) | State::Sharing(_) | State::Masking(_) | State::Aborted(_) => None,
        }
    }

    /// The Confirm message that a signature kept of it belongs to.
    fn confirmed_by(
        &self,
        sender: u8,
        confirm: &ConfirmBody,
        confirmations: &[Confirmation],
    ) -> Option<SignedMessage> {
        let kept = confirmations.iter().find(|each| each.partner == sender)?;
        Some(SignedMessage {
            round: self.context.round(),
            phase: Phase::Confirm,
            sender,
            body: Blob::from(encode(confirm).ok()?),
            signature: kept.signature,
        })
    }

    /// What a Share that came after its phase contradicts in the deliveries, which hold all headers and envelopes.
    fn contradicted_dealing(&self, second: &SignedMessage) -> Option<Proof> {
        let second: ShareBody = decode(second.body.as_ref(), MAX_ENCODED_BYTES).ok()?;
        let dealer = second.header.header.dealer;
        let delivery: DeliveryBody = body_of(self.deliveries.values().next()?)?;
        let header = header_in(&delivery, dealer)?;
        if header.header != second.header.header {
            return Some(Proof::Headers(Box::new([header.clone(), second.header])));
        }
        for other in second.envelopes {
            let receiver = other.envelope.receiver;
            let delivered = self.deliveries.get(&receiver).and_then(body_of);
            let Some(first) = delivered.and_then(|body| envelope_in(&body, dealer, receiver))
            else {
                continue;
            };
            if first.envelope != other.envelope {
                let (header, envelopes) = (Box::new(header.clone()), Box::new([first, other]));
                return Some(Proof::Envelopes { header, envelopes });
            }
        }
        None
    }
}

/// The body of a message this coordinator signed.
fn body_of<B: serde::Serialize + serde::de::DeserializeOwned>(
    message: &std::sync::Arc<[u8]>,
) -> Option<B> {
    let message = SignedMessage::from_bytes(message, MAX_ENCODED_BYTES).ok()?;
    decode(message.body.as_ref(), MAX_ENCODED_BYTES).ok()
}

fn header_in(delivery: &DeliveryBody, dealer: u8) -> Option<&SignedHeader> {
    let mut headers = delivery.headers.iter();
    headers.find(|signed| signed.header.dealer == dealer)
}

/// The envelope of a dealer in a delivery, which has them in the order of the headers, without the receiver's.
fn envelope_in(delivery: &DeliveryBody, dealer: u8, receiver: u8) -> Option<SignedEnvelope> {
    let dealers = delivery.headers.iter().map(|signed| signed.header.dealer);
    let mut sent = dealers
        .filter(|each| *each != receiver)
        .zip(&delivery.envelopes);
    sent.find(|(each, _)| *each == dealer)
        .map(|(_, envelope)| envelope.clone())
}
