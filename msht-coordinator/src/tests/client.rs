//! A node without a vault: just enough to take part in a round over real QUIC.

use std::net::SocketAddr;
use std::sync::Arc;

use msht_core::crypto::{Digest, HexBytes, Identity, IdentityKey};
use msht_core::rational::Rational;
use msht_core::secagg::messages::Phase;
use msht_core::secagg::node::{Frozen, NodeSession};
use msht_core::secagg::{
    Announcement, LocalPolicy, ProgrammeDocument, Roster, Signed, accept_terms,
};
use msht_core::wire::tls::{client_config, server_name};
use msht_core::wire::{
    Blob, CHUNK_BYTES, Item, MAX_ENCODED_BYTES, MAX_FRAME_BYTES, Request, Response, decode,
    decode_frame, encode_frame,
};
use quinn::crypto::rustls::QuicClientConfig;

use super::rng;

/// Most pieces of one item or message in a test.
const MAX_PIECES: usize = 64;

pub(super) struct Client {
    pub(super) identity: Arc<Identity>,
    coordinator: IdentityKey,
    endpoint: quinn::Endpoint,
    connection: quinn::Connection,
}

impl Client {
    pub(super) async fn connect(
        identity: &Arc<Identity>,
        coordinator: IdentityKey,
        address: SocketAddr,
    ) -> Self {
        let mut endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        let tls = client_config(identity, coordinator).unwrap();
        let tls = QuicClientConfig::try_from(tls).unwrap();
        endpoint.set_default_client_config(quinn::ClientConfig::new(Arc::new(tls)));
        let connecting = endpoint.connect(address, server_name()).unwrap();
        Self {
            identity: Arc::clone(identity),
            coordinator,
            connection: connecting.await.unwrap(),
            endpoint,
        }
    }

    pub(super) async fn reconnect(&mut self, address: SocketAddr) {
        let connecting = self.endpoint.connect(address, server_name()).unwrap();
        self.connection = connecting.await.unwrap();
    }

    pub(super) async fn ask(&self, request: &Request) -> Response {
        let (mut send, mut receive) = self.connection.open_bi().await.unwrap();
        send.write_all(&encode_frame(request).unwrap())
            .await
            .unwrap();
        send.finish().unwrap();
        let frame = receive.read_to_end(MAX_FRAME_BYTES).await.unwrap();
        decode_frame(&frame).unwrap()
    }

    /// A whole item, or none where it is not there yet.
    pub(super) async fn fetch(&self, item: Item) -> Option<Vec<u8>> {
        let mut read = Vec::new();
        for _ in 0..MAX_PIECES {
            let (item, offset) = (item.clone(), read.len() as u64);
            match self.ask(&Request::Fetch { item, offset }).await {
                Response::NotYet => return None,
                Response::Part { total, bytes } => {
                    read.extend_from_slice(bytes.as_ref());
                    if read.len() as u64 == total {
                        return Some(read);
                    }
                }
                other => panic!("fetch answered with {other:?}"),
            }
        }
        panic!("an item of more than {MAX_PIECES} pieces");
    }

    /// Sends a message in pieces of `piece` bytes; the last answer.
    pub(super) async fn put(
        &self,
        round: Digest,
        phase: u8,
        message: &[u8],
        piece: usize,
    ) -> Response {
        let mut offset = 0;
        for _ in 0..MAX_PIECES {
            let end = message.len().min(offset + piece);
            let request = Request::Put {
                round,
                phase,
                total: message.len() as u64,
                offset: offset as u64,
                bytes: Blob::from(&message[offset..end]),
            };
            match self.ask(&request).await {
                Response::Continue { offset: next } => offset = usize::try_from(next).unwrap(),
                answer => return answer,
            }
        }
        panic!("a message of more than {MAX_PIECES} pieces");
    }

    async fn document<T: serde::Serialize + serde::de::DeserializeOwned>(&self, item: Item) -> T {
        decode(&self.fetch(item).await.unwrap(), MAX_ENCODED_BYTES).unwrap()
    }

    /// Checks the terms of a round as a node does, and freezes these values.
    pub(super) async fn session(&self, round: Digest, id: &str, values: &[i64]) -> NodeSession {
        let announcement: Signed<Announcement> = self.document(Item::Announcement(round)).await;
        let content = &announcement.content;
        let programme: Signed<ProgrammeDocument> = self
            .document(Item::Programme(content.programme_digest))
            .await;
        let roster: Signed<Roster> = self.document(Item::Roster(content.roster_version)).await;
        let policy = LocalPolicy {
            least_invited: 3,
            least_colluders: 1,
            least_honest: 2,
            most_epsilon: Rational::one(),
        };
        let terms =
            accept_terms(announcement, programme, roster, self.coordinator, &policy).unwrap();
        let ledger = (0, HexBytes::ZERO);
        let frozen = Frozen::draw(&terms.context, id, values, ledger, &mut rng(7)).unwrap();
        NodeSession::start(Arc::new(terms.context), Arc::clone(&self.identity), frozen).unwrap()
    }
}

/// One partner in one round.
pub(super) struct Node {
    pub(super) client: Client,
    pub(super) session: NodeSession,
}

impl Node {
    /// Goes on until its message of `phase` is acknowledged; not further. Nothing to do where the round has ended.
    pub(super) async fn send(&mut self, phase: Phase) {
        for _ in 0..4 {
            self.session.record_stored();
            if self.session.phase() == phase && self.session.poll_transmit().is_none() {
                return;
            }
            self.turn().await;
        }
    }

    /// One step onward; whether there was one to take.
    pub(super) async fn turn(&mut self) -> bool {
        self.session.record_stored();
        let (round, phase) = (self.session.context().round(), self.session.phase());
        if let Some(message) = self.session.poll_transmit().map(<[u8]>::to_vec) {
            let number = phase.number();
            match self.client.put(round, number, &message, CHUNK_BYTES).await {
                Response::Accepted => self.session.acknowledged(),
                other => panic!("{phase:?} answered with {other:?}"),
            }
            return true;
        }
        let Some(phase) = self.session.awaiting() else {
            return false;
        };
        let phase = phase.number();
        match self.client.fetch(Item::Message { round, phase }).await {
            None => false,
            Some(message) => {
                self.session.handle_message(&message).unwrap();
                true
            }
        }
    }
}

/// Turns of all nodes until none has a step to take. Every phase that is complete has closed by then, because the
/// message that completes it is acknowledged after.
pub(super) async fn settle(nodes: &mut [Node]) {
    for _ in 0..100 {
        let mut moved = false;
        for node in &mut *nodes {
            moved |= node.turn().await;
        }
        if !moved {
            return;
        }
    }
    panic!("the nodes never settled");
}
