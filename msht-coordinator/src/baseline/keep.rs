//! Baselines as the coordinator keeps them.

use super::{Baseline, BaselineWords, MAX_BASELINES};
use crate::coordinator::Coordinator;
use crate::error::Error;
use crate::store::BaselineRow;

/// A kept baseline.
#[derive(Debug, Clone)]
pub struct KeptBaseline {
    /// What is in it.
    pub baseline: Baseline,
    /// When it was imported, seconds since 1970-01-01 UTC.
    pub imported_at: i64,
}

impl Coordinator {
    /// Reads and keeps a baseline of the programme with this id; one of the same title only gives way with `replace`. The site shows it at once.
    ///
    /// # Errors
    /// [`Error::UnknownProgramme`], [`Error::Baseline`], [`Error::BaselineExists`], [`Error::TooManyBaselines`]; the database.
    pub async fn import_baseline(
        &self,
        id: &str,
        file: &[u8],
        words: BaselineWords,
        replace: bool,
    ) -> Result<Baseline, Error> {
        let programmes = self.programmes().await?;
        let programme = programmes.iter().find(|known| known.id() == id);
        let programme = programme.ok_or_else(|| Error::UnknownProgramme(id.to_owned()))?;
        let baseline = Baseline::parse(file, words, programme)?;
        let words = baseline.words();
        let row = BaselineRow {
            title: words.title.clone(),
            programme: baseline.programme().to_owned(),
            source: words.source.clone(),
            licence: words.licence.clone(),
            imported_at: self.now(),
            file: file.to_vec(),
        };
        let limit = MAX_BASELINES;
        match self.store().keep_baseline(&row, replace, limit).await? {
            crate::store::BaselineKept::Kept => Ok(baseline),
            crate::store::BaselineKept::Exists => Err(Error::BaselineExists(row.title)),
            crate::store::BaselineKept::TooMany => Err(Error::TooManyBaselines { most: limit }),
        }
    }

    /// The kept baselines in order of title.
    ///
    /// # Errors
    /// [`Error::Damaged`]; the database.
    pub async fn baselines(&self) -> Result<Vec<KeptBaseline>, Error> {
        let rows = self.store().baselines().await?;
        let kept = rows.into_iter().map(|row| {
            let words = BaselineWords {
                title: row.title,
                source: row.source,
                licence: row.licence,
            };
            let baseline = Baseline::read(&row.file, words, &row.programme, None);
            Ok(KeptBaseline {
                baseline: baseline.map_err(|_| Error::Damaged("baseline"))?,
                imported_at: row.imported_at,
            })
        });
        kept.collect()
    }

    /// Forgets the baseline with this title.
    ///
    /// # Errors
    /// [`Error::UnknownBaseline`]; the database.
    pub async fn remove_baseline(&self, title: &str) -> Result<(), Error> {
        if self.store().remove_baseline(title).await? {
            return Ok(());
        }
        Err(Error::UnknownBaseline(title.to_owned()))
    }
}
