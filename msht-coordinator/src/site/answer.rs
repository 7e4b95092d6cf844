//! Answers with a file in them: validators, so that nothing is sent twice, and the name to keep it under.

use axum::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use msht_core::crypto::digest;

/// Media type of CSV with a header.
pub(super) const CSV: &str = "text/csv; charset=utf-8; header=present";
/// Media type of JSON.
pub(super) const JSON: &str = "application/json";
/// Media type of Parquet.
pub(super) const PARQUET: &str = "application/vnd.apache.parquet";
/// Media type of an Atom feed.
pub(super) const ATOM: &str = "application/atom+xml; charset=utf-8";

/// Hexadecimal digits of a digest in an entity tag; enough that no two versions of a file share one.
const TAG_DIGITS: usize = 32;

/// What is sent.
pub(super) struct Content {
    pub(super) media_type: &'static str,
    pub(super) bytes: Vec<u8>,
    /// Name to keep it under, with its extension; none where a browser should show it.
    pub(super) file_name: Option<String>,
}

/// The answer with `content`, or 304 where the asker has it already. Any origin may read it: it is public, and no
/// cookie or key makes one reader's answer different from another's.
pub(super) fn conditional(headers: &HeaderMap, content: Content) -> Response {
    let digest = digest("site-file", &[&content.bytes]).to_string();
    let digits: String = digest.chars().take(TAG_DIGITS).collect();
    let tag = format!("\"{digits}\"");
    let validators = [
        (ETAG, tag.as_str()),
        (CACHE_CONTROL, "no-cache"),
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    if is_known(headers, &tag) {
        return (StatusCode::NOT_MODIFIED, validators).into_response();
    }
    let kept_as = content.file_name.and_then(|name| {
        let name: String = name.chars().map(plain_character).collect();
        HeaderValue::try_from(format!("attachment; filename=\"{name}\"")).ok()
    });
    let media_type = [(CONTENT_TYPE, content.media_type)];
    let mut response = (validators, media_type, content.bytes).into_response();
    if let Some(kept_as) = kept_as {
        response.headers_mut().insert(CONTENT_DISPOSITION, kept_as);
    }
    response
}

/// Whether the asker has the version with this tag (RFC 9110, section 13.1.2: weak comparison).
pub(super) fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|tags| tags.split(','))
        .map(str::trim)
        .any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}

/// What fits a header and a file system.
fn plain_character(c: char) -> char {
    if c.is_ascii_alphanumeric() || c == '.' {
        c
    } else {
        '-'
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(tags: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(IF_NONE_MATCH, HeaderValue::from_str(tags).unwrap());
        headers
    }

    #[test]
    fn only_the_same_tag_is_known() {
        assert!(is_known(&asked("\"a\", W/\"b\""), "\"b\""));
        assert!(is_known(&asked("*"), "\"b\""));
        assert!(!is_known(&asked("\"a\", b"), "\"b\""));
        assert!(!is_known(&HeaderMap::new(), "\"b\""));
    }

    #[test]
    fn names_fit_a_header_and_a_file_system() {
        let content = |name: &str| Content {
            media_type: CSV,
            bytes: b"x".to_vec(),
            file_name: Some(name.to_owned()),
        };
        let response = conditional(&HeaderMap::new(), content("a/b\"\r\nü.csv"));
        let kept_as = response.headers().get(CONTENT_DISPOSITION).unwrap();
        assert_eq!(kept_as, "attachment; filename=\"a-b----.csv\"");
    }
}
