//! The replica with everything that the engine's thread keeps beside it.

use std::path::PathBuf;

use staffroom_protocol::Replica;
use staffroom_protocol::charter::{Missing, Redemption, Ticket};
use staffroom_protocol::fault::Fault;
use staffroom_protocol::id::{DeviceId, SchoolId, SpaceId};
use staffroom_protocol::replica::Notice;
use staffroom_protocol::sync::{Input, Session};
use tokio::sync::{broadcast, oneshot};

use super::links::{Dialled, Links, Partnership};
use super::{Command, handlers, wall_clock};
use crate::api::{Code, Failure, Named};
use crate::store::{RedbStore, Snapshot, Snapshots};
use staffroom_protocol::catalogue::Catalogue;

/// What waits for the next flush.
type After = Box<dyn FnOnce(Result<(), &Fault>) + Send>;

/// Everything the engine's thread owns.
pub(super) struct Desk {
    pub(super) replica: Replica<RedbStore>,
    pub(super) links: Links,
    pub(super) listen: Vec<String>,
    pub(super) path: PathBuf,
    snapshots: Snapshots,
    notices: broadcast::Sender<Notice>,
    after: Vec<After>,
    until_in_step: Vec<oneshot::Sender<()>>,
}

impl Desk {
    pub(super) fn new(
        replica: Replica<RedbStore>,
        snapshots: Snapshots,
        path: PathBuf,
        notices: broadcast::Sender<Notice>,
    ) -> Self {
        Self {
            replica,
            links: Links::default(),
            listen: Vec::new(),
            path,
            snapshots,
            notices,
            after: Vec::new(),
            until_in_step: Vec::new(),
        }
    }

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
            Command::Redeem { redemption, joiner, answer } => {
                let result = self.redeem(&redemption, joiner);
                self.later(answer, result, |fault| Err(fault.clone()));
            }
            Command::Redemption(ticket, answer) => {
                let _ = answer.send(self.replica.redemption(&ticket));
            }
            Command::Joined { ticket, charter, answer } => {
                let result = self.join(&ticket, *charter);
                self.later(answer, result, |fault| Err(fault.clone()));
            }
            Command::Partnerships(answer) => {
                let _ = answer.send(self.partnerships());
            }
            Command::NameOf(space, answer) => {
                let _ = answer.send(handlers::space_name(&self.replica, space));
            }
            Command::Dialled(device, dialled) => self.dialled(device, dialled),
            Command::Listening(addresses) => {
                self.listen = addresses;
                handlers::publish_addresses(self);
            }
            Command::WhenInStep(answer) => self.until_in_step.push(answer),
            Command::Tick => self.links.tell_all(|| Input::Tick, &mut self.replica, wall_clock()),
            Command::Stop(answer) => return Some(answer),
        }
        None
    }

    /// Makes what is staged durable; then answers, acknowledges, pushes.
    pub(super) fn settle(&mut self) -> Result<(), Fault> {
        let staged = self.replica.is_staged();
        let flushed = self.replica.flush();
        let result = flushed.as_ref().map(|_| ());
        for after in self.after.drain(..) {
            after(result);
        }
        let notices = flushed.inspect_err(|fault| tracing::error!(%fault, "nothing more is acknowledged"))?;
        if staged || !notices.is_empty() {
            for notice in notices {
                let _ = self.notices.send(notice);
            }
        }
        self.links.tell_all(|| Input::Durable, &mut self.replica, wall_clock());
        if !self.until_in_step.is_empty() && self.links.in_step(&self.replica) {
            for answer in self.until_in_step.drain(..) {
                let _ = answer.send(());
            }
        }
        Ok(())
    }

    /// What is durable, to read from.
    pub(super) fn snapshot(&self) -> Result<Snapshot, Failure> {
        self.snapshots.take().map_err(|fault| store_failed(&fault))
    }

    fn later<T: Send + 'static>(&mut self, answer: oneshot::Sender<T>, result: T, failed: fn(&Fault) -> T) {
        self.after.push(Box::new(move |flushed| {
            let _ = answer.send(match flushed {
                Ok(()) => result,
                Err(fault) => failed(fault),
            });
        }));
    }

    fn session(&mut self, link: super::LinkId, input: Input) {
        self.links.handle(link, input, &mut self.replica, wall_clock());
    }

    fn redeem(&mut self, redemption: &Redemption, joiner: DeviceId) -> Result<(SpaceId, Missing), Fault> {
        self.replica.redeem(redemption, joiner, wall_clock())
    }

    fn join(&mut self, ticket: &Ticket, charter: Missing) -> Result<SpaceId, Fault> {
        let space = self.replica.join(ticket, charter)?;
        handlers::introduce(self, space);
        Ok(space)
    }

    fn dialled(&mut self, device: DeviceId, dialled: Dialled) {
        let peer = self.links.peers.entry(device).or_default();
        match dialled {
            Dialled::Reached => peer.error = None,
            Dialled::Failed(why) | Dialled::Lost(why) => peer.error = Some(why),
        }
    }

    /// Every device of every other member school, of each cluster.
    fn partnerships(&self) -> Vec<Partnership> {
        let ours = self.replica.device();
        let mut all = Vec::new();
        let Ok(snapshot) = self.snapshots.take() else { return all };
        let catalogue = Catalogue(&snapshot);
        for (id, space) in self.replica.spaces() {
            let charter = space.durable_charter();
            for school in charter.resolved().members.keys() {
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

/// What people are told once the store failed.
pub(super) fn store_failed(fault: &Fault) -> Failure {
    Failure::new(Code::Failed, format!("nothing was saved: {fault}"))
        .hint("look at the free space of the disk and at its health, then start the node again")
}

/// A school's name in a space, or the start of its id.
pub(super) fn school_name<R: staffroom_protocol::store::Read>(
    store: &R,
    space: &SpaceId,
    school: &SchoolId,
) -> Named<SchoolId> {
    let profile = Catalogue(store).profile(space, school).ok().flatten();
    let name = profile.map(|card| card.line("title").to_owned()).filter(|name| !name.is_empty());
    Named { id: *school, name: name.unwrap_or_else(|| school.short()) }
}
