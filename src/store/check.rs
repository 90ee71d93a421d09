//! Looks at everything the log says about itself, in chunks, while it is in use.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, SmallInt, Text};
use diesel::{QueryResult, delete, insert_into, sql_query};

use crate::append::load_head;
use crate::connection::{Db, both};
use crate::read::between;
use crate::shared::Shared;
use crate::tables::{record, version};
use crate::trouble::{Refused, Trouble};
use crate::unit::Operation;
use crate::version::Version;

/// Versions or records looked at in one go.
const CHUNK: i64 = 1000;
/// Findings told one by one; the rest are counted.
const FINDINGS_MAX: usize = 1000;

/// What a check of the whole store found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Versions looked at.
    pub versions: u64,
    /// Records looked at.
    pub records: u64,
    /// What is wrong and stays so, a sentence each; at most a thousand and how many more.
    pub findings: Vec<String>,
    /// What was wrong and has been put right, a sentence each.
    pub repairs: Vec<String>,
}

/// The highest numbers met along the log.
#[derive(Default)]
struct Highest {
    arrived: i64,
    counter: u64,
    findings_untold: usize,
}

/// A record by kind, id and number.
pub(crate) type Place = (i16, String, i64);

#[derive(QueryableByName)]
struct Pointer {
    #[diesel(sql_type = SmallInt)]
    kind: i16,
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = BigInt)]
    number: i64,
    #[diesel(sql_type = BigInt)]
    seq: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    latest: Option<i64>,
}

/// A version whose record is missing or has another number.
#[derive(QueryableByName)]
struct Lost {
    #[diesel(sql_type = SmallInt)]
    kind: i16,
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = BigInt)]
    record: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    number: Option<i64>,
}

#[derive(QueryableByName)]
struct Stray {
    #[diesel(sql_type = Text)]
    scope: String,
    #[diesel(sql_type = Text)]
    value: String,
    #[diesel(sql_type = BigInt)]
    record: i64,
}

impl Shared {
    pub(crate) fn check(&self, progress: &dyn Fn(u64, u64)) -> Result<Report, Trouble> {
        let (mut report, mut highest) = (Report::default(), Highest::default());
        let head = self.head() as i64;
        let mut after = 0;
        while after < head {
            let up_to = (after + CHUNK).min(head);
            self.check_versions(after, up_to, &mut report, &mut highest)?;
            after = up_to;
            progress(after as u64, head as u64);
        }
        self.check_records(&mut report, &mut highest)?;
        self.check_claims(&mut report, &mut highest)?;
        self.check_head(&mut report, &mut highest)?;
        if highest.findings_untold > 0 {
            report
                .findings
                .push(format!("And {} more findings.", highest.findings_untold));
        }
        Ok(report)
    }

    fn check_versions(
        &self,
        after: i64,
        up_to: i64,
        report: &mut Report,
        highest: &mut Highest,
    ) -> Result<(), Trouble> {
        let rows = self.readers.read(|db| between(db, after, up_to))?;
        report.versions += rows.len() as u64;
        let mut rows = rows.into_iter().peekable();
        for place in after + 1..=up_to {
            match rows.next_if(|row| row.0 == place).map(|row| self.opened(row)) {
                None => found(report, highest, format!("Version {place} is missing in the log.")),
                Some(Ok(version)) => self.check_order(&version, report, highest),
                Some(Err(trouble)) => found(report, highest, trouble.sentence().to_owned()),
            }
        }
        let mut missing = Vec::new();
        for lost in self.readers.read(|db| lost(db, after, up_to))? {
            let what = format!(
                "Record {} ({}/{}) is not in the table of records",
                lost.record,
                self.kind_name(lost.kind),
                lost.id
            );
            match lost.number {
                None => missing.push((what, (lost.kind, lost.id, lost.record))),
                Some(number) => found(report, highest, format!("{what}, which calls it {number}.")),
            }
        }
        self.put_right(missing, report, highest);
        Ok(())
    }

    fn kind_name(&self, number: i16) -> String {
        self.kinds()
            .name(number)
            .map_or_else(|| format!("kind {number}"), ToString::to_string)
    }

    fn check_order(&self, version: &Version, report: &mut Report, highest: &mut Highest) {
        if version.arrived <= highest.arrived {
            let what = format!("Version {} is not later than the one before it.", version.seq);
            found(report, highest, what);
        }
        highest.arrived = highest.arrived.max(version.arrived);
        if version.version.node == self.node() {
            highest.counter = highest.counter.max(version.version.counter);
        }
    }

    /// Every record points to its latest version that is not only kept; a pointer that does not is put right.
    fn check_records(&self, report: &mut Report, highest: &mut Highest) -> Result<(), Trouble> {
        let mut after = (0, String::new());
        loop {
            let pointers = self.readers.read(|db| pointers(db, &after))?;
            let Some(last) = pointers.last() else {
                return Ok(());
            };
            after = (last.kind, last.id.clone());
            report.records += pointers.len() as u64;
            let mut wrong = Vec::new();
            for p in pointers.into_iter().filter(|p| p.latest != Some(p.seq)) {
                let name = format!("{}/{}", self.kind_name(p.kind), p.id);
                match p.latest {
                    None => found(report, highest, format!("Record {} ({name}) has no version.", p.number)),
                    Some(latest) => {
                        let what = format!(
                            "Record {} ({name}) points to version {}, but its latest is {latest}",
                            p.number, p.seq
                        );
                        wrong.push((what, (p.kind, p.id, p.number)));
                    }
                }
            }
            self.put_right(wrong, report, highest);
        }
    }

    /// Has the writer enter records anew from the log; says of each what was wrong and what came of it.
    fn put_right(&self, wrong: Vec<(String, Place)>, report: &mut Report, highest: &mut Highest) {
        let (sentences, records): (Vec<String>, Vec<Place>) = wrong.into_iter().unzip();
        let repaired: Result<(), Refused> = if records.is_empty() {
            Ok(())
        } else {
            self.repair(records)
        };
        for what in sentences {
            match &repaired {
                Ok(()) => report.repairs.push(format!("{what}; that is put right.")),
                Err(refused) => found(
                    report,
                    highest,
                    format!("{what}; that could not be put right: {refused}"),
                ),
            }
        }
    }

    /// Every claim is held by a live record.
    fn check_claims(&self, report: &mut Report, highest: &mut Highest) -> Result<(), Trouble> {
        for Stray { scope, value, record } in self.readers.read(stray_claims)? {
            let what = format!("{scope} {value} is claimed by record {record}, which is not live.");
            found(report, highest, what);
        }
        Ok(())
    }

    fn check_head(&self, report: &mut Report, highest: &mut Highest) -> Result<(), Trouble> {
        let (head, seq, last) = self.readers.read(|db| {
            // The rows first: the head only moves on.
            let seq: Option<i64> = both!(db, c => version::table.select(diesel::dsl::max(version::seq)).get_result(c))?;
            let last: Option<i64> =
                both!(db, c => version::table.select(diesel::dsl::max(version::record)).get_result(c))?;
            Ok((load_head(db)?, seq.unwrap_or(0), last.unwrap_or(0)))
        })?;
        let counts = [
            ("version", head.seq, seq),
            ("record", head.record, last),
            ("version count", head.counter, highest.counter as i64),
            ("moment", head.clock, highest.arrived),
        ];
        for (what, said, met) in counts.iter().filter(|(_, said, met)| said < met) {
            found(
                report,
                highest,
                format!("The head row says that the last {what} is {said}, but {met} is there."),
            );
        }
        Ok(())
    }
}

fn found(report: &mut Report, highest: &mut Highest, what: String) {
    if report.findings.len() < FINDINGS_MAX {
        report.findings.push(what);
    } else {
        highest.findings_untold += 1;
    }
}

/// Versions whose record the table of records does not have, one a record.
fn lost(db: &mut Db, after: i64, up_to: i64) -> QueryResult<Vec<Lost>> {
    let query = format!(
        "SELECT DISTINCT version.kind, version.id, version.record, record.number FROM version \
         LEFT JOIN record ON record.kind = version.kind AND record.id = version.id \
         WHERE version.seq > {after} AND version.seq <= {up_to} \
         AND (record.number IS NULL OR record.number <> version.record)"
    );
    both!(db, c => sql_query(query).load(c))
}

/// Records after one, by kind and id, and where the log has their current versions.
fn pointers(db: &mut Db, after: &(i16, String)) -> QueryResult<Vec<Pointer>> {
    // An id has no character that could end the literal.
    let (kind, id) = after;
    let query = format!(
        "SELECT kind, id, number, seq, (SELECT MAX(version.seq) FROM version WHERE version.record = record.number \
         AND +version.kind = record.kind AND version.id = record.id AND version.aside = 0) AS latest FROM record \
         WHERE (kind, id) > ({kind}, '{id}') ORDER BY kind, id LIMIT {CHUNK}"
    );
    both!(db, c => sql_query(query).load(c))
}

fn stray_claims(db: &mut Db) -> QueryResult<Vec<Stray>> {
    let deleted = Operation::Delete.number();
    let query = format!(
        "SELECT scope, value, record FROM claim WHERE COALESCE((SELECT version.operation FROM version \
         WHERE version.record = claim.record AND version.aside = 0 ORDER BY version.seq DESC LIMIT 1), {deleted}) = {deleted} \
         LIMIT {FINDINGS_MAX}"
    );
    both!(db, c => sql_query(query).load(c))
}

/// Enters records anew from the log; run by the writer.
pub(crate) fn enter_records(db: &mut Db, records: &[Place]) -> QueryResult<()> {
    for (kind, id, number) in records {
        let latest = version::table
            .filter(version::record.eq(number))
            .filter(version::aside.eq(0))
            .select(diesel::dsl::max(version::seq));
        let latest: Option<i64> = both!(db, c => latest.get_result(c))?;
        let old = record::table.filter(record::kind.eq(kind)).filter(record::id.eq(id));
        both!(db, c => delete(old).execute(c))?;
        if let Some(latest) = latest {
            let row = (
                record::number.eq(number),
                record::seq.eq(latest),
                record::kind.eq(kind),
                record::id.eq(id),
            );
            both!(db, c => insert_into(record::table).values(row).execute(c))?;
        }
    }
    Ok(())
}
