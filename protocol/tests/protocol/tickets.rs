//! Any ticket, any text that is nearly one, and any words.

use proptest::prelude::*;
use staffroom_protocol::charter::{NotATicket, Role, Ticket, Transcript, Words, commitment};
use staffroom_protocol::id::{DecisionId, DeviceId, SchoolId, SpaceId};
use staffroom_protocol::limits;
use staffroom_protocol::sync::{Join, Joined, Reveal};
use staffroom_protocol::time::Millis;

use crate::schools::{admit, local, school, share, talk};

fn any_ticket() -> impl Strategy<Value = Ticket> {
    let head = (any::<u32>(), any::<[u8; 32]>().prop_map(DecisionId));
    let role = prop_oneof![Just(Role::Reader), Just(Role::Contributor)];
    let addresses = prop::collection::vec(".{0,40}", 0..limits::ADDRESSES);
    (any::<[u8; 32]>(), head, addresses, role, any::<[u8; 16]>(), any::<u64>()).prop_map(
        |(space, head, addresses, role, secret, expires)| Ticket {
            space: SpaceId(space),
            head,
            school: local(1).school,
            device: school(1).device(),
            addresses,
            role,
            secret,
            expires: Millis(expires),
        },
    )
}

/// What words hang on, without the borrow.
type Parts = ([u8; 16], [[u8; 32]; 6], bool);

fn words((secret, [space, redeemer, joiner, school, redeemers, joiners], reader): &Parts) -> Words {
    let transcript = Transcript {
        secret,
        space: SpaceId(*space),
        role: if *reader { Role::Reader } else { Role::Contributor },
        redeemer: DeviceId(*redeemer),
        joiner: DeviceId(*joiner),
        school: SchoolId(*school),
        redeemers: *redeemers,
        joiners: *joiners,
    };
    transcript.words()
}

proptest! {
    #[test]
    fn any_ticket_survives_its_text(ticket in any_ticket(), upper in any::<bool>(), wrap in 1usize..80) {
        let text = ticket.to_text();
        let text = if upper { text.to_uppercase() } else { text };
        let lines: Vec<&str> = text.as_bytes().chunks(wrap).map(|line| std::str::from_utf8(line).unwrap()).collect();
        prop_assert_eq!(Ticket::parse(&lines.join("\r\n ")), Ok(ticket));
    }

    #[test]
    fn a_ticket_with_one_letter_wrong_is_none(ticket in any_ticket(), at in any::<prop::sample::Index>(), letter in "[a-z2-7]") {
        let mut text = ticket.to_text();
        let at = at.index(text.len());
        prop_assume!(text[at..=at] != letter);
        text.replace_range(at..=at, &letter);
        prop_assert_eq!(Ticket::parse(&text), Err(NotATicket));
    }

    #[test]
    fn a_ticket_cut_short_is_none(ticket in any_ticket(), at in any::<prop::sample::Index>()) {
        let text = ticket.to_text();
        prop_assert_eq!(Ticket::parse(&text[..at.index(text.len())]), Err(NotATicket));
    }

    #[test]
    fn any_text_is_read_without_harm(text in prop_oneof![".*", "staffroom1[a-z2-7]{0,900}", "staffroom1.{0,90}"]) {
        prop_assert_eq!(Ticket::parse(&text), Err(NotATicket));
    }

    #[test]
    fn any_frame_of_a_stranger_is_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        if let Ok(join) = Join::parse(&bytes) {
            prop_assert!(join.name.len() <= limits::NAME);
        }
        let _ = (Joined::parse(&bytes), Reveal::parse(&bytes));
    }

    #[test]
    fn a_damaged_join_is_another_or_none(at in any::<prop::sample::Index>(), bit in 0u8..8, ticket in any_ticket()) {
        let join = school(2).redemption(&ticket).join;
        let mut bytes = join.to_bytes();
        prop_assert_eq!(Join::parse(&bytes), Ok(join.clone()));
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert_ne!(Join::parse(&bytes), Ok(join));
    }

    #[test]
    fn words_hang_on_every_part(
        parts in any::<Parts>(),
        place in 0usize..8,
        bit in 0usize..256,
    ) {
        let mut other = parts;
        match place {
            6 => other.0[bit % 16] ^= 1 << (bit / 16 % 8),
            7 => other.2 = !other.2,
            part => other.1[part][bit / 8] ^= 1 << (bit % 8),
        }
        prop_assert_eq!(words(&parts), words(&parts));
        prop_assert_ne!(words(&parts), words(&other));
    }

    #[test]
    fn words_are_read_as_they_are_shown(parts in any::<Parts>(), between in "[ ,–-]{1,3}") {
        let words = words(&parts);
        let said = words.to_string().to_uppercase().replace(' ', &between);
        prop_assert_eq!(said.parse(), Ok(words));
    }

    #[test]
    fn any_other_text_is_no_words(text in ".*") {
        if let Ok(words) = text.parse::<Words>() {
            prop_assert_eq!(words.to_string().parse(), Ok(words));
        }
    }

    #[test]
    fn a_commitment_is_to_one_number(one in any::<[u8; 32]>(), other in any::<[u8; 32]>()) {
        prop_assert_eq!(commitment(&one) == commitment(&other), one == other);
    }
}

#[test]
fn a_ticket_of_a_megabyte_is_not_read() {
    let text = format!("staffroom1{}", "a".repeat(1 << 20));
    assert_eq!(Ticket::parse(&text), Err(NotATicket));
}

#[test]
fn who_was_removed_unheard_and_comes_back_goes_on_with_its_log() {
    let (mut hill, mut brook) = (school(1), school(2));
    let space = hill.found("The Brook Cluster").unwrap();
    admit(&mut hill, &mut brook, space).unwrap();
    share(&mut brook, space, "Fractions as division");
    // Hill has not heard of Brook's writer yet: the removal covers no enrolment.
    hill.demote(space, brook.school(), None).unwrap();
    hill.flush().unwrap();
    admit(&mut hill, &mut brook, space).unwrap();
    share(&mut brook, space, "Pizza and cake");
    talk(&mut hill, &mut brook, space);
    let held = hill.space(&space).unwrap();
    assert_eq!(held.frontier().0.values().map(|reach| reach.next).collect::<Vec<_>>(), [2]);
    assert_eq!(held.frontier(), brook.space(&space).unwrap().frontier());
}
