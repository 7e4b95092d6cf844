//! A relay between nodes and coordinator that keeps every datagram: what somebody on the line sees.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// How long a thread waits for a datagram before it looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(100);
/// Longest UDP datagram.
const MAX_DATAGRAM_BYTES: usize = 65_536;

/// A relay that runs until it is dropped.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<u8>>>,
    stop: Arc<AtomicBool>,
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.set_read_timeout(Some(LOOK)).unwrap();
    socket
}

/// Hands on what arrives at `from`, until told to stop.
fn hand_on(from: &UdpSocket, stop: &AtomicBool, mut send: impl FnMut(SocketAddr, &[u8])) {
    let mut buffer = vec![0; MAX_DATAGRAM_BYTES];
    while !stop.load(Ordering::Relaxed) {
        // An error is the time-out, or that the other side is down for a moment.
        if let Ok((length, sender)) = from.recv_from(&mut buffer) {
            send(sender, &buffer[..length]);
        }
    }
}

impl Relay {
    /// A relay to the coordinator at `target`.
    pub(crate) fn to(target: SocketAddr) -> Self {
        let front = socket();
        let relay = Self {
            address: front.local_addr().unwrap(),
            seen: Arc::default(),
            stop: Arc::default(),
        };
        let (seen, stop) = (Arc::clone(&relay.seen), Arc::clone(&relay.stop));
        thread::spawn(move || {
            let front = Arc::new(front);
            let mut backs: BTreeMap<SocketAddr, Arc<UdpSocket>> = BTreeMap::new();
            hand_on(&front, &stop, |node, datagram| {
                seen.lock().unwrap().extend_from_slice(datagram);
                let back = backs.entry(node).or_insert_with(|| {
                    let back = Arc::new(socket());
                    let (front, back_again) = (Arc::clone(&front), Arc::clone(&back));
                    let (seen, stop) = (Arc::clone(&seen), Arc::clone(&stop));
                    thread::spawn(move || {
                        hand_on(&back_again, &stop, |_coordinator, datagram| {
                            seen.lock().unwrap().extend_from_slice(datagram);
                            let _lost = front.send_to(datagram, node);
                        });
                    });
                    back
                });
                let _lost = back.send_to(datagram, target);
            });
        });
        relay
    }

    /// Every byte so far, both ways.
    pub(crate) fn seen(&self) -> Vec<u8> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
