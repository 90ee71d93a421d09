//! Loads what a group touches and writes what was decided, a few statements for the whole group.

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, SmallInt, Text};
use diesel::{PgConnection, QueryResult, SqliteConnection, copy_from, delete, insert_into, sql_query, update};
use fhir::identity::{Id, Kind, VersionId};

use crate::claims::Claims;
use crate::connection::{Db, both};
use crate::desk::{Desk, Entry, Head, Key, State};
use crate::kinds::Kinds;
use crate::notes::write_notes;
use crate::tables::{claim, head, kind, record, version};
use crate::unit::{Claim, Operation};

/// Values bound in one statement at most.
const CHUNK: usize = 500;
/// Rows from which COPY beats INSERT on PostgreSQL.
const COPY_MIN: usize = 16;

/// Where a record stands: its number, its latest version's place, node, counter and operation.
type Standing = (i64, i64, i32, i64, i16);

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = SmallInt)]
    kind: i16,
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = BigInt)]
    record: i64,
    #[diesel(sql_type = BigInt)]
    seq: i64,
    #[diesel(sql_type = diesel::sql_types::Integer)]
    node: i32,
    #[diesel(sql_type = BigInt)]
    counter: i64,
    #[diesel(sql_type = SmallInt)]
    operation: i16,
}

/// Reads the head row.
pub(crate) fn load_head(db: &mut Db) -> QueryResult<Head> {
    let columns = (
        head::seq,
        head::record,
        head::counter,
        head::clock,
        head::minted,
        head::node,
    );
    let (seq, record, counter, clock, minted, node) = both!(db, c => head::table.select(columns).get_result(c))?;
    Ok(Head {
        seq,
        record,
        counter,
        clock,
        minted,
        node,
    })
}

/// Whether any value is claimed at all.
pub(crate) fn any_claims(db: &mut Db) -> QueryResult<bool> {
    let some: Option<i64> = both!(db, c => claim::table.select(claim::record).limit(1).get_result(c).optional())?;
    Ok(some.is_some())
}

/// Looks up the records with these keys and enters them at the desk.
pub(crate) fn load_records(db: &mut Db, desk: &mut Desk<'_>, keys: Vec<Key>) -> QueryResult<()> {
    match db {
        Db::Sqlite(c) => {
            for key in keys {
                let standing = load_record(c, &key)?;
                desk.records.insert(key, standing.map(state));
            }
            Ok(())
        }
        Db::Postgres(c) => load_at_once(c, desk, keys),
    }
}

fn load_record(c: &mut SqliteConnection, key: &Key) -> QueryResult<Option<Standing>> {
    record::table
        .inner_join(version::table.on(version::seq.eq(record::seq)))
        .filter(record::kind.eq(key.0))
        .filter(record::id.eq(key.1.as_str()))
        .select((
            record::number,
            record::seq,
            version::node,
            version::counter,
            version::operation,
        ))
        .get_result(c)
        .optional()
}

fn load_at_once(c: &mut PgConnection, desk: &mut Desk<'_>, keys: Vec<Key>) -> QueryResult<()> {
    let query = "SELECT r.kind, r.id, r.number AS record, r.seq, v.node, v.counter, v.operation \
                 FROM unnest($1, $2) AS k (kind, id) \
                 JOIN record r ON r.kind = k.kind AND r.id = k.id COLLATE \"C\" \
                 JOIN version v ON v.seq = r.seq";
    let (kinds, ids): (Vec<i16>, Vec<&str>) = keys.iter().map(|(kind, id)| (*kind, id.as_str())).unzip();
    let found: Vec<Found> = sql_query(query)
        .bind::<Array<SmallInt>, _>(kinds)
        .bind::<Array<Text>, _>(ids)
        .load(c)?;
    desk.records.extend(keys.into_iter().map(|key| (key, None)));
    for f in found {
        let standing = state((f.record, f.seq, f.node, f.counter, f.operation));
        if let Some(id) = Id::new(&f.id) {
            desk.records.insert((f.kind, id), Some(standing));
        }
    }
    Ok(())
}

fn state((record, seq, node, counter, operation): Standing) -> State {
    let version = VersionId {
        node: node as u32,
        counter: counter as u64,
    };
    State {
        record,
        seq,
        version,
        live: operation != Operation::Delete.number(),
    }
}

/// Enters the claims that `records` hold and the holders of `wanted`.
pub(crate) fn load_claims(
    db: &mut Db,
    claims: &mut Claims,
    kinds: &Kinds,
    records: &[i64],
    wanted: &[&Claim],
) -> QueryResult<()> {
    type Held = (String, String, i64);
    let mut found: Vec<Held> = Vec::new();
    for chunk in records.chunks(CHUNK) {
        let more: Vec<Held> = both!(db, c => claim::table.filter(claim::record.eq_any(chunk)).load(c))?;
        found.extend(more);
    }
    for one in wanted {
        let query = claim::table
            .filter(claim::scope.eq(&one.scope))
            .filter(claim::value.eq(&one.value));
        let more: Vec<Held> = both!(db, c => query.load(c))?;
        found.extend(more);
    }
    for (scope, value, record) in found {
        let name = version::table
            .filter(version::record.eq(record))
            .select((version::kind, version::id))
            .limit(1);
        let (kind, id): (i16, String) = both!(db, c => name.get_result(c))?;
        if let (Some(kind), Some(id)) = (kinds.name(kind), Id::new(&id)) {
            claims.load(Claim { scope, value }, record, (kind.clone(), id));
        }
    }
    Ok(())
}

/// Writes what the desk decided, and moves the head row on from `before`.
///
/// # Errors
/// Where the head row is not at `before` it was written by another, and the transaction must end.
pub(crate) fn append(db: &mut Db, desk: &Desk<'_>, before: Head, new_kinds: &[(i16, Kind)]) -> QueryResult<()> {
    for (number, name) in new_kinds {
        let row = (kind::number.eq(number), kind::name.eq(name.as_str()));
        both!(db, c => insert_into(kind::table).values(row).execute(c))?;
    }
    let touched = desk.records.iter().filter_map(|(key, state)| Some((key, (*state)?)));
    let mut touched: Vec<(&Key, State)> = touched.filter(|(_, state)| state.seq > before.seq).collect();
    touched.sort_unstable_by_key(|(_, state)| state.record);
    let new_from = touched.partition_point(|(_, state)| state.record <= before.record);
    let (changed, new) = touched.split_at(new_from);
    match db {
        Db::Sqlite(c) => write_each(c, &desk.entries, changed, new)?,
        Db::Postgres(c) => write_at_once(c, &desk.entries, changed, new)?,
    }
    write_claims(db, &desk.claims)?;
    write_notes(db, &desk.notes)?;
    move_head(db, desk.head, before)
}

fn move_head(db: &mut Db, to: Head, before: Head) -> QueryResult<()> {
    let values = (
        head::seq.eq(to.seq),
        head::record.eq(to.record),
        head::counter.eq(to.counter),
        head::clock.eq(to.clock),
        head::minted.eq(to.minted),
    );
    let moved = both!(db, c => update(head::table.filter(head::seq.eq(before.seq))).set(values).execute(c))?;
    if moved == 1 {
        Ok(())
    } else {
        Err(diesel::result::Error::NotFound)
    }
}

macro_rules! version_row {
    ($entry:expr) => {
        (
            version::seq.eq($entry.seq),
            version::record.eq($entry.record),
            version::counter.eq($entry.version.counter as i64),
            version::updated.eq($entry.updated),
            version::base_counter.eq($entry.base.map(|b| b.counter as i64)),
            version::node.eq($entry.version.node as i32),
            version::base_node.eq($entry.base.map(|b| b.node as i32)),
            version::dictionary.eq($entry.packed.dictionary),
            version::kind.eq($entry.kind),
            version::operation.eq($entry.operation.number()),
            version::id.eq($entry.id.as_str()),
            version::hash.eq(&$entry.hash[..]),
            version::body.eq(&$entry.packed.bytes[..]),
            version::lag.eq($entry.lag),
            version::merged_counter.eq($entry.merged.map(|m| m.counter as i64)),
            version::merged_node.eq($entry.merged.map(|m| m.node as i32)),
            version::aside.eq(i16::from($entry.aside)),
        )
    };
}

macro_rules! record_row {
    ($key:expr, $state:expr) => {
        (
            record::number.eq($state.record),
            record::seq.eq($state.seq),
            record::kind.eq($key.0),
            record::id.eq($key.1.as_str()),
        )
    };
}

/// On SQLite a prepared statement a row is fastest: nothing is parsed or planned.
fn write_each(
    c: &mut SqliteConnection,
    entries: &[Entry],
    changed: &[(&Key, State)],
    new: &[(&Key, State)],
) -> QueryResult<()> {
    for entry in entries {
        insert_into(version::table).values(version_row!(entry)).execute(c)?;
    }
    for (key, state) in new {
        insert_into(record::table).values(record_row!(key, state)).execute(c)?;
    }
    for (key, state) in changed {
        let row = record::table
            .filter(record::kind.eq(key.0))
            .filter(record::id.eq(key.1.as_str()));
        update(row).set(record::seq.eq(state.seq)).execute(c)?;
    }
    Ok(())
}

/// On PostgreSQL a round trip costs most: one statement a table.
fn write_at_once(
    c: &mut PgConnection,
    entries: &[Entry],
    changed: &[(&Key, State)],
    new: &[(&Key, State)],
) -> QueryResult<()> {
    let rows: Vec<_> = entries.iter().map(|entry| version_row!(entry)).collect();
    if rows.len() < COPY_MIN {
        insert_into(version::table).values(rows).execute(c)?;
    } else {
        copy_from(version::table).from_insertable(rows).execute(c)?;
    }
    let rows: Vec<_> = new.iter().map(|(key, state)| record_row!(key, state)).collect();
    match rows.len() {
        0 => 0,
        1..COPY_MIN => insert_into(record::table).values(rows).execute(c)?,
        _ => copy_from(record::table).from_insertable(rows).execute(c)?,
    };
    if !changed.is_empty() {
        let query = "UPDATE record SET seq = n.seq FROM unnest($1, $2, $3) AS n (kind, id, seq) \
                     WHERE record.kind = n.kind AND record.id = n.id COLLATE \"C\"";
        let (kinds, ids): (Vec<i16>, Vec<&str>) = changed.iter().map(|(key, _)| (key.0, key.1.as_str())).unzip();
        sql_query(query)
            .bind::<Array<SmallInt>, _>(kinds)
            .bind::<Array<Text>, _>(ids)
            .bind::<Array<BigInt>, _>(changed.iter().map(|(_, state)| state.seq).collect::<Vec<i64>>())
            .execute(c)?;
    }
    Ok(())
}

fn write_claims(db: &mut Db, claims: &Claims) -> QueryResult<()> {
    let (records, held) = claims.changes();
    for chunk in records.chunks(CHUNK) {
        both!(db, c => delete(claim::table.filter(claim::record.eq_any(chunk))).execute(c))?;
    }
    for (one, holder) in held {
        let row = (
            claim::scope.eq(&one.scope),
            claim::value.eq(&one.value),
            claim::record.eq(holder),
        );
        both!(db, c => insert_into(claim::table).values(row).execute(c))?;
    }
    Ok(())
}
