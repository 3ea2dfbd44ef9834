//! `share adapt`: a copy to change, with the original's attribution.

use clap::Args;
use staffroom_node::api::{Answer, Code, Done as Outcomes, Failure, Request};

use super::Author;
use crate::batch::Destination;
use crate::context::Context;
use crate::failure::{Done, unexpected};
use crate::output::one_line;
use crate::record::short;

/// Make a copy of a record to change; its authors and where it came from stay named
#[derive(Args)]
#[command(after_help = "Examples:\n  share adapt k3v9xq\n  share adapt k3v9xq --to \"The Brook Cluster\"\n\n\
    The copy is a draft in our own space, unless --to names a cluster. A licence with NC or SA is\n\
    pointed out, one with ND stops it.")]
pub(crate) struct Adapt {
    /// The original's id; the first letters will do
    id: String,
    /// The cluster to share the copy in at once
    #[arg(long, value_name = "CLUSTER|school")]
    to: Option<String>,
    #[command(flatten)]
    author: Author,
}

impl Adapt {
    pub(super) fn run(&self, context: &Context) -> Done {
        let author = context.author(self.author.name.as_deref())?;
        let mut client = context.client()?;
        let to = Destination::resolve(&mut client, Some(self.to.as_deref().unwrap_or("school")))?;
        let request = Request::Adapt { id: self.id.clone(), to: Some(to.to()), author };
        let Answer::Saved { outcomes, .. } = client.ask(request)? else { return Err(unexpected().into()) };
        let out = &context.out;
        let outcome = outcomes.into_iter().next().ok_or_else(unexpected)?;
        let id = match (outcome.outcome, outcome.id) {
            (Outcomes::Created, Some(id)) => short(&id),
            _ => return Err(Failure::new(Code::Refused, outcome.reason.unwrap_or_default()).into()),
        };
        out.json(&outcome)?;
        for warning in &outcome.warnings {
            out.note(&format!("warning: {}", one_line(warning)));
        }
        let (title, place, seen) = (one_line(&outcome.title), one_line(&to.name()), to.seen_by());
        out.remark(&format!("Copied \"{title}\" as {id}, in {place}. {seen}"))?;
        out.remark(&format!("To change it: share edit {id}"))
    }
}
