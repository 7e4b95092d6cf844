//! The command-line reference in the docs is what the programs say.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write;
use std::path::PathBuf;

/// Set to write the reference instead of comparing it.
const UPDATE: &str = "MSHT_UPDATE_REFERENCE";

fn describe(command: &mut clap::Command, path: &str, text: &mut String) {
    let help = command.clone().render_long_help().to_string();
    write!(text, "\n## `{path}`\n\n```text\n{}\n```\n", help.trim_end()).unwrap();
    for sub in command.get_subcommands_mut() {
        let path = format!("{path} {}", sub.get_name());
        if sub.get_name() != "help" {
            describe(sub, &path, text);
        }
    }
}

fn reference(program: &str, command: clap::Command) -> String {
    let mut text =
        format!("# Reference: `{program}`\n\nWhat `{program} help` says of each command.\n");
    let mut command = command.term_width(100);
    command.build();
    describe(&mut command, program, &mut text);
    let lines = text.lines().map(str::trim_end);
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

#[test]
fn the_reference_of_both_programs_is_what_they_say() {
    for (program, command) in [
        ("msht-node", msht_node::cli::command()),
        ("msht-coordinator", msht_coordinator::cli::command()),
    ] {
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("../docs/reference")
            .join(format!("{program}.md"));
        let text = reference(program, command);
        if std::env::var_os(UPDATE).is_some() {
            std::fs::write(&file, &text).unwrap();
        }
        let written = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(
            written == text,
            "{} is not what {program} says; {UPDATE}=1 cargo test -p msht-examples --test reference writes it",
            file.display()
        );
    }
}
