//! Whose batch it is: each tenant is served its own, and learns nothing of the others'.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops at what is not as it should be"
)]

mod support;

use http::{Method, Request};
use http_body_util::Full;
use support::{
    Account, BATCHES, Down, ID, RESULTS, UPSTREAM, ask, create, get, item, layer, object, page,
    request, tenant,
};
use tower::Layer as _;
use tower_claude_batches::{BatchBook as _, BatchesLayer};
use tower_claude_testkit::{Answer, FakeClaude};

/// Every route about one batch.
const ROUTES: [(Method, &str); 4] = [
    (Method::GET, ""),
    (Method::DELETE, ""),
    (Method::POST, "/cancel"),
    (Method::GET, "/results"),
];

#[tokio::test]
async fn the_tenant_who_made_a_batch_is_served_it_on_every_route() {
    let service = layer().layer(Account::default().claude());
    let web = tenant("web");
    let made = ask(service.clone(), create(&web, &item("a", "claude-x"))).await;
    assert_eq!(
        (made.status, made.json()["id"].as_str()),
        (200, Some("msgbatch_0"))
    );
    let own = object("msgbatch_0").replace(UPSTREAM, "http://gate:8080");
    assert_eq!(made.body, own);
    let deleted = r#"{"id":"msgbatch_0","type":"message_batch_deleted"}"#;
    let expected = [own.as_str(), deleted, own.as_str(), RESULTS];
    for ((method, what), expected) in ROUTES.iter().zip(expected) {
        let path = format!("{BATCHES}/msgbatch_0{what}");
        let said = ask(service.clone(), request(&web, method, &path, "")).await;
        assert_eq!((said.status, said.body.as_str()), (200, expected), "{path}");
    }
}

#[tokio::test]
async fn another_s_batch_and_one_that_is_not_are_the_same_and_upstream_is_not_asked() {
    let claude = Account::default().claude();
    let service = layer().layer(claude.clone());
    let made = create(&tenant("web"), &item("a", "claude-x"));
    assert_eq!(ask(service.clone(), made).await.status, 200);
    let app = tenant("app");
    for (method, what) in &ROUTES {
        let mut bodies = Vec::new();
        for id in ["msgbatch_0", "msgbatch_1"] {
            let path = format!("{BATCHES}/{id}{what}");
            let said = ask(service.clone(), request(&app, method, &path, "")).await;
            assert_eq!(said.status, 404, "{method} {path}");
            assert!(said.body.contains("not_found_error") && !said.body.contains("msgbatch"));
            let id = said.headers["request-id"].to_str().unwrap();
            bodies.push(said.body.replace(id, ""));
        }
        assert_eq!(bodies[0], bodies[1], "{method} {what}");
    }
    assert_eq!(claude.calls(), 1, "upstream was asked to make the batch");
}

#[tokio::test]
async fn a_list_has_only_the_tenant_s_own_and_says_truly_where_it_goes_on() {
    let account = Account::default();
    let service = layer().layer(account.claude());
    let tenants = [tenant("web"), tenant("app"), tenant("web"), tenant("ops")];
    for tenant in &tenants {
        let made = create(tenant, &item("a", "claude-x"));
        assert_eq!(ask(service.clone(), made).await.status, 200);
    }
    let gate = |text: &str| text.replace(UPSTREAM, "http://gate:8080");
    for (name, own) in [
        ("web", &["msgbatch_0", "msgbatch_2"][..]),
        ("app", &["msgbatch_1"]),
        ("ops", &["msgbatch_3"]),
        ("new", &[]),
    ] {
        let path = format!("{BATCHES}?limit=4&after_id=x");
        let said = ask(service.clone(), get(&tenant(name), &path)).await;
        assert_eq!(said.status, 200);
        let length = said.headers["content-length"].to_str().unwrap();
        assert_eq!(length, said.body.len().to_string());
        let whole = gate(&page(own));
        let (data, _) = whole.split_once("\"first_id\"").unwrap();
        // Without any, upstream's: there is more, and paging goes on from there.
        let first = own.first().unwrap_or(&"msgbatch_0");
        let last = own.last().unwrap_or(&"msgbatch_3");
        let rest = format!(r#""first_id":"{first}", "last_id":"{last}"}}"#);
        assert_eq!(said.body, format!("{data}{rest}"), "{name}");
    }
}

#[tokio::test]
async fn the_query_goes_upstream_and_compressed_answers_are_not_asked_for() {
    let claude = Account::default().claude();
    let service = layer().layer(claude.clone());
    let mut asked = get(&tenant("web"), &format!("{BATCHES}?limit=7&beta=true"));
    let gzip = http::HeaderValue::from_static("gzip, br");
    asked.headers_mut().insert("accept-encoding", gzip);
    assert_eq!(ask(service, asked).await.status, 200);
    let asked = claude.asked();
    assert_eq!(asked[0].uri().query(), Some("limit=7&beta=true"));
    assert_eq!(asked[0].header("accept-encoding"), Some("identity"));
}

#[tokio::test]
async fn a_call_of_nobody_is_refused_on_every_route() {
    let claude = Account::default().claude();
    let service = layer().layer(claude.clone());
    for (method, path) in [
        (Method::POST, BATCHES.to_owned()),
        (Method::GET, BATCHES.to_owned()),
        (Method::GET, format!("{BATCHES}/b")),
        (Method::GET, format!("{BATCHES}/b/results")),
    ] {
        let request = Request::builder().method(method).uri(path);
        let request = request.body(Full::from("{}")).unwrap();
        assert_eq!(ask(service.clone(), request).await.status, 401);
    }
    assert_eq!(claude.calls(), 0);
}

#[tokio::test]
async fn what_the_api_does_not_have_is_refused() {
    let claude = Account::default().claude();
    let service = layer().layer(claude.clone());
    for (method, what, status) in [
        (Method::POST, "/b", 405),
        (Method::GET, "/b/cancel", 405),
        (Method::PUT, "/b", 405),
        (Method::GET, "/b/other", 404),
        (Method::GET, "/b/results/c", 404),
        (Method::GET, "/", 404),
        (Method::GET, "/%62", 404),
    ] {
        let path = format!("{BATCHES}{what}");
        let said = ask(service.clone(), request(&tenant("web"), &method, &path, "")).await;
        assert_eq!(said.status, status, "{method} {path}");
    }
    assert_eq!(claude.calls(), 0);
}

#[tokio::test]
async fn a_book_that_is_down_shows_nobody_anything() {
    let claude = Account::default().claude();
    let service = BatchesLayer::new(Down).layer(claude.clone());
    let web = tenant("web");
    for (method, what) in &ROUTES {
        let path = format!("{BATCHES}/msgbatch_0{what}");
        let said = ask(service.clone(), request(&web, method, &path, "")).await;
        assert_eq!(said.status, 503, "{method} {path}");
        assert!(said.body.contains("api_error") && !said.body.contains("hunter2"));
    }
    assert_eq!(claude.calls(), 0);
    // A page without batches needs no book.
    assert_eq!(ask(service.clone(), get(&web, BATCHES)).await.status, 200);

    let made = ask(service.clone(), create(&web, &item("a", "claude-x"))).await;
    assert_eq!(made.status, 503);
    assert_eq!(
        made.headers["x-should-retry"], "false",
        "it would make another"
    );
    assert!(made.message().contains("msgbatch_0"), "{}", made.body);
    assert!(made.message().contains("web"), "{}", made.body);
    assert!(made.body.contains("api_error") && !made.body.contains("hunter2"));

    let list = ask(service, get(&web, BATCHES)).await;
    assert_eq!(list.status, 503);
    assert!(!list.body.contains("msgbatch"), "{}", list.body);
}

#[tokio::test]
async fn a_batch_is_the_tenant_s_before_its_caller_hears_of_it() {
    let layer = layer();
    let web = tenant("web");
    let body = Answer::json(200, object(ID)).stall_after(1);
    let service = layer.layer(FakeClaude::sequence([body]));
    let made = create(&web, &item("a", "claude-x"));
    let mut call = Box::pin(tower::ServiceExt::oneshot(service, made));
    assert!(is_pending(call.as_mut()));
    // Upstream's answer has not ended: nothing is claimed, and nothing is said.
    assert_eq!(layer.book().owner(ID).await.unwrap(), None);
    drop(call);

    let service = layer.layer(FakeClaude::sequence([Answer::json(200, object(ID))]));
    let made = create(&web, &item("a", "claude-x"));
    tower::ServiceExt::oneshot(service, made).await.unwrap();
    assert_eq!(
        layer.book().owner(ID).await.unwrap().as_ref(),
        Some(web.id())
    );
}

#[tokio::test]
async fn a_batch_that_is_another_s_already_is_not_shown() {
    let layer = layer();
    layer.book().claim(tenant("app").id(), ID).await.unwrap();
    let service = layer.layer(FakeClaude::sequence([Answer::json(200, object(ID))]));
    let said = ask(service, create(&tenant("web"), &item("a", "claude-x"))).await;
    assert_eq!(
        (said.status, &said.headers["x-should-retry"]),
        (502, &"false".parse().unwrap())
    );
    assert!(!said.body.contains("request_counts"), "{}", said.body);
    let owner = layer.book().owner(ID).await.unwrap();
    assert_eq!(owner.as_ref(), Some(tenant("app").id()));
}

fn is_pending<F: Future>(future: std::pin::Pin<&mut F>) -> bool {
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    future.poll(&mut cx).is_pending()
}
