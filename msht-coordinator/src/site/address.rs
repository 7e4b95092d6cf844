//! Addresses of pages and files; `routes` answers them.

use std::fmt::Write;

use msht_core::crypto::Digest;

/// Name of the file with the signed release.
pub(super) const RELEASE_FILE: &str = "release.json";
/// Name of the file with every table.
const TABLES_FILE: &str = "tables.csv";
/// Where the feed of releases is.
pub(super) const FEED: &str = "/feed.atom";

pub(super) fn programme(id: &str) -> String {
    format!("/programmes/{}", segment(id))
}

pub(super) fn period(programme_id: &str, period: &str) -> String {
    format!("{}/{}", programme(programme_id), segment(period))
}

pub(super) fn release_json(round: &Digest) -> String {
    format!("/releases/{round}/{RELEASE_FILE}")
}

pub(super) fn tables_csv(round: &Digest) -> String {
    format!("/releases/{round}/{TABLES_FILE}")
}

pub(super) fn table_csv(round: &Digest, table: &str) -> String {
    format!("/releases/{round}/{}.csv", segment(table))
}

/// A file of a release by its name.
pub(super) fn release_file(round: &Digest, name: &str) -> String {
    format!("/releases/{round}/{}", segment(name))
}

/// A release in the API.
pub(super) fn api_release(round: &Digest) -> String {
    format!("/api/v1/releases/{round}")
}

/// The numbers of a table in the API.
pub(super) fn api_table(round: &Digest, table: &str) -> String {
    format!("/api/v1/releases/{round}/tables/{}", segment(table))
}

/// The chart of a table for other sites.
pub(super) fn embed(programme_id: &str, table: &str) -> String {
    format!("/embed/{}/{}", segment(programme_id), segment(table))
}

/// `text` as one segment of a path: all but letters, digits, `-`, `_` and `.` percent-encoded.
fn segment(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_ids_stay_inside_their_segment() {
        assert_eq!(programme("pan-london"), "/programmes/pan-london");
        assert_eq!(period("a/b?\"", "é"), "/programmes/a%2Fb%3F%22/%C3%A9");
    }
}
