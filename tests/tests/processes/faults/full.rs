//! A disk that fills up: the node says so, keeps what it confirmed, and goes on once there is room.

use std::fs;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json as value};
use staffroom_tests::processes::{Serving, hold_the_same, json, run, share, until};

use super::super::files::{Schools, large, noise};
use super::super::{lessons_file, ticket};
use super::{text, titles};

/// A file system in memory of a bounded size, in a mount namespace of its own; gone when dropped.
struct Disk {
    holder: Child,
    said: Lines<BufReader<ChildStdout>>,
    place: PathBuf,
}

impl Disk {
    /// Makes one of so many MiB, where this user may.
    fn new(folder: &Path, size: usize) -> Option<Self> {
        let place = folder.join("disk");
        fs::create_dir(&place).expect("a folder");
        let script = "mount -t tmpfs -o size=$2m tmpfs \"$1\" && echo ready && \
                      while read size; do mount -o remount,size=${size}k tmpfs \"$1\" && echo ready || echo failed; done";
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"]);
        command.arg(&place).arg(size.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut holder = command.spawn().ok()?;
        let said = BufReader::new(holder.stdout.take()?).lines();
        // What is mounted there is seen through the one who holds it.
        let inside = format!("/proc/{}/root{}", holder.id(), place.display());
        let mut disk = Self { holder, said, place: inside.into() };
        disk.is_ready().then_some(disk)
    }
    fn is_ready(&mut self) -> bool {
        self.said.next().is_some_and(|line| line.is_ok_and(|line| line == "ready"))
    }
    /// Makes it so large, KiB.
    fn resize(&mut self, size: u64) {
        assert!(self.may_resize(size), "the disk has {size} KiB");
    }
    /// The same, unless more is in use.
    fn may_resize(&mut self, size: u64) -> bool {
        writeln!(self.holder.stdin.as_mut().expect("piped"), "{size}").expect("it listens");
        self.is_ready()
    }
    /// What is in use on it, KiB.
    fn used(&self) -> u64 {
        let output = Command::new("stat").args(["-f", "-c", "%b %f %S"]).arg(&self.place).output().expect("stat");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let numbers: Vec<u64> = text.split_whitespace().map(|number| number.parse().expect("a number")).collect();
        (numbers[0] - numbers[1]) * numbers[2] / 1024
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

fn disk(test: &str, folder: &Path, size: usize) -> Option<Disk> {
    let disk = Disk::new(folder, size);
    if disk.is_none() {
        println!("skipped: {test} needs `unshare --user --mount`");
    }
    disk
}

/// Two schools, the second one's home on a small disk: the homes, and the first one's node.
fn partners(folder: &Path, small: &Disk, settings: &str) -> (PathBuf, PathBuf, Serving) {
    let (hill, brook) = (folder.join("hillside"), small.place.join("brook"));
    super::set_up(&hill, "Hillside Primary");
    super::set_up(&brook, "Brook Lane School");
    fs::write(brook.join("share.toml"), settings).expect("settings");
    json(&hill, &["cluster", "create", "The Brook Cluster"]);
    let node = Serving::start(&hill, &[]);
    json(&brook, &["join", &ticket(&hill)]);
    (hill, brook, node)
}

#[test]
fn a_full_disk_stops_receiving_in_words_and_room_lets_it_go_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(mut small) = disk("a_full_disk_stops_receiving_in_words_and_room_lets_it_go_on", folder.path(), 8) else {
        return;
    };
    let settings = "listen = [\"/ip4/127.0.0.1/tcp/0\"]\nmdns = false\n";
    let (hill, brook, partner) = partners(folder.path(), &small, settings);
    json(&hill, &["import", &lessons_file(folder.path(), 0..12_000)]);
    let log = folder.path().join("brook.log");
    let mut node = Serving::logging(&brook, &[], "warn", &log);
    // What it was seen to hold, as long as it answers.
    let mut held = 0;
    until("the disk is full", || {
        let status = share(&brook).args(["--json", "status"]).output().expect("share starts");
        let status: Value = serde_json::from_slice(&status.stdout).unwrap_or_default();
        if status["running"] == true {
            held = status["store"]["entries"].as_u64().expect("a count").max(held);
        }
        (!node.runs()).then_some(())
    });
    assert_eq!(node.ended().code(), Some(1));
    let said = fs::read_to_string(&log).expect("a log");
    assert!(said.contains("nothing more is saved") && said.contains("No space left on device"), "{said}");
    assert!(!said.contains("panicked at"), "{said}");
    assert!(!hold_the_same(&hill, &brook), "the disk was too large for this test");
    // Full as it is, it can be read, and what it held is there.
    let entries = || json(&brook, &["status"])["store"]["entries"].as_u64().expect("a count");
    assert!(entries() >= held, "{held} entries were durable, {} are left", entries());
    let listed = titles(&brook).len();
    assert_eq!(json(&brook, &["verify"])["faults"], value!([]));
    let refused = share(&brook).args(["--json", "import", &lessons_file(folder.path(), 20_000..22_000)]).output();
    let refused = refused.expect("share starts");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("nothing was saved"), "{said}");
    // With room it goes on by itself.
    small.resize(200 << 10);
    let node = Serving::start(&brook, &[]);
    until("both hold the same", || hold_the_same(&hill, &brook).then_some(()));
    assert!(titles(&brook).len() >= listed);
    assert_eq!(json(&brook, &["verify"])["faults"], value!([]));
    println!("full after {held} entries; {listed} records were listed on the full disk; all are there with more room");
    drop((node, partner));
}

fn signal(node: &Serving, signal: &str) {
    let sent = Command::new("kill").args([signal, &node.pid().to_string()]).status();
    assert!(sent.is_ok_and(|status| status.success()));
}

#[test]
fn a_full_disk_stops_a_fetch_in_words_and_room_lets_it_go_on_where_it_stopped() {
    let test = "a_full_disk_stops_a_fetch_in_words_and_room_lets_it_go_on_where_it_stopped";
    let folder = tempfile::tempdir().expect("a folder");
    let Some(mut small) = disk(test, folder.path(), 100) else {
        return;
    };
    let settings = "listen = [\"/ip4/127.0.0.1/tcp/0\"]\nmdns = false\nfetch = \"opened\"\n";
    let (hill, brook, partner) = partners(folder.path(), &small, settings);
    let film = folder.path().join("film.mp4");
    fs::write(&film, noise(5, large())).expect("written");
    json(&hill, &["publish", &text(&film)]);
    json(&brook, &["sync"]);
    let id = titles(&brook).into_keys().next().expect("a record");
    let to = folder.path().join("got.mp4");
    let get = || run(&brook, &["get", &id, "--to", &text(&to)]);
    // It is not even begun where it would take the last 256 MB.
    let refused = get();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("cannot be stored: no storage space"), "{said}");
    // There was room when it began; then somebody else took it.
    let whole = u64::try_from(large()).expect("a length") >> 10;
    small.resize(small.used() + whole + (300 << 10));
    let log = folder.path().join("brook.log");
    let chunks = || Schools::chunks_in(&log);
    let node = Serving::logging(&brook, &[], "staffroom_node::net::blobs=trace", &log);
    std::thread::scope(|scope| {
        let getting = scope.spawn(get);
        until("some of it is here", || (chunks().len() > 20).then_some(()));
        // The partner holds its breath meanwhile.
        signal(&partner, "-STOP");
        until("the rest has no room", || small.may_resize(small.used() + 2048).then_some(()));
        signal(&partner, "-CONT");
        let refused = getting.join().expect("it ends");
        let said = String::from_utf8_lossy(&refused.stderr);
        // What the system says, or the node, which looks now and then whether there is room.
        let full = ["No space left on device", "no storage space"].iter().any(|why| said.contains(why));
        assert!(!refused.status.success() && said.contains("cannot be stored: ") && full, "{said}");
    });
    assert!(!to.exists());
    let before = chunks();
    // Now there is room for what is missing, and for the reserve; not for all of it once more.
    let rest = whole.saturating_sub(before.len() as u64 * 256);
    small.resize(small.used() + rest + (260 << 10));
    let got = get();
    assert!(got.status.success(), "{}", String::from_utf8_lossy(&got.stderr));
    let same = Command::new("cmp").arg(&to).arg(&film).status();
    assert!(same.is_ok_and(|same| same.success()), "another film");
    let (all, once) = (chunks(), chunks().into_iter().collect::<std::collections::BTreeSet<_>>());
    assert_eq!(all.len(), once.len(), "chunks that were here were fetched again");
    assert_eq!(json(&brook, &["verify"])["faults"], value!([]));
    println!("full after {} of {} chunks; none of them was fetched again", before.len(), all.len());
    drop((node, partner));
}
