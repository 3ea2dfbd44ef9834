//! Of whom a file is asked: of a few partners at a time, and of as many schools as can be.

use staffroom_protocol::id::{DeviceId, SchoolId};

/// Partners of which chunks of one file are asked at a time.
const PROVIDERS: usize = 4;

/// A partner that is asked, or may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Partner {
    /// The device.
    pub(super) device: DeviceId,
    /// Its school.
    pub(super) school: SchoolId,
    /// Whether it said that it has the file.
    pub(super) here: bool,
}

/// Whom to ask next of those who are `free`, and who of those who are `asked` makes room for it.
///
/// One device of each school comes first: where there is no place for a school, another school's second
/// device gives up its own. A school's further devices are asked only where no other school is.
pub(super) fn next(asked: &[Partner], free: &[Partner]) -> Option<(DeviceId, Option<DeviceId>)> {
    let of = |school: SchoolId| asked.iter().filter(move |partner| partner.school == school);
    if let Some(new) = free.iter().find(|partner| of(partner.school).next().is_none()) {
        if asked.len() < PROVIDERS {
            return Some((new.device, None));
        }
        // Rather one that has not answered yet than one that gives.
        let beside = |partner: &&Partner| of(partner.school).count() > 1;
        let leaves = asked.iter().filter(beside).min_by_key(|partner| partner.here)?;
        return Some((new.device, Some(leaves.device)));
    }
    let alone = |partner: &&Partner| asked.iter().all(|other| other.school == partner.school);
    let further = free.iter().find(alone).filter(|_| asked.len() < PROVIDERS)?;
    Some((further.device, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partner(device: u8, school: u8) -> Partner {
        Partner { device: DeviceId([device; 32]), school: SchoolId([school; 32]), here: device.is_multiple_of(2) }
    }
    /// Lets all who come in turn ask for a place.
    fn seated(coming: &[Partner]) -> Vec<Partner> {
        let (mut asked, mut free): (Vec<Partner>, Vec<Partner>) = Default::default();
        for new in coming {
            free.push(*new);
            while let Some((device, leaves)) = next(&asked, &free) {
                asked.retain(|partner| Some(partner.device) != leaves);
                asked.push(*free.iter().find(|partner| partner.device == device).expect("one of them"));
                free.retain(|partner| partner.device != device);
            }
        }
        asked
    }

    #[test]
    fn a_school_alone_has_all_places_and_makes_room_for_others() {
        let alone: Vec<Partner> = (1..=6).map(|device| partner(device, 1)).collect();
        assert_eq!(seated(&alone), alone[..PROVIDERS]);
        let others = [partner(7, 2), partner(8, 3), partner(9, 4), partner(10, 5)];
        let asked = seated(&[&alone[..], &others].concat());
        let schools: Vec<u8> = asked.iter().map(|partner| partner.school.0[0]).collect();
        assert_eq!(schools, [1, 2, 3, 4]);
        assert!(asked[0].here, "who gives stays");
    }

    #[test]
    fn a_second_device_waits_while_another_school_is_asked() {
        let asked = [partner(1, 1), partner(2, 2)];
        assert_eq!(next(&asked, &[partner(3, 1)]), None);
        let device = DeviceId([3; 32]);
        assert_eq!(next(&asked[..1], &[partner(3, 1)]), Some((device, None)));
        assert_eq!(next(&asked, &[partner(3, 3)]), Some((device, None)));
    }
}
