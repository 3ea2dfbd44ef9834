//! HTML in a line becomes text.
//!
//! Front matter made for web sites has markup in its lines: `<a href="…">Our channel</a>`. Only what is
//! plainly markup is taken out: known elements that also end, and those that need no end. "a < b" and
//! "Using the `<p>` tag" stay as they are. This makes lines readable; it is not what keeps pages safe.

/// Elements that occur in a line.
const ELEMENTS: &[&str] = &[
    "a",
    "abbr",
    "b",
    "big",
    "blockquote",
    "br",
    "cite",
    "code",
    "del",
    "div",
    "em",
    "font",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "ins",
    "kbd",
    "li",
    "mark",
    "ol",
    "p",
    "q",
    "s",
    "small",
    "span",
    "strong",
    "sub",
    "sup",
    "time",
    "u",
    "ul",
    "wbr",
];
/// Those of them that have no end.
const VOID: &[&str] = &["br", "hr", "img", "wbr"];
/// Those of them that part words.
const PARTING: &[&str] = &["br", "hr", "p", "div", "li", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6"];

/// The text of a line with HTML in it, and the first web address that it links to.
pub(super) fn plain(line: &str) -> (String, Option<String>) {
    if !line.contains(['<', '&']) {
        return (line.to_owned(), None);
    }
    let lower = line.to_ascii_lowercase();
    let (mut text, mut link) = (String::with_capacity(line.len()), None);
    let mut at = 0;
    while let Some(found) = line[at..].find('<') {
        text.push_str(&line[at..at + found]);
        at += found;
        if let Some(tag) = Tag::at(line, at).filter(|tag| tag.is_markup(&lower)) {
            if link.is_none() && tag.name == "a" {
                link = attribute(tag.attributes, "href").filter(|href| is_web(href));
            }
            if let Some(alt) = attribute(tag.attributes, "alt").filter(|_| tag.name == "img") {
                text.push_str(&alt);
            }
            if PARTING.contains(&tag.name.as_str()) {
                text.push(' ');
            }
            at = tag.end;
        } else {
            text.push('<');
            at += 1;
        }
    }
    text.push_str(&line[at..]);
    (unescape(&text), link)
}

/// The `src` of each image in a piece of HTML.
pub(super) fn image_sources(html: &str) -> Vec<String> {
    let mut sources = Vec::new();
    let mut at = 0;
    while let Some(found) = html[at..].find('<') {
        at += found;
        match Tag::at(html, at) {
            Some(tag) => {
                if tag.name == "img" {
                    sources.extend(attribute(tag.attributes, "src"));
                }
                at = tag.end;
            }
            None => at += 1,
        }
    }
    sources
}

fn is_web(address: &str) -> bool {
    let lower = address.to_ascii_lowercase();
    lower.starts_with("https://") || lower.starts_with("http://")
}

struct Tag<'a> {
    name: String,
    closing: bool,
    attributes: &'a str,
    /// The place after its `>`.
    end: usize,
}

impl<'a> Tag<'a> {
    /// The tag of a known element that starts at this `<`.
    fn at(text: &'a str, start: usize) -> Option<Self> {
        let inner = &text[start + 1..];
        let closing = inner.starts_with('/');
        let inner = &inner[usize::from(closing)..];
        let length = inner.find(|c: char| !c.is_ascii_alphanumeric()).filter(|n| (1..=10).contains(n))?;
        let name = inner[..length].to_ascii_lowercase();
        let rest = &inner[length..];
        if !ELEMENTS.contains(&name.as_str()) || !rest.starts_with(|c: char| c.is_whitespace() || c == '>' || c == '/')
        {
            return None;
        }
        let mut quote = None;
        let close = rest.char_indices().find_map(|(at, c)| {
            match (quote, c) {
                (None, '>') => return Some(at),
                (None, '"' | '\'') => quote = Some(c),
                (Some(open), _) if open == c => quote = None,
                _ => {}
            }
            None
        })?;
        let before = start + 1 + usize::from(closing) + length;
        Some(Self { name, closing, attributes: &rest[..close], end: before + close + 1 })
    }

    /// Whether it is a part of the line's markup rather than something that the line speaks of.
    fn is_markup(&self, lower: &str) -> bool {
        if VOID.contains(&self.name.as_str()) {
            return true;
        }
        let partner = if self.closing { format!("<{}", self.name) } else { format!("</{}", self.name) };
        lower.contains(&partner)
    }
}

/// The value of an attribute, entities resolved.
fn attribute(attributes: &str, name: &str) -> Option<String> {
    let lower = attributes.to_ascii_lowercase();
    let mut from = 0;
    while let Some(found) = lower[from..].find(name) {
        let at = from + found;
        from = at + name.len();
        let starts = attributes[..at].ends_with(|c: char| c.is_whitespace() || c == '"' || c == '\'');
        let Some(value) = attributes[from..].trim_start().strip_prefix('=').filter(|_| starts) else { continue };
        let value = value.trim_start();
        let value = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => value[1..].split(quote).next(),
            _ => value.split_whitespace().next(),
        };
        return value.map(|value| unescape(value.trim())).filter(|value| !value.is_empty());
    }
    None
}

/// Resolves the entities that occur in ordinary text.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let entity = rest.bytes().take(12).position(|b| b == b';').and_then(|end| Some((entity(&rest[1..end])?, end)));
        let (c, end) = entity.unwrap_or(('&', 0));
        out.push(c);
        rest = &rest[end + 1..];
    }
    out.push_str(rest);
    out
}

fn entity(name: &str) -> Option<char> {
    let number = |digits: &str, radix| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        "ndash" => '–',
        "mdash" => '—',
        "lsquo" => '‘',
        "rsquo" => '’',
        "ldquo" => '“',
        "rdquo" => '”',
        "hellip" => '…',
        "pound" => '£',
        "eacute" => 'é',
        "copy" => '©',
        _ => {
            let digits = name.strip_prefix('#')?;
            match digits.strip_prefix(['x', 'X']) {
                Some(hex) => number(hex, 16)?,
                None => number(digits, 10)?,
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_link_becomes_its_text_and_its_address() {
        let (text, link) =
            plain("Southampton and <a href=\"https://example.org/?a=1&amp;b=2\">Student Robotics' <b>Channel</b></a>");
        assert_eq!(text, "Southampton and Student Robotics' Channel");
        assert_eq!(link.as_deref(), Some("https://example.org/?a=1&b=2"));
    }

    #[test]
    fn what_is_no_markup_stays() {
        for line in ["a ≤ x < b", "Using the `<p>` tag", "< 3 >", "<unknown>x</unknown>", "<", "<a href=\"x", "&;&#;"]
        {
            assert_eq!(plain(line), (line.to_owned(), None));
        }
    }

    #[test]
    fn entities_and_breaks_are_read() {
        assert_eq!(plain("R&amp;D<br>Hall &#8211; first floor").0, "R&D Hall – first floor");
    }

    #[test]
    fn addresses_that_run_something_are_no_links() {
        assert_eq!(plain("<a href='javascript:alert(1)'>x</a>"), ("x".to_owned(), None));
    }

    #[test]
    fn images_are_found() {
        assert_eq!(image_sources("<p><IMG alt=\"a > b\" src='fig/a.png'/></p><img src=b.png>"), ["fig/a.png", "b.png"]);
    }

    proptest! {
        #[test]
        fn any_line_is_read_without_panic(line in "(<|>|/|a|img| src=|href=|\"|'|&#x|;|é|\\PC){0,40}") {
            let _ = plain(&line);
            let _ = image_sources(&line);
        }
    }
}
