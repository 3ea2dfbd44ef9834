//! Which files this node fetches by itself, and which only when somebody opens them (§5).

use std::collections::BTreeMap;

use crate::api::{Code, Failure};

/// What is fetched without being asked for where nothing is set: what a school's line carries in a minute.
const USUAL: u64 = 25 << 20;

/// The largest files that are fetched without being asked for, for each space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    usual: u64,
    spaces: BTreeMap<String, u64>,
}

impl Default for Policy {
    fn default() -> Self {
        Self { usual: USUAL, spaces: BTreeMap::new() }
    }
}

impl Policy {
    /// Out of the settings: `all`, `opened`, or a size such as `25 MB`; for everything, and by cluster.
    pub(crate) fn of(usual: &str, spaces: &BTreeMap<String, String>) -> Result<Self, Failure> {
        let spaces = spaces.iter().map(|(name, size)| Ok((name.to_lowercase(), size_of(size)?)));
        Ok(Self { usual: size_of(usual)?, spaces: spaces.collect::<Result<_, Failure>>()? })
    }
    /// The largest file that is fetched by itself in a space of this name.
    pub(super) fn most(&self, space: &str) -> u64 {
        self.spaces.get(&space.to_lowercase()).copied().unwrap_or(self.usual)
    }
}

fn size_of(text: &str) -> Result<u64, Failure> {
    let wrong = || {
        Failure::new(Code::Failed, format!("share.toml: {text:?} is not how much is fetched"))
            .hint("\"all\", \"opened\", or a size such as \"25 MB\"")
    };
    let text = text.trim().to_lowercase();
    match text.as_str() {
        "all" => return Ok(u64::MAX),
        "opened" => return Ok(0),
        "" => return Ok(USUAL),
        _ => {}
    }
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
    let unit = match text[digits..].trim() {
        "kb" => 10,
        "mb" | "m" => 20,
        "gb" | "g" => 30,
        _ => return Err(wrong()),
    };
    number.checked_mul(1 << unit).ok_or_else(wrong)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_clusters_may_differ() {
        let spaces = BTreeMap::from([("The Brook Cluster".to_owned(), "all".to_owned())]);
        let policy = Policy::of("2 MB", &spaces).unwrap();
        assert_eq!((policy.most("school"), policy.most("the brook cluster")), (2 << 20, u64::MAX));
        assert_eq!(Policy::of("opened", &BTreeMap::new()).unwrap().most("x"), 0);
        assert_eq!(Policy::of("", &BTreeMap::new()).unwrap(), Policy::default());
        for wrong in ["many", "5", "-1 MB", "99999999999999999999 GB", "9999999999999 GB", "MB"] {
            assert!(Policy::of(wrong, &BTreeMap::new()).is_err(), "{wrong}");
        }
    }
}
