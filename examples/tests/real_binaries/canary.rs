//! Canaries: known secrets, counts and categories are planted, whole rounds are run that succeed and that fail in
//! every way, and then everything the programs wrote or sent is searched for them.
//!
//! | place | what may stand there, and why |
//! |---|---|
//! | the partner's CSV file, its mapping | records and spellings: they are the partner's own input |
//! | a key file | its key: that is what it is for |
//! | standard output of `check` and `preview` at the partner | its own counts, shown on its own screen |
//!
//! Nothing is allowed anywhere else, and no place is allowed for a key but its own file.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use crate::capture::Relay;
use crate::needles::Needles;
use crate::world::{Done, LONG, Process, finish, free_port, program, wait_for};

/// In a column that nobody reads.
const NOTE: &str = "Wiebke Okonkwo-Lindqvist, seen on Tuesday";
/// Keys of persons.
const PERSON: &str = "QQ-943-476-5919";
/// A spelling that the mapping knows.
const SPELLING: &str = "Quixotvex";
/// A category that nothing knows: its row is left out.
const UNLISTED: &str = "Zyxwollongish";
/// Not a date: its row is left out.
const BAD_DATE: &str = "31/31/Brixtowe";
/// Rows of each kind and quarter at the first partner: no accidental numbers, and in no relation to others.
const COUNTS: [(&str, u32); 3] = [(SPELLING, 25_717), ("criminal", 17_491), ("", 11_939)];
const PARTNERS: [&str; 4] = ["p1", "p2", "p3", "p4"];
const PHASES: [&str; 5] = ["join", "share", "mask", "confirm", "unmask"];
const PERIODS: [&str; 5] = ["2025-Q1", "2025-Q2", "2025-Q3", "2025-Q4", "2026-Q1"];

const MAPPING: &str = r#"
[date]
column = "date"
format = "iso"

[person]
column = "person"

[[dimension]]
id = "kind"
column = "kind"
unlisted = "reject"
values = { Quixotvex = "labour" }
"#;

/// The world of the canaries: everything below one folder, with its own folder for temporary files.
struct Cage {
    folder: tempfile::TempDir,
    quic: SocketAddr,
    relay: Relay,
    serve: Option<Process>,
    steps: std::cell::Cell<u32>,
}

impl Cage {
    fn new() -> Self {
        let quic = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let mut cage = Self {
            folder: tempfile::tempdir().unwrap(),
            quic,
            relay: Relay::to(quic),
            serve: None,
            steps: std::cell::Cell::default(),
        };
        for folder in ["tmp", "logs", "screen"] {
            fs::create_dir(cage.path(folder)).unwrap();
        }
        let address = cage.relay.address.to_string();
        cage.operator(&["init", "--address", &address]).ok();
        let programme = crate::world::PROGRAMME
            .replace("max_count_per_cell = 1000", "max_count_per_cell = 1000000")
            .replace("unit = \"record\"", "unit = \"person\"");
        fs::write(cage.path("programme.toml"), programme).unwrap();
        let programme = cage.path("programme.toml");
        cage.operator(&["programme", "publish", programme.to_str().unwrap()])
            .ok();
        cage.serve();
        for (number, partner) in PARTNERS.iter().enumerate() {
            cage.enrol(partner, number == 0);
        }
        cage
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command with logs at their most talkative and a private folder for temporary files.
    fn command(&self, name: &str, home: [&str; 2], arguments: &[&str]) -> Command {
        let mut command = Command::new(program(name));
        command.arg(home[0]).arg(self.path(home[1])).args(arguments);
        command
            .env("RUST_LOG", "trace")
            .env("RUST_BACKTRACE", "full")
            .env("TMPDIR", self.path("tmp"))
            .current_dir(self.path("tmp"));
        command
    }

    /// Runs a command; messages and logs are kept to be searched, standard output apart from them.
    fn run(&self, who: &str, command: Command) -> Done {
        let done = finish(command);
        let step = self.steps.get();
        self.steps.set(step + 1);
        fs::write(self.path(&format!("logs/{who}-{step}.err")), &done.err).unwrap();
        let folder = if who == "p1-screen" { "screen" } else { "logs" };
        fs::write(self.path(&format!("{folder}/{who}-{step}.out")), &done.out).unwrap();
        done
    }

    fn operator(&self, arguments: &[&str]) -> Done {
        let command = self.command("msht-coordinator", ["--data", "coordinator"], arguments);
        self.run("coordinator", command)
    }

    fn node(&self, partner: &str, arguments: &[&str]) -> Done {
        let command = self.command("msht-node", ["--home", partner], arguments);
        // What a partner looks at on its own screen may show its own counts.
        let shows = partner == "p1" && ["check", "preview"].contains(&arguments[0]);
        self.run(if shows { "p1-screen" } else { partner }, command)
    }

    fn serve(&mut self) {
        let ready = self.path("tmp/ready");
        let _not_there = fs::remove_file(&ready);
        let quic = self.quic.to_string();
        let arguments = [
            "serve",
            "--listen",
            &quic,
            "--operator",
            "127.0.0.1:0",
            "--ready-file",
            ready.to_str().unwrap(),
        ];
        let mut command = self.command("msht-coordinator", ["--data", "coordinator"], &arguments);
        let step = self.steps.get();
        self.steps.set(step + 1);
        command.stderr(File::create(self.path(&format!("logs/serve-{step}.err"))).unwrap());
        self.serve = Some(Process(command.spawn().unwrap()));
        wait_for("the coordinator to listen", || ready.exists().then_some(()));
    }

    /// What the operator reads goes to the logs, to be searched with them.
    fn read_as_operator(&self) {
        let addresses = fs::read_to_string(self.path("tmp/ready")).unwrap();
        let operator = addresses.lines().nth(1).unwrap();
        let token = fs::read_to_string(self.path("coordinator/operator.token")).unwrap();
        for page in ["", "metrics"] {
            let mut stream = TcpStream::connect(operator).unwrap();
            let token = token.trim();
            let request = format!(
                "GET /{page} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\r\n"
            );
            stream.write_all(request.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            assert!(answer.contains("small"), "{answer}");
            let step = self.steps.get();
            self.steps.set(step + 1);
            fs::write(self.path(&format!("logs/operator-{step}.out")), answer).unwrap();
        }
    }

    fn enrol(&self, partner: &str, is_canary: bool) {
        let name = format!("Partner {partner}");
        let invite = self.operator(&["invite", partner, "--name", &name, "--kind", "ngo"]);
        let invite = invite.ok().out.trim().to_owned();
        self.node(partner, &["enrol", &invite]).ok();
        let settings = self.path(&format!("{partner}/node.toml"));
        let text = fs::read_to_string(&settings).unwrap();
        let text = text.replace("interval_ms = 1000", "interval_ms = 20")
            + "\n[[programme]]\nid = \"small\"\nmapping = \"mapping.toml\"\n\
               source = { kind = \"csv\", path = \"records.csv\" }\n";
        fs::write(settings, text).unwrap();
        fs::write(self.path(&format!("{partner}/mapping.toml")), MAPPING).unwrap();
        let records = records(if is_canary { 1 } else { 1_000 });
        fs::write(self.path(&format!("{partner}/records.csv")), records).unwrap();
    }

    /// Changes the settings of a partner for what `work` does.
    fn with_setting(&self, partner: &str, from: &str, to: &str, work: impl FnOnce()) {
        let settings = self.path(&format!("{partner}/node.toml"));
        let text = fs::read_to_string(&settings).unwrap();
        assert!(text.contains(from));
        fs::write(&settings, text.replace(from, to)).unwrap();
        work();
        fs::write(&settings, text).unwrap();
    }

    fn open(&self, period: &str) -> String {
        let opened = self.operator(&["round", "open", "small", period, "--phases", LONG]);
        opened.ok().out.trim().to_owned()
    }

    fn approve(&self, round: &str) {
        for partner in PARTNERS {
            self.node(partner, &["run", "--once"]);
            self.node(partner, &["approve", round, "--by", "the test"])
                .ok();
        }
    }

    fn stage(&self, round: &str) -> Value {
        self.operator(&["round", "status", round, "--json"])
            .ok()
            .json()["stage"]
            .clone()
    }

    fn step_all(&self) {
        self.step(&PARTNERS);
    }

    fn step(&self, partners: &[&str]) {
        for partner in partners {
            self.node(partner, &["run", "--once"]);
        }
    }

    /// The first partner's agent, which runs until it is killed.
    fn agent(&self, log: &str) -> Process {
        let mut agent = self.command("msht-node", ["--home", "p1"], &["run"]);
        agent.stderr(File::create(self.path(&format!("logs/agent-{log}.err"))).unwrap());
        Process(agent.spawn().unwrap())
    }

    /// Steps everybody until the round is in this phase, or in a later one.
    fn reach(&self, round: &str, phase: &str) {
        let place = |name: &str| PHASES.iter().position(|phase| *phase == name);
        wait_for(phase, || {
            let stage = self.stage(round);
            assert_eq!(stage["state"], "open", "the round ended before {phase}");
            (place(stage["phase"].as_str()?) >= place(phase))
                .then_some(())
                .or_else(|| {
                    self.step_all();
                    None
                })
        });
    }

    fn ended(&self, round: &str, state: &str) {
        wait_for(state, || {
            (self.stage(round)["state"] == state)
                .then_some(())
                .or_else(|| {
                    self.step_all();
                    None
                })
        });
    }
}

/// Records of every quarter: the counts of the canaries over `divisor`, and two rows that cannot be placed.
fn records(divisor: u32) -> String {
    let mut text = format!("date,kind,person,notes\n{BAD_DATE},criminal,{PERSON},{NOTE}\n");
    text.push_str(&format!("2025-02-03,{UNLISTED},{PERSON},\"{NOTE}\"\n"));
    let mut person = 0;
    for date in [
        "2025-02-03",
        "2025-05-06",
        "2025-08-09",
        "2025-11-12",
        "2026-02-03",
    ] {
        for (kind, count) in COUNTS {
            for _ in 0..count / divisor {
                person += 1;
                text.push_str(&format!("{date},{kind},{PERSON}/{person},x\n"));
            }
        }
    }
    text
}

fn planted(cage: &Cage) -> Needles {
    let mut needles = Needles::default();
    needles.text("a note", NOTE);
    needles.text("a name", "Okonkwo");
    needles.text("a person", PERSON);
    needles.text("a spelling", SPELLING);
    needles.text("an unlisted category", UNLISTED);
    needles.text("a bad date", BAD_DATE);
    let cells: Vec<u32> = COUNTS.iter().map(|(_, count)| *count).collect();
    let total = cells.iter().sum();
    needles.count("the total", total);
    for cell in &cells {
        needles.count("a count", *cell);
    }
    needles.vector(
        "counts",
        &cells
            .iter()
            .map(|cell| i64::from(*cell))
            .collect::<Vec<_>>(),
    );
    for key in [
        "p1/vault.key",
        "p2/vault.key",
        "coordinator/coordinator.key",
    ] {
        let text = fs::read_to_string(cage.path(key)).unwrap();
        needles.bytes(key, &hex::decode(text.trim()).unwrap());
    }
    needles
}

/// Whether this secret may stand here: see the table at the top.
fn allowed(secret: &str, place: &Path) -> bool {
    if place.ends_with(secret) {
        return true;
    }
    let is_key = secret.ends_with(".key");
    let is_input = place.ends_with("records.csv") || place.ends_with("mapping.toml");
    let is_screen = place.components().any(|part| part.as_os_str() == "screen");
    let is_count = ["the total", "a count", "counts"].contains(&secret.split(',').next().unwrap());
    !is_key && (is_input || (is_screen && is_count))
}

#[test]
fn nothing_planted_is_found_after_rounds_that_end_in_every_way() {
    let mut cage = Cage::new();
    cage.node("p1", &["check", "small"]).fails(4, &["line 2"]);
    let _keeps_the_log = rounds(&mut cage);
    // Killed, not stopped: the write-ahead logs stay as they are, with a round in the middle.
    cage.serve = None;
    let needles = planted(&cage);
    let (found, searched) = needles.find_below(cage.folder.path());
    let wire = cage.relay.seen();
    let mut leaked: Vec<_> = found
        .iter()
        .filter(|find| !allowed(&find.0, &find.2))
        .collect();
    let on_the_wire = needles.find_in(&wire, Path::new("the wire"));
    leaked.extend(&on_the_wire);
    assert!(leaked.is_empty(), "{leaked:#?}");

    // The search finds what it should: in the partner's own input, on its screen, and each key in its own file.
    let is_at = |secret: &str, place: &str| {
        let here = |find: &&crate::needles::Find| find.0 == secret && find.2.ends_with(place);
        assert!(
            found.iter().any(|find| here(&find)),
            "{secret} is not found in {place}"
        );
    };
    for secret in [
        "a note",
        "a name",
        "a person",
        "a spelling",
        "an unlisted category",
        "a bad date",
    ] {
        is_at(secret, "p1/records.csv");
    }
    is_at("p1/vault.key", "p1/vault.key");
    is_at("coordinator/coordinator.key", "coordinator/coordinator.key");
    for secret in ["the total", "a count"] {
        let on_screen = |find: &&crate::needles::Find| {
            find.0 == secret && find.2.components().any(|part| part.as_os_str() == "screen")
        };
        assert!(
            found.iter().any(|find| on_screen(&find)),
            "{secret} is not on the screen"
        );
    }
    // And it searched what it should: logs at trace, write-ahead logs, both sides, ciphertext.
    let files = crate::needles::files_below(cage.folder.path());
    for name in [
        "p1/vault.sqlite-wal",
        "p1/vault.sqlite-shm",
        "coordinator/store.sqlite-wal",
    ] {
        let file = files.get(&cage.path(name));
        assert!(
            file.is_some_and(|bytes| !bytes.is_empty()),
            "{name} was not there"
        );
    }
    let trace = |bytes: &Vec<u8>| memchr::memmem::find(bytes, b"TRACE").is_some();
    let logs = files
        .iter()
        .filter(|(path, _)| path.starts_with(cage.path("logs")));
    assert!(logs.filter(|(_, bytes)| trace(bytes)).count() > 10);
    assert!(wire.len() > 100_000, "{} bytes on the wire", wire.len());
    eprintln!(
        "searched {searched} bytes of files and {} of datagrams",
        wire.len()
    );
}

/// A release with both sides killed in the middle, an abort, a budget refusal, a refused round, and one that is
/// left open after Mask.
fn rounds(cage: &mut Cage) -> Reader {
    let round = cage.open(PERIODS[0]);
    cage.approve(&round);
    cage.node("p1", &["preview", &round]).ok();
    for phase in ["share", "confirm"] {
        let mut agent = cage.agent(phase);
        cage.step(&PARTNERS[1..]);
        agent.kill();
        cage.reach(&round, phase);
        cage.read_as_operator();
        cage.serve();
    }
    cage.ended(&round, "released");
    cage.read_as_operator();
    cage.step_all();
    cage.node("p1", &["releases", "--show", &round]).ok();

    let round = cage.open(PERIODS[1]);
    cage.approve(&round);
    cage.reach(&round, "mask");
    cage.operator(&["round", "close", &round, "--abort"]).ok();
    cage.step_all();

    let round = cage.open(PERIODS[2]);
    cage.approve(&round);
    cage.with_setting(
        "p1",
        "epsilon_per_period = 2",
        "epsilon_per_period = 0.5",
        || {
            cage.node("p1", &["run", "--once"]).fails(7, &["cap"]);
        },
    );
    cage.operator(&["round", "close", &round, "--abort"]).ok();
    cage.step_all();

    let round = cage.open(PERIODS[3]);
    cage.with_setting("p1", "least_partners = 3", "least_partners = 9", || {
        cage.node("p1", &["run", "--once"]).ok();
        let told = cage.node("p1", &["status"]).ok().out;
        assert!(told.contains("refused"), "{told}");
    });
    cage.operator(&["round", "close", &round, "--abort"]).ok();
    cage.step_all();

    let round = cage.open(PERIODS[4]);
    cage.approve(&round);
    // A program that ends by itself takes the write-ahead log away, but not while somebody else has the vault open.
    let reader = Reader::of(&cage.path("p1/vault.sqlite"));
    cage.reach(&round, "confirm");
    reader
}

/// Somebody who has a vault open, so that its write-ahead log stays.
struct Reader {
    _connection: SqliteConnection,
    _runtime: tokio::runtime::Runtime,
}

impl Reader {
    fn of(vault: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let connection = runtime.block_on(async {
            let options = SqliteConnectOptions::new().filename(vault).read_only(true);
            let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
            let read = sqlx::query("SELECT COUNT(*) FROM sqlite_schema");
            read.fetch_one(&mut connection).await.unwrap();
            connection
        });
        Self {
            _connection: connection,
            _runtime: runtime,
        }
    }
}
