//! Files that people write: programmes, mappings, settings and the rows of CSV sources; and short texts.

use std::fs;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::LazyLock;

use msht_core::crypto::{Digest, Fingerprint, IdentityKey};
use msht_core::programme::{Period, Programme, SHIPPED, shipped};
use msht_core::rational::Rational;
use msht_core::secagg::{announced_tables, check_partner_id};
use msht_node::config::{CONFIG_TEMPLATE, Config};
use msht_node::mapping::{CheckedMapping, Coder, DateFormat, Mapping, Outcome};
use msht_node::source::{CsvConfig, Delimiter, Source};
use tempfile::TempDir;

use crate::documents::{OF_TEXT, PROGRAMME};
use crate::{Ceiling, Target};

/// Longest file that is tried.
const LONGEST_BYTES: usize = 64 * 1024;
/// A programme's checks build its codebook and its tables.
const OF_PROGRAMME: Ceiling = Ceiling {
    fixed: 1024 * 1024,
    per_byte: 512,
};
/// Reading rows takes a buffer for the row, one for the file, and complaints of the row at hand.
const OF_ROWS: Ceiling = Ceiling {
    fixed: 512 * 1024,
    per_byte: 64,
};

const MAPPING: &str = include_str!("small-mapping.toml");

static SMALL: LazyLock<Programme> =
    LazyLock::new(|| Programme::parse(PROGRAMME).expect("a valid programme"));
static CHECKED: LazyLock<CheckedMapping> = LazyLock::new(|| {
    let mapping = Mapping::parse(MAPPING).expect("a valid mapping");
    mapping.check(&SMALL).expect("fits its programme")
});

/// With amounts, which the small one has none of.
const SUMS_MAPPING: &str = include_str!("../../msht-core/programmes/mappings/proceeds.toml");
const SUMS_PROGRAMME: &str = "proceeds";

static SUMS: LazyLock<Programme> = LazyLock::new(|| {
    let text = shipped(SUMS_PROGRAMME).expect("it ships");
    Programme::parse(text).expect("a valid programme")
});
static SUMS_CHECKED: LazyLock<CheckedMapping> = LazyLock::new(|| {
    let mapping = Mapping::parse(SUMS_MAPPING).expect("a valid mapping");
    mapping.check(&SUMS).expect("fits its programme")
});

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
            "programme-toml",
            OF_PROGRAMME,
            programme as fn(&[u8]) -> bool,
            programme_seeds as fn() -> _,
        ),
        target("mapping-toml", OF_PROGRAMME, mapping, || {
            [named("small", MAPPING), named("sums", SUMS_MAPPING)].concat()
        }),
        target("node-toml", OF_TEXT, settings, settings_seeds),
        target("csv-rows", OF_ROWS, rows, csv_seeds),
        target("short-text", OF_TEXT, short_text, short_seeds),
    ]
}

fn named(name: &str, text: &str) -> Vec<(String, Vec<u8>)> {
    vec![(name.to_owned(), text.as_bytes().to_vec())]
}

fn programme(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else {
        return false;
    };
    let programme = match Programme::parse(text) {
        Ok(programme) => programme,
        Err(error) => {
            // People read it: it must be possible to show.
            assert!(!error.to_string().is_empty());
            return false;
        }
    };
    let again = Programme::parse(programme.as_toml()).expect("its own text");
    assert_eq!(
        again, programme,
        "the text does not give the programme back"
    );
    let tables = announced_tables(&programme);
    let cells: usize = tables.iter().map(|table| table.cells as usize).sum();
    assert_eq!(cells, programme.cells(), "announces another length");
    let promised = programme.privacy().epsilon_per_period();
    assert!(
        programme.epsilon_per_round() <= *promised,
        "a round costs more than a period"
    );
    true
}

fn programme_seeds() -> Vec<(String, Vec<u8>)> {
    let mut seeds = named("small", PROGRAMME);
    // The smallest shipped one and the one with sums; the others differ in their lists only.
    let smallest = SHIPPED.iter().min_by_key(|(_, text)| text.len());
    let sums = SHIPPED.iter().find(|(id, _)| *id == SUMS_PROGRAMME);
    for (id, text) in smallest.into_iter().chain(sums) {
        seeds.extend(named(id, text));
    }
    seeds
}

fn mapping(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else {
        return false;
    };
    let checked = Mapping::parse(text)
        .and_then(|mapping| mapping.check(&SMALL).or_else(|_| mapping.check(&SUMS)));
    match checked {
        Ok(checked) => {
            let digests = [SMALL.digest(), SUMS.digest()];
            assert!(digests.contains(&checked.programme()));
            assert!(checked.columns().all(|column| !column.trim().is_empty()));
            true
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    }
}

fn settings(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else {
        return false;
    };
    let Ok(config) = Config::parse(text) else {
        return false;
    };
    // The caps go into every ledger entry of a reservation: it must be possible to read them back.
    let caps = serde_json::to_string(&config.caps()).expect("numbers");
    let read: Result<msht_core::dp::accountant::Caps, _> = serde_json::from_str(&caps);
    assert_eq!(
        read.ok(),
        Some(config.caps()),
        "caps that a ledger cannot read back"
    );
    let _ = config.policy();
    true
}

fn settings_seeds() -> Vec<(String, Vec<u8>)> {
    let example = "[vault]\npath = \"v\"\nkey_file = \"k\"\n\n[budget]\nepsilon_per_period = 0.25\n\
        epsilon_per_year = \"22/7\"\n\n[policy]\nleast_partners = 3\nleast_colluders = 1\n\
        least_honest = 2\nmost_epsilon = 1\n\n[[programme]]\nid = \"small\"\nmapping = \"m.toml\"\n\
        source = { kind = \"csv\", path = \"records.csv\", delimiter = \"tab\" }\n";
    let mut seeds = named("template", CONFIG_TEMPLATE);
    seeds.extend(named("every-key", example));
    seeds
}

thread_local! {
    static FOLDER: TempDir = tempfile::tempdir().expect("a folder for one file");
}

/// The first byte is the delimiter, the rest a file. Reading ends, no row lies before the one before it, each has as
/// many cells as the header, and what is coded is of a category of the programme.
fn rows(input: &[u8]) -> bool {
    let Some((delimiter, file)) = input.split_first() else {
        return false;
    };
    let delimiter = match delimiter % 4 {
        0 => ",",
        1 => ";",
        2 => "|",
        _ => "tab",
    };
    let path = FOLDER.with(|folder| folder.path().join("records.csv"));
    fs::write(&path, file).expect("room for one file");
    let config = CsvConfig {
        path: PathBuf::from(&path),
        delimiter: Delimiter::try_from(delimiter.to_owned()).expect("one of four"),
    };
    let source = Source::Csv(config);
    assert_rows_in_order(&source, file);
    let opened = Coder::open(&source, &CHECKED, None);
    let Ok(mut coder) = opened.or_else(|_| Coder::open(&source, &SUMS_CHECKED, None)) else {
        return false;
    };
    let mut coded = false;
    while let Ok(Some(outcome)) = coder.next_row() {
        coded |= matches!(outcome, Outcome::Coded(..));
    }
    coded
}

fn assert_rows_in_order(source: &Source, file: &[u8]) {
    let Ok(mut rows) = source.open() else {
        return;
    };
    let columns = rows.header().len();
    let lines = file.iter().filter(|byte| **byte == b'\n').count() + 1;
    let (mut last, mut seen) = (0, 0);
    while let Ok(Some(row)) = rows.next_row() {
        seen += 1;
        assert!(seen <= lines, "more rows than lines");
        assert!(row.line > last, "line {} after line {last}", row.line);
        last = row.line;
        let Ok(cells) = row.cells else {
            continue;
        };
        if !cells.are_blank() {
            assert_eq!(cells.text(columns), Ok(""), "more cells than the header");
        }
    }
    let last = usize::try_from(last).expect("a small file");
    assert!(last <= lines, "line {last} of {lines}");
}

fn csv_seeds() -> Vec<(String, Vec<u8>)> {
    let files = [
        (
            "plain",
            "\0Seen on,Case,Where\n2026-01-02,a1,N\n2026-02-03,a2,S\n",
        ),
        (
            "semicolons",
            "\u{1}Seen on;Case;Where\r\n2026-01-02;a1;\"N;S\"\r\n\r\n",
        ),
        (
            "bar",
            "\u{2}Case|Where|Seen on\na1|elsewhere|2026-01-02 10:00\n",
        ),
        (
            "quotation",
            "\0Seen on,Case,Where,Notes\n2026-01-02,a1,N,\"two\nlines\"\n2026-01-03,a2,S,\"open\n2026-01-04,a3,S,x\n",
        ),
        (
            "sums",
            "\0date,person,typology,sent-from,sent-to,value\n2026-01-02,a1,other,uk,uk,\"\u{a3}1,234.56\"\n\
             2026-01-02,a2,other,uk,uk,\n2026-01-02,a3,other,uk,uk,(5)\n2026-01-02,a4,other,uk,uk,5e3\n",
        ),
        (
            "byte-order-mark",
            "\u{3}\u{feff}Seen on\tCase\tWhere\n2026-01-02\ta1\tN\n",
        ),
    ];
    let seed = |(name, text): (&str, &str)| (name.to_owned(), text.as_bytes().to_vec());
    files.into_iter().map(seed).collect()
}

/// A text that is shown reads as the same value again.
fn shown_and_read<T: FromStr + ToString + PartialEq>(text: &str) -> bool {
    let Ok(value) = text.parse::<T>() else {
        return false;
    };
    let again = value.to_string().parse::<T>();
    assert!(
        again.is_ok_and(|again| again == value),
        "`{text}` does not read back"
    );
    true
}

/// The first byte says what the rest is: a number, a period, a digest, a partner id, a date of some format, or a fingerprint.
fn short_text(input: &[u8]) -> bool {
    let Some((kind, rest)) = input.split_first() else {
        return false;
    };
    let Ok(text) = std::str::from_utf8(rest) else {
        return false;
    };
    match kind % 6 {
        0 => shown_and_read::<Rational>(text),
        1 => shown_and_read::<Period>(text),
        2 => shown_and_read::<Digest>(text),
        3 => check_partner_id(text).is_ok(),
        5 => shown_and_read::<Fingerprint>(text),
        _ => {
            let formats = [
                DateFormat::Quarter,
                DateFormat::Month,
                DateFormat::Year,
                DateFormat::Iso,
                DateFormat::Dmy,
                DateFormat::Mdy,
            ];
            let read = formats.iter().filter(|format| format.parse(text).is_ok());
            read.count() > 0
        }
    }
}

fn short_seeds() -> Vec<(String, Vec<u8>)> {
    let digest = format!("\u{2}{}", Digest::ZERO);
    let fingerprint = format!("\u{5}{}", IdentityKey::from_bytes([7; 32]).fingerprint());
    let texts = [
        ("fraction", "\u{0}22/7"),
        ("decimal", "\u{0}0.25"),
        ("quarter", "\u{1}2026-Q3"),
        ("month", "\u{1}2026-07"),
        ("digest", digest.as_str()),
        ("partner", "\u{3}harbour-trust-2"),
        ("fingerprint", fingerprint.as_str()),
        ("iso-date", "\u{4}2026-07-31 10:00"),
        ("day-first", "\u{4}31/07/2026"),
        ("month-first", "\u{4}07.31.2026"),
        ("quarter-first", "\u{4}Q3 2026"),
    ];
    let seed = |(name, text): (&str, &str)| (name.to_owned(), text.as_bytes().to_vec());
    texts.into_iter().map(seed).collect()
}
