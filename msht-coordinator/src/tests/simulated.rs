//! QUIC over a simulated network in virtual time, and a coordinator that keeps one round in memory.
//!
//! The transport is the real one on both sides: that of nodes, and [`serve`] here. SQLite is left out, because its
//! thread does not live in virtual time; rounds through it are in `rounds.rs` and, with processes, in the examples. The
//! network's faults follow from a seed. Keys of TLS do not, so contents of packets differ from run to run.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use msht_core::crypto::IdentityKey;
use msht_core::secagg::coordinator::{CoordinatorRecord, CoordinatorSession, Progress};
use msht_core::secagg::messages::Phase;
use msht_core::testkit::cohort::{Cohort, CohortOptions};
use msht_core::wire::{Item, Refusal, Request, Response, RoundNews, RoundState, part_of};
use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncTimer, AsyncUdpSocket, Endpoint, Runtime, TokioRuntime, UdpPoller};
use tokio::sync::{mpsc, watch};
use turmoil::net::UdpSocket;

use crate::transport::{Answers, Peer, serve, settings};

/// Where the coordinator listens.
pub(super) const PORT: u16 = 7843;
/// Name of the coordinator's host.
pub(super) const COORDINATOR: &str = "coordinator";
/// Longest wait of a poll, as in the real coordinator.
const POLL_WAIT: Duration = Duration::from_secs(20);
/// Datagrams that wait to be read; more are lost, as in a system's socket.
const INBOX: usize = 4_096;

type Datagram = (Vec<u8>, SocketAddr);

/// A socket of the simulated network as quinn takes it.
struct SimulatedSocket {
    socket: Arc<UdpSocket>,
    inbox: Mutex<mpsc::Receiver<Datagram>>,
}

impl std::fmt::Debug for SimulatedSocket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SimulatedSocket")
    }
}

#[derive(Debug)]
struct AlwaysWritable;

impl UdpPoller for AlwaysWritable {
    fn poll_writable(self: Pin<&mut Self>, _: &mut Context) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncUdpSocket for SimulatedSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(AlwaysWritable)
    }

    fn try_send(&self, transmit: &Transmit) -> io::Result<()> {
        // A datagram that nobody can take is lost, as on a real network.
        let _lost = self
            .socket
            .try_send_to(transmit.contents, transmit.destination);
        Ok(())
    }

    fn poll_recv(
        &self,
        cx: &mut Context,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let received = ready!(self.inbox.lock().unwrap().poll_recv(cx));
        let (bytes, addr) = received.ok_or(io::ErrorKind::NotConnected)?;
        bufs[0][..bytes.len()].copy_from_slice(&bytes);
        meta[0] = RecvMeta {
            addr,
            len: bytes.len(),
            stride: bytes.len(),
            ecn: None,
            dst_ip: None,
        };
        Poll::Ready(Ok(1))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

/// Tokio's time, which is virtual here, and no sockets of the system.
#[derive(Debug)]
struct SimulatedRuntime;

impl Runtime for SimulatedRuntime {
    fn new_timer(&self, at: Instant) -> Pin<Box<dyn AsyncTimer>> {
        TokioRuntime.new_timer(at)
    }

    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) {
        TokioRuntime.spawn(future);
    }

    fn wrap_udp_socket(&self, _: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn now(&self) -> Instant {
        TokioRuntime.now()
    }
}

/// An endpoint on the host that calls this; a server with `server`, else a client.
pub(super) async fn endpoint(
    port: u16,
    config: quinn::EndpointConfig,
    server: Option<quinn::ServerConfig>,
) -> Endpoint {
    let bound = UdpSocket::bind((IpAddr::from(Ipv4Addr::UNSPECIFIED), port)).await;
    let socket = Arc::new(bound.unwrap());
    let (sender, inbox) = mpsc::channel(INBOX);
    let from = Arc::clone(&socket);
    tokio::spawn(async move {
        let mut buffer = vec![0; 65_535];
        while let Ok((length, addr)) = from.recv_from(&mut buffer).await {
            match sender.try_send((buffer[..length].to_vec(), addr)) {
                Err(mpsc::error::TrySendError::Closed(_)) => return,
                Ok(()) | Err(mpsc::error::TrySendError::Full(_)) => {}
            }
        }
    });
    let socket = Arc::new(SimulatedSocket {
        socket,
        inbox: Mutex::new(inbox),
    });
    Endpoint::new_with_abstract_socket(config, server, socket, Arc::new(SimulatedRuntime)).unwrap()
}

pub(super) async fn client_endpoint() -> Endpoint {
    endpoint(0, quinn::EndpointConfig::default(), None).await
}

pub(super) fn target() -> SocketAddr {
    (turmoil::lookup(COORDINATOR), PORT).into()
}

/// What a coordinator keeps of one round when it is killed.
pub(super) struct OneRound {
    pub(super) cohort: Cohort,
    session: Mutex<CoordinatorSession>,
    /// What is durable.
    records: Mutex<Vec<CoordinatorRecord>>,
    partial: Mutex<BTreeMap<u8, Vec<u8>>>,
    news: watch::Sender<u64>,
}

impl OneRound {
    pub(super) fn new(cells: u32, seed: u64) -> Arc<Self> {
        let options = CohortOptions {
            cells,
            ..CohortOptions::default()
        };
        let cohort = Cohort::new(&options, seed);
        let context = Arc::clone(&cohort.context);
        let session = CoordinatorSession::new(context, Arc::clone(&cohort.coordinator));
        Arc::new(Self {
            cohort,
            session: Mutex::new(session),
            records: Mutex::default(),
            partial: Mutex::default(),
            news: watch::Sender::new(1),
        })
    }

    pub(super) fn partners(&self) -> BTreeSet<u8> {
        (1..).take(self.cohort.identities.len()).collect()
    }

    fn index_of(&self, key: &IdentityKey) -> Option<u8> {
        let mut indexed = (1..).zip(&self.cohort.identities);
        indexed
            .find(|(_, identity)| identity.key() == *key)
            .map(|(index, _)| index)
    }

    /// The open phase closes as if its deadline had come.
    pub(super) fn close_phase(&self) {
        let mut session = self.session.lock().unwrap();
        session.close_now().unwrap();
        self.settle(&mut session);
        self.news.send_modify(|number| *number += 1);
    }

    /// Closes what can be closed, and makes all of it durable.
    fn settle(&self, session: &mut CoordinatorSession) {
        while session.handle_timeout(0).unwrap() {
            self.news.send_modify(|number| *number += 1);
        }
        self.records.lock().unwrap().extend(session.take_records());
    }

    /// What a new process finds: what was durable, and nothing else.
    fn restart(&self) {
        let records = self.records.lock().unwrap().clone();
        let coordinator = Arc::clone(&self.cohort.coordinator);
        let context = Arc::clone(&self.cohort.context);
        let session = CoordinatorSession::resume(context, coordinator, records);
        *self.session.lock().unwrap() = session.unwrap();
        self.partial.lock().unwrap().clear();
    }

    /// Where the round stands.
    pub(super) fn progress(&self) -> Progress {
        self.session.lock().unwrap().progress()
    }

    /// Whose vectors are in the sum, and the sum, once it is open.
    pub(super) fn opened(&self) -> Option<(Vec<u8>, Vec<i64>)> {
        let session = self.session.lock().unwrap();
        let opened = session.opened()?;
        Some((opened.confirm.survivors.clone(), opened.sum.clone()))
    }

    fn put(&self, index: u8, total: u64, offset: u64, bytes: &[u8]) -> Response {
        let mut partial = self.partial.lock().unwrap();
        let message = partial.entry(index).or_default();
        if offset == 0 {
            message.clear();
        }
        if message.len() as u64 != offset {
            let offset = message.len() as u64;
            return Response::Continue { offset };
        }
        message.extend_from_slice(bytes);
        if (message.len() as u64) < total {
            let offset = message.len() as u64;
            return Response::Continue { offset };
        }
        let message = std::mem::take(message);
        let mut session = self.session.lock().unwrap();
        let answer = match session.handle_message(&message) {
            Ok(_) => Response::Accepted,
            Err(fault) => Response::Refused(Refusal::Message {
                reason: fault.to_string(),
            }),
        };
        self.settle(&mut session);
        answer
    }

    async fn poll(&self, seen: u64) -> Response {
        let mut news = self.news.subscribe();
        let newer = news.wait_for(|number| *number > seen);
        drop(tokio::time::timeout(POLL_WAIT, newer).await);
        let state = match self.session.lock().unwrap().opened() {
            Some(_) => RoundState::Released,
            None => RoundState::Open(Phase::Join.number()),
        };
        let round = self.cohort.context.round();
        Response::News {
            number: *self.news.borrow(),
            rounds: vec![RoundNews { round, state }],
            programmes: Vec::new(),
        }
    }
}

impl Answers for OneRound {
    async fn knows(&self, key: &IdentityKey) -> bool {
        self.index_of(key).is_some()
    }

    async fn answer(&self, peer: &Peer, request: Request) -> Response {
        let key = peer.key();
        let Some(index) = self.index_of(key) else {
            return Response::Refused(Refusal::UnknownIdentity);
        };
        match request {
            Request::Poll { seen } => self.poll(seen).await,
            Request::Put {
                total,
                offset,
                bytes,
                ..
            } => self.put(index, total, offset, bytes.as_ref()),
            Request::Fetch {
                item: Item::Message { phase, .. },
                offset,
            } => {
                let mut phases = Phase::ALL.into_iter();
                let phase = phases.find(|each| each.number() == phase);
                let session = self.session.lock().unwrap();
                let message = phase.and_then(|phase| session.message_for(phase, index));
                let part = message.and_then(|bytes| part_of(&bytes, offset));
                part.unwrap_or(Response::NotYet)
            }
            // Something large that is always there.
            Request::Fetch { offset, .. } => {
                part_of(&vec![7; 1_000_000], offset).unwrap_or(Response::NotYet)
            }
            Request::Enrol { .. } => Response::Refused(Refusal::UnknownInvite),
            Request::NeverUnmasked { .. } | Request::State { .. } | Request::LedgerHead { .. } => {
                Response::Refused(Refusal::Malformed)
            }
        }
    }
}

/// Serves the round on the coordinator's host; what it is killed with is lost, `round` is not.
pub(super) fn host(simulation: &mut turmoil::Sim, round: &Arc<OneRound>) {
    let round = Arc::clone(round);
    simulation.host(COORDINATOR, move || {
        let round = Arc::clone(&round);
        round.restart();
        async move {
            let (config, server) = settings(&round.cohort.coordinator).unwrap();
            let endpoint = endpoint(PORT, config, Some(server)).await;
            let (_never, stopped) = watch::channel(false);
            serve(round, endpoint, stopped).await;
            Ok(())
        }
    });
}
