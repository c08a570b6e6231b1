use bytes::{Bytes, BytesMut};
use memchr::memchr2;

/// Cuts a stream of server-sent events where its events end.
///
/// What has come of an event whose end has not is held back: after a break nothing could follow
/// half an event. Lines may end in LF, CR or CRLF. A stream that comes event by event is not
/// copied.
#[derive(Debug)]
pub(crate) struct Cutter {
    /// The beginning of an event.
    tail: BytesMut,
    /// Where the events end that the last chunk has completed.
    ends: Vec<usize>,
    is_line_empty: bool,
    after_cr: bool,
}

// === impl Cutter ===

impl Cutter {
    pub(crate) fn new() -> Self {
        Self {
            tail: BytesMut::new(),
            ends: Vec::new(),
            is_line_empty: true,
            after_cr: false,
        }
    }

    /// Takes the next chunk and gives the events that are whole with it, one after the other.
    pub(crate) fn push(&mut self, chunk: &Bytes) -> Bytes {
        self.ends.clear();
        let before = self.tail.len();
        let mut at = 0;
        while let Some(length) = self.end_of_event(&chunk[at..]) {
            at += length;
            self.ends.push(before + at);
        }
        if before == 0 {
            self.tail.extend_from_slice(&chunk[at..]);
            return chunk.slice(..at);
        }
        self.tail.extend_from_slice(chunk);
        let whole = self.ends.last().copied().unwrap_or(0);
        self.tail.split_to(whole).freeze()
    }

    /// Where each of the events ends that `push` has just given.
    pub(crate) fn ends(&self) -> &[usize] {
        &self.ends
    }

    /// How much is held back, in bytes.
    pub(crate) fn held(&self) -> usize {
        self.tail.len()
    }

    /// Gives up what is held back.
    pub(crate) fn rest(&mut self) -> Bytes {
        self.tail.split().freeze()
    }

    fn end_of_event(&mut self, chunk: &[u8]) -> Option<usize> {
        let mut at = 0;
        while at < chunk.len() {
            if std::mem::take(&mut self.after_cr) && chunk[at] == b'\n' {
                at += 1;
                continue;
            }
            let Some(length) = memchr2(b'\n', b'\r', &chunk[at..]) else {
                self.is_line_empty = false;
                return None;
            };
            let is_empty = std::mem::replace(&mut self.is_line_empty, true) && length == 0;
            self.after_cr = chunk[at + length] == b'\r';
            at += length + 1;
            if is_empty {
                // The other half of the line end, if it is there already.
                if self.after_cr && chunk.get(at) == Some(&b'\n') {
                    self.after_cr = false;
                    at += 1;
                }
                return Some(at);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(chunks: &[&[u8]]) -> (Vec<u8>, Vec<u8>, usize) {
        let mut cutter = Cutter::new();
        let (mut whole, mut events) = (Vec::new(), 0);
        for chunk in chunks {
            let given = cutter.push(&Bytes::copy_from_slice(chunk));
            assert_eq!(cutter.ends().last().copied().unwrap_or(0), given.len());
            events += cutter.ends().len();
            whole.extend_from_slice(&given);
        }
        (whole, cutter.rest().to_vec(), events)
    }

    #[test]
    fn whole_events_pass_and_the_beginning_of_one_is_held_whatever_the_split() {
        for line_end in ["\n", "\r\n", "\r"] {
            let whole = "event: a\ndata: 1\n\n: hello\n\ndata: 2\n\n".replace('\n', line_end);
            let half = "event: b\ndata: {".replace('\n', line_end);
            let stream = format!("{whole}{half}");
            for at in 0..=stream.len() {
                let (a, b) = stream.as_bytes().split_at(at);
                let (passed, held, events) = cut(&[a, b]);
                // The LF of a CRLF that comes later is part of what follows.
                let all = [&passed[..], &held[..]].concat();
                assert_eq!(all, stream.as_bytes(), "{line_end:?} at {at}");
                assert_eq!(events, 3, "{line_end:?} at {at}");
                let held = String::from_utf8(held).unwrap();
                assert_eq!(held.trim_start_matches('\n'), half);
            }
            let bytes: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
            assert_eq!(cut(&bytes).2, 3);
        }
    }

    #[test]
    fn events_that_come_whole_are_not_copied() {
        let chunk = Bytes::from_static(b"data: 1\n\ndata: 2\n\n");
        let mut cutter = Cutter::new();
        let given = cutter.push(&chunk);
        assert_eq!(given.as_ptr(), chunk.as_ptr());
        assert_eq!((cutter.ends(), cutter.held()), (&[9, 18][..], 0));
    }
}
