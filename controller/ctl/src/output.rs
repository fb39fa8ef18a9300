//! Results as tables, JSON or YAML.

use std::fmt::Write as _;
use std::io::Write;

use serde_json::Value;

use crate::cli::Format;
use crate::error::Error;

/// Something that can be shown.
pub(crate) trait Row {
    /// Headings of a table.
    const COLUMNS: &'static [&'static str];

    /// One text a column.
    fn cells(&self) -> Vec<String>;

    /// All of it.
    fn value(&self) -> Value;
}

/// Writes all rows of a list.
pub(crate) fn list<R: Row>(out: &mut impl Write, format: Format, rows: &[R]) -> Result<(), Error> {
    let values = || Value::Array(rows.iter().map(Row::value).collect());
    match format {
        Format::Table => table(out, R::COLUMNS, rows.iter().map(Row::cells).collect()),
        Format::Json => Ok(writeln!(out, "{:#}", values())?),
        Format::Yaml => yaml(out, &values()),
    }
}

/// Writes one thing.
pub(crate) fn one<R: Row>(out: &mut impl Write, format: Format, row: &R) -> Result<(), Error> {
    match format {
        Format::Table => table(out, R::COLUMNS, vec![row.cells()]),
        Format::Json => Ok(writeln!(out, "{:#}", row.value())?),
        Format::Yaml => yaml(out, &row.value()),
    }
}

/// Writes one line of many, as it comes: `text` in tables.
pub(crate) fn line(
    out: &mut impl Write,
    format: Format,
    text: &str,
    value: &Value,
) -> Result<(), Error> {
    match format {
        Format::Table => writeln!(out, "{text}")?,
        Format::Json => writeln!(out, "{value}")?,
        Format::Yaml => {
            writeln!(out, "---")?;
            yaml(out, value)?;
        }
    }
    Ok(out.flush()?)
}

fn yaml(out: &mut impl Write, value: &Value) -> Result<(), Error> {
    let text = serde_yaml::to_string(value).map_err(std::io::Error::other)?;
    Ok(out.write_all(text.as_bytes())?)
}

fn table(out: &mut impl Write, heads: &[&str], rows: Vec<Vec<String>>) -> Result<(), Error> {
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    let width = |column: usize| {
        let cells = rows.iter().chain([&heads]).filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    for row in [&heads].into_iter().chain(&rows) {
        let mut text = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(text, "{cell:<width$}   ");
        }
        writeln!(out, "{}", text.trim_end())?;
    }
    Ok(())
}

/// A text from elsewhere, on one line and without what would drive a terminal.
pub(crate) fn plain(text: &str) -> String {
    let blank = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(blank).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    struct Pair(&'static str, u32);

    impl Row for Pair {
        const COLUMNS: &'static [&'static str] = &["NAME", "N"];

        fn cells(&self) -> Vec<String> {
            vec![self.0.to_owned(), self.1.to_string()]
        }

        fn value(&self) -> Value {
            json!({ "name": self.0, "n": self.1 })
        }
    }

    fn written(format: Format) -> String {
        let mut out = Vec::new();
        list(&mut out, format, &[Pair("alice", 1), Pair("b", 20)]).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_same_in_three_forms() {
        assert_eq!(written(Format::Table), "NAME    N\nalice   1\nb       20\n");
        let json: Value = serde_json::from_str(&written(Format::Json)).unwrap();
        assert_eq!(json[1]["n"], 20);
        let yaml: Value = serde_yaml::from_str(&written(Format::Yaml)).unwrap();
        assert_eq!(yaml, json);
    }

    #[test]
    fn texts_of_others_cannot_drive_the_terminal() {
        assert_eq!(plain("a\x1b[2Jb\nc"), "a [2Jb c");
    }
}
