//! Canaries from inside: nodes whose every random byte is known, a window between them and the coordinator that
//! sees each frame in clear, and a log of everything both programs trace.
//!
//! Seeds, keys, noise and contributions may stand nowhere: not on disk, not in a frame, not in a log. The one
//! exception is a key in its own key file.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};

use msht_coordinator::{Coordinator, NewInvite, RoundRequest, Settings, system_clock};
use msht_core::crypto::{AgreementSecret, Digest, Identity, Secret};
use msht_core::dp::accountant::Decision;
use msht_core::secagg::PartnerKind;
use msht_core::wire::MAX_FRAME_BYTES;
use msht_core::wire::tls::{client_config, peer_key, server_config, server_name};
use msht_node::agent::Agent;
use msht_node::freeze;
use msht_node::node::{Choice, Node};
use msht_node::surroundings::Surroundings;
use msht_node::vault::Stage;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng, TryCryptoRng, TryRng};

use crate::needles::{Find, Needles};
use crate::world::{PROGRAMME, free_port};

const PARTNERS: u8 = 3;
/// Seed of the coordinator's generator, and of the first of each node's.
const SEED: u64 = 20_260_930;
/// Categories of the one table: enough cells that no vector of noise occurs by accident.
const KINDS: usize = 40;
/// Most rounds of looks before a round must have ended; it needs about eight.
const MOST_LOOKS: usize = 40;

type Shared<T> = Arc<Mutex<T>>;

/// What each generator of a node gave out, in order.
type Drawn = BTreeMap<u64, Vec<Vec<u8>>>;

/// A generator that keeps a list of what it gave out.
struct Known {
    number: u64,
    rng: StdRng,
    drawn: Shared<Drawn>,
}

impl TryRng for Known {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.rng.next_u32())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.rng.next_u64())
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        self.rng.fill_bytes(to);
        let mut drawn = self.drawn.lock().unwrap();
        drawn.entry(self.number).or_default().push(to.to_vec());
        Ok(())
    }
}

impl TryCryptoRng for Known {}

fn seeded(partner: u8, number: u64) -> StdRng {
    StdRng::seed_from_u64(SEED + u64::from(partner) * 1_000 + number)
}

fn surroundings(partner: u8, drawn: &Shared<Drawn>) -> Surroundings {
    let (drawn, next) = (Arc::clone(drawn), Mutex::new(0));
    let clock = system_clock();
    Surroundings::new(
        move || clock(),
        move || {
            let mut next = next.lock().unwrap();
            let number = *next;
            *next += 1;
            let (rng, drawn) = (seeded(partner, number), Arc::clone(&drawn));
            Box::new(Known { number, rng, drawn })
        },
    )
}

/// The identity of a partner: the first thing its second generator gives out; the first makes the vault's key.
fn identity(partner: u8) -> Identity {
    Identity::from_seed(Secret::random(&mut seeded(partner, 1))).unwrap()
}

/// What a node drew that nobody may see. Its first generator makes the vault's key, its second the identity; one
/// that fills blocks draws noise; one of four draws makes the three seeds of a round. All else are salts.
fn secrets(drawn: &Drawn) -> Vec<(String, Vec<u8>)> {
    let mut secrets = Vec::new();
    for (number, draws) in drawn {
        let blocks = draws.iter().any(|draw| draw.len() > 32);
        let (what, secret) = match (*number, draws.len()) {
            (0, _) => ("vault.key", 1),
            (1, _) => ("identity", 1),
            (_, length) if blocks => ("noise block", length),
            (_, 4) => ("seed", 3),
            (_, length) => {
                assert_eq!(length, 1, "generator {number} is of no known kind");
                continue;
            }
        };
        for draw in draws.iter().take(secret) {
            secrets.push((what.to_owned(), draw.get(..32).unwrap().to_vec()));
        }
    }
    secrets
}

/// A log that is kept.
#[derive(Clone, Default)]
struct Log(Shared<Vec<u8>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Stands between nodes and coordinator with the coordinator's own key and each node's, and keeps every frame.
async fn window(coordinator: Arc<Identity>, target: SocketAddr) -> (SocketAddr, Shared<Vec<u8>>) {
    let frames: Shared<Vec<u8>> = Arc::default();
    let tls = QuicServerConfig::try_from(server_config(&coordinator).unwrap()).unwrap();
    let config = quinn::ServerConfig::with_crypto(Arc::new(tls));
    let front = quinn::Endpoint::server(config, (Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = front.local_addr().unwrap();
    let kept = Arc::clone(&frames);
    tokio::spawn(async move {
        while let Some(incoming) = front.accept().await {
            let (coordinator, kept) = (Arc::clone(&coordinator), Arc::clone(&kept));
            tokio::spawn(async move {
                let Ok(node) = incoming.await else { return };
                let shown = node.peer_identity().unwrap();
                let shown = shown.downcast::<Vec<rustls::pki_types::CertificateDer<'static>>>();
                let key = peer_key(&shown.unwrap()).unwrap();
                let partner = (1..=PARTNERS).map(identity).find(|each| each.key() == key);
                let tls = client_config(&partner.unwrap(), coordinator.key()).unwrap();
                let tls = QuicClientConfig::try_from(tls).unwrap();
                let back = quinn::Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
                let config = quinn::ClientConfig::new(Arc::new(tls));
                let connecting = back.connect_with(config, target, server_name()).unwrap();
                let back = connecting.await.unwrap();
                while let Ok((mut answer, mut request)) = node.accept_bi().await {
                    let (back, kept) = (back.clone(), Arc::clone(&kept));
                    tokio::spawn(async move {
                        let Ok(frame) = request.read_to_end(MAX_FRAME_BYTES).await else {
                            return;
                        };
                        kept.lock().unwrap().extend_from_slice(&frame);
                        let (mut send, mut receive) = back.open_bi().await.unwrap();
                        send.write_all(&frame).await.unwrap();
                        send.finish().unwrap();
                        let Ok(frame) = receive.read_to_end(MAX_FRAME_BYTES).await else {
                            return;
                        };
                        kept.lock().unwrap().extend_from_slice(&frame);
                        let _gone = answer.write_all(&frame).await;
                        let _gone = answer.finish();
                    });
                }
            });
        }
    });
    (address, frames)
}

fn programme() -> String {
    let categories: Vec<String> = (0..KINDS)
        .map(|number| format!("[\"k{number}\", \"Kind {number}\"]"))
        .collect();
    let small = "categories = [[\"labour\", \"Labour\"], [\"criminal\", \"Criminal\"], [\"unknown\", \"Not known\"]]";
    assert!(PROGRAMME.contains(small));
    let all = format!(
        "categories = [{}, [\"unknown\", \"Not known\"]]",
        categories.join(", ")
    );
    PROGRAMME.replace(small, &all)
}

/// Different counts for each kind and partner, in two quarters.
fn records(partner: u8) -> String {
    let mut text = "date,kind\n".to_owned();
    for date in ["2025-02-03", "2025-05-06"] {
        for number in 0..KINDS {
            let rows = (number * 37 + usize::from(partner) * 11) % 83;
            text.push_str(&format!("{date},k{number}\n").repeat(rows));
        }
    }
    text
}

struct Inside {
    folder: tempfile::TempDir,
    coordinator: Coordinator,
    nodes: Vec<Arc<Node>>,
    drawn: Vec<Shared<Drawn>>,
    frames: Shared<Vec<u8>>,
}

impl Inside {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let quic = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let mut rng = StdRng::seed_from_u64(SEED);
        let _key = Secret::random(&mut rng);
        let own = Arc::new(Identity::from_seed(Secret::random(&mut rng)).unwrap());
        let (address, frames) = window(Arc::clone(&own), quic).await;
        let settings = Settings {
            address: address.to_string(),
            title: "Canaries".to_owned(),
        };
        let data = folder.path().join("coordinator");
        let mut rng = StdRng::seed_from_u64(SEED);
        let created = Coordinator::create(&data, settings, system_clock(), &mut rng);
        let coordinator = created.await.unwrap();
        assert_eq!(coordinator.key(), own.key());
        coordinator.publish_programme(&programme()).await.unwrap();
        let running = coordinator.start(quic, None).await.unwrap();
        // Serves until the test process ends: nothing is tidied up before the search.
        std::mem::forget(running);
        let mut inside = Self {
            folder,
            coordinator,
            nodes: Vec::new(),
            drawn: Vec::new(),
            frames,
        };
        for partner in 1..=PARTNERS {
            inside.enrol(partner, &mut rng).await;
        }
        inside
    }

    async fn enrol(&mut self, partner: u8, rng: &mut StdRng) {
        let new = NewInvite {
            partner: format!("p{partner}"),
            name: format!("Partner {partner}"),
            kind: PartnerKind::Ngo,
            valid_seconds: 3_600,
        };
        let invite = self
            .coordinator
            .invite(&new, rng)
            .await
            .unwrap()
            .to_string();
        let home = self.folder.path().join(&new.partner);
        let drawn = Shared::<Drawn>::default();
        let surroundings = surroundings(partner, &drawn);
        Node::enrol(&home, &invite, &surroundings).await.unwrap();
        let mut settings = std::fs::read_to_string(home.join("node.toml")).unwrap();
        settings = settings.replace("interval_ms = 1000", "interval_ms = 20");
        settings.push_str(
            "\n[[programme]]\nid = \"small\"\nmapping = \"mapping.toml\"\n\
             source = { kind = \"csv\", path = \"records.csv\" }\n",
        );
        std::fs::write(home.join("node.toml"), settings).unwrap();
        std::fs::write(home.join("mapping.toml"), crate::world::MAPPING).unwrap();
        std::fs::write(home.join("records.csv"), records(partner)).unwrap();
        self.nodes
            .push(Arc::new(Node::open(&home, surroundings).await.unwrap()));
        self.drawn.push(drawn);
    }

    async fn open(&self, period: &str) -> Digest {
        let request = RoundRequest {
            programme: "small".to_owned(),
            period: period.to_owned(),
            invited: None,
            phases: None,
        };
        let round = self.coordinator.open_round(&request).await.unwrap();
        for node in &self.nodes {
            Agent::sync(node).await.unwrap();
            let row = node.vault.round(round).await.unwrap().unwrap();
            let choice = Choice {
                decision: Decision::Approved,
                by: "the test".to_owned(),
                standing: false,
            };
            node.decide(&row, &choice).await.unwrap();
        }
        round
    }

    /// Lets everybody do what they can, until the first node is as far as `far` says.
    async fn until<F: Future<Output = bool>>(&self, far: impl Fn(Arc<Node>) -> F) {
        for _ in 0..MOST_LOOKS {
            for node in &self.nodes {
                Agent::new(Arc::clone(node)).run_once().await.unwrap();
            }
            if far(Arc::clone(&self.nodes[0])).await {
                return;
            }
        }
        assert!(
            far(Arc::clone(&self.nodes[0])).await,
            "the round does not get on"
        );
    }

    /// Counts, noise and contributions of a round, worked out again from the seeds.
    async fn add_vectors(&self, round: Digest, needles: &mut Needles) {
        for (node, (drawn, partner)) in self.nodes.iter().zip(self.drawn.iter().zip(1u8..)) {
            let row = node.vault.round(round).await.unwrap().unwrap();
            let terms = node.terms(&row).await.unwrap().unwrap();
            let counts = freeze::counts(node, &terms.programme, terms.period)
                .await
                .unwrap();
            let cells: Vec<i64> = counts
                .cells()
                .iter()
                .map(|cell| i64::try_from(*cell).unwrap())
                .collect();
            needles.vector("counts", &cells);
            needles.vector("some counts", &cells[10..16]);
            let numbers: Vec<u64> = drawn
                .lock()
                .unwrap()
                .iter()
                .filter(|(_, draws)| draws.iter().any(|draw| draw.len() > 32))
                .map(|(number, _)| *number)
                .collect();
            for number in numbers {
                let noise = terms.draw_noise(&mut seeded(partner, number)).unwrap();
                let bytes = noise.to_bytes();
                needles.bytes("noise", &bytes[32..]);
                let noisy = terms.contribution(&counts, noise).unwrap();
                needles.vector("a contribution", &noisy);
                needles.vector("some of a contribution", &noisy[20..26]);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_seed_key_noise_or_contribution_is_on_disk_in_a_frame_or_in_a_log() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .init();
    let inside = Inside::start().await;
    let released = inside.open("2025-Q1").await;
    inside
        .until(|node| async move {
            let row = node.vault.round(released).await.unwrap().unwrap();
            row.stage == Stage::Released
        })
        .await;
    let open = inside.open("2025-Q2").await;
    // Frozen contribution, roll and delivery are stored, and the masked vector has left.
    let masked =
        |node: Arc<Node>| async move { node.vault.records(open).await.unwrap().len() >= 3 };
    inside.until(masked).await;

    let mut needles = Needles::default();
    let mut public = Needles::default();
    for drawn in &inside.drawn {
        let secrets = secrets(&drawn.lock().unwrap());
        assert!(secrets.iter().filter(|(what, _)| what == "seed").count() >= 6);
        for (what, secret) in secrets {
            needles.bytes(&what, &secret);
            if what == "seed" {
                let seed = Secret::from_slice(&secret).unwrap();
                let key = AgreementSecret::from_seed(&seed).public();
                public.bytes("a public key", key.x25519.as_bytes());
            }
        }
    }
    let mut rng = StdRng::seed_from_u64(SEED);
    needles.bytes("coordinator.key", Secret::random(&mut rng).expose());
    needles.bytes(
        "the coordinator's identity",
        Secret::random(&mut rng).expose(),
    );
    for round in [released, open] {
        inside.add_vectors(round, &mut needles).await;
    }

    let frames = inside.frames.lock().unwrap().clone();
    let log = log.0.lock().unwrap().clone();
    let (mut found, searched) = needles.find_below(inside.folder.path());
    found.extend(needles.find_in(&frames, Path::new("frames")));
    found.extend(needles.find_in(&log, Path::new("log")));
    let (own, leaked): (Vec<Find>, Vec<Find>) = found
        .into_iter()
        .partition(|find| find.2.ends_with(&find.0));
    assert!(leaked.is_empty(), "{leaked:#?}");
    // The search finds what is there: each key in its file, and the public halves of the very seeds in frames.
    assert_eq!(own.len(), usize::from(PARTNERS) + 1, "{own:?}");
    let public = public.find_in(&frames, Path::new("frames"));
    assert!(public.len() >= 2 * usize::from(PARTNERS), "{public:?}");
    let (frames, log) = (frames.len(), log.len());
    assert!(
        frames > 100_000 && log > 100_000,
        "{frames} bytes of frames, {log} of log"
    );
    eprintln!(
        "searched {searched} bytes of files, {frames} of frames in clear and {log} of log; seed {SEED}"
    );
}
