//! What is installed beside the program: completions of shells, and man pages.

use std::path::Path;

use clap_complete::Shell;

use super::command;
use crate::error::Error;

pub(super) fn completions(shell: Shell) -> Result<(), Error> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), "msht-coordinator", &mut script);
    super::print(String::from_utf8_lossy(&script).trim_end())
}

pub(super) fn man(folder: &Path) -> Result<(), Error> {
    clap_mangen::generate_to(command(), folder).map_err(|source| Error::File {
        path: folder.to_owned(),
        source,
    })
}
