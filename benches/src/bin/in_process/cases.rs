use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::Request;
use tower_claude::core::{CallBody, Intake, Prepare, SseScanner};
use tower_claude_benches::{Inner, LAYERS, PAIR, body, calls, stream};

/// Something to be run many times.
pub(crate) struct Case {
    pub(crate) name: String,
    /// What one run reads, where that is the point.
    pub(crate) bytes: Option<usize>,
    pub(crate) run: Box<dyn FnMut()>,
}

/// Each layer alone and all of them, for each kind of call; then the readers.
pub(crate) fn all() -> Vec<Case> {
    let kinds = [
        ("1 KB", "1k", Inner::plain()),
        ("200 KB", "200k", Inner::plain()),
        ("200 deltas", "burst", Inner::stream()),
        ("200 frames", "burst", Inner::frames()),
    ];
    let mut cases = Vec::new();
    for (kind, size, inner) in kinds {
        let body = body(size);
        cases.push(Case {
            name: format!("bare, {kind}"),
            bytes: None,
            run: calls(inner.clone(), body.clone()),
        });
        for (name, wrap) in LAYERS {
            cases.push(Case {
                name: format!("{name}, {kind}"),
                bytes: None,
                run: wrap(inner.clone(), body.clone()),
            });
        }
    }
    cases.extend(pair());
    cases.extend([
        scanner("scanner, short deltas", stream(10_000)),
        scanner("scanner, long deltas", long_deltas()),
        preparer("Prepare, 1 KB", "1k"),
        preparer("Prepare, 200 KB", "200k"),
    ]);
    cases
}

/// Retry and Failover together, and beside them the same without them.
fn pair() -> impl Iterator<Item = Case> {
    let kinds = [
        ("1 KB", "1k", Inner::plain()),
        ("1 KB, limits", "1k", Inner::plain().limited()),
        ("200 deltas", "burst", Inner::stream()),
        ("200 deltas, limits", "burst", Inner::stream().limited()),
    ];
    kinds.into_iter().flat_map(|(kind, size, inner)| {
        PAIR.iter().map(move |(name, wrap)| Case {
            name: format!("{name}, {kind}"),
            bytes: None,
            run: wrap(inner.clone(), body(size)),
        })
    })
}

fn scanner(name: &str, stream: Bytes) -> Case {
    Case {
        name: name.to_owned(),
        bytes: Some(stream.len()),
        run: Box::new(move || {
            let mut events = 0_u64;
            let mut scanner = SseScanner::new();
            for chunk in stream.chunks(16 * 1024) {
                scanner.push(chunk, |event| events += event.length);
            }
            std::hint::black_box(events);
        }),
    }
}

/// Deltas as thinking sends them: a few hundred characters each.
fn long_deltas() -> Bytes {
    let text = "the tide was out when we came to the pier ".repeat(10);
    let event = format!(
        "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\
         \"delta\":{{\"type\":\"thinking_delta\",\"thinking\":\"{text}\"}}}}\n\n"
    );
    event.repeat(4_000).into()
}

fn preparer(name: &str, size: &str) -> Case {
    let (body, intake) = (body(size), Intake::new());
    Case {
        name: name.to_owned(),
        bytes: Some(body.len()),
        run: Box::new(move || {
            let request = Request::post("/v1/messages")
                .body(CallBody::full(body.clone()))
                .expect("a request");
            let mut prepare = std::pin::pin!(Prepare::new(request, &intake));
            let mut cx = Context::from_waker(Waker::noop());
            match prepare.as_mut().poll(&mut cx) {
                Poll::Ready(Ok(prepared)) => drop(std::hint::black_box(prepared)),
                other => panic!("a good request that is there: {other:?}"),
            }
        }),
    }
}
