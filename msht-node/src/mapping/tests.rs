use super::*;
use msht_core::programme::shipped;

/// Person-level by quarter; one multi-valued dimension.
pub(crate) const PROGRAMME: &str = r#"
id = "mapped"
version = 1
title = "Mapped"
description = "A programme for tests."
promise = "None."
max_count_per_cell = 1000000
word_bits = 32

[privacy]
unit = "person"
max_records = 2
epsilon_per_period = 1
epsilon_per_year = 4

[cohort]
least_partners = 3

[calendar]
period = "quarter"
first = "2023-Q1"
hours = { join = 1, share = 1, mask = 1, confirm = 1, unmask = 1 }

[[dimension]]
id = "type"
title = "Type"
max_values = 2
categories = [["labour", "Labour"], ["sexual", "Sexual"], ["both", "Labour, Sexual"], ["unknown", "Not known"]]

[[dimension]]
id = "gender"
title = "Gender"
categories = [["F", "Female"], ["M", "Male"], ["unknown", "Not known"]]

[[table]]
id = "type"
title = "Type"
dimensions = ["type"]
weight = 0.5

[[table]]
id = "gender"
title = "Gender"
dimensions = ["gender"]
weight = 0.5
"#;

pub(crate) const MAPPING: &str = r#"
[date]
column = "Date"
format = "dmy"

[person]
column = "Reference"

[[dimension]]
id = "type"
column = "Kind"
separator = [", ", " & "]
unlisted = "reject"

[dimension.values]
"Work" = "labour"
"Street" = ["labour", "sexual"]

[[dimension]]
id = "gender"
column = "Gender"
unlisted = "unknown"

[dimension.values]
"Woman" = "F"
"#;

pub(crate) fn programme() -> Programme {
    Programme::parse(PROGRAMME).unwrap()
}

pub(crate) fn mapping() -> CheckedMapping {
    checked(MAPPING).unwrap()
}

pub(crate) fn checked(text: &str) -> Result<CheckedMapping, MappingError> {
    Mapping::parse(text)?.check(&programme())
}

/// The message after one change of the right mapping.
fn refused(from: &str, to: &str) -> String {
    assert!(MAPPING.contains(from), "{from}");
    checked(&MAPPING.replacen(from, to, 1))
        .unwrap_err()
        .to_string()
}

fn spellings(dimension: &str) -> Spellings {
    let mapped = mapping().dimensions;
    let found = mapped.into_iter().find(|mapped| mapped.id == dimension);
    match found.unwrap().values {
        Values::Column(_, spellings) => spellings,
        Values::Constant(_) => panic!("a constant"),
    }
}

#[test]
fn the_shipped_mappings_fit_their_programmes() {
    for (id, text) in [
        (
            "msin",
            include_str!("../../../msht-core/programmes/mappings/msin.toml"),
        ),
        (
            "nrm",
            include_str!("../../../msht-core/programmes/mappings/nrm.toml"),
        ),
        (
            "pan-london",
            include_str!("../../../msht-core/programmes/mappings/pan-london.toml"),
        ),
        (
            "survivor-journeys",
            include_str!("../../../msht-core/programmes/mappings/survivor-journeys.toml"),
        ),
        (
            "proceeds",
            include_str!("../../../msht-core/programmes/mappings/proceeds.toml"),
        ),
    ] {
        let programme = Programme::parse(shipped(id).unwrap()).unwrap();
        let mapping = Mapping::parse(text).unwrap();
        let checked = mapping.check(&programme).unwrap();
        assert_eq!(checked.programme(), programme.digest());
    }
}

#[test]
fn cells_are_looked_up_whole_and_then_value_by_value() {
    let types = spellings("type");
    for (cell, expected) in [
        ("", &[][..]),
        ("  ", &[]),
        ("Work", &[0]),
        ("work ", &[0]),
        ("SEXUAL", &[1]),
        ("labour", &[0]),
        // The label of a category has the separator in it.
        ("Labour, Sexual", &[2]),
        ("Labour,  Sexual", &[2]),
        ("Sexual, Labour", &[1, 0]),
        ("Sexual & Work", &[1, 0]),
        ("Street", &[0, 1]),
        ("Sexual, ", &[1]),
        ("Sexual, Work & Not known", &[1, 0, 3]),
    ] {
        assert_eq!(types.read(cell).as_deref(), Ok(expected), "{cell}");
    }
    for cell in ["Sexual;Work", "Other", "Sexual, Other", "work-"] {
        assert!(types.read(cell).is_err(), "{cell}");
    }
    let genders = spellings("gender");
    assert_eq!(genders.read("f").as_deref(), Ok(&[0][..]));
    assert_eq!(genders.read("anything").as_deref(), Ok(&[2][..]));
}

/// A change of the right mapping, the path of the key at fault and words of the message.
type Misfit = (&'static str, &'static str, &'static str, &'static str);

const MISFITS: &[Misfit] = &[
    (
        "id = \"type\"",
        "id = \"kind\"",
        "dimension[0].id",
        "it has: type, gender",
    ),
    (
        "id = \"gender\"",
        "id = \"type\"",
        "dimension[1].id",
        "mapped twice",
    ),
    ("column = \"Kind\"", "", "dimension[0]", "either the column"),
    (
        "column = \"Kind\"",
        "column = \" \"",
        "dimension[0].column",
        "no name",
    ),
    (
        "column = \"Kind\"",
        "column = \"Kind\"\nconstant = \"labour\"",
        "dimension[0]",
        "not both",
    ),
    (
        "column = \"Gender\"\nunlisted",
        "constant = \"F\"\nunlisted",
        "dimension[1].unlisted",
        "never be used",
    ),
    (
        "\"unknown\"",
        "\"none\"",
        "dimension[1].unlisted",
        "it has: F, M, unknown",
    ),
    (
        "\"Woman\" = \"F\"",
        "\"Woman\" = \"f\"",
        "dimension[1].values.\"Woman\"",
        "code `f`",
    ),
    (
        "\"Woman\" = \"F\"",
        "\"Woman\" = [\"F\", \"M\"]",
        "dimension[1].values.\"Woman\"",
        "between 1 and 1",
    ),
    (
        "\"Woman\" = \"F\"",
        "\"Woman\" = []",
        "dimension[1].values.\"Woman\"",
        "0 categories",
    ),
    (
        "\"Woman\" = \"F\"",
        "\" \" = \"F\"",
        "dimension[1].values.\" \"",
        "always `unknown`",
    ),
    (
        "\"Woman\" = \"F\"",
        "\"Woman\" = \"F\"\n\"woman \" = \"M\"",
        "dimension[1].values.\"woman \"",
        "capitals",
    ),
    (
        "[\", \", \" & \"]",
        "[\", \", \"\"]",
        "dimension[0].separator",
        "empty",
    ),
    ("[\", \", \" & \"]", "[]", "dimension[0].separator", "empty"),
    (
        "[person]\ncolumn = \"Reference\"",
        "",
        "person",
        "counts people",
    ),
    ("\"dmy\"", "\"year\"", "date.format", "which quarter"),
];

#[test]
fn what_does_not_fit_is_refused_with_the_path_of_its_key() {
    for &(from, to, path, words) in MISFITS {
        let message = refused(from, to);
        let rest = message.strip_prefix(&format!("{path}: "));
        assert!(rest.is_some_and(|rest| rest.contains(words)), "{message}");
    }
    let first = MAPPING.find("[[dimension]]\nid = \"gender\"").unwrap();
    let message = checked(&MAPPING[..first]).unwrap_err().to_string();
    assert!(message.contains("`gender` is not mapped"), "{message}");
    assert!(message.contains("constant = \"unknown\""), "{message}");
}

#[test]
fn the_shape_is_strict_and_faults_are_located() {
    for (from, to, words) in [
        ("format = \"dmy\"", "format = \"german\"", "line 4"),
        ("[person]", "[people]", "unknown field"),
        ("unlisted", "unlistd", "unknown field"),
        ("[\", \", \" & \"]", "7", "a text or a list of texts"),
        (
            "\"Woman\" = \"F\"",
            "\"Woman\" = \"F\"\n\"Woman\" = \"F\"",
            "duplicate key",
        ),
        ("\"Woman\" = \"F\"", "\"Woman = \"F\"", "line 25"),
    ] {
        let message = refused(from, to);
        assert!(
            message.contains(words) && message.starts_with("line "),
            "{message}"
        );
    }
    let long = " ".repeat(MAX_MAPPING_BYTES + 1);
    assert_eq!(
        Mapping::parse(&long),
        Err(MappingError::TooLong(long.len()))
    );
}

#[test]
fn spellings_that_differ_in_capitals_may_lead_to_the_same_place() {
    let text = MAPPING.replace("\"Woman\" = \"F\"", "\"Woman\" = \"F\"\n\"WOMAN\" = \"F\"");
    assert!(checked(&text).is_ok());
}

#[test]
fn a_listed_spelling_stands_above_the_programmes_own_words() {
    let text = MAPPING.replace("\"Woman\" = \"F\"", "\"Male\" = \"F\"");
    let mapping = checked(&text).unwrap();
    let Values::Column(_, spellings) = &mapping.dimensions[1].values else {
        panic!("a constant");
    };
    assert_eq!(spellings.read("male").as_deref(), Ok(&[0][..]));
    assert_eq!(spellings.read("m").as_deref(), Ok(&[1][..]));
}

#[test]
fn codes_that_differ_in_capitals_only_must_be_listed() {
    let text = PROGRAMME.replace("[\"M\", \"Male\"]", "[\"f\", \"Male\"]");
    let programme = Programme::parse(&text).unwrap();
    let text = MAPPING.replace("unlisted = \"unknown\"", "unlisted = \"reject\"");
    let mapping = Mapping::parse(&text).unwrap().check(&programme).unwrap();
    let Values::Column(_, spellings) = &mapping.dimensions[1].values else {
        panic!("a constant");
    };
    assert!(spellings.read("F").is_err());
    assert_eq!(spellings.read("Male").as_deref(), Ok(&[1][..]));
}

#[test]
fn person_keys_are_not_read_where_the_programme_counts_records() {
    let text = PROGRAMME.replace("\"person\"\nmax_records = 2", "\"record\"\nmax_records = 1");
    let programme = Programme::parse(&text).unwrap();
    let checked = Mapping::parse(MAPPING).unwrap().check(&programme).unwrap();
    assert_eq!(
        checked.columns().collect::<Vec<_>>(),
        ["Date", "Kind", "Gender"]
    );
}
