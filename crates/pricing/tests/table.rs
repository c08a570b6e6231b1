//! The built-in table against the published numbers, typed a second time.

mod support;

use support::today;
use tower_claude_pricing::{Cost, Day, Multiplier, Platform, Price, PriceTable, Rates};

/// Input, output, write 5m, write 1h, read.
type Row = [&'static str; 5];

const PUBLISHED: &[(&str, Row)] = &[
    ("claude-fable-5-2", ["8", "40", "10", "16", "0.2"]),
    ("claude-mythos-5-2", ["8", "40", "10", "16", "0.2"]),
    ("claude-fable-5-1", ["10", "50", "12.5", "20", "0.25"]),
    ("claude-mythos-5-1", ["10", "50", "12.5", "20", "0.25"]),
    ("claude-fable-5", ["10", "50", "12.5", "20", "1"]),
    ("claude-mythos-5", ["10", "50", "12.5", "20", "1"]),
    ("claude-mythos-preview", ["10", "50", "12.5", "20", "1"]),
    ("claude-opus-5-5", ["4", "20", "5", "8", "0.2"]),
    ("claude-opus-5", ["5", "25", "6.25", "10", "0.5"]),
    ("claude-opus-4-8", ["5", "25", "6.25", "10", "0.5"]),
    ("claude-opus-4-7", ["5", "25", "6.25", "10", "0.5"]),
    ("claude-opus-4-6", ["5", "25", "6.25", "10", "0.5"]),
    ("claude-opus-4-5", ["5", "25", "6.25", "10", "0.5"]),
    ("claude-opus-4-5-20251101", ["5", "25", "6.25", "10", "0.5"]),
    ("claude-opus-4-1", ["15", "75", "18.75", "30", "1.5"]),
    ("claude-opus-4", ["15", "75", "18.75", "30", "1.5"]),
    ("claude-sonnet-5-5", ["2", "10", "2.5", "4", "0.1"]),
    ("claude-sonnet-5", ["2", "10", "2.5", "4", "0.2"]),
    ("claude-sonnet-4-6", ["3", "15", "3.75", "6", "0.3"]),
    ("claude-sonnet-4-5", ["3", "15", "3.75", "6", "0.3"]),
    ("claude-sonnet-4", ["3", "15", "3.75", "6", "0.3"]),
    ("claude-haiku-5-5", ["0.1", "0.5", "0.125", "0.2", "0.01"]),
    ("claude-haiku-4-5", ["1", "5", "1.25", "2", "0.1"]),
    ("claude-haiku-4-5-20251001", ["1", "5", "1.25", "2", "0.1"]),
    ("claude-3-5-haiku", ["0.8", "4", "1", "1.6", "0.08"]),
    ("claude-3-haiku", ["0.25", "1.25", "0.3", "0.5", "0.03"]),
];

const FAST: &[(&str, Row)] = &[
    ("claude-fable-5-2", ["16", "80", "20", "32", "0.4"]),
    ("claude-mythos-5-2", ["16", "80", "20", "32", "0.4"]),
    ("claude-opus-5-5", ["8", "40", "10", "16", "0.4"]),
    ("claude-opus-5", ["10", "50", "12.5", "20", "1"]),
    ("claude-opus-4-8", ["10", "50", "12.5", "20", "1"]),
];

/// Models before 4.6, where `inference_geo` costs nothing extra.
const BEFORE_4_6: &[&str] = &[
    "claude-opus-4-5",
    "claude-sonnet-4-5",
    "claude-haiku-4-5",
    "claude-opus-4-1",
    "claude-opus-4",
    "claude-sonnet-4",
    "claude-3-5-haiku",
    "claude-3-haiku",
];

fn price(model: &str, at: Day) -> Price {
    let quote = PriceTable::builtin().lookup(model, Platform::Anthropic, at);
    quote
        .unwrap_or_else(|| panic!("{model} has no price"))
        .price
}

fn printed(rates: &Rates) -> [String; 5] {
    [
        rates.input,
        rates.output,
        rates.cache_write_5m,
        rates.cache_write_1h,
        rates.cache_read,
    ]
    .map(|rate| rate.to_string())
}

#[test]
fn every_model_has_its_published_price() {
    for (model, row) in PUBLISHED {
        assert_eq!(printed(&price(model, today()).rates), *row, "{model}");
    }
}

#[test]
fn only_the_published_models_have_a_fast_price() {
    for (model, _) in PUBLISHED {
        let expected = FAST.iter().find(|(fast, _)| fast == model);
        let fast = price(model, today()).fast;
        assert_eq!(
            fast.map(|rates| printed(&rates)),
            expected.map(|(_, row)| row.map(str::to_owned)),
            "{model}"
        );
    }
}

#[test]
fn only_haiku_5_5_has_a_length_tier() {
    for (model, _) in PUBLISHED {
        let long = price(model, today()).long;
        if *model == "claude-haiku-5-5" {
            let long = long.unwrap();
            assert_eq!(long.over, 100_000);
            assert_eq!(printed(&long.rates), ["0.5", "2.5", "0.625", "1", "0.05"]);
        } else {
            assert_eq!(long, None, "{model}");
        }
    }
}

#[test]
fn the_place_costs_extra_from_4_6_and_on_clouds_from_4_5() {
    for (model, _) in PUBLISHED {
        let price = price(model, today());
        let name = tower_claude_pricing::model_name(model);
        let old = BEFORE_4_6.iter().position(|old| *old == name);
        let (us, regional) = match old {
            None => (Multiplier::REGIONAL, Multiplier::REGIONAL),
            Some(0..3) => (Multiplier::ONE, Multiplier::REGIONAL),
            Some(_) => (Multiplier::ONE, Multiplier::ONE),
        };
        assert_eq!((price.us, price.regional), (us, regional), "{model}");
    }
}

#[test]
fn a_thousand_web_searches_cost_ten_dollars_on_every_model() {
    for (model, _) in PUBLISHED {
        let thousand = price(model, today()).web_search.saturating_mul(1_000);
        assert_eq!(thousand, Cost::from_dollars_str("10").unwrap(), "{model}");
    }
}

#[test]
fn cache_reads_of_sonnet_5_5_became_cheaper_on_a_day() {
    let before = Day::from_date(2026, 10, 6).unwrap();
    let after = Day::from_date(2026, 10, 7).unwrap();
    let row = |at| printed(&price("claude-sonnet-5-5", at).rates);
    assert_eq!(row(before), ["2", "10", "2.5", "4", "0.2"]);
    assert_eq!(row(after), ["2", "10", "2.5", "4", "0.1"]);
}

#[test]
fn fast_mode_of_opus_4_8_ends_on_a_day() {
    let before = Day::from_date(2026, 11, 29).unwrap();
    let after = Day::from_date(2026, 11, 30).unwrap();
    assert!(price("claude-opus-4-8", before).fast.is_some());
    assert_eq!(price("claude-opus-4-8", after).fast, None);
}

#[test]
fn a_model_that_is_not_in_the_table_has_no_price() {
    let table = PriceTable::builtin();
    for model in [
        "",
        "claude",
        "claude-opus-6",
        "gpt-5",
        "claude-opus-5-5-fast",
    ] {
        assert!(!table.is_priced(model), "{model}");
        assert_eq!(table.lookup(model, Platform::Anthropic, today()), None);
    }
    assert!(table.is_priced("us.anthropic.claude-haiku-4-5-20251001-v1:0"));
    assert!(!PriceTable::empty().is_priced("claude-opus-5-5"));
}

#[test]
fn the_version_is_the_day_of_the_table() {
    assert_eq!(PriceTable::VERSION, "2026-11-20");
    assert_eq!(PriceTable::builtin().version(), PriceTable::VERSION);
    let price = price("claude-opus-5", today());
    assert_eq!(
        PriceTable::builtin().price("x", price).version(),
        "2026-11-20+own"
    );
    assert_eq!(PriceTable::empty().price("x", price).version(), "own");
}
