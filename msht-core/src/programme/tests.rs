use super::limits::MAX_PROGRAMME_BYTES;
use super::*;

const SMALL: &str = r#"
id = "small"
version = 1
title = "Small"
description = "A programme for tests."
promise = "None."
max_count_per_cell = 1000
word_bits = 32

[privacy]
unit = "person"
max_records = 2
epsilon_per_period = 1
epsilon_per_year = 4

[cohort]
least_partners = 10
threshold = 7
survivors = 8
colluders = 3

[calendar]
period = "quarter"
first = "2026-Q1"
hours = { join = 1, share = 2, mask = 3, confirm = 4, unmask = 5 }

[[dimension]]
id = "type"
title = "Type"
max_values = 3
categories = [["a", "A"], ["b", "B"], ["c", "C"], ["unknown", "Unknown"]]

[[dimension]]
id = "place"
title = "Place"
categories = [["unknown", "Unknown"], ["here", "Here"], ["there", "There"]]

[[table]]
id = "total"
title = "Total"
dimensions = []
weight = 0.25

[[table]]
id = "type-place"
title = "Type by place"
dimensions = ["type", "place"]
weight = "1/2"

[[table]]
id = "place"
title = "Place"
dimensions = ["place"]
weight = 0.25
"#;

fn small_with(from: &str, to: &str) -> Result<Programme, ProgrammeError> {
    assert!(SMALL.contains(from), "{from:?} is not in the programme");
    Programme::parse(&SMALL.replacen(from, to, 1))
}

fn refused_at(from: &str, to: &str, path: &str) -> Problem {
    match small_with(from, to) {
        Err(ProgrammeError::Key { path: at, problem }) if at == path => problem,
        other => panic!("{to:?} gave {other:?}, not an error at {path}"),
    }
}

fn rational(text: &str) -> Rational {
    text.parse().unwrap()
}

#[test]
fn tables_are_laid_out_one_after_the_other_with_the_first_dimension_slowest() {
    let programme = Programme::parse(SMALL).unwrap();
    let ranges: Vec<_> = programme.tables().iter().map(Table::range).collect();
    assert_eq!(ranges, [0..1, 1..13, 13..16]);
    assert_eq!(programme.cells(), 16);

    let total = programme.table("total").unwrap();
    assert_eq!(
        (total.cell(&[]), total.categories(0)),
        (Some(0), Some(vec![]))
    );

    let cross = programme.table("type-place").unwrap();
    assert_eq!(cross.cell(&[0, 2]), Some(2));
    assert_eq!(cross.cell(&[1, 0]), Some(3));
    for cell in 0..cross.cells() {
        assert_eq!(cross.cell(&cross.categories(cell).unwrap()), Some(cell));
    }
    assert_eq!(cross.categories(12), None);
    assert_eq!(cross.cell(&[0, 3]), None);
    assert_eq!(cross.cell(&[0]), None);
    let names: Vec<_> = programme.dimensions_of(cross).map(Dimension::id).collect();
    assert_eq!(names, ["type", "place"]);
}

#[test]
fn noise_rates_are_epsilon_times_weight_over_sensitivity() {
    let programme = Programme::parse(SMALL).unwrap();
    let of = |id: &str| {
        let table = programme.table(id).unwrap();
        (table.sensitivity(), table.noise_rate().clone())
    };
    assert_eq!(of("total"), (2, rational("1/8")));
    assert_eq!(of("type-place"), (6, rational("1/12")));
    assert_eq!(of("place"), (2, rational("1/8")));
    assert_eq!(programme.epsilon_per_round(), Rational::one());
}

#[test]
fn dimensions_and_categories_are_found_by_id_and_code() {
    let programme = Programme::parse(SMALL).unwrap();
    let codebook = programme.codebook();
    assert_eq!(codebook.position("place"), Some(1));
    assert_eq!(codebook.position("Place"), None);
    let place = codebook.dimension("place").unwrap();
    assert_eq!(place.category_index("there"), Some(2));
    assert_eq!(place.category_index("There"), None);
    assert_eq!(place.unknown(), 0);
    assert!(!place.is_multi_valued());
    assert!(codebook.dimension("type").unwrap().is_multi_valued());
}

#[test]
fn the_digest_ignores_how_the_file_is_written() {
    let digest = Programme::parse(SMALL).unwrap().digest();
    for (from, to) in [
        ("version = 1", "# a comment\nversion = 1"),
        (
            "version = 1\ntitle = \"Small\"",
            "title = 'Small'\nversion    =    0x1",
        ),
        ("weight = \"1/2\"", "weight = 0.50"),
        ("max_values = 3", "max_values = 3 # three"),
        ("title = \"Place\"", "title = \"Place\"\nmax_values = 1"),
        ("epsilon_per_period = 1", "epsilon_per_period = 1.0"),
        ("[[\"a\", \"A\"],", "[\n  [\"a\", \"A\"],\n"),
    ] {
        assert_eq!(small_with(from, to).unwrap().digest(), digest, "{to:?}");
    }
}

#[test]
fn the_digest_changes_with_everything_the_programme_says() {
    let mut digests = vec![Programme::parse(SMALL).unwrap().digest()];
    for (from, to) in [
        ("id = \"small\"", "id = \"other\""),
        ("version = 1", "version = 2"),
        ("title = \"Small\"", "title = \"Smaller\""),
        ("for tests", "for a test"),
        ("None.", "Some."),
        ("max_count_per_cell = 1000", "max_count_per_cell = 1001"),
        ("word_bits = 32", "word_bits = 64"),
        (
            "unit = \"person\"\nmax_records = 2",
            "unit = \"record\"\nmax_records = 1",
        ),
        ("max_records = 2", "max_records = 1"),
        ("epsilon_per_period = 1", "epsilon_per_period = 2"),
        ("epsilon_per_year = 4", "epsilon_per_year = 5"),
        ("least_partners = 10", "least_partners = 9"),
        ("threshold = 7", "threshold = 8"),
        ("threshold = 7\n", ""),
        ("survivors = 8\n", ""),
        ("colluders = 3\n", ""),
        (
            "period = \"quarter\"\nfirst = \"2026-Q1\"",
            "period = \"year\"\nfirst = \"2026\"",
        ),
        ("first = \"2026-Q1\"", "first = \"2026-Q2\""),
        ("confirm = 4", "confirm = 5"),
        (
            "id = \"type\"\ntitle = \"Type\"",
            "id = \"type\"\ntitle = \"Types\"",
        ),
        ("max_values = 3", "max_values = 2"),
        ("[\"c\", \"C\"]", "[\"d\", \"C\"]"),
        ("[\"c\", \"C\"]", "[\"c\", \"D\"]"),
        ("[\"type\", \"place\"]", "[\"place\", \"type\"]"),
        ("id = \"total\"", "id = \"all\""),
        ("weight = \"1/2\"", "weight = \"1/3\""),
    ] {
        let digest = small_with(from, to).unwrap().digest();
        assert!(!digests.contains(&digest), "{to:?} left the digest alone");
        digests.push(digest);
    }
}

#[test]
fn a_programme_survives_being_sent_as_its_text() {
    let programme = Programme::parse(SMALL).unwrap();
    assert_eq!(Programme::parse(programme.as_toml()), Ok(programme));
}

#[test]
fn texts_that_are_not_toml_or_have_other_keys_are_located() {
    let located = |from: &str, to: &str| match small_with(from, to) {
        Err(ProgrammeError::Syntax {
            line,
            column,
            message,
        }) => (line, column, message),
        other => panic!("{to:?} gave {other:?}"),
    };
    let (line, column, _) = located("version = 1", "version = ");
    assert_eq!((line, column), (3, 11));
    let (line, column, message) = located("version = 1", "version = 1\ncolour = 2");
    assert_eq!((line, column), (4, 1));
    assert!(message.contains("colour"), "{message}");
    let (.., message) = located("version = 1\n", "");
    assert!(message.contains("version"), "{message}");
    for (from, to) in [
        ("version = 1", "version = -1"),
        ("version = 1", "version = \"1\""),
        ("unit = \"person\"", "unit = \"household\""),
        ("max_records = 2", "max_records = 2\nmaximum = 3"),
        ("period = \"quarter\"", "period = \"week\""),
        ("first = \"2026-Q1\"", "first = \"2026-Q5\""),
        ("unmask = 5", "unmask = 5, abort = 6"),
        ("[\"a\", \"A\"]", "[\"a\"]"),
        ("[\"a\", \"A\"]", "[\"a\", \"A\", \"x\"]"),
        ("weight = 0.25", "weight = -0.25"),
        ("weight = 0.25", "weight = \"a lot\""),
        ("weight = 0.25", "weight = nan"),
    ] {
        assert!(
            matches!(small_with(from, to), Err(ProgrammeError::Syntax { .. })),
            "{to:?}"
        );
    }
    let long = format!("{SMALL}#{}", "x".repeat(MAX_PROGRAMME_BYTES));
    assert_eq!(
        Programme::parse(&long),
        Err(ProgrammeError::TooLong(long.len()))
    );
}

#[test]
fn broken_texts_and_bounds_are_refused_at_their_key() {
    for (from, to, path) in [
        ("id = \"small\"", "id = \"Small\"", "id"),
        ("id = \"small\"", "id = \"a--b\"", "id"),
        ("id = \"small\"", "id = \"../x\"", "id"),
        ("version = 1", "version = 0", "version"),
        ("title = \"Small\"", "title = \" \"", "title"),
        ("title = \"Small\"", "title = \"a\\nb\"", "title"),
        ("None.", "None.\\u0007", "promise"),
        ("A programme for tests.", " indented", "description"),
        ("word_bits = 32", "word_bits = 16", "word_bits"),
        (
            "max_count_per_cell = 1000",
            "max_count_per_cell = 0",
            "max_count_per_cell",
        ),
        (
            "max_count_per_cell = 1000",
            "max_count_per_cell = 8421505",
            "max_count_per_cell",
        ),
    ] {
        refused_at(from, to, path);
    }
}

#[test]
fn broken_privacy_cohort_and_calendar_rules_are_refused_at_their_key() {
    for (from, to, path) in [
        ("max_records = 2", "max_records = 0", "privacy.max_records"),
        (
            "max_records = 2",
            "max_records = 1001",
            "privacy.max_records",
        ),
        (
            "unit = \"person\"",
            "unit = \"record\"",
            "privacy.max_records",
        ),
        (
            "epsilon_per_period = 1",
            "epsilon_per_period = 0",
            "privacy.epsilon_per_period",
        ),
        (
            "epsilon_per_period = 1",
            "epsilon_per_period = 10.5",
            "privacy.epsilon_per_period",
        ),
        (
            "epsilon_per_year = 4",
            "epsilon_per_year = 0.99",
            "privacy.epsilon_per_year",
        ),
        (
            "least_partners = 10",
            "least_partners = 2",
            "cohort.least_partners",
        ),
        (
            "least_partners = 10",
            "least_partners = 256",
            "cohort.least_partners",
        ),
        ("colluders = 3", "colluders = 0", "cohort.colluders"),
        ("survivors = 8", "survivors = 4", "cohort.survivors"),
        ("survivors = 8", "survivors = 11", "cohort.survivors"),
        ("threshold = 7", "threshold = 6", "cohort.threshold"),
        ("threshold = 7", "threshold = 9", "cohort.threshold"),
        ("first = \"2026-Q1\"", "first = \"2026\"", "calendar.first"),
        ("mask = 3", "mask = 0", "calendar.hours.mask"),
        ("join = 1", "join = 10000", "calendar.hours.join"),
    ] {
        refused_at(from, to, path);
    }
}

#[test]
fn broken_codebooks_are_refused_at_their_key() {
    for (from, to, path) in [
        (
            "id = \"place\"\ntitle = \"Place\"\ncategories",
            "id = \"type\"\ntitle = \"Place\"\ncategories",
            "dimension[1].id",
        ),
        (
            "max_values = 3",
            "max_values = 0",
            "dimension[0].max_values",
        ),
        (
            "max_values = 3",
            "max_values = 5",
            "dimension[0].max_values",
        ),
        (
            "[\"b\", \"B\"]",
            "[\"a\", \"B\"]",
            "dimension[0].categories[1][0]",
        ),
        (
            "[\"b\", \"B\"]",
            "[\"b\", \"A\"]",
            "dimension[0].categories[1][1]",
        ),
        (
            "[\"b\", \"B\"]",
            "[\"b b\", \"B\"]",
            "dimension[0].categories[1][0]",
        ),
        (
            "[\"unknown\", \"Unknown\"]]",
            "[\"d\", \"Unknown\"]]",
            "dimension[0].categories",
        ),
        (
            "[[\"unknown\", \"Unknown\"], [\"here\", \"Here\"], [\"there\", \"There\"]]",
            "[[\"unknown\", \"Unknown\"]]",
            "dimension[1].categories",
        ),
    ] {
        refused_at(from, to, path);
    }
}

#[test]
fn broken_tables_are_refused_at_their_key() {
    for (from, to, path) in [
        ("id = \"type-place\"", "id = \"total\"", "table[1].id"),
        (
            "[\"type\", \"place\"]",
            "[\"type\", \"plaice\"]",
            "table[1].dimensions[1]",
        ),
        (
            "[\"type\", \"place\"]",
            "[\"place\", \"place\"]",
            "table[1].dimensions[1]",
        ),
        (
            "[\"type\", \"place\"]",
            "[\"type\", \"place\", \"type\"]",
            "table[1].dimensions[2]",
        ),
        (
            "[\"type\", \"place\"]",
            "[\"type\", \"type\", \"type\"]",
            "table[1].dimensions[2]",
        ),
        (
            "[\"type\", \"place\"]",
            "[\"a\", \"b\", \"c\", \"d\", \"e\"]",
            "table[1].dimensions",
        ),
        ("weight = \"1/2\"", "weight = 0", "table[1].weight"),
        ("weight = \"1/2\"", "weight = 0.51", "table"),
        ("weight = \"1/2\"", "weight = \"1/4000\"", "table[1].weight"),
        (
            "weight = \"1/2\"",
            "weight = 0.12345678901",
            "table[1].weight",
        ),
    ] {
        refused_at(from, to, path);
    }
}

#[test]
fn numbers_at_their_limits_are_accepted() {
    for (from, to) in [
        ("max_count_per_cell = 1000", "max_count_per_cell = 8421504"),
        ("word_bits = 32", "word_bits = 64"),
        (
            "max_count_per_cell = 1000\nword_bits = 32",
            "max_count_per_cell = 4294967295\nword_bits = 64",
        ),
        ("max_records = 2", "max_records = 1000"),
        (
            "epsilon_per_period = 1\nepsilon_per_year = 4",
            "epsilon_per_period = 10\nepsilon_per_year = 10",
        ),
        (
            "least_partners = 10\nthreshold = 7\nsurvivors = 8\ncolluders = 3",
            "least_partners = 3",
        ),
        (
            "least_partners = 10\nthreshold = 7\nsurvivors = 8\ncolluders = 3",
            "least_partners = 3\nthreshold = 3\nsurvivors = 3\ncolluders = 1",
        ),
        ("survivors = 8", "survivors = 10"),
        ("max_values = 3", "max_values = 4"),
        ("weight = \"1/2\"", "weight = \"6/10000\""),
    ] {
        if let Err(error) = small_with(from, to) {
            panic!("{to:?} was refused: {error}");
        }
    }
}

#[test]
fn messages_say_what_to_do_next() {
    let problem = refused_at(
        "weight = \"1/2\"",
        "weight = 0.12345678901",
        "table[1].weight",
    );
    let message = problem.to_string();
    assert!(
        message.contains("`type-place`") && message.contains("simpler weight"),
        "{message}"
    );
    let problem = refused_at(
        "[\"type\", \"place\"]",
        "[\"type\", \"place\", \"type\"]",
        "table[1].dimensions[2]",
    );
    assert!(
        problem
            .to_string()
            .contains("for a table of pairs name it twice in a row")
    );
    let error = small_with("weight = \"1/2\"", "weight = 1").unwrap_err();
    assert_eq!(
        error.to_string(),
        "table: the weights of all tables add up to 1.5, which is more than 1; lower some"
    );
    assert_eq!(
        refused_at("word_bits = 32", "word_bits = 8", "word_bits"),
        Problem::WordBits(8)
    );
}

#[test]
fn more_cells_than_a_vector_may_have_are_refused() {
    let categories: String = (1..2048)
        .map(|i| format!("[\"c{i}\", \"C{i}\"],"))
        .collect();
    let wide = |id: &str| {
        format!(
            "[[dimension]]\nid = \"{id}\"\ntitle = \"W\"\ncategories = [{categories}[\"unknown\", \"U\"]]\n"
        )
    };
    let with = |dimensions: &str| {
        let text = SMALL.replacen("[[table]]", &(wide("w") + &wide("x") + "[[table]]"), 1);
        Programme::parse(&text.replacen("[\"type\", \"place\"]", dimensions, 1))
    };
    let refused = Err(Problem::TooManyCells.at("table[1].dimensions"));
    assert_eq!(with("[\"w\", \"x\"]"), refused);
    assert_eq!(with("[\"w\", \"x\", \"place\"]"), refused);
    assert_eq!(with("[\"w\"]").unwrap().cells(), 1 + 2048 + 3);
}

#[test]
fn a_calendar_covers_its_kind_of_period_from_the_first_on() {
    let programme = Programme::parse(SMALL).unwrap();
    let covers = |text: &str| programme.calendar().covers(text.parse().unwrap());
    assert!(covers("2026-Q1") && covers("2031-Q4"));
    assert!(!covers("2025-Q4") && !covers("2026") && !covers("2026-07"));
}

#[test]
fn endorsements_change_the_digest_only_where_they_are_asked_for() {
    let text = shipped("msin").unwrap();
    let asking = |number: &str| {
        let line = format!("[cohort]\nendorsements = {number}");
        let changed = text.replacen("[cohort]", &line, 1);
        assert_ne!(changed, text);
        Programme::parse(&changed)
    };
    let plain = Programme::parse(text).unwrap();
    assert_eq!(plain.cohort().endorsements(), 0);
    assert_eq!(asking("0").unwrap().digest(), plain.digest());
    let two = asking("2").unwrap();
    assert_eq!(two.cohort().endorsements(), 2);
    assert_ne!(two.digest(), plain.digest());
    assert_ne!(two.digest(), asking("1").unwrap().digest());
    assert!(asking("256").is_err() && asking("-1").is_err());
}
