//! CSV files: any one-byte delimiter, UTF-8 with or without a byte-order mark, lines ended by LF or CR LF.
//!
//! A quotation mark that is not closed swallows the rows behind it. So that it spoils its own row only, a row that
//! spans lines and has a wrong number of cells or is still open at the end of the file, and one that outgrows
//! [`MAX_ROW_BYTES`], cost their first line; reading goes on at the next one. What this cannot notice is a mark that the
//! next one happens to close with the right number of cells between them.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use csv::{ByteRecord, Position, Reader, ReaderBuilder, Terminator};
use serde::{Deserialize, Serialize};

use super::{Cells, Row, RowProblem, SourceError};

/// Most bytes of a row: ample for case notes, and what an unclosed quotation mark can make the node hold.
pub const MAX_ROW_BYTES: u64 = 256 * 1024;

/// A CSV file, as it stands in the node's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CsvConfig {
    /// The file.
    pub path: PathBuf,
    /// What stands between two cells; a comma unless given.
    #[serde(default)]
    pub delimiter: Delimiter,
}

impl CsvConfig {
    /// A file with commas.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        let delimiter = Delimiter::default();
        Self { path, delimiter }
    }

    pub(super) fn relative_to(self, folder: &Path) -> Self {
        Self {
            path: folder.join(self.path),
            ..self
        }
    }
}

/// The character between two cells: a comma, semicolon, tab or another ASCII sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Delimiter(u8);

/// The text is not a delimiter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a delimiter; write \",\", \";\", \"|\" or \"tab\"")]
pub struct DelimiterError(String);

impl Default for Delimiter {
    fn default() -> Self {
        Self(b',')
    }
}

impl TryFrom<String> for Delimiter {
    type Error = DelimiterError;

    fn try_from(text: String) -> Result<Self, DelimiterError> {
        match text.as_bytes() {
            b"tab" | b"\t" => Ok(Self(b'\t')),
            [sign] if sign.is_ascii_punctuation() && !matches!(sign, b'"' | b'\'') => {
                Ok(Self(*sign))
            }
            _ => Err(DelimiterError(text)),
        }
    }
}

impl From<Delimiter> for String {
    fn from(Delimiter(sign): Delimiter) -> Self {
        match sign {
            b'\t' => "tab".to_owned(),
            _ => char::from(sign).to_string(),
        }
    }
}

/// The rows of an open CSV file.
pub struct CsvRows {
    file: String,
    header: Vec<String>,
    delimiter: Delimiter,
    reader: Reader<BoundedFile>,
    record: ByteRecord,
}

impl CsvRows {
    pub(super) fn open(config: &CsvConfig) -> Result<Self, SourceError> {
        let name = config.path.display().to_string();
        let fail = |error| SourceError::Open {
            file: name.clone(),
            error,
        };
        let mut file = File::open(&config.path).map_err(fail)?;
        if file.metadata().map_err(fail)?.is_dir() {
            return Err(fail(io::ErrorKind::IsADirectory.into()));
        }
        refuse_other_encodings(&mut file, &name)?;
        let mut rows = Self {
            file: name,
            header: Vec::new(),
            delimiter: config.delimiter,
            reader: parser(config.delimiter).from_reader(BoundedFile::new(file)),
            record: ByteRecord::new(),
        };
        rows.header = rows.read_header()?;
        Ok(rows)
    }

    pub(super) fn header(&self) -> &[String] {
        &self.header
    }

    fn read_header(&mut self) -> Result<Vec<String>, SourceError> {
        let file = || self.file.clone();
        let there = self
            .reader
            .read_byte_record(&mut self.record)
            .map_err(|error| read_error(file(), error))?;
        if self.reader.get_ref().cut_off {
            return Err(SourceError::HeaderTooLong { file: file() });
        }
        let cells = self.record.iter();
        let header: Result<Vec<_>, _> = cells
            .map(|cell| std::str::from_utf8(cell).map(|cell| cell.trim().to_owned()))
            .collect();
        let looks_like = "text in another encoding, such as Windows-1252";
        let header = header.map_err(|_| SourceError::Encoding {
            file: file(),
            looks_like,
        })?;
        if !there || header.iter().all(String::is_empty) {
            return Err(SourceError::NoHeader { file: file() });
        }
        Ok(header)
    }

    pub(super) fn next_row(&mut self) -> Result<Option<Row<'_>>, SourceError> {
        let before = self.reader.position().clone();
        self.reader.get_mut().renew_allowance();
        let read = self.reader.read_byte_record(&mut self.record);
        if !read.map_err(|error| read_error(self.file.clone(), error))? {
            return Ok(None);
        }
        let lines_inside = newlines(self.record.as_slice());
        let problem = self
            .problem(&before, lines_inside)
            .map_err(|error| read_error(self.file.clone(), error.into()))?;
        let line = match problem {
            Some(problem) if lines_inside > 0 || problem == RowProblem::TooLong => self
                .resume_behind_first_line(&before)
                .map_err(|error| read_error(self.file.clone(), error.into()))?,
            _ => self.first_line(lines_inside),
        };
        let cells = problem.map_or(Ok(Cells(&self.record)), Err);
        Ok(Some(Row { line, cells }))
    }

    /// What is wrong with the record that was read from `before` on.
    fn problem(&mut self, before: &Position, lines_inside: u64) -> io::Result<Option<RowProblem>> {
        let (expected, found) = (self.header.len(), self.record.len());
        if self.reader.get_ref().cut_off {
            return Ok(Some(RowProblem::TooLong));
        }
        if expected != found && !self.is_blank_line() {
            return Ok(Some(RowProblem::FieldCount { expected, found }));
        }
        let end = self.reader.position().byte();
        let maybe_at_end = lines_inside > 0 && end == self.reader.get_ref().delivered;
        let open = maybe_at_end && self.is_open(before.byte(), end, lines_inside)?;
        Ok(open.then_some(RowProblem::OpenQuotation))
    }

    /// Whether a quotation mark of the record between the two places is not closed; reading goes on where it was.
    ///
    /// Counting marks does not tell, because one inside a cell that does not begin with one is an ordinary sign. So the
    /// record is read once more with a further line end behind it, which becomes part of an open cell and ends any other.
    fn is_open(&mut self, from: u64, to: u64, lines_inside: u64) -> io::Result<bool> {
        let file = self.reader.get_mut();
        file.file.seek(SeekFrom::Start(from))?;
        let record = file.file.by_ref().take(to - from);
        // A blank line before it, so that signs that look like a byte-order mark are not taken for one.
        let again = b"\n".chain(record).chain(&b"\n"[..]);
        let mut record = ByteRecord::new();
        let mut reader = parser(self.delimiter).from_reader(again);
        reader.read_byte_record(&mut record).map_err(into_io)?;
        file.file.seek(SeekFrom::Start(file.delivered))?;
        Ok(newlines(record.as_slice()) > lines_inside)
    }

    /// A line of nothing but space and a CR is a single empty cell to the parser.
    fn is_blank_line(&self) -> bool {
        self.record.len() == 1 && Cells(&self.record).are_blank()
    }

    /// The line on which the record just read begins; blank lines before it are not its own.
    fn first_line(&self, lines_inside: u64) -> u64 {
        let end = self.reader.position();
        let file = self.reader.get_ref();
        let unterminated = file.delivered == end.byte() && file.last_byte != b'\n';
        let terminator = u64::from(!unterminated);
        end.line().saturating_sub(lines_inside + terminator)
    }

    /// Moves to the line after the one on which the record that was read from `before` begins, which is returned.
    fn resume_behind_first_line(&mut self, before: &Position) -> io::Result<u64> {
        let file = self.reader.get_mut();
        file.seek(SeekFrom::Start(before.byte()))?;
        let mut bytes = BufReader::new(&mut file.file);
        let (mut line, mut at) = (before.line(), before.byte());
        loop {
            let (length, only_newline) = skip_line(&mut bytes)?;
            at += length;
            if !only_newline || length == 0 {
                break;
            }
            line += 1;
        }
        let mut next = before.clone();
        next.set_byte(at).set_line(line + 1);
        self.reader
            .seek_raw(SeekFrom::Start(at), next)
            .map_err(into_io)?;
        Ok(line)
    }
}

fn parser(delimiter: Delimiter) -> ReaderBuilder {
    let mut parser = ReaderBuilder::new();
    parser
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter.0)
        // Lines are then counted alike for LF and CR LF; the CR is space around the last cell.
        .terminator(Terminator::Any(b'\n'));
    parser
}

/// Reads to behind the next newline without keeping what is read: its length, and whether it is a newline alone.
fn skip_line(bytes: &mut impl BufRead) -> io::Result<(u64, bool)> {
    let length = bytes.skip_until(b'\n')?;
    Ok((u64::try_from(length).unwrap_or(u64::MAX), length == 1))
}

fn newlines(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}

/// Looks at the first bytes, then goes back to the beginning.
fn refuse_other_encodings(file: &mut File, name: &str) -> Result<(), SourceError> {
    let mut start = Vec::new();
    let read = file.by_ref().take(4).read_to_end(&mut start);
    read.and_then(|_| file.rewind())
        .map_err(|error| read_error(name.to_owned(), error.into()))?;
    let looks_like = match start.as_slice() {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [_, 0, ..] | [0, _, ..] => "UTF-16 or binary",
        [b'P', b'K', 3, 4] => "a workbook (.xlsx or .ods)",
        [0xd0, 0xcf, 0x11, 0xe0] => "an old workbook (.xls)",
        _ => return Ok(()),
    };
    Err(SourceError::Encoding {
        file: name.to_owned(),
        looks_like,
    })
}

fn into_io(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        // Cannot happen to a flexible reader of bytes; its text could hold a cell, so it is not passed on.
        _ => io::ErrorKind::InvalidData.into(),
    }
}

fn read_error(file: String, error: csv::Error) -> SourceError {
    SourceError::Read {
        file,
        error: into_io(error),
    }
}

/// A file that pretends to end when one row has taken too much of it.
struct BoundedFile {
    file: File,
    allowance: u64,
    cut_off: bool,
    delivered: u64,
    last_byte: u8,
}

impl BoundedFile {
    fn new(file: File) -> Self {
        Self {
            file,
            allowance: MAX_ROW_BYTES,
            cut_off: false,
            delivered: 0,
            last_byte: b'\n',
        }
    }

    fn renew_allowance(&mut self) {
        self.allowance = MAX_ROW_BYTES;
        self.cut_off = false;
    }
}

impl Read for BoundedFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.allowance == 0 {
            self.cut_off = true;
            return Ok(0);
        }
        let most = usize::try_from(self.allowance).unwrap_or(usize::MAX);
        let most = most.min(buffer.len());
        let target = buffer.get_mut(..most).unwrap_or_default();
        let read = self.file.read(target)?;
        if let Some(last) = target.get(..read).and_then(<[u8]>::last) {
            self.last_byte = *last;
        }
        let read_bytes = u64::try_from(read).unwrap_or(u64::MAX);
        self.delivered += read_bytes;
        self.allowance -= read_bytes;
        Ok(read)
    }
}

impl Seek for BoundedFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.delivered = self.file.seek(to)?;
        Ok(self.delivered)
    }
}
