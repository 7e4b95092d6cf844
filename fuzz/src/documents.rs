//! Signed documents, the terms of a round, releases and invites.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use msht_core::crypto::{HexBytes, digest};
use msht_core::release::{Expectations, Release, from_json, to_json};
use msht_core::secagg::messages::Phase;
use msht_core::secagg::{
    Abort, AbortNotice, AbortReason, Announcement, ProgrammeDocument, Roster, Signed,
};
use msht_core::testkit::documents::Documents;
use msht_core::wire::{Invite, TOKEN_BYTES, decode, encode};
use serde::Serialize;

use crate::bodies::canonical;
use crate::memory::PREALLOCATED_BYTES;
use crate::patch::patched;
use crate::{Ceiling, Target};

/// Longest document that is tried: room for a programme.
const LONGEST_BYTES: usize = 64 * 1024;
/// Text formats keep keys, numbers and lists of their own for a while; the terms and releases decode as well.
pub(crate) const OF_TEXT: Ceiling = Ceiling {
    fixed: 512 * 1024 + PREALLOCATED_BYTES,
    per_byte: 256,
};

pub(crate) fn targets() -> Vec<Target> {
    let target = |name, ceiling, run, seeds| Target {
        name,
        longest: LONGEST_BYTES,
        ceiling,
        run,
        seeds,
    };
    let binary = Ceiling::OF_DECODING;
    vec![
        target(
            "document-programme",
            binary,
            canonical::<Signed<ProgrammeDocument>> as fn(&[u8]) -> bool,
            (|| one("small", &ROUND.programme)) as fn() -> _,
        ),
        target("document-roster", binary, roster, || {
            one("three", &ROUND.roster)
        }),
        target(
            "document-announcement",
            OF_TEXT,
            canonical::<Signed<Announcement>>,
            || one("small", &ROUND.announcement),
        ),
        target(
            "document-abort",
            binary,
            canonical::<Signed<AbortNotice>>,
            aborts,
        ),
        target("document-release", OF_TEXT, release, || {
            one("round", &*RELEASE)
        }),
        target("terms", OF_TEXT, terms, terms_seeds),
        target("release-json", OF_TEXT, release_json, release_json_seeds),
        target("invite", OF_TEXT, invite, invite_seeds),
    ]
}

fn one<T: Serialize>(name: &str, value: &T) -> Vec<(String, Vec<u8>)> {
    vec![(name.to_owned(), encode(value).expect("a small document"))]
}

/// A programme for three partners, small enough that whole releases are short.
pub(crate) const PROGRAMME: &str = include_str!("programme.toml");

static ROUND: LazyLock<Documents> = LazyLock::new(|| Documents::of(PROGRAMME));
static RELEASE: LazyLock<Signed<Release>> = LazyLock::new(|| ROUND.released());

fn roster(input: &[u8]) -> bool {
    if !canonical::<Signed<Roster>>(input) {
        return false;
    }
    let roster: Signed<Roster> = decode(input, LONGEST_BYTES).expect("decoded before");
    let roster = roster.content;
    if roster.is_well_formed() {
        for partner in &roster.partners {
            assert_eq!(roster.partner(&partner.id), Some(partner), "an id twice");
            assert_eq!(
                roster.partner_by_key(&partner.key),
                Some(partner),
                "a key twice"
            );
        }
    }
    true
}

fn aborts() -> Vec<(String, Vec<u8>)> {
    let names = || vec!["partner-11".to_owned(), "partner-12".to_owned()];
    let reasons = [
        (
            "too-few",
            AbortReason::TooFew {
                received: 2,
                needed: 7,
            },
        ),
        (
            "envelopes",
            AbortReason::BadEnvelopes {
                dealer: names(),
                complainants: names(),
            },
        ),
        (
            "dealer",
            AbortReason::InconsistentDealer { dealer: names() },
        ),
        (
            "range",
            AbortReason::OutOfRange {
                table: "total".to_owned(),
            },
        ),
        ("operator", AbortReason::Operator),
        ("internal", AbortReason::Internal),
    ];
    let notice = |(name, reason): (&str, AbortReason)| {
        let abort = Abort {
            phase: Phase::Mask,
            reason,
            missing: names(),
        };
        let round = HexBytes([7; 32]);
        let signed = Signed::sign(AbortNotice { round, abort }, &ROUND.coordinator);
        (
            name.to_owned(),
            encode(&signed.expect("small")).expect("small"),
        )
    };
    reasons.into_iter().map(notice).collect()
}

/// Changes of an honest announcement, signed by the coordinator: a node accepts none that changes what the programme
/// or the roster fixes.
fn terms(input: &[u8]) -> bool {
    let honest = &ROUND.announcement.content;
    let bytes = patched(&encode(honest).expect("small"), input);
    let Ok(changed) = decode::<Announcement>(&bytes, LONGEST_BYTES) else {
        return false;
    };
    let signed = Signed::sign(changed.clone(), &ROUND.coordinator).expect("small");
    let accepted = ROUND.accepted(signed);
    let Ok(accepted) = accepted else {
        assert_ne!(changed, *honest, "refused the honest announcement");
        return false;
    };
    // What the coordinator may choose; everything else follows from programme and roster.
    let free = Announcement {
        previous_release: changed.previous_release,
        period: changed.period.clone(),
        attempt: changed.attempt,
        deadlines: changed.deadlines,
        ..honest.clone()
    };
    assert_eq!(changed, free, "accepted a changed announcement");
    assert!(changed.attempt > 0 && changed.deadlines.are_ordered());
    let params = accepted.context.params();
    let (n, t, c) = (params.invited(), params.threshold(), params.colluders());
    assert!(2 * u16::from(t) > u16::from(n) + u16::from(c) && params.least_honest() >= 2);
    true
}

fn terms_seeds() -> Vec<(String, Vec<u8>)> {
    // Behind the id of the programme and its digest stands the roster's version: put it out of rule and back.
    let back_and_forth = vec![45, 0, 0, 2, 45, 0, 0, 1];
    vec![
        ("unchanged".to_owned(), Vec::new()),
        ("changed-back".to_owned(), back_and_forth),
    ]
}

fn release(input: &[u8]) -> bool {
    if !canonical::<Signed<Release>>(input) {
        return false;
    }
    let release: Signed<Release> = decode(input, LONGEST_BYTES).expect("decoded before");
    assert_verifies_only_unchanged(&release);
    true
}

fn assert_verifies_only_unchanged(release: &Signed<Release>) {
    let expected = Expectations {
        coordinator: Some(ROUND.coordinator.key()),
        ..Expectations::default()
    };
    if release.clone().verify_release(&expected).is_ok() {
        assert_eq!(release, &*RELEASE, "verifies although it was changed");
    }
}

/// What is read is written in a form that reads the same.
fn release_json(input: &[u8]) -> bool {
    let Ok(release) = from_json(input) else {
        return false;
    };
    let json = to_json(&release).expect("what was read can be written");
    let again = from_json(&json).expect("what was written can be read");
    assert_eq!(again, release, "changed by writing and reading");
    assert_eq!(
        to_json(&again).expect("as above"),
        json,
        "two forms of one release"
    );
    assert_verifies_only_unchanged(&release);
    true
}

fn release_json_seeds() -> Vec<(String, Vec<u8>)> {
    let json = to_json(&RELEASE).expect("a small release");
    vec![("round".to_owned(), json)]
}

/// The first byte says whether the rest is the text of an invite, or its content that still lacks its checksum.
fn invite(input: &[u8]) -> bool {
    let Some((form, rest)) = input.split_first() else {
        return false;
    };
    let text = if form % 2 == 0 {
        String::from_utf8_lossy(rest).into_owned()
    } else {
        let sum = digest("invite", &[rest]);
        let whole: Vec<u8> = rest
            .iter()
            .chain(sum.as_bytes().iter().take(4))
            .copied()
            .collect();
        format!("msht-invite-1.{}", URL_SAFE_NO_PAD.encode(whole))
    };
    let Ok(invite) = text.parse::<Invite>() else {
        return false;
    };
    assert_eq!(invite.to_string(), text.trim(), "one invite has two texts");
    true
}

fn invite_seeds() -> Vec<(String, Vec<u8>)> {
    let invite = Invite {
        address: "counting.example.org:7843".to_owned(),
        coordinator: ROUND.coordinator.key(),
        token: HexBytes([5; TOKEN_BYTES]),
        partner: "harbour-trust".to_owned(),
        expires_at: 1_800_000_000,
    };
    let content = encode(&invite).expect("small");
    vec![
        (
            "text".to_owned(),
            [b"\0", invite.to_string().as_bytes()].concat(),
        ),
        ("content".to_owned(), [b"\x01", content.as_slice()].concat()),
    ]
}
