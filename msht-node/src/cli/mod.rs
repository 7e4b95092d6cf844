//! The command line. Data goes to standard output, everything else to standard error.

mod decisions;
mod evidence;
mod governance;
mod keep;
mod package;
mod records;
mod run;
mod show;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};
use msht_host::say;

use crate::error::{Kind, NodeError};
use crate::node::Node;
use crate::surroundings::Surroundings;

const AFTER_HELP: &str = "\
Examples:
  msht-node --home barnet enrol msht-invite-1.AbC…
  msht-node --home barnet check
  msht-node --home barnet run --once
  msht-node --home barnet approve 3f2a --by \"A. Officer\"
  msht-node --home barnet run

Exit codes: 0 ok, 1 failure, 2 usage, 3 configuration, 4 data invalid, 5 not approved, 6 network, 7 budget exhausted.";

/// Keeps a partner's records on its own premises and contributes protected counts.
#[derive(Parser)]
#[command(name = "msht-node", version, after_help = AFTER_HELP, max_term_width = 100)]
pub struct Cli {
    /// Folder with node.toml and, unless it says otherwise, the vault.
    #[arg(
        long,
        global = true,
        value_name = "FOLDER",
        default_value = "msht-node"
    )]
    home: PathBuf,
    /// Log what the node does to standard error (ids and outcomes only).
    #[arg(long, short, global = true)]
    verbose: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Enrol this node with an invite; makes its identity here.
    Enrol {
        /// The whole text the coordinator's operator sent.
        invite: String,
        /// Make a fresh identity, because the one this node has was revoked: lost to somebody else, or stolen.
        #[arg(long)]
        new_key: bool,
    },
    /// Read the records and say, place by place, what cannot be placed.
    Check(records::CheckArgs),
    /// Show what would leave this machine for a round, and how exact the sum will be.
    Preview(records::PreviewArgs),
    /// Agree to take part in a round; decided before anything is counted.
    Approve(decisions::DecideArgs),
    /// Decide not to take part in a round.
    Decline(decisions::DecideArgs),
    /// Run the agent: take part in the rounds that are approved.
    Run(run::RunArgs),
    /// Where each round stands.
    Status(Output),
    /// Privacy budget spent, reserved and returned.
    Ledger(Output),
    /// Verified releases.
    Releases(show::ReleasesArgs),
    /// Who takes part by the latest roster, and what waits for a decision.
    Roster(governance::RosterArgs),
    /// Vouch for another partner's key, after comparing its fingerprint.
    Endorse(governance::EndorseArgs),
    /// Change this node's identity key, signed by the old and the new one; between rounds.
    RotateKey(governance::ByArgs),
    /// The coordinator's key: show it, accept a new one, or revoke it.
    Coordinator(governance::CoordinatorArgs),
    /// Verify a release file offline.
    Verify(verify::VerifyArgs),
    /// Why this node stopped itself, and letting it go on.
    Quarantine(keep::QuarantineArgs),
    /// Write a copy of the vault, also while the node runs; without its key file and its anchor.
    Backup(keep::BackupArgs),
    /// Put a copy in the place of the vault; the node must not run.
    Restore(keep::RestoreArgs),
    /// Print the completions of a shell, to be installed where that shell looks for them.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write the man pages of every command to a folder.
    Man {
        /// The folder; it must exist.
        folder: PathBuf,
    },
    /// List what the coordinator is proven to have done, or write one proof to a file.
    Evidence(evidence::EvidenceArgs),
    /// Verify a file of evidence offline.
    VerifyEvidence(evidence::VerifyEvidenceArgs),
}

/// The whole command line, for completions, man pages and the reference in the docs.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// How results are printed.
#[derive(Args, Clone, Copy)]
pub struct Output {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the program with the arguments it was given.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    start_log(cli.verbose);
    if let Err(error) = msht_host::forbid_dumps() {
        return fail(
            &NodeError::new(Kind::Configuration, error.to_string())
                .hint("a sandbox may forbid setrlimit or prctl: allow both"),
        );
    }
    tracing::info!(
        "no core dumps, and no other process of this account reads the memory of this one"
    );
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&NodeError::new(Kind::Failure, error.to_string())),
    };
    match runtime.block_on(dispatch(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// The level that `RUST_LOG` names (`trace` to `error`), or else what `--verbose` says.
fn start_log(verbose: bool) {
    let named = std::env::var("RUST_LOG").ok();
    let level = named.and_then(|level| level.parse().ok());
    let level = level.unwrap_or(if verbose {
        tracing::Level::INFO
    } else {
        tracing::Level::ERROR
    });
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(level)
        .with_ansi(false)
        // A failure to write would be said on the same standard error, and `eprintln!` panics there.
        .log_internal_errors(false)
        .init();
}

fn fail(error: &NodeError) -> ExitCode {
    say(format_args!("error: {error}"));
    if let Some(hint) = &error.hint {
        say(format_args!("hint: {hint}"));
    }
    ExitCode::from(error.kind.exit_code())
}

async fn dispatch(cli: Cli) -> Result<(), NodeError> {
    let surroundings = Surroundings::system();
    let home = cli.home;
    match cli.command {
        Command::Enrol { invite, new_key } => {
            let enrolled = match new_key {
                true => Node::enrol_with_new_key(&home, &invite, &surroundings).await?,
                false => Node::enrol(&home, &invite, &surroundings).await?,
            };
            show::enrolled(&enrolled)
        }
        Command::Restore(args) => keep::restore(&home, &args, &surroundings).await,
        Command::Verify(args) => verify::verify(&home, &args, surroundings).await,
        Command::Completions { shell } => package::completions(shell),
        Command::Man { folder } => package::man(&folder),
        Command::VerifyEvidence(args) => evidence::verify(&args),
        command => {
            let node = Node::open(&home, surroundings).await?;
            match command {
                Command::Check(args) => records::check(&node, &args).await,
                Command::Preview(args) => records::preview(&node, &args).await,
                Command::Approve(args) => decisions::approve(&node, &args).await,
                Command::Decline(args) => decisions::decline(&node, &args).await,
                Command::Run(args) => run::run(node, &args).await,
                Command::Status(output) => show::status(&node, output).await,
                Command::Ledger(output) => show::ledger(&node, output).await,
                Command::Roster(args) => governance::roster(&node, &args).await,
                Command::Endorse(args) => governance::endorse(&node, &args).await,
                Command::RotateKey(args) => governance::rotate_key(&node, &args).await,
                Command::Coordinator(args) => governance::coordinator(&node, &args).await,
                Command::Releases(args) => show::releases(&node, &args).await,
                Command::Evidence(args) => evidence::evidence(&node, &args).await,
                Command::Quarantine(args) => keep::quarantine(&node, &args).await,
                Command::Backup(args) => keep::backup(&node, &args).await,
                Command::Enrol { .. }
                | Command::Verify(_)
                | Command::Restore(_)
                | Command::VerifyEvidence(_)
                | Command::Completions { .. }
                | Command::Man { .. } => Ok(()),
            }
        }
    }
}

/// Prints a value as JSON.
fn print_json<T: serde::Serialize>(value: &T) -> Result<(), NodeError> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| NodeError::new(Kind::Failure, error.to_string()))?;
    print(text)
}

/// Data, on standard output.
fn print(data: impl std::fmt::Display) -> Result<(), NodeError> {
    msht_host::print(data).map_err(unwritten)
}

#[expect(clippy::needless_pass_by_value, reason = "what `map_err` hands over")]
fn unwritten(error: std::io::Error) -> NodeError {
    NodeError::new(
        Kind::Failure,
        format!("cannot write to standard output: {error}"),
    )
    .hint("what the command did is done; give the output another place")
}

/// A table without drawn lines between rows.
fn plain_table(header: &[&str]) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(header.to_vec());
    table
}
