//! Statements that nothing was unmasked, and certificates made of them.

use std::collections::BTreeSet;

use msht_core::crypto::Digest;
use msht_core::secagg::{
    AbortCertificate, AbortStatement, Signed, StatementSignature, check_statement,
};
use msht_core::testkit::cohort::Cohort;
use msht_core::wire::encode;

use crate::documents::OF_TEXT;
use crate::{Target, round};

/// Longer than the longest certificate, so that its limit is tried as well.
const LONGEST_BYTES: usize = 32 * 1024;

thread_local! {
    static COHORT: Cohort = round::fresh().cohort;
}

pub(crate) fn targets() -> Vec<Target> {
    vec![
        Target {
            name: "abort-statement",
            longest: LONGEST_BYTES,
            ceiling: OF_TEXT,
            run: statement,
            seeds: statements,
        },
        Target {
            name: "abort-certificate",
            longest: LONGEST_BYTES,
            ceiling: OF_TEXT,
            run: certificate,
            seeds: certificates,
        },
    ]
}

fn signed(cohort: &Cohort, round: Digest, partner: u8, signer: u8) -> Signed<AbortStatement> {
    let content = AbortStatement { round, partner };
    Signed::sign(content, &cohort.identity(signer)).expect("small")
}

fn of_round(cohort: &Cohort, partner: u8) -> Signed<AbortStatement> {
    signed(cohort, cohort.context.round(), partner, partner)
}

/// The first byte is who hands in the rest. Nothing but that partner's own statement on this round is taken.
fn statement(input: &[u8]) -> bool {
    let Some((sender, bytes)) = input.split_first() else {
        return false;
    };
    COHORT.with(|cohort| {
        let Ok(taken) = check_statement(&cohort.context, *sender, bytes) else {
            return false;
        };
        assert_eq!(taken.partner, *sender, "taken for another partner");
        let honest = encode(&of_round(cohort, *sender)).expect("small");
        assert!(honest == bytes, "took what the partner never signed");
        true
    })
}

fn statements() -> Vec<(String, Vec<u8>)> {
    COHORT.with(|cohort| {
        let seed = |sender: u8| {
            let bytes = encode(&of_round(cohort, sender)).expect("small");
            let bytes = [&[sender], bytes.as_slice()].concat();
            (format!("of-{sender}"), bytes)
        };
        cohort.context.indices().map(seed).collect()
    })
}

/// The first byte says whether the rest is the file, or a list of statements that are then truly signed: for each,
/// two bytes with the partner named, and who signs and for which round.
fn certificate(input: &[u8]) -> bool {
    let Some((form, rest)) = input.split_first() else {
        return false;
    };
    COHORT.with(|cohort| match form % 2 {
        0 => file(cohort, rest),
        _ => list(cohort, rest),
    })
}

fn file(cohort: &Cohort, bytes: &[u8]) -> bool {
    let Ok(verified) = AbortCertificate::from_bytes(bytes, &cohort.context) else {
        return false;
    };
    assert_statements_count(cohort, verified.certificate());
    let again = verified.certificate().to_bytes().expect("was decoded");
    assert!(again == bytes, "one certificate has two encodings");
    true
}

/// Enough different partners of the cohort, and each signed.
fn assert_statements_count(cohort: &Cohort, certificate: &AbortCertificate) {
    let partners: BTreeSet<u8> = certificate.statements.iter().map(|s| s.partner).collect();
    assert_eq!(partners.len(), certificate.statements.len(), "one twice");
    let needed = usize::from(cohort.context.params().statements_needed());
    assert!(partners.len() >= needed, "{} statements", partners.len());
    for each in &certificate.statements {
        let honest = of_round(cohort, each.partner).signature;
        assert_eq!(each.signature, honest, "never signed");
    }
}

fn list(cohort: &Cohort, script: &[u8]) -> bool {
    let invited = cohort.context.params().invited();
    let (mut statements, mut true_ones) = (Vec::new(), Vec::new());
    for [named, by] in script.as_chunks::<2>().0.iter().take(16) {
        // Who signs, and whether for this round: one byte for both.
        let signer = by % invited + 1;
        let round = match by / invited % 4 {
            3 => Digest::ZERO,
            _ => cohort.context.round(),
        };
        let signature = signed(cohort, round, *named, signer).signature;
        let holds = signer == *named && round == cohort.context.round();
        statements.push(StatementSignature {
            partner: *named,
            signature,
        });
        true_ones.push(holds.then_some(*named));
    }
    let needed = usize::from(cohort.context.params().statements_needed());
    let true_ones: Option<Vec<u8>> = true_ones.into_iter().collect();
    let proves = true_ones.is_some_and(|list| {
        list.len() >= needed && list.is_sorted_by(|before, next| before < next)
    });
    let certificate = AbortCertificate {
        round: cohort.context.round(),
        statements,
    };
    let verdict = certificate.verify(&cohort.context);
    assert_eq!(verdict.is_ok(), proves, "{verdict:?}");
    proves
}

fn certificates() -> Vec<(String, Vec<u8>)> {
    COHORT.with(|cohort| {
        let statements = [3, 1].map(|partner| of_round(cohort, partner));
        let made = AbortCertificate::assemble(&cohort.context, statements);
        let made = made.expect("signed above").expect("enough");
        let bytes = made.certificate().to_bytes().expect("small");
        vec![
            ("file".to_owned(), [b"\0", bytes.as_slice()].concat()),
            ("of-all".to_owned(), vec![1, 1, 0, 2, 1, 3, 2]),
        ]
    })
}
