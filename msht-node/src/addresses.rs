//! The addresses of a coordinator: a name may stand for several, one for each of its replicas.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use crate::error::{Kind, NodeError};

/// Most addresses of one name that are tried: each may cost a whole time-out, and more replicas than this serve nobody.
pub const MAX_ADDRESSES: usize = 16;

/// Whose turn it is among the addresses that the coordinator's name stands for.
///
/// Whichever was tried last comes last the next time, whether it answered or not. So a node whose connection was lost
/// goes to another replica before it comes back to the one it lost.
#[derive(Debug, Default)]
pub struct Turn(Mutex<Option<SocketAddr>>);

impl Turn {
    /// Tries the addresses of `address`, `HOST:PORT`, in turn until one connects.
    ///
    /// # Errors
    /// [`Kind::Network`] where the name stands for none; else what the last one failed with, or that somebody else
    /// than the coordinator answered at one of them.
    pub(crate) async fn connect<T, F: Future<Output = Result<T, NodeError>>>(
        &self,
        address: &str,
        attempt: impl Fn(SocketAddr) -> F,
    ) -> Result<T, NodeError> {
        let found = tokio::net::lookup_host(address).await.map_err(|error| {
            NodeError::new(Kind::Network, format!("cannot find {address}: {error}"))
                .hint("check the network and the coordinator's address")
        })?;
        let connected = self.connect_to_one(found, attempt).await;
        connected.unwrap_or_else(|| {
            let message = format!("{address} is not an address");
            Err(NodeError::new(Kind::Network, message)
                .hint("the coordinator's address is in the invite, as host:port"))
        })
    }

    /// Tries these addresses in turn until one connects; nothing where there are none.
    async fn connect_to_one<T, F: Future<Output = Result<T, NodeError>>>(
        &self,
        found: impl IntoIterator<Item = SocketAddr>,
        attempt: impl Fn(SocketAddr) -> F,
    ) -> Option<Result<T, NodeError>> {
        let mut failed: Option<NodeError> = None;
        for target in self.order(found) {
            self.note(target);
            match attempt(target).await {
                Ok(connected) => return Some(Ok(connected)),
                // A person must hear of it, also where nobody answers at the address after it.
                Err(_)
                    if failed
                        .as_ref()
                        .is_some_and(|first| first.kind == Kind::OtherKey) => {}
                Err(error) => failed = Some(error),
            }
        }
        failed.map(Err)
    }

    /// These addresses from the one after the last tried on, round to that one.
    fn order(&self, found: impl IntoIterator<Item = SocketAddr>) -> Vec<SocketAddr> {
        let mut addresses: Vec<SocketAddr> = found.into_iter().take(MAX_ADDRESSES).collect();
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = addresses.iter().position(|each| Some(*each) == last);
        if let Some(place) = place {
            addresses.rotate_left(place + 1);
        }
        addresses
    }

    fn note(&self, tried: SocketAddr) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(tried);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn addresses(number: u16) -> Vec<SocketAddr> {
        let address = |port| SocketAddr::from(([192, 0, 2, 1], port));
        (1..=number).map(address).collect()
    }

    /// One more connection with the replicas at these ports alive: the ports that were tried, and whether one answered.
    async fn tried(turn: &Turn, found: Vec<SocketAddr>, alive: &[u16]) -> (Vec<u16>, bool) {
        let tried = RefCell::new(Vec::new());
        let connected = turn
            .connect_to_one(found, async |target| {
                tried.borrow_mut().push(target.port());
                let answers = alive.contains(&target.port());
                let error = || NodeError::new(Kind::Network, "nothing answers");
                answers.then_some(()).ok_or_else(error)
            })
            .await;
        (tried.into_inner(), connected.unwrap().is_ok())
    }

    #[tokio::test]
    async fn each_address_is_tried_and_after_a_lost_connection_the_next_one_first() {
        let (turn, three) = (Turn::default(), || addresses(3));
        assert_eq!(tried(&turn, three(), &[1, 2, 3]).await, (vec![1], true));
        assert_eq!(tried(&turn, three(), &[1, 2, 3]).await, (vec![2], true));
        // The connection to the second is lost: the third is dead, too.
        assert_eq!(tried(&turn, three(), &[1]).await, (vec![3, 1], true));
        assert_eq!(tried(&turn, three(), &[]).await, (vec![2, 3, 1], false));
        assert_eq!(tried(&turn, three(), &[1]).await, (vec![2, 3, 1], true));
    }

    #[tokio::test]
    async fn one_address_is_tried_again_and_a_name_may_change_what_it_stands_for() {
        let turn = Turn::default();
        assert_eq!(tried(&turn, addresses(1), &[1]).await, (vec![1], true));
        assert_eq!(tried(&turn, addresses(1), &[1]).await, (vec![1], true));
        // In another order, as name servers give them: the one that was lost still comes last.
        let turned = addresses(2).into_iter().rev().collect();
        assert_eq!(tried(&turn, turned, &[]).await, (vec![2, 1], false));
        let others = addresses(4).split_off(2);
        assert_eq!(tried(&turn, others, &[4]).await, (vec![3, 4], true));
    }

    #[tokio::test]
    async fn no_more_than_so_many_addresses_are_tried() {
        let turn = Turn::default();
        let (tried, connected) = tried(&turn, addresses(100), &[100]).await;
        assert_eq!((tried.len(), connected), (MAX_ADDRESSES, false));
    }

    #[tokio::test]
    async fn an_address_with_another_key_is_told_though_nobody_answers_at_the_next() {
        let attempt = async |target: SocketAddr| {
            let kind = match target.port() {
                2 => Kind::OtherKey,
                _ => Kind::Network,
            };
            Err::<(), _>(NodeError::new(kind, "no"))
        };
        let failed = Turn::default().connect_to_one(addresses(3), attempt).await;
        assert_eq!(failed.unwrap().unwrap_err().kind, Kind::OtherKey);
        let none = Turn::default().connect_to_one(Vec::new(), attempt).await;
        assert!(none.is_none());
    }

    #[tokio::test]
    async fn a_text_that_is_no_address_is_an_error_of_the_network() {
        let attempt = async |_: SocketAddr| Ok(());
        let failed = Turn::default().connect("no-port", attempt).await;
        let failed = failed.unwrap_err();
        assert_eq!(failed.kind, Kind::Network);
        assert!(failed.hint.is_some());
    }
}
