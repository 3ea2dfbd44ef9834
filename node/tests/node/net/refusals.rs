//! Tickets that admit nobody tell nothing: not by what is answered, and not by when.

use std::time::{Duration, Instant};

use futures::io::AsyncReadExt;
use staffroom_node::api::{Answer, Request};
use staffroom_protocol::charter::{Admission, Join, Role, Ticket, commitment};
use staffroom_protocol::id::SpaceId;
use staffroom_protocol::identity::{Domain, IdentityChain, Inception, RecoveryCode, Rights, SecretKey};

use super::ground::{JOIN, School, Stranger, send};

/// How often each kind is tried.
const ROUNDS: usize = 15;
/// How far apart the middles of two kinds may be: far less than the answer takes, far more than a busy
/// machine adds to one kind only.
const APART: Duration = Duration::from_millis(20);
/// What every refusal is, to its last byte.
const REFUSED: [u8; 5] = [1, 0, 0, 0, 1];

async fn ticket(school: &School, expires_in: u64, confirm: bool) -> Ticket {
    let invite = Request::Invite { cluster: None, role: Role::Contributor, expires_in, confirm };
    let Answer::Ticket { ticket, .. } = school.ask(invite).await else { panic!("not a ticket") };
    Ticket::parse(&ticket).expect("a ticket")
}

/// What a school with the device of this seed sends with a ticket, and its chain. Its text has a valid check.
fn redemption(ticket: &Ticket, seed: [u8; 32]) -> (Vec<u8>, Vec<u8>) {
    let ticket = Ticket::parse(&ticket.to_text()).expect("a ticket with a valid check");
    let code = RecoveryCode::from_random([seed[0]; 20]);
    let device = SecretKey::from_seed(&seed);
    let mut school = IdentityChain::new(Inception::new(&code));
    school.certify(&code.root(0), device.public(), Rights::ALL).expect("certified");
    let id = Ticket::id_of(&ticket.secret);
    let accepted = Admission::acceptance_hash(ticket.space, id, school.school(), ticket.role);
    let commitment = commitment(&seed);
    let (joiner, by) = (device.public(), school.school());
    let join = Join {
        ticket: id,
        proof: Ticket::proof(&ticket.secret, ticket.space, ticket.device, joiner, by, &commitment),
        commitment,
        name: "Brook Academy".to_owned(),
        school: by,
        acceptance: device.sign(Domain::Acceptance, &accepted),
    };
    (join.to_bytes(), school.to_bytes())
}

/// What says that the chain may follow.
const MORE: [u8; 5] = [1, 0, 0, 0, 4];

/// Sends a question, and the chain where it is asked for. Gives back the stream, which lives as long as
/// the stranger, what came first after that, and after how long.
async fn asked(
    school: &School,
    seed: [u8; 32],
    (join, chain): &(Vec<u8>, Vec<u8>),
) -> (Stranger, libp2p::Stream, [u8; 5], Duration) {
    let mut stranger = Stranger::connect(school.address(), seed).await.expect("connected");
    let mut stream = stranger.open(JOIN).await.expect("open to strangers");
    let sent = Instant::now();
    send(&mut stream, join).await;
    let mut first = [0; 5];
    stream.read_exact(&mut first).await.expect("an answer");
    let took = sent.elapsed();
    if first == MORE {
        send(&mut stream, chain).await;
        stream.read_exact(&mut first).await.expect("an answer");
    }
    (stranger, stream, first, took)
}

/// Everything that comes back, and after how long it began.
async fn answer(school: &School, seed: [u8; 32], join: &(Vec<u8>, Vec<u8>)) -> (Vec<u8>, Duration) {
    let (_stranger, mut stream, first, took) = asked(school, seed, join).await;
    let mut bytes = first.to_vec();
    stream.read_to_end(&mut bytes).await.expect("to its end");
    (bytes, took)
}

fn quantile(times: &mut [Duration], of: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() - 1) * of / 4]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_is_the_same_after_the_same_time() {
    let hill = School::start("Hillside Primary").await;
    hill.found("The Valley Cluster").await;
    let used = ticket(&hill, 3600, false).await;
    let (admitted, _) = answer(&hill, [50; 32], &redemption(&used, [50; 32])).await;
    assert_eq!(admitted[4], 0, "the ticket is good, and used from now on");
    let waiting = ticket(&hill, 3600, true).await;
    let brook = School::start("Brook Academy").await;
    brook.ask(Request::Join { ticket: waiting.to_text(), wait: 0 }).await;
    let good = ticket(&hill, 3600, true).await;
    let kinds = [
        ("used", used),
        ("held by another school", waiting),
        ("expired", ticket(&hill, 0, true).await),
        ("of a wrong secret", Ticket { secret: [9; 16], ..good.clone() }),
        ("of a wrong space", Ticket { space: SpaceId([9; 32]), ..good.clone() }),
        ("of another role", Ticket { role: Role::Reader, ..good.clone() }),
    ];
    let mut times = vec![Vec::new(); kinds.len()];
    for round in 0..ROUNDS {
        for at in 0..kinds.len() {
            // Each kind comes at each place of a round.
            let kind = (at + round) % kinds.len();
            let seed = [u8::try_from(60 + round).expect("small"); 32];
            let (bytes, took) = answer(&hill, seed, &redemption(&kinds[kind].1, seed)).await;
            assert_eq!(bytes, REFUSED, "a ticket {}", kinds[kind].0);
            assert!(took >= Duration::from_millis(250), "a ticket {}: {took:?}", kinds[kind].0);
            times[kind].push(took);
        }
    }
    for of in [1, 2, 3] {
        let all: Vec<Duration> = times.iter_mut().map(|times| quantile(times, of)).collect();
        let (first, last) = (all.iter().min().expect("kinds"), all.iter().max().expect("kinds"));
        assert!(last.saturating_sub(*first) < APART, "quarter {of} of {:?}: {all:?}", kinds.map(|(name, _)| name));
    }
    // The one that is good is good still: none of the altered ones took it.
    let (_stranger, _stream, compare, _) = asked(&hill, [51; 32], &redemption(&good, [51; 32])).await;
    assert_eq!(compare, [33, 0, 0, 0, 2], "a number to compare");
}
