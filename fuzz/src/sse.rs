use tower_claude_core::{SseEventKind, SseScanner};

/// Server-sent events: any split gives the same events, read or only counted.
pub fn sse(data: &[u8], at: usize) {
    let whole = scan(SseScanner::new(), data, data.len());
    assert_eq!(scan(SseScanner::new(), data, at), whole);
    let read = scan(SseScanner::reading_all(), data, data.len());
    assert_eq!(scan(SseScanner::reading_all(), data, at), read);

    let kinds =
        |events: &[Event]| -> Vec<SseEventKind> { events.iter().map(|(kind, ..)| *kind).collect() };
    assert_eq!(kinds(&whole), kinds(&read), "the same events, less is kept");
    for (_, data, length) in &read {
        assert_eq!(data.len() as u64, *length, "all of the data");
    }
}

/// Kind, data and length.
type Event = (SseEventKind, Vec<u8>, u64);

fn scan(mut scanner: SseScanner, data: &[u8], at: usize) -> Vec<Event> {
    let mut events = Vec::new();
    let (a, b) = data.split_at(at);
    for part in [a, b] {
        scanner.push(part, |event| {
            events.push((event.kind, event.data.to_vec(), event.length));
        });
    }
    scanner.finish(|event| events.push((event.kind, event.data.to_vec(), event.length)));
    events
}
