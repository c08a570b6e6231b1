//! However an answer is cut into pieces, ends its lines, or is compressed: the same record, and
//! the bytes that came.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

#[path = "golden/forms.rs"]
mod forms;
#[path = "golden/sample.rs"]
mod sample;
mod support;

use std::fs;
use std::path::Path;

use bytes::Bytes;
use forms::{compress, ending_lines};
use http_body_util::BodyExt as _;
use sample::{Sample, wire};
use support::{Records, post};
use tower::ServiceExt as _;
use tower_claude_core::{Platform, RequestId, Target, Timestamp};
use tower_claude_testkit::{Answer, FakeClaude, Split};

/// Ends of lines, as the specification of server-sent events knows them.
const LINE_ENDS: [&str; 3] = ["\n", "\r\n", "\r"];

/// What the meter's tests can compress with.
const CODINGS: [&str; 3] = ["gzip", "deflate", "raw"];

/// One split of so many, where it would be much like another.
const RARELY: usize = 7;

/// An answer, and the record it leaves when it comes at once.
struct Recorded {
    sample: Sample,
    id: RequestId,
    record: String,
}

// === impl Recorded ===

impl Recorded {
    /// The record that a sample leaves when it comes at once, as it was recorded.
    async fn of(sample: Sample) -> Self {
        let id = RequestId::generate();
        let answer = sample.answer(sample.bytes.clone()).split(Split::Whole);
        let record = record(&sample, answer, &sample.bytes, id).await;
        // Records that say nothing are all the same.
        let says_nothing = record.contains(r#""usage_source":"none""#);
        let has_nothing = sample.name == "stream-error-before-content.sse";
        assert!(
            !sample.is_stream() || says_nothing == has_nothing,
            "{}: {record}",
            sample.name
        );
        Self { sample, id, record }
    }

    /// An answer of other bytes leaves the same record.
    async fn is_left_by(&self, answer: Answer, bytes: &[u8], what: impl Fn() -> String) {
        let record = record(&self.sample, answer, bytes, self.id).await;
        assert_eq!(record, self.record, "{} {}", self.sample.name, what());
    }

    /// In two pieces at each place, and in many of one size.
    async fn is_left_at_every_split(&self, bytes: &[u8], coding: Option<&str>, what: &str) {
        self.is_left_at_splits(bytes, coding, what, 1).await;
    }

    /// In two pieces at one place of so many, and in many of one size.
    async fn is_left_at_splits(&self, bytes: &[u8], coding: Option<&str>, what: &str, step: usize) {
        let answer = self.answer(bytes, coding);
        for at in (0..bytes.len()).step_by(step) {
            let split = answer.clone().split(Split::At(vec![at]));
            self.is_left_by(split, bytes, || format!("{what} split at {at}"))
                .await;
        }
        for size in [1, 2, 3, 5, 7, 16, 100, 1_000] {
            let split = answer.clone().split(Split::Every(size));
            self.is_left_by(split, bytes, || format!("{what} in pieces of {size}"))
                .await;
        }
    }

    /// In three pieces, at each pair of places that `is_tried`.
    async fn is_left_at_pairs(
        &self,
        bytes: &[u8],
        what: &str,
        is_tried: impl Fn(usize, usize) -> bool,
    ) {
        let answer = self.answer(bytes, None);
        for first in 1..bytes.len() {
            for second in first + 1..bytes.len() {
                if is_tried(first, second) {
                    let split = answer.clone().split(Split::At(vec![first, second]));
                    self.is_left_by(split, bytes, || {
                        format!("{what} split at {first} and {second}")
                    })
                    .await;
                }
            }
        }
    }

    fn answer(&self, bytes: &[u8], coding: Option<&str>) -> Answer {
        let answer = self.sample.answer(bytes.to_vec());
        match coding {
            Some("raw") => answer.header("content-encoding", "deflate"),
            Some(coding) => answer.header("content-encoding", coding),
            None => answer,
        }
    }
}

/// The line of the ledger that an answer leaves, without what no two calls share; the bytes
/// have passed untouched.
async fn record(sample: &Sample, answer: Answer, bytes: &[u8], id: RequestId) -> String {
    let records = Records::default();
    let meter = records.meter(FakeClaude::sequence([answer]));
    let stream = sample.is_stream();
    let mut request = post(
        "/v1/messages",
        format!(r#"{{"model":"claude-opus-5-5","max_tokens":9,"stream":{stream},"messages":[]}}"#),
    );
    request.extensions_mut().insert(id);
    if sample.name.ends_with(".eventstream") {
        let target = Target::new("cloud").platform(Platform::Bedrock);
        request.extensions_mut().insert(target);
    }
    let response = meter.oneshot(request).await.unwrap();
    let passed: Bytes = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(passed, bytes, "{}: untouched", sample.name);
    let mut record = (*records.only()).clone();
    record.timestamp = Timestamp::from_unix_millis(0);
    serde_json::to_string(&record).unwrap()
}

/// All recorded answers with this end of their names.
fn samples(end: &str) -> Vec<Sample> {
    let mut names: Vec<_> = fs::read_dir(wire())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(end))
        .collect();
    names.sort();
    names.iter().map(|name| Sample::read(name)).collect()
}

/// All recorded streams of events; some are there at least.
fn streams() -> Vec<Sample> {
    let streams = samples(".sse");
    assert!(streams.len() >= 22, "{} streams", streams.len());
    streams
}

async fn every_split_with_lines_ending_in(end: &str) {
    for stream in streams() {
        let bytes = ending_lines(&stream, end);
        let recorded = Recorded::of(stream).await;
        recorded
            .is_left_at_every_split(&bytes, None, &format!("{end:?}"))
            .await;
    }
}

/// Every split, or one of so many.
async fn every_split_compressed_by(coding: &str, step: usize) {
    for stream in streams() {
        let recorded = Recorded::of(stream).await;
        for end in LINE_ENDS {
            let packed = compress(coding, &ending_lines(&recorded.sample, end));
            let what = format!("{coding} {end:?}");
            // Uncompressed, the other ends of lines are met at every split already.
            let step = if end == "\n" { step } else { RARELY };
            recorded
                .is_left_at_splits(&packed, Some(coding), &what, step)
                .await;
        }
    }
}

/// The streams that were compressed beforehand; see the file beside them.
async fn every_split_of_the_packed(coding: &str, suffix: &str) {
    let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/packed");
    let mut read = 0;
    for stream in streams() {
        let path = packed.join(format!("{}.{suffix}", stream.name));
        let Ok(bytes) = fs::read(path) else { continue };
        let recorded = Recorded::of(stream).await;
        recorded
            .is_left_at_every_split(&bytes, Some(coding), coding)
            .await;
        read += 1;
    }
    assert!(read >= 22, "{read} packed streams");
}

// The clock stands, so that times are the same in all records.

#[tokio::test(start_paused = true)]
async fn every_split_of_every_stream_leaves_the_same_record() {
    every_split_with_lines_ending_in("\n").await;
}

#[tokio::test(start_paused = true)]
async fn every_split_of_every_stream_with_crlf_leaves_the_same_record() {
    every_split_with_lines_ending_in("\r\n").await;
}

#[tokio::test(start_paused = true)]
async fn every_split_of_every_stream_with_cr_leaves_the_same_record() {
    every_split_with_lines_ending_in("\r").await;
}

#[tokio::test(start_paused = true)]
async fn every_pair_of_splits_of_a_short_stream_leaves_the_same_record() {
    for stream in streams() {
        let recorded = Recorded::of(stream).await;
        for end in LINE_ENDS {
            let bytes = ending_lines(&recorded.sample, end);
            let what = format!("{end:?}");
            match bytes.len() {
                0..200 => recorded.is_left_at_pairs(&bytes, &what, |_, _| true).await,
                // All of them would take minutes: a short piece at each place, and of the
                // rest one in a thousand, elsewhere in each stream.
                200..1_000 => {
                    let is_tried = |first, second| {
                        second - first <= 3 || (first * 31 + second * 17) % 997 == 0
                    };
                    recorded.is_left_at_pairs(&bytes, &what, is_tried).await;
                }
                _ => {}
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_split_of_gzip_leaves_the_same_record() {
    every_split_compressed_by("gzip", 1).await;
}

#[tokio::test(start_paused = true)]
async fn every_split_of_deflate_leaves_the_same_record_with_a_header_and_without() {
    every_split_compressed_by("deflate", 1).await;
    every_split_compressed_by("raw", RARELY).await;
}

#[tokio::test(start_paused = true)]
async fn every_split_of_brotli_leaves_the_same_record() {
    every_split_of_the_packed("br", "br").await;
}

#[tokio::test(start_paused = true)]
async fn every_split_of_zstd_leaves_the_same_record() {
    every_split_of_the_packed("zstd", "zst").await;
}

#[tokio::test(start_paused = true)]
async fn every_split_of_frames_leaves_the_same_record() {
    let frames = samples(".eventstream");
    assert!(frames.len() >= 3);
    for frames in frames {
        let recorded = Recorded::of(frames).await;
        let bytes = &recorded.sample.bytes;
        recorded.is_left_at_every_split(bytes, None, "plain").await;
        let packed = compress("gzip", bytes);
        recorded
            .is_left_at_every_split(&packed, Some("gzip"), "gzip")
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn every_split_of_a_document_leaves_the_same_record() {
    let documents = samples(".json");
    assert!(documents.len() >= 18);
    for document in documents {
        let recorded = Recorded::of(document).await;
        let bytes = &recorded.sample.bytes;
        recorded.is_left_at_every_split(bytes, None, "plain").await;
        for coding in CODINGS {
            let packed = compress(coding, bytes);
            let step = if coding == "gzip" { 1 } else { RARELY };
            recorded
                .is_left_at_splits(&packed, Some(coding), coding, step)
                .await;
        }
    }
}
