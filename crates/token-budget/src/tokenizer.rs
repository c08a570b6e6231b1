use tower_claude_core::ContentSizes;

use crate::Estimated;

/// What a generation of models makes of text and of images.
///
/// The API's tokenizers are not published. The figures are of what its `count_tokens` made of
/// samples, as published by those who asked it, and stand in the upper middle of them: above
/// prose and code, a little below what is all punctuation.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tokenizer {
    /// All in thousandths of a token.
    letter: u64,
    symbol: u64,
    latin: u64,
    greek_cyrillic: u64,
    two_byte: u64,
    three_byte: u64,
    four_byte: u64,
    /// The most tokens of an image.
    image: u64,
}

/// Tokens, by what they are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    /// What a tokenizer makes of the text.
    pub(crate) text: u64,
    /// Images and documents.
    pub(crate) other: u64,
    /// Whether a large part is not known from the request.
    is_guess: bool,
}

/// Up to generation 4.6.
const OLD: Tokenizer = Tokenizer {
    // English is measured at 4.33 characters a token, TypeScript at 3.66, JSON at 2.5: that
    // is 220 for a letter and 400 to 600 for a sign, of which code has a quarter and JSON half.
    letter: 250,
    symbol: 600,
    // A letter with an accent parts a word, and tells of a language whose words make more
    // tokens than English ones; one letter in 25 to 60 is one.
    latin: 2_000,
    // A translated essay took 2.9 times the tokens of the English one in Arabic, 3.2 in Hindi
    // and 1.7 in Chinese. For a letter that is 800 in Arabic, 750 in Hindi, and 1,110 in
    // Chinese. Korean is measured at 620, spaces included. Cyrillic is about half of Arabic.
    greek_cyrillic: 550,
    two_byte: 850,
    three_byte: 1_150,
    // Three of the four bytes, as of a character that is in no vocabulary.
    four_byte: 3_000,
    // 1,568 pixels on the long edge.
    image: 1_600,
};

/// From generation 4.7 on.
const NEW: Tokenizer = Tokenizer {
    // The API's documentation says 30 % more. It is measured at 1.20 to 1.45 for English, 1.46
    // for German, 1.36 for French, 1.13 to 1.36 for code, 1.31 for JSON that is mostly text,
    // 1.06 for ids and times, and at 1.00 for Russian, Arabic, Hindi, Chinese, Japanese and
    // Korean.
    letter: 334,
    symbol: 650,
    latin: 3_000,
    // 2,576 pixels on the long edge.
    image: 4_784,
    ..OLD
};

/// The first generation with the new tokenizer.
const NEW_GENERATION: (u32, u32) = (4, 7);
/// What the API adds around the shortest prompt.
const OVERHEAD: u64 = 8;
/// What the API adds where there are tools: 286 to 804, by model and choice.
const TOOLS: u64 = 640;
/// Bytes of base64 for a token of an image, before the most is reached. A photograph has about
/// 200 a token and a screenshot 60; there are those that have less.
const IMAGE_BYTES: u64 = 48;
const LEAST_OF_IMAGE: u64 = 128;
/// A page: 1,500 to 3,000 tokens by the API's documentation, as it is both text and an image.
const DOCUMENT: u64 = 3_000;
/// Bytes of base64 for a token. A page that is all text takes 3 KB, a scanned one 50 KB and
/// more: a small document is taken for the one, what exceeds that for the other.
const SMALL_DOCUMENT_BYTES: u64 = 8;
const SMALL_DOCUMENT: u64 = 128 * 1024;
const DOCUMENT_BYTES: u64 = 24;

// === impl Tokenizer ===

impl Tokenizer {
    /// That of a model; the new one for those whose name does not tell.
    pub(crate) fn of(model: &str) -> &'static Self {
        match generation(model) {
            Some(generation) if generation < NEW_GENERATION => &OLD,
            _ => &NEW,
        }
    }

    pub(crate) fn count(&self, sizes: &ContentSizes) -> Counted {
        let text = &sizes.text;
        let text = [
            (text.letters, self.letter),
            (text.symbols, self.symbol),
            (text.latin, self.latin),
            (text.greek_cyrillic, self.greek_cyrillic),
            (text.two_byte, self.two_byte),
            (text.three_byte, self.three_byte),
            (text.four_byte, self.four_byte),
        ]
        .into_iter()
        .fold(0_u64, |sum, (count, each)| {
            sum.saturating_add(count.saturating_mul(each))
        });
        let tools = if sizes.tools_bytes > 0 { TOOLS } else { 0 };
        // What is only referred to may be either; files are documents more often.
        let references = u64::from(sizes.references).saturating_mul(DOCUMENT);
        Counted {
            text: text.div_ceil(1_000).saturating_add(OVERHEAD + tools),
            other: self
                .images(sizes)
                .saturating_add(documents(sizes))
                .saturating_add(references),
            is_guess: sizes.references > 0,
        }
    }

    fn images(&self, sizes: &ContentSizes) -> u64 {
        let images = u64::from(sizes.images);
        let bytes = sizes.image_bytes.checked_div(images).unwrap_or(0);
        let each = (bytes / IMAGE_BYTES).clamp(LEAST_OF_IMAGE, self.image);
        images.saturating_mul(each)
    }
}

// === impl Counted ===

impl Counted {
    pub(crate) fn total(&self) -> u64 {
        self.text.saturating_add(self.other)
    }

    pub(crate) fn estimated(&self) -> Estimated {
        Estimated::new(self.total())
    }

    /// Whether what the call turns out to be says something of the tokenizer.
    pub(crate) fn is_text(&self) -> bool {
        !self.is_guess && self.other <= self.text / 8
    }
}

fn documents(sizes: &ContentSizes) -> u64 {
    let documents = u64::from(sizes.documents);
    let bytes = sizes.document_bytes.checked_div(documents).unwrap_or(0);
    let small = bytes.min(SMALL_DOCUMENT);
    let each = small / SMALL_DOCUMENT_BYTES + (bytes - small) / DOCUMENT_BYTES;
    documents.saturating_mul(each.max(DOCUMENT))
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

    fn sizes(change: impl FnOnce(&mut ContentSizes)) -> ContentSizes {
        let mut sizes = ContentSizes::default();
        change(&mut sizes);
        sizes
    }

    #[test]
    fn newer_models_make_more_tokens_of_latin_text_only() {
        let count = |model, sizes| Tokenizer::of(model).count(&sizes).total();
        let letters = sizes(|sizes| sizes.text.letters = 3_000);
        assert_eq!(count("claude-opus-4-6", letters), 758);
        assert_eq!(count("claude-opus-4-7", letters), 1_010);
        assert_eq!(count("mine", letters), 1_010, "unknown is taken for new");
        let chinese = sizes(|sizes| sizes.text.three_byte = 3_000);
        assert_eq!(count("claude-opus-4-6", chinese), 3_458);
        assert_eq!(count("claude-opus-4-7", chinese), 3_458);
    }

    #[test]
    fn images_count_by_size_up_to_what_the_model_looks_at() {
        let of = |model, bytes: u64| {
            let sizes = sizes(|sizes| {
                sizes.images = 2;
                sizes.image_bytes = 2 * bytes;
            });
            Tokenizer::of(model).count(&sizes).other
        };
        assert_eq!(of("claude-opus-5", 1_000_000), 9_568);
        assert_eq!(of("claude-opus-4-6", 1_000_000), 3_200);
        assert_eq!(of("claude-opus-5", 48_000), 2_000);
        assert_eq!(of("claude-opus-5", 0), 256);
    }

    #[test]
    fn documents_and_tools_count_by_kind() {
        let of = |change: fn(&mut ContentSizes)| NEW.count(&sizes(change));
        let document = |bytes| {
            NEW.count(&sizes(|sizes| {
                sizes.documents = 1;
                sizes.document_bytes = bytes;
            }))
        };
        assert_eq!(document(10).other, 3_000);
        assert_eq!(document(80_000).other, 10_000);
        assert_eq!(document(128 * 1024 + 240_000).other, 26_384);
        assert_eq!(of(|sizes| sizes.references = 2).other, 6_000);
        assert_eq!(of(|sizes| sizes.tools_bytes = 1).text, 648);
    }

    #[test]
    fn only_what_is_mostly_text_says_something_of_the_tokenizer() {
        let text = |images, references| {
            NEW.count(&sizes(|sizes| {
                sizes.text.letters = 90_000;
                sizes.images = images;
                sizes.references = references;
            }))
        };
        assert!(text(0, 0).is_text());
        assert!(text(20, 0).is_text());
        assert!(!text(40, 0).is_text());
        assert!(!text(0, 1).is_text());
    }

    #[test]
    fn absurd_sizes_saturate() {
        let absurd = sizes(|sizes| {
            sizes.text.letters = u64::MAX;
            sizes.text.four_byte = u64::MAX;
            sizes.document_bytes = u64::MAX;
            sizes.documents = u32::MAX;
            sizes.images = u32::MAX;
            sizes.references = u32::MAX;
        });
        assert!(NEW.count(&absurd).total() > 1 << 50);
    }
}
