//! What a school does that belongs and means harm, with keys and signatures that all hold: it spoils
//! nothing of the others'.

use staffroom_protocol::Replica;
use staffroom_protocol::catalogue::Catalogue;
use staffroom_protocol::charter::{Join, Missing, Redemption, Resolved, Role, Ticket};
use staffroom_protocol::entropy::Entropy;
use staffroom_protocol::fault::Fault;
use staffroom_protocol::id::{RecordId, SpaceId, WriterId};
use staffroom_protocol::identity::{RecoveryCode, Rights, SecretKey};
use staffroom_protocol::log::{Entry, EntryKind, Header, Verified};
use staffroom_protocol::record::field::{Fields, Value};
use staffroom_protocol::record::{Document, write_genesis};
use staffroom_protocol::replica::{Edit, EditFault};
use staffroom_protocol::sync::{Ended, Input, Mark, Message, Output, Run, Standing, decode, encode};
use staffroom_protocol::time::Millis;

use crate::schools::{School, admit, lesson, local, next_header, pair, school, session, share, sign, talk};
use crate::support::{edits, line};

/// The next entry of school number `n`: an open record with these fields, and the change in it.
fn open_genesis(n: u8, holder: &School, space: SpaceId, fields: &Fields) -> (Verified, Vec<u8>) {
    let header = Header { flags: 1, ..next_header(n, holder, space) };
    let change = write_genesis(header.actor(), fields);
    (sign(n, header, &change), change)
}

/// Fields of a lesson as its genesis holds them, with their kind.
fn resource(title: &str) -> Fields {
    let mut fields = lesson(title);
    fields.insert("kind".to_owned(), line("resource"));
    fields
}

/// An edit of a record's title, at the present heads.
fn retitle(record: RecordId, title: &str) -> Edit {
    Edit { record, fields: edits([("title", line(title))]), heads: None, author: "Ada Brook".to_owned() }
}

/// The first school's identity, in which it has left its own device the right to write alone.
fn founder_that_only_writes() -> Missing {
    let mut chain = local(1).school;
    let root = RecoveryCode::from_random([1; 20]).root(0);
    chain.certify(&root, local(1).device.public(), Rights::WRITE).unwrap();
    Missing { identities: vec![chain], ..Missing::default() }
}

fn resolved(school: &School, space: SpaceId) -> Resolved {
    school.space(&space).unwrap().charter().resolved().clone()
}

fn title(school: &School, record: RecordId) -> String {
    Catalogue(school.store()).card(&record).unwrap().unwrap().line("title").to_owned()
}

#[test]
fn a_run_that_counts_past_the_last_number_ends_the_session() {
    let (mut hill, brook, space, mut session) = session();
    let first = Header { seq: u64::MAX - 1, ..next_header(2, &brook, space) };
    let first = Header { record: Header::record_at(space, first.writer, first.seq), ..first };
    let last = Header { seq: u64::MAX, kind: EntryKind::Change, ..first.clone() };
    let [first, last] = [first, last].map(|header| sign(2, header, &[1]).into_entry());
    let frame = |run: &[&Entry]| encode(&Message::Entries(vec![Run(run.iter().copied().cloned().collect())]));
    // One that ends just there is laid out well, and continues no log.
    assert!(matches!(decode(&frame(&[&first]), space), Ok(Message::Entries(_))));
    let told = session.handle(Input::Entries(vec![first.clone().verify()]), &mut hill, Millis(10));
    assert_eq!(told, [Output::Refused(Fault::Chain { what: "entry" })]);

    let fault = Fault::Malformed { what: "Entries" };
    assert_eq!(decode(&frame(&[&last]), space), Err(fault.clone()));
    assert_eq!(decode(&frame(&[&first, &last]), space), Err(fault.clone()));
    let told = session.handle(Input::Refused(fault.clone()), &mut hill, Millis(10));
    assert_eq!(told, [Output::Send(Message::Bye(fault.code())), Output::Ended(Ended::Fault(fault))]);
}

#[test]
fn claims_that_overflow_leave_the_standing_at_its_most() {
    let (mut hill, mut brook, space, mut session) = session();
    let own = brook.space(&space).unwrap().own_writer();
    let writers = [own, WriterId([1; 32]), WriterId([2; 32])];
    let marks = writers.map(|writer| Mark { writer, next: u64::MAX, head: [0; 16] });
    let told = session.handle(Input::Message(Message::Frontier(marks.to_vec())), &mut hill, Millis(10));
    assert!(matches!(told[..], [Output::Send(Message::Frontier(_))]), "{told:?}");
    let held = writers.map(|writer| (writer, u64::MAX));
    let told = session.handle(Input::Message(Message::Held(held.to_vec(), u32::MAX)), &mut hill, Millis(10));
    assert_eq!(told, []);
    // It is asked again later, as any other is.
    let told = session.handle(Input::Tick, &mut hill, Millis(20));
    assert!(matches!(told[..], [Output::Send(Message::Hello(_))]), "{told:?}");
    let standing = session.standing(hill.space(&space).unwrap());
    assert_eq!(standing, Standing { compared: true, we_lack: u64::MAX, they_lack: 0 });
    // What it claimed is forgotten with the session.
    let record = share(&mut brook, space, "Decimals");
    talk(&mut hill, &mut brook, space);
    assert_eq!(title(&hill, record), "Decimals");
}

#[test]
fn a_bare_entry_is_refused_and_is_taken_later_with_its_payload() {
    let (mut hill, brook, space, mut session) = session();
    let (whole, _) = open_genesis(2, &brook, space, &resource("Decimals"));
    let (id, record) = (whole.id(), whole.header().record);
    let before = hill.space(&space).unwrap().frontier().clone();
    // The frame is good: an entry may be laid out without its payload.
    let bare = Entry::parse(whole.signed_bytes(), None).unwrap();
    let frame = encode(&Message::Entries(vec![Run(vec![bare])]));
    let Ok(Message::Entries(mut runs)) = decode(&frame, space) else { panic!("no entries") };
    let bare = Entry::verify_all(runs.remove(0).0);
    assert_eq!(session.handle(Input::Entries(bare), &mut hill, Millis(10)), [Output::Refused(Fault::Withheld(id))]);
    assert!(!hill.is_staged());
    assert_eq!(hill.space(&space).unwrap().frontier(), &before);
    let told = session.handle(Input::Durable, &mut hill, Millis(10));
    assert_eq!(told, [Output::Send(Message::Held(Vec::new(), 1))]);

    let writer = whole.header().writer;
    assert_eq!(session.handle(Input::Entries(vec![Ok(whole)]), &mut hill, Millis(20)), []);
    hill.flush().unwrap();
    let told = session.handle(Input::Durable, &mut hill, Millis(20));
    assert_eq!(told, [Output::Send(Message::Held(vec![(writer, before.next(&writer) + 1)], 1))]);
    assert_eq!(title(&hill, record), "Decimals");
}

#[test]
fn a_founder_that_takes_its_own_rights_away_keeps_the_cluster_whole() {
    let (mut hill, mut brook, space) = pair();
    let before = resolved(&brook, space);
    assert_eq!((before.members.len(), before.writers.len()), (2, 2));
    let new = brook.admit_charter(space, founder_that_only_writes()).unwrap();
    assert_eq!(new.new.identities.len(), 1);
    brook.flush().unwrap();
    assert_eq!(resolved(&brook, space), before);
    // It reaches the founder too, and both go on.
    let records = [share(&mut hill, space, "Fractions"), share(&mut brook, space, "Decimals")];
    assert_eq!(talk(&mut brook, &mut hill, space).1, []);
    assert_eq!(resolved(&hill, space), before);
    for record in records {
        assert_eq!(title(&hill, record), title(&brook, record));
    }
}

#[test]
fn a_member_opens_its_store_after_the_founder_took_its_own_rights_away() {
    let (_, mut brook, space) = pair();
    let before = resolved(&brook, space);
    brook.admit_charter(space, founder_that_only_writes()).unwrap();
    brook.flush().unwrap();
    let again = Replica::open(brook.into_store(), local(2), Entropy::from_seed([9; 32])).unwrap();
    assert_eq!(resolved(&again, space), before);
}

#[test]
fn a_school_outside_a_space_hides_no_record_that_will_be_shared_there() {
    let (mut hill, mut brook, space) = pair();
    let mut north = school(3);
    let other = brook.found("The North Cluster").unwrap();
    brook.flush().unwrap();
    admit(&mut brook, &mut north, other).unwrap();
    talk(&mut north, &mut brook, other);
    // It knows which id the first school's next record will have.
    let next = next_header(1, &hill, space).record;
    let header = Header { kind: EntryKind::Change, record: next, ..next_header(3, &north, other) };
    brook.admit(sign(3, header, &[1, 2, 3]), Millis(0)).unwrap();
    brook.flush().unwrap();
    assert_eq!(share(&mut hill, space, "Fractions as division"), next);
    talk(&mut hill, &mut brook, space);
    let [ours, theirs] = [&hill, &brook].map(|school| Catalogue(school.store()).record(&next).unwrap().unwrap());
    assert_eq!(ours, theirs);
}

#[test]
fn an_open_record_that_is_edited_into_a_profile_is_none() {
    let (mut hill, brook, space) = pair();
    let (entry, genesis) = open_genesis(1, &hill, space, &resource("An open note"));
    let record = entry.header().record;
    let header = Header { kind: EntryKind::Change, record, ..next_header(2, &brook, space) };
    let evil = edits([
        ("kind", line("school")),
        ("title", line("Evil Academy")),
        ("addresses", Value::set(["/ip4/192.0.2.6/tcp/1"])),
    ]);
    let mut document = Document::build([&genesis[..]]).unwrap();
    let change = document.edit(header.actor(), None, &evil).unwrap().unwrap();
    hill.admit(entry, Millis(0)).unwrap();
    hill.admit(sign(2, header, &change), Millis(0)).unwrap();
    hill.flush().unwrap();
    let card = Catalogue(hill.store()).card(&record).unwrap().unwrap();
    assert_eq!((card.changes, card.line("title")), (2, "Evil Academy"), "the edit is in force");
    assert_eq!((&card.kind[..], card.open, card.school), ("resource", true, hill.school()));
    for school in [&hill, &brook] {
        assert_eq!(Catalogue(hill.store()).profile(&space, &school.school()), Ok(None));
    }
}

#[test]
fn an_edit_that_was_read_at_no_heads_is_refused() {
    let (mut hill, _, space) = pair();
    let record = share(&mut hill, space, "Fractions");
    let edit = Edit { heads: Some(Vec::new()), ..retitle(record, "Decimals") };
    assert!(matches!(hill.edit(&edit, Millis(9)), Err(EditFault::Document(_))));
    assert!(!hill.is_staged());
    assert_eq!(hill.edit(&retitle(record, "Decimals"), Millis(9)), Ok(true));
    hill.flush().unwrap();
    assert_eq!(title(&hill, record), "Decimals");
}

#[test]
fn a_field_of_a_newer_program_stops_no_edits() {
    let (_, mut brook, space) = pair();
    let mut fields = resource("Fractions");
    fields.insert("mood".to_owned(), line("sunny"));
    let (entry, _) = open_genesis(2, &brook, space, &fields);
    let record = entry.header().record;
    brook.admit(entry, Millis(0)).unwrap();
    brook.flush().unwrap();
    for next in ["Decimals", "Percentages"] {
        assert_eq!(brook.edit(&retitle(record, next), Millis(9)), Ok(true));
        brook.flush().unwrap();
        assert_eq!(title(&brook, record), next);
    }
    let seen = Catalogue(brook.store()).record(&record).unwrap().unwrap();
    assert_eq!(seen.view.fields.get("mood"), Some(&line("sunny")));
}

#[test]
fn a_school_that_two_stewards_admit_apart_has_one_writer_and_all_its_entries_at_both() {
    for joins_first in [true, false] {
        let (mut hill, mut brook, space) = pair();
        let mut north = school(3);
        hill.promote(space, brook.school()).unwrap();
        hill.flush().unwrap();
        talk(&mut hill, &mut brook, space);
        let [(by_hill, ours), (by_brook, theirs)] = [&mut hill, &mut brook].map(|steward| {
            let ticket = steward.invite(space, Role::Contributor, Millis(100), Vec::new()).unwrap();
            let charter = crate::schools::admitted(steward, &north, &ticket).unwrap();
            steward.flush().unwrap();
            (ticket, charter)
        });
        let (ticket, charter) = if joins_first { (by_hill, ours) } else { (by_brook, theirs) };
        north.join(&ticket, charter).unwrap();
        north.flush().unwrap();
        let record = share(&mut north, space, "Fractions as division");
        let steward = if joins_first { &mut hill } else { &mut brook };
        assert_eq!(talk(&mut north, steward, space).1, []);
        assert_eq!(talk(&mut hill, &mut brook, space).1, []);
        assert_eq!(resolved(&hill, space), resolved(&brook, space));
        for steward in [&hill, &brook] {
            let writers = resolved(steward, space).writers;
            assert_eq!(writers.values().filter(|writer| writer.school == north.school()).count(), 1);
            assert_eq!(title(steward, record), "Fractions as division");
        }
    }
}

#[test]
fn a_used_ticket_tells_its_finder_nothing() {
    let (mut hill, brook) = (school(1), school(2));
    let space = hill.found("The Brook Cluster").unwrap();
    let ticket = hill.invite(space, Role::Contributor, Millis(100), Vec::new()).unwrap();
    let honest = brook.redemption(&ticket);
    hill.redeem(&honest, brook.device(), Millis(0)).unwrap();
    hill.flush().unwrap();
    // The finder knows the ticket and the school's identity, and speaks from a device of nobody's.
    let finder = SecretKey::from_seed(&[77; 32]).public();
    let proof = Ticket::proof(&ticket.secret, space, hill.device(), finder, brook.school(), &honest.join.commitment);
    let found = Redemption { join: Join { proof, ..honest.join }, ..honest };
    let unissued = brook.redemption(&Ticket { secret: [7; 16], ..ticket });
    for now in [Millis(1), Millis(1 << 40)] {
        assert_eq!(hill.redeem(&found, finder, now), Err(Fault::Ticket));
        assert_eq!(hill.redeem(&unissued, finder, now), Err(Fault::Ticket));
    }
    assert!(!hill.is_staged());
}

#[test]
fn no_ticket_makes_a_steward() {
    let (mut hill, brook) = (school(1), school(2));
    let space = hill.found("The Brook Cluster").unwrap();
    let invited = hill.invite(space, Role::Steward, Millis(100), Vec::new());
    assert!(matches!(invited, Err(Fault::NoRight { .. })), "{invited:?}");
    // Nor one whose holder writes another role into it; that one still admits to its own.
    let ticket = hill.invite(space, Role::Contributor, Millis(100), Vec::new()).unwrap();
    let altered = brook.redemption(&Ticket { role: Role::Steward, ..ticket.clone() });
    assert_eq!(hill.redeem(&altered, brook.device(), Millis(0)), Err(Fault::Ticket));
    assert_eq!(resolved(&hill, space).role(&brook.school()), None);
    hill.redeem(&brook.redemption(&ticket), brook.device(), Millis(0)).unwrap();
    assert_eq!(resolved(&hill, space).role(&brook.school()), Some(Role::Contributor));
}
