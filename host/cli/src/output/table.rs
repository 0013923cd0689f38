//! A table for the eye: the first records and the columns that fit into the terminal, cells cut to one line. It says what it
//! leaves out; whoever needs everything asks for another format.

use std::io::{self, Write};

use comfy_table::{CellAlignment, ContentArrangement, Table, TableComponent, presets::NOTHING};

use super::RecordWriter;
use crate::json::{for_each_member, is_number, lines};
use crate::terminal::on_one_line;

/// Characters that a column needs at least to be of use, with its margins.
const MIN_COLUMN: usize = 10;
/// Width where there is no terminal.
const DEFAULT_WIDTH: u16 = 100;
/// Characters of one cell that are kept; more never fit.
const MAX_CELL: usize = 200;

/// Collects the records of a table. The caller bounds how many there are.
pub(super) struct Preview {
    columns: Vec<String>,
    fixed: bool,
    rows: Vec<Vec<(usize, String)>>,
}

impl Preview {
    pub(super) fn new(fields: &[String]) -> Self {
        Self { columns: fields.to_vec(), fixed: !fields.is_empty(), rows: Vec::new() }
    }

    fn render(&self, width: u16) -> String {
        let fit = (usize::from(width) / MIN_COLUMN).max(1);
        let shown = self.columns.len().min(fit);
        let mut table = base(width);
        table.set_header(self.columns.iter().take(shown).map(|name| on_one_line(name)));
        for row in &self.rows {
            let mut cells = vec![String::new(); shown];
            for (index, text) in row {
                if let Some(cell) = cells.get_mut(*index) {
                    text.clone_into(cell);
                }
            }
            let mut row = comfy_table::Row::from(cells.into_iter().map(|text| {
                let right = is_number(&text);
                let cell = comfy_table::Cell::new(text);
                if right { cell.set_alignment(CellAlignment::Right) } else { cell }
            }));
            row.max_height(1);
            table.add_row(row);
        }
        let mut text = format!("{}\n", table.trim_fmt());
        if let Some(rest) = self.columns.get(shown..).filter(|rest| !rest.is_empty()) {
            text.push_str(&format!("{} more fields: {}\n", rest.len(), on_one_line(&rest.join(", "))));
        }
        text
    }
}

impl RecordWriter for Preview {
    fn write(&mut self, ndjson: &[u8], _: &mut (dyn Write + Send)) -> io::Result<()> {
        for line in lines(ndjson) {
            let text = std::str::from_utf8(line).map_err(io::Error::other)?;
            let mut row = Vec::new();
            for_each_member(text, |name, value| {
                let index = match self.columns.iter().position(|c| *c == name) {
                    Some(index) => index,
                    // `--fields a.b` names a part of the column `a`.
                    None if self.fixed && self.columns.iter().any(|c| c.starts_with(&format!("{name}."))) => return,
                    None => {
                        self.columns.push(name);
                        self.columns.len() - 1
                    }
                };
                row.push((index, cell(value.get())));
            })
            .map_err(io::Error::other)?;
            for (index, column) in self.columns.iter().enumerate() {
                if let Some(text) = column.contains('.').then(|| dig(text, column)).flatten() {
                    row.push((index, text));
                }
            }
            self.rows.push(row);
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut (dyn Write + Send)) -> io::Result<()> {
        if self.rows.is_empty() {
            return out.write_all(b"no records\n");
        }
        out.write_all(self.render(terminal_width()).as_bytes())
    }
}

/// The value at a path with dots.
fn dig(object: &str, path: &str) -> Option<String> {
    let (first, rest) = path.split_once('.')?;
    let mut found = None;
    for_each_member(object, |name, value| {
        if name == first {
            found = Some(value.get().to_owned());
        }
    })
    .ok()?;
    let inner = found?;
    if rest.contains('.') {
        return dig(&inner, rest);
    }
    let mut text = None;
    for_each_member(&inner, |name, value| {
        if name == rest {
            text = Some(cell(value.get()));
        }
    })
    .ok()?;
    text
}

/// A value as one short line, without characters that would move the cursor.
fn cell(raw: &str) -> String {
    let text = match raw.as_bytes().first() {
        Some(b'"') => serde_json::from_str(raw).unwrap_or_else(|_| raw.to_owned()),
        _ if raw == "null" => String::new(),
        _ => raw.to_owned(),
    };
    let short: String = text.chars().take(MAX_CELL).collect();
    on_one_line(&short)
}

/// An empty table in the style of all tables of this program.
pub(crate) fn base(width: u16) -> Table {
    let mut table = Table::new();
    table.load_preset(NOTHING);
    table.set_style(TableComponent::HeaderLines, '─');
    table.set_style(TableComponent::MiddleHeaderIntersections, '─');
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(width);
    table.set_truncation_indicator("…");
    table
}

/// Columns of the terminal on stdout.
pub(crate) fn terminal_width() -> u16 {
    Table::new().width().filter(|w| *w >= 40).unwrap_or(DEFAULT_WIDTH)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn table(fields: &[&str], width: u16, ndjson: &str) -> String {
        let fields: Vec<String> = fields.iter().map(|s| (*s).to_owned()).collect();
        let mut preview = Preview::new(&fields);
        preview.write(ndjson.as_bytes(), &mut Vec::new()).unwrap();
        preview.render(width)
    }

    #[test]
    fn a_table_is_never_wider_than_the_terminal_and_says_what_it_leaves_out() {
        let record: Vec<String> = (0..20).map(|i| format!("\"field_{i}\":\"{}\"", "long text ".repeat(9))).collect();
        let text = table(&[], 80, &format!("{{{}}}\n", record.join(",")));
        assert!(text.lines().next().unwrap().chars().count() <= 80, "{text}");
        let rows = text.lines().filter(|l| l.contains("long") && !l.contains("more fields")).count();
        assert_eq!(rows, 1, "one line per record: {text}");
        assert!(text.contains("12 more fields: field_8, "), "{text}");
    }

    #[test]
    fn digits_stand_as_they_are_and_control_characters_do_not_reach_the_terminal() {
        let text =
            table(&["price", "w.u"], 80, "{\"price\":25.00,\"w\":{\"u\":\"k\\u001b[31m\\ng\"},\"\\u001b[2Jx\":1}\n");
        assert!(text.contains("25.00") && text.contains("k [31m g"), "{text}");
        assert!(text.contains(" [2Jx") && text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    }
}
