//! What proves a school's admission to a partner that has not heard of it (§3.10).
//!
//! A partner that was away lacks the last of a charter, and whoever it does not know learns nothing of
//! how much. So each part can be taken by itself by who holds what comes before, and what a device
//! presents begins with the last part, then with the one before, until one goes on from what is held.

use std::collections::{BTreeMap, BTreeSet};

use super::held::Charter;
use super::missing::Missing;
use super::operation::{Act, Operation};
use crate::bytes;
use crate::fault::Fault;
use crate::id::{DeviceId, SchoolId};
use crate::identity::IdentityChain;

/// What a part that a device presented came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presented {
    /// The device acts for a member.
    Known,
    /// Not yet; it brought a decision, or an admission or enrolment that stands, and the next part may
    /// bring more.
    More,
}

/// What a part has beside its decisions, operations and chains, bytes: the space, and four lengths.
const AROUND: usize = 64;

/// A part under way: with the schools whose chains it needs, and its bytes without them.
type Filled = (Missing, BTreeSet<SchoolId>, usize);

impl Charter {
    /// The charter in parts of at most `most` bytes for a device of `school` to present, in order; each
    /// comes with every identity chain that it speaks of, and with the school's own. Of a part that would
    /// be larger nothing is given, nor of those before it.
    pub fn presentation(&self, school: &SchoolId, most: usize) -> Vec<Missing> {
        let mut whole = self.whole();
        let mut chains: BTreeMap<SchoolId, Vec<IdentityChain>> = BTreeMap::new();
        for chain in core::mem::take(&mut whole.identities) {
            chains.entry(chain.school()).or_default().push(chain);
        }
        let sizes: BTreeMap<&SchoolId, usize> = chains.iter().map(|(s, all)| (s, bytes::encode(all).len())).collect();
        let fits = |schools: &BTreeSet<SchoolId>, filled: usize| {
            AROUND + filled + schools.iter().filter_map(|school| sizes.get(school)).sum::<usize>() <= most
        };
        let mut parts: Vec<Filled> = Vec::new();
        for unit in whole.units() {
            let bytes = bytes::encode(&unit).len();
            let schools: BTreeSet<SchoolId> = unit.schools().chain([*school]).collect();
            if let Some((part, named, filled)) = parts.last_mut() {
                let both = &*named | &schools;
                if fits(&both, *filled + bytes) {
                    part.append(unit);
                    (*named, *filled) = (both, *filled + bytes);
                    continue;
                }
            }
            parts.push((unit, schools, bytes));
        }
        let after = parts.iter().rposition(|(_, named, filled)| !fits(named, *filled)).map_or(0, |place| place + 1);
        let with_chains = |(part, named, _): Filled| Missing {
            identities: named.iter().filter_map(|school| chains.get(school)).flatten().cloned().collect(),
            ..part
        };
        parts.drain(after..).map(with_chains).collect()
    }

    /// What a part comes to that `device` presents. Refused, as where the space does not exist, is one
    /// that neither makes the device known nor brings what is new and stands.
    pub fn presented(&self, part: Missing, device: &DeviceId) -> Result<Presented, Fault> {
        let mut next = self.clone();
        let new = next.admit(part)?.new;
        let stands = |operation: &Operation| match operation.act() {
            Act::Admit(_) => next.resolved.admissions.contains_key(&operation.id()),
            Act::Enrol(enrolment) => next.resolved.writers.contains_key(&enrolment.writer),
            Act::Retire(_) | Act::Leave(_) => false,
        };
        if next.school_of(device).is_some() {
            Ok(Presented::Known)
        } else if !new.decisions.is_empty() || new.operations.iter().any(stands) {
            Ok(Presented::More)
        } else {
            Err(Fault::NoSuchSpace)
        }
    }
}
