//! Which command does what, and how its answer waits for the flush.

use staffroom_protocol::catalogue::Catalogue;
use staffroom_protocol::charter::{Missing, Redeemed, Redemption, Ticket};
use staffroom_protocol::fault::Fault;
use staffroom_protocol::id::{DeviceId, SchoolId, SpaceId};
use staffroom_protocol::sync::{Input, Session};
use tokio::sync::oneshot;

use super::desk::Desk;
use super::links::{Dialled, Partnership};
use super::names::{space_name, store_failed};
use super::{Command, handlers, profile, scheduled, wall_clock};

impl Desk {
    /// Stages what a command asks for; its answer waits for [`Self::settle`]. Gives back who is to
    /// be told once the engine has stopped.
    pub(super) fn take(&mut self, command: Command) -> Option<oneshot::Sender<()>> {
        match command {
            Command::Api(request, answer) => {
                let result = handlers::answer(self, request);
                self.later(answer, result, |fault| Err(store_failed(fault)));
            }
            Command::Open { link, space, peer, initiator, outbound } => {
                let session = Session::new(space, peer, initiator);
                if self.links.open(link, session, initiator, self.replica.device(), outbound) {
                    self.session(link, Input::Opened);
                }
            }
            Command::Session(link, input) => self.session(link, input),
            Command::Proves { join, joiner, answer } => {
                let _ = answer.send(self.replica.proves(&join, joiner, wall_clock()));
            }
            Command::Redeem { redemption, joiner, answer } => {
                let result = self.redeem(&redemption, joiner);
                self.later(answer, result, |fault| Err(fault.clone()));
            }
            Command::Reveal { ticket, joiner, nonce, answer } => {
                let result = self.replica.reveal(ticket, joiner, nonce, wall_clock());
                self.later(answer, result, |fault| Err(fault.clone()));
            }
            Command::WhenDecided(ticket, answer) => self.when_decided(ticket, answer),
            Command::Compare { ticket, nonce, answer } => {
                let result = self.replica.compare(&ticket, nonce);
                self.later(answer, result, |fault| Err(fault.clone()));
            }
            Command::Shown(ticket, answer) => {
                let _ = answer.send(self.replica.shown(&ticket));
            }
            Command::Redemption(ticket, answer) => {
                let _ = answer.send(self.replica.redemption(&ticket));
            }
            Command::Joined { ticket, charter, answer } => {
                let result = self.join(&ticket, *charter);
                self.later(answer, result, |fault| Err(fault.clone()));
            }
            Command::Device(command) => self.device(command),
            Command::Blob(command) => self.blob(command),
            Command::Partnerships(answer) => {
                let _ = answer.send(self.partnerships());
            }
            Command::NameOf(space, answer) => {
                let _ = answer.send(space_name(&self.replica, space));
            }
            Command::Dialled(device, dialled) => self.dialled(device, dialled),
            Command::Refused(device, what) => {
                let mut spaces = self.replica.spaces();
                let is_partner = spaces.any(|(_, space)| space.durable_charter().school_of(&device).is_some());
                self.links.refused(device, is_partner, what, wall_clock());
            }
            Command::Listening(addresses) => {
                self.listen = addresses;
                profile::publish_addresses(self);
                scheduled::share_due(self);
            }
            Command::WhenInStep(answer) => self.until_in_step.push(answer),
            Command::Tick => {
                self.ticked = true;
                self.links.tell_all(|| Input::Tick, &mut self.replica, wall_clock());
                scheduled::share_due(self);
            }
            Command::Stop(answer) => return Some(answer),
        }
        None
    }

    fn session(&mut self, link: super::LinkId, input: Input) {
        self.links.handle(link, input, &mut self.replica, wall_clock());
    }

    fn redeem(&mut self, redemption: &Redemption, joiner: DeviceId) -> Result<Redeemed, Fault> {
        self.replica.redeem(redemption, joiner, wall_clock())
    }

    fn join(&mut self, ticket: &Ticket, charter: Missing) -> Result<SpaceId, Fault> {
        let space = self.replica.join(ticket, charter)?;
        profile::introduce(self, space);
        Ok(space)
    }

    fn dialled(&mut self, device: DeviceId, dialled: Dialled) {
        let peer = self.links.peers.entry(device).or_default();
        match dialled {
            Dialled::Reached => peer.error = None,
            Dialled::Failed(why) | Dialled::Lost(why) => peer.error = Some(why),
        }
    }

    /// Every other device of every member school, ours too, of each space; without those of schools that
    /// this node refuses.
    pub(super) fn partnerships(&self) -> Vec<Partnership> {
        let (ours, now) = (self.replica.device(), wall_clock());
        let mut all = Vec::new();
        let Ok(snapshot) = self.snapshots.take() else { return all };
        let catalogue = Catalogue(&snapshot);
        for (id, space) in self.replica.spaces() {
            let charter = space.durable_charter();
            let talks = |school: &&SchoolId| self.replica.refusal(school, now).is_none();
            for school in charter.resolved().members.keys().filter(talks) {
                let addresses = || -> Vec<String> {
                    let profile = catalogue.profile(id, school).ok().flatten();
                    profile.map(|card| card.set("addresses").to_vec()).unwrap_or_default()
                };
                let devices = charter
                    .identities()
                    .get(school)
                    .map(staffroom_protocol::identity::IdentityChain::devices)
                    .unwrap_or_default();
                for device in devices.into_keys().filter(|device| *device != ours) {
                    let linked = self.links.session(id, &device).is_some();
                    all.push(Partnership { space: *id, school: *school, device, addresses: addresses(), linked });
                }
            }
        }
        all
    }
}
