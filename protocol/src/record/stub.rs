//! stub
#![allow(missing_docs)]
use super::field::*;
use crate::id::ChangeHash;
use std::collections::BTreeMap;
pub mod change {
    use crate::id::ChangeHash;
    pub struct ChangeHeader {
        pub hash: ChangeHash,
        pub deps: Vec<ChangeHash>,
        pub seq: u64,
    }
    impl ChangeHeader {
        pub fn actor(&self) -> [u8; 16] {
            [0; 16]
        }
    }
    pub struct Change(ChangeHeader);
    impl Change {
        pub fn read(_: &[u8]) -> Result<Self, String> {
            Err(String::new())
        }
        pub fn header(&self) -> &ChangeHeader {
            &self.0
        }
    }
}
pub fn write_genesis(_: [u8; 16], _: &Fields) -> Vec<u8> {
    vec![]
}
pub struct Document;
impl Document {
    pub fn build<'a>(_: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, String> {
        Err(String::new())
    }
    pub fn fields(&self) -> Fields {
        Fields::new()
    }
    pub fn contains(&self, _: &[ChangeHash], _: ChangeHash) -> bool {
        true
    }
    pub fn edit(
        &mut self,
        _: [u8; 16],
        _: Option<&[ChangeHash]>,
        _: &BTreeMap<String, Value>,
    ) -> Result<Option<Vec<u8>>, String> {
        Ok(None)
    }
}
pub mod view {
    use super::*;
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct View {
        pub kind: String,
        pub fields: Fields,
        pub conflicts: BTreeMap<String, Vec<Value>>,
        pub heads: Vec<ChangeHash>,
    }
    impl View {
        pub fn of(_: &[&[u8]]) -> Result<Self, String> {
            Err(String::new())
        }
    }
}
