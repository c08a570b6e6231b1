use std::collections::VecDeque;

use crate::Role;
use crate::raw_text::RawText;

/// The texts of one direction of a call, within a limit whatever comes.
#[derive(Debug)]
pub(crate) struct Texts {
    entries: VecDeque<RawText>,
    /// The most bytes of text, and of what keeps it.
    limit: usize,
    cost: usize,
    preference: Preference,
    is_truncated: bool,
    /// How many texts came since the last message ended.
    recent: usize,
}

/// What is kept of more than there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Preference {
    First,
    Last,
}

// === impl Texts ===

impl Texts {
    /// Keeps the first of too much.
    pub(crate) fn first(limit: usize) -> Self {
        Self::new(limit, Preference::First)
    }

    /// Keeps the last of too much; of the earliest text that stays, the beginning.
    pub(crate) fn last(limit: usize) -> Self {
        Self::new(limit, Preference::Last)
    }

    fn new(limit: usize, preference: Preference) -> Self {
        Self {
            entries: VecDeque::new(),
            limit,
            cost: 0,
            preference,
            is_truncated: false,
            recent: 0,
        }
    }

    /// Adds a text; without a role, until its message says whose it is.
    pub(crate) fn push(&mut self, role: Option<Role>, name: Option<&str>, text: &str) {
        if text.is_empty() && name.is_none() {
            return;
        }
        match self.preference {
            Preference::First => {
                if self.begin(role, name) {
                    self.append(text);
                }
            }
            Preference::Last => self.push_last(role, name, text),
        }
    }

    /// Begins a text that is to be appended to; false if there is no room for it.
    pub(crate) fn begin(&mut self, role: Option<Role>, name: Option<&str>) -> bool {
        let entry = RawText::new(role, name);
        let cost = self.cost + entry.cost();
        if cost > self.limit {
            self.is_truncated = true;
            return false;
        }
        self.cost = cost;
        self.recent += 1;
        self.entries.push_back(entry);
        true
    }

    /// Appends to the text begun last.
    pub(crate) fn append(&mut self, text: &str) {
        let room = self.limit.saturating_sub(self.cost);
        if let Some(entry) = self.entries.back_mut() {
            let length = entry.len();
            self.is_truncated |= !entry.append(text, room);
            self.cost += entry.len() - length;
        }
    }

    /// Gives a role to those of the last message's texts that have none.
    pub(crate) fn adopt(&mut self, role: Role) {
        let recent = std::mem::take(&mut self.recent);
        for entry in self.entries.iter_mut().rev().take(recent) {
            entry.role.get_or_insert(role);
        }
    }

    /// How much of the limit is used, in bytes.
    pub(crate) const fn cost(&self) -> usize {
        self.cost
    }

    /// Something is missing that cannot be told apart from what is cut.
    pub(crate) const fn mark_truncated(&mut self) {
        self.is_truncated = true;
    }

    /// The texts, and whether that is not all that was said.
    pub(crate) fn into_parts(self) -> (Vec<RawText>, bool) {
        let said = self.entries.into_iter().filter(|entry| !entry.is_empty());
        (said.collect(), self.is_truncated)
    }

    fn push_last(&mut self, role: Option<Role>, name: Option<&str>, text: &str) {
        let mut entry = RawText::new(role, name);
        let Some(room) = self.limit.checked_sub(entry.cost()) else {
            self.is_truncated = true;
            return;
        };
        self.is_truncated |= !entry.append(text, room);
        self.cost += entry.cost();
        self.recent += 1;
        self.entries.push_back(entry);
        while let Some(over) = self.cost.checked_sub(self.limit).filter(|over| *over > 0)
            && let Some(mut earliest) = self.entries.pop_front()
        {
            self.is_truncated = true;
            self.cost -= earliest.cost();
            if earliest.len() > over {
                earliest.shorten(over);
                self.cost += earliest.cost();
                self.entries.push_front(earliest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Redactions, Redactor};

    fn said(texts: Texts) -> (Vec<String>, bool) {
        let (texts, is_truncated) = texts.into_parts();
        let redact = |text: RawText| {
            text.redact(&Redactor::standard(), &mut Redactions::default())
                .text
        };
        (texts.into_iter().map(redact).collect(), is_truncated)
    }

    fn push(texts: &mut Texts, text: &str) {
        texts.push(Some(Role::User), None, text);
    }

    #[test]
    fn of_too_much_the_first_or_the_last_is_kept_and_it_is_said() {
        let mut first = Texts::first(300);
        let mut last = Texts::last(300);
        for letter in ["a", "b", "c"] {
            push(&mut first, &letter.repeat(90));
            push(&mut last, &letter.repeat(90));
        }
        assert_eq!(said(first), (vec!["a".repeat(90), "b".repeat(18)], true));
        assert_eq!(said(last), (vec!["b".repeat(18), "c".repeat(90)], true));
    }

    #[test]
    fn a_text_is_cut_between_characters_and_never_within_what_is_hidden() {
        for limit in 90..160 {
            let mut texts = Texts::first(limit);
            push(&mut texts, "éé ann.lee@example.org éé");
            let (texts, _) = said(texts);
            let text = texts.first().map_or("", |text| &**text);
            let is_whole = text.is_empty() || "éé [email] éé".starts_with(text);
            assert!(is_whole, "{limit}: {text:?}");
        }
    }

    #[test]
    fn many_small_texts_do_not_take_more_than_the_limit() {
        for mut texts in [Texts::first(10_000), Texts::last(10_000)] {
            for _ in 0..100_000 {
                push(&mut texts, "x");
            }
            assert!(texts.cost() <= 10_000);
            assert!(texts.entries.len() <= 104);
            assert!(texts.is_truncated);
        }
    }

    #[test]
    fn a_text_that_comes_in_pieces_is_one() {
        let mut texts = Texts::first(1_000);
        assert!(texts.begin(Some(Role::Assistant), None));
        for piece in ["4111 1111", " 1111", " 1111"] {
            texts.append(piece);
        }
        assert_eq!(said(texts), (vec!["[card]".to_owned()], false));
    }
}
