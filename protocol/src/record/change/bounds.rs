//! How much one change may put into a field (§7).
//!
//! What several changes put there together is bounded by what a record may grow to; these bounds are
//! those of what a person fills in at once.

use std::collections::BTreeMap;

use super::{
    Action, Object, Void,
    blocks::{Block, Keys, ValueType},
};
use crate::limits;

/// What a change has put where so far.
#[derive(Default)]
pub(super) struct Bounds {
    /// Bytes inserted into each text.
    texts: BTreeMap<Object, u64>,
    /// Values put into each map, and elements into each list.
    members: BTreeMap<Object, u64>,
}

impl Bounds {
    /// Counts a block whose shape has been checked.
    pub(super) fn block(&mut self, block: &Block<'_>) -> Result<(), Void> {
        let fits = match (block.action, block.keys) {
            (Action::Delete, _) => true,
            (Action::Set, Keys::Head | Keys::Elements { .. }) => {
                add(&mut self.texts, block.object, block.values.len() as u64) <= limits::TEXT as u64
            }
            (_, Keys::Head | Keys::Elements { .. }) => {
                add(&mut self.members, block.object, block.count) <= limits::BLOBS as u64
            }
            (_, Keys::Text(key)) => {
                let all = if block.object == Object::Root { limits::FIELDS } else { limits::MAP_VALUES };
                add(&mut self.members, block.object, block.count) <= all && value_fits(block, key)
            }
        };
        if fits { Ok(()) } else { Err(Void::TooMuch(block.first)) }
    }
}

fn add(sums: &mut BTreeMap<Object, u64>, object: Object, more: u64) -> u64 {
    let sum = sums.entry(object).or_insert(0);
    *sum += more;
    *sum
}

/// Whether key and values are no longer than such ones may be.
fn value_fits(block: &Block<'_>, key: &str) -> bool {
    let is_root = block.object == Object::Root;
    let is_line = block.value_type == ValueType::Text;
    // A member of a set is a key whose value is its place; a key of `extra` has JSON.
    let key_fits = key.len() <= if is_line && !is_root { limits::LINE } else { limits::SET_MEMBER };
    let most = |row| match block.value(row) {
        Some(super::Scalar::Text(title)) => title.chars().count() <= limits::TITLE,
        _ => true,
    };
    let rows = || 0..usize::try_from(block.count).unwrap_or(0);
    let fits = match (is_line, is_root && key == "title") {
        (true, true) => rows().all(most),
        (true, false) => block.value_length <= limits::LINE,
        (false, _) => true,
    };
    key_fits && fits
}
