//! `share serve`: runs the node until it is told to end.

mod news;

use clap::Args;
use serde_json::json;
use staffroom_node::api::{Code, Failure, Status};
use staffroom_node::{Node, Running};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Duration, interval};

use crate::client::runtime;
use crate::commands::init;
use crate::commands::join::state_of;
use crate::context::Context;
use crate::failure::{Done, Ended, failed, usage};
use crate::output::{Output, one_line, some};

use news::News;

/// How often a node is opened again whose store was found to be damaged.
const MENDS: usize = 3;
/// How often it is tried to open it again while another command has it; each waits a second.
const PATIENCE: usize = 60;

/// Run the node, so that partners can reach it
#[derive(Args)]
#[command(
    after_help = "Examples:\n  share serve\n  share serve --school \"Hillside Primary\"     in an empty home, sets the school up first\n  \
    share serve --listen /ip4/0.0.0.0/tcp/4960 --no-mdns --json"
)]
pub(crate) struct Serve {
    /// In an empty home: the school to set up
    #[arg(long, value_name = "NAME")]
    school: Option<String>,
    /// In an empty home: the ages it teaches
    #[arg(long)]
    phase: Option<String>,
    /// In an empty home: where it is
    #[arg(long)]
    place: Option<String>,
    /// Where the portal listens (the portal comes in a later version)
    #[arg(long, value_name = "ADDR")]
    portal: Option<String>,
    /// Where to listen for partners, such as /ip4/0.0.0.0/tcp/4960; may be repeated
    #[arg(long, value_name = "MULTIADDR")]
    listen: Vec<String>,
    /// Do not look for partners on the local network
    #[arg(long)]
    no_mdns: bool,
}

impl Serve {
    pub(super) fn run(&self, context: &Context) -> Done {
        if self.portal.is_some() {
            return Err(usage("this version has no portal yet, so --portal has nothing to serve")
                .hint("leave it out: share serve runs the node without one")
                .hint("everything can be read and shared from the command line meanwhile: share --help")
                .into());
        }
        self.set_up(context)?;
        let mut mends = 0;
        loop {
            let node = open(context, mends > 0)?;
            match self.once(context, node) {
                // Opening it once more mends it.
                Err(Ended::Failed(failure)) if failure.code == Code::Damaged && mends < MENDS => {
                    context.out.report(&failure);
                    mends += 1;
                }
                done => return done,
            }
        }
    }

    /// Runs a node until it ends.
    fn once(&self, context: &Context, node: Node) -> Done {
        let runtime = runtime()?;
        let listen = Some(self.listen.clone()).filter(|listen| !listen.is_empty());
        let served = runtime.block_on(async {
            let mut ends = Ends::new()?;
            let running = node.run(listen, self.no_mdns.then_some(false)).await?;
            let served = self.serve(context, &running, &mut ends).await;
            running.stop().await;
            served
        });
        runtime.shutdown_timeout(Duration::from_secs(2));
        node.close();
        served?;
        mute(context.out.json(&json!({ "event": "stopped" })));
        mute(context.out.remark("Stopped. What was confirmed is kept."));
        Ok(())
    }

    /// Sets the school up in an empty home.
    fn set_up(&self, context: &Context) -> Done {
        if context.home.is_set_up()? {
            return Ok(());
        }
        if self.school.is_none() {
            let failure = usage(format!("no school is set up in {}", context.home.path().display()));
            return Err(failure
                .hint("set one up and run it: share serve --school \"Hillside Primary\"")
                .hint("or name another folder with --home or SHARE_HOME")
                .into());
        }
        let school = init::named(self.school.as_deref(), self.phase.as_deref(), self.place.as_deref())?;
        let made = init::set_up(&context.home, &school)?;
        let document = json!({
            "event": "set_up",
            "school": made.school,
            "device": made.device,
            "recovery_code": made.recovery_code,
        });
        init::tell(&context.out, &context.home, &made, &document)?;
        context.out.say("")
    }

    async fn serve(&self, context: &Context, running: &Running, ends: &mut Ends) -> Done {
        let out = &context.out;
        let status = state_of(running).await?;
        // From here on a node goes on, also when nobody reads what it says any more.
        mute(out.json(&json!({
            "event": "ready",
            "school": status.school,
            "portal": null,
            "listen": running.listen(),
        })));
        mute(self.banner(out, context, &status));
        let mut news = News::since(&status);
        let mut second = interval(Duration::from_secs(1));
        second.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = ends.told() => return Ok(()),
                _ = second.tick() => {}
            }
            // Where the store failed, the engine has stopped, and this is where it shows.
            let status = tokio::select! {
                () = ends.told() => return Ok(()),
                status = state_of(running) => status,
            };
            // Asked while it failed, it tells of that question; asked again, why the node ends.
            let status = match status {
                Ok(status) => status,
                Err(_) => state_of(running).await?,
            };
            if let Some(event) = news.next(&status) {
                mute(out.json(&event.json()));
                mute(out.remark(&event.line()));
            }
        }
    }

    fn banner(&self, out: &Output, context: &Context, status: &Status) -> Done {
        let name = one_line(&status.school.name);
        if let Some(asked) = self.school.as_ref().filter(|asked| asked.trim() != status.school.name) {
            out.note(&format!("note: this home is {name}'s; --school {asked:?} sets up empty homes only"));
        }
        out.say(&format!("{name} is running. Ctrl-C ends it."))?;
        for (at, address) in status.listen.iter().enumerate() {
            out.say(&format!("  {} {address}", if at == 0 { "reached at" } else { "          " }))?;
        }
        out.say(&format!("  {}", some(status.store.records, "record", "records")))?;
        let home = context.home.path().display();
        let alone = status.spaces.iter().all(|space| space.members.len() < 2);
        if alone && !out.quiet {
            out.say(&format!(
                "\nWhat next, in another window:\n  share --home {home} cluster create NAME     founds a cluster\n  \
                 share --home {home} invite                  makes a ticket for another school\n  \
                 share --home {home} join TICKET             joins another school's cluster"
            ))?;
        }
        out.say("")
    }
}

/// Opens the node. Once more, another command may be quicker, and mend the store first: that is waited for.
fn open(context: &Context, again: bool) -> Result<Node, Failure> {
    let mut opened = Node::open(&context.home);
    for _ in 0..if again { PATIENCE } else { 0 } {
        match &opened {
            Err(failure) if failure.code == Code::Failed => opened = Node::open(&context.home),
            _ => break,
        }
    }
    opened
}

/// A line that may be lost.
fn mute(_: Done) {}

/// Whatever tells a process to end.
pub(super) struct Ends {
    term: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
}

impl Ends {
    /// From now on signals are waited for. Inside a runtime.
    pub(super) fn new() -> Result<Self, Failure> {
        let on = |kind| signal(kind).map_err(|error| failed(format!("signals cannot be waited for: {error}")));
        let (term, interrupt) = (on(SignalKind::terminate())?, on(SignalKind::interrupt())?);
        Ok(Self { term, interrupt, hang_up: on(SignalKind::hangup())? })
    }
    /// Waits until the process is told to end.
    pub(super) async fn told(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}
