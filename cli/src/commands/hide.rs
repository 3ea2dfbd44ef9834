//! `share hide`: out of sight at our school; others are unaffected.

use clap::Args;
use serde_json::json;
use staffroom_node::api::{Answer, Request};

use crate::context::Context;
use crate::failure::{Done, unexpected};
use crate::output::one_line;
use crate::record::short;

/// Leave a record out of lists at our school; others are unaffected
#[derive(Args)]
#[command(after_help = "Examples:\n  share hide k3v9xq\n  share list --hidden\n  share hide k3v9xq --undo\n\n\
    It stays held and passed on, and share show still shows it. Nobody else hears of it.")]
pub(crate) struct Hide {
    /// Its id; the first letters will do
    id: String,
    /// Show it again
    #[arg(long)]
    undo: bool,
}

impl Hide {
    pub(super) fn run(&self, context: &Context) -> Done {
        let request = Request::Hide { id: self.id.clone(), hidden: !self.undo };
        let Answer::Hidden { record, hidden } = context.client()?.ask(request)? else {
            return Err(unexpected().into());
        };
        let out = &context.out;
        out.json(&json!({ "id": record.id, "title": record.name, "hidden": hidden }))?;
        let (title, id) = (one_line(&record.name), short(&record.id));
        out.remark(&if hidden {
            format!("\"{title}\" is left out of lists at our school. To show it again: share hide {id} --undo")
        } else {
            format!("\"{title}\" is shown again.")
        })
    }
}
