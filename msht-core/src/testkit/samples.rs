//! One value of every variant of what travels in frames, by name: for vectors and corpora.

use crate::crypto::{Digest, HexBytes};
use crate::wire::{
    Item, ProgrammeNews, Refusal, Request, Response, RoundNews, RoundState, TOKEN_BYTES,
};

const ROUND: Digest = HexBytes([7; 32]);

/// Every request, and a fetch of every item. A variant that is missing here fails the build.
#[must_use]
pub fn every_request() -> Vec<(String, Request)> {
    let (total, offset) = (6, 0);
    let token = HexBytes([9; TOKEN_BYTES]);
    let statement = || b"statement"[..].into();
    let others = [
        Request::Enrol { token },
        Request::Poll { seen: 41 },
        Request::Put {
            round: ROUND,
            phase: 2,
            total,
            offset,
            bytes: b"vector"[..].into(),
        },
        Request::NeverUnmasked {
            round: ROUND,
            statement: statement(),
        },
        Request::State {
            statement: statement(),
        },
        Request::LedgerHead {
            statement: statement(),
        },
    ];
    let items = [
        Item::Programme(ROUND),
        Item::Roster(3),
        Item::Announcement(ROUND),
        Item::Message {
            round: ROUND,
            phase: 1,
        },
        Item::Release(ROUND),
        Item::Abort(ROUND),
        Item::AbortCertificate(ROUND),
        Item::CurrentRoster,
        Item::Governance,
    ];
    let fetches = items.map(|item| Request::Fetch { item, offset });
    let all = others.into_iter().chain(fetches);
    all.map(|request| (request_name(&request), request))
        .collect()
}

fn request_name(request: &Request) -> String {
    match request {
        Request::Enrol { .. } => "enrol".to_owned(),
        Request::Poll { .. } => "poll".to_owned(),
        Request::Put { .. } => "put".to_owned(),
        Request::NeverUnmasked { .. } => "never-unmasked".to_owned(),
        Request::State { .. } => "state".to_owned(),
        Request::LedgerHead { .. } => "ledger-head".to_owned(),
        Request::Fetch { item, .. } => format!("fetch-{}", item_name(item)),
    }
}

fn item_name(item: &Item) -> &'static str {
    match item {
        Item::Programme(_) => "programme",
        Item::Roster(_) => "roster",
        Item::Announcement(_) => "announcement",
        Item::Message { .. } => "message",
        Item::Release(_) => "release",
        Item::Abort(_) => "abort",
        Item::AbortCertificate(_) => "abort-certificate",
        Item::CurrentRoster => "current-roster",
        Item::Governance => "governance",
    }
}

/// Every response, and every refusal. A variant that is missing here fails the build.
#[must_use]
pub fn every_response() -> Vec<(String, Response)> {
    let partner = || "harbour-trust".to_owned();
    let reason = || "C1".to_owned();
    let news = |state| RoundNews {
        round: ROUND,
        state,
    };
    let others = [
        Response::Enrolled {
            partner: partner(),
            name: "Harbour Trust".to_owned(),
        },
        Response::News {
            number: 42,
            rounds: vec![
                news(RoundState::Open(3)),
                news(RoundState::Released),
                news(RoundState::Aborted),
            ],
            programmes: vec![ProgrammeNews {
                id: "pan-london".to_owned(),
                digest: ROUND,
            }],
        },
        Response::Accepted,
        Response::Continue { offset: 8 },
        Response::Part {
            total: 9,
            bytes: b"piece"[..].into(),
        },
        Response::NotYet,
    ];
    let refusals = [
        Refusal::UnknownIdentity,
        Refusal::UnknownInvite,
        Refusal::ExpiredInvite,
        Refusal::AlreadyEnrolled { partner: partner() },
        Refusal::UnknownRound,
        Refusal::Message { reason: reason() },
        Refusal::Upload,
        Refusal::Malformed,
        Refusal::Unavailable,
        Refusal::Revoked,
        Refusal::OpenRound,
        Refusal::Statement { reason: reason() },
        Refusal::LedgerBehind {
            proof: b"proof"[..].into(),
        },
    ];
    let all = others.into_iter().chain(refusals.map(Response::Refused));
    all.map(|response| (response_name(&response), response))
        .collect()
}

fn response_name(response: &Response) -> String {
    match response {
        Response::Enrolled { .. } => "enrolled".to_owned(),
        Response::News { .. } => "news".to_owned(),
        Response::Accepted => "accepted".to_owned(),
        Response::Continue { .. } => "continue".to_owned(),
        Response::Part { .. } => "part".to_owned(),
        Response::NotYet => "not-yet".to_owned(),
        Response::Refused(refusal) => format!("refused-{}", refusal_name(refusal)),
    }
}

fn refusal_name(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::UnknownIdentity => "unknown-identity",
        Refusal::UnknownInvite => "unknown-invite",
        Refusal::ExpiredInvite => "expired-invite",
        Refusal::AlreadyEnrolled { .. } => "enrolled",
        Refusal::UnknownRound => "unknown-round",
        Refusal::Message { .. } => "message",
        Refusal::Upload => "upload",
        Refusal::Malformed => "malformed",
        Refusal::Unavailable => "unavailable",
        Refusal::Revoked => "revoked",
        Refusal::OpenRound => "open-round",
        Refusal::Statement { .. } => "statement",
        Refusal::LedgerBehind { .. } => "ledger-behind",
    }
}
