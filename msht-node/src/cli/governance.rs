//! `roster`, `endorse`, `rotate-key` and `coordinator`.

use clap::{Args, Subcommand};
use msht_core::crypto::Fingerprint;
use serde_json::json;

use super::{Output, plain_table, print, print_json, say};
use crate::agent::Agent;
use crate::error::{Kind, NodeError};
use crate::governance::{WaitingChange, describe};
use crate::node::Node;

#[derive(Args)]
pub(super) struct ByArgs {
    /// Who decides; kept in the ledger.
    #[arg(long, value_name = "NAME")]
    by: String,
}

impl ByArgs {
    fn name(&self) -> Result<&str, NodeError> {
        match self.by.trim() {
            "" => Err(NodeError::new(
                Kind::Usage,
                "--by needs the name of the person who decides",
            )),
            name => Ok(name),
        }
    }
}

#[derive(Args)]
pub(super) struct RosterArgs {
    #[command(subcommand)]
    command: Option<RosterCommand>,
    #[command(flatten)]
    output: Output,
}

#[derive(Subcommand)]
enum RosterCommand {
    /// Accept what waits: compare fingerprints by telephone first.
    Accept(ChangeArgs),
    /// Reject what waits; rounds with it wait until somebody accepts it.
    Reject(ChangeArgs),
}

#[derive(Args)]
struct ChangeArgs {
    #[command(flatten)]
    by: ByArgs,
    /// Only the changes of this partner; may be given several times.
    #[arg(long, value_name = "ID")]
    partner: Vec<String>,
}

#[derive(Args)]
pub(super) struct EndorseArgs {
    /// Id of the partner to vouch for.
    partner: String,
    #[command(flatten)]
    by: ByArgs,
    /// Its fingerprint as it was read out to you; needed where nobody here has accepted its key before.
    #[arg(long, value_name = "FINGERPRINT")]
    fingerprint: Option<Fingerprint>,
}

#[derive(Args)]
pub(super) struct CoordinatorArgs {
    #[command(subcommand)]
    command: Option<CoordinatorCommand>,
    #[command(flatten)]
    output: Output,
}

#[derive(Subcommand)]
enum CoordinatorCommand {
    /// Accept the coordinator's new key, which the one accepted here signed for.
    Accept {
        #[command(flatten)]
        by: ByArgs,
        /// The new fingerprint as it was read out to you; any other key is refused then.
        #[arg(long, value_name = "FINGERPRINT")]
        fingerprint: Option<Fingerprint>,
    },
    /// Stop trusting the coordinator, because its key was stolen; needs a new enrolment.
    Revoke(ByArgs),
    /// Print the changes of its key that were accepted here, as `verify --handovers` reads them.
    Handovers,
}

/// Learns what is new; what is known already can be shown and decided on without the coordinator, too.
async fn sync(node: &Node) {
    if let Err(error) = Agent::sync(node).await {
        say(format_args!("not up to date: {error}"));
    }
}

pub(super) async fn roster(node: &Node, args: &RosterArgs) -> Result<(), NodeError> {
    sync(node).await;
    match &args.command {
        None => show_roster(node, args.output).await,
        Some(RosterCommand::Accept(change)) => {
            let (by, waiting) = chosen(node, change).await?;
            node.accept_changes(&waiting, by).await?;
            for change in &waiting {
                print(format_args!("accepted: {}", describe(change)))?;
            }
            Ok(())
        }
        Some(RosterCommand::Reject(change)) => {
            let (by, waiting) = chosen(node, change).await?;
            node.reject_changes(&waiting, by).await?;
            for change in &waiting {
                print(format_args!("rejected: {}", describe(change)))?;
            }
            Ok(())
        }
    }
}

async fn chosen<'a>(
    node: &Node,
    args: &'a ChangeArgs,
) -> Result<(&'a str, Vec<msht_core::governance::RosterChange>), NodeError> {
    let by = args.by.name()?;
    let waiting = node.waiting_changes().await?;
    let unknown = |id: &&String| !waiting.iter().any(|each| each.change.partner == **id);
    if let Some(id) = args.partner.iter().find(unknown) {
        let message = format!("nothing of partner `{id}` waits for a decision");
        return Err(NodeError::new(Kind::Usage, message).hint("msht-node roster shows what waits"));
    }
    let wanted = |each: &WaitingChange| {
        args.partner.is_empty() || args.partner.contains(&each.change.partner)
    };
    let chosen: Vec<_> = waiting
        .into_iter()
        .filter(wanted)
        .map(|each| each.change)
        .collect();
    if chosen.is_empty() {
        say("nothing waits for a decision");
    }
    Ok((by, chosen))
}

async fn show_roster(node: &Node, output: Output) -> Result<(), NodeError> {
    let waiting = node.waiting_changes().await?;
    let roster = node
        .vault
        .latest_roster()
        .await?
        .map(|roster| roster.content);
    let version = roster.as_ref().map_or(0, |roster| roster.version);
    let partners = roster.map_or_else(Vec::new, |roster| roster.partners);
    if output.json {
        let waiting: Vec<_> = waiting
            .iter()
            .map(|each| {
                json!({
                    "change": each.change,
                    "fingerprint": each.change.key.fingerprint().to_string(),
                    "rejected_by": each.rejected_by,
                    "endorsed_by": each.endorsed_by,
                })
            })
            .collect();
        return print_json(
            &json!({ "version": version, "partners": partners, "waiting": waiting }),
        );
    }
    let mut table = plain_table(&["fingerprint", "partner", "kind", "name", ""]);
    for partner in &partners {
        let waits = waiting
            .iter()
            .any(|each| each.change.partner == partner.id && each.change.programme.is_none());
        table.add_row([
            partner.key.fingerprint().to_string(),
            partner.id.clone(),
            partner.kind.word().to_owned(),
            partner.name.clone(),
            if waits { "waits" } else { "accepted" }.to_owned(),
        ]);
    }
    print(table)?;
    for each in &waiting {
        print(format_args!("waits: {}", describe(&each.change)))?;
        if let Some(by) = &each.rejected_by {
            print(format_args!("       rejected by {by}"))?;
        }
        if !each.endorsed_by.is_empty() {
            let by: Vec<&str> = each.endorsed_by.iter().map(String::as_str).collect();
            print(format_args!("       vouched for by {}", by.join(", ")))?;
        }
    }
    if !waiting.is_empty() {
        say("compare fingerprints by telephone, then: msht-node roster accept --by NAME");
    }
    Ok(())
}

pub(super) async fn endorse(node: &Node, args: &EndorseArgs) -> Result<(), NodeError> {
    let by = args.by.name()?;
    let partner = node.endorse(&args.partner, args.fingerprint, by).await?;
    print(format_args!(
        "endorsed: {} ({}) {}",
        partner.name,
        partner.id,
        partner.key.fingerprint()
    ))?;
    Ok(())
}

pub(super) async fn rotate_key(node: &Node, args: &ByArgs) -> Result<(), NodeError> {
    node.rotate_key(args.name()?).await?;
    let renewed = node.renewed().await?;
    print(renewed.identity.key().fingerprint())?;
    say(
        "the other partners see that the old key signed for it; read the new fingerprint out to who asks",
    );
    Ok(())
}

pub(super) async fn coordinator(node: &Node, args: &CoordinatorArgs) -> Result<(), NodeError> {
    match &args.command {
        None => show_coordinator(node, args.output).await,
        Some(CoordinatorCommand::Accept { by, fingerprint }) => {
            let key = node.accept_coordinator(*fingerprint, by.name()?).await?;
            print(format_args!(
                "accepted: the coordinator with fingerprint {}",
                key.fingerprint()
            ))?;
            Ok(())
        }
        Some(CoordinatorCommand::Revoke(by)) => {
            node.revoke_coordinator(by.name()?).await?;
            let revoked = node.enrolment.coordinator.fingerprint();
            print(format_args!(
                "revoked: the coordinator with fingerprint {revoked}"
            ))?;
            say(
                "tell the other partners; ledger and releases stay, and a new invite enrols this node again",
            );
            Ok(())
        }
        Some(CoordinatorCommand::Handovers) => print_json(&node.vault.handovers().await?),
    }
}

async fn show_coordinator(node: &Node, output: Output) -> Result<(), NodeError> {
    let revoked = node.vault.coordinator_is_revoked().await?;
    let offered = match revoked {
        true => None,
        // It may be out of reach; what is accepted is shown all the same.
        false => node.offered_coordinator().await.ok().flatten(),
    };
    let offered = offered.map(|(key, _)| key.fingerprint().to_string());
    let accepted = node.enrolment.coordinator.fingerprint().to_string();
    if output.json {
        return print_json(&json!({
            "fingerprint": accepted,
            "address": node.enrolment.address,
            "revoked": revoked,
            "offered": offered,
        }));
    }
    let state = if revoked { "revoked here" } else { "accepted" };
    print(format_args!(
        "{accepted}  {state}  {}",
        node.enrolment.address
    ))?;
    if let Some(offered) = offered {
        print(format_args!("{offered}  waits: signed by the accepted key"))?;
        say("compare it by telephone, then: msht-node coordinator accept --by NAME");
    }
    Ok(())
}
