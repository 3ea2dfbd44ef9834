//! Our own profile: shared in each space that we are in, with the addresses where our node is reached.

use std::collections::BTreeMap;

use staffroom_protocol::catalogue::Catalogue;
use staffroom_protocol::id::SpaceId;
use staffroom_protocol::record::field::Value;
use staffroom_protocol::replica::{Draft, Edit};

use super::desk::Desk;
use super::names::reachable;
use super::wall_clock;

/// Shares the school's profile in a space that it just entered.
pub(super) fn introduce(desk: &mut Desk, space: SpaceId) {
    let Some(own) = desk.replica.own_space() else { return };
    let school = desk.replica.school();
    let profile = Catalogue(desk.replica.store()).profile(&own, &school).ok().flatten();
    let already = Catalogue(&desk.replica.reader()).profile(&space, &school).ok().flatten().is_some();
    let Some(profile) = profile.filter(|_| !already) else { return };
    let mut fields = profile.fields;
    fields.remove("kind");
    fields.insert("addresses".to_owned(), Value::set(reachable(&desk.listen)));
    let draft = Draft { space, kind: "school".to_owned(), fields, author: String::new(), open: None };
    if let Err(fault) = desk.replica.create(&draft, wall_clock()) {
        tracing::warn!(%fault, "the school's profile was not shared");
    }
}

/// Keeps the addresses in our profiles, so that partners find a node that moved.
pub(super) fn publish_addresses(desk: &mut Desk) {
    let (own, school) = (desk.replica.own_space(), desk.replica.school());
    // The own space has no address to tell as long as one device is the school.
    let alone = desk.replica.identity().devices().len() < 2;
    let told = |id: &SpaceId| Some(*id) != own || !alone;
    let spaces: Vec<SpaceId> = desk.replica.spaces().map(|(id, _)| *id).filter(told).collect();
    for space in spaces {
        let Some(profile) = Catalogue(desk.replica.store()).profile(&space, &school).ok().flatten() else { continue };
        let addresses = Value::set(with_siblings(profile.set("addresses"), &desk.listen));
        if profile.set("addresses") == addresses.members() {
            continue;
        }
        let fields = BTreeMap::from([("addresses".to_owned(), addresses.clone())]);
        let edit = Edit { record: profile.id, fields, heads: None, author: String::new() };
        if let Err(fault) = desk.replica.edit(&edit, wall_clock()) {
            tracing::warn!(%fault, "the node's addresses were not shared");
        }
    }
}

/// The addresses of this device, and those known that name another one.
fn with_siblings(known: &[String], listen: &[String]) -> Vec<String> {
    let named = |address: &str| address.rsplit_once("/p2p/").map(|(_, name)| name.to_owned());
    let ours = listen.first().and_then(|address| named(address));
    let siblings = known.iter().filter(|address| named(address).is_some_and(|name| Some(name) != ours));
    let mut all = reachable(listen);
    all.extend(siblings.cloned());
    all.truncate(staffroom_protocol::limits::ADDRESSES);
    all
}
