//! `share init`: sets a school up.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};
use staffroom_node::api::{Code, Failure};
use staffroom_node::{Home, NewSchool, SetUp};

use crate::context::Context;
use crate::failure::{Done, Ended, failed, usage};
use crate::output::Output;
use crate::sheet::Sheet;

/// Set a school up in this home, without running a node
#[derive(Args)]
#[command(after_help = "Example:\n  share init --school \"Hillside Primary\" --phase primary --place Brookton")]
pub(crate) struct Init {
    /// The school's name
    #[arg(long, value_name = "NAME")]
    school: Option<String>,
    /// The ages it teaches: nursery, primary, middle, secondary, sixth form, all-through, special
    #[arg(long)]
    phase: Option<String>,
    /// Where it is
    #[arg(long)]
    place: Option<String>,
    /// Write the recovery sheet into a new file: a page to print where its name ends in .html
    #[arg(long, value_name = "FILE")]
    sheet: Option<PathBuf>,
}

impl Init {
    pub(super) fn run(&self, context: &Context) -> Done {
        let school = named(self.school.as_deref(), self.phase.as_deref(), self.place.as_deref())?;
        self.sheet.as_deref().map_or(Ok(()), Sheet::check)?;
        let made = set_up(&context.home, &school)?;
        let out = &context.out;
        let document = json!({
            "school": made.school,
            "device": made.device,
            "home": context.home.path(),
            "recovery_code": made.recovery_code,
        });
        tell(out, &context.home, &made, &document)?;
        if let Some(path) = &self.sheet {
            let (school, code) = (&made.school, made.recovery_code.clone());
            let (name, reach) = (school.name.clone(), Vec::new());
            Sheet { name, school: school.id, device: made.device, code, reach }.write(path)?;
            out.remark(&format!("\nThe sheet to print is in {}; delete it once it is printed.", path.display()))?;
        }
        out.remark("\nWhat next:\n  share publish FILE    shares a page or a folder of them\n  share serve           runs the node, so that partners can reach it")
    }
}

/// A school out of flags.
pub(super) fn named(name: Option<&str>, phase: Option<&str>, place: Option<&str>) -> Done<NewSchool> {
    let name = name.map(str::trim).filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| usage("a school needs a name").hint("share init --school \"Hillside Primary\""))?;
    let line = |text: Option<&str>| text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let school = NewSchool { name: name.to_owned(), phase: line(phase), place: line(place) };
    let kind = staffroom_protocol::record::kind::Kind::named("school");
    let fields = school.fields();
    let wrong = kind.and_then(|kind| staffroom_protocol::record::kind::check(kind, &fields).err());
    match wrong {
        Some(invalid) => Err(usage(invalid.to_string()).into()),
        None => Ok(school),
    }
}

/// Sets up, and says which folder could not be used.
pub(super) fn set_up(home: &Home, school: &NewSchool) -> Done<SetUp> {
    if home.path().is_file() {
        let message = format!("{} is a file; a node lives in a folder", home.path().display());
        return Err(Failure::new(Code::Usage, message).hint("choose another folder with --home").into());
    }
    Ok(home.set_up(school)?)
}

/// Tells what was made. The recovery code is printed this once: where that failed, nobody has it, and the
/// set-up is taken back.
pub(super) fn tell(out: &Output, home: &Home, made: &SetUp, document: &Value) -> Done {
    let told = out.json(document).and_then(|()| out.say(&words(home, made)));
    told.or_else(|ended| {
        home.undo_set_up()?;
        let why = match ended {
            Ended::Failed(failure) => failure.message,
            Ended::With(_) | Ended::Unread => "nobody reads the output".to_owned(),
        };
        let failure = failed(format!("nothing is set up, since the recovery code could not be shown: {why}"));
        Err(failure.hint("the same command may be tried again").into())
    })
}

fn words(home: &Home, made: &SetUp) -> String {
    format!(
        "{} is set up.\n\n  home    {}\n  school  {}\n  device  {}\n\nRecovery code, printed this once:\n\n  {}\n\n\
         Write it down and keep it where your school keeps its keys. If this machine is lost, it proves who the\n\
         school is. It exists nowhere else, and nobody can send you another.",
        made.school.name,
        home.path().display(),
        made.school.id,
        made.device,
        made.recovery_code,
    )
}
