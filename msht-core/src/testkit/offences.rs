//! Parties that contradict themselves: evidence of every form, each proven against one that earned it.

use super::cohort::{Cohort, CohortOptions};
use super::forge::{body_of, flipped, forged, opened, signed_envelope, signed_header};
use super::stepwise::Stepwise;
use crate::crypto::{HexBytes, Identity, Secret, Sharing};
use crate::secagg::evidence::{Evidence, FalseSeed, InconsistentShares, OpenedShare, Proof};
use crate::secagg::messages::{
    ConfirmBody, Envelope, Phase, RollBody, SeedKind, ShareBody, SignedEnvelope, SignedHeader,
    SignedMessage, commit_seed, commit_share,
};
use crate::secagg::{ProgrammeDocument, Signed};

/// The partner that contradicts itself; the coordinator does it with its documents.
pub const LIAR: u8 = 2;

/// What the liar signed in an honest round, before it contradicts it.
struct Spoken {
    cohort: Cohort,
    joins: Vec<SignedMessage>,
    share: ShareBody,
    confirm: Vec<u8>,
}

/// One valid piece of evidence of each form, by name, from a round of `options` and `seed`. `programme` is the text
/// of a programme whose title is written as `title = "…"`.
#[must_use]
#[expect(
    clippy::expect_used,
    reason = "test support: each of these is a contradiction by construction"
)]
pub fn evidence_of_every_form(
    options: &CohortOptions,
    seed: u64,
    programme: &str,
) -> Vec<(&'static str, Evidence)> {
    let signed = signed_in(options, seed);
    let liar = signed.cohort.identity(LIAR);
    let coordinator = &signed.cohort.coordinator;
    let of_liar = [
        ("messages", two_messages(&signed)),
        ("headers", two_headers(&signed)),
        ("envelopes", two_envelopes(&signed)),
        ("shares", inconsistent_shares(&signed)),
        ("seed", false_seed(&signed)),
    ];
    let of_coordinator = [
        ("announcements", two_announcements(&signed.cohort)),
        ("rosters", two_rosters(&signed.cohort)),
        ("programmes", two_programmes(coordinator, programme)),
    ];
    let proven = |key, (name, proof)| {
        let evidence = Evidence::proven(key, proof).expect("a contradiction");
        (name, evidence)
    };
    let of_liar = of_liar.map(|each| proven(liar.key(), each));
    let of_coordinator = of_coordinator.map(|each| proven(coordinator.key(), each));
    of_liar.into_iter().chain(of_coordinator).collect()
}

fn signed_in(options: &CohortOptions, seed: u64) -> Spoken {
    let mut round = Stepwise::new(options, seed);
    round.advance_to_reply(Phase::Join);
    let roll: RollBody = body_of(&round.incoming(Phase::Join, LIAR));
    round.deliver(Phase::Join);
    let share = body_of(&round.outgoing(LIAR));
    round.advance_to(Phase::Confirm);
    let confirm = round.outgoing(LIAR);
    Spoken {
        joins: roll.joins,
        share,
        confirm,
        cohort: round.cohort,
    }
}

fn two_messages(signed: &Spoken) -> Proof {
    let second = forged(&signed.cohort, &signed.confirm, |body: &mut ConfirmBody| {
        body.survivors.pop();
    });
    Proof::Messages(Box::new([opened(&signed.confirm), opened(&second)]))
}

fn two_headers(signed: &Spoken) -> Proof {
    let first = signed.share.header.clone();
    let mut header = first.header.clone();
    header.seeds.own = flipped(header.seeds.own);
    let second = signed_header(header, &signed.cohort.identity(LIAR));
    Proof::Headers(Box::new([first, second]))
}

#[expect(clippy::expect_used, reason = "test support: a dealing has envelopes")]
fn first_envelope(signed: &Spoken) -> SignedEnvelope {
    let first = signed.share.envelopes.first();
    first.expect("an envelope for everybody else").clone()
}

fn two_envelopes(signed: &Spoken) -> Proof {
    let first = first_envelope(signed);
    let mut envelope = first.envelope.clone();
    envelope.shares.own = flipped(envelope.shares.own);
    let second = signed_envelope(envelope, &signed.cohort.identity(LIAR));
    Proof::Envelopes {
        header: Box::new(signed.share.header.clone()),
        envelopes: Box::new([first, second]),
    }
}

/// Shares of one seed, dealt under a header that commits to another.
#[expect(clippy::expect_used, reason = "test support: indices of the cohort")]
fn inconsistent_shares(signed: &Spoken) -> Proof {
    let (cohort, kind) = (&signed.cohort, SeedKind::Own);
    let (round, liar) = (cohort.context.round(), cohort.identity(LIAR));
    let threshold = cohort.context.params().threshold();
    let dealt = Sharing::new(&Secret::from_bytes([3; 32]), threshold, &[]).expect("t is above 0");
    let share = |holder| HexBytes(*dealt.share(holder).expect("above 0").expose());
    let commitment = |holder| commit_share(&round, LIAR, holder, kind, share(holder).as_bytes());
    let mut header = signed.share.header.header.clone();
    header.own_shares.own = commitment(LIAR);
    let header = signed_header(header, &liar);
    let header_digest = header.header.digest().expect("short");
    let opened_by = |holder: u8| {
        let honest = signed.share.envelopes.iter();
        let envelope = honest.map(|each| each.envelope.clone());
        let mut envelope = envelope.filter(|each| each.receiver == holder);
        let envelope = envelope.next().map(|envelope| {
            let mut envelope = Envelope {
                header_digest,
                ..envelope
            };
            envelope.shares.own = commitment(holder);
            signed_envelope(envelope, &liar)
        });
        OpenedShare {
            holder,
            envelope,
            share: share(holder),
        }
    };
    Proof::Shares(Box::new(InconsistentShares {
        announcement: cohort.context.announcement().as_signed().content.clone(),
        header,
        kind,
        shares: (1..=threshold).map(opened_by).collect(),
    }))
}

/// A commitment to a seed that does not make the key in the liar's Join.
fn false_seed(signed: &Spoken) -> Proof {
    let seed = HexBytes([4; 32]);
    let mut header = signed.share.header.header.clone();
    header.seeds.mask = commit_seed(&header.round, LIAR, SeedKind::Mask, seed.as_bytes());
    let header: SignedHeader = signed_header(header, &signed.cohort.identity(LIAR));
    Proof::Seed(Box::new(FalseSeed {
        header,
        roll: signed.joins.clone(),
        envelope: None,
        seed,
    }))
}

#[expect(clippy::expect_used, reason = "test support: within every limit")]
fn two_announcements(cohort: &Cohort) -> Proof {
    let first = cohort.context.announcement().as_signed().clone();
    let mut other = first.content.clone();
    for table in &mut other.tables {
        table.cell_bound += 1;
    }
    let second = Signed::sign(other, &cohort.coordinator).expect("small");
    Proof::Announcements(Box::new([first, second]))
}

#[expect(clippy::expect_used, reason = "test support: within every limit")]
fn two_rosters(cohort: &Cohort) -> Proof {
    let first = cohort.context.roster().as_signed().clone();
    let mut other = first.content.clone();
    other.partners.pop();
    let second = Signed::sign(other, &cohort.coordinator).expect("small");
    Proof::Rosters(Box::new([first, second]))
}

#[expect(clippy::expect_used, reason = "test support: within every limit")]
fn two_programmes(coordinator: &Identity, text: &str) -> Proof {
    let document = |toml: String| {
        let document = ProgrammeDocument { toml };
        Signed::sign(document, coordinator).expect("small")
    };
    let changed = text.replacen("title = \"", "title = \"Another ", 1);
    Proof::Programmes(Box::new([document(text.to_owned()), document(changed)]))
}
