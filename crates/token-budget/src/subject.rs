use std::sync::Arc;

use tower_claude_core::{Attribution, Call};

use crate::{LimitScope, Owner, Plan};

/// Who pays for a call: the owner of the budget, and whom of it limits tell apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Subject {
    /// Whose budget it is.
    pub owner: Owner,
    /// For limits of [`LimitScope::User`]; those without one share one limit.
    pub user: Option<Arc<str>>,
    /// For limits of [`LimitScope::Feature`]; those without one share one limit.
    pub feature: Option<Arc<str>>,
    /// For limits of [`LimitScope::Model`]; those without one share one limit.
    pub model: Option<Arc<str>>,
}

// === impl Subject ===

impl Subject {
    /// All calls of an owner, none told apart.
    #[must_use]
    pub const fn new(owner: Owner) -> Self {
        Self {
            owner,
            user: None,
            feature: None,
            model: None,
        }
    }

    /// For one user.
    #[must_use]
    pub fn user(mut self, user: impl Into<Arc<str>>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// For one feature.
    #[must_use]
    pub fn feature(mut self, feature: impl Into<Arc<str>>) -> Self {
        self.feature = Some(feature.into());
        self
    }

    /// For one model.
    #[must_use]
    pub fn model(mut self, model: impl Into<Arc<str>>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// Of a call, as far as the limits of the plan tell calls apart.
    pub(crate) fn of_call(owner: Owner, call: &Call, plan: &Plan) -> Self {
        let has = |scope| plan.limits().iter().any(|limit| limit.scope == scope);
        let Attribution { user, feature, .. } = call.attribution();
        let mut subject = Self::new(owner);
        if has(LimitScope::User) {
            subject.user = user.as_deref().map(Arc::from);
        }
        if has(LimitScope::Feature) {
            subject.feature = feature.as_deref().map(Arc::from);
        }
        if has(LimitScope::Model) {
            subject.model = call.model().map(Arc::from);
        }
        subject
    }

    /// Whom a limit of this scope is for; `None` for what all calls of the owner share, and
    /// within it for those without a name.
    pub(crate) fn scoped(&self, scope: LimitScope) -> Option<Option<&str>> {
        match scope {
            LimitScope::Tenant | LimitScope::Account => None,
            LimitScope::User => Some(self.user.as_deref()),
            LimitScope::Feature => Some(self.feature.as_deref()),
            LimitScope::Model => Some(self.model.as_deref()),
        }
    }
}
