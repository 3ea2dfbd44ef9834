//! What the changes of a record made, and whether one more fits its causal past (§2.3).
//!
//! The changes of one actor are a chain, so the causal past of a change is told by a number for each
//! actor: how many of its changes are in it. Of what an actor made, the past holds all up to a counter.
//! That makes the verdict on a change a function of its past alone, whatever else is in here.

mod fit;
mod span;

use std::collections::{BTreeMap, BTreeSet};

use super::change::{Actor, Change, ChangeHeader, Void};
use crate::{id::ChangeHash, limits};
use span::{Span, Spans};

/// The changes of a record, each fitting its causal past, and an index of what they made.
#[derive(Debug, Clone, Default)]
pub struct Past {
    /// In the order in which they came in, each after those that it builds on.
    changes: Vec<Known>,
    places: BTreeMap<ChangeHash, usize>,
    actors: BTreeMap<Actor, u32>,
    chains: Vec<Chain>,
    /// The keys of maps, numbered.
    keys: BTreeMap<String, u32>,
    heads: BTreeSet<ChangeHash>,
    weight: u64,
}

/// A change that is in here.
#[derive(Debug, Clone)]
struct Known {
    hash: ChangeHash,
    deps: Vec<ChangeHash>,
    /// Its causal past and itself.
    clock: Clock,
    /// Its actor, and its number among that one's changes.
    own: (u32, u32),
    last_op: u64,
}

/// How many changes of each actor; actors by their number here.
type Clock = BTreeMap<u32, u32>;

/// The changes of one actor and what they made.
#[derive(Debug, Clone)]
struct Chain {
    links: Vec<Link>,
    spans: Spans,
}

/// A change of a chain.
#[derive(Debug, Clone, Copy)]
struct Link {
    last_op: u64,
    /// Of it and all before it in the chain.
    weight: u64,
}

impl Past {
    /// How many changes are in here.
    pub fn len(&self) -> usize {
        self.changes.len()
    }
    /// Whether no change is in here.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
    /// Whether a change is in here.
    pub fn contains(&self, change: &ChangeHash) -> bool {
        self.places.contains_key(change)
    }
    /// The changes, each after those that it builds on, with what they build on.
    pub fn changes(
        &self,
    ) -> impl DoubleEndedIterator<Item = (ChangeHash, &[ChangeHash])> + ExactSizeIterator<Item = (ChangeHash, &[ChangeHash])>
    {
        self.changes.iter().map(|known| (known.hash, &known.deps[..]))
    }
    /// The changes that no other builds on, ascending.
    pub fn heads(&self) -> Vec<ChangeHash> {
        self.heads.iter().copied().collect()
    }
    /// How many changes of an actor these heads contain; those that are not in here contain none.
    pub fn count(&self, actor: &Actor, heads: &[ChangeHash]) -> u32 {
        let Some(actor) = self.actors.get(actor) else { return 0 };
        let known = heads.iter().filter_map(|head| self.changes.get(*self.places.get(head)?));
        known.filter_map(|known| known.clock.get(actor)).max().copied().unwrap_or(0)
    }
    /// How many changes of an actor are in here.
    pub fn count_all(&self, actor: &Actor) -> u32 {
        let chain = self.actors.get(actor).and_then(|actor| self.chains.get(*actor as usize));
        chain.map_or(0, |chain| count(chain.links.len()))
    }
    /// What all changes together weigh (§7): more than what a node must remember of them.
    pub fn weight(&self) -> u64 {
        self.weight
    }

    /// Takes a change in if it fits its causal past; what it builds on must be in here.
    pub fn admit(&mut self, change: &Change<'_>) -> Result<(), Void> {
        let header = change.header();
        let deps = self.deps(header)?;
        // First what costs least.
        let highest = deps.iter().map(|dep| dep.last_op).max().unwrap_or(0);
        if header.start_op != highest + 1 {
            return Err(Void::Start { seq: header.seq, start_op: header.start_op });
        }
        let actor = self.actors.get(&header.actor()).copied();
        let before = before(&deps, actor)?;
        let own = actor.and_then(|actor| before.get(&actor)).copied().unwrap_or(0);
        // Each change of an actor descends from the one before it. There is one with each number, or who
        // calls has let two pass (§2.2).
        if header.seq != u64::from(own) + 1 || self.count_all(&header.actor()) != own {
            return Err(Void::Start { seq: header.seq, start_op: header.start_op });
        }
        let weight = weight(change, before.len());
        let past_weight = |(actor, count): (&u32, &u32)| self.link(*actor, *count).map_or(0, |link| link.weight);
        if before.iter().map(past_weight).fold(weight, u64::saturating_add) > limits::RECORD_OPERATIONS {
            return Err(Void::RecordFull);
        }
        let made = fit::check(self, &before, change)?;
        self.take_in(header, before, made, weight);
        Ok(())
    }

    /// What a change builds on.
    fn deps(&self, header: &ChangeHeader) -> Result<Vec<&Known>, Void> {
        let known = |dep| self.places.get(dep).and_then(|place| self.changes.get(*place)).ok_or(Void::Missing(*dep));
        header.deps.iter().map(known).collect()
    }

    fn take_in(&mut self, header: &ChangeHeader, mut clock: Clock, made: Vec<fit::Made<'_>>, weight: u64) {
        let next = count(self.chains.len());
        let actor = *self.actors.entry(header.actor()).or_insert(next);
        if actor == next {
            self.chains.push(Chain { links: Vec::new(), spans: Spans::default() });
        }
        let seq = clock.entry(actor).or_insert(0);
        *seq += 1;
        let own = (actor, *seq);
        if let Some(chain) = self.chains.get_mut(actor as usize) {
            let before = chain.links.last().map_or(0, |link| link.weight);
            chain.links.push(Link { last_op: header.last_op(), weight: before + weight });
            for made in made {
                let at = made.key.map(|key| number(&mut self.keys, key));
                let object = made.object.resolve(actor);
                chain.spans.push(Span { first: made.first, last: made.last, object, key: at, kind: made.kind });
            }
        }
        self.weight += weight;
        for dep in &header.deps {
            self.heads.remove(dep);
        }
        self.heads.insert(header.hash);
        self.places.insert(header.hash, self.changes.len());
        let known = Known { hash: header.hash, deps: header.deps.clone(), clock, own, last_op: header.last_op() };
        self.changes.push(known);
    }

    fn link(&self, actor: u32, count: u32) -> Option<&Link> {
        self.chains.get(actor as usize)?.links.get((count as usize).checked_sub(1)?)
    }
}

/// The causal past of a change by `author` that builds on these: none may be in the past of another but
/// the author's own last change, which Automerge names beside the heads.
fn before(deps: &[&Known], author: Option<u32>) -> Result<Clock, Void> {
    if let [dep] = deps {
        return Ok(dep.clock.clone());
    }
    // One of two of the same actor is in the past of the other; so there are no more than actors.
    let actors: BTreeSet<u32> = deps.iter().map(|dep| dep.own.0).collect();
    if actors.len() < deps.len() {
        return Err(Void::Dependencies);
    }
    let mut clock = Clock::new();
    for (dep, (actor, count)) in deps.iter().flat_map(|dep| dep.clock.iter().map(move |entry| (dep, entry))) {
        // Without the dependencies themselves, which must not be in what they have before them.
        let count = if *actor == dep.own.0 { *count - 1 } else { *count };
        let highest = clock.entry(*actor).or_insert(0);
        *highest = count.max(*highest);
    }
    for (actor, count) in deps.iter().map(|dep| dep.own) {
        let highest = clock.entry(actor).or_insert(0);
        if *highest >= count && Some(actor) != author {
            return Err(Void::Dependencies);
        }
        *highest = count.max(*highest);
    }
    Ok(clock)
}

/// What a change weighs against [`limits::RECORD_OPERATIONS`]: its operations, a fixed sum for the change
/// itself, one for each actor of its causal past and one for 16 of its bytes, so that what a node must read
/// and remember is bounded too.
fn weight(change: &Change<'_>, actors: usize) -> u64 {
    let header = change.header();
    // Automerge keeps for such a change which others are before it.
    let kept = if header.hash.0.first() == Some(&0) { limits::FRAGMENT_WEIGHT } else { 0 };
    header.operations + limits::CHANGE_WEIGHT + actors as u64 + change.bytes().len() as u64 / 16 + kept
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn number(keys: &mut BTreeMap<String, u32>, key: &str) -> u32 {
    if let Some(number) = keys.get(key) {
        return *number;
    }
    let number = count(keys.len());
    keys.insert(key.to_owned(), number);
    number
}
