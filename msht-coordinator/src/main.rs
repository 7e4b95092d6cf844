//! The `msht-coordinator` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    msht_coordinator::cli::main()
}
