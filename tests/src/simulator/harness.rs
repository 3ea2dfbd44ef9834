//! Runs seeds, on as many threads as there are; a run itself is one thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use staffroom_protocol::planted::plant_for_simulation;

use super::counts::Counts;
use super::invariants::Violation;
use super::plan::{Plan, Planted};
use super::world::World;

/// A run that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Its seed.
    pub seed: u64,
    /// The name of its plan.
    pub plan: &'static str,
    /// The name of the invariant that does not hold, or `panic`.
    pub invariant: &'static str,
    /// What was found.
    pub found: String,
    /// The end of the event log.
    pub tail: Vec<String>,
}

/// What a run comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The hash of its event log.
    pub log: u64,
    /// How much it did.
    pub counts: Counts,
    /// What failed, where something did.
    pub failure: Option<Failure>,
}

/// Plays one run and keeps the last lines of its log.
pub fn run(plan: Plan, keep_lines: usize) -> Outcome {
    let (seed, name) = (plan.seed, plan.name);
    let rule = if let Some(Planted::Rule(rule)) = plan.planted { Some(rule) } else { None };
    plant_for_simulation(rule);
    let mut world = World::new(plan, keep_lines);
    let result = catch_unwind(AssertUnwindSafe(|| world.run()));
    let violation = result.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(Violation::new("panic", text.unwrap_or_default()))
    });
    plant_for_simulation(None);
    let failure = violation.err().map(|Violation { invariant, found }| Failure {
        seed,
        plan: name,
        invariant,
        found,
        tail: world.log.tail(),
    });
    Outcome { log: world.log.hash(), counts: world.counts, failure }
}

/// Plays the seeds from `first` on, until one fails. Their counts, and the failure of the lowest
/// seed that failed.
pub fn run_seeds(first: u64, seeds: u64, plan: fn(u64) -> Plan) -> (Counts, Option<Failure>) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (next, total) = (AtomicU64::new(first), Mutex::new((Counts::default(), None::<Failure>)));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + seeds {
                return;
            }
            let outcome = run(plan(seed), 60);
            let mut total = total.lock().expect("no run panics outside of its own catch");
            total.0.add(&outcome.counts);
            if let Some(failure) = outcome.failure {
                next.store(first + seeds, Ordering::Relaxed);
                if total.1.as_ref().is_none_or(|other| failure.seed < other.seed) {
                    total.1 = Some(failure);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    total.into_inner().expect("no run panics outside of its own catch")
}

/// The one command that plays a run again.
pub fn replay_command(failure: &Failure) -> String {
    format!(
        "STAFFROOM_SEED={} STAFFROOM_PLAN={} cargo test --release -p staffroom-tests --test tests -- simulator::replay --exact --nocapture",
        failure.seed, failure.plan
    )
}
