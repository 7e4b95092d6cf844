//! Programme, roster and announcement of a round, as a node receives them: N1, N2 and N4 as far as they follow from
//! these three documents alone.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use msht_core::crypto::{HexBytes, Identity, digest};
use msht_core::secagg::{
    Announcement, Document as Content, Partner, PartnerKind, Roster, Signed, accept_terms,
};
use msht_core::testkit::documents::{Documents, identity, policy};
use msht_core::testkit::forge::encoded;
use msht_core::testkit::mutate::Tree;
use msht_core::wire::{MAX_ENCODED_BYTES, decode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{
    Changed, Document, Family, Form, PROGRAMME, Refusal, SIGNATURE_BYTES, Vectors, changed, judged,
    outer,
};

pub(super) const FAMILY: Family = Family {
    file: "terms.json",
    least_refused: 200,
    computed,
    form: |_| Form::Binary(SIGNATURE_BYTES),
    receive,
};

pub(super) static DOCUMENTS: LazyLock<Documents> = LazyLock::new(|| Documents::of(PROGRAMME));

fn read<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    decode(bytes, MAX_ENCODED_BYTES).map_err(|_| Refusal::encoding())
}

fn receive(name: &str, bytes: &[u8], beside: &BTreeMap<String, Vec<u8>>) -> Result<(), Refusal> {
    let given = |other: &str, honest: Vec<u8>| match beside.get(other) {
        _ if other == name => bytes.to_vec(),
        Some(other) => other.clone(),
        None => honest,
    };
    let announcement = given("announcement", encoded(&DOCUMENTS.announcement));
    let programme = given("programme", encoded(&DOCUMENTS.programme));
    let roster = given("roster", encoded(&DOCUMENTS.roster));
    let coordinator = DOCUMENTS.coordinator.key();
    let (announcement, programme, roster) =
        (read(&announcement)?, read(&programme)?, read(&roster)?);
    accept_terms(announcement, programme, roster, coordinator, &policy())?;
    Ok(())
}

/// The encoding `bytes` of a content under a true signature on it.
fn signed_bytes<T: Content>(bytes: &[u8], signer: &Identity) -> Vec<u8> {
    let signature = signer.sign(T::LABEL, &digest(T::DIGEST_LABEL, &[bytes]));
    [bytes, encoded(&signature).as_slice()].concat()
}

/// Every change of every place of a signed document, signed again; and what can be wrong with a signature.
pub(super) fn of_signed<T: Content>(document: &Signed<T>, signer: &Identity) -> Vec<Changed> {
    let honest = encoded(document);
    let mut cases = outer(&honest);
    let content = Tree::of(&document.content);
    let mut other_bit = honest.clone();
    *other_bit.last_mut().unwrap() ^= 1;
    cases.push(changed("a bit of the signature is turned", other_bit));
    let by_other = signed_bytes::<T>(&content.encoded(), &identity(99));
    cases.push(changed("signed by somebody else", by_other));
    let mutations = content.mutations();
    let first = mutations.first().unwrap();
    let old = [
        first.tree.encoded().as_slice(),
        &honest[honest.len() - SIGNATURE_BYTES..],
    ]
    .concat();
    cases.push(changed(
        format!("{}, under the old signature", first.name()),
        old,
    ));
    cases.extend(mutations.iter().map(|mutation| {
        let bytes = signed_bytes::<T>(&mutation.tree.encoded(), signer);
        changed(format!("{}, signed again", mutation.name()), bytes)
    }));
    cases
}

/// A roster that the announcement names, both signed by the coordinator.
fn announced(why: &str, change: impl Fn(&mut Roster)) -> Changed {
    let mut roster = DOCUMENTS.roster.content.clone();
    change(&mut roster);
    let announcement = Announcement {
        roster_version: roster.version,
        roster_digest: roster.digest().unwrap(),
        ..DOCUMENTS.announcement.content.clone()
    };
    let sign = &DOCUMENTS.coordinator;
    let announcement = encoded(&Signed::sign(announcement, sign).unwrap());
    Changed {
        beside: BTreeMap::from([("announcement".to_owned(), announcement)]),
        ..changed(why, encoded(&Signed::sign(roster, sign).unwrap()))
    }
}

fn rosters() -> Vec<Changed> {
    let another = |id: &str| Partner {
        id: id.to_owned(),
        name: "Another".to_owned(),
        kind: PartnerKind::Bank,
        key: identity(50).key(),
    };
    vec![
        announced("one more partner, who is not invited", |r| {
            r.partners.push(another("z"))
        }),
        announced("an invited partner is not on it", |r| {
            r.partners.pop();
        }),
        announced("out of order", |r| r.partners.reverse()),
        announced("a partner twice", |r| {
            r.partners.push(r.partners[2].clone())
        }),
        announced("two partners with one key", |r| {
            let key = r.partners[0].key;
            r.partners.push(Partner {
                key,
                ..another("z")
            });
        }),
        announced("an id with a capital letter", |r| {
            r.partners.insert(0, another("Z"))
        }),
        announced("an empty id", |r| r.partners.insert(0, another(""))),
        announced("an id of 65 letters", |r| {
            r.partners.push(another(&"z".repeat(65)))
        }),
        announced("a name of 201 letters", |r| {
            r.partners[0].name = "n".repeat(201)
        }),
    ]
}

fn announcements() -> Vec<Changed> {
    type Change = (&'static str, fn(&mut Announcement));
    let changes: [Change; 9] = [
        ("another attempt at the same period", |a| a.attempt = 2),
        ("another previous release", |a| {
            a.previous_release = HexBytes([5; 32])
        }),
        ("t of one, so that a single partner opens a seed", |a| {
            a.thresholds.threshold = 1
        }),
        ("two colluders of three partners", |a| {
            a.thresholds.colluders = 2
        }),
        ("fewer survivors than t", |a| {
            a.thresholds.least_survivors = 2
        }),
        ("two partners invited", |a| {
            a.invited.pop();
        }),
        ("an invited partner twice", |a| {
            a.invited[1] = a.invited[0].clone()
        }),
        ("twice the ε of the programme", |a| {
            a.epsilon = "2".parse().unwrap()
        }),
        ("smaller shares of noise than m − c asks for", |a| {
            a.share_shape = "1/3".parse().unwrap()
        }),
    ];
    let signed = |(why, change): Change| {
        let mut announcement = DOCUMENTS.announcement.content.clone();
        change(&mut announcement);
        let signed = Signed::sign(announcement, &DOCUMENTS.coordinator).unwrap();
        changed(why, encoded(&signed))
    };
    changes.into_iter().map(signed).collect()
}

fn computed() -> Vectors {
    let document = |name: &str, honest: Vec<u8>, cases| -> Document {
        let receiver = |bytes: &[u8], beside: &BTreeMap<_, _>| receive(name, bytes, beside);
        judged(
            name,
            Form::Binary(SIGNATURE_BYTES),
            &honest,
            cases,
            &receiver,
        )
    };
    let signer = &DOCUMENTS.coordinator;
    let mut of_roster = of_signed(&DOCUMENTS.roster, signer);
    of_roster.extend(rosters());
    let mut of_announcement = of_signed(&DOCUMENTS.announcement, signer);
    of_announcement.extend(announcements());
    let of_programme = of_signed(&DOCUMENTS.programme, signer);
    Vectors {
        about: "Signed programme, roster and announcement of one round; bytes are hexadecimal. A node that expects the \
                coordinator's key, has the three accepted documents and the policy given here, and receives one of them \
                changed (`remove` bytes at `at` replaced by `insert` for each of `edits`, the last first), refuses it at \
                the numbered check of docs/protocol.md; without a check, it cannot be decoded. `beside` is a document \
                given in the place of the accepted one. `also_accepted` are changes that nothing of this fixes."
            .to_owned(),
        given: BTreeMap::from([
            ("coordinator_key".to_owned(), hex::encode(signer.key().as_bytes())),
            (
                "policy".to_owned(),
                "at least 3 invited, 1 colluder tolerated, m - c at least 2, epsilon at most 2".to_owned(),
            ),
        ]),
        documents: vec![
            document("programme", encoded(&DOCUMENTS.programme), of_programme),
            document("roster", encoded(&DOCUMENTS.roster), of_roster),
            document("announcement", encoded(&DOCUMENTS.announcement), of_announcement),
        ],
    }
}
