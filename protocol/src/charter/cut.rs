//! Where logs end (§3.6), as decisions and operations list it.

use serde::{Deserialize, Serialize};

use crate::bytes::{Reader, Writer};
use crate::fault::Fault;
use crate::id::{EntryId, WriterId};

/// Where a log ends for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Cut {
    /// How many entries stand.
    pub next: u64,
    /// The last of them; zero where none does.
    pub head: EntryId,
}

/// The last entry of a log that stands (§3.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LogCut {
    /// Whose log.
    pub writer: WriterId,
    /// Where it ends.
    pub cut: Cut,
}

impl LogCut {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Fault> {
        Ok(Self { writer: reader.id()?, cut: Cut { next: reader.u64()?, head: reader.id()? } })
    }
    pub(super) fn write(&self, writer: Writer) -> Writer {
        writer.bytes(&self.writer.0).u64(self.cut.next).bytes(&self.cut.head.0)
    }
    pub(super) fn read_all(reader: &mut Reader<'_>) -> Result<Vec<Self>, Fault> {
        let cuts = (0..reader.u16()?).map(|_| Self::read(reader)).collect::<Result<Vec<_>, _>>()?;
        if cuts.is_sorted_by(|a, b| a.writer < b.writer) { Ok(cuts) } else { Err(reader.malformed()) }
    }
    pub(super) fn write_all(cuts: &[Self], writer: Writer) -> Writer {
        cuts.iter().fold(writer.u16(count(cuts.len())), |writer, cut| cut.write(writer))
    }
}

/// A length that the layouts write in two bytes.
pub(super) fn count(n: usize) -> u16 {
    u16::try_from(n).expect("bounded by the limits of a charter")
}
