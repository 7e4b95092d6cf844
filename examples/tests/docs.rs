//! What the docs show is what the examples run.

const EXAMPLE: &str = include_str!("../embed.rs");
const PAGE: &str = include_str!("../../docs/README.md");
const MARK: &str = "    // [docs]\n";

#[test]
fn the_first_page_shows_the_embed_example_as_it_is() {
    let shown = EXAMPLE.split(MARK).nth(1).unwrap();
    let lines = shown
        .lines()
        .map(|line| line.strip_prefix("    ").unwrap_or(line));
    let code = lines.collect::<Vec<_>>().join("\n");
    let block = format!("```rust\n{}\n```\n", code.trim_end());
    assert!(
        PAGE.contains(&block),
        "copy the part between the marks of examples/embed.rs to docs/README.md:\n{block}"
    );
}
