//! A record's first change to fields.

use std::{borrow::Cow, collections::BTreeMap};

use super::sequence::Sequence;
use crate::record::{
    change::{Action, Block, Change, Key, Keys, Object, Scalar, Void},
    field::{Fields, Value},
    layout::{self, Entries, Entry},
};

/// The fields that a record's first change gives it, as Automerge would show them.
///
/// Keys that no kind has are read by the shape of what they hold. Fails only on a change that has
/// dependencies, with [`Void::NotGenesis`].
pub fn read_genesis(change: &Change<'_>) -> Result<Fields, Void> {
    if !change.header().deps.is_empty() {
        return Err(Void::NotGenesis);
    }
    let mut contents = Contents::default();
    let mut blocks = change.blocks();
    while let Some(block) = blocks.try_next()? {
        contents.block(&block);
    }
    contents.untangle(change);
    Ok(contents.fields())
}

/// What stands at a key of the root.
#[derive(Clone, Copy)]
enum Root<'a> {
    Line(&'a str),
    Number(i64),
    Made(u64),
}

/// What an object of this change holds.
enum Made<'a> {
    Map(Entries<'a>),
    /// The counters of the maps in it.
    List(Sequence<u64>),
    Text(Text<'a>),
}

/// A text: slices of the change, as long as each insertion goes after the one before.
#[derive(Default)]
struct Text<'a> {
    pieces: Vec<&'a str>,
    last: Option<u64>,
    tangled: bool,
}

#[derive(Default)]
struct Contents<'a> {
    root: BTreeMap<&'a str, Root<'a>>,
    made: BTreeMap<u64, Made<'a>>,
    tangled: BTreeMap<u64, Sequence<&'a str>>,
}

impl<'a> Contents<'a> {
    fn block(&mut self, block: &Block<'a>) {
        match (block.action, block.keys, block.object) {
            (Action::MakeMap | Action::MakeList | Action::MakeText, ..) => self.make(block),
            (Action::Set, Keys::Text(key), object) => self.set(block, key, object),
            (Action::Delete, Keys::Text(key), Object::Root) => self.put(key, None),
            (Action::Delete, Keys::Text(key), Object::Made(id)) => {
                if let Some(Made::Map(entries)) = self.made.get_mut(&id.counter) {
                    entries.remove(key);
                }
            }
            (Action::Set, _, Object::Made(id)) => {
                if let Some(Made::Text(text)) = self.made.get_mut(&id.counter) {
                    text.insert(block);
                }
            }
            (Action::Delete, _, Object::Made(id)) => match self.made.get_mut(&id.counter) {
                Some(Made::Text(text)) => text.tangled = true,
                Some(Made::List(list)) => block.predecessors().for_each(|id| list.delete(id.counter)),
                _ => {}
            },
            // No element is in the root: the change has been read.
            (Action::Set | Action::Delete, _, Object::Root) => {}
        }
    }

    /// Objects come into being here; maps only when something is put into them.
    fn make(&mut self, block: &Block<'a>) {
        for (row, counter) in (0..block.count).zip(block.first..) {
            match (block.object, block.key(row)) {
                (Object::Root, Key::Text(key)) => self.put(key, Some(Root::Made(counter))),
                (Object::Made(list), key) => {
                    if let Some(Made::List(list)) = self.made.get_mut(&list.counter) {
                        list.insert(element(key), counter, counter);
                    }
                }
                (Object::Root, _) => {}
            }
            match block.action {
                Action::MakeList => self.made.insert(counter, Made::List(Sequence::new())),
                Action::MakeText => self.made.insert(counter, Made::Text(Text::default())),
                _ => None,
            };
        }
    }

    /// Of operations at one key the last counts: each replaces the one before, and what was in it.
    fn put(&mut self, key: &'a str, value: Option<Root<'a>>) {
        let before = match value {
            Some(value) => self.root.insert(key, value),
            None => self.root.remove(key),
        };
        if let Some(Root::Made(object)) = before {
            self.made.remove(&object);
        }
    }

    fn set(&mut self, block: &Block<'a>, key: &'a str, object: Object) {
        let last = usize::try_from(block.count - 1).ok().and_then(|row| block.value(row));
        match (object, last) {
            (Object::Root, Some(Scalar::Text(line))) => self.put(key, Some(Root::Line(line))),
            (Object::Root, Some(Scalar::Int(number))) => self.put(key, Some(Root::Number(number))),
            (Object::Made(id), Some(value)) => {
                let entry = match value {
                    Scalar::Uint(number) => Entry::Uint(number),
                    Scalar::Text(text) => Entry::Text(Cow::Borrowed(text)),
                    Scalar::Int(_) | Scalar::None => return,
                };
                if let Made::Map(entries) = self.made.entry(id.counter).or_insert_with(|| Made::Map(Entries::new())) {
                    entries.insert(Cow::Borrowed(key), entry);
                }
            }
            _ => {}
        }
    }

    /// Reads the texts that are not in the order of their operations, all in one pass.
    fn untangle(&mut self, change: &Change<'a>) {
        let tangled = self.made.iter().filter(|(_, made)| matches!(made, Made::Text(text) if text.tangled));
        self.tangled = tangled.map(|(counter, _)| (*counter, Sequence::new())).collect();
        if self.tangled.is_empty() {
            return;
        }
        for operation in change.operations() {
            let Object::Made(id) = operation.object else { continue };
            let Some(sequence) = self.tangled.get_mut(&id.counter) else { continue };
            match (operation.insert, operation.value) {
                (true, Scalar::Text(character)) => {
                    sequence.insert(element(operation.key), operation.counter, character);
                }
                _ => operation.predecessors.for_each(|id| sequence.delete(id.counter)),
            }
        }
    }

    fn fields(mut self) -> Fields {
        let root = core::mem::take(&mut self.root);
        let fields = root.into_iter().filter_map(|(key, value)| Some((key.to_owned(), self.value(value)?)));
        fields.filter(|(_, value)| !value.is_empty()).collect()
    }

    fn value(&mut self, root: Root<'a>) -> Option<Value> {
        let counter = match root {
            Root::Line(line) => return Some(Value::Line(line.to_owned())),
            Root::Number(number) => return Some(Value::Number(number)),
            Root::Made(counter) => counter,
        };
        match self.made.remove(&counter)? {
            Made::Map(entries) => layout::map_value(entries),
            Made::Text(text) if text.tangled => {
                Some(Value::Text(self.tangled.get(&counter)?.values().collect::<String>()))
            }
            Made::Text(text) => Some(Value::Text(text.pieces.concat())),
            Made::List(list) => {
                let blobs = list.values().filter_map(|map| match self.made.get(&map)? {
                    Made::Map(entries) => layout::blob(entries),
                    _ => None,
                });
                Some(Value::Blobs(blobs.collect()))
            }
        }
    }
}

impl<'a> Text<'a> {
    fn insert(&mut self, block: &Block<'a>) {
        let follows = element(block.key(0)) == self.last;
        let chain = match block.keys {
            Keys::Elements { line, .. } => block.count == 1 || (line.step == 1 && line.first + 1 == block.first),
            _ => block.count == 1,
        };
        match core::str::from_utf8(block.values) {
            Ok(piece) if follows && chain && !self.tangled => {
                self.pieces.push(piece);
                self.last = Some(block.first + block.count - 1);
            }
            _ => self.tangled = true,
        }
    }
}

fn element(key: Key<'_>) -> Option<u64> {
    match key {
        Key::Element(id) => Some(id.counter),
        Key::Head | Key::Text(_) => None,
    }
}
