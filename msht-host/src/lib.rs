//! What both programs need of the machine they run on: where the key at rest comes from, that neither a core dump nor
//! another process of the same account shows their memory, and output that nobody need read.
//!
//! Node and coordinator do not depend on each other and the core does no input or output, so what must be the
//! same on both sides of the machine's boundary stands here, once.

mod dumps;
mod key;
mod output;

pub use dumps::{DumpError, forbid_dumps};
pub use key::{CREDENTIALS_VARIABLE, KeyError, KeyFile, KeySource};
pub use output::{print, print_bytes, say};
