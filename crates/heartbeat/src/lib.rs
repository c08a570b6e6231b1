//! A tower layer that answers: is this long Claude call still alive?
//!
//! [`HeartbeatLayer`] lets the head of a stream go, and pings after it, while the inner service
//! is still at work: while it retries, moves to another target, or holds the beginning of a
//! stream back until it is known to be good. The caller sees life; `message_start` comes when
//! there is one to rely on, so a second attempt takes over the same stream unnoticed.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! use std::time::Duration;
//!
//! use http_body_util::{BodyExt as _, Full};
//! use tower::{Layer as _, ServiceExt as _};
//! use tower_claude_heartbeat::HeartbeatLayer;
//! use tower_claude_testkit::{Answer, FakeClaude};
//!
//! // Stands where retry and failover would, who take half a minute for an answer.
//! let slow = Answer::thinking_tool_use().head_delay(Duration::from_secs(30));
//! let service = HeartbeatLayer::new().layer(FakeClaude::sequence([slow]));
//!
//! let request = http::Request::post("/v1/messages").body(Full::from(
//!     r#"{"model":"claude-opus-5-5","max_tokens":64,"stream":true,"messages":[]}"#,
//! ))?;
//! let mut body = service.oneshot(request).await?.into_body();
//! for _ in 0..3 {
//!     let frame = body.frame().await.ok_or("no ping")??;
//!     assert_eq!(
//!         frame.into_data().unwrap_or_default(),
//!         "event: ping\ndata: {\"type\": \"ping\"}\n\n"
//!     );
//! }
//! let rest = body.collect().await?.to_bytes();
//! assert!(rest.starts_with(b"event: message_start\n"));
//! # Ok(())
//! # }
//! ```
//!
//! With times of your own:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! use std::time::Duration;
//!
//! # use http_body_util::{BodyExt as _, Full};
//! # use tower::{Layer as _, ServiceExt as _};
//! use tower_claude_core::Intake;
//! use tower_claude_heartbeat::HeartbeatLayer;
//! # use tower_claude_testkit::{Answer, FakeClaude};
//!
//! let layer = HeartbeatLayer::new()
//!     .after(Duration::ZERO)
//!     .every(Duration::from_secs(2))
//!     .deadline(Duration::from_secs(120))
//!     .intake(Intake::new().prefix("/claude"));
//! # let slow = Answer::thinking_tool_use().head_delay(Duration::from_secs(600));
//! # let request = http::Request::post("/claude/v1/messages").body(Full::from(
//! #     r#"{"model":"claude-opus-5-5","max_tokens":64,"stream":true,"messages":[]}"#,
//! # ))?;
//! # let response = layer.layer(FakeClaude::sequence([slow])).oneshot(request).await?;
//! # assert_eq!(response.status(), 200);
//! # let text = response.into_body().collect().await?.to_bytes();
//! # assert!(String::from_utf8(text.to_vec())?.contains("timeout_error"));
//! # Ok(())
//! # }
//! ```
//!
//! # What the caller sees
//!
//! An inner answer that comes within the [patience](HeartbeatLayer::after) passes untouched: a
//! 429 is a 429. After it, the head is a 200 of ours, with `content-type: text/event-stream`,
//! `cache-control: no-cache` and our `request-id`; a ping follows at once and then
//! [every](HeartbeatLayer::every) so often. What comes then depends on the inner service:
//!
//! | the inner service | the caller gets |
//! |---|---|
//! | answers with a stream of events | its frames, as they are; nothing is added any more, and before them only a [mark](#a-model-that-stands-in) |
//! | answers with an error status | one `error` event: error and request id of its envelope, of which 64 KiB are read for at most 10 s; of a body that is none, an error of the status's type |
//! | answers with anything else, or a compressed stream | an `error` event, `api_error` |
//! | fails | an `error` event: `timeout_error` if time ran out, else `api_error` |
//! | does not answer until the [deadline](HeartbeatLayer::deadline) | an `error` event, `timeout_error`; if the head is not out yet, a 504 |
//!
//! The headers of an inner answer that comes late are lost, and with them what they say of rate
//! limits and of trying again. Whoever needs real statuses more than an early sign of life sets
//! a longer patience.
//!
//! # A model that stands in
//!
//! The header that says that another model answered than the one that was asked is lost too. An
//! event before the frames of a late answer says it in its place:
//!
//! ```text
//! event: degraded
//! data: {"type":"degraded","model":"claude-haiku-4-5"}
//! ```
//!
//! Official SDKs pass over events whose names they do not know. An answer in time has the header,
//! and no event.
//!
//! # What is treated so
//!
//! Only streams of messages to callers who read Anthropic's events are treated so. Everything
//! else passes untouched: plain calls, other endpoints, gRPC.
//!
//! # A dead upstream
//!
//! A ping of ours says that the inner service is at work, not that upstream is. Nobody who
//! listens to the caller's side can tell any more that upstream is silent: the limits of those
//! inside have to (the HTTP client's time to the head, the total time of the retries), or the
//! [deadline](HeartbeatLayer::deadline). Once an answer flows nothing is added, so its silence
//! is a silence here, and an idle timeout on either side works as without this layer.
//!
//! # Order
//!
//! Inside the meter and the budget, outside of all that may take long before it answers: the
//! platforms' boundary, failover and retry. Retry's gate is what holds `message_start` back; it
//! may hold longer when this layer is around it, since the caller is not left in silence.
//!
//! The inner service must answer in `identity`, or the caller of an early head gets an error in
//! place of an answer; this workspace's platforms ask for nothing else.
//!
//! # Extensions
//!
//! | type | of | here |
//! |---|---|---|
//! | [`Call`](tower_claude_core::Call) | requests | read; made if absent. Its log is the inner layers' |
//! | [`UsageCell`](tower_claude_core::UsageCell) | responses | added to an early head, and filled as the stream passes; else untouched |
//! | [`Degraded`](tower_claude_core::Degraded) | responses | read of an answer that comes late, for the event; absent: the model that was asked answers |
//! | [`Refusal`](tower_claude_core::Refusal) | responses | added where the answer is ours: a request that cannot be read, a deadline before the head |
//! | [`Failure`](tower_claude_core::Failure) | responses | added with the deadline's |
//!
//! An early head has none of the extensions of the inner answer, which is not there yet: no
//! `Failure`, no `Refusal`, no cell of an inner layer. Those outside see a 200 whose cell says
//! the rest when it has passed: the usage as upstream reports it, and `errored` for an error
//! upstream or a layer inside has answered with, which is not billed. Where upstream may bill a
//! call of which no answer came (no reply, a deadline, an answer that cannot be passed on), the
//! cell says `truncated` and knows no usage, although the caller gets an `error` event: nobody
//! may take that for free. So it is with a stream that was cut off and had an event added
//! inside. What each attempt came to stands in the call's
//! [`AttemptLog`](tower_claude_core::AttemptLog), as ever.
//!
//! # Cancellation
//!
//! | dropped while | effect |
//! |---|---|
//! | reading the request | nothing was asked |
//! | waiting, before the head or after it | the inner call is dropped, and with it its attempts |
//! | the inner answer flows | the inner body is dropped |
//!
//! At the deadline the inner call is dropped too.
//!
//! # Features
//!
//! None.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod aside;
mod beats;
mod body;
mod degraded_event;
mod error_event;
mod error_read;
mod future;
mod layer;
mod parting;
mod service;
mod waiting;

pub use body::HeartbeatBody;
pub use future::ResponseFuture;
pub use layer::HeartbeatLayer;
pub use service::Heartbeat;
