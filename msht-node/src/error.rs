//! What can go wrong in a node, sorted by what a person does about it.

use std::path::Path;

/// The kind of a failure; it decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Anything else.
    Failure,
    /// The command line.
    Usage,
    /// The configuration, the vault, files and permissions.
    Configuration,
    /// The node may have forgotten something, and sends nothing until somebody decides.
    Quarantine,
    /// The records or a document.
    Data,
    /// Nobody approved.
    NotApproved,
    /// The coordinator does not take this node's key, or is not trusted here any more: no waiting mends it.
    Unwelcome,
    /// The network or the other side.
    Network,
    /// Whoever answers has another key than the coordinator.
    OtherKey,
    /// The privacy budget.
    Budget,
}

impl Kind {
    /// The exit code of the program.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Failure => 1,
            Self::Usage => 2,
            Self::Configuration | Self::Quarantine => 3,
            Self::Data => 4,
            Self::NotApproved | Self::Unwelcome => 5,
            Self::Network | Self::OtherKey => 6,
            Self::Budget => 7,
        }
    }
}

/// A failure: what happened, and what to do next.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct NodeError {
    /// Its kind.
    pub kind: Kind,
    /// What happened.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
}

impl NodeError {
    /// A failure of this kind.
    #[must_use]
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: None,
        }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A failure to do something with a file.
    #[must_use]
    pub fn file(path: &Path, doing: &str, error: &std::io::Error) -> Self {
        let failure = Self::new(
            Kind::Configuration,
            format!("cannot {doing} {}: {error}", path.display()),
        );
        match error.kind() {
            std::io::ErrorKind::NotFound => failure.hint("check the path in node.toml"),
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                failure.hint("the account that runs the node must be able to read and write there")
            }
            _ => failure,
        }
    }
}

impl From<sqlx::Error> for NodeError {
    fn from(error: sqlx::Error) -> Self {
        let text = error.to_string();
        let failure = Self::new(
            Kind::Configuration,
            format!("the vault cannot be used: {text}"),
        );
        if text.contains("readonly") || text.contains("unable to open") {
            return failure.hint(
                "the vault must be on a disk the node can write to; nothing was changed or sent",
            );
        }
        // A limit on the size of files shows as an I/O error.
        if text.contains("full") || text.contains("disk I/O error") {
            return failure.hint("free space on the vault's disk; nothing was changed or sent");
        }
        failure.hint("nothing was sent; run the command again, and restore the vault from its backup if it stays")
    }
}

impl From<msht_core::secagg::node::Doubt> for NodeError {
    fn from(doubt: msht_core::secagg::node::Doubt) -> Self {
        Self::new(Kind::Quarantine, format!("this node is in quarantine and sends nothing: {doubt}"))
            .hint("msht-node quarantine explains it; msht-node quarantine resolve --by NAME lets the node go on")
    }
}

impl From<msht_host::KeyError> for NodeError {
    fn from(error: msht_host::KeyError) -> Self {
        Self::new(Kind::Configuration, error.to_string()).hint(error.hint())
    }
}

impl From<msht_core::dp::accountant::LedgerError> for NodeError {
    fn from(error: msht_core::dp::accountant::LedgerError) -> Self {
        Self::new(Kind::Configuration, format!("the ledger refuses: {error}"))
    }
}

impl From<msht_core::secagg::Fault> for NodeError {
    fn from(fault: msht_core::secagg::Fault) -> Self {
        Self::new(Kind::Failure, format!("the round is refused: {fault}"))
            .hint("nothing more is sent for this round; ask the coordinator's operator")
    }
}
