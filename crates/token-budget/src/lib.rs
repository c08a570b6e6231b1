//! A tower layer that answers: may this tenant spend these Claude tokens?
//!
//! Before a call, [`TokenBudget`] sets aside what it is expected to take from all limits of
//! the tenant's plan at once, or from none and refuses it. After the call it replaces that by
//! what the answer says the call took. What is set aside lives in the response body, so it is
//! settled exactly once whatever ends the call.
//!
//! ```
//! use tower::{Layer as _, ServiceExt as _};
//! use tower_claude_core::CallBody;
//! use tower_claude_testkit::FakeClaude;
//! use tower_claude_token_budget::{Limit, MemoryStore, Meter, Per, Plan, Plans, TokenBudgetLayer};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let plan = Plan::new("standard")
//!     .limit(Limit::new(Meter::Requests, 2_u64.try_into()?, Per::Minute))
//!     .limit(Limit::new(Meter::InputTokens, 200_000_u64.try_into()?, Per::Minute));
//! let layer = TokenBudgetLayer::new(MemoryStore::new(), Plans::for_all(plan)?);
//! let service = layer.layer(FakeClaude::default());
//!
//! for expected in [200, 200, 429] {
//!     let body = r#"{"model":"claude-opus-5-5","max_tokens":64,"messages":[]}"#;
//!     let request = http::Request::post("/v1/messages").body(CallBody::from(body))?;
//!     let response = service.clone().oneshot(request).await?;
//!     assert_eq!(response.status(), expected);
//!     assert_eq!(response.headers()["anthropic-ratelimit-requests-limit"], "2");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Plans by name, an own estimate, and what happens when the store is down:
//!
//! ```
//! use std::time::Duration;
//!
//! use tower_claude_core::Call;
//! use tower_claude_token_budget::{
//!     Estimated, Limit, MemoryStore, Meter, Per, Plan, Plans, ReserveOutput, TokenBudgetLayer,
//!     WhenStoreIsDown,
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let plans = Plans::new([
//!     Plan::new("standard")
//!         .limit(Limit::new(Meter::Tokens, 200_000_u64.try_into()?, Per::Minute)),
//!     Plan::new("batch")
//!         .limit(Limit::new(Meter::OutputTokens, 1_500_000_u64.try_into()?, Per::Hour))
//!         .reserve_output(ReserveOutput::Strict),
//! ])?
//! .default_plan("standard")?;
//!
//! let layer = TokenBudgetLayer::new(MemoryStore::new(), plans.clone())
//!     .estimate(|call: &Call| Estimated::new(call.sizes().message_bytes / 3))
//!     .when_store_is_down(WhenStoreIsDown::Allow)
//!     .hold_for(Duration::from_secs(3600));
//!
//! // Later, while calls run: what has been spent stays spent.
//! plans.replace(&Plans::for_all(Plan::new("open"))?);
//! # drop(layer);
//! # Ok(())
//! # }
//! ```
//!
//! # What is counted
//!
//! | endpoint | set aside | settled |
//! |---|---|---|
//! | messages | 1 request, 1 that runs, the input estimate, output by [`ReserveOutput`], and the most that may cost | below |
//! | count_tokens | 1 request | 1 request |
//! | all others | nothing | nothing |
//!
//! | what ended the call | requests | tokens |
//! |---|---|---|
//! | a whole answer | 1 | input and cache creation, output; cache reads by [`Plan::cache_reads`] |
//! | an answer that broke off, or that nobody read to its end | 1 | the input it reported, else the estimate; the larger of reported output and content seen |
//! | a whole answer that says nothing of usage | 1 | what was set aside |
//! | an error of upstream, in band before content too | 1 | 0 |
//! | an error of the inner service after sending, or nobody waited for the answer | 1 | the input estimate |
//! | an error of the inner service before sending | 0 | 0 |
//! | an answer of ours (502, 504) with such an error's `Failure` | as the error | as the error |
//! | any other refusal by a layer of ours | 0, or 1 if upstream was asked | 0 |
//!
//! Dollars follow the tokens: what an answer costs by [`prices`](TokenBudgetLayer::prices), or
//! else the most that the tokens can cost. Under a limit of dollars, a model without a price is
//! refused, and Failover asks before it moves to a dearer target.
//!
//! What failed attempts of the call were billed, as far as its log of attempts knows, comes on
//! top. What is taken beyond what was set aside is a debt: it always counts, and keeps later
//! calls out. What [`MemoryStore`] promises of windows stands there.
//!
//! # Refusals
//!
//! | why | answer |
//! |---|---|
//! | a limit is spent | 429, `tenant web exhausted (200k input tokens/min)`, `retry-after`, details |
//! | the call is larger than the whole limit | 400, `never fits`, both numbers |
//! | the tenant names a plan that there is not | 403, `unknown plan` |
//! | no plan is named, and there is no default | 403, `no plan` |
//! | a limit of a day or a month is spent | 429 without `retry-after`, `x-should-retry: false` |
//! | money is limited, and the model has no price | 403 |
//! | the store cannot be asked | 503 with `retry-after`, or the call passes, with `x-claude-budget-store`: [`WhenStoreIsDown`] |
//! | the request cannot be read, or is for no endpoint of the API | as [`Prepare`](tower_claude_core::Prepare) says |
//!
//! Answers of 200 and 429 carry `anthropic-ratelimit-*-{limit,remaining,reset}` of the tenant's
//! own limits, for `requests`, `input-tokens`, `output-tokens` and `tokens`; upstream's, which
//! tell of the account, are taken off every answer that counts. Limits that only warn and are
//! exceeded are named in `x-claude-budget-warning`.
//!
//! # Order
//!
//! Inside of what finds out the tenant and of what meters, so that refused calls are recorded;
//! outside of Failover and Retry, so that one reservation covers all attempts.
//!
//! # Extensions
//!
//! Reads [`Tenant`](tower_claude_core::Tenant) of requests: whose budget, and which plan.
//! Without one, all such calls share the budget of [`Owner::Anonymous`] under the default
//! plan. Reads and adds [`Call`](tower_claude_core::Call) of requests, with its log of
//! attempts, into which it writes the input estimate; a log that stays empty means one
//! attempt. Reads [`Refusal`](tower_claude_core::Refusal) of responses, and adds it to its
//! own. Reads [`Failure`](tower_claude_core::Failure) next to a refusal where the log is
//! empty; without one, upstream was not asked. Adds
//! [`UsageCell`](tower_claude_core::UsageCell) to answers to messages; one that is there is
//! read along. Adds [`Consent`](tower_claude_core::Consent) to requests whose money is limited.
//!
//! # Cancellation
//!
//! Dropping the future or the body at any time is safe, and settles:
//!
//! | dropped while | settles |
//! |---|---|
//! | the request is read | nothing was set aside |
//! | the store is asked | 0; a hold that the store placed all the same is released |
//! | the inner service works | the input estimate, or what the log of attempts knows |
//! | the answer streams | as an answer that broke off |
//!
//! # Features
//!
//! - `redis`: `RedisStore`, for processes that share their budgets.
//! - `redis-tls`: the same over TLS, for `rediss://` addresses.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod amounts;
mod body;
mod books;
mod calibration;
mod charge;
mod default_estimate;
mod error;
mod estimate;
mod future;
mod granted;
mod keep;
mod layer;
mod learned;
mod limit;
mod meter;
mod money;
mod observed;
mod outage;
mod owner;
mod permit;
mod plan;
mod plans;
mod raise;
mod rate_headers;
#[cfg(feature = "redis")]
mod redis;
mod refuse;
mod reservation;
mod reserve;
mod reserved;
mod service;
mod stats;
mod subject;
mod tokenizer;
mod top_up;

pub use amounts::Amounts;
pub use body::BudgetBody;
pub use books::{ManualClock, MemoryStore};
pub use default_estimate::DefaultEstimate;
pub use error::ConfigError;
pub use estimate::{Estimate, Estimated};
pub use future::ResponseFuture;
pub use layer::TokenBudgetLayer;
pub use limit::{Algorithm, Limit, LimitMode, LimitScope};
pub use meter::{Meter, Per};
pub use observed::Observed;
pub use owner::Owner;
pub use plan::{Plan, ReserveOutput};
pub use plans::Plans;
#[cfg(feature = "redis")]
pub use redis::{AddressError, Policy, RedisStats, RedisStore, RedisStoreBuilder};
pub use reservation::{Reservation, ReservationId, Settlement};
pub use reserve::{BudgetStore, StoreError, WhenStoreIsDown};
pub use reserved::{LimitUsage, Reserved, Standing, Standings};
pub use service::TokenBudget;
pub use stats::BudgetStats;
pub use subject::Subject;
