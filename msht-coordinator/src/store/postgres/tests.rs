//! What only a server has: settings that lose what was stored, replicas that start at once, leases that run out.

use std::time::Duration;

use sqlx::{AnyConnection, Connection as _};

use super::*;
use crate::store::Store;
use crate::store::testing::{needed_database, with_round};

async fn connected(url: &DatabaseUrl) -> AnyConnection {
    sqlx::any::install_default_drivers();
    let mut connection = AnyConnection::connect_with(&url.options()).await.unwrap();
    set_up(&mut connection).await.unwrap();
    connection
}

#[tokio::test]
#[ignore = "needs PostgreSQL: tests/postgres/run"]
async fn a_connection_that_may_lose_what_it_acknowledged_is_refused_on_postgres() {
    let url = needed_database().await;
    let mut connection = connected(&url).await;
    check_durability(&mut connection).await.unwrap();
    sqlx::raw_sql("SET synchronous_commit = 'off'")
        .execute(&mut connection)
        .await
        .unwrap();
    let refused = check_durability(&mut connection).await.unwrap_err();
    assert!(matches!(
        refused,
        StoreError::NotDurable {
            setting: "synchronous_commit",
            ..
        }
    ));
    // What the owner of the server set weaker for everybody is set right for this session.
    set_up(&mut connection).await.unwrap();
    check_durability(&mut connection).await.unwrap();
}

#[tokio::test]
#[ignore = "needs PostgreSQL: tests/postgres/run"]
async fn replicas_that_start_at_once_make_the_tables_once_on_postgres() {
    let url = needed_database().await;
    let mut opening = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let url = url.clone();
        opening.spawn(async move { Store::open_at(&url).await.map(drop) });
    }
    while let Some(opened) = opening.join_next().await {
        opened.unwrap().unwrap();
    }
    let mut connection = connected(&url).await;
    sqlx::raw_sql("UPDATE schema_version SET version = 99")
        .execute(&mut connection)
        .await
        .unwrap();
    let newer = Store::open_at(&url).await.unwrap_err();
    assert!(matches!(newer, StoreError::Newer { found: 99, .. }));
}

#[tokio::test]
#[ignore = "needs PostgreSQL: tests/postgres/run"]
async fn a_lease_is_waited_for_while_it_beats_and_taken_over_when_it_does_not_on_postgres() {
    let url = needed_database().await;
    let store = Store::open_at(&url).await.unwrap();
    let round = with_round(&store).await;
    let held = store.take_lease(&round).await.unwrap().unwrap();
    let beating = {
        let store = store.clone();
        tokio::spawn(async move {
            loop {
                store.beat(&held).await.unwrap();
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        })
    };
    let refused = store.take_lease(&round).await;
    assert!(matches!(refused, Err(StoreError::Busy)));
    beating.abort();
    let taken = store.take_lease(&round).await.unwrap().unwrap();
    let mut transaction = store.begin().await.unwrap();
    let overtaken = Store::fence_in(&mut transaction, &held).await;
    assert!(matches!(overtaken, Err(StoreError::Overtaken)));
    Store::fence_in(&mut transaction, &taken).await.unwrap();
}

#[tokio::test]
#[ignore = "needs PostgreSQL: tests/postgres/run"]
async fn a_writer_that_stops_in_the_middle_does_not_hold_the_others_up_for_ever_on_postgres() {
    let url = needed_database().await;
    let stopped = Store::open_at(&url).await.unwrap();
    let other = Store::open_at(&url).await.unwrap();
    // As a replica behind a cut cable: its connection stays, and nothing comes over it any more.
    let held = stopped.begin().await.unwrap();
    let began = std::time::Instant::now();
    while other.begin().await.is_err() {
        assert!(
            began.elapsed() < 4 * BUSY_TIMEOUT,
            "the lock is never given up"
        );
    }
    drop(held);
}
