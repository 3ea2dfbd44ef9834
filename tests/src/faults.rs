//! System calls that fail: `strace` runs a command, or one thread of a node, and has the k-th call of a
//! kind end with an error.
//!
//! Counting is by thread: with `when=K` the K-th such call of *each* thread fails. So a sweep over K is
//! over once no call failed any more, and [`Call::thread`] tells which one it was.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Whether `strace` is there and may do its work.
pub fn may_trace() -> bool {
    let traced = Command::new("strace").args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=none", "true"]).output();
    traced.is_ok_and(|output| output.status.success())
}

/// What fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// The name of the system call.
    pub call: &'static str,
    /// The error that it ends with; none where the process is killed instead, before the call.
    pub error: Option<&'static str>,
    /// Which of them, from 1; none where they are only counted.
    pub at: Option<usize>,
}

/// Whose calls count: those on these files alone, or all where none is named.
pub type Only<'a> = &'a [PathBuf];

impl Fault {
    /// A call that ends with an error, to be counted first.
    pub fn of(call: &'static str, error: &'static str) -> Self {
        Self { call, error: Some(error), at: None }
    }
    /// The end of the process before the n-th such call of a thread.
    pub fn killed(call: &'static str, at: usize) -> Self {
        Self { call, error: None, at: Some(at) }
    }
    /// The flags of `strace` for it, with a log.
    fn flags(&self, log: &Path, only: Only<'_>) -> Vec<String> {
        let mut flags = vec!["-y".to_owned(), "-s".to_owned(), "0".to_owned(), "-o".to_owned()];
        flags.push(log.display().to_string());
        flags.extend(["-e".to_owned(), format!("trace={}", self.call)]);
        flags.extend(only.iter().flat_map(|path| ["-P".to_owned(), path.display().to_string()]));
        if let Some(at) = self.at {
            let what = self.error.map_or_else(|| "signal=KILL".to_owned(), |error| format!("error={error}"));
            flags.extend(["-e".to_owned(), format!("inject={}:{what}:when={at}", self.call)]);
        }
        flags
    }
    /// A command that runs `share` under it. Killed after a minute: then it ends with 137.
    pub fn around(&self, share: &Command, log: &Path, only: Only<'_>) -> Command {
        let mut command = Command::new("timeout");
        command.args(["-s", "KILL", "60", "strace", "-f", "-qq"]).args(self.flags(log, only));
        command.arg(share.get_program()).args(share.get_args()).env_remove("SHARE_HOME").env("NO_COLOR", "1");
        command.stdin(Stdio::null());
        command
    }
    /// Makes calls of one thread of a process fail from now on; none where that is not allowed.
    pub fn inside(&self, process: u32, thread: &str, log: &Path, only: Only<'_>) -> Option<Attached> {
        let tasks = fs::read_dir(format!("/proc/{process}/task")).ok()?;
        let named = |task: &PathBuf| fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim() == thread);
        let task = tasks.filter_map(|task| Some(task.ok()?.path())).find(named)?;
        let mut command = Command::new("strace");
        command.args(self.flags(log, only)).arg("-p").arg(task.file_name()?);
        let mut strace = command.stderr(Stdio::piped()).spawn().ok()?;
        let mut said = BufReader::new(strace.stderr.take()?).lines();
        let attached = said.find_map(Result::ok).is_some_and(|line| line.contains("attached"));
        attached.then_some(Attached(strace))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.call, self.error.unwrap_or("killed"))
    }
}

/// A thread that is traced, until this is dropped.
pub struct Attached(Child);

impl Drop for Attached {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status();
        let _ = self.0.wait();
    }
}

/// One system call that was seen.
#[derive(Debug, Clone)]
pub struct Call {
    /// The thread, in the order of their first calls.
    pub thread: usize,
    /// Which call of its thread it is, from 1.
    pub number: usize,
    /// As `strace` shows it, with the paths of files.
    pub text: String,
    /// Whether it was made to fail.
    pub failed: bool,
}

impl Call {
    /// Whether it is the disk's, or the output's: not a signal between threads, nor the network's.
    pub fn is_of_a_file(&self) -> bool {
        !["anon_inode:", "<socket:", "<UNIX", "<TCP"].iter().any(|other| self.text.contains(other))
    }
    /// The name of the file, or of the folder of files that are named by their hashes.
    pub fn file(&self) -> String {
        let quoted = || self.text.split('"').nth(1).filter(|path| !path.is_empty());
        let opened = || self.text.split_once('<')?.1.split('>').next();
        let path = Path::new(quoted().or_else(opened).unwrap_or_default());
        let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let own = name(path);
        if own.contains('.') { own } else { path.parent().map(name).unwrap_or_default() }
    }
    /// Whether it writes to standard output (1) or standard error (2).
    pub fn is_output(&self, number: u8) -> bool {
        self.text.starts_with(&format!("write({number}<"))
    }
    /// Whether it may change what is on the disk: of those that open files, not those that only read.
    pub fn changes(&self) -> bool {
        !self.text.starts_with("openat(") || ["O_CREAT", "O_RDWR", "O_WRONLY"].iter().any(|f| self.text.contains(f))
    }
}

/// The calls in a log. A log of one thread alone has no numbers of processes in it.
pub fn calls(log: &Path) -> Vec<Call> {
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let (mut calls, mut threads): (Vec<Call>, BTreeMap<String, (usize, usize, usize)>) = Default::default();
    for line in text.lines() {
        let (thread, rest) = match line.split_once(' ') {
            Some((number, rest)) if number.bytes().all(|byte| byte.is_ascii_digit()) => (number, rest.trim_start()),
            _ => ("", line),
        };
        let failed = rest.contains("(INJECTED)");
        let known = threads.len();
        let (order, number, last) = threads.entry(thread.to_owned()).or_insert((known, 0, 0));
        if rest.starts_with("<...") {
            if let Some(call) = calls.get_mut(*last) {
                call.failed |= failed;
            }
        } else if !rest.starts_with(['+', '-']) {
            *number += 1;
            *last = calls.len();
            calls.push(Call { thread: *order, number: *number, text: rest.to_owned(), failed });
        }
    }
    calls
}

/// The files of a home as they were, to be put back.
pub struct Saved {
    home: PathBuf,
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Saved {
    /// Those of a home that nobody has open.
    pub fn of(home: &Path) -> Self {
        let read = |path: PathBuf| (path.clone(), fs::read(path).expect("readable"));
        Self { home: home.to_owned(), files: files(home).into_iter().map(read).collect() }
    }
    /// Puts them back, into the same files where they are there: so the node does not take itself for a
    /// copy. What came later goes, folders too.
    pub fn put_back(&self) {
        self.clear(&self.home);
        for (path, bytes) in &self.files {
            fs::write(path, bytes).expect("written");
        }
    }
    fn clear(&self, folder: &Path) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let holds = self.files.keys().any(|file| file.starts_with(&path));
            match (path.is_dir(), holds) {
                (true, true) => self.clear(&path),
                (true, false) => fs::remove_dir_all(&path).expect("removed"),
                (false, true) => {}
                (false, false) => fs::remove_file(&path).expect("removed"),
            }
        }
    }
}

/// Every file under a folder, sockets too.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// A file for a log, empty.
pub fn log_in(folder: &Path) -> PathBuf {
    let path = folder.join("strace.log");
    drop(File::create(&path).expect("a log"));
    path
}
