//! What the tests of this crate have in common.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::num::NonZeroU64;
use std::sync::Arc;

use http::{Request, Response};
use http_body_util::BodyExt as _;
use tower::{Layer as _, ServiceExt as _};
use tower_claude_core::{CallBody, Tenant, TenantId};
use tower_claude_testkit::{Answer, FakeClaude};
use tower_claude_token_budget::{
    Amounts, BudgetBody, BudgetStore, Limit, MemoryStore, Meter, Owner, Per, Plan, Plans,
    Reservation, ReservationId, Reserved, Settlement, Subject, TokenBudget, TokenBudgetLayer,
};

pub(crate) type Budgeted = TokenBudget<FakeClaude, MemoryStore>;
pub(crate) type Answered =
    Response<tower_claude_core::ResponseBody<BudgetBody<tower_claude_testkit::ScriptedBody>>>;

pub(crate) fn limit(meter: Meter, amount: u64) -> Limit {
    Limit::new(meter, NonZeroU64::new(amount).unwrap(), Per::Minute)
}

pub(crate) fn plan(limits: &[(Meter, u64)]) -> Plan {
    limits.iter().fold(Plan::new("p"), |plan, (meter, amount)| {
        plan.limit(limit(*meter, *amount))
    })
}

/// Limits of all meters that no test reaches by chance.
pub(crate) fn wide() -> Plan {
    plan(&[
        (Meter::Requests, 1_000),
        (Meter::InputTokens, 1_000_000),
        (Meter::OutputTokens, 1_000_000),
        (Meter::Tokens, 2_000_000),
    ])
}

pub(crate) fn subject(name: &str) -> Subject {
    Subject::new(owner(name))
}

pub(crate) fn owner(name: &str) -> Owner {
    Owner::Tenant(TenantId::new(name).unwrap())
}

pub(crate) fn tenant(name: &str) -> Tenant {
    Tenant::new(TenantId::new(name).unwrap())
}

/// A store under a plan for all, without a layer.
pub(crate) struct Till {
    pub(crate) store: MemoryStore,
    pub(crate) plan: Arc<Plan>,
}

impl Till {
    pub(crate) fn new(plan: Plan) -> Self {
        Self {
            store: MemoryStore::new(),
            plan: Arc::new(plan),
        }
    }

    pub(crate) fn reservation(&self, name: &str, amounts: Amounts) -> Reservation {
        let id = ReservationId::generate();
        Reservation::new(id, subject(name), Arc::clone(&self.plan), amounts)
    }

    pub(crate) async fn reserve(&self, name: &str, amounts: Amounts) -> (ReservationId, Reserved) {
        let reservation = self.reservation(name, amounts);
        let id = reservation.id;
        (id, self.store.reserve(reservation).await.unwrap())
    }

    pub(crate) async fn granted(&self, name: &str, amounts: Amounts) -> ReservationId {
        let (id, answer) = self.reserve(name, amounts).await;
        assert!(matches!(answer, Reserved::Granted { .. }), "{answer:?}");
        id
    }

    pub(crate) fn settle(&self, name: &str, id: ReservationId, amounts: Amounts) {
        let plan = Arc::clone(&self.plan);
        self.store
            .settle(Settlement::new(id, subject(name), plan, amounts));
    }

    /// Spent and held of each limit.
    pub(crate) async fn books(&self, name: &str) -> Vec<(u64, u64)> {
        books(&self.store, &subject(name), &self.plan).await
    }
}

pub(crate) async fn books(
    store: &MemoryStore,
    subject: &Subject,
    plan: &Arc<Plan>,
) -> Vec<(u64, u64)> {
    let usage = store.usage(subject, plan).await.unwrap();
    usage
        .iter()
        .map(|limit| (limit.spent, limit.held))
        .collect()
}

/// A layer of one plan around a fake, and the store behind it.
pub(crate) struct Stack {
    pub(crate) store: MemoryStore,
    pub(crate) fake: FakeClaude,
    pub(crate) service: Budgeted,
    pub(crate) plan: Arc<Plan>,
}

impl Stack {
    pub(crate) fn new(plan: Plan, fake: FakeClaude) -> Self {
        let store = MemoryStore::new();
        let plans = Plans::for_all(plan).unwrap();
        Self {
            plan: plans.get(None).unwrap(),
            service: TokenBudgetLayer::new(store.clone(), plans).layer(fake.clone()),
            store,
            fake,
        }
    }

    pub(crate) fn answering(answer: Answer) -> Self {
        Self::new(wide(), FakeClaude::sequence([answer]))
    }

    pub(crate) async fn call(&self, request: Request<CallBody>) -> Answered {
        self.service.clone().oneshot(request).await.unwrap()
    }

    /// Spent and held of each limit of nobody's budget.
    pub(crate) async fn books(&self) -> Vec<(u64, u64)> {
        books(&self.store, &Subject::new(Owner::Anonymous), &self.plan).await
    }

    /// What nobody's budget has spent under [`wide`]: requests, input, output. Nothing may be
    /// held any more.
    pub(crate) async fn spent(&self) -> (u64, u64, u64) {
        let books = self.books().await;
        assert!(books.iter().all(|(_, held)| *held == 0), "{books:?}");
        assert_eq!(books[3].0, books[1].0 + books[2].0, "tokens are the sum");
        (books[0].0, books[1].0, books[2].0)
    }
}

pub(crate) fn messages(max_tokens: u64, stream: bool) -> Request<CallBody> {
    let body = format!(
        r#"{{"model":"claude-opus-5-5","max_tokens":{max_tokens},"stream":{stream},"messages":[{{"role":"user","content":"When does the gate open?"}}]}}"#
    );
    Request::post("/v1/messages").body(body.into()).unwrap()
}

/// The estimate of the input of [`messages`].
pub(crate) const ESTIMATE: u64 = 32;

pub(crate) fn of(tenant: Tenant, mut request: Request<CallBody>) -> Request<CallBody> {
    request.extensions_mut().insert(tenant);
    request
}

pub(crate) async fn text(response: Answered) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub(crate) async fn json(response: Answered) -> serde_json::Value {
    serde_json::from_str(&text(response).await).unwrap()
}

/// A rate limit header of ours.
pub(crate) fn header<'a, B>(response: &'a Response<B>, name: &str) -> &'a str {
    let name = format!("anthropic-ratelimit-{name}");
    response
        .headers()
        .get(&name)
        .unwrap_or_else(|| panic!("no {name}"))
        .to_str()
        .unwrap()
}
