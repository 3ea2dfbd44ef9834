//! Limits: what the machine does at best, without any of our rules.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use staffroom_node::store::RedbStore;
use staffroom_protocol::store::{Batch, Store as _, Table};

/// The median time of a durable commit of one value of `size` bytes to a store of its own.
pub(crate) fn commit(folder: &Path, size: usize) -> Duration {
    let mut store = RedbStore::open(&folder.join("bare.redb")).expect("opens");
    let mut times: Vec<Duration> = (0u32..200)
        .map(|n| {
            let mut batch = Batch::default();
            batch.put(Table::Payloads, n.to_be_bytes(), vec![7; size]);
            let begun = Instant::now();
            store.commit(batch).expect("commits");
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}

/// Writes bytes to a file and makes them durable, once.
pub(crate) fn write(folder: &Path, bytes: &[u8]) -> Duration {
    let begun = Instant::now();
    let mut file = std::fs::File::create(folder.join("bare.bin")).expect("creates");
    file.write_all(bytes).expect("writes");
    file.sync_all().expect("syncs");
    begun.elapsed()
}

/// Sends bytes over a TCP connection on loopback, hashes them there and makes them durable.
pub(crate) fn copy(folder: &Path, bytes: &[u8]) -> Duration {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listens");
    let address = listener.local_addr().expect("has an address");
    let begun = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(move || TcpStream::connect(address).and_then(|mut to| to.write_all(bytes)).expect("sends"));
        let (mut from, _) = listener.accept().expect("accepts");
        let mut received = Vec::with_capacity(bytes.len());
        from.read_to_end(&mut received).expect("receives");
        std::hint::black_box(blake3::hash(&received));
        write(folder, &received);
    });
    begun.elapsed()
}
