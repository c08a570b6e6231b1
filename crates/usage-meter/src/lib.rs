//! A tower layer that answers: what did this call to Claude cost, and who pays?
//!
//! ```
//! use std::sync::{Arc, Mutex};
//!
//! use http_body_util::{BodyExt as _, Full};
//! use tower::{Layer as _, ServiceExt as _};
//! use tower_claude_testkit::{Answer, FakeClaude};
//! use tower_claude_usage_meter::{Outcome, UsageMeterLayer, UsageRecord};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let records = Arc::new(Mutex::new(Vec::new()));
//! let sink = Arc::clone(&records);
//! let layer = UsageMeterLayer::new(move |record: Arc<UsageRecord>| {
//!     sink.lock().expect("no panic").push(record);
//! });
//!
//! // Stands where the HTTP client would.
//! let claude = FakeClaude::sequence([Answer::cached_message()]);
//! let request = http::Request::post("/v1/messages").body(Full::from(
//!     r#"{"model":"claude-opus-5-5","max_tokens":512,"messages":[]}"#,
//! ))?;
//! let response = layer.layer(claude).oneshot(request).await?;
//! response.into_body().collect().await?;
//!
//! let records = records.lock().expect("no panic");
//! assert_eq!(records.len(), 1);
//! assert_eq!(records[0].outcome, Outcome::Complete);
//! assert_eq!(records[0].output_tokens, Some(118));
//! assert_eq!(records[0].cost.expect("a price").to_string(), "0.017556");
//! # Ok(())
//! # }
//! ```
//!
//! With a ledger that is never behind an answer, metrics, sums for an admin page, and prices of
//! your own:
//!
//! ```
//! use tower::Layer as _;
//! use tower_claude_core::Intake;
//! use tower_claude_pricing::{Price, PriceTable, Rate, Rates};
//! use tower_claude_usage_meter::{JsonLines, Prices, Tally, UsageMeterLayer};
//! # #[cfg(feature = "metrics")]
//! use tower_claude_usage_meter::{Labels, MetricsSink};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let path = std::env::temp_dir().join(format!("usage-lib-{}.jsonl", std::process::id()));
//! let (ledger, writer) = JsonLines::builder().durable().rotate_daily().open(&path)?;
//! let writer = writer.spawn_thread()?;
//! let tally = Tally::new();
//! # #[cfg(feature = "metrics")]
//! let metrics = MetricsSink::new(Labels::new().tenants(["web", "batch"]));
//! # #[cfg(not(feature = "metrics"))]
//! # let metrics = ();
//!
//! let rates = Rates::new(Rate::per_million_tokens("3")?, Rate::per_million_tokens("15")?);
//! let table = PriceTable::builtin().price("my-deployment", Price::new(rates));
//! let prices = Prices::new(table);
//!
//! let layer = UsageMeterLayer::new((ledger.clone(), metrics, tally.clone()))
//!     .prices(prices.clone())
//!     .intake(Intake::new().prefix("/claude"));
//! # let _ = layer.layer(tower_claude_testkit::FakeClaude::default());
//!
//! // While it serves: the price list has changed.
//! prices.replace(PriceTable::builtin());
//!
//! // At the end, when the last call has ended:
//! writer.close()?;
//! assert_eq!(ledger.lost(), 0);
//! # std::fs::remove_file(&path)?;
//! # Ok(())
//! # }
//! ```
//!
//! # The record
//!
//! Exactly one [`UsageRecord`] for every call, whatever ends it, when it has ended. As JSON it
//! is a line of the ledger; what is not known is `null`, never 0.
//!
//! | `outcome` | when |
//! |---|---|
//! | `complete` | the caller got the whole answer; a model's refusal is one |
//! | `refused` | we refused: this layer because it could not read the request, or one inside it |
//! | `errored` | upstream answered with an error, in band or not, or did not answer; a panic |
//! | `truncated` | the answer broke off, or a stream ended without `message_stop` |
//! | `dropped` | the caller left: while sending, before the head, or in mid-stream |
//!
//! | `usage_source` | the counts are |
//! |---|---|
//! | `exact` | upstream's final report; a stream cut after it lost nothing |
//! | `partial` | the report of a stream's beginning, with output counted from what passed |
//! | `estimated` | output counted from what passed; upstream reported nothing |
//! | `none` | not known, or there are none |
//!
//! The counts are the answer's top-level usage. The cost is of all attempts and `iterations`,
//! each at its own model. It is 0 where nothing is billed: what we refused, other endpoints
//! than messages, error answers, errors in band before content, unbilled refusals. It is
//! `null` where the usage is not known, also of an earlier attempt that may have been billed
//! without a report; `unpriced` then says why.
//!
//! # Where records go
//!
//! | sink | what it does with a record |
//! |---|---|
//! | [`JsonLines`] | a line of a file: the ledger, which a [`Report`] sums |
//! | [`SpillFile`] | the same, written at once by whoever ends the call |
//! | [`Channel`] | gives it to a task of yours |
//! | `RedisStream` | an entry of a stream of Redis |
//! | `MetricsSink`, `GenAiMetrics` | counts it, under our names or OpenTelemetry's |
//! | `TracingSink` | fields of spans and events |
//! | [`Tally`] | adds it to sums in memory |
//! | closures, `()`, `Option`, `Arc`, tuples, [`Fanout`] | what they say |
//!
//! A sink is called where the call ends, in a poll or a drop, so none of them waits there: files
//! and Redis are written behind a bounded queue. [`Overflow`] says what becomes of a record that
//! the queue has no room for: it is dropped, waited for within a bound, or spilled into a
//! [`SpillFile`]; what is lost is counted. The writer that comes with a sink runs on a thread of
//! its own and is closed last.
//!
//! **Durable** ledgers ([`JsonLinesBuilder::durable`]) have a record on the disk before the caller
//! gets the end of the answer: the last event of a stream, the last bytes of a body. Records that
//! come together are synced together. While the ledger cannot be written, or does not answer for
//! five seconds, calls are refused with a 503, and an answer under way loses its end. Any sink can have that by its
//! [`deliver`](UsageSink::deliver). A record that ends in a drop has nobody who waits.
//!
//! **Rotation** ([`JsonLinesBuilder::rotate_at`], [`JsonLinesBuilder::rotate_daily`]) puts the
//! full file aside as `usage.YYYYMMDDThhmmssZ.jsonl`, with the time of that in UTC, and `-1`, `-2`
//! after the `Z` where several fall into one second.
//!
//! # Callers who leave
//!
//! A caller who leaves ends the call at upstream too, and what was generated is then an estimate.
//! [`DrainLayer`], right outside of the meter, reads such answers on in a task of the host's,
//! within bounds of tokens, time and number: the record is `dropped`, its usage `exact`.
//!
//! # Results of batches
//!
//! With [`batch_results`](UsageMeterLayer::batch_results), every line of a batch's results that
//! succeeded is a record of its own: of the caller who fetches it, at the price of batches, with
//! `{batch}/{custom_id}` as its session. It is written once, however often results are fetched
//! and by how many at once; a [`FirstSeen`] remembers, and [`BatchResults`] counts. Results pass
//! untouched. A caller gets a part of them when all its lines have been asked about, of which at
//! most 64 are open at a time, and the last part when all have been answered and recorded. What
//! is asked when the caller leaves is settled by a task on the tokio runtime that the call ran
//! on; [`BatchResults::settled`] waits for it.
//!
//! The call that fetches them is a record too. It costs nothing; its cost is `null` if a line
//! was not metered, because it could not be read, was too long, or nobody could say whether it
//! is new. Results that come compressed are not read.
//!
//! # Order
//!
//! Inside authentication, so that the tenant is known; outside everything that refuses,
//! retries or changes the target, so that a call is recorded once, with its attempts. Only
//! [`DrainLayer`], and a layer that keeps texts, go between authentication and the meter.
//!
//! # Extensions
//!
//! | type | of | read or added | absent means |
//! |---|---|---|---|
//! | `Tenant` | requests | read | a record without a tenant |
//! | `RequestId` | requests | read | one is made |
//! | `Target` | requests | read | no target, unless the attempts name one |
//! | [`Departure`] | requests | read; added by [`DrainLayer`] | the caller is there as long as the call is |
//! | `Call` | requests | read, with its attempts and estimate, or added by reading the body | the body is read |
//! | `Refusal` | responses | read; added to what is refused here: what cannot be read, or not be recorded | an answer of upstream's |
//! | `Failure` | responses | read; behind a refusal of 502 or 504, what upstream may bill | it is told by status and stream; behind a refusal, it may be billed |
//! | `UsageCell` | responses | read, or added by reading along | the body is read along |
//! | `Call` | responses | added | |
//!
//! The call travels in the response for whoever writes headers at the edge: its id
//! (`x-claude-request-id`), and its attempts (`x-claude-target`, `x-claude-attempts`).
//!
//! # Cancellation
//!
//! Dropping the future or the body at any point writes the record, at once, inside the drop.
//! The inner future or body is dropped first, so what they know is in it. A caller whose body
//! breaks off while it is read is one who left, although a refusal is handed out.
//!
//! # Features
//!
//! - `decompression` (default): answers that come compressed (gzip, deflate, brotli, zstd) are
//!   decoded as they pass and metered; without, their usage is not known.
//! - `metrics` (default): `MetricsSink`, and `GenAiMetrics` under OpenTelemetry's names, for the
//!   recorder of the `metrics` crate.
//! - `redis`: `RedisStream`, records in a stream of Redis.
//! - `redis-tls`: the same over TLS, for `rediss://` addresses.
//! - `tracing`: `TracingSink`, OpenTelemetry's names as fields of spans and events.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod answer;
mod attempt_record;
mod attempts;
mod batch_results;
mod bill;
mod body;
mod channel;
mod delivery;
mod departure;
mod drain;
mod fanout;
mod future;
#[cfg(any(feature = "metrics", feature = "tracing"))]
mod gen_ai;
mod guard;
#[cfg(feature = "metrics")]
mod handles;
mod json_lines;
#[cfg(feature = "metrics")]
mod labels;
mod layer;
mod ledger_line;
mod message;
mod metered;
#[cfg(feature = "metrics")]
mod metrics_sink;
mod names;
mod outbox;
mod outcome;
mod overflow;
#[cfg(feature = "redis")]
mod redis_stream;
mod report;
mod service;
mod shared;
mod snapshot;
#[cfg(feature = "metrics")]
mod spending;
mod spill_file;
mod tally;
mod torn_line;
mod upstream_id;
mod usage_record;
mod usage_record_json;
mod usage_sink;

pub use attempt_record::{AttemptRecord, AttemptRecords};
pub use batch_results::{BatchResults, FirstSeen, FirstSeenFuture, SeenResults};
pub use body::MeterBody;
pub use channel::{Channel, ChannelBuilder, ChannelReceiver};
pub use delivery::{Delivery, Undelivered};
pub use departure::Departure;
pub use drain::{Drain, DrainBody, DrainFuture, DrainLayer, Drainer, Draining, Drains};
pub use fanout::Fanout;
pub use future::ResponseFuture;
#[cfg(feature = "metrics")]
pub use gen_ai::GenAiMetrics;
#[cfg(feature = "tracing")]
pub use gen_ai::{TracingSink, gen_ai_span};
pub use json_lines::{JsonLines, JsonLinesBuilder, JsonLinesThread, JsonLinesWriter};
#[cfg(feature = "metrics")]
pub use labels::Labels;
pub use layer::UsageMeterLayer;
#[cfg(feature = "metrics")]
pub use metrics_sink::MetricsSink;
pub use outcome::{AttemptOutcome, Outcome, UsageSource};
pub use overflow::Overflow;
#[cfg(feature = "redis")]
pub use redis_stream::{
    RedisAddressError, RedisStream, RedisStreamBuilder, RedisStreamThread, RedisStreamWriter,
};
pub use report::{Column, ParseColumnError, Report, ReportRow, ReportSums, Unread};
pub use service::UsageMeter;
pub use snapshot::{Share, Snapshot, SnapshotMinute, SnapshotRow, Totals};
pub use spill_file::SpillFile;
pub use tally::Tally;
pub use tower_claude_pricing::Prices;
pub use upstream_id::UpstreamId;
pub use usage_record::UsageRecord;
pub use usage_sink::UsageSink;
