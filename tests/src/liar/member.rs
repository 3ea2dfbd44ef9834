//! The honest side of a liar: it joins with a ticket, holds what the others hold, and issues tickets
//! of its own, all as a node does.

use futures::StreamExt as _;
use futures::io::AsyncWriteExt as _;
use libp2p::swarm::SwarmEvent;
use staffroom_protocol::Replica;
use staffroom_protocol::charter::{Missing, Redeemed, Redemption, Role, Ticket};
use staffroom_protocol::fault::Fault;
use staffroom_protocol::id::SpaceId;
use staffroom_protocol::identity::IdentityChain;
use staffroom_protocol::log::Entry;
use staffroom_protocol::store::MemoryStore;
use staffroom_protocol::sync::{Input, Join, Joined, Message, Output, Session, decode, encode};
use staffroom_protocol::time::Millis;

use tokio::time::timeout;

use super::wire::{self, JOIN, Line, PATIENCE, SYNC};
use super::{Keys, View};

/// A liar with what it holds.
pub struct Member {
    /// Who it is.
    pub keys: Keys,
    /// What it holds, honestly come by.
    pub replica: Replica<MemoryStore>,
}

/// The wall clock.
pub(super) fn now() -> Millis {
    staffroom_node::engine::wall_clock()
}

impl Member {
    /// A school that belongs nowhere yet. Numbers are from 1 to 98.
    pub fn new(number: u8) -> Self {
        let keys = Keys::new(number);
        let replica = keys.replica();
        Self { keys, replica }
    }
    /// What it lies from.
    pub fn view(&self, space: SpaceId) -> View<'_, MemoryStore> {
        View { keys: &self.keys, replica: &self.replica, space, at: now() }
    }
    /// Connects to a node.
    pub async fn connect(&self, address: &str) -> Result<Line, String> {
        Line::connect(address, self.keys.device_seed).await
    }
    /// What the node says to a ticket of its: the charter, or nothing where it admits nobody.
    pub async fn redeem(&self, line: &mut Line, ticket: &Ticket) -> Option<Missing> {
        let mut stream = line.open(JOIN).await.ok()?;
        let redemption = self.replica.redemption(ticket);
        wire::write(&mut stream, &redemption.join.to_bytes()).await.ok()?;
        let Ok(Joined::More) = Joined::parse(&wire::read(&mut stream).await?) else { return None };
        wire::write(&mut stream, &redemption.school.to_bytes()).await.ok()?;
        let Ok(Joined::Admitted(parts)) = Joined::parse(&wire::read(&mut stream).await?) else { return None };
        let mut charter = Missing::default();
        for _ in 0..parts {
            charter.append(Missing::parse(&wire::read(&mut stream).await?).ok()?);
        }
        Some(charter)
    }
    /// Joins with a ticket that asks nobody, and holds what the node holds.
    pub async fn join(&mut self, ticket: &str) -> SpaceId {
        let ticket = Ticket::parse(ticket).expect("a ticket");
        let mut line = self.connect(&ticket.addresses[0]).await.expect("connected");
        let charter = self.redeem(&mut line, &ticket).await.expect("admitted");
        self.replica.join(&ticket, charter).expect("the charter holds");
        self.replica.flush().expect("memory");
        self.catch_up(&mut line, ticket.space).await;
        ticket.space
    }

    /// Syncs as an honest node would, until both hold the same.
    pub async fn catch_up(&mut self, line: &mut Line, space: SpaceId) {
        assert!(self.is_offered(line, space).await, "offered to members");
    }
    /// The same, where the node offers to sync: one that has heard of a member only just now may not yet.
    pub async fn is_offered(&mut self, line: &mut Line, space: SpaceId) -> bool {
        let mut session = Session::new(space, wire::device_of(&line.peer), true);
        let Ok(mut stream) = line.open(SYNC).await else { return false };
        let mut input = Input::Opened;
        loop {
            let outputs = self.step(&mut session, input);
            for output in outputs {
                match output {
                    Output::Send(message) => wire::write(&mut stream, &encode(&message)).await.expect("sent"),
                    Output::Refused(fault) => panic!("an honest node sent what does not hold: {fault}"),
                    Output::Ended(why) => panic!("an honest exchange ended: {why:?}"),
                }
            }
            let held = self.replica.space(&space).expect("a member of it");
            if session.standing(held).in_step() {
                break;
            }
            let frame = timeout(PATIENCE, wire::read(&mut stream)).await.expect("an answer").expect("the node goes on");
            input = match decode(&frame, space).expect("an honest frame") {
                Message::Entries(runs) => {
                    Input::Entries(Entry::verify_all(runs.into_iter().flat_map(|run| run.0).collect()))
                }
                message => Input::Message(message),
            };
        }
        let _ = stream.close().await;
        true
    }
    fn step(&mut self, session: &mut Session, input: Input) -> Vec<Output> {
        let mut outputs = session.handle(input, &mut self.replica, now());
        self.replica.flush().expect("memory");
        outputs.extend(session.handle(Input::Durable, &mut self.replica, now()));
        outputs
    }

    /// Founds a space and hands out as many tickets; serves them until they are all redeemed.
    ///
    /// Gives the tickets to `hand_out`, which is to see that honest nodes redeem them.
    pub async fn serve(&mut self, name: &str, tickets: usize, hand_out: impl FnOnce(Vec<String>)) -> SpaceId {
        let space = self.replica.found(name).expect("founded");
        let mut swarm = wire::swarm(self.keys.device_seed);
        let mut incoming = swarm.behaviour().new_control().accept(JOIN).expect("nobody else accepts");
        swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().expect("an address")).expect("listens");
        let address = loop {
            if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                break address.to_string();
            }
        };
        // A stream that nobody takes at once is dropped.
        let (take, mut taken) = tokio::sync::mpsc::unbounded_channel();
        let running = tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = swarm.select_next_some() => {}
                    Some(asked) = incoming.next() => drop(take.send(asked)),
                }
            }
        });
        let expires = Millis(now().0 + 3_600_000);
        let issue = |_| self.replica.invite(space, Role::Contributor, expires, vec![address.clone()]).expect("issued");
        let issued = (0..tickets).map(issue).map(|ticket| ticket.to_text()).collect();
        self.replica.flush().expect("memory");
        hand_out(issued);
        let mut admitted = Vec::new();
        while admitted.len() < tickets {
            let asked = timeout(PATIENCE * 3, taken.recv()).await.expect("redeemed in time");
            let (peer, stream) = asked.expect("the swarm runs");
            let answered = timeout(PATIENCE, self.answer(wire::device_of(&peer), stream)).await;
            admitted.extend(answered.into_iter().flatten());
        }
        for read in admitted {
            let _ = timeout(PATIENCE, read).await;
        }
        running.abort();
        space
    }
    async fn answer(
        &mut self,
        joiner: staffroom_protocol::id::DeviceId,
        mut stream: libp2p::Stream,
    ) -> Result<tokio::task::JoinHandle<()>, Fault> {
        let asked = wire::read(&mut stream).await.ok_or(Fault::Ticket)?;
        let join = Join::parse(&asked)?;
        wire::write(&mut stream, &Joined::More.to_bytes()).await.map_err(|_| Fault::Ticket)?;
        let chain = wire::read(&mut stream).await.ok_or(Fault::Ticket)?;
        let redemption = Redemption { join, school: IdentityChain::parse(&chain)? };
        let Redeemed::Admitted(_, charter) = self.replica.redeem(&redemption, joiner, now())? else {
            return Err(Fault::Ticket);
        };
        self.replica.flush()?;
        let parts = charter.parts();
        let count = u32::try_from(parts.len()).unwrap_or(u32::MAX);
        let mut frames = vec![Joined::Admitted(count).to_bytes()];
        frames.extend(parts.iter().map(Missing::to_bytes));
        for frame in frames {
            wire::write(&mut stream, &frame).await.map_err(|_| Fault::Ticket)?;
        }
        // Until the joiner has read all of it: to drop the stream would cut it off.
        Ok(tokio::spawn(async move { while wire::read(&mut stream).await.is_some() {} }))
    }
}
