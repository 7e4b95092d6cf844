//! Every target in one binary, which builds once: `MSHT_FUZZ_TARGET` names the one to run.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use msht_fuzz::Target;

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("MSHT_FUZZ_TARGET").unwrap_or_default();
    let Some(target) = msht_fuzz::target(&name) else {
        let known: Vec<_> = msht_fuzz::targets().iter().map(|target| target.name).collect();
        panic!("set MSHT_FUZZ_TARGET to one of: {}", known.join(" "));
    };
    // What is made once and kept is not what an input costs.
    for (_, seed) in (target.seeds)() {
        let _ = (target.run)(&seed);
    }
    target
});

fuzz_target!(|data: &[u8]| {
    let _ = TARGET.check(data);
});
