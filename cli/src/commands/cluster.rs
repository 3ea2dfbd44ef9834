//! `share cluster`: the clusters that this school is in.

use clap::Subcommand;
use serde_json::json;
use staffroom_node::api::{Answer, Cluster as Found, Code, Failure, Request};
use staffroom_protocol::charter::Role;

use crate::context::Context;
use crate::failure::{Done, not_yet, unexpected, usage};
use crate::output::{one_line, some};

/// Found a cluster, list clusters, show who belongs
#[derive(Subcommand)]
#[command(after_help = "Examples:\n  share cluster create \"The Brook Cluster\"\n  share cluster show")]
pub(crate) enum Cluster {
    /// Found a cluster; our school is its first steward
    #[command(after_help = "Example:\n  share cluster create \"The Brook Cluster\"")]
    Create {
        /// What it is called
        name: String,
    },
    /// List the clusters we are in
    #[command(after_help = "Example:\n  share cluster list")]
    List,
    /// Show who belongs to a cluster
    #[command(after_help = "Example:\n  share cluster show \"The Brook Cluster\"")]
    Show {
        /// Its name or the start of its id; not needed while there is only one
        name: Option<String>,
    },
    /// Leave a cluster (comes in a later version)
    #[command(after_help = "Example:\n  share cluster leave \"The Brook Cluster\"")]
    Leave {
        /// Its name
        name: String,
    },
}

impl Cluster {
    pub(super) fn run(&self, context: &Context) -> Done {
        let out = &context.out;
        match self {
            Self::Create { name } => {
                let request = Request::CreateCluster { name: name.clone() };
                let Answer::Cluster(space) = context.client()?.ask(request)? else { return Err(unexpected().into()) };
                out.json(&json!({ "space": space }))?;
                out.remark(&format!(
                    "{} is founded; our school is its steward.\n\nTo ask another school in, while `share serve` runs:\n  share invite",
                    one_line(&space.name)
                ))
            }
            Self::List => {
                let clusters = clusters(context)?;
                if out.json {
                    return out.json(&clusters);
                }
                if clusters.is_empty() {
                    return out.remark("No cluster yet.\n\nFound one, or join one with a ticket:\n  share cluster create NAME\n  share join TICKET");
                }
                for cluster in clusters {
                    let schools = u64::try_from(cluster.members.len()).unwrap_or(0);
                    let schools = some(schools, "school", "schools");
                    let records = some(cluster.records, "record", "records");
                    out.say(&format!("{}: {schools}, {records}", one_line(&cluster.name)))?;
                }
                Ok(())
            }
            Self::Show { name } => {
                let cluster = chosen(clusters(context)?, name.as_deref())?;
                if out.json {
                    return out.json(&cluster);
                }
                out.say(&format!("{}, {}", one_line(&cluster.name), some(cluster.records, "record", "records")))?;
                for member in &cluster.members {
                    out.say(&format!("  {}: {}", one_line(&member.school.name), role(member.role)))?;
                }
                Ok(())
            }
            Self::Leave { .. } => {
                let failure = not_yet("leave a cluster");
                Err(failure.hint("a school that does not run its node any more shares and receives nothing").into())
            }
        }
    }
}

/// A role in a word.
pub(super) fn role(role: Role) -> &'static str {
    match role {
        Role::Reader => "reader",
        Role::Contributor => "contributor",
        Role::Steward => "steward",
    }
}

/// The clusters this school is in.
pub(super) fn clusters(context: &Context) -> Done<Vec<Found>> {
    match context.client()?.ask(Request::Clusters)? {
        Answer::Clusters(clusters) => Ok(clusters),
        _ => Err(unexpected().into()),
    }
}

/// The one that a name or the start of an id means; the only one where nothing is said.
pub(super) fn chosen(clusters: Vec<Found>, asked: Option<&str>) -> Done<Found> {
    let names = clusters.iter().map(|cluster| format!("{:?}", cluster.name)).collect::<Vec<_>>().join(", ");
    let is = |cluster: &Found| match asked {
        None => true,
        Some(asked) => {
            let asked = asked.to_lowercase();
            cluster.name.to_lowercase() == asked || (asked.len() >= 4 && cluster.id.to_string().starts_with(&asked))
        }
    };
    let none_here = clusters.is_empty();
    let mut found: Vec<Found> = clusters.into_iter().filter(is).collect();
    match (found.pop(), found.is_empty(), asked) {
        (Some(one), true, _) => Ok(one),
        (Some(_), false, None) => {
            Err(usage(format!("this school is in several clusters: {names}")).hint("say which one").into())
        }
        (Some(_), false, Some(asked)) => Err(usage(format!("more than one cluster is called {asked:?}"))
            .hint("use the start of its id: share cluster list --json")
            .into()),
        (None, _, asked) if none_here => {
            let what = asked.map_or_else(|| "any cluster".to_owned(), |asked| format!("a cluster called {asked:?}"));
            Err(Failure::new(Code::NotFound, format!("this school is not in {what}"))
                .hint("found one: share cluster create NAME")
                .hint("or join one with a ticket: share join TICKET")
                .into())
        }
        (None, _, asked) => {
            let asked = asked.unwrap_or_default();
            let message = format!("this school is in no cluster called {asked:?}");
            Err(Failure::new(Code::NotFound, message).hint(format!("it is in {names}")).into())
        }
    }
}
