//! All survivor sets of all small cohorts: what real nodes sign and give up, put together in every way.
//!
//! For each n ≤ 7 and all legal t and m, every node is driven through a real session for every survivor set it could
//! be shown. That gives a table: whether it confirms the set, and which kind of share of each dealer it then gives
//! up. A malicious coordinator may show every honest node any one set, and its colluders sign and reveal everything.
//! All of that is tried, for every pair of sets, every choice of colluders and every way to divide the honest nodes.

use std::collections::BTreeMap;

use msht_core::crypto::Signature;
use msht_core::secagg::messages::{ConfirmBody, Phase, UnmaskBody, sign_message};
use msht_core::secagg::node::NodeSession;
use msht_core::secagg::{Check, Fault, Params, Thresholds, Violation};
use msht_core::testkit::adversary::{signed_confirmations, signed_survivors};
use msht_core::testkit::cohort::{Cohort, CohortOptions};
use msht_core::testkit::forge::{body_of, encoded};
use msht_core::testkit::stepwise::Stepwise;

/// Largest cohort: all sets of seven, and all ways to divide seven, are still quick.
const MOST: u8 = 7;

/// A set of partners, one bit each, the first partner lowest.
type Set = u8;

fn set_of(members: &[u8]) -> Set {
    members.iter().fold(0, |set, index| set | 1 << (index - 1))
}

fn members_of(set: Set) -> Vec<u8> {
    (1..=8)
        .filter(|index| set & (1 << (index - 1)) != 0)
        .collect()
}

fn legal(n: u8, threshold: u8, least_survivors: u8, colluders: u8) -> bool {
    let thresholds = Thresholds {
        threshold,
        least_survivors,
        colluders,
    };
    Params::new(usize::from(n), thresholds).is_ok()
}

/// What one node gives up once a set is confirmed.
#[derive(Clone, Copy)]
struct GivenUp {
    own: Set,
    mask: Set,
}

/// What real nodes do, for every survivor set.
struct Table {
    n: u8,
    threshold: u8,
    sets: Vec<Set>,
    /// By place of the set and node, counted from 0; none where the node does not confirm the set.
    reveals: Vec<Vec<Option<GivenUp>>>,
}

/// Confirmations of a set by t of its members.
fn confirmations(cohort: &Cohort, confirm: &ConfirmBody, threshold: u8) -> Vec<u8> {
    let round = cohort.context.round();
    let signers = confirm.survivors.iter().take(usize::from(threshold));
    let signature = |index: &u8| -> (u8, Signature) {
        let identity = cohort.identity(*index);
        let body = encoded(confirm);
        let signature = sign_message(&identity, &round, Phase::Confirm, *index, &body);
        (*index, signature)
    };
    let signatures: BTreeMap<u8, Signature> = signers.map(signature).collect();
    signed_confirmations(cohort, signatures)
}

/// Shows a node a set, then every other one, then t confirmations of the first.
fn driven(round: &Stepwise, mut node: NodeSession, set: Set, all: &[Set]) -> Option<GivenUp> {
    let cohort = &round.cohort;
    node.acknowledged();
    node.handle_message(&signed_survivors(cohort, &members_of(set)))
        .ok()?;
    node.record_stored();
    let confirm: ConfirmBody = body_of(node.poll_transmit().unwrap());
    assert_eq!(set_of(&confirm.survivors), set);
    for other in all.iter().filter(|other| **other != set) {
        let refused = node.handle_message(&signed_survivors(cohort, &members_of(*other)));
        let twice = Fault::coordinator(Check::N7, Violation::Equivocation);
        assert_eq!(refused, Err(twice), "one set a node");
    }
    node.acknowledged();
    let threshold = cohort.context.params().threshold();
    node.handle_message(&confirmations(cohort, &confirm, threshold))
        .unwrap();
    node.record_stored();
    let body: UnmaskBody = body_of(node.poll_transmit().unwrap());
    let dealers = |shares: &[msht_core::secagg::messages::RevealedShare]| {
        set_of(&shares.iter().map(|share| share.dealer).collect::<Vec<_>>())
    };
    let given = GivenUp {
        own: dealers(&body.self_shares),
        mask: dealers(&body.mask_shares),
    };
    assert_eq!(given.own & given.mask, 0, "one kind of share of each");
    Some(given)
}

impl Table {
    fn of(n: u8, threshold: u8, least_survivors: u8) -> Self {
        let options = CohortOptions {
            partners: n,
            cells: 1,
            thresholds: Some(Thresholds {
                threshold,
                least_survivors,
                colluders: 1,
            }),
            ..CohortOptions::default()
        };
        let mut round = Stepwise::new(&options, u64::from(n));
        round.advance_to_reply(Phase::Mask);
        // Sets that are too small are shown as well, to see them refused.
        let all: Vec<Set> = (1..1 << n).collect();
        let enough = |set: &Set| set.count_ones() >= u32::from(least_survivors);
        let sets: Vec<Set> = all.iter().copied().filter(enough).collect();
        for small in all.iter().filter(|set| !enough(set)) {
            let mut node = round.restored(1);
            node.acknowledged();
            let shown = signed_survivors(&round.cohort, &members_of(*small));
            assert!(node.handle_message(&shown).is_err(), "below m");
        }
        let reveals = sets.iter().map(|set| {
            let node = |index| driven(&round, round.restored(index), *set, &sets);
            (1..=n).map(node).collect()
        });
        Self {
            reveals: reveals.collect(),
            n,
            threshold,
            sets,
        }
    }

    /// Whether some division of the honest nodes lets both of some pair of sets gather t confirmations.
    fn two_sets_confirmed(&self, colluders: Set) -> bool {
        self.any_division(colluders, |table, division| {
            let confirmed = |place: usize, honest: Set| {
                let signers = honest | (colluders & table.sets[place]);
                signers.count_ones() >= u32::from(table.threshold)
            };
            let [(first, to_first), (second, to_second)] = division;
            confirmed(first, to_first) && confirmed(second, to_second)
        })
    }

    /// Whether some division gives up t shares of both kinds of an honest partner, even if nobody asked for t
    /// confirmations first. Colluders give up both kinds of everybody.
    fn both_kinds(&self, colluders: Set) -> bool {
        let bits = || (0..self.n).map(|place| 1 << place);
        let honest = |bit: &Set| colluders & bit == 0;
        self.any_division(colluders, |table, division| {
            bits().filter(honest).any(|victim| {
                let mut held = [colluders.count_ones(); 2];
                for (place, nodes) in division {
                    let given = bits().zip(&table.reveals[place]);
                    let given = given.filter(|(node, _)| nodes & node != 0);
                    for given in given.filter_map(|(_, given)| *given) {
                        held[0] += u32::from(given.own & victim != 0);
                        held[1] += u32::from(given.mask & victim != 0);
                    }
                }
                held.iter()
                    .all(|count| *count >= u32::from(table.threshold))
            })
        })
    }

    /// Tries every pair of sets and every way to show honest nodes the one, the other or none of them.
    fn any_division(
        &self,
        colluders: Set,
        reached: impl Fn(&Self, [(usize, Set); 2]) -> bool,
    ) -> bool {
        for first in 0..self.sets.len() {
            for second in first + 1..self.sets.len() {
                let can = |place: usize| {
                    let nodes = self.reveals[place].iter().zip(1..);
                    let confirms = nodes.filter(|(given, _)| given.is_some());
                    set_of(&confirms.map(|(_, index)| index).collect::<Vec<u8>>()) & !colluders
                };
                let (can_first, can_second) = (can(first), can(second));
                // Every subset of those that would confirm the first, and every one of the others' for the second.
                for to_first in subsets(can_first) {
                    for to_second in subsets(can_second & !to_first) {
                        if reached(self, [(first, to_first), (second, to_second)]) {
                            return true;
                        }
                    }
                }
            }
        }
        false
    }
}

/// All subsets of a set, the empty one and itself among them.
fn subsets(set: Set) -> impl Iterator<Item = Set> {
    let mut next = Some(set);
    std::iter::from_fn(move || {
        let subset = next?;
        next = (subset != 0).then(|| (subset - 1) & set);
        Some(subset)
    })
}

fn all_tables() -> Vec<(u8, Table)> {
    let mut tables = Vec::new();
    for n in 3..=MOST {
        for threshold in 1..=n {
            for least in 1..=n {
                if legal(n, threshold, least, 1) {
                    tables.push((least, Table::of(n, threshold, least)));
                }
            }
        }
    }
    tables
}

#[test]
fn survivor_set_equivocation_fails_for_every_division_of_up_to_seven_partners_and_works_beyond_c() {
    let (mut safe, mut broken) = (0, 0);
    for (least, table) in all_tables() {
        let (n, threshold) = (table.n, table.threshold);
        for colluders in 1..n {
            let crews: Vec<Set> = (1..1 << n)
                .filter(|crew: &Set| crew.count_ones() == u32::from(colluders))
                .collect();
            let context = format!("n {n}, t {threshold}, m {least}, c {colluders}");
            if legal(n, threshold, least, colluders) {
                for crew in crews {
                    assert!(!table.two_sets_confirmed(crew), "{context}: {crew:b}");
                    assert!(!table.both_kinds(crew), "{context}: {crew:b}");
                }
                safe += 1;
            } else if 2 * threshold <= n + colluders && least < n {
                // The twin: more colluders than 2t > n + c allows, and the same nodes are divided.
                assert!(table.two_sets_confirmed(crews[0]), "{context}");
                assert!(table.both_kinds(crews[0]), "{context}");
                broken += 1;
            }
        }
    }
    println!("{safe} legal (n, t, m, c) hold, {broken} with too many colluders are broken");
    assert!(safe >= 40 && broken >= 20, "{safe} and {broken}");
}
