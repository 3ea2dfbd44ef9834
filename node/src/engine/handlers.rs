//! What each request of the API does: changes here, lookups in [`super::lookup`].

use super::desk::Desk;
use super::names::{OWN, clusters, failed};
use super::profile::introduce;
use super::{deciding, devices, erasing, files, history, lookup, saving, waiting};
use crate::api::{Answer, Code, Failure, Named, Request};

/// Does what a request asks for, staged.
pub(super) fn answer(desk: &mut Desk, request: Request) -> Result<Answer, Failure> {
    match request {
        Request::Status | Request::Sync { .. } => lookup::status(desk).map(|status| Answer::Status(Box::new(status))),
        Request::Clusters => lookup::clusters(desk).map(Answer::Clusters),
        Request::List(filter) => lookup::list(desk, &filter).map(Answer::List),
        Request::Count(filter) => lookup::count(desk, &filter).map(Answer::Count),
        Request::Ids(filter) => lookup::ids(desk, &filter).map(Answer::Ids),
        Request::Records { ids } => lookup::records(desk, &ids).map(Answer::Records),
        Request::Show { id, at } => {
            let record = lookup::show(desk, &id, at.as_deref())?;
            desk.opened = Some(record.summary.id);
            Ok(Answer::Record(Box::new(record)))
        }
        Request::History { id } => history::history(desk, &id).map(|history| Answer::History(Box::new(history))),
        Request::BackTo { id, version, author } => history::back_to(desk, &id, &version, author),
        Request::Settle { id, field, value, author } => history::settle(desk, &id, field, value, author),
        Request::Adapt { id, to, author } => history::adapt(desk, &id, to.as_deref(), author),
        Request::CreateCluster { name } => create_cluster(desk, &name),
        Request::Save { to, records } => saving::save(desk, to.as_deref(), records),
        Request::Import { to, records } => saving::import(desk, to.as_deref(), records),
        Request::Edit { id, fields, heads, author } => saving::edit(desk, &id, fields, heads, author),
        Request::Files { id, file, .. } => {
            let (space, files) = files::of_record(desk, &id, file.as_deref())?;
            Ok(Answer::Files { space, files })
        }
        Request::Fetching { .. } => Ok(Answer::Fetching { done: 0, of: 0 }),
        Request::BeforeErasing { id } => erasing::look(desk, &id),
        Request::Erase { id } => erasing::erase(desk, &id),
        Request::Erasure { id } => erasing::status(desk, &id),
        Request::Hide { id, hidden } => erasing::hide(desk, &id, hidden),
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
