//! A naive model of the queue: lists, no wakers, nothing ever forgotten.

use std::collections::HashMap;

use super::*;

#[derive(Default)]
pub(super) struct Model {
    pub(super) waiting: Vec<Entry>,
    /// In which round a tenant is due, and in which round its line is.
    due: HashMap<(Place, Party), u64>,
    rounds: HashMap<Place, u64>,
    number: u64,
}

pub(super) type Place = (Lane, u8);

#[derive(Clone, PartialEq)]
pub(super) struct Entry {
    place: Place,
    party: Party,
    pub(super) number: u64,
    had_turn: bool,
}

// === impl Model ===

impl Model {
    /// The number of the call that joined, and of the one that was sent away for it.
    pub(super) fn join(
        &mut self,
        most: usize,
        place: Place,
        party: Party,
    ) -> Result<(u64, Option<u64>), Full> {
        let mut victim = None;
        if self.waiting.len() == most {
            let own = self.length(place, &party);
            let worst = self.waiting.iter().max_by_key(|entry| {
                let length = self.length(entry.place, &entry.party);
                (entry.place.1, length, entry.number)
            });
            let worst = worst.cloned().unwrap();
            let length = self.length(worst.place, &worst.party);
            if worst.place.1 < place.1 || worst.place.1 == place.1 && length <= own + 1 {
                return Err(Full);
            }
            victim = Some(worst.number);
            self.take(worst.number);
        }
        self.number += 1;
        if self.length(place, &party) == 0 {
            let round = self.rounds.get(&place).copied().unwrap_or(0);
            let due = self.due.entry((place, party.clone())).or_default();
            *due = round.max(*due);
        }
        let number = self.number;
        self.waiting.push(Entry {
            place,
            party,
            number,
            had_turn: false,
        });
        Ok((number, victim))
    }

    pub(super) fn poll(&mut self, number: u64) -> Poll<Result<(), Displaced>> {
        let Some(at) = self.waiting.iter().position(|entry| entry.number == number) else {
            return Poll::Ready(Err(Displaced));
        };
        let lane = self.waiting[at].place.0;
        if self.first(lane).map(|entry| entry.number) != Some(number) {
            return Poll::Pending;
        }
        self.waiting[at].had_turn = true;
        Poll::Ready(Ok(()))
    }

    pub(super) fn leave(&mut self, number: u64) {
        let Some(entry) = self.waiting.iter().find(|entry| entry.number == number) else {
            return;
        };
        if entry.had_turn {
            let due = self
                .due
                .entry((entry.place, entry.party.clone()))
                .or_default();
            let round = self.rounds.entry(entry.place).or_default();
            *round = (*round).max(*due);
            *due += 1;
        }
        self.take(number);
    }

    fn take(&mut self, number: u64) {
        let at = self.waiting.iter().position(|entry| entry.number == number);
        let place = self.waiting.remove(at.unwrap()).place;
        if self.waiting.iter().all(|entry| entry.place != place) {
            self.rounds.remove(&place);
            self.due.retain(|(other, _), _| *other != place);
        }
    }

    pub(super) fn first(&self, lane: Lane) -> Option<&Entry> {
        let in_lane = self.waiting.iter().filter(|entry| entry.place.0 == lane);
        let first_of_tenant = in_lane.filter(|entry| {
            !self.waiting.iter().any(|other| {
                (other.place, &other.party) == (entry.place, &entry.party)
                    && other.number < entry.number
            })
        });
        first_of_tenant.min_by_key(|entry| {
            let due = self.due[&(entry.place, entry.party.clone())];
            (entry.place.1, due, entry.number)
        })
    }

    fn length(&self, place: Place, party: &Party) -> usize {
        let same = |entry: &&Entry| (entry.place, &entry.party) == (place, party);
        self.waiting.iter().filter(same).count()
    }
}
