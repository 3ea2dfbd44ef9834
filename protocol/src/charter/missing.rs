//! How two nodes bring their charters level (§4.2): how far each holds it, and what the other lacks.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::decision::{Body, Voted};
use super::operation::{Act, Operation};
use crate::bytes;
use crate::id::{DecisionId, DeviceId, OperationId, SchoolId};
use crate::identity::IdentityChain;
use crate::limits;

/// How far a node holds a charter: enough for another to send what is missing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Positions {
    /// How many decisions, and the last of them.
    pub decisions: (u32, DecisionId),
    /// Decisions that are held as evidence beside those of the chain (§3.4).
    pub splits: BTreeSet<DecisionId>,
    /// For each device, how many operations, the last of them, and its rival in a fork.
    pub operations: BTreeMap<DeviceId, (u32, OperationId, OperationId)>,
    /// For each school, the state of its identity chain.
    pub identities: BTreeMap<SchoolId, [u8; 32]>,
}

impl Positions {
    /// Counts these parts as held too.
    pub fn cover(&mut self, parts: &Missing) {
        for voted in &parts.decisions {
            let reached = (voted.decision.number().saturating_add(1), voted.decision.id());
            if reached.0 > self.decisions.0 {
                self.decisions = reached;
            }
        }
        self.splits.extend(parts.splits.iter().map(|split| split.decision.id()));
        for operation in &parts.operations {
            let (number, id) = (operation.number(), operation.id());
            let reach = self.operations.entry(operation.device()).or_default();
            if number > reach.0 {
                *reach = (number, id, OperationId::default());
            } else if number == reach.0 && id != reach.1 {
                reach.2 = id;
            }
        }
        for chain in &parts.identities {
            self.identities.insert(chain.school(), chain.state_hash());
        }
    }
}

/// Parts of a charter: what one node sends another, and what turned out to be new.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Missing {
    /// Identity chains, whole; of one school more than one where something rests on what one was before.
    pub identities: Vec<IdentityChain>,
    /// Decisions in order.
    pub decisions: Vec<Voted>,
    /// Complete decisions beside those of the chain, each the evidence that two were made at a place.
    pub splits: Vec<Voted>,
    /// Operations, those of one device in order.
    pub operations: Vec<Operation>,
}

impl Missing {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.identities.is_empty() && self.decisions.is_empty() && self.splits.is_empty() && self.operations.is_empty()
    }
    /// Splits it into parts that each fit a frame, in an order in which each can be admitted.
    pub fn parts(self) -> Vec<Self> {
        self.split(limits::FRAME / 2)
    }

    pub(super) fn split(self, room: usize) -> Vec<Self> {
        let mut parts = vec![Self::default()];
        let mut size = 0;
        for unit in self.units() {
            let bytes = bytes::encode(&unit).len();
            size += bytes;
            if size > room && !parts.last().is_some_and(Self::is_empty) {
                parts.push(Self::default());
                size = bytes;
            }
            if let Some(part) = parts.last_mut() {
                part.identities.extend(unit.identities);
                part.decisions.extend(unit.decisions);
                part.splits.extend(unit.splits);
                part.operations.extend(unit.operations);
            }
        }
        parts
    }

    /// The schools by whose identities its decisions and operations are judged, and those that it admits.
    pub(super) fn schools(&self) -> impl Iterator<Item = SchoolId> + '_ {
        let decided = self.decisions.iter().chain(&self.splits).flat_map(|voted| voted.decision.signers());
        let admitted = |operation: &Operation| match operation.act() {
            Act::Admit(admission) => Some(admission.school),
            _ => None,
        };
        let operated = self.operations.iter().flat_map(move |o| [Some(o.school()), admitted(o)]).flatten();
        decided.map(|(school, _)| *school).chain(operated)
    }

    /// One decision or operation each, with the identity chains that it is the first to speak of: a
    /// chain that nothing speaks of is not kept. Before a decision comes what was anchored below it.
    pub(super) fn units(self) -> Vec<Self> {
        let mut chains: BTreeMap<SchoolId, Vec<IdentityChain>> = BTreeMap::new();
        for chain in self.identities {
            chains.entry(chain.school()).or_default().push(chain);
        }
        let mut operations = in_order(self.operations).into_iter().peekable();
        let mut splits = self.splits;
        let mut units = Vec::new();
        let mut push_operations = |units: &mut Vec<Self>, chains: &mut BTreeMap<_, _>, below: u64| {
            while let Some((_, operation)) = operations.next_if(|(anchor, _)| u64::from(*anchor) < below) {
                let unit = Self { operations: vec![operation], ..Self::default() };
                let identities = unit.schools().filter_map(|school| chains.remove(&school)).flatten().collect();
                units.push(Self { identities, ..unit });
            }
        };
        for complete in self.decisions {
            push_operations(&mut units, &mut chains, complete.decision.number().into());
            // One that settles is judged by what fell.
            let fallen = |split: &mut Voted| match complete.decision.body() {
                Body::Settle(of) => split.decision.id() == of.falls,
                _ => false,
            };
            let fallen: Vec<Voted> = splits.extract_if(.., fallen).collect();
            let unit = Self { decisions: vec![complete], splits: fallen, ..Self::default() };
            let identities = unit.schools().filter_map(|school| chains.remove(&school)).flatten().collect();
            units.push(Self { identities, ..unit });
        }
        push_operations(&mut units, &mut chains, u64::MAX);
        units.extend(splits.into_iter().map(|split| Self { splits: vec![split], ..Self::default() }));
        // Chains that grew, of schools that are known.
        units.extend(chains.into_values().map(|identities| Self { identities, ..Self::default() }));
        units
    }
}

/// Operations by the decisions that they are anchored at, each with that decision's number, those of
/// one device in their order whatever they say of their anchors.
pub(super) fn in_order(operations: Vec<Operation>) -> Vec<(u32, Operation)> {
    let mut highest: BTreeMap<DeviceId, u32> = BTreeMap::new();
    let anchored = |operation: Operation| {
        let anchor = highest.entry(operation.device()).or_default();
        *anchor = operation.header().anchor.0.max(*anchor);
        (*anchor, operation)
    };
    let mut operations: Vec<(u32, Operation)> = operations.into_iter().map(anchored).collect();
    operations.sort_by_key(|(anchor, _)| *anchor);
    operations
}
