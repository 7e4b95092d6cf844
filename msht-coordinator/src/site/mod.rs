//! The dashboard: pages, charts and files, all rendered from published releases and from nothing else.
//!
//! Everything is HTML, CSS and static SVG under a content security policy that allows nothing of any other origin.
//! One small script adds tooltips and sorting; nothing needs it. Each number stands beside its interval, and a number
//! that cannot be told from zero says so.
//!
//! `selection` reads what an address asks for, `pages` has a module a page, `charts` turns numbers into SVG, `figure`
//! is a chart with its finding, key, table and files, and `frame` is what stands around a page.

mod address;
mod answer;
mod api;
mod calendar;
mod catalogue;
mod cells;
mod changes;
mod charts;
#[cfg(test)]
mod contrast;
mod data;
mod embed;
mod estimates;
mod feed;
mod figure;
mod figure_files;
mod finding;
#[cfg(test)]
mod fixture;
mod frame;
mod largest;
mod numbers;
mod pages;
mod privacy;
mod query;
mod routes;
mod selection;
mod series;
mod shape;
mod sums;
mod tables;
#[cfg(test)]
mod tests;

pub use catalogue::{Catalogue, MisshapenTable, ProgrammeReleases, Published};
pub use routes::{SiteState, router};
