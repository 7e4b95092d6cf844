//! What the operator reads: plan, reminders, the page behind its token, metrics; and the site over TLS.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::rounds::nodes_of;
use super::*;
use crate::cli::run_line;
use crate::{Awaited, Error, Listen, SiteSettings, TlsFiles};

fn any() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, path: &str, header: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{header}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A TLS peer may leave without saying so once everything is read.
    let _rest = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

async fn get(address: SocketAddr, path: &str, header: &str) -> String {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    ask(stream, path, header).await
}

async fn on(coordinator: &Coordinator, site: Option<TlsFiles>) -> Running {
    let listen = Listen {
        nodes: any(),
        site: Some(SiteSettings {
            address: any(),
            tls: site,
        }),
        operator: Some(any()),
    };
    coordinator.start_on(listen).await.unwrap()
}

fn bearer(directory: &Path) -> String {
    let token = std::fs::read_to_string(directory.join("operator.token")).unwrap();
    format!("authorization: Bearer {}\r\n", token.trim())
}

#[tokio::test]
async fn a_plan_says_what_open_would_do_and_stores_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let coordinator = created(directory.path(), &TestClock::new()).await;
    coordinator.publish_programme(PROGRAMME).await.unwrap();
    let refused = coordinator.plan_round(&request("2026-Q1")).await;
    assert!(matches!(refused, Err(Error::Proposal(_))), "{refused:?}");
    enrolled(&coordinator, 4).await;
    let plan = coordinator.plan_round(&request("2026-Q1")).await.unwrap();
    assert!(coordinator.roster().await.unwrap().is_none());
    assert!(coordinator.round_statuses().await.unwrap().is_empty());
    assert_eq!(plan.invited, ["p1", "p2", "p3", "p4"]);
    assert_eq!(plan.deadlines.unmask, START + 500);
    assert!(!plan.period_goes_on);
    let round = coordinator.open_round(&request("2026-Q1")).await.unwrap();
    let row = coordinator.store().round(&round).await.unwrap().unwrap();
    let context = coordinator.context(&row).await.unwrap();
    let announced = context.announcement();
    assert_eq!(plan.thresholds, announced.thresholds);
    assert_eq!(plan.epsilon, announced.epsilon);
    assert_eq!(plan.attempt, announced.attempt);
    let names: Vec<&str> = plan
        .tables
        .iter()
        .map(|table| table.table.as_str())
        .collect();
    assert_eq!(names, ["total", "kinds"]);
    for (table, announced) in plan.tables.iter().zip(&announced.tables) {
        let shape = |n| context.realised_shape(n).unwrap();
        let half_width = |n| msht_core::release::interval95(&announced.rate, &shape(n)).unwrap();
        assert_eq!(table.half_width_everybody, half_width(4));
        let fewest = usize::from(plan.thresholds.least_survivors);
        assert_eq!(table.half_width_fewest, half_width(fewest));
        assert!(table.half_width_fewest <= table.half_width_everybody);
    }
    let refused = coordinator.plan_round(&request("2026-Q2")).await;
    assert!(
        matches!(refused, Err(Error::RoundOpen { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_period_that_goes_on_is_planned_with_a_word_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let coordinator = created(directory.path(), &TestClock::new()).await;
    coordinator.publish_programme(PROGRAMME).await.unwrap();
    enrolled(&coordinator, 3).await;
    // The clock begins in January 2027.
    let plan = coordinator.plan_round(&request("2027-Q1")).await.unwrap();
    assert!(plan.period_goes_on);
}

#[tokio::test]
async fn invites_that_are_open_run_out_or_are_withdrawn() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let coordinator = created(directory.path(), &clock).await;
    enrolled(&coordinator, 1).await;
    for (partner, seed) in [("late", 7), ("gone", 8)] {
        let new = new_invite(partner);
        coordinator.invite(&new, &mut rng(seed)).await.unwrap();
    }
    coordinator.withdraw_invite("gone").await.unwrap();
    let again = coordinator.withdraw_invite("gone").await;
    assert!(matches!(again, Err(Error::NoInvite(_))), "{again:?}");
    let used = coordinator.withdraw_invite("p1").await;
    assert!(matches!(used, Err(Error::NoInvite(_))), "{used:?}");
    let reminders = coordinator.reminders().await.unwrap();
    assert_eq!(reminders.len(), 1);
    assert_eq!(reminders[0].partner, "late");
    assert_eq!(reminders[0].awaited, Awaited::Enrolment);
    clock.advance(100);
    let reminders = coordinator.reminders().await.unwrap();
    assert_eq!(reminders[0].awaited, Awaited::NewInvite);
    let data = directory.path().to_str().unwrap();
    for line in [
        ["--data", data, "invites"].as_slice(),
        &["--data", data, "invites", "--json"],
        &["--data", data, "reminders"],
        &["--data", data, "reminders", "--json"],
    ] {
        run_line(line).await.unwrap();
    }
    let missing = run_line(&["--data", data, "invites", "--withdraw", "nobody"]).await;
    assert!(matches!(missing, Err(Error::NoInvite(_))), "{missing:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_and_the_metrics_want_the_token_and_say_who_is_awaited() {
    let directory = tempfile::tempdir().unwrap();
    let coordinator = created(directory.path(), &TestClock::new()).await;
    coordinator.publish_programme(PROGRAMME).await.unwrap();
    let identities = enrolled(&coordinator, 3).await;
    let running = on(&coordinator, None).await;
    let operator = running.operator_addr().unwrap();
    for path in ["/", "/metrics"] {
        for header in [
            "",
            "authorization: Bearer 00\r\n",
            "authorization: Basic eDp5\r\n",
        ] {
            let answer = get(operator, path, header).await;
            assert!(answer.starts_with("HTTP/1.1 401"), "{path}: {answer}");
            assert!(!answer.contains("p1"));
        }
    }
    assert!(get(operator, "/healthz", "").await.ends_with("ok\n"));
    assert!(get(operator, "/readyz", "").await.ends_with("ready\n"));

    let round = coordinator.open_round(&request("2026-Q1")).await.unwrap();
    let mut nodes = nodes_of(&coordinator, &running, &identities, round).await;
    assert!(nodes[0].turn().await);
    let header = bearer(directory.path());
    let page = get(operator, "/", &header).await;
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    assert!(page.contains("<dt>In (1)</dt>\n<dd>p1</dd>"), "{page}");
    assert!(
        page.contains("<dt>Awaited (2)</dt>\n<dd>p2, p3</dd>"),
        "{page}"
    );
    assert!(page.contains("join of test 2026-Q1"), "{page}");
    let metrics = get(operator, "/metrics", &header).await;
    for line in [
        "msht_rounds{programme=\"test\",state=\"open\"} 1",
        "msht_phase_messages_received{programme=\"test\",period=\"2026-Q1\",phase=\"join\"} 1",
        "msht_phase_messages_awaited{programme=\"test\",period=\"2026-Q1\",phase=\"join\"} 2",
        "msht_phase_left_seconds{programme=\"test\",period=\"2026-Q1\",phase=\"join\"} 100",
        "msht_partners 3",
        "msht_node_requests_total{kind=\"put\",outcome=\"answered\"}",
        "# EOF",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
    // The public site has none of it, and its answers are counted.
    let site = running.site_addr().unwrap();
    assert!(
        get(site, "/metrics", &header)
            .await
            .starts_with("HTTP/1.1 404")
    );
    let metrics = get(operator, "/metrics", &header).await;
    assert!(
        metrics.contains("msht_site_responses_total{class=\"4xx\"} 1"),
        "{metrics}"
    );
    running.shutdown().await;
}

fn certificate(folder: &Path) -> (TlsFiles, rustls::pki_types::CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let files = TlsFiles {
        certificate: folder.join("site.pem"),
        key: folder.join("site.key"),
    };
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    (files, made.cert.der().clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_site_and_the_operators_page_speak_tls_with_own_files() {
    let directory = tempfile::tempdir().unwrap();
    let coordinator = created(directory.path(), &TestClock::new()).await;
    let (files, certificate) = certificate(directory.path());
    let running = on(&coordinator, Some(files)).await;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    for (address, path, header, said) in [
        (running.site_addr(), "/healthz", String::new(), "ok\n"),
        (
            running.operator_addr(),
            "/metrics",
            bearer(directory.path()),
            "# EOF\n",
        ),
    ] {
        let stream = tokio::net::TcpStream::connect(address.unwrap())
            .await
            .unwrap();
        let name = "localhost".try_into().unwrap();
        let stream = connector.connect(name, stream).await.unwrap();
        let answer = ask(stream, path, &header).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.ends_with(said), "{answer}");
        assert!(
            answer.contains("strict-transport-security: max-age="),
            "{answer}"
        );
    }
    running.shutdown().await;
}

#[tokio::test]
async fn what_would_be_read_on_the_way_or_cannot_be_used_is_refused_at_start() {
    let directory = tempfile::tempdir().unwrap();
    let coordinator = created(directory.path(), &TestClock::new()).await;
    let listen = |site: Option<SiteSettings>, operator: &str| Listen {
        nodes: any(),
        site,
        operator: Some(operator.parse().unwrap()),
    };
    let open = coordinator.start_on(listen(None, "0.0.0.0:0")).await;
    assert!(matches!(open, Err(Error::OperatorInClear(_))), "{open:?}");
    let (files, _) = certificate(directory.path());
    std::fs::write(&files.key, "not a key").unwrap();
    let site = SiteSettings {
        address: any(),
        tls: Some(files),
    };
    let refused = coordinator
        .start_on(listen(Some(site), "127.0.0.1:0"))
        .await;
    assert!(
        matches!(refused, Err(Error::SiteCertificate { .. })),
        "{refused:?}"
    );
}
