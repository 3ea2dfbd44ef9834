//! Which changes of a record are in force (§2.2): a pure function of the entries held about it.

use std::collections::{BTreeMap, BTreeSet};

use super::change::{Change, Void};
use super::past::Past;
use crate::id::{ChangeHash, SchoolId, WriterId};
use crate::limits;
use crate::log::{EntryKind, Verified};
use crate::time::Timestamp;

/// An entry about a record, with the school that its writer writes for.
#[derive(Debug, Clone)]
pub struct Held {
    /// The entry; its payload may be missing.
    pub entry: Verified,
    /// The school of its writer.
    pub school: SchoolId,
}

/// What is in force of a record, and what is not.
#[derive(Debug, Clone, Default)]
pub struct InForce {
    /// Places in the list that was asked about, each after what it depends on.
    pub order: Vec<usize>,
    /// The changes in `order`, and what they made.
    pub past: Past,
    /// The other places, each with the reason.
    pub not: Vec<(usize, NotInForce)>,
}

/// Why an entry that is held is not in force (§2.2).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotInForce {
    /// The record's genesis is not held.
    #[error("the record's first change has not come yet")]
    NoGenesis,
    /// The record is its owner school's alone, and another wrote this.
    #[error("only the school that made the record may change it")]
    NotPermitted,
    /// Its payload is not here.
    #[error("what it says has not come yet")]
    NoPayload,
    /// It changes nothing: of a kind that this program does not apply.
    #[error("this version of the program does not know what it asks for")]
    OtherKind,
    /// Its record lives under rules that this program does not know.
    #[error("the record follows newer rules than this version knows")]
    OtherRules,
    /// An earlier entry of its log has its place in the record.
    #[error("its school had written another change at its place before")]
    Doubled,
    /// Its header says another actor, number or beginning than its change.
    #[error("what was signed and what it says do not fit together")]
    Header,
    /// The change is void, by itself or by what it builds on.
    #[error("it breaks the rules for changes: {0}")]
    Void(#[from] Void),
    /// The changes of all schools together are more than a record may have, so only the owner's count;
    /// where those are too many as well, only the first.
    #[error("the record has grown too large")]
    TooLarge,
}

impl InForce {
    /// The place, the hash and the dependencies of each change in `order`.
    pub fn changes(&self) -> impl DoubleEndedIterator<Item = (usize, ChangeHash, &[ChangeHash])> {
        self.order.iter().zip(self.past.changes()).map(|(place, (hash, deps))| (*place, hash, deps))
    }
    /// Whether the record is too large for all that is held of it to count.
    pub fn is_too_large(&self) -> bool {
        self.not.iter().any(|(_, why)| *why == NotInForce::TooLarge)
    }
}

/// Finds what is in force among all entries held about one record, in whatever order they came.
pub fn in_force(held: &[Held]) -> InForce {
    let genesis = held.iter().position(|h| h.entry.header().kind == EntryKind::Genesis);
    let Some(genesis) = genesis else {
        let not = (0..held.len()).map(|place| (place, NotInForce::NoGenesis)).collect();
        return InForce { not, ..InForce::default() };
    };
    let first = held[genesis].entry.header();
    let (open, owner) = (first.flags & 1 == 1, held[genesis].school);
    let firsts = first_of_each(held);
    let counts: [&dyn Fn(usize) -> bool; 3] =
        [&|_| true, &|place| held[place].school == owner, &|place| place == genesis];
    let mut result = InForce::default();
    // Those of everyone who may write; if they are too many, the owner's; if those are, the first.
    for (round, counted) in counts.iter().enumerate() {
        if round == 1 && !open {
            continue;
        }
        let mut judged = Judged::default();
        for (place, h) in held.iter().enumerate() {
            let verdict = if first.rules > limits::RULES {
                Err(NotInForce::OtherRules)
            } else if !open && h.school != owner {
                Err(NotInForce::NotPermitted)
            } else if h.entry.header().rules != first.rules {
                Err(NotInForce::Header)
            } else if !firsts.contains(&place) {
                Err(NotInForce::Doubled)
            } else if !counted(place) {
                Err(NotInForce::TooLarge)
            } else {
                read(h)
            };
            judged.note(place, h, verdict);
        }
        result = judged.settle();
        if round + 1 < counts.len() && result.past.weight() <= 2 * limits::RECORD_OPERATIONS {
            break;
        }
    }
    result
}

/// The change of an entry that is permitted, if the entry says the same of it as it does itself.
fn read(held: &Held) -> Result<Change<'_>, NotInForce> {
    let header = held.entry.header();
    if !matches!(header.kind, EntryKind::Genesis | EntryKind::Change) {
        return Err(NotInForce::OtherKind);
    }
    let payload = held.entry.payload().ok_or(NotInForce::NoPayload)?;
    let (_, bytes) = payload.read().map_err(|_| NotInForce::Header)?;
    let change = Change::read(bytes)?;
    let says = change.header();
    let same = says.actor() == header.actor() && says.seq == u64::from(header.change_seq);
    let begins = says.deps.is_empty() == (header.kind == EntryKind::Genesis);
    if same && begins { Ok(change) } else { Err(NotInForce::Header) }
}

/// Changes on the way to being in force.
#[derive(Default)]
struct Judged<'a> {
    result: InForce,
    waiting: BTreeMap<ChangeHash, Waiting<'a>>,
    /// Who waits for a change.
    children: BTreeMap<ChangeHash, Vec<ChangeHash>>,
    /// Those that wait for nothing any more, in an order that does not depend on how they came.
    ready: BTreeSet<(Timestamp, ChangeHash)>,
}

struct Waiting<'a> {
    place: usize,
    change: Change<'a>,
    clock: Timestamp,
    /// How many of its dependencies are not in force yet.
    missing: usize,
}

impl<'a> Judged<'a> {
    fn note(&mut self, place: usize, held: &Held, verdict: Result<Change<'a>, NotInForce>) {
        let change = match verdict {
            Ok(change) => change,
            Err(why) => return self.result.not.push((place, why)),
        };
        let (hash, clock) = (change.header().hash, held.entry.header().clock);
        for dep in &change.header().deps {
            self.children.entry(*dep).or_default().push(hash);
        }
        let missing = change.header().deps.len();
        if missing == 0 {
            self.ready.insert((clock, hash));
        }
        self.waiting.insert(hash, Waiting { place, change, clock, missing });
    }

    /// Takes in one after the other, each after what it builds on.
    fn settle(mut self) -> InForce {
        let InForce { order, past, not } = &mut self.result;
        while let Some((_, hash)) = self.ready.pop_first() {
            // Beyond this no more is needed to know that they are too many.
            if past.weight() > 2 * limits::RECORD_OPERATIONS {
                break;
            }
            let Some(Waiting { place, change, .. }) = self.waiting.remove(&hash) else { continue };
            if let Err(void) = past.admit(&change) {
                not.push((place, void.into()));
                continue;
            }
            order.push(place);
            for child in self.children.remove(&hash).unwrap_or_default() {
                let Some(waiting) = self.waiting.get_mut(&child) else { continue };
                waiting.missing -= 1;
                if waiting.missing == 0 {
                    self.ready.insert((waiting.clock, child));
                }
            }
        }
        let missing = |waiting: &Waiting<'_>| {
            let mut deps = waiting.change.header().deps.iter();
            deps.find(|dep| !past.contains(dep)).map_or(Void::RecordFull, |dep| Void::Missing(*dep))
        };
        not.extend(self.waiting.values().map(|waiting| (waiting.place, missing(waiting).into())));
        not.sort_by_key(|(place, _)| *place);
        self.result
    }
}

/// Of entries of one log with the same lane and change seq, the earliest counts.
fn first_of_each(held: &[Held]) -> BTreeSet<usize> {
    let mut firsts: BTreeMap<(WriterId, u8, u32), (u64, usize)> = BTreeMap::new();
    for (place, h) in held.iter().enumerate() {
        let header = h.entry.header();
        let first = firsts.entry((header.writer, header.lane, header.change_seq)).or_insert((header.seq, place));
        *first = (*first).min((header.seq, place));
    }
    firsts.into_values().map(|(_, place)| place).collect()
}

/// The changes at these places of a list of entries.
pub(crate) fn changes<'a>(held: &'a [Held], order: &[usize]) -> Vec<&'a [u8]> {
    let change = |place: &usize| held[*place].entry.payload().and_then(|payload| payload.read().ok());
    order.iter().filter_map(change).map(|(_, bytes)| bytes).collect()
}
