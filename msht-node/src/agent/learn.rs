//! Learning of programmes, rosters, statements and rounds: signatures and chains first, then the vault (N1, N4).

use msht_core::crypto::Digest;
use msht_core::governance::{GovernanceRecord, MAX_GOVERNANCE_BYTES};
use msht_core::programme::Programme;
use msht_core::secagg::{
    Announcement, Check, Document, Fault, ProgrammeDocument, Roster, Signed, Verified, Violation,
};
use msht_core::wire::{
    Item, MAX_ENCODED_BYTES, ProgrammeNews, Request, Response, RoundNews, RoundState, decode,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Kind, NodeError};
use crate::node::Node;
use crate::transport::Link;
use crate::vault::{RoundRow, Stage};

/// Most roster versions fetched to follow the chain from the one known.
const MAX_ROSTER_STEPS: u64 = 1_000;

fn refused(check: Check, violation: Violation) -> NodeError {
    NodeError::from(Fault::coordinator(check, violation))
}

async fn fetch_document<T>(link: &Link, item: &Item) -> Result<Option<Signed<T>>, NodeError>
where
    T: Serialize + DeserializeOwned,
{
    let Some(bytes) = link.fetch(item).await? else {
        return Ok(None);
    };
    decode(&bytes, MAX_ENCODED_BYTES)
        .map(Some)
        .map_err(|_| refused(Check::N1, Violation::Encoding))
}

/// Learns of everything the coordinator has news of.
pub(super) async fn learn_all(node: &Node, link: &Link) -> Result<(), NodeError> {
    let response = link.request(&Request::Poll { seen: 0 }).await?;
    let Response::News {
        rounds, programmes, ..
    } = super::checked(response)?
    else {
        return Err(super::out_of_turn());
    };
    sit_out_unknown(node, link, &rounds).await?;
    learn_programmes(node, link, &programmes).await?;
    learn_governance(node, link).await?;
    for round in rounds {
        if node.vault.round(round.round).await?.is_none() {
            learn_round(node, link, round.round).await?;
        }
    }
    Ok(())
}

/// After somebody resolved a doubt: rounds that are open and not known here may be ones that this node had joined
/// before its vault was put back. They are sat out.
pub(super) async fn sit_out_unknown(
    node: &Node,
    link: &Link,
    rounds: &[RoundNews],
) -> Result<(), NodeError> {
    if !node.vault.is_unsure_of_rounds().await? {
        return Ok(());
    }
    for news in rounds {
        if !matches!(news.state, RoundState::Open(_))
            || node.vault.round(news.round).await?.is_some()
            || learn_round(node, link, news.round).await?.is_none()
        {
            continue;
        }
        let note = "sat out: it was open before the node knew what it had forgotten";
        let mut writing = node.vault.write().await?;
        node.vault.forget(&mut writing, news.round).await?;
        node.vault
            .set_stage(
                &mut writing,
                news.round,
                Stage::LeftOut,
                note,
                node.surroundings.now(),
            )
            .await?;
        node.commit(writing).await?;
    }
    node.vault.is_sure_of_rounds().await
}

/// Fetches the current programmes.
pub(super) async fn learn_programmes(
    node: &Node,
    link: &Link,
    programmes: &[ProgrammeNews],
) -> Result<(), NodeError> {
    for programme in programmes {
        fetch_programme(node, link, programme.digest).await?;
    }
    Ok(())
}

/// Fetches the latest roster, and every statement on keys. A statement is verified where it is used.
pub(super) async fn learn_governance(node: &Node, link: &Link) -> Result<(), NodeError> {
    if let Some(bytes) = link.fetch(&Item::Governance).await? {
        let record: GovernanceRecord = decode(&bytes, MAX_GOVERNANCE_BYTES)
            .map_err(|_| refused(Check::N1, Violation::Encoding))?;
        if node.vault.governance_record().await? != record {
            node.vault.store_governance_record(&record).await?;
        }
    }
    let Some(latest) = fetch_document::<Roster>(link, &Item::CurrentRoster).await? else {
        return Ok(());
    };
    let latest = verified(node, latest, Check::N4)?;
    fetch_rosters(node, link, latest.version).await?;
    let kept = node.vault.roster(latest.version).await?;
    if kept.is_none_or(|kept| kept.content != latest.as_signed().content) {
        return Err(refused(Check::N4, Violation::Chain));
    }
    Ok(())
}

/// A programme is known by its version: another text under a version that was seen before is refused (N1).
async fn check_version(node: &Node, programme: &Programme) -> Result<(), NodeError> {
    for earlier in node.vault.programmes_by_id(programme.id()).await? {
        let Ok(earlier) = Programme::parse(&earlier.content.toml) else {
            continue;
        };
        if earlier.version() == programme.version() && earlier.digest() != programme.digest() {
            let (id, version) = (programme.id(), programme.version());
            let message = format!(
                "check N1: programme `{id}` version {version} has another text than the one seen here before"
            );
            return Err(NodeError::new(Kind::Data, message).hint(
                "nothing of it is used: a changed programme needs a new version, and a new decision; tell the other partners",
            ));
        }
    }
    Ok(())
}

/// Whether this document, kept here, carries the signature of the coordinator's present key: after a handover it is
/// fetched again.
fn is_signed_now<T: Document>(node: &Node, kept: Option<Signed<T>>) -> bool {
    kept.is_some_and(|kept| kept.verify(&node.enrolment.coordinator).is_ok())
}

/// Fetches a programme that is not here yet.
async fn fetch_programme(node: &Node, link: &Link, digest: Digest) -> Result<(), NodeError> {
    if is_signed_now(node, node.vault.programme(digest).await?) {
        return Ok(());
    }
    let item = Item::Programme(digest);
    let Some(document) = fetch_document::<ProgrammeDocument>(link, &item).await? else {
        return Ok(());
    };
    let verified = document.clone().verify(&node.enrolment.coordinator);
    let verified = verified.map_err(|_| refused(Check::N1, Violation::Signature))?;
    let programme = Programme::parse(&verified.toml)
        .map_err(|_| refused(Check::N1, Violation::Announcement))?;
    if programme.digest() != digest {
        return Err(refused(Check::N1, Violation::DigestMismatch));
    }
    check_version(node, &programme).await?;
    node.vault
        .store_programme(digest, programme.id(), &document)
        .await?;
    Ok(())
}

/// Fetches roster versions up to `version` and checks that each follows on from the one before.
async fn fetch_rosters(node: &Node, link: &Link, version: u64) -> Result<(), NodeError> {
    let mut known = version;
    while known > 0 && !is_signed_now(node, node.vault.roster(known).await?) {
        known -= 1;
        if version - known > MAX_ROSTER_STEPS {
            return Err(refused(Check::N4, Violation::Chain));
        }
    }
    let mut previous = Digest::ZERO;
    if let Some(roster) = node.vault.roster(known).await? {
        previous = verified(node, roster, Check::N4)?.digest();
    }
    for step in known + 1..=version {
        let document = fetch_document::<Roster>(link, &Item::Roster(step)).await?;
        let document = document.ok_or_else(|| refused(Check::N4, Violation::Chain))?;
        let roster = verified(node, document, Check::N4)?;
        if roster.version != step || roster.previous != previous || !roster.is_well_formed() {
            return Err(refused(Check::N4, Violation::Chain));
        }
        let kept = node.vault.roster(step).await?;
        if kept.is_some_and(|kept| kept.content != roster.as_signed().content) {
            return Err(refused(Check::N4, Violation::Equivocation));
        }
        node.vault
            .store_roster(roster.digest(), roster.as_signed())
            .await?;
        previous = roster.digest();
    }
    Ok(())
}

fn verified<T: Document>(
    node: &Node,
    document: Signed<T>,
    check: Check,
) -> Result<Verified<T>, NodeError> {
    document
        .verify(&node.enrolment.coordinator)
        .map_err(|_| refused(check, Violation::Signature))
}

/// Fetches and keeps a round that is new, or none where its announcement is not there (any more).
pub(super) async fn learn_round(
    node: &Node,
    link: &Link,
    round: Digest,
) -> Result<Option<RoundRow>, NodeError> {
    let item = Item::Announcement(round);
    let Some(document) = fetch_document::<Announcement>(link, &item).await? else {
        return Ok(None);
    };
    let announcement = verified(node, document, Check::N1)?;
    if announcement.digest() != round {
        return Err(refused(Check::N1, Violation::DigestMismatch));
    }
    fetch_programme(node, link, announcement.programme_digest).await?;
    fetch_rosters(node, link, announcement.roster_version).await?;
    let now = node.surroundings.now();
    let signed = announcement.as_signed();
    let coordinator = node.enrolment.coordinator;
    let twice = node
        .vault
        .compare_announcement(signed, coordinator, now)
        .await?;
    if let Some(offence) = twice {
        tracing::warn!(round = %round.short(), offence, "evidence kept");
    }
    node.vault
        .store_round(round, signed, Stage::Announced, "", now)
        .await?;
    node.vault.round(round).await
}
