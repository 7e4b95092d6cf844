//! Whom the operator has to remind, and of what: invites nobody used, and messages of open rounds that are awaited.

use crate::coordinator::Coordinator;
use crate::error::Error;
use crate::rounds::RoundStage;

/// An invite that was made, without its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InviteStatus {
    /// Id the partner will have.
    pub partner: String,
    /// Name people read.
    pub name: String,
    /// Until when it is good, seconds since 1970-01-01 UTC.
    pub expires_at: i64,
    /// When it was used, seconds since 1970-01-01 UTC.
    pub used_at: Option<i64>,
}

impl InviteStatus {
    /// Whether it can still be used at `now`, seconds since 1970-01-01 UTC.
    #[must_use]
    pub fn is_good(&self, now: i64) -> bool {
        self.used_at.is_none() && now <= self.expires_at
    }
}

/// Something that a partner has not done yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reminder {
    /// Id of the partner.
    pub partner: String,
    /// Its name.
    pub name: String,
    /// What is awaited.
    pub awaited: Awaited,
    /// By when, seconds since 1970-01-01 UTC.
    pub by: i64,
}

/// What is awaited of a partner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Awaited {
    /// That it uses its invite.
    Enrolment,
    /// Nothing it can do: its invite ran out unused, and it needs another one.
    NewInvite,
    /// Its message of the open phase.
    Message {
        /// The round's first digits.
        round: String,
        /// Id of the programme.
        programme: String,
        /// The period.
        period: String,
        /// The phase.
        phase: &'static str,
    },
}

impl Coordinator {
    /// Every invite that was made and not replaced, in order of partner.
    ///
    /// # Errors
    /// The database.
    pub async fn invites(&self) -> Result<Vec<InviteStatus>, Error> {
        Ok(self.store().invites().await?)
    }

    /// Withdraws the unused invite of a partner.
    ///
    /// # Errors
    /// [`Error::NoInvite`] where there is none.
    pub async fn withdraw_invite(&self, partner: &str) -> Result<(), Error> {
        if self.store().withdraw_invite(partner).await? {
            return Ok(());
        }
        Err(Error::NoInvite(partner.to_owned()))
    }

    /// What partners have not done yet, the most urgent first.
    ///
    /// # Errors
    /// The database.
    pub async fn reminders(&self) -> Result<Vec<Reminder>, Error> {
        let now = self.now();
        let mut reminders = Vec::new();
        let unused = self.invites().await?.into_iter();
        for invite in unused.filter(|invite| invite.used_at.is_none()) {
            reminders.push(Reminder {
                awaited: if invite.is_good(now) {
                    Awaited::Enrolment
                } else {
                    Awaited::NewInvite
                },
                partner: invite.partner,
                name: invite.name,
                by: invite.expires_at,
            });
        }
        let partners = self.partners().await?;
        let name_of = |id: &str| {
            let known = partners.iter().find(|each| each.partner.id == id);
            known.map_or_else(|| id.to_owned(), |each| each.partner.name.clone())
        };
        for round in self.store().open_rounds().await? {
            let status = self.round_status(&round).await?;
            let RoundStage::Collecting {
                phase,
                awaited,
                deadline,
                ..
            } = status.stage
            else {
                continue;
            };
            for partner in awaited {
                reminders.push(Reminder {
                    name: name_of(&partner),
                    partner,
                    awaited: Awaited::Message {
                        round: round.short(),
                        programme: status.programme.clone(),
                        period: status.period.clone(),
                        phase: phase.word(),
                    },
                    by: deadline,
                });
            }
        }
        reminders.sort_by(|a, b| (a.by, &a.partner).cmp(&(b.by, &b.partner)));
        Ok(reminders)
    }
}
