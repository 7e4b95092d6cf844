//! Limits on what a peer may take, over the real transport in virtual time.

use std::sync::Arc;
use std::time::Duration;

use msht_core::crypto::{Digest, Identity};
use msht_core::wire::tls::{client_config, server_name};
use msht_core::wire::{Item, MAX_FRAME_BYTES, Request, Response, decode_frame, encode_frame};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ConnectionError, ReadError, ReadToEndError, TransportConfig, VarInt, WriteError};
use tokio::time::Instant;

use super::identity;
use super::simulated::*;
use crate::transport::limits::*;

/// One way, in virtual time.
const LATENCY: Duration = Duration::from_millis(50);

fn network() -> turmoil::Sim<'static> {
    turmoil::Builder::new()
        .simulation_duration(Duration::from_secs(600))
        .min_message_latency(LATENCY)
        .max_message_latency(LATENCY)
        .udp_capacity(4_096)
        .build()
}

/// Runs `client` on one host against a coordinator on another.
fn simulate<F>(client: impl FnOnce(Arc<OneRound>) -> F)
where
    F: Future<Output = turmoil::Result> + 'static,
{
    let round = OneRound::new(8, 1);
    let mut simulation = network();
    host(&mut simulation, &round);
    let client = client(round);
    simulation.client("client", client);
    simulation.run().unwrap();
}

async fn connect_with(
    round: &OneRound,
    identity: &Identity,
    transport: TransportConfig,
) -> Result<quinn::Connection, ConnectionError> {
    let tls = client_config(identity, round.cohort.coordinator.key()).unwrap();
    let mut config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    config.transport_config(Arc::new(transport));
    let endpoint = client_endpoint().await;
    endpoint
        .connect_with(config, target(), server_name())
        .unwrap()
        .await
}

async fn connect(round: &OneRound, identity: &Identity) -> quinn::Connection {
    let mut transport = TransportConfig::default();
    transport.keep_alive_interval(Some(Duration::from_secs(3)));
    connect_with(round, identity, transport).await.unwrap()
}

/// Something large.
fn fetch() -> Vec<u8> {
    let item = Item::Programme(Digest::ZERO);
    encode_frame(&Request::Fetch { item, offset: 0 }).unwrap()
}

async fn ask(connection: &quinn::Connection, frame: &[u8]) -> Result<Response, ReadToEndError> {
    let (mut send, mut receive) = connection
        .open_bi()
        .await
        .map_err(ReadError::ConnectionLost)?;
    send.write_all(frame).await.unwrap();
    send.finish().unwrap();
    Ok(decode_frame(&receive.read_to_end(MAX_FRAME_BYTES).await?).unwrap())
}

fn is_answered(answer: &Result<Response, ReadToEndError>) -> bool {
    matches!(answer, Ok(Response::Part { .. }))
}

fn was_reset<T: std::fmt::Debug>(read: Result<T, ReadToEndError>) -> bool {
    matches!(read, Err(ReadToEndError::Read(ReadError::Reset(_))))
}

#[test]
fn streams_left_half_open_are_few_and_end_when_their_time_is_over() {
    simulate(|round| async move {
        let greedy = connect(&round, &round.cohort.identity(1)).await;
        let mut halves = Vec::new();
        let begun = Instant::now();
        for _ in 0..PARTNER_STREAMS {
            let (mut send, receive) = greedy.open_bi().await?;
            send.write_all(&[1]).await?;
            halves.push((send, receive));
        }
        let more = tokio::time::timeout(Duration::from_secs(5), greedy.open_bi()).await;
        assert!(more.is_err(), "more streams than there should be");
        let honest = connect(&round, &round.cohort.identity(2)).await;
        assert!(is_answered(&ask(&honest, &fetch()).await));
        for (_send, mut receive) in halves {
            assert!(was_reset(receive.read_to_end(9).await));
        }
        let waited = begun.elapsed();
        assert!(
            waited >= REQUEST_TIMEOUT && waited < REQUEST_TIMEOUT * 2,
            "{waited:?}"
        );
        assert!(is_answered(&ask(&greedy, &fetch()).await));
        Ok(())
    });
}

/// One byte a second: it is the whole frame that has a time, not each byte.
#[test]
fn a_request_that_dribbles_in_is_not_waited_for() {
    simulate(|round| async move {
        let slow = connect(&round, &round.cohort.identity(1)).await;
        let (mut send, _receive) = slow.open_bi().await?;
        let begun = Instant::now();
        let mut sent = 0;
        while send.write_all(&[1]).await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
            sent += 1;
            assert!(sent < 120, "still read after {:?}", begun.elapsed());
        }
        assert!(begun.elapsed() >= REQUEST_TIMEOUT);
        Ok(())
    });
}

#[test]
fn a_peer_that_does_not_take_its_answers_loses_them_and_holds_up_nobody() {
    simulate(|round| async move {
        let mut transport = TransportConfig::default();
        transport.stream_receive_window(VarInt::from_u32(1_024));
        transport.keep_alive_interval(Some(Duration::from_secs(3)));
        let slow = connect_with(&round, &round.cohort.identity(1), transport).await?;
        let mut unread = Vec::new();
        for _ in 0..PARTNER_STREAMS {
            let (mut send, receive) = slow.open_bi().await?;
            send.write_all(&fetch()).await?;
            send.finish()?;
            unread.push(receive);
        }
        let honest = connect(&round, &round.cohort.identity(2)).await;
        assert!(is_answered(&ask(&honest, &fetch()).await));
        tokio::time::sleep(ANSWER_TIMEOUT + Duration::from_secs(1)).await;
        for mut receive in unread {
            assert!(was_reset(receive.read_to_end(MAX_FRAME_BYTES).await));
        }
        let (mut send, mut receive) = slow.open_bi().await?;
        send.write_all(&fetch()).await?;
        send.finish()?;
        assert!(receive.read_to_end(MAX_FRAME_BYTES).await.is_ok());
        Ok(())
    });
}

#[test]
fn an_oversized_frame_is_cut_off_and_a_full_one_is_read() {
    simulate(|round| async move {
        let connection = connect(&round, &round.cohort.identity(1)).await;
        let full = ask(&connection, &vec![9; MAX_FRAME_BYTES]).await;
        assert!(matches!(full, Ok(Response::Refused(_))), "{full:?}");
        let (mut send, mut receive) = connection.open_bi().await?;
        let written = send.write_all(&vec![9; 4 * MAX_FRAME_BYTES]).await;
        assert!(
            matches!(written, Err(WriteError::Stopped(_))),
            "{written:?}"
        );
        assert!(was_reset(receive.read_to_end(9).await));
        assert!(is_answered(&ask(&connection, &fetch()).await));
        // A stranger may send no more than a request to enrol.
        let stranger = connect(&round, &identity(900)).await;
        let answer = ask(&stranger, &vec![9; STRANGER_FRAME_BYTES]).await;
        assert!(matches!(answer, Ok(Response::Refused(_))), "{answer:?}");
        let (mut send, mut receive) = stranger.open_bi().await?;
        send.write_all(&vec![9; STRANGER_FRAME_BYTES + 1]).await?;
        assert!(was_reset(receive.read_to_end(9).await));
        Ok(())
    });
}

#[test]
fn strangers_take_their_own_places_only_and_must_leave_them() {
    simulate(|round| async move {
        let mut strangers = Vec::new();
        for number in 0..MAX_STRANGERS as u64 {
            strangers.push(connect(&round, &identity(1_000 + number)).await);
        }
        let begun = Instant::now();
        let one_more = connect(&round, &identity(2_000)).await;
        let ConnectionError::ApplicationClosed(close) = one_more.closed().await else {
            panic!("a stranger too many may stay");
        };
        assert_eq!(close.error_code, CLOSED_WITHOUT_PLACE);
        assert!(
            begun.elapsed() < STRANGER_STAY / 2,
            "there was a place for it"
        );
        let partner = connect(&round, &round.cohort.identity(1)).await;
        assert!(is_answered(&ask(&partner, &fetch()).await));
        let begun = Instant::now();
        for stranger in &strangers {
            stranger.closed().await;
        }
        assert!(begun.elapsed() <= STRANGER_STAY);
        assert!(is_answered(&ask(&partner, &fetch()).await));
        connect(&round, &identity(2_001)).await;
        Ok(())
    });
}

#[test]
fn a_node_that_comes_back_again_and_again_ends_its_oldest_connection() {
    simulate(|round| async move {
        let own = round.cohort.identity(1);
        let mut connections = Vec::new();
        for _ in 0..=MAX_PER_IDENTITY {
            let connection = connect(&round, &own).await;
            assert!(is_answered(&ask(&connection, &fetch()).await));
            connections.push(connection);
        }
        let ConnectionError::ApplicationClosed(close) = connections[0].closed().await else {
            panic!("the oldest connection was not closed");
        };
        assert_eq!(close.error_code, CLOSED_FOR_NEWER);
        for connection in &connections[1..] {
            assert!(is_answered(&ask(connection, &fetch()).await));
        }
        Ok(())
    });
}

/// How long a partner's handshake takes; with Retry there is one more way there and back.
async fn handshake_time(round: &OneRound) -> Duration {
    let begun = Instant::now();
    connect(round, &round.cohort.identity(1)).await;
    begun.elapsed()
}

#[test]
fn half_made_handshakes_bring_retry_and_give_their_places_back() {
    const FLOODER: &str = "flooder";
    let (flood, honest) = (OneRound::new(8, 1), OneRound::new(8, 1));
    let mut simulation = network();
    host(&mut simulation, &honest);
    // Its packets arrive and no answer reaches it, as with a forged address.
    simulation.client(FLOODER, async move {
        turmoil::partition_oneway(COORDINATOR, FLOODER);
        let begin = |number: u64| {
            let round = Arc::clone(&flood);
            tokio::spawn(async move {
                let transport = TransportConfig::default();
                connect_with(&round, &identity(3_000 + number), transport).await
            })
        };
        let halves: Vec<_> = (0..2 * RETRY_FROM as u64).map(begin).collect();
        tokio::time::sleep(Duration::from_secs(5)).await;
        turmoil::partition(COORDINATOR, FLOODER);
        halves.iter().for_each(tokio::task::JoinHandle::abort);
        Ok(())
    });
    simulation.client("client", async move {
        let second = Duration::from_secs(1);
        tokio::time::sleep(second).await;
        let flooded = handshake_time(&honest).await;
        tokio::time::sleep(HANDSHAKE_TIMEOUT + 5 * second).await;
        let usual = handshake_time(&honest).await;
        assert!(
            flooded >= usual + LATENCY * 2,
            "no Retry: {flooded:?} and {usual:?}"
        );
        Ok(())
    });
    simulation.run().unwrap();
}
