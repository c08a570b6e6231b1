//! Limits that another one always hits first.

use tower_claude::token_budget::{Algorithm, Limit, LimitMode, Per};

use super::reader::Value;

/// Reports each limit that can never be the one that refuses.
pub(super) fn report(limits: &[(Limit, Value<'_>)]) {
    for (index, (limit, value)) in limits.iter().enumerate() {
        let stricter = limits.iter().enumerate().find(|(other, (stricter, _))| {
            // Of two that hide each other, the later one is too many.
            let too_many = *other < index || !hides(limit, stricter);
            *other != index && hides(stricter, limit) && too_many
        });
        if let Some((_, (stricter, place))) = stricter {
            let message = format!("{limit} is never reached: {stricter} is always spent first");
            let suggestion = format!("remove it, or the other on line {}", place.line());
            value.error::<()>(message, &suggestion);
        }
    }
}

/// Whether a call refused by `limit` is always refused by `stricter` too.
fn hides(stricter: &Limit, limit: &Limit) -> bool {
    let same = stricter.meter == limit.meter && stricter.scope == limit.scope;
    let sliding = [stricter, limit].map(|limit| limit.algorithm) == [Algorithm::Sliding; 2];
    let refuses = stricter.mode == LimitMode::Enforce || limit.mode == LimitMode::Warn;
    let most = u128::from(stricter.amount.get()).saturating_mul(windows(stricter.per, limit.per));
    same && sliding && refuses && most <= u128::from(limit.amount.get())
}

/// How often what one period allows can be spent within another.
fn windows(spent: Option<Per>, within: Option<Per>) -> u128 {
    let (Some(spent), Some(within)) = (spent, within) else {
        return 1;
    };
    let calendar = |per| matches!(per, Per::Day | Per::Month);
    if seconds(spent) <= seconds(within) {
        seconds(within) / seconds(spent)
    } else if calendar(spent) && !calendar(within) {
        // A sliding period can hold the end of one calendar period and the start of the next.
        2
    } else {
        1
    }
}

const fn seconds(per: Per) -> u128 {
    match per {
        Per::Second => 1,
        Per::Minute => 60,
        Per::Hour => 3_600,
        Per::Day => 86_400,
        // The longest one.
        _ => 31 * 86_400,
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use tower_claude::token_budget::{LimitScope, Meter};

    use super::*;

    fn requests(limit: u64, per: Per) -> Limit {
        Limit::new(Meter::Requests, NonZeroU64::new(limit).unwrap(), per)
    }

    #[test]
    fn a_short_period_hides_a_long_one_it_cannot_fill() {
        assert!(hides(
            &requests(10, Per::Minute),
            &requests(1_000, Per::Hour)
        ));
        assert!(hides(&requests(10, Per::Minute), &requests(600, Per::Hour)));
        assert!(!hides(
            &requests(10, Per::Minute),
            &requests(599, Per::Hour)
        ));
    }

    #[test]
    fn a_long_period_hides_a_short_one_that_allows_as_much() {
        assert!(hides(
            &requests(500, Per::Hour),
            &requests(500, Per::Minute)
        ));
        assert!(!hides(
            &requests(500, Per::Hour),
            &requests(499, Per::Minute)
        ));
    }

    #[test]
    fn around_midnight_a_day_can_be_spent_twice_within_an_hour() {
        assert!(!hides(&requests(500, Per::Day), &requests(999, Per::Hour)));
        assert!(hides(&requests(500, Per::Day), &requests(1_000, Per::Hour)));
        assert!(hides(&requests(500, Per::Month), &requests(500, Per::Day)));
    }

    #[test]
    fn a_warning_never_hides_a_refusal() {
        let mut warning = requests(10, Per::Minute);
        warning.mode = LimitMode::Warn;
        assert!(!hides(&warning, &requests(20, Per::Minute)));
        assert!(hides(&requests(10, Per::Minute), &warning));
    }

    #[test]
    fn what_is_counted_apart_is_apart() {
        let mut tokens = requests(1_000, Per::Hour);
        tokens.meter = Meter::Tokens;
        let mut user = requests(1_000, Per::Hour);
        user.scope = LimitScope::User;
        let mut bucket = requests(1_000, Per::Hour);
        bucket.algorithm = Algorithm::Bucket {
            burst: NonZeroU64::MIN,
        };
        for other in [tokens, user, bucket] {
            assert!(!hides(&requests(10, Per::Minute), &other));
        }
    }
}
