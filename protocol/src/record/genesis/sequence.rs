//! The order of a text or list that one change alone has made.

/// A sequence that one actor has inserted into and deleted from.
///
/// In general concurrent insertions after the same element stand in descending order of their
/// operations. Within one change every operation is above all before it, so an element always
/// comes straight after the one that it names.
#[derive(Debug, Default)]
pub(super) struct Sequence<T> {
    /// In the order of insertion, which is that of counters.
    nodes: Vec<Node<T>>,
    head: Option<usize>,
}

#[derive(Debug)]
struct Node<T> {
    counter: u64,
    value: T,
    deleted: bool,
    next: Option<usize>,
}

impl<T: Copy> Sequence<T> {
    pub(super) fn new() -> Self {
        Self { nodes: Vec::new(), head: None }
    }
    /// Inserts after the element of this counter, or at the start.
    pub(super) fn insert(&mut self, after: Option<u64>, counter: u64, value: T) {
        let new = self.nodes.len();
        let before = after.and_then(|after| self.find(after));
        let next = before.map_or(self.head, |before| self.nodes[before].next);
        self.nodes.push(Node { counter, value, deleted: false, next });
        match before {
            Some(before) => self.nodes[before].next = Some(new),
            None => self.head = Some(new),
        }
    }
    pub(super) fn delete(&mut self, counter: u64) {
        if let Some(at) = self.find(counter) {
            self.nodes[at].deleted = true;
        }
    }
    /// What is left, in order.
    pub(super) fn values(&self) -> impl Iterator<Item = T> {
        let follow = |at: &usize| self.nodes[*at].next;
        let order = core::iter::successors(self.head, follow);
        order.filter(|at| !self.nodes[*at].deleted).map(|at| self.nodes[at].value)
    }
    fn find(&self, counter: u64) -> Option<usize> {
        match self.nodes.last() {
            Some(last) if last.counter == counter => Some(self.nodes.len() - 1),
            _ => self.nodes.binary_search_by_key(&counter, |node| node.counter).ok(),
        }
    }
}
