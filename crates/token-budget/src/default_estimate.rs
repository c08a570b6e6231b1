use tower_claude_core::{Call, ContentSizes};

use crate::{Estimate, Estimated};

/// Estimates from sizes: text by the tokenizer of the model, images and documents by kind.
///
/// Text counts one token for 3.5 bytes of JSON, or for 2.7 from generation 4.7 on, whose
/// tokenizer makes about 30 % more of the same text, and for models whose name does not tell.
/// An image counts 1,600, a document by its size and no less than 3,000.
#[derive(Clone, Copy, Debug, Default)]
pub struct DefaultEstimate;

/// Bytes of JSON that make ten tokens.
const NEW_TOKENIZER: u64 = 27;
const OLD_TOKENIZER: u64 = 35;
/// The first generation with the new tokenizer.
const NEW_GENERATION: (u32, u32) = (4, 7);
/// What the API adds around the shortest prompt.
const OVERHEAD: u64 = 8;
/// What the API adds where there are tools: 286 to 804, by model and choice.
const TOOLS: u64 = 500;
const IMAGE: u64 = 1_600;
const DOCUMENT: u64 = 3_000;
/// Bytes of base64 for a token: a page is 50 KB or so, and 1,500 to 3,000 tokens.
const DOCUMENT_BYTES: u64 = 24;

// === impl DefaultEstimate ===

impl Estimate for DefaultEstimate {
    fn estimate(&self, call: &Call) -> Estimated {
        Estimated::new(tokens(&call.sizes(), call.model().unwrap_or_default()))
    }
}

fn tokens(sizes: &ContentSizes, model: &str) -> u64 {
    let text = sizes
        .system_bytes
        .saturating_add(sizes.tools_bytes)
        .saturating_add(sizes.message_bytes);
    let ten_tokens = match generation(model) {
        Some(generation) if generation < NEW_GENERATION => OLD_TOKENIZER,
        _ => NEW_TOKENIZER,
    };
    let tools = if sizes.tools_bytes > 0 { TOOLS } else { 0 };
    // What is only referred to may be either; files are documents more often.
    let blocks = u64::from(sizes.images)
        .saturating_mul(IMAGE)
        .saturating_add(u64::from(sizes.references).saturating_mul(DOCUMENT));
    let documents = (sizes.document_bytes / DOCUMENT_BYTES)
        .max(u64::from(sizes.documents).saturating_mul(DOCUMENT));
    text.saturating_mul(10)
        .div_ceil(ten_tokens)
        .saturating_add(OVERHEAD + tools)
        .saturating_add(blocks)
        .saturating_add(documents)
}

/// Major and minor of a model name: the first number after `claude` that is no date, and the
/// number next to it.
fn generation(model: &str) -> Option<(u32, u32)> {
    let name = match model.strip_prefix("claude") {
        Some(name) => name,
        None => model.split_once("claude")?.1,
    };
    let number = |part: &[u8]| match part {
        [digit @ b'0'..=b'9'] => Some(u32::from(digit - b'0')),
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => {
            Some(u32::from(tens - b'0') * 10 + u32::from(ones - b'0'))
        }
        _ => None,
    };
    let mut parts = name.as_bytes().split(|byte| b"-.@:_".contains(byte));
    let major = parts.find_map(number)?;
    Some((major, parts.next().and_then(number).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_generation_of_every_form_of_name() {
        for (name, expected) in [
            ("claude-opus-4-7", Some((4, 7))),
            ("claude-sonnet-5-5", Some((5, 5))),
            ("claude-3-5-sonnet-20241022", Some((3, 5))),
            ("claude-sonnet-4-20250514", Some((4, 0))),
            ("us.anthropic.claude-opus-4-6-v1:0", Some((4, 6))),
            ("claude-opus-4-1@20250805", Some((4, 1))),
            ("claude-instant", None),
            ("my-deployment", None),
            ("", None),
        ] {
            assert_eq!(generation(name), expected, "{name}");
        }
    }

    #[test]
    fn newer_models_make_more_tokens_of_the_same_text() {
        let mut sizes = ContentSizes::default();
        sizes.message_bytes = 3_500;
        assert_eq!(tokens(&sizes, "claude-opus-4-6"), 1_008);
        assert_eq!(tokens(&sizes, "claude-opus-4-7"), 1_305);
        assert_eq!(tokens(&sizes, "mine"), 1_305, "unknown is taken for new");
    }

    #[test]
    fn images_documents_and_tools_count_by_kind() {
        let mut sizes = ContentSizes::default();
        sizes.images = 2;
        assert_eq!(tokens(&sizes, "claude-opus-5"), 3_208);
        sizes.documents = 1;
        sizes.document_bytes = 240_000;
        assert_eq!(tokens(&sizes, "claude-opus-5"), 13_208);
        sizes.tools_bytes = 27;
        assert_eq!(tokens(&sizes, "claude-opus-5"), 13_718);
    }

    #[test]
    fn absurd_sizes_saturate() {
        let mut sizes = ContentSizes::default();
        sizes.system_bytes = u64::MAX;
        sizes.document_bytes = u64::MAX;
        sizes.images = u32::MAX;
        assert!(tokens(&sizes, "claude-opus-5") > 1 << 60);
    }
}
