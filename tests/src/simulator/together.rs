//! Many people at one record: each types words and tags, strikes out others, saves forms that were left
//! open. In the end all show the same text, with each word that was saved and that nobody struck out.

use std::collections::{BTreeMap, BTreeSet};

use staffroom_protocol::catalogue::{Catalogue, Record};
use staffroom_protocol::id::{ChangeHash, EntryId, RecordId, SpaceId};
use staffroom_protocol::record::field::{Fields, Value};
use staffroom_protocol::replica::{Draft, Edit};

use super::invariants::Violation;
use super::model::{Creation, Place, Write};
use super::world::World;

/// The record that all write in, and what they wrote.
#[derive(Default)]
pub(super) struct Together {
    record: Option<RecordId>,
    /// Each word or tag, by the entry that has it.
    typed: BTreeMap<String, Place>,
    /// Those that were struck out, several where they stood without a space between, by the entries that did.
    struck: Vec<(String, Place)>,
    /// What people have open, by node.
    forms: BTreeMap<usize, Form>,
}

/// The record as somebody read it.
#[derive(Debug, Clone)]
struct Form {
    heads: Vec<ChangeHash>,
    body: Vec<String>,
    tags: Vec<String>,
}

fn fields(form: &Form) -> Fields {
    let body = Value::Text(form.body.join(" "));
    Fields::from([("body".to_owned(), body), ("tags".to_owned(), Value::set(form.tags.iter().cloned()))])
}

fn words(record: &Record) -> Vec<String> {
    let body = record.view.fields.get("body").and_then(Value::as_str).unwrap_or_default();
    body.split_whitespace().map(str::to_owned).collect()
}

fn tags(record: &Record) -> Vec<String> {
    record.view.fields.get("tags").map(|tags| tags.members().to_vec()).unwrap_or_default()
}

impl World {
    /// Somebody reads the record, writes in it, or saves what they wrote a while ago.
    pub(super) fn write_together(&mut self, number: usize, space: SpaceId) -> Result<(), Violation> {
        if !self.clusters.contains(&space) {
            return Ok(());
        }
        let Some(record) = self.together.record else { return self.begin_together(number, space) };
        let Some(replica) = self.nodes[number].replica.as_ref() else { return Ok(()) };
        let shown = Catalogue(replica.store()).record(&record);
        let Some(shown) = shown.map_err(|fault| Violation::new("catalogue_reads", fault))? else { return Ok(()) };
        let mut form = Form { heads: shown.view.heads.clone(), body: words(&shown), tags: tags(&shown) };
        if self.random.per_mille(200) {
            self.together.forms.insert(number, form);
            return Ok(());
        }
        if self.random.per_mille(500) {
            form = self.together.forms.remove(&number).unwrap_or(form);
        }
        let (mut typed, mut struck) = (Vec::new(), Vec::new());
        for _ in 0..=self.random.below(3) {
            self.change_form(&mut form, &mut typed, &mut struck);
        }
        self.save_together(number, space, record, &form, (typed, struck))
    }

    fn change_form(&mut self, form: &mut Form, typed: &mut Vec<String>, struck: &mut Vec<String>) {
        let at = self.random.place(form.body.len() + 1);
        match self.random.below(10) {
            0..5 => {
                let word = format!("{}x", self.value("w").replace(' ', ""));
                form.body.insert(at, word.clone());
                typed.push(word);
            }
            5..7 if at < form.body.len() => struck.push(form.body.remove(at)),
            7 if !form.tags.is_empty() => {
                let at = self.random.place(form.tags.len());
                struck.push(form.tags.remove(at));
            }
            _ if form.tags.len() < 20 => {
                let tag = format!("{}x", self.value("t").replace(' ', ""));
                form.tags.push(tag.clone());
                typed.push(tag);
            }
            _ => {}
        }
    }

    fn begin_together(&mut self, number: usize, space: SpaceId) -> Result<(), Violation> {
        let form = Form { heads: Vec::new(), body: vec!["w0x".to_owned()], tags: vec!["t0x".to_owned()] };
        let title = ("title".to_owned(), Value::Line("What we plan".to_owned()));
        let fields: Fields = fields(&form).into_iter().chain([title]).collect();
        let draft = Draft { space, kind: "note".to_owned(), fields, author: "Ada Brook".to_owned(), open: Some(true) };
        let Some(next) = self.next_place(number, space) else { return Ok(()) };
        let node = &mut self.nodes[number];
        let (now, school) = (node.clock(self.now_ms), node.school);
        let Some(replica) = node.replica.as_mut() else { return Ok(()) };
        let record = match replica.create(&draft, now) {
            Ok(record) => record,
            Err(fault) => return self.refused_write(number, space, &fault),
        };
        self.flush_soon(number);
        let place = self.place(number, space, next);
        let creation = Some(Creation { space, school, open: true });
        let written = BTreeMap::from([("title".to_owned(), "What we plan".to_owned())]);
        self.model.wrote(number, Write { creation, ..write(record, place, written) });
        self.together.record = Some(record);
        Ok(())
    }

    fn save_together(
        &mut self,
        number: usize,
        space: SpaceId,
        record: RecordId,
        form: &Form,
        (typed, struck): (Vec<String>, Vec<String>),
    ) -> Result<(), Violation> {
        let Some(next) = self.next_place(number, space) else { return Ok(()) };
        let heads = Some(form.heads.clone());
        let edit = Edit { record, fields: fields(form), heads, author: "Sam Reed".to_owned() };
        let node = &mut self.nodes[number];
        let now = node.clock(self.now_ms);
        let Some(replica) = node.replica.as_mut() else { return Ok(()) };
        match replica.edit(&edit, now) {
            Ok(true) => {
                let place = self.place(number, space, next);
                self.model.wrote(number, write(record, place, BTreeMap::new()));
                self.together.typed.extend(typed.into_iter().map(|word| (word, place)));
                self.together.struck.extend(struck.into_iter().map(|word| (word, place)));
                self.counts.one("edits of one record");
                self.say(format_args!("n{number} writes: {:?}", form.body));
                self.flush_soon(number);
                Ok(())
            }
            Ok(false) => Ok(()),
            Err(fault) => self.refused_write(number, space, &fault),
        }
    }

    /// What each node shows of the record in the end.
    pub(super) fn judge_together(&mut self) -> Result<(), Violation> {
        let Some(record) = self.together.record else { return Ok(()) };
        for number in 0..self.nodes.len() {
            let logs = self.witnesses[number].spaces.values().flat_map(|space| space.logs.values().flatten());
            let stands: BTreeSet<EntryId> = logs.copied().collect();
            let replica = self.nodes[number].replica.as_ref().expect("all nodes run when they agree");
            let shown = Catalogue(replica.store()).record(&record);
            let Some(shown) = shown.map_err(|fault| Violation::new("catalogue_reads", fault))? else { continue };
            let found = || format!("node {number}: {} changes do not count", shown.card.not_in_force);
            Violation::unless(shown.card.not_in_force == 0, "honest_changes_are_in_force", found)?;
            let struck = self.together.struck.iter().filter(|(_, (.., entry))| stands.contains(entry));
            let struck: BTreeSet<&str> = struck.map(|(word, _)| word.as_str()).collect();
            let there: BTreeSet<String> = words(&shown).into_iter().chain(tags(&shown)).collect();
            for (word, (.., entry)) in &self.together.typed {
                let stays = stands.contains(entry) && !struck.iter().any(|struck| struck.contains(word.as_str()));
                let shows = there.iter().any(|shown| shown.contains(word.as_str()));
                let found = || format!("node {number}: {word} is not in {there:?}");
                Violation::unless(!stays || shows, "no_typed_word_is_lost", found)?;
            }
            self.counts.more("words that stayed", there.len() as u64);
        }
        Ok(())
    }
}

fn write(record: RecordId, place: Place, fields: BTreeMap<String, String>) -> Write {
    Write { record, creation: None, place, fields, seen: BTreeSet::new(), read: BTreeSet::new() }
}
