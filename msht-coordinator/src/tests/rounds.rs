//! Whole rounds over real QUIC on loopback.

use msht_core::crypto::Digest;
use msht_core::programme::Programme;
use msht_core::release::{Expectations, from_json};
use msht_core::secagg::messages::Phase;
use msht_core::wire::{Item, Request, Response, RoundState};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::client::{Client, Node, settle};
use super::*;
use crate::{Error, RoundEnd, RoundStage};

pub(super) async fn nodes_of(
    coordinator: &Coordinator,
    running: &Running,
    identities: &[Arc<Identity>],
    round: Digest,
) -> Vec<Node> {
    let mut nodes = Vec::new();
    for (identity, number) in identities.iter().zip(1..) {
        let client = Client::connect(identity, coordinator.key(), running.quic_addr()).await;
        let values = [number, 10 * number, -number];
        let id = format!("p{number}");
        let session = client.session(round, &id, &values).await;
        nodes.push(Node { client, session });
    }
    nodes
}

async fn phase_of(coordinator: &Coordinator, round: &Digest) -> Phase {
    match coordinator.round_status(round).await.unwrap().stage {
        RoundStage::Collecting { phase, .. } => phase,
        other => panic!("the round is not open but {other:?}"),
    }
}

async fn released(coordinator: &Coordinator, round: &Digest) -> (Digest, Vec<u8>) {
    // The test clock may stand still, so the wait needs a guard of its own.
    let guard = std::time::Duration::from_secs(120);
    let end = tokio::time::timeout(guard, coordinator.wait_for_end(round)).await;
    match end.unwrap().unwrap() {
        RoundEnd::Released { digest, json } => (digest, json),
        RoundEnd::Aborted(abort) => panic!("aborted: {abort:?}"),
    }
}

async fn get(address: SocketAddr, path: &str) -> Vec<u8> {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_partners_make_verified_chained_releases() {
    let directory = tempfile::tempdir().unwrap();
    let coordinator = created(directory.path(), &TestClock::new()).await;
    coordinator.publish_programme(PROGRAMME).await.unwrap();
    let identities = enrolled(&coordinator, 3).await;
    let running = started(&coordinator, None).await;
    let programme = Programme::parse(PROGRAMME).unwrap();
    let mut previous = None;
    let mut files = Vec::new();
    for period in ["2026-Q1", "2026-Q2"] {
        let round = coordinator.open_round(&request(period)).await.unwrap();
        let mut nodes = nodes_of(&coordinator, &running, &identities, round).await;
        settle(&mut nodes).await;
        let (digest, json) = released(&coordinator, &round).await;
        for node in &nodes {
            let fetched = node.client.fetch(Item::Release(round)).await.unwrap();
            assert_eq!(fetched, json);
            let expectations = Expectations {
                coordinator: Some(coordinator.key()),
                handovers: &[],
                previous: Some(previous),
                programme: Some(&programme),
                confirmed: node.session.confirmed(),
            };
            let release = from_json(&fetched).unwrap();
            let release = release.verify_release(&expectations).unwrap();
            assert_eq!(release.digest(), digest);
            let raw: Vec<&[i64]> = release.tables.iter().map(|t| t.raw.as_slice()).collect();
            assert_eq!(raw, [&[6][..], &[60, -6]]);
        }
        // C7: nothing of one partner is left.
        assert!(
            coordinator
                .store()
                .records(&round, 0)
                .await
                .unwrap()
                .is_empty()
        );
        let again = coordinator.open_round(&request(period)).await;
        assert!(matches!(again, Err(Error::AlreadyReleased { .. })));
        previous = Some(digest);

        let state = news_of(&nodes[0].client, 0).await.1;
        assert_eq!(state.last(), Some(&(round, RoundState::Released)));
        let site = running.site_addr().unwrap();
        // The site follows within a tick; asking is bounded, not timed.
        let path = format!("/releases/{round}/release.json");
        let mut served = false;
        for _ in 0..100 {
            served = get(site, &path).await.ends_with(&json);
            if served {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        assert!(served, "the site never showed the release");
        files.push(json);
    }
    running.shutdown().await;
    verify_as_a_reader_does(directory.path(), &coordinator, &files).await;
}

/// The `verify` command on the two files, right and wrong.
async fn verify_as_a_reader_does(directory: &Path, coordinator: &Coordinator, files: &[Vec<u8>]) {
    let path = |name: &str| directory.join(name).to_str().unwrap().to_owned();
    let (first, second, changed) = (path("1.json"), path("2.json"), path("3.json"));
    std::fs::write(&first, &files[0]).unwrap();
    std::fs::write(&second, &files[1]).unwrap();
    let text = String::from_utf8(files[1].clone()).unwrap();
    std::fs::write(&changed, text.replacen("-6", "-7", 1)).unwrap();
    let programme = path("programme.toml");
    std::fs::write(&programme, PROGRAMME).unwrap();
    let ours = coordinator.key().fingerprint().to_string();
    let other = identity(5).key().fingerprint().to_string();
    let verify = |file: &str, coordinator: &str, previous: &str| {
        let line = [
            "verify",
            file,
            "--coordinator",
            coordinator,
            "--previous",
            previous,
        ];
        let line: Vec<String> = line.map(str::to_owned).to_vec();
        let programme = ["--programme".to_owned(), programme.clone()];
        async move {
            let line: Vec<&str> = line.iter().chain(&programme).map(String::as_str).collect();
            crate::cli::run_line(&line)
                .await
                .map_err(|error| error.kind())
        }
    };
    let invalid = Err(crate::ErrorKind::DataInvalid);
    assert_eq!(verify(&second, &ours, &first).await, Ok(()));
    assert_eq!(verify(&second, &ours, &second).await, invalid);
    assert_eq!(verify(&second, &other, &first).await, invalid);
    assert_eq!(verify(&changed, &ours, &first).await, invalid);
}

async fn news_of(client: &Client, seen: u64) -> (u64, Vec<(Digest, RoundState)>) {
    match client.ask(&Request::Poll { seen }).await {
        Response::News { number, rounds, .. } => (
            number,
            rounds.iter().map(|each| (each.round, each.state)).collect(),
        ),
        other => panic!("poll answered with {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coordinator_that_restarts_in_every_phase_still_ends_right() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let mut coordinator = created(directory.path(), &clock).await;
    coordinator.publish_programme(PROGRAMME).await.unwrap();
    let identities = enrolled(&coordinator, 4).await;
    let mut running = started(&coordinator, None).await;
    let round = coordinator.open_round(&request("2026-Q3")).await.unwrap();
    let mut nodes = nodes_of(&coordinator, &running, &identities, round).await;
    for phase in Phase::ALL {
        assert_eq!(phase_of(&coordinator, &round).await, phase);
        // Two of four have sent their message when the coordinator stops.
        for node in &mut nodes[..2] {
            node.send(phase).await;
        }
        let address = running.quic_addr();
        running.shutdown().await;
        coordinator.close().await;
        coordinator = Coordinator::open(directory.path(), clock.as_clock())
            .await
            .unwrap();
        running = started(&coordinator, Some(address)).await;
        match coordinator.round_status(&round).await.unwrap().stage {
            RoundStage::Collecting {
                phase: open,
                received,
                ..
            } => assert_eq!(
                (open, received.len()),
                (phase, 2),
                "what was stored is there"
            ),
            other => panic!("the round is not open but {other:?}"),
        }
        for node in &mut nodes {
            node.client.reconnect(running.quic_addr()).await;
        }
        for node in &mut nodes[2..] {
            node.send(phase).await;
        }
    }
    let (_, json) = released(&coordinator, &round).await;
    let release = from_json(&json).unwrap();
    let release = release.verify_release(&Expectations::default()).unwrap();
    assert_eq!(release.survivors.len(), 4);
    assert_eq!(release.tables[0].raw, [10]);
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partner_lost_before_mask_is_left_out_when_the_deadline_comes() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let coordinator = created(directory.path(), &clock).await;
    coordinator.publish_programme(PROGRAMME).await.unwrap();
    let identities = enrolled(&coordinator, 4).await;
    let running = started(&coordinator, None).await;
    let round = coordinator.open_round(&request("2026-Q3")).await.unwrap();
    let mut nodes = nodes_of(&coordinator, &running, &identities, round).await;
    // All four join and share; then the fourth is gone.
    for _ in 0..20 {
        if phase_of(&coordinator, &round).await == Phase::Mask {
            break;
        }
        for node in &mut nodes {
            if node.session.phase() <= Phase::Share {
                node.turn().await;
            }
        }
    }
    let lost = nodes.pop();
    settle(&mut nodes).await;
    match coordinator.round_status(&round).await.unwrap().stage {
        RoundStage::Collecting { phase, awaited, .. } => {
            assert_eq!((phase, awaited), (Phase::Mask, vec!["p4".to_owned()]));
        }
        other => panic!("the round is not open but {other:?}"),
    }
    // A poll that waits hears of the phase's end.
    let (seen, _) = news_of(&nodes[0].client, 0).await;
    clock.advance(300);
    let (number, rounds) = news_of(&nodes[0].client, seen).await;
    assert!(number > seen);
    assert_eq!(rounds, [(round, RoundState::Open(Phase::Confirm.number()))]);
    settle(&mut nodes).await;
    let (_, json) = released(&coordinator, &round).await;
    let release = from_json(&json).unwrap();
    let release = release.verify_release(&Expectations::default()).unwrap();
    assert_eq!(release.missing, ["p4"]);
    assert_eq!(release.tables[0].raw, [6]);
    drop(lost);
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_round_opened_and_closed_by_another_process_reaches_the_running_one() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let serving = created(directory.path(), &clock).await;
    let identities = enrolled(&serving, 3).await;
    let running = started(&serving, None).await;
    let client = Client::connect(&identities[0], serving.key(), running.quic_addr()).await;
    let (seen, rounds) = news_of(&client, 0).await;
    assert!(rounds.is_empty());

    let operator = Coordinator::open(directory.path(), clock.as_clock())
        .await
        .unwrap();
    let any = "127.0.0.1:0".parse().unwrap();
    let second = operator.start(any, None).await;
    assert!(matches!(second, Err(Error::AlreadyRunning(_))));
    operator.publish_programme(PROGRAMME).await.unwrap();
    let round = operator.open_round(&request("2026-Q3")).await.unwrap();
    let (mut seen, mut rounds) = news_of(&client, seen).await;
    if rounds.is_empty() {
        // That was the programme alone.
        (seen, rounds) = news_of(&client, seen).await;
    }
    assert_eq!(rounds, [(round, RoundState::Open(0))]);
    operator.abort_round(&round).await.unwrap();
    let (_, rounds) = news_of(&client, seen).await;
    assert_eq!(rounds, [(round, RoundState::Aborted)]);
    assert!(client.fetch(Item::Abort(round)).await.is_some());
    running.shutdown().await;
}
