//! Behaviours to plug in: what a malicious coordinator or malicious partners do.

use std::collections::{BTreeMap, BTreeSet};

use super::{Adversary, Cohort};
use crate::crypto::Signature;
use crate::secagg::messages::{
    COORDINATOR_INDEX, ConfirmBody, Confirmation, ConfirmationsBody, Phase, SignedMessage,
    SurvivorsBody, sign_message,
};
use crate::testkit::forge::{body_of, encoded, opened};

/// A coordinator that sends each partner what a function makes of the honest message, or of none.
pub struct Coordinator<F>(pub F);

impl<F> Adversary for Coordinator<F>
where
    F: FnMut(&Cohort, Phase, u8, Option<Vec<u8>>) -> Vec<Vec<u8>>,
{
    fn partner_is_sent(
        &mut self,
        cohort: &Cohort,
        phase: Phase,
        to: u8,
        honest: Option<Vec<u8>>,
    ) -> Vec<Vec<u8>> {
        (self.0)(cohort, phase, to, honest)
    }
}

/// A partner that sends what a function makes of its honest message.
pub struct Partner<F> {
    /// Its index.
    pub index: u8,
    /// What it sends.
    pub sends: F,
}

impl<F> Adversary for Partner<F>
where
    F: FnMut(&Cohort, Phase, Vec<u8>) -> Vec<Vec<u8>>,
{
    fn partner_sends(
        &mut self,
        cohort: &Cohort,
        phase: Phase,
        from: u8,
        honest: Vec<u8>,
    ) -> Vec<Vec<u8>> {
        if from == self.index {
            return (self.sends)(cohort, phase, honest);
        }
        vec![honest]
    }
}

/// A partner that sends nothing from a phase on.
pub struct Vanishing {
    /// Its index.
    pub index: u8,
    /// The first phase it is silent in.
    pub from: Phase,
}

impl Adversary for Vanishing {
    fn partner_sends(
        &mut self,
        _: &Cohort,
        phase: Phase,
        from: u8,
        honest: Vec<u8>,
    ) -> Vec<Vec<u8>> {
        let silent = from == self.index && phase >= self.from;
        if silent { Vec::new() } else { vec![honest] }
    }
}

/// A coordinator that answers with what it had signed in another round.
pub struct Replaying {
    /// Its answers of that round, by phase and partner.
    pub old: BTreeMap<(Phase, u8), Vec<u8>>,
    /// The phase it begins with.
    pub from: Phase,
}

impl Adversary for Replaying {
    fn partner_is_sent(
        &mut self,
        _: &Cohort,
        phase: Phase,
        to: u8,
        honest: Option<Vec<u8>>,
    ) -> Vec<Vec<u8>> {
        let old = self.old.get(&(phase, to)).filter(|_| phase >= self.from);
        old.cloned().or(honest).into_iter().collect()
    }
}

/// A coordinator that shows two survivor sets, and gathers for each what confirmations it can: those of the partners
/// that were shown it, and those of its colluders, whose keys it holds.
pub struct SplitSurvivors {
    /// The two sets.
    pub sets: [Vec<u8>; 2],
    /// Who is shown the second one.
    pub second: BTreeSet<u8>,
    /// Partners that sign whatever it wants.
    pub colluders: BTreeSet<u8>,
    signatures: [BTreeMap<u8, Signature>; 2],
    confirm: [Option<ConfirmBody>; 2],
}

impl SplitSurvivors {
    /// Shows `sets[1]` to `second` and `sets[0]` to everybody else.
    #[must_use]
    pub fn new(sets: [Vec<u8>; 2], second: &[u8], colluders: &[u8]) -> Self {
        Self {
            sets,
            second: second.iter().copied().collect(),
            colluders: colluders.iter().copied().collect(),
            signatures: [BTreeMap::new(), BTreeMap::new()],
            confirm: [None, None],
        }
    }

    /// Confirmations of each set that the coordinator could gather, its colluders' among them.
    #[must_use]
    pub fn gathered(&self) -> [usize; 2] {
        self.signatures.each_ref().map(BTreeMap::len)
    }

    fn side(&self, partner: u8) -> usize {
        usize::from(self.second.contains(&partner))
    }

    /// Colluders confirm both sets as soon as somebody honest shows what is to be confirmed.
    fn collude(&mut self, cohort: &Cohort, honest: &ConfirmBody) {
        for (side, survivors) in self.sets.iter().enumerate() {
            let confirm = ConfirmBody {
                survivors: survivors.clone(),
                ..honest.clone()
            };
            let members = survivors
                .iter()
                .filter(|each| self.colluders.contains(each));
            if let Some(signatures) = self.signatures.get_mut(side) {
                signatures.extend(members.map(|each| (*each, confirmed(cohort, &confirm, *each))));
            }
            if let Some(slot) = self.confirm.get_mut(side) {
                *slot = Some(confirm);
            }
        }
    }
}

impl Adversary for SplitSurvivors {
    fn partner_sends(
        &mut self,
        cohort: &Cohort,
        phase: Phase,
        from: u8,
        honest: Vec<u8>,
    ) -> Vec<Vec<u8>> {
        if phase == Phase::Confirm && !self.colluders.contains(&from) {
            self.collude(cohort, &body_of(&honest));
            let side = self.side(from);
            if let Some(signatures) = self.signatures.get_mut(side) {
                signatures.insert(from, opened(&honest).signature);
            }
        }
        vec![honest]
    }

    fn partner_is_sent(
        &mut self,
        cohort: &Cohort,
        phase: Phase,
        to: u8,
        honest: Option<Vec<u8>>,
    ) -> Vec<Vec<u8>> {
        let side = self.side(to);
        match phase {
            Phase::Mask => {
                let set = self.sets.get(side).cloned().unwrap_or_default();
                vec![signed_survivors(cohort, &set)]
            }
            Phase::Confirm => {
                let signatures = self.signatures.get(side).cloned().unwrap_or_default();
                vec![signed_confirmations(cohort, signatures)]
            }
            _ => Vec::from_iter(honest),
        }
    }
}

fn confirmed(cohort: &Cohort, confirm: &ConfirmBody, partner: u8) -> Signature {
    let round = cohort.context.round();
    let identity = cohort.identity(partner);
    sign_message(
        &identity,
        &round,
        Phase::Confirm,
        partner,
        &encoded(confirm),
    )
}

#[expect(clippy::expect_used, reason = "test support: within every limit")]
fn signed<B: serde::Serialize>(cohort: &Cohort, phase: Phase, body: &B) -> Vec<u8> {
    let round = cohort.context.round();
    let signed = SignedMessage::sign(&cohort.coordinator, round, phase, COORDINATOR_INDEX, body);
    encoded(&signed.expect("within the limits"))
}

/// The coordinator's word that these are the survivors.
#[must_use]
pub fn signed_survivors(cohort: &Cohort, survivors: &[u8]) -> Vec<u8> {
    let survivors = survivors.to_vec();
    signed(cohort, Phase::Mask, &SurvivorsBody { survivors })
}

/// The coordinator's message with these confirmations.
#[must_use]
pub fn signed_confirmations(cohort: &Cohort, signatures: BTreeMap<u8, Signature>) -> Vec<u8> {
    let confirmation = |(partner, signature)| Confirmation { partner, signature };
    let confirmations = signatures.into_iter().map(confirmation).collect();
    signed(cohort, Phase::Confirm, &ConfirmationsBody { confirmations })
}
