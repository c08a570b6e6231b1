//! TLS on real sockets.

#![expect(clippy::unwrap_used, reason = "the helpers are part of the tests")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use support::{KEY, Raw, SAY, ask, bytes, call, claude_over, told};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tower_claude_core::Sent;
use tower_claude_platforms::{ConfigError, HttpClient, HttpClientBuilder, Protocol};
use tower_claude_testkit::{FakeClaude, wire};
use tower_service::Service as _;

const AUTHORITY: &[u8] = include_bytes!("tls/authority.pem");
const CERTIFICATE: &[u8] = include_bytes!("tls/localhost.der");
const PRIVATE_KEY: &[u8] = include_bytes!("tls/localhost.key.der");

/// A fake behind TLS that offers these protocols; its URL.
async fn server(fake: FakeClaude, offers: &[&str]) -> (Raw, String) {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from(CERTIFICATE)],
            PrivateKeyDer::try_from(PRIVATE_KEY).unwrap(),
        )
        .unwrap();
    config.alpn_protocols = offers
        .iter()
        .map(|offer| offer.as_bytes().to_vec())
        .collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let raw = Raw::start(move |socket| {
        let (acceptor, fake) = (acceptor.clone(), fake.clone());
        async move {
            let Ok(stream) = acceptor.accept(socket).await else {
                return;
            };
            let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            let service = service_fn(move |request| fake.clone().call(request));
            let io = TokioIo::new(stream);
            let _ = if is_h2 {
                let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                http.serve_connection(io, service).await
            } else {
                let http = hyper::server::conn::http1::Builder::new();
                http.serve_connection(io, service).await
            };
        }
    })
    .await;
    let base = raw.base.replace("http://127.0.0.1", "https://localhost");
    (raw, base)
}

fn trusting() -> HttpClientBuilder {
    HttpClient::builder().authorities(AUTHORITY).unwrap()
}

#[tokio::test]
async fn speaks_what_the_server_offers() {
    for (offers, is_http2) in [
        (&["h2", "http/1.1"][..], true),
        (&["http/1.1"][..], false),
        (&[][..], false),
    ] {
        let (asked, seen) = std::sync::mpsc::channel();
        let fake = FakeClaude::new(move |request| {
            // Only HTTP/2 requests have a scheme in their target.
            asked.send(request.uri().scheme().is_some()).unwrap();
            tower_claude_testkit::Answer::thinking_tool_use()
        });
        let (_server, base) = server(fake, offers).await;
        let claude = claude_over(&base, &trusting().build().unwrap());
        let response = call(&claude, ask(SAY)).await.unwrap();
        assert_eq!(bytes(response).await, wire::STREAM_THINKING_TOOL_USE);
        assert_eq!(seen.recv().unwrap(), is_http2);
    }
}

#[tokio::test]
async fn calls_share_one_http2_connection() {
    let (server, base) = server(FakeClaude::default(), &["h2", "http/1.1"]).await;
    let claude = claude_over(&base, &trusting().build().unwrap());
    for _ in 0..3 {
        // Not read to the end: on HTTP/1.1 each would take a connection.
        let response = call(&claude, ask(SAY)).await.unwrap();
        assert_eq!(response.status(), 200);
        drop(response);
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn an_authority_nobody_named_is_not_trusted() {
    let fake = FakeClaude::default();
    let (_server, base) = server(fake.clone(), &["h2"]).await;
    let claude = claude_over(&base, &HttpClient::new().unwrap());
    let error = call(&claude, ask(SAY)).await.unwrap_err();
    assert_eq!((error.sent(), error.is_timeout()), (Sent::No, false));
    // The operator has to be told why, and nothing more.
    assert!(told(&error).contains("UnknownIssuer"), "{}", told(&error));
    assert!(!told(&error).contains(KEY));
    assert_eq!(fake.calls(), 0);
}

#[tokio::test]
async fn a_certificate_for_another_name_is_not_trusted() {
    let (_server, base) = server(FakeClaude::default(), &["h2"]).await;
    let base = base.replace("localhost", "127.0.0.2");
    let claude = claude_over(&base, &trusting().build().unwrap());
    let error = call(&claude, ask(SAY)).await.unwrap_err();
    assert_eq!(error.sent(), Sent::No);
}

#[tokio::test]
async fn a_server_that_never_says_hello_is_a_timeout_before_sending() {
    let server = Raw::start(|mut socket| async move {
        support::read_request(&mut socket).await;
    })
    .await;
    let base = server.base.replace("http:", "https:");
    let client = trusting().connect_timeout(Duration::from_millis(50));
    let claude = claude_over(&base, &client.build().unwrap());
    let error = call(&claude, ask(SAY)).await.unwrap_err();
    assert_eq!((error.sent(), error.is_timeout()), (Sent::No, true));
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_has_got_nothing() {
    let server = Raw::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let base = server.base.replace("http:", "https:");
    let client = trusting().connect_timeout(Duration::from_millis(200));
    let claude = claude_over(&base, &client.build().unwrap());
    let error = call(&claude, ask(SAY)).await.unwrap_err();
    assert_eq!(error.sent(), Sent::No);
}

#[test]
fn authorities_are_certificates() {
    let read = |pem: &str| -> Result<HttpClientBuilder, ConfigError> {
        HttpClient::builder().authorities(pem)
    };
    assert!(read("").is_err());
    assert!(read("no certificate").is_err());
    assert!(read("-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n").is_err());
    let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(read(nonsense).unwrap().build().is_err());
    assert!(trusting().protocol(Protocol::Http2).build().is_ok());
}
