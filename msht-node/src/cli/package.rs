//! What is installed beside the program: completions of shells, and man pages.

use std::path::Path;

use clap_complete::Shell;

use super::{command, unwritten};
use crate::error::NodeError;

pub(super) fn completions(shell: Shell) -> Result<(), NodeError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), "msht-node", &mut script);
    msht_host::print_bytes(&script).map_err(unwritten)
}

pub(super) fn man(folder: &Path) -> Result<(), NodeError> {
    clap_mangen::generate_to(command(), folder)
        .map_err(|error| NodeError::file(folder, "write man pages to", &error))
}
