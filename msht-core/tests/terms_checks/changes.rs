//! Every field of the documents of a round changed, as they were signed and signed again by the coordinator.

use std::collections::BTreeSet;

use msht_core::secagg::messages::Phase;
use msht_core::secagg::{Abort, AbortNotice, AbortReason, Blame, Document};
use msht_core::testkit::mutate::Tree;
use msht_core::wire::{MAX_ENCODED_BYTES, decode};

use super::*;

/// Changes that make other terms, and terms all the same: field by field, and why they do no harm.
const OTHER_TERMS: [(&str, &str); 7] = [
    ("previous_release", "N9 holds the release to the chain"),
    (
        "attempt",
        "each attempt is a round of its own, and paid for",
    ),
    (
        "deadlines.join",
        "when a phase ends is for the coordinator to say",
    ),
    ("deadlines.share", "the same"),
    ("deadlines.mask", "the same"),
    ("deadlines.confirm", "the same"),
    ("deadlines.unmask", "the same"),
];

/// Every change of a document, as it was signed and signed again; what was accepted, by place.
fn accepted_changes<T>(
    honest: &T,
    coordinator: &Identity,
    accepts: impl Fn(Signed<T>) -> Result<(), Fault>,
) -> (usize, BTreeSet<String>)
where
    T: Document + Clone + PartialEq,
{
    let signed = Signed::sign(honest.clone(), coordinator).unwrap();
    assert_eq!(accepts(signed.clone()), Ok(()));
    let (mut refused, mut accepted) = (0, BTreeSet::new());
    for mutation in Tree::of(honest).mutations() {
        let Ok(content) = decode::<T>(&mutation.tree.encoded(), MAX_ENCODED_BYTES) else {
            refused += 1;
            continue;
        };
        let kept = Signed {
            content: content.clone(),
            signature: signed.signature,
        };
        let fault = accepts(kept).unwrap_err();
        let expected = Fault::coordinator(Check::N1, Violation::Signature);
        assert_eq!(fault, expected, "{}", mutation.name());
        match accepts(Signed::sign(content, coordinator).unwrap()) {
            Ok(()) => drop(accepted.insert(mutation.path)),
            Err(fault) => {
                assert_eq!(fault.blame, Blame::Coordinator, "{}", mutation.name());
                refused += 1;
            }
        }
    }
    (refused, accepted)
}

fn accepted_with(offer: &Offer, replace: impl Fn(&mut Documents)) -> Result<(), Fault> {
    let mut documents = Documents {
        announcement: Signed::sign(offer.announcement.clone(), &offer.coordinator).unwrap(),
        programme: Signed::sign(offer.programme.clone(), &offer.coordinator).unwrap(),
        roster: Signed::sign(offer.roster.clone(), &offer.coordinator).unwrap(),
    };
    replace(&mut documents);
    let Documents {
        announcement,
        programme,
        roster,
    } = documents;
    let key = offer.coordinator.key();
    accept_terms(announcement, programme, roster, key, &offer.policy).map(|_| ())
}

struct Documents {
    announcement: Signed<Announcement>,
    programme: Signed<ProgrammeDocument>,
    roster: Signed<Roster>,
}

#[test]
fn every_field_of_the_announcement_changed_is_refused() {
    let offer = offer("msin");
    let (refused, accepted) =
        accepted_changes(&offer.announcement, &offer.coordinator, |announcement| {
            accepted_with(&offer, |d| d.announcement = announcement.clone())
        });
    let expected = OTHER_TERMS.map(|(path, _)| path.to_owned());
    assert_eq!(accepted, expected.into_iter().collect());
    assert!(refused > 150, "{refused} refused");
}

#[test]
fn every_field_of_the_roster_changed_is_refused() {
    let offer = offer("msin");
    let (refused, accepted) = accepted_changes(&offer.roster, &offer.coordinator, |roster| {
        accepted_with(&offer, |d| d.roster = roster.clone())
    });
    assert!(accepted.is_empty(), "{accepted:?}");
    assert!(refused > 300, "{refused} refused");
}

#[test]
fn every_field_of_the_programme_changed_is_refused_and_every_letter_of_it() {
    let offer = offer("msin");
    let accepts = |programme: Signed<ProgrammeDocument>| {
        accepted_with(&offer, |d| d.programme = programme.clone())
    };
    let (refused, accepted) = accepted_changes(&offer.programme, &offer.coordinator, accepts);
    assert!(accepted.is_empty() && refused == 3, "{accepted:?}");
    let agreed = Programme::parse(&offer.programme.toml).unwrap().digest();
    let mut same_meaning = 0;
    for (place, letter) in offer.programme.toml.char_indices() {
        let other = if letter == '1' { "2" } else { "1" };
        let mut toml = offer.programme.toml.clone();
        toml.replace_range(place..place + letter.len_utf8(), other);
        let read = Programme::parse(&toml);
        let signed = Signed::sign(ProgrammeDocument { toml }, &offer.coordinator).unwrap();
        match accepts(signed) {
            Err(fault) => assert_eq!((fault.check, fault.blame), (Check::N1, Blame::Coordinator)),
            Ok(()) => {
                assert_eq!(read.unwrap().digest(), agreed, "at {place}");
                same_meaning += 1;
            }
        }
    }
    println!("{same_meaning} letters are in comments or between words");
}

#[test]
fn every_field_of_an_abort_notice_changed_is_refused_unless_the_coordinator_signs_it() {
    let coordinator = identity(200);
    let round = HexBytes([3; 32]);
    let notice = AbortNotice {
        round,
        abort: Abort {
            phase: Phase::Mask,
            reason: AbortReason::BadEnvelopes {
                dealer: vec!["partner-01".to_owned()],
                complainants: vec!["partner-02".to_owned(), "partner-03".to_owned()],
            },
            missing: vec!["partner-04".to_owned()],
        },
    };
    // As a node does: signed by the pinned coordinator, and for the round in question.
    let accepts = |signed: Signed<AbortNotice>| {
        let unsigned = Fault::coordinator(Check::N1, Violation::Signature);
        let notice = signed.verify(&coordinator.key()).map_err(|_| unsigned)?;
        let misdirected = Fault::coordinator(Check::N1, Violation::Misdirected);
        (notice.round == round).then_some(()).ok_or(misdirected)
    };
    let (refused, accepted) = accepted_changes(&notice, &coordinator, accepts);
    // A notice is believed for tidying up and never for the budget: why, and who was missing, is the coordinator's word.
    assert!(accepted.iter().all(|path| path.starts_with("abort.")));
    assert!(refused >= 5 && !accepted.is_empty());
}
