use std::time::Instant;

/// What one run of something costs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measure {
    /// Nanoseconds: the least of several rounds, which noise only ever adds to.
    pub(crate) nanos: f64,
    /// Allocations.
    pub(crate) allocations: u64,
    /// Bytes allocated.
    pub(crate) bytes: u64,
}

/// Measures `run`, after warming it up.
#[expect(clippy::cast_precision_loss, reason = "a figure to be read")]
#[expect(
    clippy::disallowed_methods,
    reason = "the real clock is what is measured"
)]
pub(crate) fn measure(mut run: impl FnMut()) -> Measure {
    const ROUNDS: u32 = 15;
    for _ in 0..200 {
        run();
    }
    let began = Instant::now();
    for _ in 0..100 {
        run();
    }
    let each = began.elapsed().as_nanos() / 100;
    let runs = u32::try_from((20_000_000 / each.max(1)).clamp(10, 200_000)).unwrap_or(10);
    let nanos = (0..ROUNDS)
        .map(|_| {
            let began = Instant::now();
            for _ in 0..runs {
                run();
            }
            began.elapsed().as_nanos() as f64 / f64::from(runs)
        })
        .fold(f64::INFINITY, f64::min);
    // Over many runs, so that what grows now and then is shared out.
    const COUNTED: u64 = 1_000;
    let counted = allocation_counter::measure(|| {
        for _ in 0..COUNTED {
            run();
        }
    });
    Measure {
        nanos,
        allocations: counted.count_total.div_ceil(COUNTED),
        bytes: counted.bytes_total / COUNTED,
    }
}
