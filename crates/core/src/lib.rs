//! The shared vocabulary of tower-claude: bodies, calls, usage, refusals.
//!
//! The layers of tower-claude do not know each other. What they have in common is here: how a
//! request is read ([`Prepare`], [`Call`]), how an answer is read along ([`tap`],
//! [`UsageCell`]), how long it may still be taken back ([`Peek`]), what can go wrong
//! ([`Failure`]), and how a call is refused ([`Refusal`]). This crate knows no runtime and no
//! host.
//!
//! # Reading a request
//!
//! ```
//! # use tower_claude_core::{CallBody, Endpoint, Intake, Prepare};
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let request = http::Request::post("/v1/messages")
//!     .body(CallBody::from(
//!         r#"{"model":"claude-opus-5-5","max_tokens":64,"messages":[]}"#,
//!     ))
//!     .unwrap();
//! let prepared = Prepare::new(request, &Intake::new()).await.unwrap();
//! assert_eq!(prepared.call.endpoint(), Endpoint::Messages);
//! assert_eq!(prepared.call.model(), Some("claude-opus-5-5"));
//! // The facts travel with the request, and the body is the same bytes as before.
//! assert!(tower_claude_core::Call::of(&prepared.request).is_some());
//! # }
//! ```
//!
//! # Extensions
//!
//! | type | of | put there by | absent means |
//! |---|---|---|---|
//! | [`Tenant`] | requests | authentication | nobody's call |
//! | [`RequestId`] | requests | a host that wants to choose it | one is made |
//! | [`Call`] | requests | [`Prepare`] | not read yet |
//! | [`Target`] | requests | failover | the platform's only target |
//! | [`Call`] | responses | the meter, for hosts | nobody meters |
//! | [`UsageCell`] | responses | [`tap`] | nobody reads along |
//! | [`Failure`] | responses | [`Peek`] | nobody looked, or it is good |
//! | [`Refusal`] | responses | [`Refusal::respond`] | not an answer of ours |
//!
//! # Cancellation
//!
//! Nothing here spawns, waits on a clock, or holds anything that outlives what it is part of:
//! dropping a future or a body of this crate is always enough.
//!
//! # Features
//!
//! - `decompression`: answers that come compressed (gzip, deflate, brotli, zstd) are decoded
//!   beside what passes and read like others; without, they count as unread.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod answer_reader;
mod attempt;
mod attribution;
mod begun;
mod body_buffer;
mod byte_semaphore;
mod call;
mod call_body;
mod capabilities;
mod capability;
mod consent;
mod content_block;
mod content_sizes;
mod conversation;
mod count_tokens;
#[cfg(feature = "decompression")]
mod decoder;
mod degraded;
mod dialect;
mod endpoint;
mod error_body;
mod error_envelope;
mod facts;
mod failure;
mod follow;
mod frames;
mod hints;
mod intake;
mod json_cursor;
mod json_skimmer;
mod json_text;
mod json_walk;
mod meter_headers;
mod model_pattern;
mod needs;
mod packed_headers;
mod peek;
mod peeked_body;
mod plain_reader;
mod prefill;
mod prepare;
mod rate_limit;
mod rate_limits;
mod refusal;
mod replay;
mod request_id;
mod response_body;
mod sse_event;
mod sse_scanner;
mod stable_hash;
mod tap;
mod target;
mod tenant;
mod text;
mod text_sizes;
mod timestamp;
mod transport_error;
mod usage;
mod usage_cell;
mod usage_json;

pub use answer_reader::is_event_stream;
pub use attempt::{Attempt, AttemptLog};
pub use attribution::Attribution;
pub use byte_semaphore::{BytePermit, ByteSemaphore};
pub use call::Call;
pub use call_body::CallBody;
pub use capabilities::Capabilities;
pub use capability::Capability;
pub use consent::{Consent, Consider, Considering};
pub use content_sizes::ContentSizes;
pub use degraded::Degraded;
pub use dialect::Dialect;
pub use endpoint::Endpoint;
pub use failure::{Failure, FailureKind, Scope};
pub use frames::{Frame, FrameError, FrameScanner, FramesReader, error_type_of_aws};
pub use hints::Hints;
pub use intake::Intake;
pub use json_walk::JsonWalk;
pub use model_pattern::ModelPattern;
pub use peek::{Peek, Peeked};
pub use peeked_body::PeekedBody;
pub use prepare::{Prepare, Prepared, Unprepared};
pub use rate_limit::RateLimit;
pub use rate_limits::RateLimits;
pub use refusal::{Refusal, RefusalKind};
pub use replay::Replay;
pub use request_id::RequestId;
pub use response_body::ResponseBody;
pub use sse_event::{SseEvent, SseEventKind};
pub use sse_scanner::SseScanner;
pub use tap::{TapBody, tap};
pub use target::{Platform, Target};
pub use tenant::{InvalidTenantId, Tenant, TenantId};
pub use text::Text;
pub use text_sizes::TextSizes;
pub use timestamp::Timestamp;
pub use transport_error::{BoxError, Sent, TransportError};
pub use usage::{InferenceGeo, Iteration, IterationKind, ServiceTier, Speed, Usage};
pub use usage_cell::{End, Metered, UsageCell};
