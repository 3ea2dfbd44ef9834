//! Identity chains: who may sign what, and that what is held does not depend on the order of arrival.

use proptest::prelude::*;
use staffroom_protocol::id::{DeviceId, EntryId, OperationId, SpaceId, WriterId};
use staffroom_protocol::identity::{IdentityChain, Inception, Keys, RecoveryCode, Revocation, Rights, SecretKey};

fn code(n: u8) -> RecoveryCode {
    RecoveryCode::from_random([n; 20])
}
fn key(n: u8) -> SecretKey {
    SecretKey::from_seed(&[n; 32])
}
fn device(n: u8) -> DeviceId {
    key(n).public()
}
/// A school under code 1 whose device 1 may do everything.
fn school() -> IdentityChain {
    let mut chain = IdentityChain::new(Inception::new(&code(1)));
    chain.certify(&code(1).root(0), device(1), Rights::ALL).unwrap();
    chain
}
/// The root of code `from` gives way to its next key; the rest comes from code `to`.
fn rotate(chain: &mut IdentityChain, from: u8, to: u8) -> bool {
    let root = code(from).root(1);
    let keys = Keys { root: root.public(), ..Keys::of(&code(to)) };
    chain.rotate(&root, keys).is_ok()
}
fn merged(a: &IdentityChain, b: &IdentityChain) -> IdentityChain {
    let mut a = a.clone();
    a.merge(b).unwrap();
    a
}

#[test]
fn the_root_certifies_and_another_does_not() {
    let mut chain = school();
    assert_eq!(chain.rights(&device(1)), Some(Rights::ALL));
    assert!(chain.certify(&code(2).root(0), device(2), Rights::WRITE).is_err());
    assert!(chain.certify(&code(1).root(1), device(2), Rights::WRITE).is_err());
    assert!(chain.certify(&code(1).recovery(0), device(2), Rights::WRITE).is_err());
    assert_eq!(chain.devices().len(), 1);
}

#[test]
fn a_device_that_admits_certifies_and_revokes_writers_alone() {
    let (mut chain, root) = (school(), code(1).root(0));
    chain.certify(&key(1), device(2), Rights::WRITE).unwrap();
    assert!(chain.certify(&key(1), device(3), Rights::ALL).is_err());
    assert!(chain.certify(&key(1), device(3), Rights::ADMIT_DEVICE).is_err());
    assert!(chain.certify(&key(2), device(3), Rights::WRITE).is_err(), "a device that only writes");
    assert!(chain.certify(&key(1), device(1), Rights::WRITE).is_err(), "one that was more");
    chain.certify(&root, device(3), Rights::WRITE.and(Rights::ADMIT_DEVICE)).unwrap();
    assert!(chain.revoke(&key(1), device(3), Revocation::default()).is_err());
    assert!(chain.revoke(&key(1), device(9), Revocation::default()).is_err(), "one that is none");
    chain.revoke(&key(3), device(2), Revocation::default()).unwrap();
    chain.revoke(&root, device(3), Revocation::default()).unwrap();
    assert!(chain.certify(&key(3), device(4), Rights::WRITE).is_err(), "a revoked one");
    assert_eq!(chain.devices().into_keys().collect::<Vec<_>>(), [device(1)]);
}

#[test]
fn a_revoked_device_stays_revoked_and_what_it_leaves_is_listed() {
    let (mut chain, root, space) = (school(), code(1).root(0), SpaceId([1; 32]));
    chain.certify(&root, device(2), Rights::WRITE).unwrap();
    let before = chain.head();
    let mut stands = Revocation::default();
    stands.keep_operations(&space, &device(2), (4, OperationId([4; 32])));
    stands.logs.insert(WriterId([5; 32]), (6, EntryId([7; 32])));
    chain.revoke(&root, device(2), stands.clone()).unwrap();
    assert_eq!(chain.revoked(&device(2)), Some(&stands));
    assert_eq!(stands.last_operation(&space, &device(2)), Some((4, OperationId([4; 32]))));
    assert_eq!(stands.last_operation(&SpaceId([2; 32]), &device(2)), None);
    assert_eq!(stands.last_operation(&space, &device(3)), None);
    assert!(chain.certify(&root, device(2), Rights::WRITE).is_err());
    assert!(chain.revoke(&root, device(2), Revocation::default()).is_err());
    assert_eq!((chain.rights(&device(2)), chain.ever(&device(2), Rights::WRITE)), (None, true));
    assert_eq!(chain.rights_at(&before, &device(2)), Some(Rights::WRITE));
    assert_eq!(chain.rights_at(&chain.head(), &device(2)), None);
    assert!(chain.follows(&before, &chain.head()) && !chain.follows(&chain.head(), &before));
}

#[test]
fn one_device_governs_at_a_time() {
    let (mut chain, root) = (school(), code(1).root(0));
    let before = chain.head();
    chain.certify(&root, device(2), Rights::ALL).unwrap();
    let rest = Rights::WRITE.and(Rights::ADMIT_DEVICE);
    assert_eq!(chain.devices(), [(device(1), rest), (device(2), Rights::ALL)].into());
    assert_eq!(chain.rights_at(&before, &device(1)), Some(Rights::ALL));
    assert!(chain.ever(&device(1), Rights::GOVERN));
}

#[test]
fn two_equal_branches_freeze_until_the_sheet_ends_it() {
    let chain = school();
    let (mut honest, mut thief) = (chain.clone(), chain.clone());
    honest.certify(&key(1), device(2), Rights::WRITE).unwrap();
    thief.certify(&key(1), device(66), Rights::WRITE).unwrap();
    let mut both = merged(&honest, &thief);
    assert!(both.is_frozen());
    assert_eq!((both.head(), both.devices()), (chain.head(), chain.devices()));
    assert_ne!(both.state_hash(), honest.state_hash());
    assert_eq!(both.rights_at(&honest.head(), &device(1)), Some(Rights::ALL));
    assert!(both.follows(&chain.head(), &honest.head()) && both.follows(&chain.head(), &thief.head()));
    assert!(!both.follows(&honest.head(), &thief.head()) && !both.follows(&thief.head(), &honest.head()));
    // A device cannot end it; the root can, and is as good as a branch that goes on from the honest one.
    assert!(both.certify(&key(1), device(3), Rights::WRITE).is_err());
    let mut on_honest = honest.clone();
    on_honest.certify(&code(1).root(0), device(3), Rights::WRITE).unwrap();
    assert_eq!(merged(&both, &on_honest), on_honest);
    both.certify(&code(1).root(0), device(3), Rights::WRITE).unwrap();
    assert!(!both.is_frozen());
    assert_eq!(both.devices().into_keys().collect::<std::collections::BTreeSet<_>>(), [device(1), device(3)].into());
}

#[test]
fn a_revocation_on_either_branch_counts_while_frozen() {
    let (root, mut chain) = (code(1).root(0), school());
    chain.certify(&root, device(2), Rights::WRITE).unwrap();
    let (mut honest, mut thief) = (chain.clone(), chain.clone());
    honest.revoke(&root, device(2), Revocation::default()).unwrap();
    thief.certify(&root, device(66), Rights::ALL).unwrap();
    let both = merged(&honest, &thief);
    assert!(both.is_frozen());
    assert_eq!(both.devices(), [(device(1), Rights::ALL)].into());
    assert!(both.revoked(&device(2)).is_some());
}

#[test]
fn who_has_the_root_alone_loses_to_the_next_key_and_to_recovery() {
    let (root, chain) = (code(1).root(0), school());
    let mut thief = chain.clone();
    thief.revoke(&root, device(1), Revocation::default()).unwrap();
    thief.certify(&root, device(66), Rights::ALL).unwrap();
    let (mut rotated, mut renewed, mut from_theirs) = (chain.clone(), chain.clone(), thief.clone());
    assert!(rotate(&mut rotated, 1, 2));
    renewed.renew(&code(1), &code(2)).unwrap();
    assert_eq!(merged(&thief, &rotated), rotated);
    assert_eq!(merged(&rotated, &thief), rotated);
    assert_eq!(merged(&thief, &renewed), renewed);
    assert_eq!(merged(&rotated, &renewed), renewed);
    // Also where only the thief's branch is at hand: after the last good link.
    from_theirs.recover(&chain.head(), &[&code(1).recovery(0)], Keys::of(&code(2))).unwrap();
    assert_eq!(from_theirs, renewed);
    assert_eq!(renewed.devices(), chain.devices());
}

#[test]
fn recovery_takes_as_many_keys_as_it_says() {
    let mut chain = school();
    let mut recovery = [code(2), code(3), code(4)].map(|code| Keys::commit(&code.recovery(0).public()));
    recovery.sort_unstable();
    let keys = Keys { threshold: 2, recovery: recovery.to_vec(), ..Keys::of(&code(2)) };
    chain.recover(&chain.head(), &[&code(1).recovery(0)], keys).unwrap();
    let (head, next) = (chain.head(), Keys::of(&code(5)));
    let [a, b, c, stranger] = [2, 3, 4, 6].map(|n| code(n).recovery(0));
    for few in [&[&a][..], &[&a, &a], &[&a, &stranger], &[&a, &b, &stranger], &[]] {
        assert!(chain.recover(&head, few, next.clone()).is_err());
    }
    for enough in [&[&a, &b][..], &[&c, &a], &[&b, &c, &a]] {
        chain.clone().recover(&head, enough, next.clone()).unwrap();
    }
}

/// What somebody signs next, on a chain of which they hold a copy.
#[derive(Debug, Clone, Copy)]
enum Act {
    Certify { root: Option<(u8, u32)>, device: u8, rights: u8 },
    Revoke { root: Option<(u8, u32)>, device: u8 },
    Rotate { from: u8, to: u8 },
    Recover { from: u8, to: u8 },
}

impl Act {
    /// Whether it could be signed, and counts.
    fn take(self, chain: &mut IdentityChain) -> bool {
        let signer = |root: Option<(u8, u32)>| root.map_or_else(|| key(1), |(n, root)| code(n).root(root));
        match self {
            Self::Certify { root, device: n, rights } => {
                let rights = [Rights::WRITE, Rights::ADMIT_DEVICE.and(Rights::WRITE), Rights::ALL][usize::from(rights)];
                chain.certify(&signer(root), device(n), rights).is_ok()
            }
            Self::Revoke { root, device: n } => chain.revoke(&signer(root), device(n), Revocation::default()).is_ok(),
            Self::Rotate { from, to } => rotate(chain, from, to),
            Self::Recover { from, to } => chain.renew(&code(from), &code(to)).is_ok(),
        }
    }
}

/// What who holds these codes may try with devices of these numbers.
fn acts(codes: std::ops::Range<u8>, devices: std::ops::Range<u8>) -> impl Strategy<Value = Act> {
    let root = prop_oneof![1 => Just(None), 2 => (codes.clone(), 0..2u32).prop_map(Some)];
    prop_oneof![
        4 => (root.clone(), devices.clone(), 0..3u8).prop_map(|(root, device, rights)| Act::Certify { root, device, rights }),
        2 => (root, devices).prop_map(|(root, device)| Act::Revoke { root, device }),
        1 => (codes.clone(), codes.clone()).prop_map(|(from, to)| Act::Rotate { from, to }),
        1 => (codes.clone(), codes).prop_map(|(from, to)| Act::Recover { from, to }),
    ]
}

/// Chains of a school, of which each goes on from one that was there before.
fn grown(start: Vec<IdentityChain>, tries: &[(prop::sample::Index, Act)]) -> Vec<IdentityChain> {
    let mut chains = start;
    for (from, act) in tries {
        let mut chain = from.get(&chains).clone();
        if act.take(&mut chain) {
            chains.push(chain);
        }
    }
    chains
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_order_and_grouping_of_any_branches_holds_the_same(
        tries in prop::collection::vec((any::<prop::sample::Index>(), acts(1..4, 1..5)), 1..24),
        order in any::<prop::sample::Index>(),
        shuffled in prop::collection::vec(any::<u32>(), 32),
    ) {
        let chains = grown(vec![school()], &tries);
        let all = chains.iter().fold(school(), |held, chain| merged(&held, chain));
        let mut places: Vec<usize> = (0..chains.len()).collect();
        places.sort_by_key(|place| shuffled[*place % 32]);
        let again = places.iter().fold(school(), |held, place| merged(&held, &chains[*place]));
        prop_assert_eq!(&again, &all);
        // Two nodes, each with a part, that then meet.
        let (left, right) = places.split_at(order.index(places.len()));
        let part = |part: &[usize]| part.iter().fold(school(), |held, place| merged(&held, &chains[*place]));
        let (left, right) = (part(left), part(right));
        prop_assert_eq!(&merged(&left, &right), &all);
        prop_assert_eq!(&merged(&right, &left), &all);
        prop_assert_eq!(merged(&all, &all).state_hash(), all.state_hash());
        prop_assert_eq!(left == right, left.state_hash() == right.state_hash());
        let bytes = postcard::to_allocvec(&all).unwrap();
        prop_assert_eq!(&postcard::from_bytes::<IdentityChain>(&bytes).unwrap(), &all);
        prop_assert!(all.devices().values().filter(|rights| rights.include(Rights::GOVERN)).count() <= 1);
        for chain in &chains {
            prop_assert!(all.follows(&school().head(), &all.head()));
            if !all.is_frozen() && all.follows(&chain.head(), &all.head()) {
                prop_assert_eq!(all.rights_at(&chain.head(), &device(2)), chain.rights(&device(2)));
            }
        }
    }

    /// Who found the old sheet in the bin, after the school has a new one, gives no device any right.
    #[test]
    fn any_use_of_an_old_sheet_certifies_nothing(
        ours in prop::collection::vec(acts(2..3, 1..5), 0..6),
        theirs in prop::collection::vec((any::<prop::sample::Index>(), acts(1..2, 60..63)), 1..16),
        also in prop::collection::vec((any::<prop::sample::Index>(), acts(6..8, 60..63)), 0..6),
        late: bool,
    ) {
        let mut honest = school();
        let before = honest.clone();
        honest.renew(&code(1), &code(2)).unwrap();
        for act in ours {
            act.take(&mut honest);
        }
        // They know every chain of ours, and their own sheets too.
        let takeover = { let mut chain = before.clone(); chain.renew(&code(1), &code(6)).unwrap(); chain };
        let start = vec![IdentityChain::new(Inception::new(&code(1))), before, honest.clone(), takeover];
        let forged = grown(grown(start, &theirs), &also);
        let mut held = if late { honest.clone() } else { forged.last().unwrap().clone() };
        for chain in &forged {
            held = merged(&held, chain);
        }
        held = merged(&held, &honest);
        for n in 60..63 {
            prop_assert_eq!(held.rights(&device(n)), None);
            prop_assert_eq!(held.rights_at(&held.head(), &device(n)), None);
        }
    }

    /// Who has the root key alone neither freezes a school that rotated nor takes a device away from it.
    #[test]
    fn any_use_of_the_root_alone_loses_to_a_rotation(
        theirs in prop::collection::vec((any::<prop::sample::Index>(), (60..63u8, 0..3u8, any::<bool>())), 1..12),
        renews: bool,
    ) {
        let mut honest = school();
        let mut forged = vec![IdentityChain::new(Inception::new(&code(1))), honest.clone()];
        if renews { honest.renew(&code(1), &code(2)).unwrap() } else { prop_assert!(rotate(&mut honest, 1, 2)) }
        for (from, (device, rights, revokes)) in &theirs {
            let mut chain = from.get(&forged).clone();
            let root = Some((1, 0));
            let act = if *revokes { Act::Revoke { root, device: 1 } } else { Act::Certify { root, device: *device, rights: *rights } };
            if act.take(&mut chain) {
                forged.push(chain);
            }
        }
        let held = forged.iter().fold(forged[0].clone(), |held, chain| merged(&held, chain));
        prop_assert_eq!(&merged(&held, &honest), &honest);
        prop_assert_eq!(&merged(&honest, &held), &honest);
    }
}
