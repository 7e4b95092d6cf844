//! Databases for tests: a SQLite file, or a fresh database on the server that `MSHT_POSTGRES_URL` names.

use std::path::Path;

use msht_core::crypto::{Digest, digest};
use rand::Rng;
use sqlx::{AnyConnection, Connection as _};

use super::{DatabaseUrl, NewRound, Store};
use crate::random::system_rng;

/// Names a PostgreSQL server's database from which others can be made.
const SERVER_VARIABLE: &str = "MSHT_POSTGRES_URL";

/// A fresh database on the server that the environment names, if it names one.
pub(crate) async fn fresh_database() -> Option<DatabaseUrl> {
    let server = std::env::var(SERVER_VARIABLE).ok()?;
    sqlx::any::install_default_drivers();
    let mut connection = AnyConnection::connect(&server).await.unwrap();
    let name = format!("msht_test_{:016x}", system_rng().unwrap().next_u64());
    let create = format!("CREATE DATABASE {name}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(create))
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    let url: DatabaseUrl = server.parse().unwrap();
    let mut url = url.options().database_url;
    url.set_path(&name);
    Some(url.as_str().parse().unwrap())
}

/// The same; for tests that are about PostgreSQL and nothing else.
pub(crate) async fn needed_database() -> DatabaseUrl {
    let database = fresh_database().await;
    database.expect(
        "MSHT_POSTGRES_URL must name a PostgreSQL server: run tests/postgres/run, which starts one",
    )
}

/// An empty store: on the server where the environment names one, else in a file in `directory`.
pub(crate) async fn empty_store(directory: &Path) -> Store {
    match fresh_database().await {
        Some(url) => Store::open_at(&url).await.unwrap(),
        None => Store::open(&directory.join("s"), true).await.unwrap(),
    }
}

/// Stores an open round of one partner.
pub(crate) async fn with_round(store: &Store) -> Digest {
    let round = digest("test", &[b"round"]);
    let new = NewRound {
        round,
        programme: "small",
        period: "2026-Q3",
        attempt: 1,
        announcement: b"announcement",
        invited: &["p1".to_owned()],
    };
    let mut transaction = store.begin().await.unwrap();
    Store::add_round_in(&mut transaction, &new).await.unwrap();
    transaction.commit().await.unwrap();
    round
}
