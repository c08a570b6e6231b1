use std::collections::BTreeMap;
use std::num::NonZeroU32;

use http::Uri;

use super::credential::Credential;
use super::network::base_url;
use super::reader::{TableReader, Value};
use super::text;

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
    pub(super) fn read(mut table: TableReader<'_>) -> Option<Self> {
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
        let models = table.or("models", models, BTreeMap::new());
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
        })
    }
}

fn models(value: &Value<'_>) -> Option<BTreeMap<String, String>> {
    let mut table = value.table("targets.models")?;
    let entries = table.take_all();
    let models =
        entries.filter_map(|(asked, used)| Some((text::key(asked, &used)?, text::name(&used)?)));
    Some(models.collect())
}
