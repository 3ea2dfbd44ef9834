//! Fetching a blob from several partners, of which some lie, leave, fall silent or have nothing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;
use staffroom_protocol::blob::{Chunks, Dropped, Get, Input, Output, Transfer, Verdict};
use staffroom_protocol::limits;
use staffroom_protocol::time::Millis;

/// After so long a partner is silent.
const PATIENCE: u64 = 20_000;

/// How a partner behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Honest,
    /// Sends so many chunks well, then something else.
    Wrong(u8),
    /// Sends so many chunks, then nothing.
    Silent(u8),
    /// Sends so many chunks, then says that it has lost the blob.
    Forgets(u8),
    /// Hangs up after so many chunks.
    Leaves(u8),
    /// Sends what it was not asked for.
    Unasked,
}

fn manner() -> impl Strategy<Value = Manner> {
    prop_oneof![
        2 => Just(Manner::Honest),
        1 => any::<u8>().prop_map(|n| Manner::Wrong(n % 30)),
        1 => any::<u8>().prop_map(|n| Manner::Silent(n % 30)),
        1 => any::<u8>().prop_map(|n| Manner::Forgets(n % 30)),
        1 => any::<u8>().prop_map(|n| Manner::Leaves(n % 30)),
        1 => Just(Manner::Unasked),
    ]
}

/// Partners that answer in any order, and what the machine did with them.
struct World {
    transfer: Transfer<usize>,
    manners: Vec<Manner>,
    owed: BTreeMap<usize, VecDeque<u32>>,
    sent: Vec<u8>,
    good: BTreeSet<u32>,
    dropped: BTreeMap<usize, Dropped>,
    done: bool,
    now: u64,
}

impl World {
    fn new(count: u32, held: &BTreeSet<u32>, manners: Vec<Manner>) -> Self {
        let mut chunks = Chunks::default();
        for chunk in held {
            assert!(chunks.insert(*chunk));
        }
        Self {
            transfer: Transfer::new(count, chunks, PATIENCE),
            sent: vec![0; manners.len()],
            manners,
            owed: BTreeMap::new(),
            good: held.clone(),
            dropped: BTreeMap::new(),
            done: false,
            now: 1_000_000,
        }
    }

    fn step(&mut self, input: Input<usize>) {
        for output in self.transfer.handle(input, Millis(self.now)) {
            assert!(!self.done, "{output:?} after the end");
            match output {
                Output::Ask(partner, Get { first, count }) => {
                    assert!(count > 0 && count <= limits::CHUNKS_ASKED);
                    for chunk in first..first + count {
                        assert!(!self.good.contains(&chunk), "chunk {chunk} is here and asked for again");
                        let twice = self.owed.values().any(|owed| owed.contains(&chunk));
                        assert!(!twice, "chunk {chunk} is under way and asked for again");
                        self.owed.entry(partner).or_default().push_back(chunk);
                    }
                    assert!(self.owed[&partner].len() <= limits::CHUNKS_UNDER_WAY);
                }
                Output::Drop(partner, why) => {
                    self.owed.remove(&partner);
                    assert_eq!(self.dropped.insert(partner, why), None);
                }
                Output::Done => self.done = true,
            }
        }
    }

    /// One partner that owes something acts; nothing where none does.
    fn act(&mut self, choice: usize) -> bool {
        let able: Vec<usize> = (self.owed.iter())
            .filter(|(partner, owed)| {
                !owed.is_empty() && !matches!(self.manners[**partner], Manner::Silent(n) if self.sent[**partner] >= n)
            })
            .map(|(partner, _)| *partner)
            .collect();
        let Some(partner) = able.get(choice % able.len().max(1)).copied() else { return false };
        let sent = self.sent[partner];
        self.sent[partner] = sent.saturating_add(1);
        let chunk = self.owed[&partner][0];
        let verdict = match self.manners[partner] {
            Manner::Wrong(n) if sent >= n => Verdict::Wrong,
            Manner::Forgets(n) if sent >= n => Verdict::Gone,
            Manner::Leaves(n) if sent >= n => {
                self.owed.remove(&partner);
                self.dropped.insert(partner, Dropped::Gone);
                self.step(Input::Left(partner));
                return true;
            }
            Manner::Unasked => {
                self.step(Input::Came(partner, u32::MAX, Verdict::Good));
                return true;
            }
            _ => Verdict::Good,
        };
        self.owed.get_mut(&partner).expect("it owes").pop_front();
        if verdict == Verdict::Good {
            assert!(self.good.insert(chunk));
        } else {
            // What was not good is owed by nobody, and asked of somebody else.
            self.owed.get_mut(&partner).expect("it owes").clear();
        }
        self.step(Input::Came(partner, chunk, verdict));
        true
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn all_chunks_come_as_long_as_one_partner_gives_them(
        count in 0u32..90,
        held in proptest::collection::btree_set(0u32..90, 0..60),
        manners in proptest::collection::vec(manner(), 1..5),
        choices in proptest::collection::vec(any::<usize>(), 600),
    ) {
        let held: BTreeSet<u32> = held.into_iter().filter(|chunk| *chunk < count).collect();
        let mut world = World::new(count, &held, manners.clone());
        for partner in 0..manners.len() {
            world.step(Input::Joined(partner));
        }
        let mut choices = choices.into_iter();
        while !world.done {
            if !world.act(choices.next().unwrap_or_default()) {
                // Nobody says anything: time goes by, and whoever owes something is dropped.
                let owing = world.owed.values().filter(|owed| !owed.is_empty()).count();
                world.now += PATIENCE + 1;
                world.step(Input::Tick);
                if owing == 0 {
                    break;
                }
            }
        }
        let honest = manners.contains(&Manner::Honest);
        prop_assert!(world.done || !honest, "not done with an honest partner");
        if world.done {
            prop_assert_eq!(&world.good, &(0..count).collect::<BTreeSet<_>>());
        }
        for (partner, why) in &world.dropped {
            let fits = match world.manners[*partner] {
                Manner::Honest => false,
                Manner::Wrong(_) => *why == Dropped::Wrong,
                Manner::Silent(_) => *why == Dropped::Silent,
                Manner::Forgets(_) | Manner::Leaves(_) => *why == Dropped::Gone,
                Manner::Unasked => *why == Dropped::Unasked,
            };
            prop_assert!(fits, "{partner} was dropped: {why:?}");
        }
    }
}

#[test]
fn who_gives_something_now_and_then_is_not_silent_and_a_clock_put_back_drops_nobody() {
    let mut world = World::new(40, &BTreeSet::new(), vec![Manner::Honest]);
    world.step(Input::Joined(0));
    for _ in 0..39 {
        world.now += PATIENCE - 1;
        world.step(Input::Tick);
        assert!(world.act(0) && world.dropped.is_empty());
    }
    world.now = 5;
    world.step(Input::Tick);
    assert!(world.dropped.is_empty() && world.act(0) && world.done);
}

/// So many bytes a second come of each partner, for so many seconds, in whole chunks where they add up.
fn go_on(world: &mut World, rates: &[u64], seconds: u64) {
    let mut came = vec![0; rates.len()];
    for _ in 0..seconds {
        world.now += 1_000;
        for (partner, rate) in rates.iter().enumerate().filter(|(_, rate)| **rate > 0) {
            world.step(Input::Heard(partner, *rate));
            came[partner] += rate;
            while came[partner] >= limits::CHUNK as u64 && !world.done {
                came[partner] -= limits::CHUNK as u64;
                let Some(chunk) = world.owed.get_mut(&partner).and_then(VecDeque::pop_front) else { break };
                assert!(world.good.insert(chunk));
                world.step(Input::Came(partner, chunk, Verdict::Good));
            }
        }
        world.step(Input::Tick);
    }
}

#[test]
fn a_slow_line_gives_a_whole_file_and_is_never_silent() {
    let mut world = World::new(3, &BTreeSet::new(), vec![Manner::Honest]);
    world.step(Input::Joined(0));
    // A chunk takes four minutes.
    go_on(&mut world, &[1_100], 3 * 240);
    assert!(world.done && world.dropped.is_empty(), "{:?}", world.dropped);
}

#[test]
fn a_trickle_is_borne_while_it_is_the_only_one_and_makes_room_for_another() {
    let mut world = World::new(40, &BTreeSet::new(), vec![Manner::Honest, Manner::Honest]);
    world.step(Input::Joined(0));
    go_on(&mut world, &[1], 300);
    assert!(world.dropped.is_empty(), "the only one");
    // Somebody waits whom there was no room to ask; there is somebody else, and it is quick.
    world.step(Input::Crowded);
    assert_eq!(world.dropped.remove(&0), Some(Dropped::Slow));
    world.step(Input::Joined(1));
    go_on(&mut world, &[0, 2_000_000], 6);
    assert!(world.done);
}

#[test]
fn the_last_chunks_are_not_left_with_one_that_is_much_slower() {
    let mut world = World::new(80, &BTreeSet::new(), vec![Manner::Honest; 2]);
    world.step(Input::Joined(0));
    world.step(Input::Joined(1));
    // By itself the slow one would take the rest of an hour for what it owes.
    go_on(&mut world, &[1_200, 1_000_000], PATIENCE / 1_000 + 20);
    assert_eq!(world.dropped.get(&0), Some(&Dropped::Slow));
    assert!(world.done);
}

#[test]
fn a_slow_one_that_holds_nothing_up_stays() {
    let mut world = World::new(200, &BTreeSet::new(), vec![Manner::Honest; 2]);
    world.step(Input::Joined(0));
    world.step(Input::Joined(1));
    go_on(&mut world, &[300_000, 5_000_000], 40);
    assert!(world.dropped.is_empty() && world.done, "{:?}", world.dropped);
}

#[test]
fn nothing_is_asked_once_all_is_here() {
    let all: BTreeSet<u32> = (0..3).collect();
    let mut world = World::new(3, &all, vec![Manner::Honest]);
    world.step(Input::Joined(0));
    assert!(world.done && world.owed.is_empty());
}
