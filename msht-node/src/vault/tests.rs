use msht_core::dp::accountant::{Approval, Decision, Ledger, LedgerEntry};
use rand::SeedableRng;
use rand::rngs::StdRng;
use sqlx::ConnectOptions;

use super::*;

fn key() -> Secret {
    Secret::from_bytes([3; 32])
}

fn entry(ledger: &Ledger, by: &str) -> LedgerEntry {
    let approval = Approval {
        programme: "small".to_owned(),
        programme_version: 1,
        round: None,
        decision: Decision::Approved,
        approver: by.to_owned(),
        until: None,
    };
    ledger.decide(approval, 1_790_000_000).unwrap()
}

fn enrolment() -> Enrolment {
    Enrolment {
        partner: "p1".to_owned(),
        name: "Partner".to_owned(),
        address: "localhost:1".to_owned(),
        coordinator: IdentityKey::from_bytes([5; 32]),
    }
}

/// A vault as the program of version `version` left it, with an identity, an enrolment, a decision and a round.
async fn vault_of(path: &Path, version: usize) -> Identity {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    for migration in &MIGRATIONS[..version] {
        sqlx::raw_sql(*migration)
            .execute(&mut connection)
            .await
            .unwrap();
    }
    let mut rng = StdRng::seed_from_u64(1);
    let identity = Identity::generate(&mut rng).unwrap();
    let sealed = seal_at_rest(&key(), b"identity", identity.seed().expose(), &mut rng);
    let enrolled = enrolment();
    for (name, value) in [
        ("identity", sealed.as_slice()),
        ("partner", enrolled.partner.as_bytes()),
        ("name", enrolled.name.as_bytes()),
        ("address", enrolled.address.as_bytes()),
        ("coordinator", enrolled.coordinator.as_bytes()),
    ] {
        sqlx::query("INSERT INTO meta (key, value) VALUES (?, ?)")
            .bind(name)
            .bind(value)
            .execute(&mut connection)
            .await
            .unwrap();
    }
    let json = serde_json::to_string(&entry(&Ledger::default(), "officer")).unwrap();
    sqlx::query("INSERT INTO ledger (sequence, entry) VALUES (1, ?)")
        .bind(json)
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    identity
}

#[tokio::test]
async fn a_vault_of_every_earlier_version_opens_whole_and_is_brought_up_to_date() {
    for version in 1..=MIGRATIONS.len() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vault.sqlite");
        let identity = vault_of(&path, version).await;
        for _twice in 0..2 {
            let vault = Vault::open(&path, key()).await.unwrap();
            vault.check_whole().await.unwrap();
            assert_eq!(
                vault.identity().await.unwrap().unwrap().key(),
                identity.key()
            );
            assert_eq!(vault.enrolment().await.unwrap().partner, "p1");
            assert_eq!(vault.ledger().await.unwrap().length(), 1);
            assert!(vault.state().await.unwrap().enrolment.is_none());
            let found: i64 = sqlx::query("PRAGMA user_version")
                .fetch_one(vault.pool())
                .await
                .unwrap()
                .get(0);
            assert_eq!(usize::try_from(found).unwrap(), MIGRATIONS.len());
            vault.close().await;
        }
    }
}

#[tokio::test]
async fn a_newer_vault_and_another_key_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault.sqlite");
    vault_of(&path, 1).await;
    let other = Vault::open(&path, Secret::from_bytes([4; 32]))
        .await
        .unwrap();
    assert!(other.identity().await.is_err());
    sqlx::query("PRAGMA user_version = 99")
        .execute(other.pool())
        .await
        .unwrap();
    other.close().await;
    let Err(error) = Vault::open(&path, key()).await else {
        panic!("a newer vault was opened");
    };
    assert!(error.message.contains("version 99"), "{error}");
}

/// Lets the database have so many pages and no more, on every connection; returns how many it has.
async fn limit_pages(vault: &Vault, most: i64) -> i64 {
    let mut held = Vec::new();
    let mut pages = 0;
    for _ in 0..2 {
        held.push(vault.pool().acquire().await.unwrap());
    }
    for connection in &mut held {
        pages = sqlx::query("PRAGMA page_count")
            .fetch_one(&mut **connection)
            .await
            .unwrap()
            .get(0);
        let limit = format!("PRAGMA max_page_count = {most}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(limit))
            .execute(&mut **connection)
            .await
            .unwrap();
    }
    pages
}

#[tokio::test]
async fn a_full_disk_loses_nothing_that_was_stored_and_the_vault_goes_on_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault.sqlite");
    vault_of(&path, 1).await;
    let vault = Vault::open(&path, key()).await.unwrap();
    let full = limit_pages(&vault, i64::from(u32::MAX)).await + 2;
    let mut stored = 1;
    let mut failures = 0;
    // Entries of some hundred bytes each: a handful fits a page.
    for number in 0..200 {
        // A connection that met the full disk is not used again; the next one meets it as well.
        let room = if failures < 5 { full } else { 10 * full };
        limit_pages(&vault, room).await;
        let mut writing = vault.write().await.unwrap();
        let ledger = vault.ledger_in(&mut writing).await.unwrap();
        assert_eq!(ledger.length(), stored);
        let entry = entry(&ledger, &format!("officer {number}"));
        let kept = match vault.append(&mut writing, &entry).await {
            Ok(()) => writing.commit().await.map_err(NodeError::from),
            Err(error) => Err(error),
        };
        match kept {
            Ok(()) => stored += 1,
            Err(error) => {
                assert!(
                    error.hint.unwrap().contains("free space"),
                    "{}",
                    error.message
                );
                failures += 1;
            }
        }
    }
    assert!(
        failures == 5 && stored > 100,
        "{failures} failures, {stored} stored"
    );
    vault.close().await;
    let vault = Vault::open(&path, key()).await.unwrap();
    assert_eq!(vault.ledger().await.unwrap().length(), stored);
}
