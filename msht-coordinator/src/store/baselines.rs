//! Baselines in the store: each as the file it was imported from.

use super::{Result, Store, first, get, raise_news, signed};

/// A kept baseline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BaselineRow {
    pub(crate) title: String,
    pub(crate) programme: String,
    pub(crate) source: String,
    pub(crate) licence: String,
    pub(crate) imported_at: i64,
    pub(crate) file: Vec<u8>,
}

/// What became of a baseline that was to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BaselineKept {
    Kept,
    /// There is one of its title; nothing was changed.
    Exists,
    /// There is no room for another one.
    TooMany,
}

impl Store {
    /// Keeps a baseline among at most `limit`; one of the same title gives way only with `replace`.
    pub(crate) async fn keep_baseline(
        &self,
        row: &BaselineRow,
        replace: bool,
        limit: usize,
    ) -> Result<BaselineKept> {
        let mut transaction = self.begin().await?;
        let others = sqlx::query("SELECT count(*) FROM baselines WHERE title <> $1")
            .bind(&row.title)
            .fetch_one(&mut *transaction)
            .await?;
        let others: i64 = first(&others)?;
        let limit = signed(u64::try_from(limit).unwrap_or(u64::MAX))?;
        if others >= limit {
            return Ok(BaselineKept::TooMany);
        }
        if replace {
            sqlx::query("DELETE FROM baselines WHERE title = $1")
                .bind(&row.title)
                .execute(&mut *transaction)
                .await?;
        }
        let inserted = sqlx::query(
            "INSERT INTO baselines (title, programme, source, licence, imported_at, file)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (title) DO NOTHING",
        )
        .bind(&row.title)
        .bind(&row.programme)
        .bind(&row.source)
        .bind(&row.licence)
        .bind(row.imported_at)
        .bind(&row.file)
        .execute(&mut *transaction)
        .await?;
        if inserted.rows_affected() == 0 {
            return Ok(BaselineKept::Exists);
        }
        raise_news(&mut transaction).await?;
        transaction.commit().await?;
        Ok(BaselineKept::Kept)
    }

    /// The kept baselines in order of title.
    pub(crate) async fn baselines(&self) -> Result<Vec<BaselineRow>> {
        let rows = sqlx::query("SELECT * FROM baselines ORDER BY title")
            .fetch_all(&self.pool)
            .await?;
        rows.iter()
            .map(|row| {
                Ok(BaselineRow {
                    title: get(row, "title")?,
                    programme: get(row, "programme")?,
                    source: get(row, "source")?,
                    licence: get(row, "licence")?,
                    imported_at: get(row, "imported_at")?,
                    file: get(row, "file")?,
                })
            })
            .collect()
    }

    /// Forgets a baseline; whether there was one.
    pub(crate) async fn remove_baseline(&self, title: &str) -> Result<bool> {
        let mut transaction = self.begin().await?;
        let removed = sqlx::query("DELETE FROM baselines WHERE title = $1")
            .bind(title)
            .execute(&mut *transaction)
            .await?;
        if removed.rows_affected() == 0 {
            return Ok(false);
        }
        raise_news(&mut transaction).await?;
        transaction.commit().await?;
        Ok(true)
    }
}
