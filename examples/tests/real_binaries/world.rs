//! A coordinator and partners as processes, each with its own folder.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::namespaces::Namespaces;
use crate::postgres::{self, Database};

/// Longest wait for anything: far beyond what any step takes, so that only a fault reaches it.
const LIMIT: Duration = Duration::from_secs(90);
/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(30);
pub(crate) const PROGRAMME: &str = include_str!("programme.toml");
pub(crate) const MAPPING: &str = include_str!("mapping.toml");
/// Each partner's records of every quarter: three of labour, two of crime, one not known.
pub(crate) const OWN: [i64; 3] = [3, 2, 1];
/// Long phases: they close when everybody has sent, or when the test says so.
pub(crate) const LONG: &str = "1h,1h,1h,1h,1h";

pub(crate) fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().and_then(Path::parent).unwrap().join(name);
    let hint = "cargo build -p msht-node -p msht-coordinator";
    assert!(program.exists(), "{name} is not built; run: {hint}");
    program
}

/// Looks until there is something.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < LIMIT, "waited too long: {what}");
        sleep(LOOK);
    }
}

pub(crate) fn names(value: &Value) -> Vec<&str> {
    let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(Value::as_str).collect()
}

/// A process that is killed when it is forgotten.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    /// SIGKILL, and gone.
    pub(crate) fn kill(&mut self) {
        let _gone_already = self.0.kill();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What a command ended with.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Done {
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap()
    }

    /// Fails with this code, says these words, and says what to do next.
    pub(crate) fn fails(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{self:?}");
        let all = format!("{}{}", self.out, self.err);
        for word in words {
            assert!(all.contains(word), "no {word:?} in {self:?}");
        }
        assert!(self.err.contains("error: "), "{self:?}");
        assert!(self.err.contains("\nhint: "), "no next step: {self:?}");
    }
}

/// Runs a command to its end.
pub(crate) fn finish(mut command: Command) -> Done {
    let folder = tempfile::tempdir().unwrap();
    let (out, err) = (folder.path().join("out"), folder.path().join("err"));
    command.stdin(Stdio::null());
    command
        .stdout(File::create(&out).unwrap())
        .stderr(File::create(&err).unwrap());
    let mut process = Process(command.spawn().unwrap());
    let status = wait_for("a command to end", || process.0.try_wait().unwrap());
    Done {
        code: status.code().unwrap_or(-1),
        out: fs::read_to_string(out).unwrap(),
        err: fs::read_to_string(err).unwrap(),
    }
}

/// Ports of coordinators, below those that the system gives to clients, which would take the port of a killed one.
const PORTS: std::ops::Range<u16> = 20_000..30_000;

pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % 1_000).unwrap() * 10;
    let is_free = |port: &u16| UdpSocket::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    let mut ports = PORTS.map(|_| {
        let next = first.wrapping_add(NEXT.fetch_add(1, Ordering::SeqCst));
        PORTS.start + next % u16::try_from(PORTS.len()).unwrap()
    });
    ports.find(is_free).unwrap()
}

/// Where a coordinator keeps what it must not lose.
pub(crate) enum Store {
    /// In a file of its own.
    Sqlite,
    /// In a database of a server that others run; two replicas serve at once.
    Postgres(Database),
}

impl Store {
    fn replicas(&self) -> &'static [&'static str] {
        match self {
            Self::Sqlite => &["coordinator"],
            Self::Postgres(_) => &["coordinator", "second"],
        }
    }
}

/// One process that serves for the coordinator.
struct Replica {
    folder: &'static str,
    quic: SocketAddr,
    serve: Option<Process>,
}

/// A coordinator and its partners.
pub(crate) struct World {
    folder: tempfile::TempDir,
    /// One, or on PostgreSQL two.
    replicas: Vec<Replica>,
    /// In whose folder the operator's next command is given: either will do.
    turn: AtomicUsize,
    /// Where its programs run, if not all on loopback.
    namespaces: Option<Namespaces>,
    /// Goes after those who use it.
    database: Option<Database>,
}

impl World {
    /// A coordinator that serves and has published the small programme.
    pub(crate) fn start() -> Self {
        Self::start_with(PROGRAMME)
    }

    /// The same with another programme.
    pub(crate) fn start_with(programme: &str) -> Self {
        Self::behind(Store::Sqlite, programme, |replicas| replicas[0])
    }

    /// The same with this store, a programme and the address, `address_of` those of its replicas, at which nodes find
    /// the coordinator.
    pub(crate) fn behind(
        store: Store,
        programme: &str,
        address_of: impl FnOnce(&[SocketAddr]) -> SocketAddr,
    ) -> Self {
        let port = |_: &&str| SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let replicas: Vec<SocketAddr> = store.replicas().iter().map(port).collect();
        let address = address_of(&replicas).to_string();
        Self::at(&replicas, store, programme, &address, None)
    }

    /// The same with the coordinator and partners `p1` to `pN` each in a network namespace of its own.
    pub(crate) fn in_namespaces(namespaces: Namespaces, partners: usize) -> Self {
        let quic = Namespaces::COORDINATOR;
        let (address, namespaces) = (quic.to_string(), Some(namespaces));
        let world = Self::at(&[quic], Store::Sqlite, PROGRAMME, &address, namespaces);
        for number in 1..=partners {
            world.enrol(&format!("p{number}"));
        }
        world
    }

    fn at(
        replicas: &[SocketAddr],
        store: Store,
        programme: &str,
        address: &str,
        namespaces: Option<Namespaces>,
    ) -> Self {
        let folders = store.replicas().iter().zip(replicas);
        let replicas = folders.map(|(folder, quic)| Replica {
            folder,
            quic: *quic,
            serve: None,
        });
        let mut world = Self {
            folder: tempfile::tempdir().unwrap(),
            replicas: replicas.collect(),
            turn: AtomicUsize::new(0),
            namespaces,
            database: match store {
                Store::Sqlite => None,
                Store::Postgres(database) => Some(database),
            },
        };
        world.init(address);
        world.publish(programme);
        for replica in 0..world.replicas.len() {
            world.serve_replica(replica);
        }
        world
    }

    /// Makes the coordinator, and the other replicas by its key and its database.
    fn init(&self, address: &str) {
        let _in_use = self.database.as_ref().map(|_| postgres::in_use());
        let mut init = vec!["init", "--address", address];
        let url = self.database.as_ref().map(Database::url);
        init.extend(url.iter().flat_map(|url| ["--database", url]));
        finish(self.replica_command(0, init)).ok();
        let key = self.path(self.replicas[0].folder).join("coordinator.key");
        for (replica, each) in self.replicas.iter().enumerate().skip(1) {
            let folder = self.path(each.folder);
            DirBuilder::new().mode(0o700).create(&folder).unwrap();
            fs::copy(&key, folder.join("coordinator.key")).unwrap();
            let join = ["join", "--database", url.as_ref().unwrap()];
            finish(self.replica_command(replica, join)).ok();
        }
    }

    /// The same with partners `p1` to `pN` enrolled, each with records and mapping.
    pub(crate) fn with_partners(partners: usize) -> Self {
        let world = Self::start();
        for number in 1..=partners {
            world.enrol(&format!("p{number}"));
        }
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn command_of(&self, who: &str, program: PathBuf) -> Command {
        match &self.namespaces {
            None => Command::new(program),
            Some(namespaces) => namespaces.command_of(who, &program),
        }
    }

    /// The namespaces it lives in.
    pub(crate) fn namespaces(&self) -> &Namespaces {
        self.namespaces.as_ref().unwrap()
    }

    /// A command of the operator, given in the folder of one replica after the other.
    pub(crate) fn coordinator_command<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Command {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        self.replica_command(turn % self.replicas.len(), arguments)
    }

    fn replica_command<S: AsRef<OsStr>>(
        &self,
        replica: usize,
        arguments: impl IntoIterator<Item = S>,
    ) -> Command {
        let mut command = self.command_of("coordinator", program("msht-coordinator"));
        command
            .arg("--data")
            .arg(self.path(self.replicas[replica].folder))
            .args(arguments);
        command
    }

    pub(crate) fn node_command(&self, partner: &str, arguments: &[&str]) -> Command {
        let mut command = self.command_of(partner, program("msht-node"));
        command
            .arg("--home")
            .arg(self.path(partner))
            .args(arguments);
        command
    }

    pub(crate) fn coordinator<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Done {
        let _in_use = self.database.as_ref().map(|_| postgres::in_use());
        finish(self.coordinator_command(arguments))
    }

    /// A second coordinator on the same machine.
    pub(crate) fn other_coordinator(&self, arguments: &[&str]) -> Done {
        let mut command = Command::new(program("msht-coordinator"));
        command
            .arg("--data")
            .arg(self.path("other"))
            .args(arguments);
        finish(command)
    }

    pub(crate) fn node(&self, partner: &str, arguments: &[&str]) -> Done {
        finish(self.node_command(partner, arguments))
    }

    /// Starts serving and waits until nodes can connect.
    pub(crate) fn serve(&mut self) {
        self.serve_replica(0);
    }

    /// The same for one of several replicas.
    pub(crate) fn serve_replica(&mut self, replica: usize) {
        self.serve_changed(replica, |command| command);
    }

    /// The same with the command changed, for example to run under a limit.
    pub(crate) fn serve_with(&mut self, change: impl FnOnce(Command) -> Command) {
        self.serve_changed(0, change);
    }

    fn serve_changed(&mut self, replica: usize, change: impl FnOnce(Command) -> Command) {
        let _in_use = self.database.as_ref().map(|_| postgres::in_use());
        let Replica { folder, quic, .. } = &self.replicas[replica];
        let ready = self.path(&format!("{folder}.ready"));
        let _not_there = fs::remove_file(&ready);
        let quic = quic.to_string();
        let serve = ["serve", "--listen", &quic, "--ready-file"];
        let mut command = self.replica_command(replica, serve);
        command.arg(&ready);
        let mut command = change(command);
        command.stderr(File::create(self.serve_log(replica)).unwrap());
        self.replicas[replica].serve = Some(Process(command.spawn().unwrap()));
        wait_for("the coordinator to listen", || ready.exists().then_some(()));
    }

    /// What a replica said since it was last started.
    pub(crate) fn serve_log(&self, replica: usize) -> PathBuf {
        self.path(&format!("{}.serve.log", self.replicas[replica].folder))
    }

    /// SIGKILL.
    pub(crate) fn stop(&mut self) {
        self.stop_replica(0);
    }

    /// The same for one of several replicas.
    pub(crate) fn stop_replica(&mut self, replica: usize) {
        self.replicas[replica].serve = None;
    }

    /// How many replicas there are, whether they serve or not.
    pub(crate) fn replicas(&self) -> usize {
        self.replicas.len()
    }

    /// Whether a replica was started and not stopped.
    pub(crate) fn is_serving(&self, replica: usize) -> bool {
        self.replicas[replica].serve.is_some()
    }

    /// Where the coordinator, or its first replica, listens for nodes.
    pub(crate) fn quic(&self) -> SocketAddr {
        self.replicas[0].quic
    }

    /// Stops and serves at another address; the one it had before.
    pub(crate) fn move_to(&mut self, address: SocketAddr) -> SocketAddr {
        self.stop();
        let before = std::mem::replace(&mut self.replicas[0].quic, address);
        self.serve();
        before
    }

    /// The process that serves, where there is one.
    pub(crate) fn serving(&self) -> Option<u32> {
        self.replicas[0]
            .serve
            .as_ref()
            .map(|process| process.0.id())
    }

    /// SIGKILL, then the same command again.
    pub(crate) fn kill_and_restart_coordinator(&mut self) {
        self.stop();
        self.serve();
    }

    pub(crate) fn invite(&self, partner: &str) -> String {
        let name = format!("Partner {partner}");
        let made = self
            .coordinator(["invite", partner, "--name", &name, "--kind", "ngo"])
            .ok();
        made.out.trim().to_owned()
    }

    pub(crate) fn enrol(&self, partner: &str) {
        self.enrol_with(partner, &records());
    }

    pub(crate) fn enrol_with(&self, partner: &str, records: &str) {
        self.node(partner, &["enrol", &self.invite(partner)]).ok();
        let mut settings = fs::read_to_string(self.path(partner).join("node.toml")).unwrap();
        // The records are few: no need to wait as long for the clock as a real node does.
        settings = settings.replace("interval_ms = 1000", "interval_ms = 20");
        settings.push_str(
            "\n[[programme]]\nid = \"small\"\nmapping = \"mapping.toml\"\n\
             source = { kind = \"csv\", path = \"records.csv\" }\n",
        );
        self.write(&format!("{partner}/node.toml"), &settings);
        self.write(&format!("{partner}/mapping.toml"), MAPPING);
        self.write(&format!("{partner}/records.csv"), records);
    }

    /// Runs the agent until it is killed.
    pub(crate) fn run(&self, partner: &str) -> Process {
        let mut command = self.node_command(partner, &["run"]);
        command.stderr(File::create(self.path(&format!("{partner}.log"))).unwrap());
        Process(command.spawn().unwrap())
    }

    /// The same, with everything that it does in its log, which is kept over restarts.
    pub(crate) fn run_logged(&self, partner: &str) -> Process {
        let mut log = File::options();
        let log = log.create(true).append(true).open(self.log_of(partner));
        let mut command = self.node_command(partner, &["--verbose", "run"]);
        command.stderr(log.unwrap());
        Process(command.spawn().unwrap())
    }

    pub(crate) fn log_of(&self, partner: &str) -> PathBuf {
        self.path(&format!("{partner}.log"))
    }

    /// Does what this partner can do now.
    pub(crate) fn step(&self, partner: &str) -> Done {
        self.node(partner, &["run", "--once"])
    }

    /// Publishes a changed programme.
    pub(crate) fn publish(&self, text: &str) {
        self.write("programme.toml", text);
        let file = self.path("programme.toml");
        self.coordinator(["programme".as_ref(), "publish".as_ref(), file.as_os_str()])
            .ok();
    }

    /// Takes steps until a round that only waits for `partners` is released to all of them.
    pub(crate) fn finish(&self, partners: &[&str], round: &str) {
        wait_for("the release", || {
            for partner in partners {
                self.step(partner).ok();
            }
            (self.status(round)["state"] != "open").then_some(())
        });
        assert_eq!(self.status(round)["state"], "released");
        for partner in partners {
            self.step(partner).ok();
        }
    }

    /// The note of a round at a partner.
    pub(crate) fn note(&self, partner: &str, round: &str) -> Option<String> {
        let status = self.node(partner, &["status", "--json"]).ok().json();
        let rounds = status["rounds"].as_array().unwrap().clone();
        let row = rounds.into_iter().find(|row| row["round"] == round);
        row?["note"].as_str().map(str::to_owned)
    }

    /// Opens a round of everybody.
    pub(crate) fn open(&self, period: &str, phases: &str) -> String {
        let opened = self.coordinator(["round", "open", "small", period, "--phases", phases]);
        opened.ok().out.trim().to_owned()
    }

    pub(crate) fn approve(&self, partners: &[&str], round: &str) {
        for partner in partners {
            self.node(partner, &["approve", round, "--by", "the test"])
                .ok();
        }
    }

    pub(crate) fn status(&self, round: &str) -> Value {
        self.coordinator(["round", "status", round, "--json"])
            .ok()
            .json()["stage"]
            .clone()
    }

    /// Looks until the round has ended; returns how.
    pub(crate) fn ended(&self, round: &str) -> Value {
        wait_for("the round to end", || {
            let stage = self.status(round);
            ["released", "aborted"]
                .contains(&stage["state"].as_str()?)
                .then_some(stage)
        })
    }
}

fn records() -> String {
    let dates = [
        "2025-02-03",
        "2025-05-06",
        "2025-08-09",
        "2025-11-12",
        "2026-02-03",
    ];
    records_on(&dates.map(str::to_owned), OWN)
}

/// The records of a partner: `own` by category on each of these dates.
pub(crate) fn records_on(dates: &[String], own: [i64; 3]) -> String {
    let mut text = "date,kind\n".to_owned();
    for date in dates {
        for (kind, count) in ["labour", "criminal", ""].iter().zip(own) {
            for _ in 0..count {
                text.push_str(&format!("{date},{kind}\n"));
            }
        }
    }
    text
}
