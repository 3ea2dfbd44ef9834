//! Invitations: a ticket is text; who holds it may join once (§3.9).
//!
//! The text is `staffroom1` and base32 of: the ticket in postcard, then 4 check bytes, so that a
//! ticket that was copied badly is told from one that admits nobody.

use serde::{Deserialize, Serialize};

use super::role::Role;
use crate::bytes;
use crate::hash;
use crate::id::{self, DecisionId, DeviceId, SchoolId, SpaceId, TicketId};
use crate::identity::IdentityChain;
use crate::limits;
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
        let mut bytes = bytes::encode(self);
        let check = hash::TICKET_CHECK.hash(&[&bytes]);
        bytes.extend_from_slice(&check[..4]);
        format!("{PREFIX}{}", id::to_text(&bytes))
    }
    /// Reads what [`Self::to_text`] wrote; white space and case do not matter.
    pub fn parse(text: &str) -> Result<Self, NotATicket> {
        if text.len() > 4 * limits::JOIN_FRAME {
            return Err(NotATicket);
        }
        let plain: String = text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase();
        let bytes = plain.strip_prefix(PREFIX).and_then(id::from_text).ok_or(NotATicket)?;
        let (bytes, check) = bytes.split_at_checked(bytes.len().saturating_sub(4)).ok_or(NotATicket)?;
        if hash::TICKET_CHECK.hash(&[bytes])[..4] != *check {
            return Err(NotATicket);
        }
        let ticket: Self = bytes::decode(bytes, "ticket").map_err(|_| NotATicket)?;
        let bounded = ticket.addresses.len() <= limits::ADDRESSES
            && ticket.addresses.iter().all(|address| address.len() <= limits::ADDRESS);
        if bounded && ticket.school.rights(&ticket.device).is_some() { Ok(ticket) } else { Err(NotATicket) }
    }
    /// The name of a ticket that does not give its secret away.
    pub fn id_of(secret: &[u8; 16]) -> TicketId {
        TicketId(hash::TICKET.hash(&[secret]))
    }
    /// Proves to `redeemer` that `joiner`, who acts for `school`, knows the secret, and to nobody else.
    ///
    /// Both devices are authenticated by the transport, so that the proof is bound to the channel.
    pub fn proof(
        secret: &[u8; 16],
        space: SpaceId,
        redeemer: DeviceId,
        joiner: DeviceId,
        school: SchoolId,
    ) -> [u8; 32] {
        hash::TICKET_PROOF.hash(&[secret, &space.0, &redeemer.0, &joiner.0, &school.0])
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
    /// Who redeemed it.
    pub used_by: Option<SchoolId>,
}

/// What a joiner sends (§3.9).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redemption {
    /// The ticket's id.
    pub ticket: TicketId,
    /// That the secret is known.
    pub proof: [u8; 32],
    /// The joining school, with the device that speaks.
    pub school: IdentityChain,
    /// The device's acceptance of the admission.
    #[serde(with = "super::decision::serde_signature")]
    pub acceptance: crate::identity::Signature,
}
