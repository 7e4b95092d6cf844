//! The 33 London boroughs: their outlines and neighbours, and a grid in which each has a tile of one size.
//!
//! Outlines and neighbours come from `assets/boroughs`, which says how they were made. Two boroughs are neighbours where
//! they share a stretch of boundary on land: across the Thames none are. Contains Ordnance Survey and National Statistics
//! data (Open Government Licence v3).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

/// What the licence of the outlines asks to be said where they are shown.
pub(in crate::site) const ATTRIBUTION: &str = "Boundaries: contains Ordnance Survey data © Crown copyright and database \
     right, and National Statistics data © Crown copyright and database right, Open Government Licence v3.";

/// The outlines of all boroughs in one drawing.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::site) struct Outlines {
    /// Width and height of the drawing.
    pub(in crate::site) width: i64,
    pub(in crate::site) height: i64,
    pub(in crate::site) boroughs: Vec<Outline>,
}

/// One borough; its name is in the file, for those who read it.
#[derive(Debug, Deserialize)]
pub(in crate::site) struct Outline {
    /// Code of the Office for National Statistics.
    pub(in crate::site) code: String,
    /// The outline as path data.
    pub(in crate::site) outline: String,
    /// The place farthest inside, and how far that is from the outline.
    pub(in crate::site) middle: [i64; 2],
    pub(in crate::site) room: i64,
    /// Codes of the boroughs it touches on land.
    pub(in crate::site) neighbours: Vec<String>,
}

/// The outlines; none if their file were not what this version reads, which a test rules out.
pub(in crate::site) fn outlines() -> Option<&'static Outlines> {
    static OUTLINES: LazyLock<Option<Outlines>> = LazyLock::new(|| {
        serde_json::from_str(include_str!("../../../assets/boroughs/boroughs.json")).ok()
    });
    OUTLINES.as_ref()
}

/// Codes of the neighbours of each borough, by code.
pub(in crate::site) fn neighbours() -> BTreeMap<&'static str, Vec<&'static str>> {
    let boroughs = outlines().map_or(&[][..], |outlines| &outlines.boroughs);
    boroughs
        .iter()
        .map(|borough| {
            let neighbours = borough.neighbours.iter().map(String::as_str).collect();
            (borough.code.as_str(), neighbours)
        })
        .collect()
}

/// Where a borough stands in the grid.
#[derive(Debug, Clone, Copy)]
pub(in crate::site) struct Tile {
    pub(in crate::site) code: &'static str,
    /// A name that fits a tile.
    pub(in crate::site) short: &'static str,
    /// Three letters, for the small tiles of a telephone.
    pub(in crate::site) letters: &'static str,
    pub(in crate::site) column: i64,
    pub(in crate::site) row: i64,
}

/// Columns and rows of the grid.
pub(in crate::site) const GRID: (i64, i64) = (8, 7);

/// The grid: as far as it goes, each borough on the side of its neighbours where it lies.
pub(in crate::site) const TILES: [Tile; 33] = [
    tile("E09000010", "Enfield", "ENF", 4, 0),
    tile("E09000015", "Harrow", "HRW", 2, 1),
    tile("E09000003", "Barnet", "BNT", 3, 1),
    tile("E09000014", "Haringey", "HGY", 4, 1),
    tile("E09000031", "Waltham F.", "WTH", 5, 1),
    tile("E09000017", "Hillingdon", "HLD", 0, 2),
    tile("E09000009", "Ealing", "EAL", 1, 2),
    tile("E09000005", "Brent", "BRT", 2, 2),
    tile("E09000007", "Camden", "CMD", 3, 2),
    tile("E09000019", "Islington", "ISL", 4, 2),
    tile("E09000012", "Hackney", "HCK", 5, 2),
    tile("E09000026", "Redbridge", "RDB", 6, 2),
    tile("E09000016", "Havering", "HVR", 7, 2),
    tile("E09000018", "Hounslow", "HNS", 0, 3),
    tile("E09000013", "Hammersm.", "HMF", 1, 3),
    tile("E09000020", "Kensington", "KNC", 2, 3),
    tile("E09000033", "Westminst.", "WST", 3, 3),
    tile("E09000001", "City", "CTY", 4, 3),
    tile("E09000030", "Tower H.", "TWH", 5, 3),
    tile("E09000025", "Newham", "NWM", 6, 3),
    tile("E09000002", "Barking", "BAR", 7, 3),
    tile("E09000027", "Richmond", "RCH", 1, 4),
    tile("E09000032", "Wandsw.", "WNS", 2, 4),
    tile("E09000022", "Lambeth", "LAM", 3, 4),
    tile("E09000028", "Southwark", "SWK", 4, 4),
    tile("E09000023", "Lewisham", "LEW", 5, 4),
    tile("E09000011", "Greenwich", "GRN", 6, 4),
    tile("E09000004", "Bexley", "BXL", 7, 4),
    tile("E09000021", "Kingston", "KNG", 2, 5),
    tile("E09000024", "Merton", "MRT", 3, 5),
    tile("E09000008", "Croydon", "CRD", 4, 5),
    tile("E09000006", "Bromley", "BRM", 5, 5),
    tile("E09000029", "Sutton", "STN", 3, 6),
];

const fn tile(
    code: &'static str,
    short: &'static str,
    letters: &'static str,
    column: i64,
    row: i64,
) -> Tile {
    Tile {
        code,
        short,
        letters,
        column,
        row,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use msht_core::programme::{Programme, shipped};

    use super::*;

    #[test]
    fn grid_outlines_and_the_programme_have_the_same_boroughs() {
        let programme = Programme::parse(shipped("pan-london").unwrap()).unwrap();
        let dimension = programme.codebook().dimension("borough").unwrap();
        let of_programme: BTreeSet<(&str, &str)> = dimension
            .categories()
            .iter()
            .map(|category| (category.code(), category.label()))
            .filter(|(code, _)| code.starts_with("E09"))
            .collect();
        let file: serde_json::Value =
            serde_json::from_str(include_str!("../../../assets/boroughs/boroughs.json")).unwrap();
        let of_outlines: BTreeSet<(&str, &str)> = file["boroughs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|borough| ["code", "name"].map(|field| borough[field].as_str().unwrap()))
            .map(|[code, name]| (code, name))
            .collect();
        assert_eq!(of_outlines, of_programme);
        let codes: BTreeSet<&str> = TILES.iter().map(|tile| tile.code).collect();
        let expected: BTreeSet<&str> = of_programme.iter().map(|(code, _)| *code).collect();
        assert_eq!(codes, expected);
    }

    #[test]
    fn no_two_tiles_share_a_place_or_letters() {
        let places: BTreeSet<(i64, i64)> = TILES.iter().map(|t| (t.column, t.row)).collect();
        let letters: BTreeSet<&str> = TILES.iter().map(|tile| tile.letters).collect();
        assert_eq!((places.len(), letters.len()), (TILES.len(), TILES.len()));
        assert!(TILES.iter().all(|t| t.column < GRID.0 && t.row < GRID.1));
    }

    #[test]
    fn outlines_stay_inside_the_drawing() {
        let outlines = outlines().unwrap();
        for borough in &outlines.boroughs {
            let [x, y] = borough.middle;
            assert!(0 < x && x < outlines.width, "{}", borough.code);
            assert!(0 < y && y < outlines.height && borough.room > 0);
            assert!(borough.outline.starts_with('M') && borough.outline.ends_with('z'));
        }
    }

    #[test]
    fn neighbours_are_mutual_and_those_of_the_checked_list() {
        let all = neighbours();
        for (code, neighbours) in &all {
            assert!(!neighbours.is_empty() && !neighbours.contains(code));
            assert!(neighbours.iter().all(|other| all[other].contains(code)));
        }
        // The list is input that lies beside the repository, not in it.
        let list =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/london_geography.json");
        let Ok(text) = std::fs::read_to_string(&list) else {
            eprintln!("not compared: {} is not there", list.display());
            return;
        };
        let list: serde_json::Value = serde_json::from_str(&text).unwrap();
        for (code, neighbours) in &all {
            let listed: BTreeSet<&str> = list["boroughs"][code]["land_adjacent"]
                .as_array()
                .unwrap()
                .iter()
                .map(|code| code.as_str().unwrap())
                .collect();
            assert_eq!(neighbours.iter().copied().collect::<BTreeSet<_>>(), listed);
        }
    }
}
