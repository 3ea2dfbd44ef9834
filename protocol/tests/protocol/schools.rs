//! Schools for tests: replicas in memory, and sessions between them without a network.

use std::collections::VecDeque;

use staffroom_protocol::Replica;
use staffroom_protocol::catalogue::Catalogue;
use staffroom_protocol::charter::{Missing, Redeemed, Role, Ticket};
use staffroom_protocol::entropy::Entropy;
use staffroom_protocol::fault::Fault;
use staffroom_protocol::id::{RecordId, SpaceId, WriterId};
use staffroom_protocol::identity::{IdentityChain, Inception, RecoveryCode, Rights, SecretKey};
use staffroom_protocol::log::{Entry, EntryKind, Header, Payload, Verified};
use staffroom_protocol::record::Fields;
use staffroom_protocol::record::field::Value;
use staffroom_protocol::replica::{Draft, Edit, Local};
use staffroom_protocol::store::MemoryStore;
use staffroom_protocol::sync::{Ended, Hello, Input, Message, Output, Session, decode, encode};
use staffroom_protocol::time::{Millis, Timestamp};

/// A school's replica over memory.
pub(crate) type School = Replica<MemoryStore>;

/// Who school number `n` is.
pub(crate) fn local(n: u8) -> Local {
    let code = RecoveryCode::from_random([n; 20]);
    let device = SecretKey::from_seed(&[n; 32]);
    let mut school = IdentityChain::new(Inception::new(&code));
    school.certify(&code.root(0), device.public(), Rights::ALL).unwrap();
    Local { school, device, life: [n; 32] }
}

/// School number `n`, with nothing yet.
pub(crate) fn school(n: u8) -> School {
    Replica::open(MemoryStore::default(), local(n), Entropy::from_seed([n; 32])).unwrap()
}

/// The charter that a ticket which asks nobody brings.
pub(crate) fn admitted(host: &mut School, joiner: &School, ticket: &Ticket) -> Result<Missing, Fault> {
    match host.redeem(&joiner.redemption(ticket), joiner.device(), Millis(0))? {
        Redeemed::Admitted(_, charter) => Ok(charter),
        Redeemed::Compare(_) => Err(Fault::Ticket),
    }
}

/// Takes `joiner` into a space by a ticket of `host`.
pub(crate) fn admit(host: &mut School, joiner: &mut School, space: SpaceId) -> Result<(), Fault> {
    let ticket = host.invite(space, Role::Contributor, Millis(1_000), Vec::new())?;
    let charter = admitted(host, joiner, &ticket)?;
    host.flush()?;
    joiner.join(&ticket, charter)?;
    joiner.flush()?;
    Ok(())
}

/// Two schools of one space, in step.
pub(crate) fn pair() -> (School, School, SpaceId) {
    let (mut hill, mut brook) = (school(1), school(2));
    let space = hill.found("The Brook Cluster").unwrap();
    hill.flush().unwrap();
    admit(&mut hill, &mut brook, space).unwrap();
    talk(&mut hill, &mut brook, space);
    (hill, brook, space)
}

/// Two schools in step, and a session of the first with the second that has heard its Hello.
pub(crate) fn session() -> (School, School, SpaceId, Session) {
    let (mut hill, mut brook, space) = pair();
    share(&mut brook, space, "Fractions as division");
    talk(&mut hill, &mut brook, space);
    let mut session = Session::new(space, brook.device(), false);
    session.handle(Input::Opened, &mut hill, Millis(10));
    let hello = hello(&hill, space);
    let answer = session.handle(Input::Message(hello), &mut hill, Millis(10));
    assert!(matches!(answer[..], [Output::Send(Message::Hello(_))]), "{answer:?}");
    (hill, brook, space, session)
}

/// The Hello of a school that holds what `of` holds.
pub(crate) fn hello(of: &School, space: SpaceId) -> Message {
    let held = of.space(&space).unwrap();
    let (charter, erasures, frontier) = (held.durable_charter().hash(), held.erasures_hash(), held.state_hash());
    Message::Hello(Hello { version: 0, space, charter, erasures, frontier, credit: 4, answer: true })
}

/// The key of school number `n`'s writer in a space, as its store derives it (§1.4).
fn writer_key(n: u8, space: SpaceId) -> SecretKey {
    let mut hasher = blake3::Hasher::new_derive_key("staffroom 2026 writer key v1");
    hasher.update(&local(n).life).update(&space.0);
    SecretKey::from_seed(hasher.finalize().as_bytes())
}

/// The header of a genesis at the next place of school number `n`'s log, as far as `holder` holds it.
pub(crate) fn next_header(n: u8, holder: &School, space: SpaceId) -> Header {
    let writer: WriterId = writer_key(n, space).public();
    let frontier = holder.space(&space).unwrap().frontier();
    let seq = frontier.next(&writer);
    Header {
        space,
        writer,
        seq,
        prev: frontier.head(&writer),
        clock: Timestamp(1),
        kind: EntryKind::Genesis,
        flags: 0,
        rules: 0,
        lane: 0,
        change_seq: 1,
        record: Header::record_at(space, writer, seq),
        commitment: [0; 32],
        length: 0,
    }
}

/// Signs any entry as school number `n`'s writer, whether an honest node would or not.
pub(crate) fn sign(n: u8, header: Header, change: &[u8]) -> Verified {
    let payload = Payload::new([0; 16], "Ada Brook", change);
    let header = Header { commitment: payload.commitment(), length: payload.length(), ..header };
    let key = writer_key(n, header.space);
    Entry::sign(header, payload, &key)
}

/// Fields of a lesson.
pub(crate) fn lesson(title: &str) -> Fields {
    Fields::from([
        ("title".to_owned(), Value::Line(title.to_owned())),
        ("body".to_owned(), Value::Text(format!("# {title}\n\nWhat we did."))),
        ("tags".to_owned(), Value::set(["retrieval practice"])),
    ])
}

/// Shares a lesson.
pub(crate) fn share(school: &mut School, space: SpaceId, title: &str) -> RecordId {
    let draft = Draft {
        space,
        kind: "resource".to_owned(),
        fields: lesson(title),
        author: "Ada Brook".to_owned(),
        open: Some(true),
    };
    let id = school.create(&draft, Millis(5)).unwrap();
    school.flush().unwrap();
    id
}

/// School number `n` once more, over a copy of its store, with its secrets: a machine that was copied
/// or put back.
pub(crate) fn copy(of: &School, n: u8) -> School {
    Replica::open(of.store().clone(), local(n), Entropy::from_seed([n + 100; 32])).unwrap()
}

/// The titles that a school shows, in order.
pub(crate) fn titles(school: &School, space: SpaceId) -> Vec<String> {
    let mut titles = Vec::new();
    let catalogue = Catalogue(school.store());
    catalogue
        .newest(&space, &mut |card| {
            titles.push(card.line("title").to_owned());
            true
        })
        .unwrap();
    titles.sort();
    titles
}

/// Gives a record another title.
pub(crate) fn retitle(school: &mut School, record: RecordId, title: &str) {
    let fields = [("title".to_owned(), Value::Line(title.to_owned()))].into();
    let edit = Edit { record, fields, heads: None, author: "Ada Brook".to_owned() };
    assert!(school.edit(&edit, Millis(6)).unwrap());
    school.flush().unwrap();
}

/// Talks until nothing is new, and says how many bytes the last round took.
pub(crate) fn settle(schools: &mut [&mut School], space: SpaceId) -> usize {
    let mut bytes = 0;
    for _ in 0..4 {
        bytes = 0;
        for b in 1..schools.len() {
            for a in 0..b {
                let (left, right) = schools.split_at_mut(b);
                let (said, _) = talk(left[a], right[0], space);
                bytes += said.iter().map(|message| encode(message).len()).sum::<usize>();
            }
        }
    }
    bytes
}

/// Lets two schools talk about a space until neither has anything to say. Gives back the messages
/// of each and how each session ended, where it did.
pub(crate) fn talk(a: &mut School, b: &mut School, space: SpaceId) -> (Vec<Message>, Vec<Ended>) {
    let mut sessions = [Session::new(space, b.device(), true), Session::new(space, a.device(), false)];
    let mut wires: [VecDeque<Vec<u8>>; 2] = [VecDeque::new(), VecDeque::new()];
    let mut said = Vec::new();
    let mut ended = Vec::new();
    let mut inputs: Vec<(usize, Input)> = vec![(0, Input::Opened), (1, Input::Opened)];
    loop {
        for (who, input) in inputs.drain(..) {
            let school: &mut School = if who == 0 { a } else { b };
            let mut outputs = sessions[who].handle(input, school, Millis(10));
            school.flush().unwrap();
            outputs.extend(sessions[who].handle(Input::Durable, school, Millis(10)));
            for output in outputs {
                match output {
                    Output::Send(message) => {
                        wires[1 - who].push_back(encode(&message));
                        said.push(message);
                    }
                    Output::Refused(Fault::Fork { .. } | Fault::Withheld(_)) => {}
                    Output::Refused(fault) => panic!("refused: {fault}"),
                    Output::Ended(why) => ended.push(why),
                }
            }
        }
        let next = (0..2).find_map(|who| wires[who].pop_front().map(|frame| (who, frame)));
        let Some((who, frame)) = next else { return (said, ended) };
        let input = match decode(&frame, space).unwrap() {
            Message::Entries(runs) => {
                Input::Entries(Entry::verify_all(runs.into_iter().flat_map(|run| run.0).collect()))
            }
            message => Input::Message(message),
        };
        inputs.push((who, input));
    }
}
