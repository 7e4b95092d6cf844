//! The query of an address: what a form of the site sends, and what its links carry.

use std::collections::BTreeMap;

/// Longest query that is read; the site's own are far below it.
const MOST_QUERY_BYTES: usize = 2_000;

/// Names and values; of a name given twice the last value counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Query(BTreeMap<String, String>);

impl Query {
    /// The query in `text`, without its question mark; one that is too long is as good as none.
    pub(super) fn parse(text: Option<&str>) -> Self {
        let text = text.filter(|text| text.len() <= MOST_QUERY_BYTES);
        let pairs = form_urlencoded::parse(text.unwrap_or_default().as_bytes());
        Self(pairs.into_owned().collect())
    }

    /// The value under `name`; an empty one is none.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name).map(String::as_str);
        value.filter(|value| !value.is_empty())
    }
}

impl Query {
    /// Every name and its value; empty values are left out.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.0.iter();
        pairs
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .filter(|(_, value)| !value.is_empty())
    }
}

/// `path` with these names and values as its query, in their order.
pub(super) fn with_query(path: &str, pairs: &[(&str, &str)]) -> String {
    if pairs.is_empty() {
        return path.to_owned();
    }
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs);
    format!("{path}?{}", query.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_link_carries_is_what_is_read() {
        let address = with_query("/trends", &[("table", "a&b=\"ü "), ("programme", "x")]);
        let query = Query::parse(address.split_once('?').map(|(_, query)| query));
        assert_eq!(query.value("table"), Some("a&b=\"ü "));
        assert_eq!(query.value("programme"), Some("x"));
        assert_eq!(query.value("period"), None);
    }

    #[test]
    fn empty_values_and_overlong_queries_are_none() {
        assert_eq!(Query::parse(Some("table=&x=1")).value("table"), None);
        let long = format!("x=1&y={}", "a".repeat(MOST_QUERY_BYTES));
        assert_eq!(Query::parse(Some(&long)), Query::default());
        assert_eq!(Query::parse(Some("%FF=%00&&=")).value("x"), None);
    }
}
