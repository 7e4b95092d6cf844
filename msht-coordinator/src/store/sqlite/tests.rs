//! What only a SQLite file has: pragmas, a path, versions up to the present one.

use sqlx::{AnyConnection, ConnectOptions as _, Connection as _};

use super::*;
use crate::store::{MAX_CONNECTIONS, RoundStateRow, Store};

async fn connected(path: &Path) -> AnyConnection {
    let mut connection = options(path, true).unwrap().connect().await.unwrap();
    set_up(&mut connection).await.unwrap();
    connection
}

#[tokio::test]
async fn a_connection_that_may_lose_what_it_acknowledged_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    sqlx::any::install_default_drivers();
    for (setting, weaker) in [
        ("synchronous", "PRAGMA synchronous = NORMAL"),
        ("journal_mode", "PRAGMA journal_mode = DELETE"),
    ] {
        let mut connection = connected(&path).await;
        sqlx::raw_sql(weaker)
            .execute(&mut connection)
            .await
            .unwrap();
        let refused = check_durability(&mut connection).await.unwrap_err();
        assert!(
            matches!(refused, StoreError::NotDurable { setting: found, .. } if found == setting)
        );
        connection.close().await.unwrap();
    }
    let mut connection = connected(&path).await;
    check_durability(&mut connection).await.unwrap();
}

#[tokio::test]
async fn every_connection_of_the_pool_keeps_what_it_stores() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("s"), true)
        .await
        .unwrap();
    let mut held = Vec::new();
    for _ in 0..MAX_CONNECTIONS {
        let mut connection = store.pool.acquire().await.unwrap();
        check_durability(&mut connection).await.unwrap();
        held.push(connection);
    }
}

#[tokio::test]
async fn a_missing_or_newer_file_is_refused_and_opening_twice_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    assert!(Store::open(&path, false).await.is_err());
    let store = Store::open(&path, true).await.unwrap();
    assert!(store.found(&[("a", b"b")]).await.unwrap());
    store.close().await;
    let store = Store::open(&path, false).await.unwrap();
    assert_eq!(store.meta("a").await.unwrap().as_deref(), Some(&b"b"[..]));
    sqlx::query("PRAGMA user_version = 99")
        .execute(&store.pool)
        .await
        .unwrap();
    store.close().await;
    let newer = Store::open(&path, false).await.unwrap_err();
    assert!(matches!(newer, StoreError::Newer { found: 99, .. }));
}

/// A database as the program of version `version` left it, with a partner, a programme and a round.
async fn database_of(path: &Path, version: usize) {
    sqlx::any::install_default_drivers();
    let mut connection = connected(path).await;
    for migration in &MIGRATIONS[..version] {
        sqlx::raw_sql(*migration)
            .execute(&mut connection)
            .await
            .unwrap();
    }
    sqlx::raw_sql(
        "INSERT INTO meta VALUES ('address', x'61');
         INSERT INTO partners (id, name, kind, key, enrolled_at)
         VALUES ('p1', 'Partner', 'ngo', zeroblob(32), 5);
         INSERT INTO rounds VALUES (zeroblob(32), 1, 'small', '2026-Q3', 1, x'00', 'open', 2, NULL);
         INSERT INTO invitations VALUES (zeroblob(32), 'p1');
         INSERT INTO refused VALUES (zeroblob(32), 'p1', zeroblob(32), 'why');",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_database_of_every_earlier_version_opens_whole_and_is_brought_up_to_date() {
    for version in 1..=MIGRATIONS.len() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        database_of(&path, version).await;
        for _twice in 0..2 {
            let store = Store::open(&path, false).await.unwrap();
            store.check_whole().await.unwrap();
            assert_eq!(store.partners().await.unwrap()[0].partner.id, "p1");
            let round = store.rounds().await.unwrap().remove(0);
            assert_eq!(round.state, RoundStateRow::Open(2));
            assert!(store.is_invited(&round.round, "p1").await.unwrap());
            assert_eq!(store.refused(&round.round).await.unwrap().len(), 1);
            assert!(store.head("p1").await.unwrap().is_none());
            assert!(store.noticed_in(&round.round).await.unwrap().is_empty());
            assert!(store.baselines().await.unwrap().is_empty());
            store.close().await;
        }
    }
}

#[tokio::test]
async fn a_connection_left_in_a_transaction_is_not_used_again() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("s"), true)
        .await
        .unwrap();
    for _ in 0..2 * MAX_CONNECTIONS {
        let mut transaction = store.begin().await.unwrap();
        // What SQLite does by itself when the disk is full.
        sqlx::query("ROLLBACK")
            .execute(&mut *transaction)
            .await
            .unwrap();
        assert!(transaction.commit().await.is_err());
    }
    assert!(store.found(&[("a", b"b")]).await.unwrap());
}

#[tokio::test]
async fn a_path_of_any_signs_is_the_file_that_it_names() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["a b", "50%20", "what?mode=memory", "#1", "ä&=+", "a:b"] {
        let folder = directory.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        let path = folder.join(name);
        let store = Store::open(&path, true).await.unwrap();
        store.close().await;
        assert!(path.is_file(), "{name}");
    }
}
