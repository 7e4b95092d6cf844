//! Data out: the files of a release, raw and derived, and what their columns mean.

mod derived;
mod dictionary;
mod files;
mod sheet;
mod tables;

pub(super) use derived::Derived;
pub(super) use dictionary::{COLUMNS, ColumnMeaning};
pub(super) use files::{Format, ReleaseFile, release_files};
pub(super) use sheet::whole_json;
