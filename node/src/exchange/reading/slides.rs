//! PowerPoint's presentations (ISO/IEC 29500-1, clause 19): slides in their order, each with its notes.

use super::container::Container;
use super::words::Words;
use super::xml::Node;
use super::{NoText, Reading};

/// How many slides are read.
const SLIDES: usize = 2_000;
/// What is inside is there twice, or is a number or date that the program fills in.
const PASSED_OVER: [&str; 2] = ["Fallback", "fld"];

pub(super) fn read(container: &mut Container<'_>, part: &str) -> Result<Reading, NoText> {
    let relations = container.relations(part)?;
    let mut order = Vec::new();
    container.walk(part, &mut |node| {
        if let Node::Open("sldId", attributes) = node {
            // It has an `id` too, which is a number.
            order.extend(attributes.exactly("r:id"));
        }
        order.len() < SLIDES
    })?;
    let mut words = Words::default();
    for id in order {
        let Some(slide) = relations.iter().find(|relation| relation.id == id) else { continue };
        shapes(container, &slide.target, &mut words, |kind| !matches!(kind, "sldNum" | "dt" | "ftr"))?;
        let leads_to = container.relations(&slide.target)?;
        if let Some(notes) = leads_to.iter().find(|relation| relation.kind == "notesSlide") {
            shapes(container, &notes.target, &mut words, |kind| kind == "body")?;
        }
        words.part();
        if words.is_full() {
            break;
        }
    }
    Ok(words.done())
}

/// The words of the shapes of a slide, of those kinds that are wanted; a shape without a kind has an empty one.
fn shapes(
    container: &mut Container<'_>,
    part: &str,
    words: &mut Words,
    wanted: impl Fn(&str) -> bool,
) -> Result<(), NoText> {
    let (mut kind, mut start, mut texts, mut passed_over) = (String::new(), 0, 0_usize, 0_usize);
    container.walk(part, &mut |node| {
        match node {
            Node::Open(name, _) if PASSED_OVER.contains(&name) => passed_over += 1,
            Node::Close(name) if PASSED_OVER.contains(&name) => passed_over = passed_over.saturating_sub(1),
            _ if passed_over > 0 => {}
            Node::Open("sp" | "graphicFrame", _) => {
                kind.clear();
                start = words.len();
            }
            // What says no kind is a body (19.3.1.36).
            Node::Open("ph", attributes) => kind = attributes.get("type").unwrap_or_else(|| "body".to_owned()),
            Node::Open("t", _) => texts += 1,
            Node::Close("t") => texts = texts.saturating_sub(1),
            Node::Text(text) if texts > 0 && wanted(&kind) => words.push(&text),
            Node::Open("br", _) if wanted(&kind) => words.space(),
            Node::Close("p") if wanted(&kind) => words.line(),
            Node::Close("sp") => {
                if matches!(kind.as_str(), "title" | "ctrTitle") {
                    let title = words.since(start).to_owned();
                    words.heading(&title);
                }
                kind.clear();
            }
            _ => {}
        }
        !words.is_full()
    })?;
    words.line();
    Ok(())
}
