//! Secrets planted in a test, and the search for them in every shape they might leak in.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use memchr::memmem;

/// A byte string that must not be found, and whose it is.
struct Needle {
    secret: String,
    shape: &'static str,
    bytes: Vec<u8>,
    /// Digits may stand inside longer runs of digits and letters (ids, digests) by accident: those are no find.
    alone: bool,
    /// Finds in one place that accident does not explain. Four bytes turn up in some megabytes of ciphertext once in
    /// a few hundred runs, so of those it takes two.
    finds: usize,
}

/// Everything that was planted.
#[derive(Default)]
pub(crate) struct Needles(Vec<Needle>);

/// Where something was found: the secret, its shape, and the place.
pub(crate) type Find = (String, &'static str, PathBuf);

impl Needles {
    fn push(&mut self, secret: &str, shape: &'static str, bytes: Vec<u8>) {
        let (secret, alone, finds) = (secret.to_owned(), false, 1);
        self.0.push(Needle {
            secret,
            shape,
            bytes,
            alone,
            finds,
        });
    }

    /// A text, as UTF-8 and UTF-16, as hexadecimal and as base64 at each of its three alignments.
    pub(crate) fn text(&mut self, secret: &str, text: &str) {
        self.bytes(secret, text.as_bytes());
        let units: Vec<u16> = text.encode_utf16().collect();
        let little = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        self.push(secret, "UTF-16, little-endian", little);
        let big = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        self.push(secret, "UTF-16, big-endian", big);
    }

    /// Bytes as they are, as hexadecimal and as base64 at each of its three alignments.
    pub(crate) fn bytes(&mut self, secret: &str, bytes: &[u8]) {
        self.push(secret, "bytes", bytes.to_vec());
        self.push(secret, "hexadecimal", hex::encode(bytes).into_bytes());
        self.push(secret, "HEXADECIMAL", hex::encode_upper(bytes).into_bytes());
        let list = bytes.iter().map(u8::to_string).collect::<Vec<_>>();
        self.push(secret, "list of bytes", list.join(", ").into_bytes());
        for (skip, shape) in ["base64", "base64, second", "base64, third"]
            .iter()
            .enumerate()
        {
            // Whatever stands before fills the first group; only groups of the secret alone are looked for.
            let Some(aligned) = bytes.get(skip..) else {
                continue;
            };
            let (groups, _) = aligned.as_chunks::<3>();
            self.push(
                secret,
                shape,
                STANDARD_NO_PAD.encode(groups.as_flattened()).into_bytes(),
            );
        }
    }

    /// A count: decimal digits in both widths of text, and integers of eight and of four bytes.
    pub(crate) fn count(&mut self, secret: &str, count: u32) {
        let text = count.to_string();
        self.push(secret, "digits", text.clone().into_bytes());
        if let Some(needle) = self.0.last_mut() {
            needle.alone = true;
        }
        let wide = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        self.push(secret, "digits in UTF-16", wide);
        self.push(
            secret,
            "u64, little-endian",
            u64::from(count).to_le_bytes().to_vec(),
        );
        self.push(
            secret,
            "u64, big-endian",
            u64::from(count).to_be_bytes().to_vec(),
        );
        for (shape, bytes) in [
            ("u32, little-endian", count.to_le_bytes()),
            ("u32, big-endian", count.to_be_bytes()),
        ] {
            self.push(secret, shape, bytes.to_vec());
            if let Some(needle) = self.0.last_mut() {
                needle.finds = 2;
            }
        }
    }

    /// Numbers that stand one after another in a vector.
    pub(crate) fn vector(&mut self, secret: &str, cells: &[i64]) {
        let narrow = |cell: &i64| i32::try_from(*cell).unwrap();
        let little = cells.iter().flat_map(|cell| narrow(cell).to_le_bytes());
        self.bytes(
            &format!("{secret}, u32 little-endian"),
            &little.collect::<Vec<_>>(),
        );
        let big = cells.iter().flat_map(|cell| narrow(cell).to_be_bytes());
        self.bytes(
            &format!("{secret}, u32 big-endian"),
            &big.collect::<Vec<_>>(),
        );
        let little = cells.iter().flat_map(|cell| cell.to_le_bytes());
        self.bytes(
            &format!("{secret}, u64 little-endian"),
            &little.collect::<Vec<_>>(),
        );
        let texts = cells.iter().map(i64::to_string).collect::<Vec<_>>();
        for (shape, between) in [("list", ", "), ("dense list", ","), ("columns", " ")] {
            self.push(secret, shape, texts.join(between).into_bytes());
        }
    }

    /// What is found in `bytes`, which are at `place`.
    pub(crate) fn find_in(&self, bytes: &[u8], place: &Path) -> Vec<Find> {
        let is_word = |at: Option<&u8>| at.is_some_and(u8::is_ascii_alphanumeric);
        let mut found = Vec::new();
        for needle in &self.0 {
            let finder = memmem::Finder::new(&needle.bytes);
            let hits = finder.find_iter(bytes).filter(|start| {
                let before = start.checked_sub(1).and_then(|at| bytes.get(at));
                let after = bytes.get(start + needle.bytes.len());
                !(needle.alone && (is_word(before) || is_word(after)))
            });
            if hits.take(needle.finds).count() == needle.finds {
                found.push((needle.secret.clone(), needle.shape, place.to_owned()));
            }
        }
        found
    }

    /// What is found in the files below `folder`, and the number of bytes searched.
    pub(crate) fn find_below(&self, folder: &Path) -> (Vec<Find>, usize) {
        let mut found = Vec::new();
        let mut searched = 0;
        for (path, bytes) in files_below(folder) {
            searched += bytes.len();
            found.extend(self.find_in(&bytes, &path));
            found.extend(self.find_in(path.to_string_lossy().as_bytes(), &path));
        }
        (found, searched)
    }
}

/// Every file below `folder` with its content.
pub(crate) fn files_below(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                let bytes = fs::read(entry.path()).unwrap();
                files.insert(entry.path(), bytes);
            }
        }
    }
    files
}

#[test]
fn the_search_finds_every_shape_and_no_accident() {
    let mut needles = Needles::default();
    needles.text("name", "Zyxwollong");
    needles.count("count", 51_437);
    needles.vector("cells", &[87_617, 51_437, -3]);
    let shapes = needles.0.len();
    let mut all = b"-".to_vec();
    for needle in &needles.0 {
        for _ in 0..needle.finds {
            all.extend_from_slice(&needle.bytes);
            all.push(b'-');
        }
    }
    let found = needles.find_in(&all, Path::new("all"));
    assert_eq!(found.len(), shapes, "{found:?}");
    // A text behind one and behind two other bytes: base64 at its other alignments.
    for before in ["", "a", "ab"] {
        let encoded = STANDARD_NO_PAD.encode(format!("{before}Zyxwollong and more"));
        let found = needles.find_in(encoded.as_bytes(), Path::new("base64"));
        assert!(
            found.iter().any(|find| find.1.starts_with("base64")),
            "{before}"
        );
    }
    let accident = b"id 3f51437a, and \xed\xc8\x00\x00\x01 once";
    assert_eq!(needles.find_in(accident, Path::new("accident")), []);
}
