//! A table as HTML.

use maud::{Markup, html};

use super::model::{Cell, Emphasis, Table};

/// Words of up to this many letters stay on one line.
const SHORT: usize = 40;
/// A table with more rows shows the most important ones, and all of them when asked to.
const LONG: usize = 14;

/// A row and how it is set off.
type Row = (Emphasis, Vec<Cell>);

impl Table {
    /// `<table>` and `<ul>` of the page; of a long table, the rows that matter most, and below them all rows, folded.
    pub fn to_html(&self) -> Markup {
        let all: Vec<&Row> = self.rows.iter().collect();
        let shown = self.short();
        html! {
            @if let Some(shown) = &shown {
                @if !shown.is_empty() { (self.rows_to_html(shown)) }
                details.all {
                    summary { "All " (all.len()) " rows" }
                    (self.rows_to_html(&all))
                }
            } @else {
                (self.rows_to_html(&all))
            }
            @if !self.notes.is_empty() {
                ul.notes {
                    @for note in &self.notes { li { (note) } }
                }
            }
        }
    }

    /// The rows of a long table that stay in sight: the recommended ones or else ours, where these are few; `None` where all
    /// rows do.
    fn short(&self) -> Option<Vec<&Row>> {
        if self.rows.len() <= LONG {
            return None;
        }
        let of = |is_shown: fn(Emphasis) -> bool| -> Vec<&Row> {
            self.rows.iter().filter(|(emphasis, _)| is_shown(*emphasis)).collect()
        };
        let ours = of(|emphasis| emphasis != Emphasis::Published);
        let few = if ours.len() <= LONG { ours } else { of(|emphasis| emphasis == Emphasis::Recommended) };
        Some(if few.len() <= LONG { few } else { Vec::new() })
    }

    fn rows_to_html(&self, rows: &[&Row]) -> Markup {
        let below: Vec<usize> =
            self.printed_columns().filter(|(at, _)| self.is_below(*at)).map(|(at, _)| at).collect();
        let columns: Vec<(usize, &str)> = self.printed_columns().filter(|(at, _)| !self.is_below(*at)).collect();
        html! {
            div.wide tabindex="0" {
                table {
                    thead {
                        tr {
                            @for (index, heading) in &columns {
                                th.n[self.is_numeric(*index)] scope="col" { (heading) }
                            }
                        }
                    }
                    tbody {
                        @for (emphasis, row) in rows {
                            tr class=(class(*emphasis)) {
                                @for (place, (index, _)) in columns.iter().enumerate() {
                                    @let (text, numeric) = (row[*index].printed(), self.is_numeric(*index));
                                    @if place == 0 {
                                        th scope="row" {
                                            (text)
                                            @let words = below_name(row, &below);
                                            @if !words.is_empty() { " " span.below { (words) } }
                                        }
                                    } @else {
                                        @let short = !numeric && text.chars().count() <= SHORT;
                                        td.n[numeric].s[short] { (text) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What stands below a row's name.
fn below_name(row: &[Cell], below: &[usize]) -> String {
    let cells = below.iter().map(|at| &row[*at]).filter(|cell| **cell != Cell::Missing);
    cells.map(Cell::printed).collect::<Vec<_>>().join(", ")
}

fn class(emphasis: Emphasis) -> &'static str {
    match emphasis {
        Emphasis::Ours => "ours",
        Emphasis::Recommended => "recommended",
        Emphasis::Published => "published",
    }
}
