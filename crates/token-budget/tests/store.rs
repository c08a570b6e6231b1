//! The memory store alone.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use support::{Till, limit, plan, subject};
use tokio::time::advance;
use tower_claude_token_budget::{
    Amounts, BudgetStore as _, MemoryStore, Meter, Plan, Reservation, ReservationId, Reserved,
};

const REQUEST: Amounts = Amounts::new(1, 0, 0);

fn input(tokens: u64) -> Amounts {
    Amounts::new(1, tokens, 0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_64_tasks_on_a_limit_of_a_thousand_exactly_a_thousand_calls_pass() {
    let plan = plan(&[(Meter::Requests, 1_000_000), (Meter::Tokens, 1_000)]);
    let till = Arc::new(Till::new(plan));
    let granted = Arc::new(AtomicU64::new(0));
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let (till, granted) = (Arc::clone(&till), Arc::clone(&granted));
            tokio::spawn(async move {
                for _ in 0..50 {
                    let (id, answer) = till.reserve("web", input(1)).await;
                    if matches!(answer, Reserved::Granted { .. }) {
                        granted.fetch_add(1, Ordering::Relaxed);
                        till.settle("web", id, input(1));
                    }
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(granted.load(Ordering::Relaxed), 1_000);
    assert_eq!(till.books("web").await, [(1_000, 0), (1_000, 0)]);
}

#[tokio::test(start_paused = true)]
async fn a_denial_of_the_fourth_limit_leaves_the_first_three_as_they_were() {
    let till = Till::new(plan(&[
        (Meter::Requests, 1_000),
        (Meter::InputTokens, 1_000),
        (Meter::OutputTokens, 1_000),
        (Meter::Tokens, 20),
    ]));
    till.granted("web", Amounts::new(1, 10, 10)).await;
    let before = till.books("web").await;
    for _ in 0..1_000 {
        let (_, answer) = till.reserve("web", Amounts::new(1, 1, 0)).await;
        let Reserved::Denied { limit, .. } = answer else {
            panic!("{answer:?}");
        };
        assert_eq!(limit.meter, Meter::Tokens);
    }
    assert_eq!(till.books("web").await, before);
}

#[tokio::test(start_paused = true)]
async fn more_than_the_whole_limit_is_never_and_all_of_it_is_later() {
    let till = Till::new(plan(&[(Meter::InputTokens, 100)]));
    till.granted("web", input(1)).await;
    let (_, later) = till.reserve("web", input(100)).await;
    assert!(matches!(later, Reserved::Denied { .. }), "{later:?}");
    let (_, never) = till.reserve("web", input(101)).await;
    let Reserved::Never { limit, requested } = never else {
        panic!("{never:?}");
    };
    assert_eq!((limit.amount.get(), requested), (100, 101));
    let (_, never) = till.reserve("new", input(u64::MAX)).await;
    assert!(matches!(never, Reserved::Never { .. }), "{never:?}");
}

#[tokio::test(start_paused = true)]
async fn a_lone_caller_that_waits_as_long_as_it_is_told_succeeds_and_not_before() {
    let till = Till::new(plan(&[(Meter::Requests, 7), (Meter::InputTokens, 1_000)]));
    let mut random = 1_u64;
    let mut denied = 0;
    for _ in 0..2_000 {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        advance(Duration::from_millis(random >> 53)).await;
        let call = input(1 + (random >> 20) % 600);
        let id = match till.reserve("web", call).await {
            (id, Reserved::Granted { .. }) => id,
            (_, Reserved::Denied { retry_after, .. }) => {
                denied += 1;
                assert!(retry_after <= Duration::from_secs(60), "{retry_after:?}");
                advance(retry_after - Duration::from_millis(1)).await;
                let (_, early) = till.reserve("web", call).await;
                assert!(matches!(early, Reserved::Denied { .. }), "too early");
                advance(Duration::from_millis(1)).await;
                till.granted("web", call).await
            }
            (_, answer) => panic!("{answer:?}"),
        };
        till.settle("web", id, call);
    }
    assert!(denied > 100, "{denied}");
}

#[tokio::test(start_paused = true)]
async fn where_holds_are_in_the_way_the_wait_is_as_long_as_calls_lasted() {
    let till = Till::new(plan(&[(Meter::InputTokens, 100)]));
    let first = till.granted("web", input(10)).await;
    advance(Duration::from_secs(5)).await;
    till.settle("web", first, input(10));
    till.granted("web", input(90)).await;
    let mut reservation = till.reservation("web", input(50));
    reservation.lasting = Duration::from_secs(5);
    let answer = till.store.reserve(reservation).await.unwrap();
    let Reserved::Denied {
        retry_after,
        resets_in,
        ..
    } = answer
    else {
        panic!("{answer:?}");
    };
    assert_eq!(retry_after, Duration::from_secs(5));
    assert_eq!(resets_in, Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_or_told_again_changes_nothing() {
    let till = Till::new(plan(&[(Meter::Requests, 10), (Meter::InputTokens, 100)]));
    let reservation = till.reservation("web", input(40));
    let id = reservation.id;
    for _ in 0..5 {
        let answer = till.store.reserve(reservation.clone()).await.unwrap();
        assert!(matches!(answer, Reserved::Granted { .. }));
    }
    assert_eq!(till.books("web").await, [(1, 0), (0, 40)]);
    for _ in 0..5 {
        till.settle("web", id, input(30));
        till.store.reserve(reservation.clone()).await.unwrap();
    }
    assert_eq!(till.books("web").await, [(1, 0), (30, 0)]);
}

#[tokio::test(start_paused = true)]
async fn a_settlement_that_overtakes_its_reservation_leaves_no_hold() {
    let till = Till::new(plan(&[(Meter::Requests, 10), (Meter::InputTokens, 100)]));
    let reservation = till.reservation("web", input(40));
    till.settle("web", reservation.id, Amounts::default());
    till.store.reserve(reservation).await.unwrap();
    assert_eq!(till.books("web").await, [(0, 0), (0, 0)]);
}

#[tokio::test(start_paused = true)]
async fn a_settlement_of_what_nobody_reserved_is_charged() {
    let till = Till::new(plan(&[(Meter::Requests, 10), (Meter::InputTokens, 100)]));
    till.settle("web", ReservationId::generate(), input(130));
    assert_eq!(till.books("web").await, [(1, 0), (130, 0)]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_refunded_makes_room_at_once() {
    let till = Till::new(plan(&[(Meter::Requests, 1), (Meter::InputTokens, 100)]));
    let id = till.granted("web", input(100)).await;
    till.settle("web", id, Amounts::default());
    assert_eq!(till.books("web").await, [(0, 0), (0, 0)]);
    till.granted("web", input(100)).await;
}

#[tokio::test(start_paused = true)]
async fn an_overrun_is_a_debt_that_keeps_others_out_until_it_has_left_the_window() {
    let till = Till::new(plan(&[(Meter::OutputTokens, 100)]));
    let id = till.granted("web", Amounts::new(1, 0, 10)).await;
    till.settle("web", id, Amounts::new(1, 0, 350));
    assert_eq!(till.books("web").await, [(350, 0)]);
    let (_, answer) = till.reserve("web", Amounts::new(1, 0, 1)).await;
    let Reserved::Denied { retry_after, .. } = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(retry_after, Duration::from_secs(60));
    // What takes nothing of the meter is not kept out.
    till.granted("web", Amounts::new(1, 5, 0)).await;
    advance(Duration::from_secs(60)).await;
    till.granted("web", Amounts::new(1, 0, 100)).await;
}

#[tokio::test(start_paused = true)]
async fn a_hold_that_expires_is_charged_what_was_certain_and_the_rest_when_it_is_known() {
    let till = Till::new(plan(&[
        (Meter::Requests, 10),
        (Meter::InputTokens, 100),
        (Meter::OutputTokens, 100),
    ]));
    let id = till.granted("web", Amounts::new(1, 40, 60)).await;
    advance(Reservation::HOLD_FOR - Duration::from_millis(1)).await;
    assert_eq!(till.books("web").await, [(0, 0), (0, 40), (0, 60)]);
    advance(Duration::from_millis(1)).await;
    assert_eq!(till.books("web").await, [(0, 0), (40, 0), (0, 0)]);
    for _ in 0..2 {
        till.settle("web", id, Amounts::new(1, 45, 20));
    }
    assert_eq!(till.books("web").await, [(0, 0), (45, 0), (20, 0)]);
}

#[tokio::test(start_paused = true)]
async fn an_extension_raises_the_hold_or_nothing_and_renews_its_expiry() {
    let till = Till::new(plan(&[(Meter::OutputTokens, 100), (Meter::Tokens, 120)]));
    let first = till.reservation("web", Amounts::new(1, 10, 50));
    let to = |output| {
        let mut total = first.clone();
        total.amounts.output_tokens = output;
        till.store.extend(total)
    };
    till.store.reserve(first.clone()).await.unwrap();
    advance(Reservation::HOLD_FOR / 2).await;
    for _ in 0..3 {
        let answer = to(100).await.unwrap();
        assert!(matches!(answer, Reserved::Granted { .. }), "{answer:?}");
    }
    for output in [101, 111] {
        let answer = to(output).await.unwrap();
        assert!(!matches!(answer, Reserved::Granted { .. }), "{answer:?}");
    }
    assert_eq!(till.books("web").await, [(0, 100), (0, 110)]);
    advance(Reservation::HOLD_FOR * 3 / 4).await;
    assert_eq!(till.books("web").await, [(0, 100), (0, 110)], "renewed");
    till.settle("web", first.id, Amounts::new(1, 10, 77));
    assert_eq!(till.books("web").await, [(77, 0), (87, 0)]);
}

#[tokio::test(start_paused = true)]
async fn two_tenants_do_not_share() {
    let till = Till::new(plan(&[(Meter::Requests, 1)]));
    till.granted("web", REQUEST).await;
    till.granted("app", REQUEST).await;
    let (_, answer) = till.reserve("web", REQUEST).await;
    assert!(matches!(answer, Reserved::Denied { .. }));
}

#[tokio::test(start_paused = true)]
async fn another_plan_does_not_forget_what_was_spent() {
    let mut till = Till::new(plan(&[(Meter::InputTokens, 100), (Meter::Requests, 100)]));
    let id = till.granted("web", input(60)).await;
    till.plan = Arc::new(plan(&[(Meter::Requests, 10), (Meter::InputTokens, 50)]));
    till.settle("web", id, input(60));
    assert_eq!(till.books("web").await, [(1, 0), (60, 0)]);
    let (_, answer) = till.reserve("web", input(1)).await;
    assert!(matches!(answer, Reserved::Denied { .. }), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn owners_are_bounded_and_only_idle_ones_are_forgotten() {
    let store = MemoryStore::bounded(100.try_into().unwrap());
    let plan = Arc::new(Plan::new("p").limit(limit(Meter::InputTokens, 10)));
    let reserve = |name: String| {
        let (id, plan) = (ReservationId::generate(), Arc::clone(&plan));
        let reservation = Reservation::new(id, subject(&name), plan, input(1));
        (id, store.reserve(reservation))
    };
    for n in 0..100 {
        assert!(reserve(format!("t{n}")).1.await.is_ok());
    }
    assert!(
        reserve("one-more".into()).1.await.is_err(),
        "all are in use"
    );
    assert!(reserve("t7".into()).1.await.is_ok(), "known ones go on");
    assert_eq!(store.owners(), 100);
    advance(Duration::from_secs(61)).await;
    // Nothing is spent any more, but all have a hold; they expire.
    assert!(reserve("one-more".into()).1.await.is_err());
    advance(Reservation::HOLD_FOR + Duration::from_secs(1)).await;
    assert!(reserve("one-more".into()).1.await.is_err(), "they expire");
    advance(Duration::from_secs(61)).await;
    for n in 0..100 {
        assert!(reserve(format!("u{n}")).1.await.is_ok(), "{n}");
        assert!(store.owners() <= 100);
    }
}

#[tokio::test(start_paused = true)]
async fn idle_owners_are_forgotten_long_before_the_bound() {
    let till = Till::new(plan(&[(Meter::Requests, 10)]));
    for n in 0..20_000 {
        let name = format!("t{n}");
        let id = till.granted(&name, REQUEST).await;
        till.settle(&name, id, REQUEST);
        advance(Duration::from_millis(100)).await;
    }
    // 600 of them are not idle, and as many again may wait to be looked at.
    assert!(till.store.owners() < 6_000, "{}", till.store.owners());
}
