//! The refusals of this layer, in the words callers read.

use std::time::Duration;

use tower_claude_core::{Refusal, RefusalKind, Timestamp};

use crate::limit::{Dollars, Short};
use crate::plans::Unplanned;
use crate::rate_headers::resets_at;
use crate::{Algorithm, Limit, LimitScope, Meter, Owner, Per, StoreError};

/// Whoever has to wait longer is told not to: clients wait a minute at most.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The store is looked for several times in that.
const WAIT_FOR_STORE: Duration = Duration::from_secs(1);

/// A limit is spent for now.
pub(crate) fn exhausted(
    owner: &Owner,
    limit: &Limit,
    retry_after: Duration,
    resets_in: Duration,
) -> Refusal {
    let resets_at = resets_at(limit.per, Timestamp::now(), resets_in);
    let amount = match limit.meter {
        Meter::Usd => decimal(limit.amount.get()),
        _ => limit.amount.to_string(),
    };
    let details = format!(
        r#"{{"scope":"{}","meter":"{}","limit":{amount},"per":{},"resets_at":"{resets_at}"}}"#,
        limit.scope.as_str(),
        limit.meter.as_str(),
        json_word(limit.per.map(Per::as_str)),
    );
    let whose = match limit.scope {
        LimitScope::Tenant => "",
        LimitScope::User => " for a user",
        LimitScope::Feature => " for a feature",
        LimitScope::Model => " for a model",
        LimitScope::Account => " for all tenants together",
    };
    let mut message = format!("{owner} exhausted ({limit}{whose})");
    let is_of_calendar = matches!(limit.per, Some(Per::Day | Per::Month));
    if is_of_calendar {
        message.push_str(&format!(", resets {resets_at}"));
    }
    let refusal = Refusal::new(RefusalKind::RateLimited, message).details(&details);
    if is_of_calendar {
        // Nobody waits so long within a call.
        refusal.should_retry(false)
    } else if retry_after > LONGEST_WAIT {
        refusal.retry_after(retry_after).should_retry(false)
    } else {
        refusal.retry_after(retry_after)
    }
}

/// A call is larger than the whole limit.
pub(crate) fn never(limit: &Limit, requested: u64) -> Refusal {
    let needed = match limit.meter {
        Meter::Usd => Dollars(requested).to_string(),
        meter => format!("{} {}", Short(requested), meter.words()),
    };
    let burst = match limit.algorithm {
        Algorithm::Bucket { burst } if limit.meter == Meter::Usd => {
            format!(", at most {} at once", Dollars(burst.get()))
        }
        Algorithm::Bucket { burst } => format!(", at most {} at once", Short(burst.get())),
        Algorithm::Sliding => String::new(),
    };
    let message = format!("never fits: the request needs {needed}, the limit is {limit}{burst}");
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
    Refusal::new(RefusalKind::Unavailable, "the budget cannot be checked now")
        .retry_after(WAIT_FOR_STORE)
        .cause(error)
}

/// The model of a call has no price, and its money is limited.
pub(crate) fn unpriced(owner: &Owner, model: &str) -> Refusal {
    let message = format!("{owner} has a limit in dollars, and model {model} has no price");
    Refusal::new(RefusalKind::Forbidden, message)
}

/// Nano-dollars as a number of dollars: `50`, `0.5`.
fn decimal(nanos: u64) -> String {
    let text = Dollars(nanos).to_string();
    let number = text.trim_start_matches('$');
    match number.split_once('.') {
        Some(_) => number
            .trim_end_matches('0')
            .trim_end_matches('.')
            .to_owned(),
        None => number.to_owned(),
    }
}

fn json_word(word: Option<&'static str>) -> String {
    word.map_or_else(|| "null".to_owned(), |word| format!("\"{word}\""))
}
