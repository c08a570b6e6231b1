use std::io::{self, Read};

use memchr::memchr;

/// The lines of a source, one at a time, in memory that does not grow.
#[derive(Debug)]
pub(super) struct Lines<R> {
    source: R,
    buffer: Vec<u8>,
    /// Where the line to come begins.
    start: usize,
    /// Where what has been read ends.
    end: usize,
    /// Whether the beginning of the line to come has been thrown away.
    is_too_long: bool,
}

/// A line, without its line break.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    Whole(&'a [u8]),
    TooLong,
}

/// The longest line, in bytes.
pub(super) const LONGEST: usize = 1 << 20;

/// How much is read at once, at least.
const READ: usize = 1 << 20;

// === impl Lines ===

impl<R> Lines<R>
where
    R: Read,
{
    pub(super) fn new(source: R) -> Self {
        Self {
            source,
            // A line that is just too long is seen to be so before the buffer is full.
            buffer: vec![0; LONGEST + 1 + READ],
            start: 0,
            end: 0,
            is_too_long: false,
        }
    }

    /// The next line, or `None` at the end. The last may be without a line break.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        let mut searched = self.start;
        loop {
            if let Some(place) = memchr(b'\n', &self.buffer[searched..self.end]) {
                return Ok(Some(self.take(searched + place, 1)));
            }
            if self.end - self.start > LONGEST {
                self.is_too_long = true;
                self.start = self.end;
            }
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
            searched = self.end;
            let read = self.fill()?;
            if read == 0 {
                let is_over = self.end == 0 && !self.is_too_long;
                return Ok((!is_over).then(|| self.take(self.end, 0)));
            }
        }
    }

    fn fill(&mut self) -> io::Result<usize> {
        loop {
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(read) => {
                    self.end += read;
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The line that ends there, before so many bytes of a line break.
    fn take(&mut self, end: usize, line_break: usize) -> Line<'_> {
        let start = std::mem::replace(&mut self.start, end + line_break);
        let was_too_long = std::mem::take(&mut self.is_too_long);
        match &self.buffer[start..end] {
            line if !was_too_long && line.len() <= LONGEST => Line::Whole(line),
            _ => Line::TooLong,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives so many bytes at a time, and is interrupted in between.
    struct Slowly<'a> {
        rest: &'a [u8],
        at_once: usize,
        is_interrupted: bool,
    }

    impl Read for Slowly<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.is_interrupted = !self.is_interrupted;
            if self.is_interrupted {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let length = self.at_once.min(buffer.len());
            (&mut self.rest).take(length as u64).read(buffer)
        }
    }

    /// The lines' lengths; `None` for one that is too long.
    fn lengths(text: &[u8], at_once: usize) -> Vec<Option<usize>> {
        let mut lines = Lines::new(Slowly {
            rest: text,
            at_once,
            is_interrupted: false,
        });
        let mut lengths = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            lengths.push(match line {
                Line::Whole(line) => Some(line.len()),
                Line::TooLong => None,
            });
        }
        lengths
    }

    #[test]
    fn gives_every_line_however_little_is_read_at_once() {
        let text = b"one\n\ntwo two\r\nlast";
        for at_once in 1..=text.len() {
            let expected = [3, 0, 8, 4].map(Some);
            assert_eq!(lengths(text, at_once), expected, "{at_once} bytes");
        }
        assert_eq!(lengths(b"", 1), []);
        assert_eq!(lengths(b"one\n", 4), [Some(3)]);
    }

    #[test]
    fn leaves_out_lines_that_are_too_long_and_goes_on_behind_them() {
        for length in [
            LONGEST - 1,
            LONGEST,
            LONGEST + 1,
            LONGEST + READ,
            LONGEST + READ + 1,
            5 * LONGEST,
        ] {
            let expected = (length <= LONGEST).then_some(length);
            let long = vec![b'x'; length];
            let text = [b"one\n", &*long, b"\ntwo\n", &*long].concat();
            for at_once in [4_096, READ - 1, READ, usize::MAX] {
                let lengths = lengths(&text, at_once);
                assert_eq!(lengths, [Some(3), expected, Some(3), expected]);
            }
        }
    }

    #[test]
    fn an_error_of_the_source_is_given_on() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::PermissionDenied.into())
            }
        }
        let error = Lines::new(Broken).next().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    }
}
