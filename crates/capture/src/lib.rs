//! A tower layer that answers: what was said in this call to Claude, redacted?

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
