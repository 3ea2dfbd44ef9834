//! Operations: what one school does by itself (§3.3).
//!
//! | field | bytes | |
//! |---|---|---|
//! | layout | 4 | 0 |
//! | space | 32 | |
//! | school | 32 | that the device acts for |
//! | identity | 32 | head of the school's identity chain that certifies the device |
//! | device | 32 | |
//! | number | 4 | from 1, no gaps |
//! | prev | 32 | the device's operation before; zero at 1 |
//! | anchor | 4 + 32 | number and id of the decision it is anchored at |
//! | act | 1 + … | 1 admit: school 32, role 1, void admission 32, ticket 32, joiner's device 32, acceptance 64; 2 enrol: admission 32, writer 32, consent 64; 3 retire: writer 32, entries that stand 8, the last of them 32; 4 leave: admission 32, cuts as in a decision |
//! | signature | 64 | |

use serde::{Deserialize, Serialize};

use super::cut::LogCut;
use super::role::Role;
use crate::bytes::{Reader, Writer};
use crate::fault::Fault;
use crate::id::{DecisionId, DeviceId, LinkId, OperationId, SchoolId, SpaceId, TicketId, WriterId};
use crate::identity::{self, Domain, SecretKey, Signature};
use crate::{hash, limits};

const WHAT: &str = "operation";

/// What an operation does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// A steward admits a school.
    Admit(Admission),
    /// A school enrols a writer of its own.
    Enrol(Enrolment),
    /// A school retires a writer of its own.
    Retire(LogCut),
    /// A school that is no steward leaves.
    Leave(Departure),
}

/// A school is admitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admission {
    /// Who is admitted.
    pub school: SchoolId,
    /// With which role: reader or contributor.
    pub role: Role,
    /// A void admission of the same school whose enrolments stand again; zero for none.
    pub instead_of: OperationId,
    /// The ticket that was redeemed.
    pub ticket: TicketId,
    /// The device that accepted for the school.
    pub device: DeviceId,
    /// Its signature over space, ticket, school and role.
    #[serde(with = "super::decision::serde_signature")]
    pub acceptance: Signature,
}

impl Admission {
    /// What the joiner's device signs.
    pub fn acceptance_hash(space: SpaceId, ticket: TicketId, school: SchoolId, role: Role) -> [u8; 32] {
        hash::ACCEPTANCE.hash(&[&space.0, &ticket.0, &school.0, &[role.byte()]])
    }
}

/// A writer is enrolled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolment {
    /// The admission it belongs to; the space's id for a school that founded it.
    pub admission: OperationId,
    /// The writer.
    pub writer: WriterId,
    /// The writer's signature over space, school and device: nobody enrols another's key.
    pub consent: Signature,
}

impl Enrolment {
    /// What the writer's key signs.
    pub fn consent_hash(space: SpaceId, school: SchoolId, device: DeviceId) -> [u8; 32] {
        hash::CONSENT.hash(&[&space.0, &school.0, &device.0])
    }
}

/// A school leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Departure {
    /// The admission that ends; the space's id for a school that founded it.
    pub admission: OperationId,
    /// Where the logs under that admission end, as they were held: leaving takes nothing away.
    pub cuts: Vec<LogCut>,
}

/// One signed operation, with the bytes it came as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<u8>", into = "Vec<u8>")]
pub struct Operation {
    bytes: Vec<u8>,
    id: OperationId,
    header: Header,
    act: Act,
}

/// Where an operation stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) space: SpaceId,
    pub(crate) school: SchoolId,
    pub(crate) identity: LinkId,
    pub(crate) device: DeviceId,
    pub(crate) number: u32,
    pub(crate) prev: OperationId,
    pub(crate) anchor: (u32, DecisionId),
}

impl Operation {
    /// Signs an operation.
    pub(crate) fn sign(header: &Header, act: &Act, device: &SecretKey) -> Self {
        let writer = Writer::with_capacity(512)
            .u32(0)
            .bytes(&header.space.0)
            .bytes(&header.school.0)
            .bytes(&header.identity.0)
            .bytes(&header.device.0)
            .u32(header.number)
            .bytes(&header.prev.0)
            .u32(header.anchor.0)
            .bytes(&header.anchor.1.0);
        let unsigned = match act {
            Act::Admit(a) => writer
                .u8(1)
                .bytes(&a.school.0)
                .u8(a.role.byte())
                .bytes(&a.instead_of.0)
                .bytes(&a.ticket.0)
                .bytes(&a.device.0)
                .bytes(&a.acceptance),
            Act::Enrol(e) => writer.u8(2).bytes(&e.admission.0).bytes(&e.writer.0).bytes(&e.consent),
            Act::Retire(cut) => cut.write(writer.u8(3)),
            Act::Leave(leave) => LogCut::write_all(&leave.cuts, writer.u8(4).bytes(&leave.admission.0)),
        }
        .done();
        let signature = device.sign(Domain::Operation, &hash::OPERATION.hash(&[&unsigned]));
        Self::parse(&[&unsigned[..], &signature].concat()).expect("laid out as read")
    }

    fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        if bytes.len() > limits::DECISION {
            return Err(Fault::TooLarge { what: WHAT, most: limits::DECISION as u64 });
        }
        let (unsigned, _) =
            bytes.split_at_checked(bytes.len().wrapping_sub(64)).ok_or(Fault::Malformed { what: WHAT })?;
        let mut reader = Reader::new(unsigned, WHAT);
        if reader.u32()? != 0 {
            return Err(reader.malformed());
        }
        let header = Header {
            space: reader.id()?,
            school: reader.id()?,
            identity: reader.id()?,
            device: reader.id()?,
            number: reader.u32()?,
            prev: reader.id()?,
            anchor: (reader.u32()?, reader.id()?),
        };
        let act = match reader.u8()? {
            1 => Act::Admit(Admission {
                school: reader.id()?,
                role: Role::admitted(reader.u8()?).ok_or(Fault::Malformed { what: WHAT })?,
                instead_of: reader.id()?,
                ticket: reader.id()?,
                device: reader.id()?,
                acceptance: reader.array()?,
            }),
            2 => Act::Enrol(Enrolment { admission: reader.id()?, writer: reader.id()?, consent: reader.array()? }),
            3 => Act::Retire(LogCut::read(&mut reader)?),
            4 => Act::Leave(Departure { admission: reader.id()?, cuts: LogCut::read_all(&mut reader)? }),
            _ => return Err(reader.malformed()),
        };
        // Cuts are as many as there are logs; nothing else is large.
        if bytes.len() > limits::OPERATION && !matches!(act, Act::Leave(_)) {
            return Err(Fault::TooLarge { what: WHAT, most: limits::OPERATION as u64 });
        }
        let first = header.prev == OperationId::default();
        if header.number == 0 || first != (header.number == 1) {
            return Err(reader.malformed());
        }
        reader.end()?;
        let id = OperationId(hash::OPERATION.hash(&[unsigned]));
        Ok(Self { bytes: bytes.to_vec(), id, header, act })
    }

    /// Checks its signature and the consents in it. Who had the right is for `resolve`.
    pub fn verify(&self) -> Result<(), Fault> {
        let signature: Signature = self.bytes[self.bytes.len() - 64..].try_into().expect("parsed with a signature");
        let header = &self.header;
        identity::verify(&header.device.0, Domain::Operation, &self.id.0, &signature)?;
        match &self.act {
            Act::Admit(a) => {
                let hash = Admission::acceptance_hash(header.space, a.ticket, a.school, a.role);
                identity::verify(&a.device.0, Domain::Acceptance, &hash, &a.acceptance)
            }
            Act::Enrol(e) => {
                let hash = Enrolment::consent_hash(header.space, header.school, header.device);
                identity::verify(&e.writer.0, Domain::Consent, &hash, &e.consent)
            }
            Act::Retire(_) | Act::Leave(_) => Ok(()),
        }
    }

    /// The hash of what is signed.
    pub fn id(&self) -> OperationId {
        self.id
    }
    /// What it does.
    pub fn act(&self) -> &Act {
        &self.act
    }
    /// The school that acts.
    pub fn school(&self) -> SchoolId {
        self.header.school
    }
    /// The device that signs.
    pub fn device(&self) -> DeviceId {
        self.header.device
    }
    /// Its place in the device's chain, from 1.
    pub fn number(&self) -> u32 {
        self.header.number
    }
    /// The device's operation before; zero for the first.
    pub fn prev(&self) -> OperationId {
        self.header.prev
    }
    pub(crate) fn header(&self) -> &Header {
        &self.header
    }
}

impl TryFrom<Vec<u8>> for Operation {
    type Error = Fault;
    fn try_from(bytes: Vec<u8>) -> Result<Self, Fault> {
        Self::parse(&bytes)
    }
}
impl From<Operation> for Vec<u8> {
    fn from(operation: Operation) -> Self {
        operation.bytes
    }
}
