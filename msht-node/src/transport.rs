//! The one connection of a node: outward, QUIC, TLS 1.3 pinned on both sides.

use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use msht_core::crypto::{Digest, Identity, IdentityKey};
use msht_core::secagg::node::Cleared;
use msht_core::wire::{
    Blob, CHUNK_BYTES, Item, MAX_ENCODED_BYTES, MAX_FRAME_BYTES, Refusal, Request, Response,
    decode_frame, encode_frame, tls,
};
use quinn::crypto::rustls::QuicClientConfig;
use rustls::pki_types::CertificateDer;

use crate::addresses::Turn;
use crate::error::{Kind, NodeError};

/// Longest wait for a connection.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for an answer; longer than the coordinator holds back an answer to `Poll`.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(45);
/// A connection with nothing from the other side for this long is dead: a coordinator that was killed and started
/// again does not know its old connections, and the phases of a round may be short.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a quiet connection shows that it is alive.
pub const KEEP_ALIVE: Duration = Duration::from_secs(3);
/// Most pieces one item can have.
const MAX_PIECES: usize = MAX_ENCODED_BYTES / CHUNK_BYTES + 1;

/// A connection to the coordinator.
pub struct Link {
    endpoint: quinn::Endpoint,
    connection: quinn::Connection,
}

/// What became of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivered {
    /// The coordinator has it durably, or needs it no more.
    Accepted,
    /// The coordinator refused it.
    Refused(String),
    /// The coordinator holds a ledger head of this node that does not fit what it knows of this connection.
    LedgerBehind,
}

/// Why a connection did not come about.
enum Failed {
    /// The transport gave it up.
    Connection(quinn::ConnectionError),
    /// It could not be tried, or nobody answered.
    Other(NodeError),
}

impl From<NodeError> for Failed {
    fn from(error: NodeError) -> Self {
        Self::Other(error)
    }
}

fn network(message: impl Into<String>) -> NodeError {
    NodeError::new(Kind::Network, message)
}

/// A socket of the system's choice from which `target` can be reached.
fn socket_for(target: SocketAddr) -> Result<quinn::Endpoint, NodeError> {
    let local: SocketAddr = match target {
        SocketAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    quinn::Endpoint::client(local)
        .map_err(|error| network(format!("cannot open a socket: {error}")))
}

impl Link {
    /// Connects to the coordinator with the pinned key, at one of the addresses that `address` stands for.
    ///
    /// # Errors
    /// [`Kind::Network`]; a coordinator with another key is told apart from one that does not answer.
    pub async fn connect(
        address: &str,
        turn: &Turn,
        identity: &Identity,
        coordinator: IdentityKey,
    ) -> Result<Self, NodeError> {
        let attempt = |target| Self::connect_to(target, identity, coordinator);
        turn.connect(address, attempt).await
    }

    async fn connect_to(
        target: SocketAddr,
        identity: &Identity,
        coordinator: IdentityKey,
    ) -> Result<Self, NodeError> {
        Self::over(socket_for(target)?, target, identity, coordinator).await
    }

    /// Connects to the coordinator with the pinned key over a socket that the caller opened.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub async fn over(
        endpoint: quinn::Endpoint,
        target: SocketAddr,
        identity: &Identity,
        coordinator: IdentityKey,
    ) -> Result<Self, NodeError> {
        let tls = tls::client_config(identity, coordinator)
            .map_err(|error| network(error.to_string()))?;
        Self::open(endpoint, target, tls)
            .await
            .map_err(|failed| match failed {
                Failed::Connection(error) => connection_error(target, coordinator, &error),
                Failed::Other(error) => error,
            })
    }

    /// Connects to whoever answers at one of the addresses of `address`, under an identity made for this alone; the key it proves to hold.
    /// Only for what carries its own signatures.
    ///
    /// # Errors
    /// [`Kind::Network`].
    pub async fn connect_unpinned(
        address: &str,
        turn: &Turn,
        throwaway: &Identity,
    ) -> Result<(Self, IdentityKey), NodeError> {
        let attempt = |target| Self::connect_unpinned_to(target, throwaway);
        turn.connect(address, attempt).await
    }

    async fn connect_unpinned_to(
        target: SocketAddr,
        throwaway: &Identity,
    ) -> Result<(Self, IdentityKey), NodeError> {
        let tls =
            tls::client_config_unpinned(throwaway).map_err(|error| network(error.to_string()))?;
        let link =
            Self::open(socket_for(target)?, target, tls)
                .await
                .map_err(|failed| match failed {
                    Failed::Connection(error) => {
                        network(format!("cannot connect to {target}: {error}"))
                    }
                    Failed::Other(error) => error,
                })?;
        let identity = link.connection.peer_identity();
        let certificates =
            identity.and_then(|any| any.downcast::<Vec<CertificateDer<'static>>>().ok());
        let key = certificates.and_then(|list| tls::peer_key(&list));
        let key = key.ok_or_else(|| network("the coordinator shows no identity"))?;
        Ok((link, key))
    }

    async fn open(
        endpoint: quinn::Endpoint,
        target: SocketAddr,
        tls: rustls::ClientConfig,
    ) -> Result<Self, Failed> {
        let crypto = QuicClientConfig::try_from(tls).map_err(|error| network(error.to_string()))?;
        let mut config = quinn::ClientConfig::new(Arc::new(crypto));
        config.transport_config(Arc::new(transport_config()));
        let connecting = endpoint
            .connect_with(config, target, tls::server_name())
            .map_err(|error| network(error.to_string()))?;
        let connection = tokio::time::timeout(CONNECT_TIMEOUT, connecting)
            .await
            .map_err(|_| no_answer(target))?
            .map_err(Failed::Connection)?;
        Ok(Self {
            endpoint,
            connection,
        })
    }

    /// One request and its answer.
    ///
    /// # Errors
    /// [`Kind::Network`].
    pub async fn request(&self, request: &Request) -> Result<Response, NodeError> {
        tokio::time::timeout(ANSWER_TIMEOUT, self.exchange(request))
            .await
            .map_err(|_| network("the coordinator does not answer"))?
    }

    async fn exchange(&self, request: &Request) -> Result<Response, NodeError> {
        let lost = |error: String| network(format!("the connection was lost: {error}"));
        let frame = encode_frame(request).map_err(|error| network(error.to_string()))?;
        let (mut send, mut receive) = self
            .connection
            .open_bi()
            .await
            .map_err(|error| lost(error.to_string()))?;
        send.write_all(&frame)
            .await
            .map_err(|error| lost(error.to_string()))?;
        send.finish().map_err(|error| lost(error.to_string()))?;
        let answer = receive
            .read_to_end(MAX_FRAME_BYTES)
            .await
            .map_err(|error| lost(error.to_string()))?;
        decode_frame(&answer).map_err(|_| {
            network("the coordinator's answer cannot be read")
                .hint("node and coordinator must run the same version")
        })
    }

    /// Uploads a signed message that vault and anchor allow, piece by piece; "sent" means acknowledged by the
    /// application.
    ///
    /// # Errors
    /// [`Kind::Network`].
    pub async fn put(&self, cleared: &Cleared) -> Result<Delivered, NodeError> {
        let (round, phase, message) = (cleared.round(), cleared.phase(), cleared.message());
        let mut offset = 0usize;
        for _ in 0..=2 * MAX_PIECES {
            let rest = message.get(offset..).unwrap_or_default();
            let (piece, _) = rest.split_at(rest.len().min(CHUNK_BYTES));
            let request = Request::Put {
                round,
                phase: phase.number(),
                total: message.len() as u64,
                offset: offset as u64,
                bytes: Blob::from(piece),
            };
            match self.request(&request).await? {
                Response::Accepted => return Ok(Delivered::Accepted),
                Response::Refused(Refusal::LedgerBehind { .. }) => {
                    return Ok(Delivered::LedgerBehind);
                }
                Response::Refused(refusal) => return Ok(Delivered::Refused(refusal.to_string())),
                Response::Continue { offset: next } => {
                    offset = usize::try_from(next)
                        .unwrap_or(usize::MAX)
                        .min(message.len());
                }
                _ => return Err(network("the coordinator answered out of turn")),
            }
        }
        Err(network("the coordinator never accepts the whole message"))
    }

    /// Hands in the signed statement that this node never unmasked in a round.
    ///
    /// # Errors
    /// [`Kind::Network`].
    pub async fn never_unmasked(
        &self,
        round: Digest,
        statement: &[u8],
    ) -> Result<Delivered, NodeError> {
        let request = Request::NeverUnmasked {
            round,
            statement: Blob::from(statement),
        };
        match self.request(&request).await? {
            Response::Accepted => Ok(Delivered::Accepted),
            Response::Refused(refusal) => Ok(Delivered::Refused(refusal.to_string())),
            _ => Err(network("the coordinator answered out of turn")),
        }
    }

    /// Reads an item whole, or `None` where it does not exist yet.
    ///
    /// # Errors
    /// [`Kind::Network`], also for an item longer than anything the protocol has.
    pub async fn fetch(&self, item: &Item) -> Result<Option<Vec<u8>>, NodeError> {
        let mut read: Vec<u8> = Vec::new();
        for _ in 0..=MAX_PIECES {
            let request = Request::Fetch {
                item: item.clone(),
                offset: read.len() as u64,
            };
            let (total, bytes) = match self.request(&request).await? {
                Response::Part { total, bytes } => (total, bytes),
                Response::NotYet => return Ok(None),
                Response::Refused(refusal) => return Err(network(refusal.to_string())),
                _ => return Err(network("the coordinator answered out of turn")),
            };
            read.extend_from_slice(bytes.as_ref());
            let whole = usize::try_from(total).unwrap_or(usize::MAX);
            if whole > MAX_ENCODED_BYTES || (bytes.as_ref().is_empty() && read.len() < whole) {
                break;
            }
            if read.len() >= whole {
                return Ok(Some(read));
            }
        }
        Err(network(
            "the coordinator's answer is longer than anything it should send",
        ))
    }

    /// Whether the connection has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.connection.close_reason().is_some()
    }

    /// Bytes sent so far, as the transport counts them.
    #[must_use]
    pub fn bytes_sent(&self) -> u64 {
        self.connection.stats().udp_tx.bytes
    }

    /// Says good-bye.
    pub async fn close(self) {
        self.connection.close(0u32.into(), b"");
        self.endpoint.wait_idle().await;
    }
}

fn transport_config() -> quinn::TransportConfig {
    let mut transport = quinn::TransportConfig::default();
    transport.max_idle_timeout(quinn::IdleTimeout::try_from(IDLE_TIMEOUT).ok());
    transport.keep_alive_interval(Some(KEEP_ALIVE));
    transport.max_concurrent_bidi_streams(0u32.into());
    transport.max_concurrent_uni_streams(0u32.into());
    transport
}

fn no_answer(target: SocketAddr) -> NodeError {
    network(format!("nothing answers at {target}")).hint(
        "is the coordinator running, and does the firewall let UDP out to it? the node tries again by itself",
    )
}

fn connection_error(
    target: SocketAddr,
    coordinator: IdentityKey,
    error: &quinn::ConnectionError,
) -> NodeError {
    let text = error.to_string();
    let wrong_key = matches!(error, quinn::ConnectionError::TransportError(failure)
        if failure.to_string().contains("ApplicationVerificationFailure"));
    if wrong_key {
        let fingerprint = coordinator.fingerprint();
        return NodeError::new(
            Kind::OtherKey,
            format!(
                "the machine at {target} is not the coordinator with fingerprint {fingerprint}"
            ),
        )
        .hint("nothing was sent; telephone the coordinator's operator and compare fingerprints");
    }
    match error {
        quinn::ConnectionError::TimedOut => no_answer(target),
        _ => network(format!("cannot connect to {target}: {text}"))
            .hint("the node tries again by itself"),
    }
}
