//! `share school`: who belongs to a cluster, and with which role.

use clap::Subcommand;
use serde_json::json;
use staffroom_node::api::{Answer, Proposal, Request};

use super::cluster::{chosen, clusters, role};
use super::decision::propose;
use super::invite::{Admitted, seconds};
use crate::context::Context;
use crate::failure::{Done, not_yet, unexpected};
use crate::output::one_line;
use crate::when;

/// List the schools of a cluster, confirm who waits, change roles, remove
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
    /// Refuse a school that waits, whose ticket then admits nobody; or stop talking to a partner
    #[command(after_help = "Examples:\n  share school refuse \"Northgate Academy\"\n  \
        share school refuse \"Northgate Academy\" --for 7d\n  share school refuse \"Northgate Academy\" --end\n\n\
        Not talking to a partner is up to this node alone: it still belongs, and what it shares comes through\n\
        others. To end that a school belongs: share school remove.")]
    Refuse {
        /// Its name, its four words or the start of its id
        #[arg(required = true)]
        school: Vec<String>,
        /// How long not to talk to a partner: 7d, 12h, 30m; for good where nothing is said
        #[arg(long = "for", value_name = "TIME")]
        time: Option<String>,
        /// Talk to a partner again
        #[arg(long, conflicts_with = "time")]
        end: bool,
    },
    /// Take rights from a school: a steward becomes a contributor, or anyone a reader
    #[command(after_help = "Example:\n  share school demote \"Northgate Academy\" --to reader\n\n\
        More than half of the stewards have to agree: share decision list.")]
    Demote {
        /// Its name or the start of its id
        school: String,
        /// What it is then: a contributor still shares, a reader only receives
        #[arg(long, default_value = "contributor")]
        to: Admitted,
        /// The cluster; not needed while there is only one
        #[arg(long, value_name = "NAME")]
        cluster: Option<String>,
    },
    /// Remove a school from the cluster
    #[command(after_help = "Example:\n  share school remove \"Northgate Academy\"\n\n\
        What it shared so far stays; what it holds it keeps. More than half of the stewards have to agree:\n\
        share decision list.")]
    Remove {
        /// Its name or the start of its id
        school: String,
        /// The cluster; not needed while there is only one
        #[arg(long, value_name = "NAME")]
        cluster: Option<String>,
    },
    /// Say where a log ends of which two histories were signed, as after a copied or restored machine
    #[command(after_help = "Example:\n  share school end-fork \"Northgate Academy\"\n\n\
        What stood before the two histories part stays. For our own school it holds at once; for another one\n\
        more than half of the stewards have to agree.")]
    EndFork {
        /// Its name or the start of its id
        school: String,
        /// The cluster; not needed while there is only one
        #[arg(long, value_name = "NAME")]
        cluster: Option<String>,
    },
    /// Admit a school without a ticket (comes in a later version)
    #[command(hide = true)]
    Admit(Words),
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
                propose(context, cluster.as_deref(), Proposal::Promote { school: school.clone() })
            }
            Self::Demote { school, to, cluster } => {
                propose(context, cluster.as_deref(), Proposal::Demote { school: school.clone(), to: to.role() })
            }
            Self::Remove { school, cluster } => {
                propose(context, cluster.as_deref(), Proposal::Remove { school: school.clone() })
            }
            Self::EndFork { school, cluster } => {
                propose(context, cluster.as_deref(), Proposal::EndForks { school: school.clone() })
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
            Self::Refuse { school, time, end } => refuse(context, school.join(" "), time.as_deref(), *end),
            Self::Admit(words) => later("admit", words),
        }
    }
}

fn refuse(context: &Context, school: String, time: Option<&str>, end: bool) -> Done {
    let time = time.map(seconds).transpose()?;
    let request = if end { Request::EndRefusal { school } } else { Request::Refuse { school, time } };
    let out = &context.out;
    match context.client()?.ask(request)? {
        Answer::Refused { school, space } => {
            out.json(&json!({ "school": school, "space": space }))?;
            out.remark(&format!("{} is refused. Its ticket admits nobody any more.", one_line(&school.name)))
        }
        Answer::Refusal { school, refused, until } => {
            out.json(&json!({ "school": school, "refused": refused, "until": until.map(when::rfc3339) }))?;
            let name = one_line(&school.name);
            out.remark(&match (refused, until) {
                (false, _) => format!("This node talks to {name} again."),
                (true, None) => format!("This node talks to {name} no more."),
                (true, Some(until)) => {
                    format!("This node talks to {name} no more, until {}.", when::moment(until, &when::now()))
                }
            })
        }
        _ => Err(unexpected().into()),
    }
}

fn later(verb: &str, words: &Words) -> Done {
    let asked = words.words.first().map(|word| format!(" {word:?}")).unwrap_or_default();
    let failure = not_yet(&format!("school {verb}{asked}"));
    Err(failure.hint("share school list, and share school promote, are there").into())
}
