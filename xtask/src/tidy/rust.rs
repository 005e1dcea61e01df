//! Rust source as tokens: enough to find imports and the fields of structs, without a parser's compile time.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A name or keyword.
    Ident,
    /// One character of punctuation.
    Punct,
    /// A number, as written.
    Number,
    /// A string's content, as written between the quotes; or a character's.
    Literal,
    /// A `///` or `//!` comment, without the slashes and the space after them.
    Doc,
}

/// A token and the line, from 1, where it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// What it says.
    pub text: String,
    /// Where it starts.
    pub line: usize,
}

impl Token {
    /// Whether it is this name or this punctuation.
    pub fn is(&self, text: &str) -> bool {
        matches!(self.kind, Kind::Ident | Kind::Punct) && self.text == text
    }
}

/// Cuts source text into tokens. Plain comments and lifetimes are left out.
pub fn tokens(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < chars.len() {
        let start = line;
        let mut push = |kind, text: String| found.push(Token { kind, text, line: start });
        let next = |offset: usize| chars.get(at + offset).copied().unwrap_or('\0');
        let end = match (chars[at], next(1)) {
            ('\n', _) => at + 1,
            ('/', '/') => {
                let end = find(&chars, at, |c| c == '\n');
                let text: String = chars[at + 2..end].iter().collect();
                // `////` is a plain comment.
                if let Some(doc) =
                    text.strip_prefix('/').filter(|t| !t.starts_with('/')).or(text.strip_prefix('!'))
                {
                    push(Kind::Doc, doc.strip_prefix(' ').unwrap_or(doc).to_owned());
                }
                end
            }
            ('/', '*') => end_of_block_comment(&chars, at),
            ('r', '"' | '#') | ('b', 'r') if raw_string(&chars, at).is_some() => {
                let (text, end) = raw_string(&chars, at).unwrap_or_default();
                push(Kind::Literal, text);
                end
            }
            ('b' | 'c', '"') | ('"', _) => {
                let open = if chars[at] == '"' { at } else { at + 1 };
                let end = end_of_quoted(&chars, open);
                push(Kind::Literal, chars[open + 1..end - 1].iter().collect());
                end
            }
            // A character, unless it is a lifetime.
            ('\'', '\\') => {
                push(Kind::Literal, String::new());
                end_of_quoted(&chars, at)
            }
            ('\'', _) if next(2) == '\'' => {
                push(Kind::Literal, next(1).to_string());
                at + 3
            }
            ('\'', _) => find(&chars, at + 1, |c| !is_name(c)),
            (c, _) if c.is_whitespace() => at + 1,
            (c, _) if c.is_ascii_digit() => {
                let mut end = find(&chars, at, |c| !is_name(c));
                // `1.5` and `1.0e-3`, but neither `0..3` nor `1.max(2)`.
                if chars.get(end) == Some(&'.') && chars.get(end + 1).is_some_and(char::is_ascii_digit) {
                    end = find(&chars, end + 1, |c| !is_name(c));
                }
                if chars[end - 1] == 'e' && matches!(chars.get(end), Some('-' | '+')) {
                    end = find(&chars, end + 1, |c| !is_name(c));
                }
                push(Kind::Number, chars[at..end].iter().collect());
                end
            }
            (c, _) if is_name(c) => {
                let end = find(&chars, at, |c| !is_name(c));
                push(Kind::Ident, chars[at..end].iter().collect());
                end
            }
            (c, _) => {
                push(Kind::Punct, c.to_string());
                at + 1
            }
        };
        let end = end.min(chars.len());
        line += chars[at..end].iter().filter(|&&c| c == '\n').count();
        at = end;
    }
    found
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn find(chars: &[char], from: usize, stop: impl Fn(char) -> bool) -> usize {
    chars.iter().skip(from).position(|&c| stop(c)).map_or(chars.len(), |n| from + n)
}

/// After the closing quote of what is opened at `open`.
fn end_of_quoted(chars: &[char], open: usize) -> usize {
    let mut at = open + 1;
    while at < chars.len() && chars[at] != chars[open] {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

fn end_of_block_comment(chars: &[char], start: usize) -> usize {
    let (mut depth, mut at) = (0, start);
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The content of `r"..."` or `r#"..."#`, with or without a `b` before it, and where it ends.
fn raw_string(chars: &[char], at: usize) -> Option<(String, usize)> {
    let at = if chars[at] == 'b' { at + 1 } else { at };
    let open = find(chars, at + 1, |c| c != '#');
    let hashes = open - at - 1;
    if chars.get(at) != Some(&'r') || chars.get(open) != Some(&'"') {
        return None;
    }
    let closes = |&end: &usize| chars[end] == '"' && (1..=hashes).all(|n| chars.get(end + n) == Some(&'#'));
    let end = (open + 1..chars.len()).find(closes)?;
    Some((chars[open + 1..end].iter().collect(), end + 1 + hashes))
}

/// The index after the bracket that closes the one at `open`.
pub fn after_group(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        if token.is("(") || token.is("[") || token.is("{") {
            depth += 1;
        } else if token.is(")") || token.is("]") || token.is("}") {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return at + 1;
            }
        }
    }
    tokens.len()
}

/// Leaves out what is compiled for tests only: the items under `#[cfg(test)]` and `#[test]`.
pub fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let inside: &[&str] = &["#", "[", "cfg", "(", "test", ")", "]"];
        let is_test = starts_with(&tokens[at..], inside) || starts_with(&tokens[at..], &["#", "[", "test", "]"]);
        if is_test {
            at = after_item(tokens, at);
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// Whether the tokens start with these names and punctuation.
pub fn starts_with(tokens: &[Token], texts: &[&str]) -> bool {
    tokens.len() >= texts.len() && tokens.iter().zip(texts).all(|(token, text)| token.is(text))
}

/// The index after an item and its attributes.
fn after_item(tokens: &[Token], mut at: usize) -> usize {
    while tokens.get(at).is_some_and(|token| token.is("#") || token.kind == Kind::Doc) {
        at = if tokens[at].kind == Kind::Doc { at + 1 } else { after_group(tokens, at + 1) };
    }
    let ends_in_semicolon = tokens[at..].iter().take(5).any(|token| token.is("use") || token.is("const"));
    while at < tokens.len() {
        if tokens[at].is(";") {
            return at + 1;
        }
        if tokens[at].is("{") && !ends_in_semicolon {
            return after_group(tokens, at);
        }
        let opens = tokens[at].is("(") || tokens[at].is("[") || tokens[at].is("{");
        at = if opens { after_group(tokens, at) } else { at + 1 };
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<String> {
        tokens(source).into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn comments_and_lifetimes_are_no_tokens_and_literals_are_one() {
        let source = "fn a<'x>(s: &'x str) { /* b /* c */ */ 'y'; '\\''; \"d \\\" // e\"; r#\"f \"g\" h\"# } // i";
        let expected = ["fn", "a", "<", ">", "(", "s", ":", "&", "str", ")", "{", "y", ";", "", ";"];
        assert_eq!(texts(source)[..15], expected);
        assert_eq!(texts(source)[15..], ["d \\\" // e", ";", "f \"g\" h", "}"]);
    }

    #[test]
    fn numbers_are_whole() {
        assert_eq!(
            texts("1.0e-3 0..3 1_000u64 1.max(2)"),
            ["1.0e-3", "0", ".", ".", "3", "1_000u64", "1", ".", "max", "(", "2", ")"]
        );
    }

    #[test]
    fn docs_know_their_line() {
        let found = tokens("//// plain\n//! of the module\n\n/// of an item\nfn x() {}");
        let docs: Vec<_> =
            found.iter().filter(|t| t.kind == Kind::Doc).map(|t| (t.text.as_str(), t.line)).collect();
        assert_eq!(docs, [("of the module", 2), ("of an item", 4)]);
        assert_eq!(found.last().map(|token| token.line), Some(5));
    }

    #[test]
    fn what_is_for_tests_is_left_out() {
        let source = "use a::b; #[cfg(test)] use c::{d}; #[cfg(test)] mod tests { fn e() {} } \
             #[test] #[allow(f)] fn g() -> [u8; 2] { h() } fn i() {}";
        let kept: Vec<String> = without_tests(&tokens(source)).into_iter().map(|token| token.text).collect();
        assert_eq!(kept.join(" "), "use a : : b ; fn i ( ) { }");
    }
}
