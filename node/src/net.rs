//! stand-in until the network branch lands
#![allow(missing_docs, clippy::unused_async)]
use crate::api::{Code, Failure};
use crate::engine::{Command, Engine};
use staffroom_protocol::charter::Ticket;
use staffroom_protocol::id::SpaceId;
pub struct NetConfig {
    pub listen: Vec<String>,
    pub mdns: bool,
}
#[derive(Clone)]
pub struct Net(Vec<String>);
impl Net {
    pub async fn start(engine: Engine, _seed: [u8; 32], config: NetConfig) -> Result<Self, Failure> {
        let _ = config.mdns;
        engine.send(Command::Listening(config.listen.clone())).await;
        Ok(Self(config.listen))
    }
    pub fn listen(&self) -> Vec<String> {
        self.0.clone()
    }
    pub fn dial_now(&self) {}
    pub async fn join(&self, _: &Ticket) -> Result<SpaceId, Failure> {
        Err(Failure::new(Code::Unreachable, "no network yet"))
    }
    pub async fn stop(&self) {}
}
