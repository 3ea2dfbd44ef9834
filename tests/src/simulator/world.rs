//! The world of one run: its events in order of time, and its two phases.

use std::collections::{BTreeMap, BTreeSet};

use staffroom_protocol::charter::{Missing, Redemption, Ticket};
use staffroom_protocol::fault::Fault;
use staffroom_protocol::id::{SpaceId, TicketId};

use super::counts::Counts;
use super::event_log::EventLog;
use super::invariants::{Views, Violation};
use super::model::Model;
use super::network::{ConnectionId, Network};
use super::node::Node;
use super::plan::Plan;
use super::random::Random;
use super::together::Together;
use super::witness::Witness;

/// Something that happens at a moment.
pub(super) enum Event {
    /// A person at a school does something.
    Act(usize),
    /// A school imports many records.
    Import(usize),
    /// A node looks whom to dial.
    Dial(usize),
    /// A frame arrives at an end of a connection.
    Frame { connection: ConnectionId, to: usize, bytes: Vec<u8> },
    /// An end of a connection hears that it is gone.
    Closed { connection: ConnectionId, to: usize },
    /// A session compares again.
    Tick { connection: ConnectionId, to: usize },
    /// A group commit of a node's so-and-so-many-th start.
    Flush { node: usize, start: u64 },
    /// A node starts again.
    Start(usize),
    /// Something goes wrong.
    Trouble,
    /// A node lies.
    Lie(usize),
    /// A redemption arrives.
    Redeem { to: usize, from: usize, ticket: Box<Ticket>, redemption: Box<Redemption> },
    /// The answer to a redemption arrives.
    Redeemed { to: usize, ticket: TicketId, answer: Option<Box<Missing>> },
}

/// Everything of one run.
pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) random: Random,
    pub(super) now_ms: u64,
    queue: BTreeMap<(u64, u64), Event>,
    serial: u64,
    pub(super) nodes: Vec<Node>,
    pub(super) network: Network,
    pub(super) model: Model,
    pub(super) witnesses: Vec<Witness>,
    pub(super) views: Views,
    pub(super) clusters: Vec<SpaceId>,
    /// The ends of connections that had a session, and those whose session ended.
    pub(super) opened: BTreeSet<(ConnectionId, usize)>,
    pub(super) ended: BTreeSet<(ConnectionId, usize)>,
    pub(super) together: Together,
    /// Makes every value that is written another.
    pub(super) values: u64,
    pub(super) healed: bool,
    /// Invitations as they were issued.
    pub(super) invitations: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(super) log: EventLog,
    pub(super) counts: Counts,
}

impl World {
    pub(super) fn new(plan: Plan, keep_lines: usize) -> Self {
        let mut random = Random::new(plan.seed, 0);
        let nodes: Vec<Node> = (0..plan.nodes).map(|number| Node::new(number, &mut random)).collect();
        Self {
            random,
            now_ms: 0,
            queue: BTreeMap::new(),
            serial: 0,
            network: Network::new(&plan),
            model: Model::default(),
            witnesses: nodes.iter().map(|_| Witness::default()).collect(),
            nodes,
            views: BTreeMap::new(),
            clusters: Vec::new(),
            opened: BTreeSet::new(),
            ended: BTreeSet::new(),
            together: Together::default(),
            values: 0,
            healed: false,
            invitations: BTreeMap::new(),
            log: EventLog::new(keep_lines),
            counts: Counts { seeds: 1, ..Counts::default() },
            plan,
        }
    }

    /// Something happens after a while.
    pub(super) fn after(&mut self, ms: u64, event: Event) {
        self.serial += 1;
        self.queue.insert((self.now_ms + ms, self.serial), event);
    }
    /// Writes a line of the log.
    pub(super) fn say(&mut self, text: std::fmt::Arguments<'_>) {
        self.log.line(self.now_ms, text);
    }

    /// The whole run: both phases.
    pub(super) fn run(&mut self) -> Result<(), Violation> {
        self.begin()?;
        self.run_until(self.plan.safety_ms)?;
        self.heal()?;
        let healed_ms = self.now_ms;
        let mut disagreement = None;
        while self.now_ms < healed_ms + self.plan.liveness_ms {
            self.run_until(self.now_ms + 1_000)?;
            match self.agreement() {
                Ok(()) => {
                    self.counts.slowest_ms = self.now_ms - healed_ms;
                    self.say(format_args!("all agree"));
                    return self.judge();
                }
                Err(why) => disagreement = Some(why),
            }
        }
        disagreement.map_or(Ok(()), Err)
    }

    fn run_until(&mut self, end_ms: u64) -> Result<(), Violation> {
        while let Some(first) = self.queue.first_entry() {
            if first.key().0 > end_ms {
                break;
            }
            let ((at_ms, _), event) = first.remove_entry();
            self.now_ms = at_ms;
            self.counts.one("steps");
            self.step(event)?;
        }
        self.now_ms = end_ms;
        Ok(())
    }

    fn step(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::Act(node) => self.act(node),
            Event::Import(node) => self.import(node),
            Event::Dial(node) => self.look_whom_to_dial(node),
            Event::Frame { connection, to, bytes } => self.frame(connection, to, &bytes),
            Event::Closed { connection, to } => self.closed(connection, to),
            Event::Tick { connection, to } => self.tick(connection, to),
            Event::Flush { node, start } => self.flush(node, start),
            Event::Start(node) => self.start(node),
            Event::Trouble => self.trouble(),
            Event::Lie(node) => self.lie(node),
            Event::Redeem { to, from, ticket, redemption } => self.redeem(to, from, &ticket, &redemption),
            Event::Redeemed { to, ticket, answer } => self.redeemed(to, ticket, answer.map(|charter| *charter)),
        }
    }

    /// Every school founds its own space, and the first ones the clusters; without troubles yet.
    fn begin(&mut self) -> Result<(), Violation> {
        let refused = |fault: Fault| Violation::new("a_school_can_found_a_space", fault);
        for number in 0..self.nodes.len() {
            self.start(number)?;
            let replica = self.nodes[number].replica.as_mut().expect("was just started");
            let own = replica.found("").map_err(refused)?;
            self.nodes[number].own_space = Some(own);
            if number < self.plan.clusters {
                let replica = self.nodes[number].replica.as_mut().expect("was just started");
                let cluster = replica.found(&format!("Cluster {number}")).map_err(refused)?;
                self.clusters.push(cluster);
            }
            let start = self.nodes[number].starts;
            self.flush(number, start)?;
            let (act, dial) = (self.random.below(1_000), self.random.below(1_000));
            self.after(act, Event::Act(number));
            self.after(dial, Event::Dial(number));
        }
        if self.plan.import > 0 {
            let (when, who) = (self.random.below(self.plan.safety_ms), self.random.place(self.plan.nodes));
            self.after(when, Event::Import(who));
        }
        if self.plan.trouble_ms > 0 {
            self.after(self.plan.trouble_ms, Event::Trouble);
        }
        self.begin_to_lie();
        Ok(())
    }

    /// The nodes that entered a space and belong to it.
    pub(super) fn holders(&self, space: SpaceId) -> Vec<usize> {
        let holds = |node: &usize| self.witnesses[*node].spaces.contains_key(&space) && self.belongs(*node, space);
        (0..self.nodes.len()).filter(holds).collect()
    }

    /// Whether all members hold, show and know the same; if not, who does not.
    fn agreement(&self) -> Result<(), Violation> {
        self.agree().map_err(|why| Violation::new("all_members_agree_in_time", why))?;
        // Who left may still have to say so.
        for space in &self.clusters {
            for number in self.holders(*space) {
                self.judge_members(number, *space)?;
            }
        }
        Ok(())
    }
    fn agree(&self) -> Result<(), String> {
        for space in &self.clusters {
            let holders = self.holders(*space);
            let of = |node: usize| {
                let witness = &self.witnesses[node].spaces[space];
                (witness.charter, witness.frontier, witness.shown, witness.erasures)
            };
            let Some(first) = holders.first() else { continue };
            for node in &holders {
                let (mine, theirs) = (of(*node), of(*first));
                if mine != theirs {
                    let same = (mine.0 == theirs.0, mine.1 == theirs.1, mine.2 == theirs.2, mine.3 == theirs.3);
                    return Err(format!(
                        "nodes {first} and {node}: same (charter, frontier, cards, erasures): {same:?}"
                    ));
                }
                self.in_step(*node, *space, holders.len())?;
                let Some(replica) = self.nodes[*node].replica.as_ref() else {
                    return Err(format!("node {node} is down"));
                };
                // A receipt is staged first, and told once it is durable.
                if replica.unwiped() > 0 || replica.is_staged() {
                    return Err(format!(
                        "node {node} owes {} receipts, staged: {}",
                        replica.unwiped(),
                        replica.is_staged()
                    ));
                }
            }
        }
        Ok(())
    }

    fn in_step(&self, number: usize, space: SpaceId, holders: usize) -> Result<(), String> {
        let node = &self.nodes[number];
        let replica = node.replica.as_ref().ok_or("a node is down")?;
        let held = replica.space(&space).map_err(|fault| fault.to_string())?;
        let of = |connection: &ConnectionId| {
            let ends = self.network.get(*connection).map_or([number; 2], |connection| connection.ends);
            ends.iter().all(|end| self.belongs(*end, space))
        };
        let sessions = node.sessions.iter().filter(|(connection, session)| session.space() == space && of(connection));
        let mut sessions = sessions.map(|(_, session)| session).peekable();
        if sessions.peek().is_none() && holders > 1 {
            return Err(format!("node {number} has no session"));
        }
        match sessions.map(|session| session.standing(held)).find(|standing| !standing.in_step()) {
            None => Ok(()),
            Some(standing) => Err(format!("node {number} is not in step: {standing:?}")),
        }
    }
}
