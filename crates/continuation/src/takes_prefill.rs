use std::sync::Arc;

/// Says which models go on from the beginning of an answer.
///
/// A closure will do:
///
/// ```
/// use tower_claude_continuation::{ContinuationLayer, TakesPrefill};
///
/// let layer = ContinuationLayer::new(|model: &str| model == "my-deployment");
///
/// struct Never;
///
/// impl TakesPrefill for Never {
///     fn takes_prefill(&self, _model: &str) -> bool {
///         false
///     }
/// }
/// let layer = ContinuationLayer::new(Never);
/// ```
pub trait TakesPrefill {
    /// Whether a request to this model may end with a message of the assistant; `model` is in
    /// the caller's words.
    fn takes_prefill(&self, model: &str) -> bool;
}

/// The models of Anthropic that are known to take a prefill; of any other it says no.
///
/// Names of clouds are known too, with what stands before and after the model's own name.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct DefaultTakesPrefill;

/// Later families refuse it with a 400. Source: the guide to their migration.
const TAKE_IT: [&str; 10] = [
    "claude-3-5-haiku",
    "claude-3-7-sonnet",
    "claude-3-haiku",
    "claude-haiku-4-5",
    "claude-opus-4",
    "claude-opus-4-0",
    "claude-opus-4-1",
    "claude-opus-4-5",
    "claude-sonnet-4",
    "claude-sonnet-4-5",
];

// === impl TakesPrefill ===

impl<F> TakesPrefill for F
where
    F: Fn(&str) -> bool,
{
    fn takes_prefill(&self, model: &str) -> bool {
        self(model)
    }
}

impl<T> TakesPrefill for Arc<T>
where
    T: TakesPrefill + ?Sized,
{
    fn takes_prefill(&self, model: &str) -> bool {
        (**self).takes_prefill(model)
    }
}

// === impl DefaultTakesPrefill ===

impl DefaultTakesPrefill {
    /// The models that are known.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl TakesPrefill for DefaultTakesPrefill {
    fn takes_prefill(&self, model: &str) -> bool {
        TAKE_IT.contains(&family(model))
    }
}

/// The name of a model without what clouds put around it, and without its date.
fn family(model: &str) -> &str {
    let model = model
        .rsplit_once("anthropic.")
        .map_or(model, |(_, own)| own);
    let model = model.split_once('@').map_or(model, |(own, _)| own);
    let model = without_suffix(model, "-v", |rest| {
        rest.starts_with(|first: char| first.is_ascii_digit())
            && rest
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b':')
    });
    without_suffix(model, "-", |rest| {
        rest.len() == 8 && rest.bytes().all(|byte| byte.is_ascii_digit())
    })
}

fn without_suffix<'a>(
    model: &'a str,
    separator: &str,
    is_suffix: impl Fn(&str) -> bool,
) -> &'a str {
    match model.rsplit_once(separator) {
        Some((own, rest)) if is_suffix(rest) => own,
        _ => model,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_families_are_known_in_every_clouds_words() {
        for model in [
            "claude-sonnet-4-5",
            "claude-sonnet-4-5-20250929",
            "claude-sonnet-4-20250514",
            "claude-opus-4-5@20251101",
            "anthropic.claude-haiku-4-5-20251001-v1:0",
            "us.anthropic.claude-3-haiku-20240307-v1:0",
            "claude-3-5-haiku-20241022",
        ] {
            assert!(DefaultTakesPrefill.takes_prefill(model), "{model}");
        }
    }

    #[test]
    fn all_others_are_not_asked_to() {
        for model in [
            "claude-opus-4-6",
            "claude-sonnet-4-6",
            "anthropic.claude-opus-4-6-v1",
            "claude-opus-5-5",
            "claude-haiku-5-5",
            "claude-opus-4-50",
            "my-claude-sonnet-4-5",
            "my-deployment",
            "claude-sonnet-4-5-2025",
            "",
        ] {
            assert!(!DefaultTakesPrefill.takes_prefill(model), "{model}");
        }
    }
}
