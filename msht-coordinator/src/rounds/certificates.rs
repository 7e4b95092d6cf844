//! Abort statements: kept as they come, and made into a certificate once there are enough.
//!
//! A statement may come at any time, also long after the round has ended: a node that was away gives the round up
//! when it is back. The coordinator adds nothing of its own to a certificate, and cannot make one.

use msht_core::crypto::{Digest, digest};
use msht_core::secagg::{
    AbortCertificate, AbortStatement, Check, Fault, MAX_STATEMENT_BYTES, RoundContext, Signed,
    Verified, Violation, check_statement,
};
use msht_core::wire::{decode, encode};

use crate::coordinator::Coordinator;
use crate::error::Error;
use crate::store::{Store, Transaction};

/// Whether a statement was new.
enum Kept {
    /// It is stored now; with it, perhaps, the certificate.
    New { certified: bool },
    /// The same bytes as before.
    Repeated,
}

impl Coordinator {
    /// Takes the statement of an invited partner that it never unmasked. What it changed is durable when this returns
    /// (C4); the inner result says whether the statement counts.
    pub(crate) async fn take_abort_statement(
        &self,
        partner: &str,
        round: &Digest,
        bytes: &[u8],
    ) -> Result<Result<(), Fault>, Error> {
        let row = self.store().round(round).await?;
        let row = row.ok_or_else(|| Error::UnknownRound(round.to_string()))?;
        let context = self.context(&row).await?;
        let index = context.index_of(partner).ok_or(Error::Damaged("cohort"))?;
        let kept = match check_statement(&context, index, bytes) {
            Ok(statement) => self.keep_statement(&context, &statement).await?,
            Err(fault) => Err(fault),
        };
        match kept {
            Ok(Kept::Repeated) => Ok(Ok(())),
            Ok(Kept::New { certified }) => {
                tracing::info!(round = %round.short(), partner, "abort statement stored");
                if certified {
                    tracing::info!(round = %round.short(), "abort certificate made");
                    self.refresh_news().await?;
                }
                Ok(Ok(()))
            }
            Err(fault) => {
                tracing::warn!(round = %round.short(), partner, reason = %fault, "abort statement refused");
                let (received, reason) = (digest("refused", &[bytes]), fault.to_string());
                let store = self.store();
                store
                    .keep_refused(round, partner, &received, &reason)
                    .await?;
                Ok(Err(fault))
            }
        }
    }

    async fn keep_statement(
        &self,
        context: &RoundContext,
        statement: &Verified<AbortStatement>,
    ) -> Result<Result<Kept, Fault>, Error> {
        let (round, index) = (context.round(), statement.partner);
        let bytes = encode(statement.as_signed())?;
        let mut transaction = self.store().begin().await?;
        match Store::statement_in(&mut transaction, &round, index).await? {
            Some(earlier) if earlier == bytes => return Ok(Ok(Kept::Repeated)),
            Some(_) => {
                return Ok(Err(Fault::partner(
                    Check::C3,
                    index,
                    Violation::Equivocation,
                )));
            }
            None => {}
        }
        if Store::has_unmasked_in(&mut transaction, &round, index).await? {
            let lie = Fault::partner(Check::C3, index, Violation::UnmaskedAndDenied);
            return Ok(Err(lie));
        }
        Store::add_statement_in(&mut transaction, &round, index, &bytes).await?;
        let certified = certify(context, &mut transaction).await?;
        transaction
            .commit()
            .await
            .map_err(crate::StoreError::from)?;
        Ok(Ok(Kept::New { certified }))
    }

    /// C3: a partner that has signed that it never unmasks does not unmask.
    pub(crate) async fn has_stated(&self, round: &Digest, index: u8) -> Result<bool, Error> {
        Ok(self.store().stated(round).await?.contains(&index))
    }
}

/// Makes the certificate if it can be made and is not there yet; whether it is new.
async fn certify(context: &RoundContext, transaction: &mut Transaction) -> Result<bool, Error> {
    let round = context.round();
    if Store::certificate_in(transaction, &round).await?.is_some() {
        return Ok(false);
    }
    let damaged = || Error::Damaged("abort statement");
    let stored = Store::statements_in(transaction, &round).await?;
    let statements: Result<Vec<Signed<AbortStatement>>, _> = stored
        .iter()
        .map(|bytes| decode(bytes, MAX_STATEMENT_BYTES))
        .collect();
    let made = AbortCertificate::assemble(context, statements.map_err(|_| damaged())?);
    let Some(made) = made.map_err(|_| damaged())? else {
        return Ok(false);
    };
    let bytes = made.certificate().to_bytes()?;
    Store::add_certificate_in(transaction, &round, &bytes).await?;
    Ok(true)
}
