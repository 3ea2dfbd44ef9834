//! Real processes of `share`: run one to its end, or keep a node running; kill it, cut its network.
//!
//! The binary is the one that the build put beside the tests (`target/release/share`), or the one
//! that `STAFFROOM_SHARE` names.

use std::io::{BufRead as _, BufReader};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long anything may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_mins(2);

/// The `share` that is tested.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("STAFFROOM_SHARE") {
        return path.into();
    }
    let test = std::env::current_exe().expect("a test knows where it is");
    let folder = test.ancestors().nth(2).expect("tests lie in target/release/deps");
    let share = folder.join("share");
    assert!(share.exists(), "{} is not built: cargo build --release --workspace", share.display());
    share
}

/// Real input, where it lies beside the project or where `STAFFROOM_CORPUS` says.
pub fn corpus(name: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let folder = std::env::var_os("STAFFROOM_CORPUS").map_or(beside, PathBuf::from);
    let path = folder.join(name);
    path.exists().then_some(path)
}

/// A `share` with its home, ready to be given a verb.
pub fn share(home: &Path) -> Command {
    let mut command = Command::new(binary());
    command.arg("--home").arg(home).env_remove("SHARE_HOME").env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

/// Runs a verb to its end.
pub fn run(home: &Path, args: &[&str]) -> Output {
    share(home).args(args).output().expect("share starts")
}

/// Runs a verb with `--json` that must succeed, and reads its last line of output.
pub fn json(home: &Path, args: &[&str]) -> Value {
    let output = share(home).arg("--json").args(args).output().expect("share starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "share {args:?}: {}\n{text}\n{errors}", output.status);
    let whole = serde_json::from_str(&text);
    whole.unwrap_or_else(|_| {
        let last = text.lines().last().unwrap_or_default();
        serde_json::from_str(last).unwrap_or_else(|error| panic!("share {args:?} printed no JSON: {error}\n{text}"))
    })
}

/// Asks until `wanted` says yes. The node tells by its status; nothing here waits for a fixed time.
pub fn until<T>(what: &str, mut wanted: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = wanted() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "gave up waiting until {what}");
        std::thread::yield_now();
    }
}

/// A running node; killed when dropped.
pub struct Serving {
    child: Child,
    /// What its first line said.
    pub ready: Value,
    /// How long it took from its start to that line.
    pub opened: Duration,
    lines: mpsc::Receiver<String>,
}

impl Serving {
    /// Starts `share serve --json` on loopback with `args` more, and waits until it answers.
    pub fn start(home: &Path, args: &[&str]) -> Self {
        Self::spawn(share(home), args)
    }
    /// The same, which logs this much into a file, behind what is there.
    pub fn logging(home: &Path, args: &[&str], filter: &str, log: &Path) -> Self {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(log).expect("a log");
        let mut share = share(home);
        share.env("SHARE_LOG", filter).stderr(file);
        Self::spawn(share, args)
    }
    /// The same with a command that was prepared, e.g. to run in a network namespace.
    pub fn spawn(mut share: Command, args: &[&str]) -> Self {
        let begun = Instant::now();
        share.args(["--json", "serve", "--no-mdns"]).args(args).stdout(Stdio::piped());
        if !args.contains(&"--listen") {
            share.args(["--listen", "/ip4/127.0.0.1/tcp/0"]);
        }
        let mut child = share.spawn().expect("share starts");
        let out = BufReader::new(child.stdout.take().expect("piped"));
        let (send, lines) = mpsc::channel();
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        let ready = loop {
            let line = lines.recv_timeout(PATIENCE).expect("the node says that it is ready");
            let event: Value = serde_json::from_str(&line).expect("a line of JSON");
            if event["event"] == "ready" {
                break event;
            }
        };
        Self { child, ready, opened: begun.elapsed(), lines }
    }
    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
    /// The lines that it printed since, as far as they have come.
    pub fn lines(&self) -> impl Iterator<Item = Value> + '_ {
        self.lines.try_iter().filter_map(|line| serde_json::from_str(&line).ok())
    }
    /// `kill -9`, and waits until it is gone.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
    /// Waits until it ends by itself, and says how.
    pub fn ended(mut self) -> ExitStatus {
        until("the node ends by itself", || self.child.try_wait().expect("a child"))
    }
    /// Asks it to end (SIGTERM), and says how long that took.
    pub fn stop(mut self) -> Duration {
        let begun = Instant::now();
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(asked.is_ok_and(|status| status.success()));
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "share serve ended with {status}");
        begun.elapsed()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The status of the only cluster of a home.
pub fn cluster(home: &Path) -> Value {
    let status = json(home, &["status"]);
    let spaces = status["spaces"].as_array().cloned().unwrap_or_default();
    spaces.into_iter().find(|space| space["name"] != "school").expect("in a cluster")
}

/// Whether two homes hold the same of their cluster: equal frontier and charter.
pub fn hold_the_same(a: &Path, b: &Path) -> bool {
    let (a, b) = (cluster(a), cluster(b));
    a["frontier"] == b["frontier"] && a["charter"] == b["charter"]
}

/// Lessons with these numbers as JSON lines, of our own making.
pub fn lessons(numbers: Range<usize>) -> String {
    use std::fmt::Write as _;
    let mut lines = String::new();
    for n in numbers {
        let lesson = serde_json::json!({
            "kind": "resource",
            "title": format!("Lesson {n}: what a fraction of an amount is"),
            "summary": "I can find a fraction of an amount with a bar model",
            "body": format!("## Outcome\n\nLesson {n}. {}", "Draw the bar, share it out, say what each part is worth. ".repeat(20)),
            "subjects": ["Mathematics"],
            "key_stages": ["KS2"],
            "tags": ["fractions", format!("week {}", n % 39)],
            "licence": "CC-BY-4.0",
            "source": format!("lessons/{n}.md"),
        });
        writeln!(lines, "{lesson}").expect("writing to memory does not fail");
    }
    lines
}
