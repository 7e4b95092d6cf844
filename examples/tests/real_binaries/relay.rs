//! A bad network on loopback: a UDP relay that loses, delays, reorders and doubles what passes through it. Where it has
//! several targets it balances between them, as a load balancer for UDP does.
//!
//! What happens to a packet is drawn from a seed; when it comes is up to the processes on both sides, so a seed gives
//! the same weather and not the same run.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use tokio::net::UdpSocket;
use tokio::runtime::Runtime;

/// Largest datagram.
const DATAGRAM_BYTES: usize = 65_535;
/// Most senders at once; each start of a node is a new one, and the oldest gives way.
const MAX_SENDERS: usize = 64;
/// Most packets held back at once; more are lost.
const MAX_HELD: usize = 4_096;
/// Usual delay, in milliseconds, of a packet that is delayed, and what a late one waits beyond it.
const DELAY_MS: std::ops::Range<u64> = 1..20;
const LATE_MS: std::ops::Range<u64> = 40..120;

/// What happens to packets, in parts of a thousand.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Weather {
    pub(crate) lost: u32,
    pub(crate) delayed: u32,
    /// Held back so long that later ones overtake it.
    pub(crate) late: u32,
    pub(crate) doubled: u32,
}

impl Weather {
    /// From a quiet day to a bad line: up to a tenth lost, all delayed, a twelfth reordered, a twentieth doubled.
    pub(crate) fn draw(rng: &mut StdRng) -> Self {
        Self {
            lost: rng.random_range(0..100),
            delayed: rng.random_range(0..1_000),
            late: rng.random_range(0..80),
            doubled: rng.random_range(0..50),
        }
    }

    /// Nothing passes.
    pub(crate) fn cut() -> Self {
        Self {
            lost: 1_000,
            ..Self::default()
        }
    }
}

/// What was done to packets.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) passed: AtomicU64,
    pub(crate) lost: AtomicU64,
    pub(crate) delayed: AtomicU64,
    pub(crate) late: AtomicU64,
    pub(crate) doubled: AtomicU64,
}

struct Sky {
    weather: Mutex<(Weather, StdRng)>,
    tally: Arc<Tally>,
    held: AtomicUsize,
}

impl Sky {
    /// When copies of a packet go on: none, one or two.
    fn fate(&self) -> Vec<Duration> {
        let mut sky = self.weather.lock().unwrap();
        let (weather, rng) = &mut *sky;
        let mut happens = |thousandths: u32| rng.next_u32() % 1_000 < thousandths;
        let (lost, delayed) = (happens(weather.lost), happens(weather.delayed));
        let (late, doubled) = (happens(weather.late), happens(weather.doubled));
        let count = |number: &AtomicU64| number.fetch_add(1, Ordering::Relaxed);
        if lost {
            count(&self.tally.lost);
            return Vec::new();
        }
        count(&self.tally.passed);
        let mut wait = Duration::ZERO;
        if delayed {
            count(&self.tally.delayed);
            wait += Duration::from_millis(rng.random_range(DELAY_MS));
        }
        if late {
            count(&self.tally.late);
            wait += Duration::from_millis(rng.random_range(LATE_MS));
        }
        let mut copies = vec![wait];
        if doubled {
            count(&self.tally.doubled);
            copies.push(wait + Duration::from_millis(rng.random_range(DELAY_MS)));
        }
        copies
    }

    /// Sends a packet on as its fate has it. A socket that refuses loses the packet, as a network would.
    async fn pass(self: &Arc<Self>, bytes: &[u8], from: &Arc<UdpSocket>, to: SocketAddr) {
        for wait in self.fate() {
            if wait.is_zero() {
                let _lost = from.send_to(bytes, to).await;
                continue;
            }
            if self.held.load(Ordering::Relaxed) >= MAX_HELD {
                self.tally.lost.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            self.held.fetch_add(1, Ordering::Relaxed);
            let (sky, from, bytes) = (Arc::clone(self), Arc::clone(from), bytes.to_vec());
            tokio::spawn(async move {
                tokio::time::sleep(wait).await;
                let _lost = from.send_to(&bytes, to).await;
                sky.held.fetch_sub(1, Ordering::Relaxed);
            });
        }
    }
}

/// To which target packets go: each sender keeps the one that it was given, new ones are given one after the other, and
/// those of a target that is out are given another one that is not.
struct Balancer {
    targets: Vec<Target>,
    next: usize,
}

struct Target {
    address: SocketAddr,
    is_out: bool,
    /// Senders that were ever given this target.
    given: usize,
}

impl Balancer {
    fn new(targets: &[SocketAddr]) -> Self {
        let target = |address: &SocketAddr| Target {
            address: *address,
            is_out: false,
            given: 0,
        };
        Self {
            targets: targets.iter().map(target).collect(),
            next: 0,
        }
    }

    /// The target of a new sender.
    fn give(&mut self) -> usize {
        let first = self.next;
        self.next = (first + 1) % self.targets.len();
        let given = self.in_service_from(first);
        self.targets[given].given += 1;
        given
    }

    /// The target of a sender that was given this one before, and where that is.
    fn keep(&mut self, given: usize) -> (usize, SocketAddr) {
        let now = self.in_service_from(given);
        self.targets[now].given += usize::from(now != given);
        (now, self.targets[now].address)
    }

    /// The first one that is not out, or this one where all are.
    fn in_service_from(&self, first: usize) -> usize {
        let number = self.targets.len();
        let mut turn = (first..first + number).map(|each| each % number);
        let found = turn.find(|each| !self.targets[*each].is_out);
        found.unwrap_or(first)
    }
}

struct Sender {
    target: usize,
    socket: Arc<UdpSocket>,
    back: tokio::task::AbortHandle,
    since: u64,
}

async fn relay(front: Arc<UdpSocket>, balancer: Arc<Mutex<Balancer>>, sky: Arc<Sky>) {
    let mut senders: BTreeMap<SocketAddr, Sender> = BTreeMap::new();
    let mut buffer = vec![0; DATAGRAM_BYTES];
    for number in 0.. {
        let Ok((length, from)) = front.recv_from(&mut buffer).await else {
            continue;
        };
        if !senders.contains_key(&from) {
            if senders.len() >= MAX_SENDERS {
                let oldest = senders.iter().min_by_key(|(_, sender)| sender.since);
                let oldest = oldest.map(|(address, _)| *address).unwrap();
                senders.remove(&oldest).unwrap().back.abort();
            }
            let Ok(socket) = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await else {
                continue;
            };
            let socket = Arc::new(socket);
            let back = answers(
                Arc::clone(&socket),
                Arc::clone(&front),
                from,
                Arc::clone(&sky),
            );
            let sender = Sender {
                target: balancer.lock().unwrap().give(),
                socket,
                back: tokio::spawn(back).abort_handle(),
                since: number,
            };
            senders.insert(from, sender);
        }
        let sender = senders.get_mut(&from).unwrap();
        let (target, address) = balancer.lock().unwrap().keep(sender.target);
        sender.target = target;
        sky.pass(&buffer[..length], &sender.socket, address).await;
    }
}

async fn answers(from: Arc<UdpSocket>, front: Arc<UdpSocket>, to: SocketAddr, sky: Arc<Sky>) {
    let mut buffer = vec![0; DATAGRAM_BYTES];
    loop {
        if let Ok((length, _)) = from.recv_from(&mut buffer).await {
            sky.pass(&buffer[..length], &front, to).await;
        }
    }
}

/// A running relay; it ends when it is forgotten.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    sky: Arc<Sky>,
    balancer: Arc<Mutex<Balancer>>,
    _runtime: Runtime,
}

impl Relay {
    /// A relay to these targets in good weather.
    pub(crate) fn start(targets: &[SocketAddr], seed: u64, tally: &Arc<Tally>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let front = runtime.block_on(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)));
        let front = Arc::new(front.unwrap());
        let address = front.local_addr().unwrap();
        let sky = Arc::new(Sky {
            weather: Mutex::new((Weather::default(), StdRng::seed_from_u64(seed))),
            tally: Arc::clone(tally),
            held: AtomicUsize::new(0),
        });
        let balancer = Arc::new(Mutex::new(Balancer::new(targets)));
        runtime.spawn(relay(front, Arc::clone(&balancer), Arc::clone(&sky)));
        Self {
            address,
            sky,
            balancer,
            _runtime: runtime,
        }
    }

    pub(crate) fn set(&self, weather: Weather) {
        self.sky.weather.lock().unwrap().0 = weather;
    }

    /// Sends nothing more to a target, unless all are out; or sends to it again.
    pub(crate) fn set_out(&self, target: usize, is_out: bool) {
        self.balancer.lock().unwrap().targets[target].is_out = is_out;
    }

    /// How many senders each target was ever given.
    pub(crate) fn given(&self) -> Vec<usize> {
        let balancer = self.balancer.lock().unwrap();
        balancer.targets.iter().map(|each| each.given).collect()
    }
}

#[test]
fn the_relay_balances_between_its_targets_and_leaves_out_those_that_are_out() {
    let address = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut balancer = Balancer::new(&[address(1), address(2)]);
    let first = [balancer.give(), balancer.give(), balancer.give()];
    assert_eq!(first, [0, 1, 0]);
    assert_eq!(balancer.keep(1), (1, address(2)));
    balancer.targets[1].is_out = true;
    // Its senders move, and new ones do not come to it.
    assert_eq!(balancer.keep(1), (0, address(1)));
    assert_eq!([balancer.give(), balancer.give()], [0, 0]);
    // Who moved stays, and with nobody left everybody stays.
    balancer.targets[1].is_out = false;
    assert_eq!(balancer.keep(0), (0, address(1)));
    for target in &mut balancer.targets {
        target.is_out = true;
    }
    assert_eq!(balancer.keep(1), (1, address(2)));
    let given: Vec<usize> = balancer.targets.iter().map(|each| each.given).collect();
    assert_eq!(given, [5, 1]);
}

/// What came to this socket first, and from where it came.
fn received(socket: &std::net::UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 64];
    let (length, from) = socket.recv_from(&mut buffer).unwrap();
    (buffer[..length].to_vec(), from)
}

#[test]
fn packets_go_to_the_target_that_was_given_to_the_other_one_once_it_is_out_and_answers_come_back() {
    let socket = || std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let targets = [socket(), socket()];
    let addresses = [0, 1].map(|each: usize| targets[each].local_addr().unwrap());
    let relay = Relay::start(&addresses, 1, &Arc::default());
    let sender = socket();
    let send = |text: &[u8]| sender.send_to(text, relay.address).unwrap();
    send(b"one");
    assert_eq!(received(&targets[0]).0, b"one");
    relay.set_out(0, true);
    send(b"two");
    let (bytes, from) = received(&targets[1]);
    assert_eq!(bytes, b"two");
    targets[1].send_to(b"three", from).unwrap();
    assert_eq!(received(&sender), (b"three".to_vec(), relay.address));
    assert_eq!(relay.given(), [1, 1]);
}
