//! The refusals of this layer, in the words callers read.

use std::time::Duration;

use tower_claude_core::{Refusal, RefusalKind, Timestamp};

use crate::limit::Short;
use crate::plans::Unplanned;
use crate::rate_headers::whole_second;
use crate::{Limit, Owner, Per, StoreError};

/// A limit is spent for now.
pub(crate) fn exhausted(
    owner: &Owner,
    limit: &Limit,
    retry_after: Duration,
    resets_in: Duration,
) -> Refusal {
    let resets_at = whole_second(Timestamp::now(), resets_in);
    let details = format!(
        r#"{{"scope":"{}","meter":"{}","limit":{},"per":{},"resets_at":"{resets_at}"}}"#,
        limit.scope.as_str(),
        limit.meter.as_str(),
        limit.amount,
        json_word(limit.per.map(Per::as_str)),
    );
    Refusal::new(
        RefusalKind::RateLimited,
        format!("{owner} exhausted ({limit})"),
    )
    .retry_after(retry_after)
    .details(&details)
}

/// A call is larger than the whole limit.
pub(crate) fn never(limit: &Limit, requested: u64) -> Refusal {
    let message = format!(
        "never fits: the request needs {} {}, the limit is {limit}",
        Short(requested),
        limit.meter.words(),
    );
    Refusal::new(RefusalKind::Invalid, message)
}

/// There is no plan for a call.
pub(crate) fn unplanned(reason: Unplanned) -> Refusal {
    let message = match reason {
        Unplanned::Unknown => "unknown plan",
        Unplanned::None => "no plan",
    };
    Refusal::new(RefusalKind::Forbidden, message)
}

/// The store did not answer.
pub(crate) fn unavailable(error: StoreError) -> Refusal {
    Refusal::new(RefusalKind::Unavailable, "the budget cannot be checked now").cause(error)
}

fn json_word(word: Option<&'static str>) -> String {
    word.map_or_else(|| "null".to_owned(), |word| format!("\"{word}\""))
}
