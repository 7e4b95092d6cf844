//! The running coordinator: network, clock and site around the rounds.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use msht_core::crypto::Digest;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::coordinator::Coordinator;
use crate::error::Error;
use crate::operator::{self, Token};
use crate::random::system_rng;
use crate::site::{SiteState, router};
use crate::site_listener::{self, SiteSettings};
use crate::transport::{self, Service};

/// How often deadlines, commands and what other processes stored are looked at.
const TICK: Duration = Duration::from_millis(250);
/// How long tasks may take to end by themselves when the coordinator stops.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// What a coordinator listens on; port 0 lets the system choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// Where nodes connect.
    pub nodes: SocketAddr,
    /// The public site.
    pub site: Option<SiteSettings>,
    /// The operator's page and metrics, with the site's certificate; without one on a loopback address only.
    pub operator: Option<SocketAddr>,
}

/// A coordinator that serves nodes and readers until it is shut down or dropped.
#[derive(Debug)]
pub struct Running {
    quic_addr: SocketAddr,
    site_addr: Option<SocketAddr>,
    operator_addr: Option<SocketAddr>,
    coordinator: Coordinator,
    endpoint: quinn::Endpoint,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    /// Held, not read: it keeps other processes from driving the rounds.
    lock: File,
}

impl Running {
    /// Where nodes connect, with the port the system chose if 0 was asked for.
    #[must_use]
    pub fn quic_addr(&self) -> SocketAddr {
        self.quic_addr
    }

    /// Where the site is.
    #[must_use]
    pub fn site_addr(&self) -> Option<SocketAddr> {
        self.site_addr
    }

    /// Where the operator's page is.
    #[must_use]
    pub fn operator_addr(&self) -> Option<SocketAddr> {
        self.operator_addr
    }

    /// Stops serving. What was acknowledged is stored; open rounds go on at the next start.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        self.endpoint.close(transport::CLOSED_BY_SHUTDOWN, b"");
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, ended).await.is_err() {
            self.tasks.abort_all();
        }
        let idle = self.endpoint.wait_idle();
        let _closed_in_time = tokio::time::timeout(SHUTDOWN_TIMEOUT, idle).await;
        self.coordinator.0.rounds.forget_all();
        drop(self.lock);
    }
}

impl Coordinator {
    /// Serves nodes at `listen` and, where asked for, the site in the clear at `site`; port 0 lets the system choose.
    ///
    /// # Errors
    /// As [`Self::start_on`].
    pub async fn start(
        &self,
        listen: SocketAddr,
        site: Option<SocketAddr>,
    ) -> Result<Running, Error> {
        let listen = Listen {
            nodes: listen,
            site: site.map(|address| SiteSettings { address, tls: None }),
            operator: None,
        };
        self.start_on(listen).await
    }

    /// Serves nodes, and where asked for the site and the operator's page.
    ///
    /// # Errors
    /// [`Error::AlreadyRunning`], [`Error::Listen`], [`Error::Tls`], [`Error::SiteCertificate`],
    /// [`Error::OperatorInClear`]; a damaged store.
    pub async fn start_on(&self, listen: Listen) -> Result<Running, Error> {
        let lock = self.0.data.try_lock()?;
        let lock = lock.ok_or_else(|| Error::AlreadyRunning(self.0.data.path().to_owned()))?;
        self.0.rounds.forget_all();
        let endpoint = transport::endpoint(&self.0.identity, listen.nodes)?;
        let quic_addr = endpoint.local_addr().map_err(at(listen.nodes))?;
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let site_addr = match &listen.site {
            None => None,
            Some(site) => {
                let state = SiteState::new(self.0.site.subscribe());
                tasks.spawn(until(stopped.clone(), state.clone().look_ahead()));
                let router = self.measured(router(state));
                Some(serve_pages(&mut tasks, site, router, &stopped).await?)
            }
        };
        let operator_addr = match self.operator_page(&listen)? {
            None => None,
            Some((page, router)) => Some(serve_pages(&mut tasks, &page, router, &stopped).await?),
        };
        self.refresh_site().await?;
        self.resume_open_rounds().await?;
        let service = Service::new(self.clone());
        tasks.spawn(transport::serve(service, endpoint.clone(), stopped.clone()));
        tasks.spawn(self.clone().keep_time(stopped));
        Ok(Running {
            quic_addr,
            site_addr,
            operator_addr,
            coordinator: self.clone(),
            endpoint,
            stop,
            tasks,
            lock,
        })
    }

    async fn resume_open_rounds(&self) -> Result<(), Error> {
        for round in self.store().open_rounds().await? {
            self.look(&round, |_| ()).await?;
            tracing::info!(round = %round.short(), "round resumed");
        }
        Ok(())
    }

    /// The operator's page and how it is served: with the site's certificate, or in the clear on this machine only.
    fn operator_page(&self, listen: &Listen) -> Result<Option<(SiteSettings, Router)>, Error> {
        let Some(address) = listen.operator else {
            return Ok(None);
        };
        let tls = listen.site.as_ref().and_then(|site| site.tls.clone());
        if tls.is_none() && !address.ip().is_loopback() {
            return Err(Error::OperatorInClear(address));
        }
        let (token, path) = Token::read_or_make(self.0.data.path(), &mut system_rng()?)?;
        tracing::info!(token = %path.display(), "the operator's page wants the token in this file");
        let router = operator::router(self.clone(), token);
        Ok(Some((SiteSettings { address, tls }, router)))
    }

    /// The site with its answers counted and timed.
    fn measured(&self, router: Router) -> Router {
        let coordinator = self.clone();
        router.layer(from_fn(move |request: Request, next: Next| {
            let coordinator = coordinator.clone();
            async move {
                let began = Instant::now();
                let response = next.run(request).await;
                coordinator
                    .0
                    .metrics
                    .page(response.status(), began.elapsed());
                response
            }
        }))
    }

    /// Looks again and again at deadlines, commands and what other processes stored.
    async fn keep_time(self, mut stopped: watch::Receiver<bool>) {
        let mut complaints = Complaints::default();
        let mut shown = None;
        loop {
            let stop = tokio::time::timeout(TICK, stopped.wait_for(|stop| *stop));
            if stop.await.is_ok() {
                return;
            }
            complaints.note(None, self.run_commands().await);
            match self.store().open_rounds().await {
                Ok(rounds) => {
                    for round in rounds {
                        complaints.note(Some(round), self.drive_if_due(&round).await);
                    }
                }
                Err(error) => complaints.note(None, Err(error.into())),
            }
            complaints.note(None, self.refresh_news().await.map(|_| ()));
            let number = *self.0.news.borrow();
            if shown != Some(number) {
                complaints.note(None, self.check_key().await);
                let refreshed = self.refresh_site().await;
                shown = refreshed.is_ok().then_some(number);
                complaints.note(None, refreshed);
            }
        }
    }
}

fn at(address: SocketAddr) -> impl FnOnce(std::io::Error) -> Error {
    move |source| Error::Listen { address, source }
}

/// Does `work` until it is done or the coordinator stops.
async fn until(mut stopped: watch::Receiver<bool>, work: impl Future<Output = ()>) {
    tokio::select! {
        () = work => {}
        _ = stopped.wait_for(|stop| *stop) => {}
    }
}

/// Begins to serve pages. Returns the address with the port the system chose.
async fn serve_pages(
    tasks: &mut JoinSet<()>,
    settings: &SiteSettings,
    router: Router,
    stopped: &watch::Receiver<bool>,
) -> Result<SocketAddr, Error> {
    let listener = site_listener::bind(settings.address)?;
    let bound = listener.local_addr().map_err(at(settings.address))?;
    let tls = match &settings.tls {
        None => None,
        Some(files) => Some((files.clone(), files.load().await?)),
    };
    tasks.spawn(site_listener::serve(listener, tls, router, stopped.clone()));
    Ok(bound)
}

/// What went wrong last, so that it is logged once and not four times a second.
#[derive(Default)]
struct Complaints(BTreeMap<Option<Digest>, String>);

impl Complaints {
    fn note(&mut self, round: Option<Digest>, outcome: Result<(), Error>) {
        let error = match outcome {
            Ok(()) if round.is_some() => {
                self.0.remove(&round);
                return;
            }
            Ok(()) | Err(Error::RoundEnded(_)) => return,
            Err(error) if error.is_somebody_elses_turn() => return,
            Err(error) => error,
        };
        let text = error.to_string();
        if self.0.get(&round) != Some(&text) {
            let short = round.map_or_else(String::new, |round| round.short());
            tracing::error!(round = short, %error, "will be tried again");
            self.0.insert(round, text);
        }
    }
}
