//! How much one stream carries over loopback inside Noise and yamux: the limit of the transport.
//!
//! `cargo bench -p staffroom-node`

use std::time::Instant;

use futures::StreamExt;
use futures::io::{AsyncReadExt, AsyncWriteExt};
use libp2p::swarm::SwarmEvent;
use libp2p::{StreamProtocol, Swarm, SwarmBuilder, noise, tcp, yamux};

const LOOPBACK: &str = "/ip4/127.0.0.1/tcp/0";
const SYNC: StreamProtocol = StreamProtocol::new("/staffroom/bench/1");

#[tokio::main]
#[allow(clippy::print_stdout, reason = "a figure is what this program is for")]
async fn main() {
    const SIZE: usize = 512 << 20;
    let swarm = || -> Swarm<libp2p_stream::Behaviour> {
        SwarmBuilder::with_new_identity()
            .with_tokio()
            .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
            .expect("tcp")
            .with_behaviour(|_| libp2p_stream::Behaviour::new())
            .expect("behaviour")
            .build()
    };
    let (mut near, mut far) = (swarm(), swarm());
    far.listen_on(LOOPBACK.parse().expect("an address")).expect("listening");
    let address = loop {
        if let SwarmEvent::NewListenAddr { address, .. } = far.select_next_some().await {
            break address;
        }
    };
    let peer = *far.local_peer_id();
    let mut incoming = far.behaviour().new_control().accept(SYNC).expect("once");
    let mut control = near.behaviour().new_control();
    near.add_peer_address(peer, address.clone());
    near.dial(address).expect("dialling");
    while !near.is_connected(&peer) {
        tokio::select! {
            _ = near.select_next_some() => {}
            _ = far.select_next_some() => {}
        }
    }
    tokio::spawn(async move {
        loop {
            far.select_next_some().await;
        }
    });
    tokio::spawn(async move {
        loop {
            near.select_next_some().await;
        }
    });
    let sending = tokio::spawn(async move {
        let mut stream = control.open_stream(peer, SYNC).await.expect("a stream");
        let chunk = vec![7; 1 << 20];
        for _ in 0..SIZE >> 20 {
            stream.write_all(&chunk).await.expect("sent");
        }
        stream.close().await.expect("sent");
    });
    let (_, mut stream) = incoming.next().await.expect("a stream");
    let (began, used) = (Instant::now(), cpu());
    let (mut buffer, mut total) = (vec![0; 1 << 20], 0);
    while total < SIZE {
        total += stream.read(&mut buffer).await.expect("read");
    }
    let (seconds, cpu) = (began.elapsed().as_secs_f64(), cpu() - used);
    sending.await.expect("sent");
    let megabytes = f64::from(u32::try_from(total >> 20).expect("small"));
    println!("{:.0} MB/s on the wall, {:.0} MB/s for each core", megabytes / seconds, megabytes / cpu);
}

/// Seconds of processor time that this process used, both directions of the stream together.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("linux");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
    let ticks: u32 = fields[11].parse::<u32>().expect("ticks") + fields[12].parse::<u32>().expect("ticks");
    f64::from(ticks) / 100.0
}
