//! Comments and attributes before items, fields and variants.

use std::collections::BTreeMap;

use super::super::rust::{Kind, Token, after_group};

/// What attributes and comments before an item, field or variant say.
#[derive(Debug, Default)]
pub struct Notes {
    /// Lines of documentation.
    pub doc: Vec<String>,
    /// Derived traits.
    pub derives: Vec<String>,
    /// Entries of `#[serde(...)]`, with their values.
    pub serde: BTreeMap<String, Option<String>>,
    /// Whether it is an enum's default.
    pub is_default: bool,
}

/// Reads comments and attributes; gives the index after them.
pub fn notes(tokens: &[Token], mut at: usize) -> (Notes, usize) {
    let mut notes = Notes::default();
    while let Some(token) = tokens.get(at) {
        if token.kind == Kind::Doc {
            notes.doc.push(token.text.trim().to_owned());
            at += 1;
        } else if token.is("#") && tokens.get(at + 1).is_some_and(|open| open.is("[")) {
            let end = after_group(tokens, at + 1);
            notes.attribute(&tokens[at + 2..end - 1]);
            at = end;
        } else {
            break;
        }
    }
    (notes, at)
}

impl Notes {
    fn attribute(&mut self, tokens: &[Token]) {
        let inner = tokens.get(2..tokens.len().saturating_sub(1)).unwrap_or_default();
        match tokens.first().map(|name| name.text.as_str()) {
            Some("derive") => self.derives.extend(inner.iter().map(|token| token.text.clone())),
            Some("default") => self.is_default = true,
            Some("serde") => {
                for entry in split(inner) {
                    let value =
                        entry.get(2).filter(|value| value.kind == Kind::Literal).map(|value| value.text.clone());
                    self.serde.extend(entry.first().map(|name| (name.text.clone(), value)));
                }
            }
            _ => {}
        }
    }

    /// The name in a file: renamed by itself, or by a rule of what is around it.
    pub fn name(&self, name: &str, rule: Option<&Option<String>>) -> String {
        if let Some(Some(renamed)) = self.serde.get("rename") {
            return renamed.clone();
        }
        match rule.and_then(|rule| rule.as_deref()) {
            Some("snake_case") => snake_case(name),
            Some("kebab-case") => snake_case(name).replace('_', "-"),
            Some("lowercase") => name.to_lowercase(),
            _ => name.to_owned(),
        }
    }

    /// The documentation in one line, links as plain names.
    pub fn doc(&self) -> String {
        self.doc.join(" ").replace("[`", "`").replace("`]", "`").trim().to_owned()
    }
}

/// The index after `pub` or `pub(..)`, if that is there.
pub fn after_visibility(tokens: &[Token], at: usize) -> usize {
    match tokens.get(at) {
        Some(token) if token.is("pub") => {
            let has_scope = tokens.get(at + 1).is_some_and(|open| open.is("("));
            if has_scope { after_group(tokens, at + 1) } else { at + 1 }
        }
        _ => at,
    }
}

/// `some_name` of `SomeName`.
pub fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake
}

/// The parts between commas; those in brackets and angle brackets separate nothing.
pub fn split(tokens: &[Token]) -> Vec<&[Token]> {
    let mut parts = Vec::new();
    let (mut start, mut at, mut angles) = (0, 0, 0_i32);
    while at < tokens.len() {
        let token = &tokens[at];
        if token.is("(") || token.is("[") || token.is("{") {
            at = after_group(tokens, at);
            continue;
        }
        if token.is("<") {
            angles += 1;
        } else if token.is(">") && !tokens[at - 1].is("-") {
            angles -= 1;
        } else if token.is(",") && angles == 0 {
            parts.push(&tokens[start..at]);
            start = at + 1;
        }
        at += 1;
    }
    if start < tokens.len() {
        parts.push(&tokens[start..]);
    }
    parts
}
