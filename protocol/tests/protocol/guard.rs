//! The guard before Automerge (§2.3): what it lets pass, Automerge applies, saves and loads; what
//! Automerge makes within the schema, it lets pass; and its verdict follows from the causal past alone.
//!
//! `STAFFROOM_GUARD_CASES` says how many mutations; each run prints what became of them.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

use std::{
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
};

use crate::mutations::{Damage, Disorder, Step, any_damage, any_disorder, any_step, damage, disorder, recoded, take};
use crate::support::{contents, repair};
use automerge::{ActorId, Automerge, ExpandedChange, hydrate, legacy::OpId};
use proptest::{collection, prelude::*, sample::Index, strategy::ValueTree, test_runner::TestRunner};
use staffroom_protocol::{
    id::ChangeHash,
    record::{
        change::{Change, Void},
        past::Past,
    },
};

/// More than any one change may take to read and judge.
const MEMORY: u64 = 8 << 20;

/// What an actor does: takes in what another has, then makes a change.
#[derive(Debug, Clone)]
struct Turn {
    actor: usize,
    pull: Option<usize>,
    steps: Vec<Step>,
}

fn any_turn() -> impl Strategy<Value = Turn> {
    let turn = (0usize..4, proptest::option::of(0usize..4), collection::vec(any_step(), 1..16));
    turn.prop_map(|(actor, pull, steps)| Turn { actor, pull, steps })
}

/// A mutation of one change.
#[derive(Debug, Clone)]
enum Mutation {
    Bytes(Vec<Damage>),
    Operations(Vec<Disorder>),
    /// A column written in other runs.
    Recoded(Index),
    DropDependency(Index),
    Depend(Index),
    Start(i64),
    Highest(u64),
    Seq(i64),
    Actor(Index),
}

fn any_mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        8 => collection::vec(any_damage(), 1..4).prop_map(Mutation::Bytes),
        8 => collection::vec(any_disorder(), 1..4).prop_map(Mutation::Operations),
        2 => any::<Index>().prop_map(Mutation::Recoded),
        2 => any::<Index>().prop_map(Mutation::DropDependency),
        2 => any::<Index>().prop_map(Mutation::Depend),
        1 => (-3i64..4).prop_map(Mutation::Start),
        1 => (0u64..40).prop_map(Mutation::Highest),
        1 => (-2i64..3).prop_map(Mutation::Seq),
        1 => any::<Index>().prop_map(Mutation::Actor),
    ]
}

/// What Automerge made in some turns, each change after those that it builds on.
struct History(Vec<automerge::Change>);

impl History {
    fn play(turns: &[Turn]) -> Self {
        let actor = |at: usize| ActorId::from([u8::try_from(at).unwrap() * 37 + 5; 16]);
        let mut first = Automerge::new().with_actor(actor(0));
        first.transact(|tx| take(tx, &Step::Put(0, "genesis".to_owned()))).unwrap();
        let mut all = first.clone();
        let mut docs: Vec<Automerge> = (0..4).map(|at| first.clone().with_actor(actor(at))).collect();
        for Turn { actor, pull, steps } in turns {
            if let Some(from) = pull {
                let mut from = docs[*from].clone();
                docs[*actor].merge(&mut from).unwrap();
            }
            docs[*actor].transact(|tx| steps.iter().try_for_each(|step| take(tx, step))).unwrap();
            all.merge(&mut docs[*actor].clone()).unwrap();
        }
        Self(all.get_changes(&[]).iter().map(|change| (*change).clone()).collect())
    }
    fn ids(&self) -> Vec<OpId> {
        let ids = |change: &automerge::Change| {
            let (start, actor) = (change.start_op().get(), change.actor_id().clone());
            (start..start + change.len() as u64).map(move |counter| OpId(counter, actor.clone())).collect::<Vec<_>>()
        };
        self.0.iter().flat_map(ids).collect()
    }
    fn mutate(&self, at: usize, mutation: &Mutation) -> Option<Vec<u8>> {
        let original = &self.0[at];
        let expand = |change: &mut dyn FnMut(&mut ExpandedChange)| {
            let mut expanded = original.decode();
            change(&mut expanded);
            // Automerge does not write everything that can be told of a change.
            catch_unwind(AssertUnwindSafe(|| automerge::Change::from(expanded).raw_bytes().to_vec())).ok()
        };
        match mutation {
            Mutation::Bytes(damages) => {
                let mut bytes = contents(original.raw_bytes()).to_vec();
                damage(&mut bytes, damages);
                Some(repair(&bytes))
            }
            Mutation::Recoded(column) => recoded(contents(original.raw_bytes()), *column).map(|bytes| repair(&bytes)),
            Mutation::Operations(disorders) => expand(&mut |change| {
                let ids = self.ids();
                for one in disorders {
                    disorder(&mut change.operations, &ids, one);
                }
            }),
            Mutation::DropDependency(which) => expand(&mut |change| {
                if !change.deps.is_empty() {
                    change.deps.remove(which.index(change.deps.len()));
                }
            }),
            Mutation::Depend(on) => expand(&mut |change| {
                change.deps.push(on.get(&self.0).hash());
                change.deps.sort_unstable();
                change.deps.dedup();
            }),
            Mutation::Start(by) => expand(&mut |change| {
                let start = change.start_op.get().saturating_add_signed(*by);
                change.start_op = start.max(1).try_into().unwrap();
            }),
            Mutation::Highest(below) => expand(&mut |change| {
                change.start_op = ((1u64 << 32) - below).try_into().unwrap();
            }),
            Mutation::Seq(by) => expand(&mut |change| change.seq = change.seq.saturating_add_signed(*by)),
            Mutation::Actor(of) => expand(&mut |change| change.actor_id = of.get(&self.0).actor_id().clone()),
        }
    }
    /// The changes that a change with these dependencies builds on.
    fn closure(&self, deps: &[ChangeHash]) -> BTreeSet<ChangeHash> {
        let mut closure: BTreeSet<ChangeHash> = deps.iter().copied().collect();
        for change in self.0.iter().rev() {
            if closure.contains(&ChangeHash(change.hash().0)) {
                closure.extend(change.deps().iter().map(|dep| ChangeHash(dep.0)));
            }
        }
        closure
    }
    /// All changes but those of an actor from a number on, and what builds on them.
    fn beside(&self, actor: &[u8], seq: u64) -> BTreeSet<ChangeHash> {
        let mut kept = BTreeSet::new();
        for change in &self.0 {
            let own = change.actor_id().to_bytes() == actor && change.seq() >= seq;
            if !own && change.deps().iter().all(|dep| kept.contains(&ChangeHash(dep.0))) {
                kept.insert(ChangeHash(change.hash().0));
            }
        }
        kept
    }
    fn some(&self, which: &BTreeSet<ChangeHash>) -> Vec<automerge::Change> {
        self.0.iter().filter(|change| which.contains(&ChangeHash(change.hash().0))).cloned().collect()
    }
}

fn past_of(changes: &[automerge::Change]) -> Past {
    let mut past = Past::default();
    for change in changes {
        let read = Change::read(change.raw_bytes()).expect("Automerge's own changes are read");
        let fits = past.admit(&read);
        assert_eq!(fits, Ok(()), "Automerge's own change fits: {:?}", change.decode());
    }
    past
}

/// Applies changes, saves and loads: gives what is shown.
fn applied(changes: &[automerge::Change]) -> Automerge {
    let mut doc = Automerge::new();
    doc.apply_changes(changes.iter().cloned()).unwrap();
    let loaded = Automerge::load(&doc.save()).expect("what applies must load again");
    let raw = |doc: &Automerge| -> BTreeSet<Vec<u8>> {
        doc.get_changes(&[]).iter().map(|change| change.raw_bytes().to_vec()).collect()
    };
    assert_eq!(raw(&loaded), changes.iter().map(|change| change.raw_bytes().to_vec()).collect());
    assert_eq!(shown(&loaded), shown(&doc));
    doc
}

fn shown(doc: &Automerge) -> hydrate::Value {
    doc.hydrate(None)
}

/// Holds a mutation to everything that the guard promises of it; says what became of it.
fn judge(history: &History, bytes: &[u8]) -> Result<(), Void> {
    let mut read = None;
    let memory = allocation_counter::measure(|| read = Some(Change::read(bytes))).bytes_max;
    assert!(memory <= MEMORY, "reading took {memory} bytes");
    let change = read.unwrap()?;
    let header = change.header();
    let near = history.some(&history.closure(&header.deps));
    let far = history.some(&history.beside(&header.actor(), header.seq));
    let mut past = past_of(&near);
    let mut verdict = Ok(());
    let memory = allocation_counter::measure(|| verdict = past.admit(&change)).bytes_max;
    assert!(memory <= MEMORY, "judging took {memory} bytes");
    if header.deps.iter().all(|dep| far.iter().any(|change| change.hash().0 == dep.0)) {
        assert_eq!(past_of(&far).admit(&change), verdict, "the verdict depends on what is beside the past");
    }
    verdict?;
    let mutant = automerge::Change::from_bytes(bytes.to_vec()).unwrap();
    assert_eq!(mutant.raw_bytes(), bytes);
    applied(&[&near[..], core::slice::from_ref(&mutant)].concat());
    // Last of all, or as soon as what it builds on is there.
    let last = applied(&[&far[..], core::slice::from_ref(&mutant)].concat());
    let closure = history.closure(&header.deps);
    let (before, after): (Vec<_>, Vec<_>) =
        far.into_iter().partition(|change| closure.contains(&ChangeHash(change.hash().0)));
    let first = applied(&[&before[..], &[mutant], &after[..]].concat());
    assert_eq!(shown(&first), shown(&last));
    Ok(())
}

#[allow(clippy::disallowed_methods, reason = "how long to look, not what is held")]
fn cases(default: u32) -> u32 {
    std::env::var("STAFFROOM_GUARD_CASES").ok().map_or(default, |cases| cases.parse().unwrap())
}

#[test]
fn no_change_that_automerge_makes_within_the_schema_is_refused() {
    let mut runner = TestRunner::deterministic();
    let mut valid = 0;
    while valid < cases(100_000) {
        let turns = collection::vec(any_turn(), 40).new_tree(&mut runner).unwrap().current();
        let history = History::play(&turns);
        past_of(&history.0);
        valid += u32::try_from(history.0.len()).unwrap();
    }
    eprintln!("{valid} valid changes, none refused");
}

#[test]
fn a_mutated_change_is_void_or_harmless_and_the_same_everywhere() {
    let mut runner = TestRunner::deterministic();
    let mut outcomes: BTreeMap<String, u32> = BTreeMap::new();
    let mut done = 0;
    while done < cases(100_000) {
        let turns = collection::vec(any_turn(), 1..9).new_tree(&mut runner).unwrap().current();
        let history = History::play(&turns);
        for _ in 0..24 {
            let (at, mutation) = (any::<Index>(), any_mutation()).new_tree(&mut runner).unwrap().current();
            let at = at.index(history.0.len());
            let Some(bytes) = history.mutate(at, &mutation) else { continue };
            if bytes == history.0[at].raw_bytes() {
                continue;
            }
            done += 1;
            let outcome = catch_unwind(AssertUnwindSafe(|| judge(&history, &bytes)));
            let outcome = outcome.unwrap_or_else(|panic| {
                eprintln!(
                    "{turns:?}\n{at}: {mutation:?}\n{:?}",
                    automerge::Change::from_bytes(bytes).map(|c| c.decode())
                );
                std::panic::resume_unwind(panic)
            });
            let name = outcome.map_or_else(|void| format!("{void:?}"), |()| "applied".to_owned());
            let name = name.split(|c: char| !c.is_alphanumeric()).next().unwrap().to_owned();
            *outcomes.entry(name).or_default() += 1;
        }
    }
    eprintln!("{done} mutations: {outcomes:?}");
    assert!(outcomes["applied"] > 0, "no mutation was let pass: nothing was held to Automerge");
}
