//! QUIC: one request frame and one response frame on each bidirectional stream.
//!
//! TLS only shows that the peer holds the key it names; who that is, and what it may ask, is decided for each
//! request (C1), because an invite can be used at any time. Until then a peer gets little: see `limits`.

mod answer;
pub(crate) mod limits;
mod upload;

use std::net::SocketAddr;
use std::sync::Arc;

use msht_core::crypto::{Identity, IdentityKey, KdfLabel, derive};
use msht_core::wire::tls::{peer_key, server_config};
use msht_core::wire::{MAX_FRAME_BYTES, Refusal, Request, Response, decode_frame, encode_frame};
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{
    Connection, Endpoint, EndpointConfig, Incoming, RecvStream, SendStream, ServerConfig,
    TransportConfig, VarInt,
};
use quinn_proto::HashedConnectionIdGenerator;
use rustls::pki_types::CertificateDer;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::error::Error;
pub(crate) use answer::{Peer, Service};
use limits::{Handshake, Places, Verdict};

/// Application code of a connection that ends because the coordinator stops.
pub(crate) const CLOSED_BY_SHUTDOWN: VarInt = VarInt::from_u32(1);
/// Application code of a connection whose peer shows no identity.
const CLOSED_WITHOUT_IDENTITY: VarInt = VarInt::from_u32(2);
/// Code of a stream whose peer sends or takes too slowly.
const STREAM_TOO_SLOW: VarInt = VarInt::from_u32(1);

/// Whoever answers the requests that come over QUIC.
pub(crate) trait Answers: Send + Sync + 'static {
    /// Whether this identity is on the roster, so that it may take a partner's share of the coordinator's memory.
    fn knows(&self, key: &IdentityKey) -> impl Future<Output = bool> + Send;

    /// Answers a request that came on the connection of `peer`.
    fn answer(&self, peer: &Peer, request: Request) -> impl Future<Output = Response> + Send;
}

/// The endpoint that nodes connect to.
pub(crate) fn endpoint(identity: &Identity, listen: SocketAddr) -> Result<Endpoint, Error> {
    let (endpoint, server) = settings(identity)?;
    let bound = std::net::UdpSocket::bind(listen).and_then(|socket| {
        Endpoint::new(
            endpoint,
            Some(server),
            socket,
            Arc::new(quinn::TokioRuntime),
        )
    });
    bound.map_err(|source| Error::Listen {
        address: listen,
        source,
    })
}

/// How the coordinator speaks QUIC, whatever the socket.
pub(crate) fn settings(identity: &Identity) -> Result<(EndpointConfig, ServerConfig), Error> {
    let tls = server_config(identity)?;
    let tls = QuicServerConfig::try_from(tls).map_err(|_| Error::QuicSetup)?;
    let mut server = ServerConfig::with_crypto(Arc::new(tls));
    let (waiting, waiting_in_all) = limits::INCOMING_BYTES;
    server
        .transport_config(Arc::new(transport_config()))
        .max_incoming(limits::MAX_INCOMING)
        .incoming_buffer_size(waiting)
        .incoming_buffer_size_total(waiting_in_all);
    Ok((endpoint_config(identity), server))
}

fn transport_config() -> TransportConfig {
    let mut transport = TransportConfig::default();
    let frame = u32::try_from(MAX_FRAME_BYTES).unwrap_or(u32::MAX);
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(limits::FIRST_STREAMS))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .stream_receive_window(VarInt::from_u32(frame))
        .receive_window(VarInt::from_u32(limits::FIRST_WINDOW_BYTES))
        .send_window(u64::from(limits::FIRST_WINDOW_BYTES))
        .max_idle_timeout(limits::IDLE_TIMEOUT.try_into().ok());
    transport
}

/// A coordinator that was killed and started again does not know its old connections. Because these keys follow from
/// its identity, its stateless resets (RFC 9000, section 10.3) are still believed, and nodes connect again at once.
fn endpoint_config(identity: &Identity) -> EndpointConfig {
    let key = |part: &[u8]| {
        let seed = identity.seed().expose();
        derive(seed, b"", KdfLabel::ConnectionReset, &[part])
    };
    let reset = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key(b"token").expose());
    let mut first = [0; 8];
    for (byte, derived) in first.iter_mut().zip(key(b"connection id").expose()) {
        *byte = *derived;
    }
    let ids = u64::from_le_bytes(first);
    let mut config = EndpointConfig::new(Arc::new(reset));
    config.cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(ids)));
    config
}

/// Accepts connections until it is stopped; then whatever was being answered is dropped.
pub(crate) async fn serve<A: Answers>(
    answers: Arc<A>,
    endpoint: Endpoint,
    mut stopped: watch::Receiver<bool>,
) {
    let server = Arc::new(Server {
        answers,
        frames: Semaphore::new(limits::MAX_FRAMES),
    });
    let places = Places::default();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => return,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            incoming = endpoint.accept() => {
                let Some(incoming) = incoming else { return };
                let address = incoming.remote_address().ip();
                match places.attempt(address, incoming.remote_address_validated()) {
                    Verdict::Begin(place) => {
                        connections.spawn(Arc::clone(&server).connection(incoming, place));
                    }
                    Verdict::Retry => {
                        let _already_validated = incoming.retry();
                    }
                    Verdict::Refuse => {
                        tracing::debug!(%address, "connection refused: too many are open");
                        incoming.refuse();
                    }
                }
            }
        }
    }
}

/// Whether the peer was on the roster when it connected.
#[derive(Clone, Copy)]
enum Standing {
    Partner,
    Stranger,
}

impl Standing {
    fn longest_frame(self) -> usize {
        match self {
            Self::Partner => MAX_FRAME_BYTES,
            Self::Stranger => limits::STRANGER_FRAME_BYTES,
        }
    }

    /// Partners are named to the operator. Strangers are not, because they could fill the disk with it.
    fn note(self, key: &IdentityKey, what: &str) {
        let peer = key.fingerprint();
        match self {
            Self::Partner => tracing::info!(%peer, "{what}"),
            Self::Stranger => tracing::debug!(%peer, "{what}"),
        }
    }
}

struct Server<A> {
    answers: Arc<A>,
    /// One permit for each frame that is read or written.
    frames: Semaphore,
}

impl<A: Answers> Server<A> {
    async fn connection(self: Arc<Self>, incoming: Incoming, place: Handshake) {
        let connection = match timeout(limits::HANDSHAKE_TIMEOUT, incoming.into_future()).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return tracing::debug!(%error, "handshake failed"),
            Err(_) => return tracing::debug!("handshake took too long"),
        };
        let Some(key) = identity_of(&connection) else {
            return connection.close(CLOSED_WITHOUT_IDENTITY, b"");
        };
        let is_partner = self.answers.knows(&key).await;
        let Some(place) = place.seat(key, is_partner, Box::new(connection.clone())) else {
            return connection.close(limits::CLOSED_WITHOUT_PLACE, b"");
        };
        tracing::debug!(peer = %key.fingerprint(), is_partner, "connected");
        let peer = Arc::new(Peer::new(key));
        if is_partner {
            let window = limits::PARTNER_WINDOW_BYTES;
            connection.set_receive_window(VarInt::from_u32(window));
            connection.set_send_window(u64::from(window));
            connection.set_max_concurrent_bi_streams(VarInt::from_u32(limits::PARTNER_STREAMS));
            self.requests(&connection, &peer, Standing::Partner).await;
        } else {
            let requests = self.requests(&connection, &peer, Standing::Stranger);
            if timeout(limits::STRANGER_STAY, requests).await.is_err() {
                connection.close(limits::CLOSED_WITHOUT_PLACE, b"");
            }
        }
        drop(place);
        tracing::debug!(peer = %key.fingerprint(), "disconnected");
    }

    /// Answers the requests of a connection until it ends.
    async fn requests(
        self: &Arc<Self>,
        connection: &Connection,
        peer: &Arc<Peer>,
        standing: Standing,
    ) {
        let mut requests = JoinSet::new();
        loop {
            tokio::select! {
                Some(_) = requests.join_next(), if !requests.is_empty() => {}
                stream = connection.accept_bi() => {
                    let Ok((send, receive)) = stream else { return };
                    let server = Arc::clone(self);
                    let peer = Arc::clone(peer);
                    requests
                        .spawn(async move { server.exchange(&peer, send, receive, standing).await });
                }
            }
        }
    }

    /// Reads one request and answers it. A peer that sends too much or too slowly loses the stream, and so does one
    /// that does not take its answer.
    async fn exchange(
        &self,
        peer: &Peer,
        mut send: SendStream,
        mut receive: RecvStream,
        standing: Standing,
    ) {
        let Some(frame) = self.read(&mut receive, standing.longest_frame()).await else {
            let _already_gone = (receive.stop(STREAM_TOO_SLOW), send.reset(STREAM_TOO_SLOW));
            return standing.note(peer.key(), "a request was too long or too slow");
        };
        let response = match decode_frame::<Request>(&frame) {
            Ok(request) => {
                drop(frame);
                self.answers.answer(peer, request).await
            }
            Err(_) => Response::Refused(Refusal::Malformed),
        };
        if let Response::Refused(refusal) = &response {
            standing.note(peer.key(), &format!("request refused: {refusal}"));
        }
        let Ok(frame) = encode_frame(&response) else {
            tracing::error!("a response is longer than a frame");
            return;
        };
        drop(response);
        let written = timeout(limits::ANSWER_TIMEOUT, self.write(&mut send, frame)).await;
        if written.is_err() {
            let _already_gone = send.reset(STREAM_TOO_SLOW);
            standing.note(peer.key(), "an answer was not taken");
        }
    }

    async fn read(&self, receive: &mut RecvStream, longest: usize) -> Option<Vec<u8>> {
        let read = async {
            let _permit = self.frames.acquire().await.ok()?;
            receive.read_to_end(longest).await.ok()
        };
        timeout(limits::REQUEST_TIMEOUT, read).await.ok().flatten()
    }

    /// Writes an answer and waits until the peer has taken it, because until then its bytes are kept.
    async fn write(&self, send: &mut SendStream, frame: Vec<u8>) {
        let Ok(_permit) = self.frames.acquire().await else {
            return;
        };
        if send.write_all(&frame).await.is_ok() && send.finish().is_ok() {
            drop(frame);
            let _taken_or_gone = send.stopped().await;
        }
    }
}

fn identity_of(connection: &Connection) -> Option<IdentityKey> {
    let identity = connection.peer_identity()?;
    let certificates = identity.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    peer_key(&certificates)
}
