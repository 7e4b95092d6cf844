//! The feed of releases (Atom, RFC 4287): an entry each, the newest first.

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::address;
use super::answer::{ATOM, Content, conditional};
use super::calendar::period_words;
use super::catalogue::{Catalogue, Published};
use super::finding::headline;
use super::routes::{SiteState, failed};

/// Most entries; a reader that was away for longer finds the rest on the site.
const MOST_ENTRIES: usize = 50;
/// When a feed without entries was last changed: RFC 4287 wants a time.
const NEVER: i64 = 0;

/// The feed as its template fills it.
#[derive(Debug, Template)]
#[template(path = "feed.xml")]
struct Feed {
    updated: String,
    entries: Vec<Entry>,
}

/// One release.
#[derive(Debug)]
struct Entry {
    /// Digest of the release: the same wherever the feed is read.
    digest: String,
    title: String,
    published: String,
    summary: String,
    page: String,
    json: String,
}

/// What `/feed.atom` answers. Addresses in it are relative to the feed itself (RFC 4287, section 2).
pub(super) async fn answer(State(state): State<SiteState>, headers: HeaderMap) -> Response {
    match feed(&state.catalogue()).render() {
        Ok(text) => conditional(
            &headers,
            Content {
                media_type: ATOM,
                bytes: text.into_bytes(),
                file_name: None,
            },
        ),
        Err(error) => failed(&error),
    }
}

fn feed(catalogue: &Catalogue) -> Feed {
    let mut releases: Vec<&Published> = catalogue
        .programmes()
        .flat_map(|(_, programme)| programme.releases())
        .map(AsRef::as_ref)
        .collect();
    releases.sort_by_key(|published| std::cmp::Reverse(published.release().published_at));
    let newest = releases.first();
    Feed {
        updated: atom_time(newest.map_or(NEVER, |newest| newest.release().published_at)),
        entries: releases.into_iter().take(MOST_ENTRIES).map(entry).collect(),
    }
}

fn entry(published: &Published) -> Entry {
    let release = published.release();
    let headline = headline(release);
    Entry {
        digest: published.digest().to_string(),
        title: xml_text(&format!(
            "{}, {}",
            release.programme_title,
            period_words(&release.period)
        )),
        published: atom_time(release.published_at),
        summary: xml_text(&format!("{} {}", headline.sentence, headline.coverage)),
        page: address::period(&release.programme, &release.period),
        json: address::release_json(&release.round),
    }
}

/// `text` without the characters that XML 1.0 has no way to write; the template escapes the others.
fn xml_text(text: &str) -> String {
    let is_writable = |c: &char| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}');
    text.chars().filter(is_writable).collect()
}

/// Seconds since 1970 as RFC 3339 writes them; the beginning of 1970 where that cannot.
fn atom_time(seconds: i64) -> String {
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| "1970-01-01T00:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    const ATOM_NAMESPACE: &str = "http://www.w3.org/2005/Atom";

    #[test]
    fn the_feed_is_well_formed_and_has_an_entry_a_release() {
        let mut release = fixture::release().release().clone();
        release.programme_title = "<b>&\"]]>\u{1}".to_owned();
        release.published_at += 5;
        let hostile = fixture::publish(release);
        let mut catalogue = fixture::catalogue();
        catalogue.push(hostile.clone());
        let text = feed(&catalogue).render().unwrap();
        let document = roxmltree::Document::parse(&text).unwrap();
        let root = document.root_element();
        assert!(root.has_tag_name((ATOM_NAMESPACE, "feed")));
        let child = |node: roxmltree::Node<'_, '_>, name: &str| {
            let found = node
                .children()
                .find(|c| c.has_tag_name((ATOM_NAMESPACE, name)));
            found.and_then(|c| c.text().map(str::to_owned))
        };
        for needed in ["id", "title", "updated"] {
            assert!(child(root, needed).is_some(), "{needed}");
        }
        let entries: Vec<_> = root
            .children()
            .filter(|node| node.has_tag_name((ATOM_NAMESPACE, "entry")))
            .collect();
        assert_eq!(entries.len(), 3);
        for entry in &entries {
            for needed in ["id", "title", "updated", "summary"] {
                assert!(child(*entry, needed).is_some(), "{needed}");
            }
        }
        let first = child(entries[0], "id").unwrap();
        assert_eq!(first, format!("urn:sha256:{}", hostile.digest()));
        assert!(child(entries[0], "title").unwrap().starts_with("<b>&\"]]>"));
    }

    #[test]
    fn a_site_without_releases_has_a_feed_without_entries() {
        let text = feed(&Catalogue::default()).render().unwrap();
        let document = roxmltree::Document::parse(&text).unwrap();
        assert_eq!(
            document
                .descendants()
                .filter(|n| n.has_tag_name("entry"))
                .count(),
            0
        );
    }
}
