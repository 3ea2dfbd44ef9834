//! `share why`: where each change of a record comes from, and which do not count.

use clap::Args;
use serde_json::json;
use staffroom_node::api::{Answer, Request};

use crate::context::Context;
use crate::failure::{Done, unexpected};
use crate::history;
use crate::output::one_line;
use crate::record::title;

/// Show where each change of a record comes from: school, device, when, what
#[derive(Args)]
#[command(after_help = "Examples:\n  share why k3v9xq\n  share why k3v9xq --json\n\n\
    A change that is held here and does not count is listed with the reason.")]
pub(crate) struct Why {
    /// Its id; the first letters will do while no other begins with them
    id: String,
}

impl Why {
    pub(super) fn run(&self, context: &Context) -> Done {
        let Answer::History(history) = context.client()?.ask(Request::History { id: self.id.clone() })? else {
            return Err(unexpected().into());
        };
        let (out, summary) = (&context.out, &history.summary);
        if out.json {
            return out.json(&json!({
                "id": summary.id, "kind": summary.kind, "title": title(summary), "space": summary.space,
                "school": summary.school, "changes": history::json(&history, true),
                "not_in_force": history::not_in_force_json(&history), "local_fault": history.local_fault,
            }));
        }
        out.say(&one_line(&title(summary)))?;
        history::why(out, &history)
    }
}
