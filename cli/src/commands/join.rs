//! `share join`: into a cluster, with a ticket.

use std::io::Read as _;
use std::time::Duration;

use clap::Args;
use serde_json::json;
use staffroom_node::api::{Answer, Request, Status};
use staffroom_protocol::charter::Ticket;
use staffroom_protocol::id::SpaceId;

use crate::client::Client;
use crate::context::Context;
use crate::failure::{Done, Ended, failed, unexpected, usage};
use crate::output::{count, one_line};
use crate::waiting::{Waited, partners, wait};

/// Join a cluster with a ticket, and receive what it shares
#[derive(Args)]
#[command(after_help = "Examples:\n  share join staffroom1…\n  share join - < ticket.txt\n\n\
    Where no node runs here, one runs for as long as this takes.")]
pub(crate) struct Join {
    /// The ticket; - reads it from standard input
    #[arg(required = true)]
    ticket: Vec<String>,
    /// How long to wait until everything is received
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    wait: u64,
}

impl Join {
    pub(super) fn run(&self, context: &Context) -> Done {
        let ticket = self.ticket()?;
        let out = &context.out;
        let mut client = Client::reaching(&context.home)?;
        let before = state(&mut client)?.store.entries;
        let Answer::Joined(space) = client.ask(Request::Join { ticket })? else { return Err(unexpected().into()) };
        out.note(&format!("Admitted to {}.", one_line(&space.name)));
        let (waited, status) = self.receive(context, &mut client, space.id, before)?;
        out.json(&json!({
            "space": space,
            "state": "admitted",
            "words": null,
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

    fn receive(&self, context: &Context, client: &mut Client, space: SpaceId, before: u64) -> Done<(Waited, Status)> {
        let bar = context.out.bar(0, "{bar:30} {msg}");
        let mut look = |status: &Status| {
            let got = status.store.entries.saturating_sub(before);
            let missing = partners(status, Some(space)).map(|partner| partner.missing).max().unwrap_or(0);
            bar.set_length(got + missing);
            bar.set_position(got);
            bar.set_message(format!("{} of {} entries", count(got), count(got + missing)));
        };
        let waited = wait(client, Some(space), Duration::from_secs(self.wait), &mut look);
        bar.finish_and_clear();
        waited
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
