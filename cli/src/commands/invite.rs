//! `share invite`: a ticket for another school.

use clap::{Args, ValueEnum};
use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};
use serde_json::json;
use staffroom_node::api::{Answer, Failure, Request};
use staffroom_protocol::charter::Role;

use crate::context::Context;
use crate::failure::{Done, unexpected, usage};
use crate::output::{one_line, width};
use crate::when;

/// Make a ticket with which another school joins; needs a running node
#[derive(Args)]
#[command(after_help = "Examples:\n  share invite\n  share invite --role reader --expires 12h\n\n\
    The school that uses the ticket waits until you confirm it: both screens show the same four words.\n\
    With --no-confirm whoever holds the ticket is admitted at once; hand such a one over in private.")]
pub(crate) struct Invite {
    /// The cluster; not needed while there is only one
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// What the school may do
    #[arg(long, default_value = "contributor")]
    role: Admitted,
    /// How long the ticket is good for: 7d, 12h, 30m
    #[arg(long, default_value = "7d", value_name = "TIME")]
    expires: String,
    /// Admit at once whoever holds the ticket, without comparing four words
    #[arg(long)]
    no_confirm: bool,
}

/// The roles that a ticket may give.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Admitted {
    /// Shares and edits
    Contributor,
    /// Holds what the others share
    Reader,
}

impl Admitted {
    pub(crate) fn role(self) -> Role {
        match self {
            Self::Contributor => Role::Contributor,
            Self::Reader => Role::Reader,
        }
    }
}

/// A length of time.
pub(super) fn seconds(text: &str) -> Result<u64, Failure> {
    let wrong = || usage(format!("{text:?} is not a length of time")).hint("write it as 7d, 12h or 30m");
    when::duration(text).ok_or_else(wrong)
}

impl Invite {
    pub(super) fn run(&self, context: &Context) -> Done {
        let expires_in = seconds(&self.expires)?;
        let role = self.role.role();
        let request = Request::Invite { cluster: self.cluster.clone(), role, expires_in, confirm: !self.no_confirm };
        let Answer::Ticket { ticket, expires, space } = context.client()?.ask(request)? else {
            return Err(unexpected().into());
        };
        let out = &context.out;
        out.json(&json!({
            "ticket": ticket,
            "expires": when::rfc3339(expires),
            "space": space,
            "confirm": !self.no_confirm,
        }))?;
        out.remark(&format!(
            "A ticket to {}, good once, until {}:\n",
            one_line(&space.name),
            when::moment(expires, &when::now())
        ))?;
        out.say(&ticket)?;
        if out.to_terminal()
            && let Some(picture) = picture(&ticket)
        {
            out.remark(&format!("\n{picture}"))?;
        }
        out.remark(if self.no_confirm { AT_ONCE } else { CONFIRMED })
    }
}

const AT_ONCE: &str =
    "\nHand it over in private: whoever holds it is admitted at once. There they type:\n  share join TICKET";
const CONFIRMED: &str = "\nHand it over. There they type:\n  share join TICKET\n\
    Their screen then shows four words. Let them read the words to you, on the telephone or in the room; if\n\
    share status shows the same ones, it is them:\n  share school confirm WORDS";

/// The ticket as a QR code, where it fits the terminal. In capitals it takes fewer squares; a ticket
/// may be read either way.
fn picture(ticket: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(ticket.to_uppercase(), EcLevel::L).ok()?;
    let fits = code.width() + 8 <= width();
    fits.then(|| code.render::<Dense1x2>().quiet_zone(true).build())
}
