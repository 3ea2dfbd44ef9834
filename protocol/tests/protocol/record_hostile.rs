//! Whatever a partner sends, the reader of changes survives it, and nothing that it lets pass troubles Automerge.
#![allow(clippy::unwrap_used, reason = "tests")]

use crate::mutations::{any_damage, any_disorder, any_step, damage, disorder, take};
use crate::support::{any_fields, contents, repair};
use automerge::{ActorId, Automerge, ReadDoc, legacy::OpId};
use proptest::{collection, prelude::*};
use staffroom_protocol::record::{
    change::{Change, Void},
    document::Document,
    genesis::{read_genesis, write_genesis},
};

const ACTOR: [u8; 16] = *b"an actor's bytes";

/// What Automerge makes of a first change that has been read must be what the reader makes of it.
fn automerge_agrees(bytes: &[u8], change: &Change<'_>) {
    let loaded = automerge::Change::from_bytes(bytes.to_vec()).unwrap();
    assert_eq!(loaded.raw_bytes(), bytes);
    let mut doc = Automerge::new();
    doc.apply_changes([loaded]).unwrap();
    let again = Automerge::load(&doc.save()).expect("what applies must load again");
    assert_eq!(again.get_changes(&[]).first().unwrap().raw_bytes(), bytes);
    assert_eq!(&read_genesis(change).unwrap(), Document::build([bytes]).unwrap().fields());
}

/// Reads what may be anything; what passes and has no past goes to Automerge too.
fn read_any(bytes: &[u8]) {
    let Ok(change) = Change::read(bytes) else { return };
    assert_eq!(change.operations().count() as u64, change.header().operations);
    if change.header().deps.is_empty() {
        automerge_agrees(bytes, &change);
    } else {
        assert_eq!(read_genesis(&change), Err(Void::NotGenesis));
    }
}

proptest! {
    #[test]
    fn any_first_change_of_automerge_within_the_schema_reads_as_automerge_does(
        steps in collection::vec(any_step(), 1..60),
    ) {
        let mut doc = Automerge::new().with_actor(ActorId::from(ACTOR));
        let done = doc.transact(|tx| steps.iter().try_for_each(|step| take(tx, step))).unwrap();
        let Some(hash) = done.hash else { return Ok(()) };
        let bytes = doc.get_change_by_hash(&hash).unwrap().raw_bytes().to_vec();
        automerge_agrees(&bytes, &Change::read(&bytes).unwrap());
    }

    #[test]
    fn any_disorder_of_operations_is_void_or_harmless(
        steps in collection::vec(any_step(), 1..40),
        disorders in collection::vec(any_disorder(), 0..4),
    ) {
        let mut doc = Automerge::new().with_actor(ActorId::from(ACTOR));
        let done = doc.transact(|tx| steps.iter().try_for_each(|step| take(tx, step))).unwrap();
        let Some(hash) = done.hash else { return Ok(()) };
        let mut expanded = doc.get_change_by_hash(&hash).unwrap().decode();
        let ids: Vec<_> = (1..=expanded.operations.len() as u64).map(|n| OpId(n, ActorId::from(ACTOR))).collect();
        for one in &disorders {
            disorder(&mut expanded.operations, &ids, one);
        }
        read_any(automerge::Change::from(expanded).raw_bytes());
    }

    #[test]
    fn any_later_change_of_automerge_within_the_schema_is_read(
        first in collection::vec(any_step(), 1..30),
        second in collection::vec(any_step(), 1..30),
    ) {
        let mut doc = Automerge::new().with_actor(ActorId::from(ACTOR));
        doc.transact(|tx| first.iter().try_for_each(|step| take(tx, step))).unwrap();
        doc.set_actor(ActorId::from([7; 16]));
        let Some(hash) = doc.transact(|tx| second.iter().try_for_each(|step| take(tx, step))).unwrap().hash else {
            return Ok(());
        };
        let theirs = doc.get_change_by_hash(&hash).unwrap();
        let ours = Change::read(theirs.raw_bytes()).unwrap();
        prop_assert_eq!(ours.header().hash.0, hash.0);
        prop_assert_eq!(ours.header().operations, theirs.len() as u64);
        prop_assert_eq!(ours.header().actors.len(), 1 + theirs.other_actor_ids().len());
        for (ours, theirs) in ours.operations().zip(&theirs.decode().operations) {
            prop_assert_eq!(ours.insert, theirs.insert);
            prop_assert_eq!(ours.predecessors.count(), theirs.pred.len());
        }
    }

    #[test]
    fn any_bytes_can_be_read(bytes in collection::vec(any::<u8>(), 0..200)) {
        read_any(&bytes);
        read_any(&repair(&bytes));
    }

    #[test]
    fn any_damage_to_written_fields_is_void_or_harmless(
        fields in any_fields(),
        damages in collection::vec(any_damage(), 1..4),
    ) {
        let mut bytes = contents(&write_genesis(ACTOR, &fields)).to_vec();
        damage(&mut bytes, &damages);
        read_any(&repair(&bytes));
    }

    #[test]
    fn any_damage_to_a_change_of_automerge_is_void_or_harmless(
        first in collection::vec(any_step(), 1..30),
        second in collection::vec(any_step(), 0..30),
        damages in collection::vec(any_damage(), 1..4),
    ) {
        let mut doc = Automerge::new().with_actor(ActorId::from(ACTOR));
        doc.transact(|tx| first.iter().try_for_each(|step| take(tx, step))).unwrap();
        doc.set_actor(ActorId::from([7; 16]));
        doc.transact(|tx| second.iter().try_for_each(|step| take(tx, step))).unwrap();
        for change in doc.get_changes(&[]) {
            let mut bytes = contents(change.raw_bytes()).to_vec();
            damage(&mut bytes, &damages);
            read_any(&repair(&bytes));
        }
    }
}
