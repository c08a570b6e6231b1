//! Asking again for a target that is dearer than what was set aside.

use std::sync::Arc;

use tower_claude_core::{Consider, Considering, Refusal, RefusalKind, Target};

use crate::keep::Keep;
use crate::money::Money;
use crate::permit::Pledge;
use crate::{Reserved, refuse};

/// What is set aside for a call, for those who choose its target.
pub(crate) struct Raise {
    pub(crate) books: Arc<dyn Keep + Send + Sync>,
    pub(crate) money: Money,
    pub(crate) pledge: Pledge,
}

// === impl Raise ===

impl Consider for Raise {
    fn consider(&self, target: &Target) -> Option<Considering> {
        let held = self.pledge.total();
        let most = self
            .money
            .most(Some(target), held.input_tokens, held.output_tokens);
        let Ok(most) = most else {
            let name = target.name();
            let message = format!("the model has no price at target {name}, and money is limited");
            let refusal = Refusal::new(RefusalKind::Forbidden, message);
            return Some(Box::pin(async { Err(refusal) }));
        };
        if most <= held.nano_dollars {
            return None;
        }
        let mut total = held;
        total.nano_dollars = most;
        let (pledge, books) = (self.pledge.clone(), Arc::clone(&self.books));
        Some(Box::pin(async move {
            let asked = [Some(pledge.ask(total)), pledge.ask_account(total)];
            for reservation in asked.into_iter().flatten() {
                match books.extend(reservation).await {
                    Ok(Reserved::Denied {
                        limit,
                        retry_after,
                        resets_in,
                        ..
                    }) => {
                        let owner = &pledge.subject.owner;
                        return Err(refuse::exhausted(owner, &limit, retry_after, resets_in));
                    }
                    Ok(Reserved::Never { limit, requested }) => {
                        return Err(refuse::never(&limit, requested));
                    }
                    // A store that is away does not stop what it has let begin.
                    Ok(Reserved::Granted { .. }) | Err(_) => {}
                }
            }
            pledge.raise_money(total.nano_dollars);
            Ok(())
        }))
    }
}
