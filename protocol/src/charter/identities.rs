//! The identity chains of the schools that a charter speaks of (§1.2).
//!
//! What a decision was judged by stays good: a school that starts its chain again from an earlier
//! link, or lets two branches of it freeze each other, undoes nothing that others rest on. So a chain
//! as it was is kept as long as something names a link that does not count as it did.

use std::collections::BTreeMap;

use crate::fault::Fault;
use crate::id::{DeviceId, LinkId, SchoolId};
use crate::identity::{IdentityChain, Rights};
use crate::limits;

/// One chain of each school, and earlier states of some.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identities {
    now: BTreeMap<SchoolId, IdentityChain>,
    past: Vec<IdentityChain>,
}

/// Something that was signed at a link: by which school's device.
pub(super) type Named = (SchoolId, LinkId, DeviceId);

impl Identities {
    /// The chain of a school.
    pub fn get(&self, school: &SchoolId) -> Option<&IdentityChain> {
        self.now.get(school)
    }
    /// All chains, by school.
    pub fn iter(&self) -> impl Iterator<Item = (&SchoolId, &IdentityChain)> {
        self.now.iter()
    }
    /// Chains as they were, which something still rests on.
    pub fn past(&self) -> &[IdentityChain] {
        &self.past
    }
    /// The chains of a school, as it is and as it was.
    fn all<'a>(&'a self, school: &'a SchoolId) -> impl Iterator<Item = &'a IdentityChain> {
        self.now.get(school).into_iter().chain(self.past.iter().filter(|chain| chain.school() == *school))
    }
    /// What a device might do for its school at a link, by the chain in which it might do most.
    pub fn rights_at(&self, school: &SchoolId, head: &LinkId, device: &DeviceId) -> Option<Rights> {
        self.all(school).filter_map(|chain| chain.rights_at(head, device)).reduce(Rights::and)
    }
    /// Whether a link of a school's chain is held.
    pub fn has(&self, school: &SchoolId, link: &LinkId) -> bool {
        self.all(school).any(|chain| chain.follows(link, link))
    }
    /// Whether a link is another one, comes after it, or counts where the other was left behind.
    pub fn follows(&self, school: &SchoolId, earlier: &LinkId, later: &LinkId) -> bool {
        let now = self.now.get(school);
        let has = |link| now.is_some_and(|chain| chain.follows(link, link));
        earlier == later || self.all(school).any(|chain| chain.follows(earlier, later)) || (has(later) && !has(earlier))
    }
    /// Whether a device was ever certified with these rights.
    pub fn ever(&self, school: &SchoolId, device: &DeviceId, rights: Rights) -> bool {
        self.all(school).any(|chain| chain.ever(device, rights))
    }

    /// Takes in a chain; says whether that changed what counts.
    pub(super) fn take(&mut self, chain: &IdentityChain) -> Result<bool, Fault> {
        let school = chain.school();
        let Some(held) = self.now.get_mut(&school) else {
            if self.now.len() > 2 * limits::LIVE_ADMISSIONS {
                return Err(Fault::TooLarge { what: "charter", most: limits::LIVE_ADMISSIONS as u64 });
            }
            self.now.insert(school, chain.clone());
            return Ok(true);
        };
        let before = held.clone();
        let changed = held.merge(chain)?;
        // What counted here once may be rested on; what was outweighed when it came proves nothing, or
        // an old sheet could still vote. Whether it is needed is asked when it is known what rests on it.
        self.past.extend(changed.then_some(before));
        Ok(changed)
    }
    /// Keeps the chains of these schools, and of earlier states what the named things rest on.
    pub(super) fn retain(&mut self, schools: &[SchoolId], named: &[Named]) -> Result<(), Fault> {
        self.now.retain(|school, _| schools.contains(school));
        let mut kept: Vec<IdentityChain> = Vec::new();
        let mut candidates = core::mem::take(&mut self.past);
        candidates.sort_by_key(IdentityChain::state_hash);
        candidates.dedup();
        for (school, head, device) in named {
            let had = |chain: &IdentityChain| chain.rights_at(head, device).filter(|_| chain.school() == *school);
            let now = self.now.get(school).and_then(had);
            let best = candidates.iter().filter(|chain| had(chain) > now).max_by_key(|chain| had(chain));
            if let Some(best) = best.filter(|_| !kept.iter().any(|chain| had(chain) > now)) {
                kept.push(best.clone());
            }
        }
        let most = kept.iter().map(|chain| kept.iter().filter(|c| c.school() == chain.school()).count()).max();
        if most > Some(limits::PAST_IDENTITIES) {
            return Err(Fault::TooLarge { what: "past of a school's identity", most: limits::PAST_IDENTITIES as u64 });
        }
        self.past = kept;
        Ok(())
    }
}
