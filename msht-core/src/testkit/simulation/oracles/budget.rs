//! Oracle 4: budget is reserved before the first byte and never comes back after Mask without evidence.
//!
//! It looks at the durable ledger each time bytes leave and after every step, and adds up on its own what the Mask
//! messages on the wire have cost. A charge may come back only where a partner never sent Unmask, and either enough
//! partners have signed that they never do, as counted here from the statements that left, or t partners have confirmed
//! survivors among which it is not. A partner that signed, in whatever process or copy, sends no Unmask, and none that
//! sent Unmask signs. Nothing leaves a node whose ledger is shorter than one that something left under before, unless its
//! operator has resolved that.

use std::collections::{BTreeMap, BTreeSet};

use super::{Oracle, Oracles};
use crate::crypto::Digest;
use crate::dp::accountant::Outcome;
use crate::rational::Rational;
use crate::secagg::Params;
use crate::secagg::messages::{ConfirmBody, Phase, SignedMessage};
use crate::secagg::{RoundContext, check_statement};
use crate::testkit::simulation::disk::NodeDisk;
use crate::wire::{MAX_ENCODED_BYTES, decode};

/// Rounds in which each partner's Mask has left.
#[derive(Default)]
pub(super) struct Budget {
    masked: BTreeMap<u8, BTreeSet<Digest>>,
    /// Who sent Unmask in a round.
    unmasked: BTreeMap<Digest, BTreeSet<u8>>,
    /// Who signed that it never does.
    stated: BTreeMap<Digest, BTreeSet<u8>>,
    /// Who confirmed which survivors of a round.
    confirmed: BTreeMap<Digest, BTreeMap<Vec<u8>, BTreeSet<u8>>>,
    /// Charges that came back on evidence, by partner and round.
    returned: BTreeSet<(u8, Digest)>,
    /// The longest ledger under which something left each partner.
    longest: BTreeMap<u8, u64>,
}

impl Budget {
    fn has_unmasked(&self, round: &Digest, partner: u8) -> bool {
        let unmasked = self.unmasked.get(round);
        unmasked.is_some_and(|partners| partners.contains(&partner))
    }

    /// Whether the charge of `partner` may come back, by what has left all machines.
    fn may_return(&self, round: &Digest, partner: u8, params: &Params) -> bool {
        let stated = self.stated.get(round).map_or(0, BTreeSet::len);
        let needed = params.invited() - params.threshold() + 1 + params.colluders();
        let sets = self.confirmed.get(round).into_iter().flatten();
        let mut without = sets.filter(|(survivors, _)| !survivors.contains(&partner));
        let threshold = usize::from(params.threshold());
        let left_out = without.any(|(_, partners)| partners.len() >= threshold);
        !self.has_unmasked(round, partner) && (stated >= usize::from(needed) || left_out)
    }
}

/// Whether the durable outcome allows the message of a phase to leave.
fn allows(outcome: Option<Outcome>, phase: Phase) -> bool {
    use Outcome::{Charged, Released, Reserved, Unmasked};
    match phase {
        Phase::Join | Phase::Share => {
            matches!(outcome, Some(Reserved | Charged | Unmasked | Released))
        }
        Phase::Mask | Phase::Confirm => matches!(outcome, Some(Charged | Unmasked | Released)),
        Phase::Unmask => matches!(outcome, Some(Unmasked | Released)),
    }
}

impl Oracles {
    pub(super) fn budget_when_left(
        &mut self,
        partner: u8,
        message: &SignedMessage,
        disk: &NodeDisk,
    ) {
        let outcome = disk.ledger().outcome(&message.round);
        if !allows(outcome, message.phase) {
            let phase = message.phase.word();
            let what = format!("{phase} of partner {partner} left while its round is {outcome:?}");
            self.found(Oracle::BudgetFirst, what);
        }
        self.leaves_the_latest_ledger(partner, message.phase, disk);
        match message.phase {
            Phase::Unmask => self.unmask_left(partner, message.round),
            Phase::Confirm => self.confirm_left(partner, message),
            _ => {}
        }
        if message.phase == Phase::Mask
            && self
                .budget
                .masked
                .entry(partner)
                .or_default()
                .insert(message.round)
        {
            self.add_up(partner);
        }
    }

    fn leaves_the_latest_ledger(&mut self, partner: u8, phase: Phase, disk: &NodeDisk) {
        let length = disk.ledger().length();
        let longest = self.budget.longest.entry(partner).or_default();
        let is_behind = length < *longest && disk.ledger().lost_up_to() < *longest;
        *longest = length.max(*longest);
        if is_behind {
            let phase = phase.word();
            let what = format!("{phase} of partner {partner} left under an older ledger");
            self.found(Oracle::BudgetFirst, what);
        }
    }

    fn confirm_left(&mut self, partner: u8, message: &SignedMessage) {
        let Ok(body) = decode::<ConfirmBody>(message.body.as_ref(), MAX_ENCODED_BYTES) else {
            let what = format!("partner {partner}: no Confirm");
            return self.found(Oracle::BudgetFirst, what);
        };
        let sets = self.budget.confirmed.entry(message.round).or_default();
        sets.entry(body.survivors).or_default().insert(partner);
    }

    fn unmask_left(&mut self, partner: u8, round: Digest) {
        let unmasked = self.budget.unmasked.entry(round).or_default();
        unmasked.insert(partner);
        let stated = self.budget.stated.get(&round);
        if stated.is_some_and(|partners| partners.contains(&partner)) {
            let what = format!("partner {partner} unmasked and had signed that it never does");
            self.found(Oracle::BudgetFirst, what);
        }
    }

    /// The statement of a partner that it never unmasks leaves its machine.
    pub(in super::super) fn statement_left(
        &mut self,
        partner: u8,
        bytes: &[u8],
        context: &RoundContext,
    ) {
        if let Err(fault) = check_statement(context, partner, bytes) {
            let what = format!("partner {partner} signed no statement: {fault}");
            return self.found(Oracle::BudgetFirst, what);
        }
        let round = context.round();
        let stated = self.budget.stated.entry(round).or_default();
        stated.insert(partner);
        if self.budget.has_unmasked(&round, partner) {
            let what = format!("partner {partner} signed that it never unmasked, and it did");
            self.found(Oracle::BudgetFirst, what);
        }
    }

    /// What left is within the caps, whatever the ledger says.
    fn add_up(&mut self, partner: u8) {
        let (mut periods, mut years) = (BTreeMap::new(), BTreeMap::new());
        let masked = self.budget.masked.get(&partner).into_iter().flatten();
        let returned = &self.budget.returned;
        let masked = masked.filter(|round| !returned.contains(&(partner, **round)));
        for facts in masked.filter_map(|round| self.rounds.get(round)) {
            let (period, year) = facts.window;
            let period: &mut Rational = periods.entry(period).or_insert_with(Rational::zero);
            *period = period.plus(&facts.epsilon);
            let year: &mut Rational = years.entry(year).or_insert_with(Rational::zero);
            *year = year.plus(&facts.epsilon);
        }
        let over = periods.values().any(|spent| *spent > self.caps.per_period)
            || years.values().any(|spent| *spent > self.caps.per_year);
        if over {
            let what = format!("the vectors partner {partner} sent cost more than its caps");
            self.found(Oracle::BudgetFirst, what);
        }
    }

    pub(super) fn budget_durable(&mut self, partner: u8, disk: &NodeDisk) {
        let back = |round: &&Digest| {
            let outcome = disk.ledger().outcome(round);
            !outcome.is_some_and(Outcome::counts)
        };
        let masked = self.budget.masked.get(&partner).into_iter().flatten();
        let back: Vec<Digest> = masked.filter(back).copied().collect();
        for round in back {
            let is_known = self.budget.returned.contains(&(partner, round));
            let is_returned = disk.ledger().outcome(&round) == Some(Outcome::Returned);
            if is_known || (is_returned && self.budget.may_return(&round, partner, &self.params)) {
                self.budget.returned.insert((partner, round));
                continue;
            }
            let position = self.rounds.get(&round).map(|facts| facts.position);
            let what = format!("partner {partner} has its charge of round {position:?} back");
            self.found(Oracle::BudgetFirst, what);
        }
    }
}
