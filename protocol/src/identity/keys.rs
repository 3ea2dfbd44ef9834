//! ed25519 keys and signatures: `verify_strict`, weak keys refused, a domain for each use.

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};

use crate::fault::Fault;

/// What a signature is for; part of what is signed, so that none can be moved to another use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    /// A link of an identity chain.
    Link,
    /// An entry of a log.
    Entry,
    /// A vote on a decision.
    Vote,
    /// An operation of a charter.
    Operation,
    /// A writer's consent to its enrolment.
    Consent,
    /// A joiner's acceptance of an admission.
    Acceptance,
    /// The claim to start a school again from its sheet.
    Claim,
    /// A device's word that an erased record is gone from its files.
    Receipt,
}

impl Domain {
    /// The string that stands before the hash.
    fn text(self) -> &'static [u8] {
        match self {
            Self::Link => b"staffroom identity link\0",
            Self::Entry => b"staffroom entry\0",
            Self::Vote => b"staffroom vote\0",
            Self::Operation => b"staffroom operation\0",
            Self::Consent => b"staffroom writer consent\0",
            Self::Acceptance => b"staffroom acceptance\0",
            Self::Claim => b"staffroom recovery claim\0",
            Self::Receipt => b"staffroom receipt\0",
        }
    }
    /// How faults name the signed thing.
    fn what(self) -> &'static str {
        match self {
            Self::Link => "link of an identity chain",
            Self::Entry => "entry",
            Self::Vote => "vote",
            Self::Operation => "operation",
            Self::Consent => "writer's consent",
            Self::Acceptance => "acceptance",
            Self::Claim => "recovery claim",
            Self::Receipt => "receipt",
        }
    }
    fn message(self, hash: &[u8; 32]) -> Vec<u8> {
        [self.text(), hash].concat()
    }
}

/// 64 bytes of signature.
pub type Signature = [u8; 64];

/// A secret key; erased from memory when dropped.
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// The key of a 32-byte seed.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }
    /// The seed, to be kept where nobody else reads it.
    pub fn seed(&self) -> [u8; 32] {
        self.0.to_bytes()
    }
    /// The 32 bytes of the public key: a device's or writer's id.
    pub fn public<T: From<[u8; 32]>>(&self) -> T {
        T::from(self.0.verifying_key().to_bytes())
    }
    /// Signs a hash for one use.
    pub fn sign(&self, domain: Domain, hash: &[u8; 32]) -> Signature {
        self.0.sign(&domain.message(hash)).to_bytes()
    }
}

impl core::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// A public key that was decompressed once, for many verifications.
#[derive(Debug, Clone)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Reads a key; weak ones are refused.
    pub fn parse(bytes: &[u8; 32], domain: Domain) -> Result<Self, Fault> {
        match VerifyingKey::from_bytes(bytes) {
            Ok(key) if !key.is_weak() => Ok(Self(key)),
            _ => Err(Fault::Signature { what: domain.what() }),
        }
    }
    /// Verifies a signature over a hash for one use.
    pub fn verify(&self, domain: Domain, hash: &[u8; 32], signature: &Signature) -> Result<(), Fault> {
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        self.0.verify_strict(&domain.message(hash), &signature).map_err(|_| Fault::Signature { what: domain.what() })
    }
}

/// Verifies one signature by a key that is not kept.
pub(crate) fn verify(key: &[u8; 32], domain: Domain, hash: &[u8; 32], signature: &Signature) -> Result<(), Fault> {
    PublicKey::parse(key, domain)?.verify(domain, hash, signature)
}
