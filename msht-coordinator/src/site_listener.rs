//! Where the site and the operator's page are listened on: plain HTTP behind a proxy, or TLS with own certificate files.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::STRICT_TRANSPORT_SECURITY;
use axum::middleware::map_response;
use axum::response::Response;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use tokio::sync::watch;

use crate::error::Error;

/// How long an answer that is being written may go on when the coordinator stops.
const ANSWERS_END_WITHIN: Duration = Duration::from_secs(2);
/// How often the files of a certificate are looked at, so that a renewed one is taken up without a restart.
const CERTIFICATE_LOOKED_AT_EVERY: Duration = Duration::from_secs(60);
/// Browsers that saw the site over TLS come back over TLS for this long: a year, in seconds.
const TLS_ONLY: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Where the site is, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteSettings {
    /// Address to listen on; port 0 lets the system choose.
    pub address: SocketAddr,
    /// Certificate of the site; plain HTTP where none, for a proxy that ends TLS.
    pub tls: Option<TlsFiles>,
}

/// A certificate chain and its private key, as PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, then those that lead to a root.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl TlsFiles {
    fn refused(&self, source: io::Error) -> Error {
        Error::SiteCertificate {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            source,
        }
    }

    pub(crate) async fn load(&self) -> Result<RustlsConfig, Error> {
        // The provider of the process: `rustls` has one where one is compiled in, and it is `ring`.
        let _already_installed = rustls::crypto::ring::default_provider().install_default();
        RustlsConfig::from_pem_file(&self.certificate, &self.key)
            .await
            .map_err(|source| self.refused(source))
    }

    /// When either file was changed last; none while one of them is not there.
    fn changed(&self) -> Option<(std::time::SystemTime, std::time::SystemTime)> {
        let changed = |path: &PathBuf| std::fs::metadata(path).and_then(|file| file.modified());
        Some((changed(&self.certificate).ok()?, changed(&self.key).ok()?))
    }
}

/// Binds at once, so that a port that is in use is an error at start.
pub(crate) fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    let bound = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    bound.map_err(|source| Error::Listen { address, source })
}

/// Serves `router` until it is stopped.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<(TlsFiles, RustlsConfig)>,
    router: Router,
    stopped: watch::Receiver<bool>,
) {
    let handle = Handle::new();
    tokio::spawn(stop_later(handle.clone(), stopped.clone()));
    let served = match tls {
        None => match axum_server::from_tcp(listener) {
            Ok(server) => {
                server
                    .handle(handle)
                    .serve(router.into_make_service())
                    .await
            }
            Err(error) => Err(error),
        },
        Some((files, config)) => {
            tokio::spawn(take_up_renewals(files, config.clone(), stopped));
            let router = router.layer(map_response(over_tls));
            match axum_server::from_tcp_rustls(listener, config) {
                Ok(server) => {
                    server
                        .handle(handle)
                        .serve(router.into_make_service())
                        .await
                }
                Err(error) => Err(error),
            }
        }
    };
    if let Err(error) = served {
        tracing::error!(%error, "the site stopped");
    }
}

async fn over_tls(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(STRICT_TRANSPORT_SECURITY, TLS_ONLY);
    response
}

async fn stop_later(handle: Handle<SocketAddr>, mut stopped: watch::Receiver<bool>) {
    let _sender_is_gone = stopped.wait_for(|stop| *stop).await;
    handle.graceful_shutdown(Some(ANSWERS_END_WITHIN));
}

/// A renewed certificate is taken up; one that cannot be used leaves the one before in place.
async fn take_up_renewals(
    files: TlsFiles,
    config: RustlsConfig,
    mut stopped: watch::Receiver<bool>,
) {
    let mut known = files.changed();
    loop {
        let stop = stopped.wait_for(|stop| *stop);
        if tokio::time::timeout(CERTIFICATE_LOOKED_AT_EVERY, stop)
            .await
            .is_ok()
        {
            return;
        }
        let found = files.changed();
        if found.is_none() || found == known {
            continue;
        }
        match config
            .reload_from_pem_file(&files.certificate, &files.key)
            .await
        {
            Ok(()) => {
                known = found;
                tracing::info!("the site's certificate was renewed");
            }
            Err(source) => {
                known = found;
                let error = files.refused(source);
                tracing::error!(%error, "the certificate before stays in use");
            }
        }
    }
}
