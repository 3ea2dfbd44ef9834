//! One school's node: its keys, its store, its replica while it runs, its sessions.

use std::collections::{BTreeMap, BTreeSet};

use staffroom_protocol::charter::{Missing, Ticket};
use staffroom_protocol::entropy::Entropy;
use staffroom_protocol::fault::Fault;
use staffroom_protocol::id::{ChangeHash, DeviceId, RecordId, SchoolId, SpaceId, TicketId};
use staffroom_protocol::identity::{IdentityChain, Inception, RecoveryCode, Rights, SecretKey};
use staffroom_protocol::replica::{Local, Replica};
use staffroom_protocol::store::MemoryStore;
use staffroom_protocol::sync::Session;
use staffroom_protocol::time::Millis;

use crate::liar::Keys;

use super::network::ConnectionId;
use super::random::Random;
use super::witness::Witness;

/// When the simulated world begins: some morning in 2025.
const BEGINNING_MS: u64 = 1_750_000_000_000;

/// A form that a person left open.
#[derive(Debug, Clone)]
pub(super) struct Form {
    /// The record.
    pub(super) record: RecordId,
    /// The heads at which it was opened.
    pub(super) heads: Vec<ChangeHash>,
    /// What the model says was seen then.
    pub(super) seen: BTreeSet<u64>,
    /// The words that it showed.
    pub(super) read: BTreeSet<String>,
    /// The state that it showed.
    pub(super) state: String,
}

/// What is told to others once it is durable.
#[derive(Debug)]
pub(super) enum Promise {
    /// A ticket goes out to these nodes.
    Ticket(Box<Ticket>, Vec<usize>),
    /// A joiner is let in.
    Admitted { to: usize, ticket: TicketId, charter: Missing },
    /// The school has another sheet.
    Sheet([u8; 32]),
    /// The school has a further device, or has it no more.
    Spare(Option<DeviceId>),
}

/// A school's replica.
pub(super) type School = Replica<MemoryStore>;

/// The code on a school's sheet.
pub(super) fn code(bytes: &[u8; 32]) -> RecoveryCode {
    RecoveryCode::from_random(*bytes.first_chunk().expect("20 of 32 bytes"))
}

/// A node.
pub(super) struct Node {
    /// Its place.
    pub(super) number: usize,
    /// Its school.
    pub(super) school: SchoolId,
    /// Its device.
    pub(super) device: DeviceId,
    chain: IdentityChain,
    device_seed: [u8; 32],
    life: [u8; 32],
    /// How often it was started.
    pub(super) starts: u64,
    /// While it runs.
    pub(super) replica: Option<School>,
    /// While it does not.
    pub(super) store: Option<MemoryStore>,
    /// Its end of each connection.
    pub(super) sessions: BTreeMap<ConnectionId, Session>,
    /// A group commit is on its way.
    pub(super) flush_due: bool,
    /// How far its clock is from the true time.
    pub(super) clock_off_ms: i64,
    /// What waits for the next flush to be told.
    pub(super) promises: Vec<Promise>,
    /// Tickets that it was handed.
    pub(super) tickets: Vec<Ticket>,
    /// Its own space.
    pub(super) own_space: Option<SpaceId>,
    /// A form that is open.
    pub(super) form: Option<Form>,
    /// What its sheet says.
    pub(super) code: [u8; 32],
    /// A further device of the school that was certified.
    pub(super) spare: Option<DeviceId>,
    pub(super) key_changes: u32,
    /// Nodes that it does not talk to, of its own will.
    pub(super) refuses: BTreeSet<usize>,
    /// Nodes that said lately that there is no such space.
    pub(super) shunned: BTreeSet<(SpaceId, usize)>,
    /// An earlier state of its store, with what was acknowledged then.
    pub(super) kept: Option<(MemoryStore, Witness)>,
}

impl Node {
    pub(super) fn new(number: usize, random: &mut Random) -> Self {
        let sheet = random.bytes();
        let code = code(&sheet);
        let device_seed = random.bytes();
        let device: DeviceId = SecretKey::from_seed(&device_seed).public();
        let mut chain = IdentityChain::new(Inception::new(&code));
        chain.certify(&code.root(0), device, Rights::ALL).expect("the root certifies its first device");
        Self {
            number,
            school: chain.school(),
            device,
            chain,
            device_seed,
            life: random.bytes(),
            starts: 0,
            replica: None,
            store: Some(MemoryStore::default()),
            sessions: BTreeMap::new(),
            flush_due: false,
            clock_off_ms: 0,
            promises: Vec::new(),
            tickets: Vec::new(),
            own_space: None,
            form: None,
            code: sheet,
            spare: None,
            key_changes: 0,
            refuses: BTreeSet::new(),
            shunned: BTreeSet::new(),
            kept: None,
        }
    }
    /// Another machine with a copy of all that a node has, its secrets too.
    pub(super) fn copy(&self, number: usize, store: MemoryStore) -> Self {
        Self {
            number,
            chain: self.chain.clone(),
            starts: 1,
            replica: None,
            store: Some(store),
            sessions: BTreeMap::new(),
            flush_due: false,
            promises: Vec::new(),
            tickets: self.tickets.clone(),
            form: None,
            refuses: BTreeSet::new(),
            shunned: BTreeSet::new(),
            kept: None,
            ..*self
        }
    }
    /// Starts it with what its store kept.
    pub(super) fn start(&mut self, random: &mut Random) -> Result<(), Fault> {
        let me = Local { school: self.chain.clone(), device: SecretKey::from_seed(&self.device_seed), life: self.life };
        let store = self.store.take().ok_or(Fault::Store("runs already".to_owned()))?;
        self.starts += 1;
        self.replica = Some(Replica::open(store, me, Entropy::from_seed(random.bytes()))?);
        Ok(())
    }
    /// Stops it without warning: what was staged is lost, what was durable stays.
    pub(super) fn crash(&mut self) {
        let Some(replica) = self.replica.take() else { return };
        let mut store = replica.into_store();
        store.crash();
        self.store = Some(store);
        self.sessions.clear();
        self.promises.clear();
        self.flush_due = false;
        self.form = None;
    }
    /// Its secrets, for one that lies.
    pub(super) fn keys(&self) -> Keys {
        Keys { chain: self.chain.clone(), device_seed: self.device_seed, life: self.life }
    }
    /// Its own idea of the time.
    pub(super) fn clock(&self, now_ms: u64) -> Millis {
        Millis((BEGINNING_MS + now_ms).saturating_add_signed(self.clock_off_ms))
    }
    /// The spaces that it holds.
    pub(super) fn spaces(&self) -> Vec<SpaceId> {
        self.replica.iter().flat_map(|replica| replica.spaces().map(|(id, _)| *id)).collect()
    }
}
