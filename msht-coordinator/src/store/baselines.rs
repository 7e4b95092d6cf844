//! Baselines in the store: each as the file it was imported from.

use sqlx::Row;

use super::{Result, Store, raise_news, signed};

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
        let others: i64 = sqlx::query("SELECT count(*) FROM baselines WHERE title <> ?")
            .bind(&row.title)
            .fetch_one(&mut *transaction)
            .await?
            .try_get(0)?;
        let limit = signed(u64::try_from(limit).unwrap_or(u64::MAX))?;
        if others >= limit {
            return Ok(BaselineKept::TooMany);
        }
        if replace {
            sqlx::query("DELETE FROM baselines WHERE title = ?")
                .bind(&row.title)
                .execute(&mut *transaction)
                .await?;
        }
        let inserted = sqlx::query(
            "INSERT INTO baselines (title, programme, source, licence, imported_at, file)
             VALUES (?, ?, ?, ?, ?, ?)
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
                    title: row.try_get("title")?,
                    programme: row.try_get("programme")?,
                    source: row.try_get("source")?,
                    licence: row.try_get("licence")?,
                    imported_at: row.try_get("imported_at")?,
                    file: row.try_get("file")?,
                })
            })
            .collect()
    }

    /// Forgets a baseline; whether there was one.
    pub(crate) async fn remove_baseline(&self, title: &str) -> Result<bool> {
        let mut transaction = self.begin().await?;
        let removed = sqlx::query("DELETE FROM baselines WHERE title = ?")
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
