use super::pieces::metered;

/// A streamed answer that is read along: any split meters the same, watched or not.
pub fn stream_meter(data: &[u8], at: usize) {
    let meter = |at, watch| {
        let metered = metered(200, "text/event-stream", data, at, watch);
        assert!(metered.end.is_some(), "it is said how it ended");
        format!("{metered:?}")
    };
    let whole = meter(data.len(), false);
    assert_eq!(meter(at, false), whole);
    assert_eq!(meter(at, true), whole);
}
