//! One record as a page of Markdown or as an object of JSON, and back, field by field.
//!
//! ```text
//! ---
//! kind: resource
//! title: Fractions on a number line
//! key_stages:
//!   - KS2
//! attachments:
//!   - { "name": "line.png", "file": "../files/k3v9xq/line.png", … }
//! staffroom: { "version": 1, "id": "k3v9xq…", "school": "Hillside Primary", … }
//! ---
//!
//! The text, byte for byte.
//! ```
//!
//! Fields stand under their own names. What came from the record rather than from a person is under
//! `staffroom`. Fields that this writing cannot hold exactly (a text with a zero byte, a field that this
//! program does not know, a value of another type than its field's) stand once more under `exact`, and
//! that counts when it is read.

use std::{
    fmt::Write as _,
    fs,
    io::Read as _,
    path::{Component, Path, PathBuf},
};

use jiff::tz::TimeZone;
use serde_json::{Map, Value as Json, json};
use staffroom_protocol::{
    id::RecordId,
    record::{
        field::{BlobRef, FieldType, Fields, Value},
        kind::Kind,
        references,
    },
};

use super::{
    super::{
        draft::{Attachment, Draft},
        folder::unreadable,
        form::scalar,
        front_matter,
        import::{Found, Origin},
        json::{fields_from_json_in, value_to_json},
        markdown,
        refusal::{Reason, Refusal},
        yaml,
    },
    FILES, VERSION,
};

/// How long a page may be, in bytes: all fields at their longest, once plainly and once exactly.
const LONGEST: u64 = 8 << 20;
/// How many values its front matter may have.
const VALUES: usize = 20_000;

/// A record that is exported.
#[derive(Debug, Clone)]
pub struct Exported {
    /// Its id.
    pub id: RecordId,
    /// Its kind.
    pub kind: String,
    /// Its fields, all of them; the attachments among them.
    pub fields: Fields,
    /// The school that made it: its name and its id.
    pub school: (String, String),
    /// The space it lives in: its name and its id.
    pub space: (String, String),
    /// When it was made, milliseconds since 1970.
    pub created: u64,
    /// When it was changed last, milliseconds since 1970.
    pub updated: u64,
    /// Whether every school of the space may edit it.
    pub open: bool,
}

/// Where the files of a record lie in the export, as far as they do: name by name, in their order.
pub type Places = Vec<(BlobRef, Option<String>)>;

impl Exported {
    /// What comes from the record rather than from a person.
    fn envelope(&self) -> Json {
        json!({
            "version": VERSION,
            "id": self.id.to_string(),
            "school": self.school.0,
            "school_id": self.school.1,
            "space": self.space.0,
            "space_id": self.space.1,
            "created": rfc3339(self.created),
            "updated": rfc3339(self.updated),
            "editable_by": if self.open { "cluster" } else { "school" },
        })
    }

    /// The fields that people give, without what stands elsewhere.
    fn said(&self) -> Fields {
        let mut said = self.fields.clone();
        said.retain(|name, value| name != "kind" && name != "attachments" && !value.is_empty());
        said
    }

    fn is_same(&self, read: &Result<Found, Refusal>) -> bool {
        let (said, kind) = (self.said(), Kind::named(&self.kind));
        read.as_ref().is_ok_and(|found| {
            let names = said.keys().eq(found.draft.fields.keys());
            found.draft.kind == self.kind
                && names
                && said.iter().all(|(name, value)| same(kind, name, value, &found.draft.fields[name]))
        })
    }

    /// The page of Markdown; files are named by their paths from the folder that the page is in.
    pub fn to_markdown(&self, files: &Places) -> String {
        let page = self.page(files, false);
        if self.is_same(&of_text("", &page, None)) { page } else { self.page(files, true) }
    }

    fn page(&self, files: &Places, exactly: bool) -> String {
        let (kind, said) = (Kind::named(&self.kind), self.said());
        let body = kind.and_then(|kind| kind.body).filter(|body| matches!(said.get(*body), Some(Value::Text(_))));
        let mut page = format!("---\nkind: {}\n", scalar(&self.kind));
        let declared: Vec<&str> = kind.map(|kind| kind.fields().map(|field| field.name).collect()).unwrap_or_default();
        let others = said.keys().map(String::as_str).filter(|name| !declared.contains(name));
        for name in declared.iter().copied().chain(others).filter(|name| Some(*name) != body) {
            if let Some(value) = said.get(name) {
                write_field(&mut page, kind, name, value);
            }
        }
        if !files.is_empty() {
            page.push_str("attachments:\n");
            for file in files {
                let _ = writeln!(page, "  - {}", flow(&attachment_to_json(file)));
            }
        }
        let _ = writeln!(page, "staffroom: {}", flow(&self.envelope()));
        if exactly {
            let _ = writeln!(page, "exact: {}", scalar(&exact(&said)));
        }
        page.push_str("---\n\n");
        // A file with a zero byte is none of text; such a body stands exactly, and only there.
        let text = body.and_then(|body| said[body].as_str()).filter(|text| !text.contains('\0'));
        page.push_str(text.unwrap_or_default());
        page
    }

    /// The line of JSON, without its end; files are named by their paths from the top of the export.
    pub fn to_json_line(&self, files: &Places) -> String {
        let line = self.object(files, false);
        let read = of_map(line.clone(), None, None);
        let line = if self.is_same(&read) { line } else { self.object(files, true) };
        Json::Object(line).to_string()
    }

    fn object(&self, files: &Places, exactly: bool) -> Map<String, Json> {
        let (kind, said) = (Kind::named(&self.kind), self.said());
        let mut object = Map::from_iter([("kind".to_owned(), Json::from(self.kind.as_str()))]);
        let plain = said.iter().filter(|(name, _)| !OURS.contains(&name.as_str()));
        object.extend(plain.map(|(name, value)| (name.clone(), value_to_json(kind, name, value))));
        if !files.is_empty() {
            object.insert("attachments".to_owned(), files.iter().map(attachment_to_json).collect());
        }
        object.insert("staffroom".to_owned(), self.envelope());
        if exactly {
            object.insert("exact".to_owned(), Json::from(exact(&said)));
        }
        object
    }
}

/// Keys of a page that are no fields.
const OURS: [&str; 4] = ["kind", "attachments", "staffroom", "exact"];

fn exact(fields: &Fields) -> String {
    serde_json::to_string(fields).expect("maps with keys of text are JSON")
}

/// Whether a field is the same after it was read back; of ordered references, in order and line.
fn same(kind: Option<&'static Kind>, name: &str, before: &Value, after: &Value) -> bool {
    let references = kind.and_then(|kind| kind.field(name)).is_some_and(|f| f.field_type == FieldType::References);
    match (before, after) {
        (Value::Extra(before), Value::Extra(after)) if references => {
            references::read(before) == references::read(after)
        }
        _ => before == after,
    }
}

fn write_field(page: &mut String, kind: Option<&'static Kind>, name: &str, value: &Value) {
    if OURS.contains(&name) {
        return;
    }
    let key = scalar(name);
    // Writing to a string cannot fail.
    let _ = match value {
        Value::Text(text) | Value::Line(text) => writeln!(page, "{key}: {}", scalar(text)),
        Value::Number(number) => writeln!(page, "{key}: {number}"),
        Value::Set(members) => {
            let list: Vec<String> = members.iter().map(|member| scalar(member)).collect();
            writeln!(page, "{key}:\n  - {}", list.join("\n  - "))
        }
        Value::Extra(_) | Value::Blobs(_) => match value_to_json(kind, name, value) {
            Json::Object(map) => {
                let _ = writeln!(page, "{key}:");
                map.iter().try_for_each(|(inner, json)| writeln!(page, "  {}: {}", scalar(inner), flow(json)))
            }
            Json::Array(items) => {
                let _ = writeln!(page, "{key}:");
                items.iter().try_for_each(|item| writeln!(page, "  - {}", flow(item)))
            }
            other => writeln!(page, "{key}: {}", flow(&other)),
        },
    };
}

/// JSON on one line of YAML, characters that YAML has no place for escaped.
fn flow(json: &Json) -> String {
    match json {
        Json::String(text) => scalar(text),
        Json::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Json::Object(map) => {
            let pairs: Vec<String> = map.iter().map(|(key, json)| format!("{}: {}", quoted(key), flow(json))).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        other => other.to_string(),
    }
}

/// A key between quotation marks, whatever is in it.
fn quoted(key: &str) -> String {
    let bare = scalar(key);
    if bare.starts_with('"') { bare } else { format!("\"{bare}\"") }
}

fn attachment_to_json((blob, file): &(BlobRef, Option<String>)) -> Json {
    let mut json = json!({
        "name": blob.name, "file": file, "bytes": blob.bytes, "media_type": blob.media_type, "id": blob.id.to_string()
    });
    if let (None, Json::Object(map)) = (file, &mut json) {
        map.remove("file");
    }
    json
}

/// A moment in UTC, as RFC 3339 writes it.
fn rfc3339(millis: u64) -> String {
    let moment = i64::try_from(millis).ok().and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok());
    moment.map(|moment| moment.to_string()).unwrap_or_default()
}

/// Whether an object is a record of an export.
pub fn is_exported(map: &Map<String, Json>) -> bool {
    map.get("staffroom").is_some_and(|envelope| envelope["version"].is_u64() && envelope["id"].is_string())
}

/// Reads a page of an export; its files lie in the export's folder.
pub fn of_file(path: &Path, export: &Path) -> Result<Found, Refusal> {
    let what = path.strip_prefix(export).unwrap_or(path).display().to_string();
    let failed = |error: std::io::Error| unreadable(&what, &error);
    let file = fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(failed)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > LONGEST) {
        return Err(Refusal::new(what, Reason::PageTooLong(bytes.len() - 1)));
    }
    of_text(&what, markdown::decode(&what, &bytes)?, Some(export))
}

/// Reads the text of a page.
fn of_text(what: &str, text: &str, export: Option<&Path>) -> Result<Found, Refusal> {
    let refuse = |why| Refusal::new(what, why);
    let (yaml, body) = front_matter::parts(text).ok_or_else(|| refuse(Reason::NoOrigin))?;
    let bytes = usize::try_from(LONGEST).unwrap_or(usize::MAX);
    let map = yaml::to_json_within(yaml, VALUES, bytes).map_err(|fault| match fault {
        yaml::Fault::TooMuch(why) => refuse(Reason::FrontMatterTooMuch(why)),
        yaml::Fault::Duplicate(key) => refuse(Reason::DuplicateKey { key }),
        yaml::Fault::Syntax { message, line } => {
            let refusal = refuse(Reason::NotYaml(message));
            line.map_or(refusal.clone(), |line| refusal.at_line(line.saturating_add(1)))
        }
    })?;
    match map {
        Json::Object(map) if is_exported(&map) => of_map(map, Some(body), export).map_err(|refusal| Refusal {
            what: if what.is_empty() { refusal.what } else { what.to_owned() },
            ..refusal
        }),
        _ => Err(refuse(Reason::NoOrigin)),
    }
}

/// Reads the fields of an exported record; `body` is what stands below them.
pub fn of_map(mut map: Map<String, Json>, body: Option<&str>, export: Option<&Path>) -> Result<Found, Refusal> {
    let what = "the record";
    let envelope = map.remove("staffroom").unwrap_or_default();
    if envelope["version"].as_u64().is_none_or(|version| version > VERSION) {
        return Err(Refusal::new(what, Reason::NewerExport));
    }
    let id = envelope["id"].as_str().and_then(|id| id.parse().ok());
    let id: RecordId = id.ok_or_else(|| Refusal::new(what, Reason::NoOrigin))?;
    let open = match envelope["editable_by"].as_str() {
        Some("cluster") => Some(true),
        Some("school") => Some(false),
        _ => None,
    };
    let name = map.remove("kind").and_then(|kind| kind.as_str().map(str::to_owned)).unwrap_or_default();
    let files = map.remove("attachments").unwrap_or_default();
    let exact = map.remove("exact").and_then(|exact| exact.as_str().map(str::to_owned));
    let (mut fields, mut warnings) = match (exact, Kind::named(&name)) {
        (Some(exact), _) => {
            let fields = serde_json::from_str(&exact)
                .map_err(|error| Refusal::new(what, Reason::NotJson(format!("exact: {error}"))))?;
            (fields, Vec::new())
        }
        (None, None) => return Err(Refusal::new(what, Reason::UnknownKind(name.chars().take(60).collect()))),
        (None, Some(kind)) => {
            let (mut fields, warnings) = fields_from_json_in(kind, &map, &TimeZone::UTC)?;
            if let (Some(field), Some(text)) = (kind.body, body.filter(|text| !text.is_empty())) {
                fields.insert(field.to_owned(), Value::Text(text.to_owned()));
            }
            (fields, warnings)
        }
    };
    fields.retain(|name: &String, value: &mut Value| name != "attachments" && !value.is_empty());
    let attachments = attachments(&files, export, &mut warnings);
    let draft = Draft { kind: name, fields, attachments, warnings };
    Ok(Found { draft, origin: Some(Origin { id, open }), only_known: false })
}

/// The files of a record that the export has.
fn attachments(files: &Json, export: Option<&Path>, warnings: &mut Vec<String>) -> Vec<Attachment> {
    let mut found = Vec::new();
    for file in files.as_array().map(Vec::as_slice).unwrap_or_default() {
        let text = |key: &str| file[key].as_str().unwrap_or_default().to_owned();
        let name = text("name");
        let path = export.and_then(|export| place(export, &text("file")));
        let length = path.as_ref().and_then(|path| fs::metadata(path).ok()).filter(fs::Metadata::is_file);
        match (path, length) {
            (Some(path), Some(about)) => {
                found.push(Attachment { name, path, bytes: about.len(), media_type: text("media_type") });
            }
            _ => warnings.push(format!("{name} was not exported with it")),
        }
    }
    found
}

/// Where a file of an export is: only below its folder of files, links and steps upwards left out.
fn place(export: &Path, file: &str) -> Option<PathBuf> {
    let under = file.strip_prefix("../").unwrap_or(file).strip_prefix(FILES)?.strip_prefix('/')?;
    let plain = Path::new(under).components().all(|part| matches!(part, Component::Normal(_)));
    // The folder itself, not one that a link of this name leads to.
    let base = fs::canonicalize(export).ok()?.join(FILES);
    fs::symlink_metadata(&base).ok().filter(fs::Metadata::is_dir)?;
    let real = fs::canonicalize(base.join(under)).ok()?;
    (plain && real.starts_with(&base)).then_some(real)
}
