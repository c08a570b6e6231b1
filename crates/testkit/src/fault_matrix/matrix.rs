use std::fmt::Write as _;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio::time::Instant;
use tower_claude_core::CallBody;
use tower_service::Service;

use super::{Booking, CallerView, FaultCase, FaultGroup, FaultTargets, Observation};

/// What came of many cases, as a table.
#[derive(Clone, Debug, Default)]
pub struct FaultMatrix {
    rows: Vec<(FaultCase, Observation)>,
}

const HEAD: &str = "\
| fault | when | form | asked | took | the caller sees | ledger | cost | charged | first target then |
|---|---|---|---|---|---|---|---|---|---|
";

// === impl FaultMatrix ===

impl FaultMatrix {
    /// Makes the call of each case through a stack of its own.
    ///
    /// `stack` is given the targets to put innermost; it returns the service to call, and what
    /// says afterwards what the books of the stack hold.
    pub async fn run<S, B, L>(
        cases: impl IntoIterator<Item = FaultCase>,
        mut stack: impl FnMut(FaultTargets) -> (S, L),
    ) -> Self
    where
        S: Service<Request<CallBody>, Response = Response<B>>,
        B: Body<Data = Bytes>,
        L: AsyncFnOnce() -> Booking,
    {
        let mut rows = Vec::new();
        for case in cases {
            let targets = case.targets();
            let (service, books) = stack(targets.clone());
            let began = Instant::now();
            let caller = CallerView::of_call(service, case.request()).await;
            let took = began.elapsed();
            let booking = books().await;
            let seen = Observation::new(&case, &targets, took, caller, booking);
            rows.push((case, seen));
        }
        Self { rows }
    }

    /// The cases, and what came of each.
    pub fn iter(&self) -> impl Iterator<Item = (&FaultCase, &Observation)> {
        self.rows.iter().map(|(case, seen)| (case, seen))
    }

    /// Those of which something else came than of the same fault in the same phase of
    /// `other`.
    #[must_use]
    pub fn unlike(&self, other: &Self) -> Self {
        let key = |case: &FaultCase| (case.fault(), case.phase(), case.is_stream());
        let differs = |(case, seen): &&(FaultCase, Observation)| {
            let mut same = other.iter().filter(|(other, _)| key(other) == key(case));
            same.all(|(_, other)| other.cells() != seen.cells())
        };
        Self {
            rows: self.rows.iter().filter(differs).cloned().collect(),
        }
    }

    /// What is wrong by the rules for all stacks; see [`Observation::problems`].
    #[must_use]
    pub fn problems(&self, most: usize) -> Vec<String> {
        let of = |(case, seen): (&FaultCase, &Observation)| {
            let problems = seen.problems(case, most);
            let line = line(case, form(case), seen);
            problems
                .into_iter()
                .map(move |problem| format!("{problem}: {line}"))
                .collect::<Vec<_>>()
        };
        self.iter().flat_map(of).collect()
    }

    /// A table of Markdown under the heading of each group.
    ///
    /// Two forms of a case stand in one line if the same came of both.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut text = String::new();
        for group in FaultGroup::ALL {
            let of_group = |row: &&(FaultCase, Observation)| row.0.fault().group() == group;
            let rows: Vec<&(FaultCase, Observation)> = self.rows.iter().filter(of_group).collect();
            if rows.is_empty() {
                continue;
            }
            let _ = write!(text, "### {}\n\n{HEAD}", group.as_str());
            let alike = |one: &&(FaultCase, Observation), next: &&(FaultCase, Observation)| {
                (one.0.fault(), one.0.phase()) == (next.0.fault(), next.0.phase())
                    && one.1.cells() == next.1.cells()
            };
            for run in rows.chunk_by(alike) {
                let (case, seen) = run[0];
                let form = if run.len() > 1 { "both" } else { form(case) };
                let _ = writeln!(text, "{}", line(case, form, seen));
            }
            text.push('\n');
        }
        text
    }
}

const fn form(case: &FaultCase) -> &'static str {
    if case.is_stream() { "stream" } else { "plain" }
}

fn line(case: &FaultCase, form: &str, seen: &Observation) -> String {
    let (fault, phase) = (case.fault().as_str(), case.phase().as_str());
    format!(
        "| {fault} | {phase} | {form} | {} |",
        seen.cells().join(" | ")
    )
}
