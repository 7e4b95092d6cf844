//! A small honest round, stopped where a target needs it.

use msht_core::secagg::messages::Phase;
use msht_core::testkit::cohort::CohortOptions;
use msht_core::testkit::stepwise::Stepwise;

/// The partner whose side is tested; 1 is before it in the list, 3 behind it.
pub(crate) const VICTIM: u8 = 2;
/// What every honest message and document of the corpora comes from.
pub(crate) const SEED: u64 = 61;

/// Three partners with two cells each: the smallest round there is.
pub(crate) fn fresh() -> Stepwise {
    let options = CohortOptions {
        partners: 3,
        cells: 2,
        ..CohortOptions::default()
    };
    Stepwise::new(&options, SEED)
}

/// The round with the nodes' messages of `phase` ready to be sent.
pub(crate) fn at(phase: Phase) -> Stepwise {
    let mut round = fresh();
    round.advance_to(phase);
    round
}

/// The round with `phase` closed and no node told so yet.
pub(crate) fn at_reply(phase: Phase) -> Stepwise {
    let mut round = fresh();
    round.advance_to_reply(phase);
    round
}

/// Every message that travels in the round, by name.
pub(crate) fn every_message() -> Vec<(String, Vec<u8>)> {
    let mut round = fresh();
    let mut messages = Vec::new();
    for phase in Phase::ALL {
        let sent = round.outgoing(VICTIM);
        messages.push((format!("{}-from-node", phase.word()), sent));
        round.collect();
        round.close();
        if phase != Phase::Unmask {
            let answer = round.incoming(phase, VICTIM);
            messages.push((format!("{}-to-node", phase.word()), answer));
            round.deliver(phase);
        }
    }
    messages
}
