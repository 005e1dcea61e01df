//! A table as HTML.

use maud::{Markup, html};

use super::model::{Emphasis, Table};

/// Words of up to this many letters stay on one line.
const SHORT: usize = 40;

impl Table {
    /// `<table>` and `<ul>` of the page.
    pub fn to_html(&self) -> Markup {
        html! {
            div.wide {
                table {
                    thead {
                        tr {
                            @for (index, heading) in self.printed_columns() {
                                th.n[self.is_numeric(index)] scope="col" { (heading) }
                            }
                        }
                    }
                    tbody {
                        @for (emphasis, row) in &self.rows {
                            tr class=(class(*emphasis)) {
                                @for (index, _) in self.printed_columns() {
                                    @let (text, numeric) = (row[index].printed(), self.is_numeric(index));
                                    @let short = !numeric && text.chars().count() <= SHORT;
                                    td.n[numeric].s[short] { (text) }
                                }
                            }
                        }
                    }
                }
            }
            @if !self.notes.is_empty() {
                ul.notes {
                    @for note in &self.notes { li { (note) } }
                }
            }
        }
    }
}

fn class(emphasis: Emphasis) -> &'static str {
    match emphasis {
        Emphasis::Ours => "ours",
        Emphasis::Recommended => "recommended",
        Emphasis::Published => "published",
    }
}
