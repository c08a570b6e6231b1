//! A tower layer that answers: whose batch is this, and may the tenant ask for it?
//!
//! At upstream, all batches are one account's. [`BatchesLayer`] notes in a [`BatchBook`] who made
//! which, and serves every tenant their own: the batches of others are neither shown nor found.
//!
//! ```
//! # use http_body_util::{BodyExt as _, Full};
//! # use tower::{Layer as _, ServiceExt as _};
//! # use tower_claude_testkit::{Answer, FakeClaude};
//! use tower_claude_batches::{BatchesLayer, MemoryBook};
//! use tower_claude_core::{Tenant, TenantId};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let layer = BatchesLayer::new(MemoryBook::new());
//! # let object = r#"{"id":"msgbatch_1","type":"message_batch","results_url":null}"#;
//! # let claude = FakeClaude::new(move |_| Answer::json(200, object));
//! let service = layer.layer(claude);
//!
//! // Authentication, outside, puts the tenant there.
//! let web = Tenant::new(TenantId::new("web")?);
//! let body = r#"{"requests":[{"custom_id":"row-1","params":
//!     {"model":"claude-haiku-5-5","max_tokens":64,"messages":[]}}]}"#;
//! let request = http::Request::post("/v1/messages/batches")
//!     .extension(web)
//!     .body(Full::from(body))?;
//! assert_eq!(service.clone().oneshot(request).await?.status(), 200);
//!
//! let app = Tenant::new(TenantId::new("app")?);
//! let request = http::Request::get("/v1/messages/batches/msgbatch_1")
//!     .extension(app)
//!     .body(Full::default())?;
//! assert_eq!(service.oneshot(request).await?.status(), 404);
//! # Ok(())
//! # }
//! ```
//!
//! With prices, and callers who come through a proxy:
//!
//! ```
//! use std::num::NonZeroUsize;
//! use tower_claude_batches::{BatchesLayer, MemoryBook};
//! use tower_claude_core::Intake;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let most_batches = NonZeroUsize::new(1_000).ok_or("none")?;
//! let most_results = NonZeroUsize::new(100_000).ok_or("none")?;
//! let layer = BatchesLayer::new(MemoryBook::bounded(most_batches, most_results))
//!     .intake(Intake::new().prefix("/claude").batch_limit(64 * 1024 * 1024))
//!     .priced(|model| model.starts_with("claude-"))
//!     .public_url("https://gate.example.org/claude")?;
//! # let _: BatchesLayer = layer;
//! # Ok(())
//! # }
//! ```
//!
//! # What becomes of a call
//!
//! | call | |
//! |---|---|
//! | `POST …/batches` | each item's model must be the tenant's and have a price, else 403 with the item; what is malformed, missing or given twice, and more than 100,000 items: 400 with the field. The body goes on byte for byte. The batch is the tenant's before its caller hears of it |
//! | `GET …/batches` | has only the tenant's own in `data`, and `first_id` and `last_id` are of those; where a page has none of them and there is more, they are upstream's, so that paging goes on |
//! | `GET` and `DELETE …/{id}`, `POST …/{id}/cancel`, `GET …/{id}/results` | 404 `not_found_error` unless the batch is the tenant's, in one text for those of others and those that are not; upstream is not asked |
//! | anything else of batches | 404, or 405 |
//! | anything else | goes on untouched, and its body unread |
//!
//! Where a page has batches, none of them the tenant's, and there is more, the next one is asked
//! for, up to 20 in one call: clients that go through a list stop at an empty page.
//!
//! The `results_url` of batches leads through us ([`public_url`](BatchesLayer::public_url)); all
//! other bytes of an answer are as they came. Results pass as they come, and answers other than
//! 2xx too. Upstream is asked not to compress. What tells of batches is read whole, up to 16 MiB;
//! if it is larger, compressed all the same, or no batches, it is a 502.
//!
//! While the book cannot be asked, calls are a 503, and nothing is shown. A batch that was made
//! and could not be noted is a 503 that names it and says not to ask again (`x-should-retry:
//! false`): it runs, and is nobody's.
//!
//! What has become of the results is for a meter to say, once for each:
//! [`BatchBook::first`] tells it which it has not seen. No budget is charged for them.
//!
//! # What a restart forgets
//!
//! What the book forgets. A [`MemoryBook`] is gone with its process: whose every batch is, so that
//! tenants get 404 for their own, and which results were metered. Where a process may restart
//! while a batch runs, or several serve the same tenants, use `RedisBook` (feature `redis`), which
//! keeps both for longer than results can be fetched.
//!
//! # Order
//!
//! Inside of authentication and authorization, which decide who may use batches at all, and of a
//! meter that is to record what is refused here; outside of failover and retry. A batch exists
//! only where it was made: with several accounts at upstream, all calls of batches have to go to
//! the same.
//!
//! # Extensions
//!
//! | type | of | absent means |
//! |---|---|---|
//! | [`Tenant`](tower_claude_core::Tenant) | requests, read | 401: a batch is never nobody's |
//! | [`Call`](tower_claude_core::Call) | requests, read and added | the request is read here, by the [`intake`](BatchesLayer::intake) |
//! | [`Refusal`](tower_claude_core::Refusal) | responses, added | not an answer of ours |
//!
//! # Cancellation
//!
//! A call that is dropped is dropped inside as well. If that was a call to make a batch, upstream
//! may have made it all the same: it is then nobody's, and runs unseen. Hosts that cannot have
//! that finish such calls in a task of their own. Nothing else is left behind.
//!
//! # Features
//!
//! - `redis`: `RedisBook`, a book that processes share.
//! - `redis-tls`: the same, for `rediss://` addresses.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod around;
mod asked;
mod batch_call;
mod body;
mod book;
mod book_error;
mod custom_ids;
mod edits;
mod error;
mod future;
mod gather;
mod item;
mod items;
mod layer;
mod listing;
mod memory_book;
mod object;
mod owned;
mod page;
mod public_base;
#[cfg(feature = "redis")]
mod redis_book;
mod route;
mod rules;
mod service;
mod shared;
mod steps;

pub use body::BatchesBody;
pub use book::BatchBook;
pub use book_error::BookError;
pub use error::ConfigError;
pub use future::ResponseFuture;
pub use layer::BatchesLayer;
pub use memory_book::{MemoryBook, MemoryStats};
#[cfg(feature = "redis")]
pub use redis_book::{AddressError, RedisBook, RedisBookBuilder};
pub use service::Batches;
