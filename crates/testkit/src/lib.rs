//! A scriptable fake Claude, service probes and scripted bodies for tests.
//!
//! [`FakeClaude`] is a `tower` service that stands where the HTTP client would: it answers
//! like the real API, or as badly as a test needs it to.
//!
//! ```
//! use http_body_util::{BodyExt as _, Full};
//! use tower::ServiceExt as _;
//! use tower_claude_testkit::FakeClaude;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let fake = FakeClaude::default();
//! let truth = fake.truth();
//!
//! let body = r#"{"model":"claude-opus-5-5","max_tokens":64,"stream":true,
//!     "messages":[{"role":"user","content":"When does the gate open?"}]}"#;
//! let request = http::Request::post("/v1/messages").body(Full::from(body))?;
//! let response = fake.oneshot(request).await?;
//! let stream = response.into_body().collect().await?.to_bytes();
//!
//! assert!(stream.ends_with(b"data: {\"type\":\"message_stop\"}\n\n"));
//! assert!(truth.totals().output_tokens <= 64);
//! # Ok(())
//! # }
//! ```
//!
//! An [`Answer`] says what to send and how to misbehave while sending it; an answer given
//! many times costs a few reference counts each time:
//!
//! ```
//! use http_body_util::{BodyExt as _, Empty};
//! use tower::ServiceExt as _;
//! use tower_claude_testkit::{Answer, Ended, FakeClaude, Split};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let fake = FakeClaude::sequence([
//!     Answer::overloaded(),
//!     Answer::thinking_tool_use().split(Split::EveryByte).reset_after(100),
//! ]);
//!
//! for expected in [529, 200] {
//!     let request = http::Request::post("/v1/messages").body(Empty::new())?;
//!     let response = fake.clone().oneshot(request).await?;
//!     assert_eq!(response.status(), expected);
//!     let whole = response.into_body().collect().await;
//!     assert_eq!(whole.is_ok(), expected == 529);
//! }
//! assert_eq!(fake.truth().entries()[1].ended, Ended::Reset);
//! # Ok(())
//! # }
//! ```
//!
//! - [`TruthLog`] holds what the fake was asked and what usage it reported: what a meter or
//!   a budget under test has to arrive at by itself.
//! - [`ScriptedBody`] is the body alone, with a [`BodyObserver`] that sees it dropped.
//! - [`ServiceProbe`] wraps any service and panics when its contract is broken.
//! - [`Scenario`] is a table of parts to play by name, for tests from outside the process.
//! - [`fault_matrix`] runs every fault of an upstream, in every phase, through any stack.
//!
//! # Order
//!
//! The fake goes innermost, in place of the HTTP client; a probe goes directly below the
//! layer under test.
//!
//! # Extensions
//!
//! None are read and none are added.
//!
//! # Cancellation
//!
//! A call or a body dropped early ends its entry of the log as
//! [`DroppedByReceiver`](Ended::DroppedByReceiver), and nothing else happens. A delay needs
//! a tokio timer, and tests of it a paused clock; everything else runs anywhere.
//!
//! # Features
//!
//! - `redis`: `RedisServer`, `RedisCluster` and `FaultProxy`: real servers, and faults on the way to
//!   them.
//! - `server`: `FakeServer`, the fake behind a real socket, and the `fake-claude` binary.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod answer;
mod asked;
mod body_observer;
mod content;
mod ended;
mod events;
mod failure;
mod fake_claude;
#[cfg(feature = "server")]
mod fake_server;
pub mod fault_matrix;
#[cfg(feature = "redis")]
mod fault_proxy;
mod future;
mod message;
mod message_render;
mod model;
mod probe_future;
mod probe_handle;
mod quoted;
mod receipt;
#[cfg(feature = "redis")]
mod redis_cluster;
#[cfg(feature = "redis")]
mod redis_server;
mod reported_usage;
mod rfc3339;
mod samples;
mod scenario;
mod scenario_table;
mod script;
mod scripted_body;
#[cfg(feature = "server")]
mod served_body;
mod service_probe;
mod split;
mod standard;
mod step;
mod truth_entry;
mod truth_log;
mod usage_render;
pub mod wire;

pub use answer::Answer;
pub use asked::Asked;
pub use body_observer::BodyObserver;
pub use ended::Ended;
pub use fake_claude::FakeClaude;
#[cfg(feature = "server")]
pub use fake_server::FakeServer;
#[cfg(feature = "redis")]
pub use fault_proxy::{Fault, FaultProxy};
pub use future::ResponseFuture;
pub use message::Message;
pub use probe_future::ProbeFuture;
pub use probe_handle::ProbeHandle;
#[cfg(feature = "redis")]
pub use redis_cluster::RedisCluster;
#[cfg(feature = "redis")]
pub use redis_server::RedisServer;
pub use reported_usage::ReportedUsage;
pub use scenario::Scenario;
pub use scripted_body::ScriptedBody;
pub use service_probe::ServiceProbe;
pub use split::Split;
pub use step::Step;
pub use truth_entry::TruthEntry;
pub use truth_log::TruthLog;
