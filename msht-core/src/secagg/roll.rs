//! The roll: who joined, with which keys.

use std::collections::BTreeMap;

use super::checks::Violation;
use super::context::RoundContext;
use super::messages::{JoinBody, Phase, SignedMessage, roll_digest};
use crate::crypto::{CheckedKey, Digest};
use crate::wire::decode;

/// Longest join body: two hybrid keys and a ledger head.
pub(crate) const MAX_JOIN_BODY_BYTES: usize = 4096;

/// A roll of which every join was checked.
#[derive(Debug, Clone)]
pub(crate) struct Roll {
    pub(crate) digest: Digest,
    pub(crate) members: BTreeMap<u8, Member>,
}

/// A partner on the roll: its join was checked.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) join: JoinBody,
    pub(crate) channel: CheckedKey,
    pub(crate) mask: CheckedKey,
}

/// Checks one join message: sender, signature, and well-formed keys.
fn check_join(context: &RoundContext, message: &SignedMessage) -> Result<Member, Violation> {
    let key = context.key(message.sender).ok_or(Violation::Membership)?;
    message.verify(&context.round(), Phase::Join, message.sender, key)?;
    check_join_body(message)
}

/// Checks the content of a join whose signature was checked: well-formed keys.
pub(crate) fn check_join_body(message: &SignedMessage) -> Result<Member, Violation> {
    let join: JoinBody =
        decode(message.body.as_ref(), MAX_JOIN_BODY_BYTES).map_err(|_| Violation::Encoding)?;
    let channel = join.channel.check();
    let mask = join.mask.check();
    Ok(Member {
        channel: channel.map_err(|_| Violation::KeyMaterial)?,
        mask: mask.map_err(|_| Violation::KeyMaterial)?,
        join,
    })
}

impl Roll {
    /// Checks every join of a roll. Roll ⊆ invited, in order, nobody twice.
    ///
    /// # Errors
    /// The violation, with the index of the partner whose join it is where it is one.
    pub(crate) fn check(
        context: &RoundContext,
        joins: &[SignedMessage],
    ) -> Result<Self, (Option<u8>, Violation)> {
        let senders: Vec<u8> = joins.iter().map(|join| join.sender).collect();
        if !context.is_ordered_subset(&senders) {
            return Err((None, Violation::Membership));
        }
        let mut members = BTreeMap::new();
        for join in joins {
            let member =
                check_join(context, join).map_err(|violation| (Some(join.sender), violation))?;
            members.insert(join.sender, member);
        }
        let digest =
            roll_digest(&context.round(), joins).map_err(|_| (None, Violation::Encoding))?;
        Ok(Self { digest, members })
    }

    /// The roll of joins that passed C1 and [`check_join_body`] one by one, with their messages in list order.
    ///
    /// # Errors
    /// [`Violation::Encoding`], which no checked join causes.
    pub(crate) fn of_checked(
        context: &RoundContext,
        checked: BTreeMap<u8, (SignedMessage, Member)>,
    ) -> Result<(Vec<SignedMessage>, Self), Violation> {
        let (mut joins, mut members) = (Vec::new(), BTreeMap::new());
        for (index, (join, member)) in checked {
            joins.push(join);
            members.insert(index, member);
        }
        let digest = roll_digest(&context.round(), &joins).map_err(|_| Violation::Encoding)?;
        Ok((joins, Self { digest, members }))
    }
}
