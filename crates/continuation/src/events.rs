//! The data of the events that are read, as far as it is read.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;

#[derive(Deserialize)]
pub(crate) struct BlockStart<'a> {
    index: u64,
    #[serde(borrow)]
    content_block: Block<'a>,
}

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    text: Cow<'a, str>,
    #[serde(default)]
    citations: Option<Vec<IgnoredAny>>,
}

#[derive(Deserialize)]
pub(crate) struct BlockDelta<'a> {
    index: u64,
    #[serde(borrow)]
    delta: Delta<'a>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    text: Cow<'a, str>,
}

// === impl BlockStart ===

impl<'a> BlockStart<'a> {
    pub(crate) fn read(data: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(data).ok()
    }

    /// What it begins with, if it is the first block and plain text.
    pub(crate) fn first_text(&self) -> Option<&str> {
        let block = &self.content_block;
        let is_plain = block.citations.as_ref().is_none_or(Vec::is_empty);
        (self.index == 0 && block.kind == "text" && is_plain).then_some(&block.text)
    }
}

// === impl BlockDelta ===

impl<'a> BlockDelta<'a> {
    pub(crate) fn read(data: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(data).ok()
    }

    /// What it adds, if it is text of the first block.
    pub(crate) fn first_text(&self) -> Option<&str> {
        (self.index == 0 && self.delta.kind == "text_delta").then_some(&self.delta.text)
    }
}
