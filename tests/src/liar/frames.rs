//! What a liar knows, and the frames that it makes of it.

use staffroom_protocol::Replica;
use staffroom_protocol::charter::{Missing, Positions};
use staffroom_protocol::id::{SpaceId, WriterId};
use staffroom_protocol::identity::SecretKey;
use staffroom_protocol::limits;
use staffroom_protocol::log::{Entry, EntryKind, Header, Payload};
use staffroom_protocol::replica::Space;
use staffroom_protocol::store::Store;
use staffroom_protocol::sync::{Hello, Message, Run, encode};
use staffroom_protocol::time::{Millis, Timestamp};

use super::{Keys, Step};

/// A liar's keys and what it holds of one space.
pub struct View<'a, S> {
    /// Who it is.
    pub keys: &'a Keys,
    /// What it holds.
    pub replica: &'a Replica<S>,
    /// The space that it lies about.
    pub space: SpaceId,
    /// What time it is.
    pub at: Millis,
}

impl<S: Store> View<'_, S> {
    pub(super) fn held(&self) -> &Space {
        self.replica.space(&self.space).expect("a liar lies about a space that it is in")
    }
    pub(super) fn now(&self) -> Millis {
        self.at
    }
    /// The Hello of a node that holds what the liar does: an honest one.
    pub fn hello(&self) -> Step {
        self.hello_of(self.held().frontier().hash())
    }
    /// A Hello with another frontier.
    pub(super) fn hello_of(&self, frontier: [u8; 32]) -> Step {
        self.hello_with(self.held().durable_charter().hash(), frontier)
    }
    pub(super) fn hello_with(&self, charter: [u8; 32], frontier: [u8; 32]) -> Step {
        let (credit, erasures) = (limits::CREDIT, self.held().erasures_hash());
        say(&Message::Hello(Hello { version: 0, space: self.space, charter, erasures, frontier, credit, answer: true }))
    }
    /// The key that its log is signed with now.
    pub(super) fn writer(&self) -> SecretKey {
        let own = self.held().own_writer();
        let keys = (0..).map(|generation| self.keys.writer(self.space, generation));
        keys.into_iter().find(|key| key.public::<WriterId>() == own).expect("one of its own")
    }
    /// The header of a record that begins at the next place of a log, as far as it is held.
    pub(super) fn next_of(&self, writer: WriterId) -> Header {
        let frontier = self.held().frontier();
        let (seq, prev) = (frontier.next(&writer), frontier.head(&writer));
        Header {
            space: self.space,
            writer,
            seq,
            prev,
            clock: Timestamp::from_millis(self.at),
            kind: EntryKind::Genesis,
            flags: 1,
            rules: 0,
            lane: 0,
            change_seq: 1,
            record: Header::record_at(self.space, writer, seq),
            commitment: [0; 32],
            length: 0,
        }
    }
    /// The same for its own log.
    pub(super) fn next(&self) -> Header {
        self.next_of(self.held().own_writer())
    }
    /// Signs an entry, whether an honest node would or not.
    pub(super) fn sign(&self, header: Header, change: &[u8]) -> Entry {
        sign_with(&self.writer(), header, change)
    }
}

/// Signs an entry with any key.
pub(super) fn sign_with(key: &SecretKey, header: Header, change: &[u8]) -> Entry {
    let payload = Payload::new([7; 16], "Ada Brook", change);
    let header = Header { commitment: payload.commitment(), length: payload.length(), ..header };
    Entry::sign(header, payload, key).into_entry()
}

pub(super) fn say(message: &Message) -> Step {
    Step::Frame(encode(message))
}

/// One batch of entries of one log.
pub(super) fn batch(entries: Vec<Entry>) -> Step {
    let runs = if entries.is_empty() { Vec::new() } else { vec![Run(entries)] };
    say(&Message::Entries(runs))
}

/// Entries of one log in as many batches as it takes, never more under way than one.
pub(super) fn batches(entries: Vec<Entry>) -> Vec<Step> {
    let each = |some: &[Entry]| [batch(some.to_vec()), Step::Settle];
    entries.chunks(limits::BATCH_ENTRIES).flat_map(each).collect()
}

pub(super) fn charter(part: Missing, last: bool) -> Step {
    say(&Message::Charter(Box::new(part), last))
}

pub(super) fn frontier_of_nothing() -> Step {
    say(&Message::Frontier(Vec::new()))
}

/// Asks for all of the charter, again and again.
pub(super) fn questions<S: Store>(view: &View<'_, S>, times: usize) -> Vec<Step> {
    let all = say(&Message::Positions(Positions::default()));
    vec![[view.hello(), all]; times].concat()
}
