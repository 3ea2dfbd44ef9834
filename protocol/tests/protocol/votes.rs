//! Nobody votes on what lists more than they hold (§3.2).

use std::collections::BTreeSet;

use proptest::prelude::*;
use staffroom_protocol::charter::{Body, Missing, Operation, Voted};
use staffroom_protocol::fault::Fault;
use staffroom_protocol::id::{DecisionId, DeviceId, LinkId, OperationId};
use staffroom_protocol::identity::{IdentityChain, Link, RecoveryCode, Rights};

use crate::charter_world::{Party, cluster, level};

/// The school's chain grows by a device.
fn certify(party: &mut Party, spare: u8) {
    let code = RecoveryCode::from_random([party.n; 20]);
    party.chain.certify(&code.root(0), DeviceId([spare; 32]), Rights::WRITE).unwrap();
    let identities = vec![party.chain.clone()];
    party.charter.admit(Missing { identities, ..Missing::default() }).unwrap();
}

/// Whether a school holds all that a decision lists, looked up in what it would send.
fn holds(party: &Party, listed: &Voted) -> bool {
    let whole = party.charter.whole();
    let operations: BTreeSet<OperationId> = whole.operations.iter().map(Operation::id).collect();
    let links: BTreeSet<LinkId> = whole.identities.iter().flat_map(IdentityChain::links).map(Link::id).collect();
    let decision = &listed.decision;
    decision.seen().iter().all(|(_, _, id)| operations.contains(id))
        && decision.signers().iter().all(|(_, head)| links.contains(head))
}

fn proposal(of: &Party, id: DecisionId) -> Voted {
    of.charter.proposal(&id).unwrap().clone()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn any_vote_waits_until_everything_listed_is_held(
        acts in proptest::collection::vec((1usize..5, any::<bool>()), 0..6),
        heard in proptest::collection::vec(any::<bool>(), 5),
        yes: bool,
    ) {
        let mut parties = cluster(5, 3);
        for (number, (who, operation)) in (0u8..).zip(acts) {
            // The voter's own acts are known to it.
            if operation {
                parties[who].enrol(1 + number).unwrap();
            } else {
                certify(&mut parties[who], 100 + number);
            }
        }
        let all = parties.clone();
        for other in &all[1..] {
            parties[0].hear(other).unwrap();
        }
        let id = parties[0].propose(Body::Rename("Upper Brook".to_owned())).unwrap();
        for (other, _) in all.iter().zip(heard).skip(2).filter(|(_, heard)| *heard) {
            parties[1].hear(other).unwrap();
        }
        let voted = proposal(&parties[0], id);
        parties[1].charter.take_proposal(voted.clone()).unwrap();
        let before = parties[1].charter.clone();
        let complete = holds(&parties[1], &voted);
        match parties[1].vote(id, yes) {
            Ok(()) => prop_assert!(complete),
            Err(fault) => {
                prop_assert_eq!((complete, fault), (false, Fault::Behind));
                prop_assert_eq!(&parties[1].charter, &before, "nothing was signed");
                let proposer = parties[0].clone();
                parties[1].hear(&proposer).unwrap();
                parties[1].vote(id, yes).unwrap();
            }
        }
    }
}

/// Above a fork nobody holds anything: what lists it may be refused, never agreed to.
#[test]
fn what_stands_above_a_fork_can_only_be_refused() {
    let mut parties = cluster(4, 3);
    let mut copy = parties[3].clone();
    parties[3].enrol(1).unwrap();
    parties[3].enrol(2).unwrap();
    copy.enrol(3).unwrap();
    copy.enrol(4).unwrap();
    let original = parties[3].clone();
    parties[0].hear(&original).unwrap();
    let id = parties[0].propose(Body::Rename("Upper Brook".to_owned())).unwrap();
    for other in [&original, &copy] {
        parties[1].hear(other).unwrap();
    }
    assert_eq!(parties[1].charter.forked_devices().count(), 1);
    let voted = proposal(&parties[0], id);
    parties[1].charter.take_proposal(voted).unwrap();
    assert_eq!(parties[1].vote(id, true), Err(Fault::Behind));
    parties[1].vote(id, false).unwrap();
    // The third one too: then it can never pass, and another one can.
    level(&mut parties);
    parties[2].vote(id, false).unwrap();
    level(&mut parties);
    let next = parties[0].propose(Body::Rename("Lower Brook".to_owned())).unwrap();
    level(&mut parties);
    parties[1].vote(next, true).unwrap();
    level(&mut parties);
    assert!(parties.iter().all(|party| party.charter.resolved().name == "Lower Brook"));
}
