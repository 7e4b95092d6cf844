//! Every change of every field of a message, generated from its definition.
//!
//! A value is taken apart by its own `Serialize` into a [`Tree`] with the names of its fields, each leaf and list is
//! changed in several ways, and the tree is written in the byte format of [`crate::wire`] again, whether or not that
//! still is a value of the type. A field that is added to a message is therefore changed too, without anybody having
//! to think of it.

mod serializer;

use serde::Serialize;

use crate::wire::encode;

/// A value taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tree {
    /// An integer of this many bytes, little-endian.
    Integer(Vec<u8>),
    /// The number of an enum's variant, and what it holds.
    Variant(u32, Box<Tree>),
    /// Bytes of a fixed number: digests, keys, signatures.
    Fixed(Vec<u8>),
    /// A byte string with its length.
    Bytes(Vec<u8>),
    /// A text with its length.
    Text(String),
    /// A list with its length.
    List(Vec<Tree>),
    /// Fields by name, or parts of a tuple by number.
    Fields(Vec<(String, Tree)>),
    /// Nothing, or something.
    Optional(Option<Box<Tree>>),
    /// A byte string that is itself an encoding.
    Nested(Box<Tree>),
}

/// One change of one place.
#[derive(Debug, Clone)]
pub struct Mutation {
    /// The place: names of fields and numbers of list elements, such as `joins[2].body.mask.x25519`.
    pub path: String,
    /// What was done there.
    pub what: &'static str,
    /// The whole value with that change.
    pub tree: Tree,
}

impl Mutation {
    /// Place and change, as exceptions name them.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}: {}", self.path, self.what)
    }
}

impl Tree {
    /// Takes a value apart.
    #[must_use]
    #[expect(
        clippy::expect_used,
        clippy::missing_panics_doc,
        reason = "test support: a type this cannot take apart, or that is written differently, is the test's mistake"
    )]
    pub fn of<T: Serialize>(value: &T) -> Self {
        let tree = value
            .serialize(serializer::Parts)
            .expect("a type of the wire");
        let bytes = encode(value).expect("within the limits");
        assert_eq!(tree.encoded(), bytes, "the tree is written as the value is");
        tree
    }

    /// The bytes.
    #[must_use]
    pub fn encoded(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write(&mut bytes);
        bytes
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        let length = |bytes: &mut Vec<u8>, length: usize| {
            bytes.extend((length as u64).to_le_bytes());
        };
        match self {
            Self::Integer(value) | Self::Fixed(value) => bytes.extend(value),
            Self::Variant(number, content) => {
                bytes.extend(number.to_le_bytes());
                content.write(bytes);
            }
            Self::Bytes(value) => {
                length(bytes, value.len());
                bytes.extend(value);
            }
            Self::Text(text) => {
                length(bytes, text.len());
                bytes.extend(text.as_bytes());
            }
            Self::List(items) => {
                length(bytes, items.len());
                items.iter().for_each(|item| item.write(bytes));
            }
            Self::Fields(fields) => fields.iter().for_each(|(_, field)| field.write(bytes)),
            Self::Optional(content) => {
                bytes.push(u8::from(content.is_some()));
                if let Some(content) = content {
                    content.write(bytes);
                }
            }
            Self::Nested(content) => {
                let inner = content.encoded();
                length(bytes, inner.len());
                bytes.extend(inner);
            }
        }
    }

    /// The field with this name, to be taken apart further or looked at.
    pub fn field(&mut self, name: &str) -> Option<&mut Self> {
        match self {
            Self::Fields(fields) => fields
                .iter_mut()
                .find(|(each, _)| each == name)
                .map(|(_, field)| field),
            _ => None,
        }
    }

    /// The elements of a list; none of anything else.
    pub fn items(&mut self) -> &mut [Self] {
        match self {
            Self::List(items) => items,
            _ => &mut [],
        }
    }

    /// Says that this byte string is the encoding of `content`.
    pub fn nest(&mut self, content: Self) {
        debug_assert_eq!(*self, Self::Bytes(content.encoded()));
        *self = Self::Nested(Box::new(content));
    }

    /// Every change of every place in this value.
    #[must_use]
    pub fn mutations(&self) -> Vec<Mutation> {
        let mut found = Vec::new();
        self.collect("", &|tree| tree, &mut found);
        found
    }

    /// `whole` puts a changed part back into the whole value.
    fn collect(&self, path: &str, whole: &dyn Fn(Self) -> Self, found: &mut Vec<Mutation>) {
        for (what, tree) in self.changes() {
            if tree != *self {
                let (path, tree) = (path.to_owned(), whole(tree));
                found.push(Mutation { path, what, tree });
            }
        }
        match self {
            Self::List(items) => {
                for (place, item) in items.iter().enumerate() {
                    let put_back = |changed| {
                        let mut items = items.clone();
                        if let Some(slot) = items.get_mut(place) {
                            *slot = changed;
                        }
                        whole(Self::List(items))
                    };
                    item.collect(&format!("{path}[{place}]"), &put_back, found);
                }
            }
            Self::Fields(fields) => {
                for (place, (name, field)) in fields.iter().enumerate() {
                    let put_back = |changed| {
                        let mut fields = fields.clone();
                        if let Some((_, slot)) = fields.get_mut(place) {
                            *slot = changed;
                        }
                        whole(Self::Fields(fields))
                    };
                    let dot = if path.is_empty() { "" } else { "." };
                    field.collect(&format!("{path}{dot}{name}"), &put_back, found);
                }
            }
            Self::Optional(Some(content)) => {
                let put_back = |changed| whole(Self::Optional(Some(Box::new(changed))));
                content.collect(path, &put_back, found);
            }
            Self::Nested(content) => {
                let put_back = |changed| whole(Self::Nested(Box::new(changed)));
                content.collect(path, &put_back, found);
            }
            Self::Variant(number, content) => {
                let put_back = |changed| whole(Self::Variant(*number, Box::new(changed)));
                content.collect(path, &put_back, found);
            }
            _ => {}
        }
    }

    /// The changes of this place itself.
    fn changes(&self) -> Vec<(&'static str, Self)> {
        match self {
            Self::Integer(value) => integer_changes(value),
            Self::Fixed(value) => same_length_changes(value)
                .into_iter()
                .map(|(what, bytes)| (what, Self::Fixed(bytes)))
                .collect(),
            Self::Bytes(value) => {
                let mut all = same_length_changes(value);
                all.extend(length_changes(value));
                let changed = all.into_iter();
                changed
                    .map(|(what, bytes)| (what, Self::Bytes(bytes)))
                    .collect()
            }
            Self::Text(text) => vec![
                ("longer", Self::Text(format!("{text}x"))),
                ("empty", Self::Text(String::new())),
                ("other letter", Self::Text(other_letter(text))),
            ],
            Self::List(items) => list_changes(items),
            Self::Variant(number, content) => [number.wrapping_add(1), u32::MAX]
                .into_iter()
                .map(|other| ("other variant", Self::Variant(other, content.clone())))
                .collect(),
            Self::Optional(Some(_)) => vec![("nothing", Self::Optional(None))],
            Self::Nested(content) => {
                let inner = content.encoded();
                let changed = length_changes(&inner).into_iter();
                changed
                    .map(|(what, bytes)| (what, Self::Bytes(bytes)))
                    .collect()
            }
            Self::Fields(_) | Self::Optional(None) => Vec::new(),
        }
    }
}

fn integer_changes(value: &[u8]) -> Vec<(&'static str, Tree)> {
    let add = |step: u8| {
        let mut bytes = value.to_vec();
        let mut carry = step;
        for byte in &mut bytes {
            let (sum, overflowed) = byte.overflowing_add(carry);
            *byte = sum;
            carry = match (step, overflowed) {
                // Adding 0xff…ff is taking one away.
                (0xff, true) => 0,
                (0xff, false) => 0xff,
                (_, overflowed) => u8::from(overflowed),
            };
            if carry == 0 {
                break;
            }
        }
        bytes
    };
    vec![
        ("one more", Tree::Integer(add(1))),
        ("one less", Tree::Integer(add(0xff))),
        ("zero", Tree::Integer(vec![0; value.len()])),
        ("largest", Tree::Integer(vec![0xff; value.len()])),
    ]
}

fn same_length_changes(value: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let flipped = |place: usize, mask: u8| {
        let mut bytes = value.to_vec();
        if let Some(byte) = bytes.get_mut(place) {
            *byte ^= mask;
        }
        bytes
    };
    vec![
        ("first bit", flipped(0, 1)),
        ("middle bit", flipped(value.len() / 2, 0x10)),
        ("last bit", flipped(value.len().saturating_sub(1), 0x80)),
        ("zeros", vec![0; value.len()]),
        ("ones", vec![0xff; value.len()]),
    ]
}

fn length_changes(value: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let shorter = value.split_last().map_or(&[][..], |(_, rest)| rest);
    vec![
        ("shorter", shorter.to_vec()),
        ("longer", [value, &[0]].concat()),
        ("empty", Vec::new()),
    ]
}

fn other_letter(text: &str) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    let middle = letters.len() / 2;
    if let Some(letter) = letters.get_mut(middle) {
        *letter = if *letter == 'x' { 'y' } else { 'x' };
    }
    letters.into_iter().collect()
}

fn list_changes(items: &[Tree]) -> Vec<(&'static str, Tree)> {
    let mut changes = vec![("empty", Tree::List(Vec::new()))];
    for place in 0..items.len() {
        let mut fewer = items.to_vec();
        let removed = fewer.remove(place);
        changes.push(("one removed", Tree::List(fewer.clone())));
        let mut twice = items.to_vec();
        twice.insert(place, removed.clone());
        changes.push(("one twice", Tree::List(twice)));
        fewer.push(removed);
        changes.push(("one moved to the end", Tree::List(fewer)));
    }
    changes.push((
        "reversed",
        Tree::List(items.iter().rev().cloned().collect()),
    ));
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::HexBytes;
    use crate::wire::Blob;

    #[derive(Serialize)]
    enum Kind {
        Plain,
        With { number: u16 },
    }

    #[derive(Serialize)]
    struct Sample {
        digest: HexBytes<32>,
        blob: Blob,
        list: Vec<u64>,
        name: String,
        none: Option<u8>,
        some: Option<i64>,
        kinds: (Kind, Kind),
    }

    fn sample() -> Sample {
        Sample {
            digest: HexBytes([1; 32]),
            blob: vec![1, 2].into(),
            list: vec![5, 6],
            name: "ab".to_owned(),
            none: None,
            some: Some(-1),
            kinds: (Kind::Plain, Kind::With { number: 256 }),
        }
    }

    #[test]
    fn every_field_is_changed_and_every_change_is_a_change() {
        let tree = Tree::of(&sample());
        let mutations = tree.mutations();
        for path in [
            "digest",
            "blob",
            "list",
            "list[0]",
            "list[1]",
            "name",
            "some",
            "kinds.0",
            "kinds.1",
            "kinds.1.number",
        ] {
            let changes = mutations.iter().filter(|each| each.path == path).count();
            assert!(changes >= 1, "{path}: {changes}");
        }
        assert!(mutations.iter().all(|each| each.tree != tree));
        assert!(
            mutations
                .iter()
                .all(|each| each.tree.encoded() != tree.encoded())
        );
    }

    #[test]
    fn a_number_is_taken_one_up_and_one_down_across_its_bytes() {
        let changed = |value: u16, what: &str| {
            let tree = Tree::of(&value);
            let all = tree.mutations();
            let change = all.iter().find(|each| each.what == what).unwrap();
            u16::from_le_bytes(change.tree.encoded().try_into().unwrap())
        };
        assert_eq!(changed(0x00ff, "one more"), 0x0100);
        assert_eq!(changed(0x0100, "one less"), 0x00ff);
        assert_eq!(changed(0x0101, "one less"), 0x0100);
    }

    #[test]
    fn what_is_nested_is_changed_inside() {
        let inner = Tree::of(&(7u8, 9u8));
        let mut tree = Tree::of(&Blob::from(inner.encoded()));
        let plain = tree.encoded();
        tree.nest(inner);
        assert_eq!(tree.encoded(), plain);
        let mutations = tree.mutations();
        assert!(mutations.iter().any(|each| each.path == "1"));
        assert!(mutations.iter().any(|each| each.what == "shorter"));
    }
}
