//! What a caller makes of an answer.

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;
use tower_claude_core::{CallBody, Metered, SseEventKind, SseScanner, TransportError, UsageCell};
use tower_service::Service;

/// An answer, read to its end as an SDK does.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) status: u16,
    pub(crate) bytes: Vec<u8>,
    /// The text of each block.
    pub(crate) blocks: Vec<String>,
    pub(crate) starts: usize,
    pub(crate) stops: usize,
    pub(crate) marks: Vec<Value>,
    pub(crate) errors: Vec<Value>,
    pub(crate) broke: Option<String>,
    pub(crate) metered: Metered,
}

// === impl Heard ===

impl Heard {
    pub(crate) fn text(&self) -> &str {
        self.blocks.first().map_or("", |text| text)
    }

    /// Whether it is one whole answer, put together of two.
    pub(crate) fn is_continued(&self) -> bool {
        let count = (self.starts, self.stops, self.marks.len(), self.errors.len());
        count == (1, 1, 1, 0) && self.broke.is_none()
    }

    /// Reads as strictly as an SDK: data that is no JSON, or out of place, is a failure.
    pub(crate) fn read(mut self) -> Self {
        let mut scanner = SseScanner::reading_all();
        let bytes = std::mem::take(&mut self.bytes);
        let mut is_open = false;
        scanner.push(&bytes, |event| {
            if event.kind == SseEventKind::Ping {
                return;
            }
            let data: Value = serde_json::from_slice(event.data).expect("data that is JSON");
            match event.kind {
                SseEventKind::MessageStart => self.starts += 1,
                SseEventKind::ContentBlockStart => {
                    assert!(
                        !std::mem::replace(&mut is_open, true),
                        "one after the other"
                    );
                    assert_eq!(data["index"], self.blocks.len());
                    self.blocks.push(String::new());
                }
                SseEventKind::ContentBlockDelta => {
                    assert!(is_open);
                    let text = data["delta"]["text"].as_str().unwrap_or_default();
                    self.blocks.last_mut().expect("a block").push_str(text);
                }
                SseEventKind::ContentBlockStop => {
                    assert!(std::mem::replace(&mut is_open, false));
                }
                SseEventKind::MessageDelta => assert!(!is_open),
                SseEventKind::MessageStop => self.stops += 1,
                SseEventKind::Error => self.errors.push(data),
                _ if data["type"] == "continuation" => self.marks.push(data),
                _ => {}
            }
        });
        self.bytes = bytes;
        self
    }
}

/// Makes a call, and reads the answer to its end.
pub(crate) async fn hear<S, B>(service: S, request: Request<CallBody>) -> Heard
where
    S: Service<Request<CallBody>, Response = Response<B>, Error = TransportError>,
    B: Body<Data = Bytes>,
    B::Error: ToString,
{
    let response = service.oneshot(request).await.expect("an answer");
    let cell = UsageCell::of(&response).cloned().expect("a cell");
    let mut heard = Heard {
        status: response.status().as_u16(),
        ..Heard::default()
    };
    let mut body = std::pin::pin!(response.into_body());
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => heard
                .bytes
                .extend_from_slice(&frame.into_data().unwrap_or_default()),
            Err(error) => heard.broke = Some(error.to_string()),
        }
    }
    heard.metered = cell.read(Metered::clone);
    heard
}
