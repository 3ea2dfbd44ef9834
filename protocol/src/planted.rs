//! Faults planted on purpose, so that the simulator can show that it would catch them.
//!
//! Nothing plants one but a test, on its own thread; the lints of `node` and `cli` forbid it there.

use std::cell::Cell;

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planted {
    /// Entries above a cut are admitted, and stay.
    CutIgnored,
    /// Votes count whatever their signatures say.
    UnsignedVote,
    /// One yes decides.
    MinorityDecides,
    /// A session goes on when its peer's school belongs no more.
    SessionStays,
    /// Automerge fails on whatever it is asked to merge.
    LibraryFails,
    /// What is erased stays, and is taken in again.
    ErasureIgnored,
    /// Operations count whatever decisions took away.
    OrderIgnored,
}

thread_local! {
    static PLANTED: Cell<Option<Planted>> = const { Cell::new(None) };
}

/// Plants a fault on this thread, or none.
pub fn plant_for_simulation(planted: Option<Planted>) {
    PLANTED.set(planted);
}
pub(crate) fn is(planted: Planted) -> bool {
    PLANTED.get() == Some(planted)
}
