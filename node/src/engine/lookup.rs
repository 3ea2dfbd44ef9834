//! What requests of the API read: lists, records, the honest status.

use std::collections::{BTreeMap, BTreeSet};

use staffroom_protocol::catalogue::Catalogue;
use staffroom_protocol::id::{DeviceId, RecordId, SchoolId, SpaceId};
use staffroom_protocol::record::field::Value;
use staffroom_protocol::record::kind;
use staffroom_protocol::record::{Card, Fields, View};
use staffroom_protocol::replica::Space;
use staffroom_protocol::store::{Read as _, Table};
use staffroom_protocol::time::Millis;

use super::desk::Desk;
use super::names::{failed, school_name, space, space_name};
use super::{erasing, files, history, waiting, wall_clock};
use crate::api::{
    Cluster, Failure, Filter, Member, Named, Partner, PartnerState, Record, SpaceStatus, Status, StoreStatus, Summary,
};
use crate::store::Snapshot;

/// The state of the node and of each partner.
pub(super) fn status(desk: &Desk) -> Result<Status, Failure> {
    let snapshot = desk.snapshot()?;
    let own = desk.replica.own_space().unwrap_or_default();
    let school = school_name(&snapshot, &own, &desk.replica.school());
    let mut spaces: Vec<SpaceStatus> =
        desk.replica.spaces().map(|(id, space)| space_status(desk, &snapshot, id, space)).collect();
    for waits in waiting::all(desk)? {
        if let Some(space) = spaces.iter_mut().find(|space| space.id == waits.space) {
            space.waiting.push(waiting::told(&waits));
        }
    }
    let mut quarantined = 0;
    let counted = snapshot.scan(Table::Quarantine, &[], &[], &mut |_, value| {
        quarantined += value.first_chunk().map_or(0, |count| u64::from(u32::from_be_bytes(*count)));
        Ok(true)
    });
    counted.map_err(failed)?;
    let store = StoreStatus {
        records: snapshot.len(Table::Cards).map_err(failed)?,
        entries: desk.replica.spaces().map(|(_, space)| space.frontier().entries()).sum(),
        bytes: std::fs::metadata(&desk.path).map_or(0, |file| file.len()),
        files: snapshot.len(Table::Blobs).map_err(failed)?,
        wanted: snapshot.len(Table::Wanted).map_err(failed)?,
        quarantined,
        forks: desk.replica.spaces().map(|(_, space)| space.forks().count() as u64).sum(),
        unwiped: desk.replica.unwiped() as u64,
        unwiped_why: desk.wipe_waits(),
        mended: crate::mend::last(&desk.path),
    };
    Ok(Status {
        school,
        running: !desk.listen.is_empty(),
        device: desk.replica.device(),
        listen: desk.listen.clone(),
        store,
        strangers: desk.links.strangers.clone(),
        spaces,
    })
}

fn space_status(desk: &Desk, snapshot: &Snapshot, id: &SpaceId, space: &Space) -> SpaceStatus {
    let charter = space.durable_charter();
    let devices = |school: &SchoolId| {
        charter.identities().get(school).map(staffroom_protocol::identity::IdentityChain::devices).unwrap_or_default()
    };
    let ours = desk.replica.device();
    let schools: Vec<SchoolId> = charter.resolved().members.keys().copied().collect();
    let partners = schools.iter().flat_map(|school| {
        devices(school)
            .into_keys()
            .filter(|device| *device != ours)
            .map(|device| partner(desk, snapshot, space, school, device))
            .collect::<Vec<_>>()
    });
    SpaceStatus {
        id: *id,
        name: space_name(&desk.replica, *id).name,
        frontier: staffroom_protocol::id::to_text(&space.frontier().hash()),
        charter: staffroom_protocol::id::to_text(&charter.hash()),
        members: members(snapshot, id, space),
        partners: partners.collect(),
        waiting: Vec::new(),
        decisions: super::deciding::list(desk, Some(&id.to_string()), false).unwrap_or_default(),
        forks: forks(snapshot, id, space),
        device_forks: device_forks(snapshot, id, space),
    }
}

/// The schools of which a log has two histories, each once.
fn forks(snapshot: &Snapshot, id: &SpaceId, space: &Space) -> Vec<Named<SchoolId>> {
    let schools: BTreeSet<SchoolId> = space.forks().filter_map(|fork| space.school_of(&fork.place().1)).collect();
    schools.iter().map(|school| school_name(snapshot, id, school)).collect()
}

/// The schools of which a device's operations have two histories, each once.
fn device_forks(snapshot: &Snapshot, id: &SpaceId, space: &Space) -> Vec<Named<SchoolId>> {
    let charter = space.durable_charter();
    let school = |device: DeviceId| charter.identities().iter().find(|(_, chain)| chain.rights(&device).is_some());
    let schools: BTreeSet<SchoolId> = charter.forked_devices().filter_map(school).map(|(id, _)| *id).collect();
    schools.iter().map(|school| school_name(snapshot, id, school)).collect()
}

fn members(snapshot: &Snapshot, id: &SpaceId, space: &Space) -> Vec<Member> {
    let members = &space.durable_charter().resolved().members;
    members
        .iter()
        .map(|(school, member)| Member { school: school_name(snapshot, id, school), role: member.role })
        .collect()
}

fn partner(desk: &Desk, snapshot: &Snapshot, space: &Space, school: &SchoolId, device: DeviceId) -> Partner {
    let peer = desk.links.peers.get(&device).cloned().unwrap_or_default();
    let school = school_name(snapshot, &space.id(), school);
    let last_heard = peer.last_heard.map(|at| at.0);
    if let Some(session) = desk.links.session(&space.id(), &device) {
        let standing = session.standing(space);
        let state = if standing.in_step() { PartnerState::InStep } else { PartnerState::Behind };
        let missing = standing.we_lack.saturating_add(standing.they_lack);
        Partner { school, device, state, missing, last_heard, error: None, refused: peer.refused }
    } else {
        let refused = desk.replica.refusal(&school.id, wall_clock()).map(refused_here);
        let why = refused.or(peer.error).unwrap_or_else(|| {
            if desk.listen.is_empty() { "this node is not running" } else { "no address of it is known yet" }.to_owned()
        });
        Partner {
            school,
            device,
            state: PartnerState::Unheard,
            missing: 0,
            last_heard,
            error: Some(why),
            refused: peer.refused,
        }
    }
}

/// That a person here refuses a partner.
fn refused_here(until: Millis) -> String {
    let until = i64::try_from(until.0).ok().and_then(|until| jiff::Timestamp::from_millisecond(until).ok());
    until.map_or_else(|| "refused here".to_owned(), |until| format!("refused here until {until:.0}"))
}

/// The clusters, each with its members.
pub(super) fn clusters(desk: &Desk) -> Result<Vec<Cluster>, Failure> {
    let snapshot = desk.snapshot()?;
    let own = desk.replica.own_space();
    let clusters = desk.replica.spaces().filter(|(id, _)| Some(**id) != own);
    clusters
        .map(|(id, space)| {
            let mut records = 0;
            let counted = snapshot.scan(Table::Recent, &id.0, &[], &mut |_, _| {
                records += 1;
                Ok(true)
            });
            counted.map_err(failed)?;
            Ok(Cluster {
                id: *id,
                name: space_name(&desk.replica, *id).name,
                members: members(&snapshot, id, space),
                records,
            })
        })
        .collect()
}

/// Records, the last changed first.
pub(super) fn list(desk: &Desk, filter: &Filter) -> Result<Vec<Summary>, Failure> {
    let snapshot = desk.snapshot()?;
    let spaces = spaces(desk, filter)?;
    let limit = filter.limit.unwrap_or(usize::MAX);
    let mut found: Vec<Card> = Vec::new();
    for id in &spaces {
        let mut of_space = 0;
        let visited = Catalogue(&snapshot).newest(id, &mut |card| {
            if filter.since.is_some_and(|since| card.updated.millis().0 < since) {
                return false;
            }
            if matches(desk, &snapshot, filter, &card) {
                of_space += 1;
                found.push(card);
            }
            of_space < limit
        });
        visited.map_err(failed)?;
    }
    found.sort_by_key(|card| (std::cmp::Reverse(card.updated), card.id));
    found.truncate(limit);
    Ok(found.into_iter().map(|card| summary(desk, &snapshot, card)).collect())
}

/// How many records a list would have without its limit.
pub(super) fn count(desk: &Desk, filter: &Filter) -> Result<u64, Failure> {
    let snapshot = desk.snapshot()?;
    let mut count = 0;
    for id in &spaces(desk, filter)? {
        let visited = Catalogue(&snapshot).newest(id, &mut |card| {
            if filter.since.is_some_and(|since| card.updated.millis().0 < since) {
                return false;
            }
            count += u64::from(matches(desk, &snapshot, filter, &card));
            true
        });
        visited.map_err(failed)?;
    }
    Ok(count)
}

/// The ids of all that may be read here, the first made first: profiles and what our school took back too.
pub(super) fn ids(desk: &Desk, filter: &Filter) -> Result<Vec<RecordId>, Failure> {
    let snapshot = desk.snapshot()?;
    let ours = Filter { mine: true, ..filter.clone() };
    let profiles = Filter { kind: filter.kind.clone().or_else(|| Some("school".to_owned())), ..filter.clone() };
    let mut found = Vec::new();
    for id in &spaces(desk, filter)? {
        let visited = Catalogue(&snapshot).newest(id, &mut |card| {
            if filter.since.is_some_and(|since| card.updated.millis().0 < since) {
                return false;
            }
            if [filter, &ours, &profiles].iter().any(|filter| matches(desk, &snapshot, filter, &card)) {
                found.push((card.created, card.id));
            }
            true
        });
        visited.map_err(failed)?;
    }
    found.sort_unstable();
    found.truncate(filter.limit.unwrap_or(usize::MAX));
    Ok(found.into_iter().map(|(_, id)| id).collect())
}

/// The first of these records, in full, as many as one answer holds.
pub(super) fn records(desk: &Desk, ids: &[RecordId]) -> Result<Vec<Option<Summary>>, Failure> {
    /// How much text one answer holds, about, in bytes.
    const PAGE: usize = 2 << 20;
    let snapshot = desk.snapshot()?;
    let (mut records, mut length) = (Vec::new(), 0);
    for id in ids {
        if length > PAGE {
            break;
        }
        let found = Catalogue(&snapshot).record(id).map_err(failed)?.map(|found| {
            let mut summary = summary(desk, &snapshot, found.card);
            summary.fields = found.view.fields;
            summary
        });
        let texts = found.iter().flat_map(|summary| summary.fields.values()).filter_map(Value::as_str);
        length += 1_024 + texts.map(str::len).sum::<usize>();
        records.push(found);
    }
    Ok(records)
}

/// The spaces that a filter speaks of.
fn spaces(desk: &Desk, filter: &Filter) -> Result<Vec<SpaceId>, Failure> {
    Ok(match &filter.space {
        Some(asked) => vec![space(&desk.replica, Some(asked), true)?],
        None => desk.replica.spaces().map(|(id, _)| *id).collect(),
    })
}

/// Whether a record is one that was asked for. Profiles of schools are listed by name only.
fn matches(desk: &Desk, snapshot: &Snapshot, filter: &Filter, card: &Card) -> bool {
    let has = |field: &str, wanted: &Option<String>| {
        let same = |wanted: &String| card.set(field).iter().any(|m| m.to_lowercase() == wanted.to_lowercase());
        wanted.as_ref().is_none_or(same)
    };
    let hidden = erasing::is_hidden(snapshot, &card.id);
    let kind = filter.kind.as_ref().map_or(card.kind != "school", |kind| card.kind == *kind);
    let school = filter.school.as_ref().is_none_or(|wanted| {
        let named = school_name(snapshot, &card.space, &card.school);
        named.name.to_lowercase() == wanted.to_lowercase() || named.id.to_string().starts_with(&wanted.to_lowercase())
    });
    let mine = !filter.mine || card.school == desk.replica.school();
    // What a school took back is listed for itself alone.
    let sight = filter.mine || !kind::is_taken_back(card.line("state"));
    kind && mine
        && hidden == filter.hidden
        && sight
        && school
        && has("subjects", &filter.subject)
        && has("key_stages", &filter.key_stage)
        && has("tags", &filter.tag)
}

pub(super) fn summary(desk: &Desk, snapshot: &Snapshot, card: Card) -> Summary {
    Summary {
        id: card.id,
        kind: card.kind,
        space: space_name(&desk.replica, card.space),
        school: school_name(snapshot, &card.space, &card.school),
        created: card.created.millis().0,
        updated: card.updated.millis().0,
        heads: card.heads,
        open: card.open,
        fields: card.fields,
    }
}

/// One record in full.
pub(super) fn show(desk: &Desk, asked: &str, at: Option<&str>) -> Result<Record, Failure> {
    let snapshot = desk.snapshot()?;
    let id = erasing::record(desk, &snapshot, asked)?;
    let found = Catalogue(&snapshot).record(&id).map_err(failed)?;
    let mut found = found
        .ok_or_else(|| Failure::new(crate::api::Code::NotFound, format!("record {asked} is not here in full yet")))?;
    let space = found.card.space;
    if let Some(at) = at {
        let (change, fields) = history::fields_at(&snapshot, &found.history, (space, id), at)?;
        found.view = View { fields, heads: vec![change], conflicts: BTreeMap::new(), ..found.view };
    }
    let catalogue = Catalogue(&snapshot);
    let about_this = catalogue.about(&found.card).map_err(failed)?;
    let shown = about_this.into_iter().filter(|card| !erasing::is_hidden(&snapshot, &card.id));
    let about_this = shown.map(|card| summary(desk, &snapshot, card)).collect();
    let titles = titles(&snapshot, &found.view.fields);
    let files = files::told(&snapshot, &space, &found.view.fields)?;
    let (local_fault, not_in_force) = (found.card.local_fault.clone(), found.card.not_in_force);
    let mut summary = summary(desk, &snapshot, found.card);
    summary.fields = found.view.fields;
    summary.heads = found.view.heads;
    Ok(Record {
        summary,
        conflicts: found.view.conflicts,
        history: found.history.iter().map(|version| history::told(&snapshot, &space, version)).collect(),
        about_this,
        titles,
        files,
        local_fault,
        not_in_force,
        hidden: erasing::is_hidden(&snapshot, &id),
    })
}

/// The titles of the records that these fields name.
fn titles(snapshot: &Snapshot, fields: &Fields) -> BTreeMap<String, String> {
    let lines = ["about", "based_on"].into_iter().filter_map(|name| fields.get(name)?.as_str());
    let listed = match fields.get("records") {
        Some(Value::Extra(map)) => map.keys().map(String::as_str).collect(),
        _ => Vec::new(),
    };
    let title = |id: &str| {
        let card = Catalogue(snapshot).card(&id.parse().ok()?).ok()??;
        // A list of another school's may name what is hidden here.
        let hidden = erasing::is_hidden(snapshot, &card.id);
        let title = if hidden { "hidden at our school" } else { card.line("title") };
        Some((id.to_owned(), title.to_owned()))
    };
    lines.chain(listed).filter_map(title).collect()
}
