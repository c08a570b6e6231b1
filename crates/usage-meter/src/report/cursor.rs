use memchr::memchr;

/// A place in a line without backslashes and control characters, where a string ends at the
/// next quotation mark.
///
/// Every step says `None` to whatever it does not know with certainty.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    line: &'a str,
    at: usize,
}

// === impl Cursor ===

impl<'a> Cursor<'a> {
    /// At the beginning of a line; `None` if strings in it may end elsewhere, or be broken.
    pub(super) fn new(line: &'a str) -> Option<Self> {
        // Without a way out of the loop, it runs over many bytes at once.
        let is_odd = |odd, byte: &u8| odd | (*byte < 0x20) | (*byte == b'\\');
        let is_odd = line.as_bytes().iter().fold(false, is_odd);
        (!is_odd).then_some(Self { line, at: 0 })
    }

    /// Whether all of the line has been passed.
    pub(super) const fn is_at_end(&self) -> bool {
        self.at == self.line.len()
    }

    #[inline]
    fn rest(&self) -> &'a [u8] {
        self.line.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// Passes exactly these bytes.
    #[inline]
    pub(super) fn pass<const LENGTH: usize>(&mut self, bytes: &[u8; LENGTH]) -> Option<()> {
        let found = self.rest().first_chunk::<LENGTH>()?;
        if found != bytes {
            return None;
        }
        self.at += LENGTH;
        Some(())
    }

    /// Passes these bytes if they are what is next.
    #[inline]
    pub(super) fn passes<const LENGTH: usize>(&mut self, bytes: &[u8; LENGTH]) -> bool {
        self.pass(bytes).is_some()
    }

    /// Passes a string.
    #[inline]
    pub(super) fn text(&mut self) -> Option<&'a str> {
        self.pass(b"\"")?;
        let length = memchr(b'"', self.rest())?;
        let text = self.line.get(self.at..self.at + length)?;
        self.at += length + 1;
        Some(text)
    }

    /// Passes a string or `null`.
    #[inline]
    pub(super) fn maybe_text(&mut self) -> Option<Option<&'a str>> {
        if self.passes(b"null") {
            return Some(None);
        }
        self.text().map(Some)
    }

    /// Passes a whole number of at most 19 digits, all of which fit into 64 bits.
    #[inline]
    pub(super) fn number(&mut self) -> Option<u64> {
        let rest = self.rest();
        let mut number = 0;
        let mut length = 0;
        while let Some(byte) = rest.get(length)
            && byte.is_ascii_digit()
        {
            if length == 19 {
                return None;
            }
            number = number * 10 + u64::from(byte - b'0');
            length += 1;
        }
        // JSON knows no number with a zero before it, and none without a digit.
        let is_odd = length == 0 || (length > 1 && rest.first() == Some(&b'0'));
        if is_odd {
            return None;
        }
        self.at += length;
        Some(number)
    }

    /// Passes such a number or `null`.
    #[inline]
    pub(super) fn maybe_number(&mut self) -> Option<Option<u64>> {
        if self.passes(b"null") {
            return Some(None);
        }
        self.number().map(Some)
    }
}
