//! What the coordinator refuses, and what it keeps of it.

use msht_core::crypto::{Digest, HexBytes};
use msht_core::secagg::messages::{JoinBody, Phase, SignedMessage};
use msht_core::wire::{Blob, Item, Refusal, Request, Response, decode};

use super::client::Client;
use super::*;
use crate::transport::{Answers, Peer, Service};

fn refusal(response: Response) -> Refusal {
    match response {
        Response::Refused(refusal) => refusal,
        other => panic!("not refused but {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_identity_can_do_nothing_but_enrol() {
    let directory = tempfile::tempdir().unwrap();
    let coordinator = created(directory.path(), &TestClock::new()).await;
    coordinator.publish_programme(PROGRAMME).await.unwrap();
    enrolled(&coordinator, 3).await;
    let round = coordinator.open_round(&request("2026-Q3")).await.unwrap();
    let running = started(&coordinator, None).await;
    let stranger = identity(77);
    let client = Client::connect(&stranger, coordinator.key(), running.quic_addr()).await;
    let item = Item::Announcement(round);
    let put = Request::Put {
        round,
        phase: 0,
        total: 1,
        offset: 0,
        bytes: Blob::from(vec![0]),
    };
    for request in [
        Request::Poll { seen: 0 },
        Request::Fetch { item, offset: 0 },
        put,
    ] {
        assert_eq!(
            refusal(client.ask(&request).await),
            Refusal::UnknownIdentity
        );
    }
    let token = HexBytes([0; 16]);
    let wrong = client.ask(&Request::Enrol { token }).await;
    assert_eq!(refusal(wrong), Refusal::UnknownInvite);
    let invite = coordinator.invite(&new_invite("late"), &mut rng(5)).await;
    let token = invite.unwrap().token;
    let Response::Enrolled { partner, .. } = client.ask(&Request::Enrol { token }).await else {
        panic!("a good invite was refused");
    };
    assert_eq!(partner, "late");
    // Enrolled now, but not invited to this round: it may check the round's terms, as everybody may once it is released,
    // and can neither send into it nor read what its members exchange (C1).
    assert!(client.fetch(Item::Announcement(round)).await.is_some());
    let messages = Phase::ALL.map(|phase| Item::Message {
        round,
        phase: phase.number(),
    });
    for item in messages.into_iter().chain([Item::Abort(round)]) {
        let fetched = client.ask(&Request::Fetch { item, offset: 0 }).await;
        assert_eq!(refusal(fetched), Refusal::UnknownRound);
    }
    for phase in Phase::ALL {
        let sent = client.put(round, phase.number(), &[0], 1).await;
        assert_eq!(refusal(sent), Refusal::UnknownRound);
    }
    running.shutdown().await;
}

/// C2: the announced length decides, before anything is kept.
#[tokio::test]
async fn an_oversized_upload_is_refused_before_anything_is_buffered() {
    let directory = tempfile::tempdir().unwrap();
    let coordinator = created(directory.path(), &TestClock::new()).await;
    coordinator.publish_programme(PROGRAMME).await.unwrap();
    let identities = enrolled(&coordinator, 3).await;
    let round = coordinator.open_round(&request("2026-Q3")).await.unwrap();
    let service = Service::new(coordinator.clone());
    let peer = Peer::new(identities[0].key());
    let limit = coordinator
        .look(&round, |session| session.message_limit(Phase::Join))
        .await
        .unwrap();
    let put = |total: usize, offset: u64| Request::Put {
        round,
        phase: 0,
        total: total as u64,
        offset,
        bytes: Blob::from(vec![0; 16]),
    };
    let refused = service.answer(&peer, put(limit + 1, 0)).await;
    assert_eq!(refusal(refused), Refusal::Upload);
    assert_eq!(service.buffered(), 0);
    let huge = service.answer(&peer, put(usize::MAX, u64::MAX)).await;
    assert_eq!(refusal(huge), Refusal::Upload);
    let taken = service.answer(&peer, put(limit, 0)).await;
    assert_eq!(taken, Response::Continue { offset: 16 });
    assert_eq!(service.buffered(), 16);
}

/// C1 and C3: another's message, and a second, different one of one's own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_different_message_is_refused_and_kept_as_evidence() {
    let directory = tempfile::tempdir().unwrap();
    let coordinator = created(directory.path(), &TestClock::new()).await;
    coordinator.publish_programme(PROGRAMME).await.unwrap();
    let identities = enrolled(&coordinator, 3).await;
    let round = coordinator.open_round(&request("2026-Q3")).await.unwrap();
    let running = started(&coordinator, None).await;
    let address = running.quic_addr();
    let client = Client::connect(&identities[0], coordinator.key(), address).await;
    let mut session = client.session(round, "p1", &[1, 2, 3]).await;
    session.record_stored();
    let first = session.poll_transmit().unwrap().to_vec();
    // In small pieces, and once more: the same bytes get the same answer.
    for piece in [700, first.len()] {
        let answer = client.put(round, 0, &first, piece).await;
        assert_eq!(answer, Response::Accepted);
    }

    let message: SignedMessage = decode(&first, first.len()).unwrap();
    let mut body: JoinBody = decode(message.body.as_ref(), first.len()).unwrap();
    body.ledger_length += 1;
    let second = SignedMessage::sign(&identities[0], round, Phase::Join, message.sender, &body);
    let second = second.unwrap().to_bytes().unwrap();
    let refused = refusal(client.put(round, 0, &second, second.len()).await);
    assert!(matches!(refused, Refusal::Message { reason } if reason.contains("C3")));

    let relay = Client::connect(&identities[1], coordinator.key(), address).await;
    let refused = refusal(relay.put(round, 0, &first, first.len()).await);
    assert!(matches!(refused, Refusal::Message { reason } if reason.contains("C1")));

    let status = coordinator.round_status(&round).await.unwrap();
    let blamed: Vec<&str> = status.refused.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(blamed, ["p1", "p2"]);
    let records = coordinator.store().records(&round, 0).await.unwrap();
    assert_eq!(
        records.len(),
        1,
        "the first message stays the one that counts"
    );
    assert_proven(&coordinator, &round, &identities[0], directory.path()).await;
    running.shutdown().await;
}

/// One proof is kept, against the partner that contradicted itself and not against the one that relayed; it is
/// verified from its file alone.
async fn assert_proven(coordinator: &Coordinator, round: &Digest, liar: &Identity, folder: &Path) {
    let kept = coordinator.evidence(round).await.unwrap();
    let [one] = kept.as_slice() else {
        panic!("{} pieces of evidence", kept.len());
    };
    assert_eq!(one.partner, "p1");
    let file = folder.join("p1.evidence");
    let (data, path) = (folder.to_str().unwrap(), file.to_str().unwrap());
    let digits = round.to_string();
    let export = ["--data", data, "round", "evidence", &digits[..8]];
    crate::cli::run_line(&export).await.unwrap();
    let export = [&export[..], &["--out", path]].concat();
    crate::cli::run_line(&export).await.unwrap();
    let overwritten = crate::cli::run_line(&export).await;
    assert!(overwritten.is_err(), "a file that is there is left alone");
    let fingerprint = liar.key().fingerprint().to_string();
    let verify = ["verify-evidence", path, "--accused", &fingerprint];
    crate::cli::run_line(&verify).await.unwrap();

    let honest = identity(102).key().fingerprint().to_string();
    let framed = ["verify-evidence", path, "--accused", &honest];
    let refused = crate::cli::run_line(&framed).await.unwrap_err();
    assert_eq!(refused.kind().exit_code(), 4);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let refused = crate::cli::run_line(&verify).await.unwrap_err();
    assert_eq!(refused.kind().exit_code(), 4);
}

/// C4: what cannot be stored is not acknowledged, and the session does not remember it either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_cannot_be_stored_is_not_acknowledged_until_it_can() {
    let directory = tempfile::tempdir().unwrap();
    let coordinator = created(directory.path(), &TestClock::new()).await;
    coordinator.publish_programme(PROGRAMME).await.unwrap();
    let identities = enrolled(&coordinator, 3).await;
    let round = coordinator.open_round(&request("2026-Q3")).await.unwrap();
    let running = started(&coordinator, None).await;
    let address = running.quic_addr();
    let client = Client::connect(&identities[0], coordinator.key(), address).await;
    let mut session = client.session(round, "p1", &[1, 2, 3]).await;
    session.record_stored();
    let message = session.poll_transmit().unwrap().to_vec();

    coordinator.store().block_records(true).await;
    for _ in 0..2 {
        let refused = client.put(round, 0, &message, message.len()).await;
        assert_eq!(refusal(refused), Refusal::Unavailable);
    }
    coordinator.store().block_records(false).await;
    let stored = client.put(round, 0, &message, message.len()).await;
    assert_eq!(stored, Response::Accepted);
    assert_eq!(
        coordinator.store().records(&round, 0).await.unwrap().len(),
        1
    );
    running.shutdown().await;
}
