//! Brings a database's tables up to what this program knows, in order, all or nothing.

use diesel::dsl::exists;
use diesel::prelude::*;
use diesel::{QueryResult, insert_into, select};

use crate::connection::{Db, both};
use crate::dictionary::BUILT_IN;
use crate::tables::{dictionary, head, migration};
use crate::trouble::Trouble;

/// Every change to the tables ever made: never edited once shipped, only added to.
const MIGRATIONS: &[(i32, &str, &str)] = &[
    (1, "log", include_str!("../../migrations/0001_log.sql")),
    (2, "elsewhere", include_str!("../../migrations/0002_elsewhere.sql")),
];

/// Brings the tables up to date; a new database gets its head row with this node's number, 0 where none is named.
pub(crate) fn migrate(db: &mut Db, node: Option<i32>) -> Result<(), Trouble> {
    db.begin()?;
    let done = bring_up(db, node);
    match done {
        Ok(()) => db.run("COMMIT").map_err(Trouble::from),
        Err(trouble) => {
            db.run("ROLLBACK")?;
            Err(trouble)
        }
    }
}

fn bring_up(db: &mut Db, node: Option<i32>) -> Result<(), Trouble> {
    db.run("CREATE TABLE IF NOT EXISTS migration (number INTEGER PRIMARY KEY, name TEXT NOT NULL)")?;
    let applied: Vec<i32> =
        both!(db, c => migration::table.select(migration::number).order(migration::number).load(c))?;
    if let Some(unknown) = applied.iter().find(|n| MIGRATIONS.iter().all(|m| m.0 != **n)) {
        return Err(Trouble::new(format!(
            "The database was made by a newer program (its migration {unknown} is unknown here); use that program."
        )));
    }
    for (number, name, sql) in MIGRATIONS.iter().filter(|m| !applied.contains(&m.0)) {
        db.run(&fill_in(db, sql))?;
        let row = (migration::number.eq(number), migration::name.eq(name));
        both!(db, c => insert_into(migration::table).values(row).execute(c))?;
    }
    begin_head(db, node)?;
    bring_dictionaries(db)?;
    Ok(())
}

/// The SQL for one engine.
fn fill_in(db: &Db, sql: &str) -> String {
    let words = match db {
        // INTEGER makes the key the row's own number, with which every index entry ends anyway.
        Db::Sqlite(_) => [
            ("{key}", "INTEGER"),
            ("{blob}", "BLOB"),
            ("{text}", "TEXT"),
            ("{rowless}", " WITHOUT ROWID"),
            ("{and_seq}", ""),
        ],
        Db::Postgres(_) => [
            ("{key}", "BIGINT"),
            ("{blob}", "BYTEA"),
            ("{text}", "TEXT COLLATE \"C\""),
            ("{rowless}", ""),
            ("{and_seq}", ", seq"),
        ],
    };
    let mut sql = sql.to_owned();
    for (word, meaning) in words {
        sql = sql.replace(word, meaning);
    }
    sql
}

fn begin_head(db: &mut Db, node: Option<i32>) -> Result<(), Trouble> {
    let found: Option<i32> = both!(db, c => head::table.select(head::node).first(c).optional())?;
    match (found, node) {
        (Some(found), Some(node)) if found != node => Err(Trouble::new(format!(
            "The database belongs to node {found}, but this is node {node}; open it without naming a node, or name {found}."
        ))),
        (Some(_), _) => Ok(()),
        (None, node) => {
            let row = (
                head::seq.eq(0_i64),
                head::record.eq(0_i64),
                head::counter.eq(0_i64),
                head::clock.eq(0_i64),
                head::minted.eq(0_i64),
                head::node.eq(node.unwrap_or(0)),
            );
            both!(db, c => insert_into(head::table).values(row).execute(c))?;
            Ok(())
        }
    }
}

/// Copies the built-in dictionaries that the database lacks into it, so that it can be read by itself.
fn bring_dictionaries(db: &mut Db) -> QueryResult<()> {
    for d in BUILT_IN {
        let there: bool =
            both!(db, c => select(exists(dictionary::table.filter(dictionary::number.eq(d.number)))).get_result(c))?;
        if !there {
            let row = (
                dictionary::number.eq(d.number),
                dictionary::kind.eq(d.kind),
                dictionary::bytes.eq(d.bytes),
            );
            both!(db, c => insert_into(dictionary::table).values(row).execute(c))?;
        }
    }
    Ok(())
}
