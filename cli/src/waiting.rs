//! Waiting until partners are in step: what `sync` and `join` share.

use std::thread;
use std::time::{Duration, Instant};

use staffroom_node::api::{Answer, Partner, PartnerState, Request, Status};
use staffroom_protocol::id::SpaceId;

use crate::client::Client;
use crate::failure::{Done, unexpected};

/// How often the node is asked, at first and later.
const EVERY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(250));
/// Until when it is asked often.
const AT_FIRST: Duration = Duration::from_secs(5);
/// How long a partner that has not answered is waited for, while another is in step.
const SILENT: Duration = Duration::from_secs(4);
/// How long is waited while none has answered.
const NONE: Duration = Duration::from_secs(15);

/// How the waiting ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waited {
    /// In step with every partner that was reached, one at least.
    InStep,
    /// Reached, and not in step when the time was up.
    Behind,
    /// None was reached.
    Unreached,
}

/// The partners of a space, or of all.
pub(crate) fn partners(status: &Status, space: Option<SpaceId>) -> impl Iterator<Item = &Partner> {
    let asked = status.spaces.iter().filter(move |s| space.is_none_or(|space| s.id == space));
    asked.flat_map(|space| &space.partners)
}

/// Polls the node until its partners are in step or the time is up.
pub(crate) fn wait(
    client: &mut Client,
    space: Option<SpaceId>,
    most: Duration,
    look: &mut dyn FnMut(&Status),
) -> Done<(Waited, Status)> {
    let began = Instant::now();
    loop {
        let Answer::Status(status) = client.ask(Request::Status)? else { return Err(unexpected().into()) };
        look(&status);
        let passed = began.elapsed();
        let waited = judge(partners(&status, space).map(|partner| partner.state), passed, most);
        if let Some(waited) = waited {
            return Ok((waited, *status));
        }
        let pause = if passed < AT_FIRST { EVERY.0 } else { EVERY.1 };
        thread::sleep(pause.min(most.saturating_sub(passed)));
    }
}

/// Whether it is over.
fn judge(states: impl Iterator<Item = PartnerState>, passed: Duration, most: Duration) -> Option<Waited> {
    let (mut in_step, mut behind, mut unheard) = (0, 0, 0);
    for state in states {
        *match state {
            PartnerState::InStep => &mut in_step,
            PartnerState::Behind => &mut behind,
            PartnerState::Unheard => &mut unheard,
        } += 1;
    }
    let up = passed >= most;
    match (in_step, behind, unheard) {
        (0, 0, 0) => Some(Waited::Unreached),
        (0, 0, _) => (up || passed >= NONE).then_some(Waited::Unreached),
        (_, 0, 0) => Some(Waited::InStep),
        (_, 0, _) => (up || passed >= SILENT).then_some(Waited::InStep),
        _ => up.then_some(Waited::Behind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use PartnerState::{Behind, InStep, Unheard};

    #[test]
    fn waiting_ends_when_everyone_reached_is_in_step() {
        let minute = Duration::from_mins(1);
        let after =
            |states: &[PartnerState], seconds| judge(states.iter().copied(), Duration::from_secs(seconds), minute);
        assert_eq!(after(&[InStep, InStep], 0), Some(Waited::InStep));
        assert_eq!(after(&[InStep, Unheard], 1), None);
        assert_eq!(after(&[InStep, Unheard], 5), Some(Waited::InStep));
        assert_eq!(after(&[InStep, Behind], 30), None);
        assert_eq!(after(&[InStep, Behind], 60), Some(Waited::Behind));
        assert_eq!(after(&[Unheard], 3), None);
        assert_eq!(after(&[Unheard], 20), Some(Waited::Unreached));
        assert_eq!(after(&[], 0), Some(Waited::Unreached));
    }
}
