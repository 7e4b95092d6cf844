//! Files of evidence: nobody is proven wrong but who did wrong.

use std::sync::LazyLock;

use msht_core::secagg::evidence::{Evidence, Proof};
use msht_core::testkit::cohort::CohortOptions;
use msht_core::testkit::offences::evidence_of_every_form;
use msht_core::wire::{decode, encode};

use crate::documents::{OF_TEXT, PROGRAMME};
use crate::patch::patched;
use crate::{Ceiling, Target, round};

const LONGEST_BYTES: usize = 64 * 1024;
/// Checking a seed or shares makes keys and joins polynomials; two programmes are parsed.
const OF_CHECKING: Ceiling = Ceiling {
    fixed: OF_TEXT.fixed + 2 * 1024 * 1024,
    per_byte: OF_TEXT.per_byte,
};

static PROVEN: LazyLock<Vec<(&str, Evidence)>> =
    LazyLock::new(|| evidence_of_every_form(&OPTIONS, round::SEED, PROGRAMME));

const OPTIONS: CohortOptions = CohortOptions {
    partners: 3,
    thresholds: None,
    cells: 2,
    word_bits: 32,
    attempt: 1,
};

pub(crate) fn targets() -> Vec<Target> {
    vec![
        Target {
            name: "evidence",
            longest: LONGEST_BYTES,
            ceiling: OF_CHECKING,
            run: file,
            seeds: || {
                let file = |(name, evidence): &(&str, Evidence)| {
                    ((*name).to_owned(), evidence.to_bytes().expect("small"))
                };
                PROVEN.iter().map(file).collect()
            },
        },
        Target {
            name: "evidence-of-nothing",
            longest: LONGEST_BYTES,
            ceiling: OF_CHECKING,
            run: nothing,
            seeds: || {
                let seed = |place: u8| (format!("agreeing-{place}"), vec![place]);
                (0u8..).take(HONEST.len()).map(seed).collect()
            },
        },
    ]
}

/// A file reads back as it was written, and what it proves, it proves against a key that earned it.
fn file(input: &[u8]) -> bool {
    let Ok(evidence) = Evidence::from_bytes(input) else {
        return false;
    };
    let again = evidence.to_bytes().expect("what was decoded");
    assert!(again == input, "one proof has two files");
    if let Ok(accusation) = evidence.verify() {
        assert_eq!(accusation.accused, evidence.accused);
        let earned = PROVEN
            .iter()
            .any(|(_, each)| each.accused == accusation.accused);
        assert!(earned, "proven against somebody who signed nothing");
    }
    true
}

/// Proofs out of what an honest party signed: both halves are the same, or the seed and shares are the true ones.
static HONEST: LazyLock<Vec<Evidence>> = LazyLock::new(|| {
    let agreeing = |(_, evidence): &(&str, Evidence)| {
        let accused = evidence.accused;
        let proof = match evidence.proof.clone() {
            Proof::Messages(both) => Proof::Messages(twice(*both)),
            Proof::Headers(both) => Proof::Headers(twice(*both)),
            Proof::Envelopes { header, envelopes } => Proof::Envelopes {
                header,
                envelopes: twice(*envelopes),
            },
            Proof::Announcements(both) => Proof::Announcements(twice(*both)),
            Proof::Rosters(both) => Proof::Rosters(twice(*both)),
            Proof::Programmes(both) => Proof::Programmes(twice(*both)),
            // Their header is the liar's false one, so there is nothing honest in them.
            Proof::Shares(_) | Proof::Seed(_) => return None,
        };
        Some(Evidence { accused, proof })
    };
    PROVEN.iter().filter_map(agreeing).collect()
});

fn twice<T: Clone>([first, _]: [T; 2]) -> Box<[T; 2]> {
    Box::new([first.clone(), first])
}

/// The first byte chooses a proof of things that agree, the rest changes it. Whatever comes of it accuses nobody.
fn nothing(input: &[u8]) -> bool {
    let Some((place, script)) = input.split_first() else {
        return false;
    };
    let honest = HONEST.get(usize::from(*place) % HONEST.len());
    let bytes = patched(&encode(honest.expect("in range")).expect("small"), script);
    let Ok(changed) = decode::<Evidence>(&bytes, LONGEST_BYTES) else {
        return false;
    };
    assert!(
        changed.verify().is_err(),
        "{:?} accuses an honest party",
        changed.proof
    );
    true
}
