//! Writes rows as a table: CSV, NDJSON, or one JSON array.

use std::io::{self, Write};

use fhir::parse::write_string;

use crate::row::{Row, Shape};
use crate::view::Column;

/// How a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values (RFC 4180), lines ended by a line feed. Nothing is an empty field, and an empty text a
    /// quoted one.
    Csv,
    /// One JSON object a line.
    Ndjson,
    /// One JSON array of objects.
    Json,
}

impl Format {
    /// Every format, with the name and the media type that ask for it.
    pub const ALL: [(Format, &'static str, &'static str); 3] = [
        (Format::Csv, "csv", "text/csv"),
        (Format::Ndjson, "ndjson", "application/x-ndjson"),
        (Format::Json, "json", "application/json"),
    ];

    /// The format by its name or its media type.
    pub fn named(name: &str) -> Option<Format> {
        let also = [
            ("application/ndjson", Format::Ndjson),
            ("application/fhir+ndjson", Format::Ndjson),
        ];
        let listed = Format::ALL
            .iter()
            .map(|(format, name, media)| ([*name, *media], *format));
        let mut all = listed.chain(also.map(|(media, format)| ([media; 2], format)));
        all.find(|(names, _)| names.contains(&name)).map(|(_, format)| format)
    }

    /// The media type of what is written.
    pub fn media_type(self) -> &'static str {
        let row = Format::ALL.iter().find(|(format, _, _)| *format == self);
        row.map_or("", |(_, _, media)| media)
    }
}

/// A table that is being written.
pub struct Table<W: Write> {
    format: Format,
    out: W,
    /// In CSV the names of the columns; in JSON each with quotes and colon.
    names: Vec<Vec<u8>>,
    rows: u64,
    line: Vec<u8>,
}

impl<W: Write> Table<W> {
    /// Begins a table. `header` says whether CSV has a first line with the columns' names.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn begin(format: Format, columns: &[Column], header: bool, out: W) -> io::Result<Table<W>> {
        let name = |column: &Column| {
            let mut name = Vec::new();
            write_string(&mut name, &column.name);
            name.push(b':');
            name
        };
        let mut table = Table {
            format,
            out,
            names: columns.iter().map(name).collect(),
            rows: 0,
            line: Vec::new(),
        };
        match format {
            Format::Csv if header => {
                let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
                table.out.write_all((names.join(",") + "\n").as_bytes())?;
            }
            Format::Json => table.out.write_all(b"[")?,
            _ => {}
        }
        Ok(table)
    }

    /// Writes a row.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn row(&mut self, row: &Row) -> io::Result<()> {
        self.line.clear();
        match self.format {
            Format::Csv => self.fields(row),
            Format::Ndjson => self.object(row),
            Format::Json => {
                let before: &[u8] = if self.rows > 0 { b",\n" } else { b"\n" };
                self.line.extend_from_slice(before);
                self.object(row);
            }
        }
        if self.format != Format::Json {
            self.line.push(b'\n');
        }
        self.rows += 1;
        self.out.write_all(&self.line)
    }

    /// Ends the table, and gives the writer back with the number of rows.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn end(mut self) -> io::Result<(W, u64)> {
        if self.format == Format::Json {
            self.out.write_all(b"\n]\n")?;
        }
        self.out.flush()?;
        Ok((self.out, self.rows))
    }

    /// The writer.
    pub fn writer(&self) -> &W {
        &self.out
    }

    fn fields(&mut self, row: &Row) {
        for (at, cell) in row.cells.iter().enumerate() {
            if at > 0 {
                self.line.push(b',');
            }
            let text = cell.text.as_bytes();
            let quoted = match cell.shape {
                Shape::Null | Shape::Plain => false,
                Shape::Text | Shape::Json => text.is_empty() || text.iter().any(|b| b",\"\r\n".contains(b)),
            };
            if !quoted {
                self.line.extend_from_slice(text);
                continue;
            }
            self.line.push(b'"');
            for byte in text {
                if *byte == b'"' {
                    self.line.push(b'"');
                }
                self.line.push(*byte);
            }
            self.line.push(b'"');
        }
    }

    fn object(&mut self, row: &Row) {
        self.line.push(b'{');
        for (at, (name, cell)) in self.names.iter().zip(&row.cells).enumerate() {
            if at > 0 {
                self.line.push(b',');
            }
            self.line.extend_from_slice(name);
            cell.write_json(&mut self.line);
        }
        self.line.push(b'}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Cell;

    fn written(format: Format, header: bool, rows: &[Row]) -> String {
        let column = |name: &str| Column {
            name: name.to_owned(),
            kind: None,
            collection: false,
        };
        let columns = ["a", "b"].map(column);
        let mut table = Table::begin(format, &columns, header, Vec::new()).expect("memory takes everything");
        for row in rows {
            table.row(row).expect("memory takes everything");
        }
        let (bytes, count) = table.end().expect("memory takes everything");
        assert_eq!(count, rows.len() as u64);
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn rows_are_written_in_every_format() {
        let cell = |(shape, text): (Shape, &str)| Cell {
            shape,
            text: text.to_owned(),
        };
        let row = |cells: [(Shape, &str); 2]| Row {
            cells: cells.map(cell).into(),
        };
        let rows = [
            row([(Shape::Plain, "1.50"), (Shape::Text, "a,\"b\"\n")]),
            row([(Shape::Null, ""), (Shape::Text, "")]),
            row([(Shape::Json, "[1,\"x\"]"), (Shape::Text, "tsh")]),
        ];
        assert_eq!(
            written(Format::Csv, true, &rows),
            "a,b\n1.50,\"a,\"\"b\"\"\n\"\n,\"\"\n\"[1,\"\"x\"\"]\",tsh\n"
        );
        assert_eq!(written(Format::Csv, false, &[]), "");
        assert_eq!(
            written(Format::Ndjson, true, &rows),
            "{\"a\":1.50,\"b\":\"a,\\\"b\\\"\\n\"}\n{\"a\":null,\"b\":\"\"}\n{\"a\":[1,\"x\"],\"b\":\"tsh\"}\n"
        );
        assert_eq!(
            written(Format::Json, true, &rows[1..]),
            "[\n{\"a\":null,\"b\":\"\"},\n{\"a\":[1,\"x\"],\"b\":\"tsh\"}\n]\n"
        );
        assert_eq!(written(Format::Json, true, &[]), "[\n]\n");
    }

    #[test]
    fn formats_are_known_by_name_and_by_media_type() {
        let table = [
            ("csv", Some(Format::Csv)),
            ("text/csv", Some(Format::Csv)),
            ("application/x-ndjson", Some(Format::Ndjson)),
            ("application/fhir+ndjson", Some(Format::Ndjson)),
            ("json", Some(Format::Json)),
            ("parquet", None),
        ];
        for (name, format) in table {
            assert_eq!(Format::named(name), format, "{name}");
        }
        assert_eq!(Format::Csv.media_type(), "text/csv");
    }
}
