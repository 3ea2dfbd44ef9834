//! Which files to fetch when: what somebody waits for first, then what records show, small ones first.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use staffroom_protocol::id::BlobId;
use staffroom_protocol::replica::Notice;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, warn};

use super::fetch::{NotFetched, fetch};
use super::turn::Place;
use crate::engine::{BlobCommand, Command, Want};
use crate::net::Shared;
use crate::net::pause::Pause;

/// Files fetched at once.
const FETCHES: usize = 4;
/// How soon after a record came that shows a file: records come by the thousand.
const SOON: Duration = Duration::from_millis(100);
/// At least so often everything is looked at.
const PLAN: Duration = Duration::from_mins(1);

/// A file that somebody waits for.
pub(in crate::net) struct Fetch {
    /// The file.
    pub(in crate::net) want: Want,
    /// What became of it.
    pub(in crate::net) answer: oneshot::Sender<Result<(), NotFetched>>,
}

type Done = (Want, Result<(), NotFetched>);
type Answer = oneshot::Sender<Result<(), NotFetched>>;

/// A fetch under way.
struct Running {
    want: Want,
    /// Who waits for it.
    answers: Vec<Answer>,
    place: Arc<Place>,
}

#[derive(Default)]
struct Plan {
    /// Those that are being fetched, one fetch for each file.
    running: BTreeMap<BlobId, Running>,
    /// Those that somebody waits for, in turn.
    asked: Vec<Fetch>,
    /// Those that were not to be had, until they are tried again.
    pauses: BTreeMap<Want, Pause>,
    /// How often each gave its place up to others: who did so less often goes first.
    turns: BTreeMap<Want, u32>,
    /// Whether files wait for a place.
    crowded: Arc<AtomicBool>,
    /// When it was last looked what is wanted.
    looked: Option<Instant>,
}

/// Runs until the network or the engine stops.
pub(in crate::net) async fn run(shared: Arc<Shared>, mut asks: mpsc::Receiver<Fetch>) {
    // As many messages as fetches under way.
    let (done, mut finished) = mpsc::unbounded_channel::<Done>();
    let mut notices = shared.engine.notices();
    let mut plan = Plan::default();
    let mut at = Instant::now();
    loop {
        tokio::select! {
            () = shared.stopped() => return,
            Some(ask) = asks.recv() => {
                plan.asked.push(ask);
                at = Instant::now();
            }
            Some((want, result)) = finished.recv() => {
                plan.finish(&shared, want, result);
                at = Instant::now();
            }
            notice = notices.recv() => match notice {
                Ok(Notice::Wanted(_)) | Err(RecvError::Lagged(_)) => at = at.min(Instant::now() + SOON),
                Err(RecvError::Closed) => return,
                Ok(_) => {}
            },
            () = shared.reached.notified() => {
                plan.pauses.clear();
                at = at.min(Instant::now() + SOON);
            }
            () = sleep_until(at) => {
                plan.start(&shared, &done).await;
                let pauses = plan.pauses.values().map(|pause| pause.until).filter(|until| *until > Instant::now());
                at = pauses.min().unwrap_or(Instant::now() + PLAN).min(Instant::now() + PLAN);
            }
        }
    }
}

impl Plan {
    /// Starts what is due.
    async fn start(&mut self, shared: &Arc<Shared>, done: &mpsc::UnboundedSender<Done>) {
        for Fetch { want, answer } in std::mem::take(&mut self.asked) {
            match self.running.get_mut(&want.blob) {
                // Somebody waits: it is not held up by the others.
                None => self.begin(shared, want, u64::MAX, Some(answer), done),
                Some(running) if running.want.space == want.space => {
                    running.place.asked.store(true, Ordering::Relaxed);
                    running.answers.push(answer);
                }
                // The same file for another space: after this one.
                Some(_) => self.asked.push(Fetch { want, answer }),
            }
        }
        let full = self.running.len() >= FETCHES;
        if full && self.looked.is_some_and(|looked| looked.elapsed() < PLAN) {
            return;
        }
        self.looked = Some(Instant::now());
        let wanted = shared.engine.query(|answer| Command::Blob(BlobCommand::Wanted(answer))).await;
        let mut wanted = wanted.unwrap_or_default();
        wanted.sort_by_key(|(want, _)| self.turns.get(want).copied().unwrap_or(0));
        let mut waiting = false;
        for (want, most) in wanted {
            let waits = self.pauses.get(&want).is_some_and(|pause| !pause.is_over());
            if waits || self.running.contains_key(&want.blob) {
                continue;
            }
            if self.running.len() >= FETCHES {
                waiting = true;
                break;
            }
            self.begin(shared, want, most, None, done);
        }
        self.crowded.store(waiting, Ordering::Relaxed);
        if !waiting {
            self.turns.clear();
        }
        self.pauses.retain(|_, pause| !pause.is_over());
    }

    fn begin(
        &mut self,
        shared: &Arc<Shared>,
        want: Want,
        most: u64,
        answer: Option<Answer>,
        done: &mpsc::UnboundedSender<Done>,
    ) {
        let asked = AtomicBool::new(answer.is_some());
        let place = Arc::new(Place { crowded: self.crowded.clone(), asked });
        self.running.insert(want.blob, Running { want, answers: answer.into_iter().collect(), place: place.clone() });
        let (shared, done) = (shared.clone(), done.clone());
        tokio::spawn(async move {
            let result = tokio::select! {
                result = fetch(&shared, want, most, &shared.fetching, &place) => result,
                () = shared.stopped() => Err(NotFetched::Stopped),
            };
            shared.fetching.remove(&want.blob);
            let _ = done.send((want, result));
        });
    }

    fn finish(&mut self, shared: &Shared, want: Want, result: Result<(), NotFetched>) {
        let waiting = self.running.remove(&want.blob).map(|running| running.answers).unwrap_or_default();
        match &result {
            Ok(()) => drop(self.pauses.remove(&want)),
            Err(NotFetched::Slow) => *self.turns.entry(want).or_default() += 1,
            Err(why) => {
                match why {
                    NotFetched::Disk(error) => warn!(blob = %want.blob.short(), %error, "a file cannot be stored"),
                    why => debug!(blob = %want.blob.short(), %why, "a file was not fetched"),
                }
                self.pauses.entry(want).or_insert_with(|| Pause::none(shared.times.pause)).grow();
            }
        }
        let mut result = Some(result);
        for answer in waiting {
            let told = result.take().unwrap_or(Err(NotFetched::Nobody));
            // Whoever waits beside the first is told the same.
            if told.is_ok() {
                result = Some(Ok(()));
            }
            let _ = answer.send(told);
        }
    }
}
