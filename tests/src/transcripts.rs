//! Runs the transcripts of Markdown pages and compares what the program prints with what they show.
//!
//! Each page has a folder of its own, which is its home folder too, and its blocks run in order, so
//! that what one block makes the next one finds. In a block ```` ```console ````:
//!
//! ```text
//! $ share show k3v9xq          a command, run by sh
//! > …                          goes on
//! ? 3                          its exit code, where that is not 0
//! Fractions, a warm-up         what it prints, standard error too
//! shared today [..]            [..] stands for anything on the line, ... for any lines
//! ```
//!
//! Comments before a block steer it, unseen by readers:
//!
//! - `<!-- bind: k3v9xq -->`: where this word is shown first, it stands for the word that is printed
//!   there; from then on for that one, in commands too.
//! - `<!-- background: share serve -->`: runs it beside what follows, until the page ends, once it is ready.
//! - `<!-- file: warm-up.md -->`: the next block of any sort is this file.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::processes::binary;

/// Runs every transcript of a page. The error shows each command whose output differs.
pub fn run(page: &str) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut runner = Runner { folder: folder.path(), bound: BTreeMap::new(), background: Vec::new() };
    let mut wrong = Vec::new();
    for step in read(page) {
        if let Err(why) = runner.step(&step) {
            wrong.push(why);
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// One thing that a page asks for.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Bind(String),
    Background(String),
    File(String, String),
    Command(Shown),
}

/// A command as a page shows it.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    line: usize,
    command: String,
    exit: i32,
    output: Vec<String>,
}

fn read(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut file: Option<String> = None;
    let mut lines = page.lines().enumerate();
    while let Some((_, line)) = lines.next() {
        let comment = line.trim().strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->"));
        match comment.and_then(|comment| comment.split_once(": ")) {
            Some(("bind", word)) => steps.push(Step::Bind(word.to_owned())),
            Some(("background", command)) => steps.push(Step::Background(command.to_owned())),
            Some(("file", name)) => file = Some(name.to_owned()),
            _ => {}
        }
        let Some(language) = line.trim_end().strip_prefix("```") else { continue };
        let fence = |(_, line): &(usize, &str)| line.trim_end() != "```";
        let block: Vec<(usize, &str)> = lines.by_ref().take_while(fence).collect();
        if let Some(name) = file.take() {
            let lines: Vec<&str> = block.iter().map(|(_, line)| *line).chain([""]).collect();
            steps.push(Step::File(name, lines.join("\n")));
        } else if language == "console" {
            steps.extend(commands(&block).into_iter().map(Step::Command));
        }
    }
    steps
}

fn commands(block: &[(usize, &str)]) -> Vec<Shown> {
    let mut all: Vec<Shown> = Vec::new();
    for (at, line) in block {
        if let Some(command) = line.strip_prefix("$ ") {
            all.push(Shown { line: at + 1, command: command.to_owned(), exit: 0, output: Vec::new() });
            continue;
        }
        let Some(shown) = all.last_mut() else { continue };
        let first = shown.output.is_empty();
        match (line.strip_prefix("> "), line.strip_prefix("? ").and_then(|code| code.parse().ok())) {
            (Some(more), _) if first => shown.command = format!("{}\n{more}", shown.command),
            (_, Some(exit)) if first => shown.exit = exit,
            _ => shown.output.push((*line).to_owned()),
        }
    }
    for shown in &mut all {
        while shown.output.last().is_some_and(|line| line.trim().is_empty()) {
            shown.output.pop();
        }
    }
    all
}

/// Words of a page → what they stand for, once that is known.
type Bound = BTreeMap<String, Option<String>>;

struct Runner<'a> {
    folder: &'a Path,
    bound: Bound,
    background: Vec<Child>,
}

impl Drop for Runner<'_> {
    fn drop(&mut self) {
        for child in &mut self.background {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Runner<'_> {
    fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Bind(word) => {
                self.bound.insert(word.clone(), None);
                Ok(())
            }
            Step::File(name, text) => {
                let path = self.folder.join(name);
                let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
                made.and_then(|()| std::fs::write(path, text)).map_err(|error| format!("{name}: {error}"))
            }
            Step::Background(command) => self.background(command),
            Step::Command(shown) => self.command(shown),
        }
    }

    fn shell(&self, command: &str) -> Command {
        let real = with_bound(command, &self.bound);
        let folder = binary().parent().map(Path::to_owned).unwrap_or_default();
        let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default());
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(real).current_dir(self.folder).stdin(Stdio::null());
        for unset in ["SHARE_HOME", "SHARE_LOG", "VISUAL", "EDITOR", "XDG_DATA_HOME"] {
            shell.env_remove(unset);
        }
        shell.env("PATH", path).env("HOME", self.folder).env("TZ", "Europe/London").env("LC_ALL", "C.UTF-8");
        shell
    }

    fn background(&mut self, command: &str) -> Result<(), String> {
        let spawned = self.shell(&format!("exec {command}")).stdout(Stdio::piped()).spawn();
        let mut child = spawned.map_err(|error| format!("{command}: {error}"))?;
        let lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
        self.background.push(child);
        let mut said = String::new();
        for line in lines.map_while(Result::ok) {
            // The rest is not read: a node goes on when nobody reads its news.
            if line.contains("\"ready\"") || line.contains(" is running") {
                return Ok(());
            }
            said.push_str(&line);
        }
        Err(format!("{command} ended before it was ready: {said}"))
    }

    fn command(&mut self, shown: &Shown) -> Result<(), String> {
        let ran = self.shell(&format!("exec 2>&1; {}", shown.command)).output().map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&ran.stdout).into_owned();
        let printed: Vec<&str> = text.trim_end().lines().map(str::trim_end).collect();
        let exit = ran.status.code().unwrap_or(-1);
        let matched = lines_match(&shown.output, &printed, &self.bound);
        if let (Some(bound), true) = (&matched, exit == shown.exit) {
            self.bound = bound.clone();
            return Ok(());
        }
        let indented = |lines: &[&str]| lines.iter().flat_map(|line| ["    ", line, "\n"]).collect::<String>();
        let expected: Vec<&str> = shown.output.iter().map(String::as_str).collect();
        Err(format!(
            "line {}: $ {}\n  shown, with exit code {}:\n{}  printed, with exit code {exit}:\n{}",
            shown.line,
            shown.command,
            shown.exit,
            indented(&expected),
            indented(&printed),
        ))
    }
}

/// A command with what its words stand for. What stands for one may have another in it.
fn with_bound(command: &str, bound: &Bound) -> String {
    let (mut real, mut rest) = (String::new(), command);
    while let Some(first) = rest.chars().next() {
        let known = bound.iter().filter_map(|(word, stands_for)| Some((word, stands_for.as_ref()?)));
        if let Some((word, stands_for)) = known.into_iter().find(|(word, _)| rest.starts_with(word.as_str())) {
            real.push_str(stands_for);
            rest = &rest[word.len()..];
        } else {
            real.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    real
}

/// Whether lines are as they are shown, and what words stand for then.
fn lines_match(shown: &[String], printed: &[&str], bound: &Bound) -> Option<Bound> {
    match (shown.split_first(), printed.split_first()) {
        (None, None) => Some(bound.clone()),
        (Some((any, rest)), _) if any.trim() == "..." => {
            (0..=printed.len()).find_map(|skip| lines_match(rest, &printed[skip..], bound))
        }
        (Some((line, rest)), Some((real, others))) => {
            let bound = line_matches(line.trim_end(), real, bound)?;
            lines_match(rest, others, &bound)
        }
        _ => None,
    }
}

fn line_matches(shown: &str, printed: &str, bound: &Bound) -> Option<Bound> {
    if shown.is_empty() {
        return printed.is_empty().then(|| bound.clone());
    }
    if let Some(rest) = shown.strip_prefix("[..]") {
        let ends = printed.char_indices().map(|(at, _)| at).chain([printed.len()]);
        return ends.into_iter().find_map(|at| line_matches(rest, &printed[at..], bound));
    }
    for (word, stands_for) in bound {
        let Some(rest) = shown.strip_prefix(word.as_str()) else { continue };
        if let Some(stands_for) = stands_for {
            return line_matches(rest, printed.strip_prefix(stands_for.as_str())?, bound);
        }
        let end = printed.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(printed.len());
        let mut bound = bound.clone();
        bound.insert(word.clone(), Some(printed[..end].to_owned()).filter(|found| !found.is_empty()));
        return line_matches(rest, &printed[end..], &bound);
    }
    let first = shown.chars().next()?;
    line_matches(&shown[first.len_utf8()..], printed.strip_prefix(first)?, bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(shown: &str, printed: &str) -> bool {
        let shown: Vec<String> = shown.lines().map(str::to_owned).collect();
        let bound = Bound::from([("k3v9xq".to_owned(), None)]);
        lines_match(&shown, &printed.lines().collect::<Vec<_>>(), &bound).is_some()
    }

    #[test]
    fn a_word_is_bound_once_even_where_another_is_in_what_it_stands_for() {
        let bound = [("harbour", "pottery"), ("otter", "gather"), ("thimble", "")];
        let mut bound: Bound = bound.map(|(word, real)| (word.to_owned(), Some(real.to_owned()))).into();
        bound.insert("thimble".to_owned(), None);
        assert_eq!(with_bound("confirm harbour-otter thimble", &bound), "confirm pottery-gather thimble");
    }

    #[test]
    fn wildcards_stand_for_anything_and_nothing_else_does() {
        assert!(matches("a [..] c\n...\nend", "a b c\nx\ny\nend"));
        assert!(matches("...\nend", "end"));
        assert!(matches("k3v9xq and k3v9xq", "abcdef and abcdef"));
        assert!(!matches("k3v9xq and k3v9xq", "abcdef and ghijkl"));
        assert!(!matches("a", "a\nb"));
        assert!(!matches("a\nb", "a"));
        assert!(!matches("a b", "a  b"));
    }
}
