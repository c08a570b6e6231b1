//! Where Claude runs: the Anthropic API and compatible endpoints as tower services.
//!
//! The innermost services of a stack. They take a call in Anthropic's form, send it once, and
//! return the answer as it comes, byte for byte.
//!
//! ```
//! use http_body_util::BodyExt as _;
//! use tower::ServiceExt as _;
//! use tower_claude_core::CallBody;
//! use tower_claude_platforms::{Anthropic, ApiKey, HttpClient};
//! # use tower_claude_testkit::{FakeClaude, FakeServer};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! # let server = FakeServer::start(FakeClaude::default().require_key("sk-ant-example"));
//! # let base_url = server.base_url();
//! let client = HttpClient::new()?;
//! let claude = Anthropic::new(base_url, ApiKey::new("sk-ant-example")?, &client)?;
//!
//! let request = http::Request::post("/v1/messages").body(CallBody::from(
//!     r#"{"model":"claude-opus-5-5","max_tokens":64,
//!         "messages":[{"role":"user","content":"When does the gate open?"}]}"#,
//! ))?;
//! let response = claude.oneshot(request).await?;
//! assert_eq!(response.status(), 200);
//! let message = response.into_body().collect().await?.to_bytes();
//! assert!(message.starts_with(b"{"));
//! # Ok(())
//! # }
//! ```
//!
//! Several targets, with times of one's own and a key that is replaced while calls are under
//! way:
//!
//! ```
//! use std::time::Duration;
//!
//! use tower::ServiceExt as _;
//! use tower_claude_core::{CallBody, Target};
//! use tower_claude_platforms::{Anthropic, ApiKey, HttpClient, Platforms, Protocol};
//! # use tower_claude_testkit::{FakeClaude, FakeServer};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! # let server = FakeServer::start(FakeClaude::default().require_key("sk-ant-new"));
//! # let (main, spare) = (server.base_url(), server.base_url() + "/some/prefix");
//! let client = HttpClient::builder()
//!     .connect_timeout(Duration::from_secs(2))
//!     .request_timeout(Duration::from_secs(120))
//!     .idle_timeout(Duration::from_secs(60))
//!     .protocol(Protocol::Http1)
//!     .build()?;
//! let key = ApiKey::new("sk-ant-old")?;
//! let spare_target = Target::new("spare").model("claude-opus-5-5", "my-deployment");
//! let platforms = Platforms::new([
//!     (Target::new("main"), Anthropic::new(main, key.clone(), &client)?),
//!     (spare_target.clone(), Anthropic::new(spare, ApiKey::new("sk-ant-other")?, &client)?),
//! ])?;
//! key.replace("sk-ant-new")?;
//!
//! let request = http::Request::get("/v1/models").body(CallBody::empty())?;
//! assert_eq!(platforms.clone().oneshot(request).await?.status(), 200);
//!
//! let mut request = http::Request::get("/v1/models").body(CallBody::empty())?;
//! request.extensions_mut().insert(spare_target);
//! assert_eq!(platforms.oneshot(request).await?.status(), 401);
//! # Ok(())
//! # }
//! ```
//!
//! # What travels
//!
//! Upstream: the body as it is (the name of the model spliced where the target has another
//! one), path and query below the base URL, and of the headers `accept`, `anthropic-beta`,
//! `anthropic-version`, `content-type`, `traceparent`, `tracestate`, `user-agent` and
//! `x-stainless-*`, unless `connection` names them. `accept-encoding` is `identity`, since a
//! compressed answer could not be read along; a missing `anthropic-version` is the oldest
//! one. No credential of the caller travels, no trailer, and nothing that is not on the list.
//!
//! Back: everything but the headers of the connection. What an answer says of the account
//! stays until [`strip_account_headers`] removes it at the outer edge, because a layer that
//! waits for a limit needs it. Redirects are answers like any other, and are not followed.
//!
//! # Errors
//!
//! An error is a [`TransportError`](tower_claude_core::TransportError), and says whether
//! anything can have been billed: refused, unresolved, no TLS, a connection found dead before
//! it took the request, an HTTP/2 stream refused unread are
//! [`Sent::No`](tower_claude_core::Sent); all that comes later is `Sent::Maybe`. The client
//! repeats nothing by itself. No error and no `Debug` holds a key, a header or a URL.
//!
//! # Order
//!
//! Innermost, below all layers.
//!
//! # Extensions
//!
//! | type | of | use | absent means |
//! |---|---|---|---|
//! | [`Target`](tower_claude_core::Target) | requests | chooses the platform, maps the model | the first target |
//! | [`Call`](tower_claude_core::Call) | requests | knows the model and its place | no model is mapped |
//!
//! No extension travels further. Answers have those that hyper adds: the addresses of the
//! connection, and a reason phrase that is not the usual one.
//!
//! # Cancellation
//!
//! Dropping the future or the body of an answer cancels the call: an HTTP/2 stream is reset,
//! an HTTP/1.1 connection closed. Upstream may bill what it had produced by then.
//!
//! # Features
//!
//! - `tls` (default): `https://` base URLs. Without it they are a [`ConfigError`].

#![cfg_attr(docsrs, feature(doc_cfg))]

mod adapter;
mod anthropic;
mod api_key;
mod base_url;
mod body;
mod boundary;
mod connector;
mod error;
mod fault;
mod future;
mod headers;
mod http_client;
mod http_client_builder;
mod platforms;
mod protocol;
mod timed_body;
#[cfg(feature = "tls")]
mod tls;
mod upstream_body;

pub use adapter::Adapter;
pub use anthropic::Anthropic;
pub use api_key::ApiKey;
pub use body::AnswerBody;
pub use boundary::{Boundary, BoundaryFuture, BoundaryLayer};
pub use error::ConfigError;
pub use future::ResponseFuture;
pub use headers::{strip_account_headers, strip_hop_by_hop};
pub use http_client::HttpClient;
pub use http_client_builder::HttpClientBuilder;
pub use platforms::Platforms;
pub use protocol::Protocol;
