//! Phase 0: joins are collected into the roll.

use std::collections::BTreeMap;

use super::collect::{Authentic, Slot, check_slot};
use super::sharing::Sharing;
use crate::secagg::checks::{Check, Fault};
use crate::secagg::context::RoundContext;
use crate::secagg::messages::{RollBody, SignedMessage};
use crate::secagg::roll::{Member, Roll, check_join_body};

pub(super) struct Joining {
    pub(super) joins: BTreeMap<u8, (SignedMessage, Member)>,
}

impl Joining {
    pub(super) fn new() -> Self {
        Self {
            joins: BTreeMap::new(),
        }
    }

    /// C2, C3 on a Join.
    pub(super) fn accept(&mut self, message: Authentic) -> Result<Slot, Fault> {
        let slot = check_slot(&self.joins, &message)?;
        if slot == Slot::Free {
            let member = check_join_body(&message)
                .map_err(|violation| Fault::partner(Check::C2, message.sender, violation))?;
            self.joins
                .insert(message.sender, (message.into_message(), member));
        }
        Ok(slot)
    }

    /// The roll, and the phase that collects what its members deal. Each join passed C1 and C2, and there is
    /// one of a partner in order of index: what each node will check of the roll (N5).
    pub(super) fn close(self, context: &RoundContext) -> Result<(RollBody, Sharing), Fault> {
        let (joins, roll) = Roll::of_checked(context, self.joins)
            .map_err(|violation| Fault::caller(Check::C2, violation))?;
        Ok((RollBody { joins }, Sharing::new(roll)))
    }
}
