//! Machines of their own: each program in a network namespace, with a cable to the coordinator that can be cut.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use crate::rounds::{checked_release, is_ours};
use crate::verdict::outcomes;
use crate::world::{LONG, World, names, wait_for};

const EVERYBODY: [&str; 5] = ["p1", "p2", "p3", "p4", "p5"];
/// Longer than the node keeps a connection on which nothing arrives.
const LONGER_THAN_IDLE: Duration = Duration::from_secs(12);

/// One namespace for the coordinator and one for each partner, gone when this is forgotten.
pub(crate) struct Namespaces {
    prefix: String,
    names: Vec<String>,
}

fn ip(arguments: &str) {
    let hint = "needs root and iproute2: apt-get install iproute2, and run it as root";
    let done = Command::new("ip").args(arguments.split(' ')).output();
    let done = done.unwrap_or_else(|error| panic!("ip: {error}; {hint}"));
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "ip {arguments}: {said}; {hint}");
}

impl Namespaces {
    /// Where the coordinator listens, in its own namespace.
    pub(crate) const COORDINATOR: SocketAddr =
        SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(10, 77, 0, 1)), 7843);

    fn new(partners: &[&str]) -> Self {
        let mut namespaces = Self {
            prefix: format!("msht-{}-", std::process::id()),
            names: Vec::new(),
        };
        let address = Self::COORDINATOR.ip();
        let coordinator = namespaces.add("coordinator");
        ip(&format!("-n {coordinator} address add {address}/32 dev lo"));
        for (number, partner) in (1..).zip(partners) {
            let own = namespaces.add(partner);
            ip(&format!(
                "link add {partner} netns {coordinator} type veth peer name cable netns {own}"
            ));
            for (name, device, last) in [(&coordinator, *partner, 1), (&own, "cable", 2)] {
                let address = format!("10.77.{number}.{last}/30");
                ip(&format!("-n {name} address add {address} dev {device}"));
                ip(&format!("-n {name} link set {device} up"));
            }
            ip(&format!(
                "-n {own} route add {address} via 10.77.{number}.1"
            ));
        }
        namespaces
    }

    fn add(&mut self, who: &str) -> String {
        let name = format!("{}{who}", self.prefix);
        ip(&format!("netns add {name}"));
        self.names.push(name.clone());
        ip(&format!("-n {name} link set lo up"));
        name
    }

    pub(crate) fn command_of(&self, who: &str, program: &Path) -> Command {
        let mut command = Command::new("ip");
        let name = format!("{}{who}", self.prefix);
        command.args(["netns", "exec", &name]).arg(program);
        command
    }

    /// Pulls out the cable of a partner, or puts it back.
    fn cable(&self, partner: &str, state: &str) {
        let coordinator = format!("{}coordinator", self.prefix);
        ip(&format!("-n {coordinator} link set {partner} {state}"));
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for name in &self.names {
            let _gone_already = Command::new("ip").args(["netns", "del", name]).status();
        }
    }
}

fn awaits(world: &World, round: &str, phase: &str, partners: &[&str]) {
    wait_for("a phase to wait for somebody alone", || {
        let stage = world.status(round);
        (stage["phase"] == phase && names(&stage["awaited"]) == partners).then_some(())
    });
}

#[test]
#[ignore = "makes network namespaces, as root: tests/more runs it"]
fn a_link_cut_in_a_round_and_mended_leaves_nothing_behind_and_one_cut_for_good_leaves_a_partner_out()
 {
    let world = World::in_namespaces(Namespaces::new(&EVERYBODY), EVERYBODY.len());
    let cable = |state| world.namespaces().cable("p5", state);
    let _agents = ["p1", "p2", "p3", "p5"].map(|partner| world.run(partner));
    let round = world.open("2025-Q1", LONG);
    world.approve(&EVERYBODY, &round);

    // Cut before its Share can leave, for so long that the connection is given up.
    awaits(&world, &round, "join", &["p4"]);
    cable("down");
    world.step("p4").ok();
    awaits(&world, &round, "share", &["p5"]);
    sleep(LONGER_THAN_IDLE);
    cable("up");

    // Cut again once its Mask is acknowledged, and for the rest of the round: it is in the sum.
    awaits(&world, &round, "mask", &["p4"]);
    cable("down");
    let stage = wait_for("the round to end", || {
        world.step("p4").ok();
        let stage = world.status(&round);
        (stage["state"] == "released").then_some(stage)
    });
    assert!(stage["release"].is_string());
    cable("up");
    for partner in EVERYBODY {
        wait_for("the release", || {
            (partner != "p4" || world.step("p4").code == 0).then_some(())?;
            is_ours(&world, partner, &round).then_some(())
        });
        let release = checked_release(&world, partner, &round);
        assert_eq!(names(&release["survivors"]), EVERYBODY);
    }

    // Cut for good after Join.
    let round = world.open("2025-Q2", LONG);
    world.approve(&EVERYBODY, &round);
    awaits(&world, &round, "join", &["p4"]);
    cable("down");
    world.step("p4").ok();
    awaits(&world, &round, "share", &["p5"]);
    world.coordinator(["round", "close", &round]).ok();
    wait_for("the round to end", || {
        world.step("p4").ok();
        (world.status(&round)["state"] == "released").then_some(())
    });
    world.step("p4").ok();
    let release = checked_release(&world, "p4", &round);
    assert_eq!(names(&release["survivors"]), EVERYBODY[..4]);
    cable("up");
    wait_for("the partner left out to know", || {
        let releases = world.node("p5", &["releases", "--json"]).ok().json();
        let releases = releases.as_array().unwrap().clone();
        let known = releases.iter().find(|each| each["round"] == *round)?;
        assert_eq!(known["ours"], false);
        Some(())
    });
    let ledger = world.node("p5", &["ledger", "--json"]).ok().json();
    assert_eq!(
        outcomes(&ledger).unwrap()[&round],
        "tombstoned",
        "nothing left it, so nothing is spent"
    );
}
