use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::TextSizes;
use crate::json_text::JsonText;

/// How large a request is, by kind of content: what an estimate of its tokens starts from.
///
/// Sizes are of the JSON text, which is a little more than of the text it encodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContentSizes {
    /// Bytes of `system`.
    pub system_bytes: u64,
    /// Bytes of `tools`.
    pub tools_bytes: u64,
    /// Bytes of `messages`, without the data of images and documents.
    pub message_bytes: u64,
    /// The text of all three, by script.
    pub text: TextSizes,
    /// Number of images.
    pub images: u32,
    /// Bytes of base64 data in images.
    pub image_bytes: u64,
    /// Number of documents.
    pub documents: u32,
    /// Bytes of base64 data in documents.
    pub document_bytes: u64,
    /// Content that is only referred to (`url` and `file` sources): its size is not in the
    /// request.
    pub references: u32,
}

/// Base64 `data` this long or longer is looked into; shorter counts as text.
const LONG: usize = 256;

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: JsonText<'a>,
    #[serde(borrow, default)]
    source: Option<Source<'a>>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Source<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: JsonText<'a>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
}

/// Walks over messages, in the order in which they stand.
struct Walk<'a> {
    sizes: ContentSizes,
    messages: &'a [u8],
    /// How far the text has been counted.
    counted: usize,
}

// === impl ContentSizes ===

impl ContentSizes {
    /// Measures the raw JSON of the three parts of a prompt.
    pub(crate) fn measure(system: &[u8], tools: &[u8], messages: &[u8]) -> Self {
        let mut sizes = Self {
            system_bytes: system.len() as u64,
            tools_bytes: tools.len() as u64,
            message_bytes: messages.len() as u64,
            ..Self::default()
        };
        sizes.text.add(system);
        sizes.text.add(tools);
        let mut walk = Walk {
            sizes,
            messages,
            counted: 0,
        };
        // Only blocks with a `source` hold anything but text, and most requests have none:
        // one search for the word spares them a second parse.
        if memmem::find(messages, b"\"source\"").is_some()
            && let Ok(list) = serde_json::from_slice::<Vec<Message<'_>>>(messages)
        {
            for message in &list {
                walk.blocks(message.content, 0);
            }
        }
        walk.finish()
    }
}

// === impl Walk ===

impl Walk<'_> {
    fn blocks(&mut self, content: Option<&RawValue>, depth: u8) {
        // Tool results and documents hold blocks, which hold few others.
        let Some(content) = content.filter(|raw| depth < 3 && raw.get().starts_with('[')) else {
            return;
        };
        let Ok(blocks) = serde_json::from_str::<Vec<Block<'_>>>(content.get()) else {
            return;
        };
        for block in &blocks {
            if let Some(source) = &block.source {
                self.source(&block.kind, source, depth);
            } else {
                self.blocks(block.content, depth + 1);
            }
        }
    }

    fn source(&mut self, block: &str, source: &Source<'_>, depth: u8) {
        let data = source.data.map_or("", RawValue::get);
        let sizes = &mut self.sizes;
        match (block, &*source.kind) {
            (_, "url" | "file") => sizes.references += 1,
            ("image", "base64") => {
                sizes.images += 1;
                sizes.image_bytes += data.len() as u64;
            }
            ("document", "base64") => {
                sizes.documents += 1;
                sizes.document_bytes += data.len() as u64;
            }
            (_, "content") => return self.blocks(source.content, depth + 1),
            _ => return,
        }
        if data.len() >= LONG && &*source.kind == "base64" {
            sizes.message_bytes = sizes.message_bytes.saturating_sub(data.len() as u64);
            self.pass(data);
        }
    }

    /// Counts the text before a part of the messages that is no text.
    fn pass(&mut self, data: &str) {
        let start = (data.as_ptr() as usize).wrapping_sub(self.messages.as_ptr() as usize);
        if let Some(text) = self.messages.get(self.counted..start) {
            self.sizes.text.add(text);
            self.counted = start + data.len();
        }
    }

    fn finish(mut self) -> ContentSizes {
        let rest = self.messages.get(self.counted..).unwrap_or_default();
        self.sizes.text.add(rest);
        self.sizes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_measured_as_it_stands() {
        let sizes = ContentSizes::measure(b"\"kind\"", b"", br#"[{"role":"user","content":"hi"}]"#);
        assert_eq!(sizes.system_bytes, 6);
        assert_eq!(sizes.message_bytes, 32);
        assert_eq!(sizes.images, 0);
    }

    #[test]
    fn the_data_of_images_and_documents_is_no_text() {
        let data = "A".repeat(10_000);
        let messages = format!(
            r#"[{{"role":"user","content":[
            {{"type":"image","source":{{"type":"base64","media_type":"image/png","data":"{data}"}}}},
            {{"type":"document","source":{{"type":"base64","data":"{data}"}}}},
            {{"type":"document","source":{{"type":"file","file_id":"f"}}}},
            {{"type":"tool_result","content":[{{"type":"image","source":{{"type":"base64","data":"{data}"}}}}]}},
            {{"type":"text","text":"what is the \"source\"?"}}]}}]"#
        );
        let sizes = ContentSizes::measure(b"", b"", messages.as_bytes());
        assert_eq!((sizes.images, sizes.documents, sizes.references), (2, 1, 1));
        assert_eq!((sizes.image_bytes, sizes.document_bytes), (20_004, 10_002));
        assert!(sizes.message_bytes < 700, "{sizes:?}");
        let text = sizes.text.letters + sizes.text.symbols;
        assert_eq!(text, sizes.message_bytes, "all of it is ASCII");
    }

    #[test]
    fn images_in_documents_of_blocks_are_found() {
        let data = "A".repeat(10_000);
        let messages = format!(
            r#"[{{"content":[{{"type":"document","source":{{"type":"content","content":[
            {{"type":"text","text":"a"}},
            {{"type":"image","source":{{"type":"base64","data":"{data}"}}}}]}}}},
            {{"type":"document","source":{{"type":"text","data":"{data}"}}}}]}}]"#
        );
        let sizes = ContentSizes::measure(b"", b"", messages.as_bytes());
        assert_eq!((sizes.images, sizes.documents), (1, 0));
        assert!(
            (10_000..10_400).contains(&sizes.message_bytes),
            "a text is text: {sizes:?}"
        );
    }

    #[test]
    fn the_text_of_all_parts_counts_by_script() {
        let sizes = ContentSizes::measure(
            "\"é\"".as_bytes(),
            "[1]".as_bytes(),
            r#"["ж你",{"a":"\u4f60"}]"#.as_bytes(),
        );
        let text = sizes.text;
        assert_eq!((text.letters, text.symbols), (1, 2 + 3 + 12));
        assert_eq!(
            (text.latin, text.greek_cyrillic, text.three_byte),
            (1, 1, 2)
        );
    }

    #[test]
    fn what_cannot_be_read_counts_as_text() {
        let odd = br#"[{"source":3},17,{"content":{"a":1}}]"#;
        let sizes = ContentSizes::measure(b"", b"", odd);
        assert_eq!(sizes.message_bytes, odd.len() as u64);
    }
}
