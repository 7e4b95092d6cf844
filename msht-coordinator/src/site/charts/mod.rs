//! Charts: pure functions from numbers to SVG text.
//!
//! Drawings have classes and presentation attributes only, no styles, so that they are shown under the site's policy;
//! `assets/chart.css` gives them their colours. Title and description come from the numbers.

pub(super) mod bars;
pub(super) mod beside;
pub(super) mod line;
pub(super) mod london;
pub(super) mod map;
pub(super) mod matrix;
pub(super) mod scale;
pub(super) mod shade;
pub(super) mod text;
