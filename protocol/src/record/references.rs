//! Ordered references to records, with a line on each: what a collection holds.
//!
//! In a document they are a map: the record's id → its place, a space, the line. So what two schools
//! add at the same time is all there, a removal removes one reference and no other, and each keeps
//! its own line. Places are far apart, so that one can be put between two others without a change to
//! either. Reading is total: a reference without a place stands at the end, by its id.

use std::collections::BTreeMap;

/// What a document holds of them: id → place and line.
type Map = BTreeMap<String, String>;

/// How far apart places are that are given one after the other.
const STEP: u64 = 1 << 20;

/// A record in a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The record's id, as it was written.
    pub id: String,
    /// What is said of it there; may be empty.
    pub line: String,
}

/// The references of a map, in order.
pub fn read(map: &Map) -> Vec<Reference> {
    let mut all: Vec<(u64, Reference)> = map.iter().map(|(id, text)| split(id, text)).collect();
    all.sort_by(|(a, left), (b, right)| (a, &left.id).cmp(&(b, &right.id)));
    all.into_iter().map(|(_, reference)| reference).collect()
}

/// The map of these references in this order; of one that is named twice, the first counts.
///
/// What stands in `before` keeps its place where the order allows it, so that an edit changes as few
/// references as it can.
pub fn arrange(before: &Map, wanted: &[Reference]) -> Map {
    let mut seen = std::collections::BTreeSet::new();
    let wanted: Vec<&Reference> = wanted.iter().filter(|reference| seen.insert(reference.id.as_str())).collect();
    let old: Vec<Option<u64>> =
        wanted.iter().map(|reference| before.get(&reference.id).map(|text| split(&reference.id, text).0)).collect();
    let kept = longest_ascent(&old);
    let mut places: Vec<Option<u64>> = old.iter().zip(&kept).map(|(place, kept)| place.filter(|_| *kept)).collect();
    let mut at = 0;
    let mut last = 0;
    while at < places.len() {
        if let Some(place) = places[at] {
            last = place;
            at += 1;
            continue;
        }
        let end = (at..places.len()).find(|place| places[*place].is_some()).unwrap_or(places.len());
        let count = (end - at) as u64 + 1;
        // Where there is no room before the next, all that follow move on.
        let step = match places.get(end).copied().flatten() {
            Some(next) if next.saturating_sub(last) >= count => next.saturating_sub(last) / count,
            Some(_) => {
                places[end..].fill(None);
                STEP
            }
            None => STEP,
        };
        for place in &mut places[at..end] {
            last = last.saturating_add(step);
            *place = Some(last);
        }
        at = end;
    }
    let text = |(reference, place): (&&Reference, Option<u64>)| {
        let text = format!("{} {}", place.unwrap_or(u64::MAX), reference.line);
        (reference.id.clone(), text.trim_end().to_owned())
    };
    wanted.iter().zip(places).map(text).collect()
}

fn split(id: &str, text: &str) -> (u64, Reference) {
    let (place, line) = text.split_once(' ').unwrap_or((text, ""));
    let (place, line) = place.parse().map_or((u64::MAX, text), |place| (place, line));
    (place, Reference { id: id.to_owned(), line: line.to_owned() })
}

/// Which of these places can stay, as many as can: they ascend, and are above 0.
fn longest_ascent(places: &[Option<u64>]) -> Vec<bool> {
    // For each place: the length of the longest ascent that ends there, and what comes before it.
    let mut best: Vec<(usize, Option<usize>)> = Vec::with_capacity(places.len());
    for (at, place) in places.iter().enumerate() {
        let before = |earlier: &usize| places[*earlier] < *place && best[*earlier].0 > 0;
        let chain = (0..at).filter(before).max_by_key(|earlier| best[*earlier].0);
        let length = chain.map_or(1, |earlier| best[earlier].0 + 1);
        best.push(if place.is_some_and(|place| place > 0 && place < u64::MAX) { (length, chain) } else { (0, None) });
    }
    let mut kept = vec![false; places.len()];
    let mut at = (0..best.len()).filter(|at| best[*at].0 > 0).max_by_key(|at| best[*at].0);
    while let Some(place) = at {
        kept[place] = true;
        at = best[place].1;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reference(id: &str, line: &str) -> Reference {
        Reference { id: id.to_owned(), line: line.to_owned() }
    }

    #[test]
    fn one_put_between_two_changes_neither() {
        let before = arrange(&Map::new(), &[reference("a", "first"), reference("b", "")]);
        let after = arrange(&before, &[reference("a", "first"), reference("c", "new"), reference("b", "")]);
        assert_eq!(read(&after).iter().map(|r| r.id.as_str()).collect::<Vec<_>>(), ["a", "c", "b"]);
        assert!(before.iter().all(|(id, text)| after[id] == *text));
        assert_eq!(read(&after)[1], reference("c", "new"));
    }

    #[test]
    fn what_others_left_there_is_shown_at_the_end() {
        let map = [("a", "word"), ("b", ""), ("c", "7 line"), ("d", "18446744073709551615")];
        let map = map.into_iter().map(|(id, text)| (id.to_owned(), text.to_owned())).collect();
        let all = [reference("c", "line"), reference("a", "word"), reference("b", ""), reference("d", "")];
        assert_eq!(read(&map), all);
    }

    proptest! {
        #[test]
        fn any_list_is_read_back_in_its_order(
            first in Just(('a'..='t').collect::<Vec<char>>()).prop_shuffle(),
            second in Just(('a'..='t').collect::<Vec<char>>()).prop_shuffle(),
            (a, b) in (0usize..20, 0usize..20),
            crowded: bool,
        ) {
            let list = |letters: &[char]| -> Vec<Reference> {
                letters.iter().map(|letter| reference(&letter.to_string(), &format!("{letter} line"))).collect()
            };
            let (first, second) = (list(&first[..a]), list(&second[..b]));
            let mut before = arrange(&Map::new(), &first);
            if crowded {
                // No room between any two.
                before = (1..).zip(&first).map(|(n, r)| (r.id.clone(), format!("{n} {}", r.line))).collect();
            }
            prop_assert_eq!(&read(&before), &first);
            let after = arrange(&before, &second);
            prop_assert_eq!(&read(&after), &second);
            prop_assert_eq!(arrange(&after, &second), after);
        }
    }
}
