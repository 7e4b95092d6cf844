//! `quarantine`, `backup` and `restore`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Output, print, print_json, say};
use crate::agent::Agent;
use crate::backup;
use crate::error::{Kind, NodeError};
use crate::node::Node;
use crate::surroundings::Surroundings;

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct QuarantineArgs {
    #[command(subcommand)]
    command: Option<QuarantineCommand>,
    #[command(flatten)]
    output: Output,
}

#[derive(Subcommand)]
enum QuarantineCommand {
    /// Let the node go on: open rounds are given up, and what may have been spent stays spent.
    Resolve {
        /// Who decides; kept in the ledger.
        #[arg(long, value_name = "NAME")]
        by: String,
    },
}

#[derive(Args)]
pub(super) struct BackupArgs {
    /// The file to write; it must not exist.
    file: PathBuf,
}

#[derive(Args)]
pub(super) struct RestoreArgs {
    /// A file that `backup` wrote.
    file: PathBuf,
    /// Put it in the place of the vault that is there, which is kept under another name.
    #[arg(long)]
    replace: bool,
}

pub(super) async fn quarantine(node: &Node, args: &QuarantineArgs) -> Result<(), NodeError> {
    match &args.command {
        Some(QuarantineCommand::Resolve { by }) => resolve(node, by.trim()).await,
        None => show(node, args.output).await,
    }
}

async fn show(node: &Node, output: Output) -> Result<(), NodeError> {
    let doubt = node.doubt().await?;
    if output.json {
        let found = doubt.as_ref().map(ToString::to_string);
        return print_json(
            &json!({ "quarantined": doubt.is_some(), "found": found, "doubt": doubt }),
        );
    }
    let Some(doubt) = doubt else {
        print("not in quarantine: the vault and its anchor agree")?;
        return Ok(());
    };
    print(format_args!("in quarantine: {doubt}"))?;
    say("nothing is sent. status, ledger, releases and verify still work.");
    say(
        "if another copy of this node runs, stop one of them for good; if the vault was restored by mistake,",
    );
    say("or the anchor is on a volume that is not there, put that right and this ends by itself.");
    say(
        "otherwise: msht-node quarantine resolve --by NAME. It gives up every open round for this node and",
    );
    say("counts everything that may have been spent as spent. Tell the coordinator's operator.");
    Ok(())
}

async fn resolve(node: &Node, by: &str) -> Result<(), NodeError> {
    if by.is_empty() {
        return Err(
            NodeError::new(Kind::Usage, "--by needs the name of the person who decides")
                .hint("msht-node quarantine resolve --by \"A. Officer\""),
        );
    }
    let resolved = node.resolve(by).await?;
    print(format_args!("resolved: {}", resolved.doubt))?;
    for round in &resolved.abandoned {
        print(format_args!("given up: round {}", round.short()))?;
    }
    if !resolved.charges_known {
        say(
            "without its anchor the node cannot know what was spent after this copy was made: lower the caps in\n\
             node.toml by what your releases since then cost, and approve no round again that this node had joined",
        );
    }
    match Agent::sync(node).await {
        Ok(()) => say("the node goes on with the next round that is announced"),
        Err(error) => say(format_args!(
            "the coordinator was not asked yet ({error}): rounds that are open when the node next reaches it are sat out"
        )),
    }
    // What the coordinator showed may be another reason to stop.
    match node.doubt().await? {
        Some(doubt) => Err(doubt.into()),
        None => Ok(()),
    }
}

pub(super) async fn backup(node: &Node, args: &BackupArgs) -> Result<(), NodeError> {
    backup::backup(&node.vault, &args.file).await?;
    print(args.file.display())?;
    say(format_args!(
        "keep the key file ({}) elsewhere: without it the copy is of no use",
        node.config.vault.key()?.path().display()
    ));
    Ok(())
}

pub(super) async fn restore(
    home: &Path,
    args: &RestoreArgs,
    surroundings: &Surroundings,
) -> Result<(), NodeError> {
    let kept = backup::restore(home, &args.file, args.replace, surroundings.now()).await?;
    print(format_args!("restored from {}", args.file.display()))?;
    if let Some(kept) = kept {
        say(format_args!(
            "the vault that was there is now {}",
            kept.display()
        ));
    }
    say(
        "the anchor was left as it is. next: msht-node quarantine, which says whether the copy is too old",
    );
    Ok(())
}
