//! What stands around the items of a batch.

use tower_claude_core::{JsonWalk, Refusal, RefusalKind};

use crate::item::invalid;

/// Walks to before the first item.
pub(crate) fn begin(walk: &mut JsonWalk<'_>) -> Result<(), Refusal> {
    if !walk.enter_object() {
        walk.skip();
        if !walk.is_at_end() {
            return Err(malformed(walk.at()));
        }
        let what = "the request body must be a JSON object";
        return Err(Refusal::new(RefusalKind::Invalid, what));
    }
    while let Some(key) = walk.next_key() {
        if key != "requests" {
            walk.skip();
            continue;
        }
        if walk.enter_array() {
            return Ok(());
        }
        return match walk.skip() {
            b"null" => Err(invalid("requests", "Field required")),
            _ if walk.is_broken() => Err(malformed(walk.at())),
            _ => Err(invalid("requests", "must be an array")),
        };
    }
    if walk.is_at_end() {
        return Err(invalid("requests", "Field required"));
    }
    Err(malformed(walk.at()))
}

/// Walks from behind the last item to the end; `None` if it is no JSON.
pub(crate) fn end(walk: &mut JsonWalk<'_>) -> Result<(), Option<Refusal>> {
    while let Some(key) = walk.next_key() {
        if key == "requests" {
            return Err(Some(invalid("requests", "must not be given twice")));
        }
        walk.skip();
    }
    if walk.is_at_end() { Ok(()) } else { Err(None) }
}

pub(crate) fn malformed(at: usize) -> Refusal {
    let message = format!("the request body is not valid JSON (near byte {at})");
    Refusal::new(RefusalKind::Invalid, message)
}
