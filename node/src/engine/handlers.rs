//! What each request of the API does: changes here, lookups in [`super::lookup`].

use std::collections::BTreeMap;

use staffroom_protocol::catalogue::Catalogue;
use staffroom_protocol::fault::Blame;
use staffroom_protocol::id::{RecordId, SpaceId};
use staffroom_protocol::record::Fields;
use staffroom_protocol::record::field::Value;
use staffroom_protocol::record::kind::Kind;
use staffroom_protocol::replica::{Draft, Edit, EditFault};

use super::desk::Desk;
use super::names::{OWN, clusters, failed, record, space, space_name};
use super::profile::introduce;
use super::{deciding, devices, lookup, waiting, wall_clock};
use crate::api::{Answer, Code, Done, Failure, Named, NewRecord, Outcome, Request};

/// Does what a request asks for, staged.
pub(super) fn answer(desk: &mut Desk, request: Request) -> Result<Answer, Failure> {
    match request {
        Request::Status | Request::Sync { .. } => lookup::status(desk).map(|status| Answer::Status(Box::new(status))),
        Request::Clusters => lookup::clusters(desk).map(Answer::Clusters),
        Request::List(filter) => lookup::list(desk, &filter).map(Answer::List),
        Request::Count(filter) => lookup::count(desk, &filter).map(Answer::Count),
        Request::Show { id } => lookup::show(desk, &id).map(|record| Answer::Record(Box::new(record))),
        Request::CreateCluster { name } => create_cluster(desk, &name),
        Request::Save { to, records } => save(desk, to.as_deref(), records),
        Request::Edit { id, fields, heads, author } => edit(desk, &id, fields, heads, author),
        Request::Devices => Ok(devices::list(desk)),
        Request::RevokeDevice { device, code } => devices::revoke(desk, &device, code.as_ref()),
        Request::InviteDevice { expires_in } => devices::invite(desk, expires_in),
        Request::Sheet => devices::sheet(desk),
        Request::Renew { old, new } => devices::renew(desk, &old, &new),
        Request::OwnSpace { name } => devices::own_space(desk, name.as_deref()),
        Request::Invite { cluster, role, expires_in, confirm } => {
            waiting::invite(desk, cluster.as_deref(), role, expires_in, confirm)
        }
        Request::Confirm { words } => waiting::confirm(desk, &words),
        Request::Refuse { school, time } => waiting::refuse(desk, &school, time),
        Request::EndRefusal { school } => waiting::end_refusal(desk, &school),
        Request::Propose { cluster, proposal } => deciding::propose(desk, cluster.as_deref(), &proposal),
        Request::Vote { id, yes } => deciding::vote(desk, &id, yes),
        Request::Decisions { cluster, all } => deciding::list(desk, cluster.as_deref(), all).map(Answer::Decisions),
        Request::Decision { id } => deciding::show(desk, &id).map(|info| Answer::Decision(Box::new(info))),
        Request::Leave { cluster } => deciding::leave(desk, &cluster),
        Request::Verify { rebuild } => {
            if rebuild {
                desk.replica.rebuild().map_err(failed)?;
            }
            Ok(Answer::Verified(crate::api::Verified::default()))
        }
        Request::Backup { .. } => Err(Failure::new(Code::Failed, "a backup is made beside the engine")),
        Request::Join { .. } => Err(Failure::new(Code::Failed, "joining needs the network")),
    }
}

fn create_cluster(desk: &mut Desk, name: &str) -> Result<Answer, Failure> {
    let name = name.trim();
    if name.is_empty() || name.len() > staffroom_protocol::limits::NAME || name.chars().any(char::is_control) {
        return Err(Failure::new(Code::Usage, "a cluster's name has 1 to 200 letters, on one line"));
    }
    let taken = clusters(&desk.replica).iter().any(|c| c.name.to_lowercase() == name.to_lowercase());
    if taken || name.eq_ignore_ascii_case(OWN) {
        return Err(Failure::new(Code::Refused, format!("this school is already in a space called {name:?}"))
            .hint("choose another name"));
    }
    let id = desk.replica.found(name).map_err(failed)?;
    introduce(desk, id);
    Ok(Answer::Cluster(Named { id, name: name.to_owned() }))
}

fn save(desk: &mut Desk, to: Option<&str>, records: Vec<NewRecord>) -> Result<Answer, Failure> {
    let id = space(&desk.replica, to, true)?;
    let outcomes = records.into_iter().map(|record| save_one(desk, id, record)).collect::<Result<_, _>>()?;
    Ok(Answer::Saved { space: space_name(&desk.replica, id), outcomes })
}

/// Makes a record, or brings the one from the same source up to date. One that is refused does not
/// hold up the others; only a store that failed does.
fn save_one(desk: &mut Desk, space: SpaceId, record: NewRecord) -> Result<Outcome, Failure> {
    let title = record.fields.get("title").and_then(Value::as_str).unwrap_or_default().to_owned();
    let kind = record.kind.clone();
    let source = record.fields.get("source").and_then(Value::as_str).unwrap_or_default();
    let school = desk.replica.school();
    let known = Catalogue(&desk.replica.reader()).by_source(space, school, source).map_err(failed)?;
    let known = known.filter(|_| !source.is_empty());
    let done = match known {
        Some(id) => update(desk, id, record).map(|done| (id, done)),
        None => create(desk, space, record).map(|id| (id, Done::Created)),
    };
    let outcome = Outcome { id: known, kind, title, outcome: Done::Refused, reason: None, warnings: Vec::new() };
    match done {
        Ok((id, done)) => Ok(Outcome { id: Some(id), outcome: done, ..outcome }),
        Err(EditFault::Refused(fault)) if fault.blame() == Blame::Node => Err(failed(fault)),
        Err(fault) => Ok(Outcome { reason: Some(fault.to_string()), ..outcome }),
    }
}

fn create(desk: &mut Desk, space: SpaceId, record: NewRecord) -> Result<RecordId, EditFault> {
    let NewRecord { kind, fields, author, open } = record;
    desk.replica.create(&Draft { space, kind, fields, author, open }, wall_clock())
}

/// Sets what the new version says otherwise. What it does not speak of stays, and a record that was
/// withdrawn is not shared again by the way.
fn update(desk: &mut Desk, id: RecordId, record: NewRecord) -> Result<Done, EditFault> {
    let now = Catalogue(&desk.replica.reader()).record(&id)?;
    let present = now.map(|record| record.view.fields).unwrap_or_default();
    let usual = Kind::named(&record.kind).and_then(|kind| kind.shared_state);
    let says = |name: &str, value: &Value| {
        let kept = name == "kind" || (name == "state" && value.as_str() == usual);
        !kept && !value.is_empty() && present.get(name) != Some(value)
    };
    let fields: Fields = record.fields.into_iter().filter(|(name, value)| says(name, value)).collect();
    if fields.is_empty() {
        return Ok(Done::Unchanged);
    }
    let edit = Edit { record: id, fields, heads: None, author: record.author };
    let changed = desk.replica.edit(&edit, wall_clock())?;
    Ok(if changed { Done::Updated } else { Done::Unchanged })
}

fn edit(
    desk: &mut Desk,
    asked: &str,
    fields: BTreeMap<String, Value>,
    heads: Option<Vec<staffroom_protocol::id::ChangeHash>>,
    author: String,
) -> Result<Answer, Failure> {
    let id = record(&desk.snapshot()?, asked)?;
    let card = Catalogue(&desk.snapshot()?).card(&id).map_err(failed)?;
    let changed =
        desk.replica.edit(&Edit { record: id, fields, heads, author }, wall_clock()).map_err(|fault| match fault {
            EditFault::NotOwner(_) => {
                Failure::new(Code::Refused, format!("record {asked} belongs to another school: {fault}"))
            }
            EditFault::Invalid(_) | EditFault::UnknownKind(_) | EditFault::TooLarge { .. } => {
                Failure::new(Code::Usage, fault.to_string())
            }
            EditFault::NoSuchRecord => Failure::new(Code::NotFound, fault.to_string()),
            EditFault::Document(_) | EditFault::NoLane => Failure::new(Code::Failed, fault.to_string()),
            EditFault::Refused(fault) => failed(fault),
        })?;
    let outcome = if changed { Done::Updated } else { Done::Unchanged };
    let (kind, title) = card.map(|card| (card.kind.clone(), card.line("title").to_owned())).unwrap_or_default();
    Ok(Answer::Edited(Outcome { id: Some(id), kind, title, outcome, reason: None, warnings: Vec::new() }))
}
