//! Frozen byte vectors: what goes over the wire, and the primitives under it, for fixed seeds.
//!
//! A change here is a change of the protocol: it needs a new version in the labels, the frames and the ALPN, and
//! new vectors beside the old ones. Never adjust these to make a test pass.
use std::collections::BTreeMap;

use msht_core::crypto::{
    AgreementSecret, HexBytes, Identity, KdfLabel, MaskStream, Secret, Sharing, Sign, apply_masks,
    combine, digest, open_at_rest,
};
use msht_core::dp::accountant::Ledger;
use msht_core::dp::contribution::NoisyTable;
use msht_core::dp::pool::NoiseDraw;
use msht_core::governance::{
    Countersigned, Endorsement, GovernanceRecord, Handover, KeyChange, Statement,
};
use msht_core::rational::Rational;
use msht_core::release::to_json;
use msht_core::secagg::messages::Phase;
use msht_core::secagg::node::{Anchor, Doubt, Durable, Reached};
use msht_core::secagg::{
    Abort, AbortCertificate, AbortNotice, AbortReason, AbortStatement, Signed,
};
use msht_core::testkit::cohort::{Cohort, CohortOptions};
use msht_core::testkit::documents::Documents;
use msht_core::testkit::samples::{every_request, every_response};
use msht_core::testkit::stepwise::Stepwise;
use msht_core::wire::{
    Blob, Invite, Item, Refusal, Request, Response, TOKEN_BYTES, decode_frame, encode, encode_frame,
};
use rand::SeedableRng;
use rand::rngs::StdRng;

const ROUND: &str = include_str!("vectors/round.txt");
const ABORT: &str = include_str!("vectors/abort.txt");
const PRIMITIVES: &str = include_str!("vectors/primitives.txt");
const GOVERNANCE: &str = include_str!("vectors/governance.txt");
const DOCUMENTS: &str = include_str!("vectors/documents.txt");
const FRAMES: &str = include_str!("vectors/frames.txt");
const KEPT: &str = include_str!("vectors/kept.txt");
/// Longest document that stands in its file whole; of longer ones the digest does.
const WHOLE_BYTES: usize = 1024;

/// Compares line by line, and shows everything computed where a line differs.
fn assert_frozen(frozen: &str, computed: &[String]) {
    let expected: Vec<&str> = frozen
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect();
    assert_eq!(
        expected,
        computed,
        "the wire format changed; that is a new version. Computed:\n{}",
        computed.join("\n")
    );
}

fn sha256(bytes: &[u8]) -> String {
    hex_of(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref())
}

#[test]
fn every_message_of_a_fixed_round_has_the_frozen_bytes() {
    let options = CohortOptions {
        partners: 3,
        ..CohortOptions::default()
    };
    let mut round = Stepwise::new(&options, 1);
    let mut lines = vec![format!("round {}", round.cohort.context.round())];
    for phase in Phase::ALL {
        for index in 1..=3 {
            let bytes = round.outgoing(index);
            lines.push(format!(
                "{} from {index}, {} bytes, {}",
                phase.word(),
                bytes.len(),
                sha256(&bytes)
            ));
        }
        round.collect();
        round.close();
        if phase == Phase::Unmask {
            continue;
        }
        for index in 1..=3 {
            let bytes = round.incoming(phase, index);
            lines.push(format!(
                "{} to {index}, {} bytes, {}",
                phase.word(),
                bytes.len(),
                sha256(&bytes)
            ));
        }
        round.deliver(phase);
    }
    let opened = round.coordinator.opened().unwrap();
    lines.push(format!("sum {:?}", opened.sum));
    assert_frozen(ROUND, &lines);
}

/// New requests and items come last, so that the numbers of the earlier ones stay.
#[test]
fn abort_statements_and_certificates_and_the_frames_they_travel_in_have_the_frozen_bytes() {
    let options = CohortOptions {
        partners: 3,
        ..CohortOptions::default()
    };
    let cohort = Cohort::new(&options, 1);
    let (context, round) = (&cohort.context, cohort.context.round());
    let statement = |partner| {
        let content = AbortStatement { round, partner };
        Signed::sign(content, &cohort.identity(partner)).unwrap()
    };
    let mut lines = vec![format!("round {round}")];
    for partner in 1..=3 {
        let bytes = encode(&statement(partner)).unwrap();
        lines.push(format!("statement of {partner}, {}", hex_of(&bytes)));
    }
    let made = AbortCertificate::assemble(context, [statement(3), statement(1)]);
    let made = made.unwrap().unwrap();
    let bytes = made.certificate().to_bytes().unwrap();
    lines.push(format!("certificate of 1 and 3, {}", hex_of(&bytes)));
    lines.push(format!("digest of the certificate, {}", made.digest()));
    let handed_in = Request::NeverUnmasked {
        round,
        statement: encode(&statement(2)).unwrap().into(),
    };
    let fetched = |item| Request::Fetch { item, offset: 0 };
    for (label, request) in [
        ("hand in the statement of 2", handed_in),
        (
            "fetch the certificate",
            fetched(Item::AbortCertificate(round)),
        ),
        ("fetch the abort notice", fetched(Item::Abort(round))),
        ("poll", Request::Poll { seen: 1 }),
    ] {
        let frame = encode_frame(&request).unwrap();
        assert_eq!(decode_frame::<Request>(&frame), Ok(request));
        lines.push(format!("frame: {label}, {}", hex_of(&frame)));
    }
    assert_frozen(ABORT, &lines);
}

#[test]
fn agreement_masks_and_shares_of_fixed_seeds_have_the_frozen_bytes() {
    let secret = |byte| Secret::from_bytes([byte; 32]);
    let (ours, theirs) = (
        AgreementSecret::from_seed(&secret(1)),
        AgreementSecret::from_seed(&secret(2)),
    );
    let public = theirs.public();
    let checked = public.check().unwrap();
    let (ciphertext, kem) = checked.encapsulate(&secret(3));
    let dh = ours.diffie_hellman(&checked).unwrap();
    let salt = digest("salt", &[]);
    let key = combine(&kem, &dh, &salt, KdfLabel::PairMask, &[b"context"]);
    let hexadecimal = |secret: &Secret| hex_of(secret.expose());
    let mut lines = vec![
        format!("x25519 public of seed 02…, {}", public.x25519),
        format!(
            "ml-kem public of seed 02…, {}",
            sha256(public.ml_kem.as_ref())
        ),
        format!("ml-kem ciphertext, {}", sha256(ciphertext.as_ref())),
        format!("ml-kem secret, {}", hexadecimal(&kem)),
        format!("x25519 secret, {}", hexadecimal(&dh)),
        format!("pair mask key, {}", hexadecimal(&key)),
    ];
    let mut words = [0u32; 8];
    apply_masks(&mut words, &[MaskStream::new(&key, Sign::Add)]);
    let stream: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    lines.push(format!("mask stream, {}", hex_of(&stream)));
    let sharing = Sharing::new(&secret(4), 3, &[b"context"]).unwrap();
    for index in [1, 2, 3, 255] {
        let share = sharing.share(index).unwrap();
        lines.push(format!("share {index} of 3, {}", hexadecimal(&share)));
    }
    assert_frozen(PRIMITIVES, &lines);
}

#[test]
fn statements_on_keys_and_their_frames_have_the_frozen_bytes() {
    let [a, b, coordinator] =
        [1, 2, 3].map(|byte| Identity::from_seed(Secret::from_bytes([byte; 32])).unwrap());
    let change = KeyChange {
        partner: "p1".to_owned(),
        from: a.key(),
        to: b.key(),
    };
    let handover = Handover {
        from: a.key(),
        to: b.key(),
        at: 1_800_000_000,
    };
    let endorsement = Endorsement {
        endorser: "p1".to_owned(),
        partner: "p2".to_owned(),
        key: b.key(),
        coordinator: coordinator.key(),
    };
    let change = Countersigned::sign(change, &a, &b).unwrap();
    let endorsement = Signed::sign(endorsement, &a).unwrap();
    let record = GovernanceRecord {
        handovers: vec![Countersigned::sign(handover, &a, &b).unwrap()],
        key_changes: vec![change.clone()],
        endorsements: vec![endorsement.clone()],
    };
    let request = Request::State {
        statement: Blob::from(vec![7]),
    };
    let fetch = |item| Request::Fetch { item, offset: 0 };
    let reason = "r".to_owned();
    let lines: Vec<String> = [
        ("key change", encode(&Statement::KeyChange(change))),
        ("endorsement", encode(&Statement::Endorsement(endorsement))),
        ("record", encode(&record)),
        ("state", encode_frame(&request)),
        ("fetch roster", encode_frame(&fetch(Item::CurrentRoster))),
        ("fetch record", encode_frame(&fetch(Item::Governance))),
        ("revoked", encode(&Refusal::Revoked)),
        ("open round", encode(&Refusal::OpenRound)),
        ("statement", encode(&Refusal::Statement { reason })),
    ]
    .map(|(name, bytes)| format!("{name}, {}", hex_of(&bytes.unwrap())))
    .into();
    assert_frozen(GOVERNANCE, &lines);
}

fn whole_or_digest(name: &str, bytes: &[u8]) -> String {
    let shown = match bytes.len() {
        0..=WHOLE_BYTES => hex_of(bytes),
        _ => sha256(bytes),
    };
    format!("{name}, {} bytes, {shown}", bytes.len())
}

#[test]
fn documents_of_a_fixed_round_have_the_frozen_bytes() {
    let round = Documents::of(include_str!("negative_documents/programme.toml"));
    let release = round.released();
    let names = || vec!["partner-1".to_owned()];
    let reasons = [
        AbortReason::TooFew {
            received: 2,
            needed: 3,
        },
        AbortReason::BadEnvelopes {
            dealer: names(),
            complainants: names(),
        },
        AbortReason::InconsistentDealer { dealer: names() },
        AbortReason::OutOfRange {
            table: "total".to_owned(),
        },
        AbortReason::Operator,
        AbortReason::Internal,
    ];
    let invite = Invite {
        address: "counting.example.org:7843".to_owned(),
        coordinator: round.coordinator.key(),
        token: HexBytes([5; TOKEN_BYTES]),
        partner: "harbour-trust".to_owned(),
        expires_at: 1_800_000_000,
    };
    let mut lines = vec![
        whole_or_digest("programme", &encode(&round.programme).unwrap()),
        whole_or_digest("roster", &encode(&round.roster).unwrap()),
        whole_or_digest("announcement", &encode(&round.announcement).unwrap()),
        whole_or_digest("release", &encode(&release).unwrap()),
        whole_or_digest("release.json", &to_json(&release).unwrap()),
        format!("invite, {invite}"),
    ];
    for (reason, number) in reasons.into_iter().zip(0..) {
        let notice = AbortNotice {
            round: HexBytes([7; 32]),
            abort: Abort {
                phase: Phase::Mask,
                reason,
                missing: names(),
            },
        };
        let signed = Signed::sign(notice, &round.coordinator).unwrap();
        let name = format!("abort notice {number}");
        lines.push(whole_or_digest(&name, &encode(&signed).unwrap()));
    }
    assert_frozen(DOCUMENTS, &lines);
}

#[test]
fn every_request_and_response_has_the_frozen_bytes() {
    let mut lines = Vec::new();
    for (name, request) in every_request() {
        let frame = encode_frame(&request).unwrap();
        assert_eq!(decode_frame::<Request>(&frame), Ok(request));
        lines.push(format!("request {name}, {}", hex_of(&frame)));
    }
    for (name, response) in every_response() {
        let frame = encode_frame(&response).unwrap();
        assert_eq!(decode_frame::<Response>(&frame), Ok(response));
        lines.push(format!("response {name}, {}", hex_of(&frame)));
    }
    assert_frozen(FRAMES, &lines);
}

/// Files of an earlier version must open in a later one.
#[test]
fn what_a_node_keeps_beside_its_rounds_has_the_frozen_bytes() {
    let key = Secret::from_bytes([5; 32]);
    let mut rng = StdRng::seed_from_u64(1);
    let (ledger, round) = (Ledger::default(), HexBytes([2; 32]));
    let rounds = BTreeMap::from([(round, Reached::Stored(Phase::Join))]);
    let durable = Durable {
        enrolment: None,
        ledger: &ledger,
        entries: &[],
        rounds: &rounds,
    };
    let first = Anchor::of(HexBytes([3; 16]), &durable);
    let step = first.clear(&durable, round, Phase::Join, b"join").unwrap();
    let sealed = step.to_store().unwrap().seal(&key, &mut rng).unwrap();
    let text = open_at_rest(&key, b"msht/1/anchor", &sealed).unwrap();
    let frozen: Vec<u8> = KEPT
        .lines()
        .find_map(|line| line.strip_prefix("anchor, "))
        .map(|digits| hex::decode(digits).unwrap())
        .unwrap_or_default();
    let tables = [NoisyTable {
        cells: 3,
        rate: &Rational::one(),
    }];
    let draw = NoiseDraw::draw(round, tables, &Rational::one(), &mut rng).unwrap();
    let phase = Phase::Mask;
    let doubts = [
        Doubt::Missing,
        Doubt::Unreadable,
        Doubt::OtherEnrolment,
        Doubt::LedgerBehind {
            stored: 3,
            anchored: 5,
        },
        Doubt::LedgerDiverged { at: 3 },
        Doubt::RoundBehind { round, phase },
        Doubt::MessageDiffers { round, phase },
        Doubt::SignedElsewhere {
            length: 7,
            head: round,
        },
    ];
    let mut lines = vec![
        format!("anchor, {}", hex_of(&sealed)),
        format!("anchor opened, {}", std::str::from_utf8(&text).unwrap()),
        format!("noise, {}", hex_of(&draw.to_bytes())),
    ];
    for doubt in doubts {
        lines.push(format!("doubt, {}", serde_json::to_string(&doubt).unwrap()));
    }
    assert_frozen(KEPT, &lines);
    assert_eq!(
        Anchor::open(&key, &frozen).as_ref(),
        Ok(step.to_store().unwrap())
    );
}

fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
