//! Prices of one's own, renamed models, and reservations.

mod support;

use support::{call, today, usage};
use tower_claude_pricing::{
    Call, Cost, Day, LongPrompt, Platform, Price, PriceTable, Rate, Rates, Unpriced,
};

const MILLION: &str = r#"{"input_tokens": 1000000, "output_tokens": 1000000}"#;
const PROFILE: &str = "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc";

/// A price of so many dollars for a million of input, and nothing for output.
fn only_input(dollars: &str) -> Price {
    Price::new(Rates::new(
        Rate::per_million_tokens(dollars).expect("a rate"),
        Rate::FREE,
    ))
}

fn cost(table: &PriceTable, call: &Call<'_>) -> String {
    match table.cost(call, &usage(MILLION)) {
        Ok(cost) => cost.to_string(),
        Err(unpriced) => unpriced.reason().to_owned(),
    }
}

#[test]
fn the_usual_cache_prices_follow_from_the_input() {
    let rates = Rates::new(Rate::per_million_tokens("3").unwrap(), Rate::FREE);
    assert_eq!(rates.cache_write_5m.to_string(), "3.75");
    assert_eq!(rates.cache_write_1h.to_string(), "6");
    assert_eq!(rates.cache_read.to_string(), "0.3");
    let rates = rates
        .cache_write_5m(Rate::FREE)
        .cache_write_1h(Rate::FREE)
        .cache_read(Rate::FREE);
    assert_eq!(rates.cache_write_1h, Rate::FREE);
}

#[test]
fn a_price_of_ones_own_goes_before_the_built_in_one_from_its_day_on() {
    let day = Day::from_date(2026, 11, 1).unwrap();
    let table =
        PriceTable::builtin().price("claude-sonnet-5-5", only_input("1").effective_from(day));
    assert_eq!(cost(&table, &Call::new("claude-sonnet-5-5", day)), "1");
    let before = Day::from_date(2026, 10, 31).unwrap();
    assert_eq!(cost(&table, &Call::new("claude-sonnet-5-5", before)), "12");
}

#[test]
fn prices_of_ones_own_may_come_in_any_order_and_the_last_for_a_day_holds() {
    let (first, second) = (Day::EPOCH, Day::from_date(2026, 11, 1).unwrap());
    let table = PriceTable::empty()
        .price("m", only_input("2").effective_from(second))
        .price("m", only_input("9").effective_from(first))
        .price("m", only_input("1").effective_from(first));
    assert_eq!(cost(&table, &Call::new("m", first)), "1");
    assert_eq!(cost(&table, &Call::new("m", second)), "2");
}

#[test]
fn a_price_by_name_holds_for_every_id_of_the_model_and_an_exact_id_goes_first() {
    let table = PriceTable::builtin()
        .price("claude-opus-4-5", only_input("1"))
        .price("claude-opus-4-5-20251101", only_input("2"));
    assert_eq!(cost(&table, &call("claude-opus-4-5@20251101")), "1");
    assert_eq!(cost(&table, &call("claude-opus-4-5-20251101")), "2");
}

#[test]
fn a_name_that_the_answer_repeats_has_the_price_of_the_model_that_was_asked() {
    let table = PriceTable::builtin();
    let renamed = call("my-deployment")
        .asked("claude-opus-5-5")
        .sent("my-deployment");
    assert_eq!(cost(&table, &renamed), "24");
    let own = table.clone().price("my-deployment", only_input("1"));
    assert_eq!(cost(&own, &renamed), "1");
    let unsaid = call("my-deployment");
    assert_eq!(cost(&table, &unsaid), "unknown_model");
}

#[test]
fn another_model_that_answered_never_has_the_price_of_the_one_that_was_asked() {
    let table = PriceTable::builtin();
    let call = call("claude-opus-6")
        .asked("claude-opus-5-5")
        .sent("my-deployment");
    assert_eq!(cost(&table, &call), "unknown_model");
}

#[test]
fn a_price_for_exactly_what_was_sent_holds_unless_another_model_answered() {
    let table = PriceTable::builtin().price(PROFILE, only_input("1"));
    let call = |served| {
        let call = call(served).asked("claude-opus-5-5").sent(PROFILE);
        call.platform(Platform::Bedrock)
    };
    assert_eq!(cost(&table, &call("claude-opus-5-5")), "1");
    assert_eq!(cost(&table, &call("anthropic.claude-opus-5-5")), "1");
    assert_eq!(cost(&table, &call("claude-haiku-4-5")), "6");
}

#[test]
fn a_price_of_ones_own_can_have_every_part_of_a_built_in_one() {
    let row = |dollars| only_input(dollars).rates;
    let price = only_input("1").fast(row("2")).long(10, row("3"));
    assert!(matches!(price.long, Some(LongPrompt { over: 10, .. })));
    let table = PriceTable::empty().price("m", price);
    assert_eq!(cost(&table, &call("m")), "3");
    assert_eq!(cost(&table, &call("m").fast(true)), "2");
}

#[test]
fn a_reservation_takes_the_input_at_its_dearest_and_all_the_output() {
    let table = PriceTable::builtin();
    let most = |call: &Call<'_>, input| table.worst_case(call, input, 1_000).unwrap().to_string();
    // 1,000 x 8 + 1,000 x 20 = 28,000 millionths
    assert_eq!(most(&call("claude-opus-5-5"), 1_000), "0.028");
    assert_eq!(most(&call("claude-opus-5-5").fast(true), 1_000), "0.056");
    assert_eq!(most(&call("claude-opus-5-5").us(true), 1_000), "0.0308");
    assert_eq!(most(&call("claude-opus-5-5").batch(true), 1_000), "0.014");
    assert_eq!(most(&call("us.anthropic.claude-opus-5-5"), 1_000), "0.0308");
    assert_eq!(most(&call("claude-opus-4-6").fast(true), 1_000), "0.035");
    // 100,000 x 0.20 + 1,000 x 0.50; 100,001 x 1.00 + 1,000 x 2.50
    assert_eq!(most(&call("claude-haiku-5-5"), 100_000), "0.0205");
    assert_eq!(most(&call("claude-haiku-5-5"), 100_001), "0.102501");
}

#[test]
fn a_model_without_a_price_cannot_be_reserved_for() {
    assert_eq!(
        PriceTable::builtin().worst_case(&Call::new("m", today()), 1, 1),
        Err(Unpriced::UnknownModel("m".into()))
    );
}

#[test]
fn a_cost_beyond_128_bits_is_the_largest_there_is() {
    let rate = Rate::from_pico_dollars_per_token(u64::MAX);
    let table = PriceTable::empty().price("m", Price::new(Rates::new(rate, rate)));
    let call = call("m");
    assert_eq!(table.worst_case(&call, u64::MAX, u64::MAX), Ok(Cost::MAX));
}
