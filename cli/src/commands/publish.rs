//! `share publish`: files and folders become records.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use staffroom_node::api::{Answer, Code, Failure, NewRecord, Request};
use staffroom_node::exchange::folder::{self, Plan};
use staffroom_node::exchange::{Attachment, Draft, Options, Reason, Refusal, markdown};
use staffroom_protocol::record::adapt::from_draft;
use staffroom_protocol::record::field::Value;

use super::{Author, Editors};
use crate::attaching::{Attacher, attachments, bar};
use crate::batch::{Destination, Item, Saver, shown, source_under};
use crate::client::Client;
use crate::context::Context;
use crate::failure::{Done, failed, unexpected, usage};
use crate::output::one_line;
use crate::record::{looks_like_an_id, title};

/// How many records one request carries.
const BATCH: usize = 50;

/// Share files: a page, a folder of pages, or a draft that is here already
#[derive(Args)]
#[command(after_help = "Examples:\n  share publish practice-beats-praise.md --subject Science --key-stage KS3\n  \
    share publish toolkit/ --to \"The Brook Cluster\" --licence CC-BY-4.0\n  \
    share publish k3v9xq --to \"The Brook Cluster\"     a draft becomes a cluster's record\n  \
    share publish --from-stdin --title \"Exit tickets\" < notes.md")]
pub(crate) struct Publish {
    /// Files and folders; or the id of a draft
    #[arg(value_name = "PATH", required_unless_present = "from_stdin", conflicts_with = "from_stdin")]
    paths: Vec<PathBuf>,
    /// The cluster to share it in, or `school`: our own space
    #[arg(long, value_name = "CLUSTER|school")]
    to: Option<String>,
    /// What it is; without it the file says or its shape decides
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Its title, before what the file says
    #[arg(long)]
    title: Option<String>,
    /// Its summary, before what the file says
    #[arg(long)]
    summary: Option<String>,
    /// A subject, besides what the file says; may be repeated
    #[arg(long, value_name = "SUBJECT")]
    subject: Vec<String>,
    /// A key stage, besides what the file says; may be repeated
    #[arg(long, value_name = "KEY STAGE")]
    key_stage: Vec<String>,
    /// A tag, besides what the file says; may be repeated
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// The licence, such as CC-BY-4.0
    #[arg(long)]
    licence: Option<String>,
    /// Who may edit it; without it notes are open to the cluster, all else to our school
    #[arg(long, value_name = "WHO")]
    editable_by: Option<Editors>,
    /// A file to attach to what is published; may be repeated
    #[arg(long, value_name = "FILE")]
    attach: Vec<PathBuf>,
    /// Read the text from standard input
    #[arg(long)]
    from_stdin: bool,
    #[command(flatten)]
    author: Author,
}

impl Publish {
    pub(super) fn run(&self, context: &Context) -> Done {
        let options = self.options(context)?;
        let author = context.author(self.author.name.as_deref())?;
        if self.from_stdin {
            return self.piped(context, &options, &author);
        }
        if let [path] = &self.paths[..]
            && std::fs::symlink_metadata(path).is_err()
            && let Some(id) = path.to_str().filter(|word| looks_like_an_id(word))
        {
            return self.draft_to_cluster(context, id, &author);
        }
        let plans = plans(&self.paths)?;
        let mut client = context.client()?;
        let to = Destination::resolve(&mut client, self.to.as_deref())?;
        let files: usize = plans.iter().map(|(_, plan)| plan.files.len()).sum();
        let mut saver = Saver::new(client, to, &context.out);
        if files > 1 && !self.attach.is_empty() {
            return Err(usage(format!("--attach belongs to one record, and {files} files would be published"))
                .hint("publish the one it belongs to by itself")
                .into());
        }
        let attached = attachments(&self.attach)?;
        let bytes = |more: u64| plans.iter().map(|(_, plan)| plan.bytes).fold(more, u64::saturating_add);
        let bar = bar(context, bytes(attached.iter().map(|file| file.bytes).sum()));
        let attacher = Attacher::new(context, bar.clone());
        for (given, plan) in &plans {
            for left_out in &plan.left_out {
                saver.save(vec![Item::unreadable(left_out, "")])?;
            }
            for files in plan.files.chunks(BATCH) {
                let read = |file: &PathBuf| {
                    let draft = read(given, plan, file, &options, &attached)?;
                    let item = self.item(draft, !folder::is_markdown(file), &attacher, &author);
                    item.map_err(|refusal| Refusal { what: plan.source(file), ..refusal })
                };
                let read = |file: &PathBuf| {
                    read(file).unwrap_or_else(|refusal| Item::unreadable(&refusal, &plan.source(file)))
                };
                saver.save(files.iter().map(read).collect())?;
            }
        }
        bar.finish_and_clear();
        if saver.totals.taken() + saver.totals.refused == 0 {
            let names: Vec<String> = self.paths.iter().map(|path| shown(path)).collect();
            return Err(failed(format!("nothing to publish in {}", names.join(", ")))
                .hint("hidden files, and what editors leave behind, are passed over")
                .into());
        }
        let single = files == 1 && saver.totals.refused == 0;
        let sentence = if single { saver.sentence() } else { Some(saver.summary()) };
        saver.finish(sentence)
    }

    fn options(&self, context: &Context) -> Done<Options> {
        let options = Options {
            kind: self.kind.clone(),
            title: self.title.clone(),
            summary: self.summary.clone(),
            subjects: self.subject.clone(),
            key_stages: self.key_stage.clone(),
            tags: self.tag.clone(),
            licence: self.licence.clone(),
            zone: context.config()?.zone,
        };
        let check = options.asked_kind().and_then(|_| options.time_zone());
        match check {
            Ok(_) => Ok(options),
            Err(refusal) => {
                let mut failure = usage(refusal.why.to_string());
                failure.hints = refusal.hints;
                Err(failure.into())
            }
        }
    }

    /// A draft, with its files stored. Where the record is nothing but its file, that one is essential.
    fn item(&self, mut draft: Draft, essential: bool, attacher: &Attacher, author: &str) -> Result<Item, Refusal> {
        attacher.attach(&mut draft, essential)?;
        if essential && self.title.is_none() {
            attacher.title_from_file(&mut draft);
        }
        Ok(Item::of(draft, author, Editors::open(self.editable_by)))
    }

    fn piped(&self, context: &Context, options: &Options, author: &str) -> Done {
        if self.title.is_none() {
            let failure = usage("a text from standard input needs a title");
            return Err(failure.hint("share publish --from-stdin --title \"Exit tickets\" < notes.md").into());
        }
        let mut bytes = Vec::new();
        let bound = u64::try_from(markdown::LONGEST_FILE).unwrap_or(u64::MAX).saturating_add(1);
        let read = std::io::stdin().lock().take(bound).read_to_end(&mut bytes);
        read.map_err(|error| usage(format!("standard input cannot be read: {error}")))?;
        if bytes.trim_ascii().is_empty() {
            return Err(usage("standard input is empty")
                .hint("share publish --from-stdin --title … < notes.md")
                .into());
        }
        let page = markdown::read("standard input", "", &bytes, options)?;
        let mut client = context.client()?;
        let to = Destination::resolve(&mut client, self.to.as_deref())?;
        let attachments = attachments(&self.attach)?;
        let bar = bar(context, attachments.iter().map(|file| file.bytes).sum());
        let draft = Draft { attachments, ..page.draft };
        let item = self.item(draft, true, &Attacher::new(context, bar.clone()), author)?;
        bar.finish_and_clear();
        let mut saver = Saver::new(client, to, &context.out);
        saver.one(item)
    }

    /// A record of our own space becomes a new one in a cluster, whose history begins there.
    fn draft_to_cluster(&self, context: &Context, id: &str, author: &str) -> Done {
        let mut client = context.client()?;
        let record = client.ask(Request::Show { id: id.to_owned(), at: None }).map_err(|failure| {
            if failure.code == Code::NotFound {
                return failure.hint(format!("nor is there a file or folder {id:?}"));
            }
            failure
        })?;
        let Answer::Record(record) = record else { return Err(unexpected().into()) };
        let to = Destination::resolve(&mut client, self.to.as_deref())?;
        let title = one_line(&title(&record.summary));
        let here = one_line(&record.summary.space.name);
        if to.own || record.summary.space.id == to.space.id {
            return Err(Failure::new(Code::Refused, format!("\"{title}\" is in {} already", to.name()))
                .hint("say which cluster it goes to: --to NAME; share cluster list shows them")
                .into());
        }
        if here != "school" || !is_own(&mut client, &record.summary.space.id)? {
            return Err(Failure::new(
                Code::Refused,
                format!("\"{title}\" is in {here} already, where others can see it"),
            )
            .hint("only what is in our own space becomes a cluster's record this way")
            .into());
        }
        let (id, kind) = (record.summary.id, record.summary.kind.clone());
        let fields = from_draft(id, &kind, record.summary.fields.clone());
        let record = NewRecord { kind, fields, author: author.to_owned(), open: Editors::open(self.editable_by) };
        let mut saver = Saver::new(client, to, &context.out);
        saver.one(Item::Record(record, Vec::new()))
    }
}

fn is_own(client: &mut Client, space: &staffroom_protocol::id::SpaceId) -> Done<bool> {
    let Answer::Clusters(clusters) = client.ask(Request::Clusters)? else { return Err(unexpected().into()) };
    Ok(!clusters.iter().any(|cluster| cluster.id == *space))
}

/// Reads one file, or says why it is refused.
fn read(given: &Path, plan: &Plan, file: &Path, options: &Options, attached: &[Attachment]) -> Result<Draft, Refusal> {
    let source = plan.source(file);
    if folder::is_markdown(file) && is_blank(file) {
        return Err(Refusal::new(source, Reason::Empty));
    }
    let mut draft = folder::read(plan, file, options)?;
    if draft.source() == source {
        let under = plan.prefix.as_ref().and_then(|_| source.split_once('/')).map(|(_, under)| under);
        draft.fields.insert("source".to_owned(), Value::Line(source_under(given, under)));
    }
    draft.attachments.extend_from_slice(attached);
    Ok(draft)
}

/// Whether nothing is written in a file.
fn is_blank(file: &Path) -> bool {
    let short = std::fs::metadata(file).is_ok_and(|about| about.len() < 1_000);
    short && std::fs::read(file).is_ok_and(|bytes| bytes.trim_ascii().is_empty())
}

/// What each path holds; nothing is sent before all of them were looked over.
fn plans(paths: &[PathBuf]) -> Done<Vec<(&PathBuf, Plan)>> {
    let mut plans = Vec::new();
    for path in paths {
        let plan = folder::scan(path).map_err(|refusal| {
            let missing = std::fs::symlink_metadata(path).is_err();
            let code = if missing { Code::NotFound } else { Code::Failed };
            let mut failure = Failure::new(code, format!("{}: {}", shown(path), refusal.why));
            failure.hints = refusal.hints;
            failure
        })?;
        plans.push((path, plan));
    }
    Ok(plans)
}
