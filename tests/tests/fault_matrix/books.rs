use std::num::NonZeroU64;
use std::sync::{Arc, Mutex};

use tower_claude::core::{FailureKind, TenantId, Timestamp};
use tower_claude::failover::Health;
use tower_claude::pricing::{Cost, Price, PriceTable, Prices, Rate, Rates};
use tower_claude::token_budget::{
    BudgetStore as _, Limit, ManualClock, MemoryStore, Meter, Owner, Per, Plan, Plans, Subject,
};
use tower_claude::usage_meter::UsageRecord;
use tower_claude_testkit::ReportedUsage;
use tower_claude_testkit::fault_matrix::{Booking, FaultCase};

/// The ledger, the budget and the health of the targets of one stack.
pub(crate) struct Books {
    records: Arc<Mutex<Vec<Arc<UsageRecord>>>>,
    store: MemoryStore,
    plans: Plans,
    health: Health,
}

// === impl Books ===

impl Books {
    pub(crate) const TENANT: &str = "web";

    pub(crate) fn new(health: Health) -> Self {
        let plenty = NonZeroU64::new(1 << 50).unwrap();
        let plan = [Meter::Requests, Meter::InputTokens, Meter::OutputTokens]
            .into_iter()
            .map(|meter| Limit::new(meter, plenty, Per::Month))
            .chain([Limit::nano_dollars(plenty, Per::Month)])
            .fold(Plan::new("standard"), Plan::limit);
        Self {
            records: Arc::default(),
            store: MemoryStore::by_clock(ManualClock::new(Timestamp::now())),
            plans: Plans::for_all(plan).unwrap(),
            health,
        }
    }

    pub(crate) fn store(&self) -> MemoryStore {
        self.store.clone()
    }

    pub(crate) fn plans(&self) -> Plans {
        self.plans.clone()
    }

    /// Where the records go.
    pub(crate) fn sink(&self) -> impl Fn(Arc<UsageRecord>) + Clone + Send + Sync + use<> {
        let records = Arc::clone(&self.records);
        move |record| records.lock().unwrap().push(record)
    }

    pub(crate) async fn booking(&self) -> Booking {
        let plan = self.plans.get(None).unwrap();
        let subject = Subject::new(Owner::Tenant(TenantId::new(Self::TENANT).unwrap()));
        let spent = self.store.usage(&subject, &plan).await.unwrap();
        let records = self.records.lock().unwrap();
        let Some(record) = records.last() else {
            return Booking::default();
        };
        Booking {
            records: records.len(),
            attempts: record.attempt_log.len(),
            target: record
                .target
                .as_ref()
                .map(|target| target.name().to_owned()),
            outcome: record.outcome.as_str().to_owned(),
            error_type: record.error_type.as_deref().map(str::to_owned),
            usage_source: record.usage_source.as_str().to_owned(),
            cost: record.cost.map(Cost::pico_dollars),
            charged_requests: spent[0].spent,
            charged_input: spent[1].spent,
            charged_output: spent[2].spent,
            charged_cost: u128::from(spent[3].spent) * 1_000,
            is_held: spent.iter().any(|limit| limit.held > 0),
            first_target: self.first_target(),
        }
    }

    /// Whether the first target is in use, for how long not, and what went wrong there last.
    fn first_target(&self) -> String {
        let health = self.health.snapshot().swap_remove(0);
        let failure = health.last_failure.map_or("", FailureKind::as_str);
        match health.closed_for {
            None if failure.is_empty() => "in use".to_owned(),
            None => format!("in use, {failure}"),
            // How long that is depends on the day.
            Some(_) if !health.is_up && health.open_classes.is_empty() => {
                format!("account closed, {failure}")
            }
            Some(wait) => {
                let seconds = wait.as_millis().div_ceil(1_000);
                format!("closed for {seconds} s, {failure}")
            }
        }
    }
}

/// A tenth of a cent for each token of input, a cent for each of output.
pub(crate) fn prices() -> Prices {
    let rate = |dollars| Rate::per_million_tokens(dollars).unwrap();
    let price = Price::new(Rates::new(rate("1000"), rate("10000")));
    Prices::new(PriceTable::empty().price(FaultCase::MODEL, price))
}

/// What such usage costs, in pico-dollars.
pub(crate) fn dollars(usage: ReportedUsage) -> u128 {
    let (input, output) = (usage.input_tokens, usage.output_tokens);
    u128::from(input + 10 * output) * 1_000_000_000
}
