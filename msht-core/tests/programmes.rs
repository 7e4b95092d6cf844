//! What the programmes that ship say about their own error.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use msht_core::programme::{Programme, SHIPPED};
use msht_core::rational::Rational;
use msht_core::release::interval95;

/// The number behind the first `±` of the comment above each `[[table]]`, in file order.
fn stated(text: &str) -> Vec<u64> {
    let mut stated = Vec::new();
    let mut comment = String::new();
    for line in text.lines() {
        if line == "[[table]]" {
            // Every table states its error.
            let (_, after) = comment.split_once('±').unwrap();
            let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
            stated.push(digits.parse().unwrap());
        }
        match line.strip_prefix('#') {
            Some(words) => comment.push_str(words),
            None => comment.clear(),
        }
    }
    stated
}

#[test]
fn the_half_widths_in_the_comments_are_those_of_the_noise() {
    let one = Rational::one();
    let mut wrong = Vec::new();
    for (id, text) in SHIPPED {
        let programme = Programme::parse(text).unwrap();
        let computed = programme.tables().iter().map(|table| {
            let half_width = interval95(table.noise_rate(), &one).unwrap();
            (table.id(), half_width)
        });
        let stated = stated(text);
        assert_eq!(stated.len(), programme.tables().len(), "{id}");
        for ((table, computed), stated) in computed.zip(stated) {
            if computed != stated {
                wrong.push(format!("{id}, {table}: ±{stated} is ±{computed}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn pan_london_counts_what_its_pages_show() {
    let (_, text) = SHIPPED.iter().find(|(id, _)| *id == "pan-london").unwrap();
    let programme = Programme::parse(text).unwrap();
    for (table, dimensions) in [
        ("borough", &["borough"][..]),
        (
            "borough-main-exploitation",
            &["borough", "main-exploitation"],
        ),
        ("origin-area", &["origin", "area"]),
        (
            "recruitment-main-exploitation",
            &["recruitment", "main-exploitation"],
        ),
        ("exploitation-pairs", &["exploitation-pairs"]),
    ] {
        let found = programme
            .table(table)
            .unwrap_or_else(|| panic!("no table {table}"));
        let labels = programme.labels_of(found);
        let names: Vec<_> = labels.iter().map(|axis| axis.name.as_str()).collect();
        assert_eq!(names, dimensions);
        assert_eq!(found.sensitivity(), 1, "{table}");
    }
}
