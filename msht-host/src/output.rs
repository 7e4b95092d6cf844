//! What a program says: data on standard output, messages for people on standard error.
//!
//! `println!` panics where nobody reads any more, as before `| head`. Here a reader that went away ends the output and
//! nothing else: what a command did is done, and its exit code says how it ended.

use std::fmt::{Arguments, Display};
use std::io::{self, ErrorKind, Write};

/// Writes data and a line end to standard output. A reader that went away is no error.
///
/// # Errors
/// Any other failure to write, such as a full disk.
pub fn print(data: impl Display) -> io::Result<()> {
    put(&mut io::stdout().lock(), format_args!("{data}\n"))
}

/// Writes bytes to standard output as they are. A reader that went away is no error.
///
/// # Errors
/// As [`print()`].
pub fn print_bytes(data: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    unless_nobody_reads(stdout.write_all(data).and_then(|()| stdout.flush()))
}

/// Writes a message for people and a line end to standard error; where that fails, nobody is listening.
pub fn say(message: impl Display) {
    let _nobody_listens = put(&mut io::stderr().lock(), format_args!("{message}\n"));
}

fn put(to: &mut impl Write, text: Arguments<'_>) -> io::Result<()> {
    unless_nobody_reads(to.write_fmt(text).and_then(|()| to.flush()))
}

fn unless_nobody_reads(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Failing(ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    #[test]
    fn a_reader_that_went_away_is_no_error_and_a_full_disk_is() {
        let put = |kind| put(&mut Failing(kind), format_args!("{}\n", "data"));
        assert!(put(ErrorKind::BrokenPipe).is_ok());
        let full = put(ErrorKind::StorageFull).unwrap_err();
        assert_eq!(full.kind(), ErrorKind::StorageFull);
    }

    #[test]
    fn what_is_printed_ends_with_a_line_end() {
        let mut written = Vec::new();
        put(&mut written, format_args!("{}\n", 5)).unwrap();
        assert_eq!(written, b"5\n");
    }
}
