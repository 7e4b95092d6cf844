//! Fuzz targets: what each decoder must do with any bytes whatever.
//!
//! A target is a name, a ceiling on memory, a function that panics where a property does not hold, and seeds made
//! from honest messages. libFuzzer drives them from `libfuzzer/`; `tests/corpora.rs` runs every committed input
//! through them without it. `README.md` says how to add one.
#![expect(
    clippy::expect_used,
    reason = "a target fails by panicking; honest material is within every limit"
)]

mod abort;
mod bodies;
mod documents;
mod evidence;
mod files;
mod frames;
mod kept;
mod memory;
mod patch;
mod records;
mod round;
mod sessions;
mod statements;

pub use memory::Ceiling;

/// One decoder or session under test.
pub struct Target {
    /// Name of the target and of its folder in `corpus/`.
    pub name: &'static str,
    /// Longest input that is tried, in bytes.
    pub longest: usize,
    /// Most memory that one input may take.
    pub ceiling: Ceiling,
    /// Panics where a property does not hold. Returns whether the input was accepted.
    pub run: fn(&[u8]) -> bool,
    /// Names and bytes of honest inputs: each must be accepted.
    pub seeds: fn() -> Vec<(String, Vec<u8>)>,
}

/// Every target, in the order of the report.
#[must_use]
pub fn targets() -> Vec<Target> {
    [
        frames::targets(),
        bodies::targets(),
        sessions::targets(),
        documents::targets(),
        abort::targets(),
        evidence::targets(),
        statements::targets(),
        files::targets(),
        records::targets(),
        kept::targets(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The target with this name.
#[must_use]
pub fn target(name: &str) -> Option<Target> {
    targets().into_iter().find(|target| target.name == name)
}

impl Target {
    /// Runs the target over one input and holds its memory against the ceiling. Whether the input was accepted.
    ///
    /// # Panics
    /// Where a property does not hold, or more memory was taken than the ceiling allows.
    #[must_use]
    pub fn check(&self, input: &[u8]) -> bool {
        let input = input.get(..self.longest).unwrap_or(input);
        let (accepted, peak) = memory::peak_of(|| (self.run)(input));
        let most = self.ceiling.for_input(input.len());
        assert!(
            peak <= most,
            "{}: {peak} bytes of memory for an input of {} bytes, more than {most}",
            self.name,
            input.len()
        );
        accepted
    }
}
