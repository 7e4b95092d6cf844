//! Routes, networks, MSIN, comparison, protection and data over a loopback connection.

use std::sync::Arc;

use msht_core::release::{Release, ReleaseTable};

use super::Served;
use crate::baseline::{Baseline, BaselineWords};
use crate::site::catalogue::{Catalogue, Published};
use crate::site::numbers::{Estimate, grouped};
use crate::site::{fixture, sums};

fn route() -> ReleaseTable {
    let mut table = fixture::table("route", &[("origin", 4), ("area", 6)], 9);
    table.title = "Routes".to_owned();
    table.raw = (0..24).map(|cell| (cell * 37) % 83 - 8).collect();
    table
}

fn pairs() -> ReleaseTable {
    let mut table = fixture::table("pairs", &[("kind-pairs", 3)], 9);
    table.title = "Together".to_owned();
    table.dimensions[0].categories = ["a.b", "a.c", "b.c"].map(str::to_owned).to_vec();
    let labels = ["Alpha and Beta", "Alpha and Gamma", "Beta and Gamma"];
    table.dimensions[0].labels = labels.map(str::to_owned).to_vec();
    table.raw = vec![44, 3, 21];
    table
}

fn release(programme: &str, tables: Vec<ReleaseTable>) -> Release {
    let mut release = fixture::release_with("2026-Q3", tables, None);
    release.programme = programme.to_owned();
    release.programme_title = format!("Programme {programme}");
    release.round = msht_core::crypto::digest("fixture", &[programme.as_bytes()]);
    release
}

fn total(raw: i64) -> ReleaseTable {
    let mut table = fixture::table("total", &[], 12);
    table.raw = vec![raw];
    table
}

fn msin() -> Release {
    let mut status = fixture::table("status", &[("status", 4), ("previously-known", 3)], 8);
    let codes = ["police", "labour-authority", "council", "closed"];
    status.dimensions[0].categories = codes.map(str::to_owned).to_vec();
    status.dimensions[1].categories = ["yes", "no", "unknown"].map(str::to_owned).to_vec();
    status.raw = vec![30, 41, 2, 11, 12, 1, 25, 7, 3, 60, 50, 9];
    let tables = vec![
        total(260),
        fixture::table("stages", &[("stage", 5)], 8),
        fixture::table("regions", &[("region", 6)], 8),
        fixture::table("indicators", &[("indicator", 4)], 8),
        status,
    ];
    let mut food = release("food", tables);
    // Reports are not people: nobody is to compare the one with the other.
    food.unit.kind = "record".to_owned();
    food
}

fn baseline() -> Baseline {
    let programme = msht_core::programme::shipped("pan-london").unwrap();
    let programme = programme.replace("id = \"pan-london\"", "id = \"london\"");
    let programme = msht_core::programme::Programme::parse(&programme).unwrap();
    let words = BaselineWords {
        title: "Referrals <published>".to_owned(),
        source: "A statistics office".to_owned(),
        licence: "Open licence".to_owned(),
    };
    let file = b"period,dimension,category,count\n2026-Q3,,,900\n2026-Q2,,,5000\n";
    Baseline::parse(file, words, &programme).unwrap()
}

fn published(releases: Vec<Release>) -> Vec<Arc<Published>> {
    releases.into_iter().map(fixture::publish).collect()
}

fn site() -> Served {
    let london = release("london", vec![total(1200), route(), pairs()]);
    let second = release("referrals", vec![total(1100)]);
    let releases = published(vec![london, second, msin()]);
    Served::new(Catalogue::new([], releases).with_baselines(vec![baseline()]))
}

fn page(site: &Served, path: &str) -> String {
    let answer = site.get(path);
    assert_eq!(answer.status, 200, "{path}");
    String::from_utf8(answer.body).unwrap()
}

/// Every page of this module, with a programme that fits it.
const PAGES: [&str; 6] = [
    "/routes?programme=london",
    "/networks?programme=london",
    "/msin?programme=food",
    "/compare?programme=london",
    "/protection?programme=london",
    "/data?programme=london",
];

/// Numbers of the table of the figure `id` on a page, each with its interval.
fn numbers_in_table(page: &str, id: &str) -> Vec<(String, String)> {
    let table = page.split(&format!("id=\"{id}-caption\"")).nth(1).unwrap();
    let table = table.split("</table>").next().unwrap();
    let text = |part: &str| part.split('<').next().unwrap().to_owned();
    let numbers = table.split("<span class=\"n\">").skip(1);
    numbers
        .map(|rest| {
            (
                text(rest),
                text(rest.split("<span class=\"ci\">").nth(1).unwrap()),
            )
        })
        .collect()
}

#[test]
fn every_page_keeps_the_policy_and_every_link_of_it_leads_somewhere() {
    let site = site();
    for path in PAGES {
        let text = page(&site, path);
        for tag in text.split('<').skip(1) {
            let tag = tag.split('>').next().unwrap();
            for refused in [
                "style=",
                " onload=",
                " onclick=",
                "http:",
                "https:",
                "iframe ",
            ] {
                assert!(!tag.contains(refused), "{refused} in <{tag}> of {path}");
            }
            assert!(!tag.starts_with("style"), "{path}");
        }
        for href in text.split("href=\"").skip(1) {
            let href = href.split('"').next().unwrap().replace("&#38;", "&");
            if href.starts_with('/') {
                assert_eq!(site.get(&href).status, 200, "{href} on {path}");
            } else if let Some(id) = href.strip_prefix('#') {
                assert!(text.contains(&format!("id=\"{id}\"")), "#{id} on {path}");
            }
        }
        let ids: Vec<&str> = text
            .split(" id=\"")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap())
            .collect();
        let unique: std::collections::BTreeSet<&&str> = ids.iter().collect();
        assert_eq!(unique.len(), ids.len(), "ids of {path} are unique: {ids:?}");
    }
}

#[test]
fn the_matrix_and_its_table_hold_the_same_numbers() {
    let site = site();
    let text = page(&site, "/routes?programme=london");
    let table = route();
    let shown = numbers_in_table(&text, "matrix");
    let expected: Vec<(String, String)> = table
        .raw
        .iter()
        .map(|raw| Estimate::new(*raw, table.interval95))
        .map(|estimate| (estimate.number(), estimate.range()))
        .collect();
    assert_eq!(shown, expected);
    let wide = text.split("id=\"matrix-title-wide\"").nth(1).unwrap();
    let wide = wide.split("</svg>").next().unwrap();
    let mut drawn: Vec<&str> = wide
        .split("cell-range\"")
        .skip(1)
        .map(|rest| rest.split('>').nth(1).unwrap().split('<').next().unwrap())
        .collect();
    let mut above: Vec<&str> = expected
        .iter()
        .zip(&table.raw)
        .filter(|(_, raw)| **raw > 9)
        .map(|((_, range), _)| range.as_str())
        .collect();
    drawn.sort_unstable();
    above.sort_unstable();
    assert_eq!(drawn, above);
    let hatched = table.raw.iter().filter(|raw| **raw <= 9).count();
    assert_eq!(wide.matches("url(#matrix-hatch-wide)").count(), hatched);
}

#[test]
fn the_list_of_routes_gives_the_ranks_that_each_can_have() {
    let site = site();
    let text = page(&site, "/routes?programme=london");
    assert!(text.contains("Possible ranks"));
    assert!(text.contains("origin 1 → area 5"), "labels of both ends");
    let file = site.get("/routes.csv?programme=london&figure=list");
    let file = String::from_utf8(file.body).unwrap();
    assert!(file.starts_with(
        "route,number_value,number_interval95_low,number_interval95_high,number_state,rank\n"
    ));
    assert!(
        file.contains(" to "),
        "no route is surely the largest: {file}"
    );
}

#[test]
fn pairs_are_shown_once_under_their_own_words() {
    let text = page(&site(), "/networks?programme=london");
    let shown: Vec<String> = numbers_in_table(&text, "pairs")
        .into_iter()
        .map(|(number, _)| number)
        .collect();
    assert_eq!(shown, ["44", "3", "21"]);
    assert!(text.contains("Alpha and Beta is the largest, between 35 and 53"));
    assert!(text.contains("Occurring together is not a link between people"));
}

#[test]
fn msin_adds_up_investigations_with_the_interval_of_the_sum() {
    let text = page(&site(), "/msin?programme=food");
    let release = msin();
    let codes = ["police", "labour-authority", "council"];
    let investigated = sums::categories(&release, "status", &codes)
        .unwrap()
        .unwrap();
    assert_eq!(investigated.estimate.raw, 132);
    for (words, estimate) in [
        ("Under active investigation", investigated.estimate),
        (
            "On sites or providers not known before",
            sums::category(&release, "previously-known", "no")
                .unwrap()
                .unwrap()
                .estimate,
        ),
    ] {
        let fact = format!(
            "<dt>{words}</dt><dd><span class=\"big\">{}</span> <span class=\"ci\">{}</span>",
            estimate.number(),
            estimate.range()
        );
        assert!(text.contains(&fact), "{fact}");
    }
    assert!(text.contains("Example organisation 22"), "who is missing");
    for id in ["stage", "region", "indicator", "status"] {
        assert!(text.contains(&format!("id=\"{id}-caption\"")), "{id}");
    }
}

#[test]
fn a_gap_has_the_interval_of_what_is_noisy_in_it() {
    let site = site();
    let text = page(
        &site,
        "/compare?programme=london&against=baseline%3AReferrals+%3Cpublished%3E",
    );
    let ours = sums::total(&release("london", vec![total(1200)]))
        .unwrap()
        .unwrap();
    let gap = ours.estimate.less(900);
    let said = format!(
        "recorded between {} and {} more than",
        grouped(gap.low),
        grouped(gap.high)
    );
    assert!(text.contains(&said), "{said}");
    assert!(text.contains("Source: A statistics office"));
    assert!(!text.contains("<published>"));
    let other = page(
        &site,
        "/compare?programme=london&against=programme%3Areferrals",
    );
    let theirs = release("referrals", vec![total(1100)]);
    let theirs = sums::total(&theirs).unwrap().unwrap();
    let gap = sums::difference(&ours, &theirs).unwrap();
    assert!(gap.width() > ours.estimate.width());
    assert!(other.contains(&format!(
        "between {} and {} more",
        grouped(gap.low),
        grouped(gap.high)
    )));
    let unknown = page(&site, "/compare?programme=london&against=nobody");
    assert!(unknown.contains("more than"), "falls back to the first");
    assert!(
        unknown.contains("value=\"programme:referrals\""),
        "{unknown}"
    );
    assert!(
        !unknown.contains("value=\"programme:food\""),
        "reports are not people"
    );
    let food = page(&site, "/compare?programme=food");
    assert!(food.contains("There is nothing to compare"), "{food}");
}

#[test]
fn without_anything_to_compare_with_the_page_says_so() {
    let alone = Served::new(Catalogue::new([], published(vec![msin()])));
    let text = page(&alone, "/compare");
    assert!(text.contains("There is nothing to compare this release with yet"));
}

#[test]
fn what_a_year_has_spent_is_added_up_exactly() {
    let first = fixture::publish(fixture::release_with("2025-Q4", vec![total(1)], None));
    let mut others = Vec::new();
    for period in ["2026-Q1", "2026-Q2", "2026-Q3"] {
        let mut release = fixture::release_with(period, vec![total(1)], None);
        release.epsilon = msht_core::rational::Rational::new(1, 3).unwrap();
        others.push(fixture::publish(release));
    }
    let releases = std::iter::once(first).chain(others);
    let site = Served::new(Catalogue::new([], releases));
    let text = page(&site, "/protection");
    assert!(
        text.contains("The 3 releases of this programme for 2026 up to this one have spent ε = 1 ")
    );
    let of_three = "<th scope=\"row\">3 partners</th><td class=\"num\">1</td><td class=\"num\">2.8 times</td><td class=\"num\">3</td>";
    assert!(text.contains(of_three));
    let earlier = page(&site, "/protection?period=2026-Q2");
    assert!(earlier.contains("have spent ε = 2/3 "));
}

#[test]
fn every_file_of_a_release_says_what_it_is_and_is_not_sent_twice() {
    let site = site();
    let round = release("london", Vec::new()).round;
    for stem in ["tables", "derived", "dictionary", "route", "pairs", "total"] {
        for (extension, media_type) in [
            ("csv", "text/csv; charset=utf-8; header=present"),
            ("json", "application/json"),
            ("parquet", "application/vnd.apache.parquet"),
        ] {
            let path = format!("/releases/{round}/{stem}.{extension}");
            let answer = site.get(&path);
            assert_eq!(answer.status, 200, "{path}");
            assert!(
                answer.head.contains(&format!("content-type: {media_type}")),
                "{path}"
            );
            let name = format!("filename=\"london-2026-q3-{stem}.{extension}\"");
            assert!(answer.head.contains(&name), "{path}");
            let tag = answer.head.split("etag: ").nth(1).unwrap();
            let tag = tag.lines().next().unwrap();
            let again = site.ask(&path, &format!("If-None-Match: W/{tag}\r\n"));
            assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
        }
    }
    for missing in [
        "none.csv",
        "tables.xlsx",
        "tables",
        ".csv",
        "tables.csv.csv",
    ] {
        let path = format!("/releases/{round}/{missing}");
        assert_eq!(site.get(&path).status, 404, "{path}");
    }
}

#[test]
fn only_embedded_charts_may_be_framed_by_others() {
    let site = site();
    let answer = site.get("/embed/london/route");
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("frame-ancestors *"));
    assert!(!answer.head.contains("script-src"));
    let text = String::from_utf8(answer.body).unwrap();
    assert!(!text.contains("<script"));
    assert_eq!(numbers_in_table(&text, "chart").len(), 24);
    for path in PAGES {
        assert!(
            site.get(path).head.contains("frame-ancestors 'none'"),
            "{path}"
        );
    }
    assert_eq!(site.get("/embed/london/route?period=2026-Q3").status, 200);
    for missing in [
        "/embed/london/none",
        "/embed/none/route",
        "/embed/london/total",
        "/embed/london/route?period=1999-Q1",
    ] {
        assert_eq!(site.get(missing).status, 404, "{missing}");
    }
}

#[test]
fn a_page_that_a_programme_has_nothing_for_says_so() {
    let site = site();
    for path in [
        "/routes?programme=food",
        "/msin?programme=london",
        "/networks?programme=food",
    ] {
        assert!(
            page(&site, path).contains("has no table that this page could show"),
            "{path}"
        );
    }
    assert_eq!(site.get("/routes?programme=none").status, 404);
}

/// The drawings as files, to be looked at when they change: `MSHT_WRITE_CHARTS=1 cargo test -p msht-coordinator
/// matrices_are_those` writes them.
#[test]
fn matrices_are_those_that_were_looked_at() {
    let site = site();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/site/charts/looked_at");
    for (path, file) in [
        ("/routes.svg?programme=london&figure=matrix", "matrix.svg"),
        ("/routes.svg?programme=london&figure=list", "list.svg"),
        ("/networks.svg?programme=london", "pairs.svg"),
        ("/compare.svg?programme=london", "beside.svg"),
    ] {
        let text = String::from_utf8(site.get(path).body).unwrap();
        // The style has tests of its own.
        let (head, rest) = text.split_once("<style>").unwrap();
        let drawn = format!("{head}{}", rest.split_once("</style>").unwrap().1);
        let file = folder.join(file);
        if std::env::var_os("MSHT_WRITE_CHARTS").is_some() {
            std::fs::write(&file, &drawn).unwrap();
        }
        let looked_at = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(
            drawn == looked_at,
            "{} has changed; look at it",
            file.display()
        );
    }
}
