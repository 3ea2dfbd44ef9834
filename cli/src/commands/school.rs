//! `share school`: who belongs to a cluster, and with which role.

use clap::Subcommand;
use serde_json::json;
use staffroom_node::api::{Answer, Request};

use super::cluster::{chosen, clusters, role};
use crate::context::Context;
use crate::failure::{Done, not_yet, unexpected};
use crate::output::one_line;

/// List the schools of a cluster, make one a steward
#[derive(Subcommand)]
#[command(after_help = "Examples:\n  share school list\n  share school promote \"Northgate Academy\"")]
pub(crate) enum School {
    /// List the schools of a cluster with their roles
    #[command(after_help = "Example:\n  share school list --cluster \"The Brook Cluster\"")]
    List {
        /// The cluster; not needed while there is only one
        #[arg(long, value_name = "NAME")]
        cluster: Option<String>,
    },
    /// Make a school a steward, who may admit others
    #[command(after_help = "Example:\n  share school promote \"Northgate Academy\"")]
    Promote {
        /// Its name or the start of its id
        school: String,
        /// The cluster; not needed while there is only one
        #[arg(long, value_name = "NAME")]
        cluster: Option<String>,
    },
    /// Admit a school that waits (comes in a later version)
    #[command(hide = true)]
    Admit(Words),
    /// Remove a school (comes in a later version)
    #[command(hide = true)]
    Remove(Words),
    /// Take the steward's role away (comes in a later version)
    #[command(hide = true)]
    Demote(Words),
    /// Refuse a school that waits (comes in a later version)
    #[command(hide = true)]
    Refuse(Words),
    /// Admit who says these words (comes in a later version)
    #[command(hide = true)]
    Confirm(Words),
}

/// What a verb of a later version will take.
#[derive(clap::Args)]
pub(crate) struct Words {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

impl School {
    pub(super) fn run(&self, context: &Context) -> Done {
        let out = &context.out;
        match self {
            Self::List { cluster } => {
                let cluster = chosen(clusters(context)?, cluster.as_deref())?;
                if out.json {
                    return out.json(&cluster.members);
                }
                for member in &cluster.members {
                    out.say(&format!("{}: {}", one_line(&member.school.name), role(member.role)))?;
                }
                Ok(())
            }
            Self::Promote { school, cluster } => {
                let request = Request::Promote { cluster: cluster.clone(), school: school.clone() };
                let Answer::Promoted(school) = context.client()?.ask(request)? else {
                    return Err(unexpected().into());
                };
                out.json(&json!({ "school": school, "role": "steward" }))?;
                out.remark(&format!("{} is a steward now: it may admit schools.", one_line(&school.name)))
            }
            Self::Admit(words) => later("admit", words),
            Self::Remove(words) => later("remove", words),
            Self::Demote(words) => later("demote", words),
            Self::Refuse(words) => later("refuse", words),
            Self::Confirm(words) => later("confirm", words),
        }
    }
}

fn later(verb: &str, words: &Words) -> Done {
    let asked = words.words.first().map(|word| format!(" {word:?}")).unwrap_or_default();
    let failure = not_yet(&format!("school {verb}{asked}"));
    Err(failure.hint("share school list, and share school promote, are there").into())
}
