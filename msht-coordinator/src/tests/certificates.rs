//! Abort statements and the certificate made of them, over real QUIC.
//!
//! With three partners t = 3 and c = 1: two statements make a certificate.

use msht_core::crypto::{Digest, HexBytes};
use msht_core::secagg::messages::Phase;
use msht_core::secagg::{AbortCertificate, AbortStatement, Signed};
use msht_core::wire::{Blob, CHUNK_BYTES, Item, Refusal, Request, Response, encode};

use super::client::{Client, Node, settle};
use super::rounds::nodes_of;
use super::*;
use crate::store::Store;

struct Setting {
    _directory: tempfile::TempDir,
    coordinator: Coordinator,
    running: Running,
    identities: Vec<Arc<Identity>>,
    round: Digest,
}

/// A round of three partners, and a fourth that enrolled after it was opened.
async fn setting() -> Setting {
    let directory = tempfile::tempdir().unwrap();
    let coordinator = created(directory.path(), &TestClock::new()).await;
    coordinator.publish_programme(PROGRAMME).await.unwrap();
    enrolled(&coordinator, 3).await;
    let round = coordinator.open_round(&request("2026-Q3")).await.unwrap();
    let late = coordinator.invite(&new_invite("p4"), &mut rng(4)).await;
    let late = late.unwrap().token;
    coordinator
        .enrol(&late, &identity(104).key())
        .await
        .unwrap();
    let running = started(&coordinator, None).await;
    Setting {
        _directory: directory,
        coordinator,
        running,
        identities: (101..=104).map(identity).collect(),
        round,
    }
}

impl Setting {
    async fn client(&self, number: usize) -> Client {
        let identity = &self.identities[number - 1];
        Client::connect(identity, self.coordinator.key(), self.running.quic_addr()).await
    }

    fn signed(&self, round: Digest, number: usize, signer: usize) -> Vec<u8> {
        let partner = u8::try_from(number).unwrap();
        let content = AbortStatement { round, partner };
        encode(&Signed::sign(content, &self.identities[signer - 1]).unwrap()).unwrap()
    }

    fn statement(&self, number: usize) -> Vec<u8> {
        self.signed(self.round, number, number)
    }

    /// `statement`, handed in by the partner with this number.
    async fn hand_in(&self, number: usize, statement: Vec<u8>) -> Response {
        let request = Request::NeverUnmasked {
            round: self.round,
            statement: Blob::from(statement),
        };
        self.client(number).await.ask(&request).await
    }

    async fn statements(&self) -> crate::AbortStatements {
        let status = self.coordinator.round_status(&self.round).await.unwrap();
        status.statements
    }

    async fn certificate(&self, number: usize) -> Option<Vec<u8>> {
        let item = Item::AbortCertificate(self.round);
        self.client(number).await.fetch(item).await
    }
}

fn reason(response: Response) -> String {
    match response {
        Response::Refused(refusal) => refusal.to_string(),
        other => panic!("not refused but {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn enough_statements_make_one_certificate_that_every_invited_partner_can_read_after_the_end()
{
    let mut setting = setting().await;
    assert_eq!(
        setting.hand_in(3, setting.statement(3)).await,
        Response::Accepted
    );
    assert_eq!(setting.certificate(1).await, None);
    let statements = setting.statements().await;
    assert_eq!(statements.received, ["p3"]);
    assert_eq!((statements.needed, statements.certified), (2, false));

    // The same bytes again count once.
    assert_eq!(
        setting.hand_in(3, setting.statement(3)).await,
        Response::Accepted
    );
    assert!(!setting.statements().await.certified);

    setting
        .coordinator
        .abort_round(&setting.round)
        .await
        .unwrap();
    let news = setting.coordinator.store().news_number().await.unwrap();
    assert_eq!(
        setting.hand_in(1, setting.statement(1)).await,
        Response::Accepted
    );
    assert!(setting.coordinator.store().news_number().await.unwrap() > news);
    assert!(setting.statements().await.certified);
    let certificate = setting.certificate(2).await.unwrap();

    let row = setting.coordinator.store().round(&setting.round).await;
    let context = setting
        .coordinator
        .context(&row.unwrap().unwrap())
        .await
        .unwrap();
    let verified = AbortCertificate::from_bytes(&certificate, &context).unwrap();
    let signers = verified.certificate().statements.iter();
    assert_eq!(signers.map(|each| each.partner).collect::<Vec<_>>(), [1, 3]);

    // It survives a restart, and stays the same when one more statement comes.
    setting.running.shutdown().await;
    setting.running = started(&setting.coordinator, None).await;
    assert_eq!(
        setting.hand_in(2, setting.statement(2)).await,
        Response::Accepted
    );
    assert_eq!(setting.statements().await.received, ["p1", "p2", "p3"]);
    for number in 1..=3 {
        let served = setting.certificate(number).await;
        assert_eq!(served.as_ref(), Some(&certificate));
    }
    setting.running.shutdown().await;
}

/// C1, C2 and C3, and nothing of what is refused counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_of_strangers_of_others_of_other_rounds_or_changed_are_refused_and_kept_as_evidence()
 {
    let setting = setting().await;
    let other = HexBytes([9; 32]);
    let mut trailing = setting.statement(1);
    trailing.push(0);
    for (label, statement, check) in [
        ("another's", setting.statement(2), "C1"),
        (
            "signed by another",
            setting.signed(setting.round, 1, 2),
            "C1",
        ),
        ("another round's", setting.signed(other, 1, 1), "C1"),
        ("trailing byte", trailing, "C2"),
        ("a flood", vec![0; CHUNK_BYTES], "C2"),
    ] {
        let said = reason(setting.hand_in(1, statement).await);
        assert!(said.contains(check), "{label}: {said}");
    }
    let uninvited = setting
        .hand_in(4, setting.signed(setting.round, 4, 4))
        .await;
    assert_eq!(uninvited, Response::Refused(Refusal::UnknownRound));
    let client = setting.client(4).await;
    let item = Item::AbortCertificate(setting.round);
    let fetched = client.ask(&Request::Fetch { item, offset: 0 }).await;
    assert_eq!(fetched, Response::Refused(Refusal::UnknownRound));

    assert!(setting.statements().await.received.is_empty());
    let status = setting
        .coordinator
        .round_status(&setting.round)
        .await
        .unwrap();
    assert_eq!(status.refused.len(), 5);
    assert!(status.refused.iter().all(|(partner, _)| partner == "p1"));

    // A second, different statement of one partner, however it was made.
    let mut transaction = setting.coordinator.store().begin().await.unwrap();
    let first = setting.signed(setting.round, 1, 2);
    Store::add_statement_in(&mut transaction, &setting.round, 1, &first)
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    let said = reason(setting.hand_in(1, setting.statement(1)).await);
    assert!(said.contains("C3"), "{said}");
    setting.running.shutdown().await;
}

async fn at_unmask(setting: &Setting) -> Vec<Node> {
    let identities = &setting.identities[..3];
    let mut nodes = nodes_of(
        &setting.coordinator,
        &setting.running,
        identities,
        setting.round,
    )
    .await;
    for phase in [Phase::Join, Phase::Share, Phase::Mask, Phase::Confirm] {
        for node in &mut nodes {
            node.send(phase).await;
        }
    }
    nodes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partner_that_unmasked_cannot_state_that_it_did_not_even_after_its_message_is_erased() {
    let setting = setting().await;
    let mut nodes = at_unmask(&setting).await;
    nodes[0].send(Phase::Unmask).await;
    let said = reason(setting.hand_in(1, setting.statement(1)).await);
    assert!(said.contains("never unmasked"), "{said}");
    setting
        .coordinator
        .abort_round(&setting.round)
        .await
        .unwrap();
    let records = setting.coordinator.store().records(&setting.round, 0).await;
    assert!(records.unwrap().is_empty());
    let said = reason(setting.hand_in(1, setting.statement(1)).await);
    assert!(said.contains("C3"), "{said}");
    // The two that did not unmask are enough, and say the truth.
    for number in [2, 3] {
        assert_eq!(
            setting.hand_in(number, setting.statement(number)).await,
            Response::Accepted
        );
    }
    assert!(setting.certificate(1).await.is_some());
    setting.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partner_that_stated_it_never_unmasks_cannot_unmask() {
    let setting = setting().await;
    let mut nodes = at_unmask(&setting).await;
    assert_eq!(
        setting.hand_in(1, setting.statement(1)).await,
        Response::Accepted
    );
    let liar = &mut nodes[0];
    // It fetches the confirmations, and its Unmask is ready.
    while liar.session.poll_transmit().is_none() || liar.session.phase() != Phase::Unmask {
        assert!(liar.turn().await);
        liar.session.record_stored();
    }
    let unmask = liar.session.poll_transmit().unwrap().to_vec();
    let answer = liar
        .client
        .put(setting.round, 4, &unmask, unmask.len())
        .await;
    assert!(reason(answer).contains("C3"));
    // Nor can the others open the round without it: with three partners t is three.
    let mut others = nodes.split_off(1);
    settle(&mut others).await;
    setting
        .coordinator
        .close_phase(&setting.round)
        .await
        .unwrap();
    let status = setting
        .coordinator
        .round_status(&setting.round)
        .await
        .unwrap();
    assert!(matches!(status.stage, crate::RoundStage::Aborted(_)));
    setting.running.shutdown().await;
}

/// The Unmask that completes a round whose sum is impossible (C6) ends it before it is stored; it is remembered too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whose_unmask_ended_the_round_cannot_deny_it_either() {
    let setting = setting().await;
    let mut nodes = Vec::new();
    for (number, id) in [(1, "p1"), (2, "p2"), (3, "p3")] {
        let client = setting.client(number).await;
        let session = client.session(setting.round, id, &[9_000_000; 3]).await;
        nodes.push(Node { client, session });
    }
    settle(&mut nodes).await;
    let status = setting
        .coordinator
        .round_status(&setting.round)
        .await
        .unwrap();
    let crate::RoundStage::Aborted(abort) = status.stage else {
        panic!("not aborted: {:?}", status.stage);
    };
    assert_eq!(abort.phase, Phase::Unmask);
    for number in 1..=3 {
        let said = reason(setting.hand_in(number, setting.statement(number)).await);
        assert!(said.contains("C3"), "{number}: {said}");
    }
    setting.running.shutdown().await;
}
