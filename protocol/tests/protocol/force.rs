//! What is in force of a record follows from what is held alone (§2.2): not from the order of arrival, nor
//! from what is beside the causal past of a change.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use crate::support::{edits, line, text};
use proptest::{collection, prelude::*, sample::Index};
use staffroom_protocol::{
    id::{ChangeHash, EntryId, RecordId, SchoolId, SpaceId},
    identity::SecretKey,
    limits,
    log::{Entry, EntryKind, Header, Payload},
    record::{Document, Held, InForce, NotInForce, change::Void, edit::EditFault, in_force, write_genesis},
    time::Timestamp,
};

const SPACE: SpaceId = SpaceId([3; 32]);

/// A writer of a school of its own and what it has of the record.
struct Writer {
    key: SecretKey,
    school: SchoolId,
    seq: u64,
    prev: EntryId,
    has: Vec<Held>,
}

impl Writer {
    fn new(n: u8) -> Self {
        let (school, prev) = (SchoolId([n; 32]), EntryId::default());
        Self { key: SecretKey::from_seed(&[n; 32]), school, seq: 0, prev, has: Vec::new() }
    }
    fn header(&self, kind: EntryKind, record: RecordId, lane: u8, change_seq: u32, clock: u64) -> Header {
        let (clock, writer) = (Timestamp(clock), self.key.public());
        let Self { seq, prev, .. } = *self;
        let (flags, rules, commitment, length) = (0, 0, [0; 32], 0);
        Header {
            space: SPACE,
            writer,
            seq,
            prev,
            clock,
            kind,
            flags,
            rules,
            lane,
            change_seq,
            record,
            commitment,
            length,
        }
    }
    fn sign(&mut self, header: Header, change: &[u8]) -> Held {
        let payload = Payload::new([0; 16], "Ada Brook", change);
        let header = Header { commitment: payload.commitment(), length: payload.length(), ..header };
        let entry = Entry::sign(header, payload, &self.key);
        (self.seq, self.prev) = (self.seq + 1, entry.id());
        let held = Held { entry, school: self.school };
        self.has.push(held.clone());
        held
    }
    fn begin(&mut self, open: bool) -> Held {
        let record = Header::record_at(SPACE, self.key.public(), 0);
        let header = self.header(EntryKind::Genesis, record, 0, 1, 1);
        let header = Header { flags: u8::from(open), ..header };
        let change = write_genesis(header.actor(), &edits([("kind", line("note")), ("body", text("a b c"))]));
        self.sign(header, &change)
    }
    /// An edit of what it has, as an honest node makes it, on a lane of its own choice.
    fn edit(
        &self,
        record: RecordId,
        lane: u8,
        words: &str,
        clock: u64,
    ) -> Result<Option<(Header, Vec<u8>)>, EditFault> {
        let force = in_force(&self.has);
        let bytes: Vec<&[u8]> =
            force.order.iter().map(|at| self.has[*at].entry.payload().unwrap().read().unwrap().1).collect();
        let mut document = Document::build(bytes)?;
        let probe = self.header(EntryKind::Change, record, lane, 0, clock);
        let seq = force.past.count_all(&probe.actor()) + 1;
        let change = document.edit(probe.actor(), None, &edits([("body", text(words))]))?;
        Ok(change.map(|change| (Header { change_seq: seq, ..probe }, change)))
    }
}

#[derive(Debug, Clone)]
enum Act {
    Edit(Index, u8, String),
    /// The same number a second time.
    Twice(Index, String),
    /// A header that says another number, lane or rules than the change.
    Lie(Index, u8, String),
    /// Its payload gets lost.
    Bare(Index, String),
    /// Takes over what another has, up to a place.
    Pull(Index, Index, Index),
}

fn any_act() -> impl Strategy<Value = Act> {
    let (who, words) = (any::<Index>, "[a-d ]{0,8}");
    prop_oneof![
        5 => (who(), 0u8..2, words).prop_map(|(who, lane, words)| Act::Edit(who, lane, words)),
        1 => (who(), words).prop_map(|(who, words)| Act::Twice(who, words)),
        1 => (who(), 0u8..3, words).prop_map(|(who, what, words)| Act::Lie(who, what, words)),
        1 => (who(), words).prop_map(|(who, words)| Act::Bare(who, words)),
        4 => (who(), who(), who()).prop_map(|(who, from, upto)| Act::Pull(who, from, upto)),
    ]
}

/// The verdict on each entry.
fn verdicts(held: &[Held], force: &InForce) -> BTreeMap<EntryId, Option<NotInForce>> {
    let stands = force.order.iter().map(|at| (held[*at].entry.id(), None));
    let not = force.not.iter().map(|(at, why)| (held[*at].entry.id(), Some(why.clone())));
    let all: BTreeMap<_, _> = stands.chain(not).collect();
    assert_eq!(all.len(), held.len(), "each entry has one verdict");
    all
}

/// Without the name of what is missing: a change may wait for several, and one void thing makes others miss it.
fn changes_in_force(held: &[Held]) -> Vec<(EntryId, ChangeHash)> {
    let force = in_force(held);
    force.changes().map(|(place, hash, _)| (held[place].entry.id(), hash)).collect()
}

fn play(open: bool, acts: &[Act]) -> Vec<Held> {
    let mut writers: Vec<Writer> = (1..4).map(Writer::new).collect();
    let genesis = writers[0].begin(open);
    let record = genesis.entry.header().record;
    let mut all = vec![genesis.clone()];
    writers[1].has.push(genesis.clone());
    writers[2].has.push(genesis);
    for (clock, act) in (2..).zip(acts) {
        let who = match act {
            Act::Edit(who, ..) | Act::Twice(who, _) | Act::Lie(who, ..) | Act::Bare(who, _) | Act::Pull(who, ..) => who,
        };
        let at = who.index(3);
        if let Act::Pull(_, from, upto) = act {
            let from = from.get(&writers).has.clone();
            for held in &from[..=upto.index(from.len())] {
                if !writers[at].has.iter().any(|has| has.entry.id() == held.entry.id()) {
                    writers[at].has.push(held.clone());
                }
            }
            continue;
        }
        let (lane, words) = match act {
            Act::Edit(_, lane, words) => (*lane, words),
            Act::Twice(_, words) | Act::Lie(_, _, words) | Act::Bare(_, words) => (0, words),
            Act::Pull(..) => continue,
        };
        let Ok(Some((header, change))) = writers[at].edit(record, lane, words, clock) else { continue };
        let header = match act {
            Act::Lie(_, 0, _) => Header { change_seq: header.change_seq + 1, ..header },
            Act::Lie(_, 1, _) => Header { lane: 7, ..header },
            Act::Lie(_, _, _) => Header { rules: 1, ..header },
            _ => header,
        };
        let mut held = writers[at].sign(header.clone(), &change);
        if let Act::Bare(..) = act {
            held = Held { entry: held.entry.bare().verify().unwrap(), ..held };
            *writers[at].has.last_mut().unwrap() = held.clone();
        }
        all.push(held);
        if let Act::Twice(..) = act {
            let (seq, prev) = (writers[at].seq, writers[at].prev);
            all.push(writers[at].sign(Header { seq, prev, ..header }, &change));
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn the_order_of_arrival_decides_nothing(
        open in proptest::bool::weighted(0.8),
        acts in collection::vec(any_act(), 1..20),
        orders in collection::vec(collection::vec(any::<Index>(), 24), 4),
    ) {
        let held = play(open, &acts);
        let force = in_force(&held);
        let (first, order) = (verdicts(&held, &force), changes_in_force(&held));
        for choices in orders {
            let mut left = held.clone();
            let mut choices = choices.iter().cycle();
            let shuffled: Vec<Held> =
                (0..held.len()).map(|_| left.swap_remove(choices.next().unwrap().index(left.len()))).collect();
            prop_assert_eq!(&verdicts(&shuffled, &in_force(&shuffled)), &first);
            prop_assert_eq!(&changes_in_force(&shuffled), &order);
        }
        // What comes later takes nothing away of what was in force.
        for upto in 1..=held.len() {
            for (entry, _) in changes_in_force(&held[..upto]) {
                prop_assert_eq!(&first[&entry], &None);
            }
        }
    }
}

/// As many lanes of a writer as that, each with a text as long as one may be on top of the genesis alone.
fn branches(writer: &mut Writer, genesis: &Held, lanes: core::ops::Range<u8>) -> Vec<Held> {
    let words = "a".repeat(limits::TEXT);
    let branch = |lane| {
        writer.has = vec![genesis.clone()];
        let (header, change) = writer.edit(genesis.entry.header().record, lane, &words, 2).unwrap().unwrap();
        writer.sign(header, &change)
    };
    lanes.map(branch).collect()
}

#[test]
fn of_a_record_that_grew_too_large_only_the_owners_changes_count_and_then_only_the_first() {
    let mut owner = Writer::new(1);
    let genesis = owner.begin(true);
    let mut held = vec![genesis.clone()];
    held.extend(branches(&mut owner, &genesis, 0..1));
    let others = u8::try_from(2 * limits::RECORD_OPERATIONS / limits::TEXT as u64).unwrap();
    held.extend(branches(&mut Writer::new(2), &genesis, 0..others));
    let school = |at: &usize| held[*at].school;
    let force = in_force(&held);
    assert!(force.is_too_large());
    assert_eq!(force.order.iter().map(school).collect::<Vec<_>>(), [owner.school; 2]);
    // Some less of the others', and all count.
    assert_eq!(in_force(&held[..held.len() - 5]).not, []);
    held.extend(branches(&mut owner, &genesis, 1..others + 1));
    let force = in_force(&held);
    assert_eq!((&force.order[..], force.not.len()), (&[0][..], held.len() - 1));
}

#[test]
fn a_record_of_newer_rules_waits_for_a_newer_program() {
    let mut writer = Writer::new(1);
    let record = Header::record_at(SPACE, writer.key.public(), 0);
    let header = Header { rules: limits::RULES + 1, ..writer.header(EntryKind::Genesis, record, 0, 1, 1) };
    let change = write_genesis(header.actor(), &edits([("kind", line("note"))]));
    let held = [writer.sign(header, &change)];
    assert_eq!(in_force(&held).not, [(0, NotInForce::OtherRules)]);
}

#[test]
fn a_full_record_takes_no_further_change_and_none_is_made() {
    // Each change deletes and inserts most of what a change may: after some the record is full.
    let mut writer = Writer::new(1);
    let genesis = writer.begin(false);
    let record = genesis.entry.header().record;
    let rewrite = |n: u8, writer: &Writer| {
        let words: String = char::from(b'a' + n).to_string().repeat(limits::TEXT - 10);
        writer.edit(record, 0, &words, 2)
    };
    for n in 0..20 {
        match rewrite(n, &writer) {
            Ok(Some((header, change))) => drop(writer.sign(header, &change)),
            full => {
                assert_eq!(full, Err(EditFault::Void(Void::RecordFull)));
                let force = in_force(&writer.has);
                assert_eq!(force.not, []);
                assert!(force.past.weight() <= limits::RECORD_OPERATIONS);
                assert!((7..20).contains(&n), "full after {n}");
                return;
            }
        }
    }
    panic!("the record was never full");
}
