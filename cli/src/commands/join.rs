//! `share join`: into a cluster, with a ticket.

use std::io::Read as _;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;
use staffroom_node::api::{Answer, Named, Request, Status};
use staffroom_protocol::charter::Ticket;
use staffroom_protocol::id::SpaceId;

use crate::client::Client;
use crate::context::Context;
use crate::failure::{Done, Ended, failed, unexpected, usage};
use crate::output::{Output, count, one_line};
use crate::waiting::{Waited, partners, wait};

/// Join a cluster with a ticket, and receive what it shares
#[derive(Args)]
#[command(after_help = "Examples:\n  share join staffroom1…\n  share join - < ticket.txt\n\n\
    Shows four words, where the other school confirms who joins: read them to the person there.\n\
    The same command goes on where an earlier one stopped; the words stay the same.\n\
    Where no node runs here, one runs for as long as this takes.")]
pub(crate) struct Join {
    /// The ticket; - reads it from standard input
    #[arg(required = true)]
    ticket: Vec<String>,
    /// How long to wait until the other school has confirmed and everything is received
    #[arg(long, default_value_t = 600, value_name = "SECONDS")]
    wait: u64,
}

impl Join {
    pub(super) fn run(&self, context: &Context) -> Done {
        let ticket = self.ticket()?;
        let out = &context.out;
        let mut client = Client::reaching(&context.home)?;
        let before = state(&mut client)?.store.entries;
        let begun = Instant::now();
        let left = || Duration::from_secs(self.wait).saturating_sub(begun.elapsed());
        let (space, words) = match admission(context, &mut client, &ticket, &left)? {
            Admission::Admitted(space, words) => (space, words),
            Admission::Waiting(space, words) => return self.still_waiting(out, &space, &words),
        };
        out.note(&format!("Admitted to {}.", one_line(&space.name)));
        let (waited, status) = receive(context, &mut client, (space.id, before), left())?;
        out.json(&json!({
            "space": space,
            "state": "admitted",
            "words": words,
            "in_step": waited == Waited::InStep,
        }))?;
        let name = one_line(&space.name);
        let records = count(status.store.records);
        if waited == Waited::InStep {
            return out.remark(&format!("In step with {name}: {records} records are here."));
        }
        let rest =
            if client.runs_already() { "the running node receives the rest" } else { "share serve receives the rest" };
        out.remark(&format!("{records} records are here so far; {rest}."))?;
        if self.wait == 0 { Ok(()) } else { Err(Ended::With(8)) }
    }

    /// The ticket, checked before anything is begun.
    fn ticket(&self) -> Done<String> {
        let ticket = ticket_text(&self.ticket)?;
        match Ticket::parse(&ticket) {
            Ok(_) => Ok(ticket),
            Err(wrong) => Err(usage(wrong.to_string()).hint("copy the whole ticket again, in one piece").into()),
        }
    }

    /// The time is up before anybody confirmed.
    fn still_waiting(&self, out: &Output, space: &Named<SpaceId>, words: &str) -> Done {
        out.json(&json!({ "space": space, "state": "waiting", "words": words, "in_step": false }))?;
        out.remark("Nobody has confirmed yet. The same command goes on later; the words stay the same.")?;
        if self.wait == 0 { Ok(()) } else { Err(Ended::With(8)) }
    }
}

/// A ticket as it was given: words of the command line, or - for standard input.
pub(super) fn ticket_text(words: &[String]) -> Done<String> {
    let mut ticket = words.concat();
    if ticket == "-" {
        ticket.clear();
        let read = std::io::stdin().lock().take(64 << 10).read_to_string(&mut ticket);
        read.map_err(|error| failed(format!("standard input cannot be read: {error}")))?;
    }
    Ok(ticket)
}

/// How far the ticket has led.
enum Admission {
    /// The school belongs; after these words, where a person confirmed them.
    Admitted(Named<SpaceId>, Option<String>),
    /// It waits, and these are its words.
    Waiting(Named<SpaceId>, String),
}

/// Redeems the ticket; shows the words at once where a person has to confirm, and waits for that.
fn admission(context: &Context, client: &mut Client, ticket: &str, left: &dyn Fn() -> Duration) -> Done<Admission> {
    let mut redeem = |wait: Duration| {
        let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        client.ask(Request::Join { ticket: ticket.to_owned(), wait })
    };
    let first = match redeem(Duration::ZERO)? {
        Answer::Joined { space, words } => return Ok(Admission::Admitted(space, words)),
        Answer::Waits { words, space } => (space, words),
        _ => return Err(unexpected().into()),
    };
    show(&context.out, &first.1);
    if left().is_zero() {
        return Ok(Admission::Waiting(first.0, first.1));
    }
    let spinner = context.out.spinner("waiting for the other school to confirm");
    let last = redeem(left());
    spinner.finish_and_clear();
    match last? {
        Answer::Joined { space, words } => Ok(Admission::Admitted(space, words)),
        Answer::Waits { space, words } => Ok(Admission::Waiting(space, words)),
        _ => Err(unexpected().into()),
    }
}

/// The words, as soon as they are known: on standard error, since the result is still to come.
fn show(out: &Output, words: &str) {
    if out.json {
        out.aside(&json!({ "event": "waiting", "words": words }));
    } else {
        out.urge(&format!(
            "The other school has to confirm that it is you. Read these four words to the person there:\n\n  {words}\n"
        ));
    }
}

fn receive(
    context: &Context,
    client: &mut Client,
    (space, before): (SpaceId, u64),
    most: Duration,
) -> Done<(Waited, Status)> {
    let bar = context.out.bar(0, "{bar:30} {msg}");
    let mut look = |status: &Status| {
        let got = status.store.entries.saturating_sub(before);
        let missing = partners(status, Some(space)).map(|partner| partner.missing).max().unwrap_or(0);
        bar.set_length(got + missing);
        bar.set_position(got);
        bar.set_message(format!("{} of {} entries", count(got), count(got + missing)));
    };
    let waited = wait(client, Some(space), most, &mut look);
    bar.finish_and_clear();
    waited
}

/// The state of the node.
pub(super) fn state(client: &mut Client) -> Done<Status> {
    match client.ask(Request::Status)? {
        Answer::Status(status) => Ok(*status),
        _ => Err(unexpected().into()),
    }
}

/// The same, of a node that runs in this process.
pub(super) async fn state_of(running: &staffroom_node::Running) -> Done<Status> {
    match running.ask(Request::Status).await? {
        Answer::Status(status) => Ok(*status),
        _ => Err(unexpected().into()),
    }
}
