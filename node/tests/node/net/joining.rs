//! A person confirms who joins, over real sockets.

use std::time::{Duration, Instant};

use futures::io::AsyncReadExt;
use staffroom_node::api::{Answer, Code, Failure, Request, WaitingSchool};
use staffroom_protocol::charter::{DeviceTicket, Role};
use staffroom_protocol::identity::SecretKey;
use staffroom_protocol::sync::DeviceAsk;

use super::ground::{JOIN, School, Stranger, eventually, send};

const LONG: u64 = 60_000;

/// A ticket whose holder waits.
async fn ask_first(school: &School, cluster: &str) -> String {
    let cluster = Some(cluster.to_owned());
    let invite = Request::Invite { cluster, role: Role::Reader, expires_in: 3600, confirm: true };
    match school.ask(invite).await {
        Answer::Ticket { ticket, .. } => ticket,
        other => panic!("not a ticket: {other:?}"),
    }
}

/// Joins without waiting; the words that the screen shows.
async fn words(school: &School, ticket: &str) -> String {
    match school.ask(Request::Join { ticket: ticket.to_owned(), wait: 0 }).await {
        Answer::Waits { words, .. } => words,
        other => panic!("it does not wait: {other:?}"),
    }
}

async fn waiting(school: &School) -> Vec<WaitingSchool> {
    school.status().await.spaces.into_iter().flat_map(|space| space.waiting).collect()
}

/// Joins and waits, beside what follows.
fn joining(school: &School, ticket: &str) -> tokio::task::JoinHandle<Result<Answer, Failure>> {
    let (running, ticket) = (school.running.clone(), ticket.to_owned());
    tokio::spawn(async move { running.ask(Request::Join { ticket, wait: LONG }).await })
}

async fn two() -> (School, School) {
    let (hill, brook) = (School::start("Hillside Primary").await, School::start("Brook Academy").await);
    hill.found("The Valley Cluster").await;
    (hill, brook)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_hears_of_the_confirmation_at_once() {
    let (hill, brook) = two().await;
    let ticket = ask_first(&hill, "The Valley Cluster").await;
    let shown = words(&brook, &ticket).await;
    let waits = waiting(&hill).await;
    assert_eq!(waits.len(), 1);
    assert_eq!((waits[0].words.as_ref(), waits[0].role), (Some(&shown), Role::Reader));
    assert_eq!(waits[0].school.name, "Brook Academy");

    let joining = joining(&brook, &ticket);
    for wrong in ["zoo zoo zoo zoo", "zoo", "", "not of the list at all"] {
        let refused = hill.running.ask(Request::Confirm { words: wrong.to_owned() }).await.expect_err("wrong words");
        assert_eq!(refused.code, Code::NotFound);
        assert!(refused.hints.iter().any(|hint| hint == "Brook Academy waits"), "{refused:?}");
        assert!(!refused.hints.iter().any(|hint| hint.contains(&shown)), "the words are not given away: {refused:?}");
    }
    assert!(!joining.is_finished());
    let said = shown.to_uppercase().replace(' ', "-");
    let confirmed = hill.ask(Request::Confirm { words: said }).await;
    let began = Instant::now();
    let Answer::Confirmed { school, role, .. } = confirmed else { panic!("not confirmed: {confirmed:?}") };
    assert_eq!((school.name.as_str(), role), ("Brook Academy", Role::Reader));
    let joined = joining.await.expect("it ends").expect("admitted");
    assert!(
        matches!(&joined, Answer::Joined { space, words: Some(_) } if space.name == "The Valley Cluster"),
        "{joined:?}"
    );
    assert!(began.elapsed() < Duration::from_secs(3), "heard after {:?}", began.elapsed());
    assert!(waiting(&hill).await.is_empty());
    // Whoever asks again is told the same.
    assert!(matches!(brook.ask(Request::Join { ticket, wait: 0 }).await, Answer::Joined { .. }));
}

/// A school that had many devices over the years: its chain alone is larger than a stranger's first frame.
#[tokio::test(flavor = "multi_thread")]
async fn a_school_with_a_long_identity_joins() {
    let (hill, brook) = two().await;
    for number in 0..30 {
        let Answer::DeviceTicket { ticket, .. } = brook.ask(Request::InviteDevice { expires_in: 600 }).await else {
            panic!("not a ticket")
        };
        let (ticket, seed) = (DeviceTicket::parse(&ticket).expect("a ticket"), [100 + number; 32]);
        let ask = DeviceAsk::Join(ticket.redemption(SecretKey::from_seed(&seed).public()));
        let mut laptop = Stranger::connect(brook.address(), seed).await.expect("connected");
        let mut stream = laptop.open(JOIN).await.expect("open to strangers");
        send(&mut stream, &ask.to_bytes()).await;
        let mut admitted = [0; 5];
        stream.read_exact(&mut admitted).await.expect("an answer");
        assert_eq!(admitted, [2, 0, 0, 0, 0]);
    }
    let ticket = hill.invite().await;
    let joined = brook.ask(Request::Join { ticket, wait: 0 }).await;
    assert!(matches!(&joined, Answer::Joined { space, .. } if space.name == "The Valley Cluster"), "{joined:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_refused_hears_it_at_once() {
    let (hill, brook) = two().await;
    let ticket = ask_first(&hill, "The Valley Cluster").await;
    let shown = words(&brook, &ticket).await;
    let joining = joining(&brook, &ticket);
    let unknown =
        hill.running.ask(Request::Refuse { school: "Coast School".to_owned(), time: None }).await.expect_err("unknown");
    assert_eq!((unknown.code, &unknown.hints[..]), (Code::NotFound, &["Brook Academy waits".to_owned()][..]));
    hill.ask(Request::Refuse { school: "brook academy".to_owned(), time: None }).await;
    let refused = joining.await.expect("it ends").expect_err("refused");
    assert_eq!(refused.code, Code::Refused);
    let gone = hill.running.ask(Request::Confirm { words: shown }).await.expect_err("nobody waits");
    assert_eq!(gone.code, Code::NotFound);
    let again = brook.running.ask(Request::Join { ticket, wait: 0 }).await.expect_err("used up");
    assert_eq!(again, refused);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_starts_anew_still_knows_who_waits() {
    let (hill, brook) = two().await;
    let ticket = ask_first(&hill, "The Valley Cluster").await;
    let shown = words(&brook, &ticket).await;
    let joining = joining(&brook, &ticket);
    let address = hill.address().to_string();
    let listen = address.split("/p2p/").next().expect("an address").to_owned();
    hill.running.stop().await;
    // Nothing is waited for by the clock: the joiner asks again by itself.
    let node = hill.node.as_ref().expect("open");
    let again = node.run(Some(vec![listen]), Some(false)).await.expect("run again");
    let Answer::Confirmed { .. } = again.ask(Request::Confirm { words: shown }).await.expect("it waits") else {
        panic!("not confirmed")
    };
    let joined = joining.await.expect("it ends");
    assert!(matches!(joined, Ok(Answer::Joined { .. })), "{joined:?}");
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_may_wait_than_streams_are_held() {
    let hill = School::start("Hillside Primary").await;
    hill.found("The Valley Cluster").await;
    let mut joiners = Vec::new();
    for number in 0..10 {
        let school = School::start(&format!("School {number}")).await;
        let ticket = ask_first(&hill, "The Valley Cluster").await;
        let joining = joining(&school, &ticket);
        joiners.push((school, joining));
    }
    eventually("all wait", Duration::from_secs(20), async || {
        let all = waiting(&hill).await;
        all.len() == 10 && all.iter().all(|school| school.words.is_some())
    })
    .await;
    for waits in waiting(&hill).await {
        hill.ask(Request::Confirm { words: waits.words.expect("shown") }).await;
    }
    for (_school, joining) in joiners {
        assert!(matches!(joining.await.expect("it ends"), Ok(Answer::Joined { .. })));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_waits_on_the_line_that_syncs() {
    let (hill, brook) = super::two_schools().await;
    hill.found("The Coast Cluster").await;
    let ticket = ask_first(&hill, "The Coast Cluster").await;
    let shown = words(&brook, &ticket).await;
    let joining = joining(&brook, &ticket);
    hill.ask(Request::Confirm { words: shown }).await;
    assert!(matches!(joining.await.expect("it ends"), Ok(Answer::Joined { .. })));
}
