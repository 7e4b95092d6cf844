//! Enrolling: a home folder, a vault and an identity, and the coordinator they belong to.

use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use msht_core::crypto::{Fingerprint, Identity};
use msht_core::dp::accountant::{Governance, GovernanceAct};
use msht_core::wire::{Invite, Refusal, Request, Response};

use crate::addresses::Turn;
use crate::anchor::AnchorFile;
use crate::config::{CONFIG_FILE, CONFIG_TEMPLATE, Config};
use crate::error::{Kind, NodeError};
use crate::node::Node;
use crate::quarantine::Guard;
use crate::surroundings::Surroundings;
use crate::transport::Link;
use crate::vault::{Enrolment, Vault};

/// Whose name stands in the ledger for what an enrolment changed.
const BY_ENROLMENT: &str = "enrolment";
/// Permissions of a home folder that is made here: its owner and nobody else.
const HOME_MODE: u32 = 0o700;
/// Permissions of a vault that is made here.
const VAULT_MODE: u32 = 0o600;

/// What enrolling settled, to be shown.
pub struct Enrolled {
    /// Id of the partner.
    pub partner: String,
    /// Name of the partner.
    pub name: String,
    /// This node's fingerprint, to be read out over the telephone.
    pub fingerprint: Fingerprint,
    /// The coordinator's fingerprint, to be compared.
    pub coordinator: Fingerprint,
    /// The settings file.
    pub config: PathBuf,
}

impl Node {
    /// Enrols a node whose home is the folder `home`, which is made where it does not exist.
    ///
    /// # Errors
    /// [`Kind::Data`] for a text that is no invite, [`Kind::Network`] where the coordinator does not answer or
    /// refuses; the identity stays and the command can be given again. [`Kind::Usage`] where it is enrolled with
    /// another coordinator that nobody here revoked.
    pub async fn enrol(
        home: &Path,
        invite: &str,
        surroundings: &Surroundings,
    ) -> Result<Enrolled, NodeError> {
        Self::enrol_as(home, invite, false, surroundings).await
    }

    /// As [`Self::enrol`], with a fresh identity, as it must be where the one the node had was revoked.
    ///
    /// # Errors
    /// As [`Self::enrol`].
    pub async fn enrol_with_new_key(
        home: &Path,
        invite: &str,
        surroundings: &Surroundings,
    ) -> Result<Enrolled, NodeError> {
        Self::enrol_as(home, invite, true, surroundings).await
    }

    async fn enrol_as(
        home: &Path,
        invite: &str,
        new_key: bool,
        surroundings: &Surroundings,
    ) -> Result<Enrolled, NodeError> {
        let invite: Invite = invite.parse().map_err(|error| {
            NodeError::new(Kind::Data, format!("{error}"))
                .hint("paste the whole text the coordinator's operator sent")
        })?;
        if surroundings.now() > invite.expires_at {
            return Err(
                NodeError::new(Kind::Data, Refusal::ExpiredInvite.to_string()).hint(
                    "on the coordinator: msht-coordinator invite PARTNER --name NAME --kind KIND",
                ),
            );
        }
        let config = prepare_home(home)?;
        let vault = open_or_create_vault(&config, surroundings).await?;
        let relation = relation_to(&vault, &invite).await?;
        let identity = match new_key {
            true => next_identity_of(&vault, surroundings).await?,
            false => identity_of(&vault, surroundings).await?,
        };
        let anchor = AnchorFile::new(&config.vault.anchor, &config.vault.path);
        let guard = Guard {
            vault: &vault,
            anchor: &anchor,
            surroundings,
        };
        match guard.settle().await {
            // A node that was enrolled before must be enrolled again before anybody can resolve that.
            Err(error) if error.kind != Kind::Quarantine => return Err(error),
            _ => {}
        }
        let (turn, coordinator) = (Turn::default(), invite.coordinator);
        let link = Link::connect(&invite.address, &turn, &identity, coordinator).await?;
        let answer = link
            .request(&Request::Enrol {
                token: invite.token,
            })
            .await;
        link.close().await;
        let (partner, name) = match answer? {
            Response::Enrolled { partner, name } => (partner, name),
            Response::Refused(refusal) => {
                return Err(NodeError::new(Kind::Data, refusal.to_string()).hint(
                    "nothing is lost: this node's identity stays, and a new invite will do",
                ));
            }
            _ => {
                return Err(NodeError::new(
                    Kind::Network,
                    "the coordinator answered out of turn",
                ));
            }
        };
        let enrolment = Enrolment {
            partner: partner.clone(),
            name: name.clone(),
            address: invite.address,
            coordinator: invite.coordinator,
        };
        let new_key = new_key.then_some(&identity);
        store_enrolled(&vault, &enrolment, relation, new_key, surroundings).await?;
        guard.settle().await?;
        Ok(Enrolled {
            partner,
            name,
            fingerprint: identity.key().fingerprint(),
            coordinator: invite.coordinator.fingerprint(),
            config: home.join(CONFIG_FILE),
        })
    }
}

fn prepare_home(home: &Path) -> Result<Config, NodeError> {
    let mut folder = DirBuilder::new();
    folder.recursive(true).mode(HOME_MODE);
    folder
        .create(home)
        .map_err(|error| NodeError::file(home, "make the folder", &error))?;
    let path = home.join(CONFIG_FILE);
    if !path.exists() {
        std::fs::write(&path, CONFIG_TEMPLATE)
            .map_err(|error| NodeError::file(&path, "write", &error))?;
    }
    Config::read(home)
}

async fn open_or_create_vault(
    config: &Config,
    surroundings: &Surroundings,
) -> Result<Vault, NodeError> {
    let key_file = config.vault.key()?;
    let key = if key_file.may_be_made() && !config.vault.path.exists() {
        key_file.create(&mut surroundings.generator())?
    } else {
        key_file.read()?
    };
    make_private(&config.vault.path)?;
    Vault::create(&config.vault.path, key).await
}

/// Makes an empty vault that nobody but its owner can read; its write-ahead log takes the same permissions.
fn make_private(path: &Path) -> Result<(), NodeError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(VAULT_MODE);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(NodeError::file(path, "make the vault", &error)),
    }
}

pub(crate) async fn identity_of(
    vault: &Vault,
    surroundings: &Surroundings,
) -> Result<Identity, NodeError> {
    if let Some(identity) = vault.identity().await? {
        return Ok(identity);
    }
    let mut generator = surroundings.generator();
    let identity = Identity::generate(&mut generator)
        .map_err(|error| NodeError::new(Kind::Failure, error.to_string()))?;
    vault.store_identity(&identity, &mut generator).await?;
    Ok(identity)
}

/// What an invite's coordinator is to this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    /// The one it has, or its first.
    Own,
    /// Another one, in the place of one that was revoked here.
    Successor,
}

async fn relation_to(vault: &Vault, invite: &Invite) -> Result<Relation, NodeError> {
    // Not enrolled yet, or not whole: an interrupted enrolment is begun again.
    let Ok(enrolled) = vault.enrolment().await else {
        return Ok(Relation::Own);
    };
    let (revoked, print) = (
        vault.coordinator_is_revoked().await?,
        enrolled.coordinator.fingerprint(),
    );
    match (revoked, enrolled.coordinator == invite.coordinator) {
        (false, true) => Ok(Relation::Own),
        (true, false) => Ok(Relation::Successor),
        (true, true) => {
            let message = format!("the coordinator with fingerprint {print} was revoked here");
            Err(NodeError::new(Kind::Usage, message)
                .hint("this invite is of the same coordinator: ask for one with its new key"))
        }
        (false, false) => {
            let message = format!("this node is enrolled with the coordinator {print}");
            Err(NodeError::new(Kind::Usage, message).hint(
                "for another coordinator use another --home; if that one is not to be trusted any more: msht-node coordinator revoke",
            ))
        }
    }
}

async fn next_identity_of(
    vault: &Vault,
    surroundings: &Surroundings,
) -> Result<Identity, NodeError> {
    // There is one to be replaced, or it is made here.
    identity_of(vault, surroundings).await?;
    if let Some((next, _)) = vault.next_identity().await? {
        return Ok(next);
    }
    let mut generator = surroundings.generator();
    let next = Identity::generate(&mut generator)
        .map_err(|error| NodeError::new(Kind::Failure, error.to_string()))?;
    vault
        .store_next_identity(&next, BY_ENROLMENT, &mut generator)
        .await?;
    Ok(next)
}

/// Makes an enrolment durable, with what else it changes: the identity, or the coordinator.
async fn store_enrolled(
    vault: &Vault,
    enrolment: &Enrolment,
    relation: Relation,
    new_key: Option<&Identity>,
    surroundings: &Surroundings,
) -> Result<(), NodeError> {
    let now = surroundings.now();
    let mut writing = vault.write().await?;
    match relation {
        Relation::Own => vault.enrol(&mut writing, enrolment).await?,
        Relation::Successor => {
            vault.begin_line(&mut writing, enrolment).await?;
            let mut ledger = vault.ledger_in(&mut writing).await?;
            let decided = Governance {
                act: GovernanceAct::CoordinatorEnrolled,
                subject: enrolment.partner.clone(),
                key: enrolment.coordinator,
                by: BY_ENROLMENT.to_owned(),
            };
            vault
                .govern(&mut writing, &mut ledger, decided, now)
                .await?;
        }
    }
    if let Some(identity) = new_key {
        let mut generator = surroundings.generator();
        let named = (identity, BY_ENROLMENT);
        let partner = &enrolment.partner;
        vault
            .promote_identity(&mut writing, named, partner, now, &mut generator)
            .await?;
    }
    writing.commit().await?;
    Ok(())
}
