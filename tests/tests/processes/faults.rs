//! A failing disk is never answered with "saved": the k-th system call of each kind fails, for every k
//! (6-promises, rule 1).
//!
//! Each run starts from the same home. Afterwards the home is opened again without faults: what was told
//! to be saved is there, all of it is sound, and the same command succeeds. By default only a few k of
//! each kind are tried, the first, the last and some between, by a stride; `STAFFROOM_FAULTS=all` tries
//! every one, until a run is without a fault.

mod full;
mod partners;
mod serving;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;
use staffroom_tests::faults::{Call, Fault, Saved, calls, log_in, may_trace};
use staffroom_tests::processes::{json, run, share};

use super::backups::restore;
use super::files::noise;
use super::{lessons_file, set_up};

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
    args: Vec<String>,
    /// Files that it makes outside of the home.
    makes: Vec<PathBuf>,
    acknowledged: Acknowledged<'a>,
    /// What is said to who does it once more, where it was done.
    done_already: Option<&'static str>,
    /// Whether it runs a network: then threads wake each other by `write`, whose failing is no disk's, and
    /// only that on files is made to fail. It takes longer, too.
    network: bool,
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

impl Work<'_> {
    fn sweep(&self, folder: &Path) {
        let saved = Saved::of(&self.home);
        let (mut runs, mut failed) = (0, 0);
        for (call, errors) in CALLS {
            for &error in &errors[..if all() { errors.len() } else { 1 }] {
                let counts = self.sweep_call(folder, &saved, Fault { call, error, at: None });
                if counts.runs > 0 {
                    println!("{}, {call} {error}: {}", self.name, counts.tell());
                }
                (runs, failed) = (runs + counts.runs, failed + counts.failed);
            }
        }
        assert!(failed > 0, "{}: no call failed in {runs} runs", self.name);
        println!("{}: {runs} runs, {failed} calls failed, 0 false acknowledgements", self.name);
    }

    fn sweep_call(&self, folder: &Path, saved: &Saved, fault: Fault) -> Counts {
        let log = log_in(folder);
        self.begin(saved);
        let clean = self.run(folder, &fault, &log);
        let of_files: Vec<_> = calls(&log).into_iter().filter(|call| call.is_of_a_file() && call.changes()).collect();
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
            self.once(folder, saved, Fault { at: Some(at), ..fault }, &mut counts);
        }
        // Threads may share their work otherwise than in the first run: on, until nothing failed any more.
        let mut at = most + 1;
        while all() && self.once(folder, saved, Fault { at: Some(at), ..fault }, &mut counts) {
            at += 1;
        }
        counts
    }

    /// One run with a fault, and everything that has to hold then. Whether a call failed.
    fn once(&self, folder: &Path, saved: &Saved, fault: Fault, counts: &mut Counts) -> bool {
        let log = log_in(folder);
        self.begin(saved);
        let output = self.run(folder, &fault, &log);
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
            let says_why = stderr.contains("\"error\"") || told.iter().any(|line| line["outcome"] == "refused");
            assert!(succeeded || says_why || hit.iter().any(|call| call.is_output(2)), "no reason: {what}");
            assert!(!succeeded || !hit.iter().any(|call| call.is_output(1)), "what was not told is no success: {what}");
        } else {
            counts.elsewhere += 1;
        }
        *(if succeeded { &mut counts.went_on } else { &mut counts.stopped }) += 1;
        (self.acknowledged)(&told, succeeded);
        assert_eq!(json(&self.home, &["verify"])["faults"], serde_json::json!([]), "{what}");
        // Not told is not undone: what was whole before its telling failed is done already.
        let again = share(&self.home).arg("--json").args(&self.args).output().expect("share starts");
        let said = String::from_utf8_lossy(&again.stderr);
        let done_already = self.done_already.is_some_and(|words| said.contains(words));
        assert!(again.status.success() || done_already, "again: {said}\nafter {what}");
        (self.acknowledged)(&lines(&again), true);
        !hit.is_empty()
    }

    fn begin(&self, saved: &Saved) {
        saved.put_back();
        self.unmake();
    }
    fn unmake(&self) {
        for path in &self.makes {
            let _ = fs::remove_file(path);
        }
    }
    fn run(&self, folder: &Path, fault: &Fault, log: &Path) -> Output {
        let mut command = share(&self.home);
        command.arg("--json").args(&self.args);
        let [out, err] = ["out", "err"].map(|name| folder.join(name));
        let mut only = Vec::new();
        if self.network && fault.call == "write" {
            only.extend([out.clone(), err.clone(), self.home.join("secrets/signed.part")]);
            only.extend(self.makes.clone());
        }
        let [to, beside] = [&out, &err].map(|path| fs::File::create(path).expect("a file"));
        let status = fault.around(&command, log, &only).stdout(to).stderr(beside).status().expect("strace starts");
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
/// Whether a home gives these bytes for the file of a record.
fn gives(home: &Path, id: &str, bytes: &[u8], folder: &Path) {
    let to = folder.join("given");
    let _ = fs::remove_file(&to);
    let got = run(home, &["get", id, "--to", &text(&to)]);
    assert!(got.status.success(), "{}", String::from_utf8_lossy(&got.stderr));
    assert!(fs::read(&to).expect("given") == bytes, "other bytes");
}

/// Whether this machine can do it; says so where it cannot.
fn can(test: &str) -> bool {
    let can = may_trace();
    if !can {
        println!("skipped: {test} needs strace");
    }
    can
}

#[test]
fn publishing_on_a_failing_disk_is_never_answered_with_saved() {
    if !can("publishing_on_a_failing_disk_is_never_answered_with_saved") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let home = folder.path().join("hillside");
    set_up(&home, "Hillside Primary");
    let lessons = folder.path().join("lessons");
    fs::create_dir(&lessons).expect("a folder");
    let (sheet, bar) = (noise(1, 300_000), noise(2, 5_000));
    fs::write(lessons.join("sheet.pdf"), &sheet).expect("written");
    fs::write(lessons.join("bar.png"), &bar).expect("written");
    fs::write(lessons.join("page.md"), "# Fractions\n\n![A bar](bar.png)\n").expect("written");
    let there = |told: &[Value], done: bool| {
        are_listed(&home, told);
        for line in told.iter().filter(|line| line["id"].is_string()) {
            let bytes = if line["title"] == "Fractions" { &bar } else { &sheet };
            gives(&home, line["id"].as_str().expect("an id"), bytes, folder.path());
        }
        assert!(!done || titles(&home).len() == 2);
    };
    let work = Work {
        name: "publish",
        home: home.clone(),
        args: vec!["publish".to_owned(), text(&lessons)],
        makes: Vec::new(),
        acknowledged: Box::new(there),
        done_already: None,
        network: false,
    };
    work.sweep(folder.path());
}

#[test]
fn importing_on_a_failing_disk_is_never_answered_with_saved() {
    if !can("importing_on_a_failing_disk_is_never_answered_with_saved") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let home = folder.path().join("hillside");
    set_up(&home, "Hillside Primary");
    let there = |told: &[Value], done: bool| {
        are_listed(&home, told);
        assert!(!done || titles(&home).len() == 5);
    };
    let work = Work {
        name: "import",
        home: home.clone(),
        args: vec!["import".to_owned(), lessons_file(folder.path(), 0..5)],
        makes: Vec::new(),
        acknowledged: Box::new(there),
        done_already: None,
        network: false,
    };
    work.sweep(folder.path());
}

/// A home with a record of one file.
struct Home {
    path: PathBuf,
    /// The code on its sheet.
    code: String,
    /// The record.
    id: String,
    /// The bytes of its file.
    file: Vec<u8>,
}

fn with_a_record(folder: &Path) -> Home {
    let home = folder.join("hillside");
    let made = json(&home, &["init", "--school", "Hillside Primary"]);
    let sheet = noise(3, 300_000);
    let path = folder.join("sheet.pdf");
    fs::write(&path, &sheet).expect("written");
    json(&home, &["publish", &text(&path)]);
    let id = titles(&home).into_keys().next().expect("a record");
    Home { path: home, code: made["recovery_code"].as_str().expect("a code").to_owned(), id, file: sheet }
}

#[test]
fn erasing_on_a_failing_disk_is_never_answered_with_erased() {
    if !can("erasing_on_a_failing_disk_is_never_answered_with_erased") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let Home { path: home, id, .. } = with_a_record(folder.path());
    let gone = |told: &[Value], done: bool| {
        let acknowledged = done || told.iter().any(|line| line["id"] == id.as_str());
        assert!(!acknowledged || !titles(&home).contains_key(&id), "acknowledged, and still listed");
    };
    let work = Work {
        name: "erase",
        home: home.clone(),
        args: vec!["erase".to_owned(), id.clone(), "--yes".to_owned()],
        makes: Vec::new(),
        acknowledged: Box::new(gone),
        done_already: Some("was erased by"),
        network: false,
    };
    work.sweep(folder.path());
}

#[test]
fn a_backup_on_a_failing_disk_is_whole_or_none() {
    if !can("a_backup_on_a_failing_disk_is_whole_or_none") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let Home { path: home, code, id, file: sheet } = with_a_record(folder.path());
    let file = folder.path().join("monday.backup");
    let part = folder.path().join("monday.backup.part");
    let whole = |told: &[Value], done: bool| {
        assert!(!part.exists(), "a part is left");
        assert!(file.exists() || !done, "acknowledged, and not there");
        if file.exists() {
            let blank = folder.path().join("blank");
            let _ = fs::remove_dir_all(&blank);
            let restored = restore(&blank, &file, &code);
            assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
            // A file that could not be opened is left out, and that is told.
            if told.last().is_some_and(|line| line["missing"] == 0) {
                gives(&blank, &id, &sheet, folder.path());
            }
        }
    };
    let work = Work {
        name: "backup",
        home: home.clone(),
        args: vec!["backup".to_owned(), text(&file)],
        makes: vec![file.clone()],
        acknowledged: Box::new(whole),
        done_already: Some("is there already"),
        network: false,
    };
    work.sweep(folder.path());
}
