//! How schools join: tickets issued, used, copied and misused.

use staffroom_protocol::charter::{Act, Missing, Operation, Redeemed, Redemption, Role, Ticket};
use staffroom_protocol::fault::Fault;
use staffroom_protocol::id::{SpaceId, TicketId};
use staffroom_protocol::limits;

use super::invariants::Violation;
use super::model::{CONTRIBUTOR, Issued, READER, STEWARD};
use super::node::Promise;
use super::world::{Event, World};

impl World {
    /// A school uses a ticket that it has, or asks a steward for one.
    pub(super) fn seek_entry(&mut self, number: usize, space: SpaceId) -> Result<(), Violation> {
        let at = self.nodes[number].tickets.iter().position(|ticket| ticket.space == space);
        match at {
            Some(at) => self.use_ticket(number, at),
            None => self.invite(number, space),
        }
    }
    pub(super) fn use_some_ticket(&mut self, number: usize) -> Result<(), Violation> {
        match self.nodes[number].tickets.len() {
            0 => Ok(()),
            tickets => {
                let at = self.random.place(tickets);
                self.use_ticket(number, at)
            }
        }
    }

    /// Some steward's node issues a ticket for a school; now and then, another gets a copy.
    fn invite(&mut self, to: usize, space: SpaceId) -> Result<(), Violation> {
        let steward = |number: &usize| {
            let node = &self.nodes[*number];
            let space = node.replica.as_ref().and_then(|replica| replica.space(&space).ok());
            space.is_some_and(|space| space.charter().resolved().role(&node.school) == Some(Role::Steward))
        };
        let stewards: Vec<usize> = (0..self.nodes.len()).filter(steward).collect();
        if stewards.is_empty() {
            return Ok(());
        }
        let by = *self.random.pick(&stewards);
        let (role, rank) =
            if self.random.per_mille(150) { (Role::Reader, READER) } else { (Role::Contributor, CONTRIBUTOR) };
        let node = &mut self.nodes[by];
        let expires = node.clock(self.now_ms).plus(2_000 + self.random.below(600_000));
        let Some(replica) = node.replica.as_mut() else { return Ok(()) };
        let ticket = replica.invite(space, role, expires, vec!["/ip4/192.0.2.1/tcp/4001".to_owned()]);
        let ticket = ticket.map_err(|fault| Violation::new("stewards_can_invite", fault))?;
        let again = Ticket::parse(&ticket.to_text());
        Violation::unless(again.as_ref() == Ok(&ticket), "tickets_survive_their_text", || format!("{again:?}"))?;
        let issued = Issued { space, by, expires_ms: expires.0, used_by: None };
        self.model.issued(Ticket::id_of(&ticket.secret), issued);
        let mut holders = vec![to];
        if self.random.per_mille(300) {
            holders.push(self.random.place(self.nodes.len()));
        }
        self.counts.one("tickets");
        self.say(format_args!("n{by} invites {holders:?}, rank {rank} of {STEWARD}"));
        self.nodes[by].promises.push(Promise::Ticket(Box::new(ticket), holders));
        self.flush_soon(by);
        Ok(())
    }

    fn use_ticket(&mut self, number: usize, at: usize) -> Result<(), Violation> {
        let mut ticket = self.nodes[number].tickets[at].clone();
        if self.random.per_mille(100) {
            // Altered, or wrongly copied past its check bytes.
            let place = self.random.place(16);
            ticket.secret[place] ^= 1 << self.random.place(8);
            self.counts.one("tickets altered");
        }
        let Some(to) = self.nodes.iter().position(|node| node.device == ticket.device) else { return Ok(()) };
        let Some(replica) = self.nodes[number].replica.as_ref() else { return Ok(()) };
        let redemption = Box::new(replica.redemption(&ticket));
        if to != number && self.network.reaches(number, to) && !self.random.per_mille(self.plan.loss) {
            let late = self.network.latency_ms();
            self.after(late, Event::Redeem { to, from: number, ticket: Box::new(ticket), redemption });
        }
        Ok(())
    }

    /// A redemption arrives at the node that issued the ticket.
    pub(super) fn redeem(
        &mut self,
        to: usize,
        from: usize,
        ticket: &Ticket,
        redemption: &Redemption,
    ) -> Result<(), Violation> {
        let (school, device) = (self.nodes[from].school, self.nodes[from].device);
        let node = &mut self.nodes[to];
        let now = node.clock(self.now_ms);
        let Some(replica) = node.replica.as_mut() else { return Ok(()) };
        let belongs =
            |space: &staffroom_protocol::replica::Space| space.charter().resolved().members.contains_key(&school);
        let belongs = replica.space(&ticket.space).is_ok_and(belongs);
        let held = replica.space(&ticket.space).ok().map(staffroom_protocol::replica::Space::charter);
        let own = ticket.school.school();
        let steward = held.is_some_and(|charter| charter.resolved().role(&own) == Some(Role::Steward));
        let known = (redemption.join.ticket, ticket.space);
        let expected = self.model.admits(known, to, school, now.0, (belongs, steward));
        // A steward admits so many between two decisions, and no more (§7).
        let admits = |operation: &&Operation| {
            operation.school() == ticket.school.school() && matches!(operation.act(), Act::Admit(_))
        };
        let whole = replica.space(&ticket.space).map(|space| space.charter().whole().operations).unwrap_or_default();
        let many = whole.iter().filter(admits).count() >= limits::STEWARD_ADMISSIONS;
        let result = replica.redeem(redemption, device, now);
        let found = || format!("n{to} to n{from}: {:?}, expected {expected}", result.as_ref().err());
        let refused = result == Err(Fault::Ticket);
        let rightly = if expected { result.is_ok() || (many && refused) } else { refused };
        Violation::unless(rightly, "tickets_admit_whom_they_should", found)?;
        let Ok(Redeemed::Admitted(_, charter)) = result else {
            self.counts.one("redemptions refused");
            self.say(format_args!("n{to} refuses the ticket of n{from}"));
            self.answer(to, from, redemption.join.ticket, None);
            return Ok(());
        };
        self.model.admitted(redemption.join.ticket, school);
        self.counts.one("redemptions");
        self.say(format_args!("n{to} admits n{from}"));
        let promise = Promise::Admitted { to: from, ticket: redemption.join.ticket, charter };
        self.nodes[to].promises.push(promise);
        self.flush_soon(to);
        Ok(())
    }

    /// Answers a redemption; now and then the answer is lost.
    pub(super) fn answer(&mut self, from: usize, to: usize, ticket: TicketId, charter: Option<Missing>) {
        let lost = !self.healed && self.random.per_mille(100);
        if !lost && self.network.reaches(from, to) {
            let late = self.network.latency_ms();
            self.after(late, Event::Redeemed { to, ticket, answer: charter.map(Box::new) });
        }
    }

    /// The answer to a redemption arrives: with a charter, the school joins.
    pub(super) fn redeemed(&mut self, to: usize, id: TicketId, charter: Option<Missing>) -> Result<(), Violation> {
        let node = &mut self.nodes[to];
        let (Some(replica), Some(at)) =
            (node.replica.as_mut(), node.tickets.iter().position(|ticket| Ticket::id_of(&ticket.secret) == id))
        else {
            return Ok(());
        };
        match charter {
            None => drop(node.tickets.swap_remove(at)),
            Some(charter) => {
                let joined = replica.join(&node.tickets[at], charter);
                if matches!(joined, Err(Fault::Decision(_))) && self.model.tainted.contains(&node.device) {
                    // Two machines signed at one place: what this one signs next waits for a decision.
                    return Ok(());
                }
                joined.map_err(|fault| Violation::new("an_admitted_school_can_join", fault))?;
                self.counts.one("joins");
                self.say(format_args!("n{to} joins"));
                self.flush_soon(to);
            }
        }
        Ok(())
    }
}
