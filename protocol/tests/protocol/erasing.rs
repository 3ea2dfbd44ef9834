//! Erased is erased (§6): whatever the order of erasing, editing, syncing, forking and cutting.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use staffroom_protocol::Replica;
use staffroom_protocol::catalogue::Catalogue;
use staffroom_protocol::charter::Body;
use staffroom_protocol::entropy::Entropy;
use staffroom_protocol::erasure::ErasedBy;
use staffroom_protocol::fault::Fault;
use staffroom_protocol::id::{RecordId, SpaceId};
use staffroom_protocol::record::field::Value;
use staffroom_protocol::replica::{Edit, EditFault, Wiped};
use staffroom_protocol::store::{MemoryStore, Table};
use staffroom_protocol::sync::Message;
use staffroom_protocol::time::Millis;
use staffroom_protocol::verify::verify;

use crate::schools::{School, admit, copy, local, pair, retitle, school, settle, share, talk, titles};

/// A school whose store keeps what is removed until it is rewritten, as a file does.
fn watched(n: u8) -> School {
    let mut store = MemoryStore::default();
    store.keep_old();
    Replica::open(store, local(n), Entropy::from_seed([n; 32])).unwrap()
}

/// What a value may be read as: as it is, and unpacked where it is a payload, or one put aside.
fn readings(value: &[u8]) -> Vec<Vec<u8>> {
    let packed = [value.get(1..), value.get(1 + 257 + 1..)].into_iter().flatten();
    let unpacked = packed.filter_map(|frame| zstd::bulk::decompress(frame, 1 << 20).ok());
    std::iter::once(value.to_vec()).chain(unpacked).collect()
}
/// Whether a word is anywhere in a store, or in what it removed and was not rewritten since.
pub(crate) fn has_word(store: &MemoryStore, word: &str) -> bool {
    let values = store.iter().map(|(_, _, value)| value).chain(store.old().iter().map(Vec::as_slice));
    let has = |reading: Vec<u8>| reading.windows(word.len()).any(|part| part == word.as_bytes());
    values.flat_map(readings).any(has)
}
/// Rewrites a store and gives the receipts.
fn wipe(school: &mut School) -> Wiped {
    let wiped = school.wipe(Millis(50)).unwrap();
    school.flush().unwrap();
    wiped
}
fn erase(school: &mut School, record: RecordId) -> bool {
    let erased = school.erase(&record, Millis(40)).unwrap();
    school.flush().unwrap();
    erased
}
fn title_of(school: &School, record: &RecordId) -> Option<String> {
    let card = Catalogue(school.store()).card(record).unwrap();
    card.map(|card| card.line("title").to_owned())
}

/// Something that somebody does.
#[derive(Debug, Clone, Copy)]
enum Act {
    Share(usize),
    Edit(usize, usize),
    Erase(usize, usize),
    Decide(usize),
    Talk(usize, usize),
    Wipe(usize),
    Restart(usize),
    Remove,
}

fn act() -> impl Strategy<Value = Act> {
    let who = 0usize..3;
    prop_oneof![
        3 => who.clone().prop_map(Act::Share),
        4 => (who.clone(), 0usize..8).prop_map(|(who, record)| Act::Edit(who, record)),
        3 => (who.clone(), 0usize..8).prop_map(|(who, record)| Act::Erase(who, record)),
        1 => (0usize..8).prop_map(Act::Decide),
        6 => (who.clone(), who.clone()).prop_map(|(a, b)| Act::Talk(a, b)),
        1 => who.clone().prop_map(Act::Wipe),
        1 => who.prop_map(Act::Restart),
        1 => Just(Act::Remove),
    ]
}

/// Three schools, each with a word of its own in all that it says.
struct World {
    schools: Vec<School>,
    space: SpaceId,
    records: Vec<RecordId>,
    words: BTreeMap<RecordId, Vec<String>>,
    erased: BTreeSet<RecordId>,
    removed: bool,
    said: u32,
}

impl World {
    fn new() -> Self {
        let (mut hill, mut brook, mut north) = (watched(1), watched(2), watched(3));
        let space = hill.found("The Brook Cluster").unwrap();
        hill.flush().unwrap();
        admit(&mut hill, &mut brook, space).unwrap();
        admit(&mut hill, &mut north, space).unwrap();
        settle(&mut [&mut hill, &mut brook, &mut north], space);
        let (records, words, erased) = (Vec::new(), BTreeMap::new(), BTreeSet::new());
        Self { schools: vec![hill, brook, north], space, records, words, erased, removed: false, said: 0 }
    }
    fn word(&mut self) -> String {
        self.said += 1;
        format!("qzxword{:05}", self.said)
    }
    fn pick(&self, at: usize) -> Option<RecordId> {
        (!self.records.is_empty()).then(|| self.records[at % self.records.len()])
    }
    fn act(&mut self, act: Act) {
        match act {
            Act::Share(who) if !(self.removed && who == 2) => {
                let word = self.word();
                let record = share(&mut self.schools[who], self.space, &word);
                self.records.push(record);
                self.words.insert(record, vec![word]);
            }
            Act::Edit(who, at) => {
                let Some(record) = self.pick(at) else { return };
                let word = self.word();
                let fields = [("title".to_owned(), Value::Line(word.clone()))].into();
                let edit = Edit { record, fields, heads: None, author: word.clone() };
                match self.schools[who].edit(&edit, Millis(7)) {
                    Ok(_) => self.words.get_mut(&record).unwrap().push(word),
                    Err(EditFault::NoSuchRecord | EditFault::Refused(_)) => {}
                    Err(fault) => panic!("{fault}"),
                }
                self.schools[who].flush().unwrap();
            }
            Act::Erase(who, at) => {
                let Some(record) = self.pick(at) else { return };
                match self.schools[who].erase(&record, Millis(8)) {
                    Ok(_) => drop(self.erased.insert(record)),
                    Err(EditFault::NoSuchRecord | EditFault::NotOwner(_) | EditFault::Refused(_)) => {}
                    Err(fault) => panic!("{fault}"),
                }
                self.schools[who].flush().unwrap();
            }
            Act::Decide(at) => {
                let Some(record) = self.pick(at) else { return };
                let Some((space, writer, seq)) = self.schools[0].genesis_of(&record).unwrap() else { return };
                self.schools[0].propose(space, Body::Erase(record, writer, seq)).unwrap();
                self.schools[0].flush().unwrap();
                self.erased.insert(record);
            }
            Act::Talk(a, b) if a != b => {
                let (a, b) = (a.min(b), a.max(b));
                let (left, right) = self.schools.split_at_mut(b);
                let knows = |school: &School, record: &RecordId| school.erased(record).is_some();
                let (one, other) = (&mut left[a], &mut right[0]);
                let known: Vec<RecordId> =
                    self.records.iter().filter(|record| knows(one, record) || knows(other, record)).copied().collect();
                let (said, _) = talk(one, other, self.space);
                let runs = said
                    .iter()
                    .filter_map(|message| if let Message::Entries(runs) = message { Some(runs) } else { None });
                for entry in runs.flatten().flat_map(|run| &run.0) {
                    assert!(
                        entry.payload().is_none() || !known.contains(&entry.header().record),
                        "payload of an erased record sent"
                    );
                }
            }
            Act::Wipe(who) => drop(wipe(&mut self.schools[who])),
            Act::Restart(who) => {
                let n = u8::try_from(who + 1).unwrap();
                self.schools[who] = copy(&self.schools[who], n);
                self.schools[who].flush().unwrap();
            }
            Act::Remove if !self.removed => {
                let north = self.schools[2].school();
                self.schools[0].demote(self.space, north, None).unwrap();
                self.schools[0].flush().unwrap();
                self.removed = true;
            }
            _ => {}
        }
    }
    /// The schools that belong, after they have told each other everything.
    fn settled(&mut self) -> &mut [School] {
        let members = if self.removed { 2 } else { 3 };
        for _ in 0..2 {
            let [hill, brook, north] = &mut self.schools[..] else { panic!("three schools") };
            let mut all = [hill, brook, north];
            settle(&mut all[..members], self.space);
            for school in &mut all[..members] {
                wipe(school);
            }
        }
        let [hill, brook, north] = &mut self.schools[..] else { panic!("three schools") };
        settle(&mut [hill, brook, north][..members], self.space);
        &mut self.schools[..members]
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]
    #[test]
    fn any_order_of_acts_leaves_nothing_of_what_is_erased_anywhere(acts in proptest::collection::vec(act(), 10..50)) {
        let mut world = World::new();
        for act in acts {
            world.act(act);
        }
        world.settled();
        let World { schools, space, words, erased, removed, .. } = world;
        let members = if removed { 2 } else { 3 };
        let first = schools[0].space(&space).unwrap();
        for school in &schools[..members] {
            let held = school.space(&space).unwrap();
            prop_assert_eq!(held.frontier(), first.frontier());
            prop_assert_eq!(held.erasures_hash(), first.erasures_hash());
            prop_assert_eq!(held.erased(), first.erased());
            prop_assert_eq!(titles(school, space), titles(&schools[0], space));
            let report = verify(school.store(), &mut |_| ()).unwrap();
            prop_assert_eq!(&report.wrong, &[]);
            for record in held.erased() {
                prop_assert_eq!(title_of(school, record), None);
                for word in words.get(record).into_iter().flatten() {
                    prop_assert!(!has_word(school.store(), word), "{word} at {:?}", school.school());
                }
                let receipts: Vec<_> = held.erasures().receipts(record).map(|receipt| receipt.school).collect();
                for member in &schools[..members] {
                    prop_assert!(receipts.contains(&member.school()), "no receipt of {:?}", member.school());
                }
            }
            prop_assert_eq!(school.unwiped(), 0);
        }
        // What the removed school erased and told nobody of is not known here; everything else is.
        let unknown = erased.iter().filter(|record| !first.is_erased(record));
        prop_assert!(removed || unknown.count() == 0);
    }
}

#[test]
fn what_is_erased_is_in_nobodys_store_and_its_words_were() {
    let mut world = World::new();
    let record = share(&mut world.schools[0], world.space, "qzxtitle");
    retitle(&mut world.schools[0], record, "qzxother");
    for school in world.settled() {
        assert!(has_word(school.store(), "qzxtitle") && has_word(school.store(), "qzxother"), "the search finds words");
    }
    assert!(erase(&mut world.schools[0], record) && !erase(&mut world.schools[0], record));
    assert!(has_word(world.schools[0].store(), "qzxother"), "removed, and still in the file");
    let brook = world.schools[1].school();
    assert!(!world.schools[0].space(&world.space).unwrap().erasures().receipts(&record).any(|r| r.school == brook));
    for school in world.settled() {
        assert!(!has_word(school.store(), "qzxtitle") && !has_word(school.store(), "qzxother"));
        let edit = Edit { record, fields: BTreeMap::new(), heads: None, author: String::new() };
        assert_eq!(school.edit(&edit, Millis(9)), Err(Fault::Erased(record).into()));
        assert_eq!(school.store().rewrites(), 1);
    }
    let (space, by) = world.schools[2].erased(&record).unwrap();
    let hill = world.schools[0].school();
    assert!(matches!(by, ErasedBy::School(school, clock) if school == hill && clock.millis() == Millis(40)), "{by:?}");
    assert_eq!(space, world.space);
    assert_eq!(world.schools[0].space(&space).unwrap().erasures().receipts(&record).count(), 3);
}

#[test]
fn several_erasures_at_once_cost_one_rewrite_and_none_is_needed_for_what_was_never_here() {
    let mut hill = watched(1);
    let space = hill.found("The Brook Cluster").unwrap();
    let records: Vec<RecordId> = (0..20).map(|n| share(&mut hill, space, &format!("Lesson {n}"))).collect();
    for record in &records {
        hill.erase(record, Millis(8)).unwrap();
    }
    hill.flush().unwrap();
    assert_eq!(wipe(&mut hill), Wiped::Done(20));
    assert_eq!((hill.store().rewrites(), wipe(&mut hill)), (1, Wiped::Nothing));
    let mut brook = watched(2);
    admit(&mut hill, &mut brook, space).unwrap();
    talk(&mut hill, &mut brook, space);
    assert_eq!(brook.unwiped(), 20);
    assert_eq!((wipe(&mut brook), brook.store().rewrites()), (Wiped::Done(20), 0));
    talk(&mut hill, &mut brook, space);
    let receipts = |record| hill.space(&space).unwrap().erasures().receipts(record).count();
    assert!(records.iter().all(|record| receipts(record) == 2));
}

#[test]
fn a_receipt_waits_for_the_rewrite_also_over_a_restart() {
    let mut hill = watched(1);
    let space = hill.found("The Brook Cluster").unwrap();
    let record = share(&mut hill, space, "qzxword");
    erase(&mut hill, record);
    let mut again = copy(&hill, 1);
    assert_eq!(again.space(&space).unwrap().erasures().receipts(&record).count(), 0);
    assert_eq!((again.unwiped(), wipe(&mut again), again.store().rewrites()), (1, Wiped::Done(1), 1));
    assert!(!has_word(again.store(), "qzxword"));
    // An older state of the store, put back: the words are in it once more, and a receipt was given.
    let mut put_back = hill;
    let (mut brook, receipt) = (school(2), again.space(&space).unwrap().erasures().receipts(&record).next().cloned());
    assert!(put_back.admit_receipt(space, &receipt.unwrap()).unwrap());
    put_back.flush().unwrap();
    let mut put_back = copy(&put_back, 1);
    assert_eq!((put_back.unwiped(), wipe(&mut put_back)), (1, Wiped::Done(1)));
    assert!(!has_word(put_back.store(), "qzxword"));
    admit(&mut put_back, &mut brook, space).unwrap();
}

#[test]
fn a_node_that_was_off_erases_before_it_sends_an_entry() {
    let mut world = World::new();
    let record = share(&mut world.schools[0], world.space, "qzxtitle");
    world.settled();
    // North is off, and writes on; the others erase.
    let theirs = share(&mut world.schools[2], world.space, "Of north");
    retitle(&mut world.schools[2], record, "qzxnorth");
    erase(&mut world.schools[0], record);
    let [hill, brook, north] = &mut world.schools[..] else { panic!("three schools") };
    talk(hill, brook, world.space);
    let (said, ended) = talk(brook, north, world.space);
    assert_eq!(ended, []);
    let place = |wanted: fn(&Message) -> bool| said.iter().position(wanted).unwrap();
    let erasures = place(|message| matches!(message, Message::Erasures(..)));
    let entries = place(|message| matches!(message, Message::Entries(_)));
    assert!(erasures < entries, "{:?}", said.iter().map(Message::name).collect::<Vec<_>>());
    let bytes: Vec<u8> = said.iter().flat_map(staffroom_protocol::sync::encode).collect();
    assert!(!bytes.windows(8).any(|part| part == b"qzxnorth"), "what it wrote meanwhile is not served");
    for school in [&*brook, &*north] {
        assert_eq!(title_of(school, &record), None);
        assert_eq!(title_of(school, &theirs).as_deref(), Some("Of north"));
        assert!(
            !school
                .store()
                .iter()
                .any(|(_, _, value)| readings(value).iter().any(|r| r.windows(8).any(|p| p == b"qzxnorth")))
        );
    }
    assert_eq!(brook.space(&world.space).unwrap().frontier(), north.space(&world.space).unwrap().frontier());
}

#[test]
fn an_erasure_counts_on_any_branch_of_a_fork_and_above_the_cut_of_a_removal() {
    let (mut hill, mut brook, space) = pair();
    let mut north = school(3);
    admit(&mut hill, &mut north, space).unwrap();
    let (first, second) = (share(&mut north, space, "qzxfirst"), share(&mut north, space, "qzxsecond"));
    settle(&mut [&mut hill, &mut brook, &mut north], space);
    let mut clone = copy(&north, 3);
    erase(&mut north, first);
    share(&mut clone, space, "Of the copy");
    talk(&mut clone, &mut hill, space);
    talk(&mut north, &mut brook, space);
    settle(&mut [&mut hill, &mut brook], space);
    for school in [&hill, &brook] {
        assert!(school.space(&space).unwrap().forks().count() == 1);
        assert!(school.erased(&first).is_some() && title_of(school, &first).is_none());
    }
    // North erases once more, and is removed by one that has not heard of it.
    settle(&mut [&mut hill, &mut brook, &mut north], space);
    erase(&mut north, second);
    hill.demote(space, north.school(), None).unwrap();
    hill.flush().unwrap();
    talk(&mut north, &mut brook, space);
    settle(&mut [&mut hill, &mut brook], space);
    for school in [&hill, &brook] {
        assert!(school.erased(&second).is_some() && title_of(school, &second).is_none());
        assert!(
            school
                .store()
                .iter()
                .all(|(_, _, value)| !readings(value).iter().any(|r| r.windows(9).any(|p| p == b"qzxsecond")))
        );
    }
}

#[test]
fn what_a_revoked_device_erased_afterwards_is_not_erased() {
    let (mut hill, mut brook, space) = pair();
    let record = share(&mut hill, space, "Pizza and cake");
    talk(&mut hill, &mut brook, space);
    // Somebody has hill's machine, and erases with it; hill revokes it as of what it knows.
    let mut stolen = copy(&hill, 1);
    erase(&mut stolen, record);
    talk(&mut stolen, &mut brook, space);
    assert!(brook.erased(&record).is_some());
    let stands = hill.held_of(&hill.device());
    let device = hill.device();
    let code = staffroom_protocol::identity::RecoveryCode::from_random([1; 20]);
    hill.change_identity(|chain, _| chain.revoke(&code.root(0), device, stands)).unwrap();
    hill.flush().unwrap();
    brook.admit_identity(hill.identity()).unwrap();
    brook.flush().unwrap();
    assert!(brook.erased(&record).is_none(), "the erasure is above what the revocation lists");
    assert!(title_of(&hill, &record).is_some());
    // What brook dropped is not here any more, and is not held against anybody.
    let report = verify(brook.store(), &mut |_| ()).unwrap();
    assert_eq!(report.wrong, []);
}

#[test]
fn a_store_with_an_erasure_has_no_payload_of_it_even_where_it_came_first() {
    let (mut hill, mut brook, space) = pair();
    let record = share(&mut hill, space, "qzxword");
    let before = copy(&hill, 1);
    erase(&mut hill, record);
    // Brook hears of the erasure alone.
    let (said, _) = talk(&mut hill, &mut school(9), space);
    assert!(said.iter().all(|message| matches!(message, Message::Hello(_) | Message::Bye(_))));
    let erasures = hill.store().iter().filter(|(table, ..)| *table == Table::Erasures).count();
    assert_eq!(erasures, 1);
    talk(&mut hill, &mut brook, space);
    // A copy of hill's store from before, in which the payload is, meets brook: brook tells it first.
    let mut before = before;
    talk(&mut before, &mut brook, space);
    for school in [&before, &brook] {
        assert!(school.erased(&record).is_some());
        assert!(
            school
                .store()
                .iter()
                .all(|(_, _, value)| !readings(value).iter().any(|r| r.windows(7).any(|p| p == b"qzxword")))
        );
    }
}
