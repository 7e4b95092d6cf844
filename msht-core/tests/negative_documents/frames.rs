//! Frames: every request and every response.

use std::collections::BTreeMap;

use msht_core::testkit::mutate::Tree;
use msht_core::testkit::samples::{every_request, every_response};
use msht_core::wire::{Request, Response, decode_frame, encode_frame};
use serde::Serialize;

use super::{Changed, Family, Form, Refusal, Vectors, changed, judged, outer};

pub(super) const FAMILY: Family = Family {
    file: "frames.json",
    least_refused: 200,
    computed,
    form: |_| Form::Binary(0),
    receive,
};

fn receive(name: &str, bytes: &[u8], _: &BTreeMap<String, Vec<u8>>) -> Result<(), Refusal> {
    let read = match name.starts_with("request") {
        true => decode_frame::<Request>(bytes).map(drop),
        false => decode_frame::<Response>(bytes).map(drop),
    };
    read.map_err(|error| Refusal::new(format!("{error:?}")))
}

fn cases<T: Serialize>(value: &T) -> Vec<Changed> {
    let honest = encode_frame(value).unwrap();
    let mut cases = outer(&honest);
    for version in [0, 2] {
        let mut other = honest.clone();
        other[0] = version;
        cases.push(changed(format!("version {version}"), other));
    }
    if honest.len() > 13 {
        let mut long = honest.clone();
        long[5..13].copy_from_slice(&u64::MAX.to_le_bytes());
        cases.push(changed(
            "the eight bytes behind the variant are all ones",
            long,
        ));
    }
    cases.extend(Tree::of(value).mutations().into_iter().map(|mutation| {
        let bytes = [&honest[..1], mutation.tree.encoded().as_slice()].concat();
        changed(mutation.name(), bytes)
    }));
    cases
}

fn computed() -> Vectors {
    let mut documents = Vec::new();
    let mut add = |name: String, honest: Vec<u8>, cases: Vec<Changed>| {
        let receiver = |bytes: &[u8], beside: &BTreeMap<_, _>| receive(&name, bytes, beside);
        let mut document = judged(&name, Form::Binary(0), &honest, cases, &receiver);
        // Another request is simply another request.
        document.also_accepted.clear();
        documents.push(document);
    };
    for (name, value) in every_request() {
        let name = format!("request {name}");
        add(name, encode_frame(&value).unwrap(), cases(&value));
    }
    for (name, value) in every_response() {
        let name = format!("response {name}");
        add(name, encode_frame(&value).unwrap(), cases(&value));
    }
    Vectors {
        about: "Frames; bytes are hexadecimal. Each is refused as no frame with `remove` bytes at `at` replaced by \
                `insert` for each of `edits`, the last first: Malformed (no encoding of such a value, or another \
                version), Trailing (bytes follow) or NotCanonical (the value has another encoding)."
            .to_owned(),
        given: BTreeMap::new(),
        documents,
    }
}
