//! What a call needs of the place where it is served, from the bytes of its body.
//!
//! Members of the body's top level are met anyway when the facts are read. What is deeper is
//! searched for, as bytes: a quoted word is a string of the JSON and no part of another, in
//! which its quotes would be escaped. A word that is itself spelt in escapes is not found.

use std::sync::LazyLock;

use memchr::memmem::{self, Finder};

use crate::json_cursor::JsonCursor;
use crate::{Capabilities, Capability, Endpoint};

/// What is asked of the place where a call is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    pub(crate) capabilities: Capabilities,
    /// Whether it refers to something that exists in one account only.
    pub(crate) is_bound: bool,
}

/// Tools with a date in their type that the caller runs, and every platform knows.
const OF_THE_CALLER: [&[u8]; 4] = [b"bash", b"computer", b"memory", b"text_editor"];

const FILE: &[u8] = b"\"file_id\"";
const PREVIOUS: &[u8] = b"previous_message_id";
const TOOL_SEARCH: &[u8] = b"tool_search_tool_";

/// What is looked for in every prompt. Made once: it takes longer than to go through a short one.
static DATES: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("_20"));
static TOOL_SEARCHES: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(TOOL_SEARCH));
static TOOL_USES: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("_tool_use\""));
static THINKING: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("thinking\""));
static FILES: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(FILE));

/// How long the beginning of a type is at most.
const LONGEST: usize = 64;

// === impl Needs ===

impl Needs {
    /// Takes in a member of the body's top level.
    pub(crate) fn member(&mut self, key: &[u8], value: &[u8]) {
        if value == b"null" {
            return;
        }
        match key {
            b"cache_control" => self.needs(Capability::TopLevelCaching),
            b"container" => self.container(value),
            b"diagnostics" => self.is_bound |= has_field(value, PREVIOUS),
            b"fallback_credit_token" => {
                self.needs(Capability::Fallbacks);
                self.is_bound = true;
            }
            b"fallbacks" if !is_empty_list(value) => self.needs(Capability::Fallbacks),
            b"inference_geo" => self.needs(Capability::InferenceGeo),
            b"mcp_servers" if !is_empty_list(value) => self.needs(Capability::McpServers),
            b"output_format" => self.needs(Capability::StructuredOutputs),
            b"output_config" if has_field(value, b"format") => {
                self.needs(Capability::StructuredOutputs);
            }
            b"service_tier" => self.needs(Capability::ServiceTier),
            b"speed" if value == br#""fast""# => self.needs(Capability::FastMode),
            b"thread" => self.thread(value),
            PREVIOUS | b"user_profile_id" => self.is_bound = true,
            _ => {}
        }
    }

    /// Takes in what stands deep in the tools and the messages.
    pub(crate) fn deep(mut self, tools: &[u8], messages: &[u8]) -> Self {
        // A type ends in a date where the tool is no function of the caller's.
        for word in ends_of_types(tools, &DATES, |_, end| is_date(end)) {
            if !OF_THE_CALLER.contains(&word) {
                self.needs(capability_of_tool(word));
            }
        }
        // The one kind of which there are types without a date.
        let begins = |before: &[u8], _: &[u8]| before.ends_with(b"\"");
        if ends_of_types(tools, &TOOL_SEARCHES, begins)
            .next()
            .is_some()
        {
            self.needs(Capability::ToolSearch);
        }
        // What such a tool did stays in the conversation even when the tool is gone.
        for word in ends_of_types(messages, &TOOL_USES, |_, _| true) {
            match word {
                b"server" if !self.has_tool() => self.needs(Capability::ServerTools),
                b"mcp" => self.needs(Capability::McpServers),
                _ => {}
            }
        }
        if refers_to_file(messages) {
            self.needs(Capability::Files);
            self.is_bound = true;
        }
        self
    }

    /// What a call about batches needs, and whether it is about one that is there.
    ///
    /// What the items need is not looked for.
    pub(crate) fn of_batch(body: &[u8]) -> Self {
        let mut needs = Self::default();
        needs.needs(Capability::Batches);
        needs.is_bound = !has_field(body, b"requests") || files(body).next().is_some();
        needs
    }

    /// What a call needs whose body says nothing of it.
    pub(crate) fn of_endpoint(endpoint: Endpoint) -> Self {
        let mut needs = Self::default();
        match endpoint {
            Endpoint::Models => needs.needs(Capability::Models),
            Endpoint::Files => needs.needs(Capability::Files),
            _ => {}
        }
        needs.is_bound = matches!(endpoint, Endpoint::Files | Endpoint::Passthrough);
        needs
    }

    fn needs(&mut self, capability: Capability) {
        self.capabilities = self.capabilities.with(capability);
    }

    /// A container is its id, or an object of its id and of skills to put there.
    fn container(&mut self, value: &[u8]) {
        self.needs(Capability::Containers);
        let mut cursor = JsonCursor::new(value);
        if !cursor.enter_object() {
            self.is_bound = true;
            return;
        }
        while let Some(key) = cursor.next_key() {
            let value = cursor.skip();
            match key {
                b"id" => self.is_bound |= value != b"null",
                b"skills" if value != b"null" && !is_empty_list(value) => {
                    self.needs(Capability::Skills);
                    // Anthropic's own skills are everywhere, others where they were put.
                    self.is_bound |= says(value, b"\"custom\"");
                }
                _ => {}
            }
        }
    }

    /// A thread that begins is at home nowhere yet.
    fn thread(&mut self, value: &[u8]) {
        self.needs(Capability::Threads);
        let begins = says(value, b"\"create\"") && !says(value, b"\"continue\"");
        self.is_bound |= !begins || says(value, PREVIOUS);
    }

    /// Whether it needs a tool that the server runs.
    fn has_tool(&self) -> bool {
        let tools = [
            Capability::Advisor,
            Capability::ServerTools,
            Capability::ToolSearch,
            Capability::WebSearch,
        ];
        tools.iter().any(|tool| self.capabilities.contains(*tool))
    }
}

/// Whether the messages hold thinking that a model gave back.
pub(crate) fn has_thinking(messages: &[u8]) -> bool {
    let mut words = ends_of_types(messages, &THINKING, |_, _| true);
    words.any(|word| word.is_empty() || word == b"redacted_")
}

fn capability_of_tool(word: &[u8]) -> Capability {
    match word {
        b"advisor" => Capability::Advisor,
        b"web_search" => Capability::WebSearch,
        _ if word.starts_with(TOOL_SEARCH) => Capability::ToolSearch,
        _ => Capability::ServerTools,
    }
}

/// The values of `type` in which a part stands: what is before it in them.
///
/// What is before and from the part on has to be `likely` before anything is gone back over.
/// The part, or what makes it likely, has to have a quote, beyond which no other part goes
/// back: a body of nothing but such parts is then gone over once.
fn ends_of_types<'a>(
    json: &'a [u8],
    part: &'static Finder<'static>,
    likely: impl Fn(&[u8], &[u8]) -> bool,
) -> impl Iterator<Item = &'a [u8]> {
    part.find_iter(json).filter_map(move |at| {
        let (before, end) = json.split_at_checked(at)?;
        if !likely(before, end) {
            return None;
        }
        let (before, word) = before.split_at_checked(at - length_of_word(before))?;
        let before = before.strip_suffix(b"\"")?.trim_ascii_end();
        let before = before.strip_suffix(b":")?.trim_ascii_end();
        before.ends_with(b"\"type\"").then_some(word)
    })
}

/// How long the word is that ends here, as far as it can be the beginning of a type.
fn length_of_word(before: &[u8]) -> usize {
    let is_word = |byte: &&u8| byte.is_ascii_lowercase() || b"0123456789_".contains(byte);
    let word = before.iter().rev().take(LONGEST).take_while(is_word);
    let length = word.count();
    #[cfg(test)]
    tests::WALKED.set(tests::WALKED.get() + length);
    length
}

/// Whether it begins with the rest of a type, which is a date.
fn is_date(end: &[u8]) -> bool {
    let date = end.strip_prefix(b"_").and_then(|end| end.get(..9));
    date.is_some_and(|date| date[8] == b'"' && date[..8].iter().all(u8::is_ascii_digit))
}

/// Where members are that name a file, however deep.
fn files(json: &[u8]) -> impl Iterator<Item = usize> + Clone {
    FILES.find_iter(json).filter(move |at| {
        let after = &json[at + FILE.len()..];
        after.trim_ascii_start().starts_with(b":")
    })
}

fn says(json: &[u8], word: &[u8]) -> bool {
    memmem::find(json, word).is_some()
}

/// Whether a block refers to a file. An argument of that name, which any tool may have, is none.
///
/// Where the messages cannot be followed, it is taken for a file.
fn refers_to_file(messages: &[u8]) -> bool {
    let mut places = files(messages).peekable();
    if places.peek().is_none() {
        return false;
    }
    // As the official clients write it, which spares looking at the whole.
    let follows_its_type = |at: usize| {
        let before = messages[..at].trim_ascii_end().strip_suffix(b",");
        let before = before.unwrap_or_default().trim_ascii_end();
        before.ends_with(b"\"file\"") || before.ends_with(b"\"container_upload\"")
    };
    if places.clone().any(follows_its_type) {
        return true;
    }
    let mut cursor = JsonCursor::new(messages);
    if !cursor.enter_array() {
        return true;
    }
    while cursor.next_value() {
        if !cursor.enter_object() {
            cursor.skip();
            continue;
        }
        while let Some(key) = cursor.next_key() {
            if key != b"content" || !cursor.enter_array() {
                cursor.skip();
                continue;
            }
            while cursor.next_value() {
                if !cursor.enter_object() {
                    cursor.skip();
                    continue;
                }
                while let Some(key) = cursor.next_key() {
                    cursor.skip();
                    let end = messages.len() - cursor.left();
                    let is_here = places.next_if(|at| *at < end).is_some();
                    while places.next_if(|at| *at < end).is_some() {}
                    if is_here && key != b"input" {
                        return true;
                    }
                }
            }
        }
    }
    cursor.is_broken()
}

fn has_field(json: &[u8], name: &[u8]) -> bool {
    JsonCursor::field(json, name).is_some_and(|mut field| field.skip() != b"null")
}

fn is_empty_list(value: &[u8]) -> bool {
    let mut cursor = JsonCursor::new(value);
    cursor.enter_array() && !cursor.next_value()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        /// How many bytes were gone back over in search of where words begin.
        pub(super) static WALKED: Cell<usize> = const { Cell::new(0) };
    }

    #[test]
    fn no_body_has_its_bytes_gone_over_many_times() {
        for part in [
            "_20",
            "_20250305",
            "_20250305\"",
            "a_20250305\"",
            "tool_search_tool_",
            "\"tool_search_tool_",
            "a_tool_use\"",
            "a_thinking\"",
        ] {
            let hostile = format!(r#"[{{"name":"{}"#, part.repeat(10_000)).into_bytes();
            WALKED.set(0);
            let needs = Needs::default().deep(&hostile, &hostile);
            assert!(needs.capabilities.is_empty() && !has_thinking(&hostile));
            let walked = WALKED.get();
            assert!(walked <= 2 * hostile.len(), "{part}: {walked} bytes");
        }
    }
}
