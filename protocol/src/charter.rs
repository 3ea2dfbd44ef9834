//! Who belongs to a space: a chain of decisions with operations beside it (§3).
//!
//! A [`Decision`] needs the yes of more than half of the stewards; an [`Operation`] one school.
//! [`resolve`] is one pure function from them to members, writers and cuts. [`Charter`] is what is
//! held of one space, with its result at hand.

mod acts;
mod chains;
mod cut;
mod decision;
mod device;
mod held;
mod identities;
mod missing;
mod operation;
mod presented;
mod proposals;
mod resolve;
mod role;
mod text;
mod ticket;
mod words;

pub use cut::{Cut, LogCut};
pub use decision::{Body, Decision, Founding, Place, Settlement, Versions, Vote, Voted};
pub use device::{Claim, DeviceInvitation, DeviceRedemption, DeviceTicket};
pub use held::{Actor, Charter, Grown};
pub use identities::Identities;
pub use missing::{Missing, Positions};
pub use operation::{Act, Admission, Departure, Enrolment, Operation};
pub use presented::Presented;
pub use proposals::Decided;
pub use resolve::{Member, RESOLVER, Resolved, Writer, resolve};
pub use role::Role;
pub use ticket::{Holder, Invitation, Join, NotATicket, Redeemed, Redemption, Standing, Ticket, Waiting};
pub use words::{Nonce, NotWords, Transcript, Words, commitment};
