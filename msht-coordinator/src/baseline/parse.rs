//! A baseline's file: `period,dimension,category,count`, one count a row, in any order of columns.
//!
//! Empty dimension and category together mean the total. Everything else that is not exactly right refuses the whole
//! file with the line and column, never with what stands there: somebody may give the wrong file.

use std::collections::BTreeMap;

use msht_core::programme::{Codebook, Period, Programme};

use super::{
    Baseline, BaselineWords, MAX_BASELINE_BYTES, MAX_BASELINE_COUNT, MAX_BASELINE_COUNTS,
    MAX_BASELINE_WORDS_BYTES, Place,
};

const COLUMNS: [&str; 4] = ["period", "dimension", "category", "count"];

/// Why a file is not a baseline.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{problem}", at(*.line))]
pub struct BaselineError {
    /// Line of the file, counted from 1; none where it is about the whole file.
    pub line: Option<u64>,
    /// What is wrong there.
    pub problem: BaselineProblem,
}

fn at(line: Option<u64>) -> String {
    line.map_or_else(String::new, |line| format!("line {line}: "))
}

/// What is wrong with a baseline.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BaselineProblem {
    /// Title, source or licence is empty, too long or has a line break.
    #[error("the {0} must be one line of 1 to {MAX_BASELINE_WORDS_BYTES} bytes")]
    Words(&'static str),
    /// The file is larger than any baseline.
    #[error("the file has more than {MAX_BASELINE_BYTES} bytes")]
    TooLarge,
    /// The file is not CSV in UTF-8.
    #[error("this is not a row of CSV in UTF-8 with four columns")]
    NotCsv,
    /// The first line does not name the columns.
    #[error(
        "the first line must name the columns period, dimension, category and count, each once, and no others"
    )]
    Header,
    /// There is no count.
    #[error("the file has no counts")]
    Empty,
    /// There are too many counts.
    #[error("the file has more than {MAX_BASELINE_COUNTS} counts")]
    TooMany,
    /// Not a period.
    #[error("column `period` must be like 2026, 2026-Q3 or 2026-07")]
    Period,
    /// A dimension without a category or the other way round.
    #[error(
        "columns `dimension` and `category` must both be empty, for the total, or both be filled"
    )]
    HalfPlace,
    /// The programme does not have the dimension.
    #[error("column `dimension`: the programme has no such dimension")]
    Dimension,
    /// The dimension does not have the category.
    #[error("column `category`: the dimension has no such category")]
    Category,
    /// Not a count.
    #[error(
        "column `count` must be a whole number from 0 to {MAX_BASELINE_COUNT}, without separators"
    )]
    Count,
    /// The same period and category stand twice.
    #[error("the same period, dimension and category stand on an earlier line")]
    Twice,
}

fn whole(problem: BaselineProblem) -> BaselineError {
    BaselineError {
        line: None,
        problem,
    }
}

impl BaselineWords {
    fn check(&self) -> Result<(), BaselineError> {
        let words = [
            ("title", &self.title),
            ("source", &self.source),
            ("licence", &self.licence),
        ];
        for (name, text) in words {
            let is_one_line = !text.trim().is_empty()
                && text.len() <= MAX_BASELINE_WORDS_BYTES
                && !text.chars().any(char::is_control);
            if !is_one_line {
                return Err(whole(BaselineProblem::Words(name)));
            }
        }
        Ok(())
    }
}

impl Baseline {
    /// Reads the bytes of a file whose dimensions and categories must be those of `programme`.
    ///
    /// # Errors
    /// [`BaselineError`] with the line.
    pub fn parse(
        file: &[u8],
        words: BaselineWords,
        programme: &Programme,
    ) -> Result<Self, BaselineError> {
        Self::read(file, words, programme.id(), Some(programme.codebook()))
    }

    /// Reads a file of the programme `programme`; without `codebook`, one that was checked when it was imported.
    pub(super) fn read(
        file: &[u8],
        words: BaselineWords,
        programme: &str,
        codebook: Option<&Codebook>,
    ) -> Result<Self, BaselineError> {
        words.check()?;
        if file.len() > MAX_BASELINE_BYTES {
            return Err(whole(BaselineProblem::TooLarge));
        }
        let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
        let mut reader = csv::ReaderBuilder::new().from_reader(file);
        let columns = columns(&mut reader)?;
        let mut counts: BTreeMap<Period, BTreeMap<Place, u64>> = BTreeMap::new();
        for (number, row) in reader.records().enumerate() {
            let row = row.map_err(|error| BaselineError {
                line: error.position().map(csv::Position::line),
                problem: BaselineProblem::NotCsv,
            })?;
            let line = row.position().map(csv::Position::line);
            let located = |problem| BaselineError { line, problem };
            if number >= MAX_BASELINE_COUNTS {
                return Err(located(BaselineProblem::TooMany));
            }
            let (period, place, count) = count_of(&row, columns, codebook).map_err(located)?;
            let of_period = counts.entry(period).or_default();
            if of_period.insert(place, count).is_some() {
                return Err(located(BaselineProblem::Twice));
            }
        }
        if counts.is_empty() {
            return Err(whole(BaselineProblem::Empty));
        }
        Ok(Self {
            programme: programme.to_owned(),
            words,
            counts,
        })
    }
}

/// Where each of [`COLUMNS`] stands.
fn columns(reader: &mut csv::Reader<&[u8]>) -> Result<[usize; 4], BaselineError> {
    let wrong = || BaselineError {
        line: Some(1),
        problem: BaselineProblem::Header,
    };
    let header = reader.headers().map_err(|_| wrong())?;
    if header.len() != COLUMNS.len() {
        return Err(wrong());
    }
    let mut places = [0; 4];
    for (place, name) in places.iter_mut().zip(COLUMNS) {
        *place = header
            .iter()
            .position(|column| column.trim() == name)
            .ok_or_else(wrong)?;
    }
    Ok(places)
}

fn count_of(
    row: &csv::StringRecord,
    columns: [usize; 4],
    codebook: Option<&Codebook>,
) -> Result<(Period, Place, u64), BaselineProblem> {
    let [period, dimension, code, count] =
        columns.map(|column| row.get(column).unwrap_or_default().trim());
    let period = period.parse().map_err(|_| BaselineProblem::Period)?;
    let place = match (dimension.is_empty(), code.is_empty()) {
        (true, true) => Place::Total,
        (false, false) => Place::Category {
            dimension: dimension.to_owned(),
            code: code.to_owned(),
        },
        _ => return Err(BaselineProblem::HalfPlace),
    };
    if let (Place::Category { dimension, code }, Some(codebook)) = (&place, codebook) {
        let dimension = codebook.dimension(dimension);
        let dimension = dimension.ok_or(BaselineProblem::Dimension)?;
        if dimension.category_index(code).is_none() {
            return Err(BaselineProblem::Category);
        }
    }
    let is_plain = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
    let count = is_plain.then(|| count.parse::<u64>().ok()).flatten();
    let count = count.filter(|count| *count <= MAX_BASELINE_COUNT);
    Ok((period, place, count.ok_or(BaselineProblem::Count)?))
}

#[cfg(test)]
mod tests {
    use msht_core::programme::shipped;

    use super::*;

    fn words() -> BaselineWords {
        BaselineWords {
            title: "Published referrals".to_owned(),
            source: "A statistics office".to_owned(),
            licence: "Open licence".to_owned(),
        }
    }

    fn programme() -> Programme {
        Programme::parse(shipped("pan-london").unwrap()).unwrap()
    }

    fn parse(text: &str) -> Result<Baseline, BaselineError> {
        Baseline::parse(text.as_bytes(), words(), &programme())
    }

    #[test]
    fn counts_are_read_by_period_and_place() {
        let file = "\u{feff}count,period,category,dimension\r\n1200,2026-Q3,,\r\n400,2026-Q3,labour,main-exploitation\r\n0,2026-Q2,,\r\n";
        let baseline = parse(file).unwrap();
        let periods: Vec<String> = baseline.periods().map(|p| p.to_string()).collect();
        assert_eq!(periods, ["2026-Q2", "2026-Q3"]);
        let period = "2026-Q3".parse().unwrap();
        let labour = Place::Category {
            dimension: "main-exploitation".to_owned(),
            code: "labour".to_owned(),
        };
        assert_eq!(baseline.count(&period, &Place::Total), Some(1200));
        assert_eq!(baseline.count(&period, &labour), Some(400));
        assert_eq!(baseline.len(), 3);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line_and_not_repeated() {
        const HEAD: &str = "period,dimension,category,count\n2026-Q1,,,5\n";
        let cases = [
            ("2026-Q9,,,5", BaselineProblem::Period),
            ("2026-Q3,age,,5", BaselineProblem::HalfPlace),
            ("2026-Q3,,labour,5", BaselineProblem::HalfPlace),
            ("2026-Q3,secret,x,5", BaselineProblem::Dimension),
            ("2026-Q3,age,secret,5", BaselineProblem::Category),
            ("2026-Q3,,,-5", BaselineProblem::Count),
            ("2026-Q3,,,\"1,200\"", BaselineProblem::Count),
            ("2026-Q3,,,1.0", BaselineProblem::Count),
            ("2026-Q3,,,99999999999999999999", BaselineProblem::Count),
            ("2026-Q3,,,10000000001", BaselineProblem::Count),
            ("2026-Q3,,,", BaselineProblem::Count),
            ("2026-Q1,,,6", BaselineProblem::Twice),
            ("2026-Q3,,5", BaselineProblem::NotCsv),
        ];
        for (row, problem) in cases {
            let refused = parse(&format!("{HEAD}{row}\n")).unwrap_err();
            assert_eq!(refused.line, Some(3), "{row}");
            assert_eq!(refused.problem, problem, "{row}");
            assert!(!refused.to_string().contains("secret"), "{refused}");
        }
    }

    #[test]
    fn files_that_are_no_baseline_are_refused_whole() {
        let problem = |file: &[u8]| {
            Baseline::parse(file, words(), &programme())
                .unwrap_err()
                .problem
        };
        assert_eq!(problem(b""), BaselineProblem::Header);
        assert_eq!(
            problem(b"period,dimension,category\n"),
            BaselineProblem::Header
        );
        assert_eq!(
            problem(b"period,period,category,count\n"),
            BaselineProblem::Header
        );
        assert_eq!(
            problem(b"period,dimension,category,count\n"),
            BaselineProblem::Empty
        );
        assert_eq!(
            problem(b"period,dimension,category,count\n2026-Q1,,,\xff\n"),
            BaselineProblem::NotCsv
        );
        assert_eq!(
            problem(&vec![b'x'; MAX_BASELINE_BYTES + 1]),
            BaselineProblem::TooLarge
        );
        let mut many = "period,dimension,category,count\n".to_owned();
        for number in 0..=MAX_BASELINE_COUNTS {
            many.push_str(&format!("2026,,,{}\n", number % 10));
        }
        // The second total of 2026 is refused long before there are too many.
        assert_eq!(problem(many.as_bytes()), BaselineProblem::Twice);
    }

    #[test]
    fn words_are_needed_and_stay_on_one_line() {
        for (title, source, licence, name) in [
            ("", "b", "c", "title"),
            ("a", " ", "c", "source"),
            ("a", "b", "c\nd", "licence"),
        ] {
            let words = BaselineWords {
                title: title.to_owned(),
                source: source.to_owned(),
                licence: licence.to_owned(),
            };
            let file = b"period,dimension,category,count\n2026,,,1\n";
            let refused = Baseline::parse(file, words, &programme()).unwrap_err();
            assert_eq!(refused.problem, BaselineProblem::Words(name));
        }
    }
}
