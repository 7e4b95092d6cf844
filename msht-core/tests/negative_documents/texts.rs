//! Texts: the programme that people write, `release.json`, and the invite that is pasted.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use msht_core::crypto::{HexBytes, digest};
use msht_core::programme::{Programme, ProgrammeError};
use msht_core::release::{Expectations, Release, ReleaseFault, from_json, to_json};
use msht_core::secagg::Signed;
use msht_core::testkit::documents::identity;
use msht_core::testkit::forge::encoded;
use msht_core::testkit::mutate::Tree;
use msht_core::wire::{Invite, MAX_ENCODED_BYTES, TOKEN_BYTES, decode};

use super::terms::DOCUMENTS;
use super::{Changed, Document, Family, Form, PROGRAMME, Refusal, Vectors, changed, judged};

pub(super) const FAMILY: Family = Family {
    file: "texts.json",
    least_refused: 300,
    computed,
    form,
    receive,
};

static PARSED: LazyLock<Programme> = LazyLock::new(|| Programme::parse(PROGRAMME).unwrap());
static RELEASE: LazyLock<Signed<Release>> = LazyLock::new(|| DOCUMENTS.released());

/// The signature is the last key of a release: it and the brace behind it are edited apart.
fn form(name: &str) -> Form {
    match name {
        "release" => Form::Text(SIGNATURE_LINE_BYTES),
        _ => Form::Text(0),
    }
}

/// The digits, their quotation mark, and the closing brace on a line of its own.
const SIGNATURE_LINE_BYTES: usize = 128 + 1 + 3;

fn receive(name: &str, bytes: &[u8], _: &BTreeMap<String, Vec<u8>>) -> Result<(), Refusal> {
    match name {
        "programme" => {
            let text = std::str::from_utf8(bytes).map_err(|_| Refusal::encoding())?;
            Programme::parse(text)
                .map(drop)
                .map_err(|error| programme_refusal(&error))
        }
        "release" => {
            let release = from_json(bytes).map_err(|_| Refusal::encoding())?;
            let expected = Expectations {
                coordinator: Some(DOCUMENTS.coordinator.key()),
                previous: Some(Some(HexBytes([4; 32]))),
                programme: Some(&PARSED),
                ..Expectations::default()
            };
            let verdict = release.verify_release(&expected);
            verdict.map(drop).map_err(|fault| release_refusal(&fault))
        }
        _ => {
            let text = std::str::from_utf8(bytes).map_err(|_| Refusal::encoding())?;
            let read = text.parse::<Invite>();
            read.map(drop)
                .map_err(|error| Refusal::new(format!("{error:?}")))
        }
    }
}

/// The name of an enum's variant, without what it holds.
fn variant(value: &dyn std::fmt::Debug) -> String {
    let shown = format!("{value:?}");
    let end = shown.find(|sign: char| !sign.is_alphanumeric());
    shown[..end.unwrap_or(shown.len())].to_owned()
}

fn programme_refusal(error: &ProgrammeError) -> Refusal {
    match error {
        ProgrammeError::Key { path, problem } => {
            Refusal::new(format!("{path}: {}", variant(problem)))
        }
        ProgrammeError::Syntax { line, .. } => Refusal::new(format!("line {line}: Syntax")),
        ProgrammeError::TooLong(_) => Refusal::new("TooLong"),
    }
}

fn release_refusal(fault: &ReleaseFault) -> Refusal {
    Refusal::at(
        "N9",
        match fault {
            ReleaseFault::Terms(fault) => format!("Terms: {} {:?}", fault.check, fault.violation),
            ReleaseFault::Field(field) => format!("Field: {field}"),
            other => variant(other),
        },
    )
}

/// What a rule of programmes refuses, as a text put in the place of another.
const PROGRAMMES: [(&str, &str, &str); 27] = [
    (
        "an id with a capital letter",
        "id = \"small\"",
        "id = \"Small\"",
    ),
    ("an empty id", "id = \"small\"", "id = \"\""),
    ("an id of 200 letters", "id = \"small\"", ""),
    ("no title", "A small programme", ""),
    (
        "a title with a line break",
        "A small programme",
        "A small\\nprogramme",
    ),
    (
        "a title that ends in a space",
        "A small programme",
        "A small programme ",
    ),
    ("version 0", "version = 1", "version = 0"),
    ("a negative version", "version = 1", "version = -1"),
    (
        "a bound of 0 for a cell",
        "max_count_per_cell = 100",
        "max_count_per_cell = 0",
    ),
    (
        "a bound that a word cannot hold",
        "max_count_per_cell = 100",
        "max_count_per_cell = 4000000000",
    ),
    ("16-bit words", "word_bits = 32", "word_bits = 16"),
    ("an unknown unit", "unit = \"person\"", "unit = \"town\""),
    (
        "no record of a person",
        "max_records = 1",
        "max_records = 0",
    ),
    ("no ε", "epsilon_per_period = 1,", "epsilon_per_period = 0,"),
    (
        "a very large ε",
        "epsilon_per_period = 1,",
        "epsilon_per_period = 1000000,",
    ),
    (
        "a year that cannot pay for one period",
        "epsilon_per_year = 4",
        "epsilon_per_year = 0.5",
    ),
    ("two partners", "least_partners = 3", "least_partners = 2"),
    (
        "an unknown kind of period",
        "period = \"quarter\"",
        "period = \"week\"",
    ),
    (
        "a first period of another kind",
        "first = \"2026-Q1\"",
        "first = \"2026-01\"",
    ),
    ("a phase of no time", "join = 1", "join = 0"),
    (
        "no category for records that do not say",
        "[\"unknown\", \"Unknown\"]",
        "[\"west\", \"West\"]",
    ),
    (
        "a category twice",
        "[\"south\", \"South\"]",
        "[\"north\", \"North\"]",
    ),
    (
        "a category code with a space",
        "[\"south\", ",
        "[\"so uth\", ",
    ),
    (
        "a table of an undefined dimension",
        "dimensions = [\"place\"]",
        "dimensions = [\"time\"]",
    ),
    (
        "a dimension twice in a table",
        "dimensions = [\"place\"]",
        "dimensions = [\"place\", \"place\"]",
    ),
    ("a table twice", "id = \"places\"", "id = \"total\""),
    (
        "weights that add up to more than 1",
        "weight = 0.5",
        "weight = 0.6",
    ),
];

fn programmes() -> Vec<Changed> {
    let mut cases: Vec<Changed> = PROGRAMMES
        .into_iter()
        .map(|(why, from, to)| {
            assert!(PROGRAMME.contains(from), "{from}");
            let long = format!("id = \"{}\"", "a".repeat(200));
            let to = if to.is_empty() && from.starts_with("id") {
                &long
            } else {
                to
            };
            changed(why, PROGRAMME.replacen(from, to, 1).into_bytes())
        })
        .collect();
    cases.push(changed(
        "no table",
        PROGRAMME.split("[[table]]").next().unwrap().into(),
    ));
    cases.push(changed("nothing at all", Vec::new()));
    cases.push(changed(
        "not UTF-8",
        [PROGRAMME.as_bytes(), &[0xff]].concat(),
    ));
    // Every key on a line of its own: gone, of another type, twice, and beside one that nobody knows.
    let lines: Vec<&str> = PROGRAMME.lines().collect();
    for (place, line) in lines.iter().enumerate() {
        let Some((key, _)) = line.split_once(" = ") else {
            continue;
        };
        let with = |replacement: &[&str]| {
            let mut lines = lines.clone();
            lines.splice(place..=place, replacement.iter().copied());
            (lines.join("\n") + "\n").into_bytes()
        };
        let at = format!("line {}, `{key}`", place + 1);
        cases.push(changed(format!("{at}: missing"), with(&[])));
        let date = format!("{key} = 1979-05-27");
        cases.push(changed(format!("{at}: of another type"), with(&[&date])));
        cases.push(changed(format!("{at}: twice"), with(&[line, line])));
        let unknown = format!("{key}_ = 1");
        cases.push(changed(
            format!("{at}: beside an unknown key"),
            with(&[line, &unknown]),
        ));
    }
    cases
}

/// Every change of every field, signed again by the coordinator. What carries other signatures is changed in its
/// first places only: nobody can sign those again.
fn releases() -> Vec<Changed> {
    let honest = to_json(&RELEASE).unwrap();
    let text = std::str::from_utf8(&honest).unwrap();
    let mut cases = vec![
        changed("nothing at all", Vec::new()),
        changed(
            "a letter behind the end",
            [honest.as_slice(), b"x"].concat(),
        ),
        changed(
            "the closing brace is missing",
            honest[..honest.len() - 2].to_vec(),
        ),
        changed(
            "an unknown key",
            text.replacen("{\n", "{\n  \"extra\": 1,\n", 1).into(),
        ),
    ];
    for line in text
        .lines()
        .filter(|line| line.starts_with("  \"") && line.ends_with(','))
    {
        let key = line.split(':').next().unwrap().trim();
        cases.push(changed(
            format!("{key} is missing"),
            text.replacen(&format!("{line}\n"), "", 1).into(),
        ));
        let twice = format!("{line}\n{line}\n");
        cases.push(changed(
            format!("{key} twice"),
            text.replacen(&format!("{line}\n"), &twice, 1).into(),
        ));
    }
    let mut old_signature = RELEASE.clone();
    old_signature.content.published_at += 1;
    let why = "published a second later, under the old signature";
    cases.push(changed(why, to_json(&old_signature).unwrap()));
    let by_other = Signed::sign(RELEASE.content.clone(), &identity(99)).unwrap();
    cases.push(changed(
        "signed by somebody else",
        to_json(&by_other).unwrap(),
    ));
    let mut of_proof: BTreeMap<String, usize> = BTreeMap::new();
    for mutation in Tree::of(&RELEASE.content).mutations() {
        let place = mutation
            .path
            .split(['.', '['])
            .take(2)
            .collect::<Vec<_>>()
            .join(".");
        let seen = of_proof.entry(place).or_default();
        *seen += 1;
        let Ok(content) = decode::<Release>(&mutation.tree.encoded(), MAX_ENCODED_BYTES) else {
            continue;
        };
        if mutation.path.starts_with("proof") && *seen > 6 {
            continue;
        }
        let signed = Signed::sign(content, &DOCUMENTS.coordinator).unwrap();
        let bytes = to_json(&signed).unwrap();
        cases.push(changed(format!("{}, signed again", mutation.name()), bytes));
    }
    cases
}

fn invite() -> Invite {
    Invite {
        address: "counting.example.org:7843".to_owned(),
        coordinator: DOCUMENTS.coordinator.key(),
        token: HexBytes([5; TOKEN_BYTES]),
        partner: "harbour-trust".to_owned(),
        expires_at: 1_800_000_000,
    }
}

/// An invite of these bytes, with the checksum that belongs to them.
fn with_checksum(content: &[u8]) -> Vec<u8> {
    let sum = digest("invite", &[content]);
    let whole = [content, &sum.as_bytes()[..4]].concat();
    format!("msht-invite-1.{}", URL_SAFE_NO_PAD.encode(whole)).into_bytes()
}

fn invites() -> Vec<Changed> {
    let text = invite().to_string();
    let content = encoded(&invite());
    let (first, second) = text.split_at(40);
    let at = |place: usize, letter: &str| [&text[..place], letter, &text[place + 1..]].concat();
    let long = Invite {
        address: "a".repeat(1024),
        ..invite()
    };
    vec![
        changed("nothing at all", Vec::new()),
        changed("of another version", text.replacen("-1.", "-2.", 1).into()),
        changed(
            "without what it begins with",
            text["msht-invite-1.".len()..].into(),
        ),
        changed(
            "one letter is another",
            at(50, if &text[50..51] == "A" { "B" } else { "A" }).into(),
        ),
        changed("a sign that is not in the alphabet", at(50, "+").into()),
        changed("the last letter is missing", text[..text.len() - 1].into()),
        changed(
            "copied with a line break",
            format!("{first}\n{second}").into(),
        ),
        changed("followed by other text", format!("{text} thanks").into()),
        changed("padded", format!("{text}=").into()),
        changed("shorter than a checksum", b"msht-invite-1.AAAA".to_vec()),
        changed(
            "a byte behind the content, with its checksum",
            with_checksum(&[&content[..], &[0]].concat()),
        ),
        changed(
            "the content ends early, with its checksum",
            with_checksum(&content[..content.len() - 1]),
        ),
        changed("longer than an invite may be", long.to_string().into()),
        changed("spaces around it", format!("  {text}\n").into()),
    ]
}

fn computed() -> Vectors {
    let document = |name: &str, honest: &[u8], cases| -> Document {
        let receiver = |bytes: &[u8], beside: &BTreeMap<_, _>| receive(name, bytes, beside);
        judged(name, form(name), honest, cases, &receiver)
    };
    let release = to_json(&RELEASE).unwrap();
    let given = [
        (
            "coordinator_key",
            hex::encode(DOCUMENTS.coordinator.key().as_bytes()),
        ),
        ("previous_release", hex::encode([4; 32])),
    ];
    Vectors {
        about: "Texts in UTF-8. Each is accepted as it is and refused with `remove` bytes at `at` replaced by the \
                hexadecimal `insert` for each of `edits`, the last first. A programme is refused with the line, or with \
                the key and the rule. A release is refused as no release.json (Encoding), or at N9 of docs/protocol.md, \
                where the coordinator's key and the digest of the release before and the programme above are known. `also_accepted` are changes that \
                nothing of this fixes: such as a sum, which the coordinator signs, under its own signature."
            .to_owned(),
        given: given.map(|(name, text)| (name.to_owned(), text)).into(),
        documents: vec![
            document("programme", PROGRAMME.as_bytes(), programmes()),
            document("release", &release, releases()),
            document("invite", invite().to_string().as_bytes(), invites()),
        ],
    }
}
