//! A node that does not talk to a partner, by itself (§3.8): the session ends as with a stranger, what is
//! held stays as it is, and what the partner shares comes through others.

use staffroom_protocol::fault::Fault;
use staffroom_protocol::sync::{Ended, Input, Message, Output, Session};
use staffroom_protocol::time::Millis;
use staffroom_protocol::{Replica, entropy::Entropy};

use crate::schools::{admit, local, pair, school, settle, share, talk, titles};

#[test]
fn who_is_refused_is_answered_as_a_stranger_and_belongs_all_the_same() {
    let (mut hill, mut brook, space) = pair();
    let mut north = school(3);
    admit(&mut hill, &mut north, space).unwrap();
    settle(&mut [&mut hill, &mut brook, &mut north], space);
    // A session that is open ends with the next thing that happens in it.
    let mut session = Session::new(space, brook.device(), true);
    session.handle(Input::Opened, &mut hill, Millis(1));
    hill.refuse_school(brook.school(), Some(Millis(1_000))).unwrap();
    hill.flush().unwrap();
    let said = session.handle(Input::Durable, &mut hill, Millis(2));
    let gone = Ended::Fault(Fault::NoSuchSpace);
    assert_eq!(said, [Output::Send(Message::Bye(11)), Output::Ended(gone)]);
    // No other begins, however often the node starts again.
    let store = hill.into_store();
    let mut hill = Replica::open(store, local(1), Entropy::from_seed([9; 32])).unwrap();
    share(&mut brook, space, "From brook");
    let (_, ended) = talk(&mut brook, &mut hill, space);
    assert!(ended.contains(&Ended::Bye(11)), "{ended:?}");
    assert!(titles(&hill, space).is_empty());
    // Through another partner it comes: what is held is not up to one node.
    talk(&mut brook, &mut north, space);
    talk(&mut north, &mut hill, space);
    assert_eq!(titles(&hill, space), ["From brook"]);
    // The time over, or ended before: they talk again.
    assert_eq!(hill.refusal(&brook.school(), Millis(1_001)), None);
    assert!(hill.end_refusal(brook.school()).unwrap());
    assert!(!hill.end_refusal(brook.school()).unwrap());
    hill.flush().unwrap();
    share(&mut brook, space, "Again");
    talk(&mut brook, &mut hill, space);
    assert_eq!(titles(&hill, space), ["Again", "From brook"]);
    let own = hill.school();
    assert!(hill.refuse_school(own, None).is_err(), "nobody refuses itself");
}
