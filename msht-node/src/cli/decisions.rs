//! `approve` and `decline`.

use clap::Args;
use msht_core::dp::accountant::Decision;

use super::records::find_round;
use super::{print, say};
use crate::agent::Agent;
use crate::error::{Kind, NodeError};
use crate::governance::describe;
use crate::node::{Choice, Decided, Node};
use crate::vault::RoundRow;

#[derive(Args)]
pub(super) struct DecideArgs {
    /// The round: the first digits of its id, as `status` shows them.
    round: String,
    /// Who decides; kept in the ledger.
    #[arg(long, value_name = "NAME")]
    by: String,
    /// Decide for later rounds of this programme version, too.
    #[arg(long)]
    standing: bool,
}

/// Asks the coordinator for news first, so that a round can be decided on as soon as it is announced.
async fn find(node: &Node, args: &DecideArgs) -> Result<RoundRow, NodeError> {
    if args.by.trim().is_empty() {
        return Err(NodeError::new(
            Kind::Usage,
            "--by needs the name of the person who decides",
        ));
    }
    find_round(node, &args.round).await
}

pub(super) async fn approve(node: &Node, args: &DecideArgs) -> Result<(), NodeError> {
    let row = find(node, args).await?;
    // Who vouches for new keys may have changed since; without an answer, what is known here decides.
    if let Err(error) = Agent::sync(node).await {
        say(format_args!("not up to date: {error}"));
    }
    let terms = node.terms(&row).await??;
    let changes = node.changes_of(&terms).await?;
    let choice = choice(args, Decision::Approved);
    node.decide(&row, &choice).await?;
    for change in &changes {
        say(format_args!("accepted: {}", describe(change)));
    }
    print(format_args!(
        "approved: round {} ({}, {})",
        row.round.short(),
        terms.programme.id(),
        terms.period
    ))?;
    say("the agent joins by itself while it runs; otherwise: msht-node run");
    Ok(())
}

pub(super) async fn decline(node: &Node, args: &DecideArgs) -> Result<(), NodeError> {
    let row = find(node, args).await?;
    match node.decide(&row, &choice(args, Decision::Declined)).await? {
        Decided::Now => print(format_args!("declined: round {}", row.round.short()))?,
        Decided::FromNextPeriod => {
            print("declined from the next period on")?;
            say(
                "this round goes on: its own table was seen or is frozen, and taking part must not depend on it",
            );
        }
    }
    Ok(())
}

fn choice(args: &DecideArgs, decision: Decision) -> Choice {
    Choice {
        decision,
        by: args.by.trim().to_owned(),
        standing: args.standing,
    }
}
