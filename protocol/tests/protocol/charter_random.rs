//! Random charters: whatever schools do apart, and in whatever order it arrives, all come to the same.

use proptest::prelude::*;
use staffroom_protocol::charter::{Body, Charter, Role};
use staffroom_protocol::entropy::Entropy;
use staffroom_protocol::id::DecisionId;

use crate::charter_world::{Party, chain, cluster, level, units};

/// How many schools there may come to be.
const SCHOOLS: usize = 7;

/// Dice that fall the same for the same seed.
pub(crate) struct Dice(pub(crate) Entropy);

impl Dice {
    pub(crate) fn below(&mut self, n: usize) -> usize {
        u32::from_le_bytes(self.0.array()) as usize % n
    }
    fn small(&mut self, n: u8) -> u8 {
        self.0.array::<1>()[0] % n
    }
}

/// One act of one school, or a word between two.
pub(crate) fn act(dice: &mut Dice, parties: &mut Vec<Party>, counts: &mut [usize; 12]) {
    let who = dice.below(parties.len());
    let other = dice.below(parties.len());
    let target = parties[other].clone();
    let room = parties.len() < SCHOOLS;
    let me = &mut parties[who];
    let next = dice.below(9) as u64;
    let kind = dice.below(16);
    let done = match kind {
        0 => me.enrol(1 + dice.small(5)).is_ok(),
        1 => me.retire(dice.small(5), next).is_ok(),
        2 => me.promote(&target).is_ok(),
        3 => me.demote(&target, [Role::Reader, Role::Contributor][dice.below(2)], next).is_ok(),
        4 => dice.below(3) == 0 && me.remove(&target, next).is_ok(),
        5 => dice.below(3) == 0 && me.leave(next).is_ok(),
        6 => me.admit(&target, [Role::Reader, Role::Contributor][dice.below(2)]).is_ok(),
        7 => me.propose(Body::Rename(format!("Cluster {next}"))).is_ok(),
        8 | 9 => {
            let waiting: Vec<DecisionId> = me.charter.proposals().map(|voted| voted.decision.id()).collect();
            waiting.into_iter().filter(|id| me.vote(*id, dice.below(5) > 0).is_ok()).count() > 0
        }
        10 if room => {
            let n = u8::try_from(parties.len()).unwrap() + 1;
            let mut joiner = Party { n, chain: chain(n), charter: parties[who].charter.clone() };
            let admitted = parties[who].admit(&joiner, Role::Contributor).is_ok();
            if admitted {
                joiner.hear(&parties[who].clone()).unwrap();
                parties.push(joiner);
            }
            admitted
        }
        _ => {
            let heard = if who == other { false } else { me.hear(&target).is_ok() };
            counts[11] += usize::from(heard);
            return;
        }
    };
    counts[kind.min(10)] += usize::from(done);
}

/// A copy of one school's machine acts beside it: its chain of operations forks.
fn copy(dice: &mut Dice, parties: &mut Vec<Party>) {
    let who = dice.below(parties.len());
    let mut copy = parties[who].clone();
    let both = copy.enrol(6).is_ok() && parties[who].retire(0, 3).is_ok();
    if both {
        parties.push(copy);
    }
}

/// Hears everything in some order, again and again until nothing is new.
fn in_some_order(dice: &mut Dice, space: staffroom_protocol::id::SpaceId, parties: &[Party]) -> Charter {
    let mut charter = Charter::empty(space);
    let mut all = units(parties);
    loop {
        for at in (1..all.len()).rev() {
            all.swap(at, dice.below(at + 1));
        }
        let before = charter.hash();
        for unit in &all {
            let _later = charter.admit(unit.clone());
        }
        if charter.hash() == before {
            return charter;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]
    #[test]
    fn two_hundred_acts_resolve_to_the_same_for_everyone(seed: [u8; 32], copies in 0usize..3) {
        let mut dice = Dice(Entropy::from_seed(seed));
        let mut parties = cluster(4, 3);
        let mut counts = [0; 12];
        for n in 0..200 {
            act(&mut dice, &mut parties, &mut counts);
            if n % 67 == 66 && n / 67 < copies {
                copy(&mut dice, &mut parties);
            }
        }
        level(&mut parties);
        // A steward's copy may have voted beside it: then two decisions stand at one place until settled.
        if copies > 0 && parties.iter().any(|party| party.charter.unsettled().count() > 0) {
            return Ok(());
        }
        let (hash, resolved) = (parties[0].charter.hash(), parties[0].charter.resolved().clone());
        for party in &parties {
            prop_assert_eq!(party.charter.resolved(), &resolved, "party {}", party.n);
            prop_assert_eq!(party.charter.hash(), hash, "party {}", party.n);
            prop_assert_eq!(party.charter.unsettled().count(), 0);
        }
        prop_assert!(resolved.stewards().count() > 0);
        let space = parties[0].charter.space();
        for _ in 0..2 {
            let late = in_some_order(&mut dice, space, &parties);
            prop_assert_eq!(late.resolved(), &resolved);
            prop_assert_eq!(late.hash(), hash);
        }
        // From disk: everything at once.
        let mut read = Charter::empty(space);
        read.admit(parties[0].charter.whole()).unwrap();
        prop_assert_eq!(read.resolved(), &resolved);
        prop_assert_eq!(read.hash(), hash);
    }
}

#[test]
fn the_random_acts_are_all_taken_sometimes() {
    let mut counts = [0; 12];
    for seed in 0..20 {
        let mut dice = Dice(Entropy::from_seed([seed; 32]));
        let mut parties = cluster(4, 3);
        for _ in 0..200 {
            act(&mut dice, &mut parties, &mut counts);
        }
    }
    assert!(counts.iter().enumerate().all(|(kind, n)| *n > 0 || kind == 9), "{counts:?}");
}
