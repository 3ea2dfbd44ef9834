//! Further devices of a school, devices that are lost, and a school that starts again from its sheet.

use proptest::prelude::*;
use staffroom_protocol::Replica;
use staffroom_protocol::charter::{Claim, DeviceTicket, Missing, Role};
use staffroom_protocol::entropy::Entropy;
use staffroom_protocol::fault::Fault;
use staffroom_protocol::id::{DeviceId, SpaceId};
use staffroom_protocol::identity::{IdentityChain, Inception, RecoveryCode, Revocation, Rights, SecretKey};
use staffroom_protocol::replica::Local;
use staffroom_protocol::store::MemoryStore;
use staffroom_protocol::sync::{DeviceAsk, SpacePart};
use staffroom_protocol::time::Millis;

use crate::schools::{School, local, next_header, pair, school, share, sign, talk};

/// The sheet of school number `n`.
fn sheet(n: u8) -> RecoveryCode {
    RecoveryCode::from_random([n; 20])
}

/// A machine without a school, with keys of number `n`.
fn machine(n: u8) -> School {
    let nobody = IdentityChain::new(Inception::new(&sheet(250)));
    let me = Local { school: nobody, device: SecretKey::from_seed(&[n; 32]), life: [n; 32] };
    Replica::open(MemoryStore::default(), me, Entropy::from_seed([n; 32])).unwrap()
}

/// What a joiner reads out of the frames it is sent.
fn through_frames(charters: Vec<(SpaceId, Missing)>) -> Vec<(SpaceId, Missing)> {
    let parts = SpacePart::all(charters).unwrap();
    SpacePart::join(parts.iter().map(|part| SpacePart::parse(&part.to_bytes()).unwrap()).collect())
}

fn chain_in(charters: &[(SpaceId, Missing)], n: u8) -> IdentityChain {
    let ours = Inception::new(&sheet(n)).school();
    charters.iter().flat_map(|(_, whole)| &whole.identities).find(|chain| chain.school() == ours).unwrap().clone()
}

/// A laptop that joins school number 1 with a ticket.
fn laptop(hill: &mut School, n: u8) -> School {
    let mut laptop = machine(n);
    let ticket = hill.invite_device(Millis(1_000), Vec::new()).unwrap();
    let charters = hill.redeem_device(&ticket.redemption(laptop.device()), laptop.device(), Millis(0)).unwrap();
    hill.flush().unwrap();
    let charters = through_frames(charters);
    laptop.enter(chain_in(&charters, 1), charters).unwrap();
    laptop.flush().unwrap();
    laptop
}

fn same(a: &School, b: &School, space: SpaceId) -> bool {
    let (a, b) = (a.space(&space).unwrap(), b.space(&space).unwrap());
    a.charter().hash() == b.charter().hash() && a.frontier() == b.frontier()
}

#[test]
fn a_laptop_joins_its_school_and_both_write() {
    let (mut hill, mut brook, space) = pair();
    let own = hill.found("").unwrap();
    hill.flush().unwrap();
    let mut laptop = laptop(&mut hill, 9);
    assert_eq!((laptop.school(), laptop.own_space()), (hill.school(), Some(own)));
    assert_eq!(laptop.rights(&laptop.device()), Rights::WRITE);
    for space in [own, space] {
        share(&mut laptop, space, "From the laptop");
        share(&mut hill, space, "From the office");
        talk(&mut laptop, &mut hill, space);
        assert!(same(&laptop, &hill, space));
    }
    // A partner that learns of it from the office takes it for the school too.
    talk(&mut hill, &mut brook, space);
    share(&mut laptop, space, "Straight to the partner");
    talk(&mut laptop, &mut brook, space);
    assert!(same(&laptop, &brook, space));
    let writers = brook.space(&space).unwrap().charter().resolved().writers.clone();
    assert_eq!(writers.values().filter(|writer| writer.school == hill.school()).count(), 2);
}

#[test]
fn a_laptop_neither_admits_devices_nor_schools() {
    let (mut hill, _, space) = pair();
    let mut laptop = laptop(&mut hill, 9);
    assert!(laptop.invite_device(Millis(1_000), Vec::new()).is_err());
    let ticket = laptop.invite(space, Role::Reader, Millis(1_000), Vec::new()).unwrap();
    let north = school(3);
    let refused = laptop.redeem(&north.redemption(&ticket), north.device(), Millis(0));
    assert_eq!(refused.map(|_| ()), Err(Fault::Ticket));
    let ours = laptop.device();
    assert!(laptop.change_identity(|chain, key| chain.certify(key, ours, Rights::ALL)).is_err());
}

#[test]
fn a_device_ticket_admits_one_device_of_one_school_in_its_time() {
    let (mut hill, mut brook, _) = pair();
    let ticket = hill.invite_device(Millis(1_000), Vec::new()).unwrap();
    let (one, other) = (machine(9).device(), machine(10).device());
    let redemption = ticket.redemption(one);
    assert_eq!(hill.redeem_device(&redemption, other, Millis(0)), Err(Fault::Ticket), "someone else's proof");
    assert_eq!(hill.redeem_device(&redemption, one, Millis(1_001)), Err(Fault::Ticket), "too late");
    assert_eq!(brook.redeem_device(&redemption, one, Millis(0)), Err(Fault::Ticket), "another school");
    let guess = DeviceTicket { secret: [0; 16], ..ticket.clone() };
    assert_eq!(hill.redeem_device(&guess.redemption(one), one, Millis(0)), Err(Fault::Ticket));
    assert!(!hill.is_staged() || hill.flush().is_ok());
    assert_eq!(hill.identity().devices().len(), 1);
    assert!(hill.waiting(Millis(0)).is_ok(), "those who wait with a school's ticket are read beside it");
    hill.redeem_device(&redemption, one, Millis(0)).unwrap();
    hill.flush().unwrap();
    assert_eq!(hill.redeem_device(&ticket.redemption(other), other, Millis(0)), Err(Fault::Ticket), "used");
    hill.redeem_device(&redemption, one, Millis(0)).unwrap();
    assert_eq!(hill.identity().devices().len(), 2);
    // Once it was revoked, its ticket brings it back no more.
    hill.change_identity(|chain, key| chain.revoke(key, one, Revocation::default())).unwrap();
    assert_eq!(hill.redeem_device(&redemption, one, Millis(0)), Err(Fault::Ticket));
}

#[test]
fn a_new_sheet_reaches_every_space_of_every_device() {
    let (mut hill, mut brook, space) = pair();
    let own = hill.found("").unwrap();
    hill.flush().unwrap();
    let mut laptop = laptop(&mut hill, 9);
    talk(&mut hill, &mut brook, space);
    hill.change_identity(|chain, _| chain.renew(&sheet(1), &sheet(7))).unwrap();
    hill.flush().unwrap();
    // The laptop hears of it in the school's own space, and tells the cluster.
    talk(&mut hill, &mut laptop, own);
    assert!(laptop.identity().is_under(&sheet(7)));
    talk(&mut laptop, &mut brook, space);
    let known = brook.space(&space).unwrap().charter().identities().get(&hill.school()).unwrap();
    assert!(known.is_under(&sheet(7)));
    // What a store holds of it is read again.
    let (device, life) = (SecretKey::from_seed(&[9; 32]), [9; 32]);
    let school = local(1).school;
    let me = Local { school, device, life };
    let again = Replica::open(laptop.into_store(), me, Entropy::from_seed([9; 32])).unwrap();
    assert!(again.identity().is_under(&sheet(7)));
}

#[test]
fn a_revoked_laptop_is_a_stranger_and_what_is_held_of_it_is_listed() {
    let (mut hill, mut brook, space) = pair();
    let mut laptop = laptop(&mut hill, 9);
    share(&mut laptop, space, "Before");
    talk(&mut laptop, &mut hill, space);
    share(&mut laptop, space, "Never sent");
    let (lost, writer) = (laptop.device(), laptop.space(&space).unwrap().own_writer());
    let stands = hill.held_of(&lost);
    assert_eq!(stands.logs.get(&writer).map(|(next, _)| *next), Some(1));
    assert_eq!(stands.last_operation(&space, &lost).map(|(number, _)| number), Some(1));
    hill.change_identity(|chain, key| chain.revoke(key, lost, stands.clone())).unwrap();
    hill.flush().unwrap();
    talk(&mut hill, &mut brook, space);
    // What it signs from now on is refused from whoever brings it.
    let entry = sign(9, next_header(9, &hill, space), &[]);
    assert_eq!(brook.admit(entry, Millis(20)), Err(Fault::AboveCut(writer)));
    for partner in [&hill, &brook] {
        let charter = partner.space(&space).unwrap().charter();
        assert_eq!(charter.school_of(&lost), None);
        assert_eq!(charter.identities().get(&hill.school()).unwrap().revoked(&lost), Some(&stands));
    }
}

#[test]
fn a_school_starts_again_from_its_sheet_and_a_partner() {
    let (mut hill, mut brook, space) = pair();
    share(&mut hill, space, "Fractions");
    talk(&mut hill, &mut brook, space);
    let lost = hill.device();
    let mut fresh = machine(11);
    let (ours, theirs) = (fresh.device(), brook.device());
    let claim = |code: &RecoveryCode| Claim::sign(&code.root(0), theirs, ours);
    assert_eq!(brook.claimed(&claim(&sheet(7)), ours), Err(Fault::Ticket), "a sheet of nobody");
    assert_eq!(brook.claimed(&claim(&sheet(1)), lost), Err(Fault::Ticket), "overheard");
    let charters = through_frames(brook.claimed(&claim(&sheet(1)), ours).unwrap());
    let mut chain = chain_in(&charters, 1);
    chain.certify(&sheet(1).root(0), ours, Rights::ALL).unwrap();
    brook.admit_identity(&IdentityChain::parse(&chain.to_bytes()).unwrap()).unwrap();
    brook.flush().unwrap();
    fresh.enter(chain, charters).unwrap();
    fresh.flush().unwrap();
    talk(&mut fresh, &mut brook, space);
    assert!(same(&fresh, &brook, space));
    // It decides for the school now, and the lost machine no longer does.
    let rights = brook.space(&space).unwrap().charter().identities().get(&fresh.school()).unwrap().clone();
    assert_eq!(rights.rights(&ours), Some(Rights::ALL));
    assert!(!rights.rights(&lost).unwrap().include(Rights::GOVERN));
    fresh.promote(space, brook.school()).unwrap();
    fresh.flush().unwrap();
    let stands = fresh.held_of(&lost);
    assert!(!stands.logs.is_empty());
    fresh.change_identity(|chain, _| chain.revoke(&sheet(1).root(0), lost, stands)).unwrap();
    fresh.flush().unwrap();
    talk(&mut fresh, &mut brook, space);
    assert_eq!(brook.space(&space).unwrap().charter().school_of(&lost), None);
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..600), flip: usize) {
        let mut asked = DeviceAsk::Claim(Claim::sign(&sheet(1).root(0), DeviceId::default(), DeviceId::default())).to_bytes();
        let at = flip % asked.len();
        asked[at] ^= 1;
        for frame in [&bytes, &asked, &[b"staffroom device\0", &bytes[..]].concat()] {
            let _ = DeviceAsk::parse(frame);
            let _ = SpacePart::parse(frame);
            let _ = IdentityChain::parse(frame);
            let _ = DeviceTicket::parse(&String::from_utf8_lossy(frame));
        }
    }
}

/// A machine that acts for school number 1 with a branch of its chain that a thief made, and knows the
/// charter as it was.
fn thief(recovers: bool, space: SpaceId, before: Missing) -> School {
    let mut thief = machine(66);
    let mut chain = local(1).school;
    if recovers {
        chain.renew(&sheet(1), &sheet(6)).unwrap();
    }
    let root = if recovers { sheet(6).root(0) } else { sheet(1).root(0) };
    chain.certify(&root, thief.device(), Rights::ALL).unwrap();
    thief.enter(chain, vec![(space, before)]).unwrap();
    thief.flush().unwrap();
    thief
}

#[test]
fn after_a_new_sheet_the_old_root_decides_nothing() {
    let (mut hill, mut brook, space) = pair();
    let before = hill.space(&space).unwrap().charter().whole();
    hill.change_identity(|chain, _| chain.renew(&sheet(1), &sheet(7))).unwrap();
    hill.flush().unwrap();
    talk(&mut hill, &mut brook, space);
    let mut thief = thief(false, space, before);
    thief.promote(space, brook.school()).unwrap();
    thief.flush().unwrap();
    assert!(brook.admit_charter(space, thief.space(&space).unwrap().charter().whole()).is_err());
    assert_eq!(brook.space(&space).unwrap().charter().school_of(&thief.device()), None);
}

#[test]
fn after_a_decision_that_names_the_new_sheet_the_old_sheet_decides_nothing() {
    let (mut hill, mut brook, space) = pair();
    let before = hill.space(&space).unwrap().charter().whole();
    hill.change_identity(|chain, _| chain.renew(&sheet(1), &sheet(7))).unwrap();
    hill.promote(space, brook.school()).unwrap();
    hill.flush().unwrap();
    talk(&mut hill, &mut brook, space);
    let decided = brook.space(&space).unwrap().charter().resolved().head;
    let mut thief = thief(true, space, before);
    // What it could decide at that place stands beside, as evidence; it does not count.
    thief.promote(space, brook.school()).unwrap();
    thief.flush().unwrap();
    let _ = brook.admit_charter(space, thief.space(&space).unwrap().charter().whole());
    let charter = brook.space(&space).unwrap().charter();
    assert_eq!(charter.resolved().head, decided);
    assert_eq!(charter.school_of(&thief.device()), None);
}
