use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroU64};

use http::Uri;
use tower_claude::core::Capability;

use super::credential::Credential;
use super::network::base_url;
use super::reader::{TableReader, Value};
use super::text::{self, quoted};

/// `[[targets]]`: one place where Claude can be called.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Target {
    /// Its name in headers, records and metrics.
    pub name: String,
    /// What it speaks.
    pub platform: Platform,
    /// What paths are appended to.
    pub base_url: Uri,
    /// What we show it, as `x-api-key`.
    pub credential: Credential,
    /// Its turn; lower is first.
    pub priority: u32,
    /// Its share among equals.
    pub weight: NonZeroU32,
    /// A free label; without one it serves only tenants without a list.
    pub residency: Option<String>,
    /// Model names used there, by the name asked for; absent is the same.
    pub models: BTreeMap<String, String>,
    /// What it offers and its platform usually does not.
    pub with: Vec<Capability>,
    /// What it does not offer and its platform usually does.
    pub without: Vec<Capability>,
    /// The most tokens of input and output together, if that is known.
    pub context_window: Option<NonZeroU64>,
    /// The betas it takes; absent is what is usual.
    pub betas: Option<Vec<String>>,
}

/// What a target speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Platform {
    /// Anthropic's own API, or what behaves like it.
    #[default]
    Anthropic,
}

const PLATFORMS: &[(&str, Platform)] = &[("anthropic", Platform::Anthropic)];

// === impl Target ===

impl Target {
    /// `known` says whether callers can ask for a model by this name; if not, it reports the value.
    pub(super) fn read(
        mut table: TableReader<'_>,
        known: impl Fn(&str, &Value<'_>) -> Option<()>,
    ) -> Option<Self> {
        let name = table.required("name", |value| {
            let name = text::header_safe(value)?;
            value.once("target name", name.clone());
            Some(name)
        });
        let platform = |value: &Value<'_>| value.choice(PLATFORMS);
        let platform = table.or("platform", platform, Platform::default());
        let anthropic = Uri::from_static("https://api.anthropic.com");
        let base_url = table.or("base_url", base_url, anthropic);
        let credential = table.required("credential", Credential::read);
        let priority = table.or("priority", Value::integer, 0);
        let weight = table.or("weight", Value::positive, NonZeroU32::MIN);
        let residency = table.optional("residency", text::name);
        let models = table.or("models", |value| models(value, known), BTreeMap::new());
        let with = table.or("with", capabilities, Vec::new());
        let without = table.or(
            "without",
            |value| {
                let without = capabilities(value)?;
                match without.iter().find(|item| with.contains(item)) {
                    Some(both) => {
                        let message = format!("{} is in `with` too", quoted(both.as_str()));
                        value.error(message, "leave it out of one of them")
                    }
                    None => Some(without),
                }
            },
            Vec::new(),
        );
        let context_window = table.optional("context_window", Value::positive);
        let betas = table.optional("betas", betas);
        table.finish();
        Some(Self {
            name: name?,
            platform,
            base_url,
            credential: credential?,
            priority,
            weight,
            residency,
            models,
            with,
            without,
            context_window,
            betas,
        })
    }
}

fn models(
    value: &Value<'_>,
    known: impl Fn(&str, &Value<'_>) -> Option<()>,
) -> Option<BTreeMap<String, String>> {
    let mut table = value.table("targets.models")?;
    let entries = table.take_all();
    let models = entries.filter_map(|(asked, used)| {
        let asked = text::key(asked, &used)?;
        known(&asked, &used)?;
        Some((asked, text::name(&used)?))
    });
    Some(models.collect())
}

fn capabilities(value: &Value<'_>) -> Option<Vec<Capability>> {
    let all = Capability::ALL.iter();
    let words: Vec<_> = all.map(|item| (item.as_str(), *item)).collect();
    let items = value.list()?;
    Some(
        items
            .iter()
            .filter_map(|item| item.choice(&words))
            .collect(),
    )
}

fn betas(value: &Value<'_>) -> Option<Vec<String>> {
    let items = value.list()?;
    let read = |item: &Value<'_>| {
        let name = text::header_safe(item)?;
        if name.contains(',') {
            let message = format!("`{}` {} is more than one name", item.name(), quoted(&name));
            return item.error(message, "write each name by itself");
        }
        Some(name)
    };
    Some(items.iter().filter_map(read).collect())
}
