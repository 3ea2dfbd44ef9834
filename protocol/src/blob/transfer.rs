//! Which chunks to ask of whom, until all are here.

use std::collections::{BTreeMap, BTreeSet};

use super::Get;
use super::pace::{BARELY, MUCH, Pace};
use crate::limits;
use crate::time::Millis;

/// A set of chunks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chunks(Vec<u64>);

impl Chunks {
    /// Adds one; whether it was new.
    pub fn insert(&mut self, chunk: u32) -> bool {
        let (word, bit) = (chunk as usize / 64, 1 << (chunk % 64));
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        let new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        new
    }
    /// Whether it is in the set.
    pub fn contains(&self, chunk: u32) -> bool {
        self.0.get(chunk as usize / 64).is_some_and(|word| word & (1 << (chunk % 64)) != 0)
    }
    /// How many.
    pub fn len(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }
}

/// What was found when a chunk came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is the one that the manifest names, and it is written.
    Good,
    /// It is not.
    Wrong,
    /// The partner cannot give it any more.
    Gone,
}

/// What happens to a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input<P> {
    /// A partner says that it has the blob.
    Joined(P),
    /// A partner is gone.
    Left(P),
    /// A partner answered for a chunk.
    Came(P, u32, Verdict),
    /// So many bytes came from a partner, of whatever it was asked for.
    Heard(P, u64),
    /// Some time went by.
    Tick,
    /// There are more who may have the blob, and no room to ask them.
    Crowded,
}

/// Why nothing more is asked of a partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// It sent what is not the chunk: its fault.
    Wrong,
    /// It sent what it was not asked for: its fault.
    Unasked,
    /// It has not got the blob any more.
    Gone,
    /// It sends nothing.
    Silent,
    /// It sends so slowly that others are asked instead: no fault, and better than nobody.
    Slow,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output<P> {
    /// Ask these of it.
    Ask(P, Get),
    /// Have no more to do with it in this transfer.
    Drop(P, Dropped),
    /// Every chunk is here. Nothing follows.
    Done,
}

/// What one partner was asked for and has not sent.
#[derive(Debug, Default)]
struct Provider {
    asked: BTreeSet<u32>,
    /// When it last sent something, or was first asked.
    heard: Millis,
    pace: Pace,
}

/// Fetches the chunks of one blob. Promises that no chunk is asked for that is here or under way, and that
/// all come as long as one partner stays that gives them.
#[derive(Debug)]
pub struct Transfer<P> {
    count: u32,
    held: Chunks,
    /// The first that nobody was asked for yet.
    next: u32,
    /// Those that somebody was asked for and did not send.
    back: BTreeSet<u32>,
    providers: BTreeMap<P, Provider>,
    /// Those that were too slow once. Should one be asked again, what it sent before may still come.
    slow: BTreeSet<P>,
    /// After so many milliseconds without a byte a partner is silent.
    patience: u64,
    done: bool,
}

impl<P: Ord + Copy> Transfer<P> {
    /// Of a blob of so many chunks, of which these are here.
    pub fn new(count: u32, held: Chunks, patience: u64) -> Self {
        Self {
            count,
            held,
            next: 0,
            back: BTreeSet::new(),
            providers: BTreeMap::new(),
            slow: BTreeSet::new(),
            patience,
            done: false,
        }
    }
    /// How many chunks are here.
    pub fn held(&self) -> u32 {
        self.held.len()
    }
    /// Of whom chunks are asked at present.
    pub fn providers(&self) -> impl Iterator<Item = P> + '_ {
        self.providers.keys().copied()
    }

    /// Takes one step.
    pub fn handle(&mut self, input: Input<P>, now: Millis) -> Vec<Output<P>> {
        let mut out = Vec::new();
        if self.done {
            return out;
        }
        match input {
            Input::Joined(partner) => {
                self.providers.entry(partner).or_default();
            }
            Input::Left(partner) => self.leave(partner),
            Input::Came(partner, chunk, verdict) => {
                if let Some(why) = self.came(partner, chunk, verdict, now) {
                    self.drop(partner, why, &mut out);
                }
            }
            Input::Heard(partner, bytes) => {
                if let Some(provider) = self.providers.get_mut(&partner) {
                    provider.heard = now;
                    provider.pace.add(bytes);
                }
            }
            Input::Crowded => {
                if let Some(partner) = self.too_slow(true) {
                    self.drop(partner, Dropped::Slow, &mut out);
                }
            }
            Input::Tick => {
                // The clock may have been set back.
                let is_silent = |provider: &Provider| {
                    !provider.asked.is_empty() && now.since(provider.heard.min(now)) > self.patience
                };
                let silent: Vec<P> = self.providers.iter().filter(|(_, p)| is_silent(p)).map(|(p, _)| *p).collect();
                for partner in silent {
                    self.drop(partner, Dropped::Silent, &mut out);
                }
                for provider in self.providers.values_mut().filter(|provider| !provider.asked.is_empty()) {
                    provider.pace.measure(now, self.patience);
                }
                if let Some(partner) = self.too_slow(false) {
                    self.drop(partner, Dropped::Slow, &mut out);
                }
            }
        }
        if self.held.len() == self.count {
            self.done = true;
            out.push(Output::Done);
        } else {
            self.ask(now, &mut out);
        }
        out
    }

    /// Notes what a partner sent; gives back why it is not asked any more.
    fn came(&mut self, partner: P, chunk: u32, verdict: Verdict, now: Millis) -> Option<Dropped> {
        let asked = self.providers.get(&partner).is_some_and(|provider| provider.asked.contains(&chunk));
        let Some(provider) = self.providers.get_mut(&partner).filter(|_| asked || !self.slow.contains(&partner)) else {
            // What it sent before it was dropped is as good as any, where it is right.
            if verdict == Verdict::Good {
                self.held.insert(chunk);
                self.back.remove(&chunk);
            }
            return None;
        };
        if !asked {
            return Some(Dropped::Unasked);
        }
        match verdict {
            Verdict::Good => {
                provider.asked.remove(&chunk);
                provider.heard = now;
                if provider.asked.is_empty() {
                    provider.pace.measure(now, 0);
                }
                self.held.insert(chunk);
                None
            }
            Verdict::Wrong => Some(Dropped::Wrong),
            Verdict::Gone => Some(Dropped::Gone),
        }
    }

    /// The slowest partner, where others would be quicker: one that is much faster and could give what it
    /// holds up, or, where it gives hardly anything, any of which nobody knows yet how fast it is.
    fn too_slow(&self, crowded: bool) -> Option<P> {
        let owing = self.providers.iter().filter(|(_, provider)| !provider.asked.is_empty());
        let rates = owing.filter_map(|(partner, provider)| Some((provider.pace.rate()?, *partner, provider)));
        let (rate, slowest, provider) = rates.min_by_key(|(rate, ..)| *rate)?;
        let others = || self.providers.iter().filter(|(partner, _)| **partner != slowest).map(|(_, other)| other);
        let owes = provider.asked.len() as u64 * limits::CHUNK as u64;
        let holds_up = owes > rate.saturating_mul(self.patience) / 1_000;
        let much_faster = others().filter_map(|other| other.pace.rate()).any(|other| other / MUCH > rate);
        let untried = crowded || others().any(|other| other.asked.is_empty() && other.pace.rate().is_none());
        ((holds_up && much_faster) || (rate < BARELY && untried)).then_some(slowest)
    }

    fn drop(&mut self, partner: P, why: Dropped, out: &mut Vec<Output<P>>) {
        self.leave(partner);
        if why == Dropped::Slow {
            self.slow.insert(partner);
        }
        out.push(Output::Drop(partner, why));
    }

    /// What a partner owes is asked of others.
    fn leave(&mut self, partner: P) {
        if let Some(provider) = self.providers.remove(&partner) {
            self.back.extend(provider.asked);
        }
    }

    /// Asks those that owe little for more, the one that owes least first.
    fn ask(&mut self, now: Millis, out: &mut Vec<Output<P>>) {
        let room = limits::CHUNKS_UNDER_WAY - limits::CHUNKS_ASKED as usize;
        loop {
            let free = self.providers.iter().filter(|(_, provider)| provider.asked.len() <= room);
            let Some(partner) = free.min_by_key(|(_, provider)| provider.asked.len()).map(|(p, _)| *p) else { return };
            let Some(get) = self.next_run() else { return };
            let Some(provider) = self.providers.get_mut(&partner) else { return };
            if provider.asked.is_empty() {
                provider.heard = now;
                provider.pace.begin(now);
            }
            provider.asked.extend(get.first..get.first + get.count);
            out.push(Output::Ask(partner, get));
        }
    }

    /// The next chunks that are neither here nor under way, one after the other.
    fn next_run(&mut self) -> Option<Get> {
        let first = loop {
            match self.back.pop_first() {
                Some(back) if self.held.contains(back) => {}
                Some(back) => break back,
                None => break self.take_next()?,
            }
        };
        let mut count = 1;
        while count < limits::CHUNKS_ASKED {
            let wanted = first + count;
            if !self.back.remove(&wanted) {
                if self.next != wanted || self.held.contains(wanted) || wanted >= self.count {
                    break;
                }
                self.next += 1;
            }
            count += 1;
        }
        Some(Get { first, count })
    }

    fn take_next(&mut self) -> Option<u32> {
        while self.next < self.count {
            self.next += 1;
            if !self.held.contains(self.next - 1) {
                return Some(self.next - 1);
            }
        }
        None
    }
}
