//! `share verify`: every chain, signature and hash.

use clap::Args;
use staffroom_node::api::{Answer, Request, Verified};

use crate::client::Client;
use crate::context::Context;
use crate::failure::{Done, Ended, unexpected};
use crate::output::{one_line, some};

/// Check every chain, signature, hash and file that is held
#[derive(Args)]
#[command(
    after_help = "Examples:\n  share verify\n  share verify --rebuild     makes what is derived anew, then checks again"
)]
pub(crate) struct Verify {
    /// Make what is derived from the signed entries anew
    #[arg(long)]
    rebuild: bool,
}

impl Verify {
    /// Checks; where no node runs and the store is damaged, it is mended by opening it once more, and what
    /// was wrong before and is not any more counts as put right.
    fn check(&self, context: &Context) -> Done<Verified> {
        let ask = |client: &mut Client| match client.ask(Request::Verify { rebuild: self.rebuild })? {
            Answer::Verified(found) => Ok(found),
            _ => Err(Ended::from(unexpected())),
        };
        let mut client = context.client()?;
        let found = ask(&mut client)?;
        if !found.damaged || client.runs_already() {
            return Ok(found);
        }
        drop(client);
        let mut after = ask(&mut context.client()?)?;
        for mut fault in found.faults.into_iter().rev() {
            if !after.faults.iter().any(|left| left.place == fault.place) {
                fault.healed = true;
                after.faults.insert(0, fault);
            }
        }
        Ok(after)
    }
    pub(super) fn run(&self, context: &Context) -> Done {
        let out = &context.out;
        let spinner = out.spinner("checking every chain, signature, hash and file");
        let checked = self.check(context);
        spinner.finish_and_clear();
        let found = checked?;
        out.json(&found)?;
        for fault in &found.faults {
            let healed = if fault.healed { " (put right)" } else { "" };
            out.say(&format!("{}: {}{healed}", one_line(&fault.place), one_line(&fault.what)))?;
        }
        let mut what = some(found.records, "record", "records");
        if found.blobs > 0 {
            what = format!("{what} and {}", some(found.blobs, "file", "files"));
        }
        let checked = format!("{} of {what} checked", some(found.entries, "entry", "entries"));
        let remaining = found.faults.iter().filter(|fault| !fault.healed).count();
        if remaining == 0 {
            return out.remark(&format!("{checked}: all sound"));
        }
        let faults = some(u64::try_from(remaining).unwrap_or(u64::MAX), "fault remains", "faults remain");
        out.remark(&format!("{checked}: {faults}"))?;
        if !self.rebuild {
            out.note("hint: share verify --rebuild makes what is derived anew; damaged files come again from partners while the node runs; a backup restores the rest");
        }
        Err(Ended::With(7))
    }
}
