//! Who a liar is: keys and an identity of its own, as any school's node has them.

use staffroom_protocol::Replica;
use staffroom_protocol::entropy::Entropy;
use staffroom_protocol::id::{DeviceId, SpaceId};
use staffroom_protocol::identity::{IdentityChain, Inception, RecoveryCode, Rights, SecretKey};
use staffroom_protocol::replica::Local;
use staffroom_protocol::store::MemoryStore;

/// A school's identity with the secrets of one device.
#[derive(Clone)]
pub struct Keys {
    /// The school's chain.
    pub chain: IdentityChain,
    /// The seed of the device's key, which is its name on the network too.
    pub device_seed: [u8; 32],
    /// What writers' keys come from.
    pub life: [u8; 32],
}

impl Keys {
    /// A school of its own.
    pub fn new(number: u8) -> Self {
        let code = RecoveryCode::from_random([number; 20]);
        let device_seed = [number; 32];
        let mut chain = IdentityChain::new(Inception::new(&code));
        let device: DeviceId = SecretKey::from_seed(&device_seed).public();
        chain.certify(&code.root(0), device, Rights::ALL).expect("the root certifies its first device");
        Self { chain, device_seed, life: [number; 32] }
    }
    /// The device's key.
    pub fn device(&self) -> SecretKey {
        SecretKey::from_seed(&self.device_seed)
    }
    /// A replica of this school that holds nothing yet.
    pub fn replica(&self) -> Replica<MemoryStore> {
        let me = Local { school: self.chain.clone(), device: self.device(), life: self.life };
        Replica::open(MemoryStore::default(), me, Entropy::from_seed(self.life)).expect("an empty store opens")
    }
    /// The key of one of its writers in a space, as its replica derives it (§1.4).
    pub(super) fn writer(&self, space: SpaceId, generation: u32) -> SecretKey {
        let mut hasher = blake3::Hasher::new_derive_key("staffroom 2026 writer key v1");
        hasher.update(&self.life).update(&space.0);
        if generation > 0 {
            hasher.update(&generation.to_le_bytes());
        }
        SecretKey::from_seed(hasher.finalize().as_bytes())
    }
}
