#![allow(warnings, clippy::all, clippy::pedantic)]
use crate::schools::*;
use crate::support::{line, text};
use staffroom_protocol::catalogue::Catalogue;
use staffroom_protocol::charter::*;
use staffroom_protocol::id::*;
use staffroom_protocol::identity::*;
use staffroom_protocol::log::*;
use staffroom_protocol::record::field::{Fields, Value};
use staffroom_protocol::record::{Document, write_genesis};
use staffroom_protocol::replica::Edit;
use staffroom_protocol::sync::*;
use staffroom_protocol::time::*;
use std::collections::BTreeMap;

fn writer_key(n: u8, space: SpaceId) -> SecretKey {
    let mut h = blake3::Hasher::new_derive_key("staffroom 2026 writer key v1");
    h.update(&[n; 32]).update(&space.0);
    SecretKey::from_seed(h.finalize().as_bytes())
}
/// two schools, in step
fn two() -> (SpaceId, School, School) {
    let (mut a, mut b) = (school(1), school(2));
    let space = a.found("The Brook Cluster").unwrap();
    a.flush().unwrap();
    admit(&mut a, &mut b, space).unwrap();
    talk(&mut b, &mut a, space);
    (space, a, b)
}
fn forge(
    n: u8,
    s: &School,
    space: SpaceId,
    kind: EntryKind,
    record: RecordId,
    change_seq: u32,
    change: impl Fn([u8; 16]) -> Vec<u8>,
) -> Verified {
    let key = writer_key(n, space);
    let w: WriterId = key.public();
    let f = s.space(&space).unwrap().frontier();
    let mut h = Header {
        space,
        writer: w,
        seq: f.next(&w),
        prev: f.head(&w),
        clock: Timestamp(9),
        kind,
        flags: 0,
        rules: 0,
        lane: 0,
        change_seq,
        record,
        commitment: [0; 32],
        length: 0,
    };
    let p = Payload::new([0; 16], "X", &change(h.actor()));
    h.commitment = p.commitment();
    h.length = p.length();
    Entry::sign(h, p, &key)
}

#[test]
fn a_run_at_the_end_of_seqs() {
    let mut body = vec![1u8];
    body.extend([1; 32]);
    body.extend([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
    body.extend([1; 32]);
    body.push(1);
    body.extend([0, 1, 0, 0, 0, 1]); // clock kind flags rules lane change_seq
    body.push(1);
    body.extend([2; 32]); // record
    body.extend([0, 0]);
    body.extend([0; 64]);
    let frame = [&[4u8, 0][..], &body].concat();
    println!("{:?}", decode(&frame, SpaceId([7; 32])));
}

#[test]
fn claims_that_overflow() {
    let (space, mut a, b) = two();
    let mut s = Session::new(space, b.device(), false);
    let hello = Hello {
        version: 0,
        space,
        charter: a.space(&space).unwrap().charter().hash(),
        frontier: [1; 32],
        credit: 4,
        answer: true,
    };
    s.handle(Input::Message(Message::Hello(hello)), &mut a, Millis(0));
    let mark = |n: u8| Mark { writer: WriterId([n; 32]), next: u64::MAX, head: [0; 16] };
    let o = s.handle(Input::Message(Message::Frontier(vec![mark(1), mark(2)])), &mut a, Millis(0));
    println!("{o:?}");
    println!("{:?}", s.handle(Input::Tick, &mut a, Millis(1)));
    println!("{:?}", s.standing(a.space(&space).unwrap()));
}

#[test]
fn a_founder_takes_rights_from_its_own_device() {
    let (space, mut a, mut b) = two();
    let code = RecoveryCode::from_random([1; 20]);
    let mut chain = local(1).school;
    chain.certify(&code.root(0), a.device(), Rights::WRITE).unwrap();
    let r = b.admit_charter(space, Missing { identities: vec![chain], ..Missing::default() });
    println!("{:?}", r.is_ok());
    let resolved = b.space(&space).unwrap().charter().resolved();
    println!("members {} writers {} name {:?}", resolved.members.len(), resolved.writers.len(), resolved.name);
    assert_eq!(resolved.members.len(), 2);
}

#[test]
fn a_change_in_another_space_hides_a_record() {
    // c is in both spaces of b.
    let (one, mut a, mut b) = two();
    let other = b.found("Other").unwrap();
    b.flush().unwrap();
    let mut c = school(3);
    admit(&mut b, &mut c, other).unwrap();
    talk(&mut c, &mut b, other);
    // what a will share next in `one`
    let w: WriterId = writer_key(1, one).public();
    let next = Header::record_at(one, w, a.space(&one).unwrap().frontier().next(&w));
    let e = forge(3, &c, other, EntryKind::Change, next, 1, |_| vec![1, 2, 3]);
    b.admit(e, Millis(0)).unwrap();
    b.flush().unwrap();
    let record = share(&mut a, one, "Hidden?");
    assert_eq!(record, next);
    talk(&mut a, &mut b, one);
    assert!(Catalogue(b.store()).record(&record).unwrap().is_some(), "the record is hidden at b");
}

#[test]
fn an_open_note_becomes_a_profile() {
    let (space, mut a, mut b) = two();
    let record = share(&mut a, space, "An open note");
    talk(&mut a, &mut b, space);
    let rec = Catalogue(b.store()).record(&record).unwrap().unwrap();
    // b forges a change of kind
    let key = writer_key(1, space);
    let w: WriterId = key.public();
    let f = a.space(&space).unwrap().frontier().next(&w);
    let e = forge(2, &b, space, EntryKind::Change, record, 1, |actor| {
        let fields = lesson("An open note");
        let mut genesis = None;
        // take a's own bytes
        let mut g = fields.clone();
        g.insert("kind".into(), line("resource"));
        let h = Header {
            space,
            writer: w,
            seq: 0,
            prev: EntryId::default(),
            clock: Timestamp(0),
            kind: EntryKind::Genesis,
            flags: 1,
            rules: 0,
            lane: 0,
            change_seq: 1,
            record,
            commitment: [0; 32],
            length: 0,
        };
        genesis.replace(write_genesis(h.actor(), &g));
        let mut d = Document::build([&genesis.unwrap()[..]]).unwrap();
        assert_eq!(d.heads(), rec.view.heads);
        let ed = BTreeMap::from([
            ("kind".to_owned(), line("school")),
            ("title".to_owned(), line("Evil Academy")),
            ("addresses".to_owned(), Value::set(["/ip4/6.6.6.6/tcp/1"])),
        ]);
        d.edit(actor, None, &ed).unwrap().unwrap()
    });
    a.admit(e, Millis(0)).unwrap();
    a.flush().unwrap();
    let profile = Catalogue(a.store()).profile(&space, &a.school()).unwrap();
    println!("{:?}", profile.as_ref().map(|p| (p.line("title").to_owned(), p.set("addresses").to_vec())));
    assert!(profile.is_none_or(|p| p.line("title") != "Evil Academy"));
}

#[test]
fn an_edit_at_no_heads_counts() {
    let (space, mut a, _) = two();
    let record = share(&mut a, space, "One");
    let edit =
        Edit { record, fields: [("title".to_owned(), line("Two"))].into(), heads: Some(vec![]), author: "x".into() };
    let r = a.edit(&edit, Millis(9));
    println!("{r:?}");
    a.flush().unwrap();
    let seen = Catalogue(a.store()).record(&record).unwrap().unwrap();
    println!("{:?} not in force {}", seen.card.line("title"), seen.card.not_in_force);
    assert!(r.is_err() || seen.card.line("title") == "Two");
}

#[test]
fn two_stewards_admit_one_school() {
    let (space, mut a, mut b) = two();
    a.promote(space, b.school()).unwrap();
    a.flush().unwrap();
    talk(&mut a, &mut b, space);
    // c joins at both while they are apart; it writes by the one
    for first in [true, false] {
        let (mut a, mut b) = (clone(&a, 1), clone(&b, 2));
        let mut c = school(3);
        let ta = a.invite(space, Role::Contributor, Millis(100), vec![]).unwrap();
        let tb = b.invite(space, Role::Contributor, Millis(100), vec![]).unwrap();
        let ra = a.redeem(&c.redemption(&ta), c.device(), Millis(0)).unwrap();
        let rb = b.redeem(&c.redemption(&tb), c.device(), Millis(0)).unwrap();
        a.flush();
        b.flush();
        if first {
            c.join(&ta, ra.1).unwrap();
        } else {
            c.join(&tb, rb.1).unwrap();
        }
        c.flush();
        let record = share(&mut c, space, "Mine");
        println!("-- first {first}");
        let e = talk(&mut c, if first { &mut a } else { &mut b }, space).1;
        println!("{e:?}");
        let e = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| talk(&mut a, &mut b, space).1));
        println!("{e:?}");
        for (n, s) in [("a", &a), ("b", &b)] {
            let sp = s.space(&space).unwrap();
            println!(
                "{n}: c's writers {}, entries {}",
                sp.charter().resolved().writers.values().filter(|w| w.school == c.school()).count(),
                sp.frontier().entries()
            );
        }
    }
}
fn clone(s: &School, n: u8) -> School {
    staffroom_protocol::Replica::open(
        s.store().clone(),
        local(n),
        staffroom_protocol::entropy::Entropy::from_seed([n + 100; 32]),
    )
    .unwrap()
}

#[test]
fn a_used_ticket_tells_its_finder_nothing() {
    let (mut a, b) = (school(1), school(2));
    let space = a.found("The Brook Cluster").unwrap();
    a.flush().unwrap();
    let t = a.invite(space, Role::Contributor, Millis(100), vec![]).unwrap();
    a.redeem(&b.redemption(&t), b.device(), Millis(0)).unwrap();
    a.flush().unwrap();
    // the finder knows the ticket and b's public chain
    let finder = SecretKey::from_seed(&[77; 32]);
    let honest = b.redemption(&t);
    let r = Redemption { proof: Ticket::proof(&t.secret, space, a.device(), finder.public(), b.school()), ..honest };
    let got = a.redeem(&r, finder.public(), Millis(1 << 40));
    assert!(got.is_err(), "long after it ended, from a device of nobody's");
}

#[test]
fn an_unknown_field_does_not_stop_edits() {
    let (space, mut a, mut b) = two();
    let e = forge(
        2,
        &b,
        space,
        EntryKind::Genesis,
        {
            let w: WriterId = writer_key(2, space).public();
            Header::record_at(space, w, b.space(&space).unwrap().frontier().next(&w))
        },
        1,
        |actor| {
            let mut f = lesson("From a newer program");
            f.insert("kind".into(), line("resource"));
            f.insert("mood".into(), line("sunny"));
            write_genesis(actor, &f)
        },
    );
    let id = e.header().record;
    b.admit(e, Millis(0)).unwrap();
    b.flush().unwrap();
    let edit = Edit { record: id, fields: [("title".to_owned(), line("Two"))].into(), heads: None, author: "x".into() };
    println!("{:?}", b.edit(&edit, Millis(9)));
    assert!(b.edit(&Edit { fields: [("title".to_owned(), line("Three"))].into(), ..edit }, Millis(9)).is_ok());
}

#[test]
fn after_the_founder_took_rights_a_member_still_opens() {
    let (space, mut a, mut b) = two();
    let code = RecoveryCode::from_random([1; 20]);
    let mut chain = local(1).school;
    chain.certify(&code.root(0), a.device(), Rights::WRITE).unwrap();
    println!("{:?}", b.admit_charter(space, Missing { identities: vec![chain], ..Missing::default() }).is_ok());
    b.flush().unwrap();
    let again = staffroom_protocol::Replica::open(
        b.into_store(),
        local(2),
        staffroom_protocol::entropy::Entropy::from_seed([9; 32]),
    );
    println!("opens: {:?}", again.as_ref().err());
    assert!(again.is_ok());
}

#[test]
fn an_invitation_for_a_steward() {
    let (mut a, b) = (school(1), school(2));
    let space = a.found("The Brook Cluster").unwrap();
    a.flush().unwrap();
    let Ok(t) = a.invite(space, Role::Steward, Millis(100), vec![]) else { return };
    println!("{:?}", a.redeem(&b.redemption(&t), b.device(), Millis(0)).map(|_| ()));
}
