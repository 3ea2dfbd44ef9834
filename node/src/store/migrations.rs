//! Numbered steps from one layout of the file to the next; each may run again after a crash.
//!
//! The layout's number stands in a table of its own. A file with a higher number than this program
//! knows is left as it is.

use redb::{Database, ReadableDatabase, TableDefinition, TableError};

use super::{OpenError, durable_write};

/// The name of the table with the layout's number.
pub(super) const LAYOUT_NAME: &str = "layout";
/// name → number.
const LAYOUT: TableDefinition<'static, &'static str, u64> = TableDefinition::new(LAYOUT_NAME);

/// A step brings a file from its place in this list to the next.
type Step = fn(&redb::WriteTransaction) -> Result<(), redb::Error>;

/// All steps there have been. The first makes an empty file one of layout 1.
const STEPS: &[Step] = &[|_| Ok(())];

/// Runs the steps that a file has not been through yet.
pub(super) fn run(database: &Database) -> Result<(), OpenError> {
    let known = STEPS.len() as u64;
    let found = layout(database).map_err(|error| OpenError::Unreadable(error.to_string()))?;
    if found > known {
        return Err(OpenError::Newer { found, known });
    }
    for (number, step) in (1..).zip(STEPS).skip_while(|(number, _)| *number <= found) {
        apply(database, number, *step).map_err(OpenError::Unreadable)?;
    }
    Ok(())
}

fn apply(database: &Database, number: u64, step: Step) -> Result<(), String> {
    let write = durable_write(database).map_err(|error| error.to_string())?;
    step(&write).map_err(|error| error.to_string())?;
    let mut layout = write.open_table(LAYOUT).map_err(|error| error.to_string())?;
    layout.insert("layout", number).map_err(|error| error.to_string())?;
    drop(layout);
    write.commit().map_err(|error| error.to_string())
}

fn layout(database: &Database) -> Result<u64, redb::Error> {
    let read = database.begin_read()?;
    match read.open_table(LAYOUT) {
        Ok(table) => Ok(table.get("layout")?.map_or(0, |number| number.value())),
        Err(TableError::TableDoesNotExist(_)) => Ok(0),
        Err(error) => Err(error.into()),
    }
}
