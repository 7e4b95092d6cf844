//! Two replicas of one coordinator on one PostgreSQL database.

use msht_core::release::from_json;
use msht_core::secagg::messages::Phase;
use msht_core::wire::Item;

use super::client::{Client, Node};
use super::*;
use crate::store::testing::needed_database;
use crate::{DatabaseUrl, Error, RoundEnd, RoundStage};

fn settings() -> Settings {
    Settings {
        address: "localhost:7843".to_owned(),
        title: "Test".to_owned(),
    }
}

/// A coordinator in `data` and a replica of it in `other`, on the database.
async fn replicas(
    (data, other): (&Path, &Path),
    database: &DatabaseUrl,
    clock: &TestClock,
) -> [Coordinator; 2] {
    let clock = clock.as_clock();
    let joined = database;
    let mut rng = rng(1);
    let database = Some(database);
    let made = Coordinator::create_in(data, None, database, settings(), clock.clone(), &mut rng);
    let first = made.await.unwrap();
    std::fs::copy(data.join("coordinator.key"), other.join("coordinator.key")).unwrap();
    let second = Coordinator::join(other, None, joined, clock).await;
    [first, second.unwrap()]
}

async fn stage_of(coordinator: &Coordinator, round: &msht_core::crypto::Digest) -> RoundStage {
    coordinator.round_status(round).await.unwrap().stage
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: tests/postgres/run"]
async fn two_replicas_work_on_one_round_in_every_phase_on_postgres() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let database = needed_database().await;
    let clock = TestClock::new();
    let replicas = replicas((one.path(), two.path()), &database, &clock).await;
    replicas[0].publish_programme(PROGRAMME).await.unwrap();
    let identities = enrolled(&replicas[1], 4).await;
    let running = [
        started(&replicas[0], None).await,
        started(&replicas[1], None).await,
    ];
    let addresses = [running[0].quic_addr(), running[1].quic_addr()];
    let round = replicas[1].open_round(&request("2026-Q3")).await.unwrap();
    let mut nodes = Vec::new();
    for (identity, number) in identities.iter().zip(1..) {
        let client = Client::connect(identity, replicas[0].key(), addresses[0]).await;
        let id = format!("p{number}");
        let session = client.session(round, &id, &[number, 1, 1]).await;
        nodes.push(Node { client, session });
    }
    for (phase, first) in Phase::ALL.into_iter().zip(0..) {
        // Each of them takes every other message, and the one that begins is another in each phase.
        for (node, turn) in nodes.iter_mut().zip(first..) {
            node.client.reconnect(addresses[turn % 2]).await;
            node.send(phase).await;
            if let RoundStage::Collecting {
                phase: open,
                received,
                ..
            } = stage_of(&replicas[(turn + 1) % 2], &round).await
            {
                let taken = turn - first + 1;
                assert!(
                    open > phase || received.len() == taken,
                    "the other replica sees {received:?} of {open:?}"
                );
            }
        }
    }
    let mut seen = Vec::new();
    for (replica, node) in replicas.iter().zip(&nodes) {
        let RoundEnd::Released { digest, json } = replica.wait_for_end(&round).await.unwrap()
        else {
            panic!("the round was given up");
        };
        assert_eq!(node.client.fetch(Item::Release(round)).await.unwrap(), json);
        let release = from_json(&json).unwrap();
        let release = release.verify_release(&Default::default()).unwrap();
        assert_eq!(release.tables[0].raw, [10]);
        assert!(replica.store().records(&round, 0).await.unwrap().is_empty());
        seen.push(digest);
    }
    assert_eq!(seen[0], seen[1]);
    for running in running {
        running.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: tests/postgres/run"]
async fn a_command_given_at_one_replica_closes_one_phase_once_on_postgres() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let database = needed_database().await;
    let clock = TestClock::new();
    let replicas = replicas((one.path(), two.path()), &database, &clock).await;
    replicas[0].publish_programme(PROGRAMME).await.unwrap();
    let identities = enrolled(&replicas[0], 4).await;
    let running = [
        started(&replicas[0], None).await,
        started(&replicas[1], None).await,
    ];
    let round = replicas[0].open_round(&request("2026-Q3")).await.unwrap();
    for (identity, number) in identities.iter().take(3).zip(1..) {
        let address = running[number % 2].quic_addr();
        let client = Client::connect(identity, replicas[0].key(), address).await;
        let session = client
            .session(round, &format!("p{number}"), &[1, 1, 1])
            .await;
        Node { client, session }.send(Phase::Join).await;
    }
    // Both look for commands four times a second.
    replicas[1].close_phase(&round).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    for replica in &replicas {
        match stage_of(replica, &round).await {
            RoundStage::Collecting { phase, .. } => assert_eq!(phase, Phase::Share),
            other => panic!("closed more than once: {other:?}"),
        }
    }
    for running in running {
        running.shutdown().await;
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: tests/postgres/run"]
async fn a_replica_is_made_only_with_the_key_and_of_a_coordinator_on_postgres() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let database = needed_database().await;
    let clock = TestClock::new();
    let join = || Coordinator::join(two.path(), None, &database, clock.as_clock());
    assert!(matches!(join().await, Err(Error::Key(_))));
    let key = two.path().join("coordinator.key");
    let other = tempfile::tempdir().unwrap();
    let stranger =
        Coordinator::create(other.path(), settings(), clock.as_clock(), &mut rng(3)).await;
    stranger.unwrap().close().await;
    std::fs::copy(other.path().join("coordinator.key"), &key).unwrap();
    assert!(matches!(join().await, Err(Error::NothingToJoin)));
    let create = |data: &Path| {
        let data = data.to_owned();
        let (database, clock) = (database.clone(), clock.as_clock());
        async move {
            let database = Some(&database);
            Coordinator::create_in(&data, None, database, settings(), clock, &mut rng(1)).await
        }
    };
    let first = create(one.path()).await.unwrap();
    let third = tempfile::tempdir().unwrap();
    assert!(matches!(
        create(third.path()).await,
        Err(Error::DatabaseInUse)
    ));
    assert_eq!(std::fs::read_dir(third.path()).unwrap().count(), 0);
    assert!(matches!(join().await, Err(Error::WrongKeyFile(_))));
    assert!(!two.path().join("database.url").exists());
    std::fs::copy(one.path().join("coordinator.key"), &key).unwrap();
    let second = join().await.unwrap();
    assert_eq!(second.key(), first.key());
    assert!(matches!(join().await, Err(Error::AlreadyExists(_))));
    let file = third.path().join("copy");
    assert!(matches!(second.back_up(&file).await, Err(Error::OnAServer)));
    let restored = Coordinator::restore(two.path(), None, &file, true, clock.as_clock()).await;
    assert!(matches!(restored, Err(Error::OnAServer)));
    let again = Coordinator::open(two.path(), clock.as_clock())
        .await
        .unwrap();
    assert_eq!(again.settings(), first.settings());
}

#[tokio::test]
#[ignore = "needs PostgreSQL: tests/postgres/run"]
async fn a_replica_that_was_left_running_notices_the_new_key_on_postgres() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let database = needed_database().await;
    let clock = TestClock::new();
    let [first, second] = replicas((one.path(), two.path()), &database, &clock).await;
    second.check_key().await.unwrap();
    let rotated = first.rotate_key(&mut rng(5)).await.unwrap();
    assert!(matches!(second.check_key().await, Err(Error::KeyReplaced)));
    let anew = Coordinator::open(two.path(), clock.as_clock())
        .await
        .unwrap();
    assert_eq!(anew.key(), rotated.key());
}
