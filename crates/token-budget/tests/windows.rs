//! The promise of the memory store, against a model that remembers everything.
#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod support;

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use support::{Till, plan};
use tokio::time::{Instant, advance};
use tower_claude_token_budget::{Amounts, Meter, Reservation, ReservationId, Reserved};

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Reserve {
        input: u64,
        output: u64,
    },
    /// Settles one of the calls that run, having used so many hundredths of its hold.
    Settle {
        which: usize,
        input: u64,
        output: u64,
        refund: bool,
    },
}

/// A call that runs.
struct Running {
    id: ReservationId,
    amounts: Amounts,
    since: Duration,
}

/// What counts, at the moment it may be counted by upstream, on the clock of the books.
type Log = Vec<(Duration, u64)>;

const MINUTE: Duration = Duration::from_secs(60);
/// Neighbours within a sixtieth of the period stop to count together.
const SLACK: Duration = Duration::from_secs(1);
const LIMITS: [(Meter, u64); 4] = [
    (Meter::Requests, 12),
    (Meter::InputTokens, 1_000),
    (Meter::OutputTokens, 800),
    (Meter::Tokens, 1_500),
];

fn step() -> impl Strategy<Value = Step> {
    let wait = prop_oneof![
        0_u64..3_000,
        0_u64..2_000_000,
        0_u64..30_000_000,
        Just(60_000_000),
        59_000_000_u64..60_000_000,
        // Where a millisecond decides.
        59_997_000_u64..60_002_000
    ];
    prop_oneof![
        3 => wait.prop_map(Step::Wait),
        4 => (0_u64..700, 0_u64..700).prop_map(|(input, output)| Step::Reserve { input, output }),
        3 => (any::<usize>(), 0_u64..=100, 0_u64..=100, prop::bool::weighted(0.1)).prop_map(
            |(which, input, output, refund)| Step::Settle { which, input, output, refund }
        ),
    ]
}

/// What the clock of the books says, which was made when this one began: whole milliseconds.
///
/// By a finer clock, what the books have a minute apart may be up to a millisecond closer.
fn books_now(began: Instant) -> Duration {
    let millis = began.elapsed().as_millis();
    Duration::from_millis(millis.try_into().unwrap())
}

fn within(log: &Log, from: Duration, to: Duration) -> u64 {
    let counts = |at: &Duration| *at > from && *at <= to;
    log.iter()
        .filter(|(at, _)| counts(at))
        .map(|(_, n)| n)
        .sum()
}

/// No window that ends at an event holds more than the limit; others hold no more than that.
fn assert_windows(log: &Log, most: u64, what: &str) {
    for (end, _) in log {
        let sum: u64 = log
            .iter()
            .filter(|(at, _)| at <= end && *at + MINUTE > *end)
            .map(|(_, n)| n)
            .sum();
        assert!(
            sum <= most,
            "{what}: {sum} of {most} in the minute to {end:?}"
        );
    }
}

async fn play(steps: Vec<Step>) {
    let till = Till::new(plan(&LIMITS));
    let began = Instant::now();
    let mut running: Vec<Running> = Vec::new();
    // By limit: counted when calls begin, and counted when they end.
    let (mut at_begin, mut at_end) = (vec![Log::new(); 4], vec![Log::new(); 4]);
    for step in steps {
        let now = books_now(began);
        if now > Reservation::HOLD_FOR - MINUTE {
            // Whoever lets holds expire under calls that run gives up the promise.
            break;
        }
        match step {
            Step::Wait(micros) => advance(Duration::from_micros(micros)).await,
            Step::Reserve { input, output } => {
                let amounts = Amounts::new(1, input, output);
                let (id, answer) = till.reserve("web", amounts).await;
                let books = till.books("web").await;
                match answer {
                    Reserved::Granted { .. } => {
                        for ((meter, most), (spent, held)) in LIMITS.iter().zip(&books) {
                            assert!(spent + held <= *most, "{meter:?}");
                        }
                        running.push(Running {
                            id,
                            amounts,
                            since: now,
                        });
                    }
                    Reserved::Denied { limit, .. } => {
                        // Refused only if it does not fit what has ended in the last minute
                        // (and what was kept with it), and what runs.
                        let index = LIMITS.iter().position(|(meter, _)| *meter == limit.meter);
                        let index = index.unwrap();
                        let from = now.saturating_sub(MINUTE + SLACK);
                        let is_request = limit.meter == Meter::Requests;
                        let held: u64 = running
                            .iter()
                            .filter(|call| !is_request || call.since + MINUTE + SLACK > now)
                            .map(|call| call.amounts.of(limit.meter))
                            .sum();
                        let log = if is_request { &at_begin } else { &at_end };
                        let mut counted = within(&log[index], from, now);
                        if now <= MINUTE + SLACK {
                            counted = log[index].iter().map(|(_, n)| n).sum();
                        }
                        let asked = amounts.of(limit.meter);
                        assert!(counted + held + asked > limit.amount.get(), "{limit}");
                    }
                    answer => panic!("{answer:?}"),
                }
            }
            Step::Settle {
                which,
                input,
                output,
                refund,
            } => {
                if running.is_empty() {
                    continue;
                }
                let call = running.swap_remove(which % running.len());
                let held = call.amounts;
                let actual = Amounts::new(
                    u64::from(!refund),
                    held.input_tokens * input / 100,
                    held.output_tokens * output / 100,
                );
                till.settle("web", call.id, actual);
                for (index, (meter, _)) in LIMITS.iter().enumerate() {
                    at_begin[index].push((call.since, actual.of(*meter)));
                    at_end[index].push((now, actual.of(*meter)));
                }
            }
        }
    }
    for (index, (meter, most)) in LIMITS.iter().enumerate() {
        assert_windows(
            &at_begin[index],
            *most,
            &format!("{meter:?} at the beginning"),
        );
        if *meter != Meter::Requests {
            assert_windows(&at_end[index], *most, &format!("{meter:?} at the end"));
        }
    }
    let held: u64 = running.iter().map(|call| call.amounts.input_tokens).sum();
    assert_eq!(till.books("web").await[1].1, held);
}

#[tokio::test(start_paused = true)]
async fn a_minute_is_sixty_thousand_milliseconds_of_the_books_and_not_one_less() {
    let till = Till::new(plan(&[(Meter::OutputTokens, 800)]));
    let (first, second) = (Amounts::new(1, 0, 240), Amounts::new(1, 0, 561));
    // Late in millisecond 0.
    advance(Duration::from_micros(407)).await;
    let id = till.granted("web", first).await;
    till.settle("web", id, first);
    // The last moment of millisecond 59,999.
    advance(Duration::from_micros(59_999_592)).await;
    let (_, answer) = till.reserve("web", second).await;
    let Reserved::Denied { retry_after, .. } = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(retry_after, Duration::from_millis(1));
    // The first of millisecond 60,000: 59.999593 seconds after the first call.
    advance(Duration::from_micros(1)).await;
    till.granted("web", second).await;
}

#[tokio::test(start_paused = true)]
async fn windows_are_measured_on_the_clock_of_the_books() {
    let (which, input) = (0, 0);
    let settle = |output| Step::Settle {
        which,
        input,
        output,
        refund: false,
    };
    play(vec![
        Step::Wait(407),
        Step::Reserve { input, output: 243 },
        settle(99),
        Step::Wait(59_999_593),
        Step::Reserve { input, output: 579 },
        settle(97),
    ])
    .await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn no_minute_holds_more_than_the_limit_and_nothing_that_fits_is_denied(
        steps in vec(step(), 1..200)
    ) {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap()
            .block_on(play(steps));
    }
}
