//! What can go wrong, what to do about it, and which exit code says so.

use std::net::SocketAddr;
use std::path::PathBuf;

use msht_core::crypto::Digest;
use msht_core::estimate::planned::PlanError;
use msht_core::programme::{PeriodError, ProgrammeError};
use msht_core::release::{BuildError, ReleaseFault, ReleaseJsonError};
use msht_core::secagg::evidence::EvidenceError;
use msht_core::secagg::{BadPartnerId, Fault, ProposalError};
use msht_core::wire::DecodeError;
use msht_core::wire::tls::TlsError;
use msht_host::{DumpError, KeyError};

use crate::baseline::BaselineError;
use crate::store::StoreError;

/// The kinds of failure that callers and exit codes tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The work could not be done; exit code 1.
    Failure,
    /// The command was not understood; exit code 2.
    Usage,
    /// The set-up of this machine is wrong; exit code 3.
    Configuration,
    /// A file or an argument's content is not valid; exit code 4.
    DataInvalid,
    /// The network did not do its part; exit code 6.
    Network,
}

impl ErrorKind {
    /// The exit code of the program.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Failure => 1,
            Self::Usage => 2,
            Self::Configuration => 3,
            Self::DataInvalid => 4,
            Self::Network => 6,
        }
    }
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error("cannot use {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The data directory already has a coordinator.
    #[error("{0} already holds a coordinator")]
    AlreadyExists(PathBuf),
    /// There is a database where a copy was to be put.
    #[error("there is a database at {0}")]
    WouldReplace(PathBuf),
    /// The file is not a copy of this coordinator's database.
    #[error("{file} is not a copy of this coordinator's database: {problem}")]
    NotACopy {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The data directory has no coordinator.
    #[error("{0} does not hold a coordinator")]
    NotACoordinator(PathBuf),
    /// There is no key, or it is not kept from others.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Core dumps would show what is in memory.
    #[error(transparent)]
    Dumps(#[from] DumpError),
    /// The key is not the one of this database.
    #[error("the key in {0} does not open this coordinator's identity")]
    WrongKeyFile(PathBuf),
    /// A coordinator is already running on this data directory.
    #[error("a coordinator is already running on {0}")]
    AlreadyRunning(PathBuf),
    /// The system has no randomness to give.
    #[error("the operating system gives no randomness")]
    Randomness,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something stored is not what was stored.
    #[error("the stored {0} is damaged")]
    Damaged(&'static str),
    /// A stored round is refused by the checks that accepted it.
    #[error("the stored round {round} is damaged: {fault}")]
    DamagedRound {
        /// The round.
        round: Digest,
        /// What the check said.
        fault: Fault,
    },
    /// Not a partner id.
    #[error(transparent)]
    PartnerId(#[from] BadPartnerId),
    /// The address in invites is not `host:port`, or too long.
    #[error("`{0}` is not an address that nodes can connect to")]
    Address(String),
    /// The name of a partner is empty or too long.
    #[error("a partner's name has 1 to {most} bytes")]
    PartnerName {
        /// The limit.
        most: usize,
    },
    /// The partner has enrolled already.
    #[error("partner `{0}` is already enrolled")]
    AlreadyEnrolled(String),
    /// No unused invite for the partner.
    #[error("there is no unused invite for `{0}`")]
    NoInvite(String),
    /// No such partner is enrolled.
    #[error("no partner `{0}` is enrolled")]
    UnknownPartner(String),
    /// The reason of a revocation is empty or too long.
    #[error("the reason of a revocation has 1 to {most} bytes")]
    Reason {
        /// The limit.
        most: usize,
    },
    /// The key cannot be handed over while a round is open.
    #[error("the key cannot change while round {0} is open")]
    KeyInUse(Digest),
    /// Another process handed the key over.
    #[error("the coordinator's key was changed by another process")]
    KeyReplaced,
    /// No more handovers are followed.
    #[error("the key was changed as often as nodes follow")]
    TooManyHandovers,
    /// Not a programme.
    #[error("the programme cannot be used: {0}")]
    Programme(#[from] ProgrammeError),
    /// No such programme was published.
    #[error("no programme `{0}` has been published")]
    UnknownProgramme(String),
    /// A changed programme needs a higher version.
    #[error(
        "programme `{id}` was published in version {current}; this other text has version {found}"
    )]
    ProgrammeVersion {
        /// Id of the programme.
        id: String,
        /// Version published.
        current: u32,
        /// Version of the new text.
        found: u32,
    },
    /// Not a period.
    #[error(transparent)]
    Period(#[from] PeriodError),
    /// The round cannot be proposed.
    #[error("the round cannot be opened: {0}")]
    Proposal(#[from] ProposalError),
    /// The terms of the round break a rule.
    #[error("the round cannot be opened: {0}")]
    Terms(Fault),
    /// The period is released.
    #[error("period {period} of programme `{programme}` has been released already")]
    AlreadyReleased {
        /// The programme.
        programme: String,
        /// The period.
        period: String,
    },
    /// Another round of the programme is open.
    #[error("round {round} of programme `{programme}` is still open")]
    RoundOpen {
        /// The programme.
        programme: String,
        /// The open round.
        round: Digest,
    },
    /// No such round.
    #[error("there is no round `{0}`")]
    UnknownRound(String),
    /// More than one round begins with these digits.
    #[error("more than one round begins with `{0}`")]
    AmbiguousRound(String),
    /// The database holds a coordinator.
    #[error("the database already holds a coordinator")]
    DatabaseInUse,
    /// The database holds no coordinator.
    #[error("the database holds no coordinator that could be joined")]
    NothingToJoin,
    /// Only for a database in a file.
    #[error("the database is on a server, which `backup` and `restore` do not copy")]
    OnAServer,
    /// The round has ended.
    #[error("round {0} has ended")]
    RoundEnded(Digest),
    /// Nothing carried the command out.
    #[error("the running coordinator did not answer in time")]
    NoAnswer,
    /// The round did not end.
    #[error("round {0} has not ended although its last deadline is over")]
    NotEnded(Digest),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The operator's page would be read by everybody on the way.
    #[error("the operator's page must not be served on {0} without TLS")]
    OperatorInClear(SocketAddr),
    /// The operator's token is not one, or not kept from others.
    #[error("the operator's token {path} cannot be used: {source}")]
    OperatorToken {
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        source: std::io::Error,
    },
    /// The certificate or the key of the site cannot be used.
    #[error("the site's certificate {certificate} and key {key} cannot be used: {source}")]
    SiteCertificate {
        /// File of the certificates.
        certificate: PathBuf,
        /// File of the key.
        key: PathBuf,
        /// What is wrong with them.
        source: std::io::Error,
    },
    /// QUIC cannot be set up on TLS.
    #[error("QUIC cannot be set up: its initial cipher suite is missing")]
    QuicSetup,
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A release file cannot be read.
    #[error(transparent)]
    ReleaseJson(#[from] ReleaseJsonError),
    /// A list of handovers cannot be read.
    #[error("{0} is not a list of handovers: {1}")]
    Handovers(PathBuf, serde_json::Error),
    /// A release does not verify.
    #[error("the release does not verify: {0}")]
    Release(#[from] ReleaseFault),
    /// A file is not a baseline.
    #[error("the baseline cannot be used: {0}")]
    Baseline(#[from] BaselineError),
    /// A baseline has the title already.
    #[error("a baseline with the title `{0}` is kept already")]
    BaselineExists(String),
    /// No more baselines are kept.
    #[error("at most {most} baselines are kept")]
    TooManyBaselines {
        /// The limit.
        most: usize,
    },
    /// No baseline has the title.
    #[error("no baseline has the title `{0}`")]
    UnknownBaseline(String),
    /// A file of evidence proves nothing.
    #[error("the evidence proves nothing: {0}")]
    Evidence(#[from] EvidenceError),
    /// An opened sum cannot be described.
    #[error("the release cannot be built: {0}")]
    Build(#[from] BuildError),
    /// A document is longer than anybody could read.
    #[error(transparent)]
    Encoding(#[from] DecodeError),
    /// Nothing can be said of the error of a round's tables.
    #[error("the round cannot be planned: {0}")]
    Plan(#[from] PlanError),
    /// An argument of the command line.
    #[error("{0}")]
    Argument(String),
    /// The coordinator that carried a command out could not.
    #[error("the command was not carried out: {0}")]
    Command(String),
    /// The system does not let the program run.
    #[error("the program cannot run here: {0}")]
    System(std::io::Error),
    /// A worker thread ended without a result.
    #[error("a worker thread ended without a result")]
    Worker,
}

impl Error {
    /// The kind, which sets the exit code.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::AlreadyExists(_)
            | Self::WouldReplace(_)
            | Self::NotACoordinator(_)
            | Self::DatabaseInUse
            | Self::NothingToJoin
            | Self::OnAServer
            | Self::Key(_)
            | Self::Dumps(_)
            | Self::WrongKeyFile(_)
            | Self::Tls(_)
            | Self::QuicSetup
            | Self::OperatorInClear(_)
            | Self::OperatorToken { .. }
            | Self::SiteCertificate { .. }
            | Self::Address(_) => ErrorKind::Configuration,
            Self::Store(error) if error.is_configuration() => ErrorKind::Configuration,
            Self::File { source, .. }
                if matches!(
                    source.kind(),
                    std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem
                ) =>
            {
                ErrorKind::Configuration
            }
            Self::PartnerId(_)
            | Self::PartnerName { .. }
            | Self::UnknownPartner(_)
            | Self::NoInvite(_)
            | Self::Reason { .. }
            | Self::Period(_)
            | Self::UnknownProgramme(_)
            | Self::UnknownBaseline(_)
            | Self::UnknownRound(_)
            | Self::AmbiguousRound(_)
            | Self::Argument(_) => ErrorKind::Usage,
            Self::Programme(_)
            | Self::NotACopy { .. }
            | Self::ProgrammeVersion { .. }
            | Self::ReleaseJson(_)
            | Self::Handovers(..)
            | Self::Release(_)
            | Self::Evidence(_)
            | Self::Baseline(_)
            | Self::Damaged(_)
            | Self::DamagedRound { .. } => ErrorKind::DataInvalid,
            Self::Listen { .. } | Self::NoAnswer => ErrorKind::Network,
            Self::File { .. }
            | Self::AlreadyRunning(_)
            | Self::Randomness
            | Self::Store(_)
            | Self::AlreadyEnrolled(_)
            | Self::BaselineExists(_)
            | Self::TooManyBaselines { .. }
            | Self::KeyInUse(_)
            | Self::KeyReplaced
            | Self::TooManyHandovers
            | Self::Proposal(_)
            | Self::Terms(_)
            | Self::AlreadyReleased { .. }
            | Self::RoundOpen { .. }
            | Self::RoundEnded(_)
            | Self::NotEnded(_)
            | Self::Build(_)
            | Self::Plan(_)
            | Self::Encoding(_)
            | Self::Command(_)
            | Self::System(_)
            | Self::Worker => ErrorKind::Failure,
        }
    }

    /// Another replica works on the same round; what was asked is asked again by itself.
    pub(crate) fn is_somebody_elses_turn(&self) -> bool {
        matches!(self, Self::Store(StoreError::Busy | StoreError::Overtaken))
    }

    /// What to do next, where there is something to say beyond the message.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        if let Self::Key(error) = self {
            return Some(error.hint());
        }
        let hint = self.hint_on_data().or_else(|| self.hint_on_work())?;
        Some(hint.to_owned())
    }

    /// About files, keys and the data directory.
    fn hint_on_data(&self) -> Option<&'static str> {
        Some(match self {
            Self::File { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                "check the spelling of the path"
            }
            Self::File { source, .. } if source.kind() == std::io::ErrorKind::AlreadyExists => {
                "a back-up never overwrites a file; give another name"
            }
            Self::WouldReplace(_) => {
                "with --replace it is kept under another name and the copy takes its place"
            }
            Self::NotACopy { .. } => {
                "nothing was changed; give a file that `msht-coordinator backup` wrote, with the key file of that time"
            }
            Self::File { .. } => "check that the disk is there, writable and not full",
            Self::AlreadyExists(_) => {
                "use it as it is, or choose another directory with --data; if `init` was interrupted, delete this one"
            }
            Self::NotACoordinator(_) => {
                "run `msht-coordinator init` first, or name another directory with --data"
            }
            Self::Dumps(_) => "a sandbox may forbid setrlimit or prctl: allow both",
            Self::WrongKeyFile(_) => {
                "put back the key file that was made together with this database"
            }
            Self::AlreadyRunning(_) => {
                "stop the other process first; its commands work while it runs"
            }
            Self::Address(_) => "write it as host:port, such as msht.example.org:7843",
            Self::DatabaseInUse => {
                "make a replica of it with `msht-coordinator join`, or give an empty database"
            }
            Self::NothingToJoin => {
                "make the coordinator with `msht-coordinator init --database` first"
            }
            Self::OnAServer => {
                "use the server's own tools, such as pg_dump, and keep a copy of the key file"
            }
            Self::Store(StoreError::NotDurable { .. }) => {
                "turn the setting on; what partners were promised to be stored must survive a power cut"
            }
            Self::Store(error) if error.is_unreachable() => {
                "check that the database server runs and that its address is right"
            }
            Self::Store(error) if error.is_not_writable() => {
                "the database must be there, and one that this account can write to; nothing was changed"
            }
            Self::Store(error) if error.is_full() => {
                "free space on the disk of the data directory; nothing was acknowledged that is not stored, and what failed is tried again"
            }
            Self::DamagedRound { .. } | Self::Damaged(_) => {
                "restore the data directory from its last back-up"
            }
            _ => return None,
        })
    }

    /// About partners, programmes, rounds and documents.
    fn hint_on_work(&self) -> Option<&'static str> {
        Some(match self {
            Self::AlreadyEnrolled(_) => {
                "an enrolled partner needs no invite; if its key is lost or stolen, revoke it first: msht-coordinator revoke"
            }
            Self::UnknownPartner(_) => "run `msht-coordinator roster` to list the partners",
            Self::Reason { .. } => "say in a sentence what happened, with --reason",
            Self::KeyInUse(_) => {
                "wait for its end, or give it up with `msht-coordinator round close --abort`"
            }
            Self::KeyReplaced => "run the command again",
            Self::TooManyHandovers => "make a new coordinator; partners enrol with it anew",
            Self::UnknownProgramme(_) => {
                "run `msht-coordinator programme list`, or publish it first"
            }
            Self::Programme(_) => "correct the file at the place named; nothing was published",
            Self::ProgrammeVersion { .. } => "raise `version` in the changed programme file",
            Self::Proposal(ProposalError::TooFewPartners { .. }) => {
                "invite more partners with `msht-coordinator invite` and wait until they have enrolled"
            }
            Self::AlreadyReleased { .. } => "open the next period; a released one is final",
            Self::RoundOpen { .. } => {
                "wait for its end, or close it with `msht-coordinator round close`"
            }
            Self::UnknownRound(_) => "run `msht-coordinator round status` to list the rounds",
            Self::RoundEnded(_) => "run `msht-coordinator round status` to see how it ended",
            Self::AmbiguousRound(_) => "give more digits of the round",
            Self::NoAnswer => {
                "see with `msht-coordinator round status` whether it was carried out; if not, give it again"
            }
            Self::Listen { .. } => {
                "another program may use the port: stop it, or choose another one with --listen or --site"
            }
            Self::NoInvite(_) => "run `msht-coordinator invites` to list them",
            Self::OperatorInClear(_) => {
                "serve it on a loopback address, such as 127.0.0.1:9443, or give --tls-certificate and --tls-key"
            }
            Self::OperatorToken { .. } => {
                "the file must be for this account alone (chmod 600); delete it and a new token is made at the next start"
            }
            Self::SiteCertificate { .. } => {
                "give the certificate with its chain and its private key, both in PEM, readable by this account"
            }
            Self::Handovers(..) => "it is what `msht-coordinator handovers --json` prints",
            Self::Release(_) => {
                "do not rely on this file; get it again from the coordinator and compare"
            }
            Self::Baseline(_) => {
                "nothing was imported; docs/data.md describes the file, and `msht-coordinator programme list` the programmes"
            }
            Self::BaselineExists(_) => {
                "give another title, or --replace to put this file in its place"
            }
            Self::TooManyBaselines { .. } | Self::UnknownBaseline(_) => {
                "run `msht-coordinator baseline list`; `baseline remove` forgets one"
            }
            Self::Evidence(_) => {
                "accuse nobody by this file; get it again from whoever made it, and compare fingerprints"
            }
            _ => return None,
        })
    }
}
