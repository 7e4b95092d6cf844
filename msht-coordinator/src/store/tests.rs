//! What both databases do alike; on PostgreSQL where `MSHT_POSTGRES_URL` names a server.

use msht_core::secagg::coordinator::CoordinatorRecord;
use msht_core::secagg::messages::Phase;

use super::testing::{empty_store, with_round};
use super::*;

#[tokio::test]
async fn a_coordinator_is_founded_once() {
    let directory = tempfile::tempdir().unwrap();
    let store = empty_store(directory.path()).await;
    assert!(store.found(&[("a", b"1"), ("b", b"2")]).await.unwrap());
    assert!(!store.found(&[("c", b"3"), ("b", b"4")]).await.unwrap());
    assert_eq!(store.meta("b").await.unwrap().as_deref(), Some(&b"2"[..]));
    assert_eq!(store.meta("c").await.unwrap(), None);
}

#[tokio::test]
async fn writers_take_turns_and_lose_nothing() {
    const WRITERS: u64 = 3;
    const WRITES: u64 = 10;
    let directory = tempfile::tempdir().unwrap();
    let store = empty_store(directory.path()).await;
    let before = store.news_number().await.unwrap();
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..WRITERS {
        let store = store.clone();
        writers.spawn(async move {
            for _ in 0..WRITES {
                let mut transaction = store.begin().await.unwrap();
                // Reads and writes in two statements: only the lock keeps others out in between.
                let row = sqlx::query("SELECT number FROM news").fetch_one(&mut *transaction);
                let number: i64 = first(&row.await.unwrap()).unwrap();
                tokio::task::yield_now().await;
                sqlx::query("UPDATE news SET number = $1")
                    .bind(number + 1)
                    .execute(&mut *transaction)
                    .await
                    .unwrap();
                transaction.commit().await.unwrap();
            }
        });
    }
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }
    let after = store.news_number().await.unwrap();
    assert_eq!(after, before + WRITERS * WRITES);
}

#[tokio::test]
async fn what_a_dropped_transaction_did_is_undone() {
    let directory = tempfile::tempdir().unwrap();
    let store = empty_store(directory.path()).await;
    let before = store.news_number().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    raise_news(&mut transaction).await.unwrap();
    drop(transaction);
    assert_eq!(store.news_number().await.unwrap(), before);
}

#[tokio::test]
async fn a_damaged_value_is_named_and_not_shown() {
    let directory = tempfile::tempdir().unwrap();
    let store = empty_store(directory.path()).await;
    with_round(&store).await;
    sqlx::query("INSERT INTO partners VALUES ('p1', 'One', 'ngo', $1, 5)")
        .bind(b"geheim".as_slice())
        .execute(&store.pool)
        .await
        .unwrap();
    let damaged = store.partners().await.unwrap_err();
    assert!(matches!(damaged, StoreError::Damaged("key")));
    let row = sqlx::query("SELECT key FROM partners").fetch_one(&store.pool);
    let wrong_kind = get::<i64>(&row.await.unwrap(), "key").unwrap_err();
    assert!(!format!("{wrong_kind:?} {wrong_kind}").contains("geheim"));
}

#[tokio::test]
async fn only_the_latest_holder_of_a_lease_stores_anything() {
    let directory = tempfile::tempdir().unwrap();
    let store = empty_store(directory.path()).await;
    let round = with_round(&store).await;
    let record = [CoordinatorRecord::Closed(Phase::Join)];
    let slow = store.take_lease(&round).await.unwrap().unwrap();
    store
        .append_records(&slow, &round, 0, &record, Phase::Share)
        .await
        .unwrap();
    // Without a beat it is taken over, on SQLite at once: the lock of the directory says that nobody else is there.
    let quick = store.take_lease(&round).await.unwrap().unwrap();
    assert_ne!(slow, quick);
    store.beat(&slow).await.unwrap();
    store.give_back(&slow).await.unwrap();
    let late = store
        .append_records(&slow, &round, 1, &record, Phase::Mask)
        .await;
    assert!(matches!(late, Err(StoreError::Overtaken)));
    let late = store.finish_with_abort(&slow, &round, b"notice", &[]).await;
    assert!(matches!(late, Err(StoreError::Overtaken)));
    assert_eq!(store.next_sequence(&round).await.unwrap(), 1);
    store
        .append_records(&quick, &round, 1, &record, Phase::Mask)
        .await
        .unwrap();
    assert_eq!(store.records(&round, 1).await.unwrap().len(), 1);
    store
        .finish_with_abort(&quick, &round, b"notice", &[])
        .await
        .unwrap();
    assert_eq!(store.next_sequence(&round).await.unwrap(), 0);
    assert!(store.take_lease(&round).await.unwrap().is_none());
}

#[tokio::test]
async fn a_command_is_taken_once() {
    let directory = tempfile::tempdir().unwrap();
    let store = empty_store(directory.path()).await;
    let round = with_round(&store).await;
    let id = store.add_command(&round, Action::Close).await.unwrap();
    assert_eq!(
        store.command_outcome(id).await.unwrap(),
        CommandOutcome::Waiting
    );
    assert_eq!(store.waiting_commands().await.unwrap().len(), 1);
    assert!(store.take_command(id).await.unwrap());
    assert!(!store.take_command(id).await.unwrap());
    assert!(store.waiting_commands().await.unwrap().is_empty());
    assert_eq!(
        store.command_outcome(id).await.unwrap(),
        CommandOutcome::Taken
    );
    store.answer_command(id, "").await.unwrap();
    assert_eq!(
        store.command_outcome(id).await.unwrap(),
        CommandOutcome::Done
    );
    let next = store.add_command(&round, Action::Abort).await.unwrap();
    store.answer_command(next, "why").await.unwrap();
    let failed = CommandOutcome::Failed("why".to_owned());
    assert_eq!(store.command_outcome(next).await.unwrap(), failed);
}
