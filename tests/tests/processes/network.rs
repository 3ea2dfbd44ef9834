//! The network is pulled: status says since when and why; it comes back, and all is well again.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use staffroom_tests::processes::{Serving, binary, cluster, hold_the_same, json, until};

use super::{lessons_file, set_up, ticket};

/// A network namespace of this test's own, with nothing but loopback; gone when dropped.
struct Namespace(String);

impl Namespace {
    /// Makes one, where this user may.
    fn new() -> Option<Self> {
        let name = format!("staffroom-{}", std::process::id());
        let made = Command::new("ip").args(["netns", "add", &name]).output().ok()?;
        let namespace = made.status.success().then_some(Self(name))?;
        namespace.loopback("up");
        Some(namespace)
    }
    fn loopback(&self, state: &str) {
        let set = Command::new("ip").args(["-n", &self.0, "link", "set", "lo", state]).status();
        assert!(set.is_ok_and(|status| status.success()), "loopback is {state}");
    }
    fn serve(&self, home: &Path) -> Serving {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0]).arg(binary()).arg("--home").arg(home);
        Serving::spawn(command, &[])
    }
    /// Runs a verb inside, for those that start a node of their own.
    fn json(&self, home: &Path, args: &[&str]) {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0]).arg(binary()).arg("--home").arg(home).arg("--json").args(args);
        assert!(command.output().is_ok_and(|output| output.status.success()), "{args:?}");
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).output();
    }
}

fn partner(home: &Path) -> serde_json::Value {
    cluster(home)["partners"][0].clone()
}

#[test]
fn a_pulled_cable_is_told_within_thirty_seconds_and_heals_by_itself() {
    let Some(namespace) = Namespace::new() else {
        println!("skipped: a_pulled_cable_is_told_within_thirty_seconds_and_heals_by_itself needs `ip netns` and root");
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let (hill, brook) = (folder.path().join("hillside"), folder.path().join("brook"));
    set_up(&hill, "Hillside Primary");
    set_up(&brook, "Brook Lane School");
    json(&hill, &["cluster", "create", "The Brook Cluster"]);
    let (_first, _second) = (namespace.serve(&hill), namespace.serve(&brook));
    namespace.json(&brook, &["join", &ticket(&hill)]);
    until("in step", || (partner(&hill)["state"] == "in_step" && partner(&brook)["state"] == "in_step").then_some(()));

    namespace.loopback("down");
    let pulled = Instant::now();
    let told = until("both say so", || {
        let (a, b) = (partner(&hill), partner(&brook));
        (a["state"] == "unheard" && b["state"] == "unheard").then_some((a, b))
    });
    let took = pulled.elapsed();
    assert!(took < Duration::from_secs(30), "told after {took:?}");
    for partner in [&told.0, &told.1] {
        assert!(partner["last_heard"].is_string(), "{partner}");
        let why = partner["error"].as_str().unwrap_or_default();
        assert!(["no answer", "unreachable", "connection"].iter().any(|word| why.contains(word)), "why: {why}");
    }
    println!("pulled: told after {took:?}: {}", told.0["error"]);
    json(&brook, &["import", &lessons_file(folder.path(), 0..100)]);
    assert!(!hold_the_same(&hill, &brook));

    namespace.loopback("up");
    let back = Instant::now();
    until("in step again", || {
        let in_step = partner(&hill)["state"] == "in_step" && partner(&brook)["state"] == "in_step";
        (in_step && hold_the_same(&hill, &brook)).then_some(())
    });
    println!("back in step {:?} after the network came back", back.elapsed());
}
