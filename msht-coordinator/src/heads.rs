//! Noticing a node that was restored from an old copy, or of which two copies run.
//!
//! A node states where its ledger ends when it connects, and Join carries it. A head that is shorter than the
//! latest one, or different at the same length, is refused and shown to the node with its own signature, so that
//! it stops itself. The coordinator judges nothing else by it.

use msht_core::crypto::Digest;
use msht_core::secagg::messages::{JoinBody, Phase, SignedMessage};
use msht_core::secagg::{HeadProof, HeadStatement, LedgerHead, Partner};
use msht_core::wire::{Blob, MAX_FRAME_BYTES, Refusal, decode, encode};

use crate::coordinator::Coordinator;
use crate::error::Error;
use crate::store::{HeadTaken, Notice, SignedHeadRow};

/// Something noticed about copies of a partner's node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noticed {
    /// Id of the partner.
    pub partner: String,
    /// What, in words.
    pub what: String,
    /// When, seconds since 1970-01-01 UTC.
    pub at: i64,
}

fn behind(known: SignedHeadRow) -> Refusal {
    Refusal::LedgerBehind {
        proof: Blob::from(known.proof),
    }
}

/// What two heads of one partner that do not fit say about it.
fn what_is_wrong(known: &LedgerHead, told: &LedgerHead) -> String {
    if told.length == known.length {
        return format!(
            "two different ledgers of {} entries were signed: two copies of this node are running, or one was restored",
            known.length
        );
    }
    format!(
        "a ledger of {} entries was stated after one of {}: this node is an older copy",
        told.length, known.length
    )
}

impl Coordinator {
    /// Takes a node's statement on where its ledger ends, or refuses it with what the node signed before.
    pub(crate) async fn take_head(
        &self,
        partner: &Partner,
        statement: &[u8],
    ) -> Result<Result<LedgerHead, Refusal>, Error> {
        let Ok(statement) = decode::<HeadStatement>(statement, MAX_FRAME_BYTES) else {
            return Ok(Err(Refusal::Malformed));
        };
        if statement.verify(&partner.key, &self.key()).is_err() {
            return Ok(Err(Refusal::Malformed));
        }
        let told = SignedHeadRow {
            head: statement.head,
            proof: encode(&HeadProof::Statement(statement))?,
        };
        let (store, now) = (self.store(), self.now());
        let taken = store
            .take_head(&partner.id, &told, statement.replaces, now)
            .await?;
        match taken {
            HeadTaken::Followed => Ok(Ok(told.head)),
            HeadTaken::Replaced(known) => {
                let what = format!(
                    "a ledger of {} entries was given up for one of {}: somebody there resolved a restored node",
                    known.head.length, told.head.length
                );
                self.notice_heads(partner, None, &what, &known, &told)
                    .await?;
                Ok(Ok(told.head))
            }
            HeadTaken::Refused(known) => {
                let what = what_is_wrong(&known.head, &told.head);
                self.notice_heads(partner, None, &what, &known, &told)
                    .await?;
                Ok(Err(behind(known)))
            }
        }
    }

    /// Takes the head in a Join message. A Join may be older than what this connection stated, because the
    /// contribution was frozen before; it may not contradict it. What is not signed by the partner is left to C1.
    pub(crate) async fn check_join(
        &self,
        partner: &Partner,
        stated: Option<LedgerHead>,
        message: &[u8],
    ) -> Result<Result<(), Refusal>, Error> {
        let Ok(message) = SignedMessage::from_bytes(message, message.len()) else {
            return Ok(Ok(()));
        };
        let genuine = message.verify(&message.round, Phase::Join, message.sender, &partner.key);
        let Ok(body) = decode::<JoinBody>(message.body.as_ref(), message.body.as_ref().len())
        else {
            return Ok(Ok(()));
        };
        if genuine.is_err() {
            return Ok(Ok(()));
        }
        let head = LedgerHead {
            length: body.ledger_length,
            digest: body.ledger_head,
        };
        let round = message.round;
        let told = SignedHeadRow {
            head,
            proof: encode(&HeadProof::Join(message))?,
        };
        let (store, now) = (self.store(), self.now());
        let taken = store.take_head(&partner.id, &told, None, now).await?;
        let HeadTaken::Refused(known) = taken else {
            return Ok(Ok(()));
        };
        if head.length < known.head.length && stated == Some(known.head) {
            return Ok(Ok(()));
        }
        if stated.is_some() && head.length < known.head.length {
            // Another process of the same node stated more since: this connection states again.
            return Ok(Err(behind(known)));
        }
        let what = what_is_wrong(&known.head, &head);
        self.notice_heads(partner, Some(&round), &what, &known, &told)
            .await?;
        Ok(Err(behind(known)))
    }

    async fn notice_heads(
        &self,
        partner: &Partner,
        round: Option<&Digest>,
        what: &str,
        known: &SignedHeadRow,
        told: &SignedHeadRow,
    ) -> Result<(), Error> {
        tracing::warn!(partner = partner.id, what, "noticed");
        let notice = Notice {
            partner: &partner.id,
            round,
            what,
            evidence: Some((&known.proof, &told.proof)),
        };
        Ok(self.store().notice(&notice, self.now()).await?)
    }

    /// Notes that a partner sent two different messages for one slot (C3).
    pub(crate) async fn notice_second_message(
        &self,
        partner: &Partner,
        round: &Digest,
        phase: Phase,
    ) -> Result<(), Error> {
        let what = format!(
            "two different {} messages of round {} were sent: two copies of this node are running, or one was restored",
            phase.word(),
            round.short()
        );
        tracing::warn!(partner = partner.id, what, "noticed");
        let notice = Notice {
            partner: &partner.id,
            round: Some(round),
            what: &what,
            evidence: None,
        };
        Ok(self.store().notice(&notice, self.now()).await?)
    }

    /// What was noticed about copies of nodes, the oldest first.
    ///
    /// # Errors
    /// The database.
    pub async fn noticed(&self) -> Result<Vec<Noticed>, Error> {
        let rows = self.store().noticed().await?.into_iter();
        let noticed = rows.map(|(partner, what, at)| Noticed { partner, what, at });
        Ok(noticed.collect())
    }

    /// The latest ledger head a partner signed.
    ///
    /// # Errors
    /// The database.
    pub async fn ledger_head(&self, partner: &str) -> Result<Option<LedgerHead>, Error> {
        Ok(self.store().head(partner).await?.map(|known| known.head))
    }
}
