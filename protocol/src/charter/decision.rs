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
//! | body | 1 + … | see [`Body`] |
//!
//! A list of cuts: 2, then 72 each, in order: (writer 32, entries that stand 8, the last of them 32).
//!
//! | body | kind | then |
//! |---|---|---|
//! | founding | 0 | name 1 + n, rules 2, space it continues 32, nonce 16 |
//! | promote | 1 | school 32 |
//! | demote | 2 | school 32, role 1, cuts (none unless to reader) |
//! | remove | 3 | school 32, cuts |
//! | end a fork | 4 | writer 32, entries that stand 8, the last of them 32 |
//! | erase | 5 | record 32, writer 32 and seq 8 of its genesis |
//! | rename | 6 | name 1 + n |
//! | upgrade | 7 | rules 2, layout 4, resolver 2 |
//! | settle | 8 | number 4, the decision that stands 32, the one that does not 32 |
//!
//! A vote: decision 32, school 32, device 32, yes 1, signature 64.

use serde::{Deserialize, Serialize};

use super::cut::{LogCut, count};
use super::role::Role;
use crate::bytes::{Reader, Writer};
use crate::fault::Fault;
use crate::id::{DecisionId, DeviceId, LinkId, OperationId, RecordId, SchoolId, SpaceId, WriterId};
use crate::identity::{self, Domain, SecretKey, Signature};
use crate::planted::{self, Planted};
use crate::{hash, limits};

const WHAT: &str = "decision";

/// What a decision decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Founds the space.
    Founding(Founding),
    /// Makes a member a steward.
    Promote(SchoolId),
    /// Takes the right to admit and decide; as a reader the right to write too, from these cuts on.
    Demote(SchoolId, Role, Vec<LogCut>),
    /// Ends a school's membership; its logs stand up to these cuts.
    Remove(SchoolId, Vec<LogCut>),
    /// Says where a forked log ends.
    EndFork(LogCut),
    /// Erases a record, named with the place of its genesis (§6).
    Erase(RecordId, WriterId, u64),
    /// Gives the space another name.
    Rename(String),
    /// Names the versions that what follows lives under.
    Upgrade(Versions),
    /// Of two complete decisions at one place, says which stands (§3.4).
    Settle(Settlement),
}

impl Body {
    /// Its word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Founding(_) => "found",
            Self::Promote(_) => "promote",
            Self::Demote(..) => "demote",
            Self::Remove(..) => "remove",
            Self::EndFork(_) => "end-fork",
            Self::Erase(..) => "erase",
            Self::Rename(_) => "rename",
            Self::Upgrade(_) => "upgrade",
            Self::Settle(_) => "settle",
        }
    }
    /// The school that it is about, where it is about one.
    pub fn school(&self) -> Option<SchoolId> {
        match self {
            Self::Promote(school) | Self::Demote(school, ..) | Self::Remove(school, _) => Some(*school),
            _ => None,
        }
    }
}

/// What a space's records, entries and charter live under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Versions {
    /// Of the rules for changes.
    pub rules: u16,
    /// Of entries' layout.
    pub layout: u32,
    /// Of the function from a charter to members.
    pub resolver: u16,
}

/// Which of two complete decisions at one place stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    /// Their place.
    pub number: u32,
    /// The one that stands.
    pub stands: DecisionId,
    /// The one that does not.
    pub falls: DecisionId,
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

/// Where a decision stands in its chain, and what it has seen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// The space; zero in decision 0.
    pub space: SpaceId,
    /// Its number.
    pub number: u32,
    /// The decision before.
    pub prev: DecisionId,
    /// For each device, its last operation that is taken into account, in order of the devices.
    pub seen: Vec<(DeviceId, u32, OperationId)>,
    /// The schools that may vote, with the heads of their identity chains, in order.
    pub signers: Vec<(SchoolId, LinkId)>,
}

impl Decision {
    /// Founds a space.
    pub fn found(founding: &Founding, founder: (SchoolId, LinkId)) -> Self {
        let place = Place { signers: vec![founder], ..Place::default() };
        Self::new(&place, &Body::Founding(founding.clone())).expect("a founding is small")
    }
    /// Lays a decision out. Refused where it would be larger than one may be.
    pub fn new(place: &Place, body: &Body) -> Result<Self, Fault> {
        let mut writer = Writer::default().u32(0).bytes(&place.space.0).u32(place.number).bytes(&place.prev.0);
        writer = writer.u16(count(place.seen.len()));
        for (device, number, id) in &place.seen {
            writer = writer.bytes(&device.0).u32(*number).bytes(&id.0);
        }
        writer = writer.u16(count(place.signers.len()));
        for (school, head) in &place.signers {
            writer = writer.bytes(&school.0).bytes(&head.0);
        }
        Self::parse(&body.write(writer).done())
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
        let body = Body::read(&mut reader)?;
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

impl Body {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Fault> {
        Ok(match reader.u8()? {
            0 => Self::Founding(Founding {
                name: reader.short_text()?.to_owned(),
                rules: reader.u16()?,
                continues: reader.id()?,
                nonce: reader.array()?,
            }),
            1 => Self::Promote(reader.id()?),
            2 => {
                let school = reader.id()?;
                let role = Role::admitted(reader.u8()?).ok_or_else(|| reader.malformed())?;
                let cuts = LogCut::read_all(reader)?;
                if role != Role::Reader && !cuts.is_empty() {
                    return Err(reader.malformed());
                }
                Self::Demote(school, role, cuts)
            }
            3 => Self::Remove(reader.id()?, LogCut::read_all(reader)?),
            4 => Self::EndFork(LogCut::read(reader)?),
            5 => Self::Erase(reader.id()?, reader.id()?, reader.u64()?),
            6 => Self::Rename(reader.short_text()?.to_owned()),
            7 => Self::Upgrade(Versions { rules: reader.u16()?, layout: reader.u32()?, resolver: reader.u16()? }),
            8 => Self::Settle(Settlement { number: reader.u32()?, stands: reader.id()?, falls: reader.id()? }),
            _ => return Err(reader.malformed()),
        })
    }
    fn write(&self, writer: Writer) -> Writer {
        match self {
            Self::Founding(founding) => writer
                .u8(0)
                .short_text(&founding.name)
                .u16(founding.rules)
                .bytes(&founding.continues.0)
                .bytes(&founding.nonce),
            Self::Promote(school) => writer.u8(1).bytes(&school.0),
            Self::Demote(school, role, cuts) => LogCut::write_all(cuts, writer.u8(2).bytes(&school.0).u8(role.byte())),
            Self::Remove(school, cuts) => LogCut::write_all(cuts, writer.u8(3).bytes(&school.0)),
            Self::EndFork(cut) => cut.write(writer.u8(4)),
            Self::Erase(record, genesis, seq) => writer.u8(5).bytes(&record.0).bytes(&genesis.0).u64(*seq),
            Self::Rename(name) => writer.u8(6).short_text(name),
            Self::Upgrade(to) => writer.u8(7).u16(to.rules).u32(to.layout).u16(to.resolver),
            Self::Settle(of) => writer.u8(8).u32(of.number).bytes(&of.stands.0).bytes(&of.falls.0),
        }
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
        if planted::is(Planted::UnsignedVote) {
            return Ok(());
        }
        let hash = Self::hash(decision, self.school, self.device, self.yes);
        identity::verify(&self.device.0, Domain::Vote, &hash, &self.signature)
    }
    fn hash(decision: DecisionId, school: SchoolId, device: DeviceId, yes: bool) -> [u8; 32] {
        hash::VOTE.hash(&[&decision.0, &school.0, &device.0, &[u8::from(yes)]])
    }
}

/// A decision with votes: a proposal as long as they do not complete it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voted {
    /// What is, or is to be, decided.
    pub decision: Decision,
    /// The votes. Complete: more than half of the stewards said yes.
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
