//! What became of a record, ending a conflict, going back, adapting.

use staffroom_protocol::catalogue::{Catalogue, Changed, Version};
use staffroom_protocol::id::{ChangeHash, DeviceId, IdPrefix, SpaceId, WriterId};
use staffroom_protocol::record::adapt::{NotAdapted, Original, adapt as adapted};
use staffroom_protocol::record::field::{Fields, Value};
use staffroom_protocol::record::history::back_to as edits_back_to;
use staffroom_protocol::record::kind::Kind;
use staffroom_protocol::replica::{Edit, Settle};

use super::desk::Desk;
use super::erasing::record;
use super::lookup::summary;
use super::names::{OWN, failed, school_name, space, space_name};
use super::{saving, wall_clock};
use crate::api::{self, Answer, Code, Failure, NewRecord};
use crate::store::Snapshot;

/// What became of a record.
pub(super) fn history(desk: &Desk, asked: &str) -> Result<api::History, Failure> {
    let snapshot = desk.snapshot()?;
    let id = record(desk, &snapshot, asked)?;
    let found = Catalogue(&snapshot).history(&id).map_err(failed)?.ok_or_else(|| not_here(asked))?;
    let space = found.card.space;
    let version = |version: &Version| told(&snapshot, &space, version);
    let device = |writer: &WriterId| device(desk, &space, writer);
    let conflicts = found.conflicts.iter().map(|(field, values)| {
        let alternative = |(value, wrote): &(Value, Option<usize>)| api::Alternative {
            value: value.clone(),
            version: wrote.and_then(|place| found.changes.get(place)).map(|changed| version(&changed.version)),
        };
        (field.clone(), values.iter().map(alternative).collect())
    });
    let conflicts = conflicts.collect();
    let not_in_force = found.not_in_force.iter().map(|not| api::NotInForce {
        entry: not.entry,
        school: school_name(&snapshot, &space, &not.school),
        device: device(&not.writer),
        author: not.author.clone(),
        at: not.clock.millis().0,
        reason: not.why.clone(),
    });
    let not_in_force = not_in_force.collect();
    let changed = |changed: &Changed| api::Changed {
        version: version(&changed.version),
        device: device(&changed.writer),
        fields: changed.fields.clone(),
    };
    let changes = found.changes.iter().map(changed).collect();
    let summary = summary(desk, &snapshot, found.card);
    Ok(api::History { summary, changes, not_in_force, conflicts, local_fault: found.local_fault })
}

/// A change as the API tells of it.
pub(super) fn told(snapshot: &Snapshot, space: &SpaceId, version: &Version) -> api::Version {
    api::Version {
        change: version.change,
        school: school_name(snapshot, space, &version.school),
        author: version.author.clone(),
        at: version.clock.millis().0,
        genesis: version.genesis,
    }
}

/// The device of a writer, as the charter enrolled it.
fn device(desk: &Desk, space: &SpaceId, writer: &WriterId) -> Option<DeviceId> {
    let space = desk.replica.space(space).ok()?;
    space.durable_charter().resolved().writers.get(writer).map(|writer| writer.device)
}

/// The change of a record that the beginning of its id names, and the fields after it.
pub(super) fn fields_at(
    snapshot: &Snapshot,
    history: &[Version],
    (space, record): (SpaceId, staffroom_protocol::id::RecordId),
    asked: &str,
) -> Result<(ChangeHash, Fields), Failure> {
    let unknown = || {
        Failure::new(Code::NotFound, format!("the record has no version {asked:?}"))
            .hint(format!("share show {} --versions lists them", record.short()))
    };
    let prefix = IdPrefix::parse(asked).ok().filter(|_| !asked.is_empty()).ok_or_else(unknown)?;
    let mut named = history.iter().map(|version| version.change).filter(|change| prefix.matches(&change.0));
    let change = match (named.next(), named.next()) {
        (Some(one), None) => one,
        (None, _) => return Err(unknown()),
        (Some(_), Some(_)) => {
            return Err(Failure::new(Code::Usage, format!("{asked:?} begins more than one version"))
                .hint("type a few letters more"));
        }
    };
    let fields = Catalogue(snapshot).fields_at(&space, &record, &[change]).map_err(failed)?;
    Ok((change, fields.ok_or_else(unknown)?))
}

/// Gives a record the fields back that it had after one of its changes, as a new change.
pub(super) fn back_to(desk: &mut Desk, asked: &str, version: &str, author: String) -> Result<Answer, Failure> {
    let snapshot = desk.snapshot()?;
    let id = record(desk, &snapshot, asked)?;
    let found = Catalogue(&snapshot).record(&id).map_err(failed)?.ok_or_else(|| not_here(asked))?;
    let (_, then) = fields_at(&snapshot, &found.history, (found.card.space, id), version)?;
    let mut fields = edits_back_to(&found.view.fields, &then);
    // What only a newer program knows, that program can bring back.
    let kind = Kind::named(&found.card.kind);
    fields.retain(|name, _| kind.is_none_or(|kind| kind.field(name).is_some()));
    let edit = Edit { record: id, fields, heads: Some(found.view.heads), author };
    let changed = desk.replica.edit(&edit, wall_clock());
    saving::edited(&found.card, changed)
}

/// Ends a conflict.
pub(super) fn settle(
    desk: &mut Desk,
    asked: &str,
    field: String,
    value: Value,
    author: String,
) -> Result<Answer, Failure> {
    let snapshot = desk.snapshot()?;
    let id = record(desk, &snapshot, asked)?;
    let found = Catalogue(&snapshot).record(&id).map_err(failed)?.ok_or_else(|| not_here(asked))?;
    let stands = found.view.fields.get(&field);
    if !found.view.conflicts.contains_key(&field) && stands != Some(&value) {
        let flag = field.replace('_', "-");
        return Err(Failure::new(Code::Usage, format!("{flag} has one value; there is nothing to choose"))
            .hint(format!("share edit {asked} --{flag} VALUE changes it")));
    }
    let fields = Fields::from([(field.clone(), value)]);
    let mut fields = saving::prepare(desk, found.card.space, &found.card.kind, fields, &found.card.fields)?;
    let Some(value) = fields.remove(&field) else { return Err(not_here(asked)) };
    let settled = Settle { record: id, field, value, author };
    let changed = desk.replica.settle(&settled, wall_clock());
    saving::edited(&found.card, changed)
}

/// Makes a copy to change: in our own space, or where it is asked for.
pub(super) fn adapt(desk: &mut Desk, asked: &str, to: Option<&str>, author: String) -> Result<Answer, Failure> {
    let snapshot = desk.snapshot()?;
    let id = record(desk, &snapshot, asked)?;
    let found = Catalogue(&snapshot).record(&id).map_err(failed)?.ok_or_else(|| not_here(asked))?;
    let to = space(&desk.replica, Some(to.unwrap_or(OWN)), true)?;
    let school = school_name(&snapshot, &found.card.space, &found.card.school);
    let original = Original { id, kind: &found.card.kind, fields: &found.view.fields, school: &school.name };
    let copy = adapted(original, Some(to) == desk.replica.own_space()).map_err(|why| {
        let failure = Failure::new(Code::Refused, format!("{:?}: {why}", found.card.line("title")));
        match why {
            NotAdapted::NoDerivatives { .. } if found.card.school == desk.replica.school() => {
                failure.hint(format!("it is your school's own: share edit {asked} changes it"))
            }
            NotAdapted::NoDerivatives { .. } => failure.hint(format!("ask {} whether you may", school.name)),
            NotAdapted::NotThat(_) => failure.hint("what others said can be answered: share new comment --about ID"),
        }
    })?;
    let mut fields = copy.fields;
    fields.remove("kind");
    let mut warnings = copy.warnings;
    for value in fields.values_mut() {
        if let Value::Blobs(files) = value {
            // A partner's word that a record has a file does not make it ours to hand on.
            for file in files.extract_if(.., |file| {
                !matches!(Catalogue(&snapshot).known_blob(&found.card.space, &file.id), Ok(Some(_)))
            }) {
                warnings.push(format!("{:?} is not held here and is left out: share get {asked} first", file.name));
            }
        }
    }
    fields.retain(|_, value| !value.is_empty());
    let new = NewRecord { kind: found.card.kind.clone(), fields, author, open: None };
    let mut outcome = saving::save_one(desk, to, new)?;
    outcome.warnings.extend(warnings);
    Ok(Answer::Saved { space: space_name(&desk.replica, to), outcomes: vec![outcome] })
}

fn not_here(asked: &str) -> Failure {
    Failure::new(Code::NotFound, format!("record {asked} is not here in full yet"))
}
