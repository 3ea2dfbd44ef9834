//! Devices of our own school, and the sheet that its keys come from.

use staffroom_protocol::catalogue::Catalogue;
use staffroom_protocol::charter::{Claim, DeviceRedemption, Missing, Presented};
use staffroom_protocol::fault::Fault;
use staffroom_protocol::id::{DeviceId, IdPrefix, SpaceId};
use staffroom_protocol::identity::{IdentityChain, RecoveryCode, Rights};
use staffroom_protocol::limits;
use staffroom_protocol::record::field::Value;
use staffroom_protocol::replica::{Draft, Space};
use tokio::sync::oneshot;

use super::desk::Desk;
use super::names::{failed, reachable, school_name};
use super::{profile, wall_clock};
use crate::api::{Answer, Code, Device, Failure, Secret, Sheet};

/// What the network asks the engine about devices.
pub enum DeviceCommand {
    /// A device has a ticket of our school.
    Redeem {
        /// What it sent.
        redemption: DeviceRedemption,
        /// The device, authenticated by the transport.
        joiner: DeviceId,
        /// The charters of our spaces, or the one refusal.
        answer: oneshot::Sender<Result<Vec<(SpaceId, Missing)>, Fault>>,
    },
    /// A device claims a member school with its sheet.
    Claimed {
        /// What it sent.
        claim: Claim,
        /// The device, authenticated by the transport.
        from: DeviceId,
        /// The charters of the spaces that both are in, or the one refusal.
        answer: oneshot::Sender<Result<Vec<(SpaceId, Missing)>, Fault>>,
    },
    /// What proves to others that our school belongs to a space: parts of its charter, in order.
    Presentation {
        /// The space.
        space: SpaceId,
        /// The parts.
        answer: oneshot::Sender<Vec<Missing>>,
    },
    /// Whether this node holds a space.
    Holds(SpaceId, oneshot::Sender<bool>),
    /// A device that is not known presents a part of a charter.
    Presented {
        /// The space that it is about.
        space: SpaceId,
        /// The part.
        part: Box<Missing>,
        /// The device, authenticated by the transport.
        device: DeviceId,
        /// What it came to, durably, or why it was refused.
        answer: oneshot::Sender<Result<Presented, Fault>>,
    },
    /// A chain that certifies a device which was not known.
    Identity {
        /// The chain.
        chain: Box<IdentityChain>,
        /// Whether it was taken.
        answer: oneshot::Sender<Result<(), Fault>>,
    },
    /// This store, which holds nothing, becomes one of this school.
    Enter {
        /// The school's chain; it certifies this device.
        chain: Box<IdentityChain>,
        /// The charters of its spaces.
        charters: Vec<(SpaceId, Missing)>,
        /// Whether it did.
        answer: oneshot::Sender<Result<(), Fault>>,
    },
}

impl Desk {
    /// Stages what is asked; the answer waits for the flush.
    pub(super) fn device(&mut self, command: DeviceCommand) {
        match command {
            DeviceCommand::Redeem { redemption, joiner, answer } => {
                let result = self.replica.redeem_device(&redemption, joiner, wall_clock());
                if result.is_ok() {
                    // From now on the school's own space is synced too: it has to say where.
                    profile::publish_addresses(self);
                }
                self.later(answer, result, |fault| Err(fault.clone()));
            }
            DeviceCommand::Claimed { claim, from, answer } => {
                let _ = answer.send(self.replica.claimed(&claim, from));
            }
            DeviceCommand::Presentation { space, answer } => {
                let school = self.replica.school();
                let charter = self.replica.space(&space).map(Space::durable_charter);
                let parts = charter.map(|charter| charter.presentation(&school, limits::PRESENTED));
                let _ = answer.send(parts.unwrap_or_default());
            }
            DeviceCommand::Holds(space, answer) => {
                let _ = answer.send(self.replica.space(&space).is_ok());
            }
            DeviceCommand::Presented { space, part, device, answer } => {
                let result = self.replica.admit_presented(space, *part, &device);
                self.later(answer, result, |fault| Err(fault.clone()));
            }
            DeviceCommand::Identity { chain, answer } => {
                let result = self.replica.admit_identity(&chain);
                self.later(answer, result, |fault| Err(fault.clone()));
            }
            DeviceCommand::Enter { chain, charters, answer } => {
                let result = self.replica.enter(*chain, charters);
                self.later(answer, result, |fault| Err(fault.clone()));
            }
        }
    }
}

/// Every device that ever acted for the school and still does, or was revoked.
pub(super) fn list(desk: &Desk) -> Answer {
    let chain = desk.replica.identity();
    let ours = desk.replica.device();
    let words = |rights: Rights| {
        let all = [(Rights::WRITE, "write"), (Rights::ADMIT_DEVICE, "admit-device"), (Rights::GOVERN, "govern")];
        all.into_iter().filter(|(right, _)| rights.include(*right)).map(|(_, word)| word.to_owned()).collect()
    };
    let acting = chain.devices().into_iter().map(|(device, rights)| Device {
        device,
        rights: words(rights),
        ours: device == ours,
        revoked: false,
    });
    let revoked = chain.revocations().keys().map(|device| Device {
        device: *device,
        rights: Vec::new(),
        ours: *device == ours,
        revoked: true,
    });
    Answer::Devices { devices: acting.chain(revoked).collect(), frozen: chain.is_frozen() }
}

/// Revokes a device of ours; what is held of it here stands.
pub(super) fn revoke(desk: &mut Desk, asked: &str, code: Option<&Secret>) -> Result<Answer, Failure> {
    let prefix = IdPrefix::parse(asked).ok().filter(|_| asked.len() >= 4);
    let devices = desk.replica.identity().devices();
    let found: Vec<DeviceId> =
        devices.keys().filter(|device| prefix.as_ref().is_some_and(|p| p.matches(&device.0))).copied().collect();
    let [device] = found[..] else {
        let what = if found.is_empty() { "no device" } else { "more than one device" };
        return Err(Failure::new(
            Code::NotFound,
            format!("{what} of this school has an id that starts with {asked:?}"),
        )
        .hint("share device list shows them; at least four letters"));
    };
    let ours = desk.replica.device();
    if device == ours {
        return Err(Failure::new(Code::Refused, "this is the device that you are working on")
            .hint("revoke it from another device of the school"));
    }
    let root = code.map(parsed).transpose()?;
    if root.as_ref().is_some_and(|code| !desk.replica.identity().is_under(code)) {
        return Err(wrong_sheet());
    }
    let only_writes = devices.get(&device) == Some(&Rights::WRITE);
    if root.is_none() && !(only_writes && desk.replica.rights(&ours).include(Rights::ADMIT_DEVICE)) {
        return Err(Failure::new(Code::Refused, "revoking this device takes the recovery code")
            .hint("share device revoke DEVICE --code asks for it"));
    }
    let stands = desk.replica.held_of(&device);
    let revoked = desk.replica.change_identity(|chain, ours| match &root {
        Some(code) => chain.revoke(&code.root(0), device, stands),
        None => chain.revoke(ours, device, stands),
    });
    revoked.map_err(failed)?;
    Ok(list(desk))
}

/// A ticket for a further device.
pub(super) fn invite(desk: &mut Desk, expires_in: u64) -> Result<Answer, Failure> {
    if desk.listen.is_empty() {
        return Err(Failure::new(Code::Failed, "an invitation needs a running node, which the new device can reach")
            .hint("start it in another window: share serve"));
    }
    let expires = wall_clock().plus(expires_in.saturating_mul(1000));
    let invited = desk.replica.invite_device(expires, reachable(&desk.listen));
    let ticket = invited.map_err(|fault| match fault {
        Fault::NoRight { .. } => Failure::new(Code::Refused, "this device may not admit others")
            .hint("share device list shows which one may; make the ticket there"),
        fault => failed(fault),
    })?;
    Ok(Answer::DeviceTicket { ticket: ticket.to_text(), expires: expires.0 })
}

/// What the sheet says besides the code.
pub(super) fn sheet(desk: &Desk) -> Result<Answer, Failure> {
    let snapshot = desk.snapshot()?;
    let school = desk.replica.school();
    let own = desk.replica.own_space().unwrap_or_default();
    let mut reach: Vec<String> = Vec::new();
    for partnership in desk.partnerships() {
        let full = |address: &&String| address.contains("/p2p/");
        if let Some(address) = partnership.addresses.iter().find(full).filter(|address| !reach.contains(address)) {
            reach.push(address.clone());
        }
    }
    reach.truncate(4);
    Ok(Answer::Sheet(Box::new(Sheet {
        school: school_name(&snapshot, &own, &school),
        device: desk.replica.device(),
        identity: desk.replica.identity().clone(),
        reach,
    })))
}

/// Replaces all keys that come from one code by those of another.
pub(super) fn renew(desk: &mut Desk, old: &Secret, new: &Secret) -> Result<Answer, Failure> {
    let (old, new) = (parsed(old)?, parsed(new)?);
    if !desk.replica.identity().is_under(&old) {
        return Err(wrong_sheet());
    }
    desk.replica.change_identity(|chain, _| chain.renew(&old, &new)).map_err(failed)?;
    sheet(desk)
}

/// The school's own space, where a school started again without one: with the profile that a cluster
/// has of it, or with a name.
pub(super) fn own_space(desk: &mut Desk, name: Option<&str>) -> Result<Answer, Failure> {
    if desk.replica.own_space().is_none() {
        let school = desk.replica.school();
        let spaces: Vec<SpaceId> = desk.replica.spaces().map(|(id, _)| *id).collect();
        let snapshot = desk.snapshot()?;
        let known = spaces.iter().find_map(|space| Catalogue(&snapshot).profile(space, &school).ok().flatten());
        let mut fields = known.map(|card| card.fields).unwrap_or_default();
        fields.remove("kind");
        fields.remove("addresses");
        if let Some(name) = name {
            fields.insert("title".to_owned(), Value::Line(name.trim().to_owned()));
        }
        fields.entry("title".to_owned()).or_insert_with(|| Value::Line(school.short()));
        let space = desk.replica.found("").map_err(failed)?;
        let draft = Draft { space, kind: "school".to_owned(), fields, author: String::new(), open: None };
        desk.replica.create(&draft, wall_clock()).map_err(|fault| Failure::new(Code::Usage, fault.to_string()))?;
    }
    Ok(list(desk))
}

fn parsed(code: &Secret) -> Result<RecoveryCode, Failure> {
    RecoveryCode::parse(&code.0).ok_or_else(|| {
        Failure::new(Code::Usage, "that is not a recovery code: it has eight groups of four letters and digits")
    })
}

fn wrong_sheet() -> Failure {
    Failure::new(Code::Refused, "this code is not on the sheet that counts")
        .hint("look for a newer sheet: `share key rotate` makes the ones before it void")
}
