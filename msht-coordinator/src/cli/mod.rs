//! The program: arguments in, data on stdout, messages on stderr, the kind of failure in the exit code.

mod args;
mod baseline;
mod check;
mod duration;
mod evidence;
mod keys;
mod manage;
mod package;
mod plan;
mod remind;
mod round;
mod serve;
mod verify;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use msht_host::say;

use crate::clock::system_clock;
use crate::coordinator::Coordinator;
use crate::error::Error;
use args::{Arguments, BaselineCommand, Command, ProgrammeCommand, RoundCommand};

/// Runs the program with the arguments of this process.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let safe = msht_host::forbid_dumps().map_err(Error::from);
    let finished = safe
        .and_then(|()| runtime())
        .and_then(|runtime| runtime.block_on(run(arguments)));
    match finished {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::from(error.kind().exit_code())
        }
    }
}

/// The whole command line, for completions, man pages and the reference in the docs.
#[must_use]
pub fn command() -> clap::Command {
    Arguments::command()
}

fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    let built = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    built.map_err(Error::System)
}

fn complain(error: &Error) {
    say(format_args!("error: {error}"));
    if let Some(hint) = error.hint() {
        say(format_args!("hint: {hint}"));
    }
}

/// Data, on stdout.
fn print(data: impl std::fmt::Display) -> Result<(), Error> {
    msht_host::print(data).map_err(|source| Error::File {
        path: "stdout".into(),
        source,
    })
}

fn print_json(value: &serde_json::Value) -> Result<(), Error> {
    print(format_args!("{value:#}"))
}

fn read_file(path: &std::path::Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })
}

/// Runs one command line, as the program would.
#[cfg(test)]
pub(crate) async fn run_line(line: &[&str]) -> Result<(), Error> {
    let line = std::iter::once(&"msht-coordinator").chain(line);
    run(Arguments::try_parse_from(line).unwrap()).await
}

async fn run(arguments: Arguments) -> Result<(), Error> {
    let key = arguments.key();
    let data = arguments.data;
    let command = match arguments.command {
        Command::Init(init) => return manage::init(&data, key.as_ref(), init).await,
        Command::Join(join) => return manage::join(&data, key.as_ref(), join).await,
        Command::Restore { file, replace } => {
            return manage::restore(&data, key.as_ref(), &file, replace).await;
        }
        Command::Verify(verify) => return verify::verify(&verify),
        Command::Programme(ProgrammeCommand::Check(options)) => return check::check(&options),
        Command::Completions { shell } => return package::completions(shell),
        Command::Man { folder } => return package::man(&folder),
        Command::VerifyEvidence(verify) => return evidence::verify(&verify),
        command => command,
    };
    let coordinator = Coordinator::open_with_key(&data, key.as_ref(), system_clock()).await?;
    let done = match command {
        Command::Invite(invite) => manage::invite(&coordinator, invite).await,
        Command::Invites { withdraw, format } => {
            remind::invites(&coordinator, withdraw.as_deref(), format).await
        }
        Command::Reminders(format) => remind::reminders(&coordinator, format).await,
        Command::RotateKey => return keys::rotate(coordinator).await,
        Command::Revoke(revoke) => keys::revoke(&coordinator, &revoke).await,
        Command::Handovers(format) => keys::handovers(&coordinator, format),
        Command::Roster(format) => manage::roster(&coordinator, format).await,
        Command::Programme(ProgrammeCommand::Publish { programme }) => {
            manage::publish(&coordinator, &programme).await
        }
        Command::Programme(ProgrammeCommand::List(format)) => {
            manage::programmes(&coordinator, format).await
        }
        Command::Baseline(BaselineCommand::Import(import)) => {
            baseline::import(&coordinator, import).await
        }
        Command::Baseline(BaselineCommand::List(format)) => {
            baseline::list(&coordinator, format).await
        }
        Command::Baseline(BaselineCommand::Remove { title }) => {
            baseline::remove(&coordinator, &title).await
        }
        Command::Round(RoundCommand::Open(open)) => round::open(&coordinator, open).await,
        Command::Round(RoundCommand::Plan { open, format }) => {
            plan::plan(&coordinator, open, format).await
        }
        Command::Round(RoundCommand::Status { round, format }) => {
            round::status(&coordinator, round.as_deref(), format).await
        }
        Command::Round(RoundCommand::Close { round, abort }) => {
            round::close(&coordinator, &round, abort).await
        }
        Command::Round(RoundCommand::Evidence(options)) => {
            evidence::export(&coordinator, &options).await
        }
        Command::Serve(options) => serve::serve(&coordinator, options).await,
        Command::Backup { file } => manage::backup(&coordinator, &file).await,
        Command::Init(_)
        | Command::Join(_)
        | Command::Restore { .. }
        | Command::Verify(_)
        | Command::Programme(ProgrammeCommand::Check(_))
        | Command::VerifyEvidence(_)
        | Command::Completions { .. }
        | Command::Man { .. } => Ok(()),
    };
    coordinator.close().await;
    done
}
