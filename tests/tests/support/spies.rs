//! The layers, with every seam taken by somebody who shows what passes through it.

use std::future::{Ready, ready};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use tower_claude::capture::{CaptureSink, Captured, Redactor};
use tower_claude::core::{Call, Failure, Refusal, Target, Tenant, TenantId};
use tower_claude::failover::{Candidate, Order};
use tower_claude::retry::{AttemptContext, Classify, DefaultClassify, Verdict};
use tower_claude::tenant_auth::{Authenticate, Credential, KeyDigest, StaticKeys};
use tower_claude::token_budget::{
    BudgetStore, DefaultEstimate, Estimate, Estimated, Limit, LimitUsage, MemoryStore, Meter, Per,
    Plan, Plans, Reservation, Reserved, Settlement, StoreError, Subject,
};
use tower_claude::usage_meter::{Tally, UsageRecord, UsageSink};
use tower_claude::{
    AuthorizeLayer, CaptureLayer, FailoverLayer, RetryLayer, TenantAuthLayer, TokenBudgetLayer,
    UsageMeterLayer,
};

use super::evidence::{Evidence, TENANT_KEY, TENANT_TOKEN};
use super::intake;

/// A store of budgets that shows what it is told and what it says.
#[derive(Debug)]
pub(crate) struct SpyStore {
    store: MemoryStore,
    evidence: Evidence,
}

pub(crate) fn auth(
    evidence: &Evidence,
) -> TenantAuthLayer<impl Fn(Credential) -> Ready<Result<Tenant, Refusal>> + 'static> {
    let tenant = Tenant::new(TenantId::new("web").unwrap())
        .plan("standard")
        .models(["claude-*".into()]);
    let keys = [TENANT_KEY, TENANT_TOKEN].map(|key| (KeyDigest::of(key), tenant.clone()));
    let keys = StaticKeys::new(keys).unwrap();
    let evidence = evidence.clone();
    TenantAuthLayer::new(move |credential: Credential| {
        evidence.shown("StaticKeys", &keys);
        evidence.shown("Credential", &credential);
        keys.authenticate(credential)
    })
}

pub(crate) fn meter(evidence: &Evidence) -> UsageMeterLayer<impl UsageSink + 'static> {
    let (evidence, tally) = (evidence.clone(), Tally::new());
    let sink = move |record: Arc<UsageRecord>| {
        evidence.shown("UsageRecord", &record);
        evidence.written("ledger line", serde_json::to_string(&*record).unwrap());
        tally.record(record);
        evidence.shown("Tally", &tally);
        evidence.shown("Snapshot", &tally.snapshot());
    };
    UsageMeterLayer::new(sink).intake(small())
}

/// What it writes is what was said; nothing of it may be shown on the way.
pub(crate) fn capture(evidence: &Evidence) -> CaptureLayer<impl CaptureSink + 'static> {
    let evidence = evidence.clone();
    let sink = move |captured: Captured| {
        evidence.shown("Captured", &captured);
        evidence.shown("CaptureRecord", &captured.redact());
    };
    CaptureLayer::new(Redactor::standard(), sink).intake(small())
}

pub(crate) fn authorize() -> AuthorizeLayer {
    AuthorizeLayer::new().intake(small())
}

pub(crate) fn budget(
    evidence: &Evidence,
) -> TokenBudgetLayer<SpyStore, impl Estimate + Send + Sync + 'static> {
    let most = NonZeroU64::new(100_000).unwrap();
    let plan = Plan::new("standard")
        .limit(Limit::new(Meter::Requests, NonZeroU64::MIN, Per::Minute))
        .limit(Limit::new(Meter::OutputTokens, most, Per::Minute));
    let plans = Plans::for_all(plan.clone()).unwrap();
    evidence.shown("Plans", &plans);
    let store = SpyStore {
        store: MemoryStore::new(),
        evidence: evidence.clone(),
    };
    let evidence = evidence.clone();
    let estimate = move |call: &Call| -> Estimated {
        evidence.shown("Call", call);
        evidence.shown("Attribution", call.attribution());
        evidence.shown("ContentSizes", &call.sizes());
        DefaultEstimate::default().estimate(call)
    };
    TokenBudgetLayer::new(store, plans)
        .estimate(estimate)
        .intake(small())
}

pub(crate) fn failover(
    evidence: &Evidence,
) -> FailoverLayer<impl Fn(&Call, Option<&Tenant>, &[Candidate<'_>]) -> Order + 'static> {
    let targets = [Target::new("first"), Target::new("second").priority(1)];
    let evidence = evidence.clone();
    let layer = FailoverLayer::new(targets).unwrap().intake(small());
    let health = layer.health();
    layer.route(
        move |call: &Call, tenant: Option<&Tenant>, targets: &[Candidate<'_>]| -> Order {
            evidence.shown("Call", call);
            evidence.shown("Tenant", &tenant);
            evidence.shown("Candidate", targets);
            evidence.shown("Health", &health);
            (0..targets.len()).collect()
        },
    )
}

pub(crate) fn retry(
    evidence: &Evidence,
) -> RetryLayer<impl Fn(&AttemptContext<'_>, &Failure) -> Verdict + 'static> {
    let evidence = evidence.clone();
    let classify = move |attempt: &AttemptContext<'_>, failure: &Failure| {
        evidence.shown("AttemptContext", attempt);
        evidence.shown("Failure", failure);
        DefaultClassify::new().classify(attempt, failure)
    };
    RetryLayer::new(classify)
        .base(Duration::ZERO)
        .intake(small())
}

/// Bodies of a few KB.
fn small() -> tower_claude::core::Intake {
    intake().body_limit(4096)
}

// === impl SpyStore ===

impl SpyStore {
    fn spy(&self, reserved: Ready<Result<Reserved, StoreError>>) -> Result<Reserved, StoreError> {
        let reserved = reserved.into_inner();
        self.evidence.shown("Reserved", &reserved);
        self.evidence.shown("MemoryStore", &self.store);
        reserved
    }
}

impl BudgetStore for SpyStore {
    type Reserve = Ready<Result<Reserved, StoreError>>;
    type Usage = Ready<Result<Vec<LimitUsage>, StoreError>>;

    fn reserve(&self, reservation: Reservation) -> Self::Reserve {
        self.evidence.shown("Reservation", &reservation);
        ready(self.spy(self.store.reserve(reservation)))
    }

    fn extend(&self, total: Reservation) -> Self::Reserve {
        self.evidence.shown("Reservation", &total);
        ready(self.spy(self.store.extend(total)))
    }

    fn settle(&self, settlement: Settlement) {
        self.evidence.shown("Settlement", &settlement);
        self.store.settle(settlement);
    }

    fn usage(&self, subject: &Subject, plan: &Arc<Plan>) -> Self::Usage {
        self.store.usage(subject, plan)
    }
}
