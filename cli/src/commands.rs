//! The verbs, one file each, and the flags that all of them have.

mod adapt;
mod backup;
mod cluster;
mod completions;
mod decision;
mod demo;
mod device;
mod doctor;
mod edit;
mod get;
mod import;
mod init;
mod invite;
mod join;
mod key;
mod list;
mod new;
mod publish;
mod school;
mod serve;
mod settle;
mod show;
mod status;
mod sync;
mod verify;
mod why;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::context::Context;
use crate::failure::Done;

/// Shares what works between the schools of a cluster.
///
/// Every school runs a node of its own; what its staff share is copied to the partner schools.
#[derive(Parser)]
#[command(name = "share", version, max_term_width = 100, propagate_version = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    verb: Verb,
}

/// Under which heading help shows what every verb takes.
const EVERYWHERE: &str = "With every command";

/// What every verb takes.
#[derive(Args)]
pub(crate) struct Global {
    /// The node's folder; else SHARE_HOME, else the usual one
    #[arg(long, global = true, value_name = "DIR", env = "SHARE_HOME", hide_env = true, help_heading = EVERYWHERE)]
    pub(crate) home: Option<PathBuf>,
    /// Print JSON, for scripts
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub(crate) json: bool,
    /// Print only what was asked for and what went wrong
    #[arg(long, short, global = true, conflicts_with = "verbose", help_heading = EVERYWHERE)]
    pub(crate) quiet: bool,
    /// Tell more about what happens, on standard error; twice for all of it
    #[arg(long, short, global = true, action = clap::ArgAction::Count, help_heading = EVERYWHERE)]
    pub(crate) verbose: u8,
}

/// Whose name a change carries.
#[derive(Args)]
pub(crate) struct Author {
    /// The person whose name is written; without it the line `as` in share.toml
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) name: Option<String>,
}

/// Who may edit what is made.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum Editors {
    /// Our school only
    School,
    /// Every school of the cluster
    Cluster,
}

impl Editors {
    /// As the node is told it.
    pub(crate) fn open(asked: Option<Self>) -> Option<bool> {
        asked.map(|editors| matches!(editors, Self::Cluster))
    }
}

#[derive(Subcommand)]
enum Verb {
    Init(init::Init),
    Serve(serve::Serve),
    Demo(demo::Demo),
    Publish(publish::Publish),
    Import(import::Import),
    New(new::New),
    Edit(edit::Edit),
    Adapt(adapt::Adapt),
    Settle(settle::Settle),
    List(list::List),
    Show(show::Show),
    Get(get::Get),
    Why(why::Why),
    Status(status::Status),
    Sync(sync::Sync),
    #[command(subcommand)]
    Cluster(cluster::Cluster),
    Invite(invite::Invite),
    Join(join::Join),
    #[command(subcommand)]
    School(school::School),
    #[command(subcommand)]
    Decision(decision::Decision),
    #[command(subcommand)]
    Device(device::Device),
    #[command(subcommand)]
    Key(key::Key),
    Verify(verify::Verify),
    Doctor(doctor::Doctor),
    Backup(backup::Backup),
    Restore(backup::Restore),
    Completions(completions::Completions),
}

/// Runs what was asked for.
pub(crate) fn run(cli: &Cli) -> Done {
    let serves = matches!(cli.verb, Verb::Serve(_) | Verb::Demo(_));
    log_to_stderr(cli.global.verbose, serves && !cli.global.quiet);
    let context = Context::new(&cli.global)?;
    match &cli.verb {
        Verb::Init(verb) => verb.run(&context),
        Verb::Serve(verb) => verb.run(&context),
        Verb::Demo(verb) => verb.run(&context),
        Verb::Publish(verb) => verb.run(&context),
        Verb::Import(verb) => verb.run(&context),
        Verb::New(verb) => verb.run(&context),
        Verb::Edit(verb) => verb.run(&context),
        Verb::Adapt(verb) => verb.run(&context),
        Verb::Settle(verb) => verb.run(&context),
        Verb::List(verb) => verb.run(&context),
        Verb::Show(verb) => verb.run(&context),
        Verb::Get(verb) => verb.run(&context),
        Verb::Why(verb) => verb.run(&context),
        Verb::Status(verb) => verb.run(&context),
        Verb::Sync(verb) => verb.run(&context),
        Verb::Cluster(verb) => verb.run(&context),
        Verb::Invite(verb) => verb.run(&context),
        Verb::Join(verb) => verb.run(&context),
        Verb::School(verb) => verb.run(&context),
        Verb::Decision(verb) => verb.run(&context),
        Verb::Device(verb) => verb.run(&context),
        Verb::Key(verb) => verb.run(&context),
        Verb::Verify(verb) => verb.run(&context),
        Verb::Doctor(verb) => verb.run(&context),
        Verb::Backup(verb) => verb.run(&context),
        Verb::Restore(verb) => verb.run(&context),
        Verb::Completions(verb) => verb.run(&context),
    }
}

/// What the node logs goes to standard error: nothing, warnings (a node that serves), or more with `-v`.
fn log_to_stderr(verbose: u8, serves: bool) {
    let level = match (verbose, serves) {
        (0, false) => "off",
        (0, true) => "staffroom_node=warn",
        (1, _) => "staffroom_node=info",
        _ => "staffroom_node=debug,libp2p=info",
    };
    let filter = EnvFilter::try_from_env("SHARE_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(std::io::stderr);
    // Fails only where a log was set up before, which nothing does.
    let _ = log.try_init();
}
