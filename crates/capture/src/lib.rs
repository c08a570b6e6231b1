//! A tower layer that answers: what was said in this call to Claude, redacted?
//!
//! ```
//! use std::sync::{Arc, Mutex};
//!
//! use http_body_util::{BodyExt as _, Full};
//! use tower::{Layer as _, ServiceExt as _};
//! use tower_claude_capture::{CaptureLayer, Captured, Redactor};
//! use tower_claude_testkit::{Answer, FakeClaude};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let records = Arc::new(Mutex::new(Vec::new()));
//! let sink = Arc::clone(&records);
//! let layer = CaptureLayer::new(Redactor::standard(), move |captured: Captured| {
//!     sink.lock().expect("no panic").push(captured.redact());
//! });
//!
//! // Stands where the HTTP client would.
//! let claude = FakeClaude::sequence([Answer::cached_message()]);
//! let request = http::Request::post("/v1/messages").body(Full::from(
//!     r#"{"model":"claude-opus-5-5","max_tokens":512,"messages":[
//!         {"role":"user","content":"I am ann@example.org. When does the gate open?"}]}"#,
//! ))?;
//! let response = layer.layer(claude).oneshot(request).await?;
//! response.into_body().collect().await?;
//!
//! let records = records.lock().expect("no panic");
//! assert_eq!(records[0].request.texts[0].text, "I am [email]. When does the gate open?");
//! assert_eq!(records[0].response.texts[0].text, "The harbour gate opens at 06:40.");
//! assert_eq!(records[0].redactions.of("email"), 1);
//! # Ok(())
//! # }
//! ```
//!
//! Into a file, with patterns and a limit of your own:
//!
//! ```
//! use tower::Layer as _;
//! use tower_claude_capture::{CaptureFile, CaptureLayer, Redactor};
//! use tower_claude_core::Intake;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let path = std::env::temp_dir().join(format!("capture-lib-{}.jsonl", std::process::id()));
//! let (file, writer) = CaptureFile::open(&path)?;
//! let writer = writer.spawn_thread()?;
//!
//! let redactor = Redactor::standard()
//!     .pattern("staff", r"\bE-[0-9]{6}\b")?
//!     .pattern("project", r"(?i)\bproject (heron|osprey)\b")?;
//! let layer = CaptureLayer::new(redactor, file.clone())
//!     .limit(16 * 1024)
//!     .intake(Intake::new().prefix("/claude"));
//! # let _ = layer.layer(tower_claude_testkit::FakeClaude::default());
//!
//! // At the end, when the last call has ended:
//! writer.close()?;
//! assert_eq!(file.lost(), 0);
//! # std::fs::remove_file(&path)?;
//! # Ok(())
//! # }
//! ```
//!
//! # The record
//!
//! One [`Captured`] for every call of `POST /v1/messages`, whatever ends it, when it has ended;
//! [`Captured::redact`] makes a [`CaptureRecord`] of it. Calls that end before their request is
//! there have said nothing and leave none. As JSON:
//!
//! | field | |
//! |---|---|
//! | `timestamp` `request_id` `tenant` `feature` `model` `endpoint` `stream` `status` | as in the ledger; the caller's words among them redacted. A `feature` that nobody named is `null` here, `unknown` there |
//! | `end` | `complete`, `errored`, `truncated` or `dropped` |
//! | `system_prompt_sha256` | of the raw JSON value |
//! | `request` `response` | `{ texts, truncated, unread, unreadable_events }` |
//! | `texts` | a list of `{ role, text }`, and the `name` of a tool |
//! | `redactions` | how many of each kind |
//!
//! | `role` | |
//! |---|---|
//! | `system` `user` `assistant` `thinking` | text |
//! | `tool_use` | the JSON a tool is asked with, its escapes resolved |
//! | `tool_result` | what a tool answered, as text |
//! | `error` | the message of an error |
//!
//! An image or a document is a mark such as `[image 12345 bytes]`; its data is never kept, and
//! neither are signatures and what is encrypted. The texts of a stream are put together block
//! by block and redacted whole, so what is split over events is found.
//!
//! `unread` says why something was not read: it is `compressed`, of an `other_type` (the frames
//! in which Bedrock streams are one for now), JSON `too_large` to be kept until its end (16 times
//! the limit, and 64 KiB), `malformed`, or `absent`.
//!
//! # Bounds
//!
//! The [limit](CaptureLayer::limit) is that of each direction. Of an answer beyond it the
//! beginning is kept. Of a request, the beginning of the system prompt in at most half of it, and
//! the last of the messages: the earlier ones were in earlier calls. A text is cut between
//! characters, and never within what is redacted; [`CapturedSide::truncated`] says so.
//!
//! What a call takes besides is bounded whatever the answer: an event is read up to
//! [`SseScanner::LARGEST`](tower_claude_core::SseScanner::LARGEST) bytes.
//!
//! # What is not found
//!
//! Redaction is a net, not a proof. Names, streets and numbers that look like any other number
//! pass, and so does what is split on purpose, encoded (base64) or spelled out. Digits are those
//! of ASCII. Where it errs, it takes out too much: one number in ten of 16 digits has a check
//! digit that fits.
//!
//! # Order
//!
//! Inside authentication, so that the tenant is known; beside the meter, outside everything that
//! refuses, retries or changes the target. It answers nothing itself, unless it is the first to
//! read a request and cannot.
//!
//! # Extensions
//!
//! | type | of | read or added | absent means |
//! |---|---|---|---|
//! | `Tenant` | requests | read | a record without a tenant |
//! | `RequestId` | requests | read | one is made |
//! | `Call` | requests | read, or added by reading the body | the body is read |
//! | `Refusal` | responses | added to what is refused here, a request that cannot be read | not an answer of this layer |
//!
//! # Cancellation
//!
//! Dropping the future or the body at any point hands over what was said until then, at once,
//! inside the drop.
//!
//! # Features
//!
//! None.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod answer;
mod block;
mod body;
mod capture_file;
mod capture_file_thread;
mod capture_file_writer;
mod capture_record;
mod captured;
mod captured_side;
mod captured_text;
mod error;
mod future;
mod guard;
mod layer;
mod loose;
mod raw_text;
mod reader;
mod redact;
mod redactions;
mod redactor;
mod role;
mod service;
mod shared;
mod sink;
mod texts;
mod unread;

pub use body::CaptureBody;
pub use capture_file::CaptureFile;
pub use capture_file_thread::CaptureFileThread;
pub use capture_file_writer::CaptureFileWriter;
pub use capture_record::CaptureRecord;
pub use captured::Captured;
pub use captured_side::CapturedSide;
pub use captured_text::CapturedText;
pub use error::ConfigError;
pub use future::ResponseFuture;
pub use layer::CaptureLayer;
pub use redactions::Redactions;
pub use redactor::Redactor;
pub use role::Role;
pub use service::Capture;
pub use sink::CaptureSink;
pub use unread::Unread;
