//! Commands of the operator to an open round, carried out by whichever process drives the rounds.
//!
//! A command is a row in the store. A running coordinator looks for such rows; where none runs, the process that
//! left the row takes the lock of the data directory and carries it out itself. A row is taken before it is carried out,
//! so that no command is carried out twice, not even by two replicas, and one that was interrupted not at all.

use std::time::Duration;

use msht_core::crypto::Digest;
use msht_core::secagg::AbortReason;

use crate::coordinator::Coordinator;
use crate::error::Error;
use crate::store::{Action, CommandOutcome, RoundStateRow};

/// How often the outcome of a command is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Looks before giving up: half a minute.
const MAX_LOOKS: usize = 300;

impl Coordinator {
    /// Closes the open phase of a round now, as if its deadline had come.
    ///
    /// # Errors
    /// [`Error::RoundEnded`], [`Error::NoAnswer`].
    pub async fn close_phase(&self, round: &Digest) -> Result<(), Error> {
        self.command(round, Action::Close).await
    }

    /// Gives a round up.
    ///
    /// # Errors
    /// As [`Self::close_phase`].
    pub async fn abort_round(&self, round: &Digest) -> Result<(), Error> {
        self.command(round, Action::Abort).await
    }

    async fn command(&self, round: &Digest, action: Action) -> Result<(), Error> {
        let row = self.store().round(round).await?;
        let row = row.ok_or_else(|| Error::UnknownRound(round.to_string()))?;
        if !matches!(row.state, RoundStateRow::Open(_)) {
            return Err(Error::RoundEnded(*round));
        }
        let id = self.store().add_command(round, action).await?;
        for _ in 0..MAX_LOOKS {
            match self.store().command_outcome(id).await? {
                CommandOutcome::Done => return Ok(()),
                CommandOutcome::Failed(problem) => return Err(Error::Command(problem)),
                CommandOutcome::Waiting | CommandOutcome::Taken => {}
            }
            if let Some(lock) = self.0.data.try_lock()? {
                let done = self.run_commands().await;
                self.0.rounds.forget_all();
                drop(lock);
                done?;
            } else {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        Err(Error::NoAnswer)
    }

    /// Carries out what waits and nobody else has taken; only for the holder of the data directory's lock.
    pub(crate) async fn run_commands(&self) -> Result<(), Error> {
        for command in self.store().waiting_commands().await? {
            if !self.store().take_command(command.id).await? {
                continue;
            }
            let done = self.run_command(&command.round, command.action).await;
            let outcome = match done {
                Ok(()) => String::new(),
                Err(error) => error.to_string(),
            };
            self.store().answer_command(command.id, &outcome).await?;
        }
        Ok(())
    }

    async fn run_command(&self, round: &Digest, action: Action) -> Result<(), Error> {
        let driven = self
            .drive(round, move |session| match action {
                Action::Close => session.close_now().map(|_| ()),
                Action::Abort => {
                    session.abort(AbortReason::Operator);
                    Ok(())
                }
            })
            .await?;
        driven.map_err(|fault| Error::DamagedRound {
            round: *round,
            fault,
        })
    }
}
