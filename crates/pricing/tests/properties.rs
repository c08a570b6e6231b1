//! What holds for every usage and every model.

mod support;

use proptest::prelude::*;
use support::{today, usage};
use tower_claude_core::Usage;
use tower_claude_pricing::{Call, Cost, PriceTable, Unpriced};

const MODELS: &[&str] = &[
    "claude-fable-5-2",
    "claude-opus-5-5",
    "claude-opus-4-8",
    "claude-sonnet-5-5",
    "claude-haiku-5-5",
    "claude-haiku-4-5",
    "claude-3-haiku",
];

/// Counts, in the order of [`with_counts`].
type Counts = [u64; 6];

fn model() -> impl Strategy<Value = &'static str> {
    prop::sample::select(MODELS)
}

fn word(words: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop::sample::select(words)
}

fn counts() -> impl Strategy<Value = Counts> {
    prop::array::uniform6(0..=2_000_000_u64)
}

/// Usage with a consistent cache split, as upstream reports it.
fn with_counts([input, output, write_5m, write_1h, read, searches]: Counts) -> Usage {
    let mut usage = Usage::default();
    usage.input_tokens = Some(input);
    usage.output_tokens = Some(output);
    usage.cache_creation_input_tokens = Some(write_5m + write_1h);
    usage.cache_creation_5m_input_tokens = Some(write_5m);
    usage.cache_creation_1h_input_tokens = Some(write_1h);
    usage.cache_read_input_tokens = Some(read);
    usage.web_search_requests = Some(searches);
    usage
}

fn cost(model: &str, usage: &Usage) -> Result<Cost, Unpriced> {
    PriceTable::builtin().cost(&Call::new(model, today()), usage)
}

/// JSON of any count: present, absent, null or absurd.
fn count() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<u64>().prop_map(|count| count.to_string()),
        (0..200_000_u64).prop_map(|count| count.to_string()),
        Just("0".to_owned()),
        Just("null".to_owned()),
        Just("-1".to_owned()),
    ]
}

/// The fields of any usage or iteration, without the braces.
fn fields() -> impl Strategy<Value = String> {
    (
        prop::array::uniform7(count()),
        word(&["standard", "batch", "priority", "x"]),
        word(&["standard", "fast", "x"]),
        word(&["us", "global", "not_available", "x"]),
    )
        .prop_map(|([a, b, c, d, e, f, g], tier, speed, geo)| {
            format!(
                r#""input_tokens": {a}, "output_tokens": {b}, "cache_read_input_tokens": {c},
                "cache_creation_input_tokens": {d}, "cache_creation":
                {{"ephemeral_5m_input_tokens": {e}, "ephemeral_1h_input_tokens": {f}}},
                "server_tool_use": {{"web_search_requests": {g}}}, "service_tier": "{tier}",
                "speed": "{speed}", "inference_geo": "{geo}""#
            )
        })
}

fn iteration() -> impl Strategy<Value = String> {
    let kinds = &[
        "message",
        "message",
        "fallback_message",
        "compaction",
        "advisor_message",
        "x",
    ];
    (word(kinds), model(), fields()).prop_map(|(kind, model, fields)| {
        format!(r#"{{"type": "{kind}", "model": "{model}", {fields}}}"#)
    })
}

fn answer() -> impl Strategy<Value = String> {
    (
        fields(),
        prop::option::of(prop::collection::vec(iteration(), 0..5)),
    )
        .prop_map(|(fields, iterations)| {
            let iterations = iterations.map_or("null".to_owned(), |i| format!("[{}]", i.join(",")));
            format!(r#"{{{fields}, "iterations": {iterations}}}"#)
        })
}

proptest! {
    #[test]
    fn never_panics(
        json in answer(),
        served in prop_oneof![model().prop_map(str::to_owned), ".*"],
        refused: bool,
        batch: bool,
    ) {
        let call = Call::new(&served, today()).refused(refused).batch(batch).asked(&served);
        let table = PriceTable::builtin();
        let _ = table.cost(&call, &usage(&json));
        let _ = table.is_priced(&served);
    }

    #[test]
    fn never_panics_on_counts_beyond_reason(counts in prop::array::uniform6(any::<u32>()), model in model()) {
        let mut usage = with_counts(counts.map(u64::from));
        usage.input_tokens = Some(u64::MAX);
        usage.output_tokens = Some(u64::MAX);
        usage.cache_creation_1h_input_tokens = Some(u64::MAX);
        usage.web_search_requests = Some(u64::MAX);
        prop_assert!(cost(model, &usage).is_ok());
        let call = Call::new(model, today());
        prop_assert!(PriceTable::builtin().worst_case(&call, u64::MAX, u64::MAX).is_ok());
    }

    #[test]
    fn more_of_anything_never_costs_less(
        counts in counts(),
        which in 0..6_usize,
        more in 0..2_000_000_u64,
        model in model(),
    ) {
        let mut raised = counts;
        raised[which] += more;
        prop_assert!(cost(model, &with_counts(counts))? <= cost(model, &with_counts(raised))?);
    }

    #[test]
    fn the_lifetime_of_a_write_can_only_raise_its_cost(
        written in 0..1_000_000_u64,
        hour in 0..1_000_000_u64,
        model in model(),
    ) {
        let mut usage = with_counts([0; 6]);
        usage.cache_creation_input_tokens = Some(written);
        usage.cache_creation_5m_input_tokens = None;
        usage.cache_creation_1h_input_tokens = Some(hour);
        let one = cost(model, &usage)?;
        usage.cache_creation_1h_input_tokens = Some(hour + 1);
        prop_assert!(one <= cost(model, &usage)?);
    }

    #[test]
    fn two_answers_cost_what_their_sum_does_where_length_does_not_matter(
        a in counts(),
        b in counts(),
        model in model().prop_filter("has a length tier", |model| *model != "claude-haiku-5-5"),
    ) {
        let both: Vec<u64> = a.iter().zip(b).map(|(a, b)| a + b).collect();
        let both = with_counts(both.try_into().unwrap());
        let apart = [cost(model, &with_counts(a))?, cost(model, &with_counts(b))?];
        prop_assert_eq!(apart.iter().sum::<Cost>(), cost(model, &both)?);
    }

    #[test]
    fn iterations_cost_what_they_cost_apart(a in counts(), b in counts(), model in model()) {
        let turn = |[input, output, write_5m, write_1h, read, _]: Counts| format!(
            r#"{{"type": "message", "input_tokens": {input}, "output_tokens": {output},
            "cache_creation": {{"ephemeral_5m_input_tokens": {write_5m},
            "ephemeral_1h_input_tokens": {write_1h}}}, "cache_read_input_tokens": {read}}}"#
        );
        let json = format!(r#"{{"iterations": [{}, {}]}}"#, turn(a), turn(b));
        let apart = [cost(model, &usage(&turn(a)))?, cost(model, &usage(&turn(b)))?];
        prop_assert_eq!(apart.iter().sum::<Cost>(), cost(model, &usage(&json))?);
    }

    #[test]
    fn no_answer_within_its_reservation_costs_more(counts in counts(), model in model()) {
        let [input, output, write_5m, write_1h, read, _] = counts;
        let answer = with_counts([input, output, write_5m, write_1h, read, 0]);
        let call = Call::new(model, today());
        let prompt = input + write_5m + write_1h + read;
        let most = PriceTable::builtin().worst_case(&call, prompt, output)?;
        prop_assert!(cost(model, &answer)? <= most);
    }

    #[test]
    fn a_cost_reads_back_as_it_prints(pico_dollars: u128) {
        let cost = Cost::from_pico_dollars(pico_dollars);
        prop_assert_eq!(cost.to_string().parse::<Cost>(), Ok(cost));
    }
}
