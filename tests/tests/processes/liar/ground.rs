//! What the tests of lying partners stand on: an honest pair, what it holds, what it costs them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;
use staffroom_protocol::id::SpaceId;
use staffroom_tests::liar::wire::{Line, Lying};
use staffroom_tests::liar::{Behaviour, Member};
use staffroom_tests::processes::{Serving, cluster, hold_the_same, json, run, share, until};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::super::{set_up, ticket};

/// What one lie may add to the anonymous memory of a node, KiB: a frame as it came and expanded, four
/// times over, and what an allocator keeps.
const MEMORY_KIB: u64 = 24 << 10;
/// The same while it is told.
const PEAK_KIB: u64 = 32 << 10;
/// What one lie may cost a node, milliseconds of its processor, with what it costs to ask it.
const PROCESSOR_MS: u64 = 3_000;

/// Hillside, which found the cluster, and Brook, which joined it.
pub(super) struct Ground {
    pub(super) hill: PathBuf,
    pub(super) brook: PathBuf,
    pub(super) hill_node: Serving,
    brook_node: Serving,
    pub(super) runtime: Runtime,
    folder: TempDir,
    notes: usize,
}

/// A node, quiet about what it refuses: thousands of lines say nothing to whoever reads a test's output.
pub(super) fn serve(home: &Path) -> Serving {
    let mut command = share(home);
    command.env("SHARE_LOG", "error");
    Serving::spawn(command, &[])
}

/// What a node holds, shows and has used.
pub(super) struct Look {
    frontier: Value,
    charter: Value,
    list: Value,
    memory: Memory,
    processor_ms: u64,
}

/// Of a process, KiB.
struct Memory {
    /// Anonymous memory now.
    anonymous: u64,
    /// All memory now, and the most since it was looked at last.
    resident: u64,
    peak: u64,
}

impl Look {
    pub(super) fn charter(&self) -> &Value {
        &self.charter
    }
    pub(super) fn list(&self) -> &Value {
        &self.list
    }
}

impl Ground {
    /// Both hold some records that do not compress, and the same.
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let [hill, brook] = ["hillside", "brook"].map(|name| folder.path().join(name));
        set_up(&hill, "Hillside Primary");
        set_up(&brook, "Brook Lane School");
        json(&hill, &["cluster", "create", "The Brook Cluster"]);
        let (hill_node, brook_node) = (serve(&hill), serve(&brook));
        json(&brook, &["join", &ticket(&hill)]);
        json(&hill, &["import", &noise_file(folder.path(), 300)]);
        let runtime = Runtime::new().expect("a runtime");
        let ground = Self { hill, brook, hill_node, brook_node, runtime, folder, notes: 0 };
        ground.level();
        ground
    }
    /// Waits until both hold the same.
    pub(super) fn level(&self) {
        until("both hold the same", || hold_the_same(&self.hill, &self.brook).then_some(()));
    }
    /// Where Hillside listens.
    pub(super) fn address(&self) -> String {
        self.hill_node.ready["listen"][0].as_str().expect("an address").to_owned()
    }
    /// A liar that joined as any school does.
    pub(super) fn member(&self, number: u8) -> (Member, SpaceId) {
        let mut liar = Member::new(number);
        let ticket = ticket(&self.hill);
        let space = self.runtime.block_on(liar.join(&ticket));
        (liar, space)
    }
    /// The liar holds what Hillside holds, and is connected.
    pub(super) fn meet(&self, liar: &mut Member, space: SpaceId) -> Line {
        self.runtime.block_on(async {
            let mut line = liar.connect(&self.address()).await.expect("connected");
            liar.catch_up(&mut line, space).await;
            line
        })
    }
    /// Says all that a behaviour says.
    pub(super) fn tell(&self, line: &mut Line, liar: &Member, space: SpaceId, what: Behaviour) -> Lying {
        let steps = what.steps(&liar.view(space));
        self.runtime.block_on(async {
            let mut lying = line.lie(space, steps, what != Behaviour::NeverReads).await.expect("offered to members");
            lying.said().await;
            lying
        })
    }
    pub(super) fn look(&self) -> Look {
        let held = cluster(&self.hill);
        let list = json(&self.hill, &["list"]);
        let (memory, processor_ms) = used(self.hill_node.pid());
        let (frontier, charter) = (held["frontier"].clone(), held["charter"].clone());
        Look { frontier, charter, list, memory, processor_ms }
    }

    /// A behaviour that is refused for this reason: named so, cheap, and nothing is other than before.
    pub(super) fn refuses(&mut self, liar: &mut Member, space: SpaceId, what: Behaviour, why: &str) {
        let mut line = self.meet(liar, space);
        let (before, times) = (self.look(), refusals(&self.hill, liar).0);
        let lying = self.tell(&mut line, liar, space, what);
        self.named(liar, times, why);
        let after = self.look();
        same(&before, &after, what);
        bounded(&before, &after, &format!("{what:?}"), why);
        drop((lying, line));
        self.goes_on();
    }
    /// Waits until Hillside names one more refusal of the liar's, for this reason.
    pub(super) fn named(&self, liar: &Member, times: u64, why: &str) {
        until(&format!("it is named: {why}"), || {
            let (now, what) = refusals(&self.hill, liar);
            (now > times && what.contains(why)).then_some(())
        });
        let told = run(&self.hill, &["status"]);
        assert!(String::from_utf8_lossy(&told.stdout).contains(why), "share status says so to people too");
    }
    /// Something that is held and harms nobody.
    pub(super) fn bears(&mut self, liar: &mut Member, space: SpaceId, what: Behaviour, came: impl Fn(&Value) -> bool) {
        let mut line = self.meet(liar, space);
        let before = self.look();
        let lying = self.tell(&mut line, liar, space, what);
        until(&format!("{what:?} has come"), || came(&json(&self.hill, &["status"])).then_some(()));
        let after = self.look();
        bounded(&before, &after, &format!("{what:?}"), "held, and harms nobody");
        drop((lying, line));
        self.goes_on();
    }
    /// The honest pair is unaffected: what is written at one comes to the other.
    pub(super) fn goes_on(&mut self) {
        self.notes += 1;
        let title = format!("Note {} after a lie", self.notes);
        json(&self.hill, &["new", "note", "--title", &title]);
        self.level();
        let list = json(&self.brook, &["list", "--kind", "note"]).to_string();
        assert!(list.contains(&title), "{title}");
    }
    /// All that both hold is sound; both end when they are asked to.
    pub(super) fn end(self) {
        for home in [&self.hill, &self.brook] {
            assert_eq!(json(home, &["verify"])["faults"], serde_json::json!([]));
        }
        self.hill_node.stop();
        self.brook_node.stop();
        drop(self.folder);
    }
}

/// Holds a lie to what it may cost, and prints what it did.
#[allow(clippy::print_stdout, reason = "figures")]
pub(super) fn bounded(before: &Look, after: &Look, what: &str, why: &str) {
    let memory = after.memory.anonymous.saturating_sub(before.memory.anonymous);
    let peak = after.memory.peak.saturating_sub(before.memory.resident);
    let processor = after.processor_ms - before.processor_ms;
    println!("{what:24} {memory:6} KiB, at most {peak:6} KiB {processor:5} ms  {why}");
    assert!(memory < MEMORY_KIB && peak < PEAK_KIB, "{what}: {memory} KiB more, {peak} KiB meanwhile");
    assert!(processor < PROCESSOR_MS, "{what}: {processor} ms of its processor");
}

/// Nothing that Hillside holds or shows is other than before.
pub(super) fn same(before: &Look, after: &Look, what: Behaviour) {
    assert_eq!(before.frontier, after.frontier, "the frontier after {what:?}");
    assert_eq!(before.charter, after.charter, "the charter after {what:?}");
    assert_eq!(before.list, after.list, "what is shown after {what:?}");
}

/// How often a liar was refused, and why the last time.
pub(super) fn refusals(home: &Path, liar: &Member) -> (u64, String) {
    let device = liar.replica.device().to_string();
    let status = json(home, &["status"]);
    let spaces = status["spaces"].as_array().cloned().unwrap_or_default();
    let partners = spaces.iter().flat_map(|space| space["partners"].as_array().cloned().unwrap_or_default());
    let its = partners.into_iter().find(|partner| partner["device"] == device.as_str()).unwrap_or_default();
    told(&its["refused"])
}

/// How often devices that are no partners were refused, and why the last time.
pub(super) fn strangers(home: &Path) -> (u64, String) {
    told(&json(home, &["status"])["strangers"])
}

fn told(refused: &Value) -> (u64, String) {
    (refused["times"].as_u64().unwrap_or_default(), refused["what"].as_str().unwrap_or_default().to_owned())
}

/// Memory, with its peak counted anew from here, and milliseconds of processor since its start. A tick
/// is 10 ms on Linux.
fn used(pid: u32) -> (Memory, u64) {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let kib = |name: &str| -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("Linux tells");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    };
    let memory = Memory { anonymous: kib("RssAnon:"), resident: kib("VmRSS:"), peak: kib("VmHWM:") };
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5").expect("a process of ours");
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let after_name = stat.rsplit_once(')').expect("a name in parentheses").1;
    let fields: Vec<u64> = after_name.split_whitespace().map(|field| field.parse().unwrap_or(0)).collect();
    (memory, 10 * (fields[11] + fields[12]))
}

/// Lessons that do not compress, as JSON lines: what a liar is sent is as long as it is.
fn noise_file(folder: &Path, count: usize) -> String {
    let mut lines = String::new();
    for n in 0..count {
        let mut noise = [0; 3_000];
        blake3::Hasher::new().update(&n.to_le_bytes()).finalize_xof().fill(&mut noise);
        let body: String = noise.chunks(4).map(staffroom_protocol::id::to_text).collect::<Vec<_>>().join(" ");
        let lesson = serde_json::json!({
            "kind": "resource", "title": format!("Lesson {n}"), "body": body, "source": format!("noise/{n}.md"),
        });
        writeln!(lines, "{lesson}").expect("writing to memory does not fail");
    }
    let path = folder.join("noise.jsonl");
    std::fs::write(&path, lines).expect("written");
    path.to_str().expect("UTF-8").to_owned()
}
