//! Looks at everything the log says about itself, in chunks, while it is in use.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel::{QueryResult, sql_query, update};

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
    updated: i64,
    counter: u64,
    findings_untold: usize,
}

#[derive(QueryableByName)]
struct Pointer {
    #[diesel(sql_type = BigInt)]
    record: i64,
    #[diesel(sql_type = BigInt)]
    seq: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    latest: Option<i64>,
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
        if (rows.len() as i64) < up_to - after {
            let places = self.readers.read(|db| places(db, after, up_to))?;
            for place in after + 1..=up_to {
                if places.binary_search(&place).is_err() {
                    found(report, highest, format!("Version {place} is missing in the log."));
                } else if rows.binary_search_by_key(&place, |row| row.0).is_err() {
                    found(report, highest, format!("The record of version {place} is missing."));
                }
            }
        }
        for row in rows {
            match self.opened(row) {
                Ok(version) => self.check_order(&version, report, highest),
                Err(trouble) => found(report, highest, trouble.sentence().to_owned()),
            }
        }
        Ok(())
    }

    fn check_order(&self, version: &Version, report: &mut Report, highest: &mut Highest) {
        if version.updated <= highest.updated {
            let what = format!("Version {} is not later than the one before it.", version.seq);
            found(report, highest, what);
        }
        highest.updated = highest.updated.max(version.updated);
        if version.version.node == self.settings.node {
            highest.counter = highest.counter.max(version.version.counter);
        }
    }

    /// Every record points to its latest version; a pointer that does not is put right.
    fn check_records(&self, report: &mut Report, highest: &mut Highest) -> Result<(), Trouble> {
        let mut after = 0;
        loop {
            let pointers = self.readers.read(|db| pointers(db, after))?;
            let Some(last) = pointers.last() else {
                return Ok(());
            };
            after = last.record;
            report.records += pointers.len() as u64;
            let mut wrong = Vec::new();
            for p in pointers.iter().filter(|p| p.latest != Some(p.seq)) {
                match p.latest {
                    None => found(report, highest, format!("Record {} has no version.", p.record)),
                    Some(latest) => wrong.push((p.record, p.seq, latest)),
                }
            }
            self.point(&wrong, report, highest);
        }
    }

    fn point(&self, wrong: &[(i64, i64, i64)], report: &mut Report, highest: &mut Highest) {
        let records = wrong.iter().map(|(record, _, _)| *record).collect();
        let repaired: Result<(), Refused> = if wrong.is_empty() { Ok(()) } else { self.repair(records) };
        for (record, seq, latest) in wrong {
            let what = format!("Record {record} pointed to version {seq}, but its latest is {latest}");
            match &repaired {
                Ok(()) => report.repairs.push(format!("{what}; it points there again.")),
                Err(refused) => found(report, highest, format!("{what}; it could not be put right: {refused}")),
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
                both!(db, c => record::table.select(diesel::dsl::max(record::number)).get_result(c))?;
            Ok((load_head(db)?, seq.unwrap_or(0), last.unwrap_or(0)))
        })?;
        let counts = [
            ("version", head.seq, seq),
            ("record", head.record, last),
            ("version count", head.counter, highest.counter as i64),
            ("moment", head.clock, highest.updated),
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

fn places(db: &mut Db, after: i64, up_to: i64) -> QueryResult<Vec<i64>> {
    both!(db, c => version::table
        .filter(version::seq.gt(after))
        .filter(version::seq.le(up_to))
        .order(version::seq.asc())
        .select(version::seq)
        .load(c))
}

fn pointers(db: &mut Db, after: i64) -> QueryResult<Vec<Pointer>> {
    let query = format!(
        "SELECT record.number AS record, record.seq, \
         (SELECT MAX(version.seq) FROM version WHERE version.record = record.number) AS latest \
         FROM record WHERE record.number > {after} ORDER BY record.number LIMIT {CHUNK}"
    );
    both!(db, c => sql_query(query).load(c))
}

fn stray_claims(db: &mut Db) -> QueryResult<Vec<Stray>> {
    let query = format!(
        "SELECT scope, value, record FROM claim WHERE NOT EXISTS (SELECT 1 FROM record \
         JOIN version ON version.seq = record.seq WHERE record.number = claim.record AND version.operation <> {}) \
         LIMIT {FINDINGS_MAX}",
        Operation::Delete.number()
    );
    both!(db, c => sql_query(query).load(c))
}

/// Points records to their latest versions; run by the writer.
pub(crate) fn point_records(db: &mut Db, records: &[i64]) -> QueryResult<()> {
    for one in records {
        let latest = version::table
            .filter(version::record.eq(*one))
            .select(diesel::dsl::max(version::seq));
        let latest: Option<i64> = both!(db, c => latest.get_result(c))?;
        if let Some(latest) = latest {
            let row = record::table.filter(record::number.eq(*one));
            both!(db, c => update(row).set(record::seq.eq(latest)).execute(c))?;
        }
    }
    Ok(())
}
