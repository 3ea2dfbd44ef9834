//! Making and changing records: what a person gave becomes what is signed.

use std::collections::{BTreeMap, BTreeSet};

use staffroom_protocol::catalogue::Catalogue;
use staffroom_protocol::fault::Blame;
use staffroom_protocol::id::{ChangeHash, RecordId, SpaceId};
use staffroom_protocol::record::Card;
use staffroom_protocol::record::field::{FieldType, Fields, Value};
use staffroom_protocol::record::kind::{self, Kind, OWN_STATES};
use staffroom_protocol::record::references::{self, Reference};
use staffroom_protocol::replica::{Draft, Edit, EditFault};

use super::desk::Desk;
use super::erasing::record;
use super::names::{failed, space, space_name};
use super::scheduled::{self, SCHEDULED};
use super::wall_clock;
use crate::api::{Answer, Code, Done, Failure, Imported, NewRecord, Outcome};
use crate::exchange::Reason;

/// Makes records, or brings those from the same sources up to date.
pub(super) fn save(desk: &mut Desk, to: Option<&str>, records: Vec<NewRecord>) -> Result<Answer, Failure> {
    let id = space(&desk.replica, to, true)?;
    let outcomes = records.into_iter().map(|record| save_one(desk, id, record)).collect::<Result<_, _>>()?;
    Ok(Answer::Saved { space: space_name(&desk.replica, id), outcomes })
}

/// Makes a record, or brings the one from the same source up to date. One that is refused does not
/// hold up the others; only a store that failed does.
pub(super) fn save_one(desk: &mut Desk, space: SpaceId, record: NewRecord) -> Result<Outcome, Failure> {
    let source = record.fields.get("source").and_then(Value::as_str).unwrap_or_default();
    let school = desk.replica.school();
    let known = Catalogue(&desk.replica.reader()).by_source(space, school, source).map_err(failed)?;
    let known = known.filter(|_| !source.is_empty());
    save_as(desk, space, record, known)
}

/// Makes records that were imported, or brings those from the same place up to date.
pub(super) fn import(desk: &mut Desk, to: Option<&str>, records: Vec<Imported>) -> Result<Answer, Failure> {
    let id = space(&desk.replica, to, true)?;
    let outcomes = records.into_iter().map(|record| import_one(desk, id, record)).collect::<Result<_, _>>()?;
    Ok(Answer::Saved { space: space_name(&desk.replica, id), outcomes })
}

/// One that comes out of an export is known by the id that it had there: as itself where it is here, else
/// as what it became when it was imported before. Its `source` may be another record's here.
fn import_one(desk: &mut Desk, space: SpaceId, imported: Imported) -> Result<Outcome, Failure> {
    let Imported { record, origin, only_known } = imported;
    let Some(origin) = origin else {
        let source = record.fields.get("source").and_then(Value::as_str).unwrap_or_default();
        let school = desk.replica.school();
        let known = Catalogue(&desk.replica.reader()).by_source(space, school, source).map_err(failed)?;
        if only_known && known.is_none() {
            let title = kind::title(&record.kind, &record.fields);
            let (kind, outcome) = (record.kind, Done::Unchanged);
            return Ok(Outcome { id: None, kind, title, outcome, reason: None, warnings: Vec::new() });
        }
        return save_one(desk, space, record);
    };
    let itself = Catalogue(&desk.replica.reader()).card(&origin).map_err(failed)?;
    let known = match itself.filter(|card| card.space == space) {
        Some(card) => Some(card.id),
        None => desk.replica.imported(space, origin).map_err(failed)?,
    };
    let outcome = save_as(desk, space, record, known)?;
    if let Some(here) = outcome.id.filter(|_| outcome.outcome == Done::Created) {
        desk.replica.remember_imported(space, origin, here);
    }
    Ok(outcome)
}

/// Makes a record, or changes the one that it is known to be.
fn save_as(desk: &mut Desk, space: SpaceId, record: NewRecord, known: Option<RecordId>) -> Result<Outcome, Failure> {
    let title = kind::title(&record.kind, &record.fields);
    let kind = record.kind.clone();
    let done = match known {
        Some(id) => update(desk, id, record).map(|done| (id, done)),
        None => create(desk, space, record).map(|id| (id, Done::Created)),
    };
    let outcome = Outcome { id: known, kind, title, outcome: Done::Refused, reason: None, warnings: Vec::new() };
    match done {
        Ok((id, done)) => Ok(Outcome { id: Some(id), outcome: done, ..outcome }),
        Err(NotSaved::Fault(EditFault::Refused(fault))) if fault.blame() == Blame::Node => Err(failed(fault)),
        Err(NotSaved::Fault(fault)) => Ok(Outcome { reason: Some(fault.to_string()), ..outcome }),
        Err(NotSaved::Failure(failure)) if failure.code == Code::Failed => Err(failure),
        Err(NotSaved::Failure(failure)) => Ok(Outcome { reason: Some(failure.message), ..outcome }),
    }
}

/// Why a record was not made or changed.
enum NotSaved {
    Fault(EditFault),
    Failure(Failure),
}

impl From<EditFault> for NotSaved {
    fn from(fault: EditFault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Failure> for NotSaved {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

fn create(desk: &mut Desk, space: SpaceId, record: NewRecord) -> Result<RecordId, NotSaved> {
    let NewRecord { kind, fields, author, open } = record;
    let fields = prepare(desk, space, &kind, fields, &Fields::new())?;
    let draft = Draft { space, kind, fields, author, open };
    let id = desk.replica.create(&draft, wall_clock())?;
    desk.attach(space, &draft.fields, &Fields::new()).map_err(failed)?;
    Ok(id)
}

/// Sets what the new version says otherwise. What it does not speak of stays, and a record that was
/// withdrawn is not shared again by the way.
fn update(desk: &mut Desk, id: RecordId, record: NewRecord) -> Result<Done, NotSaved> {
    let now = Catalogue(&desk.replica.reader()).record(&id).map_err(failed)?;
    let (space, present) = now.map(|record| (record.card.space, record.view.fields)).unwrap_or_default();
    let said = prepare(desk, space, &record.kind, record.fields, &present)?;
    let usual = Kind::named(&record.kind).and_then(|kind| kind.shared_state);
    let newer = version(&said).cmp(&version(&present));
    if newer.is_lt() {
        return Ok(Done::Unchanged);
    }
    let mut again = said.clone();
    again.retain(|_, value| matches!(value, Value::Blobs(_)));
    if desk.are_here(&again, &Fields::new()).is_err() {
        again.clear();
    }
    let says = |name: &str, value: &Value| {
        let kept = name == "kind" || (name == "state" && value.as_str() == usual && !newer.is_gt());
        !kept && !value.is_empty() && present.get(name) != Some(value)
    };
    let fields: Fields = said.into_iter().filter(|(name, value)| says(name, value)).collect();
    // What was lost here and is published again is known again.
    desk.attach(space, &again, &Fields::new()).map_err(failed)?;
    if fields.is_empty() {
        return Ok(Done::Unchanged);
    }
    let edit = Edit { record: id, fields, heads: None, author: record.author };
    let changed = desk.replica.edit(&edit, wall_clock())?;
    desk.attach(space, &edit.fields, &present).map_err(failed)?;
    Ok(if changed { Done::Updated } else { Done::Unchanged })
}

/// How often an event was changed in the calendar that it comes from (RFC 5545 SEQUENCE): an older version
/// changes nothing, a newer one counts in all it says.
fn version(fields: &Fields) -> i64 {
    let source = fields.get("source").and_then(Value::as_str).unwrap_or_default();
    match fields.get("extra") {
        Some(Value::Extra(extra)) if source.starts_with("ical:") => {
            extra.get("sequence").and_then(|sequence| sequence.parse().ok()).unwrap_or(0)
        }
        _ => 0,
    }
}

/// Changes one record.
pub(super) fn edit(
    desk: &mut Desk,
    asked: &str,
    fields: BTreeMap<String, Value>,
    heads: Option<Vec<ChangeHash>>,
    author: String,
) -> Result<Answer, Failure> {
    let id = record(desk, &desk.snapshot()?, asked)?;
    let mut card = referred(desk, &id.to_string())?;
    // What was there when it was read and is gone since is no addition of who kept it.
    let read = read_at(desk, &card, heads.as_deref())?;
    let fields = prepare(desk, card.space, &card.kind, fields, &read)?;
    let edit = Edit { record: id, fields, heads, author };
    let changed = desk.replica.edit(&edit, wall_clock());
    if changed.is_ok() {
        desk.attach(card.space, &edit.fields, &read).map_err(failed)?;
    }
    // What became of it is told under the title that it has now.
    if let Ok(Some(now)) = Catalogue(&desk.replica.reader()).card(&id) {
        card = now;
    }
    edited(&card, changed)
}

/// The fields of a record as they were at these heads; the present ones where none are named.
fn read_at(desk: &Desk, card: &Card, heads: Option<&[ChangeHash]>) -> Result<Fields, Failure> {
    let current = heads.is_none_or(|heads| {
        let is = |all: &[ChangeHash]| all.iter().copied().collect::<BTreeSet<_>>();
        is(heads) == is(&card.heads)
    });
    let then = match heads.filter(|_| !current) {
        Some(heads) => Catalogue(&desk.replica.reader()).fields_at(&card.space, &card.id, heads).map_err(failed)?,
        None => None,
    };
    Ok(then.unwrap_or_else(|| card.fields.clone()))
}

/// What became of a change to a record.
pub(super) fn edited(card: &Card, changed: Result<bool, EditFault>) -> Result<Answer, Failure> {
    let id = card.id;
    let changed = changed.map_err(|fault| match fault {
        EditFault::NotOwner(_) => {
            let short = id.short();
            Failure::new(Code::Refused, format!("record {short} belongs to another school: {fault}"))
                .hint(format!("share adapt {short}"))
        }
        EditFault::Invalid(invalid) => {
            let told = Failure::new(Code::Usage, invalid.to_string());
            Reason::from(invalid).hints().into_iter().fold(told, Failure::hint)
        }
        EditFault::UnknownKind(_) | EditFault::TooLarge { .. } => Failure::new(Code::Usage, fault.to_string()),
        EditFault::NoSuchRecord => Failure::new(Code::NotFound, fault.to_string()),
        EditFault::Document(_) | EditFault::NoLane => Failure::new(Code::Failed, fault.to_string()),
        EditFault::Refused(fault) => failed(fault),
    })?;
    let outcome = if changed { Done::Updated } else { Done::Unchanged };
    let (kind, title) = (card.kind.clone(), card.line("title").to_owned());
    Ok(Answer::Edited(Outcome { id: Some(id), kind, title, outcome, reason: None, warnings: Vec::new() }))
}

/// The fields as they are signed: ids in full, and nothing that may not be where it is to be.
/// `before` is what the record holds so far.
pub(super) fn prepare(
    desk: &Desk,
    to: SpaceId,
    kind: &str,
    mut fields: Fields,
    before: &Fields,
) -> Result<Fields, Failure> {
    let Some(kind) = Kind::named(kind) else { return Ok(fields) };
    let state = fields.get("state").and_then(Value::as_str).unwrap_or_default();
    if OWN_STATES.contains(&state) && Some(to) != desk.replica.own_space() {
        let message = format!("it is a {state}: drafts stay in the school's own space (--to school)");
        return Err(Failure::new(Code::Refused, message).hint("--to school, or leave --state out"));
    }
    let holds = |name: &str| [&fields, before].into_iter().find_map(|all| all.get(name)?.as_str()).unwrap_or_default();
    let says_when = fields.contains_key("state") || fields.contains_key("week");
    if says_when && kind.states.contains(&SCHEDULED) && holds("state") == SCHEDULED {
        scheduled::check(desk, holds("week"))?;
    }
    for field in kind.fields() {
        let Some(value) = fields.get_mut(field.name).filter(|value| !value.is_empty()) else { continue };
        match (field.field_type, value) {
            (FieldType::Reference, Value::Line(asked)) => {
                let needed = kind.needs.contains(&field.name);
                match referred(desk, asked) {
                    Ok(card) if needed => {
                        seen_together(desk, kind, &card, to)?;
                        *asked = card.id.to_string();
                    }
                    Ok(card) => *asked = card.id.to_string(),
                    Err(failure) if needed || failure.code == Code::Failed => return Err(failure),
                    // What a record was adapted from may be elsewhere.
                    Err(_) => {}
                }
            }
            (FieldType::Blobs, value @ Value::Blobs(_)) => {
                let said = Fields::from([(field.name.to_owned(), value.clone())]);
                desk.are_here(&said, before)?;
            }
            (FieldType::References, Value::Extra(map)) => {
                let nothing = BTreeMap::new();
                let before = match before.get(field.name) {
                    Some(Value::Extra(before)) => before,
                    _ => &nothing,
                };
                let named = references::read(map).into_iter().map(|one| match referred(desk, &one.id) {
                    Ok(card) => Ok(Reference { id: card.id.to_string(), ..one }),
                    // What it names already may have left since.
                    Err(_) if before.contains_key(&one.id) => Ok(one),
                    Err(failure) => Err(failure),
                });
                let named = named.collect::<Result<Vec<_>, Failure>>()?;
                *map = references::arrange(before, &named);
            }
            _ => {}
        }
    }
    Ok(fields)
}

/// The record that an id names, shortened or not; also one that is not durable yet.
fn referred(desk: &Desk, asked: &str) -> Result<Card, Failure> {
    let reader = desk.replica.reader();
    let staged = asked.parse().ok().map(|id| Catalogue(&reader).card(&id)).transpose().map_err(failed)?.flatten();
    if let Some(card) = staged {
        return Ok(card);
    }
    let id = record(desk, &desk.snapshot()?, asked)?;
    let card = Catalogue(&reader).card(&id).map_err(failed)?;
    card.ok_or_else(|| Failure::new(Code::NotFound, format!("record {asked} is not here in full yet")))
}

/// What is about a record stands where that record stands, or in our own space: elsewhere, nobody could
/// tell what it is about.
fn seen_together(desk: &Desk, kind: &Kind, about: &Card, to: SpaceId) -> Result<(), Failure> {
    if about.space == to || Some(to) == desk.replica.own_space() {
        return Ok(());
    }
    let (title, there) = (about.line("title"), space_name(&desk.replica, about.space).name);
    let here = space_name(&desk.replica, to).name;
    let message = format!("{title:?} is in {there}: a {} about it cannot be in {here}", kind.name);
    Err(Failure::new(Code::Refused, message).hint(format!("--to {there:?}")))
}
