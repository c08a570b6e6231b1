//! Tower layers that turn any hyper, axum or tonic service talking to Claude into a
//! multi-tenant platform.
//!
//! This crate holds no code: it re-exports the others. [`core`] and [`pricing`] are always
//! there, each of the rest behind a feature of its name.
//!
//! | layer | question it answers | feature |
//! |---|---|---|
//! | [`TenantAuthLayer`] | who is calling? | `tenant-auth` |
//! | [`DrainLayer`] | what will it have cost, when the caller has left? | `usage-meter` |
//! | `CaptureLayer` | what was said, redacted? | `capture` |
//! | [`UsageMeterLayer`] | what did it cost, and who pays? | `usage-meter` |
//! | [`AuthorizeLayer`] | may they use this endpoint and this model? | `tenant-auth` |
//! | `BatchesLayer` | whose batch is this? | `batches` |
//! | [`TokenBudgetLayer`] | may they spend it? | `token-budget` |
//! | `HeartbeatLayer` | is this long call still alive? | `heartbeat` |
//! | `platforms::BoundaryLayer` | what of your account may callers see, and what do they get when upstream fails? | `platforms` |
//! | `ContinuationLayer` | can a text that broke off be finished? | `continuation` |
//! | [`FailoverLayer`] | where else can it run? | `failover` |
//! | [`RetryLayer`] | is it worth trying the same place again? | `retry` |
//!
//! The order above is the recommended one, outermost first: `DrainLayer` and `CaptureLayer`,
//! where they are wanted, go around the meter. Hosts that need an infallible service, as axum
//! does, need `BoundaryLayer`, or one of their own that makes answers of errors. Innermost stands a service that speaks to Claude:
//! one of `platforms`, or your own.
//!
//! # Features
//!
//! All layers but four are on by default. `capture` adds the one that keeps text, `batches` the
//! one that keeps the batches of tenants apart, `heartbeat` the one that pings until there is an
//! answer, `continuation` the one that has texts that broke off finished; `platforms` adds
//! Claude's API as a service, and `tls` lets it speak HTTPS. `metrics` and `tracing` let the meter
//! write to those facades; `metrics` is on wherever `usage-meter` is, because that has it by
//! default. `redis` (and `redis-tls`) lets processes share what they keep, and `keygen` makes keys
//! for tenants.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "batches")]
pub use tower_claude_batches as batches;
#[cfg(feature = "capture")]
pub use tower_claude_capture as capture;
#[cfg(feature = "continuation")]
pub use tower_claude_continuation as continuation;
pub use tower_claude_core as core;
pub use tower_claude_pricing as pricing;

#[cfg(feature = "failover")]
pub use tower_claude_failover as failover;
#[cfg(feature = "heartbeat")]
pub use tower_claude_heartbeat as heartbeat;
#[cfg(feature = "platforms")]
pub use tower_claude_platforms as platforms;
#[cfg(feature = "retry")]
pub use tower_claude_retry as retry;
#[cfg(feature = "tenant-auth")]
pub use tower_claude_tenant_auth as tenant_auth;
#[cfg(feature = "token-budget")]
pub use tower_claude_token_budget as token_budget;
#[cfg(feature = "usage-meter")]
pub use tower_claude_usage_meter as usage_meter;

#[cfg(feature = "batches")]
#[doc(no_inline)]
pub use tower_claude_batches::BatchesLayer;
#[cfg(feature = "capture")]
#[doc(no_inline)]
pub use tower_claude_capture::CaptureLayer;
#[cfg(feature = "continuation")]
#[doc(no_inline)]
pub use tower_claude_continuation::ContinuationLayer;
#[cfg(feature = "failover")]
#[doc(no_inline)]
pub use tower_claude_failover::FailoverLayer;
#[cfg(feature = "heartbeat")]
#[doc(no_inline)]
pub use tower_claude_heartbeat::HeartbeatLayer;
#[cfg(feature = "retry")]
#[doc(no_inline)]
pub use tower_claude_retry::RetryLayer;
#[cfg(feature = "tenant-auth")]
#[doc(no_inline)]
pub use tower_claude_tenant_auth::{AuthorizeLayer, TenantAuthLayer};
#[cfg(feature = "token-budget")]
#[doc(no_inline)]
pub use tower_claude_token_budget::TokenBudgetLayer;
#[cfg(feature = "usage-meter")]
#[doc(no_inline)]
pub use tower_claude_usage_meter::{DrainLayer, UsageMeterLayer};
