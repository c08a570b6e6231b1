/// The server-sent events of a complete buffer, for the fake's own bookkeeping.
///
/// Yields the offset after each event and its `data`; knows CR, LF and CRLF. A block of
/// comments counts as an event without data. NOTE: a client drops a last event that no blank
/// line follows; here it counts, because its bytes have to travel in some frame.
pub(crate) struct Events<'a> {
    bytes: &'a [u8],
    position: usize,
}

pub(crate) struct Event {
    pub(crate) end: usize,
    pub(crate) data: Vec<u8>,
}

// === impl Events ===

impl<'a> Events<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    fn line(&mut self) -> Option<&'a [u8]> {
        let rest = &self.bytes[self.position..];
        if rest.is_empty() {
            return None;
        }
        let length = memchr::memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
        let newline = match &rest[length..] {
            [b'\r', b'\n', ..] => 2,
            [_, ..] => 1,
            [] => 0,
        };
        self.position += length + newline;
        Some(&rest[..length])
    }
}

impl Iterator for Events<'_> {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        let mut data = Vec::new();
        let mut started = false;
        while let Some(line) = self.line() {
            if !line.is_empty() {
                started = true;
                if let Some(value) = line.strip_prefix(b"data:") {
                    if !data.is_empty() {
                        data.push(b'\n');
                    }
                    data.extend_from_slice(value.strip_prefix(b" ").unwrap_or(value));
                }
            } else if started {
                break;
            }
        }
        started.then_some(Event {
            end: self.position,
            data,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_same_events_under_every_newline() {
        let lines = ": hello\n\nevent: a\ndata: 1\ndata: 2\n\n\ndata:3\n\n";
        for newline in ["\n", "\r", "\r\n"] {
            let bytes = lines.replace('\n', newline);
            let events: Vec<Event> = Events::new(bytes.as_bytes()).collect();
            let data: Vec<&[u8]> = events.iter().map(|event| &*event.data).collect();
            assert_eq!(data, [b"".as_slice(), b"1\n2", b"3"], "{newline:?}");
            assert_eq!(events[2].end, bytes.len());
        }
    }

    #[test]
    fn counts_a_last_event_that_breaks_off() {
        assert_eq!(Events::new(b"data: 1\n\ndata: 2").count(), 2);
    }
}
