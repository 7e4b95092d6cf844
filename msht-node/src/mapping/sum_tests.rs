//! Amounts from the column to the sum: what fits the programme, what is complained about, what counts.
use std::io::Write;

use msht_core::programme::{Programme, shipped};
use tempfile::NamedTempFile;

use super::*;
use crate::count::count;
use crate::review::check;
use crate::source::{CsvConfig, Source};

const MAPPING: &str = include_str!("../../../msht-core/programmes/mappings/proceeds.toml");

fn programme() -> Programme {
    Programme::parse(shipped("proceeds").unwrap()).unwrap()
}

fn with(from: &str, to: &str) -> Result<CheckedMapping, MappingError> {
    assert!(MAPPING.contains(from), "{from:?} is there");
    Mapping::parse(&MAPPING.replacen(from, to, 1))?.check(&programme())
}

fn counted(rows: &str, mapping: &CheckedMapping) -> (Vec<u64>, crate::review::Review) {
    let mut file = NamedTempFile::new().unwrap();
    let header = "date,person,typology,sent-from,sent-to,value\n";
    file.write_all(header.as_bytes()).unwrap();
    file.write_all(rows.as_bytes()).unwrap();
    let source = Source::Csv(CsvConfig::new(file.path().to_owned()));
    let (programme, period) = (programme(), "2026-Q1".parse().unwrap());
    let counts = count(&source, mapping, &programme, period).unwrap();
    let totals =
        ["total", "value"].map(|id| counts.of_table(programme.table(id).unwrap()).unwrap()[0]);
    let review = check(&source, mapping, &programme, Some(period)).unwrap();
    (totals.to_vec(), review)
}

/// One row of every kind; the fourth and the fifth cannot be counted.
const ROWS: &str = "2026-02-03,a,advertising,uk,europe,\"£1,250.00\"\n\
                    2026-02-03,b,advertising,uk,europe,\n\
                    2026-02-03,c,advertising,uk,europe,-777\n\
                    2026-02-03,d,advertising,uk,europe,777.77.7\n\
                    2026-02-03,e,debt-payments,uk,europe,99999.99\n";

#[test]
fn amounts_are_rounded_then_clipped_and_what_is_not_one_is_complained_about() {
    let mapping = with("", "").unwrap();
    let (totals, review) = counted(ROWS, &mapping);
    // 1,250 is 12.5 units, so 13; the last is clipped to 100.
    assert_eq!(totals, [3, 113]);
    assert_eq!((review.placed(), review.dropped), (3, 2));
    let found: Vec<_> = review
        .complaints
        .iter()
        .map(|complaint| {
            (
                complaint.line(),
                complaint.column(),
                complaint.kind().code(),
            )
        })
        .collect();
    let column = Some("value");
    assert_eq!(
        found,
        [
            (3, column, "no-amount"),
            (4, column, "negative-amount"),
            (5, column, "amount-format"),
        ]
    );
    let shown = format!(
        "{} {} {review:?} {:?}",
        review.to_text(),
        serde_json::to_string(&review).unwrap(),
        review.complaints
    );
    assert!(!shown.contains("777"), "{shown}");
    for words in ["1,234.56", "units of GBP 100, at most 100 a record"] {
        assert!(review.to_text().contains(words), "{words}");
    }
}

#[test]
fn a_partner_without_amounts_adds_nothing_to_the_sums_and_hears_no_complaint() {
    let mapping = with("column = \"value\"", "not_recorded = true").unwrap();
    let (totals, review) = counted(ROWS, &mapping);
    assert_eq!(totals, [5, 0]);
    assert_eq!((review.dropped, review.complaint_total), (0, 0));
    assert!(!mapping.columns().any(|column| column == "value"));
}

#[test]
fn the_unit_of_the_column_is_the_mappings() {
    let mapping = with("currency = \"GBP\"", "currency = \"GBP\"\nunit = 0.01").unwrap();
    let (totals, _) = counted("2026-02-03,a,advertising,uk,europe,125000\n", &mapping);
    assert_eq!(totals, [1, 13]);
}

/// The block of the amount in the mapping.
fn amount() -> &'static str {
    let (begins, ends) = (MAPPING.find("[[amount]]"), MAPPING.find("[[dimension]]"));
    &MAPPING[begins.unwrap()..ends.unwrap()]
}

fn refused_at(from: &str, to: &str, path: &str, words: &str) {
    match with(from, to) {
        Err(MappingError::Key {
            path: found,
            problem,
        }) => {
            assert_eq!(found, path, "{to}");
            assert!(problem.to_string().contains(words), "{problem}");
        }
        other => panic!("{to} gave {other:?}"),
    }
}

#[test]
fn amounts_that_do_not_fit_the_programme_are_refused_at_their_key() {
    refused_at(amount(), "", "amount", "not_recorded = true");
    let twice = amount().repeat(2);
    refused_at(amount(), &twice, "amount[1].id", "mapped twice");
    let both = "column = \"value\"\nnot_recorded = true";
    for (from, to, path, words) in [
        (
            "id = \"value\"",
            "id = \"worth\"",
            "amount[0].id",
            "it has: value",
        ),
        ("\"GBP\"", "\"EUR\"", "amount[0].currency", "`GBP`"),
        (
            "column = \"value\"",
            "column = \" \"",
            "amount[0].column",
            "no name",
        ),
        ("column = \"value\"", "", "amount[0]", "either the column"),
        ("column = \"value\"", both, "amount[0]", "not both"),
        (
            "thousands = \",\"",
            "thousands = \".\"",
            "amount[0].thousands",
            "same sign",
        ),
        (
            "thousands = \",\"",
            "unit = 0",
            "amount[0].unit",
            "0.01 for pence",
        ),
    ] {
        refused_at(from, to, path, words);
    }
}

#[test]
fn amounts_of_a_programme_without_any_and_unknown_signs_are_refused() {
    for (from, to) in [
        ("decimal = \".\"", "decimal = \"·\""),
        ("thousands = \",\"", "thousands = \"_\""),
        ("thousands = \",\"", "unit = -1"),
        ("thousands = \",\"", "round = \"down\""),
    ] {
        let refused = with(from, to);
        assert!(matches!(refused, Err(MappingError::Syntax { .. })), "{to}");
    }
    let counts = Programme::parse(shipped("msin").unwrap()).unwrap();
    let text = include_str!("../../../msht-core/programmes/mappings/msin.toml");
    let mapping = Mapping::parse(&format!("{text}\n{}", amount())).unwrap();
    assert!(mapping.check(&counts).is_err());
}
