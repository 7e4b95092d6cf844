//! Counting: from the records through the mapping to counts; and the noise that is drawn ahead of them.

use std::path::PathBuf;

use msht_core::programme::{Period, Programme};
use msht_core::secagg::RoundTerms;
use msht_core::tally::Counts;

use crate::count::{self, CountError};
use crate::error::{Kind, NodeError};
use crate::mapping::{CheckedMapping, Mapping};
use crate::node::Node;
use crate::review::{self, Review};
use crate::source::Source;

/// Where a programme's records are and how they are coded, opened and checked.
struct Opened {
    source: Source,
    mapping: CheckedMapping,
    programme: Programme,
}

fn invalid(error: impl std::fmt::Display) -> NodeError {
    NodeError::new(Kind::Data, error.to_string())
}

fn uncountable(error: &CountError) -> NodeError {
    invalid(error).hint("msht-node check shows what is wrong, place by place")
}

fn open(node: &Node, programme: &Programme) -> Result<Opened, NodeError> {
    let config = node.config.programme(programme.id())?;
    let path: &PathBuf = &config.mapping;
    let text = std::fs::read_to_string(path)
        .map_err(|error| NodeError::file(path, "read the mapping", &error))?;
    let mapping = Mapping::parse(&text).and_then(|mapping| mapping.check(programme));
    let mapping = mapping.map_err(|error| {
        invalid(format!("{}: {error}", path.display()))
            .hint("docs/node.md explains every key of a mapping")
    })?;
    let source = config.source.clone().into_source();
    Ok(Opened {
        source,
        mapping,
        programme: programme.clone(),
    })
}

async fn off_the_async_threads<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, NodeError> + Send + 'static,
) -> Result<T, NodeError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| NodeError::new(Kind::Failure, "counting was interrupted"))?
}

/// How the records of a programme fare, for their owner.
///
/// # Errors
/// [`Kind::Data`] where source, header or mapping are at fault.
pub async fn review(
    node: &Node,
    programme: &Programme,
    period: Option<Period>,
) -> Result<Review, NodeError> {
    let opened = open(node, programme)?;
    off_the_async_threads(move || {
        review::check(&opened.source, &opened.mapping, &opened.programme, period)
            .map_err(|error| invalid(error).hint("correct the file or the mapping it is read with"))
    })
    .await
}

/// The bounded counts of one period; they never leave this process.
///
/// # Errors
/// [`Kind::Data`] where source, header or mapping are at fault, never for a row.
pub async fn counts(
    node: &Node,
    programme: &Programme,
    period: Period,
) -> Result<Counts, NodeError> {
    let opened = open(node, programme)?;
    off_the_async_threads(move || {
        count::count(&opened.source, &opened.mapping, &opened.programme, period)
            .map_err(|error| uncountable(&error))
    })
    .await
}

/// This node's noise for a round, drawn ahead of the counts and kept in the vault; nothing where it was drawn
/// before.
///
/// How long this takes depends on the noise: send nothing that waits for it but on a clock.
///
/// # Errors
/// [`Kind::Configuration`] where the vault does not keep it.
pub async fn draw_noise(node: &Node, terms: &RoundTerms) -> Result<(), NodeError> {
    if node.vault.has_noise(terms.context.round()).await? {
        return Ok(());
    }
    let mut generator = node.surroundings.generator();
    let terms = terms.clone();
    let draw = off_the_async_threads(move || terms.draw_noise(&mut generator).map_err(invalid));
    let draw = draw.await?;
    let mut generator = node.surroundings.generator();
    node.vault.store_noise(&draw, &mut generator).await
}
