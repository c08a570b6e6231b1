use std::fmt;

/// A model the fake lists.
pub(crate) struct Model {
    pub(crate) id: &'static str,
    name: &'static str,
    line: &'static str,
    created: &'static str,
    max_input_tokens: u64,
    max_tokens: u64,
}

pub(crate) const MODELS: &[Model] = &[
    Model::new(
        "claude-fable-5-2",
        "Claude Fable 5.2",
        "fable",
        "2026-11-09",
    ),
    Model::new(
        "claude-haiku-5-5",
        "Claude Haiku 5.5",
        "haiku",
        "2026-10-07",
    ),
    Model::new(
        "claude-sonnet-5-5",
        "Claude Sonnet 5.5",
        "sonnet",
        "2026-09-28",
    ),
    Model::new("claude-opus-5-5", "Claude Opus 5.5", "opus", "2026-09-22"),
];

/// The list as `GET /v1/models` answers it.
pub(crate) fn list() -> String {
    let models: Vec<String> = MODELS.iter().map(Model::to_string).collect();
    let (first, last) = (MODELS[0].id, MODELS[MODELS.len() - 1].id);
    format!(
        r#"{{"data":[{}],"has_more":false,"first_id":"{first}","last_id":"{last}"}}"#,
        models.join(","),
    )
}

// === impl Model ===

impl Model {
    const fn new(
        id: &'static str,
        name: &'static str,
        line: &'static str,
        created: &'static str,
    ) -> Self {
        Self {
            id,
            name,
            line,
            created,
            max_input_tokens: 1_000_000,
            max_tokens: 128_000,
        }
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            r#"{{"type":"model","id":"{}","display_name":"{}","created_at":"{}T00:00:00Z","max_input_tokens":{},"max_tokens":{},"lifecycle":"active","deprecated_at":null,"retires_at":null,"line":"{}"}}"#,
            self.id, self.name, self.created, self.max_input_tokens, self.max_tokens, self.line,
        )
    }
}
