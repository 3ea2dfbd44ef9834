//! A failing disk is never answered with "saved": the k-th system call of each kind fails, for every k
//! (6-promises, rule 1).
//!
//! Each run starts from the same home. Afterwards the home is opened again without faults: what was told
//! to be saved is there, all of it is sound, and the same command succeeds. By default only a few k of
//! each kind are tried, the first, the last and some between, by a stride; `STAFFROOM_FAULTS=all` tries
//! every one, until a run is without a fault.

mod beginning;
mod commands;
mod full;
mod left;
mod partners;
mod serving;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use staffroom_tests::faults::{Call, Fault, Saved, calls, log_in, may_trace};
use staffroom_tests::processes::{json, share};

use super::set_up;

/// The calls that change a disk, each with the errors that it may give. Nothing here maps a file.
const CALLS: [(&str, &[&str]); 8] = [
    ("pwrite64", &["EIO", "ENOSPC"]),
    ("write", &["EIO", "ENOSPC"]),
    ("fdatasync", &["EIO"]),
    ("fsync", &["EIO"]),
    ("ftruncate", &["EIO", "ENOSPC"]),
    ("rename", &["EIO", "ENOSPC"]),
    ("openat", &["EIO", "ENOSPC"]),
    ("mkdir", &["ENOSPC"]),
];
/// How many k of each kind of call are tried by default.
const TRIED: usize = 3;

/// What may fail: every kind of call with every error, or with its first one alone.
fn faults() -> impl Iterator<Item = Fault> {
    let some = |errors: &'static [&'static str]| if all() { errors } else { &errors[..1] };
    CALLS.into_iter().flat_map(move |(call, errors)| some(errors).iter().map(move |error| Fault::of(call, error)))
}

/// Whether every k is tried.
fn all() -> bool {
    std::env::var("STAFFROOM_FAULTS").is_ok_and(|asked| asked == "all")
}

/// The k that are tried of so many calls: the first, the last, and some between.
fn strides(most: usize, tried: usize) -> Vec<usize> {
    (1..=most).step_by((most / tried).max(1)).chain([most]).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Checks that what was acknowledged is there: by lines of output, and whether it succeeded.
type Acknowledged<'a> = Box<dyn Fn(&[Value], bool) + 'a>;

/// Something that is done to a home, over and over.
struct Work<'a> {
    name: &'static str,
    home: PathBuf,
    /// Makes everything as it has to be before a run, and gives what is run.
    begin: Box<dyn Fn() -> Vec<String> + 'a>,
    /// What it reads from standard input.
    input: Option<PathBuf>,
    /// Files that it makes outside of the home.
    makes: Vec<PathBuf>,
    acknowledged: Acknowledged<'a>,
    /// What is said to who does it once more, where it was done.
    done_already: Option<&'static str>,
    /// Whether it runs a network: then threads wake each other by `write`, whose failing is no disk's, and
    /// only that on files is made to fail. It takes longer, too.
    network: bool,
    /// Whether files in this folder that are opened for reading alone fail too.
    reads: Option<PathBuf>,
}

/// Says which run it was, where a check of it fails.
struct ToldIfFailed<'a>(&'a str);

impl Drop for ToldIfFailed<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", self.0);
        }
    }
}

/// What the runs of one kind of call came to.
#[derive(Debug, Default)]
struct Counts {
    runs: usize,
    failed: usize,
    stopped: usize,
    went_on: usize,
    elsewhere: usize,
    /// Which calls failed: thread, number.
    hit: BTreeSet<(usize, usize)>,
    /// How many there are in a run without a fault.
    calls: usize,
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

impl<'a> Work<'a> {
    /// A command in a home, which is as it is now before each run.
    fn over(name: &'static str, home: &Path, args: Vec<String>, acknowledged: Acknowledged<'a>) -> Self {
        let saved = Saved::of(home);
        let begin = move || {
            saved.put_back();
            args.clone()
        };
        Self::from(name, home, Box::new(begin), acknowledged)
    }
    fn from(
        name: &'static str,
        home: &Path,
        begin: Box<dyn Fn() -> Vec<String> + 'a>,
        acknowledged: Acknowledged<'a>,
    ) -> Self {
        let home = home.to_owned();
        let (input, makes, done_already, network, reads) = (None, Vec::new(), None, false, None);
        Self { name, home, begin, input, makes, acknowledged, done_already, network, reads }
    }

    fn sweep(&self, folder: &Path) {
        let (mut runs, mut failed) = (0, 0);
        for fault in faults() {
            let counts = self.sweep_call(folder, fault);
            if counts.runs > 0 {
                println!("{}, {fault}: {}", self.name, counts.tell());
            }
            (runs, failed) = (runs + counts.runs, failed + counts.failed);
        }
        assert!(failed > 0, "{}: no call failed in {runs} runs", self.name);
        println!("{}: {runs} runs, {failed} calls failed, 0 false acknowledgements", self.name);
    }

    fn sweep_call(&self, folder: &Path, fault: Fault) -> Counts {
        let log = log_in(folder);
        let args = self.begin();
        let clean = self.run(&args, folder, &fault, &log);
        let of_files: Vec<_> = calls(&log).into_iter().filter(|call| self.counts(call)).collect();
        assert!(clean.status.success(), "{}: {}", self.name, String::from_utf8_lossy(&clean.stderr));
        let numbers: BTreeSet<usize> = of_files.iter().map(|call| call.number).collect();
        let mut counts = Counts { calls: of_files.len(), ..Counts::default() };
        let Some(most) = numbers.last().copied() else { return counts };
        let numbers: Vec<usize> = numbers.into_iter().collect();
        let tried = if all() {
            (1..=numbers.len()).collect()
        } else {
            strides(numbers.len(), if self.network { 1 } else { TRIED })
        };
        for at in tried.into_iter().map(|nth| numbers[nth - 1]) {
            self.once(folder, Fault { at: Some(at), ..fault }, &mut counts);
        }
        // Threads may share their work otherwise than in the first run: on, until nothing failed any more.
        let mut at = most + 1;
        while all() && self.once(folder, Fault { at: Some(at), ..fault }, &mut counts) {
            at += 1;
        }
        counts
    }
    /// Whether a call is one that is to fail.
    fn counts(&self, call: &Call) -> bool {
        let reads = self.reads.as_ref().is_some_and(|folder| call.text.contains(&text(folder)));
        call.is_of_a_file() && (call.changes() || reads)
    }

    /// One run with a fault, and everything that has to hold then. Whether a call failed.
    fn once(&self, folder: &Path, fault: Fault, counts: &mut Counts) -> bool {
        let log = log_in(folder);
        let args = self.begin();
        let output = self.run(&args, folder, &fault, &log);
        let hit: Vec<_> = calls(&log).into_iter().filter(|call| call.failed).collect();
        counts.runs += 1;
        counts.failed += hit.len();
        counts.hit.extend(hit.iter().map(|call| (call.thread, call.number)));
        let stderr = String::from_utf8_lossy(&output.stderr);
        let what = format!("{} with {fault:?} at {hit:#?}\nended with {}: {stderr}", self.name, output.status);
        let _told = ToldIfFailed(&what);
        let succeeded = output.status.success();
        let told = lines(&output);
        if hit.iter().all(Call::is_of_a_file) {
            let code = output.status.code();
            assert!(code.is_some_and(|code| code <= 8), "{what}");
            assert!(!stderr.contains("panicked at"), "{what}");
            let left_out = |line: &Value| line["outcome"] == "refused" || line["missing"].as_u64() > Some(0);
            let says_why = stderr.contains("\"error\"") || told.iter().any(left_out);
            assert!(succeeded || says_why || hit.iter().any(|call| call.is_output(2)), "no reason: {what}");
            assert!(!succeeded || !hit.iter().any(|call| call.is_output(1)), "what was not told is no success: {what}");
        } else {
            counts.elsewhere += 1;
        }
        *(if succeeded { &mut counts.went_on } else { &mut counts.stopped }) += 1;
        (self.acknowledged)(&told, succeeded);
        // A set-up that failed may have left nothing.
        if self.home.join("identity.json").exists() {
            assert_eq!(json(&self.home, &["verify"])["faults"], serde_json::json!([]), "{what}");
        }
        // Not told is not undone: what was whole before its telling failed is done already.
        let again = self.command(&args).stdin(self.stdin()).output().expect("share starts");
        let said = String::from_utf8_lossy(&again.stderr);
        let done_already = self.done_already.is_some_and(|words| said.contains(words));
        assert!(again.status.success() || done_already, "again: {said}\nafter {what}");
        (self.acknowledged)(&lines(&again), true);
        assert_eq!(json(&self.home, &["verify"])["faults"], serde_json::json!([]), "again, after {what}");
        !hit.is_empty()
    }

    fn begin(&self) -> Vec<String> {
        for path in &self.makes {
            let _ = fs::remove_file(path);
        }
        (self.begin)()
    }
    fn command(&self, args: &[String]) -> Command {
        let mut command = share(&self.home);
        command.arg("--json").args(args);
        command
    }
    fn stdin(&self) -> Stdio {
        self.input.as_ref().map_or_else(Stdio::null, |path| fs::File::open(path).expect("a file").into())
    }
    fn run(&self, args: &[String], folder: &Path, fault: &Fault, log: &Path) -> Output {
        let command = self.command(args);
        let [out, err] = ["out", "err"].map(|name| folder.join(name));
        let mut only = Vec::new();
        if self.network && fault.call == "write" {
            only.extend([out.clone(), err.clone(), self.home.join("secrets/signed.part")]);
            only.extend(self.makes.clone());
        }
        let [to, beside] = [&out, &err].map(|path| fs::File::create(path).expect("a file"));
        let mut traced = fault.around(&command, log, &only);
        let status = traced.stdin(self.stdin()).stdout(to).stderr(beside).status().expect("strace starts");
        let [stdout, stderr] = [out, err].map(|path| fs::read(path).expect("written"));
        Output { status, stdout, stderr }
    }
}

impl Counts {
    fn tell(&self) -> String {
        let Self { runs, failed, stopped, went_on, elsewhere, hit, calls } = self;
        format!(
            "{runs} runs, {failed} calls failed, {} different of {calls}; {stopped} stopped with an error, \
             {went_on} succeeded, {elsewhere} beside the disk; 0 false acknowledgements",
            hit.len()
        )
    }
}

fn text(path: &Path) -> String {
    path.to_str().expect("UTF-8").to_owned()
}
fn titles(home: &Path) -> BTreeMap<String, String> {
    let list = json(home, &["list"]);
    let of = |record: &Value| (record["id"].as_str().unwrap_or_default().to_owned(), record["title"].to_string());
    list.as_array().expect("a list").iter().map(of).collect()
}
/// Whether the ids in lines of output are listed.
fn are_listed(home: &Path, told: &[Value]) {
    let listed = titles(home);
    for line in told.iter().filter(|line| line["outcome"] == "created" || line["outcome"] == "updated") {
        let id = line["id"].as_str().expect("an id");
        assert!(listed.contains_key(id), "acknowledged, and lost: {line}");
    }
}
/// Whether this machine can do it; says so where it cannot.
fn can(test: &str) -> bool {
    let can = may_trace();
    if !can {
        println!("skipped: {test} needs strace");
    }
    can
}
