//! The test vectors in `docs/vectors` are what the program does.
//!
//! `STAFFROOM_WRITE_VECTORS=1 cargo test -p staffroom-protocol vectors` writes them anew; otherwise
//! each is made and compared. Hashes are computed here a second time, from the strings that
//! `docs/protocol.md` lists, so that a changed string is found even if the files are written anew.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value as Json, json};
use staffroom_protocol::charter::{
    Act, Actor, Admission, Charter, Cut, Founding, LogCut, Role, Ticket, Transcript, commitment,
};
use staffroom_protocol::erasure::{self, Erasure, Part, Receipt};
use staffroom_protocol::id::{BlobId, EntryId, OperationId, RecordId, SpaceId, WriterId, to_text};
use staffroom_protocol::identity::{
    Domain, IdentityChain, Inception, Keys, Link, RecoveryCode, Revocation, Rights, SecretKey, Step,
};
use staffroom_protocol::limits;
use staffroom_protocol::log::{Entry, EntryKind, Frontier, HEADER, Header, Payload, Reach, Verified};
use staffroom_protocol::record::change::Change;
use staffroom_protocol::record::field::{BlobRef, Fields, Value};
use staffroom_protocol::record::{Document, write_genesis};
use staffroom_protocol::sync::{Hello, Mark, Message, Run, decode, encode};
use staffroom_protocol::time::{Millis, Timestamp};

use crate::support::{line, text};

pub(crate) fn hex(bytes: impl AsRef<[u8]>) -> String {
    data_encoding::HEXLOWER.encode(bytes.as_ref())
}

/// BLAKE3 with one of the context strings of `docs/protocol.md`, §1.1.
fn hash(context: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(&format!("staffroom 2026 {context} v1"));
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// Compares a file of vectors with what was made, or writes it.
pub(crate) fn check(name: &str, about: &str, vectors: &Json) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/vectors").join(name);
    let mut made = json!({ "about": about, "status": "draft", "bytes": "hexadecimal unless named text" });
    made.as_object_mut().unwrap().extend(vectors.as_object().unwrap().clone());
    if std::env::var_os("STAFFROOM_WRITE_VECTORS").is_some() {
        std::fs::write(&path, serde_json::to_string_pretty(&made).unwrap() + "\n").unwrap();
        return;
    }
    let kept: Json = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(kept, made, "{name} is not what the program does: has a layout changed?");
}

/// The school of one byte: its recovery code, its device, its chain.
fn school(n: u8) -> (RecoveryCode, SecretKey, IdentityChain) {
    let code = RecoveryCode::from_random([n; 20]);
    let device = SecretKey::from_seed(&[n + 1; 32]);
    let mut chain = IdentityChain::new(Inception::new(&code));
    chain.certify(&code.root(0), device.public(), Rights::ALL).unwrap();
    (code, device, chain)
}

fn writer() -> SecretKey {
    SecretKey::from_seed(&[3; 32])
}

/// A space with two schools; the first has enrolled, and then retired, a writer.
fn charter() -> Charter {
    let ((_, device, chain), (_, joiner_device, joiner)) = (school(1), school(0x41));
    let actor = Actor { school: &chain, device: &device };
    let founding = Founding {
        name: "The Brook Cluster".to_owned(),
        rules: limits::RULES,
        continues: SpaceId::default(),
        nonce: [4; 16],
    };
    let (mut charter, _) = Charter::found(&founding, actor).unwrap();
    charter.enrol(actor, &writer()).unwrap();
    let ticket = Ticket::id_of(&[5; 16]);
    let acceptance = Admission::acceptance_hash(charter.space(), ticket, joiner.school(), Role::Contributor);
    let admission = Admission {
        school: joiner.school(),
        role: Role::Contributor,
        instead_of: OperationId::default(),
        ticket,
        device: joiner_device.public(),
        acceptance: joiner_device.sign(Domain::Acceptance, &acceptance),
    };
    charter.admit_school(actor, joiner, &admission).unwrap();
    let head = genesis(charter.space()).id();
    charter.retire(actor, LogCut { writer: writer().public(), cut: Cut { next: 1, head } }).unwrap();
    charter
}

fn header(space: SpaceId, seq: u64, prev: EntryId, kind: EntryKind, record: RecordId, payload: &Payload) -> Header {
    Header {
        space,
        writer: writer().public(),
        seq,
        prev,
        clock: Timestamp(Timestamp::from_millis(Millis(1_800_000_000_000)).0 + seq),
        kind,
        flags: u8::from(kind == EntryKind::Genesis),
        rules: limits::RULES,
        lane: 0,
        change_seq: u32::try_from(seq + 1).unwrap(),
        record,
        commitment: payload.commitment(),
        length: payload.length(),
    }
}

fn small_fields() -> Fields {
    Fields::from([("kind".into(), line("resource")), ("title".into(), line("Ten frames"))])
}

/// The first entry of the writer: a resource of two fields.
fn genesis(space: SpaceId) -> Verified {
    let writer_id: WriterId = writer().public();
    let record = Header::record_at(space, writer_id, 0);
    let actor =
        header(space, 0, EntryId::default(), EntryKind::Genesis, record, &Payload::new([0; 16], "", &[])).actor();
    let payload = Payload::new([6; 16], "Ada Brook", &write_genesis(actor, &small_fields()));
    Entry::sign(header(space, 0, EntryId::default(), EntryKind::Genesis, record, &payload), payload, &writer())
}

/// The second: the title is another.
fn second(space: SpaceId) -> Verified {
    let first = genesis(space);
    let (_, change) = first.payload().unwrap().read().unwrap();
    let mut document = Document::build([change]).unwrap();
    let edits = BTreeMap::from([("title".to_owned(), line("Ten frames, again"))]);
    let change = document.edit(first.header().actor(), None, &edits).unwrap().unwrap();
    let payload = Payload::new([7; 16], "Ada Brook", &change);
    let header = header(space, 1, first.id(), EntryKind::Change, first.header().record, &payload);
    Entry::sign(header, payload, &writer())
}

/// A chain with a link of each kind.
fn steps() -> IdentityChain {
    let (code, device, mut chain) = school(1);
    let laptop = SecretKey::from_seed(&[0x51; 32]).public();
    chain.certify(&device, laptop, Rights::WRITE).unwrap();
    let mut stands = Revocation::default();
    stands.keep_operations(&SpaceId([8; 32]), &laptop, (3, OperationId([9; 32])));
    stands.logs.insert(WriterId([10; 32]), (7, EntryId([11; 32])));
    chain.revoke(&device, laptop, stands).unwrap();
    let next = RecoveryCode::from_random([12; 20]);
    chain.rotate(&code.root(1), Keys { root: code.root(1).public(), ..Keys::of(&next) }).unwrap();
    chain.renew(&next, &RecoveryCode::from_random([13; 20])).unwrap();
    chain
}

fn described(link: &Link) -> Json {
    let what = match link.step() {
        Step::Certify { .. } => "certify",
        Step::Revoke { .. } => "revoke",
        Step::Rotate(_) => "rotate",
        Step::Recover { .. } => "recover",
    };
    json!({ "number": link.number(), "step": what, "layout": hex(link.as_bytes()), "id": hex(link.id().0) })
}

/// Two certificates at one place, by one device.
fn frozen() -> Json {
    let (_, device, chain) = school(1);
    let with = |seed: u8| {
        let mut chain = chain.clone();
        chain.certify(&device, SecretKey::from_seed(&[seed; 32]).public(), Rights::WRITE).unwrap();
        chain
    };
    let (mut both, other) = (with(0x51), with(0x52));
    both.merge(&other).unwrap();
    assert!(both.is_frozen());
    let ends = [both.links()[1].id(), if both.links() == other.links() { with(0x51) } else { other }.head()];
    assert_eq!(both.state_hash(), hash("identity state", &[&ends[0].0, &ends[1].0]));
    json!({ "chain": hex(postcard::to_allocvec(&both).unwrap()), "head": hex(both.head().0), "state": hex(both.state_hash()) })
}

#[test]
fn identity() {
    let (code, device, chain) = school(1);
    let root = |n: u32| {
        let key = code.root(n);
        assert_eq!(key.seed(), hash("root key", &[&[1; 20], &n.to_le_bytes()]));
        json!({ "number": n, "seed": hex(key.seed()), "public": hex(key.public::<[u8; 32]>()) })
    };
    let inception = chain.inception().as_bytes();
    assert_eq!(chain.school().0, hash("inception", &[inception]));
    assert_eq!(inception[36..68], hash("key", &[&code.root(1).public::<[u8; 32]>()]));
    assert_eq!(code.recovery(0).seed(), hash("recovery key", &[&[1; 20], &0u32.to_le_bytes()]));
    assert_eq!(inception[70..], hash("key", &[&code.recovery(0).public::<[u8; 32]>()]));
    let link: Vec<u8> = chain.links()[0].clone().into();
    assert_eq!((link.len(), chain.head().0), (203, hash("identity link", &[&link[..139]])));
    check(
        "identity.json",
        "protocol.md §2: a recovery code, its keys, a school, a device",
        &json!({
            "recovery_code": { "bytes": hex([1; 20]), "text": code.to_text() },
            "root_keys": [root(0), root(1)],
            "recovery_key": {
                "number": 0, "seed": hex(code.recovery(0).seed()), "public": hex(code.recovery(0).public::<[u8; 32]>()),
            },
            "inception": hex(inception),
            "school": { "id": hex(chain.school().0), "text": chain.school().to_string() },
            "device": { "seed": hex(device.seed()), "public": hex(device.public::<[u8; 32]>()) },
            "link": { "rights": 7, "layout": hex(&link), "id": hex(chain.head().0), "signature": hex(&link[139..]) },
            "chain": hex(postcard::to_allocvec(&chain).unwrap()),
            "steps": steps().links().iter().map(described).collect::<Vec<_>>(),
            "frozen": frozen(),
        }),
    );
}

#[test]
fn charters() {
    let charter = charter();
    let whole = charter.whole();
    let complete = &whole.decisions[0];
    let decision: Vec<u8> = complete.decision.clone().into();
    let vote = postcard::to_allocvec(&complete.votes[0]).unwrap();
    assert_eq!(charter.space().0, hash("decision", &[&decision]));
    let (voter, device) = (complete.votes[0].school, complete.votes[0].device);
    let voted = hash("vote", &[&charter.space().0, &voter.0, &device.0, &[1]]);
    let operations: Vec<Json> = whole
        .operations
        .iter()
        .map(|operation| {
            let bytes: Vec<u8> = operation.clone().into();
            assert_eq!(operation.id().0, hash("operation", &[&bytes[..bytes.len() - 64]]));
            let act = match operation.act() {
                Act::Admit(_) => "admit",
                Act::Enrol(_) => "enrol",
                Act::Retire(_) => "retire",
                Act::Leave(_) => "leave",
            };
            json!({ "act": act, "layout": hex(&bytes), "id": hex(operation.id().0), "number": operation.number() })
        })
        .collect();
    assert_eq!(operations.len(), 3);
    let ids: Vec<u8> = whole.operations.iter().flat_map(|operation| operation.id().0).collect();
    let heads: Vec<u8> = charter.identities().iter().flat_map(|(_, chain)| chain.state_hash()).collect();
    let state = hash("charter state", &[&charter.space().0, &charter.space().0, &ids, &heads]);
    assert_eq!(charter.hash(), state);
    let resolved = charter.resolved();
    let members: BTreeMap<String, &str> =
        resolved.members.iter().map(|(school, member)| (hex(school.0), member.role.word())).collect();
    let writers: BTreeMap<String, Json> = resolved
        .writers
        .iter()
        .map(|(id, writer)| (hex(id.0), json!({ "school": hex(writer.school.0), "stands": writer.cut.unwrap().next })))
        .collect();
    check(
        "charter.json",
        "protocol.md §4: a space, who is in it, and what it resolves to",
        &json!({
            "identities": whole.identities.iter().map(|chain| hex(postcard::to_allocvec(chain).unwrap())).collect::<Vec<_>>(),
            "founding": {
                "name": "The Brook Cluster", "nonce": hex([4; 16]), "layout": hex(&decision),
                "id": hex(charter.space().0), "space": charter.space().to_string(),
            },
            "vote": { "signed_hash": hex(voted), "compact": hex(&vote) },
            "operations": operations,
            "state": hex(charter.hash()),
            "compact": hex(postcard::to_allocvec(&whole).unwrap()),
            "resolves_to": { "name": resolved.name, "members": members, "writers": writers },
        }),
    );
}

#[test]
fn entries() {
    let space = charter().space();
    let one = |entry: &Verified| {
        let (header, payload) = (entry.header(), entry.payload().unwrap());
        let (author, change) = payload.read().unwrap();
        let signed = entry.signed_bytes();
        assert_eq!(entry.id().0, hash("entry", &[&signed[..193]]));
        assert_eq!(header.commitment, hash("payload", &[payload.as_bytes()]));
        assert_eq!(header.actor(), hash("actor", &[&header.writer.0, &header.record.0, &[0]])[..16]);
        json!({
            "seq": header.seq, "prev": hex(header.prev.0), "clock": header.clock.0.to_string(), "kind": header.kind.byte(),
            "flags": header.flags, "rules": header.rules, "lane": header.lane, "change_seq": header.change_seq,
            "record": hex(header.record.0),
            "payload": {
                "salt": hex(&payload.as_bytes()[..16]), "author": author, "change": hex(change),
                "layout": hex(payload.as_bytes()), "commitment": hex(header.commitment), "length": header.length,
            },
            "header": hex(&signed[..193]), "id": hex(entry.id().0), "signature": hex(entry.signature()),
            "actor": hex(header.actor()),
        })
    };
    let (first, then) = (genesis(space), second(space));
    let place = hash("record", &[&space.0, &first.header().writer.0, &0u64.to_le_bytes()]);
    assert_eq!(first.header().record.0, place);
    let reach = Reach { next: 2, head: then.id() };
    let frontier = Frontier(BTreeMap::from([(then.header().writer, reach)]));
    let state = hash("frontier state", &[&then.header().writer.0, &2u64.to_le_bytes(), &then.id().0]);
    assert_eq!(frontier.hash(), state);
    check(
        "entries.json",
        "protocol.md §3: two entries of one log",
        &json!({
            "space": hex(space.0),
            "writer": { "seed": hex(writer().seed()), "public": hex(first.header().writer.0) },
            "entries": [one(&first), one(&then)],
            "frontier_state": hex(frontier.hash()),
        }),
    );
}

/// The words for the first 44 bits of a hash, by the published list.
fn four_words(hash: &[u8; 32]) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/charter/words.txt");
    let list = std::fs::read_to_string(path).unwrap();
    let list: Vec<&str> = list.lines().collect();
    let bits = u64::from_le_bytes(*hash.first_chunk().unwrap());
    let word = |at: u32| list[usize::try_from(bits >> (11 * at) & 2047).unwrap()];
    [0, 1, 2, 3].map(word).join(" ")
}

#[test]
fn tickets() {
    let (_, device, chain) = school(1);
    let (_, joiner_device, joiner) = school(0x41);
    let charter = charter();
    let ticket = Ticket {
        space: charter.space(),
        head: charter.resolved().head,
        school: chain,
        device: device.public(),
        addresses: vec!["/ip4/192.0.2.7/tcp/4960".to_owned()],
        role: Role::Contributor,
        secret: [5; 16],
        expires: Millis(1_800_000_000_000),
    };
    let compact = postcard::to_allocvec(&ticket).unwrap();
    let check_bytes = &hash("ticket check", &[&compact])[..4];
    let text = format!("staffroom1{}", to_text(&[&compact[..], check_bytes].concat()));
    assert_eq!(ticket.to_text(), text);
    assert_eq!(Ticket::parse(&text).unwrap(), ticket);
    let id = Ticket::id_of(&ticket.secret);
    assert_eq!(id.0, hash("ticket", &[&ticket.secret]));
    let (device, joiner_device) = (ticket.device, joiner_device.public());
    let (joiners, redeemers) = ([6; 32], [7; 32]);
    let commitment = commitment(&joiners);
    assert_eq!(commitment, hash("join commitment", &[&joiners]));
    let proof = Ticket::proof(&ticket.secret, ticket.space, device, joiner_device, joiner.school(), &commitment);
    let [secret, space, school]: [&[u8]; 3] = [&ticket.secret, &ticket.space.0, &joiner.school().0];
    let parts = [secret, space, &device.0, &joiner_device.0, school, &commitment];
    assert_eq!(proof, hash("ticket proof", &parts));
    let transcript = Transcript {
        secret: &ticket.secret,
        space: ticket.space,
        role: ticket.role,
        redeemer: device,
        joiner: joiner_device,
        school: joiner.school(),
        redeemers,
        joiners,
    };
    let words = transcript.words().to_string();
    let bits = hash("words", &[secret, space, &[2], &device.0, &joiner_device.0, school, &redeemers, &joiners]);
    assert_eq!(words, four_words(&bits));
    check(
        "tickets.json",
        "protocol.md §5: a ticket, the proof that a joiner knows its secret, and the four words",
        &json!({
            "secret": hex(ticket.secret), "expires": ticket.expires.0, "address": ticket.addresses[0],
            "head": { "number": ticket.head.0, "id": hex(ticket.head.1.0) },
            "compact": hex(&compact), "text": text, "id": hex(id.0),
            "joiner": { "school": hex(joiner.school().0), "device": hex(joiner_device.0) },
            "joiner's number": hex(joiners), "redeemer's number": hex(redeemers),
            "commitment": hex(commitment), "proof": hex(proof), "words": words,
        }),
    );
}

/// The third: the record is erased; with the proof.
fn erasure(space: SpaceId) -> (Verified, Erasure) {
    let (first, then) = (genesis(space), second(space));
    let payload = Payload::from_bytes(Vec::new());
    let header = header(space, 2, then.id(), EntryKind::Erase, first.header().record, &payload);
    let entry = Entry::sign(Header { change_seq: 0, ..header }, payload, &writer()).without_payload();
    let proof = Erasure::of(&entry, (first.header().writer, 0)).unwrap();
    (entry, proof)
}
fn receipt(space: SpaceId) -> Receipt {
    let (_, device, chain) = school(1);
    Receipt::sign(space, genesis(space).header().record, chain.school(), &device, Millis(1_800_000_060_000))
}
/// The mark of that record, made by hand from what the page says.
fn mark(space: SpaceId) -> erasure::Mark {
    let record = genesis(space).header().record;
    let receipt = hash("receipt", &[&Vec::from(receipt(space))[..136]]);
    let state = hash("erasures state", &[&record.0, &erasure(space).0.id().0, &receipt]);
    erasure::Mark { record, state: *state.first_chunk().unwrap() }
}

#[test]
fn erasures() {
    let space = charter().space();
    let ((entry, proof), receipt) = (erasure(space), receipt(space));
    proof.verify().unwrap();
    receipt.verify().unwrap();
    check(
        "erasures.json",
        "protocol.md §6.5: the record of entries.json is erased, and a device says that it is gone",
        &json!({
            "header": hex(&entry.signed_bytes()[..HEADER]), "signature": hex(entry.signature()), "id": hex(entry.id().0),
            "record": hex(entry.header().record.0), "genesis": { "writer": hex(entry.header().writer.0), "seq": 0 },
            "receipt": hex(Vec::from(receipt)),
            "mark": { "record": hex(mark(space).record.0), "state": hex(mark(space).state) },
            "state": hex(erasure::Mark::hash(&[mark(space)])),
        }),
    );
}

#[test]
fn frames() {
    let space = charter().space();
    let (first, then) = (genesis(space), second(space));
    let withheld = Entry::parse(then.signed_bytes(), None).unwrap();
    let frame = |message: &Message| {
        let frame = encode(message);
        assert_eq!(frame[1], 0, "what zstd makes is not the same in all its versions");
        assert_eq!(&decode(&frame, space).unwrap(), message);
        hex(frame)
    };
    let frontier = Frontier(BTreeMap::from([(first.header().writer, Reach { next: 1, head: first.id() })]));
    let hello = Hello {
        version: 0,
        space,
        charter: charter().hash(),
        erasures: erasure::Mark::hash(&[mark(space)]),
        frontier: frontier.hash(),
        credit: limits::CREDIT,
        answer: true,
    };
    check(
        "frames.json",
        "protocol.md §7: frames about the space and the entries of the other files",
        &json!({
            "hello": frame(&Message::Hello(hello)),
            "positions": frame(&Message::Positions(charter().positions())),
            "frontier": frame(&Message::Frontier(Mark::all(&frontier))),
            "entries": frame(&Message::Entries(vec![Run(vec![first.clone().into_entry()])])),
            "entries_withheld": frame(&Message::Entries(vec![Run(vec![withheld])])),
            "erasure_marks": frame(&Message::ErasureMarks(vec![mark(space)], true)),
            "erasures": frame(&Message::Erasures(Box::new(Part { erasures: vec![erasure(space).1], receipts: vec![receipt(space)] }), true)),
            "entries_erase": frame(&Message::Entries(vec![Run(vec![erasure(space).0.into_entry()])])),
            "held": frame(&Message::Held(vec![(first.header().writer, 2)], 1)),
            "aside": frame(&Message::Aside([7; 16])),
            "bye": frame(&Message::Bye(13)),
        }),
    );
}

#[test]
fn records() {
    let blob = |n: u8, name: &str| BlobRef {
        id: BlobId([n; 32]),
        name: name.to_owned(),
        bytes: 70_000,
        media_type: "image/png".to_owned(),
    };
    let fields = Fields::from([
        ("kind".into(), line("event")),
        ("title".into(), line("TeachMeet at Hillside")),
        ("programme".into(), text("Tea, then talks.\nÉveryone: 7 minutes. 👩‍🏫")),
        ("capacity".into(), Value::Number(60)),
        ("tags".into(), Value::set(["reading", "TeachMeet"])),
        ("attachments".into(), Value::Blobs(vec![blob(8, "map.png"), blob(9, "hall.png")])),
        ("extra".into(), Value::Extra(BTreeMap::from([("layout".into(), "\"event\"".into())]))),
    ]);
    let actor = [0xa1; 16];
    let genesis = write_genesis(actor, &fields);
    let hash = Change::read(&genesis).unwrap().header().hash;
    let mut document = Document::build([&genesis[..]]).unwrap();
    assert_eq!(document.fields(), &fields);
    let edits = BTreeMap::from([
        ("programme".to_owned(), text("Tea, then short talks.\nÉveryone: 7 minutes. 👩‍🏫")),
        ("tags".to_owned(), Value::set(["reading", "talk"])),
    ]);
    let edit = document.edit([0xb2; 16], None, &edits).unwrap().unwrap();
    let edited = Change::read(&edit).unwrap();
    assert_eq!(edited.header().deps, [hash]);
    let shown = |fields: &Fields| serde_json::to_value(fields).unwrap();
    check(
        "records.json",
        "protocol.md §6: the first change of a record, and an edit of it",
        &json!({
            "actor": hex(actor), "fields": shown(&fields), "genesis": hex(&genesis), "hash": hex(hash.0),
            "edit": {
                "actor": hex([0xb2; 16]), "change": hex(&edit), "hash": hex(edited.header().hash.0),
                "fields": shown(document.fields()),
            },
        }),
    );
}
