//! The recovery sheet: what to print, sign and lock away. As text, or as a page of A4.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use staffroom_node::api::{Code, Failure};
use staffroom_protocol::id::{DeviceId, SchoolId};

use crate::failure::Done;
use crate::output::one_line;
use crate::when;

/// What is on it.
pub(crate) struct Sheet {
    /// The school's name.
    pub(crate) name: String,
    /// Its id.
    pub(crate) school: SchoolId,
    /// The device that printed it.
    pub(crate) device: DeviceId,
    /// The code.
    pub(crate) code: String,
    /// Full addresses of nodes that know the school.
    pub(crate) reach: Vec<String>,
}

/// What it is for, how it is used, where it is kept: a heading and sentences each, commands in backticks.
const TOLD: [(&str, &[&str]); 3] = [
    (
        "What this sheet is for",
        &[
            "The code proves who the school is. It is needed if the school's machine is lost, broken or stolen, and to let another machine decide for the school.",
            "It is stored on no machine. Nobody can send another one.",
        ],
    ),
    (
        "How to use it",
        &[
            "On a new machine, with the full address of a partner's node: `share key recover --from ADDRESS`. With a backup: `share restore FILE` instead.",
            "Then end the lost machine: `share device list`, `share device revoke DEVICE --code`",
            "If somebody else may have seen the code: `share key rotate --sheet FILE`. It makes a new sheet, and this one void.",
            "Once a year, to see that the paper still counts: `share key sheet`",
        ],
    ),
    (
        "Where to keep it",
        &[
            "With the school's keys: in the safe, a second print at another place. Not beside the machine, not as a photograph, not in a mail.",
            "Whoever holds it can act as the school.",
        ],
    ),
];

const LINES: [&str; 3] = ["Printed and checked by", "Kept at", "Date and signature"];
const NOTE: &str = "A partner's address (share status shows it at the partner's)";

impl Sheet {
    fn facts(&self) -> [(&'static str, String); 4] {
        let today = when::now().strftime("%-d %B %Y").to_string();
        [
            ("School", one_line(&self.name)),
            ("School id", self.school.to_string()),
            ("Printed by device", self.device.to_string()),
            ("Date", today),
        ]
    }
    /// As text.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("STAFFROOM RECOVERY SHEET\n\n  {}\n\n", self.code);
        for (name, value) in self.facts() {
            text.push_str(&format!("  {name:18} {value}\n"));
        }
        text.push_str(&format!("\n{NOTE}\n"));
        for address in &self.reach {
            text.push_str(&format!("  {}\n", one_line(address)));
        }
        text.push_str("  ________________________________________\n");
        for (heading, sentences) in TOLD {
            text.push_str(&format!("\n{heading}\n"));
            for sentence in sentences {
                text.push_str(&format!("  - {}\n", sentence.replace('`', "")));
            }
        }
        text.push('\n');
        for line in LINES {
            text.push_str(&format!("{line:24} ________________________________\n"));
        }
        text
    }
    /// As a page that a browser prints on one A4 sheet.
    pub(crate) fn html(&self) -> String {
        let facts: String =
            self.facts().iter().map(|(name, value)| format!("<dt>{name}</dt><dd>{}</dd>\n", escaped(value))).collect();
        let reach: String =
            self.reach.iter().map(|address| format!("<li><code>{}</code></li>", escaped(address))).collect();
        let told: String = TOLD
            .iter()
            .map(|(heading, sentences)| {
                let items: String =
                    sentences.iter().map(|sentence| format!("<li>{}</li>", with_commands(sentence))).collect();
                format!("<h2>{heading}</h2>\n<ul>{items}</ul>\n")
            })
            .collect();
        let lines: String = LINES.iter().map(|line| format!("<p class=\"line\"><span>{line}</span></p>\n")).collect();
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n<title>Recovery sheet: {name}</title>\n\
             <style>\n{STYLE}</style>\n</head>\n<body>\n<h1>Staffroom recovery sheet</h1>\n<p class=\"code\">{code}</p>\n\
             <dl>\n{facts}</dl>\n<h2>{NOTE}</h2>\n<ul>{reach}<li class=\"blank\"></li></ul>\n{told}{lines}</body>\n</html>\n",
            name = escaped(&one_line(&self.name)),
            code = escaped(&self.code),
        )
    }
    /// Writes it into a new file that only this user reads: a page where its name ends in html.
    pub(crate) fn write(&self, path: &Path) -> Done {
        let page = path.extension().is_some_and(|ending| ending == "html" || ending == "htm");
        let text = if page { self.html() } else { self.text() };
        let written = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
        Ok(written.map_err(|error| cannot_write(path, &error))?)
    }
    /// Whether [`Self::write`] could write there, before anything is begun.
    pub(crate) fn check(path: &Path) -> Done {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let error = if path.exists() {
            std::io::Error::from(std::io::ErrorKind::AlreadyExists)
        } else if folder.is_dir() {
            return Ok(());
        } else {
            std::io::Error::from(std::io::ErrorKind::NotFound)
        };
        Err(cannot_write(path, &error).into())
    }
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Code::Failed, format!("the sheet cannot be written to {}: {error}", path.display()))
        .hint("name a new file in a folder that is there: --sheet sheet.html")
}

const STYLE: &str = "@page { size: A4; margin: 18mm; }\n\
body { font: 11pt/1.4 Georgia, serif; color: #000; background: #fff; max-width: 174mm; margin: 0 auto; }\n\
h1 { font-size: 18pt; margin: 0 0 6mm; }\nh2 { font-size: 12pt; margin: 5mm 0 1mm; }\n\
.code { font: 700 17pt/1.6 ui-monospace, monospace; border: 0.6mm solid #000; padding: 4mm; text-align: center; }\n\
dl { display: grid; grid-template-columns: 40mm 1fr; margin: 4mm 0; }\ndt { font-weight: 700; }\n\
dd { margin: 0; overflow-wrap: anywhere; }\nul { margin: 0; padding-left: 6mm; }\ncode { font: 9.5pt ui-monospace, monospace; overflow-wrap: anywhere; }\n\
.command { white-space: nowrap; }\n@media screen { body { padding: 6mm 5mm; } }\n\
.blank { height: 7mm; border-bottom: 0.2mm solid #000; list-style: none; }\n\
.line { border-bottom: 0.2mm solid #000; margin: 9mm 0 0; }\n.line span { font-size: 9pt; }\n";

/// A sentence as HTML, what stands in backticks as a command.
fn with_commands(sentence: &str) -> String {
    let parts = sentence.split('`').map(escaped).enumerate();
    let part = |(n, part): (usize, String)| match n % 2 {
        0 => part,
        _ => format!("<code class=\"command\">{part}</code>"),
    };
    parts.map(part).collect()
}

/// Text as HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(name: &str) -> Sheet {
        Sheet {
            name: name.to_owned(),
            school: SchoolId([1; 32]),
            device: DeviceId([2; 32]),
            code: "ABCD-EFGH".to_owned(),
            reach: vec!["/ip4/192.0.2.7/tcp/4960/p2p/<b>".to_owned()],
        }
    }

    #[test]
    fn a_name_is_text_on_the_page() {
        let page = sheet("<script>Hill & Dale\"").html();
        assert!(!page.contains("<script>") && !page.contains("<b>"));
        assert!(page.contains("&lt;script&gt;Hill &amp; Dale&quot;") && page.contains("ABCD-EFGH"));
        assert!(!page.contains("http"), "a sheet loads nothing");
    }

    #[test]
    fn a_sheet_never_replaces_a_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("sheet.txt");
        assert!(Sheet::check(&path).is_ok() && sheet("Hill").write(&path).is_ok());
        assert!(Sheet::check(&path).is_err() && sheet("Brook").write(&path).is_err());
        assert!(fs::read_to_string(&path).expect("written").contains("Hill"));
        assert!(Sheet::check(&folder.path().join("none").join("sheet.txt")).is_err());
    }
}
