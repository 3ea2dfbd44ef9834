//! Hashing: BLAKE3 in `derive_key` mode, a context string of its own for each use.

use std::sync::LazyLock;

/// One use of the hash. The strings are part of the wire format.
pub(crate) struct Context(LazyLock<blake3::Hasher>);

impl Context {
    /// The 32-byte hash of the parts, one after the other.
    pub(crate) fn hash(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut hasher = self.0.clone();
        for part in parts {
            hasher.update(part);
        }
        *hasher.finalize().as_bytes()
    }
    /// A stream of bytes derived from `seed`.
    pub(crate) fn stream(&self, seed: &[u8; 32]) -> blake3::OutputReader {
        self.0.clone().update(seed).finalize_xof()
    }
}

macro_rules! contexts {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        $($(#[$doc])* pub(crate) static $name: Context = Context(LazyLock::new(|| blake3::Hasher::new_derive_key($text)));)*
    };
}

contexts! {
    /// A school id (§1.1).
    INCEPTION = "staffroom 2026 inception v1";
    /// The commitment to a next root key or a recovery key (§1.1).
    KEY = "staffroom 2026 key v1";
    /// A root key out of a recovery code (§1.3).
    ROOT = "staffroom 2026 root key v1";
    /// A recovery key out of a recovery code (§1.3).
    RECOVERY = "staffroom 2026 recovery key v1";
    /// A space as links name it: tells nobody which space it is who does not know the space (§1.2).
    BLINDED_SPACE = "staffroom 2026 blinded space v1";
    /// What is held of a school's identity (§4.1).
    IDENTITY_STATE = "staffroom 2026 identity state v1";
    /// A link of an identity chain (§1.2).
    LINK = "staffroom 2026 identity link v1";
    /// An entry (§2.1).
    ENTRY = "staffroom 2026 entry v1";
    /// A payload (§2.1).
    PAYLOAD = "staffroom 2026 payload v1";
    /// A record id (§2.1).
    RECORD = "staffroom 2026 record v1";
    /// An actor of a record (§2.3).
    ACTOR = "staffroom 2026 actor v1";
    /// A decision (§3.1).
    DECISION = "staffroom 2026 decision v1";
    /// A vote (§3.2).
    VOTE = "staffroom 2026 vote v1";
    /// An operation (§3.3).
    OPERATION = "staffroom 2026 operation v1";
    /// A writer's consent to its enrolment (§3.3).
    CONSENT = "staffroom 2026 writer consent v1";
    /// A joiner's acceptance of an admission (§3.3).
    ACCEPTANCE = "staffroom 2026 acceptance v1";
    /// A ticket's id, from its secret (§3.9).
    TICKET = "staffroom 2026 ticket v1";
    /// The check bytes of a ticket's text (§3.9).
    TICKET_CHECK = "staffroom 2026 ticket check v1";
    /// The proof that a joiner knows a ticket's secret (§3.9).
    TICKET_PROOF = "staffroom 2026 ticket proof v1";
    /// The id of a ticket for a device of the same school, from its secret (§3.9).
    DEVICE_TICKET = "staffroom 2026 device ticket v1";
    /// The proof that a device knows the secret of its school's ticket (§3.9).
    DEVICE_PROOF = "staffroom 2026 device proof v1";
    /// The claim of who holds a school's sheet (§3.10).
    RECOVERY_CLAIM = "staffroom 2026 recovery claim v1";
    /// What a joiner says of its number before it shows it (§3.9).
    JOIN_COMMITMENT = "staffroom 2026 join commitment v1";
    /// The four words on both screens (§3.9).
    WORDS = "staffroom 2026 words v1";
    /// What HELLO says of a charter (§4.1).
    CHARTER_STATE = "staffroom 2026 charter state v1";
    /// What HELLO says of erasures and receipts (§4.1).
    ERASURES_STATE = "staffroom 2026 erasures state v1";
    /// A receipt (§6.2).
    RECEIPT = "staffroom 2026 receipt v1";
    /// What HELLO says of a frontier (§4.1).
    FRONTIER_STATE = "staffroom 2026 frontier state v1";
    FORKED_STATE = "staffroom 2026 forked state v1";
    /// The key under which a record is found by its source.
    SOURCE = "staffroom 2026 source v1";
    /// A writer's key, from the secret of a store's life and its space (§1.4).
    WRITER = "staffroom 2026 writer key v1";
    /// A joiner's number, from the secret of a store's life and a ticket (§3.9).
    JOIN_NONCE = "staffroom 2026 join nonce v1";
    /// A chunk of a blob (§5).
    CHUNK = "staffroom 2026 chunk v1";
    /// A blob, from its manifest (§5).
    MANIFEST = "staffroom 2026 manifest v1";
    /// What is held of ended logs of one's own (§2.4).
    ASIDE_STATE = "staffroom 2026 aside state v1";
    /// Randomness drawn from a seed.
    ENTROPY = "staffroom 2026 entropy v1";
}
