//! What a batch may ask for, and how it goes upstream.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops at what is not as it should be"
)]

mod support;

use std::future::{Ready, ready};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use bytes::Bytes;
use http::Method;
use support::{Account, BATCHES, ID, ask, create, item, layer, object, request, tenant};
use tower::Layer as _;
use tower_claude_batches::{BatchBook, BatchesLayer, BookError, MemoryBook};
use tower_claude_core::{Intake, TenantId};
use tower_claude_testkit::{Answer, FakeClaude};

/// A book that cannot be asked for so many claims.
struct Shaky {
    failures: AtomicU32,
    book: MemoryBook,
}

impl BatchBook for Shaky {
    type Claim = Ready<Result<bool, BookError>>;
    type Owner = <MemoryBook as BatchBook>::Owner;
    type First = <MemoryBook as BatchBook>::First;

    fn claim(&self, tenant: &TenantId, batch: &str) -> Self::Claim {
        let left = self.failures.load(Relaxed);
        if left == 0 {
            return self.book.claim(tenant, batch);
        }
        self.failures.store(left - 1, Relaxed);
        ready(Err(BookError::new("not now")))
    }

    fn owner(&self, batch: &str) -> Self::Owner {
        self.book.owner(batch)
    }

    fn first(&self, batch: &str, custom_id: &str) -> Self::First {
        self.book.first(batch, custom_id)
    }
}

#[tokio::test]
async fn the_body_goes_upstream_byte_for_byte() {
    let body = " {\"x\":[1.0, 1e2],\n\"requests\" : [ {\"custom_id\":\"\\u0061\",\
        \"params\":{\"model\":\"claude-\\u0078\",\"messages\":[{\"content\":\"caf\\u00e9 ☕\"}]}} ] ,\"y\":{}}\n";
    let claude = Account::default().claude();
    let service = layer().layer(claude.clone());
    let said = ask(
        service,
        request(&tenant("web"), &Method::POST, BATCHES, body),
    )
    .await;
    assert_eq!(said.status, 200);
    assert_eq!(claude.asked()[0].body(), body);
}

#[tokio::test]
async fn every_item_s_model_must_be_the_tenant_s_and_have_a_price() {
    let claude = Account::default().claude();
    let layer = layer().priced(|model| model.starts_with("claude-"));
    let service = layer.layer(claude.clone());
    let open = tenant("open");
    let bound = tenant("bound").models(["claude-haiku-*".into(), "mine".into()]);
    let wild = tenant("wild").models(["*".into()]);
    for (tenant, model, status) in [
        (&open, "claude-x", 200),
        (&open, "gpt", 403),
        (&bound, "claude-haiku-5-5", 200),
        (&bound, "claude-opus-5-5", 403),
        (&bound, "mine", 200),
        (&wild, "claude-opus-5-5", 200),
        (&wild, "gpt", 403),
    ] {
        let items: Vec<String> = (0..20)
            .map(|number| item(&format!("row-{number}"), "claude-haiku-5-5"))
            .chain([item("odd-one", model)])
            .collect();
        let said = ask(service.clone(), create(tenant, &items.join(","))).await;
        assert_eq!(said.status, status, "{tenant:?} {model}");
        if status == 403 {
            let id = tenant.id();
            let expected = format!(
                "tenant {id} may not use model {model} (requests.20.params.model, custom id odd-one)"
            );
            assert_eq!(said.message(), expected);
            assert!(said.body.contains("permission_error"));
        }
    }
    assert_eq!(claude.calls(), 4, "what is refused is not asked");
}

#[tokio::test]
async fn what_is_wrong_is_named_with_its_item_and_upstream_is_not_asked() {
    let claude = Account::default().claude();
    let service = layer().layer(claude.clone());
    for (items, expected) in [
        (
            format!("{},{}", item("a", "claude-x"), item("a", "claude-x")),
            "requests.1.custom_id: must not be given twice",
        ),
        (
            format!(
                "{},{{\"custom_id\":\"b\",\"params\":{{}}}}",
                item("a", "claude-x")
            ),
            "requests.1.params.model: Field required",
        ),
        (String::new(), "requests: must not be empty"),
    ] {
        let said = ask(service.clone(), create(&tenant("web"), &items)).await;
        assert_eq!((said.status, said.message()), (400, expected));
        assert!(said.body.contains("invalid_request_error"));
    }
    let none = request(&tenant("web"), &Method::POST, BATCHES, "");
    assert_eq!(ask(service, none).await.status, 400);
    assert_eq!(claude.calls(), 0);
}

#[tokio::test]
async fn a_long_name_of_a_model_is_not_echoed_in_full() {
    let service = layer().priced(|_| false).layer(Account::default().claude());
    let items = item("a", &"é".repeat(100_000));
    let said = ask(service, create(&tenant("web"), &items)).await;
    assert_eq!(said.status, 403);
    assert!(said.message().len() < 600);
}

#[tokio::test]
async fn a_body_over_the_limit_of_batches_is_refused() {
    let layer = layer().intake(Intake::new().body_limit(10).batch_limit(1000));
    let service = layer.layer(Account::default().claude());
    let web = tenant("web");
    let small = create(&web, &item("a", "claude-x"));
    assert_eq!(ask(service.clone(), small).await.status, 200);
    let large = Bytes::from(vec![b' '; 1001]);
    let said = ask(service, request(&web, &Method::POST, BATCHES, large)).await;
    assert_eq!(said.status, 413);
}

#[tokio::test]
async fn an_error_of_upstream_passes_as_it_is() {
    let error = r#"{"type":"error","error":{"type":"invalid_request_error","message":"https://api/v1/messages/batches"},"request_id":"req_1"}"#;
    let answer = Answer::json(400, error).header("request-id", "req_1");
    let service = layer().layer(FakeClaude::sequence([answer]));
    let said = ask(service, create(&tenant("web"), &item("a", "claude-x"))).await;
    assert_eq!((said.status, said.body.as_str()), (400, error));
    assert_eq!(said.headers["request-id"], "req_1");
}

#[tokio::test]
async fn a_batch_that_runs_is_claimed_again_and_again_as_long_as_that_fails() {
    for (failures, status) in [(0, 200), (1, 200), (4, 200), (5, 503)] {
        let shaky = Shaky {
            failures: AtomicU32::new(failures),
            book: MemoryBook::new(),
        };
        let claude = FakeClaude::new(|_| Answer::json(200, object(ID)));
        let service = BatchesLayer::new(shaky).layer(claude.clone());
        let request = create(&tenant("web"), &item("a", "claude-haiku-5-5"));
        let said = ask(service, request).await;
        assert_eq!(said.status, status, "{failures}");
        assert_eq!(claude.calls(), 1, "made once");
    }
}
