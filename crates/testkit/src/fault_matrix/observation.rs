use std::fmt::Write as _;
use std::time::Duration;

use super::{Booking, CallerView, FaultBill, FaultCase, FaultSpread, FaultTargets};
use crate::ReportedUsage;

/// What came of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Observation {
    /// The targets as they were asked, in order.
    pub asked: Vec<&'static str>,
    /// How long it took, by the paused clock.
    pub took: Duration,
    /// What the caller saw.
    pub caller: CallerView,
    /// What the books say.
    pub booking: Booking,
    /// The usage that upstream has reported to the end, over all attempts.
    pub told: ReportedUsage,
    /// Whether that is all that was billed.
    pub is_told: bool,
}

// === impl Observation ===

impl Observation {
    pub(crate) fn new(
        case: &FaultCase,
        targets: &FaultTargets,
        took: Duration,
        caller: CallerView,
        booking: Booking,
    ) -> Self {
        let first = targets.first().truth();
        let second = targets.second().truth();
        let asked = targets.asked();
        // What went wrong, went wrong before all else at the same target.
        let spoilt = match case.spread() {
            FaultSpread::Once => asked.len().min(1),
            FaultSpread::All => asked.len(),
            _ => asked
                .iter()
                .filter(|&&name| name == FaultTargets::FIRST)
                .count(),
        };
        Self {
            told: first.totals().plus(second.totals()),
            is_told: spoilt == 0 || case.bill() != FaultBill::Untold,
            asked,
            took,
            caller,
            booking,
        }
    }

    /// What is wrong with it by the rules for all stacks: at most `most` attempts, none after
    /// content, one record, books that agree, and nothing unknown that is taken for nothing.
    #[must_use]
    pub fn problems(&self, case: &FaultCase, most: usize) -> Vec<String> {
        let booking = &self.booking;
        let mut problems = Vec::new();
        let mut rule = |holds: bool, problem: &str| {
            if !holds {
                problems.push(problem.to_owned());
            }
        };
        rule(self.asked.len() <= most, "too many attempts");
        rule(
            !case.phase().has_content() || self.asked.len() == 1,
            "an attempt after content",
        );
        rule(
            self.caller.error_types.len() <= 1,
            "the caller gets more than one error",
        );
        rule(booking.records == 1, "not exactly one record");
        rule(
            booking.attempts == self.asked.len(),
            "the record has not all attempts",
        );
        rule(
            booking.target.as_deref() == self.asked.last().copied(),
            "the record names another target than the last",
        );
        rule(!booking.is_held, "the budget still holds something");
        rule(
            booking.cost.is_none_or(|cost| cost == booking.charged_cost),
            "the ledger and the budget disagree on the cost",
        );
        let input = self.told.input_tokens + self.told.cache_creation();
        let output = self.told.output_tokens;
        if self.is_told {
            rule(
                (booking.charged_input, booking.charged_output) == (input, output),
                "charged is not what was billed",
            );
            rule(booking.cost.is_some(), "a known cost is not in the ledger");
        } else {
            let charged = booking.charged_input + booking.charged_output;
            rule(charged > input + output, "the unknown is charged nothing");
            rule(
                booking.charged_input >= input && booking.charged_output >= output,
                "less is charged than was told",
            );
        }
        problems
    }

    /// Its cells of the table, from what was asked to what became of the first target.
    pub(crate) fn cells(&self) -> Vec<String> {
        let Booking {
            outcome,
            usage_source,
            error_type,
            ..
        } = &self.booking;
        let mut ledger = format!("{outcome}, {usage_source}");
        if let Some(error_type) = error_type {
            let _ = write!(ledger, ", `{error_type}`");
        }
        let booking = &self.booking;
        let charged = format!(
            "{} {}, {} + {} tokens, {}",
            booking.charged_requests,
            if booking.charged_requests == 1 {
                "call"
            } else {
                "calls"
            },
            booking.charged_input,
            booking.charged_output,
            dollars(booking.charged_cost)
        );
        vec![
            runs(&self.asked),
            seconds(self.took),
            self.caller.to_string(),
            ledger,
            booking.cost.map_or_else(|| "unknown".to_owned(), dollars),
            charged,
            booking.first_target.clone(),
        ]
    }
}

/// The names in order, repeated ones counted.
fn runs(names: &[&str]) -> String {
    let runs: Vec<String> = names
        .chunk_by(|one, next| one == next)
        .map(|run| match run {
            [name] => (*name).to_owned(),
            _ => format!("{} × {}", run[0], run.len()),
        })
        .collect();
    if runs.is_empty() {
        "none".to_owned()
    } else {
        runs.join(", ")
    }
}

/// To the tenth; the paused clock adds a millisecond here and there.
fn seconds(time: Duration) -> String {
    let tenths = (time.as_millis() + 50) / 100;
    match (tenths / 10, tenths % 10) {
        (seconds, 0) => format!("{seconds} s"),
        (seconds, tenths) => format!("{seconds}.{tenths} s"),
    }
}

/// All digits there are, and two at least.
fn dollars(pico: u128) -> String {
    const DOLLAR: u128 = 1_000_000_000_000;
    let fraction = format!("{:012}", pico % DOLLAR);
    let kept = fraction.trim_end_matches('0').len().max(2);
    format!("${}.{}", pico / DOLLAR, &fraction[..kept])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_numbers_as_people_read_them() {
        assert_eq!(dollars(0), "$0.00");
        assert_eq!(dollars(2_500_000_000_000), "$2.50");
        assert_eq!(dollars(1_000), "$0.000000001");
        assert_eq!(seconds(Duration::from_millis(1_501)), "1.5 s");
        assert_eq!(seconds(Duration::from_millis(1)), "0 s");
        assert_eq!(runs(&["a", "a", "b"]), "a × 2, b");
        assert_eq!(runs(&[]), "none");
    }
}
