//! The pool of noise drawn ahead of the counts: one draw a round, sealed, used at most once.
//!
//! A row is made when the noise is drawn and stays for ever; its content goes when the draw is used (in the
//! transaction that stores the frozen contribution) or when the round ends without it. Triggers refuse a second
//! draw, a second use, and the removal of the row.

use msht_core::crypto::Digest;
use msht_core::dp::pool::NoiseDraw;
use rand::CryptoRng;
use sqlx::Row;

use super::{Vault, Writing};
use crate::error::{Kind, NodeError};

fn context(round: &Digest) -> String {
    format!("noise/{round}")
}

fn used() -> NodeError {
    NodeError::new(
        Kind::Failure,
        "the noise of this round was used before, or was never drawn",
    )
    .hint("the node sits this round out; nothing is sent for it")
}

impl Vault {
    /// Whether noise was ever drawn for this round.
    ///
    /// # Errors
    /// [`Kind::Configuration`].
    pub async fn has_noise(&self, round: Digest) -> Result<bool, NodeError> {
        let row = sqlx::query("SELECT 1 FROM noise WHERE round = ?")
            .bind(round.as_bytes().as_slice())
            .fetch_optional(self.pool())
            .await?;
        Ok(row.is_some())
    }

    /// Keeps the noise drawn for its round. Where there was a draw before, that one stays, used or not.
    ///
    /// # Errors
    /// [`Kind::Configuration`].
    pub async fn store_noise<R: CryptoRng + ?Sized>(
        &self,
        draw: &NoiseDraw,
        rng: &mut R,
    ) -> Result<(), NodeError> {
        let round = draw.round();
        let sealed = self.seal(&context(&round), &draw.to_bytes(), rng);
        sqlx::query("INSERT INTO noise (round, sealed) VALUES (?, ?) ON CONFLICT DO NOTHING")
            .bind(round.as_bytes().as_slice())
            .bind(sealed)
            .execute(self.pool())
            .await?;
        Ok(())
    }

    /// Takes the noise of a round out of the pool, for good once this transaction is durable.
    ///
    /// # Errors
    /// [`Kind::Failure`] where it was used before or never drawn.
    pub(crate) async fn take_noise(
        &self,
        writing: &mut Writing,
        round: Digest,
    ) -> Result<NoiseDraw, NodeError> {
        let row = sqlx::query("SELECT sealed FROM noise WHERE round = ?")
            .bind(round.as_bytes().as_slice())
            .fetch_optional(&mut **writing)
            .await?;
        let sealed: Option<Vec<u8>> = row.map(|row| row.try_get(0)).transpose()?.flatten();
        let bytes = self.open_sealed(&context(&round), &sealed.ok_or_else(used)?)?;
        let draw = NoiseDraw::from_bytes(&bytes).ok_or_else(used)?;
        self.erase_noise(writing, round).await?;
        Ok(draw)
    }

    /// Forgets the noise of a round, if there still is any.
    pub(crate) async fn erase_noise(
        &self,
        writing: &mut Writing,
        round: Digest,
    ) -> Result<(), NodeError> {
        sqlx::query("UPDATE noise SET sealed = NULL WHERE round = ? AND sealed IS NOT NULL")
            .bind(round.as_bytes().as_slice())
            .execute(&mut **writing)
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use msht_core::crypto::{HexBytes, Secret};
    use msht_core::dp::contribution::NoisyTable;
    use msht_core::programme::{Programme, shipped};
    use msht_core::tally::Tally;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    const ROUND: Digest = HexBytes([9; 32]);
    const CELLS: usize = 61;

    fn drawn(seed: u64) -> NoiseDraw {
        let (rate, shape) = ("1/10".parse().unwrap(), "1/3".parse().unwrap());
        let table = NoisyTable {
            cells: CELLS,
            rate: &rate,
        };
        NoiseDraw::draw(ROUND, [table], &shape, &mut StdRng::seed_from_u64(seed)).unwrap()
    }

    fn values(draw: NoiseDraw) -> Vec<i64> {
        let programme = Programme::parse(shipped("msin").unwrap()).unwrap();
        let counts = Tally::new(&programme).finish();
        draw.add_to(ROUND, &counts).unwrap().to_vec()
    }

    /// A vault that knows the round, as far as the pool needs it.
    async fn vault(folder: &tempfile::TempDir) -> Vault {
        let path = folder.path().join("vault.sqlite");
        let vault = Vault::create(&path, Secret::from_bytes([1; 32])).await;
        let vault = vault.unwrap();
        sqlx::query(
            "INSERT INTO rounds (round, programme, period, attempt, announcement, stage, updated_at)
             VALUES (?, 'p', '2026-Q3', 1, x'', 'announced', 0)",
        )
        .bind(ROUND.as_bytes().as_slice())
        .execute(vault.pool())
        .await
        .unwrap();
        vault
    }

    #[tokio::test]
    async fn a_draw_is_used_at_most_once_and_a_second_one_is_never_made() {
        let folder = tempfile::tempdir().unwrap();
        let vault = vault(&folder).await;
        let mut rng = StdRng::seed_from_u64(1);
        assert!(!vault.has_noise(ROUND).await.unwrap());
        vault.store_noise(&drawn(1), &mut rng).await.unwrap();
        vault.store_noise(&drawn(2), &mut rng).await.unwrap();
        let mut writing = vault.write().await.unwrap();
        let taken = vault.take_noise(&mut writing, ROUND).await.unwrap();
        assert_eq!(values(taken), values(drawn(1)), "the first draw stays");
        assert!(vault.take_noise(&mut writing, ROUND).await.is_err());
        writing.commit().await.unwrap();
        vault.store_noise(&drawn(3), &mut rng).await.unwrap();
        let mut writing = vault.write().await.unwrap();
        assert!(vault.take_noise(&mut writing, ROUND).await.is_err());
        drop(writing);
        for tampering in [
            "UPDATE noise SET sealed = x'00'",
            "DELETE FROM noise",
            "INSERT OR REPLACE INTO noise (round, sealed) SELECT round, x'00' FROM noise",
        ] {
            let refused = sqlx::query(tampering).execute(vault.pool()).await;
            let mut writing = vault.write().await.unwrap();
            let taken = vault.take_noise(&mut writing, ROUND).await;
            assert!(refused.is_err() || taken.is_err(), "{tampering}");
        }
    }

    #[tokio::test]
    async fn a_crash_before_the_freeze_is_durable_leaves_the_draw_for_its_own_round_alone() {
        let folder = tempfile::tempdir().unwrap();
        let vault = vault(&folder).await;
        let mut rng = StdRng::seed_from_u64(1);
        vault.store_noise(&drawn(1), &mut rng).await.unwrap();
        let mut writing = vault.write().await.unwrap();
        vault.take_noise(&mut writing, ROUND).await.unwrap();
        drop(writing);
        let mut writing = vault.write().await.unwrap();
        let again = vault.take_noise(&mut writing, ROUND).await.unwrap();
        assert_eq!(values(again), values(drawn(1)));
        drop(writing);
        // Moved to another round, the draw does not open: what is sealed is bound to its round.
        let other: Digest = HexBytes([10; 32]);
        sqlx::query(
            "INSERT INTO rounds (round, programme, period, attempt, announcement, stage, updated_at)
             SELECT ?, programme, period, 2, announcement, stage, updated_at FROM rounds",
        )
        .bind(other.as_bytes().as_slice())
        .execute(vault.pool())
        .await
        .unwrap();
        sqlx::query("INSERT INTO noise SELECT ?, sealed FROM noise")
            .bind(other.as_bytes().as_slice())
            .execute(vault.pool())
            .await
            .unwrap();
        let mut writing = vault.write().await.unwrap();
        assert!(vault.take_noise(&mut writing, other).await.is_err());
    }

    #[tokio::test]
    async fn a_round_that_ends_takes_its_noise_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let vault = vault(&folder).await;
        let mut rng = StdRng::seed_from_u64(1);
        vault.store_noise(&drawn(1), &mut rng).await.unwrap();
        let mut writing = vault.write().await.unwrap();
        vault.erase_records(&mut writing, ROUND).await.unwrap();
        writing.commit().await.unwrap();
        let mut writing = vault.write().await.unwrap();
        assert!(vault.take_noise(&mut writing, ROUND).await.is_err());
        assert!(vault.has_noise(ROUND).await.unwrap());
    }
}
