//! The program's own habits: help and version on standard output, exit code 2 for a misused command line.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Command, Output};

fn program(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_msht-node"))
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn help_and_version_go_to_standard_output() {
    let help = program(&["--help"]);
    assert!(help.status.success() && help.stderr.is_empty());
    assert!(String::from_utf8_lossy(&help.stdout).contains("Exit codes:"));
    let version = program(&["--version"]);
    assert!(version.status.success());
    assert!(String::from_utf8_lossy(&version.stdout).contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_misused_command_line_is_exit_code_2_and_leaves_standard_output_empty() {
    for arguments in [
        &["count"][..],
        &[],
        &["approve", "3f2a"],
        &["check", "--period", "soon"],
    ] {
        let refused = program(arguments);
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}");
        assert!(
            refused.stdout.is_empty() && !refused.stderr.is_empty(),
            "{arguments:?}"
        );
    }
}

/// Two Confirm messages of one partner, as the core's frozen vector has them.
fn evidence(directory: &std::path::Path, change: impl FnOnce(&mut Vec<u8>)) -> String {
    let frozen = include_str!("../../msht-core/tests/vectors/evidence.txt");
    let digits = frozen.lines().last().unwrap().as_bytes();
    let mut bytes: Vec<u8> = digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect();
    change(&mut bytes);
    let path = directory.join("evidence");
    std::fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_file_of_evidence_is_verified_without_a_vault_and_a_changed_one_is_exit_code_4() {
    let directory = tempfile::tempdir().unwrap();
    let file = evidence(directory.path(), |_| {});
    let proven = program(&["verify-evidence", &file]);
    let text = String::from_utf8(proven.stdout).unwrap();
    assert!(proven.status.success());
    assert!(
        text.contains("proven: partner number 2 signed two different messages of phase confirm")
    );
    let accused = text
        .lines()
        .last()
        .unwrap()
        .strip_prefix("accused: ")
        .unwrap();
    let pinned = program(&["verify-evidence", &file, "--accused", accused]);
    assert!(pinned.status.success() && pinned.stderr.is_empty());
    let somebody_else = "0000-0000-0000-0000-0000-0000-0000-0000";
    let other = program(&["verify-evidence", &file, "--accused", somebody_else]);
    assert_eq!(other.status.code(), Some(4));
    let changed = evidence(directory.path(), |bytes| bytes[200] ^= 1);
    let refused = program(&["verify-evidence", &changed]);
    assert_eq!(refused.status.code(), Some(4));
    assert!(refused.stdout.is_empty());
}
