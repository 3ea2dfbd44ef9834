//! How a further machine comes to act for a school: with a ticket of one that does (§3.9), or with
//! the school's sheet (§3.10).

use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::hash;
use crate::id::{DeviceId, SchoolId, TicketId};
use crate::identity::{self, Domain, SecretKey, Signature};
use crate::time::Millis;

use super::text;
use super::ticket::NotATicket;

const PREFIX: &str = "staffroomdevice1";

/// What a new device needs to find and convince the one that certifies it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceTicket {
    /// The school that both are to act for.
    pub school: SchoolId,
    /// The device that certifies.
    pub device: DeviceId,
    /// Where it listens, as multiaddresses.
    pub addresses: Vec<String>,
    /// Known to the holder only.
    pub secret: [u8; 16],
    /// When it ends.
    pub expires: Millis,
}

impl DeviceTicket {
    /// The text to type on the other machine.
    pub fn to_text(&self) -> String {
        text::write(PREFIX, self)
    }
    /// Reads what [`Self::to_text`] wrote; white space and case do not matter.
    pub fn parse(text: &str) -> Result<Self, NotATicket> {
        text::read(PREFIX, text).filter(|ticket: &Self| text::bounded(&ticket.addresses)).ok_or(NotATicket)
    }
    /// The name of a ticket that does not give its secret away; never that of a school's ticket.
    pub fn id_of(secret: &[u8; 16]) -> TicketId {
        TicketId(hash::DEVICE_TICKET.hash(&[secret]))
    }
    /// What the device with this id sends.
    pub fn redemption(&self, joiner: DeviceId) -> DeviceRedemption {
        let proof = proof(&self.secret, self.device, joiner, self.school);
        DeviceRedemption { ticket: Self::id_of(&self.secret), proof }
    }
}

/// That `joiner` knows the secret, to `redeemer` and nobody else.
fn proof(secret: &[u8; 16], redeemer: DeviceId, joiner: DeviceId, school: SchoolId) -> [u8; 32] {
    hash::DEVICE_PROOF.hash(&[secret, &redeemer.0, &joiner.0, &school.0])
}

/// What the new device sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRedemption {
    /// The ticket's id.
    pub ticket: TicketId,
    /// That the secret is known.
    pub proof: [u8; 32],
}

/// A device's ticket as the device that issued it remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceInvitation {
    /// The secret, to check proofs with.
    pub secret: [u8; 16],
    /// When it ends.
    pub expires: Millis,
    /// Which device redeemed it.
    pub used_by: Option<DeviceId>,
}

impl DeviceInvitation {
    /// Whether this redemption, by this device, uses it rightly. The same device may ask again.
    pub fn admits(
        &self,
        redemption: &DeviceRedemption,
        redeemer: DeviceId,
        joiner: DeviceId,
        school: SchoolId,
        now: Millis,
    ) -> bool {
        let proof = proof(&self.secret, redeemer, joiner, school);
        // Compared by their hashes, so that the time tells nothing.
        let knows = blake3::Hash::from(proof) == blake3::Hash::from(redemption.proof);
        knows && now <= self.expires && self.used_by.is_none_or(|used_by| used_by == joiner)
    }
}

/// The claim of a machine without a past to act for a school: it holds the sheet with this root key.
/// Bound to the two devices that speak, so that it is worth nothing to whoever hears it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The public root key.
    pub root: [u8; 32],
    #[serde(with = "super::decision::serde_signature")]
    signature: Signature,
}

impl Claim {
    /// Claims the school of this root key towards the device `to`.
    pub fn sign(root: &SecretKey, to: DeviceId, from: DeviceId) -> Self {
        let public = root.public();
        Self { root: public, signature: root.sign(Domain::Claim, &Self::hash(&public, to, from)) }
    }
    /// Whether the holder of the root key signed it, for this line.
    pub fn verify(&self, to: DeviceId, from: DeviceId) -> Result<(), Fault> {
        identity::verify(&self.root, Domain::Claim, &Self::hash(&self.root, to, from), &self.signature)
    }
    fn hash(root: &[u8; 32], to: DeviceId, from: DeviceId) -> [u8; 32] {
        hash::RECOVERY_CLAIM.hash(&[root, &to.0, &from.0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_ticket_survives_its_text_and_any_other_letter_is_noticed(
            school: [u8; 32], device: [u8; 32], secret: [u8; 16], expires: u64, addresses in proptest::collection::vec("[ -~]{0,60}", 0..4), flip: usize,
        ) {
            let ticket = DeviceTicket { school: SchoolId(school), device: DeviceId(device), addresses, secret, expires: Millis(expires) };
            let text = ticket.to_text();
            prop_assert_eq!(DeviceTicket::parse(&text.to_uppercase()), Ok(ticket.clone()));
            let mut other = text.into_bytes();
            let at = flip % other.len();
            other[at] = if other[at] == b'a' { b'b' } else { b'a' };
            let other = String::from_utf8(other).unwrap();
            prop_assert_eq!(DeviceTicket::parse(&other), Err(NotATicket));
            prop_assert_eq!(super::super::Ticket::parse(&ticket.to_text()), Err(NotATicket));
        }
        #[test]
        fn a_ticket_admits_one_device_in_its_time_and_no_proof_of_another(secret: [u8; 16], guess: [u8; 16], late: u8, used in 0..3u8) {
            let (ours, joiner, school) = (DeviceId([1; 32]), DeviceId([2; 32]), SchoolId([3; 32]));
            let used_by = [None, Some(joiner), Some(DeviceId([4; 32]))][usize::from(used)];
            let invitation = DeviceInvitation { secret, expires: Millis(100), used_by };
            let ticket = DeviceTicket { school, device: ours, addresses: Vec::new(), secret, expires: Millis(100) };
            let now = Millis(u64::from(late));
            let good = ticket.redemption(joiner);
            prop_assert_eq!(invitation.admits(&good, ours, joiner, school, now), late <= 100 && used != 2);
            prop_assert!(!invitation.admits(&good, ours, DeviceId([5; 32]), school, now));
            let guessed = DeviceTicket { secret: guess, ..ticket }.redemption(joiner);
            prop_assert!(guess == secret || !invitation.admits(&guessed, ours, joiner, school, now));
        }
    }

    #[test]
    fn a_claim_is_good_for_one_line_and_one_root() {
        let root = SecretKey::from_seed(&[1; 32]);
        let (to, from) = (DeviceId([3; 32]), DeviceId([4; 32]));
        let claim = Claim::sign(&root, to, from);
        assert_eq!(claim.verify(to, from), Ok(()));
        assert!(claim.verify(from, to).is_err());
        assert!(Claim { root: SecretKey::from_seed(&[9; 32]).public(), ..claim }.verify(to, from).is_err());
    }
}
