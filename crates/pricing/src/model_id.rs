/// A model id of any platform, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ModelId<'a> {
    /// The id as the price table names it.
    pub(crate) name: &'a str,
    /// Where the prefix of the id says that inference runs.
    pub(crate) scope: Option<Scope>,
}

/// What the prefix of an Amazon Bedrock id says about the place of inference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Global,
    Regional,
    UsGov,
}

const SCOPES: [(&str, Scope); 7] = [
    ("global.", Scope::Global),
    ("us.", Scope::Regional),
    ("eu.", Scope::Regional),
    ("jp.", Scope::Regional),
    ("apac.", Scope::Regional),
    ("au.", Scope::Regional),
    ("us-gov.", Scope::UsGov),
];

/// The name that prices go by, for a model id of any platform.
///
/// Strips what platforms add: a region prefix, `anthropic.`, `@…`, a version and a date. An
/// inference profile's ARN or a deployment's name tells nothing about its model and stays.
///
/// ```
/// use tower_claude_pricing::model_name;
///
/// assert_eq!(model_name("us.anthropic.claude-opus-4-5-20251101-v1:0"), "claude-opus-4-5");
/// assert_eq!(model_name("claude-haiku-4-5@20251001"), "claude-haiku-4-5");
/// assert_eq!(model_name("claude-opus-5-5"), "claude-opus-5-5");
/// ```
#[must_use]
pub fn model_name(id: &str) -> &str {
    ModelId::parse(id).name
}

// === impl ModelId ===

impl<'a> ModelId<'a> {
    pub(crate) fn parse(id: &'a str) -> Self {
        let (name, scope) = strip_scope(id);
        let name = name.strip_prefix("anthropic.").unwrap_or(name);
        let at = name.bytes().position(|byte| byte == b'@');
        let name = at.map_or(name, |at| &name[..at]);
        let name = strip_version(name).unwrap_or(name);
        let name = strip_date(name).unwrap_or(name);
        Self { name, scope }
    }
}

// === impl Scope ===

impl Scope {
    /// Where the prefix of an id says that inference runs.
    pub(crate) fn of(id: &str) -> Option<Self> {
        strip_scope(id).1
    }
}

fn strip_scope(id: &str) -> (&str, Option<Scope>) {
    // No prefix begins like `claude`, and nearly all ids do.
    if id.starts_with('c') {
        return (id, None);
    }
    let scoped = SCOPES.iter().find_map(|(prefix, scope)| {
        let name = id.strip_prefix(prefix)?;
        Some((name, Some(*scope)))
    });
    scoped.unwrap_or((id, None))
}

/// Strips `-v1` or `-v1:0`.
fn strip_version(name: &str) -> Option<&str> {
    // From the end: an id is read at every call, and few have a version.
    let mut rest = strip_number(name.as_bytes())?;
    if let Some(major) = rest.strip_suffix(b":") {
        rest = strip_number(major)?;
    }
    let rest = rest.strip_suffix(b"-v")?;
    Some(&name[..rest.len()])
}

/// Strips `-20` and six more digits.
fn strip_date(name: &str) -> Option<&str> {
    let (rest, date) = name.as_bytes().split_last_chunk::<8>()?;
    let rest = rest.strip_suffix(b"-")?;
    let is_date = date.starts_with(b"20") && date.iter().all(u8::is_ascii_digit);
    is_date.then(|| &name[..rest.len()])
}

/// Strips the digits at the end, of which there is at least one.
fn strip_number(text: &[u8]) -> Option<&[u8]> {
    let last = text.iter().rposition(|byte| !byte.is_ascii_digit());
    let rest = &text[..last.map_or(0, |last| last + 1)];
    (rest.len() < text.len()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the name is, said as simply as can be.
    fn plain_name(id: &str) -> &str {
        let prefix = SCOPES.iter().find(|(prefix, _)| id.starts_with(prefix));
        let name = prefix.map_or(id, |(prefix, _)| &id[prefix.len()..]);
        let name = name.strip_prefix("anthropic.").unwrap_or(name);
        let name = name.split_once('@').map_or(name, |(name, _)| name);
        let name = match name.rsplit_once("-v") {
            Some((rest, version)) if version.split(':').count() <= 2 => {
                let is_version = version.split(':').all(is_number);
                if is_version { rest } else { name }
            }
            _ => name,
        };
        match name.rsplit_once('-') {
            Some((rest, date)) if date.len() == 8 && date.starts_with("20") && is_number(date) => {
                rest
            }
            _ => name,
        }
    }

    fn is_number(text: &str) -> bool {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
    }

    proptest! {
        #[test]
        fn any_id_has_the_name_that_the_rules_say(
            id in "(us-gov\\.|us\\.|global\\.)?(anthropic\\.)?(claude-opus)?[-v:@.é0-9]{0,6}(-20[0-9]{5,7})?(-v)?[0-9:v]{0,4}"
        ) {
            prop_assert_eq!(model_name(&id), plain_name(&id));
        }
    }

    #[test]
    fn strips_what_platforms_add() {
        for (id, name, scope) in [
            ("claude-opus-5-5", "claude-opus-5-5", None),
            ("claude-opus-4-5-20251101", "claude-opus-4-5", None),
            (
                "anthropic.claude-sonnet-4-5-20250929-v1:0",
                "claude-sonnet-4-5",
                None,
            ),
            ("anthropic.claude-opus-4-6-v1", "claude-opus-4-6", None),
            ("anthropic.claude-sonnet-4-6", "claude-sonnet-4-6", None),
            ("claude-sonnet-4-5@20250929", "claude-sonnet-4-5", None),
            ("claude-opus-5@default", "claude-opus-5", None),
            ("claude-3-haiku-20240307", "claude-3-haiku", None),
            (
                "global.anthropic.claude-opus-5-5",
                "claude-opus-5-5",
                Some(Scope::Global),
            ),
            (
                "us.anthropic.claude-opus-4-6-v1",
                "claude-opus-4-6",
                Some(Scope::Regional),
            ),
            (
                "eu.anthropic.claude-opus-5",
                "claude-opus-5",
                Some(Scope::Regional),
            ),
            (
                "jp.anthropic.claude-opus-5",
                "claude-opus-5",
                Some(Scope::Regional),
            ),
            (
                "apac.anthropic.claude-opus-5",
                "claude-opus-5",
                Some(Scope::Regional),
            ),
            (
                "au.anthropic.claude-opus-5",
                "claude-opus-5",
                Some(Scope::Regional),
            ),
            (
                "us-gov.anthropic.claude-opus-5",
                "claude-opus-5",
                Some(Scope::UsGov),
            ),
        ] {
            assert_eq!(ModelId::parse(id), ModelId { name, scope }, "{id}");
        }
    }

    #[test]
    fn leaves_alone_what_it_does_not_know() {
        for id in [
            "",
            "my-deployment",
            "claude-opus-5-5-fast",
            "claude-opus-5-v",
            "claude-opus-5-v1:",
            "claude-opus-5-19991231",
            "claude-opus-5-2025110",
            "mars.anthropic.claude-opus-5",
            "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc",
            "é-20251101é",
        ] {
            assert_eq!(
                ModelId::parse(id),
                ModelId {
                    name: id,
                    scope: None
                },
                "{id}"
            );
        }
    }
}
