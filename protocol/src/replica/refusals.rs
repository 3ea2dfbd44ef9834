//! Schools that this node refuses to talk to, by itself, for a while or for good (§3.8). That never
//! decides what is held.

use super::{Notice, Replica};
use crate::fault::Fault;
use crate::id::{DeviceId, SchoolId, SpaceId};
use crate::store::{Store, Table};
use crate::time::Millis;

impl<S: Store> Replica<S> {
    pub(super) fn open_refusals(&mut self) -> Result<(), Fault> {
        let Self { store, refusals, .. } = self;
        store.scan(Table::Refusals, &[], &[], &mut |key, value| {
            let malformed = || Fault::Malformed { what: "refusal" };
            let school = SchoolId(key.try_into().map_err(|_| malformed())?);
            refusals.insert(school, Millis(u64::from_be_bytes(value.try_into().map_err(|_| malformed())?)));
            Ok(true)
        })
    }

    /// Talks to a school no more, until then; for good without an end.
    pub fn refuse_school(&mut self, school: SchoolId, until: Option<Millis>) -> Result<(), Fault> {
        self.check()?;
        if school == self.school() {
            return Err(Fault::NoRight { school, act: "refuse itself" });
        }
        let until = until.unwrap_or(Millis(u64::MAX));
        self.refusals.insert(school, until);
        self.staged.put(Table::Refusals, school.0, until.0.to_be_bytes());
        self.tell_of(school);
        Ok(())
    }
    /// Talks to a school again. Whether it did not.
    pub fn end_refusal(&mut self, school: SchoolId) -> Result<bool, Fault> {
        self.check()?;
        let refused = self.refusals.remove(&school).is_some();
        self.staged.delete(Table::Refusals, school.0);
        self.tell_of(school);
        Ok(refused)
    }
    fn tell_of(&mut self, school: SchoolId) {
        let with = self.spaces.iter().filter(|(_, space)| space.charter().resolved().members.contains_key(&school));
        self.notices.extend(with.map(|(id, _)| Notice::Charter(*id)));
    }

    /// Until when a school is refused, if it is now.
    pub fn refusal(&self, school: &SchoolId, now: Millis) -> Option<Millis> {
        self.refusals.get(school).copied().filter(|until| *until > now)
    }
    /// Whether a device is one of a school that is refused now.
    pub fn refuses(&self, space: &SpaceId, device: &DeviceId, now: Millis) -> bool {
        let school = || self.spaces.get(space)?.durable_charter().school_of(device);
        !self.refusals.is_empty() && school().is_some_and(|school| self.refusal(&school, now).is_some())
    }
}
