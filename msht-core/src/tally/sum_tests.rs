//! Tables of sums and of pairs: what a record adds, and how far one person moves them.
use super::*;

/// Two records a person; clip 5, and a bound of sums that is met.
const PROGRAMME: &str = r#"
id = "summed"
version = 1
title = "Summed"
description = "A programme for tests."
promise = "None."
max_count_per_cell = 100
word_bits = 64

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

[[amount]]
id = "paid"
title = "Paid"
currency = "GBP"
unit = 100
clip = 5
max_units_per_cell = 60

[[amount]]
id = "owed"
title = "Owed"
currency = "EUR"
unit = 10
clip = 3
max_units_per_cell = 1000

[[dimension]]
id = "type"
title = "Type"
max_values = 3
categories = [["a", "A"], ["b", "B"], ["c", "C"], ["d", "D"], ["unknown", "Unknown"]]

[[dimension]]
id = "place"
title = "Place"
categories = [["here", "Here"], ["there", "There"], ["unknown", "Unknown"]]

[[table]]
id = "paid"
title = "Paid by type"
dimensions = ["type"]
measure = "paid"
weight = 0.2

[[table]]
id = "owed"
title = "Owed"
dimensions = []
measure = "owed"
weight = 0.2

[[table]]
id = "together"
title = "Types that occur together"
dimensions = ["type", "type"]
weight = 0.2

[[table]]
id = "paid-together"
title = "Paid, by place and types that occur together"
dimensions = ["place", "type", "type"]
measure = "paid"
weight = 0.2
"#;

fn programme() -> Programme {
    Programme::parse(PROGRAMME).unwrap()
}

/// One row before coding.
#[derive(Clone)]
struct Row {
    person: &'static str,
    types: Vec<usize>,
    place: usize,
    amounts: [Option<u64>; 2],
}

fn row(person: &'static str, types: &[usize], paid: Option<u64>, owed: Option<u64>) -> Row {
    Row {
        person,
        types: types.to_vec(),
        place: 0,
        amounts: [paid, owed],
    }
}

fn counted(programme: &Programme, rows: &[Row]) -> Counts {
    let mut tally = Tally::new(programme);
    for row in rows {
        let person = PersonKey::new(row.person.to_owned());
        let record = CodedRecord::new(person, vec![row.types.clone(), vec![row.place]]);
        tally
            .add(&record.with_amounts(row.amounts.to_vec()))
            .unwrap();
    }
    tally.finish()
}

fn of_table<'a>(counts: &'a Counts, programme: &Programme, id: &str) -> &'a [u64] {
    counts.of_table(programme.table(id).unwrap()).unwrap()
}

#[test]
fn a_record_adds_its_clipped_amount_to_each_cell_of_its_values() {
    let programme = programme();
    let rows = [
        row("x", &[0, 2], Some(4), Some(2)),
        row("y", &[2], Some(9), Some(3)),
        row("z", &[], Some(u64::MAX), Some(u64::MAX)),
    ];
    let counts = counted(&programme, &rows);
    assert_eq!(of_table(&counts, &programme, "paid"), [4, 0, 9, 0, 5]);
    assert_eq!(of_table(&counts, &programme, "owed"), [8]);
    assert_eq!(counts.summary().amounts_clipped, 3);
    assert_eq!(counts.summary().amounts_missing, 0);
}

#[test]
fn a_missing_amount_is_zero_units_and_the_record_still_counts() {
    let programme = programme();
    let counts = counted(&programme, &[row("x", &[0, 1], None, Some(1))]);
    assert_eq!(of_table(&counts, &programme, "paid"), [0; 5]);
    assert_eq!(of_table(&counts, &programme, "owed"), [1]);
    assert_eq!(
        of_table(&counts, &programme, "together"),
        [1, 0, 0, 0, 0, 0]
    );
    assert_eq!(counts.summary().amounts_missing, 1);
}

#[test]
fn a_record_counts_once_in_each_pair_of_its_values() {
    let programme = programme();
    let counts = counted(&programme, &[row("x", &[3, 0, 2], Some(2), None)]);
    // a.b a.c a.d b.c b.d c.d
    assert_eq!(
        of_table(&counts, &programme, "together"),
        [0, 1, 1, 0, 0, 1]
    );
    let paid = of_table(&counts, &programme, "paid-together");
    assert_eq!(paid.iter().sum::<u64>(), 6);
    for alone in [&[1][..], &[], &[1, 4], &[1, 1]] {
        let counts = counted(&programme, &[row("x", alone, Some(2), None)]);
        assert_eq!(of_table(&counts, &programme, "together"), [0; 6]);
    }
}

#[test]
fn sums_are_clamped_to_their_own_bound() {
    let programme = programme();
    let rows = vec![row("", &[1], Some(5), Some(3)); 13];
    let counts = counted(&programme, &rows);
    assert_eq!(of_table(&counts, &programme, "paid")[1], 60);
    assert_eq!(of_table(&counts, &programme, "owed"), [39]);
    assert_eq!(counts.summary().cells_clamped, 1);
}

#[test]
fn a_record_with_other_amounts_is_refused() {
    let programme = programme();
    let mut tally = Tally::new(&programme);
    let record = || CodedRecord::new(None, vec![vec![0], vec![0]]);
    for amounts in [vec![], vec![Some(1)], vec![Some(1); 3]] {
        let refused = TallyError::WrongAmounts {
            expected: 2,
            found: amounts.len(),
        };
        assert_eq!(tally.add(&record().with_amounts(amounts)), Err(refused));
    }
    assert_eq!(tally.finish().summary(), &TallySummary::default());
}

#[test]
fn nothing_of_an_amount_shows_in_debug_output() {
    let record = CodedRecord::new(None, vec![vec![0], vec![0]]);
    let record = record.with_amounts(vec![Some(123_456), None]);
    assert!(!format!("{record:?}").contains("123"));
}

/// A small seeded generator (Knuth's MMIX constants).
struct Picker(u64);

impl Picker {
    fn below(&mut self, bound: u64) -> usize {
        let next = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = next.wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % bound).unwrap()
    }

    /// Any amount: none, within the clip, at it, far above it.
    fn amount(&mut self) -> Option<u64> {
        match self.below(4) {
            0 => None,
            1 => Some(self.below(8) as u64),
            2 => Some(self.below(1_000_000) as u64),
            _ => Some(u64::MAX),
        }
    }

    fn rows(&mut self, count: usize) -> Vec<Row> {
        const PEOPLE: [&str; 6] = ["", "a", "b", "c", "d", "e"];
        let one = |picker: &mut Self| Row {
            person: PEOPLE[picker.below(6)],
            types: (0..picker.below(5)).map(|_| picker.below(5)).collect(),
            place: picker.below(3),
            amounts: [picker.amount(), picker.amount()],
        };
        (0..count).map(|_| one(self)).collect()
    }
}

#[test]
fn one_persons_records_change_every_table_by_at_most_its_sensitivity() {
    let clamped = programme();
    let text = clamped.as_toml().replace("= 60\n", "= 100000\n");
    for programme in [&clamped, &Programme::parse(&text).unwrap()] {
        for seed in 0..60 {
            let rows = Picker(seed).rows(50);
            for person in ["a", "b", "c", "d", "e"] {
                let rest: Vec<Row> = rows
                    .iter()
                    .filter(|row| row.person != person)
                    .cloned()
                    .collect();
                let (with, without) = (counted(programme, &rows), counted(programme, &rest));
                for table in programme.tables() {
                    let pairs = with.of_table(table).unwrap().iter();
                    let pairs = pairs.zip(without.of_table(table).unwrap());
                    let distance: u64 = pairs.map(|(a, b)| a.abs_diff(*b)).sum();
                    let (id, most) = (table.id(), table.sensitivity());
                    assert!(
                        distance <= most,
                        "seed {seed}: {id} moved by {distance} of {most}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_sensitivity_of_sums_and_pairs_is_reached() {
    let programme = programme();
    let rows = vec![row("a", &[0, 1, 2], Some(100), Some(100)); 3];
    let counts = counted(&programme, &rows);
    for (table, expected) in programme.tables().iter().zip([30, 6, 6, 30]) {
        let moved: u64 = counts.of_table(table).unwrap().iter().sum();
        assert_eq!(
            (moved, table.sensitivity()),
            (expected, expected),
            "{}",
            table.id()
        );
    }
}
