//! A tower layer that answers: can a text that broke off be finished?
//!
//! A stream that is lost after its first content cannot be repeated: the caller has a part of
//! it. [`ContinuationLayer`] asks once more, with the text so far as the beginning of the answer,
//! and passes the rest on in the same stream. That costs the input once more, and the text is
//! then of two answers; so it is off unless it is layered, and every such place is marked.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! use http_body_util::{BodyExt as _, Full};
//! use tower::{Layer as _, ServiceExt as _};
//! use tower_claude_continuation::ContinuationLayer;
//! use tower_claude_testkit::{Answer, FakeClaude};
//!
//! // Stands where the HTTP client would; the first answer is cut in the middle of its text.
//! let answer = |text| Answer::message("claude-sonnet-4-5").text(text).deltas(2).into_stream();
//! let claude = FakeClaude::sequence([
//!     answer("The gate opens at seven.").truncate_after(4),
//!     answer("ns at seven."),
//! ])
//! .recording();
//! let service = ContinuationLayer::default().layer(claude.clone());
//!
//! let request = http::Request::post("/v1/messages").body(Full::from(
//!     r#"{"model":"claude-sonnet-4-5","max_tokens":64,"stream":true,
//!     "messages":[{"role":"user","content":"When does the gate open?"}]}"#,
//! ))?;
//! let stream = service.oneshot(request).await?.into_body().collect().await?.to_bytes();
//! let stream = String::from_utf8(stream.to_vec())?;
//! assert_eq!(stream.matches("event: message_start").count(), 1);
//! assert_eq!(stream.matches("event: continuation").count(), 1);
//! assert!(stream.ends_with("data: {\"type\":\"message_stop\"}\n\n"));
//!
//! let asked = String::from_utf8(claude.asked()[1].body().to_vec())?;
//! assert!(asked.contains(r#",{"role":"assistant","content":"The gate ope"}]"#));
//! # Ok(())
//! # }
//! ```
//!
//! Which models take the beginning of an answer is decided by a [`TakesPrefill`], here a closure
//! that knows the names of deployments:
//!
//! ```
//! use std::num::NonZeroUsize;
//! use tower_claude_continuation::{ContinuationLayer, DefaultTakesPrefill, TakesPrefill as _};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let layer = ContinuationLayer::new(|model: &str| {
//!     model == "my-deployment" || DefaultTakesPrefill::new().takes_prefill(model)
//! })
//! .limit(NonZeroUsize::new(64 * 1024).ok_or("zero")?);
//! # let _ = layer;
//! # Ok(())
//! # }
//! ```
//!
//! # When
//!
//! All of this has to be so; otherwise the stream ends as it would without the layer:
//!
//! - The request is for a stream of a message, its body is buffered, the last message is the
//!   user's, the model takes a prefill, thinking is off, no tool is forced, and no other member
//!   speaks against it ([`Call::body_with_prefill`](tower_claude_core::Call::body_with_prefill)).
//! - The answer so far is one block of text, open and not empty, without citations: never with
//!   thinking, a tool call, or anything unknown, in what came before either.
//! - The text does not end in white space, which upstream refuses: what it would then begin with
//!   cannot be told apart from what it repeats. It is not over the limit.
//! - The stream ended, broke or fell silent, or an `error` event came that says upstream is
//!   overloaded, failed, or took too long; not a rate limit, and nothing that is the request's
//!   fault.
//!
//! It asks once: an answer that is lost again is lost.
//!
//! # What the caller sees
//!
//! As long as nothing is lost, the bytes as they came. Only whole events are passed on, each as
//! soon as it is whole: what has come of half an event when the stream breaks is not part of the
//! text. An `error` event is held back until it is decided.
//!
//! Then an event of its own, and the deltas of the further answer in the block that is open; its
//! `message_start` and the start of its block are left out:
//!
//! ```text
//! event: continuation
//! data: {"type":"continuation","reason":"truncated","text_bytes":1234}
//! ```
//!
//! `reason` is the word of a [`FailureKind`](tower_claude_core::FailureKind), `text_bytes` how much
//! text came before. If a model that stands in gave the rest, a `model` names it. Official SDKs pass over events whose names they do not know, as the API's
//! versioning asks of every client. A client that does not would have got an error here anyway.
//!
//! If the further answer is no stream, fails before its first content, or begins with anything
//! else than text, the caller gets what was held back, and no mark: the stream ends as it would
//! have. A ping of it may have passed. While the inner service is asked, nothing passes; how long
//! that may take is for the layers around and inside to say.
//!
//! The limit on output stays as it is: both answers together may be longer than `max_tokens`,
//! because nobody knows exactly how many tokens a text was that broke off. `message_start` has
//! the id and the input of the first answer, `message_delta` the usage of the second.
//!
//! # What is recorded
//!
//! Two attempts (or more, if there are retries inside), each with the usage of its own: that of
//! the first is partial, its output estimated from what has passed; the second's is exact. The
//! second is the final one, and its reason is what the first ended with; of attempts that ran at
//! a time, in either part, it is the one whose answer was taken, wherever it stands. The
//! [`UsageCell`](tower_claude_core::UsageCell) of the response follows the answer that passes, and
//! in the end says what the second says; so whoever adds the attempts to the answer's counts each
//! once. If nothing comes of the further answer, the first stays final.
//!
//! # Order
//!
//! Outside failover, so that the rest may come from another target, and inside the budget and the
//! meter, which are to charge for both attempts.
//!
//! # Extensions
//!
//! | type | of | here |
//! |---|---|---|
//! | [`Call`](tower_claude_core::Call) | requests | read; made if absent. Its log gets the attempts that nobody inside writes down |
//! | [`Target`](tower_claude_core::Target) | requests | goes into the log where nobody inside writes; absent: the platform's only target |
//! | [`Degraded`](tower_claude_core::Degraded) | responses | read of the further answer, for the mark; absent: the model that was asked answered |
//! | [`UsageCell`](tower_claude_core::UsageCell) | responses | replaced by one for the whole answer, where it may have to be gone on with; made if absent |
//!
//! All extensions of a request are there again in the further attempt.
//!
//! # Cancellation
//!
//! | dropped while | effect |
//! |---|---|
//! | the first answer passes | it is dropped |
//! | the inner service is awaited | nothing is in flight; the first attempt stays final |
//! | a further attempt runs | it is dropped, its entry in the log stays open; the first attempt stays final |
//! | the further answer passes | it is dropped |
//!
//! A stream that may have to be gone on with keeps its request and its text in memory as long as
//! it passes; asked again, it has both once more.
//!
//! # Features
//!
//! None.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod added;
mod body;
mod course;
mod cutter;
mod events;
mod follower;
mod future;
mod layer;
mod lost;
mod opening;
mod passage;
mod plan;
mod said;
mod service;
mod takes_prefill;

pub use body::ContinuationBody;
pub use future::ResponseFuture;
pub use layer::ContinuationLayer;
pub use service::Continuation;
pub use takes_prefill::{DefaultTakesPrefill, TakesPrefill};
