//! The pan-London picture on one machine: a coordinator and 22 partners, two of them lost in the middle of every round.
//!
//! Where the dashboard is served: two years of quarters, and beside them the picture of 14 food companies. With `--once`: one
//! quarter.
//!
//! ```text
//! cargo run --release --example pan_london
//! cargo run --release --example pan_london -- --once --out OUT
//! ```

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use msht_core::programme::{Period, Programme, shipped};
use msht_core::secagg::PartnerKind;
use msht_core::secagg::messages::Phase;
use msht_examples::demonstration::{self, Demonstration, Failure, Member, Picture};
use msht_examples::food;
use msht_examples::synthetic::{Change, Records, Weights};

const PROGRAMME: &str = "pan-london";
const MAPPING: &str = include_str!("../msht-core/programmes/mappings/pan-london.toml");

/// Records of one quarter: about 6,036 a year, as many as the Pan-London project of STOP THE TRAFFIK shared.
const BOROUGHS: (usize, usize) = (7, 45);
const CHARITIES: (usize, usize) = (13, 32);
const HOSPITAL: usize = 28;
const MET: usize = 750;

/// Quarters shown on the dashboard.
const TWO_YEARS: usize = 8;
/// Records of the last quarters, in hundredths of the numbers above.
const VOLUME: [usize; TWO_YEARS] = [86, 88, 87, 90, 95, 94, 97, 100];
/// Of a hundred records, how many the invented referrals have, and by which dimension they are given.
const REFERRED: usize = 55;
const REFERRED_BY: &str = "main-exploitation";
/// Title, source and licence of the invented referrals.
const INVENTED: [&str; 3] = [
    "Invented referrals",
    "made up for this demonstration: no organisation published these counts",
    "none needed",
];
/// How many quarters ago a further partner was lost: what is before, in and after that quarter has other partners behind it.
const LOST_EARLIER: (usize, &str, Phase) = (4, "charity-05", Phase::Share);

/// What the invented picture is to show: county lines grow, forced labour falls a little, and two neighbouring boroughs have
/// far more in the last quarter than before.
const CHANGES: &[Change] = &[
    (
        "exploitation",
        "uk-county-lines",
        &[55, 60, 62, 70, 76, 84, 92, 100],
    ),
    (
        "exploitation",
        "ForcedLabour",
        &[120, 118, 118, 112, 110, 104, 102, 100],
    ),
    (
        "main-exploitation",
        "criminal",
        &[58, 60, 62, 64, 64, 68, 70, 100],
    ),
    ("borough", "E09000025", &[45, 45, 45, 45, 45, 45, 60, 230]),
    ("borough", "E09000002", &[60, 60, 60, 60, 60, 60, 60, 260]),
];

const WEIGHTS: &[Weights] = &[
    (
        "borough",
        &[
            ("E09000001", 3),
            ("E09000002", 34),
            ("E09000003", 36),
            ("E09000004", 16),
            ("E09000005", 52),
            ("E09000006", 20),
            ("E09000007", 44),
            ("E09000008", 66),
            ("E09000009", 50),
            ("E09000010", 46),
            ("E09000011", 40),
            ("E09000012", 58),
            ("E09000013", 26),
            ("E09000014", 48),
            ("E09000015", 18),
            ("E09000016", 20),
            ("E09000017", 42),
            ("E09000018", 34),
            ("E09000019", 42),
            ("E09000020", 20),
            ("E09000021", 9),
            ("E09000022", 56),
            ("E09000023", 44),
            ("E09000024", 16),
            ("E09000025", 72),
            ("E09000026", 32),
            ("E09000027", 7),
            ("E09000028", 54),
            ("E09000029", 12),
            ("E09000030", 58),
            ("E09000031", 40),
            ("E09000032", 34),
            ("E09000033", 68),
            ("outside-london", 50),
        ],
    ),
    (
        "exploitation",
        &[
            ("ForcedLabour", 30),
            ("SexualExploitation", 22),
            ("uk-county-lines", 20),
            ("uk-criminal", 14),
            ("Servitude", 9),
            ("uk-financial", 3),
            ("ForcedBegging", 2),
        ],
    ),
    (
        "main-exploitation",
        &[
            ("labour", 32),
            ("criminal", 38),
            ("sexual", 20),
            ("domestic", 8),
            ("other", 2),
        ],
    ),
    (
        "gender",
        &[("Masculine", 70), ("Feminine", 28), ("other", 2)],
    ),
];

/// Runs the pan-London round with invented records.
#[derive(Parser)]
struct Arguments {
    /// Exit after the round instead of serving the dashboard.
    #[arg(long)]
    once: bool,
    /// Folder to write release.json to.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// What every invented record follows from.
    #[arg(long, default_value_t = 2026)]
    seed: u64,
    /// The quarter, the last one of several.
    #[arg(long, default_value = "2026-Q3")]
    period: Period,
    /// How many quarters, each with a round of its own [default: 8, with --once 1].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=40))]
    quarters: Option<u8>,
    /// Where to serve the dashboard.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR:PORT")]
    site: SocketAddr,
}

/// Quarters up to `last`, the oldest first.
fn quarters(last: Period, count: usize) -> Result<Vec<Period>, Failure> {
    let mut quarters = vec![last];
    while let (Some(earliest), true) = (quarters.last(), quarters.len() < count) {
        quarters.push(earliest.previous().ok_or("there is no quarter before")?);
    }
    quarters.reverse();
    Ok(quarters)
}

/// The shipped programme `id` as it would have been had it begun with `first`.
fn programme_from(id: &str, first: Period) -> Result<Programme, Failure> {
    let text = shipped(id).ok_or("the programme is shipped")?;
    let programme = Programme::parse(text)?;
    if programme.calendar().first_period() <= first {
        return Ok(programme);
    }
    let as_is = format!("first = \"{}\"", programme.calendar().first_period());
    let programme = Programme::parse(&text.replace(&as_is, &format!("first = \"{first}\"")))?;
    Ok(programme)
}

fn members(programme: &Programme, quarters: &[Period], seed: u64) -> Vec<Member> {
    let mut records = Records::new(programme, WEIGHTS, seed).changing(CHANGES);
    let mut members = Vec::new();
    let mut add = |id: String, name: String, kind, count: usize, lost_after| {
        let volumes = (0..quarters.len())
            .rev()
            .map(|ago| count * volume(ago) / 100);
        let counts: Vec<(Period, usize)> = quarters.iter().copied().zip(volumes).collect();
        let records = records.csv_over(&id, &counts);
        members.push(Member {
            id,
            name,
            kind,
            records,
            lost_after,
        });
    };
    for number in 1..=BOROUGHS.0 {
        let lost = (number == BOROUGHS.0).then_some(Phase::Join);
        let (id, name) = (
            format!("borough-{number}"),
            format!("Borough council {number}"),
        );
        add(id, name, PartnerKind::LocalAuthority, BOROUGHS.1, lost);
    }
    for number in 1..=CHARITIES.0 {
        let lost = (number == CHARITIES.0).then_some(Phase::Share);
        let (id, name) = (format!("charity-{number:02}"), format!("Charity {number}"));
        add(id, name, PartnerKind::Ngo, CHARITIES.1, lost);
    }
    add(
        "hospital".into(),
        "Hospital".into(),
        PartnerKind::Health,
        HOSPITAL,
        None,
    );
    add(
        "met-police".into(),
        "Metropolitan Police".into(),
        PartnerKind::Police,
        MET,
        None,
    );
    members
}

/// Hundredths of the records of quarter `ago` quarters before the last one.
fn volume(ago: usize) -> usize {
    *VOLUME
        .iter()
        .rev()
        .nth(ago)
        .or(VOLUME.first())
        .unwrap_or(&100)
}

/// Invented referrals to set the picture beside, as a file that `baseline import` reads.
fn invented_baseline(quarters: &[Period]) -> String {
    let records = BOROUGHS.0 * BOROUGHS.1 + CHARITIES.0 * CHARITIES.1 + HOSPITAL + MET;
    let of = |dimension: &str| WEIGHTS.iter().find(|(name, _)| *name == dimension);
    let mut file = "period,dimension,category,count\n".to_owned();
    for (ago, quarter) in (0..quarters.len()).rev().zip(quarters) {
        let total = records * volume(ago) * REFERRED / 10_000;
        file.push_str(&format!("{quarter},,,{total}\n"));
        let (dimension, shares) = of(REFERRED_BY).copied().unwrap_or((REFERRED_BY, &[]));
        for (category, share) in shares {
            let share = usize::try_from(*share).unwrap_or(0);
            file.push_str(&format!(
                "{quarter},{dimension},{category},{}\n",
                total * share / 100
            ));
        }
    }
    file
}

#[tokio::main]
async fn main() -> ExitCode {
    demonstration::outcome(run(Arguments::parse()).await)
}

async fn run(arguments: Arguments) -> Result<(), Failure> {
    demonstration::prepare(arguments.out.as_deref())?;
    let by_default = if arguments.once { 1 } else { TWO_YEARS };
    let count = arguments.quarters.map_or(by_default, usize::from);
    let quarters = quarters(arguments.period, count)?;
    let programme = programme_from(PROGRAMME, *quarters.first().ok_or("there is a quarter")?)?;
    println!("invented records from seed {}", arguments.seed);
    let members = members(&programme, &quarters, arguments.seed);
    let folder = tempfile::tempdir()?;
    let site = demonstration::site(arguments.once, arguments.site);
    let mut pictures = vec![Picture {
        programme: programme.as_toml(),
        mapping: MAPPING,
        members,
    }];
    // The other picture of the dashboard, with other partners.
    let food = programme_from(
        food::PROGRAMME,
        *quarters.first().ok_or("there is a quarter")?,
    )?;
    if !arguments.once {
        pictures.push(Picture {
            programme: food.as_toml(),
            mapping: food::MAPPING,
            members: food::members(&food, &quarters, arguments.seed),
        });
    }
    let demonstration = Demonstration::start_several(folder.path(), pictures, site).await?;
    println!("22 partners are enrolled, each with its own vault");
    demonstration
        .import_baseline(PROGRAMME, &invented_baseline(&quarters), INVENTED)
        .await?;
    if let Some(site) = demonstration.site().filter(|_| !arguments.once) {
        println!("so are 14 food companies; the dashboard fills at http://{site}/");
        for quarter in &quarters {
            demonstration
                .round_of(food::PROGRAMME, &quarter.to_string())
                .await?;
        }
    }
    for (ago, quarter) in (1..quarters.len()).rev().zip(&quarters) {
        let mut lost = demonstration.lost();
        let (lost_ago, partner, after) = LOST_EARLIER;
        if ago == lost_ago {
            lost.insert(partner.to_owned(), after);
        }
        demonstration
            .round_losing(&quarter.to_string(), &lost)
            .await?;
    }
    let finished = demonstration.round(&arguments.period.to_string()).await?;
    demonstration
        .finish(&finished.json, arguments.out.as_deref(), arguments.once)
        .await
}
