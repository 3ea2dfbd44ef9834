//! Invitations: a ticket is text; who holds it may join once (§3.9).

use serde::{Deserialize, Serialize};

use super::missing::Missing;
use super::role::Role;
use super::text;
use super::words::{Nonce, Words};
use crate::hash;
use crate::id::{DecisionId, DeviceId, SchoolId, SpaceId, TicketId};
use crate::identity::IdentityChain;
use crate::time::Millis;

const PREFIX: &str = "staffroom1";

/// What the holder needs to find and convince the device that redeems it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// The space to join.
    pub space: SpaceId,
    /// Its last decision: a charter without it is refused.
    pub head: (u32, DecisionId),
    /// Who the redeeming device acts for, and that it does.
    pub school: IdentityChain,
    /// The device that redeems it.
    pub device: DeviceId,
    /// Where it listens, as multiaddresses.
    pub addresses: Vec<String>,
    /// The role it admits to.
    pub role: Role,
    /// Known to the holder only.
    pub secret: [u8; 16],
    /// When it ends.
    pub expires: Millis,
}

/// A text that is not a ticket, or was copied badly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not a whole ticket: a ticket starts with {PREFIX} and every letter of it counts")]
pub struct NotATicket;

impl Ticket {
    /// The text to hand over.
    pub fn to_text(&self) -> String {
        text::write(PREFIX, self)
    }
    /// Reads what [`Self::to_text`] wrote; white space and case do not matter.
    pub fn parse(text: &str) -> Result<Self, NotATicket> {
        let holds = |ticket: &Self| text::bounded(&ticket.addresses) && ticket.school.rights(&ticket.device).is_some();
        text::read(PREFIX, text).filter(holds).ok_or(NotATicket)
    }
    /// The name of a ticket that does not give its secret away.
    pub fn id_of(secret: &[u8; 16]) -> TicketId {
        TicketId(hash::TICKET.hash(&[secret]))
    }
    /// Proves to `redeemer` that `joiner`, who acts for `school`, knows the secret, and to nobody else.
    ///
    /// Both devices are authenticated by the transport, so that the proof is bound to the channel; the
    /// school is the hash of its inception, and the commitment is the one that the words will hang on.
    pub fn proof(
        secret: &[u8; 16],
        space: SpaceId,
        redeemer: DeviceId,
        joiner: DeviceId,
        school: SchoolId,
        commitment: &[u8; 32],
    ) -> [u8; 32] {
        hash::TICKET_PROOF.hash(&[secret, &space.0, &redeemer.0, &joiner.0, &school.0, commitment])
    }
}

/// A ticket as the node that issued it remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// The space it admits to.
    pub space: SpaceId,
    /// The role it admits to.
    pub role: Role,
    /// The secret, to check proofs with.
    pub secret: [u8; 16],
    /// When it ends.
    pub expires: Millis,
    /// What became of it.
    pub standing: Standing,
}

/// What became of a ticket. Its order is that of the rows on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// Nobody used it; it admits at once.
    Open,
    /// It admitted this school.
    Admitted(SchoolId),
    /// Nobody used it; whoever does waits until a person confirms.
    Asks,
    /// A school holds it and waits.
    Waiting(Box<Holder>),
    /// A person refused this school.
    Refused(SchoolId),
}

/// A school that proved to hold a ticket, and waits to be admitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The school.
    pub school: IdentityChain,
    /// The device that asked.
    pub device: DeviceId,
    /// What it calls itself.
    pub name: String,
    /// The device's acceptance of the admission.
    #[serde(with = "super::decision::serde_signature")]
    pub acceptance: crate::identity::Signature,
    /// What it said of its number.
    pub commitment: [u8; 32],
    /// Ours.
    pub redeemers: Nonce,
    /// Its, once it has shown it.
    pub joiners: Option<Nonce>,
    /// When it asked first.
    pub since: Millis,
}

impl Holder {
    /// Whether this is the one that asks again.
    pub(crate) fn is_of(&self, join: &Join, joiner: DeviceId) -> bool {
        self.school.school() == join.school && self.device == joiner && self.commitment == join.commitment
    }
}

/// A school that holds a ticket and waits for a person's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The ticket.
    pub ticket: TicketId,
    /// Where it would belong.
    pub space: SpaceId,
    /// As what.
    pub role: Role,
    /// The school.
    pub school: SchoolId,
    /// What it calls itself; anybody can call themselves anything.
    pub name: String,
    /// What its screen shows; nothing until it has shown its number.
    pub words: Option<Words>,
    /// When it asked first.
    pub since: Millis,
    /// When the ticket ends, and the waiting with it.
    pub expires: Millis,
}

/// What a ticket that holds is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redeemed {
    /// The school belongs: the space and its whole charter.
    Admitted(SpaceId, Missing),
    /// A person has to confirm it: our number, for the words.
    Compare(Nonce),
}

/// What a joiner says first (§3.9): what a ticket's secret proves it of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Join {
    /// The ticket's id.
    pub ticket: TicketId,
    /// That the secret is known.
    pub proof: [u8; 32],
    /// To the number that the words will hang on, where a person confirms.
    pub commitment: [u8; 32],
    /// What the school calls itself.
    pub name: String,
    /// The joining school.
    pub school: SchoolId,
    /// The acceptance of the admission, by the device that speaks.
    #[serde(with = "super::decision::serde_signature")]
    pub acceptance: crate::identity::Signature,
}

/// What a joiner sends: what it says first, and what shows that its device acts for its school.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redemption {
    /// What it says first.
    pub join: Join,
    /// The chain of the joining school, with the device that speaks.
    pub school: IdentityChain,
}
