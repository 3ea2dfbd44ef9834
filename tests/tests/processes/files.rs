//! Files between real nodes: what schools have is shared, fetched where it stopped, and given to nobody who
//! may not have it.

mod lies;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use staffroom_tests::processes::{Serving, json, run, share, until};
use tempfile::TempDir;

use super::{set_up, ticket};

/// Bytes that do not compress and that follow from a number.
pub(crate) fn noise(number: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&number.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// Length of the large file: small in CI, a gibibyte with `STAFFROOM_LARGE_FILE=1073741824`.
pub(super) fn large() -> usize {
    let asked = std::env::var("STAFFROOM_LARGE_FILE").ok().and_then(|bytes| bytes.parse().ok());
    asked.unwrap_or(192 << 20)
}

/// Schools of one cluster, each with a running node.
pub(super) struct Schools {
    pub(super) folder: TempDir,
    pub(super) homes: Vec<PathBuf>,
    pub(super) nodes: Vec<Option<Serving>>,
}

impl Schools {
    /// With these lines in each `share.toml`.
    pub(super) fn new(names: &[&str], settings: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let homes: Vec<PathBuf> = names.iter().map(|name| folder.path().join(name)).collect();
        let mut schools = Self { folder, homes, nodes: Vec::new() };
        for (n, name) in names.iter().enumerate() {
            set_up(&schools.homes[n], name);
            std::fs::write(schools.homes[n].join("share.toml"), settings).expect("settings");
            if n == 0 {
                json(&schools.homes[0], &["cluster", "create", "The Brook Cluster"]);
            }
            schools.nodes.push(None);
            schools.start(n);
            if n > 0 {
                json(&schools.homes[n], &["join", &ticket(&schools.homes[0])]);
            }
        }
        schools
    }
    pub(super) fn log(&self, n: usize) -> PathBuf {
        self.folder.path().join(format!("{n}.log"))
    }
    pub(super) fn start(&mut self, n: usize) {
        let listen = self.nodes[n].as_ref().map(|node| node.ready["listen"][0].clone());
        assert!(listen.is_none(), "it runs");
        let node = Serving::logging(&self.homes[n], &[], "staffroom_node::net::blobs=trace", &self.log(n));
        self.nodes[n] = Some(node);
    }
    pub(super) fn kill(&mut self, n: usize) {
        self.nodes[n].take().expect("it runs").kill();
    }
    /// The record of this title, once it is listed at a school.
    pub(super) fn find(&self, n: usize, title: &str) -> String {
        until(&format!("{title} is listed"), || {
            let list = json(&self.homes[n], &["list"]);
            let found = list.as_array()?.iter().find(|record| record["title"] == title)?;
            found["id"].as_str().map(str::to_owned)
        })
    }
    /// The files of a record, as a school shows them.
    pub(super) fn files(&self, n: usize, id: &str) -> Vec<Value> {
        json(&self.homes[n], &["show", id])["blobs"].as_array().cloned().expect("files")
    }
    /// Waits until a school holds all files of a record.
    pub(super) fn held(&self, n: usize, id: &str) {
        until("its files are held", || self.files(n, id).iter().all(|file| file["held"] == true).then_some(()));
    }
    /// The chunks that a school wrote down, in all its lives, as its log says.
    pub(super) fn chunks(&self, n: usize) -> Vec<u32> {
        Self::chunks_in(&self.log(n))
    }
    /// The same out of a node's log.
    pub(super) fn chunks_in(log: &Path) -> Vec<u32> {
        let log = std::fs::read_to_string(log).expect("a log");
        // A line is written in pieces: the last one may not be whole yet.
        let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let lines = whole.lines().filter(|line| line.contains("a chunk is here"));
        let chunk = |line: &str| line.split("chunk=").nth(1)?.split_whitespace().next()?.parse().ok();
        lines.map(|line| chunk(line).expect("a number")).collect()
    }
}

fn outcomes(output: &Output) -> Vec<Value> {
    let lines = std::str::from_utf8(&output.stdout).expect("UTF-8").lines();
    lines.map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

/// Everything that lies about in a folder of a school: what can be shared is, and what cannot is named.
#[test]
fn a_folder_as_schools_have_them_is_shared_as_far_as_it_goes() {
    let schools = Schools::new(&["hillside", "brook"], "");
    let folder = schools.folder.path().join("Maths");
    std::fs::create_dir_all(folder.join("unit one/with space")).expect("folders");
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).expect("written");
    write("page.md", b"# Fractions\n\n![A bar](bar.png)\n");
    write("bar.png", &noise(1, 5_000));
    write("lesson plan.docx", &noise(2, 20_000));
    write("slides.odp", &noise(3, 30_000));
    write("unit one/with space/worksheet 1.pdf", &noise(4, 300_000));
    write("class 🎉.jpg", &noise(5, 400_000));
    write("שלום.pptx", &noise(6, 1_000));
    write("two\nlines.xlsx", &noise(7, 1_000));
    write("empty.pdf", b"");
    write("empty.md", b"");
    let bad = std::ffi::OsStr::from_bytes(b"not \xff UTF-8.pdf");
    std::fs::write(folder.join(bad), noise(8, 100)).expect("written");
    let mut video = std::fs::File::create(folder.join("film.mp4")).expect("a file");
    for part in 0..large() >> 20 {
        video.write_all(&noise(part as u64, 1 << 20)).expect("written");
    }
    std::os::unix::fs::symlink("/etc/hostname", folder.join("outside.pdf")).expect("a link");
    let pipe = Command::new("mkfifo").arg(folder.join("pipe")).status();
    assert!(pipe.is_ok_and(|made| made.success()));

    let publish = |folder: &Path| share(&schools.homes[0]).args(["--json", "publish"]).arg(folder).output();
    let output = publish(&folder).expect("share starts");
    assert_eq!(output.status.code(), Some(8), "{}", String::from_utf8_lossy(&output.stderr));
    let mut told = outcomes(&output);
    let sums = told.pop().expect("the sums");
    let of = |wanted: &str| -> Vec<&Value> { told.iter().filter(|line| line["outcome"] == wanted).collect() };
    let refused: Vec<&str> = of("refused").iter().map(|line| line["reason"].as_str().expect("a reason")).collect();
    for (name, why) in [
        ("Maths/empty.pdf", "is empty"),
        ("Maths/empty.md", "is empty"),
        ("Maths/outside.pdf", "lies outside the published folder"),
        ("Maths/pipe", "is neither a file nor a folder"),
    ] {
        assert!(refused.iter().any(|reason| reason.contains(name) && reason.contains(why)), "{name}: {refused:?}");
    }
    assert_eq!((sums["refused"].as_u64(), sums["created"].as_u64()), (Some(4), Some(9)), "{told:?}");

    // The same again: nothing new; everything of use arrives at the partner.
    let again = outcomes(&publish(&folder).expect("share starts"));
    assert_eq!(again.last().expect("the sums")["unchanged"], 9, "{again:?}");
    for (title, bytes) in [("Fractions", 5_000), ("Worksheet 1", 300_000), ("Class 🎉", 400_000)] {
        let id = schools.find(1, title);
        schools.held(1, &id);
        assert_eq!(schools.files(1, &id)[0]["bytes"], bytes);
    }
    // The film is above what is fetched by itself.
    let film = schools.find(1, "Film");
    assert_eq!(schools.files(1, &film)[0]["held"], false);
    let out = schools.folder.path().join("out.mp4");
    let got = run(&schools.homes[1], &["get", &film, "--to", out.to_str().expect("UTF-8")]);
    assert!(got.status.success(), "{}", String::from_utf8_lossy(&got.stderr));
    let same = Command::new("cmp").arg(&out).arg(folder.join("film.mp4")).status();
    assert!(same.is_ok_and(|same| same.success()), "another film");
    // Each school says where it is.
    assert_eq!(schools.files(1, &film)[0]["partners"][0]["name"], "hillside");
    until("the partner's copy is known", || {
        (schools.files(0, &film)[0]["partners"][0]["name"] == "brook").then_some(())
    });
    // Nothing is overwritten.
    let refused = run(&schools.homes[1], &["get", &film, "--to", out.to_str().expect("UTF-8")]);
    assert_eq!(refused.status.code(), Some(4));
}

/// `share get` beside a running node, in the background.
fn getting(home: &Path, id: &str, to: &Path) -> Child {
    share(home)
        .args(["get", id, "--to"])
        .arg(to)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("share starts")
}

/// Killed twice where it is fetched and once where it is given: no chunk comes twice.
#[test]
fn a_large_file_comes_from_two_partners_whoever_is_killed() {
    let mut schools = Schools::new(&["hillside", "brook", "mill"], "fetch = \"opened\"\n");
    let film = schools.folder.path().join("film.mp4");
    let mut file = std::fs::File::create(&film).expect("a file");
    for part in 0..large() >> 20 {
        file.write_all(&noise(part as u64, 1 << 20)).expect("written");
    }
    json(&schools.homes[0], &["publish", film.to_str().expect("UTF-8")]);
    let id = schools.find(1, "Film");
    let second = schools.folder.path().join("second.mp4");
    json(&schools.homes[1], &["get", &id, "--to", second.to_str().expect("UTF-8")]);
    let id = schools.find(2, "Film");
    let to = schools.folder.path().join("third.mp4");
    let count = u32::try_from(large().div_ceil(256 << 10)).expect("a film");
    // Each is killed once so many chunks are here.
    let mut step = 0;
    for killed in [2, 0, 2] {
        step += 1;
        let mut get = getting(&schools.homes[2], &id, &to);
        let target = count as usize * step / 5;
        until("chunks come", || (schools.chunks(2).len() >= target).then_some(()));
        schools.kill(killed);
        if killed == 2 {
            assert!(!get.wait().expect("it ends").success(), "the node was killed too late");
        } else {
            // The other partner goes on alone.
            until("it goes on", || (schools.chunks(2).len() >= target + 20).then_some(()));
            let _ = get.kill();
            let _ = get.wait();
        }
        schools.start(killed);
    }
    let got = run(&schools.homes[2], &["get", &id, "--to", to.to_str().expect("UTF-8")]);
    assert!(got.status.success(), "{}", String::from_utf8_lossy(&got.stderr));
    let same = Command::new("cmp").arg(&to).arg(&film).status();
    assert!(same.is_ok_and(|same| same.success()), "another film");
    let chunks = schools.chunks(2);
    let different: BTreeSet<u32> = chunks.iter().copied().collect();
    assert_eq!(chunks.len(), different.len(), "chunks that were here were fetched again");
    // Killed between writing a chunk and saying so, it may say nothing of a few.
    assert!(different.len() + 8 >= count as usize, "{} of {count}", different.len());
    println!("{count} chunks, fetched over two kills of this node and one of a partner: none came twice");
}

/// A byte of a file flips on the disk: it is given to nobody, `share verify` names it, and it comes again
/// from a partner.
#[test]
fn a_file_that_rots_is_never_given_and_comes_again() {
    let mut schools = Schools::new(&["hillside", "brook", "mill"], "");
    let bytes = noise(9, 600_000);
    let path = schools.folder.path().join("worksheet.pdf");
    std::fs::write(&path, &bytes).expect("written");
    schools.kill(2);
    json(&schools.homes[0], &["publish", path.to_str().expect("UTF-8")]);
    let id = schools.find(1, "Worksheet");
    schools.held(1, &id);
    let blob = schools.files(0, &id)[0]["id"].as_str().expect("an id").to_owned();
    let homes = schools.homes.clone();
    let on_disk = |n: usize| homes[n].join("blobs").join(&blob[..2]).join(&blob);
    let flip = |n: usize, at: usize| {
        let mut rotten = std::fs::read(on_disk(n)).expect("it is here");
        rotten[at] ^= 4;
        std::fs::write(on_disk(n), rotten).expect("written");
    };
    // Where nobody asks for it, verify finds it, and the partner gives it again.
    flip(0, 300_000);
    let found = json(&schools.homes[0], &["verify"]);
    assert_eq!(found["blobs"], 1);
    assert_eq!(found["faults"][0]["where"], format!("file {blob}"));
    assert_eq!(found["faults"][0]["healed"], true, "{found}");
    assert_eq!(json(&schools.homes[0], &["verify"])["faults"], serde_json::json!([]));
    assert!(std::fs::read(schools.homes[0].join("blobs/damaged").join(&blob)).is_ok(), "it was moved, not deleted");
    // Where the only copy rots, it is not given.
    schools.kill(1);
    flip(0, 599_999);
    schools.start(2);
    let theirs = schools.find(2, "Worksheet");
    let out = schools.folder.path().join("out.pdf");
    let got = run(&schools.homes[2], &["get", &theirs, "--to", out.to_str().expect("UTF-8")]);
    assert_eq!(got.status.code(), Some(6), "{}", String::from_utf8_lossy(&got.stderr));
    assert!(!out.exists());
    until("it is not counted as held", || (schools.files(0, &id)[0]["held"] == false).then_some(()));
    schools.start(1);
    schools.held(0, &id);
    schools.held(2, &theirs);
    assert!(std::fs::read(on_disk(0)).expect("it is here").starts_with(&bytes));
}
