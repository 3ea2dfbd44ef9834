//! What comes of acts at the same time, in every order of arrival (§3, the table).

use staffroom_protocol::charter::{Body, Charter, Missing, Resolved, Role};
use staffroom_protocol::fault::Fault;
use staffroom_protocol::replica::End;

use crate::charter_world::{Party, chain, cluster, level, permute, units, writer};

/// Lets acts that happened apart arrive in every order at a school that holds `common`; what cannot
/// be held yet is offered again. All orders must come to the same, and to what the parties have after
/// they talked.
fn in_every_order(common: &Charter, parties: &mut [Party]) -> Resolved {
    let mut all = units(parties);
    let held = common.whole();
    all.retain(|unit| match &unit.decisions[..] {
        [voted] => !held.decisions.iter().any(|known| known.decision == voted.decision),
        _ => !held.operations.contains(&unit.operations[0]),
    });
    assert!((1..=6).contains(&all.len()), "{} acts", all.len());
    level(parties);
    let expected = (parties[0].charter.hash(), parties[0].charter.resolved().clone());
    for party in parties.iter() {
        assert_eq!((party.charter.hash(), party.charter.resolved()), (expected.0, &expected.1), "party {}", party.n);
    }
    let mut orders = 0;
    permute(&mut (0..all.len()).collect::<Vec<_>>(), 0, &mut |order| {
        let mut charter = common.clone();
        for _ in 0..all.len() {
            for n in order {
                let _later: Result<_, Fault> = charter.admit(all[*n].clone());
            }
        }
        assert_eq!(charter.hash(), expected.0, "{order:?}");
        assert_eq!(charter.resolved(), &expected.1, "{order:?}");
        orders += 1;
    });
    assert_eq!(orders, (1..=all.len()).product::<usize>());
    expected.1
}

fn cut(next: u64) -> End {
    End::Cut(crate::charter_world::cut(next))
}

/// Everybody says yes to what is proposed, as far as it still waits.
fn agree(parties: &mut [Party], except: usize) {
    for n in (0..parties.len()).chain(0..parties.len()) {
        for other in 0..parties.len() {
            let heard = parties[other].clone();
            if n != except && other != except && n != other {
                parties[n].hear(&heard).unwrap();
            }
        }
        let waiting: Vec<_> = parties[n].charter.proposals().map(|voted| voted.decision.id()).collect();
        for id in waiting {
            if n != except {
                let _no_steward = parties[n].vote(id, true);
            }
        }
    }
}

#[test]
fn removal_beside_writing_is_the_cut() {
    let mut parties = cluster(7, 3);
    let common = parties[0].charter.clone();
    // The second enrols a second writer while the others remove it.
    parties[1].enrol(1).unwrap();
    let removed = parties[1].clone();
    parties[0].remove(&removed, 9).unwrap();
    agree(&mut parties, 1);
    assert_eq!(parties[0].role(&removed), None, "two of three");
    let resolved = in_every_order(&common, &mut parties);
    assert_eq!(resolved.role(&removed.id()), None);
    assert_eq!(parties[0].writes(2, 0), cut(9));
    assert_eq!(parties[0].writes(2, 1), End::NotEnrolled, "no decision has seen that enrolment");
}

#[test]
fn a_removal_that_has_seen_an_enrolment_cuts_its_log() {
    let mut parties = cluster(4, 3);
    parties[1].enrol(1).unwrap();
    level(&mut parties);
    let common = parties[0].charter.clone();
    let removed = parties[1].clone();
    parties[0].remove(&removed, 0).unwrap();
    agree(&mut parties, 1);
    in_every_order(&common, &mut parties);
    assert_eq!((parties[0].writes(2, 0), parties[0].writes(2, 1)), (cut(0), cut(0)));
}

#[test]
fn what_a_removed_school_admits_unseen_is_void_until_another_admits_again() {
    let mut parties = cluster(4, 3);
    let common = parties[0].charter.clone();
    let mut joiner = Party { n: 9, chain: chain(9), charter: parties[1].charter.clone() };
    parties[1].admit(&joiner, Role::Contributor).unwrap();
    joiner.hear(&parties[1].clone()).unwrap();
    joiner.enrol(0).unwrap();
    let removed = parties[1].clone();
    parties[0].remove(&removed, 3).unwrap();
    agree(&mut parties, 1);
    parties.push(joiner.clone());
    let resolved = in_every_order(&common, &mut parties);
    assert_eq!(resolved.role(&joiner.id()), None);
    assert_eq!(parties[0].writes(9, 0), End::NotEnrolled);
    // Admitted again, its enrolment stands with all it wrote.
    let common = parties[0].charter.clone();
    let returning = parties[4].clone();
    parties[0].admit(&returning, Role::Contributor).unwrap();
    let resolved = in_every_order(&common, &mut parties);
    assert_eq!(resolved.role(&joiner.id()), Some(Role::Contributor));
    assert_eq!(parties[2].writes(9, 0), End::Open);
}

#[test]
fn what_a_removal_has_seen_stays_admitted() {
    let mut parties = cluster(4, 3);
    let joiner = Party { n: 9, chain: chain(9), charter: parties[1].charter.clone() };
    parties[1].admit(&joiner, Role::Contributor).unwrap();
    parties.push(joiner);
    level(&mut parties);
    parties[4].enrol(0).unwrap();
    level(&mut parties);
    let common = parties[0].charter.clone();
    let removed = parties[1].clone();
    parties[0].remove(&removed, 3).unwrap();
    agree(&mut parties, 1);
    let resolved = in_every_order(&common, &mut parties);
    assert_eq!(resolved.role(&parties[4].id()), Some(Role::Contributor));
    assert_eq!(parties[0].writes(9, 0), End::Open);
}

#[test]
fn of_two_proposals_at_one_place_one_is_complete() {
    let mut parties = cluster(5, 3);
    let common = parties[0].charter.clone();
    let (fourth, fifth) = (parties[3].clone(), parties[4].clone());
    let first = parties[0].promote(&fourth).unwrap();
    let second = parties[1].promote(&fifth).unwrap();
    let mut zero = parties[0].clone();
    zero.hear(&parties[1].clone()).unwrap();
    assert!(matches!(zero.vote(second, true), Err(Fault::Decision(_))), "its own may still pass");
    let (heard, other) = (parties[0].clone(), parties[1].clone());
    parties[2].hear(&heard).unwrap();
    parties[2].hear(&other).unwrap();
    parties[2].vote(first, true).unwrap();
    let resolved = in_every_order(&common, &mut parties);
    assert_eq!(resolved.role(&fourth.id()), Some(Role::Steward));
    assert_eq!(resolved.role(&fifth.id()), Some(Role::Contributor), "to be proposed again on top");
    assert!(parties[0].charter.proposals().next().is_none());
}

#[test]
fn votes_that_cannot_win_free_their_place() {
    let mut parties = cluster(5, 3);
    let (fourth, fifth) = (parties[3].clone(), parties[4].clone());
    let first = parties[0].promote(&fourth).unwrap();
    level(&mut parties);
    parties[1].vote(first, false).unwrap();
    parties[2].vote(first, false).unwrap();
    assert!(matches!(parties[2].vote(first, true), Err(Fault::Decision(_))), "a vote is final");
    level(&mut parties);
    let held = parties[0].charter.proposal(&first).unwrap().clone();
    assert!(!parties[0].charter.may_pass(&held));
    let second = parties[0].promote(&fifth).unwrap();
    level(&mut parties);
    assert!(parties[1].charter.proposal(&first).is_none(), "one for each steward");
    parties[1].vote(second, true).unwrap();
    level(&mut parties);
    assert_eq!(parties[4].role(&fifth), Some(Role::Steward));
    assert_eq!(parties[4].role(&fourth), Some(Role::Contributor));
}

#[test]
fn a_device_and_its_copy_are_a_fork_that_a_decision_ends() {
    let mut parties = cluster(5, 3);
    let common = parties[0].charter.clone();
    // The second school's machine was copied: both enrol.
    let mut copy = parties[1].clone();
    parties[1].enrol(1).unwrap();
    parties[1].enrol(2).unwrap();
    copy.enrol(3).unwrap();
    let mut copies = parties.clone();
    copies.push(copy.clone());
    let resolved = in_every_order(&common, &mut copies);
    let stands = |g| resolved.writers.contains_key(&writer(2, g).public());
    assert_eq!([1, 2, 3].map(stands), [false; 3], "nothing from the fork on");
    assert_eq!(copies[0].charter.forked_devices().count(), 1);
    // Who had heard of one branch alone proposes, and that branch stands for everyone.
    let heard = parties[1].clone();
    parties[0].hear(&heard).unwrap();
    parties[2].hear(&heard).unwrap();
    let fourth = parties[3].clone();
    let id = parties[0].promote(&fourth).unwrap();
    let proposed = parties[0].clone();
    parties[2].hear(&proposed).unwrap();
    parties[2].vote(id, true).unwrap();
    parties.push(copy);
    let resolved = in_every_order(&common, &mut parties);
    let stands = |g| resolved.writers.contains_key(&writer(2, g).public());
    assert_eq!([1, 2, 3].map(stands), [true, true, false]);
    assert_eq!(parties[0].charter.forked_devices().count(), 0);
}

#[test]
fn leaving_beside_its_own_writing_is_the_cut_in_it() {
    let mut parties = cluster(4, 2);
    let common = parties[0].charter.clone();
    parties[3].enrol(1).unwrap();
    parties[3].leave(5).unwrap();
    let joiner = Party { n: 9, chain: chain(9), charter: common.clone() };
    parties[0].admit(&joiner, Role::Reader).unwrap();
    let resolved = in_every_order(&common, &mut parties);
    assert_eq!(resolved.role(&parties[3].id()), None);
    assert_eq!((parties[0].writes(4, 0), parties[0].writes(4, 1)), (cut(5), cut(5)));
    // Who comes back enrols anew, and its old logs stay ended.
    let back = parties[3].clone();
    parties[0].admit(&back, Role::Contributor).unwrap();
    level(&mut parties);
    parties[3].enrol(2).unwrap();
    level(&mut parties);
    assert_eq!((parties[0].writes(4, 0), parties[0].writes(4, 2)), (cut(5), End::Open));
}

#[test]
fn leaving_beside_a_promotion_that_has_not_seen_it_waits() {
    let mut parties = cluster(4, 2);
    let common = parties[0].charter.clone();
    let leaver = parties[3].clone();
    parties[3].leave(5).unwrap();
    let id = parties[0].promote(&leaver).unwrap();
    let heard = parties[0].clone();
    parties[1].hear(&heard).unwrap();
    parties[1].vote(id, true).unwrap();
    let resolved = in_every_order(&common, &mut parties);
    assert_eq!(resolved.role(&leaver.id()), Some(Role::Steward), "a steward is demoted before it leaves");
}

#[test]
fn a_reader_writes_nothing_and_a_steward_does_not_leave() {
    let mut parties = cluster(4, 3);
    let third = parties[2].clone();
    assert!(matches!(parties[2].leave(1), Err(Fault::Decision(_))));
    parties[0].demote(&third, Role::Reader, 4).unwrap();
    agree(&mut parties, 9);
    level(&mut parties);
    assert_eq!(parties[0].role(&third), Some(Role::Reader));
    assert_eq!(parties[0].writes(3, 0), cut(4));
    assert!(matches!(parties[2].enrol(1), Err(Fault::NoRight { .. })));
    let joiner = Party { n: 9, chain: chain(9), charter: parties[2].charter.clone() };
    assert!(matches!(parties[2].admit(&joiner, Role::Reader), Err(Fault::NoRight { .. })));
}

#[test]
fn nobody_is_left_without_a_steward() {
    let mut parties = cluster(3, 1);
    let first = parties[0].clone();
    assert!(matches!(parties[0].demote(&first, Role::Contributor, 0), Err(Fault::Decision(_))));
    assert!(matches!(parties[0].remove(&first, 0), Err(Fault::Decision(_))));
    let second = parties[1].clone();
    parties[0].promote(&second).unwrap();
    parties[0].demote(&first, Role::Contributor, 0).unwrap();
    level(&mut parties);
    agree(&mut parties, 9);
    level(&mut parties);
    assert_eq!(parties[2].role(&first), Some(Role::Contributor));
    parties[0].leave(2).unwrap();
    level(&mut parties);
    assert_eq!(parties[2].role(&first), None);
}

/// Three stewards of which the first says yes to two decisions at one place: it runs on two machines.
fn two_decisions() -> (Charter, Vec<Party>) {
    let mut parties = cluster(5, 3);
    let common = parties[0].charter.clone();
    let (fourth, fifth) = (parties[3].clone(), parties[4].clone());
    let mut copy = parties[0].clone();
    let a = parties[0].promote(&fourth).unwrap();
    let b = copy.promote(&fifth).unwrap();
    let heard = parties[0].clone();
    parties[1].hear(&heard).unwrap();
    parties[1].vote(a, true).unwrap();
    parties[2].hear(&copy).unwrap();
    parties[2].vote(b, true).unwrap();
    (common, parties)
}

#[test]
fn two_complete_decisions_at_one_place_are_shown_and_settled() {
    let (common, mut parties) = two_decisions();
    level(&mut parties[1..3]);
    for party in &parties[1..3] {
        assert_eq!(party.charter.unsettled().count(), 1, "both are named");
    }
    assert_ne!(parties[1].charter.hash(), parties[2].charter.hash(), "each stays on its own");
    // Those who did not sign both say which stands: the second and the third.
    let number = common.resolved().head.0 + 1;
    let id = parties[1].settle(number).unwrap();
    assert!(parties[1].charter.proposal(&id).is_some(), "one of two is not more than half");
    // The third is on the other branch, and may vote all the same.
    let heard = parties[1].clone();
    parties[2].hear(&heard).unwrap();
    parties[2].vote(id, true).unwrap();
    assert_eq!(parties[2].charter.unsettled().count(), 0, "it has gone over");
    let heard = parties[2].clone();
    parties[1].hear(&heard).unwrap();
    assert_eq!(parties[1].charter.unsettled().count(), 0);
    level(&mut parties[1..]);
    for party in &parties[1..] {
        assert_eq!(party.charter.unsettled().count(), 0, "party {}", party.n);
        assert_eq!(party.role(&parties[3].clone()), Some(Role::Steward), "party {}", party.n);
        assert_eq!(party.role(&parties[4].clone()), Some(Role::Contributor), "party {}", party.n);
        assert_eq!(party.charter.hash(), parties[1].charter.hash());
    }
}

#[test]
fn another_name_and_an_erasure_hold_and_an_upgrade_beyond_us_holds_the_rest_back() {
    use staffroom_protocol::charter::Versions;
    use staffroom_protocol::id::{RecordId, WriterId};
    let mut parties = cluster(2, 1);
    parties[0].propose(Body::Rename("The Upper Brook Cluster".into())).unwrap();
    parties[0].propose(Body::Erase(RecordId([7; 32]), WriterId([8; 32]), 9)).unwrap();
    parties[0].propose(Body::Upgrade(Versions { rules: 1, layout: 0, resolver: 0 })).unwrap();
    level(&mut parties);
    let resolved = parties[1].charter.resolved();
    assert_eq!(resolved.name, "The Upper Brook Cluster");
    assert_eq!(resolved.erased[&RecordId([7; 32])], (WriterId([8; 32]), 9));
    assert_eq!(resolved.beyond.map(|to| to.rules), Some(1));
    let second = parties[1].clone();
    assert!(matches!(parties[0].promote(&second), Err(Fault::Decision(_))));
    let _: Missing = parties[0].charter.whole();
}

#[test]
fn two_stewards_who_propose_the_same_decide_it_together() {
    let mut parties = cluster(3, 2);
    let third = parties[2].clone();
    parties[0].promote(&third).unwrap();
    parties[1].promote(&third).unwrap();
    level(&mut parties);
    assert!(parties.iter().all(|party| party.role(&third) == Some(Role::Steward)));
}
