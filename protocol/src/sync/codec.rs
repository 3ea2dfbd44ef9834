//! Frames: a kind, a flag, and a body in postcard, compressed where that helps (§4.5).
//!
//! | field | bytes | |
//! |---|---|---|
//! | kind | 1 | |
//! | packing | 1 | 0 as it is, 1 zstd |
//! | body | the rest | |
//!
//! In a run of entries, what the run implies is left out: the space is the session's, the writer and
//! the first seq and prev stand once, each later prev is the id of the entry before, a commitment is
//! the hash of the payload that travels with it, and a genesis names its own record.

use serde::{Deserialize, Serialize};

use super::message::{Hello, Mark, Message, Run};
use crate::bytes;
use crate::charter::{Missing, Positions};
use crate::erasure::{self, Part};
use crate::fault::Fault;
use crate::id::{EntryId, RecordId, SpaceId, WriterId};
use crate::limits;
use crate::log::{Entry, EntryKind, HEADER, Header, Payload};
use crate::time::Timestamp;

/// Bodies below it are not worth compressing, bytes.
const SMALL: usize = 512;
/// zstd's level: the fastest that still sees repetition between records.
const LEVEL: i32 = 1;

#[derive(Serialize, Deserialize)]
struct WireRun {
    writer: WriterId,
    first: u64,
    prev: EntryId,
    entries: Vec<WireEntry>,
}

#[derive(Serialize, Deserialize)]
struct WireEntry {
    clock: u64,
    kind: u8,
    flags: u8,
    rules: u16,
    lane: u8,
    change_seq: u32,
    /// None for a genesis.
    record: Option<RecordId>,
    body: WireBody,
    signature: ([u8; 32], [u8; 32]),
}

#[derive(Serialize, Deserialize)]
enum WireBody {
    Payload(Vec<u8>),
    Withheld { commitment: [u8; 32], length: u32 },
}

/// Writes a frame, without the length that stands before it on a stream.
pub fn encode(message: &Message) -> Vec<u8> {
    let (kind, body) = match message {
        Message::Hello(hello) => (0, bytes::encode(hello)),
        Message::Positions(positions) => (1, bytes::encode(positions)),
        Message::Charter(missing, last) => (2, bytes::encode(&(missing, last))),
        Message::Frontier(marks) => (3, bytes::encode(marks)),
        Message::Entries(runs) => (4, bytes::encode(&runs.iter().map(to_wire).collect::<Vec<_>>())),
        Message::Held(logs, batches) => (5, bytes::encode(&(logs, batches))),
        Message::Bye(code) => (6, bytes::encode(code)),
        Message::Proposals(proposals) => (7, bytes::encode(proposals)),
        Message::Forks(forks) => (8, bytes::encode(forks)),
        Message::ErasureMarks(marks, last) => (9, bytes::encode(&(marks, last))),
        Message::Erasures(part, last) => (10, bytes::encode(&(part, last))),
        Message::Aside(state) => (11, bytes::encode(state)),
    };
    let packed = if body.len() < SMALL { None } else { zstd::bulk::compress(&body, LEVEL).ok() };
    match packed {
        Some(packed) if packed.len() < body.len() => [&[kind, 1], &packed[..]].concat(),
        _ => [&[kind, 0], &body[..]].concat(),
    }
}

/// Reads a frame of a session about `space`. Never allocates more than [`limits::FRAME_EXPANDED`]
/// and a small multiple of what was sent.
pub fn decode(frame: &[u8], space: SpaceId) -> Result<Message, Fault> {
    let malformed = || Fault::Malformed { what: "frame" };
    if frame.len() > limits::FRAME {
        return Err(Fault::TooLarge { what: "frame", most: limits::FRAME as u64 });
    }
    let (&[kind, packing], body) = frame.split_first_chunk().ok_or_else(malformed)?;
    let expanded;
    let body = match packing {
        0 => body,
        1 => {
            let bound = zstd::bulk::Decompressor::upper_bound(body).ok_or_else(malformed)?;
            if bound > limits::FRAME_EXPANDED {
                return Err(Fault::TooLarge { what: "frame", most: limits::FRAME_EXPANDED as u64 });
            }
            expanded = zstd::bulk::decompress(body, bound).map_err(|_| malformed())?;
            &expanded[..]
        }
        _ => return Err(malformed()),
    };
    Ok(match kind {
        0 => Message::Hello(bytes::decode::<Hello>(body, "Hello")?),
        1 => Message::Positions(bytes::decode::<Positions>(body, "Positions")?),
        2 => {
            let (missing, last) = bytes::decode::<(Box<Missing>, bool)>(body, "Charter")?;
            Message::Charter(missing, last)
        }
        3 => Message::Frontier(bytes::decode::<Vec<Mark>>(body, "Frontier")?),
        4 => {
            let runs = bytes::decode::<Vec<WireRun>>(body, "Entries")?;
            at_most(runs.iter().map(|run| run.entries.len()).sum(), limits::BATCH_ENTRIES, "batch")?;
            Message::Entries(runs.into_iter().map(|run| from_wire(run, space)).collect::<Result<_, _>>()?)
        }
        5 => {
            let (logs, batches) = bytes::decode(body, "Held")?;
            Message::Held(logs, batches)
        }
        6 => Message::Bye(bytes::decode(body, "Bye")?),
        7 => Message::Proposals(bytes::decode(body, "Proposals")?),
        8 => Message::Forks(bytes::decode(body, "Forks")?),
        9 => {
            let (marks, last) = bytes::decode::<(Vec<erasure::Mark>, bool)>(body, "ErasureMarks")?;
            at_most(marks.len(), limits::ERASURE_MARKS, "list of erasures")?;
            Message::ErasureMarks(marks, last)
        }
        10 => {
            let (part, last) = bytes::decode::<(Box<Part>, bool)>(body, "Erasures")?;
            at_most(part.len(), limits::ERASURES, "list of erasures")?;
            Message::Erasures(part, last)
        }
        11 => Message::Aside(bytes::decode(body, "Aside")?),
        _ => return Err(malformed()),
    })
}

fn at_most(is: usize, most: usize, what: &'static str) -> Result<(), Fault> {
    if is > most { Err(Fault::TooLarge { what, most: most as u64 }) } else { Ok(()) }
}

fn to_wire(run: &Run) -> WireRun {
    let first = run.0.first().map(Entry::header);
    WireRun {
        writer: first.map_or_else(WriterId::default, |h| h.writer),
        first: first.map_or(0, |h| h.seq),
        prev: first.map_or_else(EntryId::default, |h| h.prev),
        entries: run.0.iter().map(entry_to_wire).collect(),
    }
}

fn entry_to_wire(entry: &Entry) -> WireEntry {
    let header = entry.header();
    let signature = entry.signature();
    let half = |at: usize| -> [u8; 32] { signature[at..at + 32].try_into().expect("half of 64 bytes") };
    WireEntry {
        clock: header.clock.0,
        kind: header.kind.byte(),
        flags: header.flags,
        rules: header.rules,
        lane: header.lane,
        change_seq: header.change_seq,
        record: (header.kind != EntryKind::Genesis).then_some(header.record),
        body: match entry.payload() {
            Some(payload) => WireBody::Payload(payload.as_bytes().to_vec()),
            None => WireBody::Withheld { commitment: header.commitment, length: header.length },
        },
        signature: (half(0), half(32)),
    }
}

/// Puts the signed headers together again; whether they are the signed ones, the signature says.
fn from_wire(run: WireRun, space: SpaceId) -> Result<Run, Fault> {
    let mut prev = run.prev;
    let mut entries = Vec::with_capacity(run.entries.len());
    let end = run.first.checked_add(run.entries.len() as u64).ok_or(Fault::Malformed { what: "Entries" })?;
    for (seq, wire) in (run.first..end).zip(run.entries) {
        let (commitment, length, payload) = match wire.body {
            WireBody::Payload(bytes) => {
                let payload = Payload::from_bytes(bytes);
                (payload.commitment(), payload.length(), Some(payload))
            }
            WireBody::Withheld { commitment, length } => (commitment, length, None),
        };
        let header = Header {
            space,
            writer: run.writer,
            seq,
            prev,
            clock: Timestamp(wire.clock),
            kind: EntryKind::from_byte(wire.kind),
            flags: wire.flags,
            rules: wire.rules,
            lane: wire.lane,
            change_seq: wire.change_seq,
            record: wire.record.unwrap_or_else(|| Header::record_at(space, run.writer, seq)),
            commitment,
            length,
        };
        let mut signed = header.to_bytes();
        debug_assert_eq!(signed.len(), HEADER);
        signed.extend_from_slice(&wire.signature.0);
        signed.extend_from_slice(&wire.signature.1);
        let entry = Entry::parse(&signed, payload)?;
        prev = entry.id();
        entries.push(entry);
    }
    Ok(Run(entries))
}
