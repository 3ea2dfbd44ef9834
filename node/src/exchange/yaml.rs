//! YAML as JSON values, bounded: how deep, how many values, how many bytes, aliases counted each time.
//!
//! An alias bomb ("a billion laughs") is a few hundred bytes that unfold to gigabytes; here the reading
//! stops as soon as a bound is passed, before more is allocated.

use std::fmt;

use serde::de::{self, DeserializeSeed, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};
use serde_json::{Map, Number, Value as Json};

/// How deep front matter may be nested.
const DEPTH: usize = 20;
/// How many values it may hold in all.
const VALUES: usize = 5_000;
/// How many bytes its texts may hold in all, each alias counted again.
const BYTES: usize = 256 << 10;

/// Why YAML was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// It passed a bound.
    TooMuch(&'static str),
    /// A mapping has this key twice.
    Duplicate(String),
    /// It is not YAML.
    Syntax {
        /// What is wrong.
        message: String,
        /// Where, counted from 1, if known.
        line: Option<u64>,
    },
}

/// Reads one YAML document.
pub(super) fn to_json(yaml: &str) -> Result<Json, Fault> {
    to_json_within(yaml, VALUES, BYTES)
}

/// The same, with so many values and so many bytes at most.
pub(super) fn to_json_within(yaml: &str, values: usize, bytes: usize) -> Result<Json, Fault> {
    if yaml.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(Json::Null);
    }
    let mut budget = Budget { values, bytes, fault: None };
    let read = Seed { budget: &mut budget, depth: DEPTH }.deserialize(serde_yaml_ng::Deserializer::from_str(yaml));
    read.map_err(|error| {
        budget.fault.unwrap_or_else(|| {
            let line = error.location().and_then(|at| u64::try_from(at.line()).ok()).filter(|line| *line > 0);
            let message = error.to_string();
            match message.as_str() {
                "recursion limit exceeded" => Fault::TooMuch("too deep"),
                "repetition limit exceeded" => Fault::TooMuch("too many values"),
                _ => Fault::Syntax { message: without_place(&message), line },
            }
        })
    })
}

/// The message up to where it names a place in the YAML: a person counts lines in the file.
fn without_place(message: &str) -> String {
    message.split(" at line ").next().unwrap_or(message).to_owned()
}

struct Budget {
    values: usize,
    bytes: usize,
    fault: Option<Fault>,
}

impl Budget {
    fn fail<E: de::Error>(&mut self, fault: Fault) -> E {
        self.fault = Some(fault);
        E::custom("stopped")
    }
    fn value<E: de::Error>(&mut self) -> Result<(), E> {
        match self.values.checked_sub(1) {
            Some(left) => self.values = left,
            None => return Err(self.fail(Fault::TooMuch("too many values"))),
        }
        Ok(())
    }
    fn text<E: de::Error>(&mut self, text: &str) -> Result<(), E> {
        match self.bytes.checked_sub(text.len()) {
            Some(left) => self.bytes = left,
            None => return Err(self.fail(Fault::TooMuch("too many bytes"))),
        }
        Ok(())
    }
}

struct Seed<'a> {
    budget: &'a mut Budget,
    depth: usize,
}

impl Seed<'_> {
    fn deeper<E: de::Error>(&mut self) -> Result<usize, E> {
        self.depth.checked_sub(1).ok_or_else(|| self.budget.fail(Fault::TooMuch("too deep")))
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Json;
    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        self.budget.value()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }
    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::from(value))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::from(value))
    }
    fn visit_i128<E>(self, value: i128) -> Result<Json, E> {
        Ok(Json::String(value.to_string()))
    }
    fn visit_u128<E>(self, value: u128) -> Result<Json, E> {
        Ok(Json::String(value.to_string()))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Number::from_f64(value).map_or_else(|| Json::String(value.to_string()), Json::Number))
    }
    fn visit_str<E: de::Error>(self, value: &str) -> Result<Json, E> {
        self.budget.text(value)?;
        Ok(Json::String(value.to_owned()))
    }
    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }
    fn visit_none<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }
    fn visit_some<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Json, A::Error> {
        let depth = self.deeper()?;
        let mut list = Vec::new();
        while let Some(item) = seq.next_element_seed(Seed { budget: self.budget, depth })? {
            list.push(item);
        }
        Ok(Json::Array(list))
    }
    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<Json, A::Error> {
        let depth = self.deeper()?;
        let mut map = Map::new();
        while let Some(key) = entries.next_key_seed(Seed { budget: self.budget, depth })? {
            let key = match key {
                Json::String(key) => key,
                other => other.to_string(),
            };
            if map.contains_key(&key) {
                return Err(self.budget.fail(Fault::Duplicate(key)));
            }
            let value = entries.next_value_seed(Seed { budget: self.budget, depth })?;
            map.insert(key, value);
        }
        Ok(Json::Object(map))
    }
    /// A value with a tag of its own, `!thing value`: the value counts.
    fn visit_enum<A: EnumAccess<'de>>(mut self, data: A) -> Result<Json, A::Error> {
        let depth = self.deeper()?;
        let (tag, value): (String, _) = data.variant()?;
        self.budget.text(&tag)?;
        value.newtype_variant_seed(Seed { budget: self.budget, depth })
    }
}

#[cfg(test)]
mod tests {
    use std::{fmt::Write as _, time::Instant};

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn yaml_of_every_shape_is_read() {
        let read = to_json("a: 1\nb: [x, ~, true, 1.5]\nc:\n  d: !tag e\n2: no\nf: &g h\ni: *g\nj: .nan\n");
        let expected = json!({
            "a": 1, "b": ["x", null, true, 1.5], "c": {"d": "e"}, "2": "no", "f": "h", "i": "h", "j": "NaN"
        });
        assert_eq!(read, Ok(expected));
        assert_eq!(to_json(""), Ok(Json::Null));
        assert_eq!(to_json("# only a remark\n"), Ok(Json::Null));
        assert_eq!(to_json("- a\n- b\n"), Ok(json!(["a", "b"])));
    }

    #[test]
    fn a_billion_laughs_are_stopped() {
        let mut yaml = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
        for i in 1..12 {
            writeln!(yaml, "a{i}: &a{i} [{}]", vec![format!("*a{}", i - 1); 9].join(", ")).expect("to a string");
        }
        assert_eq!(to_json(&yaml), Err(Fault::TooMuch("too many values")));
    }

    #[test]
    fn one_long_text_many_times_is_stopped() {
        let yaml = format!("a: &a {}\nb: [{}]\n", "x".repeat(30_000), vec!["*a"; 1_000].join(", "));
        assert_eq!(to_json(&yaml), Err(Fault::TooMuch("too many bytes")));
    }

    #[test]
    fn what_is_nested_too_deeply_is_stopped_soon() {
        let began = Instant::now();
        for open in ["[", "{a: ", "- ", "? ", "!t [", "&a [", "[{", "\""] {
            let _ = to_json(&open.repeat((64 << 10) / open.len()));
        }
        assert_eq!(to_json("a: &a [*a]"), Err(Fault::TooMuch("too deep")), "an alias of itself");
        assert_eq!(to_json(&format!("a: {}{}", "[".repeat(40), "]".repeat(40))), Err(Fault::TooMuch("too deep")));
        assert!(began.elapsed().as_secs() < 10, "took {:?}", began.elapsed());
    }

    #[test]
    fn a_key_said_twice_is_named() {
        assert_eq!(to_json("a: 1\nb: 2\na: 3\n"), Err(Fault::Duplicate("a".to_owned())));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(yaml in "([a-z:\\-\\[\\]{}&*!|>'\"#%@,? \n\t]|\\PC){0,80}") {
            let _ = to_json(&yaml);
        }
    }
}
