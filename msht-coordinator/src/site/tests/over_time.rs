//! The pages over a loopback connection, with six quarters behind them.

use super::{Served, paths_in};
use crate::site::pages::PAGES;
use crate::site::*;

/// Heaviest page with its style and script, in bytes: about a second on a slow telephone.
const MOST_PAGE_BYTES: usize = 300_000;

/// One address of every kind of page.
const ADDRESSES: [&str; 10] = [
    "/",
    "/?period=2025-Q2",
    "/trends",
    "/trends?table=by-kind&group=organ-removal",
    "/trends?table=sex-by-age&group=male.under-18&period=2026-Q1",
    "/trends?period=2025-Q2",
    "/hotspots",
    "/hotspots?map=boroughs",
    "/hotspots?period=2025-Q2",
    "/hotspots?period=2026-Q1&map=boroughs",
];

fn plain(path: &str) -> String {
    path.replace("&amp;", "&").replace("&#38;", "&")
}

/// The texts of elements that begin with `start`, in their order.
fn texts(page: &str, start: &str) -> Vec<String> {
    let after = page.split(start).skip(1);
    after
        .map(|rest| {
            let text = rest.split_once('>').unwrap().1;
            text.split('<').next().unwrap().to_owned()
        })
        .collect()
}

/// The column `name` of a CSV file of the site.
fn column(site: &Served, path: &str, name: &str) -> Vec<String> {
    let answer = site.get(path);
    assert_eq!(answer.status, 200, "{path}");
    let mut reader = csv::Reader::from_reader(answer.body.as_slice());
    let at = reader.headers().unwrap().iter().position(|h| h == name);
    let at = at.unwrap_or_else(|| panic!("no column {name} in {path}"));
    reader
        .records()
        .map(|row| row.unwrap()[at].to_owned())
        .collect()
}

/// The wide drawing of a page: what comes before the narrow one.
fn wide_drawing(page: &str) -> &str {
    let from = page.find("<svg class=\"chart wide\"").unwrap();
    let to = page.find("<svg class=\"chart narrow\"").unwrap();
    &page[from..to]
}

#[test]
fn every_link_and_file_of_every_page_is_there() {
    let site = Served::new(fixture::quarters());
    for address in ADDRESSES {
        let page = site.page(address);
        for path in paths_in(&page) {
            assert_eq!(site.get(&plain(&path)).status, 200, "{path} on {address}");
        }
        let quarters = fixture::quarters();
        let programme = quarters.programme("example").unwrap();
        for of_site in PAGES {
            let link = format!(">{}</a>", of_site.title);
            assert_eq!(page.contains(&link), (of_site.applies)(programme), "{link}");
        }
        assert_eq!(
            page.matches("aria-current=\"page\"").count(),
            1,
            "{address}"
        );
    }
}

#[test]
fn every_page_is_light_and_needs_no_looser_policy() {
    let site = Served::new(fixture::quarters());
    let shared: usize = ["/assets/site.css", "/assets/chart.css", "/assets/site.js"]
        .iter()
        .map(|asset| site.get(asset).body.len())
        .sum();
    assert!(site.get("/assets/site.js").body.len() < 10_000);
    for address in ADDRESSES {
        let page = site.page(address);
        let weight = shared + page.len();
        assert!(weight < MOST_PAGE_BYTES, "{address}: {weight} bytes");
        for refused in [
            "style=", "<script>", "<style", " on", "http:", "https:", "<img",
        ] {
            let mut tags = page
                .split('<')
                .skip(1)
                .map(|rest| rest.split('>').next().unwrap());
            let found = tags.find(|tag| format!("<{tag}").contains(refused));
            assert_eq!(found, None, "{refused} on {address}");
        }
    }
}

#[test]
fn every_choice_has_a_label_and_keeps_what_is_chosen() {
    let site = Served::new(fixture::quarters());
    let page = site.page("/trends?table=by-kind&group=organ-removal&period=2026-Q1");
    for name in ["period", "table", "group"] {
        assert!(page.contains(&format!("<label for=\"choose-{name}\">")));
        assert!(page.contains(&format!("<select id=\"choose-{name}\" name=\"{name}\">")));
    }
    for value in ["2026-Q1", "by-kind", "organ-removal"] {
        assert!(page.contains(&format!("<option value=\"{value}\" selected>")));
    }
}

#[test]
fn what_is_asked_for_and_not_there_is_the_default_and_an_unknown_programme_is_not_found() {
    let site = Served::new(fixture::quarters());
    let odd = "?period=1999-Q1&table=none&group=none";
    assert_eq!(site.page(&format!("/trends{odd}")), site.page("/trends"));
    for path in ["/trends", "/hotspots", "/trends.csv", "/"] {
        assert_eq!(site.get(&format!("{path}?programme=nobody")).status, 404);
    }
    assert_eq!(site.get("/trends.csv?figure=nothing").status, 404);
    assert_eq!(site.get("/hotspots.svg?figure=trend").status, 404);
}

#[test]
fn the_line_shows_the_numbers_of_its_table() {
    let site = Served::new(fixture::quarters());
    let query = "?table=by-kind&group=sexual-exploitation";
    let page = site.page(&format!("/trends{query}"));
    let drawn = texts(wide_drawing(&page), "<text class=\"number\"");
    let values = column(&site, &format!("/trends.csv{query}"), "number_value");
    let shown: Vec<String> = values
        .iter()
        .map(|value| numbers::grouped(value.parse().unwrap()))
        .collect();
    assert_eq!(drawn, shown);
    assert_eq!(shown.len(), 6);
    let low = column(
        &site,
        &format!("/trends.csv{query}"),
        "number_interval95_low",
    );
    for (value, low) in values.iter().zip(low) {
        assert_eq!(
            value.parse::<i64>().unwrap() - 15,
            low.parse::<i64>().unwrap()
        );
    }
}

#[test]
fn both_maps_show_the_numbers_of_their_table_and_hatch_what_is_unsure() {
    let site = Served::new(fixture::quarters());
    let codes = column(&site, "/hotspots.csv", "borough");
    let values = column(&site, "/hotspots.csv", "number_value");
    let states = column(&site, "/hotspots.csv", "number_state");
    for (map, class) in [("tiles", "tile-number"), ("boroughs", "map-number")] {
        let page = site.page(&format!("/hotspots?map={map}"));
        let drawing = wide_drawing(&page);
        assert_eq!(drawing.matches("<g class=\"part\">").count(), 33);
        let unsure = states
            .iter()
            .filter(|state| state.starts_with("[u]"))
            .count();
        assert!((1..33).contains(&unsure));
        assert_eq!(drawing.matches("fill=\"url(#").count(), unsure);
        let tips = texts(drawing, "<g class=\"part\"><title");
        for ((code, value), state) in codes.iter().zip(&values).zip(&states) {
            let shown = numbers::grouped(value.parse().unwrap());
            let words = tips
                .iter()
                .find(|tip| tip.starts_with(&format!("{code}: ")));
            let words = words.unwrap_or_else(|| panic!("{code} is not on the map"));
            assert!(words.contains(&format!(": {shown} (")), "{words}");
            assert_eq!(words.contains("cannot be told"), state.starts_with("[u]"));
        }
        let drawn = texts(drawing, &format!("<text class=\"{class} "));
        assert!(drawn.len() >= 32, "{}", drawn.len());
    }
}

#[test]
fn the_borough_with_far_more_than_before_stands_out_and_no_order_is_claimed() {
    let site = Served::new(fixture::quarters());
    let page = site.page("/hotspots");
    let first = charts::london::TILES[0].code;
    assert!(page.contains(&format!("{first} has more than its own past explains")));
    assert!(wide_drawing(&page).contains("class=\"flagged\""));
    assert!(page.contains("cannot be told apart, so this page has no ranking"));
    let flags = column(&site, "/hotspots.csv", "hotspot");
    assert_eq!(flags.iter().filter(|flag| *flag == "yes").count(), 1);
    let order = column(&site, "/hotspots.csv", "borough");
    let expected: Vec<&str> = charts::london::TILES.iter().map(|tile| tile.code).collect();
    assert_eq!(order, expected, "the codebook's order");
}

#[test]
fn without_a_comparable_past_no_borough_is_tested_and_the_page_says_so() {
    let site = Served::new(fixture::quarters());
    for period in ["2025-Q2", "2026-Q1"] {
        let page = site.page(&format!("/hotspots?period={period}"));
        assert!(page.contains("No borough was tested"), "{period}");
        assert!(!page.contains("class=\"flagged\""));
    }
}

#[test]
fn trends_say_when_other_partners_are_behind_two_periods() {
    let site = Served::new(fixture::quarters());
    let page = site.page("/trends?period=2026-Q1");
    assert!(page.contains("Other partners are behind January to March 2026 than behind"));
    assert!(page.contains("(1 left out)"));
    assert_eq!(wide_drawing(&page).matches("class=\"break\"").count(), 1);
    let page = site.page("/trends");
    assert!(!page.contains("Other partners are behind"));
    assert_eq!(wide_drawing(&page).matches("class=\"break\"").count(), 2);
}

#[test]
fn a_drawing_stands_alone_under_its_own_policy() {
    let site = Served::new(fixture::quarters());
    for path in [
        "/trends.svg",
        "/hotspots.svg",
        "/hotspots.svg?map=boroughs",
        "/overview.svg",
    ] {
        let answer = site.get(path);
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.head.contains("content-type: image/svg+xml"));
        assert!(answer.head.contains("style-src 'sha256-"), "{path}");
        assert!(!answer.head.contains("script-src"));
        let text = String::from_utf8(answer.body).unwrap();
        assert!(text.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart wide\""));
        assert!(text.contains("<style>") && text.trim_end().ends_with("</svg>"));
        assert!(!text.contains("<script"));
    }
}

#[test]
fn json_of_a_figure_has_the_interval_beside_every_number() {
    let site = Served::new(fixture::quarters());
    let answer = site.get("/trends.json?table=by-kind");
    assert!(answer.head.contains("content-type: application/json"));
    let json: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let rows = json["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 6);
    for row in rows {
        let number = &row["number"];
        let value = number["value"].as_i64().unwrap();
        assert_eq!(number["interval95"][0].as_i64().unwrap(), value - 15);
        assert_eq!(number["interval95"][1].as_i64().unwrap(), value + 15);
    }
}

#[test]
fn a_page_that_fits_no_programme_is_not_in_the_navigation() {
    let site = Served::new(fixture::catalogue());
    assert!(!site.page("/").contains(">Hotspots</a>"));
    let page = site.page("/hotspots?programme=example");
    assert!(page.contains("has no table that this page could show"));
    assert!(
        site.page("/trends?programme=later")
            .contains("Nothing has been published")
    );
}

#[test]
fn the_overview_says_what_changed_and_by_how_much() {
    let site = Served::new(fixture::quarters());
    let page = site.page("/");
    let lead = texts(&page, "<p class=\"lead\"").remove(0);
    assert!(lead.starts_with("Since April to June 2026, "), "{lead}");
    assert!(lead.contains(" rose by between "), "{lead}");
    assert!(page.contains("20 of 22 partners"));
    let first = site.page("/?period=2025-Q2");
    assert!(!first.contains("Since "), "nothing to compare with");
}

/// The drawings of the fixture as files, to be looked at when they change: `MSHT_WRITE_CHARTS=1 cargo test -p
/// msht-coordinator charts_are_those` writes them.
#[test]
fn charts_are_those_that_were_looked_at() {
    let site = Served::new(fixture::quarters());
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/site/charts/looked_at");
    for (path, file) in [
        ("/overview.svg?figure=groups", "bars.svg"),
        ("/trends.svg?table=by-kind&group=organ-removal", "line.svg"),
        ("/hotspots.svg", "tiles.svg"),
        ("/hotspots.svg?map=boroughs", "outlines.svg"),
    ] {
        let text = String::from_utf8(site.get(path).body).unwrap();
        // The style has tests of its own.
        let (head, rest) = text.split_once("<style>").unwrap();
        let drawn = format!("{head}{}", rest.split_once("</style>").unwrap().1);
        let file = folder.join(file);
        if std::env::var_os("MSHT_WRITE_CHARTS").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&file, &drawn).unwrap();
        }
        let looked_at = std::fs::read_to_string(&file).unwrap();
        assert!(
            drawn == looked_at,
            "{} has changed; look at it",
            file.display()
        );
    }
}
