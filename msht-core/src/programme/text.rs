//! Rules for the ids, codes and texts of a programme.

use super::error::{Problem, ProgrammeError};
use super::limits::MAX_ID_BYTES;

/// An id is a slug: it appears in file names, addresses and column names.
pub(super) fn check_id(id: &str, path: &str) -> Result<(), ProgrammeError> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let starts_with_letter = id.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    let hyphens_apart = !id.contains("--") && !id.ends_with('-');
    let right =
        starts_with_letter && hyphens_apart && id.len() <= MAX_ID_BYTES && id.bytes().all(plain);
    if right {
        return Ok(());
    }
    Err(Problem::MalformedId(quoted(id)).at(path))
}

/// A code may also have capitals and underscores, because published code lists have them.
pub(super) fn check_code(code: &str, path: &str) -> Result<(), ProgrammeError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if (1..=MAX_ID_BYTES).contains(&code.len()) && code.bytes().all(plain) {
        return Ok(());
    }
    Err(Problem::MalformedCode(quoted(code)).at(path))
}

/// A title or label: one line of plain text.
pub(super) fn check_text(text: &str, most: usize, path: &str) -> Result<(), ProgrammeError> {
    if text.chars().any(char::is_control) {
        return Err(Problem::UntidyText.at(path));
    }
    check_paragraphs(text, most, path)
}

/// A description: plain text that may have line breaks.
pub(super) fn check_paragraphs(text: &str, most: usize, path: &str) -> Result<(), ProgrammeError> {
    let problem = if text.trim().is_empty() {
        Problem::EmptyText
    } else if text.len() > most {
        let found = text.len();
        Problem::LongText { found, most }
    } else if text.trim() != text || text.chars().any(|c| c.is_control() && c != '\n') {
        Problem::UntidyText
    } else {
        return Ok(());
    };
    Err(problem.at(path))
}

fn quoted(text: &str) -> String {
    text.chars().take(MAX_ID_BYTES).collect()
}
