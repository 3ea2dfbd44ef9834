//! Decisions and the votes that complete them (§3.1, §3.2).
//!
//! | field | bytes | |
//! |---|---|---|
//! | layout | 4 | 0 |
//! | space | 32 | zero in decision 0, whose id is the space |
//! | number | 4 | |
//! | prev | 32 | decision number − 1; zero at 0 |
//! | seen | 2, then 68 each | for each device, in order: its last operation (device, number, id) |
//! | signers | 2, then 64 each | for each steward that votes, in order: (school, head of its identity chain) |
//! | body | 1 + … | 0 founding: name, rules 2, space it continues 32, nonce 16; 1 promote: school 32 |
//!
//! A vote: decision 32, school 32, device 32, yes 1, signature 64.

use serde::{Deserialize, Serialize};

use crate::bytes::{Reader, Writer};
use crate::fault::Fault;
use crate::id::{DecisionId, DeviceId, LinkId, OperationId, SchoolId, SpaceId};
use crate::identity::{self, Domain, SecretKey, Signature};
use crate::{hash, limits};

const WHAT: &str = "decision";

/// What a decision decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Founds the space.
    Founding(Founding),
    /// Makes a member a steward.
    Promote(SchoolId),
}

/// How a space begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Founding {
    /// The name people call it by.
    pub name: String,
    /// The rules its records live under.
    pub rules: u16,
    /// The space that this one continues; zero for none (§3.5).
    pub continues: SpaceId,
    /// Random, so that two spaces founded alike are two.
    pub nonce: [u8; 16],
}

/// One step of a charter, with the bytes it came as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<u8>", into = "Vec<u8>")]
pub struct Decision {
    bytes: Vec<u8>,
    space: SpaceId,
    number: u32,
    prev: DecisionId,
    seen: Vec<(DeviceId, u32, OperationId)>,
    signers: Vec<(SchoolId, LinkId)>,
    body: Body,
}

impl Decision {
    /// Founds a space.
    pub fn found(founding: &Founding, founder: (SchoolId, LinkId)) -> Self {
        let head = Self::head(SpaceId::default(), 0, DecisionId::default(), &[], &[founder]);
        let body = head
            .u8(0)
            .short_text(&founding.name)
            .u16(founding.rules)
            .bytes(&founding.continues.0)
            .bytes(&founding.nonce);
        Self::parse(&body.done()).expect("laid out as read")
    }
    /// Proposes to make `school` a steward, on top of `prev`.
    pub fn promote(
        space: SpaceId,
        number: u32,
        prev: DecisionId,
        seen: &[(DeviceId, u32, OperationId)],
        signers: &[(SchoolId, LinkId)],
        school: SchoolId,
    ) -> Self {
        let body = Self::head(space, number, prev, seen, signers).u8(1).bytes(&school.0);
        Self::parse(&body.done()).expect("laid out as read")
    }

    fn head(
        space: SpaceId,
        number: u32,
        prev: DecisionId,
        seen: &[(DeviceId, u32, OperationId)],
        signers: &[(SchoolId, LinkId)],
    ) -> Writer {
        let count = |n: usize| u16::try_from(n).expect("bounded by the limits of a charter");
        let mut writer = Writer::default().u32(0).bytes(&space.0).u32(number).bytes(&prev.0).u16(count(seen.len()));
        for (device, number, id) in seen {
            writer = writer.bytes(&device.0).u32(*number).bytes(&id.0);
        }
        writer = writer.u16(count(signers.len()));
        for (school, head) in signers {
            writer = writer.bytes(&school.0).bytes(&head.0);
        }
        writer
    }

    fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        if bytes.len() > limits::DECISION {
            return Err(Fault::TooLarge { what: WHAT, most: limits::DECISION as u64 });
        }
        let mut reader = Reader::new(bytes, WHAT);
        let layout = reader.u32()?;
        let (space, number, prev) = (reader.id()?, reader.u32()?, reader.id()?);
        let seen = (0..reader.u16()?)
            .map(|_| Ok((reader.id()?, reader.u32()?, reader.id()?)))
            .collect::<Result<Vec<(DeviceId, u32, OperationId)>, Fault>>()?;
        let signers = (0..reader.u16()?)
            .map(|_| Ok((reader.id()?, reader.id()?)))
            .collect::<Result<Vec<(SchoolId, LinkId)>, Fault>>()?;
        let body = match reader.u8()? {
            0 => Body::Founding(Founding {
                name: reader.short_text()?.to_owned(),
                rules: reader.u16()?,
                continues: reader.id()?,
                nonce: reader.array()?,
            }),
            1 => Body::Promote(reader.id()?),
            _ => return Err(reader.malformed()),
        };
        let founds = matches!(body, Body::Founding(_));
        let first = number == 0 && space == SpaceId::default() && prev == DecisionId::default();
        let later = number != 0 && space != SpaceId::default() && prev != DecisionId::default();
        let sorted = seen.is_sorted_by(|a, b| a.0 < b.0) && signers.is_sorted_by(|a, b| a.0 < b.0);
        if layout != 0 || !sorted || !(if founds { first && signers.len() == 1 && seen.is_empty() } else { later }) {
            return Err(reader.malformed());
        }
        reader.end()?;
        Ok(Self { bytes: bytes.to_vec(), space, number, prev, seen, signers, body })
    }

    /// Its id: what votes sign.
    pub fn id(&self) -> DecisionId {
        DecisionId(hash::DECISION.hash(&[&self.bytes]))
    }
    /// The space it belongs to.
    pub fn space(&self) -> SpaceId {
        if self.number == 0 { SpaceId(self.id().0) } else { self.space }
    }
    /// Its place in the chain.
    pub fn number(&self) -> u32 {
        self.number
    }
    /// The decision before it; zero at 0.
    pub fn prev(&self) -> DecisionId {
        self.prev
    }
    /// For each device, the last operation that it takes into account.
    pub fn seen(&self) -> &[(DeviceId, u32, OperationId)] {
        &self.seen
    }
    /// The schools that may vote on it, with the heads of their identity chains.
    pub fn signers(&self) -> &[(SchoolId, LinkId)] {
        &self.signers
    }
    /// What it decides.
    pub fn body(&self) -> &Body {
        &self.body
    }
}

impl TryFrom<Vec<u8>> for Decision {
    type Error = Fault;
    fn try_from(bytes: Vec<u8>) -> Result<Self, Fault> {
        Self::parse(&bytes)
    }
}
impl From<Decision> for Vec<u8> {
    fn from(decision: Decision) -> Self {
        decision.bytes
    }
}

/// A steward's yes or no, signed by the device that holds `govern`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// The school that votes.
    pub school: SchoolId,
    /// The device that signs for it.
    pub device: DeviceId,
    /// Yes or no.
    pub yes: bool,
    /// Over decision, school, device and answer.
    #[serde(with = "serde_signature")]
    signature: Signature,
}

impl Vote {
    /// Signs a vote.
    pub fn sign(decision: DecisionId, school: SchoolId, yes: bool, device: &SecretKey) -> Self {
        let id = device.public();
        let signature = device.sign(Domain::Vote, &Self::hash(decision, school, id, yes));
        Self { school, device: id, yes, signature }
    }
    /// Checks that it is a vote on this decision.
    pub fn verify(&self, decision: DecisionId) -> Result<(), Fault> {
        let hash = Self::hash(decision, self.school, self.device, self.yes);
        identity::verify(&self.device.0, Domain::Vote, &hash, &self.signature)
    }
    fn hash(decision: DecisionId, school: SchoolId, device: DeviceId, yes: bool) -> [u8; 32] {
        hash::VOTE.hash(&[&decision.0, &school.0, &device.0, &[u8::from(yes)]])
    }
}

/// A decision with the votes that complete it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Complete {
    /// What was decided.
    pub decision: Decision,
    /// The votes; more than half of the stewards said yes.
    pub votes: Vec<Vote>,
}

/// Signatures in serde: 64 bytes, longer than serde's arrays.
pub(super) mod serde_signature {
    use crate::identity::Signature;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    pub(crate) fn serialize<S: Serializer>(signature: &Signature, s: S) -> Result<S::Ok, S::Error> {
        let (a, b) = signature.split_at(32);
        let half = |bytes: &[u8]| <[u8; 32]>::try_from(bytes).expect("half of 64 bytes");
        (half(a), half(b)).serialize(s)
    }
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Signature, D::Error> {
        let (a, b) = <([u8; 32], [u8; 32])>::deserialize(d)?;
        [a, b].concat().try_into().map_err(|_| de::Error::custom("64 bytes"))
    }
}
