//! `verify`: the checks of N9 on a file, without a network.

use std::path::{Path, PathBuf};

use clap::Args;
use msht_core::crypto::{Digest, Fingerprint, IdentityKey};
use msht_core::governance::{Countersigned, Handover, linked};
use msht_core::programme::Programme;
use msht_core::release::{Expectations, Release, ReleaseFault, from_json};
use msht_core::secagg::Signed;

use super::{print, say};
use crate::error::{Kind, NodeError};
use crate::node::Node;
use crate::surroundings::Surroundings;

#[derive(Args)]
pub(super) struct VerifyArgs {
    /// The release file.
    file: PathBuf,
    /// Fingerprint of the coordinator; that of this node's own coordinator where it is enrolled.
    #[arg(long, value_name = "FINGERPRINT")]
    coordinator: Option<Fingerprint>,
    /// Changes of the coordinator's key, as `coordinator handovers` prints them: with them the fingerprint of an earlier
    /// or a later key will do. Those accepted by this node are known where it is enrolled.
    #[arg(long, value_name = "FILE")]
    handovers: Option<PathBuf>,
    /// The release before it.
    #[arg(long, value_name = "FILE")]
    previous: Option<PathBuf>,
    /// The programme file it should follow.
    #[arg(long, value_name = "FILE")]
    programme: Option<PathBuf>,
}

fn read(path: &Path) -> Result<Vec<u8>, NodeError> {
    std::fs::read(path).map_err(|error| {
        NodeError::new(
            Kind::Data,
            format!("cannot read {}: {error}", path.display()),
        )
    })
}

fn invalid(path: &Path, what: impl std::fmt::Display) -> NodeError {
    NodeError::new(
        Kind::Data,
        format!("{} does not verify: {what}", path.display()),
    )
    .hint("do not use it; compare it with the copy the coordinator publishes")
}

fn open(path: &Path) -> Result<Signed<Release>, NodeError> {
    from_json(&read(path)?).map_err(|error| invalid(path, error))
}

/// The digest of the release before, signed by the coordinator's key of its time.
fn previous_digest(
    path: &Path,
    signer: &IdentityKey,
    known: &KnownKeys,
) -> Result<Digest, NodeError> {
    let before = open(path)?;
    let key = before.content.proof.coordinator;
    if !linked(&known.handovers, &key, signer) {
        return Err(invalid(path, ReleaseFault::Chain));
    }
    let before = before.verify(&key).map_err(|error| invalid(path, error))?;
    Ok(before.digest())
}

fn programme_in(path: &Path) -> Result<Programme, NodeError> {
    let text = String::from_utf8_lossy(&read(path)?).into_owned();
    Programme::parse(&text).map_err(|error| invalid(path, error))
}

/// The key with the expected fingerprint, in the release or in a handover; none where none is expected.
fn pinned_key(
    file: &Path,
    signer: &IdentityKey,
    known: &KnownKeys,
) -> Result<Option<IdentityKey>, NodeError> {
    let Some(expected) = known.expected else {
        return Ok(None);
    };
    let handed = known.handovers.iter();
    let handed = handed.flat_map(|each| [each.content.from, each.content.to]);
    let mut keys = std::iter::once(*signer).chain(handed);
    let key = keys.find(|key| key.fingerprint() == expected);
    let key = key.ok_or_else(|| {
        let found = signer.fingerprint();
        invalid(
            file,
            format!("it is signed by {found}, not by the coordinator {expected}"),
        )
    })?;
    Ok(Some(key))
}

pub(super) async fn verify(
    home: &Path,
    args: &VerifyArgs,
    surroundings: Surroundings,
) -> Result<(), NodeError> {
    let release = open(&args.file)?;
    let known = known_keys(home, args, surroundings).await?;
    let signer = release.content.proof.coordinator;
    let previous = match &args.previous {
        None => None,
        Some(path) => Some(Some(previous_digest(path, &signer, &known)?)),
    };
    let programme = args.programme.as_deref().map(programme_in).transpose()?;
    let expectations = Expectations {
        coordinator: pinned_key(&args.file, &signer, &known)?,
        handovers: &known.handovers,
        previous,
        programme: programme.as_ref(),
        confirmed: None,
    };
    let release = release
        .verify_release(&expectations)
        .map_err(|fault| invalid(&args.file, fault))?;
    print(format_args!(
        "verified: {} {}, round {}",
        release.programme, release.period, release.round
    ))?;
    print(format_args!(
        "partners in the sum: {} of {}",
        release.survivors.len(),
        release.mechanism.n
    ))?;
    print(format_args!("epsilon: {}", release.epsilon))?;
    if known.expected.is_none() {
        say(format_args!(
            "signed by coordinator {}: compare this fingerprint, or give it with --coordinator",
            signer.fingerprint()
        ));
    }
    Ok(())
}

/// What a release is held against: which coordinator, and how its key changed.
struct KnownKeys {
    expected: Option<Fingerprint>,
    handovers: Vec<Countersigned<Handover>>,
}

async fn known_keys(
    home: &Path,
    args: &VerifyArgs,
    surroundings: Surroundings,
) -> Result<KnownKeys, NodeError> {
    let mut known = KnownKeys {
        expected: args.coordinator,
        handovers: Vec::new(),
    };
    if let Some(path) = &args.handovers {
        known.handovers = serde_json::from_slice(&read(path)?).map_err(|error| {
            let message = format!("{} is not a list of handovers: {error}", path.display());
            NodeError::new(Kind::Data, message)
                .hint("it is what `msht-coordinator handovers --json` prints")
        })?;
    }
    if args.coordinator.is_some() || !home.join(crate::config::CONFIG_FILE).exists() {
        return Ok(known);
    }
    let node = Node::open(home, surroundings).await?;
    known.expected = Some(node.enrolment.coordinator.fingerprint());
    known.handovers.extend(node.vault.handovers().await?);
    known
        .handovers
        .extend(node.vault.governance_record().await?.handovers);
    Ok(known)
}
