use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tower_claude_testkit::Answer;

/// A recorded answer, as upstream sends it.
#[derive(Clone)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

// === impl Sample ===

impl Sample {
    /// One of the recorded shapes.
    pub(crate) fn read(name: &str) -> Self {
        let bytes = fs::read(wire().join(name)).unwrap();
        let name = name.to_owned();
        Self { name, bytes }
    }

    /// Whether it is a stream, of events or of frames.
    pub(crate) fn is_stream(&self) -> bool {
        !self.name.ends_with(".json")
    }

    /// The answer with this body, in the content type of the sample.
    pub(crate) fn answer(&self, body: impl Into<Bytes>) -> Answer {
        if self.name.ends_with(".sse") {
            Answer::sse(body)
        } else if self.is_stream() {
            Answer::raw(200, "application/vnd.amazon.eventstream", body)
        } else {
            Answer::json(200, body)
        }
    }
}

/// Where the recorded shapes are.
pub(crate) fn wire() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testkit/wire")
}
