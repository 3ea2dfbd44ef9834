//! The rules, each held to by a test that can fail.

#![allow(clippy::unwrap_used)]

mod blob_transfer;
mod blobs;
mod charter;
mod charter_identity;
mod charter_random;
mod charter_table;
mod charter_world;
mod crafted;
mod devices;
mod erasing;
mod erasing_hostile;
mod exchange;
mod force;
mod forks;
mod guard;
mod guard_hostile;
mod hostile_belonging;
mod hostile_partner;
mod hostile_peer;
mod identity;
mod joining;
mod lives;
mod local_faults;
mod mutations;
mod presented;
mod record_adapt;
mod record_change;
mod record_genesis;
mod record_history;
mod record_hostile;
mod record_kinds;
mod record_merge;
mod refusals;
mod restating;
mod schools;
mod support;
mod tickets;
mod vectors;
mod vectors_changes;
mod votes;
