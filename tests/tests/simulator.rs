//! The simulator's runs (6-promises). `STAFFROOM_SEEDS` and `STAFFROOM_FIRST_SEED` make them longer.
#![allow(clippy::print_stdout, reason = "counts are for people who run the tests with --nocapture")]

use staffroom_tests::simulator::{Counts, Failure, Plan, Planted, replay_command, run, run_seeds};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a whole number"))
}

fn report(name: &str, counts: &Counts, failure: Option<&Failure>) {
    println!("{name}: {counts}");
    if let Some(failure) = failure {
        panic!(
            "{} does not hold in seed {} with {} nodes:\n{}\n\nthe end of its log:\n{}\n\nplay it again:\n{}\n",
            failure.invariant,
            failure.seed,
            failure.nodes,
            failure.found,
            failure.tail.join("\n"),
            replay_command(failure),
        );
    }
}

#[test]
fn members_converge_whatever_goes_wrong() {
    let (first, seeds) = (number("STAFFROOM_FIRST_SEED").unwrap_or(1), number("STAFFROOM_SEEDS").unwrap_or(1_000));
    let (counts, failure) = run_seeds(first, seeds, Plan::small);
    report("small clusters", &counts, failure.as_ref());
}

#[test]
fn honest_members_converge_beside_one_that_lies() {
    let seeds = number("STAFFROOM_SEEDS").map_or(60, |seeds| seeds.div_ceil(10));
    let (counts, failure) = run_seeds(number("STAFFROOM_FIRST_SEED").unwrap_or(1), seeds, Plan::with_a_liar);
    report("beside a liar", &counts, failure.as_ref());
}

#[test]
fn twenty_members_converge_whatever_goes_wrong() {
    let seeds = number("STAFFROOM_SEEDS").map_or(20, |seeds| seeds.div_ceil(50));
    let (counts, failure) = run_seeds(number("STAFFROOM_FIRST_SEED").unwrap_or(1), seeds, Plan::large);
    report("twenty nodes", &counts, failure.as_ref());
}

#[test]
fn a_hundred_members_converge_whatever_goes_wrong() {
    let seeds = number("STAFFROOM_SEEDS").map_or(1, |seeds| seeds.div_ceil(1_000));
    let (counts, failure) = run_seeds(number("STAFFROOM_FIRST_SEED").unwrap_or(1), seeds, Plan::huge);
    report("a hundred nodes", &counts, failure.as_ref());
}

#[test]
fn one_seed_gives_one_log() {
    for plan in [Plan::small(7), Plan::small(8), Plan::large(9)] {
        let (one, two) = (run(plan.clone(), 5), run(plan, 5));
        assert_eq!(one, two);
    }
}

#[test]
fn a_lost_flush_is_caught() {
    caught(Planted::LostFlush);
}

#[test]
fn a_skipped_signature_is_caught() {
    caught(Planted::SkippedSignature);
}

fn caught(planted: Planted) {
    let failed =
        (1..=200).find_map(|seed| run(Plan::small(seed).with(planted), 5).failure.map(|failure| (seed, failure)));
    let (seed, failure) = failed.expect("the fault is caught within 200 seeds");
    println!("{planted:?} is caught by {} in seed {seed}: {}", failure.invariant, failure.found);
    let expected = match planted {
        Planted::LostFlush => "acknowledged_is_never_lost",
        Planted::SkippedSignature => "held_entries_are_signed",
    };
    assert_eq!(failure.invariant, expected);
}

/// Plays `STAFFROOM_SEED` again, with `STAFFROOM_NODES` 20 or 100 as a larger one, and prints its log.
#[test]
fn replay() {
    let Some(seed) = number("STAFFROOM_SEED") else { return };
    let plan = match number("STAFFROOM_NODES") {
        None => Plan::small(seed),
        Some(20) => Plan::large(seed),
        Some(_) => Plan::huge(seed),
    };
    println!("{plan:#?}");
    let outcome = run(plan, usize::MAX);
    if let Some(failure) = &outcome.failure {
        println!("{}", failure.tail.join("\n"));
    }
    println!("log {:016x}", outcome.log);
    report("replay", &outcome.counts, outcome.failure.map(|failure| Failure { tail: Vec::new(), ..failure }).as_ref());
}
