//! What a licence says about adaptations: SPDX expressions, read for three conditions.
//!
//! `CC-BY-ND-4.0 OR CC-BY-4.0` leaves the choice, so an adaptation may be made; with `AND` both hold.
//! The grammar is SPDX 2.3, annex D; brackets may nest, and `WITH` adds an exception, which here
//! changes nothing. Which licences say what is read off the names of Creative Commons, the only ones
//! that schools use with such conditions.

/// What an adaptation has to heed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Conditions {
    /// Nothing that was changed may be shared (ND).
    pub no_derivatives: bool,
    /// What is shared must be under the same licence (SA).
    pub share_alike: bool,
    /// No commercial use (NC).
    pub non_commercial: bool,
}

/// What a record says of its licence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Licence {
    /// Nothing.
    NotStated,
    /// Words that are no SPDX expression: somebody has to read them.
    Unknown,
    /// The conditions of the alternative that leaves most.
    Known(Conditions),
}

impl Licence {
    /// Reads the licence line of a record.
    pub fn read(line: &str) -> Self {
        if line.trim().is_empty() || line.trim() == "NONE" || line.trim() == "NOASSERTION" {
            return Self::NotStated;
        }
        let words = words(line);
        let mut reader = Reader { words: &words, depth: 0 };
        match reader.any() {
            Some(alternatives) if reader.words.is_empty() => {
                alternatives.into_iter().min().map_or(Self::Unknown, Self::Known)
            }
            _ => Self::Unknown,
        }
    }
}

/// How deep brackets may nest.
const DEPTH: usize = 20;

struct Reader<'w, 'a> {
    words: &'w [&'a str],
    depth: usize,
}

impl<'a> Reader<'_, 'a> {
    /// Alternatives with OR between them; what is left unread stands in `words`.
    fn any(&mut self) -> Option<Vec<Conditions>> {
        let mut alternatives = self.all()?;
        while self.takes("OR") {
            alternatives.extend(self.all()?);
            // All that differ are eight.
            alternatives.sort_unstable();
            alternatives.dedup();
        }
        Some(alternatives)
    }
    /// Parts with AND between them: each way to choose has the conditions of all its parts.
    fn all(&mut self) -> Option<Vec<Conditions>> {
        let mut ways = self.one()?;
        while self.takes("AND") {
            let more = self.one()?;
            ways = ways.iter().flat_map(|a| more.iter().map(|b| both(*a, *b))).collect();
            ways.sort_unstable();
            ways.dedup();
        }
        Some(ways)
    }
    fn one(&mut self) -> Option<Vec<Conditions>> {
        if self.takes("(") {
            self.depth += 1;
            let inside = if self.depth > DEPTH { None } else { self.any() };
            self.depth -= 1;
            return inside.filter(|_| self.takes(")"));
        }
        let id = self.id()?;
        if self.takes("WITH") {
            self.id()?;
        }
        Some(vec![conditions(id)])
    }
    fn takes(&mut self, word: &str) -> bool {
        match self.words.split_first() {
            Some((first, rest)) if first.eq_ignore_ascii_case(word) => {
                self.words = rest;
                true
            }
            _ => false,
        }
    }
    fn id(&mut self) -> Option<&'a str> {
        let (first, rest) = self.words.split_first()?;
        let operator = ["AND", "OR", "WITH"].iter().any(|word| first.eq_ignore_ascii_case(word));
        let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '+' | ':');
        if operator || !first.chars().all(inside) {
            return None;
        }
        self.words = rest;
        Some(first)
    }
}

fn both(a: Conditions, b: Conditions) -> Conditions {
    Conditions {
        no_derivatives: a.no_derivatives || b.no_derivatives,
        share_alike: a.share_alike || b.share_alike,
        non_commercial: a.non_commercial || b.non_commercial,
    }
}

/// `CC-BY-NC-SA-4.0` → non-commercial, share alike.
fn conditions(id: &str) -> Conditions {
    let id = id.to_ascii_uppercase();
    let says = |part: &str| id.starts_with("CC-") && id.split('-').any(|word| word == part);
    Conditions { no_derivatives: says("ND"), share_alike: says("SA"), non_commercial: says("NC") }
}

/// Names, operators and brackets.
fn words(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for word in line.split_whitespace() {
        let mut rest = word;
        while let Some(at) = rest.find(['(', ')']) {
            words.extend((at > 0).then_some(&rest[..at]));
            words.push(&rest[at..=at]);
            rest = &rest[at + 1..];
        }
        words.extend((!rest.is_empty()).then_some(rest));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn known(line: &str) -> Conditions {
        match Licence::read(line) {
            Licence::Known(conditions) => conditions,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn conditions_are_read_off_the_names() {
        let free = Conditions::default();
        for line in ["CC-BY-4.0", "CC0-1.0", "OGL-UK-3.0", "MIT", "LicenseRef-School", "cc-by-4.0"] {
            assert_eq!(known(line), free, "{line}");
        }
        assert!(known("CC-BY-ND-4.0").no_derivatives && known("CC-BY-NC-ND-3.0").non_commercial);
        assert!(known("CC-BY-NC-SA-4.0").share_alike && known("GPL-2.0-only WITH Classpath-exception-2.0") == free);
    }

    #[test]
    fn or_leaves_the_choice_and_and_does_not() {
        assert_eq!(known("CC-BY-ND-4.0 OR CC-BY-4.0"), Conditions::default());
        assert_eq!(known("CC-BY-ND-4.0 or (CC-BY-SA-4.0 and CC0-1.0)"), known("CC-BY-SA-4.0"));
        assert!(known("CC-BY-ND-4.0 AND CC-BY-4.0").no_derivatives);
        assert!(known("(CC-BY-ND-4.0 OR CC-BY-4.0) AND CC-BY-NC-4.0") == known("CC-BY-NC-4.0"));
        assert!(known("CC-BY-4.0 AND CC-BY-ND-4.0 OR CC-BY-NC-ND-4.0").no_derivatives);
    }

    #[test]
    fn what_is_no_expression_is_unknown_and_nothing_is_not_stated() {
        for line in ["© Oak Academy", "free for schools", "CC-BY-4.0 OR", "(CC-BY-4.0", "CC-BY-4.0)", "AND", "a WITH"]
        {
            assert_eq!(Licence::read(line), Licence::Unknown, "{line}");
        }
        assert_eq!(Licence::read(&"(".repeat(5_000)), Licence::Unknown);
        assert_eq!(Licence::read("  "), Licence::NotStated);
    }

    /// An expression, and in how many ways it can be chosen without ND.
    fn any_expression() -> impl Strategy<Value = (String, bool)> {
        let leaf = prop_oneof![Just(("CC-BY-4.0".to_owned(), true)), Just(("CC-BY-ND-4.0".to_owned(), false))];
        leaf.prop_recursive(5, 24, 2, |inner| {
            prop_oneof![
                (inner.clone(), inner.clone()).prop_map(|((a, x), (b, y))| (format!("({a} OR {b})"), x || y)),
                (inner.clone(), inner).prop_map(|((a, x), (b, y))| (format!("({a}  AND {b})"), x && y)),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_expression_may_be_adapted_where_one_choice_may((line, may) in any_expression()) {
            prop_assert_eq!(!known(&line).no_derivatives, may, "{}", line);
        }
        #[test]
        fn any_line_is_read_without_panic(line in "(CC-BY-ND-4.0|\\(|\\)| |AND|OR|WITH|\\PC){0,40}") {
            let _ = Licence::read(&line);
        }
    }
}
