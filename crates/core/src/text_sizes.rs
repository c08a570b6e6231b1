use memchr::memmem;

/// How much text there is, by script: tokenizers make more of some than of others.
///
/// ASCII is counted in bytes, all else in characters, and a character that the JSON spells as
/// an escape (`\u4f60`, as Python writes all that is not ASCII) as that character. Of a long
/// text, parts are looked at that are evenly spread, and stand for the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TextSizes {
    /// ASCII letters and spaces.
    pub letters: u64,
    /// All other ASCII: digits, punctuation, and the syntax of JSON.
    pub symbols: u64,
    /// Latin letters beyond ASCII, and the signs of Latin-1.
    pub latin: u64,
    /// Greek and Cyrillic letters.
    pub greek_cyrillic: u64,
    /// Armenian, Hebrew, Arabic, and all else that takes two bytes of UTF-8.
    pub two_byte: u64,
    /// CJK, Indic, and all else that takes three bytes.
    pub three_byte: u64,
    /// Emoji, and all else that takes four bytes.
    pub four_byte: u64,
}

/// A character as an escape spells it.
struct Spelt {
    code: u16,
    /// ASCII letters among the six bytes.
    letters: u64,
}

/// The most whole registers of bytes whose sum fits into a byte.
const STEP: usize = 240;
/// The parts of a long text that are looked at.
const BLOCK: usize = 4 * STEP;
/// No more of a text is looked at, so that no prompt takes longer than a few microseconds.
const LOOKED_AT: usize = 64 * 1024;
/// The length of an escape.
const ESCAPE: usize = 6;

// === impl TextSizes ===

impl TextSizes {
    /// Adds the raw JSON of a text.
    pub(crate) fn add(&mut self, json: &[u8]) {
        if json.len() <= LOOKED_AT {
            self.look(json);
            return;
        }
        let every = json.len().div_ceil(LOOKED_AT);
        let mut seen = Self::default();
        let mut looked_at = 0;
        for block in json.chunks(BLOCK).step_by(every) {
            seen.look(block);
            looked_at += block.len() as u64;
        }
        let scale = |count: u64| count.saturating_mul(json.len() as u64) / looked_at.max(1);
        self.letters += scale(seen.letters);
        self.symbols += scale(seen.symbols);
        self.latin += scale(seen.latin);
        self.greek_cyrillic += scale(seen.greek_cyrillic);
        self.two_byte += scale(seen.two_byte);
        self.three_byte += scale(seen.three_byte);
        self.four_byte += scale(seen.four_byte);
    }

    fn look(&mut self, text: &[u8]) {
        let letters = count(text, is_letter);
        self.letters += letters;
        if text.is_ascii() {
            self.symbols += text.len() as u64 - letters;
        } else {
            // The first byte of a character tells its script; those after it are less.
            let all = count(text, |byte| byte >= 0xC2);
            let after_latin = count(text, |byte| byte >= 0xCE);
            let after_cyrillic = count(text, |byte| byte >= 0xD5);
            let three_or_four = count(text, |byte| byte >= 0xE0);
            let four = count(text, |byte| byte >= 0xF0);
            self.symbols += count(text, |byte| byte < 0x80) - letters;
            self.latin += all - after_latin;
            self.greek_cyrillic += after_latin - after_cyrillic;
            self.two_byte += after_cyrillic - three_or_four;
            self.three_byte += three_or_four - four;
            self.four_byte += four;
        }
        self.respell(text);
    }

    /// Counts what escapes spell in place of their bytes.
    fn respell(&mut self, block: &[u8]) {
        let finder = memmem::Finder::new(br"\u");
        let mut at = 0;
        while let Some(found) = block.get(at..).and_then(|rest| finder.find(rest)) {
            at += found;
            let before = block[..at].iter().rev();
            if before.take_while(|byte| **byte == b'\\').count() % 2 == 1 {
                // The backslash is itself escaped.
                at += 2;
                continue;
            }
            let mut first = true;
            // Where there is one escape, there are more.
            while let Some(spelt) = Spelt::read(&block[at..]) {
                self.letters -= spelt.letters;
                self.symbols -= ESCAPE as u64 - spelt.letters;
                // The second half of a pair is no character.
                if !(0xDC00..0xE000).contains(&spelt.code) {
                    *self.script_of(spelt.code) += 1;
                }
                at += ESCAPE;
                first = false;
            }
            if first {
                at += 2;
            }
        }
    }

    /// The bounds are those of the first bytes above.
    fn script_of(&mut self, code: u16) -> &mut u64 {
        match code {
            ..0x80 => match u8::try_from(code) {
                Ok(byte) if is_letter(byte) => &mut self.letters,
                _ => &mut self.symbols,
            },
            0x80..0x380 => &mut self.latin,
            0x380..0x540 => &mut self.greek_cyrillic,
            0x540..0x800 => &mut self.two_byte,
            0xD800..0xDC00 => &mut self.four_byte,
            _ => &mut self.three_byte,
        }
    }
}

// === impl Spelt ===

impl Spelt {
    /// Reads the escape that a text begins with.
    fn read(text: &[u8]) -> Option<Self> {
        let (digits, _) = text.strip_prefix(br"\u")?.split_first_chunk::<4>()?;
        let mut spelt = Self {
            code: 0,
            // The `u`.
            letters: 1,
        };
        for digit in digits {
            let value = char::from(*digit).to_digit(16)?;
            spelt.code = spelt.code << 4 | u16::try_from(value).ok()?;
            spelt.letters += u64::from(value > 9);
        }
        Some(spelt)
    }
}

const fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b' '
}

/// Counts the bytes that are so.
///
/// It is written for the compiler to do a whole register at a time, each of whose lanes counts
/// in a byte of its own.
fn count(block: &[u8], is: impl Fn(u8) -> bool) -> u64 {
    let of_step = |step: &[u8]| {
        step.iter()
            .fold(0_u8, |sum, byte| sum.wrapping_add(u8::from(is(*byte))))
    };
    block
        .chunks(STEP)
        .map(|step| u64::from(of_step(step)))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(text: &str) -> TextSizes {
        let mut sizes = TextSizes::default();
        sizes.add(text.as_bytes());
        sizes
    }

    /// Counts one character at a time.
    fn slowly(text: &str) -> TextSizes {
        let mut sizes = TextSizes::default();
        for character in text.chars() {
            let code = u16::try_from(u32::from(character)).unwrap_or(0xD800);
            *sizes.script_of(code) += 1;
        }
        sizes
    }

    #[test]
    fn every_script_counts_as_its_own() {
        for (text, expected) in [
            ("Hello, you 2\n", "letters 10 symbols 3"),
            ("\u{80}é\u{37f}", "latin 3"),
            ("\u{380}ωжԿ", "greek_cyrillic 4"),
            ("\u{540}שم\u{7ff}", "two_byte 4"),
            ("\u{800}हก你か한…\u{ffff}", "three_byte 8"),
            ("😀𠀀", "four_byte 2"),
        ] {
            let sizes = sizes(text);
            assert_eq!(sizes, slowly(text), "{text}");
            let fields = format!("{sizes:?}");
            let found: Vec<&str> = fields
                .trim_start_matches("TextSizes { ")
                .trim_end_matches(" }")
                .split(", ")
                .filter(|field| !field.ends_with(": 0"))
                .collect();
            assert_eq!(found.join(" ").replace(':', ""), expected, "{text}");
        }
    }

    #[test]
    fn escapes_count_as_what_they_spell() {
        for (escaped, plain) in [
            (r"caf\u00e9 \u4f60\u597D!", "café 你好!"),
            (r"\u0436\u05e9x", "жשx"),
            (r"\ud83d\ude00\uD83D\uDE00 ok", "😀😀 ok"),
            (r"\u003cb\u003e\u0041", "<b>A"),
            (r"\\\u00e9", r"\\é"),
        ] {
            assert_eq!(sizes(escaped), slowly(plain), "{escaped}");
        }
    }

    #[test]
    fn what_is_no_escape_counts_as_it_stands() {
        for text in [
            r"C:\\users\\ubuntu",
            r"\\u00e9",
            r"\u00",
            r"\u00zz\u",
            r"\uuuu",
            "\\",
            "",
        ] {
            assert_eq!(sizes(text), slowly(text), "{text}");
        }
    }

    #[test]
    fn texts_of_many_registers_are_counted_exactly() {
        let text = "The tide was out. Das Café. Прилив 潮水 😀\n".repeat(1_000);
        assert_eq!(sizes(&text), slowly(&text));
    }

    #[test]
    fn parts_of_a_very_long_text_stand_for_the_rest() {
        let text = [
            "The tide was out; ",
            "прилив ушёл, ",
            "潮水已退，",
            "{\"a\":[1,2]}, ",
        ]
        .map(|part| part.repeat(30_000))
        .concat();
        let (sampled, exact) = (sizes(&text), slowly(&text));
        for (name, sampled, exact) in [
            ("letters", sampled.letters, exact.letters),
            ("symbols", sampled.symbols, exact.symbols),
            ("Cyrillic", sampled.greek_cyrillic, exact.greek_cyrillic),
            ("CJK", sampled.three_byte, exact.three_byte),
        ] {
            let apart = sampled.abs_diff(exact) * 1_000 / text.chars().count() as u64;
            assert!(apart <= 10, "{name}: {sampled} for {exact}");
        }
    }

    #[test]
    fn any_bytes_are_counted_without_a_panic() {
        let mut seed = 1_u32;
        let bytes: Vec<u8> = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            b"\\ud8dcDC00aF\xC2\xE0\xF0\xFF\x80 \""[(seed >> 16) as usize % 19]
        })
        .take(100_000)
        .collect();
        for length in [0, 1, 239, 240, 241, 961, 5_000, 100_000] {
            let mut sizes = TextSizes::default();
            sizes.add(&bytes[..length]);
        }
    }
}
