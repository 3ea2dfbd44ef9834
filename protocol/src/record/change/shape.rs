//! What may stand in a change, as far as the change alone shows it (§2.3).
//!
//! A record is a root map of lines, numbers, texts, sets, maps of JSON and lists of attachments
//! (the table in [`crate::record::field`]), which leaves few operations:
//!
//! | where | operations |
//! |---|---|
//! | root map | put a string or integer; make a map, list or text; delete a key |
//! | other map | put a string or unsigned integer; delete a key |
//! | text | insert one character; delete an element |
//! | list | insert a map; delete an element |
//!
//! Whether an object of an earlier change is the map, list or text that an operation takes it for
//! is for [`crate::record::past`], which knows the causal past; so is whether an element or predecessor
//! is there.

use std::collections::BTreeMap;

use super::{
    Action, ChangeHeader, Key, Object, ObjectKind, OperationId, Void,
    blocks::{Block, Blocks, Keys, ValueType},
    bounds::Bounds,
    replaced::Replaced,
};

/// Neighbouring operations of this change that each made an object of the same kind.
struct Made {
    start: u64,
    end: u64,
    kind: ObjectKind,
}

/// Neighbouring operations of this change that each inserted an element into the same object.
struct Inserted {
    start: u64,
    end: u64,
    object: Object,
}

/// Checks the operations of a change and counts them.
pub(super) fn check(header: &ChangeHeader, mut blocks: Blocks<'_>) -> Result<u64, Void> {
    let mut shape = Shape {
        header,
        used: vec![false; header.actors.len()],
        made: Vec::new(),
        inserted: Vec::new(),
        written: BTreeMap::new(),
        replaced: Replaced::default(),
    };
    let mut operations = 0;
    let mut bounds = Bounds::default();
    while let Some(block) = blocks.try_next()? {
        shape.block(&block)?;
        bounds.block(&block)?;
        operations += block.count;
    }
    if operations == 0 {
        return Err(Void::NoOperations);
    }
    if shape.used.iter().skip(1).all(|used| *used) { Ok(operations) } else { Err(Void::Actors) }
}

struct Shape<'h, 'a> {
    header: &'h ChangeHeader,
    used: Vec<bool>,
    made: Vec<Made>,
    inserted: Vec<Inserted>,
    /// The last operation of this change at each key that it has written.
    written: BTreeMap<(Object, &'a str), u64>,
    replaced: Replaced,
}

impl<'a> Shape<'_, 'a> {
    fn block(&mut self, block: &Block<'a>) -> Result<(), Void> {
        let first = block.first;
        let kind = self.object(block)?;
        let on = |allowed: ObjectKind| {
            if kind.is_none_or(|kind| kind == allowed) { Ok(()) } else { Err(Void::Object(first)) }
        };
        let is_root = block.object == Object::Root;
        match (block.action, block.insert, block.keys) {
            (Action::Set, false, Keys::Text(key)) => {
                on(ObjectKind::Map)?;
                let fits = match block.value_type {
                    ValueType::Text => true,
                    ValueType::Int => is_root,
                    ValueType::Uint => !is_root,
                    ValueType::None | ValueType::Other => false,
                };
                // Every value is read once, here.
                let rows = usize::try_from(block.count).unwrap_or(usize::MAX);
                if !fits || !(0..rows).all(|row| block.value(row).is_some()) {
                    return Err(Void::Value(first));
                }
                self.write(block, key)
            }
            (Action::MakeMap | Action::MakeList | Action::MakeText, false, Keys::Text(key)) => {
                if !is_root {
                    return Err(Void::Object(first));
                }
                self.make(block)?;
                self.write(block, key)
            }
            (Action::Delete, false, Keys::Text(key)) => {
                on(ObjectKind::Map)?;
                no_value(block)?;
                self.write(block, key)
            }
            (Action::Delete, false, Keys::Elements { .. }) => {
                if is_root || kind == Some(ObjectKind::Map) {
                    return Err(Void::Object(first));
                }
                no_value(block)?;
                self.elements(block)?;
                self.replaces_its_elements(block)
            }
            (Action::Set, true, Keys::Head | Keys::Elements { .. }) => {
                on(ObjectKind::Text)?;
                characters(block)?;
                self.insert(block)
            }
            (Action::MakeMap, true, Keys::Head | Keys::Elements { .. }) => {
                on(ObjectKind::List)?;
                self.make(block)?;
                self.insert(block)
            }
            (_, _, Keys::Text(_)) => Err(Void::Key(first)),
            (Action::MakeList | Action::MakeText, true, _) => Err(Void::Object(first)),
            _ => Err(Void::Key(first)),
        }
    }

    /// What the block's object is; `None` where an earlier change made it.
    fn object(&mut self, block: &Block<'a>) -> Result<Option<ObjectKind>, Void> {
        let Object::Made(id) = block.object else { return Ok(Some(ObjectKind::Map)) };
        if !self.reference(id, block.first).ok_or(Void::Object(block.first))? {
            return Ok(None);
        }
        let at = self.made.partition_point(|made| made.end <= id.counter);
        let made = self.made.get(at).filter(|made| made.start <= id.counter).ok_or(Void::Object(block.first))?;
        Ok(Some(made.kind))
    }

    /// Whether an operation named by the one with this counter is in this change; `None` where there can be none.
    fn reference(&mut self, id: OperationId, from: u64) -> Option<bool> {
        *self.used.get_mut(id.actor)? = true;
        let inside = id.actor == 0 && id.counter >= self.header.start_op;
        let there = match (inside, id.actor) {
            (true, _) => id.counter < from,
            (false, 0) => id.counter > 0 && self.header.seq > 1,
            (false, _) => id.counter > 0 && id.counter < self.header.start_op,
        };
        there.then_some(inside)
    }

    fn is_inside(&self, object: Object) -> bool {
        matches!(object, Object::Made(id) if id.actor == 0 && id.counter >= self.header.start_op)
    }

    fn make(&mut self, block: &Block<'a>) -> Result<(), Void> {
        no_value(block)?;
        let Some(kind) = block.action.makes() else { return Ok(()) };
        let (start, end) = (block.first, block.first + block.count);
        match self.made.last_mut() {
            Some(last) if last.end == start && last.kind == kind => last.end = end,
            _ => self.made.push(Made { start, end, kind }),
        }
        Ok(())
    }

    /// Operations at a key of a map: each replaces what stood there, as far as its maker saw it.
    fn write(&mut self, block: &Block<'a>, key: &'a str) -> Result<(), Void> {
        let mut all = block.predecessors();
        for counter in block.first..block.first + block.count {
            let wrong = Void::Predecessors(counter);
            let latest = self.written.get(&(block.object, key)).copied();
            let mut named = None;
            let mut before: Option<OperationId> = None;
            let predecessors = all.split(block.predecessor_count);
            for id in predecessors {
                let ascends = before.is_none_or(|before| self.order(before) < self.order(id));
                let inside = self.reference(id, counter).filter(|_| ascends).ok_or(wrong.clone())?;
                if !self.replaced.add(id.actor, id.counter, id.counter) {
                    return Err(wrong);
                }
                // Nothing that came before can be in an object that this change makes.
                if !inside && self.is_inside(block.object) {
                    return Err(wrong);
                }
                if inside && named.replace(id.counter).is_some() {
                    return Err(wrong);
                }
                before = Some(id);
            }
            if named != latest {
                return Err(wrong);
            }
            if block.action == Action::Delete {
                // Automerge keeps a deletion only as the end of what it deletes.
                if block.predecessor_count == 0 {
                    return Err(wrong);
                }
                self.written.remove(&(block.object, key));
            } else {
                self.written.insert((block.object, key), counter);
            }
        }
        Ok(())
    }

    /// The order of operations in Automerge: by counter, then by actor.
    fn order(&self, id: OperationId) -> (u64, Option<&[u8; 16]>) {
        (id.counter, self.header.actors.get(id.actor))
    }

    fn insert(&mut self, block: &Block<'a>) -> Result<(), Void> {
        if block.object == Object::Root {
            return Err(Void::Object(block.first));
        }
        if block.predecessor_count > 0 {
            return Err(Void::Predecessors(block.first));
        }
        let (start, end, object) = (block.first, block.first + block.count, block.object);
        match self.inserted.last_mut() {
            Some(last) if last.end == start && last.object == object => last.end = end,
            _ => self.inserted.push(Inserted { start, end, object }),
        }
        self.elements(block)
    }

    /// The elements that a block names: there before the operation that names them, and in its object.
    fn elements(&mut self, block: &Block<'a>) -> Result<(), Void> {
        let Keys::Elements { actor, line } = block.keys else { return Ok(()) };
        let wrong = Void::Key(block.first);
        let (first, last) = (line.at(0), line.at(block.count - 1));
        let mut any_inside = false;
        for (counter, from) in [(first, block.first), (last, block.first + block.count - 1)] {
            // The counters lie on a line, and so do the operations: what holds at both ends holds between them.
            any_inside |= self.reference(OperationId { counter, actor }, from).ok_or(wrong.clone())?;
        }
        let (low, high) = (first.min(last), first.max(last));
        if self.is_inside(block.object) && (actor != 0 || low < self.header.start_op) {
            return Err(wrong);
        }
        if !any_inside {
            return Ok(());
        }
        let there = if block.count == 1 || line.step.unsigned_abs() <= 1 {
            self.are_inserted(block.object, low.max(self.header.start_op), high)
        } else {
            let inside = (0..block.count).map(|row| line.at(row)).filter(|c| *c >= self.header.start_op);
            inside.into_iter().all(|counter| self.are_inserted(block.object, counter, counter))
        };
        if there { Ok(()) } else { Err(wrong) }
    }

    /// Elements are never overwritten, so a deletion replaces the insertion and nothing else.
    fn replaces_its_elements(&mut self, block: &Block<'_>) -> Result<(), Void> {
        let wrong = |row: u64| Void::Predecessors(block.first + row);
        let Keys::Elements { actor, line } = block.keys else { return Err(wrong(0)) };
        if block.predecessor_count != 1 {
            return Err(wrong(0));
        }
        let mut predecessors = block.predecessors();
        for row in 0..block.count {
            let id = predecessors.try_next()?.ok_or(wrong(row))?;
            if block.key(row) != Key::Element(id) {
                return Err(wrong(row));
            }
        }
        let (first, last) = (line.at(0), line.at(block.count - 1));
        let once = if line.step.unsigned_abs() == 1 {
            self.replaced.add(actor, first.min(last), first.max(last))
        } else {
            (0..block.count).map(|row| line.at(row)).all(|counter| self.replaced.add(actor, counter, counter))
        };
        if once { Ok(()) } else { Err(wrong(0)) }
    }

    /// Whether all these operations of this change have inserted an element into the object.
    fn are_inserted(&self, object: Object, low: u64, high: u64) -> bool {
        let mut at = low;
        let from = self.inserted.partition_point(|span| span.end <= low);
        for span in &self.inserted[from..] {
            if at > high {
                break;
            }
            if span.start > at || span.object != object {
                return false;
            }
            at = span.end;
        }
        at > high
    }
}

fn no_value(block: &Block<'_>) -> Result<(), Void> {
    if block.value_type == ValueType::None { Ok(()) } else { Err(Void::Value(block.first)) }
}

/// Each value must be one Unicode scalar value, as Automerge splits text.
fn characters(block: &Block<'_>) -> Result<(), Void> {
    let fits = match (block.value_type, block.value_length) {
        (ValueType::Text, 1) => block.values.is_ascii(),
        (ValueType::Text, length @ 2..=4) => {
            core::str::from_utf8(block.values).is_ok_and(|text| text.chars().all(|c| c.len_utf8() == length))
        }
        _ => false,
    };
    if fits { Ok(()) } else { Err(Void::Value(block.first)) }
}
