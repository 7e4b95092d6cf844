//! Keys that change, partners that vouch and are revoked, and the handover of the coordinator's own key.

use msht_core::crypto::{Digest, Identity, IdentityKey};
use msht_core::governance::{
    Countersigned, Endorsement, GovernanceRecord, Handover, KeyChange, SignedEndorsement,
    Statement, succeeds,
};
use msht_core::secagg::{AbortNotice, Announcement, Document, ProgrammeDocument, Roster, Signed};
use msht_core::wire::{Blob, Item, MAX_ENCODED_BYTES, Refusal, Request, Response, decode, encode};

use super::*;
use crate::Error;
use crate::store::InviteUse;
use crate::transport::{Answers, Peer, Service};

fn change(partner: &str, old: &Identity, new: &Identity) -> Countersigned<KeyChange> {
    let content = KeyChange {
        partner: partner.to_owned(),
        from: old.key(),
        to: new.key(),
    };
    Countersigned::sign(content, old, new).unwrap()
}

fn endorsement(coordinator: &Coordinator, by: &str, of: &str, key: IdentityKey) -> Endorsement {
    Endorsement {
        endorser: by.to_owned(),
        partner: of.to_owned(),
        key,
        coordinator: coordinator.key(),
    }
}

async fn state(service: &Service, key: &Identity, statement: &Statement) -> Response {
    let statement = Blob::from(encode(statement).unwrap());
    service
        .answer(&Peer::new(key.key()), Request::State { statement })
        .await
}

async fn fetched(service: &Service, key: &Identity, item: Item) -> Result<Vec<u8>, Response> {
    match service
        .answer(&Peer::new(key.key()), Request::Fetch { item, offset: 0 })
        .await
    {
        Response::Part { total, bytes } => {
            assert_eq!(total, bytes.as_ref().len() as u64);
            Ok(bytes.as_ref().to_vec())
        }
        other => Err(other),
    }
}

async fn roster(service: &Service, key: &Identity) -> Roster {
    let bytes = fetched(service, key, Item::CurrentRoster).await.unwrap();
    decode::<Signed<Roster>>(&bytes, MAX_ENCODED_BYTES)
        .unwrap()
        .content
}

#[tokio::test]
async fn a_partner_changes_its_key_with_both_signatures_and_the_old_one_is_refused_ever_after() {
    let directory = tempfile::tempdir().unwrap();
    let coordinator = created(directory.path(), &TestClock::new()).await;
    coordinator.publish_programme(PROGRAMME).await.unwrap();
    let identities = enrolled(&coordinator, 3).await;
    let service = Service::new(coordinator.clone());
    let (old, other, new) = (&identities[0], &identities[1], &identity(50));

    let mut half = change("p1", old, new);
    half.by_new = half.by_old;
    let forged = [
        (old, half),
        (old, change("p2", old, new)),
        (old, change("p1", other, new)),
        (old, change("p1", old, other)),
        (other, change("p1", old, new)),
        (new, change("p1", old, new)),
    ];
    for (sender, statement) in forged {
        let answer = state(&service, sender, &Statement::KeyChange(statement)).await;
        assert!(matches!(answer, Response::Refused(_)), "{answer:?}");
    }
    let good = Statement::KeyChange(change("p1", old, new));
    let round = coordinator.open_round(&request("2026-Q3")).await.unwrap();
    let open = state(&service, old, &good).await;
    assert_eq!(open, Response::Refused(Refusal::OpenRound));
    coordinator.abort_round(&round).await.unwrap();
    let before = roster(&service, old).await;

    // The answer may be lost: the same change is answered the same way, whichever key asks.
    for sender in [old, old, new] {
        assert_eq!(state(&service, sender, &good).await, Response::Accepted);
    }
    let again = Statement::KeyChange(change("p1", old, &identity(51)));
    assert_eq!(
        state(&service, old, &again).await,
        Response::Refused(Refusal::Revoked)
    );
    let refused = fetched(&service, old, Item::CurrentRoster).await;
    assert_eq!(refused.unwrap_err(), Response::Refused(Refusal::Revoked));

    let after = roster(&service, new).await;
    assert_eq!(after.version, before.version + 1);
    assert_eq!(after.previous, before.digest().unwrap());
    assert_eq!(after.partner("p1").unwrap().key, new.key());
    let back = Statement::KeyChange(change("p1", new, old));
    assert!(
        matches!(state(&service, new, &back).await, Response::Refused(_)),
        "a key comes back"
    );
}

#[tokio::test]
async fn a_revoked_partner_is_refused_and_comes_back_only_with_another_key() {
    let directory = tempfile::tempdir().unwrap();
    let coordinator = created(directory.path(), &TestClock::new()).await;
    let identities = enrolled(&coordinator, 3).await;
    let service = Service::new(coordinator.clone());
    let stolen = &identities[1];
    assert!(matches!(
        coordinator.revoke("p9", "gone").await,
        Err(Error::UnknownPartner(_))
    ));
    assert!(matches!(
        coordinator.revoke("p2", " ").await,
        Err(Error::Reason { .. })
    ));
    assert!(roster(&service, stolen).await.partner("p2").is_some());
    coordinator.revoke("p2", "stolen").await.unwrap();

    assert!(
        roster(&service, &identities[0])
            .await
            .partner("p2")
            .is_none()
    );
    let poll = service
        .answer(&Peer::new(stolen.key()), Request::Poll { seen: 0 })
        .await;
    assert_eq!(poll, Response::Refused(Refusal::Revoked));
    let by_thief = Statement::KeyChange(change("p2", stolen, &identity(60)));
    assert!(matches!(
        state(&service, stolen, &by_thief).await,
        Response::Refused(_)
    ));

    let invite = coordinator
        .invite(&new_invite("p2"), &mut rng(9))
        .await
        .unwrap();
    let used = coordinator
        .enrol(&invite.token, &stolen.key())
        .await
        .unwrap();
    assert_eq!(used, InviteUse::Revoked);
    let fresh = identity(61);
    let used = coordinator
        .enrol(&invite.token, &fresh.key())
        .await
        .unwrap();
    assert!(matches!(used, InviteUse::Enrolled(partner) if partner.id == "p2"));
    let now = roster(&service, &fresh).await;
    assert_eq!(now.partner("p2").unwrap().key, fresh.key());
}

#[tokio::test]
async fn an_endorsement_is_taken_from_its_signer_about_an_enrolled_key_only() {
    let directory = tempfile::tempdir().unwrap();
    let coordinator = created(directory.path(), &TestClock::new()).await;
    let identities = enrolled(&coordinator, 3).await;
    let service = Service::new(coordinator.clone());
    let (a, b) = (&identities[0], &identities[1]);
    let signed = |content: Endorsement, by: &Identity| Signed::sign(content, by).unwrap();
    let good = endorsement(&coordinator, "p1", "p2", b.key());
    let with = |change: fn(&mut Endorsement)| {
        let mut content = good.clone();
        change(&mut content);
        signed(content, a)
    };
    let refused: [SignedEndorsement; 5] = [
        signed(good.clone(), b),
        with(|e| e.endorser = "p3".to_owned()),
        with(|e| e.partner = "p3".to_owned()),
        with(|e| e.partner = "p1".to_owned()),
        with(|e| e.coordinator = IdentityKey::from_bytes([9; 32])),
    ];
    for bad in refused {
        let answer = state(&service, a, &Statement::Endorsement(bad)).await;
        assert!(
            matches!(answer, Response::Refused(Refusal::Statement { .. })),
            "{answer:?}"
        );
    }
    let good = signed(good, a);
    let statement = Statement::Endorsement(good.clone());
    assert_eq!(state(&service, a, &statement).await, Response::Accepted);
    let news = coordinator.store().news_number().await.unwrap();
    assert_eq!(state(&service, a, &statement).await, Response::Accepted);
    let again = coordinator.store().news_number().await.unwrap();
    assert_eq!(again, news, "the same again wakes nobody");
    let record = async |key: &Identity| -> GovernanceRecord {
        let bytes = fetched(&service, key, Item::Governance).await.unwrap();
        decode(&bytes, MAX_ENCODED_BYTES).unwrap()
    };
    assert_eq!(record(b).await.endorsements, [good]);
    // Strangers learn nothing of who vouches for whom.
    assert_eq!(record(&identity(99)).await, GovernanceRecord::default());
    coordinator.revoke("p1", "left").await.unwrap();
    assert!(record(b).await.endorsements.is_empty());
}

fn digest_of<T: Document>(bytes: &[u8], key: &IdentityKey) -> Digest {
    let signed: Signed<T> = decode(bytes, MAX_ENCODED_BYTES).unwrap();
    signed.verify(key).unwrap().digest()
}

#[tokio::test]
async fn a_handover_signs_every_document_again_and_changes_no_digest() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let coordinator = created(directory.path(), &clock).await;
    coordinator.publish_programme(PROGRAMME).await.unwrap();
    let identities = enrolled(&coordinator, 3).await;
    let old = coordinator.key();
    let round = coordinator.open_round(&request("2026-Q3")).await.unwrap();
    let stale = Coordinator::open(directory.path(), clock.as_clock())
        .await
        .unwrap();
    let open = coordinator.clone().rotate_key(&mut rng(70)).await;
    assert!(matches!(open, Err(Error::KeyInUse(found)) if found == round));
    coordinator.abort_round(&round).await.unwrap();
    let running = started(&coordinator, None).await;
    let serving = coordinator.clone().rotate_key(&mut rng(70)).await;
    assert!(matches!(serving, Err(Error::AlreadyRunning(_))));
    running.shutdown().await;

    let documents = |coordinator: Coordinator| async move {
        let store = coordinator.store();
        let row = store.round(&round).await.unwrap().unwrap();
        let programme = store.current_programme("test").await.unwrap().unwrap();
        let roster = store.roster(1).await.unwrap().unwrap();
        let key = coordinator.key();
        [
            digest_of::<ProgrammeDocument>(&programme.signed, &key),
            digest_of::<Roster>(&roster, &key),
            digest_of::<Announcement>(&row.announcement, &key),
            digest_of::<AbortNotice>(&row.abort.unwrap(), &key),
        ]
    };
    let before = documents(coordinator.clone()).await;
    let renewed = coordinator.rotate_key(&mut rng(70)).await.unwrap();
    assert_ne!(renewed.key(), old);
    assert!(succeeds(renewed.handovers(), &old, &renewed.key()));
    assert_eq!(documents(renewed.clone()).await, before);

    // A process that had the data directory open signs nothing with the old key any more.
    let refused = stale.open_round(&request("2026-Q3")).await;
    assert!(matches!(refused, Err(Error::KeyReplaced)));
    renewed.open_round(&request("2026-Q3")).await.unwrap();
    renewed.close().await;
    let reopened = Coordinator::open(directory.path(), clock.as_clock())
        .await
        .unwrap();
    let service = Service::new(reopened.clone());
    for key in [&identities[0], &identity(99)] {
        let bytes = fetched(&service, key, Item::Governance).await.unwrap();
        let record: GovernanceRecord = decode(&bytes, MAX_ENCODED_BYTES).unwrap();
        let chain: &[Countersigned<Handover>] = &record.handovers;
        assert!(succeeds(chain, &old, &reopened.key()));
    }
}
