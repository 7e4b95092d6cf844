//! Floods of the real coordinator while honest nodes finish a round; what memory that costs it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use msht_core::crypto::{Digest, Identity, IdentityKey};
use msht_core::wire::tls::{client_config, server_name};
use msht_core::wire::{Invite, Item, MAX_FRAME_BYTES, Request, encode_frame};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{Connection, Endpoint, TransportConfig, VarInt};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use crate::rounds::checked_release;
use crate::world::{LONG, World, names, wait_for};

const HONEST: [&str; 5] = ["p1", "p2", "p3", "p4", "p5"];
/// Most memory that the coordinator may ever have had in RAM during the floods, in KiB.
const CEILING_KIB: u64 = 64 * 1024;
/// Identities that nobody knows, and connections that each tries to keep.
const STRANGERS: u64 = 100;
const PER_STRANGER: usize = 4;
/// First packets whose senders never answer, and how often they are sent.
const HALF_HANDSHAKES: u64 = 300;
const TIMES: usize = 10;
/// Datagrams of noise.
const GARBAGE: usize = 20_000;
/// Oversized frames of a partner.
const OVERSIZED: usize = 40;
/// Another address of this machine than that of the honest nodes.
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const SEED: u64 = 7;

/// What the floods did, for the printed figures.
#[derive(Default)]
struct Flood {
    over: AtomicBool,
    strangers_connected: AtomicU64,
    strangers_turned_away: AtomicU64,
    half_handshakes: AtomicU64,
    garbage: AtomicU64,
    half_streams: AtomicU64,
    unread_answers: AtomicU64,
    oversized_cut_off: AtomicU64,
}

impl Flood {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

fn count(number: &AtomicU64) {
    number.fetch_add(1, Ordering::Relaxed);
}

/// The coordinator as an attacker knows it.
#[derive(Clone, Copy)]
struct Target {
    address: SocketAddr,
    key: IdentityKey,
}

fn connecting(target: Target, identity: &Identity, window: u32) -> (Endpoint, quinn::Connecting) {
    let tls = client_config(identity, target.key).unwrap();
    let mut config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    let mut transport = TransportConfig::default();
    transport.keep_alive_interval(Some(Duration::from_secs(3)));
    transport.stream_receive_window(VarInt::from_u32(window));
    config.transport_config(Arc::new(transport));
    let endpoint = Endpoint::client((ELSEWHERE, 0).into()).unwrap();
    let connecting = endpoint.connect_with(config, target.address, server_name());
    (endpoint, connecting.unwrap())
}

fn identity(seed: u64) -> Identity {
    Identity::generate(&mut StdRng::seed_from_u64(seed)).unwrap()
}

/// Keeps connections of an identity that nobody knows, and does nothing with them.
async fn strange(target: Target, number: u64, flood: Arc<Flood>) {
    let own = identity(1_000 + number);
    let mut kept = Vec::new();
    for _ in 0..PER_STRANGER {
        let (endpoint, connecting) = connecting(target, &own, 1_024);
        match connecting.await {
            Ok(connection) => {
                count(&flood.strangers_connected);
                kept.push((endpoint, connection));
            }
            Err(_) => count(&flood.strangers_turned_away),
        }
    }
    until_over(&flood).await;
    // A client believes that it is connected before the coordinator has found a place for it, or none.
    for (_, connection) in kept {
        if connection.close_reason().is_some() {
            count(&flood.strangers_turned_away);
        }
    }
}

async fn until_over(flood: &Flood) {
    while !flood.is_over() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The first packet of a handshake, caught before it gets anywhere.
async fn first_packet(key: IdentityKey, number: u64) -> Vec<u8> {
    let trap = UdpSocket::bind((ELSEWHERE, 0)).await.unwrap();
    let address = trap.local_addr().unwrap();
    let (_endpoint, _connecting) = connecting(Target { address, key }, &identity(number), 1_024);
    let mut packet = vec![0; 2_048];
    let (length, _) = trap.recv_from(&mut packet).await.unwrap();
    packet.truncate(length);
    packet
}

/// First packets from ports that never answer.
async fn half_shake(target: Target, number: u64, flood: Arc<Flood>) {
    let packet = first_packet(target.key, 10_000 + number).await;
    for _ in 0..TIMES {
        let socket = UdpSocket::bind((ELSEWHERE, 0)).await.unwrap();
        let _lost = socket.send_to(&packet, target.address).await;
        count(&flood.half_handshakes);
        tokio::time::sleep(Duration::from_millis(20)).await;
        if flood.is_over() {
            return;
        }
    }
}

async fn noise(target: Target, flood: Arc<Flood>) {
    let mut rng = StdRng::seed_from_u64(SEED);
    let socket = UdpSocket::bind((ELSEWHERE, 0)).await.unwrap();
    for number in 0..GARBAGE {
        let mut garbage = vec![0; rng.random_range(1..1_400)];
        rng.fill_bytes(&mut garbage);
        let _lost = socket.send_to(&garbage, target.address).await;
        count(&flood.garbage);
        if number % 20 == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        if flood.is_over() {
            return;
        }
    }
}

/// A partner that opens requests and never ends them, asks and never reads, and sends what is far too long.
async fn misbehave(connection: Connection, flood: Arc<Flood>) {
    let mut kept = Vec::new();
    let item = Item::Programme(Digest::ZERO);
    let ask = encode_frame(&Request::Fetch { item, offset: 0 }).unwrap();
    let oversized = vec![9; 4 * MAX_FRAME_BYTES];
    for turn in 0..OVERSIZED {
        let opened = tokio::time::timeout(Duration::from_secs(1), connection.open_bi()).await;
        let Ok(Ok((mut send, receive))) = opened else {
            break;
        };
        match turn % 4 {
            0 => {
                let _half = send.write_all(&ask[..1]).await;
                count(&flood.half_streams);
                kept.push((send, receive));
            }
            1 => {
                let _asked = send.write_all(&ask).await;
                let _ended = send.finish();
                count(&flood.unread_answers);
                kept.push((send, receive));
            }
            _ => {
                if send.write_all(&oversized).await.is_err() {
                    count(&flood.oversized_cut_off);
                }
            }
        }
    }
    until_over(&flood).await;
}

/// Kilobytes of a process by the system's name for them.
fn memory(process: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn attack(target: Target, partner: Identity, flood: &Arc<Flood>) -> JoinSet<()> {
    let mut attackers = JoinSet::new();
    for number in 0..STRANGERS {
        attackers.spawn(strange(target, number, Arc::clone(flood)));
    }
    for number in 0..HALF_HANDSHAKES {
        attackers.spawn(half_shake(target, number, Arc::clone(flood)));
    }
    attackers.spawn(noise(target, Arc::clone(flood)));
    let partner = Arc::new(partner);
    for _ in 0..PER_STRANGER {
        let (partner, flood) = (Arc::clone(&partner), Arc::clone(flood));
        attackers.spawn(async move {
            let (_endpoint, connecting) = connecting(target, &partner, 256);
            if let Ok(connection) = connecting.await {
                misbehave(connection, flood).await;
            }
        });
    }
    attackers
}

/// An enrolled partner whose software is not a node.
async fn enrol(target: Target, invite: &Invite) -> Identity {
    let own = identity(SEED);
    let (_endpoint, connecting) = connecting(target, &own, 1_024);
    let connection = connecting.await.unwrap();
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    let token = invite.token;
    send.write_all(&encode_frame(&Request::Enrol { token }).unwrap())
        .await
        .unwrap();
    send.finish().unwrap();
    receive.read_to_end(MAX_FRAME_BYTES).await.unwrap();
    own
}

#[test]
fn honest_nodes_finish_a_round_under_floods_and_the_coordinators_memory_stays_under_its_ceiling() {
    let world = World::with_partners(HONEST.len());
    let process = world.serving().unwrap();
    let idle = memory(process, "VmRSS");
    let round = world.open("2025-Q1", LONG);
    world.approve(&HONEST, &round);
    let invite: Invite = world.invite("mallory").parse().unwrap();
    let (address, key) = (world.quic(), invite.coordinator);
    let target = Target { address, key };

    let runtime = tokio::runtime::Runtime::new().unwrap();
    let flood = Arc::new(Flood::default());
    let mut agents: Vec<_> = HONEST[..3]
        .iter()
        .map(|partner| world.run(partner))
        .collect();
    let attackers = runtime.block_on(async {
        let partner = enrol(target, &invite).await;
        attack(target, partner, &flood)
    });
    wait_for("the floods to be there", || {
        let there = flood.half_handshakes.load(Ordering::Relaxed) > HALF_HANDSHAKES
            && flood.oversized_cut_off.load(Ordering::Relaxed) > 0
            && flood.strangers_connected.load(Ordering::Relaxed) > 10;
        there.then_some(())
    });
    // These must get in through the flood.
    agents.extend(HONEST[3..].iter().map(|partner| world.run(partner)));
    assert_eq!(world.ended(&round)["state"], "released");
    let (peak, after) = (memory(process, "VmHWM"), memory(process, "VmRSS"));
    flood.over.store(true, Ordering::Relaxed);
    runtime.block_on(attackers.join_all());

    wait_for("the release", || {
        let shown = world.node("p5", &["releases", "--show", &round]);
        (shown.code == 0).then_some(())
    });
    let release = checked_release(&world, "p5", &round);
    assert_eq!(names(&release["survivors"]), HONEST);
    let number = |number: &AtomicU64| number.load(Ordering::Relaxed);
    println!(
        "strangers: {} connected, {} of them turned away; half handshakes {}, garbage {}, half-open streams {}, unread answers \
         {}, oversized frames cut off {}",
        number(&flood.strangers_connected),
        number(&flood.strangers_turned_away),
        number(&flood.half_handshakes),
        number(&flood.garbage),
        number(&flood.half_streams),
        number(&flood.unread_answers),
        number(&flood.oversized_cut_off)
    );
    println!(
        "coordinator: {idle} KiB idle, {after} KiB after, {peak} KiB at most of {CEILING_KIB}"
    );
    assert!(peak < CEILING_KIB, "{peak} KiB");
}
