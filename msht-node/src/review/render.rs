//! The review as plain text.

use std::fmt::Write;

use super::{MAX_COMPLAINT_GROUPS, Review};

/// Most periods listed: ten years of quarters.
const MAX_PERIODS_SHOWN: usize = 40;

impl Review {
    /// The review for a terminal or a printer. Exact numbers: for the partner's own screen only.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self
            .write_rows(&mut text)
            .and_then(|()| self.write_complaints(&mut text))
            .and_then(|()| self.write_columns(&mut text));
        text
    }

    fn write_rows(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "{} for programme `{}`", self.source, self.programme)?;
        writeln!(text)?;
        let mut line = |label: &str, rows: u64| writeln!(text, "{label:<28}{rows:>12}");
        line("Rows read", self.rows)?;
        match self.period {
            Some(period) => {
                line(&format!("  in {period}"), self.placed())?;
                line("  in other periods", self.in_other_periods())?;
            }
            None => {
                for (period, rows) in self.by_period.iter().take(MAX_PERIODS_SHOWN) {
                    line(&format!("  in {period}"), *rows)?;
                }
                if let Some(more) = self.by_period.len().checked_sub(MAX_PERIODS_SHOWN + 1) {
                    line(&format!("  in {} more periods", more + 1), {
                        self.by_period.values().skip(MAX_PERIODS_SHOWN).sum()
                    })?;
                }
            }
        }
        line("  blank", self.blank)?;
        line("  dropped", self.dropped)?;
        for unit in &self.amounts {
            let title = &unit.amount;
            writeln!(
                text,
                "\n“{title}” is added up in {unit}: rounded, then cut off"
            )?;
        }
        Ok(())
    }

    fn write_complaints(&self, text: &mut String) -> std::fmt::Result {
        if self.complaint_total == 0 {
            return writeln!(text, "\nEvery row with a date and values could be placed.");
        }
        writeln!(
            text,
            "\nNot placed, by kind; these rows will not be counted, unless it says so:"
        )?;
        for group in &self.complaint_groups {
            let place = match &group.column {
                Some(column) => format!("column `{column}`"),
                None => "whole rows".to_owned(),
            };
            let (count, first, message) = (group.count, group.first_line, &group.message);
            writeln!(
                text,
                "  {place}: {count}, the first on line {first}: {message}"
            )?;
        }
        if self.complaint_groups.len() == MAX_COMPLAINT_GROUPS {
            writeln!(text, "  There may be more kinds; mend these first.")?;
        }
        writeln!(text, "\nNot placed, one by one:")?;
        for complaint in &self.complaints {
            write!(text, "  line {}", complaint.line())?;
            if let Some(column) = complaint.column() {
                write!(text, ", column `{column}`")?;
            }
            writeln!(text, ": {}", complaint.kind().code())?;
        }
        let listed = u64::try_from(self.complaints.len()).unwrap_or(u64::MAX);
        match self.complaint_total.saturating_sub(listed) {
            0 => Ok(()),
            more => writeln!(text, "  and {more} more"),
        }
    }

    fn write_columns(&self, text: &mut String) -> std::fmt::Result {
        if !self.warnings.is_empty() {
            writeln!(text, "\nColumns to look at:")?;
        }
        for warning in &self.warnings {
            let read = if warning.mapped {
                "the mapping reads it"
            } else {
                "nothing reads it, so it need not be in the file"
            };
            let (column, words) = (&warning.column, warning.looks_like.words());
            writeln!(text, "  `{column}` looks like {words}; {read}")?;
        }
        if self.ignored_columns.is_empty() {
            return Ok(());
        }
        writeln!(text, "\nIgnored columns, never read beyond this node:")?;
        writeln!(text, "  {}", self.ignored_columns.join(", "))
    }
}
