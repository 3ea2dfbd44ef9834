//! `share decision`: what the stewards of a cluster decide together.

use clap::Subcommand;
use serde_json::json;
use staffroom_node::api::{Answer, DecisionInfo, DecisionState, Named, Proposal, Request};
use staffroom_protocol::id::SchoolId;

use crate::context::Context;
use crate::failure::{Done, unexpected};
use crate::output::{Output, and, one_line};

/// See what waits for whose vote, and vote
#[derive(Subcommand)]
#[command(after_help = "Examples:\n  share decision list\n  share decision yes k3v9xq\n\n\
    Changing a school's role, removing one, ending a fork and renaming the\n\
    cluster take the yes of more than half of the stewards.")]
pub(crate) enum Decision {
    /// List what waits for votes
    #[command(after_help = "Examples:\n  share decision list\n  share decision list --all")]
    List {
        /// What was decided, too
        #[arg(long)]
        all: bool,
        /// Only of this cluster
        #[arg(long, value_name = "NAME")]
        cluster: Option<String>,
    },
    /// Show one with its votes
    #[command(after_help = "Example:\n  share decision show k3v9xq")]
    Show {
        /// The start of its id
        id: String,
    },
    /// Say yes, for good
    #[command(after_help = "Example:\n  share decision yes k3v9xq\n\n\
        Where two decisions stand at one place, yes to ours proposes that it counts and the other does not.")]
    Yes {
        /// The start of its id
        id: String,
    },
    /// Say no, for good
    #[command(after_help = "Example:\n  share decision no k3v9xq")]
    No {
        /// The start of its id
        id: String,
    },
}

impl Decision {
    pub(super) fn run(&self, context: &Context) -> Done {
        let out = &context.out;
        match self {
            Self::List { all, cluster } => {
                let request = Request::Decisions { cluster: cluster.clone(), all: *all };
                let Answer::Decisions(decisions) = context.client()?.ask(request)? else {
                    return Err(unexpected().into());
                };
                if out.json {
                    return out.json(&decisions);
                }
                if decisions.is_empty() {
                    return out.remark("Nothing waits for a vote.");
                }
                decisions.iter().try_for_each(|decision| out.say(&line(decision)))
            }
            Self::Show { id } => {
                let request = Request::Decision { id: id.clone() };
                let Answer::Decision(decision) = context.client()?.ask(request)? else {
                    return Err(unexpected().into());
                };
                if out.json {
                    return out.json(&decision);
                }
                out.say(&line(&decision))?;
                out.say(&format!("  decision {} of {}", decision.number, one_line(&decision.space.name)))?;
                for vote in &decision.votes {
                    out.say(&format!("  {}: {}", one_line(&vote.school.name), if vote.yes { "yes" } else { "no" }))?;
                }
                silent(&decision).iter().try_for_each(|school| out.say(&format!("  {school}: has not voted")))
            }
            Self::Yes { id } => decided(context, Request::Vote { id: id.clone(), yes: true }),
            Self::No { id } => decided(context, Request::Vote { id: id.clone(), yes: false }),
        }
    }
}

/// Proposes a decision with our school's yes, and says what came of it.
pub(super) fn propose(context: &Context, cluster: Option<&str>, proposal: Proposal) -> Done {
    decided(context, Request::Propose { cluster: cluster.map(str::to_owned), proposal })
}

fn decided(context: &Context, request: Request) -> Done {
    let out = &context.out;
    match context.client()?.ask(request)? {
        Answer::Decided(decided) => {
            out.json(&json!({ "decision": decided.decision, "stewards": decided.stewards }))?;
            told(out, &decided.decision, decided.stewards)
        }
        Answer::Retired => {
            out.json(&json!({ "decision": null }))?;
            out.remark("That log ends where its two histories part. Our school goes on in a new one.")
        }
        _ => Err(unexpected().into()),
    }
}

fn told(out: &Output, decision: &DecisionInfo, stewards: usize) -> Done {
    out.remark(&line(decision))?;
    match decision.state {
        DecisionState::Open => {
            let short = short(decision);
            let (those, vote) = (and(&silent(decision)), format!("share decision yes {short}"));
            out.remark(&format!("It waits for {those}. There they type:\n  {vote}"))
        }
        DecisionState::Decided if decision.what == "promote" && stewards == 2 => out.remark(
            "With two stewards both have to agree to every decision: if one is lost for ever, writing and admitting\n\
             go on, and nothing can be decided any more. Make a third school a steward as soon as there is one.",
        ),
        _ => Ok(()),
    }
}

/// Who may vote and has not.
fn silent(decision: &DecisionInfo) -> Vec<String> {
    let voted = |school: &Named<SchoolId>| decision.votes.iter().any(|vote| vote.school.id == school.id);
    decision.voters.iter().filter(|school| !voted(school)).map(|school| one_line(&school.name)).collect()
}

fn short(decision: &DecisionInfo) -> String {
    decision.id.to_string()[..6].to_owned()
}

/// "k3v9xq  remove Northgate Academy: 1 yes of 3, waits for Brook Lane School".
pub(super) fn line(decision: &DecisionInfo) -> String {
    let school = decision.school.as_ref().map(|school| format!(" {}", one_line(&school.name))).unwrap_or_default();
    let detail = decision.detail.as_ref().map(|detail| one_line(detail));
    let what = match (decision.what.as_str(), detail) {
        ("demote", Some(role)) => format!("make{school} a {role}"),
        ("promote", _) => format!("make{school} a steward"),
        ("end-fork", _) => format!("end the forked log of{school}"),
        ("found", Some(name)) => format!("found {name}"),
        ("erase", Some(id)) => format!("erase record {}", &id[..id.len().min(6)]),
        ("rename", Some(name)) => format!("call the cluster {name}"),
        ("settle", Some(id)) => format!("settle that {} counts", &id[..id.len().min(6)]),
        (what, Some(detail)) => format!("{what}{school} {detail}"),
        (what, None) => format!("{what}{school}"),
    };
    let yes = decision.votes.iter().filter(|vote| vote.yes).count();
    let state = match decision.state {
        DecisionState::Open => {
            let silent = silent(decision);
            format!("{yes} yes of {}, waits for {}", decision.voters.len(), and(&silent))
        }
        DecisionState::Failed => "refused".to_owned(),
        DecisionState::Decided => "decided".to_owned(),
        DecisionState::Disputed => "decided, and another decision stands at its place".to_owned(),
    };
    format!("{}  {what}: {state}", short(decision))
}
