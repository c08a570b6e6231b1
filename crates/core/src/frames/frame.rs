use std::fmt;

use crate::frames::FrameError;

/// A frame of an event stream, as it stands in the bytes that were pushed.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame<'a> {
    /// `:message-type`: `event`, `exception` or `error`.
    pub message_type: Option<&'a str>,
    /// `:event-type`: what kind of event it is.
    pub event_type: Option<&'a str>,
    /// `:exception-type`: the name of an exception that the service declares.
    pub exception_type: Option<&'a str>,
    /// `:error-code`: the name of any other error.
    pub error_code: Option<&'a str>,
    /// `:error-message`: what such an error says.
    pub error_message: Option<&'a str>,
    /// The payload; of a frame that is too large to be held, only the beginning.
    pub payload: &'a [u8],
    /// How many bytes of payload it has.
    pub length: u64,
}

/// The bytes that are left of the headers.
struct Headers<'a>(&'a [u8]);

// === impl Frame ===

impl<'a> Frame<'a> {
    /// Whether all of its payload is here.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.payload.len() as u64 == self.length
    }

    /// Reads the headers; all of them are checked, those that nobody asks about are skipped.
    pub(crate) fn read(
        headers: &'a [u8],
        payload: &'a [u8],
        length: u64,
    ) -> Result<Self, FrameError> {
        let mut frame = Self {
            payload,
            length,
            ..Self::default()
        };
        let mut headers = Headers(headers);
        while !headers.0.is_empty() {
            let (name, text) = headers.next().ok_or(FrameError::Headers)?;
            let field = match name {
                b":message-type" => &mut frame.message_type,
                b":event-type" => &mut frame.event_type,
                b":exception-type" => &mut frame.exception_type,
                b":error-code" => &mut frame.error_code,
                b":error-message" => &mut frame.error_message,
                _ => continue,
            };
            // A header of another type says nothing that could be used.
            *field = text.or(*field);
        }
        Ok(frame)
    }
}

impl fmt::Debug for Frame<'_> {
    /// Prints what kind it is and its length, never what it says.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("message_type", &self.message_type)
            .field("event_type", &self.event_type)
            .field("exception_type", &self.exception_type)
            .field("error_code", &self.error_code)
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

// === impl Headers ===

impl<'a> Headers<'a> {
    /// The name of the next header and its value, if that is text; `None` if it is broken.
    fn next(&mut self) -> Option<(&'a [u8], Option<&'a str>)> {
        let length = self.number(1)?;
        let name = self.take(length).filter(|name| !name.is_empty())?;
        let length = match self.number(1)? {
            // True and false, which the type itself says.
            0 | 1 => 0,
            2 => 1,
            3 => 2,
            4 => 4,
            // A long, a timestamp.
            5 | 8 => 8,
            // Bytes, and text.
            6 => self.number(2)?,
            7 => {
                let length = self.number(2)?;
                let text = std::str::from_utf8(self.take(length)?).ok()?;
                return Some((name, Some(text)));
            }
            // A UUID.
            9 => 16,
            _ => return None,
        };
        self.take(length)?;
        Some((name, None))
    }

    /// A number of so many bytes, the highest first.
    fn number(&mut self, bytes: usize) -> Option<usize> {
        let bytes = self.take(bytes)?;
        let number = |number, byte: &u8| number << 8 | usize::from(*byte);
        Some(bytes.iter().fold(0, number))
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, kind: u8, value: &[u8]) -> Vec<u8> {
        let length = u8::try_from(name.len()).unwrap();
        [&[length][..], name.as_bytes(), &[kind], value].concat()
    }

    fn text(name: &str, value: &str) -> Vec<u8> {
        let length = u16::try_from(value.len()).unwrap().to_be_bytes();
        header(name, 7, &[&length[..], value.as_bytes()].concat())
    }

    #[test]
    fn every_type_of_header_is_walked_over() {
        let headers = [
            header("yes", 0, &[]),
            header("no", 1, &[]),
            header("byte", 2, &[1]),
            header("short", 3, &[1; 2]),
            header("integer", 4, &[1; 4]),
            header("long", 5, &[1; 8]),
            header("bytes", 6, &[0, 3, 7, 7, 7]),
            text("text", "čaj"),
            header("timestamp", 8, &[1; 8]),
            header("uuid", 9, &[1; 16]),
            header(":event-type", 4, &[1; 4]),
            text(":message-type", "error"),
            text(":error-code", "InternalFailure"),
            text(":error-message", "it failed"),
        ]
        .concat();
        let frame = Frame::read(&headers, b"{}", 2).unwrap();
        assert_eq!(frame.message_type, Some("error"));
        assert_eq!(frame.error_code, Some("InternalFailure"));
        assert_eq!(frame.error_message, Some("it failed"));
        assert_eq!(frame.event_type, None, "a number is no name");
        assert!(frame.is_whole());
        // Cut anywhere but between two, they are broken.
        let whole = (0..headers.len()).filter(|&at| Frame::read(&headers[..at], b"", 0).is_ok());
        assert_eq!(whole.count(), 14);
    }

    #[test]
    fn headers_that_are_none_are_told() {
        for broken in [
            header("new", 10, &[]),
            header("", 0, &[]),
            header("text", 7, &[0, 1, 0xff]),
            header("text", 7, &[0xff, 0xff]),
            vec![9, b'x'],
        ] {
            let error = Frame::read(&broken, b"", 0).err();
            assert_eq!(error, Some(FrameError::Headers), "{broken:?}");
        }
    }

    #[test]
    fn debug_shows_nothing_of_what_it_says() {
        let headers = text(":error-message", "secret");
        let shown = format!("{:?}", Frame::read(&headers, b"secret", 6).unwrap());
        assert!(!shown.contains("secret"), "{shown}");
    }
}
