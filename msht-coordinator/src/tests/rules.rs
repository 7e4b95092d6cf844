//! Enrolment, roster versions, and which rounds may be opened.

use msht_core::crypto::Digest;
use msht_core::secagg::{AbortReason, ProposalError};

use super::*;
use crate::store::InviteUse;
use crate::{Error, ErrorKind, RoundStage};

#[tokio::test]
async fn a_coordinator_keeps_its_identity_and_needs_its_key_file() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("new");
    let clock = TestClock::new();
    let coordinator = created(&data, &clock).await;
    let key = coordinator.key();
    coordinator.close().await;
    let again = Coordinator::open(&data, clock.as_clock()).await.unwrap();
    assert_eq!(again.key(), key);
    assert_eq!(again.settings().address, "localhost:7843");
    let settings = again.settings().clone();
    let twice = Coordinator::create(&data, settings, clock.as_clock(), &mut rng(2)).await;
    assert!(matches!(twice, Err(Error::AlreadyExists(_))));
    again.close().await;

    let key_file = data.join("coordinator.key");
    std::fs::write(&key_file, "00".repeat(32)).unwrap();
    let other_key = Coordinator::open(&data, clock.as_clock()).await;
    assert!(matches!(other_key, Err(Error::WrongKeyFile(_))));
    let nothing = Coordinator::open(directory.path(), clock.as_clock()).await;
    assert_eq!(nothing.unwrap_err().kind(), ErrorKind::Configuration);
}

#[tokio::test]
async fn an_invite_works_once_in_time_and_for_one_identity() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let coordinator = created(directory.path(), &clock).await;
    let (first, second) = (identity(11).key(), identity(12).key());
    let invite = |partner: &str| new_invite(partner);

    let used = coordinator.invite(&invite("a"), &mut rng(1)).await.unwrap();
    let enrol = |token, key| {
        let coordinator = coordinator.clone();
        async move { coordinator.enrol(&token, &key).await.unwrap() }
    };
    assert!(matches!(enrol(used.token, first).await, InviteUse::Enrolled(p) if p.id == "a"));
    // The answer was lost: the same identity may ask again.
    assert!(matches!(enrol(used.token, first).await, InviteUse::Enrolled(p) if p.id == "a"));
    assert_eq!(enrol(used.token, second).await, InviteUse::Unknown);

    let replaced = coordinator.invite(&invite("b"), &mut rng(2)).await.unwrap();
    let late = coordinator.invite(&invite("b"), &mut rng(3)).await.unwrap();
    assert_eq!(enrol(replaced.token, second).await, InviteUse::Unknown);
    let already = InviteUse::AlreadyEnrolled("a".to_owned());
    assert_eq!(enrol(late.token, first).await, already);
    clock.advance(61);
    assert_eq!(enrol(late.token, second).await, InviteUse::Expired);

    let again = coordinator.invite(&invite("a"), &mut rng(4)).await;
    assert!(matches!(again, Err(Error::AlreadyEnrolled(_))));
    let bad = coordinator.invite(&invite("Not An Id"), &mut rng(5)).await;
    assert_eq!(bad.unwrap_err().kind(), ErrorKind::Usage);
}

#[tokio::test]
async fn a_programme_is_replaced_only_by_a_higher_version() {
    let directory = tempfile::tempdir().unwrap();
    let coordinator = created(directory.path(), &TestClock::new()).await;
    coordinator.publish_programme(PROGRAMME).await.unwrap();
    coordinator.publish_programme(PROGRAMME).await.unwrap();
    let changed = PROGRAMME.replace("title = \"Kinds\"", "title = \"Types\"");
    let refused = coordinator.publish_programme(&changed).await;
    assert!(matches!(refused, Err(Error::ProgrammeVersion { .. })));
    let raised = changed.replace("version = 1", "version = 2");
    coordinator.publish_programme(&raised).await.unwrap();
    let programmes = coordinator.programmes().await.unwrap();
    assert_eq!(programmes.len(), 1);
    assert_eq!(programmes[0].version(), 2);
}

#[tokio::test]
async fn roster_versions_form_a_chain_and_change_only_with_the_partners() {
    let directory = tempfile::tempdir().unwrap();
    let coordinator = created(directory.path(), &TestClock::new()).await;
    coordinator.publish_programme(PROGRAMME).await.unwrap();
    enrolled(&coordinator, 3).await;
    assert!(coordinator.roster().await.unwrap().is_none());
    let mut digests = vec![Digest::ZERO];
    for (partners, version) in [(3, 1), (3, 1), (4, 2)] {
        if partners == 4 {
            enrol_one_more(&coordinator, "p0").await;
        }
        let round = coordinator.open_round(&request("2026-Q3")).await.unwrap();
        let roster = coordinator.roster().await.unwrap().unwrap();
        assert_eq!((roster.version, roster.partners.len()), (version, partners));
        assert!(roster.is_well_formed());
        if *digests.last().unwrap() != roster.digest() {
            assert_eq!(roster.previous, *digests.last().unwrap());
            digests.push(roster.digest());
        }
        coordinator.abort_round(&round).await.unwrap();
    }
    assert_eq!(digests.len(), 3);
}

#[tokio::test]
async fn a_round_needs_enough_known_partners_a_good_period_and_no_other_open_round() {
    let directory = tempfile::tempdir().unwrap();
    let coordinator = created(directory.path(), &TestClock::new()).await;
    let unknown = coordinator.open_round(&request("2026-Q3")).await;
    assert!(matches!(unknown, Err(Error::UnknownProgramme(_))));
    coordinator.publish_programme(PROGRAMME).await.unwrap();
    enrolled(&coordinator, 2).await;
    let few = coordinator
        .open_round(&request("2026-Q3"))
        .await
        .unwrap_err();
    assert!(matches!(
        few,
        Error::Proposal(ProposalError::TooFewPartners { .. })
    ));
    assert!(few.hint().is_some());
    // Nothing of a refused round is stored, its roster version neither.
    assert!(coordinator.roster().await.unwrap().is_none());
    enrol_one_more(&coordinator, "p3").await;

    let stranger = RoundRequest {
        invited: Some(["p1", "p2", "p9"].map(str::to_owned).to_vec()),
        ..request("2026-Q3")
    };
    let stranger = coordinator.open_round(&stranger).await;
    assert!(matches!(
        stranger,
        Err(Error::Proposal(ProposalError::NotOnRoster(_)))
    ));
    for period in ["2026-07", "2025-Q4"] {
        let refused = coordinator.open_round(&request(period)).await;
        assert!(matches!(
            refused,
            Err(Error::Proposal(ProposalError::Period { .. }))
        ));
    }
    assert!(matches!(
        coordinator.open_round(&request("soon")).await,
        Err(Error::Period(_))
    ));

    let first = coordinator.open_round(&request("2026-Q3")).await.unwrap();
    for period in ["2026-Q3", "2026-Q4"] {
        let second = coordinator.open_round(&request(period)).await;
        assert!(matches!(second, Err(Error::RoundOpen { round, .. }) if round == first));
    }
    coordinator.close_phase(&first).await.unwrap();
    let ended = coordinator.round_status(&first).await.unwrap();
    assert!(matches!(
        &ended.stage,
        RoundStage::Aborted(abort)
            if abort.reason == AbortReason::TooFew { received: 0, needed: 3 }
                && abort.missing == ["p1", "p2", "p3"]
    ));
    let ended = coordinator.close_phase(&first).await;
    assert!(matches!(ended, Err(Error::RoundEnded(_))));

    let next = coordinator.open_round(&request("2026-Q3")).await.unwrap();
    assert_ne!(next, first);
    assert_eq!(coordinator.round_status(&next).await.unwrap().attempt, 2);
    let digits: String = next.to_string().chars().take(10).collect();
    assert_eq!(coordinator.find_round(&digits).await.unwrap(), next);
    assert!(coordinator.find_round("").await.is_err());
}

async fn enrol_one_more(coordinator: &Coordinator, partner: &str) {
    let new = new_invite(partner);
    let invite = coordinator.invite(&new, &mut rng(33)).await.unwrap();
    let key = identity(133).key();
    coordinator.enrol(&invite.token, &key).await.unwrap();
}
