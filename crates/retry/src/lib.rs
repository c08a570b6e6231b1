//! A tower layer that answers: is this Claude call worth trying again here?
//!
//! [`RetryLayer`] repeats a failed call at the same place: what may pass a little later, where
//! nothing can have been billed, and never once content has reached the caller. An error that
//! comes inside a stream before its first content counts as a failure like any other, because
//! the beginning of every stream is held back until it is known to be good.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! use http_body_util::{BodyExt as _, Full};
//! use tower::{Layer as _, ServiceExt as _};
//! use tower_claude_retry::RetryLayer;
//! use tower_claude_testkit::{Answer, FakeClaude};
//!
//! // Stands where the HTTP client would. The second failure comes inside a 200.
//! let claude = FakeClaude::sequence([
//!     Answer::overloaded(),
//!     Answer::error_after_start(),
//!     Answer::thinking_tool_use(),
//! ]);
//! let service = RetryLayer::default().layer(claude.clone());
//!
//! let request = http::Request::post("/v1/messages").body(Full::from(
//!     r#"{"model":"claude-opus-5-5","max_tokens":64,"stream":true,"messages":[]}"#,
//! ))?;
//! let response = service.oneshot(request).await?;
//! assert_eq!(response.status(), 200);
//! assert_eq!(claude.calls(), 3);
//!
//! let stream = response.into_body().collect().await?.to_bytes();
//! assert!(stream.ends_with(b"data: {\"type\":\"message_stop\"}\n\n"));
//! # Ok(())
//! # }
//! ```
//!
//! What is repeated is decided by a [`Classify`], how often and when by the layer:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! use std::num::NonZeroU32;
//! use std::time::Duration;
//! # use http_body_util::Empty;
//! # use tower::{Layer as _, ServiceExt as _};
//! use tower_claude_core::Failure;
//! use tower_claude_retry::{
//!     AttemptContext, Classify as _, DefaultClassify, FullJitter, RetryLayer, RetryQuota, Verdict,
//! };
//! # use tower_claude_testkit::{Answer, FakeClaude};
//!
//! let quota = RetryQuota::new().floor(0);
//! let layer = RetryLayer::new(|attempt: &AttemptContext<'_>, failure: &Failure| {
//!     if attempt.call.is_stream() {
//!         return Verdict::Return;
//!     }
//!     DefaultClassify::new().classify(attempt, failure)
//! })
//! .attempts(NonZeroU32::new(5).ok_or("zero")?)
//! .base(Duration::from_millis(200))
//! .max_delay(Duration::from_secs(4))
//! .jitter(FullJitter::seeded(7))
//! .quota(quota.clone());
//! # let claude = FakeClaude::sequence([Answer::overloaded(), Answer::cached_message()]);
//! # let service = layer.base(Duration::ZERO).layer(claude.clone());
//! # let request = http::Request::get("/v1/models").body(Empty::new())?;
//! # assert_eq!(service.oneshot(request).await?.status(), 200);
//! # assert_eq!(claude.calls(), 2);
//!
//! assert!(quota.available() <= 500);
//! # Ok(())
//! # }
//! ```
//!
//! # How long it waits
//!
//! The larger of two: our own backoff (anything from zero to `base`, twice that before each
//! later retry, at most `max_delay`), and what the server asks for (`retry-after-ms`,
//! `retry-after`, the reset of a spent rate limit). The server's word is never shortened: if
//! it is longer than `max_delay`, or than what is left of `total_timeout`, the answer is
//! returned at once, for a layer outside to try another target.
//!
//! # What the caller sees
//!
//! The last answer, or the last error of the inner service, unchanged; a failed answer that
//! was repeated before gets `x-should-retry: false`, so that official SDKs do not start over.
//! A stream that ends without its end gets an `error` event
//! ([`PeekedBody`](tower_claude_core::PeekedBody)).
//!
//! A request is sent again byte for byte. Only a buffered body can be: one of an endpoint that
//! streams is sent once.
//!
//! # Order
//!
//! Inside failover, outside the platform: retries at one target come before another target,
//! and every attempt is translated and signed anew. Whatever is below must not repeat calls by
//! itself; nobody would count or price those attempts.
//!
//! # Extensions
//!
//! | type | of | here |
//! |---|---|---|
//! | [`Call`](tower_claude_core::Call) | requests | read; made if absent. Its log gets every attempt: when it began and why, status, failure, usage, whether it is the answer |
//! | [`Target`](tower_claude_core::Target) | requests | goes into the log; absent: the platform's only target |
//! | [`Failure`](tower_claude_core::Failure) | responses | says what is wrong with the answer; absent: nothing |
//! | [`UsageCell`](tower_claude_core::UsageCell) | responses | reads along; made if absent |
//!
//! All extensions of a request are there again in every attempt.
//!
//! # Cancellation
//!
//! | dropped while | effect |
//! |---|---|
//! | reading the request | nothing was sent |
//! | an attempt runs, or its head is held back | the attempt is dropped; its entry in the log stays open |
//! | sleeping, or waiting for the inner service | nothing is in flight; the log ends with the failure |
//!
//! # Features
//!
//! None.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod classify;
mod future;
mod jitter;
mod layer;
mod pass;
mod quota;
mod service;

pub use classify::{AttemptContext, Classify, DefaultClassify, Verdict};
pub use future::ResponseFuture;
pub use jitter::{FullJitter, Jitter};
pub use layer::RetryLayer;
pub use quota::RetryQuota;
pub use service::Retry;
