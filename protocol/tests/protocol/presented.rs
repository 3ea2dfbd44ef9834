//! A device that nobody knows presents what proves its school's admission (§3.10).

use proptest::prelude::*;
use staffroom_protocol::charter::{Charter, Missing, Presented, Role};
use staffroom_protocol::entropy::Entropy;
use staffroom_protocol::fault::Fault;
use staffroom_protocol::id::{DeviceId, SchoolId};
use staffroom_protocol::limits;
use staffroom_protocol::sync::{DeviceAsk, SpacePart};

use crate::charter_random::{Dice, act};
use crate::charter_world::{Party, chain, cluster, key, level};

fn device(n: u8) -> DeviceId {
    key(n).public()
}

/// Presents one part after the other, as long as more is asked for; says how many were taken.
fn converse(to: &mut Charter, parts: &[Missing], device: &DeviceId) -> (usize, bool) {
    for (taken, part) in parts.iter().enumerate() {
        let before = to.clone();
        match to.presented(part.clone(), device) {
            Ok(presented) => {
                to.admit(part.clone()).unwrap();
                assert_ne!(presented == Presented::More, to.school_of(device).is_some());
                assert!(presented == Presented::Known || *to != before, "what brings nothing is refused");
                if presented == Presented::Known {
                    return (taken + 1, true);
                }
            }
            Err(_) => return (taken, false),
        }
    }
    (parts.len(), false)
}

/// Presents from the last part on, then from the one before; says from which part on it became known.
fn present(to: &mut Charter, parts: &[Missing], device: &DeviceId) -> Option<usize> {
    (0..parts.len()).rev().find(|first| converse(to, &parts[*first..], device).1)
}

/// A cluster, what its third school held of it before it went away, and what happened since.
fn away(enrolments: u8) -> (Charter, Vec<Party>) {
    let mut parties = cluster(3, 1);
    let away = parties.pop().unwrap().charter;
    for (generation, who) in (1..=enrolments).flat_map(|generation| [(generation, 0), (generation, 1)]) {
        parties[who].enrol(generation).unwrap();
        parties[who].retire(generation, 0).unwrap();
    }
    let second = parties[1].clone();
    parties[0].hear(&second).unwrap();
    parties[0].promote(&second).unwrap();
    let joiner = Party { n: 9, chain: chain(9), charter: Charter::empty(parties[0].charter.space()) };
    parties[0].admit(&joiner, Role::Contributor).unwrap();
    parties.push(joiner);
    level(&mut parties);
    (away, parties)
}

#[test]
fn a_school_that_was_admitted_meanwhile_is_let_in() {
    let (mut away, parties) = away(0);
    let joiner = parties.last().unwrap();
    let parts = joiner.charter.presentation(&joiner.id(), limits::PRESENTED);
    assert_eq!(parts.len(), 1);
    assert_eq!(away.school_of(&device(9)), None);
    assert_eq!(away.presented(parts[0].clone(), &device(8)), Ok(Presented::More), "it proves another one's");
    assert_eq!(present(&mut away, &parts, &device(9)), Some(0));
    assert_eq!(away.resolved().role(&joiner.id()), Some(Role::Contributor));
    // The frames are read as they were written, and say what they are about.
    let frame = SpacePart { space: away.space(), part: parts[0].clone() }.to_bytes();
    assert!(frame.len() <= limits::PRESENTED);
    assert_eq!(SpacePart::parse(&frame).unwrap().part, parts[0]);
    assert_eq!(SpacePart::space_of(&frame), Some(away.space()));
    assert_eq!(DeviceAsk::parse(&DeviceAsk::Present.to_bytes()), Some(Ok(DeviceAsk::Present)));
}

#[test]
fn a_long_charter_is_presented_from_where_it_goes_on() {
    let (mut away, parties) = away(50);
    let joiner = parties.last().unwrap();
    let parts = joiner.charter.presentation(&joiner.id(), limits::PRESENTED);
    assert!(parts.len() > 1);
    for part in &parts {
        let frame = SpacePart { space: away.space(), part: part.clone() }.to_bytes();
        assert!(frame.len() <= limits::PRESENTED, "{} bytes", frame.len());
    }
    // The last part alone goes on from what is not held.
    assert_eq!(converse(&mut away.clone(), &parts[parts.len() - 1..], &device(9)), (0, false));
    assert!(present(&mut away, &parts, &device(9)).is_some());
}

#[test]
fn what_is_known_or_void_brings_nothing() {
    let (away, mut parties) = away(0);
    // What is held already.
    let known = parties[0].charter.presentation(&parties[0].id(), limits::PRESENTED);
    let mut level_with = parties[0].charter.clone();
    assert_eq!(converse(&mut level_with, &known, &device(8)), (0, false));
    assert_eq!(level_with.presented(Missing::default(), &device(8)), Err(Fault::NoSuchSpace));
    // A steward that was removed goes on admitting: void, and not kept.
    let mut removed = parties[0].clone();
    let id = parties[1].remove(&removed, 0).unwrap();
    level(&mut parties);
    parties[0].vote(id, true).unwrap();
    level(&mut parties);
    assert_eq!(parties[1].charter.resolved().role(&removed.id()), None);
    for n in 20..25 {
        let friend = Party { n, chain: chain(n), charter: Charter::empty(away.space()) };
        removed.admit(&friend, Role::Contributor).unwrap();
        let parts = removed.charter.presentation(&friend.id(), limits::PRESENTED);
        let mut honest = parties[1].charter.clone();
        assert_eq!(present(&mut honest, &parts, &device(n)), None);
        assert_eq!(honest, parties[1].charter);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    /// Whatever was missed, and in parts of any size: nothing of it is wrong, and who belongs is mostly
    /// known in the end.
    #[test]
    fn any_presentation_only_brings_nearer(seed: [u8; 32], most in (3usize << 10)..(20 << 10)) {
        let mut dice = Dice(Entropy::from_seed(seed));
        let mut parties = cluster(4, 3);
        let mut counts = [0; 12];
        for _ in 0..40 {
            act(&mut dice, &mut parties, &mut counts);
        }
        let mut away = parties[3].charter.clone();
        for _ in 0..80 {
            act(&mut dice, &mut parties, &mut counts);
        }
        level(&mut parties);
        let all = &parties[0].charter;
        let members: Vec<SchoolId> = all.resolved().members.keys().copied().collect();
        for party in parties.iter().filter(|party| members.contains(&party.id())) {
            let parts = all.presentation(&party.id(), most);
            for part in &parts {
                let frame = SpacePart { space: all.space(), part: part.clone() }.to_bytes();
                prop_assert!(frame.len() <= most);
            }
            let known = away.school_of(&device(party.n)).is_some();
            let presented = present(&mut away, &parts, &device(party.n));
            prop_assert!(known || presented.is_some() || parts.len() > 1);
        }
        away.admit(all.missing(&away.positions())).unwrap();
        prop_assert_eq!(away.hash(), all.hash());
        prop_assert!(away.resolved() == all.resolved());
    }
}
