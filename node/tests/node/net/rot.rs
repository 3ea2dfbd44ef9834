//! Bytes that change on the disk: over every kind of file of a home, each is found or harmless, nothing
//! wrong is shown, and what is missing comes again from a partner.
//!
//! A few dozen damages are tried; `STAFFROOM_ROT=all` tries ten thousand, and a number so many.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use staffroom_node::api::{Answer, Code, Filter, NewRecord, PartnerState, Record, Request, Status};
use staffroom_node::blobs::Made;
use staffroom_node::{Home, NewSchool, Node, Running};
use staffroom_protocol::id::RecordId;
use staffroom_protocol::record::Fields;
use staffroom_protocol::record::field::{BlobRef, Value};
use tokio::runtime::Runtime;
use tokio::task::block_in_place;

use super::ground::{School, eventually, follow, partner};

/// The files of a home as they were.
struct Saved(PathBuf, BTreeMap<PathBuf, Vec<u8>>);

impl Saved {
    fn of(home: &Path) -> Self {
        let read = |path: PathBuf| (path.clone(), fs::read(path).expect("readable"));
        Self(home.to_owned(), files(home).into_iter().map(read).collect())
    }
    /// Puts them back, into the same files; what came later goes.
    fn put_back(&self) {
        for path in files(&self.0) {
            if !self.1.contains_key(&path) {
                fs::remove_file(path).expect("removed");
            }
        }
        for (path, bytes) in &self.1 {
            if fs::read(path).ok().as_ref() != Some(bytes) {
                fs::write(path, bytes).expect("written");
            }
        }
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// What a record says, without how names are shown.
type Said = (String, Fields, Vec<(RecordId, bool)>);

fn said(record: &Record) -> Said {
    let history = record.history.iter().map(|version| (record.summary.id, version.genesis)).collect();
    (record.summary.kind.clone(), record.summary.fields.clone(), history)
}

fn note(title: &str, body: &str, more: Fields) -> NewRecord {
    let mut fields = more;
    fields.insert("title".to_owned(), Value::Line(title.to_owned()));
    fields.insert("body".to_owned(), Value::Text(body.to_owned()));
    NewRecord { kind: "note".to_owned(), fields, author: "A. Teacher".to_owned(), open: None }
}
/// Words that do not compress to nothing.
fn words(number: usize, count: usize) -> String {
    let word = |n: usize| format!("{:x}", (number * 7919 + n * n * 104_729) % 65_537);
    (0..count).map(word).collect::<Vec<_>>().join(" ")
}

fn ask(node: &Node, request: Request) -> Result<Answer, String> {
    node.ask_blocking(request).map_err(|failure| failure.message)
}
/// All that a node shows.
fn shown(node: &Node) -> Result<BTreeMap<RecordId, Said>, String> {
    let Answer::List(list) = ask(node, Request::List(Filter::default()))? else { panic!("not a list") };
    let show = |id: RecordId| match ask(node, Request::Show { id: id.to_string(), at: None })? {
        Answer::Record(record) => Ok((id, said(&record))),
        other => panic!("not a record: {other:?}"),
    };
    list.iter().map(|summary| show(summary.id)).collect()
}
fn status(node: &Node) -> Result<Status, String> {
    match ask(node, Request::Status)? {
        Answer::Status(status) => Ok(*status),
        other => panic!("not a status: {other:?}"),
    }
}
/// How far the cluster is held.
fn frontier(status: &Status) -> Option<String> {
    status.spaces.iter().find(|space| space.partners.len() == 1).map(|space| space.frontier.clone())
}
/// A node that runs, on threads of its own: when it ends, nothing of it has the store any more.
struct Own(Runtime, Running);

impl Own {
    /// At the same address each time, so that the partner finds it there.
    fn run(node: &Node, address: &str) -> Self {
        let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let threads = threads.expect("threads");
        let running = block_in_place(|| threads.block_on(node.run(Some(vec![address.to_owned()]), Some(false))));
        let running = running.expect("it runs");
        follow(&running);
        Self(threads, running)
    }
    fn stop(self) {
        let Self(threads, running) = self;
        block_in_place(|| {
            threads.block_on(running.stop());
            threads.shutdown_timeout(Duration::from_secs(5));
        });
    }
}

/// Two schools in step; what the first one shows now and showed before.
struct Ground {
    home: Home,
    address: String,
    _folder: tempfile::TempDir,
    saved: Saved,
    all: BTreeMap<RecordId, Said>,
    /// What any record said at any time.
    ever: Vec<Said>,
    drafts: BTreeSet<RecordId>,
    brook: School,
}

impl Ground {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::at(folder.path());
        home.set_up(&NewSchool { name: "Hillside Primary".to_owned(), ..NewSchool::default() }).expect("set up");
        fs::write(folder.path().join("share.toml"), "# ours\nzone = \"Europe/London\"\nmdns = false\n")
            .expect("written");
        let brook = School::start("Brook Academy").await;
        brook.found("The Valley Cluster").await;
        let ticket = brook.invite().await;
        let port =
            std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
        let address = format!("/ip4/127.0.0.1/tcp/{port}");
        let node = block_in_place(|| Node::open(&home)).expect("opens");
        let own = Own::run(&node, &address);
        let running = own.1.clone();
        running.ask(Request::Join { ticket, wait: 0 }).await.expect("joined");
        let save = async |to: &str, records| {
            let saved = running.ask(Request::Save { to: Some(to.to_owned()), records }).await.expect("saved");
            let Answer::Saved { outcomes, .. } = saved else { panic!("not saved") };
            outcomes.into_iter().map(|one| one.id.unwrap_or_else(|| panic!("{:?}", one.reason))).collect::<Vec<_>>()
        };
        let (mut files, mut blobs) = (Vec::new(), Vec::new());
        for (name, size) in [("Plan.pdf", 3_000), ("Film.mp4", 300_000)] {
            let bytes: Vec<u8> = (0..size).map(|n: usize| (n * n / 7).to_le_bytes()[0]).collect();
            let manifest = home.blobs().add(&bytes[..], &mut |_| {}).expect("added");
            home.blobs().keep(Made::Text, &manifest.id(), b"what is in it").expect("kept");
            let media_type = "application/pdf".to_owned();
            files.push(BlobRef { id: manifest.id(), name: name.to_owned(), bytes: size as u64, media_type });
            blobs.push(manifest.id());
        }
        let cluster = "The Valley Cluster";
        let mut ids = Vec::new();
        for n in 0..6 {
            let of = |m: usize| note(&format!("Note {n}.{m}"), &words(n * 100 + m, 60 + 40 * m), Fields::default());
            ids.extend(save(cluster, (0..12).map(of).collect()).await);
        }
        let mut attached = note("With files", "Two of them", Fields::default());
        "resource".clone_into(&mut attached.kind);
        attached.fields.insert("attachments".to_owned(), Value::Blobs(files));
        save(cluster, vec![attached]).await;
        let draft = |n: usize| note(&format!("Draft {n}"), &words(n + 9_000, 200), Fields::default());
        let drafts = save("school", (0..10).map(draft).collect()).await.into_iter().collect();
        for n in 0..12 {
            brook.note(&format!("From Brook {n}")).await;
        }
        eventually("in step", Duration::from_secs(20), async || {
            let of = |status: &Status| partner(status).0 == PartnerState::InStep && status.store.wanted == 0;
            let Ok(Answer::Status(ours)) = running.ask(Request::Status).await else { return false };
            let theirs = brook.status().await;
            of(&ours) && of(&theirs) && frontier(&ours) == frontier(&theirs)
        })
        .await;
        let before = block_in_place(|| shown(&node)).expect("shown");
        for id in &ids[..10] {
            let fields = BTreeMap::from([("title".to_owned(), Value::Line(format!("Said otherwise {}", id.short())))]);
            let edit = Request::Edit { id: id.to_string(), fields, heads: None, author: "B. Teacher".to_owned() };
            running.ask(edit).await.expect("edited");
        }
        eventually("in step again", Duration::from_secs(20), async || {
            let Ok(Answer::Status(ours)) = running.ask(Request::Status).await else { return false };
            let frontier =
                |status: &Status| status.spaces.iter().find(|s| s.partners.len() == 1).map(|s| s.frontier.clone());
            frontier(&ours) == frontier(&brook.status().await)
        })
        .await;
        let all = block_in_place(|| shown(&node)).expect("shown");
        drop(running);
        own.stop();
        block_in_place(|| drop(node));
        let ever = before.into_values().chain(all.values().cloned()).collect();
        let saved = Saved::of(folder.path());
        Self { home, address, _folder: folder, saved, all, ever, drafts, brook }
    }

    /// What is shown and nobody ever said.
    fn wrong<'a>(&self, shown: &'a BTreeMap<RecordId, Said>) -> Vec<&'a Said> {
        let strip = |said: &Said| (said.0.clone(), said.1.clone());
        // Words of our own that were said again stand in a new record, or as a new change of one.
        let known = |one: &Said| self.ever.iter().any(|said| strip(said) == strip(one));
        shown.values().filter(|one| !known(one)).collect()
    }
    fn missing(&self, shown: &BTreeMap<RecordId, Said>) -> Vec<RecordId> {
        let differs = |(id, said): &(&RecordId, &Said)| shown.get(id) != Some(*said);
        self.all.iter().filter(differs).map(|(id, _)| *id).collect()
    }
}

/// What happens to a file.
#[derive(Debug, Clone, Copy)]
enum Damage {
    Flip(usize, u32),
    Zero(usize),
    Cut(usize),
}

fn damage(path: &Path, bytes: &[u8], how: Damage) -> bool {
    let mut bytes = bytes.to_vec();
    let before = bytes.clone();
    match how {
        Damage::Flip(at, bit) => bytes[at] ^= 1 << bit,
        Damage::Zero(at) => {
            let end = (at / 4096 * 4096 + 4096).min(bytes.len());
            bytes[at / 4096 * 4096..end].fill(0);
        }
        Damage::Cut(at) => bytes.truncate(at),
    }
    fs::write(path, &bytes).expect("written");
    bytes != before
}

#[derive(Debug, Default)]
struct Counts {
    tried: usize,
    harmless: usize,
    refused: usize,
    found: usize,
    mended: usize,
    healed_here: usize,
    healed_by_partner: usize,
    drafts_lost: usize,
    clusters_lost: usize,
}

impl Ground {
    /// One damage: what came of it.
    async fn try_one(&self, path: &Path, how: Damage, counts: &mut Counts) {
        self.saved.put_back();
        if !damage(path, &self.saved.1[path], how) {
            return;
        }
        counts.tried += 1;
        let what = format!("{how:?} of {}", path.strip_prefix(&self.saved.0).expect("in it").display());
        let (mut found, mut seen) = (false, None);
        // What is found while it is open is mended by the next start.
        for _ in 0..3 {
            let node = match block_in_place(|| Node::open(&self.home)) {
                Ok(node) => node,
                Err(failure) => {
                    let told = failure.code == Code::Damaged || path.ends_with("share.toml");
                    assert!(told && !failure.hints.is_empty(), "{what}: {failure:?}");
                    // One byte of the store never stops a school.
                    assert!(!path.ends_with("store.redb") || !matches!(how, Damage::Flip(..)), "{what}: {failure:?}");
                    counts.refused += 1;
                    return;
                }
            };
            let shown = block_in_place(|| shown(&node));
            if let Ok(shown) = &shown {
                assert!(self.wrong(shown).is_empty(), "{what}: {:?} is shown", self.wrong(shown));
            }
            let verified = block_in_place(|| ask(&node, Request::Verify { rebuild: false }));
            let clean = matches!(&verified, Ok(Answer::Verified(v)) if v.faults.is_empty());
            found |= !clean || shown.is_err();
            if let (Ok(shown), true) = (shown, clean) {
                seen = Some((node, shown));
                break;
            }
            block_in_place(|| drop(node));
        }
        let Some((node, shown)) = seen else {
            // A file that only a partner has: it comes while the node runs.
            let node = block_in_place(|| Node::open(&self.home)).unwrap_or_else(|f| panic!("{what}: {f}"));
            assert!(found, "{what}");
            self.heal(&node, &what, counts).await;
            return block_in_place(|| drop(node));
        };
        let status = block_in_place(|| status(&node)).unwrap_or_else(|why| panic!("{what}: {why}"));
        let mended = status.store.mended.is_some();
        if status.store.mended.as_ref().is_some_and(|mended| !mended.lost.is_empty()) {
            // It is told: no partner can be asked for a cluster that is not known any more.
            assert!(!matches!(how, Damage::Flip(..)), "{what}");
            counts.clusters_lost += 1;
            return block_in_place(|| drop(node));
        }
        counts.mended += usize::from(mended);
        let missing = self.missing(&shown);
        if missing.is_empty() && status.store.wanted == 0 {
            counts.found += usize::from(found || mended);
            counts.healed_here += usize::from(found || mended);
            counts.harmless += usize::from(!found && !mended);
        } else {
            assert!(mended || found, "{what}: {missing:?} went without a word");
            self.heal(&node, &what, counts).await;
        }
        block_in_place(|| drop(node));
    }

    /// Everything of the cluster comes again from the partner; what only this school had may be lost.
    async fn heal(&self, node: &Node, what: &str, counts: &mut Counts) {
        counts.found += 1;
        let own = Own::run(node, &self.address);
        // The partner waits longer each time before it tries again; here nobody waits.
        self.brook.ask(Request::Sync { wait: 30_000 }).await;
        let running = &own.1;
        let cluster: Vec<RecordId> = self.all.keys().filter(|id| !self.drafts.contains(id)).copied().collect();
        let mut lost = 0;
        eventually(what, Duration::from_secs(30), async || {
            let Ok(Answer::Status(now)) = running.ask(Request::Status).await else { return false };
            if partner(&now).0 != PartnerState::InStep || now.store.wanted > 0 {
                return false;
            }
            let shown = block_in_place(|| shown(node)).unwrap_or_else(|why| panic!("{what}: {why}"));
            assert!(self.wrong(&shown).is_empty(), "{what}: {:?} is shown", self.wrong(&shown));
            let missing = self.missing(&shown);
            let said = |id: &RecordId| shown.values().any(|said| said.1 == self.all[id].1);
            lost = missing.iter().filter(|id| self.drafts.contains(id) && !said(id)).count();
            !missing.iter().any(|id| cluster.contains(id))
        })
        .await;
        let verified = running.ask(Request::Verify { rebuild: false }).await.expect("verified");
        let Answer::Verified(verified) = verified else { panic!("not verified") };
        assert!(verified.faults.iter().all(|fault| fault.healed), "{what}: {:?}", verified.faults);
        own.stop();
        counts.healed_by_partner += 1;
        counts.drafts_lost += lost;
    }
}

fn rounds() -> usize {
    match std::env::var("STAFFROOM_ROT").as_deref() {
        Ok("all") => 10_000,
        Ok(number) => number.parse().expect("STAFFROOM_ROT is `all` or a number"),
        Err(_) => 40,
    }
}

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::print_stdout, reason = "figures")]
async fn rot_anywhere_in_a_home_is_found_or_harmless_never_shown_and_healed() {
    let ground = Ground::new().await;
    let mut seed = 7u64;
    let mut chance = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((seed >> 33) % below.max(1) as u64).expect("small")
    };
    let store = ground.home.store_path();
    let others: Vec<PathBuf> = ground.saved.1.keys().filter(|path| **path != store).cloned().collect();
    let mut by_kind: BTreeMap<String, Counts> = BTreeMap::new();
    for round in 0..rounds() {
        let path = if round % 4 == 3 { &others[(round / 4) % others.len()] } else { &store };
        let length = ground.saved.1[path].len();
        if length == 0 {
            continue;
        }
        let how = match chance(8) {
            0 => Damage::Zero(chance(length)),
            1 => Damage::Cut(chance(length)),
            _ => Damage::Flip(chance(length), u32::try_from(chance(8)).expect("small")),
        };
        let kind = format!("{how:?}").split('(').next().unwrap_or_default().to_lowercase();
        let name = path.strip_prefix(&ground.saved.0).expect("in it");
        let name = name.components().next().map(|part| part.as_os_str().to_string_lossy().into_owned());
        let counts = by_kind.entry(format!("{} {kind}", name.unwrap_or_default())).or_default();
        ground.try_one(path, how, counts).await;
    }
    for (kind, counts) in &by_kind {
        println!("{kind:24} {counts:?}");
    }
    let sum = |of: fn(&Counts) -> usize| by_kind.values().map(of).sum::<usize>();
    println!(
        "{} tried: {} harmless, {} refused with words, {} found, of them {} healed here and {} by the partner; {} drafts that only this school had were lost; {} told that a cluster is lost; 0 shown wrong",
        sum(|c| c.tried),
        sum(|c| c.harmless),
        sum(|c| c.refused),
        sum(|c| c.found),
        sum(|c| c.healed_here),
        sum(|c| c.healed_by_partner),
        sum(|c| c.drafts_lost),
        sum(|c| c.clusters_lost)
    );
    let (found, harmless) = (sum(|c| c.found), sum(|c| c.harmless));
    assert!(found > 0 && harmless > 0 && sum(|c| c.healed_by_partner) > 0, "nothing was tried: {found}, {harmless}");
    ground.brook.stop().await;
}
