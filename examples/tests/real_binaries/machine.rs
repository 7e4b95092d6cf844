//! What the programs do on the machine they run on: no core dumps, keys from credentials, messages on a clock.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::world::{LONG, Process, World, finish, program, wait_for};

/// The account that owns nothing, to tell a process's own files from root's.
const NOBODY: u32 = 65_534;

/// What `/proc/PID` says of a process, once its core limit is set.
fn assert_cannot_be_dumped(process: &Process, what: &str) {
    let folder = format!("/proc/{}", process.0.id());
    wait_for(what, || {
        let limits = fs::read_to_string(format!("{folder}/limits")).ok()?;
        let core = limits
            .lines()
            .find(|line| line.starts_with("Max core file size"))?;
        let words: Vec<&str> = core.split_whitespace().collect();
        (words.get(4..6)? == ["0", "0"]).then_some(())
    });
    // The files of a process that cannot be dumped belong to root, whoever runs it (proc(5)).
    wait_for(what, || {
        (fs::metadata(format!("{folder}/mem")).ok()?.uid() == 0).then_some(())
    });
}

/// A copy of a program and of a folder that anybody may use, for runs under another account.
fn handed_over(world: &World, name: &str, home: &str) -> (std::path::PathBuf, std::path::PathBuf) {
    let (copy, theirs) = (world.path(name), world.path(&format!("{home}-of-nobody")));
    fs::copy(program(name), &copy).unwrap();
    let mut folders = vec![(world.path(home), theirs.clone())];
    while let Some((from, to)) = folders.pop() {
        fs::create_dir(&to).unwrap();
        std::os::unix::fs::chown(&to, Some(NOBODY), Some(NOBODY)).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let target = to.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                folders.push((entry.path(), target));
                continue;
            }
            fs::copy(entry.path(), &target).unwrap();
            std::os::unix::fs::chown(&target, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }
    let outer = world.path("");
    fs::set_permissions(outer, Permissions::from_mode(0o755)).unwrap();
    (copy, theirs)
}

#[test]
fn neither_program_can_be_dumped_or_read_by_others_of_its_account() {
    let world = World::with_partners(1);
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let coordinator = ["serve", "--listen", "127.0.0.1:0"];
    let (mut node, mut serve) = (world.node_command("p1", &["run"]), {
        let mut command = std::process::Command::new(program("msht-coordinator"));
        command
            .arg("--data")
            .arg(world.path("other"))
            .args(coordinator);
        command
    });
    world
        .other_coordinator(&["init", "--address", "localhost:1"])
        .ok();
    let mut twin = std::process::Command::new("sleep");
    twin.arg("60");
    if is_root {
        // Of root's own processes every file is root's: another account shows the difference.
        let (copy, home) = handed_over(&world, "msht-node", "p1");
        node = std::process::Command::new(copy);
        node.arg("--home")
            .arg(home)
            .arg("run")
            .uid(NOBODY)
            .gid(NOBODY);
        let (copy, data) = handed_over(&world, "msht-coordinator", "other");
        serve = std::process::Command::new(copy);
        serve
            .arg("--data")
            .arg(data)
            .args(coordinator)
            .uid(NOBODY)
            .gid(NOBODY);
        twin.uid(NOBODY).gid(NOBODY);
    }
    let twin = Process(twin.spawn().unwrap());
    for (mut command, what) in [(node, "the node"), (serve, "the coordinator")] {
        let process = Process(command.spawn().unwrap());
        assert_cannot_be_dumped(&process, what);
    }
    // An ordinary process of the same account can be.
    let own = fs::metadata(format!("/proc/{}/mem", twin.0.id())).unwrap();
    assert_ne!(own.uid(), 0);
}

#[test]
fn what_either_program_keeps_is_for_its_own_account_alone() {
    let world = World::with_partners(1);
    let mode = |name: &str| fs::metadata(world.path(name)).unwrap().mode() & 0o777;
    for folder in ["p1", "coordinator"] {
        assert_eq!(mode(folder), 0o700, "{folder}");
    }
    for file in [
        "p1/vault.key",
        "p1/vault.sqlite",
        "coordinator/coordinator.key",
        "coordinator/store.sqlite",
        "coordinator/store.sqlite-wal",
    ] {
        assert_eq!(mode(file), 0o600, "{file}");
    }
}

/// Moves the key of a folder into a folder of credentials, as systemd would hand it over.
fn as_credential(key: &Path, folder: &Path, name: &str) {
    fs::create_dir_all(folder).unwrap();
    fs::rename(key, folder.join(name)).unwrap();
    fs::set_permissions(folder.join(name), Permissions::from_mode(0o400)).unwrap();
}

#[test]
fn the_key_of_either_program_may_be_a_credential_or_a_file_that_a_variable_names() {
    let world = World::with_partners(1);
    let credentials = world.path("credentials");
    as_credential(&world.path("p1/vault.key"), &credentials, "msht-vault");
    let settings = fs::read_to_string(world.path("p1/node.toml")).unwrap();
    world.node("p1", &["status"]).fails(3, &["vault.key"]);
    world.write(
        "p1/node.toml",
        &settings.replace("[vault]", "[vault]\nkey_credential = \"msht-vault\""),
    );
    let status = || world.node_command("p1", &["status"]);
    let mut with = status();
    with.env("CREDENTIALS_DIRECTORY", &credentials);
    finish(with).ok();
    let mut without = status();
    without.env_remove("CREDENTIALS_DIRECTORY");
    finish(without).fails(3, &["msht-vault", "LoadCredential="]);

    world
        .other_coordinator(&["init", "--address", "localhost:1"])
        .ok();
    as_credential(
        &world.path("other/coordinator.key"),
        &credentials,
        "msht-coordinator",
    );
    world
        .other_coordinator(&["roster"])
        .fails(3, &["coordinator.key"]);
    let named = ["--key-credential", "msht-coordinator", "roster"];
    let mut with = std::process::Command::new(program("msht-coordinator"));
    with.arg("--data").arg(world.path("other")).args(named);
    with.env("CREDENTIALS_DIRECTORY", &credentials);
    finish(with).ok();

    for (variable, name, mut command) in [
        ("MSHT_NODE_KEY_FILE", "msht-vault", status()),
        ("MSHT_COORDINATOR_KEY_FILE", "msht-coordinator", {
            let mut command = std::process::Command::new(program("msht-coordinator"));
            command.arg("--data").arg(world.path("other")).arg("roster");
            command
        }),
    ] {
        let file = credentials.join(name);
        command.env(variable, &file);
        finish(command).ok();
        fs::set_permissions(&file, Permissions::from_mode(0o444)).unwrap();
    }
    let mut readable = status();
    readable.env("MSHT_NODE_KEY_FILE", credentials.join("msht-vault"));
    finish(readable).fails(3, &["msht-vault", "chmod 600"]);
}

#[test]
fn what_follows_on_drawing_noise_or_counting_leaves_a_whole_interval_after_it_began() {
    let interval = Duration::from_millis(1_500);
    let world = World::with_partners(3);
    let settings = fs::read_to_string(world.path("p1/node.toml")).unwrap();
    world.write(
        "p1/node.toml",
        &settings.replace("interval_ms = 20", "interval_ms = 1500"),
    );
    let round = world.open("2025-Q1", LONG);
    // A lower bound: however slow the machine, the wait is no shorter. First the noise is drawn, whoever approves.
    let begun = Instant::now();
    world.step("p1").fails(5, &["waits for a decision"]);
    assert!(begun.elapsed() >= interval);
    world.approve(&["p1"], &round);
    let begun = Instant::now();
    world.step("p1").ok();
    assert!(begun.elapsed() >= interval);
    assert!(world.status(&round)["received"].to_string().contains("p1"));
}
