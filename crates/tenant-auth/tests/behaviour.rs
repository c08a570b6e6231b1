//! What `TenantAuth` lets in, what it refuses, and what is left of a request it lets in.

mod support;

use http::Request;
use support::{KEY, Recorder, ask, call, keys, tenant};
use tower::Layer as _;
use tower_claude_core::{Refusal, RefusalKind, RequestId, Tenant, Timestamp};
use tower_claude_tenant_auth::{
    AuthFailure, Credential, KeyDigest, StaticKey, StaticKeys, TenantAuthLayer,
};

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

#[tokio::test]
async fn lets_the_key_in_under_either_name_or_both() {
    let recorder = Recorder::default();
    let service = TenantAuthLayer::new(keys()).layer(recorder.clone());
    let token = bearer(KEY);
    for headers in [
        &[("x-api-key", KEY)][..],
        &[("authorization", token.as_str())],
        &[("x-api-key", KEY), ("authorization", token.as_str())],
        &[("X-Api-Key", KEY), ("x-api-key", KEY)],
    ] {
        let answer = ask(service.clone(), call(headers)).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "inner"));
        let head = recorder.last();
        assert_eq!(
            head.extensions.get::<Tenant>().unwrap().id().as_str(),
            "web"
        );
    }
}

#[tokio::test]
async fn every_401_reads_the_same_and_knows_its_reason() {
    let now = Timestamp::now().unix_millis();
    let at = |offset| Timestamp::from_unix_millis(now + offset);
    let digest = |key: &str| KeyDigest::of(key);
    let keys = StaticKeys::new([
        StaticKey::new(digest("the-key-of-yesterday"), tenant("web")).not_after(at(-60_000)),
        StaticKey::new(digest("the-key-of-tomorrow"), tenant("web")).not_before(at(60_000)),
        StaticKey::new(digest("too-short-a-key"), tenant("web")),
    ])
    .unwrap();
    let recorder = Recorder::default();
    let service = TenantAuthLayer::new(keys).layer(recorder.clone());
    let long = "k".repeat(257);
    let mut bodies = Vec::new();
    for (headers, reason) in [
        (&[][..], AuthFailure::Missing),
        (
            &[("authorization", "Basic d2ViOmtleQ==")],
            AuthFailure::Malformed,
        ),
        (&[("x-api-key", "too-short-a-key")], AuthFailure::Malformed),
        (&[("x-api-key", long.as_str())], AuthFailure::Malformed),
        (
            &[("x-api-key", "a key with blanks in it")],
            AuthFailure::Malformed,
        ),
        (
            &[("x-api-key", "cg_web_made-up-in-a-hurry-000000")],
            AuthFailure::Malformed,
        ),
        (
            &[("x-api-key", "the-key-of-a-stranger")],
            AuthFailure::Unknown,
        ),
        (
            &[("x-api-key", "the-key-of-yesterday")],
            AuthFailure::Expired,
        ),
        (
            &[("x-api-key", "the-key-of-tomorrow")],
            AuthFailure::NotYetValid,
        ),
    ] {
        let answer = ask(service.clone(), call(headers)).await;
        assert_eq!(answer.status, 401, "{reason}");
        let found = AuthFailure::of(answer.refusal.as_ref().unwrap());
        assert_eq!(found, Some(reason));
        let id = answer.headers["request-id"].to_str().unwrap();
        assert!(answer.body.contains("authentication_error"), "{reason}");
        bodies.push(answer.body.replace(id, "req"));
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    assert!(
        recorder.heads().is_empty(),
        "nothing reached the inner service"
    );
}

#[tokio::test]
async fn different_credentials_are_a_400_that_names_the_headers() {
    let recorder = Recorder::default();
    let service = TenantAuthLayer::new(keys()).layer(recorder.clone());
    let other = bearer("another-key-of-web");
    for headers in [
        [("x-api-key", KEY), ("authorization", other.as_str())],
        [("x-api-key", KEY), ("authorization", "Basic d2ViOmtleQ==")],
        [("x-api-key", KEY), ("x-api-key", "another-key-of-web")],
    ] {
        let answer = ask(service.clone(), call(&headers)).await;
        assert_eq!(answer.status, 400);
        assert!(answer.body.contains("invalid_request_error"));
        assert!(answer.message().contains("x-api-key"));
        assert!(answer.message().contains("authorization"));
        let reason = AuthFailure::of(answer.refusal.as_ref().unwrap());
        assert_eq!(reason, Some(AuthFailure::Conflicting));
    }
    assert!(recorder.heads().is_empty());
}

#[tokio::test]
async fn nothing_of_the_caller_s_identity_reaches_the_inner_service() {
    let recorder = Recorder::default();
    let service = TenantAuthLayer::new(keys()).layer(recorder.clone());
    let token = bearer(KEY);
    let stripped = [
        ("x-api-key", KEY),
        ("authorization", token.as_str()),
        ("api-key", KEY),
        ("x-goog-api-key", KEY),
        ("proxy-authorization", token.as_str()),
        ("cookie", "session=1"),
        ("cookie", "more=2"),
        ("x-tenant", "admin"),
        ("x-tenant-plan", "unlimited"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-forwarded-for", "10.0.0.2"),
        ("x-forwarded-client-cert", "By=admin"),
        ("forwarded", "for=10.0.0.1"),
        ("x-real-ip", "10.0.0.1"),
    ];
    let kept = [
        ("content-type", "application/json"),
        ("anthropic-version", "2023-06-01"),
        ("x-feature", "search"),
        ("x-user-id", "ann"),
        ("x-session-id", "s-1"),
        ("x-stainless-lang", "python"),
    ];
    ask(service, call(&[&stripped[..], &kept].concat())).await;
    let head = recorder.last();
    assert_eq!(head.headers.len(), kept.len(), "{:?}", head.headers);
    for (name, value) in kept {
        assert_eq!(head.headers[name], value);
    }
}

#[tokio::test]
async fn a_tenant_that_somebody_else_put_there_is_replaced() {
    let recorder = Recorder::default();
    let service = TenantAuthLayer::new(keys()).layer(recorder.clone());
    let mut request = call(&[("x-api-key", KEY)]);
    request.extensions_mut().insert(tenant("admin"));
    ask(service, request).await;
    let head = recorder.last();
    assert_eq!(
        head.extensions.get::<Tenant>().unwrap().id().as_str(),
        "web"
    );
}

#[tokio::test]
async fn the_id_of_the_call_is_the_host_s_or_a_new_one_for_everybody_inside() {
    let recorder = Recorder::default();
    let service = TenantAuthLayer::new(keys()).layer(recorder.clone());
    let id = RequestId::generate();
    let mut request = call(&[("x-api-key", KEY)]);
    request.extensions_mut().insert(id);
    ask(service.clone(), request).await;
    assert_eq!(recorder.last().extensions.get(), Some(&id));

    ask(service.clone(), call(&[("x-api-key", KEY)])).await;
    assert!(recorder.last().extensions.get::<RequestId>().is_some());

    let mut request = call(&[]);
    request.extensions_mut().insert(id);
    let answer = ask(service, request).await;
    assert_eq!(answer.headers["request-id"], id.as_str());
    assert!(answer.body.contains(id.as_str()));
}

#[tokio::test]
async fn speaks_grpc_to_those_who_do() {
    let service = TenantAuthLayer::new(keys()).layer(Recorder::default());
    for headers in [
        &[("content-type", "application/grpc")][..],
        &[
            ("content-type", "application/grpc+proto"),
            ("x-api-key", "the-key-of-a-stranger"),
        ],
    ] {
        let answer = ask(service.clone(), call(headers)).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.headers["grpc-status"], "16");
        assert!(answer.body.is_empty());
    }
}

#[tokio::test]
async fn the_body_passes_in_its_own_type_and_unread() {
    /// No body at all: nothing here could read it.
    #[derive(Debug)]
    struct Opaque;
    let service = TenantAuthLayer::new(keys()).layer(Recorder::default());
    let request = Request::get("/").header("x-api-key", KEY);
    let answer = ask(service, request.body(Opaque).unwrap()).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_closure_authenticates_and_its_own_401_says_no_more_than_ours() {
    let ours = ask(
        TenantAuthLayer::new(keys()).layer(Recorder::default()),
        call(&[]),
    )
    .await;
    let service = TenantAuthLayer::new(async |credential: Credential| match credential.expose() {
        b"good" => Ok(tenant("web")),
        b"down" => Err(Refusal::new(RefusalKind::Unavailable, "no directory")),
        b"alien" => Err(Refusal::new(RefusalKind::Forbidden, "unknown tenant")),
        _ => Err(
            Refusal::new(RefusalKind::Unauthenticated, "expired on Monday")
                .cause(AuthFailure::Expired),
        ),
    })
    .layer(Recorder::default());
    let asked = async |key: &str| ask(service.clone(), call(&[("x-api-key", key)])).await;
    assert_eq!(asked("good").await.status, 200);
    assert_eq!(asked("down").await.status, 503);
    assert_eq!(asked("alien").await.message(), "unknown tenant");
    let expired = asked("old").await;
    assert_eq!(expired.message(), ours.message());
    let reason = AuthFailure::of(expired.refusal.as_ref().unwrap());
    assert_eq!(reason, Some(AuthFailure::Expired));
}

#[tokio::test]
async fn no_key_is_in_any_debug_output() {
    let keys = keys();
    let layer = TenantAuthLayer::new(keys.clone());
    let service = layer.layer(Recorder::default());
    let credential = Credential::new(KEY).unwrap();
    let answer = ask(
        service.clone(),
        call(&[("x-api-key", "the-key-of-a-stranger")]),
    )
    .await;
    let printed = format!("{keys:?} {layer:?} {service:?} {credential:?} {answer:?}");
    for secret in [KEY, "stranger", &KeyDigest::of(KEY).to_string()[7..]] {
        assert!(!printed.contains(secret), "{printed}");
    }
}
