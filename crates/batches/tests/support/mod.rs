#![allow(dead_code, reason = "each test file uses some of it")]
#![allow(
    clippy::unwrap_used,
    reason = "a test stops at what is not as it should be"
)]

use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt as _, Full};
use tower::{Layer as _, Service, ServiceExt as _};
use tower_claude_batches::{BatchBook, BatchesLayer, BookError, MemoryBook};
use tower_claude_core::{Refusal, Tenant, TenantId};
use tower_claude_testkit::{Answer, Asked, FakeClaude};

pub(crate) const BATCHES: &str = "/v1/messages/batches";
pub(crate) const UPSTREAM: &str = "https://api.anthropic.com";
pub(crate) const OBJECT: &str = include_str!("../../../testkit/wire/batch-object.json");
pub(crate) const RESULTS: &str = include_str!("../../../testkit/wire/batch-results.jsonl");
/// Of [`OBJECT`].
pub(crate) const ID: &str = "msgbatch_01WireSampleQ4";

/// An account at upstream, all of whose batches are ended the moment they are made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account(Arc<Mutex<Vec<String>>>);

/// What a caller sees, and what we keep for ourselves.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    pub(crate) refusal: Option<Refusal>,
}

/// A book that cannot be asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Down;

// === impl Account ===

impl Account {
    pub(crate) fn claude(&self) -> FakeClaude {
        let account = self.clone();
        FakeClaude::new(move |asked| account.answer(asked)).recording()
    }

    fn answer(&self, asked: &Asked) -> Answer {
        let mut batches = self.0.lock().unwrap();
        let rest = asked.path().strip_prefix(BATCHES).unwrap();
        let mut segments = rest.split('/').skip(1);
        let (id, what) = (segments.next(), segments.next());
        match (asked.method(), id, what) {
            (&Method::POST, None, None) => {
                let id = format!("msgbatch_{}", batches.len());
                batches.push(id.clone());
                Answer::json(200, object(&id))
            }
            (&Method::GET, None, None) => {
                let ids: Vec<&str> = batches.iter().map(String::as_str).collect();
                Answer::json(200, page(&ids))
            }
            (_, Some(id), _) if !batches.iter().any(|batch| batch == id) => Answer::json(
                404,
                r#"{"type":"error","error":{"type":"not_found_error"}}"#,
            ),
            (&Method::GET, Some(_), Some("results")) => {
                Answer::raw(200, "application/x-jsonl", RESULTS)
            }
            (&Method::DELETE, Some(id), None) => Answer::json(
                200,
                format!(r#"{{"id":"{id}","type":"message_batch_deleted"}}"#),
            ),
            (&Method::GET, Some(id), None) | (&Method::POST, Some(id), Some("cancel")) => {
                Answer::json(200, object(id))
            }
            _ => Answer::json(405, "{}"),
        }
    }
}

// === impl Said ===

impl Said {
    pub(crate) fn message(&self) -> &str {
        self.refusal.as_ref().expect("a refusal").message()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

// === impl Down ===

impl BatchBook for Down {
    type Claim = Ready<Result<bool, BookError>>;
    type Owner = Ready<Result<Option<TenantId>, BookError>>;
    type First = Ready<Result<bool, BookError>>;

    fn claim(&self, _: &TenantId, _: &str) -> Self::Claim {
        ready(Err(BookError::new("hunter2 of the book")))
    }

    fn owner(&self, _: &str) -> Self::Owner {
        ready(Err(BookError::new("hunter2 of the book")))
    }

    fn first(&self, _: &str, _: &str) -> Self::First {
        ready(Err(BookError::new("hunter2 of the book")))
    }
}

pub(crate) fn object(id: &str) -> String {
    OBJECT.replace(ID, id)
}

/// A page with these batches.
pub(crate) fn page(ids: &[&str]) -> String {
    let quoted = |id: Option<&&str>| id.map_or("null".to_owned(), |id| format!("\"{id}\""));
    let objects: Vec<String> = ids
        .iter()
        .map(|id| object(id).trim_end().to_owned())
        .collect();
    format!(
        "{{\"data\": [{}], \"has_more\":true, \"first_id\":{}, \"last_id\":{}}}",
        objects.join(", "),
        quoted(ids.first()),
        quoted(ids.last())
    )
}

pub(crate) fn layer() -> BatchesLayer<MemoryBook> {
    BatchesLayer::new(MemoryBook::new())
}

pub(crate) fn tenant(id: &str) -> Tenant {
    Tenant::new(TenantId::new(id).unwrap())
}

/// A request of a tenant, to a host named `gate`.
pub(crate) fn request(
    tenant: &Tenant,
    method: &Method,
    path: &str,
    body: impl Into<Bytes>,
) -> Request<Full<Bytes>> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "gate:8080")
        .body(Full::new(body.into()))
        .unwrap();
    request.extensions_mut().insert(tenant.clone());
    request
}

pub(crate) fn get(tenant: &Tenant, path: &str) -> Request<Full<Bytes>> {
    request(tenant, &Method::GET, path, "")
}

/// A batch of these items, as JSON.
pub(crate) fn create(tenant: &Tenant, items: &str) -> Request<Full<Bytes>> {
    let body = format!(r#"{{"requests":[{items}]}}"#);
    request(tenant, &Method::POST, BATCHES, body)
}

pub(crate) fn item(custom_id: &str, model: &str) -> String {
    format!(
        r#"{{"custom_id":"{custom_id}","params":{{"model":"{model}","max_tokens":9,"messages":[]}}}}"#
    )
}

pub(crate) async fn ask<S, ReqB, ResB>(service: S, request: Request<ReqB>) -> Said
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    S::Error: std::fmt::Debug,
    ResB: Body,
    ResB::Error: std::fmt::Debug,
{
    let response = service.oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Said {
        status: head.status.as_u16(),
        headers: head.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
        refusal: head.extensions.get().cloned(),
    }
}

/// What a call of `web` gets that upstream answers so, its batch being `ID` and its own.
pub(crate) async fn answered(method: &Method, path: &str, answer: Answer) -> Said {
    let layer = layer();
    let web = tenant("web");
    layer.book().claim(web.id(), ID).await.unwrap();
    let service = layer.layer(FakeClaude::sequence([answer]));
    let body = match (method, path) {
        (&Method::POST, BATCHES) => format!(r#"{{"requests":[{}]}}"#, item("a", "claude-x")),
        _ => String::new(),
    };
    ask(service, request(&web, method, path, body)).await
}
