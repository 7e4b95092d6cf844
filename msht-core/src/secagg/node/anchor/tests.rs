use rand::SeedableRng;
use rand::rngs::StdRng;
use time::macros::date;

use super::*;
use crate::dp::accountant::{Caps, Charge, ChargeTerms, DataWindow, TombstoneReason};
use crate::dp::calibration::TableNoise;
use crate::rational::Rational;

const ENROLMENT: EnrolmentId = HexBytes([7; 16]);

fn round(name: &str) -> Digest {
    digest("round", &[name.as_bytes()])
}

fn charge(name: &str) -> Charge {
    let terms = ChargeTerms {
        data_source: "cases".to_owned(),
        window: DataWindow::new(date!(2026 - 07 - 01), date!(2026 - 09 - 30)).unwrap(),
        programme: "small".to_owned(),
        programme_version: 1,
        round: round(name),
        period: "2026-Q3".to_owned(),
        attempt: 1,
        tables: vec![TableNoise {
            name: "total".to_owned(),
            a: Rational::one(),
            sensitivity: 1,
        }],
        epsilon: Rational::one(),
        total_shape: Rational::one(),
        invited: 3,
        colluders: 1,
        approver: "officer".to_owned(),
    };
    terms.try_into().unwrap()
}

/// A database that can be copied and put back.
#[derive(Clone, Default)]
struct Database {
    entries: Vec<LedgerEntry>,
    rounds: BTreeMap<Digest, Reached>,
}

impl Database {
    fn ledger(&self) -> Ledger {
        Ledger::replay(&self.entries).unwrap()
    }

    fn freeze(&mut self, name: &str) {
        let caps = Caps {
            per_period: Rational::from_integer(9),
            per_year: Rational::from_integer(9),
        };
        let ledger = self.ledger();
        let permit = ledger.permit(&charge(name), &caps).unwrap();
        self.entries.push(ledger.reserve(permit, 1).unwrap());
        self.rounds
            .insert(round(name), Reached::Stored(Phase::Join));
    }

    /// Stores what a phase rests on, with the ledger entry that goes with it.
    fn reach(&mut self, name: &str, phase: Phase) {
        let (ledger, id) = (self.ledger(), round(name));
        match phase {
            Phase::Mask => self.entries.push(ledger.charge(id, 2).unwrap()),
            Phase::Unmask => self.entries.push(ledger.unmask(id, 3).unwrap()),
            _ => {}
        }
        self.rounds.insert(id, Reached::Stored(phase));
    }

    fn with<T>(&self, enrolment: Option<EnrolmentId>, look: impl FnOnce(&Durable<'_>) -> T) -> T {
        let ledger = self.ledger();
        look(&Durable {
            enrolment,
            ledger: &ledger,
            entries: &self.entries,
            rounds: &self.rounds,
        })
    }

    fn first_anchor(&self) -> Anchor {
        self.with(None, |durable| Anchor::of(ENROLMENT, durable))
    }

    fn follow(&self, anchor: &Anchor) -> Result<Anchor, Doubt> {
        self.with(Some(ENROLMENT), |durable| {
            anchor.follow(durable).map(|step| step.anchor)
        })
    }

    fn clear(
        &self,
        anchor: &Anchor,
        name: &str,
        phase: Phase,
        text: &[u8],
    ) -> Result<Anchor, NotCleared> {
        self.with(Some(ENROLMENT), |durable| {
            let step = anchor.clear(durable, round(name), phase, text)?;
            let anchor = step.to_store().unwrap_or(anchor).clone();
            let cleared = step.made_durable();
            assert_eq!((cleared.phase(), cleared.message()), (phase, text));
            Ok(anchor)
        })
    }
}

/// A round driven to its end: the database and the anchor after each phase's message was cleared.
fn history() -> Vec<(Database, Anchor)> {
    let mut database = Database::default();
    let mut anchor = database.first_anchor();
    let mut history = vec![(database.clone(), anchor.clone())];
    database.freeze("a");
    for phase in Phase::ALL {
        if phase != Phase::Join {
            database.reach("a", phase);
        }
        anchor = database
            .clear(&anchor, "a", phase, phase.word().as_bytes())
            .unwrap();
        history.push((database.clone(), anchor.clone()));
    }
    history
}

#[test]
fn every_older_copy_of_the_database_is_noticed_and_a_database_ahead_resumes() {
    let history = history();
    for (at, (database, _)) in history.iter().enumerate() {
        for (anchored, (_, anchor)) in history.iter().enumerate() {
            let followed = database.follow(anchor);
            if anchored <= at {
                assert_eq!(
                    followed.unwrap().ledger(),
                    LedgerHead::of(&database.ledger())
                );
            } else {
                assert!(followed.is_err(), "copy {at} passes anchor {anchored}");
            }
        }
    }
}

#[test]
fn a_message_needs_its_record_and_a_second_message_of_a_phase_is_not_cleared() {
    let mut database = Database::default();
    let anchor = database.first_anchor();
    let not_stored = |phase| NotCleared::NotStored {
        round: round("a"),
        phase,
    };
    assert_eq!(
        database.clear(&anchor, "a", Phase::Join, b"join"),
        Err(not_stored(Phase::Join))
    );
    database.freeze("a");
    let anchor = database.clear(&anchor, "a", Phase::Join, b"join").unwrap();
    assert_eq!(
        database.clear(&anchor, "a", Phase::Join, b"join"),
        Ok(anchor.clone())
    );
    assert_eq!(
        database.clear(&anchor, "a", Phase::Share, b"share"),
        Err(not_stored(Phase::Share))
    );
    let differs = Doubt::MessageDiffers {
        round: round("a"),
        phase: Phase::Join,
    };
    assert_eq!(
        database.clear(&anchor, "a", Phase::Join, b"other"),
        Err(differs.into())
    );
    // Another process of this node has gone on: what it left behind is not sent, and nothing is in doubt.
    let mut gone_on = database.clone();
    gone_on.reach("a", Phase::Share);
    assert_eq!(
        gone_on.clear(&anchor, "a", Phase::Join, b"join"),
        Err(not_stored(Phase::Join))
    );
    let ended = Database {
        rounds: BTreeMap::from([(round("a"), Reached::Ended)]),
        ..database
    };
    assert_eq!(
        ended.clear(&anchor, "a", Phase::Join, b"join"),
        Err(not_stored(Phase::Join))
    );
    assert!(ended.follow(&anchor).unwrap().rounds.is_empty());
}

#[test]
fn another_ledger_of_the_same_length_and_another_enrolment_are_told_apart() {
    let mut ours = Database::default();
    ours.freeze("a");
    let mut other = Database::default();
    other.freeze("b");
    let anchor = ours.first_anchor();
    assert_eq!(other.follow(&anchor), Err(Doubt::LedgerDiverged { at: 1 }));
    other.reach("b", Phase::Mask);
    assert_eq!(other.follow(&anchor), Err(Doubt::LedgerDiverged { at: 1 }));
    let elsewhere = Some(HexBytes([8; 16]));
    let refused = ours.with(elsewhere, |durable| anchor.follow(durable).map(|_| ()));
    assert_eq!(refused, Err(Doubt::OtherEnrolment));
}

#[test]
fn an_anchor_remembers_every_reservation_and_whether_it_counts() {
    let mut database = Database::default();
    database.freeze("a");
    let anchor = database.first_anchor();
    let remembered = |counts| {
        [Remembered {
            charge: charge("a"),
            counts,
        }]
    };
    assert_eq!(anchor.charges(), remembered(true));
    let reason = TombstoneReason::Aborted;
    let freed = database.ledger().tombstone(round("a"), reason, 2).unwrap();
    database.entries.push(freed);
    database.rounds.insert(round("a"), Reached::Ended);
    assert_eq!(
        database.follow(&anchor).unwrap().charges(),
        remembered(false)
    );
}

#[test]
fn a_sealed_anchor_opens_with_its_key_only_and_every_changed_byte_is_noticed() {
    let mut rng = StdRng::seed_from_u64(1);
    let (key, other) = (Secret::random(&mut rng), Secret::random(&mut rng));
    let (_, anchor) = history().pop().unwrap();
    let sealed = anchor.seal(&key, &mut rng).unwrap();
    assert_eq!(Anchor::open(&key, &sealed), Ok(anchor.clone()));
    assert!(Anchor::open(&other, &sealed).is_err());
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert!(Anchor::open(&key, &changed).is_err(), "byte {at}");
    }
    let newer = Anchor {
        version: ANCHOR_VERSION + 1,
        ..anchor
    };
    let sealed = newer.seal(&key, &mut rng).unwrap();
    assert!(Anchor::open(&key, &sealed).is_err());
}

#[test]
fn the_form_of_an_anchor_is_frozen() {
    let mut database = Database::default();
    let empty = database.first_anchor();
    database.freeze("a");
    let anchor = database.clear(&empty, "a", Phase::Join, b"join").unwrap();
    let without_charges = Anchor {
        charges: Vec::new(),
        ..anchor
    };
    assert_eq!(serde_json::to_string(&without_charges).unwrap(), FROZEN);
}

const FROZEN: &str = concat!(
    r#"{"version":1,"enrolment":"07070707070707070707070707070707","ledger":{"length":1,"#,
    r#""digest":"7233538579e1736b4613ac1e9636d385d1dedda6d9e7d147f77ea14d1e938781"},"#,
    r#""rounds":{"6fada9320b78b9ebd62d79360bd9225bd866362928fa76d8d7d076ecd852a0aa":{"phase":"Join","#,
    r#""message":"e4ece1cb1f29a313f1bc0abe94ee2c62fa7fb6594f7a40b2670f0f6e821853cd"}},"charges":[]}"#
);
