use serde_json::Value;
use tower_claude_core::Metered;

use super::pieces::metered;

/// A plain answer that is read along: any split meters the same, and what it reports is read.
pub fn answer_json(data: &[u8], at: usize) {
    for status in [200, 529] {
        let meter = |at| metered(status, "application/json", data, at, false);
        let whole = meter(data.len());
        assert!(whole.end.is_some(), "it is said how it ended");
        assert_eq!(format!("{:?}", meter(at)), format!("{whole:?}"));
        assert_is_what_it_says(&whole, data);
    }
}

/// What a reader that builds the whole document finds is found here too.
fn assert_is_what_it_says(metered: &Metered, data: &[u8]) {
    // A key whose letters are spelt in escapes is not looked for.
    let is_plain = !data.windows(2).any(|two| two == b"\\u");
    let Some(json) = serde_json::from_slice::<Value>(data)
        .ok()
        .filter(|_| is_plain)
    else {
        return;
    };
    let usage = &json["usage"];
    let most = 1_u64 << 40;
    for (name, read) in [
        ("input_tokens", metered.usage.input_tokens),
        ("output_tokens", metered.usage.output_tokens),
        (
            "cache_read_input_tokens",
            metered.usage.cache_read_input_tokens,
        ),
    ] {
        if let Some(said) = usage[name].as_u64().filter(|said| *said < most) {
            assert_eq!(read, Some(said), "{name}");
        }
    }
    if let Some(model) = json["model"].as_str() {
        assert_eq!(metered.model.as_deref(), Some(model));
    }
    if let Some(reason) = json["stop_reason"].as_str() {
        assert_eq!(metered.stop_reason.as_deref(), Some(reason));
    }
}
