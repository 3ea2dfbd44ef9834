//! Front matter: the part between two lines of three dashes at the start of a Markdown file.
//!
//! Schools' files have it in every shape: none, empty, never ended, a list, with titles that hold a
//! colon. What can be understood is; what cannot is left in the text with a warning. Only what is
//! ambiguous (a key said twice) or hostile (a bomb of aliases) is refused.

use serde_json::{Map, Value as Json};

use super::{
    refusal::{Reason, Refusal},
    yaml,
};

/// How long front matter may be, in bytes.
pub const MOST: usize = 64 << 10;

/// A Markdown file in its two parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrontMatter<'a> {
    /// What it says, by the keys as they are written; empty where there is none.
    pub keys: Map<String, Json>,
    /// The rest, as it is written.
    pub body: &'a str,
    /// What a person should know about the reading.
    pub warnings: Vec<String>,
}

/// Parts the text of a file, a byte order mark already removed; `what` names it in refusals.
pub fn read<'a>(what: &str, text: &'a str) -> Result<FrontMatter<'a>, Refusal> {
    let whole = |warning: Option<&str>| {
        let warnings = warning.map(str::to_owned).into_iter().collect();
        Ok(FrontMatter { keys: Map::new(), body: text, warnings })
    };
    let (yaml, body) = match split(text) {
        Split::None => return whole(None),
        Split::Endless => {
            return whole(Some("its front matter does not end with a line of three dashes, so it is shown as text"));
        }
        Split::Parts(yaml, body) => (yaml, body),
    };
    if yaml.len() > MOST {
        return Err(Refusal::new(what, Reason::FrontMatterTooLong(MOST)));
    }
    let (keys, warning) = match yaml::to_json(yaml) {
        Ok(Json::Object(keys)) => (as_written(keys, yaml), None),
        Ok(Json::Null) => (Map::new(), None),
        Ok(_) => return whole(Some("what stands between its first lines of dashes names no fields, so it is text")),
        Err(yaml::Fault::TooMuch(why)) => return Err(Refusal::new(what, Reason::FrontMatterTooMuch(why))),
        Err(yaml::Fault::Duplicate(key)) => return Err(twice(what, yaml, key)),
        Err(yaml::Fault::Syntax { message, line }) => {
            let line = line.map(|line| line.saturating_add(1));
            match line_by_line(yaml) {
                Lines::Keys(keys) => {
                    let place = line.map(|line| format!(" (line {line}: {message})")).unwrap_or_default();
                    (keys, Some(format!("its front matter is not quite YAML{place}; it was read line by line")))
                }
                Lines::Twice(key) => return Err(twice(what, yaml, key)),
                Lines::Prose => return whole(Some("what stands between its first lines of dashes is text")),
                Lines::Broken => {
                    let refusal = Refusal::new(what, Reason::NotYaml(message));
                    return Err(line.map_or(refusal.clone(), |line| refusal.at_line(line)));
                }
            }
        }
    };
    Ok(FrontMatter { keys, body, warnings: warning.into_iter().collect() })
}

/// The YAML and the body of a text, an empty line between them left out; nothing where it has no such parts.
pub(super) fn parts(text: &str) -> Option<(&str, &str)> {
    match split(text) {
        Split::Parts(yaml, body) => Some((yaml, body)),
        Split::None | Split::Endless => None,
    }
}

enum Split<'a> {
    None,
    Endless,
    Parts(&'a str, &'a str),
}

/// The YAML and the body, one empty line between them left out.
fn split(text: &str) -> Split<'_> {
    let mut lines = text.split_inclusive('\n');
    let Some(first) = lines.next().filter(|line| line.trim_end() == "---") else { return Split::None };
    let start = first.len();
    let mut at = start;
    for line in lines {
        let end = at + line.len();
        if matches!(line.trim_end(), "---" | "...") {
            return Split::Parts(&text[start..at], without_first_empty_line(&text[end..]));
        }
        at = end;
    }
    Split::Endless
}

fn without_first_empty_line(body: &str) -> &str {
    body.strip_prefix("\r\n").or_else(|| body.strip_prefix('\n')).unwrap_or(body)
}

fn twice(what: &str, yaml: &str, key: String) -> Refusal {
    let said = |line: &str| key_of(line.trim_start_matches([' ', '-', '{'])).is_some_and(|(k, _)| k == key);
    let second = yaml.lines().enumerate().filter(|(_, line)| said(line)).nth(1);
    let line = second.and_then(|(at, _)| u64::try_from(at).ok()).map(|at| at + 2);
    let refusal = Refusal::new(what, Reason::DuplicateKey { key });
    line.map_or(refusal.clone(), |line| refusal.at_line(line))
}

/// `key: value`, quotation marks around either left out.
fn key_of(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once(':')?;
    let quotes = ['"', '\''];
    let key = key.trim().trim_matches(quotes);
    (!key.is_empty() && key.len() <= 60).then(|| (key, value.trim()))
}

/// Decimal fractions as they are written: a title of 1.10 is not 1.1.
fn as_written(mut keys: Map<String, Json>, yaml: &str) -> Map<String, Json> {
    for (key, json) in keys.iter_mut().filter(|(_, json)| json.is_f64()) {
        let said = yaml.lines().filter_map(key_of).find(|(said, _)| said == key).map(|(_, value)| value);
        if let Some(text) = said.filter(|text| text.parse().ok() == json.as_f64()) {
            *json = Json::from(text);
        }
    }
    keys
}

enum Lines {
    Keys(Map<String, Json>),
    Twice(String),
    /// It does not look like front matter at all.
    Prose,
    /// It looks like front matter, of a shape that lines alone do not tell.
    Broken,
}

/// Reads what YAML cannot, such as `title: Year 7: Fractions`, where every line is `key: value`.
fn line_by_line(yaml: &str) -> Lines {
    let mut keys = Map::new();
    for line in yaml.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        let word = |key: &str| key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' '));
        let parts = key_of(line).filter(|(key, _)| word(key) && !line.starts_with([' ', '\t', '-']));
        let Some((key, value)) = parts else {
            return if keys.is_empty() { Lines::Prose } else { Lines::Broken };
        };
        if value.starts_with(['|', '>', '[', '{', '&', '*']) {
            return Lines::Broken;
        }
        let unquoted = ['"', '\''].iter().find_map(|q| value.strip_prefix(*q)?.strip_suffix(*q)).unwrap_or(value);
        let value = if unquoted.is_empty() { Json::Null } else { Json::from(unquoted) };
        if keys.insert(key.to_owned(), value).is_some() {
            return Lines::Twice(key.to_owned());
        }
    }
    Lines::Keys(keys)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn keys(text: &str) -> (Json, &str, usize) {
        let read = read("a.md", text).expect("read");
        (Json::Object(read.keys), read.body, read.warnings.len())
    }

    #[test]
    fn each_shape_is_told_from_the_text() {
        assert_eq!(keys("# A\n"), (json!({}), "# A\n", 0));
        assert_eq!(keys(""), (json!({}), "", 0));
        assert_eq!(keys("---\ntitle: A\n---\n\nB\n"), (json!({"title": "A"}), "B\n", 0));
        assert_eq!(keys("---\r\ntitle: A\r\n---\r\n\r\nB\r\n"), (json!({"title": "A"}), "B\r\n", 0));
        assert_eq!(keys("---\ntitle: A\n..."), (json!({"title": "A"}), "", 0));
        assert_eq!(keys("---\n---\nB"), (json!({}), "B", 0));
        assert_eq!(keys("---\n# nothing\n---\nB"), (json!({}), "B", 0));
    }

    #[test]
    fn what_is_no_front_matter_is_text_with_a_warning() {
        for text in
            ["---\ntitle: A\n", "---", "---\n- a\n- b\n---\nB", "---\nJust a line.\n---\nB", "---\n\tx: [\n---\n"]
        {
            assert_eq!(keys(text), (json!({}), text, 1), "{text}");
        }
    }

    #[test]
    fn a_title_with_a_colon_is_read_with_a_warning() {
        let text = "---\ntitle: Year 7: Fractions\nauthor: \"A\"\n---\nB";
        assert_eq!(keys(text), (json!({"title": "Year 7: Fractions", "author": "A"}), "B", 1));
    }

    #[test]
    fn a_decimal_fraction_stays_as_written() {
        assert_eq!(keys("---\ntitle: 1.10\nn: 3\n---\n").0, json!({"title": "1.10", "n": 3}));
    }

    #[test]
    fn a_key_said_twice_is_refused_with_its_line() {
        for text in ["---\ntitle: A\ndate: 1\ntitle: B\n---\n", "---\ntitle: A: a\ndate: 1\ntitle: B\n---\n"] {
            let refusal = read("a.md", text).expect_err("refused");
            assert_eq!(refusal.to_string(), "a.md, line 4: its front matter says \"title\" twice");
        }
    }

    #[test]
    fn broken_yaml_is_refused_with_its_line() {
        let refusal = read("a.md", "---\ntitle: A\ntags: [a\n---\n").expect_err("refused");
        assert!(refusal.line.is_some() && matches!(refusal.why, Reason::NotYaml(_)), "{refusal}");
    }

    #[test]
    fn long_front_matter_is_refused() {
        let text = format!("---\na: {}\n---\n", "x".repeat(MOST));
        assert_eq!(read("a.md", &text).expect_err("refused").why, Reason::FrontMatterTooLong(MOST));
    }

    proptest! {
        #[test]
        fn any_text_is_parted_without_panic(text in "(---\n|\\.\\.\\.\n|---\r\n|title: |\n|- |\\[|\\PC){0,30}") {
            if let Ok(read) = read("a.md", &text) {
                prop_assert!(text.ends_with(read.body));
            }
        }
    }
}
