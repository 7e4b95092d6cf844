//! Output whose reader goes away, or that cannot be written: nothing panics, and the exit code says what the command did.

use std::fs::{self, File};
use std::io::{self, PipeReader, PipeWriter, Read};
use std::process::{Command, Stdio};

use crate::world::{MAPPING, Process, World, finish, wait_for};

/// What a pipe of Linux holds. A program that has written more than this and one byte waits for a reader.
const PIPE_BYTES: usize = 64 * 1024;
/// Rows that cannot be placed: more than `check` lists one by one.
const MANY_ROWS: usize = 300;

/// Runs a command to its end, with these for its output: its exit code.
fn code_of(mut command: Command, out: impl Into<Stdio>, err: impl Into<Stdio>) -> Option<i32> {
    command.stdin(Stdio::null()).stdout(out).stderr(err);
    let mut process = Process(command.spawn().unwrap());
    // It holds the writing ends, too.
    drop(command);
    let status = wait_for("a command to end", || process.0.try_wait().unwrap());
    status.code()
}

fn nobody_reads() -> PipeWriter {
    let (reader, writer): (PipeReader, PipeWriter) = io::pipe().unwrap();
    drop(reader);
    writer
}

/// Runs a command three times: with open output, with no reader of its data and with none of its messages. All else must
/// be as it was.
fn ends_the_same(make: impl Fn() -> Command, code: i32) {
    let folder = tempfile::tempdir().unwrap();
    let (out, err) = (folder.path().join("out"), folder.path().join("err"));
    let open = finish(make());
    assert_eq!(open.code, code, "{open:?}");
    let without_data = code_of(make(), nobody_reads(), File::create(&err).unwrap());
    assert_eq!(without_data, Some(code), "{:?}", make());
    assert_eq!(fs::read_to_string(&err).unwrap(), open.err, "{:?}", make());
    let without_messages = code_of(make(), File::create(&out).unwrap(), nobody_reads());
    assert_eq!(without_messages, Some(code), "{:?}", make());
    assert_eq!(fs::read_to_string(&out).unwrap(), open.out, "{:?}", make());
}

#[test]
fn a_command_whose_output_nobody_reads_ends_as_it_would_have() {
    let world = World::with_partners(1);
    for line in [
        &["status"][..],
        &["status", "--json"],
        &["ledger"],
        &["roster"],
        &["check", "small"],
        &["completions", "bash"],
        &["--help"],
    ] {
        ends_the_same(|| world.node_command("p1", line), 0);
    }
    let records = fs::read_to_string(world.path("p1/records.csv")).unwrap();
    world.write("p1/records.csv", &records.replacen("labour", "nonsense", 1));
    // What it found is what it says, read or not; so is a refusal.
    ends_the_same(|| world.node_command("p1", &["check", "small"]), 4);
    ends_the_same(|| world.node_command("p1", &["status", "surplus"]), 2);
    ends_the_same(|| world.node_command("p1", &["preview", "nothing"]), 2);
    for line in [
        &["roster"][..],
        &["round", "status", "--json"],
        &["completions", "bash"],
        &["--help"],
    ] {
        ends_the_same(|| world.coordinator_command(line), 0);
    }
}

#[test]
fn a_reader_that_goes_away_in_the_middle_ends_a_long_output_quietly() {
    let world = World::with_partners(1);
    // Each complaint names its column.
    let column = "kind".repeat(100);
    let mapping = MAPPING.replace("column = \"kind\"", &format!("column = \"{column}\""));
    world.write("p1/mapping.toml", &mapping);
    let mut records = format!("date,{column}\n");
    records.extend((0..MANY_ROWS).map(|day| format!("2026-13-{day},nonsense\n")));
    world.write("p1/records.csv", &records);
    let long = || world.node_command("p1", &["check", "small", "--json"]);
    let whole = finish(long());
    assert!(whole.out.len() > PIPE_BYTES + 1, "{}", whole.out.len());

    let (mut reader, writer) = io::pipe().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let err = folder.path().join("err");
    let mut command = long();
    command.stdin(Stdio::null()).stdout(writer);
    command.stderr(File::create(&err).unwrap());
    let mut process = Process(command.spawn().unwrap());
    drop(command);
    reader.read_exact(&mut [0]).unwrap();
    drop(reader);
    let status = wait_for("a command to end", || process.0.try_wait().unwrap());
    assert_eq!(status.code(), Some(whole.code));
    assert_eq!(fs::read_to_string(&err).unwrap(), whole.err);
}

/// The agent says what happens, and logs it: without anybody to listen it goes on all the same.
#[test]
fn an_agent_whose_messages_nobody_reads_takes_part() {
    let world = World::with_partners(1);
    let mut command = world.node_command("p1", &["run", "--once"]);
    command.env("RUST_LOG", "trace");
    assert_eq!(code_of(command, Stdio::null(), nobody_reads()), Some(0));
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let world = World::with_partners(1);
    let lines = [
        world.node_command("p1", &["status", "--json"]),
        world.coordinator_command(["roster"]),
    ];
    for command in lines {
        let folder = tempfile::tempdir().unwrap();
        let err = folder.path().join("err");
        let full = File::options().write(true).open("/dev/full").unwrap();
        assert_eq!(code_of(command, full, File::create(&err).unwrap()), Some(1));
        let said = fs::read_to_string(&err).unwrap();
        assert!(
            said.contains("error: cannot ") && said.contains("space"),
            "{said}"
        );
        assert!(said.contains("\nhint: "), "{said}");
    }
}
