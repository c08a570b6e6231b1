//! The layers that ask again, ask elsewhere, and keep the caller company meanwhile.

use std::time::Duration;

use tower_claude::core::{Intake, Target};
use tower_claude::failover::{Breaker, Hedge, ModelFallbacks, Waiting};
use tower_claude::{ContinuationLayer, FailoverLayer, HeartbeatLayer, RetryLayer};

use crate::StartError;
use crate::config::{self, Config};

/// How long the beginning of a stream is held back while its caller is not left in silence.
///
/// Longer than the layers' own: with pings on the way, nobody is hurt by a model that thinks for
/// long before its first content, and all that time a second attempt can still take over.
const GATE_TIME: Duration = Duration::from_secs(60);

/// Asks another target.
pub(crate) fn failover(
    config: &Config,
    targets: impl Iterator<Item = Target>,
    intake: &Intake,
) -> Result<FailoverLayer, StartError> {
    let settings = &config.failover;
    let mut layer = FailoverLayer::new(targets)
        .map_err(StartError::new)?
        .breaker(breaker(&settings.breaker))
        .possibly_billed(config.retry.retry_possibly_billed)
        .model_fallbacks(fallbacks(&settings.fallbacks)?)
        .intake(intake.clone());
    if let Some(wait) = settings.wait {
        let waiting = Waiting::new().most(wait.calls).longest(wait.longest);
        layer = layer.waiting(waiting.stay(wait.stay));
    }
    if let Some(hedge) = settings.hedge {
        let quantile = u16::from(hedge.percentile.get()).saturating_mul(10);
        let hedged = Hedge::new().quantile(quantile).at_least(hedge.at_least);
        layer = layer.hedge(hedged.budget(hedge.budget_percent.get()));
    }
    if !config.retry.hold_head {
        layer = layer.gate_time(GATE_TIME);
    }
    Ok(layer)
}

/// Asks the same target again.
pub(crate) fn retry(settings: &config::Retry, intake: &Intake) -> RetryLayer {
    let layer = RetryLayer::default()
        .attempts(settings.attempts)
        .base(settings.base)
        .max_delay(settings.max_delay)
        .total_timeout(settings.total_timeout)
        .possibly_billed(settings.retry_possibly_billed)
        .intake(intake.clone());
    match settings.hold_head {
        true => layer,
        false => layer.gate_time(GATE_TIME),
    }
}

/// Sends the head of a stream at once, if it is not held back.
///
/// It has no deadline of its own: the HTTP client's and the retries' end a call that has no
/// answer, and an answer that flows is ended by nobody but its idle timeout.
pub(crate) fn heartbeat(settings: &config::Retry, intake: &Intake) -> Option<HeartbeatLayer> {
    let layer = || HeartbeatLayer::new().after(Duration::ZERO);
    (!settings.hold_head).then(|| layer().intake(intake.clone()))
}

/// Goes on with texts that break off, if that is asked for.
pub(crate) fn continuation(
    settings: &config::Failover,
    intake: &Intake,
) -> Option<ContinuationLayer> {
    let layer = ContinuationLayer::default;
    let wanted = settings.continue_text;
    wanted.then(|| layer().intake(intake.clone()))
}

fn breaker(settings: &config::Breaker) -> Breaker {
    Breaker::new()
        .failures(settings.failures)
        .window(settings.window)
        .open(settings.open)
}

fn fallbacks(settings: &[config::Fallback]) -> Result<ModelFallbacks, StartError> {
    let none = ModelFallbacks::new();
    settings.iter().try_fold(none, |all, fallback| {
        let models = fallback.models.iter().map(String::as_str);
        all.of(&fallback.asked, models).map_err(StartError::new)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Surroundings;

    /// The failover, the retries, and whether there are pings.
    fn layers(more: &str) -> (String, String, bool) {
        let text = format!(
            "[[targets]]\nname = \"a\"\ncredential = {{ env = \"K\" }}\n[plans.a]\n\
             [[tenants]]\nid = \"a\"\nplan = \"a\"\n{more}"
        );
        let surroundings =
            Surroundings::default().variables(|_| Some("integration-key".to_owned()));
        let loaded = Config::parse_in(&text, "gateway.toml", &surroundings).unwrap();
        let (config, intake) = (loaded.config, Intake::new());
        let targets = [Target::new("a")].into_iter();
        let failover = failover(&config, targets, &intake).unwrap();
        let retry = retry(&config.retry, &intake);
        let beats = heartbeat(&config.retry, &intake).is_some();
        (format!("{failover:?}"), format!("{retry:?}"), beats)
    }

    #[test]
    fn a_stream_is_held_back_for_longer_where_its_caller_sees_life() {
        for (more, gate, pings) in [
            ("", "gate_time: 10s", false),
            ("[retry]\nhold_head = false\n", "gate_time: 60s", true),
        ] {
            let (failover, retry, beats) = layers(more);
            assert!(retry.contains(gate), "{retry}");
            assert!(failover.contains(gate), "{failover}");
            assert_eq!(beats, pings);
        }
    }
}
