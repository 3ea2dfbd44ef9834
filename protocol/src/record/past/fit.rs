//! Whether what a change names of its causal past is there, and is what the change takes it for.
//!
//! What a change names of itself was checked when it was read; here are the objects, elements and
//! predecessors of earlier changes.

use super::{
    Clock, Past,
    span::{Place, Span},
};
use crate::record::change::{Action, Block, Change, Keys, Object, ObjectKind, OperationId, Void};

/// What neighbouring operations of a change made.
pub(super) struct Made<'a> {
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) object: Where,
    pub(super) key: Option<&'a str>,
    pub(super) kind: Option<ObjectKind>,
}

/// An object, as long as the author of the change may not have a number yet.
#[derive(Clone, Copy)]
pub(super) enum Where {
    Known(Place),
    /// Made by the author, in this change or an earlier one.
    Own(u64),
}

impl Where {
    pub(super) fn resolve(self, author: u32) -> Place {
        match self {
            Self::Known(place) => place,
            Self::Own(counter) => Place::Made { actor: author, counter },
        }
    }
}

/// Checks a change against its causal past; gives what it makes.
pub(super) fn check<'a>(past: &Past, before: &Clock, change: &Change<'a>) -> Result<Vec<Made<'a>>, Void> {
    let header = change.header();
    let known = |actor| {
        let actor = *past.actors.get(actor)?;
        let last_op = past.link(actor, *before.get(&actor)?)?.last_op;
        Some(Reach { actor, last_op })
    };
    let reaches = header.actors.iter().map(known).collect();
    let fit = Fit { past, reaches, start_op: header.start_op };
    let mut made = Vec::new();
    let mut blocks = change.blocks();
    while let Some(block) = blocks.try_next()? {
        fit.check(&block)?;
        made.extend(fit.made(&block));
    }
    Ok(made)
}

/// How far an actor's operations are in the causal past.
#[derive(Clone, Copy)]
struct Reach {
    actor: u32,
    last_op: u64,
}

struct Fit<'p> {
    past: &'p Past,
    /// Of each actor that the change names, the author first; none where nothing of it is in the past.
    reaches: Vec<Option<Reach>>,
    start_op: u64,
}

impl Fit<'_> {
    fn check(&self, block: &Block<'_>) -> Result<(), Void> {
        if let Some(id) = self.outside(block.object) {
            let kind = self.find(id).and_then(|span| span.kind);
            let fits = match (block.action, block.keys) {
                (_, Keys::Text(_)) => kind == Some(ObjectKind::Map),
                (Action::Set, _) => kind == Some(ObjectKind::Text),
                (Action::Delete, _) => matches!(kind, Some(ObjectKind::Text | ObjectKind::List)),
                _ => kind == Some(ObjectKind::List),
            };
            if !fits {
                return Err(Void::Object(block.first));
            }
        }
        match block.keys {
            Keys::Text(key) => self.predecessors(block, key),
            Keys::Head => Ok(()),
            Keys::Elements { .. } => self.elements(block),
        }
    }

    /// What an operation of an earlier change is; the past is known by its reach.
    fn find(&self, id: OperationId) -> Option<&Span> {
        let reach = self.reach(id.actor).filter(|reach| id.counter <= reach.last_op)?;
        self.past.chains.get(reach.actor as usize)?.spans.find(id.counter)
    }
    fn reach(&self, actor: usize) -> Option<Reach> {
        self.reaches.get(actor).copied().flatten()
    }
    fn is_inside(&self, id: OperationId) -> bool {
        id.actor == 0 && id.counter >= self.start_op
    }
    /// The object, where an earlier change made it.
    fn outside(&self, object: Object) -> Option<OperationId> {
        match object {
            Object::Made(id) if !self.is_inside(id) => Some(id),
            _ => None,
        }
    }
    fn place(&self, object: Object) -> Where {
        match object {
            Object::Root => Where::Known(Place::Root),
            Object::Made(id) => match self.reach(id.actor).filter(|_| id.actor != 0) {
                Some(reach) => Where::Known(Place::Made { actor: reach.actor, counter: id.counter }),
                None => Where::Own(id.counter),
            },
        }
    }
    /// The object with its maker's number; none for one of an author who has no change in the past.
    fn known_place(&self, object: Object) -> Option<Place> {
        match self.place(object) {
            Where::Known(place) => Some(place),
            Where::Own(counter) => self.reach(0).map(|reach| Place::Made { actor: reach.actor, counter }),
        }
    }

    /// What is replaced at a key stood there.
    fn predecessors(&self, block: &Block<'_>, key: &str) -> Result<(), Void> {
        if block.predecessor_count == 0 {
            return Ok(());
        }
        let (key, object) = (self.past.keys.get(key), self.known_place(block.object));
        let mut all = block.predecessors();
        for counter in block.first..block.first + block.count {
            for id in all.split(block.predecessor_count).filter(|id| !self.is_inside(*id)) {
                let stood = |span: &&Span| key.is_some() && span.key.as_ref() == key && Some(span.object) == object;
                self.find(id).filter(stood).ok_or(Void::Predecessors(counter))?;
            }
        }
        Ok(())
    }

    /// The elements that a block names are in its object.
    fn elements(&self, block: &Block<'_>) -> Result<(), Void> {
        let Keys::Elements { actor, line } = block.keys else { return Ok(()) };
        let (first, last) = (line.at(0), line.at(block.count - 1));
        let (low, mut high) = (first.min(last), first.max(last));
        if actor == 0 {
            high = high.min(self.start_op - 1);
            if low > high {
                return Ok(());
            }
        }
        let wrong = Void::Key(block.first);
        let reach = self.reach(actor).ok_or(wrong.clone())?;
        let chain = self.past.chains.get(reach.actor as usize).ok_or(wrong.clone())?;
        let object = self.known_place(block.object).ok_or(wrong.clone())?;
        let are_there = |low, high| high <= reach.last_op && chain.spans.are_elements(object, low, high);
        let are_elements = if block.count == 1 || line.step.unsigned_abs() <= 1 {
            are_there(low, high)
        } else {
            let mut named = (0..block.count).map(|row| line.at(row)).filter(|counter| *counter <= high);
            named.all(|counter| are_there(counter, counter))
        };
        if are_elements { Ok(()) } else { Err(wrong) }
    }

    /// What a block makes, once it has been checked.
    fn made<'a>(&self, block: &Block<'a>) -> Option<Made<'a>> {
        if block.action == Action::Delete {
            return None;
        }
        let key = match block.keys {
            Keys::Text(key) => Some(key),
            Keys::Head | Keys::Elements { .. } => None,
        };
        let (first, last) = (block.first, block.first + block.count - 1);
        Some(Made { first, last, object: self.place(block.object), key, kind: block.action.makes() })
    }
}
