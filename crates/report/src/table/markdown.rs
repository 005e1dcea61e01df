//! A table as Markdown.

use std::fmt::Write;

use super::model::{Emphasis, Table};

impl Table {
    /// A Markdown section: heading, table, notes. The recommended row is bold.
    pub fn to_markdown(&self) -> String {
        let escape = |text: &str| text.replace('|', "\\|").replace('\n', " ");
        let mut markdown = format!("## {}\n\n|", self.title);
        for (_, heading) in self.printed_columns() {
            _ = write!(markdown, " {} |", escape(heading));
        }
        markdown.push_str("\n|");
        for (index, _) in self.printed_columns() {
            markdown.push_str(if self.is_numeric(index) { " ---: |" } else { " --- |" });
        }
        for (emphasis, row) in &self.rows {
            let mark = if *emphasis == Emphasis::Recommended { "**" } else { "" };
            markdown.push_str("\n|");
            for (index, _) in self.printed_columns() {
                _ = write!(markdown, " {mark}{}{mark} |", escape(&row[index].printed()));
            }
        }
        markdown.push('\n');
        let notice = self.notice.map(|notice| format!("A reconstruction. {notice}"));
        for note in notice.iter().chain(&self.notes) {
            _ = write!(markdown, "\n* {}", note.replace('\n', " "));
        }
        markdown.push('\n');
        markdown
    }
}
