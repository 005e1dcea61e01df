//! One table and its three forms: CSV for programs, Markdown for documents, HTML for the page.

use std::fmt::Write;

use polars::prelude::{Column as Series, CsvWriter, DataFrame, PolarsResult, SerWriter};

/// Words of up to this many letters stay on one line of the page's tables.
const SHORT: usize = 30;

/// What stands in one cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Words.
    Text(String),
    /// A number, and with how many decimals it is printed; CSV keeps six, or none where this is 0.
    Number(f64, usize),
    /// Not measured or not known.
    Missing,
}

impl Cell {
    /// Words.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A number that may be missing.
    pub fn number(value: Option<f64>, decimals: usize) -> Self {
        value.filter(|value| value.is_finite()).map_or(Self::Missing, |value| Self::Number(value, decimals))
    }

    fn printed(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            // Adding zero turns a negative zero, which would print as `-0.00`, into zero.
            Self::Number(value, decimals) => {
                let scale = 10_f64.powi(i32::try_from(*decimals).unwrap_or(0));
                format!("{:.decimals$}", (value * scale).round() / scale + 0.0)
            }
            Self::Missing => "–".into(),
        }
    }
}

/// A column: its name in CSV, its heading in print.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Name in CSV, with the unit.
    pub id: String,
    /// Heading in Markdown and HTML, with the unit; `None` leaves the column to the CSV.
    pub heading: Option<String>,
}

impl Column {
    /// A column of all three forms.
    pub fn new(id: impl Into<String>, heading: impl Into<String>) -> Self {
        Self { id: id.into(), heading: Some(heading.into()) }
    }

    /// A column of the CSV alone.
    pub fn csv_only(id: impl Into<String>) -> Self {
        Self { id: id.into(), heading: None }
    }
}

/// How a row is set off from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emphasis {
    /// A row of ours.
    Ours,
    /// The recommended setting.
    Recommended,
    /// Somebody else's published result.
    Published,
}

/// A table of the report.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// File name without ending.
    pub id: String,
    /// Heading.
    pub title: String,
    /// What a reader must know; printed below the table.
    pub notes: Vec<String>,
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows, each as wide as `columns`.
    pub rows: Vec<(Emphasis, Vec<Cell>)>,
}

impl Table {
    /// Comma-separated, header first, six decimals, an empty field where a value is missing. A column
    /// without words is a column of numbers; one of counts has no decimals.
    ///
    /// # Errors
    /// polars refuses: two columns of one name, or a row of another width.
    pub fn to_csv(&self) -> PolarsResult<String> {
        let mut series = Vec::with_capacity(self.columns.len());
        for (index, column) in self.columns.iter().enumerate() {
            let cells = || self.rows.iter().filter_map(move |(_, row)| row.get(index));
            let name = column.id.as_str().into();
            series.push(if cells().any(|cell| matches!(cell, Cell::Text(_))) {
                let text = |cell: &Cell| match cell {
                    Cell::Text(text) => Some(text.clone()),
                    Cell::Number(value, _) => Some(value.to_string()),
                    Cell::Missing => None,
                };
                Series::new(name, cells().map(text).collect::<Vec<_>>())
            } else if cells().any(|cell| matches!(cell, Cell::Number(_, 1..))) {
                // Beyond six decimals stands only the rounding noise of percent = 100 * share.
                let number = |cell: &Cell| {
                    if let Cell::Number(value, _) = cell { Some((value * 1e6).round() / 1e6 + 0.0) } else { None }
                };
                Series::new(name, cells().map(number).collect::<Vec<_>>())
            } else {
                let count = |cell: &Cell| {
                    if let Cell::Number(value, _) = cell { Some(value.round() as i64) } else { None }
                };
                Series::new(name, cells().map(count).collect::<Vec<_>>())
            });
        }
        let mut frame = DataFrame::new(self.rows.len(), series)?;
        let mut csv = Vec::new();
        CsvWriter::new(&mut csv).finish(&mut frame)?;
        Ok(String::from_utf8_lossy(&csv).into_owned())
    }

    /// A Markdown section: heading, table, notes. The recommended row is bold.
    pub fn to_markdown(&self) -> String {
        let escape = |text: &str| text.replace('|', "\\|").replace('\n', " ");
        let mut markdown = format!("## {}\n\n|", self.title);
        for column in self.printed_columns() {
            _ = write!(markdown, " {} |", escape(column.1));
        }
        markdown.push_str("\n|");
        for (index, _) in self.printed_columns() {
            markdown.push_str(if self.is_numeric(index) { " ---: |" } else { " --- |" });
        }
        for (emphasis, row) in &self.rows {
            markdown.push_str("\n|");
            for (index, _) in self.printed_columns() {
                let text = escape(&row[index].printed());
                if *emphasis == Emphasis::Recommended && !text.is_empty() {
                    _ = write!(markdown, " **{text}** |");
                } else {
                    _ = write!(markdown, " {text} |");
                }
            }
        }
        markdown.push('\n');
        for note in &self.notes {
            _ = write!(markdown, "\n* {}", note.replace('\n', " "));
        }
        markdown.push('\n');
        markdown
    }

    /// `<table>` and `<ul>` of the page.
    pub fn to_html(&self) -> String {
        let mut html = String::from("<div class=\"wide\"><table>\n<thead><tr>");
        for (index, heading) in self.printed_columns() {
            let class = if self.is_numeric(index) { " class=\"n\"" } else { "" };
            _ = write!(html, "<th{class}>{}</th>", escape_html(heading));
        }
        html.push_str("</tr></thead>\n<tbody>\n");
        for (emphasis, row) in &self.rows {
            let class = match emphasis {
                Emphasis::Ours => "ours",
                Emphasis::Recommended => "recommended",
                Emphasis::Published => "published",
            };
            _ = write!(html, "<tr class=\"{class}\">");
            for (index, _) in self.printed_columns() {
                let text = row[index].printed();
                let class = match self.is_numeric(index) {
                    true => " class=\"n\"",
                    false if text.chars().count() <= SHORT => " class=\"s\"",
                    false => "",
                };
                _ = write!(html, "<td{class}>{}</td>", escape_html(&text));
            }
            html.push_str("</tr>\n");
        }
        html.push_str("</tbody></table></div>\n");
        if !self.notes.is_empty() {
            html.push_str("<ul class=\"notes\">");
            for note in &self.notes {
                _ = write!(html, "<li>{}</li>", escape_html(note));
            }
            html.push_str("</ul>\n");
        }
        html
    }

    /// The printed columns that hold a value in some row; a column without one is left out.
    fn printed_columns(&self) -> impl Iterator<Item = (usize, &str)> {
        self.columns.iter().enumerate().filter_map(|(index, column)| {
            let empty = self.rows.iter().all(|(_, row)| row[index] == Cell::Missing);
            column.heading.as_deref().filter(|_| !empty).map(|heading| (index, heading))
        })
    }

    fn is_numeric(&self, index: usize) -> bool {
        self.rows.iter().all(|(_, row)| !matches!(row[index], Cell::Text(_)))
    }
}

/// Text for HTML, quotes included.
pub fn escape_html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
