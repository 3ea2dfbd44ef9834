//! `share device`: the machines that act for our school.

use std::time::Duration;

use clap::Subcommand;
use serde_json::json;
use staffroom_node::api::{Answer, Device as Found, Request};
use staffroom_protocol::charter::DeviceTicket;

use super::join::{state, ticket_text};
use crate::client::Client;
use crate::context::Context;
use crate::failure::{Done, unexpected, usage};
use crate::output::{one_line, some};
use crate::waiting::{Waited, wait};
use crate::{secret, when};

/// List the machines of our school, add one, end one
#[derive(Subcommand)]
#[command(
    after_help = "Examples:\n  share device list\n  share device invite --expires 1h\n  share device revoke 4fzq"
)]
pub(crate) enum Device {
    /// List the machines that act for our school
    #[command(after_help = "Example:\n  share device list")]
    List,
    /// Make a ticket with which a further machine joins our school; needs a running node
    #[command(after_help = "Example:\n  share device invite --expires 1h\n\n\
        Whoever holds the ticket can act for our school, once: hand it to nobody else.")]
    Invite {
        /// How long the ticket is good for: 1h, 30m
        #[arg(long, default_value = "1h", value_name = "TIME")]
        expires: String,
    },
    /// Make this empty home a further machine of the school that issued a ticket
    #[command(after_help = "Examples:\n  share device join staffroomdevice1…\n  share device join - < ticket.txt")]
    Join {
        /// The ticket; - reads it from standard input
        #[arg(required = true)]
        ticket: Vec<String>,
        /// How long to wait until everything is received
        #[arg(long, default_value_t = 60, value_name = "SECONDS")]
        wait: u64,
    },
    /// End a machine that was lost, for good; what of it is here stands
    #[command(after_help = "Example:\n  share device revoke 4fzq\n\n\
        What this machine wrote that has not come here by now does not count any more.")]
    Revoke {
        /// The start of its id
        device: String,
        /// Ask for the recovery code: needed where the machine may do more than write
        #[arg(long)]
        code: bool,
    },
}

impl Device {
    pub(super) fn run(&self, context: &Context) -> Done {
        match self {
            Self::List => {
                let Answer::Devices { devices, frozen } = context.client()?.ask(Request::Devices)? else {
                    return Err(unexpected().into());
                };
                listed(context, &devices, frozen)
            }
            Self::Invite { expires } => invite(context, expires),
            Self::Join { ticket, wait } => join(context, ticket, *wait),
            Self::Revoke { device, code } => {
                let mut client = context.client()?;
                let code = if *code { Some(secret::ask("Recovery code")?) } else { None };
                let request = Request::RevokeDevice { device: device.clone(), code };
                let Answer::Devices { devices, frozen } = client.ask(request)? else { return Err(unexpected().into()) };
                listed(context, &devices, frozen)
            }
        }
    }
}

fn listed(context: &Context, devices: &[Found], frozen: bool) -> Done {
    let out = &context.out;
    out.json(&json!({ "devices": devices, "frozen": frozen }))?;
    for device in devices {
        let here = if device.ours { ", this one" } else { "" };
        let may = if device.revoked { "revoked".to_owned() } else { device.rights.join(", ") };
        out.say(&format!("{}: {may}{here}", device.device.short()))?;
    }
    if frozen {
        out.say("\nTwo branches of this school's chain weigh the same: nothing after they part gives rights.")?;
        out.say("The sheet ends that: share key rotate")?;
    }
    Ok(())
}

fn invite(context: &Context, expires: &str) -> Done {
    let expires_in = when::duration(expires)
        .ok_or_else(|| usage(format!("{expires:?} is not a length of time")).hint("write it as 7d, 12h or 30m"))?;
    let Answer::DeviceTicket { ticket, expires } = context.client()?.ask(Request::InviteDevice { expires_in })? else {
        return Err(unexpected().into());
    };
    let out = &context.out;
    out.json(&json!({ "ticket": ticket, "expires": when::rfc3339(expires) }))?;
    out.remark(&format!("A ticket for one machine, until {}:\n", when::moment(expires, &when::now())))?;
    out.say(&ticket)?;
    out.remark("\nWhoever holds it can act for our school. On the other machine, in an empty home:\n  share device join TICKET")
}

fn join(context: &Context, words: &[String], seconds: u64) -> Done {
    let text = ticket_text(words)?;
    let ticket = DeviceTicket::parse(&text).map_err(|_| {
        usage("this is not a whole ticket: a ticket for a device starts with staffroomdevice1 and every letter of it counts")
            .hint("copy the whole ticket again, in one piece")
            .hint("a ticket for a school starts with staffroom1: share join TICKET")
    })?;
    let joining = |running: &staffroom_node::Running, runtime: &tokio::runtime::Runtime| {
        runtime.block_on(running.join_device(&ticket))
    };
    let mut client = Client::in_empty(&context.home, joining)?;
    let (waited, _) = wait(&mut client, None, Duration::from_secs(seconds), &mut |_| ())?;
    let status = state(&mut client)?;
    let out = &context.out;
    let in_step = waited == Waited::InStep;
    out.json(&json!({ "school": status.school, "device": status.device, "in_step": in_step }))?;
    out.say(&format!(
        "This machine acts for {} from now on.\n\n  home    {}\n  device  {}\n  {}",
        one_line(&status.school.name),
        context.home.path().display(),
        status.device,
        some(status.store.records, "record", "records"),
    ))?;
    out.remark(if in_step { "\nshare serve keeps it in step." } else { "\nshare serve receives the rest." })
}
