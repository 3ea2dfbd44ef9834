//! `share demo`: three schools in a cluster on this machine, each a node of its own in a home of its
//! own, joined by tickets over real connections. Nothing about them is special but their number.

mod pages;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde_json::json;
use staffroom_node::api::{Answer, Code, Failure, Filter, Named, NewRecord, Request};
use staffroom_node::exchange::{Options, markdown};
use staffroom_node::{Home, NewSchool, Node, Running};
use staffroom_protocol::charter::Role;
use staffroom_protocol::id::SpaceId;
use tokio::sync::Notify;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Duration, timeout};

use crate::batch::Item;
use crate::client::runtime;
use crate::commands::join::state_of;
use crate::commands::serve::Ends;
use crate::context::Context;
use crate::failure::{Done, failed, unexpected};
use crate::output::{Output, one_line, some};
use crate::record::short;

const CLUSTER: &str = "The Brook Cluster";
/// How long the three may take to be in step.
const PATIENCE: Duration = Duration::from_mins(1);
/// The settings of a demo's home: reached from this machine only.
const SETTINGS: &str = "listen = [\"/ip4/127.0.0.1/tcp/0\"]\nmdns = false\n";

/// Run three schools in a cluster on this machine, with sample records
#[derive(Args)]
#[command(after_help = "Example:\n  share demo --dir demo")]
pub(crate) struct Demo {
    /// Where the three homes are made; a temporary folder otherwise. They are kept
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// End as soon as the three are in step
    #[arg(long, hide = true)]
    once: bool,
}

/// A school of the demo.
struct School {
    name: &'static str,
    folder: &'static str,
    phase: &'static str,
    place: &'static str,
    pages: &'static [pages::Page],
}

const SCHOOLS: [School; 3] = [
    School {
        name: "Hillside Primary",
        folder: "hillside",
        phase: "primary",
        place: "Brookton",
        pages: pages::HILLSIDE,
    },
    School {
        name: "Northgate Academy",
        folder: "northgate",
        phase: "secondary",
        place: "Brookton",
        pages: pages::NORTHGATE,
    },
    School {
        name: "Brook Lane School",
        folder: "brook",
        phase: "all-through",
        place: "Lower Brook",
        pages: pages::BROOK,
    },
];

/// One of them, running.
struct Up {
    school: &'static School,
    home: Home,
    running: Running,
}

impl Demo {
    pub(super) fn run(&self, context: &Context) -> Done {
        let folder = self.folder()?;
        let mut nodes = Vec::new();
        for school in &SCHOOLS {
            let home = Home::at(folder.join(school.folder));
            set_up(&home, school)?;
            nodes.push((school, home.clone(), Node::open(&home)?));
        }
        let runtime = runtime()?;
        let shown = runtime.block_on(async {
            let mut ends = Ends::new()?;
            let mut up = Vec::new();
            for (school, home, node) in &nodes {
                up.push(Up { school, home: home.clone(), running: node.run(None, None).await? });
            }
            let shown = tokio::select! {
                () = ends.told() => Ok(()),
                shown = self.play(&context.out, &up) => shown,
            };
            if shown.is_ok() && !self.once {
                ends.told().await;
            }
            for one in &up {
                one.running.stop().await;
            }
            shown
        });
        runtime.shutdown_timeout(Duration::from_secs(2));
        for (_, _, node) in &nodes {
            node.close();
        }
        shown?;
        if !self.once {
            context.out.remark(&format!("\nStopped. The three homes are kept in {}.", folder.display()))?;
        }
        Ok(())
    }

    fn folder(&self) -> Done<PathBuf> {
        let cannot = |error: std::io::Error| failed(format!("no folder for the demo: {error}"));
        let Some(folder) = &self.dir else {
            return Ok(tempfile::Builder::new().prefix("share-demo-").tempdir().map_err(cannot)?.keep());
        };
        let used = SCHOOLS.iter().map(|school| folder.join(school.folder)).find(|home| home.exists());
        if let Some(home) = used {
            let failure = Failure::new(Code::Refused, format!("{} is there already", home.display()));
            return Err(failure.hint("choose another folder with --dir, or remove that one").into());
        }
        fs::create_dir_all(folder).map_err(cannot)?;
        Ok(folder.canonicalize().map_err(cannot)?)
    }

    /// Founds the cluster, joins it, shares the pages, waits until all hold the same, and says so.
    async fn play(&self, out: &Output, up: &[Up]) -> Done {
        let moved = Arc::new(Notify::new());
        for one in up {
            wake_on_news(&one.running, moved.clone());
        }
        let cluster = form_cluster(up).await?;
        for one in up {
            share(one, &cluster).await?;
        }
        timeout(PATIENCE, in_step(up, cluster.id, &moved)).await.map_err(|_| {
            Failure::new(Code::Unreachable, "the three schools did not come in step within a minute")
                .hint("share demo -v says more; the machine may be very busy")
        })??;
        told(out, up, &cluster).await
    }
}

fn set_up(home: &Home, school: &School) -> Done {
    let line = |text: &str| Some(text.to_owned());
    home.set_up(&NewSchool { name: school.name.to_owned(), phase: line(school.phase), place: line(school.place) })?;
    let settings = home.path().join("share.toml");
    let written = fs::write(&settings, SETTINGS);
    Ok(written.map_err(|error| failed(format!("cannot write {}: {error}", settings.display())))?)
}

/// Wakes whoever waits each time something became durable at a node.
fn wake_on_news(running: &Running, moved: Arc<Notify>) {
    let mut notices = running.engine().notices();
    tokio::spawn(async move {
        while !matches!(notices.recv().await, Err(RecvError::Closed)) {
            moved.notify_one();
        }
    });
}

/// The first school founds the cluster and asks the others in.
async fn form_cluster(up: &[Up]) -> Done<Named<SpaceId>> {
    let first = &up[0].running;
    let founded = first.ask(Request::CreateCluster { name: CLUSTER.to_owned() }).await?;
    let Answer::Cluster(cluster) = founded else { return Err(unexpected().into()) };
    for one in &up[1..] {
        let expires_in = 3_600;
        let invited =
            first.ask(Request::Invite { cluster: None, role: Role::Contributor, expires_in, confirm: false }).await?;
        let Answer::Ticket { ticket, .. } = invited else { return Err(unexpected().into()) };
        one.running.ask(Request::Join { ticket, wait: 0 }).await?;
    }
    Ok(cluster)
}

/// Shares a school's pages.
async fn share(one: &Up, cluster: &Named<SpaceId>) -> Done {
    let mut records = Vec::new();
    for (source, bytes) in one.school.pages {
        let page = markdown::read(source, source, bytes, &Options::default())?;
        if let Item::Record(record, _) = Item::of(page.draft, "", None) {
            records.push(NewRecord { author: String::new(), ..record });
        }
    }
    let to = Some(cluster.id.to_string());
    match one.running.ask(Request::Save { to, records }).await? {
        Answer::Saved { .. } => Ok(()),
        _ => Err(unexpected().into()),
    }
}

/// Waits until all hold the same entries and the same charter of the cluster.
async fn in_step(up: &[Up], cluster: SpaceId, moved: &Notify) -> Done {
    loop {
        let mut held = Vec::new();
        for one in up {
            let status = state_of(&one.running).await?;
            let space = status.spaces.into_iter().find(|space| space.id == cluster);
            held.push(space.map(|space| (space.frontier, space.charter)));
        }
        if held.iter().all(|one| one.is_some() && *one == held[0]) {
            return Ok(());
        }
        moved.notified().await;
    }
}

async fn told(out: &Output, up: &[Up], cluster: &Named<SpaceId>) -> Done {
    let filter = Filter { space: Some(cluster.id.to_string()), ..Filter::default() };
    let Answer::List(records) = up[0].running.ask(Request::List(filter)).await? else {
        return Err(unexpected().into());
    };
    let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
    for record in &records {
        *kinds.entry(&record.kind).or_default() += 1;
    }
    let mut schools = Vec::new();
    for one in up {
        let school = state_of(&one.running).await?.school;
        schools.push(json!({ "school": school, "home": one.home.path(), "listen": one.running.listen() }));
    }
    out.json(&json!({ "event": "ready", "cluster": cluster, "schools": schools, "records": kinds }))?;
    let names = up.iter().map(|one| one.school.name.len()).max().unwrap_or(0);
    let home = |one: &Up| format!("  {:names$}  {}", one.school.name, one.home.path().display());
    let homes = up.iter().map(home).collect::<Vec<_>>().join("\n");
    let counts: Vec<String> = kinds.iter().map(|(kind, n)| some(*n, kind, &format!("{kind}s"))).collect();
    out.say(&format!("Three schools run on this machine, in one cluster:\n\n{homes}\n"))?;
    out.say(&format!(
        "Each of them holds the same of {}: {}.\nWhat one shares now, the others hold a moment later.\n",
        one_line(&cluster.name),
        crate::output::and(&counts)
    ))?;
    let (hillside, brook) = (up[0].home.path().display(), up[2].home.path().display());
    let note = records.iter().find(|record| record.kind == "note").map_or_else(String::new, |record| short(&record.id));
    out.say(&format!(
        "Try in another window:\n  share --home {brook} list\n  share --home {brook} show {note}\n  \
         share --home {hillside} new note --title \"Exit tickets\" --finding \"They show who is lost\"\n  \
         share --home {brook} list --kind note\n  share --home {brook} status\n\n\
         There is no portal in this version: it all happens on the command line.\nCtrl-C ends the three nodes."
    ))
}
