use super::*;

/// Person-level, two records a person, two multi-valued dimensions; the cell bound is low enough to be met.
const PROGRAMME: &str = r#"
id = "tallied"
version = 1
title = "Tallied"
description = "A programme for tests."
promise = "None."
max_count_per_cell = 20
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
first = "2026-Q1"
hours = { join = 1, share = 1, mask = 1, confirm = 1, unmask = 1 }

[[dimension]]
id = "type"
title = "Type"
max_values = 2
categories = [["a", "A"], ["b", "B"], ["c", "C"], ["unknown", "Unknown"]]

[[dimension]]
id = "means"
title = "Means"
max_values = 3
categories = [["p", "P"], ["q", "Q"], ["r", "R"], ["s", "S"], ["unknown", "Unknown"]]

[[dimension]]
id = "place"
title = "Place"
categories = [["here", "Here"], ["there", "There"], ["unknown", "Unknown"]]

[[table]]
id = "total"
title = "Total"
dimensions = []
weight = 0.2

[[table]]
id = "type"
title = "Type"
dimensions = ["type"]
weight = 0.2

[[table]]
id = "place-type-means"
title = "Place by type by means"
dimensions = ["place", "type", "means"]
weight = 0.6
"#;

fn person_level() -> Programme {
    Programme::parse(PROGRAMME).unwrap()
}

fn record_level() -> Programme {
    let text = PROGRAMME.replace("\"person\"\nmax_records = 2", "\"record\"\nmax_records = 1");
    Programme::parse(&text).unwrap()
}

fn unclamped(programme: &Programme) -> Programme {
    Programme::parse(&programme.as_toml().replace("= 20", "= 100000")).unwrap()
}

/// One row before coding, so that tests can build it more than once.
#[derive(Clone)]
struct Row {
    person: &'static str,
    values: Vec<Vec<usize>>,
}

fn row(person: &'static str, types: &[usize], means: &[usize], place: &[usize]) -> Row {
    let values = vec![types.to_vec(), means.to_vec(), place.to_vec()];
    Row { person, values }
}

fn coded(row: &Row) -> CodedRecord {
    CodedRecord::new(PersonKey::new(row.person.to_owned()), row.values.clone())
}

fn counted(programme: &Programme, rows: &[Row]) -> Counts {
    let mut tally = Tally::new(programme);
    for row in rows {
        tally.add(&coded(row)).unwrap();
    }
    tally.finish()
}

fn of_table<'a>(counts: &'a Counts, programme: &Programme, id: &str) -> &'a [u64] {
    counts.of_table(programme.table(id).unwrap()).unwrap()
}

#[test]
fn a_record_adds_one_to_each_cell_of_its_values() {
    let programme = person_level();
    let counts = counted(&programme, &[row("x", &[0, 2], &[1], &[1])]);
    assert_eq!(of_table(&counts, &programme, "total"), [1]);
    assert_eq!(of_table(&counts, &programme, "type"), [1, 0, 1, 0]);
    let table = programme.table("place-type-means").unwrap();
    let cross = of_table(&counts, &programme, "place-type-means");
    for (cell, &count) in cross.iter().enumerate() {
        let touched = matches!(table.categories(cell).unwrap()[..], [1, 0 | 2, 1]);
        assert_eq!(count, u64::from(touched));
    }
    assert_eq!(counts.programme(), programme.digest());
    assert_eq!(counts.cells().len(), programme.cells());
}

#[test]
fn no_value_is_unknown() {
    let programme = person_level();
    let counts = counted(&programme, &[row("x", &[], &[], &[])]);
    assert_eq!(of_table(&counts, &programme, "type"), [0, 0, 0, 1]);
}

#[test]
fn repeated_values_collapse_and_the_first_values_as_written_are_kept() {
    let programme = person_level();
    let counts = counted(&programme, &[row("x", &[2, 2, 0, 1], &[], &[])]);
    assert_eq!(of_table(&counts, &programme, "type"), [1, 0, 1, 0]);
    assert_eq!(counts.summary().values_truncated, 1);
    let counts = counted(&programme, &[row("x", &[2, 2], &[], &[])]);
    assert_eq!(of_table(&counts, &programme, "type"), [0, 0, 1, 0]);
    assert_eq!(counts.summary().values_truncated, 0);
}

#[test]
fn later_rows_of_a_person_are_dropped_and_blank_keys_are_persons_of_their_own() {
    let programme = person_level();
    let mut tally = Tally::new(&programme);
    let outcomes: Vec<_> = ["x", " x ", "x", "", "  ", "", "y"]
        .map(|person| tally.add(&coded(&row(person, &[], &[], &[]))).unwrap())
        .into();
    use Added::{BeyondPersonBound as Beyond, Counted};
    let expected = [Counted, Counted, Beyond, Counted, Counted, Counted, Counted];
    assert_eq!(outcomes, expected);
    let counts = tally.finish();
    assert_eq!(of_table(&counts, &programme, "total"), [6]);
    assert_eq!(counts.summary().records, 7);
    assert_eq!(counts.summary().beyond_person_bound, 1);
    assert_eq!(counts.summary().counted(), 6);
}

#[test]
fn person_keys_are_not_used_where_the_unit_is_the_record() {
    let programme = record_level();
    let counts = counted(&programme, &vec![row("x", &[], &[], &[]); 5]);
    assert_eq!(of_table(&counts, &programme, "total"), [5]);
}

#[test]
fn cells_are_clamped_at_the_end() {
    let programme = person_level();
    for (rows, total, clamped) in [(20, 20, 0), (21, 20, 3), (50, 20, 3)] {
        let counts = counted(&programme, &vec![row("", &[0], &[0], &[0]); rows]);
        assert_eq!(of_table(&counts, &programme, "total"), [total]);
        assert_eq!(counts.summary().cells_clamped, clamped);
    }
}

#[test]
fn a_refused_record_leaves_the_tally_as_it_was() {
    let programme = person_level();
    let mut tally = Tally::new(&programme);
    tally.add(&coded(&row("x", &[0], &[0], &[0]))).unwrap();
    for (bad, dimension) in [
        (row("x", &[4], &[0], &[0]), "type"),
        (row("x", &[0, 1, 4], &[0], &[0]), "type"),
        (row("x", &[0], &[0], &[usize::MAX]), "place"),
    ] {
        let dimension = dimension.to_owned();
        let refused = Err(TallyError::NoSuchCategory { dimension });
        assert_eq!(tally.add(&coded(&bad)), refused);
    }
    let short = CodedRecord::new(None, vec![vec![0]]);
    let refused = TallyError::WrongDimensions {
        expected: 3,
        found: 1,
    };
    assert_eq!(tally.add(&short), Err(refused));
    // Had a refused row used up the person's bound, this one would be dropped.
    assert_eq!(
        tally.add(&coded(&row("x", &[0], &[0], &[0]))),
        Ok(Added::Counted)
    );
    let counts = tally.finish();
    let same = counted(&programme, &vec![row("x", &[0], &[0], &[0]); 2]);
    assert_eq!(counts.cells(), same.cells());
    assert_eq!(counts.summary(), same.summary());
}

#[test]
fn nothing_counted_shows_in_debug_output() {
    let programme = person_level();
    let record = coded(&row("secret-key", &[3], &[3], &[2]));
    let mut tally = Tally::new(&programme);
    tally.add(&record).unwrap();
    let shown = format!("{record:?} {:?} {tally:?}", record.person());
    let counts = tally.finish();
    let shown = format!("{shown} {counts:?} {:?}", counts.summary());
    assert!(!shown.contains("secret") && !shown.contains('['), "{shown}");
}

/// A small seeded generator (Knuth's MMIX constants); good enough to pick rows.
struct Picker(u64);

impl Picker {
    fn below(&mut self, bound: u64) -> usize {
        let next = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = next.wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % bound).unwrap()
    }

    fn values(&mut self, categories: u64) -> Vec<usize> {
        let count = self.below(5);
        (0..count).map(|_| self.below(categories)).collect()
    }

    fn rows(&mut self, count: usize) -> Vec<Row> {
        const PEOPLE: [&str; 8] = ["", "a", "b", "c", "d", "e", "f", "g"];
        let one = |picker: &mut Self| Row {
            person: PEOPLE[picker.below(8)],
            values: vec![picker.values(4), picker.values(5), picker.values(3)],
        };
        (0..count).map(|_| one(self)).collect()
    }
}

/// Asserts that the counts of the two lists differ by at most Δ_T in every table T.
fn assert_within_sensitivity(programme: &Programme, with: &[Row], without: &[Row], seed: u64) {
    let (with, without) = (counted(programme, with), counted(programme, without));
    for table in programme.tables() {
        let pairs = with.of_table(table).unwrap().iter();
        let pairs = pairs.zip(without.of_table(table).unwrap());
        let distance: u64 = pairs.map(|(a, b)| a.abs_diff(*b)).sum();
        assert!(
            distance <= table.sensitivity(),
            "seed {seed}: table {} moved by {distance}",
            table.id()
        );
    }
}

fn without(rows: &[Row], leave_out: impl Fn(usize, &Row) -> bool) -> Vec<Row> {
    let kept = rows
        .iter()
        .enumerate()
        .filter(|(at, row)| !leave_out(*at, row));
    kept.map(|(_, row)| row.clone()).collect()
}

#[test]
fn one_person_changes_each_table_by_at_most_its_sensitivity() {
    let clamped = person_level();
    for seed in 0..40 {
        let rows = Picker(seed).rows(60);
        for programme in [&clamped, &unclamped(&clamped)] {
            for person in ["a", "b", "c", "d", "e", "f", "g"] {
                let rest = without(&rows, |_, row| row.person == person);
                assert_within_sensitivity(programme, &rows, &rest, seed);
            }
            for at in (0..rows.len()).filter(|&at| rows[at].person.is_empty()) {
                let rest = without(&rows, |other, _| other == at);
                assert_within_sensitivity(programme, &rows, &rest, seed);
            }
        }
    }
}

#[test]
fn one_record_changes_each_table_by_at_most_its_sensitivity_at_record_level() {
    let programme = record_level();
    for seed in 0..20 {
        let rows = Picker(seed).rows(40);
        for at in 0..rows.len() {
            let rest = without(&rows, |other, _| other == at);
            assert_within_sensitivity(&programme, &rows, &rest, seed);
        }
    }
}

#[test]
fn the_sensitivity_is_reached() {
    let programme = person_level();
    let rows = vec![row("a", &[0, 1], &[0, 1, 2], &[0]); 3];
    let counts = counted(&programme, &rows);
    for table in programme.tables() {
        let moved: u64 = counts.of_table(table).unwrap().iter().sum();
        assert_eq!(moved, table.sensitivity());
    }
}

#[test]
fn the_total_is_the_number_of_kept_records() {
    let programme = unclamped(&person_level());
    for seed in 0..20 {
        let counts = counted(&programme, &Picker(seed).rows(80));
        let total = of_table(&counts, &programme, "total")[0];
        assert_eq!(total, counts.summary().counted());
        let dropped = counts.summary().beyond_person_bound;
        assert_eq!(total + dropped, counts.summary().records);
    }
}
