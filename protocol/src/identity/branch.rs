//! Which of several branches of a chain counts, whatever order they came in (§1.2).
//!
//! ```text
//!                  ┌── certify ── rotate          outweighs the other: it proves a key that
//!  inception ── … ─┤                              whoever holds the root alone does not have
//!                  └── certify ── certify
//! ```
//!
//! Two branches part at some place. From there on each has a *weight*: the highest of its links up to
//! and with its first `rotate` or `recover`; what comes later proves only keys that the branch chose
//! itself. 0 a device, 1 the root, 2 the key that was committed to, 3 the recovery keys. The heavier
//! branch counts and the other is dropped; of equal ones two are kept, and from their parting on
//! neither counts.
//!
//! A branch never gets lighter when links are added, and which outweighs which is transitive. So what
//! is kept of a union is what is kept of what was kept of its parts: nodes that exchanged everything
//! hold the same, and a chain takes no more room than two branches.

use super::link::{Link, Step};

/// The links of one branch from the first on.
pub(super) type Branch<'a> = Vec<&'a Link>;

/// How many links two branches share.
pub(super) fn shared(a: &[&Link], b: &[&Link]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a.id() == b.id()).count()
}

/// What the links from a parting on prove.
fn weight(links: &[&Link]) -> u8 {
    let sets_keys = |link: &&&Link| matches!(link.step(), Step::Rotate(_) | Step::Recover { .. });
    let end = links.iter().position(|link| sets_keys(&link)).map_or(links.len(), |at| at + 1);
    links[..end].iter().map(|link| link.step().weight()).max().unwrap_or(0)
}

/// Whether `a` replaces `b`: it goes on where `b` ends, or is heavier.
fn replaces(a: &[&Link], b: &[&Link]) -> bool {
    let parting = shared(a, b);
    let (a, b) = (&a[parting..], &b[parting..]);
    if a.is_empty() || b.is_empty() { !a.is_empty() } else { weight(a) > weight(b) }
}

/// The branch that counts, and, where another is as heavy, that one: first the one with the lower id
/// where they part; second, of those that leave it earliest, the lowest.
pub(super) fn choose(branches: Vec<Branch<'_>>) -> (Branch<'_>, Option<Branch<'_>>) {
    let stays = |branch: &&Branch<'_>| !branches.iter().any(|other| replaces(other, branch));
    let mut left: Vec<Branch<'_>> = branches.iter().filter(stays).cloned().collect();
    left.sort_by(|a, b| a.iter().map(|link| link.id()).cmp(b.iter().map(|link| link.id())));
    let mut left = left.into_iter();
    let first = left.next().unwrap_or_default();
    let mut second: Option<Branch<'_>> = None;
    for branch in left {
        let parting = shared(&first, &branch);
        let another = parting < branch.len();
        if another && second.as_ref().is_none_or(|second| parting < shared(&first, second)) {
            second = Some(branch);
        }
    }
    (first, second)
}
