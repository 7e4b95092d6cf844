//! The programmes that ship with the library.

/// Id and text of every shipped programme.
pub const SHIPPED: [(&str, &str); 5] = [
    (
        "pan-london",
        include_str!("../../programmes/pan-london.toml"),
    ),
    ("msin", include_str!("../../programmes/msin.toml")),
    ("nrm", include_str!("../../programmes/nrm.toml")),
    (
        "survivor-journeys",
        include_str!("../../programmes/survivor-journeys.toml"),
    ),
    ("proceeds", include_str!("../../programmes/proceeds.toml")),
];

/// The text of the shipped programme with this id.
#[must_use]
pub fn shipped(id: &str) -> Option<&'static str> {
    SHIPPED
        .iter()
        .find(|(shipped, _)| *shipped == id)
        .map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::programme::{Dimension, Programme};

    /// Id, cells and digest. A changed digest is another programme: raise its `version` with it.
    const FROZEN: [(&str, usize, &str); 5] = [
        (
            "pan-london",
            375,
            "4fae576db57b2164122ec623abd8b46805fe7de7a8e04af8251df06de7b82c55",
        ),
        (
            "msin",
            61,
            "93aa6894178a77624733cab90ae5887d8ff14cac075c4dbf001662bef92e89d4",
        ),
        (
            "nrm",
            77,
            "4098073c379ec7a84e364602d727d35341df97d9a716f53c06961d66738d8abb",
        ),
        (
            "survivor-journeys",
            494,
            "d370fab5323fc35816a05a5328f3a478d31ad5b777465dfa53947721cc4f8896",
        ),
        (
            "proceeds",
            150,
            "564a91196cb2f1bfb01a613daaccf87daf3e2977d0d9f1c0fd1329861dbf9f0f",
        ),
    ];

    #[test]
    fn shipped_programmes_are_frozen() {
        let mut found = Vec::new();
        for (id, text) in SHIPPED {
            let programme = Programme::parse(text).unwrap();
            assert_eq!(programme.id(), id);
            assert_eq!(shipped(id), Some(text));
            let privacy = programme.privacy();
            assert_eq!(&programme.epsilon_per_round(), privacy.epsilon_per_period());
            found.push((id, programme.cells(), programme.digest().to_string()));
        }
        let frozen: Vec<_> = FROZEN
            .map(|(id, cells, hex)| (id, cells, hex.to_owned()))
            .into();
        assert_eq!(found, frozen);
        assert_eq!(shipped("other"), None);
    }

    #[test]
    fn shipped_mappings_lead_to_categories_of_their_programmes() {
        for (id, text) in [
            (
                "pan-london",
                include_str!("../../programmes/mappings/pan-london.toml"),
            ),
            ("msin", include_str!("../../programmes/mappings/msin.toml")),
            ("nrm", include_str!("../../programmes/mappings/nrm.toml")),
            (
                "survivor-journeys",
                include_str!("../../programmes/mappings/survivor-journeys.toml"),
            ),
            (
                "proceeds",
                include_str!("../../programmes/mappings/proceeds.toml"),
            ),
        ] {
            let programme = Programme::parse(shipped(id).unwrap()).unwrap();
            let mapping: toml::Table = toml::from_str(text).unwrap();
            let mapped = mapping["dimension"].as_array().unwrap();
            let ids: Vec<_> = mapped
                .iter()
                .map(|entry| entry["id"].as_str().unwrap())
                .collect();
            let dimensions = programme.codebook().dimensions();
            assert_eq!(
                ids,
                dimensions.iter().map(Dimension::id).collect::<Vec<_>>()
            );
            for (dimension, entry) in dimensions.iter().zip(mapped) {
                assert_eq!(
                    entry.get("separator").is_some(),
                    dimension.is_multi_valued()
                );
                let unlisted = entry["unlisted"].as_str().unwrap();
                assert!(unlisted == "reject" || dimension.category_index(unlisted).is_some());
                let values = entry["values"].as_table().unwrap();
                let codes: Vec<_> = values.values().map(|code| code.as_str().unwrap()).collect();
                for code in &codes {
                    assert!(dimension.category_index(code).is_some(), "{id}: {code}");
                }
                for category in dimensions
                    .iter()
                    .filter(|d| d.id() == dimension.id())
                    .flat_map(|d| d.categories())
                {
                    let reached = codes.contains(&category.code()) || unlisted == category.code();
                    assert!(reached, "{id}: nothing maps to {}", category.code());
                }
            }
        }
    }
}
