use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::mem;
use std::task::Waker;

use tower_claude_core::TenantId;

/// Calls that wait for the same targets and are equally urgent: in rounds, in each of which
/// every tenant has one turn.
///
/// Start-time fair queueing: a tenant that had its turn is due in the next round, also if it
/// comes back later. The calls of one tenant stay in the order they came in. Every operation
/// takes a time that grows with the logarithm of what waits.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// The first call of every tenant, in the order of their turns.
    turns: BTreeMap<(u64, u64), Party>,
    parties: HashMap<Party, Queue>,
    /// Who waits with how many calls, and the number of the newest.
    lengths: BTreeSet<(usize, u64, Party)>,
    /// The round of the last turn.
    round: u64,
    /// Who had a turn in this round and waits with none.
    resting: Vec<Party>,
}

/// Whose calls take turns with those of others; calls of nobody are one party.
pub(crate) type Party = Option<TenantId>;

/// The calls of one tenant, by their numbers.
#[derive(Debug)]
struct Queue {
    /// The round in which its first call is due.
    round: u64,
    calls: BTreeMap<u64, Option<Waker>>,
    is_resting: bool,
}

// === impl Line ===

impl Line {
    /// The most tenants a round is remembered of. Then the next begins, so that neither memory
    /// nor a wait is without bound where tenants are.
    const MOST_RESTING: usize = 1024;

    /// Appends a call; numbers grow.
    pub(crate) fn push(&mut self, party: Party, number: u64) {
        let queue = self.parties.entry(party.clone()).or_insert(Queue {
            round: self.round,
            calls: BTreeMap::new(),
            is_resting: false,
        });
        let before = queue.length();
        queue.calls.insert(number, None);
        let after = queue.length();
        if before.is_none() {
            queue.round = queue.round.max(self.round);
            self.turns.insert((queue.round, number), party.clone());
        }
        self.note_length(party, before, after);
    }

    /// Takes a call out, whether or not it had its turn; says its waker, if it was there.
    pub(crate) fn remove(
        &mut self,
        party: &Party,
        number: u64,
        had_turn: bool,
    ) -> Option<Option<Waker>> {
        let queue = self.parties.get_mut(party)?;
        let before = queue.length();
        let waker = queue.calls.remove(&number)?;
        let after = queue.length();
        let due = queue.round;
        // Only the first call has a turn to leave to the next one.
        let was_first = self.turns.remove(&(due, number)).is_some();
        if was_first && had_turn {
            queue.round = due.saturating_add(1);
        }
        let next = queue.calls.keys().next().copied();
        match next {
            Some(next) if was_first => {
                self.turns.insert((queue.round, next), party.clone());
            }
            Some(_) => {}
            None if queue.is_resting => {}
            None if queue.round > self.round => {
                queue.is_resting = true;
                self.resting.push(party.clone());
            }
            None => {
                self.parties.remove(party);
            }
        }
        self.note_length(party.clone(), before, after);
        if was_first && had_turn {
            self.move_on(due);
        }
        if self.resting.len() >= Self::MOST_RESTING {
            self.move_on(self.round.saturating_add(1));
        }
        Some(waker)
    }

    /// Takes the newest call of those tenants that wait with most of them; says its waker.
    pub(crate) fn shorten(&mut self) -> Option<Option<Waker>> {
        let (_, number, party) = self.lengths.last()?.clone();
        self.remove(&party, number, false)
    }

    /// The number of the call whose turn it is.
    pub(crate) fn first(&self) -> Option<u64> {
        self.turns.keys().next().map(|(_, number)| *number)
    }

    /// The place for the waker of the call whose turn it is.
    pub(crate) fn first_waker(&mut self) -> Option<&mut Option<Waker>> {
        let ((_, number), party) = self.turns.iter().next()?;
        self.parties.get_mut(party)?.calls.get_mut(number)
    }

    /// The place for a call's waker, if it waits.
    pub(crate) fn waker(&mut self, party: &Party, number: u64) -> Option<&mut Option<Waker>> {
        self.parties.get_mut(party)?.calls.get_mut(&number)
    }

    /// How many calls of a tenant wait.
    pub(crate) fn length(&self, party: &Party) -> usize {
        self.parties.get(party).map_or(0, |queue| queue.calls.len())
    }

    /// How many calls wait of the tenants with most of them, and the number of the newest.
    pub(crate) fn longest(&self) -> (usize, u64) {
        let longest = self.lengths.last();
        longest.map_or((0, 0), |(length, newest, _)| (*length, *newest))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// Of how many tenants anything is kept.
    #[cfg(test)]
    pub(crate) fn remembered(&self) -> usize {
        self.parties.len().max(self.resting.len())
    }

    /// Goes on to a round; who rests and had no turn in it starts afresh.
    fn move_on(&mut self, round: u64) {
        if round <= self.round {
            return;
        }
        self.round = round;
        for party in mem::take(&mut self.resting) {
            let Some(queue) = self.parties.get_mut(&party) else {
                continue;
            };
            let is_ahead = queue.round > round;
            if !queue.calls.is_empty() {
                queue.is_resting = false;
            } else if is_ahead {
                self.resting.push(party);
            } else {
                self.parties.remove(&party);
            }
        }
    }

    fn note_length(
        &mut self,
        party: Party,
        before: Option<(usize, u64)>,
        after: Option<(usize, u64)>,
    ) {
        if let Some((length, newest)) = before {
            self.lengths.remove(&(length, newest, party.clone()));
        }
        if let Some((length, newest)) = after {
            self.lengths.insert((length, newest, party));
        }
    }
}

// === impl Queue ===

impl Queue {
    /// How many calls wait, and the number of the newest; `None` if none does.
    fn length(&self) -> Option<(usize, u64)> {
        let (newest, _) = self.calls.last_key_value()?;
        Some((self.calls.len(), *newest))
    }
}
