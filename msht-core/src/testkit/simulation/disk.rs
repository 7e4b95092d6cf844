//! What is durable: a write happens whole or not at all.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::charges::Aftermath;
use super::round::{Ending, Offer};
use crate::crypto::Digest;
use crate::dp::accountant::{Ledger, LedgerEntry, LedgerError};
use crate::secagg::coordinator::CoordinatorRecord;
use crate::secagg::node::NodeRecord;

/// How far a node has come with a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The contribution is frozen.
    Joined,
    /// Shares were given up.
    Unmasked,
    /// Nothing more is sent; how the round ended is not known yet.
    GivenUp,
    /// Nothing more will happen.
    Ended,
}

/// One round on a node's disk.
#[derive(Clone)]
pub(super) struct NodeRow {
    pub(super) offer: Arc<Offer>,
    pub(super) stage: Stage,
    pub(super) records: Vec<NodeRecord>,
    /// How it ended, once the coordinator has said so.
    pub(super) ending: Option<Arc<Ending>>,
    /// The coordinator has the statement that this node never unmasks.
    pub(super) stated: bool,
    /// Nothing is left to do for it.
    pub(super) settled: bool,
}

/// One transaction on a node's disk. Ledger entry and record are durable together or not at all.
#[derive(Default)]
pub(super) struct Write {
    pub(super) entry: Option<LedgerEntry>,
    pub(super) record: Option<NodeRecord>,
    pub(super) stage: Option<Stage>,
    pub(super) erase: bool,
    pub(super) release: Option<Digest>,
    pub(super) ending: Option<Arc<Ending>>,
}

/// A node's disk: rounds in the order of their announcement, and the ledger.
#[derive(Clone, Default)]
pub(super) struct NodeDisk {
    pub(super) rows: Vec<NodeRow>,
    pub(super) entries: Vec<LedgerEntry>,
    pub(super) last_release: Option<Digest>,
    pub(super) full_until: i64,
    /// Rounds of which this node may have forgotten what it sent: it was restored from a copy while they were open.
    pub(super) forgotten: BTreeSet<Digest>,
    ledger: Ledger,
}

impl NodeDisk {
    /// The position of the first round that has not ended here.
    pub(super) fn position(&self) -> usize {
        let open = self.rows.iter().position(|row| row.stage != Stage::Ended);
        open.unwrap_or(self.rows.len())
    }

    /// The round at the current position, once something of it is durable.
    pub(super) fn row(&self) -> Option<&NodeRow> {
        self.rows.get(self.position())
    }

    /// The ledger as it is durable.
    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Applies a transaction to the round at the current position.
    pub(super) fn commit(&mut self, offer: &Arc<Offer>, write: Write) -> Result<(), LedgerError> {
        if let Some(entry) = write.entry {
            self.append(entry)?;
        }
        let position = self.position();
        if position == self.rows.len() {
            self.rows.push(NodeRow {
                offer: Arc::clone(offer),
                stage: Stage::Joined,
                records: Vec::new(),
                ending: None,
                stated: false,
                settled: false,
            });
        }
        let Some(row) = self.rows.get_mut(position) else {
            return Ok(());
        };
        let erases = write
            .record
            .as_ref()
            .is_some_and(NodeRecord::erases_earlier);
        if write.erase || erases {
            row.records.clear();
        }
        row.records.extend(write.record);
        row.stage = write.stage.unwrap_or(row.stage);
        row.ending = write.ending.or(row.ending.take());
        if write.release.is_some() {
            self.last_release = write.release;
        }
        Ok(())
    }

    /// Appends an entry of the ledger and nothing else.
    pub(super) fn append(&mut self, entry: LedgerEntry) -> Result<(), LedgerError> {
        self.ledger.append(&entry)?;
        self.entries.push(entry);
        Ok(())
    }

    /// For a planted fault: the ledger without what it says of the open round, which comes last in it.
    pub(super) fn forget_open_round(&mut self) {
        let Some(round) = self.row().map(|row| row.offer.round()) else {
            return;
        };
        let before = self
            .entries
            .iter()
            .position(|entry| entry.event().round() == Some(round));
        self.entries.truncate(before.unwrap_or(self.entries.len()));
    }

    /// For a planted fault: the records of the open round, to be tampered with.
    pub(super) fn open_records(&mut self) -> Option<&mut Vec<NodeRecord>> {
        let position = self.position();
        self.rows.get_mut(position).map(|row| &mut row.records)
    }

    /// Reads the ledger again from its entries, as a node does that comes up.
    pub(super) fn replay(&mut self) -> Result<(), LedgerError> {
        self.ledger = Ledger::replay(&self.entries)?;
        Ok(())
    }
}

/// One round on the coordinator's disk.
pub(super) struct CoordinatorRow {
    pub(super) offer: Arc<Offer>,
    pub(super) records: Vec<CoordinatorRecord>,
    pub(super) ending: Option<Arc<Ending>>,
    pub(super) aftermath: Aftermath,
}

/// The coordinator's disk.
#[derive(Default)]
pub(super) struct CoordinatorDisk {
    pub(super) rows: Vec<CoordinatorRow>,
    pub(super) last_release: Option<Digest>,
    pub(super) full_until: i64,
}
