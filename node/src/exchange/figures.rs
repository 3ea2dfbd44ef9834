//! What a Markdown text names: its first heading, and the pictures in it.
//!
//! Found in the tree that comrak makes, so that a picture in a code block is not one, and one by
//! reference or in a table is. What follows a picture in braces, as the Carpentries write it, is text.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use comrak::{Arena, nodes::NodeValue, options::Options, parse_document};

use super::html;

/// What was found in a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline {
    /// The plain text of the first heading that has any.
    pub heading: Option<String>,
    /// The addresses of the pictures, as written, each once, in their order.
    pub images: Vec<String>,
}

/// Looks through a Markdown text.
pub fn outline(markdown: &str) -> Outline {
    let mut options = Options::default();
    options.extension.table = true;
    options.extension.footnotes = true;
    let arena = Arena::new();
    let root = parse_document(&arena, markdown, &options);
    let (mut outline, mut seen) = (Outline::default(), BTreeSet::new());
    let mut add = |images: &mut Vec<String>, address: &str| {
        if !address.is_empty() && seen.insert(address.to_owned()) {
            images.push(address.to_owned());
        }
    };
    for node in root.descendants() {
        match &node.data.borrow().value {
            NodeValue::Image(image) => add(&mut outline.images, &image.url),
            NodeValue::HtmlBlock(block) => {
                let sources = html::image_sources(&block.literal);
                for source in &sources {
                    add(&mut outline.images, source);
                }
            }
            NodeValue::HtmlInline(tag) => {
                for source in &html::image_sources(tag) {
                    add(&mut outline.images, source);
                }
            }
            NodeValue::Heading(_) if outline.heading.is_none() => {
                let mut text = String::new();
                for inner in node.descendants() {
                    match &inner.data.borrow().value {
                        NodeValue::Text(part) => text.push_str(part),
                        NodeValue::Code(code) => text.push_str(&code.literal),
                        NodeValue::SoftBreak | NodeValue::LineBreak => text.push(' '),
                        _ => {}
                    }
                }
                outline.heading = Some(without_attributes(&text)).filter(|text| !text.is_empty());
            }
            _ => {}
        }
    }
    outline
}

/// A heading without the braces that some dialects end it with: `Objectives {#objectives .unlisted}`.
fn without_attributes(heading: &str) -> String {
    let words = heading.split_whitespace().collect::<Vec<_>>().join(" ");
    let attributes = words.rfind(" {").filter(|at| words[at + 2..].starts_with(['#', '.']) && words.ends_with('}'));
    attributes.map_or(words.clone(), |at| words[..at].to_owned())
}

/// Where the address of a picture leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// To another machine, into the text itself, or to where only a web site's generator knows.
    Elsewhere,
    /// Out of the published folder, or to what is hidden in it.
    Outside,
    /// To this path under the published folder.
    Inside(PathBuf),
}

/// Follows an address from a file in `folder`, a path under the published folder. Touches no disk.
pub fn target(address: &str, folder: &Path) -> Target {
    let address = address.trim();
    let scheme = address.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    });
    if scheme || address.starts_with("//") || address.starts_with('#') || address.contains("{{") || address.is_empty() {
        return Target::Elsewhere;
    }
    let path = address.split(['?', '#']).next().unwrap_or_default();
    let Some(path) = percent_decoded(path).map(|path| path.replace('\\', "/")) else { return Target::Outside };
    let mut parts: Vec<String> = if path.starts_with('/') {
        Vec::new()
    } else {
        folder.iter().map(|part| part.to_string_lossy().into_owned()).collect()
    };
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                if parts.pop().is_none() {
                    return Target::Outside;
                }
            }
            part if part.starts_with('.') || part.contains('\0') => return Target::Outside,
            part => parts.push(part.to_owned()),
        }
    }
    if parts.is_empty() { Target::Elsewhere } else { Target::Inside(parts.iter().collect()) }
}

/// `%20` and its like; nothing where that is not UTF-8.
fn percent_decoded(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let hex = bytes.get(at + 1..at + 3).filter(|_| *byte == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        if let Some(decoded) = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            out.push(decoded);
            at += 3;
        } else {
            out.push(*byte);
            at += 1;
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pictures_of_every_writing_are_found_once() {
        let text = "![](fig/a.svg){alt='A \"b\" c'}\n![again](fig/a.svg)\n\n| x |\n|---|\n| ![t](t.png \"T\") |\n\n\
            ![ref][r] <img src=\"h.png\" alt=x>\n\n<div>\n<img src='b.png'>\n</div>\n\n    ![code](no.png)\n\n`![](no2.png)`\n\n\
            ![far](https://example.org/x.png)\n\n[r]: <fig/r x.png>\n";
        let expected = ["fig/a.svg", "t.png", "fig/r x.png", "h.png", "b.png", "https://example.org/x.png"];
        assert_eq!(outline(text).images, expected);
    }

    #[test]
    fn the_first_heading_is_plain_text() {
        let heading = |text: &str| outline(text).heading;
        assert_eq!(heading("x\n\n## *Two* `words`, [linked](y) {#id}\n# B").as_deref(), Some("Two words, linked"));
        assert_eq!(heading("Title\n=====\n").as_deref(), Some("Title"));
        assert_eq!(heading("#\n\n# B").as_deref(), Some("B"));
        assert_eq!(heading("```\n# code\n```\n"), None);
    }

    #[test]
    fn addresses_never_lead_out_of_the_folder() {
        let at = |address: &str| target(address, Path::new("unit/one"));
        assert_eq!(at("fig/a%20b.png?x#y"), Target::Inside("unit/one/fig/a b.png".into()));
        assert_eq!(at("../../a.png"), Target::Inside("a.png".into()));
        assert_eq!(at("/a.png"), Target::Inside("a.png".into()));
        assert_eq!(at("fig\\a.png"), Target::Inside("unit/one/fig/a.png".into()));
        for outside in ["../../../a.png", "..\\..\\..\\a", "%2e%2e/../../../etc/passwd", ".ssh/id", "a/.env", "%ff"] {
            assert_eq!(at(outside), Target::Outside, "{outside}");
        }
        for elsewhere in ["https://x/y.png", "data:image/png;base64,x", "//x/y", "mailto:x", "#x", "", "{{ x }}/y"] {
            assert_eq!(at(elsewhere), Target::Elsewhere, "{elsewhere}");
        }
    }

    #[test]
    fn hostile_markdown_is_looked_through_soon() {
        let began = Instant::now();
        for part in ["[", "![", "> ", "*a ", "`", "<", "[a](", "- ", "![](", "|a\n|-\n", "[^a]", "_*", "&", "<img src="]
        {
            let _ = outline(&part.repeat((64 << 10) / part.len()));
        }
        assert!(began.elapsed().as_secs() < 20, "took {:?}", began.elapsed());
    }

    proptest! {
        #[test]
        fn any_text_is_looked_through_without_panic(text in "([!\\[\\]()<>{}#*`|\n: -]|img src=|\\PC){0,80}") {
            for image in outline(&text).images {
                if let Target::Inside(path) = target(&image, Path::new("a")) {
                    prop_assert!(path.is_relative() && path.iter().all(|part| part != ".."), "{path:?}");
                }
            }
        }
    }
}
