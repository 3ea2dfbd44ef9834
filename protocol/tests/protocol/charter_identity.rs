//! What a school does to its own identity chain undoes nothing of others (§1.2, §3.1).

use staffroom_protocol::charter::{Body, Missing, Role};
use staffroom_protocol::identity::{Keys, RecoveryCode, Rights};

use crate::charter_world::{cluster, key, level};

fn code(n: u8) -> RecoveryCode {
    RecoveryCode::from_random([n; 20])
}

#[test]
fn a_founder_that_starts_its_chain_again_dissolves_nothing() {
    let mut parties = cluster(4, 2);
    // What a decision has seen rests on nobody's goodwill any more.
    let id = parties[0].propose(Body::Rename("Brook".into())).unwrap();
    level(&mut parties);
    parties[1].vote(id, true).unwrap();
    level(&mut parties);
    let before = parties[1].charter.resolved().clone();
    // It leaves out the certificate that founded the cluster, and everything since.
    let mut chain = parties[0].chain.clone();
    let inception = staffroom_protocol::id::LinkId(chain.school().0);
    chain.recover(&inception, &[&code(1).recovery(0)], Keys::of(&code(77))).unwrap();
    assert_eq!(chain.rights(&key(1).public()), None);
    for party in &mut parties[1..] {
        let offered = Missing { identities: vec![chain.clone()], ..Missing::default() };
        party.charter.admit(offered).unwrap();
        assert_eq!(party.charter.resolved(), &before, "party {}", party.n);
        assert_eq!(party.charter.identities().past().len(), 1);
        // From disk it is the same.
        let mut read = staffroom_protocol::charter::Charter::empty(party.charter.space());
        read.admit(party.charter.whole()).unwrap();
        assert_eq!(read.resolved(), &before);
        assert_eq!(read.hash(), party.charter.hash());
    }
    // The others go on, and so does the founder, once its new root certifies a device.
    chain.certify(&code(77).root(0), key(91).public(), Rights::ALL).unwrap();
    let identities = vec![chain.clone()];
    parties[1].charter.admit(Missing { identities, ..Missing::default() }).unwrap();
    level(&mut parties[1..]);
    let third = parties[2].clone();
    let id = parties[1].promote(&third).unwrap();
    assert!(parties[1].charter.proposal(&id).is_some(), "of two stewards both have to say yes");
    let mut founder = parties[1].clone();
    (founder.n, founder.chain) = (91, chain);
    founder.vote(id, true).unwrap();
    parties[1].hear(&founder).unwrap();
    assert_eq!(parties[1].role(&third), Some(Role::Steward));
}

#[test]
fn an_old_sheet_votes_no_more_once_a_new_one_is_known() {
    let mut parties = cluster(3, 1);
    // A thief has the old sheet; the school makes a new one, and the others hear of it.
    let thief_start = parties[0].clone();
    let mut renewed = parties[0].chain.clone();
    renewed.renew(&code(1), &code(50)).unwrap();
    for party in &mut parties {
        party.charter.admit(Missing { identities: vec![renewed.clone()], ..Missing::default() }).unwrap();
        if party.n == 1 {
            party.chain = renewed.clone();
        }
    }
    // With the old root the thief certifies a device of its own beside the new keys, and decides.
    let mut thief = thief_start;
    thief.n = 90;
    thief.chain.certify(&code(1).root(0), key(90).public(), Rights::ALL).unwrap();
    thief.charter.admit(Missing { identities: vec![thief.chain.clone()], ..Missing::default() }).unwrap();
    let second = parties[1].clone();
    thief.promote(&second).unwrap();
    assert_eq!(thief.role(&second), Some(Role::Steward), "at the thief's own");
    assert!(parties[1].hear(&thief).is_err());
    assert_eq!(parties[1].role(&second), Some(Role::Contributor));
    // The school itself goes on.
    let third = parties[2].clone();
    parties[0].promote(&third).unwrap();
    level(&mut parties);
    assert_eq!(parties[1].role(&third), Some(Role::Steward));
}
