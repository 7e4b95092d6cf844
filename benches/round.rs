//! A whole round over QUIC on loopback: one coordinator and 22 nodes in one process, 10,000 cells, each node with a vault
//! of its own. Prints the time from opening the round to the release, the bytes each node sent, and the peak memory
//! of the whole process.
#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::fmt::Write;
use std::time::Instant;

use msht_core::secagg::PartnerKind;
use msht_examples::demonstration::{Demonstration, Member};

const PARTNERS: usize = 22;
/// Categories of each of the two dimensions of the one table.
const CATEGORIES: usize = 100;
/// Rounds measured, one quarter each.
const PERIODS: [&str; 3] = ["2026-Q1", "2026-Q2", "2026-Q3"];

fn programme() -> String {
    let mut text = String::from(
        "id = \"bench\"\nversion = 1\ntitle = \"Benchmark\"\ndescription = \"10,000 cells.\"\n\
         promise = \"None: the records are empty.\"\nmax_count_per_cell = 10000\nword_bits = 32\n\
         privacy = { unit = \"record\", max_records = 1, epsilon_per_period = 1, epsilon_per_year = 8 }\n\
         cohort = { least_partners = 3 }\n\
         calendar = { period = \"quarter\", first = \"2026-Q1\", hours = { join = 1, share = 1, mask = 1, confirm = 1, unmask = 1 } }\n",
    );
    for dimension in ["rows", "columns"] {
        write!(
            text,
            "\n[[dimension]]\nid = \"{dimension}\"\ntitle = \"{dimension}\"\ncategories = ["
        )
        .unwrap();
        for category in 1..CATEGORIES {
            write!(text, "[\"c{category}\", \"Category {category}\"], ").unwrap();
        }
        text.push_str("[\"unknown\", \"Unknown\"]]\n");
    }
    text.push_str(
        "\n[[table]]\nid = \"cells\"\ntitle = \"Cells\"\ndimensions = [\"rows\", \"columns\"]\nweight = 1\n",
    );
    text
}

const MAPPING: &str = "[date]\ncolumn = \"date\"\nformat = \"iso\"\n\n\
    [[dimension]]\nid = \"rows\"\ncolumn = \"rows\"\n[dimension.values]\n\n\
    [[dimension]]\nid = \"columns\"\ncolumn = \"columns\"\n[dimension.values]\n";

fn members() -> Vec<Member> {
    (1..=PARTNERS)
        .map(|number| Member {
            id: format!("partner-{number:02}"),
            name: format!("Partner {number}"),
            kind: PartnerKind::Other,
            records: "date,rows,columns\n2026-01-05,c1,c2\n2026-04-05,c3,c4\n2026-07-05,c5,c6\n"
                .to_owned(),
            lost_after: None,
        })
        .collect()
}

/// Peak resident memory of this process, in MiB, where the system tells it.
fn peak_memory_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
}

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let site = ([127, 0, 0, 1], 0).into();
    let programme = programme();
    let demonstration = Demonstration::start(folder.path(), &programme, MAPPING, members(), site)
        .await
        .unwrap();
    println!(
        "{PARTNERS} nodes and a coordinator in one process, {} cells",
        CATEGORIES * CATEGORIES
    );
    for period in PERIODS {
        let start = Instant::now();
        let finished = demonstration.round(period).await.unwrap();
        let seconds = start.elapsed().as_secs_f64();
        let mut bytes = finished.bytes_sent;
        bytes.sort_unstable();
        let median = bytes.get(bytes.len() / 2).copied().unwrap_or_default();
        println!("{period}: {seconds:.2} s; median of bytes sent by a node {median}");
    }
    println!(
        "peak memory of the process: {} MiB",
        peak_memory_mib().unwrap_or_default()
    );
    demonstration.stop().await;
}
