//! One round of secure aggregation: parameters, documents, messages and the five phases of both sides.

mod abort;
mod announcement;
mod budget;
mod certificate;
mod checks;
mod context;
pub mod coordinator;
mod derive;
pub mod evidence;
mod ledger_head;
pub mod messages;
pub mod node;
mod params;
mod range;
mod roll;
mod roster;
mod signed;
mod terms;
mod words;

pub use abort::{Abort, AbortNotice, AbortReason};
pub use announcement::{AnnouncedTable, Announcement, Deadlines, MAX_NAME_BYTES, MAX_TABLES};
pub use budget::PermitError;
pub use certificate::{
    AbortCertificate, AbortStatement, CertificateFault, MAX_CERTIFICATE_BYTES, MAX_STATEMENT_BYTES,
    MaySign, NotSigned, Standing, StatementSignature, VerifiedCertificate, check_statement,
    may_sign_abort,
};
pub use checks::{Blame, Check, Fault, Violation};
pub use context::RoundContext;
pub use ledger_head::{
    HeadProof, HeadStanding, HeadStatement, LedgerHead, head_may_follow, head_standing,
};
pub use params::{
    LEAST_HONEST_SURVIVORS, LEAST_INVITED, MOST_INVITED, Params, ParamsError, Thresholds,
};
pub use range::{RANGE_TAIL, noise_tail_bound, table_range};
pub use roster::{
    BadPartnerId, MAX_PARTNER_ID_BYTES, MAX_PARTNER_NAME_BYTES, MAX_ROSTER_PARTNERS, Partner,
    PartnerKind, Roster, check_partner_id,
};
pub use signed::{Document, Signed, Verified};
pub use terms::{
    LocalPolicy, ProgrammeDocument, Proposal, ProposalError, RoundTerms, accept_terms,
    announced_tables, planned_params,
};
pub use words::Words;
