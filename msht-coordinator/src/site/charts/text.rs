//! Labels broken and cut to the room they have.

/// `label` in at most `most` lines of `width` characters, cut with an ellipsis where it is longer.
pub(in crate::site) fn wrapped(label: &str, width: usize, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in label.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    let is_cut = lines.len() > most;
    lines.truncate(most);
    if let (true, Some(line)) = (is_cut, lines.last_mut()) {
        line.push('…');
    }
    lines.iter().map(|line| cut(line, width)).collect()
}

/// The first `width` characters of `text`, the last an ellipsis where it is longer.
pub(in crate::site) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars()
        .take(width.saturating_sub(1))
        .chain(['…'])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_labels_are_broken_and_cut() {
        assert_eq!(
            wrapped("Labour exploitation", 30, 2),
            ["Labour exploitation"]
        );
        assert_eq!(
            wrapped("one two three four five six", 9, 2),
            ["one two", "three…"]
        );
        assert_eq!(
            wrapped("one two three four five six", 9, 3),
            ["one two", "three", "four five…"].map(|line| cut(line, 9))
        );
        assert_eq!(wrapped("abcdefghij", 5, 2), ["abcd…"]);
        assert_eq!(cut("äöü", 3), "äöü");
    }
}
