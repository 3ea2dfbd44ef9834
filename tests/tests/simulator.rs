//! The simulator's runs (6-promises). `STAFFROOM_SEEDS` and `STAFFROOM_FIRST_SEED` make them longer.
#![allow(clippy::print_stdout, reason = "counts are for people who run the tests with --nocapture")]

use staffroom_tests::simulator::{Counts, Failure, Plan, Planted, Rule, replay_command, run, run_seeds};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a whole number"))
}

fn report(name: &str, counts: &Counts, failure: Option<&Failure>) {
    println!("{name}: {counts}");
    if let Some(failure) = failure {
        panic!(
            "{} does not hold in seed {} of {}:\n{}\n\nthe end of its log:\n{}\n\nplay it again:\n{}\n",
            failure.invariant,
            failure.seed,
            failure.plan,
            failure.found,
            failure.tail.join("\n"),
            replay_command(failure),
        );
    }
}

/// A run that did none of something proves nothing about it; a few seeds may be without.
fn all_happened<'a>(counts: &Counts, names: impl IntoIterator<Item = &'a str>) {
    for name in names {
        assert!(counts.get(name) > 0 || counts.seeds < 20, "no {name} in {} seeds", counts.seeds);
    }
}

#[test]
fn members_converge_whatever_goes_wrong() {
    let (first, seeds) = (number("STAFFROOM_FIRST_SEED").unwrap_or(1), number("STAFFROOM_SEEDS").unwrap_or(1_000));
    let (counts, failure) = run_seeds(first, seeds, Plan::small);
    report("small clusters", &counts, failure.as_ref());
    let done = ["joins", "leaves", "decided: promotions", "decided: demotions", "decided: removals"];
    let tried = [
        "refusals of a peer",
        "sheets renewed",
        "devices revoked",
        "votes no",
        "entries restated",
        "decided: erasures",
    ];
    all_happened(&counts, done.into_iter().chain(tried));
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
fn members_converge_whatever_forks() {
    let seeds = number("STAFFROOM_SEEDS").map_or(100, |seeds| seeds.div_ceil(10));
    let (counts, failure) = run_seeds(number("STAFFROOM_FIRST_SEED").unwrap_or(1), seeds, Plan::forking);
    report("forks", &counts, failure.as_ref());
    all_happened(&counts, ["stores put back", "machines copied", "forks", "entries restated"]);
}

#[test]
fn what_is_erased_is_nowhere_whatever_goes_wrong() {
    let seeds = number("STAFFROOM_SEEDS").map_or(60, |seeds| seeds.div_ceil(16));
    let (counts, failure) = run_seeds(number("STAFFROOM_FIRST_SEED").unwrap_or(1), seeds, Plan::erasing);
    report("erasing", &counts, failure.as_ref());
    all_happened(&counts, ["erasures", "receipts", "decided: erasures", "crashes"]);
}

#[test]
fn many_who_write_in_one_record_find_all_their_words() {
    let seeds = number("STAFFROOM_SEEDS").map_or(24, |seeds| seeds.div_ceil(40));
    let (counts, failure) = run_seeds(number("STAFFROOM_FIRST_SEED").unwrap_or(1), seeds, Plan::together);
    report("one record", &counts, failure.as_ref());
    all_happened(&counts, ["edits of one record", "words that stayed"]);
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
    let plan = |seed| Plan::small(seed).with(planted);
    // What the fault alone brings about: without it, the same run holds.
    let holds_without = |seed| run(Plan { planted: None, ..plan(seed) }, 5).failure.is_none();
    let fails = |seed| run(plan(seed), 5).failure.filter(|_| holds_without(seed)).map(|failure| (seed, failure));
    let failed = (1..=200).find_map(fails);
    let (seed, failure) = failed.unwrap_or_else(|| panic!("{planted:?} is not caught within 200 seeds"));
    let found: String = failure.found.chars().take(200).collect();
    println!("{planted:?} is caught by {} in seed {seed}: {found}", failure.invariant);
    let expected: &[&str] = match planted {
        Planted::LostFlush => &["acknowledged_is_never_lost", "a_restart_changes_nothing"],
        Planted::SkippedSignature => &["held_entries_are_signed"],
        Planted::Rule(Rule::CutIgnored) => {
            &["every_acknowledged_entry_is_everywhere", "only_enrolled_writers_are_held"]
        }
        Planted::Rule(Rule::UnsignedVote | Rule::MinorityDecides) => &["only_a_majority_decides"],
        Planted::Rule(Rule::SessionStays) => {
            &["only_members_are_told_anything", "nothing_is_sent_before_it_is_durable"]
        }
        Planted::Rule(Rule::OrderIgnored) => &["members_are_as_expected", "logs_end_as_expected"],
        // No fault of the rules: it refuses edits, and breaks no promise.
        Planted::Rule(Rule::LibraryFails) => &[],
        Planted::Rule(Rule::ErasureIgnored) => &["what_is_erased_is_not_held"],
        Planted::CutTooLow => &["cuts_list_what_is_held"],
        Planted::TicketTwice => &["tickets_admit_whom_they_should", "one_ticket_admits_one_school"],
        Planted::AsideServed => &["nothing_is_sent_before_it_is_durable"],
        Planted::YesForgotten => &["votes_are_never_lost"],
        Planted::ForkKept => &["forks_are_known_to_all", "all_members_agree_in_time", "in_step_is_true"],
    };
    assert!(expected.contains(&failure.invariant), "{failure:?}");
}

#[test]
fn a_cut_that_is_ignored_is_caught() {
    caught(Planted::Rule(Rule::CutIgnored));
}

#[test]
fn a_vote_that_nobody_signed_is_caught() {
    caught(Planted::Rule(Rule::UnsignedVote));
}

#[test]
fn a_minority_that_decides_is_caught() {
    caught(Planted::Rule(Rule::MinorityDecides));
}

#[test]
fn a_session_that_outlasts_membership_is_caught() {
    caught(Planted::Rule(Rule::SessionStays));
}

#[test]
fn an_operation_that_a_decision_took_away_is_caught() {
    caught(Planted::Rule(Rule::OrderIgnored));
}

#[test]
fn an_erasure_that_is_ignored_is_caught() {
    caught(Planted::Rule(Rule::ErasureIgnored));
}

#[test]
fn a_cut_too_low_is_caught() {
    caught(Planted::CutTooLow);
}

#[test]
fn a_ticket_that_admits_twice_is_caught() {
    caught(Planted::TicketTwice);
}

#[test]
fn an_entry_served_above_a_cut_is_caught() {
    caught(Planted::AsideServed);
}

#[test]
fn a_vote_that_is_forgotten_is_caught() {
    caught(Planted::YesForgotten);
}

#[test]
fn a_fork_that_nobody_tells_of_is_caught() {
    caught(Planted::ForkKept);
}

/// Plays `STAFFROOM_SEED` again, of the plan that `STAFFROOM_PLAN` names, and prints its log.
#[test]
fn replay() {
    let Some(seed) = number("STAFFROOM_SEED") else { return };
    let name = std::env::var("STAFFROOM_PLAN").unwrap_or_else(|_| "small".to_owned());
    let plan = Plan::named(&name, seed).expect("small, large, huge, together, forking, erasing or liar");
    println!("{plan:#?}");
    let outcome = run(plan, usize::MAX);
    if let Some(failure) = &outcome.failure {
        println!("{}", failure.tail.join("\n"));
    }
    println!("log {:016x}", outcome.log);
    report("replay", &outcome.counts, outcome.failure.map(|failure| Failure { tail: Vec::new(), ..failure }).as_ref());
}
