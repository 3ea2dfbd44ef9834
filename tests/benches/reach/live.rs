//! One edit, live: from asking until it is durable at the partner.

use std::path::Path;
use std::time::{Duration, Instant};

use staffroom_node::api::{Answer, NewRecord, Request};
use staffroom_node::socket::Connection;
use staffroom_protocol::record::field::Value;

use crate::{bare, ms, row};

const EDITS: usize = 300;

pub(crate) fn run(folder: &Path, home: &Path) {
    let mut node = Connection::to(&home.join("node.sock")).expect("it runs");
    let mut times: Vec<Duration> = (0..EDITS).map(|n| share_one(&mut node, n)).collect();
    times.sort_unstable();
    let commit = bare::commit(folder, 1_500);
    let limit = ms(commit) * 2.0;
    row(
        "live entry until durable at the partner, p50",
        ms(times[EDITS / 2]),
        limit,
        "ms",
        "two bare durable commits on this disk",
    );
    row(
        "live entry until durable at the partner, p99",
        ms(times[EDITS * 99 / 100]),
        limit,
        "ms",
        "two bare durable commits on this disk",
    );
}

/// Shares a record, and waits until the partner has said that it is durable there.
fn share_one(node: &mut Connection, n: usize) -> Duration {
    let fields = [
        ("title".to_owned(), Value::Line(format!("Live {n}"))),
        ("body".to_owned(), Value::Text("What we did and what came of it. ".repeat(60))),
    ];
    let record =
        NewRecord { kind: "resource".to_owned(), fields: fields.into(), author: "Ada Brook".to_owned(), open: None };
    let begun = Instant::now();
    let saved = node.ask(&Request::Save { to: None, records: vec![record] });
    assert!(matches!(saved, Ok(Answer::Saved { .. })), "{saved:?}");
    let synced = node.ask(&Request::Sync { wait: 10_000 });
    assert!(matches!(synced, Ok(Answer::Status(_))), "{synced:?}");
    begun.elapsed()
}
