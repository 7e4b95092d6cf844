//! Nodes that were restored or cloned, as the coordinator sees them.

use msht_core::crypto::{HexBytes, Identity};
use msht_core::secagg::messages::{JoinBody, Phase, SignedMessage};
use msht_core::secagg::{HeadProof, HeadStatement, LedgerHead};
use msht_core::wire::{
    Blob, CHUNK_BYTES, MAX_ENCODED_BYTES, Refusal, Request, Response, decode, encode,
};

use super::client::Client;
use super::{PROGRAMME, TestClock, created, enrolled, identity, request, started};
use crate::Coordinator;

fn head(length: u64, byte: u8) -> LedgerHead {
    LedgerHead {
        length,
        digest: HexBytes([byte; 32]),
    }
}

fn stating(
    node: &Identity,
    coordinator: &Coordinator,
    head: LedgerHead,
    replaces: Option<LedgerHead>,
) -> Request {
    let replaces = replaces.map(|head| head.digest);
    let statement = HeadStatement::sign(node, &coordinator.key(), head, replaces);
    Request::LedgerHead {
        statement: Blob::from(encode(&statement).unwrap()),
    }
}

/// The head shown with a refusal, if the node with this key signed it.
fn shown(response: &Response, node: &Identity, coordinator: &Coordinator) -> LedgerHead {
    let Response::Refused(Refusal::LedgerBehind { proof }) = response else {
        panic!("not refused as behind: {response:?}");
    };
    let proof: HeadProof = decode(proof.as_ref(), MAX_ENCODED_BYTES).unwrap();
    proof
        .head_signed_by(&node.key(), &coordinator.key())
        .unwrap()
}

#[tokio::test]
async fn a_head_that_is_behind_or_different_is_refused_shown_and_noticed_until_it_is_given_up() {
    let directory = tempfile::tempdir().unwrap();
    let coordinator = created(directory.path(), &TestClock::new()).await;
    let identities = enrolled(&coordinator, 1).await;
    let running = started(&coordinator, None).await;
    let node = &identities[0];
    let client = Client::connect(node, coordinator.key(), running.quic_addr()).await;
    let (latest, other) = (head(5, 1), head(5, 2));
    for follows in [head(0, 0), head(3, 9), latest, latest] {
        let answer = client
            .ask(&stating(node, &coordinator, follows, None))
            .await;
        assert_eq!(answer, Response::Accepted, "{follows:?}");
    }
    for behind in [head(4, 1), head(3, 9), other] {
        let answer = client.ask(&stating(node, &coordinator, behind, None)).await;
        assert_eq!(shown(&answer, node, &coordinator), latest);
        let wrong = stating(node, &coordinator, behind, Some(other));
        assert_eq!(shown(&client.ask(&wrong).await, node, &coordinator), latest);
    }
    assert_eq!(coordinator.ledger_head("p1").await.unwrap(), Some(latest));
    // Three things were noticed, each once: two older copies and a different one.
    let noticed = coordinator.noticed().await.unwrap();
    assert_eq!(noticed.len(), 3, "{noticed:?}");
    assert!(noticed[2].what.contains("two copies"), "{noticed:?}");
    let given_up = stating(node, &coordinator, head(4, 7), Some(latest));
    assert_eq!(client.ask(&given_up).await, Response::Accepted);
    assert_eq!(
        coordinator.ledger_head("p1").await.unwrap(),
        Some(head(4, 7))
    );
    running.shutdown().await;
}

#[tokio::test]
async fn a_statement_that_somebody_else_signed_is_refused_and_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let coordinator = created(directory.path(), &TestClock::new()).await;
    let identities = enrolled(&coordinator, 1).await;
    let running = started(&coordinator, None).await;
    let client = Client::connect(&identities[0], coordinator.key(), running.quic_addr()).await;
    let forged = stating(&identity(999), &coordinator, head(9, 9), None);
    let malformed = Response::Refused(Refusal::Malformed);
    assert_eq!(client.ask(&forged).await, malformed);
    let junk = Request::LedgerHead {
        statement: Blob::from(vec![0; 7]),
    };
    assert_eq!(client.ask(&junk).await, malformed);
    assert_eq!(coordinator.ledger_head("p1").await.unwrap(), None);
    running.shutdown().await;
}

/// The Join of a session, changed and signed again as a copy of the node would.
fn altered(join: &[u8], node: &Identity, change: impl FnOnce(&mut JoinBody)) -> Vec<u8> {
    let message = SignedMessage::from_bytes(join, MAX_ENCODED_BYTES).unwrap();
    let mut body: JoinBody = decode(message.body.as_ref(), MAX_ENCODED_BYTES).unwrap();
    change(&mut body);
    SignedMessage::sign(node, message.round, Phase::Join, message.sender, &body)
        .unwrap()
        .to_bytes()
        .unwrap()
}

#[tokio::test]
async fn a_join_from_an_older_copy_is_refused_and_a_second_one_of_a_clone_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let coordinator = created(directory.path(), &TestClock::new()).await;
    coordinator.publish_programme(PROGRAMME).await.unwrap();
    let identities = enrolled(&coordinator, 3).await;
    let round = coordinator.open_round(&request("2026-Q3")).await.unwrap();
    let running = started(&coordinator, None).await;
    let node = &identities[0];
    let mut client = Client::connect(node, coordinator.key(), running.quic_addr()).await;
    let latest = head(5, 1);
    let answer = client.ask(&stating(node, &coordinator, latest, None)).await;
    assert_eq!(answer, Response::Accepted);
    let mut session = client.session(round, "p1", &[1, 1, 0]).await;
    session.record_stored();
    let join = session.poll_transmit().unwrap().to_vec();
    let at = |length: u64, byte: u8| {
        altered(&join, node, |body| {
            body.ledger_length = length;
            body.ledger_head = head(length, byte).digest;
        })
    };
    // On a connection that stated nothing, as of a copy that keeps quiet.
    client.reconnect(running.quic_addr()).await;
    for copy in [at(4, 1), at(5, 2)] {
        let answer = client.put(round, 0, &copy, CHUNK_BYTES).await;
        assert_eq!(shown(&answer, node, &coordinator), latest);
    }
    // Frozen before what was stated: the node knows better, and says so on this connection.
    let answer = client.ask(&stating(node, &coordinator, latest, None)).await;
    assert_eq!(answer, Response::Accepted);
    let frozen_before = at(4, 1);
    let answer = client.put(round, 0, &frozen_before, CHUNK_BYTES).await;
    assert_eq!(answer, Response::Accepted);
    let clone = altered(&frozen_before, node, |body| {
        std::mem::swap(&mut body.channel, &mut body.mask);
    });
    let answer = client.put(round, 0, &clone, CHUNK_BYTES).await;
    assert!(matches!(answer, Response::Refused(Refusal::Message { .. })));
    let status = coordinator.round_status(&round).await.unwrap();
    let told: Vec<&str> = status
        .noticed
        .iter()
        .map(|(_, what)| what.as_str())
        .collect();
    assert_eq!(told.len(), 3, "{told:?}");
    let twice = told
        .iter()
        .filter(|what| what.contains("two different join messages"));
    assert_eq!(twice.count(), 1, "{told:?}");
    running.shutdown().await;
}
