use std::fmt;
use std::sync::Arc;

/// A place where Claude runs: its name and what is known of it. An extension of requests.
///
/// Failover puts it there; the platform at the bottom of the stack sends the call to it. A
/// platform that finds none serves the call itself, as its only target. A clone is a
/// reference count.
#[derive(Clone)]
pub struct Target(Arc<Facts>);

#[derive(Clone)]
struct Facts {
    name: Box<str>,
    platform: Platform,
    residency: Option<Box<str>>,
    priority: u32,
    weight: u32,
    models: Vec<(Box<str>, Box<str>)>,
    /// What is asked here, whatever the caller asked.
    fallback: Option<Box<str>>,
}

/// Whose API a target speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Platform {
    /// Anthropic's own API, or anything that speaks it.
    #[default]
    Anthropic,
    /// Amazon Bedrock.
    Bedrock,
    /// Google Vertex AI.
    Vertex,
    /// Microsoft Foundry.
    Foundry,
}

// === impl Target ===

impl Target {
    /// A target of Anthropic's own API: priority 0, weight 1, no residency label.
    #[must_use]
    pub fn new(name: impl Into<Box<str>>) -> Self {
        Self(Arc::new(Facts {
            name: name.into(),
            platform: Platform::Anthropic,
            residency: None,
            priority: 0,
            weight: 1,
            models: Vec::new(),
            fallback: None,
        }))
    }

    /// Says whose API it speaks.
    #[must_use]
    pub fn platform(mut self, platform: Platform) -> Self {
        self.facts().platform = platform;
        self
    }

    /// Labels where it computes; compared with what a tenant allows.
    #[must_use]
    pub fn residency(mut self, label: impl Into<Box<str>>) -> Self {
        self.facts().residency = Some(label.into());
        self
    }

    /// Sets its priority; lower is asked first.
    #[must_use]
    pub fn priority(mut self, priority: u32) -> Self {
        self.facts().priority = priority;
        self
    }

    /// Sets its share among targets of equal priority.
    #[must_use]
    pub fn weight(mut self, weight: u32) -> Self {
        self.facts().weight = weight;
        self
    }

    /// Calls the model `asked` by the name `here` at this target.
    #[must_use]
    pub fn model(mut self, asked: impl Into<Box<str>>, here: impl Into<Box<str>>) -> Self {
        self.facts().models.push((asked.into(), here.into()));
        self
    }

    /// Asks this model here, whatever the caller asked: a step down that the caller is told of.
    ///
    /// Failover makes such a target of one it was given; the model goes by the target's own name
    /// for it.
    #[must_use]
    pub fn fallback(mut self, model: impl Into<Box<str>>) -> Self {
        self.facts().fallback = Some(model.into());
        self
    }

    /// Its name; unique among the targets of a stack.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Whose API it speaks.
    #[must_use]
    pub fn speaks(&self) -> Platform {
        self.0.platform
    }

    /// Where it computes, if it is labelled.
    #[must_use]
    pub fn residency_label(&self) -> Option<&str> {
        self.0.residency.as_deref()
    }

    /// Its priority; lower is asked first.
    #[must_use]
    pub fn rank(&self) -> u32 {
        self.0.priority
    }

    /// Its share among targets of equal priority.
    #[must_use]
    pub fn share(&self) -> u32 {
        self.0.weight
    }

    /// The model that is asked here instead of the caller's, by the name callers know.
    #[must_use]
    pub fn fallback_model(&self) -> Option<&str> {
        self.0.fallback.as_deref()
    }

    /// The name of a model at this target; `None` means the same name.
    ///
    /// Where another model is asked instead, its name.
    #[must_use]
    pub fn model_here(&self, asked: &str) -> Option<&str> {
        let model = self.fallback_model().unwrap_or(asked);
        let models = self.0.models.iter();
        models
            .filter(|(from, _)| **from == *model)
            .map(|(_, here)| &**here)
            .next()
            .or(self.fallback_model())
    }

    fn facts(&mut self) -> &mut Facts {
        Arc::make_mut(&mut self.0)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("name", &self.0.name)
            .field("platform", &self.0.platform)
            .finish_non_exhaustive()
    }
}

// === impl Platform ===

impl Platform {
    /// The word for it in configuration and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::Bedrock => "bedrock",
            Self::Vertex => "vertex",
            Self::Foundry => "foundry",
        }
    }
}
