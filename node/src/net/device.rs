//! A further device of a school joins, or starts its school again from the sheet: both ends of what
//! `/staffroom/join/1` has for them (§3.9). One that presents itself is in `present`.
//!
//! As for schools, every refusal is the same and takes the same time.

use std::sync::Arc;

use libp2p::swarm::Stream;
use libp2p::{Multiaddr, multiaddr::Protocol};
use staffroom_protocol::charter::{Claim, DeviceTicket, Missing};
use staffroom_protocol::fault::Fault;
use staffroom_protocol::id::{DeviceId, SchoolId, SpaceId};
use staffroom_protocol::identity::{IdentityChain, RecoveryCode, Rights};
use staffroom_protocol::limits;
use staffroom_protocol::sync::{DeviceAsk, Joined, SpacePart};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::info;

use super::frame::{self, NoFrame, REFUSAL_TIME};
use super::join::{ANSWER_TIME, CHARTER_TIME, DIAL_TIME, busy};
use super::roster::Line;
use super::streams::{JOIN, NotOpened};
use super::{Shared, peer, present};
use crate::api::{Code, Failure};
use crate::engine::{Command, DeviceCommand};

/// The charters of all spaces, as they came.
type Charters = Vec<(SpaceId, Missing)>;

/// Redeems a ticket at the device that issued it, and makes this store one of that school.
pub(super) async fn join(shared: &Arc<Shared>, ticket: &DeviceTicket) -> Result<IdentityChain, Failure> {
    let addresses = peer::dialable(&ticket.addresses, &ticket.device);
    let (line, _held, mut stream) = reach(shared, ticket.device, addresses).await?;
    let ask = DeviceAsk::Join(ticket.redemption(shared.engine.device()));
    let charters = ask_for_charters(&mut stream, &line, &ask).await?;
    let chain = chain_of(&charters, |chain| chain.school() == ticket.school)?;
    let (ours, theirs) = (chain.rights(&shared.engine.device()), chain.rights(&ticket.device));
    if ours.is_none() || theirs.is_none() {
        return Err(does_not_hold("it does not certify both devices"));
    }
    enter(shared, &chain, charters).await?;
    Ok(chain)
}

/// Starts a school again on this device: takes what a partner knows of it, certifies this device with
/// the root key of the sheet, and tells the partner.
pub(super) async fn recover(shared: &Arc<Shared>, from: &str, code: &RecoveryCode) -> Result<IdentityChain, Failure> {
    let (device, address) = place(from)?;
    let (line, _held, mut stream) = reach(shared, device, vec![address]).await?;
    let ours = shared.engine.device();
    let ask = DeviceAsk::Claim(Claim::sign(&code.root(0), device, ours));
    let charters = ask_for_charters(&mut stream, &line, &ask).await?;
    let mut chain = chain_of(&charters, |chain| chain.is_under(code))?;
    let certified = chain.certify(&code.root(0), ours, Rights::ALL);
    certified.map_err(|fault| does_not_hold(&fault.to_string()))?;
    let told = async {
        frame::write(&mut stream, &chain.to_bytes()).await?;
        frame::flush(&mut stream).await
    };
    told.await.map_err(|_| broke())?;
    admitted(&mut stream, &line).await?;
    enter(shared, &chain, charters).await?;
    Ok(chain)
}

/// The device and the address that a full multiaddress names.
fn place(text: &str) -> Result<(DeviceId, Multiaddr), Failure> {
    let wrong = || {
        Failure::new(Code::Usage, format!("{text:?} is not the full address of a node"))
            .hint("it looks like /ip4/10.0.0.5/tcp/4960/p2p/12D3Koo…; share status shows it at the partner's")
    };
    let address: Multiaddr = text.parse().map_err(|_| wrong())?;
    let Some(Protocol::P2p(named)) = address.iter().last() else { return Err(wrong()) };
    let device = peer::device_of(&named).ok_or_else(wrong)?;
    Ok((device, peer::plain(address, named).ok_or_else(wrong)?))
}

/// Connects, and opens a stream to join on.
async fn reach(
    shared: &Arc<Shared>,
    device: DeviceId,
    addresses: Vec<Multiaddr>,
) -> Result<(Arc<Line>, OwnedSemaphorePermit, Stream), Failure> {
    if device == shared.engine.device() {
        return Err(Failure::new(Code::Usage, "that is this very node"));
    }
    let dialled = timeout(DIAL_TIME, shared.dial(device, addresses)).await;
    dialled.unwrap_or_else(|_| Err("no answer".to_owned())).map_err(|why| unreachable(&why))?;
    let line = shared.roster.line_to(&device).ok_or_else(broke)?;
    let held = line.turn().await.ok_or_else(busy)?;
    let stream = shared.open(&line, JOIN).await.map_err(|why| match why {
        NotOpened::NotOffered => unreachable("no Staffroom node answers there"),
        NotOpened::Gone => broke(),
    })?;
    Ok((line, held, stream))
}

async fn ask_for_charters(stream: &mut Stream, line: &Line, ask: &DeviceAsk) -> Result<Charters, Failure> {
    let sent = async {
        frame::write(stream, &ask.to_bytes()).await?;
        frame::flush(stream).await
    };
    sent.await.map_err(|_| broke())?;
    let count = admitted(stream, line).await?;
    let receiving = async {
        let mut parts = Vec::new();
        for _ in 0..count {
            let part = frame::read(stream, line, limits::FRAME).await?;
            parts.push(SpacePart::parse(&part).map_err(NoFrame::Fault)?);
        }
        Ok(parts)
    };
    match timeout(CHARTER_TIME, receiving).await {
        Ok(Ok(parts)) => Ok(SpacePart::join(parts)),
        Ok(Err(NoFrame::Fault(fault))) => Err(does_not_hold(&fault.to_string())),
        Ok(Err(NoFrame::Ended)) | Err(_) => Err(broke()),
    }
}

/// How many parts follow, where it was not a refusal.
async fn admitted(stream: &mut Stream, line: &Line) -> Result<u32, Failure> {
    let answer = frame::read_within(stream, line, limits::JOIN_FRAME, ANSWER_TIME).await.map_err(|_| broke())?;
    match Joined::of_device(&answer) {
        Ok(Joined::Admitted(parts)) => Ok(parts),
        Ok(Joined::Refused) => Err(refused()),
        Ok(Joined::Compare(_) | Joined::Waiting | Joined::More) => {
            Err(does_not_hold("a device is not asked for words"))
        }
        Err(fault) => Err(does_not_hold(&fault.to_string())),
    }
}

/// What the charters say of the school that is meant, merged.
fn chain_of(charters: &Charters, is_ours: impl Fn(&IdentityChain) -> bool) -> Result<IdentityChain, Failure> {
    let chains = || charters.iter().flat_map(|(_, part)| &part.identities);
    let school: SchoolId = chains().find(|chain| is_ours(chain)).map(IdentityChain::school).ok_or_else(refused)?;
    let mut ours = chains().filter(|chain| chain.school() == school);
    let first = ours.next().cloned().ok_or_else(refused)?;
    let merged = ours.try_fold(first, |mut merged, chain| merged.merge(chain).map(|_| merged));
    merged.map_err(|fault| does_not_hold(&fault.to_string()))
}

async fn enter(shared: &Shared, chain: &IdentityChain, charters: Charters) -> Result<(), Failure> {
    let chain = Box::new(chain.clone());
    let entering = |answer| Command::Device(DeviceCommand::Enter { chain, charters, answer });
    let entered = shared.engine.query(entering).await.ok_or_else(stopped)?;
    entered.map_err(|fault| does_not_hold(&fault.to_string()))?;
    // The connection is one of partners from now on, and is synced over without a pause.
    let _ = shared.partnerships().await;
    shared.refresh.notify_one();
    Ok(())
}

/// Answers a device that asks.
pub(super) async fn answer(
    shared: &Shared,
    line: &Line,
    stream: &mut Stream,
    ask: Result<DeviceAsk, Fault>,
    began: Instant,
) -> std::io::Result<()> {
    let brings_chain = matches!(ask, Ok(DeviceAsk::Claim(_)));
    let parts = match ask {
        Ok(DeviceAsk::Present) => return present::hear(shared, line, stream).await,
        Ok(ask) => charters(shared, line.device, ask).await.and_then(|charters| SpacePart::all(charters).ok()),
        Err(_) => None,
    };
    let Some(parts) = parts else { return refuse(shared, stream, line, began).await };
    let count = u32::try_from(parts.len()).unwrap_or(u32::MAX);
    frame::write(stream, &Joined::Admitted(count).to_bytes()).await?;
    for part in parts {
        frame::write(stream, &part.to_bytes()).await?;
    }
    frame::flush(stream).await?;
    if brings_chain {
        let chain = frame::read_within(stream, line, limits::FRAME, line.times.ask).await;
        let began = Instant::now();
        let taken = match chain {
            Ok(chain) => take_chain(shared, line, &chain).await,
            Err(_) => false,
        };
        if !taken {
            return refuse(shared, stream, line, began).await;
        }
        frame::write(stream, &Joined::Admitted(0).to_bytes()).await?;
        frame::flush(stream).await?;
    }
    info!(device = %line.device.short(), "a device of a school is known now");
    Ok(())
}

async fn charters(shared: &Shared, from: DeviceId, ask: DeviceAsk) -> Option<Charters> {
    let found = match ask {
        DeviceAsk::Join(redemption) => {
            let redeem = |answer| Command::Device(DeviceCommand::Redeem { redemption, joiner: from, answer });
            let found = shared.engine.query(redeem).await;
            // It may open a sync stream the moment it has the charters.
            let _ = shared.partnerships().await;
            shared.refresh.notify_one();
            found
        }
        DeviceAsk::Present => None,
        DeviceAsk::Claim(claim) => {
            shared.engine.query(|answer| Command::Device(DeviceCommand::Claimed { claim, from, answer })).await
        }
    };
    found.and_then(Result::ok)
}

/// Takes the chain that certifies the device which sent it.
async fn take_chain(shared: &Shared, line: &Line, frame: &[u8]) -> bool {
    let Ok(chain) = IdentityChain::parse(frame) else { return false };
    if chain.rights(&line.device).is_none() {
        return false;
    }
    let chain = Box::new(chain);
    let taken = shared.engine.query(|answer| Command::Device(DeviceCommand::Identity { chain, answer })).await;
    let _ = shared.partnerships().await;
    shared.refresh.notify_one();
    taken.is_some_and(|taken| taken.is_ok()) && shared.roster.is_member(&line.device)
}

/// The one refusal, a while after the question.
pub(super) async fn refuse(shared: &Shared, stream: &mut Stream, line: &Line, began: Instant) -> std::io::Result<()> {
    info!(device = %line.device.short(), "a device was refused");
    shared.refused(line.device, "it did not prove that it acts for a school".to_owned()).await;
    sleep_until(began + REFUSAL_TIME).await;
    frame::write(stream, &Joined::Refused.to_bytes()).await?;
    frame::flush(stream).await
}

fn unreachable(why: &str) -> Failure {
    Failure::new(Code::Unreachable, format!("the other node was not reached: {why}"))
        .hint("is it running, and can this machine reach its address? Then try again")
}

fn broke() -> Failure {
    unreachable("the connection broke off")
}

fn refused() -> Failure {
    Failure::new(Code::Refused, "the other node refuses: the ticket was used, has expired or was altered, or the code is not on the sheet that counts")
        .hint("make a new ticket with `share device invite`, or look for the newest sheet")
}

fn does_not_hold(why: &str) -> Failure {
    Failure::new(Code::Refused, format!("what came back does not hold: {why}"))
        .hint("try again with another partner's node")
}

fn stopped() -> Failure {
    Failure::new(Code::Failed, "the node is stopping")
}
