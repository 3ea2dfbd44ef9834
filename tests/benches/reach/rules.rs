//! The rules alone, in memory: entries signed, verified, admitted in a second.

use std::time::Instant;

use staffroom_protocol::Replica;
use staffroom_protocol::charter::{Redeemed, Role};
use staffroom_protocol::entropy::Entropy;
use staffroom_protocol::id::SpaceId;
use staffroom_protocol::identity::{Domain, IdentityChain, Inception, PublicKey, RecoveryCode, Rights, SecretKey};
use staffroom_protocol::log::Entry;
use staffroom_protocol::record::Fields;
use staffroom_protocol::record::field::Value;
use staffroom_protocol::replica::{Draft, Local};
use staffroom_protocol::store::MemoryStore;
use staffroom_protocol::sync::{Input, Message, Output, Session, decode, encode};
use staffroom_protocol::time::Millis;

use crate::row;

const COUNT: usize = 4_000;

pub(crate) fn school(n: u8) -> Replica<MemoryStore> {
    let code = RecoveryCode::from_random([n; 20]);
    let device = SecretKey::from_seed(&[n; 32]);
    let mut school = IdentityChain::new(Inception::new(&code));
    school.certify(&code.root(0), device.public(), Rights::ALL).expect("certifies");
    let me = Local { school, device, life: [n; 32] };
    Replica::open(MemoryStore::default(), me, Entropy::from_seed([n; 32])).expect("opens")
}

pub(crate) fn fields(n: usize) -> Fields {
    let body = "What we did, what the class said, what we would change. ".repeat(40);
    Fields::from([
        ("title".to_owned(), Value::Line(format!("Lesson {n}"))),
        ("body".to_owned(), Value::Text(body)),
        ("subjects".to_owned(), Value::set(["Mathematics"])),
        ("tags".to_owned(), Value::set(["fractions", "bar model"])),
    ])
}

fn per_second(count: usize, begun: Instant) -> f64 {
    count as f64 / begun.elapsed().as_secs_f64()
}

pub(crate) fn run() {
    let (mut hill, mut brook) = (school(1), school(2));
    let space = hill.found("The Brook Cluster").expect("founds");
    hill.flush().expect("flushes");
    let ticket = hill.invite(space, Role::Contributor, Millis(9), Vec::new()).expect("invites");
    let redeemed = hill.redeem(&brook.redemption(&ticket), brook.device(), Millis(0)).expect("redeems");
    let Redeemed::Admitted(_, charter) = redeemed else { panic!("a ticket that asks nobody") };
    hill.flush().expect("flushes");
    brook.join(&ticket, charter).expect("joins");
    brook.flush().expect("flushes");

    let (bare_sign, bare_verify) = bare_signatures();
    let begun = Instant::now();
    for n in 0..COUNT {
        let draft =
            Draft { space, kind: "resource".to_owned(), fields: fields(n), author: "Ada Brook".to_owned(), open: None };
        hill.create(&draft, Millis(5)).expect("creates");
    }
    let signed = per_second(COUNT, begun);
    hill.flush().expect("flushes");
    row(
        "records made and signed, a second, one core",
        signed,
        bare_sign,
        "/s",
        "bare ed25519 signatures; higher is better",
    );

    let entries = received(&mut hill, &mut brook, space);
    assert!(entries.len() >= COUNT);
    let begun = Instant::now();
    let verified = Entry::verify_all(entries.clone());
    row(
        "entries verified, a second, one core",
        per_second(verified.len(), begun),
        bare_verify,
        "/s",
        "bare strict ed25519 checks; higher is better",
    );
    let begun = Instant::now();
    let count = verified.len();
    for entry in verified {
        brook.admit(entry.expect("rightly signed"), Millis(9)).expect("admitted");
    }
    row(
        "verified entries admitted with their views, a second",
        per_second(count, begun),
        bare_verify,
        "/s",
        "checking the signature, which comes first; higher is better",
    );
}

/// Bare signatures and checks in a second, one core.
fn bare_signatures() -> (f64, f64) {
    let key = SecretKey::from_seed(&[5; 32]);
    let hashes: Vec<[u8; 32]> = (0u32..2_000).map(|n| *blake3::hash(&n.to_le_bytes()).as_bytes()).collect();
    let begun = Instant::now();
    let signatures: Vec<_> = hashes.iter().map(|hash| key.sign(Domain::Entry, hash)).collect();
    let sign = per_second(hashes.len(), begun);
    let public = PublicKey::parse(&key.public(), Domain::Entry).expect("a key");
    let begun = Instant::now();
    for (hash, signature) in hashes.iter().zip(&signatures) {
        public.verify(Domain::Entry, hash, signature).expect("holds");
    }
    (sign, per_second(hashes.len(), begun))
}

/// The entries that one school sends another, through a session's frames, without admitting any.
fn received(hill: &mut Replica<MemoryStore>, brook: &mut Replica<MemoryStore>, space: SpaceId) -> Vec<Entry> {
    let mut sessions = [Session::new(space, brook.device(), true), Session::new(space, hill.device(), false)];
    let mut queue: Vec<(usize, Input)> = vec![(1, Input::Opened), (0, Input::Opened)];
    let mut entries = Vec::new();
    while let Some((who, input)) = queue.pop() {
        let replica = if who == 0 { &mut *hill } else { &mut *brook };
        let mut outputs = sessions[who].handle(input, replica, Millis(1));
        replica.flush().expect("flushes");
        outputs.extend(sessions[who].handle(Input::Durable, replica, Millis(1)));
        for output in outputs {
            let Output::Send(message) = output else { continue };
            match decode(&encode(&message), space).expect("decodes") {
                Message::Entries(runs) if who == 0 => {
                    let batch: Vec<Entry> = runs.into_iter().flat_map(|run| run.0).collect();
                    let last = batch.last().map(|entry| (entry.header().writer, entry.header().seq + 1));
                    entries.extend(batch);
                    queue.push((0, Input::Message(Message::Held(last.into_iter().collect(), 1))));
                }
                Message::Entries(_) => {}
                message => queue.insert(0, (1 - who, Input::Message(message))),
            }
        }
    }
    entries
}
