//! A tower layer that answers: where else can this Claude call run?
//!
//! [`FailoverLayer`] asks one [`Target`](tower_claude_core::Target) after the other until one
//! serves the call, and leaves out those that are down, out of bounds, or have nothing left.
//! The service below finds the target it is to ask in the request's extensions.
//!
//! ```
//! use tower::{Layer as _, ServiceExt as _};
//! use tower_claude_core::{CallBody, Target};
//! use tower_claude_failover::FailoverLayer;
//! use tower_claude_testkit::{Answer, FakeClaude};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let failover = FailoverLayer::new([
//!     Target::new("anthropic"),
//!     Target::new("bedrock").priority(1),
//! ])?;
//!
//! // Stands for platforms that send each call to its target: the first one is overloaded.
//! let upstream = FakeClaude::sequence([
//!     Answer::overloaded(),
//!     Answer::message("claude-opus-5-5").text("Ahoy.").into_json(),
//! ]);
//! let request = http::Request::post("/v1/messages").body(CallBody::from(
//!     r#"{"model":"claude-opus-5-5","max_tokens":64,"messages":[]}"#,
//! ))?;
//! let response = failover.layer(upstream.clone()).oneshot(request).await?;
//! assert_eq!(response.status(), 200);
//! assert_eq!(upstream.calls(), 2);
//! # Ok(())
//! # }
//! ```
//!
//! # Customised
//!
//! ```
//! use std::{num::NonZeroU32, time::Duration};
//! use tower_claude_core::{Call, Target, Tenant};
//! use tower_claude_failover::{Breaker, Candidate, FailoverLayer, Order};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let three = NonZeroU32::new(3).ok_or("not zero")?;
//! let failover = FailoverLayer::new([
//!     Target::new("direct").residency("us").weight(3),
//!     Target::new("frankfurt").residency("eu"),
//! ])?
//! .breaker(Breaker::new().failures(three).open(Duration::from_secs(5)))
//! // The last target first; a closure is a route.
//! .route(|_: &Call, _: Option<&Tenant>, targets: &[Candidate<'_>]| -> Order {
//!     (0..targets.len()).rev().collect()
//! });
//!
//! let health = failover.health();
//! assert!(health.snapshot().iter().all(|target| target.is_up));
//! # Ok(())
//! # }
//! ```
//!
//! # What moves on
//!
//! | what the target answered | what follows |
//! |---|---|
//! | a success, or a stream that has come to its first content | the caller gets it |
//! | 429, a spent account, 401, 402, 403, a redirect | the next target |
//! | 408, 503, 529, no connection, an `error` event before content | the next target, unless upstream says `x-should-retry: false` |
//! | 500, 504, no answer, a stream cut before content | comes back as it is: it may have been billed; see [`FailoverLayer::possibly_billed`] |
//! | any other status | comes back as it is: it is the caller's |
//!
//! When no target is left, the caller gets the last one's own answer or error, with
//! `x-should-retry: false` if there was more than one attempt. What is about us is not the
//! caller's to see: a refused credential and a redirect become a 502 that names the target.
//! Bodies that can be read only once are asked at one target only.
//!
//! # Where a call may go
//!
//! | what decides | a target is left out |
//! |---|---|
//! | residency | that has no label which the tenant allows |
//! | [`Capability`](tower_claude_core::Capability) | that does not offer what the request needs, such as the server's tools |
//! | betas | that does not take one which `anthropic-beta` names |
//! | context window | that is smaller than the estimated input, if another one is larger |
//! | home | for what lives in one account (batches, files, containers, skills, threads, and whatever refers to them): all but the first by priority |
//!
//! No route, outage or fallback changes that. A call is refused with 403 if no target has a
//! residency its tenant allows, with 400 if none offers what it needs, and with 529 and an honest
//! `retry-after` if all are closed.
//!
//! Of what is left, [`ByPriority`] keeps each conversation at one target, where the cache of its
//! prompt is. A target whose account has nothing left, as far as its rate limit headers tell, is
//! passed over while another one has. With [`FailoverLayer::waiting`] calls wait for a target
//! that opens in a moment, the urgent first and tenants in turn. With
//! [`FailoverLayer::model_fallbacks`] other models stand in when all else fails, and with
//! [`FailoverLayer::hedge`] a second target is asked when one is silent for long.
//!
//! # What closes a target
//!
//! | what | closes | until |
//! |---|---|---|
//! | failures, as many as the [`Breaker`] takes | the class of models | a probe succeeds |
//! | 429 | the class of models | its reset, an hour at most; five seconds if it names none |
//! | a spending limit | the target | its date |
//!
//! A failure is a connection that was refused or broke, a 5xx, a 529, and a stream that broke,
//! stalled or ended early. Whether it is one is known at the end of the answer, so that is
//! when a target is judged; an answer nobody read to the end says nothing.
//!
//! Waits that make no sense (negative, or for months) are ignored or cut, and counted in
//! [`TargetHealth::distrusted_headers`].
//!
//! # Order
//!
//! Below `UsageMeter` and `TokenBudget`, so that one record and one reservation cover all
//! attempts; above `Retry`, which tries the same target again before this moves on. Without
//! `Retry`, every target is asked once.
//!
//! # Extensions
//!
//! | type | use | absent means |
//! |---|---|---|
//! | [`Tenant`](tower_claude_core::Tenant) | its residency, models, urgency and name are read | any target and model will do; it takes turns with all who are nobody |
//! | [`Call`](tower_claude_core::Call) | read; attempts nobody below wrote are written to its log | the request is read here |
//! | [`Target`](tower_claude_core::Target) | put there for the service below, in place of any other | |
//! | [`Consent`](tower_claude_core::Consent) | asked before each target | every target will do |
//! | [`Degraded`](tower_claude_core::Degraded) | put into answers of a model that stands in, beside the header `x-claude-degraded` | |
//! | [`Failure`](tower_claude_core::Failure) | read from answers that were looked into below | the answer is looked into here |
//! | [`UsageCell`](tower_claude_core::UsageCell) | read at the end of answers | one is put there |
//!
//! # Cancellation
//!
//! Dropping the future drops the attempt in flight and makes no other; the log keeps it as an
//! attempt without an answer. Who waits makes room, and who is asked at two targets gives both
//! up. Dropping the body early says nothing of the target. A probe that is dropped makes room for
//! the next.
//!
//! # Features
//!
//! None.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod account;
mod allowance;
mod body;
mod breaker;
mod bucket;
mod by_priority;
mod calm;
mod candidate;
mod circuit;
mod deadline;
mod departures;
mod eligible;
mod error;
mod future;
mod health;
mod hedge;
mod hedge_budget;
mod hedging;
mod journey;
mod ladder;
mod lane;
mod latency;
mod layer;
mod leg;
mod line;
mod lobby;
mod model_class;
mod model_fallbacks;
mod order;
mod permit;
mod plan;
mod pool;
mod rival;
mod route;
mod service;
mod size;
mod slot;
mod state;
mod ticket;
mod trial;
mod urgency;
mod utilisation;
mod verdict;
mod wait;
mod wait_queue;
mod waiting;
mod way;
mod window;

pub use body::FailoverBody;
pub use breaker::Breaker;
pub use by_priority::ByPriority;
pub use candidate::Candidate;
pub use error::ConfigError;
pub use future::ResponseFuture;
pub use health::{Health, TargetHealth};
pub use hedge::Hedge;
pub use layer::FailoverLayer;
pub use model_class::ModelClass;
pub use model_fallbacks::ModelFallbacks;
pub use order::Order;
pub use route::Route;
pub use service::Failover;
pub use utilisation::Utilisation;
pub use waiting::Waiting;
