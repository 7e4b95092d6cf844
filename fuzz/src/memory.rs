//! How much memory one input takes: nothing may be allocated because an input merely claims to be long.

use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// serde makes room for what a list claims, but for no more than a mebibyte each; lists lie in lists, up to four deep.
pub(crate) const PREALLOCATED_BYTES: usize = 4 * 1024 * 1024;

/// Most memory for an input: a fixed amount and so many bytes for each byte of it.
#[derive(Debug, Clone, Copy)]
pub struct Ceiling {
    /// Whatever the input is.
    pub fixed: usize,
    /// For each byte of the input.
    pub per_byte: usize,
}

impl Ceiling {
    /// The codec's own: it may keep the value, its encoding for comparison, and what it claimed, each in a buffer that
    /// grew by doubling.
    pub(crate) const OF_DECODING: Self = Self {
        fixed: 96 * 1024 + PREALLOCATED_BYTES,
        per_byte: 16,
    };

    pub(crate) fn for_input(self, length: usize) -> usize {
        self.fixed + self.per_byte * length
    }
}

/// What `run` gives, and the most memory that was in use during it beyond what was in use before. Other threads must
/// be idle.
pub(crate) fn peak_of<T>(run: impl FnOnce() -> T) -> (T, usize) {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let result = run();
    (result, ALLOCATOR.peak_usage().saturating_sub(before))
}
