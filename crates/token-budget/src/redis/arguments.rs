//! What scripts are told, and how their answers are read.

use std::time::Duration;

use redis::Value;

use crate::redis::script::{Script, ScriptCall};
use crate::{
    Algorithm, Amounts, Limit, LimitMode, LimitScope, LimitUsage, Meter, Owner, Per, Plan,
    Reservation, Reserved, Settlement, Standing, Standings, StoreError, Subject,
};

/// How the store names its keys, and how long it keeps what.
#[derive(Clone, Debug)]
pub(crate) struct Naming {
    /// What all keys begin with.
    pub(crate) prefix: Box<str>,
    /// How long a hold is kept that nobody renews, in milliseconds.
    pub(crate) hold: u64,
    /// How long the end of a call is remembered, in milliseconds.
    pub(crate) grace: u64,
}

/// What tells the books of each key from those that were lost, in the order of the keys.
pub(crate) type Generations = Vec<Box<[u8]>>;

/// The keys of one call: those of the owner, then those of its counters.
struct Keys {
    keys: Vec<String>,
    /// For each limit, which of the keys its counter is in, counted from 1.
    of_limit: Vec<usize>,
}

/// An answer of the reserve script.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) reserved: Reserved,
    pub(crate) generations: Generations,
}

// === impl Naming ===

impl Naming {
    /// The call of a script that sets aside or raises.
    pub(crate) fn reserve(
        &self,
        script: &'static Script,
        verb: &str,
        reservation: &Reservation,
        now: Option<u64>,
    ) -> ScriptCall {
        let keys = self.keys(&reservation.subject, &reservation.plan);
        let mut call = keys.call(script);
        call.arg(verb);
        call.arg(&reservation.id.to_string());
        time(&mut call, now);
        let hold = millis(reservation.hold_for).min(self.hold);
        call.arg(&hold.to_string());
        call.arg(&self.grace.to_string());
        call.arg(&millis(reservation.lasting).to_string());
        amounts(&mut call, &reservation.amounts);
        amounts(&mut call, &reservation.certain);
        keys.limits(&mut call, &reservation.plan);
        call
    }

    pub(crate) fn settle(
        &self,
        script: &'static Script,
        settlement: &Settlement,
        now: Option<u64>,
    ) -> ScriptCall {
        let keys = self.keys(&settlement.subject, &settlement.plan);
        let mut call = keys.call(script);
        call.arg(&settlement.id.to_string());
        time(&mut call, now);
        call.arg(&self.hold.to_string());
        call.arg(&self.grace.to_string());
        amounts(&mut call, &settlement.amounts);
        keys.limits(&mut call, &settlement.plan);
        call
    }

    pub(crate) fn usage(
        &self,
        script: &'static Script,
        subject: &Subject,
        plan: &Plan,
        now: Option<u64>,
    ) -> ScriptCall {
        let keys = self.keys(subject, plan);
        let mut call = keys.call(script);
        time(&mut call, now);
        call.arg(&self.hold.to_string());
        call.arg(&self.grace.to_string());
        keys.limits(&mut call, plan);
        call
    }

    pub(crate) fn sweep(
        &self,
        script: &'static Script,
        owner: &Owner,
        now: Option<u64>,
    ) -> ScriptCall {
        let mut call = self.owner_keys(owner).call(script);
        time(&mut call, now);
        call.arg(&self.hold.to_string());
        call.arg(&self.grace.to_string());
        call
    }

    /// All keys of an owner have one hash tag, so that they are in one slot of a cluster. No
    /// tenant can be called as the others are: names of tenants have no `@`.
    fn owner_keys(&self, owner: &Owner) -> Keys {
        let prefix = &self.prefix;
        let tag = match owner {
            Owner::Tenant(id) => format!("{prefix}:{{{id}}}:"),
            Owner::Anonymous => format!("{prefix}:{{@anonymous}}:"),
            Owner::Account => format!("{prefix}:{{@account}}:"),
        };
        Keys {
            keys: vec![format!("{tag}r"), format!("{tag}d")],
            of_limit: Vec::new(),
        }
    }

    fn keys(&self, subject: &Subject, plan: &Plan) -> Keys {
        let mut keys = self.owner_keys(&subject.owner);
        let records = &keys.keys[0];
        let tag = records[..records.len() - 1].to_owned();
        for limit in plan.limits() {
            let name = subject.scoped(limit.scope).flatten().unwrap_or_default();
            let name = name
                .get(..name.floor_char_boundary(LONGEST_NAME))
                .unwrap_or_default();
            let key = match limit.scope {
                LimitScope::User => format!("{tag}u:{name}"),
                LimitScope::Feature => format!("{tag}f:{name}"),
                LimitScope::Model => format!("{tag}m:{name}"),
                _ => format!("{tag}b"),
            };
            let known = keys.keys.iter().position(|other| *other == key);
            let index = known.unwrap_or_else(|| {
                keys.keys.push(key);
                keys.keys.len() - 1
            });
            keys.of_limit.push(index + 1);
        }
        keys
    }
}

// === impl Keys ===

impl Keys {
    fn call(&self, script: &'static Script) -> ScriptCall {
        ScriptCall::new(script, &self.keys)
    }

    fn limits(&self, call: &mut ScriptCall, plan: &Plan) {
        for (limit, key) in plan.limits().iter().zip(&self.of_limit) {
            call.arg(&key.to_string());
            call.arg(&field(limit));
            call.arg(meter(limit.meter));
            call.arg(kind(limit));
            call.arg(&limit.window_millis().to_string());
            call.arg(&limit.amount.to_string());
            call.arg(&limit.capacity().to_string());
            call.arg(match limit.mode {
                LimitMode::Enforce => "enforce",
                LimitMode::Warn => "warn",
            });
        }
    }
}

/// Reads what the reserve script answers.
pub(crate) fn read_reserved(plan: &Plan, value: Value) -> Result<Answer, StoreError> {
    let Value::Array(parts) = value else {
        return Err(unread());
    };
    let mut parts = parts.into_iter();
    let (Some(Value::Array(numbers)), generations) = (parts.next(), parts.next()) else {
        return Err(unread());
    };
    let numbers: Vec<u64> = numbers
        .iter()
        .map(number)
        .collect::<Option<_>>()
        .ok_or_else(unread)?;
    let [status, obstacle, wait, resets_in, rest @ ..] = numbers.as_slice() else {
        return Err(unread());
    };
    let mut standings = Standings::new();
    // Where the plan has changed since, it is not its limits that are told of.
    if rest.len() == 3 * plan.limits().len() {
        for standing in rest.chunks_exact(3) {
            standings.push(Standing::of_millis(
                standing[0],
                standing[1],
                standing[2] == 1,
            ));
        }
    }
    let reserved = match status {
        1 | 2 => Reserved::Granted { standings },
        0 => {
            let index = usize::try_from(obstacle.saturating_sub(1)).unwrap_or(usize::MAX);
            let limit = plan.limits().get(index).or(plan.limits().first());
            Reserved::Denied {
                limit: *limit.ok_or_else(unread)?,
                retry_after: Duration::from_millis(*wait),
                resets_in: Duration::from_millis(*resets_in),
                standings,
            }
        }
        _ => return Err(unread()),
    };
    Ok(Answer {
        reserved,
        generations: read_generations(generations),
    })
}

/// Reads what the settle script answers: whether the id was known, and the generations.
pub(crate) fn read_settled(value: Value) -> Option<(u64, Generations)> {
    let Value::Array(parts) = value else {
        return None;
    };
    let mut parts = parts.into_iter();
    let code = number(&parts.next()?)?;
    Some((code, read_generations(parts.next())))
}

/// Reads what the usage script answers: how the limits stand, and the generations.
pub(crate) fn read_usage(
    plan: &Plan,
    value: Value,
) -> Result<(Vec<LimitUsage>, Generations), StoreError> {
    let Value::Array(parts) = value else {
        return Err(unread());
    };
    let mut parts = parts.into_iter();
    let (Some(Value::Array(numbers)), generations) = (parts.next(), parts.next()) else {
        return Err(unread());
    };
    let numbers: Option<Vec<u64>> = numbers.iter().map(number).collect();
    let numbers = numbers.ok_or_else(unread)?;
    let limits = plan.limits().iter().zip(numbers.chunks_exact(3));
    let usage = limits
        .map(|(limit, is)| LimitUsage::new(*limit, is[0], is[1], Duration::from_millis(is[2])));
    Ok((usage.collect(), read_generations(generations)))
}

fn read_generations(value: Option<Value>) -> Generations {
    let Some(Value::Array(items)) = value else {
        return Vec::new();
    };
    let text = |item| match item {
        Value::BulkString(bytes) => bytes.into_boxed_slice(),
        Value::SimpleString(text) => text.into_bytes().into_boxed_slice(),
        _ => Box::default(),
    };
    items.into_iter().map(text).collect()
}

fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Int(number) => Some(u64::try_from(*number).unwrap_or(0)),
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok()?.parse().ok(),
        _ => None,
    }
}

fn unread() -> StoreError {
    StoreError::new("Redis answered what the scripts never answer")
}

fn time(call: &mut ScriptCall, now: Option<u64>) {
    match now {
        Some(now) => call.arg(&now.to_string()),
        None => call.arg(""),
    }
}

fn amounts(call: &mut ScriptCall, amounts: &Amounts) {
    for meter in METERS {
        // No more than a double holds exactly.
        call.arg(&amounts.of(meter).min(crate::books::MOST).to_string());
    }
}

/// Callers choose names; those that begin alike for so many bytes share a limit.
const LONGEST_NAME: usize = 200;

/// In the order of the scripts' amounts.
const METERS: [Meter; 6] = [
    Meter::Requests,
    Meter::Concurrency,
    Meter::InputTokens,
    Meter::OutputTokens,
    Meter::Tokens,
    Meter::Usd,
];

const fn meter(meter: Meter) -> &'static str {
    match meter {
        Meter::Requests => "1",
        Meter::Concurrency => "2",
        Meter::InputTokens => "3",
        Meter::OutputTokens => "4",
        Meter::Tokens => "5",
        Meter::Usd => "6",
    }
}

const fn kind(limit: &Limit) -> &'static str {
    match (limit.per, limit.algorithm) {
        (None, _) => "c",
        (Some(Per::Day), _) => "d",
        (Some(Per::Month), _) => "m",
        (_, Algorithm::Bucket { .. }) => "b",
        (_, Algorithm::Sliding) => "s",
    }
}

/// The name of a limit's counter within its key.
fn field(limit: &Limit) -> String {
    let per = limit.per.map_or("", Per::as_str);
    let bucket = match limit.algorithm {
        Algorithm::Bucket { .. } => "~",
        Algorithm::Sliding => "",
    };
    format!("{}/{per}{bucket}", limit.meter.as_str())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
