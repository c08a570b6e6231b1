use std::fmt;
use std::sync::Arc;

use crate::{Capabilities, Capability};

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
    /// What it offers and its platform does not, and the other way round.
    added: Capabilities,
    withheld: Capabilities,
    window: Option<u64>,
    betas: Option<Vec<Box<str>>>,
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
            added: Capabilities::new(),
            withheld: Capabilities::new(),
            window: None,
            betas: None,
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

    /// Says that it offers something its platform usually does not.
    #[must_use]
    pub fn with(mut self, capability: Capability) -> Self {
        let facts = self.facts();
        facts.added = facts.added.with(capability);
        facts.withheld = facts.withheld.without(capability);
        self
    }

    /// Says that it does not offer something its platform usually does.
    #[must_use]
    pub fn without(mut self, capability: Capability) -> Self {
        let facts = self.facts();
        facts.added = facts.added.without(capability);
        facts.withheld = facts.withheld.with(capability);
        self
    }

    /// Sets the most tokens of input and output that a call here may have together.
    #[must_use]
    pub fn context_window(mut self, tokens: u64) -> Self {
        self.facts().window = Some(tokens);
        self
    }

    /// Lists the betas it takes, by their whole names, in place of what is usual.
    #[must_use]
    pub fn betas<B>(mut self, names: impl IntoIterator<Item = B>) -> Self
    where
        B: Into<Box<str>>,
    {
        self.facts().betas = Some(names.into_iter().map(Into::into).collect());
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
        let mut models = self.0.models.iter();
        let listed = models.find(|(from, _)| **from == *model);
        listed.map(|(_, here)| &**here).or(self.fallback_model())
    }

    /// What it offers: what its [`Platform`] does, and what was said of it.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        let offered = self.0.platform.capabilities().union(self.0.added);
        offered.difference(self.0.withheld)
    }

    /// Whether it offers something that a call may need.
    #[must_use]
    pub fn offers(&self, capability: Capability) -> bool {
        self.capabilities().contains(capability)
    }

    /// The most tokens of input and output that a call here may have together, if that is known.
    #[must_use]
    pub fn window(&self) -> Option<u64> {
        self.0.window
    }

    /// Whether it takes a beta: one name out of `anthropic-beta`.
    ///
    /// Where nothing was said, it takes all but those that go with something it does not offer.
    #[must_use]
    pub fn takes_beta(&self, name: &str) -> bool {
        let name = name.trim();
        match &self.0.betas {
            Some(betas) => betas.iter().any(|beta| **beta == *name),
            None => Capability::of_beta(name).is_none_or(|capability| self.offers(capability)),
        }
    }

    /// The only betas it takes, if they are listed.
    #[must_use]
    pub fn listed_betas(&self) -> Option<&[Box<str>]> {
        self.0.betas.as_deref()
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

    /// What it usually offers of that in which platforms differ.
    ///
    /// | | offers |
    /// |---|---|
    /// | [`Anthropic`](Self::Anthropic) | all |
    /// | [`Bedrock`](Self::Bedrock) | searching tools, structured outputs |
    /// | [`Vertex`](Self::Vertex) | the same, and web search, fast mode, service tiers, caching at the top level |
    /// | [`Foundry`](Self::Foundry) | all but batches, models, threads, advisor, `inference_geo` and fallbacks |
    ///
    /// Sources: the features overview of Anthropic's documentation and its pages on the
    /// platforms; for Bedrock, the page on `InvokeModel`. What is offered may differ by region,
    /// model and agreement, and on Foundry by who hosts the deployment: those hosted on Azure
    /// have no files, containers, skills, MCP servers, tools of the server or structured
    /// outputs. Say so with [`Target::with`] and [`Target::without`].
    #[must_use]
    pub const fn capabilities(self) -> Capabilities {
        match self {
            Self::Anthropic => Capabilities::all(),
            Self::Bedrock => Capabilities::new()
                .with(Capability::ToolSearch)
                .with(Capability::StructuredOutputs),
            Self::Vertex => Self::Bedrock
                .capabilities()
                .with(Capability::WebSearch)
                .with(Capability::FastMode)
                .with(Capability::ServiceTier)
                .with(Capability::TopLevelCaching),
            Self::Foundry => Capabilities::all()
                .without(Capability::Batches)
                .without(Capability::Models)
                .without(Capability::Threads)
                .without(Capability::Advisor)
                .without(Capability::InferenceGeo)
                .without(Capability::Fallbacks),
        }
    }
}
