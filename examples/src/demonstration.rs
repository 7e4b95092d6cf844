//! A coordinator and its partners in one process, each with its own folder, talking QUIC over loopback.

use std::collections::BTreeMap;
use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use msht_coordinator::baseline::BaselineWords;
use msht_coordinator::{
    Coordinator, NewInvite, PhaseSeconds, RoundEnd, RoundRequest, RoundStage, Running, Settings,
    system_clock, system_rng,
};
use msht_core::crypto::Digest;
use msht_core::dp::accountant::Decision;
use msht_core::secagg::PartnerKind;
use msht_core::secagg::messages::Phase;
use msht_node::agent::{Agent, AgentEvent, Observer};
use msht_node::node::{Choice, Node};
use msht_node::surroundings::Surroundings;
use tokio::task::JoinSet;

/// How long an invite of a demonstration is good.
const INVITE_SECONDS: u32 = 3_600;
/// Seconds each phase may take; with everybody there it closes as soon as all messages are in.
const PHASES: PhaseSeconds = PhaseSeconds {
    join: 300,
    share: 300,
    mask: 300,
    confirm: 300,
    unmask: 300,
};
/// How often the operator of a demonstration looks whether only lost partners are awaited.
const OPERATOR_LOOK: std::time::Duration = std::time::Duration::from_millis(200);

/// Whatever stops a demonstration.
pub type Failure = Box<dyn Error + Send + Sync>;

/// One partner of a demonstration.
pub struct Member {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What kind of organisation it is.
    pub kind: PartnerKind,
    /// Its records, as the text of a CSV file.
    pub records: String,
    /// Whether and when it is lost in the middle of each [`Demonstration::round`]: after this message.
    pub lost_after: Option<Phase>,
}

/// Ids of the partners that are lost in the middle of a round, each with the last message it sends.
pub type Lost = BTreeMap<String, Phase>;

/// A round that has ended with a release.
pub struct Finished {
    /// The bytes of `release.json`.
    pub json: Vec<u8>,
    /// Bytes each agent sent, as the transport counts them.
    pub bytes_sent: Vec<u64>,
}

/// A programme and the partners that take part in it.
pub struct Picture<'a> {
    /// Text of the programme.
    pub programme: &'a str,
    /// Text of the mapping that all of them use.
    pub mapping: &'a str,
    /// The partners.
    pub members: Vec<Member>,
}

/// A coordinator and its partners, ready for rounds.
pub struct Demonstration {
    coordinator: Coordinator,
    running: Running,
    cohorts: Vec<Cohort>,
}

/// A programme's id, and its partners with their folders.
struct Cohort {
    programme: String,
    members: Vec<(Member, PathBuf)>,
}

impl Cohort {
    fn lost(&self) -> Lost {
        let lost = self.members.iter().filter_map(|(member, _)| {
            let after = member.lost_after?;
            Some((member.id.clone(), after))
        });
        lost.collect()
    }
}

fn free_port() -> Result<u16, Failure> {
    Ok(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

impl Demonstration {
    /// Starts a coordinator for the programme in the text `programme` in `folder` and enrols every member, each in
    /// a folder of its own.
    ///
    /// # Errors
    /// Whatever the coordinator or a node says.
    pub async fn start(
        folder: &Path,
        programme: &str,
        mapping: &str,
        members: Vec<Member>,
        site: SocketAddr,
    ) -> Result<Self, Failure> {
        let picture = Picture {
            programme,
            mapping,
            members,
        };
        Self::start_several(folder, vec![picture], site).await
    }

    /// The same for several programmes, each with partners of its own. All are enrolled before the first round, so that
    /// every partner knows every other from the beginning.
    ///
    /// # Errors
    /// Whatever the coordinator or a node says.
    pub async fn start_several(
        folder: &Path,
        pictures: Vec<Picture<'_>>,
        site: SocketAddr,
    ) -> Result<Self, Failure> {
        let quic = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let settings = Settings {
            address: quic.to_string(),
            title: "Demonstration coordinator".to_owned(),
        };
        let data = folder.join("coordinator");
        let mut rng = system_rng()?;
        let coordinator = Coordinator::create(&data, settings, system_clock(), &mut rng).await?;
        let running = coordinator.start(quic, Some(site)).await?;
        let mut cohorts = Vec::new();
        for picture in pictures {
            let programme = coordinator.publish_programme(picture.programme).await?;
            let programme = programme.id().to_owned();
            let mut members = Vec::new();
            for member in picture.members {
                let home = folder.join("partners").join(&member.id);
                enrol(&coordinator, &member, &home, &programme, picture.mapping).await?;
                members.push((member, home));
            }
            cohorts.push(Cohort { programme, members });
        }
        Ok(Self {
            coordinator,
            running,
            cohorts,
        })
    }

    /// Where the dashboard is.
    #[must_use]
    pub fn site(&self) -> Option<SocketAddr> {
        self.running.site_addr()
    }

    /// Imports a baseline of `programme` with this title, source and licence.
    ///
    /// # Errors
    /// Where the file is not one.
    pub async fn import_baseline(
        &self,
        programme: &str,
        file: &str,
        words: [&str; 3],
    ) -> Result<(), Failure> {
        let [title, source, licence] = words.map(str::to_owned);
        let words = BaselineWords {
            title,
            source,
            licence,
        };
        let file = file.as_bytes();
        self.coordinator
            .import_baseline(programme, file, words, true)
            .await?;
        Ok(())
    }

    /// Runs the round of one period of the first programme to its end.
    ///
    /// # Errors
    /// Where the round is given up: the reason, and who is missing.
    pub async fn round(&self, period: &str) -> Result<Finished, Failure> {
        self.round_losing(period, &self.lost()).await
    }

    /// The partners of the first programme that are lost in every [`Demonstration::round`].
    #[must_use]
    pub fn lost(&self) -> Lost {
        self.cohorts.first().map(Cohort::lost).unwrap_or_default()
    }

    /// Runs the round of one period of the first programme to its end; these partners, and no others, are lost after
    /// their messages.
    ///
    /// # Errors
    /// Where the round is given up: the reason, and who is missing.
    pub async fn round_losing(&self, period: &str, lost: &Lost) -> Result<Finished, Failure> {
        let cohort = self.cohorts.first().ok_or("there is no programme")?;
        self.round_with(cohort, period, lost).await
    }

    /// Runs the round of one period of the programme with this id to its end.
    ///
    /// # Errors
    /// Where there is no such programme, or the round is given up: the reason, and who is missing.
    pub async fn round_of(&self, programme: &str, period: &str) -> Result<Finished, Failure> {
        let mut cohorts = self.cohorts.iter();
        let cohort = cohorts.find(|cohort| cohort.programme == programme);
        let cohort = cohort.ok_or("there is no such programme")?;
        self.round_with(cohort, period, &cohort.lost()).await
    }

    async fn round_with(
        &self,
        cohort: &Cohort,
        period: &str,
        lost: &Lost,
    ) -> Result<Finished, Failure> {
        let ids = cohort.members.iter().map(|(member, _)| member.id.clone());
        let request = RoundRequest {
            programme: cohort.programme.clone(),
            period: period.to_owned(),
            invited: Some(ids.collect()),
            phases: Some(PHASES),
        };
        let round = self.coordinator.open_round(&request).await?;
        println!(
            "round {} of {} for {period} is open",
            round.short(),
            cohort.programme
        );
        let mut agents = JoinSet::new();
        for (member, home) in &cohort.members {
            let node = Node::open(home, Surroundings::system()).await?;
            approve(&node, round).await?;
            let mut agent = Agent::observed(Arc::new(node), observer(member, lost, round));
            agents.spawn(async move { agent.run().await.map(|_| agent.bytes_sent()) });
        }
        println!("every partner has approved; {} agents run", agents.len());
        let operator = self.close_without_lost(round, lost);
        let end = tokio::select! {
            end = self.coordinator.wait_for_end(&round) => end?,
            failed = operator => return Err(failed),
        };
        let json = match end {
            RoundEnd::Released { json, .. } => json,
            RoundEnd::Aborted(abort) => {
                let missing = abort.missing.join(", ");
                return Err(format!("given up: {}; missing: {missing}", abort.reason).into());
            }
        };
        let mut bytes_sent = Vec::new();
        while let Some(agent) = agents.join_next().await {
            bytes_sent.push(agent??);
        }
        Ok(Finished { json, bytes_sent })
    }

    /// The operator's part: where a phase waits for nobody but lost partners, close it. Ends only by failing.
    async fn close_without_lost(&self, round: Digest, lost: &Lost) -> Failure {
        let mut closed = std::collections::BTreeSet::new();
        loop {
            tokio::time::sleep(OPERATOR_LOOK).await;
            let status = match self.coordinator.round_status(&round).await {
                Ok(status) => status,
                Err(error) => return error.into(),
            };
            let RoundStage::Collecting { phase, awaited, .. } = status.stage else {
                continue;
            };
            let only_lost = !awaited.is_empty() && awaited.iter().all(|id| lost.contains_key(id));
            if only_lost && closed.insert(phase) {
                println!(
                    "the operator closes {} without {}",
                    phase.word(),
                    awaited.join(", ")
                );
                if let Err(error) = self.coordinator.close_phase(&round).await {
                    return error.into();
                }
            }
        }
    }

    /// Writes `release.json` where it is asked for, and serves the dashboard until Ctrl-C unless `once`.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub async fn finish(self, json: &[u8], out: Option<&Path>, once: bool) -> Result<(), Failure> {
        if let Some(out) = out {
            write_release(out, json)?;
        }
        if let Some(site) = self.site().filter(|_| !once) {
            println!("\nthe release is published: open http://{site}/ (Ctrl-C stops)");
            tokio::signal::ctrl_c().await?;
        }
        self.stop().await;
        Ok(())
    }

    /// Stops the coordinator; what it stored stays.
    pub async fn stop(self) {
        self.running.shutdown().await;
        self.coordinator.close().await;
    }
}

/// Where a demonstration serves its dashboard: a port of the system's choice where nobody is going to look.
#[must_use]
pub fn site(once: bool, asked: SocketAddr) -> SocketAddr {
    if once {
        (Ipv4Addr::LOCALHOST, 0).into()
    } else {
        asked
    }
}

/// Makes the folder a release is to be written to, before a round is run for it.
///
/// # Errors
/// Where it cannot be made.
pub fn prepare(out: Option<&Path>) -> Result<(), Failure> {
    match out {
        Some(out) => std::fs::create_dir_all(out)
            .map_err(|error| format!("cannot make the folder {}: {error}", out.display()).into()),
        None => Ok(()),
    }
}

/// Says how a demonstration ended: what happened and what to do next on standard error, and an exit code.
#[must_use]
pub fn outcome(result: Result<(), Failure>) -> ExitCode {
    let Err(failure) = result else {
        return ExitCode::SUCCESS;
    };
    eprintln!("error: {failure}");
    let coordinator = failure.downcast_ref::<msht_coordinator::Error>();
    let node = failure.downcast_ref::<msht_node::error::NodeError>();
    let hint = match (coordinator, node) {
        (Some(msht_coordinator::Error::Listen { .. }), _) => {
            Some("choose another port: --site 127.0.0.1:0 takes a free one".to_owned())
        }
        (Some(error), _) => error.hint(),
        (None, Some(error)) => error.hint.clone(),
        (None, None) => None,
    };
    if let Some(hint) = hint {
        eprintln!("hint: {hint}");
    }
    ExitCode::FAILURE
}

/// Writes `release.json` into the folder `out`.
///
/// # Errors
/// Where the folder or the file cannot be written.
pub fn write_release(out: &Path, json: &[u8]) -> Result<(), Failure> {
    let path = out.join("release.json");
    std::fs::create_dir_all(out)?;
    std::fs::write(&path, json)?;
    println!("written: {}", path.display());
    Ok(())
}

async fn enrol(
    coordinator: &Coordinator,
    member: &Member,
    home: &Path,
    programme: &str,
    mapping: &str,
) -> Result<(), Failure> {
    let new = NewInvite {
        partner: member.id.clone(),
        name: member.name.clone(),
        kind: member.kind,
        valid_seconds: INVITE_SECONDS,
    };
    let invite = coordinator.invite(&new, &mut system_rng()?).await?;
    let enrolled = Node::enrol(home, &invite.to_string(), &Surroundings::system()).await?;
    std::fs::write(home.join("records.csv"), &member.records)?;
    std::fs::write(home.join("mapping.toml"), mapping)?;
    let mut settings = std::fs::read_to_string(&enrolled.config)?;
    // The few records of a demonstration are counted at once; a real node keeps the longer interval.
    settings = settings.replace("interval_ms = 1000", "interval_ms = 20");
    settings.push_str(&format!(
        "\n[[programme]]\nid = \"{programme}\"\nmapping = \"mapping.toml\"\n\
         source = {{ kind = \"csv\", path = \"records.csv\" }}\n"
    ));
    std::fs::write(&enrolled.config, settings)?;
    Ok(())
}

async fn approve(node: &Node, round: Digest) -> Result<(), Failure> {
    Agent::sync(node).await?;
    let row = node.round_by_prefix(&round.to_string()).await?;
    let choice = Choice {
        decision: Decision::Approved,
        by: "demonstration".to_owned(),
        standing: false,
    };
    node.decide(&row, &choice).await?;
    Ok(())
}

/// Stops the agent once its round has ended, or, for a lost partner, after the message it is lost behind.
fn observer(member: &Member, lost: &Lost, ours: Digest) -> Observer {
    let (id, lost_after) = (member.id.clone(), lost.get(&member.id).copied());
    Arc::new(move |event| match event {
        AgentEvent::Sent { round, phase } if *round == ours && Some(*phase) == lost_after => {
            println!("{id} is lost after {}", phase.word());
            ControlFlow::Break(())
        }
        AgentEvent::Released { round, .. } | AgentEvent::Ended { round, .. } if *round == ours => {
            ControlFlow::Break(())
        }
        _ => ControlFlow::Continue(()),
    })
}
