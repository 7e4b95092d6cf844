use super::*;
use std::io::Write;
use tempfile::NamedTempFile;

fn file(bytes: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn open(bytes: &[u8], delimiter: &str) -> Result<Rows, SourceError> {
    let file = file(bytes);
    let config = CsvConfig {
        path: file.path().to_owned(),
        delimiter: delimiter.to_owned().try_into().unwrap(),
    };
    SourceConfig::Csv(config).into_source().open()
}

/// Every row as its line and its cells, or what is wrong with it.
fn read(bytes: &[u8], delimiter: &str) -> Vec<(u64, Result<Vec<String>, RowProblem>)> {
    let mut rows = open(bytes, delimiter).unwrap();
    let columns = rows.header().len();
    let mut read = Vec::new();
    while let Some(row) = rows.next_row().unwrap() {
        let cells = row.cells.map(|cells| {
            let text = |place| cells.text(place).unwrap_or("not UTF-8").to_owned();
            (0..columns).map(text).collect()
        });
        read.push((row.line, cells));
    }
    read
}

fn ok(line: u64, cells: [&str; 2]) -> (u64, Result<Vec<String>, RowProblem>) {
    (line, Ok(cells.map(str::to_owned).into()))
}

fn wrong(line: u64, found: usize) -> (u64, Result<Vec<String>, RowProblem>) {
    (line, Err(RowProblem::FieldCount { expected: 2, found }))
}

#[test]
fn rows_are_read_alike_whatever_ends_the_lines_and_whatever_begins_the_file() {
    let plain = "a,b\n1,2\n\n\"x, y\",\"say \"\"no\"\"\"\n\"two\nlines\",4\n 5 ,6\n";
    let expected = [
        ok(2, ["1", "2"]),
        ok(4, ["x, y", "say \"no\""]),
        ok(5, ["two\nlines", "4"]),
        ok(7, ["5", "6"]),
    ];
    assert_eq!(read(plain.as_bytes(), ","), expected);
    assert_eq!(read(plain.trim_end().as_bytes(), ","), expected);
    let marked = format!("\u{feff}{plain}");
    assert_eq!(read(marked.as_bytes(), ","), expected);
    assert_eq!(open(marked.as_bytes(), ",").unwrap().header(), ["a", "b"]);
}

#[test]
fn lines_ended_by_cr_lf_are_counted_like_others() {
    let text = b"a,b\r\n1,2\r\n\"x\",\"y\"\r\n\r\n3,4,5\r\n6,7\r\n";
    let read = read(text, ",");
    assert_eq!(read[0], ok(2, ["1", "2"]));
    assert_eq!(read[1], ok(3, ["x", "y"]));
    assert_eq!(read[2], ok(4, ["", ""]));
    assert_eq!(read[3..], [wrong(5, 3), ok(6, ["6", "7"])]);
    let rows = open(text, ",").unwrap();
    assert_eq!(rows.header(), ["a", "b"]);
}

#[test]
fn the_delimiter_is_the_one_configured() {
    let expected = [ok(2, ["1,5", "2"])];
    assert_eq!(read(b"a;b\n1,5;2\n", ";"), expected);
    assert_eq!(read(b"a\tb\n1,5\t2\n", "tab"), expected);
    assert_eq!(read(b"a|b\n1,5|2", "|"), expected);
    for text in ["", ",,", "\"", "a", "\n", "é"] {
        assert!(Delimiter::try_from(text.to_owned()).is_err(), "{text:?}");
    }
}

#[test]
fn an_unclosed_quotation_mark_spoils_its_own_row_only() {
    let text = b"a,b\n\n\"1,2\n3,4\n5,6\n";
    let expected = [wrong(3, 1), ok(4, ["3", "4"]), ok(5, ["5", "6"])];
    assert_eq!(read(text, ","), expected);
}

#[test]
fn a_quotation_mark_still_open_at_the_end_of_the_file_spoils_its_own_row_only() {
    let open = (2, Err(RowProblem::OpenQuotation));
    for text in ["a,b\n1,\"2\n3,4\n", "a,b\n1,\"2\n3,4"] {
        assert_eq!(
            read(text.as_bytes(), ","),
            [open.clone(), ok(3, ["3", "4"])]
        );
    }
    for text in ["a,b\n1,\"2\n\"\n", "a,b\n1,\"2\n\""] {
        assert_eq!(read(text.as_bytes(), ","), [ok(2, ["1", "2"])]);
    }
    // A long file, so that the reader is in the midst of it wherever its buffer ends.
    let text = format!("a,b\n{}", "1,\"2\n2\"\n".repeat(10_000));
    let read = read(text.as_bytes(), ",");
    assert_eq!(read.len(), 10_000);
    assert!(read.iter().all(|(_, cells)| cells.is_ok()));
    assert_eq!(read.last().map(|row| row.0), Some(20_000));
}

#[test]
fn a_quotation_mark_inside_a_cell_does_not_hide_one_that_is_open_at_the_end_of_the_file() {
    let open = (3, Err(RowProblem::OpenQuotation));
    for text in [
        "a,b\n1,2\nx\"y,\"open\n3,4\n",
        "a,b\n1,2\nx\"y,\"open\n3,4",
        "a,b\n1,2\n\u{feff}\"y,\"open\n3,4\n",
    ] {
        let expected = [ok(2, ["1", "2"]), open.clone(), ok(4, ["3", "4"])];
        assert_eq!(read(text.as_bytes(), ","), expected, "{text:?}");
    }
    // Nor is a row broken because it has an odd number of marks.
    for text in ["a,b\nx\"y,\"2\n3\"\n", "a,b\nx\"y,\"2\n3\""] {
        assert_eq!(read(text.as_bytes(), ","), [ok(2, ["x\"y", "2\n3"])]);
    }
}

#[test]
fn an_overlong_row_is_left_out_and_the_next_one_read() {
    let most = usize::try_from(MAX_ROW_BYTES).unwrap();
    let long = "x".repeat(2 * most);
    let text = format!("a,b\n1,2\n{long},3\n4,5\n\"6,{long}\n7,8\n");
    let too_long = |line| (line, Err(RowProblem::TooLong));
    let expected = [
        ok(2, ["1", "2"]),
        too_long(3),
        ok(4, ["4", "5"]),
        too_long(5),
        ok(6, ["7", "8"]),
    ];
    assert_eq!(read(text.as_bytes(), ","), expected);
}

#[test]
fn a_file_that_is_not_utf8_text_is_refused_by_its_header_and_beginning() {
    for bytes in [
        &b"Stra\xdfe,b\n1,2\n"[..],
        b"\xff\xfea\0,\0b\0",
        b"a\0,\0b\0\n\0",
        b"PK\x03\x04rest",
        b"\xd0\xcf\x11\xe0rest",
    ] {
        let error = open(bytes, ",").map(|_| ()).unwrap_err();
        assert!(matches!(error, SourceError::Encoding { .. }));
        let message = error.to_string();
        assert!(message.contains("line 1"), "{message}");
        assert!(message.contains("'CSV UTF-8'"), "{message}");
        assert!(!message.contains("Stra"), "{message}");
    }
}

#[test]
fn a_cell_in_another_encoding_hides_no_other_cell() {
    let read = read(b"a,b\nJos\xe9,2\n3,4\n", ",");
    assert_eq!(read, [ok(2, ["not UTF-8", "2"]), ok(3, ["3", "4"])]);
}

#[test]
fn an_empty_file_has_no_header_and_a_header_alone_has_no_rows() {
    for text in ["", "\n", "\u{feff}", "\r\n", ",,\n"] {
        let error = open(text.as_bytes(), ",").map(|_| ()).unwrap_err();
        assert!(matches!(error, SourceError::NoHeader { .. }), "{text:?}");
    }
    for text in ["a,b", "a,b\n", "a,b\r\n"] {
        assert_eq!(read(text.as_bytes(), ","), []);
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let source = Source::Csv(CsvConfig::new("no/such/file.csv".into()));
    let message = source.open().map(|_| ()).unwrap_err().to_string();
    assert!(message.starts_with("no/such/file.csv: cannot be opened"));
    let source = Source::Csv(CsvConfig::new(".".into()));
    assert!(source.open().is_err());
}

#[test]
fn a_source_is_configured_strictly() {
    let config: SourceConfig =
        toml::from_str("kind = \"csv\"\npath = \"cases.csv\"\ndelimiter = \"tab\"").unwrap();
    let SourceConfig::Csv(csv) = config.clone().relative_to(Path::new("folder"));
    assert_eq!(csv.path, Path::new("folder").join("cases.csv"));
    assert_eq!(csv.delimiter, "\t".to_owned().try_into().unwrap());
    let again = toml::to_string(&config).unwrap();
    assert_eq!(toml::from_str::<SourceConfig>(&again).unwrap(), config);
    for text in [
        "kind = \"csv\"",
        "kind = \"pdf\"\npath = \"x\"",
        "path = \"x\"",
        "kind = \"csv\"\npath = \"x\"\ndelimiter = \"ab\"",
        "kind = \"csv\"\npath = \"x\"\nsheet = \"y\"",
    ] {
        assert!(toml::from_str::<SourceConfig>(text).is_err(), "{text}");
    }
}
