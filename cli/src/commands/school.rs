//! `share school`: who belongs to a cluster, and with which role.

use clap::Subcommand;
use serde_json::json;
use staffroom_node::api::{Answer, Request};

use super::cluster::{chosen, clusters, role};
use crate::context::Context;
use crate::failure::{Done, not_yet, unexpected};
use crate::output::one_line;

/// List the schools of a cluster, confirm or refuse one that waits, make one a steward
#[derive(Subcommand)]
#[command(after_help = "Examples:\n  share school list\n  share school confirm cherry tunnel wise orbit\n  \
    share school promote \"Northgate Academy\"")]
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
    /// Admit the school that waits and shows these four words
    #[command(after_help = "Examples:\n  share school confirm cherry tunnel wise orbit\n  \
        share school confirm Cherry-Tunnel-Wise-Orbit\n\n\
        Take the words from the person at the other school, on the telephone or in the room. share status\n\
        shows who waits.")]
    Confirm {
        /// The words that the other school's screen shows, in any case, with spaces or dashes
        #[arg(required = true)]
        words: Vec<String>,
    },
    /// Refuse a school that waits; its ticket admits nobody any more
    #[command(after_help = "Example:\n  share school refuse \"Northgate Academy\"")]
    Refuse {
        /// Its name, its four words or the start of its id
        #[arg(required = true)]
        school: Vec<String>,
    },
    /// Admit a school without a ticket (comes in a later version)
    #[command(hide = true)]
    Admit(Words),
    /// Remove a school (comes in a later version)
    #[command(hide = true)]
    Remove(Words),
    /// Take the steward's role away (comes in a later version)
    #[command(hide = true)]
    Demote(Words),
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
            Self::Confirm { words } => {
                let request = Request::Confirm { words: words.join(" ") };
                let Answer::Confirmed { school, space, role: admitted } = context.client()?.ask(request)? else {
                    return Err(unexpected().into());
                };
                out.json(&json!({ "school": school, "space": space, "role": admitted }))?;
                let (school, space) = (one_line(&school.name), one_line(&space.name));
                out.remark(&format!("{school} belongs to {space} now, as a {}.", role(admitted)))
            }
            Self::Refuse { school } => {
                let request = Request::Refuse { school: school.join(" ") };
                let Answer::Refused { school, space } = context.client()?.ask(request)? else {
                    return Err(unexpected().into());
                };
                out.json(&json!({ "school": school, "space": space }))?;
                out.remark(&format!("{} is refused. Its ticket admits nobody any more.", one_line(&school.name)))
            }
            Self::Admit(words) => later("admit", words),
            Self::Remove(words) => later("remove", words),
            Self::Demote(words) => later("demote", words),
        }
    }
}

fn later(verb: &str, words: &Words) -> Done {
    let asked = words.words.first().map(|word| format!(" {word:?}")).unwrap_or_default();
    let failure = not_yet(&format!("school {verb}{asked}"));
    Err(failure.hint("share school list, and share school promote, are there").into())
}
