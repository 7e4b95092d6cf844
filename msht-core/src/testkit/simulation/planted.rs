//! Faults planted to show that the oracles notice them. None is a fault of the core: each is a shell, an operator or
//! an adversary that does what the documentation forbids.

/// One planted fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planted {
    /// Partner 1 counts its record once more each time it freezes: its one-hot vector shows two.
    CountsTwice,
    /// Every node is also run from a copy of its disk made before Confirm, and the coordinator serves the copies
    /// another survivor set: both kinds of share of one partner come out.
    RestoredCopies,
    /// A restarted node counts and draws noise afresh around the seeds it still has: two payloads under one key.
    CountsAgainAfterRestart,
    /// A restarted node has lost what its ledger said of the open round.
    ForgetsCharge,
    /// A node sends before it stores, and draws fresh seeds after a restart.
    SendsBeforeStoring,
    /// A node takes its charge back when the coordinator says that the round was given up.
    TakesChargeBack,
    /// The coordinator makes a certificate of one statement, and nodes do not count.
    AcceptsAnyCertificate,
    /// A node that unmasked signs that it never did.
    SignsAfterUnmask,
    /// A node whose disk was put back to an older copy has no anchor, and goes on.
    RestoredGoesOn,
    /// The coordinator announces a smaller m than the programme's, and nodes do not compare (N2 left out).
    ClosesBelowLeast,
    /// The coordinator announces a smaller m than the programme's to nodes that do compare: nothing may come of it.
    AnnouncesBelowLeast,
    /// The scheduler never gives some partners their turn.
    Starves,
    /// Partner 1 draws its noise share and freezes the bare counts.
    FreezesWithoutNoise,
    /// Partner 1 uses the noise of its first round again in every further one.
    ReusesNoise,
}
