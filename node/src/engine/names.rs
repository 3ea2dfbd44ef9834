//! What people call things, and what they are told: names to ids and back, faults to failures.

use staffroom_protocol::Replica;
use staffroom_protocol::catalogue::{Catalogue, Found};
use staffroom_protocol::charter::Resolved;
use staffroom_protocol::fault::{Blame, Fault};
use staffroom_protocol::id::{IdPrefix, RecordId, SchoolId, SpaceId};
use staffroom_protocol::store::Read;

use crate::api::{Code, Failure, Named};
use crate::store::is_damage;
use crate::store::{RedbStore, Snapshot};

/// The text of a space's name: its own space has none.
pub(super) const OWN: &str = "school";

/// A fault as people are told it.
pub(super) fn failed(fault: Fault) -> Failure {
    match fault {
        Fault::NoRight { act, .. } => Failure::new(Code::Refused, format!("this school has no right to {act}"))
            .hint("share cluster show lists who is a steward"),
        Fault::NoSuchSpace => Failure::new(Code::NotFound, "there is no such cluster here"),
        Fault::Behind => Failure::new(Code::Conflict, format!("{fault}")).hint("share sync, then vote again"),
        fault if fault.blame() == Blame::Node => store_failed(&fault),
        fault => Failure::new(Code::Refused, fault.to_string()),
    }
}

/// The name of a space as people use it.
pub(super) fn space_name(replica: &Replica<RedbStore>, id: SpaceId) -> Named<SpaceId> {
    let name = replica.space(&id).map(|space| space.charter().resolved().name.clone()).unwrap_or_default();
    Named { id, name: if name.is_empty() { OWN.to_owned() } else { name } }
}

/// The clusters with their names.
pub(super) fn clusters(replica: &Replica<RedbStore>) -> Vec<Named<SpaceId>> {
    let own = replica.own_space();
    replica.spaces().filter(|(id, _)| Some(**id) != own).map(|(id, _)| space_name(replica, *id)).collect()
}

/// Which space `--to` or `--cluster` means.
pub(super) fn space(replica: &Replica<RedbStore>, asked: Option<&str>, own_allowed: bool) -> Result<SpaceId, Failure> {
    let own = replica.own_space().filter(|_| own_allowed);
    let clusters = clusters(replica);
    let names = || clusters.iter().map(|c| format!("{:?}", c.name)).collect::<Vec<_>>().join(", ");
    let Some(asked) = asked else {
        return match (&clusters[..], own) {
            ([only], _) => Ok(only.id),
            ([], Some(own)) => Ok(own),
            ([], None) => Err(Failure::new(Code::NotFound, "this school is in no cluster")
                .hint("found one: share cluster create \"The Brook Cluster\"")
                .hint("or join one with a ticket: share join TICKET")),
            _ => Err(Failure::new(Code::Usage, format!("this school is in several clusters: {}", names()))
                .hint("say which one: --to NAME, or --cluster NAME")),
        };
    };
    if let Some(own) = own.filter(|_| asked.eq_ignore_ascii_case(OWN)) {
        return Ok(own);
    }
    let prefix = IdPrefix::parse(asked).ok().filter(|_| asked.len() >= 4);
    let named = |c: &&Named<SpaceId>| {
        c.name.to_lowercase() == asked.to_lowercase() || prefix.as_ref().is_some_and(|prefix| prefix.matches(&c.id.0))
    };
    match clusters.iter().filter(named).collect::<Vec<_>>()[..] {
        [one] => Ok(one.id),
        [] => Err(Failure::new(Code::NotFound, format!("this school is in no cluster called {asked:?}")).hint(
            if clusters.is_empty() {
                "it is in none yet: share cluster create NAME, or share join TICKET".to_owned()
            } else {
                format!("it is in {}", names())
            },
        )),
        _ => Err(Failure::new(Code::Usage, format!("more than one cluster is called {asked:?}"))
            .hint("use the start of its id: share cluster list --json")),
    }
}

/// Which member a name or the start of an id means.
pub(super) fn member<R: Read>(
    store: &R,
    space: SpaceId,
    resolved: &Resolved,
    asked: &str,
) -> Result<Named<SchoolId>, Failure> {
    let members: Vec<_> = resolved.members.keys().map(|school| school_name(store, &space, school)).collect();
    let prefix = IdPrefix::parse(asked).ok().filter(|_| asked.len() >= 4);
    let named = |m: &&Named<SchoolId>| {
        m.name.to_lowercase() == asked.to_lowercase() || prefix.as_ref().is_some_and(|prefix| prefix.matches(&m.id.0))
    };
    match members.iter().filter(named).collect::<Vec<_>>()[..] {
        [one] => Ok(one.clone()),
        [] => {
            let names = members.iter().map(|m| m.name.as_str()).collect::<Vec<_>>().join(", ");
            Err(Failure::new(Code::NotFound, format!("no school of the cluster is called {asked:?}"))
                .hint(format!("its schools are {names}")))
        }
        _ => Err(Failure::new(Code::Usage, format!("more than one school is called {asked:?}"))
            .hint("use the start of its id: share cluster show --json")),
    }
}

/// The record that a shortened id means.
pub(super) fn record(snapshot: &Snapshot, asked: &str) -> Result<RecordId, Failure> {
    let unknown = || {
        Failure::new(Code::NotFound, format!("there is no record {asked:?} here"))
            .hint("share list shows what there is")
    };
    let prefix = IdPrefix::parse(asked).ok().filter(|_| !asked.is_empty()).ok_or_else(unknown)?;
    match Catalogue(snapshot).find(&prefix).map_err(failed)? {
        Found::One(id) => Ok(id),
        Found::Nothing => Err(unknown()),
        Found::Many(ids) => {
            let ids = ids.iter().map(|id| id.to_string()[..asked.len() + 4].to_owned()).collect::<Vec<_>>().join(", ");
            Err(Failure::new(Code::Usage, format!("{asked:?} begins more than one id: {ids}"))
                .hint("type a few letters more"))
        }
    }
}

/// What people are told once the store failed.
pub(super) fn store_failed(fault: &Fault) -> Failure {
    if is_damage(fault) {
        return Failure::new(Code::Damaged, fault.to_string())
            .hint("try again: what can be read is saved first, and partners bring the rest");
    }
    Failure::new(Code::Failed, format!("nothing was saved: {fault}"))
        .hint("look at the free space of the disk and at its health, then start the node again")
}

/// A school's name in a space, or the start of its id.
pub(super) fn school_name<R: Read>(store: &R, space: &SpaceId, school: &SchoolId) -> Named<SchoolId> {
    let profile = Catalogue(store).profile(space, school).ok().flatten();
    let name = profile.map(|card| card.line("title").to_owned()).filter(|name| !name.is_empty());
    Named { id: *school, name: name.unwrap_or_else(|| school.short()) }
}

/// The addresses that others may reach; those of this machine alone where there are no others.
pub(super) fn reachable(listen: &[String]) -> Vec<String> {
    let loopback = |address: &&String| address.starts_with("/ip4/127.") || address.starts_with("/ip6/::1/");
    let outside: Vec<String> = listen.iter().filter(|address| !loopback(address)).cloned().collect();
    let mut chosen = if outside.is_empty() { listen.to_vec() } else { outside };
    chosen.truncate(staffroom_protocol::limits::ADDRESSES);
    chosen
}
