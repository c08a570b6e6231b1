//! No key is in anything that can be printed, recorded or sent; no text of a request or an
//! answer is in anything that can be printed or recorded.
//!
//! Canaries go through the layers with every ending there is. Whatever has a `Debug` or a
//! `Display` is shown at every step, and then the canaries are looked for.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod support;

use std::error::Error;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http_body::Body;
use http_body_util::BodyExt;
use support::endings::{
    Ending, Leaves, bearer, endings, message, message_of, mistyped, plain, refusals, stream,
};
use support::evidence::{ANSWER, Evidence, PROMPT, SYSTEM, TENANT_KEY, UPSTREAM_KEY};
use support::push::{push, run, show_head};
use support::spies::{auth, authorize, budget, capture, failover, meter, retry};
use tower::ServiceExt;
use tower_claude::core::{
    ByteSemaphore, Intake, ModelPattern, Peek, Prepare, Refusal, Replay, SseScanner, Target,
    Tenant, TenantId,
};
use tower_claude::platforms::{Anthropic, ApiKey, BoundaryLayer, HttpClient, Platforms};
use tower_claude::tenant_auth::{Credential, KeyDigest, StaticKey, StaticKeys};
use tower_claude_testkit::{Answer, FakeClaude, FakeServer, Split};
use tower_layer::{Layer, Stack};

/// The layers in their order, as one.
macro_rules! whole {
    ($evidence:expr) => {
        Stack::new(
            Stack::new(retry($evidence), failover($evidence)),
            Stack::new(
                Stack::new(budget($evidence), authorize()),
                Stack::new(meter($evidence), auth($evidence)),
            ),
        )
    };
}

/// Runs every ending through each layer alone.
macro_rules! through_each_layer {
    ($endings:expr, $evidence:expr) => {
        run("TenantAuth", || auth($evidence), $endings, $evidence).await;
        run("UsageMeter", || meter($evidence), $endings, $evidence).await;
        let authorized = || Stack::new(authorize(), auth($evidence));
        run("Authorize", authorized, $endings, $evidence).await;
        run("Capture", || capture($evidence), $endings, $evidence).await;
        run("TokenBudget", || budget($evidence), $endings, $evidence).await;
        run("Failover", || failover($evidence), $endings, $evidence).await;
        run("Retry", || retry($evidence), $endings, $evidence).await;
    };
}

#[test]
fn a_canary_is_found_wherever_it_is() {
    let found = |add: &dyn Fn(&Evidence)| {
        let evidence = Evidence::default();
        add(&evidence);
        evidence.leaks().len()
    };
    let io = |text: &str| std::io::Error::other(text.to_owned());
    let deep = |text| Refusal::new(tower_claude::core::RefusalKind::Internal, "x").cause(io(text));
    assert_eq!(found(&|evidence| evidence.shown("text", PROMPT)), 1);
    assert_eq!(
        found(&|evidence| evidence.shown("bytes", ANSWER.as_bytes())),
        1
    );
    assert_eq!(
        found(&|evidence| evidence.failed("source", &deep(SYSTEM))),
        1
    );
    assert_eq!(found(&|evidence| evidence.written("line", TENANT_KEY)), 1);
    assert_eq!(found(&|evidence| evidence.sent("body", UPSTREAM_KEY)), 1);
    assert_eq!(found(&|evidence| evidence.sent("body", ANSWER)), 0);
    let mut headers = message(TENANT_KEY);
    assert_eq!(found(&|evidence| evidence.shown("request", &headers)), 2);
    for value in headers.headers_mut().values_mut() {
        value.set_sensitive(true);
    }
    assert_eq!(found(&|evidence| evidence.shown("request", &headers)), 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_call_through_the_whole_stack_shows_a_secret() {
    let evidence = &Evidence::default();
    run("the whole stack", || whole!(evidence), endings, evidence).await;
    // A record of each call, and of the one after it.
    assert_eq!(evidence.count("ledger line"), 2 * endings().len());
    for seam in [
        "Credential",
        "Reservation",
        "Settlement",
        "AttemptContext",
        "Candidate",
    ] {
        assert!(evidence.count(seam) > 0, "{seam} was never shown");
    }
    evidence.assert_clean(1_000);
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_call_through_one_layer_shows_a_secret() {
    let evidence = &Evidence::default();
    through_each_layer!(endings, evidence);
    evidence.assert_clean(1_000);
}

#[tokio::test(start_paused = true)]
async fn no_refusal_shows_a_secret() {
    let evidence = &Evidence::default();
    run("the whole stack", || whole!(evidence), refusals, evidence).await;
    through_each_layer!(refusals, evidence);
    assert!(evidence.count("Refusal") > refusals().len());
    evidence.assert_clean(500);
}

#[tokio::test(start_paused = true)]
async fn the_refusal_of_a_field_of_the_wrong_type_does_not_show_the_field() {
    let endings = || {
        ["model", "max_tokens", "stream", "messages"]
            .map(|field| Ending::refused(field, mistyped(field)))
            .into()
    };
    let evidence = &Evidence::default();
    run("the whole stack", || whole!(evidence), endings, evidence).await;
    evidence.assert_clean(20);
}

#[tokio::test]
async fn what_was_read_of_a_request_shows_no_secret() {
    let evidence = &Evidence::default();
    let prepare = |request| Prepare::new(request, &Intake::new());
    // Not behind authentication: the key is still there, and nobody has marked it.
    let request = bearer(message(TENANT_KEY));
    evidence.shown("CallBody", request.body());
    evidence.shown("Prepare", &prepare(message(TENANT_KEY)));
    let prepared = prepare(request).await.unwrap();
    evidence.shown("Prepared", &prepared);
    evidence.shown("Call", &prepared.call);
    evidence.shown("Attribution", prepared.call.attribution());
    evidence.shown("Replay", &Replay::new(&prepared.request).unwrap());
    let unprepared = message_of(TENANT_KEY, format!("{{{PROMPT:?}"));
    let unprepared = prepare(bearer(unprepared)).await.unwrap_err();
    evidence.shown("Unprepared", &unprepared);
    evidence.assert_clean(7);
}

#[tokio::test]
async fn what_is_held_back_of_an_answer_is_not_shown() {
    let evidence = &Evidence::default();
    let call = Prepare::new(message(TENANT_KEY), &Intake::new()).await;
    let call = call.unwrap().call;
    let mut cx = Context::from_waker(Waker::noop());
    let error = || Answer::error(529, "overloaded_error", ANSWER);
    for answer in [
        stream().split(Split::Whole),
        stream().reset_after(3),
        stream().error_event_after(1, "overloaded_error", ANSWER),
        error(),
        // The gate is still closed when it is looked at.
        error().split(Split::At(vec![150])).stall_after(1),
    ] {
        let mut peek = Peek::new(answer.response().unwrap(), &call);
        let peeked = std::pin::Pin::new(&mut peek).poll(&mut cx);
        evidence.shown("Peek", &peek);
        let Poll::Ready(peeked) = peeked else {
            continue;
        };
        evidence.shown("Peeked", &peeked);
        evidence.shown("Failure", &peeked.failure);
        evidence.shown("the response", &peeked.response);
        evidence.shown("PeekedBody", peeked.response.body());
    }
    evidence.assert_clean(17);
}

#[test]
fn the_events_of_a_stream_do_not_show_what_they_say() {
    let evidence = &Evidence::default();
    let answers = [
        stream(),
        stream().error_event_after(4, "api_error", ANSWER),
        Answer::sse(format!(
            "event: content_block_start\ndata: {{\"type\":\"content_block_start\",\"index\":0,\
             \"content_block\":{{\"type\":\"text\",\"text\":\"{ANSWER}\"}}}}\n\n"
        )),
    ];
    for answer in answers {
        let mut body = answer.response().unwrap().into_body();
        let mut scanner = SseScanner::new();
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(Ok(frame))) = std::pin::Pin::new(&mut body).poll_frame(&mut cx) {
            let data = frame.into_data().unwrap();
            scanner.push(&data, |event| evidence.shown("SseEvent", &event));
            evidence.shown("SseScanner", &scanner);
        }
    }
    evidence.assert_clean(20);
}

#[test]
fn what_is_wrong_with_a_secret_is_said_without_it() {
    let evidence = &Evidence::default();
    let web = Tenant::new(TenantId::new("web").unwrap());
    // A key where its digest belongs: the mistake that is made most.
    let no_digest = KeyDigest::parse(TENANT_KEY).unwrap_err();
    evidence.failed("KeyDigest::parse", &no_digest);
    let digest = KeyDigest::of(TENANT_KEY);
    evidence.shown("KeyDigest", &digest);
    evidence.written("KeyDigest", digest.to_string());
    evidence.shown("StaticKey", &StaticKey::new(digest, web.clone()));
    let twice = StaticKeys::new([(digest, web.clone()), (digest, web.clone())]);
    evidence.failed("StaticKeys", &twice.unwrap_err());
    let unfit = format!("{TENANT_KEY}\n");
    evidence.failed("Credential", &Credential::new(&unfit).unwrap_err());
    evidence.shown("Credential", &Credential::new(TENANT_KEY).unwrap());
    let no_id = TenantId::new(&format!("{TENANT_KEY}\n")).unwrap_err();
    evidence.failed("TenantId", &no_id);
    evidence.shown("Tenant", &web.models([ModelPattern::from("claude-*")]));

    let key = ApiKey::new(UPSTREAM_KEY).unwrap();
    evidence.shown("ApiKey", &key);
    let unfit = ApiKey::new(format!("{UPSTREAM_KEY} and more")).unwrap_err();
    evidence.failed("ApiKey::new", &unfit);
    let client = HttpClient::new().unwrap();
    for url in [
        format!("http://user:{UPSTREAM_KEY}@localhost"),
        format!("http://localhost?key={UPSTREAM_KEY}"),
        format!("http://localhost/#{UPSTREAM_KEY}"),
        format!("ftp://{UPSTREAM_KEY}"),
    ] {
        let error = Anthropic::new(url, key.clone(), &client).unwrap_err();
        evidence.failed("Anthropic::new", &error);
    }
    evidence.shown("ByteSemaphore", &ByteSemaphore::process());
    evidence.assert_clean(16);
}

/// The platform at a URL, behind two targets.
fn platforms(base_url: &str, key: &ApiKey, evidence: &Evidence) -> Platforms {
    let client = HttpClient::builder().connect_timeout(Duration::from_secs(5));
    evidence.shown("HttpClientBuilder", &client);
    let client = client.build().unwrap();
    evidence.shown("HttpClient", &client);
    let platform = Anthropic::new(base_url, key.clone(), &client).unwrap();
    evidence.shown("Anthropic", &platform);
    let targets = ["first", "second"].map(|name| (Target::new(name), platform.clone()));
    let platforms = Platforms::new(targets).unwrap();
    evidence.shown("Platforms", &platforms);
    platforms
}

#[tokio::test]
async fn nothing_of_a_call_to_a_platform_shows_a_secret() {
    let evidence = &Evidence::default();
    let key = ApiKey::new(UPSTREAM_KEY).unwrap();
    for (name, answer) in [
        ("a plain answer", plain()),
        ("a stream", stream()),
        (
            "upstream says 400",
            Answer::error(400, "invalid_request_error", ANSWER),
        ),
        (
            "upstream says 529",
            Answer::error(529, "overloaded_error", ANSWER),
        ),
        ("no reply", Answer::reset()),
        ("reset after content", stream().reset_after(4)),
        ("truncated", stream().truncate_after(4)),
    ] {
        let fake = FakeClaude::sequence([answer]).require_key(UPSTREAM_KEY);
        let server = FakeServer::start(fake);
        let platforms = platforms(&server.base_url(), &key, evidence);
        let alone = platforms.clone();
        push(
            &format!("the platform, {name}"),
            alone,
            message(TENANT_KEY),
            Leaves::Never,
            evidence,
        )
        .await;
        let layer = Stack::new(
            Stack::new(retry(evidence), failover(evidence)),
            BoundaryLayer::new(),
        );
        let service = meter(evidence).layer(budget(evidence).layer(layer.layer(platforms)));
        let service = auth(evidence).layer(service);
        push(
            &format!("the whole stack, {name}"),
            service,
            message(TENANT_KEY),
            Leaves::Never,
            evidence,
        )
        .await;
    }
    // Upstream does not know the key, and says so to us, not to the caller.
    let fake = FakeClaude::default().require_key("another");
    let server = FakeServer::start(fake);
    let platforms = platforms(&server.base_url(), &key, evidence);
    let service = auth(evidence).layer(failover(evidence).layer(platforms));
    push(
        "a refused key",
        service,
        message(TENANT_KEY),
        Leaves::Never,
        evidence,
    )
    .await;
    assert_eq!(evidence.count("ledger line"), 7);
    evidence.assert_clean(200);
}

/// An error and all it comes from, as text.
fn chain(error: &dyn Error) -> String {
    let mut text = format!("{error:?} {error:#?} {error}");
    let mut next = error.source();
    while let Some(error) = next {
        text.push_str(&format!(" {error:?} {error}"));
        next = error.source();
    }
    text
}

#[tokio::test]
async fn an_error_of_the_transport_holds_no_key_and_no_url() {
    let evidence = &Evidence::default();
    let key = ApiKey::new(UPSTREAM_KEY).unwrap();
    let request = || {
        let mut request = message(TENANT_KEY);
        *request.uri_mut() = "/v1/messages?query=canary-query".parse().unwrap();
        request
    };
    // Nobody listens at the first any more; the others say nothing, or nothing of sense.
    let listener = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base = |listener: &std::net::TcpListener| {
        let address = listener.local_addr().unwrap();
        format!("http://{address}/canary-path")
    };
    let refused = base(&listener());
    let (silent, garbled) = (listener(), listener());
    let urls = [refused, base(&silent), base(&garbled)];
    std::thread::spawn(move || {
        while let Ok((connection, _)) = silent.accept() {
            drop(connection);
        }
    });
    std::thread::spawn(move || {
        while let Ok((mut connection, _)) = garbled.accept() {
            use std::io::Write as _;
            let _ = connection.write_all(b"HTTP/9.9 no such thing\r\n\r\n");
        }
    });
    for url in urls {
        let platforms = platforms(&url, &key, evidence);
        let answer = platforms.clone().oneshot(request()).await;
        let error = answer.unwrap_err();
        evidence.failed("TransportError", &error);
        let text = chain(&error);
        for part in ["http://", "canary-path", "canary-query", "/v1/messages"] {
            assert!(!text.contains(part), "{part}: {text}");
        }
        let shown = format!("{platforms:?} {platforms:#?}");
        assert!(!shown.contains("canary-path"), "{shown}");
        // At the boundary it is an answer, whose cause does not leave the process.
        let response = BoundaryLayer::new()
            .layer(platforms)
            .oneshot(request())
            .await;
        let response = response.unwrap();
        show_head("the boundary", &response, evidence);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        evidence.sent("the boundary", &body);
        let body = String::from_utf8_lossy(&body).into_owned();
        assert!(!body.contains("127.0.0.1"), "{body}");
    }
    evidence.assert_clean(15);
}
