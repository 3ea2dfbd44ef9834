//! A large file between two processes, beside what the transport and the disk can do at best.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::io::{AsyncReadExt as _, AsyncWriteExt as _};
use libp2p::swarm::SwarmEvent;
use libp2p::{StreamProtocol, Swarm, SwarmBuilder, noise, tcp, yamux};
use staffroom_node::api::{Answer, Request};
use staffroom_node::blobs::Blobs;
use staffroom_node::socket::Connection;
use staffroom_tests::processes::{Serving, json, run as share, until};

use crate::processes::{cpu, cpu_since, memory};
use crate::{figure, row};

/// Length of the file: a gibibyte, or what `STAFFROOM_LARGE_FILE` says.
fn length() -> u64 {
    std::env::var("STAFFROOM_LARGE_FILE").ok().and_then(|bytes| bytes.parse().ok()).unwrap_or(1 << 30)
}

fn megabytes(length: u64, time: Duration) -> f64 {
    length as f64 / 1e6 / time.as_secs_f64()
}

/// One file, from its publishing to its arrival.
pub(crate) fn run() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder on the disk of the build");
    let folder = folder.path();
    let (hill, brook) = (folder.join("hillside"), folder.join("brook"));
    let length = length();
    let film = folder.join("film.mp4");
    let mut bytes = blake3::Hasher::new().finalize_xof();
    let mut file = File::create(&film).expect("created");
    let mut part = vec![0; 1 << 20];
    for _ in 0..length >> 20 {
        bytes.fill(&mut part);
        file.write_all(&part).expect("written");
    }
    file.sync_all().expect("durable");
    println!("\na file of {:.1} MB", length as f64 / 1e6);

    let copied = copy_tcp(folder, &film);
    let used = cpu(std::process::id());
    let streamed = stream(length);
    let used = cpu_since(std::process::id(), used);
    figure(
        "copied over bare TCP, durable",
        megabytes(length, copied),
        "MB/s",
        "loopback, one fsync, no cipher, no hash",
    );
    figure(
        "sent over a bare libp2p stream",
        megabytes(length, streamed),
        "MB/s",
        "Noise and yamux, from memory to nowhere",
    );
    figure("  processor time, both ends", used, "ms", "");

    assert!(share(&hill, &["init", "--school", "Hillside Primary"]).status.success());
    assert!(share(&brook, &["init", "--school", "Brook Lane School"]).status.success());
    json(&hill, &["cluster", "create", "The Brook Cluster"]);
    let (host, node) = (Serving::start(&hill, &[]), Serving::start(&brook, &[]));
    let ticket = json(&hill, &["invite", "--no-confirm"])["ticket"].as_str().expect("a ticket").to_owned();
    json(&brook, &["join", &ticket]);
    let begun = Instant::now();
    json(&hill, &["publish", film.to_str().expect("UTF-8")]);
    let published = megabytes(length, begun.elapsed());
    row("published: hashed twice, copied, durable", published, megabytes(length, copied), "MB/s", "the copy over TCP");
    let id = until("the record is here", || {
        let list = json(&brook, &["list", "--kind", "resource"]);
        list[0]["id"].as_str().map(str::to_owned)
    });
    let used = (cpu(host.pid()), cpu(node.pid()));
    let mut socket = Connection::to(&brook.join("node.sock")).expect("it runs");
    let begun = Instant::now();
    let fetched = socket.ask(&Request::Files { id, file: None, fetch: true });
    let time = begun.elapsed();
    let Ok(Answer::Files { files, .. }) = fetched else { panic!("not fetched: {fetched:?}") };
    assert!(files[0].held);
    let blob = Blobs::at(brook.join("blobs")).open(&files[0].file.id).expect("it is here");
    blob.copy_to(&mut std::io::sink(), &mut |_| {}).expect("it is whole");
    row(
        "fetched: checked, durable",
        megabytes(length, time),
        megabytes(length, streamed),
        "MB/s",
        "the bare libp2p stream",
    );
    row("  the same", megabytes(length, time), megabytes(length, copied), "MB/s", "the copy over TCP");
    figure("  processor time, giving", cpu_since(host.pid(), used.0), "ms", "");
    figure("  processor time, fetching", cpu_since(node.pid(), used.1), "ms", "");
    figure("  peak memory, giving", memory(host.pid(), "VmHWM"), "MB", "resident");
    figure("  peak memory, fetching", memory(node.pid(), "VmHWM"), "MB", "resident");
}

/// Sends a file over TCP on loopback and writes it there, durable at the end.
fn copy_tcp(folder: &Path, film: &Path) -> Duration {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listens");
    let address = listener.local_addr().expect("has an address");
    let begun = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let (mut from, mut to) = (File::open(film).expect("there"), TcpStream::connect(address).expect("connects"));
            let mut part = vec![0; 1 << 20];
            loop {
                let count = from.read(&mut part).expect("reads");
                if count == 0 {
                    return;
                }
                to.write_all(&part[..count]).expect("sends");
            }
        });
        let (mut from, _) = listener.accept().expect("accepts");
        let path = folder.join("bare.bin");
        let mut to = File::create(&path).expect("creates");
        let mut part = vec![0; 1 << 20];
        loop {
            let count = from.read(&mut part).expect("receives");
            if count == 0 {
                break;
            }
            to.write_all(&part[..count]).expect("writes");
        }
        to.sync_all().expect("durable");
        std::fs::remove_file(path).expect("removed");
    });
    begun.elapsed()
}

const BARE: StreamProtocol = StreamProtocol::new("/staffroom/bench/1");

/// Sends as many bytes over one stream between two libp2p nodes of this process.
fn stream(length: u64) -> Duration {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
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
        far.listen_on("/ip4/127.0.0.1/tcp/0".parse().expect("an address")).expect("listening");
        let address = loop {
            if let SwarmEvent::NewListenAddr { address, .. } = far.select_next_some().await {
                break address;
            }
        };
        let peer = *far.local_peer_id();
        let mut incoming = far.behaviour().new_control().accept(BARE).expect("once");
        let mut control = near.behaviour().new_control();
        near.dial(address).expect("dialling");
        while !near.is_connected(&peer) {
            tokio::select! {
                _ = near.select_next_some() => {}
                _ = far.select_next_some() => {}
            }
        }
        for mut swarm in [near, far] {
            tokio::spawn(async move {
                loop {
                    swarm.select_next_some().await;
                }
            });
        }
        tokio::spawn(async move {
            let mut stream = control.open_stream(peer, BARE).await.expect("a stream");
            let chunk = vec![7; 1 << 18];
            for _ in 0..length >> 18 {
                stream.write_all(&chunk).await.expect("sent");
            }
            stream.close().await.expect("sent");
        });
        let (_, mut stream) = incoming.next().await.expect("a stream");
        let begun = Instant::now();
        let (mut part, mut total) = (vec![0; 1 << 18], 0);
        while total < length {
            total += stream.read(&mut part).await.expect("read") as u64;
        }
        begun.elapsed()
    })
}
