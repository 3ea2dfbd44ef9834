//! The folder of a node: settings, secrets, store, socket.
//!
//! | file | what |
//! |---|---|
//! | `share.toml` | settings, to be edited by people |
//! | `identity.json` | the school's identity chain, public |
//! | `secrets/device.key` | the device's key (mode 0600) |
//! | `secrets/life.key` | the secret of this life of the store (mode 0600) |
//! | `secrets/signed.json` | how far this store has signed, and on which machine (mode 0600) |
//! | `store.redb` | everything that is held |
//! | `blobs/` | files that belong to records, named by their hash |
//! | `tmp/` | what is unpacked while it is imported |
//! | `cache/` | what was made out of files: texts, small pictures; may be deleted at any time |
//! | `node.sock` | where the running node answers the command line (mode 0600) |

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use staffroom_protocol::id::{DeviceId, SchoolId};
use staffroom_protocol::identity::{IdentityChain, Inception, RecoveryCode, Rights, SecretKey};
use staffroom_protocol::record::Fields;
use staffroom_protocol::record::field::Value;
use staffroom_protocol::replica::{Draft, Local};
use staffroom_protocol::store::{Read as _, Table};

use crate::api::{Code, Failure, Named, Secret};
use crate::blobs::{self, Blobs};
use crate::engine::wall_clock;
use crate::life::{self, Life};
use crate::mend;
use crate::store::{OpenError, RedbStore};
use crate::summed::{self, Found};

/// The folder of a node.
#[derive(Debug, Clone)]
pub struct Home(PathBuf);

/// A school to set up.
#[derive(Debug, Clone, Default)]
pub struct NewSchool {
    /// Its name.
    pub name: String,
    /// The ages it teaches.
    pub phase: Option<String>,
    /// Where it is.
    pub place: Option<String>,
}

/// What set-up made.
#[derive(Debug)]
pub struct SetUp {
    /// The school.
    pub school: Named<SchoolId>,
    /// This node's device.
    pub device: DeviceId,
    /// To be written down: it exists nowhere else.
    pub recovery_code: String,
}

/// Settings, as `share.toml` has them. Every one may be left out.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the node listens, as multiaddresses.
    pub listen: Vec<String>,
    /// Whether it looks for partners on the local network.
    pub mdns: bool,
    /// The zone of dates that name none.
    pub zone: String,
    /// How large a file is fetched before anybody opens it: `all`, `opened`, or a size such as `25 MB`.
    pub fetch: String,
    /// The same for some clusters, by name.
    pub fetch_by_cluster: BTreeMap<String, String>,
    /// The person whose name commands write.
    #[serde(rename = "as")]
    pub author: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: vec!["/ip4/0.0.0.0/tcp/4960".to_owned()],
            mdns: true,
            zone: "Europe/London".to_owned(),
            fetch: "25 MB".to_owned(),
            fetch_by_cluster: BTreeMap::new(),
            author: String::new(),
        }
    }
}

impl Home {
    /// The home in this folder, whether or not anything is there yet.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }
    /// The folder.
    pub fn path(&self) -> &Path {
        &self.0
    }
    /// Whether a school was set up here.
    pub fn is_set_up(&self) -> Result<bool, Failure> {
        let path = self.0.join("identity.json");
        path.try_exists().map_err(|error| unreadable(&path, &error))
    }
    /// Where the running node answers.
    pub fn socket(&self) -> PathBuf {
        self.0.join("node.sock")
    }
    /// Where what is unpacked lies for a while.
    pub fn temporary(&self) -> PathBuf {
        self.0.join("tmp")
    }
    /// The file of the store.
    pub fn store_path(&self) -> PathBuf {
        self.0.join("store.redb")
    }
    /// Whether the store was found to be damaged, and nobody has mended it yet.
    pub(crate) fn is_to_be_mended(&self) -> bool {
        crate::store::mark(&self.store_path()).exists()
    }
    /// The files that belong to records.
    pub fn blobs(&self) -> Blobs {
        Blobs::at(self.0.join("blobs"))
    }
    /// Bytes that are free on its disk; nothing where the system does not say.
    pub fn free_space(&self) -> Option<u64> {
        blobs::free_space(&self.0).ok()
    }
    /// The folder of secrets.
    pub(crate) fn secrets(&self) -> PathBuf {
        self.0.join("secrets")
    }
    /// The settings.
    pub fn config(&self) -> Result<Config, Failure> {
        let path = self.0.join("share.toml");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Config::default()),
            Err(error) => return Err(unreadable(&path, &error)),
        };
        toml::from_str(&text).map_err(|error| {
            Failure::new(Code::Failed, format!("{} is not right: {}", path.display(), error.message()))
                .hint("correct that setting, or delete the line to have the usual value")
        })
    }

    /// Sets a school up: keys, its own space, its profile there. Refuses a home that is in use.
    ///
    /// The last file to be written is `identity.json`: a set-up that was cut short is begun anew.
    pub fn set_up(&self, school: &NewSchool) -> Result<SetUp, Failure> {
        if self.is_set_up()? {
            let message = format!("a school is already set up in {}", self.0.display());
            return Err(Failure::new(Code::Refused, message).hint("choose another folder with --home"));
        }
        let name = school.name.trim();
        if name.is_empty() {
            return Err(
                Failure::new(Code::Usage, "a school needs a name").hint("share init --school \"Hillside Primary\"")
            );
        }
        self.set_aside()?;
        self.make_folders()?;
        let code = RecoveryCode::from_random(random()?);
        let device = SecretKey::from_seed(&random()?);
        let mut chain = IdentityChain::new(Inception::new(&code));
        let certified = chain.certify(&code.root(0), device.public(), Rights::ALL);
        certified.map_err(|fault| Failure::new(Code::Failed, fault.to_string()))?;
        self.write_secret("device.key", &device.seed())?;
        self.write_secret("life.key", &random()?)?;
        let id = chain.school();
        let made = SetUp {
            school: Named { id, name: name.to_owned() },
            device: device.public(),
            recovery_code: code.to_text(),
        };
        self.found_own_space(chain.clone(), device, school)?;
        self.write_identity(&chain)?;
        Ok(made)
    }

    /// Takes a set-up back whose recovery code nobody has seen. What it made is kept aside by the next one.
    pub fn undo_set_up(&self) -> Result<(), Failure> {
        let path = self.0.join("identity.json");
        let removed = fs::remove_file(&path).and_then(|()| blobs::sync_folder(&self.0));
        removed.map_err(|error| unwritable(&path, &error))
    }

    /// A recovery code that nobody has yet.
    pub fn new_code() -> Result<Secret, Failure> {
        Ok(Secret(RecoveryCode::from_random(random()?).to_text()))
    }
    /// Keys for a device of a school that is not known yet. What is written is set up only once
    /// [`Self::write_identity`] was called.
    pub(crate) fn blank(&self) -> Result<Local, Failure> {
        if self.is_set_up()? {
            let message = format!("a school is already set up in {}", self.0.display());
            return Err(Failure::new(Code::Refused, message).hint("choose another folder with --home"));
        }
        self.set_aside()?;
        self.make_folders()?;
        let device = SecretKey::from_seed(&random()?);
        let life = random()?;
        self.write_secret("device.key", &device.seed())?;
        self.write_secret("life.key", &life)?;
        // A school of nobody: it takes the place of the one that is about to be learnt.
        let nobody = IdentityChain::new(Inception::new(&RecoveryCode::from_random(random()?)));
        Ok(Local { school: nobody, device, life })
    }
    /// Writes the school's identity: from then on the home is set up.
    pub(crate) fn write_identity(&self, chain: &IdentityChain) -> Result<(), Failure> {
        let json = serde_json::to_vec(chain).map_err(|error| Failure::new(Code::Failed, error.to_string()))?;
        Life::begin(&self.secrets());
        write_new(&self.identity_path(), &summed::sealed(&json), 0o644)
    }

    fn found_own_space(&self, chain: IdentityChain, device: SecretKey, school: &NewSchool) -> Result<(), Failure> {
        let me = Local { school: chain, device, life: self.read_secret("life.key")? };
        let entropy = staffroom_protocol::entropy::Entropy::from_seed(random()?);
        let founded = staffroom_protocol::Replica::open(self.open_store()?, me, entropy).and_then(|mut replica| {
            let own = replica.found("")?;
            let draft = Draft {
                space: own,
                kind: "school".to_owned(),
                fields: school.fields(),
                author: String::new(),
                open: None,
            };
            let made = replica.create(&draft, wall_clock());
            replica.flush()?;
            Ok(made)
        });
        match founded {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(invalid)) => Err(Failure::new(Code::Usage, invalid.to_string())),
            Err(fault) => Err(Failure::new(Code::Failed, fault.to_string())),
        }
    }

    /// Who this node is.
    pub fn local(&self) -> Result<Local, Failure> {
        if !self.is_set_up()? {
            return Err(Failure::new(Code::NotFound, format!("no school is set up in {}", self.0.display()))
                .hint("set one up: share init --school \"Hillside Primary\"")
                .hint("or name another folder with --home or SHARE_HOME"));
        }
        let school = self.read_identity()?;
        let device = SecretKey::from_seed(&self.read_secret("device.key")?);
        Ok(Local { school, device, life: self.read_secret("life.key")? })
    }
    fn identity_path(&self) -> PathBuf {
        self.0.join("identity.json")
    }
    /// The school's identity as it was when this home was set up.
    fn read_identity(&self) -> Result<IdentityChain, Failure> {
        let path = self.identity_path();
        let file = fs::read(&path).map_err(|error| unreadable(&path, &error))?;
        let (Found::Whole(json) | Found::Plain(json)) = summed::opened(&file) else { return Err(damaged(&path)) };
        let school: IdentityChain = serde_json::from_slice(json).map_err(|_| damaged(&path))?;
        Ok(school)
    }
    /// Writes a damaged `identity.json` anew out of the store, which has the chain as well. Whether it was.
    pub(crate) fn mend_identity(&self) -> Result<bool, Failure> {
        let path = self.identity_path();
        if self.read_identity().err().is_none_or(|failure| failure.code != Code::Damaged) {
            return Ok(false);
        }
        let device = SecretKey::from_seed(&self.read_secret("device.key")?).public();
        let mut found: Option<IdentityChain> = None;
        let scanned = self.open_store()?.scan(Table::Identities, &[], &[], &mut |_, value| {
            let chain = IdentityChain::parse(value)?;
            if chain.rights(&device).is_some() {
                found = Some(chain);
            }
            Ok(found.is_none())
        });
        scanned.map_err(|fault| Failure::new(Code::Damaged, fault.to_string()))?;
        let Some(chain) = found else { return Ok(false) };
        self.write_identity(&chain)?;
        tracing::warn!("{} was damaged and was written anew out of the store", path.display());
        Ok(true)
    }
    /// The small files that are damaged, each with what is to be done about it.
    pub(crate) fn damaged_files(&self) -> Vec<Failure> {
        let mut found: Vec<Failure> = Vec::new();
        found.extend(self.config().err());
        found.extend(self.read_identity().err());
        found.extend(["device.key", "life.key"].iter().filter_map(|name| self.read_secret(name).err()));
        if life::is_whole(&self.secrets()) == Some(false) {
            let path = self.secrets().join("signed.json");
            let failure = Failure::new(Code::Damaged, format!("{} is damaged", path.display()));
            found.push(failure.hint("the next start writes it anew, and goes on in new logs"));
        }
        found
    }

    /// The seed of the device's key, which is the network identity too.
    pub(crate) fn device_seed(&self) -> Result<[u8; 32], Failure> {
        self.read_secret("device.key")
    }

    /// Opens the store; mends it first where it is damaged. A process that was killed may hold its lock for a moment longer.
    pub fn open_store(&self) -> Result<RedbStore, Failure> {
        let path = self.store_path();
        let mut may_mend = true;
        // A school that was set up has a store: one that is gone is not begun anew in silence.
        if self.is_set_up()? && fs::metadata(&path).map_or(0, |about| about.len()) == 0 {
            return Err(mend::nothing_left(&path));
        }
        for _ in 0..20 {
            match RedbStore::open(&path) {
                Err(OpenError::InUse) => std::thread::sleep(std::time::Duration::from_millis(50)),
                Ok(store) => return Ok(store),
                Err(OpenError::Damaged) if may_mend => {
                    may_mend = false;
                    mend::store(self)?;
                }
                Err(error) => {
                    let (code, hint) = match error {
                        OpenError::Forbidden => (Code::Failed, OWN_USER),
                        OpenError::Newer { .. } => (Code::Damaged, "use that version, or a newer one"),
                        _ => (Code::Damaged, "look at the disk; restore a backup if it is damaged"),
                    };
                    let failure = Failure::new(code, format!("the store {}: {error}", path.display()));
                    return Err(failure.hint(hint));
                }
            }
        }
        Err(Failure::new(Code::Failed, format!("another program is using {}", self.0.display()))
            .hint("a node runs on one home once: stop the other `share serve`, or choose another --home"))
    }

    /// Moves away what a set-up left that was cut short, or what lost its `identity.json`: never deletes.
    fn set_aside(&self) -> Result<(), Failure> {
        let beside = |what: &str| self.0.join(format!("store.redb.{what}"));
        let left = [self.store_path(), self.secrets(), beside("damaged"), beside("mended")];
        if !left.iter().any(|path| path.exists()) {
            return Ok(());
        }
        let aside = self.0.join(format!("set-aside-{}", wall_clock().0));
        fs::create_dir(&aside).map_err(|error| unwritable(&aside, &error))?;
        for path in left.iter().filter(|path| path.exists()) {
            let to = aside.join(path.file_name().unwrap_or_default());
            fs::rename(path, &to).map_err(|error| unwritable(&to, &error))?;
        }
        tracing::warn!("what was in this home without a school is kept in {}", aside.display());
        Ok(())
    }

    fn make_folders(&self) -> Result<(), Failure> {
        let secrets = self.secrets();
        fs::create_dir_all(&self.0).map_err(|error| unwritable(&self.0, &error))?;
        match fs::DirBuilder::new().mode(0o700).create(&secrets) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(unwritable(&secrets, &error)),
            _ => Ok(()),
        }
    }
    fn write_secret(&self, name: &str, secret: &[u8; 32]) -> Result<(), Failure> {
        let path = self.secrets().join(name);
        write_new(&path, &summed::sealed(staffroom_protocol::id::to_text(secret).as_bytes()), 0o600)
    }
    fn read_secret(&self, name: &str) -> Result<[u8; 32], Failure> {
        let path = self.secrets().join(name);
        let file = fs::read(&path).map_err(|error| unreadable(&path, &error))?;
        let mode = fs::metadata(&path).map_err(|error| unreadable(&path, &error))?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(Failure::new(Code::Refused, format!("others can read {}", path.display()))
                .hint(format!("chmod 600 {}", path.display())));
        }
        let (Found::Whole(text) | Found::Plain(text)) = summed::opened(&file) else { return Err(damaged(&path)) };
        let text = std::str::from_utf8(text).map_err(|_| damaged(&path))?;
        let secret = staffroom_protocol::id::from_text(text.trim()).and_then(|bytes| bytes.try_into().ok());
        let secret = secret.ok_or_else(|| damaged(&path))?;
        Ok(secret)
    }
}

impl NewSchool {
    /// Its profile.
    pub fn fields(&self) -> Fields {
        let line = |text: &Option<String>| Value::Line(text.clone().unwrap_or_default());
        Fields::from([
            ("title".to_owned(), Value::Line(self.name.trim().to_owned())),
            ("phase".to_owned(), line(&self.phase)),
            ("place".to_owned(), line(&self.place)),
        ])
    }
}

/// Random bytes of the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Failure::new(Code::Failed, format!("no random numbers: {error}")))?;
    Ok(bytes)
}

/// Writes a file that was not there: it is whole and durable when this returns, or not there.
fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    let part = path.with_extension("part");
    let written =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&part).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&part, path)?;
            let folder = path.parent().unwrap_or(Path::new("."));
            // Whoever is told that it failed finds nothing.
            blobs::sync_folder(folder).inspect_err(|_| drop(fs::remove_file(path)))
        });
    written.map_err(|error| {
        let _ = fs::remove_file(&part);
        unwritable(path, &error)
    })
}

fn damaged(path: &Path) -> Failure {
    Failure::new(Code::Damaged, format!("{} is damaged", path.display()))
        .hint("put it back from a copy of this folder, if there is one")
        .hint("or move this folder away and keep it; then, in an empty one: share restore FILE, with a backup")
        .hint("or share key recover, with the recovery sheet: partners bring the records back")
}

/// What to try where the system says no.
const OWN_USER: &str = "run share as the user that the node runs as, or give this user its home folder";

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    let failure = Failure::new(Code::Failed, format!("cannot read {}: {error}", path.display()));
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => failure.hint(OWN_USER),
        std::io::ErrorKind::InvalidData => failure.hint("correct that file: it is text in UTF-8; or move it away"),
        _ => failure.hint("look at the health of the disk"),
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Code::Failed, format!("cannot write {}: {error}", path.display()))
        .hint("look at the folder's permissions and at the free space of the disk")
}
