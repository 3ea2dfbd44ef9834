//! What people at schools do: write, edit, import.

use std::collections::{BTreeMap, BTreeSet};

use staffroom_protocol::catalogue::Catalogue;
use staffroom_protocol::charter::Role;
use staffroom_protocol::fault::Fault;
use staffroom_protocol::id::{RecordId, SpaceId, WriterId};
use staffroom_protocol::record::Card;
use staffroom_protocol::record::field::{Fields, Value};
use staffroom_protocol::record::kind::Kind;
use staffroom_protocol::replica::{Draft, Edit, EditFault};

use super::invariants::Violation;
use super::model::{Creation, Place, Write};
use super::node::Form;
use super::stored;
use super::world::{Event, World};

impl World {
    /// Someone at a school does something, and again later.
    pub(super) fn act(&mut self, number: usize) -> Result<(), Violation> {
        if self.healed {
            return Ok(());
        }
        let outside = self.clusters.iter().copied().find(|space| !self.belongs(number, *space));
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
        if self.plan.together {
            return self.write_together(number, space);
        }
        if self.plan.erasing > 0 && self.random.per_mille(self.plan.erasing) {
            return self.erase(number, space);
        }
        if self.random.per_mille(self.plan.belonging) {
            return self.govern(number, space);
        }
        match self.random.below(100) {
            0..40 => self.create(number, space),
            40..85 => self.edit(number, space),
            85..93 => self.open_form(number, space),
            93..98 if self.clusters.contains(&space) => self.seek_entry(number, space),
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

    pub(super) fn value(&mut self, what: &str) -> String {
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
    pub(super) fn next_place(&self, number: usize, space: SpaceId) -> Option<(WriterId, u64)> {
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
        let Some(next) = self.next_place(number, space) else { return Ok(()) };
        let node = &mut self.nodes[number];
        let (now, school) = (node.clock(self.now_ms), node.school);
        let Some(replica) = node.replica.as_mut() else { return Ok(()) };
        match replica.create(&draft, now) {
            Ok(record) => {
                let creation = Creation { space, school, open: open.unwrap_or(kind.open) };
                let (creation, place) = (Some(creation), self.place(number, space, next));
                let write = Write {
                    record,
                    creation,
                    place,
                    fields: lines(fields),
                    seen: BTreeSet::new(),
                    read: BTreeSet::new(),
                };
                self.model.wrote(number, write);
                self.counts.one("records made");
                self.say(format_args!("n{number} makes {record:?}"));
                self.flush_soon(number);
                Ok(())
            }
            Err(fault) => self.refused_write(number, space, &fault),
        }
    }

    /// A school may be refused only where it may not write, as far as its own node knows.
    pub(super) fn refused_write(&mut self, number: usize, space: SpaceId, fault: &EditFault) -> Result<(), Violation> {
        let school = self.nodes[number].school;
        let held = self.nodes[number].replica.as_ref().and_then(|replica| replica.space(&space).ok());
        let may = held.is_some_and(|held| held.charter().resolved().role(&school) > Some(Role::Reader));
        let may = may && (self.can_write(number, space) || !self.model.tainted.contains(&self.nodes[number].device));
        self.counts.one("writes refused");
        self.say(format_args!("n{number} may not write: {fault}"));
        let rightly = !may && matches!(fault, EditFault::Refused(Fault::NoRight { .. }));
        Violation::unless(rightly, "contributors_can_write", || format!("n{number}: {fault}"))
    }

    /// One of the records that a node lists.
    pub(super) fn some_card(&mut self, number: usize, space: SpaceId) -> Option<Card> {
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
            let read = self.read(number, card.id, false);
            self.nodes[number].form = Some(Form { record: card.id, heads: card.heads, seen, read, state });
        }
        Ok(())
    }
    fn seen(&self, number: usize, card: &Card, staged: bool) -> BTreeSet<u64> {
        let space = self.nodes[number].replica.as_ref().and_then(|replica| replica.space(&card.space).ok());
        let Some(space) = space else { return BTreeSet::new() };
        let Some(replica) = self.nodes[number].replica.as_ref() else { return BTreeSet::new() };
        let durable = &self.witnesses[number].spaces;
        let id = |writer: WriterId, seq: u64| {
            if staged {
                let log = stored::log(&replica.reader(), space.id(), writer).ok().filter(|log| log.entries > seq)?;
                return stored::entry(&replica.reader(), log.number, seq).ok().map(|entry| entry.id());
            }
            durable.get(&space.id())?.logs.get(&writer)?.get(usize::try_from(seq).ok()?).copied()
        };
        self.model.visible(card.id, |(writer, seq, entry)| id(*writer, *seq) == Some(*entry))
    }
    /// The words that a record shows at a node, those beside others where values conflict too.
    fn read(&self, number: usize, record: RecordId, staged: bool) -> BTreeSet<String> {
        let Some(replica) = self.nodes[number].replica.as_ref() else { return BTreeSet::new() };
        let reader = replica.reader();
        let record =
            if staged { Catalogue(&reader).record(&record) } else { Catalogue(replica.store()).record(&record) };
        let Some(view) = record.ok().flatten().map(|record| record.view) else { return BTreeSet::new() };
        let values = view.fields.values().chain(view.conflicts.values().flatten());
        values.filter_map(Value::as_str).map(str::to_owned).collect()
    }
    /// Where the entry lies that was just staged.
    pub(super) fn place(&self, number: usize, space: SpaceId, (writer, seq): (WriterId, u64)) -> Place {
        let held = self.nodes[number].replica.as_ref().and_then(|replica| replica.space(&space).ok());
        (writer, seq, held.map(|held| held.staged_frontier().head(&writer)).unwrap_or_default())
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
        let (heads, seen, read, state) = if let Some(form) = form {
            (Some(form.heads), form.seen, form.read, form.state)
        } else {
            let staged = !self.random.per_mille(500);
            let heads = (!staged).then(|| card.heads.clone());
            let (seen, read) = (self.seen(number, &card, staged), self.read(number, card.id, staged));
            (heads, seen, read, card.line("state").to_owned())
        };
        let fields = self.typed(kind, false, &state);
        let Some(next) = self.next_place(number, card.space) else { return Ok(()) };
        let edit = Edit { record: card.id, fields: fields.clone(), heads, author: "Sam Reed".to_owned() };
        let node = &mut self.nodes[number];
        let now = node.clock(self.now_ms);
        let own = card.school == node.school;
        let Some(replica) = node.replica.as_mut() else { return Ok(()) };
        match replica.edit(&edit, now) {
            Ok(true) => {
                let place = self.place(number, card.space, next);
                let write = Write { record: card.id, creation: None, place, fields: lines(&fields), seen, read };
                self.model.wrote(number, write);
                self.counts.one("edits");
                self.say(format_args!("n{number} edits {:?}", card.id));
                self.flush_soon(number);
                Ok(())
            }
            Ok(false) => Ok(()),
            Err(EditFault::NotOwner(_)) if !own && !card.open => Ok(()),
            // It was erased, and that is not durable here yet.
            Err(EditFault::Refused(Fault::Erased(record))) if self.model.may_be_erased.contains(&record) => Ok(()),
            // What it was read from was cut meanwhile.
            Err(EditFault::NoSuchRecord | EditFault::Document(_))
                if self.plan.belonging > 0 || !self.model.tainted.is_empty() =>
            {
                Ok(())
            }
            Err(fault) => self.refused_write(number, card.space, &fault),
        }
    }
}

/// What the model keeps of fields.
fn lines(fields: &Fields) -> BTreeMap<String, String> {
    let line = |(name, value): (&String, &Value)| (name.clone(), value.as_str().unwrap_or_default().to_owned());
    fields.iter().map(line).collect()
}
