//! `share verify`: every chain, signature and hash.

use clap::Args;
use staffroom_node::api::{Answer, Request};

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
    pub(super) fn run(&self, context: &Context) -> Done {
        let out = &context.out;
        let spinner = out.spinner("checking every chain, signature, hash and file");
        let answer = context.client()?.ask(Request::Verify { rebuild: self.rebuild });
        spinner.finish_and_clear();
        let Answer::Verified(found) = answer? else { return Err(unexpected().into()) };
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
