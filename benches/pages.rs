//! Every page of the dashboard under a steady load, beside the same number of bytes from memory.
//!
//! The example `pan_london` is built and started as its readers would start it: two years of quarters of 22 partners and
//! of 14 companies. For each page this prints its weight, how long the first look after the releases took, and what an
//! open loop of [`RATE`] requests a second saw: a request is sent when it is due, whether or not those before it were
//! answered, and its time runs from that moment to the last byte. So it is the server's time and a little more: the
//! loopback and this client are in it. Right after each page, in the same run, the same load goes to an axum handler
//! that returns the same number of bytes from memory; the ratio is what the page costs beyond the machine and HTTP.
//! The site's processor time a request is read from `/proc` where the system has it.
//!
//! `LOAD_SECONDS=60` takes another number of seconds a page than the default.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a benchmark fails by panicking"
)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// Requests a second.
const RATE: u32 = 100;
/// Seconds of load a page.
const SECONDS: u32 = 10;
/// The aim: bytes of a page with everything it loads, data files apart.
const MOST_PAGE_BYTES: usize = 300_000;
/// The aim: time of the answer at the 99th percentile.
const MOST_P99: Duration = Duration::from_millis(20);
/// Longest head of an answer that the client reads.
const MOST_HEAD_BYTES: usize = 16 * 1024;
/// Ticks of a second in `/proc/PID/stat`, which is the same on every Linux.
const TICKS: f64 = 100.0;
/// Where the example is built from: the whole workspace, as its readers do.
const WORKSPACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
/// Line of the example before which the site is not complete.
const READY: &str = "the release is published: open http://";

/// The running example; it is asked to stop when this is forgotten.
struct Site {
    process: Child,
    address: SocketAddr,
}

impl Site {
    /// Builds and starts the example and waits until its last quarter is published.
    fn start() -> Self {
        let bench = std::env::current_exe().unwrap();
        let release = bench.parent().and_then(Path::parent).unwrap();
        let mut build = Command::new(env!("CARGO"));
        // What cargo tells a benchmark of its own package would make build scripts run again.
        for (name, _) in std::env::vars() {
            if ["CARGO_PKG_", "CARGO_MANIFEST_"]
                .iter()
                .any(|begin| name.starts_with(begin))
            {
                build.env_remove(name);
            }
        }
        let built = build
            .args(["build", "--quiet", "--release", "--example", "pan_london"])
            .args(["--manifest-path", WORKSPACE, "--target-dir"])
            .arg(release.parent().unwrap())
            .status();
        assert!(built.unwrap().success(), "the example is not built");
        let mut process = Command::new(release.join("examples/pan_london"))
            .args(["--site", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let ready = lines
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix(READY).map(str::to_owned));
        let Some(ready) = ready else {
            panic!(
                "the example ended before its last release: {:?}",
                process.wait()
            );
        };
        let address = ready.split('/').next().unwrap().parse().unwrap();
        Self { process, address }
    }

    /// Processor time it has used, where the system tells it.
    fn processor_seconds(&self) -> Option<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).ok()?;
        // The name in brackets may hold anything; user and system time are the 12th and 13th fields behind it.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
        let user: f64 = fields.next()?.parse().ok()?;
        let system: f64 = fields.next()?.parse().ok()?;
        Some((user + system) / TICKS)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // With SIGINT it removes its folders.
        let pid = self.process.id().to_string();
        let _gone_already = Command::new("kill").args(["-INT", &pid]).status();
        let _gone_already = self.process.wait();
    }
}

/// One address of one server, and the connections to it that wait for work.
struct Target {
    address: SocketAddr,
    path: String,
    idle: Mutex<Vec<TcpStream>>,
}

impl Target {
    fn new(address: SocketAddr, path: &str) -> Arc<Self> {
        Arc::new(Self {
            address,
            path: path.to_owned(),
            idle: Mutex::default(),
        })
    }

    /// The body of the answer, which must be 200, on a connection that waits or a new one.
    async fn fetch(&self) -> Vec<u8> {
        let waiting = self.idle.lock().unwrap().pop();
        let mut stream = match waiting {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(self.address).await.unwrap();
                stream.set_nodelay(true).unwrap();
                stream
            }
        };
        let request = format!("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", self.path);
        stream.write_all(request.as_bytes()).await.unwrap();
        let body = self.answer(&mut stream).await;
        self.idle.lock().unwrap().push(stream);
        body
    }

    async fn answer(&self, stream: &mut TcpStream) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(MOST_HEAD_BYTES);
        let head_end = loop {
            if let Some(at) = bytes.windows(4).position(|end| end == b"\r\n\r\n") {
                break at + 4;
            }
            assert!(
                bytes.len() < MOST_HEAD_BYTES,
                "{}: no end of the head",
                self.path
            );
            let read = stream.read_buf(&mut bytes).await.unwrap();
            assert!(read > 0, "{}: the connection was closed", self.path);
        };
        let mut body = bytes.split_off(head_end);
        let head = String::from_utf8(bytes).unwrap().to_lowercase();
        assert!(head.starts_with("http/1.1 200 "), "{}: {head}", self.path);
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
        let length: usize = length.unwrap_or_else(|| panic!("{}: no length", self.path));
        let there = body.len();
        body.resize(length, 0);
        stream.read_exact(&mut body[there..]).await.unwrap();
        body
    }
}

/// Times of the answers to a load, in order.
struct Times(Vec<Duration>);

impl Times {
    fn quantile(&self, hundredths: usize) -> Duration {
        let rank = (self.0.len() * hundredths).div_ceil(100);
        self.0[rank.max(1) - 1]
    }

    fn max(&self) -> Duration {
        self.quantile(100)
    }
}

/// Sends [`RATE`] requests a second for `seconds` and waits for all answers, each of `length` bytes.
fn load(client: &Runtime, target: &Arc<Target>, length: usize, seconds: u32) -> Times {
    let mut answers = JoinSet::new();
    let begun = Instant::now();
    for number in 0..RATE * seconds {
        let due = begun + Duration::from_secs(1) * number / RATE;
        // The thread's own clock: that of the runtime has steps of a millisecond.
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let target = Arc::clone(target);
        let answer = async move {
            let body = target.fetch().await;
            (due.elapsed(), body.len())
        };
        answers.spawn_on(answer, client.handle());
    }
    let answers = client.block_on(answers.join_all());
    assert!(
        answers.iter().all(|answer| answer.1 == length),
        "an answer of another length"
    );
    let mut times: Vec<Duration> = answers.into_iter().map(|answer| answer.0).collect();
    times.sort_unstable();
    Times(times)
}

/// An axum handler that returns `length` bytes from memory.
async fn from_memory(length: usize) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new()
        .route("/", get(async |State(bytes): State<Bytes>| bytes))
        .with_state(Bytes::from(vec![b'x'; length]));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

/// Values of this attribute in this HTML, in order, without doubles.
fn values(html: &str, attribute: &str) -> Vec<String> {
    let mut values = Vec::new();
    for rest in html.split(&format!(" {attribute}=\"")).skip(1) {
        let value = rest.split('"').next().unwrap().replace("&amp;", "&");
        let value = value.replace("&#38;", "&");
        if !values.contains(&value) {
            values.push(value);
        }
    }
    values
}

/// Name and address of every page of the navigation, of the views that draw most, and of the page of a release.
fn pages(overview: &str, files: &str) -> Vec<(String, String)> {
    let navigation = overview.split("<nav aria-label=\"Pages\">").nth(1).unwrap();
    let navigation = navigation.split("</nav>").next().unwrap();
    let mut pages: Vec<(String, String)> = values(navigation, "href")
        .into_iter()
        .zip(navigation.split("</a>"))
        .map(|(href, link)| (link.rsplit('>').next().unwrap().to_owned(), href))
        .collect();
    // The one that is looked at first of all, so that its first look is the true one.
    pages[0].1 = "/".to_owned();
    let of = |title: &str| {
        let mut pages = pages.iter();
        pages.find(|page| page.0 == title).unwrap().1.clone()
    };
    let (hotspots, trends) = (of("Hotspots"), of("Trends"));
    let release = values(overview, "href")
        .into_iter()
        .find(|href| href.starts_with("/programmes/"));
    pages.push(("Hotspots, map".into(), format!("{hotspots}&map=boroughs")));
    let largest = format!("{trends}&table=borough-main-exploitation");
    pages.push(("Trends, largest table".into(), largest));
    pages.push(("A release".into(), release.unwrap()));
    let is_wanted = |href: &&String| {
        [
            "/tables.csv",
            "/tables.json",
            "/tables.parquet",
            "/derived.csv",
            "/release.json",
        ]
        .iter()
        .any(|end| href.ends_with(end))
    };
    for href in values(files, "href").iter().filter(is_wanted) {
        let name = href.rsplit('/').next().unwrap();
        pages.push((format!("File {name}"), href.clone()));
    }
    pages
}

/// What was seen of one page.
struct Seen {
    name: String,
    is_file: bool,
    bytes: usize,
    with_assets: usize,
    first_look: Duration,
    times: Times,
    processor_ms: Option<f64>,
    raw: Times,
}

impl Seen {
    fn print(&self) {
        let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
        let (p50, p99) = (self.times.quantile(50), self.times.quantile(99));
        let (raw50, raw99) = (self.raw.quantile(50), self.raw.quantile(99));
        let processor = self
            .processor_ms
            .map_or("-".to_owned(), |ms| format!("{ms:.2}"));
        println!(
            "{:<22} {:>8} {:>8} {:>8.1} {:>7.2} {:>7.2} {:>7.2} {:>6} {:>7.2} {:>7.2} {:>7.2} {:>6.1} {:>6.1}",
            self.name,
            self.bytes,
            self.with_assets,
            ms(self.first_look),
            ms(p50),
            ms(p99),
            ms(self.times.max()),
            processor,
            ms(raw50),
            ms(raw99),
            ms(self.raw.max()),
            ms(p50) / ms(raw50),
            ms(p99) / ms(raw99),
        );
    }
}

/// What the site is asked with, and what else is needed to measure it.
struct Bench {
    site: Site,
    client: Runtime,
    /// Runs the raw handlers.
    server: Runtime,
    seconds: u32,
    /// How long the first answer of each address took.
    first_looks: BTreeMap<String, Duration>,
}

impl Bench {
    /// The body at `path`, and how long its first look took.
    fn look(&mut self, path: &str) -> (Vec<u8>, Duration) {
        let begun = Instant::now();
        let target = Target::new(self.site.address, path);
        let body = self.client.block_on(target.fetch());
        let first_look = self.first_looks.entry(path.to_owned());
        let first_look = *first_look.or_insert_with(|| begun.elapsed());
        (body, first_look)
    }

    /// Bytes of the page with style, script and icon.
    fn with_assets(&mut self, body: &[u8]) -> usize {
        let html = String::from_utf8(body.to_vec()).unwrap();
        let linked = values(&html, "href").into_iter();
        let linked = linked.chain(values(&html, "src"));
        let assets = linked.filter(|href| href.starts_with("/assets/"));
        let assets: usize = assets.map(|asset| self.look(&asset).0.len()).sum();
        body.len() + assets
    }

    fn measure(&mut self, name: String, path: &str) -> Seen {
        let (body, first_look) = self.look(path);
        let is_file = name.starts_with("File ");
        let with_assets = match is_file {
            true => body.len(),
            false => self.with_assets(&body),
        };
        let before = self.site.processor_seconds();
        let load = |address, path| {
            let target = Target::new(address, path);
            load(&self.client, &target, body.len(), self.seconds)
        };
        let times = load(self.site.address, path);
        let used = self.site.processor_seconds().zip(before);
        let requests = f64::from(RATE * self.seconds);
        let raw = self.server.block_on(from_memory(body.len()));
        Seen {
            name,
            is_file,
            bytes: body.len(),
            with_assets,
            first_look,
            times,
            processor_ms: used.map(|(after, before)| 1_000.0 * (after - before) / requests),
            raw: load(raw, "/"),
        }
    }
}

fn print_head(seconds: u32) {
    println!(
        "{RATE} requests a second for {seconds} s a page; times in ms, raw: the same bytes from memory"
    );
    println!(
        "{:<22} {:>8} {:>8} {:>8} {:>7} {:>7} {:>7} {:>6} {:>7} {:>7} {:>7} {:>6} {:>6}",
        "page",
        "bytes",
        "with all",
        "1st look",
        "p50",
        "p99",
        "max",
        "proc.",
        "raw p50",
        "raw p99",
        "raw max",
        "× p50",
        "× p99"
    );
}

/// Says for each aim whether every page keeps it, or which do not.
fn print_aims(all: &[Seen]) {
    let missed = |is_missed: &dyn Fn(&Seen) -> bool| -> Vec<&str> {
        let pages = all.iter().filter(|seen| !seen.is_file && is_missed(seen));
        pages.map(|seen| &*seen.name).collect()
    };
    for (aim, missed) in [
        (
            "under 300 KB with all it loads",
            missed(&|seen| seen.with_assets >= MOST_PAGE_BYTES),
        ),
        (
            "p99 under 20 ms",
            missed(&|seen| seen.times.quantile(99) >= MOST_P99),
        ),
    ] {
        match &*missed {
            [] => println!("every page: {aim}"),
            missed => println!("NOT {aim}: {}", missed.join("; ")),
        }
    }
}

fn main() {
    let chosen = std::env::var("LOAD_SECONDS").ok();
    let seconds = chosen.and_then(|number| number.parse().ok());
    let mut bench = Bench {
        site: Site::start(),
        client: Runtime::new().unwrap(),
        server: Runtime::new().unwrap(),
        seconds: seconds.unwrap_or(SECONDS),
        first_looks: BTreeMap::new(),
    };
    print_head(bench.seconds);
    let overview = String::from_utf8(bench.look("/").0).unwrap();
    let mut links = values(&overview, "href").into_iter();
    let data = links.find(|href| href.starts_with("/data")).unwrap();
    let data = String::from_utf8(bench.look(&data).0).unwrap();
    let mut all = Vec::new();
    for (name, path) in pages(&overview, &data) {
        let seen = bench.measure(name, &path);
        seen.print();
        all.push(seen);
    }
    print_aims(&all);
}
