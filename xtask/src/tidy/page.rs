//! A documentation page, cut into what the checks look at.

/// A page's links, code spans and code lines, each with its line from 1.
#[derive(Debug, Default)]
pub struct Page {
    /// Targets of links and pictures.
    pub links: Vec<(usize, String)>,
    /// What stands between backticks.
    pub spans: Vec<(usize, String)>,
    /// Code blocks.
    pub blocks: Vec<Block>,
    /// Headings, as GitHub makes anchors of them.
    pub anchors: Vec<(usize, String)>,
}

/// A code block.
#[derive(Debug, Default)]
pub struct Block {
    /// What follows the fence: `toml`, `rust,no_run`, nothing. Indented blocks have nothing.
    pub language: String,
    /// The line, from 1, of its first line of code.
    pub line: usize,
    /// Its lines.
    pub lines: Vec<String>,
}

impl Page {
    /// Cuts a page.
    pub fn read(text: &str) -> Self {
        let mut page = Self::default();
        let mut fence: Option<Block> = None;
        let mut indented: Option<Block> = None;
        let mut is_after_blank = true;
        for (at, line) in text.lines().enumerate() {
            let number = at + 1;
            if let Some(mut block) = fence.take() {
                if line.trim_start().starts_with("```") {
                    page.blocks.push(block);
                } else {
                    block.lines.push(line.to_owned());
                    fence = Some(block);
                }
                continue;
            }
            let is_indented = line.starts_with("    ") && (indented.is_some() || is_after_blank);
            if is_indented {
                let block = indented.get_or_insert_with(|| Block { line: number, ..Block::default() });
                block.lines.push(line.trim_start().to_owned());
                continue;
            }
            page.blocks.extend(indented.take());
            is_after_blank = line.trim().is_empty() || line.starts_with('#');
            if let Some(language) = line.trim_start().strip_prefix("```") {
                fence = Some(Block { language: language.trim().to_owned(), line: number + 1, lines: Vec::new() });
            } else {
                page.read_text(number, line);
            }
        }
        page.blocks.extend(indented);
        page
    }

    fn read_text(&mut self, number: usize, line: &str) {
        if line.starts_with('#') {
            self.anchors.push((number, anchor(line.trim_start_matches('#').trim())));
        }
        let mut prose = String::new();
        for (at, part) in line.split('`').enumerate() {
            if at % 2 == 1 {
                self.spans.push((number, part.to_owned()));
            } else {
                prose.push_str(part);
            }
        }
        for part in prose.split("](").skip(1) {
            if let Some((target, _)) = part.split_once(')') {
                self.links.push((number, target.to_owned()));
            }
        }
    }
}

/// The anchor of a heading.
pub fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_cut() {
        let text = "# One `two`-three!\nSee [a](b.md) and `c d`, `e` and [`f`](g).\n\n    cargo xtask test\n    more\n\
            text\n    no code: the paragraph goes on\n\n```toml\nx = `1`\n```\n";
        let page = Page::read(text);
        assert_eq!(page.anchors, [(1, "one-two-three".to_owned())]);
        assert_eq!(page.links, [(2, "b.md".to_owned()), (2, "g".to_owned())]);
        let spans: Vec<&str> = page.spans.iter().map(|(_, span)| span.as_str()).collect();
        assert_eq!(spans, ["two", "c d", "e", "f"]);
        let blocks: Vec<_> =
            page.blocks.iter().map(|b| (b.language.as_str(), b.line, b.lines.join("|"))).collect();
        assert_eq!(blocks, [("", 4, "cargo xtask test|more".to_owned()), ("toml", 10, "x = `1`".to_owned())]);
    }
}
