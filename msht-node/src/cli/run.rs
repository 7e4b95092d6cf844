//! `run`.

use std::ops::ControlFlow;
use std::sync::Arc;

use clap::Args;

use super::say;
use crate::agent::{Agent, AgentEvent, Observer};
use crate::backup::RunLock;
use crate::error::{Kind, NodeError};
use crate::governance::{REJECTED, UNENDORSED};
use crate::node::Node;
use crate::vault::Stage;

#[derive(Args)]
pub(super) struct RunArgs {
    /// Do all that can be done now and exit, for schedulers.
    #[arg(long)]
    once: bool,
}

pub(super) async fn run(node: Node, args: &RunArgs) -> Result<(), NodeError> {
    let _running = RunLock::of_agent(&node.config.vault.path)?;
    let mut agent = Agent::observed(Arc::new(node), observer());
    if args.once {
        agent.run_once().await?;
        return once_outcome(&agent).await;
    }
    let interrupted = interrupted()?;
    tokio::select! {
        outcome = agent.run() => outcome.map(|_| ()),
        () = interrupted => {
            say("stopped; everything done so far is in the vault, and the next run goes on from there");
            Ok(())
        }
    }
}

/// With `--once`, a scheduler learns from the exit code that somebody must decide, or that the budget is used up.
async fn once_outcome(agent: &Agent) -> Result<(), NodeError> {
    for row in agent.node().vault.rounds().await? {
        let needs_somebody = ["waits for a decision", REJECTED, UNENDORSED];
        let waits = needs_somebody
            .iter()
            .any(|begin| row.note.starts_with(begin));
        if row.stage == Stage::Announced && waits {
            return Err(NodeError::new(
                Kind::NotApproved,
                format!("round {} {}", row.round.short(), row.note),
            )
            .hint("msht-node preview shows what would leave; then msht-node approve or decline"));
        }
    }
    match agent.over_budget() {
        Some(error) => {
            let failure = NodeError::new(error.kind, error.message.clone());
            Err(match &error.hint {
                Some(hint) => failure.hint(hint.clone()),
                None => failure,
            })
        }
        None => Ok(()),
    }
}

fn interrupted() -> Result<impl Future<Output = ()>, NodeError> {
    use tokio::signal::unix::{SignalKind, signal};
    let listen =
        |kind| signal(kind).map_err(|error| NodeError::new(Kind::Failure, error.to_string()));
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

fn observer() -> Observer {
    Arc::new(|event| {
        match event {
            AgentEvent::Connected => say("connected"),
            AgentEvent::Disconnected { reason } => {
                say(format_args!("not connected: {reason}; trying again"))
            }
            AgentEvent::KeyChanged { key } => {
                say(format_args!(
                    "this node has another key now: {}",
                    key.fingerprint()
                ));
            }
            AgentEvent::Waiting { round, note } => {
                say(format_args!("round {}: {note}", round.short()))
            }
            AgentEvent::Frozen { round } => {
                say(format_args!(
                    "round {}: contribution frozen, budget reserved",
                    round.short()
                ));
            }
            AgentEvent::Sent { round, phase } => {
                say(format_args!(
                    "round {}: {} sent",
                    round.short(),
                    phase.word()
                ));
            }
            AgentEvent::Released { round, ours: true } => {
                say(format_args!(
                    "round {}: released and verified, your figures are in it",
                    round.short()
                ));
            }
            AgentEvent::Released { round, ours: false } => {
                say(format_args!(
                    "round {}: released and verified, without your figures",
                    round.short()
                ));
            }
            AgentEvent::Stated { round } => {
                say(format_args!(
                    "round {}: signed that this node never unmasked; the coordinator has it",
                    round.short()
                ));
            }
            AgentEvent::Returned { round } => {
                say(format_args!(
                    "round {}: the charge came back",
                    round.short()
                ));
            }
            AgentEvent::Ended { round, stage, note } => {
                say(format_args!("round {}: {stage}: {note}", round.short()));
            }
        }
        ControlFlow::Continue(())
    })
}
