//! Every committed input through its target, without libFuzzer; and the generator of the seeds.
//!
//! `MSHT_WRITE_SEEDS=1 cargo test -p msht-fuzz` writes the seeds anew; see `README.md`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use msht_fuzz::{Target, targets};

/// Most bytes of all corpora together: they are part of every clone.
const MOST_CORPUS_BYTES: u64 = 1024 * 1024;

fn corpus(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target.name)
}

/// Files of a target's corpus in the order of their names.
fn inputs(target: &Target) -> Vec<PathBuf> {
    let Ok(folder) = fs::read_dir(corpus(target)) else {
        return Vec::new();
    };
    let mut paths: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn write_seeds(target: &Target) {
    let folder = corpus(target);
    fs::create_dir_all(&folder).unwrap();
    for (name, bytes) in (target.seeds)() {
        fs::write(folder.join(format!("seed-{name}")), bytes).unwrap();
    }
}

/// One test, so that no other thread's memory is taken for a target's.
#[test]
fn every_committed_input_keeps_its_target_s_properties() {
    let write = std::env::var_os("MSHT_WRITE_SEEDS").is_some();
    let mut total = 0;
    for target in targets() {
        if write {
            write_seeds(&target);
        }
        // Once unmeasured: what is made once and kept is not what an input costs.
        let seeds = (target.seeds)();
        for (_, bytes) in &seeds {
            let _ = (target.run)(bytes);
        }
        for (name, bytes) in &seeds {
            assert!(
                target.check(bytes),
                "{}: refused the honest {name}",
                target.name
            );
            let stored = fs::read(corpus(&target).join(format!("seed-{name}"))).unwrap_or_default();
            assert!(
                stored == *bytes,
                "{}: the seed {name} is not what is made now; its format changed, or it was never written",
                target.name
            );
        }
        for path in inputs(&target) {
            let bytes = fs::read(&path).unwrap();
            total += bytes.len() as u64;
            let accepted = target.check(&bytes);
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            assert!(
                !(name.starts_with("refused-") && accepted),
                "{}: accepted {name}",
                target.name
            );
        }
    }
    assert!(total <= MOST_CORPUS_BYTES, "{total} bytes of corpora");
}
