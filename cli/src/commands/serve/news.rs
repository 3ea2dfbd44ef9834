//! What is worth a line while a node runs: a partner in step or lost, a school that joined, records
//! that came in.
//!
//! States are compared, not counted: whatever happened between two looks is one piece of news, and each
//! look yields one at most. So a busy node says as little as a quiet one.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};
use staffroom_node::api::{Member, Named, PartnerState, Status, WaitingSchool};
use staffroom_protocol::id::{DeviceId, SchoolId, SpaceId};

use crate::commands::cluster::role;
use crate::commands::status::waits;
use crate::output::{count, one_line, some};

/// What was told so far.
pub(super) struct News {
    members: BTreeSet<(SpaceId, SchoolId)>,
    waiting: BTreeSet<(SpaceId, SchoolId)>,
    in_step: BTreeMap<(SpaceId, DeviceId), bool>,
    records: u64,
}

/// Something worth a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// A school belongs now.
    Joined { space: Named<SpaceId>, member: Member },
    /// A school waits to be confirmed.
    Waits { space: Named<SpaceId>, school: WaitingSchool },
    /// A partner holds what we hold.
    InStep { space: Named<SpaceId>, school: Named<SchoolId>, device: DeviceId },
    /// A partner is not connected any more.
    Lost { space: Named<SpaceId>, school: Named<SchoolId>, device: DeviceId, error: Option<String> },
    /// There are more records than before.
    Records { new: u64, total: u64 },
}

impl News {
    /// What is so now is no news.
    pub(super) fn since(status: &Status) -> Self {
        let mut news = Self {
            members: BTreeSet::new(),
            waiting: BTreeSet::new(),
            in_step: BTreeMap::new(),
            records: status.store.records,
        };
        for space in &status.spaces {
            news.members.extend(space.members.iter().map(|member| (space.id, member.school.id)));
        }
        news
    }
    /// The next piece of news, if there is any.
    pub(super) fn next(&mut self, status: &Status) -> Option<Event> {
        for space in &status.spaces {
            let named = Named { id: space.id, name: space.name.clone() };
            for member in &space.members {
                // Our own school is no news to us.
                if self.members.insert((space.id, member.school.id)) && member.school.id != status.school.id {
                    return Some(Event::Joined { space: named, member: member.clone() });
                }
            }
            let waits = |id: &SchoolId| space.waiting.iter().any(|waiting| waiting.school.id == *id);
            self.waiting.retain(|(of, school)| *of != space.id || waits(school));
            for school in space.waiting.iter().filter(|school| school.words.is_some()) {
                if self.waiting.insert((space.id, school.school.id)) {
                    return Some(Event::Waits { space: named, school: school.clone() });
                }
            }
            for partner in &space.partners {
                let told = self.in_step.entry((space.id, partner.device)).or_default();
                let (school, device) = (partner.school.clone(), partner.device);
                match partner.state {
                    PartnerState::InStep if !*told => {
                        *told = true;
                        return Some(Event::InStep { space: named, school, device });
                    }
                    PartnerState::Unheard if *told => {
                        *told = false;
                        return Some(Event::Lost { space: named, school, device, error: partner.error.clone() });
                    }
                    _ => {}
                }
            }
        }
        let total = status.store.records;
        let new = total.saturating_sub(self.records);
        self.records = total;
        (new > 0).then_some(Event::Records { new, total })
    }
}

impl Event {
    /// For scripts.
    pub(super) fn json(&self) -> Json {
        match self {
            Self::Joined { space, member } => {
                json!({ "event": "joined", "space": space, "school": member.school, "role": member.role })
            }
            Self::Waits { space, school } => {
                let WaitingSchool { school, role, words, .. } = school;
                json!({ "event": "waiting", "space": space, "school": school, "role": role, "words": words })
            }
            Self::InStep { space, school, device } => {
                json!({ "event": "in_step", "space": space, "school": school, "device": device })
            }
            Self::Lost { space, school, device, error } => {
                json!({ "event": "lost", "space": space, "school": school, "device": device, "error": error })
            }
            Self::Records { new, total } => json!({ "event": "records", "new": new, "total": total }),
        }
    }
    /// For people.
    pub(super) fn line(&self) -> String {
        let time = crate::when::now().strftime("%H:%M");
        match self {
            Self::Joined { space, member } => {
                let (school, space) = (one_line(&member.school.name), one_line(&space.name));
                format!("{time}  {school} belongs to {space}, as a {}", role(member.role))
            }
            Self::Waits { space, school } => {
                format!("{time}  {} ({})", waits(school), one_line(&space.name))
            }
            Self::InStep { space, school, .. } => {
                format!("{time}  {}: in step ({})", one_line(&school.name), one_line(&space.name))
            }
            Self::Lost { school, error, .. } => {
                let why = error.as_ref().map(|why| format!(" ({})", one_line(why))).unwrap_or_default();
                format!("{time}  {}: not heard any more{why}", one_line(&school.name))
            }
            Self::Records { new, total } => {
                format!("{time}  {} more, {} in all", some(*new, "record", "records"), count(*total))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use staffroom_node::api::{Partner, SpaceStatus, StoreStatus};

    fn status(state: PartnerState, records: u64) -> Status {
        let school = Named { id: SchoolId([1; 32]), name: "Brook".to_owned() };
        let member = Member { school: school.clone(), role: staffroom_protocol::charter::Role::Contributor };
        let (last_heard, error) = (None, Some("gone".to_owned()));
        let partner =
            Partner { school, device: DeviceId([2; 32]), state, missing: 0, last_heard, error, refused: None };
        let space = SpaceStatus {
            id: SpaceId([3; 32]),
            name: "The Brook Cluster".to_owned(),
            frontier: String::new(),
            charter: String::new(),
            members: vec![member],
            partners: vec![partner],
            waiting: Vec::new(),
            decisions: Vec::new(),
            forks: Vec::new(),
            device_forks: Vec::new(),
        };
        Status {
            school: Named { id: SchoolId([9; 32]), name: "Hillside".to_owned() },
            running: true,
            device: DeviceId([8; 32]),
            listen: Vec::new(),
            strangers: None,
            store: StoreStatus { records, ..StoreStatus::default() },
            spaces: vec![space],
        }
    }

    #[test]
    fn each_change_is_told_once() {
        let mut news = News::since(&status(PartnerState::Unheard, 3));
        assert_eq!(news.next(&status(PartnerState::Unheard, 3)), None);
        assert!(matches!(news.next(&status(PartnerState::InStep, 5)), Some(Event::InStep { .. })));
        assert_eq!(news.next(&status(PartnerState::InStep, 5)), Some(Event::Records { new: 2, total: 5 }));
        assert_eq!(news.next(&status(PartnerState::Behind, 5)), None);
        assert_eq!(news.next(&status(PartnerState::InStep, 5)), None);
        assert!(matches!(news.next(&status(PartnerState::Unheard, 5)), Some(Event::Lost { .. })));
        assert_eq!(news.next(&status(PartnerState::Unheard, 5)), None);
    }
}
