//! `serve`: the coordinator until it is told to stop.

use std::io::Write;
use std::path::Path;

use tokio::signal::unix::{SignalKind, signal};

use super::args::Serve;
use super::say;
use crate::coordinator::Coordinator;
use crate::error::Error;
use crate::server::{Listen, Running};
use crate::site_listener::{SiteSettings, TlsFiles};

pub(super) async fn serve(coordinator: &Coordinator, options: Serve) -> Result<(), Error> {
    let named = std::env::var("RUST_LOG").ok();
    let level = named.and_then(|level| level.parse().ok());
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        // A failure to write would be said on the same stderr, and `eprintln!` panics there.
        .log_internal_errors(false)
        .with_max_level(level.unwrap_or(tracing::Level::INFO))
        .init();
    tracing::info!(
        "no core dumps, and no other process of this account reads the memory of this one"
    );
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::System)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::System)?;
    let running = coordinator.start_on(listen_of(&options)?).await?;
    let scheme = if options.tls_certificate.is_some() {
        "https"
    } else {
        "http"
    };
    say(format_args!("Nodes connect to {}.", running.quic_addr()));
    if let Some(site) = running.site_addr() {
        say(format_args!("The dashboard is at {scheme}://{site}/."));
    }
    if let Some(operator) = running.operator_addr() {
        say(format_args!(
            "The operator's page is at {scheme}://{operator}/; the password is in operator.token."
        ));
    }
    if let Some(path) = &options.ready_file {
        write_ready_file(path, &running)?;
    }
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    say("Stopping; open rounds go on at the next start.");
    running.shutdown().await;
    Ok(())
}

fn listen_of(options: &Serve) -> Result<Listen, Error> {
    let tls = options.tls_certificate.clone().zip(options.tls_key.clone());
    let tls = tls.map(|(certificate, key)| TlsFiles { certificate, key });
    if tls.is_some() && options.site.is_none() {
        return Err(Error::Argument(
            "--tls-certificate is for the site: give its address with --site".to_owned(),
        ));
    }
    Ok(Listen {
        nodes: options.listen,
        site: options.site.map(|address| SiteSettings { address, tls }),
        operator: options.operator,
    })
}

/// Writes the addresses under another name first, so that whoever waits for the file finds it whole.
fn write_ready_file(path: &Path, running: &Running) -> Result<(), Error> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let mut text = format!("{}\n", running.quic_addr());
    if let Some(site) = running.site_addr() {
        text.push_str(&format!("{site}\n"));
    }
    if let Some(operator) = running.operator_addr() {
        text.push_str(&format!("{operator}\n"));
    }
    let written = std::fs::File::create(&partial)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| std::fs::rename(&partial, path));
    written.map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })
}
