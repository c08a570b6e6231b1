//! Where results are fetched: from us, and nothing else in an answer changes.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops at what is not as it should be"
)]

mod support;

use http::{HeaderMap, HeaderValue, Method};
use http_body_util::BodyExt as _;
use support::{BATCHES, ID, OBJECT, UPSTREAM, answered, ask, get, layer, object, page, tenant};
use tower::{Layer as _, ServiceExt as _};
use tower_claude_batches::BatchBook as _;
use tower_claude_core::Intake;
use tower_claude_testkit::{Answer, FakeClaude, Split};

/// Every route that shows a batch, and what upstream answers there.
fn shown() -> Vec<(Method, String, String)> {
    let own = format!("{BATCHES}/{ID}");
    vec![
        (Method::POST, BATCHES.into(), OBJECT.into()),
        (Method::GET, own.clone(), OBJECT.into()),
        (Method::POST, format!("{own}/cancel"), OBJECT.into()),
        (Method::GET, BATCHES.into(), page(&[ID, ID])),
    ]
}

#[tokio::test]
async fn the_url_of_results_leads_through_us_and_all_else_is_as_it_was() {
    for (method, path, upstream) in shown() {
        for split in [Split::Whole, Split::EveryByte] {
            let answer = Answer::json(200, upstream.clone()).split(split);
            let answer = answer
                .header("request-id", "req_up")
                .header("x-odd", "kept");
            let said = answered(&method, &path, answer).await;
            assert_eq!(
                said.body,
                upstream.replace(UPSTREAM, "http://gate:8080"),
                "{path}"
            );
            let length = said.body.len().to_string();
            assert_eq!(said.headers["content-length"], length.as_str());
            assert_eq!(said.headers["request-id"], "req_up");
            assert_eq!(said.headers["x-odd"], "kept");
        }
    }
}

#[tokio::test]
async fn the_length_upstream_announced_gives_way_to_what_is_sent() {
    for (method, path, upstream) in shown() {
        let length = upstream.len().to_string();
        let answer = Answer::json(200, upstream).header("content-length", length);
        let said = answered(&method, &path, answer).await;
        let length = said.body.len().to_string();
        assert_eq!(said.headers["content-length"], length.as_str(), "{path}");
    }
}

#[tokio::test]
async fn a_batch_without_results_yet_is_passed_as_it_came() {
    let running = OBJECT.replace(&format!("\"{UPSTREAM}{BATCHES}/{ID}/results\""), "null");
    assert!(running.contains("\"results_url\": null"));
    for (method, path, _) in &shown()[..3] {
        let said = answered(method, path, Answer::json(200, running.clone())).await;
        assert_eq!(said.body, running);
    }
}

#[tokio::test]
async fn the_base_is_what_is_configured_or_how_the_caller_found_us() {
    let web = tenant("web");
    let object = || FakeClaude::sequence([Answer::json(200, OBJECT)]);
    let claimed = async |layer: tower_claude_batches::BatchesLayer| {
        layer.book().claim(tenant("web").id(), ID).await.unwrap();
        layer
    };
    let url = |said: support::Said| said.json()["results_url"].as_str().unwrap().to_owned();
    let results = format!("{BATCHES}/{ID}/results");

    let public = layer()
        .public_url("https://claude.example.org/api/")
        .unwrap();
    let service = claimed(public).await.layer(object());
    let said = ask(service, get(&web, &format!("{BATCHES}/{ID}"))).await;
    assert_eq!(
        url(said),
        format!("https://claude.example.org/api{results}")
    );

    let nested = layer().intake(Intake::new().prefix("/claude"));
    let service = claimed(nested).await.layer(object());
    let said = ask(service, get(&web, &format!("/claude{BATCHES}/{ID}"))).await;
    assert_eq!(url(said), format!("http://gate:8080/claude{results}"));

    for (layer, expected) in [
        (layer(), "http://gate:8080"),
        (layer().forwarded_proto(), "https://gate:8080"),
    ] {
        let service = claimed(layer).await.layer(object());
        let mut proxied = get(&web, &format!("{BATCHES}/{ID}"));
        let proto = HeaderValue::from_static("https");
        proxied.headers_mut().insert("x-forwarded-proto", proto);
        assert_eq!(
            url(ask(service, proxied).await),
            format!("{expected}{results}")
        );
    }
}

#[tokio::test]
async fn the_url_that_was_handed_out_is_served() {
    let account = support::Account::default();
    let service = layer().layer(account.claude());
    let web = tenant("web");
    let made = support::create(&web, &support::item("a", "claude-x"));
    let made = ask(service.clone(), made).await;
    let url = made.json()["results_url"].as_str().unwrap().to_owned();
    let said = ask(service.clone(), get(&web, &url)).await;
    assert_eq!((said.status, said.body.as_str()), (200, support::RESULTS));
    assert_eq!(said.headers["content-type"], "application/x-jsonl");
    assert_eq!(ask(service, get(&tenant("app"), &url)).await.status, 404);
}

#[tokio::test]
async fn trailers_of_an_answer_are_kept() {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", HeaderValue::from_static("1"));
    for (path, body) in [
        (format!("{BATCHES}/{ID}"), object(ID)),
        (BATCHES.to_owned(), page(&[])),
        (
            format!("{BATCHES}/{ID}/results"),
            support::RESULTS.to_owned(),
        ),
    ] {
        let layer = layer();
        layer.book().claim(tenant("web").id(), ID).await.unwrap();
        let answer = Answer::json(200, body).trailers(trailers.clone());
        let service = layer.layer(FakeClaude::sequence([answer]));
        let response = service.oneshot(get(&tenant("web"), &path)).await.unwrap();
        let whole = response.into_body().collect().await.unwrap();
        assert_eq!(whole.trailers(), Some(&trailers), "{path}");
    }
}
