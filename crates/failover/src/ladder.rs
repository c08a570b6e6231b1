use tower_claude_core::{ModelPattern, Target};

use crate::ModelClass;
use crate::model_fallbacks::Fallbacks;
use crate::slot::Slot;

/// What stands in for the models of one pattern, step by step.
#[derive(Clone, Debug)]
struct Ladder {
    asked: ModelPattern,
    rungs: Box<[Rung]>,
}

/// One model that stands in.
#[derive(Clone, Debug)]
struct Rung {
    model: Box<str>,
    class: ModelClass,
    /// The targets of the pool, in its order, as they are asked for this model.
    targets: Box<[Target]>,
}

/// Which rung of which ladder; `None` in its place is the model that was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    // Small: every permit has one.
    ladder: u16,
    rung: u16,
}

/// All ladders of a pool.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ladders(Box<[Ladder]>);

// === impl Ladders ===

impl Ladders {
    pub(crate) fn new(lists: Vec<Fallbacks>, slots: &[Slot]) -> Self {
        let ladder = |list: Fallbacks| Ladder {
            asked: list.asked,
            rungs: list
                .models
                .into_iter()
                .map(|model| Rung::new(model, slots))
                .collect(),
        };
        Self(lists.into_iter().map(ladder).collect())
    }

    /// Whether no model stands in for another.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The step that comes after another, or the first, for a call of a model.
    pub(crate) fn next(&self, asked: &str, after: Option<Step>) -> Option<Step> {
        let first = || {
            let ladder = self.0.iter().position(|ladder| ladder.asked.fits(asked))?;
            let ladder = u16::try_from(ladder).ok()?;
            Some(Step { ladder, rung: 0 })
        };
        let next = |step: Step| {
            let rung = step.rung.checked_add(1)?;
            Some(Step { rung, ..step })
        };
        let step = after.map_or_else(first, next)?;
        let ladder = self.0.get(usize::from(step.ladder))?;
        ladder.rungs.get(usize::from(step.rung))?;
        Some(step)
    }

    pub(crate) fn model(&self, step: Step) -> &str {
        &self.rung(step).model
    }

    pub(crate) fn class(&self, step: Step) -> ModelClass {
        self.rung(step).class
    }

    pub(crate) fn target(&self, step: Step, slot: usize) -> &Target {
        &self.rung(step).targets[slot]
    }

    fn rung(&self, step: Step) -> &Rung {
        &self.0[usize::from(step.ladder)].rungs[usize::from(step.rung)]
    }
}

// === impl Rung ===

impl Rung {
    fn new(model: Box<str>, slots: &[Slot]) -> Self {
        let targets = slots.iter();
        Self {
            class: ModelClass::of(&model),
            targets: targets
                .map(|slot| slot.target().clone().fallback(model.clone()))
                .collect(),
            model,
        }
    }
}
