//! What is signed outside a round's messages: statements that nothing was unmasked and certificates of them, changes
//! of keys, endorsements, heads of ledgers, and evidence.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use msht_core::crypto::{HexBytes, Identity};
use msht_core::governance::{
    Countersigned, Endorsement, Handover, KeyChange, MAX_STATEMENT_BYTES as MAX_KEY_STATEMENT,
    SignedEndorsement, check_endorsed,
};
use msht_core::secagg::evidence::{Evidence, Proof};
use msht_core::secagg::messages::{MaskBody, Phase, SignedMessage};
use msht_core::secagg::{
    AbortCertificate, AbortStatement, Document as Content, HeadProof, HeadStatement, LedgerHead,
    Partner, PartnerKind, Signed, StatementSignature, check_statement,
};
use msht_core::testkit::cohort::{Cohort, CohortOptions};
use msht_core::testkit::documents::identity;
use msht_core::testkit::forge::{encoded, forged, opened};
use msht_core::testkit::mutate::Tree;
use msht_core::testkit::offences::{LIAR, evidence_of_every_form};
use msht_core::testkit::stepwise::Stepwise;
use msht_core::wire::{MAX_FRAME_BYTES, decode};

use super::{
    Changed, Document, Family, Form, PROGRAMME, Refusal, SIGNATURE_BYTES, Vectors, changed, judged,
    outer,
};

pub(super) const FAMILY: Family = Family {
    file: "statements.json",
    least_refused: 300,
    computed,
    form,
    receive,
};

const SEED: u64 = 1;
/// Who hands the statement in.
const PARTNER: u8 = 2;
const HEADER: &[u8] = b"msht-evidence-1\n";

fn form(name: &str) -> Form {
    match name {
        "abort-certificate" | "key-change" | "handover" => Form::Binary(0),
        name if name.starts_with("evidence") => Form::Binary(0),
        _ => Form::Binary(SIGNATURE_BYTES),
    }
}

fn options() -> CohortOptions {
    CohortOptions {
        cells: 2,
        ..CohortOptions::default()
    }
}

fn cohort() -> &'static Cohort {
    static COHORT: LazyLock<Cohort> = LazyLock::new(|| Cohort::new(&options(), SEED));
    &COHORT
}

fn receive(name: &str, bytes: &[u8], _: &BTreeMap<String, Vec<u8>>) -> Result<(), Refusal> {
    let context = &cohort().context;
    let shown = |error: &dyn std::fmt::Debug| Refusal::new(format!("{error:?}"));
    let unreadable = |_| Refusal::encoding();
    match name {
        "abort-statement" => Ok(check_statement(context, PARTNER, bytes).map(drop)?),
        "abort-certificate" => {
            let read = AbortCertificate::from_bytes(bytes, context);
            read.map(drop).map_err(|error| shown(&error))
        }
        "key-change" => {
            let change: Countersigned<KeyChange> =
                decode(bytes, MAX_KEY_STATEMENT).map_err(unreadable)?;
            change.verify().map(drop).map_err(|error| shown(&error))
        }
        "handover" => {
            let handover: Countersigned<Handover> =
                decode(bytes, MAX_KEY_STATEMENT).map_err(unreadable)?;
            handover.verify().map(drop).map_err(|error| shown(&error))
        }
        "endorsement" => endorsed(decode(bytes, MAX_KEY_STATEMENT).map_err(unreadable)?),
        "ledger-head" => {
            let proof: HeadProof = decode(bytes, MAX_FRAME_BYTES).map_err(unreadable)?;
            let (node, coordinator) = (cohort().identity(PARTNER).key(), context.coordinator());
            let head = proof.head_signed_by(&node, coordinator);
            head.map(drop).ok_or_else(|| Refusal::new("Signature"))
        }
        _ => {
            let evidence = Evidence::from_bytes(bytes).map_err(|error| shown(&error))?;
            evidence.verify().map(drop).map_err(|error| shown(&error))
        }
    }
}

/// Partners 1 to 3 were accepted before; 4 is new, and the programme asks for one endorsement.
fn endorsed(endorsement: SignedEndorsement) -> Result<(), Refusal> {
    let before: Vec<_> = (1..=3)
        .map(|n| (format!("p{n}"), identity(n).key()))
        .collect();
    let newest = Partner {
        id: "p4".to_owned(),
        name: "Partner 4".to_owned(),
        kind: PartnerKind::Ngo,
        key: identity(4).key(),
    };
    let coordinators = [identity(20).key()];
    check_endorsed(1, &before, &[newest], &[endorsement], &coordinators)
        .map_err(|_| Refusal::at("N4", "Unendorsed"))
}

fn document(name: &str, honest: &[u8], cases: Vec<Changed>) -> Document {
    let receiver = |bytes: &[u8], beside: &BTreeMap<_, _>| receive(name, bytes, beside);
    judged(name, form(name), honest, cases, &receiver)
}

/// Every change of every place, under the signatures that were there.
fn under_old_signatures(tree: &Tree, prefix: &[u8]) -> Vec<Changed> {
    let mutations = tree.mutations().into_iter();
    mutations
        .map(|mutation| {
            let bytes = [prefix, mutation.tree.encoded().as_slice()].concat();
            changed(mutation.name(), bytes)
        })
        .collect()
}

fn statement(round: HexBytes<32>, partner: u8, signer: u8) -> Signed<AbortStatement> {
    Signed::sign(
        AbortStatement { round, partner },
        &cohort().identity(signer),
    )
    .unwrap()
}

fn abort_statement() -> Document {
    let (round, other) = (cohort().context.round(), HexBytes([9; 32]));
    let honest = statement(round, PARTNER, PARTNER);
    let bytes = encoded(&honest);
    let mut cases = outer(&bytes);
    cases.extend(under_old_signatures(&Tree::of(&honest), &[]));
    let signed = [
        (
            "about another round, signed by the partner",
            statement(other, PARTNER, PARTNER),
        ),
        (
            "about another partner, signed by the sender",
            statement(round, 3, PARTNER),
        ),
        ("another partner's own statement", statement(round, 3, 3)),
        ("signed by another partner", statement(round, PARTNER, 3)),
        ("about nobody", statement(round, 0, PARTNER)),
    ];
    cases.extend(signed.map(|(why, signed)| changed(why, encoded(&signed))));
    document("abort-statement", &bytes, cases)
}

fn abort_certificate() -> Document {
    let round = cohort().context.round();
    // The partner named, and who signs.
    let certificate = |round, list: &[(u8, u8)]| {
        let statements = list.iter().map(|(partner, signer)| StatementSignature {
            partner: *partner,
            signature: statement(round, *partner, *signer).signature,
        });
        let statements = statements.collect();
        encoded(&AbortCertificate { round, statements })
    };
    let honest = certificate(round, &[(1, 1), (3, 3), (4, 4)]);
    let lists: [(&str, &[(u8, u8)]); 8] = [
        ("of everybody", &[(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)]),
        ("one statement too few", &[(1, 1), (3, 3)]),
        ("no statement", &[]),
        (
            "one partner twice in place of another",
            &[(1, 1), (3, 3), (3, 3)],
        ),
        ("out of order", &[(3, 3), (1, 1), (4, 4)]),
        (
            "somebody who is not invited",
            &[(1, 1), (3, 3), (4, 4), (6, 5)],
        ),
        ("signed by another partner", &[(1, 1), (3, 2), (4, 4)]),
        (
            "enough good ones, and one that was never signed",
            &[(1, 1), (2, 1), (3, 3), (4, 4)],
        ),
    ];
    let mut cases = outer(&honest);
    let of_round = lists.map(|(why, list)| changed(why, certificate(round, list)));
    cases.extend(of_round);
    let elsewhere = certificate(HexBytes([9; 32]), &[(1, 1), (3, 3), (4, 4)]);
    cases.push(changed("about another round, signed by all", elsewhere));
    let read: AbortCertificate = decode(&honest, honest.len()).unwrap();
    cases.extend(under_old_signatures(&Tree::of(&read), &[]));
    document("abort-certificate", &honest, cases)
}

fn key_change() -> Document {
    let [old, new, other] = [1, 2, 3].map(identity);
    let content = |from: &Identity, to: &Identity| KeyChange {
        partner: "p1".to_owned(),
        from: from.key(),
        to: to.key(),
    };
    let sign =
        |content, by: &Identity, and: &Identity| Countersigned::sign(content, by, and).unwrap();
    let honest = sign(content(&old, &new), &old, &new);
    let mut cases = outer(&encoded(&honest));
    let signed = [
        (
            "the old key did not sign",
            sign(content(&old, &new), &other, &new),
        ),
        (
            "the new key did not sign",
            sign(content(&old, &new), &old, &other),
        ),
        (
            "the signatures are swapped",
            sign(content(&old, &new), &new, &old),
        ),
        ("to the key it was", sign(content(&old, &old), &old, &old)),
    ];
    cases.extend(signed.map(|(why, signed)| changed(why, encoded(&signed))));
    cases.extend(under_old_signatures(&Tree::of(&honest), &[]));
    document("key-change", &encoded(&honest), cases)
}

fn handover() -> Document {
    let [old, new] = [1, 2].map(identity);
    let content = Handover {
        from: old.key(),
        to: new.key(),
        at: 1_800_000_000,
    };
    let honest = Countersigned::sign(content.clone(), &old, &new).unwrap();
    let mut cases = outer(&encoded(&honest));
    // What a partner signed about its own key is no handover of the coordinator's.
    let change = KeyChange {
        partner: String::new(),
        from: old.key(),
        to: new.key(),
    };
    let change = Countersigned::sign(change, &old, &new).unwrap();
    let swapped = Countersigned {
        content,
        by_old: change.by_old,
        by_new: change.by_new,
    };
    cases.push(changed(
        "under the signatures of a change of a partner's key",
        encoded(&swapped),
    ));
    cases.extend(under_old_signatures(&Tree::of(&honest), &[]));
    document("handover", &encoded(&honest), cases)
}

fn endorsement() -> Document {
    let content = || Endorsement {
        endorser: "p1".to_owned(),
        partner: "p4".to_owned(),
        key: identity(4).key(),
        coordinator: identity(20).key(),
    };
    let signed = |change: fn(&mut Endorsement), by: u8| {
        let mut content = content();
        change(&mut content);
        Signed::sign(content, &identity(by)).unwrap()
    };
    let honest = signed(|_| {}, 1);
    let mut cases = outer(&encoded(&honest));
    let changes = [
        ("signed by somebody else", signed(|_| {}, 2)),
        (
            "by another accepted partner",
            signed(|e| e.endorser = "p2".to_owned(), 2),
        ),
        ("of itself", signed(|e| e.endorser = "p4".to_owned(), 4)),
        (
            "by a partner nobody accepted",
            signed(|e| e.endorser = "p5".to_owned(), 5),
        ),
        (
            "of another partner",
            signed(|e| e.partner = "p3".to_owned(), 1),
        ),
        ("of another key", signed(|e| e.key = identity(5).key(), 1)),
        (
            "at another coordinator",
            signed(|e| e.coordinator = identity(21).key(), 1),
        ),
    ];
    cases.extend(changes.map(|(why, signed)| changed(why, encoded(&signed))));
    cases.extend(under_old_signatures(&Tree::of(&honest), &[]));
    document("endorsement", &encoded(&honest), cases)
}

fn ledger_head() -> Document {
    let (node, coordinator) = (cohort().identity(PARTNER), cohort().coordinator.key());
    let head = LedgerHead {
        length: 3,
        digest: HexBytes([4; 32]),
    };
    let proof = |by: &Identity, to, head| {
        encoded(&HeadProof::Statement(HeadStatement::sign(
            by, to, head, None,
        )))
    };
    let honest = proof(&node, &coordinator, head);
    let mut cases = outer(&honest);
    cases.push(changed(
        "of another node",
        proof(&cohort().identity(3), &coordinator, head),
    ));
    cases.push(changed(
        "to another coordinator",
        proof(&node, &identity(9).key(), head),
    ));
    let read: HeadProof = decode(&honest, honest.len()).unwrap();
    cases.extend(under_old_signatures(&Tree::of(&read), &[]));
    document("ledger-head", &honest, cases)
}

fn pair<T: Clone>(first: &T, second: T) -> Box<[T; 2]> {
    Box::new([first.clone(), second])
}

/// Things that agree, or that belong to different slots, in the place of the contradiction.
fn no_contradiction(evidence: &Evidence) -> Vec<Changed> {
    let proofs = match evidence.proof.clone() {
        Proof::Messages(both) => agreeing_messages(&both[0]),
        Proof::Headers(both) => vec![(SAME, Proof::Headers(pair(&both[0], both[0].clone())))],
        Proof::Envelopes { header, envelopes } => {
            let envelopes = pair(&envelopes[0], envelopes[0].clone());
            vec![(SAME, Proof::Envelopes { header, envelopes })]
        }
        Proof::Shares(shares) => {
            let (mut fewer, mut twice) = (shares.clone(), shares);
            fewer.shares.pop();
            twice.shares[1] = twice.shares[0].clone();
            vec![
                ("a share too few", Proof::Shares(fewer)),
                ("a share twice", Proof::Shares(twice)),
            ]
        }
        Proof::Seed(seed) => {
            let (mut other, mut fewer) = (seed.clone(), seed);
            other.roll.swap(0, 1);
            fewer.roll.pop();
            vec![
                ("the roll in another order", Proof::Seed(other)),
                ("a Join of the roll is missing", Proof::Seed(fewer)),
            ]
        }
        Proof::Announcements(both) => {
            let [first, _] = *both;
            let next = signed_again(&first, |content| content.attempt += 1);
            vec![
                (SAME, Proof::Announcements(pair(&first, first.clone()))),
                ("two attempts", Proof::Announcements(pair(&first, next))),
            ]
        }
        Proof::Rosters(both) => {
            let [first, second] = *both;
            let next = signed_again(&second, |content| content.version += 1);
            vec![
                (SAME, Proof::Rosters(pair(&first, first.clone()))),
                ("two versions", Proof::Rosters(pair(&first, next))),
            ]
        }
        Proof::Programmes(both) => {
            let [first, _] = *both;
            let spelled = signed_again(&first, |content| content.toml.insert_str(0, "# New\n"));
            let same = Proof::Programmes(pair(&first, first.clone()));
            let spelled = Proof::Programmes(pair(&first, spelled));
            vec![
                (SAME, same),
                ("one programme, spelled differently", spelled),
            ]
        }
    };
    let twin = |(why, proof)| {
        let accused = evidence.accused;
        changed(why, Evidence { accused, proof }.to_bytes().unwrap())
    };
    proofs.into_iter().map(twin).collect()
}

const SAME: &str = "the same twice";

/// A document of the coordinator's with another content, under its signature.
fn signed_again<T: Content + Clone>(first: &Signed<T>, change: fn(&mut T)) -> Signed<T> {
    let mut content = first.content.clone();
    change(&mut content);
    Signed::sign(content, &cohort().coordinator).unwrap()
}

fn agreeing_messages(first: &SignedMessage) -> Vec<(&'static str, Proof)> {
    let mut round = Stepwise::new(&options(), SEED);
    round.advance_to(Phase::Mask);
    let mask = round.outgoing(LIAR);
    let other = forged(&round.cohort, &mask, |b: &mut MaskBody| {
        b.bad_dealers.push(4);
    });
    let messages = |one: &SignedMessage, two| Proof::Messages(pair(one, two));
    let mask = opened(&mask);
    vec![
        (SAME, messages(first, first.clone())),
        ("messages of two phases", messages(first, mask.clone())),
        (
            "two Mask messages, which carry a vector",
            messages(&mask, opened(&other)),
        ),
    ]
}

/// A file of evidence. Of the generated changes one is kept for each field and reason: there are thousands.
fn evidence(name: &str, evidence: &Evidence) -> Document {
    let name = format!("evidence of {name}");
    let honest = evidence.to_bytes().unwrap();
    let mut cases = outer(&honest);
    let bare = &honest[HEADER.len()..];
    cases.push(changed("without the header of the file", bare.to_vec()));
    let version = [b"msht-evidence-2\n".as_slice(), bare].concat();
    cases.push(changed("of another version", version));
    cases.extend(no_contradiction(evidence));
    let mut seen = BTreeSet::new();
    for case in under_old_signatures(&Tree::of(evidence), HEADER) {
        let place = case
            .why
            .split([':', '['])
            .next()
            .unwrap_or_default()
            .to_owned();
        let verdict =
            receive(&name, &case.bytes, &case.beside).map_err(|refusal| refusal.violation);
        if seen.insert((place, verdict)) {
            cases.push(case);
        }
    }
    document(&name, &honest, cases)
}

fn computed() -> Vectors {
    let context = &cohort().context;
    let mut documents = vec![
        abort_statement(),
        abort_certificate(),
        key_change(),
        handover(),
        endorsement(),
        ledger_head(),
    ];
    let all = evidence_of_every_form(&options(), SEED, PROGRAMME);
    documents.extend(all.iter().map(|(name, each)| evidence(name, each)));
    let hexadecimal = |bytes: &[u8]| hex::encode(bytes);
    let given = [
        ("round", context.round().to_string()),
        (
            "coordinator_key",
            hexadecimal(context.coordinator().as_bytes()),
        ),
        (
            "announcement",
            hexadecimal(&encoded(context.announcement().as_signed())),
        ),
        (
            "roster",
            hexadecimal(&encoded(context.roster().as_signed())),
        ),
        (
            "endorsed_coordinator_key",
            hexadecimal(identity(20).key().as_bytes()),
        ),
        (
            "endorsed_key_of_p1",
            hexadecimal(identity(1).key().as_bytes()),
        ),
        (
            "endorsed_key_of_p2",
            hexadecimal(identity(2).key().as_bytes()),
        ),
        (
            "endorsed_key_of_p3",
            hexadecimal(identity(3).key().as_bytes()),
        ),
        (
            "endorsed_key_of_p4",
            hexadecimal(identity(4).key().as_bytes()),
        ),
    ];
    let given = given.map(|(name, text)| (name.to_owned(), text));
    Vectors {
        about: "Bytes are hexadecimal. Each document is accepted as it is and refused with `remove` bytes at `at` replaced \
                by `insert` for each of `edits`, the last first. The abort statement is handed in by partner 2 of the \
                announced round; the certificate is of that round; the ledger head is of partner 2. The endorsement is \
                the only one of p4, where p1 to p3 were accepted before with the keys given and one is asked for. \
                Evidence needs nothing but itself. `violation` is what refuses it; `check` is the numbered check of \
                docs/protocol.md, where there is one."
            .to_owned(),
        given: given.into(),
        documents,
    }
}
