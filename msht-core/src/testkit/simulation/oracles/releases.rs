//! Oracle 5: no release below m, none over two survivor sets, by the programme's m.

use std::collections::BTreeMap;

use super::{Oracle, Oracles};
use crate::crypto::Digest;
use crate::secagg::coordinator::Opened;

#[derive(Default)]
pub(super) struct Releases {
    survivors: BTreeMap<Digest, Vec<u8>>,
    announced: BTreeMap<Digest, Digest>,
}

impl Oracles {
    pub(super) fn survivors_opened(&mut self, round: &Digest, opened: &Opened) {
        let survivors = &opened.confirm.survivors;
        let least = usize::from(self.params.least_survivors());
        if survivors.len() < least {
            let what = format!("a sum of {} opened where m is {least}", survivors.len());
            self.found(Oracle::OneRelease, what);
        }
        let first = self
            .releases
            .survivors
            .entry(*round)
            .or_insert_with(|| survivors.clone());
        if first != survivors {
            let what = format!("one round opened over {first:?} and over {survivors:?}");
            self.found(Oracle::OneRelease, what);
        }
    }

    /// A release was given out.
    pub(in super::super) fn release_left(&mut self, round: Digest, release: Digest) {
        if *self.releases.announced.entry(round).or_insert(release) != release {
            self.found(
                Oracle::OneRelease,
                "two releases of one round were given out".to_owned(),
            );
        }
    }
}
