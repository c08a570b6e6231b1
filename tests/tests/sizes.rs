//! How large the futures and the bodies of the layers are.
//!
//! A future that waits for a layer inside holds that layer's future inside itself, and a host
//! moves the outermost one to the heap for every call. What a state needs has to stand in the
//! state's variant: beside the state, it is there while nobody needs it, and each layer around
//! it pays for it again. The bounds are a little above what was measured; a change that goes
//! through one of them has put something beside the state, or made it larger.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod support;

use std::mem::size_of_val;
use std::task::{Context, Poll, Waker};

use http::{Request, Response};
use support::inner::Inner;
use support::{auth, authorize, budget, continuation, failover, heartbeat, request, retry, whole};
use tower_claude::UsageMeterLayer;
use tower_claude::core::CallBody;
use tower_layer::{Identity, Layer};
use tower_service::Service;

/// Bytes of the call's future and of the response body of one service.
#[derive(Clone, Copy)]
struct Sizes {
    future: usize,
    body: usize,
}

/// One layer around the least service there can be.
struct Measured {
    name: &'static str,
    is: Sizes,
    most: Sizes,
}

/// Each with the most bytes that its future and its response body may have: what was measured,
/// and two words.
fn alone() -> [Measured; 6] {
    [
        measure("TenantAuth", auth(), 408, 48),
        measure("UsageMeter", meter(), 712, 296),
        measure("Authorize", authorize(), 632, 48),
        measure("TokenBudget", budget(), 1072, 576),
        measure("Failover", failover(), 1008, 296),
        measure("Retry", retry(), 920, 232),
    ]
}

/// Those that only some stacks have.
fn beside() -> [Measured; 2] {
    [
        measure("Heartbeat", heartbeat(), 632, 48),
        measure("Continuation", continuation(), 640, 192),
    ]
}

/// All of them but those around each other.
fn together() -> Measured {
    let whole = whole(auth(), meter(), budget(), failover(), retry());
    measure("the whole stack", whole, 2064, 1328)
}

/// The service without a layer.
fn bare() -> Measured {
    measure("no layer", Identity::new(), 128, 16)
}

fn meter() -> UsageMeterLayer {
    UsageMeterLayer::new(()).intake(support::intake())
}

fn measure<L, B>(name: &'static str, layer: L, future: usize, body: usize) -> Measured
where
    L: Layer<Inner>,
    L::Service: Service<Request<CallBody>, Response = Response<B>>,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let _clock = runtime.enter();
    let mut cx = Context::from_waker(Waker::noop());
    let mut service = layer.layer(Inner::plain());
    assert!(service.poll_ready(&mut cx).is_ready());
    let call = service.call(request().map(CallBody::new));
    let size = size_of_val(&call);
    let Poll::Ready(Ok(response)) = std::pin::pin!(call).poll(&mut cx) else {
        panic!("nothing in here waits");
    };
    Measured {
        name,
        is: Sizes {
            future: size,
            body: size_of_val(response.body()),
        },
        most: Sizes { future, body },
    }
}

/// What the layers add to the service inside, alone each: the sum of it.
fn sum() -> Sizes {
    let bare = bare().is;
    let sum = |size: fn(&Sizes) -> usize| {
        let alone = alone();
        let added = alone.iter().map(|layer| size(&layer.is) - size(&bare));
        added.sum::<usize>()
    };
    Sizes {
        future: sum(|sizes| sizes.future),
        body: sum(|sizes| sizes.body),
    }
}

#[test]
fn no_future_and_no_body_has_grown() {
    let mut grown = Vec::new();
    let layers = std::iter::once(bare()).chain(alone()).chain(beside());
    for layer in layers.chain([together()]) {
        let Measured { name, is, most } = layer;
        println!(
            "{name:<16} future {:>5} of {:>5}, body {:>4} of {:>4}",
            is.future, most.future, is.body, most.body
        );
        if is.future > most.future || is.body > most.body {
            grown.push(name);
        }
    }
    let sum = sum();
    println!(
        "the sum adds     future {:>5}, body {:>4}",
        sum.future, sum.body
    );
    assert!(grown.is_empty(), "{grown:?} are larger than they were");
}

#[test]
fn the_futures_of_nested_layers_share_their_room() {
    // Whatever a layer has beside its state is added up; what its states have is not. Nearly
    // all of a layer alone is the state in which it reads the request, and a layer that waits
    // for the one inside has left it.
    let (together, sum) = (together().is.future - bare().is.future, sum().future);
    assert!(
        together * 2 < sum,
        "nested, the layers add {together} bytes; beside each other {sum}"
    );
}

#[test]
fn the_bodies_of_nested_layers_are_no_larger_than_their_sum() {
    let (together, sum) = (together().is.body - bare().is.body, sum().body);
    assert!(
        together <= sum,
        "nested, the layers add {together} bytes; beside each other {sum}"
    );
}
