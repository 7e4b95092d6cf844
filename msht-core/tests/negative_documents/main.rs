//! Documents that must be refused, each with its reason and, where one refuses it, the numbered check: for this and
//! other implementations. The messages of a round have vectors of their own (`negative_vectors.rs`).
//!
//! Most cases are generated: every place of a document is changed, the document is signed again by its true signer,
//! and what the receiver says is written down. `MSHT_WRITE_VECTORS=1` writes the files anew; never do that to make a
//! test pass.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod frames;
mod statements;
mod terms;
mod texts;

use std::collections::BTreeMap;

use msht_core::secagg::Fault;
use serde::{Deserialize, Serialize};

const PROGRAMME: &str = include_str!("programme.toml");
/// Bytes of a signature at the end of a signed document.
const SIGNATURE_BYTES: usize = 64;

/// One file of vectors.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Vectors {
    about: String,
    /// What the receiver has beside the document, by name.
    given: BTreeMap<String, String>,
    documents: Vec<Document>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Document {
    document: String,
    /// Hexadecimal, or a text as it is.
    accepted: String,
    /// Other content that the receiver takes as well: what nothing it has fixes.
    also_accepted: Vec<Case>,
    refused: Vec<Case>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Case {
    why: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<Refusal>,
    /// Another document that is given in its place in this case, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    beside: BTreeMap<String, String>,
    edits: Vec<Edit>,
}

/// What the receiver says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Refusal {
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blame: Option<String>,
    violation: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Edit {
    at: usize,
    remove: usize,
    insert: String,
}

impl Refusal {
    fn new(violation: impl ToString) -> Self {
        Self {
            check: None,
            blame: None,
            violation: violation.to_string(),
        }
    }

    fn at(check: &str, violation: impl ToString) -> Self {
        Self {
            check: Some(check.to_owned()),
            ..Self::new(violation)
        }
    }

    /// Before any numbered check: the bytes are not the encoding of such a document.
    fn encoding() -> Self {
        Self::new("Encoding")
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self {
            check: Some(fault.check.to_string()),
            blame: Some(format!("{:?}", fault.blame)),
            violation: format!("{:?}", fault.violation),
        }
    }
}

impl Edit {
    /// What turns `from`, which begins at `start`, into `to`.
    fn between(start: usize, from: &[u8], to: &[u8]) -> Self {
        let same = |(a, b): &(&u8, &u8)| a == b;
        let prefix = from.iter().zip(to).take_while(same).count();
        let most = from.len().min(to.len()) - prefix;
        let ends = from.iter().rev().zip(to.iter().rev());
        let suffix = ends.take(most).take_while(same).count();
        Self {
            at: start + prefix,
            remove: from.len() - suffix - prefix,
            insert: hex::encode(&to[prefix..to.len() - suffix]),
        }
    }
}

/// The edits of content and of the last `tail` bytes, so that a new signature is an edit of its own.
fn edits(tail: usize, from: &[u8], to: &[u8]) -> Vec<Edit> {
    let (from, from_tail) = from.split_at(from.len().saturating_sub(tail));
    let (to, to_tail) = to.split_at(to.len().saturating_sub(tail));
    let both = [(0, from, to), (from.len(), from_tail, to_tail)];
    let changed = both.into_iter().filter(|(_, from, to)| from != to);
    changed
        .map(|(start, from, to)| Edit::between(start, from, to))
        .collect()
}

fn edited(accepted: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut bytes = accepted.to_vec();
    for edit in edits.iter().rev() {
        let insert = hex::decode(&edit.insert).unwrap();
        bytes.splice(edit.at..edit.at + edit.remove, insert);
    }
    bytes
}

/// A changed document: why it is another one, its bytes, and what is given beside it.
struct Changed {
    why: String,
    bytes: Vec<u8>,
    beside: Beside,
}

fn changed(why: impl ToString, bytes: Vec<u8>) -> Changed {
    Changed {
        why: why.to_string(),
        bytes,
        beside: BTreeMap::new(),
    }
}

/// Other documents that stand in for the given ones, by name.
type Beside = BTreeMap<String, Vec<u8>>;
/// What takes bytes and what is beside them.
type Receiver<'a> = &'a dyn Fn(&[u8], &Beside) -> Result<(), Refusal>;

/// How the bytes of a document stand in a file.
#[derive(Clone, Copy)]
enum Form {
    /// Hexadecimal; so many bytes at the end are edited apart.
    Binary(usize),
    Text(usize),
}

impl Form {
    fn of_bytes(self, bytes: &[u8]) -> String {
        match self {
            Self::Binary(_) => hex::encode(bytes),
            Self::Text(_) => String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    fn bytes(self, text: &str) -> Vec<u8> {
        match self {
            Self::Binary(_) => hex::decode(text).unwrap(),
            Self::Text(_) => text.as_bytes().to_vec(),
        }
    }

    fn tail(self) -> usize {
        match self {
            Self::Binary(tail) | Self::Text(tail) => tail,
        }
    }
}

/// What the receiver says to a document and to every change of it.
fn judged(
    document: impl ToString,
    form: Form,
    accepted: &[u8],
    cases: Vec<Changed>,
    receive: Receiver<'_>,
) -> Document {
    let document = document.to_string();
    let twin = receive(accepted, &BTreeMap::new());
    assert_eq!(twin, Ok(()), "{document} is refused unchanged");
    let (mut also_accepted, mut refused) = (Vec::new(), Vec::new());
    for case in cases {
        let verdict = receive(&case.bytes, &case.beside);
        let hexadecimal = |(name, bytes): (String, Vec<u8>)| (name, hex::encode(bytes));
        let list = if verdict.is_ok() {
            &mut also_accepted
        } else {
            &mut refused
        };
        list.push(Case {
            why: case.why,
            refusal: verdict.err(),
            beside: case.beside.into_iter().map(hexadecimal).collect(),
            edits: edits(form.tail(), accepted, &case.bytes),
        });
    }
    Document {
        document,
        accepted: form.of_bytes(accepted),
        also_accepted,
        refused,
    }
}

/// What any document can have wrong with it.
fn outer(honest: &[u8]) -> Vec<Changed> {
    let cut = honest[..honest.len() - 1].to_vec();
    vec![
        changed("nothing at all", Vec::new()),
        changed("a byte behind the document", [honest, &[0]].concat()),
        changed("the last byte is missing", cut),
    ]
}

/// A family of vectors: how it is computed, and how its receiver is asked again about what is in the file.
struct Family {
    file: &'static str,
    least_refused: usize,
    computed: fn() -> Vectors,
    form: fn(&str) -> Form,
    receive: fn(&str, &[u8], &Beside) -> Result<(), Refusal>,
}

fn check(family: &Family) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/negative");
    let path = folder.join(family.file);
    let computed = (family.computed)();
    if std::env::var_os("MSHT_WRITE_VECTORS").is_some() {
        let text = serde_json::to_string_pretty(&computed).unwrap();
        std::fs::write(&path, text + "\n").unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let frozen: Vectors = serde_json::from_str(&text).unwrap();
    let mut refused = 0;
    for document in &frozen.documents {
        let name = document.document.as_str();
        let form = (family.form)(name);
        let accepted = form.bytes(&document.accepted);
        let receive = |case: &Case| {
            let decoded =
                |(name, text): (&String, &String)| (name.clone(), hex::decode(text).unwrap());
            let beside = case.beside.iter().map(decoded).collect();
            (family.receive)(name, &edited(&accepted, &case.edits), &beside)
        };
        let twin = (family.receive)(name, &accepted, &BTreeMap::new());
        assert_eq!(twin, Ok(()), "{name}");
        for case in document.also_accepted.iter().chain(&document.refused) {
            assert_eq!(receive(case).err(), case.refusal, "{name}: {}", case.why);
        }
        assert!(document.refused.iter().all(|case| case.refusal.is_some()));
        assert!(
            document
                .also_accepted
                .iter()
                .all(|case| case.refusal.is_none())
        );
        assert!(!document.refused.is_empty(), "{name} has no refused twin");
        refused += document.refused.len();
    }
    assert!(
        refused >= family.least_refused,
        "{refused} refused documents"
    );
    // A field that a document gains is changed too: then the file lacks it.
    assert!(
        frozen == computed,
        "{} is not what is generated now",
        family.file
    );
}

#[test]
fn every_negative_vector_of_the_terms_of_a_round_is_refused_for_its_reason() {
    check(&terms::FAMILY);
}

#[test]
fn every_negative_vector_of_statements_certificates_and_evidence_is_refused_for_its_reason() {
    check(&statements::FAMILY);
}

#[test]
fn every_negative_vector_of_a_frame_is_refused_for_its_reason() {
    check(&frames::FAMILY);
}

#[test]
fn every_negative_vector_of_a_programme_a_release_and_an_invite_is_refused_for_its_reason() {
    check(&texts::FAMILY);
}
