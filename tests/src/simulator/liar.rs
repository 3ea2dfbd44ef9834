//! A node that lies now and then, on the sessions that it has. All that it makes up here is refused, so
//! the others must come to what they come to without it.

use super::super::liar::{Behaviour, Step, View};
use super::invariants::Violation;
use super::network::ConnectionId;
use super::world::{Event, World};
use staffroom_protocol::charter::Role;

/// Frames of one lie: more would only be refused once more.
const FRAMES: usize = 80;

/// What is refused whoever says it.
const ALWAYS: [Behaviour; 14] = [
    Behaviour::UnknownWriter,
    Behaviour::FlippedSignature,
    Behaviour::AnothersLog,
    Behaviour::OtherSpace,
    Behaviour::MissingParents,
    Behaviour::MegabytePayload,
    Behaviour::OldCharter,
    Behaviour::Nonsense,
    Behaviour::MoreThanItsCredit,
    Behaviour::AsksForEver,
    Behaviour::ErasesAnothers,
    Behaviour::ForgesErasure,
    Behaviour::FalseReceipts,
    Behaviour::EndlessMarks,
];
/// What is refused of who is no steward.
const OF_NO_STEWARD: [Behaviour; 2] = [Behaviour::ProposesItself, Behaviour::DecidesAlone];

impl World {
    /// The node that lies, in the runs where one does.
    pub(super) fn liar(&self) -> Option<usize> {
        (self.plan.lie_ms > 0).then(|| self.nodes.len() - 1)
    }
    /// Whether the liar is at one end of a connection.
    pub(super) fn with_the_liar(&self, connection: ConnectionId) -> bool {
        let ends = self.network.get(connection).map(|c| c.ends);
        self.liar().is_some_and(|liar| ends.is_some_and(|ends| ends.contains(&liar)))
    }
    /// The first lie comes after a while.
    pub(super) fn begin_to_lie(&mut self) {
        if let Some(liar) = self.liar() {
            let pause = self.random.below(self.plan.lie_ms);
            self.after(pause, Event::Lie(liar));
        }
    }
    /// One lie on one session, and the next one later.
    pub(super) fn lie(&mut self, number: usize) -> Result<(), Violation> {
        if self.healed {
            return Ok(());
        }
        let pause = 100 + self.random.below(self.plan.lie_ms);
        self.after(pause, Event::Lie(number));
        let open: Vec<ConnectionId> = self.nodes[number].sessions.keys().copied().collect();
        if open.is_empty() {
            return Ok(());
        }
        let connection = *self.random.pick(&open);
        let Some((side, space)) = self.network.get(connection).map(|c| (c.side(number), c.space)) else {
            return Ok(());
        };
        let node = &self.nodes[number];
        let Some(replica) = &node.replica else { return Ok(()) };
        let Ok(held) = replica.space(&space) else { return Ok(()) };
        let steward = held.charter().resolved().role(&node.school) == Some(Role::Steward);
        let lies = if steward { ALWAYS.to_vec() } else { [&ALWAYS[..], &OF_NO_STEWARD].concat() };
        let what = *self.random.pick(&lies);
        let (keys, at) = (node.keys(), node.clock(self.now_ms));
        // The session has said its Hello.
        let steps = what.steps(&View { keys: &keys, replica, space, at }).into_iter().skip(1);
        let frames: Vec<Vec<u8>> = steps.filter_map(frame).take(FRAMES).collect();
        self.say(format_args!("n{number} c{connection} lies: {what:?}"));
        self.counts.one("lies");
        for bytes in frames {
            let arrival = self.network.send(connection, 1 - side, self.now_ms);
            if arrival.breaks {
                self.tell_closed(connection);
            }
            for at in arrival.at_ms {
                self.after(at - self.now_ms, Event::Frame { connection, to: 1 - side, bytes: bytes.clone() });
            }
        }
        Ok(())
    }
}

fn frame(step: Step) -> Option<Vec<u8>> {
    match step {
        Step::Frame(bytes) => Some(bytes),
        Step::Raw(_) | Step::Settle => None,
    }
}
