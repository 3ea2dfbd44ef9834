//! A person's confirmation: both sides of the four words (§3.9).
//!
//! The redeemer keeps a claim from the first proof on, with its own number and the joiner's
//! commitment; the joiner keeps the redeemer's number before it shows its own. So one ticket has one
//! code, whatever breaks off and however often either side starts anew, and nobody gets to draw again.

use super::super::Replica;
use super::admission;
use crate::charter::{Holder, Invitation, Nonce, Standing, Ticket, Transcript, Waiting, Words, commitment};
use crate::fault::Fault;
use crate::hash;
use crate::id::{DeviceId, TicketId};
use crate::store::{Read, Store, Table};
use crate::time::Millis;

impl<S: Store> Replica<S> {
    /// This school's number for a ticket: always the same for one life of the store, and known to
    /// nobody until it is shown.
    pub(super) fn joiners_nonce(&self, ticket: &Ticket) -> Nonce {
        hash::JOIN_NONCE.hash(&[&self.me.life, &ticket.secret, &ticket.space.0, &ticket.device.0])
    }

    /// Takes the redeemer's number, the first one for good; gives back ours to show, once this is
    /// durable, and the words.
    pub fn compare(&mut self, ticket: &Ticket, redeemers: Nonce) -> Result<(Nonce, Words), Fault> {
        self.check()?;
        let joiners = self.joiners_nonce(ticket);
        let key = commitment(&joiners);
        match self.reader().get(Table::Joins, &key)? {
            Some(kept) if kept[..] != redeemers => return Err(Fault::OutOfTurn("second Compare")),
            Some(_) => {}
            None => self.staged.put(Table::Joins, key, redeemers.to_vec()),
        }
        Ok((joiners, self.joiners_words(ticket, redeemers)))
    }

    /// The words of a ticket that we have redeemed before, if a person was asked to confirm it.
    pub fn shown(&self, ticket: &Ticket) -> Option<Words> {
        let key = commitment(&self.joiners_nonce(ticket));
        let kept = self.reader().get(Table::Joins, &key).ok()??;
        Some(self.joiners_words(ticket, kept.try_into().ok()?))
    }

    fn joiners_words(&self, ticket: &Ticket, redeemers: Nonce) -> Words {
        let transcript = Transcript {
            secret: &ticket.secret,
            space: ticket.space,
            role: ticket.role,
            redeemer: ticket.device,
            joiner: self.device(),
            school: self.school(),
            redeemers,
            joiners: self.joiners_nonce(ticket),
        };
        transcript.words()
    }

    /// Takes the number of a school that waits. One that it did not commit to is [`Fault::Ticket`].
    pub fn reveal(&mut self, ticket: TicketId, joiner: DeviceId, joiners: Nonce, now: Millis) -> Result<(), Fault> {
        self.check()?;
        let mut invitation = self.invitation(&ticket)?.ok_or(Fault::Ticket)?;
        let in_time = now <= invitation.expires;
        let Standing::Waiting(claim) = &mut invitation.standing else { return Err(Fault::Ticket) };
        if claim.device != joiner || claim.commitment != commitment(&joiners) || !in_time {
            return Err(Fault::Ticket);
        }
        if claim.joiners.is_none() {
            claim.joiners = Some(joiners);
            self.keep(ticket, &invitation);
        }
        Ok(())
    }

    /// Whether a ticket's holder still waits.
    pub fn waits(&self, ticket: &TicketId) -> bool {
        let invitation = self.invitation(ticket).ok().flatten();
        invitation.is_some_and(|invitation| matches!(invitation.standing, Standing::Waiting(_)))
    }

    /// Everybody who waits, the longest first.
    pub fn waiting(&self, now: Millis) -> Result<Vec<Waiting>, Fault> {
        let mut tickets = Vec::new();
        self.store.scan(Table::Invitations, &[], &[], &mut |key, _| {
            tickets.extend(<[u8; 32]>::try_from(key).map(TicketId));
            Ok(true)
        })?;
        let mut all = Vec::new();
        for ticket in tickets {
            let Some(invitation) = self.invitation(&ticket)?.filter(|invitation| now <= invitation.expires) else {
                continue;
            };
            let Invitation { space, role, expires, standing: Standing::Waiting(claim), secret } = &invitation else {
                continue;
            };
            let words = claim.joiners.map(|joiners| {
                let transcript = Transcript {
                    secret,
                    space: *space,
                    role: *role,
                    redeemer: self.device(),
                    joiner: claim.device,
                    school: claim.school.school(),
                    redeemers: claim.redeemers,
                    joiners,
                };
                transcript.words()
            });
            let (school, name) = (claim.school.school(), claim.name.clone());
            let (space, role, expires) = (*space, *role, *expires);
            all.push(Waiting { ticket, space, role, school, name, words, since: claim.since, expires });
        }
        all.sort_by_key(|waiting| (waiting.since, waiting.ticket));
        Ok(all)
    }

    /// Admits who waits with a ticket, on a person's word. [`Fault::Ticket`] where nobody does any more.
    pub fn confirm(&mut self, ticket: TicketId, now: Millis) -> Result<(), Fault> {
        let (invitation, claim) = self.holder(ticket)?;
        if now > invitation.expires || claim.joiners.is_none() {
            return Err(Fault::Ticket);
        }
        let school = claim.school.school();
        let space = invitation.space;
        if !self.space(&space)?.charter().resolved().members.contains_key(&school) {
            let Holder { school, device, acceptance, .. } = *claim;
            let admission = admission((&school, device), invitation.role, ticket, acceptance);
            self.admit_holder(space, school, &admission)?;
        }
        self.keep(ticket, &Invitation { standing: Standing::Admitted(school), ..invitation });
        Ok(())
    }

    /// Refuses who waits with a ticket; nobody can use it any more.
    pub fn refuse(&mut self, ticket: TicketId) -> Result<(), Fault> {
        let (invitation, claim) = self.holder(ticket)?;
        self.keep(ticket, &Invitation { standing: Standing::Refused(claim.school.school()), ..invitation });
        Ok(())
    }

    fn holder(&self, ticket: TicketId) -> Result<(Invitation, Box<Holder>), Fault> {
        self.check()?;
        let invitation = self.invitation(&ticket)?.ok_or(Fault::Ticket)?;
        match invitation.standing.clone() {
            Standing::Waiting(claim) => Ok((invitation, claim)),
            _ => Err(Fault::Ticket),
        }
    }
}
