//! The named points at which a side is killed.

/// Where a node is killed. Every point lies between two things that must not be torn apart, or just beside them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NodeCrash {
    /// Noise and seeds are drawn; neither contribution nor reservation is durable.
    BeforeFreezeDurable,
    /// Contribution and reservation are durable; Join has not left.
    AfterFreezeDurableBeforeSend,
    /// The coordinator's message is handled; its record is not durable.
    BeforeRecordDurable,
    /// The record, and the ledger entry that goes with it, is durable; the message has not left.
    AfterRecordDurableBeforeSend,
    /// What the message rests on, or a ledger entry, is durable; the anchor does not know it yet.
    BeforeAnchorDurable,
    /// The anchor names the message; it has not left.
    AfterAnchorDurableBeforeSend,
    /// The message has left; no acknowledgement has come.
    AfterSendBeforeAcknowledged,
    /// Unmask was acknowledged; its bytes are not forgotten durably.
    BeforeForgettingDurable,
    /// The bytes of Unmask are forgotten durably.
    AfterForgettingDurable,
    /// The release verified; nothing of it is durable.
    BeforeReleaseDurable,
    /// The release and its ledger entry are durable.
    AfterReleaseDurable,
    /// The round is given up; no tombstone is durable.
    BeforeTombstoneDurable,
    /// The tombstone is durable and the seeds are erased.
    AfterTombstoneDurable,
    /// The evidence that returns a charge verified; the charge has not come back durably.
    BeforeReturnDurable,
}

impl NodeCrash {
    /// Every point.
    pub const ALL: [Self; 14] = [
        Self::BeforeFreezeDurable,
        Self::AfterFreezeDurableBeforeSend,
        Self::BeforeRecordDurable,
        Self::AfterRecordDurableBeforeSend,
        Self::BeforeAnchorDurable,
        Self::AfterAnchorDurableBeforeSend,
        Self::AfterSendBeforeAcknowledged,
        Self::BeforeForgettingDurable,
        Self::AfterForgettingDurable,
        Self::BeforeReleaseDurable,
        Self::AfterReleaseDurable,
        Self::BeforeTombstoneDurable,
        Self::AfterTombstoneDurable,
        Self::BeforeReturnDurable,
    ];

    /// Fourths of the plan's probability: a point that is passed with every message is met often enough with less.
    pub(super) fn fourths(self) -> u32 {
        match self {
            Self::AfterSendBeforeAcknowledged
            | Self::BeforeAnchorDurable
            | Self::AfterAnchorDurableBeforeSend => 2,
            Self::BeforeReturnDurable => 16,
            _ => 4,
        }
    }

    /// What a report calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BeforeFreezeDurable => "node killed before freeze durable",
            Self::AfterFreezeDurableBeforeSend => "node killed after freeze durable, before send",
            Self::BeforeRecordDurable => "node killed before record durable",
            Self::AfterRecordDurableBeforeSend => "node killed after record durable, before send",
            Self::BeforeAnchorDurable => "node killed before anchor durable",
            Self::AfterAnchorDurableBeforeSend => "node killed after anchor durable, before send",
            Self::AfterSendBeforeAcknowledged => "node killed after send, before acknowledged",
            Self::BeforeForgettingDurable => "node killed before forgetting durable",
            Self::AfterForgettingDurable => "node killed after forgetting durable",
            Self::BeforeReleaseDurable => "node killed before release durable",
            Self::AfterReleaseDurable => "node killed after release durable",
            Self::BeforeTombstoneDurable => "node killed before tombstone durable",
            Self::AfterTombstoneDurable => "node killed after tombstone durable",
            Self::BeforeReturnDurable => "node killed before return of a charge durable",
        }
    }
}

/// Where the coordinator is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CoordinatorCrash {
    /// A message is accepted; its record is not durable.
    BeforeRecordDurable,
    /// Some of the records of one step are durable, the later ones are not.
    BetweenRecords,
    /// The records are durable; nothing was answered.
    AfterRecordDurableBeforeAnswer,
    /// A phase is closed durably; nobody was served its message.
    AfterCloseDurableBeforeServing,
    /// The message of a closed phase has left for one partner.
    AfterServing,
    /// The sum is open; the release is not durable.
    BeforeReleaseDurable,
    /// The release is durable and what it was made of is erased; nobody was told.
    AfterReleaseDurableBeforeAnnouncing,
    /// The round is given up; the notice is not durable.
    BeforeAbortDurable,
    /// The notice is durable; nobody was told.
    AfterAbortDurableBeforeAnnouncing,
    /// The next round is durable; nobody was told.
    AfterOpeningDurable,
    /// A statement that a partner never unmasks verified; it is not durable.
    BeforeStatementDurable,
    /// The statement, and perhaps the certificate it completes, is durable; nothing was answered.
    AfterStatementDurableBeforeAnswer,
}

impl CoordinatorCrash {
    /// Every point.
    pub const ALL: [Self; 12] = [
        Self::BeforeRecordDurable,
        Self::BetweenRecords,
        Self::AfterRecordDurableBeforeAnswer,
        Self::AfterCloseDurableBeforeServing,
        Self::AfterServing,
        Self::BeforeReleaseDurable,
        Self::AfterReleaseDurableBeforeAnnouncing,
        Self::BeforeAbortDurable,
        Self::AfterAbortDurableBeforeAnnouncing,
        Self::AfterOpeningDurable,
        Self::BeforeStatementDurable,
        Self::AfterStatementDurableBeforeAnswer,
    ];

    /// Fourths of the plan's probability: points that are passed once a round need more to be met as often as
    /// those that are passed with every message.
    pub(super) fn fourths(self) -> u32 {
        match self {
            Self::AfterServing => 1,
            Self::BeforeRecordDurable | Self::AfterRecordDurableBeforeAnswer => 3,
            Self::BetweenRecords | Self::AfterCloseDurableBeforeServing => 4,
            Self::BeforeReleaseDurable
            | Self::AfterReleaseDurableBeforeAnnouncing
            | Self::BeforeAbortDurable
            | Self::AfterAbortDurableBeforeAnnouncing
            | Self::AfterOpeningDurable => 24,
            Self::BeforeStatementDurable | Self::AfterStatementDurableBeforeAnswer => 12,
        }
    }

    /// What a report calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BeforeRecordDurable => "coordinator killed before record durable",
            Self::BetweenRecords => "coordinator killed between two records",
            Self::AfterRecordDurableBeforeAnswer => {
                "coordinator killed after record durable, before answer"
            }
            Self::AfterCloseDurableBeforeServing => {
                "coordinator killed after close durable, before serving"
            }
            Self::AfterServing => "coordinator killed after serving",
            Self::BeforeReleaseDurable => "coordinator killed before release durable",
            Self::AfterReleaseDurableBeforeAnnouncing => {
                "coordinator killed after release durable, before announcing"
            }
            Self::BeforeAbortDurable => "coordinator killed before abort durable",
            Self::AfterAbortDurableBeforeAnnouncing => {
                "coordinator killed after abort durable, before announcing"
            }
            Self::AfterOpeningDurable => "coordinator killed after opening durable",
            Self::BeforeStatementDurable => "coordinator killed before statement durable",
            Self::AfterStatementDurableBeforeAnswer => {
                "coordinator killed after statement durable, before answer"
            }
        }
    }
}
