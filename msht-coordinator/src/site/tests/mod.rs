//! The site over a loopback connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use tokio::sync::watch;

use super::*;

mod one_release;
mod over_time;

/// A site on a loopback port; its owner's end of the catalogue keeps it up to date.
pub(super) struct Served {
    address: SocketAddr,
    catalogue: watch::Sender<Arc<Catalogue>>,
    runtime: tokio::runtime::Runtime,
}

/// An answer, split into head and body.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Served {
    pub(super) fn new(catalogue: Catalogue) -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (sender, receiver) = watch::channel(Arc::new(catalogue));
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move {
            axum::serve(listener, router(SiteState::new(receiver)))
                .await
                .unwrap();
        });
        Self {
            address,
            catalogue: sender,
            runtime,
        }
    }

    /// The status of a request with another method.
    pub(super) fn status_of(&self, method: &str, path: &str) -> u16 {
        self.request(method, path, "").status
    }

    pub(super) fn ask(&self, path: &str, extra: &str) -> Answer {
        self.request("GET", path, extra)
    }

    fn request(&self, method: &str, path: &str, extra: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{extra}\r\n"
        )
        .unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(bytes[..end].to_vec())
            .unwrap()
            .to_lowercase();
        Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head,
            body: bytes[end + 4..].to_vec(),
        }
    }

    pub(super) fn get(&self, path: &str) -> Answer {
        self.ask(path, "")
    }

    pub(super) fn page(&self, path: &str) -> String {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}");
        assert!(
            answer
                .head
                .contains("content-type: text/html; charset=utf-8")
        );
        String::from_utf8(answer.body).unwrap()
    }
}

fn with_one(release: msht_core::release::Release) -> Served {
    Served::new(Catalogue::new([], [fixture::publish(release)]))
}

pub(super) fn paths_in(page: &str) -> Vec<String> {
    page.split("href=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap().to_owned())
        .filter(|href| href.starts_with('/'))
        .collect()
}

#[test]
fn every_link_of_every_page_leads_somewhere() {
    let site = Served::new(fixture::catalogue());
    for page in [
        "/",
        "/?programme=example&period=2026-Q2",
        "/?programme=later",
        "/programmes/example",
        "/programmes/example/2026-Q2",
        "/programmes/later",
    ] {
        let text = site.page(page);
        for path in paths_in(&text) {
            let path = path.replace("&amp;", "&").replace("&#38;", "&");
            assert_eq!(site.get(&path).status, 200, "{path} on {page}");
        }
        for anchor in text.split("href=\"#").skip(1) {
            let id = anchor.split('"').next().unwrap();
            assert!(text.contains(&format!("id=\"{id}\"")), "#{id} on {page}");
        }
    }
}

#[test]
fn every_answer_carries_the_security_headers() {
    let site = Served::new(fixture::catalogue());
    for path in [
        "/",
        "/nowhere",
        "/healthz",
        "/assets/site.css",
        "/programmes/later",
    ] {
        let head = site.get(path).head;
        assert!(
            head.contains("content-security-policy: default-src 'none';"),
            "{path}"
        );
        assert!(head.contains("x-content-type-options: nosniff"), "{path}");
        assert!(head.contains("referrer-policy: no-referrer"), "{path}");
    }
}

#[test]
fn unknown_addresses_are_not_found() {
    let site = Served::new(fixture::catalogue());
    let round = fixture::release().release().round;
    let other = msht_core::crypto::Digest::ZERO;
    for path in [
        "/nowhere".to_owned(),
        "/programmes/unknown".to_owned(),
        "/programmes/example/1999-Q1".to_owned(),
        format!("/releases/{other}/release.json"),
        "/releases/not-a-digest/release.json".to_owned(),
        format!("/releases/{round}/unknown.csv"),
        format!("/releases/{round}/total"),
        "/assets/../Cargo.toml".to_owned(),
    ] {
        let answer = site.get(&path);
        assert_eq!(answer.status, 404, "{path}");
        assert!(
            String::from_utf8(answer.body)
                .unwrap()
                .contains("There is no page")
        );
    }
}

#[test]
fn release_json_is_served_byte_for_byte_and_not_twice() {
    let site = Served::new(fixture::catalogue());
    let published = Arc::clone(fixture::catalogue().latest().unwrap());
    let path = format!("/releases/{}/release.json", published.release().round);
    let answer = site.get(&path);
    assert!(answer.head.contains("content-type: application/json"));
    assert_eq!(answer.body, published.json());
    let tag = answer
        .head
        .split("etag: ")
        .nth(1)
        .unwrap()
        .lines()
        .next()
        .unwrap();
    let again = site.ask(&path, &format!("If-None-Match: {tag}\r\n"));
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert_eq!(site.ask(&path, "If-None-Match: \"other\"\r\n").status, 200);
}

#[test]
fn csv_files_say_what_they_are() {
    let site = Served::new(fixture::catalogue());
    let round = fixture::release().release().round;
    let answer = site.get(&format!("/releases/{round}/by-kind.csv"));
    assert!(
        answer
            .head
            .contains("content-type: text/csv; charset=utf-8")
    );
    assert!(
        answer
            .head
            .contains("filename=\"example-2026-q3-by-kind.csv\"")
    );
    let text = String::from_utf8(answer.body).unwrap();
    assert!(text.starts_with(
        "exploitation,exploitation_label,raw,interval95_low,interval95_high,state,unit\n"
    ));
    assert!(
        text.contains(
            "organ-removal,Organ removal,-4,-19,11,[u] cannot be told from zero,record\n"
        )
    );
    assert_eq!(
        site.get(&format!("/releases/{round}/tables.csv")).status,
        200
    );
}

#[test]
fn the_overview_is_the_newest_release_and_follows_the_catalogue() {
    let site = Served::new(Catalogue::default());
    assert!(
        site.page("/")
            .contains("Nothing has been published here yet")
    );
    site.catalogue.send_replace(Arc::new(fixture::catalogue()));
    let page = site.page("/");
    assert!(page.contains("July to September 2026"));
    assert!(page.contains("between 1,484 and 1,508"));
    assert!(site.page("/programmes/later").contains("A later programme"));
    assert!(
        site.page("/programmes/example/2026-Q2")
            .contains("April to June 2026")
    );
    site.runtime.shutdown_background();
}

#[test]
fn an_interval_stands_beside_every_number() {
    let site = Served::new(fixture::catalogue());
    let page = site.page("/programmes/example");
    let release = fixture::release().release().clone();
    let cells: usize = release.tables.iter().map(|table| table.raw.len()).sum();
    assert_eq!(page.matches("<span class=\"n\">").count(), cells);
    assert_eq!(page.matches("<span class=\"ci\">").count(), cells);
    for between in page.split("<span class=\"n\">").skip(1) {
        assert!(between.contains("<span class=\"ci\">"), "{between}");
    }
}

#[test]
fn the_page_repeats_the_numbers_of_the_release() {
    let site = Served::new(fixture::catalogue());
    let page = site.page("/programmes/example");
    let shown: Vec<String> = page
        .split("<span class=\"n\">")
        .skip(1)
        .map(|rest| rest.split('<').next().unwrap().to_owned())
        .collect();
    let release = fixture::release().release().clone();
    let raw = release.tables.iter().flat_map(|table| &table.raw);
    let expected: Vec<String> = raw.map(|value| numbers::grouped(*value)).collect();
    assert_eq!(shown, expected);
    let drawn: Vec<&str> = page
        .split("<tspan class=\"number\">")
        .skip(1)
        .map(|rest| rest.split('<').next().unwrap())
        .collect();
    assert_eq!(drawn[..7], expected[1..8]);
    assert_eq!(drawn[7..], expected[1..8]);
}

#[test]
fn nothing_on_the_page_needs_a_looser_policy() {
    let page = Served::new(fixture::catalogue()).page("/programmes/example");
    for refused in [
        "style=", "<script>", "<style", " on", "http:", "https:", "<img", "<iframe",
    ] {
        let found = page
            .split('<')
            .skip(1)
            .map(|rest| rest.split('>').next().unwrap())
            .find(|tag| format!("<{tag}").contains(refused));
        assert_eq!(found, None, "{refused}");
    }
}

#[test]
fn hostile_words_stay_words() {
    let hostile = "<script>alert(1)</script>\"' onload=x &amp;";
    let mut release = fixture::release().release().clone();
    for table in &mut release.tables {
        table.title = hostile.to_owned();
        for dimension in &mut table.dimensions {
            dimension.title = hostile.to_owned();
            dimension.labels.fill(hostile.to_owned());
        }
    }
    release.tables[1].name = "\"><b>".to_owned();
    release.programme_title = hostile.to_owned();
    release.programme = "a/\"b".to_owned();
    release.period = "<i>\"".to_owned();
    release.privacy_statement = vec![hostile.to_owned()];
    release.survivors = vec![hostile.to_owned()];
    let site = with_one(release);
    let page = site.page("/programmes/a%2F%22b");
    for raw in ["<script>", "<b>", "<i>", "\"' onload"] {
        assert!(!page.contains(raw), "{raw}");
    }
    for path in paths_in(&page) {
        assert_eq!(site.get(&path).status, 200, "{path}");
    }
}

#[test]
fn a_release_of_only_a_total_has_a_page_without_a_chart() {
    let tables = vec![fixture::table("total", &[], 9)];
    let page = with_one(fixture::release_with("2026", tables, None)).page("/");
    assert!(!page.contains("class=\"chart"));
    assert!(page.contains("For 2026, 20 of the 22 invited partners"));
}

#[test]
fn a_table_of_six_hundred_numbers_is_folded_and_whole() {
    let tables = vec![fixture::table("big", &[("origin", 30), ("borough", 20)], 9)];
    let page = with_one(fixture::release_with("2026-Q3", tables, None)).page("/programmes/example");
    assert!(page.contains("<summary>Show all 600 numbers"));
    assert_eq!(page.matches("<span class=\"ci\">").count(), 600);
}

#[test]
fn a_table_that_does_not_fit_its_dimensions_is_refused() {
    let mut release = fixture::release().release().clone();
    release.tables[2].raw.pop();
    let identity =
        msht_core::crypto::Identity::from_seed(msht_core::crypto::Secret::from_bytes([1; 32]))
            .unwrap();
    let signed = msht_core::secagg::Signed::sign(release, &identity).unwrap();
    let verified = signed.verify(&identity.key()).unwrap();
    let refused = Published::new(&verified, Vec::new()).unwrap_err();
    assert_eq!(refused.table, "sex-by-age");
}

#[test]
fn who_is_missing_and_what_it_adds_up_to_is_said() {
    let page = Served::new(fixture::catalogue()).page("/programmes/example");
    assert!(page.contains("Invited, but not in these numbers (2)"));
    assert!(page.contains("Example organisation 22"));
    assert!(page.contains("3 partners, such as police, council and a charity"));
    assert!(page.contains("does not add up to people"));
    assert!(page.contains("2.8 times"));
}
