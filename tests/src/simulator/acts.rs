//! What people at schools do: write, edit, invite, join, promote, and misuse tickets.

use std::collections::{BTreeMap, BTreeSet};

use staffroom_protocol::catalogue::Catalogue;
use staffroom_protocol::charter::{Act, Missing, Operation, Redeemed, Redemption, Role, Ticket};
use staffroom_protocol::fault::Fault;
use staffroom_protocol::id::{SpaceId, TicketId};
use staffroom_protocol::limits;
use staffroom_protocol::record::Card;
use staffroom_protocol::record::field::{Fields, Value};
use staffroom_protocol::record::kind::Kind;
use staffroom_protocol::replica::{Draft, Edit, EditFault};

use super::invariants::Violation;
use super::model::{CONTRIBUTOR, Creation, Issued, READER, STEWARD, Write};
use super::node::{Form, Promise};
use super::world::{Event, World};

impl World {
    /// Someone at a school does something, and again later.
    pub(super) fn act(&mut self, number: usize) -> Result<(), Violation> {
        if self.healed {
            return Ok(());
        }
        let outside = self.clusters.iter().copied().find(|space| !self.nodes[number].spaces().contains(space));
        let pause = if outside.is_some() { self.plan.pause_ms / 3 } else { self.plan.pause_ms };
        let pause = 100 + self.random.below(pause);
        self.after(pause, Event::Act(number));
        if self.nodes[number].replica.is_none() {
            return Ok(());
        }
        if let Some(space) = outside.filter(|_| self.random.per_mille(700)) {
            return self.seek_entry(number, space);
        }
        if number < self.clusters.len() && self.random.per_mille(60) {
            // The founder does not stay the only steward for long.
            return self.promote(number, self.clusters[number]);
        }
        let Some(space) = self.some_space(number) else { return Ok(()) };
        match self.random.below(100) {
            0..40 => self.create(number, space),
            40..85 => self.edit(number, space),
            85..93 => self.open_form(number, space),
            93..95 => self.promote(number, space),

            95..98 if self.clusters.contains(&space) => self.seek_entry(number, space),
            _ => self.use_some_ticket(number),
        }
    }

    /// A school imports a folder: many records at once, into one group commit.
    pub(super) fn import(&mut self, number: usize) -> Result<(), Violation> {
        let Some(space) = self.some_space(number).filter(|_| !self.healed) else { return Ok(()) };
        // Half of them long, so that batches end by their bytes as well as by their number.
        let long = "We cut a pizza, then a cake. It took long. ".repeat(400);
        for n in 0..self.plan.import {
            let kind = Kind::named("resource").expect("a kind of this program");
            let mut fields = self.typed(kind, true, "");
            if n % 2 == 0 {
                fields.insert("body".to_owned(), Value::Text(long.clone()));
            }
            self.share(number, space, kind, &fields, None)?;
        }
        self.counts.one("imports");
        Ok(())
    }

    fn some_space(&mut self, number: usize) -> Option<SpaceId> {
        let node = &self.nodes[number];
        let clusters: Vec<SpaceId> = node.spaces().into_iter().filter(|space| Some(*space) != node.own_space).collect();
        let own = node.own_space;
        if clusters.is_empty() || self.random.per_mille(100) { own } else { Some(*self.random.pick(&clusters)) }
    }

    fn value(&mut self, what: &str) -> String {
        self.values += 1;
        format!("{what} {}", self.values)
    }
    /// Fields that a person typed; a state other than the one that shows.
    fn typed(&mut self, kind: &'static Kind, title: bool, state: &str) -> Fields {
        let mut fields = Fields::new();
        if title || self.random.per_mille(400) {
            fields.insert("title".to_owned(), Value::Line(self.value("Fractions")));
        }
        if self.random.per_mille(500) {
            fields.insert("summary".to_owned(), Value::Line(self.value("What we tried")));
        }
        if self.random.per_mille(300) {
            fields.insert("body".to_owned(), Value::Text(self.value("We cut a pizza, then a cake.\n\nIt took long.")));
        }
        let states: Vec<&str> = kind.states.iter().copied().filter(|word| *word != state).collect();
        if self.random.per_mille(300) && !states.is_empty() {
            fields.insert("state".to_owned(), Value::Line((*self.random.pick(&states)).to_owned()));
        }
        if fields.is_empty() {
            fields.insert("summary".to_owned(), Value::Line(self.value("What we tried")));
        }
        fields
    }

    /// The place that the next entry of a node's writer will have.
    fn next_place(&self, number: usize, space: SpaceId) -> Option<(staffroom_protocol::id::WriterId, u64)> {
        let space = self.nodes[number].replica.as_ref()?.space(&space).ok()?;
        let writer = space.own_writer();
        Some((writer, space.staged_frontier().next(&writer)))
    }

    fn create(&mut self, number: usize, space: SpaceId) -> Result<(), Violation> {
        let kind = *self.random.pick(&["resource", "note"]);
        let kind = Kind::named(kind).expect("a kind of this program");
        let fields = self.typed(kind, true, "");
        let open = self.random.per_mille(300).then_some(true);
        self.share(number, space, kind, &fields, open)
    }

    fn share(
        &mut self,
        number: usize,
        space: SpaceId,
        kind: &'static Kind,
        fields: &Fields,
        open: Option<bool>,
    ) -> Result<(), Violation> {
        let author = "Ada Brook".to_owned();
        let draft = Draft { space, kind: kind.name.to_owned(), fields: fields.clone(), author, open };
        let Some(place) = self.next_place(number, space) else { return Ok(()) };
        let node = &mut self.nodes[number];
        let (now, school) = (node.clock(self.now_ms), node.school);
        let Some(replica) = node.replica.as_mut() else { return Ok(()) };
        match replica.create(&draft, now) {
            Ok(record) => {
                let creation = Creation { space, school, open: open.unwrap_or(kind.open) };
                let write = Write { record, place, fields: lines(fields), seen: BTreeSet::new() };
                self.model.created(number, creation, write);
                self.counts.one("records made");
                self.say(format_args!("n{number} makes {record:?}"));
                self.flush_soon(number);
                Ok(())
            }
            Err(fault) => self.refused_write(number, space, &fault),
        }
    }

    /// A school may be refused only where it may not write, as far as its own node knows.
    fn refused_write(&mut self, number: usize, space: SpaceId, fault: &EditFault) -> Result<(), Violation> {
        let school = self.nodes[number].school;
        let held = self.nodes[number].replica.as_ref().and_then(|replica| replica.space(&space).ok());
        let may = held.is_some_and(|held| held.charter().resolved().role(&school) > Some(Role::Reader));
        self.counts.one("writes refused");
        self.say(format_args!("n{number} may not write: {fault}"));
        let rightly = !may && matches!(fault, EditFault::Refused(Fault::NoRight { .. }));
        Violation::unless(rightly, "contributors_can_write", || format!("n{number}: {fault}"))
    }

    /// One of the records that a node lists.
    fn some_card(&mut self, number: usize, space: SpaceId) -> Option<Card> {
        let replica = self.nodes[number].replica.as_ref()?;
        let mut cards = Vec::new();
        let listed = Catalogue(replica.store()).newest(&space, &mut |card| {
            cards.push(card);
            cards.len() < 8
        });
        listed.ok()?;
        if cards.is_empty() { None } else { Some(cards.swap_remove(self.random.place(cards.len()))) }
    }

    fn open_form(&mut self, number: usize, space: SpaceId) -> Result<(), Violation> {
        if let Some(card) = self.some_card(number, space) {
            let seen = self.seen(number, &card, false);
            let state = card.line("state").to_owned();
            self.nodes[number].form = Some(Form { record: card.id, heads: card.heads, seen, state });
        }
        Ok(())
    }
    fn seen(&self, number: usize, card: &Card, staged: bool) -> BTreeSet<u64> {
        let space = self.nodes[number].replica.as_ref().and_then(|replica| replica.space(&card.space).ok());
        let Some(space) = space else { return BTreeSet::new() };
        let frontier = if staged { space.staged_frontier() } else { space.frontier() };
        self.model.visible(card.id, |(writer, seq)| frontier.next(writer) > *seq)
    }

    fn edit(&mut self, number: usize, space: SpaceId) -> Result<(), Violation> {
        let form = if self.random.per_mille(300) { self.nodes[number].form.take() } else { None };
        let card = match &form {
            Some(form) => {
                let store = self.nodes[number].replica.as_ref().expect("runs").store();
                Catalogue(store).card(&form.record).map_err(|fault| Violation::new("catalogue_reads", fault))?
            }
            None => self.some_card(number, space),
        };
        let Some(card) = card else { return Ok(()) };
        let Some(kind) = Kind::named(&card.kind) else { return Ok(()) };
        let (heads, seen, state) = match form {
            Some(form) => (Some(form.heads), form.seen, form.state),
            None if self.random.per_mille(500) => {
                (Some(card.heads.clone()), self.seen(number, &card, false), card.line("state").to_owned())
            }
            None => (None, self.seen(number, &card, true), card.line("state").to_owned()),
        };
        let fields = self.typed(kind, false, &state);
        let Some(place) = self.next_place(number, card.space) else { return Ok(()) };
        let edit = Edit { record: card.id, fields: fields.clone(), heads, author: "Sam Reed".to_owned() };
        let node = &mut self.nodes[number];
        let now = node.clock(self.now_ms);
        let own = card.school == node.school;
        let Some(replica) = node.replica.as_mut() else { return Ok(()) };
        match replica.edit(&edit, now) {
            Ok(true) => {
                self.model.wrote(number, Write { record: card.id, place, fields: lines(&fields), seen });
                self.counts.one("edits");
                self.say(format_args!("n{number} edits {:?}", card.id));
                self.flush_soon(number);
                Ok(())
            }
            Ok(false) => Ok(()),
            Err(EditFault::NotOwner(_)) if !own && !card.open => Ok(()),
            Err(fault) => self.refused_write(number, card.space, &fault),
        }
    }

    fn promote(&mut self, number: usize, space: SpaceId) -> Result<(), Violation> {
        let school = self.nodes[number].school;
        let Some(replica) = self.nodes[number].replica.as_mut() else { return Ok(()) };
        let Ok(held) = replica.space(&space) else { return Ok(()) };
        let resolved = held.charter().resolved();
        let alone = resolved.stewards().eq([school]);
        let stewards = resolved.stewards().count();
        let steward = resolved.role(&school) == Some(Role::Steward);
        let members: Vec<_> = resolved.members.keys().copied().filter(|member| *member != school).collect();
        // The model knows no votes: where several have to agree, nobody proposes here.
        if members.is_empty() || (steward && !alone) {
            return Ok(());
        }
        let chosen = *self.random.pick(&members);
        let result = replica.promote(space, chosen);
        let found = || format!("n{number}, a steward: {steward}, the only one: {alone}: {result:?}");
        let decides = result.as_ref().is_ok_and(|decided| !decided.grown.is_empty());
        // Another may have proposed the same: then both have said yes.
        let yes = result.as_ref().map_or(0, |decided| {
            let votes = decided.grown.new.decisions.iter().flat_map(|voted| &voted.votes);
            votes.filter(|vote| vote.yes).map(|vote| vote.school).collect::<BTreeSet<_>>().len()
        });
        Violation::unless(!decides || 2 * yes > stewards, "only_a_majority_decides", found)?;
        Violation::unless(result.is_err() || steward, "only_stewards_propose", found)?;
        if decides {
            self.model.promoted(number, space, chosen);
            self.counts.one("promotions");
            self.say(format_args!("n{number} promotes {chosen:?}"));
            self.flush_soon(number);
        }
        Ok(())
    }

    /// A school uses a ticket that it has, or asks a steward for one.
    fn seek_entry(&mut self, number: usize, space: SpaceId) -> Result<(), Violation> {
        let at = self.nodes[number].tickets.iter().position(|ticket| ticket.space == space);
        match at {
            Some(at) => self.use_ticket(number, at),
            None => self.invite(number, space),
        }
    }
    fn use_some_ticket(&mut self, number: usize) -> Result<(), Violation> {
        match self.nodes[number].tickets.len() {
            0 => Ok(()),
            tickets => {
                let at = self.random.place(tickets);
                self.use_ticket(number, at)
            }
        }
    }

    /// Some steward's node issues a ticket for a school; now and then, another gets a copy.
    fn invite(&mut self, to: usize, space: SpaceId) -> Result<(), Violation> {
        let steward = |number: &usize| {
            let node = &self.nodes[*number];
            let space = node.replica.as_ref().and_then(|replica| replica.space(&space).ok());
            space.is_some_and(|space| space.charter().resolved().role(&node.school) == Some(Role::Steward))
        };
        let stewards: Vec<usize> = (0..self.nodes.len()).filter(steward).collect();
        if stewards.is_empty() {
            return Ok(());
        }
        let by = *self.random.pick(&stewards);
        let (role, rank) =
            if self.random.per_mille(150) { (Role::Reader, READER) } else { (Role::Contributor, CONTRIBUTOR) };
        let node = &mut self.nodes[by];
        let expires = node.clock(self.now_ms).plus(2_000 + self.random.below(600_000));
        let Some(replica) = node.replica.as_mut() else { return Ok(()) };
        let ticket = replica.invite(space, role, expires, vec!["/ip4/192.0.2.1/tcp/4001".to_owned()]);
        let ticket = ticket.map_err(|fault| Violation::new("stewards_can_invite", fault))?;
        let again = Ticket::parse(&ticket.to_text());
        Violation::unless(again.as_ref() == Ok(&ticket), "tickets_survive_their_text", || format!("{again:?}"))?;
        let issued = Issued { space, by, rank, expires_ms: expires.0, used_by: None };
        self.model.issued(Ticket::id_of(&ticket.secret), issued);
        let mut holders = vec![to];
        if self.random.per_mille(300) {
            holders.push(self.random.place(self.nodes.len()));
        }
        self.counts.one("tickets");
        self.say(format_args!("n{by} invites {holders:?}, rank {rank} of {STEWARD}"));
        self.nodes[by].promises.push(Promise::Ticket(Box::new(ticket), holders));
        self.flush_soon(by);
        Ok(())
    }

    fn use_ticket(&mut self, number: usize, at: usize) -> Result<(), Violation> {
        let mut ticket = self.nodes[number].tickets[at].clone();
        if self.random.per_mille(100) {
            // Altered, or wrongly copied past its check bytes.
            let place = self.random.place(16);
            ticket.secret[place] ^= 1 << self.random.place(8);
            self.counts.one("tickets altered");
        }
        let Some(to) = self.nodes.iter().position(|node| node.device == ticket.device) else { return Ok(()) };
        let Some(replica) = self.nodes[number].replica.as_ref() else { return Ok(()) };
        let redemption = Box::new(replica.redemption(&ticket));
        if to != number && self.network.reaches(number, to) && !self.random.per_mille(self.plan.loss) {
            let late = self.network.latency_ms();
            self.after(late, Event::Redeem { to, from: number, ticket: Box::new(ticket), redemption });
        }
        Ok(())
    }

    /// A redemption arrives at the node that issued the ticket.
    pub(super) fn redeem(
        &mut self,
        to: usize,
        from: usize,
        ticket: &Ticket,
        redemption: &Redemption,
    ) -> Result<(), Violation> {
        let (school, device) = (self.nodes[from].school, self.nodes[from].device);
        let node = &mut self.nodes[to];
        let now = node.clock(self.now_ms);
        let Some(replica) = node.replica.as_mut() else { return Ok(()) };
        let belongs =
            |space: &staffroom_protocol::replica::Space| space.charter().resolved().members.contains_key(&school);
        let belongs = replica.space(&ticket.space).is_ok_and(belongs);
        let expected = self.model.admits(redemption.ticket, ticket.space, to, school, now.0);
        // A steward admits so many between two decisions, and no more (§7).
        let admits = |operation: &&Operation| {
            operation.school() == ticket.school.school() && matches!(operation.act(), Act::Admit(_))
        };
        let whole = replica.space(&ticket.space).map(|space| space.charter().whole().operations).unwrap_or_default();
        let many = whole.iter().filter(admits).count() >= limits::STEWARD_ADMISSIONS;
        let result = replica.redeem(redemption, device, now);
        let found = || format!("n{to} to n{from}: {:?}, expected {expected}", result.as_ref().err());
        let refused = result == Err(Fault::Ticket);
        let rightly = if expected { result.is_ok() || (many && refused) } else { refused };
        Violation::unless(rightly, "tickets_admit_whom_they_should", found)?;
        let Ok(Redeemed::Admitted(_, charter)) = result else {
            self.counts.one("redemptions refused");
            self.say(format_args!("n{to} refuses the ticket of n{from}"));
            self.answer(to, from, redemption.ticket, None);
            return Ok(());
        };
        self.model.admitted(redemption.ticket, school, belongs);
        self.counts.one("redemptions");
        self.say(format_args!("n{to} admits n{from}"));
        let promise = Promise::Admitted { to: from, ticket: redemption.ticket, charter };
        self.nodes[to].promises.push(promise);
        self.flush_soon(to);
        Ok(())
    }

    /// Answers a redemption; now and then the answer is lost.
    pub(super) fn answer(&mut self, from: usize, to: usize, ticket: TicketId, charter: Option<Missing>) {
        let lost = !self.healed && self.random.per_mille(100);
        if !lost && self.network.reaches(from, to) {
            let late = self.network.latency_ms();
            self.after(late, Event::Redeemed { to, ticket, answer: charter.map(Box::new) });
        }
    }

    /// The answer to a redemption arrives: with a charter, the school joins.
    pub(super) fn redeemed(&mut self, to: usize, id: TicketId, charter: Option<Missing>) -> Result<(), Violation> {
        let node = &mut self.nodes[to];
        let (Some(replica), Some(at)) =
            (node.replica.as_mut(), node.tickets.iter().position(|ticket| Ticket::id_of(&ticket.secret) == id))
        else {
            return Ok(());
        };
        match charter {
            None => drop(node.tickets.swap_remove(at)),
            Some(charter) => {
                let joined = replica.join(&node.tickets[at], charter);
                joined.map_err(|fault| Violation::new("an_admitted_school_can_join", fault))?;
                self.counts.one("joins");
                self.say(format_args!("n{to} joins"));
                self.flush_soon(to);
            }
        }
        Ok(())
    }
}

/// What the model keeps of fields.
fn lines(fields: &Fields) -> BTreeMap<String, String> {
    let line = |(name, value): (&String, &Value)| (name.clone(), value.as_str().unwrap_or_default().to_owned());
    fields.iter().map(line).collect()
}
