//! Who belongs to a space: a chain of decisions with operations beside it (§3).
//!
//! A [`Decision`] needs the yes of more than half of the stewards; an [`Operation`] one school.
//! [`resolve`] is one pure function from them to members, writers and cuts. [`Charter`] is what is
//! held of one space, with its result at hand.

mod decision;
mod held;
mod missing;
mod operation;
mod resolve;
mod role;
mod ticket;
mod words;

pub use decision::{Body, Complete, Decision, Founding, Vote};
pub use held::{Actor, Charter};
pub use missing::{Missing, Positions};
pub use operation::{Act, Admission, Enrolment, Operation, Retirement};
pub use resolve::{Cut, Member, Resolved, Writer, resolve};
pub use role::Role;
pub use ticket::{Claim, Invitation, NotATicket, Redeemed, Redemption, Standing, Ticket, Waiting};
pub use words::{Nonce, NotWords, Transcript, Words, commitment};
