//! What a node keeps beside its rounds: the anchor, drawn noise, a doubt, the key file; and the certificate by which
//! a peer is known.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::LazyLock;

use msht_core::crypto::{Digest, HexBytes, IdentityKey, Secret, open_at_rest, seal_at_rest};
use msht_core::dp::accountant::{Caps, Ledger, LedgerEntry, Resolution};
use msht_core::dp::contribution::NoisyTable;
use msht_core::dp::pool::NoiseDraw;
use msht_core::programme::Programme;
use msht_core::rational::Rational;
use msht_core::secagg::messages::Phase;
use msht_core::secagg::node::{Anchor, Doubt, Durable, EnrolmentId, NotCleared, Reached};
use msht_core::tally::Tally;
use msht_core::testkit::cohort::Cohort;
use msht_core::wire::tls;
use msht_host::{KeyError, KeySource};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rustls::pki_types::CertificateDer;
use tempfile::TempDir;

use crate::documents::{OF_TEXT, PROGRAMME};
use crate::records::ledger_of_two_rounds;
use crate::{Ceiling, Target, round};

const LONGEST_BYTES: usize = 64 * 1024;
/// Opening, following and clearing keep an anchor each, and a recovery the entries of its charges.
const OF_ANCHOR: Ceiling = Ceiling {
    fixed: OF_TEXT.fixed,
    per_byte: 1024,
};
/// What the seal of an anchor is bound to. If the core's differed, no seed would open.
const ANCHOR_CONTEXT: &[u8] = b"msht/1/anchor";
const ENROLMENT: EnrolmentId = HexBytes([3; 16]);
/// The round that a message is cleared for.
const OPEN_ROUND: Digest = HexBytes([2; 32]);

pub(crate) fn targets() -> Vec<Target> {
    let target = |name, ceiling, run, seeds| Target {
        name,
        longest: LONGEST_BYTES,
        ceiling,
        run,
        seeds,
    };
    vec![
        target(
            "anchor",
            OF_ANCHOR,
            anchor as fn(&[u8]) -> bool,
            anchors as fn() -> _,
        ),
        target("record-noise", Ceiling::OF_DECODING, noise, noises),
        target("record-doubt", OF_TEXT, doubt, doubts),
        target("key-file", OF_TEXT, key_file, key_files),
        target("peer-certificate", OF_TEXT, certificate, certificates),
    ]
}

fn key() -> Secret {
    Secret::from_bytes([5; 32])
}

fn rng() -> StdRng {
    StdRng::seed_from_u64(round::SEED)
}

/// What the database of the seeds' node holds.
struct Database {
    ledger: Ledger,
    entries: Vec<LedgerEntry>,
    rounds: BTreeMap<Digest, Reached>,
}

static DATABASE: LazyLock<Database> = LazyLock::new(|| {
    let entries = ledger_of_two_rounds();
    Database {
        ledger: Ledger::replay(&entries).expect("honest entries"),
        entries,
        rounds: BTreeMap::from([
            (HexBytes([1; 32]), Reached::Ended),
            (OPEN_ROUND, Reached::Stored(Phase::Mask)),
        ]),
    }
});

impl Database {
    fn durable(&self) -> Durable<'_> {
        Durable {
            enrolment: Some(ENROLMENT),
            ledger: &self.ledger,
            entries: &self.entries,
            rounds: &self.rounds,
        }
    }
}

/// The first byte says whether the rest is the file, or what lies sealed in it.
fn anchor(input: &[u8]) -> bool {
    let Some((form, rest)) = input.split_first() else {
        return false;
    };
    let sealed = match form % 2 {
        0 => rest.to_vec(),
        _ => seal_at_rest(&key(), ANCHOR_CONTEXT, rest, &mut rng()),
    };
    let Ok(anchor) = Anchor::open(&key(), &sealed) else {
        return false;
    };
    let again = anchor.seal(&key(), &mut rng()).expect("was read");
    let again = Anchor::open(&key(), &again).expect("was sealed");
    assert_eq!(again, anchor, "changed by sealing and opening");
    assert_follows_or_doubts(&anchor);
    assert_clears_one_message(&anchor);
    assert_recovers(&anchor);
    true
}

/// An anchor that is followed was of this enrolment and no further than the database, and the next one stays.
fn assert_follows_or_doubts(anchor: &Anchor) {
    let durable = DATABASE.durable();
    let Ok(step) = anchor.follow(&durable) else {
        return;
    };
    assert_eq!(anchor.enrolment(), ENROLMENT, "another enrolment's");
    assert!(anchor.ledger().is_in(&DATABASE.entries), "another ledger's");
    let next = step.to_store().unwrap_or(anchor).clone();
    let after = next.follow(&durable).expect("was followed");
    assert!(after.to_store().is_none(), "never comes to rest");
}

/// Once a message may leave, no other of its phase may.
fn assert_clears_one_message(anchor: &Anchor) {
    let clear = |anchor: &Anchor, message: &[u8]| {
        let step = anchor.clear(&DATABASE.durable(), OPEN_ROUND, Phase::Mask, message)?;
        Ok::<_, NotCleared>(step.to_store().unwrap_or(anchor).clone())
    };
    let Ok(cleared) = clear(anchor, b"first") else {
        return;
    };
    assert_eq!(clear(&cleared, b"first"), Ok(cleared.clone()));
    let other = clear(&cleared, b"second");
    assert!(
        matches!(other, Err(NotCleared::Doubt(Doubt::MessageDiffers { .. }))),
        "{other:?}"
    );
}

/// Somebody decides after a doubt: what the anchor remembers as spent is spent in the ledger after that.
fn assert_recovers(anchor: &Anchor) {
    let caps = Caps {
        per_period: Rational::one(),
        per_year: Rational::one(),
    };
    let resolution = Resolution {
        by: "data officer".to_owned(),
        found: "a copy".to_owned(),
        furthest: 0,
    };
    let ledger = &DATABASE.ledger;
    let Ok(added) = ledger.recovery(anchor.charges(), resolution, &caps, 1) else {
        return;
    };
    let whole: Vec<LedgerEntry> = DATABASE.entries.iter().cloned().chain(added).collect();
    let after = Ledger::replay(&whole).expect("a recovery follows on");
    for each in anchor.charges() {
        let round = each.charge.round();
        if each.counts && ledger.outcome(&round).is_none() {
            let outcome = after.outcome(&round);
            assert!(outcome.is_some_and(|outcome| outcome.counts()), "forgotten");
        }
    }
}

fn anchors() -> Vec<(String, Vec<u8>)> {
    let first = Anchor::of(ENROLMENT, &DATABASE.durable());
    let step = first.clear(&DATABASE.durable(), OPEN_ROUND, Phase::Mask, b"first");
    let step = step.expect("stored");
    let second = step.to_store().expect("a message was added").clone();
    let sealed = |anchor: &Anchor| anchor.seal(&key(), &mut rng()).expect("small");
    let text = |anchor: &Anchor| {
        let text = open_at_rest(&key(), ANCHOR_CONTEXT, &sealed(anchor));
        [b"\x01", text.expect("sealed above").as_slice()].concat()
    };
    vec![
        (
            "file".to_owned(),
            [b"\0", sealed(&second).as_slice()].concat(),
        ),
        ("first".to_owned(), text(&first)),
        ("with-a-message".to_owned(), text(&second)),
    ]
}

static SMALL: LazyLock<Programme> =
    LazyLock::new(|| Programme::parse(PROGRAMME).expect("a valid programme"));

/// A draw reads back as written, and goes onto as many cells as it has, for its round alone.
fn noise(input: &[u8]) -> bool {
    let read = || NoiseDraw::from_bytes(input);
    let Some(draw) = read() else {
        return false;
    };
    assert!(
        draw.to_bytes().as_slice() == input,
        "one draw has two encodings"
    );
    let round = draw.round();
    let counts = Tally::new(&SMALL).finish();
    let (_, cells) = input.split_at(32);
    let expected: Vec<i64> = cells
        .as_chunks()
        .0
        .iter()
        .map(|cell| i64::from_le_bytes(*cell))
        .collect();
    let added = draw.add_to(round, &counts).ok();
    assert_eq!(added.is_some(), expected.len() == SMALL.cells());
    assert!(
        added.is_none_or(|added| *added == expected),
        "other noise than was drawn"
    );
    let elsewhere = HexBytes([!round.as_bytes().first().copied().unwrap_or_default(); 32]);
    let elsewhere = read().map(|draw| draw.add_to(elsewhere, &counts).is_err());
    assert_eq!(elsewhere, Some(true), "used in another round");
    true
}

fn noises() -> Vec<(String, Vec<u8>)> {
    let tables = SMALL.tables().iter().map(|table| NoisyTable {
        cells: table.cells(),
        rate: table.noise_rate(),
    });
    let shape = Rational::new(1, 2).expect("not zero");
    let draw = NoiseDraw::draw(OPEN_ROUND, tables, &shape, &mut rng()).expect("valid");
    vec![("small".to_owned(), draw.to_bytes().to_vec())]
}

/// Why a node does not trust its database, as the vault keeps it.
fn doubt(input: &[u8]) -> bool {
    let Ok(doubt) = serde_json::from_slice::<Doubt>(input) else {
        return false;
    };
    let text = serde_json::to_vec(&doubt).expect("was read");
    let again: Doubt = serde_json::from_slice(&text).expect("was written");
    assert_eq!(again, doubt, "changed by writing and reading");
    assert!(!doubt.to_string().is_empty(), "people read it");
    true
}

fn doubts() -> Vec<(String, Vec<u8>)> {
    let (round, phase) = (OPEN_ROUND, Phase::Mask);
    let all = [
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
            head: Digest::ZERO,
        },
    ];
    let seed = |(doubt, number): (&Doubt, u8)| {
        (
            format!("{number}"),
            serde_json::to_vec(doubt).expect("short"),
        )
    };
    all.iter().zip(0..).map(seed).collect()
}

thread_local! {
    static FOLDER: TempDir = tempfile::tempdir().expect("a folder for one file");
}

/// A key file is its digits and space around them, and nothing else is one.
fn key_file(input: &[u8]) -> bool {
    let path: PathBuf = FOLDER.with(|folder| folder.path().join("key"));
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&path).expect("room for one file");
    file.write_all(input).expect("room for one file");
    drop(file);
    let file = KeySource::File(path).locate("MSHT_FUZZ_NO_KEY", |_| None);
    match file.expect("a path").read() {
        Ok(key) => {
            let digits = hex::encode(key.expose());
            let text = input.trim_ascii().to_ascii_lowercase();
            assert!(text == digits.as_bytes(), "another key than the digits");
            true
        }
        Err(error) => {
            assert!(matches!(error, KeyError::NotAKey(_)), "{error}");
            let shown = error.to_string() + &error.hint();
            let digits = String::from_utf8_lossy(input.trim_ascii()).into_owned();
            assert!(
                digits.len() < 32 || !shown.contains(&digits),
                "repeats the content"
            );
            false
        }
    }
}

fn key_files() -> Vec<(String, Vec<u8>)> {
    let digits = "0123456789abcdef".repeat(4);
    [("line", "\n"), ("windows-line", "\r\n"), ("bare", "")]
        .map(|(name, end)| (name.to_owned(), format!("{digits}{end}").into_bytes()))
        .into()
}

/// A key that is read from a certificate stands in it.
fn certificate(input: &[u8]) -> bool {
    let found: Option<IdentityKey> = tls::peer_key(&[CertificateDer::from(input)]);
    let Some(found) = found else {
        return false;
    };
    let stands = input.windows(32).any(|bytes| bytes == found.as_bytes());
    assert!(stands, "a key that is not in the certificate");
    true
}

/// The certificates that both sides show, taken from a handshake in memory.
fn certificates() -> Vec<(String, Vec<u8>)> {
    let Cohort {
        coordinator,
        identities,
        ..
    } = round::fresh().cohort;
    let node = identities.first().expect("a partner");
    let client = tls::client_config(node, coordinator.key()).expect("a valid key");
    let server = tls::server_config(&coordinator).expect("a valid key");
    let name = tls::server_name().try_into().expect("a name");
    let mut client = rustls::ClientConnection::new(client.into(), name).expect("a valid key");
    let mut server = rustls::ServerConnection::new(server.into()).expect("a valid key");
    while client.is_handshaking() || server.is_handshaking() {
        let mut sent = Vec::new();
        client.write_tls(&mut sent).expect("in memory");
        server.read_tls(&mut sent.as_slice()).expect("in memory");
        server.process_new_packets().expect("honest");
        sent.clear();
        server.write_tls(&mut sent).expect("in memory");
        client.read_tls(&mut sent.as_slice()).expect("in memory");
        client.process_new_packets().expect("honest");
    }
    let shown = |name: &str, by: Option<&[CertificateDer<'_>]>| {
        let first = by.and_then(<[_]>::first).expect("shown");
        (name.to_owned(), first.to_vec())
    };
    vec![
        shown("node", server.peer_certificates()),
        shown("coordinator", client.peer_certificates()),
    ]
}
