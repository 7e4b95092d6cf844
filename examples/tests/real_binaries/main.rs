//! The programs as people run them: separate processes, loopback, signals, files on disk.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail the test, as clippy.toml allows in the tests themselves"
)]

mod bad_input;
mod canary;
mod capture;
mod chaos;
mod charges;
mod flood;
mod governance;
mod inside;
mod machine;
mod namespaces;
mod needles;
mod output;
mod planted;
mod postgres;
mod relay;
mod replicas;
mod rounds;
mod several;
mod storage;
mod verdict;
mod world;
