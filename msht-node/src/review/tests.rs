use super::*;
use std::io::Write;
use tempfile::NamedTempFile;

use crate::count::count;
use crate::mapping::Mapping;
use crate::mapping::tests::{MAPPING, checked, mapping, programme};
use crate::source::CsvConfig;

const HEADER: &str = "Reference,Date,Kind,Gender,Surname\n";

/// A file that lives as long as the test.
struct Given {
    source: Source,
    _file: NamedTempFile,
}

fn given(bytes: &[u8]) -> Given {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    Given {
        source: Source::Csv(CsvConfig::new(file.path().to_owned())),
        _file: file,
    }
}

fn rows(rows: &str) -> Given {
    given(format!("{HEADER}{rows}").as_bytes())
}

fn quarter() -> Period {
    "2023-Q1".parse().unwrap()
}

/// Counts of the types (labour, sexual, both, unknown) and genders (F, M, unknown) in 2023 Q1.
fn counted(given: &Given) -> [u64; 7] {
    let counts = count(&given.source, &mapping(), &programme(), quarter()).unwrap();
    counts.cells().try_into().unwrap()
}

fn review(given: &Given, period: Option<Period>) -> Review {
    check(&given.source, &mapping(), &programme(), period).unwrap()
}

fn kinds(review: &Review) -> Vec<(u64, Option<&str>, &str)> {
    let complaints = review.complaints.iter();
    complaints
        .map(|c| (c.line(), c.column(), c.kind().code()))
        .collect()
}

#[test]
fn rows_of_the_period_are_counted_and_persons_bounded() {
    let given = rows(
        "x,01/01/2023,Work,Woman,\n\
         x,31/03/2023,\"Sexual, Work\",M,\n\
         x,15/02/2023,Work,Woman,\n\
         x,01/04/2023,Work,Woman,\n\
         y,31/12/2022,Work,Woman,\n\
         ,02/01/2023,,,\n\
         ,02/01/2023,\"Labour, Sexual\",no idea,\n",
    );
    assert_eq!(counted(&given), [2, 1, 1, 1, 1, 1, 2]);
    let review = review(&given, Some(quarter()));
    assert_eq!((review.rows, review.dropped), (7, 0));
    assert_eq!((review.placed(), review.in_other_periods()), (5, 2));
    assert_eq!(review.ignored_columns, ["Surname"]);
}

#[test]
fn bad_rows_are_dropped_singly_and_located() {
    let bad = "a,31/02/2023,Work,,\n\
               b,03/31/2023,Work,,\n\
               c,2023-01-02,Work,,\n\
               d,,Work,,\n\
               e,01/01/23,Work,,\n\
               f,01/01/2023,Nonsense,,\n\
               g,01/01/2023,\"Work, Nonsense\",,\n\
               h,01/01/2023,Work\n\
               i,01/01/2023,Work,,,\n";
    let good = "j,01/01/2023,Work,Woman,\n";
    let given = rows(&format!("{bad},,,,\n{good}"));
    assert_eq!(counted(&given), [1, 0, 0, 0, 1, 0, 0]);
    let review = review(&given, None);
    assert_eq!((review.rows, review.blank, review.dropped), (11, 1, 9));
    let date = Some("Date");
    assert_eq!(
        kinds(&review),
        [
            (2, date, "not-in-calendar"),
            (3, date, "not-in-calendar"),
            (4, date, "date-format"),
            (5, date, "no-date"),
            (6, date, "short-year"),
            (7, Some("Kind"), "no-category"),
            (8, Some("Kind"), "no-category"),
            (9, None, "field-count"),
            (10, None, "field-count"),
        ]
    );
    assert_eq!(review.warnings[0].looks_like, Look::DatesInTwoFormats);
}

#[test]
fn a_row_in_another_encoding_is_dropped_only_where_the_mapping_reads_it() {
    let mut bytes = HEADER.as_bytes().to_vec();
    bytes.extend_from_slice(b"a,01/01/2023,Caf\xe9,F,\n");
    bytes.extend_from_slice(b"Jos\xe9,01/01/2023,Work,F,\n");
    bytes.extend_from_slice(b"b,01/01/2023,Work,F,Jos\xe9\n");
    let given = given(&bytes);
    assert_eq!(counted(&given), [1, 0, 0, 0, 1, 0, 0]);
    let review = review(&given, None);
    let expected = [
        (2, Some("Kind"), "not-utf8"),
        (3, Some("Reference"), "not-utf8"),
    ];
    assert_eq!(kinds(&review), expected);
    assert!(review.to_text().contains("save the file as 'CSV UTF-8'"));
}

#[test]
fn a_file_whose_header_does_not_fit_stops_and_says_so_without_the_header() {
    for (header, words) in [
        (
            "Canary,Date,Kind,Gender",
            "no column `Reference` among the 4",
        ),
        (
            "Canary;Reference;Date;Kind;Gender",
            "no column `Date` among the 1",
        ),
        (
            "reference,DATE,Kind,Gender,Canary, date",
            "two columns are called `Date`",
        ),
    ] {
        let given = given(format!("{header}\n").as_bytes());
        let error = check(&given.source, &mapping(), &programme(), None).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(
            shown.contains("line 1") && !shown.contains("Canary"),
            "{shown}"
        );
        assert!(
            words.starts_with("no column `Date` among the 1") || shown.contains(words),
            "{shown}"
        );
        assert!(count(&given.source, &mapping(), &programme(), quarter()).is_err());
    }
}

#[test]
fn columns_that_are_not_mapped_may_stand_twice_and_the_order_is_free() {
    let given = given(b"x, GENDER ,x,kind,date,reference\n,F,,Work,1/1/2023,a\n");
    assert_eq!(counted(&given), [1, 0, 0, 0, 1, 0, 0]);
}

#[test]
fn a_header_alone_counts_nothing_and_is_no_fault() {
    let given = rows("");
    assert_eq!(counted(&given), [0; 7]);
    assert_eq!(review(&given, Some(quarter())).rows, 0);
}

#[test]
fn a_constant_stands_for_every_row() {
    let text = MAPPING.replace("column = \"Kind\"\nseparator = [\", \", \" & \"]\nunlisted = \"reject\"\n\n[dimension.values]\n\"Work\" = \"labour\"\n\"Street\" = [\"labour\", \"sexual\"]", "constant = \"both\"");
    let mapping = checked(&text).unwrap();
    let given = given(b"Reference,Date,Gender\na,01/01/2023,F\nb,01/01/2023,F\n");
    let counts = count(&given.source, &mapping, &programme(), quarter()).unwrap();
    assert_eq!(counts.cells(), [0, 0, 2, 0, 2, 0, 0]);
}

#[test]
fn another_programme_or_kind_of_period_is_refused() {
    let given = rows("");
    let month = "2023-01".parse().unwrap();
    let error = count(&given.source, &mapping(), &programme(), month).unwrap_err();
    assert!(error.to_string().contains("each a quarter"), "{error}");
    let text = programme().as_toml().replace("version = 1", "version = 2");
    let other = Programme::parse(&text).unwrap();
    let error = count(&given.source, &mapping(), &other, quarter()).unwrap_err();
    assert!(matches!(error, CountError::OtherProgramme));
    let mapping = Mapping::parse(MAPPING).unwrap().check(&other).unwrap();
    assert!(count(&given.source, &mapping, &other, quarter()).is_ok());
}

#[test]
fn no_cell_shows_in_messages_json_text_or_debug_output() {
    let mut bytes = HEADER.as_bytes().to_vec();
    bytes.extend_from_slice(
        b"CANARY,CANARY,CANARY,CANARY,CANARY\n\
          CANARY,99/99/CANARY,Work,CANARY,canary@example.org\n\
          CANARY,01/01/2023,\"Work, CANARY\",,CANARY\xe9\n\
          CANARY,01/01/2023,CANARY\xe9,,CANARY\n\
          CANARY,CANARY\n\
          \"CANARY,01/01/2023\nCANARY\n",
    );
    let given = given(&bytes);
    let review = review(&given, None);
    assert!(review.complaint_total >= 6);
    let mut shown = format!("{review:?} {}", review.to_text());
    shown += &serde_json::to_string(&review).unwrap();
    for complaint in &review.complaints {
        shown += &format!("{complaint} {complaint:?}");
    }
    for group in &review.complaint_groups {
        shown += &format!("{group:?}");
    }
    assert!(!shown.to_lowercase().contains("canary"), "{shown}");
    let cells = review.complaints.iter().filter_map(Complaint::cell);
    assert!(
        cells
            .into_iter()
            .any(|cell| cell.reveal().contains("CANARY"))
    );
}

#[test]
fn complaints_are_bounded_and_their_total_is_right() {
    let given = rows(&"x,nothing,Nothing,,\n".repeat(MAX_COMPLAINTS));
    let review = review(&given, None);
    let total = u64::try_from(2 * MAX_COMPLAINTS).unwrap();
    assert_eq!(review.complaints.len(), MAX_COMPLAINTS);
    assert_eq!((review.complaint_total, review.dropped), (total, total / 2));
    assert_eq!(review.complaint_groups.len(), 2);
    assert_eq!(review.complaint_groups[0].count, total / 2);
    assert!(review.to_text().contains("and 200 more"));
}

#[test]
fn columns_that_look_personal_are_named_and_whether_they_are_read() {
    let given = rows("943 476 5919,01/01/2023,Work,F,Smith\n");
    let review = review(&given, None);
    let warning = |column: &str, looks_like, mapped| ColumnWarning {
        column: column.to_owned(),
        looks_like,
        mapped,
    };
    let expected = [
        warning("Reference", Look::NhsNumbers, true),
        warning("Surname", Look::Names, false),
    ];
    assert_eq!(review.warnings, expected);
    let json = serde_json::to_value(&review).unwrap();
    assert_eq!(json["warnings"][0]["looks_like"], "nhs-numbers");
    assert_eq!(json["by_period"]["2023-Q1"], 1);
    let text = review.to_text();
    assert!(text.contains("`Surname` looks like names; nothing reads it"));
    assert!(text.contains("never read beyond this node:\n  Surname"));
}

#[test]
fn a_large_file_is_counted_right() {
    let mut text = String::from(HEADER);
    for row in 0..100_000u32 {
        let kind = if row % 4 == 0 {
            "Sexual & Work"
        } else {
            "Work"
        };
        let month = row % 12 + 1;
        text += &format!("ref-{row},05/{month:02}/2023,{kind},Woman,\"A, \"\"B\"\"\"\n");
    }
    let given = given(text.as_bytes());
    let in_quarter = (0..100_000u32).filter(|row| row % 12 < 3);
    let sexual = in_quarter.clone().filter(|row| row % 4 == 0).count();
    let (all, sexual) = (in_quarter.count() as u64, sexual as u64);
    assert_eq!(counted(&given), [all, sexual, 0, 0, all, 0, 0]);
    let review = review(&given, None);
    assert_eq!((review.placed(), review.by_period.len()), (100_000, 4));
}
