//! Excel's workbooks (ISO/IEC 29500-1, clause 18): the names of sheets and the words in cells, row by row.
//!
//! Numbers are left out: a date is a number there, and says nothing without its format.

use super::container::Container;
use super::words::Words;
use super::xml::Node;
use super::{NoText, Reading};

/// How many sheets are read.
const SHEETS: usize = 1_000;
/// How much of the words that cells share is held, bytes, and how many of them.
const SHARED: usize = 16 << 20;
const SHARED_COUNT: usize = 1_000_000;

pub(super) fn read(container: &mut Container<'_>, part: &str) -> Result<Reading, NoText> {
    let relations = container.relations(part)?;
    let mut sheets = Vec::new();
    container.walk(part, &mut |node| {
        if let Node::Open("sheet", attributes) = node {
            sheets.push((attributes.get("name").unwrap_or_default(), attributes.exactly("r:id").unwrap_or_default()));
        }
        sheets.len() < SHEETS
    })?;
    let shared = relations.iter().find(|relation| relation.kind == "sharedStrings");
    let shared = shared.map(|shared| strings(container, &shared.target)).transpose()?.unwrap_or_default();
    let mut words = Words::default();
    for (name, id) in sheets {
        words.push(&name);
        words.line();
        if let Some(sheet) = relations.iter().find(|relation| relation.id == id) {
            cells(container, &sheet.target, &shared, &mut words)?;
        }
        words.part();
        if words.is_full() {
            break;
        }
    }
    Ok(words.done())
}

/// The words that cells share, by their numbers.
fn strings(container: &mut Container<'_>, part: &str) -> Result<Vec<String>, NoText> {
    let (mut strings, mut length, mut texts, mut phonetic) = (Vec::new(), 0, 0_usize, 0_usize);
    container.walk(part, &mut |node| {
        match node {
            Node::Open("si", _) => strings.push(String::new()),
            Node::Open("rPh", _) => phonetic += 1,
            Node::Close("rPh") => phonetic = phonetic.saturating_sub(1),
            Node::Open("t", _) => texts += 1,
            Node::Close("t") => texts = texts.saturating_sub(1),
            Node::Text(text) if texts > 0 && phonetic == 0 => {
                length += text.len();
                if let Some(last) = strings.last_mut() {
                    last.push_str(&text);
                }
            }
            _ => {}
        }
        length < SHARED && strings.len() < SHARED_COUNT
    })?;
    Ok(strings)
}

fn cells(container: &mut Container<'_>, part: &str, shared: &[String], words: &mut Words) -> Result<(), NoText> {
    let (mut kind, mut value, mut inside) = (String::new(), String::new(), 0_usize);
    container.walk(part, &mut |node| {
        match node {
            Node::Open("c", attributes) => {
                kind = attributes.get("t").unwrap_or_default();
                value.clear();
            }
            Node::Open("v" | "t", _) => inside += 1,
            Node::Close("v" | "t") => inside = inside.saturating_sub(1),
            Node::Text(text) if inside > 0 => value.push_str(&text),
            Node::Close("c") => {
                let said = match kind.as_str() {
                    "s" => value.trim().parse::<usize>().ok().and_then(|number| shared.get(number)),
                    "str" | "inlineStr" => Some(&value),
                    _ => None,
                };
                if let Some(said) = said {
                    words.push(said);
                    words.tab();
                }
            }
            Node::Close("row") => words.line(),
            _ => {}
        }
        !words.is_full()
    })?;
    Ok(())
}
