//! A charter resolves to the same for every order of arrival.

use std::collections::BTreeMap;

use proptest::prelude::*;
use staffroom_protocol::charter::{Act, Charter, Missing, Resolved, Role, resolve};
use staffroom_protocol::fault::Fault;
use staffroom_protocol::id::SpaceId;
use staffroom_protocol::time::Millis;

use crate::charter_world::permute;
use crate::schools::{School, admit, school, share, talk};

/// A cluster of `n` schools, admitted by stewards in turn.
fn cluster(n: u8) -> (SpaceId, Vec<School>) {
    let mut schools = vec![school(1)];
    let space = schools[0].found("The Brook Cluster").unwrap();
    schools[0].flush().unwrap();
    for next in 2..=n {
        let mut joiner = school(next);
        admit(&mut schools[0], &mut joiner, space).unwrap();
        for other in &mut schools {
            talk(&mut joiner, other, space);
        }
        schools.push(joiner);
    }
    // The newest has heard everything last; bring all level.
    for _ in 0..2 {
        let (first, rest) = schools.split_first_mut().unwrap();
        for other in rest {
            talk(first, other, space);
        }
    }
    (space, schools)
}

fn whole(schools: &[School], space: SpaceId) -> Missing {
    schools[0].space(&space).unwrap().charter().whole()
}

#[test]
fn every_order_of_operations_resolves_to_the_same() {
    let (space, schools) = cluster(4);
    let charter = schools[0].space(&space).unwrap().charter();
    let parts = whole(&schools, space);
    assert_eq!(parts.operations.len(), 7, "three admissions, four enrolments");
    let expected = charter.resolved();
    assert_eq!(expected.writers.len(), 4);
    permute(&mut (0..7).collect::<Vec<_>>(), 0, &mut |order| {
        let operations = order.iter().map(|n| &parts.operations[*n]);
        assert_eq!(&resolve(&parts.decisions, operations, charter.identities(), &BTreeMap::new()), expected);
    });
}

#[test]
fn a_contributor_admits_nobody_and_decides_nothing() {
    let (space, mut schools) = cluster(3);
    let invited = schools[1].invite(space, Role::Contributor, Millis(9), Vec::new());
    assert!(matches!(invited, Err(Fault::NoRight { .. })));
    let (member, other) = (schools[1].school(), schools[2].school());
    assert!(matches!(schools[1].promote(space, other), Err(Fault::NoRight { .. })));
    assert_eq!(schools[1].space(&space).unwrap().charter().resolved().role(&member), Some(Role::Contributor));
}

#[test]
fn with_two_stewards_neither_decides_alone() {
    let (space, mut schools) = cluster(3);
    let (second, third) = (schools[1].school(), schools[2].school());
    schools[0].promote(space, second).unwrap();
    schools[0].flush().unwrap();
    let waits = schools[0].promote(space, third).unwrap();
    assert!(waits.grown.is_empty());
    schools[0].flush().unwrap();
    let role = |school: &School| school.space(&space).unwrap().charter().resolved().role(&third);
    assert_eq!(role(&schools[0]), Some(Role::Contributor));
    // The other hears of it over a session, says yes, and so it is decided, on both.
    let (hill, rest) = schools.split_at_mut(1);
    talk(&mut hill[0], &mut rest[0], space);
    let proposed: Vec<_> = rest[0].space(&space).unwrap().charter().proposals().map(|v| v.decision.id()).collect();
    assert_eq!(proposed, [waits.id]);
    rest[0].vote(space, &waits.id, true).unwrap();
    rest[0].flush().unwrap();
    assert_eq!(role(&rest[0]), Some(Role::Steward));
    talk(&mut rest[0], &mut hill[0], space);
    assert_eq!(role(&hill[0]), Some(Role::Steward));
}

#[test]
fn without_its_admission_a_school_has_no_writer() {
    let (space, schools) = cluster(3);
    let charter = schools[0].space(&space).unwrap().charter();
    let parts = whole(&schools, space);
    let enrolments = parts.operations.iter().filter(|op| !matches!(op.act(), Act::Admit(_)));
    let resolved = resolve(&parts.decisions, enrolments, charter.identities(), &BTreeMap::new());
    assert_eq!(resolved.writers.len(), 1, "the founder's own");
    assert_eq!(resolved.members.len(), 1);
}

#[test]
fn without_the_founder_s_yes_there_is_no_space() {
    let (space, schools) = cluster(2);
    let mut parts = whole(&schools, space);
    parts.decisions[0].votes.clear();
    let charter = schools[0].space(&space).unwrap().charter();
    assert_eq!(
        resolve(&parts.decisions, &parts.operations, charter.identities(), &BTreeMap::new()),
        Resolved::default()
    );
    assert!(Charter::empty(space).admit(parts).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn any_altered_byte_of_an_operation_is_refused(which: prop::sample::Index, at: prop::sample::Index, bit in 0u8..8) {
        let (space, schools) = cluster(2);
        let mut parts = whole(&schools, space);
        let which = which.index(parts.operations.len());
        let mut bytes: Vec<u8> = parts.operations[which].clone().into();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(altered) = bytes.try_into() {
            parts.operations[which] = altered;
            prop_assert!(Charter::empty(space).admit(parts).is_err());
        }
    }
}

/// Two stewards, and a school that the `first` one admits, which never hears of it, and then the other.
fn admitted_twice(first: usize) -> (SpaceId, [School; 3]) {
    let (mut hill, mut brook, mut north) = (school(1), school(2), school(3));
    let space = hill.found("The Brook Cluster").unwrap();
    hill.flush().unwrap();
    admit(&mut hill, &mut brook, space).unwrap();
    hill.promote(space, brook.school()).unwrap();
    hill.flush().unwrap();
    talk(&mut hill, &mut brook, space);
    let mut stewards = [hill, brook];
    let ticket = stewards[first].invite(space, Role::Reader, Millis(1_000), Vec::new()).unwrap();
    stewards[first].redeem(&north.redemption(&ticket), north.device(), Millis(0)).unwrap();
    stewards[first].flush().unwrap();
    admit(&mut stewards[1 - first], &mut north, space).unwrap();
    let [hill, brook] = stewards;
    (space, [hill, brook, north])
}

#[test]
fn a_school_that_two_stewards_admit_at_once_writes_on() {
    for first in 0..2 {
        let (space, [mut hill, mut brook, mut north]) = admitted_twice(first);
        share(&mut north, space, "Fractions as division");
        talk(&mut hill, &mut brook, space);
        talk(&mut north, &mut brook, space);
        talk(&mut hill, &mut north, space);
        talk(&mut hill, &mut brook, space);
        share(&mut north, space, "Decimals");
        talk(&mut hill, &mut north, space);
        assert_eq!(hill.space(&space).unwrap().frontier().entries(), 2);
        assert_eq!(north.space(&space).unwrap().charter().resolved().role(&north.school()), Some(Role::Contributor));
    }
}

#[test]
fn a_reader_that_becomes_a_steward_can_write() {
    let (mut hill, mut brook) = (school(1), school(2));
    let space = hill.found("The Brook Cluster").unwrap();
    hill.flush().unwrap();
    let ticket = hill.invite(space, Role::Reader, Millis(1_000), Vec::new()).unwrap();
    let charter = crate::schools::admitted(&mut hill, &brook, &ticket).unwrap();
    hill.flush().unwrap();
    brook.join(&ticket, charter).unwrap();
    hill.promote(space, brook.school()).unwrap();
    hill.flush().unwrap();
    brook.flush().unwrap();
    talk(&mut hill, &mut brook, space);
    share(&mut brook, space, "Fractions as division");
    talk(&mut hill, &mut brook, space);
    assert_eq!(hill.space(&space).unwrap().frontier().entries(), 1);
}
