//! The program as an operator meets it: what is on stdout, and which exit code says what went wrong.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "test support: whatever fails here is a found fault"
)]

use std::io::Read;
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

fn program(data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_msht-coordinator"));
    command.arg("--data").arg(data).args(arguments);
    command
}

fn run(data: &Path, arguments: &[&str]) -> Output {
    program(data, arguments).output().unwrap()
}

/// Runs a command that must succeed; its stdout.
fn stdout(data: &Path, arguments: &[&str]) -> String {
    let output = run(data, arguments);
    let messages = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {messages}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a command that must fail with `code`; its stderr.
fn failure(data: &Path, arguments: &[&str], code: i32) -> String {
    let output = run(data, arguments);
    let messages = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        output.status.code(),
        Some(code),
        "{arguments:?}: {messages}"
    );
    assert!(output.stdout.is_empty(), "messages go to stderr");
    messages
}

const INIT: [&str; 3] = ["init", "--address", "localhost:7843"];

/// Starts `serve` on free ports and waits until it listens.
fn served(data: &Path) -> (Child, Vec<String>) {
    let ready = data.join("ready");
    let ready_file = ready.to_str().unwrap();
    let listen = ["--listen", "127.0.0.1:0", "--site", "127.0.0.1:0"];
    let mut child = program(data, &["serve", "--ready-file", ready_file])
        .args(listen)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    for _ in 0..600 {
        if let Ok(text) = std::fs::read_to_string(&ready) {
            std::fs::remove_file(&ready).unwrap();
            return (child, text.lines().map(str::to_owned).collect());
        }
        if child.try_wait().unwrap().is_some() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    child.kill().unwrap();
    let mut messages = String::new();
    child.stderr.unwrap().read_to_string(&mut messages).unwrap();
    panic!("serve never listened: {messages}");
}

#[test]
fn an_operator_prepares_a_coordinator_and_reads_it_back() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let fingerprint = stdout(&data, &INIT);
    assert_eq!(fingerprint.trim().split('-').count(), 8);
    let invite = [
        "invite",
        "camden",
        "--name",
        "Camden",
        "--kind",
        "local-authority",
    ];
    let invite = stdout(&data, &invite);
    assert!(invite.trim().parse::<msht_core::wire::Invite>().is_ok());
    stdout(&data, &["programme", "publish", "msin"]);
    let list: serde_json::Value =
        serde_json::from_str(&stdout(&data, &["programme", "list", "--json"])).unwrap();
    assert_eq!(list[0]["id"], "msin");
    let roster: serde_json::Value =
        serde_json::from_str(&stdout(&data, &["roster", "--json"])).unwrap();
    assert_eq!(roster["partners"], serde_json::json!([]));
}

#[test]
fn the_exit_code_tells_the_kind_of_failure() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    assert!(failure(&data, &["roster"], 3).contains("hint: run `msht-coordinator init`"));
    stdout(&data, &INIT);
    assert!(failure(&data, &INIT, 3).contains("already holds"));
    failure(&data, &["round", "open", "msin", "2026-Q3"], 2);
    failure(&data, &["round", "close", "abcd"], 2);
    failure(&data, &["nonsense"], 2);
    stdout(&data, &["programme", "publish", "msin"]);
    failure(&data, &["round", "open", "msin", "2026-Q3"], 1);
    let bad = directory.path().join("bad.toml");
    std::fs::write(&bad, "id = 3").unwrap();
    let message = failure(&data, &["programme", "publish", bad.to_str().unwrap()], 4);
    assert!(message.contains("line 1"), "{message}");
    std::fs::write(&bad, "{}").unwrap();
    failure(&data, &["verify", bad.to_str().unwrap()], 4);
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let message = failure(&data, &["serve", "--listen", &address], 6);
    assert!(message.contains("hint: "), "{message}");
}

#[test]
fn serve_says_where_it_listens_keeps_others_out_and_comes_back_after_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path();
    stdout(data, &INIT);
    for _ in 0..2 {
        let (mut child, addresses) = served(data);
        assert_eq!(addresses.len(), 2);
        let second = failure(data, &["serve", "--listen", "127.0.0.1:0"], 1);
        assert!(second.contains("already running"), "{second}");
        // Reading commands work while it runs.
        stdout(data, &["round", "status"]);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

#[test]
fn programme_check_says_the_expected_error_without_a_coordinator() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("nowhere");
    let check = |more: &[&str]| {
        let line = [&["programme", "check"], more].concat();
        stdout(&data, &line)
    };
    let plan = |more: &[&str]| -> serde_json::Value {
        serde_json::from_str(&check(&[more, &["--json"]].concat())).unwrap()
    };
    // 14 partners: m = 10, c = 4, so shapes 14/6 and 10/6.
    let msin = plan(&["msin", "--partners", "14"]);
    assert_eq!(
        (&msin["partners"], &msin["least_survivors"]),
        (&14.into(), &10.into())
    );
    let stage = &msin["tables"][1];
    assert_eq!(
        (&stage["table"], &stage["cells"], &stage["a"]),
        (&"stage".into(), &9.into(), &0.3.into())
    );
    let half_width = |shape: &str| {
        msht_core::release::interval95(&"0.3".parse().unwrap(), &shape.parse().unwrap()).unwrap()
    };
    assert_eq!(stage["half_width_95_everybody"], half_width("14/6"));
    assert_eq!(stage["half_width_95_fewest"], half_width("10/6"));
    assert!(stage["unit"].is_null());

    let least = plan(&["proceeds"]);
    assert_eq!(least["partners"], 5);
    assert_eq!(least["tables"][3]["unit"], "GBP 100");
    let file = directory.path().join("own.toml");
    std::fs::write(&file, msht_core::programme::shipped("proceeds").unwrap()).unwrap();
    let file = file.to_str().unwrap();
    assert_eq!(plan(&[file]), least);
    let text = check(&[file, "--partners", "10"]);
    assert!(
        text.contains("value-corridor") && text.contains("GBP 100"),
        "{text}"
    );
    assert!(!data.exists());

    let few = failure(
        &data,
        &["programme", "check", "proceeds", "--partners", "4"],
        2,
    );
    assert!(few.contains("at least 5"), "{few}");
    failure(
        &data,
        &["programme", "check", "proceeds", "--partners", "256"],
        2,
    );
    let bad = directory.path().join("bad.toml");
    std::fs::write(&bad, "id = 3").unwrap();
    let message = failure(&data, &["programme", "check", bad.to_str().unwrap()], 4);
    assert!(message.contains("line 1"), "{message}");
}

#[test]
fn a_baseline_is_imported_listed_replaced_and_removed() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    stdout(&data, &INIT);
    stdout(&data, &["programme", "publish", "pan-london"]);
    let file = directory.path().join("counts.csv");
    let counts =
        "period,dimension,category,count\n2026-Q2,,,880\n2026-Q3,main-exploitation,labour,300\n";
    std::fs::write(&file, counts).unwrap();
    let path = file.to_str().unwrap();
    let words = [
        "--programme",
        "pan-london",
        "--title",
        "Referrals",
        "--source",
        "An office",
        "--licence",
        "Open",
    ];
    let import = [&["baseline", "import", path][..], &words].concat();
    assert_eq!(stdout(&data, &import), "2026-Q2 to 2026-Q3\n");
    assert!(failure(&data, &import, 1).contains("hint: give another title, or --replace"));
    stdout(&data, &[&import[..], &["--replace"]].concat());
    let list = stdout(&data, &["baseline", "list", "--json"]);
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    assert_eq!(list[0]["title"], "Referrals");
    assert_eq!(list[0]["counts"], 2);
    std::fs::write(&file, counts.replace("labour", "secret")).unwrap();
    let said = failure(&data, &import, 4);
    assert!(said.contains("line 3: column `category`"), "{said}");
    assert!(!said.contains("secret"), "{said}");
    stdout(&data, &["baseline", "remove", "Referrals"]);
    assert_eq!(stdout(&data, &["baseline", "list"]), "");
    assert!(failure(&data, &["baseline", "remove", "Referrals"], 2).contains("no baseline"));
}

/// The real published statistics, counted as a baseline of the shipped programme `nrm`; they are not part of this
/// project, so the test looks for them beside it.
#[test]
fn the_published_nrm_counts_are_imported_where_they_are_at_hand() {
    let published = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/data/nrm_published_2022q2_2023q3.csv");
    if !published.exists() {
        println!("{} is not there: nothing to import", published.display());
        return;
    }
    let mut counts = std::collections::BTreeMap::<(String, &str, String), u64>::new();
    let mut reader = csv::Reader::from_path(&published).unwrap();
    let mut people_in_all = 0;
    for row in reader.records() {
        let row = row.unwrap();
        let period = row[8].replace('Q', "-Q");
        let people = row[6].strip_suffix(".0").unwrap().parse::<u64>().unwrap();
        people_in_all += people;
        *counts
            .entry((period.clone(), "", String::new()))
            .or_default() += people;
        let age = row[3].split(' ').next().unwrap().to_lowercase();
        let age = if age == "not" {
            "unknown".to_owned()
        } else {
            age
        };
        *counts.entry((period, "age", age)).or_default() += people;
    }
    let mut text = "period,dimension,category,count\n".to_owned();
    for ((period, dimension, category), count) in &counts {
        text.push_str(&format!("{period},{dimension},{category},{count}\n"));
    }
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    stdout(&data, &INIT);
    stdout(&data, &["programme", "publish", "nrm"]);
    let file = directory.path().join("nrm.csv");
    std::fs::write(&file, text).unwrap();
    let import = [
        "baseline",
        "import",
        file.to_str().unwrap(),
        "--programme",
        "nrm",
        "--title",
        "NRM",
    ];
    let words = [
        "--source",
        "Home Office",
        "--licence",
        "Open Government Licence v3.0",
    ];
    let printed = stdout(&data, &[&import[..], &words].concat());
    assert_eq!(printed, "2022-Q2 to 2023-Q3\n");
    let list = stdout(&data, &["baseline", "list", "--json"]);
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    assert_eq!(list[0]["periods"].as_array().unwrap().len(), 6);
    assert_eq!(list[0]["counts"], counts.len());
    assert_eq!(people_in_all, 26_056);
}
