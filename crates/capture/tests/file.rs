//! The file: nothing secret in it, nothing lost that need not be, everything lost counted.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops at what is not as it should be"
)]

mod support;

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use support::{Scratch, message, post, take};
use tower::{Layer as _, ServiceExt as _};
use tower_claude_capture::{CaptureFile, CaptureLayer, CaptureSink, Captured, Redactor};
use tower_claude_testkit::{Answer, FakeClaude, Split};

/// None of these may be in the file, nor a part of them that says something.
const SECRETS: [(&str, &str); 9] = [
    ("ann.canary@example.org", "canary@"),
    ("4111 1111 1111 1111", "1111"),
    ("5555555555554444", "5555"),
    ("DE89 3704 0044 0532 0130 00", "3704"),
    ("+49 30 1234567", "1234567"),
    ("sk-ant-api03-canary0123456789", "canary01"),
    ("cg_web_0123456789ABCDEFGHIJKLMNOPQRSTUVWabcdef", "ABCDEF"),
    ("AKIAIOSFODNN7EXAMPLE", "IOSFO"),
    (
        "-----BEGIN PRIVATE KEY-----\nMIIEcanary\n-----END PRIVATE KEY-----",
        "MIIE",
    ),
];

/// Calls with this text on both sides, plain and streamed, in text, thinking and tools.
async fn call<K>(layer: &CaptureLayer<K>, text: &str)
where
    K: CaptureSink + Send + Sync + 'static,
{
    let quoted = serde_json::to_string(text).unwrap();
    let input = format!("{{\"of\":{quoted}}}");
    let answer = Answer::message("claude-opus-5-5")
        .thinking(text)
        .text(text)
        .tool_use("send", &input)
        .deltas(40);
    let error = format!(r#"{{"type":"error","error":{{"type":"api_error","message":{quoted}}}}}"#);
    let messages = format!(
        r#"[{{"role":"user","content":{quoted}}},
            {{"role":"assistant","content":[{{"type":"tool_use","name":{quoted},"input":{input}}}]}},
            {{"role":"user","content":[{{"type":"tool_result","content":{quoted}}}]}}]"#
    );
    for answer in [
        answer.clone().into_json(),
        answer.clone().into_stream().split(Split::Every(3)),
        answer.into_stream().reset_after(9),
        Answer::json(500, error.clone()),
        Answer::sse(format!("event: error\ndata: {error}\n\n")),
        Answer::raw(200, "text/plain", text.to_owned()),
    ] {
        let fake = FakeClaude::sequence([answer]);
        let response = layer.layer(fake).oneshot(message(&messages)).await.unwrap();
        take(response.into_body()).await;
    }
    let body = format!(r#"{{"model":{quoted},"max_tokens":9,"system":{quoted},"messages":[]}}"#);
    let fake = FakeClaude::sequence([Answer::cached_message()]);
    let response = layer.layer(fake).oneshot(post("/v1/messages", body)).await;
    take(response.unwrap().into_body()).await;
}

#[tokio::test]
async fn no_secret_is_in_the_file() {
    let scratch = Scratch::new("canary");
    let (file, writer) = CaptureFile::open(&scratch.0).unwrap();
    let writer = writer.spawn_thread().unwrap();
    for limit in [300, 64 * 1024] {
        let layer = CaptureLayer::new(Redactor::standard(), file.clone()).limit(limit);
        for (secret, _) in SECRETS {
            call(&layer, &format!("Mark {secret} mark.")).await;
        }
        // Where the limit cuts, nothing of a secret stays either.
        for at in 0..60 {
            call(
                &layer,
                &format!("{} {} {}", "x ".repeat(50), "y".repeat(at), SECRETS[1].0),
            )
            .await;
        }
    }
    // Neither where a name is cut.
    let layer = CaptureLayer::new(Redactor::standard(), file.clone());
    for length in [100, 110, 120, 230, 240, 250] {
        call(&layer, &format!("{} {}", "x".repeat(length), SECRETS[2].0)).await;
    }
    writer.close().unwrap();
    assert_eq!(file.lost(), 0);
    let text = scratch.text();
    assert_eq!(text.lines().count(), 7 * (2 * (9 + 60) + 6));
    assert!(text.contains("Mark [card] mark."));
    for line in text.lines() {
        let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["tenant"], "web");
        // Made at random or by the clock: they may have the digits of a canary by chance.
        for ours in ["request_id", "timestamp", "system_prompt_sha256"] {
            line[ours].take();
        }
        let said = line.to_string();
        for (_, canary) in SECRETS {
            assert!(!said.contains(canary), "{canary} is in the file: {said}");
        }
    }
}

#[tokio::test]
async fn nothing_that_holds_text_shows_it() {
    let shown = Arc::new(Mutex::new(String::new()));
    let sink = Arc::clone(&shown);
    let layer = CaptureLayer::new(Redactor::standard(), move |captured: Captured| {
        let mut shown = sink.lock().unwrap();
        shown.push_str(&format!("{captured:?}"));
        shown.push_str(&format!("{:?}", captured.redact()));
    });
    call(&layer, "canary-text").await;
    let shown = shown.lock().unwrap();
    assert!(
        shown.contains("Captured") && shown.contains("bytes"),
        "{shown}"
    );
    assert!(!shown.contains("canary"), "{shown}");
}

#[cfg(unix)]
#[test]
fn the_file_is_for_its_owners_eyes_only() {
    use std::os::unix::fs::PermissionsExt as _;

    let scratch = Scratch::new("mode");
    let mode = || std::fs::metadata(&scratch.0).unwrap().permissions().mode() & 0o777;
    drop(CaptureFile::open(&scratch.0).unwrap());
    assert_eq!(mode(), 0o600);
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(&scratch.0, open).unwrap();
    drop(CaptureFile::open(&scratch.0).unwrap());
    assert_eq!(mode(), 0o600, "of one that was there");
}

#[tokio::test]
async fn a_line_that_was_cut_short_is_ended_first() {
    let scratch = Scratch::new("torn");
    std::fs::write(&scratch.0, "{\"timestamp\":\"20").unwrap();
    let (file, writer) = CaptureFile::open(&scratch.0).unwrap();
    let writer = writer.spawn_thread().unwrap();
    call(&CaptureLayer::new(Redactor::standard(), file), "Hello.").await;
    writer.flush().unwrap();
    let text = scratch.text();
    assert!(text.starts_with("{\"timestamp\":\"20\n{\"timestamp\":\"20"));
    assert_eq!(text.lines().count(), 8);
    writer.close().unwrap();
}

/// Fails so many times, and writes a few bytes a time.
struct Flaky {
    fails: Arc<AtomicUsize>,
    out: Arc<Mutex<Vec<u8>>>,
}

impl Write for Flaky {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = self.fails.load(Ordering::SeqCst);
        if left > 0 && !bytes.is_empty() {
            self.fails.store(left - 1, Ordering::SeqCst);
            return Err(io::Error::other("disk full"));
        }
        let taken = bytes.len().min(100);
        self.out.lock().unwrap().extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_write_that_fails_is_tried_again_and_given_up_only_at_the_end() {
    for (fails, lost) in [(2, 0), (1_000, 7)] {
        let out = Arc::<Mutex<Vec<u8>>>::default();
        let flaky = Flaky {
            fails: Arc::new(AtomicUsize::new(fails)),
            out: Arc::clone(&out),
        };
        let (file, writer) = CaptureFile::new(flaky, CaptureFile::CAPACITY);
        call(
            &CaptureLayer::new(Redactor::standard(), file.clone()),
            "Hello.",
        )
        .await;
        let result = writer.spawn_thread().unwrap().close();
        assert_eq!(result.is_err(), lost > 0);
        assert_eq!(file.lost(), lost);
        assert!(file.failed_writes() >= 2);
        let lines = out
            .lock()
            .unwrap()
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        assert_eq!(lines as u64, 7 - lost);
    }
}

#[tokio::test]
async fn what_does_not_fit_into_the_queue_is_lost_and_counted() {
    let (file, writer) = CaptureFile::new(io::sink(), NonZeroUsize::new(3).unwrap());
    let layer = CaptureLayer::new(Redactor::standard(), file.clone());
    call(&layer, "Hello.").await;
    assert_eq!(file.lost(), 4);
    drop(writer);
    call(&layer, "Hello.").await;
    assert_eq!(file.lost(), 11, "without a writer");
}

#[tokio::test]
async fn the_queue_is_bounded_in_bytes_too() {
    let (file, writer) = CaptureFile::new(io::sink(), CaptureFile::CAPACITY);
    let limit = CaptureFile::CAPACITY_BYTES / 8;
    let layer = CaptureLayer::new(Redactor::standard(), file.clone()).limit(limit);
    let text = "x".repeat(limit);
    let messages = format!(r#"[{{"role":"user","content":"{text}"}}]"#);
    for _ in 0..10 {
        let fake = FakeClaude::sequence([Answer::cached_message()]);
        let response = layer.layer(fake).oneshot(message(&messages)).await;
        take(response.unwrap().into_body()).await;
    }
    assert_eq!(file.lost(), 3, "the eighth and those after it");
    drop(writer);
}
