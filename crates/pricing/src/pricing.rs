use tower_claude_core::{Iteration, IterationKind, Usage};

use crate::bill::Bill;
use crate::call::Call;
use crate::cost::Cost;
use crate::model_id::model_name;
use crate::price_table::PriceTable;
use crate::terms::Terms;
use crate::tokens::Tokens;
use crate::unpriced::Unpriced;

// === impl PriceTable ===

impl PriceTable {
    /// What an answer costs, exactly.
    ///
    /// The rules are those of the crate documentation. The result is a whole number of
    /// pico-dollars; only a multiplier of your own can leave a fraction, which is rounded up
    /// once, over the whole answer.
    ///
    /// # Errors
    ///
    /// When anything that bears on the price is not known; see [`Unpriced`].
    pub fn cost(&self, call: &Call<'_>, usage: &Usage) -> Result<Cost, Unpriced> {
        let parts = usage.iterations.iter().flatten();
        if let Some(unknown) = parts
            .map(|part| &part.usage)
            .chain([usage])
            .find_map(|usage| usage.unknown.as_deref())
        {
            return Err(Unpriced::UnknownUsage(unknown.into()));
        }
        let mut bill = Bill::default();
        match usage.iterations.as_deref() {
            Some(iterations @ [_, ..]) => {
                self.add_iterations(&mut bill, call, usage, iterations)?;
            }
            _ if call.refused && usage.output_tokens == Some(0) => return Ok(Cost::ZERO),
            _ => self.add_part(&mut bill, call, usage, usage, None)?,
        }
        self.add_web_searches(&mut bill, call, usage)?;
        Ok(bill.total())
    }

    /// The most that a call can cost, to reserve before it is sent.
    ///
    /// Takes all input at its dearest class, a cache write for one hour, and all the output that
    /// `max_tokens` allows, on the length tier of `input_tokens`; in fast mode and in the United
    /// States if the call says so. Give an upper estimate of the input.
    ///
    /// What `max_tokens` does not bound is not in it: advisors, compaction, further turns of
    /// server tools, web searches, and fallbacks to a dearer model.
    ///
    /// # Errors
    ///
    /// When the model has no price.
    pub fn worst_case(
        &self,
        call: &Call<'_>,
        input_tokens: u64,
        max_tokens: u64,
    ) -> Result<Cost, Unpriced> {
        let price = self.serving(call)?;
        let terms = Terms::read(call, &Usage::default(), &Usage::default())?;
        let fast = terms.fast && !terms.batch && price.fast.is_some();
        let rates = price.rates_for(fast, input_tokens).unwrap_or(&price.rates);
        let cost = rates
            .dearest_input()
            .of(input_tokens)
            .saturating_add(rates.output.of(max_tokens));
        let mut bill = Bill::default();
        bill.tokens(cost, call, price, terms);
        Ok(bill.total())
    }

    fn add_iterations(
        &self,
        bill: &mut Bill,
        call: &Call<'_>,
        usage: &Usage,
        mut rest: &[Iteration],
    ) -> Result<(), Unpriced> {
        while !rest.is_empty() {
            let (attempt, after) = rest.split_at(attempt_length(rest, call));
            let declined = match after.first() {
                Some(next) => next.kind == IterationKind::Fallback,
                None => call.refused,
            };
            let turns = || attempt.iter().filter(|iteration| is_turn(iteration));
            let unbilled = declined && turns().all(|turn| turn.usage.output_tokens == Some(0));
            for iteration in attempt {
                match &iteration.kind {
                    IterationKind::Message | IterationKind::Fallback if unbilled => continue,
                    IterationKind::Message
                    | IterationKind::Fallback
                    | IterationKind::Compaction
                    | IterationKind::Advisor => {}
                    other => return Err(Unpriced::UnknownIterationKind(other.as_str().into())),
                }
                let model = iteration.model.as_deref();
                self.add_part(bill, call, usage, &iteration.usage, model)?;
            }
            rest = after;
        }
        Ok(())
    }

    fn add_part(
        &self,
        bill: &mut Bill,
        call: &Call<'_>,
        whole: &Usage,
        usage: &Usage,
        model: Option<&str>,
    ) -> Result<(), Unpriced> {
        let (model, price) = match model {
            Some(model) if model_name(model) != model_name(call.served) => {
                let price = self.find(model, call.at);
                let price = price.ok_or_else(|| Unpriced::UnknownModel(model.into()))?;
                (model, price)
            }
            _ => (call.served, self.serving(call)?),
        };
        let mut terms = Terms::read(call, usage, whole)?;
        // The answer's speed is that of the serving model; a part of another model, like a call
        // of which only the wish is known, cannot have run at a speed that is not offered.
        let speed_is_known =
            usage.speed.is_some() || (model == call.served && whole.speed.is_some());
        if !speed_is_known {
            terms.fast &= price.fast.is_some() && !terms.batch;
        }
        if terms.fast && terms.batch {
            return Err(Unpriced::FastInBatch);
        }
        let tokens = Tokens::read(usage)?;
        let rates = price
            .rates_for(terms.fast, tokens.prompt())
            .ok_or_else(|| Unpriced::FastNotOffered(model.into()))?;
        bill.tokens(tokens.cost(rates), call, price, terms);
        Ok(())
    }

    fn add_web_searches(
        &self,
        bill: &mut Bill,
        call: &Call<'_>,
        usage: &Usage,
    ) -> Result<(), Unpriced> {
        // The top level counts all of them; the parts are read only where it is silent.
        let searches = usage.web_search_requests.unwrap_or_else(|| {
            let iterations = usage.iterations.iter().flatten();
            iterations
                .filter_map(|iteration| iteration.usage.web_search_requests)
                .fold(0, u64::saturating_add)
        });
        if searches > 0 {
            bill.web_searches(self.serving(call)?.web_search.saturating_mul(searches));
        }
        Ok(())
    }
}

/// How many iterations belong to the first attempt: its turns, and what ran between them.
fn attempt_length(iterations: &[Iteration], call: &Call<'_>) -> usize {
    let mut last: Option<&Iteration> = None;
    for (at, iteration) in iterations.iter().enumerate() {
        if !is_turn(iteration) {
            continue;
        }
        if last.is_some_and(|last| starts_another_attempt(last, iteration, call)) {
            return at;
        }
        last = Some(iteration);
    }
    iterations.len()
}

/// Whether an iteration is a turn of the model that is to answer, not one of its helpers.
fn is_turn(iteration: &Iteration) -> bool {
    matches!(
        iteration.kind,
        IterationKind::Message | IterationKind::Fallback
    )
}

fn starts_another_attempt(last: &Iteration, next: &Iteration, call: &Call<'_>) -> bool {
    last.kind != next.kind
        || last.model.as_deref().unwrap_or(call.served)
            != next.model.as_deref().unwrap_or(call.served)
}
