//! The words of England's schools as people really write them: "Key Stage 3" is KS3, "Year 7" is 7.
//!
//! Only spellings of one and the same thing are brought together; every other word stays as it is.

use staffroom_protocol::record::{
    field::{Fields, Value},
    kind::LICENCES,
};

/// Brings key stages, year groups and the licence to the words that filters and packs use.
pub fn tidy(fields: &mut Fields) {
    for (name, spelling) in [("key_stages", key_stage as fn(&str) -> Option<String>), ("year_groups", year_group)] {
        if let Some(value @ Value::Set(_)) = fields.get_mut(name) {
            let tidied = value.members().iter().map(|member| spelling(member).unwrap_or_else(|| member.clone()));
            *value = Value::set(tidied.collect::<Vec<_>>());
        }
    }
    if let Some(Value::Line(line)) = fields.get_mut("licence")
        && let Some(known) = licence(line)
    {
        *line = known;
    }
}

/// `KS3` for "ks3", "KS 3", "Key Stage 3", "3".
fn key_stage(text: &str) -> Option<String> {
    let word = squeezed(text);
    if word == "eyfs" || word == "earlyyears" || word == "earlyyearsfoundationstage" {
        return Some("EYFS".to_owned());
    }
    let digit = strip_any(&word, &["keystage", "ks"]);
    matches!(digit, "1" | "2" | "3" | "4" | "5").then(|| format!("KS{digit}"))
}

/// `7` for "Year 7", "Y7", "yr 7", "07"; `R` for "Reception", `N` for "Nursery".
fn year_group(text: &str) -> Option<String> {
    let word = squeezed(text);
    match strip_any(&word, &["year", "yr", "y"]) {
        "reception" | "r" => Some("R".to_owned()),
        "nursery" | "n" => Some("N".to_owned()),
        number => number.parse::<u8>().ok().filter(|n| (1..=13).contains(n)).map(|n| n.to_string()),
    }
}

/// The SPDX expression for the licences that forms offer, however they are written.
fn licence(text: &str) -> Option<String> {
    const PREFIXES: [&str; 4] = ["https://", "http://", "www.", "creativecommons.org/licenses/"];
    let lower = text.trim().to_ascii_lowercase();
    let mut word = lower.as_str();
    for prefix in PREFIXES {
        word = word.strip_prefix(prefix).unwrap_or(word);
    }
    let web = word.len() != lower.len();
    let word: String = word.trim_end_matches('/').replace(['/', ' ', '_'], "-");
    let word = if web { format!("cc-{word}") } else { word };
    LICENCES.iter().find(|known| known.eq_ignore_ascii_case(&word)).map(|known| (*known).to_owned())
}

fn squeezed(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, ' ' | '-' | '_')).flat_map(char::to_lowercase).collect()
}

fn strip_any<'a>(word: &'a str, prefixes: &[&str]) -> &'a str {
    prefixes.iter().find_map(|prefix| word.strip_prefix(prefix)).unwrap_or(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_thing_become_one_word() {
        for text in ["3", "KS3", "ks 3", "Key Stage 3", "key-stage_3"] {
            assert_eq!(key_stage(text).as_deref(), Some("KS3"), "{text}");
        }
        for text in ["7", "Year 7", "Y7", "yr 7"] {
            assert_eq!(year_group(text).as_deref(), Some("7"), "{text}");
        }
        assert_eq!(year_group("Reception").as_deref(), Some("R"));
        for text in ["CC BY 4.0", "cc-by-4.0", "https://creativecommons.org/licenses/by/4.0/"] {
            assert_eq!(licence(text).as_deref(), Some("CC-BY-4.0"), "{text}");
        }
    }

    #[test]
    fn other_words_stay() {
        assert_eq!(key_stage("S1"), None);
        assert_eq!(key_stage("6"), None);
        assert_eq!(year_group("14"), None);
        assert_eq!(year_group("Sixth form"), None);
        assert_eq!(licence("MIT"), None);
        assert_eq!(licence("© Oak Academy"), None);
    }
}
