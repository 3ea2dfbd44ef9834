//! The world of one run: its events in order of time, and its two phases.

use std::collections::{BTreeMap, BTreeSet};

use staffroom_protocol::catalogue::{Catalogue, Record};
use staffroom_protocol::charter::{Missing, Redemption, Role, Ticket};
use staffroom_protocol::fault::Fault;
use staffroom_protocol::id::{RecordId, SchoolId, SpaceId, TicketId};
use staffroom_protocol::record::field::Value;
use staffroom_protocol::store::Table;
use staffroom_protocol::verify::verify;

use super::counts::Counts;
use super::event_log::EventLog;
use super::invariants::Violation;
use super::model::{CONTRIBUTOR, Model, READER, STEWARD};
use super::network::{ConnectionId, Network};
use super::node::Node;
use super::plan::Plan;
use super::random::Random;
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
    pub(super) views: BTreeMap<(SpaceId, [u8; 32], [u8; 32]), (u64, usize)>,
    pub(super) clusters: Vec<SpaceId>,
    /// The ends of connections that had a session, and those whose session ended.
    pub(super) opened: BTreeSet<(ConnectionId, usize)>,
    pub(super) ended: BTreeSet<(ConnectionId, usize)>,
    /// Makes every value that is written another.
    pub(super) values: u64,
    pub(super) healed: bool,
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
            values: 0,
            healed: false,
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
        let mut disagreement = String::new();
        while self.now_ms < healed_ms + self.plan.liveness_ms {
            self.run_until(self.now_ms + 1_000)?;
            match self.agreement() {
                Ok(()) => {
                    self.counts.slowest_ms = self.now_ms - healed_ms;
                    self.say(format_args!("all agree"));
                    return self.judge();
                }
                Err(why) => disagreement = why,
            }
        }
        Err(Violation::new("all_members_agree_in_time", disagreement))
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
            let school = self.nodes[number].school;
            let replica = self.nodes[number].replica.as_mut().expect("was just started");
            let own = replica.found("").map_err(refused)?;
            self.nodes[number].own_space = Some(own);
            self.model.founded(number, own, school);
            if number < self.plan.clusters {
                let replica = self.nodes[number].replica.as_mut().expect("was just started");
                let cluster = replica.found(&format!("Cluster {number}")).map_err(refused)?;
                self.clusters.push(cluster);
                self.model.founded(number, cluster, school);
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

    /// The nodes that entered a space and keep it.
    pub(super) fn holders(&self, space: SpaceId) -> Vec<usize> {
        let holds = |node: &usize| self.witnesses[*node].spaces.contains_key(&space);
        (0..self.nodes.len()).filter(holds).collect()
    }

    /// Whether all members hold, show and know the same; if not, who does not.
    fn agreement(&self) -> Result<(), String> {
        for space in &self.clusters {
            let holders = self.holders(*space);
            let of = |node: usize| {
                let witness = &self.witnesses[node].spaces[space];
                (witness.charter, witness.frontier, witness.shown)
            };
            let Some(first) = holders.first() else { continue };
            for node in &holders {
                let (mine, theirs) = (of(*node), of(*first));
                if mine != theirs {
                    let same = (mine.0 == theirs.0, mine.1 == theirs.1, mine.2 == theirs.2);
                    return Err(format!("nodes {first} and {node}: same (charter, frontier, cards): {same:?}"));
                }
                self.in_step(*node, *space, holders.len())?;
            }
        }
        Ok(())
    }

    fn in_step(&self, number: usize, space: SpaceId, holders: usize) -> Result<(), String> {
        let node = &self.nodes[number];
        let replica = node.replica.as_ref().ok_or("a node is down")?;
        let held = replica.space(&space).map_err(|fault| fault.to_string())?;
        let mut sessions = node.sessions.values().filter(|session| session.space() == space).peekable();
        if sessions.peek().is_none() && holders > 1 {
            return Err(format!("node {number} has no session"));
        }
        match sessions.map(|session| session.standing(held)).find(|standing| !standing.in_step()) {
            None => Ok(()),
            Some(standing) => Err(format!("node {number} is not in step: {standing:?}")),
        }
    }

    /// All agree: compares what they agree on with the model.
    fn judge(&mut self) -> Result<(), Violation> {
        let own = self.nodes.iter().filter_map(|node| node.own_space);
        for space in self.clusters.iter().copied().chain(own).collect::<Vec<_>>() {
            let holders = self.holders(space);
            for number in &holders {
                self.judge_node(*number, space)?;
            }
            // Their cards are the same; of two of them, all that is shown.
            let Some(first) = holders.first() else { continue };
            let other = *self.random.pick(&holders);
            let records = self.records(*first, space)?;
            self.judge_records(space, &records)?;
            let same = other == *first || records == self.records(other, space)?;
            Violation::unless(same, "one_view_per_frontier", || format!("node {other} at the end"))?;
        }
        self.check_stores()?;
        self.counts.more("entries written", self.model.logs.values().map(|log| log.len() as u64).sum());
        self.counts.more("entries held", self.witnesses.iter().map(|witness| witness.held).sum());
        self.counts.more("members", self.model.members.len() as u64);
        self.counts.more("records", self.model.records.len() as u64);
        Ok(())
    }

    /// One node's store is checked as `share verify` does, and its caches are made anew: they must come
    /// out as they were, though its entries now come in another order.
    fn check_stores(&mut self) -> Result<(), Violation> {
        let fault = |fault: Fault| Violation::new("stores_are_sound", fault);
        let number = self.random.place(self.nodes.len());
        let replica = self.nodes[number].replica.as_mut().expect("all nodes run when they agree");
        let report = verify(replica.store(), &mut |_| ()).map_err(fault)?;
        Violation::unless(report.wrong.is_empty(), "stores_are_sound", || format!("{:?}", report.wrong))?;
        let before: Vec<_> =
            replica.store().iter().map(|(table, key, value)| (table, key.to_vec(), value.to_vec())).collect();
        replica.rebuild().and_then(|()| replica.flush()).map_err(fault)?;
        let rows = before.iter().filter(|(table, ..)| *table != Table::Records);
        let again = replica.store().iter().filter(|(table, ..)| *table != Table::Records);
        let same = rows.map(|(table, key, value)| (*table, &key[..], &value[..])).eq(again);
        Violation::unless(same, "caches_can_be_made_anew", || format!("node {number}"))
    }

    fn judge_node(&self, number: usize, space: SpaceId) -> Result<(), Violation> {
        let replica = self.nodes[number].replica.as_ref().expect("all nodes run when they agree");
        let held = replica.space(&space).map_err(|fault| Violation::new("spaces_stay", fault))?;
        let rank = |role: Role| match role {
            Role::Reader => READER,
            Role::Contributor => CONTRIBUTOR,
            Role::Steward => STEWARD,
        };
        let members: BTreeMap<SchoolId, u8> =
            held.charter().resolved().members.iter().map(|(school, member)| (*school, rank(member.role))).collect();
        let expected = self.model.members_of(space);
        Violation::unless(members == expected, "members_are_as_expected", || format!("{members:?}, not {expected:?}"))?;
        let frontier: BTreeMap<_, _> = held.frontier().0.iter().map(|(w, r)| (*w, (r.next, r.head))).collect();
        let expected = self.model.frontier_of(space);
        let found = || format!("node {number}, {space:?}: {frontier:?}, not {expected:?}");
        Violation::unless(frontier == expected, "every_acknowledged_entry_is_everywhere", found)
    }

    /// All records that a node lists in a space, newest first, each in full.
    fn records(&self, number: usize, space: SpaceId) -> Result<Vec<Record>, Violation> {
        let fault = |fault: Fault| Violation::new("catalogue_reads", fault);
        let replica = self.nodes[number].replica.as_ref().expect("all nodes run when they agree");
        let catalogue = Catalogue(replica.store());
        let mut ids: Vec<RecordId> = Vec::new();
        let mut list = |card: staffroom_protocol::record::Card| {
            ids.push(card.id);
            true
        };
        catalogue.newest(&space, &mut list).map_err(fault)?;
        let full =
            |id: &RecordId| catalogue.record(id).map_err(fault)?.ok_or_else(|| Violation::new("catalogue_reads", id));
        ids.iter().map(full).collect()
    }

    fn judge_records(&self, space: SpaceId, records: &[Record]) -> Result<(), Violation> {
        let shown: BTreeSet<RecordId> = records.iter().map(|record| record.card.id).collect();
        let expected = self.model.records_of(space);
        let found = || format!("{} records, not {}", shown.len(), expected.len());
        Violation::unless(shown.iter().eq(expected.keys()), "every_record_is_shown", found)?;
        let writes = self.model.expected();
        for record in records {
            let made = expected[&record.card.id];
            let same = made.school == record.card.school && made.open == record.card.open;
            Violation::unless(same, "every_record_is_shown", || format!("{made:?}, not {:?}", record.card))?;
            let void = record.card.not_in_force;
            Violation::unless(void == 0, "honest_changes_are_in_force", || format!("{void} of {:?}", record.card.id))?;
            for (field, values) in &writes[&record.card.id] {
                let is = record.view.fields.get(field).and_then(Value::as_str).unwrap_or_default();
                let merged = field == "body" && values.len() > 1;
                let found = || format!("{field} of {:?} is {is:?}, not of {values:?}", record.card.id);
                Violation::unless(merged || values.contains(is), "views_are_as_the_model_says", found)?;
                let unique = field == "title" || field == "summary";
                let conflict = record.view.conflicts.contains_key(field);
                let found = || format!("{field} of {:?}: {values:?}, {:?}", record.card.id, record.view.conflicts);
                Violation::unless(!unique || conflict == (values.len() > 1), "conflicts_stay_visible", found)?;
            }
        }
        Ok(())
    }
}
