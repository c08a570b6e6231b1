use std::sync::OnceLock;

use bytes::Bytes;
use http::{HeaderMap, Method, Uri, request};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

/// One request as the fake received it.
#[derive(Clone, Debug)]
pub struct Asked {
    call: u64,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
    facts: OnceLock<Option<Facts>>,
}

/// What the body says, read on first use; `messages` is only looked for.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Facts {
    pub(crate) model: Option<String>,
    pub(crate) max_tokens: Option<u64>,
    pub(crate) stream: Option<bool>,
    pub(crate) messages: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Conversation {
    messages: Vec<Turn>,
}

#[derive(Deserialize)]
struct Turn {
    role: String,
    content: Content,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Blocks(Vec<Block>),
}

#[derive(Deserialize)]
struct Block {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
}

// === impl Asked ===

impl Asked {
    pub(crate) fn new(call: u64, parts: request::Parts, body: Bytes) -> Self {
        Self {
            call,
            method: parts.method,
            uri: parts.uri,
            headers: parts.headers,
            body,
            facts: OnceLock::new(),
        }
    }

    /// Which call of this fake it is, from 1.
    #[must_use]
    pub const fn call(&self) -> u64 {
        self.call
    }

    /// The request method.
    #[must_use]
    pub const fn method(&self) -> &Method {
        &self.method
    }

    /// The request target.
    #[must_use]
    pub const fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The request headers.
    #[must_use]
    pub const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The first value of a header, if it is readable text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The whole request body.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// The path of the request target, without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.uri.path()
    }

    /// The body read as JSON into any type, `serde_json::Value` included.
    #[must_use]
    pub fn json<T>(&self) -> Option<T>
    where
        T: DeserializeOwned,
    {
        serde_json::from_slice(&self.body).ok()
    }

    /// The `model` the body names.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.facts()?.model.as_deref()
    }

    /// The `max_tokens` the body allows.
    #[must_use]
    pub fn max_tokens(&self) -> Option<u64> {
        self.facts()?.max_tokens
    }

    /// Whether the body asks for a stream.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        self.facts().and_then(|facts| facts.stream) == Some(true)
    }

    /// The last piece of text in the last message of the user.
    #[must_use]
    pub fn last_user_text(&self) -> Option<String> {
        let conversation: Conversation = self.json()?;
        let turn = conversation
            .messages
            .into_iter()
            .rfind(|turn| turn.role == "user")?;
        match turn.content {
            Content::Text(text) => Some(text),
            Content::Blocks(blocks) => blocks.into_iter().rfind(|block| block.kind == "text")?.text,
        }
    }

    /// None when the body is not a JSON object, or one with fields of the wrong type.
    pub(crate) fn facts(&self) -> Option<&Facts> {
        self.facts
            .get_or_init(|| {
                // A derived struct also reads a JSON array, field by field.
                let is_object = self.body.trim_ascii_start().first() == Some(&b'{');
                is_object.then(|| self.json()).flatten()
            })
            .as_ref()
    }
}
