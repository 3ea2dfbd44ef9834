//! What page after page of the design asks to be fast, each beside its limit, measured in the same run.
//!
//! `cargo bench -p staffroom-tests` prints a table; with `-- merging`, `-- rules`, `-- processes`
//! or `-- files`, that part. Absolute times mean little from one machine to the
//! next; the ratios to the limits do. `STAFFROOM_LESSONS` sets how many lessons of our own are
//! made where the corpus is not beside the project.

#![allow(clippy::cast_precision_loss, reason = "figures for people")]
#![allow(clippy::print_stdout, reason = "a table is what this program is for")]

mod bare;
mod files;
mod live;
mod merging;
mod processes;
mod rules;

use std::time::Duration;

/// A row of the table: what was measured, what the limit is, both in the same unit.
pub(crate) fn row(what: &str, measured: f64, limit: f64, unit: &str, limited_by: &str) {
    let ratio = if limit > 0.0 { format!("{:.2}", measured / limit) } else { "–".to_owned() };
    println!("{what:<58} {measured:>12.3} {unit:<6} limit {limit:>12.3}  ratio {ratio:>8}  ({limited_by})");
}

/// A figure without a limit of its own.
pub(crate) fn figure(what: &str, measured: f64, unit: &str, note: &str) {
    println!("{what:<58} {measured:>12.3} {unit:<6} {note}");
}

pub(crate) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn main() {
    println!("{} cores, release build", std::thread::available_parallelism().map_or(0, usize::from));
    let parts: [(&str, fn()); 4] =
        [("rules", rules::run), ("merging", merging::run), ("processes", processes::run), ("files", files::run)];
    let asked: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    for (name, run) in parts {
        if asked.is_empty() || asked.iter().any(|word| word == name) {
            run();
        }
    }
}
