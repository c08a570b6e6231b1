use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use http_body::Frame;
use tower_claude_core::{FailureKind, SseScanner};

use crate::added::STOP;
use crate::cutter::Cutter;
use crate::opening::{Opened, Opening};
use crate::said::{Heard, Said};

/// What lies between upstream and the caller: whole events pass, and are read on their way.
#[derive(Debug)]
pub(crate) struct Passage {
    cutter: Cutter,
    said: Said,
    /// The last event, if it could not be read.
    unread: Bytes,
    /// What the caller gets next.
    out: VecDeque<Frame<Bytes>>,
}

/// What came of a piece of the first answer.
#[derive(Debug)]
pub(crate) enum Passed {
    /// It goes on.
    On,
    /// There is nothing to go on with: all is to pass untouched from here.
    LetGo,
    /// An `error` event, with all that comes from the end of the last event that has passed.
    Lost(FailureKind, Bytes),
}

/// How a further answer begins.
#[derive(Debug)]
pub(crate) enum Turn {
    /// Not known yet.
    Awaited,
    /// It goes on where the first broke off, with these events.
    Taken {
        /// Made by us, if any.
        first: Bytes,
        rest: Bytes,
    },
    /// With something else.
    Refused,
}

/// The most that is held back of an event that has not ended, in bytes.
const LONGEST_EVENT: usize = SseScanner::LARGEST;

// === impl Passage ===

impl Passage {
    /// For texts of at most so many bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            cutter: Cutter::new(),
            said: Said::new(limit),
            unread: Bytes::new(),
            out: VecDeque::new(),
        }
    }

    /// The text so far, if it is one to go on with.
    pub(crate) fn text(&self) -> Option<&str> {
        self.said.text()
    }

    /// What the caller gets next.
    pub(crate) fn next(&mut self) -> Option<Frame<Bytes>> {
        self.out.pop_front()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// Takes a piece of the first answer.
    pub(crate) fn read(&mut self, data: &Bytes) -> Passed {
        let whole = self.cutter.push(data);
        let (mut at, mut passed) = (0, 0);
        for number in 0..self.cutter.ends().len() {
            let end = self.cutter.ends()[number];
            match self.said.hear(&whole[at..end]) {
                Heard::Lost(kind) => {
                    self.say(whole.slice(passed..at));
                    return Passed::Lost(kind, self.held(&whole[at..]));
                }
                Heard::Fine if self.unread.is_empty() => {}
                Heard::Unread if self.unread.is_empty() => {
                    self.say(whole.slice(passed..at));
                    self.unread = whole.slice(at..end);
                    passed = end;
                }
                Heard::Fine | Heard::Unread | Heard::Unfit => {
                    self.let_go(whole.slice(passed..));
                    return Passed::LetGo;
                }
            }
            at = end;
        }
        let rest = whole.slice(passed..);
        if self.cutter.held() > LONGEST_EVENT {
            self.let_go(rest);
            return Passed::LetGo;
        }
        self.say(rest);
        Passed::On
    }

    /// Another answer comes, of which nothing has passed.
    pub(crate) fn turn(&mut self) {
        self.cutter = Cutter::new();
    }

    /// Takes a piece of the further answer, as long as it is not known how it begins.
    pub(crate) fn read_opening(&mut self, opening: &mut Opening, data: &Bytes) -> Turn {
        let whole = self.cutter.push(data);
        let mut at = 0;
        for &end in self.cutter.ends() {
            let event = whole.slice(at..end);
            let first = match opening.read(&event) {
                Opened::Unsaid => None,
                Opened::Aside => {
                    self.out.push_back(Frame::data(event));
                    None
                }
                Opened::Text => Some(opening.first().unwrap_or_default()),
                Opened::End => Some(STOP),
                Opened::Otherwise => return Turn::Refused,
            };
            if let Some(first) = first {
                let rest = whole.slice(at..);
                return Turn::Taken { first, rest };
            }
            at = end;
        }
        match self.cutter.held() > LONGEST_EVENT {
            true => Turn::Refused,
            false => Turn::Awaited,
        }
    }

    /// Lets go of all that is held back, after which this comes.
    pub(crate) fn let_go(&mut self, more: Bytes) {
        let unread = std::mem::take(&mut self.unread);
        let rest = self.cutter.rest();
        for bytes in [unread, more, rest] {
            self.say(bytes);
        }
    }

    /// Takes all that is held back, with this in its middle.
    pub(crate) fn held(&mut self, more: &[u8]) -> Bytes {
        let mut held = BytesMut::from(&*std::mem::take(&mut self.unread));
        held.extend_from_slice(more);
        held.extend_from_slice(&self.cutter.rest());
        held.freeze()
    }

    /// Has the caller get this next.
    pub(crate) fn say(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.out.push_back(Frame::data(bytes));
        }
    }

    /// Has the caller get this next, be it what it may.
    pub(crate) fn hand_on(&mut self, frame: Frame<Bytes>) {
        self.out.push_back(frame);
    }
}
