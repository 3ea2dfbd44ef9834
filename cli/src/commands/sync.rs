//! `share sync`: with every partner, now.

use std::time::Duration;

use clap::Args;
use staffroom_node::api::{PartnerState, Request, Status};

use super::status;
use crate::client::Client;
use crate::context::Context;
use crate::failure::{Done, Ended};
use crate::output::count;
use crate::waiting::{Waited, partners, wait};
use crate::when;

/// Reach every partner now, and wait until they are in step
#[derive(Args)]
#[command(after_help = "Example:\n  share sync --wait 120\n\n\
    Ends with 0 once in step with every partner that was reached, 8 if some are behind when the time\n\
    is up, 6 if none was reached. Where no node runs here, one runs for as long as this takes.")]
pub(crate) struct Sync {
    /// How long to wait at most
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    wait: u64,
}

impl Sync {
    pub(super) fn run(&self, context: &Context) -> Done {
        let out = &context.out;
        let mut client = Client::reaching(&context.home)?;
        client.ask(Request::Sync { wait: 0 })?;
        let spinner = out.spinner("reaching partners");
        let mut look = |status: &Status| {
            let behind: u64 = partners(status, None).map(|partner| partner.missing).sum();
            if behind > 0 {
                spinner.set_message(format!("behind by {}", count(behind)));
            }
        };
        let waited = wait(&mut client, None, Duration::from_secs(self.wait), &mut look);
        spinner.finish_and_clear();
        let (waited, mut state) = waited?;
        if out.json {
            out.json(&status::json(&mut state))?;
        }
        let now = when::now();
        for partner in partners(&state, None) {
            out.say(&status::line(partner, &now))?;
        }
        let unheard = partners(&state, None).filter(|partner| partner.state == PartnerState::Unheard).count();
        match waited {
            Waited::InStep if unheard == 0 => out.remark("In step with every partner."),
            Waited::InStep => out.remark("In step with every partner that was reached."),
            Waited::Behind => {
                out.note("hint: it goes on while the node runs; wait longer with --wait SECONDS");
                Err(Ended::With(8))
            }
            Waited::Unreached => {
                if partners(&state, None).next().is_none() {
                    out.note("No partner to reach: no other school is in a cluster with ours yet.");
                } else {
                    out.note("No partner was reached.");
                }
                Err(Ended::With(6))
            }
        }
    }
}
