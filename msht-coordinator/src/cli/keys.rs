//! `revoke`, `rotate-key` and `handovers`.

use serde_json::json;

use super::args::{Format, Revoke};
use super::{print, say};
use crate::clock::time_text;
use crate::coordinator::Coordinator;
use crate::error::Error;
use crate::random::system_rng;

pub(super) async fn revoke(coordinator: &Coordinator, revoke: &Revoke) -> Result<(), Error> {
    let open = coordinator.revoke(&revoke.partner, &revoke.reason).await?;
    say(format_args!(
        "Partner `{}` is off the roster, and nothing is taken from its key any more.",
        revoke.partner
    ));
    for round in open {
        say(format_args!("Round {} goes on without it.", round.short()));
    }
    say("Tell the other partners why. To let it come back, invite it again under the same id.");
    print(&revoke.partner)
}

pub(super) async fn rotate(coordinator: Coordinator) -> Result<(), Error> {
    let before = coordinator.key().fingerprint();
    let renewed = coordinator.rotate_key(&mut system_rng()?).await?;
    say(format_args!(
        "The key {before} has signed for its successor."
    ));
    say(
        "Start `serve` again, publish the new fingerprint beside the old one, and ask each partner to compare it and to run `msht-node coordinator accept`.",
    );
    say("Invites that were not used are void: make new ones.");
    let printed = print(renewed.key().fingerprint());
    renewed.close().await;
    printed
}

pub(super) fn handovers(coordinator: &Coordinator, format: Format) -> Result<(), Error> {
    let handovers = coordinator.handovers();
    if format.json {
        return super::print_json(&json!(handovers));
    }
    if handovers.is_empty() {
        say("The coordinator still has its first key.");
    }
    for each in handovers {
        print(format_args!(
            "{}  {} -> {}",
            time_text(each.content.at),
            each.content.from.fingerprint(),
            each.content.to.fingerprint()
        ))?;
    }
    Ok(())
}
