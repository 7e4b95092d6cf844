//! A database of its own for each world, on the PostgreSQL server that a variable names.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use rand::RngExt;
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::world::finish;

/// The server, as `postgres://user[:password]@host:port/database`; databases are made and dropped from there.
const SERVER: &str = "MSHT_POSTGRES_URL";
/// A program that kills every process of that server at once, as a power cut does, and starts it again.
const CRASH: &str = "MSHT_POSTGRES_CRASH";
const HINT: &str = "tests/postgres/run starts a server and says where it is";

/// Held for reading by whoever could not do without the server just now, and for writing while it crashes.
static SERVER_IN_USE: RwLock<()> = RwLock::new(());

/// Keeps the server from being crashed by a test until it is forgotten: operators' commands fail without a database.
pub(crate) fn in_use() -> RwLockReadGuard<'static, ()> {
    SERVER_IN_USE.read().unwrap_or_else(PoisonError::into_inner)
}

/// Whether [`crash`] can be called.
pub(crate) fn can_crash() -> bool {
    std::env::var_os(CRASH).is_some()
}

/// Crashes the server and waits until it has recovered.
pub(crate) fn crash() {
    let _alone = SERVER_IN_USE.write();
    let program = std::env::var_os(CRASH).map(PathBuf::from);
    let program = program.unwrap_or_else(|| panic!("{CRASH} is not set\nhint: {HINT}"));
    finish(Command::new(program)).ok();
}

/// A fresh database that is dropped when it is forgotten.
pub(crate) struct Database {
    server: String,
    name: String,
}

impl Database {
    pub(crate) fn create() -> Self {
        let _in_use = in_use();
        let server = std::env::var(SERVER);
        let server = server.unwrap_or_else(|_| panic!("{SERVER} is not set\nhint: {HINT}"));
        let name = format!("msht_test_{:016x}", UnwrapErr(SysRng).random::<u64>());
        run(&server, format!("CREATE DATABASE {name}")).unwrap();
        Self { server, name }
    }

    pub(crate) fn url(&self) -> String {
        at(&self.server, &self.name)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let _in_use = in_use();
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        if let Err(why) = run(&self.server, drop) {
            eprintln!("the database {} stays: {why}", self.name);
        }
    }
}

fn run(server: &str, statement: String) -> Result<(), sqlx::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build()?;
    runtime.block_on(async {
        let mut connection = PgConnection::connect(server).await?;
        let statement = sqlx::raw_sql(AssertSqlSafe(statement));
        statement.execute(&mut connection).await?;
        connection.close().await
    })
}

/// The URL of another database of the same server.
fn at(server: &str, name: &str) -> String {
    let (place, options) = match server.split_once('?') {
        Some((place, options)) => (place, format!("?{options}")),
        None => (server, String::new()),
    };
    let (_, authority) = place.split_once("://").unwrap();
    let host = match authority.split_once('/') {
        Some((_, database)) => place.strip_suffix(database).unwrap().trim_end_matches('/'),
        None => place,
    };
    format!("{host}/{name}{options}")
}

#[test]
fn another_database_of_a_server_is_named_by_its_url() {
    for (server, expected) in [
        ("postgres://a@h:1/postgres", "postgres://a@h:1/other"),
        ("postgres://a:b@h:1/", "postgres://a:b@h:1/other"),
        ("postgres://h", "postgres://h/other"),
        (
            "postgres://h/x?sslmode=disable",
            "postgres://h/other?sslmode=disable",
        ),
    ] {
        assert_eq!(at(server, "other"), expected);
    }
}
