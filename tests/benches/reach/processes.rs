//! Two release processes on loopback: import, first sync, reconnecting, opening, memory.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use staffroom_node::api::{Answer, Request, Status};
use staffroom_node::socket::Connection;
use staffroom_protocol::id::SpaceId;
use staffroom_protocol::sync::{Hello, Message, encode};
use staffroom_tests::processes::{Serving, corpus, hold_the_same, json, lessons, run as share};

use crate::{bare, figure, live, ms, row};

/// Everything that needs real processes.
pub(crate) fn run() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder on the disk of the build");
    let folder = folder.path();
    let (all, count) = input(folder);
    let few = folder.join("few.jsonl");
    std::fs::write(&few, lessons(0..1_000)).expect("written");
    for (name, file, count) in [("1,000", few.to_str().expect("UTF-8"), 1_000), ("all", &all, count)] {
        pair(&folder.join(name), file, count);
    }
}

/// The lessons of the corpus, or as many of our own.
fn input(folder: &Path) -> (String, u64) {
    if let Some(path) = corpus("oak-lessons.jsonl.gz") {
        return (path.to_str().expect("UTF-8").to_owned(), 12_517);
    }
    let count = std::env::var("STAFFROOM_LESSONS").ok().and_then(|n| n.parse().ok()).unwrap_or(12_517);
    let path = folder.join("lessons.jsonl");
    std::fs::write(&path, lessons(0..count)).expect("written");
    println!("the corpus is not beside the project: {count} lessons of our own instead");
    (path.to_str().expect("UTF-8").to_owned(), count as u64)
}

/// Waits until all that can be reached is in step.
fn in_step(home: &Path) -> Status {
    let mut node = Connection::to(&home.join("node.sock")).expect("it runs");
    match node.ask(&Request::Sync { wait: 120_000 }) {
        Ok(Answer::Status(status)) => *status,
        other => panic!("no status: {other:?}"),
    }
}

fn pair(folder: &Path, file: &str, count: u64) {
    std::fs::create_dir_all(folder).expect("made");
    let (hill, brook) = (folder.join("hillside"), folder.join("brook"));
    assert!(share(&hill, &["init", "--school", "Hillside Primary"]).status.success());
    assert!(share(&brook, &["init", "--school", "Brook Lane School"]).status.success());
    json(&hill, &["cluster", "create", "The Brook Cluster"]);

    let begun = Instant::now();
    json(&hill, &["--quiet", "import", file]);
    let import = begun.elapsed();
    let bytes = std::fs::read(hill.join("store.redb")).expect("read");
    let written = bare::write(folder, &bytes);
    println!("\n{count} lessons, {:.1} MB in the store", bytes.len() as f64 / 1e6);
    row("import, durable", ms(import), ms(written), "ms", "writing the same bytes once, durably");
    let begun = Instant::now();
    json(&hill, &["--quiet", "import", file]);
    figure("import of the same again, all unchanged", ms(begun.elapsed()), "ms", "");

    let host = Serving::start(&hill, &[]);
    row(
        "open: start of the process until it answers",
        ms(host.opened),
        ms(bare_start(&hill)),
        "ms",
        "starting the program to print its version",
    );
    let ticket = json(&hill, &["invite", "--no-confirm"])["ticket"].as_str().expect("a ticket").to_owned();
    let node = Serving::start(&brook, &[]);
    let cpu = (cpu(host.pid()), cpu(node.pid()));
    let begun = Instant::now();
    let joined = Connection::to(&brook.join("node.sock")).expect("it runs").ask(&Request::Join { ticket, wait: 0 });
    assert!(matches!(joined, Ok(Answer::Joined { .. })), "{joined:?}");
    let joined = begun.elapsed();
    in_step(&brook);
    let synced = begun.elapsed();
    assert!(hold_the_same(&hill, &brook));
    let copied = bare::copy(folder, &bytes);
    figure("join by ticket", ms(joined), "ms", "");
    row(
        "first sync: verified, durable and listed",
        ms(synced),
        ms(copied),
        "ms",
        "one copy of the store over loopback, hashed, one fsync",
    );
    figure("  processor time, sender", cpu_since(host.pid(), cpu.0), "ms", "");
    figure("  processor time, receiver", cpu_since(node.pid(), cpu.1), "ms", "");
    let wire = wire(&node);
    let content = gzip_size(&bytes);
    row(
        "  bytes on the wire, both ways",
        wire / 1e6,
        content / 1e6,
        "MB",
        "the store's bytes after gzip -1, at one go",
    );
    figure("  peak memory, sender", memory(host.pid(), "VmHWM"), "MB", "");
    figure("  peak memory, receiver", memory(node.pid(), "VmHWM"), "MB", "");

    if count > 1_000 {
        live::run(folder, &hill);
    }
    reconnect(&hill, &brook, node, folder);
    // What a node holds on to shows only after it had nothing to do.
    std::thread::sleep(Duration::from_mins(1));
    figure("memory, idle, anonymous", memory(host.pid(), "RssAnon"), "MB", "a minute after the above");
    let begun = Instant::now();
    host.kill();
    let again = Serving::start(&hill, &[]);
    figure(
        "open after kill -9",
        ms(again.opened),
        "ms",
        &format!("with {:?} for the kill", begun.elapsed().saturating_sub(again.opened)),
    );
}

/// The time to start the program and end it.
fn bare_start(home: &Path) -> Duration {
    let begun = Instant::now();
    share(home, &["--version"]);
    begun.elapsed()
}

/// Off and on again: with nothing new, and with 100 new records.
fn reconnect(hill: &Path, brook: &Path, node: Serving, folder: &Path) {
    node.stop();
    let hello =
        Hello { version: 0, space: SpaceId([1; 32]), charter: [1; 32], frontier: [1; 32], credit: 4, answer: true };
    let frames = 2 * (4 + encode(&Message::Hello(hello)).len());
    let node = Serving::start(brook, &[]);
    let begun = Instant::now();
    in_step(brook);
    figure(
        "reconnect with nothing new, until in step",
        ms(begun.elapsed()),
        "ms",
        "from the start's first answer, dialling and handshake included",
    );
    figure(
        "  bytes on the wire, handshakes included",
        wire(&node),
        "B",
        &format!("of them {frames} in the session's own frames, a space"),
    );
    node.stop();
    let file = folder.join("new.jsonl");
    std::fs::write(&file, lessons(0..100).replace("lessons/", "new/")).expect("written");
    json(hill, &["--quiet", "import", file.to_str().expect("UTF-8")]);
    let node = Serving::start(brook, &[]);
    let begun = Instant::now();
    in_step(brook);
    figure("reconnect with 100 new records, until in step", ms(begun.elapsed()), "ms", "");
    assert!(hold_the_same(hill, brook));
    figure("  bytes on the wire, handshakes included", wire(&node) / 1e3, "kB", "");
    node.stop();
}

/// Bytes that a process's TCP connections carried, both ways, as the kernel counts them.
fn wire(node: &Serving) -> f64 {
    let Ok(output) = Command::new("ss").args(["-tinpH"]).output() else { return f64::NAN };
    let text = String::from_utf8_lossy(&output.stdout);
    let ours = format!("pid={},", node.pid());
    let mut lines = text.lines();
    let mut sum = 0.0;
    while let Some(line) = lines.next() {
        let counters = if line.contains(&ours) { lines.next().unwrap_or_default() } else { continue };
        for name in ["bytes_sent:", "bytes_received:"] {
            let value = counters.split_whitespace().find_map(|word| word.strip_prefix(name));
            sum += value.and_then(|value| value.parse::<f64>().ok()).unwrap_or(0.0);
        }
    }
    sum
}

/// What is left of bytes after gzip, all at one go.
fn gzip_size(bytes: &[u8]) -> f64 {
    let path = std::env::temp_dir().join(format!("staffroom-bench-{}", std::process::id()));
    std::fs::write(&path, bytes).expect("written");
    let output = Command::new("gzip").args(["-1", "-c"]).arg(&path).output();
    let _ = std::fs::remove_file(&path);
    output.map_or(f64::NAN, |output| output.stdout.len() as f64)
}

/// Processor time of a process so far, milliseconds.
pub(crate) fn cpu(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |n: usize| fields.get(n).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) * 10.0
}

pub(crate) fn cpu_since(pid: u32, before: f64) -> f64 {
    cpu(pid) - before
}

/// A line of a process's status, megabytes.
pub(crate) fn memory(pid: u32, name: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok()).map_or(f64::NAN, |kb| kb / 1e3)
}
