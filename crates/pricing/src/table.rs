//! The built-in prices: dollars per million tokens, as Anthropic publishes them.
//!
//! A change of price is a further row with the day it takes effect, and a new [`VERSION`]; a row
//! that was ever in force stays, so that old records can be priced again.

use crate::day::Day;
use crate::multiplier::Multiplier;
use crate::price::Price;
use crate::rate::Rate;
use crate::rates::Rates;

/// Names the state of the table in records: the day it was last compared with the source.
pub(crate) const VERSION: &str = "2026-11-20";

/// The same, where prices of the user go before these.
pub(crate) const VERSION_WITH_OWN: &str = "2026-11-20+own";

/// Models and what they cost. Every number is read at compile time.
#[rustfmt::skip]
pub(crate) static ROWS: &[(&[&str], Price)] = &[
    //                                                 input   output  write 5m write 1h  read
    (&["claude-fable-5-2", "claude-mythos-5-2"], price(["8",    "40",   "10",    "16",   "0.20"])
                                                 .fast(rates(["16",   "80",   "20",    "32",   "0.40"]))),
    (&["claude-fable-5-1", "claude-mythos-5-1"], price(["10",   "50",   "12.50", "20",   "0.25"])),
    (&["claude-fable-5", "claude-mythos-5", "claude-mythos-preview"],
                                                 price(["10",   "50",   "12.50", "20",   "1.00"])),

    (&["claude-opus-5-5"],                       price(["4",    "20",   "5",     "8",    "0.20"])
                                                 .fast(rates(["8",    "40",   "10",    "16",   "0.40"]))),
    (&["claude-opus-5"],                         price(["5",    "25",   "6.25",  "10",   "0.50"])
                                                 .fast(rates(["10",   "50",   "12.50", "20",   "1.00"]))),
    (&["claude-opus-4-8"],                       price(["5",    "25",   "6.25",  "10",   "0.50"])
                                                 .fast(rates(["10",   "50",   "12.50", "20",   "1.00"]))),
    (&["claude-opus-4-8"],                       price(["5",    "25",   "6.25",  "10",   "0.50"])
                                                 .effective_from(day(2026, 11, 30))),
    (&["claude-opus-4-7", "claude-opus-4-6"],    price(["5",    "25",   "6.25",  "10",   "0.50"])),
    (&["claude-opus-4-5"],            before_4_6(price(["5",    "25",   "6.25",  "10",   "0.50"]))),
    (&["claude-opus-4-1", "claude-opus-4"],
                                      before_4_5(price(["15",   "75",   "18.75", "30",   "1.50"]))),

    (&["claude-sonnet-5-5"],                     price(["2",    "10",   "2.50",  "4",    "0.20"])),
    (&["claude-sonnet-5-5"],                     price(["2",    "10",   "2.50",  "4",    "0.10"])
                                                 .effective_from(day(2026, 10, 7))),
    (&["claude-sonnet-5"],                       price(["2",    "10",   "2.50",  "4",    "0.20"])),
    (&["claude-sonnet-4-6"],                     price(["3",    "15",   "3.75",  "6",    "0.30"])),
    (&["claude-sonnet-4-5"],          before_4_6(price(["3",    "15",   "3.75",  "6",    "0.30"]))),
    (&["claude-sonnet-4"],            before_4_5(price(["3",    "15",   "3.75",  "6",    "0.30"]))),

    (&["claude-haiku-5-5"],                      price(["0.10", "0.50", "0.125", "0.20", "0.01"])
                                        .long(100_000, rates(["0.50", "2.50", "0.625", "1.00", "0.05"]))),
    (&["claude-haiku-4-5"],           before_4_6(price(["1",    "5",    "1.25",  "2",    "0.10"]))),
    (&["claude-3-5-haiku"],           before_4_5(price(["0.80", "4",    "1",     "1.60", "0.08"]))),
    (&["claude-3-haiku"],             before_4_5(price(["0.25", "1.25", "0.30",  "0.50", "0.03"]))),
];

/// The names of [`ROWS`], each with its tail and its row.
///
/// It is read through at every call: nearly all names differ in their tail, a number.
static INDEX: [(u64, &str, &Price); LENGTH] = index();

const LENGTH: usize = {
    let (mut length, mut row) = (0, 0);
    while row < ROWS.len() {
        length += ROWS[row].0.len();
        row += 1;
    }
    length
};

/// All prices of a name, in the order of [`ROWS`].
pub(crate) fn prices(name: &str) -> impl Iterator<Item = &'static Price> {
    let sought = tail(name);
    let names = INDEX.iter();
    names
        .filter(move |(tail, other, _)| *tail == sought && *other == name)
        .map(|(_, _, price)| *price)
}

const fn index() -> [(u64, &'static str, &'static Price); LENGTH] {
    let mut index = [(0, "", &ROWS[0].1); LENGTH];
    let (mut length, mut row) = (0, 0);
    while row < ROWS.len() {
        let (names, price) = &ROWS[row];
        let mut name = 0;
        while name < names.len() {
            index[length] = (tail(names[name]), names[name], price);
            length += 1;
            name += 1;
        }
        row += 1;
    }
    index
}

/// The last eight bytes of a name as a number; 0 for a shorter one.
const fn tail(name: &str) -> u64 {
    match name.as_bytes().last_chunk() {
        Some(tail) => u64::from_le_bytes(*tail),
        None => 0,
    }
}

const fn price(columns: [&str; 5]) -> Price {
    Price::new(rates(columns))
}

const fn rates([input, output, cache_write_5m, cache_write_1h, cache_read]: [&str; 5]) -> Rates {
    Rates {
        input: rate(input),
        output: rate(output),
        cache_write_5m: rate(cache_write_5m),
        cache_write_1h: rate(cache_write_1h),
        cache_read: rate(cache_read),
    }
}

/// `inference_geo` costs nothing extra on models before 4.6.
const fn before_4_6(price: Price) -> Price {
    price.us(Multiplier::ONE)
}

/// Neither do regional endpoints of cloud platforms on models before 4.5.
const fn before_4_5(price: Price) -> Price {
    before_4_6(price).regional(Multiplier::ONE)
}

const fn rate(dollars: &str) -> Rate {
    match Rate::per_million_tokens(dollars) {
        Ok(rate) => rate,
        Err(_) => panic!("a rate of the table is not a decimal of at most six places"),
    }
}

const fn day(year: u16, month: u8, day: u8) -> Day {
    match Day::from_date(year, month, day) {
        Some(day) => day,
        None => panic!("a day of the table is not a date"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model_id::model_name;

    #[test]
    fn the_index_finds_every_price_of_a_name_in_order_and_nothing_else() {
        let names = ROWS.iter().flat_map(|(names, _)| names.iter().copied());
        for name in names.chain(["", "claude", "claude-opus-5-6", "opus-5-5"]) {
            let rows = ROWS.iter().filter(|(names, _)| names.contains(&name));
            let expected: Vec<_> = rows.map(|(_, price)| price).collect();
            assert_eq!(prices(name).collect::<Vec<_>>(), expected, "{name}");
        }
    }

    #[test]
    fn a_name_of_the_table_is_its_own_name() {
        let names = ROWS.iter().flat_map(|(names, _)| names.iter());
        for name in names {
            assert_eq!(model_name(name), *name);
        }
    }
}
