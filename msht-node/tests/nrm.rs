//! The shipped mapping on real data: the records of every first responder add up to the published counts.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use msht_core::programme::{Period, Programme, shipped};
use msht_node::count::count;
use msht_node::mapping::{CheckedMapping, Mapping};
use msht_node::review::check;
use msht_node::source::{CsvConfig, Source};

const MAPPING: &str = include_str!("../../msht-core/programmes/mappings/nrm.toml");

const QUARTERS: [&str; 6] = [
    "2022-Q2", "2022-Q3", "2022-Q4", "2023-Q1", "2023-Q2", "2023-Q3",
];

/// The folder of real data beside the project, where it is there.
fn data() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    if folder.join("nrm").is_dir() {
        return Some(folder);
    }
    println!("../shared/data is not there: the mapping did not run on real data");
    None
}

fn programme() -> Programme {
    Programme::parse(shipped("nrm").unwrap()).unwrap()
}

fn mapping(programme: &Programme) -> CheckedMapping {
    Mapping::parse(MAPPING).unwrap().check(programme).unwrap()
}

fn sources(data: &Path) -> Vec<Source> {
    let files = std::fs::read_dir(data.join("nrm")).unwrap();
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "csv"));
    paths.sort();
    let source = |path| Source::Csv(CsvConfig::new(path));
    paths.into_iter().map(source).collect()
}

/// Cells by table and category codes.
type Cells = BTreeMap<(String, Vec<String>), u64>;

/// What the mapping and the tally make of all files.
fn counted(programme: &Programme, data: &Path, quarter: &str) -> Cells {
    let mapping = mapping(programme);
    let period: Period = quarter.parse().unwrap();
    let mut cells = Cells::new();
    for source in sources(data) {
        let counts = count(&source, &mapping, programme, period).unwrap();
        for table in programme.tables() {
            let of_table = counts.of_table(table).unwrap();
            for (at, people) in of_table
                .iter()
                .enumerate()
                .filter(|(_, people)| **people > 0)
            {
                let dimensions = programme.dimensions_of(table);
                let codes = dimensions
                    .zip(table.categories(at).unwrap())
                    .map(|(dimension, place)| dimension.categories()[place].code().to_owned());
                let key = (table.id().to_owned(), codes.collect());
                *cells.entry(key).or_insert(0) += people;
            }
        }
    }
    cells
}

/// The published counts, coded by hand: none of the code under test is used.
fn published(data: &Path, quarter: &str) -> Cells {
    let nationalities = nationalities();
    let path = data.join("nrm_published_2022q2_2023q3.csv");
    let mut cells = Cells::new();
    for row in csv::Reader::from_path(path).unwrap().records() {
        let row = row.unwrap();
        if row[8].replace('Q', "-Q") != quarter {
            continue;
        }
        let people = row[6].strip_suffix(".0").unwrap().parse::<u64>().unwrap();
        let (age, gender) = (age(&row[3]), gender(&row[4]));
        let nationality = nationalities.get(&row[5]);
        let nationality = nationality.map_or("other", String::as_str);
        let mut add = |table: &str, codes: &[&str]| {
            let codes = codes.iter().map(|code| (*code).to_owned()).collect();
            *cells.entry((table.to_owned(), codes)).or_insert(0) += people;
        };
        add("total", &[]);
        add("age-gender", &[age, gender]);
        add("nationality", &[nationality]);
        for exploitation in exploitation(&row[2]) {
            add("exploitation", &[exploitation]);
            add("exploitation-age", &[exploitation, age]);
        }
    }
    cells
}

/// The first three types, which is as many as the programme counts.
fn exploitation(cell: &str) -> Vec<&'static str> {
    let types = cell.split([',', '&']).map(|word| match word.trim() {
        "Labour" => "labour",
        "Criminal" => "criminal",
        "Sexual" => "sexual",
        "Domestic" => "domestic",
        "Organ Harvesting" => "organ-harvesting",
        "Not specified or unknown" => "unknown",
        other => panic!("{other}"),
    });
    types.take(3).collect()
}

fn age(cell: &str) -> &'static str {
    match cell {
        "Adult (18 or over)" => "adult",
        "Child (17 or under)" => "child",
        _ => "unknown",
    }
}

fn gender(cell: &str) -> &'static str {
    match cell {
        "Male" => "male",
        "Female" => "female",
        "Other" => "other",
        _ => "unknown",
    }
}

/// The list of the mapping file, read as plain TOML.
fn nationalities() -> BTreeMap<String, String> {
    let mapping: toml::Table = toml::from_str(MAPPING).unwrap();
    let dimensions = mapping["dimension"].as_array().unwrap();
    let nationality = dimensions
        .iter()
        .find(|dimension| dimension["id"].as_str() == Some("nationality"));
    let values = nationality.unwrap()["values"].as_table().unwrap();
    let pair = |(spelling, code): (&String, &toml::Value)| {
        (spelling.clone(), code.as_str().unwrap().to_owned())
    };
    values.iter().map(pair).collect()
}

#[test]
fn the_records_of_every_quarter_add_up_to_the_published_counts() {
    let Some(data) = data() else { return };
    let programme = programme();
    for quarter in QUARTERS {
        let (counted, published) = (
            counted(&programme, &data, quarter),
            published(&data, quarter),
        );
        let total = ("total".to_owned(), Vec::new());
        println!(
            "{quarter}: {} people in {} cells",
            counted[&total],
            counted.len()
        );
        assert_eq!(counted, published, "{quarter}");
    }
}

#[test]
fn every_record_is_placed_without_complaint() {
    let Some(data) = data() else { return };
    let programme = programme();
    let mapping = mapping(&programme);
    let (mut files, mut people) = (0, 0);
    for source in sources(&data) {
        let review = check(&source, &mapping, &programme, None).unwrap();
        let told = (review.complaint_total, review.dropped, review.blank);
        assert_eq!(told, (0, 0, 0), "{}", source.name());
        assert!(review.warnings.is_empty() && review.ignored_columns.is_empty());
        assert_eq!(review.placed(), review.rows);
        files += 1;
        people += review.placed();
    }
    println!("{people} people in {files} files");
    assert_eq!((files, people), (68, 26_056));
}
