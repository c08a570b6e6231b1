use std::mem;

use bytes::Bytes;
use memchr::memchr;

/// Cuts what passes into lines, however it is split, and keeps at most one that is not whole.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    /// What has come of a line before this chunk.
    begun: Vec<u8>,
    /// Whether the line has grown too long; it is not kept.
    is_skipping: bool,
}

/// What was found in a chunk.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A line, without its end.
    Line(Bytes),
    /// The line that has begun will not be given: it is too long.
    TooLong,
}

// === impl Lines ===

impl Lines {
    /// The longest line that is given, in bytes.
    pub(crate) const LONGEST: usize = 16 * 1024 * 1024;

    /// The next line that ends in the chunk, which is taken from it; with `None` all of it is
    /// taken.
    ///
    /// A line that is whole in the chunk is not copied.
    pub(crate) fn next(&mut self, chunk: &mut Bytes) -> Option<Found> {
        loop {
            let Some(at) = memchr(b'\n', chunk) else {
                return self.keep(&mem::take(chunk));
            };
            let end = chunk.split_to(at + 1).slice(..at);
            let was_skipped = mem::take(&mut self.is_skipping);
            if !was_skipped {
                return Some(self.end(end));
            }
        }
    }

    /// What is left when all has come: a line without an end.
    pub(crate) fn finish(&mut self) -> Option<Bytes> {
        let begun = mem::take(&mut self.begun);
        (!begun.is_empty()).then(|| begun.into())
    }

    fn end(&mut self, end: Bytes) -> Found {
        let mut line = mem::take(&mut self.begun);
        if line.len() + end.len() > Self::LONGEST {
            return Found::TooLong;
        }
        if line.is_empty() {
            return Found::Line(end);
        }
        line.reserve_exact(end.len());
        line.extend_from_slice(&end);
        Found::Line(line.into())
    }

    fn keep(&mut self, part: &[u8]) -> Option<Found> {
        let length = self.begun.len() + part.len();
        if self.is_skipping {
            return None;
        }
        if length > Self::LONGEST {
            self.begun = Vec::new();
            self.is_skipping = true;
            return Some(Found::TooLong);
        }
        if length > self.begun.capacity() {
            // Twice as much, as a vector grows by itself, but not beyond the bound.
            let twice = (self.begun.capacity() * 2).min(Self::LONGEST);
            let more = length.max(twice) - self.begun.len();
            self.begun.reserve_exact(more);
        }
        self.begun.extend_from_slice(part);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(chunks: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        for chunk in chunks {
            let mut chunk = Bytes::copy_from_slice(chunk);
            while let Some(next) = lines.next(&mut chunk) {
                found.push(match next {
                    Found::Line(line) => line.to_vec(),
                    Found::TooLong => b"too long".to_vec(),
                });
            }
            assert!(chunk.is_empty());
        }
        found.extend(lines.finish().map(|line| line.to_vec()));
        found
    }

    #[test]
    fn lines_are_the_same_at_every_split() {
        const TEXT: &[u8] = b"one\n\ntwo\r\nthree";
        let expected = [&b"one"[..], b"", b"two\r", b"three"];
        assert_eq!(cut(&[TEXT]), expected);
        for at in 0..=TEXT.len() {
            let (before, after) = TEXT.split_at(at);
            assert_eq!(cut(&[before, after]), expected, "split at {at}");
        }
        let bytes: Vec<_> = TEXT.chunks(1).collect();
        assert_eq!(cut(&bytes), expected);
    }

    #[test]
    fn a_line_that_is_too_long_is_told_once_and_the_next_is_given() {
        let longest = vec![b'x'; Lines::LONGEST];
        let too_long = [&longest[..], b"x"].concat();
        assert_eq!(cut(&[&longest, b"\nnext\n"])[1], b"next");
        assert_eq!(cut(&[&longest, b"\n"])[0].len(), Lines::LONGEST);
        let expected = [&b"too long"[..], b"next"];
        assert_eq!(cut(&[&too_long, b"\nnext\n"]), expected);
        assert_eq!(cut(&[&[&too_long[..], b"\nnext\n"].concat()]), expected);
        assert_eq!(
            cut(&[&longest, b"x", &longest, &longest, b"\nnext"]),
            expected
        );
        assert_eq!(cut(&[&too_long, b"xx"]), [b"too long"]);
    }

    #[test]
    fn what_is_kept_does_not_grow_beyond_the_longest_line() {
        let mut lines = Lines::default();
        let part = vec![b'x'; 100_000];
        while !lines.is_skipping {
            let mut chunk = Bytes::copy_from_slice(&part);
            lines.next(&mut chunk);
            assert!(lines.begun.capacity() <= Lines::LONGEST);
        }
        assert_eq!(lines.begun.capacity(), 0);
    }
}
