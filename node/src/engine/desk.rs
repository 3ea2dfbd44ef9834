//! The replica with everything that the engine's thread keeps beside it.

use std::path::PathBuf;

use staffroom_protocol::Replica;
use staffroom_protocol::fault::Fault;
use staffroom_protocol::id::{RecordId, TicketId};
use staffroom_protocol::replica::Notice;
use staffroom_protocol::sync::Input;
use staffroom_protocol::time::Millis;
use tokio::sync::{broadcast, oneshot};

use super::erasing::Wiping;
use super::links::Links;
use super::names::store_failed;
use super::{Policy, wall_clock};
use crate::api::Failure;
use crate::blobs::Blobs;
use crate::life::Life;
use crate::store::{RedbStore, Snapshot, Snapshots};

/// What waits for the next flush.
type After = Box<dyn FnOnce(Result<(), &Fault>) + Send>;

/// Everything the engine's thread owns.
pub(super) struct Desk {
    pub(super) replica: Replica<RedbStore>,
    life: Life,
    pub(super) links: Links,
    pub(super) listen: Vec<String>,
    pub(super) path: PathBuf,
    pub(super) snapshots: Snapshots,
    pub(super) blobs: Blobs,
    pub(super) policy: Policy,
    /// Whether files wait to be removed that no space knows any more.
    pub(super) drops: bool,
    notices: broadcast::Sender<Notice>,
    after: Vec<After>,
    pub(super) until_in_step: Vec<oneshot::Sender<()>>,
    /// Who is to be told when a ticket's holder waits no more.
    pub(super) until_decided: Vec<(TicketId, oneshot::Sender<()>)>,
    /// Tickets about which something was decided, staged.
    pub(super) decided: Vec<TicketId>,
    /// When scheduled tips are looked for again.
    pub(super) next_look: Millis,
    /// When the store is rewritten next.
    pub(super) wiping: Wiping,
    /// A minute went by since that was looked at.
    pub(super) ticked: bool,
    /// The record that was shown last and that nobody has got ready for yet.
    pub(super) opened: Option<RecordId>,
}

impl Desk {
    pub(super) fn new(
        replica: Replica<RedbStore>,
        life: Life,
        snapshots: Snapshots,
        path: PathBuf,
        (blobs, policy): (Blobs, Policy),
        notices: broadcast::Sender<Notice>,
    ) -> Self {
        Self {
            replica,
            life,
            links: Links::default(),
            listen: Vec::new(),
            path,
            snapshots,
            blobs,
            policy,
            drops: true,
            notices,
            after: Vec::new(),
            until_in_step: Vec::new(),
            until_decided: Vec::new(),
            decided: Vec::new(),
            next_look: Millis(0),
            wiping: Wiping::default(),
            ticked: false,
            opened: None,
        }
    }

    /// What was shown may be edited next: gets ready for it once everybody has their answers.
    pub(super) fn expect_change(&mut self) {
        if let Some(Err(fault)) = self.opened.take().map(|record| self.replica.expect_change(&record)) {
            tracing::warn!(%fault, "not ready for an edit");
        }
    }

    /// Makes what is staged durable; then answers, acknowledges, pushes.
    pub(super) fn settle(&mut self) -> Result<(), Fault> {
        let staged = self.replica.is_staged();
        let flushed = self.replica.flush();
        // What was read while the file turned out to be damaged is no answer: it is mended first.
        let flushed = flushed.and_then(|notices| self.replica.store().failed().map_or(Ok(notices), Err));
        if flushed.is_ok() {
            self.life.keep(&self.replica);
        }
        let result = flushed.as_ref().map(|_| ());
        for after in self.after.drain(..) {
            after(result);
        }
        let notices = flushed?;
        if staged || !notices.is_empty() {
            for notice in notices {
                let _ = self.notices.send(notice);
            }
        }
        for ticket in self.decided.drain(..) {
            for (_, answer) in self.until_decided.extract_if(.., |(waits, _)| *waits == ticket) {
                let _ = answer.send(());
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

    /// Answers once nobody waits with this ticket any more, and that is durable.
    pub(super) fn when_decided(&mut self, ticket: TicketId, answer: oneshot::Sender<()>) {
        self.until_decided.retain(|(_, answer)| !answer.is_closed());
        if self.replica.waits(&ticket) {
            self.until_decided.push((ticket, answer));
        } else {
            self.later(answer, (), |_| ());
        }
    }

    /// What is durable, to read from.
    pub(super) fn snapshot(&self) -> Result<Snapshot, Failure> {
        self.snapshots.take().map_err(|fault| store_failed(&fault))
    }

    /// Answers after the next flush.
    pub(super) fn later<T: Send + 'static>(&mut self, answer: oneshot::Sender<T>, result: T, failed: fn(&Fault) -> T) {
        self.after.push(Box::new(move |flushed| {
            let _ = answer.send(match flushed {
                Ok(()) => result,
                Err(fault) => failed(fault),
            });
        }));
    }
}
