//! What a peer may take of the coordinator before and after it is known, so that a flood leaves room for partners.
//!
//! Worst cases. Outsiders, who hold no key on the roster: [`MAX_HANDSHAKES`] handshakes and [`MAX_STRANGERS`]
//! connections, each with [`FIRST_WINDOW_BYTES`] of data in flight. A partner: [`MAX_PER_IDENTITY`] connections with
//! [`PARTNER_WINDOW_BYTES`] each way, and one upload. All together: [`MAX_FRAMES`] frames in memory at once. What no
//! limit here stops is a flood that fills the network itself.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use msht_core::crypto::IdentityKey;
use msht_core::wire::MAX_FRAME_BYTES;
use quinn::{Connection, VarInt};

/// Most connections at once: four of each of the 255 partners of a full cohort.
pub(crate) const MAX_CONNECTIONS: usize = 1_024;
/// Most connections of one network address, half of all: two of each partner of a full cohort that sits behind one
/// address. For IPv6 the address is its first 64 bits, because whoever has one such address has all of them.
pub(crate) const MAX_PER_ADDRESS: usize = 512;
/// Most connections of one identity: the agent, a command beside it, and what a killed agent left behind. A further
/// one ends the oldest, because a node that was killed and started again must get in.
pub(crate) const MAX_PER_IDENTITY: usize = 4;
/// Most connections of identities that are on no roster: they can only enrol.
pub(crate) const MAX_STRANGERS: usize = 64;
/// Longest stay of an identity that is on no roster; enrolling is one request.
pub(crate) const STRANGER_STAY: Duration = Duration::from_secs(30);
/// Most handshakes at once.
pub(crate) const MAX_HANDSHAKES: usize = 512;
/// Most handshakes of one network address: a full cohort behind one address returns at once after a restart.
pub(crate) const MAX_HANDSHAKES_PER_ADDRESS: usize = 256;
/// From so many handshakes on, an address must first show that it receives what is sent to it (Retry, RFC 9000,
/// section 8.1.2); nothing is kept of those that do not.
pub(crate) const RETRY_FROM: usize = 32;
/// Longest handshake.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Most requests at once on a new connection: one, to enrol.
pub(crate) const FIRST_STREAMS: u32 = 1;
/// Most requests at once of a partner's connection: a poll, an upload, and fetches beside them.
pub(crate) const PARTNER_STREAMS: u32 = 4;
/// Bytes in flight on a new connection: more than a request to enrol has.
pub(crate) const FIRST_WINDOW_BYTES: u32 = 16 * 1024;
/// Bytes in flight on a partner's connection, each way: two frames, so that one follows the other without a pause.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a frame has far fewer bytes"
)]
pub(crate) const PARTNER_WINDOW_BYTES: u32 = 2 * MAX_FRAME_BYTES as u32;
/// Longest request of an identity that is on no roster, in bytes.
pub(crate) const STRANGER_FRAME_BYTES: usize = 4 * 1024;
/// Most frames that are read or written at once: sixteen of each of a quarter of a full cohort. Together they take
/// at most 320 MiB.
pub(crate) const MAX_FRAMES: usize = 1_024;
/// Longest time in which a request frame must have arrived whole.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest time in which the peer must have taken an answer whole.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// A connection that is silent for so long is gone; a poll is answered well before.
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Connection attempts that wait to be looked at; they are looked at as they come.
pub(crate) const MAX_INCOMING: usize = 256;
/// Bytes kept of one connection attempt that waits, and of all of them.
pub(crate) const INCOMING_BYTES: (u64, u64) = (16 * 1024, 4 * 1024 * 1024);

/// Application code of a connection that gave way to newer ones of its identity.
pub(crate) const CLOSED_FOR_NEWER: VarInt = VarInt::from_u32(3);
/// Application code of a connection for which there is no place.
pub(crate) const CLOSED_WITHOUT_PLACE: VarInt = VarInt::from_u32(4);

/// What to do about a connection attempt.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Shake hands; the place is free again when it is dropped.
    Begin(Handshake),
    /// Let the address show first that it receives.
    Retry,
    /// No place.
    Refuse,
}

/// Something that can be closed when it must give way.
pub(super) trait Closable {
    /// Closes it.
    fn give_way(&self);
}

impl Closable for Connection {
    fn give_way(&self) {
        self.close(CLOSED_FOR_NEWER, b"");
    }
}

struct Seat {
    address: IpAddr,
    key: IdentityKey,
    is_partner: bool,
    connection: Box<dyn Closable + Send>,
}

#[derive(Default)]
struct Taken {
    handshakes: BTreeMap<IpAddr, usize>,
    seats: BTreeMap<u64, Seat>,
    next_seat: u64,
}

/// Who takes which place at the moment.
#[derive(Clone, Default)]
pub(super) struct Places(Arc<Mutex<Taken>>);

/// A place among the handshakes.
pub(super) struct Handshake {
    places: Places,
    address: IpAddr,
}

/// A place among the connections.
pub(super) struct Place {
    places: Places,
    number: u64,
}

/// The part of an address that one owner has whole.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let first = address.to_bits() & (u128::MAX << 64);
            Ipv6Addr::from_bits(first).into()
        }
        address => address,
    }
}

impl Places {
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decides about an attempt from `address`, which has or has not shown that it receives.
    pub(super) fn attempt(&self, address: IpAddr, validated: bool) -> Verdict {
        let address = network_of(address);
        let mut taken = self.taken();
        let all: usize = taken.handshakes.values().sum();
        if !validated && all >= RETRY_FROM {
            return Verdict::Retry;
        }
        let of_address = taken.handshakes.get(&address).copied().unwrap_or(0);
        let seats = taken.seats.values();
        let connected = seats.filter(|seat| seat.address == address).count();
        let full = all >= MAX_HANDSHAKES
            || of_address >= MAX_HANDSHAKES_PER_ADDRESS
            || connected >= MAX_PER_ADDRESS
            || taken.seats.len() >= MAX_CONNECTIONS;
        if full {
            return Verdict::Refuse;
        }
        taken.handshakes.insert(address, of_address + 1);
        Verdict::Begin(Handshake {
            places: self.clone(),
            address,
        })
    }
}

impl Handshake {
    /// Takes a place for the connection that came of the handshake, or none where all are taken. The oldest of the
    /// identity gives way if it has too many.
    pub(super) fn seat(
        self,
        key: IdentityKey,
        is_partner: bool,
        connection: Box<dyn Closable + Send>,
    ) -> Option<Place> {
        let mut taken = self.places.taken();
        let own = |seat: &Seat| seat.key == key;
        let strangers = taken.seats.values().filter(|seat| !seat.is_partner).count();
        if !is_partner && strangers >= MAX_STRANGERS {
            return None;
        }
        let mut numbers = taken.seats.iter().filter(|(_, seat)| own(seat));
        let oldest = numbers.next().map(|(number, _)| *number);
        if numbers.count() + 1 >= MAX_PER_IDENTITY
            && let Some(seat) = oldest.and_then(|number| taken.seats.remove(&number))
        {
            seat.connection.give_way();
        }
        if taken.seats.len() >= MAX_CONNECTIONS {
            return None;
        }
        let number = taken.next_seat;
        taken.next_seat = number.wrapping_add(1);
        let seat = Seat {
            address: self.address,
            key,
            is_partner,
            connection,
        };
        taken.seats.insert(number, seat);
        drop(taken);
        let places = self.places.clone();
        Some(Place { places, number })
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        if let Some(count) = taken.handshakes.get_mut(&self.address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                taken.handshakes.remove(&self.address);
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken().seats.remove(&self.number);
    }
}

impl std::fmt::Debug for Handshake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Handshake({})", self.address)
    }
}

impl PartialEq for Handshake {
    fn eq(&self, other: &Self) -> bool {
        self.address == other.address
    }
}

impl Eq for Handshake {}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    struct Counted(Arc<AtomicUsize>);

    impl Closable for Counted {
        fn give_way(&self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn key(number: usize) -> IdentityKey {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&(number as u64).to_le_bytes());
        IdentityKey::from_bytes(bytes)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn begin(places: &Places, address: &str) -> Option<Handshake> {
        match places.attempt(ip(address), true) {
            Verdict::Begin(handshake) => Some(handshake),
            Verdict::Retry | Verdict::Refuse => None,
        }
    }

    fn nothing() -> Box<dyn Closable + Send> {
        Box::new(Counted(Arc::default()))
    }

    #[test]
    fn many_handshakes_make_unproven_addresses_prove_themselves() {
        let places = Places::default();
        let mut open = Vec::new();
        for _ in 0..RETRY_FROM {
            open.push(match places.attempt(ip("10.0.0.1"), false) {
                Verdict::Begin(handshake) => handshake,
                other => panic!("{other:?}"),
            });
        }
        assert_eq!(places.attempt(ip("10.0.0.2"), false), Verdict::Retry);
        assert!(begin(&places, "10.0.0.2").is_some());
        open.pop();
        assert_ne!(places.attempt(ip("10.0.0.2"), false), Verdict::Retry);
    }

    #[test]
    fn one_address_cannot_take_all_handshakes_and_all_addresses_take_no_more_than_there_are() {
        let places = Places::default();
        let mut open = Vec::new();
        for address in ["10.0.0.1", "10.0.0.2"] {
            for _ in 0..MAX_HANDSHAKES_PER_ADDRESS {
                open.push(begin(&places, address).unwrap());
            }
        }
        assert!(begin(&places, "10.0.0.1").is_none());
        assert!(begin(&places, "10.0.0.3").is_none());
        open.pop();
        assert!(begin(&places, "10.0.0.1").is_none());
        assert!(begin(&places, "10.0.0.3").is_some());
    }

    #[test]
    fn addresses_of_one_network_count_as_one() {
        assert_eq!(
            network_of(ip("2001:db8::1")),
            network_of(ip("2001:db8::ffff:1"))
        );
        assert_ne!(
            network_of(ip("2001:db8::1")),
            network_of(ip("2001:db8:0:1::1"))
        );
        assert_eq!(network_of(ip("::ffff:10.0.0.1")), ip("10.0.0.1"));
        assert_ne!(network_of(ip("10.0.0.1")), network_of(ip("10.0.0.2")));
    }

    #[test]
    fn one_address_cannot_take_all_connections() {
        let places = Places::default();
        let mut seats = Vec::new();
        for number in 0..MAX_PER_ADDRESS {
            let handshake = begin(&places, "10.0.0.1").unwrap();
            seats.push(handshake.seat(key(number), true, nothing()).unwrap());
        }
        assert!(begin(&places, "10.0.0.1").is_none());
        for number in MAX_PER_ADDRESS..MAX_CONNECTIONS {
            let handshake = begin(&places, "10.0.0.2").unwrap();
            seats.push(handshake.seat(key(number), true, nothing()).unwrap());
        }
        assert!(begin(&places, "10.0.0.3").is_none());
        drop(seats);
        assert!(begin(&places, "10.0.0.1").is_some());
    }

    #[test]
    fn the_newest_connections_of_an_identity_stay_and_others_are_not_touched() {
        let places = Places::default();
        let closed: Vec<Arc<AtomicUsize>> =
            (0..=MAX_PER_IDENTITY).map(|_| Arc::default()).collect();
        let other = Arc::new(AtomicUsize::new(0));
        let seat = |key, count: &Arc<AtomicUsize>| {
            let handshake = begin(&places, "10.0.0.1").unwrap();
            handshake
                .seat(key, true, Box::new(Counted(Arc::clone(count))))
                .unwrap()
        };
        let mut seats = vec![seat(key(2), &other)];
        for (number, count) in closed.iter().enumerate() {
            seats.push(seat(key(1), count));
            let ended = closed
                .iter()
                .filter(|count| count.load(Ordering::SeqCst) > 0)
                .count();
            assert_eq!(ended, usize::from(number == MAX_PER_IDENTITY));
        }
        assert_eq!(closed[0].load(Ordering::SeqCst), 1);
        assert_eq!(other.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn strangers_take_few_places_and_leave_the_others_to_partners() {
        let places = Places::default();
        let mut seats = Vec::new();
        for number in 0..MAX_STRANGERS {
            let handshake = begin(&places, "10.0.0.1").unwrap();
            seats.push(handshake.seat(key(number), false, nothing()).unwrap());
        }
        let late = begin(&places, "10.0.0.1").unwrap();
        assert!(late.seat(key(900), false, nothing()).is_none());
        let partner = begin(&places, "10.0.0.1").unwrap();
        assert!(partner.seat(key(901), true, nothing()).is_some());
        seats.pop();
        let next = begin(&places, "10.0.0.1").unwrap();
        assert!(next.seat(key(902), false, nothing()).is_some());
    }
}
